// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two one-way rings in memory that two kernels share (link_ring.h).
 *
 * The caller makes sure that sending, reading, and what changes the epoch are each done by one at a
 * time; sending and reading may overlap.
 */
#include "link_ring.h"

static u32 load(const u32 *at)
{
	return __atomic_load_n(at, __ATOMIC_ACQUIRE);
}

static void store(u32 *at, u32 value)
{
	__atomic_store_n(at, value, __ATOMIC_RELEASE);
}

/* What was written before is seen before what is read behind it. */
static void barrier_all(void)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

/* Bytes that a packet takes in the ring. */
static u32 space_of(u32 length)
{
	return (sizeof(struct link_record) + length + LINK_ALIGN - 1) & ~(LINK_ALIGN - 1);
}

/* Has a counter that went from @old to @now passed @wanted?  All of them wrap around. */
static bool passed(u32 wanted, u32 old, u32 now)
{
	return now - wanted - 1 < now - old;
}

static u8 *ring_of(const struct link_section *section)
{
	return (u8 *)section + LINK_HEADER;
}

static void span_at(const struct link_ring *ring, const struct link_section *section, u32 at,
		    u32 bytes, struct link_span *span)
{
	u32 begin = at & (ring->size - 1), first = ring->size - begin;

	if (first > bytes)
		first = bytes;
	span->at[0] = ring_of(section) + begin;
	span->bytes[0] = first;
	span->at[1] = ring_of(section);
	span->bytes[1] = bytes - first;
}

/* ---- both sides take note of each other */

/* Whoever looks in between sees that nobody is seen. */
static void begin(struct link_ring *ring, u32 epoch, u32 sees)
{
	struct link_section *own = ring->own;

	ring->epoch = epoch ?: 1;
	ring->sees = sees;
	ring->up = false;
	ring->used = false;
	ring->head = 0;
	ring->tail = 0;
	ring->told_head = 0;
	ring->told_tail = 0;
	store(&own->sees, 0);
	store(&own->head, 0);
	store(&own->tail, 0);
	store(&own->want_head, 0);
	store(&own->want_tail, 0);
	store(&own->epoch, ring->epoch);
	store(&own->sees, sees);
}

/**
 * link_ring_init() - Show up
 * @ring: to be filled in
 * @own: section that this side writes
 * @peer: section that it reads
 * @size: bytes of each ring, a power of two, more than two of the longest packets
 * @epoch: another one than the last time, if there was one
 *
 * The doorbell is due.
 */
void link_ring_init(struct link_ring *ring, void *own, const void *peer, u32 size, u32 epoch)
{
	*ring = (struct link_ring){ .own = own, .peer = peer, .size = size };
	begin(ring, epoch, 0);
	store(&ring->own->version, LINK_VERSION);
	store(&ring->own->magic, LINK_MAGIC);
}

/**
 * link_ring_close() - Be gone
 * @ring: of this side
 *
 * The doorbell is due.
 */
void link_ring_close(struct link_ring *ring)
{
	ring->up = false;
	store(&ring->own->sees, 0);
	store(&ring->own->epoch, 0);
	store(&ring->own->magic, 0);
}

/**
 * link_ring_restart() - Begin again, after a lie
 * @ring: of this side
 *
 * The doorbell is due.
 */
void link_ring_restart(struct link_ring *ring)
{
	begin(ring, ring->epoch + 1, 0);
}

static u32 peer_epoch(const struct link_ring *ring)
{
	if (load(&ring->peer->magic) != LINK_MAGIC || load(&ring->peer->version) != LINK_VERSION)
		return 0;
	return load(&ring->peer->epoch);
}

/* Twice the same epoch: what it sees was said under this one. */
static bool is_up(const struct link_ring *ring, u32 epoch)
{
	return epoch && epoch == ring->sees && load(&ring->peer->sees) == ring->epoch &&
	       peer_epoch(ring) == epoch;
}

/**
 * link_ring_changed() - Is link_ring_look() due?
 * @ring: of this side
 *
 * Return: true if the other side has come, gone, or begun again.
 */
bool link_ring_changed(const struct link_ring *ring)
{
	u32 epoch = peer_epoch(ring);

	return epoch != ring->sees || is_up(ring, epoch) != ring->up;
}

/**
 * link_ring_look() - Take note of what the other side is
 * @ring: of this side
 *
 * Return: true if the doorbell is due.
 */
bool link_ring_look(struct link_ring *ring)
{
	u32 epoch = peer_epoch(ring);
	bool news = false;

	/* What was sent to one that is gone is not for the next one. */
	if (epoch != ring->sees || (ring->up && !is_up(ring, epoch))) {
		begin(ring, ring->used ? ring->epoch + 1 : ring->epoch, epoch);
		news = true;
	}
	if (!ring->up && is_up(ring, epoch)) {
		ring->up = true;
		ring->used = true;
		news = true;
	}
	return news;
}

/* ---- sending */

