// SPDX-License-Identifier: GPL-2.0-only
/*
 * VMCSs of a host that spoils them, shares them between its CPUs or hides what is in them, on a CPU
 * that is made up: what the shim writes goes to the VMCS that it is for, or nowhere.  TAP.  Run by
 * shim_test.py.
 */
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../arch/x86/shim/shim.h"
#include "shim_fields_fake.h"
#include "shim_rest_fake.h"

#define ENCODINGS	0x8000
#define NR_VMCS		8
#define NOTHING		(NR_VMCS - 1)	/* in the place of no current VMCS */
#define ANY		(NR_VMCS - 2)	/* they only are active, or not */
#define NR_PAGES	0x10000

/* Those of the shim for each CPU, then the host's. */
#define OWN		0x1000ull
#define SHADOW		0x2000ull
#define A		0x3000ull
#define B		0x4000ull

struct shim_header shim_header;

/* ---- the CPU: by number of the page, as many as there are */

static u64 vmcs[NR_VMCS][ENCODINGS];
static u64 current, spoilt;
static u64 operand;		/* what is in memory */
static bool flushed;
static jmp_buf way_out;

static bool active[NR_PAGES], cleared[NR_PAGES];

static u64 *field(u64 number)
{
	u64 page = current == SHIM_NO_VMCS ? NOTHING : current >> 12;

	return &vmcs[page < ANY || page == NOTHING ? page : ANY][number & (ENCODINGS - 1)];
}

/* What begins with another number is no VMCS; the one before stays current. */
int vmptrld(u64 hpa)
{
	if (hpa == spoilt)
		return VMX_FAIL_BY_CPU;
	current = hpa;
	active[hpa >> 12] = true;
	return VMX_SUCCEED;
}

int vmclear(u64 hpa)
{
	active[hpa >> 12] = false;
	cleared[hpa >> 12] = true;
	if (hpa == current)
		current = SHIM_NO_VMCS;
	return VMX_SUCCEED;
}

int vmxon(u64 hpa)
{
	return VMX_SUCCEED;
}

void vmxoff(void)
{
	current = SHIM_NO_VMCS;
}

int invept(u64 type, const struct vmx_descriptor *desc)
{
	flushed = true;
	return VMX_SUCCEED;
}

int invvpid(u64 type, const struct vmx_descriptor *desc)
{
	return VMX_SUCCEED;
}

u64 rdmsr(u32 msr)
{
	return msr == MSR_EFER ? EFER_LMA : 0;
}

bool rdmsr_safe(u32 msr, u32 *low, u32 *high)
{
	return false;
}

bool wrmsr_safe(u32 msr, u32 low, u32 high)
{
	return true;
}

bool xsetbv_safe(u32 index, u32 low, u32 high)
{
	return true;
}

u64 read_cr4(void)
{
	return 0;
}

u64 read_cr2(void)
{
	return 0;
}

void wrmsr(u32 msr, u64 value) { }
void load_cr4(u64 value) { }
void write_cr2(u64 value) { }
void wbinvd(void) { }
void raise_mc(void) { }
void cpu_forget(void) { }
void write_byte(u64 va) { }

void halt(void)
{
	longjmp(way_out, 1);
}

void shut_down(void)
{
	longjmp(way_out, 1);
}

void shim_reenter(struct shim_regs *regs, u64 how)
{
	longjmp(way_out, 1);
}

/* ---- memory */

void *mem_map(u64 hpa, u64 type)
{
	static u64 page[512];

	return (char *)page + (hpa & 0xfff);
}

bool mem_translate(u64 gva, bool write, u64 *hpa, struct mem_fault *fault)
{
	*hpa = gva;
	return true;
}

bool mem_read(u64 gva, void *data, u32 size, struct mem_fault *fault)
{
	memset(data, 0, size);
	memcpy(data, &operand, sizeof(operand));
	return true;
}

bool mem_write(u64 gva, const void *data, u32 size, struct mem_fault *fault)
{
	return true;
}

/* ---- the host: two CPUs, of which the test is of the first one */

enum { THIS, SAME, NR_AREAS };

