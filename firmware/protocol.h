// SPDX-License-Identifier: Apache-2.0
// The protocol between host and firmware: job queues in memory that both see (docs/protocol.md). Everything
// is a 32-bit little-endian word, so both sides see one layout.
//
// A client of the stack has a queue of its own. It writes a message, then `produced`, and rings the doorbell.
// The firmware serves the queues in turn, one job at a time, and answers each message, in order, with one
// completion. What a message names must lie in the allotment of its queue, which only the stack's owner
// writes.
#ifndef DUPLEX_FIRMWARE_PROTOCOL_H
#define DUPLEX_FIRMWARE_PROTOCOL_H

#include "firmware/firmware.h"
#include "schedule/schedule.h"

#define PROTOCOL_MAGIC 0x51504c44u  // "DLPQ"
#define PROTOCOL_VERSION 3u
#define PROTOCOL_QUEUES 4u
#define PROTOCOL_ENTRIES 8u  // of a queue, a power of two
#define PROTOCOL_PAYLOAD_WORDS 60u
#define PROTOCOL_HEADER_BYTES 16u
#define PROTOCOL_LIST_WORDS 432u
#define PROTOCOL_TOKEN_GROUPS 1024u  // most groups of 8 tokens of a job, of both matrices of a pair
// Layers that a queue may have registered, and what they may have: experts of one, and a word for each expert
// and piece of all of them.
#define PROTOCOL_LAYERS 16u
#define PROTOCOL_LAYER_EXPERTS 512u
#define PROTOCOL_LAYER_ENTRIES 2048u
#define PROTOCOL_LAYER_PIECES 4u

enum message_kind {
  MESSAGE_GEMM = 1,
  MESSAGE_EXPERT = 2,
  MESSAGE_ATTENTION = 3,
  MESSAGE_LAYER = 4,          // registers a layer
  MESSAGE_LAYER_EXPERTS = 5,  // registers experts of it
  MESSAGE_LAYER_RUN = 6,
  MESSAGE_LAYER_TIMES = 7,  // brings a part of a table of times
  MESSAGE_USER = 64         // a kernel added with FIRMWARE=
};

struct message {
  uint32_t version, length, kind;  // length: bytes of header and payload
  uint32_t ticket;                 // the client's own, returned in the completion
  uint32_t payload[PROTOCOL_PAYLOAD_WORDS];
};

enum completion_status {
  COMPLETION_DONE,
  COMPLETION_VERSION,     // not PROTOCOL_VERSION
  COMPLETION_LENGTH,      // not the length of this kind
  COMPLETION_KIND,        // no such kernel
  COMPLETION_ARGUMENT,    // detail: byte of the payload with a number out of range
  COMPLETION_REGION,      // detail: byte of the payload with a region outside the allotment
  COMPLETION_REFUSED,     // the stack refused a descriptor: error_code, error_tag, error_address
  COMPLETION_WATCHDOG,    // no news from the stack for watchdog_clocks
  COMPLETION_CANCELLED,   // before or during its work
  COMPLETION_UNFINISHED,  // detail: descriptors that the kernel did not wait for (no ring_finish)
  COMPLETION_STATUSES
};

struct completion {
  uint32_t ticket, status, detail;
  uint32_t descriptors;  // written to the ring
  uint32_t error_code, error_tag, error_address;
  // Of a layer's run: sum of cut * (expert + 1) over the experts with work; and by a policy the groups of an
  // expert that is divided by its tokens.
  uint32_t share;
};

// `produced`, `consumed`, `completed` and `collected` count messages since the queue was opened.
struct queue {
  uint32_t produced, collected;  // the client's
  uint32_t consumed, completed;  // the firmware's
  uint32_t generation;           // the firmware's: the allotment it serves, 0 after a fault of the client
  uint32_t reserved[3];
  uint32_t cancel[PROTOCOL_ENTRIES];  // the client's: number of the message + 1 to cancel it
  struct completion completions[PROTOCOL_ENTRIES];
  struct message messages[PROTOCOL_ENTRIES];
  uint32_t list[PROTOCOL_LIST_WORDS];  // the client's: what has no room in a payload; fills a page
};

// What a queue's client may name: rows of these bundles, in every channel, in two runs; a region lies in one
// of them. generation odd: open, even: closed; it grows with every opening, and the queue starts again from
// 0.
struct row_range {
  uint32_t first, count;
};
struct allotment {
  uint32_t generation, bundles;
  struct row_range part[2];
};

struct mailbox {
  uint32_t magic, version, queues, entries;  // the firmware's, when it is ready
  uint32_t channels, watchdog_clocks;        // the owner's; watchdog_clocks 0: none
  uint32_t crash_cause, crash_pc, crash_value, crash_stack;
  uint32_t crashed;
  uint32_t point;  // the firmware's: DUPLEX_POINT of the parameters that it was built with
  uint32_t reserved[4];
  struct allotment allotment[PROTOCOL_QUEUES];
  uint32_t unused[984];
  struct queue queue[PROTOCOL_QUEUES];
};

