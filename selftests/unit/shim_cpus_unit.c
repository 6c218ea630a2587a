// SPDX-License-Identifier: GPL-2.0-only
/*
 * CPUs that ask each other for something while others park, give up, or ask as well: mailboxes,
 * and the end of partitions.  A CPU is a thread on the stack of its area; what may happen in
 * between happens where the CPU's instructions are made up, or in another thread, many times.
 * TAP.  Run by shim_test.py.
 */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../arch/x86/shim/shim.h"
#include "../../arch/x86/shim/world.h"

#define ROUNDS		10000
#define RESET_CONTROL	0xcf9

struct shim_header shim_header;
const struct fixup fixup_table[1], fixup_table_end[1];

/* The first partition has FIRST and OTHER, the second one SECOND. */
enum { FIRST, OTHER, SECOND, NR_AREAS };

static char areas[NR_AREAS][SHIM_AREA_SIZE] __aligned(SHIM_AREA_SIZE);
static char info[SHIM_PAGE] __aligned(SHIM_PAGE);
static u64 roots[SHIM_NR_PARTS][512] __aligned(SHIM_PAGE);
static struct apic_cpu places[NR_AREAS];

static struct shim_cpu *at(u32 area)
{
	return (struct shim_cpu *)(areas[area] + SHIM_AREA_PRIVATE);
}

/* ---- what happens in between: once, where the CPU gets to */

static void (*while_it_flushes)(void), (*while_it_forgets)(void), (*when_kicked)(void);

static void happen(void (**what)(void))
{
	void (*now)(void) = *what;

	*what = NULL;
	if (now)
		now();
}

/* ---- the CPU */

static jmp_buf way_out;
static bool reset_asked;
static u32 asked_for, flushed_for;

void halt(void)
{
	longjmp(way_out, 1);
}

int invept(u64 type, const struct vmx_descriptor *desc)
{
	flushed_for = __atomic_load_n(&asked_for, __ATOMIC_RELAXED);
	happen(&while_it_flushes);
	return VMX_SUCCEED;
}

void apic_reset(void)
{
	happen(&while_it_forgets);
}

void apic_power_up(struct shim_cpu *cpu)
{
	apic_reset();
}

void apic_note_mode(struct shim_cpu *cpu)
{
}

void shim_kick(const struct shim_cpu *cpu)
{
	happen(&when_kicked);
}

void port_out(u16 port, u32 width, u32 value)
{
	reset_asked |= port == RESET_CONTROL;
}

u64 rdmsr(u32 msr)
{
	return 0;
}

bool wrmsr_safe(u32 msr, u32 low, u32 high)
{
	return true;
}

int vmptrld(u64 hpa)
{
	return VMX_SUCCEED;
}

int vmclear(u64 hpa)
{
	return VMX_SUCCEED;
}

void vmxoff(void) { }
void cpu_forget(void) { }
void host_flush_tlb(void) { }
void shim_flush_tlb(const struct shim_part *part) { }
void shim_send_init(const struct shim_cpu *cpu) { }

/* ---- files of the shim that do not matter here */

void page_stop(struct shim_cpu *cpu) { }
void guest_clear_all(struct shim_cpu *cpu) { }
void guest_check_again(struct shim_cpu *cpu) { }
void vmx_forget_region(struct shim_cpu *cpu) { }
void shadow_link(struct shim_cpu *cpu, bool on) { }
void shadow_enable(struct shim_cpu *cpu, bool on) { }
void enter_long_mode(struct shim_cpu *cpu) { }
void enter_real_mode(struct shim_cpu *cpu) { }
void part_push(struct shim_cpu *cpu) { }
void console_print(const char *format, ...) { }
void ioapic_hw_apply(const struct ioapic_ops *ops) { }
void world_restore_functions(void) { }
void world_open_bitmaps(void) { }
void link_clear(u32 part) { }
void link_ring_bell(u32 part) { }
void config_write(u16 bdf, u32 reg, u32 width, u32 value) { }

u32 config_read(u16 bdf, u32 reg)
{
	return 0;
}

