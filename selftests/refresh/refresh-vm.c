// SPDX-License-Identifier: GPL-2.0-only
/*
 * refresh-vm: a VM that notices when somebody touches its state.  The guest
 * works on memory, general registers and SSE registers, executes CPUID now and
 * then, and reports by OUT; the same sums are made here, and each report is
 * compared.
 *
 *	refresh-vm NAME REPORTS [cpuid]
 *
 * SIGTERM ends it before its time, with a verdict about what there was.
 * "cpuid": only CPUID round trips; prints the guest's TSC difference of one.
 * Exit status: 0, 1 a sum was wrong or KVM failed.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <linux/kvm.h>

#include "refresh-vm.h"

/* What the guest leaves at REPORT. */
struct report {
	uint64_t n, hash, sum, ticks, vendor, cpuid_only;
};

extern const char guest_begin[], guest_end[];

static uint8_t *memory;
static int vcpu;
static struct kvm_run *run;
static volatile sig_atomic_t stop;

static int check(int r, const char *what)
{
	if (r < 0) {
		perror(what);
		exit(1);
	}
	return r;
}

static void set_cpuid(int kvm)
{
	struct kvm_cpuid2 *cpuid;

	cpuid = calloc(1, sizeof(*cpuid) + 128 * sizeof(cpuid->entries[0]));
	cpuid->nent = 128;
	check(ioctl(kvm, KVM_GET_SUPPORTED_CPUID, cpuid), "KVM_GET_SUPPORTED_CPUID");
	check(ioctl(vcpu, KVM_SET_CPUID2, cpuid), "KVM_SET_CPUID2");
	free(cpuid);
}

static void set_registers(void)
{
	struct kvm_segment data = {
		.selector = 0x10, .limit = ~0u, .type = 3, .present = 1, .s = 1,
		.db = 1, .g = 1,
	};
	struct kvm_segment code = {
		.selector = 8, .limit = ~0u, .type = 11, .present = 1, .s = 1,
		.l = 1, .g = 1,
	};
	/* Interrupts on: some emulators hold the host's back otherwise. */
	struct kvm_regs regs = { .rip = CODE, .rsp = STACK, .rflags = 0x202 };
	struct kvm_sregs sregs;

	check(ioctl(vcpu, KVM_GET_SREGS, &sregs), "KVM_GET_SREGS");
	sregs.cr0 = 0x80050033;
	sregs.cr3 = PML4;
	sregs.cr4 = 0x620;
	sregs.efer = 0x500;
	sregs.cs = code;
	sregs.ds = data;
	sregs.es = data;
	sregs.fs = data;
	sregs.gs = data;
	sregs.ss = data;
	check(ioctl(vcpu, KVM_SET_SREGS, &sregs), "KVM_SET_SREGS");
	check(ioctl(vcpu, KVM_SET_REGS, &regs), "KVM_SET_REGS");
}

static void create(void)
{
	struct kvm_userspace_memory_region region = { .memory_size = MEMORY };
	uint64_t i;
	int kvm, vm, size;

	kvm = check(open("/dev/kvm", O_RDWR), "/dev/kvm");
	vm = check(ioctl(kvm, KVM_CREATE_VM, 0), "KVM_CREATE_VM");
	memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	region.userspace_addr = (uintptr_t)memory;
	check(ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region), "memory");
	vcpu = check(ioctl(vm, KVM_CREATE_VCPU, 0), "KVM_CREATE_VCPU");
	size = check(ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0), "mmap size");
	run = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
	set_cpuid(kvm);
	memcpy(memory + CODE, guest_begin, guest_end - guest_begin);
	*(uint64_t *)(memory + PML4) = PDPT | 3;
	*(uint64_t *)(memory + PDPT) = PD | 3;
	for (i = 0; i < MEMORY >> 21; i++)
		((uint64_t *)(memory + PD))[i] = i << 21 | 0x83;
	set_registers();
}

static struct {
	uint64_t n, hash, sum, slot[SLOTS];
} model;

static void advance(void)
{
	int i;

	for (i = 0; i < STEPS; i++) {
		uint64_t *slot;

		model.n++;
		slot = &model.slot[model.n & (SLOTS - 1)];
		*slot += model.n;
		model.hash = model.hash * MULTIPLIER + model.n;
		model.hash ^= *slot;
		model.sum += model.n;
	}
}

static int wrong(const struct report *report, int cpuid_only)
{
	if ((uint32_t)report->vendor != VENDOR_EBX)
		return 1;
	return !cpuid_only && (report->n != model.n || report->hash != model.hash ||
			       report->sum != model.sum);
}

static void on_sigterm(int number)
{
	stop = 1;
	run->immediate_exit = 1;
}

/* False: it is time to end. */
static int run_to_exit(void)
{
	/* The freezer interrupts without a signal that stays. */
	while (ioctl(vcpu, KVM_RUN, 0)) {
		if (errno != EINTR)
			check(-1, "KVM_RUN");
		if (stop)
			return 0;
	}
	return 1;
}

int main(int argc, char **argv)
{
	uint64_t reports, i, bad = 0, least = ~0ull;
	struct report *report;
	int cpuid_only = argc > 3;

	if (argc < 3)
		return 1;
	reports = strtoull(argv[2], NULL, 0);
	create();
	report = (struct report *)(memory + REPORT);
	report->cpuid_only = cpuid_only;
	signal(SIGTERM, on_sigterm);
	for (i = 0; i < reports && run_to_exit(); i++) {
		if (run->exit_reason != KVM_EXIT_IO) {
			printf("%s: exit %u hardware %llx\n", argv[1], run->exit_reason,
			       (unsigned long long)run->hw.hardware_exit_reason);
			return 1;
		}
		advance();
		bad += wrong(report, cpuid_only);
		if (report->ticks < least)
			least = report->ticks;
	}
	printf("%s: reports %lu bad %lu cpuid %lu\n", argv[1], (unsigned long)i,
	       (unsigned long)bad, (unsigned long)least);
	return bad != 0;
}
