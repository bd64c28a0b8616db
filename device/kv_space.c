// SPDX-License-Identifier: Apache-2.0
// Fills the memory spaces of a device's KV cache: appends positions, and moves sequences behind their
// prefill.
#include <stdlib.h>
#include <string.h>

#include "device/kv.h"
#include "driver/bundle_owner.h"
#include "driver/kv_balance.h"
#include "driver/kv_sequence.h"
#include "driver/stack_error.h"
#include "duplex/arithmetic.h"

// Pages of a part's space that are free in all of the part's channels.
static unsigned free_pages(const struct kv_pool *pool, const struct duplex_sequence *sequence) {
  const uint32_t channels = kv_channels_of(sequence);
  unsigned pages = 0;
  for (uint32_t frame = 0; frame < pool->frames; frame++) pages += !(pool->taken[frame] & channels);
  return pages;
}

// OUT_OF_SPACE of a part, for which `pages` were asked.
static int space_is_full(const struct duplex_device_sequence *sequence, unsigned number,
                         enum duplex_kv_space space, size_t pages) {
  const struct kv_part *part = &sequence->part[number];
  const struct kv_pool *pool = &sequence->kv->cache[part->stack]->pools[space];
  return device_fail(
      sequence->kv->device, DUPLEX_ERROR_OUT_OF_SPACE,
      "stack %u: %s of %u pages of %zu positions, %u of them free for KV head %u of the sequence: %zu were "
      "asked for",
      part->stack, space == DUPLEX_KV_PREFILL ? "a prefill space (bundle 3)" : "KV spaces (bundles 0 to 2)",
      pool->frames, kv_page_positions(part->sequence), free_pages(pool, part->sequence),
      number * sequence->kv->part_heads, pages);
}

// The error of a part's stack, with its text.
static int part_failed(const struct duplex_device_sequence *sequence, unsigned number, int error) {
  const struct kv_part *part = &sequence->part[number];
  struct duplex_device *device = sequence->kv->device;
  return device_fail(device, error, "stack %u: %s", part->stack,
                     duplex_stack_last_error(device->stack[part->stack]));
}

void kv_trim_parts(const struct duplex_device_sequence *sequence, unsigned layer) {
  for (unsigned number = 0; number < sequence->kv->parts; number++)
    kv_trim(sequence->part[number].sequence, layer);
}

int kv_reserve_parts(struct duplex_device_sequence *sequence, unsigned layer, size_t positions) {
  int error = DUPLEX_OK;
  for (unsigned number = 0; number < sequence->kv->parts && !error; number++) {
    struct duplex_sequence *own = sequence->part[number].sequence;
    error = kv_reserve(own, layer, positions);
    if (error == DUPLEX_ERROR_OUT_OF_SPACE)
      space_is_full(sequence, number, sequence->space, kv_pages_to_reserve(own, layer, positions));
    else if (error)
      part_failed(sequence, number, error);
  }
  if (error) kv_trim_parts(sequence, layer);
  return error;
}

// What is appended to the parts of a sequence.
struct append {
  struct duplex_device_sequence *sequence;
  unsigned layer;
  const duplex_f16 *k, *v;
  size_t positions;
};

static int append_on_stack(void *context, unsigned stack) {
  const struct append *a = context;
  const size_t of_part = a->sequence->kv->part_heads * a->positions * a->sequence->kv->options.head_size;
  int error = DUPLEX_OK;
  for (unsigned number = 0; number < a->sequence->kv->parts && !error; number++) {
    const struct kv_part *part = &a->sequence->part[number];
    if (part->stack == stack)
      error = duplex_kv_append(part->sequence, a->layer, a->k + number * of_part, a->v + number * of_part,
                               a->positions, 0);
  }
  return error;
}