static char areas[NR_AREAS][SHIM_AREA_SIZE] __aligned(SHIM_AREA_SIZE);
static struct shim_cpu *const cpu = (struct shim_cpu *)(areas[THIS] + SHIM_AREA_PRIVATE);
static struct shim_cpu *const same = (struct shim_cpu *)(areas[SAME] + SHIM_AREA_PRIVATE);
static char info[SHIM_PAGE] __aligned(SHIM_PAGE);
static union owner_node nodes[16];
static struct shim_regs regs;

#define HOST_ENTRY	0xffffffff81000000ull
#define SHIM_EXIT	(SHIM_VA_BEGIN + 0x1000)

static void make_cpu(struct shim_cpu *made)
{
	made->boot.vmcs_hpa = OWN;
	made->boot.shadow_hpa = SHADOW;
	made->boot.apic_id = area_of_cpu(made);
	made->boot.host[H_RIP] = SHIM_EXIT;
	made->boot.host[H_RSP] = (u64)made;
	made->part = &shim_header.part[0];
	made->shared = (struct shim_shared *)((char *)made - SHIM_AREA_PRIVATE);
	made->page = (struct nvx_shim_page *)((char *)made->shared + SHIM_SHARED_PAGE);
	made->current_vmcs = SHIM_NO_VMCS;
	made->regs = &regs;
	made->ready = true;
	made->vmxon = true;
	borrow_init(&made->map);
	active_init(&made->active);
	page_stop(made);
	cpu_set_state(made, SHIM_STATE_ON);
}

/* Host state that is valid, and controls as KVM has them. */
static void make_vmcs(u64 hpa)
{
	u64 *made = vmcs[hpa >> 12];

	memset(made, 0, sizeof(vmcs[0]));
	made[HOST_CS_SELECTOR] = 0x10;
	made[HOST_TR_SELECTOR] = 0x40;
	made[HOST_CR0] = X86_CR0_PE;
	made[HOST_CR4] = X86_CR4_PAE | X86_CR4_VMXE;
	made[HOST_RIP] = HOST_ENTRY;
	made[HOST_RSP] = 0x1234;
	made[VMCS_LINK_POINTER] = SHIM_NO_VMCS;
	made[PIN_BASED_VM_EXEC_CONTROL] = BIT(3) | BIT(5);
}

static void make_world(void)
{
	memset(&world, 0, sizeof(world));
	if (owner_init(&world.memory, nodes, ARRAY_SIZE(nodes), 40, OWNER_OF_PART(0)))
		abort();
}

static void make_machine(u32 parts)
{
	u64 hpa;

	shim_nr_parts = parts;
	memset(areas, 0, sizeof(areas));
	memset(info, 0, sizeof(info));
	memset(&regs, 0, sizeof(regs));
	memset(&shim_header, 0, sizeof(shim_header));
	shim_machine.areas_va = (u64)areas;
	shim_machine.nr_areas = NR_AREAS;
	shim_machine.info_va = (u64)info;
	shim_machine.phys_mask = 0xffffffffff;
	shim_machine.reserve_hpa = 1ull << 39;
	shim_machine.cr0_fixed1 = ~0ull;
	shim_machine.cr4_fixed1 = ~0ull;
	make_world();
	memset(active, 0, sizeof(active));
	memset(cleared, 0, sizeof(cleared));
	make_cpu(cpu);
	make_cpu(same);
	spoilt = 0;
	for (hpa = OWN; hpa <= B; hpa += SHIM_PAGE)
		make_vmcs(hpa);
	make_vmcs(ANY * SHIM_PAGE);
	vmcs[OWN >> 12][HOST_RIP] = SHIM_EXIT;
	vmcs[OWN >> 12][GUEST_CR0] = X86_CR0_PE;
	vmcs[OWN >> 12][CR4_READ_SHADOW] = X86_CR4_VMXE;
	vmcs[OWN >> 12][GUEST_IA32_EFER] = EFER_LMA;
	vmcs[OWN >> 12][GUEST_CS_AR_BYTES] = AR_L;
	current = OWN;
}

