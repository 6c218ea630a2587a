// SPDX-License-Identifier: GPL-2.0-only
/*
 * nvx_pv: who uses the interface, and which pages of L1 belong to it.
 *
 * The assist page of a logical processor is its VMXON region: user space saves
 * its address with the nested state, so nothing has to be added to what an
 * unmodified VMM migrates.  What is in use follows from memory alone.
 */
#include <linux/kvm_host.h>
#include <linux/module.h>

#include "x86.h"
#include "cpuid.h"
#include "vmx/vmx.h"
#include "vmx/nested.h"
#include "mmu/nvx/nvx_mmu.h"
#include "nvx_compat.h"
#include "vmx/nvx/nvx.h"
#include "vmx/nvx/pv/pv.h"
#include "vmx/nvx/trace.h"

/* An L1 that was saved elsewhere is recognized even with nvx_pv=0. */
bool __read_mostly nvx_pv_probing;

static_assert(NVX_MSR_IS_OURS(MSR_NVX_PV_ASSIST) &&
	      NVX_MSR_IS_OURS(MSR_NVX_PV_FLUSH));
static_assert(NVX_PV_STATE_FLAG == NVX_NESTED_STATE_FLAG);

#define NVX_PV_DELEGATION	(NVX_PV_FEAT_CPUID | NVX_PV_FEAT_RDMSR | \
				 NVX_PV_FEAT_HLT)

static u32 offered_features __ro_after_init;

/**
 * nvx_pv_setup() - Settle what guests are offered
 * @nested: nested virtualization is offered to guests
 * @timer: the CPU's own timer may end L2
 *
 * Context: Module initialization.
 */
void __init nvx_pv_setup(bool nested, bool timer)
{
	nvx_mmu_vm_offset = offsetof(struct kvm_vmx, nvx.mmu) -
			    offsetof(struct kvm_vmx, kvm);
	nvx_pv_probing = nested && nvx_master_switch();
	offered_features = NVX_PV_FEAT_VMCS | NVX_PV_FEAT_FLUSH |
			   (nvx_pv_range ? NVX_PV_FEAT_RANGE : 0) |
			   (nvx_deleg ? NVX_PV_DELEGATION : 0) |
			   (nvx_deleg && timer ? NVX_PV_FEAT_TSC_DEADLINE : 0) |
			   (nvx_pv_xstate ? NVX_PV_FEAT_XSTATE : 0) |
			   (nvx_pv_uret ? NVX_PV_FEAT_URET : 0);
}

/* Is the interface visible to this vCPU? */
static bool offered(struct kvm_vcpu *vcpu)
{
	return nvx_pv && nvx_compat_vmx_allowed(vcpu) &&
	       guest_cpuid_has(vcpu, X86_FEATURE_HYPERVISOR) &&
	       !nvx_compat_evmcs_enabled(to_vmx(vcpu));
}

static bool pv_cpuid(struct kvm_vcpu *vcpu, u32 function, u32 *eax, u32 *ebx,
		     u32 *ecx, u32 *edx)
{
	u32 signature[3];

	if (function - NVX_PV_CPUID_BASE > 1 || !offered(vcpu))
		return false;

	if (function == NVX_PV_CPUID_BASE) {
		memcpy(signature, NVX_PV_SIGNATURE, sizeof(signature));
		*eax = NVX_PV_CPUID_FEATURES;
		*ebx = signature[0];
		*ecx = signature[1];
		*edx = signature[2];
	} else {
		*eax = NVX_PV_VERSION;
		*ebx = offered_features;
		*ecx = NVX_PV_REVISION;
		*edx = MSR_NVX_PV_ASSIST;
	}
	return true;
}

/**
 * nvx_pv_direct_ok() - Is this VM-entry one without a new page or a flush?
 * @vcpu: vCPU whose L1 executes VMRESUME
 * @pv: its state
 *
 * Context: Any.
 */
bool nvx_pv_direct_ok(struct kvm_vcpu *vcpu, const struct nvx_pv *pv)
{
	const struct nvx_pv_assist *assist = nvx_pv_assist(pv);

	return nvx_pins_current(&pv->pins, vcpu) && pv->assist.map.hva &&
	       pv->vmcs.map.hva &&
	       READ_ONCE(assist->current_vmcs) ==
	       to_vmx(vcpu)->nested.current_vmptr &&
	       !READ_ONCE(assist->nr_flush) && !nvx_pv_maps_cpuid(pv);
}

