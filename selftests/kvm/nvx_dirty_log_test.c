// SPDX-License-Identifier: GPL-2.0-only
/*
 * nvx_dirty_log_test - The dirty log of an L1 that enters L2 without KVM's handlers.
 *
 * With page-modification logging the CPU writes down what L1 has written, and L0 empties
 * that buffer when it handles an exit of L1.  A VMRESUME may be over before any handler
 * runs; user space then gets its log while the vCPU is in L2.  No page that L1 or L2 has
 * written may be missing from it.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <linux/compiler.h>

#include "nvx_selftest.h"
#include "nvx_random.h"

#define WARM		4
#define ROUNDS		60
#define MAX_TURNS	6
#define WINDOW_BYTES	(WINDOW_PAGES * 4096ul)

enum { TOUCHED = 1, LOOK };

/* In guest memory.  Written by the host: ... */
static uint64_t use_l2_writes, seed;

/* ... by L1: what L2 does before it leaves, ... */
static uint64_t l2_first, l2_pages, l2_syncs;

/* ... and by both guests: the pages written since the host has looked. */
static uint8_t written[WINDOW_PAGES];

static void write_page(unsigned int page)
{
	(*nvx_window_gva(page))++;
	written[page] = 1;
}

/* The host gets control by an OUT that L1 does not want: an exit that L0 keeps. */
static void l2_guest_code(void)
{
	uint64_t i;

	for (;;) {
		for (i = 0; i < l2_pages; i++)
			write_page((l2_first + i) % WINDOW_PAGES);
		if (l2_syncs)
			GUEST_SYNC(LOOK);
		nvx_l2_vmcall();
	}
}

static void turn(uint64_t pages, uint64_t syncs)
{
	l2_pages = pages;
	l2_syncs = syncs;
	nvx_l1_enter();
	GUEST_ASSERT(vmreadz(VM_EXIT_REASON) == EXIT_REASON_VMCALL);
	nvx_l1_skip_instruction();
}

static void turns(unsigned int n)
{
	while (n--)
		turn(0, 0);
}

static void start(struct vmx_pages *vmx)
{
	unsigned int i;

	nvx_l1_init(vmx, l2_guest_code);
	for (i = 0; i < WINDOW_PAGES; i++) {
		*nvx_window_pte(i) = nvx_window_gpa(i) | EPT_WB | EPT_RWX | EPT_A | EPT_D;
		*nvx_window_gva(i) = 0;
	}
	turns(WARM);
	/* From here on the host logs the window. */
	GUEST_SYNC(TOUCHED);
	turns(WARM);
}

/* Some pages, and L2 is the one that user space sees. */
static void l1_some_pages(struct vmx_pages *vmx)
{
	static const unsigned int counts[] = { 1, 2, 30, WINDOW_PAGES };
	unsigned int i, page;

	start(vmx);
	for (i = 0; i < ARRAY_SIZE(counts); i++) {
		for (page = 0; page < counts[i]; page++)
			write_page(page);
		turn(0, 1);
		turns(WARM);
	}
	GUEST_DONE();
}

/* Any pages, by either level, any number of transitions, and either level leaves. */
static void l1_random(struct vmx_pages *vmx)
{
	unsigned int round, n, i;

	start(vmx);
	rng_state = seed;
	for (round = 0; round < ROUNDS; round++) {
		for (n = rng() % MAX_TURNS; n; n--) {
			for (i = rng() % 8; i; i--)
				write_page(rng() % WINDOW_PAGES);
			l2_first = rng();
			turn(chance(50) && use_l2_writes ? rng() % 8 : 0, chance(20));
		}
		if (chance(40))
			GUEST_SYNC(LOOK);
	}
	GUEST_DONE();
}

/* --- the host ------------------------------------------------------------ */

static unsigned long bitmap[WINDOW_PAGES / (8 * sizeof(unsigned long))];

struct counts {
	unsigned int looks, pages, missing, more;
};

static bool logged(unsigned int page)
{
	return bitmap[page / 64] >> (page % 64) & 1;
}

/* Compare the log with what the guests say, and forget both. */
static void look(struct nvx_vm *v, struct counts *c)
{
	uint8_t *pages = addr_gva2hva(v->vm, (vm_vaddr_t)written);
	unsigned int i;

	memset(bitmap, 0, sizeof(bitmap));
	kvm_vm_get_dirty_log(v->vm, WINDOW_SLOT, bitmap);
	c->looks++;
	for (i = 0; i < WINDOW_PAGES; i++) {
		c->pages += pages[i];
		if (pages[i] && !logged(i) && !c->missing++)
			ksft_print_msg("look %u: page %u was written and is not logged\n",
				       c->looks, i);
		c->more += !pages[i] && logged(i);
	}
	memset(pages, 0, WINDOW_PAGES);
}

static void run(const char *what, void *l1_guest_code, bool in_memory, bool l2_writes)
{
	uint64_t stage, direct = nvx_counter("fast_direct");
	struct counts c = { };
	struct nvx_vm v;

	nvx_use_pv = in_memory;
	use_l2_writes = l2_writes;
	nvx_vm_create(&v, l1_guest_code);
	sync_global_to_guest(v.vm, nvx_use_pv);
	sync_global_to_guest(v.vm, use_l2_writes);
	sync_global_to_guest(v.vm, seed);
	while (nvx_run(&v, &stage)) {
		if (stage == TOUCHED)
			vm_mem_region_set_flags(v.vm, WINDOW_SLOT, KVM_MEM_LOG_DIRTY_PAGES);
		else
			look(&v, &c);
	}
	nvx_vm_destroy(&v);
	nvx_result(c.pages && !c.missing,
		   "%s%s: %u pages in %u logs, %u missing, %u more (%lu transitions without KVM's loop)",
		   what, in_memory ? ", VMCS in memory" : "", c.pages, c.looks, c.missing,
		   c.more, nvx_counter("fast_direct") - direct);
}

/* Usage: nvx_dirty_log_test [SEED] */
int main(int argc, char *argv[])
{
	unsigned int form, forms;

	TEST_REQUIRE(kvm_cpu_has(X86_FEATURE_VMX));
	TEST_REQUIRE(nvx_param("ept"));
	TEST_REQUIRE(nvx_param("unrestricted_guest"));

	seed = argc > 1 ? strtoull(argv[1], NULL, 0) :
	       (time(NULL) * 0x9e3779b97f4a7c15ull) | 1;
	setlinebuf(stdout);
	ksft_print_header();
	ksft_print_msg("pml is %s, seed %#lx\n", nvx_param("pml") ? "on" : "off", seed);
	forms = nvx_feature("pv") ? 2 : 1;
	ksft_set_plan(forms * 3);
	for (form = 0; form < forms; form++) {
		run("L1 writes", l1_some_pages, form, false);
		run("L1 writes at random", l1_random, form, false);
		run("L1 and L2 write at random", l1_random, form, true);
	}
	ksft_finished();
}
