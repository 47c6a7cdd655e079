/* SPDX-License-Identifier: (Apache-2.0 OR GPL-2.0-only) */
/* BCC force-includes this file first. A real kernel tree turns CONFIG_* into macros here; the few that BCC's own
 * headers test are set by hand. The version is a floor that BCC compares with, not the running kernel's. */
#ifndef WIRESPAN_LINUX_KCONFIG_H
#define WIRESPAN_LINUX_KCONFIG_H
#include <linux/version.h>
#define CONFIG_BPF_SYSCALL 1
#define CONFIG_64BIT 1
#endif
