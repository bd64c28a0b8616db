// SPDX-License-Identifier: Apache-2.0
// Controller, cells, judges and records of the HBM3 memory.
#include "backend/systemc/memory_engine.h"

#include <algorithm>
#include <cinttypes>

#include "duplex/error.h"

namespace duplex {

namespace {

// A rest of which each refresh is written: longer ones would take the host as long as they are, and a file of
// some MB for each channel and 10 ms.
constexpr double REST_SECONDS_MOST = 0.01;

}  // namespace

memory_engine::memory_engine(const std::string &name, const hbm3_parameters &parameters,
                             completion completion)
    : name_(name), parameters_(parameters), completion_(std::move(completion)) {
  check_parameters();
  requests_ = open_text("request_file", parameters.request_file);
  commands_ = open_text("command_file", parameters.command_file);
  const duplex_memory_calls calls = {this, on_command, on_completion, commands_ ? nullptr : on_refreshes};
  const int error = duplex_memory_open(&parameters_.controller, &calls, &controller_);
  if (error) SC_REPORT_ERROR("/duplex/elaboration", (name_ + ": " + duplex_error_text(error)).c_str());
  if (requests_) std::fputs("# Requests to a memory: tCK address R|W bytes\n", requests_);
  if (commands_) duplex_judge_print_start(commands_);
  for (std::FILE *file : {requests_, commands_})
    if (file) std::fflush(file);  // a full device tells now
  check_written(requests_, "request_file", parameters.request_file);
  check_written(commands_, "command_file", parameters.command_file);
  start_judges();
}

memory_engine::~memory_engine() { duplex_memory_close(controller_); }

// Before any file is made.
void memory_engine::check_parameters() const {
  char wrong[128];
  if (duplex_memory_wrong(&parameters_.controller, wrong, sizeof wrong))
    SC_REPORT_ERROR("/duplex/elaboration", (name_ + "." + wrong).c_str());
}

// Opens a record; NULL for "".
std::FILE *memory_engine::open_text(const char *what, const std::string &path) {
  if (path.empty()) return nullptr;
  std::FILE *file = files_.open_text(name_ + "." + what, path);
  if (!file) SC_REPORT_ERROR("/duplex/file", files_.failure().c_str());
  return file;
}

// A record that could not be written so far; NULL: there is none.
void memory_engine::check_written(std::FILE *file, const char *what, const std::string &path) const {
  if (file && std::ferror(file))
    SC_REPORT_ERROR("/duplex/file", (name_ + "." + what + " " + path + ": writing failed").c_str());
}

std::string memory_engine::close_files() {
  if (commands_) duplex_judge_print_end(commands_, command_count_);
  requests_ = commands_ = nullptr;
  return files_.commit() ? "" : files_.failure();
}

// All banks are the xPU's.
void memory_engine::start_judges() {
  duplex_judge_command owner = {};
  owner.kind = DUPLEX_JUDGE_OWNER;
  judges_.resize(parameters_.controller.channels);
  for (unsigned channel = 0; channel < judges_.size(); channel++) {
    duplex_judge_start(&judges_[channel], &parameters_.controller.timing, false);
    on_command(this, channel, &owner);
  }
}

void memory_engine::on_command(void *user, unsigned channel, const duplex_judge_command *command) {
  memory_engine &m = *static_cast<memory_engine *>(user);
  duplex_judge &judge = m.judges_[channel];
  if (!duplex_judge_take(&judge, command))
    SC_REPORT_ERROR("/duplex/dram", (m.name_ + ": " + judge.text).c_str());
  m.command_count_++;
  if (!m.commands_) return;
  duplex_judge_print(m.commands_, channel, command);
  m.check_written(m.commands_, "command_file", m.parameters_.command_file);
}

void memory_engine::on_refreshes(void *user, unsigned channel, uint64_t intervals) {
  memory_engine &m = *static_cast<memory_engine *>(user);
  duplex_judge &judge = m.judges_[channel];
  if (!duplex_judge_repeat(&judge, intervals))
    SC_REPORT_ERROR("/duplex/dram", (m.name_ + ": " + judge.text).c_str());
}

void memory_engine::on_completion(void *user, const duplex_memory_request *request, uint64_t, uint64_t done) {
  memory_engine &m = *static_cast<memory_engine *>(user);
  const uint32_t number = static_cast<uint32_t>(request->id >> 32);
  memory_transfer &transfer = *m.transfers_[number];
  transfer.move(static_cast<uint32_t>(request->id), done, m.cells_);
  if (transfer.is_complete()) m.completion_(number);
}

// --- payloads ---

// What a payload asks for, so that it can be asked for again: one that is refused has no line.
void memory_engine::record(const memory_transfer &transfer, uint64_t tck) {
  if (!requests_) return;
  transfer.for_each_range([&](uint64_t address, uint64_t bytes) {
    std::fprintf(requests_, "%" PRIu64 " 0x%" PRIx64 " %c %" PRIu64 "\n", tck, address,
                 transfer.is_write() ? 'W' : 'R', bytes);
  });
  check_written(requests_, "request_file", parameters_.request_file);
}

uint32_t memory_engine::enter(tlm::tlm_generic_payload &payload, int port, uint64_t tck) {
  const bool does_something = transfer_check(payload, duplex_memory_bytes(controller_));
  payload.set_dmi_allowed(parameters_.direct_access);
  if (free_.empty()) {
    free_.push_back(static_cast<uint32_t>(transfers_.size()));
    transfers_.emplace_back();
  }
  const uint32_t number = free_.back();
  free_.pop_back();
  transfers_[number] = std::make_unique<memory_transfer>(payload, port, !does_something);
  record(*transfers_[number], tck);
  return number;
}

void memory_engine::leave(uint32_t number) {
  transfers_[number].reset();
  free_.push_back(number);
}

// Whether a channel has rested for longer than the record of commands takes.
void memory_engine::check_rest(unsigned channel, uint64_t tck) const {
  const double tck_seconds = parameters_.controller.timing.tCK_ps * 1e-12;
  const uint64_t now = duplex_memory_now(controller_, channel);
  const double rest = static_cast<double>(tck - std::min(tck, now)) * tck_seconds;
  if (!commands_ || rest <= REST_SECONDS_MOST) return;
  const std::string text = name_ + ".command_file " + parameters_.command_file + ": channel " +
                           std::to_string(channel) + " rests for " + std::to_string(rest) +
                           " s: expected 0.01 s at most, since each refresh is written";
  SC_REPORT_ERROR("/duplex/memory", text.c_str());
}

void memory_engine::advance(uint64_t tck) {
  for (unsigned channel = 0; channel < parameters_.controller.channels; channel++) {
    check_rest(channel, tck);
    duplex_memory_advance_channel(controller_, channel, tck);
  }
}

// Offers the next access of a payload; a channel that has gone further takes it at its own time.
memory_engine::submission memory_engine::submit(uint32_t number, uint64_t tck) {
  memory_transfer &transfer = *transfers_[number];
  const uint32_t access = transfer.next();
  const duplex_memory_request request = {static_cast<uint64_t>(number) << 32 | access,
                                         transfer.address_of(access), transfer.is_write()};
  const unsigned channel = duplex_memory_place_of(controller_, request.address).channel;
  const uint64_t at = std::max(tck, duplex_memory_now(controller_, channel));
  check_rest(channel, at);
  const int error = duplex_memory_submit(controller_, &request, at);
  if (error == 0) transfer.offered();
  return {error, channel};
}

bool memory_engine::offer(uint32_t number, uint64_t tck) {
  while (transfer(number).has_next())
    if (submit(number, tck).error == DUPLEX_ERROR_QUEUE_FULL) return false;
  return true;
}

uint64_t memory_engine::run(uint32_t number, uint64_t tck) {
  uint32_t channels = 0;
  while (transfer(number).has_next()) {
    const submission submitted = submit(number, tck);
    channels |= 1u << submitted.channel;
    if (submitted.error == DUPLEX_ERROR_QUEUE_FULL)
      tck = duplex_memory_channel_next(controller_, submitted.channel);
  }
  run_channels(transfer(number), channels);
  return transfer(number).done();
}

// The channels of a payload go on until its last access; the others are left to their own requests.
void memory_engine::run_channels(const memory_transfer &transfer, uint32_t channels) {
  while (!transfer.is_complete())
    for (uint32_t rest = channels; rest; rest &= rest - 1) {
      const unsigned channel = static_cast<unsigned>(__builtin_ctz(rest));
      const uint64_t next = duplex_memory_channel_next(controller_, channel);
      if (next != UINT64_MAX) duplex_memory_advance_channel(controller_, channel, next);
    }
}

}  // namespace duplex
