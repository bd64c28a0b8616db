// SPDX-License-Identifier: Apache-2.0
// The C model of a stack on the clocks of the simulation.
//
// The model is run only as far as somebody needs it: to the time of an access, or ahead until its interrupt
// line rises. Edges of the line are kept until they are taken.
#ifndef DUPLEX_SYSTEMC_TIMELINE_H
#define DUPLEX_SYSTEMC_TIMELINE_H

#include <deque>

#include "backend/systemc/memory_port.h"
#include "duplex/systemc.h"

namespace duplex {

// The line has this level from so many clocks on.
struct edge {
  uint64_t clock;
  bool high;
};

class timeline : public memory_line {
 public:
  timeline() = default;
  ~timeline() override;
  timeline(const timeline &) = delete;
  timeline &operator=(const timeline &) = delete;

  // Opens the model; its first clock after reset is clock 0. "" or what went wrong.
  std::string open(const stack_parameters &parameters);
  // The reset line goes high with this clock: everything but the cells of the DRAM starts afresh.
  void reset(uint64_t clock);

  uint64_t clock() const override { return backend_->ops->clocks(backend_) + offset_; }
  // Runs to this clock, if that is not past. 0 or an error of duplex/error.h, as the accesses.
  int run_to(uint64_t clock) override;
  // The same, and ends when the interrupt line rises.
  int run_until_rise(uint64_t clock);
  bool may_rise() const;
  uint64_t rises() const { return rises_; }          // of the line so far, as far as the model has come
  uint64_t last_rise() const { return last_rise_; }  // the clock of the last one, 0: there was none
  // Edges in their order; what took them removes them.
  std::deque<edge> &edges() { return edges_; }

  int reg_read(uint32_t address, uint32_t *value);
  int reg_write(uint32_t address, uint32_t value);
  int peek(uint32_t address, uint32_t *value) const;
  int poke(uint32_t address, uint32_t value);

  int mem_read(unsigned channel, uint64_t address, void *bytes, size_t size);
  int mem_write(unsigned channel, uint64_t address, const void *bytes, size_t size);
  int row_set(unsigned channel, uint64_t address, uint8_t **bytes);
  int queue_read(unsigned channel, uint64_t address, size_t size) override;
  int queue_write(unsigned channel, uint64_t address, size_t size) override;
  bool commands_are_out(unsigned channel, uint64_t *done) const override;
  // Runs until the xPU has nothing more to do.
  int run_xpu();

  const char *failure() const { return backend_->ops->failure(backend_); }

 private:
  int noted(int error);

  duplex_backend *backend_ = nullptr;
  uint64_t offset_ = 0;  // from the model's count to that of the simulation
  // as the model told them last
  uint64_t rose_at_ = 0;
  uint64_t fell_at_ = 0;
  uint64_t rises_ = 0;
  uint64_t last_rise_ = 0;
  std::deque<edge> edges_;
};

}  // namespace duplex
#endif
