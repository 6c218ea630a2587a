// SPDX-License-Identifier: GPL-2.0-only
/*
 * The VMX instructions of the host.  Before an instruction that may fail the
 * host's current VMCS is made current, so that the CPU stores the error number
 * where the host will read it.
 */
#include "shim.h"
#include "vmcs_class.h"
#include "vmx_ops.h"
#include "world.h"

static void load_own(struct shim_cpu *cpu)
{
	vmptrld(cpu->boot.vmcs_hpa);
}

static bool has_current(struct shim_cpu *cpu)
{
	return cpu->current_vmcs != SHIM_NO_VMCS;
}

/* False: its host has spoilt it, or has none; the VMCS that runs the host stays current. */
static bool load_current(struct shim_cpu *cpu)
{
	return has_current(cpu) && load_vmcs(cpu->current_vmcs);
}

/*
 * End the instruction: flags, error number, RIP.  The VMCS that runs the host is
 * current.
 */
u64 vmx_finish(struct shim_cpu *cpu, int outcome)
{
	vmwrite(GUEST_RFLAGS,
		vmx_result_flags(vmread(GUEST_RFLAGS), outcome, has_current(cpu)));
	if (outcome != VMX_SUCCEED) {
		cpu->shared->vmfails++;
		if (outcome > 0 && load_current(cpu)) {
			vmwrite(VM_INSTRUCTION_ERROR, outcome);
			load_own(cpu);
		}
	}
	host_skip_instruction();
	return SHIM_RESUME;
}

static u64 segment_base(u32 segment)
{
	if (segment == 4 || segment == 5)
		return vmread(GUEST_ES_BASE + 2 * segment);
	return 0;
}

static u64 operand_address(struct shim_cpu *cpu)
{
	struct vmx_operands op = vmx_decode(vmread(VMX_INSTRUCTION_INFO));

	/* The slot of RSP in the frame is the shim's own. */
	cpu->regs->r[R_HOW] = vmread(GUEST_RSP);
	return vmx_linear_address(&op, vmread(EXIT_QUALIFICATION), cpu->regs->r,
				  segment_base(op.segment), true);
}

static void inject_fault(struct shim_cpu *cpu, const struct mem_fault *fault,
			 enum denied_kind kind)
{
	if (fault->foreign)
		deny(world_denied(cpu), kind);
	if (fault->vector == PF_VECTOR) {
		cpu->cr2 = fault->address;
		write_cr2(fault->address);
	}
	host_inject(cpu, fault->vector, true, fault->code);
}

/* The operand in memory; false: the host gets the fault. */
static bool read_operand(struct shim_cpu *cpu, void *data, u32 size)
{
	struct mem_fault fault;

	if (mem_read(operand_address(cpu), data, size, &fault))
		return true;
	inject_fault(cpu, &fault, DENIED_MEMORY_READ);
	return false;
}

static bool write_operand(struct shim_cpu *cpu, const void *data, u32 size)
{
	struct mem_fault fault;

	if (mem_write(operand_address(cpu), data, size, &fault))
		return true;
	inject_fault(cpu, &fault, DENIED_MEMORY_WRITE);
	return false;
}

static bool pointer_ok(const struct shim_cpu *cpu, u64 hpa)
{
	return !vmx_check_pointer(hpa, shim_machine.phys_mask,
				  shim_machine.reserve_hpa, shim_machine.reserve_size) &&
	       world_owns(cpu, hpa);
}

/* ---- VMXON and VMXOFF: whose VMXON region the CPU works with */

static bool vmxon_region_ok(u64 hpa)
{
	u32 revision = *(u32 *)mem_map(hpa, 0);

	return revision == (u32)(shim_machine.vmx_basic & 0x7fffffff);
}

/*
 * Nothing of the host is active when it executes VMXON or VMXOFF, so the CPU can
 * leave VMX operation and enter it again: no VMCS of the host changes its launch
 * state, and nothing has to be exchanged when the shim leaves.
 */
