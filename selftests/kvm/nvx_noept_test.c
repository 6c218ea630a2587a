// SPDX-License-Identifier: GPL-2.0-only
/*
 * An L1 that uses no EPT: it lets page faults, CR3 and INVLPG of L2 exit, and injects
 * page faults.  What L2 and L1 see must be right, and the transitions must have the
 * short form.
 */
#include "nvx_selftest.h"
#include "nvx_fast_counts.h"

#define TURNS		100
#define STEADY		3
#define ERROR_CODE	0x15u

/* Two addresses that differ in the entry of the top-level table alone. */
#define PAGE_A_GVA	0x8000000000ul
#define PAGE_B_GVA	0x10000000000ul
/* Nothing is mapped here. */
#define HOLE_GVA	0x18000000000ul
#define USER_GVA	(PAGE_A_GVA + 0x1000)

#define SECOND_EPT	BIT(1)
#define SECOND_UG	BIT(7)
#define PTE_USER	BIT(2)
#define PORT		0x3f

/* SDM table 25-17: valid, with error code, hardware exception. */
#define INFO_PF		(BIT(31) | BIT(11) | 3 << 8 | PF_VECTOR)

/* All of these are in guest memory. */
static volatile uint64_t l2_action, l2_value, l2_faults, l2_code, l2_cr2;
static uint64_t other_cr3, other_vmcs_gpa, has_smap;
static uint32_t *other_vmcs;

enum {
	NOTHING, TOUCH_HOLE, LOAD_CR3, INVALIDATE, STRING_OUT
};

static void l2_guest_code(void)
{
	uint8_t *user = (uint8_t *)USER_GVA;

	for (;;) {
		switch (l2_action) {
		case TOUCH_HOLE:
			/* 3 bytes, for the handler to skip. */
			asm volatile("movb $1, (%%rax)" : : "a"(HOLE_GVA) : "memory");
			break;
		case LOAD_CR3:
			asm volatile("mov %0, %%cr3" : : "r"(get_cr3()) : "memory");
			l2_value = *(volatile uint64_t *)PAGE_A_GVA;
			break;
		case INVALIDATE:
			asm volatile("invlpg (%0)" : : "r"(PAGE_A_GVA) : "memory");
			break;
		case STRING_OUT:
			asm volatile("outsb" : "+S"(user) : "d"(PORT) : "memory");
			break;
		}
		nvx_l2_vmcall();
	}
}

static void l2_pf_handler(struct ex_regs *regs)
{
	l2_faults++;
	l2_code = regs->error_code;
	asm volatile("mov %%cr2, %0" : "=r"(l2_cr2));
	regs->rip += 3;
}

/* Those of the L2 that runs next. */
static void swap_regs(uint64_t *regs)
{
	uint64_t i, value;

	for (i = 0; i < ARRAY_SIZE(nvx_l2_regs); i++) {
		value = nvx_l2_regs[i];
		nvx_l2_regs[i] = regs[i];
		regs[i] = value;
	}
}

static bool turn_for(uint64_t reason)
{
	nvx_l1_enter();
	return vmreadz(VM_EXIT_REASON) == reason;
}

/* To L2's VMCALL, and past it. */
static bool turn(void)
{
	bool good = turn_for(EXIT_REASON_VMCALL);

	nvx_l1_skip_instruction();
	return good;
}

static bool turns(int n)
{
	bool good = true;

	while (n--)
		good &= turn();
	return good;
}

/* Each turn of L2 begins with the action. */
static void begin(uint64_t action)
{
	l2_action = action;
}

static bool end(void)
{
	l2_action = NOTHING;
	return turns(STEADY);
}

static bool pf_exit(uint64_t address, uint64_t code)
{
	return turn_for(EXIT_REASON_EXCEPTION_NMI) &&
	       (vmreadz(VM_EXIT_INTR_INFO) & ~BIT(12)) == INFO_PF &&
	       vmreadz(VM_EXIT_INTR_ERROR_CODE) == code &&
	       vmreadz(EXIT_QUALIFICATION) == address;
}

