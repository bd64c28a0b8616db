// SPDX-License-Identifier: Apache-2.0
// The descriptor ring: start, wait, recover, and the descriptors of GEMM and expert.
#include "firmware/kernels/ring.h"

#include "duplex/registers.h"

#define DONE (1u << DUPLEX_INTERRUPT_STATUS_DONE_LSB)
#define ERROR (1u << DUPLEX_INTERRUPT_STATUS_ERROR_LSB)
#define ENABLE (1u << DUPLEX_CONTROL_ENABLE_LSB)
#define FLUSH (1u << DUPLEX_CONTROL_FLUSH_LSB)
#define BUSY (1u << DUPLEX_STATUS_BUSY_LSB)
#define POLLS_MOST (1u << 22)
#define NO_FORM 1u  // of a descriptor that is not kept

void ring_recover(const struct hal *hal) {
  hal_write(hal, DUPLEX_REG_CONTROL, ENABLE | FLUSH);
  for (uint32_t polls = 0; polls < POLLS_MOST && (hal_read(hal, DUPLEX_REG_STATUS) & BUSY); polls++) continue;
  hal_write(hal, DUPLEX_REG_ERROR_CODE, 0);
  hal_write(hal, DUPLEX_REG_INTERRUPT_STATUS, DONE | ERROR);
}

// How many slots are free.
static void look_for_room(struct ring *ring) {
  const uint32_t outstanding = (ring->produced - hal_read(ring->hal, DUPLEX_REG_CONSUMER)) & 0xffff;
  ring->room = DUPLEX_RING_ENTRIES - outstanding;
}

void ring_start(struct ring *ring, const struct hal *hal, struct firmware_report *report) {
  hal_write(hal, DUPLEX_REG_INTERRUPT_STATUS, DONE | ERROR);
  *report = (struct firmware_report){0};
  hal_write(hal, DUPLEX_REG_INTERRUPT_ENABLE, DONE | ERROR);
  ring->hal = hal;
  ring->report = report;
  ring->soiled = *hal->soiled ? DUPLEX_RING_ENTRIES : 0;
  hal_write(hal, DUPLEX_REG_CONTROL, ENABLE);
  ring->produced = hal_read(hal, DUPLEX_REG_DOORBELL);
  ring->completed = hal_read(hal, DUPLEX_REG_COMPLETED);
  look_for_room(ring);
}

void ring_abandon(struct ring *ring, enum firmware_result result) {
  ring->report->result = result;
  ring_recover(ring->hal);
}

// The stack has refused a descriptor: notes which, and ends the job.
static bool refused(struct ring *ring) {
  const uint32_t code = hal_read(ring->hal, DUPLEX_REG_ERROR_CODE);
  if (code == DUPLEX_STACK_ERROR_NONE) return false;
  ring->report->error_code = code;
  ring->report->error_tag =
      hal_read(ring->hal, DUPLEX_REG_ERROR_DESCRIPTOR) >> DUPLEX_ERROR_DESCRIPTOR_TAG_LSB;
  ring->report->error_address = hal_read(ring->hal, DUPLEX_REG_ERROR_ADDRESS);
  ring_abandon(ring, FIRMWARE_REFUSED);
  return true;
}

// The job is no longer wanted: ends it.
static bool cancelled(struct ring *ring) {
  if (!hal_cancelled(ring->hal)) return false;
  ring_abandon(ring, FIRMWARE_CANCELLED);
  return true;
}

// Sleeps until the stack reports something; false if the job is over.
static bool wait_for_news(struct ring *ring) {
  if (hal_wait_interrupt(ring->hal) != 0) {
    ring_abandon(ring, FIRMWARE_WATCHDOG);
    return false;
  }
  hal_write(ring->hal, DUPLEX_REG_INTERRUPT_STATUS, DONE);
  return !refused(ring) && !cancelled(ring);
}

// By itself, so that a push that finds room needs no stack.
__attribute__((noinline)) bool ring_make_room(struct ring *ring) {
  if (cancelled(ring)) return false;
  for (look_for_room(ring); ring->room == 0; look_for_room(ring))
    if (!wait_for_news(ring)) return false;
  return true;
}

// What LOAD and GEMM do not use of a slot.
static inline void clear_attention_words(const struct hal *hal, uint32_t slot) {
  for (uint32_t word = PUSHED_WORDS; word < DUPLEX_DESCRIPTOR_WORDS; word++)
    hal_write_word(hal, slot, word, 0);
}

bool ring_tidy(const struct hal *hal) {
  if (*hal->soiled == 0) return false;
  clear_attention_words(hal, ring_place(--*hal->soiled));
  return true;
}

// Words from `from` to before `end`, without a loop.
static inline void write_words(const struct ring *ring, uint32_t slot, const uint32_t d[PUSHED_WORDS],
                               uint32_t from, uint32_t end) {
#pragma GCC unroll 16
  for (uint32_t word = from; word < end; word++) hal_write_word(ring->hal, slot, word, d[word]);
}

