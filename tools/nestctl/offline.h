/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memory blocks that are offline for a moment, and have to come online again.
 */
#ifndef NESTCTL_OFFLINE_H
#define NESTCTL_OFFLINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool offline_exists(const char *file);
void offline_begin(const char *file, uint64_t *movable, bool fresh);
int offline_write(void);
bool offline_noted(unsigned int number);
int offline_note(unsigned int number);
void offline_forget(unsigned int number);
size_t offline_list(unsigned int **numbers);
size_t offline_restore(void);
void offline_end(void);

#endif /* NESTCTL_OFFLINE_H */
