// SPDX-License-Identifier: GPL-2.0-only
/*
 * nestctl refresh boot: all that may refuse it, then unit after unit.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "boot.h"
#include "device.h"
#include "nestctl.h"
#include "zero.h"

#define UNDO_CURE	"nestctl refresh undo gives back what was taken"

/* Pieces of the pool. */
#define MAX_POOL	16

/* Serial ports of a PC, in the order of their names. */
static const uint32_t serial_ports[] = { 0x3f8, 0x2f8, 0x3e8, 0x2e8 };

static struct boot {
	const struct request *request;
	struct partition partition;
	struct json_object *refusals;
	struct snapshot snapshot;
	char *kernel, *initrd, *cmdline;
	size_t initrd_size;
	struct bzimage image;
	struct range *ranges, pool[MAX_POOL];
	size_t nr_ranges, nr_pool, nr_cpus;
	uint64_t memory, lost;
	bool again, taken;
} boot;

static void refuse(const char *id, const char *text, const char *cure)
{
	struct json_object *refusal = append_object(boot.refusals);

	put_string(refusal, "id", id);
	put_string(refusal, "text", text);
	put_string(refusal, "cure", cure);
}

/* ---- refusals: the state of things */

static void check_device(void)
{
	autofree char *text = text_of(DEVICE " cannot be used: %s",
				      strerror(boot.partition.error));
	int error = boot.partition.error;

	if (error == EACCES || error == EPERM)
		refuse("root", text, "use sudo");
	else if (error == ENOENT || error == ENODEV || error == ENXIO)
		refuse("module", text, "load vmm-refresh.ko");
	else if (error == ENOTTY)
		refuse("module", text, "load a vmm-refresh.ko that can part a machine");
	else if (error)
		refuse("module", text, "load vmm-refresh.ko anew; dmesg says more");
}

static void check_shim(void)
{
	const struct partition *partition = &boot.partition;

	if (partition->error)
		return;
	if (partition->shim.state == VMM_REFRESH_PANICKED)
		refuse("shim", "the shim has given up on a CPU", "reboot this machine");
	else if (partition->shim.state == VMM_REFRESH_ON && !partition->room)
		refuse("shim", "the shim is under this kernel, and has no room for a second one",
		       "take it away: boot puts it there with room");
}

/* Is there a partition that can be started again? */
static void check_partition(void)
{
	struct partition *partition = &boot.partition;
	bool broken;

	partition->record = record_read(&broken);
	boot.taken = broken || partition->record ||
		     partition->status.state != VMM_REFRESH_PART_NONE;
	if (broken)
		refuse("record", "/run/nestctl/partition.json cannot be read, which says what was taken",
		       "use sudo; if it is broken, bring memory online by hand and remove it");
	else if (partition->status.state == VMM_REFRESH_PART_RUNS)
		refuse("runs", "there is a second kernel, and it runs",
		       "end it first: shut it down, or nestctl refresh kill");
	else if (partition->status.state != VMM_REFRESH_PART_NONE &&
		 (!partition->record || !get_bool(partition->record, "given")))
		refuse("half-made", "there is a partition that was not made to its end", UNDO_CURE);
	else if (partition->status.state != VMM_REFRESH_PART_NONE)
		boot.again = true;
	else if (partition->record && !partition->error)
		refuse("half-made", "an earlier nestctl was cut off, and something is still taken",
		       UNDO_CURE);
}

static void check_machine(void)
{
	uint32_t serial = boot.request->serial;
	int i;

	for (i = 0; i < (int)boot.request->wishes.nr_devices; i++) {
		const char *address = boot.request->wishes.devices[i];
		autofree char *where = text_of("PCI function %s is of another domain than 0000, which is not possible yet",
					       address);

		if (strchr(address, ':') != strrchr(address, ':') && strncmp(address, "0000:", 5))
			refuse("device", where, "give another");
	}
	if (exists("/sys/firmware/efi"))
		refuse("firmware",
		       "the firmware is UEFI, and a second kernel finds ACPI tables of a BIOS only",
		       "boot in the firmware's legacy mode");
	for (i = 0; serial && i < 32; i++) {
		autofree char *consoles = read_text("/proc/consoles");
		autofree char *name = text_of("ttyS%d ", i);
		autofree char *text = text_of("I/O port %#x is %.*s, and this kernel's console is there",
					      serial, (int)strlen(name) - 1, name);

		if (read_int(0, "/sys/class/tty/ttyS%d/port", i) == serial && consoles &&
		    strstr(consoles, name))
			refuse("serial", text, "name another port, or boot without that console=");
	}
}

/* ---- a new partition: as planned */

