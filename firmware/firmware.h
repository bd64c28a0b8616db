// SPDX-License-Identifier: Apache-2.0
// Jobs of the host and the kernels that turn them into descriptors.
//
// A kernel keeps the ring full, waits for the last descriptor and reports. It moves addresses and lengths,
// never operands. After an error the ring is empty again and the stack ready for the next job.
#ifndef DUPLEX_FIRMWARE_H
#define DUPLEX_FIRMWARE_H

#include "duplex/descriptor.h"
#include "duplex/params.h"
#include "firmware/hal/hal.h"
#include "firmware/layout.h"

// Words of a descriptor of LOAD or GEMM: those behind them are ATTENTION's.
#define PUSHED_WORDS DUPLEX_DESC_LENGTH_WORD

// A pointer into the tables stays in a register: the compiler would work it out anew for every access.
#define KEEP_PLACE(pointer) __asm__("" : "+r"(pointer))

// UNFINISHED: descriptors are in the ring that nobody has waited for.
enum firmware_result {
  FIRMWARE_DONE,
  FIRMWARE_REFUSED,
  FIRMWARE_WATCHDOG,
  FIRMWARE_CANCELLED,
  FIRMWARE_UNFINISHED
};

struct firmware_report {
  enum firmware_result result;
  uint32_t descriptors;  // written to the ring
  uint32_t finished;     // of them, those that ring_finish has waited for
  uint32_t error_code;   // FIRMWARE_REFUSED: code, tag and address of the registers
  uint32_t error_tag, error_address;
};

// y = x w^T for `groups` groups of 8 tokens, in passes of groups_of_pass(k_tiles) groups, the last one
// perhaps with one. Pass p (weights with two streams: whole passes of two groups, one for each matrix) has
// its activation tiles at x.base + p * activation_row_sets(tiles of a whole pass), its results likewise.
struct gemm_job {
  struct weight_layout weights_layout;
  struct region weights, x, results;
  enum duplex_result_format format;
  uint32_t channels, groups;
};

// y = (act(x gate^T) * (x up^T)) down^T; without a gate h = act(x up^T). Passes as above, of
// expert_groups_of_pass groups; h stays in the shared buffer. `groups` may be 0: only the table is loaded.
struct expert_job {
  struct weight_layout up_layout, down_layout;  // up_layout.gated: gate and up rows interleaved
  struct region up, down, x, results, table;
  uint32_t table_tiles;  // tiles of the activation table to load first, 0: it is there
  enum duplex_result_format format;
  uint32_t channels, groups;
};

// Groups of tokens in a pass of an expert: what the longer of its two inputs leaves room for.
static inline uint32_t expert_groups_of_pass(const struct weight_layout *up,
                                             const struct weight_layout *down) {
  return groups_of_pass(up->k_tiles > down->k_tiles ? up->k_tiles : down->k_tiles);
}

// Decode attention: sequences in the order of the list, which is longest first so that the channels end
// together. A sequence's KV head h lies in channel (first channel + h) mod channels as slot h / channels; if
// 2^spread channels share a head, in those from (first channel + (h << spread)) mod channels on. Sequence i
// has its q for slot j at row set i * kv_slots + j of qo, in all of them; behind the q of all sequences lie
// their o likewise, each in the last channel of its head.
#define ATTENTION_SEQUENCES 64u
#define ATTENTION_SEGMENTS 184u

struct attention_segment {
  uint16_t k_base, v_base;    // row sets of slot 0
  uint32_t length_and_lanes;  // positions, and from bit 24 on the lanes that have them
};

struct attention_sequence {
  uint16_t segments;  // in turn
  uint8_t place;      // first channel, from bit 5 on the spread: as the fields of a descriptor
  uint8_t lanes;      // stored lanes of a position: 2^lanes
};

// The list is read a sequence at a time, while the stack works on those before: `next` gives the segments of
// sequence i, which is called for in order, or NULL if there is something wrong with it. Then the job ends,
// and what is still in the ring is dropped.
struct attention_job {
  uint32_t head_size, heads, scale;  // scale: c of the descriptor
  uint32_t form;                     // head size and WIDE as they stand in the descriptor's word
  uint32_t kv_stripe, slot_stride, v_block_stride;
  struct region qo, scores;  // of one stripe set
  uint32_t score_room;       // row sets of `scores`: the most that a sequence needs
  uint32_t channels, sequences;
};
typedef const struct attention_segment *attention_next(void *context, uint32_t i,
                                                       struct attention_sequence *sequence);

// A mask is a run of lanes. Up to 8 stand there as they are; of more the first one and their number less one.
static inline uint32_t segment_lanes(const struct attention_segment *segment) {
  const uint32_t lanes = segment->length_and_lanes >> 24;
  return DUPLEX_LANES <= 8 ? lanes : ((UINT32_C(2) << lanes % 16) - 1) << lanes / 16;
}

// The bits of a segment's word that tell its lanes: the mask, or first and number of the lanes if there are
// too many for it.
static inline uint32_t segment_lanes_word(uint32_t mask) {
  if (DUPLEX_LANES <= 8) return mask << 24;
  return (uint32_t)(__builtin_ctz(mask) << 4 | (__builtin_popcount(mask) - 1)) << 24;
}

static inline uint32_t segment_length(const struct attention_segment *segment) {
  return segment->length_and_lanes & 0xffffffu;
}