static int change_vmxon_region(struct shim_cpu *cpu, u64 hpa)
{
	int outcome;

	vmclear(cpu->boot.vmcs_hpa);
	vmxoff();
	outcome = vmxon(hpa);
	if (outcome != VMX_SUCCEED)
		vmxon(cpu->boot.vmxon_hpa);
	load_own(cpu);
	return outcome;
}

/* The CPU gets another host: nothing of this one is active. */
void vmx_forget_region(struct shim_cpu *cpu)
{
	if (cpu->vmxon)
		change_vmxon_region(cpu, cpu->boot.vmxon_hpa);
	cpu->vmxon = false;
}

/* CR0 as the host reads it: of the read shadow only the masked bits count. */
static u64 host_cr0(void)
{
	u64 mask = vmread(CR0_GUEST_HOST_MASK);

	return (vmread(GUEST_CR0) & ~mask) | (vmread(CR0_READ_SHADOW) & mask);
}

static u64 handle_vmxon(struct shim_cpu *cpu)
{
	u64 hpa;
	int outcome;

	if (cpu->vmxon)
		return vmx_finish(cpu, VMXERR_VMXON_IN_ROOT);
	if (!shim_cr0_valid(host_cr0(), vmread(GUEST_CR4), true, true,
			    &shim_machine)) {
		host_inject(cpu, GP_VECTOR, true, 0);
		return SHIM_RESUME;
	}
	if (!read_operand(cpu, &hpa, sizeof(hpa)))
		return SHIM_RESUME;
	if (!pointer_ok(cpu, hpa) || !vmxon_region_ok(hpa))
		return vmx_finish(cpu, VMX_FAIL_INVALID);

	outcome = change_vmxon_region(cpu, hpa);
	if (outcome == VMX_SUCCEED) {
		cpu->vmxon = true;
		cpu->current_vmcs = SHIM_NO_VMCS;
		shadow_enable(cpu, true);
	}
	vmx_finish(cpu, outcome);
	return SHIM_LAUNCH;
}

static u64 handle_vmxoff(struct shim_cpu *cpu)
{
	if (has_current(cpu))
		shadow_collect(cpu);
	/* A host that has executed VMCLEAR before, as it should, has none. */
	if (policy_may_give())
		guest_give_back_all(cpu);
	else
		guest_clear_all(cpu);
	active_init(&cpu->active);
	change_vmxon_region(cpu, cpu->boot.vmxon_hpa);
	cpu->vmxon = false;
	cpu->current_vmcs = SHIM_NO_VMCS;
	cpu->borrowed = NULL;
	page_stop(cpu);
	shadow_link(cpu, false);
	shadow_enable(cpu, false);
	if (unlikely(cpu->init_blocked))
		shim_take_init(cpu);
	vmx_finish(cpu, VMX_SUCCEED);
	return SHIM_LAUNCH;
}

/* ---- VMCLEAR, VMPTRLD, VMPTRST */

static u64 handle_vmclear(struct shim_cpu *cpu)
{
	struct borrowed *slot;
	bool was_current;
	int outcome;
	u64 hpa;

	if (!read_operand(cpu, &hpa, sizeof(hpa)))
		return SHIM_RESUME;
	if (!pointer_ok(cpu, hpa))
		return vmx_finish(cpu, VMXERR_VMCLEAR_ADDRESS);

	was_current = hpa == cpu->current_vmcs;
	if (was_current)
		shadow_collect(cpu);
	slot = borrow_find(&cpu->map, hpa);
	if (slot)
		guest_give_back(cpu, slot);
	load_current(cpu);
	outcome = vmclear(hpa);
	load_own(cpu);
	if (outcome == VMX_SUCCEED)
		active_remove(&cpu->active, hpa);
	if (outcome == VMX_SUCCEED && was_current) {
		cpu->current_vmcs = SHIM_NO_VMCS;
		cpu->borrowed = NULL;
		page_stop(cpu);
		shadow_link(cpu, false);
	}
	return vmx_finish(cpu, outcome);
}

enum claim { CLAIM_REFUSED, CLAIM_WAS_ACTIVE, CLAIM_ADDED };

