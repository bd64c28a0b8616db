// SPDX-License-Identifier: Apache-2.0
// The host library: one stack with its weights resident, jobs on it, results and statistics.
//
// Tensors are binary16, row-major, on the host; the library brings them into the stack's layout. A function
// that can fail returns 0 or a negative code of duplex/error.h; duplex_stack_last_error then has a line of
// text with the cause. Each function lists its own codes. Besides, everything that reaches the stack may
// return what its back end reports: DUPLEX_ERROR_BUS, _WATCHDOG, _OWNER, _DRAM_TIMING. Nothing here prints or
// exits, but for the lines on the standard error that tell that a Verilated stack is being built.
//
// Arguments are checked before anything is done. A NULL that a function does not allow, numbers out of range,
// weights, jobs, caches and sequences that were given back or are another stack's give DUPLEX_ERROR_ARGUMENT,
// with a text that names the argument; there is no text if the stack, cache, sequence or job is NULL itself.
//
// After an error the stack can be used on, and nothing has changed unless a function says so. After
// DUPLEX_ERROR_DRAM_TIMING it can only be closed. A stack belongs to one thread at a time, and so do its
// clients together. It also belongs to the process that opened it: in a child of fork every function that can
// fail does, with DUPLEX_ERROR_ARGUMENT, and closing does nothing; a child opens its own.
#ifndef DUPLEX_DUPLEX_H
#define DUPLEX_DUPLEX_H

#include "duplex/activation.h"
#include "duplex/backend.h"
#include "duplex/controller.h"
#include "duplex/error.h"
#include "duplex/numerics.h"

