// SPDX-License-Identifier: GPL-2.0-only
/*
 * nvx_exits_test - How many exits to L0 does an operation of L2 cost, exactly?
 *
 * L1 runs each operation n times between two points at which the host reads the
 * vCPU's exits; the price is the slope between two values of n.  What stock KVM
 * takes is in the table, and what each feature of nvx spares.  The test reads
 * which features are in effect, so it asserts stock's numbers on stock.
 *
 * The L1 here is no Linux: an L2 exit costs it two exits (the exit itself and
 * VMRESUME) and no RDMSR of DEBUGCTL, unless the row says so.
 */
#include <string.h>

#include "nvx_selftest.h"

#define FEW	10
#define MANY	60
#define ROUNDS	3
#define HOLE_GVA	0xdead000ul
#define UNUSED_MSR	0x10d	/* reflected: L1 uses no MSR bitmap */

enum feature { DEBUGCTL, SHADOW_HOST, PREFAULT, NR_FEATURES };

static const char * const feature_names[NR_FEATURES] = {
	[DEBUGCTL] = "debugctl",
	[SHADOW_HOST] = "shadow_host",
	[PREFAULT] = "prefault",
};

/* Set by the host for each run; guest memory. */
static uint64_t cur_row, cur_n;

/* Of L1 and L2. */
static uint64_t l2_page, l2_faults;

static void l2_cpuid(void)
{
	for (;;)
		asm volatile("cpuid" : : "a"(0), "c"(0) : "rbx", "rdx");
}

static void l2_rdmsr(void)
{
	for (;;)
		asm volatile("rdmsr" : : "c"(UNUSED_MSR) : "rax", "rdx");
}

static void l2_out(void)
{
	for (;;)
		asm volatile("outb %%al, $0x80" : : "a"(0));
}

static void l2_touch(void)
{
	for (;;)
		*nvx_window_gva(l2_page++) = 1;
}

static void l2_call_and_touch(void)
{
	for (;;) {
		nvx_l2_vmcall();
		*nvx_window_gva(0) = 1;
	}
}

static void l2_fault(void)
{
	uint64_t i;

	for (i = 0; i < cur_n; i++)
		asm volatile("lea 1f(%%rip), %%r15\n\t"
			     "mov (%0), %%rax\n\t"
			     "1:"
			     : : "r"(HOLE_GVA) : "rax", "r15", "memory");
	for (;;)
		nvx_l2_vmcall();
}

static void l2_pf_handler(struct ex_regs *regs)
{
	l2_faults++;
	regs->rip = regs->r15;
}

static void l1_nothing(void)
{
}

static void l1_read_debugctl(void)
{
	rdmsr(MSR_IA32_DEBUGCTLMSR);
}

static void l1_write_host_rsp(void)
{
	vmwrite(HOST_RSP, NVX_HOST_RSP);
}

static void l1_write_host_cr3(void)
{
	vmwrite(HOST_CR3, get_cr3());
}

static void l1_write_host_cr4(void)
{
	vmwrite(HOST_CR4, get_cr4());
}

static void l1_fill_page(void)
{
	uint64_t gpa = vmreadz(GUEST_PHYSICAL_ADDRESS);

	*nvx_window_pte((gpa - WINDOW_GPA) >> 12) =
		(gpa & ~4095ul) | EPT_RWX | EPT_WB | EPT_A | EPT_D;
}

static void l1_take_page_back(void)
{
	*nvx_window_pte(0) = 0;
	nvx_invept(1);
	nvx_l1_enter();
	GUEST_ASSERT_EQ(vmreadz(VM_EXIT_REASON), EXIT_REASON_EPT_VIOLATION);
	l1_fill_page();
}

/*
 * @stock: exits on stock; @saves: what each feature takes off.  @once: L2 works
 * through all n by itself.
 */
static const struct row {
	const char *name;
	void (*l2)(void);
	uint32_t reason;
	void (*l1)(void);
	int stock, saves[NR_FEATURES];
	bool skip_instruction, once;
} rows[] = {
	{ "CPUID", l2_cpuid, EXIT_REASON_CPUID, l1_nothing, 2,
	  .skip_instruction = true },
	{ "VMCALL", nvx_l2_vmcalls, EXIT_REASON_VMCALL, l1_nothing, 2,
	  .skip_instruction = true },
	{ "reflected RDMSR", l2_rdmsr, EXIT_REASON_MSR_READ, l1_nothing, 2,
	  .skip_instruction = true },
	{ "port I/O", l2_out, EXIT_REASON_IO_INSTRUCTION, l1_nothing, 2,
	  .skip_instruction = true },
	{ "CPUID, L1 reads DEBUGCTL", l2_cpuid, EXIT_REASON_CPUID,
	  l1_read_debugctl, 3, { [DEBUGCTL] = 1 }, .skip_instruction = true },
	{ "CPUID, L1 writes HOST_RSP", l2_cpuid, EXIT_REASON_CPUID,
	  l1_write_host_rsp, 3, { [SHADOW_HOST] = 1 }, .skip_instruction = true },
	{ "CPUID, L1 writes HOST_CR3", l2_cpuid, EXIT_REASON_CPUID,
	  l1_write_host_cr3, 3, { [SHADOW_HOST] = 1 }, .skip_instruction = true },
	/* Not shadowed: exits either way, but costs L0 less with nvx. */
	{ "CPUID, L1 writes HOST_CR4", l2_cpuid, EXIT_REASON_CPUID,
	  l1_write_host_cr4, 3, .skip_instruction = true },
	/* Violation, VMRESUME, and on stock the violation again. */
	{ "first touch of a page", l2_touch, EXIT_REASON_EPT_VIOLATION,
	  l1_fill_page, 3, { [PREFAULT] = 1 } },
	/*
	 * VMCALL; L1's write to a page table that L0 shadows; INVEPT; VMRESUME;
	 * violation; L1's write again, the INVEPT made L0 shadow the table
	 * anew; VMRESUME; on stock the violation again.
	 */
	{ "page taken back, INVEPT, touch", l2_call_and_touch, EXIT_REASON_VMCALL,
	  l1_take_page_back, 8, { [PREFAULT] = 1 }, .skip_instruction = true },
	{ "guest #PF", l2_fault, EXIT_REASON_VMCALL, l1_nothing, 0, .once = true },
};

