// SPDX-License-Identifier: Apache-2.0
// Brings a table into the activation unit of a stack.
#include "driver/activation_table.h"

#include <string.h>

#include "driver/messages.h"
#include "driver/stack_error.h"
#include "driver/tokens.h"
#include "driver/transfer.h"
#include "duplex/error.h"

#define IMAGE_TILES ((DUPLEX_ACTIVATION_IMAGE_BYTES + TILE_BYTES - 1) / TILE_BYTES)

struct expert_message activation_table_message(const struct duplex_stack *stack) {
  return (struct expert_message){
      .table = message_region(stack->table), .table_tiles = IMAGE_TILES, .table_serial = stack->table_serial};
}

// The table's image goes to DRAM tile by tile, over the channels.
static int upload_image(struct duplex_stack *stack, const struct duplex_activation_table *table) {
  uint8_t image[IMAGE_TILES * TILE_BYTES] = {0};
  duplex_activation_image(table, image);
  for (uint32_t tile = 0; tile < IMAGE_TILES; tile++) {
    const int error =
        region_write(stack, tile % stack->channels, stack->table, tile / stack->channels * TILE_BYTES,
                     image + tile * TILE_BYTES, TILE_BYTES);
    if (error) return error;
  }
  return DUPLEX_OK;
}

int activation_table_load(struct duplex_stack *stack, const struct duplex_activation_table *table) {
  if (stack->loaded_table && memcmp(&stack->table_copy, table, sizeof *table) == 0) return DUPLEX_OK;
  if (stack->queue.produced != stack->queue.collected)
    return stack_fail(stack, DUPLEX_ERROR_BUSY,
                      "jobs with another activation table are in flight: wait for them first");
  stack->loaded_table = NULL;
  stack->table_serial++;
  int error = upload_image(stack, table);
  if (error) return error;
  const struct expert_message message = activation_table_message(stack);
  error = message_run(stack, MESSAGE_EXPERT, &message, sizeof message);
  if (error) return error;
  stack->table_copy = *table;
  stack->loaded_table = &stack->table_copy;
  return DUPLEX_OK;
}
