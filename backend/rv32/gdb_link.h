// SPDX-License-Identifier: Apache-2.0
// Packets of GDB's remote protocol on a port of the loopback interface, one debugger at a time.
#ifndef DUPLEX_RV32_GDB_LINK_H
#define DUPLEX_RV32_GDB_LINK_H

#include <stdbool.h>
#include <stddef.h>

#define GDB_PACKET_BYTES 4096

struct gdb_link {
  int listener, socket;  // socket -1: no debugger is there
  bool interrupt;        // Ctrl-C has come and has not been answered
};

// Opens the port. False: text says why.
bool gdb_link_open(struct gdb_link *link, unsigned port, char *text, size_t size);
void gdb_link_close(struct gdb_link *link);

// Takes the next debugger that calls; false: there is none. wait: until one comes.
bool gdb_link_accept(struct gdb_link *link, bool wait);
// The debugger is gone, or is to be.
void gdb_link_leave(struct gdb_link *link);
static inline bool gdb_link_attached(const struct gdb_link *link) { return link->socket >= 0; }

// $text#sum. A debugger to which it cannot be sent is gone.
void gdb_link_send(struct gdb_link *link, const char *text);
// The text of the next packet, "" for one that is too long. False: the debugger is gone.
bool gdb_link_receive(struct gdb_link *link, char packet[GDB_PACKET_BYTES]);
// While the firmware runs: true, once, for each Ctrl-C.
bool gdb_link_interrupted(struct gdb_link *link);

#endif
