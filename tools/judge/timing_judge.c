// SPDX-License-Identifier: Apache-2.0
// Judges the text of DRAM commands (docs/architecture.md) by a preset.
// usage: timing_judge PRESET_FILE TRACE_FILE [--strict]
// exit status: 0 legal; 1 a rule is broken (line, rule, how many tCK short on standard output); 2 bad input
#include "duplex/timing_judge.h"

#include <string.h>

static int bad(const char *where, const char *what) {
  fprintf(stderr, "timing_judge: %s: %s\n", where, what);
  return 2;
}

// Judges every line; returns the exit status.
static int judge_file(FILE *file, const char *name, const struct duplex_dram_timing *timing, bool strict) {
  static struct duplex_judge judges[DUPLEX_CHANNELS];
  char line[256], where[300];
  unsigned long number = 0, commands = 0;
  uint64_t end = 0;
  for (unsigned i = 0; i < DUPLEX_CHANNELS; i++) duplex_judge_start(&judges[i], timing, strict);
  while (fgets(line, sizeof line, file)) {
    struct duplex_judge_command command;
    unsigned channel;
    number++;
    snprintf(where, sizeof where, "%.200s:%lu", name, number);
    if (!strchr(line, '\n') && !feof(file)) return bad(where, "a line of more than 254 characters");
    if (duplex_judge_is_blank(line)) continue;
    if (!duplex_judge_parse(line, &channel, &command) || channel >= DUPLEX_CHANNELS)
      return bad(where, "expected `tCK channel KIND bundle mask [row or column]`");
    if ((int64_t)command.tck < judges[channel].now) return bad(where, "earlier than the command before it");
    if (!duplex_judge_take(&judges[channel], &command)) {
      printf("%s: channel %u: %s\n", where, channel, judges[channel].text);
      return 1;
    }
    commands++;
    if (command.tck > end) end = command.tck;
  }
  if (ferror(file)) return bad(name, "cannot be read");
  for (unsigned i = 0; i < DUPLEX_CHANNELS; i++)
    if (!duplex_judge_finish(&judges[i], end)) {
      printf("%s: end: channel %u: %s\n", name, i, judges[i].text);
      return 1;
    }
  printf("%s: %lu commands, no violation\n", name, commands);
  return 0;
}

int main(int argc, char **argv) {
  const char *names[2], *error = NULL;
  int count = 0;
  bool strict = false;
  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], "--strict") == 0) {
      strict = true;
    } else {
      if (count == 2 || argv[i][0] == '-')
        return bad("usage", "timing_judge PRESET_FILE TRACE_FILE [--strict]");
      names[count++] = argv[i];
    }
  }
  if (count != 2) return bad("usage", "timing_judge PRESET_FILE TRACE_FILE [--strict]");
  struct duplex_dram_timing timing;
  FILE *preset = fopen(names[0], "r");
  if (!preset) return bad(names[0], "cannot be read");
  const bool good = duplex_judge_preset(preset, &timing, &error);
  fclose(preset);
  if (!good) return bad(names[0], error);
  FILE *trace = fopen(names[1], "r");
  if (!trace) return bad(names[1], "cannot be read");
  const int status = judge_file(trace, names[1], &timing, strict);
  fclose(trace);
  return status;
}
