// SPDX-License-Identifier: GPL-2.0-only
/*
 * nvx_pv_pml_test - Fields of the VMCS that L0 writes while L2 runs.
 *
 * L0 is L2's CPU: it logs L2's pages for L1 and counts the index down, takes MSRs that
 * L2 writes, posts interrupts to itself.  L1 sees all of it after the exit, whatever
 * form the exit has: in memory what VMREAD returns, and at the next VM-entry L0 goes on
 * from there.  Each check runs with a VMCS of the CPU and with one in memory.
 */
#include <string.h>

#include <linux/compiler.h>

#include "nvx_pv.h"

#define SECOND_VMFUNC		BIT(13)
#define SECOND_PML		BIT(17)
#define SECOND_X2APIC		BIT(4)
#define SECOND_VID		BIT(9)
#define PIN_EXTINT		BIT(0)
#define PIN_TIMER		BIT(6)
#define PRIMARY_TPR_SHADOW	BIT(21)
#define PRIMARY_MSR_BITMAPS	BIT(28)
#define EXIT_SAVE_DEBUG		BIT(2)
#define VM_FUNCTION_CONTROL	0x2018
#define EPTP_LIST_ADDRESS	0x2024
#define INSTRUCTION_ERROR	0x4400
#define EXIT_ACK_INTERRUPT	BIT(15)
#define EXIT_SAVE_PAT		BIT(18)
#define EXIT_SAVE_EFER		BIT(20)
#define EXIT_SAVE_TIMER		BIT(22)
#define VMFUNC_EPTP_SWITCHING	BIT(0)
#define REASON_PML_FULL		62
#define PML_ENTRIES		512
#define X2APIC_SELF_IPI		0x83f
#define VECTOR			0x51
#define SYSENTER_EIP		0xfeed000ul
#define PAT_OF_L2		0x0007040600070406ul
#define WARM			4

/* In guest memory, written by the host. */
static uint64_t wanted, pml_gpa, eptp_list_gpa, apic_gpa;
static uint64_t *pml, *eptp_list;

/* Written by L1. */
static struct vmx_pages *vmx;
static uint64_t l2_first, l2_pages;
static int (*l2_step)(void);

/* What L1 tells the host, with an encoding in the upper half of UNTRUE. */
enum { FAILED, PASSED, ABSENT, UNTRUE };
static uint64_t verdict;

/* L2 does its step before each VMCALL. */
static void l2_steps(void)
{
	for (;;) {
		if (l2_step)
			l2_step();
		nvx_l2_vmcall();
	}
}

static uint64_t real_vmread(uint64_t encoding)
{
	uint64_t value = 0;

	return vmread(encoding, &value) ? ~0ul : value;
}

/*
 * The region is what VMREAD returns, field by field, but for the groups that L1 has
 * written since.  A VMREAD completes the lazy groups: they are not looked at.
 */
static bool region_is_true(void)
{
	uint64_t seen[256], value;
	uint32_t valid;
	unsigned int i;

	if (!pv_region)
		return true;
	GUEST_ASSERT(nr_pv_fields <= ARRAY_SIZE(seen));
	valid = pv_hdr(pv_region)->valid & ~pv_hdr(pv_region)->dirty;
	for (i = 0; i < nr_pv_fields; i++)
		seen[i] = pv_get(pv_region, &pv_fields[i]);
	for (i = 0; i < nr_pv_fields; i++) {
		const struct pv_field *f = &pv_fields[i];

		/* A VMREAD of a field that this CPU lacks is an error itself. */
		if (!(valid & f->group) || f->encoding == INSTRUCTION_ERROR ||
		    vmread(f->encoding, &value) || seen[i] == value)
			continue;
		verdict = f->encoding << 16 | UNTRUE;
		return false;
	}
	return true;
}

/* Run L2 to its VMCALL. */
static bool turn(void)
{
	nvx_l1_enter();
	if (vmreadz(VM_EXIT_REASON) != EXIT_REASON_VMCALL)
		return false;
	nvx_l1_skip_instruction();
	return true;
}

static bool turns(int n)
{
	while (n--)
		if (!turn())
			return false;
	return true;
}

/* Have L2 do something, and look at the outcome before L1 writes anything. */
static bool step(int (*what)(void))
{
	l2_step = what;
	nvx_l1_enter();
	l2_step = NULL;
	if (vmreadz(VM_EXIT_REASON) != EXIT_REASON_VMCALL || !region_is_true())
		return false;
	nvx_l1_skip_instruction();
	return true;
}

