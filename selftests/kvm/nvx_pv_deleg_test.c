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
};

int main(int argc, char *argv[])
{
	/* "force" asks for what is not offered, and fails. */
	if (argc > 1 && !strcmp(argv[1], "force"))
		argc = 1;
	else
		TEST_REQUIRE(nvx_param("nvx_deleg"));
	pv_run_checks(checks, ARRAY_SIZE(checks), argc, argv);
}
