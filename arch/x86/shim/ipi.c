// SPDX-License-Identifier: GPL-2.0-only
/*
 * Interprocessor interrupts that the shim sends by itself.
 */
#include "shim.h"
#include "vmx_ops.h"
#include "world.h"

#define APIC_ICR		0x300
#define APIC_ICR2		0x310

/* Edge, asserted, to the physical ID. */
#define ICR_NMI			0x4400u
#define ICR_INIT		0x4500u
#define ICR_FIXED		0x4000u
#define ICR_BUSY		BIT(12)
#define ICR_TRIES		100000

static void wait_for_icr(void)
{
	int i;

	for (i = 0; i < ICR_TRIES && apic_read(APIC_ICR) & ICR_BUSY; i++)
		asm volatile("pause");
}

/* The host may be between its writes to the two halves of the ICR. */
static void send(u32 apic_id, u32 command)
{
	u64 base = rdmsr(MSR_IA32_APICBASE);
	u32 icr2;

	if (!(base & APIC_BASE_EN))
		return;
	if (base & APIC_BASE_EXTD) {
		/* Unlike a write to the page it does not wait for stores (SDM 3A, 11.12.3). */
		asm volatile("mfence; lfence" : : : "memory");
		wrmsr(X2APIC_MSR(APIC_ICR), (u64)apic_id << 32 | command);
		return;
	}
	wait_for_icr();
	icr2 = apic_read(APIC_ICR2);
	apic_write(APIC_ICR2, apic_id << 24);
	apic_write(APIC_ICR, command);
	wait_for_icr();
	apic_write(APIC_ICR2, icr2);
}

/* To this CPU itself. */
void shim_send_init(const struct shim_cpu *cpu)
{
	send(cpu->boot.apic_id, ICR_INIT);
}

/* Whatever @cpu runs, it comes back to the shim. */
void shim_kick(const struct shim_cpu *cpu)
{
	send(cpu->boot.apic_id, ICR_NMI);
}

/* Not to a group: by its physical ID. */
void shim_send_fixed(const struct shim_cpu *cpu, u8 vector)
{
	send(cpu->boot.apic_id, ICR_FIXED | vector);
}
