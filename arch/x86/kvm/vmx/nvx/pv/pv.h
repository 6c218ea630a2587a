/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * nvx_pv, the side of L0: a nested hypervisor writes its VMCS as memory.
 * Private to vmx/nvx/.  include/nvx/pv_vmcs.h has the interface,
 * Documentation/pv-vmcs-abi.rst the rules.
 *
 * The cached vmcs12 of KVM is the snapshot: groups that L1 says it has written
 * are copied into it once, at VM-entry, and nothing else of the page is ever
 * used.  What L1 writes afterwards counts at the next VM-entry.
 */
#ifndef __KVM_X86_VMX_NVX_PV_H
#define __KVM_X86_VMX_NVX_PV_H

#include <linux/kvm_host.h>
#include <nvx/pv_vmcs.h>

#include "vmx/vmx.h"
#include "vmx/vmcs12.h"
#include "vmx/nvx/pins.h"

/* What L1 wants to be loaded, as it was at VM-entry, and what that replaced. */
struct nvx_pv_loads {
	u32 mask;
	struct nvx_pv_pair xcr0;
	struct nvx_pv_pair xss;
	u64 old_xcr0;
	u64 old_xss;
};

/**
 * struct nvx_pv - An L1 that uses the interface, one vCPU of it
 * @assist: its VMXON region
 * @vmcs: region of nested.current_vmptr
 * @cpuid: page of the CPUID table that @vmcs names
 * @pins: what these pages, which stay mapped, depend on
 * @features: NVX_PV_FEAT_* that L1 has asked for
 * @loads: what L1 wants to be loaded
 * @loaded: those of @loads.mask that are L2's now, L1's are to be loaded
 * @vmcs_idle: @vmcs has been given back, and is current
 * @short_push: the exit to be shown to L1 had the short form
 * @cpuid_known: L1's CPUID has been looked at
 * @has_tsc_aux: it has RDTSCP or RDPID, and with them TSC_AUX
 *
 * All of it is derived from guest memory and from the nested state that user
 * space saves.
 */
struct nvx_pv {
	struct nvx_page assist;
	struct nvx_page vmcs;
	struct nvx_page cpuid;
	struct nvx_pins pins;
	u32 features;
	struct nvx_pv_loads loads;
	u32 loaded;
	bool vmcs_idle;
	bool short_push;
	bool cpuid_known;
	bool has_tsc_aux;
};

/*
 * Groups that the short form of VM-entry takes over.  All their fields are
 * those that vmcs12_ok() and update_vmcs02() look at, or host state.
 */
#define NVX_PV_SHORT	(NVX_PV_BASIC | NVX_PV_CRS | NVX_PV_EVENT | \
			 NVX_PV_EXEC | NVX_PV_HOST_VAR)

/* Groups with fields that prepare_vmcs02_rare() takes over. */
#define NVX_PV_RARE	(NVX_PV_CTRL | NVX_PV_ADDR | NVX_PV_MSRS | \
			 NVX_PV_AR | NVX_PV_SEGS)

static inline struct nvx_pv_assist *nvx_pv_assist(const struct nvx_pv *pv)
{
	return pv->assist.map.hva + NVX_PV_OFFSET;
}

static inline struct nvx_pv_vmcs_hdr *nvx_pv_hdr(const struct nvx_pv *pv)
{
	return pv->vmcs.map.hva + NVX_PV_OFFSET;
}

/* copy.c */
u32 nvx_pv_pull(struct kvm_vcpu *vcpu, struct nvx_pv *pv, u32 allowed);
void nvx_pv_push(struct nvx_pv *pv, struct vmcs12 *vmcs12, u32 groups);
void nvx_pv_push_exit(struct nvx_pv *pv, struct vmcs12 *vmcs12);

/* flush.c */
void nvx_pv_drain_flushes(struct kvm_vcpu *vcpu, struct nvx_pv *pv);
bool nvx_pv_flush_remote(struct kvm_vcpu *vcpu, struct nvx_pv *pv);

/* pv.c */
bool nvx_pv_give_back(struct kvm_vcpu *vcpu, struct nvx_pv *pv);
bool nvx_pv_direct_ok(struct kvm_vcpu *vcpu, const struct nvx_pv *pv);

/* xstate.c */
bool nvx_pv_take_loads(struct kvm_vcpu *vcpu, struct nvx_pv *pv);
void nvx_pv_resume_loads(struct kvm_vcpu *vcpu, struct nvx_pv *pv);
void nvx_pv_load_guest(struct kvm_vcpu *vcpu, struct nvx_pv *pv);
void nvx_pv_load_host(struct kvm_vcpu *vcpu, struct nvx_pv *pv, bool fast);

/* Has L1 other values than before its VM-entry, on which leaf 0xD depends? */
static inline bool nvx_pv_shows_cpuid(const struct nvx_pv *pv)
{
	const struct nvx_pv_loads *loads = &pv->loads;

	return (pv->loaded & NVX_PV_LOAD_XCR0 && loads->xcr0.host != loads->old_xcr0) ||
	       (pv->loaded & NVX_PV_LOAD_XSS && loads->xss.host != loads->old_xss);
}

/* uret.c */
void nvx_pv_look_at_cpuid(struct kvm_vcpu *vcpu, struct nvx_pv *pv);
bool nvx_pv_load_msrs(struct kvm_vcpu *vcpu, struct nvx_pv *pv, bool quick);
bool nvx_pv_restore_msrs(struct kvm_vcpu *vcpu, struct nvx_pv *pv, u64 mask);

/* Is there a CPUID table that is not mapped (and could be)? */
static inline bool nvx_pv_maps_cpuid(const struct nvx_pv *pv)
{
	const struct nvx_pv_vmcs_hdr *hdr = nvx_pv_hdr(pv);

	return READ_ONCE(hdr->deleg) & NVX_PV_DELEG_CPUID &&
	       (READ_ONCE(hdr->cpuid_gpa) & PAGE_MASK) != pv->cpuid.gpa;
}

#ifdef CONFIG_KVM_NVX_PV
static inline struct nvx_pv *nvx_pv_of(struct kvm_vcpu *vcpu)
{
	return to_vmx(vcpu)->nested.nvx.pv;
}

bool nvx_pv_logged(struct kvm_vcpu *vcpu);
#else
static inline struct nvx_pv *nvx_pv_of(struct kvm_vcpu *vcpu)
{
	return NULL;
}

static inline bool nvx_pv_logged(struct kvm_vcpu *vcpu)
{
	return false;
}
#endif

#endif /* __KVM_X86_VMX_NVX_PV_H */
