// SPDX-License-Identifier: GPL-2.0-only
/*
 * A virtual machine with one vCPU, flat memory and no device: the least that
 * can run guest.c.  No in-kernel irqchip, no timer: all exits come from the
 * operation under test or from the machine below.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vmm.h"

#define PAGE_SIZE	4096
#define CPUID_ENTRIES	128

/* Three pages for the TSS of real mode and one page table, above the guest. */
#define KVM_TSS_GPA		0xfffbd000ul
#define KVM_IDENTITY_MAP_GPA	0xfffbc000ull

extern const uint8_t guest_image[], guest_image_end[];

int fail(const char *fmt, ...)
{
	va_list args;

	fputs("nvx-vmm: ", stderr);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	return -1;
}

static int fail_ioctl(const char *name)
{
	return fail("%s failed: %s", name, strerror(errno));
}

static uint64_t *guest_table(struct vmm *vmm, uint64_t gpa)
{
	return (uint64_t *)(vmm->mem + gpa);
}

/* Identity map below GUEST_SIZE, and the #PF window with nothing present. */
static void build_page_tables(struct vmm *vmm)
{
	uint64_t i;

	guest_table(vmm, GUEST_PML4)[0] = GUEST_PDPT | GUEST_PTE_FLAGS;
	guest_table(vmm, GUEST_PDPT)[0] = GUEST_PD_IDENTITY | GUEST_PTE_FLAGS;
	guest_table(vmm, GUEST_PDPT)[WINDOW_GVA >> 30] =
		GUEST_PD_WINDOW | GUEST_PTE_FLAGS;

	for (i = 0; i < GUEST_SIZE >> 21; i++)
		guest_table(vmm, GUEST_PD_IDENTITY)[i] =
			(GUEST_PT_IDENTITY + i * PAGE_SIZE) | GUEST_PTE_FLAGS;
	for (i = 0; i < GUEST_SIZE / PAGE_SIZE; i++)
		guest_table(vmm, GUEST_PT_IDENTITY)[i] =
			(i * PAGE_SIZE) | GUEST_PTE_FLAGS;

	for (i = 0; i < WINDOW_PAGES / 512; i++)
		guest_table(vmm, GUEST_PD_WINDOW)[i] =
			(GUEST_PT_WINDOW + i * PAGE_SIZE) | GUEST_PTE_FLAGS;
	memset(vmm->mem + GUEST_PT_WINDOW, 0, WINDOW_PAGES * sizeof(uint64_t));
}

static void build_descriptor_tables(struct vmm *vmm)
{
	uint64_t *gdt = guest_table(vmm, GUEST_GDT);
	uint64_t *idt = guest_table(vmm, GUEST_IDT);
	uint64_t handler;
	int i;

	gdt[GUEST_CODE_SELECTOR / 8] = 0x00af9b000000ffffull;
	gdt[GUEST_DATA_SELECTOR / 8] = 0x00cf93000000ffffull;

	/* 64-bit interrupt gates; all handlers are below 64 KiB + 64 KiB. */
	for (i = 0; i < GUEST_NR_VECTORS; i++) {
		handler = GUEST_TRAP_STUBS + i * GUEST_TRAP_STUB_SIZE;
		if (i == 14)
			handler = GUEST_PF_ENTRY;
		if (i == TIMER_VECTOR)
			handler = GUEST_TIMER_ENTRY;
		idt[2 * i] = (handler & 0xffff) | GUEST_CODE_SELECTOR << 16 |
			     0x8e00ull << 32 | (handler >> 16) << 48;
		idt[2 * i + 1] = 0;
	}
}

