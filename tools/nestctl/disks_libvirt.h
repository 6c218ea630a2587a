/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Disks of a domain that libvirt knows.
 */
#ifndef NESTCTL_DISKS_LIBVIRT_H
#define NESTCTL_DISKS_LIBVIRT_H

#include "disks.h"
#include "libvirt_calls.h"

void disks_of(virDomainPtr handle, struct disks *disks);
const struct disk *disks_destination(virDomainPtr handle, const struct disks *disks, char **xml);
int disks_hold(virDomainPtr handle, const struct disk *disk);

#endif /* NESTCTL_DISKS_LIBVIRT_H */
