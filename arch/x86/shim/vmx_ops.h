/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * VMX and other privileged instructions.  The VMX ones return an outcome as
 * vmx_result_flags() takes it; the plain vmread() and vmwrite() are for fields
 * that exist on every CPU the loader accepts.
 */
#ifndef SHIM_VMX_OPS_H
#define SHIM_VMX_OPS_H

#include "semantics.h"

static inline int vmx_outcome(bool cf, bool zf)
{
	if (cf)
		return VMX_FAIL_INVALID;
	return zf ? VMX_FAIL_BY_CPU : VMX_SUCCEED;
}

static inline u64 vmread(u64 field)
{
	u64 value;

	asm volatile("vmread %1, %0" : "=r" (value) : "r" (field) : "cc");
	return value;
}

static inline void vmread_to(u64 *value, u64 field)
{
	asm volatile("vmread %1, %0" : "=m" (*value) : "r" (field) : "cc");
}

static inline int vmread_checked(u64 field, u64 *value)
{
	bool cf, zf;

	asm volatile("vmread %3, %0"
		     : "=r" (*value), "=@ccc" (cf), "=@ccz" (zf)
		     : "r" (field));
	return vmx_outcome(cf, zf);
}

static inline void vmwrite(u64 field, u64 value)
{
	asm volatile("vmwrite %1, %0" : : "r" (field), "rm" (value) : "cc");
}

static inline int vmwrite_checked(u64 field, u64 value)
{
	bool cf, zf;

	asm volatile("vmwrite %3, %2"
		     : "=@ccc" (cf), "=@ccz" (zf)
		     : "r" (field), "r" (value));
	return vmx_outcome(cf, zf);
}

static inline int vmptrld(u64 hpa)
{
	bool cf, zf;

	asm volatile("vmptrld %2"
		     : "=@ccc" (cf), "=@ccz" (zf) : "m" (hpa) : "memory");
	return vmx_outcome(cf, zf);
}

/* False: there is no VMCS any more, and the one that was current still is. */
static inline bool load_vmcs(u64 hpa)
{
	bool done;

	asm volatile("vmptrld %1" : "=@cca" (done) : "m" (hpa) : "memory");
	return done;
}

static inline int vmclear(u64 hpa)
{
	bool cf, zf;

	asm volatile("vmclear %2"
		     : "=@ccc" (cf), "=@ccz" (zf) : "m" (hpa) : "memory");
	return vmx_outcome(cf, zf);
}

static inline int vmxon(u64 hpa)
{
	bool cf, zf;

	asm volatile("vmxon %2"
		     : "=@ccc" (cf), "=@ccz" (zf) : "m" (hpa) : "memory");
	return vmx_outcome(cf, zf);
}

static inline void vmxoff(void)
{
	asm volatile("vmxoff" : : : "cc", "memory");
}

/* Of INVEPT and INVVPID: one EPT, one VPID; all. */
#define INV_SINGLE	1
#define INV_ALL		2

struct vmx_descriptor {
	u64 low, high;
};

static inline int invept(u64 type, const struct vmx_descriptor *desc)
{
	bool cf, zf;

	asm volatile("invept %2, %3"
		     : "=@ccc" (cf), "=@ccz" (zf)
		     : "m" (*desc), "r" (type) : "memory");
	return vmx_outcome(cf, zf);
}

static inline int invvpid(u64 type, const struct vmx_descriptor *desc)
{
	bool cf, zf;

	asm volatile("invvpid %2, %3"
		     : "=@ccc" (cf), "=@ccz" (zf)
		     : "m" (*desc), "r" (type) : "memory");
	return vmx_outcome(cf, zf);
}

/* An instruction that may fault; the fixup jumps behind it with @fault set. */
#define SHIM_FIXUP(insn, landing)			\
	".pushsection .fixup_table, \"a\"\n\t"		\
	".quad " insn ", " landing "\n\t"		\
	".popsection\n\t"

/* Sets the operand named ok. */
#define INSN_SAFE(insn)					\
	"1: " insn "\n\t"				\
	"mov $1, %[ok]\n\t"				\
	"jmp 3f\n\t"					\
	"2: xor %[ok], %[ok]\n\t"			\
	"3:\n\t"					\
	SHIM_FIXUP("1b", "2b")

