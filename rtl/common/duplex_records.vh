// SPDX-License-Identifier: Apache-2.0
// Records that travel between units as one port or one FIFO word, with their widths (docs/rtl_style.md).
//
// A width is a localparam beside its record, since `$bits` of a type is not read by all tools; Verilator's
// lint finds one that does not fit. The channel has its records as plain vectors at its ports and as records
// inside: the wrapper that Verilator writes for a library of the channel cannot spell a record.
`ifndef DUPLEX_RECORDS_VH
`define DUPLEX_RECORDS_VH
`include "duplex_params.vh"
// verilator lint_off UNUSEDPARAM

localparam RECORD_ROW = `DUPLEX_ROW_BITS;                         // number of an accumulator row
localparam RECORD_WORD = 8 * `DUPLEX_WORD_BYTES;                  // a word of the shared buffer
localparam RECORD_SUMS = `DUPLEX_LANES * `DUPLEX_SUM_BITS;        // exact sums of all lanes
localparam RECORD_FLAGS = 3 * `DUPLEX_LANES;                      // their special values
localparam RECORD_MAXIMA = 32 * `DUPLEX_LANES;                    // maxima of all lanes
localparam RECORD_LS = 57 * `DUPLEX_LANES;                        // exact sums of weights
localparam RECORD_SLICE = $clog2(`DUPLEX_SCORE_WORDS);            // address in a score slice

// ---- Work

// A GEMM or LOAD job as a channel needs it, the fields of its descriptor.
localparam JOB_BITS = 131 + 2 * `DUPLEX_ROW_BITS;
typedef struct packed {
  logic load;
  logic to_table;             // LOAD: to the activation table
  logic [15:0] src_base;
  logic [3:0] src_stripe;
  logic [15:0] src_stride;
  logic [10:0] k_tiles;
  logic [`DUPLEX_ROW_BITS:0] block_rows;
  logic [`DUPLEX_ROW_BITS:0] skip_rows;
  logic two_groups;
  logic two_streams;
  logic exponents;
  logic [1:0] format;
  logic bus;                  // results go over the result bus, else to DRAM
  logic gated;
  logic interleaved;
  logic [6:0] word_step;      // results: units from a word of a channel to its next one
  logic [15:0] dst_group;
  logic [15:0] dst_base;
  logic [3:0] dst_stripe;
  logic [15:0] dst_stride;
  logic [12:0] tile_step;     // LOAD: address from a tile's last word to this channel's next tile
} job_t;

// A segment of attention as it waits in a channel: this channel's part of its descriptor.
localparam SEGMENT_BITS = 6 * 16 + 2 * 4 + 18 + 4 + 2 + `DUPLEX_HEAD_TILE_BITS + 2 +
    `DUPLEX_LANES_CODE_BITS + 1 + `DUPLEX_LANES + 32 + 11 + 9 + 2;
typedef struct packed {
  logic [15:0] k_base;
  logic [15:0] v_base;
  logic [15:0] v_stride;
  logic [15:0] q_base;
  logic [15:0] o_base;
  logic [15:0] stride;
  logic [3:0] kv_stripe;
  logic [3:0] qo_stripe;
  logic [17:0] last_position;
  logic [3:0] last_sixteen;   // HEAD_SIZE / 16 - 1
  logic [1:0] mode;
  logic [`DUPLEX_HEAD_TILE_BITS-1:0] row_block;
  logic first;
  logic last;
  logic [`DUPLEX_LANES_CODE_BITS-1:0] lanes;
  logic wide;
  logic [`DUPLEX_LANES-1:0] mask;
  logic [31:0] scale;
  logic [10:0] words;         // of the slice that its scores take
  logic [8:0] slots;
  logic has_below;            // the head has a member before this one
  logic has_above;            // and one behind it
} segment_t;

// ---- Passes of attention: `kind` is PASS of params/enumerations.params, without STORE, which is no record.
// Comments name a pass by a letter: Q QUERY, S SCORE, C CONTEXT, L RELOAD.

// A pass for the stream and the score path.
localparam STREAM_PASS_BITS = 2 + `DUPLEX_PASS_BITS + `DUPLEX_WIDTH_BITS + `DUPLEX_HEAD_TILE_BITS +
    (`DUPLEX_WIDTH_BITS - 4) + 8 + `DUPLEX_LANES_CODE_BITS + 1 + `DUPLEX_LANES + 32;
