// SPDX-License-Identifier: GPL-2.0-only
/*
 * nvx_fast_test - Transitions in the short form notice every change.
 *
 * Each check lets L1 and L2 take turns until nothing is left to be written, then
 * changes one input of the VM-entry or VM-exit, looks for the effect, changes it
 * back and looks again.  All of it must hold on stock, too.  Afterwards the host
 * asks the counters whether the short form was in use at all.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apic.h"
#include "nvx_fast_counts.h"
#include "nvx_selftest.h"

#define STEADY		4
#define TURNS		50
#define ID_FLAG		BIT(21)
#define INTERRUPT_FLAG	BIT(9)
#define NON_CANONICAL	0x8000000000000000ul
#define VM_ENTRY_BAD_HOST	8
#define REASON_BAD_GUEST	(BIT(31) | 33)
#define INJECTED	0x41
#define TICK_VECTOR	0x61
#define TICK_NS		200000
#define TICKS		20
#define TIMERS		6
#define DIVIDE_BY_1	0xb
#define READABLE_MSR	0x1a0		/* IA32_MISC_ENABLE, KVM intercepts it */
#define LSTAR_VALUE	0x123456789000ul
#define TIMER_RATE	5
#define TIMER_VALUE	(BIT(20) >> TIMER_RATE)
#define SPINS		(BIT(20) * 8)	/* much longer than the timer */
#define TIMER_NEVER	0xffffffffu
#define PIN_TIMER	BIT(6)
#define PIN_INTERRUPT	BIT(0)
#define EXIT_ACK	BIT(15)
#define REASON_INTERRUPT	1
#define ENTRY_EFER	BIT(15)
#define EXIT_EFER	BIT(21)
#define REASON_TIMER	52
#define LIMIT		BIT(36)

/* Registers of the local APIC that the library does not name. */
#ifndef APIC_LVTT
#define APIC_LVTT	0x320
#define APIC_TMICT	0x380
#define APIC_TDCR	0x3e0
#endif
#ifndef APIC_ISR
#define APIC_ISR	0x100
#endif

/* What L2 finds, and what it is asked to do. */
static struct {
	uint64_t cr0, cr3, cr4, dr7, rflags, tsc, pat, efer, window;
} seen;
static volatile uint64_t l2_action, l2_interrupts, l2_ud, l2_value, l1_ticks;
static uint64_t other_cr3;
static uint8_t *msr_bitmap;

/* The checks to run, set by the host. */
static uint64_t first_check, last_check;

enum {
	NOTHING, READ_DR7, READ_OWN, READ_MSR, READ_GS, UD2, WINDOW, SPIN, FAULT,
	HALT
};

static void l2_guest_code(void)
{
	uint64_t i;

	for (;;) {
		asm volatile("mov %%cr0, %0" : "=r"(seen.cr0));
		asm volatile("mov %%cr3, %0" : "=r"(seen.cr3));
		asm volatile("mov %%cr4, %0" : "=r"(seen.cr4));
		asm volatile("pushfq; pop %0" : "=r"(seen.rflags));
		seen.tsc = rdtsc();
		switch (l2_action) {
		case READ_DR7:
			asm volatile("mov %%dr7, %0" : "=r"(seen.dr7));
			break;
		case READ_OWN:
			seen.pat = rdmsr(MSR_IA32_CR_PAT);
			seen.efer = rdmsr(MSR_EFER);
			break;
		case READ_MSR:
			l2_value = rdmsr(READABLE_MSR);
			break;
		case READ_GS:
			l2_value = rdmsr(MSR_KERNEL_GS_BASE);
			break;
		case UD2:
			asm volatile("ud2");
			break;
		case WINDOW:
			seen.window = *nvx_window_gva(0);
			break;
		case HALT:
			asm volatile("hlt");
			break;
		case FAULT:
		case SPIN:
			if (l2_action == FAULT)
				seen.window = *nvx_window_gva(0);
			for (i = 0; i < SPINS && l2_action != NOTHING; i++)
				;
			break;
		}
		nvx_l2_vmcall();
	}
}

static void l2_other_code(void)
{
	for (;;) {
		seen.rflags = 0x5a;
		nvx_l2_vmcall();
	}
}

