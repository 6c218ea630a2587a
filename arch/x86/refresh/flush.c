// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a CPU has cached under the tags of the shim must be gone when the shim comes:
 * an earlier one may have been in other memory.  Pure but for three instructions, so
 * that the unit tests run it on a model of a TLB.
 */
#ifdef __KERNEL__
#include <asm/processor-flags.h>

#include "vmx.h"
#endif

#include "refresh.h"

/*
 * refresh_flush_tags() - Drop all translations that the shim or its host could use
 * @eptp: of the host's EPT
 * @cr4: the value that CR4 has, with VMXE
 *
 * VPID 0xffff and the EPT are the host's; VPID 0 is the shim's, whose CR3 has PCID 0.
 * Linux uses other PCIDs as a rule, so that nothing it does need have dropped those:
 * a change of CR4.PGE drops all of VPID 0, whatever the PCID.
 *
 * Context: on the CPU, in VMX root operation, interrupts off.
 */
void refresh_flush_tags(u64 eptp, u64 cr4)
{
	refresh_invvpid(REFRESH_INV_SINGLE, REFRESH_HOST_VPID);
	refresh_invept(REFRESH_INV_SINGLE, eptp);
	refresh_write_cr4(cr4 ^ X86_CR4_PGE);
	refresh_write_cr4(cr4);
}
