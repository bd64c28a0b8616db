// SPDX-License-Identifier: Apache-2.0
// A back end without a stack: it expects an exact sequence of register accesses, answers the reads, and keeps
// DRAM in a few pages.
#ifndef DUPLEX_MOCK_BACKEND_H
#define DUPLEX_MOCK_BACKEND_H

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "duplex/backend.h"
#include "duplex/error.h"
#include "duplex/hbm.h"

#define MOCK_STEPS_MOST 4096

enum mock_kind { MOCK_READ, MOCK_WRITE, MOCK_ADVANCE };

struct mock_step {
  enum mock_kind kind;
  uint32_t address,
      value;  // read: what it answers; write: what is expected; advance: whether the interrupt comes
  int error;  // what the call returns
};

struct mock {
  struct duplex_backend backend;
  struct mock_step steps[MOCK_STEPS_MOST];
  unsigned expected, done;
  char wrong[160];  // first difference from the expected sequence, "" if none
  struct duplex_hbm *memory;
  int memory_error;  // what the next memory accesses return
  bool closed;
};

static inline struct mock *mock_of(struct duplex_backend *backend) { return (struct mock *)backend; }

static inline const struct mock_step *mock_next(struct mock *mock, enum mock_kind kind, uint32_t address,
                                                uint32_t value) {
  static const struct mock_step nothing = {MOCK_READ, 0, 0, 0};
  const struct mock_step *step = &mock->steps[mock->done];
  const bool right = mock->done < mock->expected && step->kind == kind &&
                     (kind == MOCK_ADVANCE || step->address == address) &&
                     (kind != MOCK_WRITE || step->value == value);
  if (right) {
    mock->done++;
    return step;
  }
  if (!mock->wrong[0])
    snprintf(mock->wrong, sizeof mock->wrong,
             "step %u of %u: kind %d address 0x%x value 0x%x, expected kind %d address 0x%x value 0x%x",
             mock->done, mock->expected, kind, address, value, step->kind, step->address, step->value);
  return &nothing;
}

static inline int mock_reg_read(struct duplex_backend *backend, uint32_t address, uint32_t *value) {
  const struct mock_step *step = mock_next(mock_of(backend), MOCK_READ, address, 0);
  *value = step->value;
  return step->error;
}

static inline int mock_reg_write(struct duplex_backend *backend, uint32_t address, uint32_t value) {
  return mock_next(mock_of(backend), MOCK_WRITE, address, value)->error;
}

static inline int mock_advance(struct duplex_backend *backend, uint64_t clocks, int *interrupt) {
  (void)clocks;
  const struct mock_step *step = mock_next(mock_of(backend), MOCK_ADVANCE, 0, 0);
  *interrupt = (int)step->value;
  return step->error;
}

static inline int mock_mem_read(struct duplex_backend *backend, unsigned channel, uint64_t address,
                                void *bytes, size_t size) {
  struct mock *mock = mock_of(backend);
  return mock->memory_error ? mock->memory_error
                            : duplex_hbm_mem_read(mock->memory, channel, address, bytes, size);
}

static inline int mock_mem_write(struct duplex_backend *backend, unsigned channel, uint64_t address,
                                 const void *bytes, size_t size) {
  struct mock *mock = mock_of(backend);
  return mock->memory_error ? mock->memory_error
                            : duplex_hbm_mem_write(mock->memory, channel, address, bytes, size);
}

static inline int mock_xpu_wait(struct duplex_backend *backend) {
  (void)backend;
  return 0;
}

static inline void mock_xpu_state(struct duplex_backend *backend, struct duplex_xpu_state *state) {
  (void)backend;
  memset(state, 0, sizeof *state);
}

static inline uint64_t mock_clocks(struct duplex_backend *backend) { return 100u * mock_of(backend)->done; }

static inline void mock_commands(struct duplex_backend *backend, struct duplex_dram_commands *commands) {
  (void)backend;
  memset(commands, 0, sizeof *commands);
}

static inline const char *mock_failure(struct duplex_backend *backend) {
  (void)backend;
  return "";
}

static inline void mock_close(struct duplex_backend *backend) { mock_of(backend)->closed = true; }

static inline void mock_start(struct mock *mock, unsigned channels) {
  static const struct duplex_backend_ops ops = {.name = "mock",
                                                .close = mock_close,
                                                .reg_read = mock_reg_read,
                                                .reg_write = mock_reg_write,
                                                .mem_read = mock_mem_read,
                                                .mem_write = mock_mem_write,
                                                .xpu_read = mock_mem_read,
                                                .xpu_write = mock_mem_write,
                                                .xpu_state = mock_xpu_state,
                                                .xpu_advance = mock_advance,
                                                .xpu_wait = mock_xpu_wait,
                                                .advance = mock_advance,
                                                .clocks = mock_clocks,
                                                .commands = mock_commands,
                                                .failure = mock_failure};
  memset(mock, 0, sizeof *mock);
  mock->backend.ops = &ops;
  duplex_hbm_open(channels, NULL, NULL, &mock->memory);
}

static inline void mock_end(struct mock *mock) { duplex_hbm_close(mock->memory); }

static inline void mock_expect(struct mock *mock, enum mock_kind kind, uint32_t address, uint32_t value,
                               int error) {
  if (mock->expected < MOCK_STEPS_MOST)
    mock->steps[mock->expected++] = (struct mock_step){kind, address, value, error};
}

static inline void expect_read(struct mock *mock, uint32_t address, uint32_t answer) {
  mock_expect(mock, MOCK_READ, address, answer, 0);
}
static inline void expect_write(struct mock *mock, uint32_t address, uint32_t value) {
  mock_expect(mock, MOCK_WRITE, address, value, 0);
}
static inline void expect_advance(struct mock *mock, bool interrupt) {
  mock_expect(mock, MOCK_ADVANCE, 0, interrupt, 0);
}

// True if exactly the expected accesses came.
static inline bool mock_satisfied(const struct mock *mock) {
  if (mock->wrong[0]) printf("%s\n", mock->wrong);
  if (mock->done != mock->expected) printf("%u of %u steps came\n", mock->done, mock->expected);
  return !mock->wrong[0] && mock->done == mock->expected;
}

#endif