static void l2_ud_handler(struct ex_regs *regs)
{
	l2_ud++;
	regs->rip += 2;
}

static void l2_interrupt_handler(struct ex_regs *regs)
{
	l2_interrupts++;
}

static void tick_handler(struct ex_regs *regs)
{
	l1_ticks++;
	x2apic_write_reg(APIC_EOI, 0);
}

/* One exit of L2 for @reason; afterwards L2 goes on behind the instruction. */
static bool turn_for(uint64_t reason)
{
	nvx_l1_enter();
	if (vmreadz(VM_EXIT_REASON) != reason)
		return false;
	if (reason != EXIT_REASON_EXCEPTION_NMI && reason != REASON_TIMER)
		nvx_l1_skip_instruction();
	return true;
}

static void turn(void)
{
	GUEST_ASSERT(turn_for(EXIT_REASON_VMCALL));
}

static void turns(int n)
{
	while (n--)
		turn();
}

/* There and back in a field of vmcs12 that L2 sees as a member of @seen. */
static bool there_and_back(uint64_t field, uint64_t flip, const uint64_t *shown)
{
	uint64_t old = vmreadz(field), before, there, back;

	turns(STEADY);
	before = READ_ONCE(*shown);
	vmwrite(field, old ^ flip);
	turn();
	there = READ_ONCE(*shown);
	turns(STEADY);
	vmwrite(field, old);
	turn();
	back = READ_ONCE(*shown);
	return there == (before ^ flip) && back == before;
}

static bool check_rflags(void)
{
	return there_and_back(GUEST_RFLAGS, ID_FLAG, &seen.rflags);
}

static bool check_cr0(void)
{
	return there_and_back(GUEST_CR0, X86_CR0_MP, &seen.cr0);
}

static bool check_cr3(void)
{
	return there_and_back(GUEST_CR3, get_cr3() ^ other_cr3, &seen.cr3);
}

static bool check_cr4(void)
{
	return there_and_back(GUEST_CR4, X86_CR4_DE, &seen.cr4);
}

static bool check_dr7(void)
{
	bool good;

	l2_action = READ_DR7;
	good = there_and_back(GUEST_DR7, BIT(8), &seen.dr7);
	l2_action = NOTHING;
	turn();
	return good;
}

static bool check_cr0_shadow(void)
{
	bool good;

	vmwrite(CR0_READ_SHADOW, vmreadz(GUEST_CR0));
	vmwrite(CR0_GUEST_HOST_MASK, X86_CR0_NE);
	good = there_and_back(CR0_READ_SHADOW, X86_CR0_NE, &seen.cr0);
	vmwrite(CR0_GUEST_HOST_MASK, 0);
	return good;
}

static bool check_cr4_shadow(void)
{
	bool good;

	vmwrite(CR4_READ_SHADOW, vmreadz(GUEST_CR4));
	vmwrite(CR4_GUEST_HOST_MASK, X86_CR4_VMXE);
	good = there_and_back(CR4_READ_SHADOW, X86_CR4_VMXE, &seen.cr4);
	vmwrite(CR4_GUEST_HOST_MASK, 0);
	return good;
}

static bool check_rip(void)
{
	bool good;

	turns(STEADY);
	nvx_l1_restart(l2_other_code);
	turns(STEADY);
	good = seen.rflags == 0x5a;
	nvx_l1_restart(l2_guest_code);
	turns(STEADY);
	return good && seen.rflags != 0x5a;
}

/* Both fields are shadowed: L1 changes them without an exit. */
static bool check_bad_guest(void)
{
	uint64_t old = vmreadz(GUEST_CR4);
	bool good;

	turns(STEADY);
	vmwrite(GUEST_CR4, old & ~X86_CR4_PAE);
	nvx_l1_enter();
	good = vmreadz(VM_EXIT_REASON) == REASON_BAD_GUEST;
	vmwrite(GUEST_CR4, old);
	nvx_l1_enter();
	GUEST_ASSERT_EQ(vmreadz(VM_EXIT_REASON), EXIT_REASON_VMCALL);
	nvx_l1_skip_instruction();
	turns(STEADY);
	return good;
}

