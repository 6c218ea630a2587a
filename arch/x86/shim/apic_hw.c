// SPDX-License-Identifier: GPL-2.0-only
/*
 * The local APIC of the CPU that runs this: its registers in either mode, and the modes (SDM 3A,
 * 11.12.1 and 11.12.5).
 */
#include "vmx_ops.h"
#include "world.h"

#define APIC_ADDRESS		0xfffffffffffff000ull

#define APIC_TPR		0x80
#define APIC_EOI		0xb0
#define APIC_LDR		0xd0
#define APIC_DFR		0xe0
#define APIC_SVR		0xf0
#define APIC_ISR		0x100
#define APIC_TMICT		0x380

#define MSR_IA32_MCG_CAP	0x179u
#define MCG_CMCI		BIT(10)
#define APIC_LVT_CMCI		0x2f0

#define LVT_MASKED		0x10000u
#define SVR_RESET		0xffu
#define NR_VECTORS		256

/* Registers of the xAPIC; their page is uncached by the machine's MTRRs. */
static void *address(u64 base, u32 offset)
{
	return mem_map((base & shim_machine.phys_mask & APIC_ADDRESS) + offset, 0);
}

u32 apic_read(u32 offset)
{
	u64 base = rdmsr(MSR_IA32_APICBASE);

	if (base & APIC_BASE_EXTD)
		return rdmsr(X2APIC_MSR(offset));
	return device_read32(address(base, offset));
}

/* False: x2APIC mode, and the CPU refuses the value. */
bool apic_write(u32 offset, u64 value)
{
	u64 base = rdmsr(MSR_IA32_APICBASE);

	if (base & APIC_BASE_EXTD)
		return wrmsr_safe(X2APIC_MSR(offset), value, value >> 32);
	device_write32(address(base, offset), value);
	return true;
}

/* As INIT leaves it (SDM 3A, 11.4.7.3), in its mode, with no interrupt in service. */
void apic_reset(void)
{
	static const u16 lvts[] = { 0x320, 0x330, 0x340, 0x350, 0x360, 0x370 };
	u32 i, n, high;

	for (i = 0; i < ARRAY_SIZE(lvts); i++)
		apic_write(lvts[i], LVT_MASKED);
	if (rdmsr_safe(MSR_IA32_MCG_CAP, &n, &high) && n & MCG_CMCI)
		apic_write(APIC_LVT_CMCI, LVT_MASKED);
	apic_write(APIC_TMICT, 0);
	for (n = 0; n < NR_VECTORS; n++) {
		for (i = 0; i < 8 && !apic_read(APIC_ISR + 16 * i); i++)
			;
		if (i == 8)
			break;
		apic_write(APIC_EOI, 0);
	}
	/* The CPU's own in x2APIC mode. */
	if (!(rdmsr(MSR_IA32_APICBASE) & APIC_BASE_EXTD)) {
		apic_write(APIC_LDR, 0);
		apic_write(APIC_DFR, ~0u);
	}
	apic_write(APIC_TPR, 0);
	apic_write(APIC_SVR, SVR_RESET);
}

/* ---- modes */

/* As the host has it.  Nobody but the CPU itself can ask the hardware. */
enum apic_mode apic_mode(const struct shim_cpu *cpu)
{
	u64 base = rdmsr(MSR_IA32_APICBASE);

	if (cpu->apic_off || !(base & APIC_BASE_EN))
		return APIC_OFF;
	return base & APIC_BASE_EXTD ? APIC_X2APIC : APIC_XAPIC;
}

/* Whoever looks for CPUs by a destination is to know it. */
void apic_note_mode(struct shim_cpu *cpu)
{
	u32 area = area_of_cpu(cpu);

	cpu->apic_mode = apic_mode(cpu);
	if (area < world.cpus.nr)
		__atomic_store_n(&world.cpus.cpu[area].mode, cpu->apic_mode, __ATOMIC_RELAXED);
}

static bool write_base(u64 value)
{
	return wrmsr_safe(MSR_IA32_APICBASE, value, value >> 32);
}

/*
 * The only way from x2APIC mode is through no APIC at all.  An NMI that comes meanwhile is lost,
 * but not what it is for: the CPU is in the shim, which looks into its mailbox before it enters
 * a host.
 * False: the CPU has its x2APIC mode locked, and faults.
 */
static bool leave_x2apic(u64 base)
{
	base &= ~(u64)APIC_BASE_EXTD;
	return write_base(base & ~(u64)APIC_BASE_EN) && write_base(base);
}

/* What the host had in registers that the shim has a copy of. */
static void forget_registers(struct shim_cpu *cpu)
{
	u32 area = area_of_cpu(cpu);

	cpu->icr = 0;
	cpu->lint_kept[0] = false;
	cpu->lint_kept[1] = false;
	cpu->ldr = 0;
	cpu->dfr = ~0u;
	if (area < world.cpus.nr) {
		world.cpus.cpu[area].ldr = 0;
		world.cpus.cpu[area].dfr = ~0u;
	}
}

/*
 * A transition that the SDM knows.  The hardware's APIC is never off, as nobody could reach the CPU
 * then: for a host that has switched it off it is in xAPIC mode, as behind a reset.
 * False: the CPU faults.
 */
bool apic_set_mode(struct shim_cpu *cpu, enum apic_mode mode)
{
	u64 base = rdmsr(MSR_IA32_APICBASE);

	switch (mode) {
	case APIC_X2APIC:
		if (!write_base(base | APIC_BASE_EN | APIC_BASE_EXTD))
			return false;
		break;
	case APIC_OFF:
		if (base & APIC_BASE_EXTD && !leave_x2apic(base))
			return false;
		apic_reset();
		forget_registers(cpu);
		break;
	case APIC_XAPIC:
		if (!write_base(base | APIC_BASE_EN))
			return false;
		break;
	}
	cpu->apic_off = mode == APIC_OFF;
	apic_note_mode(cpu);
	return true;
}

/* As behind a reset, for another kernel: in xAPIC mode, if the CPU has not locked the other one. */
void apic_power_up(struct shim_cpu *cpu)
{
	if (apic_set_mode(cpu, APIC_OFF))
		apic_set_mode(cpu, APIC_XAPIC);
	else
		apic_reset();
}

/* The host has the CPU: what it has switched off is off. */
void apic_give(const struct shim_cpu *cpu)
{
	if (cpu->apic_off)
		write_base(rdmsr(MSR_IA32_APICBASE) & ~(u64)APIC_BASE_EN);
}
