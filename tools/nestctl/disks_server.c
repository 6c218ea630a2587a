// SPDX-License-Identifier: GPL-2.0-only
/*
 * Servers (qemu-nbd) of disks, one for each: what each one serves is in /run/nestctl/disks before
 * it is started, so that whoever comes later can start it again, or end it.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <mntent.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "boot.h"
#include "disks.h"
#include "nestctl.h"

#define DIRECTORY	"/run/nestctl/disks"
#define RECORD		".json"
#define PID		".pid"
#define FIRST_PORT	10809
#define PROGRAM		"qemu-nbd"
#define POLL		(20 * 1000)
#define POLLS		1500
#define ANSWER		2000	/* milliseconds */

extern char **environ;

/* ---- records */

/* VMs move side by side: no two find the same port free, no directory goes that one has made. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static struct json_object *read_record(const char *export)
{
	autofree char *text = read_text(DIRECTORY "/%s" RECORD, export);
	struct json_object *record = text ? json_tokener_parse(text) : NULL;

	if (get_string(record, "path") && get_string(record, "address"))
		return record;
	json_object_put(record);
	return NULL;
}

/* Each export that has a record. */
static int each(int (*function)(const char *export))
{
	struct dirent **entries;
	int i, nr = list(&entries, DIRECTORY), bad = 0;

	for (i = 0; i < nr; i++) {
		const char *name = entries[i]->d_name;
		size_t length = strlen(name) - strlen(RECORD);
		autofree char *export = NULL;

		if (strlen(name) <= strlen(RECORD) || strcmp(name + length, RECORD))
			continue;
		export = text_of("%.*s", (int)length, name);
		if (function(export))
			bad = -1;
	}
	free_list(entries, nr);
	return bad;
}

static int is_one(const char *export)
{
	(void)export;
	return -1;
}

/**
 * disks_any() - Does this kernel serve disks?
 *
 * Return: true if it does, or should.
 */
bool disks_any(void)
{
	return each(is_one);
}

/**
 * disks_has() - Does this kernel serve this disk?
 * @export: of the disk
 *
 * Return: true if it does, or should.
 */
bool disks_has(const char *export)
{
	return exists(DIRECTORY "/%s" RECORD, export);
}

static int free_port(void)
{
	struct dirent **entries;
	int i, nr = list(&entries, DIRECTORY), port = FIRST_PORT;

	for (i = 0; i < nr; i++) {
		autofree char *text = read_text(DIRECTORY "/%s", entries[i]->d_name);
		struct json_object *record = text ? json_tokener_parse(text) : NULL;

		if (get_int(record, "port") >= port)
			port = get_int(record, "port") + 1;
		json_object_put(record);
	}
	free_list(entries, nr);
	return port;
}

/* ---- processes */

/**
 * disks_run() - Run a program, and wait until it ends
 * @argv: the program, its arguments, NULL
 *
 * It gets no files of this one's: what it leaves behind must not hold locks.
 *
 * Return: its status, -1: it has none.
 */
