// SPDX-License-Identifier: GPL-2.0-only
/*
 * From a snapshot to a plan: nothing is read or changed here.
 *
 * The second kernel sees the memory map of the whole machine.  Before 6.10 it counts pages up to
 * the last one of RAM that it owns, so it has to own the last that can be taken out: of a
 * block that is not all RAM the kernel lets go nothing.  Any needs pages below
 * 4 GiB to start in and for devices that reach no further; and its struct pages are for
 * the whole machine, so it must own a part that can hold them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nestctl.h"
#include "plan.h"

#define MIB(bytes)	((unsigned long long)((bytes) >> 20))

static void refuse(struct plan *plan, const char *id, char *text, const char *cure)
{
	struct json_object *refusal = append_object(plan->refusals);

	put_string(refusal, "id", id);
	put_string(refusal, "text", text);
	put_string(refusal, "cure", cure);
	free(text);
}

static void step(struct plan *plan, const char *unit, const char *name, char *text, char *undo)
{
	struct json_object *entry = append_object(plan->steps);

	put_string(entry, "unit", unit);
	put_string(entry, "name", name);
	put_string(entry, "text", text);
	put_string(entry, "undo", undo);
	free(text);
	free(undo);
}

/* ---- CPUs */

static bool same_core(const struct plan_cpu *a, const struct plan_cpu *b)
{
	return a->package == b->package && a->core == b->core;
}

static bool has_boot_cpu(const struct snapshot *snapshot, const struct plan_cpu *cpu)
{
	size_t i;

	for (i = 0; i < snapshot->nr_cpus; i++)
		if (!snapshot->cpus[i].number && same_core(&snapshot->cpus[i], cpu))
			return true;
	return false;
}

/* The last core that is not the boot CPU's. */
static void choose_core(struct snapshot *snapshot)
{
	struct plan_cpu *last = NULL;
	size_t i;

	for (i = 0; i < snapshot->nr_cpus; i++) {
		struct plan_cpu *cpu = &snapshot->cpus[i];

		if (cpu->online && !has_boot_cpu(snapshot, cpu))
			last = cpu;
	}
	for (i = 0; last && i < snapshot->nr_cpus; i++)
		snapshot->cpus[i].chosen = snapshot->cpus[i].online &&
					   same_core(&snapshot->cpus[i], last);
}

static void choose_named(struct plan *plan, struct snapshot *snapshot, int number)
{
	size_t i;

	for (i = 0; i < snapshot->nr_cpus; i++) {
		if (snapshot->cpus[i].number != number)
			continue;
		snapshot->cpus[i].chosen = true;
		return;
	}
	refuse(plan, "cpus", text_of("there is no CPU %d", number), "name CPUs that lscpu shows");
}

static void check_cpu(struct plan *plan, const struct snapshot *snapshot,
		      const struct plan_cpu *cpu)
{
	size_t i;

	if (!cpu->online)
		refuse(plan, "cpus", text_of("CPU %d is offline", cpu->number),
		       "bring it online first: the shim goes under CPUs that are");
	else if (!cpu->number || !cpu->removable)
		refuse(plan, "cpus", text_of("CPU %d cannot go offline", cpu->number),
		       "choose others: the boot CPU stays with this kernel");
	for (i = 0; i < snapshot->nr_cpus; i++) {
		const struct plan_cpu *other = &snapshot->cpus[i];

		if (other->online && !other->chosen && same_core(cpu, other))
			refuse(plan, "siblings",
			       text_of("CPU %d and CPU %d are one core: two kernels would share its caches, predictors and MSRs",
				       cpu->number, other->number),
			       "give both, or boot with nosmt");
	}
}

