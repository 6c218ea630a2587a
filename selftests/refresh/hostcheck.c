// SPDX-License-Identifier: GPL-2.0-only
/*
 * hostcheck: does the host's user space still work?  TAP, one line per part of
 * the machine that a hypervisor could break.  "hostcheck cpuid" prints all
 * leaves of CPUID instead, "hostcheck below" a number for each CPU: 1 if the shim
 * is below it.
 */
#include <cpuid.h>
#include <linux/membarrier.h>
#include <linux/perf_event.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../../include/refresh/shim.h"

#define FORKS		4
#define TICKS		3
#define PORT_DELAY	0x80
#define IPIS		500
#define FAULTS		32

static int count, failed;

static void report(const char *name, int ok)
{
	printf("%sok %d - %s\n", ok ? "" : "not ", ++count, name);
	failed += !ok;
}

static double series(void)
{
	volatile double x = 1;
	int i;

	for (i = 1; i < 2000; i++)
		x += 1.0 / i;
	return x;
}

/* x87 and SSE state survives preemption and fork. */
static int check_fork(void)
{
	int i, st, good = 0;

	for (i = 0; i < FORKS; i++) {
		if (!fork()) {
			double x = series();

			_exit(x > 9.17 && x < 9.19 ? 7 : 1);
		}
		wait(&st);
		good += WIFEXITED(st) && WEXITSTATUS(st) == 7;
	}
	return good == FORKS;
}

static volatile sig_atomic_t ticks;

static void on_tick(int sig)
{
	ticks++;
}

static int check_timer(void)
{
	struct itimerval timer = { { 0, 2000 }, { 0, 2000 } };

	signal(SIGALRM, on_tick);
	setitimer(ITIMER_REAL, &timer, NULL);
	while (ticks < TICKS)
		pause();
	memset(&timer, 0, sizeof(timer));
	setitimer(ITIMER_REAL, &timer, NULL);
	return 1;
}

static int check_clock(void)
{
	struct timespec a, b;
	int i;

	clock_gettime(CLOCK_MONOTONIC, &a);
	for (i = 0; i < 1000; i++) {
		clock_gettime(CLOCK_MONOTONIC, &b);
		if (b.tv_sec < a.tv_sec ||
		    (b.tv_sec == a.tv_sec && b.tv_nsec < a.tv_nsec))
			return 0;
		a = b;
	}
	return 1;
}

/* The I/O bitmap lies behind the limit of TR that a VM exit leaves. */
static int check_ioperm(void)
{
	if (ioperm(PORT_DELAY, 1, 1))
		return 0;
	outb(1, PORT_DELAY);
	return !ioperm(PORT_DELAY, 1, 0);
}

static volatile sig_atomic_t faults;

static void on_fault(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	faults++;
	uc->uc_mcontext.gregs[REG_RIP] += 3;
}

static int check_vmcall(void)
{
	struct sigaction action = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO };

	/* In user mode VMCALL is #UD or #GP: never an answer. */
	sigaction(SIGILL, &action, NULL);
	sigaction(SIGSEGV, &action, NULL);
	asm volatile("vmcall" : : "a" (0x53480000) : "memory");
	return faults == 1;
}

/* As the kernel sees the CPU. */
static int has_flag(const char *flag)
{
	char line[8192], *word;
	FILE *file = fopen("/proc/cpuinfo", "r");
	int found = 0;

	while (file && !found && fgets(line, sizeof(line), file)) {
		if (strncmp(line, "flags", 5))
			continue;
		for (word = strtok(line, " "); word; word = strtok(NULL, " "))
			found |= !strcmp(word, flag);
	}
	if (file)
		fclose(file);
	return found;
}

/* YMM registers survive the switches between two processes that use them. */
static int avx_child(unsigned char seed)
{
	unsigned char in[32], out[32];
	int i;

	for (i = 0; i < 32; i++)
		in[i] = seed + i;
	for (i = 0; i < 50; i++) {
		memset(out, 0, sizeof(out));
		asm volatile("vmovdqu %1, %%ymm5\n\t"
			     "mov $24, %%eax\n\t"	/* sched_yield */
			     "syscall\n\t"
			     "vmovdqu %%ymm5, %0"
			     : "=m" (out) : "m" (in)
			     : "rax", "rcx", "r11", "xmm5", "memory");
		if (memcmp(in, out, sizeof(in)))
			return 1;
	}
	return 0;
}

