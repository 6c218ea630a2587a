// SPDX-License-Identifier: GPL-2.0-only
/*
 * nvx_pv_deleg_test - Exits of L2 that L1 leaves to L0: answered as L1 would,
 * reflected whenever something is not as Documentation/pv-vmcs-abi.rst says.
 */
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include <linux/compiler.h>

#include "nvx_pv_checks.h"

#define LEAF		0x40000123u		/* nobody else's */
#define REASON_HLT	12
#define REASON_TIMER	52
#define PIN_TIMER	BIT(6)
#define TIMER_VALUE	(BIT(20) >> 5)
#define TRAP_FLAG	BIT(8)
#define INTERRUPT_FLAG	BIT(9)
#define SOME_MSR	0x1a0
#define NO_MEMORY	0x3f000000000ul
#define TSC_DEADLINE	0x6e0
#define TIMER_NEVER	0xffffffffu
#define TIMER_RATE	5
#define SOON		BIT(20)
#define MUCH_LATER	BIT(24)
#define LIMIT		BIT(36)
#define TSC_OFFSETTING	BIT(3)

/* What L2 does, and what it has found. */
static volatile uint32_t leaf, subleaf;
static volatile uint32_t found[4];
static volatile uint64_t found_msr;

static void l2_cpuid(void)
{
	uint32_t eax, ebx, ecx, edx;

	for (;;) {
		eax = leaf;
		ecx = subleaf;
		asm volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
		found[0] = eax;
		found[1] = ebx;
		found[2] = ecx;
		found[3] = edx;
		nvx_l2_vmcall();
	}
}

static void l2_cpuid_forever(void)
{
	uint32_t eax, ebx, ecx, edx;

	for (;;) {
		eax = leaf;
		ecx = 0;
		asm volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
		found[0]++;
	}
}

static void l2_rdmsr(void)
{
	for (;;) {
		found_msr = rdmsr(SOME_MSR);
		nvx_l2_vmcall();
	}
}

static void l2_hlt(void)
{
	for (;;)
		asm volatile("sti; hlt; nop");
}

/* L2 arms its APIC timer @nr_writes times, and goes on as it is told. */
static volatile uint64_t writes[2], wrote, wrote_at, nr_writes, write_msr;
static volatile enum { THEN_EXIT, THEN_SPIN, THEN_HALT, THEN_SAVE } then;

static void l2_deadline(void)
{
	unsigned int i;

	for (;;) {
		for (i = 0; i < nr_writes; i++) {
			wrote_at = rdtsc();
			wrote = writes[i] ? wrote_at + writes[i] : 0;
			wrmsr(write_msr, wrote);
		}
		if (then == THEN_SAVE)
			GUEST_SYNC(SAVE_RESTORE);
		if (then == THEN_HALT)
			asm volatile("hlt");
		/* KVM may set a restored TSC back. */
		while (then != THEN_EXIT &&
		       (int64_t)(rdtsc() - wrote_at) < (int64_t)(2 * MUCH_LATER))
			;
		nvx_l2_vmcall();
	}
}

static struct nvx_pv_cpuid *table(void)
{
	return region2;
}

static void entry(unsigned int i, uint32_t function, uint32_t index,
		  uint32_t flags, uint32_t value)
{
	table()[i] = (struct nvx_pv_cpuid) {
		.function = function, .index = index, .flags = flags,
		.eax = value, .ebx = value + 1, .ecx = value + 2, .edx = value + 3,
	};
}

static void start(void *l2)
{
	pv_features |= NVX_PV_FEAT_CPUID | NVX_PV_FEAT_RDMSR | NVX_PV_FEAT_HLT;
	begin(l2_loop);
	nvx_l1_restart(l2);
}

static void delegate_cpuid(unsigned int nent)
{
	hdr()->cpuid_gpa = region2_gpa;
	hdr()->cpuid_nent = nent;
	WRITE_ONCE(hdr()->deleg, NVX_PV_DELEG_CPUID);
}

static bool answered(uint32_t function, uint32_t index, uint32_t value)
{
	leaf = function;
	subleaf = index;
	found[0] = 0;
	return turn() && found[0] == value && found[1] == value + 1 &&
	       found[2] == value + 2 && found[3] == value + 3;
}

