// SPDX-License-Identifier: Apache-2.0
// Which query heads share a stream of K and V: the plan of a batch.
#include "driver/attention_plan.h"

#include <stdlib.h>

#include "driver/kv_spread.h"
#include "driver/stack_error.h"
#include "duplex/error.h"
#include "duplex/geometry.h"

struct planner {
  struct duplex_kv_cache *cache;
  unsigned layer;
  struct duplex_sequence *const *sequences;
  uint32_t group, lanes;
  size_t *order;  // of the batch: sequences with the same pages at their beginning are neighbours
  struct plan *plan;
  size_t used;  // segments
};

static const struct kv_layer *layer_of(const struct planner *p, size_t index) {
  return &p->sequences[index]->layers[p->layer];
}

// Of a sequence's page.
static size_t page_positions(const struct planner *p, size_t index) {
  return kv_page_positions(p->sequences[index]);
}

// Sequences with the same pages at their beginning come to stand side by side; the shorter one first.
static int compare_pages(const void *a, const void *b, void *context) {
  const struct planner *p = context;
  const struct kv_layer *left = layer_of(p, *(const size_t *)a);
  const struct kv_layer *right = layer_of(p, *(const size_t *)b);
  for (size_t i = 0; i < duplex_smaller(left->count, right->count); i++)
    if (left->pages[i] != right->pages[i]) return left->pages[i]->serial < right->pages[i]->serial ? -1 : 1;
  return (left->count > right->count) - (left->count < right->count);
}

// Positions that two sequences have in common: whole pages, and a last one that both have to the same end.
static size_t common_positions(const struct planner *p, size_t a, size_t b) {
  const struct kv_layer *left = layer_of(p, a);
  const struct kv_layer *right = layer_of(p, b);
  size_t pages = 0;
  while (pages < duplex_smaller(left->count, right->count) && left->pages[pages] == right->pages[pages])
    pages++;
  return duplex_smaller(pages * page_positions(p, a), duplex_smaller(kv_kept(left), kv_kept(right)));
}

// Positions [from, to) as segments: pages whose frames follow each other are one.
static void add_segments(struct planner *p, struct plan_unit *unit, size_t index, size_t from, size_t to,
                         uint32_t mask) {
  const struct duplex_kv_cache *cache = p->cache;
  const struct kv_layer *layer = layer_of(p, index);
  for (size_t at = from; at < to;) {
    const size_t page = at / page_positions(p, index);
    const size_t count = duplex_smaller(page_positions(p, index), to - at);
    const struct kv_page *this = layer->pages[page];
    struct attention_segment *last = &p->plan->segments[p->used - 1];
    if (at != from && this->frame == layer->pages[page - 1]->frame + 1) {
      last->length_and_lanes += (uint32_t)count;
    } else {
      p->plan->segments[p->used++] = (struct attention_segment){
          (uint16_t)(this->pool->region.base + this->frame * cache->blocks * cache->tiles),
          (uint16_t)(this->pool->v_base + this->frame * cache->blocks),
          segment_lanes_word(mask) | (uint32_t)count};
      unit->segment_count++;
    }
    at += count;
  }
  unit->positions += to - from;
}

// The segments of a unit: what its members have in common with all lanes, then what each has alone.
static void arrange(struct planner *p, struct plan_unit *unit, size_t common) {
  uint32_t lane = 0;
  const size_t first = unit->members[0].index;
  unit->segments = &p->plan->segments[p->used];
  unit->segment_count = 0;
  unit->positions = 0;
  add_segments(p, unit, first, 0, common, (1u << unit->lanes) - 1);
  for (uint32_t i = 0; i < unit->count; i++) {
    const struct plan_member *member = &unit->members[i];
    add_segments(p, unit, member->index, common, kv_kept(layer_of(p, member->index)),
                 ((1u << member->lanes) - 1) << lane);
    lane += member->lanes;
  }
  unit->share = unit->positions >> p->sequences[first]->spread;
}

// What a unit reads, in positions of K or V: V in blocks of 64, at least one in each channel. Scores that do
// not fit the slice go to DRAM, at about half the speed, and come back for each row block, as fast as the
// slice takes them: half a beat a clock.
static size_t cost(const struct planner *p, const struct plan_unit *unit) {
  const uint32_t spread = p->sequences[unit->members[0].index]->spread;
  const uint32_t lanes = stored_lanes(unit->lanes);
  const uint32_t tiles = p->cache->tiles;
  const bool fits = attention_score_room(unit->segments, unit->segment_count, lanes, spread) == 0;
  size_t blocks = 0;
  for (uint32_t i = 0; i < unit->segment_count; i++)
    for (uint32_t member = 0; member < 1u << spread; member++) {
      const uint32_t positions = duplex_kv_positions(segment_length(&unit->segments[i]), spread, member);
      blocks += positions ? (positions + DUPLEX_WIDTH - 1) / DUPLEX_WIDTH : 1;
    }
  const size_t scores = fits ? 0 : (unit->positions * (1 + tiles) << lanes) / (DUPLEX_SCORES_OF_WORD * tiles);
  return unit->positions + scores + blocks * DUPLEX_WIDTH;
}

// A unit of `lanes` query heads, from `head` of the group on, of each of these members.
static void make_unit(struct planner *p, struct plan_unit *unit, const size_t *members, uint32_t count,
                      uint32_t head, uint32_t lanes) {
  *unit = (struct plan_unit){.count = count, .lanes = count * lanes};
  size_t common = kv_kept(layer_of(p, members[0]));
  for (uint32_t i = 0; i < count; i++) {
    unit->members[i] = (struct plan_member){members[i], head, lanes};
    common = duplex_smaller(common, common_positions(p, members[0], members[i]));
  }
  arrange(p, unit, common);
}

