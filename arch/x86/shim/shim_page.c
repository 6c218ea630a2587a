// SPDX-License-Identifier: GPL-2.0-only
/*
 * The shim page: a host that knows the shim reads and writes the fields of its
 * current VMCS that it needs at every exit in memory.  What VMCS shadowing does, on
 * every CPU and for less: nothing has to be loaded to get at the copy.
 *
 * The page is the host's to write at any time.  Each word of it is read once, and
 * written to the VMCS as VMWRITE of the host would; VM entry checks it there.
 */
#include "shim.h"
#include "vmx_ops.h"

#define BIT32(name)	(1u << NVX_SHIM_##name)
/* Fields that not every CPU has. */
#define OPTIONAL	(BIT32(GUEST_PML_INDEX) | BIT32(VMX_PREEMPTION_TIMER_VALUE))
/* What a host writes at nearly every exit. */
#define COMMON		(BIT32(GUEST_RIP) | BIT32(GUEST_RSP) | BIT32(GUEST_RFLAGS))
#define WINDOWS		(CPU_BASED_INTR_WINDOW_EXITING | CPU_BASED_NMI_WINDOW_EXITING)

static const u32 encodings[] = {
#define ENCODING(encoding, name) encoding,
	NVX_SHIM_FIELDS(ENCODING)
};

static_assert(ARRAY_SIZE(encodings) == NVX_SHIM_NR_FIELDS, "fields of the shim page");
static_assert(!(((1u << NVX_SHIM_NR_WRITABLE) - 1) & NVX_SHIM_OFF), "bits of dirty");
static_assert(sizeof(struct shim_shared) <= SHIM_SHARED_PAGE, "place of the shim page");
static_assert(sizeof(struct nvx_shim_page) <= SHIM_PAGE - SHIM_SHARED_PAGE,
	      "place of the shim page");
#define NAMES(encoding, name) static_assert((u32)name == encoding, #name);
NVX_SHIM_FIELDS(NAMES)

static u32 take(const u32 *word)
{
	return __atomic_load_n(word, __ATOMIC_RELAXED);
}

static bool exists(u32 slot)
{
	if (slot == NVX_SHIM_GUEST_PML_INDEX)
		return shim_machine.flags & SHIM_FLAG_PML;
	if (slot == NVX_SHIM_VMX_PREEMPTION_TIMER_VALUE)
		return shim_machine.flags & SHIM_FLAG_TIMER;
	return true;
}

static void put(struct nvx_shim_page *page, u32 slot, u64 value)
{
	__atomic_store_n(&page->field[slot], value, __ATOMIC_RELAXED);
}

/*
 * What the host has written without an exit, here or in the shadow VMCS.  The VMCS is current.
 * Beside another partition other bits than those of the windows make it use addresses.
 */
void page_write(struct shim_cpu *cpu, u32 field, u64 value)
{
	if (field == HOST_RSP && cpu->borrowed) {
		cpu->borrowed->host[H_RSP] = value;
		return;
	}
	if (field == CPU_BASED_VM_EXEC_CONTROL && cpu->borrowed && !policy_may_give() &&
	    (vmread(field) ^ value) & ~(u64)WINDOWS)
		cpu->borrowed->checked = false;
	vmwrite(field, value);
}

static void collect_rare(struct shim_cpu *cpu, u32 dirty)
{
	struct nvx_shim_page *page = cpu->page;
	u32 slot;
	u64 value;

	for (slot = 0; slot < NVX_SHIM_NR_WRITABLE; slot++) {
		if (!(dirty & 1u << slot) || !exists(slot))
			continue;
		value = __atomic_load_n(&page->field[slot], __ATOMIC_RELAXED);
		page_write(cpu, encodings[slot], value);
	}
}

/*
 * Take over what the host has written.  Its VMCS is current.  The bits go when all
 * is done: if the shim fails halfway it can begin anew.
 */
