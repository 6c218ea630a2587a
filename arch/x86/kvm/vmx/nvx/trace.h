/* SPDX-License-Identifier: GPL-2.0-only */
/* Tracepoints of nvx: one per decision. */
#if !defined(_TRACE_NVX_H) || defined(TRACE_HEADER_MULTI_READ)
#define _TRACE_NVX_H

#include <linux/tracepoint.h>
#include <nvx/pv_vmcs.h>
#include "mmu/nvx/nvx_mmu.h"
#include "vmx/nvx/reasons.h"

#undef TRACE_SYSTEM
#define TRACE_SYSTEM nvx

/*
 * Values with names come from the enumerations themselves.  User space learns the
 * numbers by TRACE_DEFINE_ENUM().
 */
#define NVX_REASON_VALUE(name, text)	TRACE_DEFINE_ENUM(NVX_WHY_##name);
#define NVX_REASON_SYMBOL(name, text)	{ NVX_WHY_##name, text },
#define NVX_ERROR_VALUE(name, value, text) TRACE_DEFINE_ENUM(NVX_PV_##name);
#define NVX_ERROR_SYMBOL(name, value, text) { NVX_PV_##name, text },
#define NVX_RESULT_VALUE(name, text)	TRACE_DEFINE_ENUM(NVX_PREFAULT_##name);
#define NVX_RESULT_SYMBOL(name, text)	{ NVX_PREFAULT_##name, text },

NVX_FAST_REASONS(NVX_REASON_VALUE)
NVX_PV_ERRORS(NVX_ERROR_VALUE)
NVX_PREFAULT_RESULTS(NVX_RESULT_VALUE)

/* The last one ends the list, which must not end with a comma. */
#define NVX_SYMBOLS_OF_REASONS	NVX_FAST_REASONS(NVX_REASON_SYMBOL) { -1, "" }
#define NVX_SYMBOLS_OF_ERRORS	NVX_PV_ERRORS(NVX_ERROR_SYMBOL) { -1, "" }
#define NVX_SYMBOLS_OF_RESULTS	NVX_PREFAULT_RESULTS(NVX_RESULT_SYMBOL) { -1, "" }

/* At a nested VM-entry: was the reflected EPT violation answered in advance? */
TRACE_EVENT(nvx_prefault,
	TP_PROTO(u64 gpa, u64 eptp, int result),
	TP_ARGS(gpa, eptp, result),

	TP_STRUCT__entry(
		__field(u64,	gpa)
		__field(u64,	eptp)
		__field(int,	result)
	),

	TP_fast_assign(
		__entry->gpa	= gpa;
		__entry->eptp	= eptp;
		__entry->result	= result;
	),

	TP_printk("gpa %llx eptp %llx %s", __entry->gpa, __entry->eptp,
		  __print_symbolic(__entry->result, NVX_SYMBOLS_OF_RESULTS))
);

/* RDMSR of IA32_DEBUGCTL by L1 passes through, or exits. */
TRACE_EVENT(nvx_debugctl,
	TP_PROTO(unsigned int vcpu_id, bool passthrough),
	TP_ARGS(vcpu_id, passthrough),

	TP_STRUCT__entry(
		__field(unsigned int,	vcpu_id)
		__field(bool,		passthrough)
	),

	TP_fast_assign(
		__entry->vcpu_id	= vcpu_id;
		__entry->passthrough	= passthrough;
	),

	TP_printk("vcpu %u %s", __entry->vcpu_id,
		  __entry->passthrough ? "passthrough" : "intercepted")
);

/* The current VMCS of an L1 that has it in memory, or why there is none. */
TRACE_EVENT(nvx_pv_load,
	TP_PROTO(unsigned int vcpu_id, u64 gpa, int error),
	TP_ARGS(vcpu_id, gpa, error),

	TP_STRUCT__entry(
		__field(unsigned int,	vcpu_id)
		__field(u64,		gpa)
		__field(int,		error)
	),

	TP_fast_assign(
		__entry->vcpu_id	= vcpu_id;
		__entry->gpa		= gpa;
		__entry->error		= error;
	),

	TP_printk("vcpu %u gpa %llx %s", __entry->vcpu_id, __entry->gpa,
		  __print_symbolic(__entry->error, NVX_SYMBOLS_OF_ERRORS))
);

/* An exit of L2 that L1 has left to L0, or not. */
TRACE_EVENT(nvx_pv_deleg,
	TP_PROTO(unsigned int vcpu_id, u32 exit_reason, bool answered),
	TP_ARGS(vcpu_id, exit_reason, answered),

	TP_STRUCT__entry(
		__field(unsigned int,	vcpu_id)
		__field(u32,		exit_reason)
		__field(bool,		answered)
	),

	TP_fast_assign(
		__entry->vcpu_id	= vcpu_id;
		__entry->exit_reason	= exit_reason;
		__entry->answered	= answered;
	),

	TP_printk("vcpu %u reason %u %s", __entry->vcpu_id,
		  __entry->exit_reason,
		  __entry->answered ? "answered" : "reflected")
);

/* Pages of L2 that L1 has named are forgotten. */
TRACE_EVENT(nvx_pv_range,
	TP_PROTO(unsigned int vcpu_id, u64 eptp, u64 gpa, u32 nr_pages,
		 u64 zapped),
	TP_ARGS(vcpu_id, eptp, gpa, nr_pages, zapped),

	TP_STRUCT__entry(
		__field(unsigned int,	vcpu_id)
		__field(u32,		nr_pages)
		__field(u64,		eptp)
		__field(u64,		gpa)
		__field(u64,		zapped)
	),

	TP_fast_assign(
		__entry->vcpu_id	= vcpu_id;
		__entry->nr_pages	= nr_pages;
		__entry->eptp		= eptp;
		__entry->gpa		= gpa;
		__entry->zapped		= zapped;
	),

	TP_printk("vcpu %u eptp %llx gpa %llx pages %u zapped %llu",
		  __entry->vcpu_id, __entry->eptp, __entry->gpa,
		  __entry->nr_pages, __entry->zapped)
);

/* A transition between L1 and L2: in the short form, or why not. */
TRACE_EVENT(nvx_fast,
	TP_PROTO(unsigned int vcpu_id, bool vm_entry, bool direct, int reason),
	TP_ARGS(vcpu_id, vm_entry, direct, reason),

	TP_STRUCT__entry(
		__field(unsigned int,	vcpu_id)
		__field(bool,		vm_entry)
		__field(bool,		direct)
		__field(int,		reason)
	),

	TP_fast_assign(
		__entry->vcpu_id	= vcpu_id;
		__entry->vm_entry	= vm_entry;
		__entry->direct		= direct;
		__entry->reason		= reason;
	),

	TP_printk("vcpu %u %s%s %s", __entry->vcpu_id,
		  __entry->vm_entry ? "entry" : "exit",
		  __entry->direct ? " direct" : "",
		  __print_symbolic(__entry->reason, NVX_SYMBOLS_OF_REASONS))
);

#endif /* _TRACE_NVX_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH ../../arch/x86/kvm/vmx/nvx
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
