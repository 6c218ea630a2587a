// SPDX-License-Identifier: GPL-2.0-only
/*
 * nvx_pv_abuse_test - L1 lies about its VMCS in memory: it gets the error that
 * Documentation/pv-vmcs-abi.rst names, or what it has asked for, and L0 goes on.
 */
#include <string.h>

#include <linux/compiler.h>

#include "nvx_pv_checks.h"

#define NO_MEMORY	0x3f000000000ul		/* no memslot, below 2^46 */

static bool refused(void (*break_it)(struct nvx_pv_assist *), uint32_t error)
{
	nvx_l1_init(vmx, l2_loop);
	GUEST_ASSERT(!vmclear(vmx->vmcs_gpa));
	pv_init_assist(vmx);
	pv_init_region(vmx->vmcs);
	break_it(pv_assist(vmx));
	if (pv_enable() != GP_VECTOR || rdmsr(MSR_NVX_PV_ASSIST) ||
	    pv_assist(vmx)->error != error)
		return false;
	/* And it can still be done right. */
	pv_start(vmx);
	return turns(3);
}

static void bad_magic(struct nvx_pv_assist *assist)
{
	assist->magic ^= 1;
}

static void bad_version(struct nvx_pv_assist *assist)
{
	assist->version++;
}

static void bad_features(struct nvx_pv_assist *assist)
{
	assist->features |= BIT(31);
}

static void no_features(struct nvx_pv_assist *assist)
{
	assist->features = 0;
}

static bool check_assist_magic(void)
{
	return refused(bad_magic, 0);
}

static bool check_assist_version(void)
{
	return refused(bad_version, NVX_PV_E_FEATURES);
}

static bool check_assist_features(void)
{
	return refused(bad_features, NVX_PV_E_FEATURES);
}

static bool check_assist_no_features(void)
{
	return refused(no_features, NVX_PV_E_FEATURES);
}

static bool check_msr_bits(void)
{
	begin(l2_loop);
	GUEST_ASSERT(!vmclear(vmx->vmcs_gpa));
	if (wrmsr_safe(MSR_NVX_PV_ASSIST, 2) != GP_VECTOR ||
	    wrmsr_safe(MSR_NVX_PV_ASSIST, ~0ul) != GP_VECTOR)
		return false;
	nvx_launch = 1;
	return turns(3);
}

static bool check_enable_with_vmcs(void)
{
	nvx_l1_init(vmx, l2_loop);
	pv_init_assist(vmx);
	return pv_enable() == GP_VECTOR && turns(3);
}

static bool check_enable_without_vmx(void)
{
	return pv_enable() == GP_VECTOR;
}

/* VM-entry fails without a current VMCS, and names the reason. */
static bool entry_refused(uint32_t error)
{
	uint64_t launch = nvx_launch;

	if (!nvx_l1_try_enter() || pv_assist(vmx)->error != error)
		return false;
	nvx_launch = launch;
	return true;
}

static bool bad_address(uint64_t gpa, uint32_t error)
{
	begin(l2_loop);
	pv_load(vmx, vmx->vmcs, gpa);
	if (!entry_refused(error) || real_vmread(GUEST_ES_SELECTOR) != ~0ul)
		return false;
	pv_load(vmx, vmx->vmcs, vmx->vmcs_gpa);
	return turns(3);
}

static bool check_no_vmcs(void)
{
	return bad_address(NVX_PV_NO_VMCS, NVX_PV_E_ADDRESS);
}

static bool check_unaligned(void)
{
	return bad_address(vmx->vmcs_gpa + 8, NVX_PV_E_ADDRESS);
}

static bool check_too_high(void)
{
	return bad_address(BIT(52), NVX_PV_E_ADDRESS);
}

static bool check_no_memory(void)
{
	return bad_address(NO_MEMORY, NVX_PV_E_ADDRESS);
}

static bool check_vmxon_region(void)
{
	return bad_address(vmx->vmxon_gpa, NVX_PV_E_ADDRESS);
}

static bool bad_region(size_t offset, uint32_t flip, uint32_t error)
{
	uint32_t *word;

	begin(l2_loop);
	prepare_second();
	word = region2 + offset;
	*word ^= flip;
	pv_load(vmx, region2, region2_gpa);
	nvx_launch = 1;
	if (!entry_refused(error))
		return false;
	*word ^= flip;
	return turns(3);
}

static bool check_region_magic(void)
{
	return bad_region(NVX_PV_OFFSET, 1, NVX_PV_E_MAGIC);
}

