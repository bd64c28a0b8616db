// SPDX-License-Identifier: Apache-2.0
// A kernel with faults to order: what the controller says about each, and that it goes on, is tested in
// test_controller.c.
#include "firmware/kernels/ring.h"
#include "firmware/port/rv32/platform.h"
#include "firmware/protocol.h"

// The payload: one word that names the fault.
enum {
  FAULT_NONE,
  FAULT_ILLEGAL,
  FAULT_LOAD,
  FAULT_STORE,
  FAULT_CODE,
  FAULT_STACK,
  FAULT_LOOP,
  FAULT_ECALL,
  FAULT_JUMP,
  FAULT_REGISTER,
  FAULT_INTERRUPT,  // none: a timer interrupt with a handler
  FAULT_NO_FINISH,
  FAULT_PUSH_AFTER_FINISH,
  FAULT_REFUSES_LATE,  // with descriptors in the ring
  FAULT_FINISHES       // none: the same with ring_finish
};

static volatile uint32_t sink;

// Not a tail call: every level takes room.
static uint32_t __attribute__((noinline)) overflow_stack(uint32_t depth) {
  volatile uint32_t room[64];
  room[depth % 64] = depth;
  return depth == UINT32_MAX ? 0 : overflow_stack(depth + 1) + room[depth % 64];
}

#ifdef __riscv
static volatile uint32_t interrupt_cause;

static void __attribute__((interrupt("machine"), aligned(4))) on_interrupt(void) {
  uint32_t cause;
  __asm__ volatile(".option push\n.option arch, +zicsr\ncsrr %0, mcause\ncsrc mie, %1\n.option pop"
                   : "=&r"(cause)
                   : "r"(1 << 7));
  interrupt_cause = cause;
}

// With interrupts on, a loop without any access outside ends by the timer's interrupt.
static enum completion_status take_interrupt(void) {
  volatile uint32_t *platform = (volatile uint32_t *)RV32_PLATFORM;
  uint32_t vector;
  interrupt_cause = 0;
  platform[RV32_COMPARE_LOW / 4] = platform[RV32_TIME_LOW / 4] + 500;
  platform[RV32_COMPARE_HIGH / 4] = 0;
  __asm__ volatile(
      ".option push\n.option arch, +zicsr\ncsrrw %0, mtvec, %1\ncsrw mie, %2\ncsrsi mstatus, 8\n.option pop"
      : "=&r"(vector)
      : "r"(on_interrupt), "r"(1 << 7));
  while (interrupt_cause == 0) continue;
  __asm__ volatile(
      ".option push\n.option arch, +zicsr\ncsrci mstatus, 8\ncsrw mtvec, %0\ncsrs mie, %1\n.option pop" ::"r"(
          vector),
      "r"(1 << 7 | 1 << 11));
  return interrupt_cause == (0x80000000u | 7) ? COMPLETION_DONE : COMPLETION_ARGUMENT;
}
#endif

// Loads the first tile of the client's rows, `count` times.
static void push_loads(struct ring *ring, unsigned count) {
  uint32_t d[DUPLEX_DESCRIPTOR_WORDS];
  describe_load(d, (struct region){0, 1}, DUPLEX_DESTINATION_SHARED, 0, 1);
  for (unsigned i = 0; i < count; i++) ring_push(ring, d, i + 1 == count);
}

static enum completion_status leave_ring(const struct hal *hal, uint32_t fault,
                                         struct firmware_report *report) {
  struct ring ring;
  ring_start(&ring, hal, report);
  push_loads(&ring, 3);
  if (fault == FAULT_PUSH_AFTER_FINISH || fault == FAULT_FINISHES) ring_finish(&ring);
  if (fault == FAULT_PUSH_AFTER_FINISH) push_loads(&ring, 1);
  return fault == FAULT_REFUSES_LATE ? COMPLETION_ARGUMENT : COMPLETION_DONE;
}

static enum completion_status serve_faulty(struct client *client, const void *payload,
                                           struct firmware_report *report, uint32_t *detail) {
  (void)detail;
  switch (*(const uint32_t *)payload) {
    case FAULT_NONE:
      return COMPLETION_DONE;
#ifdef __riscv
    case FAULT_ILLEGAL:
      __asm__ volatile(".word 0");
      break;
    case FAULT_INTERRUPT:
      return take_interrupt();
    case FAULT_ECALL:
      __asm__ volatile("ecall");
      break;
#endif
    case FAULT_LOAD:
      sink = *(volatile uint32_t *)16;
      break;
    case FAULT_STORE:
      *(volatile uint32_t *)0x90000000 = 1;
      break;
    case FAULT_CODE:
      *(volatile uint32_t *)0x80000000 = 1;
      break;
    case FAULT_STACK:
      sink = overflow_stack(0);
      break;
    case FAULT_LOOP:
      for (;;) sink = 1;
    case FAULT_JUMP:
      ((void (*)(void))0x12340000)();
      break;
    case FAULT_REGISTER:
      hal_write(&client->protocol->hal, 0x100, 1);
      break;
    case FAULT_NO_FINISH:
    case FAULT_PUSH_AFTER_FINISH:
    case FAULT_REFUSES_LATE:
    case FAULT_FINISHES:
      return leave_ring(&client->protocol->hal, *(const uint32_t *)payload, report);
    default:
      return COMPLETION_ARGUMENT;
  }
  return COMPLETION_DONE;
}

const struct kernel user_kernel = {MESSAGE_USER, 4, serve_faulty};
