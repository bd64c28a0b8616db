// SPDX-License-Identifier: Apache-2.0
// The interface of a scheduler: which requests of some nodes compute how many tokens in their next step.
//
// Data flows one way: the engine places requests, plans a step, reads `scheduled` of the running sequences,
// and releases those that have ended.
#ifndef SERVING_SCHEDULER_H
#define SERVING_SCHEDULER_H

#include <sys/queue.h>

#include "serving/arrivals.h"
#include "serving/machine.h"

// A request in flight.
struct sequence {
  TAILQ_ENTRY(sequence) link;
  struct request request;
  unsigned node;
  unsigned computed;   // positions whose K and V are on the node
  unsigned scheduled;  // positions that the planned step computes behind them
  unsigned blocks;     // of K and V, of a scheduler with blocks
  unsigned parts;      // of its prompt, whose blocks others may use, too,
  unsigned shared;     // and how many these are
  double last;         // seconds: when its last token came
  double ready;        // when its K and V have come from the nodes that prefill
  bool begun_before;   // in the middle of its output when the run began
};
TAILQ_HEAD(sequences, sequence);

void sequences_free(struct sequences *list);

// Positions that are known: the prompt and what was generated.
static inline unsigned sequence_length(const struct sequence *s) {
  return s->request.input + s->request.generated;
}
// The planned step computes the position of the newest token alone.
static inline bool sequence_decodes(const struct sequence *s) {
  return s->request.generated > 0 && s->scheduled == 1 && s->computed + 1 == sequence_length(s);
}
// It comes to the end of what is known, and gives a token.
static inline bool sequence_gives_token(const struct sequence *s) {
  return s->scheduled > 0 && s->computed + s->scheduled == sequence_length(s);
}

struct scheduler;

struct scheduler_ops {
  const char *name;
  // Whether a request may come in; if not, it is asked for again before the next step.
  bool (*takes)(const struct scheduler *scheduler, const struct request *request);
  // It comes in, and may begin on nodes that prefill for these ones; it has left.
  void (*enter)(struct scheduler *scheduler, const struct request *request);
  void (*leave)(struct scheduler *scheduler, const struct request *request);
  // Becomes one of the scheduler's, whose place in its lists it keeps until it is released.
  void (*place)(struct scheduler *scheduler, struct sequence *sequence);
  // Sets `scheduled` of every running sequence; 0: not in this step. At least one is in it if there are any.
  void (*plan)(struct scheduler *scheduler);
  // A running sequence goes, with its K and V.
  void (*release)(struct scheduler *scheduler, struct sequence *sequence);
  void (*close)(struct scheduler *scheduler);
};

// What every implementation begins with.
struct scheduler {
  const struct scheduler_ops *ops;
  struct sequences running, waiting;  // in order of arrival
  double kv_used;                     // bytes
  uint64_t preemptions;               // sequences that lost their K and V
  uint64_t prompt_tokens;             // that sequences began with, at each begin,
  uint64_t cached_tokens;             // and those of them whose K and V were there
  int error;                          // the first one: too little memory
};

// What a scheduler is opened for: the nodes of one machine.
struct scheduler_nodes {
  unsigned nodes;
  double kv_capacity, kv_token;  // bytes of all nodes; of a position
  bool prompts_only;             // requests go on elsewhere behind their first token
};

// Of options->scheduler; NULL: too little memory.
struct scheduler *scheduler_open(const struct serving_options *options, const struct scheduler_nodes *nodes);
struct scheduler *scheduler_stage_open(const struct serving_options *options,
                                       const struct scheduler_nodes *nodes);
struct scheduler *scheduler_vllm_open(const struct serving_options *options,
                                      const struct scheduler_nodes *nodes);
// Frees what is still in flight, too; NULL is fine.
void scheduler_close(struct scheduler *scheduler);

// Positions of the longest request that an empty scheduler can bring to its end.
double scheduler_longest(const struct serving_options *options, const struct scheduler_nodes *nodes);

static inline bool scheduler_has_work(const struct scheduler *s) {
  return !TAILQ_EMPTY(&s->running) || !TAILQ_EMPTY(&s->waiting);
}

#endif
