/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * VMX instructions for the launch and the return.  They return 0, or -EIO.
 */
#ifndef ARCH_X86_REFRESH_VMX_H
#define ARCH_X86_REFRESH_VMX_H

#include <linux/errno.h>
#include <asm/asm.h>
#include <asm/vmx.h>

/* Bits that changed their name between kernels. */
#define REFRESH_EXEC2_XSAVES	BIT(20)
#define REFRESH_EXEC2_USER_WAIT	BIT(26)
#define REFRESH_EXEC2_PCONFIG	BIT(27)

/* Leaf of CPUID that tells of the counters. */
#define REFRESH_CPUID_PERF	10

/* MSRs of the memory types. */
#define MTRR_CAP		0xfe
#define MTRR_DEF_TYPE		0x2ff

static __always_inline int refresh_vmwrite(unsigned long field, unsigned long value)
{
	bool fail;

	asm volatile("vmwrite %2, %1"
		     : "=@ccbe" (fail) : "r" (field), "r" (value) : "memory");
	return fail ? -EIO : 0;
}

static __always_inline int refresh_vmptrld(u64 hpa)
{
	bool fail;

	asm volatile("vmptrld %1" : "=@ccbe" (fail) : "m" (hpa) : "memory");
	return fail ? -EIO : 0;
}

static __always_inline int refresh_vmclear(u64 hpa)
{
	bool fail;

	asm volatile("vmclear %1" : "=@ccbe" (fail) : "m" (hpa) : "memory");
	return fail ? -EIO : 0;
}

/* Of INVVPID and INVEPT: one VPID, one EPT. */
#define REFRESH_INV_SINGLE	1ul

struct refresh_descriptor {
	u64 low, high;
};

static __always_inline void refresh_invvpid(unsigned long type, u16 vpid)
{
	struct refresh_descriptor desc = { .low = vpid };

	asm volatile("invvpid %0, %1" : : "m" (desc), "r" (type) : "cc", "memory");
}

static __always_inline void refresh_invept(unsigned long type, u64 eptp)
{
	struct refresh_descriptor desc = { .low = eptp };

	asm volatile("invept %0, %1" : : "m" (desc), "r" (type) : "cc", "memory");
}

static __always_inline void refresh_vmxoff(void)
{
	asm volatile("vmxoff" : : : "cc", "memory");
}

static __always_inline unsigned long refresh_read_cr4(void)
{
	unsigned long value;

	asm volatile("mov %%cr4, %0" : "=r" (value));
	return value;
}

/* Past the kernel's shadow of CR4, which keeps what the host believes. */
static __always_inline void refresh_write_cr4(unsigned long value)
{
	asm volatile("mov %0, %%cr4" : : "r" (value) : "memory");
}

#endif /* ARCH_X86_REFRESH_VMX_H */
