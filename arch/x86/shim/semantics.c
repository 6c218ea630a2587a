// SPDX-License-Identifier: GPL-2.0-only
/*
 * Rules of the architecture that need no CPU to decide: when a VMX instruction
 * faults, which flags it leaves, what its operands are, which control-register
 * and host-state values are accepted.
 */
#include "semantics.h"

/* What comes before every other check, in the order of the SDM's pseudocode. */
enum vmx_check vmx_check_mode(u32 reason, const struct vmx_mode *mode)
{
	if (!mode->cr4_vmxe || !mode->pe || mode->vm86 ||
	    (mode->lma && !mode->cs_l))
		return VMX_CHECK_UD;
	if (!mode->vmxon && reason != EXIT_REASON_VMON)
		return VMX_CHECK_UD;
	if (mode->cpl)
		return VMX_CHECK_GP;
	return VMX_CHECK_OK;
}

u64 vmx_result_flags(u64 rflags, int outcome, bool has_current)
{
	rflags &= ~(X86_EFLAGS_CF | X86_EFLAGS_PF | X86_EFLAGS_AF |
		    X86_EFLAGS_ZF | X86_EFLAGS_SF | X86_EFLAGS_OF);
	if (outcome == VMX_SUCCEED)
		return rflags;
	/* Without a current VMCS there is no place for a number. */
	if (outcome == VMX_FAIL_INVALID || !has_current)
		return rflags | X86_EFLAGS_CF;
	return rflags | X86_EFLAGS_ZF;
}

/*
 * The pointer operand of VMXON, VMCLEAR and VMPTRLD.  Memory of the shim is not
 * the host's: it is refused like an address that does not exist.
 */
int vmx_check_pointer(u64 hpa, u64 phys_mask, u64 reserve_hpa, u64 reserve_size)
{
	if (hpa & (SHIM_PAGE - 1) || hpa & ~phys_mask)
		return -1;
	if (hpa >= reserve_hpa && hpa - reserve_hpa < reserve_size)
		return -1;
	return 0;
}

/* VM-exit instruction-information field of the VMX instructions. */
struct vmx_operands vmx_decode(u32 info)
{
	struct vmx_operands op = {
		.is_reg = info & BIT(10),
		.reg = (info >> 3) & 15,
		.reg2 = (info >> 28) & 15,
		.addr_size = 2 << ((info >> 7) & 7),
		.segment = (info >> 15) & 7,
		.has_index = !(info & BIT(22)),
		.index = (info >> 18) & 15,
		.scale = info & 3,
		.has_base = !(info & BIT(27)),
		.base = (info >> 23) & 15,
	};

	return op;
}

/*
 * @segment_base: in 64-bit mode that of FS and GS only; the caller passes 0 for
 * the others.
 */
u64 vmx_linear_address(const struct vmx_operands *op, u64 displacement,
		       const u64 *regs, u64 segment_base, bool long_mode)
{
	u64 offset = displacement;

	if (op->has_base)
		offset += regs[op->base];
	if (op->has_index)
		offset += regs[op->index] << op->scale;
	if (op->addr_size == 4)
		offset = (u32)offset;
	else if (op->addr_size == 2)
		offset = (u16)offset;
	offset += segment_base;
	return long_mode ? offset : (u32)offset;
}

/* ---- the host-state fields that are kept aside */

static const u32 host_fields[] = {
#define SHIM_HOST_FIELD(field) field,
#include "../../../include/refresh/vmcs_fields.h"
};

static_assert(ARRAY_SIZE(host_fields) == SHIM_NR_HOST_FIELDS, "host fields");
static_assert(H_NR == SHIM_NR_HOST_FIELDS, "indices of host fields");

int shim_nr_host_fields(const struct shim_machine *machine)
{
	return machine->flags & SHIM_FLAG_PERF ? SHIM_NR_HOST_FIELDS :
						SHIM_NR_HOST_FIELDS - 1;
}

int shim_host_field_index(u64 field, const struct shim_machine *machine)
{
	int nr = shim_nr_host_fields(machine), i;

	/* Most fields are not of the host state: width and type say so. */
	if ((field & ~0x601eull) != 0x0c00)
		return -1;
	for (i = 0; i < nr; i++)
		if (host_fields[i] == field)
			return i;
	return -1;
}

u64 shim_host_field_trim(int index, u64 value)
{
	return index <= H_TR ? (u16)value : value;
}

bool shim_is_canonical(u64 gva, bool la57)
{
	int shift = la57 ? 64 - 57 : 64 - 48;

	return (u64)((s64)(gva << shift) >> shift) == gva;
}

static bool host_selectors_valid(const u64 *host)
{
	int i;

	for (i = H_ES; i <= H_TR; i++)
		if (host[i] & 7)
			return false;
	/* SS may be null: VM exits go to 64-bit mode. */
	return host[H_CS] && host[H_TR];
}