void page_collect(struct shim_cpu *cpu)
{
	struct nvx_shim_page *page = cpu->page;
	u32 dirty = take(&page->dirty);

	if (!dirty)
		return;
	if (dirty & BIT32(GUEST_RIP))
		vmwrite(GUEST_RIP, page->field[NVX_SHIM_GUEST_RIP]);
	if (dirty & BIT32(GUEST_RSP))
		vmwrite(GUEST_RSP, page->field[NVX_SHIM_GUEST_RSP]);
	if (dirty & BIT32(GUEST_RFLAGS))
		vmwrite(GUEST_RFLAGS, page->field[NVX_SHIM_GUEST_RFLAGS]);
	if (unlikely(dirty & ~COMMON))
		collect_rare(cpu, dirty & ~COMMON);
	__atomic_store_n(&page->dirty, 0, __ATOMIC_RELAXED);
}

/* The host uses the instruction in spite of the page: the VMCS that runs it is current. */
void page_settle(struct shim_cpu *cpu)
{
	if (!cpu->page_on || !take(&cpu->page->dirty))
		return;
	if (unlikely(!load_vmcs(cpu->current_vmcs)))
		return;
	page_collect(cpu);
	vmptrld(cpu->boot.vmcs_hpa);
}

#define SHOW(name) vmread_to(&page->field[NVX_SHIM_##name], name)

/* What a VM exit changes.  The VMCS of the guest that has left is current. */
void page_publish(struct shim_cpu *cpu, u32 reason)
{
	struct nvx_shim_page *page = cpu->page;

	put(page, NVX_SHIM_VM_EXIT_REASON, reason);
	SHOW(VM_EXIT_INTR_INFO);
	SHOW(VM_EXIT_INTR_ERROR_CODE);
	SHOW(IDT_VECTORING_INFO_FIELD);
	SHOW(IDT_VECTORING_ERROR_CODE);
	SHOW(VM_EXIT_INSTRUCTION_LEN);
	SHOW(VMX_INSTRUCTION_INFO);
	SHOW(EXIT_QUALIFICATION);
	SHOW(GUEST_PHYSICAL_ADDRESS);
	SHOW(GUEST_LINEAR_ADDRESS);
	SHOW(GUEST_RIP);
	SHOW(GUEST_RSP);
	SHOW(GUEST_RFLAGS);
	SHOW(GUEST_INTERRUPTIBILITY_INFO);
	SHOW(VM_ENTRY_INTR_INFO_FIELD);
	SHOW(GUEST_CS_AR_BYTES);
	SHOW(GUEST_SS_AR_BYTES);
	if (shim_machine.flags & SHIM_FLAG_PML)
		SHOW(GUEST_PML_INDEX);
	if (shim_machine.flags & SHIM_FLAG_TIMER)
		SHOW(VMX_PREEMPTION_TIMER_VALUE);
	cpu->shared->page_exits++;
}

static u64 read_slot(struct shim_cpu *cpu, u32 slot)
{
	if (slot == NVX_SHIM_HOST_RSP && cpu->borrowed)
		return cpu->borrowed->host[H_RSP];
	return vmread(encodings[slot]);
}

/*
 * The first host's map has the pages of all CPUs, also of those that it has given away.  Another
 * host sees its own only when it has taken the reserve over, alone on the machine.
 */
static bool hosts_own(const struct shim_cpu *cpu)
{
	return cpu->part == &shim_header.part[0] || policy_may_give();
}

/*
 * The host's current VMCS, which is current here, is another one than before, or the
 * host has begun to use the page.  False: the host does not use it.
 */
bool page_start(struct shim_cpu *cpu)
{
	struct nvx_shim_page *page = cpu->page;
	u32 slot;

	if (!take(&page->want) || !hosts_own(cpu)) {
		page_stop(cpu);
		return false;
	}
	for (slot = 0; slot < NVX_SHIM_NR_FIELDS; slot++)
		if (exists(slot))
			put(page, slot, read_slot(cpu, slot));
	cpu->page_on = true;
	__atomic_store_n(&page->dirty, 0, __ATOMIC_RELAXED);
	return true;
}

/* What the host has written has been taken over, or does not count any more. */
void page_stop(struct shim_cpu *cpu)
{
	cpu->page_on = false;
	__atomic_store_n(&cpu->page->dirty, NVX_SHIM_OFF, __ATOMIC_RELAXED);
}

/* VMWRITE of the host has changed @field of the VMCS, which is current here. */
void page_store(struct shim_cpu *cpu, u64 field)
{
	int slot = nvx_shim_slot(field);

	if (cpu->page_on && slot >= 0)
		put(cpu->page, slot, read_slot(cpu, slot));
}
