// SPDX-License-Identifier: GPL-2.0-only
/*
 * nvx_smp_test - What another CPU does while a vCPU takes the short forms.
 *
 * A thread on one CPU moves the vCPU's thread between CPUs, takes its memory away and
 * exchanges it, or flushes as another vCPU, while L1 and L2 take turns without a return
 * to user space: that alone would make L0 forget its record.  L1 and L2 check what
 * they see.  Each check ends after a number of rounds, of which each one waits for the
 * guest; a guest that does not get on in time is a failure.
 *
 * All of it is done with a VMCS that VMWRITE fills, then with one in memory.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/compiler.h>

#include "nvx_memory.h"
#include "nvx_pv.h"

#define ID_FLAG		BIT(21)
#define INTERRUPT_FLAG	BIT(9)
#define PIN_TIMER	BIT(6)
#define REASON_TIMER	52
#define FILL		(EPT_RWX | EPT_WB | EPT_A | EPT_D)
#define R12		11		/* in nvx_l2_regs */

#define TIMER_RATE	5
#define TIMER_CYCLES	BIT(20)
#define TIMER_NEVER	0xffffffffu
/* Another CPU may keep the vCPU waiting, but not for that long. */
#define TIMER_LATE	(TIMER_CYCLES * 64)
#define SPINS		(TIMER_CYCLES * 8)

/* Pages of the window: never lost, lost at any time, the same for KSM. */
#define KEPT		0
#define LOST		64
#define SAME		128
#define AREA		64
#define AT_ONCE		16
#define SAME_VALUE	0x5a5a5a5a5aul

#define FLUSHES		100

/* Guest memory, in one page: the host has a pointer to it. */
struct shared {
	/* Host: the rounds are over; L1: the check is; turns that L1 has done. */
	volatile uint64_t stop, over, progress;
	/* The first thing that was wrong: where in this file. */
	volatile uint64_t wrong, found, expected;
	/* Host: exchanges of a page begun and ended. */
	volatile uint64_t seq;
	/* L1 waits, with nothing of L2's in use, for an exchange. */
	volatile uint64_t asked, done;
	/* The other vCPU: flushes that have ended; this one: L2's looks at the page. */
	volatile uint64_t epoch, looks;
};

static struct shared shared __attribute__((aligned(256)));
static_assert(sizeof(struct shared) <= 256, "it must not cross a page");

static struct vmx_pages *vmx;
static uint64_t l2_flags;
static volatile uint64_t l2_kind, record[3 * AREA];
static volatile struct {
	uint64_t r12, rflags, tsc, data;
} seen;

/* Where SYSCALL went. */
volatile uint64_t smp_landed;
void smp_land_1(void);
void smp_land_2(void);

asm(".text\n"
	"smp_land_1: movq $1, smp_landed(%rip); jmp *%rcx\n"
	"smp_land_2: movq $2, smp_landed(%rip); jmp *%rcx\n");

static bool wrong(uint64_t what, uint64_t found, uint64_t expected)
{
	if (!shared.wrong) {
		shared.wrong = what;
		shared.found = found;
		shared.expected = expected;
	}
	return false;
}

static bool same(uint64_t what, uint64_t found, uint64_t expected)
{
	return found == expected || wrong(what, found, expected);
}

static bool exit_is(uint64_t reason)
{
	nvx_l1_enter();
	if (!same(__LINE__, vmreadz(VM_EXIT_REASON), reason))
		return false;
	if (reason != REASON_TIMER)
		nvx_l1_skip_instruction();
	return true;
}

static void start(void *l2)
{
	nvx_l1_restart(l2);
	vmwrite(GUEST_RFLAGS, l2_flags);
	vmwrite(GUEST_ACTIVITY_STATE, 0);
}

/* Registers of all kinds: L1 gives L2 other ones at each turn. */
static void l2_registers(void)
{
	for (;;) {
		asm volatile("vmcall; mov %%r12, %0; pushfq; pop %1"
			     : "=m"(seen.r12), "=m"(seen.rflags) : : "r12", "memory");
		seen.tsc = rdtsc();
		asm volatile("syscall" : : : "rcx", "r11", "memory");
		seen.data = *nvx_window_gva(KEPT);
	}
}

