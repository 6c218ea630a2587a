// SPDX-License-Identifier: GPL-2.0-only
/*
 * shim_page: above the shim that vmm-refresh.ko slides under this host while it runs,
 * use its pages: they tell of a guest's exit in memory.
 *
 * The instructions are right at any time, and so is the page while its word @dirty
 * says so; so it does not matter when a CPU sees that the page has come or gone.
 * nvx_ops.h has the accessors, the shim the rest: it is the one that says when the
 * page holds something.
 */
#include <linux/kvm_host.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>

#include "vmx/vmx.h"
#include "vmx/nvx/nvx.h"

/* Without a shim.  Several CPUs may write it; nobody reads what they have written. */
static struct nvx_shim_page no_page = { .dirty = NVX_SHIM_OFF };
DEFINE_PER_CPU(struct nvx_shim_page *, nvx_this_shim_page) = &no_page;

static DEFINE_MUTEX(lock);
static bool attached;

/**
 * nvx_shim_read_any() - Read a field of the current VMCS
 * @field: encoding, not known at compile time
 *
 * Context: Any in which VMREAD is possible.
 * Return: its value, zero-extended.
 */
u64 nvx_shim_read_any(unsigned long field)
{
	switch (field) {
#define READ_CASE(encoding, name) \
	case encoding: return nvx_shim_read_slot(encoding, NVX_SHIM_##name);
	NVX_SHIM_FIELDS(READ_CASE)
#undef READ_CASE
	}
	return stock___vmcs_readl(field);
}

/**
 * nvx_shim_write_any() - Write a field of the current VMCS
 * @field: encoding, not known at compile time
 * @value: its value
 *
 * Context: Any in which VMWRITE is possible.
 */
void nvx_shim_write_any(unsigned long field, u64 value)
{
	switch (field) {
#define WRITE_CASE(encoding, name) \
	case encoding: return nvx_shim_write_slot(encoding, NVX_SHIM_##name, value);
	NVX_SHIM_WRITABLE(WRITE_CASE)
#undef WRITE_CASE
	}
	stock___vmcs_writel(field, value);
}

static void use_pages(struct nvx_shim_page *(*page_of)(unsigned int cpu))
{
	struct nvx_shim_page *page;
	unsigned int cpu;

	for_each_possible_cpu(cpu) {
		page = page_of(cpu);
		WRITE_ONCE(page->want, 1);
		WRITE_ONCE(per_cpu(nvx_this_shim_page, cpu), page);
	}
}

/**
 * nvx_shim_attach() - A shim is there: use its pages
 * @version: NVX_SHIM_VERSION of the caller
 * @page_of: returns the page of any possible CPU, which has NVX_SHIM_OFF set until
 *	the shim of that CPU has something in it, and is there until nvx_shim_detach()
 *
 * VMs go on meanwhile.
 *
 * Context: Process context, may sleep.
 * Return: 0; -EINVAL: another version; -EOPNOTSUPP: switched off, or the host is a
 * guest itself and has its VMCSs in memory already; -EBUSY: attached already.
 */
int nvx_shim_attach(u32 version, struct nvx_shim_page *(*page_of)(unsigned int cpu))
{
	int r = 0;

	if (version != NVX_SHIM_VERSION)
		return -EINVAL;

	mutex_lock(&lock);
	if (attached) {
		r = -EBUSY;
	} else if (!nvx_shim_page || static_key_enabled(&nvx_vmcs_in_memory)) {
		r = -EOPNOTSUPP;
	} else {
		attached = true;
		use_pages(page_of);
		static_branch_enable(&nvx_vmcs_in_memory);
	}
	mutex_unlock(&lock);
	return r;
}
EXPORT_SYMBOL_GPL(nvx_shim_attach);

/**
 * nvx_shim_detach() - Stop using the pages of the shim
 *
 * The shim may be there still: what has been written to its pages is not lost, it
 * takes that over before it executes any instruction.  Or it has gone, and took it over
 * before.
 *
 * Context: Process context, may sleep.  Nobody looks at the pages afterwards.
 */
void nvx_shim_detach(void)
{
	struct nvx_shim_page *page;
	unsigned int cpu;

	mutex_lock(&lock);
	if (attached) {
		for_each_possible_cpu(cpu) {
			page = per_cpu(nvx_this_shim_page, cpu);
			WRITE_ONCE(per_cpu(nvx_this_shim_page, cpu), &no_page);
			WRITE_ONCE(page->want, 0);
		}
		static_branch_disable(&nvx_vmcs_in_memory);
		/* Accessors run with preemption off. */
		synchronize_rcu();
		attached = false;
	}
	mutex_unlock(&lock);
}
EXPORT_SYMBOL_GPL(nvx_shim_detach);
