// SPDX-License-Identifier: GPL-2.0-only
/*
 * Interprocessor interrupts that the shim sends by itself.
 */
#include "shim.h"
#include "vmx_ops.h"

#define APIC_BASE_X2APIC	BIT(10)
#define APIC_BASE_ENABLED	BIT(11)
#define APIC_ADDRESS		0xfffffffffffff000ull

#define APIC_TPR		0x80
#define APIC_EOI		0xb0
#define APIC_LDR		0xd0
#define APIC_DFR		0xe0
#define APIC_SVR		0xf0
#define APIC_ISR		0x100
#define APIC_TMICT		0x380
#define APIC_ICR		0x300
#define APIC_ICR2		0x310
#define X2APIC_ICR		0x830u

/* Edge, asserted, to the physical ID. */
#define ICR_NMI			0x4400u
#define ICR_INIT		0x4500u
#define ICR_FIXED		0x4000u
#define ICR_BUSY		BIT(12)
#define ICR_TRIES		100000

/* Registers of the xAPIC; their page is uncached by the machine's MTRRs. */
static void *apic_address(u32 offset)
{
	u64 base = rdmsr(MSR_IA32_APICBASE) & shim_machine.phys_mask & APIC_ADDRESS;

	return mem_map(base + offset, 0);
}

u32 apic_read(u32 offset)
{
	return device_read32(apic_address(offset));
}

void apic_write(u32 offset, u32 value)
{
	device_write32(apic_address(offset), value);
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

/* Not to a group: by its physical ID. */
void shim_send_fixed(const struct shim_cpu *cpu, u8 vector)
{
	send(cpu->boot.apic_id, ICR_FIXED | vector);
}

#define LVT_MASKED		0x10000u
#define SVR_RESET		0xffu
#define NR_VECTORS		256

/* As INIT leaves it (SDM 3A, 11.4.7.3), with no interrupt in service.  xAPIC mode. */
void apic_reset(void)
{
	static const u16 lvts[] = { 0x320, 0x330, 0x340, 0x350, 0x360, 0x370 };
	u32 i, n;

	for (i = 0; i < ARRAY_SIZE(lvts); i++)
		apic_write(lvts[i], LVT_MASKED);
	apic_write(APIC_TMICT, 0);
	for (n = 0; n < NR_VECTORS; n++) {
		for (i = 0; i < 8 && !apic_read(APIC_ISR + 16 * i); i++)
			;
		if (i == 8)
			break;
		apic_write(APIC_EOI, 0);
	}
	apic_write(APIC_LDR, 0);
	apic_write(APIC_DFR, ~0u);
	apic_write(APIC_TPR, 0);
	apic_write(APIC_SVR, SVR_RESET);
}
