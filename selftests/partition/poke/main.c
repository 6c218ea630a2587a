// SPDX-License-Identifier: GPL-2.0-only
/*
 * One attack of selftests/partition/attacks, or a look at registers, by the parameter "do", or one
 * after the other by writing to "row".  That succeeds if the attack came back, with an exception or
 * without.  (If loading the module failed, insmod would try once more.)
 */
#include <linux/delay.h>
#include <linux/irqflags.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/slab.h>
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
	{ "sweep", poke_sweep },
	{ "read-large", poke_read_large },
	{ "write", poke_write },
	{ "write-across", poke_write_across },
	{ "swap", poke_swap },
	{ "exec", poke_exec },
	{ "walk", poke_walk },
	{ "ins", poke_ins },
	{ "outs", poke_outs },
	{ "ins-to", poke_ins_to },
	{ "outs-from", poke_outs_from },
	{ "call", poke_call },
	{ "function", poke_function },
	{ "lie", poke_lie },
	{ "out", poke_out },
	{ "absent", poke_absent },
	{ "address", poke_address },
	{ "pci", poke_pci },
	{ "pci-turn", poke_pci_turn },
	{ "bar", poke_bar },
	{ "pci-read", poke_pci_read },
	{ "ioapic", poke_ioapic },
	{ "race", poke_race },
	{ "ioapic-write", poke_ioapic_write },
	{ "ioapic-read", poke_ioapic_read },
	{ "icr", poke_icr },
	{ "x2icr", poke_x2icr },
	{ "x2apic", poke_x2apic },
	{ "gp", poke_gp },
	{ "wrmsr", poke_wrmsr },
	{ "nmis", poke_nmis },
	{ "vmxon", poke_vmxon },
	{ "vmptrld", poke_vmptrld },
	{ "vmclear", poke_vmclear },
	{ "vmwrite", poke_vmwrite },
	{ "vmwrite-spoilt", poke_vmwrite_spoilt },
	{ "vmcs", poke_vmcs },
	{ "vmcs-list", poke_vmcs_list },
	{ "vmcs-no-nmi", poke_vmcs_no_nmi },
	{ "vmptrld-from", poke_vmptrld_from },
	{ "vmclear-from", poke_vmclear_from },
	{ "vmptrst-to", poke_vmptrst_to },
	{ "vmread-to", poke_vmread_to },
	{ "vmwrite-from", poke_vmwrite_from },
	{ "invept-from", poke_invept_from },
	{ "invvpid-from", poke_invvpid_from },
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

static int attack_with(const char *name, const struct poke *p)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(attacks); i++) {
		if (!strcmp(name, attacks[i].name))
			return finish(attacks[i].attack(p));
	}
	pr_err("poke: do=%s: there is no such attack\n", name);
	return -EINVAL;
}

static int parse_word(char *word, char **name, struct poke *p)
{
	char *value = strchr(word, '=');

	if (!value)
		return -EINVAL;
	*value++ = '\0';
	if (!strcmp(word, "do")) {
		*name = value;
		return 0;
	}
	if (!strcmp(word, "addr"))
		return kstrtoul(value, 0, &p->addr);
	if (!strcmp(word, "value"))
		return kstrtoul(value, 0, &p->value);
	if (!strcmp(word, "width"))
		return kstrtouint(value, 0, &p->width);
	if (!strcmp(word, "count"))
		return kstrtouint(value, 0, &p->count);
	return -EINVAL;
}

/* The words of one attack, written to a module that stays: sooner than to load it for each. */
static int set_row(const char *row, const struct kernel_param *unused)
{
	struct poke p = { .width = 4, .count = 1 };
	char *copy = kstrdup(row, GFP_KERNEL), *rest, *word, *name = "";
	int r = 0;

	if (!copy)
		return -ENOMEM;
	rest = strim(copy);
	while (!r && (word = strsep(&rest, " ")))
		r = parse_word(word, &name, &p);
	if (!r)
		r = attack_with(name, &p);
	kfree(copy);
	return r;
}

static const struct kernel_param_ops row_ops = { .set = set_row };

module_param_cb(row, &row_ops, NULL, 0200);
MODULE_PARM_DESC(row, "do=NAME and the other words, when it is loaded");

static int __init poke_init(void)
{
	return *what ? attack_with(what, &poke) : 0;
}

static void __exit poke_exit(void)
{
}

module_init(poke_init);
module_exit(poke_exit);
MODULE_DESCRIPTION("What one kernel does to another on the same machine");
MODULE_LICENSE("GPL");
