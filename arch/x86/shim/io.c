// SPDX-License-Identifier: GPL-2.0-only
/*
 * I/O instructions of a partition that the bitmaps stop.
 */
#include "vmx_ops.h"
#include "world.h"

#define QUALIFICATION_SIZE(q)	(((q) & 7) + 1)
#define QUALIFICATION_IN	BIT(3)
#define QUALIFICATION_STRING	BIT(4)
#define QUALIFICATION_PORT(q)	((q) >> 16 & 0xffff)

#define RTC_INDEX		0x70
#define RTC_DATA		0x71
#define PIC_MASK_1		0x21
#define PIC_MASK_2		0xa1

struct io {
	struct shim_cpu		*cpu;
	struct world_device	*device;
	u32			part;
	u16			port;
	u32			width;
	bool			in;
	u32			value;		/* read, or to write */
};

static u32 ones(u32 width)
{
	return width == 4 ? ~0u : (1u << 8 * width) - 1;
}

static void real(struct io *io)
{
	if (io->in)
		io->value = port_in(io->port, io->width);
	else
		port_out(io->port, io->width, io->value);
}

static void pci_address(struct io *io)
{
	if (io->in)
		io->value = world.pci.latch[io->part];
	else
		pci_latch_write(&world.pci, io->part, io->value);
}

static void pci_data_read(struct io *io, u16 bdf, u16 reg)
{
	enum pci_verdict verdict = pci_read(&world.pci, io->part, bdf, reg, io->width,
					    world_denied(io->cpu));

	io->value = ones(io->width);
	if (verdict != PCI_PASS && verdict != PCI_LINKS)
		return;
	port_out(PCI_CONFIG_ADDRESS, 4, world.pci.latch[io->part]);
	io->value = port_in(io->port, io->width);
	if (verdict == PCI_LINKS)
		io->value = pci_links_read(&world.pci, io->part, bdf, reg, io->width, io->value);
}

/* Byte by byte. */
static void pci_links(struct io *io, u16 bdf, u16 reg)
{
	u32 bytes = pci_links_write(&world.pci, io->part, bdf, reg, io->width, io->value,
				    world_denied(io->cpu)), i;

	for (i = 0; i < io->width; i++)
		if (bytes >> i & 1)
			config_write(bdf, reg + i, 1, io->value >> 8 * i & 0xff);
}

static void pci_data_write(struct io *io, u16 bdf, u16 reg)
{
	switch (pci_write(&world.pci, io->part, bdf, reg, io->width, io->value,
			  world_denied(io->cpu))) {
	case PCI_PASS:
		port_out(PCI_CONFIG_ADDRESS, 4, world.pci.latch[io->part]);
		port_out(io->port, io->width, io->value);
		break;
	case PCI_LINKS:
		pci_links(io, bdf, reg);
		break;
	case PCI_CHIPSET:
		port_out(PCI_CONFIG_ADDRESS, 4, world.pci.latch[io->part]);
		pci_chipset_write(io->value, port_in(io->port, io->width), world_denied(io->cpu));
		break;
	default:
		break;
	}
}

static void pci_data(struct io *io)
{
	u16 bdf, reg;
	bool on = pci_latch_target(&world.pci, io->part, io->port, &bdf, &reg);

	if (!on)
		io->value = ones(io->width);
	else if (io->in)
		pci_data_read(io, bdf, reg);
	else
		pci_data_write(io, bdf, reg);
}

static void rtc_data(struct io *io)
{
	enum rtc_rule rule = rtc_decide(&world.ports, io->part, io->device->rtc_index, !io->in);

	switch (rule) {
	case RTC_REAL:
		port_out(RTC_INDEX, 1, io->device->rtc_index);
		real(io);
		break;
	case RTC_ZERO:
		io->value = 0;
		break;
	case RTC_REMEMBERED:
		if (io->in)
			io->value = io->device->rtc_shutdown;
		else
			io->device->rtc_shutdown = io->value;
		break;
	case RTC_DROP:
		break;
	}
}

