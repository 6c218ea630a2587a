// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kinds of pressure: what a kernel, or a VMM, does to the memory of a guest that
 * runs.  Each one says at its end how much of it there was; none passes without.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "vm.h"

#define MAIN_SIZE	(MAIN_PAGES * PAGE_SIZE)
#define SAME_SIZE	(SAME_PAGES * PAGE_SIZE)
#define LARGE_PAGE	0x200000ull
#define KSM		"/sys/kernel/mm/ksm/"
#define KSM_SECONDS	10
#define SWAP_SECONDS	10	/* until writes to the device are over */
#define FRAGMENT_SIZE	(16ull << 20)

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE	25
#endif

static uint64_t count;	/* of what a kind counts itself */

static int fail_errno(const char *what)
{
	return fail("%s: %s", what, strerror(errno));
}

/* Counted by the kind itself: did it happen? */
static int happened(const char *what, uint64_t n)
{
	printf("# %lu %s\n", n, what);
	return n ? 0 : fail("0 %s: there was no pressure", what);
}

static int no_round(struct vm *vm, unsigned int round)
{
	return 0;
}

/* --- memory that the guest does not use --------------------------------- */

static int begin_balloon(struct vm *vm)
{
	vm->ctl->balloon = 1;
	return 0;
}

static int end_balloon(struct vm *vm)
{
	vm->ctl->balloon = 0;
	return happened("pages given back and touched again", vm->freed);
}

/* --- swap ---------------------------------------------------------------- */

/* The page table tells: pages on their way to the swap device may come back early. */
static int take_out(struct vm *vm, uint64_t *out)
{
	static uint64_t frames[MAIN_PAGES];
	uint64_t page;

	if (madvise(slot_mem(vm, SLOT_MAIN), MAIN_SIZE, MADV_PAGEOUT))
		return fail_errno("MADV_PAGEOUT");
	if (page_frames(slot_mem(vm, SLOT_MAIN), frames, MAIN_PAGES))
		return -1;
	for (page = 0, *out = 0; page < MAIN_PAGES; page++)
		*out += !frames[page];
	return 0;
}

/*
 * While the guest runs it races with it, and may have all of it back before anybody
 * looks.  So every second round the guest stands still: what is out then it has to
 * fetch.
 */
static int round_swap(struct vm *vm, unsigned int round)
{
	time_t end = time(NULL) + SWAP_SECONDS;
	bool still = round % 2;
	uint64_t out = 0;

	if (still && vm_stop(vm))
		return -1;
	do {
		if (take_out(vm, &out))
			return -1;
	} while (still && out < MAIN_PAGES / 2 && time(NULL) < end);
	if (!still)
		return 0;
	count += out;
	if (out < MAIN_PAGES / 2)
		return fail("only %lu of %d pages of a guest that stands still were taken out",
			    out, MAIN_PAGES);
	return vm_start(vm);
}

static int begin_count(struct vm *vm)
{
	count = 0;
	return 0;
}

static int end_swap(struct vm *vm)
{
	return happened("pages taken out and touched again", count);
}

/* --- transparent huge pages ---------------------------------------------- */

static int begin_thp(struct vm *vm)
{
	count = vmstat("thp_split_pmd");
	if (madvise(slot_mem(vm, SLOT_MAIN), MAIN_SIZE, MADV_HUGEPAGE))
		return fail_errno("MADV_HUGEPAGE");
	return 0;
}

/* Collapse, let the guest run on large pages, split some of them. */
static int round_thp(struct vm *vm, unsigned int round)
{
	uint8_t *mem = slot_mem(vm, SLOT_MAIN);
	uint64_t at;

	for (at = 0; at < MAIN_SIZE; at += LARGE_PAGE)
		if (madvise(mem + at, LARGE_PAGE, MADV_COLLAPSE) && errno != EAGAIN &&
		    errno != EBUSY && errno != ENOMEM)
			return fail_errno("MADV_COLLAPSE");
	if (vm_wait_passes(vm, 1))
		return -1;
	for (at = round * PAGE_SIZE; at < MAIN_SIZE; at += LARGE_PAGE)
		if (mprotect(mem + at, PAGE_SIZE, PROT_READ) ||
		    mprotect(mem + at, PAGE_SIZE, PROT_READ | PROT_WRITE))
			return fail_errno("mprotect");
	return 0;
}

