// SPDX-License-Identifier: GPL-2.0-only
/*
 * nvx_pv_random_test - Random contents of a VMCS in memory against a model.
 *
 * Before each VM-entry the host, in the role of L1, changes fields and header of
 * the region at random, mostly honest about it.  The model is the merge of
 * Documentation/pv-vmcs-abi.rst in ten lines; KVM_GET_NESTED_STATE shows L0's
 * snapshot.  Now and then L1 is moved in the middle of a write of its own: behind the
 * dirty bit, before the field.  A second part lets a thread scribble all the time and only
 * wants L0 and L1 to survive.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <linux/compiler.h>

#include "nvx_pv.h"
#include "nvx_random.h"

#define DEFAULT_SECONDS	2
#define MAX_CHANGES	6
#define MOVES_PERCENT	8
#define EVENT_VALID	BIT(31)

enum { STEP = 1, MOVE, DONE };

/* In guest memory. */
static uint64_t complete_first, entry_failed;

/* A write of L1 itself, written by the host: index into pv_fields[] plus one. */
static uint64_t late_field, late_value;

static void l2_loop(void)
{
	for (;;)
		nvx_l2_vmcall();
}

/* nvx_pv_store(), and a move between its two halves. */
static void write_and_move(void)
{
	const struct pv_field *f = &pv_fields[late_field - 1];

	pv_hdr(pv_region)->dirty |= f->group;
	GUEST_SYNC(MOVE);
	pv_set(pv_region, f, late_value);
}

/* One VM-entry per step; what L2 does afterwards does not matter. */
static void l1_guest_code(struct vmx_pages *vmx)
{
	uint64_t value;

	nvx_use_pv = 1;
	nvx_l1_init(vmx, l2_loop);
	vmwrite(CPU_BASED_VM_EXEC_CONTROL, vmreadz(CPU_BASED_VM_EXEC_CONTROL) |
		CPU_BASED_USE_MSR_BITMAPS);
	vmwrite(MSR_BITMAP, vmx->msr_gpa);
	nvx_l1_enter();
	for (;;) {
		if (complete_first)
			vmread(VM_EXIT_REASON, &value);
		GUEST_SYNC(STEP);
		if (late_field)
			write_and_move();
		entry_failed = nvx_l1_try_enter();
		GUEST_SYNC(DONE);
	}
}

static uint64_t seed;

/* --- what may be changed ------------------------------------------------- */

/*
 * Fields with which L1 would harm itself: its own state after the exit, memory
 * that MSR lists overwrite, an L2 that halts for ever or runs elsewhere.
 */
static bool excluded(const struct pv_field *f)
{
	switch (f->encoding) {
	case GUEST_RIP:
	case GUEST_RFLAGS:
	case GUEST_CR0:
	case GUEST_CR3:
	case GUEST_CR4:
	case GUEST_ACTIVITY_STATE:
	case GUEST_CS_AR_BYTES:
	case VM_EXIT_MSR_STORE_COUNT:
	case VM_EXIT_MSR_LOAD_COUNT:
	case VM_ENTRY_MSR_LOAD_COUNT:
	case GUEST_DR7:
	case GUEST_IA32_DEBUGCTL:
	case GUEST_PENDING_DBG_EXCEPTIONS:
	case EPT_POINTER:
	case VM_EXIT_CONTROLS:
	case APIC_ACCESS_ADDR:		/* no memory there: KVM gives up, on stock too */
		return true;
	case HOST_RSP:
	case HOST_IA32_SYSENTER_CS:
		return false;
	}
	if (f->group & (NVX_PV_HOST | NVX_PV_HOST_VAR))
		return true;
	/* Of the segments those that 64-bit code does not use. */
	return f->group == NVX_PV_SEGS && f->encoding != GUEST_FS_BASE &&
	       f->encoding != GUEST_GS_BASE && f->encoding != GUEST_LDTR_LIMIT &&
	       f->encoding != GUEST_ES_LIMIT && f->encoding != GUEST_FS_LIMIT;
}