/* Add controls; false: this CPU has not got them all. */
static bool add(uint64_t field, uint32_t msr, uint64_t bits)
{
	if ((rdmsr(msr) >> 32 & bits) != bits) {
		verdict = ABSENT;
		return false;
	}
	vmwrite(field, vmreadz(field) | bits);
	return true;
}

#define add_pin(bits)	add(PIN_BASED_VM_EXEC_CONTROL, MSR_IA32_VMX_TRUE_PINBASED_CTLS, bits)
#define add_first(bits)	add(CPU_BASED_VM_EXEC_CONTROL, MSR_IA32_VMX_TRUE_PROCBASED_CTLS, bits)
#define add_second(bits) add(SECONDARY_VM_EXEC_CONTROL, MSR_IA32_VMX_PROCBASED_CTLS2, bits)
#define add_exit(bits)	add(VM_EXIT_CONTROLS, MSR_IA32_VMX_TRUE_EXIT_CTLS, bits)

static bool begin(void)
{
	nvx_l1_init(vmx, l2_steps);
	/* L2 accesses its MSRs without an exit to L1. */
	add_first(PRIMARY_MSR_BITMAPS);
	vmwrite(MSR_BITMAP, vmx->msr_gpa);
	return turns(WARM);
}

/* --- the page-modification log ------------------------------------------- */

static int write_pages(void)
{
	uint64_t i;

	for (i = 0; i < l2_pages; i++)
		*nvx_window_gva(l2_first + i) = i + 1;
	return 0;
}

static bool l2_writes(uint64_t first, uint64_t pages)
{
	l2_first = first;
	l2_pages = pages;
	return step(write_pages);
}

static bool index_is(uint16_t index)
{
	return (!pv_region || pv_get(pv_region, pv_find(GUEST_PML_INDEX)) == index) &&
	       real_vmread(GUEST_PML_INDEX) == index;
}

static bool begin_pml(uint64_t pages, uint16_t index)
{
	uint64_t i;

	if (!begin() || !add_second(SECOND_PML))
		return false;
	for (i = 0; i < pages; i++)
		*nvx_window_pte(i) = nvx_window_gpa(i) | EPT_WB | EPT_RWX | EPT_A;
	vmwrite(PML_ADDRESS, pml_gpa);
	vmwrite(GUEST_PML_INDEX, index);
	return turns(WARM) && index_is(index);
}

static bool logged(uint16_t index, uint64_t page)
{
	return pml[index] == nvx_window_gpa(page) && *nvx_window_pte(page) & EPT_D;
}

static bool check_pml_index(void)
{
	uint64_t i;

	if (!begin_pml(5, PML_ENTRIES - 1))
		return false;
	if (!l2_writes(0, 3) || !index_is(PML_ENTRIES - 4))
		return false;
	/* The group of the index, with another field than the index. */
	vmwrite(VMX_PREEMPTION_TIMER_VALUE, vmreadz(VMX_PREEMPTION_TIMER_VALUE));
	if (!l2_writes(3, 2) || !index_is(PML_ENTRIES - 6))
		return false;
	for (i = 0; i < 5; i++)
		if (!logged(PML_ENTRIES - 1 - i, i))
			return false;
	return region_is_true();
}

/* L1 empties the log, as KVM does. */
static bool check_pml_flush(void)
{
	int round;

	if (!begin_pml(12, PML_ENTRIES - 1))
		return false;
	for (round = 0; round < 4; round++) {
		if (!l2_writes(round * 3, 3) || !index_is(PML_ENTRIES - 4) ||
		    !logged(PML_ENTRIES - 1, round * 3) ||
		    !logged(PML_ENTRIES - 3, round * 3 + 2))
			return false;
		vmwrite(GUEST_PML_INDEX, PML_ENTRIES - 1);
	}
	return turns(WARM) && index_is(PML_ENTRIES - 1) && region_is_true();
}

/* Two entries are left, L2 writes three pages. */
static bool check_pml_full(void)
{
	if (!begin_pml(3, 1))
		return false;
	l2_first = 0;
	l2_pages = 3;
	l2_step = write_pages;
	nvx_l1_enter();
	l2_step = NULL;
	if (vmreadz(VM_EXIT_REASON) != REASON_PML_FULL || !index_is(0xffff) ||
	    !logged(1, 0) || !logged(0, 1) || !region_is_true())
		return false;
	vmwrite(GUEST_PML_INDEX, PML_ENTRIES - 1);
	return turn() && index_is(PML_ENTRIES - 2) && logged(PML_ENTRIES - 1, 2) &&
	       region_is_true();
}

