// SPDX-License-Identifier: GPL-2.0-only
/*
 * nvx_fast_cpuid_test - L1 and L2 differ in bits of CR4 that CPUID shows.
 *
 * L1 has CR4.OSXSAVE, L2 has not, or the other way round.  L1's CPUID shows L1's bit
 * after each exit from L2, in the short form and on KVM's own path, and most of the
 * transitions have the short form.
 */
#include <string.h>

#include "nvx_fast_counts.h"

#define STEADY		4
#define TURNS		20
#define CPUID_OSXSAVE	BIT(27)

static volatile uint64_t l2_cr4;

static void l2_guest_code(void)
{
	for (;;) {
		l2_cr4 = get_cr4();
		nvx_l2_vmcall();
	}
}

static bool cpuid_has_osxsave(void)
{
	uint32_t eax = 1, ebx, ecx = 0, edx;

	asm volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
	return ecx & CPUID_OSXSAVE;
}

static bool turns(int n, bool l1, bool l2)
{
	bool good = true;

	while (n--) {
		nvx_l1_enter();
		GUEST_ASSERT_EQ(vmreadz(VM_EXIT_REASON), EXIT_REASON_VMCALL);
		nvx_l1_skip_instruction();
		good &= cpuid_has_osxsave() == l1 &&
			!!(l2_cr4 & X86_CR4_OSXSAVE) == l2;
	}
	return good;
}

static uint64_t with(uint64_t cr4, bool osxsave)
{
	return (cr4 & ~X86_CR4_OSXSAVE) | (osxsave ? X86_CR4_OSXSAVE : 0);
}

/* GUEST_SYNC(0) before the turns that are counted, 2 or 3 after them. */
static void differ(bool l1, bool l2)
{
	bool good;

	set_cr4(with(get_cr4(), l1));
	vmwrite(HOST_CR4, with(vmreadz(HOST_CR4), l1));
	vmwrite(GUEST_CR4, with(vmreadz(GUEST_CR4), l2));
	good = turns(STEADY, l1, l2);
	GUEST_SYNC(0);
	good &= cpuid_has_osxsave() == l1 && turns(TURNS, l1, l2);
	GUEST_SYNC(2 + good);
}

static void l1_guest_code(struct vmx_pages *vmx)
{
	nvx_l1_init(vmx, l2_guest_code);
	differ(true, false);
	differ(false, true);
	differ(true, true);
	GUEST_DONE();
}

/* Usage: nvx_fast_cpuid_test [pv]; pv: VMCS in memory. */
int main(int argc, char *argv[])
{
	static const char * const names[] = { "L1 only", "L2 only", "both" };
	unsigned int i = 0;
	uint64_t stage;
	struct nvx_vm v;

	nvx_use_pv = argc > 1 && !strcmp(argv[1], "pv");
	TEST_REQUIRE(kvm_cpu_has(X86_FEATURE_VMX));
	TEST_REQUIRE(kvm_cpu_has(X86_FEATURE_XSAVE));
	TEST_REQUIRE(nvx_param("ept"));
	TEST_REQUIRE(nvx_param("unrestricted_guest"));
	TEST_REQUIRE(!nvx_use_pv || nvx_feature("pv"));

	setlinebuf(stdout);
	ksft_print_header();
	ksft_set_plan(3 * ARRAY_SIZE(names));
	nvx_vm_create(&v, l1_guest_code);
	sync_global_to_guest(v.vm, nvx_use_pv);
	while (nvx_run(&v, &stage)) {
		if (!stage) {
			nvx_fast_begin();
			continue;
		}
		nvx_fast_end("exits", "VM-entries", TURNS, 0);
		nvx_result(stage & 1, "CR4.OSXSAVE of %s", names[i++]);
	}
	nvx_vm_destroy(&v);
	ksft_finished();
}