static int create_memory(struct vmm *vmm)
{
	struct kvm_userspace_memory_region region = {
		.guest_phys_addr = 0,
		.memory_size = GUEST_SIZE,
	};

	vmm->mem = mmap(NULL, GUEST_SIZE, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (vmm->mem == MAP_FAILED) {
		vmm->mem = NULL;
		return fail("cannot map %d MiB of guest memory: %s",
			    GUEST_SIZE >> 20, strerror(errno));
	}
	/* Each first touch is to fault alone; kernels without THP say EINVAL. */
	madvise(vmm->mem, GUEST_SIZE, MADV_NOHUGEPAGE);

	region.userspace_addr = (uintptr_t)vmm->mem;
	if (ioctl(vmm->vm_fd, KVM_SET_USER_MEMORY_REGION, &region))
		return fail_ioctl("KVM_SET_USER_MEMORY_REGION");

	memcpy(vmm->mem + GUEST_CODE, guest_image, guest_image_end - guest_image);
	vmm->ctl = (volatile struct bench_ctl *)(vmm->mem + GUEST_CTL);
	build_page_tables(vmm);
	build_descriptor_tables(vmm);
	return 0;
}

/*
 * --fill: guest memory that costs the VMM 2 MiB, however much it is: each slot is
 * the same memory again.
 */
static int create_fill(struct vmm *vmm)
{
	struct kvm_userspace_memory_region region = { .memory_size = FILL_UNIT };
	uint64_t i;

	vmm->ctl->fill_mib = vmm->fill_mib;
	if (!vmm->fill_mib)
		return 0;

	vmm->fill = mmap(NULL, FILL_UNIT, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (vmm->fill == MAP_FAILED) {
		vmm->fill = NULL;
		return fail("cannot map 2 MiB for --fill: %s", strerror(errno));
	}
	madvise(vmm->fill, FILL_UNIT, MADV_NOHUGEPAGE);

	guest_table(vmm, GUEST_PDPT)[GUEST_FILL >> 30] = GUEST_PD_FILL | GUEST_PTE_FLAGS;
	region.userspace_addr = (uintptr_t)vmm->fill;
	for (i = 0; i < vmm->fill_mib / 2; i++) {
		region.slot = 1 + i;
		region.guest_phys_addr = GUEST_FILL + i * FILL_UNIT;
		if (ioctl(vmm->vm_fd, KVM_SET_USER_MEMORY_REGION, &region))
			return fail_ioctl("KVM_SET_USER_MEMORY_REGION for --fill");
		/* Bit 7: a large page. */
		guest_table(vmm, GUEST_PD_FILL)[i] =
			region.guest_phys_addr | GUEST_PTE_FLAGS | 0x80;
	}
	return 0;
}

static int create_vm(struct vmm *vmm)
{
	uint64_t identity_map = KVM_IDENTITY_MAP_GPA;
	int version;

	vmm->kvm_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (vmm->kvm_fd < 0)
		return fail("cannot open /dev/kvm: %s (is kvm-intel loaded, and does this machine have VMX?)",
			    strerror(errno));

	version = ioctl(vmm->kvm_fd, KVM_GET_API_VERSION, 0);
	if (version != KVM_API_VERSION)
		return fail("/dev/kvm speaks API version %d, not %d", version,
			    KVM_API_VERSION);

	vmm->vm_fd = ioctl(vmm->kvm_fd, KVM_CREATE_VM, 0);
	if (vmm->vm_fd < 0)
		return fail_ioctl("KVM_CREATE_VM");
	if (ioctl(vmm->vm_fd, KVM_SET_TSS_ADDR, KVM_TSS_GPA))
		return fail_ioctl("KVM_SET_TSS_ADDR");
	if (ioctl(vmm->vm_fd, KVM_SET_IDENTITY_MAP_ADDR, &identity_map))
		return fail_ioctl("KVM_SET_IDENTITY_MAP_ADDR");
	if (vmm->irqchip && ioctl(vmm->vm_fd, KVM_CREATE_IRQCHIP, 0))
		return fail_ioctl("KVM_CREATE_IRQCHIP");
	return 0;
}

static int set_cpuid(struct vmm *vmm, int vcpu_fd)
{
	struct kvm_cpuid2 *cpuid;
	uint32_t i;
	int r = 0;

	cpuid = calloc(1, sizeof(*cpuid) + CPUID_ENTRIES * sizeof(cpuid->entries[0]));
	if (!cpuid)
		return fail("out of memory");

	cpuid->nent = CPUID_ENTRIES;
	if (ioctl(vmm->kvm_fd, KVM_GET_SUPPORTED_CPUID, cpuid))
		r = fail_ioctl("KVM_GET_SUPPORTED_CPUID");

	/* The timer's mode is for user space to add (KVM_CAP_TSC_DEADLINE_TIMER). */
	for (i = 0; !r && i < cpuid->nent; i++)
		if (cpuid->entries[i].function == 1 && vmm->irqchip)
			cpuid->entries[i].ecx |= 1u << 24;
	if (!r && ioctl(vcpu_fd, KVM_SET_CPUID2, cpuid))
		r = fail_ioctl("KVM_SET_CPUID2");

	for (i = 0; !r && i < cpuid->nent; i++) {
		if (!cpuid->entries[i].function)
			vmm->cpuid_ebx = cpuid->entries[i].ebx;
		if (cpuid->entries[i].function == 0xd && !cpuid->entries[i].index)
			vmm->xcr0 = cpuid->entries[i].eax |
				    (uint64_t)cpuid->entries[i].edx << 32;
	}
	free(cpuid);
	return r;
}

/* As a guest that has executed XSETBV. */
int vmm_set_xcr0(int vcpu_fd, uint64_t xcr0)
{
	struct kvm_xcrs xcrs = { .nr_xcrs = 1, .xcrs[0].value = xcr0 };

	if (ioctl(vcpu_fd, KVM_SET_XCRS, &xcrs))
		return fail_ioctl("KVM_SET_XCRS");
	return 0;
}

static int set_registers(const struct vmm *vmm, int vcpu_fd, uint64_t entry, uint64_t stack)
{
	struct kvm_segment code = {
		.limit = 0xffffffff, .selector = GUEST_CODE_SELECTOR,
		.type = 11, .present = 1, .s = 1, .l = 1, .g = 1,
	};
	struct kvm_segment data = {
		.limit = 0xffffffff, .selector = GUEST_DATA_SELECTOR,
		.type = 3, .present = 1, .s = 1, .db = 1, .g = 1,
	};
	/*
	 * RFLAGS.IF = 1: nothing is ever injected, but some emulators hold back
	 * the external interrupts of the machine below while the guest's IF is 0.
	 */
	struct kvm_regs regs = {
		.rip = entry, .rsp = stack, .rflags = 0x202,
	};
	struct kvm_sregs sregs;

	if (ioctl(vcpu_fd, KVM_GET_SREGS, &sregs))
		return fail_ioctl("KVM_GET_SREGS");

	sregs.cr0 = 0x80010033;		/* PG WP NE ET MP PE */
	sregs.cr3 = GUEST_PML4;
	sregs.cr4 = 0x20;		/* PAE */
	/* As any OS does; all state that there is, so as the machine below. */
	if (vmm->xcr0)
		sregs.cr4 |= 1 << 18;	/* OSXSAVE */
	sregs.efer = 0x500;		/* LMA LME */
	sregs.cs = code;
	sregs.ds = data;
	sregs.es = data;
	sregs.fs = data;
	sregs.gs = data;
	sregs.ss = data;
	sregs.gdt.base = GUEST_GDT;
	sregs.gdt.limit = GUEST_DATA_SELECTOR + 7;
	sregs.idt.base = GUEST_IDT;
	sregs.idt.limit = GUEST_NR_VECTORS * 16 - 1;
	if (ioctl(vcpu_fd, KVM_SET_SREGS, &sregs))
		return fail_ioctl("KVM_SET_SREGS");
	if (ioctl(vcpu_fd, KVM_SET_REGS, &regs))
		return fail_ioctl("KVM_SET_REGS");
	return vmm->xcr0 ? vmm_set_xcr0(vcpu_fd, vmm->xcr0) : 0;
}

static int create_vcpu(struct vmm *vmm, int id, int *fd, struct kvm_run **run,
		       uint64_t entry, uint64_t stack)
{
	int size;

	*fd = ioctl(vmm->vm_fd, KVM_CREATE_VCPU, id);
	if (*fd < 0)
		return fail_ioctl("KVM_CREATE_VCPU");

	size = ioctl(vmm->kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (size < 0)
		return fail_ioctl("KVM_GET_VCPU_MMAP_SIZE");
	vmm->run_size = size;
	*run = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0);
	if (*run == MAP_FAILED) {
		*run = NULL;
		return fail("cannot map the vCPU's run structure: %s",
			    strerror(errno));
	}

	if (set_cpuid(vmm, *fd))
		return -1;
	return set_registers(vmm, *fd, entry, stack);
}

/* One more vCPU, which only writes to PORT_SECOND. */
int vmm_create_second(struct vmm *vmm)
{
	if (vmm->second_run)
		return 0;
	return create_vcpu(vmm, 1, &vmm->second_fd, &vmm->second_run,
			   GUEST_SECOND_ENTRY, GUEST_STACK_TOP - 2 * PAGE_SIZE);
}

int vmm_create(struct vmm *vmm, bool irqchip, uint64_t fill_mib)
{
	memset(vmm, 0, sizeof(*vmm));
	vmm->irqchip = irqchip;
	vmm->fill_mib = fill_mib & ~1ull;
	vmm->second_fd = -1;
	vmm->kvm_fd = -1;
	vmm->vm_fd = -1;
	vmm->vcpu_fd = -1;

	if (create_vm(vmm) || create_memory(vmm) || create_fill(vmm) ||
	    create_vcpu(vmm, 0, &vmm->vcpu_fd, &vmm->run, GUEST_CODE,
			GUEST_STACK_TOP)) {
		vmm_destroy(vmm);
		return -1;
	}
	return 0;
}

void vmm_destroy(struct vmm *vmm)
{
	if (vmm->run)
		munmap(vmm->run, vmm->run_size);
	if (vmm->vcpu_fd >= 0)
		close(vmm->vcpu_fd);
	if (vmm->second_run)
		munmap(vmm->second_run, vmm->run_size);
	if (vmm->second_fd >= 0)
		close(vmm->second_fd);
	if (vmm->vm_fd >= 0)
		close(vmm->vm_fd);
	if (vmm->mem)
		munmap(vmm->mem, GUEST_SIZE);
	if (vmm->fill)
		munmap(vmm->fill, FILL_UNIT);
	if (vmm->kvm_fd >= 0)
		close(vmm->kvm_fd);
}

int vmm_get_msr(struct vmm *vmm, uint32_t index, uint64_t *value)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} msrs = {
		.head.nmsrs = 1,
		.entry.index = index,
	};

	if (ioctl(vmm->vcpu_fd, KVM_GET_MSRS, &msrs) != 1)
		return fail("KVM_GET_MSRS does not read MSR 0x%x: %s", index,
			    strerror(errno));
	*value = msrs.entry.data;
	return 0;
}

