// SPDX-License-Identifier: Apache-2.0
// Readers and writer of .npy files: every form of a header, every refusal with its text, elements and shapes.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/npy.h"

// clang-format off: after what it needs
#include <cmocka.h>
// clang-format on

#define LENGTH(array) (sizeof(array) / sizeof *(array))
#define HALVES "{'descr': '<f2', 'fortran_order': False, 'shape': "

static char path[] = P_tmpdir "/duplex_npy_XXXXXX";

static int make_path(void **state) {
  (void)state;
  const int file = mkstemp(path);
  return file < 0 || close(file) != 0;
}

static int remove_path(void **state) {
  (void)state;
  return unlink(path);
}

// A file of this version with the header `text` (spaces fill it to 128 bytes) and so many bytes 1, 2, 3...
static void write_file(unsigned version, const char *text, size_t bytes) {
  FILE *file = fopen(path, "wb");
  assert_non_null(file);
  const size_t start = version == 1 ? 10 : 12;
  const size_t length = strlen(text) < 128 - start ? 128 - start : strlen(text);
  fwrite("\x93NUMPY", 1, 6, file);
  fputc((int)version, file), fputc(0, file);
  for (unsigned i = 0; i < start - 8; i++) fputc((int)(length >> 8 * i & 0xff), file);
  fprintf(file, "%-*s", (int)length, text);
  for (size_t i = 1; i <= bytes; i++) fputc((int)(i & 0xff), file);
  assert_int_equal(fclose(file), 0);
}

static void write_bytes(const void *bytes, size_t size) {
  FILE *file = fopen(path, "wb");
  assert_non_null(file);
  assert_int_equal(fwrite(bytes, 1, size, file), size);
  assert_int_equal(fclose(file), 0);
}

static char message[9000];  // what the last reader said
static int saved_error;

// Standard error goes into a file until end_message, which reads it.
static FILE *begin_message(void) {
  FILE *file = tmpfile();
  assert_non_null(file);
  fflush(stderr);
  saved_error = dup(STDERR_FILENO);
  dup2(fileno(file), STDERR_FILENO);
  return file;
}

static void end_message(FILE *file) {
  fflush(stderr);
  dup2(saved_error, STDERR_FILENO);
  close(saved_error);
  rewind(file);
  message[fread(message, 1, sizeof message - 1, file)] = 0;
  fclose(file);
}

static int lowest_descriptor(void) {
  const int file = dup(STDIN_FILENO);
  assert_true(file >= 0);
  close(file);
  return file;
}

// The status of a reader, with its message. The file is closed again.
static int read_any(struct tensor *tensor) {
  const int before = lowest_descriptor();
  FILE *file = begin_message();
  const int status = npy_read("--x", path, tensor);
  end_message(file);
  assert_int_equal(lowest_descriptor(), before);
  return status;
}

// The message is one line: "duplex: --x PATH: text".
static void assert_message(const char *text) {
  char expected[400];
  snprintf(expected, sizeof expected, "duplex: --x %s: %s\n", path, text);
  assert_string_equal(message, expected);
}

static void assert_refused(const char *text) {
  struct tensor tensor;
  memset(&tensor, 0xff, sizeof tensor);
  assert_int_equal(read_any(&tensor), EXIT_BAD_INPUT);
  assert_message(text);
  assert_null(tensor.data);
}

static void assert_counts_up(const struct tensor *tensor, size_t bytes) {
  for (size_t i = 0; i < bytes; i++) assert_int_equal(((uint8_t *)tensor->data)[i], (i + 1) & 0xff);
}

