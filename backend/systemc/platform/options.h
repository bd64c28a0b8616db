// SPDX-License-Identifier: Apache-2.0
// What the example platform is told: by options of the command line, and by lines of a file of parameters.
#ifndef DUPLEX_PLATFORM_OPTIONS_H
#define DUPLEX_PLATFORM_OPTIONS_H

#include <cstdint>
#include <string>

#include "duplex/systemc.h"

namespace platform {

struct options {
  std::string module = "tlm";                 // tlm, pin or both
  std::string kernel = "expert";              // expert or attention
  std::string firmware = "riscv";             // riscv or native
  std::string reference = "none";             // none, cmodel or rtl
  std::string trace;                          // waveform, "" = none
  std::string registers_trace, memory_trace;  // text of the accesses of a socket, "" = none
  uint64_t quantum_ns = 0;
  uint64_t seed = 1;
  duplex::stack_parameters stack;
  // expert
  uint64_t tokens = 8;
  uint64_t hidden = 256;
  uint64_t inner = 512;
  // attention
  uint64_t sequences = 2;
  uint64_t positions = 200;
  uint64_t kv_heads = 2;
  uint64_t group = 4;
  uint64_t head_size = 64;
};

// Fills `o`; what is wrong is one line on the standard error. Returns -1 to go on, or the exit status: 0
// after --help, 2 after bad input.
int read_options(int argc, char **argv, options &o);

// The line about bad input; returns its exit status, 2.
int wrong(const std::string &text);
int wrong(const std::string &where, const std::string &text);

}  // namespace platform
#endif
