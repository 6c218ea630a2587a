// SPDX-License-Identifier: GPL-2.0-only
/*
 * Operands of the host's instructions in memory: walk the host's page tables as
 * the CPU would for an access with CPL 0, and copy through the CPU's window.
 */
#include "shim.h"
#include "vmx_ops.h"
#include "world.h"

#define PTE_P		BIT(0)
#define PTE_W		BIT(1)
#define PTE_U		BIT(2)
#define PTE_A		BIT(5)
#define PTE_D		BIT(6)
#define PTE_PS		BIT(7)
#define PTE_PWT		BIT(3)
#define PTE_PCD		BIT(4)
#define PTE_PAT		BIT(7)
#define PTE_LARGE_PAT	BIT(12)
#define PTE_ADDRESS	0x000ffffffffff000ull

#define PF_PRESENT	0x1u
#define PF_WRITE	0x2u

/* The host's map of the shim's memory is a page of nothing. */
static bool is_shim(u64 hpa)
{
	return hpa - shim_machine.reserve_hpa < shim_machine.reserve_size;
}

/* Where the EPT of the host's partition leads; false: nowhere, or not with that access. */
static bool find_page(u64 gpa, u64 access, u64 *hpa, bool *foreign)
{
	*foreign = !world_translate(this_cpu(), gpa, access, hpa);
	return !*foreign && !is_shim(*hpa);
}

/* As the CPU's own accesses of that kind end (access.c). */
static bool protection_fault(struct mem_fault *fault, bool foreign)
{
	fault->vector = GP_VECTOR;
	fault->code = 0;
	fault->foreign = foreign;
	return false;
}

static bool page_fault(struct mem_fault *fault, u64 gva, u32 code)
{
	fault->vector = PF_VECTOR;
	fault->code = code;
	fault->address = gva;
	fault->foreign = false;
	return false;
}

struct walk {
	u64	entry;
	int	level;
	bool	writable, user, foreign;
};

enum walk_result { WALK_DONE, WALK_ABSENT, WALK_AGAIN };

/* Another CPU may have changed the entry since; then its bits are not ours to set. */
static bool set_bits(u64 *slot, u64 entry, u64 bits)
{
	if ((entry & bits) == bits)
		return true;
	return __atomic_compare_exchange_n(slot, &entry, entry | bits, false,
					   __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

/* Down to the leaf, as the page tables are now. */
static enum walk_result walk_once(u64 gva, struct walk *walk, bool write)
{
	u64 table = vmread(GUEST_CR3) & PTE_ADDRESS, *slot, hpa;
	u64 bits = PTE_A;

	walk->level = vmread(GUEST_CR4) & X86_CR4_LA57 ? 5 : 4;
	walk->writable = true;
	walk->user = true;
	for (;;) {
		if (!find_page(table, EPT_READ | EPT_WRITE, &hpa, &walk->foreign))
			return WALK_ABSENT;
		slot = (u64 *)mem_map(hpa, 0) +
		       (gva >> (12 + 9 * (walk->level - 1)) & 511);
		walk->entry = __atomic_load_n(slot, __ATOMIC_RELAXED);
		if (!(walk->entry & PTE_P) ||
		    walk->entry & PTE_ADDRESS & ~shim_machine.phys_mask)
			return WALK_ABSENT;
		walk->writable &= !!(walk->entry & PTE_W);
		walk->user &= !!(walk->entry & PTE_U);
		if (walk->level == 1 || (walk->level <= 3 && walk->entry & PTE_PS))
			break;
		if (!set_bits(slot, walk->entry, PTE_A))
			return WALK_AGAIN;
		table = walk->entry & PTE_ADDRESS;
		walk->level--;
	}
	if (write && (walk->writable || !(vmread(GUEST_CR0) & X86_CR0_WP)))
		bits |= PTE_D;
	return set_bits(slot, walk->entry, bits) ? WALK_DONE : WALK_AGAIN;
}

/* False if an entry is not present. */
static bool walk_down(u64 gva, struct walk *walk, bool write)
{
	enum walk_result result;

	do {
		result = walk_once(gva, walk, write);
	} while (result == WALK_AGAIN);
	return result == WALK_DONE;
}

/* The memory type that the host has for the page, as bits of an entry for 4 KiB. */
static u64 type_of(const struct walk *walk)
{
	u64 type = walk->entry & (PTE_PWT | PTE_PCD);

	return walk->entry & (walk->level == 1 ? PTE_PAT : PTE_LARGE_PAT) ?
		type | PTE_PAT : type;
}

static bool translate(u64 gva, bool write, u64 *hpa, u64 *type, struct mem_fault *fault)
{
	u32 code = write ? PF_WRITE : 0;
	struct walk walk;
	u64 offset_mask;
	bool foreign;

	if (!shim_is_canonical(gva, vmread(GUEST_CR4) & X86_CR4_LA57))
		return protection_fault(fault, false);
	if (!walk_down(gva, &walk, write))
		return walk.foreign ? protection_fault(fault, true) :
				      page_fault(fault, gva, code);
	if (write && !walk.writable && vmread(GUEST_CR0) & X86_CR0_WP)
		return page_fault(fault, gva, code | PF_PRESENT);
	if (walk.user && vmread(GUEST_CR4) & X86_CR4_SMAP &&
	    !(vmread(GUEST_RFLAGS) & X86_EFLAGS_AC))
		return page_fault(fault, gva, code | PF_PRESENT);

	offset_mask = BIT(12 + 9 * (walk.level - 1)) - 1;
	*hpa = (walk.entry & PTE_ADDRESS & ~offset_mask) | (gva & offset_mask);
	*type = type_of(&walk);
	return find_page(*hpa, write ? EPT_READ | EPT_WRITE : EPT_READ, hpa, &foreign) ||
	       protection_fault(fault, foreign);
}

bool mem_translate(u64 gva, bool write, u64 *hpa, struct mem_fault *fault)
{
	u64 type;

	return translate(gva, write, hpa, &type, fault);
}

static void copy(void *to, const void *from, u32 size)
{
	asm volatile("rep movsb"
		     : "+D" (to), "+S" (from), "+c" (size) : : "memory");
}

static void copy_page(u64 hpa, u64 type, void *data, u32 size, bool write)
{
	void *page = mem_map(hpa, type);

	if (write)
		copy(page, data, size);
	else
		copy(data, page, size);
}

static bool access(u64 gva, void *data, u32 size, bool write,
		   struct mem_fault *fault)
{
	u64 hpa[2] = { }, type[2] = { };
	u32 first = SHIM_PAGE - (gva & (SHIM_PAGE - 1));

	if (first > size)
		first = size;
	/* Both pages first: an access that faults has no effect. */
	if (!translate(gva, write, &hpa[0], &type[0], fault))
		return false;
	if (first < size && !translate(gva + first, write, &hpa[1], &type[1], fault))
		return false;
	copy_page(hpa[0], type[0], data, first, write);
	if (first < size)
		copy_page(hpa[1], type[1], (u8 *)data + first, size - first, write);
	return true;
}

bool mem_read(u64 gva, void *data, u32 size, struct mem_fault *fault)
{
	return access(gva, data, size, false, fault);
}

bool mem_write(u64 gva, const void *data, u32 size, struct mem_fault *fault)
{
	return access(gva, (void *)data, size, true, fault);
}
