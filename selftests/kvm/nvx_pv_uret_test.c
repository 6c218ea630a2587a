// SPDX-License-Identifier: GPL-2.0-only
/*
 * nvx_pv_uret_test - MSRs that L0 loads at VM-entry, and gives back by one WRMSR:
 * each of them, refused values, order, save and restore, exits.
 */
#include <string.h>

#include <linux/compiler.h>

#include "nvx_pv_checks.h"

#define CANONICAL	0xffffffff81000000ul
#define NONCANONICAL	BIT(62)
#define NR		4

static const uint32_t indices[NR] = {
	MSR_TSC_AUX, MSR_LSTAR, MSR_STAR, MSR_SYSCALL_MASK,
};

static volatile uint64_t l2_msrs[NR];

static void read_msrs(volatile uint64_t *values)
{
	int i;

	for (i = 0; i < NR; i++)
		values[i] = rdmsr(indices[i]);
}

static void l2_read(void)
{
	for (;;) {
		read_msrs(l2_msrs);
		nvx_l2_vmcall();
	}
}

static void l2_read_sync(void)
{
	for (;;) {
		GUEST_SYNC(SAVE_RESTORE);
		read_msrs(l2_msrs);
		nvx_l2_vmcall();
	}
}

static uint64_t guest_value(int i)
{
	return indices[i] == MSR_LSTAR ? CANONICAL : 0x100 + i;
}

static uint64_t host_value(int i)
{
	return indices[i] == MSR_LSTAR ? CANONICAL + 0x1000 : 0x200 + i;
}

static void start(void *l2)
{
	int i;

	pv_features |= NVX_PV_FEAT_URET;
	for (i = 0; i < NR; i++)
		wrmsr(indices[i], host_value(i));
	begin(l2_loop);
	nvx_l1_restart(l2);
}

static void put(int nr)
{
	struct nvx_pv_assist *assist = pv_assist(vmx);
	int i;

	for (i = 0; i < nr; i++) {
		assist->uret[i].index = indices[i];
		assist->uret[i].guest = guest_value(i);
		assist->uret[i].host = host_value(i);
	}
	WRITE_ONCE(assist->msr_load, BIT(nr) - 1);
}

static bool have(const volatile uint64_t *values, int nr)
{
	int i;

	for (i = 0; i < NR; i++)
		if (values[i] != (i < nr ? guest_value(i) : host_value(i)))
			return false;
	return true;
}

/* Does L1 see what it expects, the first @nr of L2? */
static bool l1_has(int nr)
{
	uint64_t values[NR];

	read_msrs(values);
	return have(values, nr);
}

static bool l2_has(int nr)
{
	memset((void *)l2_msrs, 0xff, sizeof(l2_msrs));
	return turn() && have(l2_msrs, nr);
}

static uint8_t give_back(uint64_t mask)
{
	return wrmsr_safe(MSR_NVX_PV_RESTORE, mask);
}

static bool check_load(void)
{
	int nr;

	start(l2_read);
	for (nr = 1; nr <= NR; nr++) {
		put(nr);
		/* Not before VM-entry, and once. */
		if (!l1_has(0) || !l2_has(nr) || pv_assist(vmx)->msr_load ||
		    !l1_has(nr) || !l2_has(nr))
			return false;
		if (give_back(BIT(nr) - 1) || !l1_has(0) || !l2_has(0))
			return false;
	}
	return true;
}

static bool check_launch(void)
{
	start(l2_read);
	GUEST_ASSERT(!vmclear(vmx->vmcs_gpa));
	nvx_launch = 1;
	put(NR);
	return l2_has(NR) && !give_back(BIT(NR) - 1) && l1_has(0);
}

static bool check_some_back(void)
{
	start(l2_read);
	put(NR);
	if (!l2_has(NR) || give_back(BIT(NR) - 2))
		return false;
	return l1_has(1) && l2_has(1) && !give_back(1) && l1_has(0);
}

/* Entry 2 is bad: those before it are loaded, it and those after it are not. */
static bool refused(uint32_t index, uint64_t value)
{
	struct nvx_pv_assist *assist = pv_assist(vmx);

	put(NR);
	assist->uret[2].index = index;
	assist->uret[2].guest = value;
	assist->error = 0;
	if (!nvx_l1_try_enter() || assist->error != NVX_PV_E_LOAD ||
	    assist->msr_load != (BIT(2) | BIT(3)) || !l1_has(2))
		return false;
	/* L1 thinks better of it. */
	put(NR);
	return l2_has(NR) && !give_back(BIT(NR) - 1) && l1_has(0);
}

