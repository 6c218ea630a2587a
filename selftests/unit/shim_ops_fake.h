/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * In the place of arch/x86/shim/vmx_ops.h, by -include: a CPU that a test makes up.  The
 * functions are each test's own.
 */
#ifndef SHIM_OPS_FAKE_H
#define SHIM_OPS_FAKE_H

#define SHIM_VMX_OPS_H
#include "../../arch/x86/shim/semantics.h"

#define INV_SINGLE	1
#define INV_ALL		2

struct vmx_descriptor {
	u64 low, high;
};

static inline u32 device_read32(const void *at)
{
	return *(const u32 *)at;
}

static inline void device_write32(void *at, u32 value)
{
	*(u32 *)at = value;
}

int vmptrld(u64 hpa);

static inline bool load_vmcs(u64 hpa)
{
	return vmptrld(hpa) == VMX_SUCCEED;
}

u64 vmread(u64 field);
void vmread_to(u64 *value, u64 field);
int vmread_checked(u64 field, u64 *value);
void vmwrite(u64 field, u64 value);
int vmwrite_checked(u64 field, u64 value);
int vmclear(u64 hpa);
int vmxon(u64 hpa);
void vmxoff(void);
int invept(u64 type, const struct vmx_descriptor *desc);
int invvpid(u64 type, const struct vmx_descriptor *desc);
bool rdmsr_safe(u32 msr, u32 *low, u32 *high);
bool wrmsr_safe(u32 msr, u32 low, u32 high);
bool xsetbv_safe(u32 index, u32 low, u32 high);
void cpuid(u32 leaf, u32 part, u32 r[4]);
void load_fxregs(const void *image);
bool load_xregs_safe(const void *image);
void clear_debug_registers(void);
u64 rdmsr(u32 msr);
void wrmsr(u32 msr, u64 value);
u64 read_cr4(void);
void load_cr4(u64 value);
void write_cr2(u64 value);
u64 read_cr2(void);
void wbinvd(void);
void halt(void);
void raise_mc(void);
void write_byte(u64 va);
void __noreturn shut_down(void);

#endif /* SHIM_OPS_FAKE_H */
