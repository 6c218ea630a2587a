// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who runs VMs: the file descriptors of all processes tell.
 */
#include <ctype.h>
#include <string.h>

#include "nestctl.h"

#define VM_LINK		"anon_inode:kvm-vm"
#define VCPU_LINK	"anon_inode:kvm-vcpu"

struct use {
	int vms, vcpus;
	bool device;
};

/* 0, or -1 if its descriptors may not be looked at. */
static int look_into(const char *pid, struct use *use)
{
	struct dirent **fds;
	int i, nr = list(&fds, "/proc/%s/fd", pid);

	if (nr < 0)
		return exists("/proc/%s/fd", pid) ? -1 : 0;
	for (i = 0; i < nr; i++) {
		autofree char *link = read_link("/proc/%s/fd/%s", pid, fds[i]->d_name);

		if (!link)
			continue;
		use->vms += !strcmp(link, VM_LINK);
		use->vcpus += !strncmp(link, VCPU_LINK, strlen(VCPU_LINK));
		use->device |= !strcmp(link, "/dev/kvm");
	}
	free_list(fds, nr);
	return 0;
}

/* Of QEMU's "-name guest=NAME,..." or "-name NAME". */
static char *guest_name(const char *pid)
{
	autofree char *line = NULL;
	const char *word, *name = NULL;
	size_t size, at;

	line = read_data(&size, "/proc/%s/cmdline", pid);
	for (at = 0; line && at < size && !name; at += strlen(word) + 1) {
		word = line + at;
		if (!strcmp(word, "-name") && at + strlen(word) + 1 < size)
			name = word + strlen(word) + 1;
	}
	if (!name)
		return NULL;
	if (!strncmp(name, "guest=", 6))
		name += 6;
	return printable(text_of("%.*s", (int)strcspn(name, ","), name));
}

/**
 * find_vms() - List the processes that have VMs, or /dev/kvm open
 * @vms: array to add them to
 *
 * Return: how many processes could not be looked into.
 */
int find_vms(struct json_object *vms)
{
	struct dirent **pids;
	int i, nr = list(&pids, "/proc"), unreadable = 0;

	for (i = 0; i < nr; i++) {
		const char *pid = pids[i]->d_name;
		struct use use = { 0 };
		struct json_object *vm;

		if (!isdigit((unsigned char)*pid))
			continue;
		unreadable += look_into(pid, &use) < 0;
		if (!use.vms && !use.device)
			continue;
		vm = append_object(vms);
		autofree char *comm = printable(read_text("/proc/%s/comm", pid));
		autofree char *name = guest_name(pid);

		put_int(vm, "pid", strtoll(pid, NULL, 10));
		put_string(vm, "command", comm ?: "?");
		put_string(vm, "name", name);
		put_int(vm, "vms", use.vms);
		put_int(vm, "vcpus", use.vcpus);
	}
	free_list(pids, nr);
	return unreadable;
}
