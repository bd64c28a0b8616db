// SPDX-License-Identifier: Apache-2.0
// The job of the example platform: tensors from a seed, and the calls of the host library.
#ifndef DUPLEX_PLATFORM_KERNEL_H
#define DUPLEX_PLATFORM_KERNEL_H

#include <vector>

#include "backend/systemc/platform/options.h"
#include "duplex/duplex.h"

namespace platform {

struct outcome {
  bool good = false;
  std::string error;           // if it is not
  std::vector<uint8_t> bytes;  // of the result, binary16
  uint64_t clocks = 0;         // from the host's doorbell to completion, as the host sees them
  uint64_t instructions = 0;   // of the firmware
  double seconds = 0;          // of the host, for the job without uploads
};

class kernel {
 public:
  explicit kernel(const options &o);
  // Opens a stack on the back end, which it closes, and runs the job on it.
  outcome run(duplex_backend *backend) const;
  std::string text() const;  // what it is, with its sizes

 private:
  std::vector<duplex_f16> draw(uint64_t stream, size_t count, double scale) const;
  int expert(duplex_stack *stack, outcome &out) const;
  int attention(duplex_stack *stack, outcome &out) const;

  const options &o_;
};

}  // namespace platform
#endif
