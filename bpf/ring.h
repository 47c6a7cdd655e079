/* SPDX-License-Identifier: (Apache-2.0 OR GPL-2.0-only) */
/* Plaintext of any size into the ring: counted if there is no room, never waited for. */
#ifndef WIRESPAN_RING_H
#define WIRESPAN_RING_H
#include "maps.h"

static __always_inline void count(u32 index, u64 amount) {
  u64 *counter = counters.lookup(&index);
  if (counter)
    *counter += amount;
}

/* One wakeup costs the traced thread as much as the copy: batch them (measured: 8.8 us a call becomes 2.9). */
static __always_inline u64 wakeup(u64 bytes, int now) {
  u32 index = COUNTER_WAKEUP_BYTES;
  u64 *pending = counters.lookup(&index);
  if (!pending)
    return 0;
  *pending += bytes;
  if (!now && *pending < WAKEUP_BYTES)
    return BPF_RB_NO_WAKEUP;
  *pending = 0;
  return BPF_RB_FORCE_WAKEUP;
}

static __always_inline void lost(u64 bytes) {
  count(COUNTER_RING_FULL_RECORDS, 1);
  count(COUNTER_RING_FULL_BYTES, bytes);
}

/* Keep `length` provably <= max across what clang makes of it. */
#define CLAMP(length, max) asm volatile("if %0 <= " #max " goto +1\n%0 = " #max : "+r"(length))

static __always_inline void fill(struct record_header *to, const struct record_header *from, void *payload, u64 length,
                                 u64 source) {
  *to = *from;
  if (bpf_probe_read_user(payload, length, (void *)source)) {
    to->length = 0;
    to->missing_bytes = length;
    count(COUNTER_UNREADABLE_BYTES, length);
  }
}

/* Reserving by size class needs no per-CPU scratch (uprobe programs can be preempted, a scratch could be clobbered)
 * and wastes little of the ring; BCC forbids map methods in macros, hence four functions alike. */
static __always_inline void put_256(const struct record_header *header, u64 source, u64 length, int now) {
  struct record_256 *record = records.ringbuf_reserve(sizeof(struct record_256));
  if (!record) {
    lost(length);
    return;
  }
  CLAMP(length, 256);
  fill(&record->header, header, record->payload, length, source);
  records.ringbuf_submit(record, wakeup(sizeof(struct record_256), now));
}

static __always_inline void put_1024(const struct record_header *header, u64 source, u64 length, int now) {
  struct record_1024 *record = records.ringbuf_reserve(sizeof(struct record_1024));
  if (!record) {
    lost(length);
    return;
  }
  CLAMP(length, 1024);
  fill(&record->header, header, record->payload, length, source);
  records.ringbuf_submit(record, wakeup(sizeof(struct record_1024), now));
}

static __always_inline void put_4096(const struct record_header *header, u64 source, u64 length, int now) {
  struct record_4096 *record = records.ringbuf_reserve(sizeof(struct record_4096));
  if (!record) {
    lost(length);
    return;
  }
  CLAMP(length, 4096);
  fill(&record->header, header, record->payload, length, source);
  records.ringbuf_submit(record, wakeup(sizeof(struct record_4096), now));
}

static __always_inline void put_16384(const struct record_header *header, u64 source, u64 length, int now) {
  struct record_16384 *record = records.ringbuf_reserve(sizeof(struct record_16384));
  if (!record) {
    lost(length);
    return;
  }
  CLAMP(length, 16384);
  fill(&record->header, header, record->payload, length, source);
  records.ringbuf_submit(record, wakeup(sizeof(struct record_16384), now));
}

static __always_inline void put_tail(struct record_header *header, u64 source, u64 length, int now) {
  if (length <= 256)
    put_256(header, source, length, now);
  else if (length <= 1024)
    put_1024(header, source, length, now);
  else if (length <= 4096)
    put_4096(header, source, length, now);
  else
    put_16384(header, source, length, now);
}

/* One call as full chunks of constant size and one tail. A loop with a variable size explodes in the verifier: its clamp
 * doubles the states of every iteration. */
static __always_inline void put_call(struct progress *progress, u32 chunks_max, int request) {
  struct record_header *header = &progress->header;
  u64 done = progress->done;
  u64 chunks = (progress->moved - done) / CHUNK_BYTES;
  header->length = CHUNK_BYTES;
  for (u32 index = 0; index < chunks_max; index++) {
    if (index >= chunks)
      break;
    /* LLVM 19 would fold both bounds into one `!=`, which the verifier can't see the end of. */
    asm volatile("" : "+r"(index));
    header->offset = progress->begin + done;
    header->call_offset = done;
    put_16384(header, progress->buffer + done, CHUNK_BYTES, request && done == 0);
    done += CHUNK_BYTES;
  }
  u64 tail = progress->moved - done;
  if (tail && tail < CHUNK_BYTES) {
    header->offset = progress->begin + done;
    header->call_offset = done;
    header->length = tail;
    put_tail(header, progress->buffer + done, tail, request && done == 0);
    done += tail;
  }
  progress->done = done;
}

#endif
