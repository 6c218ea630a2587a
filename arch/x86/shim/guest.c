// SPDX-License-Identifier: GPL-2.0-only
/*
 * The host's VMCSs: borrow one when the host enters a guest with it, pass the
 * guest's exit on to the host, give the VMCS back.
 */
#include "msrs.h"
#include "shim.h"
#include "vmcs_class.h"
#include "vmx_ops.h"
#include "world.h"

static const u32 host_fields[] = {
#define SHIM_HOST_FIELD(field) field,
#include "../../../include/refresh/vmcs_fields.h"
};

/* @slot's VMCS is current and holds the host's own host state. */
void guest_install(struct shim_cpu *cpu, struct borrowed *slot)
{
	u32 nr = shim_nr_host_fields(&shim_machine), i;

	for (i = 0; i < nr; i++) {
		slot->host[i] = vmread(host_fields[i]);
		vmwrite(host_fields[i], cpu->boot.host[i]);
	}
	slot->sysenter[0] = vmread(HOST_IA32_SYSENTER_CS);
	slot->sysenter[1] = vmread(HOST_IA32_SYSENTER_ESP);
	slot->sysenter[2] = vmread(HOST_IA32_SYSENTER_EIP);
	cpu->shared->installs++;
}

/*
 * Leaves @slot's VMCS current.  If its host has spoilt it there is nothing to give back to: what is
 * current stays so, and is not written.
 */
void guest_give_back(struct shim_cpu *cpu, struct borrowed *slot)
{
	u32 nr = shim_nr_host_fields(&shim_machine), i;

	if (likely(load_vmcs(slot->hpa)))
		for (i = 0; i < nr; i++)
			vmwrite(host_fields[i], slot->host[i]);
	if (cpu->borrowed == slot)
		cpu->borrowed = NULL;
	borrow_drop(slot);
}

void guest_give_back_all(struct shim_cpu *cpu)
{
	u32 i;

	for (i = 0; i < SHIM_NR_BORROWED; i++)
		if (cpu->map.slot[i].hpa != SHIM_NO_VMCS)
			guest_give_back(cpu, &cpu->map.slot[i]);
}

/*
 * Likewise, and nothing of the host's is active on this CPU any more, but for what it does not own
 * any more: nobody may write there.
 */
void guest_clear_all(struct shim_cpu *cpu)
{
	u64 hpa;
	u32 i;

	for (i = 0; i < SHIM_NR_BORROWED; i++) {
		hpa = cpu->map.slot[i].hpa;
		if (hpa == SHIM_NO_VMCS)
			continue;
		if (!world_keeps(cpu, hpa)) {
			borrow_drop(&cpu->map.slot[i]);
			continue;
		}
		guest_give_back(cpu, &cpu->map.slot[i]);
		vmclear(hpa);
	}
	for (i = 0; i < SHIM_NR_ACTIVE; i++) {
		hpa = active_at(&cpu->active, i);
		if (hpa != SHIM_NO_VMCS && world_keeps(cpu, hpa))
			vmclear(hpa);
	}
	if (cpu->active.more)
		console_print("shim: apic %d: other VMCSs of its host may be active\n",
			      cpu->boot.apic_id);
	active_init(&cpu->active);
}

/* ---- what a VMCS makes the CPU use by itself, while two kernels share the machine */

#define PIN_BASED_NMI_EXITING	BIT(3)
#define PIN_BASED_VIRTUAL_NMIS	BIT(5)
#define ACTIVITY_WAIT_SIPI	3
#define MSR_LIST_ENTRY		16

static bool is_control(u64 field)
{
	switch (field) {
	case PIN_BASED_VM_EXEC_CONTROL:
	case CPU_BASED_VM_EXEC_CONTROL:
	case SECONDARY_VM_EXEC_CONTROL:
	case TERTIARY_VM_EXEC_CONTROL:
	case VM_FUNCTION_CONTROL:
	case VM_EXIT_CONTROLS:
	case VM_EXIT_MSR_STORE_COUNT:
	case VM_EXIT_MSR_LOAD_COUNT:
	case VM_ENTRY_MSR_LOAD_COUNT:
	case GUEST_ACTIVITY_STATE:
		return true;
	}
	return false;
}

/* After the host has written @field of its VMCS: is it to be looked at again? */
bool guest_field_matters(u64 field)
{
	const struct vmcs_field *known;

	if (likely(policy_may_give()))
		return field == VM_EXIT_CONTROLS;
	known = vmcs_field(field);
	return is_control(field) || !known || known->class == VMCS_ADDRESS ||
	       known->class == VMCS_LIST;
}

/*
 * What the CPU would load by itself.  The list is the partition's to change afterwards; one
 * that is not aligned makes the entry fail.
 */
static bool list_ok(const struct shim_cpu *cpu, u64 hpa, u64 count, bool at_exit)
{
	bool perf = shim_machine.flags & SHIM_FLAG_PERF;
	u32 msr;
	u64 i;

	if (hpa & (MSR_LIST_ENTRY - 1))
		return true;
	for (i = 0; i < count; i++) {
		msr = *(u32 *)mem_map(hpa + i * MSR_LIST_ENTRY, 0);
		if (at_exit ? !msr_exit_entry_ok(msr, perf, world_denied(cpu)) :
			      !msr_list_entry_ok(msr, world_denied(cpu)))
			return false;
	}
	return true;
}