/*
 * One that there was no room to note may be borrowed.  A lone host has what it does to itself, as
 * on the bare CPU, and does not pay for a look at all CPUs: its KVM makes a shadow VMCS active anew
 * at each exit of a nested guest.
 */
static bool active_elsewhere(const struct shim_cpu *cpu, u64 hpa)
{
	struct shim_cpu *other;
	u32 area;

	if (policy_may_give())
		return false;
	for (area = 0; area < shim_machine.nr_areas; area++) {
		other = cpu_of_area(area);
		if (other == cpu || other->part != cpu->part)
			continue;
		if (active_has(&other->active, hpa) ||
		    (other->active.more && borrow_find(&other->map, hpa)))
			return true;
	}
	return false;
}

/*
 * The host makes one more VMCS active on this CPU.  On two of them the shim's host state of the
 * one would be taken for the host's, or entered, by the other: both would be on one stack.  So it
 * is noted before the others are asked, and until VMCLEAR is done.
 *
 * What is not noted could not be cleared when the CPU parks: beside another partition there are
 * no more than there is room for.
 */
static enum claim claim(struct shim_cpu *cpu, u64 hpa)
{
	bool added;

	if (active_has(&cpu->active, hpa))
		return CLAIM_WAS_ACTIVE;
	added = active_add(&cpu->active, hpa);
	if (!added && !policy_may_give())
		return CLAIM_REFUSED;
	if (active_elsewhere(cpu, hpa)) {
		if (added)
			active_remove(&cpu->active, hpa);
		return CLAIM_REFUSED;
	}
	cpu->active.more |= !added;
	return added ? CLAIM_ADDED : CLAIM_WAS_ACTIVE;
}

static u64 handle_vmptrld(struct shim_cpu *cpu)
{
	enum claim claimed = CLAIM_WAS_ACTIVE;
	int outcome;
	u64 hpa;

	if (!read_operand(cpu, &hpa, sizeof(hpa)))
		return SHIM_RESUME;
	if (!pointer_ok(cpu, hpa))
		return vmx_finish(cpu, VMXERR_VMPTRLD_ADDRESS);
	if (unlikely(!active_at_home(&cpu->active, hpa)))
		claimed = claim(cpu, hpa);
	if (unlikely(claimed == CLAIM_REFUSED))
		return vmx_finish(cpu, VMXERR_VMPTRLD_ADDRESS);

	if (has_current(cpu))
		shadow_collect(cpu);
	outcome = vmptrld(hpa);
	if (unlikely(outcome != VMX_SUCCEED && claimed == CLAIM_ADDED))
		active_remove(&cpu->active, hpa);
	if (outcome == VMX_SUCCEED) {
		cpu->current_vmcs = hpa;
		cpu->borrowed = borrow_find(&cpu->map, hpa);
		if (!page_start(cpu) && cpu->part->flags & SHIM_FLAG_SHADOW)
			shadow_publish(cpu);
	}
	load_own(cpu);
	if (outcome == VMX_SUCCEED) {
		shadow_enable(cpu, !cpu->page_on);
		shadow_link(cpu, !cpu->page_on);
	}
	return vmx_finish(cpu, outcome);
}

static u64 handle_vmptrst(struct shim_cpu *cpu)
{
	if (!write_operand(cpu, &cpu->current_vmcs, sizeof(cpu->current_vmcs)))
		return SHIM_RESUME;
	return vmx_finish(cpu, VMX_SUCCEED);
}

/* ---- VMREAD, VMWRITE of what is not shadowed */

static int read_current(struct shim_cpu *cpu, u64 field, u64 *value)
{
	int index = cpu->borrowed ? shim_host_field_index(field, &shim_machine) : -1;
	int outcome;

	if (index >= 0) {
		*value = cpu->borrowed->host[index];
		return VMX_SUCCEED;
	}
	if (unlikely(!load_current(cpu)))
		return VMX_FAIL_INVALID;
	outcome = vmread_checked(field, value);
	load_own(cpu);
	return outcome;
}

