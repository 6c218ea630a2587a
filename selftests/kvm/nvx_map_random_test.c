// SPDX-License-Identifier: GPL-2.0-only
/*
 * nvx_map_random_test - Random changes of EPT12 against a model of EPT12.
 *
 * L1 maps, unmaps, protects and moves pages of the window at random, by 4 KiB and
 * 2 MiB entries of two sets of tables, with and without accessed and dirty bits.
 * INVEPT is executed where the SDM requires it, and only there.  L2 then reads,
 * writes and executes.  The model says which of these accesses are EPT violations,
 * with which qualification, what is read, and which accessed and dirty bits there
 * are afterwards.  None of this may depend on how much L0 maps in advance.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "nvx_random.h"
#include "nvx_selftest.h"

#define DEFAULT_STEPS	3000
#define DEFAULT_SECONDS	10
#define STEPS_PER_SYNC	100
#define SCAN_STEPS	16

#define PAGES		128		/* of the window, that L2 accesses */
#define SLOT_FRAMES	WINDOW_PAGES	/* of each of the two memory slots */
#define BACKING_SLOT	11
#define BACKING_GPA	0xc8000000ul

#define EPT_LARGE	BIT(7)
#define EPT_ADDRESS	0x000ffffffffff000ul
#define EPT_PRESENT	EPT_RWX
#define EPTP_AD		BIT(6)
#define CAP_EXEC_ONLY	BIT(0)
#define NR_ROOTS	2

#define QUAL_MASK	0x1bful		/* access, permissions, linear address */
#define QUAL_LINEAR	0x180ul

/* In each page: where L2 executes a RET, and reads and writes. */
#define CODE_OFFSET	0x800
#define DATA_OFFSET	0x10
#define RET		0xc3

/* What the accesses of L2 are; also the bits of the qualification. */
enum { READ = EPT_R, WRITE = EPT_W, EXEC = EPT_X };

/* A set of tables: L1's view of the last two levels, and what should be there. */
struct root {
	uint64_t eptp;			/* without EPTP_AD */
	volatile uint64_t *pd, *pt;	/* one entry of the PD is in use */
	uint64_t pt_gpa;
	uint64_t model_pd, model_pt[PAGES];
	bool pd_tried, tried[PAGES];	/* L2 may have had the accessed bit set */
	bool stale;			/* less may be cached than is allowed */
	bool invept;			/* more may be cached than is allowed */
	bool ad;			/* EPTP_AD at the last VM-entry */
};

/* All of it is in guest memory; the host sets the first part, reads the rest. */
static struct {
	uint64_t seed, steps;
	struct root roots[NR_ROOTS];

	uint64_t done, accesses, violations, changes, invepts, spurious;
	uint64_t bad_line, bad_step, bad_page, bad_got, bad_want;
	uint64_t values[2 * SLOT_FRAMES];
	bool exec_only;			/* pages may be so */
	struct root *root;
} t;

/* What L2 does next, set by L1; what it has read. */
static uint64_t l2_kind, l2_page, l2_data;

/* --- L2 ------------------------------------------------------------------ */

static void l2_guest_code(void)
{
	for (;;) {
		uint64_t gpa;

		nvx_l2_vmcall();
		gpa = nvx_window_gpa(l2_page);
		if (l2_kind == READ)
			l2_data = *(volatile uint64_t *)(gpa + DATA_OFFSET);
		else if (l2_kind == WRITE)
			*(volatile uint64_t *)(gpa + DATA_OFFSET) = l2_data;
		else
			asm volatile("call *%0" : : "r"(gpa + CODE_OFFSET) : "memory");
	}
}

static bool bad(int line, uint64_t page, uint64_t got, uint64_t want)
{
	if (!t.bad_line) {
		t.bad_line = line;
		t.bad_step = t.done;
		t.bad_page = page;
		t.bad_got = got;
		t.bad_want = want;
	}
	return false;
}

#define EXPECT(page, got, want)	\
	((got) == (want) || bad(__LINE__, page, got, want))

/* --- L1: the model ------------------------------------------------------- */

