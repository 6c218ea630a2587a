/* SPDX-License-Identifier: GPL-2.0-only */
/* Tracepoints of nvx in kvm.ko; those of kvm-intel.ko are in vmx/nvx/trace.h. */
#if !defined(_TRACE_NVX_MMU_H) || defined(TRACE_HEADER_MULTI_READ)
#define _TRACE_NVX_MMU_H

#include <linux/tracepoint.h>
#include "mmu/nvx/nvx_mmu.h"

#undef TRACE_SYSTEM
#define TRACE_SYSTEM nvx_mmu

#define NVX_AROUND_VALUE(name, text)	TRACE_DEFINE_ENUM(NVX_AROUND_##name);
#define NVX_AROUND_SYMBOL(name, text)	{ NVX_AROUND_##name, text },

NVX_AROUND_KINDS(NVX_AROUND_VALUE)

/* The last one ends the list, which must not end with a comma. */
#define NVX_SYMBOLS_OF_KINDS	NVX_AROUND_KINDS(NVX_AROUND_SYMBOL) { -1, "" }

/* Pages besides the one that faulted have been mapped, or allocated. */
TRACE_EVENT(nvx_around,
	TP_PROTO(unsigned int vcpu_id, u64 gpa, unsigned int pages, int kind),
	TP_ARGS(vcpu_id, gpa, pages, kind),

	TP_STRUCT__entry(
		__field(unsigned int,	vcpu_id)
		__field(u64,		gpa)
		__field(unsigned int,	pages)
		__field(int,		kind)
	),

	TP_fast_assign(
		__entry->vcpu_id	= vcpu_id;
		__entry->gpa		= gpa;
		__entry->pages		= pages;
		__entry->kind		= kind;
	),

	TP_printk("vcpu %u gpa %llx pages %u %s", __entry->vcpu_id,
		  __entry->gpa, __entry->pages,
		  __print_symbolic(__entry->kind, NVX_SYMBOLS_OF_KINDS))
);

/* L1 has written to a table of EPT12, whose shadow stays. */
TRACE_EVENT(nvx_keep_table,
	TP_PROTO(unsigned int vcpu_id, u64 gpa),
	TP_ARGS(vcpu_id, gpa),

	TP_STRUCT__entry(
		__field(unsigned int,	vcpu_id)
		__field(u64,		gpa)
	),

	TP_fast_assign(
		__entry->vcpu_id	= vcpu_id;
		__entry->gpa		= gpa;
	),

	TP_printk("vcpu %u gpa %llx", __entry->vcpu_id, __entry->gpa)
);

#endif /* _TRACE_NVX_MMU_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH ../../arch/x86/kvm/mmu/nvx
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