static void add_range(uint64_t start, uint64_t end)
{
	struct range *last = boot.nr_ranges ? &boot.ranges[boot.nr_ranges - 1] : NULL;

	boot.memory += end - start;
	if (last && last->end == start) {
		last->end = end;
		return;
	}
	boot.ranges = realloc(boot.ranges, (boot.nr_ranges + 1) * sizeof(*boot.ranges));
	if (!boot.ranges)
		die(EXIT_UNKNOWN, "out of memory");
	boot.ranges[boot.nr_ranges++] = (struct range){ start, end };
}

static void make_plan(void)
{
	struct snapshot *snapshot = &boot.snapshot;
	struct wishes wishes = boot.request->wishes;
	struct plan plan;
	size_t i;

	wishes.kernel = boot.image.init_size;
	wishes.initrd = boot.initrd_size;
	wishes.last_page = boot.image.physical;
	read_snapshot(snapshot, boot.request);
	plan_make(&plan, snapshot, &wishes);
	for (i = 0; i < length(plan.refusals); i++)
		json_object_array_add(boot.refusals, json_object_get(item(plan.refusals, i)));
	boot.lost = plan.lost;
	json_object_put(plan.steps);
	json_object_put(plan.refusals);
	for (i = 0; i < snapshot->nr_blocks; i++)
		if (snapshot->blocks[i].chosen)
			add_range(snapshot->blocks[i].start,
				  snapshot->blocks[i].start + snapshot->block_size);
	boot.partition.start.cpu = UINT32_MAX;
	for (i = 0; i < snapshot->nr_cpus; i++) {
		const struct plan_cpu *cpu = &snapshot->cpus[i];

		boot.nr_cpus += cpu->chosen;
		if (cpu->chosen && (uint32_t)cpu->number < boot.partition.start.cpu)
			boot.partition.start.cpu = cpu->number;
	}
}

static void name_unit(struct unit *unit, char *name, char *text)
{
	unit->name = name;
	unit->text = text;
}

static void add_blocks(void)
{
	const struct snapshot *snapshot = &boot.snapshot;
	size_t i;

	for (i = snapshot->nr_blocks; i-- > 0;) {
		unsigned long long start = snapshot->blocks[i].start;
		unsigned int number = start / snapshot->block_size;

		if (snapshot->blocks[i].chosen)
			name_unit(add_unit(&boot.partition, UNIT_BLOCK, number),
				  text_of("memory%u", number),
				  text_of("offline %#llx-%#llx", start,
					  (unsigned long long)(start + snapshot->block_size - 1)));
	}
}

static void add_memory(void)
{
	struct json_object *ranges = get(boot.partition.record, "ranges"), *range;
	size_t i;

	for (i = 0; i < boot.nr_ranges; i++) {
		unsigned long long start = boot.ranges[i].start, end = boot.ranges[i].end;
		struct unit *unit = add_unit(&boot.partition, UNIT_MEMORY, 0);

		unit->range = boot.ranges[i];
		name_unit(unit, text_of("%#llx", start),
			  text_of("give %#llx-%#llx, %llu MiB", start, end - 1,
				  (end - start) >> 20));
		range = append_object(ranges);
		put_int(range, "start", start);
		put_int(range, "end", end);
	}
}

static void add_cpus(void)
{
	struct json_object *cpus = get(boot.partition.record, "cpus");
	const struct snapshot *snapshot = &boot.snapshot;
	size_t i;

	for (i = snapshot->nr_cpus; i-- > 0;) {
		const struct plan_cpu *cpu = &snapshot->cpus[i];

		if (!cpu->chosen)
			continue;
		name_unit(add_unit(&boot.partition, UNIT_CPU, cpu->number),
			  text_of("cpu%d", cpu->number),
			  text_of("give CPU %d (package %d, core %d)", cpu->number, cpu->package,
				  cpu->core));
		json_object_array_add(cpus, json_object_new_int64(cpu->number));
	}
}

static void add_new_units(void)
{
	struct partition *partition = &boot.partition;

	partition->record = record_new();
	partition->create.serial = boot.request->serial;
	partition->create.serial_pin = boot.request->serial_pin;
	partition->create.flags = boot.request->no_link ? 0 : VMM_REFRESH_PART_LINK;
	if (partition->shim.state == VMM_REFRESH_BARE)
		name_unit(add_unit(partition, UNIT_SHIM, 0), text_of("shim"),
			  text_of("put the shim under all CPUs"));
	add_unbinds(partition, &boot.request->wishes);
	add_blocks();
	name_unit(add_unit(partition, UNIT_PARTITION, 0), text_of("partition"),
		  !partition->create.serial ? text_of("make a partition") :
		  text_of("make a partition, with the serial port at %#x",
			  partition->create.serial));
	add_functions(partition, &boot.request->wishes);
	add_memory();
	add_cpus();
}

/* ---- a partition that has ended: with what it has */

