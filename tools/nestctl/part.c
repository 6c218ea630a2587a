// SPDX-License-Identifier: GPL-2.0-only
/*
 * nestctl refresh status, kill and undo: the second kernel that is there.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "boot.h"
#include "device.h"
#include "kept.h"
#include "nestctl.h"
#include "run.h"
#include "zero.h"

#define DENIED	"/sys/kernel/debug/vmm-refresh/denied"

/* Ends the program if the device can not be used; a missing one is none. */
static void open_device(struct partition *partition)
{
	int error;

	partition_open(partition);
	error = partition->error;
	if (!error || error == ENOENT || error == ENODEV || error == ENXIO || error == ENOTTY)
		return;
	die(EXIT_UNKNOWN, DEVICE " cannot be used (%s): %s", strerror(error),
	    error == EACCES || error == EPERM ? "use sudo" : "dmesg may say why");
}

/* ---- status */

static const char *const shims[] = { "bare", "virtualized", "panicked", "below", "adoptable" };
static const char *const states[] = { "none", "made", "runs", "ended" };
static const char *const reasons[] = {
	NULL, "power-off", "reset", "triple-fault", "killed", "surprise",
};

/* Of exits, as the Intel SDM has them. */
static const char *const exits[] = {
	[0] = "exception or NMI", [1] = "external interrupt", [2] = "triple fault", [3] = "INIT",
	[4] = "SIPI", [7] = "interrupt window", [8] = "NMI window", [10] = "CPUID", [12] = "HLT",
	[18] = "VMCALL", [19] = "VMCLEAR", [20] = "VMLAUNCH", [21] = "VMPTRLD", [22] = "VMPTRST",
	[23] = "VMREAD", [24] = "VMRESUME", [25] = "VMWRITE", [26] = "VMXOFF", [27] = "VMXON",
	[28] = "control register", [29] = "debug register", [30] = "I/O instruction",
	[31] = "RDMSR", [32] = "WRMSR", [44] = "APIC access", [45] = "EOI",
	[48] = "EPT violation", [49] = "EPT misconfiguration", [50] = "INVEPT",
	[52] = "preemption timer", [53] = "INVVPID", [54] = "WBINVD", [55] = "XSETBV",
	[56] = "APIC write",
};

static const char *word_of(const char *const words[], size_t nr, uint32_t number)
{
	return number < nr ? words[number] : "unknown";
}

static void put_exits(struct json_object *report, const struct partition *partition)
{
	struct json_object *array = put_array(report, "exits"), *object;
	size_t i;

	for (i = 0; i < VMM_REFRESH_NR_REASONS; i++) {
		if (!partition->status.exits[i])
			continue;
		object = append_object(array);
		put_int(object, "reason", i);
		put_string(object, "name", i < ARRAY_SIZE(exits) ? exits[i] : NULL);
		put_int(object, "count", partition->status.exits[i]);
	}
}

/**
 * put_denied() - Add what was denied to both kernels, by kind
 * @report: gets an array "denied"
 * @partition: as it was looked at
 *
 * The kinds have their names from the module; the first word of each line is one.
 */
void put_denied(struct json_object *report, const struct partition *partition)
{
	autofree char *text = read_text(DENIED);
	struct json_object *array = put_array(report, "denied"), *object;
	char *line, *rest = text;
	size_t i;

	for (i = 0; i < VMM_REFRESH_MAX_DENIED && i < partition->status.nr_denied; i++) {
		autofree char *name = NULL;

		line = strsep(&rest, "\n");
		name = line ? text_of("%.*s", (int)strcspn(line, " \t:"), line) :
		       text_of("%zu", i);
		object = append_object(array);
		put_string(object, "kind", printable(name));
		put_int(object, "second", partition->status.denied[i]);
		put_int(object, "first", partition->status.denied_here[i]);
	}
}

static struct json_object *status_report(struct partition *partition)
{
	const struct vmm_refresh_part_status *status = &partition->status;
	struct json_object *report = new_report("nestctl-refresh-status-1"), *record;
	bool broken;

