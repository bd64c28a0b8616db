// Sequences of the KV cache and their pages.
#include "driver/kv_cache.h"

#include <stdlib.h>
#include <string.h>

#include "duplex/error.h"

#define PAGE_POSITIONS 1024u
#define LAYERS_MOST 1024u
#define NO_FRAME UINT32_MAX

static int no_memory(struct duplex_kv_cache *cache) {
  return stack_fail(cache->stack, DUPLEX_ERROR_NO_MEMORY, "too little memory on the host for the KV cache");
}

static int check_options(struct duplex_stack *stack, const struct duplex_kv_options *o) {
  if (o->heads < 1 || o->heads > DUPLEX_KV_HEADS_MAX)
    return stack_fail(stack, DUPLEX_ERROR_ARGUMENT, "%u KV heads: expected 1 to %u", o->heads,
                      DUPLEX_KV_HEADS_MAX);
  if (o->head_size < 16 || o->head_size > DUPLEX_HEAD_SIZE_MAX || o->head_size % 16)
    return stack_fail(stack, DUPLEX_ERROR_ARGUMENT, "head size %u: expected a multiple of 16 from 16 to %u",
                      o->head_size, DUPLEX_HEAD_SIZE_MAX);
  if (o->page_positions % DUPLEX_WIDTH || o->page_positions > DUPLEX_POSITIONS_MAX)
    return stack_fail(stack, DUPLEX_ERROR_ARGUMENT,
                      "pages of %u positions: expected a multiple of %u, at most %u", o->page_positions,
                      DUPLEX_WIDTH, DUPLEX_POSITIONS_MAX);
  if (o->layers > LAYERS_MOST || o->bundles > ALL_BUNDLES || o->prefill_bundles > ALL_BUNDLES)
    return stack_fail(stack, DUPLEX_ERROR_ARGUMENT, "KV cache: at most %u layers, bundles 0 to %d",
                      LAYERS_MOST, DUPLEX_BUNDLES - 1);
  return DUPLEX_OK;
}

static uint32_t stripe_of(const struct duplex_stack *stack, const struct duplex_kv_options *o) {
  const uint32_t usual = stack->bundles == ALL_BUNDLES ? 0x7 : stack->bundles;
  return o->bundles ? o->bundles : usual;
}

static void set_geometry(struct duplex_kv_cache *cache, struct duplex_stack *stack,
                         const struct duplex_kv_options *o) {
  cache->stack = stack;
  cache->heads = o->heads;
  cache->head_size = o->head_size;
  cache->layers = o->layers ? o->layers : 1;
  cache->page_positions = o->page_positions ? o->page_positions : PAGE_POSITIONS;
  cache->blocks = cache->page_positions / DUPLEX_WIDTH;
  cache->tiles = kv_tiles(cache->head_size);
  cache->block_rows = kv_block_rows(cache->head_size);
  cache->slots = kv_slots(cache->heads, stack->channels);
}

size_t duplex_kv_room(struct duplex_stack *stack, const struct duplex_kv_options *options) {
  struct duplex_kv_cache cache;
  if (check_options(stack, options)) return 0;
  set_geometry(&cache, stack, options);
  return space_longest(stack->space, stripe_of(stack, options)) /
         (2 * cache.slots * cache.blocks * cache.tiles);
}

static int open_pools(struct duplex_kv_cache *cache, const struct duplex_kv_options *o) {
  const int error =
      kv_pool_open(cache, &cache->pools[DUPLEX_KV_SPACES], stripe_of(cache->stack, o), o->pages);
  if (error) return error;
  return kv_pool_open(cache, &cache->pools[DUPLEX_KV_PREFILL], o->prefill_bundles ? o->prefill_bundles : 0x8,
                      o->prefill_pages);
}

int duplex_kv_open(struct duplex_stack *stack, const struct duplex_kv_options *options,
                   struct duplex_kv_cache **cache) {
  *cache = NULL;
  int error = check_options(stack, options);
  if (error) return error;
  struct duplex_kv_cache *self = calloc(1, sizeof *self);
  if (!self) return stack_fail(stack, DUPLEX_ERROR_NO_MEMORY, "too little memory on the host");
  set_geometry(self, stack, options);
  error = open_pools(self, options);
  if (error) {
    duplex_kv_close(self);
    return error;
  }
  *cache = self;
  return DUPLEX_OK;
}

void duplex_kv_close(struct duplex_kv_cache *cache) {
  if (!cache) return;
  while (cache->sequences) duplex_kv_free(cache->sequences);
  kv_pool_close(cache, &cache->pools[DUPLEX_KV_SPACES]);
  kv_pool_close(cache, &cache->pools[DUPLEX_KV_PREFILL]);
  free(cache);
}

