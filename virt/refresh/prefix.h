/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * In front of every file of the module: what its lines in the kernel log begin
 * with.
 */
#define pr_fmt(fmt) "vmm_refresh: " fmt
