// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pages of L1 that stay mapped are pinned: the host can neither swap them out nor move
 * them, so their memory cannot be offlined.  Stock unmaps them at each exit from L2.
 * Here they are given back when L1 has not run L2 for a second or two, with the short
 * forms and without them, by whoever has the vCPU then:
 *
 * - a work item if it is in user space,
 * - its thread at the next exit of L1,
 * - its thread when KVM has put it to sleep (HLT, wait-for-SIPI), for which the work item
 *   wakes it: the vCPU stays as it is, and sleeps on.
 */
#include <linux/kvm_host.h>
#include <linux/workqueue.h>

#include "vmx/vmx.h"
#include "vmx/nested.h"
#include "mmu/nvx/nvx_mmu.h"
#include "vmx/nvx/fast/parts.h"
#include "vmx/nvx/fast/record.h"
#include "vmx/nvx/nvx.h"
#include "vmx/nvx/pv/pv.h"

#define PERIOD	HZ

/* Freed when L1 leaves VMX operation.  @exits_seen and @pinned are the work item's. */
struct nvx_idle {
	struct delayed_work work;
	struct kvm_vcpu *vcpu;
	unsigned int exits_seen;	/* of nvx_vcpu.l2_exits */
	bool pinned;			/* there is something to give back */
};

/* True: nothing is left.  L2 that is interrupted has its pages, as on stock. */
static bool give_back(struct kvm_vcpu *vcpu)
{
	struct nvx_fast *f = to_vmx(vcpu)->nested.nvx.fast;
	struct nvx_pv *pv = nvx_pv_of(vcpu);
	bool done = true;
	int idx;

	if (is_guest_mode(vcpu) || to_vmx(vcpu)->nested.smm.guest_mode)
		return false;

	idx = srcu_read_lock(&vcpu->kvm->srcu);
	if (f)
		nvx_pages_give_back(vcpu, f);
	if (pv)
		done = nvx_pv_give_back(vcpu, pv);
	srcu_read_unlock(&vcpu->kvm->srcu, idx);
	if (done)
		nvx_count(idle_unpinned);
	return done;
}

/* A vCPU that sleeps has no exit at which it would see the flag. */
static void wake(struct kvm_vcpu *vcpu)
{
	if (!kvm_vcpu_is_blocking(vcpu) || is_guest_mode(vcpu))
		return;

	kvm_make_request(KVM_REQ_UNBLOCK, vcpu);
	kvm_vcpu_wake_up(vcpu);
}

static void idle_work(struct work_struct *work)
{
	struct nvx_idle *idle = container_of(to_delayed_work(work),
					     struct nvx_idle, work);
	struct kvm_vcpu *vcpu = idle->vcpu;
	struct nvx_vcpu *nvx = &to_vmx(vcpu)->nested.nvx;
	unsigned int exits = READ_ONCE(nvx->l2_exits);
	bool done = !READ_ONCE(idle->pinned);

	if (!done && exits == idle->exits_seen) {
		if (mutex_trylock(&vcpu->mutex)) {
			done = give_back(vcpu);
			idle->pinned = !done;
			mutex_unlock(&vcpu->mutex);
		} else {
			WRITE_ONCE(nvx->give_back, true);
			wake(vcpu);
		}
	}
	idle->exits_seen = exits;
	if (!done)
		schedule_delayed_work(&idle->work, PERIOD);
}

static struct nvx_idle *create(struct kvm_vcpu *vcpu)
{
	struct nvx_vcpu *nvx = &to_vmx(vcpu)->nested.nvx;
	struct nvx_idle *idle = kzalloc(sizeof(*idle), GFP_KERNEL_ACCOUNT);

	/* Without memory the next VM-entry tries again. */
	if (!idle)
		return NULL;

	idle->vcpu = vcpu;
	INIT_DELAYED_WORK(&idle->work, idle_work);
	if (!static_branch_unlikely(&nvx_exits_matter))
		static_branch_enable(&nvx_exits_matter);
	nvx->idle = idle;
	nvx_watch_exits(nvx);
	return idle;
}

/**
 * nvx_idle_mapped() - Pages of L1 have been mapped, for more than a run of L2
 * @vcpu: the vCPU
 *
 * Context: Thread of the vCPU, may sleep.
 */
void nvx_idle_mapped(struct kvm_vcpu *vcpu)
{
	struct nvx_vcpu *nvx = &to_vmx(vcpu)->nested.nvx;
	struct nvx_idle *idle = nvx->idle ?: create(vcpu);

	if (!idle)
		return;

	WRITE_ONCE(idle->pinned, true);
	WRITE_ONCE(nvx->give_back, false);
	if (!delayed_work_pending(&idle->work))
		schedule_delayed_work(&idle->work, PERIOD);
}

/**
 * nvx_idle_give_back() - L1 has an exit, or wakes up, and is to give its pages back
 * @vcpu: the vCPU, with nvx_vcpu.give_back set
 *
 * Context: Thread of the vCPU, may sleep.
 */
void nvx_idle_give_back(struct kvm_vcpu *vcpu)
{
	struct nvx_vcpu *nvx = &to_vmx(vcpu)->nested.nvx;
	struct nvx_idle *idle = nvx->idle;

	WRITE_ONCE(nvx->give_back, false);
	/* It may have run L2 in the meantime. */
	if (idle && nvx->l2_exits == READ_ONCE(idle->exits_seen) && give_back(vcpu))
		WRITE_ONCE(idle->pinned, false);
}

/**
 * nvx_idle_stop() - Somebody else is about to unmap the pages
 * @vcpu: the vCPU
 *
 * Context: Process context, may sleep.
 */
void nvx_idle_stop(struct kvm_vcpu *vcpu)
{
	struct nvx_idle *idle = to_vmx(vcpu)->nested.nvx.idle;

	if (idle)
		cancel_delayed_work_sync(&idle->work);
}

/**
 * nvx_idle_free() - L1 leaves VMX operation
 * @vcpu: the vCPU
 *
 * Context: Process context, may sleep.
 */
void nvx_idle_free(struct kvm_vcpu *vcpu)
{
	struct nvx_vcpu *nvx = &to_vmx(vcpu)->nested.nvx;

	nvx_idle_stop(vcpu);
	kfree(nvx->idle);
	nvx->idle = NULL;
	nvx->give_back = false;
	nvx_watch_exits(nvx);
}

static void woken(struct kvm_vcpu *vcpu)
{
	if (READ_ONCE(to_vmx(vcpu)->nested.nvx.give_back))
		nvx_idle_give_back(vcpu);
}

/**
 * nvx_idle_register() - Have kvm.ko tell of vCPUs that wake up
 *
 * Context: Module initialization, nothing can fail any more.
 */
void __init nvx_idle_register(void)
{
	if (nvx_fast_mask || nvx_pv_recognized())
		nvx_woken = woken;
}

/**
 * nvx_idle_unregister() - Undo nvx_idle_register()
 *
 * Context: Module exit, there is no vCPU any more.
 */
void nvx_idle_unregister(void)
{
	nvx_woken = NULL;
}
