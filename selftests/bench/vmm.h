/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Interfaces between the files of nvx-vmm: the virtual machine (vmm.c), the
 * operations and their checks (ops.c), the results (results.c), the options and
 * modes (main.c).  Functions return 0 or -1; who returns -1 has said why.
 */
#ifndef SELFTESTS_BENCH_VMM_H
#define SELFTESTS_BENCH_VMM_H

#include <stdbool.h>
#include <stdio.h>
#include <linux/kvm.h>

#include "bench.h"

struct vmm {
	int kvm_fd;
	int vm_fd;
	int vcpu_fd;
	int second_fd;		/* of the second vCPU, -1 if there is none */
	bool irqchip;		/* in-kernel interrupt controllers */
	struct kvm_run *run;
	struct kvm_run *second_run;
	size_t run_size;
	uint8_t *mem;
	uint8_t *fill;		/* of --fill, NULL without */
	uint64_t fill_mib;
	volatile struct bench_ctl *ctl;
	uint64_t cpuid_ebx;	/* what the guest's CPUID leaf 0 answers in EBX */
	uint64_t xcr0;		/* what the guest has in XCR0, 0: no XSAVE */
	uint64_t pios;		/* PORT_PIO writes that arrived, ever */
	uint8_t pio_next;	/* the value the next one has to carry */
};

struct batch {
	enum bench_op op;
	enum bench_mode mode;
	uint64_t n;
	uint64_t first;
};

struct op_info {
	const char *name;
	const char *help;
	uint64_t limit;		/* operations that one guest has room for, 0: any */
	bool special;		/* not measured unless named */
};

struct stats {
	uint64_t n;
	uint32_t min;
	uint32_t median;
	uint32_t max;
	double mean;
	double block_mean;
};

extern const struct op_info op_infos[NR_OPS];

int fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

int vmm_create(struct vmm *vmm, bool irqchip, uint64_t fill_mib);
int vmm_create_second(struct vmm *vmm);
void vmm_destroy(struct vmm *vmm);
int vmm_run_guest(struct vmm *vmm);
int vmm_set_xcr0(int vcpu_fd, uint64_t xcr0);
int vmm_get_msr(struct vmm *vmm, uint32_t index, uint64_t *value);
int vmm_set_msr(struct vmm *vmm, uint32_t index, uint64_t value);
int vmm_enable_syscall(struct vmm *vmm);
int vmm_get_tsc_khz(struct vmm *vmm);
int vmm_enable_nx(struct vmm *vmm);

int op_parse_list(const char *list, bool selected[NR_OPS]);
int op_check_limit(enum bench_op op, uint64_t n);
int op_prepare(struct vmm *vmm, enum bench_op op, uint64_t n);
int op_start(struct vmm *vmm, const struct batch *batch);
int op_check(struct vmm *vmm, const struct batch *batch);

void stats_compute(struct stats *stats, uint32_t *samples, uint64_t n);
int results_open(const char *path);
void results_begin(const char *mode);
void results_stats(enum bench_op op, const struct stats *stats);
void results_marks(enum bench_op op, uint64_t n, uint64_t batches);
int results_close(void);

#endif /* SELFTESTS_BENCH_VMM_H */
