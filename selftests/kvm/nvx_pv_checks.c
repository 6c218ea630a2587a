// SPDX-License-Identifier: GPL-2.0-only
/* Shared by nvx_pv_test and nvx_pv_abuse_test; see nvx_pv_checks.h. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include <linux/compiler.h>

#include "nvx_pv_checks.h"

#define EXTRA_SLOT	11
/* In one run of all checks of a program, with room. */
#define MOST_FLUSHES	10000u

volatile uint64_t l2_value, l2_interrupts;
uint64_t host_reply, region2_gpa;
struct vmx_pages *vmx;
void *region2, *extra;

/* Set by the host. */
static uint64_t wanted;
static const struct pv_check *all_checks;

void l2_loop(void)
{
	for (;;)
		nvx_l2_vmcall();
}

void l2_other(void)
{
	for (;;) {
		l2_value = 0x5a;
		nvx_l2_vmcall();
	}
}

void l2_gs(void)
{
	for (;;) {
		l2_value = rdmsr(MSR_GS_BASE);
		nvx_l2_vmcall();
	}
}

void l2_sync(void)
{
	for (;;) {
		nvx_l2_vmcall();
		GUEST_SYNC(SAVE_RESTORE);
	}
}

static void l2_interrupt_handler(struct ex_regs *regs)
{
	l2_interrupts++;
}

bool turn(void)
{
	nvx_l1_enter();
	if (vmreadz(VM_EXIT_REASON) != EXIT_REASON_VMCALL)
		return false;
	nvx_l1_skip_instruction();
	return true;
}

bool turns(int n)
{
	while (n--)
		if (!turn())
			return false;
	return true;
}

void begin(void *l2)
{
	nvx_use_pv = 1;
	nvx_l1_init(vmx, l2);
	/* L2 reads its MSRs without an exit to L1. */
	vmwrite(CPU_BASED_VM_EXEC_CONTROL, vmreadz(CPU_BASED_VM_EXEC_CONTROL) |
		CPU_BASED_USE_MSR_BITMAPS);
	vmwrite(MSR_BITMAP, vmx->msr_gpa);
	GUEST_ASSERT(turns(3));
}

struct nvx_pv_vmcs_hdr *hdr(void)
{
	return pv_hdr(pv_region);
}

/* VMREAD that does not look into the page. */
uint64_t real_vmread(uint64_t encoding)
{
	uint64_t value = 0;

	return vmread(encoding, &value) ? ~0ul : value;
}

void prepare_second(void)
{
	memcpy(region2, vmx->vmcs, NVX_PV_REGION_SIZE);
	pv_init_region(region2);
	GUEST_ASSERT(!vmclear(region2_gpa));
}

static void l1_guest_code(struct vmx_pages *pages)
{
	bool passed;

	vmx = pages;
	passed = all_checks[wanted].run();
	GUEST_SYNC(1000 + passed);
	GUEST_DONE();
}

static void add_extra(struct nvx_vm *v)
{
	vm_userspace_mem_region_add(v->vm, VM_MEM_SRC_ANONYMOUS, EXTRA_GPA,
				    EXTRA_SLOT, 1, 0);
}

/* As another CPU of L1 would, while L2 runs. */
static void *clear_deleg(void *hdr_hva)
{
	struct nvx_pv_vmcs_hdr *hdr = hdr_hva;

	usleep(20000);
	WRITE_ONCE(hdr->deleg, 0);
	return NULL;
}

static void revoke_soon(struct nvx_vm *v, pthread_t *thread)
{
	void *hdr = v->vmx->vmcs_hva + NVX_PV_OFFSET;

	TEST_ASSERT(!pthread_create(thread, NULL, clear_deleg, hdr),
		    "Cannot create a thread");
}

struct run {
	struct nvx_vm v;
	pthread_t thread;
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	bool revoked, in_l2, passed;
};

/* As a VMM resets a processor: no new vCPU. */
static void reset(struct run *r)
{
	struct kvm_nested_state off = {
		.size = sizeof(off),
		.format = KVM_STATE_NESTED_FORMAT_VMX,
		.hdr.vmx.vmxon_pa = -1ull,
		.hdr.vmx.vmcs12_pa = -1ull,
	};

	vcpu_nested_state_set(r->v.vcpu, &off);
	vcpu_sregs_set(r->v.vcpu, &r->sregs);
	vcpu_regs_set(r->v.vcpu, &r->regs);
}

