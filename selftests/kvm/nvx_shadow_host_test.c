// SPDX-License-Identifier: GPL-2.0-only
/*
 * nvx_shadow_host_test - Host state that L1 writes takes effect, always.
 *
 * nvx keeps writes of host state out of the rebuild of vmcs02 and lets two fields
 * go to the shadow VMCS.  Whatever L1 writes must still be what it finds after
 * the next exit, what VMREAD returns, and what the VM-entry checks.  Stock KVM
 * and nvx must agree on every row.
 */
#include "nvx_selftest.h"

#define NON_CANONICAL	0x8000000000000000ul
#define NVX_RSP_2	0x5550ul
#define VM_ENTRY_BAD_HOST	8	/* VM-instruction error of the SDM */

/* Second VMCS of L1, and a copy of its CR3 with another PCID-free value. */
static uint64_t vmcs2_gpa, other_cr3;

static void l2_guest_code(void)
{
	for (;;)
		nvx_l2_vmcall();
}

static void round_trip(void)
{
	nvx_l1_enter();
	GUEST_ASSERT_EQ(vmreadz(VM_EXIT_REASON), EXIT_REASON_VMCALL);
	nvx_l1_skip_instruction();
}

/* Each check returns true if all was as written. */
static bool check_rsp(void)
{
	bool good;

	vmwrite(HOST_RSP, NVX_RSP_2);
	good = vmreadz(HOST_RSP) == NVX_RSP_2;
	round_trip();
	good &= nvx_exit_rsp == NVX_RSP_2;
	/* And back: the other direction may take another path. */
	vmwrite(HOST_RSP, NVX_HOST_RSP);
	round_trip();
	return good && nvx_exit_rsp == NVX_HOST_RSP &&
	       vmreadz(HOST_RSP) == NVX_HOST_RSP;
}

static bool check_cr3(void)
{
	uint64_t cr3 = get_cr3();
	bool good;

	vmwrite(HOST_CR3, other_cr3);
	round_trip();
	good = get_cr3() == other_cr3;
	vmwrite(HOST_CR3, cr3);
	round_trip();
	return good && get_cr3() == cr3;
}

/* Not shadowed: these exit, but do not dirty vmcs12. */
static bool check_cr4(void)
{
	uint64_t cr4 = get_cr4();
	bool good;

	vmwrite(HOST_CR4, cr4 ^ X86_CR4_TSD);
	round_trip();
	good = get_cr4() == (cr4 ^ X86_CR4_TSD);
	vmwrite(HOST_CR4, cr4);
	round_trip();
	return good && get_cr4() == cr4;
}

static bool check_bases(void)
{
	bool good;

	vmwrite(HOST_FS_BASE, 0x1111000);
	vmwrite(HOST_GS_BASE, 0x2222000);
	vmwrite(HOST_IA32_SYSENTER_ESP, 0x3333000);
	vmwrite(HOST_IA32_SYSENTER_EIP, 0x4444000);
	round_trip();
	good = rdmsr(MSR_FS_BASE) == 0x1111000 &&
	       rdmsr(MSR_GS_BASE) == 0x2222000 &&
	       rdmsr(MSR_IA32_SYSENTER_ESP) == 0x3333000 &&
	       rdmsr(MSR_IA32_SYSENTER_EIP) == 0x4444000;
	vmwrite(HOST_FS_BASE, 0);
	vmwrite(HOST_GS_BASE, 0);
	round_trip();
	return good && !rdmsr(MSR_FS_BASE) && !rdmsr(MSR_GS_BASE);
}

static bool check_selector(void)
{
	uint64_t old = vmreadz(HOST_FS_SELECTOR);
	uint16_t fs;
	bool good;

	vmwrite(HOST_FS_SELECTOR, 0);
	round_trip();
	asm volatile("mov %%fs, %0" : "=r"(fs));
	good = fs == 0;
	vmwrite(HOST_FS_SELECTOR, old);
	round_trip();
	asm volatile("mov %%fs, %0" : "=r"(fs));
	return good && fs == old;
}

/* A guest field written beside a clean host field must not get lost. */
static bool check_guest_beside_host(void)
{
	bool good;

	vmwrite(HOST_CR4, get_cr4());
	vmwrite(GUEST_SYSENTER_ESP, 0x7777000);
	vmwrite(HOST_CR4, get_cr4());
	round_trip();
	vmwrite(HOST_CR4, get_cr4());
	good = vmreadz(GUEST_SYSENTER_ESP) == 0x7777000;
	round_trip();
	return good && vmreadz(GUEST_SYSENTER_ESP) == 0x7777000;
}

static bool fails_as_bad_host(void)
{
	return nvx_l1_try_enter() &&
	       vmreadz(VM_INSTRUCTION_ERROR) == VM_ENTRY_BAD_HOST;
}

static bool check_bad_cr3(void)
{
	uint64_t old = vmreadz(HOST_CR3);
	bool good;

	vmwrite(HOST_CR3, old | 1ul << 62);
	good = fails_as_bad_host();
	vmwrite(HOST_CR3, old);
	round_trip();
	return good;
}

static bool check_bad_base(void)
{
	bool good;

	vmwrite(HOST_GS_BASE, NON_CANONICAL);
	good = fails_as_bad_host();
	vmwrite(HOST_GS_BASE, 0);
	round_trip();
	return good;
}