_Static_assert(sizeof(struct queue) == 4096 && sizeof(struct mailbox) == 4096 * (1 + PROTOCOL_QUEUES),
               "pages of 4 KB");

// Payloads
enum { MATRIX_GATED = 1, MATRIX_EXPONENTS = 2, MATRIX_PAIR = 4 };
struct matrix_words {
  uint32_t rows, k, flags, base, stripe;  // as weight_layout lays it out
};
struct region_words {
  uint32_t base, stripe;
};

struct gemm_message {
  struct matrix_words weights;
  struct region_words x, results;
  uint32_t format, groups;
};

// The table goes to the activation unit if `table_serial`, the client's number for its contents, is not what
// is there. groups may be 0.
struct expert_message {
  struct matrix_words up, down;
  struct region_words x, results, table;
  uint32_t table_tiles, table_serial, format, groups;
};

// Decode attention. The queue's list has a word for each sequence, then two for each of their segments in
// turn, as the structures of firmware.h; it may be changed again when the message is completed. kv_row_sets:
// of the region in which K and V of all slots lie.
struct attention_message {
  struct region_words kv, qo, scores;
  uint32_t kv_row_sets, score_row_sets, slot_stride, v_block_stride;
  uint32_t head_size;  // and WIDE, as in a descriptor's word
  uint32_t heads, scale, sequences, segments;
};

// Registers a layer without experts; what was registered under the same number is forgotten. Its entries, one
// for each expert of piece 0, then of piece 1 and so on, are first to first + pieces * experts - 1 of the
// queue's table.
// Of LAYER_PRODUCTS its parts are matrices by themselves, whose results are binary32; there is no down.
// LAYER_ROUNDED: results are expected to be binary32 too, else exact sums. Descriptors are made for that.
// LAYER_JOINED: gate and up of all parts of a piece are one interleaved matrix.
enum {
  LAYER_GATED = 1,
  LAYER_UP_EXPONENTS = 2,
  LAYER_DOWN_EXPONENTS = 4,
  LAYER_PRODUCTS = 8,
  LAYER_ROUNDED = 16
};
#define LAYER_JOINED(piece) (32u << (piece))
struct layer_message {
  uint32_t layer, first, experts, pieces, hidden, flags;
  struct layer_piece_words {
    uint32_t stripe, parts;       // 0 parts: an empty piece
    uint32_t inner[LAYER_PARTS];  // of each part; joined: multiples of 2 channels but for the last
  } piece[PROTOCOL_LAYER_PIECES];
};

// Registers entries first to first + count - 1 of a layer. The queue's list has a word for each: first row
// set of gate and up in bits 15:0, of down in 31:16 (not of products); LAYER_ABSENT: the expert has no such
// piece.
#define LAYER_ABSENT UINT32_MAX
struct layer_experts_message {
  uint32_t layer, first, count;
};

// Words first to first + count - 1 of the table of times (struct schedule_times), from the queue's list.
// Parts come in order; with the last one the table is checked, and from then on it is the queue's.
struct layer_times_message {
  uint32_t first, count;
};

// Runs one piece of a layer. The list has half a word for each of its experts, the even one low. LAYER_CUTS:
// groups of 8 tokens in bits 11:0, the cut in 15:12. A policy of schedule/schedule.h: tokens; the firmware
// decides by the queue's table. LAYER_DECIDED: the list is not read; tokens and cuts are those of the last
// decision. Of an expert that is divided by its tokens Logic-PIM has the first groups. x and results of the
// experts with work lie one behind the other in x_row_sets and result_row_sets row sets.
enum layer_policy {
  LAYER_CUTS,
  LAYER_XPU,
  LAYER_PIM,
  LAYER_PAPER,
  LAYER_BEST,
  LAYER_DECIDED,
  LAYER_POLICIES
};
#define LAYER_LIST(groups, cut) ((groups) | (cut) << 12)
struct layer_run_message {
  uint32_t layer, piece, experts;
  struct region_words x, results, table;
  uint32_t x_row_sets, result_row_sets;
  uint32_t table_tiles, table_serial, format;
  uint32_t policy;
};

// Firmware side

// A registered layer: its message, and what follows from it. `generation`: of its queue, 0: there is none.
// The weights of all experts of a piece lie in row sets low to high - 1. Layers of one `form`, from 1, differ
// in their experts alone.
struct layer_record {
  uint32_t generation, form;
  uint8_t kept[PROTOCOL_LAYER_PIECES];  // where what is kept of each piece was last
  struct layer_message shape;
  struct {
    struct weight_layout down;  // of products: unused
    uint32_t product_row_sets;  // of products: the results of a whole pass
    uint32_t up_row_sets, low, high;
  } piece[PROTOCOL_LAYER_PIECES];
};

