// SPDX-License-Identifier: GPL-2.0-only
/*
 * What this machine is, and whether the shim can keep its state: all refusals
 * come before anything is allocated.
 */
#include <linux/ioport.h>
#include <linux/minmax.h>
#include <linux/printk.h>
#include <linux/string.h>
#include <asm/cpufeature.h>
#include <asm/msr.h>
#include <asm/processor.h>

#include "refresh.h"
#include "vmx.h"

#define X86_CR4_CET_BIT_MASK	BIT(23)
#define X86_CR4_FRED_MASK	BIT_ULL(32)
#define MISC_PT_IN_VMX		BIT(14)
#define MISC_VMWRITE_ANY	BIT(29)
#define EPT_VPID_INVVPID	BIT_ULL(32)
#define EPT_VPID_SINGLE		BIT_ULL(41)
#define EPT_INVEPT_SINGLE	BIT_ULL(25)
#define EPT_1G			BIT_ULL(17)
#define EPT_WB_WALK4		(BIT_ULL(14) | BIT_ULL(6))
#define BASIC_TRUE_CONTROLS	BIT_ULL(55)
#define FEATURE_CONTROL_ON	(FEAT_CTL_LOCKED | FEAT_CTL_VMX_ENABLED_OUTSIDE_SMX)

/* Records without PERF_GLOBAL_CTRL are older than EPT. */
static bool has_pebs(void)
{
	return boot_cpu_has(X86_FEATURE_PEBS) &&
	       boot_cpu_data.cpuid_level >= REFRESH_CPUID_PERF &&
	       (cpuid_eax(REFRESH_CPUID_PERF) & 0xff) >= 2;
}

static int read_controls(struct refresh_caps *caps)
{
	struct refresh_vmx_caps cap;
	u32 missing;

	rdmsrl(MSR_IA32_VMX_TRUE_PINBASED_CTLS, cap.pin);
	rdmsrl(MSR_IA32_VMX_TRUE_PROCBASED_CTLS, cap.cpu);
	rdmsrl(MSR_IA32_VMX_PROCBASED_CTLS2, cap.cpu2);
	rdmsrl(MSR_IA32_VMX_TRUE_EXIT_CTLS, cap.exit);
	rdmsrl(MSR_IA32_VMX_TRUE_ENTRY_CTLS, cap.entry);
	missing = refresh_pick_controls(&cap, has_pebs(), caps);
	if (missing) {
		pr_err("the CPU's VMX lacks controls that the shim needs (%#x): no virtualize on this machine\n",
		       missing);
		return -ENODEV;
	}
	return 0;
}

static int check_vmx(struct refresh_caps *caps)
{
	u64 value, ept;

	if (boot_cpu_data.x86_vendor != X86_VENDOR_INTEL) {
		pr_err("CPU of another vendor: the shim knows Intel's VMX only\n");
		return -ENODEV;
	}
	if (!this_cpu_has(X86_FEATURE_VMX)) {
		pr_err("no VMX: %s\n", boot_cpu_has(X86_FEATURE_HYPERVISOR) ?
		       "the hypervisor below offers none (nested=1 there)" :
		       "switch it on in the firmware's setup");
		return -ENODEV;
	}
	rdmsrl(MSR_IA32_FEAT_CTL, value);
	if ((value & FEATURE_CONTROL_ON) != FEATURE_CONTROL_ON) {
		pr_err("VMX is locked off in IA32_FEATURE_CONTROL (%#llx): switch it on in the firmware's setup\n",
		       value);
		return -ENODEV;
	}
	rdmsrl(MSR_IA32_VMX_BASIC, caps->basic);
	rdmsrl(MSR_IA32_VMX_MISC, value);
	if (!(caps->basic & BASIC_TRUE_CONTROLS) || !(value & MISC_VMWRITE_ANY)) {
		pr_err("VMX of this CPU is older than the shim needs (VMX_BASIC %#llx, VMX_MISC %#llx)\n",
		       caps->basic, value);
		return -ENODEV;
	}
	if (read_controls(caps))
		return -ENODEV;

	rdmsrl(MSR_IA32_VMX_EPT_VPID_CAP, ept);
	value = EPT_WB_WALK4 | EPT_1G | EPT_INVEPT_SINGLE | EPT_VPID_INVVPID | EPT_VPID_SINGLE;
	if ((ept & value) != value || !boot_cpu_has(X86_FEATURE_GBPAGES)) {
		pr_err("EPT or VPID lacks what the shim needs (EPT_VPID_CAP %#llx, needs %#llx and 1 GiB pages)\n",
		       ept, value);
		return -ENODEV;
	}
	return 0;
}

