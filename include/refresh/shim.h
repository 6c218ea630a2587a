/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the shim and its loader (vmm-refresh.ko) agree upon.  Included by C on
 * both sides and by assembly; Documentation/shim-abi.rst has the rules, this
 * file the numbers.  The shim includes nothing else from outside its directory.
 *
 * All of the shim is in one physically contiguous, zeroed piece of memory, the
 * reserve: image, console, page tables and bitmaps, one area per CPU.
 */
#ifndef _REFRESH_SHIM_H
#define _REFRESH_SHIM_H

#define SHIM_MAGIC		0x4d494853	/* "SHIM" */
#define SHIM_ABI_VERSION	14

#define SHIM_PAGE		4096

/**
 * DOC: address space of the shim
 *
 * The shim is mapped in the part of the address space that Linux leaves to
 * hypervisors (Documentation/arch/x86/x86_64/mm.rst: guard hole at
 * ffff800000000000).  Linux never maps it, so no translation of the host that
 * the CPU still caches for VPID 0 can be taken for one of the shim, or the
 * other way round.  Nothing but the reserve is mapped, and one page of the host
 * at a time for each CPU.
 */
#define SHIM_VA_BEGIN		0xffff800000000000	/* of that part */
#define SHIM_VA_IMAGE		0xffff87ff00000000	/* the reserve */
#define SHIM_VA_END		0xffff880000000000

/* Area of one CPU, offsets.  The first two pages are the host's to read. */
#define SHIM_AREA_SHARED	0x0000	/* struct shim_shared, shim page */
#define SHIM_AREA_RETURN	0x1000	/* stack of the host's return path */
#define SHIM_AREA_PRIVATE	0x2000	/* struct shim_boot, then the shim's own */
#define SHIM_AREA_TABLES	0x5000	/* GDT, TSS at + SHIM_TSS_OFFSET */
#define SHIM_AREA_VMXON		0x6000
#define SHIM_AREA_WINDOW	SHIM_AREA_VMXON	/* its address leads elsewhere */
#define SHIM_AREA_VMCS		0x7000	/* runs the host */
#define SHIM_AREA_SHADOW	0x8000	/* what the host's VMREAD reads */
#define SHIM_AREA_IST		0x9000	/* one page each: NMI, #MC, #DF */
#define SHIM_AREA_STACK		0xc000
#define SHIM_AREA_SIZE		0x10000
#define SHIM_PRIVATE_SIZE	(SHIM_AREA_TABLES - SHIM_AREA_PRIVATE)

/* Of the shared page: struct nvx_shim_page, which the host writes. */
#define SHIM_SHARED_PAGE	0x0800

#define SHIM_NR_IST		3
#define SHIM_TSS_OFFSET		0x100
#define SHIM_TSS_LIMIT		0x67

#define SHIM_SEL_CS		0x08
#define SHIM_SEL_SS		0x10
#define SHIM_SEL_TSS		0x18	/* 16 bytes */
#define SHIM_GDT_LIMIT		0x27

#define SHIM_IDT_VECTORS	32
#define SHIM_TRAP_STUB_SIZE	16

/*
 * Calls of the host, by VMCALL with CPL 0: EAX = SHIM_CALL | number.  Without
 * the shim VMCALL is what it is without a hypervisor, and so it is for every
 * other EAX.  EAX returns a value of enum shim_error.
 */
#define SHIM_CALL		0x53480000
#define SHIM_CALL_LEAVE		(SHIM_CALL | 0)	/* give this CPU back, to a target */
#define SHIM_CALL_VERSION	(SHIM_CALL | 1)	/* EAX = SHIM_ABI_VERSION */
#define SHIM_CALL_PANIC		(SHIM_CALL | 2)	/* for tests: SHIM_FLAG_TEST */
#define SHIM_CALL_FAULT		(SHIM_CALL | 3)	/* for tests: an exception */
#define SHIM_CALL_LEAVE_FAULT	(SHIM_CALL | 4)	/* for tests: one while leaving */
#define SHIM_CALL_MC		(SHIM_CALL | 5)	/* for tests: #MC in the shim */
#define SHIM_CALL_LEAVE_MC	(SHIM_CALL | 6)	/* for tests: one while leaving */
#define SHIM_CALL_TARGET	(SHIM_CALL | 7)	/* where to leave to if the shim gives up */