static bool check_region_version(void)
{
	return bad_region(NVX_PV_OFFSET + 4, 3, NVX_PV_E_MAGIC);
}

static bool check_region_revision(void)
{
	return bad_region(0, 1, NVX_PV_E_REVISION);
}

static bool check_region_shadow(void)
{
	return bad_region(0, BIT(31), NVX_PV_E_REVISION);
}

static bool check_clean_write_is_ignored(void)
{
	uint64_t old;

	begin(l2_loop);
	old = vmreadz(HOST_RSP);
	pv_set(pv_region, pv_find(HOST_RSP), 0x1270);
	return turn() && nvx_exit_rsp == old;
}

static bool check_dirty_without_write(void)
{
	begin(l2_loop);
	hdr()->dirty = ~0u & ~NVX_PV_SEGS;
	if (!turns(2))
		return false;
	hdr()->dirty = ~0u;
	return turns(3);
}

static bool check_exit_group_is_read_only(void)
{
	begin(l2_loop);
	pv_set(pv_region, pv_find(VM_EXIT_REASON), 0xdead);
	hdr()->dirty |= NVX_PV_EXIT;
	return turn() && vmreadz(VM_EXIT_REASON) == EXIT_REASON_VMCALL;
}

static bool check_invalid_group_is_ignored(void)
{
	begin(l2_loop);
	nvx_l1_restart(l2_gs);
	vmwrite(GUEST_GS_BASE, GS_BASE);
	if (!turn() || l2_value != GS_BASE || hdr()->valid & NVX_PV_SEGS)
		return false;
	pv_set(pv_region, pv_find(GUEST_GS_BASE), 0x666000);
	hdr()->dirty |= NVX_PV_SEGS;
	return turn() && l2_value == GS_BASE;
}

static bool check_valid_that_lies(void)
{
	begin(l2_loop);
	hdr()->valid = 0;
	if (!turn())
		return false;
	hdr()->valid = ~0u;
	return turns(3);
}

static bool check_header_scribbled(void)
{
	begin(l2_loop);
	/* Looked at when the region is loaded, not later. */
	hdr()->magic = 0;
	hdr()->version = 99;
	*(uint32_t *)pv_region = 0;
	if (!turns(3))
		return false;
	GUEST_ASSERT(!vmclear(vmx->vmcs_gpa));
	nvx_launch = 1;
	return entry_refused(NVX_PV_E_REVISION);
}

static bool check_assist_scribbled(void)
{
	begin(l2_loop);
	pv_assist(vmx)->magic = 0;
	pv_assist(vmx)->version = 99;
	return turns(3);
}

static bool check_flush_garbage(void)
{
	struct nvx_pv_assist *assist;
	int i;

	begin(l2_loop);
	assist = pv_assist(vmx);
	WRITE_ONCE(assist->nr_flush, ~0u);
	if (!turn() || assist->nr_flush)
		return false;
	for (i = 0; i < NVX_PV_NR_FLUSH; i++) {
		assist->flush[i].op = i * 0x11111111u;
		assist->flush[i].eptp = ~0ul;
		assist->flush[i].vpid = ~0u;
		assist->flush[i].gla = BIT(63);
	}
	WRITE_ONCE(assist->nr_flush, NVX_PV_NR_FLUSH);
	return turns(3) && !assist->nr_flush;
}

static bool check_vmclear_other(void)
{
	begin(l2_loop);
	prepare_second();
	return !vmclear(region2_gpa) && turns(3) &&
	       vmclear(vmx->vmcs_gpa + 1) && turns(3);
}

static bool check_slot_deleted(void)
{
	begin(l2_loop);
	memcpy(extra, vmx->vmcs, NVX_PV_REGION_SIZE);
	pv_init_region(extra);
	GUEST_ASSERT(!vmclear(EXTRA_GPA));
	pv_load(vmx, extra, EXTRA_GPA);
	nvx_launch = 1;
	if (!turns(3))
		return false;
	GUEST_SYNC(DELETE_SLOT);
	/* pv_region must not be touched: there is no memory. */
	pv_region = NULL;
	if (!entry_refused(NVX_PV_E_ADDRESS))
		return false;
	pv_load(vmx, vmx->vmcs, vmx->vmcs_gpa);
	return turns(3);
}

