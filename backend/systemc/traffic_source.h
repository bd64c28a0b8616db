// SPDX-License-Identifier: Apache-2.0
// The requests of a traffic initiator, one after the other: random, streaming, strided, or from a file.
#ifndef DUPLEX_SYSTEMC_TRAFFIC_SOURCE_H
#define DUPLEX_SYSTEMC_TRAFFIC_SOURCE_H

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace duplex {

enum class traffic_pattern { random, streaming, strided, file };
enum class traffic_interface { blocking, nonblocking, direct, debug };
constexpr unsigned TRAFFIC_INTERFACES = 4;

struct traffic_parameters {
  traffic_pattern pattern = traffic_pattern::random;
  uint64_t seed = 1;         // the same one gives the same requests
  uint64_t requests = 1000;  // of a file: as many as it has
  uint64_t address = 0;      // requests lie in the bytes from here on
  uint64_t bytes = 1 << 20;
  unsigned smallest = 1;   // bytes of a random request: smallest to largest
  unsigned largest = 64;   // bytes of a request of the other patterns
  unsigned alignment = 1;  // addresses and bytes of random requests are multiples
  uint64_t stride = 4096;  // from a strided request to the next one
  unsigned read_percent = 50;
  unsigned enable_percent = 0;  // of the requests that have byte enables; not direct or debug ones
  unsigned narrow_percent = 0;  // that have a streaming width below their length; likewise
  unsigned weights[TRAFFIC_INTERFACES] = {1, 0, 0, 0};  // of the interfaces, in the order of their names
  unsigned outstanding = 8;                             // non-blocking requests in flight
  uint64_t start_ps = 0;     // the first request comes no earlier; in a file, clock 0 is this time
  uint64_t gap_ps = 0;       // from a request to the next one, at least
  std::string file;          // pattern file: the requests (docs/systemc.md)
  uint64_t clock_mhz = 650;  // of the clocks of the file
  uint64_t clock_ps = 0;     // their period, in place of clock_mhz; 0: none
};

struct traffic_request {
  traffic_interface interface;
  bool write;
  uint64_t at_ps;  // not before this time of the simulation
  uint64_t address;
  unsigned streaming_width;            // its length: no streaming
  std::vector<unsigned char> data;     // to write; of a read: what is expected, if `expected`
  std::vector<unsigned char> enables;  // empty: all bytes
  bool expected;                       // a read whose data the file tells
};

// First byte behind a request, and the place of its i-th byte.
uint64_t end_of(const traffic_request &request);
uint64_t address_of(const traffic_request &request, size_t i);
bool enabled(const traffic_request &request, size_t i);

class traffic_source {
 public:
  // What is wrong with parameters or file, one line that begins with what it is; "": nothing.
  std::string open(const traffic_parameters &parameters);
  // false: there is none left.
  bool next(traffic_request &request);

 private:
  std::string read_file();
  std::string read_line(const std::string &line, uint64_t number);

  traffic_parameters parameters_;
  uint64_t index_ = 0;
  std::vector<traffic_request> listed_;
};

}  // namespace duplex
#endif
