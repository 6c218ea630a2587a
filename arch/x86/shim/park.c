// SPDX-License-Identifier: GPL-2.0-only
/*
 * A CPU without a host: it stays in the shim until it is to run one again.
 */
#include "shim.h"
#include "vmx_ops.h"
#include "world.h"

/* No VMCS of its host is active on the CPU any more: that memory may soon be another's. */
static void forget_host(struct shim_cpu *cpu, bool init)
{
	u32 i;

	page_stop(cpu);
	guest_clear_all(cpu);
	if (cpu->current_vmcs != SHIM_NO_VMCS && world_keeps(cpu, cpu->current_vmcs))
		vmclear(cpu->current_vmcs);
	cpu->current_vmcs = SHIM_NO_VMCS;
	cpu->borrowed = NULL;
	vmptrld(cpu->boot.vmcs_hpa);
	vmx_forget_region(cpu);
	shadow_link(cpu, false);
	shadow_enable(cpu, false);
	cpu->in_guest = false;
	cpu->nmi_pending = false;
	cpu->mc_pending = false;
	cpu->panicked = false;
	cpu->panicking = false;
	cpu->init_blocked = false;
	/* Its return path is memory that may be another's. */
	cpu->boot.return_rip = 0;
	cpu->icr = 0;
	cpu->ldr = 0;
	cpu->dfr = ~0u;
	cpu->bsp = false;
	cpu->lint_kept[0] = false;
	cpu->lint_kept[1] = false;
	for (i = 0; i < SHIM_NR_REMEMBERED; i++)
		cpu->remembered[i].msr = 0;
	vmclear(cpu->boot.vmcs_hpa);
	shim_flush_tlb(cpu->part);
	cpu_forget();
	/* INIT leaves the mode as it is (SDM 3A, 11.12.5.1). */
	if (init)
		apic_reset();
	else
		apic_power_up(cpu);
}

/*
 * As on the bare CPU behind INIT: it sends itself one, outside of VMX operation.  There is
 * one partition again, whose host sends the start-up IPI.
 */
static void release(struct shim_cpu *cpu)
{
	if (!policy_may_give())
		return;
	cpu->ready = false;
	cpu->part = NULL;
	cpu_set_state(cpu, SHIM_STATE_BARE);
	vmxoff();
	shim_send_init(cpu);
	for (;;)
		halt();
}

/* The first CPU of a partition comes by START, the others by SIPI. */
static void begin(struct shim_cpu *cpu, u32 command)
{
	u32 reason;

	if (command & COMMAND_START)
		enter_long_mode(cpu);
	else
		enter_real_mode(cpu);
	for (reason = 0; reason < SHIM_NR_REASONS; reason++) {
		cpu->shared->host_exits[reason] = 0;
		cpu->shared->guest_exits[reason] = 0;
	}
	cpu_set_state(cpu, SHIM_STATE_ON);
	world_count(part_of(cpu));
	shim_reenter(cpu->regs, SHIM_LAUNCH);
}

/* Whoever comes last; a CPU that waited for a start-up IPI may be the only one. */
static void park_ended(struct shim_cpu *cpu, u32 part)
{
	if (!world_count(part) && shim_header.part[part].ended)
		world_part_ended(cpu, part);
}

static void __noreturn wait(struct shim_cpu *cpu)
{
	enum shim_state state = cpu_state(cpu);
	u32 command;

	for (;;) {
		/* Else the mark of that NMI would make one that comes for the host no one's. */
		if (__atomic_exchange_n(&cpu->boot.arrived, 0, __ATOMIC_RELAXED) &
		    SHIM_ARRIVED_NMI)
			cpu_was_kicked(cpu);
		command = __atomic_exchange_n(&cpu->command, 0, __ATOMIC_ACQUIRE);
		if (command & COMMAND_RELEASE)
			release(cpu);
		if (command & COMMAND_END) {
			if (state == SHIM_STATE_WAIT)
				apic_power_up(cpu);
			state = SHIM_STATE_PARKED;
		} else if (command & COMMAND_START && state == SHIM_STATE_PARKED) {
			begin(cpu, command);
		} else if (command & COMMAND_INIT && !cpu->part->ended) {
			state = SHIM_STATE_WAIT;
		} else if (command & COMMAND_SIPI && state == SHIM_STATE_WAIT) {
			begin(cpu, command);
		}
		if (state != cpu_state(cpu))
			cpu_set_state(cpu, state);
		if (command & COMMAND_END)
			park_ended(cpu, part_of(cpu));
		halt();
	}
}

/* The CPU has run its host, and does not any more. */
void cpu_park(struct shim_cpu *cpu, enum shim_state state)
{
	forget_host(cpu, state == SHIM_STATE_WAIT);
	cpu_set_state(cpu, state);
	park_ended(cpu, part_of(cpu));
	wait(cpu);
}

/*
 * From the first partition to the second one.  Until here it was to be counted as one that runs, of
 * the one or of the other: if that has ended meanwhile, its last CPU has left the rest to this one.
 */
void cpu_take(struct shim_cpu *cpu)
{
	u32 part;

	forget_host(cpu, false);
	cpu->part = &shim_header.part[1];
	world_set_cpu(cpu);
	cpu_set_state(cpu, SHIM_STATE_PARKED);
	for (part = 0; part < SHIM_NR_PARTS; part++)
		park_ended(cpu, part);
	wait(cpu);
}
