// SPDX-License-Identifier: GPL-2.0-only
/*
 * nestctl stats --prometheus: the counters in Prometheus' text format, for the textfile
 * collector of its node exporter.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../../arch/x86/kvm/mmu/nvx/counters.h"
#include "boot.h"
#include "nestctl.h"

static const struct {
	const char *name, *text;
} counters[] = {
#define C(name, text) { #name, text },
	NVX_COUNTERS(C)
#undef C
};

/* A module of another version may have one that is not known here. */
static const char *text_about(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(counters); i++)
		if (!strcmp(name, counters[i].name))
			return counters[i].text;
	return "a counter of nvx";
}

static void head(FILE *out, const char *name, const char *type, const char *text)
{
	fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, text, name, type);
}

static void put_loaded(FILE *out, const char *name, bool loaded)
{
	autofree char *metric = text_of("%s_loaded", name);
	autofree char *text = text_of("1 while %s is loaded", name);

	head(out, metric, "gauge", text);
	fprintf(out, "%s %d\n", metric, loaded);
}

static void put_features(FILE *out)
{
	autofree char *list = read_text("/sys/module/kvm_intel/parameters/nvx_features");
	char *word, *rest = list;

	if (!list)
		return;
	head(out, "nvx_feature_info", "gauge", "features of nvx in effect, 1 for each");
	while ((word = strsep(&rest, ",\n")))
		if (*word && strcmp(word, "none"))
			fprintf(out, "nvx_feature_info{feature=\"%s\"} 1\n", word);
}

/* shim_host_exits_10: of whom, and why. */
static bool shim_labels(const char *name, const char **of, unsigned int *reason)
{
	*of = sscanf(name, "shim_host_exits_%u", reason) == 1 ? "host" :
	      sscanf(name, "shim_guest_exits_%u", reason) == 1 ? "guest" : NULL;
	return *of;
}

static void put_counters(FILE *out, struct json_object *all)
{
	struct json_object *counter;
	unsigned int reason;
	const char *of;
	size_t i;

	for (i = 0; i < length(all); i++) {
		counter = item(all, i);
		autofree char *metric = text_of("nvx_%s_total", get_string(counter, "name"));

		if (shim_labels(get_string(counter, "name"), &of, &reason))
			continue;
		head(out, metric, "counter", text_about(get_string(counter, "name")));
		fprintf(out, "%s %lld\n", metric, (long long)get_int(counter, "value"));
	}
	if (!module_loaded("vmm_refresh"))
		return;
	head(out, "vmm_refresh_exits_total", "counter", "exits to the shim by basic exit reason");
	for (i = 0; i < length(all); i++) {
		counter = item(all, i);
		if (shim_labels(get_string(counter, "name"), &of, &reason))
			fprintf(out, "vmm_refresh_exits_total{of=\"%s\",reason=\"%u\"} %lld\n", of,
				reason, (long long)get_int(counter, "value"));
	}
}

/* While there is a second kernel: the shim counts from when it is made. */
static void put_denials(FILE *out)
{
	static const char *const kernels[] = { "first", "second" };
	struct json_object *report, *kinds;
	struct partition partition;
	size_t i, j;

	partition_open(&partition);
	if (partition.error || partition.status.state == VMM_REFRESH_PART_NONE) {
		partition_close(&partition);
		return;
	}
	report = json_object_new_object();
	put_denied(report, &partition);
	partition_close(&partition);
	kinds = get(report, "denied");
	if (length(kinds))
		head(out, "vmm_refresh_denied_total", "counter",
		     "accesses of a kernel that the shim denied, by kind");
	for (i = 0; i < length(kinds); i++)
		for (j = 0; j < ARRAY_SIZE(kernels); j++)
			fprintf(out, "vmm_refresh_denied_total{kernel=\"%s\",kind=\"%s\"} %lld\n",
				kernels[j], get_string(item(kinds, i), "kind"),
				(long long)get_int(item(kinds, i), kernels[j]));
	json_object_put(report);
}

static void put_metrics(FILE *out, struct json_object *all)
{
	put_loaded(out, "nvx", nvx_loaded());
	put_loaded(out, "vmm_refresh", module_loaded("vmm_refresh"));
	put_features(out);
	put_counters(out, all);
	if (module_loaded("vmm_refresh"))
		put_denials(out);
}

/**
 * write_metrics() - Print all counters for Prometheus
 * @all: counters as in nestctl-stats-1
 * @path: file that is replaced as a whole, because the collector may read it at any time;
 *	  NULL: stdout
 *
 * Return: an exit status.
 */
int write_metrics(struct json_object *all, const char *path)
{
	autofree char *fresh = path ? text_of("%s.new", path) : NULL;
	FILE *out = path ? fopen(fresh, "w") : stdout;
	bool bad;

	if (!out) {
		complain("cannot write %s: %s: is its directory there?", fresh, strerror(errno));
		return EXIT_UNKNOWN;
	}
	put_metrics(out, all);
	bad = fflush(out) || ferror(out);
	if (path)
		bad |= fclose(out) || rename(fresh, path);
	if (!bad)
		return EXIT_OK;
	complain("cannot write %s: %s", path ?: "the output", strerror(errno));
	if (path)
		unlink(fresh);
	return EXIT_UNKNOWN;
}
