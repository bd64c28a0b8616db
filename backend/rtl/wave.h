// SPDX-License-Identifier: Apache-2.0
// The waveform of a Verilated stack: Verilator's FST writer, with its calls of the file system replaced.
//
// As it stands, that writer deletes what has the file's name (a device, a link, a file with its mode), leaves
// `NAME.hier` behind when it is interrupted, tells nobody that a write failed, and dies by SIGBUS when it
// maps a file that a full disk cut short. Here it writes into the file that is there, keeps its other files
// in memory, and close() says whether everything could be written.
#ifndef DUPLEX_RTL_WAVE_H
#define DUPLEX_RTL_WAVE_H

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>

#include "verilated.h"
#include "verilated_fst_c.h"

namespace rtl {

// errno of the first failure while a wave is opened or closed, and that of the last write that failed. The
// writer's calls carry no context of ours.
inline thread_local int wave_failure;
inline thread_local int wave_cause;

inline void wave_failed(int cause) {
  if (!wave_failure) wave_failure = cause ? cause : EIO;
}

inline size_t wave_write(const void *bytes, size_t size, size_t count, FILE *file) {
  const size_t written = fwrite(bytes, size, count, file);
  if (written < count) wave_cause = errno;
  return written;
}

inline int wave_flush(FILE *file) {
  const int result = fflush(file);
  if (result) wave_cause = errno;
  return result;
}

inline FILE *wave_memory() {
  const int file = memfd_create("wave", MFD_CLOEXEC);
  return file < 0 ? nullptr : fdopen(file, "w+b");
}

// The waveform is written into the file that is there; the hierarchy stays in memory until the end.
inline FILE *wave_open(const char *path, const char *) {
  const char *dot = std::strrchr(path, '.');
  if (dot && !std::strcmp(dot, ".hier")) return wave_memory();
  const int file = ::open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  return file < 0 ? nullptr : fdopen(file, "w+b");
}

// A stream remembers that one of its writes failed, so it is enough to look when it closes.
inline int wave_close(FILE *file) {
  const bool flushed = wave_flush(file) == 0;
  if (!flushed || ferror(file)) wave_failed(wave_cause);
  const int result = fclose(file);
  if (result) wave_failed(errno);
  return result;
}

// A mapping longer than its file cannot be read: a write has failed before, and it becomes a mapping of
// zeros.
inline void *wave_map(void *at, size_t bytes, int protection, int flags, int file, off_t offset) {
  struct stat status;
  if (fstat(file, &status) == 0 && (uint64_t)status.st_size >= offset + bytes)
    return mmap(at, bytes, protection, flags, file, offset);
  wave_failed(wave_cause);
  return mmap(at, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

inline int wave_unlink(const char *) { return 0; }

}  // namespace rtl

#define fopen rtl::wave_open
#define fclose rtl::wave_close
#define fwrite rtl::wave_write
#define fflush rtl::wave_flush
#define tmpfile rtl::wave_memory
#define mmap rtl::wave_map
#define unlink rtl::wave_unlink
#include "verilated_fst_c.cpp"
#undef fopen
#undef fclose
#undef fwrite
#undef fflush
#undef tmpfile
#undef mmap
#undef unlink

namespace rtl {

class Wave {
 public:
  // "": the model can be traced into it now; else why the file cannot be written. A file that is there must
  // be a regular one: the writer goes back in it.
  template <class Model>
  std::string open(Model &model, const char *path) {
    struct stat status;
    path_ = path;
    if (stat(path, &status) == 0 && !S_ISREG(status.st_mode)) return path_ + ": is no regular file";
    FILE *file = wave_open(path, "");
    if (!file) return path_ + ": cannot be written: " + std::strerror(errno);
    std::fclose(file);
    wave_failure = 0;
    writer_.reset(new VerilatedFstC);
    model.trace(writer_.get(), 99);
    writer_->open(path);
    return writer_->isOpen() && !wave_failure ? "" : path_ + ": cannot be written";
  }

  void dump(uint64_t time) { writer_->dump(time); }

  // "": all of it is in the file.
  std::string close() {
    if (!writer_) return "";
    wave_failure = 0;
    writer_->close();
    writer_.reset();
    return wave_failure ? path_ + ": writing failed: " + std::strerror(wave_failure) : "";
  }

 private:
  std::unique_ptr<VerilatedFstC> writer_;
  std::string path_;
};

}  // namespace rtl
#endif
