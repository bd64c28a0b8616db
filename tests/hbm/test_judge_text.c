// SPDX-License-Identifier: Apache-2.0
// Text forms of commands and presets, and the command timing_judge: reports and exit statuses.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

// clang-format off: after what it needs
#include <cmocka.h>
// clang-format on

#include "duplex/timing_judge.h"

#define LENGTH(array) (sizeof(array) / sizeof *(array))

// The preset of the paper, line by line.
static const char *const preset_lines[] = {
    "tCK_ps 769 comment", "nBL 2 comment",     "nCL 19 comment",  "nCWL 6 comment",     "nRCDRD 19 comment",
    "nRCDWR 19 comment",  "nRP 19 comment",    "nRAS 45 comment", "nRC 63 comment",     "nWR 21 comment",
    "nRTP 6 comment",     "nCCDS 2 comment",   "nCCDL 4 comment", "nRRDS 2 comment",    "nRRDL 4 comment",
    "nRTPL 8 comment",    "nRREFD 11 comment", "nPPD 2 comment",  "nWTRS 8 comment",    "nWTRL 11 comment",
    "nRTW 17 comment",    "nFAW 39 comment",   "nRTR 0 comment",  "nREFI 5070 comment", "nRFC 455 comment",
    "nRFCPB 260 comment", "nREFMAX 8 comment"};

// --- text ---

static void test_text(void **state) {
  (void)state;
  static const char *const good[] = {"0 0 ACT 0 ff 0", "18 31 PRE 3 1", "20 2 REF 1 F0 # comment",
                                     "  5\t1 RD 2 0f 31\r\n", "5 1 WR 2 ff 0#x\n"};
  static const char *const wrong[] = {"0",
                                      "",
                                      "0 0 ACT 0 ff",
                                      "0 0 PRE 0 ff 1",
                                      "0 0 ACT 0 ff 1 2",
                                      "x 0 PRE 0 ff",
                                      "-1 0 PRE 0 ff",
                                      "0 0 pre 0 f",
                                      "0 0 PRE",
                                      "0 0 ACT 0 fg 1",
                                      "0 0 NOP 0 ff",
                                      "1e3 0 PRE 0 ff",
                                      "0 0 PRE 0x0 f",
                                      "99999999999999999999 0 PRE 0 f"};
  struct duplex_judge_command command;
  unsigned channel;
  for (size_t i = 0; i < LENGTH(good); i++)
    if (!duplex_judge_parse(good[i], &channel, &command)) fail_msg("refused: %s", good[i]);
  for (size_t i = 0; i < LENGTH(wrong); i++)
    if (duplex_judge_parse(wrong[i], &channel, &command)) fail_msg("taken: %s", wrong[i]);
  assert_true(duplex_judge_is_blank("  # ACT\n") && duplex_judge_is_blank("\n") &&
              !duplex_judge_is_blank("1"));

  FILE *file = tmpfile();
  const struct duplex_judge_command written[] = {{12, DUPLEX_JUDGE_ACT, 3, 0xf0, 16383, false},
                                                 {14, DUPLEX_JUDGE_PRE, 1, 0xff, 0, false},
                                                 {16, DUPLEX_JUDGE_RD, 2, 0x1, 31, true}};
  for (size_t i = 0; i < LENGTH(written); i++) assert_true(duplex_judge_print(file, 7, &written[i]) > 0);
  rewind(file);
  for (size_t i = 0; i < LENGTH(written); i++) {
    char line[64];
    assert_non_null(fgets(line, sizeof line, file));
    assert_true(duplex_judge_parse(line, &channel, &command));
    assert_int_equal(channel, 7);
    assert_true(command.tck == written[i].tck && command.kind == written[i].kind &&
                command.bundle == written[i].bundle && command.mask == written[i].mask &&
                command.address == written[i].address && command.xpu == written[i].xpu);
  }
  fclose(file);
}

// --- the command ---

static char program[4096];

static void find_program(void) {
  const ssize_t length = readlink("/proc/self/exe", program, sizeof program - 64);
  assert_true(length > 0);
  program[length] = 0;
  for (int up = 0; up < 3; up++) *strrchr(program, '/') = 0;  // <build>/tests/hbm/test_timing_judge
  strcat(program, "/timing_judge");
}

static int judge_text(const char *preset_text, const char *trace, const char *options, char *report,
                      size_t size) {
  char folder[] = P_tmpdir "/duplex_judge_XXXXXX", command[10000], path[64];
  assert_non_null(mkdtemp(folder));
  const char *const names[] = {"preset", "trace"}, *const texts[] = {preset_text, trace};
  for (int i = 0; i < 2; i++) {
    snprintf(path, sizeof path, "%s/%s", folder, names[i]);
    FILE *file = fopen(path, "w");
    fputs(texts[i], file);
    fclose(file);
  }
  snprintf(command, sizeof command, "'%s' %s/preset %s/trace %s 2>&1; status=$?; rm -r %s; exit $status",
           program, folder, folder, options, folder);
  FILE *output = popen(command, "r");
  report[fread(report, 1, size - 1, output)] = 0;
  return WEXITSTATUS(pclose(output));
}