static bool host_addresses_valid(const u64 *host, bool la57)
{
	int i;

	for (i = H_FS_BASE; i <= H_IDTR_BASE; i++)
		if (!shim_is_canonical(host[i], la57))
			return false;
	/* The shim's own come from a VMCS that its host has spoilt while it was borrowed. */
	return shim_is_canonical(host[H_RIP], la57) && !shim_is_own_address(host[H_RIP]);
}

/*
 * The checks that VM entry would make of the fields that it does not see while
 * the shim's values are in the VMCS.  A host that violates them gets VM-fail 8
 * instead of an exit with a state that the CPU cannot load.
 */
bool shim_host_state_valid(const u64 *host, u64 entry_efer, bool la57,
			   const struct shim_machine *machine)
{
	u64 cr0 = host[H_CR0], cr4 = host[H_CR4];

	if ((cr0 & machine->cr0_fixed0) != machine->cr0_fixed0 ||
	    cr0 & ~machine->cr0_fixed1)
		return false;
	if ((cr4 & machine->cr4_fixed0) != machine->cr4_fixed0 ||
	    cr4 & ~machine->cr4_fixed1)
		return false;
	/* The host runs in 64-bit mode, and so does what follows its exits. */
	if (!(cr4 & X86_CR4_PAE) || !(entry_efer & EFER_LMA))
		return false;
	if (host[H_CR3] & ~machine->phys_mask)
		return false;
	return host_selectors_valid(host) && host_addresses_valid(host, la57);
}

/* ---- counters */

/* Would the CPU load this value of PERF_GLOBAL_CTRL at the guest's exit? */
bool shim_perf_valid(u32 exit_controls, u64 value, u64 mask)
{
	return !(exit_controls & VM_EXIT_LOAD_IA32_PERF_GLOBAL_CTRL) || !(value & ~mask);
}

/*
 * PERF_GLOBAL_CTRL for the host after an exit of its guest: what its own VMCS loads then
 * (@host; the CPU has loaded 0), else what the guest had (@guest, if VM entry loaded that),
 * else what the host had @before.
 */
u64 shim_perf_after_exit(u64 host, u64 before, u64 guest, u32 exit_controls,
			 u32 entry_controls, u32 reason)
{
	if (exit_controls & VM_EXIT_LOAD_IA32_PERF_GLOBAL_CTRL)
		return host;
	if (entry_controls & VM_ENTRY_LOAD_IA32_PERF_GLOBAL_CTRL &&
	    !(reason & EXIT_REASON_FAILED_ENTRY))
		return guest;
	return before;
}

/* The hole that Linux leaves to hypervisors: the shim touches nothing else. */
bool shim_is_own_address(u64 va)
{
	return va >= SHIM_VA_BEGIN && va < SHIM_VA_END;
}

/* ---- MSRs that are written */

enum shim_write shim_classify_write(u32 msr)
{
	switch (msr) {
	case SHIM_MSR_UCODE:
		return SHIM_WRITE_UCODE;
	case SHIM_MSR_MTRR_FIRST ... SHIM_MSR_MTRR_LAST:
	case SHIM_MSR_FIX_64K:
	case SHIM_MSR_FIX_16K ... SHIM_MSR_FIX_16K + 1:
	case SHIM_MSR_FIX_4K ... SHIM_MSR_FIX_4K + 7:
	case SHIM_MSR_MTRR_DEF:
		return SHIM_WRITE_MTRR;
	}
	return SHIM_WRITE_PLAIN;
}

/* ---- control registers */

/* MOV to CR4: true if the CPU would take @value, false for #GP. */
bool shim_cr4_valid(u64 old, u64 value, bool lma, u64 cr3, bool vmxon,
		    const struct shim_machine *machine)
{
	if (value & ~machine->cr4_fixed1)
		return false;
	if (vmxon && (value & machine->cr4_fixed0) != machine->cr4_fixed0)
		return false;
	if (lma && (!(value & X86_CR4_PAE) || (old ^ value) & X86_CR4_LA57))
		return false;
	/* PCIDE can be set in IA-32e mode with PCID 0 only. */
	if (value & ~old & X86_CR4_PCIDE && (!lma || cr3 & 0xfff))
		return false;
	return true;
}

/* MOV to CR0, for the bits that can be decided here. */
bool shim_cr0_valid(u64 value, u64 cr4, bool lma_cs_l, bool vmxon,
		    const struct shim_machine *machine)
{
	if (value >> 32)
		return false;
	if (value & X86_CR0_PG && !(value & X86_CR0_PE))
		return false;
	if (value & X86_CR0_NW && !(value & X86_CR0_CD))
		return false;
	if (!(value & X86_CR0_PG) && (lma_cs_l || cr4 & X86_CR4_PCIDE))
		return false;
	if (!(value & X86_CR0_WP) && cr4 & X86_CR4_CET)
		return false;
	if (vmxon && (value & machine->cr0_fixed0) != machine->cr0_fixed0)
		return false;
	return true;
}
