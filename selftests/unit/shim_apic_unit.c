// SPDX-License-Identifier: GPL-2.0-only
/*
 * Modes of a local APIC while there are two partitions, on hardware that is made up and knows what
 * the SDM (3A, 11.12.5) says of transitions.  TAP.  Run by shim_test.py.
 */
#include <stdio.h>
#include <string.h>

#include "../../arch/x86/shim/world.h"

struct shim_header shim_header;
struct world world;
u32 shim_nr_parts = 2;

/* ---- hardware */

#define BASE		0xfee00000ull
#define LVT_BITS	0x1f7ffull
#define LINT0		0x350
#define LINT0_MSR	0x835
#define LVT_RESET	0x10000
#define CMCI		0x2f0

static struct {
	u64 base;
	u32 reg[0x400];			/* by offset */
	bool locked;			/* in x2APIC mode */
	bool cmci;
	bool wrong;			/* what would fault, or be no register */
	u32 off;			/* how often it was off */
} hw;

static u32 sent, sent_vector;

static void reset_registers(void)
{
	memset(hw.reg, 0, sizeof(hw.reg));
	hw.reg[LINT0] = LVT_RESET;
	hw.reg[0xe0] = ~0u;
	hw.reg[0xf0] = 0xff;
}

static enum apic_mode state_of(u64 base)
{
	if (!(base & 0x800))
		return APIC_OFF;
	return base & 0x400 ? APIC_X2APIC : APIC_XAPIC;
}

/* [from][to] */
static const bool transition[3][3] = {
	[APIC_XAPIC] = { [APIC_XAPIC] = true, [APIC_X2APIC] = true, [APIC_OFF] = true },
	[APIC_X2APIC] = { [APIC_X2APIC] = true, [APIC_OFF] = true },
	[APIC_OFF] = { [APIC_XAPIC] = true, [APIC_OFF] = true },
};

static bool write_base(u64 value)
{
	enum apic_mode from = state_of(hw.base), to = state_of(value);

	if ((value & 0xc00) == 0x400 || !transition[from][to] ||
	    (hw.locked && from == APIC_X2APIC && to != from))
		return false;
	if (to == APIC_OFF) {
		hw.off++;
		reset_registers();
	}
	hw.base = value;
	return true;
}

u64 rdmsr(u32 msr)
{
	if (msr == MSR_IA32_APICBASE)
		return hw.base;
	hw.wrong |= state_of(hw.base) != APIC_X2APIC || msr == 0x80e;
	return hw.reg[(msr - 0x800) * 16];
}

bool rdmsr_safe(u32 msr, u32 *low, u32 *high)
{
	*low = hw.cmci ? 0x400 : 0;
	*high = 0;
	return msr == 0x179;
}

bool wrmsr_safe(u32 msr, u32 low, u32 high)
{
	u32 offset = (msr - 0x800) * 16;

	if (msr == MSR_IA32_APICBASE)
		return write_base(low | (u64)high << 32);
	/* The shim knows better than to try these. */
	hw.wrong |= state_of(hw.base) != APIC_X2APIC || msr == 0x80d || msr == 0x80e;
	if (high || (offset == LINT0 && low & ~LVT_BITS))
		return false;
	hw.reg[offset] = low;
	return true;
}

void *mem_map(u64 hpa, u64 type)
{
	hw.wrong |= state_of(hw.base) != APIC_XAPIC || hpa - BASE > 0x3f0;
	return &hw.reg[hpa - BASE];
}

/* ---- the rest of the shim */

static char area[2][SHIM_AREA_SIZE] __aligned(SHIM_AREA_SIZE);
static struct apic_cpu cpus[2];
static struct denied denied;
static struct shim_cpu *const cpu = (struct shim_cpu *)(area[1] + SHIM_AREA_PRIVATE);

struct shim_cpu *cpu_of_area(u32 nr)
{
	return (struct shim_cpu *)(area[nr] + SHIM_AREA_PRIVATE);
}

u32 area_of_cpu(const struct shim_cpu *of)
{
	return of == cpu;
}

struct denied *world_denied(const struct shim_cpu *of)
{
	return &denied;
}

bool policy_may_give(void)
{
	return false;
}

enum shim_state cpu_state(const struct shim_cpu *of)
{
	return SHIM_STATE_ON;
}

bool cpu_command_wait(struct shim_cpu *target, u32 command, enum shim_state from)
{
	return true;
}

void cpu_park(struct shim_cpu *of, enum shim_state state)
{
	__builtin_trap();
}

void shim_kick(const struct shim_cpu *target)
{
}

void shim_send_fixed(const struct shim_cpu *target, u8 vector)
{
	sent++;
	sent_vector = vector;
}

