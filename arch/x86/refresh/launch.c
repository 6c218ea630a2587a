// SPDX-License-Identifier: GPL-2.0-only
/*
 * Slide the shim under one CPU, and get the CPU back.  Everything here runs on
 * the CPU in question with interrupts off; memory has been allocated before.
 */
#include <linux/smp.h>
#include <asm/apic.h>
#include <asm/asm.h>
#include <asm/debugreg.h>
#include <asm/desc.h>
#include <asm/msr.h>
#include <asm/processor.h>
#include <asm/segment.h>

#include "refresh.h"
#include "vmx.h"

#define IDT_OFFSET	0x400

static void *area_va(const struct refresh_cpu *rc)
{
	return rc->res->va + refresh_area(rc->res, rc->area);
}

static u64 area_hpa(const struct refresh_cpu *rc)
{
	return rc->res->hpa + refresh_area(rc->res, rc->area);
}

/**
 * refresh_shared() - What the shim tells about one CPU
 * @res: the reserve
 * @area: number of the CPU's area
 *
 * Return: the page, valid while the reserve is.
 */
struct shim_shared *refresh_shared(const struct refresh_reserve *res, u32 area)
{
	return res->va + refresh_area(res, area) + SHIM_AREA_SHARED;
}

static struct shim_boot *boot_data(const struct refresh_cpu *rc)
{
	return area_va(rc) + SHIM_AREA_PRIVATE;
}

/* ---- VMX operation */

static int enter_vmx(struct refresh_cpu *rc, struct shim_boot *boot)
{
	u32 revision = rc->caps->basic;
	u64 hpa = boot->vmxon_hpa;
	bool fail;

	if (refresh_fault(REFRESH_STEP_VMXON))
		return -EIO;
	*(u32 *)(area_va(rc) + SHIM_AREA_VMXON) = revision & 0x7fffffff;
	*(u32 *)(area_va(rc) + SHIM_AREA_VMCS) = revision & 0x7fffffff;
	*(u32 *)(area_va(rc) + SHIM_AREA_SHADOW) = (revision & 0x7fffffff) | BIT(31);

	/*
	 * CR4.VMXE says whether the host is in VMX operation.  If it is, stay in
	 * it: its VMCSs would change their launch state otherwise.
	 */
	if (rc->cr4 & X86_CR4_VMXE) {
		boot->vmxon = 1;
		asm volatile("vmptrst %0" : "=m" (boot->current_vmcs) : : "memory");
		return 0;
	}
	boot->vmxon = 0;
	boot->current_vmcs = SHIM_NO_VMCS;
	refresh_write_cr4(rc->cr4 | X86_CR4_VMXE);
	asm volatile("vmxon %1" : "=@ccbe" (fail) : "m" (hpa) : "memory");
	if (fail) {
		refresh_write_cr4(rc->cr4);
		return -EIO;
	}
	return 0;
}

static void leave_vmx(struct refresh_cpu *rc, const struct shim_boot *boot)
{
	refresh_vmclear(boot->vmcs_hpa);
	if (boot->vmxon) {
		if (boot->current_vmcs != SHIM_NO_VMCS)
			refresh_vmptrld(boot->current_vmcs);
		return;
	}
	refresh_vmxoff();
	refresh_write_cr4(rc->cr4);
}

/* ---- the VMCS that runs the host */

/*
 * Every field exists on a CPU that refresh_check_machine() accepts.  One that
 * does not shows up as VM-fail of the launch.
 */
static void write_field(unsigned long field, u64 value)
{
	refresh_vmwrite(field, value);
}

static const u32 host_fields[] = {
#define SHIM_HOST_FIELD(field) field,
#include <refresh/vmcs_fields.h>
};

static_assert(ARRAY_SIZE(host_fields) == SHIM_NR_HOST_FIELDS);

static u64 shim_cr4(const struct shim_machine *machine, u64 cr4)
{
	return machine->cr4_fixed0 | X86_CR4_PAE | X86_CR4_VMXE |
	       (cr4 & (X86_CR4_OSXSAVE | X86_CR4_MCE));
}

