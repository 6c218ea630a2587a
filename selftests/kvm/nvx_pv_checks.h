/* SPDX-License-Identifier: GPL-2.0-only */
/* What nvx_pv_test and nvx_pv_abuse_test share: an L1 per check, and its L2. */
#ifndef NVX_PV_CHECKS_H
#define NVX_PV_CHECKS_H

#include "nvx_pv.h"

#define TURNS		20
#define GS_BASE		0x123456789000ul
#define INJECTED	0x41
#define VM_INSTRUCTION_ERROR_FIELD	0x4400
#define EXTRA_GPA	0xe0000000ul

/* What L1 asks the host for with GUEST_SYNC(). */
enum { SAVE_RESTORE = 1, DELETE_SLOT, DELETE_IN_L2, EXITS, REVOKE, ABANDON, RESET };

/* In guest memory. */
extern volatile uint64_t l2_value, l2_interrupts;
extern uint64_t host_reply;
extern struct vmx_pages *vmx;
extern void *region2;				/* a second VMCS region */
extern uint64_t region2_gpa;
extern void *extra;				/* a region in a memslot of its own */

struct pv_check {
	const char *name;
	bool (*run)(void);
	bool abandoned;		/* passed if its process ends at ABANDON */
};

/* L2: what it does before each VMCALL. */
void l2_loop(void);
void l2_other(void);				/* l2_value = 0x5a */
void l2_gs(void);				/* l2_value = its GS base */
void l2_sync(void);				/* asks the host for SAVE_RESTORE */

/* L1. */
bool turn(void);
bool turns(int n);
void begin(void *l2);
void prepare_second(void);
struct nvx_pv_vmcs_hdr *hdr(void);
uint64_t real_vmread(uint64_t encoding);

/* Host. */
void pv_run_checks(const struct pv_check *checks, unsigned int nr, int argc,
		   char *argv[]);

#endif /* NVX_PV_CHECKS_H */