/*
 * Calls for a second partition, with arguments in RBX, RCX and RDX.  All up to PART_DESTROY,
 * PART_FUNCTION and PART_RETURN, are the first partition's: SHIM_E_CALL for the other one.
 * Addresses are of its own memory.
 */
#define SHIM_CALL_PART_CREATE	(SHIM_CALL | 0x10)	/* hpa of a struct shim_plan */
#define SHIM_CALL_PART_MOVE	(SHIM_CALL | 0x11)	/* hpa, bytes, to which partition */
#define SHIM_CALL_PART_COPY	(SHIM_CALL | 0x12)	/* gpa, hpa of the page to see there */
#define SHIM_CALL_PART_TAKE	(SHIM_CALL | 0x13)	/* area of a CPU that is offline */
#define SHIM_CALL_PART_START	(SHIM_CALL | 0x14)	/* hpa of a struct shim_start */
#define SHIM_CALL_PART_KILL	(SHIM_CALL | 0x15)
#define SHIM_CALL_PART_DESTROY	(SHIM_CALL | 0x16)
#define SHIM_CALL_PART_SAY	(SHIM_CALL | 0x17)	/* a word for the other kernel */
#define SHIM_CALL_PART_CLAIM	(SHIM_CALL | 0x18)	/* hpa, bytes: see shim-abi.rst */
#define SHIM_CALL_FIND		(SHIM_CALL | 0x19)	/* RBX = hpa of struct shim_info */
#define SHIM_CALL_ADOPT		(SHIM_CALL | 0x1a)	/* hpa of a struct shim_adopt */
#define SHIM_CALL_PART_FUNCTION	(SHIM_CALL | 0x1b)	/* PCI function, pin or SHIM_NO_PIN */
#define SHIM_CALL_PART_HEAR	(SHIM_CALL | 0x1c)	/* RBX = the other kernel's word */
#define SHIM_CALL_PART_RETURN	(SHIM_CALL | 0x1d)	/* area of the machine's boot CPU */
#define SHIM_CALL_PART_CPU	(SHIM_CALL | 0x1e)	/* APIC ID of a CPU that may wait */

/* Of the link, from either side. */
#define SHIM_CALL_LINK_JOIN	(SHIM_CALL | 0x20)	/* pin of the IOAPIC; see shim-abi.rst */
#define SHIM_CALL_LINK_RING	(SHIM_CALL | 0x21)	/* the other side's doorbell */

/*
 * Of the pool: memory of VMs that both partitions can reach while a VM moves, from either side.
 */
#define SHIM_CALL_POOL		(SHIM_CALL | 0x22)	/* hpa, bytes, enum shim_pool_op */
#define SHIM_CALL_POOL_FIND	(SHIM_CALL | 0x23)	/* hpa: the first piece there or above */

/* A PCI function interrupts by no pin of the IOAPIC. */
#define SHIM_NO_PIN		0xffffffff

/* Leaf that tells that a shim is there, to who asks with this ECX. */
#define SHIM_CPUID_LEAF		0x40000300
#define SHIM_CPUID_ASK		0x5348494d
#define SHIM_CPUID_EBX		0x6d696853	/* "Shim" */

/* No VMCS is current, no entry of the table is used. */
#define SHIM_NO_VMCS		(~0ull)

#define SHIM_NR_HOST_FIELDS	18
#define SHIM_MAX_SHADOW		16
#define SHIM_NR_REASONS		80

/* Of a partition. */
#define SHIM_FLAG_SHADOW	0x1	/* VMCS shadowing is in use */
#define SHIM_FLAG_TEST		0x2	/* serve the calls for tests */
/* Of the machine. */
#define SHIM_FLAG_L1D_FLUSH	0x4	/* flush the L1D before a guest runs */
#define SHIM_FLAG_PML		0x8	/* the CPU has GUEST_PML_INDEX */
#define SHIM_FLAG_TIMER		0x10	/* ... the VMX-preemption timer */
#define SHIM_FLAG_PERF		0x20	/* the shim runs with all counters stopped */
#define SHIM_FLAG_PARTITION	0x40	/* there is room for a second partition */

