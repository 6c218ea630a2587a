// SPDX-License-Identifier: GPL-2.0-only
/*
 * nvx_pv_l1: have the host below load registers of our guests.
 *
 * XCR0 and XSS: KVM loads the guest's values before VM-entry and its own after
 * VM-exit, if they differ; each is an exit to the host.  Instead put() writes both values
 * beside the VMCS and sets the register's bit in @load: the host loads the one at
 * VM-entry and the other at VM-exit.  take() clears the bit after the VM-exit, so that it
 * holds for one VM-entry only.
 *
 * MSRs that only user space needs (those of SYSCALL, TSC_AUX): put_msr() writes both values
 * to the assist page of the CPU and sets the entry's bit in @msr_load.  At VM-entry the
 * host loads the guest's value and clears the bit.  When the CPU returns to user space
 * restore_msrs() has the host load ours, all of them by one WRMSR.
 */
#include <linux/kvm_host.h>

#include <asm/tlbflush.h>

#include "vmx/vmx.h"
#include "vmx/nvx/nvx.h"

static_assert(NVX_LOAD_XCR0 == NVX_PV_LOAD_XCR0);
static_assert(NVX_LOAD_XSS == NVX_PV_LOAD_XSS);

static bool put(u32 what, u64 guest, u64 host)
{
	struct nvx_pv_vmcs_hdr *hdr =
		this_cpu_read(nvx_pv_region) + NVX_PV_OFFSET;
	struct nvx_pv_pair *pair = what == NVX_PV_LOAD_XCR0 ? &hdr->xcr0 :
							      &hdr->xss;

	if (!(nvx_l1_features & NVX_PV_FEAT_XSTATE))
		return false;

	WRITE_ONCE(pair->guest, guest);
	WRITE_ONCE(pair->host, host);
	WRITE_ONCE(hdr->load, hdr->load | what);
	return true;
}

static bool take(u32 what)
{
	struct nvx_pv_vmcs_hdr *hdr =
		this_cpu_read(nvx_pv_region) + NVX_PV_OFFSET;

	if (!(hdr->load & what))
		return false;

	WRITE_ONCE(hdr->load, hdr->load & ~what);
	return true;
}

/*
 * Entries of uret[] of this CPU, a bit each.
 * @put: put_msr() has written them since the last return to user space
 * @loaded: of these, the host has loaded the guest's value since: ours has to come back
 */
struct uret_state {
	u32 put;
	u32 loaded;
};

static DEFINE_PER_CPU(struct uret_state, uret_state);

/* The host clears the bit of an entry when it has loaded the guest's value. */
static void note_loaded(struct uret_state *state,
			const struct nvx_pv_assist *assist)
{
	state->loaded |= state->put & ~READ_ONCE(assist->msr_load);
}

/* MSR_SYSCALL_MASK has 32 bits: with more the host would let VM-entry fail. */
static bool fits(u32 index, u64 value)
{
	return index != MSR_SYSCALL_MASK || !(value >> 32);
}

static bool put_msr(u32 slot, u32 index, u64 guest, u64 host)
{
	struct nvx_pv_assist *assist = this_cpu_read(nvx_pv_assist_page);
	bool wanted = nvx_l1_features & NVX_PV_FEAT_URET && assist &&
		      slot < NVX_PV_NR_URET && fits(index, guest) &&
		      (index == MSR_STAR || index == MSR_LSTAR ||
		       index == MSR_CSTAR || index == MSR_SYSCALL_MASK ||
		       index == MSR_TSC_AUX);
	struct uret_state *state;
	unsigned long flags;

	if (!assist)
		return false;

	/* A CPU that is shut down restores its MSRs by an interrupt. */
	local_irq_save(flags);
	state = this_cpu_ptr(&uret_state);
	note_loaded(state, assist);
	if (wanted) {
		assist->uret[slot].index = index;
		assist->uret[slot].guest = guest;
		assist->uret[slot].host = host;
		barrier(); /* complete, then used */
		WRITE_ONCE(assist->msr_load, assist->msr_load | BIT(slot));
		state->put |= BIT(slot);
	} else if (state->put & BIT(slot)) {
		/* KVM loads the guest's value itself, and its own afterwards. */
		WRITE_ONCE(assist->msr_load, assist->msr_load & ~BIT(slot));
		state->put &= ~BIT(slot);
		state->loaded &= ~BIT(slot);
	}
	local_irq_restore(flags);
	return wanted;
}

static bool has_msr(u32 slot)
{
	return this_cpu_read(uret_state.put) & BIT(slot);
}

static void restore_msrs(void)
{
	struct nvx_pv_assist *assist = this_cpu_read(nvx_pv_assist_page);
	struct uret_state *state;
	unsigned long flags;
	u32 i, mask = 0;

	local_irq_save(flags);
	state = this_cpu_ptr(&uret_state);
	if (state->put && assist) {
		note_loaded(state, assist);
		WRITE_ONCE(assist->msr_load, 0);
		mask = state->loaded;
		state->put = 0;
		state->loaded = 0;
	}
	/*
	 * Without VMX operation the host has no assist page of this CPU: write the MSRs
	 * one by one.  Do not rely on a #GP then: a host may ignore a WRMSR of what it
	 * does not know.
	 */
	if (mask && (!(cr4_read_shadow() & X86_CR4_VMXE) ||
		     wrmsrl_safe(MSR_NVX_PV_RESTORE, mask)))
		for (i = 0; i < NVX_PV_NR_URET; i++)
			if (mask & BIT(i))
				wrmsrl(assist->uret[i].index,
				       assist->uret[i].host);
	local_irq_restore(flags);
}

static const struct nvx_l1_ops ops = {
	.put = put,
	.take = take,
	.put_msr = put_msr,
	.has_msr = has_msr,
	.restore_msrs = restore_msrs,
};

/**
 * nvx_l1_register() - Leave registers of guests to the host from now on
 *
 * Context: Module initialization, nothing can fail any more.
 */
void __init nvx_l1_register(void)
{
	if (nvx_l1_features & (NVX_PV_FEAT_XSTATE | NVX_PV_FEAT_URET))
		nvx_l1_ops = &ops;
}

/**
 * nvx_l1_unregister() - Undo nvx_l1_register()
 *
 * Context: Module exit, there is no vCPU any more.
 */
void nvx_l1_unregister(void)
{
	nvx_l1_ops = NULL;
}
