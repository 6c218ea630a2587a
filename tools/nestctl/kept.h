/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Definitions of domains that are with the other kernel.
 */
#ifndef NESTCTL_KEPT_H
#define NESTCTL_KEPT_H

#include <stdbool.h>

/**
 * typedef kept_fn - What is done with a definition
 * @uuid: of the domain
 * @name: of the domain
 * @xml: its definition
 * @off: it was off when it moved
 *
 * Return: 1, 0, or -1 after a message.
 */
typedef int kept_fn(const char *uuid, const char *name, const char *xml, bool off);

int kept_write(const char *uuid, const char *name, const char *xml, bool off);
void kept_remove(const char *uuid);
bool kept_any(void);
char *kept_names(void);
int kept_each(kept_fn *function);

#endif /* NESTCTL_KEPT_H */
