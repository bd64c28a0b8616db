// SPDX-License-Identifier: Apache-2.0
// The four phases of the memory socket of a stack: requests that wait, are at work, and answer in turn.
//
// A channel does one access at a time, in the order of their requests: the commands of the next one are
// queued when those of the one before have gone out. REQUESTS_MOST accesses are taken before END_REQ is
// withheld.
#ifndef DUPLEX_SYSTEMC_MEMORY_PORT_H
#define DUPLEX_SYSTEMC_MEMORY_PORT_H

#include <deque>
#include <functional>
#include <map>
#include <set>
#include <vector>

#include "backend/systemc/memory_access.h"
#include "tlm_utils/peq_with_cb_and_phase.h"

namespace duplex {

constexpr unsigned REQUESTS_MOST = 32;

// The commands of accesses behind the port, on the clocks of the stack; functions that return int return 0 or
// an error of duplex/error.h.
class memory_line {
 public:
  virtual ~memory_line() = default;
  virtual uint64_t clock() const = 0;
  // Runs to this clock, if that is not past.
  virtual int run_to(uint64_t clock) = 0;
  // Queues the DRAM commands of an access whose bytes are where they should be.
  virtual int queue_read(unsigned channel, uint64_t address, size_t size) = 0;
  virtual int queue_write(unsigned channel, uint64_t address, size_t size) = 0;
  // Whether all commands of the channel have gone out; then *done is the clock by which the last queued
  // access is over.
  virtual bool commands_are_out(unsigned channel, uint64_t *done) const = 0;
};

class memory_port {
 public:
  using socket = tlm_utils::simple_target_socket<stack_module>;
  // `changed` is called when something is at work that was not before.
  memory_port(socket &memory, memory_line &line, memory_cells &cells, unsigned channels,
              std::function<void()> changed);

  tlm::tlm_sync_enum nb_transport_fw(tlm::tlm_generic_payload &payload, tlm::tlm_phase &phase,
                                     sc_core::sc_time &delay);
  // Commands of some access have still to go out: the stack is to be looked at every clock.
  bool working() const { return working_ > 0; }
  // After clocks of the stack: takes what is done, and starts what waits.
  void look();
  // The stack is in reset: all that waits, is at work or comes ends with an error.
  void begin_reset();
  void end_reset() { in_reset_ = false; }

 private:
  struct channel_queue {
    std::deque<tlm::tlm_generic_payload *> waiting;
    tlm::tlm_generic_payload *active = nullptr;
  };

  bool is_in_turn(const tlm::tlm_generic_payload &payload, const tlm::tlm_phase &phase) const;
  void phase_due(tlm::tlm_generic_payload &payload, const tlm::tlm_phase &phase);
  void request(tlm::tlm_generic_payload &payload);
  void accept(tlm::tlm_generic_payload &payload);
  void start(channel_queue &queue);
  void answer_at(uint64_t clock, tlm::tlm_generic_payload &payload);
  void answer_due();
  void answer_next();
  void end(tlm::tlm_generic_payload &payload);
  int queue_commands(const tlm::tlm_generic_payload &payload);

  socket &socket_;
  memory_line &line_;
  memory_cells &cells_;
  const unsigned channels_;
  std::function<void()> changed_;
  tlm_utils::peq_with_cb_and_phase<memory_port> phases_;
  std::vector<channel_queue> queue_;
  std::set<const tlm::tlm_generic_payload *> under_way_;  // from BEGIN_REQ to the end of the answer
  unsigned outstanding_ = 0;
  unsigned working_ = 0;
  tlm::tlm_generic_payload *held_ = nullptr;                 // its END_REQ is withheld
  std::multimap<uint64_t, tlm::tlm_generic_payload *> due_;  // answers by their clock
  std::deque<tlm::tlm_generic_payload *> answers_;           // that are due, the first one under way
  bool answering_ = false;
  bool in_reset_ = false;
  sc_core::sc_event answer_event_;
};

}  // namespace duplex
#endif
