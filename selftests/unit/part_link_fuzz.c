// SPDX-License-Identifier: GPL-2.0-only
/*
 * A side of the link whose other side writes anything, anywhere in its section, at any time: what
 * this side reads and writes stays in the rings, and it comes up again with an honest one.
 */
#include "part_denied.h"
#include "part_fuzz.h"
#include "../../virt/refresh/link_ring.h"

#define SIZE	(256u << 10)

static struct link_ring ring, honest;
static u8 *own, *peer;

static bool inside(const struct link_span *span, const u8 *section, u32 length)
{
	u32 i;

	for (i = 0; i < 2; i++)
		if (span->at[i] < section + LINK_HEADER ||
		    span->at[i] + span->bytes[i] > section + LINK_HEADER + SIZE)
			return false;
	return span->bytes[0] + span->bytes[1] == length;
}

static void read_some(void)
{
	struct link_record record;
	struct link_span span;
	enum link_result result;
	u32 i;

	for (i = 0; i < 8 && ring.up; i++) {
		result = link_ring_next(&ring, &record, &span);
		if (result == LINK_LIE)
			link_ring_restart(&ring);
		if (result != LINK_OK)
			break;
		must(record.length >= LINK_MIN_LENGTH && record.length <= LINK_MAX_LENGTH,
		     "a length is checked");
		must(inside(&span, peer, record.length), "what is read is in the other one's ring");
		link_ring_done(&ring, &record);
	}
	link_ring_tell_read(&ring);
	link_ring_await_record(&ring);
}

static void send_some(u32 length)
{
	struct link_record record = { .length = length };
	struct link_span span;
	enum link_result result = LINK_NOTHING;

	if (ring.up)
		result = link_ring_reserve(&ring, length, &span);
	if (result == LINK_OK) {
		must(inside(&span, own, length), "what is written is in the own ring");
		memset(span.at[0], 0x55, span.bytes[0]);
		memset(span.at[1], 0x55, span.bytes[1]);
		link_ring_send(&ring, &record);
	} else if (result == LINK_LIE) {
		link_ring_restart(&ring);
	} else {
		link_ring_await_room(&ring, SIZE / 2);
	}
	link_ring_tell_sent(&ring);
}

/* It knows what would be right, as it may read the own section. */
static void write_foreign(struct input *input)
{
	const struct link_section *mine = (const struct link_section *)own;
	struct link_section *section = (struct link_section *)peer;
	u32 what = take8(input), value = take32(input), near = take8(input);

	switch (what & 7) {
	case 0:
		section->magic = LINK_MAGIC;
		section->version = LINK_VERSION;
		section->epoch = value & 3;
		break;
	case 1:
		section->sees = what & 8 ? mine->epoch : value;
		break;
	case 2:
		section->head = what & 8 ? value : ring.tail + LINK_ALIGN * near;
		break;
	case 3:
		section->tail = what & 8 ? value : ring.head - LINK_ALIGN * near;
		break;
	case 4:
		section->want_head = value;
		section->want_tail = value;
		break;
	case 5:
		peer[value % (LINK_HEADER + SIZE)] = near;
		break;
	default:
		/* A length where the next record is. */
		memcpy(peer + LINK_HEADER + (ring.tail & (SIZE - 1)), &value, sizeof(value));
		if (what & 8)
			memset(peer + LINK_HEADER + (ring.tail & (SIZE - 1)) + 1, 0, 3);
	}
}

static void check_recovery(u32 epoch)
{
	u32 i;

	link_ring_init(&honest, peer, own, SIZE, epoch);
	for (i = 0; i < 8; i++) {
		link_ring_look(&ring);
		link_ring_look(&honest);
	}
	must(ring.up && honest.up, "an honest one comes up");
	send_some(100);
	must(ring.up, "and is believed");
}

int fuzz_one_input(const uint8_t *data, size_t size)
{
	struct input input = { data, size };

	own = calloc(1, LINK_HEADER + SIZE);
	peer = calloc(1, LINK_HEADER + SIZE);
	link_ring_init(&ring, own, peer, SIZE, take8(&input));
	while (input.left) {
		switch (take8(&input) & 3) {
		case 0:
			if (link_ring_changed(&ring))
				link_ring_look(&ring);
			read_some();
			break;
		case 1:
			send_some(LINK_MIN_LENGTH +
				  take32(&input) % (LINK_MAX_LENGTH + 1 - LINK_MIN_LENGTH));
			break;
		default:
			write_foreign(&input);
		}
	}
	check_recovery(0x1000);
	free(own);
	free(peer);
	return 0;
}
