// SPDX-License-Identifier: Apache-2.0
// A folder for the files of a test, which goes with it.
#ifndef DUPLEX_TEST_SYSTEMC_SCRATCH_H
#define DUPLEX_TEST_SYSTEMC_SCRATCH_H

#include <cstdlib>
#include <filesystem>
#include <string>

class scratch {
 public:
  scratch() {
    std::string made = std::filesystem::temp_directory_path() / "duplex-XXXXXX";
    if (!mkdtemp(made.data())) std::abort();
    folder_ = made;
  }
  ~scratch() { std::filesystem::remove_all(folder_); }
  scratch(const scratch &) = delete;
  scratch &operator=(const scratch &) = delete;

  std::string path(const std::string &name) const { return folder_ / name; }

 private:
  std::filesystem::path folder_;
};

#endif
