// SPDX-License-Identifier: GPL-2.0-only
/*
 * nvx_pv: copies between the page that L1 writes and the vmcs12 that L0 uses.
 *
 * Each field is read once and as a whole.  The compiler sees every offset and
 * width: a group is a row of loads and stores.
 */
#include <linux/kvm_host.h>

#include "vmx/nested.h"
#include "vmx/nvx/nvx.h"
#include "vmx/nvx/pv/pv.h"

/* Both sides and the saved nested state agree on where a field is. */
#define CHECK_FIELD(encoding, member, offset, type)			\
	static_assert(offsetof(struct vmcs12, member) == (offset));	\
	static_assert(sizeof_field(struct vmcs12, member) == sizeof(type));
NVX_PV_FIELDS(CHECK_FIELD)
#undef CHECK_FIELD
static_assert(sizeof(struct vmcs12) == NVX_PV_FIELDS_END);
static_assert(sizeof(struct vmcs12) <= NVX_PV_OFFSET);
static_assert(VMCS12_REVISION == NVX_PV_REVISION);
static_assert(VMCS12_SIZE == NVX_PV_REGION_SIZE);
static_assert(NVX_PV_OFFSET + sizeof(struct nvx_pv_assist) <= NVX_PV_REGION_SIZE);
static_assert(NVX_PV_OFFSET + sizeof(struct nvx_pv_vmcs_hdr) <= NVX_PV_REGION_SIZE);
static_assert(sizeof(struct nvx_pv_cpuid) == sizeof(struct kvm_cpuid_entry2));
static_assert(NVX_PV_CPUID_INDEX == KVM_CPUID_FLAG_SIGNIFCANT_INDEX);

#define FIELD_SIZE(encoding, member, offset, type)	+ sizeof(type)
#define GROUP_SIZE(name)	(0 NVX_PV_FIELDS_##name(FIELD_SIZE))

#define PULL(encoding, member, offset, type) \
	vmcs12->member = READ_ONCE(page->member);
#define PUSH(encoding, member, offset, type) \
	WRITE_ONCE(page->member, vmcs12->member);

#define PULL_GROUP(name) do {						\
	if (groups & NVX_PV_##name) {					\
		NVX_PV_FIELDS_##name(PULL)				\
		bytes += GROUP_SIZE(name);				\
	}								\
} while (0)

#define PUSH_GROUP(name) do {						\
	if (groups & NVX_PV_##name) {					\
		NVX_PV_FIELDS_##name(PUSH)				\
		bytes += GROUP_SIZE(name);				\
	}								\
} while (0)

static noinline u32 pull_rare(struct kvm_vcpu *vcpu, const struct vmcs12 *page,
			      u32 groups)
{
	struct vmcs12 *vmcs12 = get_vmcs12(vcpu);
	u32 bytes = 0;

	/*
	 * prepare_vmcs02_rare() writes all of the rarely used fields: fetch
	 * those that L2 has left before the ones that L1 has written.
	 */
	if (groups & NVX_PV_RARE)
		copy_vmcs02_to_vmcs12_rare(vcpu, vmcs12);

	PULL_GROUP(HOST);
	PULL_GROUP(CTRL);
	PULL_GROUP(ADDR);
	PULL_GROUP(MSRS);
	PULL_GROUP(AR);
	PULL_GROUP(SEGS);
	return bytes;
}

/**
 * nvx_pv_pull() - Take the snapshot: what L1 has written since the last VM-entry
 * @vcpu: the vCPU, vmcs01 loaded
 * @pv: its state, with the VMCS region mapped
 * @allowed: groups that the caller can deal with
 *
 * Ignores the dirty bit of a group that L0 has not completed (NVX_PV_LAZY, and not in
 * @valid): L1 must VMREAD before it writes to one.
 *
 * Context: Any, but process context if @allowed has more than NVX_PV_SHORT.
 * Return: the groups that were copied.  If L1 has written others than @allowed,
 * these, and nothing was copied.
 */