static bool pf_injected(uint64_t n)
{
	uint64_t before = l2_faults;

	asm volatile("mov %0, %%cr2" : : "r"(HOLE_GVA + n));
	vmwrite(VM_ENTRY_EXCEPTION_ERROR_CODE, ERROR_CODE);
	vmwrite(VM_ENTRY_INTR_INFO_FIELD, INFO_PF);
	return turn() && l2_faults == before + 1 && l2_code == ERROR_CODE &&
	       l2_cr2 == HOLE_GVA + n;
}

/* L2 writes to an absent page, L1 has it told so, with values of its own. */
static bool check_faults(void)
{
	bool good = true;
	uint64_t i;

	begin(TOUCH_HOLE);
	for (i = 0; i < TURNS; i++)
		good &= pf_exit(HOLE_GVA, 2) && pf_injected(i);
	return end() && good;
}

/* Faults on absent pages are not what L1 wants. */
static bool check_bypass(void)
{
	uint64_t before = l2_faults;
	bool good;

	vmwrite(PAGE_FAULT_ERROR_CODE_MASK, 1);
	vmwrite(PAGE_FAULT_ERROR_CODE_MATCH, 1);
	begin(TOUCH_HOLE);
	good = turns(STEADY) &&
	       l2_faults == before + STEADY && l2_code == 2 && l2_cr2 == HOLE_GVA;
	vmwrite(PAGE_FAULT_ERROR_CODE_MASK, 0);
	vmwrite(PAGE_FAULT_ERROR_CODE_MATCH, 0);
	return end() && good;
}

static bool cr3_exit(uint64_t value)
{
	static const struct { uint64_t vpid, address; } operand = { 1, 0 };
	bool good = turn_for(EXIT_REASON_CR_ACCESS) &&
		    !(vmreadz(EXIT_QUALIFICATION) & 0x30) &&
		    (vmreadz(EXIT_QUALIFICATION) & 15) == 3;

	vmwrite(GUEST_CR3, value);
	/* VM-entry does not, as L2 has a VPID. */
	asm volatile("invvpid %0, %1" : : "m"(operand), "r"(1ul) : "cc", "memory");
	nvx_l1_skip_instruction();
	return turn() && good;
}

/* L1 answers MOV to CR3 with other page tables than L2 has asked for. */
static bool check_cr3(void)
{
	uint64_t exec = vmreadz(CPU_BASED_VM_EXEC_CONTROL);
	uint64_t old = vmreadz(GUEST_CR3), i;
	bool good = true;

	begin(LOAD_CR3);
	vmwrite(CPU_BASED_VM_EXEC_CONTROL, exec | CPU_BASED_CR3_LOAD_EXITING);
	for (i = 0; i < TURNS; i++)
		good &= cr3_exit(i & 1 ? old : other_cr3) && l2_value == 2 - (i & 1);
	vmwrite(CPU_BASED_VM_EXEC_CONTROL, exec);
	vmwrite(GUEST_CR3, old);
	return end() && good;
}

static bool check_invlpg(void)
{
	uint64_t exec = vmreadz(CPU_BASED_VM_EXEC_CONTROL), i;
	bool good = true;

	begin(INVALIDATE);
	vmwrite(CPU_BASED_VM_EXEC_CONTROL, exec | CPU_BASED_INVLPG_EXITING);
	for (i = 0; i < TURNS; i++) {
		good &= turn_for(EXIT_REASON_INVLPG) &&
			vmreadz(EXIT_QUALIFICATION) == PAGE_A_GVA;
		nvx_l1_skip_instruction();
		good &= turn();
	}
	vmwrite(CPU_BASED_VM_EXEC_CONTROL, exec);
	return end() && good;
}

/*
 * L0 reads and writes memory of L1 and of L2 in software.  Only L2 has SMAP: L1
 * reaches its user page, L2 does not.
 */
