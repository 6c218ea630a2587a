// SPDX-License-Identifier: GPL-2.0-only
/*
 * VM exits: of a guest of the host, which all go to the host, and of the host
 * itself.
 */
#include "exit_rules.h"
#include "shim.h"
#include "vmx_ops.h"
#include "world.h"

/* The first exit of a launch: take over what the host has open. */
static void first_exit(struct shim_cpu *cpu)
{
	cpu->part = &shim_header.part[0];
	cpu->shared = (struct shim_shared *)cpu->boot.shared_va;
	cpu->shared->apic_id = cpu->boot.apic_id;
	cpu->page = (struct nvx_shim_page *)(cpu->boot.shared_va + SHIM_SHARED_PAGE);
	cpu->current_vmcs = cpu->boot.current_vmcs;
	cpu->vmxon = cpu->boot.vmxon;
	borrow_init(&cpu->map);
	active_init(&cpu->active);
	cpu->active.more = cpu->vmxon;
	if (cpu->current_vmcs != SHIM_NO_VMCS)
		active_add(&cpu->active, cpu->current_vmcs);
	page_stop(cpu);
	if (cpu->part->ended)
		policy_park(cpu, SHIM_END_SURPRISE, "it has ended before", 0);
	world_add_cpu(cpu);
	cpu_set_state(cpu, SHIM_STATE_ON);
	cpu->ready = true;

	shadow_init(cpu);
	if (cpu->current_vmcs != SHIM_NO_VMCS &&
	    cpu->part->flags & SHIM_FLAG_SHADOW && load_vmcs(cpu->current_vmcs))
		shadow_publish(cpu);
	vmptrld(cpu->boot.vmcs_hpa);
	shadow_enable(cpu, cpu->vmxon);
	shadow_link(cpu, cpu->current_vmcs != SHIM_NO_VMCS);
}

/* Without CR4.MCE a machine check is no exception but a shutdown. */
static u64 handle_mc_call(struct shim_cpu *cpu, u32 call)
{
	if (!(read_cr4() & X86_CR4_MCE)) {
		cpu->regs->r[R_RAX] = SHIM_E_CALL;
		return SHIM_RESUME;
	}
	if (call == SHIM_CALL_MC) {
		raise_mc();
		return SHIM_RESUME;
	}
	cpu->mc_in_leave = true;
	return shim_leave(cpu);
}

/* Calls that tests make. */
static u64 handle_test_call(struct shim_cpu *cpu, u32 call)
{
	switch (call) {
	case SHIM_CALL_PANIC:
		return policy_surprise(cpu, "asked to by the host", 0);
	case SHIM_CALL_FAULT:
		shim_fault_on_purpose();
		break;
	case SHIM_CALL_LEAVE_FAULT:
		cpu->fault_in_leave = true;
		return shim_leave(cpu);
	case SHIM_CALL_MC:
	case SHIM_CALL_LEAVE_MC:
		return handle_mc_call(cpu, call);
	default:
		cpu->regs->r[R_RAX] = SHIM_E_CALL;
	}
	return SHIM_RESUME;
}

static bool wants_to_leave(u32 call)
{
	return call == SHIM_CALL_LEAVE || call == SHIM_CALL_LEAVE_FAULT ||
	       call == SHIM_CALL_LEAVE_MC;
}

/* For who asks; tests have registered a target. */
static u32 check_leave(struct shim_cpu *cpu, u32 call)
{
	if (!policy_may_give())
		return SHIM_E_SHARED;
	return call != SHIM_CALL_LEAVE || (cpu->regs->r[R_RBX] && leave_set_target(cpu)) ?
		SHIM_OK : SHIM_E_CALL;
}

/* A second kernel has no return path before the machine and the shim are its own. */
static u32 set_target(struct shim_cpu *cpu)
{
	if (cpu->regs->r[R_RBX] && part_of(cpu) && !policy_may_give() && !world.alone)
		return SHIM_E_CALL;
	return leave_set_target(cpu) ? SHIM_OK : SHIM_E_CALL;
}

