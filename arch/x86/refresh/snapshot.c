// SPDX-License-Identifier: GPL-2.0-only
/*
 * The state of a CPU that a switch must not change: control and debug registers,
 * segments, descriptor tables, MSRs.
 */
#include <linux/percpu.h>
#include <linux/printk.h>
#include <asm/debugreg.h>
#include <asm/desc.h>
#include <asm/msr.h>
#include <asm/segment.h>
#include <asm/special_insns.h>

#include "refresh.h"
#include "vmx.h"

/* Those that exist are compared; counters that run by themselves are not here. */
static const u32 msrs[] = {
	MSR_EFER, MSR_STAR, MSR_LSTAR, MSR_CSTAR, MSR_SYSCALL_MASK, MSR_FS_BASE,
	MSR_GS_BASE, MSR_KERNEL_GS_BASE, MSR_TSC_AUX, MSR_IA32_SYSENTER_CS,
	MSR_IA32_SYSENTER_ESP, MSR_IA32_SYSENTER_EIP, MSR_IA32_CR_PAT,
	MSR_IA32_DEBUGCTLMSR, MSR_IA32_MISC_ENABLE, MSR_IA32_APICBASE,
	MSR_IA32_FEAT_CTL, MSR_IA32_TSC_ADJUST, MSR_IA32_SPEC_CTRL, MSR_IA32_XSS,
	MSR_IA32_BNDCFGS, MSR_IA32_TSX_CTRL, MTRR_DEF_TYPE, MSR_IA32_UMWAIT_CONTROL,
	MSR_CORE_PERF_GLOBAL_CTRL, MSR_CORE_PERF_FIXED_CTR_CTRL, MSR_IA32_PEBS_ENABLE,
	MSR_IA32_MCG_STATUS, MSR_IA32_RTIT_CTL,
};

static void add(struct refresh_snapshot *snapshot, u64 value, bool valid)
{
	if (WARN_ON_ONCE(snapshot->nr >= REFRESH_SNAPSHOT_MAX))
		return;
	snapshot->value[snapshot->nr] = valid ? value : 0;
	snapshot->valid[snapshot->nr++] = valid;
}

static void add_segment(struct refresh_snapshot *snapshot, u16 selector)
{
	u32 access = 0, limit = 0;

	asm volatile("lar %1, %0" : "+r" (access) : "r" ((u32)selector));
	asm volatile("lsl %1, %0" : "+r" (limit) : "r" ((u32)selector));
	add(snapshot, selector, true);
	add(snapshot, access, true);
	add(snapshot, limit, true);
}

static void add_segments(struct refresh_snapshot *snapshot)
{
	struct desc_ptr gdt, idt;
	u16 selector;

	savesegment(es, selector);
	add_segment(snapshot, selector);
	savesegment(cs, selector);
	add_segment(snapshot, selector);
	savesegment(ss, selector);
	add_segment(snapshot, selector);
	savesegment(ds, selector);
	add_segment(snapshot, selector);
	savesegment(fs, selector);
	add_segment(snapshot, selector);
	savesegment(gs, selector);
	add_segment(snapshot, selector);
	asm volatile("str %0" : "=r" (selector));
	add_segment(snapshot, selector);
	asm volatile("sldt %0" : "=r" (selector));
	add_segment(snapshot, selector);
	native_store_gdt(&gdt);
	store_idt(&idt);
	add(snapshot, gdt.address, true);
	add(snapshot, gdt.size, true);
	add(snapshot, idt.address, true);
	add(snapshot, idt.size, true);
}

/**
 * refresh_take_snapshot() - Note the state of this CPU
 * @snapshot: filled in
 *
 * Context: on the CPU, interrupts off.
 */
void refresh_take_snapshot(struct refresh_snapshot *snapshot)
{
	bool valid;
	u64 value;
	int i;

	snapshot->nr = 0;
	add(snapshot, read_cr0(), true);
	add(snapshot, read_cr2(), true);
	add(snapshot, __read_cr3(), true);
	add(snapshot, refresh_read_cr4(), true);
	get_debugreg(value, 0);
	add(snapshot, value, true);
	get_debugreg(value, 1);
	add(snapshot, value, true);
	get_debugreg(value, 2);
	add(snapshot, value, true);
	get_debugreg(value, 3);
	add(snapshot, value, true);
	get_debugreg(value, 6);
	add(snapshot, value, true);
	get_debugreg(value, 7);
	add(snapshot, value, true);
	add_segments(snapshot);
	for (i = 0; i < ARRAY_SIZE(msrs); i++) {
		valid = !rdmsrl_safe(msrs[i], &value);
		add(snapshot, value, valid);
	}
}

/**
 * refresh_compare_snapshots() - Count what changed
 * @before: one snapshot
 * @after: a later one of the same CPU
 * @when: for the kernel log
 *
 * Return: number of differences; the first ones are in the kernel log.
 */
u32 refresh_compare_snapshots(const struct refresh_snapshot *before,
			      const struct refresh_snapshot *after,
			      const char *when)
{
	u32 i, changes = 0;

	for (i = 0; i < before->nr; i++) {
		if (before->value[i] == after->value[i] &&
		    before->valid[i] == after->valid[i])
			continue;
		if (changes++ < 4)
			pr_warn("%s: register %u of the snapshot was %#llx and is %#llx\n",
				when, i, before->value[i], after->value[i]);
	}
	return changes;
}