/* The values, in the order of vmcs_fields.h. */
static void shim_state(struct refresh_cpu *rc, struct shim_boot *boot)
{
	u64 va = SHIM_VA_IMAGE + refresh_area(rc->res, rc->area);
	const struct shim_machine *machine = &rc->res->header->machine;
	u64 cr0 = read_cr0() & ~(X86_CR0_TS | X86_CR0_EM | X86_CR0_CD | X86_CR0_NW);
	const u64 values[SHIM_NR_HOST_FIELDS] = {
		0, SHIM_SEL_CS, SHIM_SEL_SS, 0, 0, 0, SHIM_SEL_TSS,
		cr0, rc->res->shim_cr3, shim_cr4(machine, rc->cr4),
		0, va, va + SHIM_AREA_TABLES + SHIM_TSS_OFFSET,
		va + SHIM_AREA_TABLES, va + SHIM_AREA_TABLES + IDT_OFFSET,
		va + SHIM_AREA_SIZE - 16, rc->res->header->exit_va,
		0,	/* no counter runs in the shim */
	};

	memcpy(boot->host, values, sizeof(values));
}

static void fill_shim_state(struct refresh_cpu *rc, const struct shim_boot *boot)
{
	int nr = SHIM_NR_HOST_FIELDS, i;
	u64 efer;

	if (!(rc->res->header->machine.flags & SHIM_FLAG_PERF))
		nr--;
	for (i = 0; i < nr; i++)
		write_field(host_fields[i], boot->host[i]);
	rdmsrl(MSR_EFER, efer);
	write_field(HOST_IA32_EFER, efer);
	write_field(HOST_IA32_SYSENTER_CS, 0);
	write_field(HOST_IA32_SYSENTER_ESP, 0);
	write_field(HOST_IA32_SYSENTER_EIP, 0);
}

static u32 access_rights(u16 selector)
{
	u32 access = 0;

	if (!(selector & ~3))
		return VMX_AR_UNUSABLE_MASK;
	asm volatile("lar %1, %0" : "=r" (access) : "r" ((u32)selector));
	return access >> 8 & 0xf0ff;
}

static u32 segment_limit(u16 selector)
{
	u32 limit = 0;

	asm volatile("lsl %1, %0" : "+r" (limit) : "r" ((u32)selector));
	return limit;
}

static void fill_segment(int number, u16 selector, u64 base, u32 limit, u32 access)
{
	write_field(GUEST_ES_SELECTOR + 2 * number, selector);
	write_field(GUEST_ES_BASE + 2 * number, base);
	write_field(GUEST_ES_LIMIT + 2 * number, limit);
	write_field(GUEST_ES_AR_BYTES + 2 * number, access);
}

static void fill_plain_segment(int number, u16 selector, u64 base)
{
	fill_segment(number, selector, base, segment_limit(selector),
		     access_rights(selector));
}

static u64 tss_base(u64 gdt, u16 selector)
{
	const struct ldttss_desc *desc = (void *)(gdt + (selector & ~7));

	return desc->base0 | (u64)desc->base1 << 16 | (u64)desc->base2 << 24 |
	       (u64)desc->base3 << 32;
}

static void fill_host_segments(void)
{
	struct desc_ptr gdt, idt;
	u16 tr, ldt, selector;
	u64 base;

	savesegment(es, selector);
	fill_plain_segment(0, selector, 0);
	savesegment(cs, selector);
	fill_plain_segment(1, selector, 0);
	savesegment(ss, selector);
	fill_plain_segment(2, selector, 0);
	savesegment(ds, selector);
	fill_plain_segment(3, selector, 0);
	savesegment(fs, selector);
	rdmsrl(MSR_FS_BASE, base);
	fill_plain_segment(4, selector, base);
	savesegment(gs, selector);
	rdmsrl(MSR_GS_BASE, base);
	fill_plain_segment(5, selector, base);

	native_store_gdt(&gdt);
	store_idt(&idt);
	asm volatile("str %0" : "=r" (tr));
	asm volatile("sldt %0" : "=r" (ldt));
	/* In a kernel thread; a process' LDT is loaded again when it runs. */
	fill_segment(6, ldt, ldt ? tss_base(gdt.address, ldt) : 0,
		     ldt ? segment_limit(ldt) : 0, access_rights(ldt));
	fill_segment(7, tr, tss_base(gdt.address, tr), segment_limit(tr),
		     access_rights(tr));
	write_field(GUEST_GDTR_BASE, gdt.address);
	write_field(GUEST_GDTR_LIMIT, gdt.size);
	write_field(GUEST_IDTR_BASE, idt.address);
	write_field(GUEST_IDTR_LIMIT, idt.size);
}

