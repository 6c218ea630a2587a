// SPDX-License-Identifier: GPL-2.0-only
/*
 * nvx_pv_test - What Documentation/pv-vmcs-abi.rst promises, rule by rule, each
 * in a VM of its own.  "nvx_pv_test off" checks that the interface is not there.
 */
#include <string.h>

#include <linux/compiler.h>

#include "nvx_pv_checks.h"

#define ERROR_VMRESUME_NONLAUNCHED	5
#define ERROR_UNSUPPORTED_FIELD	12
#define REASON_BAD_GUEST	(BIT(31) | 33)
#define INTERRUPT_FLAG	BIT(9)
#define SYSENTER_EIP	0xfeedul

static void l2_sysenter(void)
{
	for (;;) {
		l2_value = rdmsr(MSR_IA32_SYSENTER_EIP);
		nvx_l2_vmcall();
	}
}

/* L2 loads a register that L1 has not asked for. */
static void l2_own_gs(void)
{
	wrmsr(MSR_GS_BASE, GS_BASE);
	nvx_l2_vmcall();
	l2_gs();
}

static void l2_window(void)
{
	for (;;) {
		l2_value = *nvx_window_gva(0);
		nvx_l2_vmcall();
	}
}

static bool check_discovery(void)
{
	uint32_t eax = NVX_PV_CPUID_BASE, ebx, ecx = 0, edx, sig[3];

	asm volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
	memcpy(sig, NVX_PV_SIGNATURE, sizeof(sig));
	if (eax != NVX_PV_CPUID_FEATURES || ebx != sig[0] || ecx != sig[1] ||
	    edx != sig[2])
		return false;

	eax = NVX_PV_CPUID_FEATURES;
	asm volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
	return eax == NVX_PV_VERSION && ebx & NVX_PV_FEAT_VMCS &&
	       ecx == NVX_PV_REVISION && edx == MSR_NVX_PV_ASSIST &&
	       rdmsr(MSR_NVX_PV_ASSIST) == 0;
}

static bool check_enable(void)
{
	begin(l2_loop);
	return rdmsr(MSR_NVX_PV_ASSIST) == NVX_PV_ASSIST_ENABLE &&
	       pv_assist(vmx)->error == NVX_PV_OK && turns(TURNS);
}

static bool check_basic(void)
{
	begin(l2_loop);
	nvx_l1_restart(l2_other);
	return turn() && l2_value == 0x5a;
}

static bool check_crs(void)
{
	uint64_t old;

	begin(l2_loop);
	old = vmreadz(GUEST_CR0);
	vmwrite(GUEST_CR0, old ^ 8);
	if (!turn() || vmreadz(GUEST_CR0) != (old ^ 8))
		return false;
	vmwrite(GUEST_CR0, old);
	return turn() && vmreadz(GUEST_CR0) == old;
}

static bool check_event(void)
{
	begin(l2_loop);
	vmwrite(GUEST_RFLAGS, vmreadz(GUEST_RFLAGS) | INTERRUPT_FLAG);
	vmwrite(VM_ENTRY_INTR_INFO_FIELD, BIT(31) | INJECTED);
	if (!turn() || l2_interrupts != 1)
		return false;
	/* VM-exit has cleared the valid bit. */
	return !(vmreadz(VM_ENTRY_INTR_INFO_FIELD) & BIT(31)) && turn() &&
	       l2_interrupts == 1;
}

static void l2_ud2(void)
{
	for (;;) {
		asm volatile("ud2");
		nvx_l2_vmcall();
	}
}

static bool check_exec(void)
{
	begin(l2_loop);
	nvx_l1_restart(l2_ud2);
	vmwrite(EXCEPTION_BITMAP, vmreadz(EXCEPTION_BITMAP) | BIT(6));
	nvx_l1_enter();
	return vmreadz(VM_EXIT_REASON) == EXIT_REASON_EXCEPTION_NMI &&
	       (vmreadz(VM_EXIT_INTR_INFO) & 0xff) == 6;
}

static bool check_host_var(void)
{
	begin(l2_loop);
	vmwrite(HOST_RSP, 0x1238);
	return turn() && nvx_exit_rsp == 0x1238;
}

static bool check_host(void)
{
	begin(l2_loop);
	vmwrite(HOST_IA32_SYSENTER_EIP, SYSENTER_EIP);
	return turn() && rdmsr(MSR_IA32_SYSENTER_EIP) == SYSENTER_EIP;
}

