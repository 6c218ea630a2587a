// SPDX-License-Identifier: GPL-2.0-only
/*
 * nvx_debugctl_test - RDMSR of IA32_DEBUGCTL with and without an exit.
 *
 * The guest must read what KVM would have returned, user space's MSR filter must
 * have the last word whenever it is set, and the exit must be gone exactly when
 * nvx_debugctl is on.  Stock KVM and nvx agree on all but the exits.
 */
#include "nvx_selftest.h"

#define FEW		10
#define MANY		110
#define FILTERED	0x1234ul

static uint64_t reads = 1;

static void guest_code(void)
{
	uint64_t i, value = 0;

	for (;;) {
		for (i = 0; i < READ_ONCE(reads); i++)
			value = rdmsr(MSR_IA32_DEBUGCTLMSR);
		GUEST_SYNC(value);
	}
}

static void set_filter(struct kvm_vm *vm, bool on)
{
	/* A zero bit denies. */
	uint8_t denied = 0;
	struct kvm_msr_filter filter = {
		.flags = KVM_MSR_FILTER_DEFAULT_ALLOW,
	};

	if (on)
		filter.ranges[0] = (struct kvm_msr_filter_range) {
			.flags = KVM_MSR_FILTER_READ,
			.nmsrs = 1,
			.base = MSR_IA32_DEBUGCTLMSR,
			.bitmap = &denied,
		};
	vm_ioctl(vm, KVM_X86_SET_MSR_FILTER, &filter);
}

static void set_reads(struct kvm_vm *vm, uint64_t n)
{
	reads = n;
	sync_global_to_guest(vm, reads);
}

/* Run to the next sync and return its value; count reads that user space got. */
static uint64_t run(struct kvm_vcpu *vcpu, unsigned int *asked)
{
	struct kvm_run *kvm_run = vcpu->run;
	struct ucall uc;

	*asked = 0;
	for (;;) {
		vcpu_run(vcpu);
		if (kvm_run->exit_reason != KVM_EXIT_X86_RDMSR)
			break;
		TEST_ASSERT(kvm_run->msr.index == MSR_IA32_DEBUGCTLMSR,
			    "MSR %#x instead of DEBUGCTL", kvm_run->msr.index);
		kvm_run->msr.data = FILTERED;
		kvm_run->msr.error = 0;
		++*asked;
	}
	TEST_ASSERT(get_ucall(vcpu, &uc) == UCALL_SYNC, "Unexpected exit %u",
		    kvm_run->exit_reason);
	return uc.args[1];
}

static struct kvm_vm *create(struct kvm_vcpu **vcpu)
{
	struct kvm_vm *vm = vm_create_with_one_vcpu(vcpu, guest_code);

	vm_enable_cap(vm, KVM_CAP_X86_USER_SPACE_MSR, KVM_MSR_EXIT_REASON_FILTER);
	set_reads(vm, 1);
	return vm;
}

static void check_value(struct kvm_vcpu *vcpu)
{
	uint64_t set, got;
	unsigned int asked;

	nvx_result(run(vcpu, &asked) == 0 && !asked, "0 after creation");

	/* Bits that KVM or the CPU does not have read back as 0, here and there. */
	vcpu_set_msr(vcpu, MSR_IA32_DEBUGCTLMSR, 0);
	set = vcpu_get_msr(vcpu, MSR_IA32_DEBUGCTLMSR);
	got = run(vcpu, &asked);
	nvx_result(set == got, "guest reads %#lx, KVM_GET_MSRS says %#lx", got, set);
}

static void check_filter(struct kvm_vm *vm, struct kvm_vcpu *vcpu)
{
	unsigned int asked;
	uint64_t got;

	set_filter(vm, true);
	got = run(vcpu, &asked);
	nvx_result(asked == 1 && got == FILTERED, "filter set after the vCPU ran");

	set_filter(vm, false);
	got = run(vcpu, &asked);
	nvx_result(asked == 0 && got == 0, "filter removed again");
}

static void check_filter_first(void)
{
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = create(&vcpu);
	unsigned int asked;
	uint64_t got;

	set_filter(vm, true);
	got = run(vcpu, &asked);
	nvx_result(asked == 1 && got == FILTERED, "filter set before the vCPU runs");
	kvm_vm_free(vm);
}

static uint64_t exits_of(struct kvm_vm *vm, struct kvm_vcpu *vcpu, uint64_t n)
{
	unsigned int asked;
	uint64_t before;

	set_reads(vm, n);
	before = nvx_exits(vcpu);
	run(vcpu, &asked);
	return nvx_exits(vcpu) - before;
}

static void check_exits(struct kvm_vm *vm, struct kvm_vcpu *vcpu)
{
	uint64_t few = exits_of(vm, vcpu, FEW), many = exits_of(vm, vcpu, MANY);
	uint64_t expected = nvx_feature("debugctl") ? 0 : MANY - FEW;

	nvx_result(many - few == expected, "%d reads: %lu exits, expected %lu",
		   MANY - FEW, many - few, expected);
}

int main(void)
{
	uint64_t before = nvx_counter("debugctl_passthrough");
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;

	TEST_REQUIRE(kvm_has_cap(KVM_CAP_X86_MSR_FILTER));
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_X86_USER_SPACE_MSR));

	ksft_print_header();
	ksft_set_plan(7);
	ksft_print_msg("debugctl is %s\n",
		       nvx_feature("debugctl") ? "on" : "off");

	vm = create(&vcpu);
	check_value(vcpu);
	check_filter(vm, vcpu);
	check_filter_first();
	check_exits(vm, vcpu);
	kvm_vm_free(vm);

	nvx_result((nvx_counter("debugctl_passthrough") > before) ==
		   nvx_feature("debugctl"), "counter debugctl_passthrough");
	ksft_finished();
}