static bool turn_with(uint64_t n)
{
	uint64_t flags = l2_flags | (n & 1 ? ID_FLAG : 0), before = rdtsc();
	void *target = n & 2 ? smp_land_2 : smp_land_1;

	nvx_l2_regs[R12] = n;
	*nvx_window_gva(KEPT) = ~n;
	wrmsr(MSR_LSTAR, (uint64_t)target);
	vmwrite(GUEST_RFLAGS, flags);
	smp_landed = 0;
	return exit_is(EXIT_REASON_VMCALL) && same(__LINE__, seen.r12, n) &&
	       same(__LINE__, seen.rflags & ID_FLAG, flags & ID_FLAG) &&
	       same(__LINE__, smp_landed, n & 2 ? 2 : 1) &&
	       same(__LINE__, seen.data, ~n) &&
	       same(__LINE__, rdmsr(MSR_LSTAR), (uint64_t)target) &&
	       (seen.tsc >= before || wrong(__LINE__, seen.tsc, before)) &&
	       (rdtsc() >= seen.tsc || wrong(__LINE__, rdtsc(), seen.tsc));
}

static bool guest_registers(void)
{
	uint64_t n = 0;

	wrmsr(MSR_STAR, 0x8ul << 32);
	wrmsr(MSR_SYSCALL_MASK, 0);
	start(l2_registers);
	if (!exit_is(EXIT_REASON_VMCALL))
		return false;
	while (!shared.stop) {
		if (!turn_with(++n))
			return false;
		shared.progress++;
	}
	return true;
}

enum { SPIN, FAULT, HALT, KINDS };

static void l2_timer(void)
{
	uint64_t i;

	for (;;) {
		if (l2_kind == FAULT)
			seen.data = *nvx_window_gva(KEPT);
		if (l2_kind == HALT)
			asm volatile("hlt");
		for (i = 0; i < SPINS && l2_kind < KINDS; i++)
			;
		nvx_l2_vmcall();
	}
}

/* L2 runs on, after a page fault of L0's, or waits, until its timer is due. */
static bool timer_is_due(uint64_t kind)
{
	uint64_t start_tsc, elapsed;
	int i;

	vmwrite(VMX_PREEMPTION_TIMER_VALUE, TIMER_NEVER);
	start(l2_timer);
	l2_kind = KINDS;
	for (i = 0; i < 3; i++)
		if (!exit_is(EXIT_REASON_VMCALL))
			return false;
	if (kind == FAULT)
		nvx_invept(1);
	l2_kind = kind;
	vmwrite(VMX_PREEMPTION_TIMER_VALUE, TIMER_CYCLES >> TIMER_RATE);
	start_tsc = rdtsc();
	if (!exit_is(REASON_TIMER))
		return false;
	elapsed = rdtsc() - start_tsc;
	vmwrite(GUEST_ACTIVITY_STATE, 0);
	return (elapsed >= TIMER_CYCLES && elapsed < TIMER_LATE) ||
	       wrong(__LINE__, elapsed, TIMER_CYCLES);
}

static bool guest_timer(void)
{
	uint64_t pin = vmreadz(PIN_BASED_VM_EXEC_CONTROL);
	bool good = true;

	vmwrite(PIN_BASED_VM_EXEC_CONTROL, pin | PIN_TIMER);
	while (good && !shared.stop) {
		good = timer_is_due(shared.progress % KINDS);
		shared.progress++;
	}
	vmwrite(PIN_BASED_VM_EXEC_CONTROL, pin);
	return good;
}

static void visit(unsigned int page)
{
	volatile uint64_t *p = nvx_window_gva(page);
	uint64_t value = *p;

	if (page >= SAME) {
		same(__LINE__, value, SAME_VALUE);
		/* Now and then, or KSM would never merge them. */
		if (page % 8 == shared.progress / 64 % 8)
			*p = SAME_VALUE;
		return;
	}
	if (page < LOST || value)
		same(__LINE__, value, record[page]);
	*p = ++record[page];
}

static void l2_pages(void)
{
	unsigned int next = 0, i;

	for (;;) {
		for (i = 0; i < AT_ONCE; i++)
			visit(next++ % (3 * AREA));
		nvx_l2_vmcall();
	}
}