static void test_headers(void **state) {
  (void)state;
  static const struct {
    unsigned version;
    const char *text;
    enum element element;
    size_t bytes;
    unsigned rank;
    size_t shape[RANK_MOST];
  } good[] = {
      {1, HALVES "(3, 4), }\n", ELEMENT_F16, 24, 2, {3, 4}},
      {2, HALVES "(3, 4), }\n", ELEMENT_F16, 24, 2, {3, 4}},
      {3, HALVES "(3, 4), }\n", ELEMENT_F16, 24, 2, {3, 4}},
      {1, HALVES "(3, 4)}", ELEMENT_F16, 24, 2, {3, 4}},
      {1, HALVES "(7,)}", ELEMENT_F16, 14, 1, {7}},
      {1, HALVES "(7)}", ELEMENT_F16, 14, 1, {7}},
      {1, HALVES "()}", ELEMENT_F16, 2, 0, {0}},
      {1, HALVES "( 2L , 3 ,1L,5 , )}", ELEMENT_F16, 60, 4, {2, 3, 1, 5}},
      {1, "{'shape':(9,),'fortran_order':False,'descr':'<f4'}", ELEMENT_F32, 36, 1, {9}},
      {1,
       " { \"descr\" : \"|V16\" , \"shape\" : (2, 1) , \"fortran_order\" : False , } \n",
       ELEMENT_ACC,
       32,
       2,
       {2, 1}},
  };
  for (size_t i = 0; i < LENGTH(good); i++) {
    struct tensor tensor;
    write_file(good[i].version, good[i].text, good[i].bytes);
    if (read_any(&tensor)) fail_msg("%s: %s", good[i].text, message);
    assert_string_equal(message, "");
    assert_int_equal(tensor.element, good[i].element);
    assert_int_equal(tensor.rank, good[i].rank);
    assert_memory_equal(tensor.shape, good[i].shape, tensor.rank * sizeof *tensor.shape);
    assert_int_equal(tensor.count * element_size(tensor.element), good[i].bytes);
    assert_counts_up(&tensor, good[i].bytes);
    tensor_free(&tensor);
    assert_null(tensor.data);
  }
}

// A header of 300 bytes, whose length takes both bytes; and elements that are read in several parts.
static void test_long(void **state) {
  (void)state;
  struct tensor tensor;
  char text[301];
  snprintf(text, sizeof text, "%-300s", HALVES "(3, 4)}");
  write_file(1, text, 24);
  assert_int_equal(read_any(&tensor), EXIT_GOOD);
  assert_counts_up(&tensor, 24);
  tensor_free(&tensor);
  const size_t elements = ((size_t)1 << 24) + 5;
  write_file(1, HALVES "(16777221,)}", 0);
  FILE *file = fopen(path, "ab");
  for (uint32_t i = 0; i < elements; i++) fwrite(&(uint16_t){(uint16_t)(i ^ i >> 16)}, 1, 2, file);
  assert_int_equal(fclose(file), 0);
  assert_int_equal(read_any(&tensor), EXIT_GOOD);
  assert_int_equal(tensor.count, elements);
  for (uint32_t i = 0; i < elements; i++)
    if (((uint16_t *)tensor.data)[i] != (uint16_t)(i ^ i >> 16)) fail_msg("element %u", i);
  tensor_free(&tensor);
}

static void test_bad_dicts(void **state) {
  (void)state;
  static const char *const bad[] = {
      "",
      "'descr': '<f2', 'fortran_order': False, 'shape': (3, 4), }",
      HALVES "(3, 4), ",
      HALVES "(3, 4), } x",
      HALVES "(3, 4) }}",
      HALVES "(3, 4); }",
      HALVES "[3, 4]}",
      HALVES "(3, 4}",
      HALVES "(3; 4)}",
      HALVES "(3 4)}",
      HALVES "(3, x)}",
      HALVES "(3, -4)}",
      HALVES "(3, +4)}",
      HALVES "(, 4)}",
      HALVES "(1, 1, 1, 1, )x}",
      HALVES "(18446744073709551616,)}",
      HALVES "(3, 4), 'shape': (3, 4)}",
      HALVES "(3, 4), 'descr': '<f2'}",
      HALVES "(3, 4), 'fortran_order': False}",
      HALVES "(3, 4), 'more': 1}",
      "{'descr': '<f2', 'fortran_order': False}",
      "{'descr': '<f2', 'shape': (3, 4)}",
      "{'fortran_order': False, 'shape': (3, 4)}",
      "{'descr': '<f2', 'fortran_order': false, 'shape': (3, 4)}",
      "{'descr': '<f2', 'fortran_order': 0, 'shape': (3, 4)}",
      "{'descr': <f2, 'fortran_order': False, 'shape': (3, 4)}",
      "{'descr': '<f2, fortran_order: False, shape: (3, 4)}",
      "{'descr': '1234567890123456', 'fortran_order': False, 'shape': (3, 4)}",
      "{'descr' '<f2', 'fortran_order': False, 'shape': (3, 4)}",
      "{'descr': [('a', '<f2'), 'fortran_order': False, 'shape': (3, 4)}",
      "{'descr': [('a, <f2)], fortran_order: False, shape: (3, 4)}",
      "{descr: '<f2', 'fortran_order': False, 'shape': (3, 4)}",
      "{xdescrx: '<f2', 'fortran_order': False, 'shape': (3, 4)}",
      "{'descr': '<f2' 'fortran_order': False, 'shape': (3, 4)}",
      "{'descr, 'fortran_order': False, 'shape': (3, 4)}",
      "{'a key that is longer than any of the three keys': 1}",
  };
  for (size_t i = 0; i < LENGTH(bad); i++) {
    write_file(1, bad[i], 24);
    print_message("%s\n", bad[i]);
    assert_refused("has a header that is no valid .npy dict");
  }
  // NumPy writes these, and nothing here takes them.
  write_file(1, HALVES "(1, 1, 1, 1, 24)}", 24);
  assert_refused("has 5 dimensions, expected at most 4");
  write_file(1, "{'descr': [('a]', '<f2'), ('b', [('c', '<f4')])], 'fortran_order': False, 'shape': (3, 4)}",
             24);
  assert_refused("its elements are structured, expected <f2, <f4 or |V16");
  write_file(1, HALVES "(3, 4), }", 24);
  FILE *file = fopen(path, "r+b");  // a NUL inside the header
  fseek(file, 120, SEEK_SET);
  fputc(0, file);
  fclose(file);
  assert_refused("has a header that is no valid .npy dict");
}

