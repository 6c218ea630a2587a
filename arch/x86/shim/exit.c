// SPDX-License-Identifier: GPL-2.0-only
/*
 * VM exits: of a guest of the host, which all go to the host, and of the host
 * itself.
 */
#include "shim.h"
#include "vmx_ops.h"

/* The first exit of a launch: take over what the host has open. */
static void first_exit(struct shim_cpu *cpu)
{
	cpu->shared = (struct shim_shared *)cpu->boot.shared_va;
	cpu->page = (struct nvx_shim_page *)(cpu->boot.shared_va + SHIM_SHARED_PV);
	cpu->current_vmcs = cpu->boot.current_vmcs;
	cpu->vmxon = cpu->boot.vmxon;
	borrow_init(&cpu->map);
	pv_stop(cpu);
	cpu->shared->state = SHIM_STATE_ON;
	cpu->ready = true;

	shadow_init(cpu);
	if (cpu->current_vmcs != SHIM_NO_VMCS &&
	    shim_config.flags & SHIM_FLAG_SHADOW) {
		vmptrld(cpu->current_vmcs);
		shadow_publish(cpu);
	}
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
		asm volatile("int $18" : : : "memory");
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
		return shim_panic(cpu, "asked to by the host", 0);
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

static u64 handle_call(struct shim_cpu *cpu)
{
	u64 *r = cpu->regs->r;
	u32 call = r[R_RAX];

	/* An NMI comes before the call; the host repeats it then. */
	if (host_takes_nmi(cpu))
		return SHIM_RESUME;

	host_skip_instruction();
	r[R_RAX] = SHIM_OK;
	if (call == SHIM_CALL_LEAVE)
		return shim_leave(cpu);
	if (call == SHIM_CALL_VERSION)
		r[R_RAX] = SHIM_ABI_VERSION;
	else if (!(shim_config.flags & SHIM_FLAG_TEST))
		r[R_RAX] = SHIM_E_CALL;
	else
		return handle_test_call(cpu, call);
	return SHIM_RESUME;
}

static u64 handle_vmcall(struct shim_cpu *cpu)
{
	if (!host_cpl() && (u32)(cpu->regs->r[R_RAX] & 0xffff0000) == SHIM_CALL)
		return handle_call(cpu);
	return handle_vmx_instruction(cpu, EXIT_REASON_VMCALL);
}

static u64 handle_host_exit(struct shim_cpu *cpu, u32 reason)
{
	if (likely(reason == EXIT_REASON_VMRESUME))
		return handle_vmx_instruction(cpu, reason);
	switch (reason) {
	case EXIT_REASON_VMCLEAR ... EXIT_REASON_VMON:
	case EXIT_REASON_INVEPT:
	case EXIT_REASON_INVVPID:
		return handle_vmx_instruction(cpu, reason);
	case EXIT_REASON_CPUID:
		handle_cpuid(cpu);
		break;
	case EXIT_REASON_EXCEPTION_NMI:
		/* No exception is intercepted: this is an NMI. */
		shim_unblock_nmi();
		cpu->nmi_pending = true;
		break;
	case EXIT_REASON_NMI_WINDOW:
		break;
	case EXIT_REASON_INIT_SIGNAL:
		return handle_init(cpu);
	case EXIT_REASON_VMCALL:
		return handle_vmcall(cpu);
	case EXIT_REASON_CR_ACCESS:
		if (!handle_cr_access(cpu))
			return shim_panic(cpu, "access to a control register",
					  vmread(EXIT_QUALIFICATION));
		break;
	case EXIT_REASON_MSR_READ:
		handle_rdmsr(cpu);
		break;
	case EXIT_REASON_MSR_WRITE:
		handle_wrmsr(cpu);
		break;
	case EXIT_REASON_XSETBV:
		handle_xsetbv(cpu);
		break;
	case EXIT_REASON_INVD:
		/* As firmware does it: without losing what is in the caches. */
		asm volatile("wbinvd" : : : "memory");
		host_skip_instruction();
		break;
	case EXIT_REASON_GETSEC:
	case EXIT_REASON_VMFUNC:
		host_inject(cpu, UD_VECTOR, false, 0);
		break;
	case EXIT_REASON_MONITOR_TRAP_FLAG:
		return handle_leave_step(cpu);
	case EXIT_REASON_TRIPLE_FAULT:
		console_print("shim: cpu %d: triple fault of the host at %llx\n",
			      cpu->boot.cpu, vmread(GUEST_RIP));
		shim_shutdown();
	default:
		return shim_panic(cpu, "unexpected exit of the host", reason);
	}
	return SHIM_RESUME;
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
		count(cpu->shared->guest_exits, reason);
		guest_reflect(cpu, reason);
		if (unlikely(cpu->panicked || cpu->init_blocked))
			return shim_leave(cpu);
	} else {
		count(cpu->shared->host_exits, reason);
		if (reason == (EXIT_REASON_FAILED_ENTRY | EXIT_REASON_MCE_DURING_ENTRY))
			cpu->mc_pending = true;
		else if (reason & ~EXIT_REASON_BASIC)
			how = shim_panic(cpu, "the host cannot be entered", reason);
		else
			how = handle_host_exit(cpu, reason);
	}
	if (!cpu->in_guest && !cpu->leaving && something_pending(cpu))
		host_deliver_pending(cpu);
	return how;
}

/*
 * An NMI or #MC came when all else was done.  If a guest is about to run, the host
 * gets it first and enters its guest again afterwards.
 */
u64 shim_late_event(struct shim_cpu *cpu, struct shim_regs *regs, u64 how)
{
	if (cpu->leaving) {
		cpu->shared->context.arrived |=
			__atomic_exchange_n(&cpu->boot.arrived, 0, __ATOMIC_RELAXED);
		return how;
	}
	host_collect_arrived(cpu);
	if (cpu->in_guest) {
		vmptrld(cpu->boot.vmcs_hpa);
		if (!host_takes_nmi(cpu) && !cpu->mc_pending) {
			vmptrld(cpu->current_vmcs);
			return how;
		}
		cpu->in_guest = false;
		how = SHIM_RESUME;
	}
	host_deliver_pending(cpu);
	return how;
}

/* VMLAUNCH or VMRESUME failed before anything was loaded. */
u64 shim_entry_failed(struct shim_cpu *cpu, struct shim_regs *regs, u64 rflags)
{
	if (!cpu->in_guest) {
		console_print("shim: cpu %d: VM entry of the host failed with error %d\n",
			      cpu->boot.cpu, (u32)vmread(VM_INSTRUCTION_ERROR));
		cpu->shared->state = SHIM_STATE_DEAD;
		for (;;)
			asm volatile("cli; hlt");
	}
	/* It is the host's instruction that failed; its VMCS has the number. */
	cpu->in_guest = false;
	vmptrld(cpu->boot.vmcs_hpa);
	vmx_finish(cpu, rflags & X86_EFLAGS_CF ? VMX_FAIL_INVALID : VMX_FAIL_BY_CPU);
	host_deliver_pending(cpu);
	return SHIM_RESUME;
}
