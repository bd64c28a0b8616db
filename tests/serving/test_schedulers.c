// SPDX-License-Identifier: Apache-2.0
// Schedulers: their limits in every step, whole requests whatever is preempted, and runs by hand.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

// clang-format off: after what it needs
#include <cmocka.h>
// clang-format on

#include "duplex/error.h"
#include "duplex/random.h"
#include "serving/scheduler.h"
#include "tests/common/environment.h"

static void run(const struct serving_options *options, struct serving_result *result) {
  char error[1024] = "";
  if (serving_run(options, result, error, sizeof error)) fail_msg("%s", error);
}

static struct serving_options vllm_of(unsigned sequences, unsigned tokens) {
  return (struct serving_options){.system = "gpu",
                                  .model = "mixtral",
                                  .mode = SERVING_PAPER,
                                  .scheduler = SERVING_VLLM,
                                  .most_sequences = sequences,
                                  .most_tokens = tokens,
                                  .block_size = 16,
                                  .batch = 24,
                                  .input = 200,
                                  .output = 100,
                                  .warm_up = 50,
                                  .measured = 400,
                                  .seed = 3};
}

// One node of so many blocks.
struct rig {
  struct scheduler *scheduler;
  struct serving_options options;
  unsigned nodes, blocks;
};

static struct rig rig_of(unsigned nodes, unsigned blocks, unsigned sequences, unsigned tokens) {
  struct rig rig = {.options = vllm_of(sequences, tokens), .nodes = nodes, .blocks = blocks};
  const struct scheduler_nodes of = {nodes, (double)nodes * blocks * 16 * 4, 4, false};
  rig.scheduler = scheduler_open(&rig.options, &of);
  assert_non_null(rig.scheduler);
  return rig;
}

static struct sequence *add(struct rig *rig, unsigned number, unsigned input, unsigned output) {
  struct sequence *s = calloc(1, sizeof *s);
  assert_non_null(s);
  s->request = (struct request){.input = input, .output = output, .number = number};
  rig->scheduler->ops->place(rig->scheduler, s);
  return s;
}

// Sums of one node, as the running sequences have them.
struct load {
  unsigned sequences, tokens, blocks;
};

static void check_limits(const struct rig *rig) {
  struct load load[4] = {{0}};
  struct sequence *s;
  unsigned scheduled = 0;
  unsigned blocks = 0;
  TAILQ_FOREACH(s, &rig->scheduler->running, link) {
    load[s->node].sequences++;
    load[s->node].tokens += s->scheduled;
    load[s->node].blocks += s->blocks;
    scheduled += s->scheduled;
    blocks += s->blocks;
    assert_true(s->computed + s->scheduled <= sequence_length(s));
    assert_true(s->blocks * 16 >= s->computed + s->scheduled);
    assert_true(s->blocks * 16 < s->computed + s->scheduled + 16);
  }
  TAILQ_FOREACH(s, &rig->scheduler->waiting, link)
  assert_true(s->computed == 0 && s->scheduled == 0 && s->blocks == 0);
  for (unsigned n = 0; n < rig->nodes; n++) {
    assert_true(load[n].sequences <= rig->options.most_sequences);
    assert_true(load[n].tokens <= rig->options.most_tokens);
    assert_true(load[n].blocks <= rig->blocks);
  }
  assert_true(rig->scheduler->kv_used == blocks * 16.0 * 4);
  if (scheduler_has_work(rig->scheduler)) assert_true(scheduled > 0);
}

// Gives the tokens of a planned step; returns how many requests came to their end.
static unsigned deliver(struct rig *rig, uint64_t *tokens) {
  unsigned ended = 0;
  struct sequence *next;
  for (struct sequence *s = TAILQ_FIRST(&rig->scheduler->running); s; s = next) {
    next = TAILQ_NEXT(s, link);
    const bool gives = sequence_gives_token(s);
    s->computed += s->scheduled;
    if (!gives) continue;
    ++*tokens;
    if (++s->request.generated < s->request.output) continue;
    rig->scheduler->ops->release(rig->scheduler, s);
    free(s);
    ended++;
  }
  return ended;
}