static void test_bad_files(void **state) {
  (void)state;
  static const uint8_t magic[] = {0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, 118, 0};
  uint8_t other[sizeof magic];
  write_bytes(magic, 0);
  assert_refused("is not a .npy file");
  write_bytes(magic, 7);
  assert_refused("is not a .npy file");
  for (unsigned i = 0; i < 6; i++) {
    memcpy(other, magic, sizeof magic);
    other[i] ^= 1;
    write_bytes(other, sizeof other);
    assert_refused("is not a .npy file");
  }
  static const uint8_t versions[][2] = {{0, 0}, {4, 0}, {255, 0}, {1, 1}, {2, 1}};
  for (unsigned i = 0; i < LENGTH(versions); i++) {
    memcpy(other, magic, sizeof magic);
    memcpy(other + 6, versions[i], 2);
    write_bytes(other, sizeof other);
    assert_refused("has an unknown .npy version, expected 1 to 3");
  }
  write_bytes(magic, 8);
  assert_refused("is truncated in its header");
  write_bytes(magic, 9);
  assert_refused("is truncated in its header");
  write_bytes(magic, 10);
  assert_refused("is truncated in its header");
  memcpy(other, magic, sizeof magic);
  other[6] = 2;  // four bytes of length, of which two are there
  write_bytes(other, sizeof other);
  assert_refused("is truncated in its header");
  for (unsigned byte = 0; byte < 4; byte++) {  // every byte of the length counts
    uint8_t start[12] = {0x93, 'N', 'U', 'M', 'P', 'Y', 2, 0};
    start[8 + byte] = 2;
    write_bytes(start, sizeof start);
    assert_refused(byte < 2 ? "is truncated in its header" : "has a header that is too long");
  }
  char long_text[65537];
  memset(long_text, ' ', sizeof long_text - 1);
  long_text[65536] = 0;
  memcpy(long_text, HALVES "(3, 4), }", strlen(HALVES "(3, 4), }"));
  struct tensor tensor;
  write_file(2, long_text, 24);
  assert_int_equal(read_any(&tensor), EXIT_GOOD);
  assert_counts_up(&tensor, 24);
  tensor_free(&tensor);
  static const uint8_t one_longer[] = {0x93, 'N', 'U', 'M', 'P', 'Y', 2, 0, 1, 0, 1, 0};
  write_bytes(one_longer, sizeof one_longer);
  assert_refused("has a header that is too long");
}

