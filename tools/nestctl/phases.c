// SPDX-License-Identifier: GPL-2.0-only
/*
 * Phases with a journal: a pure function of what the operations answer.
 */
#include "phases.h"

/**
 * phases_undo() - Undo those that may have been done, the last first
 * @phases: all
 * @ops: operations
 * @at: the last one that may have been begun
 *
 * A journal that cannot be written is no reason to stop here: that of before leads to the same
 * place.
 *
 * Return: PHASES_UNDONE or PHASES_STUCK.
 */
enum phases_end phases_undo(const struct phase *phases, const struct phase_ops *ops, size_t at)
{
	size_t i;

	for (i = at + 1; i-- > 0;) {
		ops->keep(&phases[i], PHASE_UNDOES);
		if (ops->act(&phases[i], true))
			return PHASES_STUCK;
	}
	ops->forget();
	return PHASES_UNDONE;
}

static enum phases_end go_back(const struct phase *phases, const struct phase_ops *ops, size_t nr)
{
	if (nr)
		return phases_undo(phases, ops, nr - 1);
	ops->forget();
	return PHASES_UNDONE;
}

static enum phases_end commit(const struct phase *phase, const struct phase_ops *ops)
{
	if (!ops->may_commit() || ops->keep(phase, PHASE_DOES))
		return PHASES_WAIT;
	return ops->act(phase, false) ? PHASES_FAILED : PHASES_OK;
}

static enum phases_end run_from(const struct phase *phases, size_t nr, const struct phase_ops *ops,
				size_t at)
{
	enum phases_end end;

	for (; at < nr; at++) {
		if (phases[at].commits) {
			end = commit(&phases[at], ops);
			if (end != PHASES_OK)
				return end;
			continue;
		}
		/* What is not in the journal is not begun. */
		if (ops->keep(&phases[at], PHASE_DOES))
			return go_back(phases, ops, at);
		if (ops->act(&phases[at], false) || ops->stopped())
			return phases_undo(phases, ops, at);
		/* Else it is done once more, which does nothing. */
		ops->keep(&phases[at], PHASE_DONE);
	}
	ops->forget();
	return PHASES_OK;
}

/**
 * phases_run() - Do all, or none
 * @phases: all, none of them done; behind one that commits there is none that does not
 * @nr: how many
 * @ops: operations
 *
 * Return: how it has ended.
 */
enum phases_end phases_run(const struct phase *phases, size_t nr, const struct phase_ops *ops)
{
	return run_from(phases, nr, ops, 0);
}

/**
 * phases_resume() - Go on where a program has ended
 * @phases: all
 * @nr: how many
 * @ops: operations
 * @at: the one that the journal names
 * @state: what it says of it
 *
 * Return: how it has ended.
 */
enum phases_end phases_resume(const struct phase *phases, size_t nr, const struct phase_ops *ops,
			      size_t at, enum phase_state state)
{
	if (state == PHASE_UNDOES)
		return phases_undo(phases, ops, at);
	return run_from(phases, nr, ops, state == PHASE_DONE ? at + 1 : at);
}
