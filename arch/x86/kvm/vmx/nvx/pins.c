// SPDX-License-Identifier: GPL-2.0-only
/*
 * Single pages of L1 that stay mapped: what to know before, what to do at the end.
 */
#include <linux/kvm_host.h>

#include "pins.h"

/**
 * nvx_page_logged() - Does user space want to know of writes to a page?
 * @vcpu: the vCPU
 * @gpa: an address in the page
 *
 * Context: kvm->srcu held for read.
 */
bool nvx_page_logged(struct kvm_vcpu *vcpu, gpa_t gpa)
{
	struct kvm_memory_slot *slot =
		gfn_to_memslot(vcpu->kvm, gpa_to_gfn(gpa));

	return slot && kvm_slot_dirty_track_enabled(slot);
}

/**
 * nvx_page_give_back() - Unmap a page that may have been written
 * @vcpu: the vCPU
 * @map: its map, or none
 *
 * KVM's dirty log is not told: either nobody logs the slot, or the page has not been
 * written since somebody does.  The host has to know that the page may be dirty, or it
 * would drop what has been written.
 *
 * Context: Process context, kvm->srcu held for read, in any thread.
 */
void nvx_page_give_back(struct kvm_vcpu *vcpu, struct kvm_host_map *map)
{
	if (!map->hva)
		return;
	if (map->page && map->page != KVM_UNMAPPED_PAGE)
		set_page_dirty_lock(map->page);
	kvm_vcpu_unmap(vcpu, map, false);
}