/*
 * An NMI has to bring the CPU back: one that is not virtual is blocked like the guest's own, and
 * a guest that waits for a start-up IPI gets none.
 */
static bool nmi_exits(u32 pin)
{
	return pin & PIN_BASED_NMI_EXITING && pin & PIN_BASED_VIRTUAL_NMIS &&
	       vmread(GUEST_ACTIVITY_STATE) != ACTIVITY_WAIT_SIPI;
}

/* The host's VMCS is current.  False: it names what is not the host's. */
static bool addresses_ok(const struct shim_cpu *cpu)
{
	const struct vmcs_field *field = NULL;
	struct vmcs_controls controls = { };
	u64 count, value;

	if (policy_may_give())
		return true;
	controls.pin = vmread(PIN_BASED_VM_EXEC_CONTROL);
	controls.cpu = vmread(CPU_BASED_VM_EXEC_CONTROL);
	if (controls.cpu & CPU_BASED_SECONDARY)
		controls.cpu2 = vmread(SECONDARY_VM_EXEC_CONTROL);
	if (controls.cpu & CPU_BASED_TERTIARY)
		controls.cpu3 = vmread(TERTIARY_VM_EXEC_CONTROL);
	if (controls.cpu2 & SECONDARY_EXEC_VMFUNC)
		controls.vmfunc = vmread(VM_FUNCTION_CONTROL);
	if (!nmi_exits(controls.pin))
		return deny(world_denied(cpu), DENIED_VMCS_FIELD);
	while ((field = vmcs_next_address(field))) {
		count = 0;
		/* What the CPU does not have is not used. */
		if (vmread_checked(field->encoding, &value) != VMX_SUCCEED ||
		    (field->class == VMCS_LIST &&
		     vmread_checked(field->bit, &count) != VMX_SUCCEED))
			continue;
		if (!vmcs_address_ok(&world.memory, part_of(cpu), field, value, count,
				     &controls, world_denied(cpu)))
			return false;
		if (field->class == VMCS_LIST && field->encoding != VM_EXIT_MSR_STORE_ADDR &&
		    !list_ok(cpu, value, count, field->encoding == VM_EXIT_MSR_LOAD_ADDR))
			return false;
	}
	return true;
}

/*
 * The host's VMCS is current, and is borrowed.  May it be entered?  False: error 8 says so.  One
 * that is checked has been asked for before.
 */
bool guest_check(struct shim_cpu *cpu)
{
	struct borrowed *slot = cpu->borrowed;
	u64 host_efer = EFER_LMA;
	u32 controls = vmread(VM_EXIT_CONTROLS);

	if (controls & VM_EXIT_LOAD_IA32_EFER)
		host_efer = vmread(HOST_IA32_EFER);
	if (shim_machine.flags & SHIM_FLAG_PERF &&
	    !shim_perf_valid(controls, slot->host[H_PERF], cpu->boot.perf_mask))
		return false;
	slot->checked = shim_host_state_valid(slot->host, host_efer,
					      slot->host[H_CR4] & X86_CR4_LA57,
					      &shim_machine) &&
			addresses_ok(cpu);
	return slot->checked;
}

/* What has been found before may not be true any more. */
void guest_check_again(struct shim_cpu *cpu)
{
	u32 i;

	for (i = 0; i < SHIM_NR_BORROWED; i++)
		cpu->map.slot[i].checked = false;
}

/*
 * A guest of the host has left for an NMI that was only to bring the CPU here.  It goes on, unless
 * what its VMCS names has become another partition's: its host knows of no exit.
 */
u64 guest_resume_kicked(struct shim_cpu *cpu)
{
	shim_unblock_nmi();
	cpu_obey(cpu);
	if (unlikely(!cpu->borrowed->checked && !guest_check(cpu))) {
		vmptrld(cpu->boot.vmcs_hpa);
		return policy_surprise(cpu, "a guest has what was its host's", 0);
	}
	cpu->in_guest = true;
	return SHIM_RESUME;
}

#define LOADED_DATA	0xc093
#define LOADED_CODE	0xa09b
#define LOADED_TSS	0x008b

static void load_segment(u32 segment, u64 selector, u64 base, u32 limit, u32 access)
{
	vmwrite(GUEST_ES_SELECTOR + 2 * segment, selector);
	vmwrite(GUEST_ES_BASE + 2 * segment, base);
	vmwrite(GUEST_ES_LIMIT + 2 * segment, limit);
	vmwrite(GUEST_ES_AR_BYTES + 2 * segment, access);
}

static void load_data_segment(u32 segment, u64 selector, u64 base)
{
	load_segment(segment, selector, base, ~0u,
		     selector ? LOADED_DATA : AR_UNUSABLE);
}

