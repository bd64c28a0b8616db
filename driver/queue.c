// SPDX-License-Identifier: Apache-2.0
// The client's side of its job queue: messages in, completions out, what came of them.
#include "driver/queue.h"

#include <stdio.h>
#include <string.h>

#include "driver/stack_error.h"
#include "duplex/error.h"

static struct queue *queue_of(const struct duplex_stack *stack) {
  return &stack->shared->controller->mailbox->queue[stack->queue.index];
}

struct allotment *queue_allotment(const struct duplex_stack *stack) {
  return &stack->shared->controller->mailbox->allotment[stack->queue.index];
}

uint32_t *queue_list(const struct duplex_stack *stack) { return queue_of(stack)->list; }

void queue_start(struct duplex_stack *stack) {
  memset(queue_of(stack), 0, sizeof *queue_of(stack));
  stack->queue.base += stack->queue.produced;
  stack->queue.produced = stack->queue.collected = 0;
  queue_allotment(stack)->generation += queue_allotment(stack)->generation & 1 ? 2 : 1;
}

int queue_open(struct duplex_stack *stack, const struct allotment *own) {
  struct shared_stack *shared = stack->shared;
  for (unsigned q = 0; q < PROTOCOL_QUEUES; q++) {
    if (shared->client[q]) continue;
    shared->client[q] = stack;
    stack->queue = (struct client_queue){.index = q};
    struct allotment *to = queue_allotment(stack);
    to->bundles = own->bundles;
    memcpy(to->part, own->part, sizeof to->part);
    queue_start(stack);
    return DUPLEX_OK;
  }
  return DUPLEX_ERROR_QUEUE_FULL;
}

static bool in_flight(const struct duplex_stack *stack) {
  return queue_of(stack)->completed != stack->queue.produced;
}

void queue_close(struct duplex_stack *stack) {
  struct shared_stack *shared = stack->shared;
  const bool busy = in_flight(stack);
  queue_allotment(stack)->generation++;
  shared->client[stack->queue.index] = NULL;
  if (!busy) return;
  // A job that runs sees that its client is gone; a firmware that does not is started afresh.
  int error = DUPLEX_OK;
  do error = shared->controller->ops->run(shared->controller, UINT64_MAX);
  while (!error && !shared->controller->idle);
  if (error) queue_reset(shared);
  shared->in_mid_job = false;
}

int queue_reset(struct shared_stack *shared) {
  const int error = shared->controller->ops->reset(shared->controller);
  shared->in_mid_job = false;
  for (unsigned q = 0; q < PROTOCOL_QUEUES; q++)
    if (shared->client[q]) queue_start(shared->client[q]);
  return error;
}

int queue_submit(struct duplex_stack *stack, uint32_t kind, const void *payload, size_t bytes,
                 uint32_t *number) {
  struct client_queue *own = &stack->queue;
  struct queue *queue = queue_of(stack);
  if (own->produced - own->collected == PROTOCOL_ENTRIES)
    return stack_fail(stack, DUPLEX_ERROR_QUEUE_FULL, "%u jobs are in flight: no more fit the queue",
                      PROTOCOL_ENTRIES);
  struct message *message = &queue->messages[own->produced % PROTOCOL_ENTRIES];
  *number = own->base + own->produced;
  *message = (struct message){PROTOCOL_VERSION, PROTOCOL_HEADER_BYTES + (uint32_t)bytes, kind, *number, {0}};
  memcpy(message->payload, payload, bytes);
  queue->produced = ++own->produced;
  return DUPLEX_OK;
}

void queue_cancel(struct duplex_stack *stack, uint32_t number) {
  const uint32_t i = number - stack->queue.base;
  queue_of(stack)->cancel[i % PROTOCOL_ENTRIES] = i + 1;
}

// The text of a descriptor that the stack refused; returns DUPLEX_ERROR_DEVICE.
static int stack_refused(struct duplex_stack *stack, const struct completion *c) {
  return stack_fail(stack, DUPLEX_ERROR_DEVICE,
                    "the stack refused descriptor %u: error %u at address 0x%x (docs/registers.md)",
                    c->error_tag, c->error_code, c->error_address);
}

