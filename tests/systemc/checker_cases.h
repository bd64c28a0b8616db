// SPDX-License-Identifier: Apache-2.0
// Violations of the rules of the protocol checker, planted one by one.
#ifndef DUPLEX_TEST_SYSTEMC_CHECKER_CASES_H
#define DUPLEX_TEST_SYSTEMC_CHECKER_CASES_H

#include "tests/systemc/checker_rig.h"

namespace checker_rig {

struct planted {
  protocol_rule rule;
  std::function<void(rig &)> run;
};

// A blocking call with a payload that a case spoils.
inline planted blocking(protocol_rule rule, std::function<void(rig &, tlm_generic_payload &)> spoil,
                        tlm::tlm_command command = tlm::TLM_READ_COMMAND) {
  return {rule, [=](rig &r) {
            tlm_generic_payload payload;
            r.fill(payload, command);
            spoil(r, payload);
            r.blocking(payload);
          }};
}

// A blocking call whose target does something wrong; with byte enables.
inline planted served(protocol_rule rule, std::function<void(tlm_generic_payload &, sc_time &)> serve,
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
inline planted four_phases(protocol_rule rule, std::function<void(rig &, tlm_generic_payload &)> rest,
                           tlm::tlm_command command = tlm::TLM_WRITE_COMMAND) {
  return {rule, [=](rig &r) {
            tlm_generic_payload &payload = r.take(command);
            r.forward(payload, tlm::BEGIN_REQ);
            rest(r, payload);
          }};
}

// A direct memory request that is answered in a wrong way.
inline planted direct(protocol_rule rule, std::function<bool(rig &, tlm_dmi &)> serve) {
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

class note : public tlm::tlm_extension<note> {
 public:
  tlm::tlm_extension_base *clone() const override { return new note; }
  void copy_from(const tlm::tlm_extension_base &) override {}
};

inline std::vector<planted> payload_cases() {
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
      blocking(R::option_initial, [](rig &, P &p) { p.set_gp_option(tlm::TLM_FULL_PAYLOAD); }),
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
      served(R::option_kept, [](P &p, auto &) { p.set_gp_option(tlm::TLM_FULL_PAYLOAD); }),
      served(R::manager_kept,
             [](P &p, auto &) {
               static manager left;
               p.set_mm(&left);
             }),
      served(R::extension_cleared, [](P &p, auto &) { p.set_extension(new note); }),
      served(R::negative_time, [](P &, sc_time &t) { t = sc_core::SC_ZERO_TIME - NS; }),
      served(R::time_order, [](P &, sc_time &t) { t = sc_core::SC_ZERO_TIME; }),
  };
}

inline std::vector<planted> phase_cases() {
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
inline planted target_returns(R rule, tlm_sync_enum sync, tlm_phase phase, sc_time delay = NS) {
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
inline planted initiator_returns(R rule, tlm_phase sent, tlm_sync_enum sync, tlm_phase phase,
                                 sc_time delay = NS) {
  return four_phases(rule, [=](rig &r, P &p) {
    r.on_backward = [=](P &, tlm_phase &ph, sc_time &t) {
      ph = phase;
      t = delay;
      return sync;
    };
    r.backward(p, sent);
  });
}

inline std::vector<planted> return_cases() {
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

inline std::vector<planted> other_cases() {
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
      {R::option_initial,
       [](rig &r) {
         P &payload = r.take();
         payload.set_gp_option(tlm::TLM_FULL_PAYLOAD_ACCEPTED);
         r.initiator->transport_dbg(payload);
       }},
      {R::option_kept,
       [](rig &r) {
         r.on_debug = [](P &p) { return p.set_gp_option(tlm::TLM_FULL_PAYLOAD_ACCEPTED), 0; };
         r.initiator->transport_dbg(r.take());
       }},
      {R::option_kept,
       [](rig &r) {
         r.on_dmi = [&r](P &p, tlm_dmi &dmi) {
           return r.grant(dmi, 0, 63), p.set_gp_option(tlm::TLM_FULL_PAYLOAD), true;
         };
         r.direct(r.take());
       }},
      {R::extension_cleared,
       [](rig &r) {
         P payload;
         r.fill(payload);
         r.on_debug = [](P &p) { return p.set_extension(new note), 0; };
         r.initiator->transport_dbg(payload);
       }},
      {R::dmi_initial,
       [](rig &r) {
         tlm_dmi dmi;
         dmi.set_end_address(63);
         r.initiator->get_direct_mem_ptr(r.take(), dmi);
       }},
      {R::dmi_initial,
       [](rig &r) {
         tlm_dmi dmi;
         r.initiator->get_direct_mem_ptr(r.take(), dmi);
         r.initiator->get_direct_mem_ptr(r.take(), dmi);
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

}  // namespace checker_rig
#endif
