/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What two partitions share, and who has which part of it.  It exists while there are two.
 */
#ifndef SHIM_WORLD_H
#define SHIM_WORLD_H

#include "apic.h"
#include "ept.h"
#include "ioapic.h"
#include "owner.h"
#include "pci.h"
#include "ports.h"
#include "shim.h"

#define WORLD_MAX_COPIES	8

#define PCI_CONFIG_ADDRESS	0xcf8
#define PCI_CONFIG_DATA		0xcfc

/* Registers of devices that each partition has for itself while the device is another's. */
struct world_device {
	u8	rtc_index, rtc_shutdown;
	u8	pic_mask[2];
	u8	a20;
	u16	pm1_enable[2];
};

/* A page of which the second partition sees a copy. */
struct world_copy {
	u64	gpa;
	u8	*page;
};

/* @page: copies of the first partition's, as long as the memory is the second one's. */
struct world_low {
	u64	hpa, bytes;
	u32	nr;
	u8	*page[SHIM_PLAN_KEPT];
};

/* @pin: of the doorbell, plus one; @missed: its entry was masked. */
struct world_link {
	bool			on;
	bool			missed[SHIM_NR_PARTS];
	u8			pin[SHIM_NR_PARTS];
};

/*
 * Everything behind @lock is read and written under it; it is never held across the entry of
 * a host.  A CPU that waits for it still serves COMMAND_FLUSH, so its holder may wait for it.
 */
/* Where a partition has read what is not its own: 2 MiB each, with a table of their own. */
#define WORLD_MAX_NOTHING	32

struct world_nothing {
	u64	gpa[WORLD_MAX_NOTHING];
	u32	nr, next;
};

struct world {
	u32			lock;		/* number of its holder's area, plus one */
	struct ept_pool		pool;
	union owner_node	*nodes;
	struct owner_map	memory;
	struct apic_set		cpus;
	struct ports		ports;
	struct pci		pci;
	struct pci_function	function[SHIM_PLAN_FUNCTIONS];
	struct ioapic		ioapic;
	u64			ioapic_hpa, hpet_hpa;
	u32			pins;		/* of the second partition from the start */
	u32			nr_ports;	/* ranges of ports, likewise */
	bool			alone;		/* the second partition has the machine */
	u64			given;		/* bytes of memory that are the second one's */
	struct world_nothing	shown[SHIM_NR_PARTS];
	u8			*nothing;	/* a page of zeros */
	u8			*msr_bitmap;	/* of the first partition as it was */
	u8			*bitmaps;	/* of the second one: MSRs, then ports */
	struct world_device	device[SHIM_NR_PARTS];
	struct world_copy	copy[WORLD_MAX_COPIES];
	struct world_low	low;
	struct world_link	link;
};

extern struct world world;

void world_add_cpu(struct shim_cpu *cpu);
void world_set_cpu(const struct shim_cpu *cpu);
u32 world_count(u32 part);
void world_set_parts(u32 parts);
void world_lock(struct shim_cpu *cpu);
void world_unlock(void);
void world_drop_lock(struct shim_cpu *cpu);
struct denied *world_denied(const struct shim_cpu *cpu);
struct shim_part_info *part_info(u32 part);
bool world_flush(struct shim_cpu *cpu, u32 part);
bool world_owns(const struct shim_cpu *cpu, u64 hpa);
bool world_keeps(const struct shim_cpu *cpu, u64 hpa);
bool world_translate(const struct shim_cpu *cpu, u64 gpa, u64 access, u64 *hpa);
bool world_show_nothing(struct shim_cpu *cpu, u64 gpa);
void world_reset_devices(struct shim_cpu *cpu);

/* inherit.c */
void world_part_ended(struct shim_cpu *cpu, u32 part);
u32 world_claim(struct shim_cpu *cpu, u64 hpa, u64 *bytes);

/* adopt.c */
u32 world_find(struct shim_cpu *cpu, u64 *hpa);
u32 world_adopt(struct shim_cpu *cpu, u64 hpa);

/* world_call.c: of partitions; each returns a value of enum shim_error */
u32 world_create(struct shim_cpu *cpu, u64 plan_hpa);
u32 world_move(struct shim_cpu *cpu, u64 hpa, u64 bytes, u32 to);
u32 world_copy_page(struct shim_cpu *cpu, u64 gpa, u64 hpa);
u32 world_destroy(struct shim_cpu *cpu);
u32 world_change_owner(struct shim_cpu *cpu, u64 hpa, u64 bytes, u32 to);
void world_set_port_bitmaps(void);
void *host_page(u64 hpa);
bool host_pages_ok(u64 hpa, u64 bytes);
u32 world_phys_bits(void);
bool world_device_page(u32 part, u64 hpa, u64 access);
bool world_follow(u32 part, u64 hpa, u64 bytes);
void world_open_bitmaps(void);
void world_clear_bitmaps(void);

/* low.c */
bool low_keep(struct shim_cpu *cpu, u64 hpa, u64 bytes);
void low_return(struct shim_cpu *cpu, u64 hpa, u64 bytes);

/* pool_call.c */
u32 world_pool(struct shim_cpu *cpu, u64 hpa, u64 bytes, u64 op);
u32 world_pool_find(struct shim_cpu *cpu, u64 *hpa, u64 *bytes, u64 *whose);
bool world_pool_back(bool ordinary);

/* function_call.c */
u32 world_function(struct shim_cpu *cpu, u64 bdf, u64 pin);
void world_restore_functions(void);
void world_functions_back(void);

/* link.c */
bool link_create(void);
bool link_inherit(void);
void link_ring_bell(u32 part);
void link_clear(u32 part);
u32 link_join(struct shim_cpu *cpu, u64 *own, u64 *other, u64 *bytes);
u32 link_ring(struct shim_cpu *cpu);

/* device.c: the chipset itself */
u32 ioapic_hw_read(u32 reg);
void ioapic_hw_apply(const struct ioapic_ops *ops);
u32 port_in(u16 port, u32 width);
void port_out(u16 port, u32 width, u32 value);
u32 config_read(u16 bdf, u32 reg);
void config_write(u16 bdf, u32 reg, u32 width, u32 value);

#endif /* SHIM_WORLD_H */
