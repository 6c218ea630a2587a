// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who gets a CPU when something happens that the shim has no answer to: everything between
 * start.S and the CPU's instructions, on a CPU that is made up, with one partition and with a
 * second one.  Thousands of states for each thing that can happen; whatever they are, with two
 * partitions nobody gets a bare CPU.  TAP.  Run by shim_test.py.
 */
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../arch/x86/shim/exit_rules.h"
#include "../../arch/x86/shim/shim.h"
#include "../../arch/x86/shim/world.h"
#include "shim_fields_fake.h"
#include "shim_rest_fake.h"

#define OWN_VMCS	0x7000ull
#define STATES		400

struct shim_header shim_header;

/* ---- the CPU */

static jmp_buf way_out;

enum outcome { ENTERS, HALTED, SHUT_DOWN };

static struct {
	bool in_vmx, init_sent;
	bool forgotten;		/* what the last host has left in registers */
	u32 kicked;		/* APIC IDs of NMIs */
	u64 current, cr4, cr2, x2apic;
	u64 x2apic_before;	/* before whatever happens */
	u64 own[0x8000], other[0x8000];
	u64 active[64];
	u32 nr_active;
} hw;

static u64 apic_page[512];
static u32 seed, icr2_seen;

static u32 dice(u32 sides)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % sides;
}

static u64 *field(u64 number)
{
	return &(hw.current == OWN_VMCS ? hw.own : hw.other)[number & 0x7fff];
}

static void forget(u64 hpa)
{
	u32 i, n = 0;

	for (i = 0; i < hw.nr_active; i++)
		if (hw.active[i] != hpa)
			hw.active[n++] = hw.active[i];
	hw.nr_active = n;
}

int vmptrld(u64 hpa)
{
	forget(hpa);
	hw.active[hw.nr_active++] = hpa;
	hw.current = hpa;
	return VMX_SUCCEED;
}

int vmclear(u64 hpa)
{
	forget(hpa);
	return VMX_SUCCEED;
}

int vmxon(u64 hpa)
{
	hw.in_vmx = true;
	return VMX_SUCCEED;
}

void vmxoff(void)
{
	hw.in_vmx = false;
	hw.nr_active = 0;
}

int invept(u64 type, const struct vmx_descriptor *desc)
{
	return VMX_SUCCEED;
}

int invvpid(u64 type, const struct vmx_descriptor *desc)
{
	return VMX_SUCCEED;
}

u64 rdmsr(u32 msr)
{
	return msr == MSR_IA32_APICBASE ? 0xfee00800 | hw.x2apic : 0;
}

void wrmsr(u32 msr, u64 value)
{
	if (msr != 0x830)
		return;
	hw.init_sent |= (value & 0x700) == 0x500;
	if ((value & 0x700) == 0x400)
		hw.kicked |= 1u << (value >> 32);
}

bool rdmsr_safe(u32 msr, u32 *low, u32 *high)
{
	*low = 0;
	*high = 0;
	return dice(2);
}

bool wrmsr_safe(u32 msr, u32 low, u32 high)
{
	if (msr == MSR_IA32_APICBASE) {
		hw.x2apic = low & APIC_BASE_EXTD;
		return true;
	}
	return dice(2);
}

bool xsetbv_safe(u32 index, u32 low, u32 high)
{
	return dice(2);
}

u64 read_cr4(void)
{
	return hw.cr4;
}

void load_cr4(u64 value)
{
	hw.cr4 = value;
}

void write_cr2(u64 value)
{
	hw.cr2 = value;
}

u64 read_cr2(void)
{
	return hw.cr2;
}

void wbinvd(void)
{
}

void halt(void)
{
	longjmp(way_out, HALTED);
}

void shut_down(void)
{
	longjmp(way_out, SHUT_DOWN);
}

/* ---- files of the shim that do not matter here */

static bool mapped = true;

/* Before each access: the one to the ICR finds the destination in its other half. */
void *mem_map(u64 hpa, u64 type)
{
	u32 icr2 = *(u32 *)((char *)apic_page + 0x310);

	if ((hpa & 0xfff) == 0x300 && icr2)
		icr2_seen = icr2;
	return (char *)apic_page + (hpa & 0xfff);
}

bool mem_translate(u64 gva, bool write, u64 *hpa, struct mem_fault *fault)
{
	*hpa = gva;
	return mapped;
}

bool mem_read(u64 gva, void *data, u32 size, struct mem_fault *fault)
{
	fault->vector = dice(2) ? PF_VECTOR : GP_VECTOR;
	fault->foreign = dice(2);
	memset(data, 0, size);
	if (size == 8)
		*(u64 *)data = 0x1000 * dice(16);
	return mapped;
}

