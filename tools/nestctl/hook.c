// SPDX-License-Identifier: GPL-2.0-only
/*
 * nestctl hook: what libvirt runs before it starts QEMU, when it has started it, and when that is
 * gone (hooks/qemu).  A VM whose memory is in the pool gets its device, or does not start: here it
 * is made sure that nobody but the kernel that the shim has given the memory to runs it, and that
 * a QEMU to which one moves does not load what is there already.
 */
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "boot.h"
#include "nestctl.h"
#include "zero.h"

#define DIRECTORY	"/run/nestctl"
#define POOL		DIRECTORY "/pool"
#define QMP		DIRECTORY "/qmp"
#define QEMU_USER	"libvirt-qemu"
#define MAX_XML		1048576
#define MAX_LINE	65536
#define TIMEOUT		10	/* seconds for an answer of QEMU's */

static struct {
	const char *words[3];
	size_t nr;
	struct zero_copy zero;
	char uuid[40];
} hook;

static error_t parse(int key, char *arg, struct argp_state *state)
{
	switch (key) {
	case ARGP_KEY_ARG:
		/* libvirt's fourth word says nothing. */
		if (hook.nr < ARRAY_SIZE(hook.words))
			hook.words[hook.nr++] = arg;
		break;
	case ARGP_KEY_END:
		if (hook.nr < ARRAY_SIZE(hook.words))
			argp_error(state, "libvirt calls this with DOMAIN OPERATION STAGE");
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp_child children[] = { { &common_argp, 0, NULL, 0 }, { 0 } };

static const struct argp hook_argp = {
	.parser = parse,
	.args_doc = "DOMAIN OPERATION STAGE [EXTRA]",
	.doc = "libvirt's hook for QEMU, with the domain's XML on stdin: /etc/libvirt/hooks/qemu.d/nestctl, which "
	       "is installed with nestctl, runs it with its own arguments, on both kernels.  It does "
	       "something only for VMs whose memory is in the pool (nestctl domain convert), and refuses "
	       "to start one whose memory this kernel does not have.",
	.children = children,
};

static bool is(const char *operation, const char *stage)
{
	return !strcmp(hook.words[1], operation) && !strcmp(hook.words[2], stage);
}

/* The UUID becomes a part of paths. */
static bool is_uuid(const char *text)
{
	return strlen(text) == 36 && strspn(text, "0123456789abcdef-") == 36;
}

static char *read_stdin(void)
{
	char *xml = calloc(1, MAX_XML + 1);
	size_t used = 0;
	ssize_t n;

	if (!xml)
		die(EXIT_UNKNOWN, "out of memory");
	while (used < MAX_XML && (n = read(STDIN_FILENO, xml + used, MAX_XML - used)) > 0)
		used += n;
	return xml;
}

/* ---- before QEMU is started */

static void make_directories(void)
{
	autofree char *links = below_root(POOL), *sockets = below_root(QMP);
	const struct passwd *user = getpwnam(QEMU_USER);

	if (make_run_directory() ||
	    (mkdir(links, 0755) && errno != EEXIST) ||
	    (mkdir(sockets, 0750) && errno != EEXIST) ||
	    (user && chown(sockets, user->pw_uid, user->pw_gid)))
		die(EXIT_REFUSED, "cannot make directories in " DIRECTORY ": %s",
		    strerror(errno));
}

/*
 * The UUID of another domain that has the device, NULL: none has.  A copy of a definition names the
 * same memory (virt-clone, virsh define), and libvirt knows nothing of that.
 */
static char *other_user(const char *node)
{
	struct dirent **entries;
	int i, nr = list(&entries, POOL);
	char *other = NULL;

	for (i = 0; i < nr && !other; i++) {
		autofree char *link = read_link(POOL "/%s", entries[i]->d_name);

		if (link && !strcmp(link, node) && strcmp(entries[i]->d_name, hook.uuid))
			other = printable(text_of("%s", entries[i]->d_name));
	}
	free_list(entries, nr);
	return other;
}

/* What another VM has left in it is nobody's to read. */
static void clear(const char *node)
{
	int fd = open(node, O_RDWR | O_CLOEXEC);
	void *memory = MAP_FAILED;

	if (fd >= 0)
		memory = mmap(NULL, hook.zero.size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED)
		die(EXIT_REFUSED, "cannot clear the memory of '%s' (%s: %s)", hook.words[0], node,
		    strerror(errno));
	memset(memory, 0, hook.zero.size);
	munmap(memory, hook.zero.size);
	close(fd);
}

static void show_device(const char *node)
{
	autofree char *link = below_root(POOL "/%s", hook.uuid);
	const struct passwd *user = getpwnam(QEMU_USER);
	struct stat status;

	/* QEMU would make a file of its own. */
	if (stat(node, &status) || !S_ISCHR(status.st_mode))
		die(EXIT_REFUSED, "%s is no device: mount devtmpfs on /dev", node);
	if (user && chown(node, user->pw_uid, user->pw_gid))
		die(EXIT_REFUSED, "cannot give %s to " QEMU_USER ": %s", node, strerror(errno));
	unlink(link);
	if (symlink(node, link))
		die(EXIT_REFUSED, "cannot make %s: %s", link, strerror(errno));
}

static uint64_t memory_of(const char *info, const char *name)
{
	const char *at = info ? strstr(info, name) : NULL;

	return at ? strtoull(at + strlen(name), NULL, 10) << 10 : 0;
}

/*
 * libvirt has QEMU reserve as much once more, as ordinary memory that is never touched.  A second
 * kernel that is small yet refuses that, and QEMU would say no more than that it cannot allocate.
 */
static void check_overcommit(void)
{
	autofree char *mode = read_text("/proc/sys/vm/overcommit_memory");
	autofree char *info = read_text("/proc/meminfo");
	uint64_t all = memory_of(info, "MemTotal:") + memory_of(info, "SwapTotal:");

	if (!mode || !info || atoi(mode) || hook.zero.size <= all)
		return;
	die(EXIT_REFUSED,
	    "'%s' has %llu MiB, and this kernel, with %llu MiB of its own, does not let QEMU reserve as much: set vm.overcommit_memory to 1 here (for a second kernel: --append sysctl.vm.overcommit_memory=1)",
	    hook.words[0], (unsigned long long)hook.zero.size >> 20,
	    (unsigned long long)all >> 20);
}

static void prepare(void)
{
	struct vmm_refresh_pool args = { .op = VMM_REFRESH_POOL_ATTACH };
	autofree char *node = NULL, *other = NULL;
	uint32_t state, device;

	check_overcommit();
	make_directories();
	if (!pool_drivers_ready())
		exit(EXIT_REFUSED);
	/* In the first kernel it has them. */
	pool_call(&args);
	if (!pool_is_in(&hook.zero, &state, &device))
		die(EXIT_REFUSED,
		    "the memory of '%s', %#llx + %#llx, is not in this kernel's pool: nestctl pool list; nestctl domain convert finds another place",
		    hook.words[0], (unsigned long long)hook.zero.start,
		    (unsigned long long)hook.zero.size);
	if (state == VMM_REFRESH_POOL_THEIRS || device == VMM_REFRESH_POOL_NO_DEVICE)
		die(EXIT_REFUSED, "the memory of '%s' is the other kernel's: move it here",
		    hook.words[0]);
	node = pool_device_make(device, &hook.zero);
	if (!node)
		exit(EXIT_REFUSED);
	other = other_user(node);
	if (other)
		die(EXIT_REFUSED,
		    "the memory of '%s' in the pool is that of the domain %s, which runs: nestctl domain convert --undo '%s', then convert, finds another place (if virsh domname %s knows none: remove "
		    POOL "/%s)",
		    hook.words[0], other, hook.words[0], other, other);
	if (state == VMM_REFRESH_POOL_OURS)
		clear(node);
	show_device(node);
}

/* ---- QEMU has been started */

static struct {
	int fd;
	FILE *answers;
} qemu;

static void connect_qemu(void)
{
	autofree char *path = below_root(QMP "/%s", hook.uuid);
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct timeval timeout = { .tv_sec = TIMEOUT };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)))
		die(EXIT_REFUSED, "QEMU of '%s' cannot be asked at %s: %s", hook.words[0],
		    address.sun_path, strerror(errno));
	qemu.fd = fd;
	qemu.answers = fdopen(fd, "r");
}