/**
 * nvx_pv_logged() - Does user space want to know of writes to these pages?
 * @vcpu: the vCPU
 *
 * Context: kvm->srcu held for read.
 */
bool nvx_pv_logged(struct kvm_vcpu *vcpu)
{
	struct nvx_pv *pv = nvx_pv_of(vcpu);

	return pv && (nvx_page_logged(vcpu, pv->assist.gpa) ||
		      nvx_page_logged(vcpu, to_vmx(vcpu)->nested.current_vmptr));
}

static bool map_page(struct kvm_vcpu *vcpu, struct nvx_page *page, gpa_t gpa)
{
	if (page->map.hva)
		kvm_vcpu_unmap(vcpu, &page->map, false);
	page->gpa = gpa;

	/* The last file descriptor of a VM may be closed without its memory. */
	if (current->mm != vcpu->kvm->mm)
		return false;
	return PAGE_ALIGNED(gpa) && kvm_vcpu_is_legal_gpa(vcpu, gpa) &&
	       !kvm_vcpu_map(vcpu, gpa_to_gfn(gpa), &page->map);
}

static void mark_dirty(struct kvm_vcpu *vcpu, const struct nvx_page *page)
{
	if (page->map.hva)
		kvm_vcpu_mark_page_dirty(vcpu, page->map.gfn);
}

/* Map anew what may be elsewhere now. */
static bool refresh_pages(struct kvm_vcpu *vcpu, struct nvx_pv *pv)
{
	bool had_vmcs = pv->vmcs.map.hva || pv->vmcs_idle;

	if (pv->assist.map.hva && nvx_pins_current(&pv->pins, vcpu))
		return true;

	nvx_pins_begin(&pv->pins, vcpu);
	pv->vmcs_idle = false;
	kvm_vcpu_unmap(vcpu, &pv->cpuid.map, false);
	pv->cpuid.gpa = INVALID_GPA;
	if (map_page(vcpu, &pv->assist, pv->assist.gpa) &&
	    (!had_vmcs || map_page(vcpu, &pv->vmcs, pv->vmcs.gpa))) {
		nvx_idle_mapped(vcpu);
		return true;
	}

	/* All or none of it: without its pages nothing is done in memory. */
	kvm_vcpu_unmap(vcpu, &pv->assist.map, false);
	kvm_vcpu_unmap(vcpu, &pv->vmcs.map, false);
	return false;
}

/**
 * nvx_pv_give_back() - Unmap all pages until they are needed again
 * @vcpu: vCPU in L1
 * @pv: its state
 *
 * Context: Process context, kvm->srcu held for read, nobody runs the vCPU.
 * Return: false if that has to wait.
 */
bool nvx_pv_give_back(struct kvm_vcpu *vcpu, struct nvx_pv *pv)
{
	if (!pv->assist.map.hva)
		return true;
	/* L1 has still to be shown something. */
	if (to_vmx(vcpu)->nested.need_vmcs12_to_shadow_sync)
		return false;

	pv->vmcs_idle = pv->vmcs.map.hva;
	nvx_page_give_back(vcpu, &pv->cpuid.map);
	pv->cpuid.gpa = INVALID_GPA;
	nvx_page_give_back(vcpu, &pv->vmcs.map);
	nvx_page_give_back(vcpu, &pv->assist.map);
	return true;
}

static enum nvx_pv_error check_region(const struct nvx_pv *pv)
{
	const struct vmcs12 *page = pv->vmcs.map.hva;
	const struct nvx_pv_vmcs_hdr *hdr = nvx_pv_hdr(pv);

	/* Bit 31 of the first word: a shadow VMCS, which cannot be entered. */
	if (READ_ONCE(*(const u32 *)page) != NVX_PV_REVISION)
		return NVX_PV_E_REVISION;
	if (READ_ONCE(hdr->magic) != NVX_PV_VMCS_MAGIC ||
	    READ_ONCE(hdr->version) != NVX_PV_VERSION)
		return NVX_PV_E_MAGIC;
	return NVX_PV_OK;
}