static inline bool rdmsr_safe(u32 msr, u32 *low, u32 *high)
{
	bool ok;

	asm volatile(INSN_SAFE("rdmsr")
		     : "=a" (*low), "=d" (*high), [ok] "=q" (ok) : "c" (msr));
	return ok;
}

static inline bool wrmsr_safe(u32 msr, u32 low, u32 high)
{
	bool ok;

	asm volatile(INSN_SAFE("wrmsr")
		     : [ok] "=&q" (ok) : "c" (msr), "a" (low), "d" (high) : "memory");
	return ok;
}

static inline bool xsetbv_safe(u32 index, u32 low, u32 high)
{
	bool ok;

	asm volatile(INSN_SAFE("xsetbv")
		     : [ok] "=&q" (ok) : "c" (index), "a" (low), "d" (high) : "memory");
	return ok;
}

/* @r: EAX, EBX, ECX, EDX */
static inline void cpuid(u32 leaf, u32 part, u32 r[4])
{
	asm volatile("cpuid" : "=a" (r[0]), "=b" (r[1]), "=c" (r[2]), "=d" (r[3])
		     : "a" (leaf), "c" (part));
}

/* The image has all that CR0 and CR4 let it load. */
static inline void load_fxregs(const void *image)
{
	asm volatile("fxrstorq (%0)" : : "r" (image) : "memory");
}

static inline bool load_xregs_safe(const void *image)
{
	bool ok;

	asm volatile(INSN_SAFE("xrstorq (%[image])")
		     : [ok] "=&q" (ok) : [image] "r" (image), "a" (~0u), "d" (~0u) : "memory");
	return ok;
}

static inline void clear_debug_registers(void)
{
	asm volatile("mov %0, %%dr0; mov %0, %%dr1; mov %0, %%dr2; mov %0, %%dr3"
		     : : "r" (0ull));
}

static inline u64 rdmsr(u32 msr)
{
	u32 low, high;

	asm volatile("rdmsr" : "=a" (low), "=d" (high) : "c" (msr));
	return low | (u64)high << 32;
}

static inline void wrmsr(u32 msr, u64 value)
{
	asm volatile("wrmsr" : : "c" (msr), "a" ((u32)value), "d" ((u32)(value >> 32))
		     : "memory");
}

/* Registers of a device: one access, of this width. */
static inline u32 device_read32(const void *at)
{
	u32 value;

	asm volatile("movl (%1), %0" : "=r" (value) : "r" (at) : "memory");
	return value;
}

static inline void device_write32(void *at, u32 value)
{
	asm volatile("movl %0, (%1)" : : "r" (value), "r" (at) : "memory");
}

static inline void device_write64(void *at, u64 value)
{
	asm volatile("movq %0, (%1)" : : "r" (value), "r" (at) : "memory");
}

static inline u64 read_cr4(void)
{
	u64 value;

	asm volatile("mov %%cr4, %0" : "=r" (value));
	return value;
}

static inline void load_cr4(u64 value)
{
	asm volatile("mov %0, %%cr4" : : "r" (value) : "memory");
}

static inline void write_cr2(u64 value)
{
	asm volatile("mov %0, %%cr2" : : "r" (value));
}

static inline u64 read_cr2(void)
{
	u64 value;

	asm volatile("mov %%cr2, %0" : "=r" (value));
	return value;
}

static inline void wbinvd(void)
{
	asm volatile("wbinvd" : : : "memory");
}

/* Until an NMI or #MC. */
static inline void halt(void)
{
	asm volatile("cli; hlt" : : : "memory");
}

static inline void raise_mc(void)
{
	asm volatile("int $18" : : : "memory");
}

static inline void write_byte(u64 va)
{
	asm volatile("movb $0, (%0)" : : "r" (va) : "memory");
}

/* Outside of VMX operation: what the chipset answers may be an INIT. */
static inline void __noreturn shut_down(void)
{
	struct {
		u16 limit;
		u64 base;
	} __packed none = { };

	for (;;)
		asm volatile("lidt %0; int3" : : "m" (none));
}

#endif /* SHIM_VMX_OPS_H */
