// SPDX-License-Identifier: GPL-2.0-only
/*
 * nestctl load and unload: exchange the KVM modules, the distribution's for nvx or back.
 * First all that may refuse it, then the steps, then a look at what came of them.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "doctor.h"
#include "nestctl.h"
#include "steps.h"

enum { KEY_FROM = 0x300, KEY_NONE, KEY_TOOLS };

static struct exchange {
	const char *name;
	bool to_nvx, none, dry;
	const char *from;
	char *files[2];			/* of kvm and kvm_intel */
	char *params[2];
	char build_id[2 * 32 + 1];
	struct steps steps;
	struct json_object *refusals;
} exchange;

static const char *const modules[] = { "kvm", "kvm_intel" };
static const char *const stems[] = { "kvm", "kvm-intel" };

/* ---- arguments */

static void add_param(const char *arg, struct argp_state *state)
{
	int which = !strncmp(arg, "kvm.", 4) ? 0 : 1;
	char *longer;

	if (!strchr(arg, '=') || strpbrk(arg, " \t\n\""))
		argp_error(state, "'%s' is no NAME=VALUE", arg);
	if (!which)
		arg += 4;
	else if (!strncmp(arg, "kvm_intel.", 10) || !strncmp(arg, "kvm-intel.", 10))
		arg += 10;
	longer = text_of("%s %s", exchange.params[which] ?: "", arg);
	free(exchange.params[which]);
	exchange.params[which] = longer;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	switch (key) {
	case 'n':
		exchange.dry = true;
		return 0;
	case KEY_FROM:
		exchange.from = arg;
		return 0;
	case KEY_NONE:
		exchange.none = true;
		return 0;
	case KEY_TOOLS:
		tools = arg;
		return 0;
	case ARGP_KEY_ARG:
		add_param(arg, state);
		return 0;
	case ARGP_KEY_END:
		if (exchange.none && (exchange.params[0] || exchange.params[1]))
			argp_error(state, "--none loads nothing that could take parameters");
		if (*opt_root && !tools && !exchange.dry)
			argp_error(state, "--root is for --dry-run: modules are loaded into the running kernel");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

#define COMMON_OPTIONS								\
	{ "dry-run", 'n', NULL, 0, "do every check, print the commands, change nothing", 0 },	\
	{ "tools", KEY_TOOLS, "DIR", OPTION_HIDDEN, "where insmod and rmmod are", 0 }

static const struct argp_option load_options[] = {
	COMMON_OPTIONS,
	{ "from", KEY_FROM, "DIR", 0,
	  "load kvm.ko and kvm-intel.ko of DIR, instead of those installed", 0 },
	{ 0 }
};

static const struct argp_option unload_options[] = {
	COMMON_OPTIONS,
	{ "none", KEY_NONE, NULL, 0, "load no KVM instead", 0 },
	{ 0 }
};

static const struct argp_child children[] = { { &common_argp, 0, NULL, 0 }, { 0 } };

#define LOAD_DOC								\
	"Refused while VMs run or another module uses KVM, on a CPU without VMX, and if the "	\
	"modules do not fit this kernel or it would not take them.  If a step fails, those before "	\
	"are undone, the last first, and the modules are loaded that were there before."

static const struct argp load_argp = {
	.options = load_options,
	.parser = parse,
	.args_doc = "[NAME=VALUE...]",
	.doc = "Exchange the KVM modules that are loaded for those of nvx, now.  NAME=VALUE are "
	       "parameters of kvm_intel, kvm.NAME=VALUE of kvm.\v" LOAD_DOC,
	.children = children,
};

static const struct argp unload_argp = {
	.options = unload_options,
	.parser = parse,
	.args_doc = "[NAME=VALUE...]",
	.doc = "Unload the KVM modules and load the distribution's, now.  NAME=VALUE are parameters of "
	       "kvm_intel, kvm.NAME=VALUE of kvm.\v" LOAD_DOC,
	.children = children,
};

/* ---- refusals */

static void refuse(const char *id, const char *text, const char *cure)
{
	struct json_object *refusal = append_object(exchange.refusals);

	put_string(refusal, "id", id);
	put_string(refusal, "text", text);
	put_string(refusal, "cure", cure);
}

static void refuse_finding(const char *id, struct finding finding)
{
	if (finding.state == MISSING)
		refuse(id, finding.text, finding.cure);
	free(finding.text);
	free(finding.cure);
}

static void check_users(void)
{
	struct json_object *vms = json_object_new_array(), *vm;
	long long users = read_int(0, "/sys/module/kvm_intel/refcnt");
	size_t i;

	find_vms(vms);
	for (i = 0; i < length(vms); i++) {
		autofree char *text = NULL;
		const char *name;

		vm = item(vms, i);
		name = get_string(vm, "name");
		text = text_of("process %lld (%s%s%s) has %s", (long long)get_int(vm, "pid"),
			       get_string(vm, "command"), name ? " " : "", name ?: "",
			       get_int(vm, "vms") ? "a VM" : "/dev/kvm open");
		refuse("vm", text, "shut its VMs down, or end it");
	}
	if (users > 0 && !length(vms)) {
		autofree char *text = text_of("kvm_intel has %lld user(s)", users);

		refuse("users", text, "shut the VMs down ('virsh list', 'fuser -v /dev/kvm')");
	}
	json_object_put(vms);
}

static void check_holders(void)
{
	struct dirent **entries;
	int i, nr = list(&entries, "/sys/module/kvm/holders");

	for (i = 0; i < nr; i++) {
		autofree char *text = text_of("module %s uses kvm", entries[i]->d_name);
		autofree char *cure = text_of("rmmod %s", entries[i]->d_name);

		if (strcmp(entries[i]->d_name, "kvm_intel"))
			refuse("holder", text, cure);
	}
	free_list(entries, nr);
}

static bool has_feature(const struct module_file *file, const char *name)
{
	autofree char *prefix = text_of("%s:", name);

	return module_info(file, "nvx_feature", prefix);
}

/* The kernel would refuse them when the old module has gone already. */
static void check_features(const struct module_file *file, const char *names)
{
	autofree char *copy = text_of("%s", names);
	char *word, *rest = copy;

	while ((word = strsep(&rest, ","))) {
		autofree char *text = text_of("nvx has no feature '%s'", word);

		if (*word && !has_feature(file, word))
			refuse("parameter", text, "see nestctl features");
	}
}

/* A parameter that the module has not is ignored by the kernel, with a line in its log. */
static void check_params(const struct module_file *file, int which)
{
	autofree char *copy = text_of("%s", exchange.params[which] ?: "");
	char *word, *rest = copy;

	while ((word = strsep(&rest, " "))) {
		autofree char *prefix = text_of("%.*s:", (int)strcspn(word, "="), word);
		autofree char *text = text_of("%s has no parameter '%.*s'", modules[which],
					      (int)strcspn(word, "="), word);
		autofree char *name = text_of("%.*s", (int)strcspn(word, "="), word);
		bool feature = !strncmp(name, "nvx_", 4) && has_feature(file, name + 4);
		autofree char *cure = feature ?
			text_of("write nvx_off=%s to leave it out", name + 4) :
			text_of("see modinfo -p %s", exchange.files[which]);

		if (*word && !module_info(file, "parmtype", prefix))
			refuse("parameter", text, cure);
		else if (!strncmp(word, "nvx_off=", 8))
			check_features(file, word + 8);
	}
}

static char *wanted_file(const char *release, int which)
{
	char *path;

	if (!exchange.from)
		return module_path(release, stems[which], exchange.to_nvx);
	path = text_of("%s/%s.ko", exchange.from, stems[which]);
	if (exists("%s", path))
		return path;
	free(path);
	return NULL;
}

static void check_file(const char *release, int which)
{
	autofree char *want = text_of("%s ", release);
	autofree char *text = NULL;
	struct module_file file = { 0 };
	const char *magic;

	exchange.files[which] = wanted_file(release, which);
	if (!exchange.files[which]) {
		text = text_of("there is no %s.ko of %s for kernel %s", stems[which],
			       exchange.to_nvx ? "nvx" : "the distribution", release);
		refuse("file", text, exchange.to_nvx ?
		       "make modules && sudo make install, or --from DIR" :
		       "install the kernel's package anew, or --none to load no KVM");
		return;
	}
	if (module_read(&file, exchange.files[which])) {
		text = text_of("%s is no module, or cannot be read", exchange.files[which]);
		refuse("file", text, "build or install it anew");
	} else {
		magic = module_info(&file, "vermagic", "");
		if (!magic || strncmp(magic, want, strlen(want))) {
			text = text_of("%s was built for kernel %s, and %s runs",
				       exchange.files[which], magic ?: "(it does not say)",
				       release);
			refuse("file", text, "make modules for the running kernel");
		}
		if (exchange.to_nvx && !file.is_signed && signatures_enforced()) {
			text = text_of("the kernel takes signed modules only, and %s has no signature",
				       exchange.files[which]);
			refuse("signature", text, "sign it with a key that the kernel trusts, or switch Secure Boot off");
		}
		check_params(&file, which);
		strcpy(exchange.build_id, file.build_id);
	}
	module_free(&file);
}

static void check_all(void)
{
	autofree char *release = kernel_release();
	int i;

	exchange.refusals = json_object_new_array();
	if (!exchange.dry && !*opt_root && geteuid())
		refuse("root", "loading modules takes root", "use sudo");
	if (!exchange.none)
		refuse_finding("vmx", check_vmx());
	check_users();
	check_holders();
	for (i = 0; i < 2 && !exchange.none; i++)
		check_file(release, i);
}

/* ---- steps */

/* A kvm_intel of one build does not fit a kvm of another: both, or neither. */
static bool origins_known(void)
{
	bool known = true;
	int i;

	for (i = 0; i < 2; i++) {
		struct module_file file;
		autofree char *path = module_origin(modules[i], &file);

		known &= path || !module_loaded(modules[i]);
		module_free(&file);
	}
	return known;
}

/* What to load to undo an unload: the very file, or else the distribution's. */
static void plan_unload(int which, bool known)
{
	autofree char *release = kernel_release();
	struct json_object *status = module_status(modules[which]), *params, *param;
	struct step *step = add_step(&exchange.steps, STEP_UNLOAD, modules[which]);
	const char *file = known ? get_string(status, "file") : NULL;
	size_t i;

	step->file = file ? text_of("%s", file) : module_path(release, stems[which], false);
	/* Another module may not have them. */
	params = file ? get(status, "parameters") : NULL;
	for (i = 0; i < length(params); i++) {
		char *longer;

		param = item(params, i);
		longer = text_of("%s %s=%s", step->params ?: "", get_string(param, "name"),
				 get_string(param, "value"));
		free(step->params);
		step->params = longer;
	}
	json_object_put(status);
}

static void plan_needs(const char *path)
{
	struct module_file file;
	autofree char *copy = NULL;
	char *word, *rest;

	if (!module_read(&file, path)) {
		copy = text_of("%s", module_info(&file, "depends", "") ?: "");
		rest = copy;
		while ((word = strsep(&rest, ",")))
			if (*word && strcmp(word, "kvm") && !exists("/sys/module/%s", word))
				add_step(&exchange.steps, STEP_NEED, word);
	}
	module_free(&file);
}

static void plan_steps(void)
{
	bool known = origins_known();
	struct step *step;
	int i;

	for (i = 1; i >= 0; i--)
		if (module_loaded(modules[i]))
			plan_unload(i, known);
	for (i = 0; i < 2 && !exchange.none; i++) {
		plan_needs(exchange.files[i]);
		step = add_step(&exchange.steps, STEP_LOAD, modules[i]);
		step->file = text_of("%s", exchange.files[i]);
		step->params = exchange.params[i] ? text_of("%s", exchange.params[i]) : NULL;
	}
}

/* Is what is loaded the file that was meant? */
static bool verify(void)
{
	struct json_object *status;
	const char *id;
	bool good;

	if (exchange.none)
		return !module_loaded("kvm_intel") && !module_loaded("kvm");
	status = module_status("kvm_intel");
	id = get_bool(status, "loaded") ? get_string(status, "build_id") : NULL;
	good = get_bool(status, "loaded") && nvx_loaded() == exchange.to_nvx &&
	       (!id || !*exchange.build_id || !strcmp(id, exchange.build_id));
	json_object_put(status);
	if (!good)
		complain("what is loaded now is not %s: does something else load modules?",
			 exchange.files[1]);
	return good;
}

/* ---- report */

static void print_exchange(struct json_object *report)
{
	struct json_object *refusals = get(report, "refusals"), *steps = get(report, "steps");
	const char *result = get_string(report, "result");
	size_t i;

	for (i = 0; i < length(refusals); i++) {
		say(BAD, "refused  ");
		say(PLAIN, "%s\n         -> %s\n", get_string(item(refusals, i), "text"),
		    get_string(item(refusals, i), "cure"));
	}
	for (i = 0; i < length(steps); i++)
		say(PLAIN, "%-8s %s\n", get_string(item(steps, i), "state"),
		    get_string(item(steps, i), "command"));
	say(!strcmp(result, "done") || !strcmp(result, "planned") ? GOOD : BAD, "%s", result);
	say(PLAIN, ": KVM is %s\n", get_string(report, "kvm"));
}

static int report_exchange(int status)
{
	static const char *const states[] = { "planned", "done", "failed", "undone", "stuck" };
	static const char *const results[] = { "done", "refused", "", "failed", "broken" };
	struct json_object *report = new_report("nestctl-load-1"), *steps, *step;
	int i;

	put_string(report, "command", exchange.name);
	put_bool(report, "dry_run", exchange.dry);
	json_object_object_add(report, "refusals", exchange.refusals);
	steps = put_array(report, "steps");
	for (i = 0; i < exchange.steps.nr; i++) {
		autofree char *command = step_command(&exchange.steps.step[i], false);

		step = append_object(steps);
		put_string(step, "command", command);
		put_string(step, "state", states[exchange.steps.step[i].state]);
	}
	put_string(report, "result", status == EXIT_OK && exchange.dry ? "planned" :
		   results[status]);
	put_string(report, "kvm", which_kvm());
	free_steps(&exchange.steps);
	for (i = 0; i < 2; i++) {
		free(exchange.files[i]);
		free(exchange.params[i]);
	}
	return finish(report, print_exchange, status);
}

static int exchange_modules(const struct command *command, bool to_nvx, int argc, char **argv)
{
	int status = EXIT_OK;

	exchange.name = command->name;
	exchange.to_nvx = to_nvx;
	command_parse(command, argc, argv, NULL);
	check_all();
	if (length(exchange.refusals)) {
		status = EXIT_REFUSED;
	} else {
		plan_steps();
		if (!exchange.dry)
			status = run_steps(&exchange.steps, verify);
	}
	return report_exchange(status);
}

static int load(int argc, char **argv)
{
	return exchange_modules(&load_command, true, argc, argv);
}

static int unload(int argc, char **argv)
{
	return exchange_modules(&unload_command, false, argc, argv);
}

const struct command load_command = {
	.name = "load",
	.argp = &load_argp,
	.run = load,
};

const struct command unload_command = {
	.name = "unload",
	.argp = &unload_argp,
	.run = unload,
};