#define SHIM_RING_SIZE		8192

/*
 * The link: a section for each partition, which it writes and the other one reads, a page and a
 * ring.  The shim clears the first bytes of the section of a partition that ends.
 */
#define SHIM_LINK_RING		0x80000
#define SHIM_LINK_SECTION	(SHIM_PAGE + SHIM_LINK_RING)
#define SHIM_LINK_CLEARED	64

/*
 * MSRs that do not do above the shim what they do on the bare CPU: no microcode is
 * loaded in VMX non-root operation, and the EPT has the memory types of the launch.
 */
#define SHIM_MSR_UCODE		0x79
#define SHIM_MSR_MTRR_FIRST	0x200		/* base and mask of variable ranges */
#define SHIM_MSR_MTRR_LAST	0x23f
#define SHIM_MSR_FIX_64K	0x250
#define SHIM_MSR_FIX_16K	0x258		/* two of them */
#define SHIM_MSR_FIX_4K		0x268		/* eight */
#define SHIM_MSR_MTRR_DEF	0x2ff

/* Offsets that assembly uses. */
#define SHIM_CTX_REGS		0
#define SHIM_CTX_IRET		128
#define SHIM_BOOT_ARRIVED	0

/* Alignment of a list of MSRs. */
#define SHIM_MSR_ALIGN		16

/* What came while the shim was at work. */
#define SHIM_ARRIVED_NMI	1
#define SHIM_ARRIVED_MC		2
#define SHIM_ARRIVED_COMMAND	4		/* another CPU wants something */

/* Partitions that there can be, and kinds of denied accesses. */
#define SHIM_NR_PARTS		2
#define SHIM_MAX_DENIED		32

#ifndef __ASSEMBLY__

#ifdef __KERNEL__
#include <linux/build_bug.h>
#include <linux/stddef.h>
#else
#include <assert.h>
#include <stddef.h>
#endif
#include <linux/types.h>

enum shim_error {
	SHIM_OK		= 0,
	SHIM_E_CALL	= 1,	/* unknown call, or one for tests */
	SHIM_E_SHARED	= 2,	/* not while another kernel has a part of the machine */
	SHIM_E_STATE	= 3,	/* a CPU or the partition is not in that state */
	SHIM_E_MEMORY	= 4,	/* not in whole pages, or not all the giver's */
	SHIM_E_TABLES	= 5,	/* the reserve has no more pages for tables */
	SHIM_E_PLAN	= 6,	/* the plan makes no sense */
	SHIM_E_CPU	= 7,	/* a CPU does not answer */
	SHIM_E_BOOT_CPU	= 8,	/* the machine's boot CPU is not online */
	SHIM_E_FUNCTION	= 9,	/* the PCI function cannot be given as it is */
};

/* What a CPU is doing, in &shim_shared.state. */
enum shim_state {
	SHIM_STATE_BARE		= 0,
	SHIM_STATE_ON		= 1,
	SHIM_STATE_PANIC	= 2,	/* the shim gave up and left this CPU */
	SHIM_STATE_DEAD		= 3,	/* ... and could not even leave */
	SHIM_STATE_PARKED	= 4,	/* the shim keeps it, for its partition */
	SHIM_STATE_WAIT		= 5,	/* ... until a start-up IPI */
};

/* What a partition is doing, in &shim_part_info.state. */
enum shim_part_state {
	SHIM_PART_NONE		= 0,
	SHIM_PART_MADE		= 1,
	SHIM_PART_RUNS		= 2,
	SHIM_PART_ENDED		= 3,
};

/* Why it has ended, in &shim_part_info.why. */
enum shim_end {
	SHIM_END_NONE		= 0,
	SHIM_END_POWER_OFF	= 1,
	SHIM_END_RESET		= 2,
	SHIM_END_TRIPLE_FAULT	= 3,
	SHIM_END_KILLED		= 4,
	SHIM_END_SURPRISE	= 5,
};

/* Third argument of SHIM_CALL_POOL: as enum pool_op of arch/x86/shim/pool.h. */
enum shim_pool_op {
	SHIM_POOL_ADD		= 0,
	SHIM_POOL_DROP		= 1,
	SHIM_POOL_LEND		= 2,
	SHIM_POOL_KEEP		= 3,
	SHIM_POOL_GIVE		= 4,
};