static void choose_cpus(struct plan *plan, struct snapshot *snapshot,
			const struct wishes *wishes)
{
	size_t i, chosen = 0, left = 0;

	if (!wishes->nr_cpus)
		choose_core(snapshot);
	for (i = 0; i < wishes->nr_cpus; i++)
		choose_named(plan, snapshot, wishes->cpus[i]);
	for (i = 0; i < snapshot->nr_cpus; i++) {
		chosen += snapshot->cpus[i].chosen;
		left += snapshot->cpus[i].online && !snapshot->cpus[i].chosen;
		if (snapshot->cpus[i].chosen)
			check_cpu(plan, snapshot, &snapshot->cpus[i]);
	}
	if (!chosen && !wishes->nr_cpus)
		refuse(plan, "cpus", text_of("there is no core but the boot CPU's"),
		       "use a machine with two cores or more, or bring CPUs online");
	if (chosen && !left)
		refuse(plan, "cpus", text_of("no CPU would stay with this kernel"), "give fewer");
}

/* ---- memory */

/* -1: chosen CPUs of more than one node, or none. */
static int cpu_node(const struct snapshot *snapshot)
{
	int node = -1;
	size_t i;

	for (i = 0; i < snapshot->nr_cpus; i++) {
		if (!snapshot->cpus[i].chosen)
			continue;
		if (node >= 0 && node != snapshot->cpus[i].node)
			return -1;
		node = snapshot->cpus[i].node;
	}
	return node;
}

static uint64_t chosen_bytes(const struct snapshot *snapshot)
{
	uint64_t bytes = 0;
	size_t i;

	for (i = 0; i < snapshot->nr_blocks; i++)
		bytes += snapshot->blocks[i].chosen ? snapshot->block_size : 0;
	return bytes;
}

/* The last block that begins below limit; node -1: any. */
static struct plan_block *last_block(struct snapshot *snapshot, uint64_t limit, int node,
				     bool movable)
{
	size_t i;

	for (i = snapshot->nr_blocks; i-- > 0;) {
		struct plan_block *block = &snapshot->blocks[i];

		if (block->online && !block->chosen && block->start < limit &&
		    (block->movable || !movable) && (node < 0 || block->node == node))
			return block;
	}
	return NULL;
}

#define MOVABLE_CURE \
	"boot with movablecore=, or movable_node, so that it is in ZONE_MOVABLE; a kernel that " \
	"has taken the place of another one has such memory by nestctl refresh commit --movable; " \
	"with crashkernel=, name an address outside of it (crashkernel=256M@256M)"

static void choose_last(struct plan *plan, struct snapshot *snapshot)
{
	struct plan_block *block = last_block(snapshot, snapshot->end, -1, false);
	uint64_t end = snapshot->end;

	if (block && !block->whole) {
		end = block->start;
		block = last_block(snapshot, end, -1, false);
	}
	if (block && block->movable && end - block->start <= snapshot->block_size) {
		block->chosen = true;
		plan->lost = snapshot->end - end;
	} else {
		refuse(plan, "last-page",
		       text_of("the last page of RAM (before %#llx) cannot be taken out, and a kernel from before 6.10 needs it",
			       (unsigned long long)end), MOVABLE_CURE);
	}
}

static void choose_low(struct plan *plan, struct snapshot *snapshot)
{
	struct plan_block *block;
	size_t i;

	for (i = 0; i < snapshot->nr_blocks; i++)
		if (snapshot->blocks[i].chosen && snapshot->blocks[i].start < PLAN_LOW_END)
			return;
	block = last_block(snapshot, PLAN_LOW_END, -1, true);
	if (block)
		block->chosen = true;
	else
		refuse(plan, "low-memory",
		       text_of("no memory below 4 GiB can be taken out"), MOVABLE_CURE);
}

/* For people: how much is in ZONE_MOVABLE and cannot go; "" if all can. */
static char *pinned_text(const struct snapshot *snapshot)
{
	uint64_t bytes = 0;
	size_t i;

	for (i = 0; i < snapshot->nr_blocks; i++)
		bytes += snapshot->blocks[i].pinned ? snapshot->block_size : 0;
	return bytes ? text_of(" (%llu MiB of ZONE_MOVABLE are in blocks in which the kernel has allocated something when it booted)",
			       MIB(bytes)) : text_of("%s", "");
}

