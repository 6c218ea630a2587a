/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * Interface of /dev/vmm-refresh: slide the shim under the running host, see what
 * it does, take it away again.
 *
 * Each structure begins with its size, set by the caller.  It grows at its end:
 * a kernel that knows more fields fills only as many bytes as the caller has, one
 * that knows fewer sets the size to what it filled.  What a caller sets in fields
 * that the kernel does not know fails with E2BIG, as a size of more than a page does.
 * A call is told by type and number ('R', 0xa0); the size and direction encoded with
 * them are not looked at.
 *
 * Flags and reserved fields that have no meaning yet must be 0, or the call fails
 * with EINVAL, as it does if a structure has no room for its size, or that of
 * VMM_REFRESH_VIRTUALIZE is shorter than here.
 */
#ifndef _UAPI_LINUX_VMM_REFRESH_H
#define _UAPI_LINUX_VMM_REFRESH_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define VMM_REFRESH_API_VERSION		1

/* Do not use VMCS shadowing even if the CPU has it. */
#define VMM_REFRESH_NO_SHADOWING	0x1
/* Let the host ask for trouble (tests): VMM_REFRESH_ASK. */
#define VMM_REFRESH_TEST		0x2
/* Do not let the host's KVM use the shim page, even if it can. */
#define VMM_REFRESH_NO_PAGE		0x4
/* Keep room for a second partition: VMM_REFRESH_PART_CREATE. */
#define VMM_REFRESH_PARTITION		0x8

/**
 * struct vmm_refresh_virtualize - Argument of VMM_REFRESH_VIRTUALIZE
 * @size: bytes of this structure
 * @flags: VMM_REFRESH_*
 * @uart: I/O port of a 16550 for the shim's console, 0: none
 * @reserved: 0
 */
struct vmm_refresh_virtualize {
	__u32	size;
	__u32	flags;
	__u32	uart;
	__u32	reserved;
};

/* States, in &vmm_refresh_status.state. */
#define VMM_REFRESH_BARE		0	/* no shim */
#define VMM_REFRESH_ON			1	/* every online CPU runs above the shim */
#define VMM_REFRESH_PANICKED		2	/* the shim gave up on a CPU */
/* There is a shim that this module has not brought, and ... */
#define VMM_REFRESH_BELOW		3	/* another kernel has a part of the machine */
#define VMM_REFRESH_ADOPTABLE		4	/* this kernel has all: DEVIRTUALIZE adopts it */

/**
 * struct vmm_refresh_status - Result of VMM_REFRESH_STATUS
 * @size: bytes of this structure; on return: bytes that the kernel filled in
 * @version: VMM_REFRESH_API_VERSION of the kernel
 * @state: VMM_REFRESH_BARE, _ON, _PANICKED, _BELOW or _ADOPTABLE
 * @cpus: CPUs that run above the shim
 * @launches: successful virtualize calls since the module was loaded
 * @changes: registers that differed between before a launch and after it, or
 *	before a return and after it, since the module was loaded
 * @reserve: bytes of memory in use, 0 without the shim
 * @host_exits: exits of the host since the last launch, all CPUs
 * @guest_exits: exits of its guests
 * @installs: VMCSs of the host that were borrowed
 * @vmfails: VMX instructions of the host that failed
 * @nmis: NMIs passed on to the host
 * @page_exits: of @guest_exits those that the host was told of in the shim page
 */
struct vmm_refresh_status {
	__u32	size;
	__u32	version;
	__u32	state;
	__u32	cpus;
	__u64	launches;
	__u64	changes;
	__u64	reserve;
	__u64	host_exits;
	__u64	guest_exits;
	__u64	installs;
	__u64	vmfails;
	__u64	nmis;
	__u64	page_exits;
};