/* Did the host ask for what is not its own?  Not if it only asked in order to know. */
static bool is_misuse(u32 call, u32 error)
{
	switch (error) {
	case SHIM_OK:
	case SHIM_E_TABLES:
	case SHIM_E_CPU:
	case SHIM_E_BOOT_CPU:
		return false;
	case SHIM_E_CALL:
		return true;
	}
	switch (call) {
	case SHIM_CALL_FIND:
	case SHIM_CALL_PART_CLAIM:
	case SHIM_CALL_LINK_JOIN:
	case SHIM_CALL_LINK_RING:
	case SHIM_CALL_POOL:
	case SHIM_CALL_POOL_FIND:
	/* Its end may have been sooner. */
	case SHIM_CALL_PART_KILL:
		return false;
	}
	return true;
}

static u64 serve_call(struct shim_cpu *cpu, u32 call)
{
	u64 *r = cpu->regs->r;

	r[R_RAX] = wants_to_leave(call) ? check_leave(cpu, call) : SHIM_OK;
	if (r[R_RAX] != SHIM_OK)
		return SHIM_RESUME;
	if (call == SHIM_CALL_LEAVE)
		return shim_leave(cpu);
	if (call == SHIM_CALL_VERSION)
		r[R_RAX] = SHIM_ABI_VERSION;
	else if (call == SHIM_CALL_TARGET)
		r[R_RAX] = set_target(cpu);
	else if (call >= SHIM_CALL_PART_CREATE && call <= SHIM_CALL_POOL_FIND)
		r[R_RAX] = handle_part_call(cpu, call);
	else if (!(cpu->part->flags & SHIM_FLAG_TEST))
		r[R_RAX] = SHIM_E_CALL;
	else
		return handle_test_call(cpu, call);
	return SHIM_RESUME;
}

static u64 handle_call(struct shim_cpu *cpu)
{
	u32 call = cpu->regs->r[R_RAX];
	u64 how;

	/* An NMI comes before the call; the host repeats it then. */
	if (host_takes_nmi(cpu))
		return SHIM_RESUME;

	host_skip_instruction();
	how = serve_call(cpu, call);
	if (!policy_may_give() && is_misuse(call, cpu->regs->r[R_RAX]))
		deny(world_denied(cpu), DENIED_CALL);
	return how;
}

/* ---- handlers of exit_rules.h that are not elsewhere */

static u64 exit_vmcall(struct shim_cpu *cpu, u32 reason)
{
	if (!host_cpl() && (u32)(cpu->regs->r[R_RAX] & 0xffff0000) == SHIM_CALL)
		return handle_call(cpu);
	return handle_vmx_instruction(cpu, reason);
}

/* No exception is intercepted: this is an NMI. */
static u64 exit_nmi(struct shim_cpu *cpu, u32 reason)
{
	shim_unblock_nmi();
	if (!cpu_was_kicked(cpu))
		cpu->nmi_pending = true;
	return SHIM_RESUME;
}

static u64 exit_nmi_window(struct shim_cpu *cpu, u32 reason)
{
	return cpu->nmi_window ? SHIM_RESUME : SHIM_UNSERVED;
}

static u64 exit_unserved(struct shim_cpu *cpu, u32 reason)
{
	return SHIM_UNSERVED;
}

static u64 unserved(struct shim_cpu *cpu, u32 reason, enum exit_otherwise otherwise)
{
	if (reason == EXIT_REASON_TRIPLE_FAULT)
		policy_park(cpu, SHIM_END_TRIPLE_FAULT, "triple fault", vmread(GUEST_RIP));
	if (otherwise == EXIT_UNDEFINED) {
		host_inject(cpu, UD_VECTOR, false, 0);
		return SHIM_RESUME;
	}
	return policy_surprise(cpu, "unexpected exit of the host", reason);
}

