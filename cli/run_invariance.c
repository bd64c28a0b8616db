// SPDX-License-Identifier: Apache-2.0
// The ways in which `duplex run --check-invariance` runs the requests.
#include "cli/run_invariance.h"

#include <stdio.h>
#include <string.h>

#include "cli/progress.h"
#include "cli/stack_options.h"
#include "model/invariance.h"
#include "model/prefixes.h"

#define RTL_CHANNELS_MOST 2u  // of the Verilated stack that a check waits for

struct check {
  const struct model *model;
  const struct run_requests *requests;
  const struct network_options *network;
  const struct invariance_wanted *wanted;
  struct invariance *invariance;
  unsigned ways;
  uint64_t hash;  // of the first way
};

static int tell_difference(const struct check *check, const char *name,
                           const struct invariance_difference *at) {
  const unsigned layers = model_config_of(check->model)->layers;
  static const char *const units[] = {"attention", "FFN"};
  if (at->layer == layers)
    return fail(EXIT_ERROR, "%s: request %llu differs from the first way in the logits behind position %zu",
                name, (unsigned long long)at->request + 1, at->position);
  return fail(EXIT_ERROR, "%s: request %llu differs from the first way behind layer %u, %s, position %zu",
              name, (unsigned long long)at->request + 1, at->layer, units[at->unit], at->position);
}

// Whether a way ends requests before the first way does.
static bool is_short(const struct check *check, const struct invariance_way *way) {
  for (size_t i = 0; i < check->requests->count && way->new_tokens; i++)
    if (check->requests->request[i].new_tokens > way->new_tokens) return true;
  return false;
}

// Runs the requests in one way and prints its line; a row that differs from the first way's ends the check.
static int run_way(struct check *check, const struct invariance_way *way) {
  struct invariance_result result;
  struct model_error error;
  progress("%s", way->name);
  const int status = invariance_run(check->invariance, way, &result, &error);
  progress_end();
  if (status) return fail(exit_status_of(status), "%s: %s", way->name, error.text);
  if (!result.same) return tell_difference(check, way->name, &result.difference);
  if (result.hash != result.expected)
    return fail(EXIT_ERROR, "%s: the hash of its logits is %016llx, expected %016llx: rows are missing",
                way->name, (unsigned long long)result.hash, (unsigned long long)result.expected);
  if (check->ways++ == 0) check->hash = result.hash;
  if (is_short(check, way))
    printf("%-28s the same %llu rows\n", way->name, (unsigned long long)result.rows);
  else
    printf("%-28s %016llx  %zu steps\n", way->name, (unsigned long long)result.hash, result.statistics.steps);
  fflush(stdout);
  return EXIT_GOOD;
}

// So many requests at once; those that are missing are companions. Each layer is decided, also where the xPU
// alone would be faster: both sides are to have their share of small models too.
static struct invariance_way batch_of(const struct check *check, const char *name, size_t batch,
                                      size_t chunk) {
  const size_t companions = batch > check->requests->count ? batch - check->requests->count : 0;
  struct invariance_way way = {.name = name,
                               .network = *check->network,
                               .batch = batch,
                               .chunk = chunk,
                               .companions = companions,
                               .ignore_end_tokens = check->wanted->ignore_end_tokens};
  way.network.device.always_decide = 1;
  way.network.sequences = batch;
  way.network.decode_positions = way.network.prefill_positions = batch * check->requests->longest;
  return way;
}

// Runs the requests in batches of other sizes, orders and chunks of their prompts.
static int check_batches(struct check *check) {
  static const struct {
    const char *name;
    size_t batch, chunk;
    uint64_t order;
  } batches[] = {{"alone", 1, 0, 0},
                 {"batch 2", 2, 0, 0},
                 {"batch 8, shuffled", 8, 0, 1},
                 {"batch 32, shuffled", 32, 0, 2},
                 {"chunks of 1", 4, 1, 0},
                 {"chunks of 7, shuffled", 8, 7, 3}};
  int status = EXIT_GOOD;
  for (unsigned i = 0; i < sizeof batches / sizeof *batches && !status; i++) {
    struct invariance_way way = batch_of(check, batches[i].name, batches[i].batch, batches[i].chunk);
    way.order = batches[i].order;
    status = run_way(check, &way);
  }
  return status;
}