static int check_avx(void)
{
	int i, st, good = 0;

	for (i = 0; i < 2; i++)
		if (!fork())
			_exit(avx_child(17 * i));
	for (i = 0; i < 2; i++) {
		wait(&st);
		good += WIFEXITED(st) && !WEXITSTATUS(st);
	}
	return good == 2;
}

static int check_cpuid(void)
{
	unsigned int a, b, c, d, first, n = 0, i;

	__cpuid(0, first, b, c, d);
	for (i = 0; i < 20; i++) {
		__cpuid(0, a, b, c, d);
		n += a == first && b == signature_INTEL_ebx;
	}
	/* VMX is there, and no other hypervisor than at boot; OSXSAVE tells of the host's CR4. */
	__cpuid(1, a, b, c, d);
	return n == 20 && (int)(c >> 31) == has_flag("hypervisor") && (c >> 5 & 1) &&
	       (int)(c >> 27 & 1) == has_flag("xsave");
}

/* All leaves but the one with counters that run, to be compared. */
static void print_cpuid(unsigned int first)
{
	unsigned int leaf, sub, last, a, b, c, d;

	__cpuid(first, last, b, c, d);
	for (leaf = first; leaf <= last; leaf++) {
		for (sub = 0; sub < 8; sub++) {
			__cpuid_count(leaf, sub, a, b, c, d);
			printf("%08x.%u %08x %08x %08x %08x\n", leaf, sub, a, b, c, d);
		}
	}
}

/* Step through CPUID: the trap must come right behind it. */
static int check_step(void)
{
	struct user_regs_struct regs;
	unsigned long before;
	pid_t child;
	int st, i, good = 0;

	child = fork();
	if (!child) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		raise(SIGSTOP);
		asm volatile("mov $0x5ec1a1, %%r15d\n\t"
			     "xor %%eax, %%eax\n\t"
			     "cpuid\n\t"
			     "nop\n\t"
			     "xor %%r15d, %%r15d"
			     : : : "rax", "rbx", "rcx", "rdx", "r15");
		_exit(0);
	}
	waitpid(child, &st, 0);
	for (i = 0; i < 20000 && WIFSTOPPED(st); i++) {
		ptrace(PTRACE_GETREGS, child, NULL, &regs);
		before = regs.rip;
		if (regs.r15 == 0x5ec1a1 &&
		    (ptrace(PTRACE_PEEKTEXT, child, before, NULL) & 0xffff) == 0xa20f) {
			ptrace(PTRACE_SINGLESTEP, child, NULL, NULL);
			waitpid(child, &st, 0);
			ptrace(PTRACE_GETREGS, child, NULL, &regs);
			good = regs.rip == before + 2;
			break;
		}
		ptrace(PTRACE_SINGLESTEP, child, NULL, NULL);
		waitpid(child, &st, 0);
	}
	ptrace(PTRACE_KILL, child, NULL, NULL);
	waitpid(child, &st, 0);
	return good;
}

/* A hardware breakpoint on data. */
static int check_watch(void)
{
	static volatile long watched;
	size_t dr0 = offsetof(struct user, u_debugreg[0]);
	size_t dr7 = offsetof(struct user, u_debugreg[7]);
	pid_t child;
	int st, hit;

	child = fork();
	if (!child) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		raise(SIGSTOP);
		watched = 1;
		_exit(0);
	}
	waitpid(child, &st, 0);
	ptrace(PTRACE_POKEUSER, child, dr0, &watched);
	/* DR0 enabled, on writes of 4 bytes */
	ptrace(PTRACE_POKEUSER, child, dr7, 0xd0001);
	ptrace(PTRACE_CONT, child, NULL, NULL);
	waitpid(child, &st, 0);
	hit = WIFSTOPPED(st) && WSTOPSIG(st) == SIGTRAP;
	ptrace(PTRACE_KILL, child, NULL, NULL);
	waitpid(child, &st, 0);
	return hit;
}

