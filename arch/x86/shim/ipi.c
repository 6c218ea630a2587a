// SPDX-License-Identifier: GPL-2.0-only
/*
 * Interprocessor interrupts that the shim sends by itself.
 */
#include "shim.h"
#include "vmx_ops.h"

#define APIC_BASE_X2APIC	BIT(10)
#define APIC_BASE_ENABLED	BIT(11)
#define APIC_ADDRESS		0xfffffffffffff000ull

#define APIC_ICR		0x300
#define APIC_ICR2		0x310
#define X2APIC_ICR		0x830u

/* Edge, asserted, to the physical ID. */
#define ICR_NMI			0x4400u
#define ICR_INIT		0x4500u
#define ICR_BUSY		BIT(12)
#define ICR_TRIES		100000

/* Registers of the xAPIC; their page is uncached by the machine's MTRRs. */
static void *apic_address(u32 offset)
{
	u64 base = rdmsr(MSR_IA32_APICBASE) & shim_machine.phys_mask & APIC_ADDRESS;

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

/* The host may be between its writes to the two halves of the ICR. */
static void send(u32 apic_id, u32 command)
{
	u64 base = rdmsr(MSR_IA32_APICBASE);
	u32 icr2;

	if (!(base & APIC_BASE_ENABLED))
		return;
	if (base & APIC_BASE_X2APIC) {
		wrmsr(X2APIC_ICR, (u64)apic_id << 32 | command);
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
