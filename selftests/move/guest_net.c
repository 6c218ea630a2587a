// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest on a network, as 10.98.0.HOST: it answers who asks for its address, and echoes UDP and
 * one TCP connection on port 7.  What it knows of that connection is in its memory only, so the
 * connection goes on as long as the guest does.  Its card is an RTL8139.
 *
 * With a station it sends that one an ICMP echo request each tick, and looks which are answered.
 * It asks for the station's hardware address until it has it, and never again.
 */
#include "guest.h"

#define CARD		0x813910ec
#define RING		8192u
#define FRAME		1514u
#define PORT		7
#define NETWORK		0x0a620000	/* 10.98.0.0 */
#define SYN		2
#define RST		4
#define FIN		1
#define ACK		16
#define HEADERS		14

/* Behind its end a frame is not cut. */
static uint8_t ring[RING + 16 + FRAME + 2] __attribute__((aligned(16)));
static uint8_t out[FRAME + 2] __attribute__((aligned(16)));
static uint8_t mac[6];
static uint32_t address, at, slot, echoes;
static uint16_t card;

static struct {
	uint32_t peer, next_in, next_out;
	uint16_t port;
	bool open;
} tcp;

static struct {
	uint32_t address, asked, answered, last, lost;
	uint64_t last_tsc, gap;
	uint8_t mac[6];
	bool known;
} station;

/* ---- bytes */

static uint32_t get(const uint8_t *from, uint32_t bytes)
{
	uint32_t value = 0;

	while (bytes--)
		value = value << 8 | *from++;
	return value;
}

static void put(uint8_t *to, uint32_t bytes, uint32_t value)
{
	while (bytes--) {
		to[bytes] = value;
		value >>= 8;
	}
}

static void copy(uint8_t *to, const uint8_t *from, uint32_t bytes)
{
	while (bytes--)
		*to++ = *from++;
}

static uint32_t add(uint32_t sum, const uint8_t *from, uint32_t bytes)
{
	for (; bytes > 1; bytes -= 2, from += 2)
		sum += get(from, 2);
	return bytes ? sum + (*from << 8) : sum;
}