// Random requests, with room for a few: within all limits in every step, and all of them come to their end.
static void test_limits(void **state) {
  struct duplex_random random;
  uint64_t preemptions = 0;
  (void)state;
  duplex_random_seed(&random, environment_seed(), 2);
  for (uint64_t i = 0; i < 40 * environment_count("DUPLEX_CASES"); i++) {
    const unsigned sequences = 1 + (unsigned)duplex_random_below(&random, 8);
    const unsigned budget = sequences + (unsigned)duplex_random_below(&random, 100);
    struct rig rig = rig_of(1 + (unsigned)duplex_random_below(&random, 3),
                            16 + (unsigned)duplex_random_below(&random, 20), sequences, budget);
    uint64_t wanted = 0;
    uint64_t given = 0;
    unsigned left = 60;
    unsigned in_flight = 0;
    while (left || in_flight) {
      if (left && duplex_random_below(&random, 3) == 0) {
        const unsigned output = 1 + (unsigned)duplex_random_below(&random, 120);
        add(&rig, 60 - left--, 1 + (unsigned)duplex_random_below(&random, 136), output);
        wanted += output;
        in_flight++;
      }
      rig.scheduler->ops->plan(rig.scheduler);
      check_limits(&rig);
      in_flight -= deliver(&rig, &given);
    }
    assert_true(given == wanted);
    assert_true(rig.scheduler->kv_used == 0);
    preemptions += rig.scheduler->preemptions;
    scheduler_close(rig.scheduler);
  }
  assert_true(preemptions > 100);
}

static void step(struct rig *rig) {
  uint64_t tokens = 0;
  deliver(rig, &tokens);
  rig->scheduler->ops->plan(rig->scheduler);
  check_limits(rig);
}

// By hand: those that decode come first, then the prompt in the rest of the budget, then the next one.
static void test_chunks(void **state) {
  struct rig rig = rig_of(1, 100, 4, 64);
  (void)state;
  struct sequence *a = add(&rig, 0, 40, 50);
  struct sequence *b = add(&rig, 1, 100, 50);
  struct sequence *c = add(&rig, 2, 10, 50);
  step(&rig);
  assert_true(a->scheduled == 40 && b->scheduled == 24 && c->scheduled == 0);
  step(&rig);
  assert_true(a->scheduled == 1 && b->scheduled == 63 && c->scheduled == 0);
  step(&rig);
  assert_true(a->scheduled == 1 && b->scheduled == 13 && c->scheduled == 10);
  step(&rig);
  assert_true(a->scheduled == 1 && b->scheduled == 1 && c->scheduled == 1);
  scheduler_close(rig.scheduler);
}

// By hand: 10 blocks, two sequences that fill them. The later one goes, nothing begins in that step, and it
// computes prompt and tokens anew when the first has ended.
static void test_preemption(void **state) {
  struct rig rig = rig_of(1, 10, 4, 512);
  (void)state;
  struct sequence *a = add(&rig, 0, 78, 5);
  struct sequence *b = add(&rig, 1, 72, 20);
  step(&rig);
  assert_true(a->blocks == 5 && b->blocks == 5);
  step(&rig);
  step(&rig);
  assert_true(a->blocks == 5 && rig.scheduler->preemptions == 0);
  step(&rig);  // position 80 of the first one
  assert_true(a->blocks == 6 && a->scheduled == 1 && rig.scheduler->preemptions == 1);
  assert_true(b->request.generated == 3 && TAILQ_FIRST(&rig.scheduler->waiting) == b);
  step(&rig);
  assert_true(b->computed == 0 && TAILQ_FIRST(&rig.scheduler->waiting) == b);
  step(&rig);  // the first has had its five tokens
  assert_true(TAILQ_FIRST(&rig.scheduler->running) == b && b->scheduled == 75 && b->blocks == 5);
  step(&rig);
  assert_true(b->request.generated == 4 && b->scheduled == 1);
  scheduler_close(rig.scheduler);
}

