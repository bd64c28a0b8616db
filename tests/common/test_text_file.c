// SPDX-License-Identifier: Apache-2.0
// Text files of the library: names that mean descriptors, write errors, lines, descriptors that are closed.
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "duplex/text_file.h"

// clang-format off: after what it needs
#include <cmocka.h>
// clang-format on

static void test_names(void **state) {
  (void)state;
  static const struct {
    const char *path;
    int descriptor;
  } names[] = {{"/dev/stdout", 1},
               {"/dev/stderr", 2},
               {"/dev/fd/0", 0},
               {"/dev/fd/17", 17},
               {"/proc/self/fd/3", 3},
               {"/dev/fd/", -1},
               {"/dev/fd/x", -1},
               {"/dev/fd/3x", -1},
               {"/dev/fd/-3", -1},
               {"/dev/fd/ 3", -1},
               {"/dev/fd/99999999999", -1},
               {"/dev/stdin", -1},
               {"/dev/stdout2", -1},
               {"stdout", -1},
               {"", -1}};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    assert_int_equal(duplex_text_descriptor(names[i].path), names[i].descriptor);
}

// What a descriptor holds stays, and so does its place; a name alone begins anew.
static void test_places(void **state) {
  (void)state;
  char path[] = P_tmpdir "/duplex_text_XXXXXX", name[32], text[64];
  const int file = mkstemp(path);
  assert_true(file >= 0);
  assert_int_equal(write(file, "before\n", 7), 7);
  snprintf(name, sizeof name, "/dev/fd/%d", file);
  FILE *stream = duplex_text_open(name);
  assert_non_null(stream);
  assert_true(fcntl(fileno(stream), F_GETFD) & FD_CLOEXEC);
  fputs("middle\n", stream);
  assert_int_equal(duplex_text_close(stream), 0);
  assert_int_equal(write(file, "after\n", 6), 6);  // still open
  text[pread(file, text, sizeof text - 1, 0)] = 0;
  assert_string_equal(text, "before\nmiddle\nafter\n");
  stream = duplex_text_open(path);
  fputs("new\n", stream);
  assert_int_equal(duplex_text_close(stream), 0);
  text[pread(file, text, sizeof text - 1, 0)] = 0;
  assert_string_equal(text, "new\n");
  close(file);
  unlink(path);
  assert_null(duplex_text_open(name));
  assert_int_equal(errno, EBADF);
  assert_null(duplex_text_open("/nonexistent/text"));
  assert_int_equal(errno, ENOENT);
  assert_int_equal(duplex_text_close(NULL), 0);
}

// A socket has no name that could be opened.
static void test_socket(void **state) {
  (void)state;
  int ends[2];
  char name[32], text[8] = "";
  assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
  snprintf(name, sizeof name, "/dev/fd/%d", ends[0]);
  FILE *stream = duplex_text_open(name);
  assert_non_null(stream);
  fputs("text", stream);
  assert_int_equal(duplex_text_close(stream), 0);
  assert_int_equal(read(ends[1], text, sizeof text), 4);
  assert_string_equal(text, "text");
  close(ends[0]), close(ends[1]);
}

static void test_write_errors(void **state) {
  (void)state;
  for (unsigned size = 1; size <= 100000; size *= 10) {  // fails when it closes, or long before
    FILE *stream = duplex_text_open("/dev/full");
    assert_non_null(stream);
    for (unsigned i = 0; i < size; i++) fputc('x', stream);
    errno = 0;
    assert_int_equal(duplex_text_close(stream), -1);
    assert_int_equal(errno, ENOSPC);
  }
  int ends[2];
  char name[32];
  signal(SIGPIPE, SIG_IGN);
  assert_int_equal(pipe(ends), 0);
  close(ends[0]);
  snprintf(name, sizeof name, "/dev/fd/%d", ends[1]);
  FILE *stream = duplex_text_open(name);
  fputs("text", stream);
  assert_int_equal(duplex_text_close(stream), -1);
  assert_int_equal(errno, EPIPE);
  close(ends[1]);
  signal(SIGPIPE, SIG_DFL);
}