void console_print(const char *format, ...)
{
}

u64 vmread(u64 field)
{
	return 0;
}

/* ---- tests */

static int nr;

static void ok(bool good, const char *what)
{
	printf("%sok %d %s\n", good ? "" : "not ", ++nr, what);
}

/* A CPU of the second partition in @mode, where only legal writes have led. */
static void begin(enum apic_mode mode)
{
	bool fault;

	memset(area, 0, sizeof(area));
	memset(&hw, 0, sizeof(hw));
	memset(&denied, 0, sizeof(denied));
	hw.base = BASE | APIC_BASE_EN;
	reset_registers();
	shim_machine.phys_mask = 0xffffffffffull;
	cpu->part = &shim_header.part[1];
	cpus[1] = (struct apic_cpu){ .id = 1, .part = 1, .runs = true };
	world.cpus = (struct apic_set){ cpus, 2 };
	world.alone = false;
	if (mode == APIC_X2APIC)
		part_wrmsr(cpu, 0x1b, BASE | APIC_BASE_EN | APIC_BASE_EXTD, &fault);
	if (mode == APIC_OFF)
		part_wrmsr(cpu, 0x1b, BASE, &fault);
	sent = 0;
}

static u64 base_of(enum apic_mode mode)
{
	return BASE | (mode == APIC_OFF ? 0 : APIC_BASE_EN) |
	       (mode == APIC_X2APIC ? APIC_BASE_EXTD : 0);
}

static bool reads(u32 msr, u64 want)
{
	bool fault;
	u64 value;

	return part_rdmsr(cpu, msr, &value, &fault) && !fault && value == want;
}

static bool writes(u32 msr, u64 value)
{
	bool fault;

	return part_wrmsr(cpu, msr, value, &fault) && !fault;
}

/* What the host reads, the hardware has, and others know. */
static bool is_in(enum apic_mode mode)
{
	enum apic_mode real = state_of(hw.base);

	return reads(0x1b, base_of(mode)) && cpus[1].mode == mode && apic_mode(cpu) == mode &&
	       real == (mode == APIC_X2APIC ? APIC_X2APIC : APIC_XAPIC) && !hw.wrong;
}

static const char *const names[] = { "xAPIC", "x2APIC", "off" };

static void test_transitions(void)
{
	enum apic_mode from, to;
	char name[80];

	for (from = 0; from < 3; from++) {
		for (to = 0; to < 3; to++) {
			begin(from);
			snprintf(name, sizeof(name), "from %s to %s", names[from], names[to]);
			ok(writes(0x1b, base_of(to)) == transition[from][to] &&
			   is_in(transition[from][to] ? to : from), name);
		}
		begin(from);
		snprintf(name, sizeof(name), "from %s to no state", names[from]);
		ok(!writes(0x1b, BASE | APIC_BASE_EXTD) && is_in(from), name);
		snprintf(name, sizeof(name), "%s: no address beyond the CPU's", names[from]);
		ok(!writes(0x1b, base_of(from) | 1ull << 50) && is_in(from) &&
		   !denied.count[DENIED_MSR_APIC_BASE], name);
		snprintf(name, sizeof(name), "%s: not elsewhere", names[from]);
		ok(writes(0x1b, base_of(from) - 0x1000) && is_in(from) &&
		   denied.count[DENIED_MSR_APIC_BASE] == 1, name);
	}
	begin(APIC_X2APIC);
	ok(writes(0x1b, base_of(APIC_OFF)) && writes(0x1b, base_of(APIC_XAPIC)) &&
	   is_in(APIC_XAPIC) && hw.off == 1, "from x2APIC to xAPIC by the way that there is");
	ok(writes(0x1b, base_of(APIC_X2APIC)) && is_in(APIC_X2APIC), "and to x2APIC again");
	begin(APIC_X2APIC);
	hw.locked = true;
	ok(!writes(0x1b, base_of(APIC_OFF)) && is_in(APIC_X2APIC), "x2APIC that is locked stays");
}

static void test_icr(void)
{
	enum apic_mode mode;
	char name[80];
	bool fault;
	u64 value;

	for (mode = 0; mode < 3; mode++) {
		begin(mode);
		snprintf(name, sizeof(name), "%s: MSR of the ICR", names[mode]);
		ok(writes(0x830, 0x1000040f0) == (mode == APIC_X2APIC) &&
		   sent == (mode == APIC_X2APIC) &&
		   reads(0x830, 0x1000040f0) == (mode == APIC_X2APIC), name);
		sent = 0;
		apic_mmio_write(cpu, 0x310, 1 << 24);
		apic_mmio_write(cpu, 0x300, 0x40f1);
		snprintf(name, sizeof(name), "%s: page of the ICR", names[mode]);
		ok(sent == (mode == APIC_XAPIC) && !hw.wrong, name);
		part_rdmsr(cpu, 0x830, &value, &fault);
		snprintf(name, sizeof(name), "%s: the MSR has what it was written", names[mode]);
		ok(fault == (mode != APIC_X2APIC) && (fault || value == 0x1000040f0), name);
	}
	begin(APIC_X2APIC);
	ok(!writes(0x830, 0x1000060f0) && reads(0x830, 0) && !sent, "a reserved bit of the ICR");
}

