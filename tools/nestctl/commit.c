// SPDX-License-Identifier: GPL-2.0-only
/*
 * nestctl refresh commit: in the second kernel, when the first one has ended, take all of the
 * machine, and the shim away.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "boot.h"
#include "device.h"
#include "disks.h"
#include "nestctl.h"
#include "offline.h"
#include "zero.h"

#define CPUS		"/sys/devices/system/cpu"
/* What is to be movable, and what is offline for that. */
#define JOURNAL		"/run/nestctl/commit.json"
#define POLL		(100 * 1000)
#define POLLS_PER_S	10
/* Of a libvirtd that runs, or will be started for whoever connects to it. */
#define LIBVIRT_RUNS	"/run/libvirt"
#define DISK_WAIT	60	/* seconds for a driver to find what is this kernel's now */

static struct {
	struct partition partition;
	struct json_object *refusals;
	int released, disks;
	bool again;	/* one before this was cut off */
} commit;

/* ---- what is against it */

static void refuse(const char *id, const char *text, const char *cure)
{
	struct json_object *refusal = append_object(commit.refusals);

	put_string(refusal, "id", id);
	put_string(refusal, "text", text);
	put_string(refusal, "cure", cure);
}

static void wait_for_end(const struct request *request)
{
	unsigned int polls;

	for (polls = request->wait * POLLS_PER_S;
	     polls && commit.partition.shim.state == VMM_REFRESH_BELOW; polls--) {
		if (!request->dry && polls % POLLS_PER_S == 0)
			grow_given(&commit.partition);
		usleep(POLL);
		partition_look(&commit.partition);
	}
}

/*
 * As long as the shim is not its own, this kernel gives nothing: what is in the journal, and
 * offline, is its memory.  Return: -1 after a message.
 */
static int begin(const struct request *request)
{
	struct partition *partition = &commit.partition;
	bool waits = partition->shim.state == VMM_REFRESH_BELOW && request->wait;

	partition->movable = request->movable < 0 ? grow_default() : (uint64_t)request->movable;
	commit.again = offline_exists(JOURNAL);
	switch (partition->shim.state) {
	case VMM_REFRESH_BARE:
		if (!commit.again)
			return 0;
		break;
	case VMM_REFRESH_BELOW:
	case VMM_REFRESH_ADOPTABLE:
		break;
	default:
		return 0;
	}
	if (request->dry)
		return 0;
	record_lock();
	offline_begin(JOURNAL, &partition->movable, request->movable >= 0);
	offline_restore();
	/* What is wanted is not to be counted again when there is more memory. */
	return waits || partition->shim.state == VMM_REFRESH_ADOPTABLE ? offline_write() : 0;
}

/* Return: -1 after a message. */
static int check_state(const struct request *request)
{
	struct partition *partition = &commit.partition;

	if (partition->error && partition->error != ENODEV && partition->error != ENXIO) {
		refuse("no-device", "/dev/vmm-refresh cannot be used",
		       partition->error == EACCES || partition->error == EPERM ? "use sudo" :
		       "load vmm-refresh");
		return 0;
	}
	if (begin(request))
		return -1;
	wait_for_end(request);
	switch (partition->shim.state) {
	case VMM_REFRESH_ADOPTABLE:
		break;
	case VMM_REFRESH_BELOW:
		refuse("first-runs", "another kernel has a part of the machine, or its shim is of another version",
		       "power that kernel off, or --wait for it; dmesg says more");
		break;
	case VMM_REFRESH_BARE:
		/* One that was cut off has taken it away. */
		if (commit.again)
			break;
		refuse("no-shim", "there is no shim below this kernel", "nothing is to be done");
		break;
	default:
		refuse("own-shim", "this kernel has put the shim below itself",
		       "nestctl refresh undo takes it away");
	}
	return 0;
}

/* ---- the steps */

static void add_named(enum unit_kind kind, unsigned int number, char *name, char *text)
{
	struct unit *unit = add_unit(&commit.partition, kind, number);

	unit->name = name;
	unit->text = text;
}