static void test_bad_elements(void **state) {
  (void)state;
  static const char *const types[] = {">f2", "<f8",  "<i4", "<i8", "|V2",
                                      "=f2", "<f22", "<f",  "",    "123456789012345"};
  for (size_t i = 0; i < LENGTH(types); i++) {
    char text[100], expected[100];
    snprintf(text, sizeof text, "{'descr': '%s', 'fortran_order': False, 'shape': (3, 4)}", types[i]);
    snprintf(expected, sizeof expected, "its elements are %s, expected <f2, <f4 or |V16", types[i]);
    write_file(1, text, 24);
    assert_refused(expected);
  }
  write_file(1, "{'descr': '<f2', 'fortran_order': True, 'shape': (3, 4), }", 24);
  struct tensor tensor;
  assert_int_equal(read_any(&tensor), EXIT_BAD_INPUT);
  assert_non_null(strstr(message, "is in Fortran order, expected C order"));
  write_file(1, HALVES "(3, 0, 4)}", 0);
  assert_refused("is an empty tensor");
  write_file(1, HALVES "(4294967296, 4294967296)}", 16);
  assert_refused("its shape is too large");
  write_file(1, HALVES "(9223372036854775808,)}", 16);
  assert_refused("its shape is too large");
  write_file(1, HALVES "(3, 4)}", 23);
  assert_refused("is truncated, its shape needs 24 bytes of elements and it has 23");
  write_file(1, HALVES "(3, 4)}", 25);
  assert_refused("has bytes behind its elements, its shape needs 24 bytes of elements and it has 25");
  write_file(2, HALVES "(3, 4)}", 25);
  assert_refused("has bytes behind its elements, its shape needs 24 bytes of elements and it has 25");
  FILE *file = begin_message();
  assert_int_equal(npy_read("--x", "/nonexistent/x.npy", &tensor), EXIT_BAD_INPUT);
  end_message(file);
  assert_string_equal(message, "duplex: --x /nonexistent/x.npy: cannot be read: No such file or directory\n");
}

// A pipe has no size to compare with.
static void test_pipe(void **state) {
  (void)state;
  int ends[2];
  char name[32];
  struct tensor tensor;
  assert_int_equal(pipe(ends), 0);
  write_file(1, HALVES "(3, 4)}", 24);
  FILE *from = fopen(path, "rb");
  char bytes[152];
  assert_int_equal(fread(bytes, 1, sizeof bytes, from), sizeof bytes);
  fclose(from);
  assert_int_equal(write(ends[1], bytes, sizeof bytes), sizeof bytes);
  close(ends[1]);
  snprintf(name, sizeof name, "/dev/fd/%d", ends[0]);
  FILE *file = begin_message();
  assert_int_equal(npy_read("--x", name, &tensor), EXIT_BAD_INPUT);
  end_message(file);
  close(ends[0]);
  assert_non_null(strstr(message, ": is a pipe, expected a file\n"));
}

static void test_integers(void **state) {
  (void)state;
  struct tensor tensor;
  const int32_t words[] = {-5, INT32_MAX};
  const int64_t longs[] = {INT64_MIN, 7};
  for (unsigned i = 0; i < 2; i++) {
    write_file(1,
               i ? "{'descr': '<i8', 'fortran_order': False, 'shape': (2,)}"
                 : "{'descr': '<i4', 'fortran_order': False, 'shape': (2,)}",
               i ? 16 : 8);
    FILE *file = fopen(path, "r+b");
    fseek(file, 128, SEEK_SET);
    fwrite(i ? (const void *)longs : words, 1, i ? sizeof longs : sizeof words, file);
    fclose(file);
    assert_int_equal(npy_read_integers("--lengths", path, &tensor), EXIT_GOOD);
    assert_int_equal(tensor.count, 2);
    for (unsigned n = 0; n < 2; n++) assert_true(tensor_integer(&tensor, n) == (i ? longs[n] : words[n]));
    tensor_free(&tensor);
  }
  write_file(1, HALVES "(2,)}", 4);
  FILE *file = begin_message();
  assert_int_equal(npy_read_integers("--x", path, &tensor), EXIT_BAD_INPUT);
  end_message(file);
  assert_non_null(strstr(message, "its elements are <f2, expected <i4 or <i8"));
}

