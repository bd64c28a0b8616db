// SPDX-License-Identifier: Apache-2.0
// One interface to the other processor of a device, the xPU, whatever stands behind it: works are submitted,
// end in any order, and their time is told beforehand.
//
// Numbers are those of docs/numerics.md, the same as a stack's: exact sums, rounded once. So any work may go
// to either side, or be cut. All memory of a work is the caller's and stays as it is until the work has
// ended. Functions return 0 or a negative DUPLEX_ERROR_ code of duplex/error.h; nothing here exits or prints.
#ifndef DUPLEX_XPU_H
#define DUPLEX_XPU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "duplex/activation.h"
#include "duplex/enumerations.h"
#include "duplex/numerics.h"

#ifdef __cplusplus
extern "C" {
#endif

// Where weight rows come from. `rows` returns `count` rows from `first` on, `stride` values apart: of the
// memory that holds them, or brought into `room` (count x columns values); NULL if they cannot be had. Called
// from several threads at once, for each row once in a work.
struct duplex_xpu_weights {
  const duplex_f16 *(*rows)(void *context, unsigned first, unsigned count, duplex_f16 *room);
  void *context;
  size_t stride;
};

// out[token][row] = 2^e[row] * sum over the columns of x[token][column] * w[row][column].
struct duplex_xpu_gemm {
  const duplex_f16 *x;  // [tokens][columns], x_stride values apart
  size_t x_stride;
  unsigned tokens, columns, rows;
  struct duplex_xpu_weights weights;
  const int8_t *exponents;  // of the rows, or NULL: all 0; not applied to acc
  enum duplex_result_format format;
  void *out;  // [tokens][rows] of 2, 4 or 16 bytes, out_stride elements apart
  size_t out_stride;
  bool add;  // acc only: the sums are added to what `out` holds
};

// One expert, or the part of it that has `inner` of its inner columns: h = RN16(act(g) * u), or RN16(act(u))
// without gate; out = the sums of h with the down matrix, as struct duplex_xpu_gemm has them.
struct duplex_xpu_expert {
  const duplex_f16 *x;  // [tokens][columns], x_stride values apart
  size_t x_stride;
  unsigned tokens, columns, inner;
  bool gated;
  struct duplex_xpu_weights gate, up;           // [inner][columns]
  struct duplex_xpu_weights down;               // [columns][inner]
  const int8_t *gate_exponents, *up_exponents;  // of the rows, or NULL: all 0
  const int8_t *down_exponents;
  const struct duplex_activation_table *activation;
  enum duplex_result_format format;
  void *out;  // [tokens][columns]
  size_t out_stride;
  bool add;
  bool memory_apart;  // for estimates: what it reads and writes is timed apart, only arithmetic is asked for
};

// Causal attention of the positions first to first + tokens - 1 of one sequence: each sees the positions up
// to its own, or the last `window` of them. Query heads are in groups of heads / kv_heads.
struct duplex_xpu_prefill {
  unsigned heads, kv_heads, dimension;
  uint32_t first, tokens;
  uint32_t window;          // positions that one sees, its own included; 0: all
  uint32_t pinned;          // first positions that each sees beside its window; `first` is not below
  const duplex_f16 *q;      // [heads][tokens][dimension]
  const duplex_f16 *k, *v;  // [kv_heads][first + tokens][dimension], kv_stride values from head to head
  size_t kv_stride;
  duplex_f32 scale;
  bool wide;        // weights of two parts (docs/numerics.md, p32)
  duplex_f16 *out;  // [heads][tokens][dimension]
};

// Work on elements: what is done is the caller's function (NULL: nothing), its time that of its bytes.
struct duplex_xpu_elements {
  uint64_t bytes;  // read and written
  void (*run)(void *context);
  void *context;
};

enum duplex_xpu_kind {
  DUPLEX_XPU_GEMM,
  DUPLEX_XPU_EXPERT,
  DUPLEX_XPU_PREFILL,
  DUPLEX_XPU_ELEMENTS,
};

struct duplex_xpu_work {
  enum duplex_xpu_kind kind;
  union {
    struct duplex_xpu_gemm gemm;
    struct duplex_xpu_expert expert;
    struct duplex_xpu_prefill prefill;
    struct duplex_xpu_elements elements;
  };
};

struct duplex_xpu;

// For the process that opened the xPU: in a child of fork there is none, and works are refused with
// DUPLEX_ERROR_ARGUMENT.
struct duplex_xpu_ops {
  const char *name;
  void (*close)(struct duplex_xpu *xpu);  // after all works that were submitted
  // Begins a work, or refuses it; *ticket names it for the calls below. The struct itself is not needed any
  // more when this returns.
  int (*submit)(struct duplex_xpu *xpu, const struct duplex_xpu_work *work, uint64_t *ticket);
  // 1: it has ended, 0: it has not, or a code below 0: its error, or that of a ticket that there is not.
  int (*ended)(struct duplex_xpu *xpu, uint64_t ticket);
  // Returns when the work has ended, and forgets its ticket: 0 or its error.
  int (*wait)(struct duplex_xpu *xpu, uint64_t ticket);
  // The time of the work on the modelled processor, without launch; only shapes count, pointers may be NULL.
  // A device asks before it begins what the time is of, and gives up with the error.
  // And the time that each launch takes: one for all works that begin together as one kernel.
  int (*estimate)(struct duplex_xpu *xpu, const struct duplex_xpu_work *work, uint64_t *picoseconds);
  uint64_t (*launch)(struct duplex_xpu *xpu);
};

// Every implementation begins with this; what follows is its own.
struct duplex_xpu {
  const struct duplex_xpu_ops *ops;
};

// The built-in xPU: the host's processor does the works, one after the other in the order in which they come,
// each on several threads; their time is that of a modelled H100-class processor (docs/xpu_time.md).
struct duplex_xpu_options {
  unsigned channels;   // of all stacks of the device, 1 to 256
  unsigned threads;    // 0: one
  unsigned clock_khz;  // of the stacks (duplex_dram_clock_khz), with which the bandwidth goes; 0: 650 MHz
  // Tables of measured kernels that replace the model's roofline, or NULL.
  const char *gemm_table, *prefill_table, *elements_table;
};

// *xpu is NULL on failure. ARGUMENT (no options, channels), IO or FORMAT (a table), NO_MEMORY. `cause`, which
// may be NULL, gets one line, "" if there is nothing to tell.
int duplex_xpu_open(const struct duplex_xpu_options *options, struct duplex_xpu **xpu, char *cause,
                    size_t cause_size);

#ifdef __cplusplus
}
#endif
#endif
