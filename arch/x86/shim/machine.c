// SPDX-License-Identifier: GPL-2.0-only
/*
 * Instructions of the host that always leave to the shim, and are then executed
 * as they are: the host keeps its hardware interface.
 */
#include "shim.h"
#include "vmx_ops.h"

#define CPUID_FEATURES		1
#define CPUID_1_ECX_OSXSAVE	BIT(27)
#define CPUID_EXTENDED_FEATURES	7
#define CPUID_7_ECX_OSPKE	BIT(4)
#define X86_CR4_OSXSAVE		BIT(18)
#define X86_CR4_PKE		BIT(22)

#define CR_ACCESS_REGISTER(q)	((q) & 15)
#define CR_ACCESS_TYPE(q)	((q) >> 4 & 3)
#define CR_ACCESS_GPR(q)	((q) >> 8 & 15)
#define CR_ACCESS_MOV_TO	0

static u32 mirror_bit(u32 value, u64 mask, bool set)
{
	return set ? value | mask : value & ~(u32)mask;
}

u64 exit_cpuid(struct shim_cpu *cpu, u32 reason)
{
	u64 *r = cpu->regs->r;
	u32 leaf = r[R_RAX], ask = r[R_RCX];
	u32 eax = leaf, ebx, ecx = ask, edx;

	asm volatile("cpuid" : "+a" (eax), "=b" (ebx), "+c" (ecx), "=d" (edx));
	/* Two bits tell of CR4, which is the shim's here. */
	if (leaf == CPUID_FEATURES)
		ecx = mirror_bit(ecx, CPUID_1_ECX_OSXSAVE,
				 vmread(GUEST_CR4) & X86_CR4_OSXSAVE);
	else if (leaf == CPUID_EXTENDED_FEATURES && !ask)
		ecx = mirror_bit(ecx, CPUID_7_ECX_OSPKE,
				 vmread(GUEST_CR4) & X86_CR4_PKE);
	else if (leaf == SHIM_CPUID_LEAF && ask == SHIM_CPUID_ASK) {
		eax = SHIM_ABI_VERSION;
		ebx = SHIM_CPUID_EBX;
		ecx = 0;
		edx = 0;
	}
	r[R_RAX] = eax;
	r[R_RBX] = ebx;
	r[R_RCX] = ecx;
	r[R_RDX] = edx;
	host_skip_instruction();
	return SHIM_RESUME;
}

/* The instruction has been executed, or the CPU would not. */
static u64 done(struct shim_cpu *cpu, bool ok)
{
	if (ok)
		host_skip_instruction();
	else
		host_inject(cpu, GP_VECTOR, true, 0);
	return SHIM_RESUME;
}

/* Outside the two ranges of the bitmap; the CPU knows which ones exist. */
u64 exit_rdmsr(struct shim_cpu *cpu, u32 reason)
{
	u64 *r = cpu->regs->r, value;
	u32 low, high;
	bool fault;

	if (part_rdmsr(cpu, r[R_RCX], &value, &fault)) {
		if (fault)
			return done(cpu, false);
		r[R_RAX] = (u32)value;
		r[R_RDX] = value >> 32;
		return done(cpu, true);
	}
	if (!rdmsr_safe(r[R_RCX], &low, &high))
		return done(cpu, false);
	r[R_RAX] = low;
	r[R_RDX] = high;
	return done(cpu, true);
}

/* The CPU has it, the EPT has not: true for the bare CPU, later. */
static void tell_of_mtrr(struct shim_cpu *cpu, u32 msr, u64 value)
{
	u32 low, high;

	if (cpu->mtrr_told || !rdmsr_safe(msr, &low, &high) ||
	    (low | (u64)high << 32) == value)
		return;
	cpu->mtrr_told = true;
	console_print("shim: apic %d: MTRR %x of the host changes, memory types do not yet\n",
		      cpu->boot.apic_id, msr);
}

