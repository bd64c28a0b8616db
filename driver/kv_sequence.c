// SPDX-License-Identifier: Apache-2.0
// Sequences of the KV cache: begin, append, share, move, free.
#include "driver/kv_sequence.h"

#include <stdlib.h>

#include "driver/arguments.h"
#include "driver/kv_balance.h"
#include "driver/kv_layer.h"
#include "driver/kv_page.h"
#include "driver/kv_spread.h"
#include "driver/stack_error.h"
#include "duplex/arithmetic.h"
#include "duplex/error.h"

// A sequence without pages in the list of the cache; NULL: no memory.
static struct duplex_sequence *new_sequence(struct duplex_kv_cache *cache, struct kv_pool *pool,
                                            uint32_t first_channel, uint32_t spread, size_t weight) {
  struct kv_layer *layers = calloc(cache->layers, sizeof *layers);
  struct duplex_sequence *self = layers ? handle_take(&cache->stack->sequences, sizeof *self) : NULL;
  if (!self) {
    free(layers);
    return NULL;
  }
  self->layers = layers;
  self->cache = cache;
  self->pool = pool;
  self->first_channel = first_channel;
  self->spread = spread;
  self->next = cache->sequences;
  self->link = &cache->sequences;
  if (self->next) self->next->link = &self->next;
  cache->sequences = self;
  kv_set_weight(self, weight);
  return self;
}

int duplex_kv_begin_spread(struct duplex_kv_cache *cache, enum duplex_kv_space space, size_t expected,
                           unsigned spread, struct duplex_sequence **sequence) {
  const size_t weight = expected < DUPLEX_POSITIONS_MAX ? expected : DUPLEX_POSITIONS_MAX;
  int error = need_cache(cache);
  if (sequence) *sequence = NULL;
  if (!error) error = need(cache->stack, "sequence", sequence);
  if (error) return error;
  const unsigned most = duplex_kv_spread_most(cache->stack, cache->heads);
  if ((unsigned)space > DUPLEX_KV_PREFILL)
    return stack_fail(cache->stack, DUPLEX_ERROR_ARGUMENT,
                      "space %d: expected the KV spaces or the prefill space", (int)space);
  if (spread & (spread - 1) || spread > most)
    return stack_fail(
        cache->stack, DUPLEX_ERROR_ARGUMENT,
        "%u channels for a KV head: expected a power of two, at most %u for %u KV heads on %u channels",
        spread, most, cache->heads, cache->stack->channels);
  const uint32_t binary =
      (uint32_t)__builtin_ctz(spread ? spread : kv_spread_for(cache, weight, DUPLEX_LANES));
  *sequence =
      new_sequence(cache, &cache->pools[space], kv_choose_channel(cache, binary, weight), binary, weight);
  return *sequence ? DUPLEX_OK : stack_no_memory(cache->stack);
}

int duplex_kv_begin(struct duplex_kv_cache *cache, enum duplex_kv_space space, size_t expected,
                    struct duplex_sequence **sequence) {
  return duplex_kv_begin_spread(cache, space, expected, 0, sequence);
}

int duplex_kv_free(struct duplex_sequence *sequence) {
  const int error = sequence ? need_sequence(sequence) : DUPLEX_OK;
  if (error || !sequence) return error;
  struct duplex_kv_cache *cache = sequence->cache;
  for (uint32_t i = 0; i < cache->layers; i++) {
    for (size_t page = 0; page < sequence->layers[i].count; page++)
      kv_page_release(sequence->layers[i].pages[page]);
    free(sequence->layers[i].pages);
  }
  free(sequence->layers);
  kv_set_weight(sequence, 0);
  *sequence->link = sequence->next;
  if (sequence->next) sequence->next->link = sequence->link;
  handle_retire(&cache->stack->sequences, sequence);
  return DUPLEX_OK;
}

// Positions behind the end of the layer, whose pages are there.
static int write_pages(const struct duplex_sequence *sequence, const struct kv_layer *layer,
                       const duplex_f16 *k, const duplex_f16 *v, size_t positions, size_t stride) {
  const size_t page_positions = kv_page_positions(sequence), head_size = sequence->cache->head_size;
  for (size_t done = 0, count; done < positions; done += count) {
    const size_t at = layer->length + done;
    const size_t in_page = at % page_positions;
    const size_t left = positions - done;
    count = duplex_smaller(left, page_positions - in_page);
    const int error = kv_page_write(sequence, layer->pages[at / page_positions], in_page,
                                    k + done * head_size, v + done * head_size, count, stride);
    if (error) return error;
  }
  return DUPLEX_OK;
}

