// SPDX-License-Identifier: GPL-2.0-only
/*
 * nvx_pv_xstate: XCR0 and XSS of L2, which L1 has put down beside its VMCS.
 *
 * vcpu->arch.xcr0 and vcpu->arch.ia32_xss are those of the level that runs.  KVM's
 * loop loads them into the CPU right before VM-entry, and the host's right after
 * VM-exit.  So at a change of levels L0 changes these two variables, with interrupts
 * on or off.  It copies and checks L1's values together with L2's at VM-entry:
 * nothing can fail at VM-exit any more.
 */
#include <linux/kvm_host.h>
#include <linux/module.h>

#include "x86.h"
#include "cpuid.h"
#include "nvx_compat.h"
#include "vmx/vmx.h"
#include "vmx/nested.h"
#include "vmx/nvx/nvx.h"
#include "vmx/nvx/pv/pv.h"

/* What XSETBV checks: __kvm_set_xcr(). */
static bool xcr0_ok(struct kvm_vcpu *vcpu, u64 xcr0)
{
	u64 valid = vcpu->arch.guest_supported_xcr0 | XFEATURE_MASK_FP;
	u64 avx512 = xcr0 & XFEATURE_MASK_AVX512;
	u64 tile = xcr0 & XFEATURE_MASK_XTILE;

	if (!(xcr0 & XFEATURE_MASK_FP) || xcr0 & ~valid)
		return false;
	if (xcr0 & XFEATURE_MASK_YMM && !(xcr0 & XFEATURE_MASK_SSE))
		return false;
	if (!(xcr0 & XFEATURE_MASK_BNDREGS) != !(xcr0 & XFEATURE_MASK_BNDCSR))
		return false;
	if (avx512 && (avx512 != XFEATURE_MASK_AVX512 ||
		       !(xcr0 & XFEATURE_MASK_YMM)))
		return false;
	return !tile || tile == XFEATURE_MASK_XTILE;
}

/* What WRMSR checks: kvm_emulate_wrmsr(), kvm_set_msr_common(). */
static bool xss_ok(struct kvm_vcpu *vcpu, u64 xss)
{
	return kvm_msr_allowed(vcpu, MSR_IA32_XSS, KVM_MSR_FILTER_WRITE) &&
	       nvx_compat_has_xsaves(vcpu) &&
	       !(xss & ~kvm_caps.supported_xss);
}

static void copy_pair(struct nvx_pv_pair *to, const struct nvx_pv_pair *from)
{
	to->guest = READ_ONCE(from->guest);
	to->host = READ_ONCE(from->host);
}

/* Copy what L1 has written, once, and look at the copy. */
static bool copy_loads(struct kvm_vcpu *vcpu, struct nvx_pv *pv)
{
	const struct nvx_pv_vmcs_hdr *hdr = nvx_pv_hdr(pv);
	struct nvx_pv_loads *loads = &pv->loads;
	u32 mask = READ_ONCE(hdr->load);

	loads->mask = 0;
	if (mask & ~NVX_PV_LOAD_ALL)
		return false;

	if (mask & NVX_PV_LOAD_XCR0) {
		copy_pair(&loads->xcr0, &hdr->xcr0);
		if (!xcr0_ok(vcpu, loads->xcr0.guest) ||
		    !xcr0_ok(vcpu, loads->xcr0.host))
			return false;
	}
	if (mask & NVX_PV_LOAD_XSS) {
		copy_pair(&loads->xss, &hdr->xss);
		if (!xss_ok(vcpu, loads->xss.guest) ||
		    !xss_ok(vcpu, loads->xss.host))
			return false;
	}
	loads->mask = mask;
	return true;
}

/**
 * nvx_pv_take_loads() - L1 enters L2: what does it want to be loaded?
 * @vcpu: vCPU in L1, whose CPL is 0
 * @pv: its state, with the VMCS region mapped
 *
 * Context: Any.
 * Return: false if a value is one that L1 could not load itself; nothing is
 * going to be loaded then.
 */
