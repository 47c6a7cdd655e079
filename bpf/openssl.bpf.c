// SPDX-License-Identifier: (Apache-2.0 OR GPL-2.0-only)
/*
 * Plaintext at the OpenSSL border: OpenSSL 1.1, 3.x, LibreSSL, BoringSSL builds with the same functions.
 *
 * Entry programs only note the arguments; the return programs copy what the call really moved. Taken at entry, a write
 * that is retried after SSL_ERROR_WANT_WRITE shows up again and again (measured: 552 MB recorded for 3 MB sent).
 *
 * One small program a role, instead of one program told apart by the attach cookie: cookies need Linux 5.15 for perf
 * uprobes, and a role fixes at load time what a cookie would decide on every hit.
 */
#include <uapi/linux/ptrace.h>
#include "events.h"

#if defined(__TARGET_ARCH_arm64) || defined(__aarch64__)
/* `ret` takes the address from x30: the stack pointer is the same before and after. */
#define STACK_AT_RETURN(ctx) PT_REGS_SP(ctx)
#else
/* At entry the return address is still on the stack; at return it has been popped. */
#define STACK_AT_RETURN(ctx) (PT_REGS_SP(ctx) + 8)
#endif

/* Long enough to tell the methods apart: "POST", "GET ", ... as little-endian words. */
#define METHOD_GET 0x20544547u
#define METHOD_POST 0x54534f50u
#define METHOD_PUT 0x20545550u
#define METHOD_HEAD 0x44414548u
#define METHOD_PATCH 0x43544150u
#define METHOD_DELETE 0x454c4544u
#define METHOD_OPTIONS 0x4954504fu
#define METHOD_CONNECT 0x4e4e4f43u
#define PREFACE_HTTP2 0x20495250u

#include "maps.h"
#include "ring.h"

static __always_inline int begins_request(u64 buffer) {
  u32 word = 0;
  if (bpf_probe_read_user(&word, sizeof(word), (void *)buffer))
    return 0;
  return word == METHOD_POST || word == METHOD_GET || word == METHOD_PUT || word == METHOD_HEAD ||
         word == METHOD_PATCH || word == METHOD_DELETE || word == METHOD_OPTIONS || word == METHOD_CONNECT ||
         word == PREFACE_HTTP2;
}

static __always_inline void describe(struct record_header *header, const struct connection_key *key,
                                     const struct connection *connection, u8 kind) {
  header->time_ns = bpf_ktime_get_ns();
  header->entry_ns = header->time_ns;
  header->handle = key->handle;
  header->generation = connection->generation;
  header->process_id = key->process_id;
  header->thread_id = (u32)bpf_get_current_pid_tgid();
  header->request_seq = connection->request_seq;
  header->kind = kind;
}

static __always_inline struct connection *open_connection(const struct connection_key *key) {
  struct connection fresh = {};
  fresh.generation = bpf_ktime_get_ns();
  connections.update((struct connection_key *)key, &fresh);
  struct connection *connection = connections.lookup((struct connection_key *)key);
  if (!connection) {
    count(COUNTER_TABLE_FULL, 1);
    return 0;
  }
  struct record_header header = {};
  describe(&header, key, connection, RECORD_OPENED);
  struct record_256 *record = records.ringbuf_reserve(sizeof(struct record_256));
  if (!record) {
    lost(0);
    return connection;
  }
  struct opened *opened = (struct opened *)record->payload;
  header.length = sizeof(struct opened);
  record->header = header;
  opened->user_id = (u32)bpf_get_current_uid_gid();
  opened->reserved = 0;
  bpf_get_current_comm(opened->command_name, sizeof(opened->command_name));
  records.ringbuf_submit(record, wakeup(sizeof(struct record_256), 0));
  return connection;
}

