// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tell the host's KVM of the shim's pages, if it is one that can use them
 * (kvm-intel.ko with nvx): found by the name of its function, now or when it is
 * loaded.  It may be unloaded while the shim is there, so no reference is kept.
 */
#include <linux/errno.h>
#include <linux/module.h>
#include <linux/notifier.h>
#include <linux/string.h>
#include <linux/wait.h>

#include "session.h"

/* kvm-intel.ko has the pages; it gives them back by itself when it is unloaded. */
static bool attached;
static DECLARE_WAIT_QUEUE_HEAD(given_back);

/**
 * refresh_page_attach() - Offer the pages
 *
 * Context: process, may sleep; the shim is there, and the caller sees to it that it
 * does not leave meanwhile.
 */
void refresh_page_attach(void)
{
	typeof(nvx_shim_attach) *attach;
	int r;

	if (READ_ONCE(attached))
		return;
	attach = symbol_get(nvx_shim_attach);
	if (!attach)
		return;
	r = attach(NVX_SHIM_VERSION, refresh_shim_page);
	WRITE_ONCE(attached, !r);
	if (r == -EOPNOTSUPP)
		pr_info_once("the host's KVM does not use the shim page (nvx=0, nvx_off=shim_page, or its VMCSs are in memory already): VMX instructions are used, some of which exit\n");
	if (r == -EINVAL)
		pr_info("the host's KVM knows another version of the shim page: VMX instructions are used\n");
	symbol_put(nvx_shim_attach);
}

/**
 * refresh_page_detach() - Nobody uses the pages when this returns
 *
 * Context: process, may sleep.
 */
void refresh_page_detach(void)
{
	typeof(nvx_shim_detach) *detach;

	if (!READ_ONCE(attached))
		return;
	detach = symbol_get(nvx_shim_detach);
	if (detach) {
		detach();
		symbol_put(nvx_shim_detach);
		WRITE_ONCE(attached, false);
		return;
	}
	/* It is being unloaded right now. */
	wait_event(given_back, !READ_ONCE(attached));
}

static int module_notify(struct notifier_block *block, unsigned long event, void *data)
{
	const struct module *module = data;

	if (strcmp(module->name, "kvm_intel"))
		return NOTIFY_DONE;
	if (event == MODULE_STATE_LIVE) {
		refresh_page_offer();
	} else if (event == MODULE_STATE_GOING) {
		WRITE_ONCE(attached, false);
		wake_up_all(&given_back);
	}
	return NOTIFY_DONE;
}

static struct notifier_block module_block = {
	.notifier_call = module_notify,
};

/**
 * refresh_page_init() - Hear of KVM being loaded and unloaded
 *
 * Return: 0 or an error of register_module_notifier().
 */
int refresh_page_init(void)
{
	return register_module_notifier(&module_block);
}

/**
 * refresh_page_exit() - Undo refresh_page_init()
 */
void refresh_page_exit(void)
{
	unregister_module_notifier(&module_block);
}
