// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the shim does, for people: /sys/kernel/debug/vmm-refresh/{console,exits,reserve,denied}
 * and the attribute "state" of the device.
 */
#include <linux/debugfs.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/sysfs.h>
#include <linux/device.h>

#include <refresh/denied_kinds.h>

#include "session.h"

static struct dentry *directory;

static int console_show(struct seq_file *seq, void *unused)
{
	char *buffer = kmalloc(SHIM_RING_SIZE, GFP_KERNEL);

	if (!buffer)
		return -ENOMEM;
	seq_write(seq, buffer, refresh_copy_console(buffer, SHIM_RING_SIZE));
	kfree(buffer);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(console);

/* One line per reason that occurred: reason, exits of the host, of its guests. */
static int exits_show(struct seq_file *seq, void *unused)
{
	u64 host, guest;
	u32 reason;

	for (reason = 0; reason < SHIM_NR_REASONS; reason++) {
		host = refresh_exits(false, reason);
		guest = refresh_exits(true, reason);
		if (host || guest)
			seq_printf(seq, "%u %llu %llu\n", reason, host, guest);
	}
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(exits);

/* Where the shim is: address, KiB, zone of the memory. */
static int reserve_show(struct seq_file *seq, void *unused)
{
	struct refresh_place place;

	if (refresh_reserve_place(&place))
		seq_printf(seq, "%#llx %llu %s\n", place.hpa, place.size >> 10, place.zone);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(reserve);

/* What can be denied to a kernel that shares the machine, in the order of the counters. */
static int denied_show(struct seq_file *seq, void *unused)
{
	static const char *const names[] = {
#define DENIED_NAME(kind, name)	name,
		DENIED_KINDS(DENIED_NAME)
	};
	int i;

	static_assert(ARRAY_SIZE(names) <= SHIM_MAX_DENIED);
	for (i = 0; i < ARRAY_SIZE(names); i++)
		seq_printf(seq, "%s\n", names[i]);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(denied);

/**
 * refresh_debugfs_init() - Create the files
 */
void refresh_debugfs_init(void)
{
	directory = debugfs_create_dir("vmm-refresh", NULL);
	debugfs_create_file("console", 0400, directory, NULL, &console_fops);
	debugfs_create_file("exits", 0400, directory, NULL, &exits_fops);
	debugfs_create_file("reserve", 0400, directory, NULL, &reserve_fops);
	debugfs_create_file("denied", 0400, directory, NULL, &denied_fops);
}

/**
 * refresh_debugfs_exit() - Remove them
 */
void refresh_debugfs_exit(void)
{
	debugfs_remove_recursive(directory);
}

static ssize_t state_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct vmm_refresh_status status = { };

	refresh_status(&status);
	return sysfs_emit(buf, "%s\n", status.state == VMM_REFRESH_ON ? "virtualized" :
			  status.state == VMM_REFRESH_BARE ? "bare" : "panicked");
}
static DEVICE_ATTR_RO(state);

static struct attribute *refresh_attributes[] = {
	&dev_attr_state.attr,
	NULL,
};

static const struct attribute_group refresh_group = {
	.attrs = refresh_attributes,
};

const struct attribute_group *refresh_groups[] = {
	&refresh_group,
	NULL,
};
