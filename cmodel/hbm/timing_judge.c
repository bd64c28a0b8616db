// SPDX-License-Identifier: Apache-2.0
// Judges a stream of DRAM commands by the rules of a timing preset.
#include "duplex/timing_judge.h"

#include <inttypes.h>
#include <string.h>

#include "cmodel/hbm/judge_names.h"

#define LONG_AGO (INT64_MIN / 4)
#define BANKS 8u

static void forget(int64_t *times, size_t count) {
  for (size_t i = 0; i < count; i++) times[i] = LONG_AGO;
}

// No command of Logic-PIM, or of the xPU, so far.
static void start_side(struct duplex_judge_side *side) {
  side->row_command = side->column_command = side->column_rd = side->column_wr = side->data_end = LONG_AGO;
  forget(side->rank_act, 2);
  forget(&side->group_act[0][0], 8);
  forget(&side->group_column[0][0], 8);
  forget(&side->group_wr[0][0], 8);
  forget(&side->window[0][0], 8);
}

void duplex_judge_start(struct duplex_judge *judge, const struct duplex_dram_timing *timing, bool strict) {
  memset(judge, 0, sizeof *judge);
  judge->timing = *timing;
  judge->strict = strict;
  judge->owner = (1u << DUPLEX_BUNDLES) - 1;
  for (unsigned bundle = 0; bundle < DUPLEX_BUNDLES; bundle++)
    for (unsigned bank = 0; bank < BANKS; bank++)
      judge->banks[bundle][bank] =
          (struct duplex_judge_bank){false, 0, LONG_AGO, LONG_AGO, LONG_AGO, LONG_AGO, LONG_AGO, LONG_AGO, 0};
  judge->now = LONG_AGO;
  judge->refresh_limit = INT64_MAX;
  start_side(&judge->side[0]);
  start_side(&judge->side[1]);
  forget(&judge->window[0][0], 8);
}

// The pins on which the command came: Logic-PIM's or the xPU's.
static struct duplex_judge_side *side_of(struct duplex_judge *judge,
                                         const struct duplex_judge_command *command) {
  return &judge->side[command->xpu];
}

// Bank j of a bundle lies in bank group j mod 4.
static unsigned group_of(const struct duplex_judge_command *command) {
  return (unsigned)__builtin_ctz(command->mask) % 4;
}

// Notes which rule the command breaks; false, so that a rule can end with it.
static bool broken(struct duplex_judge *judge, const struct duplex_judge_command *command, const char *rule) {
  snprintf(judge->text, sizeof judge->text, "tCK %" PRIu64 " %s%s bundle %u: %s", command->tck,
           command->xpu ? "X" : "", duplex_judge_kind_names[command->kind], command->bundle, rule);
  return false;
}

// True if the command comes at least `least` tCK after `before`.
static bool after(struct duplex_judge *judge, const struct duplex_judge_command *command, int64_t before,
                  unsigned least, const char *rule) {
  const int64_t distance = (int64_t)command->tck - before;
  if (distance >= (int64_t)least) return true;
  snprintf(judge->text, sizeof judge->text,
           "tCK %" PRIu64 " %s%s bundle %u: %s is %u, missed by %" PRId64 " tCK", command->tck,
           command->xpu ? "X" : "", duplex_judge_kind_names[command->kind], command->bundle, rule, least,
           (int64_t)least - distance);
  return false;
}

static bool is_column(enum duplex_judge_kind kind) {
  return kind == DUPLEX_JUDGE_RD || kind == DUPLEX_JUDGE_WR;
}

// --- rules of one bank ---

// The rules of a command to one bank, one function for each kind: true if all hold, else false with the text
// of the first that does not.
static bool bank_act(struct duplex_judge *j, const struct duplex_judge_command *c,
                     const struct duplex_judge_bank *b) {
  const struct duplex_dram_timing *t = &j->timing;
  if (b->open) return broken(j, c, "the bank is open");
  return after(j, c, b->act, t->nRC, "ACT to ACT, nRC") && after(j, c, b->pre, t->nRP, "PRE to ACT, nRP") &&
         after(j, c, b->ref, t->nRFCPB, "REF to ACT, nRFCPB") &&
         after(j, c, b->refab, t->nRFC, "REFAB to ACT, nRFC");
}

