/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A refresh: what was asked for, and the journal that says how far it is.
 */
#ifndef NESTCTL_RUN_H
#define NESTCTL_RUN_H

#include <stdbool.h>
#include <stddef.h>

#include "phases.h"

/**
 * struct run_options - What was asked for; the journal has it, too
 * @program: nestctl itself
 * @to: URI of the other kernel's libvirtd
 * @from: URI of this kernel's, as that one reaches it
 * @link: address of vmlink0 here, NULL: it is not touched
 * @bridge: of the VMs, NULL: they have none
 * @wait: seconds for the other libvirtd to come up
 * @parallel: VMs that move at a time
 * @downtime: pause of a VM to aim at, in ms, NULL: as nestctl move has it
 * @timeout: seconds for a VM to move in, NULL: no limit
 * @commit: "auto", "ask" or "stop"
 * @off: command that ends this kernel
 * @rate: memory that is given in a second before, NULL: with no limit
 * @order: of memory and CPUs; neither that nor @rate: nothing is given before
 * @dry: change nothing
 * @boot: options of nestctl refresh boot
 * @nr_boot: how many
 */
struct run_options {
	const char *program, *to, *from, *link, *bridge, *wait, *parallel, *commit, *off;
	const char *rate, *order, *downtime, *timeout;
	bool dry;
	const char **boot;
	size_t nr_boot;
};

int refresh_run(int argc, char **argv);
struct json_object *run_describe(int fd);

/* ---- run_options.c */

void run_parse(struct run_options *options, int argc, char **argv);

/* ---- run_journal.c */

void run_lock(void);
bool run_journal_exists(void);
int run_journal_read(struct run_options *options, const char **phase, enum phase_state *state);
int run_journal_write(const struct run_options *options, const char *phase,
		      enum phase_state state);
void run_journal_remove(void);
struct json_object *run_journal_describe(void);
const char *run_state_word(enum phase_state state);

#endif /* NESTCTL_RUN_H */