static inline uint8_t attention_place(uint32_t first_channel, uint32_t spread) {
  return (uint8_t)(first_channel | spread << 5);
}

// Row sets that the scores of one sequence's segments take in a channel's DRAM; 0 if they fit its slice of
// the shared buffer. The sequences of a job use them one after another.
uint32_t attention_score_room(const struct attention_segment *segments, uint32_t count, uint32_t lanes,
                              uint32_t spread);

// Logic-PIM's share of one piece of an MoE layer: its experts in turn, without a pause between them. A piece
// of an expert has `parts` matrices of gate and up, one behind the other, and one down matrix, whose columns
// are the rows of h in the order of the parts. A cut of i is the parts 0 to i - 1 and their columns of down.
// Parts that are `joined` have one matrix of gate and up, which is interleaved: a cut is a run of whole
// blocks and one of the first rows of a block.
//
// A layer of `products` has neither activation nor down: the sums of its parts are its results, RN32, in row
// sets of their own for each matrix or run. The results of every pass take the room of a whole one with all
// parts.
#define LAYER_PARTS 10u
struct layer_job {
  uint32_t hidden, parts;
  const uint32_t *inner;  // [parts]: rows of h; joined: multiples of 2 channels but for the last
  bool gated, exponents;  // of gate and up
  bool products, joined;
  struct weight_layout up_layout;           // joined: of all parts
  const struct weight_layout *down_layout;  // of products: unused
  // layer_sizes: 1 or 2; row sets of so many groups, in as many passes as it takes.
  uint32_t groups_of_pass;
  uint32_t x_of_pass[3], results_of_pass[3];
  struct region table;
  uint32_t table_tiles;  // as in expert_job
  enum duplex_result_format format;
  uint32_t channels;
};

// One expert with work: first row sets and stripes of its matrices, of its x and of its results, as SRC_BASE
// and DST_BASE have them, pass behind pass as layer_x_row_sets and layer_result_row_sets count them; parts
// that are done, groups of 8 tokens.
struct layer_expert {
  uint32_t up, down, x, results, cut, groups;
};

// Gives the next expert that has work. What it finds wrong ends the job, and what is still in the ring is
// dropped.
enum layer_next_result { LAYER_EXPERT, LAYER_END, LAYER_WRONG };
typedef enum layer_next_result layer_next(void *context, struct layer_expert *expert);

// Fills in the sizes of passes; hidden, channels and products are there, and layouts and format, or of
// products the row sets of a pass' results: the sum of layer_product_row_sets over the matrices.
void layer_sizes(struct layer_job *job, uint32_t product_row_sets);

// Row sets of the results that a whole pass over x of `hidden` columns has of one matrix, at most.
uint32_t layer_product_row_sets(const struct weight_layout *up, uint32_t hidden);

// Row sets of the activations and of the results of one expert.
static inline uint32_t layer_row_sets(const uint32_t of_pass[3], uint32_t groups) {
  return groups / 2 * of_pass[2] + of_pass[groups % 2];
}
static inline uint32_t layer_x_row_sets(const struct layer_job *job, uint32_t groups) {
  return layer_row_sets(job->x_of_pass, groups);
}
static inline uint32_t layer_result_row_sets(const struct layer_job *job, uint32_t groups) {
  return layer_row_sets(job->results_of_pass, groups);
}

// Memory of the kernel, too large for a small stack. The descriptors of a pass differ from expert to expert
// in a few words only: for each number of groups and each cut they are kept, from one job to the next as long
// as the jobs differ only in their tables and in where everything lies. Cuts of parts share those of gate and
// up; one of a joined piece has runs of its own.
#define LAYER_RUNS 2u  // of a cut, at most
struct layer_cut {
  uint32_t inner;    // rows of h in all of its parts
  uint32_t tiles;    // of h of one group, with the rows behind the end
  uint16_t streams;  // matrices or runs of gate and up; 0: nothing is kept
  uint16_t format;   // of down
  uint32_t *up;      // of the pass, the first of as many as there are streams
  uint32_t down[PUSHED_WORDS];
};
struct layer_before {
  uint32_t inner, row_sets, results;  // of the matrices or runs before one
};
struct layer_pass {
  uint32_t parts;              // that are described
  struct layer_before before;  // in them
  uint32_t load[PUSHED_WORDS], up[LAYER_RUNS * LAYER_PARTS][PUSHED_WORDS];
  struct layer_cut cut[LAYER_PARTS];
};
struct layer_work {
  struct layer_pass pass[2];  // of one and of two groups
};

void firmware_attention(const struct hal *hal, const struct attention_job *job, attention_next *next,
                        void *context, struct firmware_report *report);
void firmware_gemm(const struct hal *hal, const struct gemm_job *job, struct firmware_report *report);
void firmware_expert(const struct hal *hal, const struct expert_job *job, struct firmware_report *report);

// Nothing is kept: before the first job, and before one of another kind than the last. The sizes of passes
// are there.
void layer_work_begin(const struct layer_job *job, struct layer_work *work);
// Describes all passes of all cuts, so that a job finds them.
void layer_prepare(const struct layer_job *job, struct layer_work *work);
void firmware_layer(const struct hal *hal, const struct layer_job *job, struct layer_work *work,
                    layer_next *next, void *context, struct firmware_report *report);

#endif
