// SPDX-License-Identifier: Apache-2.0
// Remote stub for GDB: one debugger on the loopback interface. Registers, memory, breakpoints, steps; the
// stack's clock stands while the debugger looks.
#include "backend/rv32/gdb.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "backend/rv32/cpu.h"
#include "duplex/arithmetic.h"

#define PACKET_BYTES 4096
#define BREAKPOINTS 32
#define PC 32  // its number for GDB, behind x0 to x31
#define REGISTERS 33

struct gdb {
  int socket;
  bool attached, running, step, trapped;
  bool stopped_here;  // the instruction at which it stopped has not been executed yet
  uint32_t stopped_at;
  unsigned breakpoints;
  uint32_t breakpoint[BREAKPOINTS];
};

static const char target[] =
    "<?xml version=\"1.0\"?><!DOCTYPE target SYSTEM "
    "\"gdb-target.dtd\"><target><architecture>riscv:rv32</architecture>"
    "<feature name=\"org.gnu.gdb.riscv.cpu\">"
#define REG(name) "<reg name=\"" name "\" bitsize=\"32\" type=\"int\"/>"
    REG("zero") REG("ra") REG("sp") REG("gp") REG("tp") REG("t0") REG("t1") REG("t2") REG("fp") REG("s1")
        REG("a0") REG("a1") REG("a2") REG("a3") REG("a4") REG("a5") REG("a6") REG("a7") REG("s2") REG("s3")
            REG("s4") REG("s5") REG("s6") REG("s7") REG("s8") REG("s9") REG("s10") REG("s11") REG("t3")
                REG("t4") REG("t5")
                    REG("t6") "<reg name=\"pc\" bitsize=\"32\" type=\"code_ptr\"/></feature></target>";