#ifdef __cplusplus
extern "C" {
#endif

enum duplex_format { DUPLEX_F16, DUPLEX_F32, DUPLEX_ACC };  // 2, 4 and 16 bytes an element

struct duplex_stack;    // an open stack, as one of its clients sees it
struct duplex_weights;  // a matrix, or two, resident on a stack
struct duplex_job;      // a job in flight

struct duplex_stack_options {
  struct duplex_backend_options backend;
  uint64_t watchdog_clocks;  // longest time without news from the stack, in its clocks; 0 = 2^34
  // Bundles that Logic-PIM owns during a job, a mask of bits 0 to 3: weights and results lie there; 0 = all.
  unsigned bundles;
  int strict;  // activation rule: at most four bank activations of a rank within tFAW
  // The firmware runs on an RV32 controller; NULL: in this process, at no cost in clocks.
  const struct duplex_riscv_options *riscv;
  int measure_overhead;  // every job runs a second time natively: stats.native_cycles
};

// Opens a stack on a back end: "cmodel" or "rtl". If it fails *stack is NULL, and `error_text` (may be NULL)
// gets a text of at most `size` bytes. Errors: ARGUMENT (no such back end, or an option out of its range),
// NO_MEMORY, NOT_AVAILABLE (the back end or the controller is not built for this), IO (a file of the
// options), FORMAT (a stack of another version or geometry).
int duplex_stack_open(const char *backend, const struct duplex_stack_options *options,
                      struct duplex_stack **stack, char *error_text, size_t size);

// Opens a stack on a back end that the caller opened with options->backend. The stack owns the back end from
// now on: duplex_stack_close closes it, and a failure here has closed it. Errors: as duplex_stack_open.
int duplex_stack_open_backend(struct duplex_backend *backend, const struct duplex_stack_options *options,
                              struct duplex_stack **stack);

// Ends the files of the options (waveform, command trace, firmware trace and profile): nothing is written to
// them any more. Errors: IO (one of them is not whole; the text names it and the cause). duplex_stack_close
// ends them too, without a word.
int duplex_stack_end_files(struct duplex_stack *stack);

// Ends a client: its jobs in flight are given up; weights, caches and sequences that are left go with it.
// With the last client the stack itself and its back end close. NULL: nothing. No handle of the client can be
// used afterwards.
void duplex_stack_close(struct duplex_stack *stack);

// Another client of the stack, with a job queue of its own. It gets the last `rows` (from 1) of the stack's
// rows of each bundle, below the mailbox; they must be free, and the first client never gets them back. The
// firmware refuses a job that names rows of another client. At most 4 clients in all, closed in any order.
// Errors: ARGUMENT (the rows are not free), QUEUE_FULL (4 clients), OUT_OF_SPACE (no room for an activation
// table), NO_MEMORY; the text is the given stack's.
int duplex_stack_open_client(struct duplex_stack *stack, unsigned rows, struct duplex_stack **client);

// One line about the last error of this client, "" if there was none. Valid until its next call.
const char *duplex_stack_last_error(const struct duplex_stack *stack);

// Weights that are uploaded from now on lie in these bundles, a mask of some of those that Logic-PIM owns (at
// first all of them): their stripe set, over which consecutive row sets rotate. Errors: ARGUMENT.
int duplex_stack_set_stripe(struct duplex_stack *stack, unsigned bundles);

// Makes W[n, k] resident; n from 1, k 1 to 65,536. exponents[n]: the result of a row is RN(2^e * sum), e -128
// to 127; NULL: all 0. Errors of the three uploads, after which *weights is NULL: ARGUMENT (a shape that does
// not fit), OUT_OF_SPACE (of the stack's DRAM), NO_MEMORY.
int duplex_stack_upload(struct duplex_stack *stack, const duplex_f16 *w, size_t n, size_t k,
                        const int8_t *exponents, struct duplex_weights **weights);

// Makes gate[n, k] and up[n, k] resident, their rows in turn, for duplex_stack_expert; n, k as above, and
// exponents for the rows of each: g and u are RN32(2^e * sum). NULL: those of one or of both are all 0.
int duplex_stack_upload_gated(struct duplex_stack *stack, const duplex_f16 *gate, const duplex_f16 *up,
                              size_t n, size_t k, const int8_t *gate_exponents, const int8_t *up_exponents,
                              struct duplex_weights **weights);

// Makes a pair of matrices w[2][n, k] (with gate: gate[2][n, k] and w[2][n, k]) resident, each in bundles of
// its own, as experts that lie in one memory space each; their row sets take turns when they stream, so that
// the row turnaround of one bundle hides behind the other. Needs two bundles at least; k 1 to 32,768; gate:
// NULL if there is none. In jobs with such weights x and y are x[2][m, k] and y[2][m, n]: matrix i meets
// x[i].
int duplex_stack_upload_pair(struct duplex_stack *stack, const duplex_f16 *gate, const duplex_f16 *w,
                             size_t n, size_t k, struct duplex_weights **weights);

// The DRAM of the weights is free again. NULL: nothing. Errors: ARGUMENT (another stack's, or released
// before), BUSY (a job in flight uses them).
int duplex_stack_release(struct duplex_stack *stack, struct duplex_weights *weights);

// y[m, n] = x[m, k] w^T, m 1 to 4096, y in the given format. Errors: those of duplex_stack_start_gemm and
// duplex_stack_wait.
int duplex_stack_gemm(struct duplex_stack *stack, const struct duplex_weights *w, const duplex_f16 *x,
                      size_t m, enum duplex_format format, void *y);

// y[m, n] = RN16(h) down^T with h[m, f] = act(x gate^T) * (x up^T), or act(x up^T) if `up` has no gate; m 1
// to 4096, f to 65,536, y in the given format. Errors: those of duplex_stack_start_expert and
// duplex_stack_wait.
int duplex_stack_expert(struct duplex_stack *stack, const struct duplex_weights *up,
                        const struct duplex_weights *down, const struct duplex_activation_table *table,
                        const duplex_f16 *x, size_t m, enum duplex_format format, void *y);

// The same in two steps. Up to 8 jobs of a client are in flight; they are done in order, and waited for in
// order. The weights stay resident until then; x may be changed at once. y as above; duplex_stack_wait writes
// it. Errors, after which *job is NULL: ARGUMENT (m; the format; weights of another
// stack, or that do not belong together), OUT_OF_SPACE (no
// room for activations and results), QUEUE_FULL (8 jobs), BUSY (a wait ended early and its job is not done;
// or an expert brings another table while jobs are in flight), NO_MEMORY; of an expert with a new table also
// those of duplex_stack_wait.
int duplex_stack_start_gemm(struct duplex_stack *stack, const struct duplex_weights *w, const duplex_f16 *x,
                            size_t m, enum duplex_format format, struct duplex_job **job);
int duplex_stack_start_expert(struct duplex_stack *stack, const struct duplex_weights *up,
                              const struct duplex_weights *down, const struct duplex_activation_table *table,
                              const duplex_f16 *x, size_t m, enum duplex_format format,
                              struct duplex_job **job);

// Waits at most `clocks` clocks of the stack (UINT64_MAX: as long as it takes) and writes y. Errors: BUSY:
// the job is not done, and stays; until it is done the client starts no other. ARGUMENT: an older job has to
// be waited for first; this one stays. After any other result the job is gone, and y is undefined after an
// error: DEVICE (the stack refused a descriptor), WATCHDOG, FIRMWARE (it crashed, stopped, refused the
// message, or was reset), CANCELLED.
int duplex_stack_wait(struct duplex_job *job, uint64_t clocks, void *y);

// The job ends as soon as the stack comes to rest: duplex_stack_wait then says DUPLEX_ERROR_CANCELLED, unless
// it was done already. It has to be waited for all the same. Errors: ARGUMENT (NULL, or it was waited for).
int duplex_stack_cancel(struct duplex_job *job);

// Starts the controller afresh: jobs in flight, of all clients, are lost, and waiting for one gives
// DUPLEX_ERROR_FIRMWARE. Weights stay. Errors: FIRMWARE (it does not start).
int duplex_stack_reset(struct duplex_stack *stack);

struct duplex_channel_stats {
  uint64_t rows;        // weight rows that the channel holds, over the matrices of the job
  uint64_t read_bytes;  // from its DRAM
  uint64_t macs;        // useful ones: rows * k * m
};

// Statistics of the last job.
struct duplex_stack_stats {
  uint64_t cycles;         // 650 MHz clocks, from the host's doorbell to completion
  uint64_t append_cycles;  // of them, the xPU's writes of new positions (duplex_stack_attention_step)
  uint64_t native_cycles;  // the same with firmware that takes no time; 0: not measured
  uint64_t firmware_instructions;
  // Of the cycles, from first to last weight beat without gaps between descriptors, the longest of all
  // channels.
  uint64_t stream_cycles;
  // Clocks without weights, without activations, without room for results, summed over the channels.
  uint64_t starved, no_tile, no_room;
  uint64_t useful_bytes;             // weights asked for, once
  uint64_t read_bytes, write_bytes;  // by Logic-PIM from and to DRAM
  uint64_t macs;                     // useful ones
  uint64_t descriptors;
  struct duplex_dram_commands commands;
  unsigned channels;
  struct duplex_channel_stats channel[DUPLEX_CHANNELS];
};
// All 0 for a stack that is NULL.
void duplex_stack_last_stats(const struct duplex_stack *stack, struct duplex_stack_stats *stats);

unsigned duplex_stack_channels(const struct duplex_stack *stack);

#ifdef __cplusplus
}
#endif
#endif
