// SPDX-License-Identifier: GPL-2.0-only
/*
 * nvx_bypass_test - A guest changes its page tables at random, and each access to
 * memory must fault, or not, as a walk of the tables in software says.
 *
 * nvx_bypass_test [STEPS [SEED]]; the same seed does the same.  Made for ept=0 with
 * nvx_bypass_pf=1, where KVM has to decide which page faults the guest may take
 * without it; must pass everywhere.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "nvx_random.h"
#include "nvx_selftest.h"

/* What the guest plays with: entries of some tables, linked to some entries above. */
#define REGION		0x4000000000ul
#define NR_SLOTS	4
#define NR_TABLES	3
#define NR_ENTRIES	96
#define NR_FRAMES	6
/* Above them, never changed: code and stack of user mode. */
#define USER_SLOT	8
#define USER_CODE	(REGION + USER_SLOT * 0x200000ul)
#define USER_STACK	(USER_CODE + 0x1000)

#define P		BIT(0)
#define W		BIT(1)
#define U		BIT(2)
#define A		BIT(5)
#define D		BIT(6)
#define RSVD		BIT(51)
#define NX		BIT(63)
#define FRAME		0x0007fffffffff000ul

#define CODE_W		2
#define CODE_U		4
#define CODE_RSVD	8
#define CODE_I		16

#define CR0_WP		BIT(16)
#define CR4_SMEP	BIT(20)
#define CR4_SMAP	BIT(21)
#define MSR_EFER_	0xc0000080
#define EFER_NX_	BIT(11)

#define USER_CS		0x43
#define USER_SS		0x4b

enum kind { READ, WRITE, FETCH };
enum { STEP_BATCH = 500 };

/* What an access did or should do. */
struct outcome {
	uint64_t fault;		/* 0 or 1 */
	uint64_t value;		/* error code, or which frame it was */
};

/* Guest memory that the host sets. */
static uint64_t seed, steps;
static uint64_t *pd, *tables[NR_TABLES];
static uint64_t table_gpa[NR_TABLES], frame_gpa[NR_FRAMES];
static uint64_t has_smep, has_smap;
/* Guest memory for the host to read. */
static uint64_t step, accesses, faults, failed_step, failed_line, failed_va;
static uint64_t failed_info, failed_pde, failed_modes;
static struct outcome failed_got, failed_want;

/* Entries that may still be in the TLB as they were. */
static uint64_t stale[NR_TABLES][NR_ENTRIES];
static bool is_stale[NR_TABLES][NR_ENTRIES];
static unsigned int link_of[NR_SLOTS];
/* A function that is made as it is needed. */
static uint8_t constant_code[16];

/* --- accesses ------------------------------------------------------------ */

uint64_t bypass_rsp, bypass_vector, bypass_code, bypass_cr2, bypass_rax;
uint64_t bypass_access(uint64_t va, uint64_t kind, uint64_t user);
void bypass_resume(void);

asm(".globl bypass_access, bypass_resume, bypass_user, bypass_user_end\n"
	"bypass_access:\n"
	"	push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n"
	"	mov %rsp, bypass_rsp(%rip)\n"
	"	mov %rdi, %rcx\n"
	"	test %rdx, %rdx\n"
	"	jnz 3f\n"
	"	cmp $1, %rsi\n"
	"	je 1f\n"
	"	ja 2f\n"
	"	mov 1(%rcx), %al\n"
	"	jmp bypass_resume\n"
	"1:	movb $1, 0x800(%rcx)\n"
	"	jmp bypass_resume\n"
	"2:	call *%rcx\n"
	"	jmp bypass_resume\n"
	"3:	push $0x4b\n"
	"	movabs $0x4001001800, %rax\n"
	"	push %rax\n"
	"	push $2\n"
	"	push $0x43\n"
	"	movabs $0x4001000000, %rax\n"
	"	shl $4, %rsi\n"
	"	add %rsi, %rax\n"
	"	push %rax\n"
	"	iretq\n"
	"bypass_resume:\n"
	"	movzbl %al, %eax\n"
	"	pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n"
	"	ret\n"
	/* In user mode; HLT there is a general protection fault. */
	"bypass_user:\n"
	"	mov 1(%rcx), %al\n"
	"	hlt\n"
	"	.org bypass_user + 16\n"
	"	movb $1, 0x800(%rcx)\n"
	"	hlt\n"
	"	.org bypass_user + 32\n"
	"	call *%rcx\n"
	"	hlt\n"
	"bypass_user_end:\n");
