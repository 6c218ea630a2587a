// SPDX-License-Identifier: GPL-2.0-only
/*
 * The pool as this kernel has it: pieces that the module knows, and the devices that the stock
 * driver dax_hmem makes of them, one for each VM.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "device.h"
#include "nestctl.h"
#include "zero.h"

#define DEVICES		"/sys/bus/dax/devices"
#define DRIVER		"/sys/bus/dax/drivers/device_dax"
#define IDLE		"/sys/module/dax_hmem/parameters/region_idle"

/**
 * pool_call() - Ask the module about the pool
 * @args: but its size
 *
 * Return: 0, or an errno.
 */
int pool_call(struct vmm_refresh_pool *args)
{
	int fd = device_open(), error = 0;

	if (fd < 0)
		return errno;
	args->size = sizeof(*args);
	if (device_call(fd, VMM_REFRESH_POOL, args))
		error = errno;
	close(fd);
	return error;
}

/**
 * pool_find() - The first piece of the pool at an address or above it
 * @from: the address
 * @piece: filled in
 *
 * Return: 0, or an errno; ENOENT: there is none.
 */
int pool_find(uint64_t from, struct vmm_refresh_pool *piece)
{
	*piece = (struct vmm_refresh_pool){ .op = VMM_REFRESH_POOL_FIND, .hpa = from };
	return pool_call(piece);
}

/**
 * pool_is_in() - Is that all in the pool, and all in one state?
 * @zero: the range
 * @state: whose it is
 * @device: N of hmem.N
 *
 * Return: true if it is.
 */
bool pool_is_in(const struct zero_copy *zero, uint32_t *state, uint32_t *device)
{
	struct vmm_refresh_pool piece;
	uint64_t from = 0;

	while (!pool_find(from, &piece)) {
		if (zero->start >= piece.hpa && zero->start - piece.hpa < piece.bytes) {
			*state = piece.state;
			*device = piece.device;
			return zero->size <= piece.bytes - (zero->start - piece.hpa);
		}
		from = piece.hpa + piece.bytes;
	}
	return false;
}

/* ---- drivers */

static void load_module(const char *name, const char *word)
{
	const char *const words[] = { "modprobe", name, word, NULL };
	size_t size;
	char *output = capture(&size, words);

	free(output);
}

/**
 * pool_module_load() - Have vmm-refresh.ko loaded, if it is installed
 */
void pool_module_load(void)
{
	if (!exists(DEVICE))
		load_module("vmm-refresh", NULL);
}

/**
 * pool_drivers_ready() - Have the drivers that make devices of the pool
 *
 * Without region_idle the driver of Linux 6.12 makes ordinary memory of what it is given.
 *
 * Return: false after a message.
 */
bool pool_drivers_ready(void)
{
	autofree char *idle = NULL;

	if (!exists(DRIVER))
		load_module("device_dax", NULL);
	if (!exists(IDLE))
		load_module("dax_hmem", "region_idle=1");
	if (!exists(DRIVER) || !exists(IDLE)) {
		complain("this kernel has no device_dax or no dax_hmem: modprobe says why");
		return false;
	}
	device_write(IDLE, "Y");
	idle = read_text(IDLE);
	if (idle && *idle == 'Y')
		return true;
	complain("dax_hmem would make ordinary memory of the pool: boot with dax_hmem.region_idle=1");
	return false;
}

/* ---- devices */

static uint64_t hex_in(const char *name, const char *file)
{
	autofree char *text = read_text(DEVICES "/%s/%s", name, file);

	return text ? strtoull(text, NULL, 16) : 0;
}

static bool has_range(const char *name, const struct zero_copy *zero)
{
	return hex_in(name, "mapping0/start") == zero->start &&
	       hex_in(name, "mapping0/end") == zero->start + zero->size - 1;
}

static bool is_free(const char *name, const struct zero_copy *zero)
{
	(void)zero;
	return read_int(1, DEVICES "/%s/size", name) == 0;
}

/* The name of a device of hmem.@device for which @test holds, NULL: none. */
static char *look_for(uint32_t device, const struct zero_copy *zero,
		      bool (*test)(const char *name, const struct zero_copy *zero))
{
	struct dirent **entries;
	int i, nr = list(&entries, DEVICES);
	char *found = NULL, rest;
	unsigned int parent, number;

	for (i = 0; i < nr && !found; i++)
		if (sscanf(entries[i]->d_name, "dax%u.%u%c", &parent, &number, &rest) == 2 &&
		    parent == device && test(entries[i]->d_name, zero))
			found = text_of("%s", entries[i]->d_name);
	free_list(entries, nr);
	return found;
}

