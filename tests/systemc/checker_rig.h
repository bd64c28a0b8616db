// SPDX-License-Identifier: Apache-2.0
// An initiator and a target whose calls are written out, with the protocol checker between them.
#ifndef DUPLEX_TEST_SYSTEMC_CHECKER_RIG_H
#define DUPLEX_TEST_SYSTEMC_CHECKER_RIG_H

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "backend/systemc/protocol_checker.h"

namespace checker_rig {

using duplex::protocol_rule;
using sc_core::sc_time;
using tlm::tlm_dmi;
using tlm::tlm_generic_payload;
using tlm::tlm_phase;
using tlm::tlm_sync_enum;

inline const sc_time NS(1, sc_core::SC_NS);
constexpr uint64_t BYTES = 64;  // of the target

// Payloads that a case leaves in flight are freed at the end.
class manager : public tlm::tlm_mm_interface {
 public:
  ~manager() override {
    for (tlm_generic_payload *payload : live_) delete payload;
  }
  tlm_generic_payload *make() { return *live_.insert(new tlm_generic_payload(this)).first; }
  void free(tlm_generic_payload *payload) override {
    live_.erase(payload);
    delete payload;
  }

 private:
  std::set<tlm_generic_payload *> live_;
};

// Both ends of a checker. What a case does not write out is the plain behaviour of a good one.
class rig : public tlm::tlm_fw_transport_if<>, public tlm::tlm_bw_transport_if<> {
 public:
  std::unique_ptr<duplex::protocol_checker<>> checker;
  tlm::tlm_initiator_socket<> initiator;
  tlm::tlm_target_socket<> target;
  std::function<void(tlm_generic_payload &, sc_time &)> on_blocking = [](auto &p, auto &) { answer(p); };
  std::function<tlm_sync_enum(tlm_generic_payload &, tlm_phase &, sc_time &)> on_forward, on_backward;
  std::function<unsigned(tlm_generic_payload &)> on_debug = [](auto &p) { return p.get_data_length(); };
  std::function<bool(tlm_generic_payload &, tlm_dmi &)> on_dmi;
  std::function<void()> on_invalidate = [] {};
  std::vector<protocol_rule> found;
  unsigned char data[8] = {};
  unsigned char enables[2] = {0xff, 0x00};

  explicit rig(const std::string &name)
      : checker(new duplex::protocol_checker<>((name + "_checker").c_str())),
        initiator((name + "_initiator").c_str()),
        target((name + "_target").c_str()) {
    initiator.bind(static_cast<tlm::tlm_bw_transport_if<> &>(*this));
    target.bind(static_cast<tlm::tlm_fw_transport_if<> &>(*this));
    initiator.bind(checker->target);
    checker->initiator.bind(target);
    checker->set_address_bytes(BYTES);
    checker->on_violation([this](const duplex::protocol_violation &v) { found.push_back(v.rule); });
    on_forward = on_backward = [](auto &, auto &, auto &) { return tlm::TLM_ACCEPTED; };
    on_dmi = [this](auto &, tlm_dmi &dmi) {
      grant(dmi, 0, BYTES - 1);
      return true;
    };
  }

  static void answer(tlm_generic_payload &payload) { payload.set_response_status(tlm::TLM_OK_RESPONSE); }
  void grant(tlm_dmi &dmi, uint64_t start, uint64_t end) {
    dmi.set_dmi_ptr(data);
    dmi.set_start_address(start);
    dmi.set_end_address(end);
    dmi.allow_read_write();
  }

  // A payload without a fault.
  void fill(tlm_generic_payload &payload, tlm::tlm_command command = tlm::TLM_READ_COMMAND) {
    payload.set_command(command);
    payload.set_address(8);
    payload.set_data_ptr(data);
    payload.set_data_length(sizeof data);
    payload.set_streaming_width(sizeof data);
    payload.set_byte_enable_ptr(nullptr);
    payload.set_dmi_allowed(false);
    payload.set_response_status(tlm::TLM_INCOMPLETE_RESPONSE);
  }
  tlm_generic_payload &take(tlm::tlm_command command = tlm::TLM_READ_COMMAND) {
    tlm_generic_payload *payload = manager_.make();
    payload->acquire();
    fill(*payload, command);
    return *payload;
  }

  // One call each.
  void blocking(tlm_generic_payload &payload, sc_time delay = NS) { initiator->b_transport(payload, delay); }
  tlm_sync_enum forward(tlm_generic_payload &payload, tlm_phase phase, sc_time delay = NS) {
    return initiator->nb_transport_fw(payload, phase, delay);
  }
  tlm_sync_enum backward(tlm_generic_payload &payload, tlm_phase phase, sc_time delay = NS) {
    if (phase == tlm::BEGIN_RESP && payload.get_response_status() == tlm::TLM_INCOMPLETE_RESPONSE)
      answer(payload);
    return target->nb_transport_bw(payload, phase, delay);
  }
  // What is left of a transaction in four phases.
  void finish(tlm_generic_payload &payload) {
    backward(payload, tlm::BEGIN_RESP);
    forward(payload, tlm::END_RESP);
    payload.release();
  }
  bool direct(tlm_generic_payload &payload) {
    tlm_dmi dmi;
    return initiator->get_direct_mem_ptr(payload, dmi);
  }

  void b_transport(tlm_generic_payload &payload, sc_time &delay) override { on_blocking(payload, delay); }
  tlm_sync_enum nb_transport_fw(tlm_generic_payload &payload, tlm_phase &phase, sc_time &delay) override {
    return on_forward(payload, phase, delay);
  }
  tlm_sync_enum nb_transport_bw(tlm_generic_payload &payload, tlm_phase &phase, sc_time &delay) override {
    return on_backward(payload, phase, delay);
  }
  unsigned transport_dbg(tlm_generic_payload &payload) override { return on_debug(payload); }
  bool get_direct_mem_ptr(tlm_generic_payload &payload, tlm_dmi &dmi) override {
    return on_dmi(payload, dmi);
  }
  void invalidate_direct_mem_ptr(sc_dt::uint64, sc_dt::uint64) override { on_invalidate(); }

 private:
  manager manager_;
};

}  // namespace checker_rig
#endif
