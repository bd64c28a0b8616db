// SPDX-License-Identifier: Apache-2.0
// Access of the firmware to its stack: registers, waiting, and whether the job is still wanted. On the
// stack's own RV32 controller these are plain loads, stores and `wfi`; natively they go through functions
// that the driver gives.
#ifndef DUPLEX_FIRMWARE_HAL_H
#define DUPLEX_FIRMWARE_HAL_H

#include <stdbool.h>
#include <stdint.h>

struct hal {
#ifndef __riscv
  void *context;
  uint32_t (*read)(void *context, uint32_t address);
  void (*write)(void *context, uint32_t address, uint32_t value);
  int (*wait_interrupt)(void *context);  // not 0: it did not come in time
#endif
  // The job is no longer wanted once *cancel is cancel_value or *generation is another. cancel may be NULL.
  const volatile uint32_t *cancel, *generation;
  uint32_t cancel_value, generation_value;
  uint32_t watchdog_clocks;  // of the RV32 controller; 0: none
  uint32_t *soiled;          // the first so many slots of the ring may have words of ATTENTION that are not 0
};

static inline bool hal_cancelled(const struct hal *hal) {
  return hal->cancel && (*hal->cancel == hal->cancel_value || *hal->generation != hal->generation_value);
}

#ifdef __riscv

#define HAL_REGISTERS 0x40000000u  // memory map: docs/firmware.md

// A register of the stack. The next access waits until the stack has answered a write.
static inline uint32_t hal_read(const struct hal *hal, uint32_t address) {
  (void)hal;
  return *(volatile uint32_t *)(HAL_REGISTERS + address);
}

static inline void hal_write(const struct hal *hal, uint32_t address, uint32_t value) {
  (void)hal;
  *(volatile uint32_t *)(HAL_REGISTERS + address) = value;
}

// A run of registers from `address` on. Its place stays in one register: the compiler would put a sum before
// every access.
static inline uint32_t hal_base(uint32_t address) {
  uint32_t base = HAL_REGISTERS + address;
  __asm__("" : "+r"(base));
  return base;
}

static inline void hal_write_word(const struct hal *hal, uint32_t base, uint32_t word, uint32_t value) {
  (void)hal;
  *(volatile uint32_t *)(base + 4 * word) = value;
}

// Until the interrupt line is high or the host rings its doorbell; not 0: neither in watchdog_clocks.
int hal_wait_interrupt(const struct hal *hal);

#else

static inline uint32_t hal_read(const struct hal *hal, uint32_t address) {
  return hal->read(hal->context, address);
}
static inline void hal_write(const struct hal *hal, uint32_t address, uint32_t value) {
  hal->write(hal->context, address, value);
}
static inline uint32_t hal_base(uint32_t address) { return address; }
static inline void hal_write_word(const struct hal *hal, uint32_t base, uint32_t word, uint32_t value) {
  hal_write(hal, base + 4 * word, value);
}
static inline int hal_wait_interrupt(const struct hal *hal) { return hal->wait_interrupt(hal->context); }

#endif
#endif