struct gdb *gdb_open(unsigned port, char *text, size_t size) {
  struct sockaddr_in address = {
      .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  const int one = 1;
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct gdb *gdb = calloc(1, sizeof *gdb);
  if (listener >= 0) setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (!gdb || listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof address) ||
      listen(listener, 1)) {
    snprintf(text, size, "port %u cannot be opened for GDB: %s", port, strerror(errno));
    if (listener >= 0) close(listener);
    free(gdb);
    return NULL;
  }
  fprintf(stderr, "waiting for GDB: target remote 127.0.0.1:%u\n", port);
  gdb->socket = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
  close(listener);
  if (gdb->socket < 0) {
    snprintf(text, size, "GDB: %s", strerror(errno));
    free(gdb);
    return NULL;
  }
  setsockopt(gdb->socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  gdb->attached = true;
  return gdb;
}

void gdb_close(struct gdb *gdb) {
  if (gdb->attached) (void)!write(gdb->socket, "$W00#b7", 7);
  close(gdb->socket);
  free(gdb);
}

bool gdb_wants_stop(const struct gdb *gdb) { return gdb->attached && (gdb->step || gdb->breakpoints); }

// The debugger is gone; the firmware runs on.
static void leave(struct gdb *gdb) {
  gdb->attached = false;
  gdb->breakpoints = 0;
  gdb->step = false;
}

// -1: the debugger is gone.
static int next_byte(struct gdb *gdb) {
  unsigned char byte;
  if (gdb->attached && read(gdb->socket, &byte, 1) == 1) return byte;
  leave(gdb);
  return -1;
}

// $text#sum; the debugger has gone if it cannot be sent.
static void send_packet(struct gdb *gdb, const char *text) {
  unsigned char sum = 0;
  char end[4];
  for (const char *c = text; *c; c++) sum = (unsigned char)(sum + (unsigned char)*c);
  snprintf(end, sizeof end, "#%02x", sum);
  const bool sent = write(gdb->socket, "$", 1) == 1 &&
                    write(gdb->socket, text, strlen(text)) == (ssize_t)strlen(text) &&
                    write(gdb->socket, end, 3) == 3;
  if (!sent) leave(gdb);
}

// False: the debugger is gone.
static bool receive_packet(struct gdb *gdb, char packet[PACKET_BYTES]) {
  int byte;
  do byte = next_byte(gdb);
  while (byte >= 0 && byte != '$' && byte != 3);
  if (byte == 3) return strcpy(packet, "?"), true;
  size_t length = 0;
  while ((byte = next_byte(gdb)) >= 0 && byte != '#')
    if (length + 1 < PACKET_BYTES) packet[length++] = (char)byte;
  packet[length] = 0;
  next_byte(gdb), next_byte(gdb);  // the sum: TCP keeps it right
  if (gdb->attached) (void)!write(gdb->socket, "+", 1);
  return gdb->attached;
}

// A word as GDB writes it: 8 digits, lowest byte first.
static void put_word(char *text, uint32_t value) {
  for (unsigned i = 0; i < 4; i++) sprintf(text + 2 * i, "%02x", value >> 8 * i & 0xff);
}

static uint32_t get_word(const char *text) {
  char digits[9] = {0};
  for (unsigned i = 0; i < 4 && strlen(text) >= 2 * (i + 1); i++) memcpy(digits + 6 - 2 * i, text + 2 * i, 2);
  return (uint32_t)strtoul(digits, NULL, 16);
}

static uint32_t get_register(struct platform *p, unsigned number) {
  if (number == PC) return p->pc;
  return number ? cpu_register(p, UC_RISCV_REG_X0 + (int)number) : 0;
}

static void set_register(struct platform *p, unsigned number, uint32_t value) {
  if (number == PC) {
    p->pc = value;
  } else if (number && number < PC) {
    cpu_set_register(p, UC_RISCV_REG_X0 + (int)number, value);
  }
}

static void read_registers(struct gdb *gdb, struct platform *p) {
  char text[8 * REGISTERS + 1];
  for (unsigned i = 0; i < REGISTERS; i++) put_word(text + 8 * i, get_register(p, i));
  send_packet(gdb, text);
}

static void write_registers(struct gdb *gdb, struct platform *p, const char *packet) {
  for (unsigned i = 0; i < REGISTERS && strlen(packet) >= 8 * (i + 1); i++)
    set_register(p, i, get_word(packet + 8 * i));
  send_packet(gdb, "OK");
}

// RAM only: a look at a register would change what the firmware sees.
static bool is_memory(uint32_t address) { return address >= 0x80000000u; }

// m ADDRESS,BYTES
static void read_memory(struct gdb *gdb, struct platform *p, const char *packet) {
  char *end, text[PACKET_BYTES];
  const uint32_t address = (uint32_t)strtoul(packet, &end, 16);
  const uint32_t bytes = *end ? (uint32_t)strtoul(end + 1, NULL, 16) : 0;
  uint8_t data[(PACKET_BYTES - 1) / 2];
  if (bytes > sizeof data || !is_memory(address) || uc_mem_read(p->engine, address, data, bytes)) {
    send_packet(gdb, "E01");
    return;
  }
  text[0] = 0;
  for (uint32_t i = 0; i < bytes; i++) sprintf(text + 2 * i, "%02x", data[i]);
  send_packet(gdb, text);
}

// M ADDRESS,BYTES:DIGITS
static void write_memory(struct gdb *gdb, struct platform *p, const char *packet) {
  char *end;
  const uint32_t address = (uint32_t)strtoul(packet, &end, 16);
  const uint32_t bytes = *end ? (uint32_t)strtoul(end + 1, &end, 16) : 0;
  bool good = *end == ':' && strlen(end + 1) >= 2 * (size_t)bytes && is_memory(address);
  for (uint32_t i = 0; good && i < bytes; i++) {
    const char digits[3] = {end[1 + 2 * i], end[2 + 2 * i], 0};
    const uint8_t byte = (uint8_t)strtoul(digits, NULL, 16);
    good = !uc_mem_write(p->engine, address + i, &byte, 1);
  }
  send_packet(gdb, good ? "OK" : "E01");
}

static int find_breakpoint(const struct gdb *gdb, uint32_t address) {
  for (unsigned i = 0; i < gdb->breakpoints; i++)
    if (gdb->breakpoint[i] == address) return (int)i;
  return -1;
}

// Z0,ADDRESS sets a breakpoint, z0,ADDRESS deletes it.
static void change_breakpoint(struct gdb *gdb, const char *packet) {
  const char *comma = strchr(packet, ',');
  const uint32_t address = comma ? (uint32_t)strtoul(comma + 1, NULL, 16) : 0;
  const int found = find_breakpoint(gdb, address);
  if (packet[1] != '0' && packet[1] != '1') {
    send_packet(gdb, "");
    return;
  }
  if (packet[0] == 'Z' && found < 0) {
    if (gdb->breakpoints == BREAKPOINTS) {
      send_packet(gdb, "E01");
      return;
    }
    gdb->breakpoint[gdb->breakpoints++] = address;
  }
  if (packet[0] == 'z' && found >= 0) gdb->breakpoint[found] = gdb->breakpoint[--gdb->breakpoints];
  send_packet(gdb, "OK");
}

// q...: what the stub can do, the description of the registers, whether it was attached.
static void query(struct gdb *gdb, const char *packet) {
  static const char features[] = "qXfer:features:read:target.xml:";
  char text[PACKET_BYTES];
  if (strncmp(packet, "qSupported", 10) == 0) {
    snprintf(text, sizeof text, "PacketSize=%x;qXfer:features:read+", PACKET_BYTES - 16);
    send_packet(gdb, text);
  } else if (strncmp(packet, features, sizeof features - 1) == 0) {
    char *end;
    const size_t from = strtoul(packet + sizeof features - 1, &end, 16);
    const size_t most = *end ? strtoul(end + 1, NULL, 16) : 0;
    const size_t left = from < sizeof target - 1 ? sizeof target - 1 - from : 0;
    size_t part = duplex_smaller(left, most);
    if (part > sizeof text - 2) part = sizeof text - 2;
    snprintf(text, sizeof text, "%c%.*s", part < left ? 'm' : 'l', (int)part, target + (left ? from : 0));
    send_packet(gdb, text);
  } else if (strcmp(packet, "qAttached") == 0) {
    send_packet(gdb, "1");
  } else {
    send_packet(gdb, "");
  }
}

// p NUMBER reads, P NUMBER=VALUE writes.
static void one_register(struct gdb *gdb, struct platform *p, const char *packet) {
  char *end, text[9];
  const unsigned number = (unsigned)strtoul(packet + 1, &end, 16);
  if (number >= REGISTERS) {
    send_packet(gdb, "E01");
  } else if (packet[0] == 'p') {
    put_word(text, get_register(p, number));
    send_packet(gdb, text);
  } else {
    if (*end) set_register(p, number, get_word(end + 1));
    send_packet(gdb, "OK");
  }
}

// The firmware runs on: for one instruction, or until something stops it.
static void resume(struct gdb *gdb, const struct platform *p, bool step) {
  gdb->step = step;
  gdb->running = gdb->stopped_here = true;
  gdb->stopped_at = p->pc;
}

// Packets about registers and memory; false: it is another one.
static bool answer_access(struct gdb *gdb, struct platform *p, const char *packet) {
  switch (packet[0]) {
    case 'g':
      return read_registers(gdb, p), true;
    case 'G':
      return write_registers(gdb, p, packet + 1), true;
    case 'p':
    case 'P':
      return one_register(gdb, p, packet), true;
    case 'm':
      return read_memory(gdb, p, packet + 1), true;
    case 'M':
      return write_memory(gdb, p, packet + 1), true;
    default:
      return false;
  }
}

// Packets about the run and the debugger itself.
static void answer_control(struct gdb *gdb, struct platform *p, const char *packet) {
  switch (packet[0]) {
    case '?':
      send_packet(gdb, "S05");
      break;
    case 'Z':
    case 'z':
      change_breakpoint(gdb, packet);
      break;
    case 'c':
    case 's':
      resume(gdb, p, packet[0] == 's');
      break;
    case 'D':
    case 'k':
      if (packet[0] == 'D') send_packet(gdb, "OK");
      leave(gdb);
      break;
    case 'H':
      send_packet(gdb, "OK");
      break;
    case 'q':
      query(gdb, packet);
      break;
    default:
      send_packet(gdb, "");
      break;
  }
}

// Answers packets until the firmware shall run on.
static void talk(struct gdb *gdb, struct platform *p) {
  char packet[PACKET_BYTES];
  gdb->running = false;
  while (!gdb->running && receive_packet(gdb, packet))
    if (!answer_access(gdb, p, packet)) answer_control(gdb, p, packet);
}

// The debugger wants to be heard, or has gone.
static bool interrupted(const struct gdb *gdb) {
  struct pollfd ready = {.fd = gdb->socket, .events = POLLIN};
  return poll(&ready, 1, 0) > 0;
}

void gdb_serve(struct gdb *gdb, struct platform *p) {
  if (!gdb->attached) return;
  if (!gdb->running) {  // the first time: GDB asks why it stands
    talk(gdb, p);
    return;
  }
  const bool here = gdb->stopped_here && gdb->stopped_at == p->pc;
  gdb->stopped_here = false;
  if (here || !(gdb->step || find_breakpoint(gdb, p->pc) >= 0 || interrupted(gdb))) return;
  send_packet(gdb, "S05");
  talk(gdb, p);
}

void gdb_trap(struct gdb *gdb, struct platform *p) {
  if (!gdb->attached) return;
  send_packet(gdb, "S0b");
  talk(gdb, p);
}
