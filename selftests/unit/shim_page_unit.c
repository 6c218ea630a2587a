// SPDX-License-Identifier: GPL-2.0-only
/*
 * The shim page on the build machine: arch/x86/shim/shim_page.c on VMCSs that are arrays,
 * and a host that uses page and instructions at random, step by step.  The shim may
 * leave between any two of its steps, or begin anew.  TAP.  Run by shim_test.py.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* In the place of vmx_ops.h: what shim_page.c uses of it. */
#define SHIM_VMX_OPS_H
#include "../../arch/x86/shim/shim.h"

#define NR_VMCS		3
#define ENCODINGS	0x8000
#define OWN		NR_VMCS		/* the VMCS that runs the host */

static u64 vmcs[NR_VMCS + 1][ENCODINGS];
static int current;		/* in the CPU */

static u64 vmread(u64 field)
{
	return vmcs[current][field];
}

static void vmread_to(u64 *value, u64 field)
{
	*value = vmread(field);
}

static void vmwrite(u64 field, u64 value)
{
	vmcs[current][field] = value;
}

static int vmptrld(u64 hpa)
{
	current = hpa;
	return 0;
}

/* policy.c */
static int nr_parts = 1;

bool policy_may_give(void)
{
	return nr_parts == 1;
}

static bool load_vmcs(u64 hpa)
{
	return !vmptrld(hpa);
}

#include "../../arch/x86/shim/shim_page.c"

struct shim_header shim_header;

static struct {
	struct shim_shared shared;
	char fill[SHIM_SHARED_PAGE - sizeof(struct shim_shared)];
	struct nvx_shim_page page;
} area;
static struct shim_cpu cpu = { .shared = &area.shared, .page = &area.page };
static struct borrowed borrowed;

/* What the host believes. */
static u64 model[NR_VMCS][NVX_SHIM_NR_FIELDS];
static bool there = true;	/* the shim is */
static unsigned long bad, reads, writes, leaves, late;

static u64 *real(u32 slot)
{
	if (slot == NVX_SHIM_HOST_RSP && cpu.borrowed)
		return &borrowed.host[H_RSP];
	return &vmcs[cpu.current_vmcs][encodings[slot]];
}

/* shadow_collect() of shadow.c */
static void collect(void)
{
	current = cpu.current_vmcs;
	if (cpu.page_on)
		page_collect(&cpu);
}

static void leave(void)
{
	if (!there)
		return;
	collect();
	page_stop(&cpu);
	/* The VMCS is given back, as guest_give_back_all() does. */
	if (cpu.borrowed)
		vmcs[cpu.current_vmcs][HOST_RSP] = borrowed.host[H_RSP];
	cpu.borrowed = NULL;
	there = false;
	leaves++;
}

/* Between two instructions of the host. */
static void anything(void)
{
	if (rand() % 64 == 0)
		leave();
}

/* VMREAD and VMWRITE: insn.c with the shim, the CPU without. */
static u64 instruction_read(u32 slot)
{
	if (there)
		page_settle(&cpu);
	return *real(slot);
}

static void instruction_write(u32 slot, u64 value)
{
	if (there)
		page_settle(&cpu);
	*real(slot) = value;
	current = cpu.current_vmcs;
	if (there)
		page_store(&cpu, encodings[slot]);
}

/* nvx_ops.h: nvx_shim_read_slot(), nvx_shim_write_slot(). */
static u64 host_read(u32 slot)
{
	bool off = area.page.dirty & NVX_SHIM_OFF;
	u64 value;

	anything();
	if (off)
		return instruction_read(slot);
	value = area.page.field[slot];
	anything();
	return value;
}

static void host_write(u32 slot, u64 value)
{
	bool on = !(area.page.dirty & NVX_SHIM_OFF), off;

	area.page.field[slot] = value;
	anything();
	area.page.dirty |= 1u << slot;
	off = area.page.dirty & NVX_SHIM_OFF;
	anything();
	late += on && off;
	if (off)
		instruction_write(slot, value);
}

static void load(int which)
{
	if (there)
		collect();
	/* The table of the shim keeps HOST_RSP of the current VMCS only, here. */
	if (cpu.borrowed)
		vmcs[cpu.current_vmcs][HOST_RSP] = borrowed.host[H_RSP];
	cpu.borrowed = NULL;
	cpu.current_vmcs = which;
	current = which;
	if (there)
		page_start(&cpu);
}

static void run_guest(void)
{
	u32 slot;

	if (there) {
		collect();
		if (!cpu.borrowed) {
			borrowed.host[H_RSP] = vmread(HOST_RSP);
			vmwrite(HOST_RSP, 0x5111);
			cpu.borrowed = &borrowed;
		}
	}
	for (slot = 0; slot < NVX_SHIM_NR_FIELDS; slot++)
		bad += *real(slot) != model[cpu.current_vmcs][slot];
	for (slot = 0; slot < NVX_SHIM_NR_FIELDS; slot++) {
		if (slot == NVX_SHIM_HOST_RSP || slot == NVX_SHIM_CPU_BASED_VM_EXEC_CONTROL ||
		    slot == NVX_SHIM_VM_ENTRY_EXCEPTION_ERROR_CODE ||
		    slot == NVX_SHIM_VM_ENTRY_INSTRUCTION_LEN || rand() & 1)
			continue;
		model[cpu.current_vmcs][slot] = rand();
		*real(slot) = model[cpu.current_vmcs][slot];
	}
	if (!there)
		return;
	current = cpu.current_vmcs;
	if (cpu.page_on)
		page_publish(&cpu, vmread(VM_EXIT_REASON));
	else
		page_start(&cpu);
}