/* L1 gets the exit and answers something of its own. */
static bool reflected(uint32_t function, uint32_t index)
{
	leaf = function;
	subleaf = index;
	nvx_l1_enter();
	if (vmreadz(VM_EXIT_REASON) != EXIT_REASON_CPUID)
		return false;
	nvx_l1_skip_instruction();
	return turn();
}

static bool check_cpuid(void)
{
	uint64_t exits;
	int i;

	start(l2_cpuid);
	entry(0, 0, 0, 0, 0x10);
	entry(1, LEAF, 0, NVX_PV_CPUID_INDEX, 0x20);
	entry(2, LEAF, 1, NVX_PV_CPUID_INDEX, 0x30);
	entry(3, LEAF + 1, 5, 0, 0x40);
	delegate_cpuid(4);
	if (!answered(0, 7, 0x10) || !answered(LEAF, 0, 0x20) ||
	    !answered(LEAF, 1, 0x30) || !answered(LEAF + 1, 0, 0x40))
		return false;

	GUEST_SYNC(EXITS);
	exits = host_reply;
	for (i = 0; i < TURNS; i++)
		if (!answered(LEAF, 1, 0x30))
			return false;
	GUEST_SYNC(EXITS);
	/* CPUID, VMCALL, VMRESUME each, and the ucalls. */
	return host_reply - exits <= 3 * TURNS + 4;
}

static bool check_cpuid_missing(void)
{
	start(l2_cpuid);
	entry(0, LEAF, 1, NVX_PV_CPUID_INDEX, 0x20);
	delegate_cpuid(1);
	return reflected(LEAF, 0) && reflected(LEAF + 1, 1) &&
	       answered(LEAF, 1, 0x20);
}

static bool check_cpuid_excluded(void)
{
	start(l2_cpuid);
	entry(0, 7, 0, NVX_PV_CPUID_INDEX, 0x20);
	entry(1, 0x80000007, 0, 0, 0x30);
	delegate_cpuid(2);
	if (!reflected(7, 0) || !reflected(0x80000007, 0))
		return false;
	WRITE_ONCE(hdr()->deleg, NVX_PV_DELEG_CPUID | NVX_PV_DELEG_CPUID_7);
	return answered(7, 0, 0x20) && reflected(0x80000007, 0);
}

/* The table is L1's own: what it writes there is what L2 gets. */
static bool check_cpuid_changes(void)
{
	start(l2_cpuid);
	entry(0, LEAF, 0, 0, 0x20);
	delegate_cpuid(1);
	if (!answered(LEAF, 0, 0x20))
		return false;
	entry(0, LEAF, 0, 0, 0x50);
	if (!answered(LEAF, 0, 0x50))
		return false;
	hdr()->cpuid_nent = 0;
	if (!reflected(LEAF, 0))
		return false;
	hdr()->cpuid_nent = 1;
	if (!answered(LEAF, 0, 0x50))
		return false;
	WRITE_ONCE(hdr()->deleg, 0);
	return reflected(LEAF, 0);
}

static bool check_cpuid_moves(void)
{
	start(l2_cpuid);
	entry(0, LEAF, 0, 0, 0x20);
	delegate_cpuid(1);
	if (!answered(LEAF, 0, 0x20))
		return false;
	memcpy(extra, table(), sizeof(struct nvx_pv_cpuid));
	((struct nvx_pv_cpuid *)extra)->eax = 0x60;
	hdr()->cpuid_gpa = EXTRA_GPA;
	leaf = LEAF;
	if (!turn() || found[0] != 0x60)
		return false;
	GUEST_SYNC(DELETE_SLOT);
	return reflected(LEAF, 0);
}

static bool malformed(uint64_t gpa, uint32_t nent)
{
	hdr()->cpuid_gpa = gpa;
	hdr()->cpuid_nent = nent;
	return reflected(LEAF, 0);
}