/*
 * VIRTUALIZE: EBUSY already virtualized, or a reboot or suspend is under way; ENODEV no VMX that
 * the shim could use; EOPNOTSUPP a state that it cannot keep; EPERM the kernel is
 * locked down; ENOMEM no memory; EIO VM entry failed; ETIMEDOUT a CPU did not
 * answer.  The kernel log has one line that says why, and nothing has changed.
 * DEVIRTUALIZE: ENODEV not virtualized.  A shim that this module has not brought it adopts first
 * (the second kernel, when the first one has ended; it takes the memory it has not yet): EBUSY
 * another kernel has a part of the machine, or the machine's boot CPU is offline; EPROTO the
 * shim is of another version; EIO it refused.
 */
#define VMM_REFRESH_VIRTUALIZE	_IOW('R', 0xa0, struct vmm_refresh_virtualize)
#define VMM_REFRESH_DEVIRTUALIZE _IO('R', 0xa1)
#define VMM_REFRESH_STATUS	_IOWR('R', 0xa2, struct vmm_refresh_status)
/*
 * For tests, needs VMM_REFRESH_TEST.  The argument says what is to happen on this CPU:
 * the shim gives up; it takes an exception; the kernel sends an INIT to the APIC ID in
 * the bits from 8 on; the shim takes a machine check.  EINVAL: none of them; EPERM: not in a
 * session for tests, or the host has machine checks off.
 */
#define VMM_REFRESH_ASK		_IO('R', 0xa3)
#define VMM_REFRESH_ASK_PANIC	0
#define VMM_REFRESH_ASK_FAULT	1
#define VMM_REFRESH_ASK_INIT	2
#define VMM_REFRESH_ASK_MC	3

/*
 * A second kernel beside this one.  It gets CPUs and memory that this kernel has put out of
 * use, and loses them only when it has ended; whatever it does, it cannot reach the rest.
 * The order: VIRTUALIZE with VMM_REFRESH_PARTITION, CREATE, CPU, MEMORY and DEVICE as often as
 * needed, LOAD, START.  When it has ended: LOAD and START again, or DESTROY.
 *
 * All of them: ENODEV without a shim, or without room for a partition; EINVAL a structure that
 * is too short, or a field that makes no sense; ENXIO without a partition; EBUSY not in this
 * state of it.  The kernel log has one line that says why, and nothing has changed.
 */

/*
 * A network between the two kernels: vmlink0 here, and there as soon as vmm-refresh.ko is loaded
 * (its parameter "link").
 */
#define VMM_REFRESH_PART_LINK		0x1

/**
 * struct vmm_refresh_part_create - Argument of VMM_REFRESH_PART_CREATE
 * @size: bytes of this structure
 * @flags: VMM_REFRESH_PART_LINK or 0
 * @serial: first of 8 I/O ports of a 16550 that is the partition's, 0: none
 * @serial_pin: of the IOAPIC, its interrupt; without meaning if @serial is 0
 *
 * EEXIST there is a partition; EOPNOTSUPP the machine has something that cannot be shared yet
 * (an IOMMU that remaps interrupts, APIC IDs above 254, more than one IOAPIC, no HPET, no ACPI);
 * EIO the shim refused.
 */
struct vmm_refresh_part_create {
	__u32	size;
	__u32	flags;
	__u32	serial;
	__u32	serial_pin;
};

/**
 * struct vmm_refresh_part_cpu - Argument of VMM_REFRESH_PART_CPU
 * @size: bytes of this structure
 * @cpu: a CPU that is online, its number here; it goes offline, and is the partition's
 *
 * While the second kernel runs that one can bring it online (PART_GROW).
 * EBUSY or another error of CPU hotplug: the CPU cannot go offline; EIO it did not stop.
 */
struct vmm_refresh_part_cpu {
	__u32	size;
	__u32	cpu;
};