static void fill_host_registers(struct refresh_cpu *rc)
{
	u64 value;

	write_field(GUEST_CR0, read_cr0());
	write_field(CR0_READ_SHADOW, read_cr0());
	write_field(CR0_GUEST_HOST_MASK, X86_CR0_NE);
	write_field(GUEST_CR3, __read_cr3());
	write_field(GUEST_CR4, rc->cr4 | X86_CR4_VMXE);
	write_field(CR4_READ_SHADOW, rc->cr4);
	write_field(CR4_GUEST_HOST_MASK,
		    X86_CR4_VMXE | rc->res->header->machine.cr4_fixed0);
	get_debugreg(value, 7);
	write_field(GUEST_DR7, value);
	write_field(GUEST_RFLAGS, X86_EFLAGS_FIXED);
	rdmsrl(MSR_IA32_SYSENTER_CS, value);
	write_field(GUEST_SYSENTER_CS, value);
	rdmsrl(MSR_IA32_SYSENTER_ESP, value);
	write_field(GUEST_SYSENTER_ESP, value);
	rdmsrl(MSR_IA32_SYSENTER_EIP, value);
	write_field(GUEST_SYSENTER_EIP, value);
	rdmsrl(MSR_EFER, value);
	write_field(GUEST_IA32_EFER, value);
	rdmsrl(MSR_IA32_DEBUGCTLMSR, value);
	write_field(GUEST_IA32_DEBUGCTL, value);
	write_field(GUEST_ACTIVITY_STATE, 0);
	write_field(GUEST_INTERRUPTIBILITY_INFO, 0);
	write_field(GUEST_PENDING_DBG_EXCEPTIONS, 0);
	write_field(VMCS_LINK_POINTER, SHIM_NO_VMCS);
}

static u64 perf_mask(void)
{
	u32 eax, ebx, ecx, edx;
	u64 value = 0;

	cpuid_count(REFRESH_CPUID_PERF, 0, &eax, &ebx, &ecx, &edx);
	if (boot_cpu_has(X86_FEATURE_PDCM))
		rdmsrl(MSR_IA32_PERF_CAPABILITIES, value);
	return refresh_perf_mask(eax, ecx, edx, value & BIT(PERF_CAP_METRICS_IDX));
}

/*
 * PERF_GLOBAL_CTRL of the host: an exit stores it and VM entry loads it again, from the same
 * place; in between the CPU loads the shim's, which is 0.
 */
static void fill_perf(struct refresh_cpu *rc, struct shim_boot *boot)
{
	u64 list = area_hpa(rc) + SHIM_AREA_PRIVATE + offsetof(struct shim_boot, perf);
	bool on = rc->res->header->machine.flags & SHIM_FLAG_PERF;

	write_field(VM_EXIT_MSR_STORE_COUNT, on);
	write_field(VM_ENTRY_MSR_LOAD_COUNT, on);
	write_field(VM_EXIT_MSR_LOAD_COUNT, 0);
	if (!on)
		return;
	write_field(VM_EXIT_MSR_STORE_ADDR, list);
	write_field(VM_ENTRY_MSR_LOAD_ADDR, list);
	boot->perf.index = MSR_CORE_PERF_GLOBAL_CTRL;
	boot->perf_mask = perf_mask();
}

