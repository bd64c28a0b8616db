// SPDX-License-Identifier: Apache-2.0
// An initiator that drives a memory by all interfaces of TLM-2.0 and knows what it should read.
//
// Requests come from backend/systemc/traffic_source.h. The initiator keeps what it wrote, and compares each
// read with it: the memory must hold zeros at the start, and nobody else may write. A request waits until no
// other one in flight touches its bytes, if one of them writes, since the base protocol gives no order to
// responses. Blocking calls run ahead of the simulation by at most the global quantum.
#ifndef DUPLEX_SYSTEMC_TRAFFIC_H
#define DUPLEX_SYSTEMC_TRAFFIC_H

#include <cstdint>
#include <functional>
#include <memory>
#include <systemc>
#include <tlm>
#include <vector>

#include "backend/systemc/shadow_memory.h"
#include "backend/systemc/traffic_source.h"
#include "duplex/random.h"
#include "tlm_utils/simple_initiator_socket.h"
#include "tlm_utils/tlm_quantumkeeper.h"

namespace duplex {

class traffic : public sc_core::sc_module, private tlm::tlm_mm_interface {
 public:
  tlm_utils::simple_initiator_socket<traffic> socket;

  // A wrong parameter or file is an elaboration error.
  traffic(const sc_core::sc_module_name &name, const traffic_parameters &parameters);
  ~traffic() override;

  // Each request that has ended, with the times of its begin and of its end, annotations counted.
  using completion = std::function<void(const traffic_request &, const sc_core::sc_time &begin,
                                        const sc_core::sc_time &end)>;
  void on_completion(completion completion) { completion_ = std::move(completion); }
  // Each access by pointer, before it (duplex::protocol_checker::direct_access).
  using pointer_access = std::function<void(tlm::tlm_command, uint64_t address, uint64_t bytes)>;
  void on_pointer_access(pointer_access access) { pointer_access_ = std::move(access); }
  // In place of SC_REPORT_ERROR: a read of other bytes than expected, or an error response.
  void on_failure(std::function<void(const std::string &)> failure) { failure_ = std::move(failure); }

  bool done() const { return done_; }  // all requests have ended
  const sc_core::sc_event &done_event() const { return done_event_; }
  uint64_t failures() const { return failures_; }
  // Requests that have ended, by interface; those that asked for direct access in vain count as blocking.
  uint64_t completed(traffic_interface interface) const { return completed_[unsigned(interface)]; }

 private:
  class transaction;
  void run();
  void end_response();
  transaction &take(const traffic_request &request);
  void free(tlm::tlm_generic_payload *payload) override;

  void send_blocking(transaction &sent);
  void send_nonblocking(transaction &sent);
  void send_debug(transaction &sent);
  bool send_direct(transaction &sent);
  bool find_region(transaction &sent, tlm::tlm_dmi &region);
  void wait_until(uint64_t ps);
  void wait_for_bytes(const traffic_request &request);
  bool conflicts(const traffic_request &request) const;
  void wait_for_room();

  tlm::tlm_sync_enum nb_transport_bw(tlm::tlm_generic_payload &payload, tlm::tlm_phase &phase,
                                     sc_core::sc_time &delay);
  void invalidate(sc_dt::uint64 start, sc_dt::uint64 end);
  void respond(transaction &sent, const sc_core::sc_time &time);
  void drop(transaction &sent);
  void finish(transaction &sent, const sc_core::sc_time &time);
  void remember(const traffic_request &request);
  void check(const transaction &sent);
  void fail(const traffic_request &request, const std::string &what);

  const traffic_parameters parameters_;
  traffic_source source_;
  shadow_memory shadow_;
  tlm_utils::tlm_quantumkeeper keeper_;
  std::vector<std::unique_ptr<transaction>> made_;
  std::vector<transaction *> free_;
  std::vector<transaction *> in_flight_;  // non-blocking
  transaction *response_ = nullptr;       // whose END_RESP is due
  transaction *request_ = nullptr;        // whose request has not ended
  std::vector<tlm::tlm_dmi> regions_;     // of direct access
  sc_core::sc_event moved_;               // a request or a transaction has ended
  sc_core::sc_event end_response_event_;
  sc_core::sc_event done_event_;
  duplex_random answers_ = {};  // how responses are ended
  completion completion_;
  pointer_access pointer_access_;
  std::function<void(const std::string &)> failure_;
  uint64_t completed_[TRAFFIC_INTERFACES] = {};
  uint64_t failures_ = 0;
  bool done_ = false;
};

}  // namespace duplex
#endif