static u64 execute(struct shim_cpu *on, u32 reason)
{
	current = OWN;
	vmcs[OWN >> 12][GUEST_RFLAGS] = X86_EFLAGS_FIXED;
	vmcs[OWN >> 12][VM_EXIT_REASON] = reason;
	/* Register operands: RAX, RCX. */
	vmcs[OWN >> 12][VMX_INSTRUCTION_INFO] = reason == EXIT_REASON_VMREAD ||
		reason == EXIT_REASON_VMWRITE ? BIT(10) | 1 << 28 : 0;
	return shim_handle_exit(on, &regs);
}

static void with_pointer(struct shim_cpu *on, u32 reason, u64 hpa)
{
	operand = hpa;
	execute(on, reason);
}

static void write_field(struct shim_cpu *on, u64 number, u64 value)
{
	regs.r[R_RAX] = value;
	regs.r[R_RCX] = number;
	execute(on, EXIT_REASON_VMWRITE);
}

/* The guest runs until it leaves for @reason. */
static void leave_guest(struct shim_cpu *on, u32 reason)
{
	*field(VM_EXIT_REASON) = reason;
	shim_handle_exit(on, &regs);
}

static u64 own(u64 number)
{
	return vmcs[OWN >> 12][number];
}

static bool failed_invalid(void)
{
	return own(GUEST_RFLAGS) & X86_EFLAGS_CF;
}

static bool failed_with(u64 hpa, u64 error)
{
	return own(GUEST_RFLAGS) & X86_EFLAGS_ZF && vmcs[hpa >> 12][VM_INSTRUCTION_ERROR] == error;
}

/* What runs the host is as the shim has made it. */
static bool own_is_whole(void)
{
	return own(HOST_RIP) == SHIM_EXIT && own(HOST_RSP) == 0x1234 && !own(EPT_POINTER) &&
	       !own(HOST_CR3) && !own(VM_INSTRUCTION_ERROR) && !own(GUEST_IA32_DEBUGCTL) &&
	       current == OWN;
}

static int count, failed;

static void ok(bool good, const char *what)
{
	printf("%sok %d - %s\n", good ? "" : "not ", ++count, what);
	failed += !good;
}

/* ---- a VMCS that begins with another number than before */

static void spoil(u32 flags, bool borrowed)
{
	make_machine(1);
	shim_header.part[0].flags = flags;
	shim_header.part[0].nr_rw = 1;
	shim_header.part[0].rw[0] = GUEST_IA32_DEBUGCTL;
	with_pointer(cpu, EXIT_REASON_VMPTRLD, A);
	if (borrowed) {
		execute(cpu, EXIT_REASON_VMLAUNCH);
		leave_guest(cpu, EXIT_REASON_CPUID);
	}
	spoilt = A;
}

static void spoilt_write(u64 number)
{
	spoil(0, false);
	write_field(cpu, number, 0xbad);
	ok(failed_invalid() && own_is_whole(), "spoilt: VMWRITE fails and writes nowhere");
}

static void spoilt_read(void)
{
	spoil(0, false);
	regs.r[R_RAX] = 0x77;
	regs.r[R_RCX] = HOST_RIP;
	execute(cpu, EXIT_REASON_VMREAD);
	ok(failed_invalid() && regs.r[R_RAX] == 0x77 && own_is_whole(),
	   "spoilt: VMREAD fails and tells nothing of the shim");
}

static void spoilt_error(void)
{
	spoil(0, false);
	with_pointer(cpu, EXIT_REASON_VMPTRLD, 0x123);
	ok(own_is_whole(), "spoilt: no error number in the VMCS that runs the host");
}

static void spoilt_entry(u32 flags, bool borrowed, const char *what)
{
	u64 how;

	spoil(flags, borrowed);
	if (flags)
		vmcs[SHADOW >> 12][GUEST_IA32_DEBUGCTL] = 0xbad;
	how = execute(cpu, EXIT_REASON_VMRESUME);
	ok(failed_invalid() && how == SHIM_RESUME && !cpu->in_guest && own_is_whole(), what);
}