static uint64_t width_mask(const struct pv_field *f)
{
	return f->size == 8 ? ~0ul : BIT(f->size * 8) - 1;
}

/* Does VM-exit leave the field as VM-entry has found it? */
static bool stays(const struct pv_field *f, bool entered)
{
	if (f->group & NVX_PV_EXIT)
		return false;
	if (!entered)
		return true;
	if (f->encoding == VMX_PREEMPTION_TIMER_VALUE ||
	    f->encoding == GUEST_INTR_STATUS || f->encoding == GUEST_PML_INDEX)
		return false;
	return f->group & (NVX_PV_EXEC | NVX_PV_HOST_VAR | NVX_PV_HOST |
			   NVX_PV_CTRL | NVX_PV_ADDR);
}

/* --- the model ----------------------------------------------------------- */

struct model {
	struct nvx_vm v;
	uint8_t *region;			/* what L1 and L0 share */
	uint8_t good[NVX_PV_FIELDS_END];	/* with which VM-entry succeeds */
	uint8_t before[NVX_PV_FIELDS_END];	/* L0's snapshot, before and ... */
	uint8_t wanted[NVX_PV_FIELDS_END];	/* ... after VM-entry */
	uint64_t steps, changes, failed, entered, moves;
};

static void read_snapshot(struct model *m, uint8_t *snapshot)
{
	static union {
		struct kvm_nested_state state;
		uint8_t room[16384];
	} u;

	memset(&u.state, 0, sizeof(u.state));
	u.state.size = sizeof(u);
	vcpu_nested_state_get(m->v.vcpu, &u.state);
	memcpy(snapshot, u.state.data.vmx[0].vmcs12, NVX_PV_FIELDS_END);
}

static uint64_t *guest_variable(struct model *m, uint64_t *variable)
{
	return addr_gva2hva(m->v.vm, (vm_vaddr_t)variable);
}

static void merge(struct model *m)
{
	uint32_t dirty = pv_hdr(m->region)->dirty, valid = pv_hdr(m->region)->valid;
	uint64_t late = *guest_variable(m, &late_field);
	unsigned int i;

	if (late)
		dirty |= pv_fields[late - 1].group;
	memcpy(m->wanted, m->before, sizeof(m->wanted));
	for (i = 0; i < nr_pv_fields; i++) {
		const struct pv_field *f = &pv_fields[i];

		if (dirty & f->group & ~NVX_PV_READ_ONLY &&
		    (valid & f->group || !(f->group & NVX_PV_LAZY)))
			pv_set(m->wanted, f, i + 1 == late ?
			       *guest_variable(m, &late_value) : pv_get(m->region, f));
	}
}

static uint64_t new_value(struct model *m, const struct pv_field *f)
{
	uint64_t value;

	value = chance(70) ? pv_get(m->region, f) ^ BIT(rng() % (f->size * 8)) :
			     rng() & width_mask(f);
	/* Injected events only of a kind that does not exist. */
	if (f->encoding == VM_ENTRY_INTR_INFO_FIELD)
		value = chance(50) ? value & ~EVENT_VALID :
				     EVENT_VALID | (1 << 8) | (value & 0xff);
	return value;
}

static void change_field(struct model *m, uint32_t *groups)
{
	const struct pv_field *f = &pv_fields[rng() % nr_pv_fields];

	if (excluded(f))
		return;
	pv_set(m->region, f, new_value(m, f));
	*groups |= f->group;
	m->changes++;
}

