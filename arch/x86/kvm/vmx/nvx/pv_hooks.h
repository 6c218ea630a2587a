/* SPDX-License-Identifier: GPL-2.0-only */
/* Part of nvx_hooks.h: the VMCS in memory, offered by L0. */
#ifndef __KVM_X86_VMX_NVX_PV_HOOKS_H
#define __KVM_X86_VMX_NVX_PV_HOOKS_H

#ifdef CONFIG_KVM_NVX_PV
/* What nvx needs of nested.c. */
#define nvx_static
void copy_vmcs02_to_vmcs12_rare(struct kvm_vcpu *vcpu, struct vmcs12 *vmcs12);

extern bool nvx_pv_probing;
extern bool nvx_pv;

void nvx_pv_enter(struct kvm_vcpu *vcpu);
void nvx_pv_exited(struct kvm_vcpu *vcpu);
void nvx_pv_entered(struct kvm_vcpu *vcpu);
void nvx_pv_leave(struct kvm_vcpu *vcpu, u32 exit_reason);
bool nvx_pv_sync(struct vcpu_vmx *vmx);
void nvx_pv_vmread(struct kvm_vcpu *vcpu);
bool nvx_pv_failed(struct kvm_vcpu *vcpu);
bool nvx_pv_release(struct kvm_vcpu *vcpu);
bool nvx_pv_pre_run(struct kvm_vcpu *vcpu);
void nvx_pv_free(struct kvm_vcpu *vcpu);
void nvx_pv_get_state(struct kvm_vcpu *vcpu, struct kvm_nested_state *state,
		      u32 size);
void nvx_pv_set_state(struct kvm_vcpu *vcpu, struct kvm_nested_state *state);
int nvx_l1_online(void *vmxon_region);
void nvx_vm_init(struct nvx_vm *nvx);
void nvx_show_vm(struct kvm_vcpu *vcpu);
bool nvx_pv_keeps_exit(struct kvm_vcpu *vcpu);

/* What nvx needs of mmu.c, and lends it: mmu/nvx/range.c. */
int mmu_page_zap_pte(struct kvm *kvm, struct kvm_mmu_page *sp, u64 *spte,
		     struct list_head *invalid_list);
unsigned long nvx_mmu_fault_begin(struct kvm *kvm);
bool nvx_mmu_fault_stale(struct kvm *kvm, unsigned long seq);
bool nvx_mmu_flush_range(struct kvm *kvm, u64 first, u64 end);

#define NVX_DEFINE_PV_OPS \
	const struct nvx_pv_ops *nvx_pv_ops; EXPORT_SYMBOL_GPL(nvx_pv_ops); \
	const struct nvx_l1_ops *nvx_l1_ops; EXPORT_SYMBOL_GPL(nvx_l1_ops);

/* Are guests offered the interface, and recognized if another host did? */
#define nvx_pv_offered()		nvx_pv
#define nvx_pv_recognized()		nvx_pv_probing
/* Does L1 write its VMCS as memory? */
#define nvx_pv_on(nvx)			unlikely((nvx)->pv)
/* Has user space set the nested state of an L1 that may do so? */
#define nvx_pv_is_restored(nvx)		unlikely((nvx)->pv_restored)
#else
#define nvx_static			static
#define nvx_pv_enter(vcpu)		do { } while (0)
#define nvx_pv_exited(vcpu)		do { } while (0)
#define nvx_pv_entered(vcpu)		do { } while (0)
#define nvx_pv_leave(vcpu, reason)	do { } while (0)
#define nvx_pv_sync(vmx)		false
#define nvx_pv_vmread(vcpu)		do { } while (0)
#define nvx_pv_failed(vcpu)		false
#define nvx_pv_release(vcpu)		false
#define nvx_pv_pre_run(vcpu)		true
#define nvx_pv_free(vcpu)		do { } while (0)
#define nvx_pv_get_state(vcpu, state, size) do { } while (0)
#define nvx_pv_set_state(vcpu, state)	do { } while (0)
#define nvx_l1_online(region)	0
#define nvx_vm_init(nvx)		do { } while (0)
#define nvx_show_vm(vcpu)		do { } while (0)
#define nvx_pv_keeps_exit(vcpu)		false
#define nvx_mmu_fault_begin(kvm)	0
#define nvx_mmu_fault_stale(kvm, seq)	((void)(seq), false)
#define nvx_mmu_flush_range(kvm, first, end) false
#define NVX_DEFINE_PV_OPS
#define nvx_pv_offered()		false
#define nvx_pv_recognized()		false
#define nvx_pv_on(nvx)			false
#define nvx_pv_is_restored(nvx)		false
#endif /* CONFIG_KVM_NVX_PV */