static bool check_bad_host(void)
{
	uint64_t old = vmreadz(HOST_FS_BASE);
	bool good;

	turns(STEADY);
	vmwrite(HOST_FS_BASE, NON_CANONICAL);
	good = nvx_l1_try_enter() &&
	       vmreadz(VM_INSTRUCTION_ERROR) == VM_ENTRY_BAD_HOST;
	vmwrite(HOST_FS_BASE, old);
	turns(STEADY);
	return good;
}

/* Not shadowed, and no part of the record: only the exit of VMWRITE tells. */
static bool check_bad_host_cr4(void)
{
	uint64_t old = vmreadz(HOST_CR4);
	bool good;

	turns(STEADY);
	vmwrite(HOST_CR4, old & ~X86_CR4_VMXE);
	good = nvx_l1_try_enter() &&
	       vmreadz(VM_INSTRUCTION_ERROR) == VM_ENTRY_BAD_HOST;
	vmwrite(HOST_CR4, old);
	turns(STEADY);
	return good;
}

static bool check_tsc_offset(void)
{
	uint64_t start, there, back;

	turns(STEADY);
	start = seen.tsc;
	vmwrite(TSC_OFFSET, 1ul << 40);
	turns(STEADY);
	there = seen.tsc;
	vmwrite(TSC_OFFSET, 0);
	turns(STEADY);
	back = seen.tsc;
	return there - start > LIMIT && back - start < LIMIT;
}

static bool check_exception_bitmap(void)
{
	uint64_t old = vmreadz(EXCEPTION_BITMAP), handled = l2_ud;
	bool good;

	l2_action = UD2;
	turns(STEADY);
	good = l2_ud == handled + STEADY;
	vmwrite(EXCEPTION_BITMAP, old | BIT(UD_VECTOR));
	good &= turn_for(EXIT_REASON_EXCEPTION_NMI);
	vmwrite(EXCEPTION_BITMAP, old);
	turns(STEADY);
	l2_action = NOTHING;
	turn();
	return good && l2_ud == handled + 2 * STEADY;
}

static bool check_injection(void)
{
	uint64_t before = l2_interrupts, flags = vmreadz(GUEST_RFLAGS);

	vmwrite(GUEST_RFLAGS, flags | INTERRUPT_FLAG);
	turns(STEADY);
	vmwrite(VM_ENTRY_INTR_INFO_FIELD, BIT(31) | INJECTED);
	turn();
	turns(STEADY);
	vmwrite(GUEST_RFLAGS, flags);
	turns(STEADY);
	return l2_interrupts == before + 1;
}

/* No VM-entry delivers an interrupt that the guest does not take. */
static bool check_bad_injection(void)
{
	uint64_t flags = vmreadz(GUEST_RFLAGS), before = l2_interrupts;
	bool good;

	vmwrite(GUEST_RFLAGS, flags & ~INTERRUPT_FLAG);
	turns(STEADY);
	vmwrite(VM_ENTRY_INTR_INFO_FIELD, BIT(31) | INJECTED);
	nvx_l1_enter();
	good = vmreadz(VM_EXIT_REASON) == REASON_BAD_GUEST;
	vmwrite(VM_ENTRY_INTR_INFO_FIELD, 0);
	vmwrite(GUEST_RFLAGS, flags);
	turns(STEADY);
	return good && l2_interrupts == before;
}

static bool vector_is_in(unsigned int registers)
{
	return x2apic_read_reg(registers + TICK_VECTOR / 32 * 0x10) &
	       BIT(TICK_VECTOR % 32);
}

/* L2 spins until the APIC timer of L1 ends that. */
static bool tick_ends_l2(void)
{
	bool good;

	l2_action = SPIN;
	x2apic_write_reg(APIC_TMICT, TICK_NS);
	nvx_l1_enter();
	good = vmreadz(VM_EXIT_REASON) == REASON_INTERRUPT;
	l2_action = NOTHING;
	return good;
}