// As bank_act.
static bool bank_pre(struct duplex_judge *j, const struct duplex_judge_command *c,
                     const struct duplex_judge_bank *b) {
  const struct duplex_dram_timing *t = &j->timing;
  return after(j, c, b->act, t->nRAS, "ACT to PRE, nRAS") && after(j, c, b->rd, t->nRTP, "RD to PRE, nRTP") &&
         after(j, c, b->wr, t->nCWL + t->nBL + t->nWR, "WR to PRE, nCWL + nBL + nWR") &&
         after(j, c, b->ref, t->nRFCPB, "REF to PRE, nRFCPB") &&
         after(j, c, b->refab, t->nRFC, "REFAB to PRE, nRFC");
}

// As bank_act, for REF and REFAB.
static bool bank_ref(struct duplex_judge *j, const struct duplex_judge_command *c,
                     const struct duplex_judge_bank *b) {
  const struct duplex_dram_timing *t = &j->timing;
  if (b->open) return broken(j, c, "the bank is open");
  return after(j, c, b->pre, t->nRP, "PRE to REF, nRP") &&
         after(j, c, b->ref, t->nRFCPB, "REF to REF, nRFCPB") &&
         after(j, c, b->refab, t->nRFC, "REFAB to REF, nRFC");
}

// As bank_act, for RD and WR: all banks of the mask must have the same row open.
static bool bank_column(struct duplex_judge *j, const struct duplex_judge_command *c,
                        const struct duplex_judge_bank *b) {
  const struct duplex_dram_timing *t = &j->timing;
  const unsigned first = (unsigned)__builtin_ctz(c->mask);
  if (!b->open) return broken(j, c, "the bank is closed");
  if (b->row != j->banks[c->bundle][first].row) return broken(j, c, "the banks have different rows open");
  return c->kind == DUPLEX_JUDGE_RD ? after(j, c, b->act, t->nRCDRD, "ACT to RD, nRCDRD")
                                    : after(j, c, b->act, t->nRCDWR, "ACT to WR, nRCDWR");
}

// The rules of each bank that the command names; REFAB names all banks of a rank.
static bool banks_allow(struct duplex_judge *judge, const struct duplex_judge_command *command) {
  typedef bool rule(struct duplex_judge *, const struct duplex_judge_command *,
                    const struct duplex_judge_bank *);
  static rule *const rules[] = {bank_act, bank_pre, bank_ref, bank_column, bank_column, bank_ref};
  if (command->kind == DUPLEX_JUDGE_REFAB) {
    for (unsigned i = 0; i < 2 * BANKS; i++)
      if (!bank_ref(judge, command, &judge->banks[command->bundle / 2 * 2 + i / BANKS][i % BANKS]))
        return false;
    return true;
  }
  for (unsigned bank = 0; bank < BANKS; bank++)
    if (command->mask >> bank & 1 &&
        !rules[command->kind](judge, command, &judge->banks[command->bundle][bank]))
      return false;
  return true;
}

// --- rules of rank and channel ---

// No five activations of a rank within nFAW; `window` holds the last four times of each rank.
static bool window_allows(struct duplex_judge *judge, const struct duplex_judge_command *command,
                          int64_t window[2][4]) {
  const unsigned rank = command->bundle / 2;
  const unsigned banks = (unsigned)__builtin_popcount(command->mask);
  if (banks > 4) return broken(judge, command, "more than 4 banks at once, nFAW");
  // With these, no five activations may lie in one window: the fifth last of them must have left it.
  return after(judge, command, window[rank][banks - 1], judge->timing.nFAW,
               "five bank activations of the rank, nFAW");
}

// Distances between activations of a rank, by side; under the strict rule the window counts both sides.
static bool rank_allows_act(struct duplex_judge *judge, const struct duplex_judge_command *command) {
  const struct duplex_dram_timing *t = &judge->timing;
  struct duplex_judge_side *side = side_of(judge, command);
  const unsigned rank = command->bundle / 2;
  if (command->xpu) {
    if (!after(judge, command, side->rank_act[rank], t->nRRDS, "ACT to ACT of the rank, nRRDS") ||
        !after(judge, command, side->group_act[rank][group_of(command)], t->nRRDL,
               "ACT to ACT of the bank group, nRRDL") ||
        !window_allows(judge, command, side->window))
      return false;
  } else if (!after(judge, command, side->rank_act[rank], t->nRRDL, "ACT to ACT of the rank, nRRDL")) {
    return false;
  }
  return !judge->strict || window_allows(judge, command, judge->window);
}

