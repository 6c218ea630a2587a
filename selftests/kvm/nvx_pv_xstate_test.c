// SPDX-License-Identifier: GPL-2.0-only
/*
 * nvx_pv_xstate_test - XCR0 and XSS that L0 loads at VM-entry and VM-exit: L2 has
 * its own, L1 has its own again, what XSETBV or WRMSR refuses is refused.
 */
#include <string.h>

#include <linux/compiler.h>

#include "nvx_pv_checks.h"

#define CR4_OSXSAVE	BIT(18)
#define XCR0_FP		0x1ul
#define XCR0_SSE	0x3ul
#define XCR0_AVX	0x7ul
#define EXIT_XSETBV	55
#define REASON_BAD_GUEST	(BIT(31) | 33)

static volatile uint64_t l2_xss;

static uint64_t own_xgetbv(void)
{
	uint32_t eax, edx;

	asm volatile("xgetbv" : "=a"(eax), "=d"(edx) : "c"(0));
	return eax | (uint64_t)edx << 32;
}

static void own_xsetbv(uint64_t value)
{
	asm volatile("xsetbv" : : "a"((uint32_t)value), "d"((uint32_t)(value >> 32)),
		     "c"(0) : "memory");
}

/* Size of the XSAVE area for what XCR0 enables: CPUID.0DH.0:EBX. */
static uint32_t xsave_size(void)
{
	uint32_t eax = 0xd, ebx, ecx = 0, edx;

	asm volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
	return ebx;
}

static void l2_xcr0(void)
{
	for (;;) {
		l2_value = own_xgetbv();
		nvx_l2_vmcall();
	}
}

static void l2_xcr0_sync(void)
{
	for (;;) {
		GUEST_SYNC(SAVE_RESTORE);
		l2_value = own_xgetbv();
		nvx_l2_vmcall();
	}
}

static void l2_xsetbv(void)
{
	for (;;) {
		own_xsetbv(XCR0_SSE);
		nvx_l2_vmcall();
	}
}

static void l2_read_xss(void)
{
	for (;;) {
		l2_xss = rdmsr(MSR_IA32_XSS);
		l2_value = own_xgetbv();
		nvx_l2_vmcall();
	}
}

static void begin_with(void *l2, uint64_t own)
{
	uint64_t cr4;

	asm volatile("mov %%cr4, %0" : "=r"(cr4));
	asm volatile("mov %0, %%cr4" : : "r"(cr4 | CR4_OSXSAVE));
	own_xsetbv(own);
	pv_features |= NVX_PV_FEAT_XSTATE;
	begin(l2_loop);
	nvx_l1_restart(l2);
}

static void pair(uint64_t guest, uint64_t host)
{
	hdr()->xcr0.guest = guest;
	hdr()->xcr0.host = host;
	WRITE_ONCE(hdr()->load, NVX_PV_LOAD_XCR0);
}

/* L2 runs with one value, L1 goes on with the other. */
static bool runs_with(uint64_t guest, uint64_t host)
{
	l2_value = ~0ul;
	return turn() && l2_value == guest && own_xgetbv() == host;
}

static bool check_pair(void)
{
	uint32_t size;
	int i;

	begin_with(l2_xcr0, XCR0_AVX);
	size = xsave_size();
	if (!runs_with(XCR0_AVX, XCR0_AVX))
		return false;
	pair(XCR0_FP, XCR0_AVX);
	for (i = 0; i < TURNS; i++)
		if (!runs_with(XCR0_FP, XCR0_AVX) || xsave_size() != size)
			return false;
	return true;
}

