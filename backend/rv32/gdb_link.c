// SPDX-License-Identifier: Apache-2.0
// The connection to a debugger: packets with their sums, Ctrl-C, coming and going.
#include "backend/rv32/gdb_link.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CTRL_C 3

bool gdb_link_open(struct gdb_link *link, unsigned port, char *text, size_t size) {
  struct sockaddr_in address = {
      .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  const int one = 1;
  *link = (struct gdb_link){socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), -1, false};
  if (link->listener >= 0) setsockopt(link->listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (port <= UINT16_MAX && link->listener >= 0 &&
      !bind(link->listener, (struct sockaddr *)&address, sizeof address) && !listen(link->listener, 1))
    return true;
  snprintf(text, size, "port %u cannot be opened for GDB: %s", port,
           port > UINT16_MAX ? "expected 1 to 65535" : strerror(errno));
  gdb_link_close(link);
  return false;
}

void gdb_link_close(struct gdb_link *link) {
  gdb_link_leave(link);
  if (link->listener >= 0) close(link->listener);
  link->listener = -1;
}

static bool is_readable(int file) {
  struct pollfd ready = {.fd = file, .events = POLLIN};
  return poll(&ready, 1, 0) > 0;
}

bool gdb_link_accept(struct gdb_link *link, bool wait) {
  const int one = 1;
  if (!wait && !is_readable(link->listener)) return false;
  do link->socket = accept4(link->listener, NULL, NULL, SOCK_CLOEXEC);
  while (link->socket < 0 && wait && errno == EINTR);
  if (link->socket < 0) return false;
  setsockopt(link->socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  link->interrupt = false;
  return true;
}

void gdb_link_leave(struct gdb_link *link) {
  if (link->socket >= 0) close(link->socket);
  link->socket = -1;
}

// All bytes, or the debugger is gone: that is no signal for the process.
static void send_bytes(struct gdb_link *link, const char *bytes, size_t size) {
  while (size && link->socket >= 0) {
    const ssize_t sent = send(link->socket, bytes, size, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) {
      gdb_link_leave(link);
      return;
    }
    bytes += sent, size -= (size_t)sent;
  }
}

// -1: the debugger is gone.
static int next_byte(struct gdb_link *link) {
  unsigned char byte;
  ssize_t got = -1;
  if (link->socket < 0) return -1;
  do got = recv(link->socket, &byte, 1, 0);
  while (got < 0 && errno == EINTR);
  if (got == 1) return byte;
  gdb_link_leave(link);
  return -1;
}

static unsigned char sum_of(const char *text) {
  unsigned char sum = 0;
  for (; *text; text++) sum = (unsigned char)(sum + (unsigned char)*text);
  return sum;
}

void gdb_link_send(struct gdb_link *link, const char *text) {
  char packet[GDB_PACKET_BYTES + 8];
  const int length = snprintf(packet, sizeof packet, "$%s#%02x", text, sum_of(text));
  send_bytes(link, packet, (size_t)length);
}

// Bytes up to the `#`; the sum of all of them. False: the debugger is gone.
static bool receive_text(struct gdb_link *link, char packet[GDB_PACKET_BYTES], unsigned char *sum) {
  size_t length = 0;
  int byte;
  *sum = 0;
  while ((byte = next_byte(link)) >= 0 && byte != '#') {
    *sum = (unsigned char)(*sum + byte);
    if (byte == '$')
      length = 0, *sum = 0;  // the one before was cut
    else if (length < GDB_PACKET_BYTES)
      packet[length++] = (char)byte;
  }
  packet[length < GDB_PACKET_BYTES ? length : 0] = 0;
  return byte >= 0;
}

bool gdb_link_receive(struct gdb_link *link, char packet[GDB_PACKET_BYTES]) {
  for (;;) {
    const int byte = next_byte(link);
    unsigned char sum;
    if (byte < 0) return false;
    if (byte == CTRL_C) link->interrupt = true;  // stops the firmware when it is resumed
    if (byte != '$') continue;
    if (!receive_text(link, packet, &sum)) return false;
    const char digits[3] = {(char)next_byte(link), (char)next_byte(link), 0};
    const bool right = strtoul(digits, NULL, 16) == sum;
    send_bytes(link, right ? "+" : "-", 1);
    if (right) return link->socket >= 0;
  }
}

bool gdb_link_interrupted(struct gdb_link *link) {
  while (!link->interrupt && link->socket >= 0 && is_readable(link->socket))
    link->interrupt = next_byte(link) == CTRL_C;  // an acknowledgement says nothing
  const bool interrupt = link->interrupt && link->socket >= 0;
  link->interrupt = false;
  return interrupt;
}