/**
 * struct vmm_refresh_part_device - Argument of VMM_REFRESH_PART_DEVICE
 * @size: bytes of this structure
 * @flags: 0
 * @domain: 0
 * @bdf: bus in bits 15 to 8, device in bits 7 to 3, function
 *
 * A PCI function that has no driver here leaves this kernel's list, and is the partition's, with
 * the addresses it has: the second kernel finds it when it boots.  Its DMA is not confined.
 * DESTROY brings it back, at the same addresses.
 *
 * ENOENT there is no such function; EBUSY a driver has it, or one that has a driver interrupts by
 * the same pin; EOPNOTSUPP it is of a kind that cannot be given yet; ENOSPC too many; EIO the
 * shim refused.  START: EBUSY a function of this kernel's interrupts by the same pin.
 */
struct vmm_refresh_part_device {
	__u32	size;
	__u32	flags;
	__u32	domain;
	__u32	bdf;
};

/**
 * struct vmm_refresh_part_memory - Argument of VMM_REFRESH_PART_MEMORY
 * @size: bytes of this structure
 * @flags: 0
 * @hpa: first byte, of a page
 * @bytes: whole pages
 *
 * Memory blocks that are offline.  While the second kernel runs it can claim them from now on
 * (PART_GROW).  EBUSY a page of it is online, or not RAM, or it has ended; ENOSPC too many
 * pieces; EIO the shim refused.
 */
struct vmm_refresh_part_memory {
	__u32	size;
	__u32	flags;
	__u64	hpa;
	__u64	bytes;
};

/**
 * struct vmm_refresh_segment - A piece of memory to fill
 * @data: address of the bytes in the caller
 * @bytes: how many
 * @hpa: where to, in memory of the partition
 */
struct vmm_refresh_segment {
	__u64	data;
	__u64	bytes;
	__u64	hpa;
};

#define VMM_REFRESH_MAX_SEGMENTS	64

/**
 * struct vmm_refresh_part_load - Argument of VMM_REFRESH_PART_LOAD
 * @size: bytes of this structure
 * @nr: segments, at most VMM_REFRESH_MAX_SEGMENTS
 * @segments: address of an array of &struct vmm_refresh_segment
 *
 * All of the partition's memory is cleared first.  EPERM a segment is not in its memory.
 */
struct vmm_refresh_part_load {
	__u32	size;
	__u32	nr;
	__u64	segments;
};

/*
 * The kernel is to address interrupts by physical APIC IDs: for Linux before 6.10, which would
 * use logical ones (its FADT says so).
 */
#define VMM_REFRESH_START_PHYSICAL	0x1

/**
 * struct vmm_refresh_part_start - Argument of VMM_REFRESH_PART_START
 * @size: bytes of this structure
 * @cpu: which of the partition's CPUs begins, its number here
 * @flags: VMM_REFRESH_START_*
 * @reserved: 0
 * @rip: first instruction, in long mode with CPL 0, interrupts off
 * @rsi: register RSI (the zero page of a Linux kernel); all others are 0
 * @cr3: page tables
 * @gdt: table of descriptors with code at 10h and data at 18h, 32 bytes
 *
 * All of them are addresses in the partition's memory.  EIO the CPU did not begin.
 */
struct vmm_refresh_part_start {
	__u32	size;
	__u32	cpu;
	__u32	flags;
	__u32	reserved;
	__u64	rip;
	__u64	rsi;
	__u64	cr3;
	__u64	gdt;
};

/* States of the partition, in &vmm_refresh_part_status.state. */
#define VMM_REFRESH_PART_NONE		0
#define VMM_REFRESH_PART_MADE		1	/* has not run yet */
#define VMM_REFRESH_PART_RUNS		2
#define VMM_REFRESH_PART_ENDED		3	/* its CPUs are parked, its memory is as it was */

/* Why it has ended, in &vmm_refresh_part_status.why. */
#define VMM_REFRESH_END_NONE		0
#define VMM_REFRESH_END_POWER_OFF	1
#define VMM_REFRESH_END_RESET		2
#define VMM_REFRESH_END_TRIPLE_FAULT	3
#define VMM_REFRESH_END_KILLED		4
#define VMM_REFRESH_END_SURPRISE	5	/* it did what the shim has no answer to */

