/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What nestctl doctor looks at.
 */
#ifndef NESTCTL_DOCTOR_H
#define NESTCTL_DOCTOR_H

enum finding_state { FINE, MISSING, UNCLEAR };

/**
 * struct finding - Outcome of a check; the strings are allocated
 * @state: enum finding_state
 * @text: what is so
 * @cure: what to do about it, NULL if @state is FINE
 */
struct finding {
	enum finding_state state;
	char *text, *cure;
};

/*
 * Checks: X(name, purposes).  nvx: exchange the KVM modules; refresh: vmm-refresh and a
 * second kernel; libvirt: run VMs with virsh.
 */
#define DOCTOR_CHECKS(X)		\
	X(vmx, "nvx refresh libvirt")	\
	X(ept, "nvx refresh")		\
	X(nested, "nvx libvirt")	\
	X(clock, "nvx libvirt")		\
	X(lockdown, "refresh")		\
	X(signatures, "nvx refresh")	\
	X(kernel, "nvx")		\
	X(modules, "nvx")		\
	X(iommu, "refresh")		\
	X(memory, "refresh")		\
	X(cpus, "refresh")		\
	X(page, "refresh")		\
	X(libvirt, "libvirt")

#define X(name, purposes) struct finding check_##name(void);
DOCTOR_CHECKS(X)
#undef X

#endif /* NESTCTL_DOCTOR_H */