static void spoilt_page(void)
{
	make_machine(1);
	cpu->page->want = 1;
	with_pointer(cpu, EXIT_REASON_VMPTRLD, A);
	spoilt = A;
	cpu->page->field[NVX_SHIM_HOST_RSP] = 0xbad;
	cpu->page->dirty |= 1u << NVX_SHIM_HOST_RSP;
	write_field(cpu, GUEST_RIP, 0xbad);
	ok(failed_invalid() && own_is_whole(), "spoilt: what is in the shim page goes nowhere");
	cpu->page->dirty |= 1u << NVX_SHIM_HOST_RSP;
	execute(cpu, EXIT_REASON_VMRESUME);
	ok(failed_invalid() && !cpu->in_guest && own_is_whole(), "spoilt: nor with VM entry");
}

static void spoilt_late(void)
{
	spoil(0, true);
	spoilt = 0;
	execute(cpu, EXIT_REASON_VMRESUME);
	spoilt = A;
	cpu->boot.arrived = SHIM_ARRIVED_COMMAND;
	vmcs[OWN >> 12][GUEST_RFLAGS] = X86_EFLAGS_FIXED;
	ok(cpu->in_guest && shim_late_event(cpu, &regs, SHIM_RESUME) == SHIM_RESUME &&
	   !cpu->in_guest && failed_invalid() && own_is_whole(),
	   "spoilt: behind a late event VM entry fails");
}

/* Given back, it is dropped; what is in it is the shim's, and not taken for the host's. */
static void spoilt_back(u32 reason, const char *what)
{
	spoil(0, true);
	with_pointer(cpu, reason, A);
	ok(!borrow_find(&cpu->map, A) && own_is_whole(), what);
	spoilt = 0;
	if (reason == EXIT_REASON_VMOFF)
		with_pointer(cpu, EXIT_REASON_VMON, 0);
	cpu->vmxon = true;
	with_pointer(cpu, EXIT_REASON_VMPTRLD, A);
	execute(cpu, EXIT_REASON_VMLAUNCH);
	ok(!cpu->in_guest && failed_with(A, VMXERR_ENTRY_HOST_STATE) && own_is_whole(),
	   "spoilt: and mended, it has the shim's host state, which is refused");
}

static void test_spoilt(void)
{
	spoilt_write(EPT_POINTER);
	spoilt_write(HOST_RIP);
	spoilt_read();
	spoilt_error();
	spoilt_entry(0, true, "spoilt: VM entry fails");
	spoilt_entry(0, false, "spoilt: the first one, too");
	spoilt_entry(SHIM_FLAG_SHADOW, true, "spoilt: nor does the shadow VMCS go anywhere");
	spoilt_page();
	spoilt_late();
	spoilt_back(EXIT_REASON_VMCLEAR, "spoilt: VMCLEAR drops it");
	spoilt_back(EXIT_REASON_VMOFF, "spoilt: VMXOFF drops it");
}

/* ---- a page that a VMCS names, and that becomes the other partition's */

#define EPT_PAGE	0x10000ull

static void lose_page(void)
{
	u64 where;

	if (owner_move(&world.memory, EPT_PAGE, SHIM_PAGE, OWNER_OF_PART(0), OWNER_OF_PART(1),
		       &where))
		abort();
	cpu->command = COMMAND_FLUSH;
	flushed = false;
}

/* A guest with EPT runs. */
static void run_guest(void)
{
	make_machine(2);
	with_pointer(cpu, EXIT_REASON_VMPTRLD, A);
	write_field(cpu, CPU_BASED_VM_EXEC_CONTROL, CPU_BASED_SECONDARY);
	write_field(cpu, SECONDARY_VM_EXEC_CONTROL, 2);
	write_field(cpu, EPT_POINTER, EPT_PAGE | 0x1e);
	execute(cpu, EXIT_REASON_VMLAUNCH);
	if (!cpu->in_guest || current != A)
		abort();
	vmcs[OWN >> 12][GUEST_RFLAGS] = X86_EFLAGS_FIXED;
}

static void late_flush(bool loses)
{
	run_guest();
	if (loses)
		lose_page();
	cpu->boot.arrived = SHIM_ARRIVED_COMMAND;
	shim_late_event(cpu, &regs, SHIM_RESUME);
}

