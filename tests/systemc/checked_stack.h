// SPDX-License-Identifier: Apache-2.0
// A stack of two channels with the protocol checker at both sockets, and its signals.
#ifndef DUPLEX_TEST_SYSTEMC_CHECKED_STACK_H
#define DUPLEX_TEST_SYSTEMC_CHECKED_STACK_H

#include <string>

#include "backend/systemc/protocol_checker.h"
#include "duplex/systemc.h"

constexpr unsigned CHANNELS = 2;

inline duplex::stack_parameters two_channels() {
  duplex::stack_parameters p;
  p.channels = CHANNELS;
  return p;
}

template <class Stack>
struct checked_stack {
  explicit checked_stack(const std::string &name)
      : stack(name.c_str(), two_channels()),
        registers((name + "_registers").c_str()),
        memory((name + "_memory").c_str()),
        interrupt((name + "_interrupt").c_str()),
        reset_n((name + "_reset_n").c_str(), true) {
    registers.initiator.bind(stack.registers);
    memory.initiator.bind(stack.memory);
    memory.set_address_bytes(CHANNELS * duplex::CHANNEL_BYTES);
    stack.interrupt(interrupt);
    stack.reset_n(reset_n);
  }
  Stack stack;
  duplex::protocol_checker<> registers, memory;
  sc_core::sc_signal<bool> interrupt, reset_n;
};

#endif
