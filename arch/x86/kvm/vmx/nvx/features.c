// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which features are in effect: what the operator left out, what is missing here.
 *
 * A feature is a boolean nvx_<name>.  It is what was asked for until
 * nvx_features_setup(), and what is in effect from then on.
 */
#include <linux/kvm_host.h>
#include <linux/module.h>

#include "vmx/vmx.h"
#include "nvx.h"

#define NEEDS(name)	BIT_ULL(NVX_NEED_##name)

/* One bit each; the one between features and conditions is nobody's. */
enum need {
#define X(name, ...)	NVX_NEED_##name,
	NVX_FEATURES(X, X, X)
	NVX_NR_FEATURES,
	NVX_CONDITIONS(X)
#undef X
	NVX_NR_NEEDS
};

static_assert(NVX_NR_NEEDS <= 64);

/* Each name with a comma behind it, or the end of the string. */
#define X(name, ...)	+ sizeof(#name)
static_assert(0 NVX_FEATURES(X, X, X) <= NVX_LIST_SIZE);
#undef X

#define X(name, on, ...)	bool __read_mostly nvx_##name = on;
NVX_FEATURES(X, X, X)
#undef X

static const struct feature {
	bool *on;
	bool usual;
	u64 needs;
} features[] = {
#define X(name, usual, needs, text)	{ &nvx_##name, usual, needs },
	NVX_FEATURES(X, X, X)
#undef X
};

