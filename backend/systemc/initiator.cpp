// SPDX-License-Identifier: Apache-2.0
// The initiator that drives a stack: duplex/backend.h over the sockets of a stack.
#include <algorithm>

#include "duplex/error.h"
#include "duplex/registers.h"
#include "duplex/systemc.h"
#include "tlm_utils/tlm_quantumkeeper.h"

namespace duplex {
namespace {

constexpr size_t STACK_BYTES = 8 << 20;              // of the thread: the library and an emulator run in it
constexpr unsigned PAYLOAD_MOST = 1u << 20;          // bytes of one payload
constexpr uint64_t CLOCKS_MOST = UINT64_C(1) << 40;  // of one wait: the time of the simulation has an end

}  // namespace

// What the functions of the back end do.
class initiator::link {
 public:
  explicit link(initiator &owner) : owner_(owner) {
    base_.base.ops = &ops;
    base_.self = this;
    keeper_.reset();
  }
  duplex_backend *backend() { return &base_.base; }

  uint64_t clock() const { return clock_from(keeper_.get_current_time()); }
  void synchronize() {
    if (keeper_.get_local_time() > sc_core::SC_ZERO_TIME) keeper_.sync();
  }

 private:
  struct base_and_self {
    duplex_backend base;  // first, as duplex/backend.h demands
    link *self;
  };
  static link &of(duplex_backend *backend) { return *reinterpret_cast<base_and_self *>(backend)->self; }

  static void fill(tlm::tlm_generic_payload &payload, tlm::tlm_command command, uint64_t address, void *bytes,
                   size_t size) {
    payload.set_command(command);
    payload.set_address(address);
    payload.set_data_ptr(static_cast<unsigned char *>(bytes));
    payload.set_data_length(static_cast<unsigned>(size));
    payload.set_streaming_width(static_cast<unsigned>(size));
    payload.set_byte_enable_ptr(nullptr);
    payload.set_dmi_allowed(false);
    payload.set_response_status(tlm::TLM_INCOMPLETE_RESPONSE);
  }

  // The local time after an access, and the turn of the others if the quantum is used up.
  void passed(const sc_core::sc_time &delay) {
    keeper_.set(delay);
    if (keeper_.need_sync()) keeper_.sync();
  }

  int answer(const tlm::tlm_generic_payload &payload) {
    failure_.clear();
    if (payload.is_response_ok()) return DUPLEX_OK;
    if (payload.get_response_status() == tlm::TLM_ADDRESS_ERROR_RESPONSE) return DUPLEX_ERROR_BUS;
    failure_ = payload.get_response_string() + " of an access";
    return DUPLEX_ERROR_DEVICE;
  }

  int reg_access(tlm::tlm_command command, uint32_t address, uint32_t *value) {
    tlm::tlm_generic_payload payload;
    sc_core::sc_time delay = keeper_.get_local_time();
    fill(payload, command, address, value, sizeof *value);
    owner_.registers->b_transport(payload, delay);
    passed(delay);
    return answer(payload);
  }

  // Bytes of a channel in pieces of one payload each; `move` gives its error.
  template <typename Move>
  int pieces(unsigned channel, uint64_t address, void *bytes, size_t size, Move move) {
    if (address > CHANNEL_BYTES || size > CHANNEL_BYTES - address) return DUPLEX_ERROR_ARGUMENT;
    auto *at = static_cast<unsigned char *>(bytes);
    for (uint64_t from = channel * CHANNEL_BYTES + address; size;) {
      const size_t part = std::min<size_t>(size, PAYLOAD_MOST);
      const int error = move(from, at, part);
      if (error) return error;
      from += part, at += part, size -= part;
    }
    return DUPLEX_OK;
  }

  // Bytes of the DRAM without time, by debug transport.
  int debug(tlm::tlm_command command, unsigned channel, uint64_t address, void *bytes, size_t size) {
    return pieces(channel, address, bytes, size, [&](uint64_t from, unsigned char *at, size_t part) {
      tlm::tlm_generic_payload payload;
      fill(payload, command, from, at, part);
      return owner_.memory->transport_dbg(payload) == part ? DUPLEX_OK : refused(command, from, at, part);
    });
  }

