/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * The paravirtual VMCS of nvx: what L0 and a hypervisor in L1 agree upon.
 * Documentation/pv-vmcs-abi.rst has the rules, this file the numbers.
 *
 * Both sides of the interface and the selftests include this file; it needs
 * fixed-width types only.  All values are little-endian, all reserved members
 * are zero.  Nothing here ever changes its meaning: what is new gets a feature
 * bit, and a new number where it needs one.
 */
#ifndef _NVX_PV_VMCS_H
#define _NVX_PV_VMCS_H

#include <linux/types.h>

/**
 * DOC: discovery
 *
 * L0 answers CPUID leaf NVX_PV_CPUID_BASE of a vCPU with VMX by
 * EAX = the highest leaf, EBX, ECX, EDX = NVX_PV_SIGNATURE (in that order, 12
 * bytes).  The leaf belongs to the range that hypervisors share in steps of
 * 0x100 (SDM 3A, CPUID; Linux: hypervisor_cpuid_base()), so the probe is safe on
 * any of them.  NVX_PV_CPUID_FEATURES: EAX = version, EBX = NVX_PV_FEAT_*,
 * ECX = VMCS revision identifier, EDX = number of the assist MSR.
 */
#define NVX_PV_CPUID_BASE	0x40000200u
#define NVX_PV_CPUID_FEATURES	(NVX_PV_CPUID_BASE + 1)
#define NVX_PV_SIGNATURE	"NVXPVVMCS\0\0\0"

#define NVX_PV_VERSION		1u

#define NVX_PV_FEAT_VMCS	0x00000001u	/* the page, the assist page */
#define NVX_PV_FEAT_FLUSH	0x00000002u	/* flush[] of the assist page */
#define NVX_PV_FEAT_CPUID	0x00000004u	/* L0 answers CPUID of L2 */
#define NVX_PV_FEAT_RDMSR	0x00000008u	/* L0 answers RDMSR of L2 */
#define NVX_PV_FEAT_HLT		0x00000010u	/* L0 waits for a halted L2 */
#define NVX_PV_FEAT_RANGE	0x00000020u	/* NVX_PV_RANGE, the flush MSR */
#define NVX_PV_FEAT_XSTATE	0x00000040u	/* L0 loads XCR0 and XSS */
#define NVX_PV_FEAT_URET	0x00000080u	/* L0 loads MSRs of user space */
#define NVX_PV_FEAT_TSC_DEADLINE 0x00000100u	/* L0 takes L2's IA32_TSC_DEADLINE */

/*
 * The assist MSR, per logical processor.  Outside of every range that KVM,
 * Hyper-V, Xen or a CPU uses.  WRMSR 1: look at the assist page in the VMXON
 * region now and use it until VMXOFF, or #GP(0) and the reason in its @error.
 * WRMSR 0: stop; #GP(0) while a VMCS is current.  RDMSR: 1 while in use.
 */
#define MSR_NVX_PV_ASSIST	0x4b564e00u
#define NVX_PV_ASSIST_ENABLE	1ull

/*
 * The flush MSR, with NVX_PV_FEAT_RANGE.  WRMSR 1: do the request in @remote of
 * this logical processor's assist page for all logical processors of L1, now: none
 * of them uses what it names when the instruction ends.  Only NVX_PV_RANGE is a
 * request; #GP(0) and nothing done for any other, for other values, and while the
 * interface is not in use.  RDMSR: 0.
 */
#define MSR_NVX_PV_FLUSH	(MSR_NVX_PV_ASSIST + 1)
#define NVX_PV_FLUSH_REMOTE	1ull

/*
 * With NVX_PV_FEAT_URET.  WRMSR: a bit of the value for each entry of uret[] of the
 * assist page whose @host is to be loaded now.  It cannot be read.
 */
#define MSR_NVX_PV_RESTORE	(MSR_NVX_PV_ASSIST + 2)

/*
 * In hdr.vmx.flags of KVM_GET_NESTED_STATE, next to what KVM defines: L1 uses the
 * interface.  KVM_SET_NESTED_STATE without it fails, as it does for any such flag.
 */
