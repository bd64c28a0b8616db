// SPDX-License-Identifier: Apache-2.0
// The descriptor ring as the kernels use it.
#ifndef DUPLEX_FIRMWARE_RING_H
#define DUPLEX_FIRMWARE_RING_H

#include "duplex/descriptor.h"
#include "duplex/params.h"
#include "duplex/registers.h"
#include "firmware/firmware.h"

struct ring {
  const struct hal *hal;
  struct firmware_report *report;
  uint32_t produced;   // free-running, as DOORBELL
  uint32_t completed;  // COMPLETED when the job began
};

// Empties the ring, waits until nothing is under way, clears errors: after this the stack is as if no job had
// been.
void ring_recover(const struct hal *hal);

// Makes the stack ready: enabled, interrupts on.
void ring_start(struct ring *ring, const struct hal *hal, struct firmware_report *report);

// Ends the job with this result, the stack as by ring_recover.
void ring_abandon(struct ring *ring, enum firmware_result result);

static inline bool ring_is_full(const struct ring *ring) {
  return ((ring->produced - hal_read(ring->hal, DUPLEX_REG_CONSUMER)) & 0xffff) == DUPLEX_RING_ENTRIES;
}
// Sleeps until it is not; false: the job is over.
bool ring_wait_for_room(struct ring *ring);

// Writes a descriptor of LOAD or GEMM, whose words for ATTENTION are 0, and rings the doorbell; waits for a
// free slot if there is none. `last` asks for the interrupt that ring_finish waits for. False: the job is
// over, the report says why.
bool ring_push(struct ring *ring, const uint32_t descriptor[DUPLEX_DESCRIPTOR_WORDS], bool last);

// The same in two steps, for a kernel that writes the words itself: the slot for hal_write_word, and what
// word 0 needs besides the kernel's own fields (INTERRUPT and TAG). A slot keeps its words until they are
// written again; ring_slot_is_new: this job has not written it yet.
static inline bool ring_reserve(struct ring *ring, bool last, uint32_t *slot, uint32_t *ring_fields) {
  const uint32_t number = ring->produced % DUPLEX_RING_ENTRIES;
  if (hal_cancelled(ring->hal)) {
    ring_abandon(ring, FIRMWARE_CANCELLED);
    return false;
  }
  if (ring_is_full(ring) && !ring_wait_for_room(ring)) return false;
  // Half-way through the ring an interrupt asks for more; waiting for the very last slot would leave the
  // stack idle.
  const bool interrupt = last || number % (DUPLEX_RING_ENTRIES / 2) == 0;
  *ring_fields =
      DUPLEX_DESCRIPTOR_FIELD(INTERRUPT, interrupt) | DUPLEX_DESCRIPTOR_FIELD(TAG, ring->report->descriptors);
  *slot = hal_base(DUPLEX_REG_RING + 4 * DUPLEX_DESCRIPTOR_WORDS * number);
  return true;
}

// The descriptor in the next slot goes to the stack; its words have been written.
static inline void ring_commit(struct ring *ring) {
  ring->produced = (ring->produced + 1) & 0xffff;
  ring->report->descriptors++;
  hal_write(ring->hal, DUPLEX_REG_DOORBELL, ring->produced);
}
static inline bool ring_slot_is_new(const struct ring *ring) {
  return ring->report->descriptors < DUPLEX_RING_ENTRIES;
}

// Waits until all descriptors are completed. A kernel that returns without it has its job refused: results
// may still be under way.
void ring_finish(struct ring *ring);

// Descriptors of the kernels; the tag is the caller's. All but the load of a table may start while the one
// before still writes its results: no kernel reads from DRAM what it wrote there.
void describe_load(uint32_t d[DUPLEX_DESCRIPTOR_WORDS], struct region source, uint32_t destination,
                   uint32_t address, uint32_t tiles);
void describe_gemm(uint32_t d[DUPLEX_DESCRIPTOR_WORDS], const struct weight_layout *layout,
                   struct region weights, uint32_t groups);
// Activations that a LOAD brought to word `address`: the tiles of the groups in turn.
void describe_loaded_activations(uint32_t d[DUPLEX_DESCRIPTOR_WORDS], uint32_t address, uint32_t groups);
void describe_results(uint32_t d[DUPLEX_DESCRIPTOR_WORDS], const struct weight_layout *layout,
                      struct region results, enum duplex_result_format format, uint32_t groups);

#endif
