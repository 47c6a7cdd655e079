/* SPDX-License-Identifier: (Apache-2.0 OR GPL-2.0-only) */
/* Unit of BCC's BPF_RINGBUF_OUTPUT(name, pages). The kernel wants a power of two that is a multiple of the real page
 * size; the ring sizes we allow are, whatever the machine's pages are. */
#ifndef WIRESPAN_ASM_PAGE_H
#define WIRESPAN_ASM_PAGE_H
#define PAGE_SIZE 4096
#endif