u32 apic_read(u32 offset)
{
	return 0;
}

bool pci_function_stop(struct pci_function *function, u16 *command)
{
	return false;
}

bool link_inherit(void)
{
	return true;
}

bool world_device_page(u32 part, u64 hpa, u64 access)
{
	return true;
}

bool world_follow(u32 part, u64 hpa, u64 bytes)
{
	return true;
}

bool world_pool_back(bool ordinary)
{
	return false;
}

/* Calls that are not made here. */
static struct shim_start start_page;

void *host_page(u64 hpa)
{
	return &start_page;
}

u32 world_create(struct shim_cpu *cpu, u64 hpa)
{
	return SHIM_E_CALL;
}

u32 world_move(struct shim_cpu *cpu, u64 hpa, u64 bytes, u32 to)
{
	return SHIM_E_CALL;
}

u32 world_copy_page(struct shim_cpu *cpu, u64 gpa, u64 hpa)
{
	return SHIM_E_CALL;
}

u32 world_destroy(struct shim_cpu *cpu)
{
	return SHIM_E_CALL;
}

u32 world_find(struct shim_cpu *cpu, u64 *hpa)
{
	return SHIM_E_CALL;
}

u32 world_adopt(struct shim_cpu *cpu, u64 hpa)
{
	return SHIM_E_CALL;
}

u32 world_pool(struct shim_cpu *cpu, u64 hpa, u64 bytes, u64 op)
{
	return SHIM_E_CALL;
}

u32 world_pool_find(struct shim_cpu *cpu, u64 *hpa, u64 *bytes, u64 *whose)
{
	return SHIM_E_CALL;
}

u32 world_function(struct shim_cpu *cpu, u64 bdf, u64 pin)
{
	return SHIM_E_CALL;
}

u32 link_join(struct shim_cpu *cpu, u64 *own, u64 *other, u64 *bytes)
{
	return SHIM_E_CALL;
}

u32 link_ring(struct shim_cpu *cpu)
{
	return SHIM_E_CALL;
}

u64 shim_panic(struct shim_cpu *cpu, const char *why, u64 detail)
{
	return SHIM_RESUME;
}

void shim_reenter(struct shim_regs *regs, u64 how)
{
	longjmp(way_out, 1);
}

/* ---- the machine */

static void make_machine(void)
{
	u32 area;

	memset(areas, 0, sizeof(areas));
	memset(info, 0, sizeof(info));
	memset(&shim_header, 0, sizeof(shim_header));
	memset(&world, 0, sizeof(world));
	shim_nr_parts = 2;
	shim_machine.areas_va = (u64)areas;
	shim_machine.nr_areas = NR_AREAS;
	shim_machine.info_va = (u64)info;
	world.cpus.cpu = places;
	world.cpus.nr = NR_AREAS;
	world.pool.va = (char *)roots;
	shim_header.part[1].eptp = SHIM_PAGE;
	part_info(0)->state = SHIM_PART_RUNS;
	part_info(1)->state = SHIM_PART_RUNS;
	for (area = 0; area < NR_AREAS; area++) {
		at(area)->part = &shim_header.part[area == SECOND];
		at(area)->shared = (struct shim_shared *)areas[area];
		at(area)->boot.apic_id = area;
		cpu_set_state(at(area), SHIM_STATE_ON);
	}
	while_it_flushes = NULL;
	while_it_forgets = NULL;
	when_kicked = NULL;
	reset_asked = false;
}

static pthread_t run_on(u32 area, void *(*function)(void *data))
{
	pthread_attr_t attributes;
	pthread_t thread;

	pthread_attr_init(&attributes);
	if (pthread_attr_setstack(&attributes, areas[area] + SHIM_AREA_TABLES,
				  SHIM_AREA_SIZE - SHIM_AREA_TABLES) ||
	    pthread_create(&thread, &attributes, function, at(area)))
		abort();
	pthread_attr_destroy(&attributes);
	return thread;
}

static void run_alone(u32 area, void *(*function)(void *data))
{
	pthread_join(run_on(area, function), NULL);
}

