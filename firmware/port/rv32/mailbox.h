// What host and controller share: one job in, one report out. All members are 32-bit words or bytes, so both sides see the same
// layout.
#ifndef DUPLEX_FIRMWARE_MAILBOX_H
#define DUPLEX_FIRMWARE_MAILBOX_H

#include "firmware/firmware.h"

#define MAILBOX_ADDRESS 0x80008000u  // firmware/port/rv32/memory.ld
#define FIRMWARE_RESET 0x80000000u
#define FIRMWARE_STOP 0x80000004u

enum mailbox_job { MAILBOX_GEMM = 1, MAILBOX_EXPERT = 2, MAILBOX_ATTENTION = 3 };

struct mailbox {
  uint32_t kind;
  struct gemm_job gemm;
  struct expert_job expert;
  struct attention_job attention;
  struct firmware_report report;
};

#endif
