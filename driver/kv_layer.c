// SPDX-License-Identifier: Apache-2.0
// The pages of one layer of a sequence.
#include "driver/kv_layer.h"

#include <stdlib.h>

#include "driver/kv_balance.h"
#include "driver/kv_page.h"
#include "driver/kv_pool.h"
#include "driver/stack_error.h"
#include "duplex/arithmetic.h"
#include "duplex/error.h"

#define NO_FRAME UINT32_MAX

void kv_page_release(struct kv_page *page) {
  if (!page || --page->references) return;
  kv_pool_give(page->pool, page->frame, page->channels);
  free(page);
}

// A page of a sequence, behind page `before` if that place is free, so that both can be one segment.
static int new_page(const struct duplex_sequence *sequence, const struct kv_page *before,
                    struct kv_page **page) {
  struct duplex_kv_cache *cache = sequence->cache;
  const uint32_t channels = kv_channels_of(sequence);
  uint32_t frame;
  *page = NULL;
  if (!kv_pool_take(sequence->pool, channels,
                    before && before->pool == sequence->pool ? before->frame + 1 : NO_FRAME, &frame))
    return stack_fail(cache->stack, DUPLEX_ERROR_OUT_OF_SPACE, "the KV cache has no free page in the %s",
                      sequence->pool == cache->pools ? "KV spaces" : "prefill space");
  struct kv_page *made = malloc(sizeof *made);
  if (!made) {
    kv_pool_give(sequence->pool, frame, channels);
    return stack_no_memory(cache->stack);
  }
  *made = (struct kv_page){.pool = sequence->pool,
                           .frame = frame,
                           .channels = channels,
                           .references = 1,
                           .serial = ++cache->serials};
  *page = made;
  return DUPLEX_OK;
}

int kv_layer_make_room(struct duplex_kv_cache *cache, struct kv_layer *layer, size_t count) {
  if (count <= layer->room) return DUPLEX_OK;
  struct kv_page **more = realloc(layer->pages, 2 * count * sizeof *more);
  if (!more) return stack_no_memory(cache->stack);
  layer->pages = more;
  layer->room = 2 * count;
  return DUPLEX_OK;
}

void kv_layer_drop_pages(struct kv_layer *layer, size_t count) {
  while (layer->count > count) kv_page_release(layer->pages[--layer->count]);
}

int kv_layer_add_pages(const struct duplex_sequence *sequence, struct kv_layer *layer, size_t count) {
  const size_t before = layer->count;
  int error = kv_layer_make_room(sequence->cache, layer, count);
  while (!error && layer->count < count) {
    error =
        new_page(sequence, layer->count ? layer->pages[layer->count - 1] : NULL, &layer->pages[layer->count]);
    layer->count += !error;
  }
  if (error) kv_layer_drop_pages(layer, before);
  return error;
}

int kv_layer_copy_page(const struct duplex_sequence *sequence, const struct kv_page *from,
                       const struct kv_page *before, size_t positions, struct kv_page **copy) {
  int error = new_page(sequence, before, copy);
  if (error) return error;
  error = kv_page_copy(sequence, from, *copy, positions);
  if (!error) return DUPLEX_OK;
  kv_page_release(*copy);
  *copy = NULL;
  return error;
}

int kv_layer_own_page(const struct duplex_sequence *sequence, struct kv_layer *layer, size_t number) {
  const size_t page_positions = kv_page_positions(sequence);
  const size_t left = kv_kept(layer) - number * page_positions;
  if (layer->pages[number]->references == 1) return DUPLEX_OK;
  struct kv_page *copy;
  const int error =
      kv_layer_copy_page(sequence, layer->pages[number], number ? layer->pages[number - 1] : NULL,
                         duplex_smaller(left, page_positions), &copy);
  if (!error) layer->pages[number] = copy;
  return error;
}