/* What L1 puts down counts from the next VM-entry on. */
static bool check_changes(void)
{
	begin_with(l2_xcr0, XCR0_AVX);
	pair(XCR0_FP, XCR0_AVX);
	if (!runs_with(XCR0_FP, XCR0_AVX))
		return false;
	pair(XCR0_SSE, XCR0_AVX);
	if (!runs_with(XCR0_SSE, XCR0_AVX))
		return false;
	WRITE_ONCE(hdr()->load, 0);
	if (!runs_with(XCR0_AVX, XCR0_AVX))
		return false;
	pair(XCR0_AVX, XCR0_AVX);
	return runs_with(XCR0_AVX, XCR0_AVX);
}

/* The value after the exit need not be that of before the entry. */
static bool check_other_host(void)
{
	uint32_t size;

	begin_with(l2_xcr0, XCR0_SSE);
	size = xsave_size();
	pair(XCR0_FP, XCR0_AVX);
	return runs_with(XCR0_FP, XCR0_AVX) && xsave_size() > size &&
	       (pair(XCR0_FP, XCR0_SSE), runs_with(XCR0_FP, XCR0_SSE)) &&
	       xsave_size() == size;
}

static bool refused(void)
{
	l2_value = ~0ul;
	pv_assist(vmx)->error = 0;
	return nvx_l1_try_enter() && pv_assist(vmx)->error == NVX_PV_E_LOAD &&
	       l2_value == ~0ul && own_xgetbv() == XCR0_AVX;
}

static bool bad_pair(uint64_t guest, uint64_t host)
{
	pair(guest, host);
	if (!refused())
		return false;
	/* Nothing is lost: a good value, and on. */
	pair(XCR0_FP, XCR0_AVX);
	return runs_with(XCR0_FP, XCR0_AVX);
}

static bool check_bad_xcr0(void)
{
	begin_with(l2_xcr0, XCR0_AVX);
	return bad_pair(0, XCR0_AVX) && bad_pair(XCR0_FP, 0) &&
	       bad_pair(0x5, XCR0_AVX) && bad_pair(XCR0_AVX, 0x5) &&
	       bad_pair(0x2, XCR0_AVX) && bad_pair(BIT(63) | 1, XCR0_AVX) &&
	       bad_pair(BIT(19) | 7, XCR0_AVX) && bad_pair(~0ul, ~0ul) &&
	       bad_pair(0x27, XCR0_AVX) && bad_pair(0xe3, XCR0_AVX) &&
	       bad_pair(0xf, XCR0_AVX);
}

/* On KVM's own path too: a VMLAUNCH never has the short form. */
static bool check_bad_launch(void)
{
	begin_with(l2_xcr0, XCR0_AVX);
	GUEST_ASSERT(!vmclear(vmx->vmcs_gpa));
	nvx_launch = 1;
	pair(0, XCR0_AVX);
	if (!refused())
		return false;
	pair(XCR0_SSE, XCR0_AVX);
	return runs_with(XCR0_SSE, XCR0_AVX);
}

static bool check_unknown_bit(void)
{
	begin_with(l2_xcr0, XCR0_AVX);
	WRITE_ONCE(hdr()->load, BIT(31));
	if (!refused())
		return false;
	WRITE_ONCE(hdr()->load, 0);
	return runs_with(XCR0_AVX, XCR0_AVX);
}

static bool check_not_asked(void)
{
	uint64_t cr4;

	asm volatile("mov %%cr4, %0" : "=r"(cr4));
	asm volatile("mov %0, %%cr4" : : "r"(cr4 | CR4_OSXSAVE));
	own_xsetbv(XCR0_AVX);
	begin(l2_loop);
	nvx_l1_restart(l2_xcr0);
	pair(XCR0_FP, XCR0_AVX);
	return runs_with(XCR0_AVX, XCR0_AVX);
}

