// SPDX-License-Identifier: Apache-2.0
// K and V of many sequences on one stack, in pages; decode attention over them.
//
// A page has room for a fixed number of positions of one sequence and layer, all its KV heads. Pages rotate
// over the KV spaces; sequences that are still being prefilled have theirs in the prefill space and move when
// that is done. Sequences may share the pages of a prefix: a page is copied when one of its sequences writes
// to it. KV head h of a sequence lies in channel (first channel + h) mod channels, and the first channel is
// chosen so that the channels hold about the same number of positions. A KV head may be spread over 2, 4, ...
// adjacent channels, which have blocks of 64 positions in turn: for long sequences, and where a batch has
// few. Results do not depend on it.
//
// Functions that can fail return 0 or a negative code of duplex/error.h, with a text in
// duplex_stack_last_error of the stack; as in duplex/duplex.h, each lists its own codes and may return the
// back end's besides. Whatever fails leaves cache and sequences as they were. OUT_OF_SPACE can be cured by
// freeing sequences.
#ifndef DUPLEX_KV_CACHE_H
#define DUPLEX_KV_CACHE_H

#include "duplex/duplex.h"

#ifdef __cplusplus
extern "C" {
#endif

struct duplex_kv_cache;
struct duplex_sequence;  // K and V of all layers of one sequence

struct duplex_kv_options {
  unsigned heads;           // KV heads, 1 to 256
  unsigned head_size;       // D, a multiple of 16 from 16 to 256
  unsigned layers;          // 1 to 1024; 0 = 1
  unsigned page_positions;  // of a channel: a multiple of 64 up to 131,072; 0 = 1024
  // Pages of the KV spaces and of the prefill space, in every channel, as far as there is room: 0 to 65,535,
  // 0 if there is no such space. One of them has 1 or more.
  size_t pages, prefill_pages;
  // KV spaces, a mask of bundles 0 to 3; 0: bundles 0 to 2 if Logic-PIM owns all four, otherwise all that it
  // owns.
  unsigned bundles;
  unsigned prefill_bundles;  // prefill space, a mask of bundles 0 to 3; 0: bundle 3
  // Sliding windows, [layers]: the KV spaces keep the last so many positions of a layer, the new one of a
  // step among them, and attention is over these. 0: all positions. NULL: no layer has one. Copied. The
  // prefill space keeps all positions.
  const uint32_t *windows;
  unsigned pinned;  // first positions of a sequence that stay beside those of every window
};

// Takes the DRAM of all pages. Errors: ARGUMENT (an option out of its range), OUT_OF_SPACE, NO_MEMORY.
int duplex_kv_open(struct duplex_stack *stack, const struct duplex_kv_options *options,
                   struct duplex_kv_cache **cache);

// The most pages of the KV spaces that the stack has room for; 0 if there is none, or the options are wrong.
size_t duplex_kv_room(struct duplex_stack *stack, const struct duplex_kv_options *options);

// The most pages beside which q and o of such a batch have room, if the cache is used for one layer of each
// of its sequences at a time; 0: none, or the options are wrong. Scores of long sequences may need some more.
size_t duplex_kv_room_beside(struct duplex_stack *stack, const struct duplex_kv_options *options,
                             size_t batch, size_t q_heads, bool p32);

// Frees the sequences that are left, too. The stack must still be open: its closing closes its caches. NULL:
// nothing. Errors: ARGUMENT (closed before).
int duplex_kv_close(struct duplex_kv_cache *cache);

enum duplex_kv_space { DUPLEX_KV_SPACES, DUPLEX_KV_PREFILL };

// A sequence without positions. expected: how many it will have, as far as known; used for balance and for
// the spread. Errors of both, after which *sequence is NULL: ARGUMENT (spread), NO_MEMORY.
int duplex_kv_begin(struct duplex_kv_cache *cache, enum duplex_kv_space space, size_t expected,
                    struct duplex_sequence **sequence);

// The same with `spread`, the number of channels that share a KV head: a power of two, 1 or such that heads *
// spread <= channels. 0, and duplex_kv_begin: the fewest in whose slices the scores of 8 lanes fit (2048
// positions in each).
int duplex_kv_begin_spread(struct duplex_kv_cache *cache, enum duplex_kv_space space, size_t expected,
                           unsigned spread, struct duplex_sequence **sequence);

// The largest spread for a cache of so many KV heads, 1 at least.
unsigned duplex_kv_spread_most(const struct duplex_stack *stack, unsigned heads);

// Writes spreads[batch] for sequences of lengths[batch] that are attended to together, `group` query heads to
// a KV head: such that scores fit, and that no sequence keeps a channel busy for more than half of the mean
// time of all, but not below 256 positions in a channel.
int duplex_kv_plan_spreads(const struct duplex_kv_cache *cache, const size_t *lengths, size_t batch,
                           size_t group, unsigned *spreads);

// Gives back its pages, as far as no other sequence shares them. NULL: nothing. Errors: ARGUMENT (freed
// before).
int duplex_kv_free(struct duplex_sequence *sequence);

// Appends positions to a layer: k and v[heads][positions][head_size], `stride` elements from head to head (0:
// positions * head_size). In the KV spaces a position takes the place of the one that leaves the window. At
// most 131,072 positions in all. Errors: ARGUMENT (layer, positions), OUT_OF_SPACE, NO_MEMORY.
int duplex_kv_append(struct duplex_sequence *sequence, unsigned layer, const duplex_f16 *k,
                     const duplex_f16 *v, size_t positions, size_t stride);

// Positions of a layer, also those that left its window; 0 if there is no such layer.
size_t duplex_kv_length(const struct duplex_sequence *sequence, unsigned layer);

// A sequence that begins with the first `positions` of every layer of another (at most as many as each layer
// has, and all of them if a position has left a window), spread as it. Errors, after which *shared is NULL:
// ARGUMENT (positions), OUT_OF_SPACE, NO_MEMORY.
int duplex_kv_share(const struct duplex_sequence *sequence, size_t positions,
                    struct duplex_sequence **shared);

// Moves a sequence from the prefill space to the KV spaces, pages that others share as well. Errors:
// OUT_OF_SPACE, NO_MEMORY.
int duplex_kv_move(struct duplex_sequence *sequence);

// Pages taken in a space, summed over the channels: a page of h heads counts min(h * spread, channels).
size_t duplex_kv_used(const struct duplex_kv_cache *cache, enum duplex_kv_space space);

// o[batch][q_heads][head_size] = softmax(scale q k^T) v of one layer of each sequence; q as o. q_heads: a
// multiple of the KV heads, at most 16 times as many; scale: positive and finite, or 0 for 1 /
// sqrt(head_size). Every sequence has a position at least. Query heads of sequences that share a prefix share
// its stream. Errors: ARGUMENT (any of this; a sequence in too many separate runs of pages), OWNER (a
// sequence in the prefill space), BUSY (jobs in flight), OUT_OF_SPACE (no room for q, o and scores),
// NO_MEMORY, and those of duplex_stack_wait. Statistics: useful_bytes is K and V of all sequences, what is
// shared once.
int duplex_stack_attention(struct duplex_kv_cache *cache, unsigned layer,
                           struct duplex_sequence *const *sequences, size_t batch, const duplex_f16 *q,
                           size_t q_heads, double scale, duplex_f16 *o);

// A decode step: appends a position to that layer of each sequence, k and v[batch][heads][head_size], and
// attends as above. The xPU's writes take their time (statistics: append_cycles of cycles, commands.xpu_wr of
// 32 bytes): the spaces are the xPU's at the first clock, and handed over when the last write has gone out.
// Not counted: moving a shared page that is written to. Should attention fail after the append, the sequences
// keep their new positions. Errors: those of duplex_kv_append and duplex_stack_attention.
int duplex_stack_attention_step(struct duplex_kv_cache *cache, unsigned layer,
                                struct duplex_sequence *const *sequences, size_t batch, const duplex_f16 *k,
                                const duplex_f16 *v, const duplex_f16 *q, size_t q_heads, double scale,
                                duplex_f16 *o);

// From now on weights have two parts, so that they are as good as binary32 (numerics N5, p32), or one again.
// With two a stream of K and V serves at most 4 query heads instead of 8.
int duplex_kv_use_p32(struct duplex_kv_cache *cache, bool p32);

// c of numerics N5: RN32(scale * log2 e), in bits; scale: positive and finite; for scale = 0 with 1 /
// sqrt(head_size) correctly rounded to binary64.
duplex_f32 duplex_attention_scale(double scale, unsigned head_size);

#ifdef __cplusplus
}
#endif
#endif
