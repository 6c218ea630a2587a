/* SPDX-License-Identifier: GPL-2.0-only */
/* How nvx counts, in kvm.ko as in kvm-intel.ko: counters.h has what. */
#ifndef __KVM_X86_MMU_NVX_COUNT_H
#define __KVM_X86_MMU_NVX_COUNT_H

#include <linux/percpu.h>
#include <linux/types.h>

#include "counters.h"

/*
 * struct kvm_vcpu_stat cannot grow for them: its layout belongs to the
 * distribution's headers.
 */
enum nvx_counter {
#define C(name, text) NVX_##name,
	NVX_COUNTERS(C)
#undef C
	NVX_NR_COUNTERS
};

struct nvx_counters {
	u64 n[NVX_NR_COUNTERS];
};

DECLARE_PER_CPU(struct nvx_counters, nvx_counters);

#define nvx_count(name) this_cpu_inc(nvx_counters.n[NVX_##name])
#define nvx_count_add(name, by) this_cpu_add(nvx_counters.n[NVX_##name], by)

#endif /* __KVM_X86_MMU_NVX_COUNT_H */