static int add_cpus(void)
{
	struct dirent **entries;
	int i, nr = list(&entries, CPUS), added = 0, length;
	unsigned int cpu;

	for (i = 0; i < nr; i++) {
		if (sscanf(entries[i]->d_name, "cpu%u%n", &cpu, &length) == 1 &&
		    !entries[i]->d_name[length] && !read_int(1, CPUS "/cpu%u/online", cpu)) {
			add_named(UNIT_ONLINE, cpu, text_of("cpu%u", cpu),
				  text_of("bring CPU %u online", cpu));
			added++;
		}
	}
	free_list(entries, nr);
	return added;
}

/* ---- report */

static void print_commit(struct json_object *report)
{
	struct json_object *steps = get(report, "steps");
	const char *result = get_string(report, "result");
	size_t i;

	print_refusals(get(report, "refusals"));
	for (i = 0; get_bool(report, "dry_run") && i < length(steps); i++)
		say(PLAIN, "%-8s %s\n", get_string(item(steps, i), "state"),
		    get_string(item(steps, i), "text"));
	say(!strcmp(result, "done") || !strcmp(result, "planned") ? GOOD : BAD, "%s", result);
	say(PLAIN, ": %lld CPU(s), %lld MiB; movable memory: %lld MiB\n",
	    (long long)get_int(report, "cpus"), (long long)get_int(report, "memory") >> 20,
	    (long long)get_int(report, "movable") >> 20);
}

static int report_commit(const struct request *request, int cpus, int status)
{
	static const char *const results[] = {
		"done", "refused", "disks wait", "failed", "broken",
	};
	struct json_object *report = new_report("nestctl-refresh-commit-1");

	put_bool(report, "dry_run", request->dry);
	put_int(report, "cpus", cpus);
	put_int(report, "memory", commit.partition.grown);
	put_int(report, "movable", commit.partition.moved);
	put_int(report, "released", commit.released);
	put_int(report, "disks", commit.disks);
	json_object_object_add(report, "refusals", commit.refusals);
	put_units(report, &commit.partition);
	put_string(report, "result", status == EXIT_OK && request->dry ? "planned" :
		   results[status]);
	return finish(report, print_commit, status);
}

/* They have waited for their disks, and for their autostart. */
static int let_vms_go(void)
{
	commit.disks = exists(LIBVIRT_RUNS) ? disks_attach(DISK_WAIT) : 0;
	commit.released = domain_release_here();
	if (commit.disks >= 0)
		return EXIT_OK;
	commit.disks = 0;
	return EXIT_UNKNOWN;
}

/* The machine is this kernel's. */
static int finish_commit(void)
{
	int status;

	grow_late(&commit.partition);
	status = let_vms_go();
	if (offline_restore())
		return EXIT_BROKEN;
	if (status == EXIT_OK)
		offline_end();
	return status;
}

/* VMs have no network and wait for their disks: what those need comes first. */
static int add_steps(void)
{
	int cpus;

	add_named(UNIT_FUNCTIONS, 0, text_of("pci"),
		  text_of("take the first kernel's PCI functions"));
	cpus = add_cpus();
	add_named(UNIT_GROW, 0, text_of("memory"), text_of("take the first kernel's memory"));
	add_named(UNIT_LEAVE, 0, text_of("shim"), text_of("take the shim away"));
	return cpus;
}

/**
 * refresh_commit() - nestctl refresh commit
 * @request: what is asked for
 *
 * Return: an exit status.
 */
int refresh_commit(const struct request *request)
{
	int status = EXIT_OK, cpus = 0;

	commit.refusals = json_object_new_array();
	partition_open(&commit.partition);
	if (check_state(request)) {
		status = EXIT_FAILED;
	} else if (length(commit.refusals)) {
		status = EXIT_REFUSED;
	} else {
		if (commit.partition.shim.state != VMM_REFRESH_BARE)
			cpus = add_steps();
		if (!request->dry)
			status = run_units(&commit.partition);
		if (!request->dry && status == EXIT_OK)
			status = finish_commit();
	}
	status = report_commit(request, cpus, status);
	partition_close(&commit.partition);
	return status;
}