#define VMM_REFRESH_NR_REASONS		80
#define VMM_REFRESH_MAX_DENIED		32

/**
 * struct vmm_refresh_part_status - Result of VMM_REFRESH_PART_STATUS
 * @size: bytes of this structure; on return: bytes that the kernel filled in
 * @state: VMM_REFRESH_PART_*
 * @why: VMM_REFRESH_END_*
 * @cpus: CPUs that are the partition's
 * @running: of these, CPUs that run
 * @nr_denied: kinds of denied accesses, in the order of vmm-refresh/denied in debugfs
 * @memory: bytes that are the partition's
 * @word: what its kernel has said last (VMM_REFRESH_PART_SAY), 0 at first
 * @starts: how often it was started
 * @exits: of its kernel by basic exit reason, since the start
 * @guest_exits: of all its guests
 * @denied: accesses of the partition that were denied, by kind
 * @denied_here: those of this kernel
 */
struct vmm_refresh_part_status {
	__u32	size;
	__u32	state;
	__u32	why;
	__u32	cpus;
	__u32	running;
	__u32	nr_denied;
	__u64	memory;
	__u64	word;
	__u64	starts;
	__u64	exits[VMM_REFRESH_NR_REASONS];
	__u64	guest_exits;
	__u64	denied[VMM_REFRESH_MAX_DENIED];
	__u64	denied_here[VMM_REFRESH_MAX_DENIED];
};

/**
 * struct vmm_refresh_part_words - Argument and result of VMM_REFRESH_PART_WORDS
 * @size: bytes of this structure
 * @flags: 0
 * @first: what the first kernel has said last, 0 at first
 * @second: what the second one has, which only the first one is told
 *
 * In either kernel, for the second one also when the first one has ended, until it adopts the shim.
 */
struct vmm_refresh_part_words {
	__u32	size;
	__u32	flags;
	__u64	first;
	__u64	second;
};

/* Of the flags below. */
#define VMM_REFRESH_GROW_PCI		1

/**
 * struct vmm_refresh_part_grow - Argument and result of VMM_REFRESH_PART_GROW
 * @size: bytes of this structure
 * @flags: 0, or VMM_REFRESH_GROW_PCI
 * @bytes: at most so many, 0: all there are; on return: how many there were
 * @first: no memory below this address, of a page
 * @end: none from this address on, of a page; 0: none is too high
 *
 * In the second kernel, when the first one has ended: memory that was that one's becomes
 * ordinary memory of this one, and with no @end its PCI functions are found, at the addresses
 * that they have.  With VMM_REFRESH_GROW_PCI those are found and no memory is taken, so that they
 * need not wait for it: all else is 0 then, and EBUSY is what it returns while the first one runs.
 * While the first one runs: what it has given since, memory, and CPUs, which come online; EBUSY if
 * that is nothing.
 * ENXIO in any other kernel; ERESTARTSYS after a signal, and it goes on
 * with the next call.
 */
struct vmm_refresh_part_grow {
	__u32	size;
	__u32	flags;
	__u64	bytes;
	__u64	first;
	__u64	end;
};

/* What &vmm_refresh_pool.op asks for. */
#define VMM_REFRESH_POOL_ADD		0	/* RAM becomes pool: whole memory blocks */
#define VMM_REFRESH_POOL_REMOVE		1	/* the way back; nobody uses a device of it */
#define VMM_REFRESH_POOL_LEND		2	/* both kernels can reach it until KEEP or GIVE */
#define VMM_REFRESH_POOL_KEEP		3	/* it is the lender's as before */
#define VMM_REFRESH_POOL_GIVE		4	/* it is the other kernel's */
#define VMM_REFRESH_POOL_FIND		5	/* the first piece at @hpa or above */
#define VMM_REFRESH_POOL_ATTACH		6	/* in the second kernel: have devices for it */

/* Whose a piece is, in &vmm_refresh_pool.state. */
#define VMM_REFRESH_POOL_OURS		0
#define VMM_REFRESH_POOL_THEIRS		1
#define VMM_REFRESH_POOL_LENT		2

