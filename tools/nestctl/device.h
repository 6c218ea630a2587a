/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * All that refresh changes on the machine goes through here, so that tests can put
 * another machine behind it.
 */
#ifndef NESTCTL_DEVICE_H
#define NESTCTL_DEVICE_H

#define DEVICE "/dev/vmm-refresh"

int device_open(void);
int device_call(int fd, unsigned long request, void *argument);
int device_write(const char *path, const char *text);

#endif /* NESTCTL_DEVICE_H */
