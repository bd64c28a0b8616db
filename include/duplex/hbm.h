// SPDX-License-Identifier: Apache-2.0
// The DRAM of one stack: byte-exact cells, sparse, and the device behind the pins of each channel.
//
// Cells are reached in two ways: by physical address (the xPU's own path, no simulated time;
// docs/architecture.md gives the address map) and by commands on the pins of a channel, clock by clock. Every
// command counts, is judged (duplex/timing_judge.h) and can be written as text. Cells that nobody wrote read
// as zero. Different channels may be used from different threads at once. Errors are the codes of
// duplex/error.h.
#ifndef DUPLEX_HBM_H
#define DUPLEX_HBM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "duplex/backend.h"
#include "duplex/dram_presets.h"
#include "duplex/params.h"

#ifdef __cplusplus
extern "C" {
#endif

#define DUPLEX_CHANNEL_BYTES ((uint64_t)DUPLEX_BUNDLES * DUPLEX_BANK_ROWS * DUPLEX_ROW_SET_BYTES)

struct duplex_hbm;

// A timing preset of params/dram by name, NULL for "hbm3_5200"; NULL: there is none of that name.
const struct duplex_dram_timing *duplex_dram_preset(const char *name);

// Clock of Logic-PIM with a preset in kHz, two tCK; 0: there is none of that name. tCK_ps is rounded: the
// rate of a pin, four bits a tCK, is a whole number of 100 Mb/s.
unsigned duplex_dram_clock_khz(const char *name);

// The timing that the options of a back end ask for; DUPLEX_ERROR_ARGUMENT if there is none.
int duplex_dram_timing_of(const struct duplex_backend_options *options, struct duplex_dram_timing *timing);

// timing: NULL for "hbm3_5200"; command_file: receives the text of all commands, or NULL. DUPLEX_ERROR_IO: it
// cannot be opened, errno says why.
int duplex_hbm_open(unsigned channels, const struct duplex_dram_timing *timing, const char *command_file,
                    struct duplex_hbm **hbm);
void duplex_hbm_close(struct duplex_hbm *hbm);

// Ends the text of the commands: its last line is a comment with their number, so that a text that was cut
// off can be told. DUPLEX_ERROR_IO: it could not be written whole; the text of duplex_hbm_failure says why.
// duplex_hbm_close does the same without a word.
int duplex_hbm_end_text(struct duplex_hbm *hbm);

// Bytes [address, address + size) of a channel, 0 to DUPLEX_CHANNEL_BYTES.
int duplex_hbm_mem_read(struct duplex_hbm *hbm, unsigned channel, uint64_t address, void *bytes, size_t size);
int duplex_hbm_mem_write(struct duplex_hbm *hbm, unsigned channel, uint64_t address, const void *bytes,
                         size_t size);

// Whether the xPU may access these bytes when the bundles of the mask are Logic-PIM's: 0, or
// DUPLEX_ERROR_OWNER with the text of duplex_hbm_failure; `bytes` (may be NULL) then becomes
// DUPLEX_FOREIGN_BYTE throughout.
int duplex_hbm_check_owner(struct duplex_hbm *hbm, unsigned owner, unsigned channel, uint64_t address,
                           size_t size, void *bytes);

// The 8 KB of one row set, or NULL if none of its cells was ever written. Valid until close.
const uint8_t *duplex_hbm_row_set(const struct duplex_hbm *hbm, unsigned channel, unsigned bundle,
                                  unsigned row);

// Command pins of one channel in one clock; row_command: enum duplex_row_command.
struct duplex_hbm_pins {
  bool row_valid, column_valid, column_write;
  uint8_t row_command, row_bundle, row_mask;
  uint16_t row_address;
  uint8_t column_bundle, column_mask, column_address;
};

// Takes the pins of clock `clock` (rising without a gap) and the 128 bytes on the write-data pins. A command
// that breaks a rule, or a column command that its row does not allow, gives DUPLEX_ERROR_DRAM_TIMING, and
// duplex_hbm_failure its text.
int duplex_hbm_clock(struct duplex_hbm *hbm, unsigned channel, uint64_t clock,
                     const struct duplex_hbm_pins *pins, const void *write_data);

// The xPU's own pins of a channel (ordinary commands to single banks; row commands as above). They are
// judged; data do not matter.
struct duplex_hbm_xpu_pins {
  bool row_valid, column_valid, column_write;
  uint8_t row_command, row_bundle, row_bank;
  uint16_t row_address;
  uint8_t column_bundle, column_bank, column_address;
};
int duplex_hbm_xpu_clock(struct duplex_hbm *hbm, unsigned channel, uint64_t clock,
                         const struct duplex_hbm_xpu_pins *pins);

// After the commands of this clock the bundles of the mask are Logic-PIM's, the others the xPU's.
int duplex_hbm_owner(struct duplex_hbm *hbm, uint64_t clock, unsigned owner);

// Activation rule of the judge: strict or not.
void duplex_hbm_strict(struct duplex_hbm *hbm, bool strict);

// The reset line of the DRAM: rows are closed, what was on its way is lost, the judge starts afresh, not
// strict. Cells and counts stay. `timing`: the one of open, not NULL.
void duplex_hbm_reset(struct duplex_hbm *hbm, const struct duplex_dram_timing *timing);

// Puts the beat that the DRAM drives in clock `clock` into data (128 bytes); data stays as it is if there is
// none.
void duplex_hbm_read_data(struct duplex_hbm *hbm, unsigned channel, uint64_t clock, void *data);

// DUPLEX_ERROR_DRAM_TIMING if a bundle in use has waited too long for its refresh at this clock.
int duplex_hbm_finish(struct duplex_hbm *hbm, uint64_t clock);

// Commands taken since open, by kind, summed over the channels.
void duplex_hbm_commands(const struct duplex_hbm *hbm, struct duplex_dram_commands *commands);
const char *duplex_hbm_failure(const struct duplex_hbm *hbm);

#ifdef __cplusplus
}
#endif
#endif
