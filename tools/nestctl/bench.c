// SPDX-License-Identifier: GPL-2.0-only
/*
 * nestctl bench: what exits of a guest of this machine cost.
 *
 * A guest of a few bytes in real mode does one operation again and again.  Its loop without an
 * operation is measured, too, and subtracted.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "nestctl.h"

#define GUEST_SIZE	0x2000
#define GUEST_CODE	0x1000
#define PORT_END	0x10
#define PORT_USER	0x11
#define NR_SAMPLES	5
#define MAX_COUNT	10000000

/**
 * struct operation - What the guest repeats
 * @name: in the report
 * @text: for people
 * @code: its instructions; they may change EAX to EDX
 * @size: bytes of them
 */
struct operation {
	const char *name, *text;
	unsigned char code[12];
	size_t size;
};

/* The first one is the loop alone. */
static const struct operation operations[] = {
	{ "loop", "the loop by itself, which the others do not contain", { 0 }, 0 },
	{ "cpuid", "CPUID: an exit to KVM",
	  { 0x66, 0x31, 0xc0, 0x0f, 0xa2 }, 5 },
	{ "vmcall", "VMCALL of a function that KVM does not have",
	  { 0x66, 0xb8, 0xff, 0x7f, 0, 0, 0x0f, 0x01, 0xc1 }, 9 },
	{ "rdmsr", "RDMSR of IA32_PLATFORM_ID, which KVM answers",
	  { 0x66, 0xb9, 0x17, 0, 0, 0, 0x0f, 0x32 }, 8 },
	{ "out", "OUT to a port of the VMM: to user space and back",
	  { 0xe6, PORT_USER }, 2 },
};

/**
 * struct guest - A VM with one vCPU
 * @kvm: /dev/kvm
 * @vm: the VM
 * @vcpu: its vCPU
 * @run: what KVM and we tell each other
 * @run_size: bytes of it
 * @memory: the guest's, GUEST_SIZE bytes
 */
struct guest {
	int kvm, vm, vcpu;
	struct kvm_run *run;
	size_t run_size;
	unsigned char *memory;
};

static int64_t opt_count = 10000;

static const struct argp_option options[] = {
	{ "count", 'n', "N", 0, "operations in a sample (default: 10000)", 0 },
	{ 0 }
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	char *end;

	if (key != 'n')
		return ARGP_ERR_UNKNOWN;
	errno = 0;
	opt_count = strtol(arg, &end, 10);
	if (errno || *end || opt_count < 1 || opt_count > MAX_COUNT)
		argp_error(state, "--count=%s: a number from 1 to %d", arg, MAX_COUNT);
	return 0;
}

static const struct argp_child children[] = { { &common_argp, 0, NULL, 0 }, { 0 } };

static const struct argp bench_argp = {
	.options = options,
	.parser = parse,
	.doc = "Measure what exits of a guest of this machine cost, in nanoseconds: in a host those "
	       "of a guest, in a guest those of a nested one.  A guest with one vCPU and a page of "
	       "code is made for it, and ended.\v"
	       "Each figure is the median of five samples.  The status is 1 if there is no KVM, or it "
	       "may not be used.",
	.children = children,
};

static void end_guest(struct guest *guest)
{
	if (guest->memory)
		munmap(guest->memory, GUEST_SIZE);
	if (guest->run)
		munmap(guest->run, guest->run_size);
	if (guest->vcpu >= 0)
		close(guest->vcpu);
	if (guest->vm >= 0)
		close(guest->vm);
	if (guest->kvm >= 0)
		close(guest->kvm);
}

static int make_memory(struct guest *guest)
{
	struct kvm_userspace_memory_region region = { .memory_size = GUEST_SIZE };
	void *memory = mmap(NULL, GUEST_SIZE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		return -1;
	guest->memory = memory;
	region.userspace_addr = (uintptr_t)memory;
	return ioctl(guest->vm, KVM_SET_USER_MEMORY_REGION, &region);
}

static int make_vcpu(struct guest *guest)
{
	int size = ioctl(guest->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	struct kvm_sregs sregs;
	void *run;

	guest->vcpu = ioctl(guest->vm, KVM_CREATE_VCPU, 0);
	if (guest->vcpu < 0 || size <= 0)
		return -1;
	run = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, guest->vcpu, 0);
	if (run == MAP_FAILED)
		return -1;
	guest->run = run;
	guest->run_size = size;
	if (ioctl(guest->vcpu, KVM_GET_SREGS, &sregs))
		return -1;
	sregs.cs.base = 0;
	sregs.cs.selector = 0;
	return ioctl(guest->vcpu, KVM_SET_SREGS, &sregs);
}

/* What failed, or NULL. */
static const char *make_guest(struct guest *guest, const char *path)
{
	guest->kvm = open(path, O_RDWR | O_CLOEXEC);
	if (guest->kvm < 0)
		return "open it";
	if (ioctl(guest->kvm, KVM_GET_API_VERSION, 0) != KVM_API_VERSION)
		return "use it: it is not KVM's";
	guest->vm = ioctl(guest->kvm, KVM_CREATE_VM, 0);
	if (guest->vm < 0)
		return "make a VM";
	if (make_memory(guest))
		return "give the VM memory";
	return make_vcpu(guest) ? "make a vCPU" : NULL;
}

/* MOV EBP, count; the operation; DEC EBP; JNZ to it; OUT PORT_END. */
static void load_code(struct guest *guest, const struct operation *operation)
{
	unsigned char *code = guest->memory + GUEST_CODE;
	uint32_t count = opt_count;

	*code++ = 0x66;
	*code++ = 0xbd;
	memcpy(code, &count, sizeof(count));
	code += sizeof(count);
	memcpy(code, operation->code, operation->size);
	code += operation->size;
	*code++ = 0x66;
	*code++ = 0x4d;
	*code++ = 0x75;
	*code++ = (unsigned char)-(operation->size + 4);
	*code++ = 0xe6;
	*code = PORT_END;
}

static int64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000ll + time.tv_nsec;
}