/* XSETBV would be #UD. */
static bool check_osxsave(void)
{
	uint64_t cr4;

	begin_with(l2_xcr0, XCR0_AVX);
	asm volatile("mov %%cr4, %0" : "=r"(cr4));
	asm volatile("mov %0, %%cr4" : : "r"(cr4 & ~CR4_OSXSAVE));
	pair(XCR0_FP, XCR0_AVX);
	l2_value = ~0ul;
	if (!nvx_l1_try_enter() || pv_assist(vmx)->error != NVX_PV_E_LOAD ||
	    l2_value != ~0ul)
		return false;
	asm volatile("mov %0, %%cr4" : : "r"(cr4));
	return runs_with(XCR0_FP, XCR0_AVX);
}

/* A VM-entry that fails later loads nothing. */
static bool check_failed_entry(void)
{
	uint64_t old;

	begin_with(l2_xcr0, XCR0_AVX);
	old = vmreadz(GUEST_CS_AR_BYTES);
	pair(XCR0_FP, XCR0_AVX);
	vmwrite(GUEST_CS_AR_BYTES, old & ~BIT(4));
	nvx_l1_enter();
	if (vmreadz(VM_EXIT_REASON) != REASON_BAD_GUEST || own_xgetbv() != XCR0_AVX)
		return false;
	vmwrite(GUEST_CS_AR_BYTES, old);
	return runs_with(XCR0_FP, XCR0_AVX);
}

/* XSETBV of L2 exits to L1 with L1's value loaded, and L1 answers. */
static bool check_l2_xsetbv(void)
{
	begin_with(l2_xsetbv, XCR0_AVX);
	pair(XCR0_FP, XCR0_AVX);
	nvx_l1_enter();
	if (vmreadz(VM_EXIT_REASON) != EXIT_XSETBV || own_xgetbv() != XCR0_AVX)
		return false;
	nvx_l1_skip_instruction();
	nvx_l1_restart(l2_xcr0);
	pair(XCR0_SSE, XCR0_AVX);
	return runs_with(XCR0_SSE, XCR0_AVX);
}

/* The other level's CR4.OSXSAVE: KVM's own path, and CPUID stays L1's. */
static bool check_l2_without_osxsave(void)
{
	uint32_t size;
	uint64_t cr4;

	begin_with(l2_other, XCR0_AVX);
	size = xsave_size();
	cr4 = vmreadz(GUEST_CR4);
	vmwrite(GUEST_CR4, cr4 & ~CR4_OSXSAVE);
	pair(XCR0_FP, XCR0_AVX);
	if (!turns(3) || own_xgetbv() != XCR0_AVX || xsave_size() != size)
		return false;
	vmwrite(GUEST_CR4, cr4);
	nvx_l1_restart(l2_xcr0);
	return runs_with(XCR0_FP, XCR0_AVX) && xsave_size() == size;
}

static bool has_xsaves(void)
{
	uint32_t eax = 0xd, ebx, ecx = 1, edx;

	asm volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
	return eax & BIT(3);
}

static bool check_xss(void)
{
	if (!has_xsaves()) {
		/* There is no such MSR. */
		begin_with(l2_xcr0, XCR0_AVX);
		memset(&hdr()->xss, 0, sizeof(hdr()->xss));
		WRITE_ONCE(hdr()->load, NVX_PV_LOAD_XSS);
		return refused();
	}
	begin_with(l2_read_xss, XCR0_AVX);
	l2_xss = ~0ul;
	memset(&hdr()->xss, 0, sizeof(hdr()->xss));
	WRITE_ONCE(hdr()->load, NVX_PV_LOAD_XSS);
	if (!runs_with(XCR0_AVX, XCR0_AVX) || l2_xss || rdmsr(MSR_IA32_XSS))
		return false;
	/* A bit that no CPU has. */
	hdr()->xss.guest = BIT(62);
	if (!refused())
		return false;
	hdr()->xss.guest = 0;
	hdr()->xss.host = BIT(62);
	if (!refused())
		return false;
	WRITE_ONCE(hdr()->load, 0);
	return runs_with(XCR0_AVX, XCR0_AVX);
}

