// SPDX-License-Identifier: GPL-2.0-only
/*
 * nvx_ept_root_test - L1 enters L2 with an EPT that is not in its memory.
 *
 * The first access of L2, to its own page tables, is an EPT violation, or on some bases
 * an EPT misconfiguration.  L1 goes on, and L2 with a good EPT as well.
 */
#include <stdlib.h>
#include <sys/utsname.h>

#include "nvx_selftest.h"

#define STEADY			4
#define NOWHERE			0x3f00000000ul
#define REASON_EPT_VIOLATION	48
#define INJECTED		0x41
#define RFLAGS_IF		BIT(9)
#define PHYSICAL_ADDRESS	0x2400
#define IDT_VECTORING		0x4408

static volatile uint64_t l2_interrupts;

static void l2_interrupt_handler(struct ex_regs *regs)
{
	l2_interrupts++;
}

static bool turns(int n)
{
	while (n--) {
		nvx_l1_enter();
		if (vmreadz(VM_EXIT_REASON) != EXIT_REASON_VMCALL)
			return false;
		nvx_l1_skip_instruction();
	}
	return true;
}

static bool leaves_at_once(void)
{
	uint64_t rip = vmreadz(GUEST_RIP);

	nvx_l1_enter();
	return vmreadz(VM_EXIT_REASON) == REASON_EPT_VIOLATION &&
	       vmreadz(PHYSICAL_ADDRESS) >> 12 == vmreadz(GUEST_CR3) >> 12 &&
	       vmreadz(GUEST_RIP) == rip;
}

static bool check_first_entry(void)
{
	uint64_t eptp = vmreadz(EPT_POINTER);
	bool good;

	vmwrite(EPT_POINTER, NOWHERE | (eptp & 0xfff));
	good = leaves_at_once();
	vmwrite(EPT_POINTER, eptp);
	return good && turns(STEADY);
}

static bool check_injection(void)
{
	uint64_t eptp = vmreadz(EPT_POINTER), info = BIT(31) | INJECTED;
	uint64_t before = l2_interrupts;
	bool good;

	vmwrite(GUEST_RFLAGS, vmreadz(GUEST_RFLAGS) | RFLAGS_IF);
	vmwrite(EPT_POINTER, NOWHERE | (eptp & 0xfff));
	vmwrite(VM_ENTRY_INTR_INFO_FIELD, info);
	good = leaves_at_once() && vmreadz(IDT_VECTORING) == info;
	vmwrite(EPT_POINTER, eptp);
	vmwrite(VM_ENTRY_INTR_INFO_FIELD, info);
	return good && l2_interrupts == before && turns(STEADY) &&
	       l2_interrupts == before + 1;
}

static bool (* const checks[])(void) = {
	check_first_entry, check_first_entry, check_injection,
};

static const char * const names[] = {
	"VMLAUNCH", "VMRESUME", "an interrupt to be injected",
};

static void l1_guest_code(struct vmx_pages *vmx)
{
	unsigned int i;

	nvx_l1_init(vmx, nvx_l2_vmcalls);
	for (i = 0; i < ARRAY_SIZE(checks); i++)
		GUEST_SYNC(checks[i]());
	GUEST_DONE();
}

/* Before Linux 6.7 stock KVM ends the VM. */
static bool survives(void)
{
	struct utsname name;
	char *minor;

	TEST_ASSERT(!uname(&name), "uname() failed");
	if (strtoul(name.release, &minor, 10) != 6)
		return true;
	return strtoul(minor + 1, NULL, 10) >= 7 || nvx_param("nvx");
}

int main(void)
{
	unsigned int i = 0;
	uint64_t good;
	struct nvx_vm v;

	TEST_REQUIRE(kvm_cpu_has(X86_FEATURE_VMX));
	TEST_REQUIRE(nvx_param("ept"));
	TEST_REQUIRE(nvx_param("unrestricted_guest"));
	TEST_REQUIRE(survives());

	setlinebuf(stdout);
	ksft_print_header();
	ksft_set_plan(ARRAY_SIZE(checks));
	nvx_vm_create(&v, l1_guest_code);
	vm_install_exception_handler(v.vm, INJECTED, l2_interrupt_handler);
	while (nvx_run(&v, &good))
		nvx_result(good, "%s", names[i++]);
	nvx_vm_destroy(&v);
	ksft_finished();
}
