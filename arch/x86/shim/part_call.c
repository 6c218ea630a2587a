// SPDX-License-Identifier: GPL-2.0-only
/*
 * The calls of hosts that are about partitions.
 */
#include "vmx_ops.h"
#include "world.h"

/* Its kernel has moved its interrupts, or believes so. */
static void close_pins(struct shim_cpu *cpu, const struct shim_cpu *taken)
{
	struct ioapic_ops ops;
	u32 pin;

	world_lock(cpu);
	for (pin = 0; pin < world.ioapic.pins; pin++) {
		ioapic_lose_cpu(&world.ioapic, pin, 0, taken->boot.apic_id, &ops,
				world_denied(cpu));
		ioapic_hw_apply(&ops);
	}
	world_unlock();
}

/* The CPU is offline for its host, and stands in the shim afterwards. */
static u32 take(struct shim_cpu *cpu, u64 area)
{
	struct shim_cpu *target;

	if (policy_may_give() || area >= shim_machine.nr_areas)
		return SHIM_E_STATE;
	target = cpu_of_area(area);
	if (target == cpu || target->part != &shim_header.part[0] ||
	    cpu_state(target) != SHIM_STATE_ON)
		return SHIM_E_STATE;
	if (!cpu_command_wait(target, COMMAND_TAKE, SHIM_STATE_ON))
		return SHIM_E_CPU;
	close_pins(cpu, target);
	return SHIM_OK;
}

/*
 * The machine's boot CPU, whose partition does not run, waits for a start-up IPI of the first
 * kernel's, in the shim: INIT, by which any other CPU comes back when the partition is destroyed,
 * would start the firmware on it.
 */
static u32 give_back(struct shim_cpu *cpu, u64 area)
{
	struct shim_cpu *target;

	if (policy_may_give() || area >= shim_machine.nr_areas ||
	    part_info(1)->state == SHIM_PART_RUNS)
		return SHIM_E_STATE;
	target = cpu_of_area(area);
	if (!target->boot_cpu)
		return SHIM_E_BOOT_CPU;
	if (target->part == &shim_header.part[0])
		return cpu_state(target) == SHIM_STATE_WAIT ? SHIM_OK : SHIM_E_STATE;
	if (cpu_state(target) != SHIM_STATE_PARKED)
		return SHIM_E_STATE;
	target->part = &shim_header.part[0];
	target->bsp = true;
	world_set_cpu(target);
	world_count(0);
	world_count(1);
	if (cpu_command_wait(target, COMMAND_INIT, SHIM_STATE_PARKED))
		return SHIM_OK;
	target->part = &shim_header.part[1];
	target->bsp = false;
	world_set_cpu(target);
	world_count(0);
	world_count(1);
	return SHIM_E_CPU;
}

/* Behind the lock: what a partition that runs must not lose is looked at there, too. */
static u32 start_locked(struct shim_cpu *cpu, const struct shim_start *start)
{
	struct shim_part_info *info = part_info(1);
	struct shim_cpu *target = cpu_of_area(start->area);

	if (policy_may_give() || info->state == SHIM_PART_RUNS ||
	    target->part != &shim_header.part[1] || cpu_state(target) != SHIM_STATE_PARKED)
		return SHIM_E_STATE;
	world_reset_devices(cpu);
	link_clear(1);
	target->start = *start;
	info->word = 0;
	info->why = SHIM_END_NONE;
	shim_header.part[1].ended = 0;
	info->state = SHIM_PART_RUNS;
	info->starts++;
	return SHIM_OK;
}

static u32 start(struct shim_cpu *cpu, u64 hpa)
{
	struct shim_start start;
	u32 error;

	if (policy_may_give() || part_info(1)->state == SHIM_PART_RUNS)
		return SHIM_E_STATE;
	if (hpa & (SHIM_PAGE - 1) || !world_owns(cpu, hpa))
		return SHIM_E_MEMORY;
	start = *(struct shim_start *)host_page(hpa);
	if (start.area >= shim_machine.nr_areas)
		return SHIM_E_STATE;
	world_lock(cpu);
	error = start_locked(cpu, &start);
	world_unlock();
	if (error)
		return error;
	if (cpu_command_wait(cpu_of_area(start.area), COMMAND_START, SHIM_STATE_PARKED))
		return SHIM_OK;
	part_info(1)->state = SHIM_PART_ENDED;
	return SHIM_E_CPU;
}

