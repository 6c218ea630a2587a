/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The steps in which modules are exchanged.
 */
#ifndef NESTCTL_STEPS_H
#define NESTCTL_STEPS_H

#include <stdbool.h>

enum step_kind { STEP_UNLOAD, STEP_NEED, STEP_LOAD };
enum step_state { STEP_PLANNED, STEP_DONE, STEP_FAILED, STEP_UNDONE, STEP_STUCK };

/**
 * struct step - One of them; the strings are allocated
 * @kind: take a module out, see to a module that others need, put one in
 * @module: its name, with "_"
 * @file: STEP_LOAD: what to load; STEP_UNLOAD: what to load to undo it, NULL: unknown
 * @params: for that file, "NAME=VALUE" with a space before each
 * @state: what has become of it
 */
struct step {
	enum step_kind kind;
	char *module, *file, *params;
	enum step_state state;
};

#define MAX_STEPS 16

/**
 * struct steps - All of them, in order
 * @nr: how many
 * @step: they
 */
struct steps {
	int nr;
	struct step step[MAX_STEPS];
};

extern const char *tools;

struct step *add_step(struct steps *steps, enum step_kind kind, const char *module);
char *step_command(const struct step *step, bool undo);
int run_steps(struct steps *steps, bool (*verify)(void));
int undo_steps(struct steps *steps);
void free_steps(struct steps *steps);

#endif /* NESTCTL_STEPS_H */
