// SPDX-License-Identifier: GPL-2.0-only
/*
 * nvx_vept_test - Guests are offered EPT if and only if nvx_vept says so, and what
 * depends on EPT goes with it.
 */
#include <unistd.h>

#include "nvx_selftest.h"

#define SECONDARY_EPT			BIT_ULL(32 + 1)
#define SECONDARY_UNRESTRICTED		BIT_ULL(32 + 7)
#define SECONDARY_PML			BIT_ULL(32 + 17)
#define MSR_PROCBASED_CTLS2		0x48bul
#define MSR_EPT_VPID_CAP		0x48cul
#define EPT_CAPS			0xfffffffful

static uint64_t feature_msr(uint64_t index)
{
	return kvm_get_feature_msr(index);
}

int main(void)
{
	uint64_t controls, caps;
	bool offered;

	TEST_REQUIRE(kvm_cpu_has(X86_FEATURE_VMX));
	TEST_REQUIRE(nvx_param("ept"));

	ksft_print_header();
	ksft_set_plan(4);

	offered = access("/sys/module/kvm_intel/parameters/nvx_vept", R_OK) ||
		  nvx_param("nvx_vept");
	ksft_print_msg("EPT is %s\n", offered ? "offered" : "withheld");

	controls = feature_msr(MSR_PROCBASED_CTLS2);
	caps = feature_msr(MSR_EPT_VPID_CAP);
	nvx_result(!(controls & SECONDARY_EPT) == !offered, "EPT");
	nvx_result(!(controls & SECONDARY_UNRESTRICTED) ==
		   !(offered && nvx_param("unrestricted_guest")), "unrestricted guest");
	nvx_result(!(controls & SECONDARY_PML) == !(offered && nvx_param("eptad")),
		   "page-modification log");
	nvx_result(!(caps & EPT_CAPS) == !offered, "capabilities of EPT");

	ksft_finished();
}
