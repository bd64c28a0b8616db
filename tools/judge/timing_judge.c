// SPDX-License-Identifier: Apache-2.0
// Judges the text of DRAM commands (docs/architecture.md) by a preset.
// usage: timing_judge PRESET_FILE TRACE_FILE [--strict]
// exit status: 0 legal; 1 a rule is broken (line, rule, how many tCK short on standard output); 2 bad input:
// no commands, a text that a stack wrote and that was cut off, a line that is none
#include "duplex/timing_judge.h"

#include <inttypes.h>
#include <string.h>

#include "duplex/text_file.h"

enum { PLACE_BYTES = 300 };

static int bad(const char *where, const char *what) {
  fprintf(stderr, "timing_judge: %s: %s\n", where, what);
  return 2;
}

// What is known of the text so far.
struct text {
  const char *name;
  struct duplex_judge judges[DUPLEX_CHANNELS];
  unsigned long line;
  uint64_t commands, last_tck;
  bool has_start, has_end;  // the comments of a text that a stack wrote
};

// "name:line" of the line at hand.
static const char *place(const struct text *text, char where[PLACE_BYTES]) {
  snprintf(where, PLACE_BYTES, "%.200s:%lu", text->name, text->line);
  return where;
}

// Judges one line; returns the exit status.
static int judge_line(struct text *text, const char *line) {
  char where[PLACE_BYTES];
  struct duplex_judge_command command;
  unsigned channel;
  uint64_t count;
  text->has_start |= duplex_judge_is_start(line);
  if (duplex_judge_is_end(line, &count)) {
    text->has_end = true;
    return count == text->commands ? 0 : bad(place(text, where), "says another number of commands");
  }
  if (duplex_judge_is_blank(line)) return 0;
  if (text->has_end) return bad(place(text, where), "stands behind the end of the text");
  if (!duplex_judge_parse(line, &channel, &command) || channel >= DUPLEX_CHANNELS)
    return bad(place(text, where), "expected `tCK channel KIND bundle mask [row or column]`");
  struct duplex_judge *judge = &text->judges[channel];
  if ((int64_t)command.tck < judge->now) return bad(place(text, where), "earlier than the command before it");
  if (!duplex_judge_take(judge, &command)) {
    printf("%s: channel %u: %s\n", place(text, where), channel, judge->text);
    return 1;
  }
  text->commands++;
  if (command.tck > text->last_tck) text->last_tck = command.tck;
  return 0;
}

// The text is whole, and no bundle waits for its refresh; returns the exit status.
static int judge_end(struct text *text) {
  if (text->has_start && !text->has_end)
    return bad(text->name, "was cut off: expected `# end, N commands` as its last line");
  if (text->commands == 0) return bad(text->name, "holds no commands");
  for (unsigned i = 0; i < DUPLEX_CHANNELS; i++)
    if (!duplex_judge_finish(&text->judges[i], text->last_tck)) {
      printf("%s: end: channel %u: %s\n", text->name, i, text->judges[i].text);
      return 1;
    }
  printf("%s: %" PRIu64 " commands, no violation\n", text->name, text->commands);
  return 0;
}

// Judges every line; returns the exit status.
static int judge_file(FILE *file, const char *name, const struct duplex_dram_timing *timing, bool strict) {
  static struct text text;
  char line[256], where[PLACE_BYTES];
  int status = 0;
  text.name = name;
  for (unsigned i = 0; i < DUPLEX_CHANNELS; i++) duplex_judge_start(&text.judges[i], timing, strict);
  while (!status && fgets(line, sizeof line, file)) {
    text.line++;
    if (!strchr(line, '\n') && !feof(file))
      return bad(place(&text, where), "a line of more than 254 characters");
    status = judge_line(&text, line);
  }
  if (ferror(file)) return bad(name, "cannot be read");
  return status ? status : judge_end(&text);
}

// The two names of the arguments and whether --strict is among them; returns the exit status.
static int read_arguments(int argc, char **argv, const char *names[2], bool *strict) {
  int count = 0;
  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], "--strict") == 0) {
      *strict = true;
    } else {
      if (count == 2 || argv[i][0] == '-')
        return bad("usage", "timing_judge PRESET_FILE TRACE_FILE [--strict]");
      names[count++] = argv[i];
    }
  }
  return count == 2 ? 0 : bad("usage", "timing_judge PRESET_FILE TRACE_FILE [--strict]");
}

// Reads the preset and judges the trace; returns the exit status.
static int run(const char *names[2], bool strict) {
  const char *error = NULL;
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

int main(int argc, char **argv) {
  const char *names[2];
  bool strict = false;
  duplex_reserve_descriptors();
  int status = read_arguments(argc, argv, names, &strict);
  if (!status) status = run(names, strict);
  if (fflush(stdout) != 0 || ferror(stdout)) return bad("standard output", "writing failed");
  return status;
}