/* The vector comes with the exit and is in service; L1 hands one on to L2. */
static bool tick(void)
{
	uint64_t before = l2_interrupts;
	bool good;

	good = tick_ends_l2() &&
	       vmreadz(VM_EXIT_INTR_INFO) == (BIT(31) | TICK_VECTOR) &&
	       vector_is_in(APIC_ISR) && !vector_is_in(APIC_IRR);
	x2apic_write_reg(APIC_EOI, 0);
	good &= !vector_is_in(APIC_ISR);
	vmwrite(VM_ENTRY_INTR_INFO_FIELD, BIT(31) | INJECTED);
	turn();
	return good && l2_interrupts == before + 1;
}

static bool check_interrupts(void)
{
	uint64_t pin = vmreadz(PIN_BASED_VM_EXEC_CONTROL);
	uint64_t exit = vmreadz(VM_EXIT_CONTROLS), flags = vmreadz(GUEST_RFLAGS);
	bool good = true;
	int i;

	x2apic_enable();
	x2apic_write_reg(APIC_TDCR, DIVIDE_BY_1);
	x2apic_write_reg(APIC_LVTT, TICK_VECTOR);
	vmwrite(GUEST_RFLAGS, flags | INTERRUPT_FLAG);
	vmwrite(PIN_BASED_VM_EXEC_CONTROL, pin | PIN_INTERRUPT);
	vmwrite(VM_EXIT_CONTROLS, exit | EXIT_ACK);
	turns(STEADY);
	GUEST_SYNC(202);
	for (i = 0; i < TICKS; i++)
		good &= tick();
	GUEST_SYNC(203);

	/* Without the vector it is pending until L1 takes it. */
	turns(STEADY);
	vmwrite(VM_EXIT_CONTROLS, exit & ~EXIT_ACK);
	turns(STEADY);
	l1_ticks = 0;
	good &= tick_ends_l2() && !(vmreadz(VM_EXIT_INTR_INFO) & BIT(31)) &&
		 vector_is_in(APIC_IRR) && !vector_is_in(APIC_ISR);
	asm volatile("sti; nop; cli" : : : "memory");
	good &= l1_ticks == 1;
	vmwrite(PIN_BASED_VM_EXEC_CONTROL, pin);
	vmwrite(VM_EXIT_CONTROLS, exit);
	vmwrite(GUEST_RFLAGS, flags);
	turns(STEADY);
	return good;
}

/* Change the bitmap without telling anybody; VM-entry has to notice. */
static bool msr_there_and_back(uint64_t action, uint32_t byte, uint32_t bit)
{
	bool good = true;

	l2_action = action;
	turns(STEADY);
	msr_bitmap[byte] |= 1u << bit;
	good &= turn_for(EXIT_REASON_MSR_READ);
	turn();
	good &= turn_for(EXIT_REASON_MSR_READ);
	turn();
	msr_bitmap[byte] &= ~(1u << bit);
	turns(STEADY);
	l2_action = NOTHING;
	turn();
	return good;
}

static bool check_msr_passed(void)
{
	/* MSR_KERNEL_GS_BASE, 0xc0000102 */
	return msr_there_and_back(READ_GS, 1024 + 0x102 / 8, 0x102 % 8);
}

static bool check_msr_intercepted(void)
{
	return msr_there_and_back(READ_MSR, READABLE_MSR / 8, READABLE_MSR % 8);
}

static bool check_ept(void)
{
	const uint64_t flags = EPT_RWX | EPT_WB | EPT_A | EPT_D;
	bool good;

	*nvx_window_gva(0) = 0xa;
	*nvx_window_gva(1) = 0xb;
	*nvx_window_pte(0) = nvx_window_gpa(0) | flags;
	l2_action = WINDOW;
	turns(STEADY);
	good = seen.window == 0xa;
	*nvx_window_pte(0) = nvx_window_gpa(1) | flags;
	nvx_invept(1);
	turn();
	good &= seen.window == 0xb;
	turns(STEADY);
	*nvx_window_pte(0) = nvx_window_gpa(0) | flags;
	nvx_invept(1);
	turn();
	good &= seen.window == 0xa;
	l2_action = NOTHING;
	turn();
	return good;
}