extern char bypass_user[], bypass_user_end[];

/* Is a fault one of those that are looked for? */
static bool in_access;

static __attribute__((force_align_arg_pointer)) void handler(struct ex_regs *regs)
{
	uint64_t *frame = &regs->rflags;	/* RFLAGS, RSP, SS */

	bypass_vector = regs->vector;
	bypass_code = regs->error_code;
	bypass_rax = regs->rax;
	asm volatile("mov %%cr2, %0" : "=r"(bypass_cr2));
	if (!in_access) {
		in_access = true;
		failed_line = __LINE__;
		failed_va = bypass_cr2;
		failed_info = regs->rip;
		failed_got = (struct outcome){ regs->vector, regs->error_code };
		GUEST_DONE();
	}
	regs->rip = (uint64_t)bypass_resume;
	regs->cs = 0x8;
	frame[0] = 2;
	frame[1] = bypass_rsp;
	frame[2] = 0x10;
}

/* --- the model ----------------------------------------------------------- */

static uint64_t read_cr(int nr)
{
	uint64_t value;

	if (nr == 0)
		asm volatile("mov %%cr0, %0" : "=r"(value));
	else
		asm volatile("mov %%cr4, %0" : "=r"(value));
	return value;
}

static uint64_t va_of(unsigned int slot, unsigned int entry)
{
	return REGION + slot * 0x200000ul + entry * 4096ul;
}

static unsigned int frame_of(uint64_t pte)
{
	unsigned int i;

	for (i = 0; i < NR_FRAMES; i++)
		if (frame_gpa[i] == (pte & FRAME))
			return i;
	return ~0u;
}

static bool nx_on = true;

/* The walk of SDM volume 3, 4.5 and 4.6, for these tables. */
static struct outcome predict(uint64_t pde, uint64_t pte, enum kind kind, bool user)
{
	bool smep = read_cr(4) & CR4_SMEP;
	bool smap = read_cr(4) & CR4_SMAP, wp = read_cr(0) & CR0_WP;
	uint64_t both = pde & pte, code = 0, levels[2] = { pde, pte };
	unsigned int i;
	bool denied;

	code = kind == WRITE ? CODE_W : kind == FETCH && (nx_on || smep) ? CODE_I : 0;
	code |= user ? CODE_U : 0;
	for (i = 0; i < 2; i++) {
		if (!(levels[i] & P))
			return (struct outcome){ 1, code };
		if (levels[i] & RSVD || (!nx_on && levels[i] & NX))
			return (struct outcome){ 1, code | P | CODE_RSVD };
	}

	denied = user ? !(both & U) :
		 both & U && (kind == FETCH ? smep : smap);
	denied |= kind == WRITE && !(both & W) && (user || wp);
	denied |= kind == FETCH && (pde | pte) & NX;
	if (denied)
		return (struct outcome){ 1, code | P };
	return (struct outcome){ 0, kind == WRITE ? 0 : frame_of(pte) };
}

static bool same(struct outcome a, struct outcome b)
{
	return a.fault == b.fault && a.value == b.value;
}

static struct outcome do_access(uint64_t va, enum kind kind, bool user)
{
	struct outcome got = {};
	uint64_t value;

	bypass_vector = 0;
	in_access = true;
	value = bypass_access(va, kind, user);
	in_access = false;
	accesses++;
	if (bypass_vector == 14) {
		faults++;
		got.fault = bypass_cr2 == va + (kind == READ ? 1 : kind == WRITE ? 0x800 : 0) ?
			    1 : 2;
		got.value = bypass_code;
	} else if (kind != WRITE) {
		got.value = user ? bypass_rax & 0xff : value;
	}
	return got;
}

static void fail_at(int line, uint64_t va, uint64_t info, struct outcome got,
		    struct outcome want)
{
	if (failed_line)
		return;
	failed_line = line;
	failed_step = step;
	failed_va = va;
	failed_info = info;
	failed_pde = va >= REGION ? pd[(va - REGION) >> 21 & 511] : 0;
	failed_modes = read_cr(0) << 32 | (read_cr(4) & 0xfffffff) |
		       (nx_on ? BIT(31) : 0);
	failed_got = got;
	failed_want = want;
}

