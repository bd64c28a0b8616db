// SPDX-License-Identifier: Apache-2.0
// A memory controller before the timing judge: requests at places, what is seen of each, and the least
// distance of each pair of commands. Include it behind cmocka.h.
#ifndef DUPLEX_TEST_MEMORY_BENCH_H
#define DUPLEX_TEST_MEMORY_BENCH_H

#include "duplex/hbm.h"
#include "duplex/memory_controller.h"

enum { MOST = 40000, PLACES = 2048, CHANNELS = 4 };

// Distances that the rules bound from below, and the least that was seen of each.
enum distance {
  ACT_RD,
  ACT_WR,
  ACT_PRE,
  PRE_ACT,
  RD_PRE,
  WR_PRE,
  ACT_ACT,
  ACT_ACT_GROUP,
  FIVE_ACTS,
  PRE_PRE,
  RD_RD,
  WR_WR,
  COLUMN_GROUP,
  RD_WR,
  WR_RD,
  WR_RD_GROUP,
  REF_ACT,
  REF_REF,
  DISTANCES
};

// A request: what it is for, and what was seen of it.
struct note {
  uint64_t submitted;
  unsigned place;
  uint32_t expected;  // read: the number of the write whose data it must see
  bool write, done;
};

struct bench {
  struct duplex_memory_parameters parameters;
  struct duplex_memory_controller *controller;
  struct duplex_judge judge[DUPLEX_CHANNELS];
  uint64_t hash[DUPLEX_CHANNELS];  // of all commands
  int64_t least[DISTANCES];
  uint64_t tck;  // of the next request
  struct note note[MOST];
  unsigned count, done;
  uint64_t address[PLACES];
  uint32_t written[PLACES], stored[PLACES];  // the last write submitted, and issued
  uint64_t first_issued, last_done, latency_most, read_latency_most;
};

static void see(struct bench *b, enum distance kind, int64_t now, int64_t before) {
  if (now - before < b->least[kind]) b->least[kind] = now - before;
}

// Distances of this command from those before it, which the judge has noted.
static void see_distances(struct bench *b, const struct duplex_judge *j,
                          const struct duplex_judge_command *c) {
  const int64_t now = (int64_t)c->tck;
  const unsigned rank = c->bundle / 2;
  const unsigned group = (unsigned)__builtin_ctz(c->mask) % 4;
  const struct duplex_judge_bank *bank = &j->banks[c->bundle][__builtin_ctz(c->mask)];
  const struct duplex_judge_side *side = &j->side[1];
  switch (c->kind) {
    case DUPLEX_JUDGE_ACT:
      see(b, PRE_ACT, now, bank->pre);
      see(b, ACT_ACT, now, side->rank_act[rank]);
      see(b, ACT_ACT_GROUP, now, side->group_act[rank][group]);
      see(b, FIVE_ACTS, now, side->window[rank][0]);
      see(b, REF_ACT, now, bank->ref);
      break;
    case DUPLEX_JUDGE_PRE:
      see(b, PRE_PRE, now, side->pre);
      see(b, ACT_PRE, now, bank->act);
      see(b, RD_PRE, now, bank->rd);
      see(b, WR_PRE, now, bank->wr);
      break;
    case DUPLEX_JUDGE_REF:
      see(b, REF_REF, now, j->rank_ref[rank]);
      break;
    case DUPLEX_JUDGE_RD:
      see(b, ACT_RD, now, bank->act);
      see(b, RD_RD, now, side->column_rd);
      see(b, COLUMN_GROUP, now, side->group_column[rank][group]);
      see(b, WR_RD, now, side->column_wr);
      see(b, WR_RD_GROUP, now, side->group_wr[rank][group]);
      break;
    case DUPLEX_JUDGE_WR:
      see(b, ACT_WR, now, bank->act);
      see(b, WR_WR, now, side->column_wr);
      see(b, RD_WR, now, side->column_rd);
      break;
    default:
      fail_msg("a command that the controller has not");
  }
}

