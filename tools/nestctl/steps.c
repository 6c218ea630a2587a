// SPDX-License-Identifier: GPL-2.0-only
/*
 * Do the steps one after the other, or undo those that were done, the last first.
 */
#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "nestctl.h"
#include "steps.h"

#define MAX_WORDS 64

extern char **environ;

static volatile sig_atomic_t interrupted;

static void interrupt(int number)
{
	interrupted = number;
}

/* Where insmod, rmmod and modprobe are; NULL: in PATH. */
const char *tools;

/**
 * add_step() - Plan one more step
 * @steps: to add it to
 * @kind: of it
 * @module: its name
 *
 * Return: the step, to be completed.
 */
struct step *add_step(struct steps *steps, enum step_kind kind, const char *module)
{
	struct step *step = &steps->step[steps->nr];

	if (steps->nr == MAX_STEPS)
		die(EXIT_REFUSED, "the modules need more than %d others: nothing was changed",
		    MAX_STEPS);
	steps->nr++;
	memset(step, 0, sizeof(*step));
	step->kind = kind;
	step->module = text_of("%s", module);
	return step;
}

/**
 * step_command() - The command that does it
 * @step: the step
 * @undo: or undoes it
 *
 * Return: memory to be freed; NULL if there is none.
 */
char *step_command(const struct step *step, bool undo)
{
	autofree char *file = NULL;
	bool load = (step->kind == STEP_LOAD) != undo;

	if (step->kind == STEP_NEED)
		return text_of("modprobe -q%s %s", undo ? " -r" : "", step->module);
	if (!load)
		return text_of("rmmod %s", step->module);
	if (!step->file)
		return NULL;
	file = below_root("%s", step->file);
	return text_of("insmod %s%s", file, step->params ?: "");
}

/* No shell: words are separated by single spaces. */
static int run_command(const char *command)
{
	autofree char *copy = text_of("%s", command);
	autofree char *program = NULL;
	char *words[MAX_WORDS + 1], *rest = copy;
	int n = 0, status;
	pid_t pid;

	while (n < MAX_WORDS && (words[n] = strsep(&rest, " ")))
		n++;
	words[n] = NULL;
	program = tools ? text_of("%s/%s", tools, words[0]) : text_of("%s", words[0]);
	status = posix_spawnp(&pid, program, NULL, NULL, words, environ);
	if (status) {
		complain("cannot run %s: %s", program, strerror(status));
		return -1;
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -1;
	return status ? -1 : 0;
}

static int do_step(struct step *step)
{
	autofree char *command = step_command(step, false);

	fflush(stdout);
	/* Others may be built in: if not, the module that needs them says so. */
	if (run_command(command) && step->kind != STEP_NEED) {
		/* A command that was cut off may have done it. */
		step->state = module_loaded(step->module) == (step->kind == STEP_LOAD) ?
			STEP_DONE : STEP_FAILED;
		complain("'%s' failed: dmesg says why", command);
		return -1;
	}
	step->state = STEP_DONE;
	return 0;
}

/**
 * undo_steps() - Undo what was done, the last first; stop where that fails
 * @steps: some of them done
 *
 * Return: EXIT_FAILED, or EXIT_BROKEN after a message.
 */
int undo_steps(struct steps *steps)
{
	int i;

	/* Its commands have what is ignored from it: those that go back are not cut off. */
	catch_signals(SIG_IGN, 0);
	for (i = steps->nr - 1; i >= 0; i--) {
		struct step *step = &steps->step[i];
		autofree char *command = NULL;

		if (step->state != STEP_DONE)
			continue;
		command = step_command(step, true);
		if (command && (!run_command(command) || step->kind == STEP_NEED)) {
			step->state = STEP_UNDONE;
			continue;
		}
		step->state = STEP_STUCK;
		if (command)
			complain("going back failed at '%s' (dmesg says why): load the modules by hand, 'modprobe kvm_intel' takes those that are installed",
				 command);
		else
			complain("going back failed: the %s that was loaded is not installed as a file: 'modprobe kvm_intel' takes those that are",
				 step->module);
		return EXIT_BROKEN;
	}
	return EXIT_FAILED;
}

/**
 * run_steps() - Do them all, or none
 * @steps: planned
 * @verify: is what was loaded what was meant?
 *
 * Return: EXIT_OK, EXIT_FAILED or EXIT_BROKEN.
 */
int run_steps(struct steps *steps, bool (*verify)(void))
{
	int i;

	catch_signals(interrupt, 0);
	for (i = 0; i < steps->nr; i++) {
		if (do_step(&steps->step[i]))
			return undo_steps(steps);
		if (!interrupted)
			continue;
		complain("interrupted by signal %d", (int)interrupted);
		return undo_steps(steps);
	}
	return verify() ? EXIT_OK : undo_steps(steps);
}

void free_steps(struct steps *steps)
{
	while (steps->nr > 0) {
		struct step *step = &steps->step[--steps->nr];

		free(step->module);
		free(step->file);
		free(step->params);
	}
}
