// SPDX-License-Identifier: Apache-2.0
// The registers of params/registers.rdl, as rtl/control/registers.v has them.
#include "cmodel/control/registers.h"

void registers_reset(struct stack_registers *r) {
  *r = (struct stack_registers){.empty = true, .bundle_owner = DUPLEX_BUNDLE_OWNER_LOGIC_PIM_RESET};
}

bool registers_run(const struct stack_registers *r) {
  return r->enable && !r->error_code && !r->empty && r->produced != r->consumed && !r->write;
}

bool registers_settled(const struct stack_registers *r) {
  const bool settled = r->empty == (r->produced == r->consumed) && !r->doorbell && !r->write;
  const bool runs = r->enable && !r->error_code && r->produced != r->consumed;
  return settled && !runs && (r->interrupt_status & r->interrupt_enable) == 0;
}

// The first error stays until it is cleared.
static void raise_error(struct stack_registers *r, uint32_t code, uint32_t index, uint32_t tag,
                        uint32_t address) {
  if (r->error_code) return;
  r->error_code = code;
  r->error_descriptor =
      (index & 0xffff) << DUPLEX_ERROR_DESCRIPTOR_INDEX_LSB | tag << DUPLEX_ERROR_DESCRIPTOR_TAG_LSB;
  r->error_address = address;
}

// The effect of a write.
static void take_write(struct stack_registers *r) {
  switch (r->write_address) {
    case DUPLEX_REG_CONTROL:
      r->enable = r->write_data >> DUPLEX_CONTROL_ENABLE_LSB & 1;
      break;
    case DUPLEX_REG_INTERRUPT_ENABLE:
      r->interrupt_enable = r->write_data & 3;
      break;
    case DUPLEX_REG_DOORBELL:
      r->claimed = (uint16_t)r->write_data;
      break;
    case DUPLEX_REG_ERROR_CODE:
      r->error_code = 0;
      break;
    case DUPLEX_REG_BUNDLE_OWNER:
      r->bundle_owner = r->write_data & 0xf;
      r->strict = r->write_data >> DUPLEX_BUNDLE_OWNER_STRICT_LSB & 1;
      break;
    case DUPLEX_REG_PERFORMANCE_SELECT:
      r->performance_select = r->write_data & 0xffff;
      break;
    default:
      break;  // a register that can only be read
  }
}

// The place in the ring of the next descriptor.
static void consumer_clock(struct stack_registers *r, const struct registers_in *in, bool flush) {
  if (in->fetch) r->index = r->consumed;
  if (flush) {
    r->consumed = r->produced;
  } else if (in->fetched && r->fetching) {
    r->consumed++;
  }
  if (in->fetch) {
    r->fetching = true;
  } else if (flush || in->fetched) {
    r->fetching = false;
  }
}

void registers_clock(struct stack_registers *r, const struct registers_in *in) {
  // The doorbell is looked at one clock after it was written.
  const bool overflow = r->doorbell && (uint16_t)(r->claimed - r->consumed) > DUPLEX_RING_ENTRIES;
  const bool accepted = r->doorbell && !overflow;
  const uint32_t cleared =
      r->write && r->write_address == DUPLEX_REG_INTERRUPT_STATUS ? r->write_data & 3 : 0;
  const bool flush =
      r->write && r->write_address == DUPLEX_REG_CONTROL && (r->write_data >> DUPLEX_CONTROL_FLUSH_LSB & 1);
  const bool clear_error = r->write && r->write_address == DUPLEX_REG_ERROR_CODE;
  const uint16_t claimed = r->claimed;
  r->interrupt = (r->interrupt_status & r->interrupt_enable) != 0;
  r->interrupt_status = (r->interrupt_status & ~cleared) |
                        (uint32_t)(in->completed && in->completed_interrupt)
                            << DUPLEX_INTERRUPT_STATUS_DONE_LSB |
                        (uint32_t)(in->error || overflow) << DUPLEX_INTERRUPT_STATUS_ERROR_LSB;
  if (!clear_error && in->error) raise_error(r, in->error_code, r->index, in->error_tag, in->error_address);
  if (!clear_error && overflow && !in->error)
    raise_error(r, DUPLEX_STACK_ERROR_RING_OVERFLOW, r->consumed, 0, claimed);
  r->empty = r->produced == r->consumed;
  consumer_clock(r, in, flush);
  if (accepted) r->produced = claimed;
  r->completed += in->completed;
  r->busy_clocks += in->busy;
  r->doorbell = r->write && r->write_address == DUPLEX_REG_DOORBELL;
  if (r->write) take_write(r);
  r->write = false;
}