static bool check_ctrl(void)
{
	uint64_t old;

	begin(l2_loop);
	old = vmreadz(VIRTUAL_PROCESSOR_ID);
	vmwrite(VIRTUAL_PROCESSOR_ID, old + 1);
	if (!turn())
		return false;
	vmwrite(VIRTUAL_PROCESSOR_ID, 0);	/* VPID 0 is no good */
	if (!nvx_l1_try_enter())
		return false;
	if (vmreadz(VM_INSTRUCTION_ERROR_FIELD) != 7)
		return false;
	vmwrite(VIRTUAL_PROCESSOR_ID, old);
	return turn();
}

static void l2_tsc(void)
{
	for (;;) {
		l2_value = rdtsc();
		nvx_l2_vmcall();
	}
}

static bool check_addr(void)
{
	uint64_t control;

	begin(l2_loop);
	nvx_l1_restart(l2_tsc);
	control = vmreadz(CPU_BASED_VM_EXEC_CONTROL);
	vmwrite(CPU_BASED_VM_EXEC_CONTROL, control | CPU_BASED_USE_TSC_OFFSETTING);
	vmwrite(TSC_OFFSET, BIT(60));
	if (!turn() || l2_value < BIT(60))
		return false;
	vmwrite(TSC_OFFSET, 0);
	return turn() && l2_value < BIT(60);
}

static bool check_msrs(void)
{
	begin(l2_loop);
	nvx_l1_restart(l2_sysenter);
	vmwrite(GUEST_SYSENTER_EIP, GS_BASE);
	return turn() && l2_value == GS_BASE;
}

static bool check_ar(void)
{
	uint64_t old;

	begin(l2_loop);
	old = vmreadz(GUEST_CS_AR_BYTES);
	vmwrite(GUEST_CS_AR_BYTES, old & ~BIT(4));	/* a system segment */
	nvx_l1_enter();
	if (vmreadz(VM_EXIT_REASON) != REASON_BAD_GUEST)
		return false;
	vmwrite(GUEST_CS_AR_BYTES, old);
	return turn();
}

static bool check_segs(void)
{
	begin(l2_loop);
	nvx_l1_restart(l2_gs);
	vmwrite(GUEST_GS_BASE, GS_BASE);
	if (!turn() || l2_value != GS_BASE)
		return false;
	return vmreadz(GUEST_GS_BASE) == GS_BASE;
}

static bool check_segs_not_lost(void)
{
	begin(l2_loop);
	nvx_l1_restart(l2_own_gs);
	if (!turn())
		return false;
	/* Other fields that L0 rarely writes; L2's segments are still L2's. */
	vmwrite(GUEST_SYSENTER_EIP, SYSENTER_EIP);
	return turn() && l2_value == GS_BASE;
}

static bool check_lazy(void)
{
	begin(l2_loop);
	if (!turn() || hdr()->valid & NVX_PV_SEGS)
		return false;
	vmwrite(GUEST_GS_BASE, GS_BASE);	/* completes the group first */
	if (!(hdr()->valid & NVX_PV_SEGS))
		return false;
	if (!turn() || hdr()->valid & NVX_PV_SEGS)
		return false;
	/* Any VMREAD completes it. */
	real_vmread(VM_EXIT_REASON);
	return hdr()->valid == NVX_PV_ALL &&
	       pv_get(pv_region, pv_find(GUEST_GS_BASE)) == GS_BASE;
}

static bool check_dirty_is_cleared(void)
{
	begin(l2_loop);
	vmwrite(HOST_RSP, 0x1240);
	return hdr()->dirty == (NVX_PV_HOST_VAR | NVX_PV_BASIC) && turn() &&
	       hdr()->dirty == NVX_PV_BASIC;
}

static bool check_switch(void)
{
	uint64_t exits;
	int i;

	begin(l2_loop);
	prepare_second();
	pv_load(vmx, region2, region2_gpa);
	vmwrite(VIRTUAL_PROCESSOR_ID, 2);
	nvx_launch = 1;
	nvx_l1_restart(l2_other);
	if (!turn() || l2_value != 0x5a)
		return false;

	GUEST_SYNC(EXITS);
	exits = host_reply;
	for (i = 0; i < TURNS; i++) {
		l2_value = 0;
		pv_load(vmx, vmx->vmcs, vmx->vmcs_gpa);
		if (!turn() || l2_value)
			return false;
		pv_load(vmx, region2, region2_gpa);
		if (!turn() || l2_value != 0x5a)
			return false;
	}
	GUEST_SYNC(EXITS);
	/* An exit and a VMRESUME each, the ucalls, and now and then a page. */
	return host_reply - exits <= 2 * 2 * TURNS + 8;
}

