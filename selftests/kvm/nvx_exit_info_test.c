// SPDX-License-Identifier: GPL-2.0-only
/*
 * nvx_exit_info_test - what an exit tells L1 about L2: the TSC in the MSR-store list is
 * L1's, whatever L2 sees, and an EPT violation on a walk of L2's page tables counts as
 * read and write where EPT has accessed and dirty flags.  And what an exception tells its
 * handler: a fault at a handler's first instruction comes from there.
 */
#include "nvx_selftest.h"

#define MSR_TSC			0x10
#define MSR_EPT_VPID_CAP	0x48c
#define CAP_AD			BIT(21)
#define EPTP_AD			BIT(6)
#define USE_TSC_OFFSET		BIT(3)
#define L2_TSC_OFFSET		BIT(50)
#define ACCESS_READ		BIT(0)
#define ACCESS_WRITE		BIT(1)
#define LINEAR_VALID		BIT(7)
#define LINEAR_TRANSLATED	BIT(8)

/* Its page directory pointers are in the window, of which EPT12 maps nothing. */
#define WALK_SLOT		5ul
#define WALK_GVA		(WALK_SLOT << 39)
#define WALK_PAGE		3

/* In guest memory. */
static struct {
	uint32_t index, reserved;
	uint64_t value;
} store[1] __aligned(16);

static uint64_t store_gpa, has_ad, l2_action, l2_tsc, fault_rip;

/* Handler of the divide error: its first instruction reads where no address is. */
void divide_entry(void);
void divide_resume(void);
asm(".pushsection .text\n"
	"divide_entry:\n\t"
	"movb (%rcx), %al\n"
	"divide_resume:\n\t"
	"addq $2, (%rsp)\n\t"	/* behind the DIV */
	"iretq\n"
	".popsection");

static void gp_handler(struct ex_regs *regs)
{
	fault_rip = regs->rip;
	regs->rip = (uint64_t)divide_resume;
}

static void l2_guest_code(void)
{
	for (;;) {
		l2_tsc = rdtsc();
		nvx_l2_vmcall();
		if (l2_action)
			*(volatile uint64_t *)WALK_GVA;
	}
}

/* L2's TSC is far from L1's. */
static void check_store(void)
{
	uint64_t before, after;

	store[0].index = MSR_TSC;
	vmwrite(CPU_BASED_VM_EXEC_CONTROL, vmreadz(CPU_BASED_VM_EXEC_CONTROL) | USE_TSC_OFFSET);
	vmwrite(TSC_OFFSET, L2_TSC_OFFSET);
	vmwrite(VM_EXIT_MSR_STORE_ADDR, store_gpa);
	vmwrite(VM_EXIT_MSR_STORE_COUNT, 1);
	before = rdtsc();
	nvx_l1_enter();
	after = rdtsc();
	GUEST_ASSERT(vmreadz(VM_EXIT_REASON) == EXIT_REASON_VMCALL);
	GUEST_SYNC(l2_tsc >= before + L2_TSC_OFFSET && l2_tsc <= after + L2_TSC_OFFSET);
	GUEST_SYNC(store[0].value >= before && store[0].value <= after);
	vmwrite(VM_EXIT_MSR_STORE_COUNT, 0);
	nvx_l1_skip_instruction();
}

/* Qualification of the violation when L2 walks to WALK_GVA. */
static uint64_t walk(uint64_t flag)
{
	vmwrite(EPT_POINTER, (vmreadz(EPT_POINTER) & ~EPTP_AD) | flag);
	nvx_invept(1);
	l2_action = 1;
	nvx_l1_enter();
	if (vmreadz(VM_EXIT_REASON) != EXIT_REASON_EPT_VIOLATION ||
	    vmreadz(GUEST_PHYSICAL_ADDRESS) != nvx_window_gpa(WALK_PAGE))
		return ~0ul;
	return vmreadz(EXIT_QUALIFICATION) &
	       (ACCESS_READ | ACCESS_WRITE | LINEAR_VALID | LINEAR_TRANSLATED);
}

static bool fault_is_the_handlers(void)
{
	uint64_t handler = (uint64_t)divide_entry;
	uint16_t *gate = (uint16_t *)get_idt().address;

	gate[0] = handler;
	gate[3] = handler >> 16;
	gate[4] = handler >> 32;
	gate[5] = handler >> 48;
	/* RCX is not canonical, ECX is 0. */
	asm volatile("div %%ecx" : : "c" (BIT(63)) : "rax", "rdx", "memory");
	return fault_rip == handler;
}

static void l1_guest_code(struct vmx_pages *vmx)
{
	GUEST_SYNC(fault_is_the_handlers());
	nvx_l1_init(vmx, l2_guest_code);
	has_ad = rdmsr(MSR_EPT_VPID_CAP) & CAP_AD;
	check_store();
	GUEST_SYNC(walk(0) == (ACCESS_READ | LINEAR_VALID));
	GUEST_SYNC(!has_ad || walk(EPTP_AD) == (ACCESS_READ | ACCESS_WRITE | LINEAR_VALID));
	GUEST_DONE();
}

int main(void)
{
	static const char * const facts[] = {
		"a fault at a handler's first instruction comes from there",
		"L2's TSC has L1's offset",
		"the TSC of the MSR-store list is L1's",
		"a violation on a walk is a read without A/D flags",
		"a violation on a walk is read and write with A/D flags",
	};
	struct nvx_vm v;
	uint64_t good, *pml4;
	int i;

	TEST_REQUIRE(kvm_cpu_has(X86_FEATURE_VMX));
	TEST_REQUIRE(nvx_param("ept"));

	ksft_print_header();
	ksft_set_plan(ARRAY_SIZE(facts));
	nvx_vm_create(&v, l1_guest_code);
	vm_install_exception_handler(v.vm, GP_VECTOR, gp_handler);
	store_gpa = addr_gva2gpa(v.vm, (vm_vaddr_t)store);
	sync_global_to_guest(v.vm, store_gpa);
	pml4 = addr_gpa2hva(v.vm, v.vm->pgd);
	pml4[WALK_SLOT] = nvx_window_gpa(WALK_PAGE) | 7;
	for (i = 0; i < ARRAY_SIZE(facts); i++) {
		TEST_ASSERT(nvx_run(&v, &good), "the guest ends before '%s'", facts[i]);
		if (!good && nvx_old_emulator())
			ksft_test_result_skip("%s: not in the distribution's emulator\n", facts[i]);
		else
			nvx_result(good, "%s", facts[i]);
	}
	nvx_vm_destroy(&v);
	ksft_finished();
}
