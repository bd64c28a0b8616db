// SPDX-License-Identifier: Apache-2.0
// Checks what a caller asks of the attention of a mixed stage.
#include <math.h>

#include "device/attention.h"

#define GROUP_MOST (2 * DUPLEX_LANES)
#define F32_INFINITY 0x7f800000u

// Layer, heads and scale.
static int check_shape(const struct duplex_device_kv *kv, const struct duplex_device_attention *work) {
  const unsigned heads = kv->options.heads;
  if (work->layer >= kv->options.layers)
    return device_fail(kv->device, DUPLEX_ERROR_ARGUMENT, "layer %u: the KV cache has %u", work->layer,
                       kv->options.layers);
  if (work->q_heads == 0 || work->q_heads % heads || work->q_heads / heads > GROUP_MOST)
    return device_fail(kv->device, DUPLEX_ERROR_ARGUMENT,
                       "%zu query heads for %u KV heads: expected a multiple, at most %d times as many",
                       work->q_heads, heads, GROUP_MOST);
  const duplex_f32 factor = duplex_attention_scale(work->scale, kv->options.head_size);
  if (!(work->scale >= 0) || isinf(work->scale) || factor == 0 || factor >= F32_INFINITY)
    return device_fail(kv->device, DUPLEX_ERROR_ARGUMENT,
                       "the scale must be a positive number within binary32 (times log2 e)");
  return DUPLEX_OK;
}

// A sequence of the cache, in the space that its side works on.
static int check_sequence(const struct duplex_device_kv *kv, const struct duplex_device_sequence *sequence,
                          enum duplex_kv_space space, size_t i) {
  const char *list = space == DUPLEX_KV_PREFILL ? "prefill" : "sequence";
  if (!handle_is_of(&kv->device->sequences, sequence) || sequence->kv != kv)
    return device_fail(kv->device, DUPLEX_ERROR_ARGUMENT, "%s %zu is none of this KV cache, or was freed",
                       list, i);
  if (sequence->space == space) return DUPLEX_OK;
  return device_fail(kv->device, DUPLEX_ERROR_OWNER,
                     space == DUPLEX_KV_PREFILL ? "%s %zu is in the KV spaces: Logic-PIM's"
                                                : "%s %zu is in the prefill space: move it first",
                     list, i);
}

// Whether a sequence comes before in the batch.
static bool comes_before(const struct duplex_device_decode *decode, size_t i) {
  for (size_t other = 0; other < i; other++)
    if (decode->sequences[other] == decode->sequences[i]) return true;
  return false;
}

// Refuses a decode batch with pointers that are missing, or sequences that are foreign, empty or given twice.
static int check_decode(const struct duplex_device_kv *kv, const struct duplex_device_attention *work) {
  const struct duplex_device_decode *decode = &work->decode;
  struct duplex_device *device = kv->device;
  if (decode->batch == 0) return DUPLEX_OK;
  const bool appends = decode->k || decode->v;
  int error = decode->sequences
                  ? DUPLEX_OK
                  : device_fail(device, DUPLEX_ERROR_ARGUMENT, "sequences is NULL: expected a pointer");
  if (!error) error = need_device_f16(device, "q", decode->q);
  if (!error) error = need_device_f16(device, "o", decode->o);
  if (!error && appends) error = need_device_f16(device, "k", decode->k);
  if (!error && appends) error = need_device_f16(device, "v", decode->v);
  for (size_t i = 0; i < decode->batch && !error; i++) {
    error = check_sequence(kv, decode->sequences[i], DUPLEX_KV_SPACES, i);
    if (error) return error;
    if (comes_before(decode, i))
      return device_fail(device, DUPLEX_ERROR_ARGUMENT, "sequence %zu comes twice in the batch", i);
    if (!appends && duplex_device_sequence_length(decode->sequences[i], work->layer) == 0)
      return device_fail(device, DUPLEX_ERROR_ARGUMENT, "sequence %zu has no position", i);
  }
  return error;
}

static int check_prefill(const struct duplex_device_kv *kv, const struct duplex_device_attention *work,
                         size_t i) {
  const struct duplex_device_prefill *prefill = &work->prefills[i];
  int error = need_device_f16(kv->device, "q of a prefill", prefill->q);
  if (!error) error = need_device_f16(kv->device, "o of a prefill", prefill->o);
  if (!error) error = check_sequence(kv, prefill->sequence, DUPLEX_KV_PREFILL, i);
  if (error) return error;
  const size_t length = duplex_device_sequence_length(prefill->sequence, work->layer);
  if (prefill->positions && prefill->first <= length && prefill->positions <= length - prefill->first)
    return DUPLEX_OK;
  return device_fail(kv->device, DUPLEX_ERROR_ARGUMENT,
                     "prefill %zu: %zu positions from %zu on: expected 1 or more of the %zu that it has", i,
                     prefill->positions, prefill->first, length);
}

int attention_check_work(const struct duplex_device_kv *kv, const struct duplex_device_attention *work) {
  int error = check_shape(kv, work);
  if (!error) error = check_decode(kv, work);
  if (!error && work->prefill_count && !work->prefills)
    error = device_fail(kv->device, DUPLEX_ERROR_ARGUMENT, "prefills is NULL: expected a pointer");
  for (size_t i = 0; i < work->prefill_count && !error; i++) error = check_prefill(kv, work, i);
  return error;
}