// The firmware has not run the message, or its kernel is wrong.
static int message_refused(struct duplex_stack *stack, uint32_t kind, const struct completion *c) {
  switch (c->status) {
    case COMPLETION_VERSION:
      return stack_fail(stack, DUPLEX_ERROR_FIRMWARE,
                        "the firmware speaks another version of the protocol than %u", PROTOCOL_VERSION);
    case COMPLETION_LENGTH:
      return stack_fail(stack, DUPLEX_ERROR_FIRMWARE,
                        "the firmware refused the message: its length is not that of kind %u", kind);
    case COMPLETION_KIND:
      return stack_fail(stack, DUPLEX_ERROR_FIRMWARE, "the firmware has no kernel for messages of kind %u",
                        kind);
    case COMPLETION_UNFINISHED:
      return stack_fail(stack, DUPLEX_ERROR_FIRMWARE,
                        "the kernel of message kind %u left %u descriptors that it did not wait for "
                        "(ring_finish is missing, docs/kernel_howto.md)",
                        kind, c->detail);
    default:
      return stack_fail(stack, DUPLEX_ERROR_FIRMWARE,
                        "the firmware refused the message of kind %u: the %s at byte %u of its payload is %s "
                        "(docs/protocol.md)",
                        kind, c->status == COMPLETION_REGION ? "region" : "number", c->detail,
                        c->status == COMPLETION_REGION ? "not this client's" : "out of range");
  }
}

// What a completion means to the user; kind: of the message.
static int outcome(struct duplex_stack *stack, uint32_t kind, const struct completion *c) {
  const struct controller *controller = stack->shared->controller;
  const char *failure = stack->backend->ops->failure(stack->backend);
  if (controller->backend_error)
    return stack_fail(stack, controller->backend_error, "%s",
                      failure[0] ? failure : duplex_error_text(controller->backend_error));
  switch (c->status) {
    case COMPLETION_DONE:
      return DUPLEX_OK;
    case COMPLETION_REFUSED:
      return stack_refused(stack, c);
    case COMPLETION_WATCHDOG:
      return stack_fail(stack, DUPLEX_ERROR_WATCHDOG,
                        "the watchdog: no news from the stack for %llu clocks after descriptor %u",
                        (unsigned long long)stack->watchdog_clocks, c->descriptors);
    case COMPLETION_CANCELLED:
      return stack_fail(stack, DUPLEX_ERROR_CANCELLED, "the job was cancelled");
    default:
      return message_refused(stack, kind, c);
  }
}

// The firmware has stopped: starts it afresh, and says why it did.
static int stopped(struct duplex_stack *stack, int error) {
  struct controller *controller = stack->shared->controller;
  char text[sizeof controller->failure];
  memcpy(text, controller->failure, sizeof text);
  const int backend_error = controller->backend_error;
  queue_reset(stack->shared);
  const char *failure = stack->backend->ops->failure(stack->backend);
  if (backend_error)
    return stack_fail(stack, backend_error, "%s", failure[0] ? failure : duplex_error_text(backend_error));
  return stack_fail(stack, error, "%s", text);
}

// Runs the firmware until message i is completed, or the clock is at `end`.
static int run_until(struct duplex_stack *stack, uint32_t i, uint64_t end) {
  struct controller *controller = stack->shared->controller;
  const struct queue *queue = queue_of(stack);
  while (queue->completed == i) {
    const uint64_t now = stack->backend->ops->clocks(stack->backend);
    if (now >= end) return DUPLEX_ERROR_BUSY;
    const int error = controller->ops->run(controller, end - now);
    if (error) return stopped(stack, error);
    if (!controller->idle || queue->completed != i) continue;
    snprintf(controller->failure, sizeof controller->failure, "the firmware left a message unanswered");
    return stopped(stack, DUPLEX_ERROR_FIRMWARE);
  }
  return DUPLEX_OK;
}

bool queue_is_next(const struct duplex_stack *stack, uint32_t number) {
  const uint32_t i = number - stack->queue.base;
  const bool lost = (int32_t)i < 0;
  return lost || (i == stack->queue.collected && i != stack->queue.produced);
}

int queue_wait(struct duplex_stack *stack, uint32_t number, uint64_t clocks, struct completion *completion) {
  const uint32_t i = number - stack->queue.base;
  if ((int32_t)i < 0)
    return stack_fail(stack, DUPLEX_ERROR_FIRMWARE, "the job was lost when the firmware stopped");
  if (i != stack->queue.collected || i == stack->queue.produced)
    return stack_fail(stack, DUPLEX_ERROR_ARGUMENT, "jobs are waited for in order");
  const uint64_t now = stack->backend->ops->clocks(stack->backend);
  const int error = run_until(stack, i, clocks > UINT64_MAX - now ? UINT64_MAX : now + clocks);
  if (error) return error;
  *completion = queue_of(stack)->completions[i % PROTOCOL_ENTRIES];
  queue_of(stack)->collected = ++stack->queue.collected;
  return outcome(stack, queue_of(stack)->messages[i % PROTOCOL_ENTRIES].kind, completion);
}
