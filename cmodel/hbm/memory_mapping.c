// SPDX-License-Identifier: Apache-2.0
// Mapping of addresses by the memory controller: which bits are channel, bank, row and column.
#include <string.h>

#include "cmodel/hbm/memory_channel.h"

#define BITS(number) ((unsigned)__builtin_ctz(number))  // of the numbers below a power of two
#define BYTE_BITS BITS(DUPLEX_COLUMN_BYTES / 8)         // of an access of one bank

static const struct duplex_memory_mapping mappings[] = {
    {"tensor",
     {DUPLEX_MEMORY_CHANNEL, DUPLEX_MEMORY_RANK, DUPLEX_MEMORY_BANK_GROUP, DUPLEX_MEMORY_BANK,
      DUPLEX_MEMORY_HALF, DUPLEX_MEMORY_COLUMN, DUPLEX_MEMORY_ROW}},
    {"row_bank_column",
     {DUPLEX_MEMORY_CHANNEL, DUPLEX_MEMORY_BANK_GROUP, DUPLEX_MEMORY_COLUMN, DUPLEX_MEMORY_BANK,
      DUPLEX_MEMORY_HALF, DUPLEX_MEMORY_RANK, DUPLEX_MEMORY_ROW}},
    {"bundle",
     {DUPLEX_MEMORY_CHANNEL, DUPLEX_MEMORY_BANK_GROUP, DUPLEX_MEMORY_BANK, DUPLEX_MEMORY_COLUMN,
      DUPLEX_MEMORY_ROW, DUPLEX_MEMORY_HALF, DUPLEX_MEMORY_RANK}},
};

const struct duplex_memory_mapping *duplex_memory_mapping_of(const char *name) {
  if (name == NULL) return &mappings[0];
  for (unsigned i = 0; i < sizeof mappings / sizeof mappings[0]; i++)
    if (strcmp(name, mappings[i].name) == 0) return &mappings[i];
  return NULL;
}

bool memory_is_mapping(const struct duplex_memory_mapping *mapping) {
  unsigned seen = 0;
  for (unsigned i = 0; i < DUPLEX_MEMORY_FIELDS; i++)
    if ((unsigned)mapping->field[i] < DUPLEX_MEMORY_FIELDS) seen |= 1u << mapping->field[i];
  return seen == (1u << DUPLEX_MEMORY_FIELDS) - 1;
}

// Bits of each part of an address, by enum duplex_memory_field.
static unsigned bits_of(const struct duplex_memory_controller *m, enum duplex_memory_field field) {
  static const unsigned bits[] = {0, 2, 1, BITS(DUPLEX_COLUMNS), BITS(DUPLEX_BANK_ROWS), 1, 1};
  if (field == DUPLEX_MEMORY_CHANNEL) return (unsigned)__builtin_ctz(m->parameters.channels);
  return bits[field];
}

_Static_assert(!(DUPLEX_COLUMNS & (DUPLEX_COLUMNS - 1)) && !(DUPLEX_BANK_ROWS & (DUPLEX_BANK_ROWS - 1)) &&
                   DUPLEX_BUNDLES == 4,
               "columns and rows are counted in bits, half and rank in one each");

uint64_t duplex_memory_bytes(const struct duplex_memory_controller *m) {
  return (uint64_t)m->parameters.channels * DUPLEX_BUNDLES * DUPLEX_BANK_ROWS * DUPLEX_ROW_SET_BYTES;
}

struct duplex_memory_place duplex_memory_place_of(const struct duplex_memory_controller *m,
                                                  uint64_t address) {
  unsigned part[DUPLEX_MEMORY_FIELDS];
  uint64_t rest = address >> BYTE_BITS;
  for (unsigned i = 0; i < DUPLEX_MEMORY_FIELDS; i++) {
    const enum duplex_memory_field field = m->parameters.mapping.field[i];
    part[field] = (unsigned)(rest & ((1u << bits_of(m, field)) - 1));
    rest >>= bits_of(m, field);
  }
  return (struct duplex_memory_place){
      .channel = part[DUPLEX_MEMORY_CHANNEL],
      .bundle = 2 * part[DUPLEX_MEMORY_RANK] + part[DUPLEX_MEMORY_HALF],
      .bank = MEMORY_GROUPS * part[DUPLEX_MEMORY_BANK] + part[DUPLEX_MEMORY_BANK_GROUP],
      .row = part[DUPLEX_MEMORY_ROW],
      .column = part[DUPLEX_MEMORY_COLUMN]};
}

uint64_t duplex_memory_address_of(const struct duplex_memory_controller *m,
                                  const struct duplex_memory_place *place) {
  const unsigned part[DUPLEX_MEMORY_FIELDS] = {[DUPLEX_MEMORY_CHANNEL] = place->channel,
                                               [DUPLEX_MEMORY_BANK_GROUP] = place->bank % MEMORY_GROUPS,
                                               [DUPLEX_MEMORY_BANK] = place->bank / MEMORY_GROUPS,
                                               [DUPLEX_MEMORY_COLUMN] = place->column,
                                               [DUPLEX_MEMORY_ROW] = place->row,
                                               [DUPLEX_MEMORY_HALF] = place->bundle % 2,
                                               [DUPLEX_MEMORY_RANK] = place->bundle / 2};
  uint64_t address = 0;
  for (unsigned i = DUPLEX_MEMORY_FIELDS; i-- > 0;) {
    const enum duplex_memory_field field = m->parameters.mapping.field[i];
    address = address << bits_of(m, field) | part[field];
  }
  return address << BYTE_BITS;
}
