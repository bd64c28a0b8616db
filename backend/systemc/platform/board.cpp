// SPDX-License-Identifier: Apache-2.0
// One stack with its host and controller, reset, and what watches them.
#include "backend/systemc/platform/board.h"

namespace platform {
namespace {

constexpr uint64_t RESET_CLOCKS = 16;

std::unique_ptr<duplex::stack_module> make_stack(const std::string &module, const options &o) {
  if (module == "tlm") return std::make_unique<duplex::stack_tlm>("stack", o.stack);
  duplex::stack_parameters with_trace = o.stack;
  with_trace.trace_file = o.trace;
  return std::make_unique<duplex::stack_pin>("stack", with_trace);
}

}  // namespace

board::board(const sc_core::sc_module_name &name, const options &o, const kernel &job,
             std::FILE *registers_trace, std::FILE *memory_trace, unsigned &running)
    : sc_core::sc_module(name),
      stack_(make_stack(basename(), o)),
      host_("host",
            [this, &job, &running](duplex::initiator &host) {
              sc_core::wait(reset_n_.posedge_event());
              result_ = job.run(host.backend());
              if (--running == 0) sc_core::sc_stop();  // a stack with pins has a clock that would go on
            }),
      interrupt_("interrupt"),
      reset_n_("reset_n", false) {
  connect(host_, registers_trace, memory_trace);
  host_.interrupt(interrupt_);
  stack_->interrupt(interrupt_);
  stack_->reset_n(reset_n_);
  sc_core::sc_spawn([this] { start(); }, "start");
}

void board::start() {
  sc_core::wait(duplex::time_of_clock(RESET_CLOCKS));
  reset_n_.write(true);
}

// Each socket directly, or through what writes its accesses.
void board::connect(duplex::initiator &host, std::FILE *registers_trace, std::FILE *memory_trace) {
  if (registers_trace) {
    registers_trace_ = std::make_unique<socket_trace>("registers_trace", registers_trace);
    host.registers.bind(registers_trace_->target);
    registers_trace_->initiator.bind(stack_->registers);
  } else {
    host.registers.bind(stack_->registers);
  }
  if (memory_trace) {
    memory_trace_ = std::make_unique<socket_trace>("memory_trace", memory_trace);
    host.memory.bind(memory_trace_->target);
    memory_trace_->initiator.bind(stack_->memory);
  } else {
    host.memory.bind(stack_->memory);
  }
}

void board::trace(sc_core::sc_trace_file *file) const {
  sc_core::sc_trace(file, interrupt_, std::string(name()) + ".interrupt");
  sc_core::sc_trace(file, reset_n_, std::string(name()) + ".reset_n");
}

}  // namespace platform
