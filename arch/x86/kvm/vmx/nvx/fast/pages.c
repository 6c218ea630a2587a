// SPDX-License-Identifier: GPL-2.0-only
/*
 * nvx_fast: guest pages that stay mapped while L1 runs.
 *
 * KVM maps the pages that vmcs12 points to at each VM-entry and unmaps them at
 * each exit.  The short form keeps them while they are what L1 sees, see pins.h.
 * A page that has changed is held until the next VM-entry, as KVM holds it while L2
 * runs; if there is none for a while all pages are given back, see idle.c.
 */
#include <linux/kvm_host.h>

#include "lapic.h"
#include "vmx/vmx.h"
#include "vmx/nested.h"
#include "nvx_compat.h"
#include "vmx/nvx/fast/parts.h"
#include "vmx/nvx/fast/record.h"
#include "vmx/nvx/nvx.h"

/**
 * nvx_pages_current() - Are all kept pages still what the guest sees?
 * @vcpu: vCPU about to enter L2
 * @f: its record
 *
 * Context: Any.
 */
bool nvx_pages_current(struct kvm_vcpu *vcpu, struct nvx_fast *f)
{
	return (nvx_fast_mask & NVX_FAST_PAGES) &&
	       nvx_pins_current(&f->pins, vcpu);
}

/**
 * nvx_pages_begin() - Make room for the maps of a VM-entry on KVM's own path
 * @vcpu: vCPU about to enter L2, or to leave VMX operation
 * @f: its record
 *
 * KVM overwrites its maps at VM-entry, so those that outlived the exit have to
 * go first.  KVM maps its own afterwards.
 *
 * Context: Process context.
 */
void nvx_pages_begin(struct kvm_vcpu *vcpu, struct nvx_fast *f)
{
	struct nested_vmx *nested = &to_vmx(vcpu)->nested;

	if (f->pages_kept) {
		f->pages_kept = false;
		kvm_vcpu_unmap(vcpu, &nested->apic_access_page_map, false);
		kvm_vcpu_unmap(vcpu, &nested->virtual_apic_map, true);
		kvm_vcpu_unmap(vcpu, &nested->pi_desc_map, true);
		nested->pi_desc = NULL;
	}

	if (nvx_pages_current(vcpu, f))
		return;

	if (f->msr_bitmap.map.hva)
		kvm_vcpu_unmap(vcpu, &f->msr_bitmap.map, false);
	nvx_pins_begin(&f->pins, vcpu);
}

/**
 * nvx_pages_end() - Map what nvx needs beyond KVM's own maps
 * @vcpu: vCPU that has entered L2 on KVM's own path
 * @f: its record
 *
 * Context: Process context, kvm->srcu held for read.
 * Return: false if L1's MSR bitmap cannot be mapped.
 */
bool nvx_pages_end(struct kvm_vcpu *vcpu, struct nvx_fast *f)
{
	struct vmcs12 *vmcs12 = get_vmcs12(vcpu);
	struct nvx_page *page = &f->msr_bitmap;

	if (!nested_cpu_has(vmcs12, CPU_BASED_USE_MSR_BITMAPS))
		return true;

	if (page->map.hva && page->gpa == vmcs12->msr_bitmap)
		return true;

	if (page->map.hva)
		kvm_vcpu_unmap(vcpu, &page->map, false);
	if (kvm_vcpu_map(vcpu, gpa_to_gfn(vmcs12->msr_bitmap), &page->map))
		return false;
	page->gpa = vmcs12->msr_bitmap;
	return true;
}

/**
 * nvx_pages_logged() - Does user space want to know of writes of the CPU?
 * @vcpu: vCPU that has entered L2 on KVM's own path
 *
 * KVM marks the pages that the CPU writes by itself dirty at every exit from L2,
 * see nested_mark_vmcs12_pages_dirty().  The short form does not: while those
 * pages are logged every transition takes KVM's own path.  Logging that starts
 * later changes the memslots' generation.
 *
 * Context: kvm->srcu held for read.
 */
bool nvx_pages_logged(struct kvm_vcpu *vcpu)
{
	struct vmcs12 *vmcs12 = get_vmcs12(vcpu);

	return (nested_cpu_has(vmcs12, CPU_BASED_TPR_SHADOW) &&
		nvx_page_logged(vcpu, vmcs12->virtual_apic_page_addr)) ||
	       (nested_cpu_has_posted_intr(vmcs12) &&
		nvx_page_logged(vcpu, vmcs12->posted_intr_desc_addr));
}

/**
 * nvx_pages_release() - Unmap everything
 * @vcpu: vCPU that leaves VMX operation
 * @f: its record
 *
 * Context: Process context.
 */
void nvx_pages_release(struct kvm_vcpu *vcpu, struct nvx_fast *f)
{
	nvx_pages_begin(vcpu, f);
	if (f->msr_bitmap.map.hva)
		kvm_vcpu_unmap(vcpu, &f->msr_bitmap.map, false);
}