static bool check_bad_cr4(void)
{
	uint64_t old = vmreadz(HOST_CR4);
	bool good;

	vmwrite(HOST_CR4, old & ~X86_CR4_VMXE);
	good = fails_as_bad_host();
	vmwrite(HOST_CR4, old);
	round_trip();
	return good;
}

/* Two VMCSs keep their own host state over VMPTRLD and VMCLEAR. */
static bool check_two_vmcs(struct vmx_pages *vmx)
{
	bool good;

	vmwrite(HOST_RSP, NVX_RSP_2);
	GUEST_ASSERT(!vmclear(vmcs2_gpa));
	GUEST_ASSERT(!vmptrld(vmcs2_gpa));
	nvx_l1_prepare_vmcs(vmx, l2_guest_code);
	round_trip();
	good = nvx_exit_rsp == NVX_HOST_RSP;
	GUEST_ASSERT(!vmclear(vmcs2_gpa));

	GUEST_ASSERT(!vmptrld(vmx->vmcs_gpa));
	nvx_launch = 0;
	good &= vmreadz(HOST_RSP) == NVX_RSP_2;
	round_trip();
	good &= nvx_exit_rsp == NVX_RSP_2;
	vmwrite(HOST_RSP, NVX_HOST_RSP);
	round_trip();
	return good && nvx_exit_rsp == NVX_HOST_RSP;
}

/* The host saves and restores the vCPU at the sync. */
static bool check_migration(void)
{
	bool good;

	vmwrite(HOST_RSP, NVX_RSP_2);
	vmwrite(HOST_IA32_SYSENTER_EIP, 0x8888000);
	GUEST_SYNC(100);
	good = vmreadz(HOST_RSP) == NVX_RSP_2;
	round_trip();
	good &= nvx_exit_rsp == NVX_RSP_2 &&
		rdmsr(MSR_IA32_SYSENTER_EIP) == 0x8888000;
	vmwrite(HOST_RSP, NVX_HOST_RSP);
	round_trip();
	return good && nvx_exit_rsp == NVX_HOST_RSP;
}

static const struct {
	const char *name;
	bool (*check)(void);
} checks[] = {
	{ "HOST_RSP there and back", check_rsp },
	{ "HOST_CR3 there and back", check_cr3 },
	{ "HOST_CR4 there and back", check_cr4 },
	{ "HOST_FS/GS_BASE and SYSENTER", check_bases },
	{ "HOST_FS_SELECTOR", check_selector },
	{ "guest state between host writes", check_guest_beside_host },
	{ "reserved bit of HOST_CR3 fails the entry", check_bad_cr3 },
	{ "non-canonical HOST_GS_BASE fails the entry", check_bad_base },
	{ "HOST_CR4 without VMXE fails the entry", check_bad_cr4 },
	{ "host state survives save and restore", check_migration },
};

/* GUEST_SYNC(2 * check + passed); the last one is the test of two VMCSs. */
static void l1_guest_code(struct vmx_pages *vmx)
{
	uint64_t i;

	nvx_l1_init(vmx, l2_guest_code);
	round_trip();
	for (i = 0; i < ARRAY_SIZE(checks); i++)
		GUEST_SYNC(2 * i + checks[i].check());
	GUEST_SYNC(2 * i + check_two_vmcs(vmx));
	GUEST_DONE();
}

/* A second top-level page table with the same content. */
static void copy_cr3(struct nvx_vm *v)
{
	struct kvm_sregs sregs;
	vm_vaddr_t gva = vm_vaddr_alloc_page(v->vm);

	vcpu_sregs_get(v->vcpu, &sregs);
	memcpy(addr_gva2hva(v->vm, gva), addr_gpa2hva(v->vm, sregs.cr3), 4096);
	other_cr3 = addr_gva2gpa(v->vm, gva);
	sync_global_to_guest(v->vm, other_cr3);
}

static void add_second_vmcs(struct nvx_vm *v)
{
	vm_vaddr_t gva = vm_vaddr_alloc_page(v->vm);

	/* The revision identifier, which is that of the first one's. */
	*(uint32_t *)addr_gva2hva(v->vm, gva) =
		(uint32_t)kvm_get_feature_msr(MSR_IA32_VMX_BASIC);
	vmcs2_gpa = addr_gva2gpa(v->vm, gva);
	sync_global_to_guest(v->vm, vmcs2_gpa);
}

int main(void)
{
	struct nvx_vm v;
	uint64_t stage;

	TEST_REQUIRE(kvm_cpu_has(X86_FEATURE_VMX));
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_NESTED_STATE));
	TEST_REQUIRE(nvx_param("ept"));

	ksft_print_header();
	ksft_set_plan(ARRAY_SIZE(checks) + 1);
	ksft_print_msg("shadow_host is %s\n",
		       nvx_feature("shadow_host") ? "on" : "off");

	nvx_vm_create(&v, l1_guest_code);
	copy_cr3(&v);
	add_second_vmcs(&v);
	while (nvx_run(&v, &stage)) {
		if (stage == 100)
			nvx_save_restore(&v);
		else
			nvx_result(stage & 1, "%s", stage / 2 < ARRAY_SIZE(checks) ?
				   checks[stage / 2].name : "two VMCSs, two HOST_RSPs");
	}
	nvx_vm_destroy(&v);

	ksft_finished();
}