// Cost of the next `count` sequences of the order as one unit; the segments are given back.
static size_t try_together(struct planner *p, const size_t *members, uint32_t count) {
  struct plan_unit unit;
  const size_t used = p->used;
  make_unit(p, &unit, members, count, 0, p->group);
  p->used = used;
  return unit.segment_count > ATTENTION_SEGMENTS ? SIZE_MAX : cost(p, &unit);
}

// How many of the next sequences are best served together.
static uint32_t best_count(struct planner *p, const size_t *members, size_t left) {
  const uint32_t most = (uint32_t)duplex_smaller(p->lanes / p->group, left);
  uint32_t best = 1;
  size_t apart = try_together(p, members, 1);
  size_t saving = 0;
  for (uint32_t count = 2; count <= most && common_positions(p, members[0], members[count - 1]); count++) {
    const size_t together = try_together(p, members, count);
    apart += try_together(p, &members[count - 1], 1);
    if (together >= apart || apart - together <= saving) continue;
    saving = apart - together;
    best = count;
  }
  return best;
}

// By share; equal ones by their place in the batch, so that the order is the same everywhere.
static int busier_first(const void *a, const void *b) {
  const struct plan_unit *left = a;
  const struct plan_unit *right = b;
  if (left->share != right->share) return left->share > right->share ? -1 : 1;
  const size_t i = left->members[0].index;
  const size_t j = right->members[0].index;
  return i != j ? (i > j) - (i < j)
                : (left->members[0].head > right->members[0].head) -
                      (left->members[0].head < right->members[0].head);
}

// Groups of more query heads than lanes are several units.
static void make_units(struct planner *p, size_t batch) {
  struct plan *plan = p->plan;
  for (size_t at = 0, count; at < batch; at += count) {
    count = p->group <= p->lanes / 2 ? best_count(p, &p->order[at], batch - at) : 1;
    for (uint32_t head = 0; head < p->group; head += p->lanes)
      make_unit(p, &plan->units[plan->count++], &p->order[at], (uint32_t)count, head,
                (uint32_t)duplex_smaller(p->group - head, p->lanes));
  }
  qsort(plan->units, plan->count, sizeof *plan->units, busier_first);
}

// Each unit fits a message.
static int check_units(struct duplex_kv_cache *cache, const struct plan *plan) {
  for (size_t i = 0; i < plan->count; i++)
    if (plan->units[i].segment_count > ATTENTION_SEGMENTS)
      return stack_fail(cache->stack, DUPLEX_ERROR_ARGUMENT,
                        "a sequence lies in %u separate runs of pages: at most %u, larger pages help",
                        plan->units[i].segment_count, ATTENTION_SEGMENTS);
  return DUPLEX_OK;
}

// As many units as a message holds.
static uint32_t units_of_message(const struct plan *plan, size_t first) {
  uint32_t units = 0;
  uint32_t segments = 0;
  while (first + units < plan->count && units < ATTENTION_SEQUENCES) {
    segments += plan->units[first + units].segment_count;
    if (segments > ATTENTION_SEGMENTS) break;
    units++;
  }
  return units;
}

// Messages, and where each unit's q, o and scores lie.
static void place_units(const struct planner *p, const struct plan *plan) {
  const uint32_t slots = p->cache->slots;
  uint32_t next = 0;
  for (size_t first = 0, together; first < plan->count; first += together) {
    together = plan->units[first].together = units_of_message(plan, first);
    for (size_t i = 0; i < together; i++) {
      struct plan_unit *unit = &plan->units[first + i];
      unit->q = next + (uint32_t)i * slots;
      unit->o = unit->q + (uint32_t)together * slots;
      unit->score_room = attention_score_room(unit->segments, unit->segment_count, stored_lanes(unit->lanes),
                                              p->sequences[unit->members[0].index]->spread);
    }
    next += 2 * (uint32_t)together * slots;
  }
}

int plan_attention(struct duplex_kv_cache *cache, unsigned layer, struct duplex_sequence *const *sequences,
                   size_t batch, uint32_t group, uint32_t lanes, struct plan *plan) {
  const size_t units = (group + lanes - 1) / lanes;  // of a sequence
  struct planner p = {cache, layer, sequences, group, lanes, malloc(batch * sizeof *p.order), plan, 0};
  // Room for every page of every sequence in every unit of it, and for what try_together makes on the way.
  size_t segments = 1 + ATTENTION_SEGMENTS;
  for (size_t i = 0; i < batch; i++) segments += (2 + units) * layer_of(&p, i)->count;
  *plan = (struct plan){.units = malloc(units * batch * sizeof *plan->units),
                        .segments = malloc(segments * sizeof *plan->segments)};
  int error = DUPLEX_OK;
  if (!p.order || !plan->units || !plan->segments) {
    error = stack_no_memory(cache->stack);
  } else {
    p.used = 1;  // add_segments looks at the one before
    for (size_t i = 0; i < batch; i++) p.order[i] = i;
    qsort_r(p.order, batch, sizeof *p.order, compare_pages, &p);
    make_units(&p, batch);
    error = check_units(cache, plan);
    if (!error) place_units(&p, plan);
  }
  free(p.order);
  if (error) plan_free(plan);
  return error;
}

void plan_free(struct plan *plan) {
  free(plan->units);
  free(plan->segments);
  *plan = (struct plan){0};
}
