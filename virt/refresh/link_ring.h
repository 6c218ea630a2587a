/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The memory between two kernels: two sections, each of which one side writes and the other one
 * reads.  A section has a header of one page, then a ring of bytes with the records that its side
 * sends.  Everything here is pure: selftests/unit/part_link_unit.c runs it.
 *
 * What the other side has written is copied once, checked, and the copy is used.  If it cannot be,
 * nothing is believed any more: both begin again under a new epoch.
 */
#ifndef VIRT_REFRESH_LINK_RING_H
#define VIRT_REFRESH_LINK_RING_H

#ifdef __KERNEL__
#include <linux/types.h>
#else
#include "../../arch/x86/shim/types.h"
#endif

#define LINK_MAGIC		0x6b6e696cu	/* "link" */
#define LINK_VERSION		1
#define LINK_HEADER		4096		/* bytes before the ring */
#define LINK_ALIGN		16u		/* of records */
#define LINK_MIN_LENGTH		14u		/* an Ethernet header */
#define LINK_MAX_LENGTH		(65536u + 64)

/*
 * struct link_section - What one side tells the other one
 * @epoch: changes each time the side begins anew; 0: it is not there
 * @sees: epoch of the other side that it has taken note of: both rings are empty then
 * @head: bytes that it has sent since then
 * @want_tail: it wants the doorbell when the other side has read past this
 * @tail: bytes that it has read since then
 * @want_head: it wants the doorbell when the other side has sent past this
 *
 * The shim clears the first line when the side has ended.
 */
struct link_section {
	u32	magic, version;
	u32	epoch, sees;
	u32	reserved[12];
	u32	head, want_tail;
	u32	reserved2[14];
	u32	tail, want_head;
};

/* Before each packet.  @meta is the driver's own, who checks it. */
struct link_record {
	u32	length;
	u8	meta[12];
};

/* A packet in a ring, which may wrap around. */
struct link_span {
	u8	*at[2];
	u32	bytes[2];
};

/* How often the other side has told nonsense. */
struct link_lies {
	u64	head, tail, length;
};

/*
 * struct link_ring - One side's own view, which the other side cannot change
 * @size: bytes of a ring, a power of two
 * @up: both have taken note of each other
 * @used: records may have been sent under this epoch
 * @told_head, @told_tail: up to where the doorbell has been thought of
 */
struct link_ring {
	struct link_section		*own;
	const struct link_section	*peer;
	u32				size;
	u32				epoch, sees;
	bool				up, used;
	u32				head, tail;
	u32				told_head, told_tail;
	struct link_lies		lies;
};

enum link_result {
	LINK_OK,
	LINK_NOTHING,		/* to read */
	LINK_FULL,
	LINK_LIE,		/* counted; link_ring_restart() is due */
};

void link_ring_init(struct link_ring *ring, void *own, const void *peer, u32 size, u32 epoch);
void link_ring_close(struct link_ring *ring);
void link_ring_restart(struct link_ring *ring);
bool link_ring_changed(const struct link_ring *ring);
bool link_ring_look(struct link_ring *ring);
enum link_result link_ring_room(struct link_ring *ring, u32 bytes);
enum link_result link_ring_reserve(struct link_ring *ring, u32 length, struct link_span *span);
void link_ring_send(struct link_ring *ring, const struct link_record *record);
bool link_ring_tell_sent(struct link_ring *ring);
void link_ring_await_room(struct link_ring *ring, u32 bytes);
enum link_result link_ring_next(struct link_ring *ring, struct link_record *record,
				struct link_span *span);
void link_ring_done(struct link_ring *ring, const struct link_record *record);
bool link_ring_tell_read(struct link_ring *ring);
bool link_ring_await_record(struct link_ring *ring);

#endif /* VIRT_REFRESH_LINK_RING_H */
