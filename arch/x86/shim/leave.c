// SPDX-License-Identifier: GPL-2.0-only
/*
 * Give the CPU back to the host.  The last VM entry is made to fail: the CPU
 * then loads the host state of the VMCS, which is the host's own by then, and
 * goes on in the host's return path (arch/x86/refresh).  Nothing of the shim
 * is mapped where the host runs, and nothing of the host where the shim runs.
 */
#include "shim.h"
#include "vmx_ops.h"

/* What host state has as well: _(member of the context, field to save, field to load). */
#define KEPT_FIELDS(_)							\
	_(cr0,		GUEST_CR0,		HOST_CR0)		\
	_(cr3,		GUEST_CR3,		HOST_CR3)		\
	_(efer,		GUEST_IA32_EFER,	HOST_IA32_EFER)		\
	_(sysenter_cs,	GUEST_SYSENTER_CS,	HOST_IA32_SYSENTER_CS)	\
	_(sysenter_esp,	GUEST_SYSENTER_ESP,	HOST_IA32_SYSENTER_ESP)	\
	_(sysenter_eip,	GUEST_SYSENTER_EIP,	HOST_IA32_SYSENTER_EIP)	\
	_(gdt_base,	GUEST_GDTR_BASE,	HOST_GDTR_BASE)		\
	_(idt_base,	GUEST_IDTR_BASE,	HOST_IDTR_BASE)

/* What the return path loads: _(member, field to save). */
#define SAVED_FIELDS(_)							\
	_(rip,		GUEST_RIP)					\
	_(cs,		GUEST_CS_SELECTOR)				\
	_(rflags,	GUEST_RFLAGS)					\
	_(rsp,		GUEST_RSP)					\
	_(ss,		GUEST_SS_SELECTOR)				\
	_(dr7,		GUEST_DR7)					\
	_(debugctl,	GUEST_IA32_DEBUGCTL)				\
	_(gdt_limit,	GUEST_GDTR_LIMIT)				\
	_(idt_limit,	GUEST_IDTR_LIMIT)

/* Segment registers but CS and SS: _(member, number in the order of the fields). */
#define SAVED_SEGMENTS(_)						\
	_(es, 0) _(ds, 3) _(fs, 4) _(gs, 5) _(ldtr, 6) _(tr, 7)

static struct shim_segment segment(u32 number)
{
	struct shim_segment segment = {
		.selector = vmread(GUEST_ES_SELECTOR + 2 * number),
		.base = vmread(GUEST_ES_BASE + 2 * number),
		.limit = vmread(GUEST_ES_LIMIT + 2 * number),
		.access = vmread(GUEST_ES_AR_BYTES + 2 * number),
	};

	return segment;
}

static void save_context(struct shim_cpu *cpu, struct shim_context *ctx)
{
	u32 i;

	for (i = 0; i < 16; i++)
		ctx->regs[i] = cpu->regs->r[i];
#define SAVE_KEPT(member, from, to)	ctx->member = vmread(from);
	KEPT_FIELDS(SAVE_KEPT)
#define SAVE_FIELD(member, from)	ctx->member = vmread(from);
	SAVED_FIELDS(SAVE_FIELD)
#define SAVE_SEGMENT(member, number)	ctx->member = segment(number);
	SAVED_SEGMENTS(SAVE_SEGMENT)
	ctx->cr4 = (vmread(GUEST_CR4) & ~X86_CR4_VMXE) |
		   (vmread(CR4_READ_SHADOW) & X86_CR4_VMXE);
	ctx->current_vmcs = cpu->current_vmcs;
	ctx->vmxon = cpu->vmxon;
	host_collect_arrived(cpu);
	ctx->arrived = (cpu->nmi_pending ? SHIM_ARRIVED_NMI : 0) |
		       (cpu->mc_pending ? SHIM_ARRIVED_MC : 0);
}

/* Selectors that host state can hold; the return path loads the others. */
static u64 host_selector(u16 selector)
{
	return selector & 7 ? 0 : selector;
}

static void load_host_state(struct shim_cpu *cpu, const struct shim_context *ctx)
{
#define LOAD_KEPT(member, from, to)	vmwrite(to, ctx->member);
	KEPT_FIELDS(LOAD_KEPT)
	vmwrite(HOST_CR4, ctx->cr4 | X86_CR4_VMXE);
	vmwrite(HOST_CS_SELECTOR, cpu->boot.return_cs);
	vmwrite(HOST_SS_SELECTOR, cpu->boot.return_ss);
	vmwrite(HOST_DS_SELECTOR, host_selector(ctx->ds.selector));
	vmwrite(HOST_ES_SELECTOR, host_selector(ctx->es.selector));
	vmwrite(HOST_FS_SELECTOR, host_selector(ctx->fs.selector));
	vmwrite(HOST_GS_SELECTOR, host_selector(ctx->gs.selector));
	vmwrite(HOST_TR_SELECTOR, ctx->tr.selector);
	vmwrite(HOST_FS_BASE, ctx->fs.base);
	vmwrite(HOST_GS_BASE, ctx->gs.base);
	vmwrite(HOST_TR_BASE, ctx->tr.base);
	if (shim_machine.flags & SHIM_FLAG_PERF)
		vmwrite(HOST_IA32_PERF_GLOBAL_CTRL, cpu->boot.perf.value);
	vmwrite(HOST_RSP, cpu->boot.return_rsp);
	vmwrite(HOST_RIP, cpu->boot.return_rip);
}

