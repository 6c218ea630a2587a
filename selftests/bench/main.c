// SPDX-License-Identifier: GPL-2.0-only
/*
 * nvx-vmm: measure what operations of a guest cost.  Runs in L0 (its guest is
 * an L1: the native reference) and in L1 (its guest is an L2).  This file holds
 * the options and the three modes.
 */
#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <unistd.h>

#include "vmm.h"

#define WARM_OPS		16
#define PROFILE_WARM_OPS	100
#define DEFAULT_SAMPLES		200
#define DEFAULT_MARKED_OPS	16
#define DEFAULT_BATCHES		20

/*
 * A mark is one 32-bit write to port 0xe9.  In L1 it shows up in L0's trace as
 * kvm_pio; nothing listens there.  Bits 31-24 magic, 23 end of batch, 22-16
 * operation, 15-0 number of operations in the batch.
 */
#define MARK_PORT		0xe9
#define MARK_MAGIC		0x4e000000u
#define MARK_END		0x00800000u
#define MARK_MAX_OPS		0xffff
#define TRACE_MARKER		"/sys/kernel/tracing/trace_marker"

enum mark_target { MARKS_OFF, MARKS_PORT, MARKS_TRACE };

struct options {
	bool selected[NR_OPS];
	enum mark_target marks;
	enum bench_op profile;
	uint64_t samples;
	uint64_t batches;
	uint64_t fill_mib;
	const char *output;
	const char *before;
	int trace_fd;
};

enum { KEY_OPS = 0x100, KEY_MARKS, KEY_PROFILE, KEY_BATCHES, KEY_BEFORE, KEY_FILL };

static const struct argp_option argp_options[] = {
	{ "list", 'l', NULL, 0, "List the operations", 0 },
	{ "ops", KEY_OPS, "OP,...", 0, "Operations to run (default: all but the special ones)", 0 },
	{ "samples", 'n', "N", 0,
	  "Operations to measure (default: 200; with --marks: 16 per batch)", 0 },
	{ "output", 'o', "FILE", 0, "Write the results to FILE (default: standard output)", 0 },
	{ "marks", KEY_MARKS, "port|trace", OPTION_ARG_OPTIONAL,
	  "Run batches of 0 and N operations in turn and mark their begin and end: "
	  "by writes to port 0xe9 for a trace one level below (port, the default), "
	  "or in this kernel's trace_marker (trace)", 0 },
	{ "batches", KEY_BATCHES, "K", 0, "Pairs of batches with --marks (default: 20)", 0 },
	{ "before", KEY_BEFORE, "CMD", 0,
	  "Run a shell command before each operation is measured, with its name in "
	  "$OP and that of the VM's debugfs directory in $VM", 0 },
	{ "fill", KEY_FILL, "MIB", 0,
	  "Give the guest so much more memory and let it touch every page (2 to 512)", 0 },
	{ "profile", KEY_PROFILE, "OP", 0,
	  "Run 100 operations, then N more between magic breakpoints (XCHG BX,BX)", 0 },
	{ }
};

static int parse_number(const char *arg, uint64_t max, uint64_t *value)
{
	char *end;

	errno = 0;
	*value = strtoull(arg, &end, 0);
	if (errno || end == arg || *end || !*value || *value > max)
		return fail("'%s' is not a number from 1 to %llu", arg,
			    (unsigned long long)max);
	return 0;
}

static int parse_profile(const char *arg, struct options *opts)
{
	bool selected[NR_OPS];
	int op;

	if (strchr(arg, ','))
		return fail("--profile takes one operation, not '%s'", arg);
	if (op_parse_list(arg, selected))
		return -1;
	for (op = 1; op < NR_OPS; op++)
		if (selected[op])
			opts->profile = op;
	return opts->profile ? 0 : fail("--profile needs an operation");
}

static int parse_marks(const char *arg, struct options *opts)
{
	if (!arg || !strcmp(arg, "port"))
		opts->marks = MARKS_PORT;
	else if (!strcmp(arg, "trace"))
		opts->marks = MARKS_TRACE;
	else
		return fail("--marks takes 'port' or 'trace', not '%s'", arg);
	return 0;
}

