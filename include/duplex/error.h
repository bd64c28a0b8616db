// SPDX-License-Identifier: Apache-2.0
// Error codes of the library: negative returns. Texts by duplex_error_text.
#ifndef DUPLEX_ERROR_H
#define DUPLEX_ERROR_H

#ifdef __cplusplus
extern "C" {
#endif

enum duplex_error {
  DUPLEX_OK = 0,
  DUPLEX_ERROR_ARGUMENT = -1,      // an argument out of its documented range
  DUPLEX_ERROR_NO_MEMORY = -2,     // the host has too little memory
  DUPLEX_ERROR_OUT_OF_SPACE = -3,  // the stack's DRAM or shared buffer has too little room
  DUPLEX_ERROR_BUS = -4,           // a register access to an address without a register
  DUPLEX_ERROR_DEVICE = -5,        // the stack refused a descriptor (its error registers say why)
  DUPLEX_ERROR_WATCHDOG = -6,      // no news from the stack within the given clocks
  DUPLEX_ERROR_DRAM_TIMING = -7,   // a DRAM command broke a timing rule
  // The back end is not built for this number of channels, or cannot do this.
  DUPLEX_ERROR_NOT_AVAILABLE = -8,
  DUPLEX_ERROR_IO = -9,           // a file could not be read or written
  DUPLEX_ERROR_FORMAT = -10,      // a file or message has the wrong form
  DUPLEX_ERROR_OWNER = -11,       // DRAM that belongs to the other side
  DUPLEX_ERROR_FIRMWARE = -12,    // the firmware crashed, stopped or refused a message; it was started afresh
  DUPLEX_ERROR_CANCELLED = -13,   // the job was cancelled
  DUPLEX_ERROR_QUEUE_FULL = -14,  // no room for another job, or no queue for another client
  DUPLEX_ERROR_BUSY = -15,        // the job is not done yet
};

// A few words for a code, also for one that there is not.
const char *duplex_error_text(int error);

#ifdef __cplusplus
}
#endif
#endif
