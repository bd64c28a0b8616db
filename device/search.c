// SPDX-License-Identifier: Apache-2.0
// What an RV32 controller takes to find the experts of jobs in its lists.
//
// A job waits until its first expert is found. The search for the others goes beside Logic-PIM's work, unless
// the controller takes longer than that: then it counts too. Tables of time are measured with experts that
// lie next to each other.
#include "device/search.h"

#include "device/charges.h"
#include "duplex/arithmetic.h"

#define LONGER 4u        // a phase in which the controller takes longer exceeds the formulas by such a part
#define AGAIN_LEAST 64u  // clocks that the controller saves with a pass of the same expert, of 140

// Instructions of firmware/protocol/layer_run.c for experts without work: a word of a host's list has two
// experts, of which it passes over none or both at once; one of cuts that are decided has four.
enum { EMPTY_PAIR = 5, HALF_A_PAIR = 6, EMPTY_FOUR = 6, OF_A_FOUR = 5 };

// Of the jobs of a phase: instructions behind the words of their first experts, and what Logic-PIM takes for
// all experts by the formulas.
struct search {
  uint64_t instructions, alone;
};

static uint64_t instructions_of_word(bool decided, unsigned all, unsigned empty) {
  if (decided) return empty == all ? EMPTY_FOUR : empty * OF_A_FOUR;
  return empty == all ? EMPTY_PAIR : empty * HALF_A_PAIR;
}

// Adds a job on a piece of that stack, if it has work at all.
static void add_piece(const struct moe_run *run, unsigned stack, unsigned piece, struct search *search) {
  const unsigned of_word = run->firmware_decides ? 4 : 2;
  const unsigned experts = (unsigned)run->moe->shape.experts;
  const struct duplex_layer_piece own = moe_layer_piece(&run->stage->piece[stack][piece]);
  bool found = false;
  for (unsigned first = 0; first < experts; first += of_word) {
    const unsigned all = (unsigned)duplex_smaller(experts - first, of_word);
    unsigned empty = 0;
    for (unsigned e = first; e < first + all; e++) {
      const unsigned cut = run_cut(run, stack, piece, e);
      const unsigned groups = schedule_groups(run_cut_tokens(run, e));
      if (cut && groups) search->alone += stage_pim_clocks(&run->stage->times.shape, &own, cut, groups);
      empty += !cut || !groups;
    }
    found = found || empty < all;
    if (found) search->instructions += instructions_of_word(run->firmware_decides, all, empty);
  }
}

// Whether the controller has time for it beside Logic-PIM. Of products the formulas tell nothing: there
// passes of an expert tell, which take less than those of others if it has not.
static bool is_hidden(const struct moe_run *run, const struct search *search,
                      const struct schedule_phase *phase) {
  const struct measure_turn *turn = run->stage->turn;
  if (run->stage->kind != STAGE_EXPERTS) return duplex_larger(turn[0].again, turn[1].again) < AGAIN_LEAST;
  return phase->pim <= search->alone + search->alone / LONGER;
}

uint64_t search_clocks(const struct moe_run *run, unsigned stack, unsigned number,
                       const struct schedule_phase *phase) {
  const uint64_t first = charges_search(phase->skipped, run->firmware_decides);
  const unsigned owned = run_owned(run, number);
  struct search search = {0};
  for (unsigned piece = 0; piece < run->moe->pieces; piece++)
    if (!(run->stage->piece[stack][piece].bundles & ~owned)) add_piece(run, stack, piece, &search);
  return is_hidden(run, &search, phase) ? first : first + charges_instructions(search.instructions);
}
