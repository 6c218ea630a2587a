// SPDX-License-Identifier: GPL-2.0-only
/*
 * INIT for a CPU that runs the host: what it does on the bare CPU it does here,
 * because the shim leaves that CPU first.
 */
#include "shim.h"
#include "vmx_ops.h"

/*
 * The VM exit has used the INIT up, so the CPU sends itself another one, outside
 * of VMX operation, where nothing blocks it.  What INIT resets is lost anyway; of
 * what it keeps the shim has but SYSENTER.  The start-up IPI then finds the bare
 * CPU.
 */
void shim_take_init(struct shim_cpu *cpu)
{
	u64 sysenter_cs = vmread(GUEST_SYSENTER_CS);
	u64 sysenter_esp = vmread(GUEST_SYSENTER_ESP);
	u64 sysenter_eip = vmread(GUEST_SYSENTER_EIP);

	if (!policy_may_give())
		policy_park(cpu, SHIM_END_SURPRISE, "INIT", 0);
	wrmsr(MSR_IA32_SYSENTER_CS, sysenter_cs);
	wrmsr(MSR_IA32_SYSENTER_ESP, sysenter_esp);
	wrmsr(MSR_IA32_SYSENTER_EIP, sysenter_eip);
	cpu_set_state(cpu, SHIM_STATE_BARE);
	vmclear(cpu->boot.vmcs_hpa);
	shim_flush_tlb(cpu->part);
	vmxoff();
	shim_send_init(cpu);
	for (;;)
		halt();
}

/*
 * A host in VMX operation does not see an INIT until its VMXOFF.  The bare CPU
 * keeps it for that long: leave, and leave the INIT pending.
 */
u64 exit_init(struct shim_cpu *cpu, u32 reason)
{
	/* No word: the start-up IPI comes some 20 us behind, and only once more. */
	if (!cpu->vmxon)
		shim_take_init(cpu);
	console_print("shim: apic %d: INIT, blocked until VMXOFF of the host\n",
		      cpu->boot.apic_id);
	cpu->init_blocked = true;
	return shim_leave_soon(cpu);
}