/* The page is the VMCS now; VMREAD and VMWRITE without an exit are over. */
static void disable_shadow_vmcs(struct vcpu_vmx *vmx)
{
	if (secondary_exec_controls_get(vmx) & SECONDARY_EXEC_SHADOW_VMCS) {
		secondary_exec_controls_clearbit(vmx, SECONDARY_EXEC_SHADOW_VMCS);
		vmcs_write64(VMCS_LINK_POINTER, INVALID_GPA);
	}
}

/**
 * nvx_pv_release() - The current VMCS ceases to be current
 * @vcpu: vCPU with vmcs01 loaded, rarely used fields of vmcs12 up to date
 *
 * What L1 has written and not entered with stays as it is.
 *
 * Context: Process context.
 * Return: false if KVM has to do it.
 */
bool nvx_pv_release(struct kvm_vcpu *vcpu)
{
	struct nested_vmx *nested = &to_vmx(vcpu)->nested;
	struct nvx_pv *pv = nvx_pv_of(vcpu);

	if (!pv)
		return false;

	if (refresh_pages(vcpu, pv) && pv->vmcs.map.hva) {
		struct nvx_pv_vmcs_hdr *hdr = nvx_pv_hdr(pv);
		u32 groups = nested->need_vmcs12_to_shadow_sync ?
			     NVX_PV_ALL : NVX_PV_LAZY & ~READ_ONCE(hdr->valid);

		nvx_pv_push(pv, get_vmcs12(vcpu),
			    groups & ~READ_ONCE(hdr->dirty));
	}
	kvm_vcpu_unmap(vcpu, &pv->vmcs.map, true);
	pv->vmcs_idle = false;
	nested->need_vmcs12_to_shadow_sync = false;
	nested->posted_intr_nv = -1;
	nested->current_vmptr = INVALID_GPA;
	nvx_fast_forget_vmcs02(vcpu);
	return true;
}

/* VMPTRLD: everything that is in the region becomes the snapshot. */
static enum nvx_pv_error load_vmcs(struct kvm_vcpu *vcpu, struct nvx_pv *pv,
				   gpa_t gpa)
{
	struct nested_vmx *nested = &to_vmx(vcpu)->nested;
	struct vmcs12 *vmcs12 = get_vmcs12(vcpu);
	struct nvx_pv_vmcs_hdr *hdr;
	enum nvx_pv_error error;

	if (nested->current_vmptr != INVALID_GPA) {
		copy_vmcs02_to_vmcs12_rare(vcpu, vmcs12);
		nvx_pv_release(vcpu);
	}
	if (gpa == NVX_PV_NO_VMCS || gpa == pv->assist.gpa ||
	    !map_page(vcpu, &pv->vmcs, gpa))
		return NVX_PV_E_ADDRESS;

	error = check_region(pv);
	if (error != NVX_PV_OK)
		goto unmap;

	memcpy(vmcs12, pv->vmcs.map.hva, sizeof(*vmcs12));
	barrier();
	if (vmcs12->hdr.revision_id != NVX_PV_REVISION || vmcs12->hdr.shadow_vmcs) {
		error = NVX_PV_E_REVISION;
		goto unmap;
	}
	hdr = nvx_pv_hdr(pv);
	WRITE_ONCE(hdr->dirty, 0);
	WRITE_ONCE(hdr->valid, NVX_PV_ALL);
	nvx_count_add(pv_bytes, sizeof(*vmcs12));
	nvx_count(pv_load);

	nested->current_vmptr = gpa;
	nested->dirty_vmcs12 = true;
	nested->force_msr_bitmap_recalc = true;
	return NVX_PV_OK;

unmap:
	kvm_vcpu_unmap(vcpu, &pv->vmcs.map, false);
	return error;
}

/* Make the VMCS current that L1 says is current. */
static enum nvx_pv_error follow_assist(struct kvm_vcpu *vcpu, struct nvx_pv *pv)
{
	struct nested_vmx *nested = &to_vmx(vcpu)->nested;
	enum nvx_pv_error error = NVX_PV_OK;
	gpa_t gpa;

