// SPDX-License-Identifier: GPL-2.0-only
/*
 * The end of a partition.  As long as the other one runs it goes on with what it has; the
 * second one gets all that the first one had.  When nobody runs any more, what the last one
 * has asked for happens to the machine.
 */
#include "pool.h"
#include "vmx_ops.h"
#include "world.h"

#define PIC_MASK_1		0x21
#define PIC_MASK_2		0xa1
#define RTC_INDEX		0x70
#define LOW_END			0x100000ull
#define PCI_COMMAND		4
#define RESET_CONTROL		0xcf9
#define RESET_ARM		0x02
#define RESET_FULL		0x06
#define KEYBOARD_COMMAND	0x64
#define KEYBOARD_RESET		0xfe
#define SLEEP_TYPE_SHIFT	10
#define SLEEP_ENABLE		BIT(13)

static void mask_pins(u32 part)
{
	struct ioapic_ops ops;
	u32 pin;

	for (pin = 0; pin < world.ioapic.pins; pin++) {
		if (world.ioapic.owner[pin] != part)
			continue;
		ioapic_mask(&world.ioapic, pin, &ops);
		ioapic_hw_apply(&ops);
	}
}

/* Before its memory is another's. */
static void stop_functions(u32 part)
{
	struct pci_function *function;
	u16 command;
	u32 i;

	for (i = 0; i < world.pci.nr_functions; i++) {
		function = &world.function[i];
		if (function->owner != part || !pci_function_stop(function, &command))
			continue;
		config_write(function->bdf, PCI_COMMAND, 2, command);
		/* Behind what the function has still sent. */
		config_read(function->bdf, PCI_COMMAND);
	}
	port_out(PCI_CONFIG_ADDRESS, 4, world.pci.latch[!part]);
}

/* ---- devices that the second kernel believes to have programmed already */

static void push_pins(struct shim_cpu *cpu)
{
	struct ioapic_ops ops;
	u32 pin;

	/* What a device has said to its dead driver is lost, as when a machine starts. */
	for (pin = 0; pin < world.ioapic.pins; pin++) {
		ioapic_give(&world.ioapic, &world.cpus, pin, 1, &ops, world_denied(cpu));
		ioapic_hw_apply(&ops);
	}
}

static void push_links(void)
{
	const struct pci_function *function;
	u32 i, link;

	for (i = 0; i < world.pci.nr_functions; i++) {
		function = &world.function[i];
		for (link = 0; function->links && link < PCI_NR_LINKS; link++)
			config_write(function->bdf, function->links + link, 1,
				     world.pci.links[1][link]);
	}
	port_out(PCI_CONFIG_ADDRESS, 4, world.pci.latch[1]);
}

static void push_devices(struct shim_cpu *cpu)
{
	const struct world_device *device = &world.device[1];
	u32 i;

	push_pins(cpu);
	push_links();
	port_out(PIC_MASK_1, 1, device->pic_mask[0]);
	port_out(PIC_MASK_2, 1, device->pic_mask[1]);
	for (i = 0; i < 2; i++)
		if (world.ports.pm1_event[i])
			port_out(world.ports.pm1_event[i] + world.ports.pm1_event_length / 2, 2,
				 device->pm1_enable[i]);
	port_out(RTC_INDEX, 1, device->rtc_index);
}

/* ---- memory, CPUs */

/* The first EPT leads there no longer, or not to all of it. */
static bool is_to_map(u8 owner)
{
	return owner == OWNER_OF_PART(1) || owner == OWNER_LEFT || pool_is(owner);
}

/*
 * What the first EPT says of addresses is an identity; it is completed, and the second one's top
 * becomes a copy of its own.  Writes to local APICs still exit, for INIT and SIPI.
 */
static bool inherit_memory(void)
{
	u64 *top[SHIM_NR_PARTS], at, last;
	u32 part, i;

	for (at = 0; at < world.memory.limit; at = last + 1)
		if (is_to_map(owner_run(&world.memory, at, world.memory.limit - at, &last)) &&
		    !ept_map(&world.pool, shim_header.part[0].eptp, shim_header.part[0].eptp, at,
			     at, last + 1 - at, EPT_RWX))
			return false;
	if (!link_inherit() || !world_device_page(0, world.ioapic_hpa, EPT_RWX) ||
	    !world_device_page(0, world.hpet_hpa, EPT_RWX))
		return false;
	for (part = 0; part < SHIM_NR_PARTS; part++)
		top[part] = (u64 *)(world.pool.va + ((shim_header.part[part].eptp & EPT_ADDRESS) -
						     world.pool.hpa));
	for (i = 0; i < SHIM_PAGE / sizeof(u64); i++)
		__atomic_store_n(&top[1][i], top[0][i], __ATOMIC_RELEASE);
	return true;
}

static void inherit_cpus(void)
{
	struct shim_cpu *other;
	u32 area;

	for (area = 0; area < shim_machine.nr_areas; area++) {
		other = cpu_of_area(area);
		if (other->part != &shim_header.part[0])
			continue;
		other->part = &shim_header.part[1];
		world_set_cpu(other);
		/* Of the end of its old partition it may not have heard: it would not start. */
		__atomic_and_fetch(&other->command, ~(u32)COMMAND_END, __ATOMIC_RELEASE);
	}
	world_count(0);
	world_count(1);
}