static uint64_t frame_gpa(uint64_t frame)
{
	return frame < SLOT_FRAMES ? nvx_window_gpa(frame) :
	       BACKING_GPA + (frame - SLOT_FRAMES) * 4096;
}

static uint64_t gpa_frame(uint64_t gpa)
{
	return gpa < BACKING_GPA ? (gpa - WINDOW_GPA) / 4096 :
	       SLOT_FRAMES + (gpa - BACKING_GPA) / 4096;
}

/* The entry of the model that translates a page; both levels may be absent. */
static uint64_t *leaf(struct root *r, uint64_t page)
{
	return r->model_pd & EPT_LARGE || !(r->model_pd & EPT_PRESENT) ?
	       &r->model_pd : &r->model_pt[page];
}

static uint64_t permissions(struct root *r, uint64_t page)
{
	return r->model_pd & *leaf(r, page) & EPT_RWX;
}

static uint64_t page_frame(struct root *r, uint64_t page)
{
	uint64_t frame = gpa_frame(*leaf(r, page) & EPT_ADDRESS);

	return r->model_pd & EPT_LARGE ? frame + page : frame;
}

/*
 * Write an entry, and note what the SDM wants: an INVEPT if less is allowed than
 * before, or something else; nothing if nothing was there or more is allowed.
 */
static void set_entry(struct root *r, volatile uint64_t *entry, uint64_t *model,
		      uint64_t value)
{
	/* L0 may have set the accessed bit of what L2 has tried. */
	uint64_t old = *model | (*entry & (EPT_A | EPT_D));
	uint64_t lost = old & ~value & (EPT_RWX | EPT_A | EPT_D);

	if (old & EPT_PRESENT) {
		if (lost || (old ^ value) & (EPT_ADDRESS | EPT_LARGE))
			r->invept = true;
		else if (value & ~old & EPT_RWX)
			r->stale = true;
	}
	*entry = value;
	*model = value;
	t.changes++;
}

/* --- L1: changes --------------------------------------------------------- */

static uint64_t random_permissions(void)
{
	static const uint8_t all[] = {
		EPT_RWX, EPT_RWX, EPT_RWX, EPT_R | EPT_W, EPT_R | EPT_X, EPT_R, EPT_X,
	};

	return all[rng() % (ARRAY_SIZE(all) - !t.exec_only)];
}

/* Permissions, memory type, accessed and dirty bits of an entry. */
static uint64_t random_flags(void)
{
	uint64_t flags = random_permissions() | EPT_WB;

	if (chance(80))
		flags |= EPT_A | (chance(60) ? EPT_D : 0);
	return flags;
}

static void set_page(struct root *r, uint64_t page, uint64_t value)
{
	set_entry(r, r->pt + page, &r->model_pt[page], value);
	r->tried[page] = false;
}

/* As a hypervisor that maps a range: pages in a row, with holes. */
static void change_run(struct root *r)
{
	uint64_t first = rng() % PAGES, n = 1 + rng() % 64, flags = random_flags(), i;
	uint64_t frame = rng() % (2 * SLOT_FRAMES - PAGES);
	bool same = chance(50);

	/* Frames in a row stay in one slot, or cross from one to the other. */
	for (i = 0; i < n && first + i < PAGES; i++) {
		if (chance(10))
			continue;
		set_page(r, first + i, frame_gpa(frame + i) |
			 (same ? flags : random_flags()));
	}
}

static void change_page(struct root *r)
{
	uint64_t page = rng() % PAGES, old = r->model_pt[page];

	switch (rng() % 4) {
	case 0:
		set_page(r, page, 0);
		break;
	case 1:
		if (old & EPT_PRESENT)
			set_page(r, page, (old & ~EPT_RWX) | random_permissions());
		break;
	case 2:
		if (old & EPT_PRESENT)
			set_page(r, page, old & ~(chance(50) ? EPT_A | EPT_D : EPT_D));
		break;
	default:
		set_page(r, page, frame_gpa(rng() % (2 * SLOT_FRAMES)) | random_flags());
	}
}

/*
 * Executable, if pages may be so and nothing else: stock complains (WARN) of entries
 * that two levels of EPT12 together leave without any permission.
 */