/* L1's own registers, which the exit has to load from the host-state area. */
static bool check_l1_registers(void)
{
	uint64_t cr0 = get_cr0(), cr4 = get_cr4();
	uint16_t zero = 0, fs;

	turns(STEADY);
	asm volatile("mov %0, %%cr4" : : "r"(cr4 ^ X86_CR4_DE));
	asm volatile("mov %0, %%fs" : : "r"(zero));
	wrmsr(MSR_IA32_SYSENTER_ESP, 0x1234000);
	turn();
	asm volatile("mov %%fs, %0" : "=r"(fs));
	if (get_cr4() != cr4 || fs != vmreadz(HOST_FS_SELECTOR) ||
	    rdmsr(MSR_IA32_SYSENTER_ESP) != vmreadz(HOST_IA32_SYSENTER_ESP))
		return false;
	turns(STEADY);
	asm volatile("mov %0, %%cr0" : : "r"(cr0 ^ X86_CR0_MP));
	turn();
	return get_cr0() == cr0;
}

static bool check_pat(void)
{
	uint64_t old = rdmsr(MSR_IA32_CR_PAT), other = old ^ (1ul << 56);
	bool good;

	turns(STEADY);
	l2_action = READ_OWN;
	wrmsr(MSR_IA32_CR_PAT, other);
	turn();
	good = seen.pat == other;
	turns(STEADY);
	wrmsr(MSR_IA32_CR_PAT, old);
	turn();
	l2_action = NOTHING;
	turn();
	return good && seen.pat == old;
}

/* L1 and L2 with different EFER; the MSRs of SYSCALL are L1's. */
static bool check_efer(void)
{
	uint64_t entry = vmreadz(VM_ENTRY_CONTROLS), exit = vmreadz(VM_EXIT_CONTROLS);
	uint64_t efer = rdmsr(MSR_EFER) | EFER_SCE;
	bool good = true;
	int i;

	l2_action = READ_OWN;
	wrmsr(MSR_EFER, efer);
	vmwrite(VM_ENTRY_CONTROLS, entry | ENTRY_EFER);
	vmwrite(VM_EXIT_CONTROLS, exit | EXIT_EFER);
	vmwrite(GUEST_IA32_EFER, efer & ~EFER_SCE);
	vmwrite(HOST_IA32_EFER, efer);
	for (i = 0; i < STEADY; i++) {
		wrmsr(MSR_LSTAR, LSTAR_VALUE + i);
		turn();
		good &= seen.efer == (efer & ~EFER_SCE) &&
			rdmsr(MSR_EFER) == efer &&
			rdmsr(MSR_LSTAR) == LSTAR_VALUE + i;
	}
	vmwrite(GUEST_IA32_EFER, efer);
	turn();
	good &= seen.efer == efer;
	vmwrite(VM_ENTRY_CONTROLS, entry);
	vmwrite(VM_EXIT_CONTROLS, exit);
	wrmsr(MSR_EFER, efer & ~EFER_SCE);
	turn();
	good &= seen.efer == (efer & ~EFER_SCE);
	l2_action = NOTHING;
	turn();
	return good && rdmsr(MSR_EFER) == (efer & ~EFER_SCE);
}

/* L2 spins until its preemption timer ends: neither before its time nor never. */
static bool timer_is_due(void)
{
	uint64_t start = rdtsc(), elapsed;

	nvx_l1_enter();
	elapsed = rdtsc() - start;
	return vmreadz(VM_EXIT_REASON) == REASON_TIMER &&
	       elapsed >= (uint64_t)TIMER_VALUE << TIMER_RATE && elapsed < LIMIT;
}

/* Others cannot end it: L0 has handled an EPT violation, or L2 is halted. */
static bool timer_ends_waiting(void)
{
	const uint64_t flags = EPT_RWX | EPT_WB | EPT_A | EPT_D;
	bool good;

	*nvx_window_gva(0) = 0xd;
	*nvx_window_pte(0) = nvx_window_gpa(0) | flags;
	nvx_invept(1);
	turns(STEADY);
	l2_action = FAULT;
	good = timer_is_due() && seen.window == 0xd;
	l2_action = NOTHING;
	turns(STEADY);
	l2_action = HALT;
	good &= timer_is_due();
	vmwrite(GUEST_ACTIVITY_STATE, 0);
	l2_action = NOTHING;
	turns(STEADY);
	return good;
}

