/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What nvx-vmm and its guest agree on: guest-physical layout, ports, operations
 * and the control block.  Included by C on both sides and by guest_start.S, so
 * only plain constants may stand outside of the __ASSEMBLER__ guard.
 */
#ifndef SELFTESTS_BENCH_H
#define SELFTESTS_BENCH_H

/* Guest-physical layout.  Virtual equals physical below GUEST_SIZE. */
#define GUEST_GDT		0x1000
#define GUEST_IDT		0x2000
#define GUEST_PML4		0x3000
#define GUEST_PDPT		0x4000
#define GUEST_PD_IDENTITY	0x5000
#define GUEST_PD_WINDOW		0x6000
#define GUEST_PD_FILL		0x7000
#define GUEST_CTL		0x8000
#define GUEST_CODE		0x10000
#define GUEST_STACK_TOP		0x80000
#define GUEST_PT_IDENTITY	0x100000
#define GUEST_PT_WINDOW		0x140000
#define GUEST_SAMPLES		0x180000
#define GUEST_BACKING		0x1c0000
#define GUEST_PRESENT		0x1000000
#define GUEST_ABSENT		0x1800000
#define GUEST_WALK		0x2000000
#define GUEST_SIZE		0x2800000

/* More memory, mapped by large pages of the guest: --fill. */
#define GUEST_FILL		0x80000000
#define FILL_UNIT		0x200000	/* all of it is the same 2 MiB of the VMM */
#define FILL_MAX_MIB		512

#define REGION_PAGES		2048	/* of the present, absent and walk regions */
#define BACKING_PAGES		64	/* what all pages of the #PF window map to */
#define WINDOW_PAGES		4096
#define WINDOW_GVA		0x40000000
#define WINDOW_RUN		8	/* entries that pf_fork, pf_bulk, pf_mixed write in a row */
#define MAX_SAMPLES		65536	/* of one batch that keeps samples */

/* Present, writable, accessed, dirty: the page walker never has to write. */
#define GUEST_PTE_FLAGS		0x63

/* Fixed places in the guest image; guest_start.S enforces them. */
#define GUEST_SECOND_ENTRY	(GUEST_CODE + 0x10)
#define GUEST_PF_ENTRY		(GUEST_CODE + 0x20)
#define GUEST_TIMER_ENTRY	(GUEST_CODE + 0xa0)
#define GUEST_TRAP_STUBS	(GUEST_CODE + 0x100)
#define GUEST_TRAP_STUB_SIZE	16
#define GUEST_NR_VECTORS	32
#define GUEST_CODE_SELECTOR	0x08
#define GUEST_DATA_SELECTOR	0x10

/* Ports, all handled by nvx-vmm: none that in-kernel devices claim. */
#define PORT_DONE		0xb1	/* the batch in the control block is done */
#define PORT_PIO		0xb2	/* operand of the pio_user operation */
#define PORT_TRAP		0xb3	/* the guest took an exception it cannot handle */
#define PORT_FLUSH		0xb4	/* take the operand's page away from the guest */
#define PORT_SWITCH		0xb6	/* run the second vCPU to its next port write */
#define PORT_REDIRTY		0xb8	/* take a page of each 2 MiB of --fill away */
#define PORT_SECOND		0xb7	/* that one */

/* Offsets in struct bench_ctl for guest_start.S. */
#define CTL_FAULTS		0x28
#define CTL_TRAP_VECTOR		0x30
#define CTL_TRAP_ERROR		0x38
#define CTL_TRAP_RIP		0x40
#define CTL_TRAP_CR2		0x48
#define CTL_TICKS		0x50
#define CTL_PV_EOI		0x58

#define BENCH_HYPERCALL		1000	/* a number that no KVM implements */
#define BENCH_MSR		0x1a0	/* IA32_MISC_ENABLE: every KVM intercepts it */
/* MSRs of the guest's timer (SDM 3A, local APIC in x2APIC mode). */
#define X2APIC_EOI		0x80b

#define TIMER_VECTOR		31	/* the last that the IDT has */
#define TIMER_US	400	/* to the wake-up; KVM does not poll that long */
#define TICK_US		4000	/* of the kernels below: HZ=250 */
#define TICK_PHASES	8
#define LOOP_ITERATIONS		1000	/* of one int_loop operation */

#ifndef __ASSEMBLER__

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

enum bench_op {
	OP_CPUID = 1,
	OP_VMCALL,
	OP_RDMSR,
	OP_PIO_USER,
	OP_TOUCH_PRESENT,
	OP_TOUCH_ABSENT,
	OP_GUEST_PF,
	OP_INT_LOOP,
	OP_WALK,
	OP_PIO_FLUSH,
	OP_PIO_SWITCH,
	OP_HLT_TIMER,
	OP_PIO_MSR1,
	OP_PIO_MSR4,
	OP_UNMAP,
	OP_CPUID_XCR0,	/* XCR0 stays */
	OP_PF_NX,	/* from here on: EFER.NX stays */
	OP_PF_CR3,
	OP_PF_UNMAP,
	OP_PF_PROTECT,
	OP_PF_FORK,
	OP_PF_BULK,
	OP_PF_MIXED,
	NR_OPS,
};

enum bench_mode {
	MODE_WARM = 1,	/* touch all that the operations need, measure nothing */
	MODE_COUNT,	/* operations only */
	MODE_SAMPLE,	/* keep the TSC delta of each operation */
	MODE_BREAK,	/* magic breakpoints around each operation */
};

/* Lives at GUEST_CTL.  The guest reads the first part, writes the second. */
struct bench_ctl {
	uint32_t op;
	uint32_t mode;
	uint64_t n;
	uint64_t first;		/* index of the first page to use */
	uint64_t fill_mib;	/* size of the region at GUEST_FILL */

	uint64_t sum;		/* of what the operations returned */
	uint64_t faults;	/* #PF handled since the guest started */
	uint64_t trap_vector;
	uint64_t trap_error;
	uint64_t trap_rip;
	uint64_t trap_cr2;
	uint64_t ticks;		/* timer interrupts since the guest started */
	uint32_t pv_eoi;	/* KVM's paravirtual end of interrupt */
	uint32_t reserved2;
	uint64_t tsc_khz;	/* of the guest; nvx-vmm writes it */
};

static_assert(offsetof(struct bench_ctl, faults) == CTL_FAULTS, "CTL_FAULTS");
static_assert(offsetof(struct bench_ctl, trap_vector) == CTL_TRAP_VECTOR,
	      "CTL_TRAP_VECTOR");
static_assert(offsetof(struct bench_ctl, trap_error) == CTL_TRAP_ERROR,
	      "CTL_TRAP_ERROR");
static_assert(offsetof(struct bench_ctl, trap_rip) == CTL_TRAP_RIP, "CTL_TRAP_RIP");
static_assert(offsetof(struct bench_ctl, trap_cr2) == CTL_TRAP_CR2, "CTL_TRAP_CR2");
static_assert(offsetof(struct bench_ctl, ticks) == CTL_TICKS, "CTL_TICKS");
static_assert(offsetof(struct bench_ctl, pv_eoi) == CTL_PV_EOI, "CTL_PV_EOI");

#endif /* __ASSEMBLER__ */
#endif /* SELFTESTS_BENCH_H */
