// SPDX-License-Identifier: GPL-2.0-only
/*
 * features.c of kvm-intel.ko without a kernel: words are parameters as insmod takes
 * them, or @CONDITION=0|1 of the machine.  Prints what the log, /sys and modinfo would
 * have.  Built by features_test.py, with empty headers in the place of the kernel's.
 */
#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint64_t u64;

#define BIT_ULL(n)		(1ull << (n))
#define GFP_KERNEL		0
#define __init
#define __read_mostly
#define READ_ONCE(x)		(x)
#define ARRAY_SIZE(a)		(sizeof(a) / sizeof((a)[0]))
#define pr_info			printf
#define pr_warn			printf
#define pr_err			printf
#define kfree			free
#define kstrdup(s, gfp)		strdup(s)
#define sysfs_emit		sprintf
#define __ffs64			__builtin_ctzll

struct kernel_param {
	const char *name;
	const struct kernel_param_ops *ops;
	void *arg;
	int mode;
};

struct kernel_param_ops {
	int (*set)(const char *val, const struct kernel_param *kp);
	int (*get)(char *buffer, const struct kernel_param *kp);
};

static struct kernel_param params[64];
static unsigned int nr_params;

#define REGISTER(n, o, a, m)						\
	static void __attribute__((constructor)) add_##n(void)		\
	{								\
		params[nr_params++] = (struct kernel_param){ #n, o, a, m };	\
	}
#define module_param_cb(name, ops, arg, mode)	REGISTER(name, ops, arg, mode)
#define module_param(name, type, mode)		REGISTER(name, &type##_ops, &name, mode)
#define __MODULE_PARM_TYPE(name, type)		struct no_##name##_type
#define MODULE_PARM_DESC(name, text)		struct no_##name##_text
#define MODULE_INFO(tag, text)			struct no_info

static int kstrtobool(const char *s, bool *on)
{
	if (!strchr("01ynYN", *s) || !*s)
		return -EINVAL;
	*on = strchr("1yY", *s);
	return 0;
}

static int bool_set(const char *val, const struct kernel_param *kp)
{
	return kstrtobool(val, kp->arg);
}

static int bool_get(char *buffer, const struct kernel_param *kp)
{
	return sprintf(buffer, "%c\n", *(bool *)kp->arg ? 'Y' : 'N');
}

static const struct kernel_param_ops bool_ops = { bool_set, bool_get };

static int scnprintf(char *to, size_t size, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(to, size, format, args);
	va_end(args);
	return n < (int)size ? n : (int)size - 1;
}

static int match_string(const char * const *array, size_t n, const char *string)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (!strcmp(array[i], string))
			return i;
	return -EINVAL;
}

/* The machine. */
static bool nvx = true, nested_on = true, enable_ept = true, msr_bitmap = true;
static bool short_forms = true, direct_forms = true, pv_host;
static int asked_host;

static bool nvx_master_switch(void) { return nvx; }
static bool cpu_has_vmx_msr_bitmap(void) { return msr_bitmap; }
static bool nvx_fast_possible(void) { return short_forms; }
static bool nvx_fast_direct_wanted(void) { return direct_forms; }

static bool nvx_host_offers_pv(void)
{
	asked_host++;
	return pv_host;
}

#ifndef NVX_LIST_SIZE
#define NVX_LIST_SIZE		256
#endif
#define CONFIG_KVM_NVX_EXITS
#define CONFIG_KVM_NVX_VEPT
#define CONFIG_KVM_NVX_FAST
#define CONFIG_KVM_NVX_PV
#define CONFIG_KVM_NVX_BYPASS

#include "features.h"
#include "features.c"

static const struct {
	const char *name;
	bool *value;
} machine[] = {
	{ "nvx", &nvx }, { "nested", &nested_on }, { "ept", &enable_ept },
	{ "msr_bitmap", &msr_bitmap }, { "short_forms", &short_forms },
	{ "direct_forms", &direct_forms }, { "pv_host", &pv_host },
};

static int set_machine(const char *name, const char *value)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(machine); i++)
		if (!strcmp(machine[i].name, name))
			return kstrtobool(value, machine[i].value);
	return -ENOENT;
}

static int set_param(const char *name, const char *value)
{
	unsigned int i;

	for (i = 0; i < nr_params; i++)
		if (!strcmp(params[i].name, name))
			return params[i].ops->set(value, &params[i]);
	return -ENOENT;
}

int main(int argc, char *argv[])
{
	char value[4096], *name;
	unsigned int i;
	int r = 0;

	while (!r && *++argv) {
		name = strsep(argv, "=");
		r = *name == '@' ? set_machine(name + 1, *argv) : set_param(name, *argv);
	}
	if (r) {
		printf("refused %d\n", r);
		return 1;
	}
	nvx_features_setup(nested_on);
	for (i = 0; i < nr_params; i++) {
		if (!params[i].mode)
			continue;
		params[i].ops->get(value, &params[i]);
		printf("%s=%s", params[i].name, value);
	}
	printf("asked the host below: %d\n", asked_host);
	return 0;
}
