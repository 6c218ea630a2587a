/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Private to vmx/nvx/: features, counters, and what its files owe each other.
 * Runs at L0 (and in any L1 that loads the same module, where it serves that
 * L1's guests).
 */
#ifndef __KVM_X86_VMX_NVX_H
#define __KVM_X86_VMX_NVX_H

#include <linux/percpu.h>
#include <linux/types.h>

#include "features.h"

/* In effect, once nvx_features_setup() is done. */
#define X(name, ...)	extern bool nvx_##name;
NVX_FEATURES(X, X, X)
#undef X

/* More than the names of all features. */
#define NVX_LIST_SIZE	256

void nvx_features_setup(bool nested);
int nvx_list_features(char list[NVX_LIST_SIZE]);

/* For measuring: no operator's build can change them (measure.c). */
extern unsigned int nvx_fast_parts;
extern bool nvx_vept;
extern bool nvx_gpf_bypass;

#ifdef CONFIG_KVM_NVX_VEPT
void nvx_mmu_setup(bool nested);
void nvx_mmu_unregister(void);
#else
static inline void nvx_mmu_setup(bool nested) { }
static inline void nvx_mmu_unregister(void) { }
#endif

#ifdef CONFIG_KVM_NVX_BYPASS
void nvx_bypass_setup(void);
#else
static inline void nvx_bypass_setup(void) { }
#endif

#ifdef CONFIG_KVM_NVX_FAST
bool nvx_fast_possible(void);
bool nvx_fast_direct_wanted(void);
void nvx_fast_setup(void);
#else
static inline bool nvx_fast_possible(void) { return false; }
static inline bool nvx_fast_direct_wanted(void) { return false; }
static inline void nvx_fast_setup(void) { }
#endif

#ifdef CONFIG_KVM_NVX_PV
bool nvx_host_offers_pv(void);
void nvx_pv_setup(bool nested);
void nvx_pv_register(void);
void nvx_pv_unregister(void);
void nvx_pv_l1_setup(void);
void nvx_pv_l1_register(void);
void nvx_pv_l1_unregister(void);
void nvx_pv_l1_range_register(void);
void nvx_pv_l1_range_unregister(void);
void nvx_shim_detach(void);
extern u32 nvx_pv_l1_features;
#else
static inline bool nvx_host_offers_pv(void) { return false; }
static inline void nvx_pv_setup(bool nested) { }
static inline void nvx_pv_register(void) { }
static inline void nvx_pv_unregister(void) { }
static inline void nvx_pv_l1_setup(void) { }
static inline void nvx_pv_l1_register(void) { }
static inline void nvx_pv_l1_unregister(void) { }
static inline void nvx_pv_l1_range_register(void) { }
static inline void nvx_pv_l1_range_unregister(void) { }
static inline void nvx_shim_detach(void) { }
#endif

/*
 * Each counter is a file in debugfs kvm/nvx/.  struct kvm_vcpu_stat cannot
 * grow: its layout belongs to the distribution's headers.
 *
 * debugctl_passthrough: vCPUs whose RDMSR of DEBUGCTL stopped to exit
 * debugctl_intercepted: vCPUs that went back, the host set FREEZE_IN_SMM
 * host_vmwrite_clean: VMWRITEs of host state that exited without dirtying
 * prefault_mapped: EPT02 entries installed before L2 missed them
 * prefault_missed: nothing to install, EPT12 has no entry (emulated devices)
 * prefault_skipped: another EPTP than at the fault, or EPT12 without A/D bits
 * fast_exit: exits from L2 to L1 in the short form
 * fast_entry: VM-entries to L2 in the short form
 * fast_direct: those of both without a pass through KVM's loop
 * fast_timer: exits from L2 when its timer was due, by the CPU's own timer
 * fast_exit_full: exits from L2 to L1 on KVM's own path
 * fast_entry_full: VM-entries to L2 on KVM's own path
 *
 * fast_why_*: transitions that could have had the short form, and had not because
 * fast_why_no_record: there was no record, or an event had invalidated it
 * fast_why_request: KVM had a request to serve at the level
 * fast_why_event: an event was to be delivered, or work left to be done
 * fast_why_cpu: the vCPU had moved to another CPU
 * fast_why_l0_state: what L0 wants had changed
 * fast_why_l1_state: modes of L1 had changed
 * fast_why_l2_state: vmcs12 had changed in more than values
 * fast_why_mmu: another root, or none
 * fast_why_pages: memslots or page tables of the host had changed
 * fast_why_timer: the preemption timer was due, or its turn
 * fast_why_not_clean: VMRESUME fails, or another vmcs12
 *
 * pv_entry: VM-entries on KVM's own path with a VMCS in memory
 * pv_load: changes of the current VMCS without VMPTRLD
 * pv_fill: VMREADs that completed a VMCS in memory
 * pv_flush: INVEPT and INVVPID without an exit
 * pv_range: ranges of L2 that were forgotten without an INVEPT
 * pv_range_zapped: SPTEs that this took
 * pv_range_remote: those ranges that were flushed for all vCPUs in one exit
 * l1_range: as a guest: ranges left to the host below
 * l1_range_remote: those of them for vCPUs that were running
 * pv_bytes: bytes copied from and to VMCSs in memory
 * pv_xstate: VM-entries that loaded XCR0 or XSS for L1
 * pv_uret: MSRs that VM-entry loaded for L1
 * pv_restore: returns of L1 to its user space, for which they were loaded again
 * deleg_cpuid: CPUIDs of L2 that L0 answered for L1
 * deleg_rdmsr: RDMSRs of L2 that L0 answered for L1
 * deleg_hlt: HLTs of L2 that L0 kept for L1
 * deleg_tsc_deadline: WRMSRs of IA32_TSC_DEADLINE of L2 that L0 took for L1
 * around_mapped: EPT02 entries installed beside the one that was missed
 * tdp_around_mapped: the same for entries of an ordinary guest
 * populate_pages: pages allocated beside the one that was touched
 * populate_refused: allocations that were left out, memory is short
 * tables_kept: writes to tables of EPT12 that did not count as a flood
 * roots_kept: changes of the current VMCS at which the roots of EPT02 stayed
 * idle_unpinned: times that an L1 without an L2 to run got its pages back
 * bypass_trapped: page faults on unused entries of shadow tables, or on devices
 * bypass_emulated: writes to page tables that were emulated to keep them in sync
 * bypass_direct: those of them that did not need KVM's emulator
 * bypass_mapped: writes emulated whose page was mapped at once
 * bypass_unsync: page tables that the guest may write, all of their entries trap
 */
#define NVX_COUNTERS(C)			\
	C(debugctl_passthrough)		\
	C(debugctl_intercepted)		\
	C(host_vmwrite_clean)		\
	C(prefault_mapped)		\
	C(prefault_missed)		\
	C(prefault_skipped)		\
	C(fast_exit)			\
	C(fast_entry)			\
	C(fast_direct)			\
	C(fast_timer)			\
	C(fast_exit_full)		\
	C(fast_entry_full)		\
	C(fast_why_no_record)		\
	C(fast_why_request)		\
	C(fast_why_event)		\
	C(fast_why_cpu)			\
	C(fast_why_l0_state)		\
	C(fast_why_l1_state)		\
	C(fast_why_l2_state)		\
	C(fast_why_mmu)			\
	C(fast_why_pages)		\
	C(fast_why_timer)		\
	C(fast_why_not_clean)		\
	C(pv_entry)			\
	C(pv_load)			\
	C(pv_fill)			\
	C(pv_flush)			\
	C(pv_range)			\
	C(pv_range_zapped)		\
	C(pv_range_remote)		\
	C(l1_range)			\
	C(l1_range_remote)		\
	C(pv_bytes)			\
	C(pv_xstate)			\
	C(pv_uret)			\
	C(pv_restore)			\
	C(deleg_cpuid)			\
	C(deleg_rdmsr)			\
	C(deleg_hlt)			\
	C(deleg_tsc_deadline)		\
	C(around_mapped)		\
	C(tdp_around_mapped)		\
	C(populate_pages)		\
	C(populate_refused)		\
	C(tables_kept)			\
	C(roots_kept)			\
	C(idle_unpinned)		\
	C(bypass_trapped)		\
	C(bypass_emulated)		\
	C(bypass_direct)		\
	C(bypass_mapped)		\
	C(bypass_unsync)

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
#define nvx_count_add(name, by) this_cpu_add(nvx_counters.n[NVX_##name], by)

bool nvx_master_switch(void);
void nvx_debugfs_register(void);
void nvx_debugfs_unregister(void);

#endif /* __KVM_X86_VMX_NVX_H */