// Heads of a sequence of which positions lie in a channel.
static uint32_t heads_in(const struct duplex_kv_cache *cache, uint32_t first_channel, uint32_t spread,
                         uint32_t channel) {
  const uint32_t channels = cache->stack->channels,
                 head = ((channel + channels - first_channel) % channels) >> spread;
  return head < cache->heads ? (cache->heads - head - 1) / channels + 1 : 0;
}

// What so many positions of a sequence weigh in a channel.
static size_t load_of(const struct duplex_kv_cache *cache, uint32_t first_channel, uint32_t spread,
                      uint32_t channel, size_t positions) {
  return ((positions + (1u << spread) - 1) >> spread) * heads_in(cache, first_channel, spread, channel);
}

static void set_weight(struct duplex_sequence *sequence, size_t weight) {
  struct duplex_kv_cache *cache = sequence->cache;
  const uint32_t first = sequence->first_channel, spread = sequence->spread;
  for (uint32_t channel = 0; channel < cache->stack->channels; channel++) {
    cache->load[channel] -= load_of(cache, first, spread, channel, sequence->weight);
    cache->load[channel] += load_of(cache, first, spread, channel, weight);
  }
  sequence->weight = weight;
}

// The first channel with which the fullest of the sequence's channels holds least.
static uint32_t choose_channel(const struct duplex_kv_cache *cache, uint32_t spread, size_t positions) {
  const uint32_t channels = cache->stack->channels;
  uint32_t best = 0;
  size_t least = SIZE_MAX;
  for (uint32_t first = 0; first < channels; first++) {
    size_t fullest = 0;
    for (uint32_t channel = 0; channel < channels; channel++) {
      const size_t load = cache->load[channel] + load_of(cache, first, spread, channel, positions);
      if (heads_in(cache, first, spread, channel) && load > fullest) fullest = load;
    }
    if (fullest < least) least = fullest, best = first;
  }
  return best;
}

static struct duplex_sequence *new_sequence(struct duplex_kv_cache *cache, struct kv_pool *pool,
                                            uint32_t first_channel, uint32_t spread, size_t weight) {
  struct duplex_sequence *self = calloc(1, sizeof *self + cache->layers * sizeof self->layers[0]);
  if (!self) return NULL;
  self->cache = cache;
  self->pool = pool;
  self->first_channel = first_channel;
  self->spread = spread;
  self->next = cache->sequences;
  self->link = &cache->sequences;
  if (self->next) self->next->link = &self->next;
  cache->sequences = self;
  set_weight(self, weight);
  return self;
}

int duplex_kv_begin_spread(struct duplex_kv_cache *cache, enum duplex_kv_space space, size_t expected,
                           unsigned spread, struct duplex_sequence **sequence) {
  const size_t weight = expected < DUPLEX_POSITIONS_MAX ? expected : DUPLEX_POSITIONS_MAX;
  const unsigned most = duplex_kv_spread_most(cache->stack, cache->heads);
  *sequence = NULL;
  if (spread & (spread - 1) || spread > most)
    return stack_fail(
        cache->stack, DUPLEX_ERROR_ARGUMENT,
        "%u channels for a KV head: expected a power of two, at most %u for %u KV heads on %u channels",
        spread, most, cache->heads, cache->stack->channels);
  const uint32_t binary =
      (uint32_t)__builtin_ctz(spread ? spread : kv_spread_for(cache, weight, DUPLEX_LANES));
  *sequence =
      new_sequence(cache, &cache->pools[space], choose_channel(cache, binary, weight), binary, weight);
  return *sequence ? DUPLEX_OK : no_memory(cache);
}

int duplex_kv_begin(struct duplex_kv_cache *cache, enum duplex_kv_space space, size_t expected,
                    struct duplex_sequence **sequence) {
  return duplex_kv_begin_spread(cache, space, expected, 0, sequence);
}

static void release(struct kv_page *page) {
  if (!page || --page->references) return;
  kv_pool_give(page->pool, page->frame, page->channels);
  free(page);
}

void duplex_kv_free(struct duplex_sequence *sequence) {
  if (!sequence) return;
  struct duplex_kv_cache *cache = sequence->cache;
  for (uint32_t i = 0; i < cache->layers; i++) {
    for (size_t page = 0; page < sequence->layers[i].count; page++) release(sequence->layers[i].pages[page]);
    free(sequence->layers[i].pages);
  }
  set_weight(sequence, 0);
  *sequence->link = sequence->next;
  if (sequence->next) sequence->next->link = sequence->link;
  free(sequence);
}

static uint32_t channels_of(const struct duplex_sequence *sequence) {
  uint32_t mask = 0;
  for (uint32_t channel = 0; channel < sequence->cache->stack->channels; channel++)
    if (heads_in(sequence->cache, sequence->first_channel, sequence->spread, channel)) mask |= 1u << channel;
  return mask;
}

