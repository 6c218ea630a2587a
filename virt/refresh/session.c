// SPDX-License-Identifier: GPL-2.0-only
/*
 * One session: from virtualize to devirtualize.  Memory and checks first, then
 * all CPUs at once with interrupts off; whatever fails, nothing stays behind.
 */
#include <linux/atomic.h>
#include <linux/cpu.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/security.h>
#include <linux/slab.h>
#include <linux/stop_machine.h>

#include "session.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

static int fault_step;
module_param(fault_step, int, 0644);
MODULE_PARM_DESC(fault_step, "Test: let this step of a launch fail (0: none)");
static int fault_cpu;
module_param(fault_cpu, int, 0644);
MODULE_PARM_DESC(fault_cpu, "Test: on this CPU");

/*
 * Serializes callers.  The hotplug callbacks run with the hotplug lock held,
 * which stop_machine() takes within this one: they go without, because @on
 * changes only within stop_machine(), which hotplug excludes.
 */
static DEFINE_MUTEX(lock);

static struct refresh_session {
	bool on, forbidden, page, partition;
	struct refresh_reserve res;
	struct refresh_caps caps;
	u32 nr_areas, flags;		/* SHIM_FLAG_*: the shim's own are hidden */
	struct refresh_cpu *cpus;		/* by number of the CPU */
	struct refresh_snapshot *before, *after;	/* likewise */
	struct refresh_barrier prepared, launched;
	atomic_t first_error;
	u64 launches, changes;
} session;

/**
 * refresh_fault() - Should this step fail, for a test?
 * @step: the step
 *
 * Context: on the CPU that does the step.
 * Return: true if the parameters name this step and this CPU.
 */
bool refresh_fault(enum refresh_step step)
{
	return READ_ONCE(fault_step) == step &&
	       READ_ONCE(fault_cpu) == raw_smp_processor_id();
}

/* ---- memory */

static void free_session(void)
{
	refresh_free_reserve(&session.res);
	kvfree(session.cpus);
	kvfree(session.before);
	kvfree(session.after);
	session.cpus = NULL;
	session.before = NULL;
	session.after = NULL;
}

static int alloc_cpus(void)
{
	session.cpus = kvcalloc(nr_cpu_ids, sizeof(*session.cpus), GFP_KERNEL);
	session.before = kvcalloc(nr_cpu_ids, sizeof(*session.before), GFP_KERNEL);
	session.after = kvcalloc(nr_cpu_ids, sizeof(*session.after), GFP_KERNEL);
	return session.cpus && session.before && session.after ? 0 : -ENOMEM;
}

static int alloc_session(u64 phys_size)
{
	const struct shim_header *header = (const void *)shim_image;
	struct refresh_reserve *res = &session.res;
	int r;

	session.nr_areas = nr_cpu_ids;
	r = refresh_layout(res, header->end_va - SHIM_VA_IMAGE, session.nr_areas, phys_size,
			   session.partition);
	if (r) {
		pr_err("a machine with room for %u CPUs and %llu GiB is larger than the shim can map: boot with possible_cpus= as many as there are\n",
		       session.nr_areas, phys_size >> 30);
		return r;
	}
	if (refresh_alloc_reserve(res, res->layout.end) || alloc_cpus()) {
		pr_err("cannot get %llu KiB of contiguous memory for the shim: free some and try again\n",
		       res->layout.end >> 10);
		free_session();
		return -ENOMEM;
	}
	return 0;
}