static __always_inline void close_connection(const struct connection_key *key, u8 reason) {
  struct connection *connection = connections.lookup((struct connection_key *)key);
  if (!connection)
    return;
  if (reason == CLOSED_SHUTDOWN) {
    if (connection->shut_down)
      return;
    connection->shut_down = 1;
  }
  struct record_header header = {};
  describe(&header, key, connection, RECORD_CLOSED);
  header.offset = connection->offset_read;
  header.offset_write = connection->offset_write;
  header.flags = reason;
  struct record_256 *record = records.ringbuf_reserve(sizeof(struct record_256));
  if (record) {
    record->header = header;
    records.ringbuf_submit(record, wakeup(sizeof(struct record_256), 0));
  } else {
    lost(0);
  }
  if (reason == CLOSED_FREED)
    connections.delete((struct connection_key *)key);
}

static __always_inline struct connection_key key_of(u64 handle) {
  struct connection_key key = {};
  key.handle = handle;
  key.process_id = bpf_get_current_pid_tgid() >> 32;
  return key;
}

static __always_inline int is_excluded(void) {
  u32 process_id = bpf_get_current_pid_tgid() >> 32;
  return excluded.lookup(&process_id) != 0;
}

/* A muted connection costs two look-ups a call, and stays muted until a write begins with an HTTP method. */
static __always_inline int is_muted(struct connection_key *key, u8 direction, u64 buffer) {
  struct verdict *verdict = verdicts.lookup(key);
  if (!verdict || verdict->kind != VERDICT_MUTED)
    return 0;
  struct connection *connection = connections.lookup(key);
  if (!connection || connection->generation != verdict->generation ||
      connection->request_seq != verdict->request_seq)
    return 0;
  if (direction == DIRECTION_WRITE && begins_request(buffer))
    return 0;
  count(COUNTER_MUTED_CALLS, 1);
  return 1;
}

/* 1 if the return is of no interest. */
static __always_inline int enter(struct pt_regs *ctx, u8 direction, u64 count_pointer) {
  if (is_excluded())
    return 1;
  u64 buffer = PT_REGS_PARM2(ctx);
  struct connection_key key = key_of(PT_REGS_PARM1(ctx));
  if (is_muted(&key, direction, buffer))
    return 1;
  struct call call = {};
  call.handle = key.handle;
  call.buffer = buffer;
  call.count_pointer = count_pointer;
  call.entry_ns = bpf_ktime_get_ns();
  call.entry_address = PT_REGS_IP(ctx);
  struct call_key call_key = {};
  call_key.pid_tgid = bpf_get_current_pid_tgid();
  call_key.stack = STACK_AT_RETURN(ctx);
  calls.update(&call_key, &call);
  return 0;
}

/* Over the budget the running offset goes on and the bytes stay behind: a gap that user space can see and size. */
static __always_inline int over_budget(struct connection_key *key, const struct connection *connection) {
  u32 zero = 0;
  struct settings *limits = settings.lookup(&zero);
  if (!limits)
    return 0;
  struct verdict *verdict = verdicts.lookup(key);
  u64 budget = limits->undecided_bytes;
  if (verdict && verdict->kind == VERDICT_WANTED && verdict->generation == connection->generation)
    budget = limits->wanted_bytes;
  return budget && connection->request_bytes > budget;
}

