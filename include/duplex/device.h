// SPDX-License-Identifier: Apache-2.0
// A Duplex device: one xPU and its stacks on the same memory. It runs whole MoE layers: router, top-k,
// experts on both processors at once, combination.
//
// The bits of a layer do not depend on policy, stacks, channels, back end, firmware or threads: sums are
// exact and rounded once (docs/numerics.md), and what the xPU adds is defined in docs/xpu_numerics.md. Only
// partial sums that travel as binary32 (DUPLEX_PARTIALS_F32) depend on the placement.
//
// Conventions as in duplex/duplex.h: 0 or a negative code of duplex/error.h, a line of text by
// duplex_device_last_error, arguments checked before anything is done. A device belongs to one thread at a
// time, and to the process that opened it as a stack does; inside, its stacks run on several threads.
#ifndef DUPLEX_DEVICE_H
#define DUPLEX_DEVICE_H

#include "duplex/duplex.h"
#include "duplex/xpu.h"

#ifdef __cplusplus
extern "C" {
#endif

#define DUPLEX_STACKS_MOST 8
#define DUPLEX_STACKS_DEFAULT 5
#define DUPLEX_EXPERTS_MOST 256

struct duplex_device;
struct duplex_moe;  // a layer whose weights are resident on a device

// Who runs which expert. BEST: each expert, or part of one, where it costs least, both sides at once. PAPER:
// the rules of the paper. LOGIC_PIM, XPU: one side alone. The placement of the weights follows the policy.
enum duplex_policy { DUPLEX_POLICY_BEST, DUPLEX_POLICY_PAPER, DUPLEX_POLICY_LOGIC_PIM, DUPLEX_POLICY_XPU };

// How the sums of an expert come together over the stacks: partial sums of down, exact or rounded to
// binary32; or h is gathered and each stack has whole rows of down (docs/device.md). AUTO: partial sums or h
// gathered, of each layer the one that the tables of time predict to take less when it is loaded, in the mean
// of 16 layers with `expected_pairs`, of experts that are drawn. The bits are those of ACC with all but F32.
enum duplex_partials {
  DUPLEX_PARTIALS_ACC,
  DUPLEX_PARTIALS_F32,
  DUPLEX_PARTIALS_GATHERED,
  DUPLEX_PARTIALS_AUTO
};

struct duplex_device_options {
  unsigned stacks;  // 1 to DUPLEX_STACKS_MOST; 0: DUPLEX_STACKS_DEFAULT
  // Each stack's. `bundles` has to be 0: the device hands bundles over as it works; `measure_overhead` too:
  // DRAM commands of a second run would count for the layer. Files of the back end and the controller only
  // with one stack.
  struct duplex_stack_options stack;
  enum duplex_policy policy;
  enum duplex_partials partials;
  unsigned threads;  // of the host, for stacks and xPU, at most DUPLEX_THREADS_MOST; 0: all cores
  // The other processor: it stays the caller's and has to live as long as the device. NULL: the built-in one.
  struct duplex_xpu *xpu;
  // For the built-in one: file of times of products that somebody measured, in place of its roofline
  // (docs/xpu_time.md). NULL: none.
  const char *xpu_times;
  // Pairs of token and expert that a layer is expected to have, where something is to be chosen; 0: as many
  // as experts.
  size_t expected_pairs;
  // Copies of each expert's weights with BEST: 1, or 2, one for the xPU in the bundle with most room and one
  // for Logic-PIM in the others, so that a layer has a single phase (docs/device.md). 2 is one copy where the
  // schedule does not gain by a second one; with other policies it is an error. 0: two if they are predicted
  // to take less time in such layers, and there is room for two copies of each of `moe_layers` layers (0: of
  // this one), those that have two already among them, and for x and sums of `most_pairs` (0:
  // `expected_pairs`).
  unsigned copies;
  size_t moe_layers, most_pairs;
  // 1: BEST decides about every layer. 0: not where one side alone is predicted to take less, with all that a
  // decision brings about (docs/schedule.md, "Whether a decision pays"); it then has the whole layer. The
  // other policies have nothing of it.
  unsigned always_decide;
};

// Opens a device of stacks on a back end, "cmodel" or "rtl". If it fails *device is NULL, and `error_text`
// (may be NULL) gets a text of at most `size` bytes. Errors: those of duplex_stack_open
// and duplex_xpu_open.
int duplex_device_open(const char *backend, const struct duplex_device_options *options,
                       struct duplex_device **device, char *error_text, size_t size);

// Ends the files of the options, as duplex_stack_end_files.
int duplex_device_end_files(struct duplex_device *device);

// Closes the stacks; layers that are left go with them. NULL: nothing.
void duplex_device_close(struct duplex_device *device);

// One line about the last error, "" if there was none. Valid until the next call.
const char *duplex_device_last_error(const struct duplex_device *device);

// The shape of a layer: E experts of H hidden and F inner columns.
struct duplex_moe_shape {
  size_t experts;  // 1 to DUPLEX_EXPERTS_MOST
  size_t hidden;   // 1 to 65,536
  size_t inner;    // 1 to 65,536
};

// Weights in the memory of the host, row by row without gaps; they are copied. The exponents are of rows that
// were scaled, NULL: all 0. A product is RN32(2^e * exact sum) then, of down the sum over all stacks
// (numerics N3); with DUPLEX_PARTIALS_F32 each partial sum is rounded so.
struct duplex_moe_weights {
  const duplex_f16 *router;                     // [E, H]
  const duplex_f16 *gate;                       // [E, F, H], or NULL: h = RN16(act(x up^T))
  const duplex_f16 *up;                         // [E, F, H]
  const duplex_f16 *down;                       // [E, H, F]
  const int8_t *router_exponents;               // [E]
  const int8_t *gate_exponents, *up_exponents;  // [E, F]; of gate: NULL if there is none
  const int8_t *down_exponents;                 // [E, H]
};

// Makes the weights of a layer resident, slices of every expert on every stack. The table stays the caller's,
// and has to live as long as the layer. Errors, after which *moe is NULL: ARGUMENT, OUT_OF_SPACE (names the
// space and what it lacks, before a table of time is measured), NO_MEMORY, and those of the xPU (which the
// text names).
int duplex_device_load_moe(struct duplex_device *device, const struct duplex_moe_shape *shape,
                           const struct duplex_moe_weights *weights,
                           const struct duplex_activation_table *table, struct duplex_moe **moe);

// The DRAM of the layer is free again. NULL: nothing. Errors: ARGUMENT (another device's, or released).
int duplex_device_release_moe(struct duplex_device *device, struct duplex_moe *moe);

enum duplex_score { DUPLEX_SCORE_TOPK_SOFTMAX, DUPLEX_SCORE_SOFTMAX, DUPLEX_SCORE_SIGMOID };

// How a router chooses by more than its logits, as DeepSeek-V3's does (docs/xpu_numerics.md).
struct duplex_moe_choice {
  const duplex_f32 *bias;  // [E], on the scores, for the choice alone; NULL: none
  unsigned groups,
      groups_taken;  // E / groups experts each, 2 or more, of which 1 to groups are taken; 1, 1: no groups
  duplex_f32 scale;  // of the weights
};

struct duplex_moe_routing {
  unsigned top_k;  // 1 to the number of experts
  enum duplex_score score;
  bool renormalise;                        // the weights of the chosen experts are divided by their sum
  const struct duplex_moe_choice *choice;  // with DUPLEX_SCORE_SIGMOID; NULL: the k largest logits
};

// y[T, H] = sum over the chosen experts of weight * expert(x), T 1 to 4096 (docs/xpu_numerics.md). Errors:
// ARGUMENT, NO_MEMORY, OUT_OF_SPACE (activations and results do not fit), those of duplex_stack_wait, and
// those of the xPU (which the text names); y is undefined then, and the device goes on.
int duplex_device_moe(struct duplex_device *device, const struct duplex_moe *moe,
                      const struct duplex_moe_routing *routing, const duplex_f16 *x, size_t tokens,
                      duplex_f16 *y);

// All stacks have nothing to do until no refresh is owed any more, and from there up to clock place / places
// of the time from one refresh to the next. A layer's clocks depend on where it begins: one of 5 us by 3%.
// Errors: ARGUMENT (place is not below places), and those of the back end.
int duplex_device_idle(struct duplex_device *device, unsigned place, unsigned places);

// Times of the last layer, in clocks of 650 MHz. A phase lasts as long as its longer side.
// Where h is gathered phases 0 and 1 are those of gate and up, 2 and 3 those of down.
#define DUPLEX_PHASES 4
struct duplex_moe_stats {
  uint64_t cycles;  // the whole layer
  uint64_t bound;   // least time of any division between the sides, nothing else charged
  // By the tables of time, before the layer runs: sides, hand_over, distribute and reduce together; of these
  // both sides of each phase, with the starts of jobs and reads.
  uint64_t predicted, predicted_logic_pim[DUPLEX_PHASES], predicted_xpu[DUPLEX_PHASES];
  uint64_t sides;                     // all phases
  uint64_t logic_pim[DUPLEX_PHASES];  // of the slowest stack, from doorbell to completion
  uint64_t xpu_reads[DUPLEX_PHASES];  // of the slowest stack, to the last data, x and sums among them
  // What the xPU tells of its works, and the decision in a job that it waits for; the longer of the two
  // counts.
  uint64_t xpu_estimate[DUPLEX_PHASES];
  uint64_t route, decide, distribute, launch, hand_over, reduce, combine;  // charged beside the phases
  enum duplex_partials partials;                                           // that the layer has: not AUTO
  uint64_t copies;                                                         // of each expert: 1 or 2
  uint64_t dram_bytes;                                                     // of its weights, on all stacks
  uint64_t pairs;                                                          // of token and expert
  uint64_t logic_pim_experts, xpu_experts, shared_experts;  // experts with tokens, by who runs them
  uint16_t tokens[DUPLEX_EXPERTS_MOST];                     // of each expert
  uint64_t logic_pim_macs, xpu_macs;
  uint64_t logic_pim_bytes, xpu_bytes;   // of weights
  uint64_t other_macs, other_bytes;      // of the xPU: router and combination
  uint64_t firmware_instructions;        // of all stacks
  struct duplex_dram_commands commands;  // of all stacks
};
void duplex_device_last_stats(const struct duplex_device *device, struct duplex_moe_stats *stats);

// What happened in the last layer, in order of its begin: one event of a track. Times in clocks from the
// beginning of the layer. Tracks: 0 the xPU, 1 to s the stacks. Valid until the next layer.
struct duplex_event {
  const char *name;
  unsigned track;
  uint64_t begin, end;
  int expert;  // -1: of no expert
};
size_t duplex_device_events(const struct duplex_device *device, const struct duplex_event **events);

unsigned duplex_device_stacks(const struct duplex_device *device);
// A stack of the device, for its statistics. NULL if there is none of that number.
struct duplex_stack *duplex_device_stack(struct duplex_device *device, unsigned number);

#ifdef __cplusplus
}
#endif
#endif