static void pic(struct io *io)
{
	u32 n = io->port == PIC_MASK_2;

	if (io->port != PIC_MASK_1 && io->port != PIC_MASK_2) {
		if (io->in)
			io->value = 0;
		return;
	}
	if (io->in)
		io->value = io->device->pic_mask[n];
	else
		io->device->pic_mask[n] = io->value;
}

/* The first half of a block is status, the second one enables. */
static void pm1_event(struct io *io)
{
	u32 half = world.ports.pm1_event_length / 2, n, offset, enable;

	/* The second one may be below the first one. */
	n = io->port < world.ports.pm1_event[0] ||
	    io->port - world.ports.pm1_event[0] >= world.ports.pm1_event_length;
	offset = io->port - world.ports.pm1_event[n];
	enable = (u32)io->device->pm1_enable[n] << 8 * half;
	if (io->in)
		io->value = enable >> 8 * offset & ones(io->width);
	else if (offset == half)
		io->device->pm1_enable[n] = io->value;
	else if (!offset && io->width == 4)
		io->device->pm1_enable[n] = io->value >> 16;
}

static void emulate(struct io *io, enum port_what what)
{
	switch (what) {
	case PORT_PCI_ADDRESS:
		pci_address(io);
		break;
	case PORT_PCI_DATA:
		pci_data(io);
		break;
	case PORT_RTC_INDEX:
		if (io->in)
			io->value = ones(io->width);
		else
			io->device->rtc_index = io->value;
		break;
	case PORT_RTC_DATA:
		rtc_data(io);
		break;
	case PORT_A20:
		if (io->in)
			io->value = io->device->a20;
		else
			io->device->a20 = io->value;
		break;
	case PORT_PM1_EVENT:
		pm1_event(io);
		break;
	case PORT_PIC:
		pic(io);
		break;
	case PORT_PIT:
		io->value = 0;
		break;
	default:
		io->value = ones(io->width);
	}
}

static struct port_answer serve(struct io *io)
{
	struct port_answer answer;

	answer = ports_decide(&world.ports, io->part, io->port, io->width, !io->in, io->value,
			      world_denied(io->cpu));
	if (answer.verdict == PORT_ALLOW)
		real(io);
	else if (answer.verdict == PORT_EMULATE)
		emulate(io, answer.what);
	else
		io->value = ones(io->width);
	return answer;
}

static void set_result(struct shim_cpu *cpu, u32 width, u32 value)
{
	u64 *rax = &cpu->regs->r[R_RAX];

	*rax = width == 4 ? value : (*rax & ~(u64)ones(width)) | (value & ones(width));
}

u64 exit_io(struct shim_cpu *cpu, u32 reason)
{
	u64 qualification = vmread(EXIT_QUALIFICATION);
	struct io io = {
		.cpu = cpu, .part = part_of(cpu), .port = QUALIFICATION_PORT(qualification),
		.width = QUALIFICATION_SIZE(qualification),
		.in = qualification & QUALIFICATION_IN,
	};
	struct port_answer answer;

	if (policy_may_give())
		return SHIM_UNSERVED;
	if (qualification & QUALIFICATION_STRING) {
		deny(world_denied(cpu), DENIED_PORT_WIDTH);
		host_inject(cpu, GP_VECTOR, true, 0);
		return SHIM_RESUME;
	}
	io.device = &world.device[io.part];
	io.value = io.in ? ones(io.width) : cpu->regs->r[R_RAX] & ones(io.width);
	world_lock(cpu);
	answer = serve(&io);
	world_unlock();
	if (answer.verdict == PORT_EMULATE && answer.what == PORT_POWER_OFF)
		policy_park(cpu, SHIM_END_POWER_OFF, "power off", io.port);
	if (answer.verdict == PORT_EMULATE && answer.what == PORT_RESET)
		policy_park(cpu, SHIM_END_RESET, "reset", io.port);
	if (io.in)
		set_result(cpu, io.width, io.value);
	host_skip_instruction();
	return SHIM_RESUME;
}
