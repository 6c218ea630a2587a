/* SPDX-License-Identifier: GPL-2.0-only */
/* What kvm.ko offers to the nvx part of kvm-intel.ko. */
#ifndef __KVM_X86_MMU_NVX_MMU_H
#define __KVM_X86_MMU_NVX_MMU_H

#include <linux/types.h>

struct kvm;
struct kvm_mmu_page;
struct kvm_memory_slot;
struct kvm_vcpu;
struct page;

/* What came of an entry that was to be made in advance, and its name in a trace. */
#define NVX_PREFAULT_RESULTS(R)		\
	R(MAPPED,	"mapped")	\
	R(MISSED,	"missed")	\
	R(SKIPPED,	"skipped")

enum nvx_prefault_result {
#define NVX_PREFAULT_RESULT(name, text) NVX_PREFAULT_##name,
	NVX_PREFAULT_RESULTS(NVX_PREFAULT_RESULT)
#undef NVX_PREFAULT_RESULT
};

enum nvx_prefault_result nvx_mmu_prefault(struct kvm_vcpu *vcpu, u64 l2_gpa);

u64 nvx_mmu_zap_range(struct kvm *kvm, u64 eptp, u64 first, u64 nr);

/* kvm-intel.ko's part of a range flush by the host below, NULL if there is none. */
typedef bool (*nvx_range_flush_fn)(struct kvm *kvm, u64 root, u64 first, u64 nr);
extern nvx_range_flush_fn nvx_range_flush;

/* kvm-intel.ko's part when KVM has put a vCPU to sleep and it is awake, or NULL. */
typedef void (*nvx_woken_fn)(struct kvm_vcpu *vcpu);
extern nvx_woken_fn nvx_woken;

/* Pages of the largest window around a fault: one bit each in a u64. */
#define NVX_AROUND_MAX		64

/**
 * struct nvx_mmu_settings - What kvm-intel.ko asks of kvm.ko's MMU
 * @fault_around: pages of the aligned window around an EPT violation of L2 that
 *	become entries of EPT02, a power of two, 1 for stock's behaviour
 * @tdp_fault_around: the same for an ordinary guest and the host's page table
 * @populate: pages of the window that are allocated with an absent anonymous
 *	page, a power of two, 1 for the one page
 * @keep_tables: do not count writes of L1 to tables of EPT12 that are in use towards
 *	the three after which L0 zaps the table's shadow, see flood_tmpl.h
 * @vcpu_offset: where in a vCPU its struct nvx_mmu_vcpu is, bytes from struct
 *	kvm_vcpu
 * @trap: what an unused entry of a shadow page table contains with nvx_bypass_pf,
 *	0 without
 * @used: mask: an entry is in use if it differs from stock's unused value in one of
 *	these bits; all bits without nvx_bypass_pf
 *
 * Zeroes, as before kvm-intel.ko is there, count as 1.
 */
struct nvx_mmu_settings {
	unsigned int fault_around;
	unsigned int tdp_fault_around;
	unsigned int populate;
	bool keep_tables;
	unsigned long vcpu_offset;
	u64 trap;
	u64 used;
};

extern struct nvx_mmu_settings nvx_mmu;

/**
 * struct nvx_mmu_vcpu - what kvm.ko's MMU keeps for a vCPU in kvm-intel.ko's part
 * @host_faults: number of page faults of the vCPU's task, ever, when the host was
 *	last asked for a page that the guest misses
 * @bypass_credit: how many times more nvx_mmu_write_pte() is worth a try, unless there
 *	is a new sign that the guest fills a page table as it faults
 */
struct nvx_mmu_vcpu {
	unsigned long host_faults;
	unsigned int bypass_credit;
};

/**
 * struct nvx_mmu_vm - what kvm.ko's MMU keeps for a VM in kvm-intel.ko's part
 * @zap_seq: number of range flushes of tables that are in use, see range.c; written
 *	with mmu_lock held for write
 */
struct nvx_mmu_vm {
	unsigned long zap_seq;
};

/* Where in a VM its struct nvx_mmu_vm is, bytes from struct kvm; 0: nowhere yet. */
extern unsigned long nvx_mmu_vm_offset;

static inline struct nvx_mmu_vcpu *nvx_mmu_vcpu(struct kvm_vcpu *vcpu)
{
	return (void *)vcpu + nvx_mmu.vcpu_offset;
}

/* Who has mapped pages around a fault, for nvx_mmu_mapped_around() and its trace. */
#define NVX_AROUND_KINDS(K)						\
	K(EPT12,	"ept12")	/* what EPT12 maps */		\
	K(DIRECT,	"direct")	/* 4 KiB pieces of a large page of EPT12 */ \
	K(TDP,		"tdp")		/* what the host maps for an ordinary guest */ \
	K(POPULATE,	"populate")	/* pages that were allocated */

enum nvx_around {
#define NVX_AROUND_KIND(name, text) NVX_AROUND_##name,
	NVX_AROUND_KINDS(NVX_AROUND_KIND)
#undef NVX_AROUND_KIND
};

void nvx_mmu_mapped_around(struct kvm_vcpu *vcpu, u64 gpa, unsigned int pages,
			   enum nvx_around kind);
void nvx_mmu_kept_table(struct kvm_vcpu *vcpu, u64 gpa);
void nvx_mmu_note_faultin(struct kvm_vcpu *vcpu);
bool nvx_mmu_faulted_in(struct kvm_vcpu *vcpu);
u64 nvx_host_present(struct kvm *kvm, unsigned long hva, u64 wanted);
u64 nvx_present_pages(struct kvm *kvm, struct kvm_memory_slot *slot,
		      u64 base_gfn, u64 wanted);
u64 nvx_get_pages(struct kvm_memory_slot *slot, u64 base_gfn, u64 wanted,
		  struct page **pages);

bool nvx_mmu_bypass_setup(bool on);
bool nvx_mmu_write_pte(struct kvm_vcpu *vcpu, u64 gva, u64 rip, unsigned int *len);
u32 nvx_mmu_fault_code(struct kvm_vcpu *vcpu, u64 gva, u32 code);

#endif /* __KVM_X86_MMU_NVX_MMU_H */
