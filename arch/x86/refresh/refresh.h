/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Interfaces between the two halves of vmm-refresh.ko: arch/x86/refresh (one
 * CPU: tables, launch, return) and virt/refresh (all CPUs, user space).
 */
#ifndef ARCH_X86_REFRESH_H
#define ARCH_X86_REFRESH_H

#include <linux/types.h>

#include <refresh/shim.h>

/* Where things are in the reserve, offsets from its begin. */
struct refresh_layout {
	u64 image_end;
	u64 console;
	u64 msr_bitmap, vmread_bitmap, vmwrite_bitmap, nothing;
	u64 info;
	u64 io_bitmap;			/* two pages, 0: no room for a second partition */
	u64 pool, pool_end;		/* likewise */
	u64 link, link_end;		/* likewise */
	u64 tables, tables_end;		/* pages for page tables */
	u64 areas, end;
};

/* The reserve as the loader sees it. */
struct refresh_reserve {
	u64 hpa, size;
	void *va;
	bool contig;			/* not from the buddy allocator */
	bool reserved;			/* ... of another kernel: no allocator has had it */
	struct refresh_layout layout;
	u64 next_table;
	struct shim_header *header;
	u64 shim_cr3;
	u64 image_pt;			/* offset: entries that map the reserve */
	u64 eptp;
};

/* Memory types of the machine (SDM 3A, memory cache control). */
#define REFRESH_MAX_MTRR	32
#define REFRESH_NR_FIXED	88

struct refresh_mtrr {
	bool enabled, fixed_enabled;
	u8 default_type;
	u8 fixed[REFRESH_NR_FIXED];
	u32 nr;
	struct {
		u64 base, mask;
	} variable[REFRESH_MAX_MTRR];
};

/* tables.c: pure, but for the memory of the reserve */
int refresh_map_size(u32 bits, u64 used_end, u64 *size);
int refresh_layout(struct refresh_reserve *res, u64 image_size, u32 nr_cpus,
		   u64 phys_size, bool partition);
int refresh_memory_type(const struct refresh_mtrr *mtrr, u64 hpa, u64 size);
int refresh_build_tables(struct refresh_reserve *res, u64 phys_size,
			 const struct refresh_mtrr *mtrr, u32 nr_cpus);
void refresh_build_descriptors(struct refresh_reserve *res, u32 area);
u64 refresh_area(const struct refresh_reserve *res, u32 area);

/* flush.c */
#define REFRESH_HOST_VPID	0xffff	/* tag of what the host has cached */

void refresh_flush_tags(u64 eptp, u64 cr4);

/* machine.c */
struct refresh_caps {
	u64 basic;
	u32 pin, cpu, cpu2, exit, entry;
	u64 phys_mask;
	u64 map_size;		/* of the tables */
};

/* The MSRs that say what the CPU allows. */
struct refresh_vmx_caps {
	u64 pin, cpu, cpu2, exit, entry;
};

/* controls.c: pure */
u32 refresh_pick_controls(const struct refresh_vmx_caps *cap, bool pebs,
			  struct refresh_caps *caps);
void refresh_fill_msr_bitmap(u8 *bitmap);
u64 refresh_perf_mask(u32 eax, u32 ecx, u32 edx, bool metrics);

int refresh_check_machine(struct refresh_caps *caps);
void refresh_read_mtrr(struct refresh_mtrr *mtrr);
void refresh_fill_machine(struct refresh_reserve *res, const struct refresh_caps *caps,
			  u32 nr_areas, u32 uart);
void refresh_fill_part(struct refresh_reserve *res, u32 flags);
void refresh_fill_info(struct refresh_reserve *res, u32 nr_areas, u32 flags);

/* Below 1 MiB, what is the second partition's: its CPUs begin there. */
#define REFRESH_LOW_FIRST	0x10000ull
#define REFRESH_LOW_END		0x80000ull
/* Of that, where a kernel has its code that was the second one: below the end. */
#define REFRESH_LOW_KEPT	(SHIM_PLAN_KEPT * SHIM_PAGE)

/* plan.c: what two kernels have to share */
int refresh_fill_plan(struct shim_plan *plan, u32 serial, u32 serial_pin);

/* Pages of the firmware of which the second kernel sees copies. */
#define REFRESH_MAX_COPIES	6

struct refresh_copies {
	u32 nr;
	u64 hpa[REFRESH_MAX_COPIES];
	void *pages;			/* room for all of them */
};

int refresh_copy_tables(struct refresh_copies *copies, const u32 *ids, u32 nr, bool physical);

/* Steps at which a fault can be injected. */
enum refresh_step {
	REFRESH_STEP_NONE,
	REFRESH_STEP_VMXON,	/* before VMXON */
	REFRESH_STEP_VMCS,	/* before the VMCS is loaded */
	REFRESH_STEP_FILL,	/* when it is filled */
	REFRESH_STEP_ARRIVE,	/* at the first barrier: the CPU does not come */
	REFRESH_STEP_LAUNCH,	/* VM entry fails */
	REFRESH_STEP_LAUNCHED,	/* behind VM entry */
	REFRESH_STEP_LEAVE,	/* return: the shim gives up instead of leaving */
	REFRESH_STEP_LEAVING,	/* return: an exception halfway through */
	REFRESH_STEP_LEAVE_MC,	/* return: a machine check then */
	REFRESH_STEP_ABI,	/* adopt: the shim is of another ABI version */
	REFRESH_NR_STEPS,
};

bool refresh_fault(enum refresh_step step);

/* launch.c: on the CPU itself, interrupts off */
struct refresh_cpu {
	struct refresh_reserve *res;
	const struct refresh_caps *caps;
	u32 area;
	bool prepared, launched;
	u64 cr4;		/* before */
};

int refresh_prepare_cpu(struct refresh_cpu *rc);
void refresh_unprepare_cpu(struct refresh_cpu *rc);
int refresh_launch_cpu(struct refresh_cpu *rc);
int refresh_leave_cpu(struct refresh_cpu *rc);
u32 refresh_set_target(struct refresh_cpu *rc, bool on);
u32 refresh_call(u32 call);
u32 refresh_call_args(u32 call, u64 a, u64 b, u64 c);
u32 refresh_hear(u64 *word);
u32 refresh_claim(u64 hpa, u64 *bytes);
u32 refresh_link_join(u32 pin, u64 *own, u64 *other, u64 *bytes);
bool refresh_link_ring(void);
bool refresh_ask_shim(u32 *version);
u32 refresh_find(u64 *hpa);
void refresh_send_init(u32 apic_id);
struct shim_shared *refresh_shared(const struct refresh_reserve *res, u32 area);

/* direct_map.c */
int refresh_split_direct_map(u64 hpa, u64 bytes);

/* snapshot.c */
#define REFRESH_SNAPSHOT_MAX	80

struct refresh_snapshot {
	u32 nr;
	u64 value[REFRESH_SNAPSHOT_MAX];
	u8 valid[REFRESH_SNAPSHOT_MAX];
};

void refresh_take_snapshot(struct refresh_snapshot *snapshot);
u32 refresh_compare_snapshots(const struct refresh_snapshot *before,
			      const struct refresh_snapshot *after,
			      const char *when);

/* entry.S */
int refresh_vmlaunch(void);
extern char refresh_return_entry[];
void refresh_return_cpu(struct shim_context *ctx);

#endif /* ARCH_X86_REFRESH_H */
