/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the nvx tests share: an L1 that enters L2 without touching the VMCS, a
 * window of memory whose EPT12 entries L1 fills itself, exit counts, parameters.
 */
#ifndef NVX_SELFTEST_H
#define NVX_SELFTEST_H

#include <stdbool.h>
#include <stdint.h>

#include "test_util.h"
#include "kvm_util.h"
#include "processor.h"
#include "vmx.h"

#include "kselftest.h"

/* L2 memory whose EPT12 entries start out empty; one page table maps it. */
#ifndef X86_FEATURE_HYPERVISOR
#define X86_FEATURE_HYPERVISOR	KVM_X86_CPU_FEATURE(0x1, 0, ECX, 31)
#endif

#define WINDOW_SLOT	10
#define WINDOW_GPA	0xc0000000ul
#define WINDOW_PAGES	256
/* Where L1 sees the EPT12 page table of the window. */
#define WINDOW_PT_GVA	0xd0000000ul

#define EPT_R		0x1ul
#define EPT_W		0x2ul
#define EPT_X		0x4ul
#define EPT_RWX		(EPT_R | EPT_W | EPT_X)
#define EPT_WB		(6ul << 3)
#define EPT_A		BIT(8)
#define EPT_D		BIT(9)

#ifndef HAVE_INIT_DESCRIPTOR_TABLES
static inline void vm_init_descriptor_tables(struct kvm_vm *vm) { }
static inline void vcpu_init_descriptor_tables(struct kvm_vcpu *vcpu) { }
#endif

/* One VM with one vCPU whose L1 can run an L2 under nested EPT. */
struct nvx_vm {
	struct kvm_vm *vm;
	struct kvm_vcpu *vcpu;
	struct vmx_pages *vmx;
	vm_vaddr_t vmx_gva;
};

/* Host side. */
extern bool nvx_mwait_in_guest;

bool nvx_param(const char *name);
bool nvx_feature(const char *name);
void nvx_vm_create(struct nvx_vm *v, void *l1_guest_code);
void nvx_vm_destroy(struct nvx_vm *v);
uint64_t nvx_stat(int fd, const char *name);
uint64_t nvx_exits(struct kvm_vcpu *vcpu);
uint64_t nvx_counter(const char *name);
bool nvx_old_emulator(void);
bool nvx_ucall(struct nvx_vm *v, uint64_t *stage);
bool nvx_run(struct nvx_vm *v, uint64_t *stage);
void nvx_save_restore(struct nvx_vm *v);

/*
 * L1 side.  @nvx_launch: the next entry is a VMLAUNCH.  @nvx_exit_rsp: what RSP
 * was at the last exit, NVX_HOST_RSP unless L1 writes HOST_RSP.
 */
#define NVX_HOST_RSP	0x1000ul
extern uint64_t nvx_launch, nvx_exit_rsp;

/* Guest memory, for the host to set: nvx_l1_init() turns to a VMCS in memory. */
extern uint64_t nvx_use_pv;

/* L2's registers while L1 runs. */
extern uint64_t nvx_l2_regs[15];

/* Of nvx_enter.S. */
uint64_t nvx_enter(uint64_t launch);
void nvx_exit(void);

void nvx_l1_init(struct vmx_pages *vmx, void *l2_guest_code);
void nvx_l1_prepare_vmcs(struct vmx_pages *vmx, void *l2_guest_code);
void nvx_l1_enter(void);
uint64_t nvx_l1_try_enter(void);
void nvx_l1_restart(void *l2_guest_code);
void nvx_l1_skip_instruction(void);
void nvx_l1_turns(int n);

/* An L2 for these turns. */
void nvx_l2_vmcalls(void);

static inline volatile uint64_t *nvx_window_pte(unsigned int page)
{
	return (volatile uint64_t *)WINDOW_PT_GVA + page;
}

static inline uint64_t nvx_window_gpa(unsigned int page)
{
	return WINDOW_GPA + page * 4096ul;
}

static inline volatile uint64_t *nvx_window_gva(unsigned int page)
{
	return (volatile uint64_t *)nvx_window_gpa(page);
}

/* Of nvx_pv.c: VMREAD and VMWRITE, or the same on a VMCS in memory. */
uint64_t nvx_vmreadz(uint64_t encoding);
int nvx_vmwrite(uint64_t encoding, uint64_t value);
#define vmreadz(encoding)		nvx_vmreadz(encoding)
#define vmwrite(encoding, value)	nvx_vmwrite(encoding, value)

/* L2 side; the library's vmcall() lets the compiler keep memory in registers. */
static inline void nvx_l2_vmcall(void)
{
	asm volatile("vmcall" : : : "memory");
}

static inline void nvx_invept(uint64_t type)
{
	struct { uint64_t eptp, zero; } operand = { vmreadz(EPT_POINTER), 0 };

	asm volatile("invept %0, %1" : : "m"(operand), "r"(type) : "cc", "memory");
}

/* Report a fact as one TAP line. */
#define nvx_result(cond, fmt, ...)				\
do {								\
	if (cond)						\
		ksft_test_result_pass(fmt "\n", ##__VA_ARGS__);	\
	else							\
		ksft_test_result_fail(fmt "\n", ##__VA_ARGS__);	\
} while (0)

#endif /* NVX_SELFTEST_H */