/* Whose a piece of the pool is, in RDX of SHIM_CALL_POOL_FIND. */
enum shim_pool_state {
	SHIM_POOL_OURS		= 0,
	SHIM_POOL_THEIRS	= 1,
	SHIM_POOL_LENT		= 2,
};

/* The pool is of whole pages of this size. */
#define SHIM_POOL_ALIGN		0x200000

struct shim_segment {
	__u64	base;
	__u32	limit;
	__u16	selector;
	__u16	access;
};

/*
 * struct shim_context - The host's state on a CPU that the shim leaves
 *
 * Written by the shim, consumed by the host's return path on the same CPU.
 * @regs is indexed by the number of the register in instructions; the slot of
 * RSP is unused.
 */
struct shim_context {
	__u64	regs[16];
	__u64	rip, cs, rflags, rsp, ss;	/* as IRETQ wants them */
	__u64	cr0, cr3, cr4, efer, dr7, debugctl;
	__u64	sysenter_cs, sysenter_esp, sysenter_eip;
	__u64	gdt_base, idt_base;
	__u32	gdt_limit, idt_limit;
	struct shim_segment es, ds, fs, gs, ldtr, tr;
	__u64	current_vmcs;			/* hpa, or SHIM_NO_VMCS */
	__u32	vmxon;				/* the host is in VMX operation */
	__u32	arrived;			/* SHIM_ARRIVED_* that it has not seen */
};

/*
 * struct shim_shared - What the host may read about one CPU at any time
 *
 * @host_exits and @guest_exits are indexed by the basic exit reason.
 */
#define SHIM_NO_APIC_ID		0xffffffff

struct shim_shared {
	struct shim_context context;
	__u32	state;				/* enum shim_state */
	__u32	apic_id;			/* SHIM_NO_APIC_ID before the first launch */
	__u64	host_exits[SHIM_NR_REASONS];
	__u64	guest_exits[SHIM_NR_REASONS];
	__u64	installs;			/* VMCSs borrowed */
	__u64	vmfails;			/* instructions of the host that failed */
	__u64	nmis;				/* passed on to the host */
	__u64	page_exits;			/* of guests, told by the shim page */
};

/* The console: a ring that the shim writes and the host reads; @head counts all bytes ever. */
struct shim_console {
	__u32	head;
	__u32	reserved;
	char	data[SHIM_RING_SIZE - 8];
};

/* An entry of the lists of MSRs that VM exit and VM entry store and load. */
struct shim_msr {
	__u32	index;
	__u32	reserved;
	__u64	value;
};

/*
 * struct shim_boot - What the loader tells the shim about one CPU
 *
 * Begins the private part of the area.  @host are the values of the shim's own
 * host-state fields, in the order of include/refresh/vmcs_fields.h.  @perf is the host's
 * PERF_GLOBAL_CTRL while the shim runs: an exit of the host stores it there, VM entry loads
 * it from there.  @perf_mask are the bits of it that this CPU has.
 */
struct shim_boot {
	__u32	arrived;			/* SHIM_ARRIVED_*, set by handlers */
	__u32	apic_id;			/* which CPU it is, whatever its host calls it */
	__u64	shared_va;			/* of struct shim_shared, in the shim */
	__u64	vmxon_hpa, vmcs_hpa, shadow_hpa;
	__u64	current_vmcs;			/* of the host at the launch */
	__u32	vmxon;				/* the host was in VMX operation */
	__u32	reserved;
	__u64	return_rip, return_rsp;		/* the host's return path */
	__u64	return_gdt_rw;			/* writable alias of the host's GDT */
	__u16	return_cs, return_ss;
	__u32	reserved2;
	__u64	host[SHIM_NR_HOST_FIELDS];
	__u64	perf_mask;
	struct shim_msr perf;
};

/*
 * struct shim_machine - Facts about the machine
 *
 * From the loader; nothing in it changes after the launch.
 */