// The bus takes longer for a word than the processor: what is to be computed stands between the words.
__attribute__((noinline)) bool ring_push_kept(struct ring *ring, const uint32_t d[PUSHED_WORDS],
                                              uintptr_t form, uint32_t source, uint32_t results, bool last) {
  uintptr_t *held = &ring->held[ring->produced % DUPLEX_RING_ENTRIES];
  const bool known = ring->report->descriptors >= DUPLEX_RING_ENTRIES && *held == form;
  const bool soiled = ring->report->descriptors < ring->soiled;
  const uint32_t slot = ring_slot(ring);
  const uint32_t fields = ring_fields(ring, last);
  hal_write_word(ring->hal, slot, DUPLEX_DESC_SRC_BASE_WORD, source);
  *held = form;
  if (!known) write_words(ring, slot, d, DUPLEX_DESC_SRC_BASE_WORD + 1, DUPLEX_DESC_ROWS_WORD);
  ring_take_slot(ring);
  if (results || !known) hal_write_word(ring->hal, slot, DUPLEX_DESC_DST_BASE_WORD, results);
  ring_count_slot(ring);
  hal_write_word(ring->hal, slot, 0, d[0] | fields);
  if (!known) {
    write_words(ring, slot, d, DUPLEX_DESC_ROWS_WORD, DUPLEX_DESC_DST_BASE_WORD);
    write_words(ring, slot, d, DUPLEX_DESC_DST_BASE_WORD + 1, PUSHED_WORDS);
    if (soiled) clear_attention_words(ring->hal, slot);
  }
  return ring_commit(ring);
}

bool ring_push(struct ring *ring, const uint32_t d[PUSHED_WORDS], bool last) {
  ring->held[ring->produced % DUPLEX_RING_ENTRIES] = 0;
  return ring_push_kept(ring, d, NO_FORM, d[DUPLEX_DESC_SRC_BASE_WORD], d[DUPLEX_DESC_DST_BASE_WORD], last);
}

void ring_finish(struct ring *ring) {
  while (hal_read(ring->hal, DUPLEX_REG_COMPLETED) - ring->completed < ring->report->descriptors)
    if (!wait_for_news(ring)) return;
  hal_write(ring->hal, DUPLEX_REG_INTERRUPT_STATUS, DONE);
  ring->report->finished = ring->report->descriptors;
}

// Every field 0; written out, because it stands between two descriptors of a job.
static void clear(uint32_t d[PUSHED_WORDS]) {
#pragma GCC unroll 16
  for (uint32_t word = 0; word < PUSHED_WORDS; word++) d[word] = 0;
}

void describe_load(uint32_t d[PUSHED_WORDS], struct region source, uint32_t destination, uint32_t address,
                   uint32_t tiles) {
  clear(d);
  DUPLEX_DESCRIPTOR_SET(d, OPCODE, DUPLEX_OPCODE_LOAD);
  DUPLEX_DESCRIPTOR_SET(d, CHAIN, destination == DUPLEX_DESTINATION_SHARED);
  DUPLEX_DESCRIPTOR_SET(d, SRC_BASE, source.base);
  DUPLEX_DESCRIPTOR_SET(d, SRC_STRIPE, source.stripe);
  DUPLEX_DESCRIPTOR_SET(d, DESTINATION, destination);
  DUPLEX_DESCRIPTOR_SET(d, DST_ADDRESS, address);
  DUPLEX_DESCRIPTOR_SET(d, TILES, tiles);
}

void describe_gemm(uint32_t d[PUSHED_WORDS], const struct weight_layout *layout, struct region weights,
                   uint32_t groups) {
  clear(d);
  DUPLEX_DESCRIPTOR_SET(d, OPCODE, DUPLEX_OPCODE_GEMM);
  DUPLEX_DESCRIPTOR_SET(d, CHAIN, 1);
  DUPLEX_DESCRIPTOR_SET(d, GROUPS, groups);
  DUPLEX_DESCRIPTOR_SET(d, TWO_STREAMS, layout->two_streams);
  DUPLEX_DESCRIPTOR_SET(d, SRC_BASE, weights.base);
  DUPLEX_DESCRIPTOR_SET(d, SRC_STRIPE, weights.stripe);
  DUPLEX_DESCRIPTOR_SET(d, SRC_STRIDE, layout->stride);
  DUPLEX_DESCRIPTOR_SET(d, K_TILES, layout->k_tiles);
  DUPLEX_DESCRIPTOR_SET(d, BLOCKS, layout->blocks);
  DUPLEX_DESCRIPTOR_SET(d, BLOCK_ROWS, layout->block_rows);
  DUPLEX_DESCRIPTOR_SET(d, EXPONENTS, layout->exponents);
  DUPLEX_DESCRIPTOR_SET(d, ROWS, layout_streamed_rows(layout));
  DUPLEX_DESCRIPTOR_SET(d, CHANNEL_ROWS, layout->channel_rows);
  DUPLEX_DESCRIPTOR_SET(d, SKIP_ROWS, layout->skip_rows);
}

void describe_loaded_activations(uint32_t d[PUSHED_WORDS], uint32_t address, uint32_t groups) {
  DUPLEX_DESCRIPTOR_SET(d, X_ADDRESS, address);
  if (groups == 2) DUPLEX_DESCRIPTOR_SET(d, X_STRIDE, DUPLEX_TILE_WORDS);
}

void describe_results(uint32_t d[PUSHED_WORDS], const struct weight_layout *layout, struct region results,
                      enum duplex_result_format format, uint32_t groups) {
  DUPLEX_DESCRIPTOR_SET(d, FORMAT, format);
  DUPLEX_DESCRIPTOR_SET(d, DST_BASE, results.base);
  DUPLEX_DESCRIPTOR_SET(d, DST_STRIPE, results.stripe);
  DUPLEX_DESCRIPTOR_SET(d, DST_STRIDE, result_block_columns(layout, format, groups));
}
