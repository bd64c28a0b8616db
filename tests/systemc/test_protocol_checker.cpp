// SPDX-License-Identifier: Apache-2.0
// The checker of the TLM-2.0 base protocol: each rule broken on purpose is found and named, alone, and
// traffic that keeps them all is passed on without a word.
//
// A case is an initiator and a target whose calls are written out, with a checker between them.
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <functional>
#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "backend/systemc/protocol_checker.h"

using duplex::protocol_rule;
using sc_core::sc_time;
using tlm::tlm_dmi;
using tlm::tlm_generic_payload;
using tlm::tlm_phase;
using tlm::tlm_sync_enum;

namespace {

const sc_time NS(1, sc_core::SC_NS);
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

struct planted {
  protocol_rule rule;
  std::function<void(rig &)> run;
};

// A blocking call with a payload that a case spoils.
planted blocking(protocol_rule rule, std::function<void(rig &, tlm_generic_payload &)> spoil,
                 tlm::tlm_command command = tlm::TLM_READ_COMMAND) {
  return {rule, [=](rig &r) {
            tlm_generic_payload payload;
            r.fill(payload, command);
            spoil(r, payload);
            r.blocking(payload);
          }};
}

// A blocking call whose target does something wrong; with byte enables.
planted served(protocol_rule rule, std::function<void(tlm_generic_payload &, sc_time &)> serve,
               tlm::tlm_command command = tlm::TLM_READ_COMMAND) {
  return {rule, [=](rig &r) {
            r.on_blocking = [=](auto &payload, auto &delay) {
              rig::answer(payload);
              serve(payload, delay);
            };
            tlm_generic_payload payload;
            r.fill(payload, command);
            payload.set_byte_enable_ptr(r.enables);
            payload.set_byte_enable_length(sizeof r.enables);
            r.blocking(payload);
          }};
}

// A transaction in four phases that begins well; `rest` goes on, and may break it.
planted four_phases(protocol_rule rule, std::function<void(rig &, tlm_generic_payload &)> rest,
                    tlm::tlm_command command = tlm::TLM_WRITE_COMMAND) {
  return {rule, [=](rig &r) {
            tlm_generic_payload &payload = r.take(command);
            r.forward(payload, tlm::BEGIN_REQ);
            rest(r, payload);
          }};
}

// A direct memory request that is answered in a wrong way.
planted direct(protocol_rule rule, std::function<bool(rig &, tlm_dmi &)> serve) {
  return {rule, [=](rig &r) {
            r.on_dmi = [&r, serve](auto &, tlm_dmi &dmi) {
              r.grant(dmi, 0, BYTES - 1);
              return serve(r, dmi);
            };
            tlm_generic_payload payload;
            r.fill(payload, tlm::TLM_WRITE_COMMAND);
            r.direct(payload);
          }};
}

using R = protocol_rule;
using P = tlm_generic_payload;

std::vector<planted> payload_cases() {
  const auto WRITE = tlm::TLM_WRITE_COMMAND;
  return {
      blocking(R::command, [](rig &, P &p) { p.set_command(tlm::tlm_command(3)); }),
      blocking(R::data_pointer, [](rig &, P &p) { p.set_data_ptr(nullptr); }),
      blocking(
          R::data_pointer, [](rig &, P &p) { p.set_data_ptr(nullptr); }, WRITE),
      blocking(R::data_length, [](rig &, P &p) { p.set_data_length(0); }),
      blocking(R::streaming_width, [](rig &, P &p) { p.set_streaming_width(0); }),
      blocking(R::byte_enable_length,
               [](rig &r, P &p) {
                 p.set_byte_enable_ptr(r.enables);
                 p.set_byte_enable_length(0);
               }),
      blocking(R::byte_enable_value,
               [](rig &r, P &p) {
                 r.enables[1] = 1;
                 p.set_byte_enable_ptr(r.enables);
                 p.set_byte_enable_length(2);
               }),
      blocking(R::option_initial, [](rig &, P &p) { p.set_gp_option(tlm::TLM_FULL_PAYLOAD_ACCEPTED); }),
      blocking(R::response_initial, [](rig &, P &p) { p.set_response_status(tlm::TLM_OK_RESPONSE); }),
      blocking(R::dmi_hint_initial, [](rig &, P &p) { p.set_dmi_allowed(true); }),
      blocking(R::address_range, [](rig &, P &p) { p.set_address(BYTES - 7); }),
      blocking(R::address_range, [](rig &, P &p) { p.set_address(~uint64_t(0)); }),
      served(R::response_set, [](P &p, auto &) { p.set_response_status(tlm::TLM_INCOMPLETE_RESPONSE); }),
      served(R::response_value, [](P &p, auto &) { p.set_response_status(tlm::tlm_response_status(2)); }),
      served(R::response_value, [](P &p, auto &) { p.set_response_status(tlm::tlm_response_status(-6)); }),
      {R::byte_enable_error,
       [](rig &r) {
         r.on_blocking = [](P &p, auto &) { p.set_response_status(tlm::TLM_BYTE_ENABLE_ERROR_RESPONSE); };
         P payload;
         r.fill(payload);
         r.blocking(payload);
       }},
      served(R::attributes_kept, [](P &p, auto &) { p.set_command(tlm::TLM_WRITE_COMMAND); }),
      served(R::attributes_kept, [](P &p, auto &) { p.set_data_ptr(p.get_data_ptr() + 1); }),
      served(R::attributes_kept, [](P &p, auto &) { p.set_data_length(4); }),
      served(R::attributes_kept, [](P &p, auto &) { p.set_streaming_width(4); }),
      served(R::attributes_kept, [](P &p, auto &) { p.set_byte_enable_ptr(nullptr); }),
      served(R::attributes_kept, [](P &p, auto &) { p.set_byte_enable_length(1); }),
      served(
          R::write_data_kept, [](P &p, auto &) { p.get_data_ptr()[7]++; }, WRITE),
      served(R::byte_enables_kept, [](P &p, auto &) { p.get_byte_enable_ptr()[1] = 0xff; }),
      served(R::disabled_bytes_kept, [](P &p, auto &) { p.get_data_ptr()[7]++; }),
      served(R::negative_time, [](P &, sc_time &t) { t = sc_core::SC_ZERO_TIME - NS; }),
      served(R::time_order, [](P &, sc_time &t) { t = sc_core::SC_ZERO_TIME; }),
  };
}

std::vector<planted> phase_cases() {
  return {
      {R::payload_in_flight,
       [](rig &r) {
         P payload;
         r.fill(payload);
         bool inside = false;
         r.on_blocking = [&](P &p, sc_time &t) {
           if (!inside) inside = true, r.initiator->b_transport(p, t);
           rig::answer(p);
         };
         r.blocking(payload);
       }},
      four_phases(R::payload_in_flight,
                  [](rig &r, P &p) {
                    r.forward(p, tlm::BEGIN_REQ);
                    r.finish(p);
                  }),
      four_phases(R::payload_in_flight,
                  [](rig &r, P &p) {
                    r.initiator->transport_dbg(p);
                    r.finish(p);
                  }),
      four_phases(R::payload_in_flight,
                  [](rig &r, P &p) {
                    r.direct(p);
                    r.finish(p);
                  }),
      four_phases(R::mixed_interfaces,
                  [](rig &r, P &p) {
                    r.on_blocking = [](P &, sc_time &) {};
                    r.blocking(p);
                    r.finish(p);
                  }),
      {R::memory_manager,
       [](rig &r) {
         P payload;
         r.fill(payload);
         r.forward(payload, tlm::BEGIN_REQ);
         r.backward(payload, tlm::BEGIN_RESP);
         r.forward(payload, tlm::END_RESP);
       }},
      {R::reference_count,
       [](rig &r) {
         manager manager;
         P *payload = manager.make();
         r.fill(*payload);
         r.blocking(*payload);
       }},
      four_phases(R::reference_count,
                  [](rig &r, P &p) {
                    p.release();
                    r.backward(p, tlm::END_REQ);
                    p.acquire();
                    r.finish(p);
                  }),
      four_phases(R::reference_count,
                  [](rig &r, P &p) {
                    r.backward(p, tlm::BEGIN_RESP);
                    p.release();
                    r.forward(p, tlm::END_RESP);
                  }),
      {R::phase_value, [](rig &r) { r.forward(r.take(), tlm::UNINITIALIZED_PHASE); }},
      {R::phase_value, [](rig &r) { r.backward(r.take(), tlm::UNINITIALIZED_PHASE); }},
      {R::phase_direction, [](rig &r) { r.forward(r.take(), tlm::END_REQ); }},
      {R::phase_direction, [](rig &r) { r.forward(r.take(), tlm::BEGIN_RESP); }},
      {R::phase_direction, [](rig &r) { r.backward(r.take(), tlm::BEGIN_REQ); }},
      {R::phase_direction, [](rig &r) { r.backward(r.take(), tlm::END_RESP); }},
      {R::phase_order, [](rig &r) { r.backward(r.take(), tlm::END_REQ); }},
      {R::phase_order, [](rig &r) { r.backward(r.take(), tlm::BEGIN_RESP); }},
      {R::phase_order, [](rig &r) { r.forward(r.take(), tlm::END_RESP); }},
      four_phases(R::phase_order, [](rig &r, P &p) { r.forward(p, tlm::END_RESP); }),
      four_phases(R::phase_order,
                  [](rig &r, P &p) {
                    r.backward(p, tlm::END_REQ);
                    r.backward(p, tlm::END_REQ);
                    r.finish(p);
                  }),
      four_phases(R::phase_order,
                  [](rig &r, P &p) {
                    r.backward(p, tlm::BEGIN_RESP);
                    r.finish(p);
                  }),
      four_phases(R::request_exclusion,
                  [](rig &r, P &p) {
                    P &second = r.take();
                    r.forward(second, tlm::BEGIN_REQ);
                    r.finish(p);
                    r.finish(second);
                  }),
      four_phases(R::response_exclusion,
                  [](rig &r, P &p) {
                    r.backward(p, tlm::END_REQ);
                    P &second = r.take();
                    r.forward(second, tlm::BEGIN_REQ);
                    r.backward(p, tlm::BEGIN_RESP);
                    r.backward(second, tlm::BEGIN_RESP);
                    r.forward(p, tlm::END_RESP);
                    r.forward(second, tlm::END_RESP);
                  }),
      four_phases(R::response_kept,
                  [](rig &r, P &p) {
                    r.backward(p, tlm::BEGIN_RESP);
                    p.set_response_status(tlm::TLM_GENERIC_ERROR_RESPONSE);
                    r.forward(p, tlm::END_RESP);
                  }),
      four_phases(R::attributes_kept,
                  [](rig &r, P &p) {
                    r.backward(p, tlm::BEGIN_RESP);
                    p.set_address(16);
                    r.forward(p, tlm::END_RESP);
                  }),
      four_phases(R::write_data_kept,
                  [](rig &r, P &p) {
                    r.data[0]++;
                    r.backward(p, tlm::END_REQ);
                    r.data[0]--;
                    r.finish(p);
                  }),
      four_phases(R::response_set,
                  [](rig &r, P &p) {
                    tlm_phase phase = tlm::BEGIN_RESP;
                    sc_time delay = NS;
                    r.target->nb_transport_bw(p, phase, delay);
                    r.forward(p, tlm::END_RESP);
                  }),
  };
}

// BEGIN_REQ with what the target returns, and BEGIN_RESP with what the initiator returns.
planted target_returns(R rule, tlm_sync_enum sync, tlm_phase phase, sc_time delay = NS) {
  return {rule, [=](rig &r) {
            r.on_forward = [=](P &p, tlm_phase &ph, sc_time &t) {
              rig::answer(p);
              ph = phase;
              t = delay;
              return sync;
            };
            r.forward(r.take(), tlm::BEGIN_REQ);
          }};
}
planted initiator_returns(R rule, tlm_phase sent, tlm_sync_enum sync, tlm_phase phase, sc_time delay = NS) {
  return four_phases(rule, [=](rig &r, P &p) {
    r.on_backward = [=](P &, tlm_phase &ph, sc_time &t) {
      ph = phase;
      t = delay;
      return sync;
    };
    r.backward(p, sent);
  });
}

std::vector<planted> return_cases() {
  return {
      target_returns(R::sync_value, tlm_sync_enum(3), tlm::BEGIN_REQ),
      target_returns(R::updated_phase, tlm::TLM_UPDATED, tlm::BEGIN_REQ),
      target_returns(R::updated_phase, tlm::TLM_UPDATED, tlm::END_RESP),
      target_returns(R::accepted_unchanged, tlm::TLM_ACCEPTED, tlm::END_REQ),
      target_returns(R::accepted_unchanged, tlm::TLM_ACCEPTED, tlm::BEGIN_REQ, NS + NS),
      target_returns(R::time_order, tlm::TLM_UPDATED, tlm::BEGIN_RESP, sc_core::SC_ZERO_TIME),
      target_returns(R::time_order, tlm::TLM_COMPLETED, tlm::BEGIN_REQ, sc_core::SC_ZERO_TIME),
      {R::response_set,
       [](rig &r) {
         r.on_forward = [](P &, tlm_phase &, sc_time &) { return tlm::TLM_COMPLETED; };
         r.forward(r.take(), tlm::BEGIN_REQ);
       }},
      initiator_returns(R::sync_value, tlm::END_REQ, tlm::TLM_COMPLETED, tlm::END_REQ),
      initiator_returns(R::sync_value, tlm::END_REQ, tlm::TLM_UPDATED, tlm::BEGIN_RESP),
      initiator_returns(R::sync_value, tlm::BEGIN_RESP, tlm_sync_enum(3), tlm::BEGIN_RESP),
      initiator_returns(R::updated_phase, tlm::BEGIN_RESP, tlm::TLM_UPDATED, tlm::BEGIN_RESP),
      initiator_returns(R::accepted_unchanged, tlm::BEGIN_RESP, tlm::TLM_ACCEPTED, tlm::END_RESP),
      initiator_returns(R::time_order, tlm::BEGIN_RESP, tlm::TLM_COMPLETED, tlm::END_RESP,
                        sc_core::SC_ZERO_TIME),
      four_phases(R::sync_value,
                  [](rig &r, P &p) {
                    r.backward(p, tlm::BEGIN_RESP);
                    r.on_forward = [](P &, tlm_phase &, sc_time &) { return tlm::TLM_UPDATED; };
                    r.forward(p, tlm::END_RESP);
                  }),
      {R::no_wait,
       [](rig &r) {
         r.on_forward = [](P &, tlm_phase &, sc_time &) {
           sc_core::wait(NS);
           return tlm::TLM_ACCEPTED;
         };
         r.forward(r.take(), tlm::BEGIN_REQ);
       }},
      four_phases(R::no_wait,
                  [](rig &r, P &p) {
                    r.on_backward = [](P &, tlm_phase &, sc_time &) {
                      sc_core::wait(sc_core::SC_ZERO_TIME);
                      return tlm::TLM_ACCEPTED;
                    };
                    r.backward(p, tlm::END_REQ);
                  }),
      {R::no_wait,
       [](rig &r) {
         r.on_debug = [](P &) {
           sc_core::wait(NS);
           return 0;
         };
         r.initiator->transport_dbg(r.take());
       }},
  };
}

std::vector<planted> other_cases() {
  return {
      {R::debug_count,
       [](rig &r) {
         r.on_debug = [](P &p) { return p.get_data_length() + 1; };
         r.initiator->transport_dbg(r.take());
       }},
      {R::address_range,
       [](rig &r) {
         P &payload = r.take();
         payload.set_address(BYTES - 7);
         r.initiator->transport_dbg(payload);
       }},
      {R::attributes_kept,
       [](rig &r) {
         r.on_debug = [](P &p) { return p.set_data_length(4), 4; };
         r.initiator->transport_dbg(r.take());
       }},
      {R::write_data_kept,
       [](rig &r) {
         r.on_debug = [](P &p) { return unsigned(++p.get_data_ptr()[0]); };
         r.initiator->transport_dbg(r.take(tlm::TLM_WRITE_COMMAND));
       }},
      {R::data_pointer,
       [](rig &r) {
         P &payload = r.take();
         payload.set_data_ptr(nullptr);
         r.initiator->transport_dbg(payload);
       }},
      {R::dmi_command, [](rig &r) { r.direct(r.take(tlm::TLM_IGNORE_COMMAND)); }},
      direct(R::dmi_pointer, [](rig &, tlm_dmi &dmi) { return dmi.set_dmi_ptr(nullptr), true; }),
      direct(R::dmi_range, [](rig &r, tlm_dmi &dmi) { return r.grant(dmi, 9, 63), true; }),
      direct(R::dmi_range, [](rig &r, tlm_dmi &dmi) { return r.grant(dmi, 0, 7), true; }),
      direct(R::dmi_range, [](rig &r, tlm_dmi &dmi) { return r.grant(dmi, 0, BYTES), true; }),
      direct(R::dmi_range, [](rig &r, tlm_dmi &dmi) { return r.grant(dmi, 16, 4), false; }),
      direct(R::dmi_access, [](rig &, tlm_dmi &dmi) { return dmi.allow_read(), true; }),
      direct(R::dmi_latency,
             [](rig &, tlm_dmi &dmi) { return dmi.set_write_latency(sc_core::SC_ZERO_TIME - NS), true; }),
      direct(R::no_wait, [](rig &, tlm_dmi &) { return sc_core::wait(NS), true; }),
      {R::invalidated_range, [](rig &r) { r.target->invalidate_direct_mem_ptr(8, 7); }},
      {R::invalidated_reentry,
       [](rig &r) {
         r.on_invalidate = [&r] { r.direct(r.take()); };
         r.target->invalidate_direct_mem_ptr(0, 7);
       }},
      {R::dmi_stale, [](rig &r) { r.checker->direct_access(tlm::TLM_READ_COMMAND, 0, 1); }},
      {R::dmi_stale,
       [](rig &r) {
         r.direct(r.take());
         r.target->invalidate_direct_mem_ptr(16, 31);
         r.checker->direct_access(tlm::TLM_WRITE_COMMAND, 15, 1);
         r.checker->direct_access(tlm::TLM_READ_COMMAND, 32, 32);
         r.checker->direct_access(tlm::TLM_WRITE_COMMAND, 15, 2);
       }},
      {R::dmi_stale,
       [](rig &r) {
         r.on_dmi = [&r](P &, tlm_dmi &dmi) { return r.grant(dmi, 0, 63), dmi.allow_read(), true; };
         r.direct(r.take());
         r.checker->direct_access(tlm::TLM_WRITE_COMMAND, 0, 1);
       }},
  };
}

// Traffic that keeps every rule, on all interfaces and in every permitted order of phases.
void clean_blocking(rig &r) {
  for (const auto command : {tlm::TLM_READ_COMMAND, tlm::TLM_WRITE_COMMAND, tlm::TLM_IGNORE_COMMAND}) {
    P payload;
    r.fill(payload, command);
    if (command == tlm::TLM_IGNORE_COMMAND) payload.set_data_ptr(nullptr), payload.set_data_length(0);
    r.blocking(payload);
  }
  P payload;
  r.fill(payload);
  payload.set_byte_enable_ptr(r.enables);
  payload.set_byte_enable_length(sizeof r.enables);
  r.on_blocking = [](P &p, sc_time &t) {
    for (unsigned i = 0; i < p.get_data_length(); i += 2) p.get_data_ptr()[i]++;
    sc_core::wait(t);
    t = sc_core::SC_ZERO_TIME;
    p.set_dmi_allowed(true);
    rig::answer(p);
  };
  r.blocking(payload);
  r.fill(payload);
  payload.set_address(BYTES - 4);  // streams over the last four bytes
  payload.set_streaming_width(4);
  r.blocking(payload);
  r.fill(payload);
  payload.set_address(BYTES);
  r.on_blocking = [](P &p, sc_time &) { p.set_response_status(tlm::TLM_ADDRESS_ERROR_RESPONSE); };
  r.blocking(payload);
}

void clean_phases(rig &r) {
  TLM_DECLARE_EXTENDED_PHASE(ignorable);
  P &four = r.take();
  r.forward(four, tlm::BEGIN_REQ);
  r.backward(four, ignorable);
  r.backward(four, tlm::END_REQ);
  P &next = r.take();  // its request overlaps the response of the one before
  r.forward(next, tlm::BEGIN_REQ);
  r.backward(four, tlm::BEGIN_RESP);
  r.backward(next, tlm::END_REQ);
  r.forward(four, tlm::END_RESP);
  four.release();
  r.finish(next);
  r.on_forward = [](P &p, tlm_phase &phase, sc_time &) {
    if (phase == tlm::END_RESP) return tlm::TLM_COMPLETED;
    rig::answer(p);
    phase = tlm::BEGIN_RESP;
    return tlm::TLM_UPDATED;
  };
  P &two = r.take();
  r.forward(two, tlm::BEGIN_REQ);
  r.forward(two, tlm::END_RESP);
  two.release();
  r.on_forward = [](P &p, tlm_phase &, sc_time &) { return rig::answer(p), tlm::TLM_COMPLETED; };
  P &early = r.take();
  r.forward(early, tlm::BEGIN_REQ);
  early.release();
  // The target answers inside the call, and the initiator frees the payload there.
  r.on_backward = [](P &p, tlm_phase &phase, sc_time &) {
    if (phase == tlm::END_REQ) return tlm::TLM_ACCEPTED;
    p.release();
    return tlm::TLM_COMPLETED;
  };
  r.on_forward = [&r](P &p, tlm_phase &, sc_time &) {
    r.backward(p, tlm::END_REQ);
    r.backward(p, tlm::BEGIN_RESP);
    return tlm::TLM_ACCEPTED;
  };
  r.forward(r.take(), tlm::BEGIN_REQ);
  r.on_forward = [](P &, tlm_phase &phase, sc_time &) { return phase = tlm::END_REQ, tlm::TLM_UPDATED; };
  r.on_backward = [](P &p, tlm_phase &phase, sc_time &) {
    p.release();
    phase = tlm::END_RESP;
    return tlm::TLM_UPDATED;
  };
  P &ended = r.take();
  r.forward(ended, tlm::BEGIN_REQ);
  r.backward(ended, tlm::BEGIN_RESP);
}

void clean_others(rig &r) {
  P &payload = r.take();
  r.initiator->transport_dbg(payload);
  r.direct(payload);
  r.checker->direct_access(tlm::TLM_WRITE_COMMAND, 0, BYTES);
  r.target->invalidate_direct_mem_ptr(0, ~uint64_t(0));
  r.on_dmi = [](P &, tlm_dmi &) { return false; };
  r.direct(payload);
  r.on_debug = [](P &) { return 0; };
  payload.set_address(BYTES);
  r.initiator->transport_dbg(payload);
  payload.release();
}

// Each name and sentence of the rules stands in the page.
int check_page(const char *path) {
  std::ifstream file(path);
  std::stringstream page;
  page << file.rdbuf();
  int bad = 0;
  for (unsigned i = 0; i < duplex::PROTOCOL_RULES; i++) {
    const R rule = R(i);
    const std::string row = std::string("| `") + name_of(rule) + "` | " + text_of(rule) + " |";
    if (page.str().find(row) != std::string::npos) continue;
    std::printf("MISMATCH: %s has no row %s\n", path, row.c_str());
    bad = 1;
  }
  return bad;
}

class bench : public sc_core::sc_module {
 public:
  SC_HAS_PROCESS(bench);
  explicit bench(const sc_core::sc_module_name &name)
      : sc_module(name), clean_("clean"), outside_("outside") {
    for (const auto &list : {payload_cases(), phase_cases(), return_cases(), other_cases()})
      cases_.insert(cases_.end(), list.begin(), list.end());
    for (size_t i = 0; i < cases_.size(); i++)
      rigs_.emplace_back(new rig("case" + std::to_string(i) + "_" + name_of(cases_[i].rule)));
    SC_THREAD(run);
    SC_METHOD(no_thread);
  }
  int bad() const { return bad_; }
  size_t cases() const { return cases_.size() + 1; }

