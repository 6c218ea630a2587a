/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Interfaces between the files of vmm-refresh.ko's common half.
 */
#ifndef VIRT_REFRESH_SESSION_H
#define VIRT_REFRESH_SESSION_H

#include <linux/cpumask.h>
#include <linux/errno.h>
#include <linux/printk.h>
#include <nvx/shim_page.h>
#include <uapi/linux/vmm_refresh.h>

#include "../../arch/x86/refresh/refresh.h"

/* shim_image.S */
extern const char shim_image[], shim_image_end[];

/* The reserve, for people. */
struct refresh_place {
	u64 hpa, size;
	const char *zone;
};

/* session.c */
int refresh_virtualize(u32 flags, u32 uart);
int refresh_devirtualize(void);
int refresh_detach(void);
void refresh_look_for_shim(void);
int refresh_ask_for_trouble(unsigned long what);
void refresh_status(struct vmm_refresh_status *status);
bool refresh_is_virtualized(void);
u64 refresh_exits(bool guest, u32 reason);
size_t refresh_copy_console(char *buffer, size_t size);
bool refresh_reserve_place(struct refresh_place *place);
void refresh_forbid(bool forbid);

void refresh_page_offer(void);
struct nvx_shim_page *refresh_shim_page(unsigned int cpu);

struct refresh_reserve *refresh_lock(void);
void refresh_unlock(void);

/* part.c */
bool refresh_part_is_made(void);
bool refresh_shim_below(void);
int refresh_error_of(u32 result, const char *what);
int refresh_part_create(const struct vmm_refresh_part_create *args);
int refresh_part_init(void);
void refresh_part_exit(void);
int refresh_part_cpu(u32 cpu);
int refresh_part_device(u32 bdf);
int refresh_part_call_stopped(u32 number, u64 a, u64 b, const char *what);
int refresh_part_memory(u64 hpa, u64 bytes);
int refresh_part_load(const struct vmm_refresh_part_load *args);
int refresh_part_start(const struct vmm_refresh_part_start *args);
int refresh_part_kill(void);
int refresh_part_destroy(void);
int refresh_part_status(struct vmm_refresh_part_status *status);
int refresh_part_say(u64 word);
int refresh_part_words(struct vmm_refresh_part_words *words);

/* part_memory.c: what the second partition has */
#define REFRESH_MAX_RANGES	64

struct refresh_range {
	u64 hpa, bytes;
};

struct refresh_ranges {
	u32 nr;
	struct refresh_range range[REFRESH_MAX_RANGES];
};

int refresh_ranges_add(struct refresh_ranges *ranges, u64 hpa, u64 bytes);
void refresh_ranges_drop(struct refresh_ranges *ranges, u64 bytes);
bool refresh_ranges_have(const struct refresh_ranges *ranges, u64 hpa, u64 bytes);
bool refresh_ranges_touch(const struct refresh_ranges *ranges, u64 hpa, u64 bytes);
u64 refresh_ranges_total(const struct refresh_ranges *ranges);
int refresh_check_offline(u64 hpa, u64 bytes);
int refresh_check_low(void);
int refresh_fill_ranges(const struct refresh_ranges *ranges,
			const struct vmm_refresh_segment *segments, u32 nr);

/* pool.c */
int refresh_pool(struct vmm_refresh_pool *args);
int refresh_pool_share(void);
void refresh_pool_unshare(void);

/* part_grow.c */
int refresh_part_functions(void);
int refresh_part_grow(u64 *bytes, u64 first, u64 end);
u64 refresh_release(u64 hpa, u64 bytes);

/* adopt.c: a shim that this module has not brought */
u32 refresh_below(void);
bool refresh_is_heir(void);
int refresh_adopt_reserve(struct refresh_reserve *res, u32 *nr_areas, u32 *flags);
int refresh_adopt_areas(struct refresh_cpu *cpus, struct refresh_reserve *res, u32 nr_areas,
			const struct refresh_caps *caps);
int refresh_adopt_shim(struct refresh_cpu *cpus, bool *on);

/* part_pci.c */
void refresh_pci_claim(void);
void refresh_pci_return(u32 bdf);

/* part_device.c */
int refresh_device_give(u32 bdf);
int refresh_device_check(void);
void refresh_device_back(void);

/* link.c */
#ifdef CONFIG_NET
int refresh_link_create(void);
void refresh_link_destroy(void);
void refresh_link_init(void);
#else
static inline int refresh_link_create(void)
{
	pr_err("vmlink0: this kernel is built without a network (CONFIG_NET): the partition has no link\n");
	return -EOPNOTSUPP;
}

static inline void refresh_link_destroy(void)
{
}

static inline void refresh_link_init(void)
{
}
#endif

/* part_ioctl.c */
long refresh_part_ioctl(unsigned int number, unsigned long arg);

/* shim_page.c */
int refresh_page_init(void);
void refresh_page_exit(void);
void refresh_page_attach(void);
void refresh_page_detach(void);

/* reserve.c */
int refresh_alloc_reserve(struct refresh_reserve *res, u64 size);
void refresh_free_reserve(struct refresh_reserve *res);

/* handshake.c */
enum refresh_barrier_state { BARRIER_WAITING, BARRIER_GO, BARRIER_ABORT };

struct refresh_barrier {
	atomic_t arrived;
	atomic_t state;
};

void refresh_barrier_init(struct refresh_barrier *barrier);
int refresh_barrier_wait(struct refresh_barrier *barrier, u32 cpus, int error,
			 atomic_t *first_error);
int refresh_barrier_miss(struct refresh_barrier *barrier, atomic_t *first_error);

/* debugfs.c */
void refresh_debugfs_init(void);
void refresh_debugfs_exit(void);

extern const struct attribute_group *refresh_groups[];

/* session.c: CPUs that come and go */
int refresh_cpu_online(unsigned int cpu);
int refresh_cpu_offline(unsigned int cpu);

#endif /* VIRT_REFRESH_SESSION_H */