static void kicked_flush(bool loses)
{
	run_guest();
	if (loses)
		lose_page();
	cpu->kicked = 1;
	vmcs[A >> 12][VM_EXIT_INTR_INFO] = INTR_VALID | INTR_TYPE_NMI;
	if (!setjmp(way_out))
		leave_guest(cpu, EXIT_REASON_EXCEPTION_NMI);
}

/* The host makes its VMCS use the page, by what it writes without an exit. */
static void use_page(bool page)
{
	make_machine(2);
	shim_header.part[0].flags = page ? 0 : SHIM_FLAG_SHADOW;
	shim_header.part[0].nr_rw = 1;
	shim_header.part[0].rw[0] = CPU_BASED_VM_EXEC_CONTROL;
	cpu->page->want = page;
	lose_page();
	with_pointer(cpu, EXIT_REASON_VMPTRLD, A);
	write_field(cpu, SECONDARY_VM_EXEC_CONTROL, 2);
	write_field(cpu, EPT_POINTER, EPT_PAGE | 0x1e);
	execute(cpu, EXIT_REASON_VMLAUNCH);
	if (!cpu->in_guest)
		abort();
	leave_guest(cpu, EXIT_REASON_CPUID);
	cpu->page->field[NVX_SHIM_CPU_BASED_VM_EXEC_CONTROL] = CPU_BASED_SECONDARY;
	if (page)
		cpu->page->dirty |= 1u << NVX_SHIM_CPU_BASED_VM_EXEC_CONTROL;
	else
		vmcs[SHADOW >> 12][CPU_BASED_VM_EXEC_CONTROL] = CPU_BASED_SECONDARY;
	execute(cpu, EXIT_REASON_VMRESUME);
}

static void test_no_exit(void)
{
	use_page(true);
	ok(!cpu->in_guest && failed_with(A, VMXERR_ENTRY_HOST_STATE),
	   "controls written in the shim page are looked at");
	use_page(false);
	ok(!cpu->in_guest && failed_with(A, VMXERR_ENTRY_HOST_STATE),
	   "controls written in the shadow VMCS are looked at");
}

static void test_flush(void)
{
	late_flush(false);
	ok(cpu->in_guest && current == A, "flush: behind a late event a guest is entered");
	late_flush(true);
	ok(flushed && !cpu->in_guest && failed_with(A, VMXERR_ENTRY_HOST_STATE) && own_is_whole(),
	   "flush: but not with what is not its host's any more");
	kicked_flush(false);
	ok(cpu->in_guest && current == A, "flush: a guest that was in the way goes on");
	kicked_flush(true);
	ok(flushed && !cpu->in_guest && cpu_state(cpu) == SHIM_STATE_PARKED &&
	   shim_header.part[0].ended, "flush: but not with that; its partition ends");
}

/* ---- a guest that no NMI would end */

static bool enters(u32 parts, u64 pin, u64 activity)
{
	make_machine(parts);
	with_pointer(cpu, EXIT_REASON_VMPTRLD, A);
	write_field(cpu, PIN_BASED_VM_EXEC_CONTROL, pin);
	write_field(cpu, GUEST_ACTIVITY_STATE, activity);
	execute(cpu, EXIT_REASON_VMLAUNCH);
	return cpu->in_guest;
}

static void test_nmi(void)
{
	static const struct {
		u64 pin, activity;
		bool enters;
		const char *what;
	} guests[] = {
		{ BIT(3) | BIT(5), 0, true, "NMI: exits, with virtual NMIs" },
		{ BIT(3) | BIT(5), 1, true, "NMI: ends HLT" },
		{ BIT(3) | BIT(5), 2, true, "NMI: ends a shutdown" },
		{ BIT(3) | BIT(5), 3, false, "NMI: not a guest that waits for a start-up IPI" },
		{ BIT(3), 0, false, "NMI: is blocked as the guest's own without virtual ones" },
		{ BIT(5), 0, false, "NMI: is the guest's own without the exit" },
		{ 0, 0, false, "NMI: likewise" },
	};
	u32 i;

	for (i = 0; i < ARRAY_SIZE(guests); i++) {
		ok(enters(2, guests[i].pin, guests[i].activity) == guests[i].enters &&
		   enters(1, guests[i].pin, guests[i].activity), guests[i].what);
	}
	enters(2, BIT(3) | BIT(5), 0);
	leave_guest(cpu, EXIT_REASON_CPUID);
	write_field(cpu, GUEST_ACTIVITY_STATE, 3);
	execute(cpu, EXIT_REASON_VMRESUME);
	ok(!cpu->in_guest && failed_with(A, VMXERR_ENTRY_HOST_STATE),
	   "NMI: the activity state is looked at when it is written");
}