#define NVX_PV_STATE_FLAG	0x80000000u

/* Both the VMXON region and a VMCS region carry their part here. */
#define NVX_PV_OFFSET		0x800

#define NVX_PV_ASSIST_MAGIC	0x4158564eu	/* "NVXA" */
#define NVX_PV_VMCS_MAGIC	0x5658564eu	/* "NVXV" */

/* No VMCS is current. */
#define NVX_PV_NO_VMCS		(~0ull)

/* Errors: name, value, and what a trace calls it. */
#define NVX_PV_ERRORS(E)						\
	E(OK,		0, "ok")					\
	E(E_STATE,	1, "state")	/* not in VMX operation, or a VMCS is current */ \
	E(E_ADDRESS,	2, "address")	/* not a page of memory, or the VMXON region */ \
	E(E_MAGIC,	3, "magic")	/* magic or version */		\
	E(E_FEATURES,	4, "features")	/* L0 does not offer a feature */ \
	E(E_REVISION,	5, "revision")	/* VMCS revision identifier, or a shadow VMCS */ \
	E(E_LOAD,	6, "load")	/* a value that L1 could not load itself */

/*
 * enum nvx_pv_error - Why L0 refused, in &nvx_pv_assist.error
 *
 * Written with a #GP(0) of the assist MSR, and with a VMfailInvalid of VM-entry.
 */
enum nvx_pv_error {
#define NVX_PV_ERROR(name, value, text) NVX_PV_##name = value,
	NVX_PV_ERRORS(NVX_PV_ERROR)
#undef NVX_PV_ERROR
};

/* Requests in flush[]: the operand of the instruction, the type in @op. */
#define NVX_PV_INVEPT		0x00010000u	/* | type 1 or 2 */
#define NVX_PV_INVVPID		0x00020000u	/* | type 0 to 3 */
/* Translations of some L2 pages by the tables of @eptp, for any VPID. */
#define NVX_PV_RANGE		0x00040000u
#define NVX_PV_NR_FLUSH		32

/*
 * Pages of 4 KiB that one NVX_PV_RANGE may name: 4 GiB, so that what L0 does in
 * one go stays far below a scheduler tick.
 */
#define NVX_PV_RANGE_MAX	0x100000u

struct nvx_pv_flush {
	__u32	op;		/* NVX_PV_INVEPT or NVX_PV_INVVPID, and the type */
	union {
		__u32	vpid;
		__u32	nr_pages;	/* NVX_PV_RANGE: 4 KiB each */
	};
	__u64	eptp;
	union {
		__u64	gla;		/* linear address */
		__u64	gpa;		/* NVX_PV_RANGE: first page, L2 physical */
	};
};

/* An MSR that L1 needs before it returns to its user space, not earlier. */
struct nvx_pv_uret {
	__u32	index;
	__u32	rsvd;
	__u64	guest;		/* of L2 */
	__u64	host;		/* of L1's user space */
};

#define NVX_PV_NR_URET		8

/**
 * struct nvx_pv_assist - Per logical processor, at NVX_PV_OFFSET of the VMXON region
 * @magic: NVX_PV_ASSIST_MAGIC
 * @version: NVX_PV_VERSION
 * @features: NVX_PV_FEAT_* that L1 is going to use
 * @error: enum nvx_pv_error, written by L0
 * @current_vmcs: physical address of the current VMCS, or NVX_PV_NO_VMCS
 * @nr_flush: number of requests in @flush that wait for VM-entry
 * @rsvd: zero
 * @flush: INVEPT and INVVPID to be done before L2 runs
 * @remote: request of the flush MSR
 * @msr_load: entries of @uret, by bit, whose @guest is to be loaded at VM-entry
 * @rsvd2: zero
 * @uret: MSRs
 */
struct nvx_pv_assist {
	__u32	magic;
	__u32	version;
	__u32	features;
	__u32	error;
	__u64	current_vmcs;
	__u32	nr_flush;
	__u32	rsvd;
	struct nvx_pv_flush flush[NVX_PV_NR_FLUSH];
	struct nvx_pv_flush remote;
	__u32	msr_load;
	__u32	rsvd2;
	struct nvx_pv_uret uret[NVX_PV_NR_URET];
};