	put_string(report, "shim", partition->error ? NULL :
		   word_of(shims, ARRAY_SIZE(shims), partition->shim.state));
	put_string(report, "state", word_of(states, ARRAY_SIZE(states), status->state));
	put_string(report, "why", status->state == VMM_REFRESH_PART_ENDED ?
		   word_of(reasons, ARRAY_SIZE(reasons), status->why) : NULL);
	put_int(report, "cpus", status->cpus);
	put_int(report, "running", status->running);
	put_int(report, "memory", status->memory);
	put_int(report, "word", status->word);
	put_int(report, "starts", status->starts);
	put_exits(report, partition);
	put_int(report, "guest_exits", status->guest_exits);
	put_denied(report, partition);
	record = record_read(&broken);
	put_bool(report, "taken", record || broken);
	json_object_object_add(report, "refresh", run_describe(partition->fd));
	json_object_put(record);
	return report;
}

static void print_counts(struct json_object *report)
{
	struct json_object *array = get(report, "exits"), *object;
	size_t i;

	say(BOLD, "exits to the shim, its VMs': ");
	say(PLAIN, "%lld; its own:\n", (long long)get_int(report, "guest_exits"));
	for (i = 0; i < length(array); i++) {
		object = item(array, i);
		say(PLAIN, "  %10lld  %lld %s\n", (long long)get_int(object, "count"),
		    (long long)get_int(object, "reason"), get_string(object, "name") ?: "");
	}
	array = get(report, "denied");
	say(BOLD, "denied to it, to this kernel:\n");
	for (i = 0; i < length(array); i++) {
		object = item(array, i);
		if (get_int(object, "second") || get_int(object, "first"))
			say(WARN, "  %10lld %10lld  %s\n", (long long)get_int(object, "second"),
			    (long long)get_int(object, "first"), get_string(object, "kind"));
	}
}

static void print_status(struct json_object *report)
{
	const char *state = get_string(report, "state"), *why = get_string(report, "why");
	const char *shim = get_string(report, "shim");

	say(BOLD, "second kernel: ");
	say(!strcmp(state, "runs") ? GOOD : PLAIN, "%s", state);
	say(PLAIN, why ? " (%s)\n" : "\n", why);
	say(BOLD, "shim: ");
	say(PLAIN, "%s\n", shim ?: "vmm-refresh is not loaded, or cannot part a machine");
	if (get(report, "refresh")) {
		say(BOLD, "refresh: ");
		say(PLAIN, "%s, %s\n", get_string(get(report, "refresh"), "phase"),
		    get_string(get(report, "refresh"), "state"));
	}
	if (strcmp(state, "none")) {
		say(BOLD, "CPUs: ");
		say(PLAIN, "%lld, %lld of them run\n", (long long)get_int(report, "cpus"),
		    (long long)get_int(report, "running"));
		say(BOLD, "memory: ");
		say(PLAIN, "%lld MiB\n", (long long)get_int(report, "memory") >> 20);
		say(BOLD, "started: ");
		say(PLAIN, "%lld times; its word is %#llx\n", (long long)get_int(report, "starts"),
		    (unsigned long long)get_int(report, "word"));
		print_counts(report);
	} else if (get_bool(report, "taken")) {
		say(WARN, "something is still taken: nestctl refresh undo gives it back\n");
	}
}

/**
 * refresh_status() - nestctl refresh status
 * @request: nothing of it
 *
 * Return: an exit status.
 */
int refresh_status(const struct request *request)
{
	struct partition partition;
	struct json_object *report;

	(void)request;
	open_device(&partition);
	report = status_report(&partition);
	partition_close(&partition);
	return finish(report, print_status, EXIT_OK);
}

/**
 * part_runs() - Does a second kernel run?
 *
 * Return: true if it does; false also if nobody can say.
 */
bool part_runs(void)
{
	struct partition partition;
	bool runs;

	partition_open(&partition);
	runs = !partition.error && partition.status.state == VMM_REFRESH_PART_RUNS;
	partition_close(&partition);
	return runs;
}

/* ---- kill and undo */

static void print_undo(struct json_object *report)
{
	const char *result = get_string(report, "result");

	say(!strcmp(result, "done") ? GOOD : BAD, "%s", result);
	say(PLAIN, "%s\n", length(get(report, "steps")) ? "" : ": there was nothing to do");
}

