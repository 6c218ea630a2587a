// SPDX-License-Identifier: GPL-2.0-only
/*
 * nvx_apicv_test - Interrupts that the CPU delivers by itself.
 *
 * KVM gives L1 an APIC that the CPU virtualizes, and L1 gives one to L2: virtual-interrupt
 * delivery, and posted interrupts.  An interrupt may come at any moment for L1 while it
 * enters L2, and for L2 while it runs, is halted, or does not run.  None may be lost, come
 * late, or come twice; late is what only another exit brings to light.
 */
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include <linux/compiler.h>

#include "apic.h"
#include "nvx_pv.h"

#define INTERRUPT_FLAG	BIT(9)
#define REASON_INTERRUPT	1
#define L1_VECTOR	0xe1
#define NOTIFICATION	0xe2
#define L2_VECTOR	0x51
/* A vector of each of the APIC's eight registers; the first 16 vectors are reserved. */
#define VECTOR_OF(i)	(32 * (i) + 0x1d)
#define L2_EOI		0x80b		/* x2APIC, virtualized */
#ifndef APIC_SELF_IPI
#define APIC_SELF_IPI	0x3f0
#endif

#define TURNS		50
#define MESSAGES	150
#define POSTS		30
/* Turns of L1 and L2 that an interrupt may take: the tick of L0 is hundreds away. */
#define FAR		20
/* What L2 counts to if nothing ends it, and what it may reach before an interrupt. */
#define SPINS		1000000
#define SPINS_FAR	1000
#define PATIENCE	BIT(28)		/* cycles, half a second emulated */
#define SECONDS		5		/* for a check */

/* Guest memory, in one page: the host has a pointer to it. */
struct shared {
	/* Messages, or notifications, sent; the turn of L1 at which the last one had been. */
	volatile uint64_t sent, sent_at, received, turns;
	/* L1 or L2 wants to be interrupted; what the other vCPU has seen of it. */
	volatile uint64_t asked, lost, over;
	volatile uint64_t spins, limit, handled;
	/* By L1 itself. */
	volatile uint64_t taken;
};

static struct shared shared __attribute__((aligned(128)));
static_assert(sizeof(struct shared) <= 128, "it must not cross a page");

/* Posted-interrupt descriptor (SDM table 30-1). */
static struct {
	uint64_t requests[4];
	uint64_t control, reserved[3];
} descriptor __attribute__((aligned(64)));
#define OUTSTANDING	0

static uint8_t virtual_apic[4096] __attribute__((aligned(4096)));
static uint64_t virtual_apic_gpa, descriptor_gpa;

static void l2_handler(struct ex_regs *regs)
{
	shared.handled++;
	wrmsr(L2_EOI, 0);
}

/* Not to be called: L1 has interrupts off, and takes them by exits. */
static void l1_handler(struct ex_regs *regs)
{
	shared.lost = ~0ul;
	x2apic_write_reg(APIC_EOI, 0);
}

static void l1_takes(struct ex_regs *regs)
{
	shared.taken++;
	x2apic_write_reg(APIC_EOI, 0);
}

static void l2_spin(void)
{
	for (;;) {
		for (shared.spins = 0; shared.spins < shared.limit; shared.spins++)
			;
		nvx_l2_vmcall();
	}
}

/* Let the other vCPU post an interrupt; it may come before HLT, or after. */
static void l2_wait_running(void)
{
	uint64_t n;

	for (;;) {
		n = shared.handled + 1;
		shared.asked = n;
		while (shared.handled < n && !shared.lost)
			cpu_relax();
		nvx_l2_vmcall();
	}
}

static void l2_wait_halted(void)
{
	uint64_t n;

	for (;;) {
		asm volatile("cli");
		n = shared.handled + 1;
		shared.asked = n;
		asm volatile("sti; hlt" : : : "memory");
		/* STI lets one instruction pass, HLT is over when the handler has run. */
		nvx_l2_vmcall();
	}
}

static void start(void *l2)
{
	memset(&shared, 0, sizeof(shared));
	nvx_l1_restart(l2);
	vmwrite(GUEST_RFLAGS, 2 | INTERRUPT_FLAG);
	vmwrite(GUEST_ACTIVITY_STATE, 0);
	vmwrite(GUEST_INTERRUPTIBILITY_INFO, 0);
}

static bool exit_is(uint64_t reason)
{
	nvx_l1_enter();
	if (vmreadz(VM_EXIT_REASON) != reason)
		return false;
	if (reason != REASON_INTERRUPT)
		nvx_l1_skip_instruction();
	return true;
}

static bool vmcalls(int n)
{
	while (n--)
		if (!exit_is(EXIT_REASON_VMCALL))
			return false;
	return true;
}

