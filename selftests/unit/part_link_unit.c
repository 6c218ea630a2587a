// SPDX-License-Identifier: GPL-2.0-only
/*
 * The rings between two kernels: how both sides come up, packets of all lengths, doorbells, and
 * lies of the other side.  TAP.  Run by partition_test.py.
 */
#include "part_unit.h"
#include "../../virt/refresh/link_ring.h"

#define SIZE		(256u << 10)
#define PACKETS		20000

/* One side; its section is on the heap and exact, for ASan. */
struct side {
	struct link_ring	ring;
	struct link_section	*section;
	u64			sent, got, bad, bells;
	bool			bell, waits;
};

static struct side side[2];
static u8 buffer[LINK_MAX_LENGTH];

static void show_up(u32 who, u32 epoch)
{
	link_ring_init(&side[who].ring, side[who].section, side[!who].section, SIZE, epoch);
	side[!who].bell = true;
}

static void look(u32 who)
{
	if (link_ring_changed(&side[who].ring) && link_ring_look(&side[who].ring))
		side[!who].bell = true;
}

/* Each looks only when it is told to. */
static u32 settle(void)
{
	u32 rounds, who;

	for (rounds = 0; rounds < 20 && (side[0].bell || side[1].bell); rounds++)
		for (who = 0; who < 2; who++) {
			if (!side[who].bell)
				continue;
			side[who].bell = false;
			look(who);
		}
	return rounds;
}

static void start(void)
{
	u32 who;

	for (who = 0; who < 2; who++) {
		free(side[who].section);
		side[who] = (struct side){ .section = calloc(1, LINK_HEADER + SIZE) };
	}
	show_up(0, 7);
	show_up(1, 9);
	settle();
}

static bool both_up(void)
{
	return side[0].ring.up && side[1].ring.up;
}

/* ---- packets: each carries its number, from which all of its bytes follow */

static u8 byte_of(u64 number, u32 i)
{
	return (number * 0x9e3779b97f4a7c15ull >> 32) + 7 * i;
}

static u32 length_of(u64 number)
{
	u64 dice = number * 0xbf58476d1ce4e5b9ull >> 20;

	return dice & 15 ? LINK_MIN_LENGTH + dice / 16 % 1500 :
	       LINK_MIN_LENGTH + dice / 16 % (LINK_MAX_LENGTH + 1 - LINK_MIN_LENGTH);
}

static bool send_one(struct side *from, u64 number)
{
	struct link_record record = { .length = length_of(number) };
	struct link_span span;
	u32 i;

	if (link_ring_reserve(&from->ring, record.length, &span) != LINK_OK)
		return false;
	for (i = 0; i < record.length; i++)
		buffer[i] = byte_of(number, i);
	memcpy(span.at[0], buffer, span.bytes[0]);
	memcpy(span.at[1], buffer + span.bytes[0], span.bytes[1]);
	record.meta[11] = number;
	link_ring_send(&from->ring, &record);
	return true;
}

static bool get_one(struct side *to)
{
	struct link_record record;
	struct link_span span;
	u32 i;

	if (link_ring_next(&to->ring, &record, &span) != LINK_OK)
		return false;
	memcpy(buffer, span.at[0], span.bytes[0]);
	memcpy(buffer + span.bytes[0], span.at[1], span.bytes[1]);
	link_ring_done(&to->ring, &record);
	to->bad += record.length != length_of(to->got) || record.meta[11] != (u8)to->got;
	for (i = 0; i < record.length; i++)
		to->bad += buffer[i] != byte_of(to->got, i);
	to->got++;
	return true;
}

static void send_some(u32 who, u32 nr)
{
	struct side *me = &side[who];

	for (; nr && me->sent < PACKETS; nr--) {
		if (!send_one(me, me->sent)) {
			link_ring_await_room(&me->ring, SIZE / 2);
			me->waits = link_ring_room(&me->ring, SIZE / 2) == LINK_FULL;
			break;
		}
		me->sent++;
	}
	if (link_ring_tell_sent(&me->ring)) {
		side[!who].bell = true;
		me->bells++;
	}
}

static void answer_bell(u32 who)
{
	struct side *me = &side[who];

	me->bell = false;
	do {
		while (get_one(me))
			;
	} while (link_ring_await_record(&me->ring));
	if (link_ring_tell_read(&me->ring))
		side[!who].bell = true;
	if (link_ring_room(&me->ring, SIZE / 2) == LINK_OK)
		me->waits = false;
}