static void print_preset(char *text, size_t size, const char *without, const char *extra) {
  size_t at = (size_t)snprintf(text, size, "# preset\n%s", extra);
  const size_t length = strlen(without);
  for (size_t i = 0; i < LENGTH(preset_lines); i++)
    if (length == 0 || strncmp(preset_lines[i], without, length) != 0 || preset_lines[i][length] != ' ')
      at += (size_t)snprintf(text + at, size - at, "%s\n", preset_lines[i]);
}

static void test_command(void **state) {
  (void)state;
  char preset[4000], report[1000];
  find_program();
  print_preset(preset, sizeof preset, "", "");
  const char *const legal =
      "# trace\n0 0 ACT 0 ff 5\n0 1 ACT 0 ff 7\n19 0 RD 0 ff 0\n23 0 RD 0 ff 1\n19 1 WR 0 ff 0\n";
  assert_int_equal(judge_text(preset, legal, "", report, sizeof report), 0);
  assert_non_null(strstr(report, "5 commands, no violation"));
  assert_int_equal(judge_text(preset, legal, "--strict", report, sizeof report), 1);
  assert_non_null(strstr(report, "trace:2: channel 0:"));
  assert_int_equal(judge_text(preset, "0 0 ACT 0 ff 5\n\n18 0 RD 0 ff 0\n", "", report, sizeof report), 1);
  assert_non_null(
      strstr(report, "trace:3: channel 0: tCK 18 RD bundle 0: ACT to RD, nRCDRD is 19, missed by 1 tCK"));
  assert_int_equal(judge_text(preset, "0 0 ACT 0 ff 5\n45630 1 PRE 0 ff\n", "", report, sizeof report), 1);
  assert_non_null(strstr(report, "waits for REF"));
  // A text of a stack is whole, and no text is empty.
  const char *const whole = "# DRAM commands of a stack\n0 0 ACT 0 ff 5\n0 1 ACT 0 ff 7\n# end, 2 commands\n";
  assert_int_equal(judge_text(preset, whole, "", report, sizeof report), 0);
  assert_non_null(strstr(report, "trace: 2 commands, no violation\n"));
  static const struct {
    const char *trace, *text;
  } cut[] = {
      {"", "trace: holds no commands\n"},
      {"# a comment\n\n", "trace: holds no commands\n"},
      {"# DRAM commands of a stack\n# end, 0 commands\n", "trace: holds no commands\n"},
      {"# DRAM commands of a stack\n", "trace: was cut off: expected `# end, N commands` as its last line\n"},
      {"# DRAM commands of a stack\n0 0 ACT 0 ff 5\n", "trace: was cut off: expected `# end, N commands`"},
      {"# DRAM commands of a stack\n0 0 ACT 0 ff 5\n# end, 1 commands", "trace: was cut off"},
      {"# DRAM commands of a stack\n0 0 ACT 0 ff 5\n# end, 2 commands\n",
       "trace:3: says another number of commands\n"},
      {"0 0 ACT 0 ff 5\n# end, 0 commands\n", "trace:2: says another number of commands\n"},
      {"0 0 ACT 0 ff 5\n# end, 1 commands\n\n45 0 PRE 0 ff\n",
       "trace:4: stands behind the end of the text\n"},
  };
  for (size_t i = 0; i < LENGTH(cut); i++) {
    assert_int_equal(judge_text(preset, cut[i].trace, "", report, sizeof report), 2);
    if (!strstr(report, cut[i].text)) fail_msg("%s: %s", cut[i].trace, report);
  }
  static const char *const wrong_traces[] = {"0 0 ACT 0 ff\n", "0 32 PRE 0 ff\n",
                                             "10 0 PRE 0 ff\n9 0 PRE 1 ff\n", "hello\n"};
  for (size_t i = 0; i < LENGTH(wrong_traces); i++)
    assert_int_equal(judge_text(preset, wrong_traces[i], "", report, sizeof report), 2);
  assert_int_equal(judge_text(preset, legal, "more", report, sizeof report), 2);
  assert_int_equal(judge_text(preset, legal, "--unknown", report, sizeof report), 2);
  print_preset(preset, sizeof preset, "nFAW", "");
  assert_int_equal(judge_text(preset, legal, "", report, sizeof report), 2);
  print_preset(preset, sizeof preset, "nFAW", "nRC 63\n");
  assert_int_equal(judge_text(preset, legal, "", report, sizeof report), 2);
  print_preset(preset, sizeof preset, "nREFI", "nREFI 0\n");
  assert_int_equal(judge_text(preset, legal, "", report, sizeof report), 2);
  print_preset(preset, sizeof preset, "nFAW", "nFOW 3\n");
  assert_int_equal(judge_text(preset, legal, "", report, sizeof report), 2);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_text), cmocka_unit_test(test_command)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
