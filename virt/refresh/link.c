// SPDX-License-Identifier: GPL-2.0-only
/*
 * vmlink0: Ethernet between the two kernels of one machine.  Packets go through memory that
 * the shim lets one side write and the other one read (link_ring.h).  The doorbell is a pin of
 * the IOAPIC that no device has; the other side's kernel asks the shim to interrupt as it would.
 *
 * Sending, and what begins anew, is done under the queue's lock; reading in NAPI.
 */
#include <linux/acpi.h>
#include <linux/etherdevice.h>
#include <linux/interrupt.h>
#include <linux/io.h>
#include <linux/moduleparam.h>
#include <linux/mutex.h>
#include <linux/random.h>
#include <linux/virtio_net.h>

#include "link.h"
#include "session.h"

#define NAPI_HOLD	(HZ / 10)	/* after a lie */
#define LAST_GSI	23
#define FIRST_GSI	16
#define LINEAR		2048u		/* packets up to there are in one piece */
#define HEADERS		256u
#define NEED_ROOM	(LINK_MAX_LENGTH + LINK_ALIGN + sizeof(struct link_record))

static bool use_link = true;
module_param_named(link, use_link, bool, 0444);
MODULE_PARM_DESC(link, "in a second kernel: make vmlink0, the network to the first one (default Y)");
static int link_gsi = -1;
module_param(link_gsi, int, 0644);
MODULE_PARM_DESC(link_gsi, "interrupt of vmlink0: a pin of the I/O APIC without a device (default -1: the last one that is free)");

static_assert(SHIM_LINK_RING > 2 * NEED_ROOM && !(SHIM_LINK_RING & (SHIM_LINK_RING - 1)));
static_assert(LINK_HEADER == SHIM_PAGE);
static_assert(sizeof(struct virtio_net_hdr) <= sizeof_field(struct link_record, meta));
static_assert(offsetof(struct link_section, head) == SHIM_LINK_CLEARED);

static DEFINE_MUTEX(the_mutex);
static struct net_device *the_link;

static void bell(struct vmlink *link)
{
	if (refresh_link_ring())
		link->counts.bells++;
}

/* ---- state: the queue's lock is held where the ring begins anew */

static void look(struct vmlink *link)
{
	struct net_device *dev = link->dev;
	bool news;

	if (READ_ONCE(link->held) || !link_ring_changed(&link->ring))
		return;
	netif_tx_lock(dev);
	news = link_ring_look(&link->ring);
	if (!link->ring.up) {
		netif_carrier_off(dev);
	} else if (!netif_carrier_ok(dev)) {
		link->counts.ups++;
		netif_carrier_on(dev);
	}
	netif_tx_unlock(dev);
	netif_wake_queue(dev);
	if (news)
		bell(link);
}

/* Whoever lies may do it all the time: there is a pause. */
static void begin_again(struct vmlink *link)
{
	netif_tx_lock(link->dev);
	link->lied = false;
	link_ring_restart(&link->ring);
	netif_carrier_off(link->dev);
	link->counts.resets++;
	netif_tx_unlock(link->dev);
	WRITE_ONCE(link->held, true);
	bell(link);
	schedule_delayed_work(&link->again, NAPI_HOLD);
}

static void schedule_poll(struct vmlink *link)
{
	local_bh_disable();
	napi_schedule(&link->napi);
	local_bh_enable();
}

static void end_of_pause(struct work_struct *work)
{
	struct vmlink *link = container_of(to_delayed_work(work), struct vmlink, again);

	WRITE_ONCE(link->held, false);
	schedule_poll(link);
}

static irqreturn_t link_interrupt(int irq, void *data)
{
	struct vmlink *link = data;

	link->counts.interrupts++;
	napi_schedule_irqoff(&link->napi);
	return IRQ_HANDLED;
}

/* ---- reading */

static struct sk_buff *new_skb(u32 length)
{
	u32 linear = length <= LINEAR ? length : HEADERS;
	struct sk_buff *skb;
	int error;

	skb = alloc_skb_with_frags(NET_SKB_PAD + NET_IP_ALIGN + linear, length - linear,
				   PAGE_ALLOC_COSTLY_ORDER, &error, GFP_ATOMIC | __GFP_NOWARN);
	if (!skb)
		return NULL;
	skb_reserve(skb, NET_SKB_PAD + NET_IP_ALIGN);
	skb_put(skb, linear);
	skb->data_len = length - linear;
	skb->len += length - linear;
	return skb;
}