static void on_command(void *user, unsigned channel, const struct duplex_judge_command *command) {
  struct bench *b = user;
  struct duplex_judge *judge = &b->judge[channel];
  const uint64_t parts[] = {command->tck, command->kind, command->bundle, command->mask, command->address};
  see_distances(b, judge, command);
  if (!duplex_judge_take(judge, command)) fail_msg("%s", judge->text);
  for (unsigned i = 0; i < 5; i++) b->hash[channel] = (b->hash[channel] ^ parts[i]) * 1099511628211u;
}

// A read must see what the last write before it left, and data have to come when the rules say.
static void on_completion(void *user, const struct duplex_memory_request *request, uint64_t issued,
                          uint64_t done) {
  struct bench *b = user;
  const struct duplex_dram_timing *t = &b->parameters.timing;
  assert_true(request->id < b->count);
  struct note *note = &b->note[request->id];
  assert_false(note->done);
  assert_int_equal(request->write, note->write);
  assert_int_equal(request->address, b->address[note->place]);
  assert_true(issued >= note->submitted);
  assert_int_equal(done, issued + (note->write ? t->nCWL : t->nCL) + t->nBL);
  note->done = true;
  b->done++;
  if (note->write) b->stored[note->place] = (uint32_t)request->id + 1;
  if (!note->write) assert_int_equal(b->stored[note->place], note->expected);
  if (issued < b->first_issued) b->first_issued = issued;
  if (done > b->last_done) b->last_done = done;
  const uint64_t latency = done - note->submitted;
  if (latency > b->latency_most) b->latency_most = latency;
  if (!note->write && latency > b->read_latency_most) b->read_latency_most = latency;
}

// `refreshes`: takes those of rests; NULL: each is told.
static void open_bench(struct bench *b, const struct duplex_memory_parameters *parameters,
                       duplex_memory_on_refreshes *refreshes) {
  memset(b, 0, sizeof *b);
  b->parameters = *parameters;
  b->first_issued = UINT64_MAX;
  for (unsigned i = 0; i < DISTANCES; i++) b->least[i] = INT64_MAX;
  for (unsigned i = 0; i < parameters->channels; i++) {
    duplex_judge_start(&b->judge[i], &parameters->timing, false);
    assert_true(duplex_judge_take(&b->judge[i],
                                  &(struct duplex_judge_command){.kind = DUPLEX_JUDGE_OWNER, .mask = 0}));
  }
  const struct duplex_memory_calls calls = {b, on_command, on_completion, refreshes};
  assert_int_equal(duplex_memory_open(parameters, &calls, &b->controller), 0);
}

// Submits a request at the bench's time, or as soon as there is room after it.
static void submit(struct bench *b, unsigned place, bool write) {
  assert_true(b->count < MOST);
  const uint64_t address = b->address[place];
  const struct duplex_memory_request request = {b->count, address, write};
  const unsigned channel = duplex_memory_place_of(b->controller, address).channel;
  struct note *note = &b->note[b->count++];
  *note = (struct note){.place = place, .write = write, .expected = b->written[place]};
  if (write) b->written[place] = b->count;
  int error;
  while ((error = duplex_memory_submit(b->controller, &request, b->tck)) == DUPLEX_ERROR_QUEUE_FULL)
    b->tck = duplex_memory_channel_next(b->controller, channel);
  assert_int_equal(error, 0);
  note->submitted = b->tck;
}

// Until all is done.
static void drain(struct bench *b) {
  uint64_t next;
  while ((next = duplex_memory_next(b->controller)) != UINT64_MAX) {
    assert_true(next > b->tck || next < b->tck + 2);
    duplex_memory_advance(b->controller, next);
    if (next > b->tck) b->tck = next;
  }
  assert_int_equal(b->done, b->count);
  assert_int_equal(duplex_memory_waiting(b->controller), 0);
}

static void close_bench(struct bench *b) {
  drain(b);
  for (unsigned i = 0; i < b->parameters.channels; i++)
    if (!duplex_judge_finish(&b->judge[i], b->tck)) fail_msg("%s", b->judge[i].text);
  duplex_memory_close(b->controller);
}

static struct duplex_memory_parameters defaults(const char *preset, const char *mapping, unsigned channels) {
  struct duplex_memory_parameters p;
  assert_int_equal(duplex_memory_defaults(preset, &p), 0);
  p.mapping = *duplex_memory_mapping_of(mapping);
  p.channels = channels;
  return p;
}

#endif