static bool check_cpuid_malformed(void)
{
	start(l2_cpuid);
	entry(0, LEAF, 0, 0, 0x20);
	delegate_cpuid(1);
	return answered(LEAF, 0, 0x20) && malformed(region2_gpa, ~0u) &&
	       malformed(region2_gpa, 103) && malformed(region2_gpa, BIT(31)) &&
	       malformed(region2_gpa + 4095, 1) && malformed(region2_gpa + 1, 1) &&
	       malformed(region2_gpa + 4060, 1) && malformed(NO_MEMORY, 1) &&
	       malformed(~0ul, 1) && malformed(~0ul, ~0u) && malformed(BIT(52), 1) &&
	       (delegate_cpuid(1), answered(LEAF, 0, 0x20));
}

static bool check_cpuid_traced(void)
{
	uint64_t flags;

	start(l2_cpuid);
	entry(0, LEAF, 0, 0, 0x20);
	delegate_cpuid(1);
	flags = vmreadz(GUEST_RFLAGS);
	/* The trap after the instruction before CPUID would come first. */
	vmwrite(EXCEPTION_BITMAP, vmreadz(EXCEPTION_BITMAP) | BIT(1));
	vmwrite(GUEST_RFLAGS, flags | TRAP_FLAG);
	leaf = LEAF;
	for (;;) {
		nvx_l1_enter();
		if (vmreadz(VM_EXIT_REASON) != EXIT_REASON_EXCEPTION_NMI)
			break;
	}
	if (vmreadz(VM_EXIT_REASON) != EXIT_REASON_CPUID)
		return false;
	vmwrite(GUEST_RFLAGS, flags);
	vmwrite(GUEST_PENDING_DBG_EXCEPTIONS, 0);
	return answered(LEAF, 0, 0x20);
}

static bool check_not_asked(void)
{
	begin(l2_loop);
	nvx_l1_restart(l2_cpuid);
	entry(0, LEAF, 0, 0, 0x20);
	delegate_cpuid(1);
	return reflected(LEAF, 0);
}

/* The host clears the bit while L2 runs. */
static bool check_revoked(void)
{
	start(l2_cpuid_forever);
	entry(0, LEAF, 0, 0, 0x20);
	delegate_cpuid(1);
	leaf = LEAF;
	/* With interrupts on: an emulated CPU would not let the host in otherwise. */
	vmwrite(GUEST_RFLAGS, vmreadz(GUEST_RFLAGS) | INTERRUPT_FLAG);
	GUEST_SYNC(REVOKE);
	nvx_l1_enter();
	return vmreadz(VM_EXIT_REASON) == EXIT_REASON_CPUID && found[0] > 0 &&
	       !hdr()->deleg;
}

static bool check_rdmsr(void)
{
	start(l2_rdmsr);
	vmwrite(CPU_BASED_VM_EXEC_CONTROL, vmreadz(CPU_BASED_VM_EXEC_CONTROL) &
		~(uint64_t)CPU_BASED_USE_MSR_BITMAPS);
	hdr()->msrs[0].index = SOME_MSR + 1;
	hdr()->msrs[0].value = 1;
	hdr()->msrs[1].index = SOME_MSR;
	hdr()->msrs[1].value = GS_BASE;
	hdr()->nr_msrs = 2;
	WRITE_ONCE(hdr()->deleg, NVX_PV_DELEG_RDMSR);
	if (!turn() || found_msr != GS_BASE)
		return false;
	hdr()->nr_msrs = 1;
	nvx_l1_enter();
	if (vmreadz(VM_EXIT_REASON) != EXIT_REASON_MSR_READ)
		return false;
	hdr()->nr_msrs = ~0u;
	if (!turn() || found_msr != GS_BASE)
		return false;
	WRITE_ONCE(hdr()->deleg, 0);
	nvx_l1_enter();
	return vmreadz(VM_EXIT_REASON) == EXIT_REASON_MSR_READ;
}

static bool timer_turn(void)
{
	vmwrite(VMX_PREEMPTION_TIMER_VALUE, TIMER_VALUE);
	nvx_l1_enter();
	return vmreadz(VM_EXIT_REASON) == REASON_TIMER;
}

