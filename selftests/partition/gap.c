// SPDX-License-Identifier: GPL-2.0-only
/*
 * gap COMMAND...: how long this CPU does nothing for user space while the command runs on another
 * one.  Looks at the clock all the time, before other programs, and prints the longest step in
 * nanoseconds and how many there were.  Exit status: the command's, 255 if it could not be run.
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define HERE		0
#define THERE		1
#define NICE		(-20)
#define FAILED		255

static volatile sig_atomic_t ended;

static void on_child(int signal)
{
	(void)signal;
	ended = 1;
}

static int failed(const char *what)
{
	fprintf(stderr, "gap: %s: %s\n", what, strerror(errno));
	return FAILED;
}

static int run_on(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return sched_setaffinity(0, sizeof(set), &set);
}

static long long now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000ll + time.tv_nsec;
}

int main(int argc, char **argv)
{
	long long last, at, longest = 0, steps = 0;
	int status;
	pid_t child;

	if (argc < 2)
		return FAILED;
	signal(SIGCHLD, on_child);
	child = fork();
	if (child < 0)
		return failed("fork");
	if (!child) {
		if (!run_on(THERE))
			execvp(argv[1], argv + 1);
		_exit(failed(argv[1]));
	}
	/* Not in real time: what the kernel wants to do on every CPU has to get there. */
	if (run_on(HERE) || setpriority(PRIO_PROCESS, 0, NICE))
		return failed("CPU 0");
	for (last = now(); !ended; last = at, steps++) {
		at = now();
		if (at - last > longest)
			longest = at - last;
	}
	if (waitpid(child, &status, 0) != child)
		return failed("wait");
	printf("%lld ns, %lld steps\n", longest, steps);
	return WIFEXITED(status) ? WEXITSTATUS(status) : FAILED;
}