/* Not through pointers: the shim has no indirect branch. */
static u64 handle_host_exit(struct shim_cpu *cpu, u32 reason)
{
	u64 how = SHIM_UNSERVED;

	if (likely(reason == EXIT_REASON_VMRESUME))
		return handle_vmx_instruction(cpu, reason);
	switch (reason) {
#define EXIT_CASE(name, handler, whose, otherwise)				\
	case EXIT_REASON_##name:						\
		if (EXIT_##whose != EXIT_MACHINE || policy_may_give())		\
			how = handler(cpu, reason);				\
		if (likely(how != SHIM_UNSERVED))				\
			return how;						\
		return unserved(cpu, reason, EXIT_##otherwise);
	EXIT_RULES(EXIT_CASE)
#undef EXIT_CASE
	}
	return unserved(cpu, reason, EXIT_SURPRISE);
}

static void count(u64 *counters, u32 reason)
{
	reason &= EXIT_REASON_BASIC;
	if (reason < SHIM_NR_REASONS)
		counters[reason]++;
}

/* Does host_deliver_pending() have anything to do? */
static bool something_pending(const struct shim_cpu *cpu)
{
	return __atomic_load_n(&cpu->boot.arrived, __ATOMIC_RELAXED) |
	       cpu->nmi_pending | cpu->mc_pending | cpu->nmi_window;
}

u64 shim_handle_exit(struct shim_cpu *cpu, struct shim_regs *regs)
{
	u32 reason = vmread(VM_EXIT_REASON);
	u64 how = SHIM_RESUME;

	cpu->regs = regs;
	cpu->cr2 = read_cr2();
	cpu->injected = false;
	if (unlikely(!cpu->ready))
		first_exit(cpu);

	if (cpu->in_guest) {
		cpu->in_guest = false;
		if (unlikely(exit_was_nmi(reason) && cpu_was_kicked(cpu)))
			return guest_resume_kicked(cpu);
		count(cpu->shared->guest_exits, reason);
		guest_reflect(cpu, reason);
		if (unlikely(cpu->panicked || cpu->init_blocked))
			return shim_leave(cpu);
	} else {
		count(cpu->shared->host_exits, reason);
		if (reason == (EXIT_REASON_FAILED_ENTRY | EXIT_REASON_MCE_DURING_ENTRY))
			cpu->mc_pending = true;
		else if (reason & ~EXIT_REASON_BASIC)
			how = policy_surprise(cpu, "the host cannot be entered", reason);
		else
			how = handle_host_exit(cpu, reason);
	}
	if (!cpu->in_guest && !cpu->leaving && something_pending(cpu))
		host_deliver_pending(cpu);
	return how;
}

/*
 * The VMCS of the guest that is about to run is current again.  If it is spoilt, or names what is
 * not its partition's any more, the host's VM entry fails and the VMCS that runs it is current.
 */
static int load_guest(struct shim_cpu *cpu)
{
	if (!load_vmcs(cpu->current_vmcs))
		return VMX_FAIL_INVALID;
	if (cpu->borrowed->checked || guest_check(cpu))
		return VMX_SUCCEED;
	vmptrld(cpu->boot.vmcs_hpa);
	return VMXERR_ENTRY_HOST_STATE;
}

/*
 * An NMI or #MC came when all else was done.  If a guest is about to run, the host
 * gets it first and enters its guest again afterwards.
 */
u64 shim_late_event(struct shim_cpu *cpu, struct shim_regs *regs, u64 how)
{
	int outcome;

	if (cpu->leaving) {
		cpu->shared->context.arrived |=
			__atomic_exchange_n(&cpu->boot.arrived, 0, __ATOMIC_RELAXED);
		return how;
	}
	host_collect_arrived(cpu);
	if (cpu->in_guest) {
		vmptrld(cpu->boot.vmcs_hpa);
		if (!host_takes_nmi(cpu) && !cpu->mc_pending) {
			outcome = load_guest(cpu);
			if (likely(outcome == VMX_SUCCEED))
				return how;
			how = vmx_finish(cpu, outcome);
		} else {
			how = SHIM_RESUME;
		}
		cpu->in_guest = false;
	}
	host_deliver_pending(cpu);
	return how;
}

/* VMLAUNCH or VMRESUME failed before anything was loaded. */
u64 shim_entry_failed(struct shim_cpu *cpu, struct shim_regs *regs, u64 rflags)
{
	if (!cpu->in_guest) {
		console_print("shim: apic %d: VM entry of the host failed with error %d\n",
			      cpu->boot.apic_id, (u32)vmread(VM_INSTRUCTION_ERROR));
		policy_halt(cpu, SHIM_STATE_DEAD);
	}
	/* It is the host's instruction that failed; its VMCS has the number. */
	cpu->in_guest = false;
	vmptrld(cpu->boot.vmcs_hpa);
	vmx_finish(cpu, rflags & X86_EFLAGS_CF ? VMX_FAIL_INVALID : VMX_FAIL_BY_CPU);
	host_deliver_pending(cpu);
	return SHIM_RESUME;
}
