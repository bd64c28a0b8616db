// SPDX-License-Identifier: Apache-2.0
// The files that the platform writes: all of them appear at its end, or none.
//
// Each is written under a temporary name beside its own. A device or a pipe is written as it is. Whatever
// ends the program but SIGKILL takes the temporary files away.
#ifndef DUPLEX_PLATFORM_OUTPUT_FILES_H
#define DUPLEX_PLATFORM_OUTPUT_FILES_H

#include <sys/stat.h>

#include <cstdio>
#include <deque>
#include <string>

namespace platform {

class output_files {
 public:
  output_files();
  ~output_files();
  output_files(const output_files &) = delete;
  output_files &operator=(const output_files &) = delete;

  // Opens a file for text; NULL: it cannot be written, which was told. The stream is this object's.
  std::FILE *open_text(const char *option, const std::string &path);
  // The name under which a waveform is to be written, with the ending of `path`; "": as above.
  std::string waveform(const char *option, const std::string &path);
  // All files get their names. False: one was not written whole, which was told, and there are none.
  bool commit();
  // Takes the temporary files away; only calls that a signal handler may make.
  void forsake() const;

 private:
  struct output {
    const char *option;
    std::string path;       // as given
    std::string target;     // the file that it means
    std::string temporary;  // "": written as it is
    std::FILE *stream;      // NULL: somebody else writes it
    bool exists;            // something is there,
    struct stat there;      // namely this
  };
  output *add(const char *option, const std::string &path, const std::string &ending);
  static bool is_one_file(const output &a, const output &b);
  int open(output &added, const std::string &ending);
  bool close(output &written);

  std::deque<output> outputs_;
};

}  // namespace platform
#endif
