// SPDX-License-Identifier: GPL-2.0-only
/*
 * nvx_pv_state_test - What KVM_GET_NESTED_STATE says of an L1 with its VMCS in memory.
 *
 * Its state is larger than stock KVM takes, and has a flag that stock KVM refuses,
 * from the moment at which L1 turns the interface on, and as long as a vCPU that was
 * saved has not run.  A VMM whose buffer has stock's size gets the flag only.
 * On stock, and with nvx_pv=0: the flag is refused, nothing else has changed.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "nvx_pv.h"

#define STOCK_SIZE	(sizeof(struct kvm_nested_state) + \
			 sizeof(struct kvm_vmx_nested_state_data))
#define LARGE_SIZE	(STOCK_SIZE + 4096)
#define STOCK_VMXON	sizeof(struct kvm_nested_state)
#define STOCK_VMCS	(STOCK_VMXON + 4096)
#define FLAG		NVX_PV_STATE_FLAG

enum { L1_VMXON, L1_PV, L1_VMCS, NR_STAGES };

static const char * const stages[NR_STAGES] = {
	"after VMXON", "with the interface on", "with a VMCS that has been entered",
};

static union {
	struct kvm_nested_state state;
	char space[4 * 4096];
} buffer;

static struct nvx_vm v;
static bool offered;

static void l2_guest_code(void)
{
	for (;;)
		nvx_l2_vmcall();
}

static void turn(void)
{
	nvx_l1_enter();
	GUEST_ASSERT_EQ(vmreadz(VM_EXIT_REASON), EXIT_REASON_VMCALL);
	nvx_l1_skip_instruction();
}

static void l1_guest_code(struct vmx_pages *vmx)
{
	GUEST_ASSERT(prepare_for_vmx_operation(vmx));
	GUEST_SYNC(L1_VMXON);
	GUEST_ASSERT(load_vmcs(vmx));
	nvx_l1_prepare_vmcs(vmx, l2_guest_code);
	GUEST_ASSERT(!vmclear(vmx->vmcs_gpa));
	if (nvx_use_pv) {
		pv_init_assist(vmx);
		pv_init_region(vmx->vmcs);
		GUEST_ASSERT(!pv_enable());
		pv_load(vmx, vmx->vmcs, vmx->vmcs_gpa);
	} else {
		GUEST_ASSERT(!vmptrld(vmx->vmcs_gpa));
	}
	GUEST_SYNC(L1_PV);
	turn();
	GUEST_SYNC(L1_VMCS);
	turn();
	turn();
	GUEST_DONE();
}

/* 0 or errno; the buffer has @size bytes. */
static int get_state(uint32_t size)
{
	memset(&buffer, 0, sizeof(buffer));
	buffer.state.size = size;
	return ioctl(v.vcpu->fd, KVM_GET_NESTED_STATE, &buffer) ? errno : 0;
}

static int set_state(void)
{
	return ioctl(v.vcpu->fd, KVM_SET_NESTED_STATE, &buffer) ? errno : 0;
}

static bool is(uint32_t size, uint32_t flag)
{
	if (buffer.state.size == size && (buffer.state.hdr.vmx.flags & FLAG) == flag)
		return true;
	ksft_print_msg("size %u, flags %#x\n", buffer.state.size,
		       buffer.state.hdr.vmx.flags);
	return false;
}

static uint32_t stock_size(unsigned int stage)
{
	return stage == L1_VMCS || (stage == L1_PV && !offered) ?
	       STOCK_VMCS : STOCK_VMXON;
}

static bool sizes_ok(unsigned int stage)
{
	uint32_t stock = stock_size(stage);

	if (!offered || stage == L1_VMXON)
		return !get_state(sizeof(buffer)) && is(stock, 0);

	return !get_state(sizeof(buffer)) && is(LARGE_SIZE, FLAG) &&
	       !get_state(LARGE_SIZE) && is(LARGE_SIZE, FLAG) &&
	       !get_state(STOCK_SIZE) && is(stock, FLAG) &&
	       !get_state(stock) && is(stock, FLAG) &&
	       (stage != L1_VMCS || (get_state(STOCK_VMXON) == E2BIG &&
				     buffer.state.size == LARGE_SIZE));
}

