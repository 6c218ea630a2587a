// SPDX-License-Identifier: GPL-2.0-only
/*
 * All CPUs agree before each step that concerns all: either all go on, or all go
 * back with the same error.
 */
#include <linux/atomic.h>
#include <linux/errno.h>
#include <linux/timex.h>
#include <asm/processor.h>
#include <asm/tsc.h>

#include "session.h"

/* Long enough for a CPU that handles a burst of NMIs, short for a watchdog. */
#define TIMEOUT_MS	2000

/**
 * refresh_barrier_init() - Make a barrier ready for one use
 * @barrier: the barrier
 */
void refresh_barrier_init(struct refresh_barrier *barrier)
{
	atomic_set(&barrier->arrived, 0);
	atomic_set(&barrier->state, BARRIER_WAITING);
}

/*
 * One word decides, once: a CPU that gives up waiting and the last one that
 * arrives cannot both win.
 */
static void decide(struct refresh_barrier *barrier, enum refresh_barrier_state state)
{
	atomic_cmpxchg(&barrier->state, BARRIER_WAITING, state);
}

static int wait_for_decision(struct refresh_barrier *barrier, atomic_t *first_error)
{
	u64 deadline = get_cycles() + (u64)tsc_khz * TIMEOUT_MS;

	while (atomic_read(&barrier->state) == BARRIER_WAITING) {
		cpu_relax();
		if (get_cycles() < deadline)
			continue;
		atomic_cmpxchg(first_error, 0, -ETIMEDOUT);
		decide(barrier, BARRIER_ABORT);
	}
	return atomic_read(&barrier->state) == BARRIER_GO ? 0 : atomic_read(first_error);
}

/**
 * refresh_barrier_wait() - Wait for the other CPUs, or tell them of an error
 * @barrier: the barrier of this step
 * @cpus: how many CPUs take part
 * @error: of this CPU's step, 0 if it went well
 * @first_error: of all CPUs; what everybody returns
 *
 * Context: interrupts off on every CPU that takes part.
 * Return: 0 if every CPU came without an error, else the first error, on each.
 */
int refresh_barrier_wait(struct refresh_barrier *barrier, u32 cpus, int error,
			 atomic_t *first_error)
{
	if (error) {
		atomic_cmpxchg(first_error, 0, error);
		decide(barrier, BARRIER_ABORT);
	} else if (atomic_inc_return(&barrier->arrived) == cpus) {
		decide(barrier, BARRIER_GO);
	}
	return wait_for_decision(barrier, first_error);
}

/**
 * refresh_barrier_miss() - Be the CPU that the others wait for in vain
 * @barrier: the barrier of this step
 * @first_error: of all CPUs; what everybody returns
 *
 * For a test.  The CPU is not counted, so no other one can be the last to arrive,
 * whichever comes first.
 *
 * Context: interrupts off on every CPU that takes part.
 * Return: the first error.
 */
int refresh_barrier_miss(struct refresh_barrier *barrier, atomic_t *first_error)
{
	return wait_for_decision(barrier, first_error);
}