static int load_image(u32 flags, u32 uart, u64 phys_size)
{
	struct refresh_reserve *res = &session.res;
	struct refresh_mtrr *mtrr;
	unsigned int cpu;
	int r;

	memcpy(res->va, shim_image, shim_image_end - shim_image);
	res->header = res->va;
	if (res->header->magic != SHIM_MAGIC || res->header->version != SHIM_ABI_VERSION ||
	    res->header->area_size != SHIM_AREA_SIZE) {
		pr_err("the shim's image is not of ABI version %d: the module was built wrong\n",
		       SHIM_ABI_VERSION);
		return -EINVAL;
	}
	mtrr = kzalloc(sizeof(*mtrr), GFP_KERNEL);
	if (!mtrr)
		return -ENOMEM;
	refresh_read_mtrr(mtrr);
	r = refresh_build_tables(res, phys_size, mtrr, session.nr_areas);
	kfree(mtrr);
	if (r) {
		pr_err("the memory types of this machine take more page tables than the shim has\n");
		return r;
	}
	session.flags = flags;
	refresh_fill_machine(res, &session.caps, session.nr_areas, uart);
	refresh_fill_part(res, flags);
	refresh_fill_info(res, session.nr_areas, flags);
	for (cpu = 0; cpu < session.nr_areas; cpu++) {
		refresh_build_descriptors(res, cpu);
		refresh_shared(res, cpu)->apic_id = SHIM_NO_APIC_ID;
		session.cpus[cpu].res = res;
		session.cpus[cpu].caps = &session.caps;
		session.cpus[cpu].area = cpu;
		refresh_shim_page(cpu)->dirty = NVX_SHIM_OFF;
	}
	return 0;
}

/* ---- all CPUs */

static struct refresh_cpu *this_rc(void)
{
	return &session.cpus[raw_smp_processor_id()];
}

/*
 * Runs on every CPU, interrupts off.  Two barriers: nobody enters VMX non-root
 * operation before all can, and nobody stays in it unless all did.
 */
static int launch_this_cpu(void *unused)
{
	unsigned int cpu = raw_smp_processor_id();
	struct refresh_cpu *rc = this_rc();
	u32 cpus = num_online_cpus();
	int r, error;

	refresh_take_snapshot(&session.before[cpu]);
	r = refresh_prepare_cpu(rc);
	if (refresh_fault(REFRESH_STEP_ARRIVE))
		error = refresh_barrier_miss(&session.prepared, &session.first_error);
	else
		error = refresh_barrier_wait(&session.prepared, cpus, r,
					     &session.first_error);
	if (!error) {
		r = refresh_launch_cpu(rc);
		error = refresh_barrier_wait(&session.launched, cpus, r,
					     &session.first_error);
	}
	if (error) {
		if (rc->launched)
			refresh_leave_cpu(rc);
		else if (rc->prepared)
			refresh_unprepare_cpu(rc);
	} else {
		WRITE_ONCE(session.on, true);
	}
	refresh_take_snapshot(&session.after[cpu]);
	return error;
}

static int leave_this_cpu(void *unused)
{
	unsigned int cpu = raw_smp_processor_id();

	int r;

	refresh_take_snapshot(&session.before[cpu]);
	r = refresh_leave_cpu(this_rc());
	refresh_take_snapshot(&session.after[cpu]);
	if (!r)
		WRITE_ONCE(session.on, false);
	return r;
}

static void compare(const char *when)
{
	unsigned int cpu;

	for (cpu = 0; cpu < nr_cpu_ids; cpu++)
		session.changes += refresh_compare_snapshots(&session.before[cpu],
							     &session.after[cpu], when);
}

static int launch_all(void)
{
	int r;

	refresh_barrier_init(&session.prepared);
	refresh_barrier_init(&session.launched);
	atomic_set(&session.first_error, 0);
	r = stop_machine(launch_this_cpu, NULL, cpu_online_mask);
	compare("launch");
	trace_vmm_refresh_switch(true, num_online_cpus(), r);
	if (r)
		pr_err("the shim did not get under all CPUs (%d): every CPU is as it was\n", r);
	return r;
}

