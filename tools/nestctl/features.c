// SPDX-License-Identifier: GPL-2.0-only
/*
 * nestctl features: what nvx has, and what of it is in effect.
 */
#include <stdio.h>
#include <string.h>

#include "nestctl.h"

static const struct argp_child children[] = { { &common_argp, 0, NULL, 0 }, { 0 } };

static const struct argp features_argp = {
	.doc = "List the features of nvx and the parameters of kvm_intel that nvx adds, with their "
	       "values in effect if it is loaded, and their defaults.  nestctl load nvx_off=NAME,NAME "
	       "leaves features out, PARAMETER=VALUE sets a parameter.\v"
	       "The status is 1 if nvx is neither loaded nor installed for this kernel.",
	.children = children,
};

#define PARAMETERS	"/sys/module/kvm_intel/parameters"

static void add_row(struct json_object *array, const char *kind, const char *name,
		    const char *value, const char *text)
{
	autofree char *usual = text_default(text);
	struct json_object *row = append_object(array);

	put_string(row, "kind", kind);
	put_string(row, "name", name);
	put_string(row, "value", nvx_loaded() ? value : NULL);
	put_string(row, "default", usual);
	put_string(row, "text", text);
}

static bool in_effect(const char *name)
{
	autofree char *list = read_text(PARAMETERS "/nvx_features");
	char *word, *rest = list;

	while ((word = strsep(&rest, ",\n")))
		if (!strcmp(word, name))
			return true;
	return false;
}

static void add_feature(struct json_object *array, const struct module_file *file,
			const char *name)
{
	autofree char *prefix = text_of("%s: ", name);

	add_row(array, "feature", name, in_effect(name) ? "1" : "0",
		module_info(file, "nvx_feature", prefix));
}

/* What lists the features is no news beside them. */
static void add_param(struct json_object *array, const struct module_file *file,
		      const char *name)
{
	autofree char *value = printable(read_text(PARAMETERS "/%s", name));
	autofree char *prefix = text_of("%s:", name);

	if (strcmp(name, "nvx_features"))
		add_row(array, "parameter", name, value, module_info(file, "parm", prefix));
}

/* From the file that is loaded, or would be. */
static void add_described(struct json_object *array, const struct module_file *file)
{
	const char *entry, *name;
	size_t at;

	for (at = 0; at < file->modinfo_size; at += strlen(entry) + 1) {
		entry = file->modinfo + at;
		name = strchr(entry, '=');
		if (!name++)
			continue;
		autofree char *word = text_of("%.*s", (int)strcspn(name, ":"), name);

		if (!strncmp(entry, "nvx_feature=", 12))
			add_feature(array, file, word);
		else if (!strncmp(entry, "parm=nvx", 8))
			add_param(array, file, word);
	}
}

/* What is loaded without a file that would describe it. */
static void add_nameless(struct json_object *array, const struct module_file *file)
{
	autofree char *list_of_on = read_text(PARAMETERS "/nvx_features");
	char *word, *rest = list_of_on;
	struct dirent **entries;
	int i, nr = list(&entries, PARAMETERS);

	while ((word = strsep(&rest, ",\n")))
		if (*word)
			add_feature(array, file, word);
	for (i = 0; i < nr; i++)
		if (!strncmp(entries[i]->d_name, "nvx", 3))
			add_param(array, file, entries[i]->d_name);
	free_list(entries, nr);
}

/* Features first. */
static int by_name(const void *a, const void *b)
{
	struct json_object *one = *(struct json_object *const *)a;
	struct json_object *other = *(struct json_object *const *)b;
	int order = strcmp(get_string(one, "kind"), get_string(other, "kind"));

	return order ?: strcmp(get_string(one, "name"), get_string(other, "name"));
}

static void print_features(struct json_object *report)
{
	struct json_object *features = get(report, "features"), *feature;
	const char *value, *usual, *text;
	size_t i;

	if (!get_bool(report, "loaded"))
		say(WARN, "nvx is not loaded: these are the features of %s\n",
		    get_string(report, "file"));
	for (i = 0; i < length(features); i++) {
		feature = item(features, i);
		value = get_string(feature, "value");
		usual = get_string(feature, "default");
		text = get_string(feature, "text");
		say(BOLD, "%-21s", get_string(feature, "name"));
		say(value && usual && !param_equal(value, usual) ? WARN : PLAIN, " %-4s",
		    value ? (*value ? value : "none") : "-");
		if (text)
			say(PLAIN, " %s\n", text);
		else
			say(PLAIN, " (no file of this module is installed that would describe it)\n");
	}
}

static int features(int argc, char **argv)
{
	struct module_file file = { 0 };
	struct json_object *report, *array;
	autofree char *release = NULL;
	autofree char *path = NULL;

	command_parse(&features_command, argc, argv, NULL);
	release = kernel_release();
	if (nvx_loaded()) {
		path = module_origin("kvm_intel", &file);
	} else {
		path = module_path(release, "kvm-intel", true);
		if (!path)
			die(EXIT_REFUSED,
			    "nvx is neither loaded nor installed for %s: make modules && sudo make install",
			    release);
		if (module_read(&file, path))
			die(EXIT_UNKNOWN, "%s is no module, or cannot be read: install it anew",
			    path);
	}
	report = new_report("nestctl-features-1");
	put_bool(report, "loaded", nvx_loaded());
	put_string(report, "file", path);
	array = put_array(report, "features");
	if (path)
		add_described(array, &file);
	else
		add_nameless(array, &file);
	json_object_array_sort(array, by_name);
	module_free(&file);
	return finish(report, print_features, EXIT_OK);
}

const struct command features_command = {
	.name = "features",
	.argp = &features_argp,
	.run = features,
};