static bool check_unentered_writes_survive(void)
{
	begin(l2_loop);
	prepare_second();
	vmwrite(HOST_RSP, 0x1250);
	pv_load(vmx, region2, region2_gpa);
	nvx_launch = 1;
	if (!turn() || nvx_exit_rsp == 0x1250)
		return false;
	pv_load(vmx, vmx->vmcs, vmx->vmcs_gpa);
	return turn() && nvx_exit_rsp == 0x1250;
}

static void request(uint32_t op, uint64_t eptp)
{
	struct nvx_pv_assist *assist = pv_assist(vmx);
	struct nvx_pv_flush *flush = &assist->flush[assist->nr_flush];

	flush->op = op;
	flush->eptp = eptp;
	flush->vpid = vmreadz(VIRTUAL_PROCESSOR_ID);
	flush->gla = 0;
	WRITE_ONCE(assist->nr_flush, assist->nr_flush + 1);
}

static bool remap_and_flush(uint32_t op)
{
	begin(l2_loop);
	nvx_l1_restart(l2_window);
	*nvx_window_pte(0) = nvx_window_gpa(1) | EPT_WB | EPT_RWX | EPT_A | EPT_D;
	*(volatile uint64_t *)nvx_window_gva(1) = 11;
	*(volatile uint64_t *)nvx_window_gva(2) = 22;
	if (!turns(3) || l2_value != 11)
		return false;
	*nvx_window_pte(0) = nvx_window_gpa(2) | EPT_WB | EPT_RWX | EPT_A | EPT_D;
	request(op, vmreadz(EPT_POINTER));
	return turn() && l2_value == 22 && !pv_assist(vmx)->nr_flush && turns(3);
}

static bool check_invept_context(void)
{
	return remap_and_flush(NVX_PV_INVEPT | 1);
}

static bool check_invept_global(void)
{
	return remap_and_flush(NVX_PV_INVEPT | 2);
}

static bool check_invvpid(void)
{
	begin(l2_loop);
	request(NVX_PV_INVVPID | 1, 0);
	request(NVX_PV_INVVPID | 2, 0);
	request(NVX_PV_INVVPID | 0, 0);
	request(NVX_PV_INVVPID | 3, 0);
	return turns(3) && !pv_assist(vmx)->nr_flush;
}

static bool check_vmclear(void)
{
	uint64_t rip;

	begin(l2_loop);
	rip = vmreadz(GUEST_RIP);
	GUEST_ASSERT(!vmclear(vmx->vmcs_gpa));
	if (hdr()->valid != NVX_PV_ALL || vmreadz(GUEST_RIP) != rip)
		return false;
	if (!nvx_l1_try_enter() ||
	    vmreadz(VM_INSTRUCTION_ERROR_FIELD) != ERROR_VMRESUME_NONLAUNCHED ||
	    real_vmread(VM_INSTRUCTION_ERROR_FIELD) != ERROR_VMRESUME_NONLAUNCHED)
		return false;
	nvx_launch = 1;
	return turns(3);
}

static bool check_vmwrite_fails(void)
{
	begin(l2_loop);
	return (vmwrite)(GUEST_RIP, 0) &&
	       vmreadz(VM_INSTRUCTION_ERROR_FIELD) == ERROR_UNSUPPORTED_FIELD &&
	       real_vmread(VM_INSTRUCTION_ERROR_FIELD) == ERROR_UNSUPPORTED_FIELD &&
	       turns(3);
}

static bool check_vmptrld_fails(void)
{
	begin(l2_loop);
	return vmptrld(vmx->vmcs_gpa) && turns(3);
}

static bool check_save_restore(void)
{
	begin(l2_loop);
	vmwrite(HOST_RSP, 0x1260);		/* dirty while state is saved */
	GUEST_SYNC(SAVE_RESTORE);
	if (!turn() || nvx_exit_rsp != 0x1260)
		return false;
	/* An exit that L1 has seen, a group that it has not. */
	GUEST_SYNC(SAVE_RESTORE);
	vmwrite(GUEST_GS_BASE, GS_BASE);
	nvx_l1_restart(l2_gs);
	return turn() && l2_value == GS_BASE && turns(TURNS);
}

static bool check_save_restore_l2(void)
{
	begin(l2_loop);
	nvx_l1_restart(l2_sync);
	if (!turns(3))
		return false;
	nvx_l1_restart(l2_loop);
	return turns(TURNS);
}

static bool check_save_restore_cleared(void)
{
	begin(l2_loop);
	GUEST_ASSERT(!vmclear(vmx->vmcs_gpa));
	GUEST_SYNC(SAVE_RESTORE);
	nvx_launch = 1;
	return turns(TURNS) && rdmsr(MSR_NVX_PV_ASSIST) == NVX_PV_ASSIST_ENABLE;
}