/* One access against the model; accessed and dirty bits, too. */
static void check(unsigned int slot, unsigned int entry, enum kind kind, bool user)
{
	uint64_t va = va_of(slot, entry), pde = pd[slot], pte = 0, old = 0, now;
	unsigned int t = link_of[slot];
	struct outcome want, other, got;
	bool either = false;

	if (t < NR_TABLES) {
		pte = tables[t][entry];
		either = is_stale[t][entry];
		old = stale[t][entry];
	}
	want = predict(pde, pte, kind, user);
	other = either ? predict(pde, old, kind, user) : want;
	got = do_access(va, kind, user);
	if (!same(got, want) && !same(got, other))
		fail_at(__LINE__, va, pte, got, want);
	if (t >= NR_TABLES || either)
		return;

	now = *(volatile uint64_t *)&tables[t][entry];
	if ((now ^ pte) & ~(A | D))
		fail_at(__LINE__, va, now, got, want);
	if (!got.fault && (!(now & A) || (kind == WRITE && !(now & D))))
		fail_at(__LINE__, va, now, got, want);
	if (!(pte & D) && now & D && (got.fault || kind != WRITE))
		fail_at(__LINE__, va, now, got, want);
}

/* --- what the guest does -------------------------------------------------- */

static void flush_entry(unsigned int t, unsigned int entry)
{
	unsigned int slot;

	for (slot = 0; slot < NR_SLOTS; slot++)
		asm volatile("invlpg (%0)" : : "r"(va_of(slot, entry)) : "memory");
	is_stale[t][entry] = false;
}

static void flush_all(void)
{
	uint64_t cr3;

	asm volatile("mov %%cr3, %0; mov %0, %%cr3" : "=r"(cr3) : : "memory");
	memset(is_stale, 0, sizeof(is_stale));
}

static void store_constant(uint64_t *pte, uint64_t value)
{
	void (*constant)(uint64_t *pte) = (void *)constant_code;

	if ((int64_t)(int32_t)value != value) {
		*(volatile uint64_t *)pte = value;
		return;
	}
	/* mov $value, (%rdi); ret */
	memcpy(constant_code, "\x48\xc7\x07", 3);
	memcpy(constant_code + 3, &value, 4);
	constant_code[7] = 0xc3;
	constant(pte);
}

/*
 * Store by each kind of operand, and by instructions that are none of those that
 * guests use for it.
 */
static void store(uint64_t *pte, uint64_t value)
{
	uint64_t old;

	switch (rng() % 12) {
	case 0:
		asm volatile("movq %0, 0x7f(%1)" : : "r"(value), "r"((char *)pte - 0x7f) : "memory");
		break;
	case 1:
		asm volatile("movq %0, -0x1230(%1)" : : "r"(value), "r"((char *)pte + 0x1230) : "memory");
		break;
	case 2:
		asm volatile("mov %0, %%r9; mov %1, %%r12; mov %%r9, (%%r12)"
			     : : "r"(value), "r"(pte) : "r9", "r12", "memory");
		break;
	case 3:
		asm volatile("mov %0, %%r15; mov %1, %%r13; mov %%r15, (%%r13)"
			     : : "r"(value), "r"(pte) : "r13", "r15", "memory");
		break;
	case 4:
		asm volatile("movq %0, (%1, %2, 8)"
			     : : "r"(value), "r"(pte - 3), "r"(3ul) : "memory");
		break;
	case 5:
		asm volatile("movq %0, 0(, %1, 8)" : : "r"(value), "r"((uint64_t)pte / 8) : "memory");
		break;
	case 6:
		asm volatile("movq %0, -0x1000(%1, %2, 8)"
			     : : "r"(value), "r"((char *)pte + 0xfe8), "r"(3ul) : "memory");
		break;
	case 7:
		asm volatile("xchg %0, %1" : "+m"(*pte), "+r"(value) : : "memory");
		break;
	case 8:
		asm volatile("mov %%rsp, %%r8; mov %1, %%rsp; mov %0, 8(%%rsp); mov %%r8, %%rsp"
			     : : "a"(value), "r"(pte - 1) : "r8", "memory");
		break;
	case 9:
		old = *pte;
		asm volatile("lock cmpxchg %2, %1"
			     : "+a"(old), "+m"(*pte) : "r"(value) : "memory");
		break;
	case 10:
		store_constant(pte, value);
		break;
	default:
		*(volatile uint64_t *)pte = value;
	}
}

