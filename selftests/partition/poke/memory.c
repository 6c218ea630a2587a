// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory at a physical address, whoever has it: by a page of our own whose page-table entry
 * is made to point there, or the page table of which is made to lie there.
 */
#include <linux/io.h>
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

/* What the last one that reads has found. */
static u64 found;

static long load(void *at, const struct poke *p)
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
	found = r ? 0 : loaded;
	return r;
}

static long store(void *at, const struct poke *p)
{
	long r;

	asm volatile("mov %[error], %[r]\n"
		     "1: mov %[value], %[at]\n"
		     "xor %[r], %[r]\n"
		     "2:\n"
		     _ASM_EXTABLE(1b, 2b)
		     : [r] "=&r" (r), [at] "=m" (*(u64 *)at)
		     : [value] "r" ((u64)p->value), [error] "i" (-EFAULT));
	return r;
}

/* Both at once, locked; no device is used like that. */
static long exchange(void *at, const struct poke *p)
{
	u32 value = p->value;
	long r;

	asm volatile("mov %[error], %[r]\n"
		     "1: xchg %[value], %[at]\n"
		     "xor %[r], %[r]\n"
		     "2:\n"
		     _ASM_EXTABLE(1b, 2b)
		     : [r] "=&r" (r), [at] "+m" (*(u32 *)at), [value] "+r" (value)
		     : [error] "i" (-EFAULT));
	found = r ? 0 : value;
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

static long execute(void *at, const struct poke *p)
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

/* By a page of ours that is elsewhere for a moment. */
static int by_page(const struct poke *p, long (*access)(void *at, const struct poke *p))
{
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
	found = 0;
	local_irq_save(flags);
	old = *pte;
	WRITE_ONCE(*pte, pfn_pte(p->addr >> PAGE_SHIFT, PAGE_KERNEL_EXEC));
	flush_page(page);
	r = access(page + offset_in_page(p->addr), p);
	WRITE_ONCE(*pte, old);
	flush_page(page);
	local_irq_restore(flags);
	vfree(page);
	return r;
}

int poke_by_page(const struct poke *p, long (*access)(void *at, const struct poke *p))
{
	int r = by_page(p, access);

	pr_info("poke: %lx: %s, %llx\n", p->addr, r ? "exception" : "done", found);
	return r;
}

/* @count pages, from @addr downwards; all that is to be seen of them is zeros. */
int poke_sweep(const struct poke *p)
{
	struct poke page = *p;
	unsigned int i;
	int r;

	for (i = 0; i < p->count; i++) {
		page.addr = p->addr - i * PAGE_SIZE;
		r = by_page(&page, load);
		if ((r && r != -EFAULT) || found) {
			pr_err("poke: %lx: %d, %llx\n", page.addr, r, found);
			return -EIO;
		}
	}
	return 0;
}

int poke_read(const struct poke *p)
{
	return poke_by_page(p, load);
}

int poke_write(const struct poke *p)
{
	return poke_by_page(p, store);
}

/* Into two pages with one instruction. */
int poke_write_across(const struct poke *p)
{
	void __iomem *at = ioremap(p->addr, sizeof(u32));

	if (!at)
		return -ENOMEM;
	writel(p->value, at);
	iounmap(at);
	return 0;
}

int poke_swap(const struct poke *p)
{
	return poke_by_page(p, exchange);
}

int poke_exec(const struct poke *p)
{
	int r;

	r = register_die_notifier(&die_block);
	if (r)
		return r;
	r = poke_by_page(p, execute);
	unregister_die_notifier(&die_block);
	return r;
}

static pmd_t *pmd_of(unsigned long at)
{
	pgd_t *pgd = pgd_offset_pgd(__va(read_cr3_pa()), at);

	return pmd_offset(pud_offset(p4d_offset(pgd, at), at), at);
}

/* By an entry for 2 MiB that is @entry for a moment. */
static int by_entry(const struct poke *p, u64 entry, unsigned long offset)
{
	unsigned long flags;
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
	WRITE_ONCE(*pmd, __pmd(entry));
	flush_page(at + offset);
	r = load(at + offset, p);
	WRITE_ONCE(*pmd, old);
	flush_page(at + offset);
	local_irq_restore(flags);
	vfree(area);
	pr_info("poke: %lx by %llx: %s, %llx\n", p->addr, entry, r ? "exception" : "done", found);
	return r;
}

/* A page table that is elsewhere. */
int poke_walk(const struct poke *p)
{
	return by_entry(p, (p->addr & PAGE_MASK) | _KERNPG_TABLE_NOENC, 0);
}

/* A large page that is. */
int poke_read_large(const struct poke *p)
{
	return by_entry(p, (p->addr & PMD_MASK) | _KERNPG_TABLE_NOENC | _PAGE_PSE,
			p->addr & ~PMD_MASK);
}
