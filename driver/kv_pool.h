// SPDX-License-Identifier: Apache-2.0
// Which frames of a space are taken, in which channels.
#ifndef DUPLEX_DRIVER_KV_POOL_H
#define DUPLEX_DRIVER_KV_POOL_H

#include "driver/kv_cache.h"

// Takes DRAM for so many frames; 0: a pool in which nothing has room. DUPLEX_ERROR_OUT_OF_SPACE, _NO_MEMORY.
int kv_pool_open(struct duplex_kv_cache *cache, struct kv_pool *pool, uint32_t stripe, size_t frames);
void kv_pool_close(struct duplex_kv_cache *cache, struct kv_pool *pool);

// A frame that is free in these channels, the one at `wish` if it can be had; false: there is none.
bool kv_pool_take(struct kv_pool *pool, uint32_t channels, uint32_t wish, uint32_t *frame);
void kv_pool_give(struct kv_pool *pool, uint32_t frame, uint32_t channels);

#endif
