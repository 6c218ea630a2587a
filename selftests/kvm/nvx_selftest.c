// SPDX-License-Identifier: GPL-2.0-only
/* Shared parts of the nvx tests; see nvx_selftest.h. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "nvx_pv.h"

#define L2_STACK_WORDS	128
#define SECOND_VPID	BIT(5)
#define SECOND_UG	BIT(7)
#define ENTRY_DEBUG	BIT(2)

/* All of these are in guest memory. */
uint64_t nvx_launch, nvx_use_pv;

/* For nvx_vm_create(): the guest may use MWAIT. */
bool nvx_mwait_in_guest;

static uint64_t l2_stack[L2_STACK_WORDS];

/* L2's registers while L1 runs, as nvx_enter.S lays them out. */
uint64_t nvx_l2_regs[15];

/* RSP of L1 at its entry of L2, and what the CPU loaded at the exit. */
uint64_t nvx_l1_rsp, nvx_exit_rsp;

static bool read_file(const char *path, char *text, size_t size)
{
	ssize_t n;
	int fd;

	fd = open(path, O_RDONLY);
	if (fd < 0)
		return false;

	n = read(fd, text, size - 1);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	return n > 0;
}

/* Is a boolean parameter of kvm_intel on?  Stock modules do not have ours. */
bool nvx_param(const char *name)
{
	char path[128], text[16];

	snprintf(path, sizeof(path), "/sys/module/kvm_intel/parameters/%s", name);
	return read_file(path, text, sizeof(text)) && text[0] == 'Y';
}

/* Is a feature of nvx in effect?  Stock modules have none. */
bool nvx_feature(const char *name)
{
	char text[512], *rest = text, *word;

	if (!read_file("/sys/module/kvm_intel/parameters/nvx_features", text, sizeof(text)))
		return false;
	while ((word = strsep(&rest, ",\n")))
		if (!strcmp(word, name))
			return true;
	return false;
}

/* Does the lab run on the emulator that it takes where it cannot build its own? */
bool nvx_old_emulator(void)
{
	const char *emulator = getenv("EMULATOR");

	return emulator && !strcmp(emulator, "distribution");
}

/*
 * Value of a counter in debugfs kvm/nvx/.  Stock modules have none: they have
 * counted nothing.  A name that nvx does not know is a mistake of the test.
 */
uint64_t nvx_counter(const char *name)
{
	char path[128], text[32];

	if (access("/sys/module/kvm_intel/parameters/nvx", F_OK))
		return 0;

	snprintf(path, sizeof(path), "/sys/kernel/debug/kvm/nvx/%s", name);
	TEST_ASSERT(read_file(path, text, sizeof(text)), "No counter %s", path);
	return strtoull(text, NULL, 10);
}

/* Give L1 a view of the page table that maps the window, emptied. */
static void expose_window_pt(struct nvx_vm *v)
{
	uint64_t *table = v->vmx->eptp_hva, entry = 0;
	int level;

	for (level = 4; level > 1; level--) {
		entry = table[(WINDOW_GPA >> (12 + 9 * (level - 1))) & 511];
		entry &= 0x000ffffffffff000ul;
		table = addr_gpa2hva(v->vm, entry);
	}
	memset(table, 0, WINDOW_PAGES * sizeof(table[0]));
	virt_pg_map(v->vm, WINDOW_PT_GVA, entry);
}

