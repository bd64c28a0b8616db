// SPDX-License-Identifier: Apache-2.0
// Which form the name of a wave file asks for.
#ifndef DUPLEX_SYSTEMC_WAVE_FILE_H
#define DUPLEX_SYSTEMC_WAVE_FILE_H

#include <string>

namespace duplex {

// NAME.vcd is a VCD file.
inline bool is_vcd(const std::string &path) {
  const std::string ending = ".vcd";
  return path.size() > ending.size() && path.compare(path.size() - ending.size(), ending.size(), ending) == 0;
}

}  // namespace duplex
#endif