static int refuse(void)
{
	if (session.on) {
		pr_err("the machine is virtualized already\n");
		return -EBUSY;
	}
	if (refresh_shim_below()) {
		pr_err("there is a shim already, which this module has not brought: take that one away first\n");
		return -EBUSY;
	}
	if (session.forbidden || system_state != SYSTEM_RUNNING) {
		pr_err("a reboot, kexec, suspend or hibernation is under way\n");
		return -EBUSY;
	}
	if (security_locked_down(LOCKDOWN_DEV_MEM)) {
		pr_err("the kernel is locked down: nothing may be put below it\n");
		return -EPERM;
	}
	return 0;
}

static int virtualize_locked(u32 flags, u32 uart)
{
	u64 phys_size;
	int r;

	r = refuse();
	if (!r)
		r = refresh_check_machine(&session.caps);
	if (r)
		return r;
	phys_size = session.caps.map_size;
	r = alloc_session(phys_size);
	if (r)
		return r;
	r = load_image(flags, uart, phys_size);
	if (!r)
		r = launch_all();
	if (r) {
		free_session();
		return r;
	}
	session.launches++;
	__module_get(THIS_MODULE);
	if (session.page)
		refresh_page_attach();
	return 0;
}

/**
 * refresh_virtualize() - Slide the shim under all CPUs
 * @flags: VMM_REFRESH_* of the ioctl
 * @uart: I/O port for the shim's console, or 0
 *
 * Context: process, may sleep.
 * Return: 0, or an error that vmm_refresh.h lists, with nothing changed.
 */
int refresh_virtualize(u32 flags, u32 uart)
{
	u32 shim_flags = 0;
	int r;

	if (!(flags & VMM_REFRESH_NO_SHADOWING))
		shim_flags |= SHIM_FLAG_SHADOW;
	if (flags & VMM_REFRESH_TEST)
		shim_flags |= SHIM_FLAG_TEST;
	mutex_lock(&lock);
	if (!session.on) {
		session.page = !(flags & VMM_REFRESH_NO_PAGE);
		session.partition = flags & VMM_REFRESH_PARTITION;
	}
	r = virtualize_locked(shim_flags, uart);
	mutex_unlock(&lock);
	return r;
}

static size_t copy_console(char *buffer, size_t size)
{
	const struct shim_console *console;
	u32 head, i;
	size_t n = 0;

	console = session.res.va + session.res.layout.console;
	head = READ_ONCE(console->head);
	i = head > sizeof(console->data) ? head - sizeof(console->data) : 0;
	for (; i < head && n < size; i++)
		buffer[n++] = console->data[i % sizeof(console->data)];
	return n;
}

/* A parked CPU has not been given up. */
static bool gave_up(const struct shim_shared *shared)
{
	u32 state = READ_ONCE(shared->state);

	return state == SHIM_STATE_PANIC || state == SHIM_STATE_DEAD;
}

/* Why the shim gave up would be lost with the reserve. */
static void log_panics(void)
{
	unsigned int cpu, panics = 0;
	char *text, *line, *rest;

	for (cpu = 0; cpu < session.nr_areas; cpu++)
		panics += gave_up(refresh_shared(&session.res, cpu));
	if (!panics)
		return;
	pr_err("the shim gave up on %u CPUs before it left; it said:\n", panics);
	text = kzalloc(SHIM_RING_SIZE + 1, GFP_KERNEL);
	if (!text)
		return;
	copy_console(text, SHIM_RING_SIZE);
	rest = text;
	while ((line = strsep(&rest, "\n")))
		if (*line)
			pr_err("%s\n", line);
	kfree(text);
}

static void left(void)
{
	refresh_page_detach();
	log_panics();
	free_session();
	module_put(THIS_MODULE);
}

/* ---- a shim that was here before this module */

