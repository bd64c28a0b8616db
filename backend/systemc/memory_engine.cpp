// SPDX-License-Identifier: Apache-2.0
// Controller, cells, judges and records of the HBM3 memory.
#include "backend/systemc/memory_engine.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cinttypes>
#include <cstring>
#include <filesystem>

#include "duplex/error.h"

namespace duplex {

namespace {

// "", or why a file of this name could not be written; it is not made yet.
std::string unwritable(const std::string &name) {
  if (name.empty()) return "";
  const bool there = access(name.c_str(), F_OK) == 0;
  const std::filesystem::path folder = std::filesystem::absolute(name).parent_path();
  return access(there ? name.c_str() : folder.c_str(), W_OK) == 0 ? "" : std::strerror(errno);
}

}  // namespace

memory_engine::memory_engine(const std::string &name, const hbm3_parameters &parameters,
                             completion completion)
    : name_(name), parameters_(parameters), completion_(std::move(completion)) {
  check_parameters();
  const duplex_memory_calls calls = {this, on_command, on_completion};
  const int error = duplex_memory_open(&parameters_.controller, &calls, &controller_);
  if (error) SC_REPORT_ERROR("/duplex/elaboration", (name_ + ": " + duplex_error_text(error)).c_str());
  requests_ = open_text(parameters.request_file);
  commands_ = open_text(parameters.command_file);
  if (requests_) std::fputs("# Requests to a memory: tCK address R|W bytes\n", requests_.get());
  if (commands_) duplex_judge_print_start(commands_.get());
  start_judges();
}

memory_engine::~memory_engine() {
  if (commands_) duplex_judge_print_end(commands_.get(), command_count_);
  close_text(requests_, parameters_.request_file);
  close_text(commands_, parameters_.command_file);
  duplex_memory_close(controller_);
}

// Before any file is made.
void memory_engine::check_parameters() const {
  if (const char *wrong = duplex_memory_wrong(&parameters_.controller))
    SC_REPORT_ERROR("/duplex/elaboration", (name_ + "." + wrong).c_str());
  const std::string &requests = parameters_.request_file;
  const std::string &commands = parameters_.command_file;
  if (!requests.empty() && requests == commands)
    SC_REPORT_ERROR(
        "/duplex/elaboration",
        (name_ + ".command_file: '" + commands + "': expected another file than request_file").c_str());
  for (const std::string &file : {requests, commands}) {
    const std::string why = unwritable(file);
    if (!why.empty()) SC_REPORT_ERROR("/duplex/file", (name_ + ": " + file + ": " + why).c_str());
  }
}

// Opens a file to be written; nullptr for "".
memory_engine::text_file memory_engine::open_text(const std::string &name) const {
  if (name.empty()) return nullptr;
  text_file file(std::fopen(name.c_str(), "w"));
  if (!file) SC_REPORT_ERROR("/duplex/file", (name_ + ": " + name + ": " + std::strerror(errno)).c_str());
  return file;
}

// A warning, since this is the end of the simulation.
void memory_engine::close_text(text_file &file, const std::string &name) const {
  std::FILE *open_file = file.release();
  if (!open_file) return;
  const bool bad = std::ferror(open_file);
  if (std::fclose(open_file) != 0 || bad)
    SC_REPORT_WARNING("/duplex/file", (name_ + ": " + name + ": was not written whole").c_str());
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
  if (m.commands_) duplex_judge_print(m.commands_.get(), channel, command);
  m.command_count_++;
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
    std::fprintf(requests_.get(), "%" PRIu64 " 0x%" PRIx64 " %c %" PRIu64 "\n", tck, address,
                 transfer.is_write() ? 'W' : 'R', bytes);
  });
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

// Offers the next access of a payload; a channel that has gone further takes it at its own time.
memory_engine::submission memory_engine::submit(uint32_t number, uint64_t tck) {
  memory_transfer &transfer = *transfers_[number];
  const uint32_t access = transfer.next();
  const duplex_memory_request request = {static_cast<uint64_t>(number) << 32 | access,
                                         transfer.address_of(access), transfer.is_write()};
  const unsigned channel = duplex_memory_place_of(controller_, request.address).channel;
  const uint64_t at = std::max(tck, duplex_memory_now(controller_, channel));
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