/* One register that L0 reads for L2. */
struct nvx_pv_msr {
	__u32	index;
	__u32	rsvd;
	__u64	value;
};

#define NVX_PV_NR_MSRS		8

/* What L0 may do for L1, in &nvx_pv_vmcs_hdr.deleg. */
#define NVX_PV_DELEG_CPUID	0x00000001u	/* @cpuid_gpa and @cpuid_nent hold */
#define NVX_PV_DELEG_CPUID_7	0x00000002u	/* leaf 7 is among what may be answered */
#define NVX_PV_DELEG_RDMSR	0x00000004u	/* @msrs and @nr_msrs hold */
#define NVX_PV_DELEG_HLT	0x00000008u	/* L1 has nothing else to run */
#define NVX_PV_DELEG_TSC_DEADLINE 0x00000010u	/* @tsc_advance and @hlt_cycles hold */

/* An entry of the CPUID table: struct kvm_cpuid_entry2 of <linux/kvm.h>. */
struct nvx_pv_cpuid {
	__u32	function;
	__u32	index;
	__u32	flags;
	__u32	eax, ebx, ecx, edx;
	__u32	rsvd[3];
};

/* @index of the entry counts (KVM_CPUID_FLAG_SIGNIFCANT_INDEX). */
#define NVX_PV_CPUID_INDEX	0x00000001u

/* Registers to be loaded at VM-entry and VM-exit, in &nvx_pv_vmcs_hdr.load. */
#define NVX_PV_LOAD_XCR0	0x00000001u	/* @xcr0 holds */
#define NVX_PV_LOAD_XSS		0x00000002u	/* @xss holds */
#define NVX_PV_LOAD_ALL		0x00000003u

/* A register: what L0 loads when L2 is entered, and when it is left for L1. */
struct nvx_pv_pair {
	__u64	guest;
	__u64	host;
};

/**
 * struct nvx_pv_vmcs_hdr - At NVX_PV_OFFSET of a VMCS region
 * @magic: NVX_PV_VMCS_MAGIC
 * @version: NVX_PV_VERSION
 * @dirty: groups that L1 has written since the last VM-entry, or is about to write;
 *	L0 zeroes it.  Set before the field: <nvx/pv_store.h>
 * @valid: groups that are what L2 has left, written by L0
 * @deleg: NVX_PV_DELEG_*
 * @cpuid_nent: number of entries at @cpuid_gpa
 * @cpuid_gpa: physical address of an array of struct nvx_pv_cpuid, in one page
 * @nr_msrs: number of entries of @msrs
 * @load: NVX_PV_LOAD_*
 * @msrs: what RDMSR of L2 returns
 * @xcr0: XCR0 of L2 and of L1
 * @xss: IA32_XSS of L2 and of L1
 * @tsc_deadline: IA32_TSC_DEADLINE that L2 has written last, written by L0; zeroed by
 *	L1 when it has taken it over
 * @tsc_advance: cycles of L2's TSC by which the timer is to end L2 before @tsc_deadline
 * @hlt_cycles: L0 waits for a halted L2 if @tsc_deadline is due within as many
 */
struct nvx_pv_vmcs_hdr {
	__u32	magic;
	__u32	version;
	__u32	dirty;
	__u32	valid;
	__u32	deleg;
	__u32	cpuid_nent;
	__u64	cpuid_gpa;
	__u32	nr_msrs;
	__u32	load;
	struct nvx_pv_msr msrs[NVX_PV_NR_MSRS];
	struct nvx_pv_pair xcr0;
	struct nvx_pv_pair xss;
	__u64	tsc_deadline;
	__u32	tsc_advance;
	__u32	hlt_cycles;
};

/* A group is what is copied at once: bits of @dirty and @valid. */
#define NVX_PV_GROUPS(G)						\
	G(BASIC, 0x001) G(CRS, 0x002) G(EVENT, 0x004) G(EXEC, 0x008)	\
	G(HOST_VAR, 0x010) G(HOST, 0x020) G(CTRL, 0x040) G(ADDR, 0x080)	\
	G(MSRS, 0x100) G(AR, 0x200) G(SEGS, 0x400) G(EXIT, 0x800)