static unsigned to_other_rank(const struct duplex_judge *judge, unsigned rank_before, unsigned bundle) {
  return rank_before != bundle / 2 ? judge->timing.nRTR : 0;
}

// Distances between column commands of the xPU; `rd_switch`, `wr_switch`: tCK more for another rank.
static bool xpu_column(struct duplex_judge *j, const struct duplex_judge_command *c, unsigned rd_switch,
                       unsigned wr_switch) {
  const struct duplex_dram_timing *t = &j->timing;
  const struct duplex_judge_side *side = side_of(j, c);
  const unsigned rank = c->bundle / 2;
  const unsigned group = group_of(c);
  if (!after(j, c, side->group_column[rank][group], t->nCCDL, "column to column of the bank group, nCCDL"))
    return false;
  if (c->kind == DUPLEX_JUDGE_RD)
    return after(j, c, side->column_rd, t->nCCDS + rd_switch, "RD to RD, nCCDS + nRTR") &&
           after(j, c, side->column_wr, t->nCWL + t->nBL + t->nWTRS, "WR to RD, nCWL + nBL + nWTRS") &&
           after(j, c, side->group_wr[rank][group], t->nCWL + t->nBL + t->nWTRL,
                 "WR to RD of the bank group, nCWL + nBL + nWTRL");
  return after(j, c, side->column_wr, t->nCCDS + wr_switch, "WR to WR, nCCDS + nRTR") &&
         after(j, c, side->column_rd, t->nRTW + rd_switch, "RD to WR, nRTW + nRTR");
}

// Distances between column commands of one side of the channel.
static bool channel_allows_column(struct duplex_judge *j, const struct duplex_judge_command *c) {
  const struct duplex_dram_timing *t = &j->timing;
  const struct duplex_judge_side *side = side_of(j, c);
  const unsigned rd_switch = to_other_rank(j, side->column_rd_rank, c->bundle);
  const unsigned wr_switch = to_other_rank(j, side->column_wr_rank, c->bundle);
  if (c->xpu) return xpu_column(j, c, rd_switch, wr_switch);
  if (c->kind == DUPLEX_JUDGE_RD)
    return after(j, c, side->column_rd, t->nCCDL + rd_switch, "RD to RD, nCCDL + nRTR") &&
           after(j, c, side->column_wr, t->nCWL + t->nBL + t->nWTRL, "WR to RD, nCWL + nBL + nWTRL");
  return after(j, c, side->column_wr, t->nCCDL + wr_switch, "WR to WR, nCCDL + nRTR") &&
         after(j, c, side->column_rd, t->nRTW + rd_switch, "RD to WR, nRTW + nRTR");
}

static int64_t data_start(const struct duplex_judge *judge, const struct duplex_judge_command *command) {
  return (int64_t)command->tck + (command->kind == DUPLEX_JUDGE_RD ? judge->timing.nCL : judge->timing.nCWL);
}

// The data of the command before must have left the bus.
static bool data_bus_free(struct duplex_judge *judge, const struct duplex_judge_command *command) {
  const int64_t overlap = side_of(judge, command)->data_end - data_start(judge, command);
  if (overlap <= 0) return true;
  snprintf(judge->text, sizeof judge->text,
           "tCK %" PRIu64 " %s%s bundle %u: data on the bus together, missed by %" PRId64 " tCK",
           command->tck, command->xpu ? "X" : "", duplex_judge_kind_names[command->kind], command->bundle,
           overlap);
  return false;
}

// Times rise; one row and one column command a tCK on each side.
static bool buses_allow(struct duplex_judge *judge, const struct duplex_judge_command *command) {
  const bool column = is_column(command->kind);
  if ((int64_t)command->tck < judge->now) return broken(judge, command, "earlier than the command before it");
  const struct duplex_judge_side *side = side_of(judge, command);
  const int64_t last = column ? side->column_command : side->row_command;
  return after(judge, command, last, 1, column ? "one column command a tCK" : "one row command a tCK");
}