/* Nanoseconds until the guest is through, -1: it did something else. */
static int64_t sample(struct guest *guest)
{
	struct kvm_regs regs = { .rip = GUEST_CODE, .rflags = 2 };
	int64_t begin;

	if (ioctl(guest->vcpu, KVM_SET_REGS, &regs))
		return -1;
	begin = now();
	do {
		if (ioctl(guest->vcpu, KVM_RUN, 0) && errno != EINTR)
			return -1;
		if (guest->run->exit_reason == KVM_EXIT_INTR)
			continue;
		if (guest->run->exit_reason != KVM_EXIT_IO)
			return -1;
	} while (guest->run->io.port != PORT_END);
	return now() - begin;
}

static int by_size(const void *a, const void *b)
{
	int64_t one = *(const int64_t *)a, other = *(const int64_t *)b;

	return (one > other) - (one < other);
}

static int64_t median(struct guest *guest, const struct operation *operation)
{
	int64_t samples[NR_SAMPLES];
	int i;

	load_code(guest, operation);
	/* The first one is about page faults and cold caches. */
	for (i = -1; i < NR_SAMPLES; i++) {
		int64_t time = sample(guest);

		if (time < 0)
			return -1;
		if (i >= 0)
			samples[i] = time;
	}
	qsort(samples, NR_SAMPLES, sizeof(samples[0]), by_size);
	return samples[NR_SAMPLES / 2];
}

/* Those that could be measured, the loop's time off. */
static int measure(struct guest *guest, struct json_object *array)
{
	int64_t time, loop = 0;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(operations); i++) {
		struct json_object *row = append_object(array);

		time = median(guest, &operations[i]);
		if (time < 0)
			return -1;
		if (!i)
			loop = time;
		else
			time = time > loop ? time - loop : 0;
		put_string(row, "name", operations[i].name);
		put_string(row, "text", operations[i].text);
		put_int(row, "picoseconds", (int64_t)((__int128)time * 1000 / opt_count));
	}
	return 0;
}

static void print_bench(struct json_object *report)
{
	struct json_object *rows = get(report, "operations"), *row;
	size_t i;

	say(DIM, "%-8s%12s\n", "", "ns");
	for (i = 0; i < length(rows); i++) {
		row = item(rows, i);
		say(BOLD, "%-8s", get_string(row, "name"));
		say(PLAIN, "%12.1f  %s\n", get_int(row, "picoseconds") / 1000.0,
		    get_string(row, "text"));
	}
}

static int measure_here(const char *path)
{
	struct guest guest = { .kvm = -1, .vm = -1, .vcpu = -1 };
	const char *what = make_guest(&guest, path);
	struct json_object *report;
	int rc;

	if (what) {
		complain("refused: %s: cannot %s (%s): load KVM, and be root or of the group kvm (nestctl doctor)",
			 path, what, strerror(errno));
		end_guest(&guest);
		return EXIT_REFUSED;
	}
	report = new_report("nestctl-bench-1");
	put_string(report, "kvm", which_kvm());
	put_int(report, "count", opt_count);
	put_int(report, "samples", NR_SAMPLES);
	rc = measure(&guest, put_array(report, "operations"));
	end_guest(&guest);
	if (rc) {
		json_object_put(report);
		complain("could not measure: the guest ended before its time: dmesg may say why");
		return EXIT_UNKNOWN;
	}
	return finish(report, print_bench, EXIT_OK);
}

static int bench(int argc, char **argv)
{
	char *path;
	int status;

	command_parse(&bench_command, argc, argv, NULL);
	path = below_root("/dev/kvm");
	status = measure_here(path);
	free(path);
	return status;
}

const struct command bench_command = {
	.name = "bench",
	.argp = &bench_argp,
	.run = bench,
};