enum nvx_pv_group {
#define NVX_PV_GROUP(name, value) NVX_PV_##name = value,
	NVX_PV_GROUPS(NVX_PV_GROUP)
#undef NVX_PV_GROUP
};

#define NVX_PV_ALL		0x0fffu
/* L1 never writes these. */
#define NVX_PV_READ_ONLY	NVX_PV_EXIT
/* Not written by L0 at every exit: VMREAD of any field makes L0 do it. */
#define NVX_PV_LAZY		NVX_PV_SEGS

/*
 * The fields: F(encoding, name, offset in bytes, type).  Encodings are those of
 * the SDM, appendix B; a region is laid out as KVM's struct vmcs12 with revision
 * identifier 0x11e57ed0, which both sides assert.
 */
#define NVX_PV_REVISION		0x11e57ed0u
#define NVX_PV_REGION_SIZE	4096
/* End of the fields. */
#define NVX_PV_FIELDS_END	998

#define NVX_PV_FIELDS_BASIC(F)						\
	F(0x4824, guest_interruptibility_info, 912, u32)		\
	F(0x681c, guest_rsp, 536, u64)					\
	F(0x681e, guest_rip, 544, u64)					\
	F(0x6820, guest_rflags, 552, u64)

#define NVX_PV_FIELDS_CRS(F)						\
	F(0x6000, cr0_guest_host_mask, 344, u64)			\
	F(0x6004, cr0_read_shadow, 360, u64)				\
	F(0x6006, cr4_read_shadow, 368, u64)				\
	F(0x6800, guest_cr0, 424, u64)					\
	F(0x6802, guest_cr3, 432, u64)					\
	F(0x6804, guest_cr4, 440, u64)

#define NVX_PV_FIELDS_EVENT(F)						\
	F(0x4016, vm_entry_intr_info_field, 788, u32)			\
	F(0x4018, vm_entry_exception_error_code, 792, u32)		\
	F(0x401a, vm_entry_instruction_len, 796, u32)			\
	F(0x4826, guest_activity_state, 916, u32)

#define NVX_PV_FIELDS_EXEC(F)						\
	F(0x0810, guest_intr_status, 980, u16)				\
	F(0x0812, guest_pml_index, 996, u16)				\
	F(0x4000, pin_based_vm_exec_control, 744, u32)			\
	F(0x4002, cpu_based_vm_exec_control, 748, u32)			\
	F(0x4004, exception_bitmap, 752, u32)				\
	F(0x401c, tpr_threshold, 800, u32)				\
	F(0x482e, vmx_preemption_timer_value, 928, u32)

#define NVX_PV_FIELDS_HOST_VAR(F)					\
	F(0x0c08, host_fs_selector, 990, u16)				\
	F(0x0c0a, host_gs_selector, 992, u16)				\
	F(0x6c02, host_cr3, 592, u64)					\
	F(0x6c06, host_fs_base, 608, u64)				\
	F(0x6c08, host_gs_base, 616, u64)				\
	F(0x6c14, host_rsp, 664, u64)

#define NVX_PV_FIELDS_HOST(F)						\
	F(0x0c00, host_es_selector, 982, u16)				\
	F(0x0c02, host_cs_selector, 984, u16)				\
	F(0x0c04, host_ss_selector, 986, u16)				\
	F(0x0c06, host_ds_selector, 988, u16)				\
	F(0x0c0c, host_tr_selector, 994, u16)				\
	F(0x2c00, host_ia32_pat, 256, u64)				\
	F(0x2c02, host_ia32_efer, 264, u64)				\
	F(0x2c04, host_ia32_perf_global_ctrl, 272, u64)			\
	F(0x4c00, host_ia32_sysenter_cs, 924, u32)			\
	F(0x6c00, host_cr0, 584, u64)					\
	F(0x6c04, host_cr4, 600, u64)					\
	F(0x6c0a, host_tr_base, 624, u64)				\
	F(0x6c0c, host_gdtr_base, 632, u64)				\
	F(0x6c0e, host_idtr_base, 640, u64)				\
	F(0x6c10, host_ia32_sysenter_esp, 648, u64)			\
	F(0x6c12, host_ia32_sysenter_eip, 656, u64)			\
	F(0x6c16, host_rip, 672, u64)

