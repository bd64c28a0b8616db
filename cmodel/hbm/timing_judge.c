#include "duplex/timing_judge.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define LONG_AGO (INT64_MIN / 4)

static const char *const kind_names[] = {"ACT", "PRE", "REF", "RD", "WR"};

void duplex_judge_start(struct duplex_judge *judge, const struct duplex_dram_timing *timing, bool strict) {
  memset(judge, 0, sizeof *judge);
  judge->timing = *timing;
  judge->strict = strict;
  for (unsigned bundle = 0; bundle < DUPLEX_BUNDLES; bundle++) {
    judge->act[bundle] = LONG_AGO;
    for (unsigned bank = 0; bank < 8; bank++)
      judge->banks[bundle][bank] = (struct duplex_judge_bank){false, 0, LONG_AGO, LONG_AGO, LONG_AGO, LONG_AGO, LONG_AGO, 0};
  }
  judge->column_rd = judge->column_wr = judge->last_row_command = judge->last_column_command = LONG_AGO;
  for (int rank = 0; rank < 2; rank++)
    for (int i = 0; i < 4; i++) judge->window[rank][i] = LONG_AGO;
}

static bool broken(struct duplex_judge *judge, const struct duplex_judge_command *command, const char *rule) {
  snprintf(judge->text, sizeof judge->text, "tCK %" PRIu64 " %s bundle %u: %s", command->tck, kind_names[command->kind],
           command->bundle, rule);
  return false;
}

// True if the command comes at least `least` tCK after `before`.
static bool after(struct duplex_judge *judge, const struct duplex_judge_command *command, int64_t before, unsigned least,
                  const char *rule) {
  const int64_t distance = (int64_t)command->tck - before;
  if (distance >= (int64_t)least) return true;
  snprintf(judge->text, sizeof judge->text, "tCK %" PRIu64 " %s bundle %u: %s is %u, missed by %" PRId64 " tCK", command->tck,
           kind_names[command->kind], command->bundle, rule, least, (int64_t)least - distance);
  return false;
}

static bool bank_act(struct duplex_judge *j, const struct duplex_judge_command *c, const struct duplex_judge_bank *b) {
  const struct duplex_dram_timing *t = &j->timing;
  if (b->open) return broken(j, c, "the bank is open");
  return after(j, c, b->act, t->nRC, "ACT to ACT, nRC") && after(j, c, b->pre, t->nRP, "PRE to ACT, nRP") &&
         after(j, c, b->ref, t->nRFCPB, "REF to ACT, nRFCPB");
}

static bool bank_pre(struct duplex_judge *j, const struct duplex_judge_command *c, const struct duplex_judge_bank *b) {
  const struct duplex_dram_timing *t = &j->timing;
  return after(j, c, b->act, t->nRAS, "ACT to PRE, nRAS") && after(j, c, b->rd, t->nRTP, "RD to PRE, nRTP") &&
         after(j, c, b->wr, t->nCWL + t->nBL + t->nWR, "WR to PRE, nCWL + nBL + nWR") &&
         after(j, c, b->ref, t->nRFCPB, "REF to PRE, nRFCPB");
}

static bool bank_ref(struct duplex_judge *j, const struct duplex_judge_command *c, const struct duplex_judge_bank *b) {
  const struct duplex_dram_timing *t = &j->timing;
  if (b->open) return broken(j, c, "the bank is open");
  return after(j, c, b->pre, t->nRP, "PRE to REF, nRP") && after(j, c, b->ref, t->nRFCPB, "REF to REF, nRFCPB");
}

static bool bank_column(struct duplex_judge *j, const struct duplex_judge_command *c, const struct duplex_judge_bank *b) {
  const struct duplex_dram_timing *t = &j->timing;
  if (!b->open) return broken(j, c, "the bank is closed");
  return c->kind == DUPLEX_JUDGE_RD ? after(j, c, b->act, t->nRCDRD, "ACT to RD, nRCDRD")
                                    : after(j, c, b->act, t->nRCDWR, "ACT to WR, nRCDWR");
}

