// SPDX-License-Identifier: GPL-2.0-only
/*
 * A look at the machine: control registers, MSRs and the local APIC of each CPU, pins of the
 * IOAPIC; what instructions cost for which a shim would get an exit.  Not what a kernel chooses
 * anew at each boot: addresses, vectors, destinations.
 */
#include <linux/cpumask.h>
#include <linux/io.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/printk.h>
#include <linux/smp.h>
#include <asm/apicdef.h>
#include <asm/debugreg.h>
#include <asm/fpu/xcr.h>
#include <asm/msr.h>
#include <asm/processor.h>

#include "poke.h"

#define SHIM_LEAF	0x40000300
#define SHIM_ASK	0x5348494d
#define SHIM_NAME	0x6d696853

#define IOAPIC_BASE	0xfec00000
#define IOAPIC_DATA	0x10
#define IOAPIC_PINS	24
#define IOAPIC_TABLE	0x10
/* Mask, trigger, polarity, delivery mode. */
#define IOAPIC_KEPT	0x1a700
#define LVT_VECTOR	0xff
#define LVT_PENDING	BIT(12)

#define COST_REPEAT	1000
#define COST_TRIES	5

static const u32 msrs[] = {
	0x1b, 0x3a, 0x3b, 0x48, 0x174, 0x1a0, 0x1b0, 0x1b2, 0x1d9, 0x200, 0x201, 0x202, 0x203,
	0x204, 0x205, 0x206, 0x207, 0x208, 0x209, 0x20a, 0x20b, 0x20c, 0x20d, 0x20e, 0x20f, 0x250,
	0x258, 0x259, 0x268, 0x269, 0x26a, 0x26b, 0x26c, 0x26d, 0x26e, 0x26f, 0x277, 0x2ff, 0x38f,
	0x400, 0x404, 0x408, 0x40c, 0x410, 0x480, 0x485, 0x48b, 0x48c, 0xda0, 0xc0000080,
	0xc0000081, 0xc0000084,
};

static const u32 apic_registers[] = {
	APIC_ID, APIC_LVR, APIC_TASKPRI, APIC_LDR, APIC_DFR, APIC_SPIV, APIC_LVTCMCI, APIC_LVTT,
	APIC_LVTTHMR, APIC_LVTPC, APIC_LVT0, APIC_LVT1, APIC_LVTERR, APIC_TDCR,
};

static void __iomem *apic;

static void tell(u32 id, const char *what, u32 number, u64 value)
{
	pr_info("poke: apic %u %s %x = %llx\n", id, what, number, value);
}

static bool has_shim(void)
{
	u32 eax, ebx, ecx, edx;

	cpuid_count(SHIM_LEAF, SHIM_ASK, &eax, &ebx, &ecx, &edx);
	return ebx == SHIM_NAME;
}

static void op_cpuid(void)
{
	cpuid_eax(0);
}

static void op_rdmsr(void)
{
	__rdmsr(MSR_IA32_FEAT_CTL);
}

static void op_xsetbv(void)
{
	if (boot_cpu_has(X86_FEATURE_OSXSAVE))
		xsetbv(0, xgetbv(0));
}

static const struct {
	const char *what;
	void (*op)(void);
} costs[] = {
	{ "cpuid", op_cpuid }, { "rdmsr", op_rdmsr }, { "xsetbv", op_xsetbv },
};

/* Cycles of one, rounded; the least, as another CPU may have been in the way. */
static u64 cost_of(void (*op)(void))
{
	u64 least = ~0ull, took;
	unsigned long flags;
	u32 try, i;

	for (try = 0; try < COST_TRIES; try++) {
		local_irq_save(flags);
		took = rdtsc_ordered();
		for (i = 0; i < COST_REPEAT; i++)
			op();
		took = rdtsc_ordered() - took;
		local_irq_restore(flags);
		least = min(least, took);
	}
	return div_u64(least + COST_REPEAT / 2, COST_REPEAT);
}

static void tell_cpu(void *unused)
{
	u32 id = poke_apic_read(apic, APIC_ID), i, value;
	u64 wide;

	if (!poke_has_x2apic())
		id >>= 24;

	tell(id, "cr", 0, read_cr0());
	tell(id, "cr", 4, __read_cr4());
	get_debugreg(wide, 7);
	tell(id, "dr", 7, wide);
	tell(id, "xcr", 0, boot_cpu_has(X86_FEATURE_OSXSAVE) ? xgetbv(0) : 0);
	tell(id, "shim", SHIM_LEAF, has_shim());
	for (i = 0; i < ARRAY_SIZE(costs); i++)
		pr_info("poke: apic %u cost %s = %llu\n", id, costs[i].what, cost_of(costs[i].op));
	for (i = 0; i < ARRAY_SIZE(msrs); i++)
		if (!rdmsrl_safe(msrs[i], &wide))
			tell(id, "msr", msrs[i], wide);
	for (i = 0; i < ARRAY_SIZE(apic_registers); i++) {
		value = poke_apic_read(apic, apic_registers[i]) & ~LVT_PENDING;
		if (apic_registers[i] == APIC_LVTPC || apic_registers[i] == APIC_LVTCMCI)
			value &= ~LVT_VECTOR;
		tell(id, "register", apic_registers[i], value);
	}
}

static void tell_pins(void __iomem *ioapic)
{
	u32 pin;

	for (pin = 0; pin < IOAPIC_PINS; pin++) {
		writel(IOAPIC_TABLE + 2 * pin, ioapic);
		pr_info("poke: pin %u = %x\n", pin, readl(ioapic + IOAPIC_DATA) & IOAPIC_KEPT);
	}
}

int poke_registers(const struct poke *p)
{
	void __iomem *ioapic = ioremap(IOAPIC_BASE, PAGE_SIZE);
	unsigned int cpu;

	apic = ioremap(APIC_DEFAULT_PHYS_BASE, PAGE_SIZE);
	if (apic && ioapic) {
		for_each_online_cpu(cpu)
			smp_call_function_single(cpu, tell_cpu, NULL, 1);
		tell_pins(ioapic);
	}
	if (apic)
		iounmap(apic);
	if (ioapic)
		iounmap(ioapic);
	return apic && ioapic ? 0 : -ENOMEM;
}