typedef struct packed {
  logic [1:0] kind;
  logic [`DUPLEX_PASS_BITS-1:0] blocks;        // blocks of positions after the first; L: words
  logic [`DUPLEX_WIDTH_BITS-1:0] rest;           // positions of the last block, less one
  logic [`DUPLEX_HEAD_TILE_BITS-1:0] k_last;         // k-tiles after the first
  logic [`DUPLEX_WIDTH_BITS-5:0] sixteens;       // C: rows of the row block / 16 - 1
  logic first;                // the first segment: accumulators and l are begun, S: the maximum
  logic last;                 // the last one. C: sums leave; S: the pair's scores are complete
  logic keep;                 // C: l is summed
  logic final_block;          // C: the last row block
  logic store;                // S: its scores go to DRAM
  logic back;                 // S: the maximum goes back to the running maxima
  logic has_below;            // S: maxima, C: sums are joined with the member below, above
  logic has_above;
  logic [`DUPLEX_LANES_CODE_BITS-1:0] lanes;
  logic wide;
  logic [`DUPLEX_LANES-1:0] mask;
  logic [31:0] scale;
} stream_pass_t;

// A pass for the tiles.
localparam TILES_PASS_BITS = 2 + `DUPLEX_PASS_BITS + `DUPLEX_WIDTH_BITS + `DUPLEX_HEAD_TILE_BITS +
    `DUPLEX_LANES_CODE_BITS + 1 + 3 + RECORD_SLICE;
typedef struct packed {
  logic [1:0] kind;
  logic [`DUPLEX_PASS_BITS-1:0] blocks;
  logic [`DUPLEX_WIDTH_BITS-1:0] rest;
  logic [`DUPLEX_HEAD_TILE_BITS-1:0] k_last;
  logic [`DUPLEX_LANES_CODE_BITS-1:0] lanes;
  logic wide;
  logic first;
  logic keep;
  logic begins;               // C: the first pass of its pair
  logic [RECORD_SLICE-1:0] address;  // C: first word of the segment's scores in the slice
} tiles_pass_t;

// What the scores of a pass need behind the GEMM module.
localparam SCORE_PASS_BITS = `DUPLEX_LANES_CODE_BITS + `DUPLEX_LANES + 6 + 32;
typedef struct packed {
  logic [`DUPLEX_LANES_CODE_BITS-1:0] lanes;
  logic [`DUPLEX_LANES-1:0] mask;
  logic first;
  logic last;
  logic store;
  logic back;
  logic has_below;
  logic has_above;
  logic [31:0] scale;
} score_pass_t;

// What travels beside a row of scores that is scaled.
localparam SCORE_ROW_BITS = 7 + `DUPLEX_LANES_CODE_BITS + `DUPLEX_LANES;
typedef struct packed {
  logic ends;                 // last row of its pass
  logic first;
  logic last;
  logic store;
  logic back;
  logic has_below;
  logic has_above;
  logic [`DUPLEX_LANES_CODE_BITS-1:0] lanes;
  logic [`DUPLEX_LANES-1:0] mask;
} score_row_t;

// The maximum of a pair that is complete, and where it goes.
localparam MAXIMUM_BITS = 3 + RECORD_MAXIMA;
typedef struct packed {
  logic back;
  logic has_below;
  logic has_above;
  logic [RECORD_MAXIMA-1:0] value;
} maximum_t;

// ---- Requests to the units that GEMM and attention share

// Of a stream of columns those that are read: runs, behind each of which columns are passed over.
localparam READ_RUNS_BITS = 1 + 2 * `DUPLEX_COLUMN_BITS;
typedef struct packed {
  logic header;                              // the first run has a column more
  logic [`DUPLEX_COLUMN_BITS-1:0] length;    // columns of a run, less one
  logic [`DUPLEX_COLUMN_BITS-1:0] skip;      // columns behind it; 0: all is read
} read_runs_t;

// A stream of columns, for the bundle controller.
typedef struct packed {
  logic [15:0] base;          // logical row set
  logic [3:0] stripe;
  logic [16:0] columns;       // from the first that is read to the last one
  logic [READ_RUNS_BITS-1:0] runs;  // read_runs_t
} read_request_t;

// A word of an activation tile, for the GEMM module.
localparam GEMM_TILE_BITS = 1 + RECORD_WORD;
typedef struct packed {
  logic p16;                  // weights of attention, not binary16
  logic [RECORD_WORD-1:0] data;
} tile_t;

// What goes with a beat of weights to the GEMM module.
typedef struct packed {
  logic [RECORD_ROW-1:0] row;
  logic first;
  logic last;
  logic ends_tile;            // the tile is not needed any more
  logic [`DUPLEX_LANES-1:0] mask;
} beat_t;

