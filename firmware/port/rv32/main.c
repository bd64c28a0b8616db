// SPDX-License-Identifier: Apache-2.0
// The firmware on the RV32 controller: serves the queues, and sleeps when there is nothing to do.
#include "firmware/kernels/ring.h"
#include "firmware/port/rv32/platform.h"
#include "firmware/protocol.h"

struct mailbox mailbox __attribute__((section(".mailbox")));
static struct layer_tables tables __attribute__((section(".tables")));
static struct protocol protocol;

static volatile uint32_t *platform(uint32_t offset) { return (volatile uint32_t *)(RV32_PLATFORM + offset); }

// The timer interrupt comes in so many clocks; 0: never.
static void set_timer(uint32_t clocks) {
  uint32_t low = 0xffffffff;
  uint32_t high = 0xffffffff;
  if (clocks) {
    const uint32_t now = *platform(RV32_TIME_LOW);
    low = now + clocks;
    high = *platform(RV32_TIME_HIGH) + (low < now);
  }
  *platform(RV32_COMPARE_HIGH) = 0xffffffff;
  *platform(RV32_COMPARE_LOW) = low;
  *platform(RV32_COMPARE_HIGH) = high;
}

int hal_wait_interrupt(const struct hal *hal) {
  uint32_t pending;
  set_timer(hal->watchdog_clocks);
  while ((pending = *platform(RV32_PENDING)) == 0) __asm__ volatile("wfi" ::: "memory");
  *platform(RV32_DOORBELL) = 0;  // it may be about this job; the queues are looked at in any case
  return pending == RV32_PENDING_TIMER;
}

int main(void) {
  protocol.tables = &tables;
  ring_recover(&protocol.hal);
  protocol_start(&protocol, &mailbox);
  for (;;) {
    *platform(RV32_DOORBELL) = 0;
    protocol.hal.watchdog_clocks = mailbox.watchdog_clocks;
    while (protocol_serve(&protocol)) *platform(RV32_COMPLETE) = 0;
    set_timer(0);
    while (!(*platform(RV32_PENDING) & RV32_PENDING_DOORBELL))
      if (!ring_tidy(&protocol.hal)) __asm__ volatile("wfi" ::: "memory");
  }
}
