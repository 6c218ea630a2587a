/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The table of features: one line each, and all that is known of it.  Variables,
 * parameters, nvx_off=, dependencies, modinfo, the line in dmesg and
 * Documentation/nvx-features.txt (scripts/nvx-tables) come from here.
 *
 * F(name, on, needs, text): on unless nvx_off= names it
 * P(name, on, needs, text): has a parameter nvx_<name> of its own, too
 * W(name, on, needs, text): the same, and may be written while VMs run
 *
 * @name: of the variable nvx_<name>, which says whether the feature is in effect
 * @on: 1 if it is on by default, else 0
 * @needs: NEEDS() of conditions below, and of features that are further up
 * @text: one line for an operator
 */
#ifndef __KVM_X86_VMX_NVX_FEATURES_H
#define __KVM_X86_VMX_NVX_FEATURES_H

#ifdef CONFIG_KVM_NVX_EXITS
#define NVX_EXITS_FEATURES(F, P, W)						\
	F(debugctl, 1, NEEDS(msr_bitmap),					\
	  "a guest reads IA32_DEBUGCTL without an exit")			\
	F(shadow_host, 1, NEEDS(nested),					\
	  "shadow HOST_RSP and HOST_CR3; writes of host state do not dirty vmcs12") \
	P(no_umip_emul, 0, 0,							\
	  "do not offer UMIP to guests on a CPU that lacks it")
#else
#define NVX_EXITS_FEATURES(F, P, W)
#endif

#ifdef CONFIG_KVM_NVX_VEPT
#define NVX_VEPT_FEATURES(F, P, W)						\
	F(prefault, 1, NEEDS(nested) | NEEDS(ept),				\
	  "after an EPT violation that L1 handled, map the page before L2 runs") \
	F(keep_roots, 1, NEEDS(nested) | NEEDS(ept),				\
	  "keep the roots of nested EPT when L1 changes the current VMCS")	\
	F(keep_tables, 1, NEEDS(nested) | NEEDS(ept),				\
	  "keep shadows of nested EPT tables that L1 writes to in a row")	\
	F(pfec, 1, NEEDS(nested) | NEEDS(ept),					\
	  "with allow_smaller_maxphyaddr: page faults of L2 exit only if L0 or L1 may need them")
#else
#define NVX_VEPT_FEATURES(F, P, W)
#endif

#ifdef CONFIG_KVM_NVX_FAST
#define NVX_FAST_FEATURES(F, P, W)						\
	F(fast, 1, NEEDS(nested) | NEEDS(ept) | NEEDS(short_forms),		\
	  "do not repeat unchanged work at nested VM-entries and exits")
#else
#define NVX_FAST_FEATURES(F, P, W)
#endif

#ifdef CONFIG_KVM_NVX_PV
#define NVX_PV_FEATURES(F, P, W)						\
	P(pv, 1, NEEDS(nested) | NEEDS(ept),					\
	  "offer guests that are hypervisors a VMCS in memory")			\
	F(pv_range, 1, NEEDS(pv),						\
	  "offer such guests to flush ranges of their guests' memory")		\
	F(pv_xstate, 1, NEEDS(pv),						\
	  "offer such guests to load XCR0 and XSS at VM-entry and VM-exit")	\
	F(pv_uret, 1, NEEDS(pv),						\
	  "offer such guests to load the MSRs of SYSCALL and TSC_AUX at VM-entry") \
	F(deleg, 1, NEEDS(pv) | NEEDS(fast) | NEEDS(direct_forms),		\
	  "offer such guests to answer CPUID, RDMSR, HLT and TSC-deadline WRMSRs of theirs") \
	F(pv_l1, 1, NEEDS(pv_host),						\
	  "as a guest: keep VMCSs in memory if the host offers that")		\
	W(deleg_l1, 0, NEEDS(pv_l1),						\
	  "as a guest: let the host answer for VMs created from now on; for one: its nvx_deleg") \
	F(shim_page, 1, 0,							\
	  "above the shim of vmm-refresh: read and write VMCS fields in memory")
#else
#define NVX_PV_FEATURES(F, P, W)
#endif

#ifdef CONFIG_KVM_NVX_BYPASS
#define NVX_BYPASS_FEATURES(F, P, W)						\
	P(bypass_pf, 0, NEEDS(no_ept),					\
	  "experimental: page faults of a guest on pages that it has not mapped do not exit")
#else
#define NVX_BYPASS_FEATURES(F, P, W)
#endif

#define NVX_FEATURES(F, P, W)			\
	NVX_EXITS_FEATURES(F, P, W)		\
	NVX_VEPT_FEATURES(F, P, W)		\
	NVX_FAST_FEATURES(F, P, W)		\
	NVX_PV_FEATURES(F, P, W)		\
	NVX_BYPASS_FEATURES(F, P, W)

/* C(name, holds, text): what the machine or another module has to have. */
#define NVX_CONDITIONS(C)							\
	C(nested, nested, "nested=1")						\
	C(ept, enable_ept, "EPT")						\
	C(no_ept, !enable_ept, "ept=0")						\
	C(msr_bitmap, cpu_has_vmx_msr_bitmap(), "MSR bitmaps")			\
	C(short_forms, nvx_fast_possible(),					\
	  "VPID, unrestricted guest, MSR bitmaps, loads of IA32_EFER, no MPX")	\
	C(direct_forms, nvx_fast_direct_wanted(), "all parts of fast")		\
	C(pv_host, nvx_host_offers_pv(), "a host below that offers pv")

#endif /* __KVM_X86_VMX_NVX_FEATURES_H */
