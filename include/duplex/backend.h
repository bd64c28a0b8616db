// SPDX-License-Identifier: Apache-2.0
// One interface to a stack, whatever stands behind it: the C model or the Verilated RTL.
//
// The side of the host and the xPU: memory-mapped registers (AXI4-Lite, 32 bit), the DRAM behind the channels
// (the xPU's own path, no simulated time), the clock and the interrupt line. Functions return 0 or a negative
// DUPLEX_ERROR_ code of duplex/error.h; nothing here exits or prints.
#ifndef DUPLEX_BACKEND_H
#define DUPLEX_BACKEND_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define DUPLEX_FOREIGN_BYTE 0xa5  // what a side reads from bundles of the other

// DRAM commands sent by Logic-PIM, by kind, summed over the channels.
struct duplex_dram_commands {
  uint64_t act, rd, wr, pre, ref;
  uint64_t xpu_rd, xpu_wr;  // reads and writes of 32 bytes by the xPU meanwhile
};

// What the xPU has still to do, summed over the channels, in pieces of 32 bytes.
struct duplex_xpu_state {
  uint64_t reads_left, writes_left;  // queued, and their commands have not been given
  // The clock, as `clocks` counts them, by which all data have come that queued reads have brought so far, on
  // the channel where that was last; 0: there were none.
  uint64_t read_at;
  uint64_t written_at;  // the same for queued writes: by which all data have gone out
};

#define DUPLEX_THREADS_MOST 1024u

struct duplex_backend_options {
  unsigned channels;         // 1 to DUPLEX_CHANNELS
  unsigned threads;          // C model: worker threads, at most DUPLEX_THREADS_MOST; 0 = all cores
  const char *trace_file;    // RTL: FST wave file, or NULL
  uint64_t trace_from;       // RTL: first clock of the wave file
  uint64_t trace_to;         // RTL: last clock, 0 = to the end
  const char *command_file;  // file for the text of all DRAM commands (docs/architecture.md), or NULL
  const char *dram_preset;   // name of the timing preset, NULL = "hbm3_5200"
  unsigned rank_switch;      // tCK that the data buses need to turn to the other rank, 0 to 2
  int xpu_traffic;           // the xPU streams at full rate from the bundles that it owns
};

struct duplex_backend;

// What a back end can do. address of a register: docs/registers.md.
struct duplex_backend_ops {
  const char *name;  // "cmodel" or "rtl"
  void (*close)(struct duplex_backend *backend);
  // One register access. DUPLEX_ERROR_BUS: there is no register at the address, *value is 0.
  int (*reg_read)(struct duplex_backend *backend, uint32_t address, uint32_t *value);
  int (*reg_write)(struct duplex_backend *backend, uint32_t address, uint32_t value);
  // Bytes of one channel's DRAM by physical address (docs/architecture.md), as the xPU accesses them. Cells
  // never written read as zero. Bundles of Logic-PIM are not the xPU's to access: nothing is written, every
  // byte reads as DUPLEX_FOREIGN_BYTE, DUPLEX_ERROR_OWNER, and failure() gives the address.
  int (*mem_read)(struct duplex_backend *backend, unsigned channel, uint64_t address, void *bytes,
                  size_t size);
  int (*mem_write)(struct duplex_backend *backend, unsigned channel, uint64_t address, const void *bytes,
                   size_t size);
  // The same with the time that it takes: the bytes are read, the cells change at once, the xPU's DRAM
  // commands are queued (address and size: multiples of 32) and go out as the clock runs, writes before
  // reads. Bundles stay the xPU's until then. With an error nothing is queued, but for NO_MEMORY. bytes of
  // xpu_read may be NULL: only the time counts. Reads are queued by ranges: row sets that follow each other,
  // or the same bytes of them one by one, take the room of one.
  int (*xpu_read)(struct duplex_backend *backend, unsigned channel, uint64_t address, void *bytes,
                  size_t size);
  int (*xpu_write)(struct duplex_backend *backend, unsigned channel, uint64_t address, const void *bytes,
                   size_t size);
  void (*xpu_state)(struct duplex_backend *backend, struct duplex_xpu_state *state);
  // As advance, and ends too when the xPU is ready: all that was queued is done, its data have come, and it
  // may use the bundles that it took. xpu_wait runs until then.
  int (*xpu_advance)(struct duplex_backend *backend, uint64_t clocks, int *interrupt);
  int (*xpu_wait)(struct duplex_backend *backend);
  // Runs until the interrupt line is high, at most `clocks` clocks; *interrupt says whether it is. interrupt
  // NULL: runs all of them, whatever the line does.
  int (*advance)(struct duplex_backend *backend, uint64_t clocks, int *interrupt);
  uint64_t (*clocks)(struct duplex_backend *backend);  // 650 MHz clocks since open
  void (*commands)(struct duplex_backend *backend, struct duplex_dram_commands *commands);
  // Text of the last failure that is the back end's own (DRAM timing violation, watchdog), or "".
  const char *(*failure)(struct duplex_backend *backend);
  // Ends the files of the options: nothing is written to them any more. DUPLEX_ERROR_IO: one of them is not
  // whole, and failure() names it and the cause. NULL: it writes no files. close does the same without a
  // word.
  int (*end_files)(struct duplex_backend *backend);
};

// Every implementation begins with this.
struct duplex_backend {
  const struct duplex_backend_ops *ops;
};

// The C model of a stack. *backend is NULL on failure. Errors: ARGUMENT (channels, preset, DUPLEX_KERNEL),
// NO_MEMORY, NOT_AVAILABLE (it writes neither waves nor command files).
int duplex_cmodel_open(const struct duplex_backend_options *options, struct duplex_backend **backend);
// What is wrong with the environment of the C model, one line, or "".
const char *duplex_cmodel_failure(void);

// The Verilated stack, from a shared library built per number of channels: found beside the program, or built
// on demand. Errors: ARGUMENT (channels, preset), NOT_AVAILABLE (no library, and it cannot be built), IO
// (a file of the options), NO_MEMORY.
int duplex_rtl_open(const struct duplex_backend_options *options, struct duplex_backend **backend);
// 1 if that library is there already, without a wave file; nothing is built.
int duplex_rtl_built(unsigned channels);
// Why the libraries that are not there cannot be built here, as half a sentence; NULL if they can.
const char *duplex_rtl_cannot_build(void);
// Why the last duplex_rtl_open of this thread failed, one line, or "".
const char *duplex_rtl_failure(void);

#ifdef __cplusplus
}
#endif
#endif