/* Of features as the operator writes them, of conditions as text. */
static const char * const names[NVX_NR_NEEDS] = {
#define X(name, ...) \
	[NVX_NEED_##name] = #name,
	NVX_FEATURES(X, X, X)
#undef X
#define X(name, holds, text) \
	[NVX_NEED_##name] = text,
	NVX_CONDITIONS(X)
#undef X
};

/* By nvx_off=, and by names of parameters that it has replaced. */
static u64 left_out, left_out_as_before;

static int list_features(char list[NVX_LIST_SIZE], u64 which)
{
	int i, len = 0;

	list[0] = '\0';
	for (i = 0; i < NVX_NR_FEATURES; i++)
		if (which & BIT_ULL(i))
			len += scnprintf(list + len, NVX_LIST_SIZE - len, "%s%s",
					 len ? "," : "", names[i]);
	return len;
}

/**
 * nvx_list_features() - Name the features that are in effect
 * @list: becomes their names, with commas in between
 *
 * Return: length of the list.
 */
int nvx_list_features(char list[NVX_LIST_SIZE])
{
	u64 which = 0;
	int i;

	for (i = 0; i < NVX_NR_FEATURES; i++)
		if (READ_ONCE(*features[i].on))
			which |= BIT_ULL(i);
	return list_features(list, which);
}

/* ---- parameters */

static int off_set(const char *val, const struct kernel_param *kp)
{
	char *copy = kstrdup(val, GFP_KERNEL), *rest = copy, *name;
	char known[NVX_LIST_SIZE];
	u64 off = 0;
	int i;

	if (!copy)
		return -ENOMEM;

	while ((name = strsep(&rest, ","))) {
		if (!*name)
			continue;
		i = match_string(names, NVX_NR_FEATURES, name);
		if (i < 0) {
			list_features(known, ~0ull);
			pr_err("kvm_intel: nvx_off=%s refused: there is no feature '%s'; give some of %s\n",
			       val, name, known);
			kfree(copy);
			return -EINVAL;
		}
		off |= BIT_ULL(i);
	}
	kfree(copy);
	left_out = off;
	return 0;
}

static int off_get(char *buffer, const struct kernel_param *kp)
{
	char list[NVX_LIST_SIZE];

	list_features(list, left_out | left_out_as_before);
	return sysfs_emit(buffer, "%s\n", list);
}

static const struct kernel_param_ops off_ops = {
	.set = off_set,
	.get = off_get,
};

module_param_cb(nvx_off, &off_ops, NULL, 0444);
__MODULE_PARM_TYPE(nvx_off, "charp");
MODULE_PARM_DESC(nvx_off, "features to leave out, with commas in between; nvx_feature above names them (default: none)");

static int features_set(const char *val, const struct kernel_param *kp)
{
	pr_err("kvm_intel: nvx_features=%s refused: it is there to be read; leave features out with nvx_off=\n",
	       val);
	return -EINVAL;
}

static int features_get(char *buffer, const struct kernel_param *kp)
{
	char list[NVX_LIST_SIZE];

	nvx_list_features(list);
	return sysfs_emit(buffer, "%s\n", list);
}

static const struct kernel_param_ops features_ops = {
	.set = features_set,
	.get = features_get,
};

module_param_cb(nvx_features, &features_ops, NULL, 0444);
__MODULE_PARM_TYPE(nvx_features, "charp");
MODULE_PARM_DESC(nvx_features, "to be read in /sys: the features in effect");

/* A parameter of this name was there before nvx_off=. */
static int feature_set(const char *val, const struct kernel_param *kp)
{
	unsigned int i = (unsigned long)kp->arg;
	bool on;
	int r;

	r = kstrtobool(val, &on);
	if (r)
		return r;

	if (on) {
		left_out_as_before &= ~BIT_ULL(i);
		pr_warn("kvm_intel: %s=1 is obsolete: leave it out, %s is on unless nvx_off= names it\n",
			kp->name, names[i]);
	} else {
		left_out_as_before |= BIT_ULL(i);
		pr_warn("kvm_intel: %s=0 is obsolete: write nvx_off=%s\n",
			kp->name, names[i]);
	}
	return 0;
}

static const struct kernel_param_ops feature_ops = {
	.set = feature_set,
};

/* Neither modinfo nor /sys shows them. */
#define F(name, on, needs, text)						\
	module_param_cb(nvx_##name, &feature_ops, (void *)NVX_NEED_##name, 0);
#define OWN(name, on, mode)							\
	module_param(nvx_##name, bool, mode);					\
	MODULE_PARM_DESC(nvx_##name, "the feature " #name " (default: " #on ")");
#define P(name, on, needs, text)	OWN(name, on, 0444)
#define W(name, on, needs, text)	OWN(name, on, 0644)
NVX_FEATURES(F, P, W)

#ifdef CONFIG_KVM_NVX_PV
/* The parameter had another name than the feature has. */
module_param_cb(nvx_pv_shim, &feature_ops, (void *)NVX_NEED_shim_page, 0);
#endif

#define X(name, on, needs, text)						\
	MODULE_INFO(nvx_feature, #name ": " text " (default: " #on ")");
NVX_FEATURES(X, X, X)
#undef X

/* ---- what is in effect */

static bool __init holds(enum need condition, bool nested)
{
	/* Asks for the one only. */
	return
#define X(name, holds, text)	(condition == NVX_NEED_##name && (holds)) ||
		NVX_CONDITIONS(X)
#undef X
		false;
}

/* Without those of @have.  What costs something is not asked before it matters. */
static u64 __init missing(u64 needs, u64 have, bool nested)
{
	int i;

	needs &= ~have;
	for (i = NVX_NR_FEATURES; i < NVX_NR_NEEDS; i++)
		if ((needs & BIT_ULL(i)) && holds(i, nested))
			needs &= ~BIT_ULL(i);
	return needs;
}

/**
 * nvx_features_setup() - Settle which features are in effect
 * @nested: nested virtualization is offered to guests
 *
 * Context: Module initialization, after enable_ept and friends are final.
 */
void __init nvx_features_setup(bool nested)
{
	u64 off = nvx_master_switch() ? left_out | left_out_as_before : ~0ull;
	u64 have = 0, lacks;
	int i;

	for (i = 0; i < NVX_NR_FEATURES; i++) {
		const struct feature *f = &features[i];

		if (!*f->on || (off & BIT_ULL(i))) {
			*f->on = false;
			continue;
		}
		lacks = missing(f->needs, have, nested);
		*f->on = !lacks;
		if (!lacks)
			have |= BIT_ULL(i);
		else if (!f->usual)
			pr_info("kvm_intel: nvx_%s=1 has no effect: it needs %s\n",
				names[i], names[__ffs64(lacks)]);
	}
}
