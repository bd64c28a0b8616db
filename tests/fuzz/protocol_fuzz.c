// SPDX-License-Identifier: Apache-2.0
// Fuzzing of what reads foreign bytes: messages and counters of the queues, descriptors, firmware files
// (docs/protocol.md).
//
// The first byte chooses the target. Queues: the bytes become two clients' queues; the firmware serves them
// on a ring that checks every descriptor: it must be one that the stack accepts, and read and write only rows
// of its client. Descriptors: the check of the stack, and what it accepts stays within DRAM. Files: the ELF
// parser. With -DREPLAY a program of its own: reads the files of its arguments, one case each.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/rv32/image.h"
#include "cmodel/control/descriptor_check.h"
#include "duplex/descriptor.h"
#include "duplex/params.h"
#include "duplex/registers.h"
#include "firmware/kernels/ring.h"
#include "firmware/protocol.h"
#include "tests/fuzz/require.h"

enum { QUEUE_ROWS = 4096, MAILBOX = 14000, MAILBOX_ROWS = 1000, ROUNDS = 24 };

// A stack without arithmetic
// ----------------------------------------------------------------------------------------------------------------
struct ring_stack {
  uint32_t ring[DUPLEX_RING_ENTRIES * DUPLEX_DESCRIPTOR_WORDS];
  uint32_t produced, completed, error_code;
  uint32_t refuse;  // descriptors until the stack refuses one, 0: never
  uint32_t silent;  // interrupts until none comes any more, 0: never
  uint32_t channels;
  struct protocol *protocol;
};

// Whose job is or was served last: the firmware looks for its cancellation.
static uint32_t served_queue(const struct protocol *protocol) {
  return (uint32_t)(((uintptr_t)protocol->hal.cancel - (uintptr_t)protocol->box->queue) /
                    sizeof(struct queue));
}

// Rows of a bundle that logical row sets base to base + count - 1 lie in must be the client's.
static void check_rows(const struct ring_stack *stack, uint32_t base, uint32_t stripe, uint32_t count) {
  REQUIRE(stripe && count);
  const uint32_t bundles = (uint32_t)__builtin_popcount(stripe);
  const uint32_t first = base / bundles;
  const uint32_t last = (base + count - 1) / bundles;
  const uint32_t q = served_queue(stack->protocol);
  const uint32_t low = q * QUEUE_ROWS;
  const uint32_t high = MAILBOX + q * MAILBOX_ROWS;
  REQUIRE((first >= low && last < low + QUEUE_ROWS) || (first >= high && last < high + MAILBOX_ROWS));
}

// K, V, q and o lie in the client's rows.
static void check_attention(const struct ring_stack *stack, const uint32_t *d) {
  const uint32_t source = DUPLEX_DESCRIPTOR_GET(d, SRC_STRIPE);
  const uint32_t target = DUPLEX_DESCRIPTOR_GET(d, DST_STRIPE);
  const uint32_t spread = DUPLEX_DESCRIPTOR_GET(d, SPREAD);
  const uint32_t tiles = (DUPLEX_DESCRIPTOR_GET(d, HEAD_SIZE) + 63) / 64;
  const uint32_t slots = (DUPLEX_DESCRIPTOR_GET(d, HEADS) - 1) / stack->channels + 1;
  const uint32_t of_64 = (DUPLEX_DESCRIPTOR_GET(d, LENGTH) + 63) / 64;
  const uint32_t blocks = (of_64 + (1u << spread) - 1) >> spread;
  const uint32_t to_slot = (slots - 1) * DUPLEX_DESCRIPTOR_GET(d, SRC_STRIDE);
  const uint32_t to_block = (tiles - 1) * DUPLEX_DESCRIPTOR_GET(d, V_BLOCK_STRIDE);
  check_rows(stack, DUPLEX_DESCRIPTOR_GET(d, SRC_BASE), source, to_slot + blocks * tiles);
  check_rows(stack, DUPLEX_DESCRIPTOR_GET(d, V_BASE), source, to_slot + to_block + blocks);
  check_rows(stack, DUPLEX_DESCRIPTOR_GET(d, Q_BASE), target, slots);
  check_rows(stack, DUPLEX_DESCRIPTOR_GET(d, DST_BASE), target, slots);
}

