// SPDX-License-Identifier: GPL-2.0-only
/*
 * The local APIC, in whichever mode the CPU has it.
 */
#include <linux/cpumask.h>
#include <linux/io.h>
#include <linux/irqflags.h>
#include <linux/printk.h>
#include <linux/smp.h>
#include <asm/apicdef.h>
#include <asm/msr.h>

#include "poke.h"

#define MSR_OF(reg)	(APIC_BASE_MSR + ((reg) >> 4))

bool poke_has_x2apic(void)
{
	return __rdmsr(MSR_IA32_APICBASE) & X2APIC_ENABLE;
}

/* @apic: the page.  What is no register reads as 0. */
u32 poke_apic_read(void __iomem *apic, u32 reg)
{
	u64 value;

	if (!poke_has_x2apic())
		return readl(apic + reg);
	return rdmsrl_safe(MSR_OF(reg), &value) ? 0 : value;
}

int poke_send(void __iomem *apic, u32 destination, u32 command)
{
	if (poke_has_x2apic())
		return wrmsrl_safe(MSR_OF(APIC_ICR), (u64)destination << 32 | command) ?
			-EFAULT : 0;
	writel(destination << 24, apic + APIC_ICR2);
	writel(command, apic + APIC_ICR);
	return 0;
}

/* @addr to the upper half of an xAPIC's ICR, @value to the lower one; or what means the same. */
int poke_icr(const struct poke *p)
{
	void __iomem *apic = ioremap(APIC_DEFAULT_PHYS_BASE, PAGE_SIZE);
	unsigned long flags;

	if (!apic)
		return -ENOMEM;
	local_irq_save(flags);
	poke_send(apic, p->addr >> 24, p->value);
	local_irq_restore(flags);
	iounmap(apic);
	return 0;
}

/* All 32 bits of the destination. */
int poke_x2icr(const struct poke *p)
{
	if (!poke_has_x2apic())
		return -ENODEV;
	return poke_send(NULL, p->addr, p->value);
}

static void look_at_mode(void *wrong)
{
	const struct poke *p = ((void **)wrong)[0];
	bool *is_wrong = ((void **)wrong)[1];

	if (poke_has_x2apic() != p->value)
		*is_wrong = true;
}

/* Every CPU is in x2APIC mode, or none if @value is 0. */
int poke_x2apic(const struct poke *p)
{
	bool wrong = false;
	void *argument[] = { (void *)p, &wrong };

	on_each_cpu(look_at_mode, argument, 1);
	pr_info("poke: %u CPUs, x2APIC mode %s %lu\n", num_online_cpus(),
		wrong ? "is not" : "is", p->value);
	return wrong ? -EIO : 0;
}

/* The CPU has to take an exception, and the MSR stays as it is. */
int poke_gp(const struct poke *p)
{
	u64 before = 0, after = 0;
	int no_read = rdmsrl_safe(p->addr, &before);

	if (!wrmsrl_safe(p->addr, p->value)) {
		pr_err("poke: MSR %lx = %lx: no exception\n", p->addr, p->value);
		return -EIO;
	}
	if (rdmsrl_safe(p->addr, &after) != no_read || before != after) {
		pr_err("poke: MSR %lx: %llx before, %llx after\n", p->addr, before, after);
		return -EIO;
	}
	return 0;
}
