// SPDX-License-Identifier: GPL-2.0-only
/* A virtual machine with one vCPU in a thread of its own, and four memory slots. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "vm.h"

#define LARGE_PAGE	0x200000ull
#define TABLE_FLAGS	0x63	/* present, writable, accessed, dirty */
#define LARGE_FLAG	0x80
#define STALL_SECONDS	20	/* without a pass of the guest */

extern const uint8_t guest_image[], guest_image_end[];

int fail(const char *fmt, ...)
{
	va_list args;

	fputs("nvx-pressure: ", stderr);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	return -1;
}

static int fail_errno(const char *what)
{
	return fail("%s: %s", what, strerror(errno));
}

/* Change a slot: size 0 takes it away, another @gpa moves it. */
int vm_set_slot(struct vm *vm, enum slot id, uint64_t gpa, uint64_t size, uint32_t flags)
{
	struct kvm_userspace_memory_region region = vm->slots[id];

	region.guest_phys_addr = gpa;
	region.memory_size = size;
	region.flags = flags;
	if (ioctl(vm->vm_fd, KVM_SET_USER_MEMORY_REGION, &region))
		return fail_errno("KVM_SET_USER_MEMORY_REGION");
	return 0;
}

/* Memory at a multiple of 2 MiB, of small pages until somebody wants others. */
static int create_slot(struct vm *vm, enum slot id, uint64_t gpa, uint64_t size)
{
	struct kvm_userspace_memory_region *region = &vm->slots[id];
	uint8_t *mem;

	mem = mmap(NULL, size + LARGE_PAGE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (mem == MAP_FAILED)
		return fail_errno("mmap");
	mem += -(uintptr_t)mem & (LARGE_PAGE - 1);
	madvise(mem, size, MADV_NOHUGEPAGE);
	region->slot = id;
	region->guest_phys_addr = gpa;
	region->memory_size = size;
	region->userspace_addr = (uintptr_t)mem;
	return vm_set_slot(vm, id, gpa, size, 0);
}

static void fill_low(struct vm *vm)
{
	uint8_t *low = slot_mem(vm, SLOT_LOW);
	uint64_t *pd = (uint64_t *)(low + GUEST_PD), i;

	*(uint64_t *)(low + GUEST_PML4) = GUEST_PDPT | TABLE_FLAGS;
	*(uint64_t *)(low + GUEST_PDPT) = GUEST_PD | TABLE_FLAGS;
	for (i = 0; i < 512; i++)
		pd[i] = i * LARGE_PAGE | TABLE_FLAGS | LARGE_FLAG;
	memcpy(low + GUEST_CODE, guest_image, guest_image_end - guest_image);
	vm->ctl = (volatile struct pressure_ctl *)(low + GUEST_CTL);
}

static int set_registers(struct vm *vm, uint64_t cr4)
{
	struct kvm_segment code = {
		.limit = ~0u, .selector = CODE_SELECTOR, .type = 11, .present = 1,
		.s = 1, .l = 1, .g = 1,
	};
	struct kvm_segment data = {
		.limit = ~0u, .selector = DATA_SELECTOR, .type = 3, .present = 1,
		.s = 1, .db = 1, .g = 1,
	};
	/* Interrupts on: some emulators hold the host's back otherwise. */
	struct kvm_regs regs = {
		.rip = GUEST_CODE, .rsp = GUEST_STACK_TOP - 8, .rflags = 0x202,
	};
	struct kvm_sregs sregs;

	if (ioctl(vm->vcpu_fd, KVM_GET_SREGS, &sregs))
		return fail_errno("KVM_GET_SREGS");
	sregs.cr0 = 0x80010033;
	sregs.cr3 = GUEST_PML4;
	sregs.cr4 = cr4;
	sregs.efer = 0x500;
	sregs.cs = code;
	sregs.ds = data;
	sregs.es = data;
	sregs.fs = data;
	sregs.gs = data;
	sregs.ss = data;
	if (ioctl(vm->vcpu_fd, KVM_SET_SREGS, &sregs))
		return fail_errno("KVM_SET_SREGS");
	if (ioctl(vm->vcpu_fd, KVM_SET_REGS, &regs))
		return fail_errno("KVM_SET_REGS");
	return 0;
}

static int set_cpuid(struct vm *vm)
{
	struct kvm_cpuid2 *cpuid;
	int r = 0;

	cpuid = calloc(1, sizeof(*cpuid) + 128 * sizeof(cpuid->entries[0]));
	if (!cpuid)
		return fail("out of memory");
	cpuid->nent = 128;
	if (ioctl(vm->kvm_fd, KVM_GET_SUPPORTED_CPUID, cpuid) ||
	    ioctl(vm->vcpu_fd, KVM_SET_CPUID2, cpuid))
		r = fail_errno("CPUID");
	free(cpuid);
	return r;
}

int vm_create(struct vm *vm, uint64_t cr4)
{
	int size;

	memset(vm, 0, sizeof(*vm));
	vm->kvm_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (vm->kvm_fd < 0)
		return fail_errno("/dev/kvm");
	vm->vm_fd = ioctl(vm->kvm_fd, KVM_CREATE_VM, 0);
	if (vm->vm_fd < 0)
		return fail_errno("KVM_CREATE_VM");
	if (create_slot(vm, SLOT_LOW, 0, GUEST_LOW_SIZE) ||
	    create_slot(vm, SLOT_MAIN, GUEST_MAIN, MAIN_PAGES * PAGE_SIZE) ||
	    create_slot(vm, SLOT_SAME, GUEST_SAME, SAME_PAGES * PAGE_SIZE) ||
	    create_slot(vm, SLOT_BALLOON, GUEST_BALLOON, BALLOON_PAGES * PAGE_SIZE))
		return -1;
	fill_low(vm);

	vm->vcpu_fd = ioctl(vm->vm_fd, KVM_CREATE_VCPU, 0);
	if (vm->vcpu_fd < 0)
		return fail_errno("KVM_CREATE_VCPU");
	size = ioctl(vm->kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	vm->run_size = size;
	vm->run = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, vm->vcpu_fd, 0);
	if (vm->run == MAP_FAILED)
		return fail_errno("mmap of the vCPU");
	return set_cpuid(vm) || set_registers(vm, cr4) ? -1 : 0;
}

/* All of it goes: the process ends, or another VM follows. */
void vm_destroy(struct vm *vm)
{
	int slot;

	munmap(vm->run, vm->run_size);
	close(vm->vcpu_fd);
	close(vm->vm_fd);
	close(vm->kvm_fd);
	for (slot = 0; slot < NR_SLOTS; slot++)
		munmap(slot_mem(vm, slot), vm->slots[slot].memory_size);
}

/* Be the memory that is no slot at the moment. */
static int emulate_memory(struct vm *vm)
{
	struct kvm_run *run = vm->run;
	uint64_t gpa = run->mmio.phys_addr;
	int slot;

	for (slot = 0; slot < NR_SLOTS; slot++) {
		const struct kvm_userspace_memory_region *region = &vm->slots[slot];
		uint8_t *mem;

		if (gpa < region->guest_phys_addr ||
		    gpa + run->mmio.len > region->guest_phys_addr + region->memory_size)
			continue;
		mem = slot_mem(vm, slot) + (gpa - region->guest_phys_addr);
		if (run->mmio.is_write)
			memcpy(mem, run->mmio.data, run->mmio.len);
		else
			memcpy(run->mmio.data, mem, run->mmio.len);
		vm->mmio++;
		return 0;
	}
	return fail("the guest has left its memory: %#llx", (unsigned long long)gpa);
}

static int take_page(struct vm *vm)
{
	uint32_t page = *(uint32_t *)((uint8_t *)vm->run + vm->run->io.data_offset);

	if (page >= BALLOON_PAGES)
		return fail("the guest gives page %u of %d back", page, BALLOON_PAGES);
	if (madvise(slot_mem(vm, SLOT_BALLOON) + page * PAGE_SIZE, PAGE_SIZE, MADV_DONTNEED))
		return fail_errno("MADV_DONTNEED");
	vm->freed++;
	return 0;
}

static int handle_exit(struct vm *vm)
{
	struct kvm_run *run = vm->run;

	if (run->exit_reason == KVM_EXIT_MMIO)
		return emulate_memory(vm);
	if (run->exit_reason != KVM_EXIT_IO)
		return fail("unexpected exit %u (suberror %u)", run->exit_reason,
			    run->exit_reason == KVM_EXIT_INTERNAL_ERROR ?
			    run->internal.suberror : 0);
	switch (run->io.port) {
	case PORT_PASS:
		return 0;
	case PORT_FREE:
		return take_page(vm);
	case PORT_BAD:
		return fail("the guest finds %#llx at %#llx, not %#llx, in pass %llu",
			    (unsigned long long)vm->ctl->bad_got,
			    (unsigned long long)vm->ctl->bad_gpa,
			    (unsigned long long)vm->ctl->bad_want,
			    (unsigned long long)vm->ctl->passes + 1);
	}
	return fail("unexpected port %#x", run->io.port);
}

static void *run_vcpu(void *data)
{
	struct vm *vm = data;

	while (!vm->stop) {
		if (!ioctl(vm->vcpu_fd, KVM_RUN, 0)) {
			if (handle_exit(vm))
				break;
		} else if (errno == EFAULT) {
			/* The memory is not accessible at the moment: try again. */
			vm->faults++;
			sched_yield();
		} else if (errno != EINTR && errno != EAGAIN) {
			fail_errno("KVM_RUN");
			break;
		}
	}
	vm->failed = !vm->stop;
	return NULL;
}

static void do_nothing(int signal)
{
}

int vm_start(struct vm *vm)
{
	struct sigaction action = { .sa_handler = do_nothing };

	sigaction(SIGUSR1, &action, NULL);
	vm->stop = false;
	vm->run->immediate_exit = 0;
	if (pthread_create(&vm->thread, NULL, run_vcpu, vm))
		return fail("no thread");
	vm->running = true;
	return 0;
}

/* To be started again, or looked at. */
int vm_stop(struct vm *vm)
{
	if (!vm->running)
		return 0;
	vm->stop = true;
	vm->run->immediate_exit = 1;
	pthread_kill(vm->thread, SIGUSR1);
	pthread_join(vm->thread, NULL);
	vm->running = false;
	return vm->failed ? -1 : 0;
}

/* Wait until the guest has done something once more that @events counts. */
int vm_wait_more(struct vm *vm, const volatile uint64_t *events, const char *what)
{
	uint64_t before = *events;
	time_t end = time(NULL) + STALL_SECONDS;

	while (*events == before) {
		if (vm->failed)
			return -1;
		if (time(NULL) > end)
			return fail("no %s: there is no pressure", what);
		usleep(1000);
	}
	return 0;
}

/* Let the guest make so many passes more, all of which it has checked. */
int vm_wait_passes(struct vm *vm, uint64_t passes)
{
	uint64_t goal = vm->ctl->passes + passes;
	time_t end = time(NULL) + STALL_SECONDS;

	while (vm->ctl->passes < goal) {
		if (vm->failed)
			return -1;
		if (time(NULL) > end)
			return fail("the guest is at pass %llu and does not go on",
				    (unsigned long long)vm->ctl->passes);
		usleep(1000);
	}
	return 0;
}