void nvx_vm_create(struct nvx_vm *v, void *l1_guest_code)
{
	if (nvx_mwait_in_guest) {
		v->vm = vm_create(1);
		vm_enable_cap(v->vm, KVM_CAP_X86_DISABLE_EXITS,
			      KVM_X86_DISABLE_EXITS_MWAIT);
		v->vcpu = vm_vcpu_add(v->vm, 0, l1_guest_code);
	} else {
		v->vm = vm_create_with_one_vcpu(&v->vcpu, l1_guest_code);
	}
	vm_init_descriptor_tables(v->vm);
	vcpu_init_descriptor_tables(v->vcpu);
	/* Or else there is nothing to be asked for more than a CPU has. */
	vcpu_set_cpuid_feature(v->vcpu, X86_FEATURE_HYPERVISOR);
	v->vmx = vcpu_alloc_vmx(v->vm, &v->vmx_gva);
	vcpu_args_set(v->vcpu, 1, v->vmx_gva);

	vm_userspace_mem_region_add(v->vm, VM_MEM_SRC_ANONYMOUS, WINDOW_GPA,
				    WINDOW_SLOT, WINDOW_PAGES, 0);
	virt_map(v->vm, WINDOW_GPA, WINDOW_GPA, WINDOW_PAGES);
	memset(addr_gpa2hva(v->vm, WINDOW_GPA), 0, WINDOW_PAGES * 4096ul);

	/* After all that L2 can reach is mapped for L1. */
	prepare_eptp(v->vmx, v->vm, 0);
	nested_map_memslot(v->vmx, v->vm, 0);
	nested_map(v->vmx, v->vm, WINDOW_GPA, WINDOW_GPA, WINDOW_PAGES * 4096ul);
	expose_window_pt(v);
}

void nvx_vm_destroy(struct nvx_vm *v)
{
	kvm_vm_free(v->vm);
}

static struct kvm_stats_desc *stats_desc(void *descs, size_t size, uint32_t n,
					 const char *name)
{
	struct kvm_stats_desc *desc;
	uint32_t i;

	for (i = 0; i < n; i++) {
		desc = descs + i * size;
		if (!strcmp(desc->name, name))
			return desc;
	}
	TEST_FAIL("No statistic '%s'", name);
	return NULL;
}

/* One of the binary statistics that KVM_GET_STATS_FD has given access to. */
uint64_t nvx_stat(int fd, const char *name)
{
	struct kvm_stats_header header;
	struct kvm_stats_desc *desc;
	uint64_t value;
	size_t size;
	void *descs;

	TEST_ASSERT(pread(fd, &header, sizeof(header), 0) == sizeof(header),
		    "Reading the header of the statistics failed");
	size = sizeof(*desc) + header.name_size;
	descs = calloc(header.num_desc, size);
	TEST_ASSERT(pread(fd, descs, size * header.num_desc, header.desc_offset) ==
		    size * header.num_desc, "Reading the descriptors failed");
	desc = stats_desc(descs, size, header.num_desc, name);
	TEST_ASSERT(pread(fd, &value, sizeof(value),
			  header.data_offset + desc->offset) == sizeof(value),
		    "Reading the statistic '%s' failed", name);
	free(descs);
	return value;
}

/*
 * Exits of a vCPU except for host interrupts.  Those are the only ones that do
 * not depend on the guest's code alone.
 */
uint64_t nvx_exits(struct kvm_vcpu *vcpu)
{
	int fd = vcpu_get_stats_fd(vcpu);
	uint64_t exits = nvx_stat(fd, "exits") - nvx_stat(fd, "irq_exits");

	close(fd);
	return exits;
}

/* The vCPU has stopped: at a GUEST_SYNC() (true) or at GUEST_DONE() (false). */
bool nvx_ucall(struct nvx_vm *v, uint64_t *stage)
{
	struct ucall uc;

	switch (get_ucall(v->vcpu, &uc)) {
	case UCALL_SYNC:
		if (stage)
			*stage = uc.args[1];
		return true;
	case UCALL_DONE:
		return false;
	case UCALL_ABORT:
		/* The older library does not print the values by itself. */
		ksft_print_msg("guest assertion, values %#lx %#lx\n",
			       uc.args[3], uc.args[4]);
		REPORT_GUEST_ASSERT(uc);
	default:
		TEST_FAIL("Unexpected exit reason %u (suberror %u), ucall %lu",
			  v->vcpu->run->exit_reason,
			  v->vcpu->run->exit_reason == KVM_EXIT_INTERNAL_ERROR ?
			  v->vcpu->run->internal.suberror : 0, uc.cmd);
	}
	return false;
}

