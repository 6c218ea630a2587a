/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * nvx_pv, the side of L1: accessors of the VMCS that use the memory of a PV VMCS
 * when the host below offers one.  Takes the place of vmx_ops.h: the stock
 * accessors get other names, functions with the stock names decide by a static
 * key.  On bare metal that is a patched jump that does nothing, in the place of
 * the stock accessors' own test for Hyper-V.
 */
#ifndef __KVM_X86_VMX_NVX_OPS_H
#define __KVM_X86_VMX_NVX_OPS_H

struct kvm_vcpu;

#ifndef CONFIG_KVM_NVX_PV
#include "vmx/vmx_ops.h"

static inline void nvx_l1_pre_entry(struct kvm_vcpu *vcpu,
				    struct nvx_vcpu *nvx,
				    const struct nvx_vm *vm) { }
static inline void nvx_l1_exited(struct kvm_vcpu *vcpu) { }
static inline void nvx_l1_left(struct kvm_vcpu *vcpu) { }
#else

#define __vmcs_readl		stock___vmcs_readl
#define vmcs_read16		stock_vmcs_read16
#define vmcs_read32		stock_vmcs_read32
#define vmcs_read64		stock_vmcs_read64
#define vmcs_readl		stock_vmcs_readl
#define __vmcs_writel		stock___vmcs_writel
#define vmcs_write16		stock_vmcs_write16
#define vmcs_write32		stock_vmcs_write32
#define vmcs_write64		stock_vmcs_write64
#define vmcs_writel		stock_vmcs_writel
#define vmcs_clear_bits		stock_vmcs_clear_bits
#define vmcs_set_bits		stock_vmcs_set_bits
#define vmcs_load		stock_vmcs_load
#define vpid_sync_vcpu_single	stock_vpid_sync_vcpu_single
#define vpid_sync_vcpu_global	stock_vpid_sync_vcpu_global
#define vpid_sync_context	stock_vpid_sync_context
#define vpid_sync_vcpu_addr	stock_vpid_sync_vcpu_addr
#define ept_sync_global		stock_ept_sync_global
#define ept_sync_context	stock_ept_sync_context
#include "vmx/vmx_ops.h"
#undef __vmcs_readl
#undef vmcs_read16
#undef vmcs_read32
#undef vmcs_read64
#undef vmcs_readl
#undef __vmcs_writel
#undef vmcs_write16
#undef vmcs_write32
#undef vmcs_write64
#undef vmcs_writel
#undef vmcs_clear_bits
#undef vmcs_set_bits
#undef vmcs_load
#undef vpid_sync_vcpu_single
#undef vpid_sync_vcpu_global
#undef vpid_sync_context
#undef vpid_sync_vcpu_addr
#undef ept_sync_global
#undef ept_sync_context

#include <linux/jump_label.h>
#include <linux/percpu.h>
#include <linux/preempt.h>
#include <nvx/pv_store.h>
#include <nvx/pv_vmcs.h>
#include <nvx/shim_page.h>
#include "nvx_compat.h"

/*
 * VMREAD and VMWRITE are not what to use here: PV VMCS, enlightened VMCS, or the
 * shim page.
 */
DECLARE_STATIC_KEY_FALSE(nvx_vmcs_in_memory);
DECLARE_STATIC_KEY_FALSE(nvx_l1_key);
/* The VMCS region that vmcs_load() has chosen on this CPU. */
DECLARE_PER_CPU(void *, nvx_pv_region);
/* Where this CPU tells the host below what to use; NULL outside of VMX operation. */
DECLARE_PER_CPU(struct nvx_pv_assist *, nvx_pv_assist_page);
/* What the shim keeps of the current VMCS, see <nvx/shim_page.h>; never NULL. */
DECLARE_PER_CPU(struct nvx_shim_page *, nvx_this_shim_page);

u64 nvx_l1_read(unsigned long field);
void nvx_l1_write(unsigned long field, u64 value);
void nvx_l1_load(struct vmcs *vmcs);
void nvx_l1_flush(u32 op, u64 eptp, u32 vpid, u64 gla);
void nvx_l1_ranges(struct nvx_vcpu *nvx);
void nvx_l1_delegate(struct kvm_vcpu *vcpu, bool granted);
void nvx_l1_halted(struct kvm_vcpu *vcpu);
void nvx_l1_take_deadline(struct kvm_vcpu *vcpu, struct nvx_pv_vmcs_hdr *hdr);
u64 nvx_shim_read_any(unsigned long field);
void nvx_shim_write_any(unsigned long field, u64 value);