// With room and budget for all, a run is that of stages: the same steps, times and tokens.
static void test_as_stages(void **state) {
  struct serving_options o = vllm_of(24, 24 * 400);
  struct serving_result vllm, stages;
  (void)state;
  o.rate = 5;
  run(&o, &vllm);
  o.scheduler = SERVING_STAGES;
  run(&o, &stages);
  assert_true(stages.batch < 24);  // no request waits
  assert_true(vllm.seconds == stages.seconds && vllm.tokens == stages.tokens);
  assert_true(vllm.e2e.p99 == stages.e2e.p99 && vllm.t2ft.p99 == stages.t2ft.p99);
  assert_true(vllm.preemptions == 0);
}

static void add_output(void *context, const struct serving_request *request) {
  *(double *)context += request->output;
}

// Many that come at once: every one gets its tokens, and each token of theirs is one of TBT or T2FT. Those
// that came behind them and have not ended had some, too.
static void check_whole(const char *system, unsigned devices, unsigned tokens) {
  struct serving_options o = vllm_of(256, tokens);
  struct serving_result r;
  double outputs = 0;
  o.system = system;
  o.devices = devices;
  o.rate = 200;
  o.input = 3000;
  o.output = 1500;
  o.deviation = 0.3;
  o.warm_up = 0;
  o.measured = 160;
  o.on_request = add_output;
  o.context = &outputs;
  run(&o, &r);
  assert_true(r.requests == 160 && r.e2e.count == 160 && r.t2ft.count == 160);
  assert_true(r.tbt.count + r.t2ft.count == outputs && r.tokens >= outputs);
  assert_true(r.kv_most <= r.kv_capacity && r.kv_most > 0.9 * r.kv_capacity);
  assert_true(r.preemptions > 0);
}

static void test_whole(void **state) {
  (void)state;
  check_whole("gpu", 2, 2048);
  check_whole("duplex-pe-et", 2, 512);
  check_whole("duplex-split", 4, 512);
}

// A closed loop has as many requests in flight as it is told, and the same result by seed.
static void test_closed_loop(void **state) {
  struct serving_options o = vllm_of(16, 256);
  struct serving_result a, b;
  (void)state;
  run(&o, &a);
  run(&o, &b);
  assert_memory_equal(&a, &b, sizeof a);
  assert_int_equal(a.batch, 24);
  assert_int_equal(a.stages, o.measured);
  assert_true(a.tbt.count + a.t2ft.count == a.tokens);
  assert_true(a.tokens <= 16.0 * o.measured);
  assert_true(a.requests > 0.8 * a.tokens / o.output && a.requests < 1.2 * a.tokens / o.output);
}

// A request that does not fit a node's own K and V is refused, though all nodes together have room.
static void test_node_capacity(void **state) {
  struct serving_options o = vllm_of(16, 256);
  struct serving_result r;
  char error[1024] = "";
  (void)state;
  o.nodes = 4;
  o.devices = 2;
  o.input = 1 << 20;
  o.output = 1 << 20;
  for (unsigned scheduler = SERVING_STAGES; scheduler <= SERVING_VLLM; scheduler++) {
    o.scheduler = (enum serving_scheduler)scheduler;
    assert_int_equal(serving_run(&o, &r, error, sizeof error), DUPLEX_ERROR_OUT_OF_SPACE);
    assert_non_null(strstr(error, "GB are left"));
  }
}

static double kv_of_node(const struct rig *rig, unsigned node, bool prompts_only) {
  double kv = 0;
  struct sequence *s;
  TAILQ_FOREACH(s, &rig->scheduler->running, link)
  if (s->node == node) kv += 4.0 * (s->request.input + (prompts_only ? 0 : s->request.output));
  return kv;
}

