// SPDX-License-Identifier: Apache-2.0
// The files that the platform writes: all of them appear at its end, or none.
#include "backend/systemc/platform/output_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>

#include "backend/systemc/platform/options.h"
#include "duplex/signals.h"

namespace platform {
namespace {

output_files *open_outputs;  // for the signal handler

// The signal goes on to end the program.
void forsake_outputs(int signal) {
  if (open_outputs) open_outputs->forsake();
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

// The write that failed tells by its error.
void stay(int) {}

// A signal that is ignored (as under nohup) or that somebody else handles (a sanitizer) stays so.
void watch(int signal) {
  struct sigaction action;
  if (sigaction(signal, nullptr, &action) == 0 && action.sa_handler == SIG_DFL)
    std::signal(signal, forsake_outputs);
}

// Both are one file, or one pipe. A device takes several outputs.
bool is_same(const struct stat &a, const struct stat &b) {
  return !S_ISCHR(a.st_mode) && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

// The file that a name means, be it there or not: a link stays a link.
std::filesystem::path file_of(const std::filesystem::path &path, std::error_code &error) {
  const std::filesystem::path file =
      std::filesystem::weakly_canonical(std::filesystem::absolute(path), error);
  std::error_code nothing_there;
  if (error || !std::filesystem::is_symlink(std::filesystem::symlink_status(file, nothing_there)))
    return file;
  return file_of(file.parent_path() / std::filesystem::read_symlink(file, error), error);
}

mode_t mode_of_new_file() {
  const mode_t mask = umask(0);
  umask(mask);
  return 0666 & ~mask;
}

}  // namespace

output_files::output_files() {
  open_outputs = this;
  std::signal(SIGPIPE, stay);
  std::signal(SIGXFSZ, stay);
  for (int signal = 1; signal <= SIGRTMAX; signal++)
    if (duplex_signal_ends_program(signal)) watch(signal);
}

output_files::~output_files() {
  for (output &left : outputs_)
    if (left.stream) std::fclose(left.stream);
  forsake();
  open_outputs = nullptr;
}

void output_files::forsake() const {
  for (const output &left : outputs_)
    if (!left.temporary.empty()) unlink(left.temporary.c_str());
}

// The descriptor of the new output, -1: see errno.
int output_files::open(output &added, const std::string &ending) {
  struct stat &there = added.there;
  const bool exists = added.exists = stat(added.path.c_str(), &there) == 0;
  if (exists && S_ISDIR(there.st_mode)) return errno = EISDIR, -1;
  if (exists && !S_ISREG(there.st_mode)) return ::open(added.path.c_str(), O_WRONLY | O_CLOEXEC);
  if (exists && access(added.path.c_str(), W_OK) != 0) return -1;
  std::error_code error;
  added.target = file_of(added.path, error).string();
  if (error) return errno = error.value(), -1;
  const std::filesystem::path folder = std::filesystem::path(added.target).parent_path();
  added.temporary = (folder / (".duplex-XXXXXX" + ending)).string();
  const int file = mkostemps(added.temporary.data(), int(ending.size()), O_CLOEXEC);
  if (file < 0)
    added.temporary.clear();
  else
    fchmod(file, exists ? there.st_mode & 07777 : mode_of_new_file());
  return file;
}

// Both mean one file, by whatever names.
bool output_files::is_one_file(const output &a, const output &b) {
  if (!a.target.empty() && a.target == b.target) return true;
  return a.exists && b.exists && is_same(a.there, b.there);
}

output_files::output *output_files::add(const char *option, const std::string &path,
                                        const std::string &ending) {
  outputs_.push_back({option, path, "", "", nullptr, false, {}});
  output &added = outputs_.back();
  const int file = open(added, ending);
  if (file < 0) {
    wrong(std::string(option) + " " + path, std::strerror(errno));
    return nullptr;
  }
  added.stream = fdopen(file, "w");
  for (const output &other : outputs_)
    if (&other != &added && is_one_file(other, added)) {
      wrong(std::string(option) + " " + path, std::string("is the file of ") + other.option + " too");
      return nullptr;
    }
  struct stat standard_output;
  if (added.exists && fstat(STDOUT_FILENO, &standard_output) == 0 && is_same(added.there, standard_output)) {
    wrong(std::string(option) + " " + path, "is standard output too");
    return nullptr;
  }
  return &added;
}

std::FILE *output_files::open_text(const char *option, const std::string &path) {
  const output *added = add(option, path, "");
  return added ? added->stream : nullptr;
}

std::string output_files::waveform(const char *option, const std::string &path) {
  output *added = add(option, path, is_vcd(path) ? ".vcd" : "");
  if (!added) return "";
  if (added->temporary.empty()) {
    wrong(std::string(option) + " " + path, "expected a regular file");
    return "";
  }
  close(*added);
  return added->temporary;
}

bool output_files::close(output &written) {
  std::FILE *stream = written.stream;
  written.stream = nullptr;
  if (!stream) return true;
  const bool bad = std::ferror(stream);
  return std::fclose(stream) == 0 && !bad;
}

// Files that got their names before one could not be renamed are taken away again.
bool output_files::commit() {
  for (output &written : outputs_) {
    if (close(written)) continue;
    wrong(std::string(written.option) + " " + written.path, "writing failed");
    return false;
  }
  for (size_t i = 0; i < outputs_.size(); i++) {
    output &written = outputs_[i];
    if (written.temporary.empty()) continue;
    if (std::rename(written.temporary.c_str(), written.target.c_str()) != 0) {
      wrong(std::string(written.option) + " " + written.path, std::strerror(errno));
      for (size_t done = 0; done < i; done++)
        if (!outputs_[done].target.empty()) unlink(outputs_[done].target.c_str());
      return false;
    }
    written.temporary.clear();
  }
  return true;
}

}  // namespace platform
