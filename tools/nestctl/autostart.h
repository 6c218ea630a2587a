/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Domains that start by themselves, in two kernels: held off until there is one.
 */
#ifndef NESTCTL_AUTOSTART_H
#define NESTCTL_AUTOSTART_H

#include <stdbool.h>

#include "libvirt_calls.h"

int autostart_mark(virDomainPtr handle);
void autostart_unmark(virDomainPtr handle);
bool autostart_marked(virDomainPtr handle);
int autostart_release(virConnectPtr connection);

#endif /* NESTCTL_AUTOSTART_H */
