/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * VMs that move without a copy: their memory is a device cut from the pool.
 */
#ifndef NESTCTL_ZERO_H
#define NESTCTL_ZERO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/vmm_refresh.h>

#define ZERO_ALIGN	UINT64_C(0x200000)

/* QEMU's command to leave out memory that the other side has, "true", or to send it, "false". */
#define ZERO_CAPABILITY(state)							\
	"{\"execute\":\"migrate-set-capabilities\",\"arguments\":"			\
	"{\"capabilities\":[{\"capability\":\"x-ignore-shared\",\"state\":" state "}]}}"

/**
 * struct zero_copy - Where a VM's memory is in the pool
 * @start: first byte, physical
 * @size: bytes
 */
struct zero_copy {
	uint64_t start, size;
};

/* ---- zero_xml.c: a domain's XML */

bool zero_xml_find(const char *xml, struct zero_copy *zero);
bool zero_xml_text(const char *xml, const char *element, char *text, size_t room);
uint64_t zero_xml_memory(const char *xml);
const char *zero_xml_obstacle(const char *xml);
char *zero_xml_convert(const char *xml, const struct zero_copy *zero);
char *zero_xml_undo(const char *xml);

/* ---- pool_device.c: the module, and devices of dax_hmem */

int pool_call(struct vmm_refresh_pool *args);
int pool_find(uint64_t from, struct vmm_refresh_pool *piece);
bool pool_is_in(const struct zero_copy *zero, uint32_t *state, uint32_t *device);
bool pool_drivers_ready(void);
void pool_module_load(void);
char *pool_device_make(uint32_t device, const struct zero_copy *zero);
char *pool_device_find(uint32_t device, const struct zero_copy *zero);
void pool_device_free(uint32_t device, const struct zero_copy *zero);
bool pool_device_unused(uint32_t device);
int pool_lend(const struct zero_copy *zero);
int pool_settle(const struct zero_copy *zero, bool given);

/* ---- pool.c, pool_boot.c */

int pool_add(uint64_t start, uint64_t bytes);
int pool_save(void);
int pool_restore(bool dry);

/* ---- domain.c */

int domain_release_here(void);

/* ---- domain_libvirt.c, or move_none.c */

int domain_open(void);
char *domain_xml(const char *name);
int domain_define(const char *xml);
int domain_release(void);
int domain_restore(const char *uuid, const char *name, const char *xml, bool off);
int domain_is_back(const char *uuid, const char *name, const char *xml, bool off);
int domain_each(void (*function)(const char *xml, void *data), void *data);

#endif /* NESTCTL_ZERO_H */
