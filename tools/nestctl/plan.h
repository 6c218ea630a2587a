/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The plan of a partition for a second kernel: a pure function of a snapshot of the
 * machine and of what is asked for.
 */
#ifndef NESTCTL_PLAN_H
#define NESTCTL_PLAN_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PLAN_LOW_END	(UINT64_C(4) << 30)
/* Of RAM, in per cent: the second kernel's struct pages are for the whole machine. */
#define PLAN_LEAST	10
/* What either kernel needs beside what is counted. */
#define PLAN_SPARE	(UINT64_C(128) << 20)

struct plan_cpu {
	int number, package, core, node;
	bool online, removable, chosen;
	char *tick;
};

struct plan_block {
	uint64_t start;
	int node;
	bool online, movable, whole, pinned, chosen;
};

struct plan_device {
	char *address, *driver, *use;
};

/**
 * struct snapshot - The machine at one moment, from nestctl-snapshot-1
 * @cpus: present CPUs
 * @blocks: memory blocks, by address
 * @devices: PCI functions
 * @block_size: bytes of a memory block
 * @total: bytes of RAM
 * @available: of these, what programs could still get
 * @end: behind the last byte of RAM
 * @vm_bytes: memory that processes with VMs occupy
 * @broadcast: device that wakes CPUs from deep sleep
 * @arat: the local APIC's timer does so itself
 * @remapping: an IOMMU rewrites interrupts
 */
struct snapshot {
	struct plan_cpu *cpus;
	struct plan_block *blocks;
	struct plan_device *devices;
	size_t nr_cpus, nr_blocks, nr_devices;
	uint64_t block_size, total, available, end, vm_bytes;
	char *broadcast;
	bool arat, remapping;
};

/**
 * struct wishes - What is asked for
 * @cpus: numbers, NULL: the last core
 * @nr_cpus: how many
 * @memory: bytes, 0: as little as may be
 * @devices: PCI addresses
 * @nr_devices: how many
 * @kernel: bytes that the second kernel's image takes when it starts
 * @initrd: bytes of its initrd
 * @last_page: it has to own the last page of RAM
 */
struct wishes {
	int *cpus;
	size_t nr_cpus;
	uint64_t memory;
	char **devices;
	size_t nr_devices;
	uint64_t kernel, initrd;
	bool last_page;
};

/**
 * struct plan - Steps, or why there are none
 * @steps: array of {unit, name, text, undo}, empty if anything is refused
 * @refusals: array of {id, text, cure}
 * @lost: bytes of RAM that the second kernel will never see
 */
struct plan {
	struct json_object *steps, *refusals;
	uint64_t lost;
};

const char *snapshot_parse(struct snapshot *snapshot, struct json_object *object);
void snapshot_free(struct snapshot *snapshot);
struct json_object *snapshot_take(void);
void plan_make(struct plan *plan, struct snapshot *snapshot, const struct wishes *wishes);

#endif /* NESTCTL_PLAN_H */