/* False: what stands before the packet is nonsense. */
static bool deliver(struct vmlink *link, const struct link_record *record,
		    const struct link_span *span)
{
	struct sk_buff *skb = new_skb(record->length);
	struct virtio_net_hdr hdr;

	if (!skb) {
		link->counts.no_memory++;
		return true;
	}
	memcpy(&hdr, record->meta, sizeof(hdr));
	if (skb_store_bits(skb, 0, span->at[0], span->bytes[0]) ||
	    skb_store_bits(skb, span->bytes[0], span->at[1], span->bytes[1]) ||
	    virtio_net_hdr_to_skb(skb, &hdr, true)) {
		link->counts.bad_offloads++;
		kfree_skb(skb);
		return false;
	}
	link->counts.rx_packets++;
	link->counts.rx_bytes += record->length;
	skb->protocol = eth_type_trans(skb, link->dev);
	napi_gro_receive(&link->napi, skb);
	return true;
}

/* Return: how many packets. */
static int receive(struct vmlink *link, int budget)
{
	struct link_record record;
	struct link_span span;
	enum link_result result = LINK_NOTHING;
	int done = 0;

	while (done < budget && link->ring.up) {
		result = link_ring_next(&link->ring, &record, &span);
		if (result != LINK_OK)
			break;
		if (!deliver(link, &record, &span)) {
			result = LINK_LIE;
			break;
		}
		link_ring_done(&link->ring, &record);
		done++;
	}
	if (result == LINK_LIE)
		begin_again(link);
	else if (done && link_ring_tell_read(&link->ring))
		bell(link);
	return done;
}

static void wake(struct vmlink *link)
{
	if (!netif_queue_stopped(link->dev))
		return;
	switch (link_ring_room(&link->ring, NEED_ROOM)) {
	case LINK_OK:
		netif_wake_queue(link->dev);
		break;
	case LINK_LIE:
		begin_again(link);
		break;
	default:
		break;
	}
}

static int link_poll(struct napi_struct *napi, int budget)
{
	struct vmlink *link = container_of(napi, struct vmlink, napi);
	int done;

	link->counts.polls++;
	if (READ_ONCE(link->lied))
		begin_again(link);
	look(link);
	done = receive(link, budget);
	if (link->ring.up)
		wake(link);
	if (done < budget && napi_complete_done(napi, done) && link->ring.up &&
	    link_ring_await_record(&link->ring))
		napi_schedule(napi);
	return done;
}

/* ---- sending */

/* NAPI begins anew. */
static void lie_seen(struct vmlink *link)
{
	WRITE_ONCE(link->lied, true);
	napi_schedule(&link->napi);
}

static netdev_tx_t drop(struct vmlink *link, struct sk_buff *skb)
{
	link->counts.tx_dropped++;
	dev_kfree_skb_any(skb);
	return NETDEV_TX_OK;
}

static bool put(struct vmlink *link, struct sk_buff *skb, const struct link_span *span)
{
	struct link_record record = { .length = skb->len };
	struct virtio_net_hdr hdr;

	if (virtio_net_hdr_from_skb(skb, &hdr, true, true, 0) ||
	    skb_copy_bits(skb, 0, span->at[0], span->bytes[0]) ||
	    skb_copy_bits(skb, span->bytes[0], span->at[1], span->bytes[1]))
		return false;
	memcpy(record.meta, &hdr, sizeof(hdr));
	link_ring_send(&link->ring, &record);
	return true;
}

/* There is room for one more, or the queue waits for the doorbell. */
static void stop_if_full(struct vmlink *link)
{
	switch (link_ring_room(&link->ring, NEED_ROOM)) {
	case LINK_OK:
		return;
	case LINK_FULL:
		break;
	default:
		lie_seen(link);
		return;
	}
	netif_stop_queue(link->dev);
	link->counts.stops++;
	link_ring_await_room(&link->ring, SHIM_LINK_RING / 2);
	if (link_ring_room(&link->ring, SHIM_LINK_RING / 2) == LINK_OK)
		netif_start_queue(link->dev);
}