int vmm_set_msr(struct vmm *vmm, uint32_t index, uint64_t value)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} msrs = {
		.head.nmsrs = 1,
		.entry.index = index,
		.entry.data = value,
	};

	if (ioctl(vmm->vcpu_fd, KVM_SET_MSRS, &msrs) != 1)
		return fail("KVM_SET_MSRS does not write MSR 0x%x: %s", index,
			    strerror(errno));
	return 0;
}

/* Tell the guest how fast its TSC is. */
int vmm_get_tsc_khz(struct vmm *vmm)
{
	int khz = ioctl(vmm->vcpu_fd, KVM_GET_TSC_KHZ, 0);

	if (khz <= 0)
		return fail("KVM_GET_TSC_KHZ does not tell the guest's TSC frequency: %s",
			    khz ? strerror(errno) : "it is 0");
	vmm->ctl->tsc_khz = khz;
	return 0;
}

/* EFER.SCE; STAR, LSTAR and SFMASK as no Linux below has them. */
int vmm_enable_syscall(struct vmm *vmm)
{
	struct kvm_sregs sregs;

	if (ioctl(vmm->vcpu_fd, KVM_GET_SREGS, &sregs))
		return fail_ioctl("KVM_GET_SREGS");
	sregs.efer |= 1;
	if (ioctl(vmm->vcpu_fd, KVM_SET_SREGS, &sregs))
		return fail_ioctl("KVM_SET_SREGS");
	if (vmm_set_msr(vmm, 0xc0000081, 1ull << 32) ||
	    vmm_set_msr(vmm, 0xc0000082, GUEST_CODE))
		return -1;
	return vmm_set_msr(vmm, 0xc0000084, 0x100);
}

