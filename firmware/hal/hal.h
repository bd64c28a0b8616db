// Access of the firmware to its stack: registers and waiting. On the stack's own RV32 controller these are plain loads, stores
// and `wfi`; natively they go through functions that the driver gives.
#ifndef DUPLEX_FIRMWARE_HAL_H
#define DUPLEX_FIRMWARE_HAL_H

#include <stdint.h>

#ifdef __riscv

#define HAL_REGISTERS 0x40000000u  // memory map: firmware/port/rv32/memory.ld

struct hal {
  uint32_t unused;
};

static inline uint32_t hal_read(const struct hal *hal, uint32_t address) {
  (void)hal;
  return *(volatile uint32_t *)(HAL_REGISTERS + address);
}

static inline void hal_write(const struct hal *hal, uint32_t address, uint32_t value) {
  (void)hal;
  *(volatile uint32_t *)(HAL_REGISTERS + address) = value;
}

// Until the interrupt line is high. The controller's watchdog is outside, so this never gives up.
static inline int hal_wait_interrupt(const struct hal *hal) {
  (void)hal;
  __asm__ volatile("wfi" ::: "memory");
  return 0;
}

#else

struct hal {
  void *context;
  uint32_t (*read)(void *context, uint32_t address);
  void (*write)(void *context, uint32_t address, uint32_t value);
  int (*wait_interrupt)(void *context);  // not 0: it did not come in time
};

static inline uint32_t hal_read(const struct hal *hal, uint32_t address) { return hal->read(hal->context, address); }
static inline void hal_write(const struct hal *hal, uint32_t address, uint32_t value) {
  hal->write(hal->context, address, value);
}
static inline int hal_wait_interrupt(const struct hal *hal) { return hal->wait_interrupt(hal->context); }

#endif
#endif
