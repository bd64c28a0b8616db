// SPDX-License-Identifier: Apache-2.0
// Timing judge: each rule by a pair of traces, legal by 0 tCK and illegal by 1, with times worked out by hand
// for HBM3 at 5.2 Gb/s; random traces against a second judge that keeps the whole history and looks at all
// pairs of bank commands.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// clang-format off: after what it needs
#include <cmocka.h>
// clang-format on

#include "duplex/random.h"
#include "duplex/timing_judge.h"
#include "tests/common/environment.h"

#define LENGTH(array) (sizeof(array) / sizeof *(array))

// The preset of the paper, written down a second time.
static const struct duplex_dram_timing hbm3 = {.name = "test",
                                               .tCK_ps = 769,
                                               .nBL = 2,
                                               .nCL = 19,
                                               .nCWL = 6,
                                               .nRCDRD = 19,
                                               .nRCDWR = 19,
                                               .nRP = 19,
                                               .nRAS = 45,
                                               .nRC = 63,
                                               .nWR = 21,
                                               .nRTP = 6,
                                               .nRTPL = 8,
                                               .nCCDS = 2,
                                               .nCCDL = 4,
                                               .nRRDS = 2,
                                               .nRRDL = 4,
                                               .nRREFD = 11,
                                               .nPPD = 2,
                                               .nWTRS = 8,
                                               .nWTRL = 11,
                                               .nRTW = 17,
                                               .nFAW = 39,
                                               .nRTR = 0,
                                               .nREFI = 5070,
                                               .nRFC = 455,
                                               .nRFCPB = 260,
                                               .nREFMAX = 8};

static void take_text(struct duplex_judge *judge, const char *trace) {
  char copy[1024], *rest = NULL;
  snprintf(copy, sizeof copy, "%s", trace);
  for (char *line = strtok_r(copy, ";", &rest); line; line = strtok_r(NULL, ";", &rest)) {
    struct duplex_judge_command command;
    unsigned channel;
    assert_true(duplex_judge_parse(line, &channel, &command));
    if (!duplex_judge_take(judge, &command)) fail_msg("%s: %s", line, judge->text);
  }
}

static bool take_last(struct duplex_judge *judge, const char *trace, long tck, const char *last) {
  char line[100];
  struct duplex_judge_command command;
  unsigned channel;
  take_text(judge, trace);
  snprintf(line, sizeof line, "%ld 0 %s", tck, last);
  assert_true(duplex_judge_parse(line, &channel, &command));
  return duplex_judge_take(judge, &command);
}

// After `trace`, `last` is legal at `limit`, and one tCK earlier (later, if `latest`) breaks the rule whose
// text has `rule`.
struct pair {
  const char *trace;
  const char *last;
  long limit;
  const char *rule;
  bool latest, strict;
  const char *field;  // preset value that differs, so that no other rule hides this one
  unsigned value;
};

#define XPU "0 0 OWNER 0 0; "
#define MIXED "0 0 OWNER 0 2; "
#define TWO_GROUPS "0 0 XACT 0 01 5; 2 0 XACT 0 02 5; "
#define SAME_GROUP "0 0 XACT 0 01 5; 4 0 XACT 0 10 5; "
#define TWO_RANKS "0 0 XACT 0 01 5; 4 0 XACT 2 02 5; "