int vmm_enable_nx(struct vmm *vmm)
{
	struct kvm_sregs sregs;

	if (ioctl(vmm->vcpu_fd, KVM_GET_SREGS, &sregs))
		return fail_ioctl("KVM_GET_SREGS");
	sregs.efer |= 0x800;
	if (ioctl(vmm->vcpu_fd, KVM_SET_SREGS, &sregs))
		return fail_ioctl("KVM_SET_SREGS");
	return 0;
}

static const char *exit_name(uint32_t reason)
{
	static const char * const names[] = {
		[KVM_EXIT_UNKNOWN] = "UNKNOWN",
		[KVM_EXIT_EXCEPTION] = "EXCEPTION",
		[KVM_EXIT_IO] = "IO",
		[KVM_EXIT_HYPERCALL] = "HYPERCALL",
		[KVM_EXIT_DEBUG] = "DEBUG",
		[KVM_EXIT_HLT] = "HLT",
		[KVM_EXIT_MMIO] = "MMIO",
		[KVM_EXIT_SHUTDOWN] = "SHUTDOWN",
		[KVM_EXIT_FAIL_ENTRY] = "FAIL_ENTRY",
		[KVM_EXIT_INTERNAL_ERROR] = "INTERNAL_ERROR",
	};

	if (reason < sizeof(names) / sizeof(names[0]) && names[reason])
		return names[reason];
	return "other";
}

