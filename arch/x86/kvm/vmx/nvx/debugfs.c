// SPDX-License-Identifier: GPL-2.0-only
/*
 * debugfs kvm/nvx/<counter>: events since the module was loaded, all CPUs.
 *
 * One read-only file per counter.  The values are sums of per-CPU counters
 * that nobody stops while they are read: exact when no VM runs.
 */
#include <linux/debugfs.h>
#include <linux/module.h>

#include "nvx.h"

static const char * const counter_names[] = {
#define C(name, text) #name,
	NVX_COUNTERS(C)
#undef C
};

static struct dentry *nvx_dir;

static int counter_get(void *data, u64 *val)
{
	enum nvx_counter i = (unsigned long)data;
	u64 sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += per_cpu(nvx_counters, cpu).n[i];

	*val = sum;
	return 0;
}

DEFINE_DEBUGFS_ATTRIBUTE(counter_fops, counter_get, NULL, "%llu\n");

void nvx_debugfs_register(void)
{
	struct dentry *kvm_dir = debugfs_lookup("kvm", NULL);
	unsigned long i;
	int cpu;

	/* They are kvm.ko's, and may be older than this module. */
	for_each_possible_cpu(cpu)
		memset(per_cpu_ptr(&nvx_counters, cpu), 0, sizeof(nvx_counters));

	/* debugfs is a convenience: run without it where it is missing. */
	if (IS_ERR_OR_NULL(kvm_dir))
		return;

	nvx_dir = debugfs_create_dir("nvx", kvm_dir);
	for (i = 0; i < NVX_NR_COUNTERS; i++)
		debugfs_create_file_unsafe(counter_names[i], 0444, nvx_dir,
					   (void *)i, &counter_fops);
	dput(kvm_dir);
}

void nvx_debugfs_unregister(void)
{
	debugfs_remove(nvx_dir);
	nvx_dir = NULL;
}
