// SPDX-License-Identifier: GPL-2.0-only
/* As a guest: XCR0 and XSS after an L2, if the host below has not loaded them. */
#include <linux/kvm_host.h>
#include <asm/fpu/xcr.h>

#include "x86.h"
#include "nvx_compat.h"

static bool taken(u32 what)
{
	return nvx_l1_ops && nvx_l1_ops->take(what);
}

/**
 * nvx_load_host_xstate() - Have our values in XCR0 and XSS
 * @vcpu: vCPU that has run, with other values in one or both of them
 *
 * All that is left to be done of kvm_load_host_xsave_state().
 *
 * Context: Interrupts off, behind a VM-exit.  The guest has CR4.OSXSAVE.
 */
void nvx_load_host_xstate(struct kvm_vcpu *vcpu)
{
	if (vcpu->arch.xcr0 != nvx_compat_xcr0() && !taken(NVX_LOAD_XCR0))
		xsetbv(XCR_XFEATURE_ENABLED_MASK, nvx_compat_xcr0());

	if (nvx_compat_has_xsaves(vcpu) && vcpu->arch.ia32_xss != nvx_compat_xss() &&
	    !taken(NVX_LOAD_XSS))
		wrmsrl(MSR_IA32_XSS, nvx_compat_xss());
}
