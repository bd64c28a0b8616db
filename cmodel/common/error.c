// SPDX-License-Identifier: Apache-2.0
// The text of each error code.
#include "duplex/error.h"

const char *duplex_error_text(int error) {
  switch ((enum duplex_error)error) {
    case DUPLEX_OK:
      return "no error";
    case DUPLEX_ERROR_ARGUMENT:
      return "an argument is out of range";
    case DUPLEX_ERROR_NO_MEMORY:
      return "too little memory on the host";
    case DUPLEX_ERROR_OUT_OF_SPACE:
      return "too little room in memory";
    case DUPLEX_ERROR_BUS:
      return "no register at this address";
    case DUPLEX_ERROR_DEVICE:
      return "a descriptor was refused";
    case DUPLEX_ERROR_WATCHDOG:
      return "no completion in time";
    case DUPLEX_ERROR_DRAM_TIMING:
      return "a DRAM command broke a timing rule";
    case DUPLEX_ERROR_NOT_AVAILABLE:
      return "not available in this build";
    case DUPLEX_ERROR_IO:
      return "a file could not be read or written";
    case DUPLEX_ERROR_FORMAT:
      return "wrong form of a file or message";
    case DUPLEX_ERROR_OWNER:
      return "the DRAM belongs to the other side";
    case DUPLEX_ERROR_FIRMWARE:
      return "the firmware stopped";
    case DUPLEX_ERROR_CANCELLED:
      return "the job was cancelled";
    case DUPLEX_ERROR_QUEUE_FULL:
      return "no room for another job";
    case DUPLEX_ERROR_BUSY:
      return "the job is not done yet";
  }
  return "unknown error";
}
