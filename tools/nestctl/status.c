// SPDX-License-Identifier: GPL-2.0-only
/*
 * nestctl status: what is loaded, who uses it.
 */
#include <stdio.h>
#include <string.h>

#include "nestctl.h"

static const struct argp_child children[] = { { &common_argp, 0, NULL, 0 }, { 0 } };

static const struct argp status_argp = {
	.doc = "Say which KVM is loaded (the distribution's or nvx) and from which file, which of its "
	       "parameters differ from their defaults, which processes have VMs, and whether the shim "
	       "of vmm-refresh is below this kernel.\v"
	       "The status is 2 if some processes could not be looked into: ask as root.",
	.children = children,
};

static struct json_object *refresh_status(void)
{
	autofree char *state = printable(read_text("/sys/class/misc/vmm-refresh/state"));
	struct json_object *refresh = json_object_new_object();

	put_bool(refresh, "loaded", module_loaded("vmm_refresh"));
	put_string(refresh, "state", state);
	return refresh;
}

static void print_module(struct json_object *module)
{
	struct json_object *params = get(module, "parameters"), *param;
	const char *file = get_string(module, "file");
	const char *version = get_string(module, "version");
	const char *id = get_string(module, "srcversion") ?: get_string(module, "build_id");
	size_t i;

	if (!get_bool(module, "loaded"))
		return;
	say(PLAIN, "  %s: from %s\n", get_string(module, "name"),
	    file ?: "no file that is installed for this kernel");
	if (version)
		say(PLAIN, "    version %s\n", version);
	if (id)
		say(DIM, "    %s %s\n", get_string(module, "srcversion") ? "srcversion" : "build ID",
		    id);
	for (i = 0; i < length(params); i++) {
		param = item(params, i);
		say(WARN, "    %s=%s", get_string(param, "name"), get_string(param, "value"));
		say(PLAIN, " (default: %s)\n", get_string(param, "default"));
	}
}

static void print_vm(struct json_object *vm)
{
	const char *name = get_string(vm, "name");

	say(PLAIN, "  %lld %s%s%s", (long long)get_int(vm, "pid"), get_string(vm, "command"),
	    name ? " " : "", name ?: "");
	if (get_int(vm, "vms"))
		say(PLAIN, ": %lld VM(s), %lld vCPU(s)\n", (long long)get_int(vm, "vms"),
		    (long long)get_int(vm, "vcpus"));
	else
		say(PLAIN, ": /dev/kvm is open, no VM\n");
}

static void print_status(struct json_object *report)
{
	struct json_object *modules = get(report, "modules"), *vms = get(report, "vms");
	struct json_object *refresh = get(report, "refresh");
	const char *state = get_string(refresh, "state");
	size_t i;

	say(BOLD, "KVM: ");
	say(PLAIN, "%s, kernel %s\n", get_string(report, "kvm"), get_string(report, "kernel"));
	for (i = 0; i < length(modules); i++)
		print_module(item(modules, i));
	say(BOLD, "VMs: ");
	say(PLAIN, length(vms) ? "\n" : "none\n");
	for (i = 0; i < length(vms); i++)
		print_vm(item(vms, i));
	if (get_int(report, "unreadable"))
		say(WARN, "  %lld processes could not be looked into: ask as root\n",
		    (long long)get_int(report, "unreadable"));
	say(BOLD, "vmm-refresh: ");
	say(state && !strcmp(state, "panicked") ? BAD : PLAIN, "%s\n",
	    !get_bool(refresh, "loaded") ? "not loaded" : state ?: "loaded, state unknown");
}

static int status(int argc, char **argv)
{
	struct json_object *report, *modules;
	autofree char *release = NULL;
	int unreadable;

	command_parse(&status_command, argc, argv, NULL);
	release = kernel_release();
	report = new_report("nestctl-status-1");
	put_string(report, "kernel", release);
	put_string(report, "kvm", which_kvm());
	modules = put_array(report, "modules");
	json_object_array_add(modules, module_status("kvm"));
	json_object_array_add(modules, module_status("kvm_intel"));
	unreadable = find_vms(put_array(report, "vms"));
	put_int(report, "unreadable", unreadable);
	json_object_object_add(report, "refresh", refresh_status());
	return finish(report, print_status, unreadable ? EXIT_UNKNOWN : EXIT_OK);
}

const struct command status_command = {
	.name = "status",
	.argp = &status_argp,
	.run = status,
};