/* EPT12 lacks a page: L1 maps it, and L0 may do so before L2 misses it again. */
static bool pages_turn(unsigned int missing)
{
	unsigned int page = missing % (3 * AREA);

	if (missing % 4 == 0) {
		*nvx_window_pte(page) = 0;
		nvx_invept(1);
	}
	for (;;) {
		nvx_l1_enter();
		if (vmreadz(VM_EXIT_REASON) != EXIT_REASON_EPT_VIOLATION)
			break;
		page = (vmreadz(GUEST_PHYSICAL_ADDRESS) - WINDOW_GPA) / 4096;
		*nvx_window_pte(page) = nvx_window_gpa(page) | FILL;
	}
	*nvx_window_pte(page) = nvx_window_gpa(page) | FILL;
	if (!same(__LINE__, vmreadz(VM_EXIT_REASON), EXIT_REASON_VMCALL))
		return false;
	nvx_l1_skip_instruction();
	return !shared.wrong;
}

static bool guest_pages(void)
{
	unsigned int i;

	for (i = 0; i < 3 * AREA; i++) {
		record[i] = i < SAME ? i << 20 : SAME_VALUE;
		*nvx_window_gva(i) = record[i];
	}
	start(l2_pages);
	while (!shared.stop) {
		if (!pages_turn(shared.progress))
			return false;
		shared.progress++;
	}
	/* What L2 has written is where L1 finds it. */
	for (i = 0; i < AREA; i++)
		if (!same(__LINE__, *nvx_window_gva(KEPT + i), record[KEPT + i]))
			return false;
	return true;
}

static void l2_msr(void)
{
	for (;;) {
		rdmsr(MSR_KERNEL_GS_BASE);
		nvx_l2_vmcall();
	}
}

/* The host puts another bitmap at the place of this one; bit 1 of @seq says which. */
static bool guest_bitmap(void)
{
	uint64_t before, after, reason;

	start(l2_msr);
	while (!shared.stop) {
		before = shared.seq;
		nvx_l1_enter();
		reason = vmreadz(VM_EXIT_REASON);
		after = shared.seq;
		nvx_l1_skip_instruction();
		if (reason == EXIT_REASON_MSR_READ && !exit_is(EXIT_REASON_VMCALL))
			return false;
		if (before != after || before & 1)
			continue;
		if (!same(__LINE__, reason, before & 2 ? EXIT_REASON_MSR_READ :
			  EXIT_REASON_VMCALL))
			return false;
		shared.progress++;
	}
	return true;
}

static void l2_two_reasons(void)
{
	uint32_t eax, ebx, ecx, edx;

	for (;;) {
		asm volatile("pushfq; pop %0" : "=m"(seen.rflags));
		eax = 0;
		if (l2_kind)
			asm volatile("cpuid" : "+a"(eax), "=b"(ebx), "=c"(ecx), "=d"(edx));
		else
			nvx_l2_vmcall();
	}
}

static bool region_turn(uint64_t n)
{
	uint64_t flags = l2_flags | (n & 1 ? ID_FLAG : 0);

	l2_kind = n / 2 % 2;
	nvx_l1_restart(l2_two_reasons);
	vmwrite(GUEST_RFLAGS, flags);
	return exit_is(l2_kind ? EXIT_REASON_CPUID : EXIT_REASON_VMCALL) &&
	       same(__LINE__, seen.rflags & ID_FLAG, flags & ID_FLAG);
}

/* Where the assist page is now L1 names no VMCS: VM-entry has to fail. */
static bool assist_is_read(void)
{
	uint64_t failed;

	pv_assist(vmx)->current_vmcs = NVX_PV_NO_VMCS;
	failed = nvx_l1_try_enter();
	pv_assist(vmx)->current_vmcs = vmx->vmcs_gpa;
	return same(__LINE__, failed, 1);
}

/* The pages that L0 has mapped are exchanged while L1 waits, and runs. */
static bool guest_regions(void)
{
	uint64_t n;

	start(l2_two_reasons);
	for (n = 1; !shared.stop; n++) {
		if (!region_turn(n) || !region_turn(n + 1))
			return false;
		shared.asked = n;
		while (shared.done != n && !shared.stop)
			cpu_relax();
		if ((n % 3 == 0 && !assist_is_read()) || !region_turn(n + 2))
			return false;
		shared.progress++;
	}
	return true;
}