/* As an OS does: what was present is flushed, now or soon; what was not, is not. */
static void set_entry(unsigned int t, unsigned int entry, uint64_t value)
{
	uint64_t *pte = &tables[t][entry], old = *pte;

	if (is_stale[t][entry])
		flush_entry(t, entry);
	store(pte, value);
	if (*(volatile uint64_t *)pte != value)
		fail_at(__LINE__, (uint64_t)pte, value, (struct outcome){ 0, *pte },
			(struct outcome){ 0, value });
	if (!(old & P))
		return;
	stale[t][entry] = old;
	is_stale[t][entry] = true;
	if (chance(70))
		flush_entry(t, entry);
}

static uint64_t random_entry(void)
{
	uint64_t pte = frame_gpa[rng() % NR_FRAMES] | A;

	if (chance(35))
		return chance(50) ? 0 : rng() & ~P;
	pte |= P | (chance(70) ? W : 0) | (chance(60) ? U : 0) | (chance(60) ? D : 0);
	pte |= (chance(20) ? NX : 0) | (chance(4) ? RSVD : 0);
	return chance(85) ? pte : pte & ~(A | D);
}

static void set_slot(unsigned int slot)
{
	unsigned int t = rng() % (NR_TABLES + 1);

	*(volatile uint64_t *)&pd[slot] = t == NR_TABLES ? rng() & ~P :
		table_gpa[t] | P | A | (chance(85) ? W : 0) | (chance(85) ? U : 0) |
		(chance(5) ? NX : 0) | (chance(3) ? RSVD : 0);
	link_of[slot] = t;
	/* Caches of the tables above the last one, too. */
	flush_all();
}

/* As demand paging: fault, map, touch; the table is in sync in KVM, or not. */
static void populate(unsigned int slot, unsigned int entry, unsigned int n)
{
	unsigned int t = link_of[slot];

	if (chance(70))
		flush_all();
	for (; t < NR_TABLES && n && entry < NR_ENTRIES; n--, entry++) {
		if (tables[t][entry] & P)
			continue;
		check(slot, entry, rng() % 3, chance(50));
		set_entry(t, entry, frame_gpa[rng() % NR_FRAMES] | P | W | U | A | D);
		check(slot, entry, rng() % 3, chance(90));
	}
}

/* As fork() and exit(). */
static void protect_all(unsigned int t, bool unmap)
{
	unsigned int i;

	for (i = 0; i < NR_ENTRIES; i++)
		if (tables[t][i] & P)
			set_entry(t, i, unmap ? 0 : tables[t][i] & ~W);
	flush_all();
}

/*
 * With shadow paging KVM does not look at EFER.NX again where it has a translation: no
 * entry with NX is there when it is cleared.  One that is made later has a reserved bit.
 */
static void drop_nx(void)
{
	unsigned int slot, t, i;

	for (slot = 0; slot < NR_SLOTS; slot++)
		if (pd[slot] & P)
			*(volatile uint64_t *)&pd[slot] = pd[slot] & ~NX;
	for (t = 0; t < NR_TABLES; t++)
		for (i = 0; i < NR_ENTRIES; i++)
			if (tables[t][i] & P && tables[t][i] & NX)
				set_entry(t, i, tables[t][i] & ~NX);
	flush_all();
}

static void toggle(void)
{
	switch (rng() % 4) {
	case 0:
		asm volatile("mov %0, %%cr0" : : "r"(read_cr(0) ^ CR0_WP) : "memory");
		break;
	case 1:
		if (has_smep)
			asm volatile("mov %0, %%cr4" : : "r"(read_cr(4) ^ CR4_SMEP) : "memory");
		break;
	case 2:
		if (has_smap)
			asm volatile("mov %0, %%cr4" : : "r"(read_cr(4) ^ CR4_SMAP) : "memory");
		break;
	case 3:
		if (nx_on)
			drop_nx();
		wrmsr(MSR_EFER_, rdmsr(MSR_EFER_) ^ EFER_NX_);
		nx_on = !nx_on;
		break;
	}
	flush_all();
}

static void one_step(void)
{
	unsigned int slot = rng() % NR_SLOTS, t = rng() % NR_TABLES;
	unsigned int entry = rng() % NR_ENTRIES, what = rng() % 1000;

	if (what < 400)
		check(slot, entry, rng() % 3, chance(50));
	else if (what < 700)
		set_entry(t, entry, random_entry());
	else if (what < 900)
		populate(slot, entry, rng() % 16);
	else if (what < 940)
		flush_all();
	else if (what < 960)
		flush_entry(t, entry);
	else if (what < 980)
		set_slot(slot);
	else if (what < 990)
		protect_all(t, chance(50));
	else if (what < 994)
		toggle();
	else
		set_entry(t, entry, tables[t][entry] & ~(A | D));
}

