// SPDX-License-Identifier: GPL-2.0-only
/*
 * nvx_pv_l1: have the host below load XCR0 and XSS of our guests.
 *
 * KVM loads the guest's values before VM-entry and its own after VM-exit, if they
 * differ; each is an exit to the host.  Put down beside the VMCS they cost none.
 * They are taken away again after the VM-exit, so what is there is always of the
 * VM-entry that follows.
 */
#include <linux/kvm_host.h>

#include "vmx/vmx.h"
#include "nvx.h"

static_assert(NVX_LOAD_XCR0 == NVX_PV_LOAD_XCR0);
static_assert(NVX_LOAD_XSS == NVX_PV_LOAD_XSS);

static bool put(u32 what, u64 guest, u64 host)
{
	struct nvx_pv_vmcs_hdr *hdr =
		this_cpu_read(nvx_pv_region) + NVX_PV_OFFSET;
	struct nvx_pv_pair *pair = what == NVX_PV_LOAD_XCR0 ? &hdr->xcr0 :
							      &hdr->xss;

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

static const struct nvx_l1_ops ops = {
	.put = put,
	.take = take,
};

/**
 * nvx_pv_l1_register() - Leave XCR0 and XSS of guests to the host from now on
 *
 * Context: Module initialization, nothing can fail any more.
 */
void __init nvx_pv_l1_register(void)
{
	if (nvx_pv_l1_features & NVX_PV_FEAT_XSTATE)
		nvx_l1_ops = &ops;
}

/**
 * nvx_pv_l1_unregister() - Undo nvx_pv_l1_register()
 *
 * Context: Module exit, there is no vCPU any more.
 */
void nvx_pv_l1_unregister(void)
{
	nvx_l1_ops = NULL;
}