static void fill_controls(struct refresh_cpu *rc)
{
	const struct shim_part *part = &rc->res->header->part[0];
	const struct refresh_caps *caps = rc->caps;

	write_field(PIN_BASED_VM_EXEC_CONTROL, caps->pin);
	write_field(CPU_BASED_VM_EXEC_CONTROL,
		    caps->cpu | (part->io_bitmap ? CPU_BASED_USE_IO_BITMAPS : 0));
	if (part->io_bitmap) {
		write_field(IO_BITMAP_A, part->io_bitmap);
		write_field(IO_BITMAP_B, part->io_bitmap + SHIM_PAGE);
	}
	write_field(SECONDARY_VM_EXEC_CONTROL, caps->cpu2);
	write_field(VM_EXIT_CONTROLS, caps->exit);
	write_field(VM_ENTRY_CONTROLS, caps->entry);
	write_field(EXCEPTION_BITMAP, 0);
	write_field(PAGE_FAULT_ERROR_CODE_MASK, 0);
	write_field(PAGE_FAULT_ERROR_CODE_MATCH, 0);
	write_field(CR3_TARGET_COUNT, 0);
	write_field(VM_ENTRY_INTR_INFO_FIELD, 0);
	write_field(MSR_BITMAP, part->msr_bitmap);
	write_field(EPT_POINTER, part->eptp);
	write_field(VIRTUAL_PROCESSOR_ID, REFRESH_HOST_VPID);
	if (caps->cpu2 & REFRESH_EXEC2_XSAVES)
		write_field(XSS_EXIT_BITMAP, 0);
	if (part->flags & SHIM_FLAG_SHADOW) {
		write_field(VMREAD_BITMAP, part->vmread_bitmap);
		write_field(VMWRITE_BITMAP, part->vmwrite_bitmap);
	}
}

/* Stack of the return path, which finds there where the shim has put the host's state. */
static u64 return_stack(const struct refresh_cpu *rc)
{
	u64 *top = area_va(rc) + SHIM_AREA_RETURN + SHIM_PAGE - 16;

	*top = (u64)&refresh_shared(rc->res, rc->area)->context;
	return (u64)top;
}

static void fill_boot_data(struct refresh_cpu *rc, struct shim_boot *boot)
{
	u64 hpa = area_hpa(rc);

	memset(boot, 0, SHIM_PRIVATE_SIZE);
	boot->apic_id = cpu_physical_id(raw_smp_processor_id());
	boot->shared_va = SHIM_VA_IMAGE + refresh_area(rc->res, rc->area) +
			  SHIM_AREA_SHARED;
	boot->vmxon_hpa = hpa + SHIM_AREA_VMXON;
	boot->vmcs_hpa = hpa + SHIM_AREA_VMCS;
	boot->shadow_hpa = hpa + SHIM_AREA_SHADOW;
	boot->return_rip = (u64)refresh_return_entry;
	boot->return_rsp = return_stack(rc);
	boot->return_gdt_rw = (u64)get_cpu_gdt_rw(raw_smp_processor_id());
	boot->return_cs = __KERNEL_CS;
	boot->return_ss = __KERNEL_DS;
}

/**
 * refresh_prepare_cpu() - Do all that can fail before this CPU's launch
 * @rc: the CPU, with reserve, capabilities and area set
 *
 * Context: on the CPU, interrupts off.
 * Return: 0, or -EIO with the CPU as it was.
 */
int refresh_prepare_cpu(struct refresh_cpu *rc)
{
	struct shim_boot *boot = boot_data(rc);
	int r;

	rc->cr4 = refresh_read_cr4();
	fill_boot_data(rc, boot);
	r = enter_vmx(rc, boot);
	if (r)
		return r;

	r = refresh_fault(REFRESH_STEP_VMCS) ? -EIO : refresh_vmclear(boot->vmcs_hpa);
	if (!r && rc->res->header->part[0].flags & SHIM_FLAG_SHADOW)
		r = refresh_vmclear(boot->shadow_hpa);
	if (!r)
		r = refresh_vmptrld(boot->vmcs_hpa);
	if (r)
		goto err_vmx;

	shim_state(rc, boot);
	fill_shim_state(rc, boot);
	fill_host_segments();
	fill_host_registers(rc);
	fill_controls(rc);
	fill_perf(rc, boot);
	r = refresh_fault(REFRESH_STEP_FILL) ? -EIO : 0;
	if (r)
		goto err_vmx;
	/* An earlier launch may have left translations with the same tags. */
	refresh_flush_tags(rc->res->eptp, rc->cr4 | X86_CR4_VMXE);
	rc->prepared = true;
	return 0;

err_vmx:
	leave_vmx(rc, boot);
	return r;
}

/**
 * refresh_unprepare_cpu() - Undo refresh_prepare_cpu()
 * @rc: a CPU that is prepared and has not been launched
 *
 * Context: on the CPU, interrupts off since refresh_prepare_cpu().
 */