static bool check_save_restore_l2(void)
{
	uint32_t size;
	int i;

	begin_with(l2_xcr0_sync, XCR0_AVX);
	size = xsave_size();
	pair(XCR0_FP, XCR0_AVX);
	for (i = 0; i < 3; i++)
		if (!runs_with(XCR0_FP, XCR0_AVX) || xsave_size() != size)
			return false;
	nvx_l1_restart(l2_xcr0);
	for (i = 0; i < TURNS; i++)
		if (!runs_with(XCR0_FP, XCR0_AVX) || xsave_size() != size)
			return false;
	return true;
}

static bool check_save_restore_l1(void)
{
	begin_with(l2_xcr0, XCR0_AVX);
	pair(XCR0_FP, XCR0_AVX);
	if (!runs_with(XCR0_FP, XCR0_AVX))
		return false;
	GUEST_SYNC(SAVE_RESTORE);
	return own_xgetbv() == XCR0_AVX && runs_with(XCR0_FP, XCR0_AVX);
}

static bool check_vmxoff(void)
{
	begin_with(l2_xcr0, XCR0_AVX);
	pair(XCR0_FP, XCR0_AVX);
	if (!runs_with(XCR0_FP, XCR0_AVX))
		return false;
	GUEST_ASSERT(!vmclear(vmx->vmcs_gpa));
	asm volatile("vmxoff");
	return own_xgetbv() == XCR0_AVX;
}

/* Exits of TURNS exits of L2, all with another XCR0. */
static uint64_t exits_of_turns(bool by_l1)
{
	uint64_t exits;
	int i;

	GUEST_SYNC(EXITS);
	exits = host_reply;
	for (i = 0; i < TURNS; i++) {
		if (by_l1)
			own_xsetbv(XCR0_FP);
		GUEST_ASSERT(turn());
		if (by_l1)
			own_xsetbv(XCR0_AVX);
		GUEST_ASSERT(l2_value == XCR0_FP);
	}
	GUEST_SYNC(EXITS);
	return host_reply - exits;
}

static bool check_exits(void)
{
	uint64_t with, without;

	begin_with(l2_xcr0, XCR0_AVX);
	without = exits_of_turns(true);
	pair(XCR0_FP, XCR0_AVX);
	GUEST_ASSERT(turns(3));
	with = exits_of_turns(false);
	/* VMCALL and VMRESUME, the ucalls; and two XSETBVs each. */
	return without >= 4 * TURNS && with <= 2 * TURNS + 4;
}

static const struct pv_check checks[] = {
	{ "XCR0 of L2, XCR0 of L1", check_pair },
	{ "XCR0 changed, removed, put back", check_changes },
	{ "XCR0 of L1 another one than before", check_other_host },
	{ "XCR0 that XSETBV refuses", check_bad_xcr0 },
	{ "XCR0 that XSETBV refuses, VMLAUNCH", check_bad_launch },
	{ "a bit without a meaning", check_unknown_bit },
	{ "feature not asked for", check_not_asked },
	{ "L1 without CR4.OSXSAVE", check_osxsave },
	{ "VM-entry that fails", check_failed_entry },
	{ "XSETBV of L2", check_l2_xsetbv },
	{ "L2 without CR4.OSXSAVE", check_l2_without_osxsave },
	{ "XSS", check_xss },
	{ "save and restore, L2 active", check_save_restore_l2 },
	{ "save and restore, L1 active", check_save_restore_l1 },
	{ "VMXOFF", check_vmxoff },
	{ "exits", check_exits },
};

int main(int argc, char *argv[])
{
	/* "force" asks for what is not offered, and fails. */
	if (argc > 1 && !strcmp(argv[1], "force"))
		argc = 1;
	else
		TEST_REQUIRE(nvx_feature("pv_xstate"));
	TEST_REQUIRE(kvm_cpu_has(X86_FEATURE_XSAVE));
	pv_run_checks(checks, ARRAY_SIZE(checks), argc, argv);
}