struct shim_machine {
	__u64	reserve_hpa, reserve_size;
	__u64	console_va;
	__u64	image_pt_va;			/* entries of SHIM_VA_IMAGE, page by page */
	__u64	areas_va;			/* of CPUs, one behind the other */
	__u64	vmx_basic;
	__u64	cr0_fixed0, cr0_fixed1, cr4_fixed0, cr4_fixed1;
	__u64	phys_mask;			/* address bits that exist */
	__u32	nr_areas;
	__u32	flags;				/* SHIM_FLAG_* of the machine */
	__u32	uart;				/* I/O port, 0: none */
	__u32	reserved;
	__u64	info_va;			/* struct shim_info */
	__u64	pool_va, pool_end_va;		/* pages for a second partition */
	__u64	link_va;			/* SHIM_NR_PARTS sections of the link */
	__u64	reserved2;
};

/*
 * struct shim_part - A partition: one host, with what its CPUs are entered with
 *
 * The loader makes the first one, which has all of the machine.
 */
struct shim_part {
	__u64	eptp;
	__u64	msr_bitmap, vmread_bitmap, vmwrite_bitmap;
	__u64	io_bitmap;			/* two pages; SHIM_FLAG_PARTITION */
	__u32	flags;				/* SHIM_FLAG_* of a partition */
	__u32	ended;				/* no CPU of it is entered any more */
	__u32	nr_ro, nr_rw;			/* used entries of the lists */
	__u32	ro[SHIM_MAX_SHADOW];		/* shadowed for VMREAD */
	__u32	rw[SHIM_MAX_SHADOW];		/* ... and for VMWRITE */
};

/*
 * struct shim_part_info - What both hosts may read about one partition
 */
struct shim_part_info {
	__u32	state;				/* enum shim_part_state */
	__u32	why;				/* enum shim_end */
	__u32	cpus, running;
	__u64	word;				/* SHIM_CALL_PART_SAY */
	__u64	starts;
	__u64	end_rip, end_detail;
	__u64	denied[SHIM_MAX_DENIED];	/* by kind, see arch/x86/shim/partition.h */
};

/* Whose the reserve is when the shim has left. */
enum shim_memory {
	SHIM_MEMORY_PAGES	= 0,	/* the buddy allocator's */
	SHIM_MEMORY_CONTIG	= 1,	/* alloc_contig_range()'s */
	SHIM_MEMORY_RESERVED	= 2,	/* another kernel's that has ended */
};

/*
 * struct shim_info - The shim describes itself
 *
 * The first half is the shim's.  The second one is the loader's, for a module that has not brought
 * the shim and adopts it: where the reserve is and what is where in it (offsets), what VM entry of
 * a CPU takes (@eptp, @cr3), and how the memory was got (@reserve_bytes, @memory).
 */
struct shim_info {
	__u32	magic, version;
	__u32	nr_parts, nr_denied;
	struct shim_part_info part[SHIM_NR_PARTS];
	__u64	reserve_hpa, reserve_bytes;
	__u64	console, areas, end;
	__u64	eptp, cr3;
	__u32	nr_areas, memory;		/* enum shim_memory */
	__u32	flags, reserved;		/* SHIM_FLAG_* that were asked for */
};

/*
 * struct shim_adopt - Argument of SHIM_CALL_ADOPT
 *
 * @online: a bit for each area whose CPU the caller runs on.  CPUs that stand elsewhere in the
 * caller's kernel, or in the shim, are made to wait for a start-up IPI.
 */
#define SHIM_MAX_AREAS		8192

struct shim_adopt {
	__u64	online[SHIM_MAX_AREAS / 64];
};

/*
 * struct shim_plan - What the machine has that two kernels have to share
 *
 * @pins: of the IOAPIC, a bit for each that is the second partition's from the start.
 * @shown: memory of the first partition that the second one may read: firmware.
 * A port or an address of 0 is not there.
 */
#define SHIM_PLAN_PORTS		8
#define SHIM_PLAN_SHOWN		32
#define SHIM_PLAN_FUNCTIONS	96
#define SHIM_PLAN_KEPT		32	/* pages */
#define SHIM_PLAN_BARS		6

struct shim_plan_function {
	__u16	bdf;
	__u8	show;				/* enum pci_show of arch/x86/shim/pci.h */
	__u8	bridge, links, msi;
	__u8	bar_kind[SHIM_PLAN_BARS];	/* enum pci_bar_kind */
	__u32	rom_size;
	__u64	bar_size[SHIM_PLAN_BARS];
};

