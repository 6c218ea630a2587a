// SPDX-License-Identifier: GPL-2.0-only
/*
 * One attack of selftests/partition/attacks, or a look at registers, by the parameter "do".
 * Loading the module succeeds if the attack came back, with an exception or without.  (If it
 * failed, insmod would try once more.)
 */
#include <linux/delay.h>
#include <linux/irqflags.h>
#include <linux/module.h>
#include <linux/string.h>
#include <linux/time64.h>
#include <asm/desc.h>

#include "poke.h"

static struct poke poke = { .width = 4, .count = 1 };
static char *what = "";

module_param_named(do, what, charp, 0);
MODULE_PARM_DESC(do, "which attack");
module_param_named(addr, poke.addr, ulong, 0);
MODULE_PARM_DESC(addr, "physical address, port, register");
module_param_named(value, poke.value, ulong, 0);
MODULE_PARM_DESC(value, "what to write");
module_param_named(width, poke.width, uint, 0);
MODULE_PARM_DESC(width, "bytes of an access to a port");
module_param_named(count, poke.count, uint, 0);
MODULE_PARM_DESC(count, "how often");

static int poke_triple(const struct poke *p)
{
	struct desc_ptr none = { };

	local_irq_disable();
	load_idt(&none);
	asm volatile("int3");
	return 0;
}

static int poke_hang(const struct poke *p)
{
	local_irq_disable();
	/* Only the shim can end it. */
	while (READ_ONCE(p->width))
		cpu_relax();
	return 0;
}

/* The same for @count seconds. */
static int poke_stall(const struct poke *p)
{
	unsigned int i;

	local_irq_disable();
	for (i = 0; i < p->count * MSEC_PER_SEC; i++)
		mdelay(1);
	local_irq_enable();
	return 0;
}

static const struct {
	const char *name;
	int (*attack)(const struct poke *p);
} attacks[] = {
	{ "read", poke_read },
	{ "write", poke_write },
	{ "exec", poke_exec },
	{ "walk", poke_walk },
	{ "lie", poke_lie },
	{ "out", poke_out },
	{ "in", poke_in },
	{ "address", poke_address },
	{ "pci", poke_pci },
	{ "ioapic", poke_ioapic },
	{ "race", poke_race },
	{ "ioapic-width", poke_ioapic_width },
	{ "icr", poke_icr },
	{ "wrmsr", poke_wrmsr },
	{ "vmxon", poke_vmxon },
	{ "vmptrld", poke_vmptrld },
	{ "vmclear", poke_vmclear },
	{ "vmcs", poke_vmcs },
	{ "registers", poke_registers },
	{ "triple", poke_triple },
	{ "hang", poke_hang },
	{ "stall", poke_stall },
};

/* An exception is as good as nothing. */
static int finish(int r)
{
	return r == -EFAULT ? 0 : r;
}

static int __init poke_init(void)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(attacks); i++) {
		if (!strcmp(what, attacks[i].name))
			return finish(attacks[i].attack(&poke));
	}
	pr_err("poke: do=%s: there is no such attack\n", what);
	return -EINVAL;
}

static void __exit poke_exit(void)
{
}

module_init(poke_init);
module_exit(poke_exit);
MODULE_DESCRIPTION("What one kernel does to another on the same machine");
MODULE_LICENSE("GPL");