/* --- registers that L2 writes and L0 keeps for it -------------------------- */

static int write_sysenter(void)
{
	wrmsr(MSR_IA32_SYSENTER_EIP, SYSENTER_EIP);
	wrmsr(MSR_IA32_SYSENTER_ESP, SYSENTER_EIP + 8);
	wrmsr(MSR_IA32_SYSENTER_CS, 0x10);
	return 0;
}

static bool check_sysenter(void)
{
	return begin() && step(write_sysenter) &&
	       vmreadz(GUEST_SYSENTER_EIP) == SYSENTER_EIP &&
	       vmreadz(GUEST_SYSENTER_ESP) == SYSENTER_EIP + 8 &&
	       vmreadz(GUEST_SYSENTER_CS) == 0x10 && turns(WARM) &&
	       region_is_true() && vmreadz(GUEST_SYSENTER_EIP) == SYSENTER_EIP;
}

static int write_pat(void)
{
	wrmsr(MSR_IA32_CR_PAT, PAT_OF_L2);
	return 0;
}

static bool check_pat(void)
{
	return begin() && add_exit(EXIT_SAVE_PAT) && turns(WARM) &&
	       step(write_pat) &&
	       vmreadz(GUEST_IA32_PAT) == PAT_OF_L2;
}

static int write_efer(void)
{
	wrmsr(MSR_EFER, rdmsr(MSR_EFER) ^ EFER_SCE);
	return 0;
}

static bool check_efer(void)
{
	uint64_t before;

	if (!begin() || !add_exit(EXIT_SAVE_EFER) || !turns(WARM))
		return false;
	before = vmreadz(GUEST_IA32_EFER);
	return step(write_efer) &&
	       vmreadz(GUEST_IA32_EFER) == (before ^ EFER_SCE);
}

static int write_crs(void)
{
	uint64_t value;

	asm volatile("mov %%cr0, %0; xor $8, %0; mov %0, %%cr0" : "=&r"(value));
	asm volatile("mov %%cr4, %0; xor $4, %0; mov %0, %%cr4" : "=&r"(value));
	asm volatile("mov %%cr3, %0; mov %0, %%cr3" : "=&r"(value) : : "memory");
	return 0;
}

static bool check_crs(void)
{
	uint64_t cr0, cr4;

	if (!begin())
		return false;
	cr0 = vmreadz(GUEST_CR0);
	cr4 = vmreadz(GUEST_CR4);
	return step(write_crs) &&
	       vmreadz(GUEST_CR0) == (cr0 ^ 8) && vmreadz(GUEST_CR4) == (cr4 ^ 4) &&
	       turns(WARM) && region_is_true();
}

static int write_dr7(void)
{
	asm volatile("mov %0, %%dr7" : : "r"(0x403ul));
	return 0;
}

static bool check_dr7(void)
{
	return begin() && add_exit(EXIT_SAVE_DEBUG) && turns(WARM) &&
	       step(write_dr7) && vmreadz(GUEST_DR7) == 0x403;
}

/* --- what the CPU, which L0 is, counts and switches ------------------------ */

static bool check_timer(void)
{
	uint64_t before = BIT(31), after;

	if (!begin() || !add_pin(PIN_TIMER) || !add_exit(EXIT_SAVE_TIMER))
		return false;
	vmwrite(VMX_PREEMPTION_TIMER_VALUE, before);
	if (!turns(WARM) || !region_is_true())
		return false;
	after = vmreadz(VMX_PREEMPTION_TIMER_VALUE);
	return after < before && after > before / 2;
}

static int switch_eptp(void)
{
	/* VMFUNC 0, entry 1 of the list. */
	asm volatile(".byte 0x0f, 0x01, 0xd4" : : "a"(0), "c"(1) : "memory");
	return 0;
}

static bool check_eptp(void)
{
	uint64_t eptp;

	if (!begin() || !add_second(SECOND_VMFUNC))
		return false;
	eptp = vmreadz(EPT_POINTER);
	eptp_list[0] = eptp;
	eptp_list[1] = eptp ^ BIT(6);	/* without accessed and dirty bits */
	vmwrite(VM_FUNCTION_CONTROL, VMFUNC_EPTP_SWITCHING);
	vmwrite(EPTP_LIST_ADDRESS, eptp_list_gpa);
	return turns(WARM) && step(switch_eptp) &&
	       vmreadz(EPT_POINTER) == (eptp ^ BIT(6)) && turns(WARM) &&
	       region_is_true() && vmreadz(EPT_POINTER) == (eptp ^ BIT(6));
}

