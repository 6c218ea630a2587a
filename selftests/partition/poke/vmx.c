// SPDX-License-Identifier: GPL-2.0-only
/*
 * Structures of the CPU's at physical addresses: VMX instructions that name them, and addresses
 * in a VMCS with which a VM is entered.  The entry fails in any case: controls that have to be
 * 1 are 0, and there is no guest.
 */
#include <linux/gfp.h>
#include <linux/irqflags.h>
#include <linux/printk.h>
#include <asm/asm.h>
#include <asm/desc.h>
#include <asm/msr.h>
#include <asm/tlbflush.h>
#include <asm/vmx.h>

#include "poke.h"

#define NO_VMCS		(~0ull)

/* 0, -EFAULT an exception, -EPERM VMfail */
#define VMX_OPERAND(insn, pa)						\
({									\
	u64 operand = (pa);						\
	long r;								\
									\
	asm volatile("mov %[fault], %[r]\n"				\
		     "1: " insn " %[operand]\n"				\
		     "mov %[fail], %[r]\n"				\
		     "jbe 2f\n"						\
		     "mov $0, %[r]\n"					\
		     "2:\n"						\
		     _ASM_EXTABLE(1b, 2b)				\
		     : [r] "=&r" (r)					\
		     : [operand] "m" (operand), [fault] "i" (-EFAULT),	\
		       [fail] "i" (-EPERM)				\
		     : "cc", "memory");					\
	r;								\
})

static bool was_on;
static u64 was_current = NO_VMCS;
static unsigned long irqs;
static u32 *region, *vmcs;

static long vmwrite(unsigned long field, u64 value)
{
	long r;

	asm volatile("mov %[fault], %[r]\n"
		     "1: vmwrite %[value], %[field]\n"
		     "mov %[fail], %[r]\n"
		     "jbe 2f\n"
		     "mov $0, %[r]\n"
		     "2:\n"
		     _ASM_EXTABLE(1b, 2b)
		     : [r] "=&r" (r)
		     : [field] "r" (field), [value] "r" (value), [fault] "i" (-EFAULT),
		       [fail] "i" (-EPERM)
		     : "cc", "memory");
	return r;
}

static u32 *new_structure(void)
{
	u32 *page = (u32 *)get_zeroed_page(GFP_KERNEL);
	u64 basic;

	rdmsrl(MSR_IA32_VMX_BASIC, basic);
	if (page)
		*page = (u32)basic & 0x7fffffff;
	return page;
}

/* In VMX operation, if this CPU is not yet, with interrupts off.  KVM's current VMCS is kept. */
static int vmx_begin(void)
{
	region = new_structure();
	vmcs = new_structure();
	if (!region || !vmcs) {
		free_page((unsigned long)region);
		free_page((unsigned long)vmcs);
		return -ENOMEM;
	}
	local_irq_save(irqs);
	was_on = __read_cr4() & X86_CR4_VMXE;
	if (was_on) {
		asm volatile("vmptrst %0" : "=m" (was_current) : : "memory");
	} else {
		cr4_set_bits_irqsoff(X86_CR4_VMXE);
		VMX_OPERAND("vmxon", __pa(region));
	}
	return 0;
}

static void vmx_end(void)
{
	VMX_OPERAND("vmclear", __pa(vmcs));
	if (!was_on) {
		asm volatile("vmxoff" : : : "cc", "memory");
		cr4_clear_bits_irqsoff(X86_CR4_VMXE);
	} else if (was_current != NO_VMCS) {
		VMX_OPERAND("vmptrld", was_current);
	}
	local_irq_restore(irqs);
	free_page((unsigned long)region);
	free_page((unsigned long)vmcs);
}

static int told(const char *what, const struct poke *p, long r)
{
	pr_info("poke: %s %lx: %s\n", what, p->addr,
		!r ? "done" : r == -EFAULT ? "exception" : "VMfail");
	/* No exception means nothing here: what failed is as good. */
	return r ? -EFAULT : 0;
}

int poke_vmptrld(const struct poke *p)
{
	long r = vmx_begin();

	if (r)
		return r;
	r = VMX_OPERAND("vmptrld", p->addr);
	vmx_end();
	return told("VMPTRLD", p, r);
}

int poke_vmclear(const struct poke *p)
{
	long r = vmx_begin();

	if (r)
		return r;
	r = VMX_OPERAND("vmclear", p->addr);
	vmx_end();
	return told("VMCLEAR", p, r);
}

/* Only where KVM is not in use. */
int poke_vmxon(const struct poke *p)
{
	unsigned long flags;
	long r = -EBUSY;

	local_irq_save(flags);
	if (!(__read_cr4() & X86_CR4_VMXE)) {
		cr4_set_bits_irqsoff(X86_CR4_VMXE);
		r = VMX_OPERAND("vmxon", p->addr);
		if (!r)
			asm volatile("vmxoff" : : : "cc", "memory");
		cr4_clear_bits_irqsoff(X86_CR4_VMXE);
	}
	local_irq_restore(flags);
	return r == -EBUSY ? r : told("VMXON", p, r);
}