static uint64_t table_permissions(void)
{
	return t.exec_only ? EPT_R | EPT_X : random_permissions();
}

static void change_directory(struct root *r)
{
	uint64_t value = r->pt_gpa | (chance(70) ? EPT_RWX : table_permissions());

	if (chance(30))
		value = (chance(50) ? WINDOW_GPA : BACKING_GPA) | EPT_LARGE | random_flags();
	else if (chance(5))
		value = 0;
	set_entry(r, r->pd, &r->model_pd, value);
	r->pd_tried = false;
}

static void change(struct root *r)
{
	unsigned int n = rng() % 6;

	while (n--) {
		if (chance(25))
			change_run(r);
		else if (chance(6))
			change_directory(r);
		else
			change_page(r);
	}
}

static void invept(uint64_t type, uint64_t eptp)
{
	struct { uint64_t eptp, zero; } operand = { eptp, 0 };

	asm volatile("invept %0, %1" : : "m"(operand), "r"(type) : "cc", "memory");
	t.invepts++;
}

static void flushed(struct root *r)
{
	r->invept = false;
	r->stale = false;
}

/* Before L2 runs on: choose tables, and flush what must be flushed. */
static void choose_root(void)
{
	struct root *r;
	bool ad;

	if (chance(15))
		t.root = &t.roots[rng() % NR_ROOTS];
	r = t.root;
	ad = chance(3) ? !r->ad : r->ad;
	if (r->invept || ad != r->ad || chance(2)) {
		if (chance(20)) {
			invept(2, 0);
			flushed(&t.roots[0]);
			flushed(&t.roots[1]);
		} else {
			invept(1, r->eptp | (ad ? EPTP_AD : 0));
			flushed(r);
		}
	}
	r->ad = ad;
	vmwrite(EPT_POINTER, r->eptp | (ad ? EPTP_AD : 0));
}

/* --- L1: accesses of L2 -------------------------------------------------- */

static void note_tried(struct root *r, uint64_t page)
{
	if (leaf(r, page) == &r->model_pd)
		r->pd_tried = true;
	else
		r->tried[page] = true;
}

/* L2 has made the access: did it find, and leave, what it should? */
static bool check_done(struct root *r, uint64_t page, uint64_t kind, uint64_t value)
{
	uint64_t frame = page_frame(r, page), *model = leaf(r, page);
	volatile uint64_t *entry = model == &r->model_pd ? r->pd : r->pt + page;

	if (!(permissions(r, page) & kind))
		return bad(__LINE__, page, kind, permissions(r, page));
	if (kind == READ && !EXPECT(page, l2_data, t.values[frame]))
		return false;
	if (kind == WRITE)
		t.values[frame] = value;
	if (!EXPECT(page, *(volatile uint64_t *)(frame_gpa(frame) + DATA_OFFSET),
		    t.values[frame]))
		return false;
	if (r->ad)
		*model |= EPT_A | (kind == WRITE ? EPT_D : 0);
	return EXPECT(page, *entry & (EPT_A | EPT_D) & *model, *model & (EPT_A | EPT_D));
}

/* L1 repairs an entry in answer to a violation: no INVEPT is due. */
static void repair(struct root *r, uint64_t page, uint64_t kind)
{
	uint64_t need = kind == EXEC ? EPT_R | EPT_X : EPT_R | kind;

	if (!(r->model_pd & EPT_PRESENT))
		set_entry(r, r->pd, &r->model_pd, r->pt_gpa | EPT_RWX);
	if ((r->model_pd & need) != need)
		set_entry(r, r->pd, &r->model_pd, *r->pd | need);
	if (r->model_pd & EPT_LARGE)
		return;
	if (!(r->model_pt[page] & EPT_PRESENT))
		set_entry(r, r->pt + page, &r->model_pt[page],
			  frame_gpa(rng() % (2 * SLOT_FRAMES)) | random_flags() | need);
	else if ((r->model_pt[page] & need) != need)
		set_entry(r, r->pt + page, &r->model_pt[page], r->pt[page] | need);
}