void refresh_unprepare_cpu(struct refresh_cpu *rc)
{
	leave_vmx(rc, boot_data(rc));
	rc->prepared = false;
}

/**
 * refresh_launch_cpu() - Enter VMX non-root operation
 * @rc: a prepared CPU
 *
 * The function returns above the shim.
 *
 * Context: on the CPU, interrupts off since refresh_prepare_cpu().
 * Return: 0, or -EIO with the CPU still prepared.
 */
int refresh_launch_cpu(struct refresh_cpu *rc)
{
	if (refresh_fault(REFRESH_STEP_LAUNCH))
		refresh_vmwrite(VM_ENTRY_CONTROLS, 0);
	if (rc->res->header->machine.flags & SHIM_FLAG_PERF)
		rdmsrl(MSR_CORE_PERF_GLOBAL_CTRL, boot_data(rc)->perf.value);
	/* Point of no return: from here the shim has to give the CPU back. */
	if (refresh_vmlaunch())
		return -EIO;
	rc->launched = true;
	/* The first exit lets the shim take over what the host has open. */
	if (refresh_call(SHIM_CALL_VERSION) != SHIM_ABI_VERSION)
		return -EIO;
	return refresh_fault(REFRESH_STEP_LAUNCHED) ? -EIO : 0;
}

/**
 * refresh_call() - Call the shim
 * @call: SHIM_CALL_*
 *
 * Context: above the shim only; interrupts off for SHIM_CALL_LEAVE.
 * Return: what the shim says.
 */
u32 refresh_call(u32 call)
{
	unsigned long rax = call;

	asm volatile("vmcall" : "+a" (rax) : : "cc", "memory");
	return rax;
}

/**
 * refresh_call_args() - Call the shim
 * @call: SHIM_CALL_PART_*
 * @a: first argument
 * @b: second one
 * @c: third one
 *
 * Context: above the shim only.
 * Return: what the shim says.
 */
u32 refresh_call_args(u32 call, u64 a, u64 b, u64 c)
{
	unsigned long rax = call;

	asm volatile("vmcall" : "+a" (rax) : "b" (a), "c" (b), "d" (c) : "cc", "memory");
	return rax;
}

static u32 call_with_target(const struct refresh_cpu *rc, u32 call, u64 rip)
{
	unsigned long rax = call;
	u64 rsp = return_stack(rc), gdt = (u64)get_cpu_gdt_rw(raw_smp_processor_id());

	asm volatile("vmcall" : "+a" (rax)
		     : "b" (rip), "c" (rsp), "d" (gdt), "S" (__KERNEL_CS | __KERNEL_DS << 16)
		     : "cc", "memory");
	return rax;
}

/**
 * refresh_set_target() - Say where this CPU goes on if the shim gives up
 * @rc: the CPU, above the shim
 * @on: false: nowhere, as this module will be gone
 *
 * Context: on the CPU, interrupts off.
 * Return: what the shim says.
 */
u32 refresh_set_target(struct refresh_cpu *rc, bool on)
{
	return call_with_target(rc, SHIM_CALL_TARGET, on ? (u64)refresh_return_entry : 0);
}

/**
 * refresh_ask_shim() - Is there a shim below this CPU?
 * @version: its ABI version, if there is one
 *
 * Return: true if there is.
 */
bool refresh_ask_shim(u32 *version)
{
	u32 eax, ebx, ecx, edx;

	cpuid_count(SHIM_CPUID_LEAF, SHIM_CPUID_ASK, &eax, &ebx, &ecx, &edx);
	*version = eax + refresh_fault(REFRESH_STEP_ABI);
	return ebx == SHIM_CPUID_EBX;
}

/**
 * refresh_find() - Ask a shim of our ABI version where its information page is
 * @hpa: filled in
 *
 * Return: SHIM_OK, or SHIM_E_SHARED while another kernel has a part of the machine.
 */
u32 refresh_find(u64 *hpa)
{
	unsigned long rax = SHIM_CALL_FIND;

	asm volatile("vmcall" : "+a" (rax), "=b" (*hpa) : : "cc", "memory");
	return rax;
}