/* The exit that brought an interrupt of L1's has its vector. */
static bool acknowledge(void)
{
	bool good = vmreadz(VM_EXIT_INTR_INFO) == (BIT(31) | L1_VECTOR);

	x2apic_write_reg(APIC_EOI, 0);
	return good;
}

/* L1 has interrupts off, one is pending: VM-entry, and L2 has not done anything. */
static bool check_pending(void)
{
	int i;

	start(l2_spin);
	for (i = 0; i < TURNS; i++) {
		shared.limit = 10;
		if (!vmcalls(3))
			return false;
		shared.spins = 0;
		shared.limit = SPINS;
		x2apic_write_reg(APIC_SELF_IPI, L1_VECTOR);
		if (!exit_is(REASON_INTERRUPT) || !acknowledge() ||
		    shared.spins > SPINS_FAR)
			return false;
	}
	return true;
}

/* One that the exit leaves in the APIC, whatever its vector: L1 takes it. */
static bool takes(unsigned int vector)
{
	shared.limit = 10;
	if (!vmcalls(3))
		return false;
	shared.taken = 0;
	shared.spins = 0;
	shared.limit = SPINS;
	x2apic_write_reg(APIC_SELF_IPI, vector);
	if (!exit_is(REASON_INTERRUPT) || shared.taken || shared.spins > SPINS_FAR)
		return false;
	asm volatile("sti; nop; cli" : : : "memory");
	return shared.taken == 1;
}

static bool check_left(void)
{
	uint64_t pin = vmreadz(PIN_BASED_VM_EXEC_CONTROL);
	uint64_t exit = vmreadz(VM_EXIT_CONTROLS);
	bool good = true;
	unsigned int i;

	vmwrite(PIN_BASED_VM_EXEC_CONTROL, pin & ~PIN_BASED_POSTED_INTR);
	vmwrite(VM_EXIT_CONTROLS, exit & ~VM_EXIT_ACK_INTR_ON_EXIT);
	start(l2_spin);
	for (i = 0; i < 8; i++)
		good &= takes(VECTOR_OF(i));
	vmwrite(VM_EXIT_CONTROLS, exit);
	vmwrite(PIN_BASED_VM_EXEC_CONTROL, pin);
	return good;
}

/* The host sends messages at any time. */
static bool check_messages(void)
{
	start(l2_spin);
	GUEST_SYNC(1);
	while (shared.received < MESSAGES) {
		shared.limit = 1 + shared.turns * 37 % 300;
		nvx_l1_enter();
		if (vmreadz(VM_EXIT_REASON) == REASON_INTERRUPT) {
			if (!acknowledge())
				return false;
			shared.received++;
		} else if (vmreadz(VM_EXIT_REASON) == EXIT_REASON_VMCALL) {
			nvx_l1_skip_instruction();
		} else {
			return false;
		}
		shared.turns++;
		if (shared.sent > shared.received &&
		    shared.turns > shared.sent_at + FAR)
			return false;
	}
	return true;
}

/* L2 gets what is posted, once, and L1 does not hear of it. */
static bool posted(void *l2)
{
	int i;

	start(l2);
	for (i = 1; i <= POSTS; i++)
		if (!exit_is(EXIT_REASON_VMCALL) || shared.handled != i)
			return false;
	return !shared.lost;
}

static bool check_running(void)
{
	return posted(l2_wait_running);
}

static bool check_halted(void)
{
	return posted(l2_wait_halted);
}

/* L0 waits for L2 because L1 has asked for it. */
static bool check_delegated(void)
{
	uint64_t exec = vmreadz(CPU_BASED_VM_EXEC_CONTROL);
	bool good;

	vmwrite(CPU_BASED_VM_EXEC_CONTROL, exec | CPU_BASED_HLT_EXITING);
	WRITE_ONCE(pv_hdr(pv_region)->deleg, NVX_PV_DELEG_HLT);
	good = posted(l2_wait_halted);
	WRITE_ONCE(pv_hdr(pv_region)->deleg, 0);
	vmwrite(CPU_BASED_VM_EXEC_CONTROL, exec);
	return good;
}

/* Something is posted, and the notification comes, while L1 runs. */
static bool check_not_running(void)
{
	uint64_t i, from, late;

	start(nvx_l2_vmcalls);
	for (i = 1; i <= POSTS; i++) {
		late = 0;
		if (!vmcalls(3) || shared.handled != i - 1)
			return false;
		from = rdtsc();
		shared.asked = i;
		while (!READ_ONCE(descriptor.requests[L2_VECTOR / 64]) &&
		       rdtsc() - from < PATIENCE)
			cpu_relax();
		/* The notification is on its way; at times it is late. */
		while (i % 3 && rdtsc() - from < BIT(16))
			cpu_relax();
		/* A vector of L1's own would end L2: there is none. */
		while (shared.handled != i) {
			if (!exit_is(EXIT_REASON_VMCALL) || shared.lost)
				return false;
			late += shared.sent == i;
			if (late > FAR)
				return false;
		}
	}
	return true;
}

