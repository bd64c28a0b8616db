// SPDX-License-Identifier: Apache-2.0
// Serves the queues in turn: takes a message, checks it, runs its kernel, completes it.
#include <stddef.h>

#include "firmware/kernels/ring.h"
#include "firmware/protocol.h"

#define ALL_BUNDLES ((1u << DUPLEX_BUNDLES) - 1)

void protocol_start(struct protocol *protocol, struct mailbox *box) {
  for (uint32_t q = 0; q < PROTOCOL_QUEUES; q++) protocol->queue[q].generation = 0;
  protocol->next = 0;
  protocol->table.generation = 0;
  layer_tables_clear(protocol->tables);
  protocol->soiled_slots = DUPLEX_RING_ENTRIES;
  protocol->hal.soiled = &protocol->soiled_slots;
  protocol->box = box;
  protocol->box->queues = PROTOCOL_QUEUES;
  protocol->box->entries = PROTOCOL_ENTRIES;
  protocol->box->version = PROTOCOL_VERSION;
  protocol->box->point = DUPLEX_POINT;
  protocol->box->magic = PROTOCOL_MAGIC;
}

// Follows the owner's openings and closings. True if the queue is open.
static bool is_open(struct protocol *p, uint32_t q) {
  volatile struct queue *queue = &p->box->queue[q];
  const uint32_t generation = p->box->allotment[q].generation;
  if (generation != p->queue[q].generation) {
    p->queue[q].generation = generation;
    p->queue[q].consumed = p->queue[q].completed = 0;
    queue->consumed = queue->completed = 0;
    queue->generation = generation;
  }
  return (generation & 1) && queue->generation == generation;
}

// A message waits and its completion has room. Counters that cannot be close the queue until its owner opens
// it again.
static bool has_work(struct protocol *p, uint32_t q) {
  volatile struct queue *queue = &p->box->queue[q];
  if (!is_open(p, q)) return false;
  const uint32_t waiting = queue->produced - p->queue[q].consumed;
  const uint32_t kept = p->queue[q].completed - queue->collected;
  if (waiting > PROTOCOL_ENTRIES || kept > PROTOCOL_ENTRIES) {
    queue->generation = 0;
    return false;
  }
  return waiting != 0 && kept < PROTOCOL_ENTRIES;
}

// The client may change its message at any time: only the copy is looked at.
static void copy_message(struct message *to, volatile const struct message *from) {
  to->version = from->version;
  to->length = from->length;
  to->kind = from->kind;
  to->ticket = from->ticket;
  if (to->length < PROTOCOL_HEADER_BYTES || to->length > sizeof *to) return;
  // Four words at a time, for speed: the payload has room for them.
  const volatile uint32_t *in = from->payload;
  const uint32_t *end = to->payload + (to->length - PROTOCOL_HEADER_BYTES + 3) / 4;
  for (uint32_t *out = to->payload; out < end; in += 4, out += 4) {
    const uint32_t a = in[0];
    const uint32_t b = in[1];
    const uint32_t c = in[2];
    const uint32_t d = in[3];
    out[0] = a, out[1] = b, out[2] = c, out[3] = d;
  }
}

// NULL: there is no such kernel.
static const struct kernel *find(uint32_t kind) {
  const struct kernel *const *kernel = firmware_kernels;
  while (*kernel && (*kernel)->kind != kind) kernel++;
  return *kernel;
}

// What a kernel left in the ring without waiting for it is dropped: its results are nobody's. True if there
// was something.
static bool drop_unfinished(const struct client *client, struct firmware_report *report) {
  if (report->result != FIRMWARE_DONE || report->finished == report->descriptors) return false;
  report->result = FIRMWARE_UNFINISHED;
  ring_recover(&client->protocol->hal);
  return true;
}

// Checks the header of the message that was copied and runs its kernel.
static enum completion_status run(struct client *client, struct firmware_report *report, uint32_t *detail) {
  static const uint8_t statuses[] = {[FIRMWARE_DONE] = COMPLETION_DONE,
                                     [FIRMWARE_REFUSED] = COMPLETION_REFUSED,
                                     [FIRMWARE_WATCHDOG] = COMPLETION_WATCHDOG,
                                     [FIRMWARE_CANCELLED] = COMPLETION_CANCELLED,
                                     [FIRMWARE_UNFINISHED] = COMPLETION_UNFINISHED};
  const struct message *message = &client->protocol->message;
  if (hal_cancelled(&client->protocol->hal)) return COMPLETION_CANCELLED;
  if (message->version != PROTOCOL_VERSION) return COMPLETION_VERSION;
  const struct kernel *kernel = find(message->kind);
  if (!kernel) return COMPLETION_KIND;
  if (message->length != PROTOCOL_HEADER_BYTES + kernel->bytes) return COMPLETION_LENGTH;
  const enum completion_status status = kernel->serve(client, message->payload, report, detail);
  const bool unfinished = drop_unfinished(client, report);
  if (status != COMPLETION_DONE) return status;
  if (unfinished) *detail = report->descriptors - report->finished;
  return (enum completion_status)statuses[report->result];
}

// Answers the message that was served last.
static void complete(struct protocol *p, uint32_t q, enum completion_status status, uint32_t detail,
                     const struct firmware_report *report) {
  volatile struct queue *queue = &p->box->queue[q];
  volatile struct completion *completion = &queue->completions[p->queue[q].completed % PROTOCOL_ENTRIES];
  completion->ticket = p->message.ticket;
  completion->status = status;
  completion->detail = detail;
  completion->descriptors = report->descriptors;
  completion->error_code = report->error_code;
  completion->error_tag = report->error_tag;
  completion->error_address = report->error_address;
  completion->share = p->share;
  queue->completed = ++p->queue[q].completed;
}

// Serves the oldest message of a queue. Its answer is dropped if the queue was closed meanwhile.
static void serve_queue(struct protocol *p, uint32_t q) {
  volatile struct queue *queue = &p->box->queue[q];
  volatile struct allotment *allotment = &p->box->allotment[q];
  const uint32_t number = p->queue[q].consumed;
  const uint32_t slot = number % PROTOCOL_ENTRIES;
  struct client client = {.protocol = p,
                          .queue = q,
                          .channels = p->box->channels,
                          .allotment = {p->queue[q].generation,
                                        allotment->bundles & ALL_BUNDLES,
                                        {{allotment->part[0].first, allotment->part[0].count},
                                         {allotment->part[1].first, allotment->part[1].count}}}};
  struct firmware_report report = {0};
  uint32_t detail = 0;
  copy_message(&p->message, &queue->messages[slot]);
  p->share = 0;
  queue->consumed = ++p->queue[q].consumed;
  p->hal.cancel = &queue->cancel[slot];
  p->hal.cancel_value = number + 1;
  p->hal.generation = &allotment->generation;
  p->hal.generation_value = client.allotment.generation;
  const enum completion_status status = run(&client, &report, &detail);
  if (allotment->generation == client.allotment.generation) complete(p, q, status, detail, &report);
}

bool protocol_serve(struct protocol *protocol) {
  for (uint32_t i = 0; i < PROTOCOL_QUEUES; i++) {
    const uint32_t q = (protocol->next + i) % PROTOCOL_QUEUES;
    if (!has_work(protocol, q)) continue;
    protocol->next = q + 1;  // the others come first
    serve_queue(protocol, q);
    return true;
  }
  return false;
}
