// SPDX-License-Identifier: GPL-2.0-only
/*
 * A PCI function of the second partition's own.  The loader calls while all other CPUs of its
 * kernel stand still, and its kernel does not know the function any more; it comes back with all
 * else when the partition is destroyed.
 */
#include "vmx_ops.h"
#include "world.h"

#define PCI_COMMAND		4

/* As the device has them: its kernel may have reset it by other means than these registers. */
static void read_registers(struct pci_function *function)
{
	u32 i;

	for (i = 0; i < PCI_HEADER; i++)
		function->config[i] = config_read(function->bdf, 4 * i);
	for (i = 0; function->msi && i < PCI_MSI; i++)
		function->msi_config[i] = config_read(function->bdf, function->msi + 4 * i);
}

static u32 give_memory(struct shim_cpu *cpu, const struct pci_decoded *decoded)
{
	u32 error, i;

	for (i = 0; i < decoded->nr_memory; i++) {
		error = world_change_owner(cpu, decoded->memory[i].hpa, decoded->memory[i].size, 1);
		if (!error)
			continue;
		while (i--)
			world_change_owner(cpu, decoded->memory[i].hpa, decoded->memory[i].size,
					   0);
		return error;
	}
	return SHIM_OK;
}

static void give_pin(struct shim_cpu *cpu, u64 pin)
{
	struct ioapic_ops ops;

	if (pin == SHIM_NO_PIN)
		return;
	ioapic_give(&world.ioapic, &world.cpus, pin, 1, &ops, world_denied(cpu));
	ioapic_hw_apply(&ops);
	pci_give_links(&world.pci, pin, 1);
}

/* From here on it cannot fail. */
static void give_function(struct pci_function *function)
{
	u32 i;
	u16 command;

	for (i = 0; i < PCI_HEADER; i++)
		function->given_config[i] = function->config[i];
	pci_function_stop(function, &command);
	config_write(function->bdf, PCI_COMMAND, 2, command);
	function->given = true;
	function->owner = 1;
}

static u32 give_locked(struct shim_cpu *cpu, struct pci_function *function, u64 pin)
{
	struct pci_decoded decoded;
	u32 error;

	/* One that has been given is not given once more, nor is a pin. */
	if (function->owner || (pin != SHIM_NO_PIN && (pin >= world.ioapic.pins ||
						       world.ioapic.owner[pin])))
		return SHIM_E_STATE;
	read_registers(function);
	if (pci_give_check(&world.pci, function, &decoded))
		return SHIM_E_FUNCTION;
	if (world.ports.nr_ranges + decoded.nr_ports > PORT_MAX_RANGES)
		return SHIM_E_TABLES;
	error = give_memory(cpu, &decoded);
	if (error)
		return error;
	pci_give_ports(&world.ports, &decoded, 1);
	world_set_port_bitmaps();
	give_pin(cpu, pin);
	give_function(function);
	return SHIM_OK;
}

u32 world_function(struct shim_cpu *cpu, u64 bdf, u64 pin)
{
	struct pci_function *function;
	u32 error;

	if (policy_may_give() || part_info(1)->state == SHIM_PART_RUNS)
		return SHIM_E_STATE;
	world_lock(cpu);
	function = bdf > 0xffff ? NULL : pci_find(&world.pci, bdf);
	error = function ? give_locked(cpu, function, pin) : SHIM_E_FUNCTION;
	world_unlock();
	return error;
}

static void restore(struct pci_function *function)
{
	u32 order[PCI_HEADER + 2], value[PCI_HEADER + 2];
	u32 nr = pci_give_restore(function, order, value), i;

	for (i = 0; i < nr; i++)
		config_write(function->bdf, 4 * order[i], i && i < nr - 1 ? 4 : 2, value[i]);
	if (!function->msi)
		return;
	/* Its messages are off, as they were. */
	function->msi_config[0] &= ~0x00010000u;
	config_write(function->bdf, function->msi + 2, 2, function->msi_config[0] >> 16);
}

static void restore_links(void)
{
	const struct pci_function *function;
	u32 i, link;

	for (i = 0; i < world.pci.nr_functions; i++) {
		function = &world.function[i];
		for (link = 0; function->links && link < PCI_NR_LINKS; link++) {
			if (world.pci.link_owner[link] != 1)
				continue;
			world.pci.links[1][link] = world.pci.link_given[link];
			config_write(function->bdf, function->links + link, 1,
				     world.pci.link_given[link]);
		}
	}
}

/* As the first kernel gave them: a second one begins, or they go back. */
void world_restore_functions(void)
{
	u32 i;

	for (i = 0; i < world.pci.nr_functions; i++)
		if (world.function[i].given)
			restore(&world.function[i]);
	restore_links();
}

static void memory_back(const struct pci_function *function)
{
	struct pci_decoded decoded;
	u64 where;
	u32 i;

	pci_give_check(&world.pci, function, &decoded);
	for (i = 0; i < decoded.nr_memory; i++) {
		/* Its pieces have their nodes and tables since they were given. */
		owner_move(&world.memory, decoded.memory[i].hpa, decoded.memory[i].size,
			   OWNER_OF_PART(1), OWNER_OF_PART(0), &where);
		world_follow(0, decoded.memory[i].hpa, decoded.memory[i].size);
	}
}

/* The partition has ended; the caller flushes, and opens the ports. */
void world_functions_back(void)
{
	struct pci_function *function;
	u32 i;

	world_restore_functions();
	for (i = 0; i < world.pci.nr_functions; i++) {
		function = &world.function[i];
		if (!function->given)
			continue;
		memory_back(function);
		function->given = false;
		function->owner = 0;
	}
	for (i = 0; i < PCI_NR_LINKS; i++)
		world.pci.link_owner[i] = 0;
	world.ports.nr_ranges = world.nr_ports;
}
