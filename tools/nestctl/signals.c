// SPDX-License-Identifier: GPL-2.0-only
/*
 * Signals that are to end nestctl, which first makes an end of what it has begun.
 */
#include <signal.h>
#include <stddef.h>

#include "nestctl.h"

/**
 * catch_signals() - Have a function called, instead of an end at once
 * @handler: what is called at SIGINT, SIGTERM, and when the terminal has gone (SIGHUP)
 * @flags: of sigaction()
 *
 * A signal that is ignored stays so: that is what nohup is for.
 */
void catch_signals(void (*handler)(int number), int flags)
{
	static const int numbers[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction action = { .sa_handler = handler, .sa_flags = flags }, before;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(numbers); i++)
		if (!sigaction(numbers[i], NULL, &before) && before.sa_handler != SIG_IGN)
			sigaction(numbers[i], &action, NULL);
}
