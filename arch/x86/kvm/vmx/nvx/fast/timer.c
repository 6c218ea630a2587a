// SPDX-License-Identifier: GPL-2.0-only
/*
 * nvx_fast: the preemption timer of L2 without an hrtimer per transition.
 *
 * As long as L2 runs, the VMX-preemption timer of the CPU can do it: no interrupt
 * of the host, and an exit that says what it is.  KVM uses that timer for L1's APIC
 * timer; each VM-entry sets it for whichever is due first.  It stands still while
 * L2 does not run, so when the vCPU may have to wait the hrtimer takes over
 * (nvx_timer_fall_back()).  The rest of this comment is about the hrtimer.
 *
 * KVM as L1 leaves the preemption timer on and loads it with the largest value
 * (45 s at 3 GHz) when it has no deadline, so stock L0 starts and cancels an
 * hrtimer around every run of L2 for nothing.  Here the hrtimer goes on ticking
 * while L1 runs.  If it was started with the value that is in force now, it
 * cannot be late, only early; its callback then finds out how much is left and
 * starts it again.  L2 gets its exit at the time it would have had.
 *
 * The callback may run on another CPU than the vCPU:
 *
 *	nvx_timer_enter()			callback
 *	writes @timer_state = NVX_TIMER_L2	the hrtimer is no longer queued
 *	smp_mb()				smp_mb()
 *	reads whether the hrtimer is queued	reads @timer_state
 *
 * At least one of them sees what the other has done and starts the hrtimer; if both
 * do, that is harmless.  nvx_timer_leave() sets @timer_state and looks whether the
 * callback is running; if so the exit takes KVM's own path, which waits for it.
 */
#include <linux/hrtimer.h>
#include <linux/kvm_host.h>

#include "x86.h"
#include "vmx/vmx.h"
#include "vmx/nested.h"
#include "vmx/nvx/fast/parts.h"
#include "vmx/nvx/fast/record.h"
#include "vmx/nvx/nvx.h"

/* It stands still in the C-states that MWAIT reaches: see kvm_can_use_hv_timer(). */
static bool cpu_timer_usable(const struct kvm_vcpu *vcpu)
{
	return nvx_fast_mask & NVX_FAST_CPU_TIMER &&
	       nvx_fast_mask & NVX_FAST_DIRECT &&
	       !kvm_mwait_in_guest(vcpu->kvm) &&
	       vcpu->arch.l1_tsc_scaling_ratio ==
	       kvm_caps.default_tsc_scaling_ratio;
}

/* Start the hrtimer for @tsc_left cycles of L1's TSC. */
static void timer_start(struct vcpu_vmx *vmx, u64 tsc_left)
{
	u64 ns = mul_u64_u32_div(tsc_left, 1000000,
				 vmx->vcpu.arch.virtual_tsc_khz);

	hrtimer_start(&vmx->nested.preemption_timer,
		      ktime_add_ns(ktime_get(), ns), HRTIMER_MODE_ABS_PINNED);
}

static u64 l1_cycles(struct kvm_vcpu *vcpu, u64 host_cycles)
{
	u64 ratio = vcpu->arch.l1_tsc_scaling_ratio;

	if (ratio == kvm_caps.default_tsc_scaling_ratio)
		return host_cycles;
	return mul_u64_u64_shr(host_cycles, ratio,
			       kvm_caps.tsc_scaling_ratio_frac_bits);
}

/* @queued: it may be ticking already, and not be late then. */
static void hrtimer_takes_over(struct vcpu_vmx *vmx, struct nvx_fast *f,
			       bool queued)
{
	u64 value = (u64)f->timer_value << NVX_TIMER_RATE;
	u64 elapsed = l1_cycles(&vmx->vcpu, rdtsc() - f->timer_start);

	smp_mb(); /* pairs with the one in nvx_timer_early() */
	if (queued && hrtimer_is_queued(&vmx->nested.preemption_timer))
		return;

	f->hrtimer_value = f->timer_value;
	timer_start(vmx, value > elapsed ? value - elapsed : 0);
}