static void list_ops(void)
{
	int op;

	for (op = 1; op < NR_OPS; op++)
		printf("%-14s %s%s\n", op_infos[op].name, op_infos[op].help,
		       op_infos[op].special ? " (special)" : "");
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct options *opts = state->input;
	int r = 0;

	switch (key) {
	case 'l':
		list_ops();
		exit(0);
	case 'n':
		r = parse_number(arg, MAX_SAMPLES, &opts->samples);
		break;
	case 'o':
		opts->output = arg;
		break;
	case KEY_OPS:
		r = op_parse_list(arg, opts->selected);
		break;
	case KEY_MARKS:
		r = parse_marks(arg, opts);
		break;
	case KEY_BATCHES:
		r = parse_number(arg, 10000, &opts->batches);
		break;
	case KEY_FILL:
		r = parse_number(arg, FILL_MAX_MIB, &opts->fill_mib);
		break;
	case KEY_PROFILE:
		r = parse_profile(arg, opts);
		break;
	case KEY_BEFORE:
		opts->before = arg;
		break;
	case ARGP_KEY_ARG:
		r = fail("unexpected argument '%s'", arg);
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	if (r)
		exit(2);
	return 0;
}

static const struct argp argp = {
	.options = argp_options,
	.parser = parse_option,
	.doc = "Measure the operations of a small KVM guest.\v"
	       "Without --marks and --profile, the result of an operation is the "
	       "TSC difference that the guest sees around it.  Exit status: 0, "
	       "1 for a failure of KVM or of the guest, 2 for wrong usage.",
};

/* Warm-up and measurement of one operation in the default mode. */
static int measure_op(struct vmm *vmm, const struct options *opts, enum bench_op op)
{
	struct batch warm = { op, MODE_COUNT, WARM_OPS, 0 };
	struct batch batch = { op, MODE_SAMPLE, opts->samples, WARM_OPS };
	struct stats stats;

	if (op_prepare(vmm, op, warm.n + batch.n) ||
	    op_start(vmm, &warm) || vmm_run_guest(vmm) || op_check(vmm, &warm) ||
	    op_start(vmm, &batch) || vmm_run_guest(vmm) || op_check(vmm, &batch))
		return -1;

	stats_compute(&stats, (uint32_t *)(vmm->mem + GUEST_SAMPLES), batch.n);
	results_stats(op, &stats);
	return 0;
}

static int mark(const struct options *opts, const struct batch *batch, bool end)
{
	uint32_t value = MARK_MAGIC | (end ? MARK_END : 0) | batch->op << 16 | batch->n;
	char text[64];
	int len;

	if (opts->marks == MARKS_PORT) {
		outl(value, MARK_PORT);
		return 0;
	}

	len = snprintf(text, sizeof(text), "nvx-vmm mark 0x%08x\n", value);
	if (write(opts->trace_fd, text, len) != len)
		return fail("cannot write to " TRACE_MARKER ": %s", strerror(errno));
	return 0;
}

static int run_marked(struct vmm *vmm, const struct options *opts,
		      const struct batch *batch)
{
	if (op_start(vmm, batch) || mark(opts, batch, false) ||
	    vmm_run_guest(vmm) || mark(opts, batch, true))
		return -1;
	return op_check(vmm, batch);
}

/* Warm-up and the batches of one operation with --marks. */
static int mark_op(struct vmm *vmm, const struct options *opts, enum bench_op op)
{
	struct batch batch = { op, MODE_COUNT, WARM_OPS, 0 };
	struct batch empty = { op, MODE_COUNT, 0, 0 };
	uint64_t i;

	if (op_prepare(vmm, op, WARM_OPS + opts->batches * opts->samples) ||
	    op_start(vmm, &batch) || vmm_run_guest(vmm) || op_check(vmm, &batch))
		return -1;

	batch.first = WARM_OPS;
	batch.n = opts->samples;
	for (i = 0; i < opts->batches; i++) {
		if (run_marked(vmm, opts, &empty) || run_marked(vmm, opts, &batch))
			return -1;
		batch.first += batch.n;
	}
	results_marks(op, opts->samples, opts->batches);
	return 0;
}

static int open_marks(struct options *opts)
{
	if (opts->samples > MARK_MAX_OPS)
		return fail("--marks: at most %d operations in a batch", MARK_MAX_OPS);

	if (opts->marks == MARKS_PORT) {
		if (ioperm(MARK_PORT, sizeof(uint32_t), 1))
			return fail("no access to port 0x%x: %s (--marks has to run as root)",
				    MARK_PORT, strerror(errno));
		return 0;
	}

	opts->trace_fd = open(TRACE_MARKER, O_WRONLY | O_CLOEXEC);
	if (opts->trace_fd < 0)
		return fail("cannot open " TRACE_MARKER ": %s (is tracefs mounted?)",
			    strerror(errno));
	return 0;
}

/* How many operations of one kind a guest has to have room for. */
static uint64_t total_ops(const struct options *opts)
{
	if (opts->profile)
		return PROFILE_WARM_OPS + opts->samples;
	if (opts->marks)
		return WARM_OPS + opts->batches * opts->samples;
	return WARM_OPS + opts->samples;
}

/* The operator's turn: the VM exists and does not run. */
static int run_before(struct vmm *vmm, const struct options *opts, int op)
{
	char name[32];

	if (!opts->before)
		return 0;

	snprintf(name, sizeof(name), "%d-%d", getpid(), vmm->vm_fd);
	if (setenv("VM", name, 1) || setenv("OP", op_infos[op].name, 1))
		return fail("out of memory");
	if (system(opts->before))
		return fail("'%s' failed before operation %s", opts->before,
			    op_infos[op].name);
	return 0;
}

static int run_selected(struct vmm *vmm, struct options *opts)
{
	int op;

	for (op = 1; op < NR_OPS; op++)
		if (opts->selected[op] && op_check_limit(op, total_ops(opts)))
			return -1;
	if (opts->marks && open_marks(opts))
		return -1;
	if (results_open(opts->output))
		return -1;

	results_begin(opts->marks ? "marks" : "instructions");
	for (op = 1; op < NR_OPS; op++) {
		if (!opts->selected[op])
			continue;
		if (run_before(vmm, opts, op))
			return -1;
		if (opts->marks ? mark_op(vmm, opts, op) : measure_op(vmm, opts, op))
			return -1;
	}
	return results_close();
}

static int run_profile(struct vmm *vmm, const struct options *opts)
{
	struct batch warm = { opts->profile, MODE_COUNT, PROFILE_WARM_OPS, 0 };
	struct batch batch = { opts->profile, MODE_BREAK, opts->samples,
			       PROFILE_WARM_OPS };

	if (op_check_limit(opts->profile, total_ops(opts)) ||
	    op_prepare(vmm, opts->profile, total_ops(opts)) ||
	    op_start(vmm, &warm) || vmm_run_guest(vmm) || op_check(vmm, &warm) ||
	    op_start(vmm, &batch) || vmm_run_guest(vmm))
		return -1;
	return op_check(vmm, &batch);
}

int main(int argc, char **argv)
{
	struct options opts = { .batches = DEFAULT_BATCHES, .trace_fd = -1 };
	struct vmm vmm;
	bool irqchip;
	int op, r;

	for (op = 1; op < NR_OPS; op++)
		opts.selected[op] = !op_infos[op].special;
	argp_parse(&argp, argc, argv, 0, NULL, &opts);
	if (opts.profile && opts.marks) {
		fail("--profile and --marks exclude each other");
		return 2;
	}
	if (!opts.samples)
		opts.samples = opts.marks ? DEFAULT_MARKED_OPS : DEFAULT_SAMPLES;

	irqchip = opts.profile == OP_HLT_TIMER || opts.selected[OP_HLT_TIMER];
	if (vmm_create(&vmm, irqchip, opts.fill_mib))
		return 1;
	r = opts.profile ? run_profile(&vmm, &opts) : run_selected(&vmm, &opts);
	vmm_destroy(&vmm);
	return r ? 1 : 0;
}