static u64 handle_vmread(struct shim_cpu *cpu)
{
	struct vmx_operands op = vmx_decode(vmread(VMX_INSTRUCTION_INFO));
	int outcome;
	u64 value;

	if (!has_current(cpu))
		return vmx_finish(cpu, VMX_FAIL_INVALID);
	page_settle(cpu);
	outcome = read_current(cpu, host_register(cpu, op.reg2), &value);
	if (outcome != VMX_SUCCEED)
		return vmx_finish(cpu, outcome);
	if (op.is_reg)
		host_set_register(cpu, op.reg, value);
	else if (!write_operand(cpu, &value, sizeof(value)))
		return SHIM_RESUME;
	return vmx_finish(cpu, VMX_SUCCEED);
}

static int write_current(struct shim_cpu *cpu, u64 field, u64 value)
{
	int index = cpu->borrowed ? shim_host_field_index(field, &shim_machine) : -1;
	int outcome;

	if (index >= 0) {
		cpu->borrowed->host[index] = shim_host_field_trim(index, value);
		cpu->borrowed->checked = false;
		page_store(cpu, field);
		return VMX_SUCCEED;
	}
	/* Nobody knows what it would make the CPU do. */
	if (unlikely(!policy_may_give()) && field <= 0xffff &&
	    !vmcs_write_known(field, world_denied(cpu)))
		return VMXERR_UNKNOWN_FIELD;
	if (unlikely(!load_current(cpu)))
		return VMX_FAIL_INVALID;
	outcome = vmwrite_checked(field, value);
	if (outcome == VMX_SUCCEED) {
		if (cpu->borrowed && field == HOST_IA32_SYSENTER_CS)
			cpu->borrowed->sysenter[0] = (u32)value;
		else if (cpu->borrowed && field == HOST_IA32_SYSENTER_ESP)
			cpu->borrowed->sysenter[1] = value;
		else if (cpu->borrowed && field == HOST_IA32_SYSENTER_EIP)
			cpu->borrowed->sysenter[2] = value;
		if (cpu->borrowed && guest_field_matters(field))
			cpu->borrowed->checked = false;
		page_store(cpu, field);
		shadow_store(cpu, field, value);
	}
	load_own(cpu);
	return outcome;
}

static u64 handle_vmwrite(struct shim_cpu *cpu)
{
	struct vmx_operands op = vmx_decode(vmread(VMX_INSTRUCTION_INFO));
	u64 value;

	if (!has_current(cpu))
		return vmx_finish(cpu, VMX_FAIL_INVALID);
	if (op.is_reg)
		value = host_register(cpu, op.reg);
	else if (!read_operand(cpu, &value, sizeof(value)))
		return SHIM_RESUME;
	page_settle(cpu);
	return vmx_finish(cpu, write_current(cpu, host_register(cpu, op.reg2), value));
}

/* ---- VMLAUNCH, VMRESUME */

/*
 * Make room in the map: one VMCS goes back to what the host wrote.  False: the host's current one
 * is none any more.
 */
static bool borrow(struct shim_cpu *cpu)
{
	if (!borrow_free_slot(&cpu->map))
		guest_give_back(cpu, borrow_victim(&cpu->map, cpu->current_vmcs));
	if (!load_current(cpu))
		return false;
	cpu->borrowed = borrow_add(&cpu->map, cpu->current_vmcs);
	guest_install(cpu, cpu->borrowed);
	return true;
}

