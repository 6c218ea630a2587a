// SPDX-License-Identifier: GPL-2.0-only
/*
 * The operations as nvx-vmm sees them: names, the guest memory that each one
 * needs beforehand, and the check of what the guest brings back.  A benchmark
 * whose guest computed nonsense has measured nothing.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "vmm.h"

#define PAGE_SIZE	4096ull
#define BYTE_UNTOUCHED	0xaa
#define BYTE_TOUCHED	1
#define XCR0_X87	1
#define MSR_TSC_AUX	0xc0000103

const struct op_info op_infos[NR_OPS] = {
	[OP_CPUID] = { "cpuid", "CPUID leaf 0" },
	[OP_VMCALL] = { "vmcall", "VMCALL with a number unknown to KVM" },
	[OP_RDMSR] = { "rdmsr", "RDMSR of an MSR that KVM intercepts" },
	[OP_PIO_USER] = { "pio_user", "port write that user space handles" },
	[OP_TOUCH_PRESENT] = { "touch_present",
		"first touch of a 4 KiB page, host page present", REGION_PAGES },
	[OP_TOUCH_ABSENT] = { "touch_absent",
		"first touch of a 4 KiB page, host page absent", REGION_PAGES },
	[OP_GUEST_PF] = { "guest_pf",
		"page fault that the guest itself handles, and IRET",
		WINDOW_PAGES },
	[OP_INT_LOOP] = { "int_loop", "1000 iterations of integer arithmetic" },
	[OP_WALK] = { "walk", "read of one of 2048 scattered, mapped pages" },
	[OP_PIO_FLUSH] = { "pio_flush",
		"port write for which user space takes a page away",
		REGION_PAGES, true },
	[OP_PIO_SWITCH] = { "pio_switch",
		"port write for which user space runs another vCPU to a port write",
		0, true },
	[OP_HLT_TIMER] = { "hlt_timer", "HLT until a timer of the local APIC",
		0, true },
	[OP_PIO_MSR1] = { "pio_msr1",
		"port write that user space handles, the guest has its own TSC_AUX",
		0, true },
	[OP_PIO_MSR4] = { "pio_msr4",
		"the same, and its own STAR, LSTAR and SFMASK", 0, true },
	[OP_CPUID_XCR0] = { "cpuid_xcr0",
		"CPUID leaf 0 in a guest that has enabled the x87 state only",
		0, true },
	[OP_UNMAP] = { "unmap",
		"the same as pio_flush, all page tables of --fill just written",
		REGION_PAGES, true },
	[OP_PF_NX] = { "pf_nx", "guest_pf in a guest that has enabled NX",
		WINDOW_PAGES, true },
	[OP_PF_CR3] = { "pf_cr3", "the same, and CR3 is loaded before",
		WINDOW_PAGES, true },
	[OP_PF_UNMAP] = { "pf_unmap",
		"take a page out of the page table, INVLPG, page fault as above",
		WINDOW_PAGES, true },
	[OP_PF_PROTECT] = { "pf_protect",
		"the same, but the page is made read-only and written to",
		WINDOW_PAGES, true },
	[OP_PF_FORK] = { "pf_fork",
		"make 8 pages read-only, load CR3, write to one of them",
		WINDOW_PAGES / WINDOW_RUN, true },
	[OP_PF_BULK] = { "pf_bulk", "map 8 pages, then read them: no fault",
		WINDOW_PAGES / WINDOW_RUN, true },
	[OP_PF_MIXED] = { "pf_mixed",
		"page fault, 7 more pages mapped and read, CR3 is loaded",
		WINDOW_PAGES / WINDOW_RUN, true },
};

static enum bench_op op_parse(const char *name)
{
	int op;

	for (op = 1; op < NR_OPS; op++)
		if (!strcmp(op_infos[op].name, name))
			return op;
	return 0;
}

/* Parse a comma-separated list of names. */
int op_parse_list(const char *list, bool selected[NR_OPS])
{
	char *copy = strdup(list), *save, *name;
	enum bench_op op;
	int r = 0;

	if (!copy)
		return fail("out of memory");

	memset(selected, 0, NR_OPS * sizeof(selected[0]));
	for (name = strtok_r(copy, ",", &save); name && !r;
	     name = strtok_r(NULL, ",", &save)) {
		op = op_parse(name);
		if (op)
			selected[op] = true;
		else
			r = fail("unknown operation '%s' (--list shows all)", name);
	}
	free(copy);
	return r;
}

