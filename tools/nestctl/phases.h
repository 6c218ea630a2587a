/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Phases that are done one after the other, and undone the last first, by a program that may
 * end at any moment: what is under way is in a journal before it begins.
 */
#ifndef NESTCTL_PHASES_H
#define NESTCTL_PHASES_H

#include <stdbool.h>
#include <stddef.h>

/* X(name, word): what the journal says of the phase that it names. */
#define PHASE_STATES(X)								\
	X(DOES, "does")								\
	X(DONE, "done")								\
	X(UNDOES, "undoes")

enum phase_state {
#define X(name, word) PHASE_##name,
	PHASE_STATES(X)
#undef X
};

/**
 * struct phase - One of them
 * @name: in the journal
 * @text: what it does, for people
 * @undo_text: what undoing it does, NULL: nothing
 * @timeout: seconds that either may take
 * @commits: there is no way back from here
 */
struct phase {
	const char *name, *text, *undo_text;
	unsigned int timeout;
	bool commits;
};

/**
 * struct phase_ops - What happens to them
 * @act: do it, or undo it; what has been done already, or in part, is no error.  0: it is so
 * @keep: write the journal: all of it, or what was there stays.  0: it is on the disk
 * @forget: there is no journal any more
 * @stopped: somebody wants it to end
 * @may_commit: somebody wants what cannot be undone
 */
struct phase_ops {
	int (*act)(const struct phase *phase, bool undo);
	int (*keep)(const struct phase *phase, enum phase_state state);
	void (*forget)(void);
	bool (*stopped)(void);
	bool (*may_commit)(void);
};

enum phases_end {
	PHASES_OK,	/* all done, no journal */
	PHASES_UNDONE,	/* none done, no journal */
	PHASES_WAIT,	/* done up to what cannot be undone: may go on, or back */
	PHASES_STUCK,	/* one cannot be undone; the journal says which */
	PHASES_FAILED,	/* what cannot be undone has failed: may be done again */
};

enum phases_end phases_run(const struct phase *phases, size_t nr, const struct phase_ops *ops);
enum phases_end phases_resume(const struct phase *phases, size_t nr, const struct phase_ops *ops,
			      size_t at, enum phase_state state);
enum phases_end phases_undo(const struct phase *phases, const struct phase_ops *ops, size_t at);

#endif /* NESTCTL_PHASES_H */