int disks_run(const char *const argv[])
{
	posix_spawn_file_actions_t actions;
	int status, error;
	pid_t pid;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
	posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
	error = posix_spawnp(&pid, argv[0], &actions, NULL, (char *const *)argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	if (error) {
		complain("cannot run %s: %s", argv[0], strerror(error));
		return -1;
	}
	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* 0: it does not run; its number may be another's by now. */
static pid_t server_of(const char *export)
{
	int64_t pid = read_int(0, DIRECTORY "/%s" PID, export);
	autofree char *comm = pid > 1 ? read_text("/proc/%lld/comm", (long long)pid) : NULL;

	return comm && !strncmp(comm, PROGRAM, strlen(PROGRAM)) ? pid : 0;
}

/* QEMU's options end at commas. */
static char *escaped(const char *path)
{
	char *text = calloc(2, strlen(path) + 1), *to = text;

	if (!text)
		die(EXIT_UNKNOWN, "no memory");
	for (; *path; path++) {
		if (*path == ',')
			*to++ = ',';
		*to++ = *path;
	}
	return text;
}

static int start(const char *export, struct json_object *record)
{
	autofree char *path = escaped(get_string(record, "path"));
	autofree char *image = text_of("driver=raw,file.driver=%s,file.filename=%s,file.locking=off,file.cache.direct=on,file.discard=unmap",
				       get_bool(record, "file") ? "file" : "host_device", path);
	autofree char *port = text_of("%lld", (long long)get_int(record, "port"));
	autofree char *pid = below_root(DIRECTORY "/%s" PID, export);
	autofree char *pid_option = text_of("--pid-file=%s", pid);
	const char *const argv[] = {
		PROGRAM, "--fork", "--persistent", "--shared=8", "--cache=none", "--discard=unmap",
		"--export-name", export, "--bind", get_string(record, "address"), "--port", port,
		pid_option, "--image-opts", image,
		get_bool(record, "readonly") ? "--read-only" : NULL, NULL,
	};
	int status;

	unlink(pid);
	status = disks_run(argv);
	if (!status)
		return 0;
	complain("no server for %s: %s of the package qemu-utils ends with status %d",
		 get_string(record, "path"), PROGRAM, status);
	return -1;
}

static struct json_object *new_record(const struct disk *disk, const char *domain,
				      const char *address)
{
	struct json_object *record = new_report("nestctl-server-1");
	autofree char *whole = below_root("%s", disk->path);
	struct stat status;

	put_string(record, "domain", domain);
	put_string(record, "target", disk->xml.target);
	put_string(record, "path", disk->path);
	put_bool(record, "file", !stat(whole, &status) && S_ISREG(status.st_mode));
	put_bool(record, "readonly", disk->xml.readonly);
	put_string(record, "address", address);
	put_int(record, "port", disk->port ? strtol(disk->port, NULL, 10) : free_port());
	return record;
}

static int write_record(const char *export, struct json_object *record)
{
	autofree char *directory = below_root(DIRECTORY);
	autofree char *file = text_of(DIRECTORY "/%s" RECORD, export);

	if (make_run_directory() || (mkdir(directory, 0700) && errno != EEXIST)) {
		complain("cannot make %s: %s", directory, strerror(errno));
		return -1;
	}
	return write_run_file(file, record);
}

static void forget(const char *export)
{
	static const char *const suffixes[] = { PID, RECORD };
	autofree char *directory = below_root(DIRECTORY);
	size_t i;

	pthread_mutex_lock(&lock);
	for (i = 0; i < ARRAY_SIZE(suffixes); i++) {
		autofree char *path = below_root(DIRECTORY "/%s%s", export, suffixes[i]);

		unlink(path);
	}
	rmdir(directory);
	pthread_mutex_unlock(&lock);
}

/**
 * disks_serve() - Have a server for a disk
 * @disk: with its export; address and port are filled in
 * @domain: whose it is
 * @address: of this kernel, at which the server listens
 *
 * Return: 0, also if there was one, or -1 after a message.
 */
int disks_serve(struct disk *disk, const char *domain, const char *address)
{
	struct json_object *record;
	int status = 0;

	pthread_mutex_lock(&lock);
	record = read_record(disk->export);
	if (!record) {
		record = new_record(disk, domain, address);
		status = write_record(disk->export, record);
	}
	pthread_mutex_unlock(&lock);
	if (!status && !server_of(disk->export))
		status = start(disk->export, record);
	if (!disk->address)
		disk->address = text_of("%s", get_string(record, "address"));
	if (!disk->port)
		disk->port = text_of("%lld", (long long)get_int(record, "port"));
	json_object_put(record);
	if (status)
		forget(disk->export);
	return status;
}

static int serve_again(const char *export)
{
	struct json_object *record;
	int status;

	if (server_of(export))
		return 0;
	record = read_record(export);
	status = record ? start(export, record) : -1;
	if (!record)
		complain(DIRECTORY "/%s" RECORD " cannot be read: which disk is it?", export);
	json_object_put(record);
	return status;
}

/**
 * disks_serve_again() - Start those servers again that have ended
 *
 * Return: 0, or -1 after a message.
 */
int disks_serve_again(void)
{
	return each(serve_again);
}

static int stop(const char *export)
{
	pid_t pid = server_of(export);
	unsigned int polls;

	/* It writes out what it has before it ends. */
	if (pid)
		kill(pid, SIGTERM);
	for (polls = 0; pid && server_of(export) == pid; polls++) {
		if (polls == POLLS) {
			complain("the server of %s (process %d) does not end: does its disk hang?",
				 export, (int)pid);
			return -1;
		}
		usleep(POLL);
	}
	return 0;
}

/**
 * disks_stop() - End the server of a disk, if there is one
 * @export: of the disk
 *
 * Return: 0, or -1 after a message.
 */
int disks_stop(const char *export)
{
	if (stop(export))
		return -1;
	forget(export);
	return 0;
}

/**
 * disks_stop_all() - End all servers of this kernel
 *
 * Return: 0, or -1 after a message.
 */
int disks_stop_all(void)
{
	return each(disks_stop);
}

/* ---- the end */

/* Where the file system of @path is mounted, NULL: nowhere. */
static char *mount_point(const char *path)
{
	autofree char *mounts = below_root("/proc/self/mounts");
	autofree char *whole = below_root("%s", path);
	struct stat file, top;
	struct mntent *entry;
	char *found = NULL;
	FILE *table;

	if (stat(whole, &file) || S_ISBLK(file.st_mode))
		return NULL;
	table = setmntent(mounts, "r");
	while (table && (entry = getmntent(table))) {
		if (stat(entry->mnt_dir, &top) || top.st_dev != file.st_dev)
			continue;
		free(found);
		found = text_of("%s", entry->mnt_dir);
	}
	if (table)
		endmntent(table);
	return found;
}

/* What still uses it is ended with this kernel, which unmounts it then. */
static int unmount(const char *export)
{
	struct json_object *record = read_record(export);
	autofree char *path = text_of("%s", get_string(record, "path") ?: "");
	autofree char *top = get_bool(record, "file") ? mount_point(path) : NULL;
	int fd;

	json_object_put(record);
	if (!top || !umount(top))
		return 0;
	complain("%s, where disks of VMs are, cannot be unmounted (%s) before this kernel ends",
		 top, strerror(errno));
	fd = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0) {
		syncfs(fd);
		close(fd);
	}
	return 0;
}

static int forget_record(const char *export)
{
	forget(export);
	return 0;
}

/**
 * disks_close() - This kernel is about to end: disks are written out, and nobody here has them
 *
 * Their VMs wait from now on.
 *
 * Return: 0, or -1 after a message: they are served as before.
 */
int disks_close(void)
{
	/* All servers first: several files are on one file system. */
	if (each(stop)) {
		each(serve_again);
		return -1;
	}
	each(unmount);
	return each(forget_record);
}

/* ---- addresses */

/**
 * disks_address() - This kernel's address, as a host reaches it
 * @uri: names the host, as in tcp://10.0.0.2
 *
 * Return: to be freed; NULL after a message.
 */
char *disks_address(const char *uri)
{
	const char *host = strstr(uri, "://");
	autofree char *name = text_of("%.*s", host ? (int)strcspn(host + 3, "/:") : 0,
				      host ? host + 3 : "");
	struct addrinfo hints = { .ai_socktype = SOCK_DGRAM }, *found = NULL;
	struct sockaddr_storage own;
	socklen_t size = sizeof(own);
	char text[NI_MAXHOST] = "";
	int fd;

	/* Nothing is sent: the kernel says by which address it would be. */
	if (getaddrinfo(name, "9", &hints, &found))
		found = NULL;
	fd = found ? socket(found->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0) : -1;
	if (fd >= 0 && !connect(fd, found->ai_addr, found->ai_addrlen) &&
	    !getsockname(fd, (struct sockaddr *)&own, &size))
		getnameinfo((struct sockaddr *)&own, size, text, sizeof(text), NULL, 0,
			    NI_NUMERICHOST);
	if (fd >= 0)
		close(fd);
	if (found)
		freeaddrinfo(found);
	if (*text)
		return text_of("%s", text);
	complain("no address of this kernel's from which %s could be reached: is the link up?",
		 uri);
	return NULL;
}

/* Is it one of a device's? */
static bool is_own(const struct in_addr *address)
{
	struct ifaddrs *all = NULL, *one;
	bool found = false;

	if (getifaddrs(&all))
		return true;
	for (one = all; one; one = one->ifa_next)
		if (one->ifa_addr && one->ifa_addr->sa_family == AF_INET &&
		    ((struct sockaddr_in *)(void *)one->ifa_addr)->sin_addr.s_addr ==
		    address->s_addr)
			found = true;
	freeifaddrs(all);
	return found;
}

/**
 * disks_own_end() - From which address is the server of a disk used that is no address any more?
 * @disk: with address and port
 *
 * Return: to be freed; NULL if there is no such connection (of IPv4).
 */
char *disks_own_end(const struct disk *disk)
{
	autofree char *path = below_root("/proc/net/tcp");
	FILE *table = fopen(path, "r");
	unsigned int own, own_port, peer, port;
	struct in_addr server, address;
	char line[256], *found = NULL;

	if (inet_pton(AF_INET, disk->address, &server) != 1 || !table) {
		if (table)
			fclose(table);
		return NULL;
	}
	while (!found && fgets(line, sizeof(line), table)) {
		if (sscanf(line, " %*u: %8x:%4x %8x:%4x", &own, &own_port, &peer, &port) != 4 ||
		    peer != server.s_addr || port != strtoul(disk->port, NULL, 10))
			continue;
		address.s_addr = own;
		if (!is_own(&address))
			found = text_of("%s", inet_ntoa(address));
	}
	fclose(table);
	return found;
}

/**
 * disks_answered() - Does a server listen there?
 * @disk: with address and port
 *
 * Return: true if one does; false also if nobody answers.
 */
bool disks_answered(const struct disk *disk)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST };
	struct pollfd poll_fd = { .events = POLLOUT };
	struct addrinfo *found = NULL;
	int error = -1;
	socklen_t size = sizeof(error);

	if (getaddrinfo(disk->address, disk->port, &hints, &found))
		return false;
	poll_fd.fd = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (poll_fd.fd >= 0) {
		error = connect(poll_fd.fd, found->ai_addr, found->ai_addrlen) ? errno : 0;
		if (error == EINPROGRESS && poll(&poll_fd, 1, ANSWER) == 1)
			getsockopt(poll_fd.fd, SOL_SOCKET, SO_ERROR, &error, &size);
		close(poll_fd.fd);
	}
	freeaddrinfo(found);
	return !error;
}
