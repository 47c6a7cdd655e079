/* SPDX-License-Identifier: (Apache-2.0 OR GPL-2.0-only) */
/* The registers a uprobe program sees, per architecture (kernel: arch/x86/include/asm/ptrace.h,
 * arch/arm64/include/uapi/asm/ptrace.h). BCC's PT_REGS_* macros name these fields. */
#ifndef WIRESPAN_UAPI_LINUX_PTRACE_H
#define WIRESPAN_UAPI_LINUX_PTRACE_H
#include <linux/types.h>

#if defined(__TARGET_ARCH_arm64) || defined(__aarch64__)
struct user_pt_regs {
  __u64 regs[31];
  __u64 sp;
  __u64 pc;
  __u64 pstate;
};
struct pt_regs {
  union {
    struct user_pt_regs user_regs;
    struct {
      __u64 regs[31];
      __u64 sp;
      __u64 pc;
      __u64 pstate;
    };
  };
};
#else
struct pt_regs {
  unsigned long r15, r14, r13, r12, bp, bx;
  unsigned long r11, r10, r9, r8, ax, cx, dx, si, di;
  unsigned long orig_ax, ip, cs, flags, sp, ss;
};
#endif

#endif