static bool has_cpus(struct json_object *cpus, const struct wishes *wishes)
{
	size_t i, k;

	for (i = 0; i < wishes->nr_cpus; i++) {
		for (k = 0; k < length(cpus); k++)
			if (json_object_get_int64(item(cpus, k)) == wishes->cpus[i])
				break;
		if (k == length(cpus))
			return false;
	}
	return !wishes->nr_cpus || wishes->nr_cpus == length(cpus);
}

static void take_record(void)
{
	struct json_object *record = boot.partition.record, *cpus = get(record, "cpus");
	struct json_object *ranges = get(record, "ranges");
	const struct request *request = boot.request;
	size_t i;

	for (i = 0; i < length(ranges); i++)
		add_range(get_int(item(ranges, i), "start"), get_int(item(ranges, i), "end"));
	boot.nr_cpus = length(cpus);
	boot.partition.start.cpu = UINT32_MAX;
	for (i = 0; i < length(cpus); i++)
		if (json_object_get_int64(item(cpus, i)) < boot.partition.start.cpu)
			boot.partition.start.cpu = json_object_get_int64(item(cpus, i));
	boot.partition.create.serial = get_int(record, "serial");
	boot.partition.create.serial_pin = get_int(record, "serial_pin");
	/* More than it has wraps around. */
	if (has_cpus(cpus, &request->wishes) &&
	    has_functions(get(record, "devices"), &request->wishes) &&
	    (!request->wishes.memory || boot.memory - request->wishes.memory < block_size()) &&
	    (!request->serial || (request->serial == boot.partition.create.serial &&
				  request->serial_pin == boot.partition.create.serial_pin)))
		return;
	refuse("partition", "there is a partition that has ended, with other CPUs, memory, PCI functions, or serial port",
	       "leave --cpus, --memory, --device and --serial out to start it as it is, or nestctl refresh undo");
}

/* ---- the kernel */

/* Memory of VMs, which the second kernel is not to take for RAM. */
static void find_pool(void)
{
	struct vmm_refresh_pool piece;
	uint64_t from = 0;

	for (; boot.nr_pool < MAX_POOL && !pool_find(from, &piece); from = piece.hpa + piece.bytes)
		boot.pool[boot.nr_pool++] =
			(struct range){ piece.hpa, piece.hpa + piece.bytes };
}

static bool has_devices(void)
{
	return boot.request->wishes.nr_devices || length(get(boot.partition.record, "devices"));
}

static void make_cmdline(void)
{
	uint32_t serial = boot.partition.create.serial ?: boot.request->serial;
	autofree char *console = text_of("%s", "");
	size_t i;

	for (i = 0; serial && i < ARRAY_SIZE(serial_ports); i++) {
		if (serial_ports[i] != serial)
			continue;
		free(console);
		console = text_of(" console=ttyS%zu,115200", i);
	}
	boot.cmdline = text_of("maxcpus=%zu cpuhp.parallel=0%s%s%s%s%s", boot.nr_cpus,
			       /* The pin of each is where its link leads now, and no other one. */
			       has_devices() ? " acpi_irq_nobalance" : "", console,
			       /* Or dax_hmem makes ordinary memory of it. */
			       boot.nr_pool ? " dax_hmem.region_idle=1" : "",
			       boot.request->append ? " " : "", boot.request->append ?: "");
}

static void make_layout(void)
{
	struct e820_entry *e820;
	struct boot_input input = {
		.kernel = &boot.image, .initrd = boot.initrd, .initrd_size = boot.initrd_size,
		.cmdline = boot.cmdline, .ranges = boot.ranges, .nr_ranges = boot.nr_ranges,
		.pool = boot.pool, .nr_pool = boot.nr_pool,
	};
	struct boot_refusal *refusal;

	input.nr_e820 = read_memory_map(&e820);
	input.e820 = e820;
	if (input.nr_e820) {
		refusal = boot_layout_make(&boot.partition.layout, &input);
		if (refusal) {
			refuse(refusal->id, refusal->text, refusal->cure);
			boot_refusal_free(refusal);
		}
	} else {
		refuse("memory-map", "the firmware's memory map cannot be read",
		       "mount /sys; it takes a kernel with CONFIG_FIRMWARE_MEMMAP");
	}
	free(e820);
}

static void add_kernel_units(void)
{
	struct partition *partition = &boot.partition;

	partition->start.flags = boot.image.physical ? VMM_REFRESH_START_PHYSICAL : 0;
	name_unit(add_unit(partition, UNIT_LOAD, 0), text_of("kernel"),
		  text_of("load kernel %s, initrd of %zu KiB", boot.image.version,
			  boot.initrd_size >> 10));
	name_unit(add_unit(partition, UNIT_START, 0), text_of("start"),
		  text_of("start it on CPU %u", partition->start.cpu));
}

