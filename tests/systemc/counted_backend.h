// SPDX-License-Identifier: Apache-2.0
// A back end that counts doorbells and interrupts of another one as a stack of duplex/systemc.h does.
//
// In a register access, or while clocks pass that nobody watches, the line may rise at any clock: then the
// count lies in a range.
#ifndef DUPLEX_TEST_COUNTED_BACKEND_H
#define DUPLEX_TEST_COUNTED_BACKEND_H

#include "duplex/backend.h"
#include "duplex/registers.h"

class counted_backend {
 public:
  explicit counted_backend(duplex_backend *inner) : inner_(inner) {
    base_.base.ops = &ops;
    base_.self = this;
  }
  duplex_backend *backend() { return &base_.base; }

  // Clocks from the first doorbell since the line rose to its next rise: at least, at most.
  uint64_t least() const { return rose_after_ - doorbell_; }
  uint64_t most() const { return rose_by_ - doorbell_; }

 private:
  struct base_and_self {
    duplex_backend base;
    counted_backend *self;
  };
  static counted_backend &of(duplex_backend *b) { return *reinterpret_cast<base_and_self *>(b)->self; }
  uint64_t clocks() { return inner_->ops->clocks(inner_); }

  // The line is at this level, after clocks from `before` on in which nobody watched it.
  void see(uint64_t before, bool high) {
    if (high && !high_) {
      rose_after_ = before;
      rose_by_ = clocks();
      in_job_ = false;
    }
    high_ = high;
  }
  template <typename Access>
  int unwatched(Access access) {
    const uint64_t before = clocks();
    const int error = access();
    int high = 0;
    inner_->ops->advance(inner_, 0, &high);
    see(before + 1, high);
    return error;
  }
  int write(uint32_t address, uint32_t value) {
    if (address == DUPLEX_REG_DOORBELL && !in_job_) {
      doorbell_ = clocks();
      in_job_ = true;
    }
    return unwatched([&] { return inner_->ops->reg_write(inner_, address, value); });
  }
  int advance(uint64_t clocks_most, int *interrupt) {
    if (!interrupt) return unwatched([&] { return inner_->ops->advance(inner_, clocks_most, nullptr); });
    const int error = inner_->ops->advance(inner_, clocks_most, interrupt);
    see(clocks(), *interrupt);  // it ended with the rise
    return error;
  }

  static const duplex_backend_ops ops;
  duplex_backend *inner_;
  base_and_self base_;
  bool high_ = false;
  bool in_job_ = false;
  uint64_t doorbell_ = 0;
  uint64_t rose_after_ = 0;
  uint64_t rose_by_ = 0;
};

inline const duplex_backend_ops counted_backend::ops = {
    "counted",
    [](duplex_backend *b) { of(b).inner_->ops->close(of(b).inner_); },
    [](duplex_backend *b, uint32_t address, uint32_t *value) {
      return of(b).unwatched([&] { return of(b).inner_->ops->reg_read(of(b).inner_, address, value); });
    },
    [](duplex_backend *b, uint32_t address, uint32_t value) { return of(b).write(address, value); },
    [](duplex_backend *b, unsigned channel, uint64_t address, void *bytes, size_t size) {
      return of(b).inner_->ops->mem_read(of(b).inner_, channel, address, bytes, size);
    },
    [](duplex_backend *b, unsigned channel, uint64_t address, const void *bytes, size_t size) {
      return of(b).inner_->ops->mem_write(of(b).inner_, channel, address, bytes, size);
    },
    [](duplex_backend *b, unsigned channel, uint64_t address, void *bytes, size_t size) {
      return of(b).inner_->ops->xpu_read(of(b).inner_, channel, address, bytes, size);
    },
    [](duplex_backend *b, unsigned channel, uint64_t address, const void *bytes, size_t size) {
      return of(b).inner_->ops->xpu_write(of(b).inner_, channel, address, bytes, size);
    },
    [](duplex_backend *b, duplex_xpu_state *state) { of(b).inner_->ops->xpu_state(of(b).inner_, state); },
    [](duplex_backend *b, uint64_t clocks, int *interrupt) {
      return of(b).inner_->ops->xpu_advance(of(b).inner_, clocks, interrupt);
    },
    [](duplex_backend *b) { return of(b).inner_->ops->xpu_wait(of(b).inner_); },
    [](duplex_backend *b, uint64_t clocks, int *interrupt) { return of(b).advance(clocks, interrupt); },
    [](duplex_backend *b) { return of(b).clocks(); },
    [](duplex_backend *b, duplex_dram_commands *commands) {
      of(b).inner_->ops->commands(of(b).inner_, commands);
    },
    [](duplex_backend *b) { return of(b).inner_->ops->failure(of(b).inner_); },
    nullptr,
};

#endif
