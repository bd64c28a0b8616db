// SPDX-License-Identifier: Apache-2.0
// operation_controller.v with descriptor_check.v: descriptors legal, just legal and just illegal. Each must
// be refused with the code and address of the C unit, or reach every channel with its share, start, and
// complete only when the work is over; the next one starts before that if it is chained and only results are
// left, and never otherwise. ATTENTION goes to the channels when they have room and counts as completed at
// once, or with FENCE when everything is over; other opcodes and refusals wait for its end.
#include <algorithm>
#include <cmath>
#include <deque>

#include "Voperation_controller.h"
#include "testbench/common/bench.h"
extern "C" {
#include "cmodel/common/channel_share.h"
#include "cmodel/control/descriptor_check.h"
}

namespace {

constexpr unsigned channels = DUPLEX_CHANNELS;

struct Descriptor {
  uint32_t words[DUPLEX_DESCRIPTOR_WORDS] = {};
};

#define SET(field, value)                                                                          \
  (d.words[DUPLEX_DESC_##field##_WORD] &= ~(DUPLEX_DESC_MASK(field) << DUPLEX_DESC_##field##_LSB), \
   DUPLEX_DESCRIPTOR_SET(d.words, field, value))

unsigned bundles_of(uint32_t stripe) { return (unsigned)__builtin_popcount(stripe); }

// Legal, often with its ends exactly at the limits.
Descriptor legal_load(bench::Case &c) {
  Descriptor d;
  const bool table = c.chance(20);
  const uint32_t tiles = 1 + c.below(c.chance(50) ? 1024 : 40);
  const uint32_t stripe = 1 + c.below(15);
  const uint32_t sets = ((tiles + channels - 1) / channels + 7) / 8;
  const uint32_t room = bundles_of(stripe) * DUPLEX_BANK_ROWS - sets;
  SET(OPCODE, DUPLEX_OPCODE_LOAD);
  SET(SRC_STRIPE, stripe);
  SET(SRC_BASE, std::min<uint64_t>(0xffff, c.chance(50) ? room : c.below(room + 1)));
  SET(DESTINATION, table ? DUPLEX_DESTINATION_TABLE : DUPLEX_DESTINATION_SHARED);
  const uint32_t free = 65536 - tiles * 64;
  if (!table) SET(DST_ADDRESS, (c.chance(50) ? free : c.below(free + 1) & ~3u) | c.below(2) << 16);
  SET(TILES, tiles);
  return d;
}

void choose_rows(bench::Case &c, Descriptor &d) {
  const bool skips = c.chance(30);
  const bool interleaved = DUPLEX_DESCRIPTOR_GET(d.words, INTERLEAVED);
  const unsigned even = DUPLEX_DESCRIPTOR_GET(d.words, GATED) || interleaved || skips;
  SET(GROUPS, 1 + c.below(2));
  const uint32_t block_rows = (1 + c.below(64 / DUPLEX_DESCRIPTOR_GET(d.words, GROUPS)) + even) & ~even;
  if (skips) SET(SKIP_ROWS, c.chance(50) ? 64 - block_rows : c.below(65 - block_rows) & ~1u);
  const uint32_t blocks = 1 + c.below(c.chance(50) ? 4 : 300);
  uint32_t channel_rows = c.chance(50) ? blocks * block_rows : 1 + c.below(blocks * block_rows);
  channel_rows = (channel_rows + even) & ~even;
  if (interleaved) channel_rows = std::min(channel_rows, 60000 / channels & ~1u);
  const uint32_t most = std::min<uint64_t>(channel_rows * channels, 60000);
  const uint32_t rows = (interleaved || c.chance(50) ? most : 1 + (uint32_t)c.below(most)) + even;
  SET(BLOCKS, blocks);
  SET(BLOCK_ROWS, block_rows);
  SET(CHANNEL_ROWS, channel_rows);
  SET(ROWS, even ? std::min(rows & ~1u, most & ~1u) : rows);
}

void choose_source(bench::Case &c, Descriptor &d) {
  const uint32_t k_tiles = 1 + c.below(c.chance(30) ? 1024 : 60);
  const uint32_t stripe = 1 + c.below(15);
  SET(K_TILES, k_tiles);
  const uint32_t skip = DUPLEX_DESCRIPTOR_GET(d.words, SKIP_ROWS);
  SET(TWO_STREAMS, DUPLEX_DESCRIPTOR_GET(d.words, GROUPS) == 2 && !skip && c.chance(50));
  SET(EXPONENTS, DUPLEX_DESCRIPTOR_GET(d.words, TWO_STREAMS) ? 0 : c.below(2));
  SET(SRC_STRIPE, stripe);
  const uint32_t sets = DUPLEX_DESCRIPTOR_GET(d.words, TWO_STREAMS)
                            ? (k_tiles + 1) / 2 * 2
                            : (k_tiles * (DUPLEX_DESCRIPTOR_GET(d.words, BLOCK_ROWS) + skip) +
                               2 * DUPLEX_DESCRIPTOR_GET(d.words, EXPONENTS) + 63) /
                                  64;
  const uint32_t limit = bundles_of(stripe) * DUPLEX_BANK_ROWS;
  SET(SRC_STRIDE, sets + c.below(2));
  const int64_t room =
      (int64_t)limit - sets -
      (int64_t)(DUPLEX_DESCRIPTOR_GET(d.words, BLOCKS) - 1) * DUPLEX_DESCRIPTOR_GET(d.words, SRC_STRIDE);
  if (room > 0) SET(SRC_BASE, std::min<int64_t>(0xffff, c.chance(50) ? room : (int64_t)c.below(room)));
  const uint32_t words = 16 * k_tiles;
  const uint32_t in_turn = c.below(2);
  const uint32_t stride = DUPLEX_DESCRIPTOR_GET(d.words, GROUPS) == 1 ? 0
                          : in_turn                                   ? 16
                                    : c.below(std::max<int64_t>(1, DUPLEX_SHARED_WORDS - (int64_t)words));
  const uint32_t all = DUPLEX_DESCRIPTOR_GET(d.words, GROUPS) == 1 ? words
                       : in_turn                                   ? 2 * words
                                                                   : stride + words;
  const uint32_t x_room = all > DUPLEX_SHARED_WORDS ? 0 : DUPLEX_SHARED_WORDS - all;
  SET(X_STRIDE, stride);
  SET(X_ADDRESS, (c.chance(50) ? x_room : c.below(x_room + 1)) % DUPLEX_SHARED_WORDS | c.below(2) << 14);
  SET(K_LAST, c.below(64));
}

void choose_results(bench::Case &c, Descriptor &d) {
  if (DUPLEX_DESCRIPTOR_GET(d.words, DESTINATION) == DUPLEX_DESTINATION_SHARED) {
    const uint32_t units = DUPLEX_DESCRIPTOR_GET(d.words, GATED) ? DUPLEX_DESCRIPTOR_GET(d.words, ROWS) / 2
                                                                 : DUPLEX_DESCRIPTOR_GET(d.words, ROWS);
    const uint32_t group = DUPLEX_DESCRIPTOR_GET(d.words, GROUPS) == 2 ? c.below(65536 - units) : 0;
    const uint32_t room = 65536 - units - group;
    SET(DST_GROUP, group);
    SET(DST_ADDRESS, (c.chance(50) ? room : c.below(room + 1)) | c.below(2) << 16);
    return;
  }
  static const uint32_t row_bytes[] = {16, 32, 128};  // by DUPLEX_RESULT_FORMAT_
  const uint32_t format = c.below(DUPLEX_RESULT_FORMAT_ACC + 1);
  const uint32_t stripe = 1 + c.below(15);
  const uint32_t columns = (DUPLEX_DESCRIPTOR_GET(d.words, GROUPS) *
                                DUPLEX_DESCRIPTOR_GET(d.words, BLOCK_ROWS) * row_bytes[format] +
                            255) /
                           256;
  const uint32_t stride = columns + c.below(3);
  const uint32_t limit = bundles_of(stripe) * DUPLEX_BANK_ROWS;
  const uint32_t sets = (stride * (DUPLEX_DESCRIPTOR_GET(d.words, BLOCKS) - 1) + columns + 31) / 32;
  SET(FORMAT, format);
  SET(DST_STRIPE, stripe);
  SET(DST_STRIDE, stride);
  SET(DST_BASE, std::min<uint64_t>(0xffff, c.chance(50) ? limit - sets : c.below(limit - sets)));
}

Descriptor legal_gemm(bench::Case &c) {
  Descriptor d;
  SET(OPCODE, DUPLEX_OPCODE_GEMM);
  SET(DESTINATION, c.chance(50) ? DUPLEX_DESTINATION_SHARED : DUPLEX_DESTINATION_DRAM);
  SET(GATED, DUPLEX_DESCRIPTOR_GET(d.words, DESTINATION) == DUPLEX_DESTINATION_SHARED && c.chance(50));
  SET(INTERLEAVED, DUPLEX_DESCRIPTOR_GET(d.words, DESTINATION) == DUPLEX_DESTINATION_SHARED && c.chance(30));
  choose_rows(c, d);
  choose_source(c, d);
  choose_results(c, d);
  return d;
}

// The end of the room, or a place in it, as a row set number; a room may be empty.
uint32_t place_in(bench::Case &c, int64_t room) {
  const int64_t place = c.chance(50) ? room : (int64_t)c.below(std::max<int64_t>(1, room));
  return (uint32_t)std::max<int64_t>(0, std::min<int64_t>(0xffff, place));
}

// Mode, lanes, heads and length, which decide how much room K, V and the scores take.
void choose_shape(bench::Case &c, Descriptor &d) {
  const uint32_t mode = c.below(DUPLEX_MODE_ROW_BLOCK + 1);
  const uint32_t lanes = c.below(4);
  const uint32_t size = 16 * (1 + c.below(16));
  const uint32_t spread =
      channels > 1 && c.chance(40) ? c.below(std::min(6u, (uint32_t)std::log2(channels) + 1)) : 0;
  const uint32_t most = std::min<uint32_t>(DUPLEX_POSITIONS_MAX, 16384u >> lanes << spread);
  const uint32_t length = c.chance(30) ? most : 1 + c.below(std::min(most, 3000u));
  const bool alone = mode == DUPLEX_MODE_WHOLE && c.chance(60);
  SET(OPCODE, DUPLEX_OPCODE_ATTENTION);
  SET(MODE, mode);
  SET(LANES, lanes);
  SET(WIDE, c.chance(lanes < 3 ? 30 : 5));
  SET(HEAD_SIZE, size);
  SET(LENGTH, length);
  SET(HEADS, 1 + c.below(alone && !spread && c.chance(50) ? 256 : channels >> spread));
  SET(SPREAD, spread);
  SET(FIRST, alone || c.chance(50));
  SET(LAST, alone || (!DUPLEX_DESCRIPTOR_GET(d.words, FIRST) && c.chance(50)));
  SET(FENCE, c.below(2));
  SET(FIRST_CHANNEL, c.below(channels));
  SET(LANE_MASK, 1 + c.below((1u << (1u << lanes)) - 1));
  SET(ROW_BLOCK, mode == DUPLEX_MODE_ROW_BLOCK ? c.below((size + 63) / 64) : 0);
  SET(SCALE, c.bits());
}

// q, results and, in modes SCORES and ROW_BLOCK, scores in one stripe set; `blocks` of positions a channel.
void choose_q_and_results(bench::Case &c, Descriptor &d, uint32_t slots, uint32_t blocks) {
  const uint32_t stripe = 1 + c.below(15);
  const uint32_t limit = bundles_of(stripe) * DUPLEX_BANK_ROWS;
  const uint32_t room = limit - slots;
  const uint32_t score_room = limit - duplex_score_row_sets(blocks, DUPLEX_DESCRIPTOR_GET(d.words, LANES));
  SET(DST_STRIPE, stripe);
  SET(Q_BASE, c.chance(30) ? room : c.below(room));
  SET(DST_BASE, c.chance(30) ? room : c.below(room));
  if (DUPLEX_DESCRIPTOR_GET(d.words, MODE) == DUPLEX_MODE_SCORES)
    SET(DST_BASE, c.chance(30) ? score_room : c.below(score_room));
  if (DUPLEX_DESCRIPTOR_GET(d.words, MODE) == DUPLEX_MODE_ROW_BLOCK)
    SET(SRC_BASE, c.chance(30) ? score_room : c.below(score_room));
}

Descriptor legal_attention(bench::Case &c) {
  Descriptor d;
  choose_shape(c, d);
  const uint32_t tiles = (DUPLEX_DESCRIPTOR_GET(d.words, HEAD_SIZE) + 63) / 64;
  const uint32_t slots = (DUPLEX_DESCRIPTOR_GET(d.words, HEADS) - 1) / channels + 1;
  const uint32_t spread = DUPLEX_DESCRIPTOR_GET(d.words, SPREAD);
  const uint32_t stripe = 1 + c.below(15);
  const int64_t limit = bundles_of(stripe) * DUPLEX_BANK_ROWS;
  const int64_t blocks = ((DUPLEX_DESCRIPTOR_GET(d.words, LENGTH) + 63) / 64 + (1 << spread) - 1) >> spread;
  const uint32_t stride =
      slots == 1 ? (uint32_t)c.bits() : (uint32_t)c.below((limit - blocks * tiles) / slots);
  const int64_t last_slot = (int64_t)(slots - 1) * (stride & 0xffff);
  const int64_t v_stride = c.below(std::max<int64_t>(1, (limit - last_slot - blocks) / 4));
  SET(SRC_STRIPE, stripe);
  SET(SRC_STRIDE, stride);
  SET(V_BLOCK_STRIDE, v_stride);
  SET(SRC_BASE, place_in(c, limit - last_slot - blocks * tiles));
  SET(V_BASE, place_in(c, limit - last_slot - v_stride * (tiles - 1) - blocks));
  choose_q_and_results(c, d, slots, (uint32_t)blocks);
  return d;
}

// A field of its own just at or beyond its limits; false if the descriptor has none of that number.
bool spoil_field(bench::Case &c, Descriptor &d, uint64_t number) {
  const bool attention = DUPLEX_DESCRIPTOR_GET(d.words, OPCODE) == DUPLEX_OPCODE_ATTENTION;
  switch (number) {
    case 0:
      SET(BLOCK_ROWS, c.chance(50) ? 0 : 64 + c.below(2));
      return true;
    case 1:
      SET(K_TILES, c.chance(50) ? 0 : 1024 + c.below(2));
      return true;
    case 2:
      if (DUPLEX_DESCRIPTOR_GET(d.words, OPCODE) == DUPLEX_OPCODE_LOAD)
        SET(TILES, c.chance(50) ? 0 : 1024 + c.below(2));
      return true;
    case 3:
      SET(DESTINATION, c.below(DUPLEX_DESTINATION_TABLE + 2));
      return true;
    case 4:
      SET(GROUPS, c.below(4));
      return true;
    case 5:
      if (attention) SET(HEADS, c.chance(50) ? c.below(300) : channels + c.below(2));
      return true;
    case 6:
      if (attention)
        SET(LENGTH, c.chance(30) ? 0 : (16384u >> DUPLEX_DESCRIPTOR_GET(d.words, LANES)) + c.below(2));
      return true;
    case 7:
      SET(SPREAD, c.below(8));
      return true;
    case 8:
      if (!attention)
        SET(SKIP_ROWS, c.chance(50) ? 66 - DUPLEX_DESCRIPTOR_GET(d.words, BLOCK_ROWS) : c.below(66));
      return true;
    case 9:
      if (!attention) SET(INTERLEAVED, 1);
      return true;
    default:
      return false;
  }
}

// A field just beyond its own limits, one bit, or one up or down in one of the words' fields.
void spoil(bench::Case &c, Descriptor &d) {
  if (spoil_field(c, d, c.below(15))) return;
  uint32_t &word = d.words[c.below(
      c.chance(80) && DUPLEX_DESCRIPTOR_GET(d.words, OPCODE) != DUPLEX_OPCODE_ATTENTION ? 12 : 16)];
  if (c.chance(40))
    word ^= 1u << c.below(32);
  else if (c.chance(50))
    word += c.chance(50) ? 1 : -1;
  else if (c.chance(50))
    word += c.chance(50) ? 0x10000 : -0x10000;
  else
    SET(OPCODE, c.below(DUPLEX_OPCODE_ATTENTION + 2));
}

class Bench {
 public:
  explicit Bench(bench::Case &c) : c_(c), rtl_(c.options) {
    rtl_->run_i = rtl_->fetch_done_i = rtl_->work_busy_i = rtl_->front_busy_i = rtl_->older_busy_i = 0;
    rtl_->owner_i = 15;
    rtl_->segment_room_i = 0;
    rtl_.reset();
  }

  // One descriptor from its fetch to its start or refusal; what was under way before goes on meanwhile.
  bool descriptor() {
    Descriptor d = c_.chance(30) ? legal_load(c_) : c_.chance(50) ? legal_attention(c_) : legal_gemm(c_);
    SET(TAG, c_.bits());
    SET(INTERRUPT, c_.below(2));
    if (DUPLEX_DESCRIPTOR_GET(d.words, OPCODE) != DUPLEX_OPCODE_ATTENTION) SET(CHAIN, c_.below(2));
    if (c_.chance(60)) spoil(c_, d);
    const uint32_t owner = c_.chance(70) ? 15 : c_.below(16);
    uint32_t address;
    const uint32_t code = descriptor_check(d.words, channels, owner, &address);
    return fetch(d, owner) && prepare(d, code) && (code ? refused(d, code, address) : started(d));
  }

  bool finish() {
    while (!under_way_.empty() || segments_)
      if (!tick()) return false;
    for (int clock = 0; clock < 12; clock++)
      if (!tick()) return false;
    return rtl_->busy_o ? wrong("idle", 0, 1, 0) : true;
  }

 private:
  struct Work {
    bool interrupt, load;
    uint64_t front, all;  // clocks that its front, and all of it, are still busy
  };

  bool wrong(const char *stage, long lane, uint64_t rtl, uint64_t model) {
    return c_.mismatch("operation_controller", stage, (long)rtl_.cycles(), lane, std::to_string(rtl),
                       std::to_string(model));
  }

  // A clock of the stack: work gets done, what completes was over before and is the oldest.
  bool tick() {
    const size_t count = under_way_.size();
    rtl_->front_busy_i = count && under_way_.back().front;
    rtl_->older_busy_i = count == 2 && under_way_.front().all;
    rtl_->work_busy_i =
        segments_ || (count && under_way_.back().all) || (count == 2 && under_way_.front().all);
    rtl_->segment_room_i = c_.chance(room_);
    rtl_.tick();
    const bool busy = segments_ != 0;
    segments_ -= busy;
    for (Work &work : under_way_) {
      work.front -= work.front != 0;
      if (work.front == 0) work.all -= work.all != 0;
    }
    if (!rtl_->completed_o) return true;
    c_.compared += 2;
    if (rtl_->segment_valid_o && accepts_) {
      accepts_ = false;
      return rtl_->interrupt_o == interrupt_ ||
             wrong("interrupt of a segment", 0, rtl_->interrupt_o, interrupt_);
    }
    if (busy) return wrong("completed while segments are at work", 0, 1, 0);
    if (under_way_.empty() || under_way_.front().all) return wrong("completed while busy", 0, 1, 0);
    if (rtl_->interrupt_o != under_way_.front().interrupt)
      return wrong("interrupt", 0, rtl_->interrupt_o, under_way_.front().interrupt);
    under_way_.pop_front();
    return true;
  }

  bool fetch(const Descriptor &d, uint32_t owner) {
    rtl_->run_i = 1;
    rtl_.settle();
    if (!rtl_->fetch_o) return wrong("fetch", 0, 0, 1);
    if (!tick()) return false;
    rtl_->run_i = 0;
    for (uint64_t wait = c_.below(20); wait; wait--)
      if (!tick()) return false;
    rtl_->owner_i = owner;
    for (unsigned i = 0; i < DUPLEX_DESCRIPTOR_WORDS; i++) rtl_->descriptor_i[i] = d.words[i];
    rtl_->fetch_done_i = 1;
    const bool good = tick();
    rtl_->fetch_done_i = 0;
    return good;
  }

  // The shares come one by one, while nothing starts.
  bool prepare(const Descriptor &d, uint32_t code) {
    if (code) return true;
    uint64_t seen = 0;
    none_ = 0;
    for (int clock = 0; clock < 200 && seen != (1ull << channels) - 1; clock++) {
      if (rtl_->error_o || rtl_->job_valid_o) return wrong("start or error before the shares", 0, 1, 0);
      if (rtl_->share_valid_o) {
        const unsigned channel = (unsigned)__builtin_ctz(rtl_->share_valid_o);
        seen |= rtl_->share_valid_o;
        if (!share(d, channel)) return false;
      }
      if (seen == (1ull << channels) - 1) return true;
      if (!tick()) return false;
    }
    return wrong("channels with a share", 0, seen, (1ull << channels) - 1);
  }

  bool share(const Descriptor &d, unsigned channel) {
    const bool load = DUPLEX_DESCRIPTOR_GET(d.words, OPCODE) == DUPLEX_OPCODE_LOAD;
    const bool attention = DUPLEX_DESCRIPTOR_GET(d.words, OPCODE) == DUPLEX_OPCODE_ATTENTION;
    const int64_t first = (int64_t)channel * DUPLEX_DESCRIPTOR_GET(d.words, CHANNEL_ROWS);
    const attention_share own = attention_share_of(d.words, channel, channels);
    const uint32_t count = attention ? own.slots
                           : load    ? DUPLEX_DESCRIPTOR_GET(d.words, TILES) / channels +
                                        (channel < DUPLEX_DESCRIPTOR_GET(d.words, TILES) % channels)
                                  : (uint32_t)std::max<int64_t>(
                                        0, std::min<int64_t>(DUPLEX_DESCRIPTOR_GET(d.words, CHANNEL_ROWS),
                                                             DUPLEX_DESCRIPTOR_GET(d.words, ROWS) - first));
    const unsigned rows_of_unit = DUPLEX_DESCRIPTOR_GET(d.words, GATED) ? 2 : 1;
    const bool interleaved = DUPLEX_DESCRIPTOR_GET(d.words, INTERLEAVED);
    const uint32_t before = load          ? channel * 64
                            : interleaved ? channel * 2 / rows_of_unit
                                          : (uint32_t)(first / rows_of_unit);
    const uint32_t tag = (DUPLEX_DESCRIPTOR_GET(d.words, DST_ADDRESS) + before) & 0x1ffff;
    if (rtl_->share_count_o != count) return wrong("count", channel, rtl_->share_count_o, count);
    const uint32_t want = attention ? own.member : tag;
    if (count && rtl_->share_tag_o != want) return wrong("tag", channel, rtl_->share_tag_o, want);
    if (!count) none_ |= 1u << channel;
    c_.compared += 2;
    return true;
  }

  bool refused(const Descriptor &d, uint32_t code, uint32_t address) {
    for (int clock = 0; clock < 3000 && !rtl_->error_o; clock++) {
      if (rtl_->job_valid_o || rtl_->segment_valid_o || rtl_->share_valid_o)
        return wrong("started although refused", 0, 0, code);
      if (!tick()) return false;
    }
    if (!rtl_->error_o) return wrong("error", 0, 0, code);
    if (!under_way_.empty() || segments_) return wrong("error before what came earlier", 0, 1, 0);
    if (rtl_->error_code_o != code) return wrong("error code", 0, rtl_->error_code_o, code);
    if (rtl_->error_address_o != address) return wrong("error address", 0, rtl_->error_address_o, address);
    if (rtl_->error_tag_o != DUPLEX_DESCRIPTOR_GET(d.words, TAG))
      return wrong("error tag", 0, rtl_->error_tag_o, DUPLEX_DESCRIPTOR_GET(d.words, TAG));
    c_.compared += 3;
    return tick();
  }

  bool segment_started(const Descriptor &d) {
    room_ = c_.chance(50) ? 100 : (unsigned)c_.below(20) + 1;
    accepts_ = !DUPLEX_DESCRIPTOR_GET(d.words, FENCE);
    interrupt_ = DUPLEX_DESCRIPTOR_GET(d.words, INTERRUPT);
    for (int clock = 0; clock < 3000 && !rtl_->segment_valid_o; clock++)
      if (!tick()) return false;
    if (!rtl_->segment_valid_o) return wrong("start", 0, 0, 1);
    if (!rtl_->segment_room_i) return wrong("segment without room", 0, 1, 0);
    if (!under_way_.empty() || rtl_->job_valid_o) return wrong("segment beside a job", 0, 1, 0);
    if (accepts_) return wrong("completed with the segment", 0, 0, 1);
    for (unsigned i = 0; i < DUPLEX_DESCRIPTOR_WORDS; i++)
      if (rtl_->job_o[i] != d.words[i]) return wrong("word of the segment", i, rtl_->job_o[i], d.words[i]);
    c_.compared += 5;
    segments_ = std::max<uint64_t>(segments_, 2 + c_.below(c_.chance(50) ? 4 : 400));
    if (DUPLEX_DESCRIPTOR_GET(d.words, FENCE))
      under_way_.push_back({DUPLEX_DESCRIPTOR_GET(d.words, INTERRUPT) != 0, false, 2, 1});
    return tick();
  }

  bool started(const Descriptor &d) {
    if (DUPLEX_DESCRIPTOR_GET(d.words, OPCODE) == DUPLEX_OPCODE_ATTENTION) return segment_started(d);
    const bool load = DUPLEX_DESCRIPTOR_GET(d.words, OPCODE) == DUPLEX_OPCODE_LOAD;
    for (int clock = 0; clock < 3000 && !rtl_->job_valid_o; clock++)
      if (!tick()) return false;
    if (!rtl_->job_valid_o) return wrong("start", 0, 0, 1);
    if (segments_) return wrong("start beside segments", 0, 1, 0);
    const bool chain = DUPLEX_DESCRIPTOR_GET(d.words, CHAIN) && under_way_.size() == 1 &&
                       !under_way_.front().front && !(load && under_way_.front().load);
    if (!under_way_.empty() && !chain) return wrong("start before the one before is complete", 0, 1, 0);
    if (rtl_->broadcast_start_o == load) return wrong("broadcast", 0, rtl_->broadcast_start_o, !load);
    if (rtl_->job_none_o != none_) return wrong("channels without a share", 0, rtl_->job_none_o, none_);
    for (unsigned i = 0; i < DUPLEX_DESCRIPTOR_WORDS; i++)
      if (rtl_->job_o[i] != d.words[i]) return wrong("word of the job", i, rtl_->job_o[i], d.words[i]);
    c_.compared += 4;
    under_way_.push_back({DUPLEX_DESCRIPTOR_GET(d.words, INTERRUPT) != 0, load,
                          2 + c_.below(c_.chance(50) ? 4 : 100), c_.below(c_.chance(50) ? 4 : 200)});
    return tick();
  }

  bench::Case &c_;
  bench::Clocked<Voperation_controller> rtl_;
  std::deque<Work> under_way_;
  uint32_t none_ = 0;
  uint64_t segments_ = 0;  // clocks that segments are still at work
  unsigned room_ = 100;
  bool accepts_ = false;
  bool interrupt_ = false;
};

bool run_case(bench::Case &c) {
  Bench bench(c);
  for (int i = 0; i < 200; i++)
    if (!bench.descriptor()) return false;
  return bench.finish();
}

}  // namespace

int main(int argc, char **argv) { return bench::run(argc, argv, "operation_controller", 300, run_case); }