	if (!refresh_pages(vcpu, pv)) {
		error = NVX_PV_E_ADDRESS;
		gpa = INVALID_GPA;
	} else {
		gpa = READ_ONCE(nvx_pv_assist(pv)->current_vmcs);
		if (gpa != nested->current_vmptr || !pv->vmcs.map.hva)
			error = load_vmcs(vcpu, pv, gpa);
	}
	if (error != NVX_PV_OK && nested->current_vmptr != INVALID_GPA)
		nvx_pv_release(vcpu);

	trace_nvx_pv_load(vcpu->vcpu_id, gpa, error);
	if (pv->assist.map.hva)
		WRITE_ONCE(nvx_pv_assist(pv)->error, error);
	return error;
}

/* VM-entry ends with VMfailInvalid, nothing of the region is lost. */
static void refuse(struct kvm_vcpu *vcpu, struct nvx_pv *pv,
		   enum nvx_pv_error error)
{
	gpa_t gpa = to_vmx(vcpu)->nested.current_vmptr;

	copy_vmcs02_to_vmcs12_rare(vcpu, get_vmcs12(vcpu));
	mark_dirty(vcpu, &pv->vmcs);
	nvx_pv_release(vcpu);
	WRITE_ONCE(nvx_pv_assist(pv)->error, error);
	mark_dirty(vcpu, &pv->assist);
	trace_nvx_pv_load(vcpu->vcpu_id, gpa, error);
}

/**
 * nvx_pv_enter() - L1 executes VMLAUNCH or VMRESUME: take the snapshot
 * @vcpu: vCPU with this interface in use
 *
 * If L1's pages are no good there is no current VMCS afterwards, which KVM
 * reports as VMfailInvalid.
 *
 * Context: Process context, vmcs01 loaded.
 */
void nvx_pv_enter(struct kvm_vcpu *vcpu)
{
	struct nested_vmx *nested = &to_vmx(vcpu)->nested;
	struct nvx_pv *pv = nvx_pv_of(vcpu);
	u32 groups;

	/* KVM has a fault for L1 instead. */
	if (!nested->vmxon || vmx_get_cpl(vcpu))
		return;

	if (follow_assist(vcpu, pv) != NVX_PV_OK)
		return;

	nvx_pv_look_at_cpuid(vcpu, pv);
	if (!nvx_pv_take_loads(vcpu, pv) || !nvx_pv_load_msrs(vcpu, pv, false)) {
		refuse(vcpu, pv, NVX_PV_E_LOAD);
		return;
	}
	groups = nvx_pv_pull(vcpu, pv, NVX_PV_ALL);
	if (groups & NVX_PV_RARE) {
		nested->dirty_vmcs12 = true;
		nested->force_msr_bitmap_recalc = true;
	}
	if (groups & ~NVX_PV_SHORT)
		nvx_fast_forget_vmcs02(vcpu);
	nvx_pv_drain_flushes(vcpu, pv);
	if (nvx_pv_maps_cpuid(pv))
		map_page(vcpu, &pv->cpuid,
			 READ_ONCE(nvx_pv_hdr(pv)->cpuid_gpa) & PAGE_MASK);
	mark_dirty(vcpu, &pv->assist);
	mark_dirty(vcpu, &pv->vmcs);
	nvx_count(pv_entry);

	/* VM-entry may fail: L1 has to be shown the error. */
	nested->need_vmcs12_to_shadow_sync = true;
}

/**
 * nvx_pv_exited() - KVM's own path has left L2 for L1
 * @vcpu: vCPU with this interface in use, vmcs01 loaded
 *
 * Context: Process context.
 */
void nvx_pv_exited(struct kvm_vcpu *vcpu)
{
	struct nvx_pv *pv = nvx_pv_of(vcpu);

	to_vmx(vcpu)->nested.nvx.l2_exits++;
	disable_shadow_vmcs(to_vmx(vcpu));
	if (!refresh_pages(vcpu, pv))
		return;
	mark_dirty(vcpu, &pv->vmcs);
	pv->short_push = false;
	to_vmx(vcpu)->nested.need_vmcs12_to_shadow_sync = true;
}

/**
 * nvx_pv_sync() - Show L1 what has become of its VMCS
 * @vmx: vCPU about to run
 *
 * Context: Preemption off.
 * Return: false if this vCPU does not use the interface.
 */
