/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The table of counters: C(name, text) is the file <name> in debugfs kvm/nvx/.
 * Documentation/nvx-counters.txt comes from here (scripts/nvx-tables).
 *
 * fast_why_* are transitions that could have had the short form.
 */
#ifndef __KVM_X86_MMU_NVX_COUNTERS_H
#define __KVM_X86_MMU_NVX_COUNTERS_H

#define NVX_COUNTERS(C)								\
	C(debugctl_passthrough, "vCPUs whose RDMSR of DEBUGCTL ceased to exit") \
	C(debugctl_intercepted, \
	  "vCPUs whose RDMSR of DEBUGCTL exits again: the host has set FREEZE_IN_SMM") \
	C(host_vmwrite_clean, "VMWRITEs of host state that exited without dirtying vmcs12") \
	C(prefault_mapped, "EPT02 entries installed before L2 missed them") \
	C(prefault_missed, "nothing to install: EPT12 has no entry, L1 emulated the access") \
	C(prefault_skipped, \
	  "L2 was entered with another EPTP, or EPT12 has no accessed and dirty bits") \
	C(fast_exit, "exits from L2 to L1 in the short form") \
	C(fast_entry, "VM-entries to L2 in the short form") \
	C(fast_direct, "those of both without a pass through KVM's loop") \
	C(fast_timer, \
	  "exits from L2 because its preemption timer was due, by the CPU's own timer") \
	C(fast_exit_full, "exits from L2 to L1 on KVM's own path") \
	C(fast_entry_full, "VM-entries to L2 on KVM's own path") \
	C(fast_why_no_record, \
	  "not in the short form: there was no record, or an event had invalidated it") \
	C(fast_why_request, "not in the short form: KVM had a request to serve at the level") \
	C(fast_why_event, \
	  "not in the short form: an event was to be delivered, or work left to be done") \
	C(fast_why_cpu, "not in the short form: the vCPU had moved to another CPU") \
	C(fast_why_l0_state, "not in the short form: what L0 wants had changed") \
	C(fast_why_l1_state, "not in the short form: modes of L1 had changed") \
	C(fast_why_l2_state, "not in the short form: vmcs12 had changed in more than values") \
	C(fast_why_mmu, "not in the short form: another root, or none") \
	C(fast_why_pages, \
	  "not in the short form: memslots or page tables of the host had changed") \
	C(fast_why_timer, "not in the short form: the preemption timer was due, or its turn") \
	C(fast_why_not_clean, "not in the short form: VMRESUME fails, or another vmcs12") \
	C(pv_entry, "VM-entries on KVM's own path with a VMCS in memory") \
	C(pv_load, "changes of the current VMCS without VMPTRLD") \
	C(pv_fill, "VMREADs that completed a VMCS in memory") \
	C(pv_flush, "INVEPT and INVVPID without an exit") \
	C(pv_range, "ranges of L2 that were forgotten without an INVEPT") \
	C(pv_range_zapped, "SPTEs that this took") \
	C(pv_range_remote, "those ranges that were flushed for all vCPUs in one exit") \
	C(l1_range, "as a guest: ranges left to the host below") \
	C(l1_range_remote, "those of them for vCPUs that were running") \
	C(pv_bytes, "bytes copied from and to VMCSs in memory") \
	C(pv_xstate, "VM-entries that loaded XCR0 or XSS for L1") \
	C(pv_uret, "MSRs that VM-entry loaded for L1") \
	C(pv_restore, "WRMSRs by which L1 had MSRs of its user space loaded again") \
	C(deleg_cpuid, "CPUIDs of L2 that L0 answered for L1") \
	C(deleg_rdmsr, "RDMSRs of L2 that L0 answered for L1") \
	C(deleg_hlt, "HLTs of L2 that L0 kept for L1") \
	C(deleg_tsc_deadline, "WRMSRs of IA32_TSC_DEADLINE of L2 that L0 took for L1") \
	C(around_mapped, "EPT02 entries installed beside the one that L2 missed") \
	C(tdp_around_mapped, \
	  "entries of ordinary guests installed beside the one that was missed") \
	C(populate_pages, "pages allocated beside the one that was touched") \
	C(populate_refused, "faults at which nothing was allocated ahead: memory was short") \
	C(tables_kept, "writes to tables of EPT12 that stock would have counted as a flood") \
	C(roots_kept, "changes of the current VMCS at which the roots of EPT02 stayed") \
	C(idle_unpinned, "times that a vCPU of L1 without an L2 to run got its pages back") \
	C(bypass_trapped, "page faults on unused entries of shadow tables, or on devices") \
	C(bypass_emulated, "writes to page tables that were emulated to keep them in sync") \
	C(bypass_direct, "those of them that did not need KVM's emulator") \
	C(bypass_mapped, "writes emulated whose page was mapped at once") \
	C(bypass_unsync, "page tables that the guest may write, all of their entries trap")

#endif /* __KVM_X86_MMU_NVX_COUNTERS_H */
