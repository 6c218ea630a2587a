/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What refresh-vm and its guest agree on: guest-physical addresses and numbers.
 */
#ifndef SELFTESTS_REFRESH_VM_H
#define SELFTESTS_REFRESH_VM_H

#define MEMORY		(16 << 20)
#define CODE		0x8000
#define PML4		0x10000
#define PDPT		0x11000
#define PD		0x12000
#define STACK		0x7000
#define REPORT		0x3000
#define DATA		0x400000
#define SLOTS		1024
#define STEPS		256		/* per report */
#define REPORT_PORT	0x10
#define VENDOR_EBX	0x756e6547	/* "Genu" */
#define MULTIPLIER	6364136223846793005

#endif /* SELFTESTS_REFRESH_VM_H */
