// A kernel with faults to order: what the controller says about each, and that it goes on, is tested in test_controller.c.
#include "firmware/kernels/ring.h"
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
  FAULT_REGISTER
};

static volatile uint32_t sink;

// Not a tail call: every level takes room.
static uint32_t __attribute__((noinline)) overflow_stack(uint32_t depth) {
  volatile uint32_t room[64];
  room[depth % 64] = depth;
  return depth == UINT32_MAX ? 0 : overflow_stack(depth + 1) + room[depth % 64];
}

static enum completion_status serve_faulty(struct client *client, const void *payload, struct firmware_report *report,
                                           uint32_t *detail) {
  (void)detail, (void)report;
  switch (*(const uint32_t *)payload) {
    case FAULT_NONE:
      return COMPLETION_DONE;
#ifdef __riscv
    case FAULT_ILLEGAL:
      __asm__ volatile(".word 0");
      break;
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
    default:
      return COMPLETION_ARGUMENT;
  }
  return COMPLETION_DONE;
}

const struct kernel user_kernel = {MESSAGE_USER, 4, serve_faulty};
