// SPDX-License-Identifier: Apache-2.0
// A stack of the C model with one stage of a few experts, all in one piece, whose weights are zeros: for
// measuring times.
#ifndef DEVICE_PROBE_H
#define DEVICE_PROBE_H

#include "device/stage.h"
#include "duplex/duplex.h"
#include "schedule/schedule.h"

#define PROBE_EXPERTS 32u                 // most that a probe has
#define PROBE_PASSES DUPLEX_TOKEN_GROUPS  // groups of 8 tokens that a pass serves at once

// Jobs and reads of so few experts have a layer of their own: a controller looks at all experts of a layer,
// which takes longer than a few are streamed.
#define PROBE_FEW 2u

struct probe {
  struct duplex_stack *stack;
  struct duplex_layer *few, *layer;  // of PROBE_FEW experts, and of `experts`; the same if there is no room
  struct schedule_shape shape;
  struct duplex_layer_piece piece;
  unsigned experts;  // that it has: as many as fit, PROBE_EXPERTS or a half, a quarter ... of them
  enum stage_kind kind;
  enum duplex_format format;  // of its results
  duplex_f16 *x;
  uint8_t *y;
  char *text;
  size_t size;
};

// Opens one with this piece: its parts, and the bundles that Logic-PIM owns meanwhile. It has at least two
// experts, and room for x and sums of PROBE_PASSES groups of each. `text` (may be NULL) gets what failed.
// probe_close has to follow in any case. Errors: those of duplex_stack_open, duplex_stack_open_layer, and
// OUT_OF_SPACE (for two experts).
int probe_open(struct probe *probe, enum stage_kind kind, const struct schedule_shape *shape,
               const struct duplex_stack_options *options, const struct duplex_layer_piece *piece, char *text,
               size_t size);
void probe_close(struct probe *probe);

// Clocks of a job from doorbell to completion in which the first `experts` experts have so many tokens, at
// most 8 PROBE_PASSES, and this cut. The second form: the first of them has `first` tokens, and all have the
// last cut.
int probe_run(const struct probe *probe, unsigned experts, unsigned cut, uint32_t tokens, uint64_t *clocks);
int probe_run_behind(const struct probe *probe, uint32_t first, unsigned experts, uint32_t tokens,
                     uint64_t *clocks);

// Idles for a while, up to clock place / places of the time from one refresh to the next.
int probe_idle(const struct probe *probe, unsigned place, unsigned places);

// Clocks of the xPU's reads of what so many experts have behind this cut, to the last data. taken: its
// bundles were Logic-PIM's until then.
int probe_read(const struct probe *probe, unsigned experts, unsigned cut, bool taken, uint64_t *clocks);

// What the xPU and the hand-overs take for such a job with whole pieces besides: x of its tokens, written;
// its results, read; both to the last data; the bundles given to Logic-PIM, and taken back. Of the job itself
// only the first `done` experts are done.
struct probe_transfers {
  uint64_t tokens, sums, given, taken;
};
int probe_transfer(const struct probe *probe, unsigned experts, uint32_t tokens, unsigned done,
                   struct probe_transfers *transfers);

#endif
