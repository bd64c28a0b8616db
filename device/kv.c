// SPDX-License-Identifier: Apache-2.0
// Opens and closes KV caches of a device, and begins and frees their sequences.
#include "device/kv.h"

#include <stdlib.h>

#include "driver/stack.h"
#include "duplex/arithmetic.h"

#define PAGE_POSITIONS 256u
#define MEMBER_POSITIONS 512u  // a pair has no more channels than each has so many positions of

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

// The cache of one stack: its sequences have one KV head.
static int open_cache(struct duplex_device_kv *kv, unsigned stack) {
  const struct duplex_device_kv_options *options = &kv->options;
  const struct duplex_kv_options one = {.heads = 1,
                                        .head_size = options->head_size,
                                        .layers = options->layers,
                                        .page_positions = options->page_positions,
                                        .pages = options->pages,
                                        .prefill_pages = options->prefill_pages,
                                        .bundles = KV_BUNDLES,
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
  if (options->page_positions == 0) self->options.page_positions = PAGE_POSITIONS;
  int error = DUPLEX_OK;
  for (unsigned i = 0; i < device->stacks && !error; i++) error = open_cache(self, i);
  if (error) {
    close_caches(self);
    handle_retire(&device->kvs, self);
    return error;
  }
  *kv = self;
  return DUPLEX_OK;
}

// Frees a sequence on all stacks; pairs that were not begun are NULL there.
static void free_sequence(struct duplex_device_sequence *sequence) {
  struct duplex_device_kv *kv = sequence->kv;
  kv_weigh(sequence, sequence->space, 0);
  for (unsigned head = 0; head < kv->options.heads; head++) duplex_kv_free(sequence->pair[head].sequence);
  free(sequence->pair);
  sequence->pair = NULL;
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
  for (unsigned head = 0; head < kv->options.heads; head++) {
    const struct kv_pair *pair = &sequence->pair[head];
    if (!pair->sequence) continue;
    kv->load[sequence->space][pair->stack] -= sequence->weight;
    kv->load[space][pair->stack] += weight;
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

// How many channels share a pair: more make channels more alike, and pairs more work.
static unsigned spread_for(const struct duplex_stack *stack, size_t positions) {
  const unsigned most = duplex_kv_spread_most(stack, 1);
  unsigned spread = 1;
  while (spread < most && positions / (2 * spread) >= MEMBER_POSITIONS) spread *= 2;
  return spread;
}

// One pair on its stack.
static int begin_pair(struct duplex_device_sequence *sequence, unsigned head) {
  struct duplex_device_kv *kv = sequence->kv;
  const unsigned stack = choose_stack(kv, sequence->space);
  const size_t expected = duplex_smaller(sequence->weight, DUPLEX_POSITIONS_MAX);
  struct kv_pair *pair = &sequence->pair[head];
  const int error = duplex_kv_begin_spread(kv->cache[stack], sequence->space, expected,
                                           spread_for(kv->device->stack[stack], expected), &pair->sequence);
  if (error)
    return device_fail(kv->device, error, "stack %u: %s", stack,
                       duplex_stack_last_error(kv->device->stack[stack]));
  pair->stack = stack;
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
  self->pair = calloc(kv->options.heads, sizeof *self->pair);
  if (!self->pair) {
    handle_retire(&device->sequences, self);
    return device_no_memory(device);
  }
  for (unsigned head = 0; head < kv->options.heads && !error; head++) error = begin_pair(self, head);
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
  return sequence && sequence->handle.live ? duplex_kv_length(sequence->pair[0].sequence, layer) : 0;
}

unsigned duplex_device_sequence_stack(const struct duplex_device_sequence *sequence, unsigned head) {
  const bool there = sequence && sequence->handle.live && head < sequence->kv->options.heads;
  return there ? sequence->pair[head].stack : DUPLEX_STACKS_MOST;
}