// A tile of a LOAD has eight beats in its channel, a row set has 64.
static void check_load(const struct ring_stack *stack, const uint32_t *d) {
  const uint32_t tiles = (DUPLEX_DESCRIPTOR_GET(d, TILES) + stack->channels - 1) / stack->channels;
  check_rows(stack, DUPLEX_DESCRIPTOR_GET(d, SRC_BASE), DUPLEX_DESCRIPTOR_GET(d, SRC_STRIPE),
             (tiles + 7) / 8);
}

// Beats of a block of weights in one channel.
static uint32_t block_beats(const uint32_t *d) {
  return DUPLEX_DESCRIPTOR_GET(d, BLOCK_ROWS) * DUPLEX_DESCRIPTOR_GET(d, K_TILES) +
         DUPLEX_DESCRIPTOR_GET(d, EXPONENTS);
}

// Weights, and results in DRAM, lie in the client's rows.
static void check_gemm(const struct ring_stack *stack, const uint32_t *d) {
  static const uint32_t row_bytes[] = {16, 32, 128};
  const uint32_t further = DUPLEX_DESCRIPTOR_GET(d, BLOCKS) - 1;
  const uint32_t pairs = (DUPLEX_DESCRIPTOR_GET(d, K_TILES) + 1) / 2;
  const uint32_t of_block = DUPLEX_DESCRIPTOR_GET(d, TWO_STREAMS) ? 2 * pairs : (block_beats(d) + 63) / 64;
  check_rows(stack, DUPLEX_DESCRIPTOR_GET(d, SRC_BASE), DUPLEX_DESCRIPTOR_GET(d, SRC_STRIPE),
             further * DUPLEX_DESCRIPTOR_GET(d, SRC_STRIDE) + of_block);
  if (DUPLEX_DESCRIPTOR_GET(d, DESTINATION) != DUPLEX_DESTINATION_DRAM) return;
  const uint32_t rows = DUPLEX_DESCRIPTOR_GET(d, GROUPS) * DUPLEX_DESCRIPTOR_GET(d, BLOCK_ROWS);
  const uint32_t columns = (rows * row_bytes[DUPLEX_DESCRIPTOR_GET(d, FORMAT)] + 255) / 256;
  const uint32_t all = further * DUPLEX_DESCRIPTOR_GET(d, DST_STRIDE) + columns;
  check_rows(stack, DUPLEX_DESCRIPTOR_GET(d, DST_BASE), DUPLEX_DESCRIPTOR_GET(d, DST_STRIPE),
             (all + 31) / 32);
}

// What the firmware wrote into the ring; for attention it checks the regions only, the stack the rest.
static void check_descriptor(const struct ring_stack *stack, const uint32_t *d) {
  uint32_t address;
  const uint32_t opcode = DUPLEX_DESCRIPTOR_GET(d, OPCODE);
  const uint32_t code = descriptor_check(d, stack->channels, 0xf, &address);
  REQUIRE(code == 0 || opcode == DUPLEX_OPCODE_ATTENTION);
  if (code) return;
  if (opcode == DUPLEX_OPCODE_ATTENTION)
    check_attention(stack, d);
  else if (opcode == DUPLEX_OPCODE_LOAD)
    check_load(stack, d);
  else
    check_gemm(stack, d);
}

static uint32_t read_register(void *context, uint32_t address) {
  struct ring_stack *stack = context;
  switch (address) {
    case DUPLEX_REG_DOORBELL:
    case DUPLEX_REG_CONSUMER:
      return stack->produced & 0xffff;
    case DUPLEX_REG_COMPLETED:
      return stack->completed;
    case DUPLEX_REG_ERROR_CODE:
      return stack->error_code;
    default:
      return 0;
  }
}