/* ---- active VMCSs of a host that goes */

/* Many in one place of the table, if @stride is its size. */
static u64 nth(u32 n, u32 stride)
{
	return 0x100000ull + n * (u64)stride * SHIM_PAGE;
}

static void load_many(u32 nr, u32 stride)
{
	u32 i;

	for (i = 0; i < nr; i++)
		with_pointer(cpu, EXIT_REASON_VMPTRLD, nth(i, stride));
}

static u32 nr_active(void)
{
	u32 i, nr = 0;

	for (i = 0; i < NR_PAGES; i++)
		nr += active[i];
	return nr;
}

static void park(void)
{
	cpu->command = COMMAND_END;
	cpu->boot.arrived = SHIM_ARRIVED_COMMAND;
	if (!setjmp(way_out))
		shim_late_event(cpu, &regs, SHIM_RESUME);
}

static void enter_many(void)
{
	u32 i;

	make_machine(2);
	for (i = 0; i < 2 * SHIM_NR_BORROWED; i++) {
		/* The page that they share has what the last one was given back. */
		make_vmcs(ANY * SHIM_PAGE);
		with_pointer(cpu, EXIT_REASON_VMPTRLD, nth(i, 1));
		execute(cpu, EXIT_REASON_VMLAUNCH);
		if (!cpu->in_guest)
			abort();
		leave_guest(cpu, EXIT_REASON_CPUID);
	}
}

static void test_gone(void)
{
	u32 i;

	make_machine(2);
	load_many(100, 1);
	park();
	ok(cpu_state(cpu) == SHIM_STATE_PARKED && !nr_active(),
	   "gone: what was only loaded is cleared");
	enter_many();
	park();
	ok(!nr_active(), "gone: what has left the table of borrowed ones, too");
	make_machine(2);
	load_many(50, SHIM_NR_ACTIVE);
	for (i = 0; i < 50; i += 3)
		with_pointer(cpu, EXIT_REASON_VMCLEAR, nth(i, SHIM_NR_ACTIVE));
	load_many(60, SHIM_NR_ACTIVE);
	memset(cleared, 0, sizeof(cleared));
	with_pointer(cpu, EXIT_REASON_VMCLEAR, nth(9, SHIM_NR_ACTIVE));
	park();
	ok(!nr_active(), "gone: if many have one place in the table");
	make_machine(2);
	load_many(8, 1);
	for (i = 0; i < 8; i++)
		with_pointer(cpu, EXIT_REASON_VMCLEAR, nth(i, 1));
	memset(cleared, 0, sizeof(cleared));
	park();
	ok(!cleared[nth(3, 1) >> 12], "gone: nothing that the host has cleared is written");
	make_machine(2);
	load_many(8, 1);
	execute(cpu, EXIT_REASON_VMOFF);
	ok(nr_active() == 1, "gone: VMXOFF of a host that has not cleared them");
}