static unsigned long long exit_detail(const struct kvm_run *run)
{
	switch (run->exit_reason) {
	case KVM_EXIT_UNKNOWN:
		return run->hw.hardware_exit_reason;
	case KVM_EXIT_FAIL_ENTRY:
		return run->fail_entry.hardware_entry_failure_reason;
	case KVM_EXIT_INTERNAL_ERROR:
		return run->internal.suberror;
	case KVM_EXIT_MMIO:
		return run->mmio.phys_addr;
	case KVM_EXIT_IO:
		return run->io.port;
	}
	return 0;
}

static int fail_exit(struct vmm *vmm)
{
	struct kvm_sregs sregs = { };
	struct kvm_regs regs = { };

	ioctl(vmm->vcpu_fd, KVM_GET_REGS, &regs);
	ioctl(vmm->vcpu_fd, KVM_GET_SREGS, &sregs);
	return fail("unexpected exit %u (%s, detail 0x%llx) in operation %s: rip %llx rsp %llx rflags %llx rax %llx cr0 %llx cr2 %llx cr3 %llx cr4 %llx efer %llx",
		    vmm->run->exit_reason, exit_name(vmm->run->exit_reason),
		    exit_detail(vmm->run), op_infos[vmm->ctl->op].name,
		    regs.rip, regs.rsp, regs.rflags, regs.rax, sregs.cr0,
		    sregs.cr2, sregs.cr3, sregs.cr4, sregs.efer);
}

