// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest of nvx-vmm: runs batches of one operation as the control block says
 * and signals the end of each batch on PORT_DONE.  Freestanding, 64-bit, ring 0,
 * no interrupt source of its own.  The operations are inlined into their loops:
 * a call would be part of what is measured.
 */
#include "bench.h"

#define PAGE_SIZE	4096ull

/*
 * The guest's addresses are constants below 1 GiB.  Hide them from the
 * compiler, which takes small constants for offsets from a null pointer.
 */
static inline void *gva(uint64_t addr)
{
	asm("" : "+r"(addr));
	return (void *)addr;
}

static inline uint64_t rdtsc(void)
{
	uint32_t lo, hi;

	asm volatile("rdtsc" : "=a"(lo), "=d"(hi) : : "memory");
	return (uint64_t)hi << 32 | lo;
}

static inline void outb(uint8_t value, uint16_t port)
{
	asm volatile("outb %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

static inline void outl(uint32_t value, uint16_t port)
{
	asm volatile("outl %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

static inline void magic_break(void)
{
	asm volatile("xchg %%bx, %%bx" : : : "memory");
}

static inline uint64_t op_cpuid(uint64_t i)
{
	uint32_t eax = 0, ebx, ecx = 0, edx;

	asm volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
	return ebx;
}

static inline uint64_t op_vmcall(uint64_t i)
{
	uint64_t rax = BENCH_HYPERCALL;

	asm volatile("vmcall" : "+a"(rax) : : "rbx", "rcx", "rdx", "rsi", "memory");
	return rax;
}

/* The same in a guest with an XCR0 of its own, which it looks at. */
static inline uint64_t op_cpuid_xcr0(uint64_t i)
{
	uint32_t lo, hi;

	asm volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
	return op_cpuid(i) + lo + ((uint64_t)hi << 32);
}

static inline uint64_t op_rdmsr(uint64_t i)
{
	uint32_t lo, hi;

	asm volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(BENCH_MSR));
	return (uint64_t)hi << 32 | lo;
}

static inline uint64_t op_pio_user(uint64_t i)
{
	outb(i, PORT_PIO);
	return 0;
}

static inline uint64_t op_touch_present(uint64_t i)
{
	*(volatile uint8_t *)(GUEST_PRESENT + i * PAGE_SIZE) = 1;
	return 0;
}

static inline uint64_t op_touch_absent(uint64_t i)
{
	*(volatile uint8_t *)(GUEST_ABSENT + i * PAGE_SIZE) = 1;
	return 0;
}

static inline uint64_t op_guest_pf(uint64_t i)
{
	return *(volatile uint64_t *)(WINDOW_GVA + i * PAGE_SIZE);
}

static inline volatile uint64_t *window_pte(uint64_t page)
{
	return (volatile uint64_t *)gva(GUEST_PT_WINDOW) + page;
}

/* What the #PF handler writes. */
static inline uint64_t window_entry(uint64_t page)
{
	return (GUEST_BACKING + page % BACKING_PAGES * PAGE_SIZE) | GUEST_PTE_FLAGS;
}

static inline void invlpg(uint64_t addr)
{
	asm volatile("invlpg (%0)" : : "r"(addr) : "memory");
}

static inline void load_cr3(void)
{
	uint64_t cr3;

	asm volatile("mov %%cr3, %0; mov %0, %%cr3" : "=r"(cr3) : : "memory");
}

static inline uint64_t op_pf_cr3(uint64_t i)
{
	load_cr3();
	return op_guest_pf(i);
}

static inline uint64_t op_pf_unmap(uint64_t i)
{
	*window_pte(i) = 0;
	invlpg(WINDOW_GVA + i * PAGE_SIZE);
	return op_guest_pf(i);
}

#define PTE_WRITABLE	2ull

static inline uint64_t op_pf_protect(uint64_t i)
{
	volatile uint64_t *p = gva(WINDOW_GVA + i * PAGE_SIZE);
	uint64_t value;

	*window_pte(i) = window_entry(i) & ~PTE_WRITABLE;
	invlpg((uint64_t)p);
	value = *p;
	*p = value;
	return value;
}

static inline uint64_t op_pf_fork(uint64_t i)
{
	uint64_t page = i * WINDOW_RUN, k, value;
	volatile uint64_t *p = gva(WINDOW_GVA + page * PAGE_SIZE);

	for (k = 0; k < WINDOW_RUN; k++)
		*window_pte(page + k) = window_entry(page + k) & ~PTE_WRITABLE;
	load_cr3();
	value = *p;
	*p = value;
	return value;
}

static inline uint64_t map_and_read(uint64_t first, uint64_t pages)
{
	uint64_t k, sum = 0;

	for (k = 0; k < pages; k++)
		*window_pte(first + k) = window_entry(first + k);
	for (k = 0; k < pages; k++)
		sum += op_guest_pf(first + k);
	return sum;
}

static inline uint64_t op_pf_bulk(uint64_t i)
{
	return map_and_read(i * WINDOW_RUN, WINDOW_RUN);
}

static inline uint64_t op_pf_mixed(uint64_t i)
{
	uint64_t sum = op_guest_pf(i * WINDOW_RUN);

	sum += map_and_read(i * WINDOW_RUN + 1, WINDOW_RUN - 1);
	load_cr3();
	return sum;
}

static inline uint64_t op_int_loop(uint64_t i)
{
	uint64_t x = i, k;

	for (k = 0; k < LOOP_ITERATIONS; k++) {
		x = x * 3 + k;
		asm volatile("" : "+r"(x));
	}
	return x;
}

/* A multiplicative hash spreads the accesses; nvx-vmm repeats the sum. */
static inline uint64_t op_walk(uint64_t i)
{
	uint64_t page = (i * 2654435761u >> 8) % REGION_PAGES;

	return *(volatile uint64_t *)(GUEST_WALK + page * PAGE_SIZE);
}

static inline uint64_t op_pio_flush(uint64_t i)
{
	outl(i, PORT_FLUSH);
	return 0;
}

/*
 * Before op_pio_flush(), not measured: let the hypervisor write to each page table
 * that maps the region.
 */
static inline void redirty(volatile struct bench_ctl *ctl, uint64_t i)
{
	uint64_t page = i % (FILL_UNIT / PAGE_SIZE), unit;

	outl(page, PORT_REDIRTY);
	for (unit = 0; unit < ctl->fill_mib / 2; unit++)
		*(volatile uint8_t *)gva(GUEST_FILL + unit * FILL_UNIT +
					 page * PAGE_SIZE) = 1;
}

static inline uint64_t op_pio_switch(uint64_t i)
{
	outb(i, PORT_SWITCH);
	return 0;
}

static inline void wrmsr(uint32_t index, uint64_t value)
{
	asm volatile("wrmsr" : : "c"(index), "a"((uint32_t)value),
		     "d"((uint32_t)(value >> 32)) : "memory");
}

#define MSR_APIC_BASE		0x1b
#define MSR_TSC_DEADLINE	0x6e0
#define MSR_X2APIC_SPURIOUS	0x80f
#define MSR_X2APIC_LVT_TIMER	0x832
#define MSR_KVM_PV_EOI		0x4b564d04
#define APIC_BASE_X2APIC	0xfee00d00ull	/* BSP, x2APIC, enabled */
#define LVT_TSC_DEADLINE	0x40000

static void init_timer(volatile struct bench_ctl *ctl)
{
	wrmsr(MSR_APIC_BASE, APIC_BASE_X2APIC);
	wrmsr(MSR_X2APIC_SPURIOUS, 0x1ff);
	wrmsr(MSR_X2APIC_LVT_TIMER, LVT_TSC_DEADLINE | TIMER_VECTOR);
	wrmsr(MSR_KVM_PV_EOI, (GUEST_CTL + CTL_PV_EOI) | 1);
}

static inline uint64_t us_to_cycles(volatile struct bench_ctl *ctl, uint64_t us)
{
	return ctl->tsc_khz * us / 1000;
}

/*
 * Before a traced op_hlt_timer(): wait for the next of TICK_PHASES moments in the
 * period with which the kernels below tick.  Operations one after the other can
 * keep step with it, and all of them meet a tick, or none.
 */
static inline void spread_phase(volatile struct bench_ctl *ctl, uint64_t i)
{
	uint64_t tick = us_to_cycles(ctl, TICK_US), start, wait;

	if (ctl->mode != MODE_BREAK)
		return;
	start = rdtsc();
	wait = (i % TICK_PHASES * tick / TICK_PHASES + tick - start % tick) % tick;
	while (rdtsc() - start < wait)
		;
}

/* Sleep until the timer interrupt. */
static inline uint64_t op_hlt_timer(uint64_t i)
{
	volatile struct bench_ctl *ctl = gva(GUEST_CTL);
	uint64_t before = ctl->ticks;

	asm volatile("cli");
	wrmsr(MSR_TSC_DEADLINE, rdtsc() + us_to_cycles(ctl, TIMER_US));
	asm volatile("sti; hlt" : : : "memory");
	return ctl->ticks - before;
}

static inline __attribute__((always_inline))
void run_loop_after(volatile struct bench_ctl *ctl, uint64_t (*op)(uint64_t i),
		    void (*before)(volatile struct bench_ctl *ctl, uint64_t i))
{
	uint32_t *samples = gva(GUEST_SAMPLES);
	uint64_t i, end = ctl->first + ctl->n, sum = 0, t0, t1, value;

	switch (ctl->mode) {
	case MODE_COUNT:
		for (i = ctl->first; i < end; i++) {
			if (before)
				before(ctl, i);
			sum += op(i);
		}
		break;
	case MODE_SAMPLE:
		for (i = ctl->first; i < end; i++) {
			if (before)
				before(ctl, i);
			t0 = rdtsc();
			value = op(i);
			t1 = rdtsc();
			sum += value;
			*samples++ = t1 - t0;
		}
		break;
	case MODE_BREAK:
		for (i = ctl->first; i < end; i++) {
			if (before)
				before(ctl, i);
			magic_break();
			value = op(i);
			magic_break();
			sum += value;
		}
		break;
	}
	ctl->sum = sum;
}

static inline __attribute__((always_inline))
void run_loop(volatile struct bench_ctl *ctl, uint64_t (*op)(uint64_t i))
{
	run_loop_after(ctl, op, NULL);
}

/* Write, not read: a read can leave a second fault for the first write. */
static void touch(uint64_t addr, uint64_t pages)
{
	volatile uint64_t *p;
	uint64_t i;

	for (i = 0; i < pages; i++) {
		p = gva(addr + i * PAGE_SIZE);
		*p = *p;
	}
}

/* Empty the window, or map and read all of it. */
static void init_window(int mapped)
{
	uint64_t i;

	for (i = 0; i < WINDOW_PAGES; i++)
		*window_pte(i) = mapped ? window_entry(i) : 0;
	load_cr3();
	for (i = 0; mapped && i < WINDOW_PAGES; i++)
		op_guest_pf(i);
}

/* Leave no first touch to the operations but the one that they are about. */
static void warm(volatile struct bench_ctl *ctl)
{
	touch(GUEST_GDT, 8);
	touch(GUEST_STACK_TOP - 2 * PAGE_SIZE, 2);
	touch(GUEST_PT_IDENTITY, GUEST_SIZE >> 21);
	touch(GUEST_SAMPLES, MAX_SAMPLES * sizeof(uint32_t) / PAGE_SIZE);
	if (ctl->op == OP_GUEST_PF || ctl->op >= OP_PF_NX) {
		touch(GUEST_PT_WINDOW, WINDOW_PAGES / 512);
		touch(GUEST_BACKING, BACKING_PAGES);
	}
	if (ctl->op >= OP_PF_NX)
		init_window(ctl->op >= OP_PF_UNMAP && ctl->op <= OP_PF_FORK);
	if (ctl->op == OP_WALK)
		touch(GUEST_WALK, REGION_PAGES);
	if (ctl->op == OP_PIO_FLUSH || ctl->op == OP_UNMAP)
		touch(GUEST_PRESENT, REGION_PAGES);
	touch(GUEST_FILL, ctl->fill_mib * 256);
	if (ctl->op == OP_HLT_TIMER)
		init_timer(ctl);
	ctl->sum = 0;
}

/* Those that are about page tables. */
static void run_pf_batch(volatile struct bench_ctl *ctl)
{
	switch (ctl->op) {
	case OP_PF_NX:
		run_loop(ctl, op_guest_pf);
		break;
	case OP_PF_CR3:
		run_loop(ctl, op_pf_cr3);
		break;
	case OP_PF_UNMAP:
		run_loop(ctl, op_pf_unmap);
		break;
	case OP_PF_PROTECT:
		run_loop(ctl, op_pf_protect);
		break;
	case OP_PF_FORK:
		run_loop(ctl, op_pf_fork);
		break;
	case OP_PF_BULK:
		run_loop(ctl, op_pf_bulk);
		break;
	case OP_PF_MIXED:
		run_loop(ctl, op_pf_mixed);
		break;
	}
}

static void run_batch(volatile struct bench_ctl *ctl)
{
	if (ctl->mode == MODE_WARM) {
		warm(ctl);
		return;
	}

	switch (ctl->op) {
	case OP_CPUID:
		run_loop(ctl, op_cpuid);
		break;
	case OP_VMCALL:
		run_loop(ctl, op_vmcall);
		break;
	case OP_RDMSR:
		run_loop(ctl, op_rdmsr);
		break;
	case OP_PIO_USER:
	case OP_PIO_MSR1:
	case OP_PIO_MSR4:
		run_loop(ctl, op_pio_user);
		break;
	case OP_TOUCH_PRESENT:
		run_loop(ctl, op_touch_present);
		break;
	case OP_TOUCH_ABSENT:
		run_loop(ctl, op_touch_absent);
		break;
	case OP_GUEST_PF:
		run_loop(ctl, op_guest_pf);
		break;
	case OP_PF_NX ... OP_PF_MIXED:
		run_pf_batch(ctl);
		break;
	case OP_INT_LOOP:
		run_loop(ctl, op_int_loop);
		break;
	case OP_WALK:
		run_loop(ctl, op_walk);
		break;
	case OP_PIO_FLUSH:
		run_loop(ctl, op_pio_flush);
		break;
	case OP_PIO_SWITCH:
		run_loop(ctl, op_pio_switch);
		break;
	case OP_HLT_TIMER:
		run_loop_after(ctl, op_hlt_timer, spread_phase);
		break;
	case OP_CPUID_XCR0:
		run_loop(ctl, op_cpuid_xcr0);
		break;
	case OP_UNMAP:
		run_loop_after(ctl, op_pio_flush, redirty);
		break;
	}
}

void guest_main(void)
{
	volatile struct bench_ctl *ctl = gva(GUEST_CTL);

	for (;;) {
		run_batch(ctl);
		outb(0, PORT_DONE);
	}
}
