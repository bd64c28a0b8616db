// SPDX-License-Identifier: Apache-2.0
// The registers of a Verilated stack for a debugger: what they hold behind the last edge, as a read of the
// AXI4-Lite port would show it, without a clock and without latching anything.
//
// Verilator keeps the flip-flops of the RTL as members of the model; their names are those of
// rtl/stack/stack.v, rtl/control/registers.v and descriptor_ring.v.
#ifndef DUPLEX_RTL_REGISTER_PEEK_H
#define DUPLEX_RTL_REGISTER_PEEK_H

#include <cstdint>

#include "Vstack.h"
#include "Vstack___024root.h"
#include "duplex/error.h"
#include "duplex/params.h"
#include "duplex/registers.h"

namespace rtl {

#define REGISTER(name) root.stack__DOT__registers__DOT__##name
// The register at an address below that of the ring; `channels`: of the stack. False: there is none.
inline bool register_value(const Vstack___024root &root, unsigned channels, uint32_t address,
                           uint32_t &value) {
  switch (address) {
    case DUPLEX_REG_ID:
      return value = DUPLEX_ID_VALUE_RESET, true;
    case DUPLEX_REG_VERSION:
      return value = DUPLEX_VERSION_VALUE_RESET, true;
    case DUPLEX_REG_GEOMETRY:
      return value = channels << DUPLEX_GEOMETRY_CHANNELS_LSB | DUPLEX_LANES << DUPLEX_GEOMETRY_LANES_LSB |
                     DUPLEX_WIDTH << DUPLEX_GEOMETRY_WIDTH_LSB | DUPLEX_ROWS << DUPLEX_GEOMETRY_ROWS_LSB,
             true;
    case DUPLEX_REG_CONTROL:
      return value = REGISTER(enable_q) << DUPLEX_CONTROL_ENABLE_LSB, true;
    case DUPLEX_REG_STATUS:
      return value = root.stack__DOT__busy << DUPLEX_STATUS_BUSY_LSB |
                     REGISTER(error_q) << DUPLEX_STATUS_ERROR_LSB |
                     (REGISTER(produced_q) == REGISTER(consumed_q)) << DUPLEX_STATUS_EMPTY_LSB,
             true;
    case DUPLEX_REG_INTERRUPT_ENABLE:
      return value = REGISTER(interrupt_enable_q), true;
    case DUPLEX_REG_INTERRUPT_STATUS:
      return value = REGISTER(interrupt_status_q), true;
    case DUPLEX_REG_DOORBELL:
      return value = REGISTER(produced_q), true;
    case DUPLEX_REG_CONSUMER:
      return value = REGISTER(consumed_q), true;
    case DUPLEX_REG_COMPLETED:
      return value = REGISTER(completed_q), true;
    case DUPLEX_REG_ERROR_CODE:
      return value = REGISTER(code_q), true;
    case DUPLEX_REG_ERROR_DESCRIPTOR:
      return value = uint32_t(REGISTER(error_index_q)) << DUPLEX_ERROR_DESCRIPTOR_INDEX_LSB |
                     uint32_t(REGISTER(error_tag_q)) << DUPLEX_ERROR_DESCRIPTOR_TAG_LSB,
             true;
    case DUPLEX_REG_ERROR_ADDRESS:
      return value = REGISTER(error_address_q), true;
    case DUPLEX_REG_BUNDLE_OWNER:
      return value = REGISTER(owner_q) << DUPLEX_BUNDLE_OWNER_LOGIC_PIM_LSB |
                     root.stack__DOT__open_q << DUPLEX_BUNDLE_OWNER_OPEN_LSB |
                     REGISTER(strict_q) << DUPLEX_BUNDLE_OWNER_STRICT_LSB,
             true;
    case DUPLEX_REG_BUSY_CLOCKS_LOW:
      return value = uint32_t(REGISTER(clocks_q)), true;
    case DUPLEX_REG_BUSY_CLOCKS_HIGH:
      return value = REGISTER(clocks_high_q), true;
    case DUPLEX_REG_PERFORMANCE_SELECT:
      return value = REGISTER(select_q), true;
    case DUPLEX_REG_PERFORMANCE_LOW:
      return value = uint32_t(root.stack__DOT__performance_q), true;
    case DUPLEX_REG_PERFORMANCE_HIGH:
      return value = REGISTER(performance_high_q), true;
    default:
      return false;
  }
}
#undef REGISTER

// 0, or DUPLEX_ERROR_BUS: there is no register at the address.
inline int peek_register(const Vstack &model, unsigned channels, uint32_t address, uint32_t *value) {
  const auto &ring = model.rootp->stack__DOT__ring__DOT__ram__DOT__memory;
  constexpr uint32_t RING_END = DUPLEX_REG_RING + DUPLEX_RING_ENTRIES * DUPLEX_DESCRIPTOR_WORDS * 4;
  const bool in_ring = address % 4 == 0 && address >= DUPLEX_REG_RING && address < RING_END;
  *value = in_ring ? ring[(address - DUPLEX_REG_RING) / 4] : 0;
  if (in_ring || register_value(*model.rootp, channels, address, *value)) return DUPLEX_OK;
  return DUPLEX_ERROR_BUS;
}

}  // namespace rtl
#endif
