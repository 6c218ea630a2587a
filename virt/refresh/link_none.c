// SPDX-License-Identifier: GPL-2.0-only
/*
 * In place of link.c where the kernel is built without a network.
 */
#include <linux/errno.h>
#include <linux/printk.h>

#include "session.h"

int refresh_link_create(void)
{
	pr_err("vmlink0: this kernel is built without a network (CONFIG_NET); the partition has no link\n");
	return -EOPNOTSUPP;
}

void refresh_link_destroy(void)
{
}

void refresh_link_init(void)
{
}
