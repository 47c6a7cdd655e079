/* SPDX-License-Identifier: (Apache-2.0 OR GPL-2.0-only) */
#ifndef WIRESPAN_LINUX_VERSION_H
#define WIRESPAN_LINUX_VERSION_H
#define KERNEL_VERSION(major, minor, patch) (((major) << 16) + ((minor) << 8) + (patch))
/* 5.8: the first kernel with the BPF ring buffer, our floor. */
#define LINUX_VERSION_CODE KERNEL_VERSION(5, 8, 0)
#endif
