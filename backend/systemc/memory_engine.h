// SPDX-License-Identifier: Apache-2.0
// What is behind the sockets of the HBM3 memory, without SystemC's time: controller, cells, judges, records,
// and the payloads that are in it.
#ifndef DUPLEX_SYSTEMC_MEMORY_ENGINE_H
#define DUPLEX_SYSTEMC_MEMORY_ENGINE_H

#include <cstdint>
#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "backend/systemc/memory_transfer.h"
#include "backend/systemc/output_files.h"
#include "backend/systemc/sparse_bytes.h"
#include "duplex/systemc_memory.h"

namespace duplex {

class memory_engine {
 public:
  // A payload is complete: all its accesses have been commanded.
  using completion = std::function<void(uint32_t number)>;
  memory_engine(const std::string &name, const hbm3_parameters &parameters, completion completion);
  ~memory_engine();

  duplex_memory_controller *controller() const { return controller_; }
  sparse_bytes &cells() { return cells_; }

  // A payload comes in for tCK `tck`, is checked and recorded, and gets a number; it leaves.
  uint32_t enter(tlm::tlm_generic_payload &payload, int port, uint64_t tck);
  void leave(uint32_t number);
  const memory_transfer &transfer(uint32_t number) const { return *transfers_[number]; }

  // Offers the accesses of a payload from this time on. False: a queue is full, and some are left.
  bool offer(uint32_t number, uint64_t tck);
  // The same until it is complete, running ahead the channels of the payload; returns when the last data have
  // come.
  uint64_t run(uint32_t number, uint64_t tck);

  // Gives all commands before this time.
  void advance(uint64_t tck);

  // The records are whole and get their names; "" or what was lost, and there are none.
  std::string close_files();

 private:
  struct submission {
    int error;
    unsigned channel;
  };

  static void on_command(void *user, unsigned channel, const duplex_judge_command *command);
  static void on_refreshes(void *user, unsigned channel, uint64_t intervals);
  static void on_completion(void *user, const duplex_memory_request *request, uint64_t issued, uint64_t done);
  void check_parameters() const;
  std::FILE *open_text(const char *what, const std::string &path);
  void check_written(std::FILE *file, const char *what, const std::string &path) const;
  void check_rest(unsigned channel, uint64_t tck) const;
  void start_judges();
  void record(const memory_transfer &transfer, uint64_t tck);
  submission submit(uint32_t number, uint64_t tck);
  void run_channels(const memory_transfer &transfer, uint32_t channels);

  const std::string name_;
  const hbm3_parameters parameters_;
  const completion completion_;
  duplex_memory_controller *controller_ = nullptr;
  std::vector<duplex_judge> judges_;
  sparse_bytes cells_;
  output_files files_;
  std::FILE *requests_ = nullptr, *commands_ = nullptr;  // NULL: there is none, or it is closed
  uint64_t command_count_ = 0;

  // By number, which stands in the upper half of the id of a request; the numbers that are free.
  std::vector<std::unique_ptr<memory_transfer>> transfers_;
  std::vector<uint32_t> free_;
};

}  // namespace duplex
#endif