static netdev_tx_t link_xmit(struct sk_buff *skb, struct net_device *dev)
{
	struct vmlink *link = netdev_priv(dev);
	enum link_result result;
	struct link_span span;

	if (!link->ring.up || link->lied || skb->len < LINK_MIN_LENGTH ||
	    skb->len > LINK_MAX_LENGTH)
		return drop(link, skb);
	result = link_ring_reserve(&link->ring, skb->len, &span);
	if (result == LINK_LIE)
		lie_seen(link);
	if (result != LINK_OK || !put(link, skb, &span))
		return drop(link, skb);
	link->counts.tx_packets++;
	link->counts.tx_bytes += skb->len;
	skb_tx_timestamp(skb);
	dev_consume_skb_any(skb);
	stop_if_full(link);
	if (netdev_xmit_more() && !netif_queue_stopped(dev))
		return NETDEV_TX_OK;
	if (link_ring_tell_sent(&link->ring))
		bell(link);
	else
		link->counts.bells_spared++;
	return NETDEV_TX_OK;
}

/* ---- the device */

static int link_open(struct net_device *dev)
{
	struct vmlink *link = netdev_priv(dev);

	netif_carrier_off(dev);
	link->held = false;
	link->lied = false;
	link_ring_init(&link->ring, link->own, link->peer, SHIM_LINK_RING, get_random_u32());
	napi_enable(&link->napi);
	netif_start_queue(dev);
	bell(link);
	schedule_poll(link);
	return 0;
}

static int link_stop(struct net_device *dev)
{
	struct vmlink *link = netdev_priv(dev);

	netif_stop_queue(dev);
	napi_disable(&link->napi);
	cancel_delayed_work_sync(&link->again);
	netif_tx_lock_bh(dev);
	link_ring_close(&link->ring);
	netif_carrier_off(dev);
	netif_tx_unlock_bh(dev);
	bell(link);
	return 0;
}

static void link_stats(struct net_device *dev, struct rtnl_link_stats64 *stats)
{
	const struct vmlink *link = netdev_priv(dev);
	const struct vmlink_counts *counts = &link->counts;
	const struct link_lies *lies = &link->ring.lies;

	stats->rx_packets = counts->rx_packets;
	stats->rx_bytes = counts->rx_bytes;
	stats->tx_packets = counts->tx_packets;
	stats->tx_bytes = counts->tx_bytes;
	stats->rx_dropped = counts->no_memory;
	stats->tx_dropped = counts->tx_dropped;
	stats->rx_errors = lies->head + lies->tail + lies->length + counts->bad_offloads;
}

static const struct net_device_ops link_ops = {
	.ndo_open = link_open,
	.ndo_stop = link_stop,
	.ndo_start_xmit = link_xmit,
	.ndo_get_stats64 = link_stats,
	.ndo_validate_addr = eth_validate_addr,
	.ndo_set_mac_address = eth_mac_addr,
};

static void set_up(struct net_device *dev)
{
	static const u8 address[ETH_ALEN] = { 0x02, 'v', 'm', 'l', 'n', 'k' };
	struct vmlink *link = netdev_priv(dev);
	u8 own[ETH_ALEN];

	INIT_DELAYED_WORK(&link->again, end_of_pause);
	dev->netdev_ops = &link_ops;
	dev->ethtool_ops = &vmlink_ethtool_ops;
	dev->hw_features = NETIF_F_SG | NETIF_F_HW_CSUM | NETIF_F_RXCSUM | NETIF_F_TSO |
			   NETIF_F_TSO6 | NETIF_F_TSO_ECN;
	dev->features = dev->hw_features | NETIF_F_HIGHDMA;
	dev->vlan_features = dev->features;
	dev->min_mtu = ETH_MIN_MTU;
	dev->max_mtu = ETH_MAX_MTU;
	ether_addr_copy(own, address);
	own[5] = link->own < link->peer ? 0 : 1;
	eth_hw_addr_set(dev, own);
}

/* ---- its memory and its interrupt */

static int take_gsi(struct vmlink *link, u32 gsi)
{
	int irq = acpi_register_gsi(NULL, gsi, ACPI_EDGE_SENSITIVE, ACPI_ACTIVE_HIGH), r;

	if (irq < 0)
		return irq;
	r = request_irq(irq, link_interrupt, 0, "vmlink0", link);
	if (r) {
		acpi_unregister_gsi(gsi);
		return r;
	}
	link->irq = irq;
	link->gsi = gsi;
	return 0;
}