  int refused(tlm::tlm_command command, uint64_t address, unsigned char *bytes, size_t size) {
    if (command == tlm::TLM_READ_COMMAND) std::fill_n(bytes, size, DUPLEX_FOREIGN_BYTE);
    failure_ = "memory socket, address " + std::to_string(address) + ": the bytes are not the xPU's";
    return DUPLEX_ERROR_OWNER;
  }

  // Bytes of the DRAM in the time that they take.
  int timed(tlm::tlm_command command, unsigned channel, uint64_t address, void *bytes, size_t size) {
    return pieces(channel, address, bytes, size, [&](uint64_t from, unsigned char *at, size_t part) {
      tlm::tlm_generic_payload payload;
      sc_core::sc_time delay = keeper_.get_local_time();
      fill(payload, command, from, at, part);
      owner_.memory->b_transport(payload, delay);
      passed(delay);
      if (command == tlm::TLM_READ_COMMAND) read_at_ = clock();
      const int error = answer(payload);
      return error == DUPLEX_ERROR_DEVICE ? refused(command, from, at, part) : error;
    });
  }

  // So many clocks pass, or fewer if the interrupt line is high. Whoever asks for the line sees it as it is
  // at his own clock: the simulation comes there.
  int advance(uint64_t clocks, int *interrupt) {
    clocks = std::min(clocks, CLOCKS_MOST);
    const sc_core::sc_time until = time_of_clock(clock() + clocks);
    if (!interrupt) {
      passed(until - sc_core::sc_time_stamp());
      return DUPLEX_OK;
    }
    synchronize();
    settle();
    if (clocks && !owner_.interrupt.read()) {
      sc_core::wait(until - sc_core::sc_time_stamp(), owner_.interrupt.posedge_event());
      keeper_.reset();
    }
    *interrupt = owner_.interrupt.read();
    return DUPLEX_OK;
  }

  // An edge of the line in this very clock comes first.
  static void settle() {
    sc_core::wait(sc_core::SC_ZERO_TIME);
    sc_core::wait(sc_core::SC_ZERO_TIME);
  }

  static const duplex_backend_ops ops;

