// SPDX-License-Identifier: Apache-2.0
// Memory and registers of the RV32 controller, as its firmware and whoever simulates it see them
// (docs/firmware.md).
#ifndef DUPLEX_RV32_PLATFORM_H
#define DUPLEX_RV32_PLATFORM_H

#define RV32_CODE 0x80000000u
#define RV32_CODE_BYTES 0x9000u
#define RV32_DATA 0x80010000u
#define RV32_DATA_BYTES 0x2000u
#define RV32_STACK 0x80021000u  // nothing below it: a guard
#define RV32_STACK_BYTES 0x2000u
#define RV32_MAILBOX 0x80030000u
#define RV32_MAILBOX_BYTES 0x5000u
#define RV32_TABLES 0x80040000u  // of layers and of times
#define RV32_TABLES_BYTES 0x27000u
#define RV32_STACK_REGISTERS 0x40000000u  // the registers and the ring of the Logic-PIM stack
#define RV32_PLATFORM 0x50000000u

// Registers at RV32_PLATFORM. External interrupt: PENDING.stack or PENDING.doorbell; timer interrupt:
// PENDING.timer.
#define RV32_PENDING 0x00u   // read: 1 interrupt line of the stack, 2 timer, 4 doorbell of the host
#define RV32_TIME_LOW 0x04u  // clocks of the stack; reading it latches the high half
#define RV32_TIME_HIGH 0x08u
#define RV32_COMPARE_LOW 0x0cu  // the timer is pending from this time on
#define RV32_COMPARE_HIGH 0x10u
#define RV32_DOORBELL 0x14u  // write: clears the host's doorbell
#define RV32_COMPLETE 0x18u  // write: interrupt to the host
#define RV32_HALT 0x1cu      // write: the controller stops

#define RV32_PENDING_STACK 1u
#define RV32_PENDING_TIMER 2u
#define RV32_PENDING_DOORBELL 4u

#endif