/* For tests: an exception in the shim, whose code is not to be written. */
void shim_fault_on_purpose(void)
{
	write_byte((u64)shim_trap_stubs);
}

/*
 * Where the host goes on: RBX and RCX are RIP and RSP of its return path, RDX the writable alias
 * of its GDT, RSI selectors for CS, and SS from bit 16 on.  RIP 0: nowhere, until it says so again.
 * False: the CPU could not load it.
 */
bool leave_set_target(struct shim_cpu *cpu)
{
	const u64 *r = cpu->regs->r;
	bool la57 = vmread(GUEST_CR4) & X86_CR4_LA57;
	u16 cs = r[R_RSI], ss = r[R_RSI] >> 16;

	if (r[R_RBX] && (!shim_is_canonical(r[R_RBX], la57) || !shim_is_canonical(r[R_RCX], la57) ||
			 !shim_is_canonical(r[R_RDX], la57) || !cs || (cs | ss) & 7))
		return false;
	cpu->boot.return_rip = r[R_RBX];
	cpu->boot.return_rsp = r[R_RCX];
	cpu->boot.return_gdt_rw = r[R_RDX];
	cpu->boot.return_cs = cs;
	cpu->boot.return_ss = ss;
	return true;
}

/*
 * Point of no return: nothing behind this fails.  A bug up to the last VMWRITE of
 * host state leads here once more, by way of a panic.
 */
u64 shim_leave(struct shim_cpu *cpu)
{
	struct shim_context *ctx = &cpu->shared->context;

	if (!policy_may_give())
		policy_park(cpu, SHIM_END_SURPRISE, "it was to have this CPU", 0);
	if (cpu->current_vmcs != SHIM_NO_VMCS)
		shadow_collect(cpu);
	page_stop(cpu);
	guest_give_back_all(cpu);
	active_init(&cpu->active);
	apic_give(cpu);
	vmptrld(cpu->boot.vmcs_hpa);
	save_context(cpu, ctx);
	load_host_state(cpu, ctx);
	if (unlikely(cpu->fault_in_leave)) {
		cpu->fault_in_leave = false;
		shim_fault_on_purpose();
	}
	if (unlikely(cpu->mc_in_leave))
		raise_mc();
	vmwrite(VM_ENTRY_INTR_INFO_FIELD, 0);
	/* Bit 1 of RFLAGS is always set: VM entry fails on the guest state. */
	vmwrite(GUEST_RFLAGS, 0);
	shim_flush_tlb(cpu->part);
	if (unlikely(cpu->init_blocked))
		shim_send_init(cpu);
	cpu->leaving = true;
	cpu_set_state(cpu, cpu->panicked ? SHIM_STATE_PANIC : SHIM_STATE_BARE);
	return SHIM_RESUME;
}

/* The return path is mapped by the page tables that the host runs on now. */
static bool can_leave(struct shim_cpu *cpu)
{
	struct mem_fault fault;
	u64 hpa;

	if (vmread(GUEST_INTERRUPTIBILITY_INFO) & GUEST_INTR_STATE_NMI)
		return false;
	/* It uses no SMAP exception: supervisor pages. */
	return !(vmread(VM_ENTRY_INTR_INFO_FIELD) & INTR_VALID) &&
	       mem_translate(cpu->boot.return_rip, false, &hpa, &fault);
}

static void step(bool on)
{
	u64 controls = vmread(CPU_BASED_VM_EXEC_CONTROL);

	vmwrite(CPU_BASED_VM_EXEC_CONTROL, on ?
		controls | CPU_BASED_MONITOR_TRAP_FLAG :
		controls & ~(u64)CPU_BASED_MONITOR_TRAP_FLAG);
}

/* The host has executed one more instruction. */
u64 exit_leave_step(struct shim_cpu *cpu, u32 reason)
{
	if (!cpu->panicked && !cpu->init_blocked)
		return SHIM_UNSERVED;
	if (!can_leave(cpu))
		return SHIM_RESUME;
	step(false);
	return shim_leave(cpu);
}

/* The host goes on until it is where the return path can be reached. */
u64 shim_leave_soon(struct shim_cpu *cpu)
{
	/* Its module is not there. */
	if (!cpu->boot.return_rip) {
		console_print("shim: apic %d: the host has no return path\n", cpu->boot.apic_id);
		policy_halt(cpu, SHIM_STATE_DEAD);
	}
	if (can_leave(cpu))
		return shim_leave(cpu);
	step(true);
	return SHIM_RESUME;
}

/*
 * For policy.c.  Give up: say why and give the CPU back, at once if the host's kernel is
 * mapped.  It is not while user code runs with page-table isolation: make the
 * host enter its kernel and step until the return path can be reached.
 */
u64 shim_panic(struct shim_cpu *cpu, const char *why, u64 detail)
{
	console_print("shim: apic %d: panic: %s (%llx)\n", cpu->boot.apic_id, why, detail);
	console_print("shim: host rip %llx rsp %llx cr3 %llx reason %x qualification %llx\n",
		      vmread(GUEST_RIP), vmread(GUEST_RSP), vmread(GUEST_CR3),
		      (u32)vmread(VM_EXIT_REASON), vmread(EXIT_QUALIFICATION));
	cpu->panicked = true;
	if (!can_leave(cpu) && host_cpl() && !cpu->injected)
		host_inject(cpu, GP_VECTOR, true, 0);
	return shim_leave_soon(cpu);
}