static int check_state(void)
{
	unsigned long cr4 = refresh_read_cr4();
	u64 value;

	if (cr4 & X86_CR4_CET_BIT_MASK) {
		pr_err("CET is on, which the shim does not keep: boot with ibt=off and nousershstk\n");
		return -EOPNOTSUPP;
	}
	if (cr4 & X86_CR4_FRED_MASK) {
		pr_err("FRED is on, which the shim does not keep: boot with fred=off\n");
		return -EOPNOTSUPP;
	}
	if (!rdmsrl_safe(MSR_IA32_RTIT_CTL, &value) && value & RTIT_CTL_TRACEEN) {
		rdmsrl(MSR_IA32_VMX_MISC, value);
		if (!(value & MISC_PT_IN_VMX)) {
			pr_err("Intel PT is tracing, and this CPU cannot in VMX operation: stop the trace\n");
			return -EBUSY;
		}
	}
	return 0;
}

static int note_end(struct resource *res, void *end)
{
	*(u64 *)end = max_t(u64, *(u64 *)end, res->end + 1);
	return 0;
}

/* /proc/iomem decides: nobody has all that a CPU with 52 address bits could reach. */
static int check_memory(struct refresh_caps *caps)
{
	u32 bits = boot_cpu_data.x86_phys_bits;
	u64 end = 0;

	caps->phys_mask = BIT_ULL(bits) - 1;
	walk_iomem_res_desc(IORES_DESC_NONE, IORESOURCE_MEM, 0, -1, &end, note_end);
	if (!refresh_map_size(bits, end, &caps->map_size))
		return 0;
	pr_err("something of the machine lies at %llu GiB (/proc/iomem), and EPT ends before\n",
	       end >> 30);
	return -EOPNOTSUPP;
}

/**
 * refresh_check_machine() - Refuse what the shim cannot run under
 * @caps: filled in
 *
 * Context: any CPU, may sleep.
 * Return: 0, -ENODEV, -EBUSY or -EOPNOTSUPP after one line in the kernel log.
 */
int refresh_check_machine(struct refresh_caps *caps)
{
	int r;

	memset(caps, 0, sizeof(*caps));
	r = check_vmx(caps);
	if (r)
		return r;
	r = check_memory(caps);
	if (r)
		return r;
	return check_state();
}

#define NR_FIXED_MSRS	11

static void read_fixed(struct refresh_mtrr *mtrr)
{
	static const u32 msrs[NR_FIXED_MSRS] = {
		0x250, 0x258, 0x259, 0x268, 0x269, 0x26a, 0x26b, 0x26c, 0x26d,
		0x26e, 0x26f,
	};
	u64 value;
	int i;

	for (i = 0; i < NR_FIXED_MSRS; i++) {
		rdmsrl(msrs[i], value);
		memcpy(&mtrr->fixed[8 * i], &value, sizeof(value));
	}
}

/**
 * refresh_read_mtrr() - Read the memory types of the machine
 * @mtrr: filled in
 */
