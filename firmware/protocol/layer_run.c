// SPDX-License-Identifier: Apache-2.0
// The message that runs one piece of a registered layer.
#include <stddef.h>

#include "duplex/arithmetic.h"
#include "firmware/protocol.h"

#define AT(member) (uint32_t) offsetof(struct layer_run_message, member)

// The experts of a job as they are read from the list, and where the next one's x and results begin.
struct run {
  const struct layer_job *job;
  volatile const uint32_t *list;
  const struct layer_schedule *decided;     // NULL: cuts and groups are in the list
  const uint8_t *cut;                       // those that are decided
  const uint32_t *entry;                    // of expert 0
  uint32_t experts;                         // of the layer
  uint32_t expert;                          // to be read next
  uint32_t left;                            // of the list's last word, or of four cuts, what comes next
  uint32_t stripe;                          // of the weights, as SRC_STRIPE
  uint32_t x, results, x_end, results_end;  // with their stripes
  uint32_t share;
  enum completion_status status;  // DONE, which is 0, until something is wrong
  uint32_t detail;
};

// The first pair of experts from `pair` on that has work, and its word of the list. Most of a layer with few
// tokens have none, and a job waits until its first expert is found.
static inline uint32_t find_pair(volatile const uint32_t *list, uint32_t pair, uint32_t pairs,
                                 uint32_t *word) {
  while (pair < pairs && !(*word = list[pair])) pair++;
  return pair;
}

// Groups and cut of the next expert with work, from the list, of which each word is read once. False: none.
// Of experts in pairs of bundles every other half of a word is empty.
static inline bool find_in_list(struct run *run, struct layer_expert *expert) {
  const uint32_t pairs = duplex_divide_up(run->experts, 2);
  uint32_t halves = run->left;
  for (uint32_t i = run->expert;; i++, halves >>= 16) {
    if (!halves) i = 2 * find_pair(run->list, duplex_divide_up(i, 2), pairs, &halves);
    if (!(halves & 0xffff)) i++, halves >>= 16;
    if (i >= run->experts) return false;
    expert->groups = halves & 0xfff;
    expert->cut = halves >> 12 & 0xf;
    if (!expert->groups || !expert->cut) continue;
    run->expert = i + 1;
    run->left = halves >> 16;
    return true;
  }
}

// The first four experts from `four` on of which some have a cut, which those without tokens have not, and
// the cuts.
static inline uint32_t find_four(const uint8_t *cut, uint32_t four, uint32_t fours, uint32_t *cuts) {
  for (; four < fours; four++) {
    __builtin_memcpy(cuts, __builtin_assume_aligned(cut + 4 * four, sizeof *cuts), sizeof *cuts);
    if (*cuts) break;
  }
  return four;
}

// The same by the decision, which is about whole experts unless it is `best`. A stack whose slice ends before
// a part has fewer of them, and where an expert has no such piece there is nothing to do.
static inline bool find_decided(struct run *run, struct layer_expert *expert) {
  const uint32_t fours = duplex_divide_up(run->experts, 4);
  uint32_t cuts = run->left;
  for (uint32_t i = run->expert;; i++, cuts >>= 8) {
    if (!cuts) i = 4 * find_four(run->cut, duplex_divide_up(i, 4), fours, &cuts);
    for (; cuts && !(cuts % 256); cuts >>= 8) i++;
    if (i >= run->experts) return false;
    expert->groups = schedule_groups(run->decided->counts[i]);
    expert->cut = (uint32_t)duplex_smaller(cuts % 256, run->job->parts);
    if (!expert->groups || run->entry[i] == LAYER_ABSENT) continue;
    run->expert = i + 1;
    run->left = cuts >> 8;
    return true;
  }
}

static enum layer_next_result wrong(struct run *run, enum completion_status status, uint32_t detail) {
  run->status = status;
  run->detail = detail;
  return LAYER_WRONG;
}

// The next expert with work, checked. An expert without tokens or with cut 0 takes no room.
static enum layer_next_result next_expert(void *context, struct layer_expert *expert) {
  struct run *run = context;
  const struct layer_job *job = run->job;
  if (!(run->decided ? find_decided(run, expert) : find_in_list(run, expert))) return LAYER_END;
  const uint32_t entry = run->entry[run->expert - 1];
  expert->up = run->stripe + (entry & 0xffff);
  expert->down = run->stripe + (entry >> 16);
  expert->x = run->x;
  expert->results = run->results;
  run->share += expert->cut * run->expert;
  if (entry == LAYER_ABSENT || expert->cut > job->parts || expert->groups > PROTOCOL_TOKEN_GROUPS)
    return wrong(run, COMPLETION_ARGUMENT, AT(experts));
  run->x += layer_x_row_sets(job, expert->groups);
  run->results += layer_result_row_sets(job, expert->groups);
  if (run->x > run->x_end) return wrong(run, COMPLETION_REGION, AT(x_row_sets));
  if (run->results > run->results_end) return wrong(run, COMPLETION_REGION, AT(result_row_sets));
  return LAYER_EXPERT;
}