static void write_register(void *context, uint32_t address, uint32_t value) {
  struct ring_stack *stack = context;
  if (address >= DUPLEX_REG_RING) {
    REQUIRE(address < DUPLEX_REG_RING + sizeof stack->ring);
    stack->ring[(address - DUPLEX_REG_RING) / 4] = value;
  } else if (address == DUPLEX_REG_DOORBELL) {
    REQUIRE(value == ((stack->produced + 1) & 0xffff));
    const uint32_t slot = stack->produced++ % DUPLEX_RING_ENTRIES;
    check_descriptor(stack, stack->ring + slot * DUPLEX_DESCRIPTOR_WORDS);
    if (stack->refuse && --stack->refuse == 0) {
      stack->error_code = DUPLEX_STACK_ERROR_STRIPE;
    } else if (!stack->error_code) {
      stack->completed++;
    }
  } else if (address == DUPLEX_REG_ERROR_CODE) {
    stack->error_code = 0;
  }
}

static int wait_interrupt(void *context) {
  struct ring_stack *stack = context;
  return stack->error_code == 0 || (stack->silent && --stack->silent == 0);
}

static uint8_t take(const uint8_t **data, size_t *size) {
  if (!*size) return 0;
  (*size)--;
  return *(*data)++;
}

// Values near the limits, and near what is right, come often.
static uint32_t word(const uint8_t **data, size_t *size, uint32_t right) {
  static const uint32_t limits[] = {0,    1,    2,     63,    64,    65,    512,   513,       1024,
                                    4095, 4096, 16383, 16384, 32768, 65535, 65536, UINT32_MAX};
  const uint8_t how = take(data, size);
  if (how < 180) return right;
  if (how < 200) return limits[take(data, size) % (sizeof limits / sizeof *limits)];
  if (how < 215) return right + (uint32_t)(int8_t)take(data, size);
  if (how < 230) return take(data, size);
  uint32_t value = 0;
  for (unsigned i = 0; i < 4; i++) value = value << 8 | take(data, size);
  return value;
}

#define WORD(right) word(data, size, right)

static struct matrix_words matrix(const uint8_t **data, size_t *size, uint32_t rows, uint32_t k,
                                  uint32_t flags, uint32_t base) {
  return (struct matrix_words){WORD(rows), WORD(k), WORD(flags), WORD(base), WORD(0xf)};
}

static void fill_message(volatile struct message *to, const uint8_t **data, size_t *size, uint32_t q,
                         uint32_t number) {
  const uint32_t base = q * QUEUE_ROWS * 4;
  const uint32_t mailbox = (MAILBOX + q * MAILBOX_ROWS) * 4;
  const uint32_t rows = 1 + take(data, size) * 4u;
  const uint32_t k = 1 + take(data, size) * 16u;
  const bool expert = take(data, size) & 1;
  const bool gated = take(data, size) & 1;
  struct message m = {.version = WORD(PROTOCOL_VERSION),
                      .kind = WORD(expert ? MESSAGE_EXPERT : MESSAGE_GEMM),
                      .ticket = number};
  struct gemm_message gemm;
  struct expert_message wide;
  if (expert) {
    memset(&wide, 0, sizeof wide);
    wide.up = matrix(data, size, gated ? 2 * rows : rows, k, gated, base);
    wide.down = matrix(data, size, k, rows, 0, base + 4000);
    wide.x = (struct region_words){WORD(mailbox), WORD(0xf)};
    wide.results = (struct region_words){WORD(base + 9000), WORD(0xf)};
    wide.table = (struct region_words){WORD(base), WORD(0xf)};
    wide.table_tiles = WORD(5), wide.table_serial = WORD(1), wide.format = WORD(0), wide.groups = WORD(3);
    memcpy(m.payload, &wide, sizeof wide);
    m.length = WORD(PROTOCOL_HEADER_BYTES + sizeof wide);
  } else {
    memset(&gemm, 0, sizeof gemm);
    gemm.weights = matrix(data, size, rows, k, 0, base);
    gemm.x = (struct region_words){WORD(mailbox), WORD(0xf)};
    gemm.results = (struct region_words){WORD(base + 9000), WORD(0xf)};
    gemm.format = WORD(1), gemm.groups = WORD(2);
    memcpy(m.payload, &gemm, sizeof gemm);
    m.length = WORD(PROTOCOL_HEADER_BYTES + sizeof gemm);
  }
  *to = m;
}

