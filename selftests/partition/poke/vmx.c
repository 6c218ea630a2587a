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
#include "vmx.h"

#define NO_VMCS		(~0ull)

/* Of newer CPUs, that 6.1 has no names for. */
#define VIRTUALIZATION_EXCEPTION	0x202a
#define EPT_VIOLATION_VE		BIT(18)
#define VMFUNC_EPTP_SWITCHING		BIT(0)

static bool was_on;
static u64 was_current = NO_VMCS;
static u32 *region, *vmcs, *list;

static long set_field(unsigned long field, u64 value)
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

/* Before interrupts are off. */
int poke_vmx_alloc(void)
{
	region = new_structure();
	vmcs = new_structure();
	list = new_structure();
	if (region && vmcs && list)
		return 0;
	poke_vmx_free();
	return -ENOMEM;
}

void poke_vmx_free(void)
{
	free_page((unsigned long)region);
	free_page((unsigned long)vmcs);
	free_page((unsigned long)list);
}

/* In VMX operation, if this CPU is not yet, with interrupts off.  KVM's current VMCS is kept. */
void poke_vmx_on(void)
{
	was_on = __read_cr4() & X86_CR4_VMXE;
	if (was_on) {
		asm volatile("vmptrst %0" : "=m" (was_current) : : "memory");
	} else {
		cr4_set_bits_irqsoff(X86_CR4_VMXE);
		VMX_POINTER("vmxon", __pa(region));
	}
}

void poke_vmx_off(void)
{
	VMX_POINTER("vmclear", __pa(vmcs));
	if (!was_on) {
		asm volatile("vmxoff" : : : "cc", "memory");
		cr4_clear_bits_irqsoff(X86_CR4_VMXE);
	} else if (was_current != NO_VMCS) {
		VMX_POINTER("vmptrld", was_current);
	}
}

/* A VMCS of ours is current. */
void poke_vmx_load(void)
{
	VMX_POINTER("vmclear", __pa(vmcs));
	VMX_POINTER("vmptrld", __pa(vmcs));
}

/* @attack in VMX operation, with interrupts off. */
static long in_vmx(const struct poke *p, long (*attack)(const struct poke *p))
{
	unsigned long flags;
	long r = poke_vmx_alloc();

	if (r)
		return r;
	local_irq_save(flags);
	poke_vmx_on();
	r = attack(p);
	poke_vmx_off();
	local_irq_restore(flags);
	poke_vmx_free();
	return r;
}

static int told(const char *what, const struct poke *p, long r)
{
	pr_info("poke: %s %lx: %s\n", what, p->addr,
		!r ? "done" : r == -EFAULT ? "exception" : "VMfail");
	/* No exception means nothing here: what failed is as good. */
	return r ? -EFAULT : 0;
}

static long load(const struct poke *p)
{
	return VMX_POINTER("vmptrld", p->addr);
}

int poke_vmptrld(const struct poke *p)
{
	return told("VMPTRLD", p, in_vmx(p, load));
}

static long clear(const struct poke *p)
{
	return VMX_POINTER("vmclear", p->addr);
}

int poke_vmclear(const struct poke *p)
{
	return told("VMCLEAR", p, in_vmx(p, clear));
}

static long write_field(const struct poke *p)
{
	poke_vmx_load();
	return set_field(p->addr, p->value);
}

/* Field @addr, that nobody knows. */
int poke_vmwrite(const struct poke *p)
{
	return told("VMWRITE", p, in_vmx(p, write_field));
}

/* While the VMCS is none: its page begins with another revision. */
static long write_spoilt(const struct poke *p)
{
	long r;

	poke_vmx_load();
	WRITE_ONCE(*vmcs, *vmcs ^ 1);
	r = set_field(p->addr, p->value);
	WRITE_ONCE(*vmcs, *vmcs ^ 1);
	return r;
}

/* If it got to the VMCS that runs this kernel, that would not go on. */
int poke_vmwrite_spoilt(const struct poke *p)
{
	return told("VMWRITE to a spoilt VMCS", p, in_vmx(p, write_spoilt));
}

/* Only where KVM is not in use. */
int poke_vmxon(const struct poke *p)
{
	unsigned long flags;
	long r = -EBUSY;

	local_irq_save(flags);
	if (!(__read_cr4() & X86_CR4_VMXE)) {
		cr4_set_bits_irqsoff(X86_CR4_VMXE);
		r = VMX_POINTER("vmxon", p->addr);
		if (!r)
			asm volatile("vmxoff" : : : "cc", "memory");
		cr4_clear_bits_irqsoff(X86_CR4_VMXE);
	}
	local_irq_restore(flags);
	return r == -EBUSY ? r : told("VMXON", p, r);
}

