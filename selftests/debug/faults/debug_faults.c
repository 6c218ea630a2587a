// SPDX-License-Identifier: GPL-2.0-only
/*
 * One mistake of each kind that the debug kernel reports, by the parameter "fault":
 * a test that makes it has to fail, else the lab does not see what the kernel says.
 */

#include <linux/list.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/timer.h>

#define WORDS	8

static char *fault = "";
module_param(fault, charp, 0444);
MODULE_PARM_DESC(fault, "which mistake to make");

/* What the compiler must not know, lest it leaves the mistake out. */
static int far = 40;
static int words = WORDS;
static int sink;

static int fault_kasan(void)
{
	int *array = kmalloc_array(WORDS, sizeof(*array), GFP_KERNEL);

	if (!array)
		return -ENOMEM;
	kfree(array);
	sink = READ_ONCE(array[1]);
	return 0;
}

static int fault_bounds(void)
{
	int *array = kmalloc_array(WORDS, sizeof(*array), GFP_KERNEL);

	if (!array)
		return -ENOMEM;
	array[READ_ONCE(words)] = 1;
	sink = array[0];
	kfree(array);
	return 0;
}

static int fault_ubsan(void)
{
	sink = 1 << READ_ONCE(far);
	return 0;
}

static int fault_lockdep(void)
{
	static DEFINE_MUTEX(first);
	static DEFINE_MUTEX(second);

	mutex_lock(&first);
	mutex_lock(&second);
	mutex_unlock(&second);
	mutex_unlock(&first);

	mutex_lock(&second);
	mutex_lock(&first);
	mutex_unlock(&first);
	mutex_unlock(&second);
	return 0;
}

static int fault_sleep(void)
{
	static DEFINE_SPINLOCK(lock);

	spin_lock(&lock);
	might_sleep();
	spin_unlock(&lock);
	return 0;
}

static int fault_rcu(void)
{
	static int __rcu *pointer;

	sink = !rcu_dereference(pointer);
	return 0;
}

static int fault_list(void)
{
	static LIST_HEAD(list);
	static struct list_head entry;

	list_add(&entry, &list);
	list_add(&entry, &list);
	return 0;
}

static int fault_preempt(void)
{
	sink = smp_processor_id();
	return 0;
}

static void expired(struct timer_list *timer)
{
}

static int fault_objects(void)
{
	struct timer_list *timer = kzalloc(sizeof(*timer), GFP_KERNEL);

	if (!timer)
		return -ENOMEM;
	timer_setup(timer, expired, 0);
	mod_timer(timer, jiffies + 1000 * HZ);
	/* What debugobjects says of this, it mends: the timer is taken back. */
	kfree(timer);
	return 0;
}

static const struct {
	const char *name;
	int (*make)(void);
} faults[] = {
	{ "kasan", fault_kasan },
	{ "bounds", fault_bounds },
	{ "ubsan", fault_ubsan },
	{ "lockdep", fault_lockdep },
	{ "sleep", fault_sleep },
	{ "rcu", fault_rcu },
	{ "list", fault_list },
	{ "preempt", fault_preempt },
	{ "objects", fault_objects },
};

static int __init debug_faults_init(void)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(faults); i++) {
		if (!strcmp(fault, faults[i].name))
			return faults[i].make();
	}
	pr_err("debug_faults: fault=%s: there is no such mistake\n", fault);
	return -EINVAL;
}

static void __exit debug_faults_exit(void)
{
}

module_init(debug_faults_init);
module_exit(debug_faults_exit);
MODULE_DESCRIPTION("Mistakes that a debug kernel reports");
MODULE_LICENSE("GPL");
