// SPDX-License-Identifier: GPL-2.0-only
/*
 * Exceptions in the shim: fixups, machine checks, and bugs.
 */
#include "shim.h"
#include "vmx_ops.h"

/* As start.S pushes it. */
struct trap_frame {
	u64 r[16];
	u64 vector, code;
	u64 rip, cs, rflags, rsp, ss;
};

static bool fix_up(struct trap_frame *frame)
{
	const struct fixup *fixup;

	for (fixup = fixup_table; fixup < fixup_table_end; fixup++) {
		if (fixup->insn != frame->rip)
			continue;
		frame->rip = fixup->landing;
		return true;
	}
	return false;
}

/*
 * A PEBS record that was due when the counters stopped: it goes to the host's address of it,
 * which is not mapped here.  It is lost, and PEBS stands until the host's kernel
 * switches it on again, which it does whenever it programs the counters.
 */
static bool drop_record(struct shim_cpu *cpu)
{
	u32 low, high;

	if (shim_is_own_address(read_cr2()) ||
	    !rdmsr_safe(MSR_IA32_PEBS_ENABLE, &low, &high) || !(low | high))
		return false;
	wrmsr_safe(MSR_IA32_PEBS_ENABLE, 0, 0);
	write_cr2(cpu->cr2);
	return true;
}

void shim_handle_trap(struct trap_frame *frame);

/*
 * A bug in the shim costs the host the shim, not the machine: what it was doing
 * for the host is dropped, and the host repeats its instruction on the bare CPU.  (If
 * policy.c does not end its partition for it.)
 */
void shim_handle_trap(struct trap_frame *frame)
{
	struct shim_cpu *cpu = cpu_of_stack(frame);

	if (frame->vector == MC_VECTOR) {
		/*
		 * Its report stays in the banks, where the host reads it.  Between
		 * the last look and the VM entry: look again.
		 */
		__atomic_or_fetch(&cpu->boot.arrived, SHIM_ARRIVED_MC, __ATOMIC_RELAXED);
		if (frame->rip >= (u64)shim_enter_begin &&
		    frame->rip < (u64)shim_enter_end)
			frame->rip = (u64)shim_enter_begin;
		return;
	}
	if (frame->vector == GP_VECTOR && fix_up(frame))
		return;
	if (frame->vector == PF_VECTOR && drop_record(cpu))
		return;

	console_print("shim: apic %d: exception %d (%llx) at %llx rsp %llx cr2 %llx\n",
		      cpu->boot.apic_id, (u32)frame->vector, frame->code, frame->rip,
		      frame->rsp, read_cr2());
	if (cpu->panicking || !cpu->ready)
		policy_halt(cpu, SHIM_STATE_DEAD);
	cpu->panicking = true;
	/* A page fault here has overwritten what the host may not have read yet. */
	write_cr2(cpu->cr2);
	vmptrld(cpu->boot.vmcs_hpa);
	shim_reenter(cpu->regs, policy_surprise(cpu, "exception in the shim",
						frame->vector));
}