/**
 * nvx_timer_enter() - L2 is about to run with its preemption timer
 * @vmx: the vCPU
 * @f: its record
 *
 * Context: Preemption off.
 * Return: false if only KVM's own path can do this VM-entry.
 */
bool nvx_timer_enter(struct vcpu_vmx *vmx, struct nvx_fast *f)
{
	struct kvm_vcpu *vcpu = &vmx->vcpu;
	u32 value = get_vmcs12(vcpu)->vmx_preemption_timer_value;
	bool queued;

	/* A value of 0 exits before L2 runs. */
	if (!value || !vcpu->arch.virtual_tsc_khz ||
	    !(nvx_fast_mask & NVX_FAST_TIMER))
		return false;

	f->timer_start = rdtsc();
	vmx->nested.preemption_timer_deadline = value +
		(kvm_read_l1_tsc(vcpu, f->timer_start) >>
		 NVX_TIMER_RATE);
	vmx->nested.has_preemption_timer_deadline = true;

	/* One that was started for this value cannot be late. */
	queued = value == f->hrtimer_value &&
		 vcpu->arch.virtual_tsc_khz == f->timer_khz;
	f->timer_value = value;
	f->timer_khz = vcpu->arch.virtual_tsc_khz;
	if (cpu_timer_usable(vcpu)) {
		f->timer_deadline = f->timer_start +
				    ((u64)value << NVX_TIMER_RATE);
		WRITE_ONCE(f->timer_state, NVX_TIMER_CPU);
		return true;
	}

	WRITE_ONCE(f->timer_state, NVX_TIMER_L2);
	hrtimer_takes_over(vmx, f, queued);
	return true;
}

/**
 * nvx_timer_leave() - L2 has left; the hrtimer may go on
 * @vmx: the vCPU
 * @f: its record
 *
 * Context: Preemption off.
 * Return: false if the callback is running: KVM's own path has to wait for it.
 */
bool nvx_timer_leave(struct vcpu_vmx *vmx, struct nvx_fast *f)
{
	if (!(nvx_fast_mask & NVX_FAST_TIMER))
		return false;

	WRITE_ONCE(f->timer_state, NVX_TIMER_L1);
	smp_mb(); /* pairs with the one in nvx_timer_early() */
	return !hrtimer_callback_running(&vmx->nested.preemption_timer);
}

/**
 * nvx_timer_early() - The hrtimer has fired: is it too early for an exit?
 * @vmx: vCPU that the timer belongs to
 *
 * Context: hrtimer callback, interrupts off.
 * Return: true if nothing is due; if L2 runs the hrtimer is started again.
 */
bool nvx_timer_early(struct vcpu_vmx *vmx)
{
	struct nvx_fast *f = vmx->nested.nvx.fast;
	u64 value, elapsed;

	if (!f)
		return false;

	smp_mb(); /* pairs with those in nvx_timer_enter() and _leave() */
	switch (READ_ONCE(f->timer_state)) {
	case NVX_TIMER_KVM:
		return false;
	case NVX_TIMER_L1:
	case NVX_TIMER_CPU:
		return true;
	case NVX_TIMER_L2:
		break;
	}

	value = (u64)READ_ONCE(f->timer_value) <<
		NVX_TIMER_RATE;
	elapsed = l1_cycles(&vmx->vcpu, rdtsc() - READ_ONCE(f->timer_start));
	if (elapsed >= value)
		return false;

	timer_start(vmx, value - elapsed);
	return true;
}

/**
 * nvx_timer_fall_back() - The vCPU may have to wait before L2 runs on
 * @vmx: vCPU in guest mode
 * @f: its record
 *
 * Context: Thread of the vCPU.
 */
void nvx_timer_fall_back(struct vcpu_vmx *vmx, struct nvx_fast *f)
{
	if (f->timer_state != NVX_TIMER_CPU)
		return;

	WRITE_ONCE(f->timer_state, NVX_TIMER_L2);
	hrtimer_takes_over(vmx, f, f->timer_value == f->hrtimer_value);
}