/* The next line that is no event. */
static struct json_object *next_answer(void)
{
	static char line[MAX_LINE];
	struct json_object *answer;

	while (fgets(line, sizeof(line), qemu.answers)) {
		answer = json_tokener_parse(line);
		if (answer && !get(answer, "event"))
			return answer;
		json_object_put(answer);
	}
	die(EXIT_REFUSED, "QEMU of '%s' does not answer: %s", hook.words[0], strerror(errno));
}

static struct json_object *ask_qemu(const char *command)
{
	struct json_object *answer;

	dprintf(qemu.fd, "%s\n", command);
	answer = next_answer();
	if (!get(answer, "return"))
		die(EXIT_REFUSED, "QEMU of '%s' refuses %s: %s", hook.words[0], command,
		    json_object_to_json_string(answer));
	return answer;
}

/*
 * Lent memory has a VM in it that is on its way here: QEMU is told to leave it as it is.  If all
 * of it is this kernel's, what QEMU waits for brings memory along (virsh restore), and may load it:
 * nobody else runs in it.  With the capability on one side only, a move fails before anything is
 * loaded.
 */
static void started(void)
{
	struct json_object *answer;
	uint32_t state, device;
	bool comes;

	connect_qemu();
	json_object_put(next_answer());
	json_object_put(ask_qemu("{\"execute\":\"qmp_capabilities\"}"));
	answer = ask_qemu("{\"execute\":\"query-status\"}");
	comes = !strcmp(get_string(get(answer, "return"), "status") ?: "", "inmigrate");
	json_object_put(answer);
	if (!pool_is_in(&hook.zero, &state, &device) || state == VMM_REFRESH_POOL_THEIRS)
		die(EXIT_REFUSED, "the memory of '%s' is not this kernel's", hook.words[0]);
	if (state == VMM_REFRESH_POOL_LENT && !comes)
		die(EXIT_REFUSED,
		    "the memory of '%s' is lent, as that of a VM that moves: it cannot be started before nestctl move has ended",
		    hook.words[0]);
	if (state == VMM_REFRESH_POOL_LENT)
		json_object_put(ask_qemu(ZERO_CAPABILITY("true")));
	fclose(qemu.answers);
}