bool mem_write(u64 gva, const void *data, u32 size, struct mem_fault *fault)
{
	fault->vector = GP_VECTOR;
	fault->foreign = dice(2);
	return mapped;
}

void cpu_forget(void)
{
	hw.forgotten = true;
}

void shadow_init(struct shim_cpu *cpu) { }
void shadow_publish(struct shim_cpu *cpu) { }
void shadow_store(struct shim_cpu *cpu, u64 number, u64 value) { }
void shadow_enable(struct shim_cpu *cpu, bool on) { }
void shadow_link(struct shim_cpu *cpu, bool on) { }
void page_collect(struct shim_cpu *cpu) { }
void page_settle(struct shim_cpu *cpu) { }
void page_publish(struct shim_cpu *cpu, u32 reason) { }
void page_write(struct shim_cpu *cpu, u32 number, u64 value) { }
void page_store(struct shim_cpu *cpu, u64 number) { }
void page_stop(struct shim_cpu *cpu) { }

bool page_start(struct shim_cpu *cpu)
{
	return false;
}

bool shadow_collect(struct shim_cpu *cpu)
{
	vmptrld(cpu->current_vmcs);
	return true;
}

void shim_reenter(struct shim_regs *regs, u64 how)
{
	longjmp(way_out, ENTERS);
}

/* ---- one thing that happens, in a state that dice make */

/* CPUs: the one of which the test is, one of its partition, one of the other, one offline. */
enum { THIS, SAME, FOREIGN, OFFLINE, NR_AREAS };

static char areas[NR_AREAS][SHIM_AREA_SIZE] __aligned(SHIM_AREA_SIZE);
static char *const area = areas[THIS];
static struct shim_cpu *const cpu = (struct shim_cpu *)(areas[THIS] + SHIM_AREA_PRIVATE);
static char info[SHIM_PAGE] __aligned(SHIM_PAGE);
static struct shim_regs regs;
static struct apic_cpu places[NR_AREAS];

struct trap_frame {
	u64 r[16];
	u64 vector, code;
	u64 rip, cs, rflags, rsp, ss;
};

void shim_handle_trap(struct trap_frame *frame);

static void trap(u8 vector)
{
	struct trap_frame *frame = (struct trap_frame *)(area + SHIM_AREA_STACK);

	memset(frame, 0, sizeof(*frame));
	frame->vector = vector;
	shim_handle_trap(frame);
}

void raise_mc(void)
{
	trap(MC_VECTOR);
}

void write_byte(u64 va)
{
	trap(PF_VECTOR);
}

/* Likely values of a field, unlikely ones now and then. */
static void fill(u64 *vmcs)
{
	u32 i;

	for (i = 0; i < 0x8000; i++)
		vmcs[i] = 0;
	vmcs[GUEST_RIP] = 0xffffffff81000000;
	vmcs[GUEST_CR0] = X86_CR0_PG | X86_CR0_PE | X86_CR0_NE;
	vmcs[GUEST_CR4] = X86_CR4_PAE | X86_CR4_VMXE;
	vmcs[CR4_READ_SHADOW] = X86_CR4_PAE | (dice(4) ? X86_CR4_VMXE : 0);
	vmcs[GUEST_IA32_EFER] = EFER_LMA;
	vmcs[GUEST_CS_AR_BYTES] = AR_L;
	vmcs[GUEST_SS_AR_BYTES] = dice(4) ? 0 : 3 << 5;
	vmcs[GUEST_INTERRUPTIBILITY_INFO] = dice(3) ? 0 : dice(16);
	vmcs[VM_ENTRY_INTR_INFO_FIELD] = dice(4) ? 0 : INTR_VALID;
	vmcs[EXIT_QUALIFICATION] = dice(0x400);
	vmcs[VMX_INSTRUCTION_INFO] = dice(1 << 24) << 8;
	vmcs[VM_EXIT_INTR_INFO] = dice(2) ? INTR_VALID | INTR_TYPE_NMI : 0;
}

static void make_cpu(u32 nr)
{
	struct shim_cpu *made = cpu_of_area(nr);

	made->boot.vmcs_hpa = OWN_VMCS;
	made->boot.apic_id = 2 * nr + 1;
	made->part = &shim_header.part[nr == FOREIGN];
	made->shared = (struct shim_shared *)areas[nr];
	made->page = (struct nvx_shim_page *)(areas[nr] + SHIM_SHARED_PAGE);
	made->boot.return_rip = 0xffffffffc0000000;
	made->current_vmcs = SHIM_NO_VMCS;
	borrow_init(&made->map);
	cpu_set_state(made, nr == OFFLINE ? SHIM_STATE_BARE : SHIM_STATE_ON);
}

