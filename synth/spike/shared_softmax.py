#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Clocks that the streams of 32 channels lose on the buses of a shared softmax unit (shared_softmax.v).

usage: shared_softmax.py [--lengths 512,4096] [--batch 32]

Batch, 8 KV heads, head size 128: 8 pairs of a sequence and a head in each channel. A channel takes one beat a clock from its DRAM
(which never waits here) as long as it has room for what it makes and the tile that it needs, in the order of docs/architecture.md:
the scores of the next pair come before the context of this one if the slice of the shared buffer holds both. Units: how many shared
units there are, each with 32 / units channels, a result bus and a bus back of one word of 64 bytes a clock; 0: slices, no bus at all.
Lanes: those of a group of query heads; only they travel.
"""
import argparse
from collections import deque

BLOCK, K_TILES, ROW_BLOCKS, ROWS, SLICE_WORDS = 64, 2, 2, 64, 1024
RESULT_WORDS = 32         # of a channel's result buffer (params/hardware.params)
TILES_AHEAD = 2           # in a channel: the one in use and the next
WAY_IN = 10               # from the bus through scaling and maximum
WAY_BACK = 12             # from the slice through the exponentials to the bus
DIVISOR_PAUSE = 14        # behind the sums of a row block, which hold the divisors


class Channel:
    """The beats of a channel in their order, and what they need and make."""

    def __init__(self, pairs, length, lanes, shared):
        self.length, self.lanes = length, lanes
        self.score_words = -(-length * lanes // 16)
        self.tile_words = -(-BLOCK * lanes // 32)
        blocks = -(-length // BLOCK)
        beside = 2 * self.score_words <= SLICE_WORDS
        passes = []
        for pair in range(pairs):
            if pair == 0 or not beside:
                passes.append(("S", pair))
            if beside and pair + 1 < pairs:
                passes.append(("S", pair + 1))
            passes.append(("C", pair))
        self.steps = deque()  # (a beat, tiles needed so far, word made or None); a beat with two words is two steps
        self.tiles = []       # pair of each tile, in the order of their use
        used = 0
        for kind, pair in passes:
            for row_block in range(ROW_BLOCKS if kind == "C" else 1):
                for block in range(blocks):
                    positions = min(BLOCK, length - block * BLOCK)
                    if kind == "C":
                        used += 1
                        self.tiles.append(pair)
                        parts = -(-lanes // 4) if shared and block == blocks - 1 else 1  # words of a row's sums
                        for row in range(ROWS):
                            for part in range(parts):
                                end = row == ROWS - 1 and part == parts - 1
                                self.steps.append((part == 0, used, ("sums", pair, end) if block == blocks - 1 else None))
                    else:
                        per_word = 16 // lanes
                        for tile in range(K_TILES):
                            for position in range(positions):
                                last = position == positions - 1
                                full = tile == K_TILES - 1 and ((position + 1) % per_word == 0 or last)
                                end = last and block == blocks - 1
                                self.steps.append((True, 0, ("scores", pair, end) if full else None))
        self.beats = sum(step[0] for step in self.steps)
        self.out = deque()
        self.here = self.done = 0       # tiles that arrived; tiles that are not needed any more
        self.asked = 0
        self.maxima = {}                # pair: clock from which its weights can be made
        self.no_tile = self.no_room = self.rows_of_o = 0

    def clock(self):
        if not self.steps:
            return
        _, tile, made = self.steps[0]
        if tile > self.here:
            self.no_tile += 1
        elif made and len(self.out) >= RESULT_WORDS:
            self.no_room += 1
        else:
            self.steps.popleft()
            if tile:
                self.done = tile - 1
            if made:
                self.out.append(made)

    def wants_tile(self, now):
        return self.asked < len(self.tiles) and self.asked < self.done + TILES_AHEAD and \
            self.maxima.get(self.tiles[self.asked], now + 1) <= now


class Unit:
    def __init__(self, channels):
        self.channels = channels
        self.turn = 0
        self.holder, self.free_at = None, 0
        self.engine = [None, None]      # (channel, words left, clock of the next)
        self.engine_turn = [0, 0]
        self.queue = deque()            # words for the bus back: (clock, channel, last of a tile)

    def result_bus(self, now):
        count = len(self.channels)
        for step in range(count):
            index = (self.turn + step) % count
            channel = self.channels[index]
            if not channel.out:
                continue
            kind, pair, last = channel.out[0]
            if kind == "sums" and (self.holder not in (None, channel) or (self.holder is None and now < self.free_at)):
                continue
            channel.out.popleft()
            self.turn = index + 1
            if kind == "scores" and last:
                channel.maxima[pair] = now + WAY_IN
            if kind == "sums":
                self.holder = None if last else channel
                if last:
                    self.free_at = now + DIVISOR_PAUSE
                # eight half rows of o make a word back
                channel.rows_of_o += 1
                if channel.rows_of_o % 8 == 0:
                    self.queue.appendleft((now + 16, channel, False))
            return

    def engines(self, now):
        for e in range(2):
            if self.engine[e] is None:
                own = self.channels[e::2] if len(self.channels) > 1 else self.channels
                for step in range(len(own)):
                    channel = own[(self.engine_turn[e] + step) % len(own)]
                    if channel.wants_tile(now):
                        channel.asked += 1
                        self.engine[e] = [channel, channel.tile_words, now + 2]
                        self.engine_turn[e] = (self.engine_turn[e] + step + 1) % len(own)
                        break
            elif now >= self.engine[e][2] and len(self.queue) < 8:
                channel, left, _ = self.engine[e]
                self.queue.append((now + WAY_BACK, channel, left == 1))
                self.engine[e] = [channel, left - 1, now + 2] if left > 1 else None

    def bus_back(self, now):
        for index, (when, channel, last) in enumerate(self.queue):
            if when <= now:
                del self.queue[index]
                if last:
                    channel.here += 1
                return

    def clock(self, now):
        self.bus_back(now)
        self.result_bus(now)
        self.engines(now)


class Slices:
    """A unit in each channel: a word a clock, a tile in 64 clocks."""

    def __init__(self, channels):
        self.channels = channels
        self.ready = {channel: deque() for channel in channels}

    def clock(self, now):
        for channel in self.channels:
            while channel.out:
                kind, pair, last = channel.out.popleft()
                if kind == "scores" and last:
                    channel.maxima[pair] = now + WAY_IN
            making = self.ready[channel]
            if making and making[0] <= now:
                making.popleft()
                channel.here += 1
            if not making and channel.wants_tile(now):
                channel.asked += 1
                making.append(now + BLOCK)


def run(units, pairs, length, lanes):
    channels = [Channel(pairs, length, lanes, units > 0) for _ in range(32)]
    if units:
        each = 32 // units
        parts = [Unit(channels[u * each:(u + 1) * each]) for u in range(units)]
    else:
        parts = [Slices(channels)]
    now = 0
    while any(channel.steps or channel.out for channel in channels):
        for channel in channels:
            channel.clock()
        for part in parts:
            part.clock(now)
        now += 1
    beats = channels[0].beats
    no_tile = sum(c.no_tile for c in channels) / 32 / now
    no_room = sum(c.no_room for c in channels) / 32 / now
    print(f"{units or 'slices':>8} {lanes:6} {length:7} {beats:8} {now:8} {beats / now:12.3f} {no_tile:10.3f} {no_room:10.3f}", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--lengths", default="512,4096")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--lanes", default="4,8")
    arguments = parser.parse_args()
    print("   units  lanes  length    beats   clocks  utilisation  for a tile  for room")
    for lanes in map(int, arguments.lanes.split(",")):
        for length in map(int, arguments.lengths.split(",")):
            for units in 0, 1, 2, 4, 8:
                run(units, arguments.batch * 8 // 32, length, lanes)


if __name__ == "__main__":
    main()
