/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tracepoints of vmm-refresh.ko.
 */
#if !defined(VIRT_REFRESH_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define VIRT_REFRESH_TRACE_H

#include <linux/tracepoint.h>

#undef TRACE_SYSTEM
#define TRACE_SYSTEM vmm_refresh

/* All CPUs at once: virtualize (on) or devirtualize. */
TRACE_EVENT(vmm_refresh_switch,
	TP_PROTO(bool on, unsigned int cpus, int error),
	TP_ARGS(on, cpus, error),

	TP_STRUCT__entry(
		__field(bool, on)
		__field(unsigned int, cpus)
		__field(int, error)
	),

	TP_fast_assign(
		__entry->on = on;
		__entry->cpus = cpus;
		__entry->error = error;
	),

	TP_printk("%s cpus %u error %d", __entry->on ? "on" : "off",
		  __entry->cpus, __entry->error)
);

/* One CPU that comes or goes while the machine is virtualized. */
TRACE_EVENT(vmm_refresh_cpu,
	TP_PROTO(unsigned int cpu, bool on, int error),
	TP_ARGS(cpu, on, error),

	TP_STRUCT__entry(
		__field(unsigned int, cpu)
		__field(bool, on)
		__field(int, error)
	),

	TP_fast_assign(
		__entry->cpu = cpu;
		__entry->on = on;
		__entry->error = error;
	),

	TP_printk("cpu %u %s error %d", __entry->cpu,
		  __entry->on ? "on" : "off", __entry->error)
);

#endif /* VIRT_REFRESH_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace

#include <trace/define_trace.h>
