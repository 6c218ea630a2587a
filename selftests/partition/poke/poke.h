/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a kernel does to the other one on the machine, if it means no good.
 */
#ifndef POKE_H
#define POKE_H

#include <linux/compiler.h>
#include <linux/types.h>

/* Parameters of the module. */
struct poke {
	unsigned long addr, value;
	unsigned int width, count;
};

/*
 * @access, with interrupts off, of an address that is the physical one of @p->addr for the time
 * being.
 */
int poke_by_page(const struct poke *p, long (*access)(void *at, const struct poke *p));

/* Each returns 0 if it came back from what it did, -EFAULT if the CPU took an exception. */
int poke_read(const struct poke *p);
int poke_sweep(const struct poke *p);
int poke_read_large(const struct poke *p);
int poke_write(const struct poke *p);
int poke_write_across(const struct poke *p);
int poke_swap(const struct poke *p);
int poke_exec(const struct poke *p);
int poke_walk(const struct poke *p);

int poke_ins(const struct poke *p);
int poke_outs(const struct poke *p);
int poke_ins_to(const struct poke *p);
int poke_outs_from(const struct poke *p);

int poke_call(const struct poke *p);
int poke_function(const struct poke *p);
int poke_lie(const struct poke *p);

int poke_out(const struct poke *p);
int poke_absent(const struct poke *p);
int poke_address(const struct poke *p);
int poke_pci(const struct poke *p);
int poke_bar(const struct poke *p);
int poke_pci_read(const struct poke *p);
int poke_pci_turn(const struct poke *p);
int poke_ioapic(const struct poke *p);
int poke_race(const struct poke *p);
int poke_ioapic_write(const struct poke *p);
int poke_ioapic_read(const struct poke *p);
bool poke_has_x2apic(void);
u32 poke_apic_read(void __iomem *apic, u32 reg);
int poke_send(void __iomem *apic, u32 destination, u32 command);
int poke_icr(const struct poke *p);
int poke_x2icr(const struct poke *p);
int poke_x2apic(const struct poke *p);
int poke_gp(const struct poke *p);
int poke_wrmsr(const struct poke *p);
int poke_nmis(const struct poke *p);

int poke_registers(const struct poke *p);

int poke_vmxon(const struct poke *p);
int poke_vmptrld(const struct poke *p);
int poke_vmclear(const struct poke *p);
int poke_vmwrite(const struct poke *p);
int poke_vmwrite_spoilt(const struct poke *p);
int poke_vmcs(const struct poke *p);
int poke_vmcs_list(const struct poke *p);
int poke_vmcs_no_nmi(const struct poke *p);

int poke_vmptrld_from(const struct poke *p);
int poke_vmclear_from(const struct poke *p);
int poke_vmptrst_to(const struct poke *p);
int poke_vmread_to(const struct poke *p);
int poke_vmwrite_from(const struct poke *p);
int poke_invept_from(const struct poke *p);
int poke_invvpid_from(const struct poke *p);

#endif /* POKE_H */