static bool check_vmxoff(void)
{
	begin(l2_loop);
	GUEST_ASSERT(!vmclear(vmx->vmcs_gpa));
	asm volatile("vmxoff");
	GUEST_ASSERT(!vmxon(vmx->vmxon_gpa));
	if (rdmsr(MSR_NVX_PV_ASSIST))
		return false;
	pv_start(vmx);
	return turns(3);
}

static void l2_reset(void)
{
	nvx_l2_vmcall();
	GUEST_SYNC(RESET);
}

/* User space resets the processor while L2 runs; L1 starts anew. */
static bool check_reset_in_l2(void)
{
	static uint64_t resets;

	if (!resets++) {
		begin(l2_loop);
		nvx_l1_restart(l2_reset);
		turns(2);
		return false;
	}
	if (rdmsr(MSR_NVX_PV_ASSIST))
		return false;
	pv_region = NULL;
	begin(l2_loop);
	return turns(TURNS);
}

static bool check_disable(void)
{
	begin(l2_loop);
	if (wrmsr_safe(MSR_NVX_PV_ASSIST, 0) != GP_VECTOR)
		return false;
	GUEST_ASSERT(!vmclear(vmx->vmcs_gpa));
	if (wrmsr_safe(MSR_NVX_PV_ASSIST, 0))
		return false;
	pv_region = NULL;
	GUEST_ASSERT(!vmptrld(vmx->vmcs_gpa));
	nvx_launch = 1;
	if (!turns(3))
		return false;
	/* Another host, too, finds it off. */
	GUEST_SYNC(SAVE_RESTORE);
	return !rdmsr(MSR_NVX_PV_ASSIST) && turns(3);
}

static const struct pv_check checks[] = {
	{ "discovery", check_discovery },
	{ "enable", check_enable },
	{ "group BASIC", check_basic },
	{ "group CRS", check_crs },
	{ "group EVENT", check_event },
	{ "group EXEC", check_exec },
	{ "group HOST_VAR", check_host_var },
	{ "group HOST", check_host },
	{ "group CTRL", check_ctrl },
	{ "group ADDR", check_addr },
	{ "group MSRS", check_msrs },
	{ "group AR", check_ar },
	{ "group SEGS", check_segs },
	{ "group MSRS does not disturb group SEGS", check_segs_not_lost },
	{ "group SEGS is filled on demand", check_lazy },
	{ "VM-entry clears the dirty bits", check_dirty_is_cleared },
	{ "another VMCS, no exit", check_switch },
	{ "writes before a switch survive it", check_unentered_writes_survive },
	{ "INVEPT, one context", check_invept_context },
	{ "INVEPT, all contexts", check_invept_global },
	{ "INVVPID", check_invvpid },
	{ "VMCLEAR of the current VMCS", check_vmclear },
	{ "VMWRITE fails", check_vmwrite_fails },
	{ "VMPTRLD fails", check_vmptrld_fails },
	{ "save and restore, L1 active", check_save_restore },
	{ "save and restore, L2 active", check_save_restore_l2 },
	{ "save and restore, no VMCS", check_save_restore_cleared },
	{ "VMXOFF ends it", check_vmxoff },
	{ "the MSR ends it", check_disable },
	{ "a reset by user space while L2 runs", check_reset_in_l2 },
};

/* With the parameter off there is nothing. */
static bool check_off(void)
{
	uint32_t eax = NVX_PV_CPUID_BASE, ebx, ecx = 0, edx, sig[3];
	uint64_t value;

	asm volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
	memcpy(sig, NVX_PV_SIGNATURE, sizeof(sig));
	if (ebx == sig[0] || rdmsr_safe(MSR_NVX_PV_ASSIST, &value) != GP_VECTOR)
		return false;

	nvx_l1_init(vmx, l2_loop);
	GUEST_ASSERT(!vmclear(vmx->vmcs_gpa));
	pv_init_assist(vmx);
	pv_init_region(vmx->vmcs);
	if (pv_enable() != GP_VECTOR)
		return false;
	GUEST_ASSERT(!vmptrld(vmx->vmcs_gpa));
	return turns(3);
}

static const struct pv_check off_checks[] = {
	{ "the interface is off", check_off },
};

int main(int argc, char *argv[])
{
	/* Also what stock has to show. */
	if (!nvx_feature("pv") || (argc > 1 && !strcmp(argv[1], "off")))
		pv_run_checks(off_checks, 1, 0, NULL);

	pv_run_checks(checks, ARRAY_SIZE(checks), argc, argv);
}