/**
 * refresh_hear() - What has the other kernel said last?
 * @word: filled in
 *
 * Return: SHIM_OK, or SHIM_E_STATE where there is none.
 */
u32 refresh_hear(u64 *word)
{
	unsigned long rax = SHIM_CALL_PART_HEAR;

	asm volatile("vmcall" : "+a" (rax), "=b" (*word) : : "cc", "memory");
	return rax;
}

/**
 * refresh_claim() - Ask the shim for memory that the first kernel has left behind
 * @hpa: first byte, of a page
 * @bytes: at most how many; the length of the piece at @hpa is written
 *
 * Context: in the second kernel.
 * Return: SHIM_OK, and the piece is this kernel's; another value of enum shim_error.
 */
u32 refresh_claim(u64 hpa, u64 *bytes)
{
	unsigned long rax = SHIM_CALL_PART_CLAIM, rcx = *bytes;

	asm volatile("vmcall" : "+a" (rax), "+c" (rcx) : "b" (hpa) : "cc", "memory");
	*bytes = rcx;
	return rax;
}

/**
 * refresh_link_join() - Ask the shim for the memory of the link
 * @pin: of the IOAPIC, this kernel's doorbell
 * @own: address of the section that this kernel writes
 * @other: of that which it reads
 * @bytes: of each
 *
 * Context: above the shim only.
 * Return: SHIM_OK, or another value of enum shim_error: there is no link.
 */
u32 refresh_link_join(u32 pin, u64 *own, u64 *other, u64 *bytes)
{
	unsigned long rax = SHIM_CALL_LINK_JOIN, rbx = pin, rcx = 0, rdx = 0;

	asm volatile("vmcall" : "+a" (rax), "+b" (rbx), "+c" (rcx), "+d" (rdx) : : "cc", "memory");
	*own = rbx;
	*other = rcx;
	*bytes = rdx;
	return rax;
}

/**
 * refresh_link_ring() - Ring the other kernel's doorbell
 *
 * A CPU that comes online may be without the shim for a moment: nothing happens there.
 *
 * Return: true if the shim has done it.
 */
bool refresh_link_ring(void)
{
	unsigned long rax = SHIM_CALL_LINK_RING;

	asm volatile("1: vmcall\n"
		     "2:\n"
		     _ASM_EXTABLE(1b, 2b)
		     : "+a" (rax) : : "cc", "memory");
	return rax == SHIM_OK;
}

/**
 * refresh_send_init() - Send an INIT as the kernel does to start a CPU
 * @apic_id: of a CPU, which may be this one
 *
 * For a test: no kernel sends one to a CPU that is in use.
 *
 * Context: interrupts off.
 */
void refresh_send_init(u32 apic_id)
{
	u32 command = APIC_DM_INIT | APIC_INT_ASSERT;

	if (x2apic_enabled()) {
		wrmsrl(APIC_BASE_MSR + (APIC_ICR >> 4), (u64)apic_id << 32 | command);
		return;
	}
	native_apic_mem_write(APIC_ICR2, apic_id << 24);
	native_apic_mem_write(APIC_ICR, command);
}

/**
 * refresh_leave_cpu() - Let the shim give this CPU back
 * @rc: a launched CPU
 *
 * Context: on the CPU, interrupts off.
 * Return: 0, or -EBUSY if the CPU is not the host's alone to have.  A shim that panicked
 * has left already.
 */
int refresh_leave_cpu(struct refresh_cpu *rc)
{
	/* For tests; the shim refuses both without SHIM_FLAG_TEST. */
	if (refresh_fault(REFRESH_STEP_LEAVE))
		refresh_call(SHIM_CALL_PANIC);
	else if (refresh_fault(REFRESH_STEP_LEAVING))
		refresh_call(SHIM_CALL_LEAVE_FAULT);
	else if (refresh_fault(REFRESH_STEP_LEAVE_MC))
		refresh_call(SHIM_CALL_LEAVE_MC);
	if (READ_ONCE(refresh_shared(rc->res, rc->area)->state) == SHIM_STATE_ON &&
	    call_with_target(rc, SHIM_CALL_LEAVE, (u64)refresh_return_entry) == SHIM_E_SHARED)
		return -EBUSY;
	rc->launched = false;
	rc->prepared = false;
	return 0;
}