void refresh_read_mtrr(struct refresh_mtrr *mtrr)
{
	u64 cap, def;
	u32 i;

	memset(mtrr, 0, sizeof(*mtrr));
	rdmsrl(MTRR_CAP, cap);
	rdmsrl(MTRR_DEF_TYPE, def);
	mtrr->enabled = def & BIT(11);
	mtrr->fixed_enabled = def & BIT(10) && cap & BIT(8);
	mtrr->default_type = def & 0xff;
	if (mtrr->fixed_enabled)
		read_fixed(mtrr);
	mtrr->nr = min_t(u32, cap & 0xff, REFRESH_MAX_MTRR);
	for (i = 0; i < mtrr->nr; i++) {
		rdmsrl(0x200 + 2 * i, mtrr->variable[i].base);
		rdmsrl(0x201 + 2 * i, mtrr->variable[i].mask);
	}
}

/* ---- VMCS shadowing */

static const u32 shadow_ro[] = {
#define SHIM_SHADOW_RO(field) field,
#include <refresh/vmcs_fields.h>
};

static const u32 shadow_rw[] = {
#define SHIM_SHADOW_RW(field) field,
#include <refresh/vmcs_fields.h>
};

static_assert(ARRAY_SIZE(shadow_ro) <= SHIM_MAX_SHADOW);
static_assert(ARRAY_SIZE(shadow_rw) <= SHIM_MAX_SHADOW);

static bool field_exists(u32 field, u32 cpu2_allowed)
{
	return field != GUEST_PML_INDEX || cpu2_allowed & SECONDARY_EXEC_ENABLE_PML;
}

static void allow(struct refresh_reserve *res, u64 bitmap, u32 field)
{
	u8 *bits = res->va + bitmap;

	bits[field / 8] &= ~BIT(field % 8);
}

static void fill_shadowing(struct refresh_reserve *res, struct shim_part *part)
{
	const struct refresh_layout *layout = &res->layout;
	u64 cap;
	u32 i;

	rdmsrl(MSR_IA32_VMX_PROCBASED_CTLS2, cap);
	if (!(cap >> 32 & SECONDARY_EXEC_SHADOW_VMCS))
		part->flags &= ~SHIM_FLAG_SHADOW;
	if (!(part->flags & SHIM_FLAG_SHADOW))
		return;
	memset(res->va + layout->vmread_bitmap, 0xff, SHIM_PAGE);
	memset(res->va + layout->vmwrite_bitmap, 0xff, SHIM_PAGE);
	for (i = 0; i < ARRAY_SIZE(shadow_ro); i++) {
		if (!field_exists(shadow_ro[i], cap >> 32))
			continue;
		part->ro[part->nr_ro++] = shadow_ro[i];
		allow(res, layout->vmread_bitmap, shadow_ro[i]);
	}
	for (i = 0; i < ARRAY_SIZE(shadow_rw); i++) {
		part->rw[part->nr_rw++] = shadow_rw[i];
		allow(res, layout->vmread_bitmap, shadow_rw[i]);
		allow(res, layout->vmwrite_bitmap, shadow_rw[i]);
	}
}

/* Of the fields in the shim page not every CPU has all. */
static u32 optional_fields(void)
{
	u32 flags = 0;
	u64 cap;

	rdmsrl(MSR_IA32_VMX_PROCBASED_CTLS2, cap);
	if (cap >> 32 & SECONDARY_EXEC_ENABLE_PML)
		flags |= SHIM_FLAG_PML;
	rdmsrl(MSR_IA32_VMX_TRUE_PINBASED_CTLS, cap);
	if (cap >> 32 & PIN_BASED_VMX_PREEMPTION_TIMER)
		flags |= SHIM_FLAG_TIMER;
	return flags;
}

/**
 * refresh_fill_machine() - Tell the shim about the machine
 * @res: the reserve, with the image and the tables in it
 * @caps: from refresh_check_machine()
 * @nr_areas: CPUs that the machine can have
 * @uart: I/O port for the shim's console, or 0
 */