/* Who is not told does not look: a doorbell too few would stop it. */
static void test_packets(void)
{
	u64 turns = 0;
	u32 who;

	start();
	while (turns++ < 100 * PACKETS && (side[0].got < PACKETS || side[1].got < PACKETS)) {
		who = random_below(2);
		if (random_below(3) && !side[who].waits)
			send_some(who, 1 + random_below(40));
		else if (side[who].bell)
			answer_bell(who);
	}
	ok(side[0].got == PACKETS && side[1].got == PACKETS, "packets: all arrive, both ways");
	ok(!side[0].bad && !side[1].bad, "packets: as they were");
	ok(side[0].ring.head > 4 * SIZE, "packets: the ring has wrapped around");
	ok(side[0].bells < PACKETS / 2, "packets: most of them need no doorbell");
	ok(both_up() && !side[0].ring.lies.head && !side[1].ring.lies.length, "packets: no lie");
}

/* Counters begin shortly before they wrap around. */
static void test_wrap(void)
{
	u32 who, near = -4 * SIZE, i;

	start();
	for (who = 0; who < 2; who++) {
		struct link_ring *ring = &side[who].ring;

		ring->head = near;
		ring->told_head = near;
		ring->tail = near;
		ring->told_tail = near;
		ring->own->head = near;
		ring->own->tail = near;
		ring->own->want_head = near;
	}
	for (i = 0; i < 4000 && side[1].got == i; i++) {
		send_some(0, 1);
		if (side[1].bell)
			answer_bell(1);
	}
	ok(side[1].got == 4000 && !side[1].bad && side[0].ring.head < near, "counters wrap around");
}

/* ---- one side begins again */

static void test_epochs(void)
{
	u32 old;

	start();
	ok(both_up(), "both are there");
	old = side[0].ring.epoch;
	send_some(0, 10);
	memset(side[1].section, 0, 64);
	look(0);
	ok(!side[0].ring.up, "the other one ends");
	ok(side[0].ring.epoch != old && !side[0].ring.head, "what was sent to it is forgotten");
	show_up(1, 10);
	ok(settle() < 10 && both_up(), "it comes again");
	ok(!get_one(&side[1]), "... and finds nothing that is old");
	link_ring_close(&side[0].ring);
	look(1);
	ok(!side[1].ring.up, "it is told that one goes");
	show_up(0, 7);
	ok(settle() < 10 && both_up(), "one that has the epoch it had is another one");
	side[1].section->version++;
	look(0);
	ok(!side[0].ring.up, "another version is nobody");
}

static void both_restart(void)
{
	start();
	link_ring_restart(&side[0].ring);
	link_ring_restart(&side[1].ring);
	side[0].bell = true;
	side[1].bell = true;
	ok(settle() < 10 && both_up(), "both begin again at the same time");
}

/* ---- lies */

static void lie_of_head(void)
{
	start();
	side[1].section->head = SIZE + LINK_ALIGN;
	ok(!get_one(&side[0]) && side[0].ring.lies.head == 1, "more than the ring has");
	side[1].section->head = -(int)LINK_ALIGN;
	ok(!get_one(&side[0]) && side[0].ring.lies.head == 2, "less than nothing");
	side[1].section->head = LINK_ALIGN / 2;
	ok(!get_one(&side[0]) && side[0].ring.lies.head == 3, "half a record");
}

static void lie_of_length(void)
{
	static const u32 lengths[] = { 0, LINK_MIN_LENGTH - 1, LINK_MAX_LENGTH + 1, 4096, ~0u,
				       -(int)sizeof(struct link_record) };
	u32 i;

	start();
	side[1].section->head = 1024;
	for (i = 0; i < ARRAY_SIZE(lengths); i++) {
		memcpy((u8 *)side[1].section + LINK_HEADER, &lengths[i], sizeof(u32));
		ok(!get_one(&side[0]) && side[0].ring.lies.length == i + 1, "a length of nonsense");
	}
}

static void lie_of_tail(void)
{
	start();
	side[1].section->tail = LINK_ALIGN;
	ok(!send_one(&side[0], 0) && side[0].ring.lies.tail == 1, "it has read what was not sent");
	side[1].section->tail = 1;
	ok(!send_one(&side[0], 0) && side[0].ring.lies.tail == 2, "it has read half a record");
	side[1].section->epoch++;
	ok(!send_one(&side[0], 0) && side[0].ring.lies.tail == 2, "one that begins again is no liar");
	link_ring_restart(&side[0].ring);
	side[1].bell = true;
	settle();
	side[1].section->tail = 0;
	ok(side[0].ring.epoch == 8, "after a lie: another epoch");
}

int main(int argc, char **argv)
{
	random_seed(argc, argv);
	test_packets();
	test_wrap();
	test_epochs();
	both_restart();
	lie_of_head();
	lie_of_length();
	lie_of_tail();
	free(side[0].section);
	free(side[1].section);
	return finish();
}