static void change_header(struct model *m)
{
	struct nvx_pv_vmcs_hdr *hdr = pv_hdr(m->region);
	struct nvx_pv_assist *assist = m->v.vmx->vmxon_hva + NVX_PV_OFFSET;
	unsigned int i;

	switch (rng() % 5) {
	case 0:
		hdr->magic = rng();
		hdr->version = rng();
		break;
	case 1:
		hdr->valid = rng();
		break;
	case 2:
		hdr->deleg = rng();
		hdr->cpuid_gpa = rng();
		hdr->cpuid_nent = rng();
		hdr->nr_msrs = rng();
		break;
	case 3:
		assist->nr_flush = chance(50) ? rng() : rng() % NVX_PV_NR_FLUSH;
		for (i = 0; i < NVX_PV_NR_FLUSH; i++) {
			assist->flush[i].op = rng() & 0x30003;
			assist->flush[i].eptp = rng();
			assist->flush[i].vpid = rng();
		}
		break;
	case 4:
		assist->magic = rng();
		assist->version = rng();
		assist->features = rng();
		assist->error = rng();
		break;
	}
	m->changes++;
}

/* Go back to contents with which VM-entry succeeds, all of them dirty. */
static void restore(struct model *m)
{
	unsigned int i;

	for (i = 0; i < nr_pv_fields; i++)
		pv_set(m->region, &pv_fields[i], pv_get(m->good, &pv_fields[i]));
	pv_hdr(m->region)->dirty = NVX_PV_ALL;
}

static void change(struct model *m)
{
	unsigned int n = 1 + rng() % MAX_CHANGES;
	uint32_t groups = 0;

	while (n--)
		change_field(m, &groups);
	if (chance(10))
		change_header(m);
	/* Mostly honest. */
	if (chance(80))
		pv_hdr(m->region)->dirty |= groups;
	else
		pv_hdr(m->region)->dirty ^= rng();
}

/* Have L1 write one more field; the next host looks at the assist page again. */
static void write_late(struct model *m)
{
	struct nvx_pv_assist *assist = m->v.vmx->vmxon_hva + NVX_PV_OFFSET;
	unsigned int i = rng() % nr_pv_fields;

	if (excluded(&pv_fields[i]) || pv_fields[i].group & NVX_PV_READ_ONLY)
		return;
	assist->magic = NVX_PV_ASSIST_MAGIC;
	assist->version = NVX_PV_VERSION;
	assist->features = pv_features;
	*guest_variable(m, &late_field) = i + 1;
	*guest_variable(m, &late_value) = new_value(m, &pv_fields[i]);
	m->moves++;
	m->changes++;
}

static bool compare(struct model *m, bool entered)
{
	uint8_t after[NVX_PV_FIELDS_END];
	bool good = true;
	unsigned int i;

	read_snapshot(m, after);
	for (i = 0; i < nr_pv_fields; i++) {
		const struct pv_field *f = &pv_fields[i];

		if (!stays(f, entered) || pv_get(after, f) == pv_get(m->wanted, f))
			continue;
		ksft_print_msg("step %lu: %s is %#lx, the model says %#lx (before %#lx, entered %d)\n",
			       m->steps, f->name, pv_get(after, f),
			       pv_get(m->wanted, f), pv_get(m->before, f), entered);
		good = false;
	}
	return good;
}

/* One VM-entry with random contents. */
static bool step(struct model *m)
{
	uint32_t reason;
	uint64_t stage;
	bool entered;

	read_snapshot(m, m->before);
	change(m);
	*guest_variable(m, &late_field) = 0;
	if (chance(MOVES_PERCENT))
		write_late(m);
	merge(m);
	TEST_ASSERT(nvx_run(&m->v, &stage), "L1 went astray");
	if (stage == MOVE) {
		nvx_save_restore(&m->v);
		TEST_ASSERT(nvx_run(&m->v, &stage), "L1 went astray after a move");
	}
	TEST_ASSERT(stage == DONE, "L1 went astray, to %lu", stage);
	m->steps++;

	reason = pv_get(m->region, pv_find(VM_EXIT_REASON));
	entered = !*guest_variable(m, &entry_failed) && !(reason & BIT(31));
	if (entered)
		m->entered++;
	else
		m->failed++;
	if (!compare(m, entered))
		return false;

	if (!entered || reason != EXIT_REASON_VMCALL || chance(5))
		restore(m);
	TEST_ASSERT(nvx_run(&m->v, &stage) && stage == STEP, "L1 went astray");
	return true;
}

