/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who owns what while two kernels share the machine, and what was denied.  All of it is
 * pure: no instruction of it touches a CPU or a device.  Documentation/partition.rst has
 * the rules and where they come from.  The caller holds the lock of the object it passes.
 */
#ifndef SHIM_PARTITION_H
#define SHIM_PARTITION_H

#include "types.h"

#define NR_PARTS	2

/*
 * Kinds of denied access, with the names under which they are shown.  One that a kernel does
 * not attempt unless it is broken or hostile is counted; what an ordinary boot does to
 * devices that are not there is not.
 */
#define DENIED_KINDS(_)							\
	_(MEMORY_READ,		"memory-read")				\
	_(MEMORY_WRITE,		"memory-write")				\
	_(MEMORY_CPU,		"memory-cpu-structure")			\
	_(VMCS_ADDRESS,		"vmcs-address")				\
	_(VMCS_LIST,		"vmcs-list")				\
	_(VMCS_FIELD,		"vmcs-unknown-field")			\
	_(PORT,			"port")					\
	_(PORT_WIDTH,		"port-width")				\
	_(PORT_A20,		"port-a20")				\
	_(PORT_SLEEP,		"port-sleep")				\
	_(PORT_SMI,		"port-smi")				\
	_(PCI_FUNCTION,		"pci-function")				\
	_(PCI_WIDTH,		"pci-width")				\
	_(PCI_DECODE,		"pci-decode")				\
	_(PCI_BRIDGE,		"pci-bridge")				\
	_(PCI_MSI,		"pci-msi")				\
	_(IOAPIC_RTE,		"ioapic-entry")				\
	_(IOAPIC_EOI,		"ioapic-eoi")				\
	_(IOAPIC_WIDTH,		"ioapic-register")			\
	_(ICR_FOREIGN,		"icr-foreign")				\
	_(ICR_MODE,		"icr-mode")				\
	_(ICR_VECTOR,		"icr-vector")				\
	_(MSR,			"msr")					\
	_(MSR_APIC_BASE,	"msr-apic-base")			\
	_(MSR_LIST,		"msr-list")

enum denied_kind {
#define DENIED_ENUM(kind, name)	DENIED_##kind,
	DENIED_KINDS(DENIED_ENUM)
#undef DENIED_ENUM
	NR_DENIED
};

/* Of one partition; its CPUs count at the same time. */
struct denied {
	u64	count[NR_DENIED];
};

const char *denied_name(enum denied_kind kind);

/* Always false: what the caller returns. */
static inline bool deny(struct denied *denied, enum denied_kind kind)
{
	__atomic_fetch_add(&denied->count[kind], 1, __ATOMIC_RELAXED);
	return false;
}

#endif /* SHIM_PARTITION_H */
