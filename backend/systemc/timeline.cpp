// SPDX-License-Identifier: Apache-2.0
// The C model of a stack on the clocks of the simulation.
#include "backend/systemc/timeline.h"

#include <vector>

#include "duplex/cmodel.h"
#include "duplex/error.h"
#include "duplex/xpu_traffic.h"

namespace duplex {
timeline::~timeline() {
  if (backend_) backend_->ops->close(backend_);
}

std::string timeline::open(const stack_parameters &parameters) {
  duplex_backend_options options = {};
  options.channels = parameters.channels;
  options.threads = parameters.threads;
  options.dram_preset = parameters.dram_preset.c_str();
  options.rank_switch = parameters.rank_switch;
  options.xpu_traffic = parameters.xpu_traffic;
  const int error = duplex_cmodel_open(&options, &backend_);
  if (!error) offset_ = 0 - backend_->ops->clocks(backend_);
  if (!error) return "";
  const std::string why = duplex_cmodel_failure();
  return why.empty() ? duplex_error_text(error) : why;
}

void timeline::reset(uint64_t clock) {
  duplex_cmodel_reset(backend_);  // an error is that of a job which is given up
  offset_ = clock - backend_->ops->clocks(backend_);
  edges_.clear();
}

// Keeps the edges of the interrupt line since the last call, at most one of each kind: a fall needs a write.
int timeline::noted(int error) {
  duplex_cmodel_interrupt line;
  duplex_cmodel_see_interrupt(backend_, &line);
  const bool rose = line.rose_at != rose_at_;
  const bool fell = line.fell_at != fell_at_;
  rises_ += rose;
  rose_at_ = line.rose_at, fell_at_ = line.fell_at;
  if (rose) last_rise_ = rose_at_ + offset_;
  if (fell && (!rose || fell_at_ < rose_at_)) edges_.push_back({fell_at_ + offset_, false});
  if (rose) edges_.push_back({rose_at_ + offset_, true});
  if (fell && rose && fell_at_ > rose_at_) edges_.push_back({fell_at_ + offset_, false});
  return error;
}

int timeline::run_to(uint64_t to) {
  const uint64_t from = clock();
  return to <= from ? DUPLEX_OK : noted(backend_->ops->advance(backend_, to - from, nullptr));
}

int timeline::run_until_rise(uint64_t to) {
  const uint64_t from = clock();
  int high;
  return to <= from ? DUPLEX_OK : noted(backend_->ops->advance(backend_, to - from, &high));
}

bool timeline::may_rise() const {
  duplex_cmodel_interrupt line;
  duplex_cmodel_see_interrupt(backend_, &line);
  return line.may_rise;
}

int timeline::reg_read(uint32_t address, uint32_t *value) {
  return noted(backend_->ops->reg_read(backend_, address, value));
}

int timeline::reg_write(uint32_t address, uint32_t value) {
  return noted(backend_->ops->reg_write(backend_, address, value));
}

int timeline::peek(uint32_t address, uint32_t *value) const {
  return duplex_cmodel_peek(backend_, address, value);
}

int timeline::poke(uint32_t address, uint32_t value) {
  return noted(duplex_cmodel_poke(backend_, address, value));
}

int timeline::mem_read(unsigned channel, uint64_t address, void *bytes, size_t size) {
  return backend_->ops->mem_read(backend_, channel, address, bytes, size);
}

int timeline::mem_write(unsigned channel, uint64_t address, const void *bytes, size_t size) {
  return backend_->ops->mem_write(backend_, channel, address, bytes, size);
}

int timeline::row_set(unsigned channel, uint64_t address, uint8_t **bytes) {
  return duplex_cmodel_row_set(backend_, channel, address, bytes);
}

int timeline::queue_read(unsigned channel, uint64_t address, size_t size) {
  const dram_pieces pieces = pieces_of(address, size);
  return backend_->ops->xpu_read(backend_, channel, pieces.first, nullptr, pieces.bytes);
}

int timeline::queue_write(unsigned channel, uint64_t address, size_t size) {
  const dram_pieces pieces = pieces_of(address, size);
  std::vector<uint8_t> bytes(pieces.bytes);  // the cells have them already, and keep them
  const int error = mem_read(channel, pieces.first, bytes.data(), bytes.size());
  return error ? error
               : backend_->ops->xpu_write(backend_, channel, pieces.first, bytes.data(), bytes.size());
}

bool timeline::commands_are_out(unsigned channel, uint64_t *done) const {
  duplex_xpu_state state;
  duplex_cmodel_xpu_state(backend_, channel, &state);
  if (state.reads_left || state.writes_left) return false;
  const uint64_t now = backend_->ops->clocks(backend_);
  *done = (state.read_at > now ? state.read_at : now) + offset_;
  return true;
}

int timeline::run_xpu() { return noted(backend_->ops->xpu_advance(backend_, DUPLEX_XPU_WAIT_MOST, nullptr)); }

}  // namespace duplex