static int end_thp(struct vm *vm)
{
	return happened("large pages split", vmstat("thp_split_pmd") - count);
}

/* --- equal pages --------------------------------------------------------- */

static int begin_ksm(struct vm *vm)
{
	count = 0;
	if (madvise(slot_mem(vm, SLOT_SAME), SAME_SIZE, MADV_MERGEABLE))
		return fail_errno("MADV_MERGEABLE");
	return write_number(KSM "sleep_millisecs", 2) ||
	       write_number(KSM "pages_to_scan", 1000) || write_number(KSM "run", 1);
}

/* New content, wait until some of it is merged; the next round writes again. */
static int round_ksm(struct vm *vm, unsigned int round)
{
	time_t end = time(NULL) + KSM_SECONDS;
	uint64_t merged;

	vm->ctl->same++;
	if (vm_wait_passes(vm, 2))
		return -1;
	do {
		usleep(5000);
		merged = read_number(KSM "pages_sharing");
	} while (merged < SAME_PAGES / 4 && time(NULL) < end && !vm->failed);
	count += merged;
	return 0;
}

static int end_ksm(struct vm *vm)
{
	if (write_number(KSM "run", 2) || write_number(KSM "run", 0))
		return -1;
	return happened("pages merged", count);
}

/* --- protection and place ------------------------------------------------ */

#define INACCESSIBLE	"accesses of the guest to inaccessible memory"

static int round_protect(struct vm *vm, unsigned int round)
{
	uint8_t *mem = slot_mem(vm, SLOT_MAIN);
	int access = round % 2 ? PROT_NONE : PROT_READ;

	if (mprotect(mem, MAIN_SIZE, access))
		return fail_errno("mprotect");
	if (vm_wait_more(vm, &vm->faults, INACCESSIBLE))
		return -1;
	if (mprotect(mem, MAIN_SIZE, PROT_READ | PROT_WRITE))
		return fail_errno("mprotect");
	return 0;
}

/* Inaccessible all the time: what is at the old place meanwhile is fresh memory. */
static int round_remap(struct vm *vm, unsigned int round)
{
	uint8_t *mem = slot_mem(vm, SLOT_MAIN), *other;

	if (mprotect(mem, MAIN_SIZE, PROT_NONE))
		return fail_errno("mprotect");
	other = mremap(mem, MAIN_SIZE, MAIN_SIZE, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, 0);
	if (other == MAP_FAILED)
		return fail_errno("mremap");
	if (vm_wait_more(vm, &vm->faults, INACCESSIBLE))
		return -1;
	if (mremap(other, MAIN_SIZE, MAIN_SIZE, MREMAP_MAYMOVE | MREMAP_FIXED, mem) != mem)
		return fail_errno("mremap back");
	if (mprotect(mem, MAIN_SIZE, PROT_READ | PROT_WRITE))
		return fail_errno("mprotect");
	return 0;
}

static int end_faults(struct vm *vm)
{
	return happened(INACCESSIBLE, vm->faults);
}

/* --- migration of pages -------------------------------------------------- */