static void test_f16(void **state) {
  (void)state;
  struct tensor tensor;
  write_file(1, HALVES "(3, 4, 1)}", 24);
  assert_int_equal(npy_read_f16("--x", path, 3, &tensor), EXIT_GOOD);
  assert_counts_up(&tensor, 24);
  tensor_free(&tensor);
  for (unsigned rank = 2; rank <= 4; rank += 2) {
    char text[60];
    FILE *file = begin_message();
    assert_int_equal(npy_read_f16("--x", path, rank, &tensor), EXIT_BAD_INPUT);
    end_message(file);
    snprintf(text, sizeof text, "has 3 dimensions, expected %u", rank);
    assert_message(text);
    assert_null(tensor.data);
  }
  write_file(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4, 1)}", 48);
  FILE *file = begin_message();
  assert_int_equal(npy_read_f16("--x", path, 3, &tensor), EXIT_BAD_INPUT);
  end_message(file);
  assert_non_null(strstr(message, "its elements are <f4, expected <f2"));
}

static int read_matrices(unsigned *matrices, struct tensor *tensor) {
  FILE *file = begin_message();
  const int status = npy_read_matrices("--x", path, matrices, tensor);
  end_message(file);
  return status;
}

static void test_matrices(void **state) {
  (void)state;
  static const struct {
    const char *text;
    unsigned matrices, rank;  // matrices 0: refused
  } cases[] = {{HALVES "(6, 10)}", 1, 2},
               {HALVES "(2, 3, 10)}", 2, 3},
               {HALVES "(3, 2, 10)}", 0, 3},
               {HALVES "(60,)}", 0, 1},
               {HALVES "(2, 1, 3, 10)}", 0, 4}};
  for (size_t i = 0; i < LENGTH(cases); i++) {
    struct tensor tensor;
    write_file(1, cases[i].text, 120);
    for (unsigned before = 0; before <= 2; before++) {
      unsigned matrices = before;
      char text[100];
      const int status = read_matrices(&matrices, &tensor);
      if (cases[i].matrices && (before == 0 || before == cases[i].matrices)) {
        assert_int_equal(status, EXIT_GOOD);
        assert_int_equal(matrices, cases[i].matrices);
        assert_true(tensor.shape[0] == (matrices == 2 ? 3 : 6) && tensor.shape[1] == 10);
        assert_counts_up(&tensor, 120);
        tensor_free(&tensor);
        continue;
      }
      assert_int_equal(status, EXIT_BAD_INPUT);
      assert_int_equal(matrices, before);
      assert_null(tensor.data);
      snprintf(text, sizeof text, "has %u dimensions, expected %s", cases[i].rank,
               cases[i].matrices ? "those of --x" : "2, or 3 for a pair of matrices");
      assert_message(text);
    }
  }
  write_file(1, "{'descr': '|V16', 'fortran_order': False, 'shape': (1, 2)}", 32);
  unsigned matrices = 0;
  struct tensor tensor;
  assert_int_equal(read_matrices(&matrices, &tensor), EXIT_BAD_INPUT);
  assert_non_null(strstr(message, "its elements are |V16, expected <f2"));
  assert_int_equal(tensor_new_matrices(ELEMENT_F32, 1, 5, 7, &tensor), EXIT_GOOD);
  assert_true(tensor.rank == 2 && tensor.shape[0] == 5 && tensor.shape[1] == 7 && tensor.count == 35);
  tensor_free(&tensor);
  assert_int_equal(tensor_new_matrices(ELEMENT_ACC, 2, 5, 7, &tensor), EXIT_GOOD);
  assert_true(tensor.rank == 3 && tensor.shape[0] == 2 && tensor.shape[1] == 5 && tensor.shape[2] == 7);
  assert_true(tensor.count == 70 && tensor.element == ELEMENT_ACC);
  memset(tensor.data, 1, 70 * 16);  // all of it is there
  tensor_free(&tensor);
}

static void test_too_large(void **state) {
  (void)state;
  static const struct {
    size_t shape[2];
    const char *text;
  } cases[] = {
      {{SIZE_MAX, 2}, "duplex: a tensor is too large\n"},
      {{SIZE_MAX / 2, 1}, "duplex: a tensor of 9223372036854775807 elements is too large\n"},
      {{(size_t)1 << 62, 1}, "duplex: a tensor of 4611686018427387904 elements is too large\n"},
      {{(size_t)1 << 60, 1}, "duplex: too little memory for a tensor of 1152921504606846976 elements\n"}};
  for (size_t i = 0; i < LENGTH(cases); i++) {
    struct tensor tensor;
    FILE *file = begin_message();
    assert_int_equal(tensor_new(ELEMENT_F16, 2, cases[i].shape, &tensor), EXIT_BAD_INPUT);
    end_message(file);
    assert_string_equal(message, cases[i].text);
    assert_null(tensor.data);
  }
}