static __always_inline int leave(struct pt_regs *ctx, u8 direction, u32 chunks_max) {
  struct call_key call_key = {};
  call_key.pid_tgid = bpf_get_current_pid_tgid();
  call_key.stack = PT_REGS_SP(ctx);
  struct call *noted = calls.lookup(&call_key);
  if (!noted)
    return 0;
  struct call call = *noted;
  calls.delete(&call_key);

  s32 result = (s32)PT_REGS_RC(ctx);
  if (result <= 0)
    return 0;
  u64 moved = result;
  if (call.count_pointer && bpf_probe_read_user(&moved, sizeof(moved), (void *)call.count_pointer))
    return 0;
  if (moved == 0)
    return 0;

  struct connection_key key = key_of(call.handle);
  struct connection *connection = connections.lookup(&key);
  if (!connection)
    connection = open_connection(&key);
  if (!connection)
    return 0;

  int request = direction == DIRECTION_WRITE && begins_request(call.buffer);
  if (request) {
    connection->request_seq++;
    connection->request_bytes = 0;
  }
  struct record_header header = {};
  describe(&header, &key, connection, RECORD_DATA);
  header.entry_ns = call.entry_ns;
  header.direction = direction;
  header.call_bytes = moved > 0xffffffffULL ? 0xffffffff : (u32)moved;
  if (direction == DIRECTION_WRITE) {
    header.offset = connection->offset_write;
    connection->offset_write += moved;
  } else {
    header.offset = connection->offset_read;
    connection->offset_read += moved;
  }
  connection->request_bytes += moved;
  if (over_budget(&key, connection)) {
    count(COUNTER_OVER_BUDGET_BYTES, moved);
    return 0;
  }

  struct progress progress = {};
  progress.header = header;
  progress.buffer = call.buffer;
  progress.begin = header.offset;
  progress.moved = moved;
  put_call(&progress, chunks_max, request);
  if (progress.done < moved) {
    unfinished.update(&call_key, &progress);
    continuation.call(ctx, 0);
    count(COUNTER_OVERSIZED_CALL_BYTES, moved - progress.done);
  }
  return 0;
}

/* The rest of a call that is larger than one program may walk through: up to 136 MiB in all. */
int leave_rest(struct pt_regs *ctx) {
  struct call_key call_key = {};
  call_key.pid_tgid = bpf_get_current_pid_tgid();
  call_key.stack = PT_REGS_SP(ctx);
  struct progress *noted = unfinished.lookup(&call_key);
  if (!noted)
    return 0;
  struct progress progress = *noted;
  put_call(&progress, WRITE_CHUNKS_MAX, 0);
  if (progress.done < progress.moved) {
    unfinished.update(&call_key, &progress);
    continuation.call(ctx, 0);
    count(COUNTER_OVERSIZED_CALL_BYTES, progress.moved - progress.done);
  }
  unfinished.delete(&call_key);
  return 0;
}

int enter_read(struct pt_regs *ctx) {
  enter(ctx, DIRECTION_READ, 0);
  return 0;
}

int enter_read_ex(struct pt_regs *ctx) {
  enter(ctx, DIRECTION_READ, PT_REGS_PARM4(ctx));
  return 0;
}

int enter_write(struct pt_regs *ctx) {
  enter(ctx, DIRECTION_WRITE, 0);
  return 0;
}

int enter_write_ex(struct pt_regs *ctx) {
  enter(ctx, DIRECTION_WRITE, PT_REGS_PARM4(ctx));
  return 0;
}

/* OpenSSL >= 3.3: SSL_write_ex2 and ssl_write_internal(ssl, buffer, size, flags, size_t *written). */
int enter_write_ex5(struct pt_regs *ctx) {
  enter(ctx, DIRECTION_WRITE, PT_REGS_PARM5(ctx));
  return 0;
}

int leave_read(struct pt_regs *ctx) {
  return leave(ctx, DIRECTION_READ, READ_CHUNKS_MAX);
}

int leave_write(struct pt_regs *ctx) {
  return leave(ctx, DIRECTION_WRITE, WRITE_CHUNKS_MAX);
}

/*
 * Session programs (Linux >= 6.13) run at entry and return of one probe; 1 at entry skips the return trap, which is
 * what makes a muted connection cheap. Entry and return are told apart by the call noted under this stack pointer:
 * at entry none is, or a stale one of a call that never returned (longjmp), which then bears this very address.
 */
static __always_inline int is_return(struct pt_regs *ctx) {
  struct call_key call_key = {};
  call_key.pid_tgid = bpf_get_current_pid_tgid();
  call_key.stack = PT_REGS_SP(ctx);
  struct call *noted = calls.lookup(&call_key);
  return noted && noted->entry_address != PT_REGS_IP(ctx);
}

