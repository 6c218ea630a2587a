// SPDX-License-Identifier: GPL-2.0-only
/*
 * libvirt is loaded.
 */
#include <dlfcn.h>
#include <string.h>

#include "libvirt_calls.h"
#include "nestctl.h"

#define LIBRARY		"libvirt.so.0"
#define QEMU_LIBRARY	"libvirt-qemu.so.0"

struct libvirt lib;

static const struct symbol {
	const char *name;
	size_t offset;
} symbols[] = {
#define X(name) { #name, offsetof(struct libvirt, name) },
	LIBVIRT_FUNCTIONS(X)
#undef X
};

static const struct symbol qemu_symbols[] = {
#define X(name) { #name, offsetof(struct libvirt, name) },
	X(virDomainQemuMonitorCommand)
	X(virDomainQemuMonitorCommandWithFiles)
#undef X
};

static int load_function(void *handle, const char *library, const char *name, size_t offset)
{
	void *function = dlsym(handle, name);

	if (!function) {
		complain("%s has no %s: install a newer libvirt", library, name);
		return -1;
	}
	memcpy((char *)&lib + offset, &function, sizeof(function));
	return 0;
}

static void *load(const char *library)
{
	void *handle = dlopen(library, RTLD_NOW);

	if (!handle)
		complain("%s cannot be loaded (%s): install libvirt", library, dlerror());
	return handle;
}

/**
 * libvirt_load() - Load the library
 *
 * Return: 0, or -1 after a message.
 */
int libvirt_load(void)
{
	void *handle = load(LIBRARY);
	size_t i;

	if (!handle)
		return -1;
	for (i = 0; i < ARRAY_SIZE(symbols); i++)
		if (load_function(handle, LIBRARY, symbols[i].name, symbols[i].offset))
			return -1;
	handle = load(QEMU_LIBRARY);
	if (!handle)
		return -1;
	for (i = 0; i < ARRAY_SIZE(qemu_symbols); i++)
		if (load_function(handle, QEMU_LIBRARY, qemu_symbols[i].name,
				  qemu_symbols[i].offset))
			return -1;
	return 0;
}