static void note_length(struct duplex_sequence *sequence, size_t length) {
  if (length > sequence->weight) kv_set_weight(sequence, length);
}

// A layer that there is, and no more positions than a sequence may have.
static int check_append(const struct duplex_sequence *sequence, unsigned layer, size_t positions) {
  struct duplex_stack *stack = sequence->cache->stack;
  if (layer >= sequence->cache->layers)
    return stack_fail(stack, DUPLEX_ERROR_ARGUMENT, "layer %u: the cache has %u", layer,
                      sequence->cache->layers);
  if (positions > DUPLEX_POSITIONS_MAX - sequence->layers[layer].length)
    return stack_fail(stack, DUPLEX_ERROR_ARGUMENT, "%zu positions behind %zu: expected at most %u in all",
                      positions, sequence->layers[layer].length, DUPLEX_POSITIONS_MAX);
  return DUPLEX_OK;
}

void kv_trim(struct duplex_sequence *sequence, unsigned layer) {
  struct kv_layer *own = &sequence->layers[layer];
  kv_layer_drop_pages(own, (own->length + kv_page_positions(sequence) - 1) / kv_page_positions(sequence));
}

int kv_reserve(struct duplex_sequence *sequence, unsigned layer, size_t positions) {
  int error = check_append(sequence, layer, positions);
  if (error || positions == 0) return error;
  struct kv_layer *own = &sequence->layers[layer];
  struct kv_page *old;
  error = kv_layer_own_last_page(sequence, own, &old);
  if (error) return error;
  const size_t before = own->count;
  const size_t page_positions = kv_page_positions(sequence);
  error = kv_layer_add_pages(sequence, own, (own->length + positions + page_positions - 1) / page_positions);
  struct kv_page *unused = old;
  if (error && old) {
    unused = own->pages[before - 1];
    own->pages[before - 1] = old;
  }
  kv_page_release(unused);
  return error;
}

// The vectors are there, and the heads of each lie in memory.
static int check_vectors(const struct duplex_sequence *sequence, const duplex_f16 *k, const duplex_f16 *v,
                         size_t positions, size_t stride) {
  int error = need_sequence(sequence);
  if (error || positions == 0) return error;
  const struct duplex_kv_cache *cache = sequence->cache;
  error = need_f16(cache->stack, "k", k);
  if (!error) error = need_f16(cache->stack, "v", v);
  if (!error && stride > PTRDIFF_MAX / sizeof *k / cache->heads)
    error = stack_fail(cache->stack, DUPLEX_ERROR_ARGUMENT,
                       "a stride of %zu elements: %u heads leave the memory", stride, cache->heads);
  return error;
}

int duplex_kv_append(struct duplex_sequence *sequence, unsigned layer, const duplex_f16 *k,
                     const duplex_f16 *v, size_t positions, size_t stride) {
  int error = check_vectors(sequence, k, v, positions, stride);
  if (!error) error = kv_reserve(sequence, layer, positions);
  if (error || positions == 0) return error;
  struct kv_layer *own = &sequence->layers[layer];
  error =
      write_pages(sequence, own, k, v, positions, stride ? stride : positions * sequence->cache->head_size);
  if (error) {
    kv_trim(sequence, layer);
    return error;
  }
  own->length += positions;
  note_length(sequence, own->length);
  return DUPLEX_OK;
}

int kv_fetch(const struct duplex_sequence *sequence, unsigned layer, uint32_t head, duplex_f16 *k,
             duplex_f16 *v, size_t positions) {
  const size_t page_positions = kv_page_positions(sequence), head_size = sequence->cache->head_size;
  int error = DUPLEX_OK;
  for (size_t done = 0; done < positions && !error; done += page_positions) {
    const size_t count = duplex_smaller(positions - done, page_positions);
    error = kv_page_fetch(sequence, sequence->layers[layer].pages[done / page_positions], head,
                          k + done * head_size, v + done * head_size, count);
  }
  return error;
}

size_t duplex_kv_length(const struct duplex_sequence *sequence, unsigned layer) {
  if (!sequence || !sequence->handle.live) return 0;
  return layer < sequence->cache->layers ? sequence->layers[layer].length : 0;
}