static void l2_look(void)
{
	uint64_t epoch, value;

	while (!shared.stop && !shared.wrong) {
		epoch = shared.epoch;
		value = *nvx_window_gva(KEPT);
		if (value < epoch)
			wrong(__LINE__, value, epoch);
		shared.looks++;
	}
	for (;;)
		nvx_l2_vmcall();
}

/* L2 does not leave; whatever it sees the other vCPU has put there. */
static bool guest_looks(void)
{
	*nvx_window_gva(KEPT) = 0;
	start(l2_look);
	return exit_is(EXIT_REASON_VMCALL) && !shared.wrong;
}

static void flush_range(struct nvx_pv_flush *flush, uint64_t eptp)
{
	flush->op = NVX_PV_RANGE;
	flush->eptp = eptp;
	flush->nr_pages = 1;
	flush->gpa = nvx_window_gpa(KEPT);
	GUEST_ASSERT(!wrmsr_safe(MSR_NVX_PV_FLUSH, NVX_PV_FLUSH_REMOTE));
}

/* Each time another page, with a larger number in it, is at the place of the first. */
static void flusher_code(struct vmx_pages *pages, uint64_t eptp)
{
	struct nvx_pv_assist *assist = pv_assist(pages);
	uint64_t n, looks;

	GUEST_ASSERT(prepare_for_vmx_operation(pages));
	pv_init_assist(pages);
	GUEST_ASSERT(!pv_enable());
	for (n = 1; n <= FLUSHES && !shared.wrong; n++) {
		looks = shared.looks;
		while (shared.looks < looks + 20 && !shared.wrong)
			cpu_relax();
		*nvx_window_gva(n) = n;
		*nvx_window_pte(KEPT) = nvx_window_gpa(n) | FILL;
		flush_range(&assist->remote, eptp);
		shared.epoch = n;
	}
	shared.stop = 1;
	GUEST_DONE();
}

/* The host's side: one thread, on the other CPU. */
static struct nvx_vm v;
static struct kvm_vcpu *flusher;
static struct shared *guest;
static pid_t vcpu_thread;
static unsigned int moves;

#define MOVES		100
#define MOVED_TIMERS	30
#define ROUNDS		120
#define EXCHANGES	60
#define PATIENCE	5	/* seconds of the guest's time */

static void pin(pid_t thread, int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	TEST_ASSERT(!sched_setaffinity(thread, sizeof(set), &set),
		    "A thread cannot be moved to CPU %d", cpu);
}

/* False: the check is over already, because something was wrong. */
static bool await(volatile uint64_t *value, uint64_t at_least)
{
	time_t end = time(NULL) + PATIENCE;

	while (*value < at_least) {
		if (guest->over)
			return false;
		TEST_ASSERT(time(NULL) < end, "The guest does not get on");
		usleep(50);
	}
	return true;
}

static void move(void)
{
	pin(vcpu_thread, ++moves % 2);
}

static void host_moves(void)
{
	do {
		move();
	} while (await(&guest->progress, guest->progress + 8) && moves < MOVES);
}

static void host_moves_often(void)
{
	time_t end = time(NULL) + PATIENCE;

	while (guest->progress < MOVED_TIMERS && !guest->over) {
		TEST_ASSERT(time(NULL) < end, "L2 waits for a timer that does not end it");
		move();
		usleep(200);
	}
}

static void *area(unsigned int page)
{
	return addr_gpa2hva(v.vm, nvx_window_gpa(page));
}

static void discard(unsigned int round)
{
	nvx_discard(area(LOST + round * 7 % (AREA / 2)), AREA / 2);
}

static void unmap(unsigned int round)
{
	nvx_unmap(area(LOST + round * 5 % (AREA / 2)), AREA / 2);
}

static void protect(unsigned int round)
{
	nvx_protect(area(KEPT), AREA, round & 1 ? PROT_READ : PROT_NONE);
}

/* All of the VM's pages are written by copying while the child is there. */
static void copy_on_write(unsigned int round)
{
	int ends[2];
	char c;
	pid_t child;

	TEST_ASSERT(!pipe(ends), "pipe()");
	child = fork();
	TEST_ASSERT(child >= 0, "fork()");
	if (!child) {
		close(ends[1]);
		if (read(ends[0], &c, 1) < 0)
			_exit(1);
		_exit(0);
	}
	close(ends[0]);
	await(&guest->progress, guest->progress + 12);
	close(ends[1]);
	waitpid(child, NULL, 0);
	nvx_scribble(AREA);
}

