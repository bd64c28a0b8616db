// SPDX-License-Identifier: Apache-2.0
// Judge of DRAM timing: takes the commands of one channel in order of time and names the first rule that one
// breaks.
//
// Knows nothing but the commands and a preset; the rules are those of docs/architecture.md ("DRAM commands
// and timing rules"). Constant work for each command. A command that is refused leaves the judge as it was.
#ifndef DUPLEX_TIMING_JUDGE_H
#define DUPLEX_TIMING_JUDGE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "duplex/dram_presets.h"
#include "duplex/params.h"

#ifdef __cplusplus
extern "C" {
#endif

// REFAB: all banks of a rank (bundle names one of its two), by the xPU only. OWNER: from now on the bundles
// of the mask are Logic-PIM's, the others the xPU's; until the first one all are Logic-PIM's.
enum duplex_judge_kind {
  DUPLEX_JUDGE_ACT,
  DUPLEX_JUDGE_PRE,
  DUPLEX_JUDGE_REF,
  DUPLEX_JUDGE_RD,
  DUPLEX_JUDGE_WR,
  DUPLEX_JUDGE_REFAB,
  DUPLEX_JUDGE_OWNER
};

struct duplex_judge_command {
  uint64_t tck;
  enum duplex_judge_kind kind;
  unsigned bundle;   // 0 to 3
  unsigned mask;     // bit j = bank j of the bundle, 1 to 0xff
  unsigned address;  // ACT: row; RD, WR: column
  bool xpu;          // an ordinary command of the xPU, to one bank
};

struct duplex_judge_bank {
  bool open;
  uint32_t row;
  int64_t act, pre, ref, refab, rd, wr;  // times of the last ones
  bool xpu_rd;                           // the last read was the xPU's
  uint64_t refreshes;
};

// The fields are the judge's own; `text` and `banks` may be read.

struct duplex_judge {
  struct duplex_dram_timing timing;
  bool strict;
  bool used[DUPLEX_BUNDLES];
  struct duplex_judge_bank banks[DUPLEX_BUNDLES][8];
  unsigned owner;  // bundles of Logic-PIM
  int64_t now;     // time of the last command
  // Each side has buses of its own: Logic-PIM, the xPU.
  struct duplex_judge_side {
    int64_t row_command, column_command, pre;
    int64_t rank_act[2], group_act[2][4];  // a rank's last ACT, a bank group's
    int64_t column_rd, column_wr, group_column[2][4], group_wr[2][4];
    unsigned column_rd_rank, column_wr_rank;
    int64_t data_end;      // when the data of the last column command have left the bus
    int64_t window[2][4];  // last four bank activations of each rank, oldest first
  } side[2];
  int64_t refresh_limit;  // last tCK at which no bundle in use has waited too long for its refresh
  int64_t window[2][4];   // bank activations of both sides, rule strict
  int64_t rank_ref[2];    // last REF of a bank of the rank, of either side
  char text[160];         // of the violation
};

void duplex_judge_start(struct duplex_judge *judge, const struct duplex_dram_timing *timing, bool strict);

// True if the command is legal. False: judge->text names the rule and by how many tCK it is missed.
bool duplex_judge_take(struct duplex_judge *judge, const struct duplex_judge_command *command);

// The refreshes of the last nREFI, one of each bank, come `count` times more, nREFI after each other, as the
// xPU's: what duplex_judge_take would do with each of these commands. False, with a text: other commands were
// among them, or a repeated one breaks a rule.
bool duplex_judge_repeat(struct duplex_judge *judge, uint64_t count);

// True if no bundle in use has waited too long for its refresh at this time.
bool duplex_judge_finish(struct duplex_judge *judge, uint64_t tck);

// The text form of a command: `tCK channel KIND bundle mask [row or column]`. Returns 0, or a negative number
// if the file refuses it.
int duplex_judge_print(FILE *file, unsigned channel, const struct duplex_judge_command *command);

// The first and the last line of a text that a stack writes: comments, so that every reader passes over them.
// The last one says how many commands there are; a text that begins so and does not end so was cut off.
void duplex_judge_print_start(FILE *file);
void duplex_judge_print_end(FILE *file, uint64_t commands);
bool duplex_judge_is_start(const char *line);
bool duplex_judge_is_end(const char *line, uint64_t *commands);

// True if the line holds nothing, or a comment only; a `#` begins one.
bool duplex_judge_is_blank(const char *line);

// Reads one line of that form; false if it is none.
bool duplex_judge_parse(const char *line, unsigned *channel, struct duplex_judge_command *command);

// Reads the text of a preset (`name value comment` lines); false and *error with a constant text if it is not
// one.
bool duplex_judge_preset(FILE *file, struct duplex_dram_timing *timing, const char **error);

#ifdef __cplusplus
}
#endif
#endif