bool nvx_pv_sync(struct vcpu_vmx *vmx)
{
	struct kvm_vcpu *vcpu = &vmx->vcpu;
	struct nvx_pv *pv = nvx_pv_of(vcpu);
	struct nvx_pv_vmcs_hdr *hdr;
	u32 groups = NVX_PV_ALL;

	if (!pv)
		return false;
	if (is_guest_mode(vcpu) || !pv->vmcs.map.hva)
		return true;

	if (pv->short_push) {
		pv->short_push = false;
		nvx_pv_push_exit(pv, get_vmcs12(vcpu));
		return true;
	}

	hdr = nvx_pv_hdr(pv);
	if (vmx->nested.need_sync_vmcs02_to_vmcs12_rare) {
		groups &= ~NVX_PV_LAZY;
		WRITE_ONCE(hdr->valid, READ_ONCE(hdr->valid) & ~NVX_PV_LAZY);
	}
	nvx_pv_push(pv, get_vmcs12(vcpu), groups & ~READ_ONCE(hdr->dirty));
	return true;
}

/**
 * nvx_pv_vmread() - L1 executes VMREAD: complete the page
 * @vcpu: vCPU with this interface in use, not in guest mode
 *
 * Context: Process context, vmcs01 loaded.
 */
void nvx_pv_vmread(struct kvm_vcpu *vcpu)
{
	struct nvx_pv *pv = nvx_pv_of(vcpu);
	struct vmcs12 *vmcs12 = get_vmcs12(vcpu);
	u32 groups;

	if (follow_assist(vcpu, pv) != NVX_PV_OK)
		return;

	groups = NVX_PV_LAZY & ~READ_ONCE(nvx_pv_hdr(pv)->valid);
	if (!groups)
		return;
	copy_vmcs02_to_vmcs12_rare(vcpu, vmcs12);
	nvx_pv_push(pv, vmcs12, groups);
	mark_dirty(vcpu, &pv->vmcs);
	nvx_count(pv_fill);
}

/**
 * nvx_pv_failed() - A VMX instruction of L1 has failed with an error
 * @vcpu: vCPU with this interface in use, vmcs01 loaded
 *
 * Context: Process context, kvm->srcu held for read.
 * Return: true if nvx_pv_sync() can show L1 the error.
 */
bool nvx_pv_failed(struct kvm_vcpu *vcpu)
{
	struct nvx_pv *pv = nvx_pv_of(vcpu);

	return refresh_pages(vcpu, pv) && pv->vmcs.map.hva;
}

static enum nvx_pv_error check_assist(struct kvm_vcpu *vcpu,
				      const struct nvx_pv *pv, u32 *features)
{
	const struct nvx_pv_assist *assist = nvx_pv_assist(pv);

	*features = READ_ONCE(assist->features);
	if (READ_ONCE(assist->magic) != NVX_PV_ASSIST_MAGIC)
		return NVX_PV_E_MAGIC;
	if (READ_ONCE(assist->version) != NVX_PV_VERSION || !offered(vcpu) ||
	    *features & ~offered_features || !(*features & NVX_PV_FEAT_VMCS))
		return NVX_PV_E_FEATURES;
	return NVX_PV_OK;
}

/* Look at the VMXON region, and begin if L1 asks for it there. */
static enum nvx_pv_error probe(struct kvm_vcpu *vcpu)
{
	struct nested_vmx *nested = &to_vmx(vcpu)->nested;
	enum nvx_pv_error error = NVX_PV_E_ADDRESS;
	struct nvx_pv *pv;

	pv = kzalloc(sizeof(*pv), GFP_KERNEL_ACCOUNT);
	if (!pv)
		return NVX_PV_E_STATE;

	pv->assist.gpa = nested->vmxon_ptr;
	if (!refresh_pages(vcpu, pv))
		goto free;