static int adopt_locked(void)
{
	u32 flags = 0;
	int r;

	r = refresh_check_machine(&session.caps);
	if (!r)
		r = refresh_adopt_reserve(&session.res, &session.nr_areas, &flags);
	if (!r)
		r = alloc_cpus();
	if (!r)
		r = refresh_adopt_areas(session.cpus, &session.res, session.nr_areas,
					&session.caps);
	if (!r)
		r = refresh_adopt_shim(session.cpus, &session.on);
	if (r) {
		/* It stays where it is. */
		memset(&session.res, 0, sizeof(session.res));
		free_session();
		return r;
	}
	session.flags = flags & ~SHIM_FLAG_PARTITION;
	session.partition = flags & SHIM_FLAG_PARTITION && !session.res.reserved;
	session.page = true;
	__module_get(THIS_MODULE);
	refresh_page_attach();
	pr_info("adopted the shim that was here\n");
	return 0;
}

/* All memory of the kernel that has ended first: nobody could claim it afterwards. */
static int take_over(void)
{
	u64 bytes = 0;
	int r = 0;

	if (refresh_below() == VMM_REFRESH_ADOPTABLE) {
		/* Its peer has ended, and its memory is in the shim's. */
		refresh_link_destroy();
		r = refresh_part_grow(&bytes, 0, 0);
	}
	/* One that has had all of the machine has nothing to claim. */
	return r && r != -EBUSY ? r : adopt_locked();
}

/**
 * refresh_look_for_shim() - Adopt one that an earlier module has left here
 *
 * Context: process, may sleep.
 */
void refresh_look_for_shim(void)
{
	mutex_lock(&lock);
	if (refresh_shim_below() && refresh_below() == VMM_REFRESH_ADOPTABLE &&
	    !refresh_is_heir())
		adopt_locked();
	mutex_unlock(&lock);
}

static int detach_this_cpu(void *unused)
{
	refresh_set_target(this_rc(), false);
	WRITE_ONCE(session.on, false);
	return 0;
}

/**
 * refresh_detach() - Leave the shim to a module that is loaded later
 *
 * Context: process, may sleep.
 * Return: 0, or an error that vmm_refresh.h lists.
 */
int refresh_detach(void)
{
	int r = -ENODEV;

	mutex_lock(&lock);
	if (session.on && refresh_part_is_made()) {
		pr_err("there is a second partition: end and destroy it first\n");
		r = -EBUSY;
	} else if (session.on) {
		refresh_page_detach();
		r = stop_machine(detach_this_cpu, NULL, cpu_online_mask);
		memset(&session.res, 0, sizeof(session.res));
		free_session();
		module_put(THIS_MODULE);
		pr_info("the shim stays; the module that is loaded next adopts it\n");
	}
	mutex_unlock(&lock);
	return r;
}

/**
 * refresh_devirtualize() - Take the shim away from all CPUs
 *
 * Context: process, may sleep.
 * Return: 0, -ENODEV if there is no shim, or another error that vmm_refresh.h lists.
 */
int refresh_devirtualize(void)
{
	int r = -ENODEV;

	mutex_lock(&lock);
	if (refresh_shim_below())
		r = take_over();
	if (session.on && refresh_part_is_made()) {
		pr_err("there is a second partition: end and destroy it first\n");
		r = -EBUSY;
	} else if (session.on) {
		r = stop_machine(leave_this_cpu, NULL, cpu_online_mask);
		compare("return");
		trace_vmm_refresh_switch(false, num_online_cpus(), r);
		if (r)
			pr_err("another kernel has a part of the machine: end it first\n");
		else
			left();
	}
	mutex_unlock(&lock);
	return r;
}

static u32 ask(u32 kind, u32 argument)
{
	switch (kind) {
	case VMM_REFRESH_ASK_PANIC:
		return refresh_call(SHIM_CALL_PANIC);
	case VMM_REFRESH_ASK_FAULT:
		return refresh_call(SHIM_CALL_FAULT);
	case VMM_REFRESH_ASK_MC:
		return refresh_call(SHIM_CALL_MC);
	}
	if (!(session.flags & SHIM_FLAG_TEST))
		return SHIM_E_CALL;
	refresh_send_init(argument);
	return SHIM_OK;
}