/* Where a field is: an entry of nvx_pv_layout[]. */
struct nvx_pv_layout {
	u16 offset;
	u16 group;
	u8 size;
};

/* An encoding with the two bits of its width at the end, as KVM has it. */
static __always_inline unsigned int nvx_pv_index(unsigned long field)
{
	return (field << 6 | field >> 10) & 0xffff;
}

#define NVX_PV_LAYOUT(encoding, offset, type, name) \
	[((encoding) << 6 | (encoding) >> 10) & 0xffff] = \
		{ offset, NVX_PV_##name, sizeof(type) },
#define NVX_PV_LAYOUT_BASIC(encoding, member, offset, type) \
	NVX_PV_LAYOUT(encoding, offset, type, BASIC)
#define NVX_PV_LAYOUT_CRS(encoding, member, offset, type) \
	NVX_PV_LAYOUT(encoding, offset, type, CRS)
#define NVX_PV_LAYOUT_EVENT(encoding, member, offset, type) \
	NVX_PV_LAYOUT(encoding, offset, type, EVENT)
#define NVX_PV_LAYOUT_EXEC(encoding, member, offset, type) \
	NVX_PV_LAYOUT(encoding, offset, type, EXEC)
#define NVX_PV_LAYOUT_HOST_VAR(encoding, member, offset, type) \
	NVX_PV_LAYOUT(encoding, offset, type, HOST_VAR)
#define NVX_PV_LAYOUT_HOST(encoding, member, offset, type) \
	NVX_PV_LAYOUT(encoding, offset, type, HOST)
#define NVX_PV_LAYOUT_CTRL(encoding, member, offset, type) \
	NVX_PV_LAYOUT(encoding, offset, type, CTRL)
#define NVX_PV_LAYOUT_ADDR(encoding, member, offset, type) \
	NVX_PV_LAYOUT(encoding, offset, type, ADDR)
#define NVX_PV_LAYOUT_MSRS(encoding, member, offset, type) \
	NVX_PV_LAYOUT(encoding, offset, type, MSRS)
#define NVX_PV_LAYOUT_AR(encoding, member, offset, type) \
	NVX_PV_LAYOUT(encoding, offset, type, AR)
#define NVX_PV_LAYOUT_SEGS(encoding, member, offset, type) \
	NVX_PV_LAYOUT(encoding, offset, type, SEGS)
#define NVX_PV_LAYOUT_EXIT(encoding, member, offset, type) \
	NVX_PV_LAYOUT(encoding, offset, type, EXIT)

/* Accesses with a constant encoding leave nothing of it in the object. */
static const struct nvx_pv_layout nvx_pv_layout[] = {
	NVX_PV_FIELDS_BASIC(NVX_PV_LAYOUT_BASIC)
	NVX_PV_FIELDS_CRS(NVX_PV_LAYOUT_CRS)
	NVX_PV_FIELDS_EVENT(NVX_PV_LAYOUT_EVENT)
	NVX_PV_FIELDS_EXEC(NVX_PV_LAYOUT_EXEC)
	NVX_PV_FIELDS_HOST_VAR(NVX_PV_LAYOUT_HOST_VAR)
	NVX_PV_FIELDS_HOST(NVX_PV_LAYOUT_HOST)
	NVX_PV_FIELDS_CTRL(NVX_PV_LAYOUT_CTRL)
	NVX_PV_FIELDS_ADDR(NVX_PV_LAYOUT_ADDR)
	NVX_PV_FIELDS_MSRS(NVX_PV_LAYOUT_MSRS)
	NVX_PV_FIELDS_AR(NVX_PV_LAYOUT_AR)
	NVX_PV_FIELDS_SEGS(NVX_PV_LAYOUT_SEGS)
	NVX_PV_FIELDS_EXIT(NVX_PV_LAYOUT_EXIT)
};

/* A field of a region, zero-extended. */
static __always_inline u64 nvx_pv_fetch(const void *region,
					const struct nvx_pv_layout *layout)
{
	const void *p = region + layout->offset;

	switch (layout->size) {
	case sizeof(u16):
		return READ_ONCE(*(const u16 *)p);
	case sizeof(u32):
		return READ_ONCE(*(const u32 *)p);
	default:
		return READ_ONCE(*(const u64 *)p);
	}
}

/*
 * A group that L0 fills at every exit is read in place; the others, and fields
 * whose encoding the compiler does not know, take a call.
 */
static __always_inline u64 nvx_pv_read(unsigned long field)
{
	unsigned int index = nvx_pv_index(field);

	if (!__builtin_constant_p(field) || index >= ARRAY_SIZE(nvx_pv_layout) ||
	    !nvx_pv_layout[index].size ||
	    nvx_pv_layout[index].group & NVX_PV_LAZY)
		return nvx_l1_read(field);

	return nvx_pv_fetch(this_cpu_read(nvx_pv_region), &nvx_pv_layout[index]);
}

/* Groups that L1 writes between any two VM-entries are written in place. */
#define NVX_PV_IN_PLACE		(NVX_PV_BASIC | NVX_PV_CRS | NVX_PV_EVENT | \
				 NVX_PV_EXEC | NVX_PV_HOST_VAR)

