// SPDX-License-Identifier: GPL-2.0-only
/*
 * Operands of the host's instructions: arch/x86/shim/mem.c on page tables in an array, which
 * another CPU may change behind each look at them.  TAP.  Run by shim_test.py.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* In the place of vmx_ops.h: what mem.c uses of it. */
#define SHIM_VMX_OPS_H
#include "../../arch/x86/shim/world.h"

#define NR_PAGES	16

static u64 memory[NR_PAGES][512] __aligned(4096);
static u64 vmcs[0x8000];

static u64 vmread(u64 field)
{
	return vmcs[field];
}

/* In the place of window.c.  Only the last page is mapped. */
static u64 mapped = ~0ull, mapped_type, stale;

void *mem_map(u64 hpa, u64 type)
{
	mapped = hpa >> 12;
	mapped_type = type;
	return (char *)memory + hpa;
}

/* In the place of world.c: a page that is not the partition's, or that it may only read. */
static u64 foreign_page, shown_page;

bool world_translate(const struct shim_cpu *cpu, u64 gpa, u64 access, u64 *hpa)
{
	*hpa = gpa;
	if (foreign_page && gpa >> 12 == foreign_page)
		return false;
	return !shown_page || gpa >> 12 != shown_page || !(access & EPT_WRITE);
}

/* The other CPU: @race changes one entry behind the look number @at. */
static struct {
	int at;
	u64 *slot, value;
} race;

static u64 look(const u64 *slot)
{
	u64 value = *slot;

	stale += (u64)((char *)slot - (char *)memory) >> 12 != mapped;
	if (!--race.at)
		*race.slot = race.value;
	return value;
}

#define __atomic_load_n(slot, order)	look(slot)
#include "../../arch/x86/shim/mem.c"

struct shim_header shim_header;

enum { PML4 = 1, PDPT, PD, PT, DATA, OTHER, PML5, RESERVE };

#define HPA(page)	((u64)(page) << 12)
#define GVA		0xffff888012345678ull
#define P		(PTE_P | PTE_W)

static int count, failed;

static void ok(bool good, const char *name)
{
	printf("%sok %d - %s\n", good ? "" : "not ", ++count, name);
	failed += !good;
}

static u64 *entry(int level)
{
	static const int table[] = { 0, PT, PD, PDPT, PML4, PML5 };

	return &memory[table[level]][GVA >> (12 + 9 * (level - 1)) & 511];
}

static void begin(void)
{
	memset(memory, 0, sizeof(memory));
	memset(vmcs, 0, sizeof(vmcs));
	memset(&race, 0, sizeof(race));
	foreign_page = 0;
	shown_page = 0;
	shim_machine.phys_mask = BIT(46) - 1;
	shim_machine.reserve_hpa = HPA(RESERVE);
	shim_machine.reserve_size = 4096;
	vmcs[GUEST_CR3] = HPA(PML4) | 5;
	vmcs[GUEST_CR0] = X86_CR0_WP;
	*entry(4) = HPA(PDPT) | P;
	*entry(3) = HPA(PD) | P;
	*entry(2) = HPA(PT) | P;
	*entry(1) = HPA(DATA) | P;
}

static bool goes_to(bool write, u64 hpa)
{
	struct mem_fault fault;
	u64 got;

	return mem_translate(GVA, write, &got, &fault) && got == hpa;
}

static bool fails(bool write, u8 vector, u32 code, bool foreign)
{
	struct mem_fault fault = { .foreign = true };
	u64 hpa;

	return !mem_translate(GVA, write, &hpa, &fault) && fault.vector == vector &&
	       fault.code == code && fault.foreign == foreign &&
	       (vector != PF_VECTOR || fault.address == GVA);
}

static bool faults(bool write, u8 vector, u32 code)
{
	return fails(write, vector, code, false);
}

/* #GP, and it is known why. */
static bool is_refused(bool write)
{
	return fails(write, GP_VECTOR, 0, true);
}

/* With two partitions: what is not this one's. */
static void test_foreign(void)
{
	begin();
	foreign_page = DATA;
	ok(is_refused(false), "an operand in memory of another partition");
	begin();
	shown_page = DATA;
	ok(goes_to(false, HPA(DATA) + 0x678) && is_refused(true),
	   "an operand in memory that is only shown");
	begin();
	foreign_page = PD;
	ok(is_refused(false), "a page table of another partition");
	begin();
	shown_page = PT;
	ok(is_refused(false), "a page table in which nothing can be noted");
}

static void test_walk(void)
{
	begin();
	ok(goes_to(false, HPA(DATA) + 0x678), "read: four levels");
	ok(*entry(4) & PTE_A && *entry(2) & PTE_A && (*entry(1) & (PTE_A | PTE_D)) == PTE_A,
	   "read: accessed, not dirty");
	ok(goes_to(true, HPA(DATA) + 0x678) && *entry(1) & PTE_D && !(*entry(2) & PTE_D),
	   "write: dirty, the leaf alone");
	*entry(2) = PTE_PS | P;
	ok(goes_to(false, GVA & (BIT(21) - 1)), "read: 2 MiB");
	begin();
	vmcs[GUEST_CR4] = X86_CR4_LA57;
	vmcs[GUEST_CR3] = HPA(PML5);
	*entry(5) = HPA(PML4) | P;
	ok(goes_to(false, HPA(DATA) + 0x678) && *entry(5) & PTE_A, "read: five levels");
}

