// SPDX-License-Identifier: Apache-2.0
// The bytes of a page.
#ifndef DUPLEX_DRIVER_KV_PAGE_H
#define DUPLEX_DRIVER_KV_PAGE_H

#include "driver/kv_cache.h"

// Writes positions from `at` on (within the page), which has `used` positions before: behind its last one, or
// over some of them. K and V of one head at a time are `stride` elements apart.
int kv_page_write(const struct duplex_sequence *sequence, const struct kv_page *page, size_t at, size_t used,
                  const duplex_f16 *k, const duplex_f16 *v, size_t positions, size_t stride);

// Copies the first positions of a page; behind them V is zero.
int kv_page_copy(const struct duplex_sequence *sequence, const struct kv_page *from, const struct kv_page *to,
                 size_t positions);

// Reads positions from `at` on (within the page), one KV head of it: k and v[positions][head_size].
int kv_page_read(const struct duplex_sequence *sequence, const struct kv_page *page, uint32_t head, size_t at,
                 duplex_f16 *k, duplex_f16 *v, size_t positions);

#endif
