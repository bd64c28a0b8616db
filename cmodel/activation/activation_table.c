// SPDX-License-Identifier: Apache-2.0
// Tables: the built-in ones, files, images.
#include <stdlib.h>
#include <string.h>

#include "activation_fields.h"
#include "builtin_tables.h"

const struct duplex_activation_table *duplex_activation_builtin(const char *name) {
  for (unsigned i = 0; i < DUPLEX_ACTIVATION_BUILTINS; i++) {
    if (strcmp(name, duplex_activation_builtins[i].name) == 0) return &duplex_activation_builtins[i].table;
  }
  return NULL;
}

// The number in the first `count` bytes (0 to 8).
static uint64_t little_endian(const uint8_t *bytes, unsigned count) {
  uint64_t value = 0;
  for (unsigned i = 0; i < count; i++) value |= (uint64_t)bytes[i] << (8 * i);
  return value;
}

// Whether the field of what an infinite argument gives has a meaning; `tail` is the entry of that side.
static bool limit_is_valid(unsigned limit, uint64_t tail) {
  if (limit == ACTIVATION_LIMIT_TAIL) return !activation_ratio(tail) || activation_c0(tail) == 0;
  return limit != ACTIVATION_LIMIT_NEGATIVE && limit != (ACTIVATION_LIMIT_NEGATIVE | ACTIVATION_LIMIT_NAN);
}

static bool is_constant(uint64_t entry) {
  return activation_field(entry, 18, 27) == 0 && activation_c3(entry) == 0;
}

// What is wrong with the header and the tails of a table's image of ACTIVATION_TABLE_BYTES; NULL: nothing.
static const char *check_image(const uint8_t *image) {
  const uint64_t header = little_endian(image, 8);
  const uint64_t below = little_endian(image + 8, 8);
  const uint64_t above = little_endian(image + 16, 8);
  if (header >> 22 || little_endian(image + 24, 8))
    return "reserved bits of the activation table's header word are not 0";
  if (!is_constant(below) || !is_constant(above)) return "a tail of the activation table is not constant";
  if (!limit_is_valid(activation_limit(header, true), below))
    return "the activation table's value at -Inf is not valid";
  if (!limit_is_valid(activation_limit(header, false), above))
    return "the activation table's value at +Inf is not valid";
  return NULL;
}

const char *duplex_activation_check(const void *bytes, size_t size) {
  const uint8_t *file = bytes;
  if (size < 8 || memcmp(file, DUPLEX_ACTIVATION_MAGIC, 8) != 0)
    return "not an activation table: it does not begin with " DUPLEX_ACTIVATION_MAGIC;
  if (size < DUPLEX_ACTIVATION_FILE_HEADER_BYTES) return "the activation table ends inside its file header";
  if (little_endian(file + 8, 4) != DUPLEX_ACTIVATION_VERSION)
    return "an activation table of another version than 1";
  if (little_endian(file + 12, 4) != DUPLEX_ACTIVATION_SEGMENTS)
    return "the activation table has another number of segments than 512";
  if (little_endian(file + 16, 8) || little_endian(file + 24, 8))
    return "reserved bytes of the activation table's file header are not 0";
  if (size != DUPLEX_ACTIVATION_FILE_BYTES) return "the activation table is not 4160 bytes long";
  return check_image(file + DUPLEX_ACTIVATION_FILE_HEADER_BYTES);
}

struct duplex_activation_table *duplex_activation_load(const void *bytes, size_t size,
                                                       const char **error_text) {
  *error_text = duplex_activation_check(bytes, size);
  if (*error_text) return NULL;
  struct duplex_activation_table *table = malloc(sizeof *table);
  if (!table) {
    *error_text = "too little memory for an activation table";
    return NULL;
  }
  const uint8_t *image = (const uint8_t *)bytes + DUPLEX_ACTIVATION_FILE_HEADER_BYTES;
  for (unsigned word = 0; word < DUPLEX_ACTIVATION_IMAGE_WORDS; word++)
    duplex_activation_write(table, word, image + (size_t)word * DUPLEX_ACTIVATION_WORD_BYTES);
  return table;
}

void duplex_activation_free(struct duplex_activation_table *table) { free(table); }

void duplex_activation_image(const struct duplex_activation_table *table,
                             uint8_t image[DUPLEX_ACTIVATION_IMAGE_BYTES]) {
  for (unsigned i = 0; i < DUPLEX_ACTIVATION_IMAGE_BYTES; i++)
    image[i] = (uint8_t)(table->entries[i / 8] >> (8 * (i % 8)));
}

void duplex_activation_write(struct duplex_activation_table *table, unsigned address,
                             const uint8_t word[DUPLEX_ACTIVATION_WORD_BYTES]) {
  if (address >= DUPLEX_ACTIVATION_IMAGE_WORDS) return;
  for (unsigned i = 0; i < 4; i++) table->entries[4 * address + i] = little_endian(word + 8 * i, 8);
}
