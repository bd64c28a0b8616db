// SPDX-License-Identifier: Apache-2.0
// Room for positions of a sequence that are appended next.
#ifndef DUPLEX_DRIVER_KV_SEQUENCE_H
#define DUPLEX_DRIVER_KV_SEQUENCE_H

#include "driver/kv_cache.h"

// Pages for so many positions, the last page that is there the sequence's own. Errors leave it as it was.
int kv_reserve(struct duplex_sequence *sequence, unsigned layer, size_t positions);

// Pages that this takes beside those that are there.
size_t kv_pages_to_reserve(const struct duplex_sequence *sequence, unsigned layer, size_t positions);

// Positions of a layer from `first` on, one KV head, as the xPU reads them in its time (region_fetch): k and
// v[positions][head_size]. There are that many.
int kv_fetch(const struct duplex_sequence *sequence, unsigned layer, uint32_t head, size_t first,
             duplex_f16 *k, duplex_f16 *v, size_t positions);

// A copy in the KV spaces; with an error *copy is NULL. base: a sequence there with which it begins (the copy
// of one with which `sequence` began), whose whole pages it shares; NULL: none. *positions grows by those
// that were read and written, of all layers.
int kv_copy_to_spaces(const struct duplex_sequence *sequence, const struct duplex_sequence *base,
                      struct duplex_sequence **copy, uint64_t *positions);

// A move in two steps, so that several sequences move together or not at all: a copy without a base, whose
// pages the sequence then has instead of its own.
void kv_take_place(struct duplex_sequence *sequence, struct duplex_sequence *copy);

// Gives away the pages that the layer does not need.
void kv_trim(struct duplex_sequence *sequence, unsigned layer);

#endif