static char *free_device(uint32_t device)
{
	autofree char *create = text_of("/sys/devices/platform/hmem.%u/dax_region/create", device);
	char *name = look_for(device, NULL, is_free);

	if (name)
		return name;
	device_write(create, "1");
	return look_for(device, NULL, is_free);
}

static bool is_bound(const char *name)
{
	return exists(DEVICES "/%s/driver", name);
}

/* A device that had no memory has no driver yet. */
static bool bind_driver(const char *name)
{
	if (!is_bound(name))
		device_write(DRIVER "/new_id", name);
	if (!is_bound(name))
		device_write(DRIVER "/bind", name);
	return is_bound(name);
}

/**
 * pool_device_make() - Have a device for a VM
 * @device: N of hmem.N that the range is in
 * @zero: the range
 *
 * Return: its path below /dev, to be freed; NULL after a message.
 */
char *pool_device_make(uint32_t device, const struct zero_copy *zero)
{
	autofree char *name = look_for(device, zero, has_range);
	autofree char *mapping = NULL, *range = NULL;

	if (!name) {
		name = free_device(device);
		mapping = text_of(DEVICES "/%s/mapping", name ?: "none");
		range = text_of("%" PRIx64 "-%" PRIx64, zero->start,
				zero->start + zero->size - 1);
		if (!name || device_write(mapping, range)) {
			complain("hmem.%u makes no device of %s (%s): is another VM there?",
				 device, range, strerror(errno));
			return NULL;
		}
	}
	if (!bind_driver(name)) {
		complain("device_dax does not take %s: dmesg may say why", name);
		return NULL;
	}
	return text_of("/dev/%s", name);
}

/**
 * pool_device_find() - The device of a VM
 * @device: N of hmem.N that the range is in
 * @zero: the range
 *
 * Return: its path below /dev, to be freed; NULL: there is none.
 */
char *pool_device_find(uint32_t device, const struct zero_copy *zero)
{
	autofree char *name = look_for(device, zero, has_range);

	return name ? text_of("/dev/%s", name) : NULL;
}

/**
 * pool_device_free() - No VM needs the device any more
 * @device: N of hmem.N
 * @zero: the range
 */
void pool_device_free(uint32_t device, const struct zero_copy *zero)
{
	autofree char *name = look_for(device, zero, has_range);
	autofree char *size = text_of(DEVICES "/%s/size", name ?: "none");

	if (!name)
		return;
	if (is_bound(name))
		device_write(DRIVER "/unbind", name);
	device_write(size, "0");
}

/**
 * pool_device_unused() - Is nothing of it a VM's?
 * @device: N of hmem.N
 *
 * Return: true if all of it is free.
 */
bool pool_device_unused(uint32_t device)
{
	int64_t size = read_int(-1, "/sys/devices/platform/hmem.%u/dax_region/size", device);

	return size == read_int(-2, "/sys/devices/platform/hmem.%u/dax_region/available_size",
				device);
}

/* ---- a move */

/**
 * pool_lend() - A VM is about to move: both kernels need its memory
 * @zero: where that is
 *
 * Return: 0; an errno: it is not to be moved like this.
 */
int pool_lend(const struct zero_copy *zero)
{
	struct vmm_refresh_pool args = {
		.op = VMM_REFRESH_POOL_LEND, .hpa = zero->start, .bytes = zero->size,
	};
	uint32_t state, device;
	int error = pool_call(&args);

	/* By an earlier move, whose nestctl was cut off. */
	if (error == EPERM && pool_is_in(zero, &state, &device) &&
	    state == VMM_REFRESH_POOL_LENT)
		return 0;
	return error;
}

/**
 * pool_settle() - The move has ended
 * @zero: where the VM's memory is
 * @given: it runs there
 *
 * Return: 0, or an errno.
 */
int pool_settle(const struct zero_copy *zero, bool given)
{
	struct vmm_refresh_pool args = {
		.op = given ? VMM_REFRESH_POOL_GIVE : VMM_REFRESH_POOL_KEEP,
		.hpa = zero->start, .bytes = zero->size,
	};

	return pool_call(&args);
}