static int fail_trap(struct vmm *vmm)
{
	volatile struct bench_ctl *ctl = vmm->ctl;

	return fail("the guest took exception %llu (error code 0x%llx) in operation %s: rip %llx cr2 %llx",
		    (unsigned long long)ctl->trap_vector,
		    (unsigned long long)ctl->trap_error, op_infos[ctl->op].name,
		    (unsigned long long)ctl->trap_rip,
		    (unsigned long long)ctl->trap_cr2);
}

/* The second vCPU runs to its next port write. */
static int run_second(struct vmm *vmm)
{
	struct kvm_run *run = vmm->second_run;
	int r;

	do {
		r = ioctl(vmm->second_fd, KVM_RUN, 0);
	} while (r && errno == EINTR);
	if (r)
		return fail_ioctl("KVM_RUN of the second vCPU");
	if (run->exit_reason != KVM_EXIT_IO || run->io.port != PORT_SECOND)
		return fail("unexpected exit %u (%s) of the second vCPU",
			    run->exit_reason, exit_name(run->exit_reason));
	return 0;
}

/* Take a page away, which flushes what the guest's tables said about it. */
static int drop_page(struct vmm *vmm)
{
	struct kvm_run *run = vmm->run;
	uint32_t page = *(uint32_t *)((uint8_t *)run + run->io.data_offset);

	if (page >= REGION_PAGES)
		return fail("the guest names page %u of %d", page, REGION_PAGES);
	if (madvise(vmm->mem + GUEST_PRESENT + page * (uint64_t)PAGE_SIZE, PAGE_SIZE,
		    MADV_DONTNEED))
		return fail("madvise(MADV_DONTNEED) failed: %s", strerror(errno));
	vmm->pios++;
	return 0;
}

/* One page of the VMM is one of each 2 MiB of the region. */
static int redirty(struct vmm *vmm)
{
	uint32_t page;

	memcpy(&page, (uint8_t *)vmm->run + vmm->run->io.data_offset, sizeof(page));
	if (page >= FILL_UNIT / PAGE_SIZE)
		return fail("the guest names page %u of %d", page, FILL_UNIT / PAGE_SIZE);
	if (vmm->fill && madvise(vmm->fill + page * (uint64_t)PAGE_SIZE, PAGE_SIZE,
				 MADV_DONTNEED))
		return fail("madvise(MADV_DONTNEED) failed: %s", strerror(errno));
	return 0;
}

/*
 * Handle one exit.  Return 1 when the batch is done, 0 to run on, -1 on errors.
 */
static int handle_exit(struct vmm *vmm)
{
	struct kvm_run *run = vmm->run;
	uint8_t value;

	if (run->exit_reason == KVM_EXIT_INTR)
		return 0;
	if (run->exit_reason != KVM_EXIT_IO ||
	    run->io.direction != KVM_EXIT_IO_OUT || run->io.count != 1)
		return fail_exit(vmm);

	switch (run->io.port) {
	case PORT_DONE:
		return 1;
	case PORT_TRAP:
		return fail_trap(vmm);
	case PORT_PIO:
		value = *((uint8_t *)run + run->io.data_offset);
		if (value != vmm->pio_next)
			return fail("PIO operation %llu wrote 0x%x, not 0x%x",
				    (unsigned long long)vmm->pios, value,
				    vmm->pio_next);
		vmm->pios++;
		vmm->pio_next++;
		return 0;
	case PORT_FLUSH:
		return drop_page(vmm);
	case PORT_REDIRTY:
		return redirty(vmm);
	case PORT_SWITCH:
		vmm->pios++;
		return run_second(vmm);
	}
	return fail_exit(vmm);
}

/* Run the guest until it reports the end of the batch in the control block. */
int vmm_run_guest(struct vmm *vmm)
{
	int r;

	do {
		if (ioctl(vmm->vcpu_fd, KVM_RUN, 0) && errno != EINTR)
			return fail_ioctl("KVM_RUN");
		r = handle_exit(vmm);
	} while (!r);
	return r < 0 ? -1 : 0;
}
