// SPDX-License-Identifier: GPL-2.0-only
/*
 * Take a CPU over from the shim.  It runs on a stack of its own in the reserve,
 * with interrupts off, at any point of the host's kernel or user code: the GS
 * base may be a process', so nothing here may use per-CPU data, be traced or
 * have a stack protector (see the Makefile).
 */
#include <linux/compiler.h>
#include <asm/desc.h>
#include <asm/msr.h>
#include <asm/processor.h>
#include <asm/segment.h>

#include "refresh.h"
#include "vmx.h"

#define SEGMENT_PRESENT	BIT(15)		/* of what LAR says */

static __always_inline void write_msr(u32 msr, u64 value)
{
	asm volatile("wrmsr" : : "c" (msr), "a" ((u32)value), "d" ((u32)(value >> 32))
		     : "memory");
}

static __always_inline u64 read_msr(u32 msr)
{
	u32 low, high;

	asm volatile("rdmsr" : "=a" (low), "=d" (high) : "c" (msr));
	return low | (u64)high << 32;
}

static __always_inline void load_gdt_of(u64 base, u16 limit)
{
	struct desc_ptr desc = { .size = limit, .address = base };

	asm volatile("lgdt %0" : : "m" (desc));
}

static __always_inline void load_idt_of(u64 base, u16 limit)
{
	struct desc_ptr desc = { .size = limit, .address = base };

	asm volatile("lidt %0" : : "m" (desc));
}

/*
 * A VM exit loads the limit of TR with 0x67, which hides the I/O bitmap.  LTR
 * sets the busy bit in the descriptor, and the kernel runs on a read-only alias
 * of its GDT: use the CPU's writable one, which is at @gdt_rw.
 */
static __always_inline void load_task_register(const struct shim_context *ctx,
					       struct desc_struct *gdt_rw)
{
	struct ldttss_desc *tss;

	tss = (void *)gdt_rw + (ctx->tr.selector & ~7);
	load_gdt_of((u64)gdt_rw, ctx->gdt_limit);
	tss->type = DESC_TSS;
	asm volatile("ltr %w0" : : "r" ((u32)ctx->tr.selector));
}

/*
 * Can a data segment register be loaded with it?  A process may have a selector whose
 * descriptor is gone since, and a fault here could not be handled: its handler would
 * use per-CPU data.
 */
static __always_inline bool can_load(u16 selector)
{
	u32 access = 0;
	bool ok;

	if (!(selector & ~3))
		return true;
	asm volatile("lar %2, %1"
		     : "=@ccz" (ok), "+r" (access) : "r" ((u32)selector));
	if (!ok || !(access & SEGMENT_PRESENT))
		return false;
	asm volatile("verr %w1" : "=@ccz" (ok) : "r" ((u32)selector));
	return ok;
}

/* Most are the right ones already; what cannot be loaded is null, as Linux has it. */
#define load_selector(segment, wanted)						\
do {										\
	u16 want = (wanted), now;						\
										\
	savesegment(segment, now);						\
	if (now != want)							\
		asm volatile("mov %w0, %%" #segment				\
			     : : "r" (can_load(want) ? (u32)want : 0));		\
} while (0)

/* Selectors that the VM exit could not load.  They may be in the LDT. */
static __always_inline void load_segments(const struct shim_context *ctx)
{
	if (ctx->ldtr.selector)
		asm volatile("lldt %w0" : : "r" ((u32)ctx->ldtr.selector));
	load_selector(ds, ctx->ds.selector);
	load_selector(es, ctx->es.selector);
	load_selector(fs, ctx->fs.selector);
	load_selector(gs, ctx->gs.selector);
	write_msr(MSR_FS_BASE, ctx->fs.base);
	write_msr(MSR_GS_BASE, ctx->gs.base);
}

/**
 * refresh_return_cpu() - Put back what a VM exit does not load
 * @ctx: what the shim saved on this CPU
 *
 * VMX operation and the host's current VMCS first, CR4 when VMX operation does
 * not need it any more, then descriptor tables, the segments that are described
 * there, then what could trap.
 *
 * Context: called by refresh_return_entry only.
 */
void notrace refresh_return_cpu(struct shim_context *ctx)
{
	struct shim_boot *boot = (void *)ctx - SHIM_AREA_SHARED + SHIM_AREA_PRIVATE;

	refresh_vmclear(boot->vmcs_hpa);
	if (!ctx->vmxon)
		refresh_vmxoff();
	else if (ctx->current_vmcs != SHIM_NO_VMCS)
		refresh_vmptrld(ctx->current_vmcs);
	refresh_write_cr4(ctx->cr4);

	load_task_register(ctx, (void *)boot->return_gdt_rw);
	load_gdt_of(ctx->gdt_base, ctx->gdt_limit);
	load_idt_of(ctx->idt_base, ctx->idt_limit);
	load_segments(ctx);
	if (read_msr(MSR_EFER) != ctx->efer)
		write_msr(MSR_EFER, ctx->efer);
	if (ctx->debugctl)
		write_msr(MSR_IA32_DEBUGCTLMSR, ctx->debugctl);
	asm volatile("mov %0, %%db7" : : "r" (ctx->dr7));
	if (ctx->arrived & SHIM_ARRIVED_MC)
		asm volatile("int $18" : : : "memory");
	if (ctx->arrived & SHIM_ARRIVED_NMI)
		asm volatile("int $2" : : : "memory");
}