static bool check_violation(struct root *r, uint64_t page, uint64_t kind)
{
	uint64_t offset = kind == EXEC ? CODE_OFFSET : DATA_OFFSET;

	t.violations++;
	return EXPECT(page, vmreadz(EXIT_QUALIFICATION) & QUAL_MASK,
		      kind | permissions(r, page) << 3 | QUAL_LINEAR) &&
	       EXPECT(page, vmreadz(GUEST_PHYSICAL_ADDRESS),
		      nvx_window_gpa(page) + offset);
}

static bool l2_access(uint64_t page, uint64_t kind)
{
	struct root *r = t.root;
	uint64_t value = rng();
	int tries;

	l2_page = page;
	l2_kind = kind;
	l2_data = value;
	t.accesses++;
	note_tried(r, page);
	nvx_l1_skip_instruction();
	for (tries = 0; tries < 4; tries++) {
		nvx_l1_enter();
		if (vmreadz(VM_EXIT_REASON) == EXIT_REASON_VMCALL)
			return check_done(r, page, kind, value);
		if (!EXPECT(page, vmreadz(VM_EXIT_REASON), EXIT_REASON_EPT_VIOLATION))
			return false;
		if (permissions(r, page) & kind) {
			/* A violation flushes what has caused it: once, if at all. */
			if (tries || !r->stale)
				return bad(__LINE__, page, kind, 0);
			t.spurious++;
			continue;
		}
		if (!check_violation(r, page, kind))
			return false;
		if (tries || chance(40))
			break;
		repair(r, page, kind);
		note_tried(r, page);
	}
	/* L1 gives up: L2 starts over. */
	nvx_l1_restart(l2_guest_code);
	nvx_l1_enter();
	return EXPECT(page, vmreadz(VM_EXIT_REASON), EXIT_REASON_VMCALL);
}

/* Accesses near each other, as those of a program. */
static bool access_some(void)
{
	static const uint8_t kinds[] = { READ, READ, WRITE, WRITE, EXEC };
	uint64_t n = 1 + rng() % 8, page = rng() % PAGES;

	while (n--) {
		if (!l2_access(page, kinds[rng() % ARRAY_SIZE(kinds)]))
			return false;
		page = chance(20) ? rng() % PAGES : (page + rng() % 5) % PAGES;
	}
	return true;
}

/* Nobody but L1 changes EPT12, except for accessed bits of what L2 has tried. */
static bool scan_entry(uint64_t page, uint64_t entry, uint64_t *model, bool tried)
{
	uint64_t may = tried ? EPT_A : 0;

	if (!EXPECT(page, entry & ~may, *model & ~may) ||
	    !EXPECT(page, *model & ~entry, 0))
		return false;
	*model = entry;
	return true;
}

static bool scan(struct root *r)
{
	uint64_t page;

	/* The accessed bit of a table is set with that of any page. */
	if (!scan_entry(PAGES, *r->pd, &r->model_pd,
			r->pd_tried || !(r->model_pd & EPT_LARGE)))
		return false;
	for (page = 0; page < PAGES; page++)
		if (!scan_entry(page, r->pt[page], &r->model_pt[page], r->tried[page]))
			return false;
	return true;
}

static bool step(void)
{
	change(&t.roots[chance(80) ? t.root - t.roots : rng() % NR_ROOTS]);
	choose_root();
	if (!access_some())
		return false;
	if (t.done % SCAN_STEPS)
		return true;
	return scan(&t.roots[0]) && scan(&t.roots[1]);
}

/* The second half of the steps: from empty tables on, with such pages. */
static void start_exec_only(void)
{
	uint64_t i, page;

	if (!(rdmsr(MSR_IA32_VMX_EPT_VPID_CAP) & CAP_EXEC_ONLY))
		return;
	t.exec_only = true;
	for (i = 0; i < NR_ROOTS; i++) {
		struct root *r = &t.roots[i];

		set_entry(r, r->pd, &r->model_pd, r->pt_gpa | EPT_RWX);
		for (page = 0; page < PAGES; page++)
			set_page(r, page, 0);
	}
}

