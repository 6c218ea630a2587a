/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Private to vmx/nvx/: counters and what its files owe each other.  Runs at L0
 * (and in any L1 that loads the same module, where it serves that L1's guests).
 */
#ifndef __KVM_X86_VMX_NVX_H
#define __KVM_X86_VMX_NVX_H

#include <linux/percpu.h>
#include <linux/types.h>

/*
 * NVX_COUNTER(name, what one more means); each is a file in debugfs kvm/nvx/.
 * struct kvm_vcpu_stat cannot grow: its layout belongs to the distribution's
 * headers.
 */
#define NVX_COUNTERS(C)							\
	C(debugctl_passthrough)	/* vCPU whose RDMSR DEBUGCTL no longer exits */ \
	C(debugctl_intercepted)	/* vCPU kept intercepted: host FREEZE_IN_SMM */ \
	C(host_vmwrite_clean)	/* exiting VMWRITE of host state, no dirty */ \
	C(prefault_mapped)	/* EPT02 entry installed before it was missed */ \
	C(prefault_missed)	/* nothing to install: EPT12 has no entry yet */ \
	C(prefault_skipped)	/* other EPTP, no EPT, or A/D bits unavailable */

enum nvx_counter {
#define C(name) NVX_##name,
	NVX_COUNTERS(C)
#undef C
	NVX_NR_COUNTERS
};

struct nvx_counters {
	u64 n[NVX_NR_COUNTERS];
};

DECLARE_PER_CPU(struct nvx_counters, nvx_counters);

#define nvx_count(name) this_cpu_inc(nvx_counters.n[NVX_##name])

void nvx_debugfs_register(void);
void nvx_debugfs_unregister(void);

#endif /* __KVM_X86_VMX_NVX_H */