#define VMM_REFRESH_POOL_NO_DEVICE	0xffffffff

/**
 * struct vmm_refresh_pool - Argument and result of VMM_REFRESH_POOL
 * @size: bytes of this structure
 * @op: VMM_REFRESH_POOL_*
 * @hpa: first byte; FIND writes that of the piece
 * @bytes: how many; FIND writes the length of the piece
 * @state: 0; FIND writes whose it is
 * @device: 0; FIND writes N of the platform device hmem.N, or VMM_REFRESH_POOL_NO_DEVICE
 *
 * Memory of VMs that the other kernel can have as it is, without a copy: no RAM of either kernel,
 * but a device of the stock driver dax_hmem at the same addresses in both.  With two kernels a
 * piece, in whole pages of 2 MiB, is reached by the one that has it, and by both only while it is
 * lent.  Who has it lends it; the first kernel may do that for the second one.  When the second
 * kernel has ended, all of the pool is the first one's; and the other way round.
 *
 * ADD, REMOVE: EBUSY there are two kernels, or the memory cannot be taken out; ENOSPC too many
 * pieces; ENOENT (REMOVE) no such piece of the pool.  LEND, KEEP, GIVE: ENXIO there is one kernel;
 * EPERM it is not in a state for that; EIO the shim refused, as it does to lend while no second
 * kernel runs.  FIND: ENOENT there is no more.  ATTACH: ENXIO this is no second kernel.
 */
struct vmm_refresh_pool {
	__u32	size;
	__u32	op;
	__u64	hpa;
	__u64	bytes;
	__u32	state;
	__u32	device;
};

#define VMM_REFRESH_PART_CREATE	_IOW('R', 0xa4, struct vmm_refresh_part_create)
#define VMM_REFRESH_PART_CPU	_IOW('R', 0xa5, struct vmm_refresh_part_cpu)
#define VMM_REFRESH_PART_MEMORY	_IOW('R', 0xa6, struct vmm_refresh_part_memory)
#define VMM_REFRESH_PART_LOAD	_IOW('R', 0xa7, struct vmm_refresh_part_load)
#define VMM_REFRESH_PART_START	_IOW('R', 0xa8, struct vmm_refresh_part_start)
/* The partition ends at once; EBUSY if it does not run. */
#define VMM_REFRESH_PART_KILL	_IO('R', 0xa9)
/*
 * All it had is this kernel's again: its CPUs come online, its memory stays offline.  EBUSY
 * while it runs; an error of CPU hotplug: a CPU stays offline.
 */
#define VMM_REFRESH_PART_DESTROY _IO('R', 0xaa)
#define VMM_REFRESH_PART_STATUS	_IOWR('R', 0xab, struct vmm_refresh_part_status)
/*
 * The argument is shown to the other kernel: what the second one says as @word of
 * &vmm_refresh_part_status, and by VMM_REFRESH_PART_WORDS.  ENXIO where there are no two.
 */
#define VMM_REFRESH_PART_SAY	_IO('R', 0xac)
#define VMM_REFRESH_PART_GROW	_IOWR('R', 0xad, struct vmm_refresh_part_grow)
/*
 * The shim stays, and the module can be unloaded; one that is loaded later adopts it.  Until then
 * it cannot be taken away, and a CPU on which it gives up stops; no kexec, no sleep.  ENODEV not
 * virtualized; EBUSY there is a second partition.
 */
#define VMM_REFRESH_DETACH	_IO('R', 0xae)
#define VMM_REFRESH_POOL	_IOWR('R', 0xaf, struct vmm_refresh_pool)
#define VMM_REFRESH_PART_DEVICE	_IOW('R', 0xb0, struct vmm_refresh_part_device)
#define VMM_REFRESH_PART_WORDS	_IOWR('R', 0xb1, struct vmm_refresh_part_words)

#endif /* _UAPI_LINUX_VMM_REFRESH_H */