/* What L1 asks for. */
static void serve(struct run *r, uint64_t stage)
{
	struct nvx_vm *v = &r->v;
	uint64_t exits;

	switch (stage) {
	case SAVE_RESTORE:
		if (r->in_l2)
			vm_mem_region_delete(v->vm, EXTRA_SLOT);
		else
			nvx_save_restore(v);
		break;
	case DELETE_SLOT:
		vm_mem_region_delete(v->vm, EXTRA_SLOT);
		break;
	case DELETE_IN_L2:
		r->in_l2 = true;
		break;
	case EXITS:
		exits = nvx_exits(v->vcpu);
		memcpy(addr_gva2hva(v->vm, (vm_vaddr_t)&host_reply), &exits,
		       sizeof(exits));
		break;
	case ABANDON:
		/* Some memory has changed since it was mapped, and goes. */
		madvise(addr_gpa2hva(v->vm, WINDOW_GPA), 4096, MADV_DONTNEED);
		_exit(0);
	case RESET:
		reset(r);
		break;
	case REVOKE:
		revoke_soon(v, &r->thread);
		r->revoked = true;
		break;
	default:
		r->passed = stage == 1001;
		break;
	}
}

static bool run_check(unsigned int index)
{
	struct run r = { };
	uint64_t stage;
	vm_vaddr_t page;

	wanted = index;
	nvx_vm_create(&r.v, l1_guest_code);
	vm_install_exception_handler(r.v.vm, INJECTED, l2_interrupt_handler);
	add_extra(&r.v);
	virt_map(r.v.vm, EXTRA_GPA, EXTRA_GPA, 1);
	extra = (void *)EXTRA_GPA;
	page = vm_vaddr_alloc_page(r.v.vm);
	region2 = (void *)page;
	region2_gpa = addr_gva2gpa(r.v.vm, page);
	sync_global_to_guest(r.v.vm, all_checks);
	sync_global_to_guest(r.v.vm, wanted);
	sync_global_to_guest(r.v.vm, extra);
	sync_global_to_guest(r.v.vm, region2);
	sync_global_to_guest(r.v.vm, region2_gpa);

	vcpu_regs_get(r.v.vcpu, &r.regs);
	vcpu_sregs_get(r.v.vcpu, &r.sregs);
	while (nvx_run(&r.v, &stage))
		serve(&r, stage);
	if (r.revoked)
		pthread_join(r.thread, NULL);
	nvx_vm_destroy(&r.v);
	return r.passed;
}

/* In a process of its own, which leaves the VM to the kernel. */
static bool run_abandoned(unsigned int index)
{
	pid_t pid = fork();
	int status;

	TEST_ASSERT(pid >= 0, "fork() failed");
	if (!pid) {
		run_check(index);
		_exit(1);
	}
	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
	       !WEXITSTATUS(status);
}

/* Run all checks, or the one whose number is the argument, counted from 0. */
void pv_run_checks(const struct pv_check *checks, unsigned int nr, int argc,
		   char *argv[])
{
	unsigned int first = 0, last = nr - 1, i;
	uint64_t flushes;

	if (argc > 1) {
		first = strtoul(argv[1], NULL, 10);
		TEST_ASSERT(first <= last, "There is no check %s", argv[1]);
		last = first;
	}
	TEST_REQUIRE(kvm_cpu_has(X86_FEATURE_VMX));
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_NESTED_STATE));
	TEST_REQUIRE(nvx_param("ept"));
	TEST_REQUIRE(nvx_param("unrestricted_guest"));

	all_checks = checks;
	setlinebuf(stdout);
	ksft_print_header();
	ksft_set_plan(last - first + 2);
	flushes = nvx_counter("pv_flush");
	for (i = first; i <= last; i++) {
		ksft_print_msg("%u: %s\n", i, checks[i].name);
		nvx_result(checks[i].abandoned ? run_abandoned(i) : run_check(i),
			   "%s", checks[i].name);
	}
	/* What L1 makes up is not what L0 has done. */
	flushes = nvx_counter("pv_flush") - flushes;
	nvx_result(flushes <= MOST_FLUSHES, "counter pv_flush: %lu, at most %u",
		   flushes, MOST_FLUSHES);
	ksft_finished();
}
