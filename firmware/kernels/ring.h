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
  uint32_t room;       // slots that are known to be free, at least one
  // Which kept descriptor a slot holds from its last turn of this job (ring_push_kept), 0: none.
  uintptr_t held[DUPLEX_RING_ENTRIES];
  uint32_t soiled;  // descriptors of this job up to this one come to slots that may have words of ATTENTION
};

// Empties the ring, waits until nothing is under way, clears errors: after this the stack is as if no job had
// been.
void ring_recover(const struct hal *hal);

// Makes the stack ready: enabled, interrupts on.
void ring_start(struct ring *ring, const struct hal *hal, struct firmware_report *report);

// Between jobs, when there is nothing else to do: clears a slot's words of ATTENTION, which LOAD and GEMM
// need so. False: all slots are clean.
bool ring_tidy(const struct hal *hal);

// Ends the job with this result, the stack as by ring_recover.
void ring_abandon(struct ring *ring, enum firmware_result result);

// Looks whether the job is still wanted and how many slots are free, asleep until there is one. False: the
// job is over.
bool ring_make_room(struct ring *ring);

// Writes a descriptor of LOAD or GEMM, whose words for ATTENTION are 0, and rings the doorbell; then waits
// for a free slot if there is none. `last` asks for the interrupt that ring_finish waits for. False: the job
// is over, the report says why.
bool ring_push(struct ring *ring, const uint32_t d[PUSHED_WORDS], bool last);

// The same for a descriptor that the kernel keeps, with words of its own for SRC_BASE and DST_BASE (0 as in
// d: no results in DRAM). A slot that holds `form` since an earlier turn gets no other words: two descriptors
// of one form are equal but for those.
bool ring_push_kept(struct ring *ring, const uint32_t d[PUSHED_WORDS], uintptr_t form, uint32_t source,
                    uint32_t results, bool last);

static inline uint32_t ring_place(uint32_t entry) {
  return hal_base(DUPLEX_REG_RING + 4 * DUPLEX_DESCRIPTOR_WORDS * entry);
}
// The same in steps, for a kernel that writes the words itself. The next slot, for hal_write_word; it keeps
// its words until they are written again. ring_soil: a kernel that writes words of ATTENTION begins.
static inline uint32_t ring_slot(const struct ring *ring) {
  return ring_place(ring->produced % DUPLEX_RING_ENTRIES);
}
static inline void ring_soil(const struct ring *ring) { *ring->hal->soiled = DUPLEX_RING_ENTRIES; }
// This job has not written it yet.
static inline bool ring_slot_is_new(const struct ring *ring) {
  return ring->report->descriptors < DUPLEX_RING_ENTRIES;
}
// What its word 0 needs besides the kernel's own fields: INTERRUPT and TAG.
static inline uint32_t ring_fields(const struct ring *ring, bool last) {
  // Half-way through the ring an interrupt asks for more; waiting for the very last slot would leave the
  // stack idle.
  const bool interrupt = last | (ring->produced % (DUPLEX_RING_ENTRIES / 2) == 0);
  return DUPLEX_DESCRIPTOR_FIELD(INTERRUPT, interrupt) |
         DUPLEX_DESCRIPTOR_FIELD(TAG, ring->report->descriptors);
}
// It is taken: the three above are about the one behind it from now on. In two steps for whoever has words
// to write between them.
static inline void ring_take_slot(struct ring *ring) { ring->produced = (ring->produced + 1) & 0xffff; }
static inline void ring_count_slot(struct ring *ring) {
  ring->report->descriptors++;
  ring->room--;
}
static inline void ring_take(struct ring *ring) {
  ring_take_slot(ring);
  ring_count_slot(ring);
}
// The descriptor in the slot that was taken goes to the stack; its words have been written. Then waits for a
// free slot if there is none. False: the job is over.
static inline bool ring_commit(struct ring *ring) {
  hal_write(ring->hal, DUPLEX_REG_DOORBELL, ring->produced);
  return ring->room || ring_make_room(ring);
}

// Waits until all descriptors are completed. A kernel that returns without it has its job refused: results
// may still be under way.
void ring_finish(struct ring *ring);

// Descriptors of the kernels; the tag is the caller's. All but the load of a table may start while the one
// before still writes its results: no kernel reads from DRAM what it wrote there.
void describe_load(uint32_t d[PUSHED_WORDS], struct region source, uint32_t destination, uint32_t address,
                   uint32_t tiles);
void describe_gemm(uint32_t d[PUSHED_WORDS], const struct weight_layout *layout, struct region weights,
                   uint32_t groups);
// Activations that a LOAD brought to word `address`: the tiles of the groups in turn.
void describe_loaded_activations(uint32_t d[PUSHED_WORDS], uint32_t address, uint32_t groups);
void describe_results(uint32_t d[PUSHED_WORDS], const struct weight_layout *layout, struct region results,
                      enum duplex_result_format format, uint32_t groups);

#endif