static const struct pair pairs[] = {
    {"0 0 ACT 0 ff 5; 40 0 PRE 0 ff", "ACT 0 ff 6", 63, .rule = "nRC", .field = "nRAS", .value = 40},
    {"0 0 ACT 0 ff 5", "ACT 1 ff 6", 4, .rule = "nRRDL"},
    {"0 0 ACT 2 0f 5", "ACT 2 f0 6", 4, .rule = "nRRDL"},
    {"0 0 ACT 0 ff 5", "RD 0 ff 0", 19, .rule = "nRCDRD"},
    {"0 0 ACT 0 ff 5", "WR 0 ff 0", 15, .rule = "nRCDWR", .field = "nRCDWR", .value = 15},
    {"0 0 ACT 0 ff 5", "PRE 0 ff", 45, .rule = "nRAS"},
    {"0 0 ACT 0 ff 5; 100 0 PRE 0 ff", "ACT 0 ff 6", 119, .rule = "nRP"},
    {"0 0 ACT 0 ff 5; 100 0 PRE 0 ff", "REF 0 ff", 119, .rule = "nRP"},
    {"0 0 ACT 0 ff 5; 100 0 RD 0 ff 0", "RD 0 ff 31", 104, .rule = "RD to RD, nCCDL"},
    {"0 0 ACT 0 ff 5; 4 0 ACT 1 ff 5; 100 0 RD 0 ff 0", "RD 1 ff 31", 104, .rule = "RD to RD",
     .field = "nRTR", .value = 3},
    {"0 0 ACT 0 ff 5; 4 0 ACT 2 ff 5; 100 0 RD 0 ff 0", "RD 2 ff 31", 107, .rule = "RD to RD",
     .field = "nRTR", .value = 3},
    {"0 0 ACT 0 ff 5; 100 0 WR 0 ff 0", "WR 0 ff 31", 104, .rule = "WR to WR, nCCDL"},
    {"0 0 ACT 1 ff 5; 4 0 ACT 3 ff 5; 100 0 WR 1 ff 0", "WR 3 ff 31", 107, .rule = "WR to WR",
     .field = "nRTR", .value = 3},
    {"0 0 ACT 0 ff 5; 100 0 RD 0 ff 0", "WR 0 ff 31", 117, .rule = "RD to WR, nRTW"},
    {"0 0 ACT 0 ff 5; 4 0 ACT 2 ff 5; 100 0 RD 0 ff 0", "WR 2 ff 31", 120, .rule = "RD to WR",
     .field = "nRTR", .value = 3},
    {"0 0 ACT 0 ff 5; 100 0 WR 0 ff 0", "RD 0 ff 31", 119, .rule = "nWTRL"},
    {"0 0 ACT 0 ff 5; 100 0 WR 0 ff 0; 104 0 WR 0 ff 1", "RD 0 ff 31", 123, .rule = "nWTRL"},
    {"0 0 ACT 0 ff 5; 100 0 RD 0 ff 0", "WR 0 ff 31", 117, .rule = "data on the bus", .field = "nRTW",
     .value = 4},
    {"0 0 ACT 0 ff 5; 100 0 RD 0 ff 0", "PRE 0 ff", 106, .rule = "nRTP"},
    {"0 0 ACT 0 ff 5; 100 0 WR 0 ff 0", "PRE 0 ff", 129, .rule = "nWR"},
    {"0 0 ACT 0 ff 5; 40 0 PRE 0 ff", "REF 0 ff", 63, .rule = "nRC", .field = "nRAS", .value = 40},
    {"0 0 ACT 0 ff 5; 4 0 ACT 1 ff 5; 100 0 PRE 0 ff", "PRE 1 ff", 102, .rule = "nPPD"},
    {"0 0 ACT 0 ff 5", "REF 1 ff", 4, .rule = "nRRDL"},
    {"0 0 REF 0 ff", "REF 1 ff", 11, .rule = "nRREFD"},
    {"0 0 REF 3 0f", "REF 3 f0", 11, .rule = "nRREFD"},
    {"0 0 REF 2 ff", "ACT 3 ff 5", 11, .rule = "nRREFD"},
    {"10 0 REF 3 ff", "ACT 3 ff 1", 270, .rule = "nRFCPB"},
    {"10 0 REF 3 ff", "REF 3 ff", 270, .rule = "nRFCPB"},
    {"10 0 REF 3 ff", "PRE 3 ff", 270, .rule = "nRFCPB"},
    {"10 0 REF 3 01", "ACT 3 01 1", 270, .rule = "nRFCPB"},
    {"0 0 ACT 0 ff 5", "RD 0 ff 0", 45629, .rule = "waits for REF", .latest = true},
    {"0 0 ACT 1 ff 5; 2 0 PRE 2 ff", "RD 1 ff 0", 45629, .rule = "waits for REF", .latest = true},
    {"0 0 REF 0 ff", "PRE 0 ff", 45630, .rule = "waits for REF", .latest = true},
    {"0 0 REF 0 ff; 300 0 REF 0 ff; 600 0 REF 0 ff", "REF 0 ff", 46230, .rule = "waits for REF",
     .latest = true},
    {"0 0 REF 0 ff; 45600 0 REF 0 7f", "REF 0 80", 45630, .rule = "waits for REF", .latest = true},
    {"0 0 ACT 0 0f 5", "ACT 0 f0 5", 39, .rule = "nFAW", .strict = true},
    {"0 0 ACT 0 0f 5", "ACT 1 01 5", 39, .rule = "nFAW", .strict = true},
    {"0 0 ACT 2 03 5; 10 0 ACT 3 03 5", "ACT 2 30 5", 39, .rule = "nFAW", .strict = true},
    {"0 0 ACT 2 03 5; 10 0 ACT 3 03 5", "ACT 2 70 5", 49, .rule = "nFAW", .strict = true},
    {"0 0 ACT 0 01 5; 4 0 ACT 0 02 5; 8 0 ACT 0 04 5; 12 0 ACT 0 08 5", "ACT 0 10 5", 39, .rule = "nFAW",
     .strict = true},
    {"7 0 ACT 0 ff 5", "ACT 2 ff 5", 8, .rule = "one row command"},
    {"0 0 ACT 0 ff 5; 99 0 RD 0 ff 0", "RD 0 ff 1", 100, .rule = "one column command", .field = "nCCDL",
     .value = 1},
    // The xPU: ordinary commands to single banks; bank j lies in bank group j mod 4.
    {XPU "0 0 XACT 0 01 5; 40 0 XPRE 0 01", "XACT 0 01 6", 63, .rule = "nRC", .field = "nRAS", .value = 40},
    {XPU "0 0 XACT 0 01 5", "XACT 0 02 5", 2, .rule = "nRRDS"},
    {XPU "0 0 XACT 0 01 5", "XACT 1 02 5", 2, .rule = "nRRDS"},
    {XPU "0 0 XACT 0 01 5", "XACT 0 10 5", 4, .rule = "nRRDL"},
    {XPU "0 0 XACT 2 02 5", "XACT 3 20 5", 4, .rule = "nRRDL"},
    {XPU "0 0 XACT 0 01 5; 2 0 XACT 0 02 5; 4 0 XACT 1 04 5; 6 0 XACT 1 08 5", "XACT 0 10 5", 39,
     .rule = "nFAW"},
    {XPU "0 0 XACT 0 01 5", "XRD 0 01 0", 19, .rule = "nRCDRD"},
    {XPU "0 0 XACT 0 01 5", "XWR 0 01 0", 15, .rule = "nRCDWR", .field = "nRCDWR", .value = 15},
    {XPU "0 0 XACT 0 01 5", "XPRE 0 01", 45, .rule = "nRAS"},
    {XPU "0 0 XACT 0 01 5; 100 0 XPRE 0 01", "XACT 0 01 6", 119, .rule = "nRP"},
    {XPU "0 0 XACT 0 01 5; 100 0 XPRE 0 01", "XREF 0 01", 119, .rule = "nRP"},
    {XPU "0 0 XACT 0 01 5; 100 0 XPRE 0 01", "XREFAB 1 ff", 119, .rule = "nRP"},
    {XPU TWO_GROUPS "100 0 XRD 0 01 0", "XRD 0 02 0", 102, .rule = "RD to RD, nCCDS"},
    {XPU SAME_GROUP "100 0 XRD 0 01 0", "XRD 0 10 0", 104, .rule = "nCCDL"},
    {XPU SAME_GROUP "100 0 XRD 0 01 0", "XRD 0 01 1", 104, .rule = "nCCDL"},
    {XPU TWO_GROUPS "100 0 XWR 0 01 0", "XWR 0 02 0", 102, .rule = "WR to WR, nCCDS"},
    {XPU SAME_GROUP "100 0 XWR 0 01 0", "XWR 0 10 0", 104, .rule = "nCCDL"},
    {XPU TWO_RANKS "100 0 XRD 0 01 0", "XRD 2 02 0", 105, .rule = "RD to RD", .field = "nRTR", .value = 3},
    {XPU TWO_RANKS "100 0 XWR 0 01 0", "XWR 2 02 0", 105, .rule = "WR to WR", .field = "nRTR", .value = 3},
    {XPU TWO_GROUPS "100 0 XRD 0 01 0", "XWR 0 02 0", 117, .rule = "RD to WR, nRTW"},
    {XPU TWO_RANKS "100 0 XRD 0 01 0", "XWR 2 02 0", 120, .rule = "RD to WR", .field = "nRTR", .value = 3},
    {XPU TWO_GROUPS "100 0 XRD 0 01 0", "XWR 0 02 0", 115, .rule = "data on the bus", .field = "nRTW",
     .value = 4},
    {XPU TWO_GROUPS "100 0 XWR 0 01 0", "XRD 0 02 0", 116, .rule = "nWTRS"},
    {XPU SAME_GROUP "100 0 XWR 0 01 0", "XRD 0 10 0", 119, .rule = "nWTRL"},
    {XPU "0 0 XACT 0 01 5; 100 0 XRD 0 01 0", "XPRE 0 01", 108, .rule = "nRTPL"},
    {XPU TWO_GROUPS "100 0 XPRE 0 01", "XPRE 0 02", 102, .rule = "nPPD"},
    {XPU "0 0 XACT 0 01 5", "XREF 1 02", 2, .rule = "nRRDS"},
    {XPU "0 0 XACT 0 01 5", "XREF 1 10", 4, .rule = "nRRDL"},
    {XPU "0 0 XREF 0 01", "XREF 0 02", 11, .rule = "nRREFD"},
    {XPU "0 0 XREF 2 01", "XACT 3 02 5", 11, .rule = "nRREFD"},
    {XPU "0 0 XACT 0 01 5; 100 0 XWR 0 01 0", "XPRE 0 01", 129, .rule = "nWR"},
    {XPU "10 0 XREF 3 04", "XACT 3 04 1", 270, .rule = "nRFCPB"},
    {XPU "10 0 XREF 3 04", "XREF 3 04", 270, .rule = "nRFCPB"},
    {XPU "10 0 XREF 3 04", "XREFAB 2 ff", 270, .rule = "nRFCPB"},
    {XPU "10 0 XREFAB 0 ff", "XACT 0 01 5", 465, .rule = "nRFC"},
    {XPU "10 0 XREFAB 0 ff", "XACT 1 80 5", 465, .rule = "nRFC"},
    {XPU "10 0 XREFAB 3 ff", "XPRE 2 01", 465, .rule = "nRFC"},
    {XPU "10 0 XREFAB 0 ff", "XREF 1 80", 465, .rule = "nRFC"},
    {XPU "10 0 XREFAB 0 ff", "XREFAB 1 ff", 465, .rule = "nRFC"},
    {XPU "0 0 XREFAB 0 ff", "XPRE 1 01", 45630, .rule = "waits for REF", .latest = true},
    {XPU "0 0 XREF 0 01", "XPRE 0 01", 45629, .rule = "waits for REF", .latest = true},
    {XPU "7 0 XACT 0 01 5", "XACT 2 01 5", 8, .rule = "one row command"},
    // Both sides in one rank; with rule strict; and a hand-over, which carries the refreshes owed.
    {MIXED "0 0 ACT 1 ff 5", "XACT 0 01 5", 4, .rule = "nRRDL"},
    {MIXED "0 0 XACT 0 01 5", "ACT 1 ff 5", 4, .rule = "nRRDL"},
    {MIXED "0 0 ACT 1 ff 5", "XREF 0 01", 4, .rule = "nRRDL"},
    {MIXED "0 0 XACT 0 01 5", "REF 1 ff", 4, .rule = "nRRDL"},
    {MIXED "0 0 REF 1 ff", "XREF 0 01", 11, .rule = "nRREFD"},
    {MIXED "0 0 XREF 0 01", "REF 1 ff", 11, .rule = "nRREFD"},
    {MIXED "0 0 REF 1 ff", "XACT 0 01 5", 11, .rule = "nRREFD"},
    {MIXED "0 0 XREF 0 01", "ACT 1 ff 5", 11, .rule = "nRREFD"},
    {"0 0 OWNER 0 2; 0 0 ACT 1 0f 5", "XACT 0 01 5", 39, .rule = "nFAW", .strict = true},
    {"0 0 OWNER 0 2; 0 0 XACT 0 01 5", "ACT 1 0f 5", 39, .rule = "nFAW", .strict = true},
    {"0 0 REF 0 ff; 300 0 OWNER 0 e; 300 0 XREF 0 01", "XPRE 0 01", 45630, .rule = "waits for REF",
     .latest = true},
};