static bool check_modes(void)
{
	uint64_t cr4 = vmreadz(GUEST_CR4), i, rip;
	uint64_t *user = (uint64_t *)USER_GVA;
	bool good = true;

	if (!has_smap)
		return true;

	vmwrite(GUEST_CR4, cr4 | X86_CR4_SMAP);
	turns(STEADY);
	begin(STRING_OUT);
	for (i = 0; i < STEADY; i++) {
		good &= pf_exit(USER_GVA, 1);
		rip = vmreadz(GUEST_RIP);
		*user = 0;
		/* Not shadowed: L0 writes the memory operand. */
		asm volatile("vmread %1, %0" : "=m"(*user)
			     : "r"((uint64_t)HOST_RIP) : "cc");
		good &= *user == (uint64_t)nvx_exit;
		/* One byte of OUTSB. */
		vmwrite(GUEST_RIP, rip + 1);
		good &= turn();
	}
	vmwrite(GUEST_CR4, cr4);
	return end() && good;
}

/* Another VMCS with EPT, in turn with the one without. */
static bool check_both(struct vmx_pages *vmx)
{
	uint64_t i, regs[ARRAY_SIZE(nvx_l2_regs)], rsp = vmreadz(GUEST_RSP);
	bool good = true;

	memcpy(regs, nvx_l2_regs, sizeof(regs));
	*other_vmcs = rdmsr(MSR_IA32_VMX_BASIC);
	GUEST_ASSERT(!vmclear(other_vmcs_gpa));
	GUEST_ASSERT(!vmptrld(other_vmcs_gpa));
	nvx_l1_prepare_vmcs(vmx, l2_guest_code);
	vmwrite(GUEST_RSP, rsp - 256);
	for (i = 0; i < STEADY; i++) {
		good &= turns(STEADY);
		swap_regs(regs);
		GUEST_ASSERT(!vmptrld(vmx->vmcs_gpa));
		nvx_launch = 0;
		good &= turns(STEADY);
		swap_regs(regs);
		GUEST_ASSERT(!vmptrld(other_vmcs_gpa));
	}
	swap_regs(regs);
	GUEST_ASSERT(!vmptrld(vmx->vmcs_gpa));
	return turns(STEADY) && good;
}

static void l1_guest_code(struct vmx_pages *vmx)
{
	nvx_l1_init(vmx, l2_guest_code);
	vmwrite(SECONDARY_VM_EXEC_CONTROL, vmreadz(SECONDARY_VM_EXEC_CONTROL) &
					   ~(SECOND_EPT | SECOND_UG));
	vmwrite(EXCEPTION_BITMAP, vmreadz(EXCEPTION_BITMAP) | BIT(PF_VECTOR));
	vmwrite(PAGE_FAULT_ERROR_CODE_MASK, 0);
	turns(STEADY);
	GUEST_SYNC(100);
	turns(TURNS);
	GUEST_SYNC(101);
	check_faults();
	GUEST_SYNC(102);
	GUEST_SYNC(10 + check_faults());
	GUEST_SYNC(103);
	GUEST_SYNC(20 + check_cr3());
	GUEST_SYNC(104);
	GUEST_SYNC(30 + check_invlpg());
	GUEST_SYNC(40 + check_bypass());
	GUEST_SYNC(50 + check_modes());
	GUEST_SYNC(60 + check_both(vmx));
	GUEST_SYNC(105);
	GUEST_SYNC(70 + check_faults());
	GUEST_SYNC(80 + check_cr3());
	GUEST_DONE();
}

static const char * const names[] = {
	[1] = "page faults of L2 exit, and are injected",
	[2] = "MOV to CR3 exits, L1 loads another",
	[3] = "INVLPG exits",
	[4] = "page faults that L1 does not want",
	[5] = "each level has its own SMAP",
	[6] = "in turn with an L2 under EPT",
	[7] = "page faults after save and restore",
	[8] = "MOV to CR3 after save and restore",
};

