// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a kernel and its VMs have left in a CPU that stays in the shim, beside what VM exit and VM
 * entry load: the next kernel is not to read it, nor to run by it.  That is more than INIT changes
 * (SDM 3A, 10.1.1).
 */
#include "shim.h"
#include "vmx_ops.h"

#define CPUID_1_XSAVE		BIT(26)	/* ECX */
#define X86_CR4_OSFXSR		BIT(9)
#define X86_CR4_OSXSAVE		BIT(18)
#define XCR0_X87		1

#define MSR_IA32_PRED_CMD	0x49u
#define PRED_CMD_IBPB		1
#define FLUSH_CMD_L1D		1

/* A CPU that does not have the first one of a group does not have the others. */
static const struct {
	u32 first, number;
} groups[] = {
	/* What writes into memory: traces, PEBS, counters that can start it, its area. */
	{ 0x570, 1 }, { MSR_IA32_PEBS_ENABLE, 1 }, { MSR_CORE_PERF_GLOBAL_CTRL, 1 },
	{ 0x38d, 1 }, { 0x186, 8 }, { 0x600, 1 },
	/* Branches: control, then from, to and information, of either kind. */
	{ 0x1c8, 1 }, { 0x14ce, 1 }, { 0x680, 32 }, { 0x6c0, 32 }, { 0xdc0, 32 },
	{ 0x1500, 32 }, { 0x1600, 32 }, { 0x1200, 32 },
	/* CPUID faulting, XFD, XSS; CET, PKRS, PASID, user interrupts. */
	{ 0x140, 1 }, { 0x1c4, 2 }, { 0xda0, 1 }, { 0x6a0, 1 }, { 0x6a2, 1 }, { 0x6a4, 5 },
	{ 0x6e1, 1 }, { 0xd93, 1 }, { 0x985, 6 },
	/* STAR to FMASK, KERNEL_GS_BASE and TSC_AUX. */
	{ 0xc0000081, 4 }, { 0xc0000102, 2 },
	{ MSR_IA32_SPEC_CTRL, 1 }, { MSR_IA32_TSC_DEADLINE, 1 },
};

/* As FXRSTOR and XRSTOR read it: all in its initial state, FCW 37fh, MXCSR 1f80h. */
static const struct {
	u16 fcw, rest[11];
	u32 mxcsr, reserved[121];
	u64 header[8];
} __aligned(64) fpu_image = { .fcw = 0x37f, .mxcsr = 0x1f80 };

static_assert(sizeof(fpu_image) == 576, "of a legacy region and a header");

/* All that the CPU has: a VM's XCR0 need not have been that of its host. */
static void forget_fpu(void)
{
	u64 cr4 = read_cr4();
	u32 r[4];

	load_cr4(cr4 | X86_CR4_OSFXSR);
	load_fxregs(&fpu_image);
	cpuid(1, 0, r);
	if (r[2] & CPUID_1_XSAVE) {
		load_cr4(cr4 | X86_CR4_OSXSAVE);
		cpuid(0xd, 0, r);
		xsetbv_safe(0, r[0], r[3]);
		load_xregs_safe(&fpu_image);
		xsetbv_safe(0, XCR0_X87, 0);
	}
	load_cr4(cr4);
}

/* Of any EPT and VPID.  A CPU that cannot says so, and no more. */
static void forget_translations(void)
{
	struct vmx_descriptor desc = { };

	invept(INV_ALL, &desc);
	invvpid(INV_ALL, &desc);
}

/* No VMCS is current that matters. */
void cpu_forget(void)
{
	u32 i, k;

	for (i = 0; i < ARRAY_SIZE(groups); i++)
		for (k = 0; k < groups[i].number; k++)
			if (!wrmsr_safe(groups[i].first + k, 0, 0))
				break;
	clear_debug_registers();
	forget_fpu();
	forget_translations();
	wrmsr_safe(MSR_IA32_PRED_CMD, PRED_CMD_IBPB, 0);
	wrmsr_safe(MSR_IA32_FLUSH_CMD, FLUSH_CMD_L1D, 0);
}