// Scheduler stage: no node ever has K and V beyond its own memory, all sequences come to their end in order
// of arrival, and one waits only if no node has room for it.
static void check_node_room(bool prompts_only) {
  struct rig rig = {.options = vllm_of(16, 256)};
  const struct scheduler_nodes of = {3, 3 * 4000.0, 4, prompts_only};
  struct duplex_random random;
  unsigned placed = 0;
  unsigned ended = 0;
  unsigned waited = 0;
  rig.options.scheduler = SERVING_STAGES;
  rig.scheduler = scheduler_open(&rig.options, &of);
  assert_non_null(rig.scheduler);
  duplex_random_seed(&random, environment_seed(), 7);
  while (ended < 500) {
    for (; placed < 500 && placed - ended < 12; placed++)
      add(&rig, placed, 1 + (unsigned)duplex_random_below(&random, 500),
          1 + (unsigned)duplex_random_below(&random, 500));
    rig.scheduler->ops->plan(rig.scheduler);
    const struct sequence *first = TAILQ_FIRST(&rig.scheduler->waiting);
    for (unsigned n = 0; n < 3; n++) {
      const double kv = kv_of_node(&rig, n, prompts_only);
      assert_true(kv <= 4000);
      if (first)
        assert_true(kv + 4.0 * (first->request.input + (prompts_only ? 0 : first->request.output)) > 4000);
    }
    waited += first != NULL;
    struct sequence *s = TAILQ_FIRST(&rig.scheduler->running);
    assert_non_null(s);
    assert_int_equal(s->request.number, ended++);
    rig.scheduler->ops->release(rig.scheduler, s);
    free(s);
  }
  assert_true(waited > 50);
  scheduler_close(rig.scheduler);
}

static void test_node_room(void **state) {
  (void)state;
  check_node_room(false);
  check_node_room(true);
}

// Nodes that prefill and nodes that decode: every request comes to its end, each of its tokens counts once,
// and K and V fit the nodes that decode.
static void check_split_nodes(enum serving_scheduler scheduler, double rate) {
  struct serving_options o = vllm_of(32, 512);
  struct serving_result r;
  double outputs = 0;
  o.scheduler = scheduler;
  o.system = "duplex-pe-et";
  o.nodes = 3;
  o.prefill_nodes = 1;
  o.deviation = 0.4;
  o.rate = rate;
  o.warm_up = 20;
  o.on_request = add_output;
  o.context = &outputs;
  run(&o, &r);
  if (rate > 0) assert_true(r.tbt.count + r.t2ft.count == outputs && r.tokens > outputs);
  if (rate == 0) assert_true(r.tbt.count + r.t2ft.count == r.tokens);
  assert_true(r.kv_most > 0 && r.kv_most <= r.kv_capacity);
  assert_int_equal(r.nodes, 3);
  assert_int_equal(r.devices, 12);
  if (rate > 0) assert_true(r.requests == o.measured && r.e2e.count == o.measured);
  if (rate == 0) assert_true(r.batch == 24 && r.tokens <= 24.0 * o.measured + (double)r.t2ft.count);
}

static void test_split_nodes(void **state) {
  (void)state;
  for (unsigned scheduler = SERVING_STAGES; scheduler <= SERVING_VLLM; scheduler++) {
    check_split_nodes((enum serving_scheduler)scheduler, 0);
    check_split_nodes((enum serving_scheduler)scheduler, 40);
  }
}

static void assert_near(double value, double expected) {
  if (!(value > expected * (1 - 1e-9) && value < expected * (1 + 1e-9)))
    fail_msg("%.12g, expected %.12g", value, expected);
}

