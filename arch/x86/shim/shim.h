/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Interfaces between the files of the shim.  "host" is the OS that owns the
 * machine and runs in VMX non-root operation above the shim; "guest" is what
 * the host's own hypervisor runs.
 */
#ifndef SHIM_SHIM_H
#define SHIM_SHIM_H

#include "apic.h"
#include "semantics.h"
#include "../../../include/nvx/shim_page.h"

/* General registers by their number in instructions; slot 4 is the shim's. */
struct shim_regs {
	u64 r[16];
};

#define HOST_VPID	0xffff	/* tag of what the host has cached */

/* MSRs with MSR_REMEMBER in msrs.c. */
#define SHIM_NR_REMEMBERED	2

enum { R_RAX, R_RCX, R_RDX, R_RBX, R_HOW, R_RBP, R_RSI, R_RDI };

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
	struct active_set	active;

	/* Written by other CPUs. */
	u32			command;	/* COMMAND_* */
	u32			kicked;		/* the next NMI is the shim's own */
	u32			sipi_page;	/* COMMAND_SIPI */
	struct shim_start	start;		/* COMMAND_START */

	u64			icr;		/* of the host's, not in the APIC */
	u32			ldr, dfr;	/* of the APIC at the launch */
	bool			apic_off;	/* for its host, not in fact */
	u8			apic_mode;	/* enum apic_mode, for other CPUs */
	bool			bsp;		/* its host believes so */
	bool			boot_cpu;	/* ... and it is true */
	u32			lint[2];	/* LVT of the pins, kept from the APIC */
	bool			lint_kept[2];
	struct {
		u32	msr;
		u64	value;
	} remembered[SHIM_NR_REMEMBERED];
};

/*
 * What a CPU asks of another one.
 *
 * FLUSH:	of the EPT, and forget what has been checked; the bit goes when it is done
 * END:		the partition ends
 * TAKE:	the CPU leaves its host for the second partition
 * INIT, SIPI:	from its own host
 * START:	be the first CPU of the second partition
 * RELEASE:	go bare, and wait for a start-up IPI
 */
#define COMMAND_FLUSH	0x01
#define COMMAND_END	0x02
#define COMMAND_TAKE	0x04
#define COMMAND_INIT	0x08
#define COMMAND_SIPI	0x10
#define COMMAND_START	0x20
#define COMMAND_RELEASE	0x40

/* All stacks lie in the CPU's area, which is aligned to its size. */
static inline struct shim_cpu *cpu_of_stack(const void *on_stack)
{
	u64 area = (u64)on_stack & ~(u64)(SHIM_AREA_SIZE - 1);

	return (struct shim_cpu *)(area + SHIM_AREA_PRIVATE);
}

#define this_cpu()	cpu_of_stack(__builtin_frame_address(0))

/* An instruction that may fault, and where to go on then. */
struct fixup {
	u64 insn, landing;
};

extern struct shim_header shim_header;

#define shim_machine	(shim_header.machine)

/* Number of the partition that @cpu belongs to. */
static inline u32 part_of(const struct shim_cpu *cpu)
{
	return cpu->part - shim_header.part;
}

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
void vmx_forget_region(struct shim_cpu *cpu);

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
u32 area_of_cpu(const struct shim_cpu *cpu);
void cpu_set_state(struct shim_cpu *cpu, enum shim_state state);
enum shim_state cpu_state(const struct shim_cpu *cpu);
bool cpu_none_lost(void);
void cpu_command(struct shim_cpu *target, u32 command);
bool cpu_command_wait(struct shim_cpu *target, u32 command, enum shim_state from);
bool cpu_was_kicked(struct shim_cpu *cpu);
void cpu_serve_flush(struct shim_cpu *cpu);
void cpu_obey(struct shim_cpu *cpu);

/* park.c */
void __noreturn cpu_park(struct shim_cpu *cpu, enum shim_state state);
void __noreturn cpu_take(struct shim_cpu *cpu);