/**
 * nvx_timer_rearm() - L2 sets its APIC timer, L0 its preemption timer accordingly
 * @vcpu: vCPU in guest mode, with a record
 * @deadline: value of L2's TSC
 * @advance: cycles by which L2 is to end before that
 *
 * What L1 would have put into vmcs12 at this moment, which stays as it is: the value
 * in force is in the record.
 *
 * Context: Interrupts off, right after the VM-exit.
 * Return: false if nothing was changed: the time has come or is too far away, the
 * timer that is to be replaced is due, or it is not the CPU's.
 */
bool nvx_timer_rearm(struct kvm_vcpu *vcpu, u64 deadline, u32 advance)
{
	struct nested_vmx *nested = &to_vmx(vcpu)->nested;
	struct nvx_fast *f = nested->nvx.fast;
	u64 now = rdtsc(), l2_now, left;

	if (f->timer_state != NVX_TIMER_CPU || now >= f->timer_deadline ||
	    !cpu_timer_usable(vcpu) ||
	    vcpu->arch.tsc_scaling_ratio != kvm_caps.default_tsc_scaling_ratio)
		return false;

	l2_now = now + vcpu->arch.tsc_offset;
	if (deadline <= l2_now || deadline - l2_now <= advance)
		return false;
	left = deadline - l2_now - advance;
	if (left > (u64)U32_MAX << NVX_TIMER_RATE)
		return false;

	f->timer_start = now;
	f->timer_deadline = now + left;
	f->timer_value = (left + BIT(NVX_TIMER_RATE) - 1) >> NVX_TIMER_RATE;
	nested->preemption_timer_deadline = f->timer_value +
		(kvm_read_l1_tsc(vcpu, now) >> NVX_TIMER_RATE);
	return true;
}

/**
 * nvx_timer_left() - How long until the CPU's timer ends L2?
 * @vcpu: vCPU in guest mode
 *
 * Context: Thread of the vCPU.
 * Return: host TSC cycles, U64_MAX if another timer does it, or none.
 */
u64 nvx_timer_left(struct kvm_vcpu *vcpu)
{
	const struct nvx_fast *f = to_vmx(vcpu)->nested.nvx.fast;
	u64 now = rdtsc();

	if (!f || f->timer_state != NVX_TIMER_CPU)
		return U64_MAX;
	return f->timer_deadline > now ? f->timer_deadline - now : 0;
}

/**
 * nvx_timer_arm() - If L2 runs next, set the CPU's timer for it
 * @vcpu: vCPU with a record
 * @immediate: KVM has set it to 0, to have control back at once
 *
 * Context: Interrupts off, right before VM-entry.
 */
void nvx_timer_arm(struct kvm_vcpu *vcpu, bool immediate)
{
	struct vcpu_vmx *vmx = to_vmx(vcpu);
	struct nvx_fast *f = vmx->nested.nvx.fast;
	int rate = vmx_misc_preemption_timer_rate(vmcs_config.misc);
	u64 now, left;

	f->timer_armed = false;
	if (!is_guest_mode(vcpu))
		return;

	if (f->timer_state != NVX_TIMER_CPU) {
		if (f->timer_pin) {
			f->timer_pin = false;
			pin_controls_clearbit(vmx, PIN_BASED_VMX_PREEMPTION_TIMER);
		}
		return;
	}

	/* KVM's deadline, for L1; all bits are set if there is none. */
	if (immediate || vmx->hv_deadline_tsc <= f->timer_deadline)
		return;

	now = rdtsc();
	left = f->timer_deadline > now ? f->timer_deadline - now : 0;
	left = min_t(u64, (left + BIT_ULL(rate) - 1) >> rate, U32_MAX);
	vmcs_write32(VMX_PREEMPTION_TIMER_VALUE, left);
	/* Make KVM set it the next time. */
	vmx->loaded_vmcs->hv_timer_soft_disabled = false;
	f->timer_armed = true;
}