// One sequence with one or two segments.
static void fill_attention(volatile struct queue *queue, const uint8_t **data, size_t *size, uint32_t q) {
  const uint32_t base = q * QUEUE_ROWS * 4;
  const uint32_t mailbox = (MAILBOX + q * MAILBOX_ROWS) * 4;
  const uint8_t shape = take(data, size);
  const uint32_t segments = 1 + shape % 2;
  const uint32_t spread = shape >= 128 ? shape / 2 % 8 : 0;
  struct attention_message a = {.kv = {WORD(base), WORD(0xf)},
                                .qo = {WORD(mailbox), WORD(0xf)},
                                .scores = {WORD(mailbox + 600), WORD(0xf)}};
  a.kv_row_sets = WORD(4000), a.score_row_sets = WORD(take(data, size)), a.slot_stride = WORD(16),
  a.v_block_stride = WORD(8);
  a.head_size = WORD(64), a.heads = WORD(4), a.scale = WORD(0x3e000000), a.sequences = WORD(1),
  a.segments = WORD(segments);
  struct message m = {.version = PROTOCOL_VERSION,
                      .length = WORD(PROTOCOL_HEADER_BYTES + sizeof a),
                      .kind = MESSAGE_ATTENTION};
  memcpy(m.payload, &a, sizeof a);
  queue->list[0] = WORD(segments | spread << 21 | 2u << 24);
  for (uint32_t i = 0; i < segments; i++) {
    queue->list[1 + 2 * i] = WORD(base | (base + 1000) << 16);
    queue->list[2 + 2 * i] = WORD((take(data, size) + 1u) | 2u << 24);
  }
  queue->messages[queue->produced % PROTOCOL_ENTRIES] = m;
}

// A message of a layer of two pieces: its shape, its experts or a run, as `what` tells.
static void fill_layer(volatile struct queue *queue, const uint8_t **data, size_t *size, uint32_t q) {
  const uint32_t base = q * QUEUE_ROWS * 4;
  const uint32_t mailbox = (MAILBOX + q * MAILBOX_ROWS) * 4;
  const uint8_t what = take(data, size);
  const uint32_t experts = 1 + what / 4 % 4;
  struct message m = {.version = PROTOCOL_VERSION};
  if (what % 4 == 0) {
    struct layer_message layer = {
        WORD(q),
        WORD(16 * q),
        WORD(experts),
        WORD(2),
        WORD(100 + 4 * what),
        WORD(what / 16 + LAYER_ROUNDED * (what / 8 % 2) + LAYER_JOINED(0) * (what / 4 % 4)),
        {{0}}};
    for (uint32_t piece = 0; piece < 2; piece++) {
      layer.piece[piece].stripe = WORD(0xf), layer.piece[piece].parts = WORD(2);
      layer.piece[piece].inner[0] = WORD(64), layer.piece[piece].inner[1] = WORD(70);
    }
    m.kind = MESSAGE_LAYER, m.length = WORD(PROTOCOL_HEADER_BYTES + sizeof layer);
    memcpy(m.payload, &layer, sizeof layer);
  } else if (what % 16 == 3) {
    const struct layer_times_message layer = {WORD(0), WORD(PROTOCOL_LIST_WORDS)};
    m.kind = MESSAGE_LAYER_TIMES, m.length = WORD(PROTOCOL_HEADER_BYTES + sizeof layer);
    memcpy(m.payload, &layer, sizeof layer);
  } else if (what % 4 == 1) {
    const struct layer_experts_message e = {WORD(q), WORD(0), WORD(2 * experts)};
    m.kind = MESSAGE_LAYER_EXPERTS, m.length = WORD(PROTOCOL_HEADER_BYTES + sizeof e);
    memcpy(m.payload, &e, sizeof e);
    for (uint32_t i = 0; i < 2 * experts; i++)
      queue->list[i] = WORD((base + 400 * i) | (base + 400 * i + 200) << 16);
  } else {
    struct layer_run_message r = {WORD(q),
                                  WORD(what / 64 % 2),
                                  WORD(experts),
                                  {WORD(mailbox), WORD(0xf)},
                                  {WORD(base + 9000), WORD(0xf)},
                                  {WORD(base), WORD(0xf)},
                                  WORD(500),
                                  WORD(3000),
                                  WORD(5),
                                  WORD(1),
                                  WORD(what / 64),
                                  WORD(what % 4 == 2 ? LAYER_CUTS : what / 16 % LAYER_POLICIES)};
    m.kind = MESSAGE_LAYER_RUN, m.length = WORD(PROTOCOL_HEADER_BYTES + sizeof r);
    memcpy(m.payload, &r, sizeof r);
    for (uint32_t i = 0; i < (experts + 1) / 2; i++)
      queue->list[i] = WORD(LAYER_LIST(3u, 2u) | LAYER_LIST(1u, 1u) << 16);
  }
  queue->messages[queue->produced % PROTOCOL_ENTRIES] = m;
}