/* The older library starts guests with a stack that vector instructions fault on. */
static void __attribute__((force_align_arg_pointer)) l1_guest_code(struct vmx_pages *vmx)
{
	uint64_t flags, frame;

	nvx_l1_init(vmx, l2_guest_code);
	flags = vmreadz(EPT_POINTER) & 0xfff & ~EPTP_AD;
	t.roots[0].eptp |= flags;
	t.roots[1].eptp |= flags;
	t.roots[0].ad = true;
	t.roots[1].ad = true;
	t.root = &t.roots[0];
	rng_state = t.seed;
	for (frame = 0; frame < 2 * SLOT_FRAMES; frame++) {
		t.values[frame] = rng();
		*(volatile uint64_t *)(frame_gpa(frame) + DATA_OFFSET) = t.values[frame];
		*(volatile uint8_t *)(frame_gpa(frame) + CODE_OFFSET) = RET;
	}
	vmwrite(EPT_POINTER, t.roots[0].eptp | EPTP_AD);
	nvx_l1_enter();
	if (!EXPECT(vmreadz(GUEST_PHYSICAL_ADDRESS) >> 12, vmreadz(VM_EXIT_REASON),
		    EXIT_REASON_VMCALL))
		GUEST_DONE();

	while (t.done < t.steps && step()) {
		t.done++;
		if (t.done == t.steps / 2)
			start_exec_only();
		if (!(t.done % STEPS_PER_SYNC))
			GUEST_SYNC(1);
	}
	GUEST_DONE();
}

/* --- the host ------------------------------------------------------------ */

#define PARAMETERS	"/sys/module/kvm_intel/parameters/"

static bool write_param(const char *name, const char *value)
{
	char path[128];
	FILE *file;
	bool good;

	snprintf(path, sizeof(path), PARAMETERS "%s", name);
	file = fopen(path, "w");
	if (!file)
		return false;
	good = fputs(value, file) >= 0;
	return !fclose(file) && good;
}

static void read_param(const char *name, char *value, size_t size)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), PARAMETERS "%s", name);
	file = fopen(path, "r");
	if (!file || !fgets(value, size, file))
		value[0] = '\0';
	if (file)
		fclose(file);
}

/* A page for a table: what L1 and L0 call it. */
static uint64_t *new_table(struct nvx_vm *v, uint64_t *gva, uint64_t *gpa)
{
	*gva = vm_vaddr_alloc_page(v->vm);
	*gpa = addr_gva2gpa(v->vm, *gva);
	return addr_gva2hva(v->vm, *gva);
}

/* The upper tables as the library has made them, but for the window's PD. */
static void create_root(struct nvx_vm *v, struct root *r)
{
	uint64_t *old = v->vmx->eptp_hva, *pml4, *pdpt, *pd, *pt;
	uint64_t gva, pml4_gpa, pdpt_gpa, pd_gpa;

	pml4 = new_table(v, &gva, &pml4_gpa);
	pdpt = new_table(v, &gva, &pdpt_gpa);
	pd = new_table(v, &gva, &pd_gpa);
	r->pd = (void *)gva;
	pt = new_table(v, &gva, &r->pt_gpa);
	r->pt = (void *)gva;
	r->eptp = pml4_gpa;

	memcpy(pml4, old, 4096);
	memcpy(pdpt, addr_gpa2hva(v->vm, old[0] & EPT_ADDRESS), 4096);
	memset(pd, 0, 4096);
	memset(pt, 0, 4096);
	pml4[0] = pdpt_gpa | EPT_RWX;
	pdpt[WINDOW_GPA >> 30] = pd_gpa | EPT_RWX;
	pd[0] = r->pt_gpa | EPT_RWX;
	r->model_pd = pd[0];
}

static void create(struct nvx_vm *v, uint64_t seed, uint64_t steps)
{
	memset(&t, 0, sizeof(t));
	nvx_vm_create(v, l1_guest_code);
	vm_userspace_mem_region_add(v->vm, VM_MEM_SRC_ANONYMOUS, BACKING_GPA,
				    BACKING_SLOT, SLOT_FRAMES, 0);
	virt_map(v->vm, BACKING_GPA, BACKING_GPA, SLOT_FRAMES);
	create_root(v, &t.roots[0]);
	create_root(v, &t.roots[1]);
	t.seed = seed;
	t.steps = steps;
	sync_global_to_guest(v->vm, t);
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ull + now.tv_nsec;
}