/* Run to the next GUEST_SYNC() (true) or to GUEST_DONE() (false). */
bool nvx_run(struct nvx_vm *v, uint64_t *stage)
{
	vcpu_run(v->vcpu);
	return nvx_ucall(v, stage);
}

/* As a migration does: take all state, destroy the vCPU, start from the state. */
void nvx_save_restore(struct nvx_vm *v)
{
	struct kvm_x86_state *state = vcpu_save_state(v->vcpu);

	kvm_vm_release(v->vm);
	v->vcpu = vm_recreate_with_one_vcpu(v->vm);
	vcpu_set_cpuid_feature(v->vcpu, X86_FEATURE_HYPERVISOR);
	vcpu_load_state(v->vcpu, state);
	kvm_x86_state_cleanup(state);
}

/* Prepare the current VMCS for nvx_l1_enter(), which starts with a VMLAUNCH. */
void nvx_l1_prepare_vmcs(struct vmx_pages *vmx, void *l2_guest_code)
{
	uint64_t second;

	prepare_vmcs(vmx, l2_guest_code, &l2_stack[L2_STACK_WORDS - 2]);
	/* The library's -1 means "every #PF exits": a mismatch inverts the bit. */
	vmwrite(PAGE_FAULT_ERROR_CODE_MATCH, 0);
	/* As KVM configures its guests, where this CPU has it. */
	second = vmreadz(SECONDARY_VM_EXEC_CONTROL) |
		 ((SECOND_VPID | SECOND_UG) & rdmsr(MSR_IA32_VMX_PROCBASED_CTLS2) >> 32);
	vmwrite(SECONDARY_VM_EXEC_CONTROL, second);
	if (second & SECOND_VPID)
		vmwrite(VIRTUAL_PROCESSOR_ID, 1);
	vmwrite(VM_ENTRY_CONTROLS, vmreadz(VM_ENTRY_CONTROLS) | ENTRY_DEBUG);
	vmwrite(HOST_RSP, NVX_HOST_RSP);
	vmwrite(HOST_RIP, (uint64_t)nvx_exit);
	nvx_launch = 1;
}

void nvx_l1_init(struct vmx_pages *vmx, void *l2_guest_code)
{
	GUEST_ASSERT(prepare_for_vmx_operation(vmx));
	GUEST_ASSERT(load_vmcs(vmx));
	nvx_l1_prepare_vmcs(vmx, l2_guest_code);
	if (nvx_use_pv)
		pv_start(vmx);
}

/* Run L2 to its next exit to L1; 1 if the VM-entry failed with an error. */
uint64_t nvx_l1_try_enter(void)
{
	uint64_t failed = nvx_enter(nvx_launch);

	if (!failed)
		nvx_launch = 0;
	return failed;
}

void nvx_l1_enter(void)
{
	GUEST_ASSERT(!nvx_l1_try_enter());
}

/* Let L2 start over in another function. */
void nvx_l1_restart(void *l2_guest_code)
{
	GUEST_ASSERT(!vmwrite(GUEST_RIP, (uint64_t)l2_guest_code));
	GUEST_ASSERT(!vmwrite(GUEST_RSP, (uint64_t)&l2_stack[L2_STACK_WORDS - 2]));
}

void nvx_l1_skip_instruction(void)
{
	GUEST_ASSERT(!vmwrite(GUEST_RIP, vmreadz(GUEST_RIP) +
			      vmreadz(VM_EXIT_INSTRUCTION_LEN)));
}

/* Run L2 to a VMCALL, @n times. */
void nvx_l1_turns(int n)
{
	while (n--) {
		nvx_l1_enter();
		GUEST_ASSERT_EQ(vmreadz(VM_EXIT_REASON), EXIT_REASON_VMCALL);
		nvx_l1_skip_instruction();
	}
}

void nvx_l2_vmcalls(void)
{
	for (;;)
		nvx_l2_vmcall();
}