int duplex_device_append(struct duplex_device_sequence *sequence, unsigned layer, const duplex_f16 *k,
                         const duplex_f16 *v, size_t positions) {
  int error = need_device_sequence(sequence);
  if (error) return error;
  struct duplex_device *device = sequence->kv->device;
  device->error_text[0] = 0;
  if (layer >= sequence->kv->options.layers)
    return device_fail(device, DUPLEX_ERROR_ARGUMENT, "layer %u: the KV cache has %u", layer,
                       sequence->kv->options.layers);
  if (positions == 0) return DUPLEX_OK;
  struct append append = {sequence, layer, k, v, positions};
  error = need_device_f16(device, "k", k);
  if (!error) error = need_device_f16(device, "v", v);
  if (!error) error = kv_reserve_parts(sequence, layer, positions);
  if (!error) error = device_each_stack(device, append_on_stack, &append);
  const size_t length = duplex_device_sequence_length(sequence, layer);
  if (length > sequence->weight) kv_weigh(sequence, sequence->space, length);
  return error;
}

// A move under way: copies of the parts on all stacks.
struct move {
  const struct duplex_device_sequence *sequence, *base;  // base may be NULL
  struct duplex_sequence *copy[DUPLEX_KV_HEADS_MAX];
  int error[DUPLEX_KV_HEADS_MAX];
  uint64_t clocks[DUPLEX_STACKS_MOST];
  uint64_t positions[DUPLEX_STACKS_MOST];  // of all layers, that were copied
};

static int copy_parts(struct move *move, unsigned stack) {
  int error = DUPLEX_OK;
  for (unsigned number = 0; number < move->sequence->kv->parts && !error; number++) {
    const struct kv_part *part = &move->sequence->part[number];
    if (part->stack != stack) continue;
    error = kv_copy_to_spaces(part->sequence, move->base ? move->base->part[number].sequence : NULL,
                              &move->copy[number], &move->positions[stack]);
    move->error[number] = error;
  }
  return error;
}

// The xPU's reads and writes on one stack, all spaces its own.
static int copy_on_stack(void *context, unsigned stack) {
  struct move *move = context;
  struct duplex_stack *own = move->sequence->kv->device->stack[stack];
  struct duplex_backend *backend = own->backend;
  int error = bundle_owner_set(own, 0);
  if (!error) error = backend->ops->xpu_wait(backend);
  const uint64_t begin = backend->ops->clocks(backend);
  own->timed_writes = own->timed_reads = true;
  if (!error) error = copy_parts(move, stack);
  own->timed_writes = own->timed_reads = false;
  const int waited = backend->ops->xpu_wait(backend);
  move->clocks[stack] = backend->ops->clocks(backend) - begin;
  return error ? error : waited;
}

// Tells of the first part that had no room.
static void tell_full(const struct move *move) {
  for (unsigned number = 0; number < move->sequence->kv->parts; number++) {
    size_t pages = 0;
    const struct duplex_sequence *own = move->sequence->part[number].sequence;
    for (unsigned layer = 0; layer < move->sequence->kv->options.layers; layer++)
      pages += own->layers[layer].count;
    if (move->error[number] != DUPLEX_ERROR_OUT_OF_SPACE) continue;
    space_is_full(move->sequence, number, DUPLEX_KV_SPACES, pages);
    return;
  }
}

static void free_copies(const struct move *move) {
  for (unsigned number = 0; number < move->sequence->kv->parts; number++) duplex_kv_free(move->copy[number]);
}

// Copies of all parts, or none.
static int copy_all(struct move *move, uint64_t *clocks) {
  struct duplex_device *device = move->sequence->kv->device;
  device->error_text[0] = 0;
  const int error = device_each_stack(device, copy_on_stack, move);
  if (error == DUPLEX_ERROR_OUT_OF_SPACE) tell_full(move);
  if (error) free_copies(move);
  for (unsigned i = 0; i < device->stacks && clocks && !error; i++)
    *clocks = duplex_larger(*clocks, move->clocks[i]);
  return error;
}