// Whole pages are shared, and the last one if the other sequence has no more of it either.
static int share_layer(struct duplex_sequence *shared, const struct kv_layer *from, size_t positions,
                       struct kv_layer *to) {
  const size_t page_positions = kv_page_positions(shared);
  const size_t whole = positions == from->length ? from->count : positions / page_positions;
  int error = kv_layer_make_room(shared->cache, to, whole + 1);
  if (error) return error;
  for (; to->count < whole; to->count++) {
    to->pages[to->count] = from->pages[to->count];
    to->pages[to->count]->references++;
  }
  to->length = positions;
  if (positions <= whole * page_positions) return DUPLEX_OK;
  error = kv_layer_copy_page(shared, from->pages[whole], whole ? to->pages[whole - 1] : NULL,
                             positions % page_positions, &to->pages[whole]);
  to->count += !error;
  return error;
}

int duplex_kv_share(const struct duplex_sequence *sequence, size_t positions,
                    struct duplex_sequence **shared) {
  int error = need_sequence(sequence);
  if (shared) *shared = NULL;
  if (!error) error = need(sequence->cache->stack, "shared", shared);
  if (error) return error;
  struct duplex_kv_cache *cache = sequence->cache;
  for (uint32_t i = 0; i < cache->layers; i++)
    if (positions > sequence->layers[i].length)
      return stack_fail(cache->stack, DUPLEX_ERROR_ARGUMENT, "a prefix of %zu positions: layer %u has %zu",
                        positions, i, sequence->layers[i].length);
  struct duplex_sequence *made =
      new_sequence(cache, sequence->pool, sequence->first_channel, sequence->spread, positions);
  if (!made) return stack_no_memory(cache->stack);
  for (uint32_t i = 0; i < cache->layers && !error; i++)
    error = share_layer(made, &sequence->layers[i], positions, &made->layers[i]);
  if (error) {
    duplex_kv_free(made);
  } else {
    *shared = made;
  }
  return error;
}

// Copies of a layer's pages that are still elsewhere; those that are not keep their place. They become part
// of `moved`.
static int move_layer(struct duplex_sequence *moved, const struct kv_layer *from, struct kv_layer *to) {
  const size_t page_positions = kv_page_positions(moved);
  int error = kv_layer_make_room(moved->cache, to, from->count);
  for (size_t i = 0; i < from->count && !error; i++) {
    const size_t left = from->length - i * page_positions;
    if (from->pages[i]->pool == moved->pool) {
      to->pages[i] = from->pages[i];
      to->pages[i]->references++;
    } else {
      error = kv_layer_copy_page(moved, from->pages[i], i ? to->pages[i - 1] : NULL,
                                 duplex_smaller(left, page_positions), &to->pages[i]);
    }
    to->count += !error;
  }
  return error;
}

// The page object takes the place of its copy, for all sequences that share it.
static void take_place(struct kv_page *page, struct kv_page *copy) {
  if (page == copy) return;
  const struct kv_page here = *page;
  page->pool = copy->pool, page->frame = copy->frame;
  copy->pool = here.pool, copy->frame = here.frame;
}

int kv_copy_to_spaces(const struct duplex_sequence *sequence, struct duplex_sequence **copy) {
  struct duplex_kv_cache *cache = sequence->cache;
  struct duplex_sequence *moved =
      new_sequence(cache, &cache->pools[DUPLEX_KV_SPACES], sequence->first_channel, sequence->spread, 0);
  int error = moved ? DUPLEX_OK : stack_no_memory(cache->stack);
  for (uint32_t i = 0; i < cache->layers && !error; i++)
    error = move_layer(moved, &sequence->layers[i], &moved->layers[i]);
  if (error) duplex_kv_free(moved);
  *copy = error ? NULL : moved;
  return error;
}

void kv_take_place(struct duplex_sequence *sequence, struct duplex_sequence *copy) {
  for (uint32_t i = 0; i < sequence->cache->layers; i++)
    for (size_t page = 0; page < sequence->layers[i].count; page++)
      take_place(sequence->layers[i].pages[page], copy->layers[i].pages[page]);
  sequence->pool = copy->pool;
  duplex_kv_free(copy);
}

int duplex_kv_move(struct duplex_sequence *sequence) {
  struct duplex_sequence *copy;
  int error = need_sequence(sequence);
  if (!error) error = kv_copy_to_spaces(sequence, &copy);
  if (!error) kv_take_place(sequence, copy);
  return error;
}
