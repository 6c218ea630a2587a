// SPDX-License-Identifier: GPL-2.0-only
/*
 * refresh-ctl: the ioctls of /dev/vmm-refresh for test scripts.
 * Exit status: 0, or the errno of the ioctl, 254 for a wrong answer, 255 for wrong usage.
 */
#include <asm/ldt.h>
#include <asm/prctl.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../../include/uapi/linux/vmm_refresh.h"

#define DEVICE "/dev/vmm-refresh"
#define EXIT_USAGE 255
#define EXIT_WRONG 254
#define COM1 0x3f8
#define BUSY_LOOPS 3000000

static int usage(void)
{
	fprintf(stderr,
		"usage: refresh-ctl on [noshadow] [nopage] [test] [uart] | off | status | busy | cycle N |\n"
		"       panic | fault | mc | init APIC-ID | ldt | ldt-gone | sizes | newfield\n");
	return EXIT_USAGE;
}

static int result(const char *what, int r)
{
	if (!r)
		return 0;
	r = errno;
	fprintf(stderr, "refresh-ctl: %s: %s\n", what, strerror(r));
	return r;
}

static int on(int fd, int argc, char **argv)
{
	struct vmm_refresh_virtualize args = { .size = sizeof(args) };
	int i;

	for (i = 2; i < argc; i++) {
		if (!strcmp(argv[i], "noshadow"))
			args.flags |= VMM_REFRESH_NO_SHADOWING;
		else if (!strcmp(argv[i], "nopage"))
			args.flags |= VMM_REFRESH_NO_PAGE;
		else if (!strcmp(argv[i], "test"))
			args.flags |= VMM_REFRESH_TEST;
		else if (!strcmp(argv[i], "uart"))
			args.uart = COM1;
		else if (!strcmp(argv[i], "badflag"))
			args.flags |= 0x80000000;
		else if (!strcmp(argv[i], "badsize"))
			args.size = 4;
		else if (!strcmp(argv[i], "hugesize"))
			args.size = 1 << 20;
	}
	return result("virtualize", ioctl(fd, VMM_REFRESH_VIRTUALIZE, &args));
}

/* One line of shell assignments. */
static int status(int fd)
{
	struct vmm_refresh_status st = { .size = sizeof(st) };
	int r = result("status", ioctl(fd, VMM_REFRESH_STATUS, &st));

	if (!r)
		printf("state=%u cpus=%u launches=%llu changes=%llu reserve=%llu host_exits=%llu guest_exits=%llu installs=%llu vmfails=%llu nmis=%llu page_exits=%llu\n",
		       st.state, st.cpus, st.launches, st.changes, st.reserve,
		       st.host_exits, st.guest_exits, st.installs, st.vmfails, st.nmis,
		       st.page_exits);
	return r;
}

/* VMM_REFRESH_STATUS of a program that knows @size bytes of the structure. */
static int status_of_size(int fd, unsigned int size, unsigned int expected)
{
	struct {
		struct vmm_refresh_status st;
		__u64 more;
	} buffer;
	unsigned char *bytes = (unsigned char *)&buffer;
	unsigned int i;

	memset(&buffer, 0xaa, sizeof(buffer));
	buffer.st.size = size;
	if (ioctl(fd, _IOC(_IOC_READ | _IOC_WRITE, 'R', _IOC_NR(VMM_REFRESH_STATUS), size),
		  &buffer))
		return result("status", -1);
	for (i = expected; i < sizeof(buffer) && bytes[i] == 0xaa; i++)
		;
	if (buffer.st.size == expected && buffer.st.version == VMM_REFRESH_API_VERSION &&
	    i == sizeof(buffer))
		return 0;
	fprintf(stderr, "refresh-ctl: status of %u bytes: size %u, version %u, byte %u written\n",
		size, buffer.st.size, buffer.st.version, i);
	return EXIT_WRONG;
}

