// SPDX-License-Identifier: GPL-2.0-only
/*
 * The calls of /dev/vmm-refresh that are about a second partition: arguments in, results out.
 */
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <asm/processor.h>

#include "session.h"

/* A structure that begins with its size, which grows. */
static int copy_args(void *args, size_t known, void __user *arg)
{
	u32 size;
	int r;

	if (get_user(size, (u32 __user *)arg))
		return -EFAULT;
	if (size < known)
		return -EINVAL;
	if (size > PAGE_SIZE)
		return -E2BIG;
	r = copy_struct_from_user(args, known, arg, size);
	return r ?: *(u32 *)args == size ? 0 : -EINVAL;
}

static bool in_pages(u64 hpa, u64 bytes)
{
	return bytes && PAGE_ALIGNED(hpa) && PAGE_ALIGNED(bytes) && hpa + bytes > hpa &&
	       hpa + bytes <= BIT_ULL(boot_cpu_data.x86_phys_bits);
}

static int ioctl_create(void __user *arg)
{
	struct vmm_refresh_part_create args;
	int r = copy_args(&args, sizeof(args), arg);

	if (r)
		return r;
	if (args.flags & ~VMM_REFRESH_PART_LINK || args.serial > 0xfff8 || args.serial & 7 ||
	    (args.serial && args.serial_pin > 23))
		return -EINVAL;
	return refresh_part_create(&args);
}

static int ioctl_cpu(void __user *arg)
{
	struct vmm_refresh_part_cpu args;
	int r = copy_args(&args, sizeof(args), arg);

	if (r)
		return r;
	return args.cpu < nr_cpu_ids ? refresh_part_cpu(args.cpu) : -EINVAL;
}

static int ioctl_device(void __user *arg)
{
	struct vmm_refresh_part_device args;
	int r = copy_args(&args, sizeof(args), arg);

	if (r)
		return r;
	if (args.flags || args.domain || args.bdf > 0xffff)
		return -EINVAL;
	return refresh_part_device(args.bdf);
}

static int ioctl_memory(void __user *arg)
{
	struct vmm_refresh_part_memory args;
	int r = copy_args(&args, sizeof(args), arg);

	if (r)
		return r;
	if (args.flags || !in_pages(args.hpa, args.bytes))
		return -EINVAL;
	return refresh_part_memory(args.hpa, args.bytes);
}

static int ioctl_load(void __user *arg)
{
	struct vmm_refresh_part_load args;
	int r = copy_args(&args, sizeof(args), arg);

	if (r)
		return r;
	if (!args.nr || args.nr > VMM_REFRESH_MAX_SEGMENTS)
		return -EINVAL;
	return refresh_part_load(&args);
}

static int ioctl_start(void __user *arg)
{
	struct vmm_refresh_part_start args;
	int r = copy_args(&args, sizeof(args), arg);

	if (r)
		return r;
	if (args.flags & ~VMM_REFRESH_START_PHYSICAL || args.reserved || args.cpu >= nr_cpu_ids)
		return -EINVAL;
	return refresh_part_start(&args);
}

static int ioctl_status(void __user *arg)
{
	struct vmm_refresh_part_status *status;
	u32 size;
	int r;

	if (get_user(size, (u32 __user *)arg))
		return -EFAULT;
	if (size < sizeof(size))
		return -EINVAL;
	status = kzalloc(sizeof(*status), GFP_KERNEL);
	if (!status)
		return -ENOMEM;
	status->size = min_t(u32, size, sizeof(*status));
	r = refresh_part_status(status);
	if (!r && copy_to_user(arg, status, status->size))
		r = -EFAULT;
	kfree(status);
	return r;
}

static int ioctl_words(void __user *arg)
{
	struct vmm_refresh_part_words words;
	int r = copy_args(&words, sizeof(words), arg);

	if (r)
		return r;
	if (words.flags)
		return -EINVAL;
	words.first = 0;
	words.second = 0;
	r = refresh_part_words(&words);
	return copy_to_user(arg, &words, sizeof(words)) ? -EFAULT : r;
}

static int ioctl_grow(void __user *arg)
{
	struct vmm_refresh_part_grow args;
	int r = copy_args(&args, sizeof(args), arg);

	if (r)
		return r;
	if (args.flags == VMM_REFRESH_GROW_PCI && !(args.bytes | args.first | args.end))
		return refresh_part_functions();
	if (args.flags || !PAGE_ALIGNED(args.bytes | args.first | args.end) ||
	    (args.end && args.end <= args.first))
		return -EINVAL;
	r = refresh_part_grow(&args.bytes, args.first, args.end);
	return copy_to_user(arg, &args, sizeof(args)) ? -EFAULT : r;
}

static int ioctl_pool(void __user *arg)
{
	struct vmm_refresh_pool args;
	int r = copy_args(&args, sizeof(args), arg);

	if (r)
		return r;
	if (args.op > VMM_REFRESH_POOL_ATTACH || args.state || args.device ||
	    (args.op < VMM_REFRESH_POOL_FIND && !in_pages(args.hpa, args.bytes)))
		return -EINVAL;
	r = refresh_pool(&args);
	if (!r && copy_to_user(arg, &args, sizeof(args)))
		r = -EFAULT;
	return r;
}

/**
 * refresh_part_ioctl() - Serve a call that is about a second partition
 * @number: of the call
 * @arg: its argument
 *
 * Context: process, may sleep.
 * Return: 0, or an error that vmm_refresh.h lists; -ENOTTY for another call.
 */
long refresh_part_ioctl(unsigned int number, unsigned long arg)
{
	void __user *at = (void __user *)arg;

	switch (number) {
	case _IOC_NR(VMM_REFRESH_PART_CREATE):
		return ioctl_create(at);
	case _IOC_NR(VMM_REFRESH_PART_CPU):
		return ioctl_cpu(at);
	case _IOC_NR(VMM_REFRESH_PART_DEVICE):
		return ioctl_device(at);
	case _IOC_NR(VMM_REFRESH_PART_MEMORY):
		return ioctl_memory(at);
	case _IOC_NR(VMM_REFRESH_PART_LOAD):
		return ioctl_load(at);
	case _IOC_NR(VMM_REFRESH_PART_START):
		return ioctl_start(at);
	case _IOC_NR(VMM_REFRESH_PART_KILL):
		return refresh_part_kill();
	case _IOC_NR(VMM_REFRESH_PART_DESTROY):
		return refresh_part_destroy();
	case _IOC_NR(VMM_REFRESH_PART_STATUS):
		return ioctl_status(at);
	case _IOC_NR(VMM_REFRESH_PART_SAY):
		return refresh_part_say(arg);
	case _IOC_NR(VMM_REFRESH_PART_WORDS):
		return ioctl_words(at);
	case _IOC_NR(VMM_REFRESH_PART_GROW):
		return ioctl_grow(at);
	case _IOC_NR(VMM_REFRESH_POOL):
		return ioctl_pool(at);
	}
	return -ENOTTY;
}
