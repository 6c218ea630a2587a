// SPDX-License-Identifier: GPL-2.0-only
/*
 * MSRs of a package or of the machine (SDM 4, scopes), and those that make hardware write to
 * physical memory.  What is not in the table is taken for the CPU's own and passes.
 */
#include "msrs.h"

#define R(first, last, rule, what)	{ first, last, MSR_##rule, what }

static const struct {
	u32		first, last;
	u8		rule;
	const char	*name;
} rules[] = {
	R(0x010, 0x010, DROP, "IA32_TIME_STAMP_COUNTER"),
	R(0x01b, 0x01b, APIC_BASE, "IA32_APIC_BASE"),
	R(0x03a, 0x03a, KEEP, "IA32_FEATURE_CONTROL"),
	R(0x03b, 0x03b, KEEP, "IA32_TSC_ADJUST"),
	R(0x04e, 0x04e, DROP, "MSR_PPIN_CTL"),
	R(0x079, 0x079, DROP, "IA32_BIOS_UPDT_TRIG"),
	R(0x08c, 0x08f, DROP, "IA32_SGXLEPUBKEYHASH"),
	R(0x09b, 0x09b, DROP, "IA32_SMM_MONITOR_CTL"),
	R(0x0e2, 0x0e4, DROP, "MSR_PKG_CST_CONFIG_CONTROL"),
	R(0x13c, 0x13c, DROP, "MSR_FEATURE_CONFIG"),
	R(0x150, 0x150, DROP, "MSR_OC_MAILBOX"),
	R(0x1a0, 0x1a0, KEEP, "IA32_MISC_ENABLE"),
	R(0x1a2, 0x1a2, DROP, "MSR_TEMPERATURE_TARGET"),
	R(0x1aa, 0x1aa, DROP, "MSR_MISC_PWR_MGMT"),
	R(0x1ac, 0x1af, DROP, "MSR_TURBO_RATIO_LIMIT"),
	R(0x1b0, 0x1b0, REMEMBER, "IA32_ENERGY_PERF_BIAS"),
	R(0x1b1, 0x1b1, DROP, "IA32_PACKAGE_THERM_STATUS"),
	R(0x1b2, 0x1b2, REMEMBER, "IA32_PACKAGE_THERM_INTERRUPT"),
	R(0x1f2, 0x1f5, DROP, "IA32_SMRR_PHYSBASE"),
	R(0x1fc, 0x1fc, DROP, "MSR_POWER_CTL"),
	R(0x300, 0x301, DROP, "MSR_SGXOWNEREPOCH"),
	R(0x394, 0x396, DROP, "MSR_UNC_PERF_FIXED_CTRL"),
	R(0x3b0, 0x3c9, DROP, "MSR_UNC_ARB_PERFCTR"),
	R(0x4d0, 0x4d0, DROP, "MSR_SMM_MCA_CONTROL"),
	R(0x4e0, 0x4e0, DROP, "MSR_SMM_FEATURE_CONTROL"),
	R(0x560, 0x572, DROP, "IA32_RTIT_OUTPUT_BASE"),
	R(0x601, 0x65f, DROP, "MSR_PKG_POWER_LIMIT"),
	R(0x6b0, 0x6b1, DROP, "MSR_GRAPHICS_PERF_LIMIT_REASONS"),
	R(0x700, 0x76f, DROP, "MSR_U_PMON"),
	R(0x770, 0x770, KEEP, "IA32_PM_ENABLE"),
	R(0x772, 0x772, DROP, "IA32_HWP_REQUEST_PKG"),
	R(0x82f, 0x82f, LVT, "IA32_X2APIC_LVT_CMCI"),
	R(0x830, 0x830, ICR, "IA32_X2APIC_ICR"),
	R(0x832, 0x837, LVT, "IA32_X2APIC_LVT_TIMER"),
	R(0x982, 0x984, DROP, "IA32_TME_ACTIVATE"),
	R(0x985, 0x98a, DROP, "IA32_UINTR_RR"),
	R(0xc80, 0xc82, DROP, "IA32_L3_QOS_CFG"),
	R(0xc90, 0xd8f, DROP, "IA32_L3_MASK"),
	R(0xd91, 0xd92, DROP, "IA32_COPY_LOCAL_TO_PLATFORM"),
	R(0xdb0, 0xdb0, DROP, "IA32_PKG_HDC_CTL"),
	R(0xe00, 0xfff, DROP, "MSR_C_PMON"),
	R(0x17d0, 0x17d1, DROP, "IA32_HW_FEEDBACK_PTR"),
	R(0x2000, 0x2fff, DROP, "MSR_UNCORE_PMON"),
};

#undef R

#define MSR_DEBUGCTL		0x1d9
#define MSR_PERF_GLOBAL_CTRL	0x38f