#define NVX_PV_FIELDS_CTRL(F)						\
	F(0x0000, virtual_processor_id, 960, u16)			\
	F(0x0002, posted_intr_nv, 962, u16)				\
	F(0x2800, vmcs_link_pointer, 176, u64)				\
	F(0x4006, page_fault_error_code_mask, 756, u32)			\
	F(0x4008, page_fault_error_code_match, 760, u32)		\
	F(0x400a, cr3_target_count, 764, u32)				\
	F(0x400c, vm_exit_controls, 768, u32)				\
	F(0x400e, vm_exit_msr_store_count, 772, u32)			\
	F(0x4010, vm_exit_msr_load_count, 776, u32)			\
	F(0x4012, vm_entry_controls, 780, u32)				\
	F(0x4014, vm_entry_msr_load_count, 784, u32)			\
	F(0x401e, secondary_vm_exec_control, 804, u32)			\
	F(0x6002, cr4_guest_host_mask, 352, u64)

#define NVX_PV_FIELDS_ADDR(F)						\
	F(0x2000, io_bitmap_a, 40, u64)					\
	F(0x2002, io_bitmap_b, 48, u64)					\
	F(0x2004, msr_bitmap, 56, u64)					\
	F(0x2006, vm_exit_msr_store_addr, 64, u64)			\
	F(0x2008, vm_exit_msr_load_addr, 72, u64)			\
	F(0x200a, vm_entry_msr_load_addr, 80, u64)			\
	F(0x200e, pml_address, 312, u64)				\
	F(0x2010, tsc_offset, 88, u64)					\
	F(0x2012, virtual_apic_page_addr, 96, u64)			\
	F(0x2014, apic_access_addr, 104, u64)				\
	F(0x2016, posted_intr_desc_addr, 112, u64)			\
	F(0x2018, vm_function_control, 296, u64)			\
	F(0x201a, ept_pointer, 120, u64)				\
	F(0x201c, eoi_exit_bitmap0, 128, u64)				\
	F(0x201e, eoi_exit_bitmap1, 136, u64)				\
	F(0x2020, eoi_exit_bitmap2, 144, u64)				\
	F(0x2022, eoi_exit_bitmap3, 152, u64)				\
	F(0x2024, eptp_list_address, 304, u64)				\
	F(0x2026, vmread_bitmap, 280, u64)				\
	F(0x2028, vmwrite_bitmap, 288, u64)				\
	F(0x202c, xss_exit_bitmap, 160, u64)				\
	F(0x202e, encls_exiting_bitmap, 320, u64)			\
	F(0x2032, tsc_multiplier, 328, u64)

#define NVX_PV_FIELDS_MSRS(F)						\
	F(0x2802, guest_ia32_debugctl, 184, u64)			\
	F(0x2804, guest_ia32_pat, 192, u64)				\
	F(0x2806, guest_ia32_efer, 200, u64)				\
	F(0x2808, guest_ia32_perf_global_ctrl, 208, u64)		\
	F(0x280a, guest_pdptr0, 216, u64)				\
	F(0x280c, guest_pdptr1, 224, u64)				\
	F(0x280e, guest_pdptr2, 232, u64)				\
	F(0x2810, guest_pdptr3, 240, u64)				\
	F(0x482a, guest_sysenter_cs, 920, u32)				\
	F(0x681a, guest_dr7, 528, u64)					\
	F(0x6824, guest_sysenter_esp, 568, u64)				\
	F(0x6826, guest_sysenter_eip, 576, u64)

#define NVX_PV_FIELDS_AR(F)						\
	F(0x4816, guest_cs_ar_bytes, 884, u32)				\
	F(0x4818, guest_ss_ar_bytes, 888, u32)