int session_read(struct pt_regs *ctx) {
  if (is_return(ctx))
    return leave(ctx, DIRECTION_READ, READ_CHUNKS_MAX);
  return enter(ctx, DIRECTION_READ, 0);
}

int session_read_ex(struct pt_regs *ctx) {
  if (is_return(ctx))
    return leave(ctx, DIRECTION_READ, READ_CHUNKS_MAX);
  return enter(ctx, DIRECTION_READ, PT_REGS_PARM4(ctx));
}

int session_write(struct pt_regs *ctx) {
  if (is_return(ctx))
    return leave(ctx, DIRECTION_WRITE, WRITE_CHUNKS_MAX);
  return enter(ctx, DIRECTION_WRITE, 0);
}

int session_write_ex(struct pt_regs *ctx) {
  if (is_return(ctx))
    return leave(ctx, DIRECTION_WRITE, WRITE_CHUNKS_MAX);
  return enter(ctx, DIRECTION_WRITE, PT_REGS_PARM4(ctx));
}

int session_write_ex5(struct pt_regs *ctx) {
  if (is_return(ctx))
    return leave(ctx, DIRECTION_WRITE, WRITE_CHUNKS_MAX);
  return enter(ctx, DIRECTION_WRITE, PT_REGS_PARM5(ctx));
}

/* SSL_free(ssl): the pointer will be reused (measured: 12 connections on 6 pointers). */
int on_free(struct pt_regs *ctx) {
  struct connection_key key = key_of(PT_REGS_PARM1(ctx));
  close_connection(&key, CLOSED_FREED);
  return 0;
}

/* SSL_shutdown(ssl): this process writes no more; the peer may. */
int on_shutdown(struct pt_regs *ctx) {
  struct connection_key key = key_of(PT_REGS_PARM1(ctx));
  close_connection(&key, CLOSED_SHUTDOWN);
  return 0;
}

/* SSL_set_fd, SSL_set_bio: a handle that already moved data and gets a new transport is a new connection. */
int on_rebind(struct pt_regs *ctx) {
  struct connection_key key = key_of(PT_REGS_PARM1(ctx));
  struct connection *connection = connections.lookup(&key);
  if (connection && connection->offset_read + connection->offset_write > 0)
    close_connection(&key, CLOSED_FREED);
  return 0;
}

/* Who the client means to talk to, before its first byte. */
static __always_inline void name_peer(u64 handle, u64 name) {
  if (!name || is_excluded())
    return;
  struct connection_key key = key_of(handle);
  struct connection *connection = connections.lookup(&key);
  if (!connection)
    connection = open_connection(&key);
  if (!connection)
    return;
  struct record_header header = {};
  describe(&header, &key, connection, RECORD_NAMED);
  struct record_256 *record = records.ringbuf_reserve(sizeof(struct record_256));
  if (!record) {
    lost(0);
    return;
  }
  record->header = header;
  int length = bpf_probe_read_user_str(record->payload, sizeof(record->payload), (void *)name);
  record->header.length = length > 0 ? length - 1 : 0;
  records.ringbuf_submit(record, wakeup(sizeof(struct record_256), 0));
}

/* SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME = 55, TLSEXT_NAMETYPE_host_name = 0, name) */
int on_ctrl(struct pt_regs *ctx) {
  if ((s32)PT_REGS_PARM2(ctx) == 55 && PT_REGS_PARM3(ctx) == 0)
    name_peer(PT_REGS_PARM1(ctx), PT_REGS_PARM4(ctx));
  return 0;
}

/* BoringSSL: SSL_set_tlsext_host_name(ssl, name) is a function of its own. */
int on_host_name(struct pt_regs *ctx) {
  name_peer(PT_REGS_PARM1(ctx), PT_REGS_PARM2(ctx));
  return 0;
}