/* Every second page of a range is free: the kernel has something to compact. */
static int round_migrate(struct vm *vm, unsigned int round)
{
	static uint64_t before[MAIN_PAGES], after[MAIN_PAGES];
	const uint8_t *mem = slot_mem(vm, SLOT_MAIN);
	uint8_t *pieces;
	uint64_t at;
	int r;

	pieces = mmap(NULL, FRAGMENT_SIZE, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (pieces == MAP_FAILED)
		return fail_errno("mmap");
	madvise(pieces, FRAGMENT_SIZE, MADV_NOHUGEPAGE);
	memset(pieces, 1, FRAGMENT_SIZE);
	for (at = 0; at < FRAGMENT_SIZE; at += 2 * PAGE_SIZE)
		madvise(pieces + at, PAGE_SIZE, MADV_DONTNEED);
	r = page_frames(mem, before, MAIN_PAGES) ||
	    write_number("/proc/sys/vm/compact_memory", 1) ||
	    page_frames(mem, after, MAIN_PAGES) ? -1 : 0;
	for (at = 0; at < MAIN_PAGES; at++)
		count += before[at] && after[at] && before[at] != after[at];
	munmap(pieces, FRAGMENT_SIZE);
	return r;
}

static int end_migrate(struct vm *vm)
{
	return happened("pages of the guest moved", count);
}

/* --- memory slots -------------------------------------------------------- */

/* Delete a slot and create it again, or move it and move it back. */
static int round_slots(struct vm *vm, unsigned int round)
{
	bool move = round % 2;

	if (vm_set_slot(vm, SLOT_MAIN, move ? GUEST_ELSEWHERE : GUEST_MAIN,
			move ? MAIN_SIZE : 0, 0) ||
	    vm_wait_more(vm, &vm->mmio, "access of the guest to a slot that is not there"))
		return -1;
	return vm_set_slot(vm, SLOT_MAIN, GUEST_MAIN, MAIN_SIZE, 0);
}

static int end_slots(struct vm *vm)
{
	return happened("accesses of the guest to a slot that was not there", vm->mmio);
}

/* --- dirty log ----------------------------------------------------------- */

static uint8_t *copy;

static int begin_log(struct vm *vm)
{
	count = 0;
	if (vm_set_slot(vm, SLOT_MAIN, GUEST_MAIN, MAIN_SIZE, KVM_MEM_LOG_DIRTY_PAGES))
		return -1;
	copy = malloc(MAIN_SIZE);
	if (!copy)
		return fail("out of memory");
	memcpy(copy, slot_mem(vm, SLOT_MAIN), MAIN_SIZE);
	return 0;
}

/* As a migration does: copy what has been written since the last time. */
static int round_log(struct vm *vm, unsigned int round)
{
	uint64_t log[MAIN_PAGES / 64], page;
	struct kvm_dirty_log request = { .slot = SLOT_MAIN, .dirty_bitmap = log };

	if (ioctl(vm->vm_fd, KVM_GET_DIRTY_LOG, &request))
		return fail_errno("KVM_GET_DIRTY_LOG");
	for (page = 0; page < MAIN_PAGES; page++) {
		if (!(log[page / 64] >> (page % 64) & 1))
			continue;
		memcpy(copy + page * PAGE_SIZE,
		       slot_mem(vm, SLOT_MAIN) + page * PAGE_SIZE, PAGE_SIZE);
		count++;
	}
	return 0;
}

static int compare_copy(struct vm *vm)
{
	uint64_t page, wrong = 0, first = 0;

	for (page = MAIN_PAGES; page--; ) {
		if (!memcmp(copy + page * PAGE_SIZE,
			    slot_mem(vm, SLOT_MAIN) + page * PAGE_SIZE, PAGE_SIZE))
			continue;
		wrong++;
		first = page;
	}
	if (!wrong)
		return 0;
	return fail("%lu pages were written and not logged, %lu the first",
		    wrong, first);
}

/* The guest stands still: the last part of the log makes the copy complete. */
static int end_log(struct vm *vm)
{
	bool differs;
	int r;

	if (vm_wait_passes(vm, 1) || vm_stop(vm))
		return -1;
	differs = memcmp(copy, slot_mem(vm, SLOT_MAIN), MAIN_SIZE);
	r = round_log(vm, 0) || compare_copy(vm) ? -1 : 0;
	free(copy);
	if (r || vm_set_slot(vm, SLOT_MAIN, GUEST_MAIN, MAIN_SIZE, 0))
		return -1;
	if (!differs)
		return fail("the guest has not written since the last round");
	return happened("pages logged", count);
}

const struct kind kinds[] = {
	{ "none", "let the guest run", 4, no_round },
	{ "balloon", "take away pages that the guest does not use", 12, no_round,
	  NULL, begin_balloon, end_balloon },
	{ "swap", "swap out all memory", 6, round_swap, "pswpout",
	  begin_count, end_swap },
	{ "thp", "collapse to large pages, and split them", 6, round_thp,
	  "thp_collapse_alloc", begin_thp, end_thp },
	{ "ksm", "merge equal pages", 4, round_ksm, NULL, begin_ksm, end_ksm },
	{ "protect", "take the VMM's right to write, or to read", 8, round_protect,
	  NULL, NULL, end_faults },
	{ "remap", "move the VMM's mapping", 6, round_remap, NULL, NULL, end_faults },
	{ "migrate", "move pages, by compaction", 3, round_migrate,
	  "pgmigrate_success", begin_count, end_migrate },
	{ "slots", "delete and move memory slots", 8, round_slots, NULL, NULL,
	  end_slots },
	{ "log", "copy by the dirty log", 10, round_log, NULL, begin_log, end_log },
};

const size_t nr_kinds = sizeof(kinds) / sizeof(kinds[0]);