/* The hrtimer of an earlier VM-entry must not end this one. */
static bool check_timer(void)
{
	uint64_t pin = vmreadz(PIN_BASED_VM_EXEC_CONTROL), start;
	uint64_t flags = vmreadz(GUEST_RFLAGS);
	bool good = true;
	int i;

	/* Bochs delivers no interrupt to the host while a guest has IF clear. */
	vmwrite(GUEST_RFLAGS, flags | INTERRUPT_FLAG);
	vmwrite(VMX_PREEMPTION_TIMER_VALUE, TIMER_NEVER);
	vmwrite(PIN_BASED_VM_EXEC_CONTROL, pin | PIN_TIMER);
	turns(STEADY);
	vmwrite(VMX_PREEMPTION_TIMER_VALUE, TIMER_VALUE);
	turns(STEADY);
	GUEST_SYNC(204);
	for (i = 0; i < TIMERS; i++) {
		turns(STEADY);
		/* Let most of the hrtimer's time pass in L1. */
		start = rdtsc();
		while (rdtsc() - start < ((uint64_t)TIMER_VALUE << TIMER_RATE) * 3 / 4)
			;
		l2_action = SPIN;
		good &= timer_is_due();
		l2_action = NOTHING;
	}
	GUEST_SYNC(205);
	good &= timer_ends_waiting();
	vmwrite(VMX_PREEMPTION_TIMER_VALUE, TIMER_NEVER);
	turns(STEADY);
	vmwrite(PIN_BASED_VM_EXEC_CONTROL, pin);
	vmwrite(GUEST_RFLAGS, flags);
	turns(STEADY);
	return good;
}

/* The host takes all state and recreates the vCPU, then L1 goes on. */
static bool check_migration(void)
{
	uint64_t flags;

	turns(STEADY);
	vmwrite(GUEST_RFLAGS, vmreadz(GUEST_RFLAGS) ^ ID_FLAG);
	turn();
	flags = seen.rflags;
	GUEST_SYNC(100);
	turns(STEADY);
	vmwrite(GUEST_RFLAGS, vmreadz(GUEST_RFLAGS) ^ ID_FLAG);
	turn();
	return seen.rflags == (flags ^ ID_FLAG);
}

static const struct {
	const char *name;
	bool (*check)(void);
} checks[] = {
	{ "GUEST_RFLAGS", check_rflags },
	{ "GUEST_CR0", check_cr0 },
	{ "GUEST_CR3", check_cr3 },
	{ "GUEST_CR4", check_cr4 },
	{ "GUEST_DR7", check_dr7 },
	{ "CR0 mask and read shadow", check_cr0_shadow },
	{ "CR4 mask and read shadow", check_cr4_shadow },
	{ "GUEST_RIP and GUEST_RSP", check_rip },
	{ "bad GUEST_CR4", check_bad_guest },
	{ "bad HOST_FS_BASE", check_bad_host },
	{ "bad HOST_CR4", check_bad_host_cr4 },
	{ "TSC_OFFSET", check_tsc_offset },
	{ "EXCEPTION_BITMAP", check_exception_bitmap },
	{ "event injection", check_injection },
	{ "injection that fails", check_bad_injection },
	{ "interrupts of L1 and L2", check_interrupts },
	{ "MSR bitmap, an MSR that L0 passes through", check_msr_passed },
	{ "MSR bitmap, an MSR that L0 intercepts", check_msr_intercepted },
	{ "EPT12 and INVEPT", check_ept },
	{ "registers of L1", check_l1_registers },
	{ "PAT of L1", check_pat },
	{ "different EFERs", check_efer },
	{ "preemption timer", check_timer },
	{ "save and restore", check_migration },
};

static void use_msr_bitmap(struct vmx_pages *vmx)
{
	vmwrite(CPU_BASED_VM_EXEC_CONTROL, vmreadz(CPU_BASED_VM_EXEC_CONTROL) |
		CPU_BASED_USE_MSR_BITMAPS | CPU_BASED_USE_TSC_OFFSETTING);
	vmwrite(MSR_BITMAP, vmx->msr_gpa);
	msr_bitmap = vmx->msr;
}