bool nvx_pv_take_loads(struct kvm_vcpu *vcpu, struct nvx_pv *pv)
{
	pv->loads.mask = 0;
	if (!(pv->features & NVX_PV_FEAT_XSTATE) ||
	    likely(!READ_ONCE(nvx_pv_hdr(pv)->load)))
		return true;

	if (!copy_loads(vcpu, pv))
		return false;

	/* XSETBV is not there without. */
	if (pv->loads.mask & NVX_PV_LOAD_XCR0 &&
	    !(kvm_read_cr4_bits(vcpu, X86_CR4_OSXSAVE))) {
		pv->loads.mask = 0;
		return false;
	}
	return true;
}

/**
 * nvx_pv_resume_loads() - L2 was active when its vCPU was saved
 * @vcpu: vCPU restored in guest mode
 * @pv: its state, with the VMCS region mapped
 *
 * User space has restored L2's values, L1's are where L1 has put them.  If they
 * are not good any more L1 goes on with L2's.
 *
 * Context: Process context.
 */
void nvx_pv_resume_loads(struct kvm_vcpu *vcpu, struct nvx_pv *pv)
{
	if (pv->features & NVX_PV_FEAT_XSTATE && copy_loads(vcpu, pv))
		pv->loaded = pv->loads.mask;
}

/**
 * nvx_pv_load_guest() - L2 has been entered
 * @vcpu: vCPU in guest mode
 * @pv: its state
 *
 * Context: Any.
 */
void nvx_pv_load_guest(struct kvm_vcpu *vcpu, struct nvx_pv *pv)
{
	struct nvx_pv_loads *loads = &pv->loads;

	pv->loaded = loads->mask;
	if (likely(!loads->mask))
		return;

	loads->old_xcr0 = vcpu->arch.xcr0;
	loads->old_xss = vcpu->arch.ia32_xss;
	if (loads->mask & NVX_PV_LOAD_XCR0)
		vcpu->arch.xcr0 = loads->xcr0.guest;
	if (loads->mask & NVX_PV_LOAD_XSS)
		vcpu->arch.ia32_xss = loads->xss.guest;
	nvx_count(pv_xstate);
}

/**
 * nvx_pv_load_host() - L2 is left for L1
 * @vcpu: the vCPU
 * @pv: its state
 * @fast: KVM has done nothing on behalf of L2 that L1's CPUID depends on
 *
 * CPUID leaf 0xD depends on both registers.  L2 never sees it: L1 answers for L2.
 *
 * Context: Any.
 */
void nvx_pv_load_host(struct kvm_vcpu *vcpu, struct nvx_pv *pv, bool fast)
{
	struct nvx_pv_loads *loads = &pv->loads;
	bool shows = nvx_pv_shows_cpuid(pv);

	if (likely(!pv->loaded))
		return;

	if (pv->loaded & NVX_PV_LOAD_XCR0)
		vcpu->arch.xcr0 = loads->xcr0.host;
	if (pv->loaded & NVX_PV_LOAD_XSS)
		vcpu->arch.ia32_xss = loads->xss.host;
	pv->loaded = 0;

	if (shows || !fast)
		kvm_update_cpuid_runtime(vcpu);
}

/**
 * nvx_pv_entered() - KVM's own path has entered L2
 * @vcpu: vCPU with this interface in use
 *
 * Context: Process context.
 */
void nvx_pv_entered(struct kvm_vcpu *vcpu)
{
	nvx_pv_load_guest(vcpu, nvx_pv_of(vcpu));
}

/**
 * nvx_pv_leave() - KVM's own path begins to leave L2
 * @vcpu: vCPU with this interface in use
 * @exit_reason: as for nested_vmx_vmexit()
 *
 * L2 that is left without an exit (-1) is gone, or comes back after SMM, which
 * begins with the values of the code that it interrupts.
 *
 * Context: Process context.
 */
void nvx_pv_leave(struct kvm_vcpu *vcpu, u32 exit_reason)
{
	if (exit_reason != -1u)
		nvx_pv_load_host(vcpu, nvx_pv_of(vcpu), false);
}
