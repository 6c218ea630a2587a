/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Kinds of accesses that are denied to a partition; also for the module, which tells of them.
 */
#ifndef REFRESH_DENIED_KINDS_H
#define REFRESH_DENIED_KINDS_H

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
	_(PCI_LINK,		"pci-link")				\
	_(PCI_CHIPSET,		"pci-chipset")				\
	_(IOAPIC_RTE,		"ioapic-entry")				\
	_(IOAPIC_EOI,		"ioapic-eoi")				\
	_(IOAPIC_WIDTH,		"ioapic-register")			\
	_(ICR_FOREIGN,		"icr-foreign")				\
	_(ICR_MODE,		"icr-mode")				\
	_(ICR_VECTOR,		"icr-vector")				\
	_(MSR,			"msr")					\
	_(MSR_APIC_BASE,	"msr-apic-base")			\
	_(MSR_LIST,		"msr-list")				\
	_(CALL,			"call")

#endif /* REFRESH_DENIED_KINDS_H */