static void compact(unsigned int round)
{
	if (round % 5 == 0)
		nvx_write_file("/proc/sys/vm/compact_memory", "1");
}

static void (* const changes[])(unsigned int round) = {
	discard, protect, unmap, compact, discard, copy_on_write,
};

#define KSM	"/sys/kernel/mm/ksm/"
#define KSM_TURNS	10000

static void host_changes(void)
{
	unsigned int i;
	bool ksm;

	madvise(area(SAME), AREA * 4096, MADV_MERGEABLE);
	nvx_write_file(KSM "sleep_millisecs", "1");
	ksm = nvx_write_file(KSM "run", "1");
	for (i = 0; i < ROUNDS; i++) {
		changes[i % ARRAY_SIZE(changes)](i);
		if (!await(&guest->progress, guest->progress + 2))
			break;
	}
	for (i = 0; ksm && !nvx_read_number(KSM "pages_sharing"); i++) {
		if (!await(&guest->progress, guest->progress + 8))
			break;
		TEST_ASSERT(i < KSM_TURNS, "KSM has not merged anything");
	}
	nvx_write_file(KSM "run", "2");
	nvx_write_file(KSM "run", "0");
}

static void host_bitmaps(void)
{
	unsigned int i;

	for (i = 0; i < EXCHANGES; i++) {
		guest->seq++;
		/* MSR_KERNEL_GS_BASE, 0xc0000102 */
		nvx_exchange(v.vmx->msr_hva, 1024 + 0x102 / 8, 1 << 0x102 % 8);
		guest->seq++;
		if (!await(&guest->progress, guest->progress + 6))
			break;
	}
}

static void host_regions(void)
{
	unsigned int i;

	for (i = 1; i <= EXCHANGES; i++) {
		if (!await(&guest->asked, i))
			break;
		nvx_exchange(i % 3 ? v.vmx->vmcs_hva : v.vmx->vmxon_hva, 0, 0);
		guest->done = i;
	}
	await(&guest->progress, EXCHANGES);
}

static void host_flushes(void)
{
	struct nvx_vm other = { .vm = v.vm, .vcpu = flusher };

	while (nvx_run(&other, NULL))
		;
}

#define BY_FIELD	1	/* VMWRITE */
#define BY_MEMORY	2	/* the VMCS in memory */

static const struct {
	const char *name;
	unsigned int modes;
	bool (*run)(void);
	void (*host)(void);
} checks[] = {
	{ "registers while the thread moves", 3, guest_registers, host_moves },
	{ "preemption timers while the thread moves", 3, guest_timer, host_moves_often },
	{ "memory that comes and goes", 3, guest_pages, host_changes },
	{ "an MSR bitmap that is exchanged", 3, guest_bitmap, host_bitmaps },
	{ "a VMCS that is exchanged", BY_MEMORY, guest_regions, host_regions },
	{ "a range flushed from the other CPU", BY_MEMORY, guest_looks, host_flushes },
};

#define NR_CHECKS	ARRAY_SIZE(checks)

/* Guest memory: BY_FIELD or BY_MEMORY. */
static uint64_t mode;

static void prepare(struct vmx_pages *pages)
{
	unsigned int i;

	vmx = pages;
	pv_features |= NVX_PV_FEAT_RANGE;
	wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SCE);
	nvx_l1_init(vmx, l2_registers);
	vmwrite(CPU_BASED_VM_EXEC_CONTROL, vmreadz(CPU_BASED_VM_EXEC_CONTROL) |
		CPU_BASED_USE_MSR_BITMAPS);
	vmwrite(MSR_BITMAP, vmx->msr_gpa);
	l2_flags = vmreadz(GUEST_RFLAGS) | INTERRUPT_FLAG;
	for (i = 0; i < WINDOW_PAGES; i++)
		*nvx_window_pte(i) = nvx_window_gpa(i) | FILL;
}

/* Before check i a GUEST_SYNC(2 * i), after it 2 * i + 1 + 100 if it passed. */
static void l1_guest_code(struct vmx_pages *pages)
{
	uint64_t i, good;

	prepare(pages);
	for (i = 0; i < NR_CHECKS; i++) {
		if (!(checks[i].modes & mode))
			continue;
		memset(&shared, 0, sizeof(shared));
		GUEST_SYNC(2 * i);
		good = checks[i].run();
		shared.over = 1;
		GUEST_SYNC(2 * i + 1 + good * 100);
	}
	GUEST_DONE();
}