/* A VMM that saves what it is told, one that forgets flags, one with a fixed buffer. */
static bool moves(unsigned int stage, uint32_t size, uint32_t keep_flags)
{
	struct kvm_x86_state *state = vcpu_save_state(v.vcpu);
	bool large = size == LARGE_SIZE && offered && stage != L1_VMXON;
	bool good;

	if (get_state(size))
		return false;
	buffer.state.hdr.vmx.flags &= keep_flags;
	memcpy(&state->nested, &buffer, sizeof(state->nested_));
	kvm_vm_release(v.vm);
	v.vcpu = vm_recreate_with_one_vcpu(v.vm);
	vcpu_set_cpuid_feature(v.vcpu, X86_FEATURE_HYPERVISOR);
	vcpu_load_state(v.vcpu, state);
	kvm_x86_state_cleanup(state);

	/* It has not run; it is moved again. */
	good = !get_state(sizeof(buffer)) &&
	       is(offered && stage != L1_VMXON ? LARGE_SIZE : stock_size(stage),
		  offered && stage != L1_VMXON ? FLAG : 0);
	return good && (!large || !get_state(STOCK_SIZE));
}

/* What another host says that does not have the interface. */
static bool flag_is_refused(void)
{
	bool good;

	TEST_ASSERT(!get_state(sizeof(buffer)), "KVM_GET_NESTED_STATE failed");
	buffer.state.hdr.vmx.flags |= FLAG;
	good = set_state() == EINVAL;
	buffer.state.hdr.vmx.flags &= ~FLAG;
	return good && !set_state();
}

static bool other_flags_are_refused(void)
{
	bool good;

	TEST_ASSERT(!get_state(sizeof(buffer)), "KVM_GET_NESTED_STATE failed");
	buffer.state.hdr.vmx.flags |= FLAG >> 1;
	good = set_state() == EINVAL;
	buffer.state.hdr.vmx.flags &= ~(FLAG >> 1);
	return good && !set_state();
}

static void check_stage(unsigned int stage)
{
	nvx_result(sizes_ok(stage), "%s: sizes", stages[stage]);
	nvx_result(moves(stage, sizeof(buffer), ~0u), "%s: moved twice", stages[stage]);
	nvx_result(moves(stage, sizeof(buffer), ~FLAG), "%s: moved twice, flags forgotten",
		   stages[stage]);
	nvx_result(moves(stage, STOCK_SIZE, ~0u), "%s: moved twice, fixed buffer",
		   stages[stage]);
	nvx_result(other_flags_are_refused(), "%s: other flags are refused", stages[stage]);
	nvx_result(offered || flag_is_refused(), "%s: the flag is refused without it",
		   stages[stage]);
}

int main(void)
{
	uint64_t stage;

	TEST_REQUIRE(kvm_cpu_has(X86_FEATURE_VMX));
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_NESTED_STATE));
	TEST_REQUIRE(nvx_param("ept"));
	TEST_REQUIRE(nvx_param("unrestricted_guest"));
	offered = nvx_feature("pv");

	setlinebuf(stdout);
	ksft_print_header();
	ksft_set_plan(NR_STAGES * 6 + 2);
	nvx_result(kvm_check_cap(KVM_CAP_NESTED_STATE) == (offered ? LARGE_SIZE : STOCK_SIZE),
		   "KVM_CAP_NESTED_STATE");
	nvx_use_pv = offered;
	nvx_vm_create(&v, l1_guest_code);
	sync_global_to_guest(v.vm, nvx_use_pv);
	while (nvx_run(&v, &stage))
		check_stage(stage);
	nvx_result(true, "L1 and L2 have come to their end");
	nvx_vm_destroy(&v);
	ksft_finished();
}