// Two prompts that are computed at once: K and V of the second come behind those of the first, over the wire
// of their node, and wait for the step of the first.
static void test_wire(void **state) {
  static struct serving_trace_request list[] = {{0, 20000, 2, 0, 0, 0}, {0, 20000, 2, 0, 0, 1}};
  struct serving_trace trace = {.list = list, .count = 1};
  struct serving_options o = vllm_of(8, 65536);
  struct serving_result alone, r;
  (void)state;
  o.scheduler = SERVING_STAGES;
  o.model = "llama3-70b";
  o.nodes = 1;
  o.trace = &trace;
  o.warm_up = 0;
  o.measured = 1;
  run(&o, &alone);
  const double kv = 20000 * 2.0 * 2 * 8 * 128 * 80;
  const double wire = 0.5e-6 + kv / 4 / 400e9;
  o.nodes = 2;
  o.prefill_nodes = 1;
  run(&o, &r);
  assert_near(r.tbt.p50, alone.tbt.p50 + wire);
  assert_near(r.t2ft.p50, alone.t2ft.p50);
  trace.count = 2;
  o.measured = 2;
  run(&o, &r);
  assert_near(r.tbt.p50, alone.tbt.p50 + wire);
  assert_near(r.tbt.p99, 2 * alone.tbt.p50 + wire);
}

static void test_wrong_nodes(void **state) {
  struct serving_options o = vllm_of(16, 256);
  struct serving_result r;
  char error[1024] = "";
  (void)state;
  o.nodes = o.prefill_nodes = 2;
  assert_int_equal(serving_run(&o, &r, error, sizeof error), DUPLEX_ERROR_ARGUMENT);
  assert_non_null(strstr(error, "fewer than all nodes"));
  o.system = "duplex-split";
  assert_int_equal(serving_run(&o, &r, error, sizeof error), DUPLEX_ERROR_ARGUMENT);
  assert_non_null(strstr(error, "none with this layout"));
}

// Outputs of one token: all stages are of the nodes that prefill, as if there were no others.
static void check_first_tokens(enum serving_scheduler scheduler) {
  struct serving_options o = vllm_of(32, 512);
  struct serving_result alone, r;
  o.scheduler = scheduler;
  o.output = 1;
  run(&o, &alone);
  o.nodes = 2;
  o.prefill_nodes = 1;
  run(&o, &r);
  assert_true(r.stages == o.measured && r.all_stages == o.warm_up + o.measured);
  assert_true(r.tokens == alone.tokens && r.requests == alone.requests && r.seconds == alone.seconds);
  assert_true(r.t2ft.p99 == alone.t2ft.p99 && r.e2e.count == alone.e2e.count && r.tbt.count == 0);
}

// Outputs of a few tokens: of a closed loop the stages of those nodes count on which the mean output ends,
// and every run comes to its end.
static void check_short_outputs(const char *system, unsigned output, double deviation) {
  struct serving_options o = vllm_of(32, 512);
  struct serving_result r;
  o.system = system;
  if (strcmp(system, "gpu") == 0) {
    o.nodes = 2;
    o.prefill_nodes = 1;
  }
  o.output = output;
  o.deviation = deviation;
  for (unsigned scheduler = SERVING_STAGES; scheduler <= SERVING_VLLM; scheduler++) {
    o.scheduler = (enum serving_scheduler)scheduler;
    run(&o, &r);
    assert_true(r.stages >= o.measured && r.seconds > 0 && r.requests > 0);
    assert_true((output == 1 ? r.stages - r.decoding_only : r.decoding_only) == o.measured);
    assert_true(r.tbt.count + r.t2ft.count == r.tokens);
  }
}

static void test_short_outputs(void **state) {
  (void)state;
  check_first_tokens(SERVING_STAGES);
  check_first_tokens(SERVING_VLLM);
  for (unsigned output = 1; output <= 2; output++)
    for (unsigned i = 0; i < 4; i++) {
      static const double deviations[] = {0, 0.01, 0.5, 1};
      check_short_outputs("gpu", output, deviations[i]);
      check_short_outputs("duplex-split", output, deviations[i]);
    }
}