/**
 * refresh_ask_for_trouble() - Let something go wrong on this CPU, for tests
 * @what: VMM_REFRESH_ASK_*, and for an INIT the APIC ID from bit 8 on
 *
 * Return: 0, -EINVAL for anything else, -ENODEV without a shim, -EPERM without
 * VMM_REFRESH_TEST.
 */
int refresh_ask_for_trouble(unsigned long what)
{
	u32 r = SHIM_E_CALL, kind = what & 0xff;
	unsigned long flags;
	bool on;

	if (kind > VMM_REFRESH_ASK_MC)
		return -EINVAL;
	mutex_lock(&lock);
	local_irq_save(flags);
	on = session.on &&
	     refresh_shared(&session.res, this_rc()->area)->state == SHIM_STATE_ON;
	if (on)
		r = ask(kind, what >> 8);
	local_irq_restore(flags);
	mutex_unlock(&lock);
	if (!on)
		return -ENODEV;
	return r == SHIM_E_CALL ? -EPERM : 0;
}

/* ---- the shim pages */

/**
 * refresh_shim_page() - The page of one CPU
 * @cpu: any possible CPU
 *
 * Return: the page, valid until the shim has left.
 */
struct nvx_shim_page *refresh_shim_page(unsigned int cpu)
{
	return (void *)refresh_shared(&session.res, session.cpus[cpu].area) + SHIM_SHARED_PAGE;
}

/**
 * refresh_page_offer() - A KVM has come that may use the pages
 *
 * Context: process, may sleep.
 */
void refresh_page_offer(void)
{
	mutex_lock(&lock);
	if (session.on && session.page)
		refresh_page_attach();
	mutex_unlock(&lock);
}

/* ---- CPUs that come and go */

/**
 * refresh_cpu_online() - A CPU has come online: put the shim under it
 * @cpu: its number
 *
 * Context: hotplug thread of the CPU.
 * Return: 0, or an error that keeps the CPU offline.
 */
int refresh_cpu_online(unsigned int cpu)
{
	struct refresh_cpu *rc;
	unsigned long flags;
	int r;

	if (!session.on)
		return 0;
	rc = this_rc();
	/* The shim has started it for this kernel, and is there; its target went with INIT. */
	if (refresh_part_is_made() &&
	    READ_ONCE(refresh_shared(&session.res, rc->area)->state) == SHIM_STATE_ON) {
		local_irq_save(flags);
		refresh_set_target(rc, true);
		local_irq_restore(flags);
		return 0;
	}
	local_irq_save(flags);
	r = refresh_prepare_cpu(rc);
	if (!r) {
		r = refresh_launch_cpu(rc);
		if (r && rc->launched)
			refresh_leave_cpu(rc);
		else if (r)
			refresh_unprepare_cpu(rc);
	}
	local_irq_restore(flags);
	trace_vmm_refresh_cpu(cpu, true, r);
	if (r)
		pr_err("CPU %u stays offline: the shim did not get under it (%d)\n", cpu, r);
	return r;
}

/**
 * refresh_cpu_offline() - A CPU goes offline: the shim leaves it first
 * @cpu: its number
 *
 * Context: hotplug thread of the CPU.
 * Return: 0, or -EBUSY, which keeps the CPU online.
 */
int refresh_cpu_offline(unsigned int cpu)
{
	unsigned long flags;
	int r;

	/* With two kernels no CPU is ever without the shim. */
	if (!session.on || refresh_part_is_made())
		return 0;
	local_irq_save(flags);
	r = refresh_leave_cpu(this_rc());
	local_irq_restore(flags);
	trace_vmm_refresh_cpu(cpu, false, r);
	return r;
}

/**
 * refresh_forbid() - Refuse to virtualize from now on, or allow it again
 * @forbid: true when a reboot or suspend begins
 */