static bool check_hlt(void)
{
	uint64_t rip;

	start(l2_hlt);
	vmwrite(GUEST_RFLAGS, vmreadz(GUEST_RFLAGS) | INTERRUPT_FLAG);
	vmwrite(CPU_BASED_VM_EXEC_CONTROL, vmreadz(CPU_BASED_VM_EXEC_CONTROL) |
		CPU_BASED_HLT_EXITING);
	vmwrite(PIN_BASED_VM_EXEC_CONTROL, vmreadz(PIN_BASED_VM_EXEC_CONTROL) |
		PIN_TIMER);
	vmwrite(VMX_PREEMPTION_TIMER_VALUE, TIMER_VALUE);
	nvx_l1_enter();
	if (vmreadz(VM_EXIT_REASON) != REASON_HLT)
		return false;
	/* Now L0 waits, and L2 is behind HLT meanwhile. */
	rip = vmreadz(GUEST_RIP);
	WRITE_ONCE(hdr()->deleg, NVX_PV_DELEG_HLT);
	if (!timer_turn() || vmreadz(GUEST_RIP) != rip + 1 ||
	    vmreadz(GUEST_ACTIVITY_STATE) != 1)
		return false;
	/* Still halted when entered again, until L1 says otherwise. */
	if (!timer_turn() || vmreadz(GUEST_RIP) != rip + 1)
		return false;
	vmwrite(GUEST_ACTIVITY_STATE, 0);
	WRITE_ONCE(hdr()->deleg, 0);
	vmwrite(VMX_PREEMPTION_TIMER_VALUE, TIMER_VALUE);
	nvx_l1_enter();
	return vmreadz(VM_EXIT_REASON) == REASON_HLT;
}

static void set_controls(uint64_t encoding, uint64_t set, uint64_t clear)
{
	vmwrite(encoding, (vmreadz(encoding) & ~clear) | set);
}

/* Every MSR of L2 exits; its preemption timer runs, and is not to end soon. */
static void start_deadline(void)
{
	pv_features |= NVX_PV_FEAT_TSC_DEADLINE;
	start(l2_deadline);
	vmwrite(GUEST_RFLAGS, vmreadz(GUEST_RFLAGS) | INTERRUPT_FLAG);
	set_controls(CPU_BASED_VM_EXEC_CONTROL, CPU_BASED_HLT_EXITING,
		     CPU_BASED_USE_MSR_BITMAPS);
	set_controls(PIN_BASED_VM_EXEC_CONTROL, PIN_TIMER, 0);
	vmwrite(VMX_PREEMPTION_TIMER_VALUE, TIMER_NEVER);
	write_msr = TSC_DEADLINE;
	nr_writes = 0;
	then = THEN_EXIT;
	GUEST_ASSERT(turns(3));
	WRITE_ONCE(hdr()->deleg, NVX_PV_DELEG_TSC_DEADLINE);
}

/* The last of L2's writes is where L1 finds it. */
static bool recorded(void)
{
	uint64_t value = READ_ONCE(hdr()->tsc_deadline);

	WRITE_ONCE(hdr()->tsc_deadline, 0);
	return value && value == wrote;
}

/* @skew: L2's TSC less L1's. */
static bool due(uint64_t skew, uint64_t early)
{
	uint64_t now;

	nvx_l1_enter();
	now = rdtsc() + skew;
	return vmreadz(VM_EXIT_REASON) == REASON_TIMER && recorded() &&
	       now >= wrote - early && now < wrote - early + SOON / 4 &&
	       vmreadz(VMX_PREEMPTION_TIMER_VALUE) == TIMER_NEVER;
}

/* L1 gets the WRMSR, and nothing else has happened. */
static bool deadline_reflected(void)
{
	uint64_t rip;

	nvx_l1_enter();
	if (vmreadz(VM_EXIT_REASON) != EXIT_REASON_MSR_WRITE ||
	    READ_ONCE(hdr()->tsc_deadline))
		return false;
	rip = vmreadz(GUEST_RIP);
	nvx_l1_skip_instruction();
	return vmreadz(GUEST_RIP) == rip + 2 && turn();
}

static bool deadline_taken(void)
{
	return turn() && recorded();
}

