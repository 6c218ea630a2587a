// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every field of a VMCS that is known, in the order of its encoding (SDM 3D, appendix B).
 * One that is not cannot be judged: it is not written while two kernels share the machine.
 */
#include "vmcs_class.h"
#include "../../../include/refresh/shim.h"

#define F(field, what)		{ field, VMCS_FREE, WHEN_ALWAYS, 0, 0, what }
#define H(field, what)		{ field, VMCS_HOST, WHEN_ALWAYS, 0, 0, what }
#define L(field, count, what)	{ field, VMCS_LIST, WHEN_COUNT, count, 0, what }
#define A(field, word, nr, length, what) \
				{ field, VMCS_ADDRESS, WHEN_##word, nr, length, what }

/*
 * HLAT's tables and the guest's are found through the EPT; without one their addresses
 * are the machine's.
 */
static const struct vmcs_field fields[] = {
	F(0x0000, "Virtual-processor identifier"),
	F(0x0002, "Posted-interrupt notification vector"),
	F(0x0004, "EPTP index"),
	F(0x0006, "HLAT prefix size"),
	F(0x0008, "Last PID-pointer index"),
	F(0x0800, "Guest ES selector"),
	F(0x0802, "Guest CS selector"),
	F(0x0804, "Guest SS selector"),
	F(0x0806, "Guest DS selector"),
	F(0x0808, "Guest FS selector"),
	F(0x080a, "Guest GS selector"),
	F(0x080c, "Guest LDTR selector"),
	F(0x080e, "Guest TR selector"),
	F(0x0810, "Guest interrupt status"),
	F(0x0812, "PML index"),
	F(0x0814, "Guest UINV"),
	H(0x0c00, "Host ES selector"),
	H(0x0c02, "Host CS selector"),
	H(0x0c04, "Host SS selector"),
	H(0x0c06, "Host DS selector"),
	H(0x0c08, "Host FS selector"),
	H(0x0c0a, "Host GS selector"),
	H(0x0c0c, "Host TR selector"),
	A(0x2000, CPU, 25, SHIM_PAGE, "Address of I/O bitmap A"),
	A(0x2002, CPU, 25, SHIM_PAGE, "Address of I/O bitmap B"),
	A(0x2004, CPU, 28, SHIM_PAGE, "Address of MSR bitmaps"),
	L(0x2006, 0x400e, "VM-exit MSR-store address"),
	L(0x2008, 0x4010, "VM-exit MSR-load address"),
	L(0x200a, 0x4014, "VM-entry MSR-load address"),
	F(0x200c, "Executive-VMCS pointer"),
	A(0x200e, CPU2, 17, SHIM_PAGE, "PML address"),
	F(0x2010, "TSC offset"),
	A(0x2012, CPU, 21, SHIM_PAGE, "Virtual-APIC address"),
	A(0x2014, CPU2, 0, SHIM_PAGE, "APIC-access address"),
	A(0x2016, PIN, 7, 64, "Posted-interrupt descriptor address"),
	F(0x2018, "VM-function controls"),
	A(0x201a, CPU2, 1, SHIM_PAGE, "EPT pointer"),
	F(0x201c, "EOI-exit bitmap 0"),
	F(0x201e, "EOI-exit bitmap 1"),
	F(0x2020, "EOI-exit bitmap 2"),
	F(0x2022, "EOI-exit bitmap 3"),
	A(0x2024, VMFUNC, 0, SHIM_PAGE, "EPTP-list address"),
	A(0x2026, CPU2, 14, SHIM_PAGE, "VMREAD-bitmap address"),
	A(0x2028, CPU2, 14, SHIM_PAGE, "VMWRITE-bitmap address"),
	A(0x202a, CPU2, 18, SHIM_PAGE, "Virtualization-exception information address"),
	F(0x202c, "XSS-exiting bitmap"),
	F(0x202e, "ENCLS-exiting bitmap"),
	A(0x2030, CPU2, 23, SHIM_PAGE, "Sub-page-permission-table pointer"),
	F(0x2032, "TSC multiplier"),
	F(0x2034, "Tertiary processor-based VM-execution controls"),
	F(0x2036, "ENCLV-exiting bitmap"),
	A(0x2038, CPU2, 21, SHIM_PAGE, "Low PASID directory address"),
	A(0x203a, CPU2, 21, SHIM_PAGE, "High PASID directory address"),
	F(0x203e, "PCONFIG-exiting bitmap"),
	A(0x2040, HLAT, 1, SHIM_PAGE, "Hypervisor-managed linear-address translation pointer"),
	A(0x2042, CPU3, 4, SHIM_PAGE, "PID-pointer table address"),
	F(0x2044, "Secondary VM-exit controls"),
	F(0x204a, "IA32_SPEC_CTRL mask"),
	F(0x204c, "IA32_SPEC_CTRL shadow"),
	F(0x2052, "Injected-event data"),
	F(0x2400, "Guest-physical address"),
	F(0x2404, "Original-event data"),
	A(0x2800, ALWAYS, 0, SHIM_PAGE, "VMCS link pointer"),
	F(0x2802, "Guest IA32_DEBUGCTL"),
	F(0x2804, "Guest IA32_PAT"),
	F(0x2806, "Guest IA32_EFER"),
	F(0x2808, "Guest IA32_PERF_GLOBAL_CTRL"),
	F(0x280a, "Guest PDPTE0"),
	F(0x280c, "Guest PDPTE1"),
	F(0x280e, "Guest PDPTE2"),
	F(0x2810, "Guest PDPTE3"),
	F(0x2812, "Guest IA32_BNDCFGS"),
	F(0x2814, "Guest IA32_RTIT_CTL"),
	F(0x2816, "Guest IA32_LBR_CTL"),
	F(0x2818, "Guest IA32_PKRS"),
	F(0x281a, "Guest IA32_FRED_CONFIG"),
	F(0x281c, "Guest IA32_FRED_RSP1"),
	F(0x281e, "Guest IA32_FRED_RSP2"),
	F(0x2820, "Guest IA32_FRED_RSP3"),
	F(0x2822, "Guest IA32_FRED_STKLVLS"),
	F(0x2824, "Guest IA32_FRED_SSP1"),
	F(0x2826, "Guest IA32_FRED_SSP2"),
	F(0x2828, "Guest IA32_FRED_SSP3"),
	H(0x2c00, "Host IA32_PAT"),
	H(0x2c02, "Host IA32_EFER"),
	H(0x2c04, "Host IA32_PERF_GLOBAL_CTRL"),
	H(0x2c06, "Host IA32_PKRS"),
	H(0x2c08, "Host IA32_FRED_CONFIG"),
	H(0x2c0a, "Host IA32_FRED_RSP1"),
	H(0x2c0c, "Host IA32_FRED_RSP2"),
	H(0x2c0e, "Host IA32_FRED_RSP3"),
	H(0x2c10, "Host IA32_FRED_STKLVLS"),
	H(0x2c12, "Host IA32_FRED_SSP1"),
	H(0x2c14, "Host IA32_FRED_SSP2"),
	H(0x2c16, "Host IA32_FRED_SSP3"),
	F(0x4000, "Pin-based VM-execution controls"),
	F(0x4002, "Primary processor-based VM-execution controls"),
	F(0x4004, "Exception bitmap"),
	F(0x4006, "Page-fault error-code mask"),
	F(0x4008, "Page-fault error-code match"),
	F(0x400a, "CR3-target count"),
	F(0x400c, "Primary VM-exit controls"),
	F(0x400e, "VM-exit MSR-store count"),
	F(0x4010, "VM-exit MSR-load count"),
	F(0x4012, "VM-entry controls"),
	F(0x4014, "VM-entry MSR-load count"),
	F(0x4016, "VM-entry interruption-information field"),
	F(0x4018, "VM-entry exception error code"),
	F(0x401a, "VM-entry instruction length"),
	F(0x401c, "TPR threshold"),
	F(0x401e, "Secondary processor-based VM-execution controls"),
	F(0x4020, "PLE_Gap"),
	F(0x4022, "PLE_Window"),
	F(0x4024, "Instruction-timeout control"),
	F(0x4400, "VM-instruction error"),
	F(0x4402, "Exit reason"),
	F(0x4404, "VM-exit interruption information"),
	F(0x4406, "VM-exit interruption error code"),
	F(0x4408, "IDT-vectoring information field"),
	F(0x440a, "IDT-vectoring error code"),
	F(0x440c, "VM-exit instruction length"),
	F(0x440e, "VM-exit instruction information"),
	F(0x4800, "Guest ES limit"),
	F(0x4802, "Guest CS limit"),
	F(0x4804, "Guest SS limit"),
	F(0x4806, "Guest DS limit"),
	F(0x4808, "Guest FS limit"),
	F(0x480a, "Guest GS limit"),
	F(0x480c, "Guest LDTR limit"),
	F(0x480e, "Guest TR limit"),
	F(0x4810, "Guest GDTR limit"),
	F(0x4812, "Guest IDTR limit"),
	F(0x4814, "Guest ES access rights"),
	F(0x4816, "Guest CS access rights"),
	F(0x4818, "Guest SS access rights"),
	F(0x481a, "Guest DS access rights"),
	F(0x481c, "Guest FS access rights"),
	F(0x481e, "Guest GS access rights"),
	F(0x4820, "Guest LDTR access rights"),
	F(0x4822, "Guest TR access rights"),
	F(0x4824, "Guest interruptibility state"),
	F(0x4826, "Guest activity state"),
	F(0x4828, "Guest SMBASE"),
	F(0x482a, "Guest IA32_SYSENTER_CS"),
	F(0x482e, "VMX-preemption timer value"),
	H(0x4c00, "Host IA32_SYSENTER_CS"),
	F(0x6000, "CR0 guest/host mask"),
	F(0x6002, "CR4 guest/host mask"),
	F(0x6004, "CR0 read shadow"),
	F(0x6006, "CR4 read shadow"),
	F(0x6008, "CR3-target value 0"),
	F(0x600a, "CR3-target value 1"),
	F(0x600c, "CR3-target value 2"),
	F(0x600e, "CR3-target value 3"),
	F(0x6400, "Exit qualification"),
	F(0x6402, "I/O RCX"),
	F(0x6404, "I/O RSI"),
	F(0x6406, "I/O RDI"),
	F(0x6408, "I/O RIP"),
	F(0x640a, "Guest-linear address"),
	F(0x6800, "Guest CR0"),
	A(0x6802, NO_EPT, 0, SHIM_PAGE, "Guest CR3"),
	F(0x6804, "Guest CR4"),
	F(0x6806, "Guest ES base"),
	F(0x6808, "Guest CS base"),
	F(0x680a, "Guest SS base"),
	F(0x680c, "Guest DS base"),
	F(0x680e, "Guest FS base"),
	F(0x6810, "Guest GS base"),
	F(0x6812, "Guest LDTR base"),
	F(0x6814, "Guest TR base"),
	F(0x6816, "Guest GDTR base"),
	F(0x6818, "Guest IDTR base"),
	F(0x681a, "Guest DR7"),
	F(0x681c, "Guest RSP"),
	F(0x681e, "Guest RIP"),
	F(0x6820, "Guest RFLAGS"),
	F(0x6822, "Guest pending debug exceptions"),
	F(0x6824, "Guest IA32_SYSENTER_ESP"),
	F(0x6826, "Guest IA32_SYSENTER_EIP"),
	F(0x6828, "Guest IA32_S_CET"),
	F(0x682a, "Guest SSP"),
	F(0x682c, "Guest IA32_INTERRUPT_SSP_TABLE_ADDR"),
	H(0x6c00, "Host CR0"),
	H(0x6c02, "Host CR3"),
	H(0x6c04, "Host CR4"),
	H(0x6c06, "Host FS base"),
	H(0x6c08, "Host GS base"),
	H(0x6c0a, "Host TR base"),
	H(0x6c0c, "Host GDTR base"),
	H(0x6c0e, "Host IDTR base"),
	H(0x6c10, "Host IA32_SYSENTER_ESP"),
	H(0x6c12, "Host IA32_SYSENTER_EIP"),
	H(0x6c14, "Host RSP"),
	H(0x6c16, "Host RIP"),
	H(0x6c18, "Host IA32_S_CET"),
	H(0x6c1a, "Host SSP"),
	H(0x6c1c, "Host IA32_INTERRUPT_SSP_TABLE_ADDR"),
};

#undef F
#undef H
#undef L
#undef A

#define CPU_SECONDARY	31
#define CPU_TERTIARY	17
#define CPU2_EPT	1
#define CPU2_VMFUNC	13

#define MSR_ENTRY	16
#define MAX_MSRS	512	/* what every CPU can do (SDM 3D, IA32_VMX_MISC) */

#define NO_VMCS		(~0ull)
#define LINK_POINTER	0x2800

/* NULL: not known. */
const struct vmcs_field *vmcs_field(u16 encoding)
{
	u32 low = 0, high = ARRAY_SIZE(fields), middle;

	while (low < high) {
		middle = (low + high) / 2;
		if (fields[middle].encoding == encoding)
			return &fields[middle];
		if (fields[middle].encoding < encoding)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

/* The fields with addresses one by one, from NULL to NULL. */
const struct vmcs_field *vmcs_next_address(const struct vmcs_field *field)
{
	for (field = field ? field + 1 : fields; field < fields + ARRAY_SIZE(fields); field++)
		if (field->class == VMCS_ADDRESS || field->class == VMCS_LIST)
			return field;
	return NULL;
}

/* High halves are fields as well. */
bool vmcs_write_known(u16 encoding, struct denied *denied)
{
	bool high = (encoding & 0x6001) == 0x2001;

	return vmcs_field(high ? encoding & ~1u : encoding) || deny(denied, DENIED_VMCS_FIELD);
}

static bool is_used(const struct vmcs_field *field, u32 count,
		    const struct vmcs_controls *controls)
{
	u32 cpu2 = controls->cpu & BIT(CPU_SECONDARY) ? controls->cpu2 : 0;
	u64 cpu3 = controls->cpu & BIT(CPU_TERTIARY) ? controls->cpu3 : 0;

	switch (field->when) {
	case WHEN_PIN:
		return controls->pin & BIT(field->bit);
	case WHEN_CPU:
		return controls->cpu & BIT(field->bit);
	case WHEN_CPU2:
		return cpu2 & BIT(field->bit);
	case WHEN_CPU3:
		return cpu3 & BIT(field->bit);
	case WHEN_NO_EPT:
		return !(cpu2 & BIT(CPU2_EPT));
	case WHEN_HLAT:
		return cpu3 & BIT(field->bit) && !(cpu2 & BIT(CPU2_EPT));
	case WHEN_VMFUNC:
		return cpu2 & BIT(CPU2_VMFUNC) && controls->vmfunc & BIT(field->bit);
	case WHEN_COUNT:
		return count;
	default:
		return true;
	}
}

/*
 * May the CPU use what the field says?  What EPT, tables of descriptors and lists contain
 * is not looked at: their owner can change it at any time.
 * @count: of a list, else without meaning.
 */
bool vmcs_address_ok(const struct owner_map *map, u32 part, const struct vmcs_field *field,
		     u64 value, u32 count, const struct vmcs_controls *controls,
		     struct denied *denied)
{
	/* Page-sized structures have flags in the low bits of their pointers. */
	u64 hpa = value & ~(u64)(SHIM_PAGE - 1);
	u64 size = field->size;
	enum denied_kind kind = DENIED_VMCS_ADDRESS;

	if (field->class != VMCS_ADDRESS && field->class != VMCS_LIST)
		return true;
	if (!is_used(field, count, controls))
		return true;
	if (field->encoding == LINK_POINTER && value == NO_VMCS)
		return true;
	if (field->class == VMCS_LIST) {
		kind = DENIED_VMCS_LIST;
		if (count > MAX_MSRS)
			return deny(denied, kind);
		hpa = value;
		size = (u64)count * MSR_ENTRY;
	} else if (size < SHIM_PAGE) {
		hpa = value;
	}
	return owner_allows(map, part, hpa, size, ACCESS_CPU) || deny(denied, kind);
}