/* False if there is not enough. */
static bool choose_memory(struct plan *plan, struct snapshot *snapshot,
			  const struct wishes *wishes)
{
	autofree char *pinned = pinned_text(snapshot);
	uint64_t least = snapshot->total / 100 * PLAN_LEAST, want = wishes->memory;
	int node = cpu_node(snapshot);
	struct plan_block *block;

	if (want && want < least)
		refuse(plan, "memory",
		       text_of("%llu MiB are less than %d %% of RAM, %llu MiB: the second kernel's struct pages are for the whole machine",
			       MIB(want), PLAN_LEAST, MIB(least)), "ask for more");
	want = want > least ? want : least;
	if (wishes->last_page)
		choose_last(plan, snapshot);
	choose_low(plan, snapshot);
	while (chosen_bytes(snapshot) < want) {
		block = last_block(snapshot, UINT64_MAX, node, true);
		if (!block)
			break;
		block->chosen = true;
	}
	if (chosen_bytes(snapshot) >= want)
		return true;
	if (node >= 0 && last_block(snapshot, UINT64_MAX, -1, true))
		refuse(plan, "numa",
		       text_of("node %d of the CPUs has too little memory that can be taken out: %llu of %llu MiB, with the blocks that have to be given",
			       node, MIB(chosen_bytes(snapshot)), MIB(want)),
		       "choose CPUs of a node with more, or boot with movablecore=");
	else
		refuse(plan, "memory",
		       text_of("%llu MiB of %llu MiB that are needed can be taken out%s",
			       MIB(chosen_bytes(snapshot)), MIB(want), pinned),
		       "boot with movablecore= (memory outside of ZONE_MOVABLE may hold what cannot be moved), ask for less, or, if this kernel has taken the place of another one, have more of that by nestctl refresh commit --movable");
	return false;
}

static void check_room(struct plan *plan, const struct snapshot *snapshot,
		       const struct wishes *wishes)
{
	uint64_t given = chosen_bytes(snapshot), files = wishes->kernel + wishes->initrd;
	/* A struct page for each page of the whole machine; the initrd and what is in it. */
	uint64_t start = snapshot->total / 64 + wishes->kernel + 2 * wishes->initrd + PLAN_SPARE;

	if (given < start)
		refuse(plan, "room",
		       text_of("the second kernel needs %llu MiB to start (kernel, initrd, struct pages), and would have %llu",
			       MIB(start), MIB(given)), "give more with --memory");
	if (snapshot->available < given + files + PLAN_SPARE)
		refuse(plan, "room",
		       text_of("%llu MiB are available, and it takes %llu: what is in the memory that is given has to move, and kernel and initrd have to be read",
			       MIB(snapshot->available), MIB(given + files + PLAN_SPARE)),
		       "end programs, shut VMs down, or give less");
	if (snapshot->total < given + snapshot->vm_bytes + files + PLAN_SPARE)
		refuse(plan, "room",
		       text_of("the VMs occupy %llu MiB, and %llu would stay",
			       MIB(snapshot->vm_bytes),
			       MIB(snapshot->total > given ? snapshot->total - given : 0)),
		       "shut VMs down, or give less");
}

/* ---- NUMA, tick, devices */

static void check_nodes(struct plan *plan, const struct snapshot *snapshot)
{
	size_t i;

	for (i = 0; i < snapshot->nr_cpus; i++) {
		if (!snapshot->cpus[i].chosen || cpu_node(snapshot) >= 0)
			continue;
		refuse(plan, "numa", text_of("the CPUs are of more than one NUMA node"),
		       "choose CPUs of one node");
		return;
	}
}

static bool is_lent(const char *device)
{
	return device && (!strncmp(device, "hpet", 4) || !strncmp(device, "pit", 3));
}

static void check_tick(struct plan *plan, const struct snapshot *snapshot)
{
	static const char cure[] =
		"let the local APIC's timer tick: boot without nolapic_timer, nohpet is no cure";
	size_t i;

	for (i = 0; i < snapshot->nr_cpus; i++)
		if (snapshot->cpus[i].online && is_lent(snapshot->cpus[i].tick))
			refuse(plan, "tick",
			       text_of("CPU %d ticks by %s, which the second kernel needs when it starts",
				       snapshot->cpus[i].number, snapshot->cpus[i].tick), cure);
	if (is_lent(snapshot->broadcast) && !snapshot->arat)
		refuse(plan, "tick",
		       text_of("the local APIC's timer stops in deep sleep, and %s wakes the CPUs, which the second kernel needs when it starts",
			       snapshot->broadcast),
		       "boot with intel_idle.max_cstate=1 processor.max_cstate=1, or use a CPU with ARAT");
}