static void load_host_segments(const u64 *host)
{
	load_data_segment(0, host[H_ES], 0);
	load_segment(1, host[H_CS], 0, ~0u, LOADED_CODE);
	load_data_segment(2, host[H_SS], 0);
	load_data_segment(3, host[H_DS], 0);
	load_data_segment(4, host[H_FS], host[H_FS_BASE]);
	load_data_segment(5, host[H_GS], host[H_GS_BASE]);
	load_segment(6, 0, 0, 0, AR_UNUSABLE);
	load_segment(7, host[H_TR], host[H_TR_BASE], SHIM_TSS_LIMIT, LOADED_TSS);
	vmwrite(GUEST_GDTR_BASE, host[H_GDTR_BASE]);
	vmwrite(GUEST_GDTR_LIMIT, 0xffff);
	vmwrite(GUEST_IDTR_BASE, host[H_IDTR_BASE]);
	vmwrite(GUEST_IDTR_LIMIT, 0xffff);
}

bool exit_was_nmi(u32 reason)
{
	u64 info;

	if ((reason & EXIT_REASON_BASIC) != EXIT_REASON_EXCEPTION_NMI)
		return false;
	info = vmread(VM_EXIT_INTR_INFO);
	return info & INTR_VALID && (info & INTR_TYPE_MASK) == INTR_TYPE_NMI;
}

/*
 * The counters stand while the shim runs: a PEBS record would be written through its page
 * tables.  VM entry with the VMCS that runs the host loads what is noted here.
 */
static void reflect_perf(struct shim_cpu *cpu, const u64 *host, u32 reason)
{
	u32 exit = vmread(VM_EXIT_CONTROLS), entry = vmread(VM_ENTRY_CONTROLS);

	cpu->boot.perf.value =
		shim_perf_after_exit(host[H_PERF], cpu->boot.perf.value,
				     vmread(GUEST_IA32_PERF_GLOBAL_CTRL), exit, entry,
				     reason);
}

/* The host's VMCS is current and about to be entered: counters that it does not load. */
void guest_enter_perf(struct shim_cpu *cpu)
{
	u64 value = cpu->boot.perf.value;

	if (value && !(vmread(VM_ENTRY_CONTROLS) & VM_ENTRY_LOAD_IA32_PERF_GLOBAL_CTRL))
		wrmsr_safe(MSR_CORE_PERF_GLOBAL_CTRL, value, value >> 32);
}

/* The host uses the shim page from now on, without having loaded a VMCS since. */
static bool page_begin(struct shim_cpu *cpu)
{
	if (!cpu->page->want || !page_start(cpu))
		return false;
	cpu->shared->page_exits++;
	vmptrld(cpu->boot.vmcs_hpa);
	shadow_link(cpu, false);
	shadow_enable(cpu, false);
	return true;
}

/*
 * A guest of the host has left: put the host where its own host state says, as
 * the CPU does at a VM exit.  The host's VMCS is current on entry, the one that
 * runs the host afterwards.  MSRs of the host state have been loaded by the CPU:
 * they were never replaced, but for PERF_GLOBAL_CTRL.
 */
void guest_reflect(struct shim_cpu *cpu, u32 reason)
{
	const struct borrowed *slot = cpu->borrowed;
	const u64 *host = slot->host;
	bool nmi = exit_was_nmi(reason);

	if (shim_machine.flags & SHIM_FLAG_PERF)
		reflect_perf(cpu, host, reason);
	if (likely(cpu->page_on))
		page_publish(cpu, reason);
	else if (!page_begin(cpu) && cpu->shadowing)
		shadow_publish(cpu);
	vmptrld(cpu->boot.vmcs_hpa);

	vmwrite(GUEST_CR0, host[H_CR0]);
	vmwrite(CR0_READ_SHADOW, host[H_CR0]);
	vmwrite(GUEST_CR3, host[H_CR3]);
	vmwrite(GUEST_CR4, host[H_CR4]);
	vmwrite(CR4_READ_SHADOW, host[H_CR4]);
	vmwrite(GUEST_RIP, host[H_RIP]);
	vmwrite(GUEST_RSP, host[H_RSP]);
	vmwrite(GUEST_RFLAGS, X86_EFLAGS_FIXED);
	load_host_segments(host);
	vmwrite(GUEST_SYSENTER_CS, slot->sysenter[0]);
	vmwrite(GUEST_SYSENTER_ESP, slot->sysenter[1]);
	vmwrite(GUEST_SYSENTER_EIP, slot->sysenter[2]);
	/* Right whether or not the host's VMCS loads EFER at its exits. */
	vmwrite(GUEST_IA32_EFER, rdmsr(MSR_EFER));
	/* The activity state is right: the host has executed its VM entry. */
	vmwrite(GUEST_DR7, 0x400);
	vmwrite(GUEST_IA32_DEBUGCTL, 0);
	vmwrite(GUEST_PENDING_DBG_EXCEPTIONS, 0);
	/* The exit blocks NMIs until the host's IRET; for the shim it ends here. */
	vmwrite(GUEST_INTERRUPTIBILITY_INFO, nmi ? GUEST_INTR_STATE_NMI : 0);
	if (nmi)
		shim_unblock_nmi();
}
