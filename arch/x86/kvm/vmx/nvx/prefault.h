/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __KVM_X86_VMX_NVX_PREFAULT_H
#define __KVM_X86_VMX_NVX_PREFAULT_H

#include <linux/types.h>

extern bool nvx_prefault_enabled;

#endif /* __KVM_X86_VMX_NVX_PREFAULT_H */