/*
 * What kvm.ko asks kvm-intel.ko before it gives up: a leaf that the vCPU has no
 * entry for, an MSR that nobody knows.  True: it is ours.
 */
struct nvx_pv_ops {
	bool (*cpuid)(struct kvm_vcpu *vcpu, u32 function, u32 *eax, u32 *ebx,
		      u32 *ecx, u32 *edx);
	bool (*get_msr)(struct kvm_vcpu *vcpu, u32 index, u64 *data);
	bool (*set_msr)(struct kvm_vcpu *vcpu, u32 index, u64 data);
	bool (*restore_msrs)(struct kvm_vcpu *vcpu, u64 data);
};

/* NULL without nvx_pv. */
extern const struct nvx_pv_ops *nvx_pv_ops;

/* MSR_NVX_PV_ASSIST and MSR_NVX_PV_FLUSH; pv/pv.c asserts. */
#define NVX_MSR_ASSIST		0x4b564e00
#define NVX_MSR_IS_OURS(index)	(((index) & ~1u) == NVX_MSR_ASSIST)
/* And MSR_NVX_PV_RESTORE. */
#define NVX_MSR_RESTORE		(NVX_MSR_ASSIST + 2)

/* CPUID of a leaf that the vCPU has no entry for.  True: it is one of ours. */
static __always_inline bool nvx_cpuid(struct kvm_vcpu *vcpu, u32 function,
				      u32 *eax, u32 *ebx, u32 *ecx, u32 *edx)
{
	return IS_ENABLED(CONFIG_KVM_NVX_PV) && nvx_pv_ops &&
	       nvx_pv_ops->cpuid(vcpu, function, eax, ebx, ecx, edx);
}

/* A VMX instruction of L1 has failed.  True: the error is to be shown in memory. */
static __always_inline bool nvx_pv_shows_error(struct kvm_vcpu *vcpu,
					       const struct nvx_vcpu *nvx)
{
	return nvx_pv_on(nvx) && nvx_pv_failed(vcpu);
}

/* L1 wants an exit from L2, but perhaps leaves it to L0. */
static __always_inline bool nvx_l0_keeps_exit(struct kvm_vcpu *vcpu,
					      const struct nvx_vcpu *nvx)
{
	return nvx_pv_on(nvx) && nvx_pv_keeps_exit(vcpu);
}

/* An MSR that KVM does not know.  True: it is ours. */
static __always_inline bool nvx_get_msr(struct kvm_vcpu *vcpu, u32 index,
					u64 *data)
{
	return IS_ENABLED(CONFIG_KVM_NVX_PV) && NVX_MSR_IS_OURS(index) &&
	       nvx_pv_ops && nvx_pv_ops->get_msr(vcpu, index, data);
}

static __always_inline bool nvx_set_msr(struct kvm_vcpu *vcpu, u32 index,
					u64 data)
{
	if (!IS_ENABLED(CONFIG_KVM_NVX_PV) || !nvx_pv_ops)
		return false;
	if (index == NVX_MSR_RESTORE)
		return nvx_pv_ops->restore_msrs(vcpu, data);
	return NVX_MSR_IS_OURS(index) && nvx_pv_ops->set_msr(vcpu, index, data);
}

/*
 * kvm_unmap_gfn_range() ends.  True: TLBs are to be flushed, unless the host below
 * has forgotten the range.
 */
static __always_inline bool nvx_unmapped(struct kvm *kvm, u64 first, u64 end,
					 bool flush)
{
	if (IS_ENABLED(CONFIG_KVM_NVX_PV) && flush && nvx_range_flush)
		return !nvx_mmu_flush_range(kvm, first, end);
	return flush;
}

#endif /* __KVM_X86_VMX_NVX_PV_HOOKS_H */
