// The host library: one stack with its weights resident, jobs on it, results and statistics.
//
// Tensors are binary16, row-major, on the host; the library brings them into the stack's layout. Every function that can fail
// returns 0 or a negative code of duplex/error.h, and duplex_last_error then has a line of text with the cause. Nothing here
// prints or exits. After any error the device can be used on, except after DUPLEX_ERROR_DRAM_TIMING. A device belongs to one
// thread at a time.
#ifndef DUPLEX_DUPLEX_H
#define DUPLEX_DUPLEX_H

#include "duplex/activation.h"
#include "duplex/backend.h"
#include "duplex/numerics.h"

#ifdef __cplusplus
extern "C" {
#endif

enum duplex_format { DUPLEX_F16, DUPLEX_F32, DUPLEX_ACC };  // 2, 4 and 16 bytes an element

struct duplex_device;
struct duplex_weights;  // a matrix that is resident on a device

struct duplex_options {
  struct duplex_backend_options backend;
  uint64_t watchdog_clocks;  // longest time without news from the stack; 0 = 2^34
  unsigned bundles;          // bundles that Logic-PIM owns during a job, a mask: weights and results lie there; 0 = all four
  int strict;                // activation rule: at most four bank activations of a rank within tFAW
};

// Opens a stack: backend "cmodel" or "rtl". If it fails *device is NULL and `error_text` (may be NULL) gets a text of at most
// `size` bytes.
int duplex_open(const char *backend, const struct duplex_options *options, struct duplex_device **device, char *error_text,
                size_t size);

// The same on a back end that the caller opened with options->backend; closing the device closes it, also if this fails.
int duplex_open_backend(struct duplex_backend *backend, const struct duplex_options *options, struct duplex_device **device);
void duplex_close(struct duplex_device *device);
const char *duplex_last_error(const struct duplex_device *device);

// Weights that are uploaded from now on lie in these bundles, a mask of some of those that Logic-PIM owns (at first all of them):
// their stripe set, over which consecutive row sets rotate.
int duplex_set_stripe(struct duplex_device *device, unsigned bundles);

// Makes W[n, k] resident. exponents: one signed exponent per row (the result is RN(2^e * sum)), or NULL. n from 1, k 1 to 65,536.
int duplex_upload(struct duplex_device *device, const duplex_f16 *w, size_t n, size_t k, const int8_t *exponents,
                  struct duplex_weights **weights);

// Makes gate[n, k] and up[n, k] resident as pairs, for duplex_expert.
int duplex_upload_gated(struct duplex_device *device, const duplex_f16 *gate, const duplex_f16 *up, size_t n, size_t k,
                        struct duplex_weights **weights);

// Makes two matrices w[2][n, k] (gated: gate[2][n, k] and w[2][n, k]) resident, each in bundles of its own, as experts that lie
// in one memory space each; their row sets take turns when they stream, so that the row turnaround of one bundle hides behind the
// other. Needs two bundles at least; k 1 to 32,768. gate: NULL if there is none. In jobs with such weights x, y are x[2][m, k],
// y[2][m, n]: matrix i meets x[i].
int duplex_upload_pair(struct duplex_device *device, const duplex_f16 *gate, const duplex_f16 *w, size_t n, size_t k,
                       struct duplex_weights **weights);
void duplex_release(struct duplex_device *device, struct duplex_weights *weights);

// y[m, n] = x[m, k] w^T, m from 1 to 4096, y in the given format.
int duplex_gemm(struct duplex_device *device, const struct duplex_weights *w, const duplex_f16 *x, size_t m,
                enum duplex_format format, void *y);

// y[m, n] = RN16 of h down^T, h[m, f] = act(x gate^T) * (x up^T), or act(x up^T) if `up` has no gate; f up to 65,536.
int duplex_expert(struct duplex_device *device, const struct duplex_weights *up, const struct duplex_weights *down,
                  const struct duplex_activation_table *table, const duplex_f16 *x, size_t m, enum duplex_format format, void *y);

struct duplex_channel_stats {
  uint64_t rows;        // weight rows that the channel holds, over the matrices of the job
  uint64_t read_bytes;  // from its DRAM
  uint64_t macs;        // useful ones: rows * k * m
};

// Of the last job.
struct duplex_stats {
  uint64_t cycles;  // 650 MHz clocks, first doorbell to completion
  uint64_t
      stream_cycles;  // of them, from first to last weight beat (the longest of all channels), without gaps between descriptors
  uint64_t starved, no_tile, no_room;  // clocks without weights, activations, room for results, summed over the channels
  uint64_t useful_bytes;               // weights asked for, once
  uint64_t read_bytes, write_bytes;
  uint64_t macs;  // useful ones
  uint64_t descriptors;
  struct duplex_dram_commands commands;
  unsigned channels;
  struct duplex_channel_stats channel[DUPLEX_CHANNELS];
};
void duplex_last_stats(const struct duplex_device *device, struct duplex_stats *stats);

#ifdef __cplusplus
}
#endif
#endif