u32 nvx_pv_pull(struct kvm_vcpu *vcpu, struct nvx_pv *pv, u32 allowed)
{
	struct vmcs12 *vmcs12 = get_vmcs12(vcpu);
	struct nvx_pv_vmcs_hdr *hdr = nvx_pv_hdr(pv);
	const struct vmcs12 *page = pv->vmcs.map.hva;
	u32 groups = READ_ONCE(hdr->dirty);
	u32 bytes = 0;

	if (!groups)
		return 0;

	groups &= NVX_PV_ALL & ~NVX_PV_READ_ONLY;
	groups &= READ_ONCE(hdr->valid) | ~NVX_PV_LAZY;
	if (groups & ~allowed)
		return groups;

	WRITE_ONCE(hdr->dirty, 0);
	PULL_GROUP(BASIC);
	PULL_GROUP(EXEC);
	PULL_GROUP(HOST_VAR);
	PULL_GROUP(EVENT);
	PULL_GROUP(CRS);
	if (unlikely(groups & ~NVX_PV_SHORT))
		bytes += pull_rare(vcpu, page, groups);

	nvx_count_add(pv_bytes, bytes);
	return groups;
}

/**
 * nvx_pv_push() - Show L1 what L0 knows
 * @pv: its VMCS region is mapped
 * @vmcs12: cached vmcs12
 * @groups: groups to copy, become valid
 *
 * Context: Any.
 */
void nvx_pv_push(struct nvx_pv *pv, struct vmcs12 *vmcs12, u32 groups)
{
	struct nvx_pv_vmcs_hdr *hdr = nvx_pv_hdr(pv);
	struct vmcs12 *page = pv->vmcs.map.hva;
	u32 bytes = 0;

	PUSH_GROUP(BASIC);
	PUSH_GROUP(CRS);
	PUSH_GROUP(EVENT);
	PUSH_GROUP(EXEC);
	PUSH_GROUP(HOST_VAR);
	PUSH_GROUP(HOST);
	PUSH_GROUP(CTRL);
	PUSH_GROUP(ADDR);
	PUSH_GROUP(MSRS);
	PUSH_GROUP(AR);
	PUSH_GROUP(SEGS);
	PUSH_GROUP(EXIT);
	WRITE_ONCE(page->launch_state, vmcs12->launch_state);
	WRITE_ONCE(page->abort, vmcs12->abort);
	WRITE_ONCE(hdr->valid, READ_ONCE(hdr->valid) | groups);
	nvx_count_add(pv_bytes, bytes);
}

/* What nvx_fast_exit() changes in vmcs12, and what KVM may have while L2 ran. */
#define EXIT_BYTES	(GROUP_SIZE(BASIC) + GROUP_SIZE(AR) + GROUP_SIZE(EXIT) + \
			 5 * sizeof(u64) + 2 * sizeof(u32) + 2 * sizeof(u16))

/**
 * nvx_pv_push_exit() - Show L1 the outcome of an exit in the short form
 * @pv: its VMCS region is mapped
 * @vmcs12: cached vmcs12, filled by nvx_fast_exit()
 *
 * Context: Any.
 */
void nvx_pv_push_exit(struct nvx_pv *pv, struct vmcs12 *vmcs12)
{
	struct nvx_pv_vmcs_hdr *hdr = nvx_pv_hdr(pv);
	struct vmcs12 *page = pv->vmcs.map.hva;

	NVX_PV_FIELDS_BASIC(PUSH)
	NVX_PV_FIELDS_AR(PUSH)
	NVX_PV_FIELDS_EXIT(PUSH)
	WRITE_ONCE(page->guest_cr0, vmcs12->guest_cr0);
	WRITE_ONCE(page->guest_cr3, vmcs12->guest_cr3);
	WRITE_ONCE(page->guest_cr4, vmcs12->guest_cr4);
	WRITE_ONCE(page->guest_dr7, vmcs12->guest_dr7);
	WRITE_ONCE(page->guest_ia32_efer, vmcs12->guest_ia32_efer);
	WRITE_ONCE(page->vm_entry_intr_info_field,
		   vmcs12->vm_entry_intr_info_field);
	WRITE_ONCE(page->guest_activity_state, vmcs12->guest_activity_state);
	WRITE_ONCE(page->guest_intr_status, vmcs12->guest_intr_status);
	/* EPT violations, which leave the record as it is, count it down. */
	WRITE_ONCE(page->guest_pml_index, vmcs12->guest_pml_index);
	WRITE_ONCE(hdr->valid, NVX_PV_ALL & ~NVX_PV_LAZY);
	nvx_count_add(pv_bytes, EXIT_BYTES);
}
