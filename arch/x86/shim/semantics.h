/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The pure parts of the shim: they touch no CPU state, so the unit tests of
 * selftests/unit compile and run them on the build machine.
 */
#ifndef SHIM_SEMANTICS_H
#define SHIM_SEMANTICS_H

#include "types.h"
#include "vmcs.h"
#include "../../../include/refresh/shim.h"

/* Numbers that VMX instructions leave in VM_INSTRUCTION_ERROR (SDM 3C). */
enum vmx_error {
	VMXERR_VMCALL_IN_ROOT		= 1,
	VMXERR_VMCLEAR_ADDRESS		= 2,
	VMXERR_VMCLEAR_VMXON		= 3,
	VMXERR_ENTRY_CONTROLS		= 7,
	VMXERR_ENTRY_HOST_STATE		= 8,
	VMXERR_VMPTRLD_ADDRESS		= 9,
	VMXERR_VMPTRLD_VMXON		= 10,
	VMXERR_UNKNOWN_FIELD		= 12,
	VMXERR_VMXON_IN_ROOT		= 15,
	VMXERR_ENTRY_MOV_SS		= 26,
};

/* Outcome of a VMX instruction: a number above, or one of these. */
#define VMX_SUCCEED		0
#define VMX_FAIL_INVALID	(-1)
#define VMX_FAIL_BY_CPU		(-2)	/* failed, the CPU has stored the number */

/* What comes before the instruction itself. */
enum vmx_check { VMX_CHECK_OK, VMX_CHECK_UD, VMX_CHECK_GP };

struct vmx_mode {
	bool	cr4_vmxe;	/* as the host sees it */
	bool	vmxon;		/* the host is in VMX operation */
	bool	pe;
	bool	vm86;
	bool	lma;
	bool	cs_l;
	u8	cpl;
};

enum vmx_check vmx_check_mode(u32 reason, const struct vmx_mode *mode);
u64 vmx_result_flags(u64 rflags, int outcome, bool has_current);
int vmx_check_pointer(u64 hpa, u64 phys_mask, u64 reserve_hpa, u64 reserve_size);

/* A decoded operand of a VMX instruction. */
struct vmx_operands {
	bool	is_reg;		/* the operand that may be memory is a register */
	u8	reg;		/* number of it */
	u8	reg2;		/* number of the operand that is always a register */
	u8	addr_size;	/* bytes */
	u8	segment;	/* 0 ES to 5 GS */
	bool	has_base, has_index;
	u8	base, index, scale;
};

struct vmx_operands vmx_decode(u32 info);
u64 vmx_linear_address(const struct vmx_operands *op, u64 displacement,
		       const u64 *regs, u64 segment_base, bool long_mode);

int shim_nr_host_fields(const struct shim_machine *machine);
int shim_host_field_index(u64 field, const struct shim_machine *machine);
u64 shim_host_field_trim(int index, u64 value);
bool shim_host_state_valid(const u64 *host, u64 entry_efer, bool la57,
			   const struct shim_machine *machine);

/* Index of each field in those kept aside. */
enum {
	H_ES, H_CS, H_SS, H_DS, H_FS, H_GS, H_TR, H_CR0, H_CR3, H_CR4,
	H_FS_BASE, H_GS_BASE, H_TR_BASE, H_GDTR_BASE, H_IDTR_BASE, H_RSP, H_RIP,
	H_PERF,
	H_NR,
};

bool shim_cr4_valid(u64 old, u64 value, bool lma, u64 cr3, bool vmxon,
		    const struct shim_machine *machine);
bool shim_cr0_valid(u64 value, u64 cr4, bool lma_cs_l, bool vmxon,
		    const struct shim_machine *machine);
bool shim_is_canonical(u64 gva, bool la57);
bool shim_perf_valid(u32 exit_controls, u64 value, u64 mask);
u64 shim_perf_after_exit(u64 host, u64 before, u64 guest, u32 exit_controls,
			 u32 entry_controls, u32 reason);
bool shim_is_own_address(u64 va);

enum shim_write { SHIM_WRITE_PLAIN, SHIM_WRITE_UCODE, SHIM_WRITE_MTRR };

enum shim_write shim_classify_write(u32 msr);

/*
 * One VMCS of the host that carries the shim's host state.  It is active on
 * this CPU; @host is what the host believes to be in it.
 */
struct borrowed {
	u64	hpa;
	u64	host[SHIM_NR_HOST_FIELDS];
	u64	sysenter[3];	/* HOST_IA32_SYSENTER_CS, _ESP, _EIP */
	u64	used;		/* for the choice of a victim */
	bool	checked;	/* @host has been found valid */
};

#define SHIM_NR_BORROWED	32

struct borrow_map {
	struct borrowed	slot[SHIM_NR_BORROWED];
	u64		clock;
};

void borrow_init(struct borrow_map *map);
struct borrowed *borrow_find(struct borrow_map *map, u64 hpa);
struct borrowed *borrow_free_slot(struct borrow_map *map);
struct borrowed *borrow_victim(struct borrow_map *map, u64 current_hpa);
struct borrowed *borrow_add(struct borrow_map *map, u64 hpa);
void borrow_drop(struct borrowed *slot);

#define SHIM_NR_ACTIVE		256
#define ACTIVE_ENTRY		1ull

/*
 * The VMCSs that the host has made active on this CPU.  Other CPUs read @entry: a page with
 * ACTIVE_ENTRY, or none.
 */
struct active_set {
	u64	entry[SHIM_NR_ACTIVE];
	u32	nr;
	bool	more;		/* there are others, or were before the launch */
};

static inline u32 active_home(u64 hpa)
{
	return hpa / SHIM_PAGE % SHIM_NR_ACTIVE;
}

/* What active_has() finds at once. */
static inline bool active_at_home(const struct active_set *set, u64 hpa)
{
	return set->entry[active_home(hpa)] == (hpa | ACTIVE_ENTRY);
}

void active_init(struct active_set *set);
bool active_has(struct active_set *set, u64 hpa);
bool active_add(struct active_set *set, u64 hpa);
void active_remove(struct active_set *set, u64 hpa);
u64 active_at(const struct active_set *set, u32 index);

#endif /* SHIM_SEMANTICS_H */