static bool banks_allow(struct duplex_judge *judge, const struct duplex_judge_command *command) {
  for (unsigned bank = 0; bank < 8; bank++) {
    if (!(command->mask >> bank & 1)) continue;
    const struct duplex_judge_bank *state = &judge->banks[command->bundle][bank];
    bool good = false;
    switch (command->kind) {
      case DUPLEX_JUDGE_ACT:
        good = bank_act(judge, command, state);
        break;
      case DUPLEX_JUDGE_PRE:
        good = bank_pre(judge, command, state);
        break;
      case DUPLEX_JUDGE_REF:
        good = bank_ref(judge, command, state);
        break;
      case DUPLEX_JUDGE_RD:
      case DUPLEX_JUDGE_WR:
        good = bank_column(judge, command, state);
        break;
    }
    if (!good) return false;
  }
  return true;
}

static unsigned count_banks(unsigned mask) { return (unsigned)__builtin_popcount(mask); }

static bool rank_allows_act(struct duplex_judge *judge, const struct duplex_judge_command *command) {
  const unsigned rank = command->bundle / 2, other = command->bundle ^ 1;
  if (!after(judge, command, judge->act[other], judge->timing.nRRDL, "ACT to ACT of the rank, nRRDL")) return false;
  if (!judge->strict) return true;
  const unsigned banks = count_banks(command->mask);
  if (banks > 4) return broken(judge, command, "more than 4 banks at once, nFAW");
  // The bank that was activated 4 - banks + 1 activations ago must have left the window.
  return after(judge, command, judge->window[rank][banks - 1], judge->timing.nFAW, "five bank activations of the rank, nFAW");
}

static unsigned to_other_rank(const struct duplex_judge *judge, int rank_before, unsigned bundle) {
  return rank_before != (int)(bundle / 2) ? judge->timing.nRTR : 0;
}

static bool channel_allows_column(struct duplex_judge *j, const struct duplex_judge_command *c) {
  const struct duplex_dram_timing *t = &j->timing;
  const unsigned rd_switch = to_other_rank(j, j->column_rd_rank, c->bundle),
                 wr_switch = to_other_rank(j, j->column_wr_rank, c->bundle);
  if (c->kind == DUPLEX_JUDGE_RD)
    return after(j, c, j->column_rd, t->nCCDL + rd_switch, "RD to RD, nCCDL + nRTR") &&
           after(j, c, j->column_wr, t->nCWL + t->nBL + t->nWTRL, "WR to RD, nCWL + nBL + nWTRL");
  return after(j, c, j->column_wr, t->nCCDL + wr_switch, "WR to WR, nCCDL + nRTR") &&
         after(j, c, j->column_rd, t->nRTW + rd_switch, "RD to WR, nRTW + nRTR");
}

static bool refresh_in_time(struct duplex_judge *judge, unsigned bundle, uint64_t tck) {
  if (!judge->used[bundle]) return true;
  for (unsigned bank = 0; bank < 8; bank++) {
    const uint64_t due = tck / judge->timing.nREFI, done = judge->banks[bundle][bank].refreshes;
    if (due <= done + judge->timing.nREFMAX) continue;
    snprintf(judge->text, sizeof judge->text, "tCK %" PRIu64 " bundle %u bank %u: %" PRIu64 " refreshes owed, nREFMAX is %u", tck,
             bundle, bank, due - done, judge->timing.nREFMAX);
    return false;
  }
  return true;
}

static bool buses_allow(struct duplex_judge *judge, const struct duplex_judge_command *command) {
  const bool column = command->kind >= DUPLEX_JUDGE_RD;
  const int64_t last = column ? judge->last_column_command : judge->last_row_command;
  return after(judge, command, last, 1, column ? "one column command a tCK" : "one row command a tCK");
}

static bool well_formed(struct duplex_judge *judge, const struct duplex_judge_command *command) {
  const bool column = command->kind >= DUPLEX_JUDGE_RD;
  if (command->bundle >= DUPLEX_BUNDLES) return broken(judge, command, "no such bundle");
  if (command->mask == 0 || command->mask > 0xff) return broken(judge, command, "the mask is not 1 to ff");
  if (command->kind == DUPLEX_JUDGE_ACT && command->address >= DUPLEX_BANK_ROWS) return broken(judge, command, "no such row");
  if (column && command->address >= DUPLEX_COLUMNS) return broken(judge, command, "no such column");
  return true;
}

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
  }
}

