// SPDX-License-Identifier: GPL-2.0-only
/*
 * The CPUs that have an area: all that the machine can have; and how one asks another for
 * something: a bit in its mailbox, and an NMI that brings it here.
 */
#include "shim.h"
#include "vmx_ops.h"
#include "world.h"

/* A CPU that stands in HLT can miss an NMI that comes just before: it gets another one. */
#define KICK_AGAIN	20000
#define KICK_TRIES	2000
#define KICK_LAST	(10 * KICK_AGAIN)

/* Its APIC ID says which CPU it is; one that was never launched has no partition. */
struct shim_cpu *cpu_of_area(u32 area)
{
	return (struct shim_cpu *)(shim_machine.areas_va + area * (u64)SHIM_AREA_SIZE +
				   SHIM_AREA_PRIVATE);
}

u32 area_of_cpu(const struct shim_cpu *cpu)
{
	return ((u64)cpu - shim_machine.areas_va) / SHIM_AREA_SIZE;
}

enum shim_state cpu_state(const struct shim_cpu *cpu)
{
	return __atomic_load_n(&cpu->state, __ATOMIC_ACQUIRE);
}

/*
 * What the host reads may be overwritten by it.  A CPU that parks looks at the others' states next:
 * of two that park at the same time at least one has to see the other one parked.
 */
void cpu_set_state(struct shim_cpu *cpu, enum shim_state state)
{
	u32 area = area_of_cpu(cpu);

	__atomic_store_n(&cpu->state, state, __ATOMIC_SEQ_CST);
	cpu->shared->state = state;
	if (area < world.cpus.nr)
		__atomic_store_n(&world.cpus.cpu[area].runs, state == SHIM_STATE_ON,
				 __ATOMIC_RELAXED);
}

/* The shim has given up on none of those that it has had: such a CPU is its host's, bare. */
bool cpu_none_lost(void)
{
	const struct shim_cpu *cpu;
	u32 area;

	for (area = 0; area < shim_machine.nr_areas; area++) {
		cpu = cpu_of_area(area);
		if (cpu->part && (cpu_state(cpu) == SHIM_STATE_PANIC ||
				  cpu_state(cpu) == SHIM_STATE_DEAD))
			return false;
	}
	return true;
}

/* ---- one CPU asks another one */

void cpu_command(struct shim_cpu *target, u32 command)
{
	__atomic_or_fetch(&target->command, command, __ATOMIC_RELEASE);
	__atomic_or_fetch(&target->boot.arrived, SHIM_ARRIVED_COMMAND, __ATOMIC_RELEASE);
	__atomic_store_n(&target->kicked, 1, __ATOMIC_RELEASE);
	shim_kick(target);
}

/*
 * Nobody waits for it any more, so @target must not obey later on.  One that has taken the command
 * already does so now.
 */
static bool withdraw(struct shim_cpu *target, u32 command, enum shim_state from)
{
	u32 i;

	if (__atomic_fetch_and(&target->command, ~command, __ATOMIC_ACQ_REL) & command)
		return false;
	for (i = 0; i < KICK_LAST && cpu_state(target) == from; i++) {
		cpu_serve_flush(this_cpu());
		asm volatile("pause");
	}
	return cpu_state(target) != from;
}

/*
 * Until @target is not in the state @from any more.  The caller holds no lock.
 * False: it does not answer, or this CPU is asked for something itself: two that ask each other
 * would wait for ever.  Then it will not do it.
 */
bool cpu_command_wait(struct shim_cpu *target, u32 command, enum shim_state from)
{
	struct shim_cpu *self = this_cpu();
	u32 tries, i;

	for (tries = 0; tries < KICK_TRIES; tries++) {
		cpu_command(target, command);
		for (i = 0; i < KICK_AGAIN; i++) {
			if (cpu_state(target) != from)
				return true;
			cpu_serve_flush(self);
			if (__atomic_load_n(&self->command, __ATOMIC_ACQUIRE) & ~COMMAND_FLUSH)
				return withdraw(target, command, from);
			asm volatile("pause");
		}
	}
	return withdraw(target, command, from);
}

/* An NMI has come: is it one of cpu_command()? */
bool cpu_was_kicked(struct shim_cpu *cpu)
{
	return __atomic_exchange_n(&cpu->kicked, 0, __ATOMIC_ACQUIRE);
}

static void flush_everything(struct shim_cpu *cpu)
{
	struct vmx_descriptor desc = { .low = cpu->part->eptp };

	host_flush_tlb();
	invept(INV_SINGLE, &desc);
	guest_check_again(cpu);
	/* There may have been one partition, whose host changes it as it likes. */
	apic_note_mode(cpu);
	if (world.alone && part_of(cpu))
		part_push(cpu);
}

/* In between, wherever a CPU waits for another one. */
void cpu_serve_flush(struct shim_cpu *cpu)
{
	if (!(__atomic_load_n(&cpu->command, __ATOMIC_ACQUIRE) & COMMAND_FLUSH))
		return;
	flush_everything(cpu);
	__atomic_and_fetch(&cpu->command, ~COMMAND_FLUSH, __ATOMIC_RELEASE);
}

/* Whatever VMCS is current.  Returns if the CPU goes on. */
void cpu_obey(struct shim_cpu *cpu)
{
	/* A flush stays until it is done: whoever asks for one now waits for that. */
	u32 command = __atomic_fetch_and(&cpu->command, COMMAND_FLUSH, __ATOMIC_ACQUIRE);

	cpu_serve_flush(cpu);
	if (command & COMMAND_END)
		cpu_park(cpu, SHIM_STATE_PARKED);
	if (command & COMMAND_TAKE)
		cpu_take(cpu);
	if (command & COMMAND_INIT)
		cpu_park(cpu, SHIM_STATE_WAIT);
}

/*
 * Every CPU of the partition forgets what it has cached of its EPT.  The caller may hold the
 * lock.  False: one does not answer.
 */
bool world_flush(struct shim_cpu *cpu, u32 part)
{
	struct shim_cpu *other;
	u32 area, i;

	if (part_of(cpu) == part)
		flush_everything(cpu);
	for (area = 0; area < shim_machine.nr_areas; area++) {
		other = cpu_of_area(area);
		if (other == cpu || other->part != &shim_header.part[part] ||
		    cpu_state(other) != SHIM_STATE_ON)
			continue;
		cpu_command(other, COMMAND_FLUSH);
		for (i = 0; __atomic_load_n(&other->command, __ATOMIC_ACQUIRE) & COMMAND_FLUSH &&
		     cpu_state(other) == SHIM_STATE_ON; i++) {
			if (i == KICK_TRIES * KICK_AGAIN)
				return false;
			cpu_serve_flush(cpu);
			asm volatile("pause");
		}
	}
	return true;
}