static void test_faults(void)
{
	begin();
	*entry(2) = 0;
	ok(faults(false, PF_VECTOR, 0) && faults(true, PF_VECTOR, 2) && !*entry(2),
	   "absent: #PF, and nothing is set");
	begin();
	*entry(3) &= ~PTE_W;
	ok(faults(true, PF_VECTOR, 3) && !(*entry(1) & PTE_D), "read-only: #PF, not dirty");
	vmcs[GUEST_CR0] = 0;
	ok(goes_to(true, HPA(DATA) + 0x678) && *entry(1) & PTE_D,
	   "read-only: written without CR0.WP, and dirty");
	begin();
	vmcs[GUEST_CR4] = X86_CR4_SMAP;
	*entry(1) |= PTE_U;
	ok(goes_to(false, HPA(DATA) + 0x678), "user bit in the leaf alone: SMAP has no say");
	*entry(2) |= PTE_U;
	*entry(3) |= PTE_U;
	*entry(4) |= PTE_U;
	ok(faults(false, PF_VECTOR, 1), "user page: SMAP");
	vmcs[GUEST_RFLAGS] = X86_EFLAGS_AC;
	ok(goes_to(false, HPA(DATA) + 0x678), "user page: not with AC");
	begin();
	*entry(1) = HPA(RESERVE) | P;
	ok(faults(false, GP_VECTOR, 0), "memory of the shim: #GP");
	*entry(2) = HPA(RESERVE) | P;
	ok(faults(false, PF_VECTOR, 0), "a page table there: absent");
	begin();
	*entry(1) = BIT(47) | P;
	ok(faults(false, PF_VECTOR, 0), "an address that does not exist: absent");
}

/* Whatever the other CPU writes stays as it is, and the walk is of one state or the other. */
static void test_races(void)
{
	static const int reads = 4;
	char name[80];
	int level, at;

	for (level = 4; level >= 1; level--) {
		begin();
		at = reads - level + 1;
		race.at = at;
		race.slot = entry(level);
		race.value = 0;
		snprintf(name, sizeof(name), "race: level %d is taken away", level);
		ok(faults(true, PF_VECTOR, 2) && !*entry(level), name);
	}
	begin();
	race.at = reads;
	race.slot = entry(1);
	race.value = HPA(OTHER) | P;
	ok(goes_to(true, HPA(OTHER) + 0x678) && *entry(1) == (HPA(OTHER) | P | PTE_A | PTE_D),
	   "race: another page, which is dirty then");
	begin();
	race.at = reads;
	race.slot = entry(1);
	race.value = HPA(DATA) | PTE_P;
	ok(faults(true, PF_VECTOR, 3) && !(*entry(1) & PTE_D),
	   "race: write protected, and not dirty");
}

/* The window has the type that the host has for the page. */
static void test_types(void)
{
	struct mem_fault fault;
	u64 value;

	begin();
	mem_read(GVA, &value, 8, &fault);
	ok(!mapped_type, "type: write-back");
	*entry(1) |= PTE_PCD | PTE_PAT;
	mem_read(GVA, &value, 8, &fault);
	ok(mapped_type == (PTE_PCD | PTE_PAT), "type: of a page of 4 KiB");
	*entry(2) = PTE_PS | PTE_PWT | P;
	vmcs[GUEST_CR3] = HPA(PML4);
	mem_read(GVA & ~(BIT(21) - 1), &value, 8, &fault);
	ok(mapped_type == PTE_PWT, "type: of a large page, where bit 7 says that it is one");
	*entry(2) |= PTE_LARGE_PAT;
	mem_read(GVA & ~(BIT(21) - 1), &value, 8, &fault);
	ok(mapped_type == (PTE_PWT | PTE_PAT), "type: of a large page with PAT");
	ok(!stale, "no entry is looked at through a window that has moved");
}

static void test_copy(void)
{
	const u64 end = (GVA & ~0xfffull) + 0x1000;
	u64 *next = &memory[PT][end >> 12 & 511], value = 0, pattern = 0x1122334455667788;
	struct mem_fault fault;
	char *data = (char *)memory[DATA];

	begin();
	*next = HPA(OTHER) | P;
	ok(mem_write(end - 3, &pattern, 8, &fault) && mem_read(end - 3, &value, 8, &fault) &&
	   value == pattern && !memcmp(data + 0xffd, &pattern, 3) &&
	   !memcmp(memory[OTHER], (char *)&pattern + 3, 5), "copy: across two pages");
	memset(data, 0, 4096);
	*next = 0;
	ok(!mem_write(end - 3, &pattern, 8, &fault) && fault.address == end &&
	   !data[0xffd] && !data[0xfff], "copy: a fault of the second page, and no effect");
}

int main(void)
{
	test_walk();
	test_foreign();
	test_faults();
	test_races();
	test_copy();
	test_types();
	printf("1..%d\n", count);
	return failed != 0;
}