/* It comes to a halt, in the middle of what another one does. */
static void obeys(struct shim_cpu *cpu)
{
	jmp_buf before;

	memcpy(before, way_out, sizeof(before));
	if (!setjmp(way_out))
		cpu_obey(cpu);
	memcpy(way_out, before, sizeof(before));
}

static int count, failed;
static bool answer;

static void ok(bool good, const char *what)
{
	printf("%sok %d - %s\n", good ? "" : "not ", ++count, what);
	failed += !good;
}

/* ---- a CPU passes to the second partition while the first one ends */

static void the_first_ends(void)
{
	policy_end_part(at(FIRST), 0, SHIM_END_RESET, 0);
	at(FIRST)->command |= COMMAND_END;
	obeys(at(FIRST));
}

static void *is_taken(void *cpu)
{
	cpu_command(cpu, COMMAND_TAKE);
	obeys(cpu);
	return NULL;
}

static void test_take(void)
{
	make_machine();
	run_alone(OTHER, is_taken);
	ok(at(OTHER)->part == &shim_header.part[1] && cpu_state(at(OTHER)) == SHIM_STATE_PARKED &&
	   part_info(0)->running == 1 && part_info(1)->cpus == 2 && part_info(1)->running == 1,
	   "one that was taken is counted, and does not run");
	make_machine();
	while_it_forgets = the_first_ends;
	run_alone(OTHER, is_taken);
	ok(part_info(0)->state == SHIM_PART_ENDED && world.alone,
	   "the first partition ends while its CPU is taken: the second one has the machine");
}

/* ---- both partitions end */

static void the_second_has_ended(void)
{
	part_info(1)->state = SHIM_PART_ENDED;
	world_unlock();
}

static void *ends(void *cpu)
{
	struct shim_cpu *self = cpu;

	cpu_set_state(at(OTHER), SHIM_STATE_PARKED);
	policy_end_part(self, 0, SHIM_END_RESET, 0);
	self->command = COMMAND_END;
	world.lock = SECOND + 1;
	/* While it waits for the lock. */
	self->command |= COMMAND_FLUSH;
	obeys(self);
	return NULL;
}

/* It is served twice: before the CPU parks, and when it waits. */
static void flush_once_more(void)
{
	while_it_flushes = the_second_has_ended;
}

static void ask_once_more(void)
{
	at(FIRST)->command |= COMMAND_FLUSH;
}

static void test_both_end(void)
{
	make_machine();
	while_it_flushes = flush_once_more;
	while_it_forgets = ask_once_more;
	run_alone(FIRST, ends);
	ok(reset_asked && !world.alone, "both end at the same time: the machine does");
}

/* ---- one that waits for a start-up IPI when its partition ends */

static void *waits(void *cpu)
{
	cpu_set_state(cpu, SHIM_STATE_WAIT);
	the_first_ends();
	return NULL;
}

static void test_heir(void)
{
	make_machine();
	run_alone(OTHER, waits);
	ok(world.alone && at(OTHER)->part == &shim_header.part[1] &&
	   !(at(OTHER)->command & COMMAND_END),
	   "one that has not heard of the end waits for the heir's start-up IPI");
}

/* ---- one on which nothing works any more */

static void *dies(void *cpu)
{
	if (!setjmp(way_out))
		policy_halt(cpu, SHIM_STATE_DEAD);
	return NULL;
}

static void *kills(void *cpu)
{
	struct shim_regs regs = { };

	((struct shim_cpu *)cpu)->regs = &regs;
	asked_for = handle_part_call(cpu, SHIM_CALL_PART_KILL);
	return NULL;
}

static void it_is_free(void)
{
	reset_asked = true;
	world_unlock();
}

/* It is the shim's own fault, behind the lock. */
static void *fails_with_the_lock(void *cpu)
{
	struct shim_cpu *self = cpu;

	world_lock(self);
	while_it_flushes = it_is_free;
	self->command = COMMAND_FLUSH;
	if (!setjmp(way_out))
		policy_surprise(self, "exception in the shim", 0);
	return NULL;
}

