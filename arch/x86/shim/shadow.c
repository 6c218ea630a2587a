// SPDX-License-Identifier: GPL-2.0-only
/*
 * VMCS shadowing: the host's VMREADs and VMWRITEs of the fields that it uses at
 * every exit go to a shadow VMCS, without an exit to the shim.
 *
 * cpu->shadow[] is what the shadow VMCS holds: RO fields first, RW fields from
 * SHIM_MAX_SHADOW on.  The shadow VMCS is cleared after each use, as the CPU may
 * otherwise keep parts of it out of memory while it is linked.
 */
#include "shim.h"
#include "vmx_ops.h"

#define RW(i)	(SHIM_MAX_SHADOW + (i))

void shadow_enable(struct shim_cpu *cpu, bool on)
{
	u64 controls;

	if (!(cpu->part->flags & SHIM_FLAG_SHADOW) || cpu->shadow_on == on)
		return;
	controls = vmread(SECONDARY_VM_EXEC_CONTROL);
	vmwrite(SECONDARY_VM_EXEC_CONTROL, on ?
		controls | SECONDARY_EXEC_SHADOW_VMCS :
		controls & ~(u64)SECONDARY_EXEC_SHADOW_VMCS);
	cpu->shadow_on = on;
}

void shadow_link(struct shim_cpu *cpu, bool on)
{
	if (!(cpu->part->flags & SHIM_FLAG_SHADOW) || cpu->shadowing == on)
		return;
	vmwrite(VMCS_LINK_POINTER, on ? cpu->boot.shadow_hpa : SHIM_NO_VMCS);
	cpu->shadowing = on;
}

/* Once per launch: the region holds what cpu->shadow[] says. */
void shadow_init(struct shim_cpu *cpu)
{
	const struct shim_part *part = cpu->part;
	u32 i;

	if (!(cpu->part->flags & SHIM_FLAG_SHADOW))
		return;
	vmptrld(cpu->boot.shadow_hpa);
	for (i = 0; i < part->nr_ro; i++)
		vmwrite(part->ro[i], cpu->shadow[i]);
	for (i = 0; i < part->nr_rw; i++)
		vmwrite(part->rw[i], cpu->shadow[RW(i)]);
	vmclear(cpu->boot.shadow_hpa);
}

static u64 read_field(struct shim_cpu *cpu, u32 field)
{
	if (field == HOST_RSP && cpu->borrowed)
		return cpu->borrowed->host[H_RSP];
	return vmread(field);
}

/*
 * Copy the host's current VMCS, which is current here, to the shadow VMCS.
 * Leaves no VMCS current.
 */
void shadow_publish(struct shim_cpu *cpu)
{
	const struct shim_part *part = cpu->part;
	u32 changed = 0, i;
	u64 value;

	for (i = 0; i < part->nr_ro; i++) {
		value = vmread(part->ro[i]);
		if (value == cpu->shadow[i])
			continue;
		cpu->shadow[i] = value;
		changed |= 1u << i;
	}
	for (i = 0; i < part->nr_rw; i++) {
		value = read_field(cpu, part->rw[i]);
		if (value == cpu->shadow[RW(i)])
			continue;
		cpu->shadow[RW(i)] = value;
		changed |= 1u << RW(i);
	}

	vmptrld(cpu->boot.shadow_hpa);
	while (changed) {
		i = __builtin_ctz(changed);
		changed &= changed - 1;
		vmwrite(i < SHIM_MAX_SHADOW ? part->ro[i] :
			part->rw[i - SHIM_MAX_SHADOW], cpu->shadow[i]);
	}
	vmclear(cpu->boot.shadow_hpa);
}

/*
 * Copy what the host wrote into the shadow VMCS or the shim page to its current VMCS,
 * which is current afterwards.  False: it is none any more, its host has spoilt it; the VMCS that
 * runs the host is current.
 */
bool shadow_collect(struct shim_cpu *cpu)
{
	const struct shim_part *part = cpu->part;
	u32 changed = 0, i;
	u64 value;

	if (likely(cpu->page_on)) {
		if (unlikely(!load_vmcs(cpu->current_vmcs)))
			return false;
		page_collect(cpu);
		return true;
	}
	if (cpu->shadowing) {
		vmptrld(cpu->boot.shadow_hpa);
		for (i = 0; i < part->nr_rw; i++) {
			value = vmread(part->rw[i]);
			if (value == cpu->shadow[RW(i)])
				continue;
			cpu->shadow[RW(i)] = value;
			changed |= 1u << i;
		}
		vmclear(cpu->boot.shadow_hpa);
	}

	if (unlikely(!load_vmcs(cpu->current_vmcs))) {
		vmptrld(cpu->boot.vmcs_hpa);
		return false;
	}
	while (changed) {
		i = __builtin_ctz(changed);
		changed &= changed - 1;
		page_write(cpu, part->rw[i], cpu->shadow[RW(i)]);
	}
	return true;
}

/*
 * The host wrote a field by an exit: read-only fields of the shadow VMCS must
 * follow.  Leaves no VMCS current if the field is one of them.
 */
void shadow_store(struct shim_cpu *cpu, u64 field, u64 value)
{
	const struct shim_part *part = cpu->part;
	u32 i;

	if (!cpu->shadowing)
		return;
	for (i = 0; i < part->nr_ro; i++) {
		if (part->ro[i] != field)
			continue;
		cpu->shadow[i] = value;
		vmptrld(cpu->boot.shadow_hpa);
		vmwrite(field, value);
		vmclear(cpu->boot.shadow_hpa);
		return;
	}
}
