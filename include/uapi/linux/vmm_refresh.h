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

/**
 * struct vmm_refresh_status - Result of VMM_REFRESH_STATUS
 * @size: bytes of this structure; on return: bytes that the kernel filled in
 * @version: VMM_REFRESH_API_VERSION of the kernel
 * @state: VMM_REFRESH_BARE, _ON or _PANICKED
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
 * DEVIRTUALIZE: ENODEV not virtualized.
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

#endif /* _UAPI_LINUX_VMM_REFRESH_H */
