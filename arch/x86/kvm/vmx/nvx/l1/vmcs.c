// SPDX-License-Identifier: GPL-2.0-only
/*
 * nvx_pv_l1: use the PV VMCS of the host below.
 *
 * Decided once, when the module is loaded: KVM cannot change the kind of its
 * VMCSs later.  nvx_ops.h has what is fast, this file the rest.
 */
#include <linux/kvm_host.h>
#include <linux/module.h>

#include <asm/hypervisor.h>
#include <asm/processor.h>

#include "vmx/vmx.h"
#include "vmx/nested.h"
#include "nvx_compat.h"
#include "vmx/nvx/nvx.h"

DEFINE_STATIC_KEY_FALSE(nvx_vmcs_in_memory);
DEFINE_STATIC_KEY_FALSE(nvx_l1_key);
DEFINE_PER_CPU(void *, nvx_pv_region);
DEFINE_PER_CPU(struct nvx_pv_assist *, nvx_pv_assist_page);

/* What the host offers and this module uses. */
u32 nvx_l1_features __ro_after_init;

/* Before the first vmcs_load() and after VMXOFF accesses go nowhere. */
static char no_region[NVX_PV_REGION_SIZE] __aligned(8);

static const struct nvx_pv_layout *find_field(unsigned long field)
{
	unsigned int index = nvx_pv_index(field);

	if (field >> 15 || index >= ARRAY_SIZE(nvx_pv_layout) ||
	    !nvx_pv_layout[index].size)
		return NULL;
	return &nvx_pv_layout[index];
}

/* Have L0 complete the region; any field will do. */
static void make_valid(struct nvx_pv_vmcs_hdr *hdr, u32 group)
{
	if (unlikely(!(READ_ONCE(hdr->valid) & group)))
		stock___vmcs_readl(GUEST_ES_SELECTOR);
}

/**
 * nvx_l1_read() - Read a field of the current VMCS
 * @field: encoding
 *
 * Context: Any in which VMREAD is possible.
 * Return: its value, zero-extended.
 */
u64 nvx_l1_read(unsigned long field)
{
	const struct nvx_pv_layout *layout = find_field(field);
	void *region = this_cpu_read(nvx_pv_region);

	if (!layout)
		return stock___vmcs_readl(field);

	if (layout->group & NVX_PV_LAZY)
		make_valid(region + NVX_PV_OFFSET, layout->group);

	return nvx_pv_fetch(region, layout);
}

/**
 * nvx_l1_write() - Write a field of the current VMCS
 * @field: encoding
 * @value: its value
 *
 * Context: Any in which VMWRITE is possible.
 */
void nvx_l1_write(unsigned long field, u64 value)
{
	const struct nvx_pv_layout *layout = find_field(field);
	void *region = this_cpu_read(nvx_pv_region);

	if (!layout) {
		stock___vmcs_writel(field, value);
		return;
	}

	/* Bits that VMWRITE drops. */
	if (field >= GUEST_ES_AR_BYTES && field <= GUEST_TR_AR_BYTES)
		value &= 0x1f0ff;

	/* A group is copied as a whole: what is not written now must be right. */
	if (layout->group & NVX_PV_LAZY)
		make_valid(region + NVX_PV_OFFSET, layout->group);

	nvx_pv_store(region, layout->group, layout->offset, layout->size, value);
}

/**
 * nvx_l1_load() - Make a VMCS current on this CPU
 * @vmcs: region, cleared or last used on this CPU
 *
 * Context: Preemption off.
 */
void nvx_l1_load(struct vmcs *vmcs)
{
	struct nvx_pv_vmcs_hdr *hdr = (void *)vmcs + NVX_PV_OFFSET;
	struct nvx_pv_assist *assist = this_cpu_read(nvx_pv_assist_page);

	if (hdr->magic != NVX_PV_VMCS_MAGIC) {
		hdr->magic = NVX_PV_VMCS_MAGIC;
		hdr->version = NVX_PV_VERSION;
		hdr->valid = NVX_PV_ALL;
	}
	this_cpu_write(nvx_pv_region, vmcs);
	if (assist)
		WRITE_ONCE(assist->current_vmcs, __pa(vmcs));
}

/* What the instruction would have done; there is none for a range. */
static void flush_now(u32 op, u64 eptp, u32 vpid, u64 gla)
{
	if (op & NVX_PV_RANGE)
		__invept(VMX_EPT_EXTENT_GLOBAL, 0, 0);
	else if (op & NVX_PV_INVEPT)
		__invept(op & 0xffff, eptp, 0);
	else
		__invvpid(op & 0xffff, vpid, gla);
}

/**
 * nvx_l1_flush() - Flush translations before this CPU enters a guest again
 * @op: request, see &struct nvx_pv_flush
 * @eptp: EPTP of INVEPT type 1 and of a range
 * @vpid: VPID, or number of pages of a range
 * @gla: linear address of INVVPID type 0, or first page of a range
 *
 * Context: Any.
 */