/* Not every version of the library aligns the stack as the compiler expects. */
static __attribute__((force_align_arg_pointer)) void guest_code(void)
{
	unsigned int slot;

	rng_state = seed;
	for (slot = 0; slot < NR_SLOTS; slot++)
		set_slot(slot);
	for (step = 0; step < steps && !failed_line; step++) {
		if (step % STEP_BATCH == STEP_BATCH - 1)
			GUEST_SYNC(step);
		one_step();
	}
	GUEST_DONE();
}

/* --- the host ------------------------------------------------------------- */

static uint64_t *entry_of(struct kvm_vm *vm, uint64_t cr3, uint64_t va, int level)
{
	uint64_t *table = addr_gpa2hva(vm, cr3 & ~0xffful);
	int l;

	for (l = 4; l > level; l--)
		table = addr_gpa2hva(vm, table[(va >> (3 + 9 * l)) & 511] & FRAME & ~0xffful);
	return &table[(va >> (3 + 9 * level)) & 511];
}

/* A page of the guest that it may also reach at its usual address. */
static uint64_t new_page(struct kvm_vm *vm, void **hva, uint64_t **gva)
{
	vm_vaddr_t va = vm_vaddr_alloc_page(vm);
	uint64_t gpa = addr_gva2gpa(vm, va);

	*hva = addr_gpa2hva(vm, gpa);
	memset(*hva, 0, 4096);
	if (gva)
		*gva = (uint64_t *)va;
	return gpa;
}

static void build_tables(struct kvm_vm *vm, uint64_t cr3)
{
	uint64_t pd_gpa, pt_gpa, gpa, *pd_hva, *pt_hva, *tmp;
	uint8_t *page;
	int i;

	pd_gpa = new_page(vm, (void **)&pd_hva, &pd);
	pt_gpa = new_page(vm, (void **)&pt_hva, NULL);
	for (i = 0; i < NR_TABLES; i++)
		table_gpa[i] = new_page(vm, (void **)&tmp, &tables[i]);
	for (i = 0; i < NR_FRAMES; i++) {
		/* mov $i, %al; ret */
		frame_gpa[i] = new_page(vm, (void **)&page, NULL);
		page[0] = 0xb0;
		page[1] = i;
		page[2] = 0xc3;
	}

	pd_hva[USER_SLOT] = pt_gpa | P | W | U | A;
	gpa = new_page(vm, (void **)&page, NULL);
	memcpy(page, bypass_user, bypass_user_end - bypass_user);
	pt_hva[0] = gpa | P | U | A;
	pt_hva[1] = new_page(vm, (void **)&page, NULL) | P | W | U | A | D;

	/* Addresses below 512 GiB have a page directory pointer table already. */
	*entry_of(vm, cr3, REGION, 4) |= U;
	*entry_of(vm, cr3, REGION, 3) = pd_gpa | P | W | U | A;
}

static void add_user_mode(struct kvm_vm *vm, struct kvm_vcpu *vcpu)
{
	vm_vaddr_t stack = vm_vaddr_alloc_page(vm);
	struct kvm_sregs sregs;
	uint64_t *gdt, rsp0 = stack + 4096;

	vcpu_sregs_get(vcpu, &sregs);
	gdt = addr_gva2hva(vm, sregs.gdt.base);
	gdt[USER_CS / 8] = 0x00affb000000ffff;
	gdt[USER_SS / 8] = 0x00cff3000000ffff;
	memcpy((char *)addr_gva2hva(vm, sregs.tr.base) + 4, &rsp0, sizeof(rsp0));
	sregs.cr0 |= CR0_WP;
	vcpu_sregs_set(vcpu, &sregs);
	build_tables(vm, sregs.cr3);
}

/* Between batches: what KVM does behind the guest's back. */
static void interfere(struct kvm_vm *vm, struct kvm_vcpu *vcpu, uint64_t n)
{
	void *page = addr_gpa2hva(vm, frame_gpa[n % NR_FRAMES]);
	struct kvm_sregs sregs;

	switch (n % 4) {
	case 0:
		/* With PML KVM need not write-protect, this test has nothing to see. */
		if (nvx_param("pml"))
			break;
		vm_mem_region_set_flags(vm, 0, KVM_MEM_LOG_DIRTY_PAGES);
		break;
	case 1:
		vm_mem_region_set_flags(vm, 0, 0);
		break;
	case 2:
		TEST_ASSERT(!mprotect(page, 4096, PROT_READ) &&
			    !mprotect(page, 4096, PROT_READ | PROT_WRITE), "mprotect");
		break;
	case 3:
		vcpu_sregs_get(vcpu, &sregs);
		vcpu_sregs_set(vcpu, &sregs);
		break;
	}
}

