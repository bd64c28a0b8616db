// SPDX-License-Identifier: Apache-2.0
// duplex compare A B: the differences of two tensors in units in the last place, and the first one.
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "cli/messages.h"
#include "cli/npy.h"
#include "duplex/numerics.h"

// Bits of an element as an integer whose order is that of the numbers, so that a difference of 1 is one ulp.
static int64_t ordered(const struct tensor *t, size_t i) {
  const bool half = t->element == ELEMENT_F16;
  const uint32_t bits = half ? ((const uint16_t *)t->data)[i] : ((const uint32_t *)t->data)[i];
  const uint32_t sign = half ? 0x8000u : 0x80000000u;
  const int64_t magnitude = bits & ~sign;
  return bits & sign ? -magnitude : magnitude;
}

static bool is_nan(const struct tensor *t, size_t i) {
  if (t->element == ELEMENT_F16) return (((const uint16_t *)t->data)[i] & 0x7fff) > 0x7c00;
  return (((const uint32_t *)t->data)[i] & 0x7fffffff) > 0x7f800000;
}

static void print_element(const struct tensor *t, size_t i) {
  const unsigned char *bytes = (const unsigned char *)t->data + i * element_size(t->element);
  for (size_t b = element_size(t->element); b-- > 0;) printf("%02x", bytes[b]);
  float single;
  if (t->element == ELEMENT_F16) printf(" (%.9g)", duplex_f16_to_double(((const uint16_t *)t->data)[i]));
  if (t->element == ELEMENT_F32) printf(" (%.9g)", (double)(memcpy(&single, bytes, sizeof single), single));
}

static void print_index(const struct tensor *t, size_t i) {
  size_t place[RANK_MOST];
  for (unsigned d = t->rank; d-- > 0; i /= t->shape[d]) place[d] = i % t->shape[d];
  printf("[");
  for (unsigned d = 0; d < t->rank; d++) printf(d ? ", %zu" : "%zu", place[d]);
  printf("]");
}

// The line of the report for so many ulp.
static unsigned class_of(int64_t distance) {
  static const int64_t below[] = {1, 2, 4, 16};
  unsigned class = 0;
  while (class < sizeof below / sizeof *below && distance >= below[class]) class ++;
  return class;
}

// Prints how many elements differ, by how much, and the first of them.
static int compare(const struct tensor *a, const struct tensor *b) {
  static const char *const classes[] = {"0 ulp, other bits", "1 ulp",           "2 to 3 ulp",
                                        "4 to 15 ulp",       "16 ulp and more", "NaN against a number"};
  const size_t size = element_size(a->element);
  size_t different = 0;
  size_t first = 0;
  size_t count[6] = {0};
  int64_t most = 0;
  for (size_t i = 0; i < a->count; i++) {
    if (memcmp((const char *)a->data + i * size, (const char *)b->data + i * size, size) == 0) continue;
    if (different++ == 0) first = i;
    if (a->element == ELEMENT_ACC) continue;
    if (is_nan(a, i) != is_nan(b, i)) {
      count[5]++;
      continue;
    }
    int64_t distance = is_nan(a, i) ? 0 : ordered(a, i) - ordered(b, i);
    if (distance < 0) distance = -distance;
    if (distance > most) most = distance;
    count[class_of(distance)]++;
  }
  if (!different) {
    printf("%zu elements, the same bits\n", a->count);
    return EXIT_GOOD;
  }
  printf("%zu of %zu elements differ", different, a->count);
  if (a->element != ELEMENT_ACC) printf(", at most %lld ulp", (long long)most);
  printf("\nfirst at ");
  print_index(a, first);
  printf(": ");
  print_element(a, first);
  printf(" against ");
  print_element(b, first);
  printf("\n");
  for (unsigned i = 0; i < 6; i++)
    if (count[i]) printf("  %-22s %zu\n", classes[i], count[i]);
  return EXIT_ERROR;
}

// Type and shape are the same.
static int check_alike(char **path, const struct tensor *a, const struct tensor *b) {
  if (a->element != b->element)
    return fail(EXIT_BAD_INPUT, "%s: its elements are %s, expected %s as in %s", path[1],
                element_name(b->element), element_name(a->element), path[0]);
  bool same = a->rank == b->rank;
  for (unsigned i = 0; same && i < a->rank; i++) same = a->shape[i] == b->shape[i];
  return same ? EXIT_GOOD : fail(EXIT_BAD_INPUT, "%s: has another shape than %s", path[1], path[0]);
}

static int run_compare(int argc, char **argv) {
  if (argc != 2) return fail(EXIT_BAD_INPUT, "compare takes two files: see duplex compare --help");
  struct tensor a = {0};
  struct tensor b = {0};
  int status = npy_read("A", argv[0], &a);
  if (!status) status = npy_read("B", argv[1], &b);
  if (!status) status = check_alike(argv, &a, &b);
  if (!status) status = compare(&a, &b);
  tensor_free(&a);
  tensor_free(&b);
  return status;
}

const struct command compare_command = {"compare",
                                        "A.npy B.npy",
                                        "differences of two tensors in ulp",
                                        "Two tensors of one type (<f2, <f4 or |V16) and shape: how many "
                                        "elements differ, by how many ulp, and the "
                                        "first difference.\n"
                                        "Exit status 0: the same bits; 1: different; 2: bad input.\n",
                                        NULL,
                                        false,
                                        run_compare};
