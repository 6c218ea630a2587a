// SPDX-License-Identifier: GPL-2.0-only
/*
 * Defaults of KVM's parameters.  Ours have them in their descriptions.  The
 * distribution's have not, so the table has those on which both bases agree, and
 * none of those that KVM settles at run time.
 */
#include <stdio.h>
#include <string.h>

#include "nestctl.h"

static const struct {
	const char *module, *name, *value;
} defaults[] = {
	{ "kvm", "eager_page_split", "Y" },
	{ "kvm", "enable_pmu", "Y" },
	{ "kvm", "enable_vmware_backdoor", "N" },
	{ "kvm", "flush_on_reuse", "N" },
	{ "kvm", "force_emulation_prefix", "0" },
	{ "kvm", "halt_poll_ns", "200000" },
	{ "kvm", "halt_poll_ns_grow", "2" },
	{ "kvm", "halt_poll_ns_grow_start", "10000" },
	{ "kvm", "ignore_msrs", "N" },
	{ "kvm", "kvmclock_periodic_sync", "Y" },
	{ "kvm", "min_timer_period_us", "200" },
	{ "kvm", "mmio_caching", "Y" },
	{ "kvm", "report_ignored_msrs", "Y" },
	{ "kvm", "tdp_mmu", "Y" },
	{ "kvm", "tsc_tolerance_ppm", "250" },
	{ "kvm", "vector_hashing", "Y" },
	{ "kvm_intel", "allow_smaller_maxphyaddr", "N" },
	{ "kvm_intel", "dump_invalid_vmcs", "N" },
	{ "kvm_intel", "emulate_invalid_guest_state", "Y" },
	{ "kvm_intel", "enable_apicv", "Y" },
	{ "kvm_intel", "enable_ipiv", "Y" },
	{ "kvm_intel", "enable_shadow_vmcs", "Y" },
	{ "kvm_intel", "ept", "Y" },
	{ "kvm_intel", "eptad", "Y" },
	{ "kvm_intel", "error_on_inconsistent_vmcs_config", "Y" },
	{ "kvm_intel", "fasteoi", "Y" },
	{ "kvm_intel", "flexpriority", "Y" },
	{ "kvm_intel", "nested", "Y" },
	{ "kvm_intel", "nested_early_check", "N" },
	{ "kvm_intel", "ple_gap", "128" },
	{ "kvm_intel", "ple_window", "4096" },
	{ "kvm_intel", "ple_window_grow", "2" },
	{ "kvm_intel", "ple_window_max", "4294967295" },
	{ "kvm_intel", "ple_window_shrink", "0" },
	{ "kvm_intel", "pml", "Y" },
	{ "kvm_intel", "preemption_timer", "Y" },
	{ "kvm_intel", "pt_mode", "0" },
	{ "kvm_intel", "sgx", "Y" },
	{ "kvm_intel", "unrestricted_guest", "Y" },
	{ "kvm_intel", "vnmi", "Y" },
	{ "kvm_intel", "vpid", "Y" },
};

/**
 * text_default() - What a description of ours says to be the default
 * @text: the description, may be NULL
 *
 * Return: memory to be freed; NULL if it says nothing.
 */
char *text_default(const char *text)
{
	const char *word = text ? strstr(text, "(default: ") : NULL;

	if (!word)
		return NULL;
	word += strlen("(default: ");
	return text_of("%.*s", (int)strcspn(word, ")"), word);
}

/**
 * param_default() - What a parameter is if nobody sets it
 * @file: of the module that is loaded, may be empty
 * @module: its name
 * @name: of the parameter
 *
 * Return: memory to be freed; NULL if that is not known.
 */
char *param_default(const struct module_file *file, const char *module, const char *name)
{
	autofree char *prefix = text_of("%s:", name);
	size_t i;

	for (i = 0; i < ARRAY_SIZE(defaults); i++)
		if (!strcmp(defaults[i].module, module) && !strcmp(defaults[i].name, name))
			return text_of("%s", defaults[i].value);
	return text_default(module_info(file, "parm", prefix));
}

static char canonical(const char *value)
{
	if (!strcmp(value, "1") || !strcmp(value, "Y") || !strcmp(value, "y"))
		return 'Y';
	if (!strcmp(value, "0") || !strcmp(value, "N") || !strcmp(value, "n"))
		return 'N';
	return 0;
}

/**
 * param_equal() - Are two values the same, however they are written?
 * @a: one
 * @b: the other
 *
 * Return: true if they are.
 */
bool param_equal(const char *a, const char *b)
{
	/* An empty list. */
	a = *a ? a : "none";
	b = *b ? b : "none";
	return !strcmp(a, b) || (canonical(a) && canonical(a) == canonical(b));
}
