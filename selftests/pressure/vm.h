/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Interfaces between the files of nvx-pressure: the virtual machine (vm.c), what the
 * kernel tells and takes (host.c), the kinds of pressure (kinds.c).  Functions that
 * return int return 0 or -1; who returns -1 has said why.
 */
#ifndef SELFTESTS_PRESSURE_VM_H
#define SELFTESTS_PRESSURE_VM_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <linux/kvm.h>

#include "pressure.h"

enum slot { SLOT_LOW, SLOT_MAIN, SLOT_SAME, SLOT_BALLOON, NR_SLOTS };

struct vm {
	int kvm_fd;
	int vm_fd;
	int vcpu_fd;
	struct kvm_run *run;
	size_t run_size;
	struct kvm_userspace_memory_region slots[NR_SLOTS];
	volatile struct pressure_ctl *ctl;
	pthread_t thread;
	bool running;

	/* Written by the vCPU's thread. */
	volatile bool stop, failed;
	volatile uint64_t freed;	/* pages taken away at the guest's wish */
	volatile uint64_t mmio;		/* accesses to a slot that is not there */
	volatile uint64_t faults;	/* KVM_RUN that ended with EFAULT */
};

int fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

int vm_create(struct vm *vm, uint64_t cr4);
void vm_destroy(struct vm *vm);
int vm_start(struct vm *vm);
int vm_stop(struct vm *vm);
int vm_wait_passes(struct vm *vm, uint64_t passes);
int vm_wait_more(struct vm *vm, const volatile uint64_t *events, const char *what);
int vm_set_slot(struct vm *vm, enum slot id, uint64_t gpa, uint64_t size, uint32_t flags);

static inline uint8_t *slot_mem(const struct vm *vm, enum slot id)
{
	return (uint8_t *)vm->slots[id].userspace_addr;
}

uint64_t vmstat(const char *name);
uint64_t read_number(const char *path);
int write_number(const char *path, uint64_t value);
int page_frames(const void *mem, uint64_t *frames, size_t n);
int pageout_process(int pid);

/* A kind of pressure: its action is done for each of @rounds, the guest runs. */
struct kind {
	const char *name, *help;
	unsigned int rounds;
	int (*round)(struct vm *vm, unsigned int round);
	const char *counter;	/* of /proc/vmstat that must go up, or NULL */
	int (*begin)(struct vm *vm);
	int (*end)(struct vm *vm);
};

extern const struct kind kinds[];
extern const size_t nr_kinds;

#endif /* SELFTESTS_PRESSURE_VM_H */