static void run(struct kvm_vm *vm, struct kvm_vcpu *vcpu)
{
	struct kvm_sregs sregs;
	struct kvm_regs regs;
	struct ucall uc;
	uint64_t n;

	for (n = 0; ; n++) {
		vcpu_run(vcpu);
		switch (get_ucall(vcpu, &uc)) {
		case UCALL_SYNC:
			interfere(vm, vcpu, n);
			break;
		case UCALL_DONE:
			return;
		default:
			vcpu_regs_get(vcpu, &regs);
			vcpu_sregs_get(vcpu, &sregs);
			sync_global_from_guest(vm, step);
			TEST_FAIL("unexpected exit %u in step %lu: rip 0x%llx rsp 0x%llx cs 0x%x cr2 0x%llx cr4 0x%llx efer 0x%llx",
				  vcpu->run->exit_reason, step, regs.rip, regs.rsp,
				  sregs.cs.selector, sregs.cr2, sregs.cr4, sregs.efer);
		}
	}
}

static void report(struct kvm_vm *vm)
{
	sync_global_from_guest(vm, step);
	sync_global_from_guest(vm, accesses);
	sync_global_from_guest(vm, faults);
	sync_global_from_guest(vm, failed_line);
	sync_global_from_guest(vm, failed_step);
	sync_global_from_guest(vm, failed_va);
	sync_global_from_guest(vm, failed_info);
	sync_global_from_guest(vm, failed_pde);
	sync_global_from_guest(vm, failed_modes);
	sync_global_from_guest(vm, failed_got);
	sync_global_from_guest(vm, failed_want);
	if (failed_line)
		ksft_print_msg("seed 0x%lx step %lu, line %lu: address 0x%lx, entries 0x%lx 0x%lx, CR0, CR4, NX 0x%lx: fault %lu 0x%lx, expected %lu 0x%lx\n",
			       seed, failed_step, failed_line, failed_va, failed_pde,
			       failed_info, failed_modes, failed_got.fault, failed_got.value,
			       failed_want.fault, failed_want.value);
	nvx_result(!failed_line && step == steps, "%lu accesses, %lu of them faults, as the tables say",
		   accesses, faults);
	nvx_result(faults > steps / 10 && accesses - faults > steps / 10,
		   "there were faults and none");
}

int main(int argc, char **argv)
{
	bool bypass = nvx_feature("bypass_pf");
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;
	uint64_t emulated = bypass ? nvx_counter("bypass_emulated") : 0;

	steps = argc > 1 ? strtoull(argv[1], NULL, 0) : 12000;
	seed = argc > 2 ? strtoull(argv[2], NULL, 0) : 0x9e3779b97f4a7c15ull;
	TEST_REQUIRE(seed);
	ksft_print_header();
	ksft_set_plan(2 + bypass);
	ksft_print_msg("seed 0x%lx\n", seed);

	vm = vm_create_with_one_vcpu(&vcpu, guest_code);
	vm_init_descriptor_tables(vm);
	vcpu_init_descriptor_tables(vcpu);
	vm_install_exception_handler(vm, 14, handler);
	vm_install_exception_handler(vm, 13, handler);
	has_smep = kvm_cpu_has(X86_FEATURE_SMEP);
	has_smap = kvm_cpu_has(X86_FEATURE_SMAP);
	add_user_mode(vm, vcpu);
	sync_global_to_guest(vm, seed);
	sync_global_to_guest(vm, steps);
	sync_global_to_guest(vm, has_smep);
	sync_global_to_guest(vm, has_smap);
	sync_global_to_guest(vm, pd);
	sync_global_to_guest(vm, tables);
	sync_global_to_guest(vm, table_gpa);
	sync_global_to_guest(vm, frame_gpa);
	run(vm, vcpu);
	report(vm);
	if (bypass)
		nvx_result(nvx_counter("bypass_emulated") - emulated > steps / 200,
			   "page tables were filled without going out of sync");
	kvm_vm_free(vm);
	ksft_finished();
}