static void make_state(u32 parts)
{
	static const u32 calls[] = {
		SHIM_CALL_LEAVE, SHIM_CALL_VERSION, SHIM_CALL_PANIC, SHIM_CALL_FAULT,
		SHIM_CALL_LEAVE_FAULT, SHIM_CALL_MC, SHIM_CALL_LEAVE_MC, SHIM_CALL | 0xff,
	};
	u32 i;

	shim_nr_parts = parts;
	memset(areas, 0, sizeof(areas));
	memset(&shim_header, 0, sizeof(shim_header));
	shim_machine.areas_va = (u64)areas;
	shim_machine.nr_areas = NR_AREAS;
	memset(info, 0, sizeof(info));
	shim_machine.info_va = (u64)info;
	for (i = 0; i < NR_AREAS; i++)
		make_cpu(i);
	memset(apic_page, 0, sizeof(apic_page));
	hw.in_vmx = true;
	hw.init_sent = false;
	hw.forgotten = false;
	hw.kicked = 0;
	icr2_seen = 0;
	hw.nr_active = 0;
	hw.x2apic_before = dice(2) << 10;
	hw.x2apic = hw.x2apic_before;
	hw.cr4 = dice(2) ? X86_CR4_MCE : 0;
	mapped = dice(8);
	fill(hw.own);
	fill(hw.other);
	shim_machine.phys_mask = 0xffffffffff;
	shim_machine.reserve_hpa = 1ull << 39;
	shim_machine.flags = dice(0x40);
	shim_header.part[0].flags = dice(4);
	cpu->regs = &regs;
	cpu->ready = true;
	cpu->vmxon = dice(2);
	cpu->nmi_window = dice(2);
	cpu->nmi_pending = !dice(4);
	for (i = 0; cpu->vmxon && i < dice(4); i++) {
		cpu->current_vmcs = 0x100000 + 0x1000 * i;
		vmptrld(cpu->current_vmcs);
		cpu->borrowed = borrow_add(&cpu->map, cpu->current_vmcs);
		guest_install(cpu, cpu->borrowed);
	}
	vmptrld(OWN_VMCS);
	for (i = 0; i < 16; i++)
		regs.r[i] = dice(2) ? dice(8) : 0x300 + dice(8);
	/* Most hosts say where they want to go on. */
	if (dice(4)) {
		regs.r[R_RBX] = cpu->boot.return_rip;
		regs.r[R_RSI] = 0x180010;
	}
	regs.r[R_RAX] = calls[dice(ARRAY_SIZE(calls))];
}

/* Has somebody the CPU for itself? */
static bool is_given(enum outcome outcome)
{
	u32 icr = *(u32 *)((char *)apic_page + 0x300);

	return !hw.in_vmx || outcome == SHUT_DOWN || cpu->leaving || hw.init_sent ||
	       (icr & 0x700) == 0x500;
}

static bool is_parked(u32 nr)
{
	return cpu_of_area(nr)->state == SHIM_STATE_PARKED;
}

/*
 * The others of the partition are told, nobody else, and those park, too.  (The page of the
 * xAPIC has the last command only, which is the only one here.)
 */
static bool others_end(void)
{
	struct shim_cpu *same = cpu_of_area(SAME);
	u32 i, told, icr = *(u32 *)((char *)apic_page + 0x300);

	for (i = 0; i < NR_AREAS; i++) {
		told = cpu_of_area(i)->boot.arrived;
		if (i == SAME ? !told : i != THIS && told)
			return false;
	}
	if (hw.x2apic_before ? hw.kicked != 1u << same->boot.apic_id : icr != 0x4400 ||
	    icr2_seen >> 24 != same->boot.apic_id)
		return false;
	hw.nr_active = 0;
	hw.x2apic = hw.x2apic_before;
	vmptrld(OWN_VMCS);
	if (!setjmp(way_out))
		shim_late_event(same, &regs, SHIM_RESUME);
	return is_parked(SAME) && !is_parked(FOREIGN) && !hw.x2apic;
}

/* ---- what can happen */

static void exit_with(u32 reason)
{
	hw.own[VM_EXIT_REASON] = reason;
	hw.other[VM_EXIT_REASON] = reason;
	shim_handle_exit(cpu, &regs);
}

static void unknown_exit(void)
{
	static const u8 reasons[] = { 1, 7, 9, 12, 14, 17, 29, 49, 54, 65, 79, 200 };

	exit_with(reasons[dice(sizeof(reasons))]);
}