static int self_ipi(void)
{
	wrmsr(X2APIC_SELF_IPI, VECTOR);
	return 0;
}

static bool check_rvi(void)
{
	if (!begin() || !add_second(SECOND_X2APIC | SECOND_VID) ||
	    !add_first(PRIMARY_TPR_SHADOW) || !add_pin(PIN_EXTINT) ||
	    !add_exit(EXIT_ACK_INTERRUPT))
		return false;
	vmwrite(VIRTUAL_APIC_PAGE_ADDR, apic_gpa);
	vmwrite(GUEST_INTR_STATUS, 0);
	return turns(WARM) && step(self_ipi) &&
	       vmreadz(GUEST_INTR_STATUS) == VECTOR && turns(WARM) &&
	       region_is_true() && vmreadz(GUEST_INTR_STATUS) == VECTOR;
}

static const struct {
	const char *name;
	bool (*run)(void);
} checks[] = {
	{ "PML index counts down", check_pml_index },
	{ "L1 empties the log", check_pml_flush },
	{ "the log is full", check_pml_full },
	{ "SYSENTER MSRs", check_sysenter },
	{ "PAT", check_pat },
	{ "EFER", check_efer },
	{ "CR0, CR3, CR4", check_crs },
	{ "DR7", check_dr7 },
	{ "preemption timer", check_timer },
	{ "EPTP", check_eptp },
	{ "RVI", check_rvi },
};

static void l1_guest_code(struct vmx_pages *pages)
{
	vmx = pages;
	verdict = FAILED;
	if (checks[wanted].run())
		verdict = PASSED;
	GUEST_SYNC(verdict);
	GUEST_DONE();
}

/* A page for L1: its addresses go to pointers in guest memory. */
static void give_page(struct kvm_vm *vm, void *gva, void *gpa)
{
	vm_vaddr_t page = vm_vaddr_alloc_page(vm);
	uint64_t address = addr_gva2gpa(vm, page);

	memset(addr_gpa2hva(vm, address), 0, getpagesize());
	if (gva)
		memcpy(addr_gva2hva(vm, (vm_vaddr_t)gva), &page, sizeof(page));
	memcpy(addr_gva2hva(vm, (vm_vaddr_t)gpa), &address, sizeof(address));
}

static void report(unsigned int index, bool in_memory, uint64_t stage, uint64_t shorts)
{
	const char *form = in_memory ? "VMCS in memory" : "VMCS of the CPU";
	const char *name = checks[index].name;

	if (stage == ABSENT) {
		ksft_test_result_skip("%s, %s: this CPU has no such controls\n", name, form);
		return;
	}
	if ((stage & 0xffff) == UNTRUE)
		ksft_print_msg("%s in memory is not what VMREAD returns\n",
			       pv_find(stage >> 16)->name);
	nvx_result(stage == PASSED, "%s, %s (%lu exits in the short form)", name, form,
		   shorts);
}

static void run_check(unsigned int index, bool in_memory)
{
	uint64_t stage = FAILED, before;
	struct nvx_vm v;

	wanted = index;
	nvx_use_pv = in_memory;
	nvx_vm_create(&v, l1_guest_code);
	sync_global_to_guest(v.vm, wanted);
	sync_global_to_guest(v.vm, nvx_use_pv);
	give_page(v.vm, &pml, &pml_gpa);
	give_page(v.vm, &eptp_list, &eptp_list_gpa);
	give_page(v.vm, NULL, &apic_gpa);
	before = nvx_counter("fast_exit");
	while (nvx_run(&v, &stage))
		;
	report(index, in_memory, stage, nvx_counter("fast_exit") - before);
	nvx_vm_destroy(&v);
}

int main(int argc, char *argv[])
{
	unsigned int i, forms;

	TEST_REQUIRE(kvm_cpu_has(X86_FEATURE_VMX));
	TEST_REQUIRE(nvx_param("ept"));
	TEST_REQUIRE(nvx_param("unrestricted_guest"));

	setlinebuf(stdout);
	ksft_print_header();
	forms = nvx_feature("pv") ? 2 : 1;
	ksft_set_plan(forms * ARRAY_SIZE(checks));
	for (i = 0; i < forms * ARRAY_SIZE(checks); i++)
		run_check(i / forms, i % forms);
	ksft_finished();
}
