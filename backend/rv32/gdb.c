// SPDX-License-Identifier: Apache-2.0
// Remote stub for GDB: one debugger on the loopback interface. Registers, memory, breakpoints, steps; the
// stack's clock stands while the debugger looks.
#include "backend/rv32/gdb.h"

#include <stdlib.h>
#include <string.h>

#include "backend/rv32/cpu.h"
#include "backend/rv32/gdb_link.h"
#include "duplex/arithmetic.h"

#define PACKET_BYTES GDB_PACKET_BYTES
#define BREAKPOINTS 32
#define PC 32  // its number for GDB, behind x0 to x31
#define REGISTERS 33

// Signals, as GDB numbers them.
enum { SIGNAL_INT = 2, SIGNAL_ILL = 4, SIGNAL_TRAP = 5, SIGNAL_SEGV = 11 };

struct gdb {
  struct gdb_link link;
  bool running, step;
  bool stopped_here;  // the instruction at which it stopped has not been executed yet
  uint32_t stopped_at;
  unsigned signal;  // of the last stop
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

// A debugger comes: the firmware stands until it is told to run.
static void greet(struct gdb *gdb) {
  gdb->running = gdb->step = false;
  gdb->signal = SIGNAL_TRAP;
  gdb->breakpoints = 0;
}

struct gdb *gdb_open(unsigned port, char *text, size_t size) {
  struct gdb *gdb = calloc(1, sizeof *gdb);
  if (!gdb) {
    snprintf(text, size, "too little memory for GDB");
    return NULL;
  }
  if (!gdb_link_open(&gdb->link, port, text, size)) {
    free(gdb);
    return NULL;
  }
  fprintf(stderr, "waiting for GDB: target remote 127.0.0.1:%u\n", port);
  if (!gdb_link_accept(&gdb->link, true)) {
    snprintf(text, size, "GDB cannot be waited for on port %u", port);
    gdb_close(gdb);
    return NULL;
  }
  greet(gdb);
  return gdb;
}

void gdb_close(struct gdb *gdb) {
  if (gdb_link_attached(&gdb->link)) gdb_link_send(&gdb->link, "W00");
  gdb_link_close(&gdb->link);
  free(gdb);
}

bool gdb_wants_stop(const struct gdb *gdb) {
  return gdb_link_attached(&gdb->link) && (gdb->step || gdb->breakpoints);
}

static void send_packet(struct gdb *gdb, const char *text) { gdb_link_send(&gdb->link, text); }

// Why the firmware stands.
static void send_stop(struct gdb *gdb) {
  char text[8];
  snprintf(text, sizeof text, "S%02x", gdb->signal);
  send_packet(gdb, text);
}

// A word as GDB writes it: 8 digits, lowest byte first.
static void put_word(char *text, uint32_t value) {
  for (unsigned i = 0; i < 4; i++) sprintf(text + 2 * i, "%02x", value >> 8 * i & 0xff);
}

// A word of eight hexadecimal digits as GDB sends it, lowest byte first; missing digits are 0.
static uint32_t get_word(const char *text) {
  char digits[9] = {0};
  for (unsigned i = 0; i < 4 && strlen(text) >= 2 * (i + 1); i++) memcpy(digits + 6 - 2 * i, text + 2 * i, 2);
  return (uint32_t)strtoul(digits, NULL, 16);
}

// A register by GDB's number: x0 to x31, then the program counter.
static uint32_t get_register(struct platform *p, unsigned number) {
  if (number == PC) return p->pc;
  return number ? cpu_register(p, UC_RISCV_REG_X0 + (int)number) : 0;
}

// The same, written; x0 and numbers that there are not stay as they are.
static void set_register(struct platform *p, unsigned number, uint32_t value) {
  if (number == PC) {
    p->pc = value;
  } else if (number && number < PC) {
    cpu_set_register(p, UC_RISCV_REG_X0 + (int)number, value);
  }
}

// Answers with all registers in GDB's order.
static void read_registers(struct gdb *gdb, struct platform *p) {
  char text[8 * REGISTERS + 1];
  for (unsigned i = 0; i < REGISTERS; i++) put_word(text + 8 * i, get_register(p, i));
  send_packet(gdb, text);
}

// Takes as many whole registers as the packet has, in GDB's order.
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
  const uint32_t bytes = *end == ',' ? (uint32_t)strtoul(end + 1, NULL, 16) : 0;
  uint8_t data[(PACKET_BYTES - 1) / 2];
  if (bytes == 0 || bytes > sizeof data || !is_memory(address) ||
      uc_mem_read(p->engine, address, data, bytes)) {
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
  const uint32_t bytes = *end == ',' ? (uint32_t)strtoul(end + 1, &end, 16) : 0;
  bool good = *end == ':' && strlen(end + 1) >= 2 * (size_t)bytes && is_memory(address);
  for (uint32_t i = 0; good && i < bytes; i++) {
    const char digits[3] = {end[1 + 2 * i], end[2 + 2 * i], 0};
    const uint8_t byte = (uint8_t)strtoul(digits, NULL, 16);
    good = !uc_mem_write(p->engine, address + i, &byte, 1);
  }
  send_packet(gdb, good ? "OK" : "E01");
}

// The place of the breakpoint at an address in the list, or -1.
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
  if (!comma) {
    send_packet(gdb, "E01");
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

// Part of the description of the registers: `l` before the last one, `m` before the others. range:
// FROM,BYTES.
static void send_target(struct gdb *gdb, const char *range) {
  char *end, text[PACKET_BYTES];
  const size_t from = strtoul(range, &end, 16);
  const size_t most = *end ? strtoul(end + 1, NULL, 16) : 0;
  const size_t left = from < sizeof target - 1 ? sizeof target - 1 - from : 0;
  const size_t part = duplex_smaller(duplex_smaller(left, most), sizeof text - 2);
  snprintf(text, sizeof text, "%c%.*s", part < left ? 'm' : 'l', (int)part, target + (left ? from : 0));
  send_packet(gdb, text);
}

// q...: what this side can do, the description of the registers, its one thread, whether it was attached to.
static void query(struct gdb *gdb, const char *packet) {
  static const char features[] = "qXfer:features:read:target.xml:";
  static const struct {
    const char *query, *answer;
  } constant[] = {
      {"qAttached", "1"}, {"qC", "QC1"}, {"qfThreadInfo", "m1"}, {"qsThreadInfo", "l"}, {"qSymbol::", "OK"}};
  char text[64];
  if (strncmp(packet, "qSupported", 10) == 0) {
    snprintf(text, sizeof text, "PacketSize=%x;qXfer:features:read+;vContSupported+", PACKET_BYTES - 16);
    send_packet(gdb, text);
    return;
  }
  if (strncmp(packet, features, sizeof features - 1) == 0) {
    send_target(gdb, packet + sizeof features - 1);
    return;
  }
  for (size_t i = 0; i < sizeof constant / sizeof *constant; i++)
    if (strcmp(packet, constant[i].query) == 0 ||
        (strcmp(constant[i].query, "qAttached") == 0 && strncmp(packet, "qAttached:", 10) == 0)) {
      send_packet(gdb, constant[i].answer);
      return;
    }
  send_packet(gdb, "");
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
    const bool good = *end == '=' && strlen(end + 1) == 8;
    if (good) set_register(p, number, get_word(end + 1));
    send_packet(gdb, good ? "OK" : "E01");
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

// c, s, C SIGNAL, S SIGNAL, each with an address or without: a signal is nothing to the firmware.
static void resume_at(struct gdb *gdb, struct platform *p, const char *packet) {
  const bool with_signal = packet[0] == 'C' || packet[0] == 'S';
  const char *address = with_signal ? strchr(packet, ';') : packet;
  if (address && address[1]) p->pc = (uint32_t)strtoul(address + 1, NULL, 16);
  resume(gdb, p, packet[0] == 's' || packet[0] == 'S');
}

// The debugger goes, and the firmware runs on without it. Another one may come.
static void leave(struct gdb *gdb, const char *answer) {
  if (answer) send_packet(gdb, answer);
  gdb_link_leave(&gdb->link);
}

// v...: what the only thread shall do; kill.
static void answer_v(struct gdb *gdb, struct platform *p, const char *packet) {
  if (strcmp(packet, "vCont?") == 0) {
    send_packet(gdb, "vCont;c;C;s;S");
  } else if (strncmp(packet, "vCont;", 6) == 0 && packet[6] && strchr("cCsS", packet[6])) {
    resume(gdb, p, packet[6] == 's' || packet[6] == 'S');  // the first action is that of the only thread
  } else if (strncmp(packet, "vCont;", 6) == 0) {
    send_packet(gdb, "E01");
  } else if (strncmp(packet, "vKill;", 6) == 0) {
    leave(gdb, "OK");
  } else {
    send_packet(gdb, "");
  }
}

// Packets about the run and the debugger itself.
static void answer_control(struct gdb *gdb, struct platform *p, const char *packet) {
  switch (packet[0]) {
    case '?':
      send_stop(gdb);
      break;
    case 'Z':
    case 'z':
      change_breakpoint(gdb, packet);
      break;
    case 'c':
    case 's':
    case 'C':
    case 'S':
      resume_at(gdb, p, packet);
      break;
    case 'v':
      answer_v(gdb, p, packet);
      break;
    case 'D':
      leave(gdb, "OK");
      break;
    case 'k':
      leave(gdb, NULL);
      break;
    case 'H':
    case 'T':
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
  while (!gdb->running && gdb_link_receive(&gdb->link, packet))
    if (!answer_access(gdb, p, packet)) answer_control(gdb, p, packet);
}

// The firmware stands: tells why, once, and serves the debugger.
static void stop(struct gdb *gdb, struct platform *p, unsigned signal) {
  gdb->signal = signal;
  send_stop(gdb);
  talk(gdb, p);
}

// A debugger is there; one that comes now finds the firmware standing.
static bool attached(struct gdb *gdb) {
  if (gdb_link_attached(&gdb->link)) return true;
  if (!gdb_link_accept(&gdb->link, false)) return false;
  greet(gdb);
  return true;
}

void gdb_serve_asleep(struct gdb *gdb, struct platform *p) {
  if (!attached(gdb)) return;
  if (!gdb->running) {
    talk(gdb, p);
  } else if (gdb_link_interrupted(&gdb->link)) {
    stop(gdb, p, SIGNAL_INT);
  }
}

void gdb_serve(struct gdb *gdb, struct platform *p) {
  if (!attached(gdb)) return;
  if (!gdb->running) {  // the first time: GDB asks why it stands
    talk(gdb, p);
    return;
  }
  const bool here = gdb->stopped_here && gdb->stopped_at == p->pc;
  gdb->stopped_here = false;
  if (gdb_link_interrupted(&gdb->link)) {
    stop(gdb, p, SIGNAL_INT);
  } else if (!here && (gdb->step || find_breakpoint(gdb, p->pc) >= 0)) {
    stop(gdb, p, SIGNAL_TRAP);
  }
}

// The signal that a debugger knows for an exception.
static unsigned signal_of(uint32_t cause) {
  if (cause == CAUSE_ILLEGAL) return SIGNAL_ILL;
  return cause == CAUSE_BREAKPOINT || cause >= CAUSE_ECALL_U ? SIGNAL_TRAP : SIGNAL_SEGV;
}

void gdb_trap(struct gdb *gdb, struct platform *p, uint32_t cause) {
  if (gdb_link_attached(&gdb->link)) stop(gdb, p, signal_of(cause));
}