static void known_exit(void)
{
	static const u8 reasons[] = {
#define EXIT_NUMBER(name, handler, whose, otherwise) EXIT_REASON_##name,
		EXIT_RULES(EXIT_NUMBER)
	};

	exit_with(reasons[dice(sizeof(reasons))]);
}

static void call_shim(void)
{
	hw.own[GUEST_SS_AR_BYTES] = 0;
	exit_with(EXIT_REASON_VMCALL);
}

static void bad_cr_access(void)
{
	hw.own[EXIT_QUALIFICATION] = dice(2) ? 3 | dice(16) << 8 : 0x10;
	exit_with(EXIT_REASON_CR_ACCESS);
}

static void window_not_asked_for(void)
{
	cpu->nmi_window = false;
	exit_with(EXIT_REASON_NMI_WINDOW);
}

static void step_not_asked_for(void)
{
	exit_with(EXIT_REASON_MONITOR_TRAP_FLAG);
}

static void triple_fault(void)
{
	exit_with(EXIT_REASON_TRIPLE_FAULT);
}

static void init_signal(void)
{
	exit_with(EXIT_REASON_INIT_SIGNAL);
}

static void entry_refused(void)
{
	exit_with(EXIT_REASON_FAILED_ENTRY | 33);
}

static void exception(void)
{
	trap(dice(SHIM_IDT_VECTORS));
}

/* The second partition came when this CPU was already on its way out. */
static void panic_under_way(void)
{
	cpu->panicked = true;
	exit_with(EXIT_REASON_MONITOR_TRAP_FLAG);
}

static void guest_exit_under_way(void)
{
	hw.current = 0x100000;
	cpu->current_vmcs = 0x100000;
	cpu->borrowed = borrow_find(&cpu->map, 0x100000);
	if (!cpu->borrowed)
		cpu->borrowed = borrow_add(&cpu->map, 0x100000);
	cpu->in_guest = true;
	cpu->init_blocked = dice(2);
	cpu->panicked = !cpu->init_blocked;
	exit_with(dice(60));
}

static void vmxoff_with_init(void)
{
	cpu->vmxon = true;
	cpu->init_blocked = true;
	hw.own[CR4_READ_SHADOW] |= X86_CR4_VMXE;
	hw.own[GUEST_SS_AR_BYTES] = 0;
	exit_with(EXIT_REASON_VMOFF);
}

static void late_event(void)
{
	cpu->boot.arrived = dice(4);
	cpu->in_guest = cpu->current_vmcs != SHIM_NO_VMCS && dice(2);
	hw.current = cpu->in_guest ? cpu->current_vmcs : OWN_VMCS;
	shim_late_event(cpu, &regs, SHIM_RESUME);
}

static void entry_failed(void)
{
	cpu->in_guest = cpu->current_vmcs != SHIM_NO_VMCS && dice(2);
	shim_entry_failed(cpu, &regs, X86_EFLAGS_ZF);
}

/* Does the host of the only partition get its CPU? */
enum given { NEVER, SOMETIMES };

static const struct happening {
	const char *name;
	void (*happen)(void);
	enum given one;
	bool parks;		/* with two: the partition ends, always */
} happenings[] = {
	{ "an exit without a rule", unknown_exit, SOMETIMES, true },
	{ "any exit with one", known_exit, SOMETIMES },
	{ "a call", call_shim, SOMETIMES },
	{ "an access to a control register", bad_cr_access, SOMETIMES, true },
	{ "an NMI window that nobody asked for", window_not_asked_for, SOMETIMES, true },
	{ "a step that nobody asked for", step_not_asked_for, SOMETIMES, true },
	{ "a triple fault", triple_fault, SOMETIMES, true },
	{ "INIT", init_signal, SOMETIMES, true },
	{ "a host that cannot be entered", entry_refused, SOMETIMES, true },
	{ "an exception in the shim", exception, SOMETIMES },
	{ "a panic under way", panic_under_way, SOMETIMES },
	{ "an exit of a guest on the way out", guest_exit_under_way, SOMETIMES, true },
	{ "VMXOFF with a blocked INIT", vmxoff_with_init, SOMETIMES, true },
	{ "a late event", late_event, NEVER },
	{ "an entry that fails", entry_failed, NEVER },
};

static int count, failed;

static void ok(bool good, const char *what, const char *name)
{
	printf("%sok %d - %s: %s\n", good ? "" : "not ", ++count, what, name);
	failed += !good;
}

static enum outcome run(const struct happening *happening, u32 parts)
{
	enum outcome outcome;