/* forget.c */
void cpu_forget(void);

/* enter.c: how a host begins */
void enter_long_mode(struct shim_cpu *cpu);
void enter_real_mode(struct shim_cpu *cpu);

/* part_call.c */
u64 handle_part_call(struct shim_cpu *cpu, u32 call);

/* access.c, io.c, apic_mmio.c, part_msr.c: what hosts share */
u64 exit_ept_violation(struct shim_cpu *cpu, u32 reason);
u64 exit_io(struct shim_cpu *cpu, u32 reason);
bool icr_write(struct shim_cpu *cpu, u64 value, bool x2apic);
bool lvt_write(struct shim_cpu *cpu, u32 msr, u64 value);
void apic_mmio_write(struct shim_cpu *cpu, u32 offset, u32 value);
bool part_rdmsr(struct shim_cpu *cpu, u32 msr, u64 *value, bool *fault);
bool part_wrmsr(struct shim_cpu *cpu, u32 msr, u64 value, bool *fault);
void part_push(struct shim_cpu *cpu);
void apic_push(struct shim_cpu *cpu);

/* ipi.c */
void shim_send_init(const struct shim_cpu *cpu);
void shim_kick(const struct shim_cpu *cpu);
void shim_send_fixed(const struct shim_cpu *cpu, u8 vector);

/* apic_hw.c */
u32 apic_read(u32 offset);
bool apic_write(u32 offset, u64 value);
void apic_reset(void);
enum apic_mode apic_mode(const struct shim_cpu *cpu);
void apic_note_mode(struct shim_cpu *cpu);
bool apic_set_mode(struct shim_cpu *cpu, enum apic_mode mode);
void apic_power_up(struct shim_cpu *cpu);
void apic_give(const struct shim_cpu *cpu);

/* policy.c */
extern u32 shim_nr_parts;

bool policy_may_give(void);
u64 policy_surprise(struct shim_cpu *cpu, const char *why, u64 detail);
void __noreturn policy_park(struct shim_cpu *cpu, enum shim_end end, const char *why,
			    u64 detail);
void policy_end_part(struct shim_cpu *cpu, u32 part, enum shim_end end, u64 detail);
void __noreturn policy_halt(struct shim_cpu *cpu, enum shim_state state);

/* guest.c */
void guest_install(struct shim_cpu *cpu, struct borrowed *slot);
void guest_give_back(struct shim_cpu *cpu, struct borrowed *slot);
void guest_give_back_all(struct shim_cpu *cpu);
void guest_clear_all(struct shim_cpu *cpu);
void guest_check_again(struct shim_cpu *cpu);
bool guest_check(struct shim_cpu *cpu);
bool guest_field_matters(u64 field);
u64 guest_resume_kicked(struct shim_cpu *cpu);
bool exit_was_nmi(u32 reason);
void guest_reflect(struct shim_cpu *cpu, u32 reason);
void guest_enter_perf(struct shim_cpu *cpu);

/* shadow.c */
void shadow_init(struct shim_cpu *cpu);
void shadow_publish(struct shim_cpu *cpu);
bool shadow_collect(struct shim_cpu *cpu);
void shadow_store(struct shim_cpu *cpu, u64 field, u64 value);
void shadow_enable(struct shim_cpu *cpu, bool on);
void shadow_link(struct shim_cpu *cpu, bool on);

/* shim_page.c */
void page_collect(struct shim_cpu *cpu);
void page_settle(struct shim_cpu *cpu);
void page_publish(struct shim_cpu *cpu, u32 reason);
bool page_start(struct shim_cpu *cpu);
void page_stop(struct shim_cpu *cpu);
void page_write(struct shim_cpu *cpu, u32 field, u64 value);
void page_store(struct shim_cpu *cpu, u64 field);

/* mem.c */
struct mem_fault {
	u8	vector;
	bool	foreign;	/* it is not the partition's, as its EPT says */
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
bool leave_set_target(struct shim_cpu *cpu);
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