static void l1_warm_up(const struct row *row)
{
	unsigned int i;

	for (i = 0; i < WINDOW_PAGES; i++)
		*nvx_window_pte(i) = 0;
	nvx_invept(1);
	l2_page = 0;
	nvx_l1_restart(row->l2);
	/* Twice: the first write of L1 to a shadowed page table is dearer. */
	for (i = 0; i < 2; i++) {
		nvx_l1_enter();
		GUEST_ASSERT_EQ(vmreadz(VM_EXIT_REASON), row->reason);
		if (row->skip_instruction)
			nvx_l1_skip_instruction();
		row->l1();
	}
}

static void l1_run_row(const struct row *row)
{
	uint64_t i, n = row->once ? 1 : cur_n;

	if (!row->once)
		l1_warm_up(row);
	else
		nvx_l1_restart(row->l2);

	GUEST_SYNC(1);
	for (i = 0; i < n; i++) {
		nvx_l1_enter();
		GUEST_ASSERT_EQ(vmreadz(VM_EXIT_REASON), row->reason);
		if (row->skip_instruction)
			nvx_l1_skip_instruction();
		row->l1();
	}
	GUEST_SYNC(2);
}

static void l1_guest_code(struct vmx_pages *vmx)
{
	nvx_l1_init(vmx, l2_cpuid);
	/* CPUID, MSRs by L1, I/O ports: the default controls, plus ports. */
	vmwrite(CPU_BASED_VM_EXEC_CONTROL, vmreadz(CPU_BASED_VM_EXEC_CONTROL) |
		CPU_BASED_UNCOND_IO_EXITING);
	nvx_l1_enter();

	for (;;)
		l1_run_row(&rows[cur_row]);
}

static uint64_t measure(struct nvx_vm *v, uint64_t row, uint64_t n)
{
	uint64_t stage, before;

	cur_row = row;
	cur_n = n;
	sync_global_to_guest(v->vm, cur_row);
	sync_global_to_guest(v->vm, cur_n);

	TEST_ASSERT(nvx_run(v, &stage) && stage == 1, "L1 did not start");
	before = nvx_exits(v->vcpu);
	TEST_ASSERT(nvx_run(v, &stage) && stage == 2, "L1 did not finish");
	return nvx_exits(v->vcpu) - before;
}

static void check_row(struct nvx_vm *v, uint64_t i)
{
	const struct row *row = &rows[i];
	int round, f, expected = row->stock;
	uint64_t few = -1ul, many = -1ul, exits;

	for (f = 0; f < NR_FEATURES; f++)
		if (nvx_feature(feature_names[f]))
			expected -= row->saves[f];

	/* The least of a few rounds: a host that is busy only adds exits. */
	for (round = 0; round < ROUNDS; round++) {
		exits = measure(v, i, FEW);
		few = exits < few ? exits : few;
		exits = measure(v, i, MANY);
		many = exits < many ? exits : many;
	}

	nvx_result(many - few == (uint64_t)expected * (MANY - FEW),
		   "%s: %lu exits in %u operations, expected %d each", row->name,
		   many - few, MANY - FEW, expected);
}

int main(void)
{
	struct nvx_vm v;
	uint64_t i;

	TEST_REQUIRE(kvm_cpu_has(X86_FEATURE_VMX));
	TEST_REQUIRE(nvx_param("ept"));
	/* Without a shadow VMCS every VMREAD of L1 is an exit. */
	TEST_REQUIRE(nvx_param("enable_shadow_vmcs"));

	ksft_print_header();
	ksft_set_plan(ARRAY_SIZE(rows));

	nvx_vm_create(&v, l1_guest_code);
	vm_install_exception_handler(v.vm, PF_VECTOR, l2_pf_handler);
	for (i = 0; i < ARRAY_SIZE(rows); i++)
		check_row(&v, i);
	sync_global_from_guest(v.vm, l2_faults);
	TEST_ASSERT(l2_faults == ROUNDS * (FEW + MANY), "%lu page faults in L2",
		    l2_faults);
	nvx_vm_destroy(&v);

	ksft_finished();
}
