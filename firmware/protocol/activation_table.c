// SPDX-License-Identifier: Apache-2.0
// Which table the activation unit holds, and the table that a message brings.
#include "duplex/params.h"
#include "firmware/protocol.h"

#define TABLE_TILES_MOST (16384u / DUPLEX_TILE_BYTES)

bool client_table_loaded(const struct client *client, uint32_t serial) {
  const struct protocol *p = client->protocol;
  return p->table.generation == client->allotment.generation && p->table.queue == client->queue &&
         p->table.serial == serial;
}

void client_note_table(const struct client *client, uint32_t serial, bool loaded) {
  struct protocol *p = client->protocol;
  p->table.queue = client->queue;
  p->table.generation = loaded ? client->allotment.generation : 0;
  p->table.serial = serial;
}

enum completion_status client_table(const struct client *client, struct region table, uint32_t tiles) {
  if (tiles == 0 || tiles > TABLE_TILES_MOST) return COMPLETION_ARGUMENT;
  return client_owns(client, table, activation_row_sets(tiles, client->channels)) ? COMPLETION_DONE
                                                                                  : COMPLETION_REGION;
}
