// SPDX-License-Identifier: Apache-2.0
// Tables of time in memory and in files: whole ones come back, damaged ones are refused.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// clang-format off: after what it needs
#include <cmocka.h>
// clang-format on

#include "duplex/error.h"
#include "schedule/tables_file.h"
#include "tests/schedule/model_table.h"

static struct schedule_times times;

// Any word of a table that changes is found, and so are times out of order with the right hash.
static void test_damage(void **state) {
  (void)state;
  make_model(&times, 0, 8, 0);
  uint32_t *const words = (uint32_t *)&times;
  for (size_t i = 0; i < sizeof times / sizeof *words; i++) {
    words[i] ^= 1u << i % 32;
    assert_false(schedule_valid(&times));
    words[i] ^= 1u << i % 32;
  }
  assert_true(schedule_valid(&times));
  const uint32_t knee = times.knee[0];
  times.knee[0] = times.placement.parts[0] + 1;
  times.hash = schedule_hash(&times);
  assert_false(schedule_valid(&times));
  times.knee[0] = knee;
  times.overtaken[7] = SCHEDULE_GROUPS + 1;
  times.hash = schedule_hash(&times);
  assert_false(schedule_valid(&times));
  schedule_seal(&times);
  assert_true(schedule_valid(&times));
  times.rows[5].pim[1][1] = times.rows[5].pim[1][2] + 1;
  schedule_seal(&times);
  assert_false(schedule_valid(&times));
}

static void write_text(const char *path, const char *text) {
  FILE *file = fopen(path, "w");
  assert_non_null(file);
  fputs(text, file);
  assert_int_equal(fclose(file), 0);
}

// The text of a saved file with one change, and what is said of it.
static void assert_refused(const char *path, const char *good, const char *from, const char *to,
                           const char *said) {
  static char text[1 << 18], message[512];
  const char *at = strstr(good, from);
  static struct schedule_times loaded, before;
  uint32_t origin;
  assert_non_null(at);
  snprintf(text, sizeof text, "%.*s%s%s", (int)(at - good), good, to, at + strlen(from));
  write_text(path, text);
  before = loaded;
  assert_int_equal(schedule_load(path, &loaded, &origin, message, sizeof message), DUPLEX_ERROR_FORMAT);
  if (!strstr(message, said)) fail_msg("'%s': expected '%s'", message, said);
  assert_memory_equal(&loaded, &before, sizeof loaded);
}

// A copy that came over Windows is the same table.
static void assert_windows_taken(const char *path, const char *good) {
  static struct schedule_times loaded;
  char message[512] = "";
  uint32_t origin = 0;
  FILE *file = fopen(path, "w");
  assert_non_null(file);
  for (const char *at = good; *at; at++) {
    if (*at == '\n') fputc('\r', file);
    fputc(*at, file);
  }
  assert_int_equal(fclose(file), 0);
  assert_int_equal(schedule_load(path, &loaded, &origin, message, sizeof message), 0);
  assert_memory_equal(&loaded, &times, sizeof times);
  assert_int_equal(origin, 4711);
}