/* GUEST_SYNC(2 * check + passed), 200 and 201 around turns to be counted. */
static void l1_guest_code(struct vmx_pages *vmx)
{
	uint64_t i;

	nvx_l1_init(vmx, l2_guest_code);
	use_msr_bitmap(vmx);
	turns(STEADY);
	GUEST_SYNC(200);
	turns(TURNS);
	GUEST_SYNC(201);
	for (i = first_check; i <= last_check; i++)
		GUEST_SYNC(2 * i + checks[i].check());
	GUEST_DONE();
}

static void copy_cr3(struct nvx_vm *v)
{
	struct kvm_sregs sregs;
	vm_vaddr_t gva = vm_vaddr_alloc_page(v->vm);

	vcpu_sregs_get(v->vcpu, &sregs);
	memcpy(addr_gva2hva(v->vm, gva), addr_gpa2hva(v->vm, sregs.cr3), 4096);
	other_cr3 = addr_gva2gpa(v->vm, gva);
	nested_map(v->vmx, v->vm, other_cr3, other_cr3, 4096);
	sync_global_to_guest(v->vm, other_cr3);
}

static int results(void)
{
	int n = 2;
	uint64_t i;

	for (i = first_check; i <= last_check; i++)
		n += checks[i].check == check_interrupts ? 3 :
		     checks[i].check == check_timer ? 2 : 1;
	return n;
}

static void handle_sync(struct nvx_vm *v, uint64_t stage)
{
	switch (stage) {
	case 100:
		nvx_save_restore(v);
		break;
	case 200:
	case 202:
	case 204:
		nvx_fast_begin();
		break;
	case 201:
		nvx_fast_end("exits", "VM-entries", TURNS, 0);
		break;
	case 203:
		/* Each second exit and VM-entry is one for an interrupt. */
		nvx_fast_end("exits with interrupts",
			     "VM-entries with interrupts", 2 * TICKS, TICKS);
		break;
	case 205:
		nvx_fast_end_timers(TIMERS);
		break;
	default:
		nvx_result(stage & 1, "%s: there and back",
			   checks[stage / 2].name);
	}
}

/*
 * Usage: nvx_fast_test [mwait] [pv] [CHECK], counted from 0; mwait: the CPU's timer may
 * stop while L2 runs; pv: VMCS in memory.
 */
int main(int argc, char *argv[])
{
	struct nvx_vm v;
	uint64_t stage;

	if (argc > 1 && !strcmp(argv[1], "mwait")) {
		TEST_REQUIRE(kvm_check_cap(KVM_CAP_X86_DISABLE_EXITS) &
			     KVM_X86_DISABLE_EXITS_MWAIT);
		nvx_mwait_in_guest = true;
		argc--;
		argv++;
	}
	if (argc > 1 && !strcmp(argv[1], "pv")) {
		nvx_use_pv = 1;
		argc--;
		argv++;
	}
	last_check = ARRAY_SIZE(checks) - 1;
	if (argc > 1) {
		first_check = strtoul(argv[1], NULL, 10);
		TEST_ASSERT(first_check <= last_check, "There is no check %s", argv[1]);
		last_check = first_check;
	}

	TEST_REQUIRE(kvm_cpu_has(X86_FEATURE_VMX));
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_NESTED_STATE));
	TEST_REQUIRE(nvx_param("ept"));
	TEST_REQUIRE(nvx_param("unrestricted_guest"));
	TEST_REQUIRE(!nvx_use_pv || nvx_feature("pv"));

	/* A hang should leave the name of the last check behind. */
	setlinebuf(stdout);
	ksft_print_header();
	ksft_set_plan(results());
	ksft_print_msg("parts of nvx_fast in use: %#x\n", nvx_fast_parts());

	nvx_vm_create(&v, l1_guest_code);
	vm_install_exception_handler(v.vm, UD_VECTOR, l2_ud_handler);
	vm_install_exception_handler(v.vm, INJECTED, l2_interrupt_handler);
	vm_install_exception_handler(v.vm, TICK_VECTOR, tick_handler);
	copy_cr3(&v);
	sync_global_to_guest(v.vm, nvx_use_pv);
	sync_global_to_guest(v.vm, first_check);
	sync_global_to_guest(v.vm, last_check);
	while (nvx_run(&v, &stage))
		handle_sync(&v, stage);
	nvx_vm_destroy(&v);

	ksft_finished();
}
