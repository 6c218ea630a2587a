// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory at a physical address, whoever has it: by a page of our own whose page-table entry
 * is made to point there, or the page table of which is made to lie there.
 */
#include <linux/kdebug.h>
#include <linux/pgtable.h>
#include <linux/ptrace.h>
#include <linux/vmalloc.h>
#include <asm/asm.h>

#include "poke.h"

static void flush_page(void *page)
{
	asm volatile("invlpg %0" : : "m" (*(char *)page) : "memory");
}

static long load(void *at, u64 *value)
{
	u64 loaded;
	long r;

	asm volatile("mov %[error], %[r]\n"
		     "1: mov %[at], %[value]\n"
		     "xor %[r], %[r]\n"
		     "2:\n"
		     _ASM_EXTABLE(1b, 2b)
		     : [value] "=&r" (loaded), [r] "=&r" (r)
		     : [at] "m" (*(u64 *)at), [error] "i" (-EFAULT));
	*value = r ? 0 : loaded;
	return r;
}

static long store(void *at, u64 value)
{
	long r;

	asm volatile("mov %[error], %[r]\n"
		     "1: mov %[value], %[at]\n"
		     "xor %[r], %[r]\n"
		     "2:\n"
		     _ASM_EXTABLE(1b, 2b)
		     : [r] "=&r" (r), [at] "=m" (*(u64 *)at)
		     : [value] "r" (value), [error] "i" (-EFAULT));
	return r;
}

/* An exception where no table can have an entry for it: it returns to whoever called. */
static unsigned long exec_at;
static bool exec_failed;

static int on_die(struct notifier_block *nb, unsigned long val, void *data)
{
	struct pt_regs *regs = ((struct die_args *)data)->regs;

	if (!exec_at || regs->ip != exec_at)
		return NOTIFY_DONE;
	exec_failed = true;
	regs->ip = *(unsigned long *)regs->sp;
	regs->sp += sizeof(regs->sp);
	return NOTIFY_STOP;
}

static struct notifier_block die_block = { .notifier_call = on_die };

static long execute(void *at)
{
	void (*there)(void) = at;

	exec_failed = false;
	exec_at = (unsigned long)at;
	barrier();
	there();
	barrier();
	exec_at = 0;
	return exec_failed ? -EFAULT : 0;
}

enum what { READ_IT, WRITE_IT, EXECUTE_IT };

static long access(enum what what, void *at, u64 *value)
{
	switch (what) {
	case READ_IT:
		return load(at, value);
	case WRITE_IT:
		return store(at, *value);
	default:
		return execute(at);
	}
}

/* By a page of ours that is elsewhere for a moment. */
static int by_page(const struct poke *p, enum what what)
{
	u64 value = p->value;
	unsigned long flags;
	unsigned int level;
	char *page;
	pte_t *pte, old;
	long r;

	page = vmalloc(PAGE_SIZE);
	if (!page)
		return -ENOMEM;
	*page = 0;
	pte = lookup_address((unsigned long)page, &level);
	if (!pte || level != PG_LEVEL_4K) {
		vfree(page);
		return -EIO;
	}
	local_irq_save(flags);
	old = *pte;
	WRITE_ONCE(*pte, pfn_pte(p->addr >> PAGE_SHIFT, PAGE_KERNEL_EXEC));
	flush_page(page);
	r = access(what, page + offset_in_page(p->addr), &value);
	WRITE_ONCE(*pte, old);
	flush_page(page);
	local_irq_restore(flags);
	vfree(page);
	pr_info("poke: %lx: %s, %llx\n", p->addr, r ? "exception" : "done", value);
	return r;
}

int poke_read(const struct poke *p)
{
	return by_page(p, READ_IT);
}

int poke_write(const struct poke *p)
{
	return by_page(p, WRITE_IT);
}

int poke_exec(const struct poke *p)
{
	int r;

	r = register_die_notifier(&die_block);
	if (r)
		return r;
	r = by_page(p, EXECUTE_IT);
	unregister_die_notifier(&die_block);
	return r;
}

static pmd_t *pmd_of(unsigned long at)
{
	pgd_t *pgd = pgd_offset_pgd(__va(read_cr3_pa()), at);

	return pmd_offset(pud_offset(p4d_offset(pgd, at), at), at);
}

/* By a page table that is elsewhere for a moment. */
int poke_walk(const struct poke *p)
{
	unsigned long flags;
	u64 value = 0;
	pmd_t *pmd, old;
	char *area, *at;
	long r;

	/* One table of it is ours alone. */
	area = vmalloc(2 * PMD_SIZE);
	if (!area)
		return -ENOMEM;
	at = PTR_ALIGN(area, PMD_SIZE);
	*at = 0;
	pmd = pmd_of((unsigned long)at);
	local_irq_save(flags);
	old = *pmd;
	WRITE_ONCE(*pmd, __pmd((p->addr & PAGE_MASK) | _KERNPG_TABLE_NOENC));
	flush_page(at);
	r = load(at, &value);
	WRITE_ONCE(*pmd, old);
	flush_page(at);
	local_irq_restore(flags);
	vfree(area);
	pr_info("poke: page table at %lx: %s, %llx\n", p->addr, r ? "exception" : "done", value);
	return r;
}
