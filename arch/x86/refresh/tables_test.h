/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What tables.c needs of the kernel, for its unit tests on the build machine.
 */
#ifndef ARCH_X86_REFRESH_TABLES_TEST_H
#define ARCH_X86_REFRESH_TABLES_TEST_H

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <linux/types.h>

#define u8	__u8
#define u16	__u16
#define u32	__u32
#define u64	__u64

#define min_t(type, a, b)	((type)(a) < (type)(b) ? (type)(a) : (type)(b))

#endif /* ARCH_X86_REFRESH_TABLES_TEST_H */
