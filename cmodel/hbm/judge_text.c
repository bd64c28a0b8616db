// SPDX-License-Identifier: Apache-2.0
// Text forms of commands and presets.
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cmodel/hbm/judge_names.h"
#include "duplex/timing_judge.h"

#define FIELDS_MAX 6

const char *const duplex_judge_kind_names[DUPLEX_JUDGE_KINDS] = {"ACT", "PRE",   "REF",  "RD",
                                                                 "WR",  "REFAB", "OWNER"};

static bool has_address(enum duplex_judge_kind kind) {
  return kind == DUPLEX_JUDGE_ACT || kind == DUPLEX_JUDGE_RD || kind == DUPLEX_JUDGE_WR;
}

int duplex_judge_print(FILE *file, unsigned channel, const struct duplex_judge_command *command) {
  const char *name = duplex_judge_kind_names[command->kind];
  const char *side = command->xpu ? "X" : "";
  if (has_address(command->kind))
    return fprintf(file, "%" PRIu64 " %u %s%s %u %x %u\n", command->tck, channel, side, name, command->bundle,
                   command->mask, command->address);
  return fprintf(file, "%" PRIu64 " %u %s%s %u %x\n", command->tck, channel, side, name, command->bundle,
                 command->mask);
}

#define TEXT_START "# DRAM commands of a stack\n"
#define TEXT_END "# end, %" SCNu64 " commands%c"

void duplex_judge_print_start(FILE *file) { fputs(TEXT_START, file); }

void duplex_judge_print_end(FILE *file, uint64_t commands) { fprintf(file, TEXT_END, commands, '\n'); }

bool duplex_judge_is_start(const char *line) { return strcmp(line, TEXT_START) == 0; }

bool duplex_judge_is_end(const char *line, uint64_t *commands) {
  char newline = 0;
  return sscanf(line, TEXT_END, commands, &newline) == 2 && newline == '\n';
}

bool duplex_judge_is_blank(const char *line) {
  if (!line) return true;
  line += strspn(line, " \t\r\n");
  return *line == 0 || *line == '#';
}

// Cuts the line into fields in place; their number, or FIELDS_MAX + 1 if there are more.
static unsigned cut(char *line, char *fields[FIELDS_MAX]) {
  unsigned count = 0;
  char *rest = NULL;
  line[strcspn(line, "#")] = 0;
  for (char *field = strtok_r(line, " \t\r\n", &rest); field; field = strtok_r(NULL, " \t\r\n", &rest)) {
    if (count == FIELDS_MAX) return FIELDS_MAX + 1;
    fields[count++] = field;
  }
  return count;
}

// A number of digits only, at most `most`; false, and any value, if it is none.
static bool read_number(const char *text, int base, uint64_t most, uint64_t *value) {
  const char *digits = base == 16 ? "0123456789abcdefABCDEF" : "0123456789";
  const size_t length = strspn(text, digits);
  if (length == 0 || length > 18 || text[length]) return false;
  *value = strtoull(text, NULL, base);
  return *value <= most;
}

// The kind of that name; false if there is none.
static bool read_kind(const char *text, enum duplex_judge_kind *kind) {
  for (unsigned i = 0; i < DUPLEX_JUDGE_KINDS; i++)
    if (strcmp(text, duplex_judge_kind_names[i]) == 0) {
      *kind = (enum duplex_judge_kind)i;
      return true;
    }
  return false;
}

bool duplex_judge_parse(const char *line, unsigned *channel, struct duplex_judge_command *command) {
  char copy[128], *fields[FIELDS_MAX];
  if (!line || !channel || !command || strlen(line) >= sizeof copy) return false;
  strcpy(copy, line);
  memset(command, 0, sizeof *command);
  const unsigned count = cut(copy, fields);
  const bool xpu = count >= 5 && fields[2][0] == 'X';
  if (count < 5 || !read_kind(fields[2] + xpu, &command->kind) ||
      (xpu && command->kind == DUPLEX_JUDGE_OWNER) || count != (has_address(command->kind) ? 6 : 5))
    return false;
  uint64_t tck, index, bundle, mask, address = 0;
  if (!read_number(fields[0], 10, INT64_MAX / 4, &tck) || !read_number(fields[1], 10, UINT16_MAX, &index) ||
      !read_number(fields[3], 10, UINT16_MAX, &bundle) || !read_number(fields[4], 16, UINT16_MAX, &mask))
    return false;
  if (count == 6 && !read_number(fields[5], 10, UINT32_MAX, &address)) return false;
  *channel = (unsigned)index;
  *command = (struct duplex_judge_command){
      tck, command->kind, (unsigned)bundle, (unsigned)mask, (unsigned)address, xpu};
  return true;
}

// The timing parameter of that name and its number in the list; NULL if there is none.
static unsigned *field_named(struct duplex_dram_timing *timing, const char *name, unsigned *number) {
  *number = 0;
#define FIELD(field)                                    \
  if (strcmp(name, #field) == 0) return &timing->field; \
  ++*number;
  DUPLEX_DRAM_FIELDS(FIELD)
#undef FIELD
  return NULL;
}

// One line of a preset into `timing`; `seen` has one bit for each parameter that was given. NULL, or what is
// wrong.
static const char *read_preset_line(const char *line, struct duplex_dram_timing *timing, uint64_t *seen) {
  char name[32], text[32];
  uint64_t value;
  unsigned number;
  if (sscanf(line, "%31s %31s", name, text) != 2 || !read_number(text, 10, 1000000, &value))
    return "expected lines of a name, a number up to 1000000 and a comment";
  unsigned *field = field_named(timing, name, &number);
  if (!field) return "a name that is no timing parameter";
  if (*seen >> number & 1) return "a timing parameter is given twice";
  *seen |= UINT64_C(1) << number;
  *field = (unsigned)value;
  return NULL;
}

bool duplex_judge_preset(FILE *file, struct duplex_dram_timing *timing, const char **error) {
  char line[256];
  unsigned count;
  uint64_t seen = 0;
  memset(timing, 0, sizeof *timing);
  timing->name = "file";
  *error = NULL;
  while (!*error && fgets(line, sizeof line, file)) {
    if (!strchr(line, '\n') && !feof(file))
      *error = "a line of more than 254 characters";
    else if (!duplex_judge_is_blank(line))
      *error = read_preset_line(line, timing, &seen);
  }
  if (!*error && ferror(file)) *error = "cannot be read";
  if (*error) return false;
  field_named(timing, "", &count);  // none has that name: counts them all
  if (seen != (UINT64_C(1) << count) - 1) *error = "a timing parameter is missing";
  if (!*error && timing->nREFI == 0) *error = "nREFI is 0";
  return !*error;
}