#define BY_FIELD	1
#define BY_MEMORY	2

static const struct {
	const char *name;
	unsigned int modes;
	bool (*run)(void);
} checks[] = {
	{ "for L1, pending at VM-entry", 3, check_pending },
	{ "for L1, of each register of its APIC, taken by L1", 3, check_left },
	{ "for L1, at any time", 3, check_messages },
	{ "posted to L2 that runs", 3, check_running },
	{ "posted to L2 that is halted", 3, check_halted },
	{ "posted to L2 while L1 runs", 3, check_not_running },
	{ "posted to L2 that is halted, HLT delegated", BY_MEMORY, check_delegated },
};

#define NR_CHECKS	ARRAY_SIZE(checks)

/* Guest memory: BY_FIELD or BY_MEMORY. */
static uint64_t mode;

static void set(uint64_t field, uint64_t bits)
{
	GUEST_ASSERT(!vmwrite(field, vmreadz(field) | bits));
}

static void prepare(struct vmx_pages *vmx)
{
	int i;

	pv_features |= NVX_PV_FEAT_HLT;
	x2apic_enable();
	nvx_l1_init(vmx, nvx_l2_vmcalls);
	set(PIN_BASED_VM_EXEC_CONTROL, PIN_BASED_EXT_INTR_MASK | PIN_BASED_POSTED_INTR);
	set(CPU_BASED_VM_EXEC_CONTROL, CPU_BASED_TPR_SHADOW | CPU_BASED_USE_MSR_BITMAPS);
	set(SECONDARY_VM_EXEC_CONTROL, SECONDARY_EXEC_VIRTUALIZE_X2APIC_MODE |
	    SECONDARY_EXEC_APIC_REGISTER_VIRT | SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY);
	set(VM_EXIT_CONTROLS, VM_EXIT_ACK_INTR_ON_EXIT);
	vmwrite(MSR_BITMAP, vmx->msr_gpa);
	vmwrite(VIRTUAL_APIC_PAGE_ADDR, virtual_apic_gpa);
	vmwrite(TPR_THRESHOLD, 0);
	vmwrite(GUEST_INTR_STATUS, 0);
	for (i = 0; i < 4; i++)
		vmwrite(EOI_EXIT_BITMAP0 + 2 * i, 0);
	vmwrite(POSTED_INTR_NV, NOTIFICATION);
	vmwrite(POSTED_INTR_DESC_ADDR, descriptor_gpa);
}

/* GUEST_SYNC(1) for messages, 2 * i + 100 after check i, + 1 if it passed. */
static void l1_guest_code(struct vmx_pages *vmx)
{
	uint64_t i;

	prepare(vmx);
	for (i = 0; i < NR_CHECKS; i++)
		if (checks[i].modes & mode)
			GUEST_SYNC(100 + 2 * i + checks[i].run());
	shared.over = 1;
	GUEST_DONE();
}

static void post(void)
{
	uint64_t *word = &descriptor.requests[L2_VECTOR / 64];

	asm volatile("lock bts %1, %0" : "+m"(*word) : "r"(L2_VECTOR % 64ul) : "cc");
	asm volatile("lock bts %1, %0"
		     : "+m"(descriptor.control) : "r"(OUTSTANDING + 0ul) : "cc");
	x2apic_write_reg(APIC_ICR, APIC_DM_FIXED | NOTIFICATION);
}

/* Who waits for ever is woken up by an interrupt for L1. */
static void see_to_it(uint64_t n)
{
	uint64_t from = rdtsc();

	while (shared.handled < n && shared.asked == n && !shared.over)
		if (rdtsc() - from > PATIENCE) {
			shared.lost = n;
			x2apic_write_reg(APIC_ICR, APIC_DM_FIXED | L1_VECTOR);
			return;
		}
}

static void sender_code(void)
{
	uint64_t n, last = 0, from, posts = 0;

	x2apic_enable();
	while (!shared.over) {
		n = shared.asked;
		if (n == last || !n) {
			last = n;
			cpu_relax();
			continue;
		}
		last = n;
		/* At once, at about the time of HLT, and when L2 is halted. */
		for (from = rdtsc(); rdtsc() - from < posts % 3 * BIT(12) * (posts % 5); )
			;
		posts++;
		post();
		shared.sent = n;
		see_to_it(n);
	}
	GUEST_DONE();
}

/* The host's side. */
static struct nvx_vm v;
static struct shared *guest;
static volatile bool messages_over;

