// SPDX-License-Identifier: Apache-2.0
// Opens and closes KV caches of a device, and begins and frees their sequences.
#include "device/kv.h"

#include <stdlib.h>

#include "driver/stack.h"
#include "duplex/arithmetic.h"

#define PAGE_POSITIONS 256u
#define MEMBER_POSITIONS 512u  // a KV head has no more channels than each has so many positions of

int need_kv(const struct duplex_device_kv *kv) {
  if (!kv) return DUPLEX_ERROR_ARGUMENT;
  return kv->handle.live ? DUPLEX_OK
                         : device_fail(kv->device, DUPLEX_ERROR_ARGUMENT, "the KV cache is closed");
}

int need_device_sequence(const struct duplex_device_sequence *sequence) {
  if (!sequence) return DUPLEX_ERROR_ARGUMENT;
  return sequence->handle.live
             ? DUPLEX_OK
             : device_fail(sequence->kv->device, DUPLEX_ERROR_ARGUMENT, "the sequence was freed");
}

int need_device_f16(struct duplex_device *device, const char *name, const duplex_f16 *pointer) {
  if (!pointer) return device_fail(device, DUPLEX_ERROR_ARGUMENT, "%s is NULL: expected a pointer", name);
  if ((uintptr_t)pointer % sizeof *pointer == 0) return DUPLEX_OK;
  return device_fail(device, DUPLEX_ERROR_ARGUMENT, "%s is odd: expected an even address", name);
}

// The largest divisor of the KV heads that spreads those of a sequence as well as single heads do: a message
// and a descriptor for more heads is less work for the firmware.
static unsigned heads_of_part(unsigned heads, unsigned stacks) {
  unsigned of_part = (heads + stacks - 1) / stacks;
  while (heads % of_part) of_part--;
  return of_part;
}

// The cache of one stack: a sequence there is a part.
static int open_cache(struct duplex_device_kv *kv, unsigned stack) {
  const struct duplex_device_kv_options *options = &kv->options;
  const struct duplex_kv_options one = {.heads = kv->part_heads,
                                        .head_size = options->head_size,
                                        .layers = options->layers,
                                        .page_positions = options->page_positions,
                                        .pages = options->pages,
                                        .prefill_pages = options->prefill_pages,
                                        .bundles = KV_BUNDLES,
                                        .windows = options->windows,
                                        .pinned = options->pinned,
                                        .prefill_bundles = PREFILL_BUNDLES};
  struct duplex_stack *of = kv->device->stack[stack];
  const int error = duplex_kv_open(of, &one, &kv->cache[stack]);
  if (error) return device_fail(kv->device, error, "stack %u: %s", stack, duplex_stack_last_error(of));
  return duplex_kv_use_p32(kv->cache[stack], options->p32);
}

static void close_caches(struct duplex_device_kv *kv) {
  for (unsigned i = 0; i < kv->device->stacks; i++) duplex_kv_close(kv->cache[i]);
}

int duplex_device_open_kv(struct duplex_device *device, const struct duplex_device_kv_options *options,
                          struct duplex_device_kv **kv) {
  if (kv) *kv = NULL;
  if (!device) return DUPLEX_ERROR_ARGUMENT;
  device->error_text[0] = 0;
  if (!options || !kv)
    return device_fail(device, DUPLEX_ERROR_ARGUMENT, "%s is NULL: expected a pointer",
                       options ? "kv" : "options");
  if (options->heads < 1 || options->heads > DUPLEX_KV_HEADS_MAX)
    return device_fail(device, DUPLEX_ERROR_ARGUMENT, "%u KV heads: expected 1 to %u", options->heads,
                       DUPLEX_KV_HEADS_MAX);
  struct duplex_device_kv *self = handle_take(&device->kvs, sizeof *self);
  if (!self) return device_no_memory(device);
  self->device = device;
  self->options = *options;
  if (options->layers == 0) self->options.layers = 1;
  self->part_heads = heads_of_part(options->heads, device->stacks);
  self->parts = options->heads / self->part_heads;
  if (options->page_positions == 0) self->options.page_positions = PAGE_POSITIONS;
  int error = DUPLEX_OK;
  for (unsigned i = 0; i < device->stacks && !error; i++) error = open_cache(self, i);
  if (error) {
    close_caches(self);
    handle_retire(&device->kvs, self);
    return error;
  }
  self->options.windows = NULL;  // the caches have copies
  *kv = self;
  return DUPLEX_OK;
}

// Frees a sequence on all stacks; parts that were not begun are NULL there.
static void free_sequence(struct duplex_device_sequence *sequence) {
  struct duplex_device_kv *kv = sequence->kv;
  kv_weigh(sequence, sequence->space, 0);
  for (unsigned number = 0; number < kv->parts; number++) duplex_kv_free(sequence->part[number].sequence);
  free(sequence->part);
  sequence->part = NULL;
  handle_retire(&kv->device->sequences, sequence);
}

