// SPDX-License-Identifier: GPL-2.0-only
/*
 * nvx_fast_plain_test - an L1 that uses less of VMX than KVM does: no VPID for its
 * L2, no "load debug controls", as small hypervisors.
 *
 * Its transitions have the short form.  Without VPID each one flushes the TLB, as
 * many times as on stock; without debug controls L2 has DR7 of L1, whatever was in
 * the VMCS, and whatever L2 itself had left there.  With them an L2 that has bits set in
 * DR7 takes KVM's own path.
 */
#include <string.h>

#include "nvx_fast_counts.h"

#define STEADY		4
#define TURNS		20
#define SECOND_VPID	BIT(5)
#define ENTRY_DEBUG	BIT(2)
#define EXIT_DEBUG	BIT(2)
#define DR7_FIXED	0x400ul
#define DR7_GE		BIT(9)

static volatile uint64_t l2_dr7, l2_writes_dr7;

/* One bit each. */
enum { NO_VPID = 1, NO_DEBUG = 2, ALL = 4 };

/* The host is to compare KVM's view of L1's DR7: reading it would put that right. */
#define LOOK_AT_DR7	4

static uint64_t read_dr7(void)
{
	uint64_t value;

	asm volatile("mov %%dr7, %0" : "=r"(value));
	return value;
}

static void write_dr7(uint64_t value)
{
	asm volatile("mov %0, %%dr7" : : "r"(value));
}

static void l2_guest_code(void)
{
	for (;;) {
		nvx_l2_vmcall();
		if (l2_writes_dr7) {
			l2_dr7 = read_dr7();
			write_dr7(l2_writes_dr7);
		}
	}
}

static void set_bits(uint64_t field, uint64_t bits, bool on)
{
	GUEST_ASSERT(!vmwrite(field, on ? vmreadz(field) | bits : vmreadz(field) & ~bits));
}

/* L2 has what L1 had at VM-entry, L1 what every VM-exit leaves. */
static bool dr7_is_l1s(uint64_t value)
{
	write_dr7(value);
	nvx_l1_turns(1);
	return l2_dr7 == value && read_dr7() == DR7_FIXED;
}

/* With debug controls L2 keeps its own over exits at which nobody reads it. */
static bool dr7_is_l2s(void)
{
	bool good;

	GUEST_ASSERT(!vmwrite(GUEST_DR7, DR7_FIXED | DR7_GE));
	nvx_l1_turns(STEADY);
	GUEST_SYNC(LOOK_AT_DR7);
	nvx_l1_turns(STEADY);
	good = vmreadz(GUEST_DR7) == (DR7_FIXED | DR7_GE) && read_dr7() == DR7_FIXED;
	GUEST_ASSERT(!vmwrite(GUEST_DR7, DR7_FIXED));
	return good;
}

static bool dr7_good(bool from_l1)
{
	bool good = from_l1 || dr7_is_l2s();

	l2_writes_dr7 = DR7_FIXED | DR7_GE;
	if (from_l1) {
		good &= dr7_is_l1s(DR7_FIXED);
		good &= dr7_is_l1s(DR7_FIXED | DR7_GE);
		good &= dr7_is_l1s(DR7_FIXED);
	}
	l2_writes_dr7 = 0;
	nvx_l1_turns(1);
	return good;
}

/* GUEST_SYNC(0) before the turns that are counted, 2 or 3 after them. */
static void l1_guest_code(struct vmx_pages *vmx)
{
	bool good;
	int what;

	nvx_l1_init(vmx, l2_guest_code);
	for (what = 0; what < ALL; what++) {
		set_bits(SECONDARY_VM_EXEC_CONTROL, SECOND_VPID, !(what & NO_VPID));
		set_bits(VM_ENTRY_CONTROLS, ENTRY_DEBUG, !(what & NO_DEBUG));
		set_bits(VM_EXIT_CONTROLS, EXIT_DEBUG, !(what & NO_DEBUG));
		GUEST_ASSERT(!vmwrite(GUEST_DR7, what & NO_DEBUG ?
				      DR7_FIXED | DR7_GE : DR7_FIXED));
		nvx_l1_turns(STEADY);
		good = dr7_good(what & NO_DEBUG);
		nvx_l1_turns(STEADY);
		GUEST_SYNC(0);
		nvx_l1_turns(TURNS);
		GUEST_SYNC(2 + good);
	}
	GUEST_DONE();
}

static bool kvm_has_dr7_of_l1(struct kvm_vcpu *vcpu)
{
	struct kvm_debugregs regs;

	vcpu_debugregs_get(vcpu, &regs);
	return regs.dr7 == DR7_FIXED;
}

/* Usage: nvx_fast_plain_test [pv]; pv: VMCS in memory. */
int main(int argc, char *argv[])
{
	static const char * const names[] = {
		"VPID and debug controls", "no VPID", "no debug controls", "neither",
	};
	uint64_t stage, flushes = 0;
	unsigned int what = 0;
	bool dr7_kept = true;
	struct nvx_vm v;
	int stats;

	nvx_use_pv = argc > 1 && !strcmp(argv[1], "pv");
	TEST_REQUIRE(kvm_cpu_has(X86_FEATURE_VMX));
	TEST_REQUIRE(nvx_param("ept"));
	TEST_REQUIRE(nvx_param("vpid"));
	TEST_REQUIRE(nvx_param("unrestricted_guest"));
	TEST_REQUIRE(!nvx_use_pv || nvx_feature("pv"));

	setlinebuf(stdout);
	ksft_print_header();
	ksft_set_plan(4 * ALL);
	nvx_vm_create(&v, l1_guest_code);
	sync_global_to_guest(v.vm, nvx_use_pv);
	stats = vcpu_get_stats_fd(v.vcpu);
	while (nvx_run(&v, &stage)) {
		if (!stage) {
			flushes = nvx_stat(stats, "tlb_flush");
			nvx_fast_begin();
			continue;
		}
		if (stage == LOOK_AT_DR7) {
			dr7_kept &= kvm_has_dr7_of_l1(v.vcpu);
			continue;
		}
		flushes = nvx_stat(stats, "tlb_flush") - flushes;
		nvx_result(stage & 1 && dr7_kept, "%s: L2 has the DR7 it has to have", names[what]);
		nvx_result(flushes == (what & NO_VPID ? 2 * TURNS : 0),
			   "%s: %lu flushes of the TLB in %d turns", names[what],
			   flushes, TURNS);
		nvx_fast_end("exits", "VM-entries", TURNS, 0);
		dr7_kept = true;
		what++;
	}
	close(stats);
	nvx_vm_destroy(&v);
	ksft_finished();
}
