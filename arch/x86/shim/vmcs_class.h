/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the fields of a VMCS of a host mean for whose memory the CPU touches.
 */
#ifndef SHIM_VMCS_CLASS_H
#define SHIM_VMCS_CLASS_H

#include "owner.h"

/*
 * VMCS_FREE: concerns the VMCS's own guest, or is only told.  VMCS_HOST: state of the host,
 * of which the shim keeps its share aside.  VMCS_ADDRESS: of memory that the CPU uses by
 * itself.  VMCS_LIST: of a list of MSRs, the length of which is another field.
 */
enum vmcs_class { VMCS_FREE, VMCS_HOST, VMCS_ADDRESS, VMCS_LIST };

/* What makes the CPU use an address: a bit of a control, or the lack of EPT. */
enum vmcs_when {
	WHEN_ALWAYS, WHEN_PIN, WHEN_CPU, WHEN_CPU2, WHEN_CPU3,
	WHEN_NO_EPT, WHEN_HLAT, WHEN_VMFUNC, WHEN_COUNT,
};

struct vmcs_field {
	u16		encoding;
	u8		class;			/* enum vmcs_class */
	u8		when;			/* enum vmcs_when */
	u16		bit;			/* of it, or the encoding of the count */
	u16		size;			/* bytes */
	const char	*name;			/* as in the SDM */
};

/* The controls as the VMCS has them. */
struct vmcs_controls {
	u32	pin, cpu, cpu2;
	u64	cpu3, vmfunc;
};

const struct vmcs_field *vmcs_field(u16 encoding);
const struct vmcs_field *vmcs_next_address(const struct vmcs_field *field);
bool vmcs_address_ok(const struct owner_map *map, u32 part, const struct vmcs_field *field,
		     u64 value, u32 count, const struct vmcs_controls *controls,
		     struct denied *denied);
bool vmcs_write_known(u16 encoding, struct denied *denied);

#endif /* SHIM_VMCS_CLASS_H */