// What is wrong is told once it is: noting every check's place before it takes longer.
static enum completion_status refuse(uint32_t *detail, uint32_t at, enum completion_status status) {
  *detail = at;
  return status;
}

// The numbers and regions of a message, of a layer that is registered.
static enum completion_status check_run(const struct client *client, const struct layer_record *record,
                                        const struct layer_run_message *m, uint32_t *detail) {
  if (m->piece >= record->shape.pieces || record->shape.piece[m->piece].parts == 0)
    return refuse(detail, AT(piece), COMPLETION_ARGUMENT);
  if (!layer_owned(client, record, m->piece))  // its allotment has shrunk
    return refuse(detail, AT(piece), COMPLETION_REGION);
  if (m->experts != record->shape.experts) return refuse(detail, AT(experts), COMPLETION_ARGUMENT);
  if (m->policy >= LAYER_POLICIES) return refuse(detail, AT(policy), COMPLETION_ARGUMENT);
  const bool products = (record->shape.flags & LAYER_PRODUCTS) != 0;
  if (m->format > DUPLEX_RESULT_FORMAT_ACC || (products && m->format != DUPLEX_RESULT_FORMAT_F32))
    return refuse(detail, AT(format), COMPLETION_ARGUMENT);
  const struct region table = {m->table.base, m->table.stripe};
  const enum completion_status status = client_table(client, table, m->table_tiles);
  if (status != COMPLETION_DONE)
    return refuse(detail, status == COMPLETION_REGION ? AT(table) : AT(table_tiles), status);
  if (!client_owns(client, (struct region){m->x.base, m->x.stripe}, m->x_row_sets))
    return refuse(detail, AT(x), COMPLETION_REGION);
  if (!client_owns(client, (struct region){m->results.base, m->results.stripe}, m->result_row_sets))
    return refuse(detail, AT(results), COMPLETION_REGION);
  return COMPLETION_DONE;
}

// Checks a message and runs its piece. The list is checked while its first experts run. As serve_attention
// sets `detail`.
static enum completion_status serve_run(struct client *client, const void *payload,
                                        struct firmware_report *report, uint32_t *detail) {
  const struct layer_run_message *m = payload;
  struct protocol *p = client->protocol;
  struct layer_record *record = layer_find(client, m->layer);
  if (!record) return refuse(detail, AT(layer), COMPLETION_ARGUMENT);
  KEEP_PLACE(record);
  const enum completion_status status = check_run(client, record, m, detail);
  if (status != COMPLETION_DONE) return status;
  const struct layer_schedule *decided = NULL;
  if (m->policy != LAYER_CUTS) {
    decided = layer_decide(client, &record->shape, (enum layer_policy)m->policy);
    if (*detail = AT(policy),
        !decided || (decided->decision.policy == SCHEDULE_BEST && m->piece >= SCHEDULE_PIECES))
      return COMPLETION_ARGUMENT;
  }
  struct layer_kept *kept = layer_kept_of(client, record, m->piece, (enum duplex_result_format)m->format);
  kept->job.table = (struct region){m->table.base, m->table.stripe};
  kept->job.table_tiles = client_table_loaded(client, m->table_serial) ? 0 : m->table_tiles;
  const uint32_t x = m->x.base + DUPLEX_DESCRIPTOR_FIELD(SRC_STRIPE, m->x.stripe);
  const uint32_t results = m->results.base + DUPLEX_DESCRIPTOR_FIELD(DST_STRIPE, m->results.stripe);
  struct run run = {
      .job = &kept->job,
      .list = p->box->queue[client->queue].list,
      .decided = decided,
      .entry = p->tables->entry[client->queue] + record->shape.first + m->piece * record->shape.experts,
      .experts = m->experts,
      .stripe = DUPLEX_DESCRIPTOR_FIELD(SRC_STRIPE, record->shape.piece[m->piece].stripe),
      .x = x,
      .results = results,
      .x_end = x + m->x_row_sets,
      .results_end = results + m->result_row_sets,
      .share = decided ? decided->decision.groups : 0};
  if (decided) run.cut = decided->decision.cut[decided->decision.policy == SCHEDULE_BEST ? m->piece : 0];
  firmware_layer(&p->hal, &kept->job, &kept->work, next_expert, &run, report);
  client_note_table(client, m->table_serial, report->result == FIRMWARE_DONE);
  p->share = run.share;
  *detail = run.detail;
  return run.status;
}

const struct kernel layer_run_kernel = {MESSAGE_LAYER_RUN, sizeof(struct layer_run_message), serve_run};
