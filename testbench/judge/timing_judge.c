// Judges the text of DRAM commands (docs/architecture.md) by a preset.
// usage: timing_judge [--strict] PRESET_FILE TRACE_FILE     exit status: 0 legal, 1 a rule is broken, 2 bad input
#include "duplex/timing_judge.h"

#include <stdlib.h>
#include <string.h>

static int bad(const char *where, const char *what) {
  fprintf(stderr, "timing_judge: %s: %s\n", where, what);
  return 2;
}

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
    if (line[0] == '#' || line[strspn(line, " \t\r\n")] == 0) continue;
    if (!duplex_judge_parse(line, &channel, &command) || channel >= DUPLEX_CHANNELS)
      return bad(where, "expected `tCK channel KIND bundle mask [address]`");
    if (!duplex_judge_take(&judges[channel], &command)) {
      printf("%s: channel %u: %s\n", where, channel, judges[channel].text);
      return 1;
    }
    commands++;
    if (command.tck > end) end = command.tck;
  }
  for (unsigned i = 0; i < DUPLEX_CHANNELS; i++)
    if (!duplex_judge_finish(&judges[i], end)) {
      printf("%s: end: channel %u: %s\n", name, i, judges[i].text);
      return 1;
    }
  printf("%s: %lu commands, no violation\n", name, commands);
  return 0;
}

int main(int argc, char **argv) {
  const bool strict = argc > 1 && strcmp(argv[1], "--strict") == 0;
  if (argc != 3 + strict) return bad("usage", "timing_judge [--strict] PRESET_FILE TRACE_FILE");
  const char *preset_name = argv[1 + strict], *trace_name = argv[2 + strict], *error = NULL;
  struct duplex_dram_timing timing;
  FILE *preset = fopen(preset_name, "r");
  if (!preset) return bad(preset_name, "cannot be read");
  const bool good = duplex_judge_preset(preset, &timing, &error);
  fclose(preset);
  if (!good) return bad(preset_name, error);
  FILE *trace = fopen(trace_name, "r");
  if (!trace) return bad(trace_name, "cannot be read");
  const int status = judge_file(trace, trace_name, &timing, strict);
  fclose(trace);
  return status;
}
