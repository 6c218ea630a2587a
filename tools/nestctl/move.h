/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * VMs move to another kernel: what is asked of libvirt, and what came of it.
 */
#ifndef NESTCTL_MOVE_H
#define NESTCTL_MOVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "disks.h"
#include "zero.h"

/* X(name, word): what has become of a domain. */
#define MOVE_STATES(X)								\
	X(WAITS, "waits")	/* nothing has been done to it */		\
	X(MOVES, "moves")							\
	X(MOVED, "moved")	/* it is there, and nowhere else */		\
	X(STAYS, "stays")	/* it is here, as before, and nowhere else */	\
	X(UNKNOWN, "unknown")	/* it is paused here, or gone; it may run there */

enum move_state {
#define X(name, word) MOVE_##name,
	MOVE_STATES(X)
#undef X
};

/**
 * struct move_options - How to move
 * @uri: of the libvirtd to move to
 * @from: of the one to move from
 * @address: where the VMs' states are sent to, as in tcp://10.0.0.2
 * @downtime: milliseconds that a VM may be paused, which QEMU aims at
 * @timeout: seconds that a VM may take, 0: no limit
 * @parallel: so many at a time
 * @wait: seconds to wait for the other libvirtd
 * @hold: domains do not start by themselves there until somebody releases them
 */
struct move_options {
	const char *uri, *from, *address;
	unsigned int downtime, timeout, parallel, wait;
	bool hold;
};

/**
 * struct move_domain - A domain
 * @name: of it
 * @memory: its RAM in KiB
 * @active: it runs; else only its definition moves
 * @persistent: it has a definition
 * @autostart: the daemon starts it by itself
 * @snapshots: how many it has
 * @state: what has become of it
 * @why: why it stays, NULL: no reason
 * @began: when its move began, in microseconds of a clock
 * @ended: when it ended
 * @paused: when it was paused here, 0: not yet
 * @resumed: when it ran on there, 0: not yet
 * @ram: bytes of RAM that were sent
 * @total: bytes of RAM that are to be sent, while it moves
 * @pooled: its memory is in the pool, and it runs: it moves without a copy
 * @zero: where in the pool
 * @disks: what it does with its disks, NULL: it does not run
 * @gone: it does not run here any more, and nobody there says whether it does
 * @lame: it has moved, and must not stay there: it would see errors of its disks
 * @handle: the library's
 */
struct move_domain {
	char *name;
	uint64_t memory;
	bool active, persistent, autostart;
	int snapshots;
	enum move_state state;
	char *why;
	uint64_t began, ended, paused, resumed, ram, total;
	bool pooled;
	struct zero_copy zero;
	struct disks *disks;
	bool gone, lame;
	void *handle;
};

/* ---- move_libvirt.c, or move_none.c without libvirt's headers */

int move_open(const struct move_options *options);
void move_close(void);
int move_list(struct move_domain **domains, size_t *nr);
void move_watch(struct move_domain *domains, size_t nr);
void move_do(struct move_domain *domain, const struct move_options *options);
void move_progress(struct move_domain *domain);
void move_abort(struct move_domain *domain);
int move_release(void);
uint64_t move_now(void);

#endif /* NESTCTL_MOVE_H */