static u64 handle_vm_entry(struct shim_cpu *cpu, u32 reason)
{
	if (!has_current(cpu))
		return vmx_finish(cpu, VMX_FAIL_INVALID);
	if (vmread(GUEST_INTERRUPTIBILITY_INFO) & GUEST_INTR_STATE_MOV_SS)
		return vmx_finish(cpu, VMXERR_ENTRY_MOV_SS);
	/* An event of the host's comes before the guest; it enters again then. */
	if (unlikely(host_takes_nmi(cpu) || cpu->mc_pending))
		return SHIM_RESUME;

	if (unlikely(!shadow_collect(cpu)))
		return vmx_finish(cpu, VMX_FAIL_INVALID);
	if (unlikely(!cpu->borrowed && !borrow(cpu))) {
		load_own(cpu);
		return vmx_finish(cpu, VMX_FAIL_INVALID);
	}
	if (unlikely(!cpu->borrowed->checked && !guest_check(cpu))) {
		load_own(cpu);
		return vmx_finish(cpu, VMXERR_ENTRY_HOST_STATE);
	}
	if (shim_machine.flags & SHIM_FLAG_L1D_FLUSH)
		wrmsr_safe(MSR_IA32_FLUSH_CMD, 1, 0);
	if (shim_machine.flags & SHIM_FLAG_PERF)
		guest_enter_perf(cpu);
	cpu->in_guest = true;
	return reason == EXIT_REASON_VMLAUNCH ? SHIM_LAUNCH : SHIM_RESUME;
}

static u64 handle_invalidate(struct shim_cpu *cpu, u32 reason)
{
	struct vmx_operands op = vmx_decode(vmread(VMX_INSTRUCTION_INFO));
	u64 type = host_register(cpu, op.reg2);
	struct vmx_descriptor desc;
	int outcome;

	if (!read_operand(cpu, &desc, sizeof(desc)))
		return SHIM_RESUME;
	load_current(cpu);
	outcome = reason == EXIT_REASON_INVEPT ? invept(type, &desc) :
						 invvpid(type, &desc);
	load_own(cpu);
	return vmx_finish(cpu, outcome);
}

static struct vmx_mode host_mode(struct shim_cpu *cpu)
{
	struct vmx_mode mode = {
		.cr4_vmxe = vmread(CR4_READ_SHADOW) & X86_CR4_VMXE,
		.vmxon = cpu->vmxon,
		.pe = vmread(GUEST_CR0) & X86_CR0_PE,
		.vm86 = vmread(GUEST_RFLAGS) & X86_EFLAGS_VM,
		.lma = vmread(GUEST_IA32_EFER) & EFER_LMA,
		.cs_l = vmread(GUEST_CS_AR_BYTES) & AR_L,
		.cpl = host_cpl(),
	};

	return mode;
}

static u64 dispatch(struct shim_cpu *cpu, u32 reason)
{
	switch (reason) {
	case EXIT_REASON_VMLAUNCH:
		return handle_vm_entry(cpu, reason);
	case EXIT_REASON_VMREAD:
		return handle_vmread(cpu);
	case EXIT_REASON_VMWRITE:
		return handle_vmwrite(cpu);
	case EXIT_REASON_VMPTRLD:
		return handle_vmptrld(cpu);
	case EXIT_REASON_VMPTRST:
		return handle_vmptrst(cpu);
	case EXIT_REASON_VMCLEAR:
		return handle_vmclear(cpu);
	case EXIT_REASON_VMON:
		return handle_vmxon(cpu);
	case EXIT_REASON_VMOFF:
		return handle_vmxoff(cpu);
	case EXIT_REASON_VMCALL:
		/* No dual-monitor treatment of SMM: that is all VMCALL could do. */
		return vmx_finish(cpu, VMXERR_VMCALL_IN_ROOT);
	}
	return handle_invalidate(cpu, reason);
}

/* A VMX instruction of the host; VMCALL if it is none for the shim. */
u64 handle_vmx_instruction(struct shim_cpu *cpu, u32 reason)
{
	struct vmx_mode mode = host_mode(cpu);

	switch (vmx_check_mode(reason, &mode)) {
	case VMX_CHECK_UD:
		host_inject(cpu, UD_VECTOR, false, 0);
		return SHIM_RESUME;
	case VMX_CHECK_GP:
		host_inject(cpu, GP_VECTOR, true, 0);
		return SHIM_RESUME;
	case VMX_CHECK_OK:
		break;
	}
	if (likely(reason == EXIT_REASON_VMRESUME))
		return handle_vm_entry(cpu, reason);
	return dispatch(cpu, reason);
}