void nvx_l1_flush(u32 op, u64 eptp, u32 vpid, u64 gla)
{
	struct nvx_pv_assist *assist;
	struct nvx_pv_flush *flush;
	unsigned long flags;
	u32 nr;

	local_irq_save(flags);
	assist = this_cpu_read(nvx_pv_assist_page);
	nr = assist ? READ_ONCE(assist->nr_flush) : NVX_PV_NR_FLUSH;
	if (nr >= NVX_PV_NR_FLUSH || !(nvx_l1_features & NVX_PV_FEAT_FLUSH)) {
		flush_now(op, eptp, vpid, gla);
		goto out;
	}

	flush = &assist->flush[nr];
	/* KVM likes to flush the same twice. */
	if (nr && flush[-1].op == op && flush[-1].eptp == eptp &&
	    flush[-1].vpid == vpid && flush[-1].gla == gla)
		goto out;
	flush->op = op;
	flush->eptp = eptp;
	flush->vpid = vpid;
	flush->gla = gla;
	WRITE_ONCE(assist->nr_flush, nr + 1);
out:
	local_irq_restore(flags);
}

/**
 * nvx_l1_online() - This CPU has entered VMX operation
 * @vmxon_region: its VMXON region
 *
 * Context: Interrupts or at least migration off.
 * Return: 0, or -EIO if the host refuses.
 */
int nvx_l1_online(void *vmxon_region)
{
	struct nvx_pv_assist *assist = vmxon_region + NVX_PV_OFFSET;

	if (!static_branch_unlikely(&nvx_l1_key))
		return 0;

	memset(assist, 0, sizeof(*assist));
	assist->magic = NVX_PV_ASSIST_MAGIC;
	assist->version = NVX_PV_VERSION;
	assist->features = nvx_l1_features;
	assist->current_vmcs = NVX_PV_NO_VMCS;
	this_cpu_write(nvx_pv_region, no_region);
	barrier(); /* complete, then used */
	if (wrmsrl_safe(MSR_NVX_PV_ASSIST, NVX_PV_ASSIST_ENABLE)) {
		pr_err("kvm_intel: nvx: CPU %d: the host refuses the PV VMCS that it offers (error %u); load with nvx_off=pv_l1\n",
		       raw_smp_processor_id(), READ_ONCE(assist->error));
		this_cpu_write(nvx_pv_assist_page, NULL);
		return -EIO;
	}
	this_cpu_write(nvx_pv_assist_page, assist);
	return 0;
}

/**
 * nvx_host_offers_pv() - Is there a PV VMCS below that this module can use?
 *
 * Context: Module initialization.
 * Return: true if there is; nvx_l1_features then says what else is offered.
 */
bool __init nvx_host_offers_pv(void)
{
	u32 base, version, feat, revision, msr;
	u64 value;

	if (!boot_cpu_has(X86_FEATURE_HYPERVISOR) || nvx_compat_using_evmcs())
		return false;
	base = hypervisor_cpuid_base(NVX_PV_SIGNATURE, 1);
	if (!base)
		return false;

	cpuid(base + 1, &version, &feat, &revision, &msr);
	if (version != NVX_PV_VERSION || !(feat & NVX_PV_FEAT_VMCS) ||
	    revision != NVX_PV_REVISION || msr != MSR_NVX_PV_ASSIST ||
	    rdmsrl_safe(msr, &value)) {
		pr_info("kvm_intel: nvx: the host offers a PV VMCS of version %u, revision %x, which this module does not know\n",
			version, revision);
		return false;
	}
	nvx_l1_features = feat & (NVX_PV_FEAT_VMCS | NVX_PV_FEAT_FLUSH |
				     NVX_PV_FEAT_CPUID | NVX_PV_FEAT_RDMSR |
				     NVX_PV_FEAT_HLT | NVX_PV_FEAT_RANGE |
				     NVX_PV_FEAT_XSTATE | NVX_PV_FEAT_URET |
				     NVX_PV_FEAT_TSC_DEADLINE);
	if (!(feat & NVX_PV_FEAT_FLUSH))
		nvx_l1_features &= ~NVX_PV_FEAT_RANGE;
	return true;
}

/**
 * nvx_l1_setup() - Use the PV VMCS of the host below if there is one
 *
 * Context: Module initialization, before this module enters VMX operation.
 */
void __init nvx_l1_setup(void)
{
	int cpu;

	if (nvx_compat_using_evmcs())
		static_branch_enable(&nvx_vmcs_in_memory);
	if (!nvx_pv_l1)
		return;

	for_each_possible_cpu(cpu)
		per_cpu(nvx_pv_region, cpu) = no_region;
	static_branch_enable(&nvx_l1_key);
	static_branch_enable(&nvx_vmcs_in_memory);
}