// Bundle, mask, row and column are there, and the side may give such a command.
static bool well_formed(struct duplex_judge *judge, const struct duplex_judge_command *command) {
  if (command->bundle >= DUPLEX_BUNDLES) return broken(judge, command, "no such bundle");
  if (command->mask == 0 || command->mask > 0xff) return broken(judge, command, "the mask is not 1 to ff");
  if (command->kind == DUPLEX_JUDGE_ACT && command->address >= DUPLEX_BANK_ROWS)
    return broken(judge, command, "no such row");
  if (is_column(command->kind) && command->address >= DUPLEX_COLUMNS)
    return broken(judge, command, "no such column");
  if (command->xpu && command->kind != DUPLEX_JUDGE_REFAB && __builtin_popcount(command->mask) != 1)
    return broken(judge, command, "an ordinary command goes to one bank");
  if (!command->xpu && command->kind == DUPLEX_JUDGE_REFAB)
    return broken(judge, command, "Logic-PIM refreshes no whole rank");
  return true;
}

// A bundle that was given away may still be closed by the side that had it.
static bool right_side(struct duplex_judge *judge, const struct duplex_judge_command *command) {
  const unsigned bundles =
      command->kind == DUPLEX_JUDGE_REFAB ? 3u << command->bundle / 2 * 2 : 1u << command->bundle;
  if (command->kind == DUPLEX_JUDGE_PRE) return true;
  if (!(bundles & (command->xpu ? judge->owner : ~judge->owner))) return true;
  return broken(judge, command, command->xpu ? "a bundle of Logic-PIM" : "a bundle of the xPU");
}

// --- refresh ---

// Last tCK at which the bank has not waited too long: floor(tCK / nREFI) refreshes are due since tCK 0.
static int64_t refresh_limit_of(const struct duplex_dram_timing *timing,
                                const struct duplex_judge_bank *bank) {
  const int64_t interval = timing->nREFI;
  const int64_t postponed = timing->nREFMAX;
  const int64_t owed = ((int64_t)bank->refreshes + postponed + 1) * interval - 1;
  const int64_t last = bank->ref > bank->refab ? bank->ref : bank->refab;
  const int64_t apart = bank->refreshes ? last + (1 + postponed) * interval : INT64_MAX;
  return owed < apart ? owed : apart;
}

// The first time at which a bank in use will have waited too long, so that most commands need not look.
static void find_refresh_limit(struct duplex_judge *judge) {
  judge->refresh_limit = INT64_MAX;
  for (unsigned bundle = 0; bundle < DUPLEX_BUNDLES; bundle++)
    for (unsigned bank = 0; judge->used[bundle] && bank < BANKS; bank++) {
      const int64_t limit = refresh_limit_of(&judge->timing, &judge->banks[bundle][bank]);
      if (limit < judge->refresh_limit) judge->refresh_limit = limit;
    }
}

// False, with the text, if a bank in use has waited too long at `tck`.
static bool refresh_in_time(struct duplex_judge *judge, int64_t tck) {
  if (tck <= judge->refresh_limit) return true;
  for (unsigned bundle = 0; bundle < DUPLEX_BUNDLES; bundle++)
    for (unsigned bank = 0; judge->used[bundle] && bank < BANKS; bank++) {
      const int64_t limit = refresh_limit_of(&judge->timing, &judge->banks[bundle][bank]);
      if (tck <= limit) continue;
      snprintf(judge->text, sizeof judge->text,
               "tCK %" PRId64 ": bundle %u bank %u waits for REF, nREFMAX is %u, missed by %" PRId64 " tCK",
               tck, bundle, bank, judge->timing.nREFMAX, tck - limit);
      return false;
    }
  return true;
}

// --- what a legal command leaves behind ---

// What later commands to the bank have to know of this one.
static void note_bank(struct duplex_judge_bank *bank, const struct duplex_judge_command *command) {
  const int64_t now = (int64_t)command->tck;
  switch (command->kind) {
    case DUPLEX_JUDGE_ACT:
      bank->open = true;
      bank->row = command->address;
      bank->act = now;
      break;
    case DUPLEX_JUDGE_PRE:
      if (bank->open) bank->pre = now;
      bank->open = false;
      break;
    case DUPLEX_JUDGE_REF:
      bank->ref = now;
      bank->refreshes++;
      break;
    case DUPLEX_JUDGE_RD:
      bank->rd = now;
      break;
    case DUPLEX_JUDGE_WR:
      bank->wr = now;
      break;
    default:
      break;
  }
}

