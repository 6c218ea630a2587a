/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Interfaces between the files of the shim.  "host" is the OS that owns the
 * machine and runs in VMX non-root operation above the shim; "guest" is what
 * the host's own hypervisor runs.
 */
#ifndef SHIM_SHIM_H
#define SHIM_SHIM_H

#include "semantics.h"
#include "../../../include/nvx/shim_page.h"

/* General registers by their number in instructions; slot 4 is the shim's. */
struct shim_regs {
	u64 r[16];
};

#define HOST_VPID	0xffff	/* tag of what the host has cached */

enum { R_RAX, R_RCX, R_RDX, R_RBX, R_HOW };

/*
 * How start.S goes on: which instruction enters the current VMCS.  SHIM_UNSERVED is for
 * exit.c alone: the handler has nothing to say to this exit.
 */
enum shim_how { SHIM_RESUME, SHIM_LAUNCH, SHIM_UNSERVED };

/*
 * The private part of a CPU's area.  The CPU is the one with @boot.apic_id, whatever its host
 * calls it, and belongs to @part, NULL before its first exit.
 */
struct shim_cpu {
	struct shim_boot	boot;
	struct shim_part	*part;
	enum shim_state		state;		/* the host reads a copy */
	struct shim_shared	*shared;
	struct nvx_shim_page	*page;		/* behind it */
	struct shim_regs	*regs;		/* of the exit being handled */
	u64			current_vmcs;	/* of the host, or SHIM_NO_VMCS */
	u64			cr2;		/* the host's; of a fault, if it gets one */
	struct borrowed		*borrowed;	/* its entry, if it is borrowed */
	bool			ready;
	bool			vmxon;		/* the host is in VMX operation */
	bool			in_guest;	/* a VMCS of the host is to run */
	bool			injected;	/* an event waits for VM entry */
	bool			nmi_pending, mc_pending, nmi_window;
	bool			leaving;
	bool			panicked;	/* leave as soon as possible */
	bool			init_blocked;	/* likewise, with an INIT to pass on */
	bool			panicking;	/* a fault in the shim is fatal */
	bool			shadow_on;	/* VMREAD may read the shadow VMCS */
	bool			shadowing;	/* the link pointer is set */
	bool			page_on;	/* the shim page is in use */
	bool			mtrr_told;	/* once is enough */
	bool			fault_in_leave;	/* for tests */
	bool			mc_in_leave;	/* likewise */
	u64			shadow[2 * SHIM_MAX_SHADOW];
	struct borrow_map	map;
};

/* An instruction that may fault, and where to go on then. */
struct fixup {
	u64 insn, landing;
};

extern struct shim_header shim_header;

#define shim_machine	(shim_header.machine)

/* shim.lds */
extern char shim_text[], shim_data[], shim_end[];
extern const struct fixup fixup_table[], fixup_table_end[];

/* start.S */
extern char shim_vm_exit[], shim_trap_stubs[];
extern char shim_enter_begin[], shim_enter_end[];
void __noreturn shim_reenter(struct shim_regs *regs, u64 how);
void shim_unblock_nmi(void);

/* exit.c: called by start.S */
u64 shim_handle_exit(struct shim_cpu *cpu, struct shim_regs *regs);
u64 shim_late_event(struct shim_cpu *cpu, struct shim_regs *regs, u64 how);
u64 shim_entry_failed(struct shim_cpu *cpu, struct shim_regs *regs, u64 rflags);

/* host.c: what exits of the host need */
u64 host_register(struct shim_cpu *cpu, int number);
void host_set_register(struct shim_cpu *cpu, int number, u64 value);
u8 host_cpl(void);
void host_skip_instruction(void);
void host_inject(struct shim_cpu *cpu, u8 vector, bool has_code, u32 code);
void host_deliver_pending(struct shim_cpu *cpu);
void host_collect_arrived(struct shim_cpu *cpu);
bool host_takes_nmi(struct shim_cpu *cpu);

/* insn.c */
u64 handle_vmx_instruction(struct shim_cpu *cpu, u32 reason);
u64 vmx_finish(struct shim_cpu *cpu, int outcome);

/* machine.c: of exit_rules.h */
u64 exit_cpuid(struct shim_cpu *cpu, u32 reason);
u64 exit_rdmsr(struct shim_cpu *cpu, u32 reason);
u64 exit_wrmsr(struct shim_cpu *cpu, u32 reason);
u64 exit_xsetbv(struct shim_cpu *cpu, u32 reason);
u64 exit_invd(struct shim_cpu *cpu, u32 reason);
u64 exit_cr_access(struct shim_cpu *cpu, u32 reason);
u64 exit_triple_fault(struct shim_cpu *cpu, u32 reason);

/* cpu.c */
struct shim_cpu *cpu_of_area(u32 area);
void cpu_set_state(struct shim_cpu *cpu, enum shim_state state);

/* ipi.c */
void shim_send_init(const struct shim_cpu *cpu);
void shim_kick(const struct shim_cpu *cpu);

/* policy.c */
extern u32 shim_nr_parts;

bool policy_may_give(void);
u64 policy_surprise(struct shim_cpu *cpu, const char *why, u64 detail);
void __noreturn policy_park(struct shim_cpu *cpu, const char *why, u64 detail);
void __noreturn policy_halt(struct shim_cpu *cpu, enum shim_state state);

/* guest.c */
void guest_install(struct shim_cpu *cpu, struct borrowed *slot);
void guest_give_back(struct shim_cpu *cpu, struct borrowed *slot);
void guest_give_back_all(struct shim_cpu *cpu);
void guest_clear_all(struct shim_cpu *cpu);
void guest_reflect(struct shim_cpu *cpu, u32 reason);
void guest_enter_perf(struct shim_cpu *cpu);

/* shadow.c */
void shadow_init(struct shim_cpu *cpu);
void shadow_publish(struct shim_cpu *cpu);
void shadow_collect(struct shim_cpu *cpu);
void shadow_store(struct shim_cpu *cpu, u64 field, u64 value);
void shadow_enable(struct shim_cpu *cpu, bool on);
void shadow_link(struct shim_cpu *cpu, bool on);

/* shim_page.c */
void page_collect(struct shim_cpu *cpu);
void page_settle(struct shim_cpu *cpu);
void page_publish(struct shim_cpu *cpu, u32 reason);
bool page_start(struct shim_cpu *cpu);
void page_stop(struct shim_cpu *cpu);
void page_store(struct shim_cpu *cpu, u64 field);

/* mem.c */
struct mem_fault {
	u8	vector;
	u32	code;
	u64	address;
};

bool mem_translate(u64 gva, bool write, u64 *hpa, struct mem_fault *fault);
bool mem_read(u64 gva, void *data, u32 size, struct mem_fault *fault);
bool mem_write(u64 gva, const void *data, u32 size, struct mem_fault *fault);

/* window.c */
void *mem_map(u64 hpa, u64 type);

/* leave.c */
u64 shim_leave(struct shim_cpu *cpu);
u64 shim_leave_soon(struct shim_cpu *cpu);
u64 shim_panic(struct shim_cpu *cpu, const char *why, u64 detail);
u64 exit_leave_step(struct shim_cpu *cpu, u32 reason);
void shim_fault_on_purpose(void);

/* flush.c */
void host_flush_tlb(void);
void shim_flush_tlb(const struct shim_part *part);

/* init.c */
u64 exit_init(struct shim_cpu *cpu, u32 reason);
void __noreturn shim_take_init(struct shim_cpu *cpu);

/* console.c */
void console_print(const char *format, ...) __printf(1, 2);

#endif /* SHIM_SHIM_H */