static void model_create(struct model *m)
{
	uint64_t stage;

	memset(m, 0, sizeof(*m));
	nvx_vm_create(&m->v, l1_guest_code);
	complete_first = 1;
	sync_global_to_guest(m->v.vm, complete_first);
	TEST_ASSERT(nvx_run(&m->v, &stage) && stage == STEP, "L1 did not start");
	m->region = m->v.vmx->vmcs_hva;
	memcpy(m->good, m->region, sizeof(m->good));
}

/* Not by whole seconds: the first one may be over at once. */
static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ull + now.tv_nsec;
}

static void random_against_model(unsigned int seconds, uint64_t steps)
{
	uint64_t end = now_ns() + seconds * 1000000000ull;
	struct model m;
	bool good = true;

	rng_state = seed;
	model_create(&m);
	while (good && (steps ? m.steps < steps : now_ns() < end))
		good = step(&m);
	nvx_vm_destroy(&m.v);
	nvx_result(good && m.entered && m.failed && m.moves,
		   "seed %#lx: %lu VM-entries (%lu succeeded, %lu refused) after %lu changes, %lu moves",
		   seed, m.steps, m.entered, m.failed, m.changes, m.moves);
}

/* --- somebody else writes, too ------------------------------------------- */

static volatile bool stop;

static void *scribble(void *model)
{
	struct model *m = model;
	uint32_t groups;

	while (!stop) {
		groups = 0;
		change_field(m, &groups);
		if (chance(20))
			change_header(m);
		pv_hdr(m->region)->dirty |= groups;
		if (chance(30))
			restore(m);
		usleep(20);
	}
	return NULL;
}

static void random_scribbler(unsigned int seconds)
{
	uint64_t end = now_ns() + seconds * 1000000000ull;
	pthread_t thread;
	struct model m;
	uint64_t stage;
	bool good = true;

	rng_state = seed;
	model_create(&m);
	stop = false;
	TEST_ASSERT(!pthread_create(&thread, NULL, scribble, &m), "No thread");
	while (good && now_ns() < end) {
		good = nvx_run(&m.v, &stage);
		m.steps++;
	}
	stop = true;
	pthread_join(thread, NULL);
	nvx_vm_destroy(&m.v);
	nvx_result(good && m.steps, "seed %#lx: %lu VM-entries while a thread made %lu changes",
		   seed, m.steps / 2, m.changes);
}

/* Usage: nvx_pv_random_test [SECONDS [SEED [STEPS]]] */
int main(int argc, char *argv[])
{
	unsigned int seconds = argc > 1 ? strtoul(argv[1], NULL, 0) : DEFAULT_SECONDS;

	seed = argc > 2 ? strtoull(argv[2], NULL, 0) :
	       (time(NULL) * 0x9e3779b97f4a7c15ull) | 1;
	TEST_REQUIRE(kvm_cpu_has(X86_FEATURE_VMX));
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_NESTED_STATE));
	TEST_REQUIRE(nvx_param("ept"));
	TEST_REQUIRE(nvx_param("unrestricted_guest"));
	TEST_REQUIRE(nvx_feature("pv"));

	setlinebuf(stdout);
	ksft_print_header();
	ksft_set_plan(2);
	ksft_print_msg("seed %#lx; again: nvx_pv_random_test %u %#lx\n", seed,
		       seconds, seed);
	random_against_model((seconds + 1) / 2, argc > 3 ? strtoull(argv[3], NULL, 0) : 0);
	random_scribbler((seconds + 1) / 2);
	ksft_finished();
}