static int report_undo(struct partition *partition, const char *command, int status)
{
	struct json_object *report = new_report("nestctl-refresh-undo-1");

	put_string(report, "command", command);
	put_units(report, partition);
	put_string(report, "result", status == EXIT_OK ? "done" : "broken");
	partition_close(partition);
	return finish(report, print_undo, status);
}

/* Something that was done, by this nestctl or an earlier one. */
static void add_done(struct partition *partition, enum unit_kind kind, unsigned int number,
		     char *name, char *text)
{
	struct unit *unit = add_unit(partition, kind, number);

	unit->state = STEP_DONE;
	unit->name = name;
	unit->text = text;
}

static void add_kernel(struct partition *partition)
{
	if (partition->status.state == VMM_REFRESH_PART_RUNS)
		add_done(partition, UNIT_START, 0, text_of("start"),
			 text_of("start the second kernel"));
}

static void add_taken(struct partition *partition)
{
	struct json_object *blocks = get(partition->record, "blocks");
	size_t i;

	/* The record may be of something that never came to be, or is gone. */
	if (partition->shim.state == VMM_REFRESH_BARE)
		put_bool(partition->record, "virtualized", false);
	if (partition->status.state == VMM_REFRESH_PART_NONE)
		put_bool(partition->record, "given", false);
	if (get_bool(partition->record, "virtualized"))
		add_done(partition, UNIT_SHIM, 0, text_of("shim"),
			 text_of("put the shim under all CPUs"));
	add_unbound(partition);
	for (i = 0; i < length(blocks); i++) {
		unsigned int number = json_object_get_int64(item(blocks, i));

		add_done(partition, UNIT_BLOCK, number, text_of("memory%u", number),
			 text_of("offline memory block %u", number));
	}
	if (partition->status.state != VMM_REFRESH_PART_NONE)
		add_done(partition, UNIT_PARTITION, 0, text_of("partition"),
			 text_of("make a partition"));
	add_kernel(partition);
}

/**
 * refresh_kill() - nestctl refresh kill
 * @request: nothing of it
 *
 * Return: an exit status.
 */
int refresh_kill(const struct request *request)
{
	struct partition partition;
	int status = EXIT_OK;

	(void)request;
	open_device(&partition);
	if (partition.status.state != VMM_REFRESH_PART_RUNS) {
		partition_close(&partition);
		die(EXIT_REFUSED, "no second kernel runs: see nestctl refresh status");
	}
	record_lock();
	partition.record = NULL;
	add_kernel(&partition);
	status = undo_units(&partition) == EXIT_BROKEN ? EXIT_BROKEN : EXIT_OK;
	return report_undo(&partition, "kill", status);
}

/* Domains that nestctl has moved there run there, and nowhere else. */
static void spare_vms(void)
{
	autofree char *names = NULL;

	/* By hand some may have come back. */
	if (kept_any() && !domain_open())
		kept_each(domain_is_back);
	names = kept_names();
	if (kept_any())
		die(EXIT_REFUSED, "VMs of this kernel are with the second one, and would end with it: %s.  'nestctl refresh abort' moves them back, or 'nestctl move --from' where no refresh is under way; 'nestctl refresh undo --with-vms' ends them",
		    names ?: "those of the files that cannot be read");
}

/**
 * refresh_undo() - nestctl refresh undo
 * @request: nothing of it
 *
 * Return: an exit status.
 */
int refresh_undo(const struct request *request)
{
	struct partition partition;
	bool broken;
	int status;

	open_device(&partition);
	record_lock();
	if (!partition.error)
		partition_look(&partition);
	if (partition.status.state == VMM_REFRESH_PART_RUNS && !request->with_vms)
		spare_vms();
	partition.record = record_read(&broken);
	if (broken)
		die(EXIT_UNKNOWN, "/run/nestctl/partition.json cannot be read, which says what was taken: bring memory online by hand and remove it");
	if (!partition.record)
		partition.record = record_new();
	add_taken(&partition);
	status = undo_units(&partition) == EXIT_BROKEN ? EXIT_BROKEN : EXIT_OK;
	return report_undo(&partition, "undo", status);
}