static __always_inline void nvx_pv_write(unsigned long field, u64 value)
{
	unsigned int index = nvx_pv_index(field);

	if (!__builtin_constant_p(field) || index >= ARRAY_SIZE(nvx_pv_layout) ||
	    !(nvx_pv_layout[index].group & NVX_PV_IN_PLACE))
		return nvx_l1_write(field, value);

	nvx_pv_store(this_cpu_read(nvx_pv_region), nvx_pv_layout[index].group,
		     nvx_pv_layout[index].offset, nvx_pv_layout[index].size, value);
}

/*
 * The page belongs to the CPU, and KVM may be preempted between any two of its
 * accesses: stay on the CPU for the few instructions of one.  No test for a
 * reschedule that came meanwhile, as in code that must not be instrumented; the
 * next interrupt or the VM-entry sees it.
 *
 * One statement without a memory clobber, like VMREAD's; it leaves the preemption count as
 * it was.  With a clobber the compiler would read values that it holds in registers again
 * behind every VMREAD, with a shim or without.
 */
static __always_inline u64 nvx_shim_read_slot(unsigned long field, int slot)
{
	u64 value;
	s32 dirty;

	asm volatile("incl %%gs:%[count]\n\t"
		     "movq %%gs:%[page], %[value]\n\t"
		     "movl %c[flags](%[value]), %[dirty]\n\t"
		     "movq %c[field](%[value]), %[value]\n\t"
		     "decl %%gs:%[count]"
		     : [value] "=&r" (value), [dirty] "=&r" (dirty)
		     : [count] "m" (nvx_compat_preempt_count),
		       [page] "m" (nvx_this_shim_page),
		       [flags] "i" (offsetof(struct nvx_shim_page, dirty)),
		       [field] "i" (offsetof(struct nvx_shim_page, field[slot]))
		     : "cc");
	/* NVX_SHIM_OFF is the sign. */
	return likely(dirty >= 0) ? value : stock___vmcs_readl(field);
}

/*
 * The shim can leave between any two instructions: it takes over the fields whose
 * bits are set and sets NVX_SHIM_OFF.  So the bit is set behind the field, and by an
 * instruction that tells whether it came too late; then the field is written again.
 * The compiler need not know what is written: only these two statements see the page.
 */
static __always_inline void nvx_shim_write_slot(unsigned long field, int slot,
						u64 value)
{
	u64 page;
	bool off;

	/* Bits that VMWRITE drops. */
	if (slot == NVX_SHIM_GUEST_CS_AR_BYTES || slot == NVX_SHIM_GUEST_SS_AR_BYTES)
		value &= 0x1f0ff;

	asm volatile("incl %%gs:%[count]\n\t"
		     "movq %%gs:%[this], %[page]\n\t"
		     "movq %[value], %c[field](%[page])\n\t"
		     "orl %[bit], %c[flags](%[page])\n\t"
		     "sets %[off]\n\t"
		     "decl %%gs:%[count]"
		     : [page] "=&r" (page), [off] "=&q" (off)
		     : [value] "re" (value),
		       [count] "m" (nvx_compat_preempt_count),
		       [this] "m" (nvx_this_shim_page),
		       [bit] "i" (1u << slot),
		       [flags] "i" (offsetof(struct nvx_shim_page, dirty)),
		       [field] "i" (offsetof(struct nvx_shim_page, field[slot]))
		     : "cc");
	if (unlikely(off))
		stock___vmcs_writel(field, value);
}

static __always_inline u64 nvx_shim_read(unsigned long field)
{
	int slot;

	if (!__builtin_constant_p(field))
		return nvx_shim_read_any(field);
	slot = nvx_shim_slot(field);
	return slot < 0 ? stock___vmcs_readl(field) : nvx_shim_read_slot(field, slot);
}