static uint16_t folded(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

/* ---- the card */

static bool find_card(void)
{
	uint32_t function;

	for (function = 0; function < 256; function += 8) {
		if (pci_read(function, 0) != CARD)
			continue;
		card = pci_read(function, 0x10) & ~3u;
		pci_enable(function);
		return true;
	}
	return false;
}

void net_start(uint32_t host, uint32_t asks)
{
	uint32_t i;

	if (!host || !find_card())
		return;
	address = NETWORK + host;
	station.address = asks ? NETWORK + asks : 0;
	outb(card + 0x37, 0x10);
	while (inb(card + 0x37) & 0x10)
		;
	for (i = 0; i < 6; i++)
		mac[i] = inb(card + i);
	outl(card + 0x30, (uintptr_t)ring);
	outw(card + 0x3c, 0);
	/* All to its address and to everybody, frames in one piece. */
	outl(card + 0x44, 0x8a);
	outb(card + 0x37, 0x0c);
}

static void send(uint32_t bytes)
{
	if (bytes < 60)
		bytes = 60;
	outl(card + 0x20 + 4 * slot, (uintptr_t)out);
	outl(card + 0x10 + 4 * slot, bytes);
	/* It has taken the frame. */
	while (!(inl(card + 0x10 + 4 * slot) & 0x8000))
		;
	slot = (slot + 1) % 4;
}

/* ---- the station */

#define ECHO_REPLY	0
#define ECHO_REQUEST	8
#define IDENTIFIER	0x7677
#define ECHO_BYTES	(20 + 8 + 8)	/* of IP */

static void begin_frame(const uint8_t *to, uint32_t type)
{
	memset(out, 0, 64);
	copy(out, to, 6);
	copy(out + 6, mac, 6);
	put(out + 12, 2, type);
}

static void ask_for_address(void)
{
	static const uint8_t everybody[] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
	uint8_t *arp = out + HEADERS;

	begin_frame(everybody, 0x806);
	put(arp, 4, 0x00010800);
	put(arp + 4, 4, 0x06040001);
	copy(arp + 8, mac, 6);
	put(arp + 14, 4, address);
	put(arp + 24, 4, station.address);
	send(HEADERS + 28);
}

static void ask_for_echo(void)
{
	uint8_t *ip = out + HEADERS, *icmp = ip + 20;

	begin_frame(station.mac, 0x800);
	put(ip, 4, 0x45000000 | ECHO_BYTES);
	put(ip + 8, 2, 64 << 8 | 1);
	put(ip + 12, 4, address);
	put(ip + 16, 4, station.address);
	put(ip + 10, 2, folded(add(0, ip, 20)));
	put(icmp, 1, ECHO_REQUEST);
	put(icmp + 4, 2, IDENTIFIER);
	/* The sequence number has 16 bits. */
	put(icmp + 6, 2, station.asked);
	put(icmp + 8, 4, station.asked);
	put(icmp + 2, 2, folded(add(0, icmp, ECHO_BYTES - 20)));
	station.asked++;
	send(HEADERS + ECHO_BYTES);
}

static void take_address(void)
{
	const uint8_t *arp = out + HEADERS;

	if (get(arp + 6, 2) != 2 || get(arp + 14, 4) != station.address)
		return;
	copy(station.mac, arp + 8, 6);
	station.known = true;
}

/* What lies between two answers is lost.  One that was late, or comes twice, is none. */
static void take_echo(uint32_t header, uint32_t total)
{
	const uint8_t *icmp = out + HEADERS + header;
	uint32_t number = get(icmp + 8, 4);
	uint64_t now = rdtsc();

	if (total < header + 16 || icmp[0] != ECHO_REPLY || get(icmp + 4, 2) != IDENTIFIER ||
	    number >= station.asked || (station.answered && number <= station.last))
		return;
	if (station.answered && number - station.last - 1 > station.lost) {
		station.lost = number - station.last - 1;
		station.gap = now - station.last_tsc;
	}
	station.answered++;
	station.last = number;
	station.last_tsc = now;
}

/* ---- answers, made in place of a copy of what came */

static void turn_round(void)
{
	copy(out, out + 6, 6);
	copy(out + 6, mac, 6);
}

static void answer_arp(uint32_t bytes)
{
	uint8_t *arp = out + HEADERS;

	if (bytes < HEADERS + 28 || get(arp + 24, 4) != address)
		return;
	if (get(arp + 6, 2) != 1) {
		take_address();
		return;
	}
	turn_round();
	put(arp + 6, 2, 2);
	copy(arp + 18, arp + 8, 10);
	copy(arp + 8, mac, 6);
	put(arp + 14, 4, address);
	send(HEADERS + 28);
}

static void send_ip(uint32_t header, uint32_t bytes)
{
	uint8_t *ip = out + HEADERS;

	turn_round();
	put(ip + 2, 2, bytes);
	put(ip + 16, 4, get(ip + 12, 4));
	put(ip + 12, 4, address);
	put(ip + 8, 1, 64);
	put(ip + 10, 2, 0);
	put(ip + 10, 2, folded(add(0, ip, header)));
	send(HEADERS + bytes);
}

static void echo_udp(uint32_t header, uint32_t bytes)
{
	uint8_t *udp = out + HEADERS + header;
	uint32_t from = get(udp, 2);

	if (bytes < header + 8 || get(udp + 2, 2) != PORT)
		return;
	put(udp, 2, PORT);
	put(udp + 2, 2, from);
	/* None. */
	put(udp + 6, 2, 0);
	echoes++;
	send_ip(header, bytes);
}

static void send_tcp(uint32_t header, uint32_t seq, uint8_t flags, uint32_t from_data,
		     uint32_t bytes)
{
	uint8_t *segment = out + HEADERS + header, *ip = out + HEADERS;
	uint32_t from = get(segment, 2), sum;

	if (bytes)
		copy(segment + 20, segment + from_data, bytes);
	put(segment, 2, PORT);
	put(segment + 2, 2, from);
	put(segment + 4, 4, seq);
	put(segment + 8, 4, tcp.next_in);
	put(segment + 12, 1, 20 / 4 << 4);
	put(segment + 13, 1, flags);
	put(segment + 14, 2, 4096);
	put(segment + 16, 4, 0);
	sum = add(6 + 20 + bytes, segment, 20 + bytes);
	sum = add(sum, ip + 12, 8);
	put(segment + 16, 2, folded(sum));
	send_ip(header, header + 20 + bytes);
}

static void take_tcp(uint32_t header, uint32_t total)
{
	uint8_t *ip = out + HEADERS, *segment = ip + header;
	uint32_t offset = (segment[12] >> 4) * 4, seq, bytes;
	uint8_t flags = segment[13];

	if (total < header + 20 || offset < 20 || total < header + offset ||
	    get(segment + 2, 2) != PORT || flags & RST)
		return;
	seq = get(segment + 4, 4);
	bytes = total - header - offset;
	if (flags & SYN) {
		tcp.open = true;
		tcp.peer = get(ip + 12, 4);
		tcp.port = get(segment, 2);
		tcp.next_in = seq + 1;
		tcp.next_out = 1001;
		send_tcp(header, 1000, SYN | ACK, 0, 0);
		return;
	}
	/* Of a connection that this guest does not know. */
	if (!tcp.open || tcp.peer != get(ip + 12, 4) || tcp.port != get(segment, 2)) {
		send_tcp(header, get(segment + 8, 4), RST, 0, 0);
		return;
	}
	if (seq == tcp.next_in && (bytes || flags & FIN)) {
		tcp.next_in += bytes + !!(flags & FIN);
		tcp.next_out += bytes;
		echoes += !!bytes;
	}
	/* What comes once more has not seen its echo. */
	if (seq + bytes + !!(flags & FIN) == tcp.next_in && (bytes || flags & FIN))
		send_tcp(header, tcp.next_out - bytes, ACK | (flags & FIN), offset, bytes);
	tcp.open &= !(flags & FIN);
}

static void take(const uint8_t *frame, uint32_t bytes)
{
	uint8_t *ip = out + HEADERS;
	uint32_t header, total;

	if (bytes < HEADERS + 20 || bytes > FRAME)
		return;
	copy(out, frame, bytes);
	if (get(out + 12, 2) == 0x806) {
		answer_arp(bytes);
		return;
	}
	header = (ip[0] & 15) * 4;
	total = get(ip + 2, 2);
	if (get(out + 12, 2) != 0x800 || get(ip + 16, 4) != address || header < 20 ||
	    total < header || total > bytes - HEADERS)
		return;
	if (ip[9] == 17)
		echo_udp(header, total);
	else if (ip[9] == 6)
		take_tcp(header, total);
	else if (ip[9] == 1)
		take_echo(header, total);
}

/* All that has come since. */
void net_work(void)
{
	if (!address)
		return;
	while (!(inb(card + 0x37) & 1)) {
		const uint8_t *entry = ring + at;
		uint32_t bytes = entry[2] | entry[3] << 8;

		/* With four bytes of checksum. */
		if (entry[0] & 1 && bytes > 4)
			take(entry + 4, bytes - 4);
		at = ((at + bytes + 4 + 3) & ~3u) % RING;
		outw(card + 0x38, at - 16);
	}
	if (!station.address)
		return;
	if (station.known)
		ask_for_echo();
	else
		ask_for_address();
}

uint32_t net_echoes(void)
{
	return echoes;
}

struct net_lost net_take_lost(void)
{
	struct net_lost seen = { station.asked, station.answered, station.lost, station.gap };

	station.lost = 0;
	station.gap = 0;
	return seen;
}
