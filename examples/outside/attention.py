# SPDX-License-Identifier: Apache-2.0
"""Decode attention on one stack, from a script outside the project."""
import numpy as np

import duplex

BATCH, HEADS, GROUP, D, LENGTH = 3, 2, 4, 64, 100
random = np.random.default_rng(1)


def normal(*shape):
    return random.normal(size=shape).astype("<f2")


with duplex.Stack(channels=4) as stack:
    cache = stack.kv_cache(heads=HEADS, head_size=D, pages=8, page_positions=64)
    sequences = []
    for _ in range(BATCH):
        sequences.append(cache.begin(LENGTH))
        sequences[-1].append(normal(HEADS, LENGTH, D), normal(HEADS, LENGTH, D))
    o = cache.attention(sequences, normal(BATCH, HEADS * GROUP, D))
    one = cache.attention(sequences[:1], np.zeros((1, HEADS * GROUP, D), "<f2"))
    print(o.shape, "in", stack.stats()["cycles"], "clocks")
    assert np.isfinite(o.astype("f4")).all() and np.abs(one).max() < 1  # the mean of V