// Shifts the times of the banks that the command activates into the window.
static void note_window(int64_t window[4], const struct duplex_judge_command *command) {
  for (int i = 0; i < __builtin_popcount(command->mask); i++) {
    memmove(&window[0], &window[1], 3 * sizeof window[0]);
    window[3] = (int64_t)command->tck;
  }
}

// What later activations of the rank have to know.
static void note_act(struct duplex_judge *judge, const struct duplex_judge_command *command) {
  const unsigned rank = command->bundle / 2;
  struct duplex_judge_side *side = side_of(judge, command);
  side->rank_act[rank] = side->group_act[rank][group_of(command)] = (int64_t)command->tck;
  note_window(side->window[rank], command);
  note_window(judge->window[rank], command);
}

// What later column commands of the same side have to know, and until when its data are on the bus.
static void note_column(struct duplex_judge *judge, const struct duplex_judge_command *command) {
  struct duplex_judge_side *side = side_of(judge, command);
  const unsigned rank = command->bundle / 2;
  const unsigned group = group_of(command);
  const int64_t now = (int64_t)command->tck;
  side->group_column[rank][group] = now;
  if (command->kind == DUPLEX_JUDGE_RD) {
    side->column_rd = now;
    side->column_rd_rank = rank;
  } else {
    side->column_wr = side->group_wr[rank][group] = now;
    side->column_wr_rank = rank;
  }
  side->data_end = data_start(judge, command) + (command->xpu ? judge->timing.nBL : judge->timing.nCCDL);
}

// A refresh of both bundles of the rank, all banks.
static void note_refresh_of_rank(struct duplex_judge *judge, const struct duplex_judge_command *command) {
  for (unsigned i = 0; i < 2 * BANKS; i++) {
    struct duplex_judge_bank *bank = &judge->banks[command->bundle / 2 * 2 + i / BANKS][i % BANKS];
    bank->refab = (int64_t)command->tck;
    bank->refreshes++;
  }
}

// Notes a command that was found legal.
static void note(struct duplex_judge *judge, const struct duplex_judge_command *command) {
  const int64_t now = (int64_t)command->tck;
  const bool first = !judge->used[command->bundle];
  const bool all_banks = command->kind == DUPLEX_JUDGE_REFAB;
  judge->now = now;
  judge->used[command->bundle] = true;
  for (unsigned bank = 0; bank < BANKS && !all_banks; bank++)
    if (command->mask >> bank & 1) note_bank(&judge->banks[command->bundle][bank], command);
  if (all_banks) note_refresh_of_rank(judge, command);
  if (first || all_banks || command->kind == DUPLEX_JUDGE_REF) find_refresh_limit(judge);
  if (command->kind == DUPLEX_JUDGE_ACT) note_act(judge, command);
  if (is_column(command->kind)) {
    note_column(judge, command);
    side_of(judge, command)->column_command = now;
  } else {
    side_of(judge, command)->row_command = now;
  }
}

// OWNER: from now on the bundles of the mask are Logic-PIM's.
static bool take_owner(struct duplex_judge *judge, const struct duplex_judge_command *command) {
  if ((int64_t)command->tck < judge->now) return broken(judge, command, "earlier than the command before it");
  if (command->mask > 0xf) return broken(judge, command, "the mask is not 0 to f");
  judge->owner = command->mask;
  return true;
}

bool duplex_judge_take(struct duplex_judge *judge, const struct duplex_judge_command *command) {
  if (command->kind == DUPLEX_JUDGE_OWNER) return take_owner(judge, command);
  if (!well_formed(judge, command) || !buses_allow(judge, command) || !right_side(judge, command) ||
      !banks_allow(judge, command))
    return false;
  if (command->kind == DUPLEX_JUDGE_ACT && !rank_allows_act(judge, command)) return false;
  if (is_column(command->kind) && !(channel_allows_column(judge, command) && data_bus_free(judge, command)))
    return false;
  if (!refresh_in_time(judge, (int64_t)command->tck)) return false;
  note(judge, command);
  return true;
}

bool duplex_judge_finish(struct duplex_judge *judge, uint64_t tck) {
  return refresh_in_time(judge, (int64_t)tck);
}