static void step(void)
{
	u32 slot = rand() % NVX_SHIM_NR_FIELDS;
	u64 value = rand();

	switch (rand() % 16) {
	case 0:
		run_guest();
		break;
	case 1:
		load(rand() % NR_VMCS);
		break;
	case 2:
		area.page.want = rand() % 8 != 0;
		there = true;
		break;
	case 3:
		bad += instruction_read(slot) != model[cpu.current_vmcs][slot];
		break;
	case 4:
		model[cpu.current_vmcs][slot] = value;
		instruction_write(slot, value);
		break;
	case 5 ... 9:
		bad += host_read(slot) != model[cpu.current_vmcs][slot];
		reads++;
		break;
	default:
		slot %= NVX_SHIM_NR_WRITABLE;
		model[cpu.current_vmcs][slot] = value;
		host_write(slot, value);
		writes++;
	}
}

static int count, failed;

static void ok(bool good, const char *name)
{
	printf("%sok %d - %s\n", good ? "" : "not ", ++count, name);
	failed += !good;
}

static void test_slots(void)
{
	u64 field;
	int n = 0;

	for (field = 0; field < ENCODINGS; field++)
		n += nvx_shim_slot(field) >= 0;
	ok(n == 23 && NVX_SHIM_NR_FIELDS == 23, "shim page: 23 fields");
	ok(NVX_SHIM_NR_WRITABLE == 13 && nvx_shim_slot(GUEST_RIP) == 0 &&
	   nvx_shim_slot(VMX_PREEMPTION_TIMER_VALUE) == 12 &&
	   nvx_shim_slot(VM_EXIT_REASON) == 13 && nvx_shim_slot(GUEST_LINEAR_ADDRESS) == 22,
	   "shim page: writable fields first");
	ok(nvx_shim_slot(VM_INSTRUCTION_ERROR) < 0 && nvx_shim_slot(HOST_RIP) < 0 &&
	   nvx_shim_slot(GUEST_CR3) < 0, "shim page: others are instructions");
}

/* A field that the CPU lacks is never touched: VMREAD of it would leave an error. */
static void test_optional(void)
{
	shim_machine.flags = 0;
	load(0);
	vmcs[0][GUEST_PML_INDEX] = 0x1234;
	host_write(NVX_SHIM_GUEST_PML_INDEX, 0x77);
	current = 0;
	page_collect(&cpu);
	ok(vmcs[0][GUEST_PML_INDEX] == 0x1234 && !area.page.dirty,
	   "shim page: a field that the CPU lacks stays alone");
	shim_machine.flags = SHIM_FLAG_PML | SHIM_FLAG_TIMER;
}

/*
 * While there are two partitions the first host has all shim pages in its map: one of a CPU
 * of the second partition's would show it that host's guests, and let it write them.
 */
static void test_foreign(void)
{
	int part, parts;
	bool ours;

	for (part = 0; part < SHIM_NR_PARTS; part++)
		for (parts = 1; parts <= SHIM_NR_PARTS; parts++) {
			cpu.part = &shim_header.part[part];
			nr_parts = parts;
			ours = !part || parts == 1;
			area.page.field[NVX_SHIM_GUEST_RIP] = 0x1111;
			vmcs[0][GUEST_RIP] = 0x2222;
			load(0);
			ok(cpu.page_on == ours && !!area.page.dirty == !ours &&
			   (area.page.field[NVX_SHIM_GUEST_RIP] == 0x2222) == ours,
			   ours ? "shim page: the host's own" :
				  "shim page: shows nothing of another partition's CPU");
			page_stop(&cpu);
		}
	cpu.part = &shim_header.part[0];
	nr_parts = 1;
	vmcs[0][GUEST_RIP] = 0;
}

/* Does VM entry look at the VMCS again when the host has written @value to its controls? */
static bool looks_again(bool two, u64 value)
{
	nr_parts = two ? 2 : 1;
	load(0);
	cpu.borrowed = &borrowed;
	borrowed.checked = true;
	vmcs[0][CPU_BASED_VM_EXEC_CONTROL] = CPU_BASED_SECONDARY;
	area.page.field[NVX_SHIM_CPU_BASED_VM_EXEC_CONTROL] = value;
	area.page.dirty |= 1u << NVX_SHIM_CPU_BASED_VM_EXEC_CONTROL;
	collect();
	cpu.borrowed = NULL;
	nr_parts = 1;
	return vmcs[0][CPU_BASED_VM_EXEC_CONTROL] != value || !borrowed.checked;
}

static void test_controls(void)
{
	ok(!looks_again(true, CPU_BASED_SECONDARY | 0x400004) &&
	   !looks_again(true, CPU_BASED_SECONDARY),
	   "shim page: windows are opened beside another partition");
	ok(looks_again(true, 0) && looks_again(true, CPU_BASED_SECONDARY | 0x2000000) &&
	   !looks_again(false, 0), "shim page: what other controls use is looked at");
}

int main(void)
{
	int i, slot;

	srand(20240601);
	area.page.want = 1;
	page_stop(&cpu);
	ok(area.page.dirty == NVX_SHIM_OFF, "shim page: off before the first VMCS");
	test_slots();
	test_optional();
	test_foreign();
	test_controls();
	page_stop(&cpu);
	for (i = 0; i < NR_VMCS; i++)
		for (slot = 0; slot < NVX_SHIM_NR_FIELDS; slot++)
			model[i][slot] = vmcs[i][encodings[slot]];
	load(0);
	for (i = 0; i < 2000000; i++)
		step();
	printf("# %lu reads, %lu writes, left %lu times, %lu writes too late\n", reads,
	       writes, leaves, late);
	ok(!bad, "shim page: nothing is lost or stale");
	ok(leaves > 1000 && late > 100, "shim page: the shim left at every step");
	printf("1..%d\n", count);
	return failed != 0;
}
