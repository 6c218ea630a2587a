/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Definitions of domains that are with the other kernel.
 */
#ifndef NESTCTL_KEPT_H
#define NESTCTL_KEPT_H

#include <stdbool.h>

int kept_write(const char *uuid, const char *name, const char *xml);
void kept_remove(const char *uuid);
bool kept_any(void);
int kept_each(int (*function)(const char *uuid, const char *name, const char *xml));

#endif /* NESTCTL_KEPT_H */