void refresh_fill_machine(struct refresh_reserve *res, const struct refresh_caps *caps,
			  u32 nr_areas, u32 uart)
{
	struct shim_machine *machine = &res->header->machine;

	memset(machine, 0, sizeof(*machine));
	machine->reserve_hpa = res->hpa;
	machine->reserve_size = res->layout.end;
	machine->console_va = SHIM_VA_IMAGE + res->layout.console;
	machine->image_pt_va = SHIM_VA_IMAGE + res->image_pt;
	machine->areas_va = SHIM_VA_IMAGE + res->layout.areas;
	machine->nr_areas = nr_areas;
	machine->vmx_basic = caps->basic;
	rdmsrl(MSR_IA32_VMX_CR0_FIXED0, machine->cr0_fixed0);
	rdmsrl(MSR_IA32_VMX_CR0_FIXED1, machine->cr0_fixed1);
	rdmsrl(MSR_IA32_VMX_CR4_FIXED0, machine->cr4_fixed0);
	rdmsrl(MSR_IA32_VMX_CR4_FIXED1, machine->cr4_fixed1);
	machine->phys_mask = caps->phys_mask;
	machine->uart = uart;
	machine->flags = optional_fields();
	if (boot_cpu_has_bug(X86_BUG_L1TF) && boot_cpu_has(X86_FEATURE_FLUSH_L1D))
		machine->flags |= SHIM_FLAG_L1D_FLUSH;
	if (caps->exit & VM_EXIT_LOAD_IA32_PERF_GLOBAL_CTRL)
		machine->flags |= SHIM_FLAG_PERF;
	machine->info_va = SHIM_VA_IMAGE + res->layout.info;
	if (!res->layout.io_bitmap)
		return;
	machine->flags |= SHIM_FLAG_PARTITION;
	machine->pool_va = SHIM_VA_IMAGE + res->layout.pool;
	machine->pool_end_va = SHIM_VA_IMAGE + res->layout.pool_end;
	machine->link_va = SHIM_VA_IMAGE + res->layout.link;
}

/**
 * refresh_fill_info() - Note what a module has to know that adopts the shim
 * @res: the reserve, with the tables in it
 * @nr_areas: CPUs that the machine can have
 * @flags: SHIM_FLAG_* of a partition that are wanted
 */
void refresh_fill_info(struct refresh_reserve *res, u32 nr_areas, u32 flags)
{
	struct shim_info *info = res->va + res->layout.info;

	info->reserve_hpa = res->hpa;
	info->reserve_bytes = res->size;
	info->console = res->layout.console;
	info->areas = res->layout.areas;
	info->end = res->layout.end;
	info->eptp = res->eptp;
	info->cr3 = res->shim_cr3;
	info->nr_areas = nr_areas;
	info->memory = res->contig ? SHIM_MEMORY_CONTIG : SHIM_MEMORY_PAGES;
	info->flags = flags | (res->layout.io_bitmap ? SHIM_FLAG_PARTITION : 0);
}

/**
 * refresh_fill_part() - Make the first partition, which has all of the machine
 * @res: the reserve, with the image and the tables in it
 * @flags: SHIM_FLAG_* of a partition that are wanted
 */
void refresh_fill_part(struct refresh_reserve *res, u32 flags)
{
	const struct refresh_layout *layout = &res->layout;
	struct shim_part *part = &res->header->part[0];

	memset(part, 0, sizeof(*part));
	part->eptp = res->eptp;
	part->msr_bitmap = res->hpa + layout->msr_bitmap;
	part->vmread_bitmap = res->hpa + layout->vmread_bitmap;
	part->vmwrite_bitmap = res->hpa + layout->vmwrite_bitmap;
	if (layout->io_bitmap)
		part->io_bitmap = res->hpa + layout->io_bitmap;
	part->flags = flags;
	refresh_fill_msr_bitmap(res->va + layout->msr_bitmap);
	fill_shadowing(res, part);
}
