// SPDX-License-Identifier: Apache-2.0
// A checker of the TLM-2.0 base protocol, to be placed between an initiator socket and a target socket.
//
//   initiator.socket(checker.target);   // the checker is the initiator's target
//   checker.initiator(memory.socket);   // and the target's initiator
//
// Each call is passed on as it is; what breaks a rule (backend/systemc/protocol_rules.h) goes to the handler,
// by default to SC_REPORT_ERROR. Payloads of the non-blocking interface are held by one more reference while
// they are in flight, so one that its initiator frees too early is found without touching freed memory.
// The address is checked only from BEGIN_RESP to END_RESP: an interconnect behind the checker may change it.
#ifndef DUPLEX_SYSTEMC_PROTOCOL_CHECKER_H
#define DUPLEX_SYSTEMC_PROTOCOL_CHECKER_H

#include <cstdint>
#include <functional>
#include <string>
#include <systemc>
#include <tlm>
#include <unordered_map>
#include <vector>

#include "backend/systemc/protocol_rules.h"

namespace duplex {

// What a target must not change in a payload, and what of it an initiator must not.
class payload_image {
 public:
  explicit payload_image(const tlm::tlm_generic_payload &payload);

  bool same_attributes(const tlm::tlm_generic_payload &payload) const;
  bool same_enables(const tlm::tlm_generic_payload &payload) const;
  // The data that nobody may change: all of a write, what is not enabled of a read.
  bool same_data(const tlm::tlm_generic_payload &payload) const;
  bool is_write() const { return command_ == tlm::TLM_WRITE_COMMAND; }

 private:
  tlm::tlm_command command_;
  unsigned char *data_;
  unsigned length_;
  unsigned char *enable_;
  unsigned enable_length_;
  unsigned streaming_width_;
  std::vector<unsigned char> data_bytes_;  // empty if all of them may change
  std::vector<unsigned char> enable_bytes_;
};

// What the other side of a call must not leave changed in a payload, on any interface.
struct payload_frame {
  explicit payload_frame(const tlm::tlm_generic_payload &payload);

  tlm::tlm_gp_option option;
  bool has_manager;
  std::vector<bool> extensions;  // by number: it is there
};

// The checks, for sockets of any width.
class protocol_checks : public tlm::tlm_fw_transport_if<>, public tlm::tlm_bw_transport_if<> {
 public:
  using payload_type = tlm::tlm_generic_payload;
  using handler = std::function<void(const protocol_violation &)>;

  // In place of SC_REPORT_ERROR. An empty one restores it.
  void on_violation(handler handler) { handler_ = std::move(handler); }
  // The target's addresses are 0 to bytes - 1; 0: they are not known, and not checked.
  void set_address_bytes(uint64_t bytes) { address_bytes_ = bytes; }
  // An initiator tells that it is about to use a pointer of direct memory access.
  void direct_access(tlm::tlm_command command, uint64_t address, uint64_t bytes);

  uint64_t violations() const { return violations_; }
  // Transactions that have begun and not ended.
  size_t in_flight() const { return flights_.size(); }
  // Calls that were passed on, of all interfaces.
  uint64_t calls() const { return calls_; }

  void b_transport(payload_type &payload, sc_core::sc_time &delay) override;
  tlm::tlm_sync_enum nb_transport_fw(payload_type &payload, tlm::tlm_phase &phase,
                                     sc_core::sc_time &delay) override;
  tlm::tlm_sync_enum nb_transport_bw(payload_type &payload, tlm::tlm_phase &phase,
                                     sc_core::sc_time &delay) override;
  unsigned transport_dbg(payload_type &payload) override;
  bool get_direct_mem_ptr(payload_type &payload, tlm::tlm_dmi &dmi) override;
  void invalidate_direct_mem_ptr(sc_dt::uint64 start, sc_dt::uint64 end) override;

 protected:
  virtual tlm::tlm_fw_transport_if<> &forward() = 0;
  virtual tlm::tlm_bw_transport_if<> &backward() = 0;
  virtual std::string where() const = 0;