/* Programs older and newer than the kernel. */
static int sizes(int fd)
{
	unsigned int now = sizeof(struct vmm_refresh_status);
	int r = status_of_size(fd, offsetof(struct vmm_refresh_status, page_exits),
			       offsetof(struct vmm_refresh_status, page_exits));

	return r ? r : status_of_size(fd, now + sizeof(__u64), now);
}

/* A program that wants something of the kernel that it does not know. */
static int newfield(int fd)
{
	struct {
		struct vmm_refresh_virtualize args;
		__u32 more;
	} buffer = { .args.size = sizeof(buffer), .more = 1 };

	return result("virtualize", ioctl(fd, _IOC(_IOC_WRITE, 'R',
						   _IOC_NR(VMM_REFRESH_VIRTUALIZE),
						   sizeof(buffer)), &buffer));
}

/* Exits of the host during work that has no reason to leave to the shim. */
static int busy(int fd)
{
	struct vmm_refresh_status before = { .size = sizeof(before) };
	struct vmm_refresh_status after = { .size = sizeof(after) };
	volatile unsigned int i;

	/* The second one shows what reading the status costs. */
	if (ioctl(fd, VMM_REFRESH_STATUS, &before) ||
	    ioctl(fd, VMM_REFRESH_STATUS, &before))
		return result("status", -1);
	for (i = 0; i < BUSY_LOOPS; i++)
		;
	if (ioctl(fd, VMM_REFRESH_STATUS, &after))
		return result("status", -1);
	printf("%llu\n", after.host_exits - before.host_exits);
	return 0;
}

/* What may go wrong, for tests. */
static int ask(int fd, const char *what, unsigned long argument)
{
	return result(what, ioctl(fd, VMM_REFRESH_ASK, argument));
}

#define LDT_WRITE	1
#define LDT_SELECTOR	0x7	/* entry 0, RPL 3 */
#define LDT_MAGIC	0x1d71d71d7ull

static uint64_t in_ldt = LDT_MAGIC;

/* A segment that begins with @in_ldt, or none. */
static int set_ldt_entry(int present)
{
	struct user_desc desc = { .base_addr = (uintptr_t)&in_ldt, .limit = 0xfffff };

	desc.seg_32bit = present;
	desc.limit_in_pages = present;
	desc.read_exec_only = !present;
	desc.seg_not_present = !present;
	if (!present) {
		desc.base_addr = 0;
		desc.limit = 0;
	}
	return syscall(SYS_modify_ldt, LDT_WRITE, &desc, sizeof(desc));
}

static void load_ldt_selectors(void)
{
	asm volatile("mov %0, %%ds\n\tmov %0, %%es\n\tmov %0, %%gs"
		     : : "r" (LDT_SELECTOR) : "memory");
}

static unsigned int selectors_left(void)
{
	unsigned short ds, es, gs;

	asm volatile("mov %%ds, %0\n\tmov %%es, %1\n\tmov %%gs, %2"
		     : "=r" (ds), "=r" (es), "=r" (gs));
	return (ds == LDT_SELECTOR) + (es == LDT_SELECTOR) + (gs == LDT_SELECTOR);
}

/*
 * The shim gives up while FS has a selector of the LDT.  That is where the C library has its
 * data: nothing but instructions until FS has its base back.
 */
static long panic_with_fs(int fd, unsigned long fs_base, unsigned short *fs)
{
	long rax = SYS_ioctl, rdi = fd, rsi = VMM_REFRESH_ASK, r;
	int selector = *fs;

	asm volatile("mov %[selector], %%fs\n\t"
		     "syscall\n\t"
		     "mov %%rax, %[result]\n\t"
		     "mov %%fs, %[after]\n\t"
		     "mov %[prctl], %%eax\n\t"
		     "mov %[set_fs], %%edi\n\t"
		     "mov %[base], %%rsi\n\t"
		     "syscall"
		     : [result] "=&r" (r), [after] "=&r" (*fs), "+a" (rax), "+D" (rdi),
		       "+S" (rsi)
		     : [selector] "r" (selector), [prctl] "i" (SYS_arch_prctl),
		       [set_fs] "i" (ARCH_SET_FS), [base] "r" (fs_base),
		       "d" ((long)VMM_REFRESH_ASK_PANIC)
		     : "rcx", "r11", "memory");
	return r;
}