static void *send_messages(void *unused)
{
	struct kvm_msi msi = { .address_lo = 0xfee00000, .data = L1_VECTOR };
	unsigned int i;

	for (i = 1; i <= MESSAGES && !messages_over; i++) {
		TEST_ASSERT(__vm_ioctl(v.vm, KVM_SIGNAL_MSI, &msi) == 1,
			    "A message was not delivered");
		guest->sent_at = guest->turns;
		guest->sent = i;
		while (guest->received < i && !messages_over)
			usleep(i * 7 % 90);
	}
	return NULL;
}

static void *run_sender(void *vcpu)
{
	struct nvx_vm other = { .vm = v.vm, .vcpu = vcpu };

	while (nvx_run(&other, NULL))
		;
	return NULL;
}

/* Signals are for the thread of the first vCPU. */
static pthread_t thread_of(void *(*code)(void *), void *data)
{
	pthread_t thread;
	sigset_t all, old;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &old);
	TEST_ASSERT(!pthread_create(&thread, NULL, code, data), "No thread");
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return thread;
}

static void print_state(void)
{
	ksft_print_msg("sent %lu at turn %lu, received %lu, turn %lu; asked %lu, handled %lu, spins %lu, lost %lu\n",
		       guest->sent, guest->sent_at, guest->received, guest->turns,
		       guest->asked, guest->handled, guest->spins, guest->lost);
}

/* Nobody waits for ever. */
static void out_of_time(int signal)
{
	struct kvm_regs regs;

	vcpu_regs_get(v.vcpu, &regs);
	print_state();
	TEST_FAIL("The guest does not get on: RIP %#llx, RFLAGS %#llx", regs.rip,
		  regs.rflags);
}

static void report(uint64_t stage)
{
	unsigned int i = (stage - 100) / 2;

	alarm(SECONDS);
	if (!(stage & 1))
		print_state();
	nvx_result(stage & 1, "%s%s", checks[i].name,
		   mode == BY_FIELD ? "" : ", VMCS in memory");
}

static struct kvm_vcpu *create(uint64_t how)
{
	struct kvm_vcpu *sender;
	unsigned int i;

	mode = how;
	nvx_use_pv = how == BY_MEMORY;
	nvx_vm_create(&v, l1_guest_code);
	sender = vm_vcpu_add(v.vm, 1, sender_code);
	vcpu_init_descriptor_tables(sender);
	vm_install_exception_handler(v.vm, L2_VECTOR, l2_handler);
	vm_install_exception_handler(v.vm, L1_VECTOR, l1_handler);
	vm_install_exception_handler(v.vm, NOTIFICATION, l1_handler);
	for (i = 0; i < 8; i++)
		vm_install_exception_handler(v.vm, VECTOR_OF(i), l1_takes);
	virtual_apic_gpa = addr_gva2gpa(v.vm, (vm_vaddr_t)virtual_apic);
	descriptor_gpa = addr_gva2gpa(v.vm, (vm_vaddr_t)&descriptor);
	sync_global_to_guest(v.vm, virtual_apic_gpa);
	sync_global_to_guest(v.vm, descriptor_gpa);
	sync_global_to_guest(v.vm, mode);
	sync_global_to_guest(v.vm, nvx_use_pv);
	guest = addr_gva2hva(v.vm, (vm_vaddr_t)&shared);
	return sender;
}

static void run_mode(uint64_t how)
{
	pthread_t sender = thread_of(run_sender, create(how)), messages = 0;
	uint64_t stage;

	while (nvx_run(&v, &stage)) {
		if (stage == 1) {
			messages_over = false;
			messages = thread_of(send_messages, NULL);
			continue;
		}
		messages_over = true;
		if (messages)
			pthread_join(messages, NULL);
		messages = 0;
		report(stage);
	}
	pthread_join(sender, NULL);
	nvx_vm_destroy(&v);
}

static int results(unsigned int how)
{
	unsigned int i;
	int n = 0;

	for (i = 0; i < NR_CHECKS; i++)
		n += !!(checks[i].modes & how);
	return n;
}

int main(void)
{
	bool pv = nvx_feature("pv") && nvx_feature("deleg");
	uint64_t entries;

	TEST_REQUIRE(kvm_cpu_has(X86_FEATURE_VMX));
	TEST_REQUIRE(nvx_param("ept"));
	TEST_REQUIRE(nvx_param("unrestricted_guest"));
	TEST_REQUIRE(nvx_param("enable_apicv"));

	setlinebuf(stdout);
	signal(SIGALRM, out_of_time);
	alarm(SECONDS);
	ksft_print_header();
	ksft_set_plan(results(BY_FIELD) + (pv ? results(BY_MEMORY) : 0) + 1);
	entries = nvx_counter("fast_entry");
	run_mode(BY_FIELD);
	if (pv)
		run_mode(BY_MEMORY);
	entries = nvx_counter("fast_entry") - entries;
	nvx_result(entries > TURNS || !nvx_feature("fast"),
		   "%lu VM-entries in the short form", entries);
	ksft_finished();
}