static void check_completion(const struct mailbox *box, uint32_t q, uint32_t number) {
  const struct completion *c = &box->queue[q].completions[number % PROTOCOL_ENTRIES];
  REQUIRE(c->status < COMPLETION_STATUSES);
  const bool refused = c->status >= COMPLETION_VERSION && c->status <= COMPLETION_REGION;
  // The list of an attention job is checked while its first sequences run, that of a layer with its experts.
  const uint32_t kind = box->queue[q].messages[number % PROTOCOL_ENTRIES].kind;
  const bool list = kind == MESSAGE_ATTENTION || kind == MESSAGE_LAYER_RUN;
  REQUIRE(!refused || c->descriptors == 0 || list);
  REQUIRE((c->status == COMPLETION_REFUSED) == (c->error_code != 0));
}

// A table of times for layers of two experts, as a client may have brought it.
static void bring_times(struct layer_schedule *schedule) {
  static const struct schedule_shape shape = {500, 268, 2, 1, 4, 1, 0, 0, 0};
  static const struct schedule_placement placement = {SCHEDULE_HALVED, 2, {2, 2}, {{64, 70}, {64, 70}}};
  static struct schedule_times times;
  if (!times.version) schedule_formula(&shape, &placement, &times);
  REQUIRE(schedule_valid(&times));
  schedule->times = times;
  schedule->times_generation = 1;
}

static void fuzz_queues(const uint8_t *data, size_t size) {
  static struct mailbox box;
  static struct ring_stack stack;
  static struct protocol protocol;
  static struct layer_tables tables;
  memset(&box, 0, sizeof(struct mailbox));
  memset(&stack, 0, sizeof stack);
  memset(&protocol, 0, sizeof protocol);
  protocol.hal = (struct hal){
      .context = &stack, .read = read_register, .write = write_register, .wait_interrupt = wait_interrupt};
  protocol.tables = &tables;
  stack.protocol = &protocol;
  box.channels = stack.channels = 1 + take(&data, &size) % 32;
  stack.refuse = take(&data, &size) % 32;
  stack.silent = take(&data, &size) % 4;
  protocol_start(&protocol, &box);
  bring_times(&tables.schedule[0]);
  for (uint32_t q = 0; q < 2; q++)
    box.allotment[q] = (struct allotment){
        1, 0xf, {{q * QUEUE_ROWS, QUEUE_ROWS}, {MAILBOX + q * MAILBOX_ROWS, MAILBOX_ROWS}}};
  for (unsigned round = 0; round < ROUNDS && size; round++) {
    const uint8_t what = take(&data, &size);
    const uint8_t q = what & 1;
    struct queue *queue = &box.queue[q];
    if (what < 200) {
      if (what % 8 == 6 || what % 8 == 7)
        fill_attention(queue, &data, &size, q);
      else if (what % 8 >= 4)
        fill_layer(queue, &data, &size, q);
      else
        fill_message(&queue->messages[queue->produced % PROTOCOL_ENTRIES], &data, &size, q, queue->produced);
      queue->produced++;
    } else if (what < 215) {
      queue->cancel[take(&data, &size) % PROTOCOL_ENTRIES] = word(&data, &size, queue->produced);
    } else if (what < 225) {
      queue->produced = word(&data, &size, queue->produced),
      queue->collected = word(&data, &size, queue->collected);
    } else if (what < 235) {
      box.allotment[q].generation++;
      if (box.allotment[q].generation & 1) memset(queue, 0, sizeof *queue);
    } else {
      queue->collected = queue->completed;
    }
    while (protocol_serve(&protocol)) {
      const uint32_t client = served_queue(&protocol);
      if (box.queue[client].completed) check_completion(&box, client, box.queue[client].completed - 1);
      if (what & 2) box.queue[client].collected = box.queue[client].completed;
    }
  }
}

