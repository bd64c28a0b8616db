// SPDX-License-Identifier: Apache-2.0
// Values of chosen signals of a waveform, as text, for programs that look at a run (synth/power.py).
// usage: fst_values FILE.fst list                 one line a signal: its width and full name
//        fst_values FILE.fst values < NAMES       `n NUMBER WIDTH` for each name that is there (its line
//        number from 0), then `t TIME`
//                                                 and below it `NUMBER BITS` for each change
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "duplex/text_file.h"
#include "fstapi.h"

struct wanted {
  char *name;
  unsigned number;
};

struct reading {
  struct wanted *wanted;
  size_t count;
  unsigned *number_of;  // by handle, 0 if nobody asked, else the number + 1
  uint64_t time;
  int started;
};

static int by_name(const void *a, const void *b) {
  return strcmp(((const struct wanted *)a)->name, ((const struct wanted *)b)->name);
}

// The names that are wanted, from standard input, in the order of the alphabet.
static void read_names(struct reading *reading) {
  char *line = NULL;
  size_t size = 0;
  size_t room = 0;
  while (getline(&line, &size, stdin) > 0) {
    line[strcspn(line, "\n")] = '\0';
    if (reading->count == room) {
      room = room ? 2 * room : 1024;
      reading->wanted = realloc(reading->wanted, room * sizeof *reading->wanted);
      if (!reading->wanted) exit(1);
    }
    reading->wanted[reading->count] = (struct wanted){strdup(line), (unsigned)reading->count};
    reading->count++;
  }
  free(line);
  qsort(reading->wanted, reading->count, sizeof *reading->wanted, by_name);
}

// Takes one variable of the hierarchy: lists it, or marks its handle if it is wanted.
static void variable(struct reading *reading, const char *scope, const struct fstHier *entry, int list) {
  char name[4096];
  snprintf(name, sizeof name, "%s.%s", scope, entry->u.var.name);
  char *range = strchr(name, ' ');
  if (range) *range = '\0';
  if (list) {
    printf("%u %s\n", entry->u.var.length, name);
    return;
  }
  const struct wanted key = {name, 0};
  const struct wanted *found = bsearch(&key, reading->wanted, reading->count, sizeof key, by_name);
  if (!found) return;
  unsigned *number = &reading->number_of[entry->u.var.handle];
  if (!*number) *number = found->number + 1;
  printf("n %u %u %u\n", found->number, *number - 1, entry->u.var.length);
}

// A value change: its time once, then number and bits.
static void change(void *user, uint64_t time, fstHandle handle, const unsigned char *value) {
  struct reading *reading = user;
  if (!reading->number_of[handle]) return;
  if (!reading->started || time != reading->time) printf("t %llu\n", (unsigned long long)time);
  reading->started = 1;
  reading->time = time;
  printf("%u %s\n", reading->number_of[handle] - 1, value);
}

int main(int argc, char **argv) {
  duplex_reserve_descriptors();
  const int list = argc == 3 && !strcmp(argv[2], "list");
  if (argc != 3 || (!list && strcmp(argv[2], "values"))) {
    fprintf(stderr, "usage: fst_values FILE.fst list|values\n");
    return 2;
  }
  void *file = fstReaderOpen(argv[1]);
  if (!file) {
    fprintf(stderr, "fst_values: %s: expected an FST waveform\n", argv[1]);
    return 2;
  }
  struct reading reading = {0};
  reading.number_of = calloc((size_t)fstReaderGetMaxHandle(file) + 1, sizeof *reading.number_of);
  if (!reading.number_of) return 1;
  if (!list) read_names(&reading);
  const struct fstHier *entry;
  const char *scope = "";
  while ((entry = fstReaderIterateHier(file))) {
    if (entry->htyp == FST_HT_SCOPE) scope = fstReaderPushScope(file, entry->u.scope.name, NULL);
    if (entry->htyp == FST_HT_UPSCOPE) scope = fstReaderPopScope(file);
    if (entry->htyp == FST_HT_VAR) variable(&reading, scope ? scope : "", entry, list);
  }
  if (!list) {
    fstReaderClrFacProcessMaskAll(file);
    for (fstHandle h = 1; h <= fstReaderGetMaxHandle(file); h++)
      if (reading.number_of[h]) fstReaderSetFacProcessMask(file, h);
    fstReaderIterBlocks(file, change, &reading, NULL);
  }
  fstReaderClose(file);
  for (size_t i = 0; i < reading.count; i++) free(reading.wanted[i].name);
  free(reading.wanted);
  free(reading.number_of);
  if (fflush(stdout) == 0 && !ferror(stdout)) return 0;
  fprintf(stderr, "fst_values: standard output: writing failed\n");
  return 1;
}