// A stream of the bytes of a text.
static FILE *stream_of(const char *text, size_t size) {
  FILE *stream = tmpfile();
  assert_non_null(stream);
  assert_int_equal(fwrite(text, 1, size, stream), size);
  rewind(stream);
  return stream;
}

// Lines with and without a line feed, of all lengths about the steps of the room, with bytes 0 in them.
static void test_lines(void **state) {
  (void)state;
  char text[700], *line = NULL;
  size_t room = 0;
  memset(text, 'a', sizeof text);
  for (size_t length = 0; length < sizeof text - 2; length++) {
    text[length / 2] = 0;
    text[length] = '\n';
    text[length + 1] = 'z';
    FILE *stream = stream_of(text, length + 2);
    assert_int_equal(duplex_text_line(stream, &line, &room), length + 1);
    assert_memory_equal(line, text, length + 1);
    assert_int_equal(line[length + 1], 0);
    assert_int_equal(duplex_text_line(stream, &line, &room), 1);
    assert_string_equal(line, "z");
    assert_int_equal(duplex_text_line(stream, &line, &room), 0);
    fclose(stream);
    text[length] = text[length / 2] = 'a';
  }
  free(line);
}

// The first two lines of a text.
static void check_first(const char *text, const char *first, const char *second) {
  char *line = NULL;
  size_t room = 0;
  FILE *stream = stream_of(text, strlen(text));
  assert_int_equal(duplex_text_line(stream, &line, &room), strlen(first));
  if (*first) assert_string_equal(line, first);
  assert_int_equal(duplex_text_line(stream, &line, &room), strlen(second));
  if (*second) assert_string_equal(line, second);
  fclose(stream);
  free(line);
}

// The mark of UTF-8 is left out before the first line alone, and only as a whole.
static void test_mark(void **state) {
  (void)state;
  check_first(
      "\xef\xbb\xbf"
      "a\n\xef\xbb\xbf"
      "b\n",
      "a\n",
      "\xef\xbb\xbf"
      "b\n");
  check_first("\xef\xbb\xbf\n\xef\xbb\xbf", "\n", "\xef\xbb\xbf");
  check_first(
      "\xef\xbb\xbf\xef\xbb\xbf"
      "a",
      "\xef\xbb\xbf"
      "a",
      "");
  check_first(
      "\xef\xbb"
      "a\n",
      "\xef\xbb"
      "a\n",
      "");
  check_first("\xef\xbb", "\xef\xbb", "");
  check_first("\xef\xbb\xbf", "", "");
  check_first("", "", "");
  assert_int_equal(duplex_text_mark("\xef\xbb\xbf{}", 5), 3);
  assert_int_equal(duplex_text_mark("\xef\xbb\xbf{}", 2), 0);
  assert_int_equal(duplex_text_mark(" \xef\xbb\xbf", 4), 0);
  assert_int_equal(duplex_text_mark(NULL, 0), 0);
}

// The longest line is taken, one byte more is not; neither is a file without lines, nor a folder.
static void test_long_lines(void **state) {
  (void)state;
  const size_t most = DUPLEX_LINE_MOST;
  char *text = calloc(most + 1, 1);
  char *line = NULL;
  size_t room = 0;
  assert_non_null(text);
  text[most - 1] = '\n';
  FILE *stream = stream_of(text, most);
  assert_int_equal(duplex_text_line(stream, &line, &room), most);
  assert_int_equal(duplex_text_line(stream, &line, &room), 0);
  fclose(stream);
  text[most - 1] = 0;
  stream = stream_of(text, most + 1);
  assert_int_equal(duplex_text_line(stream, &line, &room), -EFBIG);
  fclose(stream);
  free(text);
  stream = fopen("/dev/zero", "r");
  assert_int_equal(duplex_text_line(stream, &line, &room), -EFBIG);
  fclose(stream);
  stream = fopen("/", "r");
  assert_int_equal(duplex_text_line(stream, &line, &room), -EISDIR);
  fclose(stream);
  free(line);
}