static void test_gone_not(void)
{
	u64 where;

	make_machine(2);
	load_many(8, 1);
	if (owner_move(&world.memory, nth(3, 1), SHIM_PAGE, OWNER_OF_PART(0), OWNER_OF_PART(1),
		       &where))
		abort();
	spoilt = nth(9, 1);
	with_pointer(cpu, EXIT_REASON_VMPTRLD, spoilt);
	park();
	ok(nr_active() == 1 && !cleared[nth(3, 1) >> 12],
	   "gone: memory that is the other one's is not written");
	ok(!cleared[nth(9, 1) >> 12], "gone: nor what never was a VMCS");
	make_machine(2);
	load_many(SHIM_NR_ACTIVE, 1);
	with_pointer(cpu, EXIT_REASON_VMPTRLD, nth(SHIM_NR_ACTIVE, 1));
	ok(failed_with(ANY * SHIM_PAGE, VMXERR_VMPTRLD_ADDRESS) &&
	   cpu->current_vmcs == nth(SHIM_NR_ACTIVE - 1, 1), "gone: no more than there is room for");
	with_pointer(cpu, EXIT_REASON_VMCLEAR, nth(7, 1));
	with_pointer(cpu, EXIT_REASON_VMPTRLD, nth(SHIM_NR_ACTIVE, 1));
	ok(cpu->current_vmcs == nth(SHIM_NR_ACTIVE, 1), "gone: there is room behind VMCLEAR");
	park();
	ok(!nr_active(), "gone: as many as there is room for");
	make_machine(1);
	load_many(SHIM_NR_ACTIVE + 1, 1);
	ok(cpu->current_vmcs == nth(SHIM_NR_ACTIVE, 1) && cpu->active.more,
	   "gone: one host may have more");
}

/* ---- one VMCS on two CPUs */

static void run_on(struct shim_cpu *on, u64 hpa)
{
	with_pointer(on, EXIT_REASON_VMPTRLD, hpa);
	execute(on, EXIT_REASON_VMLAUNCH);
	if (on->in_guest)
		leave_guest(on, EXIT_REASON_CPUID);
}

static bool refused(struct shim_cpu *on, u64 hpa)
{
	with_pointer(on, EXIT_REASON_VMPTRLD, hpa);
	return failed_with(B, VMXERR_VMPTRLD_ADDRESS) && on->current_vmcs == B &&
	       !active_has(&on->active, hpa);
}

static void test_two_cpus(void)
{
	make_machine(2);
	run_on(cpu, A);
	with_pointer(same, EXIT_REASON_VMPTRLD, B);
	ok(refused(same, A) && vmcs[A >> 12][HOST_RSP] == cpu->boot.host[H_RSP] && own_is_whole(),
	   "two CPUs: what one has borrowed the other does not get");
	with_pointer(cpu, EXIT_REASON_VMPTRLD, nth(0, 1));
	ok(refused(same, A) && refused(same, nth(0, 1)), "two CPUs: nor what is active there");
	with_pointer(cpu, EXIT_REASON_VMCLEAR, A);
	run_on(same, A);
	ok(same->current_vmcs == A && same->borrowed && same->borrowed->host[H_RSP] == 0x1234 &&
	   vmcs[A >> 12][HOST_RSP] == same->boot.host[H_RSP],
	   "two CPUs: but behind VMCLEAR, with its host's state");
	with_pointer(cpu, EXIT_REASON_VMPTRLD, B);
	ok(cpu->current_vmcs == nth(0, 1), "two CPUs: in both directions");
	execute(cpu, EXIT_REASON_VMOFF);
	with_pointer(same, EXIT_REASON_VMPTRLD, nth(0, 1));
	ok(same->current_vmcs == nth(0, 1), "two CPUs: or behind VMXOFF");
}

static void test_two_hosts(void)
{
	make_machine(2);
	same->part = &shim_header.part[1];
	with_pointer(cpu, EXIT_REASON_VMPTRLD, A);
	with_pointer(same, EXIT_REASON_VMPTRLD, B);
	with_pointer(same, EXIT_REASON_VMPTRLD, A);
	ok(same->current_vmcs != A, "two CPUs: another host's is its own");
	make_machine(2);
	run_on(cpu, A);
	active_init(&cpu->active);
	cpu->active.more = true;
	with_pointer(same, EXIT_REASON_VMPTRLD, B);
	ok(refused(same, A), "two CPUs: what is borrowed, and was active before the shim came");
	make_machine(1);
	run_on(cpu, A);
	with_pointer(same, EXIT_REASON_VMPTRLD, A);
	ok(same->current_vmcs == A, "two CPUs: a lone host is as on the bare CPU");
}

int main(void)
{
	test_two_cpus();
	test_two_hosts();
	test_gone();
	test_gone_not();
	test_nmi();
	test_spoilt();
	test_flush();
	test_no_exit();
	printf("1..%d\n", count);
	return failed != 0;
}