/* Another epoch explains what looks like a lie. */
static enum link_result lie(const struct link_ring *ring, u64 *count)
{
	if (is_up(ring, ring->sees))
		++*count;
	return LINK_LIE;
}

/**
 * link_ring_room() - Is there room?
 * @ring: of this side
 * @bytes: how much is needed
 *
 * Return: LINK_OK, LINK_FULL or LINK_LIE.
 */
enum link_result link_ring_room(struct link_ring *ring, u32 bytes)
{
	u32 tail = load(&ring->peer->tail), used = ring->head - tail;

	if (used > ring->size || tail % LINK_ALIGN)
		return lie(ring, &ring->lies.tail);
	return ring->size - used >= bytes ? LINK_OK : LINK_FULL;
}

/**
 * link_ring_reserve() - Where to write the next packet
 * @ring: of this side
 * @length: bytes of the packet, at most LINK_MAX_LENGTH
 * @span: result
 *
 * Return: LINK_OK, LINK_FULL or LINK_LIE.
 */
enum link_result link_ring_reserve(struct link_ring *ring, u32 length, struct link_span *span)
{
	enum link_result result = link_ring_room(ring, space_of(length));

	if (result == LINK_OK)
		span_at(ring, ring->own, ring->head + sizeof(struct link_record), length, span);
	return result;
}

/**
 * link_ring_send() - The packet is written
 * @ring: of this side, with room for it
 * @record: what stands before it
 */
void link_ring_send(struct link_ring *ring, const struct link_record *record)
{
	struct link_span span;

	/* Records are aligned, and do not wrap around. */
	span_at(ring, ring->own, ring->head, sizeof(*record), &span);
	*(struct link_record *)span.at[0] = *record;
	ring->head += space_of(record->length);
	store(&ring->own->head, ring->head);
}

/**
 * link_ring_tell_sent() - After one or more packets
 * @ring: of this side
 *
 * Return: true if the doorbell is due.
 */
bool link_ring_tell_sent(struct link_ring *ring)
{
	u32 old = ring->told_head;

	barrier_all();
	ring->told_head = ring->head;
	return passed(load(&ring->peer->want_head), old, ring->head);
}

/**
 * link_ring_await_room() - Ask for the doorbell when there is room
 * @ring: of this side
 * @bytes: how much is needed
 *
 * The caller has to look for room once more behind it.
 */
void link_ring_await_room(struct link_ring *ring, u32 bytes)
{
	store(&ring->own->want_tail, ring->head - (ring->size - bytes) - 1);
	barrier_all();
}

/* ---- reading */

static void copy_record(struct link_record *record, const u8 *from)
{
	const u32 *words = (const u32 *)from;
	u32 copy[sizeof(*record) / sizeof(u32)], i;

	for (i = 0; i < sizeof(copy) / sizeof(*copy); i++)
		copy[i] = __atomic_load_n(&words[i], __ATOMIC_RELAXED);
	__builtin_memcpy(record, copy, sizeof(copy));
}

/**
 * link_ring_next() - The next packet
 * @ring: of this side
 * @record: a copy of what stands before it; only @length is checked
 * @span: where it is; the other side may still change it
 *
 * Return: LINK_OK, LINK_NOTHING or LINK_LIE.
 */
enum link_result link_ring_next(struct link_ring *ring, struct link_record *record,
				struct link_span *span)
{
	u32 head = load(&ring->peer->head), there = head - ring->tail;

	if (!there)
		return LINK_NOTHING;
	if (there > ring->size || head % LINK_ALIGN)
		return lie(ring, &ring->lies.head);
	span_at(ring, ring->peer, ring->tail, sizeof(*record), span);
	copy_record(record, span->at[0]);
	if (record->length < LINK_MIN_LENGTH || record->length > LINK_MAX_LENGTH ||
	    space_of(record->length) > there)
		return lie(ring, &ring->lies.length);
	span_at(ring, ring->peer, ring->tail + sizeof(*record), record->length, span);
	return LINK_OK;
}

/**
 * link_ring_done() - The packet has been copied
 * @ring: of this side
 * @record: from link_ring_next()
 */
void link_ring_done(struct link_ring *ring, const struct link_record *record)
{
	ring->tail += space_of(record->length);
	store(&ring->own->tail, ring->tail);
}

/**
 * link_ring_tell_read() - After one or more packets
 * @ring: of this side
 *
 * Return: true if the doorbell is due.
 */
bool link_ring_tell_read(struct link_ring *ring)
{
	u32 old = ring->told_tail;

	barrier_all();
	ring->told_tail = ring->tail;
	return passed(load(&ring->peer->want_tail), old, ring->tail);
}

/**
 * link_ring_await_record() - Ask for the doorbell with the next packet
 * @ring: of this side
 *
 * Return: true if there is one already.
 */
bool link_ring_await_record(struct link_ring *ring)
{
	store(&ring->own->want_head, ring->tail);
	barrier_all();
	return load(&ring->peer->head) != ring->tail;
}
