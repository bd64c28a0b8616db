# Start of the firmware on the RV32 controller: stack, cleared data, main, and a place to stop.
# The first two words are fixed: reset at 0x80000000, the end of a job at 0x80000004.
  .section .reset, "ax"
  .option push
  .option norvc
  .globl reset
reset:
  j begin
  .globl stop
stop:
  j stop
  .option pop

begin:
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
  j stop
