// SPDX-License-Identifier: Apache-2.0
// The pages of one layer of a sequence.
#ifndef DUPLEX_DRIVER_KV_LAYER_H
#define DUPLEX_DRIVER_KV_LAYER_H

#include "driver/kv_cache.h"

// Room in the list for `count` pages. DUPLEX_ERROR_NO_MEMORY: the list is as before.
int kv_layer_make_room(struct duplex_kv_cache *cache, struct kv_layer *layer, size_t count);

// New pages behind those that there are, up to `count`. Errors leave the layer as it was.
int kv_layer_add_pages(const struct duplex_sequence *sequence, struct kv_layer *layer, size_t count);

// Gives away the pages behind the first `count`.
void kv_layer_drop_pages(struct kv_layer *layer, size_t count);

// The sequence's own copy of the first positions of a page, behind page `before` if it can be.
int kv_layer_copy_page(const struct duplex_sequence *sequence, const struct kv_page *from,
                       const struct kv_page *before, size_t positions, struct kv_page **copy);

// Before a page of a layer is written to it must be the sequence's own: if others share it, a copy takes its
// place in the list, and the caller releases what was there.
int kv_layer_own_page(const struct duplex_sequence *sequence, struct kv_layer *layer, size_t number);

// One sequence fewer has the page, which may be NULL; the last one frees it.
void kv_page_release(struct kv_page *page);

#endif