void refresh_forbid(bool forbid)
{
	mutex_lock(&lock);
	session.forbidden = forbid;
	mutex_unlock(&lock);
}

/* ---- for a second partition */

/**
 * refresh_lock() - Keep the session as it is
 *
 * Context: process, may sleep.
 * Return: the reserve of a session with room for a second partition, or NULL, without the lock.
 */
struct refresh_reserve *refresh_lock(void)
{
	mutex_lock(&lock);
	if (session.on && session.partition)
		return &session.res;
	mutex_unlock(&lock);
	return NULL;
}

/**
 * refresh_unlock() - The end of refresh_lock()
 */
void refresh_unlock(void)
{
	mutex_unlock(&lock);
}

/* ---- what the shim tells */

static void sum(struct vmm_refresh_status *status)
{
	const struct shim_shared *shared;
	unsigned int cpu;
	int i;

	for (cpu = 0; cpu < session.nr_areas; cpu++) {
		shared = refresh_shared(&session.res, cpu);
		status->installs += shared->installs;
		status->vmfails += shared->vmfails;
		status->nmis += shared->nmis;
		status->page_exits += shared->page_exits;
		if (shared->state == SHIM_STATE_ON)
			status->cpus++;
		else if (gave_up(shared))
			status->state = VMM_REFRESH_PANICKED;
		for (i = 0; i < SHIM_NR_REASONS; i++) {
			status->host_exits += shared->host_exits[i];
			status->guest_exits += shared->guest_exits[i];
		}
	}
}

/**
 * refresh_status() - Fill in the result of VMM_REFRESH_STATUS
 * @status: all but @size is written
 */
void refresh_status(struct vmm_refresh_status *status)
{
	mutex_lock(&lock);
	status->version = VMM_REFRESH_API_VERSION;
	status->state = session.on ? VMM_REFRESH_ON : refresh_below();
	status->launches = session.launches;
	status->changes = session.changes;
	status->reserve = session.res.size;
	if (session.on)
		sum(status);
	mutex_unlock(&lock);
}

/**
 * refresh_exits() - Count exits of one kind on all CPUs
 * @guest: of guests of the host, else of the host
 * @reason: basic exit reason, below SHIM_NR_REASONS
 *
 * Return: the number since the launch, 0 without a shim.
 */
u64 refresh_exits(bool guest, u32 reason)
{
	const struct shim_shared *shared;
	unsigned int cpu;
	u64 count = 0;

	mutex_lock(&lock);
	for (cpu = 0; session.on && cpu < session.nr_areas; cpu++) {
		shared = refresh_shared(&session.res, cpu);
		count += guest ? shared->guest_exits[reason] : shared->host_exits[reason];
	}
	mutex_unlock(&lock);
	return count;
}

/**
 * refresh_copy_console() - Copy what the shim printed last
 * @buffer: where to
 * @size: bytes of it
 *
 * Return: bytes written.
 */
size_t refresh_copy_console(char *buffer, size_t size)
{
	size_t n = 0;

	mutex_lock(&lock);
	if (session.on)
		n = copy_console(buffer, size);
	mutex_unlock(&lock);
	return n;
}

/**
 * refresh_reserve_place() - Where the shim is
 * @place: filled in
 *
 * Return: false without a shim.
 */
bool refresh_reserve_place(struct refresh_place *place)
{
	bool on;

	mutex_lock(&lock);
	on = session.on;
	if (on) {
		place->hpa = session.res.hpa;
		place->size = session.res.size;
		place->zone = page_zone(virt_to_page(session.res.va))->name;
	}
	mutex_unlock(&lock);
	return on;
}

/**
 * refresh_is_virtualized() - Is the shim there?
 *
 * Return: true between virtualize and devirtualize.
 */
bool refresh_is_virtualized(void)
{
	return READ_ONCE(session.on);
}
