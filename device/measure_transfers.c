// SPDX-License-Identifier: Apache-2.0
// Measures the transfers for Logic-PIM's share of a layer on a stack of the C model.
#include "device/measure_transfers.h"

#include "device/measure_piece.h"
#include "duplex/arithmetic.h"

enum {
  EXPERTS = 8,    // from one to so many, if they fit
  TIMES = 3,      // that transfers are measured, at different places between two refreshes
  WAIT_LEAST = 8  // a wait is a part of so many, or none
};

// What a first expert takes, and what another one adds.
struct added {
  struct probe_transfers one, more;
};

// One expert: a refresh that a transfer waits for is not what the first expert takes.
static int measure_one(const struct probe *probe, uint32_t tokens, struct probe_transfers *one) {
  int error = probe_transfer(probe, 1, tokens, 1, one);
  for (unsigned time = 1; time < TIMES && !error; time++) {
    struct probe_transfers again = {0};
    error = probe_transfer(probe, 1, tokens, 1, &again);
    one->tokens = duplex_smaller(one->tokens, again.tokens);
    one->sums = duplex_smaller(one->sums, again.sums);
  }
  return error;
}

// So many experts, in the mean: refreshes are part of what many take. The hand-overs are the last ones.
static int measure_all(const struct probe *probe, unsigned experts, uint32_t tokens,
                       struct probe_transfers *all) {
  struct probe_transfers sum = {0};
  int error = DUPLEX_OK;
  for (unsigned time = 0; time < TIMES && !error; time++) {
    error = probe_transfer(probe, experts, tokens, 1, all);
    sum.tokens += all->tokens;
    sum.sums += all->sums;
  }
  all->tokens = sum.tokens / TIMES;
  all->sums = sum.sums / TIMES;
  return error;
}

// Experts with so many tokens each. The hand-overs of `more` are those of all.
static int measure_experts(const struct probe *probe, uint32_t tokens, struct added *added) {
  struct probe_transfers all = {0};
  const unsigned experts = (unsigned)duplex_smaller(EXPERTS, probe->experts);
  *added = (struct added){0};
  int error = measure_one(probe, tokens, &added->one);
  if (!error) error = measure_all(probe, experts, tokens, &all);
  added->more = all;
  added->more.tokens = measure_added(added->one.tokens, all.tokens, experts - 1);
  added->more.sums = measure_added(added->one.sums, all.sums, experts - 1);
  return error;
}

// Sums of a group with so many tokens.
static int measure_group(const struct probe *probe, uint32_t tokens, struct schedule_costs *costs) {
  struct added group;
  const int error = measure_experts(probe, tokens, &group);
  costs->sums[tokens] = (uint32_t)group.more.sums;
  costs->first_sums = (uint32_t)measure_first(group.one.sums, group.more.sums);
  costs->given = (uint32_t)group.more.given;
  costs->taken = (uint32_t)group.more.taken;
  return error;
}

// Sums of each group of a whole pass, where they are so short that one group alone waits for its banks.
static void put_sums_of_pass(uint64_t clocks, struct schedule_costs *costs) {
  const uint32_t of_group = (uint32_t)duplex_divide_up((uint32_t)clocks, PROBE_PASSES);
  if (of_group + of_group / WAIT_LEAST < costs->sums[DUPLEX_LANES]) costs->sums[DUPLEX_LANES] = of_group;
}

// x and sums of experts with one group each, and with a whole pass: the groups of a pass lie in the same
// rows.
static int measure_passes(const struct probe *probe, struct schedule_costs *costs) {
  struct added group;
  struct added pass;
  int error = measure_experts(probe, DUPLEX_LANES, &group);
  if (!error) error = measure_experts(probe, PROBE_PASSES * DUPLEX_LANES, &pass);
  if (error) return error;
  costs->tokens = (uint32_t)duplex_divide_up((uint32_t)pass.more.tokens, PROBE_PASSES);
  costs->least_tokens = (uint32_t)group.more.tokens;
  costs->first_tokens = (uint32_t)measure_first(pass.one.tokens, pass.more.tokens);
  put_sums_of_pass(pass.more.sums, costs);
  return DUPLEX_OK;
}

// Groups whose sums are read as as many pieces of 32 bytes are alike.
static int measure_groups(const struct probe *probe, struct schedule_costs *costs) {
  const unsigned step = probe->format == DUPLEX_F32 ? DUPLEX_LANES : 2;  // lanes in a piece
  int error = DUPLEX_OK;
  for (uint32_t tokens = step; tokens <= DUPLEX_LANES && !error; tokens += step) {
    error = measure_group(probe, tokens, costs);
    for (uint32_t less = 1; less < step; less++) costs->sums[tokens - less] = costs->sums[tokens];
  }
  return error;
}

int measure_transfers(enum stage_kind kind, const struct schedule_shape *shape,
                      const struct duplex_stack_options *options, const struct duplex_layer_piece *piece,
                      struct schedule_costs *costs, char *text, size_t size) {
  // No transfer of partial sums depends on the inner size, of which the least has the shortest jobs.
  const struct duplex_layer_piece least = {.bundles = piece->bundles, .parts = 1, .inner = {1}};
  const bool sums = kind == STAGE_EXPERTS;
  struct duplex_stack_options native = *options;  // they are the xPU's, whatever the firmware
  struct probe probe;
  native.riscv = NULL;
  int error = probe_open(&probe, kind, shape, &native, sums ? &least : piece, text, size);
  if (!error) error = measure_groups(&probe, costs);
  if (!error) error = measure_passes(&probe, costs);
  probe_close(&probe);
  return error;
}