static void handle_sync(struct nvx_vm *v, uint64_t stage)
{
	switch (stage) {
	case 100:
		nvx_fast_begin();
		break;
	case 101:
		nvx_fast_end("exits", "VM-entries", TURNS, 0);
		break;
	case 102:
	case 103:
	case 104:
		nvx_fast_begin();
		break;
	case 105:
		nvx_save_restore(v);
		break;
	default:
		nvx_result(stage % 10, "%s", names[stage / 10]);
	}
	if (stage / 10 == 1)
		nvx_fast_end("exits for page faults", "VM-entries with page faults",
			     2 * TURNS + STEADY, 0);
	else if (stage / 10 == 2)
		nvx_fast_end("exits for CR3", "VM-entries with other page tables",
			     2 * TURNS + STEADY, 0);
	else if (stage / 10 == 3)
		nvx_fast_end("exits for INVLPG", "VM-entries after INVLPG",
			     2 * TURNS + STEADY, 0);
}

/* Marks a page of L1 as one for user mode, in all of its tables. */
static void make_user(struct nvx_vm *v, uint64_t gva)
{
	struct kvm_sregs sregs;
	uint64_t *table;
	int level;

	vcpu_sregs_get(v->vcpu, &sregs);
	table = addr_gpa2hva(v->vm, sregs.cr3 & ~0xffful);
	for (level = 4; level; level--) {
		uint64_t *entry = &table[(gva >> (12 + 9 * (level - 1))) & 511];

		*entry |= PTE_USER;
		if (level > 1)
			table = addr_gpa2hva(v->vm, *entry & 0x000ffffffffff000ul);
	}
}

static void map_pages(struct nvx_vm *v)
{
	vm_vaddr_t gva[5];
	struct kvm_sregs sregs;
	uint64_t *top;
	int i;

	for (i = 0; i < ARRAY_SIZE(gva); i++)
		gva[i] = vm_vaddr_alloc_page(v->vm);
	virt_pg_map(v->vm, PAGE_A_GVA, addr_gva2gpa(v->vm, gva[0]));
	virt_pg_map(v->vm, PAGE_B_GVA, addr_gva2gpa(v->vm, gva[1]));
	virt_pg_map(v->vm, USER_GVA, addr_gva2gpa(v->vm, gva[2]));
	make_user(v, USER_GVA);
	*(uint64_t *)addr_gva2hva(v->vm, gva[0]) = 1;
	*(uint64_t *)addr_gva2hva(v->vm, gva[1]) = 2;

	vcpu_sregs_get(v->vcpu, &sregs);
	top = addr_gva2hva(v->vm, gva[3]);
	memcpy(top, addr_gpa2hva(v->vm, sregs.cr3 & ~0xffful), 4096);
	top[1] = top[2];
	other_cr3 = addr_gva2gpa(v->vm, gva[3]);
	other_vmcs = (uint32_t *)gva[4];
	other_vmcs_gpa = addr_gva2gpa(v->vm, gva[4]);
	has_smap = kvm_cpu_has(X86_FEATURE_SMAP);
	sync_global_to_guest(v->vm, other_cr3);
	sync_global_to_guest(v->vm, other_vmcs);
	sync_global_to_guest(v->vm, other_vmcs_gpa);
	sync_global_to_guest(v->vm, has_smap);
}

int main(int argc, char *argv[])
{
	struct nvx_vm v;
	uint64_t stage;

	TEST_REQUIRE(kvm_cpu_has(X86_FEATURE_VMX));
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_NESTED_STATE));
	TEST_REQUIRE(nvx_param("ept"));

	if (argc > 1 && !strcmp(argv[1], "pv")) {
		TEST_REQUIRE(nvx_feature("pv"));
		nvx_use_pv = 1;
	}
	setlinebuf(stdout);
	ksft_print_header();
	ksft_set_plan(ARRAY_SIZE(names) - 1 + 8);
	ksft_print_msg("parts of nvx_fast in use: %#x\n", nvx_fast_parts());

	nvx_vm_create(&v, l1_guest_code);
	vm_install_exception_handler(v.vm, PF_VECTOR, l2_pf_handler);
	map_pages(&v);
	sync_global_to_guest(v.vm, nvx_use_pv);
	while (nvx_run(&v, &stage))
		handle_sync(&v, stage);
	nvx_vm_destroy(&v);

	ksft_finished();
}