static bool check_slot_deleted_in_l2(void)
{
	begin(l2_loop);
	memcpy(extra, vmx->vmcs, NVX_PV_REGION_SIZE);
	pv_init_region(extra);
	GUEST_ASSERT(!vmclear(EXTRA_GPA));
	pv_load(vmx, extra, EXTRA_GPA);
	nvx_launch = 1;
	GUEST_SYNC(DELETE_IN_L2);
	if (!turns(3))
		return false;
	nvx_l1_restart(l2_sync);
	host_reply = DELETE_SLOT;
	if (!turn())
		return false;
	/* L2 asks the host, which deletes the slot while L2 is active. */
	nvx_enter(0);
	pv_load(vmx, vmx->vmcs, vmx->vmcs_gpa);
	nvx_l1_restart(l2_loop);
	nvx_launch = 0;
	return turns(3);
}

/* The VMXON region, which is the assist page, in the memslot that goes away. */
static void move_vmxon_region(void)
{
	asm volatile("vmxoff");
	memset(extra, 0, NVX_PV_REGION_SIZE);
	*(uint32_t *)extra = NVX_PV_REVISION;
	vmx->vmxon = extra;
	vmx->vmxon_gpa = EXTRA_GPA;
	pv_region = NULL;
	GUEST_ASSERT(!vmxon(EXTRA_GPA));
	GUEST_ASSERT(!vmptrld(vmx->vmcs_gpa));
	pv_start(vmx);
}

static bool check_vmxon_slot_deleted(void)
{
	begin(l2_loop);
	GUEST_ASSERT(!vmclear(vmx->vmcs_gpa));
	move_vmxon_region();
	if (!turns(3))
		return false;
	GUEST_SYNC(DELETE_SLOT);
	return nvx_l1_try_enter() && nvx_l1_try_enter();
}

static bool check_vmxon_slot_deleted_in_l2(void)
{
	begin(l2_loop);
	GUEST_ASSERT(!vmclear(vmx->vmcs_gpa));
	move_vmxon_region();
	if (!turns(3))
		return false;
	GUEST_SYNC(DELETE_IN_L2);
	nvx_l1_restart(l2_sync);
	if (!turn())
		return false;
	/* Its exit cannot be shown: the region keeps what was there. */
	nvx_enter(0);
	return nvx_l1_try_enter() && nvx_l1_try_enter();
}

static void l2_abandon(void)
{
	nvx_l2_vmcall();
	GUEST_SYNC(ABANDON);
}

static bool check_abandoned(void)
{
	begin(l2_loop);
	nvx_l1_restart(l2_abandon);
	turns(2);
	return false;
}

static const struct pv_check checks[] = {
	{ "assist: bad magic", check_assist_magic },
	{ "assist: bad version", check_assist_version },
	{ "assist: unknown feature", check_assist_features },
	{ "assist: no feature", check_assist_no_features },
	{ "MSR: reserved bits", check_msr_bits },
	{ "MSR: a VMCS is current", check_enable_with_vmcs },
	{ "MSR: not in VMX operation", check_enable_without_vmx },
	{ "region: none", check_no_vmcs },
	{ "region: not aligned", check_unaligned },
	{ "region: beyond MAXPHYADDR", check_too_high },
	{ "region: no memory", check_no_memory },
	{ "region: the VMXON region", check_vmxon_region },
	{ "region: bad magic", check_region_magic },
	{ "region: bad version", check_region_version },
	{ "region: bad revision", check_region_revision },
	{ "region: a shadow VMCS", check_region_shadow },
	{ "a write without its dirty bit does not count", check_clean_write_is_ignored },
	{ "dirty bits without a write", check_dirty_without_write },
	{ "group EXIT is read-only", check_exit_group_is_read_only },
	{ "a group that was not shown cannot be written", check_invalid_group_is_ignored },
	{ "valid bits that lie", check_valid_that_lies },
	{ "header overwritten while in use", check_header_scribbled },
	{ "assist page overwritten while in use", check_assist_scribbled },
	{ "garbage for INVEPT and INVVPID", check_flush_garbage },
	{ "VMCLEAR of others", check_vmclear_other },
	{ "memslot deleted, L1 active", check_slot_deleted },
	{ "memslot deleted, L2 active", check_slot_deleted_in_l2 },
	{ "memslot of the VMXON region deleted, L1 active", check_vmxon_slot_deleted },
	{ "memslot of the VMXON region deleted, L2 active",
	  check_vmxon_slot_deleted_in_l2 },
	{ "process ends with L2 active", check_abandoned, true },
};

int main(int argc, char *argv[])
{
	TEST_REQUIRE(nvx_feature("pv"));
	pv_run_checks(checks, ARRAY_SIZE(checks), argc, argv);
}