static u32 kill(struct shim_cpu *cpu)
{
	struct shim_part_info *info = part_info(1);
	u64 i;

	if (policy_may_give() || info->state != SHIM_PART_RUNS)
		return SHIM_E_STATE;
	console_print("shim: apic %d: the second partition is ended\n", cpu->boot.apic_id);
	policy_end_part(cpu, 1, SHIM_END_KILLED, 0);
	/* Its last CPU may have stopped without a word. */
	if (!world_count(1))
		world_part_ended(cpu, 1);
	for (i = 0; i < 100000000; i++) {
		if (__atomic_load_n(&info->state, __ATOMIC_ACQUIRE) == SHIM_PART_ENDED)
			return SHIM_OK;
		cpu_serve_flush(cpu);
		asm volatile("pause");
	}
	return SHIM_E_CPU;
}

/* Is the CPU with that APIC ID the caller's, and has it been given while the caller ran? */
static u32 waits(const struct shim_cpu *cpu, u32 apic_id)
{
	const struct shim_cpu *other;
	u32 area;

	for (area = 0; area < shim_machine.nr_areas; area++) {
		other = cpu_of_area(area);
		if (other->part == cpu->part && other->boot.apic_id == apic_id &&
		    cpu_state(other) == SHIM_STATE_PARKED)
			return SHIM_OK;
	}
	return SHIM_E_CPU;
}

/* The result is for EAX. */
u64 handle_part_call(struct shim_cpu *cpu, u32 call)
{
	u64 *r = cpu->regs->r;

	if (call == SHIM_CALL_PART_CLAIM)
		return part_of(cpu) ? world_claim(cpu, r[R_RBX], &r[R_RCX]) : SHIM_E_CALL;
	if (call == SHIM_CALL_PART_CPU)
		return part_of(cpu) ? waits(cpu, r[R_RBX]) : SHIM_E_CALL;
	if (call == SHIM_CALL_FIND)
		return world_find(cpu, &r[R_RBX]);
	if (call == SHIM_CALL_ADOPT)
		return world_adopt(cpu, r[R_RBX]);
	if (call == SHIM_CALL_PART_SAY) {
		if (policy_may_give())
			return SHIM_E_STATE;
		part_info(part_of(cpu))->word = r[R_RBX];
		return SHIM_OK;
	}
	if (call == SHIM_CALL_PART_HEAR) {
		if (policy_may_give())
			return SHIM_E_STATE;
		r[R_RBX] = part_info(!part_of(cpu))->word;
		return SHIM_OK;
	}
	if (call == SHIM_CALL_LINK_JOIN)
		return link_join(cpu, &r[R_RBX], &r[R_RCX], &r[R_RDX]);
	if (call == SHIM_CALL_LINK_RING)
		return link_ring(cpu);
	if (call == SHIM_CALL_POOL)
		return world_pool(cpu, r[R_RBX], r[R_RCX], r[R_RDX]);
	if (call == SHIM_CALL_POOL_FIND)
		return world_pool_find(cpu, &r[R_RBX], &r[R_RCX], &r[R_RDX]);
	if (part_of(cpu))
		return SHIM_E_CALL;
	switch (call) {
	case SHIM_CALL_PART_CREATE:
		return world_create(cpu, r[R_RBX]);
	case SHIM_CALL_PART_MOVE:
		return world_move(cpu, r[R_RBX], r[R_RCX], r[R_RDX]);
	case SHIM_CALL_PART_COPY:
		return world_copy_page(cpu, r[R_RBX], r[R_RCX]);
	case SHIM_CALL_PART_TAKE:
		return take(cpu, r[R_RBX]);
	case SHIM_CALL_PART_RETURN:
		return give_back(cpu, r[R_RBX]);
	case SHIM_CALL_PART_START:
		return start(cpu, r[R_RBX]);
	case SHIM_CALL_PART_KILL:
		return kill(cpu);
	case SHIM_CALL_PART_FUNCTION:
		return world_function(cpu, r[R_RBX], r[R_RCX]);
	case SHIM_CALL_PART_DESTROY:
		return world_destroy(cpu);
	}
	return SHIM_E_CALL;
}
