// SPDX-License-Identifier: Apache-2.0
// The table of times by which the firmware decides.
#include <stdlib.h>
#include <string.h>

#include "driver/arguments.h"
#include "driver/layer.h"
#include "driver/messages.h"
#include "driver/queue.h"
#include "driver/stack_error.h"
#include "duplex/arithmetic.h"
#include "duplex/error.h"

#define TABLE_WORDS ((uint32_t)(sizeof(struct schedule_times) / 4))

int duplex_stack_set_times(struct duplex_stack *stack, const struct schedule_times *times) {
  const int error = need(stack, "times", times);
  if (error) return error;
  if (!schedule_valid(times))
    return stack_fail(stack, DUPLEX_ERROR_ARGUMENT, "the table of times is damaged, or of another version");
  // The firmware has it already: one layer of a model follows the other.
  if (stack->times && memcmp(stack->times, times, sizeof *times) == 0) return DUPLEX_OK;
  struct schedule_times *copy = malloc(sizeof *copy);
  if (!copy) return stack_no_memory(stack);
  *copy = *times;
  free(stack->times);
  stack->times = copy;
  stack->times_registered = 0;
  return DUPLEX_OK;
}

int layer_times_register(struct duplex_stack *stack) {
  const uint32_t generation = queue_allotment(stack)->generation;
  if (!stack->times)
    return stack_fail(stack, DUPLEX_ERROR_ARGUMENT, "a policy needs a table of times: there is none");
  if (stack->times_registered == generation) return DUPLEX_OK;
  int error = DUPLEX_OK;
  stack->times_registered = 0;
  for (uint32_t first = 0; first < TABLE_WORDS && !error; first += PROTOCOL_LIST_WORDS) {
    const struct layer_times_message message = {
        first, (uint32_t)duplex_smaller(TABLE_WORDS - first, PROTOCOL_LIST_WORDS)};
    memcpy(queue_list(stack), (const uint32_t *)stack->times + first, message.count * sizeof(uint32_t));
    error = message_run_beside(stack, MESSAGE_LAYER_TIMES, &message, sizeof message);
  }
  if (!error) stack->times_registered = generation;
  return error;
}