/* The shim looks at entries and messages, which are indexes of a table then. */
static void check_interrupts(struct plan *plan, const struct snapshot *snapshot)
{
	if (snapshot->remapping)
		refuse(plan, "interrupts",
		       text_of("an IOMMU remaps interrupts: two kernels cannot share it yet"),
		       "boot with intremap=off");
}

static const struct plan_device *find_device(const struct snapshot *snapshot, const char *address)
{
	size_t i;

	for (i = 0; i < snapshot->nr_devices; i++)
		if (!strcmp(snapshot->devices[i].address, address))
			return &snapshot->devices[i];
	return NULL;
}

static void check_devices(struct plan *plan, const struct snapshot *snapshot,
			  const struct wishes *wishes)
{
	size_t i;

	for (i = 0; i < wishes->nr_devices; i++) {
		const struct plan_device *device = find_device(snapshot, wishes->devices[i]);

		if (!device)
			refuse(plan, "device",
			       text_of("there is no PCI function %s", wishes->devices[i]),
			       "write it as lspci -D does, as in 0000:00:04.0");
		else if (device->use)
			refuse(plan, "device",
			       text_of("PCI function %s is in use: %s", device->address,
				       device->use),
			       "unmount it, take it down, or give another");
	}
}

/* ---- steps */

static void plan_units(struct plan *plan, const struct snapshot *snapshot,
		       const struct wishes *wishes)
{
	char name[32];
	size_t i;

	step(plan, "shim", "shim", text_of("put the shim under all CPUs"),
	     text_of("take the shim away"));
	for (i = 0; i < wishes->nr_devices; i++) {
		const struct plan_device *device = find_device(snapshot, wishes->devices[i]);

		step(plan, "device", device->address,
		     device->driver ?
		     text_of("unbind %s from %s", device->address, device->driver) :
		     text_of("take %s, which has no driver", device->address),
		     device->driver ? text_of("bind it to %s", device->driver) :
				      text_of("give it back"));
	}
	for (i = snapshot->nr_blocks; i-- > 0;) {
		unsigned long long start = snapshot->blocks[i].start;

		snprintf(name, sizeof(name), "memory%llu", start / snapshot->block_size);
		if (snapshot->blocks[i].chosen)
			step(plan, "memory", name,
			     text_of("offline %#llx-%#llx", start,
				     (unsigned long long)(start + snapshot->block_size - 1)),
			     text_of("online it in ZONE_MOVABLE"));
	}
	for (i = snapshot->nr_cpus; i-- > 0;) {
		snprintf(name, sizeof(name), "cpu%d", snapshot->cpus[i].number);
		if (snapshot->cpus[i].chosen)
			step(plan, "cpu", name,
			     text_of("offline CPU %d (package %d, core %d)",
				     snapshot->cpus[i].number, snapshot->cpus[i].package,
				     snapshot->cpus[i].core),
			     text_of("online it"));
	}
}

/**
 * plan_make() - Plan a partition
 * @plan: filled in, for json_object_put() of both members
 * @snapshot: of the machine; what is chosen is marked in it
 * @wishes: what is asked for
 */
void plan_make(struct plan *plan, struct snapshot *snapshot, const struct wishes *wishes)
{
	plan->steps = json_object_new_array();
	plan->refusals = json_object_new_array();
	plan->lost = 0;
	choose_cpus(plan, snapshot, wishes);
	check_nodes(plan, snapshot);
	if (choose_memory(plan, snapshot, wishes))
		check_room(plan, snapshot, wishes);
	check_tick(plan, snapshot);
	check_interrupts(plan, snapshot);
	check_devices(plan, snapshot, wishes);
	if (!length(plan->refusals))
		plan_units(plan, snapshot, wishes);
}