// A page of a sequence, behind page `before` if that place is free, so that both can be one segment.
static int new_page(const struct duplex_sequence *sequence, const struct kv_page *before,
                    struct kv_page **page) {
  struct duplex_kv_cache *cache = sequence->cache;
  const uint32_t channels = channels_of(sequence);
  uint32_t frame;
  *page = NULL;
  if (!kv_pool_take(sequence->pool, channels,
                    before && before->pool == sequence->pool ? before->frame + 1 : NO_FRAME, &frame))
    return stack_fail(cache->stack, DUPLEX_ERROR_OUT_OF_SPACE, "the KV cache has no free page in the %s",
                      sequence->pool == cache->pools ? "KV spaces" : "prefill space");
  struct kv_page *made = malloc(sizeof *made);
  if (!made) {
    kv_pool_give(sequence->pool, frame, channels);
    return no_memory(cache);
  }
  *made = (struct kv_page){.pool = sequence->pool,
                           .frame = frame,
                           .channels = channels,
                           .references = 1,
                           .serial = ++cache->serials};
  *page = made;
  return DUPLEX_OK;
}

static int reserve(struct duplex_kv_cache *cache, struct kv_layer *layer, size_t count) {
  if (count <= layer->room) return DUPLEX_OK;
  struct kv_page **more = realloc(layer->pages, 2 * count * sizeof *more);
  if (!more) return no_memory(cache);
  layer->pages = more;
  layer->room = 2 * count;
  return DUPLEX_OK;
}

static void drop_pages(struct kv_layer *layer, size_t count) {
  while (layer->count > count) release(layer->pages[--layer->count]);
}

// Pages behind those that there are, up to `count`.
static int add_pages(const struct duplex_sequence *sequence, struct kv_layer *layer, size_t count) {
  const size_t before = layer->count;
  int error = reserve(sequence->cache, layer, count);
  while (!error && layer->count < count) {
    error =
        new_page(sequence, layer->count ? layer->pages[layer->count - 1] : NULL, &layer->pages[layer->count]);
    layer->count += !error;
  }
  if (error) drop_pages(layer, before);
  return error;
}

// The sequence's own copy of the first positions of a page.
static int copy_page(const struct duplex_sequence *sequence, const struct kv_page *from,
                     const struct kv_page *before, size_t positions, struct kv_page **copy) {
  int error = new_page(sequence, before, copy);
  if (error) return error;
  error = kv_page_copy(sequence, from, *copy, positions);
  if (!error) return DUPLEX_OK;
  release(*copy);
  *copy = NULL;
  return error;
}

static int write_pages(const struct duplex_sequence *sequence, const struct kv_layer *layer,
                       const duplex_f16 *k, const duplex_f16 *v, size_t positions, size_t stride) {
  const size_t page_positions = kv_page_positions(sequence), head_size = sequence->cache->head_size;
  for (size_t done = 0, count; done < positions; done += count) {
    const size_t at = layer->length + done, in_page = at % page_positions, left = positions - done;
    count = left < page_positions - in_page ? left : page_positions - in_page;
    const int error = kv_page_write(sequence, layer->pages[at / page_positions], in_page,
                                    k + done * head_size, v + done * head_size, count, stride);
    if (error) return error;
  }
  return DUPLEX_OK;
}

// Before the last page of a layer is written to it must be the sequence's own. *old: what it was, to be
// released or put back.
static int own_last_page(const struct duplex_sequence *sequence, struct kv_layer *layer,
                         struct kv_page **old) {
  const size_t in_page = layer->length % kv_page_positions(sequence);
  *old = NULL;
  if (in_page == 0 || layer->pages[layer->count - 1]->references == 1) return DUPLEX_OK;
  struct kv_page *copy, *last = layer->pages[layer->count - 1];
  const int error =
      copy_page(sequence, last, layer->count > 1 ? layer->pages[layer->count - 2] : NULL, in_page, &copy);
  if (error) return error;
  layer->pages[layer->count - 1] = copy;
  *old = last;
  return DUPLEX_OK;
}

static void note_length(struct duplex_sequence *sequence, size_t length) {
  if (length > sequence->weight) set_weight(sequence, length);
}

static int check_append(const struct duplex_sequence *sequence, unsigned layer, size_t positions) {
  struct duplex_stack *stack = sequence->cache->stack;
  if (layer >= sequence->cache->layers)
    return stack_fail(stack, DUPLEX_ERROR_ARGUMENT, "layer %u: the cache has %u", layer,
                      sequence->cache->layers);
  if (positions > DUPLEX_POSITIONS_MAX - sequence->layers[layer].length)
    return stack_fail(stack, DUPLEX_ERROR_ARGUMENT, "a sequence of %zu positions: at most %u",
                      sequence->layers[layer].length + positions, DUPLEX_POSITIONS_MAX);
  return DUPLEX_OK;
}

