// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pages of L1 that stay mapped are pinned: the host can neither swap them out nor move
 * them, so their memory cannot be offlined.  Stock unmaps them at each exit from L2.
 * Here they are given back when L1 has not run L2 for a second or two, by whoever has
 * the vCPU then: its thread at the next exit of L1, or a work item if it is in user
 * space.
 */
#include <linux/kvm_host.h>
#include <linux/workqueue.h>

#include "vmx/vmx.h"
#include "vmx/nested.h"
#include "vmx/nvx/fast/parts.h"
#include "vmx/nvx/fast/record.h"
#include "vmx/nvx/nvx.h"
#include "vmx/nvx/pv/pv.h"

#define PERIOD	HZ

/* True: nothing is left.  L2 that is interrupted has its pages, as on stock. */
static bool give_back(struct kvm_vcpu *vcpu, struct nvx_fast *f)
{
	struct nvx_pv *pv = nvx_pv_of(vcpu);
	int idx;

	if (is_guest_mode(vcpu) || to_vmx(vcpu)->nested.smm.guest_mode)
		return false;

	idx = srcu_read_lock(&vcpu->kvm->srcu);
	nvx_pages_give_back(vcpu, f);
	if (pv)
		nvx_pv_give_back(vcpu, pv);
	srcu_read_unlock(&vcpu->kvm->srcu, idx);
	nvx_count(idle_unpinned);
	return true;
}

static void idle_work(struct work_struct *work)
{
	struct nvx_idle *idle = container_of(to_delayed_work(work),
					     struct nvx_idle, work);
	struct nvx_fast *f = container_of(idle, struct nvx_fast, idle);
	unsigned int exits = READ_ONCE(idle->exits);
	bool done = !READ_ONCE(idle->pinned);

	if (!done && exits == idle->exits_seen) {
		if (mutex_trylock(&idle->vcpu->mutex)) {
			done = give_back(idle->vcpu, f);
			idle->pinned = !done;
			mutex_unlock(&idle->vcpu->mutex);
		} else {
			WRITE_ONCE(idle->give_back, true);
		}
	}
	idle->exits_seen = exits;
	if (!done)
		schedule_delayed_work(&idle->work, PERIOD);
}

/**
 * nvx_idle_init() - A vCPU has got a record
 * @vcpu: the vCPU
 * @f: the record
 *
 * Context: Thread of the vCPU.
 */
void nvx_idle_init(struct kvm_vcpu *vcpu, struct nvx_fast *f)
{
	f->idle.vcpu = vcpu;
	INIT_DELAYED_WORK(&f->idle.work, idle_work);
}

/**
 * nvx_idle_stop() - Somebody else is about to unmap the pages
 * @f: the record
 *
 * Context: Process context, may sleep.
 */
void nvx_idle_stop(struct nvx_fast *f)
{
	cancel_delayed_work_sync(&f->idle.work);
}

/**
 * nvx_idle_entered() - KVM's own path has entered L2, and mapped pages
 * @f: the record
 *
 * Context: Thread of the vCPU.
 */
void nvx_idle_entered(struct nvx_fast *f)
{
	f->idle.pinned = true;
	f->idle.give_back = false;
	if (!delayed_work_pending(&f->idle.work))
		schedule_delayed_work(&f->idle.work, PERIOD);
}

/**
 * nvx_idle_give_back() - An exit of L1 with idle.give_back set
 * @vcpu: the vCPU
 * @f: its record
 *
 * Context: Thread of the vCPU, may sleep.
 */
void nvx_idle_give_back(struct kvm_vcpu *vcpu, struct nvx_fast *f)
{
	f->idle.give_back = false;
	/* It may have run L2 in the meantime. */
	if (READ_ONCE(f->idle.exits) == f->idle.exits_seen && give_back(vcpu, f))
		WRITE_ONCE(f->idle.pinned, false);
}
