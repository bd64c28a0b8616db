// SPDX-License-Identifier: Apache-2.0
// Files that appear all at the end, or not at all.
#include "backend/systemc/output_files.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>

#include "backend/systemc/wave_file.h"
#include "duplex/signals.h"

namespace duplex {
namespace {

// For the signal handler, and to find one file under two names. Of the thread that simulates: Linux gives a
// signal of the process to its first thread, which that is.
thread_local output_files *first_outputs;

// No signal comes while the outputs change, since its handler reads them.
class no_signals {
 public:
  no_signals() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before_);
  }
  ~no_signals() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  no_signals(const no_signals &) = delete;
  no_signals &operator=(const no_signals &) = delete;

 private:
  sigset_t before_;
};

// The write that failed tells by its error.
void stay(int) {}

// A signal that is ignored (as under nohup) or that somebody else handles (a sanitizer) stays so.
void watch(int signal, void (*handler)(int)) {
  struct sigaction action;
  if (sigaction(signal, nullptr, &action) == 0 && action.sa_handler == SIG_DFL) std::signal(signal, handler);
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

output_files::output_files() : next_(first_outputs) { first_outputs = this; }

output_files::~output_files() {
  const no_signals hold;
  for (output &left : outputs_)
    if (left.stream) std::fclose(left.stream);
  forsake();
  output_files **link = &first_outputs;
  while (*link != this) link = &(*link)->next_;
  *link = next_;
}

// Takes the temporary files away; only calls that a signal handler may make.
void output_files::forsake() const {
  for (const output &left : outputs_)
    if (!left.temporary.empty()) unlink(left.temporary.c_str());
}

// The signal goes on to end the program.
void output_files::forsake_all(int signal) {
  for (const output_files *files = first_outputs; files; files = files->next_) files->forsake();
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

void output_files::watch_signals() {
  watch(SIGPIPE, stay);
  watch(SIGXFSZ, stay);
  for (int signal = 1; signal <= SIGRTMAX; signal++)
    if (duplex_signal_ends_program(signal)) watch(signal, forsake_all);
}

void output_files::fail(const output &of, const std::string &why) {
  failure_ = of.what + " " + of.path + ": " + why;
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

// "", or what else is written to the same file.
std::string output_files::conflict_of(const output &added) const {
  for (const output_files *files = first_outputs; files; files = files->next_)
    for (const output &other : files->outputs_)
      if (&other != &added && is_one_file(other, added)) return "is the file of " + other.what + " too";
  struct stat standard_output;
  const bool standard = added.exists && fstat(STDOUT_FILENO, &standard_output) == 0;
  return standard && is_same(added.there, standard_output) ? "is standard output too" : "";
}

output_files::output *output_files::add(const std::string &what, const std::string &path,
                                        const std::string &ending) {
  const no_signals hold;
  watch_signals();
  outputs_.push_back({what, path, "", "", nullptr, false, {}});
  output &added = outputs_.back();
  const int file = open(added, ending);
  if (file < 0) {
    fail(added, std::strerror(errno));
    return nullptr;
  }
  added.stream = fdopen(file, "w");
  const std::string conflict = conflict_of(added);
  if (conflict.empty()) return &added;
  fail(added, conflict);
  return nullptr;
}

std::FILE *output_files::open_text(const std::string &what, const std::string &path) {
  const output *added = add(what, path, "");
  return added ? added->stream : nullptr;
}

std::string output_files::waveform(const std::string &what, const std::string &path) {
  output *added = add(what, path, is_vcd(path) ? ".vcd" : "");
  if (!added) return "";
  if (added->temporary.empty()) {
    fail(*added, "expected a regular file");
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
bool output_files::name_all() {
  for (size_t i = 0; i < outputs_.size(); i++) {
    output &written = outputs_[i];
    if (written.temporary.empty()) continue;
    if (std::rename(written.temporary.c_str(), written.target.c_str()) != 0) {
      fail(written, std::strerror(errno));
      for (size_t done = 0; done < i; done++)
        if (!outputs_[done].target.empty()) unlink(outputs_[done].target.c_str());
      return false;
    }
    written.temporary.clear();
  }
  return true;
}

bool output_files::commit() {
  const no_signals hold;
  bool whole = true;
  for (output &written : outputs_) {
    if (close(written)) continue;
    fail(written, "writing failed");
    whole = false;
  }
  whole = whole && name_all();
  forsake();
  outputs_.clear();
  return whole;
}

}  // namespace duplex