	error = check_assist(vcpu, pv, &pv->features);
	if (error == NVX_PV_OK && nested->current_vmptr != INVALID_GPA) {
		/*
		 * User space has restored a vCPU whose VMCS was current: load_vmcs()
		 * has checked its header when it became so, before it was saved.  If
		 * the page cannot be mapped the next VM-entry fails.
		 */
		if (map_page(vcpu, &pv->vmcs, nested->current_vmptr) &&
		    (is_guest_mode(vcpu) || nested->smm.guest_mode))
			nvx_pv_resume_loads(vcpu, pv);
		/* The state may have been saved after an exit, before nvx_pv_sync(). */
		nested->need_vmcs12_to_shadow_sync = true;
	}
	if (error != NVX_PV_E_MAGIC) {
		WRITE_ONCE(nvx_pv_assist(pv)->error, error);
		mark_dirty(vcpu, &pv->assist);
	}
	trace_nvx_pv_load(vcpu->vcpu_id, nested->vmxon_ptr, error);
	if (error != NVX_PV_OK)
		goto free;

	if (!is_guest_mode(vcpu))
		disable_shadow_vmcs(to_vmx(vcpu));
	nested->nvx.pv = pv;
	nvx_fast_forget(vcpu);
	/* L1 may never have a VMCS. */
	if (nested->current_vmptr == INVALID_GPA)
		nvx_pv_give_back(vcpu, pv);
	return NVX_PV_OK;

free:
	kvm_vcpu_unmap(vcpu, &pv->vmcs.map, false);
	kvm_vcpu_unmap(vcpu, &pv->assist.map, false);
	kfree(pv);
	return error;
}

/**
 * nvx_pv_pre_run() - L1 may have used the interface on another host
 * @vcpu: vCPU that user space wants to run
 *
 * After a migration nobody writes the assist MSR.
 *
 * Context: Process context, kvm->srcu held for read.
 * Return: false if L1 relies on what this L0 does not have: the vCPU must not
 * run, L1 would lose its L2.
 */
bool nvx_pv_pre_run(struct kvm_vcpu *vcpu)
{
	struct nested_vmx *nested = &to_vmx(vcpu)->nested;
	enum nvx_pv_error error;

	if (!nested->vmxon)
		return true;

	nested->nvx.pv_restored = false;
	error = probe(vcpu);
	if (error != NVX_PV_E_FEATURES && error != NVX_PV_E_STATE)
		return true;

	pr_err_ratelimited("kvm_intel: nvx: cannot run vCPU %d: %s\n",
			   vcpu->vcpu_id, error == NVX_PV_E_STATE ?
			   "no memory for its PV VMCS; try again" :
			   "it uses features of the PV VMCS that this host does not offer; run it where it came from, or with a newer module");
	nested->nvx.pv_restored = true;
	return false;
}

/* The size says it to a VMM before it sets anything, the flag to KVM. */
#define STATE_SIZE	(sizeof(struct kvm_nested_state) +		\
			 sizeof(struct kvm_vmx_nested_state_data) +	\
			 NVX_NESTED_STATE_ROOM)

/**
 * nvx_pv_get_state() - Mark the nested state of an L1 that needs this interface
 * @vcpu: the vCPU
 * @state: header of its state, with the size that stock KVM gives it
 * @size: what user space has room for
 *
 * A buffer that has room for stock's state only gets that, with the flag.
 *
 * Context: Process context.
 */
void nvx_pv_get_state(struct kvm_vcpu *vcpu, struct kvm_nested_state *state,
		      u32 size)
{
	const struct nvx_vcpu *nvx = &to_vmx(vcpu)->nested.nvx;

	if (!nvx->pv && !(nvx->pv_restored && nvx->pv_marked))
		return;

	state->hdr.vmx.flags |= NVX_PV_STATE_FLAG;
	if (size >= STATE_SIZE || size < state->size)
		state->size = STATE_SIZE;
}

/**
 * nvx_pv_set_state() - L1 may have used this interface when its state was saved
 * @vcpu: vCPU in VMX operation since now
 * @state: header of the state, made what stock KVM takes
 *
 * Context: Process context.
 */
void nvx_pv_set_state(struct kvm_vcpu *vcpu, struct kvm_nested_state *state)
{
	struct nvx_vcpu *nvx = &to_vmx(vcpu)->nested.nvx;

	nvx->pv_restored = true;
	nvx->pv_marked = nvx_pv && (state->size == STATE_SIZE ||
				    state->hdr.vmx.flags & NVX_PV_STATE_FLAG);
	/* KVM takes what is larger for state with a VMCS. */
	if (nvx->pv_marked && state->hdr.vmx.vmcs12_pa == INVALID_GPA &&
	    !(state->flags & KVM_STATE_NESTED_EVMCS))
		state->size = sizeof(*state);
}