  initiator &owner_;
  base_and_self base_;
  tlm_utils::tlm_quantumkeeper keeper_;
  std::string failure_;
  uint64_t read_at_ = 0;
};

const duplex_backend_ops initiator::link::ops = {
    "systemc", [](duplex_backend *) {},
    [](duplex_backend *b, uint32_t address, uint32_t *value) {
      *value = 0;
      return of(b).reg_access(tlm::TLM_READ_COMMAND, address, value);
    },
    [](duplex_backend *b, uint32_t address, uint32_t value) {
      return of(b).reg_access(tlm::TLM_WRITE_COMMAND, address, &value);
    },
    [](duplex_backend *b, unsigned channel, uint64_t address, void *bytes, size_t size) {
      return of(b).debug(tlm::TLM_READ_COMMAND, channel, address, bytes, size);
    },
    [](duplex_backend *b, unsigned channel, uint64_t address, const void *bytes, size_t size) {
      return of(b).debug(tlm::TLM_WRITE_COMMAND, channel, address, const_cast<void *>(bytes), size);
    },
    [](duplex_backend *b, unsigned channel, uint64_t address, void *bytes, size_t size) {
      if (bytes) return of(b).timed(tlm::TLM_READ_COMMAND, channel, address, bytes, size);
      std::string nobody_wants_them(size, 0);
      return of(b).timed(tlm::TLM_READ_COMMAND, channel, address, nobody_wants_them.data(), size);
    },
    [](duplex_backend *b, unsigned channel, uint64_t address, const void *bytes, size_t size) {
      return of(b).timed(tlm::TLM_WRITE_COMMAND, channel, address, const_cast<void *>(bytes), size);
    },
    [](duplex_backend *b, duplex_xpu_state *state) {
      *state = {};
      state->read_at = of(b).read_at_;
    },
    // Accesses of the xPU are over when they return: it is ready at once.
    [](duplex_backend *b, uint64_t, int *interrupt) { return interrupt ? of(b).advance(0, interrupt) : 0; },
    [](duplex_backend *) { return 0; },
    [](duplex_backend *b, uint64_t clocks, int *interrupt) { return of(b).advance(clocks, interrupt); },
    [](duplex_backend *b) { return of(b).clock(); },
    [](duplex_backend *, duplex_dram_commands *commands) { *commands = {}; },
    [](duplex_backend *b) { return of(b).failure_.c_str(); },
    nullptr,  // it writes no files
};

initiator::initiator(const sc_core::sc_module_name &name, std::function<void(initiator &)> program)
    : sc_core::sc_module(name),
      registers("registers"),
      memory("memory"),
      interrupt("interrupt"),
      link_(new link(*this)) {
  if (!program)
    SC_REPORT_ERROR("/duplex/elaboration",
                    (std::string(this->name()) + ".program: none: expected a function").c_str());
  sc_core::sc_spawn_options options;
  options.set_stack_size(STACK_BYTES);
  sc_core::sc_spawn([this, program] { program(*this); }, "program", &options);
}

initiator::~initiator() = default;

duplex_backend *initiator::backend() { return link_->backend(); }

uint64_t initiator::clock() const { return link_->clock(); }

void initiator::synchronize() { link_->synchronize(); }

namespace {

// Why a stack could not be opened with so many channels; its registers tell what is there.
std::string why_not(duplex_backend *backend, unsigned channels, int error) {
  uint32_t id = 0;
  uint32_t geometry = 0;
  const auto read = [backend](uint32_t address, uint32_t *value) {
    return backend->ops->reg_read(backend, address, value) == DUPLEX_OK;
  };
  const std::string text = "opening the stack: ";
  if (!read(DUPLEX_REG_ID, &id) || !read(DUPLEX_REG_GEOMETRY, &geometry))
    return text + "its registers cannot be read, " + backend->ops->failure(backend) +
           ": expected `registers` of a stack at this socket, and reset_n high";
  if (id != DUPLEX_ID_VALUE_RESET)
    return text + "register ID is " + std::to_string(id) + ": expected " +
           std::to_string(DUPLEX_ID_VALUE_RESET) + ", that of `registers` of a stack";
  const unsigned there = geometry >> DUPLEX_GEOMETRY_CHANNELS_LSB & 0xff;
  if (there == channels) return text + duplex_error_text(error);
  return text + std::to_string(channels) + " channels: expected " + std::to_string(there);
}

// A name for an object that belongs to `owner`, wherever that stands in the design.
std::string name_of(const sc_core::sc_object &owner, const std::string &what) {
  std::string name = owner.name();
  std::replace(name.begin(), name.end(), '.', '_');
  return name + "_" + what;
}

}  // namespace

std::function<void(initiator &)> with_stack(unsigned channels, std::function<void(duplex_stack *)> program,
                                            const duplex_riscv_options *riscv) {
  if (!program) SC_REPORT_ERROR("/duplex/elaboration", "with_stack.program: none: expected a function");
  return [channels, program = std::move(program), riscv](initiator &host) {
    duplex_stack_options options = {};
    options.backend.channels = channels;
    options.riscv = riscv;
    duplex_stack *stack = nullptr;
    const int error = duplex_stack_open_backend(host.backend(), &options, &stack);
    if (error) {
      const std::string text = std::string(host.name()) + ": " + why_not(host.backend(), channels, error);
      SC_REPORT_ERROR("/duplex/initiator", text.c_str());
      return;
    }
    program(stack);
    duplex_stack_close(stack);
  };
}

wires::wires(initiator &host, stack_module &stack)
    : interrupt(name_of(stack, "interrupt").c_str()), reset_n(name_of(stack, "reset_n").c_str(), true) {
  host.registers.bind(stack.registers);
  host.memory.bind(stack.memory);
  host.interrupt(interrupt);
  stack.interrupt(interrupt);
  stack.reset_n(reset_n);
}

}  // namespace duplex
