// SPDX-License-Identifier: GPL-2.0-only
/*
 * A module that has not brought the shim finds it and takes it over: one that was loaded anew, or
 * that of the second kernel when the first one has left it the machine.  From then on there is one
 * partition, whichever it is, and its host can be rid of the shim.
 */
#include "vmx_ops.h"
#include "world.h"

#define APIC_PAGE	0xfee00000ull

static bool is_heir(const struct shim_cpu *cpu)
{
	return part_of(cpu) && world.alone;
}

/* Where the page is that tells where all else is. */
u32 world_find(struct shim_cpu *cpu, u64 *hpa)
{
	if (!policy_may_give() && !is_heir(cpu))
		return SHIM_E_SHARED;
	*hpa = shim_machine.reserve_hpa + (shim_machine.info_va - SHIM_VA_IMAGE);
	return SHIM_OK;
}

static bool is_online(const struct shim_adopt *adopt, u32 area)
{
	return adopt->online[area / 64] >> area % 64 & 1;
}

/* Has the shim this CPU, or is it above the shim? */
static bool is_here(const struct shim_cpu *cpu)
{
	enum shim_state state = cpu_state(cpu);

	return cpu->part && (state == SHIM_STATE_ON || state == SHIM_STATE_PARKED ||
			     state == SHIM_STATE_WAIT);
}

/* INIT, which the CPU sends itself when it is released, would start the firmware on it. */
static bool boot_cpu_ok(const struct shim_adopt *adopt)
{
	u32 area;

	for (area = 0; area < shim_machine.nr_areas; area++)
		if (cpu_of_area(area)->boot_cpu && is_here(cpu_of_area(area)) &&
		    !is_online(adopt, area))
			return false;
	return true;
}

/* The heir's local APICs are its own, and no CPU of its has cached that they were not. */
static u32 be_one_partition(struct shim_cpu *cpu)
{
	struct shim_info *info = (struct shim_info *)shim_machine.info_va;
	u32 error = SHIM_OK;

	world_lock(cpu);
	if (!world_device_page(0, APIC_PAGE, EPT_RWX))
		error = SHIM_E_TABLES;
	else if (!world_flush(cpu, part_of(cpu)))
		error = SHIM_E_CPU;
	if (error)
		world_device_page(0, APIC_PAGE, EPT_READ);
	world_unlock();
	if (error)
		return error;
	world_set_parts(1);
	world.cpus.nr = 0;
	/* CPUs that are launched from now on are its. */
	shim_header.part[0].ended = 0;
	world_clear_bitmaps();
	info->memory = SHIM_MEMORY_RESERVED;
	return SHIM_OK;
}

/* A CPU on which the host does not run waits for its start-up IPI, bare. */
static bool release(struct shim_cpu *other)
{
	enum shim_state state = cpu_state(other);

	if (state == SHIM_STATE_ON &&
	    !cpu_command_wait(other, COMMAND_INIT, SHIM_STATE_ON))
		return false;
	state = cpu_state(other);
	return cpu_command_wait(other, COMMAND_RELEASE, state);
}

/* A copy of what the host has written, which it cannot change any more. */
static struct shim_adopt the_adopt;

u32 world_adopt(struct shim_cpu *cpu, u64 hpa)
{
	u32 area, error = SHIM_OK;

	if (!policy_may_give() && !is_heir(cpu))
		return SHIM_E_SHARED;
	if (!host_pages_ok(hpa, SHIM_PAGE) || !world_owns(cpu, hpa))
		return SHIM_E_MEMORY;
	the_adopt = *(struct shim_adopt *)host_page(hpa);
	if (!is_online(&the_adopt, area_of_cpu(cpu)))
		return SHIM_E_STATE;
	if (!boot_cpu_ok(&the_adopt))
		return SHIM_E_BOOT_CPU;
	if (!policy_may_give())
		error = be_one_partition(cpu);
	for (area = 0; !error && area < shim_machine.nr_areas; area++) {
		/* The return path of whoever was here before may be gone. */
		cpu_of_area(area)->boot.return_rip = 0;
		if (is_here(cpu_of_area(area)) && !is_online(&the_adopt, area) &&
		    !release(cpu_of_area(area)))
			error = SHIM_E_CPU;
	}
	if (!error)
		console_print("shim: apic %d: adopted\n", cpu->boot.apic_id);
	return error;
}
