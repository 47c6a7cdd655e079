/* SPDX-License-Identifier: (Apache-2.0 OR GPL-2.0-only) */
/*
 * All that crosses the kernel border, and the only place where it is defined: the BPF programs include this file, and
 * user space derives its layouts and constants from it (daemon/wirespan/capture/layout.py).
 *
 * Rules for that reader: integers are written u8, u16, u32, u64, i32, with [N] for arrays; every struct is a multiple
 * of 8 bytes with its padding spelt out; constants are #define NAME decimal-or-0x-number.
 */
#ifndef WIRESPAN_EVENTS_H
#define WIRESPAN_EVENTS_H

/* record_header.kind */
#define RECORD_DATA 1
#define RECORD_OPENED 2
#define RECORD_NAMED 3
#define RECORD_CLOSED 4

/* record_header.direction, as the traced process sees it */
#define DIRECTION_READ 0
#define DIRECTION_WRITE 1

/* record_header.flags for RECORD_CLOSED */
#define CLOSED_FREED 1
#define CLOSED_SHUTDOWN 2

/* verdict.kind */
#define VERDICT_UNDECIDED 0
#define VERDICT_WANTED 1
#define VERDICT_MUTED 2

/* Largest payload of one record. A call moves any number of bytes: it becomes full chunks of this size and a tail. */
#define CHUNK_BYTES 16384
/* The verifier walks every iteration (2048 took 136 ms, 4096 are refused). What a call moves beyond this (4 MiB) is
 * taken by tail calls, of which the kernel allows 33. */
#define WRITE_CHUNKS_MAX 256
/* OpenSSL gives at most one TLS record (16 KiB) a read; reads of several pipelined records fit eight chunks. */
#define READ_CHUNKS_MAX 8

/* A sleeping reader is woken when a CPU has put so many bytes into the ring, or by its own 20 ms timer. */
#define WAKEUP_BYTES 262144

/* Indices of the `counters` per-CPU array. */
#define COUNTER_RING_FULL_RECORDS 0
#define COUNTER_RING_FULL_BYTES 1
#define COUNTER_UNREADABLE_BYTES 2
#define COUNTER_OVER_BUDGET_BYTES 3
#define COUNTER_OVERSIZED_CALL_BYTES 4
#define COUNTER_TABLE_FULL 5
#define COUNTER_MUTED_CALLS 6
#define COUNTER_WAKEUP_BYTES 7
#define COUNTERS 8

struct record_header {
  u64 time_ns;     /* CLOCK_MONOTONIC at the call's return */
  u64 entry_ns;    /* CLOCK_MONOTONIC at its entry */
  u64 handle;      /* SSL * */
  u64 generation;  /* CLOCK_MONOTONIC when this use of the handle was first seen */
  u64 offset;      /* place of the payload in its direction; RECORD_CLOSED: bytes read in all */
  u64 offset_write; /* RECORD_CLOSED only: bytes written in all */
  u32 process_id;  /* tgid */
  u32 thread_id;
  u32 call_offset; /* place of the payload in its call */
  u32 call_bytes;  /* what the call moved */
  u32 length;      /* payload bytes that follow this header */
  u32 missing_bytes; /* bytes of this range that are not in the payload */
  u32 request_seq; /* writes so far that began with an HTTP method */
  u8 kind;
  u8 direction;
  u8 flags;
  u8 reserved;
};

/* Payload of RECORD_OPENED. */
struct opened {
  u32 user_id;
  u32 reserved;
  u8 command_name[16];
};

/* Key of `connections` and `verdicts`. */
struct connection_key {
  u64 handle;
  u32 process_id;
  u32 reserved;
};

/* Written by the kernel side only. */
struct connection {
  u64 generation;
  u64 offset_read;
  u64 offset_write;
  u64 request_bytes; /* moved since the last request began, both ways */
  u32 request_seq;
  u32 shut_down;
};

/* Written by user space only, so neither side ever overwrites the other's word. MUTED holds for one generation and one
 * request: it lapses by itself when a write begins with an HTTP method. */
struct verdict {
  u64 generation;
  u32 kind;
  u32 request_seq;
};

/* The single entry of `settings`, written by user space. A budget of 0 is none. */
struct settings {
  u64 undecided_bytes; /* per request, while user space has not decided */
  u64 wanted_bytes;    /* per request, once it is wanted */
};

#endif