/* One run of the model, until it finds something, or steps or time are up. */
static void random_against_model(const char *name, uint64_t seed, uint64_t steps,
				 unsigned int seconds)
{
	uint64_t end = now_ns() + seconds * 1000000000ull;
	uint64_t around = nvx_counter("around_mapped");
	struct nvx_vm v;

	create(&v, seed, steps);
	while (nvx_run(&v, NULL) && now_ns() < end)
		;
	sync_global_from_guest(v.vm, t);
	nvx_vm_destroy(&v);
	if (t.bad_line)
		ksft_print_msg("seed %#lx, step %lu: page %lu is %#lx, the model says %#lx (%s:%lu)\n",
			       seed, t.bad_step, t.bad_page, t.bad_got, t.bad_want,
			       __FILE__, t.bad_line);
	ksft_print_msg("%s: %lu entries mapped around, %lu spurious violations\n",
		       name, nvx_counter("around_mapped") - around, t.spurious);
	nvx_result(!t.bad_line && t.done && t.violations && t.violations < t.accesses,
		   "%s, seed %#lx: %lu steps, %lu changes, %lu INVEPT, %lu accesses, %lu violations",
		   name, seed, t.done, t.changes, t.invepts, t.accesses, t.violations);
}

/* As loaded, then with the largest window, then with none.  "params" is without prefault. */
static void run_settings(uint64_t seed, uint64_t steps, unsigned int seconds)
{
	static const struct {
		const char *name, *around;
	} settings[] = {
		{ "window of 64 pages", "64" },
		{ "no window", "1" },
	};
	char around[16];
	unsigned int i;

	read_param("nvx_fault_around", around, sizeof(around));
	ksft_print_msg("prefault is %s\n", nvx_feature("prefault") ? "on" : "off");
	random_against_model("as loaded", seed, steps, seconds);
	for (i = 0; i < ARRAY_SIZE(settings); i++) {
		if (!nvx_param("nvx") ||
		    !write_param("nvx_fault_around", settings[i].around)) {
			ksft_test_result_skip("%s: no such parameter, or it is read-only here\n",
					      settings[i].name);
			continue;
		}
		random_against_model(settings[i].name, seed, steps, seconds);
	}
	write_param("nvx_fault_around", around);
	ksft_print_msg("nvx_fault_around was %s", around[0] ? around : "not there\n");
}

static void usage(const char *name)
{
	printf("Usage: %s [-s SEED] [-n STEPS] [-t SECONDS]\n\n"
	       "SEED: replay a run that has printed it (default: the time).\n"
	       "STEPS, SECONDS: of each of three settings (default: %u, at most %u s).\n",
	       name, DEFAULT_STEPS, DEFAULT_SECONDS);
}

int main(int argc, char *argv[])
{
	uint64_t seed = (time(NULL) * 0x9e3779b97f4a7c15ull) | 1, steps = DEFAULT_STEPS;
	unsigned int seconds = DEFAULT_SECONDS;
	int option;

	while ((option = getopt(argc, argv, "s:n:t:h")) != -1) {
		switch (option) {
		case 's':
			seed = strtoull(optarg, NULL, 0) ?: 1;
			break;
		case 'n':
			steps = strtoull(optarg, NULL, 0);
			break;
		case 't':
			seconds = strtoul(optarg, NULL, 0);
			break;
		default:
			usage(argv[0]);
			return option == 'h' ? 0 : 2;
		}
	}
	TEST_REQUIRE(kvm_cpu_has(X86_FEATURE_VMX));
	TEST_REQUIRE(nvx_param("ept"));
	TEST_REQUIRE(nvx_param("eptad"));

	setlinebuf(stdout);
	ksft_print_header();
	ksft_set_plan(3);
	ksft_print_msg("seed %#lx; again: nvx_map_random_test -s %#lx\n", seed, seed);
	run_settings(seed, steps, seconds);
	ksft_finished();
}
