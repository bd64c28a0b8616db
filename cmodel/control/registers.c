// The registers of params/registers.rdl, as rtl/control/registers.v has them.
#include <string.h>

#include "cmodel/stack/stack.h"
#include "duplex/error.h"

bool stack_interrupt(const struct duplex_stack *stack) {
  return (stack->registers.interrupt_status & stack->registers.interrupt_enable) != 0;
}

void stack_raise_error(struct duplex_stack *stack, uint32_t code, uint32_t index, uint32_t tag, uint32_t address) {
  struct stack_registers *r = &stack->registers;
  r->interrupt_status |= 1u << DUPLEX_INTERRUPT_STATUS_ERROR_LSB;
  if (r->error_code) return;  // the first error stays until it is cleared
  r->error_code = code;
  r->error_descriptor = (index & 0xffff) << DUPLEX_ERROR_DESCRIPTOR_INDEX_LSB | tag << DUPLEX_ERROR_DESCRIPTOR_TAG_LSB;
  r->error_address = address;
}

static void write_control(struct duplex_stack *stack, uint32_t value) {
  stack->registers.enable = value >> DUPLEX_CONTROL_ENABLE_LSB & 1;
  if (value >> DUPLEX_CONTROL_FLUSH_LSB & 1) stack->registers.consumed = stack->registers.produced;
}

static void write_doorbell(struct duplex_stack *stack, uint32_t value) {
  struct stack_registers *r = &stack->registers;
  const uint16_t claimed = (uint16_t)value;
  if ((uint16_t)(claimed - r->consumed) > DUPLEX_RING_ENTRIES) {
    stack_raise_error(stack, DUPLEX_STACK_ERROR_RING_OVERFLOW, r->consumed, 0, claimed);
  } else {
    r->produced = claimed;
  }
}

static bool in_ring(uint32_t address) { return address >= DUPLEX_REG_RING && address < DUPLEX_REG_RING + RING_BYTES; }

static bool listed(uint32_t address) { return address % 4 == 0 && (address <= DUPLEX_REG_PERFORMANCE_HIGH || in_ring(address)); }

int stack_reg_write(struct duplex_stack *stack, uint32_t address, uint32_t value) {
  struct stack_registers *r = &stack->registers;
  if (!listed(address)) return DUPLEX_ERROR_BUS;
  if (in_ring(address)) {
    stack->ring[(address - DUPLEX_REG_RING) / 4] = value;
    return DUPLEX_OK;
  }
  switch (address) {
    case DUPLEX_REG_CONTROL:
      write_control(stack, value);
      break;
    case DUPLEX_REG_INTERRUPT_ENABLE:
      r->interrupt_enable = value & 3;
      break;
    case DUPLEX_REG_INTERRUPT_STATUS:
      r->interrupt_status &= ~value;
      break;
    case DUPLEX_REG_DOORBELL:
      write_doorbell(stack, value);
      break;
    case DUPLEX_REG_ERROR_CODE:
      r->error_code = 0;
      break;
    case DUPLEX_REG_BUNDLE_OWNER:
      r->bundle_owner = value & 0xf;
      break;
    case DUPLEX_REG_PERFORMANCE_SELECT:
      r->performance_select = value & 0xffff;
      break;
    default:
      break;  // a register that can only be read
  }
  return DUPLEX_OK;
}

static uint64_t selected_counter(const struct duplex_stack *stack) {
  const uint32_t channel = stack->registers.performance_select & 0xff, counter = stack->registers.performance_select >> 8;
  return channel < stack->channels && counter < STACK_COUNTERS ? stack->counters[channel][counter] : 0;
}

static uint32_t status(const struct stack_registers *r) {
  return (uint32_t)(r->error_code != 0) << DUPLEX_STATUS_ERROR_LSB | (uint32_t)(r->produced == r->consumed)
                                                                         << DUPLEX_STATUS_EMPTY_LSB;
}

static uint32_t geometry(const struct duplex_stack *stack) {
  return stack->channels << DUPLEX_GEOMETRY_CHANNELS_LSB | DUPLEX_LANES << DUPLEX_GEOMETRY_LANES_LSB |
         DUPLEX_WIDTH << DUPLEX_GEOMETRY_WIDTH_LSB | (uint32_t)DUPLEX_ROWS << DUPLEX_GEOMETRY_ROWS_LSB;
}

int stack_reg_read(struct duplex_stack *stack, uint32_t address, uint32_t *value) {
  struct stack_registers *r = &stack->registers;
  *value = 0;
  if (!listed(address)) return DUPLEX_ERROR_BUS;
  if (in_ring(address)) {
    *value = stack->ring[(address - DUPLEX_REG_RING) / 4];
    return DUPLEX_OK;
  }
  switch (address) {
    case DUPLEX_REG_ID:
      *value = DUPLEX_ID_VALUE_RESET;
      break;
    case DUPLEX_REG_VERSION:
      *value = DUPLEX_VERSION_VALUE_RESET;
      break;
    case DUPLEX_REG_GEOMETRY:
      *value = geometry(stack);
      break;
    case DUPLEX_REG_CONTROL:
      *value = r->enable;
      break;
    case DUPLEX_REG_STATUS:
      *value = status(r);
      break;
    case DUPLEX_REG_INTERRUPT_ENABLE:
      *value = r->interrupt_enable;
      break;
    case DUPLEX_REG_INTERRUPT_STATUS:
      *value = r->interrupt_status;
      break;
    case DUPLEX_REG_DOORBELL:
      *value = r->produced;
      break;
    case DUPLEX_REG_CONSUMER:
      *value = r->consumed;
      break;
    case DUPLEX_REG_COMPLETED:
      *value = r->completed;
      break;
    case DUPLEX_REG_ERROR_CODE:
      *value = r->error_code;
      break;
    case DUPLEX_REG_ERROR_DESCRIPTOR:
      *value = r->error_descriptor;
      break;
    case DUPLEX_REG_ERROR_ADDRESS:
      *value = r->error_address;
      break;
    case DUPLEX_REG_BUNDLE_OWNER:
      *value = r->bundle_owner;
      break;
    case DUPLEX_REG_BUSY_CLOCKS_LOW:
      *value = (uint32_t)stack->busy_clocks;
      r->busy_clocks_high = (uint32_t)(stack->busy_clocks >> 32);
      break;
    case DUPLEX_REG_BUSY_CLOCKS_HIGH:
      *value = r->busy_clocks_high;
      break;
    case DUPLEX_REG_PERFORMANCE_SELECT:
      *value = r->performance_select;
      break;
    case DUPLEX_REG_PERFORMANCE_LOW:
      *value = (uint32_t)selected_counter(stack);
      r->performance_high = (uint32_t)(selected_counter(stack) >> 32);
      break;
    case DUPLEX_REG_PERFORMANCE_HIGH:
      *value = r->performance_high;
      break;
    default:
      break;
  }
  return DUPLEX_OK;
}
