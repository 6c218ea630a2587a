// SPDX-License-Identifier: GPL-2.0-only
/*
 * Files of the machine that is looked at: this one, or one below --root.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "nestctl.h"

extern char **environ;

const char *opt_root = "";

static char *format_text(const char *before, const char *format, va_list args)
{
	autofree char *tail = NULL;
	char *whole;

	if (vasprintf(&tail, format, args) < 0 || asprintf(&whole, "%s%s", before, tail) < 0)
		die(EXIT_UNKNOWN, "out of memory");
	return whole;
}

#define FORMAT(before, format) ({					\
	va_list args;							\
	char *text;							\
									\
	va_start(args, format);						\
	text = format_text(before, format, args);			\
	va_end(args);							\
	text;								\
})

/**
 * text_of() - Format a string
 * @format: as of printf()
 *
 * Return: memory to be freed.
 */
char *text_of(const char *format, ...)
{
	return FORMAT("", format);
}

/**
 * below_root() - Path of a file of the machine
 * @format: the path on the machine
 *
 * Return: memory to be freed.
 */
char *below_root(const char *format, ...)
{
	return FORMAT(opt_root, format);
}

static char *read_fd(int fd, size_t *size)
{
	size_t room = 4096, used = 0;
	char *data = malloc(room + 1), *larger;
	ssize_t n;

	while (data && (n = read(fd, data + used, room - used)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			free(data);
			return NULL;
		}
		used += n;
		if (used < room)
			continue;
		room *= 2;
		larger = realloc(data, room + 1);
		if (!larger)
			die(EXIT_UNKNOWN, "out of memory");
		data = larger;
	}
	if (!data)
		die(EXIT_UNKNOWN, "out of memory");
	data[used] = 0;
	*size = used;
	return data;
}

static char *read_path(const char *path, size_t *size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), error;
	char *data;

	if (fd < 0)
		return NULL;
	data = read_fd(fd, size);
	error = errno;
	close(fd);
	errno = error;
	return data;
}

/**
 * read_data() - Read a whole file of the machine
 * @size: bytes read
 * @format: its path
 *
 * Return: memory to be freed, a NUL behind the data; NULL with errno.
 */
char *read_data(size_t *size, const char *format, ...)
{
	autofree char *path = FORMAT(opt_root, format);

	return read_path(path, size);
}

/**
 * read_text() - The same for text
 * @format: its path
 *
 * Return: the text without the newlines at its end, to be freed; NULL with errno.
 */
char *read_text(const char *format, ...)
{
	autofree char *path = FORMAT(opt_root, format);
	size_t size;
	char *text = read_path(path, &size);

	while (text && size && text[size - 1] == '\n')
		text[--size] = 0;
	return text;
}

/**
 * read_int() - The same for a number
 * @otherwise: what is returned if there is none
 * @format: path of the file
 *
 * Return: the number.
 */
int64_t read_int(int64_t otherwise, const char *format, ...)
{
	autofree char *path = FORMAT(opt_root, format);
	autofree char *text = NULL;
	size_t size;
	char *end;
	int64_t value;

	text = read_path(path, &size);
	if (!text)
		return otherwise;
	value = strtoll(text, &end, 0);
	return end == text ? otherwise : value;
}

/**
 * exists() - Does the machine have this file?
 * @format: its path
 *
 * Return: true if it has.
 */
bool exists(const char *format, ...)
{
	autofree char *path = FORMAT(opt_root, format);

	return !access(path, F_OK);
}

/**
 * read_link() - Where a symbolic link points to
 * @format: its path
 *
 * Return: memory to be freed, NULL with errno.
 */
char *read_link(const char *format, ...)
{
	autofree char *path = FORMAT(opt_root, format);
	char target[PATH_MAX];
	ssize_t n = readlink(path, target, sizeof(target) - 1);

	if (n < 0)
		return NULL;
	target[n] = 0;
	return text_of("%s", target);
}

/**
 * interrupts_are_remapped() - Does an IOMMU rewrite them, so that nobody else knows where they go?
 *
 * Return: true if it does.
 */
bool interrupts_are_remapped(void)
{
	autofree char *text = read_text("/proc/interrupts");

	/* The kernel puts this before the names of its chips. */
	return text && strstr(text, " IR-");
}

static int no_dots(const struct dirent *entry)
{
	return strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..");
}

/**
 * list() - Names in a directory of the machine
 * @entries: sorted, numbers as numbers; for free_list()
 * @format: its path
 *
 * Return: how many, -1 with errno.
 */
int list(struct dirent ***entries, const char *format, ...)
{
	autofree char *path = FORMAT(opt_root, format);
	int nr = scandir(path, entries, no_dots, versionsort);

	if (nr < 0)
		*entries = NULL;
	return nr;
}

void free_list(struct dirent **entries, int nr)
{
	while (nr > 0)
		free(entries[--nr]);
	free(entries);
}

/**
 * kernel_release() - As of uname -r
 *
 * Return: memory to be freed.
 */
char *kernel_release(void)
{
	char *text = read_text("/proc/sys/kernel/osrelease");
	struct utsname name;

	if (text)
		return printable(text);
	if (*opt_root || uname(&name))
		return text_of("unknown");
	return text_of("%s", name.release);
}

/**
 * printable() - Nothing that a process calls itself may steer a terminal
 * @text: is changed
 *
 * Return: @text.
 */
char *printable(char *text)
{
	char *c;

	for (c = text; c && *c; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
	return text;
}

/**
 * capture() - Run a program and take what it prints
 * @size: bytes of it
 * @argv: the program, its arguments, NULL
 *
 * Return: memory to be freed; NULL if it failed.
 */
char *capture(size_t *size, const char *const argv[])
{
	posix_spawn_file_actions_t actions;
	char *data = NULL;
	int fds[2], status;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC))
		return NULL;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, fds[1], STDOUT_FILENO);
	posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
	status = posix_spawnp(&pid, argv[0], &actions, NULL, (char *const *)argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	close(fds[1]);
	if (!status) {
		data = read_fd(fds[0], size);
		if (waitpid(pid, &status, 0) != pid || status) {
			free(data);
			data = NULL;
		}
	}
	close(fds[0]);
	return data;
}

/**
 * read_at() - Read eight bytes at an offset, as of an MSR
 * @value: what is there
 * @offset: where
 * @format: path of the file
 *
 * Return: 0, or -1 with errno.
 */
int read_at(uint64_t *value, off_t offset, const char *format, ...)
{
	autofree char *path = FORMAT(opt_root, format);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -1;
	errno = ENODATA;
	n = pread(fd, value, sizeof(*value), offset);
	close(fd);
	return n == sizeof(*value) ? 0 : -1;
}
