// SPDX-License-Identifier: GPL-2.0-only
/*
 * nestctl pool save and restore: the same pool after the next boot.  Definitions of domains name
 * addresses in it, so it has to be made where it was, or not at all.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "device.h"
#include "nestctl.h"
#include "zero.h"

#define DIRECTORY	"/etc/nestctl"
#define PIECES		DIRECTORY "/pool"
#define MAX_PIECES	16	/* as the module */

static struct zero_copy pieces[MAX_PIECES];
static size_t nr_pieces;

/* ---- save */

static bool write_pieces(FILE *out)
{
	struct vmm_refresh_pool piece;
	uint64_t from = 0;

	fprintf(out, "# Address and size of each piece of the pool: nestctl pool save wrote it, restore reads it.\n");
	for (; !pool_find(from, &piece); from = piece.hpa + piece.bytes)
		fprintf(out, "%#" PRIx64 " %#" PRIx64 "\n", (uint64_t)piece.hpa,
			(uint64_t)piece.bytes);
	return !fflush(out) && !fsync(fileno(out)) && !ferror(out);
}

/**
 * pool_save() - Keep where the pool is, for pool_restore(); without a pool: nowhere
 *
 * Return: an exit status.
 */
int pool_save(void)
{
	autofree char *directory = below_root(DIRECTORY), *path = below_root(PIECES);
	autofree char *fresh = below_root(PIECES ".new");
	struct vmm_refresh_pool first;
	FILE *out;
	bool good;

	if (pool_find(0, &first)) {
		if (!unlink(path) || errno == ENOENT)
			return EXIT_OK;
		complain("cannot remove %s: %s", path, strerror(errno));
		return EXIT_REFUSED;
	}
	mkdir(directory, 0755);
	out = fopen(fresh, "w");
	good = out && write_pieces(out);
	if (out)
		good &= !fclose(out);
	if (good && !rename(fresh, path))
		return EXIT_OK;
	complain("cannot write %s (%s): what it was before is still there", path, strerror(errno));
	unlink(fresh);
	return EXIT_REFUSED;
}

/* ---- restore */

static bool read_piece(const char *line)
{
	struct zero_copy *piece = &pieces[nr_pieces];
	uint64_t block = block_size();
	char rest;

	if (nr_pieces == MAX_PIECES ||
	    sscanf(line, "%" SCNi64 " %" SCNi64 "%c", (int64_t *)&piece->start,
		   (int64_t *)&piece->size, &rest) != 2)
		return false;
	if (!block || !piece->size || piece->start % block || piece->size % block ||
	    piece->start + piece->size < piece->start)
		return false;
	nr_pieces++;
	return true;
}

/* 0, or an exit status after a message. */
static int read_pieces(void)
{
	autofree char *text = read_text(PIECES);
	char *line, *rest = text;

	if (!text) {
		complain("cannot read " PIECES " (%s): nestctl pool save writes it",
			 strerror(errno));
		return EXIT_REFUSED;
	}
	while ((line = strsep(&rest, "\n"))) {
		if (!*line || *line == '#' || read_piece(line))
			continue;
		complain(PIECES " says '%s', which is no address and size of whole memory blocks: nestctl pool save writes it anew",
			 printable(line));
		return EXIT_REFUSED;
	}
	return 0;
}

static bool can_go(const struct zero_copy *piece)
{
	uint64_t block = block_size(), at;

	for (at = piece->start; at < piece->start + piece->size; at += block)
		if (!block_is_online(at / block) || !block_is_movable(at / block)) {
			complain("the pool at %#llx is not made again, as the memory at %#llx cannot be taken out: boot with movablecore= as before, or make another one and convert its VMs anew",
				 (unsigned long long)piece->start, (unsigned long long)at);
			return false;
		}
	return true;
}

/**
 * pool_restore() - Make the pieces that pool_save() has kept, but those that are there
 * @dry: only say what is in the way
 *
 * Return: an exit status; what could be made is there.
 */
int pool_restore(bool dry)
{
	int status = read_pieces();
	uint32_t state, device;
	size_t i;

	if (status)
		return status;
	for (i = 0; i < nr_pieces; i++)
		if (!pool_is_in(&pieces[i], &state, &device) &&
		    (!can_go(&pieces[i]) || (!dry && pool_add(pieces[i].start, pieces[i].size))))
			status = EXIT_REFUSED;
	return status;
}