// The policies, of which `best` alone has two copies of each expert, and may ask whether a decision pays.
static int check_policies(struct check *check) {
  static const char *const names[] = {"policy best", "policy paper", "policy pim", "policy xpu"};
  int status = EXIT_GOOD;
  for (unsigned i = 0; i < 4 && !status; i++) {
    struct invariance_way way = batch_of(check, names[i], 4, 0);
    way.network.device.policy = (enum duplex_policy)i;
    way.network.device.copies = 0;
    if (i == DUPLEX_POLICY_BEST) way.network.device.always_decide = check->network->device.always_decide;
    status = run_way(check, &way);
  }
  return status;
}

// One copy of each expert, and two.
static int check_copies(struct check *check) {
  static const char *const names[] = {"one copy of experts", "two copies of experts"};
  int status = EXIT_GOOD;
  if (!model_config_of(check->model)->experts) return EXIT_GOOD;
  for (unsigned i = 0; i < 2 && !status; i++) {
    struct invariance_way way = batch_of(check, names[i], 4, 0);
    way.network.device.policy = DUPLEX_POLICY_BEST;
    way.network.device.copies = i + 1;
    status = run_way(check, &way);
  }
  return status;
}

static int check_stacks(struct check *check) {
  static const unsigned stacks[] = {1, 2, 3, 5, 8};
  int status = EXIT_GOOD;
  for (unsigned i = 0; i < sizeof stacks / sizeof *stacks && !status; i++) {
    char name[32];
    snprintf(name, sizeof name, "%u stack%s", stacks[i], stacks[i] > 1 ? "s" : "");
    struct invariance_way way = batch_of(check, name, 4, 0);
    way.network.device.stacks = stacks[i];
    status = run_way(check, &way);
  }
  return status;
}

// Without stacks, on the host alone.
static int check_untimed(struct check *check) {
  struct invariance_way way = batch_of(check, "no clocks", 8, 0);
  way.network.untimed = true;
  return run_way(check, &way);
}

// With prefixes that are stored once, on a device and on the host alone.
static int check_sharing(struct check *check) {
  struct invariance_way way = batch_of(check, "prefix shared", check->requests->count, 0);
  if (!check->network->shares) return EXIT_GOOD;
  way.shares_prefix = true;
  const size_t prefixes = prefixes_count(check->requests->request, check->requests->count);
  way.network.sequences += prefixes;
  way.network.decode_positions += prefixes * check->requests->longest;
  way.network.prefill_positions = way.network.decode_positions;
  const int status = run_way(check, &way);
  way.name = "prefix shared, no clocks";
  way.network.untimed = true;
  return status ? status : run_way(check, &way);
}

// The Verilated stack: one of few channels, and few tokens.
static int check_rtl(struct check *check) {
  struct invariance_way way = batch_of(check, "RTL", 2, 0);
  struct duplex_backend_options *backend = &way.network.device.stack.backend;
  way.network.backend = "rtl";
  way.network.device.stacks = 1;
  way.new_tokens = check->wanted->rtl_tokens;
  if (backend->channels == 0 || backend->channels > RTL_CHANNELS_MOST) backend->channels = RTL_CHANNELS_MOST;
  return run_way(check, &way);
}

int check_invariance(const struct model *model, const struct run_requests *requests,
                     const struct network_options *network, const struct invariance_wanted *wanted) {
  struct check check = {.model = model, .requests = requests, .network = network, .wanted = wanted};
  check.invariance = invariance_new(model, requests->request, requests->count);
  if (!check.invariance) return fail(EXIT_ERROR, "too little memory for the check");
  int status = check_batches(&check);
  if (!status) status = check_policies(&check);
  if (!status) status = check_copies(&check);
  if (!status) status = check_stacks(&check);
  if (!status) status = check_untimed(&check);
  if (!status) status = check_sharing(&check);
  if (!status) status = check_rtl(&check);
  if (!status) printf("%u ways, one hash: %016llx\n", check.ways, (unsigned long long)check.hash);
  invariance_free(check.invariance);
  return status;
}
