// SPDX-License-Identifier: GPL-2.0-only
/*
 * The host as the VMCS that runs it has it: registers, instruction pointer,
 * events.  That VMCS is current in all of these functions.
 */
#include "shim.h"
#include "vmx_ops.h"

u64 host_register(struct shim_cpu *cpu, int number)
{
	return number == R_HOW ? vmread(GUEST_RSP) : cpu->regs->r[number];
}

void host_set_register(struct shim_cpu *cpu, int number, u64 value)
{
	if (number == R_HOW)
		vmwrite(GUEST_RSP, value);
	else
		cpu->regs->r[number] = value;
}

u8 host_cpl(void)
{
	return vmread(GUEST_SS_AR_BYTES) >> 5 & 3;
}

/* The instruction is done: what the CPU does behind every instruction. */
void host_skip_instruction(void)
{
	u64 rflags = vmread(GUEST_RFLAGS);
	u64 blocked = vmread(GUEST_INTERRUPTIBILITY_INFO);

	vmwrite(GUEST_RIP, vmread(GUEST_RIP) + vmread(VM_EXIT_INSTRUCTION_LEN));
	if (blocked & (GUEST_INTR_STATE_STI | GUEST_INTR_STATE_MOV_SS))
		vmwrite(GUEST_INTERRUPTIBILITY_INFO,
			blocked & ~(u64)(GUEST_INTR_STATE_STI | GUEST_INTR_STATE_MOV_SS));
	if (likely(!(rflags & (X86_EFLAGS_TF | X86_EFLAGS_RF))))
		return;
	vmwrite(GUEST_RFLAGS, rflags & ~X86_EFLAGS_RF);
	if (rflags & X86_EFLAGS_TF &&
	    !(vmread(GUEST_IA32_DEBUGCTL) & DEBUGCTLMSR_BTF))
		vmwrite(GUEST_PENDING_DBG_EXCEPTIONS,
			vmread(GUEST_PENDING_DBG_EXCEPTIONS) | DR6_BS);
}

/* A fault of the current instruction, which has had no effect. */
void host_inject(struct shim_cpu *cpu, u8 vector, bool has_code, u32 code)
{
	vmwrite(VM_ENTRY_INTR_INFO_FIELD, INTR_VALID | INTR_TYPE_EXCEPTION |
		(has_code ? INTR_DELIVER_CODE : 0) | vector);
	if (has_code)
		vmwrite(VM_ENTRY_EXCEPTION_ERROR_CODE, code);
	cpu->injected = true;
}

static void nmi_window(struct shim_cpu *cpu, bool on)
{
	u64 controls;

	if (cpu->nmi_window == on)
		return;
	controls = vmread(CPU_BASED_VM_EXEC_CONTROL);
	vmwrite(CPU_BASED_VM_EXEC_CONTROL, on ?
		controls | CPU_BASED_NMI_WINDOW_EXITING :
		controls & ~(u64)CPU_BASED_NMI_WINDOW_EXITING);
	cpu->nmi_window = on;
}

/* What the handlers of NMI and #MC have noted. */
void host_collect_arrived(struct shim_cpu *cpu)
{
	u32 arrived;

	if (likely(!__atomic_load_n(&cpu->boot.arrived, __ATOMIC_RELAXED)))
		return;
	arrived = __atomic_exchange_n(&cpu->boot.arrived, 0, __ATOMIC_RELAXED);
	if (arrived & SHIM_ARRIVED_NMI && !cpu_was_kicked(cpu))
		cpu->nmi_pending = true;
	if (arrived & SHIM_ARRIVED_MC)
		cpu->mc_pending = true;
	if (unlikely(arrived & SHIM_ARRIVED_COMMAND))
		cpu_obey(cpu);
}

/* True if an NMI is there that the host would take before its next instruction. */
bool host_takes_nmi(struct shim_cpu *cpu)
{
	host_collect_arrived(cpu);
	return cpu->nmi_pending &&
	       !(vmread(GUEST_INTERRUPTIBILITY_INFO) & GUEST_INTR_STATE_NMI);
}

/*
 * A machine check comes before all else: the host meets a fault that waits for VM
 * entry again, and an NMI waits a little longer.
 */
static void inject_machine_check(struct shim_cpu *cpu)
{
	u64 info = vmread(VM_ENTRY_INTR_INFO_FIELD);

	if (info & INTR_VALID && (info & INTR_TYPE_MASK) == INTR_TYPE_NMI)
		cpu->nmi_pending = true;
	host_inject(cpu, MC_VECTOR, false, 0);
	cpu->mc_pending = false;
}

/*
 * Pass on what came while the shim was at work.  With blocking by STI or MOV SS
 * VM entry may refuse an NMI: the window exit comes right behind it.
 */
void host_deliver_pending(struct shim_cpu *cpu)
{
	bool takes = host_takes_nmi(cpu);

	if (unlikely(cpu->mc_pending))
		inject_machine_check(cpu);
	if (likely(!cpu->nmi_pending)) {
		nmi_window(cpu, false);
		return;
	}
	if (!takes || cpu->injected ||
	    vmread(GUEST_INTERRUPTIBILITY_INFO) &
	    (GUEST_INTR_STATE_STI | GUEST_INTR_STATE_MOV_SS)) {
		nmi_window(cpu, true);
		return;
	}
	vmwrite(VM_ENTRY_INTR_INFO_FIELD, INTR_VALID | INTR_TYPE_NMI | NMI_VECTOR);
	cpu->injected = true;
	cpu->nmi_pending = false;
	cpu->shared->nmis++;
	nmi_window(cpu, false);
}