static int find_gsi(struct vmlink *link)
{
	u32 gsi = LAST_GSI;
	int r;

	if (link_gsi >= 0) {
		r = take_gsi(link, link_gsi);
		if (r)
			pr_err("vmlink0: no interrupt %d (%d): choose another one with link_gsi\n",
			       link_gsi, r);
		return r;
	}
	do {
		r = take_gsi(link, gsi);
	} while (r && gsi-- > FIRST_GSI);
	if (r)
		pr_err("vmlink0: no pin of the I/O APIC is free (%d): choose one with link_gsi\n",
		       r);
	return r;
}

static void free_gsi(struct vmlink *link)
{
	free_irq(link->irq, link);
	acpi_unregister_gsi(link->gsi);
}

static int map_sections(struct vmlink *link)
{
	u64 own, peer, bytes;

	/* Without a link that is no error, and says nothing. */
	if (refresh_link_join(link->gsi, &own, &peer, &bytes) != SHIM_OK)
		return -ENODEV;
	if (bytes != SHIM_LINK_SECTION)
		return -EPROTO;
	link->own = memremap(own, bytes, MEMREMAP_WB);
	link->peer = memremap(peer, bytes, MEMREMAP_WB);
	if (link->own && link->peer) {
		pr_info("vmlink0: sends in the memory at %#llx, reads that at %#llx, interrupt %u\n",
			own, peer, link->gsi);
		return 0;
	}
	if (link->own)
		memunmap(link->own);
	if (link->peer)
		memunmap(link->peer);
	return -ENOMEM;
}

static int connect(struct vmlink *link)
{
	int r = find_gsi(link);

	if (r)
		return r;
	r = map_sections(link);
	if (r)
		free_gsi(link);
	return r;
}

static void disconnect(struct vmlink *link)
{
	free_gsi(link);
	memunmap(link->own);
	memunmap(link->peer);
}

static int create_locked(void)
{
	struct net_device *dev;
	struct vmlink *link;
	int r;

	if (the_link)
		return 0;
	dev = alloc_etherdev(sizeof(*link));
	if (!dev)
		return -ENOMEM;
	strscpy(dev->name, "vmlink%d", sizeof(dev->name));
	link = netdev_priv(dev);
	link->dev = dev;
	/* The other side may ring as soon as it is connected; until it is open nobody polls. */
	netif_napi_add(dev, &link->napi, link_poll);
	r = connect(link);
	if (r)
		goto err_dev;
	set_up(dev);
	netif_carrier_off(dev);
	r = register_netdev(dev);
	if (r)
		goto err_connect;
	the_link = dev;
	return 0;

err_connect:
	disconnect(link);
err_dev:
	netif_napi_del(&link->napi);
	free_netdev(dev);
	return r;
}

/**
 * refresh_link_create() - Make vmlink0, if the shim has a link for this kernel
 *
 * Context: process, may sleep.
 * Return: 0, -ENODEV if there is no link, or an error after a line in the log.
 */
int refresh_link_create(void)
{
	int r;

	mutex_lock(&the_mutex);
	r = create_locked();
	mutex_unlock(&the_mutex);
	if (r && r != -ENODEV)
		pr_err("vmlink0 cannot be made (%d)\n", r);
	return r;
}

/**
 * refresh_link_destroy() - The end of refresh_link_create(), if there was one
 *
 * Before the memory of the shim is anything else.
 *
 * Context: process, may sleep.
 */
void refresh_link_destroy(void)
{
	struct vmlink *link;

	mutex_lock(&the_mutex);
	if (the_link) {
		link = netdev_priv(the_link);
		unregister_netdev(the_link);
		disconnect(link);
		netif_napi_del(&link->napi);
		free_netdev(the_link);
		the_link = NULL;
	}
	mutex_unlock(&the_mutex);
}

/**
 * refresh_link_init() - In a second kernel: make the link to the first one
 *
 * A kernel without one goes on.
 */
void refresh_link_init(void)
{
	if (use_link && refresh_shim_below())
		refresh_link_create();
}
