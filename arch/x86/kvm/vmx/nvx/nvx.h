/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Private to vmx/nvx/: features, and what its files owe each other.
 * Runs at L0 (and in any L1 that loads the same module, where it serves that
 * L1's guests).
 */
#ifndef __KVM_X86_VMX_NVX_H
#define __KVM_X86_VMX_NVX_H

#include <linux/types.h>

#include "features.h"
#include "mmu/nvx/count.h"

/* In effect, once nvx_features_setup() is done. */
#define X(name, ...)	extern bool nvx_##name;
NVX_FEATURES(X, X, X)
#undef X

/* All names of features, with commas in between; features.c asserts. */
#define NVX_LIST_SIZE	256

void nvx_features_setup(bool nested);
int nvx_list_features(char list[NVX_LIST_SIZE]);

/* For measuring: no operator's build can change them (measure.c). */
extern unsigned int nvx_fast_parts;
extern bool nvx_vept;
extern bool nvx_gpf_bypass;

#ifdef CONFIG_KVM_NVX_VEPT
void nvx_mmu_setup(bool nested);
void nvx_mmu_unregister(void);
#else
static inline void nvx_mmu_setup(bool nested) { }
static inline void nvx_mmu_unregister(void) { }
#endif

#ifdef CONFIG_KVM_NVX_BYPASS
void nvx_bypass_setup(void);
#else
static inline void nvx_bypass_setup(void) { }
#endif

#ifdef CONFIG_KVM_NVX_FAST
bool nvx_fast_possible(void);
bool nvx_fast_direct_wanted(void);
void nvx_fast_setup(void);
bool nvx_fast_times_l2(void);
void nvx_idle_register(void);
void nvx_idle_unregister(void);
#else
static inline bool nvx_fast_possible(void) { return false; }
static inline bool nvx_fast_direct_wanted(void) { return false; }
static inline void nvx_fast_setup(void) { }
static inline bool nvx_fast_times_l2(void) { return false; }
static inline void nvx_idle_register(void) { }
static inline void nvx_idle_unregister(void) { }
#endif

#ifdef CONFIG_KVM_NVX_PV
bool nvx_host_offers_pv(void);
void nvx_pv_setup(bool nested, bool timer);
void nvx_pv_register(void);
void nvx_pv_unregister(void);
void nvx_l1_setup(void);
void nvx_l1_register(void);
void nvx_l1_unregister(void);
void nvx_l1_range_register(void);
void nvx_l1_range_unregister(void);
void nvx_shim_detach(void);
extern u32 nvx_l1_features;
#else
static inline bool nvx_host_offers_pv(void) { return false; }
static inline void nvx_pv_setup(bool nested, bool timer) { }
static inline void nvx_pv_register(void) { }
static inline void nvx_pv_unregister(void) { }
static inline void nvx_l1_setup(void) { }
static inline void nvx_l1_register(void) { }
static inline void nvx_l1_unregister(void) { }
static inline void nvx_l1_range_register(void) { }
static inline void nvx_l1_range_unregister(void) { }
static inline void nvx_shim_detach(void) { }
#endif

bool nvx_master_switch(void);
void nvx_debugfs_register(void);
void nvx_debugfs_unregister(void);

#endif /* __KVM_X86_VMX_NVX_H */
