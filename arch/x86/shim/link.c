// SPDX-License-Identifier: GPL-2.0-only
/*
 * The link of two partitions: memory in the reserve that one writes and the other reads, and a
 * doorbell.  What is in the memory is no business of the shim's.
 *
 * The doorbell is a pin of the IOAPIC that has no device: the entry that a kernel has written
 * for it says which of its CPUs is interrupted, by an interrupt that the shim sends.
 */
#include "world.h"

static char *section(u32 part)
{
	return (char *)shim_machine.link_va + part * (u64)SHIM_LINK_SECTION;
}

static u64 section_hpa(u32 part)
{
	return ept_page_hpa(&world.pool, section(part));
}

static bool map(u32 part, u32 of, u64 access)
{
	return ept_map(&world.pool, shim_header.part[part].eptp, shim_header.part[0].eptp,
		       section_hpa(of), section_hpa(of), SHIM_LINK_SECTION, access);
}

/* The first partition has its half since the launch. */
bool link_create(void)
{
	world.link = (struct world_link){ .on = true };
	return map(1, 0, EPT_READ) && map(1, 1, EPT_READ | EPT_WRITE);
}

/* The second partition gets all of the machine: nobody is there to lie to it. */
bool link_inherit(void)
{
	return !world.link.on ||
	       (map(0, 0, EPT_READ | EPT_WRITE) && map(0, 1, EPT_READ | EPT_WRITE));
}

/* One that finds its entry masked is kept until it is not. */
void link_ring_bell(u32 part)
{
	u32 index;
	u8 vector;

	world.link.missed[part] = false;
	if (!world.link.on || !world.link.pin[part])
		return;
	if (ioapic_target(&world.ioapic, &world.cpus, part, world.link.pin[part] - 1, &index,
			  &vector))
		shim_send_fixed(cpu_of_area(index), vector);
	else
		world.link.missed[part] = true;
}

/* It is not there any more, or not yet. */
void link_clear(u32 part)
{
	char *at = section(part);
	u32 i;

	if (!world.link.on)
		return;
	world.link.pin[part] = 0;
	world.link.missed[part] = false;
	for (i = 0; i < SHIM_LINK_CLEARED; i += sizeof(u64))
		__atomic_store_n((u64 *)(at + i), 0, __ATOMIC_RELAXED);
}

static bool both(void)
{
	return !policy_may_give() && world.link.on && !world.alone;
}

/* What it is told goes to registers: @own, the section of the other side, bytes of each. */
u32 link_join(struct shim_cpu *cpu, u64 *own, u64 *other, u64 *bytes)
{
	u64 pin = *own;
	u32 part = part_of(cpu);

	if (!both() || pin >= world.ioapic.pins)
		return SHIM_E_STATE;
	world_lock(cpu);
	world.link.pin[part] = pin + 1;
	world.link.missed[part] = false;
	world_unlock();
	*own = section_hpa(part);
	*other = section_hpa(!part);
	*bytes = SHIM_LINK_SECTION;
	return SHIM_OK;
}

u32 link_ring(struct shim_cpu *cpu)
{
	if (!both())
		return SHIM_E_STATE;
	world_lock(cpu);
	link_ring_bell(!part_of(cpu));
	world_unlock();
	return SHIM_OK;
}