/*
 * The shim gives up under a process with selectors of an LDT, or with one in GS the
 * descriptor of which is @gone.  (When the LDT changes, Linux looks at DS and ES alone.)
 */
static int panic_with_ldt(int fd, int gone)
{
	unsigned short fs = gone ? 0 : LDT_SELECTOR;
	unsigned long fs_base;
	uint64_t seen = 0;
	long r;

	if (syscall(SYS_arch_prctl, ARCH_GET_FS, &fs_base))
		return result("FS", -1);
	do {
		if (set_ldt_entry(1))
			return result("LDT", -1);
		load_ldt_selectors();
		if (gone && set_ldt_entry(0))
			return result("LDT", -1);
		/* Another process in between would have cost GS its selector. */
	} while (selectors_left() != (gone ? 1 : 3));
	r = panic_with_fs(fd, fs_base, &fs);
	if (r < 0) {
		errno = -r;
		return result("panic", -1);
	}
	if (gone)
		return 0;
	asm volatile("mov %%gs:0, %0" : "=r" (seen));
	if (selectors_left() == 3 && fs == LDT_SELECTOR && seen == LDT_MAGIC)
		return 0;
	fprintf(stderr, "refresh-ctl: %u of DS, ES, GS are as before, FS is %#x, GS:0 is %#llx\n",
		selectors_left(), fs, (unsigned long long)seen);
	return EXIT_WRONG;
}

static int cycle(int fd, int n)
{
	struct vmm_refresh_virtualize args = { .size = sizeof(args) };
	int i, r;

	for (i = 0; i < n; i++) {
		r = result("virtualize", ioctl(fd, VMM_REFRESH_VIRTUALIZE, &args));
		if (r)
			return r;
		/* Let what runs beside use the shim for a moment. */
		usleep(1000);
		r = result("devirtualize", ioctl(fd, VMM_REFRESH_DEVIRTUALIZE));
		if (r)
			return r;
		usleep(200);
	}
	printf("%d cycles\n", n);
	return 0;
}

int main(int argc, char **argv)
{
	int fd;

	if (argc < 2)
		return usage();
	fd = open(DEVICE, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return result("open " DEVICE, -1);
	if (!strcmp(argv[1], "on"))
		return on(fd, argc, argv);
	if (!strcmp(argv[1], "off"))
		return result("devirtualize", ioctl(fd, VMM_REFRESH_DEVIRTUALIZE));
	if (!strcmp(argv[1], "status"))
		return status(fd);
	if (!strcmp(argv[1], "sizes"))
		return sizes(fd);
	if (!strcmp(argv[1], "newfield"))
		return newfield(fd);
	if (!strcmp(argv[1], "busy"))
		return busy(fd);
	if (!strcmp(argv[1], "panic"))
		return ask(fd, "panic", VMM_REFRESH_ASK_PANIC);
	if (!strcmp(argv[1], "ldt") || !strcmp(argv[1], "ldt-gone"))
		return panic_with_ldt(fd, !strcmp(argv[1], "ldt-gone"));
	if (!strcmp(argv[1], "fault"))
		return ask(fd, "fault", VMM_REFRESH_ASK_FAULT);
	if (!strcmp(argv[1], "mc"))
		return ask(fd, "mc", VMM_REFRESH_ASK_MC);
	if (!strcmp(argv[1], "init") && argc == 3)
		return ask(fd, "init", VMM_REFRESH_ASK_INIT | strtoul(argv[2], NULL, 0) << 8);
	if (!strcmp(argv[1], "cycle") && argc == 3)
		return cycle(fd, atoi(argv[2]));
	return usage();
}