#define NVX_PV_FIELDS_SEGS(F)						\
	F(0x0800, guest_es_selector, 964, u16)				\
	F(0x0802, guest_cs_selector, 966, u16)				\
	F(0x0804, guest_ss_selector, 968, u16)				\
	F(0x0806, guest_ds_selector, 970, u16)				\
	F(0x0808, guest_fs_selector, 972, u16)				\
	F(0x080a, guest_gs_selector, 974, u16)				\
	F(0x080c, guest_ldtr_selector, 976, u16)			\
	F(0x080e, guest_tr_selector, 978, u16)				\
	F(0x2812, guest_bndcfgs, 248, u64)				\
	F(0x4800, guest_es_limit, 840, u32)				\
	F(0x4802, guest_cs_limit, 844, u32)				\
	F(0x4804, guest_ss_limit, 848, u32)				\
	F(0x4806, guest_ds_limit, 852, u32)				\
	F(0x4808, guest_fs_limit, 856, u32)				\
	F(0x480a, guest_gs_limit, 860, u32)				\
	F(0x480c, guest_ldtr_limit, 864, u32)				\
	F(0x480e, guest_tr_limit, 868, u32)				\
	F(0x4810, guest_gdtr_limit, 872, u32)				\
	F(0x4812, guest_idtr_limit, 876, u32)				\
	F(0x4814, guest_es_ar_bytes, 880, u32)				\
	F(0x481a, guest_ds_ar_bytes, 892, u32)				\
	F(0x481c, guest_fs_ar_bytes, 896, u32)				\
	F(0x481e, guest_gs_ar_bytes, 900, u32)				\
	F(0x4820, guest_ldtr_ar_bytes, 904, u32)			\
	F(0x4822, guest_tr_ar_bytes, 908, u32)				\
	F(0x6806, guest_es_base, 448, u64)				\
	F(0x6808, guest_cs_base, 456, u64)				\
	F(0x680a, guest_ss_base, 464, u64)				\
	F(0x680c, guest_ds_base, 472, u64)				\
	F(0x680e, guest_fs_base, 480, u64)				\
	F(0x6810, guest_gs_base, 488, u64)				\
	F(0x6812, guest_ldtr_base, 496, u64)				\
	F(0x6814, guest_tr_base, 504, u64)				\
	F(0x6816, guest_gdtr_base, 512, u64)				\
	F(0x6818, guest_idtr_base, 520, u64)				\
	F(0x6822, guest_pending_dbg_exceptions, 560, u64)

#define NVX_PV_FIELDS_EXIT(F)						\
	F(0x2400, guest_physical_address, 168, u64)			\
	F(0x4400, vm_instruction_error, 808, u32)			\
	F(0x4402, vm_exit_reason, 812, u32)				\
	F(0x4404, vm_exit_intr_info, 816, u32)				\
	F(0x4406, vm_exit_intr_error_code, 820, u32)			\
	F(0x4408, idt_vectoring_info_field, 824, u32)			\
	F(0x440a, idt_vectoring_error_code, 828, u32)			\
	F(0x440c, vm_exit_instruction_len, 832, u32)			\
	F(0x440e, vmx_instruction_info, 836, u32)			\
	F(0x6400, exit_qualification, 408, u64)				\
	F(0x640a, guest_linear_address, 416, u64)

#define NVX_PV_FIELDS(F)						\
	NVX_PV_FIELDS_BASIC(F)						\
	NVX_PV_FIELDS_CRS(F)						\
	NVX_PV_FIELDS_EVENT(F)						\
	NVX_PV_FIELDS_EXEC(F)						\
	NVX_PV_FIELDS_HOST_VAR(F)					\
	NVX_PV_FIELDS_HOST(F)						\
	NVX_PV_FIELDS_CTRL(F)						\
	NVX_PV_FIELDS_ADDR(F)						\
	NVX_PV_FIELDS_MSRS(F)						\
	NVX_PV_FIELDS_AR(F)						\
	NVX_PV_FIELDS_SEGS(F)						\
	NVX_PV_FIELDS_EXIT(F)

#endif /* _NVX_PV_VMCS_H */