 private:
  enum class state { blocking, request, waiting, response };
  struct flight {
    uint64_t serial;  // tells this use of a payload from a later one
    protocol_checks::state state;
    payload_image image;
    payload_frame frame;
    sc_core::sc_time time;  // now and annotation, at the last call
    bool held;              // by a reference of ours
    uint64_t address;       // at the begin of the request, or of the response once that has begun
    tlm::tlm_response_status response;
  };
  struct moment {
    sc_core::sc_time time;
    uint64_t delta;
  };
  struct region {
    uint64_t start;
    uint64_t end;
    unsigned access;
  };

  void report(protocol_rule rule, const std::string &detail);
  void check_known(const payload_type &payload);
  void check_attributes(const payload_type &payload);
  void check_initial(const payload_type &payload);
  void check_management(const payload_type &payload);
  void check_response(const payload_type &payload);
  void check_range(const payload_type &payload, uint64_t start);
  bool check_answer(const payload_type &payload, flight *flight, const sc_core::sc_time &delay);
  void check_kept(const payload_type &payload, const payload_image &image);
  void check_frame(const payload_type &payload, const payload_frame &frame);
  void check_option(const payload_type &payload, bool transport);
  void check_descriptor(const tlm::tlm_dmi &dmi);
  void check_held(const payload_type &payload, const flight &flight);
  void check_time(flight &flight, const sc_core::sc_time &delay);
  void check_no_wait(const moment &before);
  bool in_range(uint64_t start, uint64_t end) const;
  void grant(const region &granted);
  bool check_free(const payload_type &payload, bool blocking);

  flight &open(payload_type &payload, state state, const sc_core::sc_time &delay);
  void close(payload_type &payload);
  flight *find(const payload_type &payload);
  flight *find(const payload_type &payload, uint64_t serial);

  uint64_t begin_request(payload_type &payload, const sc_core::sc_time &delay);
  void end_request(const payload_type &payload, flight *flight, const sc_core::sc_time &delay);
  void begin_response(const payload_type &payload, flight *flight, const sc_core::sc_time &delay);
  void end_response(payload_type &payload, const sc_core::sc_time &delay);
  uint64_t enter_forward(payload_type &payload, const tlm::tlm_phase &phase, const sc_core::sc_time &delay);
  uint64_t enter_backward(payload_type &payload, const tlm::tlm_phase &phase, const sc_core::sc_time &delay);
  void leave_request(payload_type &payload, uint64_t serial, tlm::tlm_sync_enum sync,
                     const tlm::tlm_phase &phase, const sc_core::sc_time &delay);
  void leave_response(payload_type &payload, uint64_t serial, tlm::tlm_sync_enum sync,
                      const tlm::tlm_phase &phase, const sc_core::sc_time &delay);

  handler handler_;
  uint64_t address_bytes_ = 0;
  uint64_t violations_ = 0;
  uint64_t calls_ = 0;
  uint64_t serial_ = 0;
  std::unordered_map<const payload_type *, flight> flights_;
  const payload_type *request_ = nullptr;   // whose request is open
  const payload_type *response_ = nullptr;  // whose response is open
  std::vector<region> regions_;             // granted for direct memory access
  bool invalidating_ = false;
};

// The module, for sockets of BUSWIDTH bits.
template <unsigned BUSWIDTH = 32>
class protocol_checker : public sc_core::sc_module, public protocol_checks {
 public:
  tlm::tlm_target_socket<BUSWIDTH> target;
  tlm::tlm_initiator_socket<BUSWIDTH> initiator;

  explicit protocol_checker(const sc_core::sc_module_name &name)
      : sc_module(name), target("target"), initiator("initiator") {
    target.bind(static_cast<tlm::tlm_fw_transport_if<> &>(*this));
    initiator.bind(static_cast<tlm::tlm_bw_transport_if<> &>(*this));
  }

 protected:
  tlm::tlm_fw_transport_if<> &forward() override { return *initiator.operator->(); }
  tlm::tlm_bw_transport_if<> &backward() override { return *target.operator->(); }
  std::string where() const override { return name(); }
};

}  // namespace duplex
#endif