static void test_lvt(void)
{
	enum apic_mode mode;
	char name[80];

	for (mode = 0; mode < 3; mode++) {
		begin(mode);
		snprintf(name, sizeof(name), "%s: MSR of an LVT", names[mode]);
		ok(writes(LINT0_MSR, 0x31) == (mode == APIC_X2APIC) && !hw.wrong &&
		   hw.reg[LINT0] == (mode == APIC_X2APIC ? 0x31 : LVT_RESET), name);
	}
	begin(APIC_X2APIC);
	ok(writes(LINT0_MSR, 0x700) && hw.reg[LINT0] == 0x10700, "ExtINT is the first partition's");
	ok(!writes(LINT0_MSR, 0x20400) && hw.reg[LINT0] == 0x10700, "a reserved bit of an LVT");
	world.alone = true;
	part_push(cpu);
	ok(hw.reg[LINT0] == 0x700 && !hw.wrong, "who has the machine has it");
	begin(APIC_X2APIC);
	cpu->part = &shim_header.part[0];
	ok(writes(LINT0_MSR, 0x700) && hw.reg[LINT0] == 0x700, "so has the first partition");
	begin(APIC_XAPIC);
	apic_mmio_write(cpu, LINT0, 0xffe00700);
	writes(0x1b, base_of(APIC_X2APIC));
	world.alone = true;
	part_push(cpu);
	ok(!hw.wrong, "bits that xAPIC ignores do no harm in x2APIC");
	begin(APIC_X2APIC);
	writes(LINT0_MSR, 0x700);
	writes(0x1b, base_of(APIC_OFF));
	writes(0x1b, base_of(APIC_XAPIC));
	world.alone = true;
	part_push(cpu);
	ok(hw.reg[LINT0] == LVT_RESET, "an APIC that was off has forgotten it");
}

static void test_logical_id(void)
{
	begin(APIC_XAPIC);
	cpus[1].ldr_real = true;
	apic_mmio_write(cpu, 0xd0, 2 << 24);
	apic_mmio_write(cpu, 0xe0, 0xffffffff);
	writes(0x1b, base_of(APIC_X2APIC));
	world.alone = true;
	part_push(cpu);
	ok(!hw.wrong, "the logical ID of xAPIC is not pushed into x2APIC");
}

static void test_other_kernel(void)
{
	enum apic_mode mode;
	char name[80];

	for (mode = 0; mode < 3; mode++) {
		begin(mode);
		apic_power_up(cpu);
		snprintf(name, sizeof(name), "%s: another kernel finds xAPIC", names[mode]);
		ok(is_in(APIC_XAPIC), name);
		begin(mode);
		apic_reset();
		snprintf(name, sizeof(name), "%s: INIT leaves it", names[mode]);
		ok(is_in(mode), name);
		begin(mode);
		apic_give(cpu);
		snprintf(name, sizeof(name), "%s: so it is when the shim leaves", names[mode]);
		ok(state_of(hw.base) == mode, name);
	}
	begin(APIC_X2APIC);
	hw.locked = true;
	hw.reg[LINT0] = 0x700;
	apic_power_up(cpu);
	ok(is_in(APIC_X2APIC) && hw.reg[LINT0] == LVT_RESET, "locked: it is reset all the same");
}

static void test_cmci(void)
{
	static const u64 bases[] = { BASE | 0x800, BASE | 0xc00 };
	u32 i, good = 0;

	for (i = 0; i < ARRAY_SIZE(bases); i++) {
		memset(&hw, 0, sizeof(hw));
		hw.base = bases[i];
		hw.reg[CMCI] = 0xf3;
		apic_reset();
		good += hw.reg[CMCI] == 0xf3;
		hw.cmci = true;
		apic_reset();
		good += hw.reg[CMCI] == LVT_RESET;
	}
	ok(good == 4, "the LVT entry of corrected machine checks is masked where there is one");
}

int main(void)
{
	test_transitions();
	test_icr();
	test_lvt();
	test_logical_id();
	test_other_kernel();
	test_cmci();
	printf("1..%d\n", nr);
	return 0;
}