// Of the eight sets of closed descriptors each: those become /dev/null, the others stay.
static void test_reserve(void **state) {
  (void)state;
  for (int closed = 0; closed < 8; closed++) {
    const pid_t child = fork();
    if (child == 0) {
      struct stat null, before[3], after;
      int good = stat("/dev/null", &null) == 0;
      for (int i = 0; i < 3; i++) {
        fstat(i, &before[i]);
        if (closed >> i & 1) close(i);
      }
      duplex_reserve_descriptors();
      for (int i = 0; i < 3; i++) {
        good &= fstat(i, &after) == 0;
        good &= closed >> i & 1 ? after.st_rdev == null.st_rdev && S_ISCHR(after.st_mode)
                                : after.st_ino == before[i].st_ino && after.st_dev == before[i].st_dev;
        if (closed >> i & 1) good &= (fcntl(i, F_GETFL) & O_ACCMODE) == O_RDWR;
      }
      const int next = open("/dev/null", O_RDONLY);
      close(next);
      duplex_reserve_descriptors();  // takes nothing more
      _exit(good && open("/dev/null", O_RDONLY) == next && next > 2 ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
  }
}

// What a name means behind links, and whether a file can be made there: nothing is left of the trial.
static void test_targets(void **state) {
  static const struct {
    const char *name, *link;  // link: what the name is a link to, or NULL
    const char *target;       // in the folder; NULL: errno says why
    int wrong;                // of duplex_text_may_replace; 0: nothing
  } cases[] = {{"plain", NULL, "plain", 0},     {"first", "second", "plain", 0},
               {"second", "plain", "plain", 0}, {"nowhere", "none/x", NULL, ENOENT},
               {"loop", "loop", NULL, ELOOP},   {"folder", ".", "", EISDIR},
               {"none/x", NULL, NULL, ENOENT}};
  char made[] = P_tmpdir "/duplex_targets_XXXXXX";
  char before[4096];
  (void)state;
  assert_non_null(mkdtemp(made));
  char *folder = realpath(made, NULL);
  assert_non_null(folder);
  assert_non_null(getcwd(before, sizeof before));
  assert_int_equal(chdir(folder), 0);
  for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++)
    if (cases[i].link) assert_int_equal(symlink(cases[i].link, cases[i].name), 0);
  for (unsigned i = 0; i < 2 * sizeof cases / sizeof *cases; i++) {
    const unsigned of = i / 2;  // each before there is a file, and with it
    char expected[128];
    snprintf(expected, sizeof expected, "%s%s%s", folder, cases[of].target && *cases[of].target ? "/" : "",
             cases[of].target ? cases[of].target : "");
    if (i % 2) assert_true(close(open("plain", O_CREAT | O_WRONLY, 0600)) == 0);
    char *target = duplex_text_target(cases[of].name);
    if (cases[of].target) assert_string_equal(target, expected);
    if (!cases[of].target) assert_null(target);
    free(target);
    errno = 0;
    assert_int_equal(duplex_text_may_replace(cases[of].name), cases[of].wrong ? -1 : 0);
    if (cases[of].wrong) assert_int_equal(errno, cases[of].wrong);
    assert_int_equal(unlink("plain"), i % 2 ? 0 : -1);  // not there, or there still
  }
  assert_true(close(open("plain", O_CREAT | O_WRONLY, 0400)) == 0);
  assert_int_equal(duplex_text_may_replace("first"), -1);
  assert_int_equal(errno, EACCES);
  assert_int_equal(unlink("plain"), 0);
  char *beside = duplex_text_beside("none/x", "/absolute");
  assert_string_equal(beside, "/absolute");
  free(beside);
  for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++)
    if (cases[i].link) assert_int_equal(unlink(cases[i].name), 0);
  assert_int_equal(chdir(before), 0);
  assert_int_equal(rmdir(folder), 0);  // empty
  free(folder);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_names),        cmocka_unit_test(test_places),  cmocka_unit_test(test_socket),
      cmocka_unit_test(test_write_errors), cmocka_unit_test(test_lines),   cmocka_unit_test(test_mark),
      cmocka_unit_test(test_long_lines),   cmocka_unit_test(test_reserve), cmocka_unit_test(test_targets)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
