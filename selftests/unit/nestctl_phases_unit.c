// SPDX-License-Identifier: GPL-2.0-only
/*
 * The phases of nestctl refresh run, in a world that ends the program before and after each of
 * its operations, fails each of them, has no room for the journal, or stops it; then it goes on,
 * or back, and may end once more on the way.
 */
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../tools/nestctl/phases.h"

#define NR 5
#define COMMIT (NR - 1)

static const struct phase phases[NR] = {
	{ "a", "a", NULL, 1, false },
	{ "b", "b", "b", 1, false },
	{ "c", "c", "c", 1, false },
	{ "d", "d", "d", 1, false },
	{ "e", "e", NULL, 1, true },
};

/* What stays when the program ends. */
static struct {
	bool begun[NR], done[NR];
	bool has_journal;
	size_t at;
	enum phase_state state;
} world;

/* Faults: at which call (0: never). */
static struct {
	unsigned int die, fail, full, stop;
	bool commit;
} plan;

static unsigned int calls, acts, keeps;
static jmp_buf dead;
static unsigned long runs;

#define CHECK(condition)							\
	do {									\
		if (!(condition)) {						\
			printf("%s:%d: %s (die %u fail %u full %u stop %u)\n",	\
			       __FILE__, __LINE__, #condition, plan.die,	\
			       plan.fail, plan.full, plan.stop);		\
			exit(1);						\
		}								\
	} while (0)

static void may_die(void)
{
	if (++calls == plan.die)
		longjmp(dead, 1);
}

static void check_order(size_t i, bool undo)
{
	size_t n;

	/* Nothing is begun that the journal does not know. */
	CHECK(undo || (world.has_journal && world.at == i && world.state == PHASE_DOES));
	for (n = 0; n < i; n++)
		CHECK(undo || world.done[n]);
	for (n = i + 1; n < NR; n++)
		CHECK(!world.begun[n]);
	CHECK(!undo || !world.begun[COMMIT]);
}

static int act(const struct phase *phase, bool undo)
{
	size_t i = phase - phases;

	check_order(i, undo);
	may_die();
	if (++acts == plan.fail) {
		world.begun[i] = true;
		return -1;
	}
	world.begun[i] = !undo;
	world.done[i] = !undo;
	may_die();
	return 0;
}

static int keep(const struct phase *phase, enum phase_state state)
{
	if (++keeps == plan.full)
		return -1;
	may_die();
	world.has_journal = true;
	world.at = phase - phases;
	world.state = state;
	may_die();
	return 0;
}

static void forget(void)
{
	may_die();
	world.has_journal = false;
	may_die();
}

static bool stopped(void)
{
	return plan.stop && acts >= plan.stop;
}

static bool may_commit(void)
{
	return plan.commit;
}

static const struct phase_ops ops = { act, keep, forget, stopped, may_commit };

static size_t count(const bool *which)
{
	size_t i, n = 0;

	for (i = 0; i < NR; i++)
		n += which[i];
	return n;
}

static void check_end(enum phases_end end)
{
	switch (end) {
	case PHASES_OK:
		CHECK(count(world.done) == NR && !world.has_journal);
		break;
	case PHASES_UNDONE:
		CHECK(!count(world.begun) && !world.has_journal);
		break;
	case PHASES_WAIT:
		CHECK(count(world.done) == COMMIT && !world.begun[COMMIT] && world.has_journal);
		break;
	case PHASES_STUCK:
		CHECK(plan.fail && (!world.has_journal || world.begun[world.at] || world.at));
		break;
	case PHASES_FAILED:
		CHECK(plan.fail && world.begun[COMMIT] && world.at == COMMIT);
		break;
	}
}

enum how { RUN, RESUME, UNDO };

/* Returns whether it came to an end. */
static bool live(enum how how, enum phases_end *end)
{
	calls = 0;
	acts = 0;
	keeps = 0;
	runs++;
	if (setjmp(dead))
		return false;
	if (how == RUN)
		*end = phases_run(phases, NR, &ops);
	else if (how == RESUME)
		*end = phases_resume(phases, NR, &ops, world.at, world.state);
	else
		*end = phases_undo(phases, &ops, world.at);
	check_end(*end);
	return true;
}

static void no_faults(bool commits)
{
	memset(&plan, 0, sizeof(plan));
	plan.commit = commits;
}

/* Without further faults it goes on to the end, or back to the beginning. */
static void settle(enum how how)
{
	enum phases_end end;

	no_faults(true);
	if (!world.has_journal) {
		CHECK(!count(world.begun) || count(world.done) == NR);
		return;
	}
	if (how == UNDO && world.at == COMMIT)
		how = RESUME;
	CHECK(live(how, &end));
	CHECK(end == (how == UNDO || world.at != COMMIT ? end : PHASES_OK));
	CHECK(end == PHASES_OK || end == PHASES_UNDONE);
	CHECK(how == RESUME || end == PHASES_UNDONE);
}

/* A life with a fault, a second one that ends at @again, and the settling. */
static void lives(unsigned int die, unsigned int fail, unsigned int full, unsigned int stop,
		  unsigned int again, enum how how)
{
	enum phases_end end;

	memset(&world, 0, sizeof(world));
	no_faults(true);
	plan.die = die;
	plan.fail = fail;
	plan.full = full;
	plan.stop = stop;
	live(RUN, &end);
	if (again && world.has_journal && !(how == UNDO && world.at == COMMIT)) {
		no_faults(true);
		plan.die = again;
		live(how, &end);
	}
	settle(how);
}

static void all_lives(enum how how)
{
	unsigned int die, fault, again;

	for (die = 0; die < 40; die++)
		for (again = 0; again < 40; again++)
			for (fault = 0; fault < 12; fault++) {
				lives(die, fault, 0, 0, again, how);
				lives(die, 0, fault, 0, again, how);
				lives(die, 0, 0, fault, again, how);
			}
}

/* Whoever does not commit can go on, or back. */
static void waits(void)
{
	enum phases_end end;

	memset(&world, 0, sizeof(world));
	no_faults(false);
	CHECK(live(RUN, &end) && end == PHASES_WAIT);
	CHECK(live(RESUME, &end) && end == PHASES_WAIT);
	plan.commit = true;
	CHECK(live(RESUME, &end) && end == PHASES_OK);
	memset(&world, 0, sizeof(world));
	no_faults(false);
	CHECK(live(RUN, &end) && end == PHASES_WAIT);
	CHECK(live(UNDO, &end) && end == PHASES_UNDONE);
}

int main(void)
{
	enum phases_end end;

	memset(&world, 0, sizeof(world));
	no_faults(true);
	CHECK(live(RUN, &end) && end == PHASES_OK);
	waits();
	all_lives(RESUME);
	all_lives(UNDO);
	printf("%lu lives\n", runs);
	return 0;
}
