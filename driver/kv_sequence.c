// SPDX-License-Identifier: Apache-2.0
// Sequences of the KV cache: begin, append, share, move, free.
#include "driver/kv_sequence.h"

#include <stdlib.h>
#include <string.h>

#include "driver/arguments.h"
#include "driver/kv_balance.h"
#include "driver/kv_layer.h"
#include "driver/kv_page.h"
#include "driver/kv_spread.h"
#include "driver/stack_error.h"
#include "duplex/arithmetic.h"
#include "duplex/error.h"

// From now on the sequence's layers have the windows of the KV spaces.
static void set_rings(struct duplex_sequence *sequence) {
  const struct duplex_kv_cache *cache = sequence->cache;
  for (uint32_t i = 0; i < cache->layers; i++) {
    sequence->layers[i].ring = cache->windows[i] ? (size_t)cache->windows[i] + cache->pinned : 0;
    sequence->layers[i].pinned = cache->pinned;
  }
}

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
  if (pool == &cache->pools[DUPLEX_KV_SPACES]) set_rings(self);
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

// Positions of a layer that lie side by side in one page.
struct stretch {
  size_t page, at, count;
};

// Of `left` positions from `first` on.
static struct stretch stretch_of(const struct duplex_sequence *sequence, const struct kv_layer *layer,
                                 size_t first, size_t left) {
  const size_t page_positions = kv_page_positions(sequence);
  const size_t slot = kv_slot(layer, first);
  const size_t of_ring = layer->ring ? duplex_smaller(left, layer->ring - slot) : left;
  const size_t in_page = slot % page_positions;
  return (struct stretch){slot / page_positions, in_page, duplex_smaller(of_ring, page_positions - in_page)};
}

