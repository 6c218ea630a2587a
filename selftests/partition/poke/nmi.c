// SPDX-License-Identifier: GPL-2.0-only
/*
 * NMIs to all other CPUs of this kernel, by the shorthand that kernels use to stop one another.
 */
#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/io.h>
#include <linux/percpu.h>
#include <linux/preempt.h>
#include <linux/printk.h>
#include <linux/smp.h>
#include <asm/apicdef.h>
#include <asm/nmi.h>

#include "poke.h"

#define ALL_OTHERS	(APIC_DEST_ALLBUT | APIC_INT_ASSERT | APIC_DM_NMI)
#define WAIT_MS		1000

static DEFINE_PER_CPU(unsigned int, came);
static unsigned int sent;

static int on_nmi(unsigned int type, struct pt_regs *regs)
{
	if (this_cpu_read(came) == READ_ONCE(sent))
		return NMI_DONE;
	this_cpu_inc(came);
	return NMI_HANDLED;
}

/* Has every CPU but @self what was sent? */
static bool all_have(unsigned int self)
{
	unsigned int cpu;

	for_each_online_cpu(cpu)
		if (cpu != self && READ_ONCE(*per_cpu_ptr(&came, cpu)) != sent)
			return false;
	return true;
}

static int send_all(void __iomem *apic, unsigned int count)
{
	unsigned int self = smp_processor_id(), cpu, i, ms;

	for_each_possible_cpu(cpu)
		per_cpu(came, cpu) = 0;
	for (i = 0; i < count; i++) {
		WRITE_ONCE(sent, i + 1);
		this_cpu_write(came, i + 1);
		poke_send(apic, 0, ALL_OTHERS);
		for (ms = 0; ms < WAIT_MS && !all_have(self); ms++)
			mdelay(1);
		if (ms == WAIT_MS)
			return -ETIMEDOUT;
	}
	return 0;
}

/* @count of them, each waited for: every other CPU has each once. */
int poke_nmis(const struct poke *p)
{
	void __iomem *apic = ioremap(APIC_DEFAULT_PHYS_BASE, PAGE_SIZE);
	int r;

	if (!apic)
		return -ENOMEM;
	sent = 0;
	r = register_nmi_handler(NMI_LOCAL, on_nmi, 0, "poke");
	if (!r) {
		preempt_disable();
		r = send_all(apic, p->count);
		preempt_enable();
		unregister_nmi_handler(NMI_LOCAL, "poke");
	}
	iounmap(apic);
	pr_info("poke: %u NMIs to %u CPUs: %d\n", sent, num_online_cpus() - 1, r);
	return r;
}
