// SPDX-License-Identifier: GPL-2.0-only
/*
 * vmm-refresh.ko: /dev/vmm-refresh, and what the module has to hear of (CPUs that
 * come and go, reboot, suspend).
 */
#include <linux/capability.h>
#include <linux/cpuhotplug.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/reboot.h>
#include <linux/suspend.h>
#include <linux/uaccess.h>

#include "session.h"

static int hotplug_state;

static long ioctl_virtualize(void __user *arg)
{
	struct vmm_refresh_virtualize args;
	u32 size;
	int r;

	if (get_user(size, (u32 __user *)arg))
		return -EFAULT;
	if (size < sizeof(args))
		return -EINVAL;
	if (size > PAGE_SIZE)
		return -E2BIG;
	r = copy_struct_from_user(&args, sizeof(args), arg, size);
	if (r)
		return r;
	if (args.size != size || args.reserved ||
	    args.flags & ~(VMM_REFRESH_NO_SHADOWING | VMM_REFRESH_TEST |
			   VMM_REFRESH_NO_PAGE | VMM_REFRESH_PARTITION) ||
	    args.uart > 0xfff8)
		return -EINVAL;
	return refresh_virtualize(args.flags, args.uart);
}

static long ioctl_status(void __user *arg)
{
	struct vmm_refresh_status status = { };

	if (copy_from_user(&status.size, arg, sizeof(status.size)))
		return -EFAULT;
	if (status.size < sizeof(status.size))
		return -EINVAL;
	status.size = min_t(u32, status.size, sizeof(status));
	refresh_status(&status);
	return copy_to_user(arg, &status, status.size) ? -EFAULT : 0;
}

static long refresh_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (_IOC_TYPE(cmd) != _IOC_TYPE(VMM_REFRESH_STATUS))
		return -ENOTTY;
	/* The rest of a number tells the size of a structure, which grows. */
	switch (_IOC_NR(cmd)) {
	case _IOC_NR(VMM_REFRESH_VIRTUALIZE):
		return ioctl_virtualize((void __user *)arg);
	case _IOC_NR(VMM_REFRESH_DEVIRTUALIZE):
		return refresh_devirtualize();
	case _IOC_NR(VMM_REFRESH_STATUS):
		return ioctl_status((void __user *)arg);
	case _IOC_NR(VMM_REFRESH_ASK):
		return refresh_ask_for_trouble(arg);
	case _IOC_NR(VMM_REFRESH_DETACH):
		return refresh_detach();
	}
	return refresh_part_ioctl(_IOC_NR(cmd), arg);
}

static const struct file_operations refresh_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = refresh_ioctl,
	.llseek = noop_llseek,
};

static struct miscdevice refresh_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "vmm-refresh",
	.mode = 0600,
	.fops = &refresh_fops,
	.groups = refresh_groups,
};

/* The next kernel, and firmware that resumes, expect the machine for themselves. */
static void leave_for(const char *what)
{
	refresh_forbid(true);
	if (!refresh_is_virtualized())
		return;
	/* It goes on with the machine, or the shim does what is asked for in the end. */
	if (refresh_part_is_made()) {
		pr_info("%s: the shim stays below the second partition\n", what);
		return;
	}
	pr_info("%s: the shim leaves first\n", what);
	if (!refresh_devirtualize())
		pr_info("%s: the shim has left\n", what);
}

static int reboot_notify(struct notifier_block *block, unsigned long event, void *data)
{
	leave_for("reboot");
	return NOTIFY_DONE;
}

static struct notifier_block reboot_block = {
	.notifier_call = reboot_notify,
};

static int pm_notify(struct notifier_block *block, unsigned long event, void *data)
{
	switch (event) {
	case PM_HIBERNATION_PREPARE:
	case PM_SUSPEND_PREPARE:
	case PM_RESTORE_PREPARE:
		if (refresh_part_is_made()) {
			pr_err("no sleep while there is a second partition: destroy it first\n");
			return NOTIFY_BAD;
		}
		leave_for(event == PM_SUSPEND_PREPARE ? "suspend" : "hibernation");
		break;
	case PM_POST_HIBERNATION:
	case PM_POST_SUSPEND:
	case PM_POST_RESTORE:
		refresh_forbid(false);
		break;
	}
	return NOTIFY_DONE;
}

static struct notifier_block pm_block = {
	.notifier_call = pm_notify,
};

static int __init refresh_init(void)
{
	int r;

	r = cpuhp_setup_state_nocalls(CPUHP_AP_ONLINE_DYN, "virt/vmm_refresh:online",
				      refresh_cpu_online, refresh_cpu_offline);
	if (r < 0)
		return r;
	hotplug_state = r;
	r = register_reboot_notifier(&reboot_block);
	if (r)
		goto err_hotplug;
	r = register_pm_notifier(&pm_block);
	if (r)
		goto err_reboot;
	r = refresh_page_init();
	if (r)
		goto err_pm;
	r = refresh_part_init();
	if (r)
		goto err_page;
	r = misc_register(&refresh_device);
	if (r)
		goto err_part;
	refresh_debugfs_init();
	refresh_look_for_shim();
	refresh_link_init();
	return 0;

err_part:
	refresh_part_exit();
err_page:
	refresh_page_exit();
err_pm:
	unregister_pm_notifier(&pm_block);
err_reboot:
	unregister_reboot_notifier(&reboot_block);
err_hotplug:
	cpuhp_remove_state_nocalls(hotplug_state);
	return r;
}

/* A virtualized machine holds a reference: there is no shim here, or it was left to itself. */
static void __exit refresh_exit(void)
{
	refresh_link_destroy();
	refresh_debugfs_exit();
	misc_deregister(&refresh_device);
	refresh_part_exit();
	refresh_page_exit();
	unregister_pm_notifier(&pm_block);
	unregister_reboot_notifier(&reboot_block);
	cpuhp_remove_state_nocalls(hotplug_state);
}

module_init(refresh_init);
module_exit(refresh_exit);
MODULE_DESCRIPTION("Slide a temporary hypervisor under the running host");
MODULE_LICENSE("GPL");