// Positions behind the end of the layer, whose pages are there.
static int write_pages(const struct duplex_sequence *sequence, const struct kv_layer *layer,
                       const duplex_f16 *k, const duplex_f16 *v, size_t positions, size_t stride) {
  const size_t page_positions = kv_page_positions(sequence);
  const size_t head_size = sequence->cache->head_size;
  struct kv_layer now = *layer;
  for (size_t done = 0; done < positions; done = now.length - layer->length) {
    const struct stretch s = stretch_of(sequence, &now, now.length, positions - done);
    const size_t before = s.page * page_positions;
    const size_t used = kv_kept(&now) > before ? duplex_smaller(kv_kept(&now) - before, page_positions) : 0;
    const int error = kv_page_write(sequence, now.pages[s.page], s.at, used, k + done * head_size,
                                    v + done * head_size, s.count, stride);
    if (error) return error;
    now.length += s.count;
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

// Pages of a layer when it has so many positions more.
static size_t pages_behind(const struct duplex_sequence *sequence, unsigned layer, size_t positions) {
  struct kv_layer later = sequence->layers[layer];
  later.length += positions;
  return (kv_kept(&later) + kv_page_positions(sequence) - 1) / kv_page_positions(sequence);
}

void kv_trim(struct duplex_sequence *sequence, unsigned layer) {
  kv_layer_drop_pages(&sequence->layers[layer], pages_behind(sequence, layer, 0));
}

size_t kv_pages_to_reserve(const struct duplex_sequence *sequence, unsigned layer, size_t positions) {
  return pages_behind(sequence, layer, positions) - sequence->layers[layer].count;
}

// Of the pages that so many positions are written to, those that are there become the sequence's own.
static int own_pages(const struct duplex_sequence *sequence, struct kv_layer *layer, size_t positions) {
  int error = DUPLEX_OK;
  for (size_t done = 0; done < positions && !error;) {
    const struct stretch s = stretch_of(sequence, layer, layer->length + done, positions - done);
    if (s.page < layer->count) error = kv_layer_own_page(sequence, layer, s.page);
    done += s.count;
  }
  return error;
}

// Where the pages of two lists differ: those of `unused` are given away.
static void release_others(struct kv_page *const *unused, struct kv_page *const *kept, size_t count) {
  for (size_t i = 0; i < count; i++)
    if (unused[i] != kept[i]) kv_page_release(unused[i]);
}

int kv_reserve(struct duplex_sequence *sequence, unsigned layer, size_t positions) {
  int error = check_append(sequence, layer, positions);
  if (error || positions == 0) return error;
  struct kv_layer *own = &sequence->layers[layer];
  const size_t before = own->count;
  struct kv_page **old = malloc((before + 1) * sizeof(struct kv_page *));
  if (!old) return stack_no_memory(sequence->cache->stack);
  if (before) memcpy(old, own->pages, before * sizeof *old);
  error = own_pages(sequence, own, positions);
  if (!error) error = kv_layer_add_pages(sequence, own, pages_behind(sequence, layer, positions));
  if (error) {
    release_others(own->pages, old, before);
    if (before) memcpy(own->pages, old, before * sizeof *old);
  } else {
    release_others(old, own->pages, before);
  }
  free(old);
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

// Positions from `first` on of one KV head: k and v[positions][head_size].
static int read_pages(const struct duplex_sequence *sequence, const struct kv_layer *layer, uint32_t head,
                      size_t first, duplex_f16 *k, duplex_f16 *v, size_t positions) {
  const size_t head_size = sequence->cache->head_size;
  int error = DUPLEX_OK;
  for (size_t done = 0; done < positions && !error;) {
    const struct stretch s = stretch_of(sequence, layer, first + done, positions - done);
    error = kv_page_read(sequence, layer->pages[s.page], head, s.at, k + done * head_size,
                         v + done * head_size, s.count);
    done += s.count;
  }
  return error;
}

int kv_fetch(const struct duplex_sequence *sequence, unsigned layer, uint32_t head, size_t first,
             duplex_f16 *k, duplex_f16 *v, size_t positions) {
  struct duplex_stack *stack = sequence->cache->stack;
  const bool before = stack->timed_reads;
  stack->timed_reads = true;
  const int error = read_pages(sequence, &sequence->layers[layer], head, first, k, v, positions);
  stack->timed_reads = before;
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
  if (positions == from->length || positions <= whole * page_positions) return DUPLEX_OK;
  error = kv_layer_copy_page(shared, from->pages[whole], whole ? to->pages[whole - 1] : NULL,
                             positions % page_positions, &to->pages[whole]);
  to->count += !error;
  return error;
}

// A layer has that many positions, and they have not left its window while later ones are there.
static int check_share(const struct duplex_kv_cache *cache, const struct kv_layer *layer, uint32_t number,
                       size_t positions) {
  if (positions > layer->length)
    return stack_fail(cache->stack, DUPLEX_ERROR_ARGUMENT, "a prefix of %zu positions: layer %u has %zu",
                      positions, number, layer->length);
  if (positions == layer->length || kv_kept(layer) == layer->length) return DUPLEX_OK;
  return stack_fail(cache->stack, DUPLEX_ERROR_ARGUMENT,
                    "a prefix of %zu positions: layer %u has the last %zu of %zu, expected all", positions,
                    number, kv_kept(layer), layer->length);
}

int duplex_kv_share(const struct duplex_sequence *sequence, size_t positions,
                    struct duplex_sequence **shared) {
  int error = need_sequence(sequence);
  if (shared) *shared = NULL;
  if (!error) error = need(sequence->cache->stack, "shared", shared);
  if (error) return error;
  struct duplex_kv_cache *cache = sequence->cache;
  for (uint32_t i = 0; i < cache->layers && !error; i++)
    error = check_share(cache, &sequence->layers[i], i, positions);
  if (error) return error;
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

// The pinned and the last positions of a layer as the ring that they will be.
static int copy_window(const struct duplex_sequence *moved, const struct kv_layer *from, struct kv_layer *to,
                       duplex_f16 *k, duplex_f16 *v) {
  const size_t head_size = moved->cache->head_size;
  const size_t slot = kv_slot(to, from->length);  // of the first position behind those that have left
  const size_t first = from->length - (to->ring - to->pinned);
  int error = DUPLEX_OK;
  for (uint32_t head = 0; head < moved->cache->heads && !error; head++) {
    const size_t at = head * to->ring * head_size;
    const size_t ring = at + to->pinned * head_size;
    const size_t behind = at + slot * head_size;
    const size_t newest = slot - to->pinned;
    error = read_pages(moved, from, head, 0, k + at, v + at, to->pinned);
    if (!error) error = read_pages(moved, from, head, first, k + behind, v + behind, to->ring - slot);
    if (!error) error = read_pages(moved, from, head, from->length - newest, k + ring, v + ring, newest);
  }
  if (!error) error = write_pages(moved, to, k, v, to->ring, to->ring * head_size);
  if (!error) to->length = from->length;
  return error;
}

// A layer with positions that have left its window: pages of its own for the others.
static int move_window(const struct duplex_sequence *moved, const struct kv_layer *from,
                       struct kv_layer *to) {
  const size_t page_positions = kv_page_positions(moved);
  const size_t values = moved->cache->heads * to->ring * moved->cache->head_size;
  duplex_f16 *k = malloc(values * sizeof *k);
  duplex_f16 *v = malloc(values * sizeof *v);
  int error = k && v ? kv_layer_add_pages(moved, to, (to->ring + page_positions - 1) / page_positions)
                     : stack_no_memory(moved->cache->stack);
  if (!error) error = copy_window(moved, from, to, k, v);
  free(k);
  free(v);
  return error;
}

// Copies of a layer's pages that are still elsewhere; those that are not keep their place, and the first
// `shared` ones are those of `base`. They become part of `moved`.
static int move_pages(struct duplex_sequence *moved, const struct kv_layer *from, const struct kv_layer *base,
                      size_t shared, struct kv_layer *to) {
  const size_t page_positions = kv_page_positions(moved);
  int error = kv_layer_make_room(moved->cache, to, from->count);
  for (size_t i = 0; i < from->count && !error; i++) {
    const size_t left = from->length - i * page_positions;
    if (i < shared || from->pages[i]->pool == moved->pool) {
      to->pages[i] = i < shared ? base->pages[i] : from->pages[i];
      to->pages[i]->references++;
    } else {
      error = kv_layer_copy_page(moved, from->pages[i], i ? to->pages[i - 1] : NULL,
                                 duplex_smaller(left, page_positions), &to->pages[i]);
    }
    to->count += !error;
  }
  if (!error) to->length = from->length;
  return error;
}

// A position has left the window, which has a slot for each of the others.
static bool has_left(const struct kv_layer *from, size_t ring) { return ring && from->length > ring; }

static int move_layer(struct duplex_sequence *moved, const struct kv_layer *from, const struct kv_layer *base,
                      struct kv_layer *to, uint64_t *positions) {
  if (has_left(from, to->ring)) {
    *positions += to->ring;
    return move_window(moved, from, to);
  }
  const size_t shared = base ? base->length / kv_page_positions(moved) : 0;
  *positions += from->length - shared * kv_page_positions(moved);
  return move_pages(moved, from, base, shared, to);
}

// The page object takes the place of its copy, for all sequences that share it.
static void take_place(struct kv_page *page, struct kv_page *copy) {
  if (page == copy) return;
  const struct kv_page here = *page;
  page->pool = copy->pool, page->frame = copy->frame;
  copy->pool = here.pool, copy->frame = here.frame;
}

// A window's copy is not page by page: it takes the place of the whole layer.
static void take_layer(struct kv_layer *layer, struct kv_layer *copy) {
  const struct kv_layer here = *layer;
  if (has_left(layer, copy->ring)) {
    *layer = *copy;
    *copy = here;
    return;
  }
  layer->ring = copy->ring;
  layer->pinned = copy->pinned;
  for (size_t page = 0; page < layer->count; page++) take_place(layer->pages[page], copy->pages[page]);
}

int kv_copy_to_spaces(const struct duplex_sequence *sequence, const struct duplex_sequence *base,
                      struct duplex_sequence **copy, uint64_t *positions) {
  struct duplex_kv_cache *cache = sequence->cache;
  struct duplex_sequence *moved =
      new_sequence(cache, &cache->pools[DUPLEX_KV_SPACES], sequence->first_channel, sequence->spread, 0);
  int error = moved ? DUPLEX_OK : stack_no_memory(cache->stack);
  for (uint32_t i = 0; i < cache->layers && !error; i++)
    error =
        move_layer(moved, &sequence->layers[i], base ? &base->layers[i] : NULL, &moved->layers[i], positions);
  if (error) duplex_kv_free(moved);
  *copy = error ? NULL : moved;
  return error;
}

void kv_take_place(struct duplex_sequence *sequence, struct duplex_sequence *copy) {
  for (uint32_t i = 0; i < sequence->cache->layers; i++) take_layer(&sequence->layers[i], &copy->layers[i]);
  sequence->pool = copy->pool;
  duplex_kv_free(copy);
}

int duplex_kv_move(struct duplex_sequence *sequence) {
  struct duplex_sequence *copy;
  uint64_t positions = 0;
  int error = need_sequence(sequence);
  if (!error) error = kv_copy_to_spaces(sequence, NULL, &copy, &positions);
  if (!error) kv_take_place(sequence, copy);
  return error;
}
