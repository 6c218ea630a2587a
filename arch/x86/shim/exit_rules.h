/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Exits of a host: _(reason, handler, whose, otherwise).
 *
 * whose:	OWN	what the CPU of one host does to itself
 *		SHIM	the shim has asked for the exit
 *		MACHINE	more than one host would feel it: served while there is one only
 *
 * otherwise:	what follows if nobody serves the exit: UNDEFINED, the host gets #UD;
 *		SURPRISE, policy.c decides.  So it does about a reason without a row.
 */
#ifndef SHIM_EXIT_RULES_H
#define SHIM_EXIT_RULES_H

#define EXIT_RULES(_)							\
	_(EXCEPTION_NMI,	exit_nmi,		OWN,	SURPRISE)	\
	_(TRIPLE_FAULT,		exit_triple_fault,	MACHINE, SURPRISE)	\
	_(INIT_SIGNAL,		exit_init,		MACHINE, SURPRISE)	\
	_(NMI_WINDOW,		exit_nmi_window,	SHIM,	SURPRISE)	\
	_(CPUID,		exit_cpuid,		OWN,	SURPRISE)	\
	_(GETSEC,		exit_unserved,		OWN,	UNDEFINED)	\
	_(INVD,			exit_invd,		OWN,	SURPRISE)	\
	_(VMCALL,		exit_vmcall,		OWN,	SURPRISE)	\
	_(VMCLEAR,		handle_vmx_instruction,	OWN,	SURPRISE)	\
	_(VMLAUNCH,		handle_vmx_instruction,	OWN,	SURPRISE)	\
	_(VMPTRLD,		handle_vmx_instruction,	OWN,	SURPRISE)	\
	_(VMPTRST,		handle_vmx_instruction,	OWN,	SURPRISE)	\
	_(VMREAD,		handle_vmx_instruction,	OWN,	SURPRISE)	\
	_(VMRESUME,		handle_vmx_instruction,	OWN,	SURPRISE)	\
	_(VMWRITE,		handle_vmx_instruction,	OWN,	SURPRISE)	\
	_(VMOFF,		handle_vmx_instruction,	OWN,	SURPRISE)	\
	_(VMON,			handle_vmx_instruction,	OWN,	SURPRISE)	\
	_(CR_ACCESS,		exit_cr_access,		OWN,	SURPRISE)	\
	_(IO_INSTRUCTION,	exit_io,		SHIM,	SURPRISE)	\
	_(MSR_READ,		exit_rdmsr,		OWN,	SURPRISE)	\
	_(MSR_WRITE,		exit_wrmsr,		OWN,	SURPRISE)	\
	_(MONITOR_TRAP_FLAG,	exit_leave_step,	SHIM,	SURPRISE)	\
	_(EPT_VIOLATION,	exit_ept_violation,	SHIM,	SURPRISE)	\
	_(INVEPT,		handle_vmx_instruction,	OWN,	SURPRISE)	\
	_(INVVPID,		handle_vmx_instruction,	OWN,	SURPRISE)	\
	_(XSETBV,		exit_xsetbv,		OWN,	SURPRISE)	\
	_(VMFUNC,		exit_unserved,		OWN,	UNDEFINED)

enum exit_whose {
	EXIT_OWN,
	EXIT_SHIM,
	EXIT_MACHINE,
};

enum exit_otherwise {
	EXIT_SURPRISE,
	EXIT_UNDEFINED,
};

#endif /* SHIM_EXIT_RULES_H */
