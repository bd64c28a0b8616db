/* SPDX-License-Identifier: Apache-2.0 */
# Start of the firmware on the RV32 controller: stack, cleared data, main. A trap leaves its cause in the mailbox and stops; it
# uses no memory but the mailbox, since the stack may be what overflowed.
#include "firmware/port/rv32/platform.h"
#define CRASH 24                /* struct mailbox: crash_cause, crash_pc, crash_value, crash_stack, crashed */

  .option arch, +zicsr
  .section .reset, "ax"
  .globl reset
  .type reset, @function
reset:
  la t0, trap
  csrw mtvec, t0
  li t0, (1 << 11) | (1 << 7)   /* external and timer interrupts wake wfi; they are polled, so mstatus.MIE stays 0 */
  csrw mie, t0
  la sp, stack_top
  la t0, bss_begin
  la t1, bss_end
clear:
  bgeu t0, t1, run
  sw zero, 0(t0)
  addi t0, t0, 4
  j clear
run:
  call main
  j halt
  .size reset, . - reset

  .balign 4
  .globl trap
  .type trap, @function
trap:
  csrw mscratch, t0
  la t0, mailbox
  sw sp, CRASH + 12(t0)
  csrr sp, mcause
  sw sp, CRASH(t0)
  csrr sp, mepc
  sw sp, CRASH + 4(t0)
  csrr sp, mtval
  sw sp, CRASH + 8(t0)
  li sp, 1
  sw sp, CRASH + 16(t0)
halt:
  li t0, RV32_PLATFORM
  sw zero, RV32_HALT(t0)
  j halt
  .size trap, . - trap