 private:
  void run() {
    std::vector<bool> covered(duplex::PROTOCOL_RULES);
    for (size_t i = 0; i < cases_.size(); i++) {
      cases_[i].run(*rigs_[i]);
      expect(*rigs_[i], {cases_[i].rule}, i);
      covered[unsigned(cases_[i].rule)] = true;
    }
    covered[unsigned(R::thread_process)] = true;
    expect(outside_, {R::thread_process}, cases_.size());
    for (unsigned i = 0; i < duplex::PROTOCOL_RULES; i++)
      if (!covered[i]) bad_ = 1, std::printf("MISMATCH: no case breaks %s\n", name_of(R(i)));
    clean_blocking(clean_);
    clean_phases(clean_);
    clean_others(clean_);
    expect(clean_, {}, cases_.size() + 1);
    if (clean_.checker->in_flight() || clean_.checker->calls() < 20)
      bad_ = 1, std::printf("MISMATCH: %zu clean transactions are left\n", clean_.checker->in_flight());
  }
  void no_thread() {
    P payload;
    outside_.fill(payload);
    outside_.blocking(payload);
  }
  void expect(const rig &r, const std::vector<R> &rules, size_t index) {
    if (r.found == rules) return;
    bad_ = 1;
    std::printf("MISMATCH: case %zu, expected %s:", index, rules.empty() ? "none" : name_of(rules[0]));
    for (const R rule : r.found) std::printf(" %s", name_of(rule));
    std::printf("\n");
  }

  std::vector<planted> cases_;
  std::vector<std::unique_ptr<rig>> rigs_;
  rig clean_, outside_;
  int bad_ = 0;
};

}  // namespace

int sc_main(int count, char **arguments) {
  const char *page = count > 1 ? arguments[1] : "docs/protocol_checker.md";
  bench bench("bench");
  sc_core::sc_start();
  const int bad = bench.bad() | check_page(page);
  std::printf("TLM-2.0 protocol checker: %zu planted violations of %u rules%s\n", bench.cases(),
              duplex::PROTOCOL_RULES, bad ? ": FAIL" : " are found, clean traffic is passed on");
  return bad;
}
