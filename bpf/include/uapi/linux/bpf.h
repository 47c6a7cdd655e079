/* SPDX-License-Identifier: (Apache-2.0 OR GPL-2.0-only) */
/* BCC defines the BPF user API itself before it includes this. */
#include <linux/types.h>
