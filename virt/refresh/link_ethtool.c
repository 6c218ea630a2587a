// SPDX-License-Identifier: GPL-2.0-only
/*
 * What ethtool tells of vmlink0.
 */
#include "link.h"

static const struct {
	char name[ETH_GSTRING_LEN];
	size_t offset;
} counters[] = {
#define COUNTER(name)	{ #name, offsetof(struct vmlink, counts.name) }
#define LIE(name)	{ "bad_" #name, offsetof(struct vmlink, ring.lies.name) }
	COUNTER(rx_packets),
	COUNTER(rx_bytes),
	COUNTER(tx_packets),
	COUNTER(tx_bytes),
	COUNTER(tx_dropped),
	COUNTER(no_memory),
	COUNTER(interrupts),
	COUNTER(polls),
	COUNTER(stops),
	COUNTER(ups),
	COUNTER(resets),
	COUNTER(bells),
	COUNTER(bells_spared),
	LIE(head),
	LIE(tail),
	LIE(length),
	COUNTER(bad_offloads),
};

static void get_drvinfo(struct net_device *dev, struct ethtool_drvinfo *info)
{
	strscpy(info->driver, "vmm-refresh", sizeof(info->driver));
	strscpy(info->bus_info, "shim", sizeof(info->bus_info));
}

static int get_sset_count(struct net_device *dev, int set)
{
	return set == ETH_SS_STATS ? ARRAY_SIZE(counters) : -EOPNOTSUPP;
}

static void get_strings(struct net_device *dev, u32 set, u8 *data)
{
	size_t i;

	for (i = 0; set == ETH_SS_STATS && i < ARRAY_SIZE(counters); i++)
		memcpy(data + i * ETH_GSTRING_LEN, counters[i].name, ETH_GSTRING_LEN);
}

static void get_stats(struct net_device *dev, struct ethtool_stats *stats, u64 *data)
{
	const char *link = netdev_priv(dev);
	size_t i;

	for (i = 0; i < ARRAY_SIZE(counters); i++)
		data[i] = *(const u64 *)(link + counters[i].offset);
}

const struct ethtool_ops vmlink_ethtool_ops = {
	.get_drvinfo = get_drvinfo,
	.get_link = ethtool_op_get_link,
	.get_sset_count = get_sset_count,
	.get_strings = get_strings,
	.get_ethtool_stats = get_stats,
};