void kv_trim(struct duplex_sequence *sequence, unsigned layer) {
  struct kv_layer *own = &sequence->layers[layer];
  drop_pages(own, (own->length + kv_page_positions(sequence) - 1) / kv_page_positions(sequence));
}

int kv_reserve(struct duplex_sequence *sequence, unsigned layer, size_t positions) {
  int error = check_append(sequence, layer, positions);
  if (error || positions == 0) return error;
  struct kv_layer *own = &sequence->layers[layer];
  struct kv_page *old;
  error = own_last_page(sequence, own, &old);
  if (error) return error;
  const size_t before = own->count, page_positions = kv_page_positions(sequence);
  error = add_pages(sequence, own, (own->length + positions + page_positions - 1) / page_positions);
  struct kv_page *unused = old;
  if (error && old) {
    unused = own->pages[before - 1];
    own->pages[before - 1] = old;
  }
  release(unused);
  return error;
}

int duplex_kv_append(struct duplex_sequence *sequence, unsigned layer, const duplex_f16 *k,
                     const duplex_f16 *v, size_t positions, size_t stride) {
  int error = kv_reserve(sequence, layer, positions);
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

void duplex_kv_use_p32(struct duplex_kv_cache *cache, bool p32) { cache->p32 = p32; }

size_t duplex_kv_length(const struct duplex_sequence *sequence, unsigned layer) {
  return layer < sequence->cache->layers ? sequence->layers[layer].length : 0;
}

// Whole pages are shared, and the last one if the other sequence has no more of it either.
static int share_layer(struct duplex_sequence *shared, const struct kv_layer *from, size_t positions,
                       struct kv_layer *to) {
  const size_t page_positions = kv_page_positions(shared);
  const size_t whole = positions == from->length ? from->count : positions / page_positions;
  int error = reserve(shared->cache, to, whole + 1);
  if (error) return error;
  for (; to->count < whole; to->count++) {
    to->pages[to->count] = from->pages[to->count];
    to->pages[to->count]->references++;
  }
  to->length = positions;
  if (positions <= whole * page_positions) return DUPLEX_OK;
  error = copy_page(shared, from->pages[whole], whole ? to->pages[whole - 1] : NULL,
                    positions % page_positions, &to->pages[whole]);
  to->count += !error;
  return error;
}

int duplex_kv_share(const struct duplex_sequence *sequence, size_t positions,
                    struct duplex_sequence **shared) {
  struct duplex_kv_cache *cache = sequence->cache;
  int error = DUPLEX_OK;
  *shared = NULL;
  for (uint32_t i = 0; i < cache->layers; i++)
    if (positions > sequence->layers[i].length)
      return stack_fail(cache->stack, DUPLEX_ERROR_ARGUMENT, "a prefix of %zu positions: layer %u has %zu",
                        positions, i, sequence->layers[i].length);
  struct duplex_sequence *made =
      new_sequence(cache, sequence->pool, sequence->first_channel, sequence->spread, positions);
  if (!made) return no_memory(cache);
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
  int error = reserve(moved->cache, to, from->count);
  for (size_t i = 0; i < from->count && !error; i++) {
    const size_t left = from->length - i * page_positions;
    if (from->pages[i]->pool == moved->pool) {
      to->pages[i] = from->pages[i];
      to->pages[i]->references++;
    } else {
      error = copy_page(moved, from->pages[i], i ? to->pages[i - 1] : NULL,
                        left < page_positions ? left : page_positions, &to->pages[i]);
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

int duplex_kv_move(struct duplex_sequence *sequence) {
  struct duplex_kv_cache *cache = sequence->cache;
  struct duplex_sequence *moved =
      new_sequence(cache, &cache->pools[DUPLEX_KV_SPACES], sequence->first_channel, sequence->spread, 0);
  int error = moved ? DUPLEX_OK : no_memory(cache);
  for (uint32_t i = 0; i < cache->layers && !error; i++)
    error = move_layer(moved, &sequence->layers[i], &moved->layers[i]);
  for (uint32_t i = 0; i < cache->layers && !error; i++)
    for (size_t page = 0; page < sequence->layers[i].count; page++)
      take_place(sequence->layers[i].pages[page], moved->layers[i].pages[page]);
  if (!error) sequence->pool = moved->pool;
  duplex_kv_free(moved);
  return error;
}

size_t duplex_kv_used(const struct duplex_kv_cache *cache, enum duplex_kv_space space) {
  const struct kv_pool *pool = &cache->pools[space];
  size_t used = 0;
  for (uint32_t frame = 0; frame < pool->frames; frame++)
    used += (size_t)__builtin_popcount(pool->taken[frame]);
  return used;
}