static bool check_refused(void)
{
	start(l2_read);
	return refused(MSR_LSTAR, NONCANONICAL) && refused(MSR_TSC_AUX, BIT(32)) &&
	       refused(MSR_EFER, 0) && refused(0, 0) && refused(~0u, 0) &&
	       refused(MSR_IA32_APICBASE, 0) && refused(MSR_NVX_PV_ASSIST, 0);
}

static bool check_unknown_bits(void)
{
	struct nvx_pv_assist *assist = pv_assist(vmx);

	start(l2_read);
	put(0);
	WRITE_ONCE(assist->msr_load, BIT(NVX_PV_NR_URET));
	if (!nvx_l1_try_enter() || assist->error != NVX_PV_E_LOAD)
		return false;
	WRITE_ONCE(assist->msr_load, 0);
	return l2_has(0) && give_back(BIT(NVX_PV_NR_URET)) == GP_VECTOR &&
	       give_back(BIT(63)) == GP_VECTOR && l1_has(0);
}

static bool check_bad_host(void)
{
	start(l2_read);
	put(NR);
	pv_assist(vmx)->uret[1].host = NONCANONICAL;
	return l2_has(NR) && give_back(BIT(1)) == GP_VECTOR && l1_has(NR) &&
	       (put(NR), !give_back(BIT(NR) - 1)) && l1_has(0);
}

static bool check_restore_alone(void)
{
	uint64_t value;

	start(l2_read);
	if (rdmsr_safe(MSR_NVX_PV_RESTORE, &value) != GP_VECTOR || give_back(0))
		return false;
	GUEST_ASSERT(!vmclear(vmx->vmcs_gpa));
	asm volatile("vmxoff");
	return give_back(0) == GP_VECTOR;
}

static bool check_not_asked(void)
{
	int i;

	for (i = 0; i < NR; i++)
		wrmsr(indices[i], host_value(i));
	begin(l2_loop);
	nvx_l1_restart(l2_read);
	put(NR);
	return l2_has(0) && give_back(1) == GP_VECTOR;
}

static bool check_save_restore(void)
{
	start(l2_read_sync);
	put(NR);
	if (!l2_has(NR))			/* saved while L2 ran */
		return false;
	nvx_l1_restart(l2_read);
	GUEST_SYNC(SAVE_RESTORE);		/* loaded */
	if (!l1_has(NR) || give_back(BIT(NR) - 1) || !l1_has(0))
		return false;
	put(NR);
	GUEST_SYNC(SAVE_RESTORE);		/* waiting */
	return l1_has(0) && l2_has(NR) && !give_back(BIT(NR) - 1) && l1_has(0);
}

/* Exits of TURNS round trips with @nr MSRs, by WRMSR or as above. */
static uint64_t exits_of_turns(int nr, bool by_l1)
{
	uint64_t exits;
	int i, j;

	GUEST_SYNC(EXITS);
	exits = host_reply;
	for (i = 0; i < TURNS; i++) {
		if (by_l1)
			for (j = 0; j < nr; j++)
				wrmsr(indices[j], guest_value(j));
		else
			put(nr);
		GUEST_ASSERT(turn());
		if (by_l1)
			for (j = 0; j < nr; j++)
				wrmsr(indices[j], host_value(j));
		else
			GUEST_ASSERT(!give_back(BIT(nr) - 1));
	}
	GUEST_SYNC(EXITS);
	return host_reply - exits;
}

static bool check_exits(void)
{
	uint64_t with, without;
	int nr;

	start(l2_loop);
	for (nr = 1; nr <= NR; nr *= 2) {
		exits_of_turns(nr, true);
		without = exits_of_turns(nr, true);
		exits_of_turns(nr, false);
		with = exits_of_turns(nr, false);
		/* VMCALL and VMRESUME, then the WRMSRs; and the ucalls. */
		if (without < (2 + 2 * nr) * TURNS || with > 3 * TURNS + 4)
			return false;
	}
	return true;
}

static const struct pv_check checks[] = {
	{ "loaded at VM-entry, given back", check_load },
	{ "VMLAUNCH", check_launch },
	{ "given back one by one", check_some_back },
	{ "values and MSRs that are refused", check_refused },
	{ "bits without an entry", check_unknown_bits },
	{ "a bad value to give back", check_bad_host },
	{ "the MSR that gives back", check_restore_alone },
	{ "feature not asked for", check_not_asked },
	{ "save and restore", check_save_restore },
	{ "exits with 1, 2, 4 MSRs", check_exits },
};

int main(int argc, char *argv[])
{
	/* "force" asks for what is not offered, and fails. */
	if (argc > 1 && !strcmp(argv[1], "force"))
		argc = 1;
	else
		TEST_REQUIRE(nvx_feature("pv_uret"));
	pv_run_checks(checks, ARRAY_SIZE(checks), argc, argv);
}
