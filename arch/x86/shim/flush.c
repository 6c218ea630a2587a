// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the CPU has cached, when the shim leaves it.
 */
#include "shim.h"
#include "vmx_ops.h"

/* The host's own translations, which are those of one VPID. */
void host_flush_tlb(void)
{
	struct vmx_descriptor desc = { .low = HOST_VPID };

	invvpid(INV_SINGLE, &desc);
}

/*
 * What VPID 0 has cached is from before the launch, and the host has changed its
 * page tables since; toggling PGE drops all of it.  The page of the EPT's root and
 * the VPID can be another hypervisor's afterwards.  What the shim itself caches behind
 * this are addresses that no host uses, and the next launch drops them.
 */
void shim_flush_tlb(const struct shim_part *part)
{
	struct vmx_descriptor desc = { .low = part->eptp };
	u64 cr4 = read_cr4();

	host_flush_tlb();
	invept(INV_SINGLE, &desc);
	load_cr4(cr4 ^ X86_CR4_PGE);
	load_cr4(cr4);
}