int op_check_limit(enum bench_op op, uint64_t n)
{
	uint64_t limit = op_infos[op].limit;

	if (!limit || n <= limit)
		return 0;
	return fail("%s: %llu operations asked for, the guest has fresh pages for %llu; lower --samples or --batches",
		    op_infos[op].name, (unsigned long long)n,
		    (unsigned long long)limit);
}

static uint64_t page_pattern(uint64_t page)
{
	return (page + 1) * 0x9e3779b97f4a7c15ull;
}

static void fill_patterns(struct vmm *vmm, uint64_t gpa, uint64_t pages)
{
	uint64_t i, value;

	for (i = 0; i < pages; i++) {
		value = page_pattern(i);
		memcpy(vmm->mem + gpa + i * PAGE_SIZE, &value, sizeof(value));
	}
}

/*
 * Populate and free as much memory as the guest will touch.  In a nested VM the
 * host's free memory may itself have no backing yet; the page allocator hands
 * out recently freed pages first, so the operation does not pay for that.
 */
static int warm_free_memory(uint64_t pages)
{
	void *p = mmap(NULL, pages * PAGE_SIZE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (p == MAP_FAILED)
		return fail("cannot allocate %llu pages to warm the host's memory",
			    (unsigned long long)pages);
	munmap(p, pages * PAGE_SIZE);
	return 0;
}

/* Give @n operations the memory that they need, then let the guest warm up. */
int op_prepare(struct vmm *vmm, enum bench_op op, uint64_t n)
{
	struct batch warm = { .op = op, .mode = MODE_WARM };
	uint64_t i;

	switch (op) {
	case OP_PIO_FLUSH:
	case OP_UNMAP:
	case OP_TOUCH_PRESENT:
		for (i = 0; i < n; i++)
			vmm->mem[GUEST_PRESENT + i * PAGE_SIZE] = BYTE_UNTOUCHED;
		break;
	case OP_TOUCH_ABSENT:
		if (warm_free_memory(n))
			return -1;
		break;
	case OP_GUEST_PF:
		fill_patterns(vmm, GUEST_BACKING, BACKING_PAGES);
		break;
	case OP_PF_NX ... OP_PF_MIXED:
		fill_patterns(vmm, GUEST_BACKING, BACKING_PAGES);
		if (vmm_enable_nx(vmm))
			return -1;
		break;
	case OP_WALK:
		fill_patterns(vmm, GUEST_WALK, REGION_PAGES);
		break;
	default:
		break;
	}

	if (op == OP_PIO_SWITCH && vmm_create_second(vmm))
		return -1;
	if (op == OP_HLT_TIMER && vmm_get_tsc_khz(vmm))
		return -1;
	if (op == OP_PIO_MSR1 && vmm_set_msr(vmm, MSR_TSC_AUX, 5))
		return -1;
	if (op == OP_PIO_MSR4 &&
	    (vmm_set_msr(vmm, MSR_TSC_AUX, 5) || vmm_enable_syscall(vmm)))
		return -1;
	if (op == OP_CPUID_XCR0) {
		if (!vmm->xcr0)
			return fail("cpuid_xcr0: this CPU has no XSAVE");
		if (vmm_set_xcr0(vmm->vcpu_fd, XCR0_X87))
			return -1;
	}
	if (op_start(vmm, &warm))
		return -1;
	return vmm_run_guest(vmm);
}

/* Fill the control block; the caller runs the guest. */
int op_start(struct vmm *vmm, const struct batch *batch)
{
	volatile struct bench_ctl *ctl = vmm->ctl;

	if (batch->mode == MODE_SAMPLE && batch->n > MAX_SAMPLES)
		return fail("%llu samples asked for, the guest has room for %d",
			    (unsigned long long)batch->n, MAX_SAMPLES);

	ctl->op = batch->op;
	ctl->mode = batch->mode;
	ctl->n = batch->n;
	ctl->first = batch->first;
	ctl->sum = ~0ull;
	ctl->faults = 0;
	vmm->pios = 0;
	vmm->pio_next = batch->first;
	return 0;
}

static int check_value(const struct batch *batch, const char *what,
		       uint64_t value, uint64_t expected)
{
	if (value == expected)
		return 0;
	return fail("%s, %llu operations: %s is 0x%llx, expected 0x%llx",
		    op_infos[batch->op].name, (unsigned long long)batch->n, what,
		    (unsigned long long)value, (unsigned long long)expected);
}

static bool op_is_pio(enum bench_op op)
{
	return op == OP_PIO_USER || op == OP_PIO_FLUSH || op == OP_PIO_SWITCH ||
	       op == OP_PIO_MSR1 || op == OP_PIO_MSR4 || op == OP_UNMAP;
}

static int check_touched(struct vmm *vmm, const struct batch *batch, uint64_t gpa)
{
	uint64_t i;

	for (i = batch->first; i < batch->first + batch->n; i++)
		if (check_value(batch, "a touched byte",
				vmm->mem[gpa + i * PAGE_SIZE], BYTE_TOUCHED))
			return -1;
	return 0;
}

static uint64_t expected_loop(uint64_t i)
{
	uint64_t x = i, k;

	for (k = 0; k < LOOP_ITERATIONS; k++)
		x = x * 3 + k;
	return x;
}

/* A run of pages of the window. */
static uint64_t run_patterns(uint64_t i)
{
	uint64_t k, sum = 0;

	for (k = 0; k < WINDOW_RUN; k++)
		sum += page_pattern((i * WINDOW_RUN + k) % BACKING_PAGES);
	return sum;
}

static bool op_faults(enum bench_op op)
{
	return op == OP_GUEST_PF || (op >= OP_PF_NX && op != OP_PF_BULK);
}

static int expected_sum(struct vmm *vmm, const struct batch *batch, uint64_t *sum)
{
	uint64_t i, msr;

	*sum = 0;
	if (batch->op == OP_RDMSR) {
		if (vmm_get_msr(vmm, BENCH_MSR, &msr))
			return -1;
		*sum = batch->n * msr;
		return 0;
	}

	for (i = batch->first; i < batch->first + batch->n; i++) {
		switch (batch->op) {
		case OP_CPUID:
			*sum += vmm->cpuid_ebx;
			break;
		case OP_CPUID_XCR0:
			*sum += vmm->cpuid_ebx + XCR0_X87;
			break;
		case OP_VMCALL:
			*sum -= 1000;	/* KVM_ENOSYS */
			break;
		case OP_HLT_TIMER:
			*sum += 1;
			break;
		case OP_GUEST_PF:
		case OP_PF_NX ... OP_PF_PROTECT:
			*sum += page_pattern(i % BACKING_PAGES);
			break;
		case OP_PF_FORK:
			*sum += page_pattern(i * WINDOW_RUN % BACKING_PAGES);
			break;
		case OP_PF_BULK:
		case OP_PF_MIXED:
			*sum += run_patterns(i);
			break;
		case OP_INT_LOOP:
			*sum += expected_loop(i);
			break;
		case OP_WALK:
			*sum += page_pattern((i * 2654435761u >> 8) % REGION_PAGES);
			break;
		default:
			return 0;
		}
	}
	return 0;
}

/* Check what the guest reports about a batch that it has done. */
int op_check(struct vmm *vmm, const struct batch *batch)
{
	uint64_t sum;

	if (expected_sum(vmm, batch, &sum) ||
	    check_value(batch, "the guest's checksum", vmm->ctl->sum, sum) ||
	    check_value(batch, "the number of page faults", vmm->ctl->faults,
			op_faults(batch->op) ? batch->n : 0) ||
	    check_value(batch, "the number of port writes", vmm->pios,
			op_is_pio(batch->op) ? batch->n : 0))
		return -1;

	if (batch->op == OP_TOUCH_PRESENT)
		return check_touched(vmm, batch, GUEST_PRESENT);
	if (batch->op == OP_TOUCH_ABSENT)
		return check_touched(vmm, batch, GUEST_ABSENT);
	return 0;
}
