// SPDX-License-Identifier: GPL-2.0-only
/*
 * INIT for a CPU that runs the host: what it does on the bare CPU it does here,
 * because the shim leaves that CPU first.
 */
#include "shim.h"
#include "vmx_ops.h"

#define APIC_BASE_X2APIC	BIT(10)
#define APIC_BASE_ENABLED	BIT(11)
#define APIC_ADDRESS		0xfffffffffffff000ull

#define APIC_ID			0x20
#define APIC_ICR		0x300
#define APIC_ICR2		0x310
#define X2APIC_ID		0x802u
#define X2APIC_ICR		0x830u

/* INIT, edge, asserted, to the physical ID. */
#define ICR_INIT		0x4500u
#define ICR_BUSY		BIT(12)
#define ICR_TRIES		100000

/* Registers of the xAPIC; their page is uncached by the machine's MTRRs. */
static void *apic_address(u32 offset)
{
	u64 base = rdmsr(MSR_IA32_APICBASE) & shim_config.phys_mask & APIC_ADDRESS;

	return mem_map(base + offset, 0);
}

static u32 apic_read(u32 offset)
{
	u32 value;

	asm volatile("movl (%1), %0" : "=r" (value) : "r" (apic_address(offset)) : "memory");
	return value;
}

static void apic_write(u32 offset, u32 value)
{
	asm volatile("movl %0, (%1)" : : "r" (value), "r" (apic_address(offset)) : "memory");
}

static void wait_for_icr(void)
{
	int i;

	for (i = 0; i < ICR_TRIES && apic_read(APIC_ICR) & ICR_BUSY; i++)
		asm volatile("pause");
}

/* To this CPU.  The host may be between its writes to the two halves of the ICR. */
void shim_send_init(void)
{
	u64 base = rdmsr(MSR_IA32_APICBASE);
	u32 icr2;

	if (!(base & APIC_BASE_ENABLED))
		return;
	if (base & APIC_BASE_X2APIC) {
		wrmsr(X2APIC_ICR, rdmsr(X2APIC_ID) << 32 | ICR_INIT);
		return;
	}
	wait_for_icr();
	icr2 = apic_read(APIC_ICR2);
	apic_write(APIC_ICR2, apic_read(APIC_ID));
	apic_write(APIC_ICR, ICR_INIT);
	wait_for_icr();
	apic_write(APIC_ICR2, icr2);
}

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
		policy_park(cpu, "INIT", 0);
	wrmsr(MSR_IA32_SYSENTER_CS, sysenter_cs);
	wrmsr(MSR_IA32_SYSENTER_ESP, sysenter_esp);
	wrmsr(MSR_IA32_SYSENTER_EIP, sysenter_eip);
	cpu->shared->state = SHIM_STATE_BARE;
	vmclear(cpu->boot.vmcs_hpa);
	shim_flush_tlb();
	vmxoff();
	shim_send_init();
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
	console_print("shim: cpu %d: INIT, blocked until VMXOFF of the host\n",
		      cpu->boot.cpu);
	cpu->init_blocked = true;
	return shim_leave_soon(cpu);
}