static void test_files(void **state) {
  static struct schedule_times loaded;
  static char good[1 << 18];
  uint32_t origin = 0;
  char path[] = P_tmpdir "/duplex_schedule_XXXXXX", message[512];
  (void)state;
  make_model(&times, 4, 32, 1);
  const int descriptor = mkstemp(path);
  assert_true(descriptor >= 0);
  close(descriptor);
  assert_int_equal(schedule_save(path, &times, 4711, message, sizeof message), 0);
  assert_int_equal(schedule_load(path, &loaded, &origin, message, sizeof message), 0);
  assert_memory_equal(&loaded, &times, sizeof times);
  assert_int_equal(origin, 4711);
  FILE *file = fopen(path, "r");
  assert_non_null(file);
  const size_t bytes = fread(good, 1, sizeof good - 1, file);
  fclose(file);
  good[bytes] = 0;
  assert_windows_taken(path, good);
  assert_refused(path, good, "version 8\n", "version 8\r\r\n", ":1: expected 'version'");
  assert_refused(path, good, "version 8", "version 7", ":1: version 7, expected 8");
  assert_refused(path, good, "\nshape 7168", "\nshape 7169", ":2: the tables are damaged");
  assert_refused(path, good, "\nshape 7168", "\nshape 4294967296", ":5: expected 'shape' and 9 numbers");
  assert_refused(path, good, "\nshape 7168", "\nshape -1", ":5: expected 'shape'");
  assert_refused(path, good, "\ngroups_7 ", "\ngroups_8 ", ":15: expected 'groups_7'");
  assert_refused(path, good, "\nslope ", "\nslope 1 ", ":73: expected 'slope'");
  assert_refused(path, good, "\nslope ", "\n", ":73: expected 'slope'");
  assert_refused(path, good, "\ncosts_bundle 0 ", "\ncosts_bundle 1 ", ":2: the tables are damaged");
  assert_refused(path, good, "\ncosts_stripes ", "\ncosts ", ":76: expected 'costs_stripes' and 21 numbers");
  struct schedule_shape other = times.shape;
  assert_int_equal(schedule_check("here", &times, &times.shape, &times.placement, message, sizeof message),
                   0);
  other.rounded = 1;
  assert_int_equal(schedule_check("here", &times, &other, &times.placement, message, sizeof message),
                   DUPLEX_ERROR_FORMAT);
  assert_string_equal(message, "here: a table of another shape: partial sums exact, expected f32");
  other.replicated = !times.shape.replicated;
  assert_int_equal(schedule_check("here", &times, &other, &times.placement, message, sizeof message),
                   DUPLEX_ERROR_FORMAT);
  assert_string_equal(message, times.shape.replicated
                                   ? "here: a table of another shape: copies 2, expected 1"
                                   : "here: a table of another shape: copies 1, expected 2");
  const struct schedule_placement nowhere = {0};
  assert_int_equal(schedule_check("here", &times, &times.shape, &nowhere, message, sizeof message),
                   DUPLEX_ERROR_FORMAT);
  assert_string_equal(message, "here: a table of another placement of experts");
  struct schedule_times forged = times;  // with a hash of its own
  forged.rows[5].xpu[0][1] = forged.rows[5].xpu[0][0] + 1;
  schedule_seal(&forged);
  assert_int_equal(schedule_save(path, &forged, 4711, message, sizeof message), 0);
  assert_int_equal(schedule_load(path, &loaded, &origin, message, sizeof message), DUPLEX_ERROR_FORMAT);
  if (!strstr(message, ": the hash is right, but placement or times are impossible")) fail_msg("%s", message);
  assert_memory_equal(&loaded, &times, sizeof times);
  assert_int_equal(unlink(path), 0);
  assert_int_equal(schedule_load(path, &loaded, &origin, message, sizeof message), DUPLEX_ERROR_IO);
  assert_int_equal(schedule_save("/nowhere/tables", &times, 0, message, sizeof message), DUPLEX_ERROR_IO);
}

// A link stays one, be the file behind it there or not; a link to nowhere is no file.
static void test_links(void **state) {
  static struct schedule_times loaded;
  uint32_t origin = 0;
  char folder[] = P_tmpdir "/duplex_schedule_XXXXXX", path[64], target[64], message[512];
  struct stat info;
  (void)state;
  make_model(&times, 4, 32, 1);
  assert_non_null(mkdtemp(folder));
  snprintf(path, sizeof path, "%s/link", folder);
  snprintf(target, sizeof target, "%s/table", folder);
  assert_int_equal(symlink("table", path), 0);
  for (unsigned i = 0; i < 2; i++) {
    assert_int_equal(schedule_save(path, &times, i, message, sizeof message), 0);
    assert_int_equal(lstat(path, &info), 0);
    assert_true(S_ISLNK(info.st_mode));
    assert_int_equal(schedule_load(target, &loaded, &origin, message, sizeof message), 0);
    assert_memory_equal(&loaded, &times, sizeof times);
    assert_int_equal(origin, i);
  }
  assert_int_equal(unlink(target), 0);
  assert_int_equal(unlink(path), 0);
  assert_int_equal(symlink("nowhere/table", path), 0);
  assert_int_equal(schedule_save(path, &times, 0, message, sizeof message), DUPLEX_ERROR_IO);
  if (!strstr(message, "No such file")) fail_msg("%s", message);
  assert_int_equal(unlink(path), 0);
  assert_int_equal(rmdir(folder), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_damage), cmocka_unit_test(test_files),
                                     cmocka_unit_test(test_links)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
