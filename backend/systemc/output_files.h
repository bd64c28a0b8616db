// SPDX-License-Identifier: Apache-2.0
// Files that a program or a module of it writes: all of them appear at its end, or none.
//
// Each is written under a temporary name beside its own. A device or a pipe is written as it is. Whatever
// ends the program but SIGKILL takes the temporary files away, and what stood under a name before stays: the
// first file makes a handler of each signal that would end the program and has none.
#ifndef DUPLEX_SYSTEMC_OUTPUT_FILES_H
#define DUPLEX_SYSTEMC_OUTPUT_FILES_H

#include <sys/stat.h>

#include <cstdio>
#include <deque>
#include <string>

namespace duplex {

class output_files {
 public:
  output_files();
  ~output_files();
  output_files(const output_files &) = delete;
  output_files &operator=(const output_files &) = delete;

  // Opens a file for text that `what` names: NULL: it cannot be written, or another open output is the same
  // file; failure() tells. The stream is this object's.
  std::FILE *open_text(const std::string &what, const std::string &path);
  // The name under which a waveform is to be written, with the ending of `path`; "": as above.
  std::string waveform(const std::string &what, const std::string &path);
  // All files get their names. False: one was not written whole, which failure() tells, and there are none.
  // There is nothing left to be written then.
  bool commit();
  // "WHAT PATH: why not" of the last call that failed.
  const std::string &failure() const { return failure_; }

 private:
  struct output {
    std::string what;
    std::string path;       // as given
    std::string target;     // the file that it means
    std::string temporary;  // "": written as it is
    std::FILE *stream;      // NULL: somebody else writes it
    bool exists;            // something is there,
    struct stat there;      // namely this
  };
  static void forsake_all(int signal);
  static void watch_signals();
  static bool is_one_file(const output &a, const output &b);
  output *add(const std::string &what, const std::string &path, const std::string &ending);
  std::string conflict_of(const output &added) const;
  void fail(const output &of, const std::string &why);
  int open(output &added, const std::string &ending);
  bool close(output &written);
  bool name_all();
  void forsake() const;

  std::deque<output> outputs_;
  std::string failure_;
  output_files *next_;  // of all that there are
};

}  // namespace duplex
#endif