static void close_kv(struct duplex_device_kv *kv) {
  for (struct handle *handle = kv->device->sequences.first; handle; handle = handle->next) {
    struct duplex_device_sequence *sequence = (struct duplex_device_sequence *)handle;
    if (handle->live && sequence->kv == kv) free_sequence(sequence);
  }
  close_caches(kv);
  handle_retire(&kv->device->kvs, kv);
}

int duplex_device_close_kv(struct duplex_device_kv *kv) {
  const int error = kv ? need_kv(kv) : DUPLEX_OK;
  if (kv && !error) close_kv(kv);
  return error;
}

void kv_close_all(struct duplex_device *device) {
  for (struct handle *handle = device->kvs.first; handle; handle = handle->next)
    if (handle->live) close_kv((struct duplex_device_kv *)handle);
  handles_free(&device->sequences);
  handles_free(&device->kvs);
}

void kv_weigh(struct duplex_device_sequence *sequence, enum duplex_kv_space space, size_t weight) {
  struct duplex_device_kv *kv = sequence->kv;
  for (unsigned number = 0; number < kv->parts; number++) {
    const struct kv_part *part = &sequence->part[number];
    if (!part->sequence) continue;
    kv->load[sequence->space][part->stack] -= sequence->weight;
    kv->load[space][part->stack] += weight;
  }
  sequence->space = space;
  sequence->weight = weight;
}

// The stack with fewest positions in a space; among equals the one with fewest in the other.
static unsigned choose_stack(const struct duplex_device_kv *kv, enum duplex_kv_space space) {
  const size_t *own = kv->load[space];
  const size_t *other = kv->load[space == DUPLEX_KV_SPACES ? DUPLEX_KV_PREFILL : DUPLEX_KV_SPACES];
  unsigned best = 0;
  for (unsigned i = 1; i < kv->device->stacks; i++)
    if (own[i] < own[best] || (own[i] == own[best] && other[i] < other[best])) best = i;
  return best;
}

// How many channels share a KV head: more make channels more alike, and the way to each more work.
static unsigned spread_for(const struct duplex_device_kv *kv, size_t positions) {
  const unsigned most = duplex_kv_spread_most(kv->device->stack[0], kv->part_heads);
  unsigned spread = 1;
  while (spread < most && positions / (2 * spread) >= MEMBER_POSITIONS) spread *= 2;
  return spread;
}

// One part on its stack.
static int begin_part(struct duplex_device_sequence *sequence, unsigned number) {
  struct duplex_device_kv *kv = sequence->kv;
  const unsigned stack = choose_stack(kv, sequence->space);
  const size_t expected = duplex_smaller(sequence->weight, DUPLEX_POSITIONS_MAX);
  struct kv_part *part = &sequence->part[number];
  const int error = duplex_kv_begin_spread(kv->cache[stack], sequence->space, expected,
                                           spread_for(kv, expected), &part->sequence);
  if (error)
    return device_fail(kv->device, error, "stack %u: %s", stack,
                       duplex_stack_last_error(kv->device->stack[stack]));
  part->stack = stack;
  kv->load[sequence->space][stack] += sequence->weight;
  return DUPLEX_OK;
}

int duplex_device_begin_sequence(struct duplex_device_kv *kv, enum duplex_kv_space space, size_t expected,
                                 struct duplex_device_sequence **sequence) {
  if (sequence) *sequence = NULL;
  int error = need_kv(kv);
  if (error) return error;
  struct duplex_device *device = kv->device;
  device->error_text[0] = 0;
  if (!sequence) return device_fail(device, DUPLEX_ERROR_ARGUMENT, "sequence is NULL: expected a pointer");
  if ((unsigned)space > DUPLEX_KV_PREFILL)
    return device_fail(device, DUPLEX_ERROR_ARGUMENT, "space %d: expected the KV spaces or the prefill space",
                       (int)space);
  struct duplex_device_sequence *self = handle_take(&device->sequences, sizeof *self);
  if (!self) return device_no_memory(device);
  self->kv = kv;
  self->space = space;
  self->weight = expected ? expected : 1;
  self->part = calloc(kv->parts, sizeof *self->part);
  if (!self->part) {
    handle_retire(&device->sequences, self);
    return device_no_memory(device);
  }
  for (unsigned number = 0; number < kv->parts && !error; number++) error = begin_part(self, number);
  if (error) {
    free_sequence(self);
    return error;
  }
  *sequence = self;
  return DUPLEX_OK;
}

int duplex_device_free_sequence(struct duplex_device_sequence *sequence) {
  const int error = sequence ? need_device_sequence(sequence) : DUPLEX_OK;
  if (sequence && !error) free_sequence(sequence);
  return error;
}

size_t duplex_device_sequence_length(const struct duplex_device_sequence *sequence, unsigned layer) {
  return sequence && sequence->handle.live ? duplex_kv_length(sequence->part[0].sequence, layer) : 0;
}

unsigned duplex_device_sequence_stack(const struct duplex_device_sequence *sequence, unsigned head) {
  const bool there = sequence && sequence->handle.live && head < sequence->kv->options.heads;
  return there ? sequence->part[head / sequence->kv->part_heads].stack : DUPLEX_STACKS_MOST;
}
