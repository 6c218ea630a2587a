// SPDX-License-Identifier: GPL-2.0-only
/* A small L1 that keeps its VMCS in memory; see nvx_pv.h. */
#include <string.h>

#include <linux/compiler.h>

#include "nvx_pv.h"
#include <nvx/pv_store.h>

#define u16 uint16_t
#define u32 uint32_t
#define u64 uint64_t

#define ENTRY(code, member, off, type) \
	{ .encoding = code, .offset = off, .size = sizeof(type), \
	  .group = THIS_GROUP, .name = #member },

const struct pv_field pv_fields[] = {
#define THIS_GROUP	NVX_PV_BASIC
	NVX_PV_FIELDS_BASIC(ENTRY)
#undef THIS_GROUP
#define THIS_GROUP	NVX_PV_CRS
	NVX_PV_FIELDS_CRS(ENTRY)
#undef THIS_GROUP
#define THIS_GROUP	NVX_PV_EVENT
	NVX_PV_FIELDS_EVENT(ENTRY)
#undef THIS_GROUP
#define THIS_GROUP	NVX_PV_EXEC
	NVX_PV_FIELDS_EXEC(ENTRY)
#undef THIS_GROUP
#define THIS_GROUP	NVX_PV_HOST_VAR
	NVX_PV_FIELDS_HOST_VAR(ENTRY)
#undef THIS_GROUP
#define THIS_GROUP	NVX_PV_HOST
	NVX_PV_FIELDS_HOST(ENTRY)
#undef THIS_GROUP
#define THIS_GROUP	NVX_PV_CTRL
	NVX_PV_FIELDS_CTRL(ENTRY)
#undef THIS_GROUP
#define THIS_GROUP	NVX_PV_ADDR
	NVX_PV_FIELDS_ADDR(ENTRY)
#undef THIS_GROUP
#define THIS_GROUP	NVX_PV_MSRS
	NVX_PV_FIELDS_MSRS(ENTRY)
#undef THIS_GROUP
#define THIS_GROUP	NVX_PV_AR
	NVX_PV_FIELDS_AR(ENTRY)
#undef THIS_GROUP
#define THIS_GROUP	NVX_PV_SEGS
	NVX_PV_FIELDS_SEGS(ENTRY)
#undef THIS_GROUP
#define THIS_GROUP	NVX_PV_EXIT
	NVX_PV_FIELDS_EXIT(ENTRY)
#undef THIS_GROUP
};

const unsigned int nr_pv_fields = ARRAY_SIZE(pv_fields);

static_assert(offsetof(struct nvx_pv_assist, remote) == 32 + 24 * NVX_PV_NR_FLUSH, "");
static_assert(offsetof(struct nvx_pv_assist, msr_load) == 56 + 24 * NVX_PV_NR_FLUSH, "");
static_assert(sizeof(struct nvx_pv_assist) == 64 + 24 * (NVX_PV_NR_FLUSH + NVX_PV_NR_URET), "");
static_assert(offsetof(struct nvx_pv_assist, current_vmcs) == 16, "");
static_assert(offsetof(struct nvx_pv_vmcs_hdr, cpuid_gpa) == 24, "");
static_assert(offsetof(struct nvx_pv_vmcs_hdr, load) == 36, "");
static_assert(offsetof(struct nvx_pv_vmcs_hdr, xcr0) == 168, "");
static_assert(offsetof(struct nvx_pv_vmcs_hdr, xss) == 184, "");
static_assert(offsetof(struct nvx_pv_vmcs_hdr, tsc_deadline) == 200, "");
static_assert(sizeof(struct nvx_pv_vmcs_hdr) == 216, "");
static_assert(sizeof(struct nvx_pv_cpuid) == 40, "");

void *pv_region;
uint64_t pv_features = NVX_PV_FEAT_VMCS | NVX_PV_FEAT_FLUSH;

const struct pv_field *pv_find(uint64_t encoding)
{
	unsigned int i;

	for (i = 0; i < nr_pv_fields; i++)
		if (pv_fields[i].encoding == encoding)
			return &pv_fields[i];
	return NULL;
}

/* Read a field of the current VMCS, whichever kind it is. */
uint64_t nvx_vmreadz(uint64_t encoding)
{
	const struct pv_field *f = pv_region ? pv_find(encoding) : NULL;
	uint64_t value = 0;

	if (f && pv_hdr(pv_region)->valid & f->group)
		return pv_get(pv_region, f);
	if (vmread(encoding, &value))
		return 0;
	return value;
}

/* Write a field of the current VMCS, whichever kind it is. */
int nvx_vmwrite(uint64_t encoding, uint64_t value)
{
	const struct pv_field *f = pv_region ? pv_find(encoding) : NULL;
	uint64_t ignored;

	if (!f)
		return (vmwrite)(encoding, value);

	/* A group is taken over as a whole: have L0 complete it. */
	if (!(pv_hdr(pv_region)->valid & f->group))
		vmread(encoding, &ignored);
	nvx_pv_store(pv_region, f->group, f->offset, f->size, value);
	return 0;
}

void pv_init_assist(struct vmx_pages *vmx)
{
	struct nvx_pv_assist *assist = pv_assist(vmx);

	memset(assist, 0, sizeof(*assist));
	assist->magic = NVX_PV_ASSIST_MAGIC;
	assist->version = NVX_PV_VERSION;
	assist->features = pv_features;
	assist->current_vmcs = NVX_PV_NO_VMCS;
}

void pv_init_region(void *region)
{
	struct nvx_pv_vmcs_hdr *hdr = pv_hdr(region);

	memset(hdr, 0, sizeof(*hdr));
	hdr->magic = NVX_PV_VMCS_MAGIC;
	hdr->version = NVX_PV_VERSION;
	hdr->valid = NVX_PV_ALL;
}

/* Vector of the fault, 0 if there was none. */
uint8_t pv_enable(void)
{
	return wrmsr_safe(MSR_NVX_PV_ASSIST, NVX_PV_ASSIST_ENABLE);
}

/* VMPTRLD without an exit. */
void pv_load(struct vmx_pages *vmx, void *region, uint64_t gpa)
{
	pv_region = region;
	WRITE_ONCE(pv_assist(vmx)->current_vmcs, gpa);
}

/* The current VMCS was prepared with VMWRITE: go on with it as memory. */
void pv_start(struct vmx_pages *vmx)
{
	GUEST_ASSERT(!vmclear(vmx->vmcs_gpa));
	pv_init_assist(vmx);
	pv_init_region(vmx->vmcs);
	GUEST_ASSERT(!pv_enable());
	pv_load(vmx, vmx->vmcs, vmx->vmcs_gpa);
	nvx_launch = 1;
}