static bool in_ring(uint32_t address) {
  return address >= DUPLEX_REG_RING && address < DUPLEX_REG_RING + RING_BYTES;
}

bool registers_listed(uint32_t address) {
  return address % 4 == 0 && (address <= DUPLEX_REG_PERFORMANCE_HIGH || in_ring(address));
}

void registers_write(struct stack_registers *r, uint32_t address, uint32_t value) {
  if (!registers_listed(address)) return;
  if (in_ring(address)) {
    r->ring[(address - DUPLEX_REG_RING) / 4] = value;
    return;
  }
  r->write = true;
  r->write_address = address;
  r->write_data = value;
}

// The word that a read of STATUS gives; `busy`: a job is under way.
static uint32_t status(const struct stack_registers *r, bool busy) {
  return (uint32_t)busy << DUPLEX_STATUS_BUSY_LSB |
         (uint32_t)(r->error_code != 0) << DUPLEX_STATUS_ERROR_LSB |
         (uint32_t)(r->produced == r->consumed) << DUPLEX_STATUS_EMPTY_LSB;
}

// The word that a read of GEOMETRY gives for a stack of so many channels.
static uint32_t geometry(unsigned channels) {
  return channels << DUPLEX_GEOMETRY_CHANNELS_LSB | DUPLEX_LANES << DUPLEX_GEOMETRY_LANES_LSB |
         DUPLEX_WIDTH << DUPLEX_GEOMETRY_WIDTH_LSB | (uint32_t)DUPLEX_ROWS << DUPLEX_GEOMETRY_ROWS_LSB;
}

// Counters of 64 bits: a read of the low half latches the high one. 0 where there is none.
static uint32_t look_at_counters(struct stack_registers *r, uint32_t address, uint64_t counter) {
  switch (address) {
    case DUPLEX_REG_BUSY_CLOCKS_LOW:
      r->busy_clocks_high = (uint32_t)(r->busy_clocks >> 32);
      return (uint32_t)r->busy_clocks;
    case DUPLEX_REG_BUSY_CLOCKS_HIGH:
      return r->busy_clocks_high;
    case DUPLEX_REG_PERFORMANCE_SELECT:
      return r->performance_select;
    case DUPLEX_REG_PERFORMANCE_LOW:
      r->performance_high = (uint32_t)(counter >> 32);
      return (uint32_t)counter;
    case DUPLEX_REG_PERFORMANCE_HIGH:
      return r->performance_high;
    default:
      return 0;
  }
}

uint32_t registers_look(struct stack_registers *r, uint32_t address, const struct registers_view *view) {
  if (!registers_listed(address)) return 0;
  if (in_ring(address)) return r->ring[(address - DUPLEX_REG_RING) / 4];
  switch (address) {
    case DUPLEX_REG_ID:
      return DUPLEX_ID_VALUE_RESET;
    case DUPLEX_REG_VERSION:
      return DUPLEX_VERSION_VALUE_RESET;
    case DUPLEX_REG_GEOMETRY:
      return geometry(view->channels);
    case DUPLEX_REG_CONTROL:
      return r->enable;
    case DUPLEX_REG_STATUS:
      return status(r, view->busy);
    case DUPLEX_REG_INTERRUPT_ENABLE:
      return r->interrupt_enable;
    case DUPLEX_REG_INTERRUPT_STATUS:
      return r->interrupt_status;
    case DUPLEX_REG_DOORBELL:
      return r->produced;
    case DUPLEX_REG_CONSUMER:
      return r->consumed;
    case DUPLEX_REG_COMPLETED:
      return r->completed;
    case DUPLEX_REG_ERROR_CODE:
      return r->error_code;
    case DUPLEX_REG_ERROR_DESCRIPTOR:
      return r->error_descriptor;
    case DUPLEX_REG_ERROR_ADDRESS:
      return r->error_address;
    case DUPLEX_REG_BUNDLE_OWNER:
      return r->bundle_owner | view->open << DUPLEX_BUNDLE_OWNER_OPEN_LSB |
             (uint32_t)r->strict << DUPLEX_BUNDLE_OWNER_STRICT_LSB;
    default:
      return look_at_counters(r, address, view->counter);
  }
}