struct shim_plan {
	__u32	size, pins;
	__u64	ioapic_hpa, hpet_hpa;
	__u16	pm1_event[2], pm1_control[2];
	__u16	pm_timer, smi_command, reset;
	__u8	pm1_event_length, reset_value;
	__u8	s5_type[2];
	__u16	link;				/* let them have the link */
	__u32	nr_ports, nr_shown, nr_functions;
	struct {
		__u16	first, last;
	} port[SHIM_PLAN_PORTS];		/* of the second partition */
	struct {
		__u64	hpa, bytes;
	} shown[SHIM_PLAN_SHOWN];
	__u64	kept_hpa, kept_bytes;		/* of which the first one keeps a copy */
	struct shim_plan_function function[SHIM_PLAN_FUNCTIONS];
};

/*
 * struct shim_start - How the first CPU of the second partition begins, in long mode
 */
struct shim_start {
	__u32	area, reserved;
	__u64	rip, rsi, cr3, gdt;
};

/*
 * struct shim_header - First bytes of shim.bin
 *
 * The image is linked to run at SHIM_VA_IMAGE; the *_va are absolute.
 */
struct shim_header {
	__u32	magic;
	__u32	version;
	__u32	area_size;			/* SHIM_AREA_SIZE */
	__u32	reserved;
	__u64	text_va, data_va;		/* in between nothing is written, whole pages */
	__u64	end_va;				/* of the image, .bss included */
	__u64	exit_va;			/* HOST_RIP */
	__u64	trap_stubs_va;			/* SHIM_IDT_VECTORS of them */
	struct shim_machine machine;		/* filled in by the loader */
	struct shim_part part[SHIM_NR_PARTS];	/* likewise the first one */
};

static_assert(offsetof(struct shim_context, regs) == SHIM_CTX_REGS, "regs");
static_assert(offsetof(struct shim_context, rip) == SHIM_CTX_IRET, "rip");
static_assert(offsetof(struct shim_context, ss) == SHIM_CTX_IRET + 32, "ss");
static_assert(offsetof(struct shim_context, cr0) == 168, "cr0");
static_assert(offsetof(struct shim_context, gdt_limit) == 256, "gdt_limit");
static_assert(offsetof(struct shim_context, current_vmcs) == 360, "current_vmcs");
static_assert(sizeof(struct shim_context) == 376, "size of the context");
static_assert(offsetof(struct shim_shared, state) == 376, "state");
static_assert(offsetof(struct shim_shared, host_exits) == 384, "host_exits");
static_assert(offsetof(struct shim_shared, guest_exits) == 1024, "guest_exits");
static_assert(sizeof(struct shim_shared) == 1696, "size of the shared page");
static_assert(sizeof(struct shim_console) == SHIM_RING_SIZE, "size of the ring");
static_assert(offsetof(struct shim_boot, arrived) == SHIM_BOOT_ARRIVED, "arrived");
static_assert(offsetof(struct shim_boot, return_rip) == 56, "return_rip");
static_assert(offsetof(struct shim_boot, host) == 88, "host");
static_assert(offsetof(struct shim_boot, perf) % SHIM_MSR_ALIGN == 0, "list of MSRs");
static_assert(sizeof(struct shim_boot) == 256, "size of the boot data");
static_assert(offsetof(struct shim_header, exit_va) == 40, "exit_va");
static_assert(offsetof(struct shim_header, machine) == 56, "machine");
static_assert(offsetof(struct shim_header, part) == 200, "part");
static_assert(sizeof(struct shim_machine) == 144, "size of the facts");
static_assert(sizeof(struct shim_part) == 184, "size of a partition");
static_assert(sizeof(struct shim_info) <= SHIM_PAGE, "size of the information");
static_assert(sizeof(struct shim_adopt) <= SHIM_PAGE, "size of the bitmap of areas");
static_assert(sizeof(struct shim_plan_function) == 64, "size of a function");
static_assert(sizeof(struct shim_plan) <= 2 * SHIM_PAGE, "size of the plan");

#endif /* !__ASSEMBLY__ */
#endif /* _REFRESH_SHIM_H */
