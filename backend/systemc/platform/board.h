// SPDX-License-Identifier: Apache-2.0
// One stack with its host and controller, reset, and what watches them.
#ifndef DUPLEX_PLATFORM_BOARD_H
#define DUPLEX_PLATFORM_BOARD_H

#include <memory>

#include "backend/systemc/platform/kernel.h"
#include "backend/systemc/platform/socket_trace.h"

namespace platform {

class board : public sc_core::sc_module {
 public:
  // name: tlm or pin, the stack that it gets. The trace files are the caller's, NULL: none. The last of the
  // boards `running` whose job is over stops the simulation.
  board(const sc_core::sc_module_name &name, const options &o, const kernel &job, std::FILE *registers_trace,
        std::FILE *memory_trace, unsigned &running);

  const outcome &result() const { return result_; }
  // Clocks that the stack counted from the last job's first doorbell to its interrupt.
  uint64_t stack_clocks() const { return stack_->interrupt_clock() - stack_->doorbell_clock(); }
  uint64_t interrupt_clock() const { return stack_->interrupt_clock(); }
  void trace(sc_core::sc_trace_file *file) const;

 private:
  void start();
  void connect(duplex::initiator &host, std::FILE *registers_trace, std::FILE *memory_trace);

  std::unique_ptr<duplex::stack_module> stack_;
  duplex::initiator host_;
  std::unique_ptr<socket_trace> registers_trace_, memory_trace_;
  sc_core::sc_signal<bool> interrupt_, reset_n_;
  outcome result_;
};

}  // namespace platform
#endif