static void released(void)
{
	autofree char *link = below_root(POOL "/%s", hook.uuid);
	autofree char *qmp = below_root(QMP "/%s", hook.uuid);
	autofree char *node = NULL, *other = NULL;
	uint32_t state, device;

	unlink(link);
	unlink(qmp);
	if (!pool_is_in(&hook.zero, &state, &device))
		return;
	/* libvirt releases what has been refused, too. */
	node = pool_device_find(device, &hook.zero);
	other = node ? other_user(node) : NULL;
	if (!other)
		pool_device_free(device, &hook.zero);
}

static int run_hook(int argc, char **argv)
{
	autofree char *xml = NULL;

	command_parse(&hook_command, argc, argv, NULL);
	/* libvirt writes it whatever it is about. */
	xml = read_stdin();
	if (!is("prepare", "begin") && !is("started", "begin") && !is("release", "end"))
		return EXIT_OK;
	if (!zero_xml_find(xml, &hook.zero))
		return EXIT_OK;
	if (!zero_xml_text(xml, "uuid", hook.uuid, sizeof(hook.uuid)) || !is_uuid(hook.uuid))
		die(EXIT_REFUSED, "'%s' has no UUID", hook.words[0]);
	if (is("prepare", "begin"))
		prepare();
	else if (is("started", "begin"))
		started();
	else
		released();
	return EXIT_OK;
}

const struct command hook_command = {
	.name = "hook",
	.argp = &hook_argp,
	.run = run_hook,
};
