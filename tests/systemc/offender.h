// SPDX-License-Identifier: Apache-2.0
// An initiator of a memory socket that breaks the rules of the phases, and its deeds with what is told of
// them.
#ifndef DUPLEX_TEST_SYSTEMC_OFFENDER_H
#define DUPLEX_TEST_SYSTEMC_OFFENDER_H

#include <functional>
#include <string>
#include <systemc>
#include <vector>

#include "tlm_utils/simple_initiator_socket.h"

class offender : public sc_core::sc_module, private tlm::tlm_mm_interface {
 public:
  tlm_utils::simple_initiator_socket<offender> socket;

  SC_HAS_PROCESS(offender);
  offender(const sc_core::sc_module_name &name, std::function<void(offender &)> deed)
      : sc_module(name), socket("socket"), deed_(std::move(deed)) {
    socket.register_nb_transport_bw(this, &offender::nb_transport_bw);
    for (unsigned i = 0; i < 2; i++) {
      payload_[i].set_mm(this);
      payload_[i].set_read();
      payload_[i].set_address(64 * i);
      payload_[i].set_data_ptr(bytes_);
      payload_[i].set_data_length(sizeof bytes_);
      payload_[i].set_streaming_width(sizeof bytes_);
      payload_[i].acquire();
    }
    SC_THREAD(run);
  }
  void send(unsigned i, tlm::tlm_phase phase) {
    sc_core::sc_time delay;
    socket->nb_transport_fw(payload_[i], phase, delay);
  }
  void send_without_manager() {
    tlm::tlm_generic_payload payload;
    tlm::tlm_phase phase = tlm::BEGIN_REQ;
    sc_core::sc_time delay;
    payload.set_read();
    socket->nb_transport_fw(payload, phase, delay);
  }
  void begin(unsigned i) {
    send(i, tlm::BEGIN_REQ);
    wait(1, sc_core::SC_US);
  }

 private:
  void run() { deed_(*this); }
  void free(tlm::tlm_generic_payload *) override {}
  tlm::tlm_sync_enum nb_transport_bw(tlm::tlm_generic_payload &, tlm::tlm_phase &, sc_core::sc_time &) {
    return tlm::TLM_ACCEPTED;
  }

  std::function<void(offender &)> deed_;
  tlm::tlm_generic_payload payload_[2];
  unsigned char bytes_[32] = {};
};

struct deed {
  const char *text;
  std::function<void(offender &)> act;
};

inline const std::vector<deed> &deeds() {
  static const char *again = "BEGIN_REQ of a payload that is under way: expected END_RESP first";
  static const char *no_response = "END_RESP of a payload whose BEGIN_RESP has not come, or has ended";
  static const char *of_target = "expected BEGIN_REQ or END_RESP of an initiator";
  static const char *no_manager = "a payload without a memory manager: expected one (TLM-2.0)";
  static const std::vector<deed> all = {
      {no_manager, [](offender &o) { o.send_without_manager(); }},
      {again, [](offender &o) { o.begin(0), o.begin(0); }},
      {no_response, [](offender &o) { o.send(0, tlm::END_RESP); }},
      {no_response, [](offender &o) { o.send(0, tlm::BEGIN_REQ), o.send(0, tlm::END_RESP); }},
      {no_response, [](offender &o) { o.begin(0), o.send(0, tlm::END_RESP), o.send(0, tlm::END_RESP); }},
      {no_response, [](offender &o) { o.begin(0), o.begin(1), o.send(1, tlm::END_RESP); }},
      {of_target, [](offender &o) { o.begin(0), o.send(0, tlm::BEGIN_RESP); }},
      {of_target, [](offender &o) { o.begin(0), o.send(0, tlm::END_REQ); }},
  };
  return all;
}

#endif
