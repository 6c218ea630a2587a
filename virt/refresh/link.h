/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vmlink0, for link.c and link_ethtool.c.
 */
#ifndef VIRT_REFRESH_LINK_H
#define VIRT_REFRESH_LINK_H

#include <linux/ethtool.h>
#include <linux/netdevice.h>
#include <linux/workqueue.h>

#include "link_ring.h"

/* Each is counted by the interrupt, NAPI or under the queue's lock, but for @bells. */
struct vmlink_counts {
	u64 rx_packets, rx_bytes, tx_packets, tx_bytes, tx_dropped, no_memory;
	u64 interrupts, polls, stops, ups, resets;
	u64 bells, bells_spared;
	u64 bad_offloads;
};

/*
 * @held: after a lie nobody looks for a while
 * @lied: seen while sending; NAPI will begin anew
 */
struct vmlink {
	struct net_device *dev;
	struct napi_struct napi;
	struct link_ring ring;
	struct delayed_work again;
	bool held, lied;
	int irq;
	u32 gsi;
	void *own, *peer;
	struct vmlink_counts counts;
};

extern const struct ethtool_ops vmlink_ethtool_ops;

#endif /* VIRT_REFRESH_LINK_H */