int duplex_device_move_sequence(struct duplex_device_sequence *sequence, uint64_t *clocks) {
  int error = need_device_sequence(sequence);
  if (clocks) *clocks = 0;
  if (error || sequence->space == DUPLEX_KV_SPACES) return error;
  struct move move = {.sequence = sequence};
  error = copy_all(&move, clocks);
  if (error) return error;
  for (unsigned number = 0; number < sequence->kv->parts; number++)
    kv_take_place(sequence->part[number].sequence, move.copy[number]);
  kv_weigh(sequence, DUPLEX_KV_SPACES, sequence->weight);
  return DUPLEX_OK;
}

// A sequence of the KV spaces that has the copies.
static int take_copies(const struct move *move, struct duplex_device_sequence **copy) {
  const struct duplex_device_sequence *of = move->sequence;
  struct duplex_device_sequence *self = handle_take(&of->kv->device->sequences, sizeof *self);
  if (!self) return device_no_memory(of->kv->device);
  *self = (struct duplex_device_sequence){.handle = self->handle, .kv = of->kv, .space = DUPLEX_KV_SPACES};
  self->part = calloc(of->kv->parts, sizeof *self->part);
  if (!self->part) {
    handle_retire(&of->kv->device->sequences, self);
    return device_no_memory(of->kv->device);
  }
  for (unsigned number = 0; number < of->kv->parts; number++) {
    self->part[number] = (struct kv_part){of->part[number].stack, move->copy[number]};
    kv_set_weight(move->copy[number], of->part[number].sequence->weight);
  }
  kv_weigh(self, DUPLEX_KV_SPACES, of->weight);
  *copy = self;
  return DUPLEX_OK;
}

// Of the same cache, in the KV spaces, and no longer than the sequence.
static int check_base(const struct duplex_device_sequence *sequence,
                      const struct duplex_device_sequence *base) {
  const int error = base ? need_device_sequence(base) : DUPLEX_OK;
  if (error || !base) return error;
  bool fits = base->kv == sequence->kv && base->space == DUPLEX_KV_SPACES;
  for (unsigned layer = 0; layer < sequence->kv->options.layers && fits; layer++)
    fits = duplex_device_sequence_length(base, layer) <= duplex_device_sequence_length(sequence, layer);
  for (unsigned number = 0; number < sequence->kv->parts && fits; number++)
    fits = base->part[number].stack == sequence->part[number].stack &&
           base->part[number].sequence->first_channel == sequence->part[number].sequence->first_channel &&
           base->part[number].sequence->spread == sequence->part[number].sequence->spread;
  return fits ? DUPLEX_OK
              : device_fail(sequence->kv->device, DUPLEX_ERROR_ARGUMENT,
                            "the base of a copy: expected the copy of a sequence with which this one began");
}

int duplex_device_copy_sequence(const struct duplex_device_sequence *sequence,
                                const struct duplex_device_sequence *base,
                                struct duplex_device_sequence **copy, struct duplex_device_copied *copied) {
  int error = need_device_sequence(sequence);
  if (copy) *copy = NULL;
  if (copied) *copied = (struct duplex_device_copied){0};
  if (error) return error;
  const struct duplex_device_kv *kv = sequence->kv;
  kv->device->error_text[0] = 0;
  if (!copy) return device_fail(kv->device, DUPLEX_ERROR_ARGUMENT, "copy is NULL: expected a pointer");
  if (sequence->space != DUPLEX_KV_PREFILL)
    return device_fail(kv->device, DUPLEX_ERROR_ARGUMENT, "a copy: expected a sequence of the prefill space");
  error = check_base(sequence, base);
  if (error) return error;
  struct move move = {.sequence = sequence, .base = base};
  uint64_t clocks = 0;
  error = copy_all(&move, &clocks);
  if (error) return error;
  error = take_copies(&move, copy);
  if (error) free_copies(&move);
  if (error || !copied) return error;
  copied->clocks = clocks;
  const uint64_t of_position = 2 * (uint64_t)kv->part_heads * kv->options.head_size * sizeof(duplex_f16);
  for (unsigned i = 0; i < kv->device->stacks; i++) copied->bytes += move.positions[i] * of_position;
  return DUPLEX_OK;
}
