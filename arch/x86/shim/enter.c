// SPDX-License-Identifier: GPL-2.0-only
/*
 * The state in which a CPU begins to run the host of its partition: behind a start-up IPI
 * (SDM 3A, 10.1.1 and 11.4.4), or as the boot protocol of a kernel wants it.
 */
#include "shim.h"
#include "vmx_ops.h"

enum { ES, CS, SS, DS, FS, GS, LDTR, TR };

#define ACCESS_CODE64		0xa09b
#define ACCESS_DATA64		0xc093
#define ACCESS_CODE16		0x9b
#define ACCESS_DATA16		0x93
#define ACCESS_TSS		0x8b
#define REAL_LIMIT		0xffff

/* What Linux's boot protocol calls __BOOT_CS and __BOOT_DS. */
#define BOOT_CS			0x10
#define BOOT_DS			0x18
#define BOOT_GDT_LIMIT		0x1f

#define CR0_RESET		(X86_CR0_ET | X86_CR0_NW | X86_CR0_CD)
#define CR0_BOOT		(X86_CR0_PE | X86_CR0_MP | X86_CR0_ET | X86_CR0_NE | X86_CR0_PG)
#define DR7_RESET		0x400

static void segment(u32 number, u64 selector, u64 base, u32 limit, u32 access)
{
	vmwrite(GUEST_ES_SELECTOR + 2 * number, selector);
	vmwrite(GUEST_ES_BASE + 2 * number, base);
	vmwrite(GUEST_ES_LIMIT + 2 * number, limit);
	vmwrite(GUEST_ES_AR_BYTES + 2 * number, access);
}

/* Controls that depend on the partition, or that its last host has left set. */
static void set_controls(struct shim_cpu *cpu)
{
	u64 controls = vmread(CPU_BASED_VM_EXEC_CONTROL);

	vmwrite(EPT_POINTER, cpu->part->eptp);
	vmwrite(MSR_BITMAP, cpu->part->msr_bitmap);
	vmwrite(IO_BITMAP_A, cpu->part->io_bitmap);
	vmwrite(IO_BITMAP_B, cpu->part->io_bitmap + SHIM_PAGE);
	controls &= ~(u64)(CPU_BASED_NMI_WINDOW_EXITING | CPU_BASED_MONITOR_TRAP_FLAG);
	vmwrite(CPU_BASED_VM_EXEC_CONTROL, controls);
	vmwrite(VM_ENTRY_INTR_INFO_FIELD, 0);
	vmwrite(VMCS_LINK_POINTER, SHIM_NO_VMCS);
	cpu->nmi_window = false;
	cpu->injected = false;
}

/* The VMCS that runs the host is current afterwards, and not launched. */
static void reset(struct shim_cpu *cpu)
{
	u32 i;

	vmclear(cpu->boot.vmcs_hpa);
	vmptrld(cpu->boot.vmcs_hpa);
	set_controls(cpu);
	vmwrite(GUEST_RFLAGS, X86_EFLAGS_FIXED);
	vmwrite(GUEST_RSP, 0);
	vmwrite(GUEST_DR7, DR7_RESET);
	vmwrite(GUEST_IA32_DEBUGCTL, 0);
	vmwrite(GUEST_INTERRUPTIBILITY_INFO, 0);
	vmwrite(GUEST_ACTIVITY_STATE, 0);
	vmwrite(GUEST_PENDING_DBG_EXCEPTIONS, 0);
	vmwrite(GUEST_SYSENTER_CS, 0);
	vmwrite(GUEST_SYSENTER_ESP, 0);
	vmwrite(GUEST_SYSENTER_EIP, 0);
	vmwrite(GUEST_IDTR_BASE, 0);
	vmwrite(GUEST_IDTR_LIMIT, REAL_LIMIT);
	segment(LDTR, 0, 0, REAL_LIMIT, AR_UNUSABLE);
	segment(TR, 0, 0, REAL_LIMIT, ACCESS_TSS);
	for (i = 0; i < 16; i++)
		cpu->regs->r[i] = 0;
	cpu->cr2 = 0;
	write_cr2(0);
	cpu->boot.perf.value = 0;
	shim_flush_tlb(cpu->part);
}

static void set_mode(u64 cr0, u64 cr3, u64 cr4, u64 efer)
{
	u64 entry = vmread(VM_ENTRY_CONTROLS) & ~(u64)VM_ENTRY_IA32E_MODE;

	vmwrite(CR0_READ_SHADOW, cr0);
	vmwrite(GUEST_CR0, cr0 | X86_CR0_NE);
	vmwrite(GUEST_CR3, cr3);
	vmwrite(CR4_READ_SHADOW, cr4);
	vmwrite(GUEST_CR4, cr4 | shim_machine.cr4_fixed0);
	vmwrite(GUEST_IA32_EFER, efer);
	vmwrite(VM_ENTRY_CONTROLS, efer & EFER_LMA ? entry | VM_ENTRY_IA32E_MODE : entry);
}

void enter_long_mode(struct shim_cpu *cpu)
{
	u32 i;

	reset(cpu);
	for (i = ES; i <= GS; i++)
		segment(i, BOOT_DS, 0, ~0u, ACCESS_DATA64);
	segment(CS, BOOT_CS, 0, ~0u, ACCESS_CODE64);
	vmwrite(GUEST_GDTR_BASE, cpu->start.gdt);
	vmwrite(GUEST_GDTR_LIMIT, BOOT_GDT_LIMIT);
	set_mode(CR0_BOOT, cpu->start.cr3, X86_CR4_PAE, EFER_LME | EFER_LMA);
	vmwrite(GUEST_RIP, cpu->start.rip);
	cpu->regs->r[R_RSI] = cpu->start.rsi;
	cpu->bsp = true;
}

void enter_real_mode(struct shim_cpu *cpu)
{
	u64 vector = cpu->sipi_page;
	u32 i;

	reset(cpu);
	for (i = ES; i <= GS; i++)
		segment(i, 0, 0, REAL_LIMIT, ACCESS_DATA16);
	segment(CS, vector << 8, vector << 12, REAL_LIMIT, ACCESS_CODE16);
	vmwrite(GUEST_GDTR_BASE, 0);
	vmwrite(GUEST_GDTR_LIMIT, REAL_LIMIT);
	set_mode(CR0_RESET, 0, 0, 0);
	vmwrite(GUEST_RIP, 0);
	cpu->bsp = false;
}
