// SPDX-License-Identifier: Apache-2.0
// The KV cache of a device: its sequences, and the stacks of their parts.
#ifndef DEVICE_KV_H
#define DEVICE_KV_H

#include "device/device.h"
#include "driver/kv_cache.h"
#include "duplex/device_attention.h"

// Some adjacent KV heads of a sequence: a sequence of the stack that has them.
struct kv_part {
  unsigned stack;
  struct duplex_sequence *sequence;
};

struct duplex_device_sequence {
  struct handle handle;
  struct duplex_device_kv *kv;
  enum duplex_kv_space space;
  size_t weight;         // positions that each part counts for in the balance
  struct kv_part *part;  // of the cache's number
};

struct duplex_device_kv {
  struct handle handle;
  struct duplex_device *device;
  struct duplex_device_kv_options options;  // with the defaults in place of zeros
  unsigned part_heads, parts;               // KV heads of a part, parts of a sequence
  struct duplex_kv_cache *cache[DUPLEX_STACKS_MOST];
  size_t load[2][DUPLEX_STACKS_MOST];  // positions by enum duplex_kv_space and stack, of all parts
  struct duplex_device_attention_stats stats;
};

// Positions that attention of a layer sees; 0: all.
static inline uint32_t kv_window(const struct duplex_device_kv *kv, unsigned layer) {
  return kv->cache[0]->windows[layer];
}

#define KV_BUNDLES 7u       // of the KV spaces: Logic-PIM's during attention
#define PREFILL_BUNDLES 8u  // of the prefill space: always the xPU's

// The cache and the sequence are there and were not given back.
int need_kv(const struct duplex_device_kv *kv);
int need_device_sequence(const struct duplex_device_sequence *sequence);

// Binary16 numbers are where a caller says: not NULL, and even.
int need_device_f16(struct duplex_device *device, const char *name, const duplex_f16 *pointer);

// The sequence counts for that many positions from now on, in that space.
void kv_weigh(struct duplex_device_sequence *sequence, enum duplex_kv_space space, size_t weight);

// Room for more positions of a layer in all parts. OUT_OF_SPACE, with a text of the space; NO_MEMORY;
// ARGUMENT. Errors leave the parts as they were.
int kv_reserve_parts(struct duplex_device_sequence *sequence, unsigned layer, size_t positions);
// Gives such room back.
void kv_trim_parts(const struct duplex_device_sequence *sequence, unsigned layer);

// Closes the caches of a device and frees what they hold on the host.
void kv_close_all(struct duplex_device *device);

#endif