/* ---- report */

static void put_layout(struct json_object *report)
{
	const struct partition *partition = &boot.partition;
	const struct boot_layout *layout = &partition->layout;
	struct json_object *segments, *segment, *start;
	size_t i;

	put_string(report, "kernel", *boot.image.version ? boot.image.version : NULL);
	put_string(report, "cmdline", boot.cmdline);
	segments = put_array(report, "segments");
	for (i = 0; i < layout->nr_segments; i++) {
		segment = append_object(segments);
		put_string(segment, "name", layout->segments[i].name);
		put_int(segment, "hpa", layout->segments[i].hpa);
		put_int(segment, "bytes", layout->segments[i].bytes);
	}
	if (!layout->nr_segments) {
		json_object_object_add(report, "start", NULL);
		return;
	}
	start = put_object(report, "start");
	put_int(start, "cpu", partition->start.cpu);
	put_bool(start, "physical", boot.image.physical);
	put_int(start, "rip", layout->rip);
	put_int(start, "rsi", layout->rsi);
	put_int(start, "cr3", layout->cr3);
	put_int(start, "gdt", layout->gdt);
}

static void print_boot(struct json_object *report)
{
	struct json_object *steps = get(report, "steps");
	const char *result = get_string(report, "result");
	size_t i;

	print_refusals(get(report, "refusals"));
	/* What was done has been told when it was done. */
	for (i = 0; get_bool(report, "dry_run") && i < length(steps); i++)
		say(PLAIN, "%-8s %s\n", get_string(item(steps, i), "state"),
		    get_string(item(steps, i), "text"));
	say(!strcmp(result, "started") || !strcmp(result, "planned") ? GOOD : BAD, "%s", result);
	say(PLAIN, ": %lld CPU(s) and %lld MiB for the second kernel\n",
	    (long long)get_int(report, "cpus"), (long long)get_int(report, "memory") >> 20);
	if (get_string(report, "cmdline"))
		say(DIM, "its command line: %s\n", get_string(report, "cmdline"));
}

static int report_boot(int status)
{
	static const char *const results[] = { "started", "refused", "", "failed", "broken" };
	struct json_object *report = new_report("nestctl-refresh-boot-1");

	put_bool(report, "dry_run", boot.request->dry);
	put_bool(report, "again", boot.again);
	put_int(report, "cpus", boot.nr_cpus);
	put_int(report, "memory", boot.memory);
	put_int(report, "lost", boot.lost);
	json_object_object_add(report, "refusals", boot.refusals);
	put_units(report, &boot.partition);
	put_layout(report);
	put_string(report, "result", status == EXIT_OK && boot.request->dry ? "planned" :
		   results[status]);
	return finish(report, print_boot, status);
}

/* For tests: what would be loaded. */
static void dump(const char *directory)
{
	const struct boot_layout *layout = &boot.partition.layout;
	size_t i;

	for (i = 0; i < layout->nr_segments; i++) {
		const struct boot_segment *segment = &layout->segments[i];
		autofree char *path = text_of("%s/%s", directory, segment->name);
		FILE *file = fopen(path, "w");

		if (!file || fwrite(segment->data, 1, segment->bytes, file) != segment->bytes ||
		    fclose(file))
			die(EXIT_UNKNOWN, "cannot write %s", path);
	}
}

static void make_all(void)
{
	check_device();
	check_shim();
	check_partition();
	if (!boot.again)
		check_machine();
	boot.kernel = read_kernel(&boot.image, boot.request);
	boot.initrd = read_initrd(&boot.initrd_size, boot.request);
	if (boot.again)
		take_record();
	else if (!boot.taken)
		make_plan();
	if (!boot.partition.error)
		find_pool();
	make_cmdline();
	if (length(boot.refusals))
		return;
	make_layout();
	if (length(boot.refusals))
		return;
	if (!boot.again)
		add_new_units();
	add_kernel_units();
}

/**
 * refresh_boot() - nestctl refresh boot
 * @request: what is asked for
 *
 * Return: an exit status.
 */
int refresh_boot(const struct request *request)
{
	int status = EXIT_OK;

	boot.request = request;
	boot.refusals = json_object_new_array();
	partition_open(&boot.partition);
	if (!request->dry && !boot.partition.error) {
		record_lock();
		partition_look(&boot.partition);
	}
	make_all();
	if (request->dump)
		dump(request->dump);
	if (length(boot.refusals))
		status = EXIT_REFUSED;
	else if (!request->dry)
		status = run_units(&boot.partition);
	status = report_boot(status);
	partition_close(&boot.partition);
	snapshot_free(&boot.snapshot);
	free(boot.kernel);
	free(boot.initrd);
	free(boot.cmdline);
	free(boot.ranges);
	return status;
}