/*
 * Memory that was the first one's waits to be claimed: the kernel takes each page once.  What
 * is no memory, and the firmware's, is the second one's at once.
 */
static void set_owners(void)
{
	u64 at, last, where;
	u8 owner, to;

	pool_inherit(&world.memory, 0, world.memory.limit, OWNER_HELD_BY(1));
	for (at = 0; at < world.memory.limit; at = last + 1) {
		owner = owner_run(&world.memory, at,
				  at < LOW_END ? LOW_END - at : world.memory.limit - at, &last);
		if (owner != OWNER_OF_PART(0) && owner != OWNER_SHOWN_BY(0))
			continue;
		to = owner == OWNER_OF_PART(0) && at >= LOW_END ? OWNER_LEFT : OWNER_OF_PART(1);
		owner_move(&world.memory, at, last + 1 - at, owner, to, &where);
	}
}

/* False: it goes on with what it has. */
static bool inherit(struct shim_cpu *cpu)
{
	if (!inherit_memory())
		return false;
	/* Its EPT is another one now. */
	world.shown[1].nr = 0;
	set_owners();
	inherit_cpus();
	world.alone = true;
	push_devices(cpu);
	world_open_bitmaps();
	return true;
}

/*
 * The piece at @hpa with one owner, of at most @bytes bytes: its length is written to @bytes.
 * SHIM_OK: it waited to be claimed, and is the second partition's now.  SHIM_E_STATE: it did not,
 * but some may yet, as the first kernel runs.
 */
u32 world_claim(struct shim_cpu *cpu, u64 hpa, u64 *bytes)
{
	u32 error = world.alone ? SHIM_E_MEMORY : SHIM_E_STATE;
	u64 last, where;
	u8 owner;

	if (policy_may_give())
		return SHIM_E_STATE;
	if ((hpa | *bytes) & (SHIM_PAGE - 1) || !*bytes || hpa >= world.memory.limit)
		return SHIM_E_MEMORY;
	world_lock(cpu);
	owner = owner_run(&world.memory, hpa, *bytes, &last);
	*bytes = last - hpa + 1;
	if (owner == OWNER_LEFT) {
		switch (owner_move(&world.memory, hpa, *bytes, OWNER_LEFT, OWNER_OF_PART(1),
				   &where)) {
		case OWNER_OK:
			if (world.alone || (world_follow(1, hpa, *bytes) && world_flush(cpu, 1))) {
				error = SHIM_OK;
				break;
			}
			/* It can be claimed once more. */
			owner_move(&world.memory, hpa, *bytes, OWNER_OF_PART(1), OWNER_LEFT,
				   &where);
			error = SHIM_E_TABLES;
			break;
		case OWNER_E_NODES:
			error = SHIM_E_TABLES;
			break;
		default:
			break;
		}
	}
	world_unlock();
	return error;
}

/* ---- the machine's own end */

static void __noreturn end_machine(u32 part)
{
	u32 i;

	if (part_info(part)->why == SHIM_END_POWER_OFF)
		for (i = 0; i < 2; i++)
			if (world.ports.pm1_control[i])
				port_out(world.ports.pm1_control[i], 2, SLEEP_ENABLE |
					 (u32)world.ports.s5_type[i] << SLEEP_TYPE_SHIFT);
	if (world.ports.reset)
		port_out(world.ports.reset, 1, world.ports.reset_value);
	port_out(RESET_CONTROL, 1, RESET_ARM);
	port_out(RESET_CONTROL, 1, RESET_FULL);
	port_out(KEYBOARD_COMMAND, 1, KEYBOARD_RESET);
	for (;;)
		halt();
}

/* The last CPU of the partition is parked. */
void world_part_ended(struct shim_cpu *cpu, u32 part)
{
	enum shim_part_state other;

	world_lock(cpu);
	other = part_info(!part)->state;
	/* Two that park at the same time may both be the last one. */
	if (part_info(part)->state == SHIM_PART_ENDED) {
		world_unlock();
		return;
	}
	mask_pins(part);
	stop_functions(part);
	link_clear(part);
	link_ring_bell(!part);
	__atomic_store_n(&part_info(part)->state, SHIM_PART_ENDED, __ATOMIC_RELEASE);
	/* The second one ends: the first one takes it back, or it has had all of the machine. */
	if (part ? other == SHIM_PART_ENDED : other != SHIM_PART_RUNS)
		end_machine(part);
	/* Reads of what was lent or given may have been cached as nothing. */
	if (part && world_pool_back(false))
		world_flush(cpu, 0);
	if (!part) {
		console_print("shim: apic %d: the second kernel %s\n", cpu->boot.apic_id,
			      inherit(cpu) ? "has the machine" : "goes on with what it has");
		world_flush(cpu, 1);
	}
	world_unlock();
}
