// SPDX-License-Identifier: Apache-2.0
// The lines of a file of text that a user names.
#include "backend/systemc/text_lines.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "duplex/text_file.h"

namespace duplex {
namespace {

constexpr uint64_t LINES_MOST = 10000000;

}  // namespace

text_lines::text_lines(const std::string &path) : file_(std::fopen(path.c_str(), "re")) {
  if (!file_) fail(std::strerror(errno));
}

text_lines::~text_lines() {
  if (file_) std::fclose(file_);
  std::free(bytes_);
}

bool text_lines::fail(const std::string &why) {
  failure_ = why;
  return false;
}

bool text_lines::next(std::string &line) {
  if (!failure_.empty()) return false;
  const ssize_t length = duplex_text_line(file_, &bytes_, &room_);
  const std::string place = "line " + std::to_string(number_ + 1) + ": ";
  if (length == 0) return false;
  if (length == -EFBIG)
    return fail(place + "expected " + std::to_string(DUPLEX_LINE_MOST) + " bytes at most");
  if (length < 0) return fail(std::strerror(static_cast<int>(-length)));
  if (std::memchr(bytes_, 0, static_cast<size_t>(length))) return fail(place + "a byte 0: expected text");
  if (number_ == LINES_MOST) return fail("expected " + std::to_string(LINES_MOST) + " lines at most");
  number_++;
  line.assign(bytes_, static_cast<size_t>(length));
  if (line.back() == '\n') line.pop_back();
  return true;
}

}  // namespace duplex
