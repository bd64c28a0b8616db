// SPDX-License-Identifier: Apache-2.0
// The lines of a file of text that a user names.
#ifndef DUPLEX_SYSTEMC_TEXT_LINES_H
#define DUPLEX_SYSTEMC_TEXT_LINES_H

#include <cstdint>
#include <cstdio>
#include <string>

namespace duplex {

// What is no text ends in failure(), and so does what has no end: a byte 0, a line of more than
// DUPLEX_LINE_MOST bytes, more than 10,000,000 lines.
class text_lines {
 public:
  explicit text_lines(const std::string &path);
  ~text_lines();
  text_lines(const text_lines &) = delete;
  text_lines &operator=(const text_lines &) = delete;

  // The next line, without its line feed. False: there is none, or failure() tells.
  bool next(std::string &line);
  // Of the last line, from 1.
  uint64_t number() const { return number_; }
  const std::string &failure() const { return failure_; }

 private:
  bool fail(const std::string &why);

  std::FILE *file_;
  char *bytes_ = nullptr;
  size_t room_ = 0;
  uint64_t number_ = 0;
  std::string failure_;
};

}  // namespace duplex
#endif
