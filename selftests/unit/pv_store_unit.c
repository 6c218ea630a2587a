// SPDX-License-Identifier: GPL-2.0-only
/*
 * nvx_pv_store() on the build machine: L1 is saved and goes on elsewhere between any two
 * instructions of it.  TAP.  Run by pv_store_test.py.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <ucontext.h>

#define WRITE_ONCE(x, val)	(*(volatile typeof(x) *)&(x) = (val))

#include <linux/types.h>
#include "../../include/nvx/pv_store.h"

#define TRAP_FLAG	0x100
#define MAX_STEPS	64
#define OLD		0x1111111111111111ull
#define NEW		0x2222222222222222ull

#define u16 __u16
#define u32 __u32
#define u64 __u64

/* A field, and a store to it as the kernel's accessors are: all but the value is known. */
struct field {
	const char *name;
	unsigned int group, offset, size;
	void (*store)(void *region, __u64 value);
};

#define STORE(code, member, off, type)					\
	static __attribute__((noinline)) void store_##member(void *region, __u64 value) \
	{								\
		nvx_pv_store(region, THIS_GROUP, off, sizeof(type), value); \
	}
#define ENTRY(code, member, off, type)					\
	{ #member, THIS_GROUP, off, sizeof(type), store_##member },

#define THIS_GROUP	NVX_PV_BASIC
NVX_PV_FIELDS_BASIC(STORE)
static const struct field basic[] = { NVX_PV_FIELDS_BASIC(ENTRY) };
#undef THIS_GROUP
#define THIS_GROUP	NVX_PV_EXEC
NVX_PV_FIELDS_EXEC(STORE)
static const struct field exec[] = { NVX_PV_FIELDS_EXEC(ENTRY) };
#undef THIS_GROUP
#define THIS_GROUP	NVX_PV_HOST_VAR
NVX_PV_FIELDS_HOST_VAR(STORE)
static const struct field host_var[] = { NVX_PV_FIELDS_HOST_VAR(ENTRY) };
#undef THIS_GROUP

/* And a store of which nothing is known. */
static __attribute__((noinline)) void store_any(void *region, unsigned int group,
						unsigned int offset, unsigned int size,
						__u64 value)
{
	nvx_pv_store(region, group, offset, size, value);
}

static unsigned char page[NVX_PV_REGION_SIZE] __attribute__((aligned(4096)));
static const struct field *current;
static volatile int steps, move_at;
static int failed, done;

static struct nvx_pv_vmcs_hdr *hdr(void)
{
	return (void *)page + NVX_PV_OFFSET;
}

/* What the next host does before L1 goes on: groups that are not dirty are L0's. */
static void move(void)
{
	__u64 old = OLD;

	if (!(hdr()->dirty & current->group))
		memcpy(page + current->offset, &old, current->size);
}

static void on_trap(int signal, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	(void)signal;
	(void)info;
	if (steps++ == move_at)
		move();
	if (steps > MAX_STEPS)
		uc->uc_mcontext.gregs[REG_EFL] &= ~TRAP_FLAG;
}

static __attribute__((noinline)) void trap_flag(int on)
{
	if (on)
		asm volatile("pushfq; orq $0x100, (%%rsp); popfq" : : : "memory", "cc");
	else
		asm volatile("pushfq; andq $~0x100, (%%rsp); popfq" : : : "memory", "cc");
}

/* Is the value L1's at VM-entry, wherever it was moved? */
static int store_survives(int known)
{
	__u64 value;

	for (move_at = 0; move_at < MAX_STEPS; move_at++) {
		memset(page, 0, sizeof(page));
		move();
		steps = 0;
		trap_flag(1);
		if (known)
			current->store(page, NEW);
		else
			store_any(page, current->group, current->offset,
				  current->size, NEW);
		trap_flag(0);
		value = NEW;
		if (!(hdr()->dirty & current->group) ||
		    memcmp(page + current->offset, &value, current->size))
			return 0;
		if (move_at >= steps)
			return 1;
	}
	return 0;
}

static void check(const struct field *fields, unsigned int n)
{
	int known, good;

	for (current = fields; current < fields + n; current++) {
		for (known = 0; known < 2; known++) {
			good = store_survives(known);
			failed += !good;
			printf("%sok %d - %s, %s, in %d places\n", good ? "" : "not ",
			       ++done, current->name,
			       known ? "known to the compiler" : "computed", move_at);
		}
	}
}

#define COUNT(array)	(sizeof(array) / sizeof((array)[0]))

int main(void)
{
	struct sigaction action = { .sa_sigaction = on_trap, .sa_flags = SA_SIGINFO };

	sigaction(SIGTRAP, &action, NULL);
	check(basic, COUNT(basic));
	check(exec, COUNT(exec));
	check(host_var, COUNT(host_var));
	printf("1..%d\n", done);
	return failed != 0;
}