static void change(struct duplex_dram_timing *timing, const char *name, unsigned value) {
#define FIELD(field) \
  if (name && strcmp(name, #field) == 0) timing->field = value;
  DUPLEX_DRAM_FIELDS(FIELD)
#undef FIELD
}

static void test_pairs(void **state) {
  (void)state;
  for (size_t i = 0; i < LENGTH(pairs); i++) {
    const struct pair *pair = &pairs[i];
    struct duplex_dram_timing timing = hbm3;
    struct duplex_judge judge;
    change(&timing, pair->field, pair->value);
    duplex_judge_start(&judge, &timing, pair->strict);
    if (!take_last(&judge, pair->trace, pair->limit, pair->last))
      fail_msg("pair %zu, legal: %s", i, judge.text);
    duplex_judge_start(&judge, &timing, pair->strict);
    if (take_last(&judge, pair->trace, pair->limit + (pair->latest ? 1 : -1), pair->last))
      fail_msg("pair %zu: %s is not found", i, pair->rule);
    if (!strstr(judge.text, pair->rule) || !strstr(judge.text, "missed by 1 tCK"))
      fail_msg("pair %zu: %s", i, judge.text);
  }
}

// Commands that the state forbids at any time, with the legal neighbour beside them.
static const struct {
  const char *trace, *legal, *illegal, *rule;
  bool strict;
} states[] = {
    {"0 0 ACT 0 ff 5", "RD 0 ff 0", "RD 1 ff 0", "closed", false},
    {"0 0 ACT 0 0f 5", "RD 0 0f 0", "RD 0 1f 0", "closed", false},
    {"0 0 ACT 0 ff 5; 50 0 PRE 0 0f", "WR 0 f0 0", "WR 0 f8 0", "closed", false},
    {"0 0 ACT 0 0f 5; 4 0 ACT 0 f0 6", "RD 0 f0 0", "RD 0 ff 0", "different rows", false},
    {"0 0 ACT 0 0f 5", "ACT 0 f0 5", "ACT 0 18 5", "the bank is open", false},
    {"0 0 ACT 0 0f 5", "REF 0 f0", "REF 0 f8", "the bank is open", false},
    {"0 0 ACT 0 ff 5", "RD 0 ff 31", "RD 0 ff 32", "no such column", false},
    {"0 0 ACT 0 ff 5", "ACT 1 ff 16383", "ACT 1 ff 16384", "no such row", false},
    {"0 0 ACT 0 ff 5", "PRE 3 ff", "PRE 4 ff", "no such bundle", false},
    {"0 0 ACT 0 ff 5", "PRE 0 01", "PRE 0 0", "the mask", false},
    {"0 0 ACT 0 ff 5", "PRE 0 ff", "PRE 0 100", "the mask", false},
    {"0 0 PRE 0 ff", "ACT 0 0f 5", "ACT 0 1f 5", "more than 4 banks", true},
    {"0 0 OWNER 0 e", "ACT 1 ff 5", "ACT 0 ff 5", "a bundle of the xPU", false},
    {"0 0 OWNER 0 e", "REF 3 ff", "REF 0 ff", "a bundle of the xPU", false},
    {"0 0 OWNER 0 e", "XACT 0 01 5", "XACT 1 01 5", "a bundle of Logic-PIM", false},
    {"0 0 OWNER 0 e; 5 0 XACT 0 01 5; 50 0 OWNER 0 f", "XPRE 0 01", "XRD 0 01 0", "a bundle of Logic-PIM",
     false},
    {"0 0 ACT 0 ff 5; 50 0 OWNER 0 0", "PRE 0 ff", "RD 0 ff 0", "a bundle of the xPU", false},
    {"0 0 OWNER 0 3", "XREFAB 2 ff", "XREFAB 0 ff", "a bundle of Logic-PIM", false},
    {"0 0 OWNER 0 7", "XREF 3 01", "XREFAB 3 ff", "a bundle of Logic-PIM", false},
    {"0 0 OWNER 0 0", "XACT 0 80 5", "XACT 0 81 5", "one bank", false},
    {"0 0 OWNER 0 0", "XREFAB 0 ff", "REFAB 0 ff", "no whole rank", false},
    {"0 0 OWNER 0 0; 0 0 XACT 1 08 5", "XREFAB 2 ff", "XREFAB 0 ff", "the bank is open", false},
    {"0 0 OWNER 0 0; 0 0 XACT 1 08 5", "XWR 1 08 0", "XWR 1 04 0", "closed", false},
    {"0 0 OWNER 0 0", "OWNER 0 f", "OWNER 0 10", "the mask is not 0 to f", false},
};

static void test_states(void **state) {
  (void)state;
  for (size_t i = 0; i < LENGTH(states); i++) {
    struct duplex_judge judge;
    duplex_judge_start(&judge, &hbm3, states[i].strict);
    if (!take_last(&judge, states[i].trace, 500, states[i].legal))
      fail_msg("state %zu, legal: %s", i, judge.text);
    duplex_judge_start(&judge, &hbm3, states[i].strict);
    if (take_last(&judge, states[i].trace, 500, states[i].illegal))
      fail_msg("state %zu: %s is not found", i, states[i].rule);
    if (!strstr(judge.text, states[i].rule)) fail_msg("state %zu: %s", i, judge.text);
  }
}

// Rules that do not apply: other rank, other bus, unused bundles, PRE of a closed bank.
static void test_no_rule(void **state) {
  (void)state;
  struct duplex_judge judge;
  duplex_judge_start(&judge, &hbm3, false);
  take_text(&judge,
            "0 0 ACT 0 ff 5; 1 0 ACT 2 ff 5; 19 0 RD 0 ff 1; 23 0 RD 2 ff 1; 23 0 PRE 1 ff; 24 0 ACT 1 ff 9; "
            "25 0 PRE 3 0f; "
            "26 0 ACT 3 ff 16383; 43 0 RD 1 ff 31");
  assert_false(take_last(&judge, "60 0 PRE 2 ff", 59, "RD 0 ff 0"));
  assert_non_null(strstr(judge.text, "earlier than the command before it"));
  duplex_judge_start(&judge, &hbm3, false);  // the sides have buses of their own, on a rank too
  take_text(
      &judge,
      "0 0 OWNER 0 2; 0 0 ACT 1 ff 5; 4 0 XACT 0 01 5; 6 0 XACT 0 02 5; 100 0 RD 1 ff 0; 100 0 XRD 0 01 0; "
      "102 0 XRD 0 02 0; "
      "104 0 RD 1 ff 1; 104 0 XRD 0 01 1; 200 0 PRE 1 ff; 200 0 XPRE 0 01; 201 0 XREF 2 01; 219 0 REF 1 ff");
  assert_true(duplex_judge_finish(&judge, 45629));
  assert_false(duplex_judge_finish(&judge, 45630));
  assert_non_null(strstr(judge.text, "missed by 1 tCK"));
}

// --- a second judge: the whole history, all pairs of bank commands ---

#define HISTORY 80
enum {
  ACT = DUPLEX_JUDGE_ACT,
  PRE = DUPLEX_JUDGE_PRE,
  REF = DUPLEX_JUDGE_REF,
  RD = DUPLEX_JUDGE_RD,
  WR = DUPLEX_JUDGE_WR
};

static bool is_column(int kind) { return kind == RD || kind == WR; }

struct event {
  int64_t tck;
  int kind, bundle, mask, address;
  bool xpu;
};

// Least distance of two commands to one bank; -1: no rule.
static int same_bank(const struct duplex_dram_timing *t, int before, int now, bool xpu_before) {
  if (before == ACT)
    return now == ACT || now == REF ? (int)t->nRC
           : now == PRE             ? (int)t->nRAS
           : now == RD              ? (int)t->nRCDRD
           : now == WR              ? (int)t->nRCDWR
                                    : -1;
  if (before == PRE) return now == ACT || now == REF ? (int)t->nRP : -1;
  if (before == REF) return now == ACT || now == PRE || now == REF ? (int)t->nRFCPB : -1;
  if (before == RD) return now == PRE ? (int)(xpu_before ? t->nRTPL : t->nRTP) : -1;
  return now == PRE ? (int)(t->nCWL + t->nBL + t->nWR) : -1;
}

static int group_of_mask(int mask) { return __builtin_ctz((unsigned)mask) % 4; }

static bool same_group(const struct event *a, const struct event *b) {
  return a->bundle / 2 == b->bundle / 2 && group_of_mask(a->mask) == group_of_mask(b->mask);
}

// Ordinary column commands: short and long distances.
static int same_xpu_channel(const struct duplex_dram_timing *t, const struct event *before,
                            const struct event *now) {
  const bool group = same_group(before, now);
  const int rank_switch = before->bundle / 2 != now->bundle / 2 ? (int)t->nRTR : 0;
  const int column = group ? (int)t->nCCDL : 0;
  int least;
  if (before->kind == now->kind) {
    least = (int)t->nCCDS + rank_switch;
  } else if (before->kind == RD) {
    least = (int)t->nRTW + rank_switch;
  } else {
    least = (int)(t->nCWL + t->nBL + (group ? t->nWTRL : t->nWTRS));
  }
  return least > column ? least : column;
}

static int same_channel(const struct duplex_dram_timing *t, const struct event *one,
                        const struct event *other) {
  const int before = one->kind;
  const int now = other->kind;
  if (!is_column(before) || !is_column(now)) return -1;
  if (other->xpu) return same_xpu_channel(t, one, other);
  const int rank_switch = one->bundle / 2 != other->bundle / 2 ? (int)t->nRTR : 0;
  if (before == RD) return (now == RD ? (int)t->nCCDL : (int)t->nRTW) + rank_switch;
  return now == WR ? (int)t->nCCDL + rank_switch : (int)(t->nCWL + t->nBL + t->nWTRL);
}

// Row that is open in the bank, -1: none; *closed_by: index of the PRE that did something, to tell it from
// one that did not.
static int row_of(const struct event *history, int count, int bundle, int bank) {
  int row = -1;
  for (int i = 0; i < count; i++)
    if (history[i].bundle == bundle && history[i].mask >> bank & 1) {
      if (history[i].kind == ACT) row = history[i].address;
      if (history[i].kind == PRE) row = -1;
    }
  return row;
}

static bool bank_pair_legal(const struct duplex_dram_timing *t, const struct event *history, int i,
                            const struct event *now, int bank) {
  if (history[i].bundle != now->bundle || !(history[i].mask >> bank & 1)) return true;
  if (history[i].kind == PRE && row_of(history, i, now->bundle, bank) < 0) return true;  // it closed nothing
  return now->tck - history[i].tck >= same_bank(t, history[i].kind, now->kind, history[i].xpu);
}

// Least distance of two ACTs or REFs to one rank, of either side.
static int same_rank_rows(const struct duplex_dram_timing *t, const struct event *before,
                          const struct event *now) {
  if (now->kind != ACT && now->kind != REF) return -1;
  if (before->kind == REF) return (int)t->nRREFD;
  if (before->kind != ACT) return -1;
  return (int)(before->xpu && now->xpu && !same_group(before, now) ? t->nRRDS : t->nRRDL);
}

static bool all_pairs_legal(const struct duplex_dram_timing *t, const struct event *history, int count,
                            const struct event *now, bool strict, unsigned owner) {
  int same_row = -2;
  int activations = 0;
  int own_activations = 0;
  if (now->kind != PRE && (owner >> now->bundle & 1) == now->xpu) return false;
  for (int bank = 0; bank < 8; bank++) {
    if (!(now->mask >> bank & 1)) continue;
    const int row = row_of(history, count, now->bundle, bank);
    if ((now->kind == ACT || now->kind == REF) && row >= 0) return false;
    if (is_column(now->kind) && (row < 0 || (same_row != -2 && row != same_row))) return false;
    same_row = row;
    activations++, own_activations++;
    for (int i = 0; i < count; i++)
      if (!bank_pair_legal(t, history, i, now, bank)) return false;
  }
  for (int i = 0; i < count; i++) {
    const struct event *before = &history[i];
    const bool same_rank = before->bundle / 2 == now->bundle / 2;
    if (before->xpu == now->xpu) {
      if (now->tck - before->tck < same_channel(t, before, now)) return false;
      if (is_column(before->kind) == is_column(now->kind) && before->tck == now->tck) return false;
    }
    if (before->kind == PRE && now->kind == PRE && now->xpu == before->xpu &&
        now->tck - before->tck < (int)t->nPPD)
      return false;
    if (same_rank && now->tck - before->tck < same_rank_rows(t, before, now)) return false;
    if (before->kind == ACT && now->kind == ACT && same_rank) {
      const int banks =
          now->tck - before->tck < (int)t->nFAW ? __builtin_popcount((unsigned)before->mask) : 0;
      activations += banks;
      if (before->xpu == now->xpu) own_activations += banks;
    }
  }
  return now->kind != ACT || ((!strict || activations <= 4) && (!now->xpu || own_activations <= 4));
}

static struct event random_event(struct duplex_random *random, int64_t last, unsigned owner) {
  static const uint8_t masks[] = {0xff, 0xff, 0xff, 0xff, 0x0f, 0xf0, 0x3c, 0x01, 0x80};
  static const uint8_t gaps[] = {1, 2, 4, 4, 6, 17, 19, 19, 29, 39, 45, 63, 130, 250};
  int64_t gap = gaps[duplex_random_below(random, LENGTH(gaps))] + (int64_t)duplex_random_below(random, 3) - 1;
  const int bundle = (int)duplex_random_below(random, 4);
  const bool wrong = duplex_random_below(random, 20) == 0;
  const bool xpu = (owner >> bundle & 1) == wrong;
  const int mask =
      xpu ? 1 << duplex_random_below(random, 6) : masks[duplex_random_below(random, LENGTH(masks))];
  if (owner != 15 && duplex_random_below(random, 2)) gap = (int64_t)duplex_random_below(random, 5);
  return (struct event){last + gap, (int)duplex_random_below(random, WR + 1), bundle,
                        mask,       (int)duplex_random_below(random, 2),      xpu};
}

static void random_trace(uint64_t seed, uint64_t number, unsigned decisions[2]) {
  struct duplex_random random;
  struct duplex_judge judge;
  struct duplex_dram_timing timing = hbm3;
  struct event history[HISTORY];
  int count = 0;
  duplex_random_seed(&random, seed, number);
  const bool strict = duplex_random_below(&random, 3) == 0;
  const unsigned owner = duplex_random_below(&random, 3) ? (unsigned)duplex_random_below(&random, 16) : 15;
  timing.nRTR = (unsigned)duplex_random_below(&random, 3);
  if (duplex_random_below(&random, 2)) timing.nRAS = 35, timing.nRCDWR = 12;
  duplex_judge_start(&judge, &timing, strict);
  duplex_judge_take(&judge, &(struct duplex_judge_command){.kind = DUPLEX_JUDGE_OWNER, .mask = owner});
  for (int i = 0; i < 400 && count < HISTORY; i++) {
    const struct event event = random_event(&random, count ? history[count - 1].tck : 0, owner);
    const struct duplex_judge_command command = {(uint64_t)event.tck,     (enum duplex_judge_kind)event.kind,
                                                 (unsigned)event.bundle,  (unsigned)event.mask,
                                                 (unsigned)event.address, event.xpu};
    const bool expected = all_pairs_legal(&timing, history, count, &event, strict, owner);
    if (duplex_judge_take(&judge, &command) != expected)
      fail_msg("seed %llu trace %llu: tCK %lld kind %d bundle %d mask %x is %s: %s", (unsigned long long)seed,
               (unsigned long long)number, (long long)event.tck, event.kind, event.bundle,
               (unsigned)event.mask, expected ? "legal" : "illegal", judge.text);
    decisions[expected]++;
    if (expected) history[count++] = event;
  }
}

static void test_random_traces(void **state) {
  (void)state;
  const uint64_t seed = environment_seed();
  const uint64_t traces = 1000 * environment_count("DUPLEX_CASES");
  unsigned decisions[2] = {0, 0};
  for (uint64_t number = 0; number < traces; number++) random_trace(seed, number, decisions);
  print_message("random traces, seed %llu: %u commands legal, %u illegal\n", (unsigned long long)seed,
                decisions[1], decisions[0]);
  assert_true(decisions[0] > 10000 && decisions[1] > 10000);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_pairs), cmocka_unit_test(test_states),
                                     cmocka_unit_test(test_no_rule), cmocka_unit_test(test_random_traces)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