	make_state(parts);
	outcome = setjmp(way_out);
	if (!outcome)
		happening->happen();
	return outcome;
}

static void test(const struct happening *happening)
{
	u32 given = 0, two = 0, parked = 0, kept = 0, others = 0, i, parks;
	enum outcome outcome;

	seed = 1;
	for (i = 0; i < STATES; i++)
		given += is_given(run(happening, 1));
	for (i = 0; i < STATES; i++) {
		outcome = run(happening, 2);
		two += is_given(outcome);
		parks = is_parked(THIS);
		parked += parks;
		/* It halts, none of its VMCSs is active, and its APIC is as behind a reset. */
		kept += !parks || (outcome == HALTED && !hw.nr_active && !hw.x2apic);
		others += !parks || others_end();
	}
	ok((given > 0) == (happening->one == SOMETIMES), "one host", happening->name);
	ok(!two, "nobody gets a CPU of two", happening->name);
	ok(!happening->parks || parked == STATES, "its partition ends", happening->name);
	ok(kept == STATES, "parked CPUs write nothing", happening->name);
	ok(others == STATES, "all of the partition ends, and nothing else", happening->name);
}

/* INIT of its own kernel: the mode of its APIC stays. */
static void own_init(void)
{
	cpu->command = COMMAND_INIT;
	cpu->boot.arrived = SHIM_ARRIVED_COMMAND;
	shim_late_event(cpu, &regs, SHIM_RESUME);
}

static void test_init(void)
{
	static const struct happening init = { "INIT of its own kernel", own_init };
	u32 i, good = 0;

	seed = 1;
	for (i = 0; i < STATES; i++)
		good += run(&init, 2) == HALTED && cpu->state == SHIM_STATE_WAIT &&
			hw.x2apic == hw.x2apic_before;
	ok(good == STATES, "the CPU waits in its APIC's mode", init.name);
}

/* It is to run the second partition. */
static void taken(void)
{
	cpu->command = COMMAND_TAKE;
	cpu->boot.arrived = SHIM_ARRIVED_COMMAND;
	shim_late_event(cpu, &regs, SHIM_RESUME);
}

static void test_target_goes(void)
{
	static const struct happening changes[] = {
		{ "INIT of its own kernel", own_init }, { "it is taken", taken },
	};
	u32 i, j, good;

	for (i = 0; i < ARRAY_SIZE(changes); i++) {
		seed = 1;
		for (good = 0, j = 0; j < STATES; j++)
			good += run(&changes[i], 2) == HALTED && !cpu->boot.return_rip &&
				hw.forgotten;
		ok(good == STATES, "neither return path nor registers outlive their kernel",
		   changes[i].name);
	}
}

/* What the shim says to a CPU of partition @part that names a return path at @rip. */
static u64 name_target(u32 part, u32 parts, bool alone, u64 rip)
{
	make_state(parts);
	cpu->part = &shim_header.part[part];
	world.alone = alone;
	hw.own[GUEST_SS_AR_BYTES] = 0;
	hw.own[GUEST_INTERRUPTIBILITY_INFO] = GUEST_INTR_STATE_NMI;
	cpu->boot.return_rip = 0;
	cpu->nmi_pending = false;
	regs.r[R_RAX] = SHIM_CALL_TARGET;
	regs.r[R_RBX] = rip;
	regs.r[R_RCX] = rip;
	regs.r[R_RDX] = rip;
	regs.r[R_RSI] = 0x180010;
	if (!setjmp(way_out))
		exit_with(EXIT_REASON_VMCALL);
	world.alone = false;
	return cpu->boot.return_rip == rip ? regs.r[R_RAX] : ~0ull;
}

static void test_target(void)
{
	const u64 rip = 0xffffffff80001000;

	seed = 1;
	ok(name_target(0, 2, false, rip) == SHIM_OK && name_target(0, 1, false, rip) == SHIM_OK,
	   "it names its return path", "the first kernel");
	ok(name_target(1, 2, false, rip) == ~0ull && regs.r[R_RAX] == SHIM_E_CALL &&
	   name_target(1, 2, false, 0) == SHIM_OK, "it has none", "the second kernel");
	ok(name_target(1, 2, true, rip) == SHIM_OK && name_target(1, 1, false, rip) == SHIM_OK,
	   "it names its return path", "the second kernel, alone");
	test_target_goes();
}

int main(void)
{
	u32 i;

	world.cpus.cpu = places;
	for (i = 0; i < ARRAY_SIZE(happenings); i++)
		test(&happenings[i]);
	test_init();
	test_target();
	printf("1..%d\n", count);
	return failed != 0;
}