// Whatever its length, the header ends at the next multiple of 64 bytes.
static void test_lengths(void **state) {
  (void)state;
  unsigned full = 0;
  for (unsigned digits = 4; digits <= 80; digits++) {
    struct tensor tensor = {.element = ELEMENT_F16, .rank = 4};
    char header[NPY_HEADER_BYTES], text[200];
    for (unsigned i = 0; i < 4; i++) {
      const unsigned own = digits / 4 + (i < digits % 4);
      tensor.shape[i] = 1;
      for (unsigned n = 1; n < own && n < 19; n++) tensor.shape[i] *= 10;
    }
    const int length = snprintf(text, sizeof text, HALVES "(%zu, %zu, %zu, %zu), }", tensor.shape[0],
                                tensor.shape[1], tensor.shape[2], tensor.shape[3]);
    size_t expected = 64;
    while (expected < 10 + (size_t)length + 1) expected += 64;
    full += expected == 10 + (size_t)length + 1;
    assert_int_equal(npy_header(&tensor, header), expected);
    assert_memory_equal(header + 10, text, (size_t)length);
    assert_int_equal(header[expected - 1], '\n');
  }
  assert_true(full > 0);  // one of them has no space at all
}

// The writer's header, byte by byte, and read again.
static void test_writer(void **state) {
  (void)state;
  static const struct {
    enum element element;
    unsigned rank;
    size_t shape[RANK_MOST], bytes;
    const char *text;
  } cases[] = {
      {ELEMENT_F16, 1, {7}, 128, "{'descr': '<f2', 'fortran_order': False, 'shape': (7,), }"},
      {ELEMENT_F16, 2, {3, 4}, 128, "{'descr': '<f2', 'fortran_order': False, 'shape': (3, 4), }"},
      {ELEMENT_F32, 3, {2, 3, 4}, 128, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3, 4), }"},
      {ELEMENT_ACC,
       4,
       {1, 2, 3, 4},
       128,
       "{'descr': '|V16', 'fortran_order': False, 'shape': (1, 2, 3, 4), }"},
      {ELEMENT_ACC,
       4,
       {SIZE_MAX, SIZE_MAX, SIZE_MAX, SIZE_MAX},
       192,
       "{'descr': '|V16', 'fortran_order': False, 'shape': (18446744073709551615, 18446744073709551615, "
       "18446744073709551615, 18446744073709551615), }"}};
  for (size_t i = 0; i < LENGTH(cases); i++) {
    struct tensor tensor = {.element = cases[i].element, .rank = cases[i].rank};
    char header[NPY_HEADER_BYTES];
    memcpy(tensor.shape, cases[i].shape, sizeof tensor.shape);
    memset(header, 'x', sizeof header);
    const size_t bytes = npy_header(&tensor, header);
    const size_t length = strlen(cases[i].text);
    assert_int_equal(bytes, cases[i].bytes);
    assert_memory_equal(header, "\x93NUMPY\x01\x00", 8);
    assert_int_equal((uint8_t)header[8] | (uint8_t)header[9] << 8, bytes - 10);
    assert_memory_equal(header + 10, cases[i].text, length);
    for (size_t at = 10 + length; at < bytes - 1; at++) assert_int_equal(header[at], ' ');
    assert_int_equal(header[bytes - 1], '\n');
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_headers),   cmocka_unit_test(test_long),      cmocka_unit_test(test_lengths),
      cmocka_unit_test(test_bad_dicts), cmocka_unit_test(test_bad_files), cmocka_unit_test(test_bad_elements),
      cmocka_unit_test(test_pipe),      cmocka_unit_test(test_integers),  cmocka_unit_test(test_f16),
      cmocka_unit_test(test_matrices),  cmocka_unit_test(test_too_large), cmocka_unit_test(test_writer)};
  return cmocka_run_group_tests(tests, make_path, remove_path);
}