/**
 * nvx_pages_give_back() - L1 does not seem to run L2 any more
 * @vcpu: vCPU in L1
 * @f: its record
 *
 * Context: Process context, kvm->srcu held for read, nobody runs the vCPU.
 */
void nvx_pages_give_back(struct kvm_vcpu *vcpu, struct nvx_fast *f)
{
	struct nested_vmx *nested = &to_vmx(vcpu)->nested;

	if (f->pages_kept) {
		f->pages_kept = false;
		nvx_page_give_back(vcpu, &nested->apic_access_page_map);
		nvx_page_give_back(vcpu, &nested->virtual_apic_map);
		nvx_page_give_back(vcpu, &nested->pi_desc_map);
		nested->pi_desc = NULL;
	}
	nvx_page_give_back(vcpu, &f->msr_bitmap.map);
	/* The next VM-entry has to map them. */
	f->l2_valid = false;
}

#define X2APIC_WORD	(APIC_BASE_MSR / 64)
#define X2APIC_BIT(reg)	BIT_ULL((APIC_BASE_MSR + ((reg) >> 4)) % 64)

/* The APIC's MSRs, of which those that the CPU virtualizes are L1's to decide. */
static void merge_x2apic(u64 *l2, const u64 *l1, struct vmcs12 *vmcs12)
{
	bool reg_virt = nested_cpu_has_apic_reg_virt(vmcs12);
	u64 writes = X2APIC_BIT(APIC_TASKPRI);
	u64 reads = reg_virt ? ~0ull : writes;
	int i;

	if (nested_cpu_has_vid(vmcs12))
		writes |= X2APIC_BIT(APIC_EOI) | X2APIC_BIT(APIC_SELF_IPI);

	l2[X2APIC_WORD] = READ_ONCE(l1[X2APIC_WORD]) | ~reads;
	l2[256 + X2APIC_WORD] = READ_ONCE(l1[256 + X2APIC_WORD]) | ~writes;
	for (i = 1; reg_virt && i < 4; i++)
		l2[X2APIC_WORD + i] = READ_ONCE(l1[X2APIC_WORD + i]);
}

/**
 * nvx_merge_msr_bitmap() - Bring the MSR bitmap of vmcs02 up to date
 * @vmx: vCPU that enters L2
 * @f: its record, with L1's bitmap mapped
 * @vmcs12: its vmcs12
 *
 * nested_vmx_prepare_msr_bitmap() lets L2 access a handful of MSRs directly if
 * neither L0 nor L1 intercepts them; NVX_COMPAT_MSR_WORDS lists the 64-bit words
 * that hold their bits.  With x2APIC virtualization the CPU handles some MSRs of
 * the APIC.  All other bits were set at the last VM-entry on KVM's own path and
 * stay set.  Done at every entry: L1 may have changed its bitmap
 * without telling anybody.
 *
 * Context: Any.
 */
void nvx_merge_msr_bitmap(struct vcpu_vmx *vmx, struct nvx_fast *f,
			  struct vmcs12 *vmcs12)
{
	const u64 *l1 = f->msr_bitmap.map.hva;
	const u64 *l0 = (u64 *)vmx->vmcs01.msr_bitmap;
	u64 *l2 = (u64 *)vmx->nested.vmcs02.msr_bitmap;
	u64 word;

#define MERGE(index, mask)						\
	do {								\
		word = READ_ONCE(l1[index]) | l0[index] | ~(u64)(mask);	\
		if (word != l2[index])					\
			l2[index] = word;				\
	} while (0);
	NVX_COMPAT_MSR_WORDS(MERGE)
#undef MERGE

	if (nested_cpu_has_virt_x2apic_mode(vmcs12))
		merge_x2apic(l2, l1, vmcs12);
}

/**
 * nvx_msr_exit_wanted() - Does L1 want this RDMSR or WRMSR of L2?
 * @vcpu: vCPU that has left L2 because of an MSR access
 * @f: its record
 * @write: WRMSR
 *
 * Context: Any.
 * Return: true if the access is certainly L1's; false if it is not or if only
 * nested_vmx_exit_handled_msr() can tell.
 */
bool nvx_msr_exit_wanted(struct kvm_vcpu *vcpu, struct nvx_fast *f, bool write)
{
	const u8 *bitmap = f->msr_bitmap.map.hva;
	struct vmcs12 *vmcs12 = get_vmcs12(vcpu);
	u32 msr = vcpu->arch.regs[VCPU_REGS_RCX];

	if (!nested_cpu_has(vmcs12, CPU_BASED_USE_MSR_BITMAPS))
		return true;
	if (!bitmap || f->msr_bitmap.gpa != vmcs12->msr_bitmap ||
	    !nvx_pages_current(vcpu, f))
		return false;

	/* SDM 25.6.9: read-low, read-high, write-low, write-high, 1 KiB each. */
	if (write)
		bitmap += 2048;
	if (msr >= 0xc0000000) {
		msr -= 0xc0000000;
		bitmap += 1024;
	}
	if (msr >= 1024 * 8)
		return true;
	return READ_ONCE(bitmap[msr / 8]) & BIT(msr % 8);
}