/* What an address needs to be used. */
static const struct {
	u32 field, pin, primary, secondary, vmfunc, count;
} uses[] = {
	{ .field = IO_BITMAP_A, .primary = CPU_BASED_USE_IO_BITMAPS },
	{ .field = IO_BITMAP_B, .primary = CPU_BASED_USE_IO_BITMAPS },
	{ .field = MSR_BITMAP, .primary = CPU_BASED_USE_MSR_BITMAPS },
	{ .field = VIRTUAL_APIC_PAGE_ADDR, .primary = CPU_BASED_TPR_SHADOW },
	{ .field = APIC_ACCESS_ADDR, .secondary = SECONDARY_EXEC_VIRTUALIZE_APIC_ACCESSES },
	{ .field = EPT_POINTER, .secondary = SECONDARY_EXEC_ENABLE_EPT },
	{ .field = PML_ADDRESS, .secondary = SECONDARY_EXEC_ENABLE_PML },
	{ .field = POSTED_INTR_DESC_ADDR, .pin = PIN_BASED_POSTED_INTR },
	{ .field = EPTP_LIST_ADDRESS, .secondary = SECONDARY_EXEC_ENABLE_VMFUNC,
	  .vmfunc = VMFUNC_EPTP_SWITCHING },
	{ .field = VIRTUALIZATION_EXCEPTION, .secondary = EPT_VIOLATION_VE },
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
	set_field(HOST_CS_SELECTOR, __KERNEL_CS);
	set_field(HOST_SS_SELECTOR, __KERNEL_DS);
	set_field(HOST_TR_SELECTOR, GDT_ENTRY_TSS * 8);
	set_field(HOST_CR0, read_cr0());
	set_field(HOST_CR3, __read_cr3());
	set_field(HOST_CR4, __read_cr4());
	set_field(HOST_GDTR_BASE, gdt.address);
	set_field(HOST_IDTR_BASE, idt.address);
	set_field(HOST_TR_BASE, gdt.address);
	set_field(HOST_RIP, (unsigned long)fill_host);
	set_field(VM_EXIT_CONTROLS, VM_EXIT_HOST_ADDR_SPACE_SIZE);
}

/* An address that another field of the same pair or set needs: one of ours. */
static void fill(size_t use)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(uses); i++)
		set_field(uses[i].field, __pa(region));
	set_field(VMCS_LINK_POINTER, NO_VMCS);
	/* A VM without that is denied for another reason. */
	set_field(PIN_BASED_VM_EXEC_CONTROL,
		  PIN_BASED_NMI_EXITING | PIN_BASED_VIRTUAL_NMIS | uses[use].pin);
	set_field(CPU_BASED_VM_EXEC_CONTROL, uses[use].primary |
		(uses[use].secondary ? CPU_BASED_ACTIVATE_SECONDARY_CONTROLS : 0));
	set_field(SECONDARY_VM_EXEC_CONTROL, uses[use].secondary);
	set_field(VM_FUNCTION_CONTROL, uses[use].vmfunc);
	set_field(VM_EXIT_MSR_STORE_COUNT, 0);
	set_field(VM_EXIT_MSR_LOAD_COUNT, 0);
	set_field(VM_ENTRY_MSR_LOAD_COUNT, 0);
	if (uses[use].count)
		set_field(uses[use].count, 1);
	fill_host();
}

static long launch(void)
{
	long r;

	asm volatile("mov %[fault], %[r]\n"
		     "1: vmlaunch\n"
		     "mov %[fail], %[r]\n"
		     "2:\n"
		     _ASM_EXTABLE(1b, 2b)
		     : [r] "=&r" (r)
		     : [fault] "i" (-EFAULT), [fail] "i" (-EPERM)
		     : "cc", "memory");
	return r;
}

static size_t use_of(unsigned long field)
{
	size_t use = 0;

	while (use < ARRAY_SIZE(uses) && uses[use].field != field)
		use++;
	return use;
}

static long launch_with_address(const struct poke *p)
{
	size_t use = use_of(p->value);

	poke_vmx_load();
	fill(use);
	set_field(uses[use].field, p->addr | (uses[use].field == EPT_POINTER ? 0x1e : 0));
	return launch();
}

/* Field @value is @addr in a VMCS that VMLAUNCH is tried with. */
int poke_vmcs(const struct poke *p)
{
	if (use_of(p->value) == ARRAY_SIZE(uses))
		return -EINVAL;
	return told("VMLAUNCH", p, in_vmx(p, launch_with_address));
}

static long launch_with_list(const struct poke *p)
{
	size_t use = use_of(p->value);

	*list = p->addr;
	poke_vmx_load();
	fill(use);
	set_field(uses[use].field, __pa(list));
	set_field(uses[use].count, p->count);
	return launch();
}

/* The list of field @value is our own, of @count entries, the first of which is for MSR @addr. */
int poke_vmcs_list(const struct poke *p)
{
	size_t use = use_of(p->value);

	if (use == ARRAY_SIZE(uses) || !uses[use].count)
		return -EINVAL;
	return told("VMLAUNCH with the MSR", p, in_vmx(p, launch_with_list));
}

static long launch_without_nmi(const struct poke *p)
{
	poke_vmx_load();
	fill(use_of(IO_BITMAP_A));
	set_field(PIN_BASED_VM_EXEC_CONTROL, p->value);
	set_field(GUEST_ACTIVITY_STATE, p->addr);
	return launch();
}

/*
 * A VM that NMIs would not end, so that the shim would not get its CPU back: pin controls @value,
 * activity state @addr.
 */
int poke_vmcs_no_nmi(const struct poke *p)
{
	return told("VMLAUNCH", p, in_vmx(p, launch_without_nmi));
}