static void *dies_with_the_lock(void *cpu)
{
	world_lock(cpu);
	return dies(cpu);
}

static void test_dead(void)
{
	make_machine();
	run_alone(SECOND, dies);
	ok(part_info(1)->state == SHIM_PART_ENDED && part_info(1)->why == SHIM_END_SURPRISE &&
	   part_info(0)->state == SHIM_PART_RUNS && cpu_state(at(SECOND)) == SHIM_STATE_DEAD,
	   "a partition whose last CPU dies has ended");
	make_machine();
	run_alone(OTHER, dies);
	ok(part_info(0)->state == SHIM_PART_RUNS && at(FIRST)->command & COMMAND_END &&
	   !at(SECOND)->command, "if it is not the last one the others end");
	make_machine();
	cpu_set_state(at(SECOND), SHIM_STATE_DEAD);
	run_alone(FIRST, kills);
	ok(asked_for == SHIM_OK && part_info(1)->state == SHIM_PART_ENDED,
	   "whose last CPU is dead can be killed");
	make_machine();
	run_alone(SECOND, fails_with_the_lock);
	ok(!reset_asked && !world.lock && part_info(1)->state == SHIM_PART_ENDED,
	   "who fails with the lock does not wait for itself");
	make_machine();
	run_alone(OTHER, dies_with_the_lock);
	ok(!world.lock, "who dies with the lock does not keep it");
}

static void test_lost(void)
{
	static const enum shim_state states[] = { SHIM_STATE_PANIC, SHIM_STATE_DEAD };
	u32 i, good = 0;

	for (i = 0; i < ARRAY_SIZE(states); i++) {
		make_machine();
		good += cpu_none_lost();
		cpu_set_state(at(OTHER), states[i]);
		good += !cpu_none_lost();
		/* Never launched, or again since. */
		at(OTHER)->part = NULL;
		good += cpu_none_lost();
	}
	ok(good == 6, "a CPU on which the shim has given up is known");
}

/* ---- a page becomes its reader's own while that waits for the lock */

#define READ_GPA	0x5000ull

static char tables[8][SHIM_PAGE] __aligned(SHIM_PAGE);

/* Of the one GiB that there is nothing is the first partition's. */
static void make_memory(void)
{
	u64 *top, *gib;

	world.pool = (struct ept_pool){
		.va = tables[0], .next = tables[0], .end = tables[0] + sizeof(tables),
	};
	top = ept_page(&world.pool);
	gib = ept_page(&world.pool);
	world.nothing = ept_page(&world.pool);
	top[0] = ept_page_hpa(&world.pool, gib) | EPT_RWX;
	gib[0] = EPT_LARGE | EPT_TYPE_WB;
	shim_header.part[0].eptp = ept_page_hpa(&world.pool, top);
}

static void it_claims(void)
{
	ept_map(&world.pool, shim_header.part[0].eptp, shim_header.part[0].eptp, READ_GPA,
		READ_GPA, SHIM_PAGE, EPT_RWX);
	world_unlock();
}

static void *reads(void *cpu)
{
	answer = world_show_nothing(cpu, READ_GPA);
	return NULL;
}

static void test_show(void)
{
	u64 hpa;

	make_machine();
	make_memory();
	run_alone(FIRST, reads);
	ok(answer && world_translate(at(FIRST), READ_GPA, EPT_READ, &hpa) &&
	   hpa == ept_page_hpa(&world.pool, world.nothing), "who reads what is not its own sees nothing");
	make_machine();
	make_memory();
	world.lock = OTHER + 1;
	at(FIRST)->command = COMMAND_FLUSH;
	while_it_flushes = it_claims;
	run_alone(FIRST, reads);
	ok(answer && world_translate(at(FIRST), READ_GPA, EPT_READ | EPT_WRITE, &hpa) &&
	   hpa == READ_GPA, "... but what has become its own meanwhile is");
}

/* ---- two start the second partition */

static void the_other_one_starts(void)
{
	part_info(1)->state = SHIM_PART_RUNS;
	part_info(1)->starts++;
	world_unlock();
}

