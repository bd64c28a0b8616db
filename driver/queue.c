#include "driver/queue.h"

#include <stdio.h>
#include <string.h>

#include "driver/device.h"
#include "duplex/error.h"

static struct queue *shared(const struct duplex_device *device) {
  return &device->machine->controller->mailbox->queue[device->queue.index];
}

struct allotment *queue_allotment(const struct duplex_device *device) {
  return &device->machine->controller->mailbox->allotment[device->queue.index];
}

void queue_start(struct duplex_device *device) {
  memset(shared(device), 0, sizeof *shared(device));
  device->queue.base += device->queue.produced;
  device->queue.produced = device->queue.collected = 0;
  queue_allotment(device)->generation += queue_allotment(device)->generation & 1 ? 2 : 1;
}

int queue_open(struct duplex_device *device, const struct allotment *own) {
  struct machine *machine = device->machine;
  for (unsigned q = 0; q < PROTOCOL_QUEUES; q++) {
    if (machine->client[q]) continue;
    machine->client[q] = device;
    device->queue = (struct client_queue){.index = q};
    struct allotment *to = queue_allotment(device);
    to->bundles = own->bundles;
    memcpy(to->part, own->part, sizeof to->part);
    queue_start(device);
    return DUPLEX_OK;
  }
  return DUPLEX_ERROR_QUEUE_FULL;
}

static bool in_flight(const struct duplex_device *device) { return shared(device)->completed != device->queue.produced; }

void queue_close(struct duplex_device *device) {
  struct machine *machine = device->machine;
  const bool busy = in_flight(device);
  queue_allotment(device)->generation++;
  machine->client[device->queue.index] = NULL;
  if (!busy) return;
  // A job that runs sees that its client is gone; a firmware that does not is started afresh.
  int error = DUPLEX_OK;
  do error = machine->controller->ops->run(machine->controller, UINT64_MAX);
  while (!error && !machine->controller->idle);
  if (error) queue_reset(machine);
  machine->in_mid_job = false;
}

int queue_reset(struct machine *machine) {
  const int error = machine->controller->ops->reset(machine->controller);
  machine->in_mid_job = false;
  for (unsigned q = 0; q < PROTOCOL_QUEUES; q++)
    if (machine->client[q]) queue_start(machine->client[q]);
  return error;
}

int queue_submit(struct duplex_device *device, uint32_t kind, const void *payload, size_t bytes, uint32_t *number) {
  struct client_queue *own = &device->queue;
  struct queue *queue = shared(device);
  if (own->produced - own->collected == PROTOCOL_ENTRIES)
    return device_fail(device, DUPLEX_ERROR_QUEUE_FULL, "%u jobs are in flight: no more fit the queue", PROTOCOL_ENTRIES);
  struct message *message = &queue->messages[own->produced % PROTOCOL_ENTRIES];
  *number = own->base + own->produced;
  *message = (struct message){PROTOCOL_VERSION, PROTOCOL_HEADER_BYTES + (uint32_t)bytes, kind, *number, {0}};
  memcpy(message->payload, payload, bytes);
  queue->produced = ++own->produced;
  return DUPLEX_OK;
}

void queue_cancel(struct duplex_device *device, uint32_t number) {
  const uint32_t i = number - device->queue.base;
  shared(device)->cancel[i % PROTOCOL_ENTRIES] = i + 1;
}

static int stack_refused(struct duplex_device *device, const struct completion *c) {
  return device_fail(device, DUPLEX_ERROR_DEVICE, "the stack refused descriptor %u: error %u at address 0x%x (docs/registers.md)",
                     c->error_tag, c->error_code, c->error_address);
}

static int outcome(struct duplex_device *device, const struct completion *c) {
  static const char *const refusals[] = {
      [COMPLETION_VERSION] = "version", [COMPLETION_LENGTH] = "length", [COMPLETION_KIND] = "kind",
      [COMPLETION_ARGUMENT] = "number", [COMPLETION_REGION] = "region",
  };
  const struct controller *controller = device->machine->controller;
  const char *failure = device->backend->ops->failure(device->backend);
  if (controller->backend_error)
    return device_fail(device, controller->backend_error, "%s",
                       failure[0] ? failure : duplex_error_text(controller->backend_error));
  switch (c->status) {
    case COMPLETION_DONE:
      return DUPLEX_OK;
    case COMPLETION_REFUSED:
      return stack_refused(device, c);
    case COMPLETION_WATCHDOG:
      return device_fail(device, DUPLEX_ERROR_WATCHDOG, "no completion within %llu clocks",
                         (unsigned long long)device->watchdog_clocks);
    case COMPLETION_CANCELLED:
      return device_fail(device, DUPLEX_ERROR_CANCELLED, "the job was cancelled");
    default:
      return device_fail(device, DUPLEX_ERROR_FIRMWARE, "the firmware refused the message: %s at byte %u (docs/protocol.md)",
                         c->status < COMPLETION_REFUSED ? refusals[c->status] : "?", c->detail);
  }
}

static int stopped(struct duplex_device *device, int error) {
  struct controller *controller = device->machine->controller;
  char text[sizeof controller->failure];
  memcpy(text, controller->failure, sizeof text);
  const int backend_error = controller->backend_error;
  queue_reset(device->machine);
  const char *failure = device->backend->ops->failure(device->backend);
  if (backend_error) return device_fail(device, backend_error, "%s", failure[0] ? failure : duplex_error_text(backend_error));
  return device_fail(device, error, "%s", text);
}

static int run_until(struct duplex_device *device, uint32_t i, uint64_t end) {
  struct controller *controller = device->machine->controller;
  const struct queue *queue = shared(device);
  while (queue->completed == i) {
    const uint64_t now = device->backend->ops->clocks(device->backend);
    if (now >= end) return DUPLEX_ERROR_BUSY;
    const int error = controller->ops->run(controller, end - now);
    if (error) return stopped(device, error);
    if (!controller->idle || queue->completed != i) continue;
    snprintf(controller->failure, sizeof controller->failure, "the firmware left a message unanswered");
    return stopped(device, DUPLEX_ERROR_FIRMWARE);
  }
  return DUPLEX_OK;
}

int queue_wait(struct duplex_device *device, uint32_t number, uint64_t clocks, struct completion *completion) {
  const uint32_t i = number - device->queue.base;
  if ((int32_t)i < 0) return device_fail(device, DUPLEX_ERROR_FIRMWARE, "the job was lost when the firmware stopped");
  if (i != device->queue.collected || i == device->queue.produced)
    return device_fail(device, DUPLEX_ERROR_ARGUMENT, "jobs are waited for in order");
  const uint64_t now = device->backend->ops->clocks(device->backend);
  const int error = run_until(device, i, clocks > UINT64_MAX - now ? UINT64_MAX : now + clocks);
  if (error) return error;
  *completion = shared(device)->completions[i % PROTOCOL_ENTRIES];
  shared(device)->collected = ++device->queue.collected;
  return outcome(device, completion);
}