static bool check_deadline(void)
{
	uint64_t exits;
	int i;

	start_deadline();
	writes[0] = MUCH_LATER;
	GUEST_SYNC(EXITS);
	exits = host_reply;
	/* The first VM-entry after user space has had the vCPU is KVM's own. */
	GUEST_ASSERT(turns(3));
	nr_writes = 1;
	for (i = 0; i < TURNS; i++)
		if (!deadline_taken())
			return false;
	GUEST_SYNC(EXITS);
	/* WRMSR, VMCALL, VMRESUME each, the first turns, ucalls, a tick of the host. */
	if (host_reply - exits > 3 * TURNS + 12)
		return false;

	nr_writes = 0;
	GUEST_ASSERT(turns(3));
	then = THEN_SPIN;
	nr_writes = 1;
	for (i = 0; i < 3; i++) {
		writes[0] = SOON << i;
		nvx_l1_restart(l2_deadline);
		if (!due(0, 0))
			return false;
	}
	return true;
}

static bool check_deadline_twice(void)
{
	start_deadline();
	then = THEN_SPIN;
	nr_writes = 2;
	writes[0] = SOON;
	writes[1] = 4 * SOON;
	if (!due(0, 0))
		return false;
	nvx_l1_restart(l2_deadline);
	writes[0] = MUCH_LATER;
	writes[1] = SOON;
	return due(0, 0);
}

static bool check_deadline_skewed(void)
{
	start_deadline();
	set_controls(CPU_BASED_VM_EXEC_CONTROL, TSC_OFFSETTING, 0);
	vmwrite(TSC_OFFSET, BIT(45));
	nvx_l1_restart(l2_deadline);
	GUEST_ASSERT(turns(3));
	then = THEN_SPIN;
	nr_writes = 1;
	writes[0] = 2 * SOON;
	if (!due(BIT(45), 0))
		return false;
	hdr()->tsc_advance = SOON;
	nvx_l1_restart(l2_deadline);
	return due(BIT(45), SOON);
}

static bool check_deadline_refused(void)
{
	start_deadline();
	nr_writes = 1;
	writes[0] = 0;
	if (!deadline_reflected())
		return false;
	writes[0] = 1;
	if (!deadline_reflected())
		return false;
	writes[0] = -BIT(30);
	if (!deadline_reflected())
		return false;
	/* One more cycle than 32 bits of the timer. */
	writes[0] = ((uint64_t)TIMER_NEVER << TIMER_RATE) + SOON;
	if (!deadline_reflected())
		return false;
	writes[0] = BIT(62);
	if (!deadline_reflected())
		return false;
	writes[0] = MUCH_LATER;
	hdr()->tsc_advance = ~0u;
	if (!deadline_reflected())
		return false;
	hdr()->tsc_advance = 0;
	write_msr = SOME_MSR;
	if (!deadline_reflected())
		return false;
	write_msr = TSC_DEADLINE;
	if (!deadline_taken())
		return false;
	WRITE_ONCE(hdr()->deleg, ~NVX_PV_DELEG_TSC_DEADLINE);
	if (!deadline_reflected())
		return false;
	WRITE_ONCE(hdr()->deleg, NVX_PV_DELEG_TSC_DEADLINE);
	if (!turns(3) || !recorded())
		return false;
	/* L1 has no timer for this L2. */
	set_controls(PIN_BASED_VM_EXEC_CONTROL, 0, PIN_TIMER);
	return deadline_reflected() && deadline_reflected();
}

static bool check_deadline_traced(void)
{
	uint64_t flags;

	start_deadline();
	nr_writes = 1;
	writes[0] = MUCH_LATER;
	flags = vmreadz(GUEST_RFLAGS);
	vmwrite(EXCEPTION_BITMAP, vmreadz(EXCEPTION_BITMAP) | BIT(1));
	vmwrite(GUEST_RFLAGS, flags | TRAP_FLAG);
	do {
		nvx_l1_enter();
	} while (vmreadz(VM_EXIT_REASON) == EXIT_REASON_EXCEPTION_NMI);
	if (vmreadz(VM_EXIT_REASON) != EXIT_REASON_MSR_WRITE ||
	    hdr()->tsc_deadline)
		return false;
	vmwrite(GUEST_RFLAGS, flags);
	vmwrite(GUEST_PENDING_DBG_EXCEPTIONS, 0);
	/* vmcs02 is made anew, by KVM's own path. */
	return deadline_reflected() && deadline_taken();
}