// Where the results of a pair, or the scores of a segment, begin in DRAM.
localparam RESULT_PLACE_BITS = 1 + 4 + 16 + `DUPLEX_COLUMN_BITS;
typedef struct packed {
  logic scores;
  logic [3:0] stripe;
  logic [16+`DUPLEX_COLUMN_BITS-1:0] column;
} result_place_t;

// An access to the channel's slice of the shared buffer.
localparam SCORE_ACCESS_BITS = 2 + RECORD_SLICE + RECORD_WORD;
typedef struct packed {
  logic valid;
  logic write;
  logic [RECORD_SLICE-1:0] address;
  logic [RECORD_WORD-1:0] data;
} score_access_t;

// Why no beat goes to the GEMM module, for the counters.
typedef struct packed {
  logic no_room;              // weights and a tile are there, but no room for results
  logic no_tile;              // weights wait for a tile
  logic starved;              // the GEMM module waits for weights
} stalls_t;

// ---- Results

// A word on its way to the bus port, and in the result buffer.
localparam BUS_WORD_BITS = 2 + RECORD_WORD;
typedef struct packed {
  logic ends;                 // last word of a block or group
  logic single;               // one row only
  logic [RECORD_WORD-1:0] data;
} bus_word_t;

localparam RESULT_WORD_BITS = 3 + RECORD_WORD;
typedef struct packed {
  logic parity;               // of its job
  logic single;
  logic ends;
  logic [RECORD_WORD-1:0] data;
} result_word_t;

// Marks of a word on the result bus.
localparam BUS_TAG_BITS = 6 + 17;
typedef struct packed {
  logic last;                 // last word of the job in this channel
  logic in_turn;              // interleaved: all results before it are there when it is
  logic single;               // one row only
  logic parity;               // of its job
  logic [1:0] kind;           // rows, gated pairs, LOAD, LOAD of the table
  logic [16:0] unit;          // its place in the shared buffer, 16-byte units
} bus_tag_t;

// A word in the bus's FIFO: marks as bus_tag_t, and the channel that it comes from.
localparam BUS_ENTRY_BITS = 5 + BUS_TAG_BITS + RECORD_WORD;
typedef struct packed {
  logic [4:0] channel;
  logic last;
  logic in_turn;
  logic single;
  logic parity;
  logic [1:0] kind;
  logic [16:0] unit;
  logic [RECORD_WORD-1:0] data;
} bus_entry_t;

// Marks of a row on its way through the activation unit.
localparam ROW_TAG_BITS = 5 + 4 + 17;
typedef struct packed {
  logic [4:0] channel;
  logic last;                 // of its job in this channel
  logic in_turn;              // the last row of a word in turn
  logic ends;                 // of its word
  logic parity;
  logic [16:0] unit;
} row_tag_t;

// ---- Links between members of a KV head that is spread over several channels (rtl/attention/attention.v)

// To the member above; its maximum travels beside it.
localparam LINK_UP_BITS = 4 + RECORD_SUMS + RECORD_FLAGS + RECORD_LS;
typedef struct packed {
  logic maximum_valid;
  logic final_ready;          // takes the pair's maximum from above
  logic row_valid;
  logic row_first;            // first row of a pair: l comes with it
  logic [RECORD_SUMS-1:0] sum;
  logic [RECORD_FLAGS-1:0] flags;
  logic [RECORD_LS-1:0] l;
} link_up_t;

// To the member below.
localparam LINK_DOWN_BITS = 3;
typedef struct packed {
  logic maximum_ready;        // takes the maximum from below
  logic final_valid;          // the pair's maximum
  logic row_taken;            // a row from below was used
} link_down_t;
// verilator lint_on UNUSEDPARAM
`endif