/**
 * nvx_pv_free() - L1 leaves VMX operation
 * @vcpu: the vCPU
 *
 * Context: Process context.
 */
void nvx_pv_free(struct kvm_vcpu *vcpu)
{
	struct nvx_vcpu *nvx = &to_vmx(vcpu)->nested.nvx;
	struct nvx_pv *pv = nvx->pv;

	nvx->pv_restored = false;
	if (!pv)
		return;

	nvx->pv = NULL;
	/* Without VMCS shadowing KVM knows of nothing to be synced. */
	to_vmx(vcpu)->nested.need_vmcs12_to_shadow_sync = false;
	kvm_vcpu_unmap(vcpu, &pv->cpuid.map, false);
	kvm_vcpu_unmap(vcpu, &pv->vmcs.map, true);
	kvm_vcpu_unmap(vcpu, &pv->assist.map, true);
	kfree(pv);
}

/* RDMSR of an MSR of the interface.  False: this vCPU has no such MSR. */
static bool get_msr(struct kvm_vcpu *vcpu, u32 index, u64 *data)
{
	if (!offered(vcpu) || (index == MSR_NVX_PV_FLUSH && !nvx_pv_range))
		return false;

	*data = index == MSR_NVX_PV_ASSIST && nvx_pv_of(vcpu) ?
		NVX_PV_ASSIST_ENABLE : 0;
	return true;
}

/* User space restores MSRs as well: zero, as it has read. */
static bool flush_now(struct kvm_vcpu *vcpu, u64 data)
{
	struct nvx_pv *pv = nvx_pv_of(vcpu);

	if (!data)
		return nvx_pv_range;
	return data == NVX_PV_FLUSH_REMOTE && pv && !is_guest_mode(vcpu) &&
	       pv->features & NVX_PV_FEAT_RANGE && refresh_pages(vcpu, pv) &&
	       nvx_pv_flush_remote(vcpu, pv);
}

/* WRMSR of an MSR of the interface.  False: L1 gets a #GP. */
static bool set_msr(struct kvm_vcpu *vcpu, u32 index, u64 data)
{
	struct nested_vmx *nested = &to_vmx(vcpu)->nested;
	struct nvx_pv *pv = nvx_pv_of(vcpu);

	if (index == MSR_NVX_PV_FLUSH)
		return offered(vcpu) && flush_now(vcpu, data);

	if (!offered(vcpu) || data & ~NVX_PV_ASSIST_ENABLE || !nested->vmxon ||
	    is_guest_mode(vcpu) || nested->current_vmptr != INVALID_GPA)
		return false;

	/* A host that gets this vCPU would take the magic for consent. */
	if (!data && pv && refresh_pages(vcpu, pv))
		WRITE_ONCE(nvx_pv_assist(pv)->magic, 0);
	nvx_pv_free(vcpu);
	return !data || probe(vcpu) == NVX_PV_OK;
}

/* WRMSR that gives L1's user space its MSRs back.  False: L1 gets a #GP. */
static bool restore_msrs(struct kvm_vcpu *vcpu, u64 data)
{
	struct nvx_pv *pv = nvx_pv_of(vcpu);

	return pv && !is_guest_mode(vcpu) && refresh_pages(vcpu, pv) &&
	       nvx_pv_restore_msrs(vcpu, pv, data);
}

static const struct nvx_pv_ops ops = {
	.cpuid = pv_cpuid,
	.get_msr = get_msr,
	.set_msr = set_msr,
	.restore_msrs = restore_msrs,
};

/**
 * nvx_pv_register() - Show the interface to guests from now on
 *
 * Context: Module initialization, nothing can fail any more.
 */
void __init nvx_pv_register(void)
{
	if (nvx_pv)
		nvx_pv_ops = &ops;
}

/**
 * nvx_pv_unregister() - Undo nvx_pv_register()
 *
 * Context: Module exit, there is no vCPU any more.
 */
void nvx_pv_unregister(void)
{
	nvx_pv_ops = NULL;
	nvx_mmu_vm_offset = 0;
}