/* In the bitmap's ranges only those exit that shim_classify_write() knows. */
u64 exit_wrmsr(struct shim_cpu *cpu, u32 reason)
{
	u64 *r = cpu->regs->r;
	u64 value = (u32)r[R_RAX] | r[R_RDX] << 32;
	bool fault;

	if (part_wrmsr(cpu, r[R_RCX], value, &fault))
		return done(cpu, !fault);
	switch (shim_classify_write(r[R_RCX])) {
	case SHIM_WRITE_UCODE:
		/* As in VMX non-root operation: no fault, and no other revision. */
		console_print("shim: apic %d: no microcode update: the shim has to leave first\n",
			      cpu->boot.apic_id);
		return done(cpu, true);
	case SHIM_WRITE_MTRR:
		tell_of_mtrr(cpu, r[R_RCX], value);
		break;
	case SHIM_WRITE_PLAIN:
		break;
	}
	return done(cpu, wrmsr_safe(r[R_RCX], r[R_RAX], r[R_RDX]));
}

u64 exit_xsetbv(struct shim_cpu *cpu, u32 reason)
{
	u64 *r = cpu->regs->r;

	return done(cpu, !host_cpl() && xsetbv_safe(r[R_RCX], r[R_RAX], r[R_RDX]));
}

/* As firmware does it: without losing what is in the caches. */
u64 exit_invd(struct shim_cpu *cpu, u32 reason)
{
	wbinvd();
	return done(cpu, true);
}

static bool write_cr4(struct shim_cpu *cpu, u64 value)
{
	u64 old = vmread(GUEST_CR4);
	bool lma = vmread(GUEST_IA32_EFER) & EFER_LMA;

	old = (old & ~X86_CR4_VMXE) | (vmread(CR4_READ_SHADOW) & X86_CR4_VMXE);
	if (!shim_cr4_valid(old, value, lma, vmread(GUEST_CR3), cpu->vmxon,
			    &shim_machine))
		return false;
	vmwrite(CR4_READ_SHADOW, value);
	vmwrite(GUEST_CR4, value | shim_machine.cr4_fixed0);
	host_flush_tlb();
	return true;
}

static bool write_cr0(struct shim_cpu *cpu, u64 value)
{
	u64 access = vmread(GUEST_CS_AR_BYTES);
	bool long_code = vmread(GUEST_IA32_EFER) & EFER_LMA && access & AR_L;

	if (!shim_cr0_valid(value, vmread(GUEST_CR4), long_code, cpu->vmxon,
			    &shim_machine))
		return false;
	/* Long mode begins by this instruction, which the CPU has not executed. */
	if (value & ~vmread(GUEST_CR0) & X86_CR0_PG && vmread(GUEST_IA32_EFER) & EFER_LME) {
		vmwrite(GUEST_IA32_EFER, vmread(GUEST_IA32_EFER) | EFER_LMA);
		vmwrite(VM_ENTRY_CONTROLS, vmread(VM_ENTRY_CONTROLS) | VM_ENTRY_IA32E_MODE);
	}
	vmwrite(CR0_READ_SHADOW, value);
	vmwrite(GUEST_CR0, value | X86_CR0_NE);
	host_flush_tlb();
	return true;
}

/* The masks let no other access exit. */
u64 exit_cr_access(struct shim_cpu *cpu, u32 reason)
{
	u64 qual = vmread(EXIT_QUALIFICATION), value;
	bool ok;

	if (CR_ACCESS_TYPE(qual) != CR_ACCESS_MOV_TO)
		return SHIM_UNSERVED;
	value = host_register(cpu, CR_ACCESS_GPR(qual));
	if (CR_ACCESS_REGISTER(qual) == 4)
		ok = write_cr4(cpu, value);
	else if (CR_ACCESS_REGISTER(qual) == 0)
		ok = write_cr0(cpu, value);
	else
		return SHIM_UNSERVED;
	return done(cpu, ok);
}

/*
 * The host shut its CPU down: so does the machine, as without the shim.  What the
 * chipset answers may be an INIT, which VMX operation would block.
 */
u64 exit_triple_fault(struct shim_cpu *cpu, u32 reason)
{
	console_print("shim: apic %d: triple fault of the host at %llx\n", cpu->boot.apic_id,
		      vmread(GUEST_RIP));
	if (!policy_may_give())
		policy_park(cpu, SHIM_END_TRIPLE_FAULT, "triple fault", vmread(GUEST_RIP));
	vmxoff();
	shut_down();
}
