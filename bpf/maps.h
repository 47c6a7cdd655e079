/* SPDX-License-Identifier: (Apache-2.0 OR GPL-2.0-only) */
/* What the programs keep: calls under way, connections, verdicts, and the ring to user space. */
#ifndef WIRESPAN_MAPS_H
#define WIRESPAN_MAPS_H
#include "events.h"

/* TLS inside TLS (an HTTPS proxy) runs SSL_write within SSL_write on one thread: the thread alone is not a key. */
struct call_key {
  u64 pid_tgid;
  u64 stack;
};

struct call {
  u64 handle;
  u64 buffer;
  u64 count_pointer; /* size_t * of the _ex functions, else 0 */
  u64 entry_ns;
  u64 entry_address; /* of the probed instruction */
};

/* How far a call has been copied. */
struct progress {
  struct record_header header;
  u64 buffer;
  u64 begin; /* offset of the call in its direction */
  u64 moved;
  u64 done;
};

struct record_256 {
  struct record_header header;
  u8 payload[256];
};
struct record_1024 {
  struct record_header header;
  u8 payload[1024];
};
struct record_4096 {
  struct record_header header;
  u8 payload[4096];
};
struct record_16384 {
  struct record_header header;
  u8 payload[16384];
};

BPF_RINGBUF_OUTPUT(records, WIRESPAN_RING_PAGES);
BPF_TABLE("lru_hash", struct call_key, struct call, calls, 10240);
BPF_TABLE("lru_hash", struct call_key, struct progress, unfinished, 256);
BPF_PROG_ARRAY(continuation, 1);
BPF_TABLE("lru_hash", struct connection_key, struct connection, connections, 16384);
BPF_TABLE("lru_hash", struct connection_key, struct verdict, verdicts, 16384);
BPF_TABLE("hash", u32, u32, excluded, 4096);
BPF_ARRAY(settings, struct settings, 1);
BPF_PERCPU_ARRAY(counters, u64, COUNTERS);

#endif
