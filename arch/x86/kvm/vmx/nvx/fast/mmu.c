// SPDX-License-Identifier: GPL-2.0-only
/*
 * nvx_fast: L2 without EPT in vmcs12.  L1 shadows the page tables of its guest, and
 * L0 runs both levels with the MMU of L1's guest-physical addresses, root_mmu.
 * At each transition KVM computes anew what that MMU derives from the control
 * registers, and looks for a root with the role of the level.  The registers are
 * known here not to have changed: what the level left is put back.
 */
#include <linux/kvm_host.h>

#include "mmu.h"
#include "vmx/vmx.h"
#include "vmx/nested.h"
#include "vmx/nvx/fast/parts.h"
#include "vmx/nvx/fast/record.h"

/**
 * nvx_mmu_save() - A level is about to be left on KVM's own path
 * @vcpu: the vCPU
 * @f: its record
 *
 * Context: Process context, the MMU is that of the level.
 */
void nvx_mmu_save(struct kvm_vcpu *vcpu, struct nvx_fast *f)
{
	const struct kvm_mmu *mmu = &vcpu->arch.root_mmu;
	struct nvx_mmu_view *view = &f->other_view;

	view->cpu_role = mmu->cpu_role;
	view->root_role = mmu->root_role;
	view->pkru_mask = mmu->pkru_mask;
	memcpy(view->permissions, mmu->permissions, sizeof(view->permissions));
	view->guest_rsvd_check = mmu->guest_rsvd_check;
}

/**
 * nvx_mmu_alike() - Can nvx_mmu_swap() change from one level to the other?
 * @vcpu: the vCPU
 * @f: its record, nvx_mmu_save() was called at the other level
 *
 * All else in the MMU follows from paging mode and root level.
 *
 * Context: Process context.
 * Return: true if it can.
 */
bool nvx_mmu_alike(struct kvm_vcpu *vcpu, const struct nvx_fast *f)
{
	const struct kvm_mmu *mmu = &vcpu->arch.root_mmu;
	union kvm_mmu_page_role role = f->other_view.root_role;

	role.guest_mode = mmu->root_role.guest_mode;
	return role.word == mmu->root_role.word && role.direct &&
	       vcpu->arch.mmu == mmu && vcpu->arch.walk_mmu == mmu &&
	       f->other_view.cpu_role.base.level >= PT64_ROOT_4LEVEL &&
	       mmu->cpu_role.base.level >= PT64_ROOT_4LEVEL &&
	       !f->other_view.cpu_role.base.smm && !mmu->cpu_role.base.smm;
}

/**
 * nvx_mmu_swap() - From one level to the other
 * @vcpu: the vCPU
 * @f: its record, says that both levels are as they were
 *
 * The root in use and the one used last change places, as in KVM's own cache of
 * roots; vmcs01 and vmcs02 have the EPTP of theirs.
 *
 * Context: Preemption off.
 */
void nvx_mmu_swap(struct kvm_vcpu *vcpu, struct nvx_fast *f)
{
	struct kvm_mmu *mmu = &vcpu->arch.root_mmu;
	struct nvx_mmu_view *view = &f->other_view;
	struct nvx_mmu_view old = *view;

	nvx_mmu_save(vcpu, f);
	mmu->cpu_role = old.cpu_role;
	mmu->root_role = old.root_role;
	mmu->pkru_mask = old.pkru_mask;
	memcpy(mmu->permissions, old.permissions, sizeof(old.permissions));
	mmu->guest_rsvd_check = old.guest_rsvd_check;
	swap(mmu->root, mmu->prev_roots[0]);
}