static __always_inline void nvx_shim_write(unsigned long field, u64 value)
{
	int slot;

	if (!__builtin_constant_p(field))
		return nvx_shim_write_any(field, value);
	slot = nvx_shim_slot(field);
	if (slot < 0 || slot >= NVX_SHIM_NR_WRITABLE)
		stock___vmcs_writel(field, value);
	else
		nvx_shim_write_slot(field, slot, value);
}

/*
 * An enlightened VMCS knows nothing of page-modification logging.  This field is read at
 * each exit of a plain guest, between two tests of is_guest_mode(): with a way more
 * through the accessor the compiler no longer makes one of them.
 */
static __always_inline bool nvx_evmcs_has(unsigned long field)
{
	return !__builtin_constant_p(field) || field != GUEST_PML_INDEX;
}

/*
 * Memory as the place of the VMCS: that of the host below, that of Hyper-V, else the
 * page of the shim, which says itself whether it holds something.
 */
#define NVX_PV_READER(name, check, type, bits)				\
static __always_inline type name(unsigned long field)			\
{									\
	check(field);							\
	if (!static_branch_unlikely(&nvx_vmcs_in_memory))		\
		return stock___vmcs_readl(field);			\
	if (static_branch_likely(&nvx_l1_key))			\
		return nvx_pv_read(field);				\
	if (nvx_evmcs_has(field) && nvx_compat_using_evmcs())		\
		return evmcs_read##bits(field);				\
	return nvx_shim_read(field);					\
}

#define NVX_PV_WRITER(name, check, type, bits)				\
static __always_inline void name(unsigned long field, type value)	\
{									\
	check(field);							\
	if (!static_branch_unlikely(&nvx_vmcs_in_memory))		\
		stock___vmcs_writel(field, value);			\
	else if (static_branch_likely(&nvx_l1_key))			\
		nvx_pv_write(field, value);				\
	else if (nvx_compat_using_evmcs())				\
		evmcs_write##bits(field, value);			\
	else								\
		nvx_shim_write(field, value);				\
}

NVX_PV_READER(vmcs_read16, vmcs_check16, u16, 16)
NVX_PV_READER(vmcs_read32, vmcs_check32, u32, 32)
NVX_PV_READER(vmcs_read64, vmcs_check64, u64, 64)
NVX_PV_READER(vmcs_readl, vmcs_checkl, unsigned long, 64)
NVX_PV_WRITER(vmcs_write16, vmcs_check16, u16, 16)
NVX_PV_WRITER(vmcs_write32, vmcs_check32, u32, 32)
NVX_PV_WRITER(vmcs_write64, vmcs_check64, u64, 64)
NVX_PV_WRITER(vmcs_writel, vmcs_checkl, unsigned long, 64)

/* Accessors of shadow VMCSs, which are never enlightened, take any width. */
static __always_inline unsigned long __vmcs_readl(unsigned long field)
{
	if (!static_branch_unlikely(&nvx_vmcs_in_memory))
		return stock___vmcs_readl(field);
	if (static_branch_likely(&nvx_l1_key))
		return nvx_pv_read(field);
	return nvx_shim_read(field);
}

static __always_inline void __vmcs_writel(unsigned long field, unsigned long value)
{
	if (!static_branch_unlikely(&nvx_vmcs_in_memory))
		stock___vmcs_writel(field, value);
	else if (static_branch_likely(&nvx_l1_key))
		nvx_pv_write(field, value);
	else
		nvx_shim_write(field, value);
}

static __always_inline void vmcs_clear_bits(unsigned long field, u32 mask)
{
	if (!static_branch_unlikely(&nvx_vmcs_in_memory))
		stock___vmcs_writel(field, stock___vmcs_readl(field) & ~mask);
	else if (static_branch_likely(&nvx_l1_key))
		nvx_pv_write(field, nvx_pv_read(field) & ~mask);
	else if (nvx_compat_using_evmcs())
		stock_vmcs_clear_bits(field, mask);
	else
		nvx_shim_write(field, nvx_shim_read(field) & ~mask);
}

static __always_inline void vmcs_set_bits(unsigned long field, u32 mask)
{
	if (!static_branch_unlikely(&nvx_vmcs_in_memory))
		stock___vmcs_writel(field, stock___vmcs_readl(field) | mask);
	else if (static_branch_likely(&nvx_l1_key))
		nvx_pv_write(field, nvx_pv_read(field) | mask);
	else if (nvx_compat_using_evmcs())
		stock_vmcs_set_bits(field, mask);
	else
		nvx_shim_write(field, nvx_shim_read(field) | mask);
}