static void note(struct duplex_judge *judge, const struct duplex_judge_command *command) {
  const int64_t now = (int64_t)command->tck;
  const unsigned rank = command->bundle / 2;
  judge->used[command->bundle] = true;
  for (unsigned bank = 0; bank < 8; bank++)
    if (command->mask >> bank & 1) note_bank(&judge->banks[command->bundle][bank], command);
  if (command->kind == DUPLEX_JUDGE_ACT) {
    judge->act[command->bundle] = now;
    for (unsigned i = 0; i < count_banks(command->mask); i++) {
      memmove(&judge->window[rank][0], &judge->window[rank][1], 3 * sizeof judge->window[rank][0]);
      judge->window[rank][3] = now;
    }
  } else if (command->kind == DUPLEX_JUDGE_RD) {
    judge->column_rd = now;
    judge->column_rd_rank = (int)rank;
  } else if (command->kind == DUPLEX_JUDGE_WR) {
    judge->column_wr = now;
    judge->column_wr_rank = (int)rank;
  }
  if (command->kind >= DUPLEX_JUDGE_RD) {
    judge->last_column_command = now;
  } else {
    judge->last_row_command = now;
  }
}

bool duplex_judge_take(struct duplex_judge *judge, const struct duplex_judge_command *command) {
  if (!well_formed(judge, command) || !buses_allow(judge, command) || !banks_allow(judge, command)) return false;
  if (command->kind == DUPLEX_JUDGE_ACT && !rank_allows_act(judge, command)) return false;
  if (command->kind >= DUPLEX_JUDGE_RD && !channel_allows_column(judge, command)) return false;
  if (!refresh_in_time(judge, command->bundle, command->tck)) return false;
  note(judge, command);
  return true;
}

bool duplex_judge_finish(struct duplex_judge *judge, uint64_t tck) {
  for (unsigned bundle = 0; bundle < DUPLEX_BUNDLES; bundle++)
    if (!refresh_in_time(judge, bundle, tck)) return false;
  return true;
}

int duplex_judge_print(FILE *file, unsigned channel, const struct duplex_judge_command *command) {
  const bool addressed = command->kind == DUPLEX_JUDGE_ACT || command->kind >= DUPLEX_JUDGE_RD;
  if (addressed)
    return fprintf(file, "%" PRIu64 " %u %s %u %x %u\n", command->tck, channel, kind_names[command->kind], command->bundle,
                   command->mask, command->address);
  return fprintf(file, "%" PRIu64 " %u %s %u %x\n", command->tck, channel, kind_names[command->kind], command->bundle,
                 command->mask);
}

bool duplex_judge_parse(const char *line, unsigned *channel, struct duplex_judge_command *command) {
  char name[8], rest[2];
  memset(command, 0, sizeof *command);
  const int fields = sscanf(line, "%" SCNu64 " %u %7s %u %x %u %1s", &command->tck, channel, name, &command->bundle,
                            &command->mask, &command->address, rest);
  for (int kind = DUPLEX_JUDGE_ACT; kind <= DUPLEX_JUDGE_WR; kind++) {
    if (strcmp(name, kind_names[kind]) != 0) continue;
    command->kind = (enum duplex_judge_kind)kind;
    return fields == (kind == DUPLEX_JUDGE_PRE || kind == DUPLEX_JUDGE_REF ? 5 : 6);
  }
  return false;
}

bool duplex_judge_preset(FILE *file, struct duplex_dram_timing *timing, const char **error) {
  char line[256], name[32];
  unsigned seen = 0, value;
  memset(timing, 0, sizeof *timing);
  timing->name = "file";
  while (fgets(line, sizeof line, file)) {
    if (line[0] == '#' || line[strspn(line, " \t\r\n")] == 0) continue;
    if (sscanf(line, "%31s %u", name, &value) != 2) {
      *error = "expected lines of a name and a number";
      return false;
    }
    bool known = false;
#define FIELD(field)               \
  if (strcmp(name, #field) == 0) { \
    timing->field = value;         \
    known = true;                  \
  }
    DUPLEX_DRAM_FIELDS(FIELD)
#undef FIELD
    if (!known) {
      *error = "a name that is no timing parameter";
      return false;
    }
    seen++;
  }
#define COUNT(field) +1
  if (seen != 0 DUPLEX_DRAM_FIELDS(COUNT)) {
    *error = "a timing parameter is missing or given twice";
    return false;
  }
#undef COUNT
  return true;
}
