// The host library: one stack with its weights resident, jobs on it, results and statistics.
//
// Tensors are binary16, row-major, on the host; the library brings them into the stack's layout. Every
// function that can fail returns 0 or a negative code of duplex/error.h, and duplex_stack_last_error then has
// a line of text with the cause. Nothing here prints or exits. After any error the stack can be used on,
// except after DUPLEX_ERROR_DRAM_TIMING. A stack belongs to one thread at a time.
#ifndef DUPLEX_DUPLEX_H
#define DUPLEX_DUPLEX_H

#include "duplex/activation.h"
#include "duplex/backend.h"
#include "duplex/controller.h"
#include "duplex/numerics.h"

#ifdef __cplusplus
extern "C" {
#endif

enum duplex_format { DUPLEX_F16, DUPLEX_F32, DUPLEX_ACC };  // 2, 4 and 16 bytes an element

struct duplex_stack;
struct duplex_weights;  // a matrix that is resident on a stack
struct duplex_job;      // a job in flight

struct duplex_stack_options {
  struct duplex_backend_options backend;
  uint64_t watchdog_clocks;  // longest time without news from the stack; 0 = 2^34
  unsigned bundles;  // bundles that Logic-PIM owns during a job, a mask: weights and results lie there; 0 =
                     // all four
  int strict;        // activation rule: at most four bank activations of a rank within tFAW
  const struct duplex_riscv_options
      *riscv;            // the firmware runs on an RV32 controller; NULL: in this process, at no cost
  int measure_overhead;  // every job runs a second time natively: stats.native_cycles
};

// Opens a stack: backend "cmodel" or "rtl". If it fails *stack is NULL and `error_text` (may be NULL) gets a
// text of at most `size` bytes.
int duplex_stack_open(const char *backend, const struct duplex_stack_options *options,
                      struct duplex_stack **stack, char *error_text, size_t size);

// The same on a back end that the caller opened with options->backend; closing the stack closes it, also if
// this fails.
int duplex_stack_open_backend(struct duplex_backend *backend, const struct duplex_stack_options *options,
                              struct duplex_stack **stack);
void duplex_stack_close(struct duplex_stack *stack);

// Another client of the stack, with a job queue of its own: it gets the last `rows` of the stack's rows of
// each bundle (below the mailbox), which must be free, and keeps them. The firmware refuses a job that names
// rows of another client. At most 4 clients; each is closed with duplex_stack_close, in any order, jobs in
// flight end; the stack closes with the last.
int duplex_stack_open_client(struct duplex_stack *stack, unsigned rows, struct duplex_stack **client);
const char *duplex_stack_last_error(const struct duplex_stack *stack);

// Weights that are uploaded from now on lie in these bundles, a mask of some of those that Logic-PIM owns (at
// first all of them): their stripe set, over which consecutive row sets rotate.
int duplex_stack_set_stripe(struct duplex_stack *stack, unsigned bundles);

// Makes W[n, k] resident. exponents: one signed exponent per row (the result is RN(2^e * sum)), or NULL. n
// from 1, k 1 to 65,536.
int duplex_stack_upload(struct duplex_stack *stack, const duplex_f16 *w, size_t n, size_t k,
                        const int8_t *exponents, struct duplex_weights **weights);

// Makes gate[n, k] and up[n, k] resident as pairs, for duplex_stack_expert.
int duplex_stack_upload_gated(struct duplex_stack *stack, const duplex_f16 *gate, const duplex_f16 *up,
                              size_t n, size_t k, struct duplex_weights **weights);

// Makes two matrices w[2][n, k] (gated: gate[2][n, k] and w[2][n, k]) resident, each in bundles of its own,
// as experts that lie in one memory space each; their row sets take turns when they stream, so that the row
// turnaround of one bundle hides behind the other. Needs two bundles at least; k 1 to 32,768. gate: NULL if
// there is none. In jobs with such weights x, y are x[2][m, k], y[2][m, n]: matrix i meets x[i].
int duplex_stack_upload_pair(struct duplex_stack *stack, const duplex_f16 *gate, const duplex_f16 *w,
                             size_t n, size_t k, struct duplex_weights **weights);
void duplex_stack_release(struct duplex_stack *stack, struct duplex_weights *weights);

// y[m, n] = x[m, k] w^T, m from 1 to 4096, y in the given format.
int duplex_stack_gemm(struct duplex_stack *stack, const struct duplex_weights *w, const duplex_f16 *x,
                      size_t m, enum duplex_format format, void *y);

// y[m, n] = RN16 of h down^T, h[m, f] = act(x gate^T) * (x up^T), or act(x up^T) if `up` has no gate; f up to
// 65,536.
int duplex_stack_expert(struct duplex_stack *stack, const struct duplex_weights *up,
                        const struct duplex_weights *down, const struct duplex_activation_table *table,
                        const duplex_f16 *x, size_t m, enum duplex_format format, void *y);

// The same in two steps. Up to 8 jobs of a client are in flight; they are done in order, and waited for in
// order. The weights stay resident until then. y as above; it is written by duplex_stack_wait.
int duplex_stack_start_gemm(struct duplex_stack *stack, const struct duplex_weights *w, const duplex_f16 *x,
                            size_t m, enum duplex_format format, struct duplex_job **job);
int duplex_stack_start_expert(struct duplex_stack *stack, const struct duplex_weights *up,
                              const struct duplex_weights *down, const struct duplex_activation_table *table,
                              const duplex_f16 *x, size_t m, enum duplex_format format,
                              struct duplex_job **job);

// Waits at most `clocks` clocks of the stack (UINT64_MAX: as long as it takes). DUPLEX_ERROR_BUSY: the job is
// not done, and stays; until it is done the client starts no other. After any other result the job is gone.
int duplex_stack_wait(struct duplex_job *job, uint64_t clocks, void *y);

// The job ends as soon as the stack comes to rest: duplex_stack_wait then says DUPLEX_ERROR_CANCELLED, unless
// it was done already.
void duplex_stack_cancel(struct duplex_job *job);

// The controller is reset: jobs in flight, of all clients, are lost (DUPLEX_ERROR_FIRMWARE).
int duplex_stack_reset(struct duplex_stack *stack);

struct duplex_channel_stats {
  uint64_t rows;        // weight rows that the channel holds, over the matrices of the job
  uint64_t read_bytes;  // from its DRAM
  uint64_t macs;        // useful ones: rows * k * m
};

// Of the last job.
struct duplex_stack_stats {
  uint64_t cycles;         // 650 MHz clocks, the host's doorbell to completion
  uint64_t append_cycles;  // of them, the xPU's writes of new positions (duplex_stack_attention_step)
  uint64_t native_cycles;  // the same with firmware that takes no time; 0: not measured
  uint64_t firmware_instructions;
  uint64_t stream_cycles;  // of them, from first to last weight beat (the longest of all channels), without
                           // gaps between descriptors
  uint64_t starved, no_tile,
      no_room;            // clocks without weights, activations, room for results, summed over the channels
  uint64_t useful_bytes;  // weights asked for, once
  uint64_t read_bytes, write_bytes;
  uint64_t macs;  // useful ones
  uint64_t descriptors;
  struct duplex_dram_commands commands;
  unsigned channels;
  struct duplex_channel_stats channel[DUPLEX_CHANNELS];
};
void duplex_stack_last_stats(const struct duplex_stack *stack, struct duplex_stack_stats *stats);

#ifdef __cplusplus
}
#endif
#endif