static inline void vmcs_load(struct vmcs *vmcs)
{
	if (static_branch_unlikely(&nvx_l1_key))
		return nvx_l1_load(vmcs);
	stock_vmcs_load(vmcs);
}

/* Flushes take effect at the next VM-entry of this CPU, nobody can tell. */
static inline void vpid_sync_context(int vpid)
{
	if (!static_branch_unlikely(&nvx_l1_key))
		stock_vpid_sync_context(vpid);
	else if (vpid)
		nvx_l1_flush(NVX_PV_INVVPID | VMX_VPID_EXTENT_SINGLE_CONTEXT,
			     0, vpid, 0);
}

static inline void vpid_sync_vcpu_single(int vpid)
{
	if (static_branch_unlikely(&nvx_l1_key))
		return vpid_sync_context(vpid);
	stock_vpid_sync_vcpu_single(vpid);
}

static inline void vpid_sync_vcpu_global(void)
{
	if (static_branch_unlikely(&nvx_l1_key))
		return nvx_l1_flush(NVX_PV_INVVPID |
				    VMX_VPID_EXTENT_ALL_CONTEXT, 0, 0, 0);
	stock_vpid_sync_vcpu_global();
}

static inline void vpid_sync_vcpu_addr(int vpid, gva_t addr)
{
	if (!static_branch_unlikely(&nvx_l1_key))
		stock_vpid_sync_vcpu_addr(vpid, addr);
	else if (vpid)
		nvx_l1_flush(NVX_PV_INVVPID | VMX_VPID_EXTENT_INDIVIDUAL_ADDR,
			     0, vpid, addr);
}

static inline void ept_sync_global(void)
{
	if (static_branch_unlikely(&nvx_l1_key))
		return nvx_l1_flush(NVX_PV_INVEPT | VMX_EPT_EXTENT_GLOBAL,
				    0, 0, 0);
	stock_ept_sync_global();
}

static inline void ept_sync_context(u64 eptp)
{
	if (static_branch_unlikely(&nvx_l1_key))
		return nvx_l1_flush(NVX_PV_INVEPT | VMX_EPT_EXTENT_CONTEXT,
				    eptp, 0, 0);
	stock_ept_sync_context(eptp);
}

/* Right before a VM-entry. */
static __always_inline void nvx_l1_pre_entry(struct kvm_vcpu *vcpu,
					     struct nvx_vcpu *nvx,
					     const struct nvx_vm *vm)
{
	struct nvx_pv_vmcs_hdr *hdr;
	bool granted;

	if (!static_branch_unlikely(&nvx_l1_key))
		return;
	if (unlikely(READ_ONCE(nvx->range_head) != nvx->range_seen))
		nvx_l1_ranges(nvx);
	hdr = this_cpu_read(nvx_pv_region) + NVX_PV_OFFSET;
	granted = READ_ONCE(vm->deleg);
	if (granted || hdr->deleg)
		nvx_l1_delegate(vcpu, granted);
}

/* A host interrupt has ended a run of the guest; the host waits no longer. */
static __always_inline void nvx_l1_exited(struct kvm_vcpu *vcpu)
{
	struct nvx_pv_vmcs_hdr *hdr;

	if (!static_branch_unlikely(&nvx_l1_key))
		return;
	hdr = this_cpu_read(nvx_pv_region) + NVX_PV_OFFSET;
	if (hdr->deleg & (NVX_PV_DELEG_HLT | NVX_PV_DELEG_TSC_DEADLINE))
		nvx_l1_halted(vcpu);
}

/* A guest of ours has left: take over what the host below has done for us. */
static __always_inline void nvx_l1_left(struct kvm_vcpu *vcpu)
{
	struct nvx_pv_vmcs_hdr *hdr;

	if (!static_branch_unlikely(&nvx_l1_key))
		return;
	hdr = this_cpu_read(nvx_pv_region) + NVX_PV_OFFSET;
	if (READ_ONCE(hdr->tsc_deadline))
		nvx_l1_take_deadline(vcpu, hdr);
}

#endif /* CONFIG_KVM_NVX_PV */

/* Right after a VM-exit.  True: run the vCPU again. */
static __always_inline bool nvx_exit_fastpath(struct kvm_vcpu *vcpu,
					      const struct nvx_vcpu *nvx)
{
	nvx_l1_left(vcpu);
	return nvx_l0_exit_fastpath(vcpu, nvx);
}

#endif /* __KVM_X86_VMX_NVX_OPS_H */
