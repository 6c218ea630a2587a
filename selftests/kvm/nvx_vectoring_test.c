// SPDX-License-Identifier: GPL-2.0-only
/*
 * nvx_vectoring_test - An interrupt that the CPU delivers by itself meets an IDT that is
 * not mapped: the first one after a migration, say.
 *
 * The exit tells by IDT-vectoring information what was to be delivered, and KVM injects
 * that.  The guest has to see this interrupt, once, and no event from before.
 */
#include <sys/mman.h>

#include <linux/compiler.h>

#include "apic.h"
#include "nvx_selftest.h"

#define VECTOR		0xe1
#define DIVIDE_ERROR	0
#define ROUNDS		20
/* The EPT violation, and the OUT to the host. */
#define EXITS		2
#ifndef APIC_SELF_IPI
#define APIC_SELF_IPI	0x3f0
#endif

enum { PENDING = 1, TAKEN };

/* DIV by zero, an exception that does not exit. */
void divide_by_zero(void);
extern char divide_at[];
asm(".pushsection .text\n"
	"divide_by_zero:\n"
	"	xor	%ecx, %ecx\n"
	"	mov	$1, %eax\n"
	"divide_at:\n"
	"	div	%cl\n"
	"	ret\n"
	".popsection\n");
#define DIVIDE_SIZE	2

/* In guest memory. */
static volatile uint64_t interrupts, exceptions, strange;

static void divide_handler(struct ex_regs *regs)
{
	if (regs->rip == (uint64_t)divide_at) {
		exceptions++;
		regs->rip += DIVIDE_SIZE;
	} else {
		strange++;
	}
}

static void interrupt_handler(struct ex_regs *regs)
{
	interrupts++;
	x2apic_write_reg(APIC_EOI, 0);
}

static void guest_code(void)
{
	x2apic_enable();
	for (;;) {
		divide_by_zero();
		x2apic_write_reg(APIC_SELF_IPI, VECTOR);
		GUEST_SYNC(PENDING);
		asm volatile("sti; nop; cli" : : : "memory");
		GUEST_SYNC(TAKEN);
	}
}

static uint64_t read_guest(struct kvm_vm *vm, volatile uint64_t *value)
{
	return *(volatile uint64_t *)addr_gva2hva(vm, (vm_vaddr_t)value);
}

/* What @page has stays, what maps it for the guest goes. */
static void unmap(void *page)
{
	TEST_ASSERT(!mprotect(page, 4096, PROT_NONE) &&
		    !mprotect(page, 4096, PROT_READ | PROT_WRITE), "mprotect");
}

static void run_to(struct kvm_vcpu *vcpu, uint64_t stage)
{
	struct ucall uc;

	vcpu_run(vcpu);
	TEST_ASSERT(get_ucall(vcpu, &uc) == UCALL_SYNC && uc.args[1] == stage,
		    "Stage %lu is wanted, exit reason %u", stage, vcpu->run->exit_reason);
}

int main(void)
{
	unsigned int round, met = 0;
	struct kvm_vcpu *vcpu;
	struct kvm_sregs sregs;
	struct kvm_vm *vm;
	uint64_t exits;

	TEST_REQUIRE(nvx_param("enable_apicv"));
	ksft_print_header();
	ksft_set_plan(3);

	vm = vm_create_with_one_vcpu(&vcpu, guest_code);
	vm_init_descriptor_tables(vm);
	vcpu_init_descriptor_tables(vcpu);
	vm_install_exception_handler(vm, DIVIDE_ERROR, divide_handler);
	vm_install_exception_handler(vm, VECTOR, interrupt_handler);
	vcpu_sregs_get(vcpu, &sregs);

	for (round = 0; round < ROUNDS; round++) {
		run_to(vcpu, PENDING);
		unmap(addr_gva2hva(vm, sregs.idt.base));
		exits = nvx_exits(vcpu);
		run_to(vcpu, TAKEN);
		met += nvx_exits(vcpu) - exits >= EXITS;
	}
	nvx_result(met == ROUNDS, "%u of %u interrupts met an IDT that was not mapped",
		   met, ROUNDS);
	nvx_result(read_guest(vm, &interrupts) == ROUNDS, "%lu interrupts",
		   read_guest(vm, &interrupts));
	nvx_result(read_guest(vm, &exceptions) == ROUNDS && !read_guest(vm, &strange),
		   "%lu exceptions of the guest's own, %lu from nowhere",
		   read_guest(vm, &exceptions), read_guest(vm, &strange));
	kvm_vm_free(vm);
	ksft_finished();
}