static void run_on(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static volatile int spinning, stop_spinning;

/* Above every ordinary task: nobody else has this CPU while it computes. */
static void *spin(void *cpu)
{
	struct sched_param first = { .sched_priority = 1 };

	run_on((long)cpu);
	if (sched_setscheduler(0, SCHED_FIFO, &first))
		perror("sched_setscheduler");
	spinning = 1;
	while (!stop_spinning)
		;
	return NULL;
}

/* Function-call interrupts that CPU 1 has taken. */
static long call_interrupts(void)
{
	char line[1024];
	FILE *file = fopen("/proc/interrupts", "r");
	long first, second, count = -1;

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, " CAL: %ld %ld", &first, &second) == 2)
			count = second;
	if (file)
		fclose(file);
	return count;
}

/*
 * Each membarrier() interrupts the CPU on which the other thread computes, and
 * waits for its answer, unless a thread of the kernel computes there.
 */
static int check_ipis(void)
{
	pthread_t thread;
	long before, after;
	int i, r = 0;

	run_on(0);
	if (syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) ||
	    pthread_create(&thread, NULL, spin, (void *)1l))
		return 0;
	while (!spinning)
		sched_yield();
	before = call_interrupts();
	for (i = 0; i < IPIS; i++)
		r |= syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
	after = call_interrupts();
	stop_spinning = 1;
	pthread_join(thread, NULL);
	printf("# %ld interrupts for %d calls\n", after - before, IPIS);
	return !r && after - before > IPIS * 9 / 10;
}

static int open_event(uint32_t type, uint64_t config)
{
	struct perf_event_attr attr = {
		.type = type, .size = sizeof(attr), .config = config,
		.exclude_hv = 1,
	};

	return syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0);
}

static uint64_t read_event(int fd)
{
	uint64_t value = 0;

	if (read(fd, &value, sizeof(value)) != sizeof(value))
		return 0;
	return value;
}

/* Events of the kernel, and of the CPU where it has counters. */
static int check_perf(void)
{
	int faults = open_event(PERF_TYPE_SOFTWARE, PERF_COUNT_SW_PAGE_FAULTS);
	int clock = open_event(PERF_TYPE_SOFTWARE, PERF_COUNT_SW_TASK_CLOCK);
	int insns = open_event(PERF_TYPE_HARDWARE, PERF_COUNT_HW_INSTRUCTIONS);
	size_t size = FAULTS * 4096, i;
	char *fresh = mmap(NULL, size, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t before;
	int good;

	if (faults < 0 || clock < 0 || fresh == MAP_FAILED)
		return 0;
	madvise(fresh, size, MADV_NOHUGEPAGE);
	before = read_event(faults);
	for (i = 0; i < size; i += 4096)
		fresh[i] = 1;
	good = read_event(faults) - before == FAULTS && series() > 1 &&
	       read_event(clock) > 0;
	if (insns >= 0)
		good &= read_event(insns) > FAULTS;
	printf("# counters of the CPU: %s\n", insns < 0 ? "none" : "yes");
	close(faults);
	close(clock);
	if (insns >= 0)
		close(insns);
	munmap(fresh, size);
	return good;
}

static void print_below(void)
{
	unsigned int a, b, c, d;
	long cpu;

	for (cpu = 0; cpu < sysconf(_SC_NPROCESSORS_ONLN); cpu++) {
		run_on(cpu);
		__cpuid_count(SHIM_CPUID_LEAF, SHIM_CPUID_ASK, a, b, c, d);
		printf("%d\n", a == SHIM_ABI_VERSION && b == SHIM_CPUID_EBX);
	}
}

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "cpuid")) {
		/* Some leaves tell which CPU it is. */
		run_on(0);
		print_cpuid(0);
		print_cpuid(0x40000000);
		print_cpuid(0x80000000);
		return 0;
	}
	if (argc > 1 && !strcmp(argv[1], "below")) {
		print_below();
		return 0;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	report("fork and floating point", check_fork());
	if (has_flag("avx"))
		report("AVX registers", check_avx());
	report("timer signals", check_timer());
	report("the clock does not go back", check_clock());
	report("ioperm", check_ioperm());
	report("VMCALL of user space faults", check_vmcall());
	report("CPUID", check_cpuid());
	report("single-step over CPUID", check_step());
	report("hardware breakpoint", check_watch());
	report("perf events", check_perf());
	if (sysconf(_SC_NPROCESSORS_ONLN) > 1)
		report("interrupts from CPU to CPU", check_ipis());
	printf("1..%d\n", count);
	return failed != 0;
}