static void note_end(void *context, const struct serving_request *request) {
  double *end = context;
  if (request->end > *end) *end = request->end;
}

// An open loop is measured until the last request ends, also where that is on the nodes that prefill.
static void check_last_end(const char *system, unsigned prefill_nodes, double rate, unsigned output) {
  static struct serving_trace_request list[] = {{0, 100, 2, 0, 0, 0}, {100, 200, 1, 0, 0, 1}};
  const struct serving_trace trace = {.list = list, .count = 2};
  struct serving_options o = vllm_of(8, 8192);
  struct serving_result r;
  double end = 0;
  o.system = system;
  o.nodes = prefill_nodes ? 2 : 1;
  o.prefill_nodes = prefill_nodes;
  o.on_request = note_end;
  o.context = &end;
  o.warm_up = 0;
  o.measured = 2;
  o.trace = rate > 0 ? NULL : &trace;
  o.rate = rate;
  o.input = 500;
  o.deviation = 0.5;
  if (rate > 0) o.measured = 40;
  list[0].output = o.output = output;
  for (unsigned scheduler = SERVING_STAGES; scheduler <= SERVING_VLLM; scheduler++) {
    o.scheduler = (enum serving_scheduler)scheduler;
    end = 0;
    run(&o, &r);
    if (rate == 0) assert_true(r.seconds == end && end > 100 && end < 101 && r.tokens == output + 1);
    // It begins when the first request comes.
    if (rate > 0) assert_true(r.seconds < end && r.seconds > 0.8 * end && r.tokens >= 40);
  }
}

static void test_last_end(void **state) {
  (void)state;
  for (unsigned output = 1; output <= 2; output++)
    for (unsigned i = 0; i < 2; i++) {
      check_last_end("gpu", 0, i * 0.05, output);
      check_last_end("gpu", 1, i * 0.05, output);
      check_last_end("duplex-split", 0, i * 0.05, output);
    }
}

static void count_decoding(void *context, const struct serving_stage *stage) {
  *(unsigned *)context += stage->decoding > 0;
}

// The last request that counts ends behind a long prompt. What other nodes decode meanwhile counts, too, and
// no stage that begins behind that.
static void test_stages_meanwhile(void **state) {
  static struct serving_trace_request list[] = {{0, 100, 5000, 0, 0, 0}, {0.05, 50000, 1, 0, 0, 1}};
  const struct serving_trace trace = {.list = list, .count = 2};
  struct serving_options o = vllm_of(8, 65536);
  struct serving_result r;
  unsigned decoding = 0;
  (void)state;
  o.trace = &trace;
  o.nodes = 2;
  o.prefill_nodes = 1;
  o.warm_up = o.measured = 1;
  o.on_stage = count_decoding;
  o.context = &decoding;
  run(&o, &r);
  assert_true(r.requests == 1 && r.seconds == r.e2e.p50);
  assert_true(decoding > 100 && r.decoding_only == decoding && r.stages == decoding + 1);
  assert_true(r.decoding_cost.seconds > r.seconds - r.tbt.p50 - 0.01);
  assert_true(r.decoding_cost.seconds < r.seconds + 0.01);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_limits),        cmocka_unit_test(test_chunks),
      cmocka_unit_test(test_preemption),    cmocka_unit_test(test_as_stages),
      cmocka_unit_test(test_whole),         cmocka_unit_test(test_closed_loop),
      cmocka_unit_test(test_node_capacity), cmocka_unit_test(test_split_nodes),
      cmocka_unit_test(test_node_room),     cmocka_unit_test(test_wire),
      cmocka_unit_test(test_wrong_nodes),   cmocka_unit_test(test_short_outputs),
      cmocka_unit_test(test_last_end),      cmocka_unit_test(test_stages_meanwhile)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