static bool check_deadline_not_asked(void)
{
	start(l2_deadline);
	set_controls(CPU_BASED_VM_EXEC_CONTROL, 0, CPU_BASED_USE_MSR_BITMAPS);
	set_controls(PIN_BASED_VM_EXEC_CONTROL, PIN_TIMER, 0);
	vmwrite(VMX_PREEMPTION_TIMER_VALUE, TIMER_NEVER);
	write_msr = TSC_DEADLINE;
	writes[0] = MUCH_LATER;
	GUEST_ASSERT(turns(3));
	nr_writes = 1;
	WRITE_ONCE(hdr()->deleg, NVX_PV_DELEG_TSC_DEADLINE);
	return deadline_reflected();
}

static bool halted_until_due(void)
{
	bool good = due(0, 0) && vmreadz(GUEST_ACTIVITY_STATE) == 1;

	vmwrite(GUEST_ACTIVITY_STATE, 0);
	return good;
}

static bool check_deadline_halted(void)
{
	start_deadline();
	then = THEN_HALT;
	nr_writes = 1;
	writes[0] = SOON;
	/* What L1 thought of HLT at VM-entry counts no longer. */
	WRITE_ONCE(hdr()->deleg, NVX_PV_DELEG_TSC_DEADLINE | NVX_PV_DELEG_HLT);
	nvx_l1_enter();
	if (vmreadz(VM_EXIT_REASON) != REASON_HLT || !recorded())
		return false;
	WRITE_ONCE(hdr()->deleg, NVX_PV_DELEG_TSC_DEADLINE);
	hdr()->hlt_cycles = SOON;
	nvx_l1_restart(l2_deadline);
	if (!halted_until_due())
		return false;
	/* Further away than L1 allows. */
	nr_writes = 0;
	then = THEN_EXIT;
	nvx_l1_restart(l2_deadline);
	if (!turns(3))
		return false;
	nr_writes = 1;
	then = THEN_HALT;
	writes[0] = 2 * SOON;
	nvx_l1_enter();
	return vmreadz(VM_EXIT_REASON) == REASON_HLT && recorded();
}

/* The host takes all state and recreates the vCPU while the timer runs. */
static bool check_deadline_saved(void)
{
	start_deadline();
	then = THEN_SAVE;
	nr_writes = 1;
	writes[0] = MUCH_LATER;
	nvx_l1_enter();
	return vmreadz(VM_EXIT_REASON) == REASON_TIMER && rdtsc() >= wrote &&
	       recorded();
}

static const struct pv_check checks[] = {
	{ "CPUID from L1's table", check_cpuid },
	{ "CPUID that is not in the table", check_cpuid_missing },
	{ "CPUID leaves that L1 computes", check_cpuid_excluded },
	{ "CPUID table changed, emptied, revoked", check_cpuid_changes },
	{ "CPUID table elsewhere, then gone", check_cpuid_moves },
	{ "CPUID table malformed", check_cpuid_malformed },
	{ "CPUID with the trap flag", check_cpuid_traced },
	{ "CPUID, feature not asked for", check_not_asked },
	{ "CPUID revoked while L2 runs", check_revoked },
	{ "RDMSR", check_rdmsr },
	{ "HLT", check_hlt },
	{ "TSC deadline taken, timer due in time", check_deadline },
	{ "TSC deadline changed before it is due", check_deadline_twice },
	{ "TSC deadline with an offset, and in advance", check_deadline_skewed },
	{ "TSC deadline refused", check_deadline_refused },
	{ "TSC deadline with the trap flag", check_deadline_traced },
	{ "TSC deadline, feature not asked for", check_deadline_not_asked },
	{ "TSC deadline and HLT", check_deadline_halted },
	{ "TSC deadline saved and restored", check_deadline_saved },
};

int main(int argc, char *argv[])
{
	/* "force" asks for what is not offered, and fails. */
	if (argc > 1 && !strcmp(argv[1], "force"))
		argc = 1;
	else
		TEST_REQUIRE(nvx_feature("deleg"));
	pv_run_checks(checks, ARRAY_SIZE(checks), argc, argv);
}