#define APIC_BASE_ADDRESS	(~0xfffull)
#define APIC_BASE_RESERVED	(0xffull | BIT(9))

/* The bitmap: low and high MSRs to read, then both to write. */
#define BITMAP_LOW_LAST		0x1fff
#define BITMAP_WRITE		2048

static int find(u32 msr)
{
	u32 i;

	for (i = 0; i < ARRAY_SIZE(rules); i++)
		if (msr >= rules[i].first && msr <= rules[i].last)
			return i;
	return -1;
}

enum msr_rule msr_rule(u32 msr)
{
	int i = find(msr);

	return i < 0 ? MSR_PASS : rules[i].rule;
}

/* Of its group, as in the SDM; NULL: it passes. */
const char *msr_name(u32 msr)
{
	int i = find(msr);

	return i < 0 ? NULL : rules[i].name;
}

/* What the hardware has is the machine's, and no secret. */
enum msr_answer msr_read(u32 msr)
{
	switch (msr_rule(msr)) {
	case MSR_REMEMBER:
		return MSR_MEMORY;
	case MSR_APIC_BASE:
	case MSR_ICR:
		return MSR_EMULATE;
	default:
		return MSR_DO;
	}
}

/* @real: what the hardware has; asked for with MSR_KEEP only. */
enum msr_answer msr_write(u32 msr, u64 value, u64 real, struct denied *denied)
{
	switch (msr_rule(msr)) {
	case MSR_DROP:
		deny(denied, DENIED_MSR);
		return MSR_IGNORE;
	case MSR_KEEP:
		if (value != real)
			deny(denied, DENIED_MSR);
		return MSR_IGNORE;
	case MSR_REMEMBER:
		return MSR_MEMORY;
	case MSR_APIC_BASE:
	case MSR_ICR:
	case MSR_LVT:
		return MSR_EMULATE;
	default:
		return MSR_DO;
	}
}

/*
 * A CPU goes from one mode of its APIC to another, or writes what it has; BSP is the partition's
 * affair, and stays.  Pages elsewhere are not to become registers.
 *
 * @base: what its host reads
 *
 * Return: MSR_DO with the new value in @base, or why not.
 */
enum msr_answer msr_apic_base(u64 *base, u64 value, struct denied *denied)
{
	u64 change = (*base ^ value) & ~APIC_BASE_BSP;

	/* States and transitions that the SDM does not know (3A, 11.12.5). */
	if (value & APIC_BASE_RESERVED || (value & APIC_BASE_EXTD && !(value & APIC_BASE_EN)))
		return MSR_FAULT;
	if (*base & APIC_BASE_EXTD && !(value & APIC_BASE_EXTD) && value & APIC_BASE_EN)
		return MSR_FAULT;
	if (!(*base & APIC_BASE_EN) && value & APIC_BASE_EXTD)
		return MSR_FAULT;
	if (change & APIC_BASE_ADDRESS) {
		deny(denied, DENIED_MSR_APIC_BASE);
		return MSR_IGNORE;
	}
	*base ^= change;
	return MSR_DO;
}

/* An entry of a list that the CPU loads from at VM entry or exit, without asking. */
bool msr_list_entry_ok(u32 msr, struct denied *denied)
{
	return msr_rule(msr) == MSR_PASS || deny(denied, DENIED_MSR_LIST);
}

/*
 * Likewise at a VM exit, behind which the shim runs: it neither traces branches nor counts.
 * @perf: the CPU can load PERF_GLOBAL_CTRL by a control of VMCSs, by which the host does
 */
bool msr_exit_entry_ok(u32 msr, bool perf, struct denied *denied)
{
	if (msr == MSR_DEBUGCTL || (perf && msr == MSR_PERF_GLOBAL_CTRL))
		return deny(denied, DENIED_MSR_LIST);
	return msr_list_entry_ok(msr, denied);
}

static void set_bit(u8 *bitmap, u32 bit)
{
	bitmap[bit / 8] |= 1u << (bit % 8);
}

/* For who has the machine, as long as there is a shim: CPUs are started through it. */
static bool starts_cpus(enum msr_rule rule)
{
	return rule == MSR_APIC_BASE || rule == MSR_ICR;
}

/*
 * What is answered otherwise than by the CPU exits; other bits stay as they are.
 * @alone: the other partition has ended
 */
void msr_fill_bitmap(u8 *bitmap, bool alone)
{
	u32 i, msr;

	for (i = 0; i < ARRAY_SIZE(rules); i++) {
		if (alone && !starts_cpus(rules[i].rule))
			continue;
		for (msr = rules[i].first; msr <= rules[i].last && msr <= BITMAP_LOW_LAST; msr++) {
			set_bit(bitmap + BITMAP_WRITE, msr);
			if (msr_read(msr) != MSR_DO)
				set_bit(bitmap, msr);
		}
	}
}