static void fuzz_descriptor(const uint8_t *data, size_t size) {
  uint32_t d[DUPLEX_DESCRIPTOR_WORDS] = {0}, address;
  const uint32_t channels = 1 + take(&data, &size) % 32;
  const uint32_t owner = take(&data, &size) & 15;
  const uint32_t zeros = take(&data, &size) | (uint32_t)take(&data, &size) << 8;
  const uint32_t small = take(&data, &size);
  memcpy(d, data, size < sizeof d ? size : sizeof d);
  if (small & 1) DUPLEX_DESCRIPTOR_SET(d, OPCODE, DUPLEX_OPCODE_LOAD + small % 8 / 2);
  for (uint32_t word = 1; word < DUPLEX_DESCRIPTOR_WORDS; word++)
    d[word] = zeros >> word & 1 ? 0 : small & 16 ? d[word] & 0xf00ff : d[word];
  const uint32_t code = descriptor_check(d, channels, owner, &address);
  REQUIRE(code <= 0xff);
  if (code) return;
  const uint32_t source = DUPLEX_DESCRIPTOR_GET(d, SRC_STRIPE);
  const uint32_t target = DUPLEX_DESCRIPTOR_GET(d, DST_STRIPE);
  const uint64_t base = DUPLEX_DESCRIPTOR_GET(d, SRC_BASE);
  const uint32_t row_sets = (uint32_t)__builtin_popcount(source) * DUPLEX_BANK_ROWS;
  REQUIRE((source & ~owner) == 0);
  if (DUPLEX_DESCRIPTOR_GET(d, OPCODE) == DUPLEX_OPCODE_LOAD) REQUIRE(base < row_sets);
  if (DUPLEX_DESCRIPTOR_GET(d, OPCODE) != DUPLEX_OPCODE_GEMM) return;
  const uint64_t further = DUPLEX_DESCRIPTOR_GET(d, BLOCKS) - 1;
  REQUIRE(base + further * DUPLEX_DESCRIPTOR_GET(d, SRC_STRIDE) + (block_beats(d) + 63) / 64 <= row_sets);
  if (DUPLEX_DESCRIPTOR_GET(d, DESTINATION) == DUPLEX_DESTINATION_DRAM)
    REQUIRE(target && (target & ~owner) == 0);
}

static void fuzz_image(const uint8_t *data, size_t size) {
  char wrong[IMAGE_TEXT_BYTES] = "";
  struct image image;
  uint8_t *bytes = malloc(size + 1);
  if (!bytes) return;
  memcpy(bytes, data, size);
  if (image_parse(&image, bytes, size, wrong)) {
    volatile uint8_t sum = 0;
    for (unsigned i = 0; i < image.segments; i++)
      for (uint32_t at = 0; at < image.segment[i].bytes; at++)
        sum = (uint8_t)(sum + image.segment[i].contents[at]);
    for (unsigned i = 0; i < image.functions; i++) REQUIRE(strlen(image.function[i].name) <= size);
    image_function(&image, image.entry);
  } else {
    REQUIRE(wrong[0]);
  }
  image_free(&image);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < 2) return 0;
  switch (data[0] % 8) {
    case 0:
      fuzz_image(data + 1, size - 1);
      break;
    case 1:
    case 2:
      fuzz_descriptor(data + 1, size - 1);
      break;
    default:
      fuzz_queues(data + 1, size - 1);
      break;
  }
  return 0;
}
