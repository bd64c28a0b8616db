// SPDX-License-Identifier: Apache-2.0
// Draws the requests of a traffic initiator, or reads them from a file. Request n has its own stream of
// random numbers, so it is the same whatever came before it.
#include "backend/systemc/traffic_source.h"

#include <cerrno>
#include <cstdlib>

#include "backend/systemc/text_lines.h"
#include "duplex/random.h"

namespace duplex {

namespace {

uint64_t below(duplex_random &random, uint64_t bound) { return duplex_random_below(&random, bound); }

bool percent(duplex_random &random, unsigned share) { return below(random, 100) < share; }

// The interface that owns a number below the sum of the weights.
traffic_interface draw_interface(duplex_random &random, const unsigned (&weights)[TRAFFIC_INTERFACES]) {
  unsigned sum = 0;
  for (const unsigned weight : weights) sum += weight;
  uint64_t drawn = below(random, sum);
  unsigned i = 0;
  while (drawn >= weights[i]) drawn -= weights[i++];
  return traffic_interface(i);
}

void draw_bytes(duplex_random &random, std::vector<unsigned char> &bytes) {
  for (unsigned char &byte : bytes) byte = (unsigned char)duplex_random_u64(&random);
}

// Byte enables and streaming width, which only the transport interfaces know.
void draw_shape(duplex_random &random, const traffic_parameters &p, traffic_request &request) {
  const unsigned length = (unsigned)request.data.size();
  if (request.interface == traffic_interface::direct || request.interface == traffic_interface::debug) return;
  if (percent(random, p.narrow_percent)) request.streaming_width = 1 + (unsigned)below(random, length);
  if (!percent(random, p.enable_percent)) return;
  request.enables.resize(1 + below(random, length));
  for (unsigned char &enable : request.enables) enable = below(random, 2) ? 0xff : 0x00;
}

// Parts of a line, between blanks or commas.
std::vector<std::string> parts_of(const std::string &line) {
  std::vector<std::string> parts;
  size_t at = 0;
  while ((at = line.find_first_not_of(", \t\r", at)) != std::string::npos) {
    const size_t end = std::min(line.find_first_of(", \t\r", at), line.size());
    parts.push_back(line.substr(at, end - at));
    at = end;
  }
  return parts;
}

// Decimal, or hexadecimal with 0x.
bool read_number(const std::string &text, uint64_t &value) {
  char *end = nullptr;
  errno = 0;
  const bool hexadecimal = text.size() > 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
  value = std::strtoull(text.c_str(), &end, hexadecimal ? 16 : 10);
  return !text.empty() && text[0] >= '0' && text[0] <= '9' && *end == 0 && errno == 0;
}

// Two hexadecimal digits a byte, the first byte first.
bool read_bytes(const std::string &text, std::vector<unsigned char> &bytes) {
  if (text.size() != 2 * bytes.size()) return false;
  if (text.find_first_not_of("0123456789abcdefABCDEF") != std::string::npos) return false;
  for (size_t i = 0; i < bytes.size(); i++)
    bytes[i] = (unsigned char)std::stoul(text.substr(2 * i, 2), nullptr, 16);
  return true;
}

std::string wrong_parameters(const traffic_parameters &p) {
  if (p.smallest < 1 || p.smallest > p.largest) return "smallest: expected 1 to largest";
  if (p.bytes < p.largest || p.address + p.bytes < p.address)
    return "bytes: expected a range that holds a request";
  if (p.alignment < 1 || p.smallest % p.alignment || p.largest % p.alignment || p.address % p.alignment)
    return "alignment: expected a divisor of smallest, largest and address";
  if (p.read_percent > 100 || p.enable_percent > 100 || p.narrow_percent > 100)
    return "a share: expected 0 to 100";
  uint64_t sum = 0;
  for (const unsigned weight : p.weights) sum += weight;
  if (sum < 1 || sum > 1000000) return "weights: expected a sum of 1 to 1000000";
  if (p.outstanding < 1) return "outstanding: expected 1 or more";
  if (p.clock_ps > 1000000) return "clock_ps: expected 0 to 1000000";
  return p.clock_mhz < 1 || p.clock_mhz > 1000000 ? "clock_mhz: expected 1 to 1000000" : "";
}

}  // namespace

uint64_t end_of(const traffic_request &request) {
  const size_t length = request.data.size();
  return request.address + (request.streaming_width < length ? request.streaming_width : length);
}

uint64_t address_of(const traffic_request &request, size_t i) {
  return request.address + i % request.streaming_width;
}

bool enabled(const traffic_request &request, size_t i) {
  return request.enables.empty() || request.enables[i % request.enables.size()] != 0;
}

std::string traffic_source::open(const traffic_parameters &parameters) {
  parameters_ = parameters;
  index_ = 0;
  listed_.clear();
  const std::string wrong = wrong_parameters(parameters);
  if (!wrong.empty()) return wrong;
  return parameters.pattern == traffic_pattern::file ? read_file() : "";
}

std::string traffic_source::read_file() {
  text_lines lines(parameters_.file);
  std::string line;
  while (lines.next(line)) {
    const std::string wrong = read_line(line, lines.number());
    if (!wrong.empty()) return parameters_.file + ":" + std::to_string(lines.number()) + ": " + wrong;
  }
  return lines.failure().empty() ? "" : parameters_.file + ": " + lines.failure();
}

// One request: clock, address, R or W, bytes, and the data if they are told.
std::string traffic_source::read_line(const std::string &line, uint64_t number) {
  const std::vector<std::string> parts = parts_of(line.substr(0, line.find('#')));
  if (parts.empty()) return "";
  if (parts.size() < 4 || parts.size() > 5) return "expected clock, address, R or W, bytes, and data or not";
  uint64_t clock, address, bytes;
  // The time in ps fits into 63 bits.
  if (!read_number(parts[0], clock) || clock > INT64_MAX / 1000000)
    return "'" + parts[0] + "': expected a clock, 0 to 9223372036854";
  if (!read_number(parts[1], address)) return "'" + parts[1] + "': expected an address";
  if (parts[2] != "R" && parts[2] != "W") return "'" + parts[2] + "': expected R or W";
  if (!read_number(parts[3], bytes) || bytes < 1 || bytes > 1 << 20 || address + bytes < address)
    return "'" + parts[3] + "': expected 1 to 1048576 bytes";
  duplex_random random;
  duplex_random_seed(&random, parameters_.seed, number);
  traffic_request request = {draw_interface(random, parameters_.weights),
                             parts[2] == "W",
                             0,
                             address,
                             unsigned(bytes),
                             std::vector<unsigned char>(bytes),
                             {},
                             false};
  const uint64_t mhz = parameters_.clock_mhz;
  request.at_ps = parameters_.start_ps;
  request.at_ps += parameters_.clock_ps ? clock * parameters_.clock_ps : (clock * 1000000 + mhz / 2) / mhz;
  draw_bytes(random, request.data);
  if (parts.size() == 5 && !read_bytes(parts[4], request.data))
    return "'" + parts[4] + "': expected two hexadecimal digits for each byte";
  request.expected = parts.size() == 5 && !request.write;
  listed_.push_back(request);
  return "";
}

bool traffic_source::next(traffic_request &request) {
  const traffic_parameters &p = parameters_;
  const uint64_t index = index_++;
  if (p.pattern == traffic_pattern::file) {
    if (index >= listed_.size()) return false;
    request = listed_[index];
    return true;
  }
  if (index >= p.requests) return false;
  duplex_random random;
  duplex_random_seed(&random, p.seed, index);
  const bool any = p.pattern == traffic_pattern::random;
  const unsigned sizes = (p.largest - p.smallest) / p.alignment + 1;
  const unsigned length = any ? p.smallest + p.alignment * (unsigned)below(random, sizes) : p.largest;
  const uint64_t places = (p.bytes - length) / (any ? p.alignment : 1) + 1;
  const uint64_t step = p.pattern == traffic_pattern::strided ? p.stride : p.largest;
  const uint64_t offset = any ? p.alignment * below(random, places) : step * index % places;
  request = {draw_interface(random, p.weights),
             !percent(random, p.read_percent),
             p.start_ps + index * p.gap_ps,
             p.address + offset,
             length,
             std::vector<unsigned char>(length),
             {},
             false};
  draw_bytes(random, request.data);
  draw_shape(random, p, request);
  return true;
}

}  // namespace duplex