/* What an address needs to be used. */
static const struct {
	u32 field, pin, primary, secondary, exit, entry, count;
} uses[] = {
	{ .field = IO_BITMAP_A, .primary = CPU_BASED_USE_IO_BITMAPS },
	{ .field = IO_BITMAP_B, .primary = CPU_BASED_USE_IO_BITMAPS },
	{ .field = MSR_BITMAP, .primary = CPU_BASED_USE_MSR_BITMAPS },
	{ .field = VIRTUAL_APIC_PAGE_ADDR, .primary = CPU_BASED_TPR_SHADOW },
	{ .field = APIC_ACCESS_ADDR, .secondary = SECONDARY_EXEC_VIRTUALIZE_APIC_ACCESSES },
	{ .field = EPT_POINTER, .secondary = SECONDARY_EXEC_ENABLE_EPT },
	{ .field = PML_ADDRESS, .secondary = SECONDARY_EXEC_ENABLE_PML },
	{ .field = POSTED_INTR_DESC_ADDR, .pin = PIN_BASED_POSTED_INTR },
	{ .field = VMREAD_BITMAP, .secondary = SECONDARY_EXEC_SHADOW_VMCS },
	{ .field = VMWRITE_BITMAP, .secondary = SECONDARY_EXEC_SHADOW_VMCS },
	{ .field = VMCS_LINK_POINTER },
	/* Without EPT it is an address of the machine. */
	{ .field = GUEST_CR3 },
	{ .field = VM_EXIT_MSR_STORE_ADDR, .count = VM_EXIT_MSR_STORE_COUNT },
	{ .field = VM_EXIT_MSR_LOAD_ADDR, .count = VM_EXIT_MSR_LOAD_COUNT },
	{ .field = VM_ENTRY_MSR_LOAD_ADDR, .count = VM_ENTRY_MSR_LOAD_COUNT },
};

/* What the shim looks at before addresses: a host that could be gone back to. */
static void fill_host(void)
{
	struct desc_ptr gdt, idt;

	native_store_gdt(&gdt);
	store_idt(&idt);
	vmwrite(HOST_CS_SELECTOR, __KERNEL_CS);
	vmwrite(HOST_SS_SELECTOR, __KERNEL_DS);
	vmwrite(HOST_TR_SELECTOR, GDT_ENTRY_TSS * 8);
	vmwrite(HOST_CR0, read_cr0());
	vmwrite(HOST_CR3, __read_cr3());
	vmwrite(HOST_CR4, __read_cr4());
	vmwrite(HOST_GDTR_BASE, gdt.address);
	vmwrite(HOST_IDTR_BASE, idt.address);
	vmwrite(HOST_TR_BASE, gdt.address);
	vmwrite(HOST_RIP, (unsigned long)fill_host);
	vmwrite(VM_EXIT_CONTROLS, VM_EXIT_HOST_ADDR_SPACE_SIZE);
}

/* An address that another field of the same pair or set needs: one of ours. */
static void fill(size_t use)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(uses); i++)
		vmwrite(uses[i].field, __pa(region));
	vmwrite(VMCS_LINK_POINTER, NO_VMCS);
	/* A VM without that is denied for another reason. */
	vmwrite(PIN_BASED_VM_EXEC_CONTROL, PIN_BASED_NMI_EXITING | uses[use].pin);
	vmwrite(CPU_BASED_VM_EXEC_CONTROL, uses[use].primary |
		(uses[use].secondary ? CPU_BASED_ACTIVATE_SECONDARY_CONTROLS : 0));
	vmwrite(SECONDARY_VM_EXEC_CONTROL, uses[use].secondary);
	vmwrite(VM_EXIT_MSR_STORE_COUNT, 0);
	vmwrite(VM_EXIT_MSR_LOAD_COUNT, 0);
	vmwrite(VM_ENTRY_MSR_LOAD_COUNT, 0);
	if (uses[use].count)
		vmwrite(uses[use].count, 1);
	fill_host();
}

/* Field @value is @addr in a VMCS that VMLAUNCH is tried with. */
int poke_vmcs(const struct poke *p)
{
	size_t use = 0;
	long r;

	while (use < ARRAY_SIZE(uses) && uses[use].field != p->value)
		use++;
	if (use == ARRAY_SIZE(uses))
		return -EINVAL;
	r = vmx_begin();
	if (r)
		return r;
	VMX_OPERAND("vmclear", __pa(vmcs));
	VMX_OPERAND("vmptrld", __pa(vmcs));
	fill(use);
	vmwrite(uses[use].field, p->addr | (uses[use].field == EPT_POINTER ? 0x1e : 0));
	asm volatile("mov %[fault], %[r]\n"
		     "1: vmlaunch\n"
		     "mov %[fail], %[r]\n"
		     "2:\n"
		     _ASM_EXTABLE(1b, 2b)
		     : [r] "=&r" (r)
		     : [fault] "i" (-EFAULT), [fail] "i" (-EPERM)
		     : "cc", "memory");
	vmx_end();
	return told("VMLAUNCH", p, r);
}
