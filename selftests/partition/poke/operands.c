// SPDX-License-Identifier: GPL-2.0-only
/*
 * VMX instructions with an operand in memory that is not ours.  The shim reads or writes it on
 * our behalf.
 */
#include <linux/types.h>
#include <asm/vmx.h>

#include "poke.h"
#include "vmx.h"

#define INVALIDATE_ALL	2

struct descriptor {
	u64 number, address;
};

static long (*instruction)(void *at);

static long in_vmx(void *at, const struct poke *p)
{
	long r;

	poke_vmx_on();
	poke_vmx_load();
	r = instruction(at);
	poke_vmx_off();
	return r;
}

static int with_operand(const struct poke *p, long (*insn)(void *at))
{
	int r = poke_vmx_alloc();

	if (r)
		return r;
	instruction = insn;
	r = poke_by_page(p, in_vmx);
	poke_vmx_free();
	return r;
}

static long vmptrld_from(void *at)
{
	return VMX_MEMORY("vmptrld %[operand]", *(u64 *)at, 0);
}

int poke_vmptrld_from(const struct poke *p)
{
	return with_operand(p, vmptrld_from);
}

static long vmclear_from(void *at)
{
	return VMX_MEMORY("vmclear %[operand]", *(u64 *)at, 0);
}

int poke_vmclear_from(const struct poke *p)
{
	return with_operand(p, vmclear_from);
}

static long vmptrst_to(void *at)
{
	return VMX_MEMORY("vmptrst %[operand]", *(u64 *)at, 0);
}

int poke_vmptrst_to(const struct poke *p)
{
	return with_operand(p, vmptrst_to);
}

static long vmread_to(void *at)
{
	return VMX_MEMORY("vmread %[reg], %[operand]", *(u64 *)at, GUEST_RIP);
}

int poke_vmread_to(const struct poke *p)
{
	return with_operand(p, vmread_to);
}

static long vmwrite_from(void *at)
{
	return VMX_MEMORY("vmwrite %[operand], %[reg]", *(u64 *)at, GUEST_RIP);
}

int poke_vmwrite_from(const struct poke *p)
{
	return with_operand(p, vmwrite_from);
}

static long invept_from(void *at)
{
	return VMX_MEMORY("invept %[operand], %[reg]", *(struct descriptor *)at, INVALIDATE_ALL);
}

int poke_invept_from(const struct poke *p)
{
	return with_operand(p, invept_from);
}

static long invvpid_from(void *at)
{
	return VMX_MEMORY("invvpid %[operand], %[reg]", *(struct descriptor *)at, INVALIDATE_ALL);
}

int poke_invvpid_from(const struct poke *p)
{
	return with_operand(p, invvpid_from);
}