// The list of an attention message as it is read: a copy of a segment before it is checked, as with messages.
struct attention_list {
  volatile const uint32_t *sequence, *segment;  // to be read next
  uint32_t sequences, segments;                 // of the message; of those the ones left
  uint32_t tiles;                               // row sets of 64 positions of K
  uint32_t first;          // of the region in which K and V of all slots lie: strides only lead upwards
  int32_t k_last, v_last;  // where a segment's last 64 positions may begin at most: the rest lies behind them
  enum completion_status status;
  uint32_t detail;
  struct attention_segment copy[ATTENTION_SEGMENTS];
};

// A queue's table of times and its last decision. A generation that is not the queue's: there is none.
struct layer_schedule {
  uint32_t words;  // that have come
  uint32_t times_generation, decision_generation;
  struct schedule_times times;
  _Alignas(4) uint16_t counts[SCHEDULE_EXPERTS];
  struct schedule_decision decision;
};

// What is kept of a piece's job for the next one of the same form and channels: one layer of a model follows
// the other. Pieces that have not run for longest make room for others.
#define LAYERS_KEPT 8u
struct layer_kept {
  uint32_t key;   // of form and piece, 0: nothing
  uint32_t used;  // the last time, in jobs
  struct layer_job job;
  struct layer_work work;
};

// What the clients have registered; too much for the memory that holds the rest.
struct layer_tables {
  struct layer_record layer[PROTOCOL_QUEUES][PROTOCOL_LAYERS];
  uint32_t entry[PROTOCOL_QUEUES][PROTOCOL_LAYER_ENTRIES];
  struct layer_schedule schedule[PROTOCOL_QUEUES];
  struct schedule_work schedule_work;
  uint32_t forms;  // that there have been
  uint32_t used;   // jobs for which something kept was looked for
  struct layer_kept kept[LAYERS_KEPT];
};

struct protocol {
  struct hal hal;
  uint32_t soiled_slots;  // of hal
  volatile struct mailbox *box;
  uint32_t next;  // queue to look at first
  struct {
    uint32_t generation, consumed, completed;
  } queue[PROTOCOL_QUEUES];
  struct {
    uint32_t queue, generation, serial;  // generation 0: unknown
  } table;
  struct message message;       // a copy: the client may change its own while it is checked
  struct attention_list list;   // of the one job that is served; too large for the RV32 stack
  struct layer_tables *tables;  // memory of whoever has the protocol
  uint32_t share;               // of the job that is served, for its completion
};

// What a kernel may know of the job's client.
struct client {
  struct protocol *protocol;
  uint32_t queue, channels;
  struct allotment allotment;
};

// A kernel's entry in the firmware: checks the payload and runs. It returns COMPLETION_DONE if the kernel
// ran, whatever its report; otherwise why not, and *detail.
struct kernel {
  uint32_t kind, bytes;  // of the payload
  enum completion_status (*serve)(struct client *client, const void *payload, struct firmware_report *report,
                                  uint32_t *detail);
};
extern const struct kernel *const firmware_kernels[];  // ends with NULL

// protocol/serve.c: ready to serve, with hal and tables there; a false return of protocol_serve means that
// there is nothing to do.
void protocol_start(struct protocol *protocol, struct mailbox *box);
bool protocol_serve(struct protocol *protocol);

// protocol/client.c: is the region of so many row sets in the allotment? A matrix with its layout; `flags`
// are those it may have.
bool client_owns(const struct client *client, struct region region, uint32_t row_sets);
enum completion_status client_matrix(const struct client *client, const struct matrix_words *words,
                                     uint32_t flags, struct weight_layout *layout, struct region *region);

// protocol/activation_table.c: what a message says of its activation table, and whether it must be loaded.
// `tiles` is a size that a table may have, and the region the client's.
enum completion_status client_table(const struct client *client, struct region table, uint32_t tiles);
bool client_table_loaded(const struct client *client, uint32_t serial);
void client_note_table(const struct client *client, uint32_t serial, bool loaded);

// protocol/layer_decision.c: the cuts of all experts by a policy and the counts in the list, or NULL if there
// is no table for such a layer. LAYER_DECIDED: the last ones.
const struct layer_schedule *layer_decide(struct client *client, const struct layer_message *shape,
                                          enum layer_policy policy);

// protocol/layer_table.c: the client's registered layer, or NULL; whether the weights of a piece are its own.
void layer_tables_clear(struct layer_tables *tables);  // nothing is registered
struct layer_record *layer_find(const struct client *client, uint32_t layer);
bool layer_owned(const struct client *client, const struct layer_record *record, uint32_t piece);

// protocol/layer_kept.c: the job of a piece of a registered layer but for its table, and what is kept of it.
// And all pieces of a layer in the format that is expected, before their first jobs.
struct layer_kept *layer_kept_of(const struct client *client, struct layer_record *record, uint32_t piece,
                                 enum duplex_result_format format);
void layer_keep(const struct client *client, struct layer_record *record);
// A matrix of gate and up of a piece with so many rows of h, for weight_layout.
void layer_up_layout(const struct layer_message *shape, uint32_t piece, uint32_t inner,
                     struct weight_layout *layout);

#endif
