/* SPDX-License-Identifier: GPL-2.0-only */
/* A small L1 that keeps its VMCS in memory: Documentation/pv-vmcs-abi.rst. */
#ifndef NVX_PV_H
#define NVX_PV_H

#include "nvx_selftest.h"
#include <nvx/pv_vmcs.h>

/* One field of the region. */
struct pv_field {
	uint16_t encoding;
	uint16_t offset;
	uint8_t size;
	uint16_t group;
	const char *name;
};

extern const struct pv_field pv_fields[];
extern const unsigned int nr_pv_fields;

const struct pv_field *pv_find(uint64_t encoding);

static inline uint64_t pv_get(const void *region, const struct pv_field *f)
{
	const volatile void *p = region + f->offset;

	return f->size == 2 ? *(volatile uint16_t *)p :
	       f->size == 4 ? *(volatile uint32_t *)p : *(volatile uint64_t *)p;
}

static inline void pv_set(void *region, const struct pv_field *f, uint64_t value)
{
	volatile void *p = region + f->offset;

	if (f->size == 2)
		*(volatile uint16_t *)p = value;
	else if (f->size == 4)
		*(volatile uint32_t *)p = value;
	else
		*(volatile uint64_t *)p = value;
}

static inline struct nvx_pv_vmcs_hdr *pv_hdr(void *region)
{
	return region + NVX_PV_OFFSET;
}

static inline struct nvx_pv_assist *pv_assist(struct vmx_pages *vmx)
{
	return vmx->vmxon + NVX_PV_OFFSET;
}

/* In guest memory: the region that nvx_vmreadz() and nvx_vmwrite() use, if any. */
extern void *pv_region;

/* In guest memory: NVX_PV_FEAT_* that pv_start() asks for. */
extern uint64_t pv_features;

void pv_init_assist(struct vmx_pages *vmx);
void pv_init_region(void *region);
uint8_t pv_enable(void);
void pv_load(struct vmx_pages *vmx, void *region, uint64_t gpa);
void pv_start(struct vmx_pages *vmx);

#endif /* NVX_PV_H */
