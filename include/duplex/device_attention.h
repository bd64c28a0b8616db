// SPDX-License-Identifier: Apache-2.0
// Attention of a mixed stage on a device: decode attention of some sequences on Logic-PIM and causal prefill
// attention of others on the xPU, at the same time on every stack, each from memory spaces of its own.
//
// A *part* of a sequence is one or more adjacent KV heads of it: as many as spread over the stacks as well as
// single heads do. A part lies on one stack. Decoding sequences lie in the KV spaces (bundles 0 to 2), those
// that are being prefilled in the prefill space (bundle 3); a sequence moves when its prefill is done.
//
// The bits of a position are the same on either side, and do not depend on stacks, channels, chunks of a
// prefill, back end, firmware or threads (numerics N5, docs/numerics.md).
//
// Functions return 0 or a negative code of duplex/error.h, with a text in duplex_device_last_error. Arguments
// are checked before anything is done, and the device can be used on after an error. Each lists its own
// codes; those of the stacks may come besides.
#ifndef DUPLEX_DEVICE_ATTENTION_H
#define DUPLEX_DEVICE_ATTENTION_H

#include "duplex/device.h"
#include "duplex/kv_cache.h"

#ifdef __cplusplus
extern "C" {
#endif

struct duplex_device_kv;        // the KV cache of a device
struct duplex_device_sequence;  // K and V of all KV heads and layers of one sequence

struct duplex_device_kv_options {
  unsigned heads;           // KV heads, 1 to 256
  unsigned head_size;       // D, a multiple of 16 from 16 to 256
  unsigned layers;          // 1 to 1024; 0 = 1
  unsigned page_positions;  // of a channel: a multiple of 64 up to 131,072; 0 = 64
  // Pages of the KV spaces and of the prefill space, in every channel of every stack: a page of a KV head
  // takes one in each of its channels. 0: there is no such space. One of them has 1 or more.
  size_t pages, prefill_pages;
  bool p32;  // weights of two parts (numerics N5)
  // Sliding windows, [layers], in decode and in prefill: attention is over the last so many positions, a
  // position's own among them. The KV spaces keep these alone. 0: all. NULL: no layer has one. Copied.
  const uint32_t *windows;
  unsigned pinned;  // first positions of a sequence that attention sees beside those of every window
};

// Takes the DRAM of all pages on all stacks. Errors, after which *kv is NULL: ARGUMENT, OUT_OF_SPACE,
// NO_MEMORY.
int duplex_device_open_kv(struct duplex_device *device, const struct duplex_device_kv_options *options,
                          struct duplex_device_kv **kv);

// Frees the sequences that are left, too. The closing of its device closes it. NULL: nothing. Errors:
// ARGUMENT (closed before).
int duplex_device_close_kv(struct duplex_device_kv *kv);

// A sequence without positions. Each of its parts goes to the stack that has fewest positions in that space.
// expected: how many positions it will have, as far as known; used for this balance and for the channels of a
// KV head. Errors, after which *sequence is NULL: ARGUMENT, NO_MEMORY.
int duplex_device_begin_sequence(struct duplex_device_kv *kv, enum duplex_kv_space space, size_t expected,
                                 struct duplex_device_sequence **sequence);

// A sequence that begins with the first `positions` of every layer of another, in its space, on its stacks
// and in its channels. Whole pages are stored once, and streamed once for the query heads of sequences that
// are decoded together. Takes no time. expected: as above. Errors, after which *shared is NULL: ARGUMENT
// (positions: more than there are, or fewer where one has left a window), OUT_OF_SPACE, NO_MEMORY.
int duplex_device_share_sequence(const struct duplex_device_sequence *sequence, size_t positions,
                                 size_t expected, struct duplex_device_sequence **shared);

// Its pages are free again. NULL: nothing. Errors: ARGUMENT (freed before).
int duplex_device_free_sequence(struct duplex_device_sequence *sequence);

// Appends positions to a layer: k and v[heads][positions][head_size]. Takes no time: it belongs to the work
// that made K and V. Errors, after which no part has changed: ARGUMENT, OUT_OF_SPACE (the text names the
// space, what it has and what was asked for), NO_MEMORY.
int duplex_device_append(struct duplex_device_sequence *sequence, unsigned layer, const duplex_f16 *k,
                         const duplex_f16 *v, size_t positions);

// Positions of a layer, also those that left its window; 0 if there is no such layer.
size_t duplex_device_sequence_length(const struct duplex_device_sequence *sequence, unsigned layer);

// The stack on which a KV head lies; DUPLEX_STACKS_MOST if there is no such head.
unsigned duplex_device_sequence_stack(const struct duplex_device_sequence *sequence, unsigned head);

// After its prefill a sequence moves from the prefill space to the KV spaces: every part is read and written
// by the xPU on its own stack, all stacks at once. *clocks (may be NULL): the time of the slowest one.
// Errors, after which it is where it was: ARGUMENT, OUT_OF_SPACE (as append), NO_MEMORY.
int duplex_device_move_sequence(struct duplex_device_sequence *sequence, uint64_t *clocks);

// What a copy did: the time of the slowest stack, and bytes of K and V that were read, and as many written.
struct duplex_device_copied {
  uint64_t clocks, bytes;
};

// A sequence of the KV spaces with the positions of one of the prefill space, which stays where it is; made
// as a move is. base (may be NULL): such a copy of a sequence with which this one began
// (duplex_device_share_sequence): whole pages of it are shared, not copied, so that sequences of one prefix
// stream it once. copied may be NULL. Errors, after which *copy is NULL: ARGUMENT (a sequence or a base of
// the wrong space, a base of other stacks or channels, or longer than the sequence), OUT_OF_SPACE (as
// append), NO_MEMORY.
int duplex_device_copy_sequence(const struct duplex_device_sequence *sequence,
                                const struct duplex_device_sequence *base,
                                struct duplex_device_sequence **copy, struct duplex_device_copied *copied);

// Decode attention of a batch of different sequences of the KV spaces.
struct duplex_device_decode {
  struct duplex_device_sequence *const *sequences;
  size_t batch;  // 0: none
  // [batch][KV heads][head_size]: a position that each sequence gets before it is attended, by writes of the
  // xPU that take their time. Both NULL: nothing is appended.
  const duplex_f16 *k, *v;
  const duplex_f16 *q;  // [batch][query heads][head_size]
  duplex_f16 *o;        // as q
};

// Causal attention of the positions first to first + positions - 1 of a sequence of the prefill space, which
// has them: each sees the positions up to its own, in a window the last ones. A whole prompt, or a chunk.
struct duplex_device_prefill {
  struct duplex_device_sequence *sequence;
  size_t first, positions;
  const duplex_f16 *q;  // [query heads][positions][head_size]
  duplex_f16 *o;        // as q
};

struct duplex_device_attention {
  unsigned layer;
  size_t q_heads;  // a multiple of the KV heads, at most 16 times as many
  double scale;    // positive and finite, or 0 for 1 / sqrt(head_size)
  struct duplex_device_decode decode;
  const struct duplex_device_prefill *prefills;
  size_t prefill_count;  // 0: none
};

// The attention of one layer of a mixed stage, both sides at once. Q of the prefills is in the prefill space
// meanwhile. Errors: ARGUMENT, OWNER (a sequence in the other side's space), OUT_OF_SPACE (the text as
// above), NO_MEMORY, and those of the xPU's estimate, all of them before a position is appended; and those of
// duplex_stack_wait and of the xPU's works, which its text names: positions are appended, the outputs are
// undefined then.
int duplex_device_attention(struct duplex_device_kv *kv, const struct duplex_device_attention *attention);

// Times of the last attention, in clocks of 650 MHz; duplex_device_events has its events. The sides begin
// together when Logic-PIM has its bundles.
struct duplex_device_attention_stats {
  uint64_t cycles;          // append + hand_over + sides
  uint64_t append;          // of the slowest stack: the xPU's writes of new positions
  uint64_t hand_over;       // of the slowest stack: the KV spaces become Logic-PIM's
  uint64_t sides;           // the longer one of the next two
  uint64_t logic_pim;       // of the slowest stack, from doorbell to completion
  uint64_t xpu;             // launch + the longer one of reads and arithmetic
  uint64_t launch;          // 0: nothing to prefill
  uint64_t xpu_reads;       // of the slowest stack, to the last data of Q, K and V
  uint64_t xpu_arithmetic;  // what the xPU tells of its prefills
  uint64_t logic_pim_macs, xpu_macs;
  uint64_t logic_pim_bytes, xpu_bytes;              // of K and V, and of Q for the xPU
  uint64_t logic_pim_most;                          // K and V of the stack that has most, in bytes
  uint64_t firmware_instructions;                   // of all stacks
  struct duplex_dram_commands commands;             // of all stacks
  uint64_t logic_pim_of_stack[DUPLEX_STACKS_MOST];  // clocks of each
};
void duplex_device_attention_last_stats(const struct duplex_device_kv *kv,
                                        struct duplex_device_attention_stats *stats);

#ifdef __cplusplus
}
#endif
#endif