static void *host_thread(void *index)
{
	pin(0, 0);
	checks[(unsigned long)index].host();
	guest->stop = 1;
	return NULL;
}

/* As KVM_RUN does by itself, but memory may be away for a moment. */
static bool run_on(uint64_t *stage)
{
	int result;

	do {
		result = __vcpu_run(v.vcpu);
	} while (result && (errno == EFAULT || errno == EINTR));
	TEST_ASSERT(!result, "KVM_RUN: %s", strerror(errno));
	return nvx_ucall(&v, stage);
}

static uint64_t short_before, full_before;

static uint64_t full(void)
{
	return nvx_counter("fast_entry_full") + nvx_counter("fast_exit_full");
}

/* On another CPU one transition at least is KVM's own, those that follow are short. */
static void report_moves(void)
{
	uint64_t entries = nvx_counter("fast_entry") - short_before;
	uint64_t others = full() - full_before;

	if (!nvx_feature("fast"))
		ksft_test_result_skip("short forms between moves: nvx_fast is off\n");
	else
		nvx_result(entries >= MOVES && others >= MOVES,
			   "short forms between %u moves: %lu VM-entries, %lu others",
			   moves, entries, others);
}

static void run_check(unsigned int i)
{
	const char *how = mode == BY_FIELD ? "" : ", VMCS in memory";
	pthread_t thread;
	uint64_t stage;

	moves = 0;
	short_before = nvx_counter("fast_entry");
	full_before = full();
	pin(vcpu_thread, 1);
	TEST_ASSERT(!pthread_create(&thread, NULL, host_thread, (void *)(unsigned long)i),
		    "No thread for the other CPU");
	TEST_ASSERT(run_on(&stage) && stage % 100 == 2 * i + 1, "Another check has ended");
	pthread_join(thread, NULL);
	if (guest->wrong)
		ksft_print_msg("line %lu: %#lx instead of %#lx\n", guest->wrong,
			       guest->found, guest->expected);
	nvx_result(stage >= 100, "%s%s", checks[i].name, how);
	if (checks[i].run == guest_registers)
		report_moves();
}

static void add_flusher(void)
{
	vm_vaddr_t gva;

	flusher = vm_vcpu_add(v.vm, 1, flusher_code);
	vcpu_init_descriptor_tables(flusher);
	vcpu_set_cpuid_feature(flusher, X86_FEATURE_HYPERVISOR);
	vcpu_alloc_vmx(v.vm, &gva);
	vcpu_args_set(flusher, 2, gva, v.vmx->eptp_gpa);
}

static void run_mode(uint64_t how)
{
	uint64_t stage;

	mode = how;
	nvx_use_pv = how == BY_MEMORY;
	nvx_vm_create(&v, l1_guest_code);
	if (nvx_use_pv)
		add_flusher();
	sync_global_to_guest(v.vm, mode);
	sync_global_to_guest(v.vm, nvx_use_pv);
	guest = addr_gva2hva(v.vm, (vm_vaddr_t)&shared);
	while (run_on(&stage))
		run_check(stage / 2);
	nvx_vm_destroy(&v);
}

static int results(unsigned int how)
{
	unsigned int i;
	int n = 1;

	for (i = 0; i < NR_CHECKS; i++)
		n += !!(checks[i].modes & how);
	return n;
}

int main(void)
{
	bool pv = nvx_feature("pv") && nvx_feature("pv_range");

	TEST_REQUIRE(sysconf(_SC_NPROCESSORS_ONLN) >= 2);
	TEST_REQUIRE(kvm_cpu_has(X86_FEATURE_VMX));
	TEST_REQUIRE(nvx_param("ept"));
	TEST_REQUIRE(nvx_param("unrestricted_guest"));

	setlinebuf(stdout);
	ksft_print_header();
	ksft_set_plan(results(BY_FIELD) + (pv ? results(BY_MEMORY) : 0));
	vcpu_thread = syscall(SYS_gettid);
	run_mode(BY_FIELD);
	if (pv)
		run_mode(BY_MEMORY);
	ksft_finished();
}