static void *starts(void *cpu)
{
	struct shim_regs regs = { .r = { [R_RBX] = 0x1000 } };

	((struct shim_cpu *)cpu)->regs = &regs;
	asked_for = handle_part_call(cpu, SHIM_CALL_PART_START);
	return NULL;
}

static void test_start(void)
{
	static union owner_node nodes[4];

	make_machine();
	owner_init(&world.memory, nodes, ARRAY_SIZE(nodes), 36, OWNER_OF_PART(0));
	part_info(1)->state = SHIM_PART_MADE;
	cpu_set_state(at(SECOND), SHIM_STATE_PARKED);
	start_page.area = SECOND;
	world.lock = OTHER + 1;
	at(FIRST)->command = COMMAND_FLUSH;
	while_it_flushes = the_other_one_starts;
	run_alone(FIRST, starts);
	ok(asked_for == SHIM_E_STATE && part_info(1)->starts == 1 &&
	   !(at(SECOND)->command & COMMAND_START), "of two that start it one does");
}

/* ---- who asks gives up */

static void *gives_up(void *cpu)
{
	((struct shim_cpu *)cpu)->command = COMMAND_END;
	answer = cpu_command_wait(at(OTHER), COMMAND_TAKE, SHIM_STATE_ON);
	return NULL;
}

static void it_takes_the_command(void)
{
	at(OTHER)->command = 0;
	at(FIRST)->command |= COMMAND_FLUSH;
}

static void it_parks(void)
{
	cpu_set_state(at(OTHER), SHIM_STATE_PARKED);
}

static void test_give_up(void)
{
	make_machine();
	run_alone(FIRST, gives_up);
	ok(!answer && !(at(OTHER)->command & COMMAND_TAKE),
	   "who is asked itself gives up, and the other one will not obey");
	make_machine();
	when_kicked = it_takes_the_command;
	while_it_flushes = it_parks;
	run_alone(FIRST, gives_up);
	ok(answer, "but if that one obeys already it has been done");
}

/* ---- two at the same time, many times */

static bool stop;

static void *obeys_all_the_time(void *cpu)
{
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED))
		cpu_obey(cpu);
	return NULL;
}

static void ask_for_flush(struct shim_cpu *target)
{
	cpu_command(target, COMMAND_FLUSH);
	while (__atomic_load_n(&target->command, __ATOMIC_ACQUIRE) & COMMAND_FLUSH)
		sched_yield();
}

static void test_flushes(void)
{
	pthread_t thread;
	u32 i, lost = 0;

	make_machine();
	stop = false;
	thread = run_on(OTHER, obeys_all_the_time);
	for (i = 0; i < ROUNDS; i++) {
		__atomic_add_fetch(&asked_for, 1, __ATOMIC_RELAXED);
		ask_for_flush(at(OTHER));
		lost += flushed_for != asked_for;
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	ok(!lost, "no flush is taken for done that was not");
}

static void *waits_for_another(void *cpu)
{
	answer = cpu_command_wait(at(SECOND), COMMAND_INIT, SHIM_STATE_ON);
	return NULL;
}

static void test_flushes_while_waiting(void)
{
	pthread_t thread;
	u32 i;

	make_machine();
	thread = run_on(FIRST, waits_for_another);
	while (!__atomic_load_n(&at(SECOND)->kicked, __ATOMIC_ACQUIRE))
		sched_yield();
	for (i = 0; i < 10 * ROUNDS; i++)
		cpu_command(at(FIRST), COMMAND_FLUSH);
	cpu_set_state(at(SECOND), SHIM_STATE_WAIT);
	pthread_join(thread, NULL);
	ok(answer, "who waits for another CPU does not give up for a flush");
}

int main(void)
{
	test_take();
	test_both_end();
	test_heir();
	test_dead();
	test_lost();
	test_show();
	test_start();
	test_give_up();
	test_flushes();
	test_flushes_while_waiting();
	printf("1..%d\n", count);
	return failed != 0;
}
