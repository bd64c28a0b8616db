// SPDX-License-Identifier: Apache-2.0
// The checks of duplex::protocol_checker: each call is looked at on its way in and on its way back.
//
// The state of a transaction changes before a call is passed on, since the other side may answer inside it.
// A payload is not touched any more once its transaction has ended.
#include "backend/systemc/protocol_checker.h"

#include <cstring>

namespace duplex {

using sc_core::sc_time;
using tlm::tlm_phase;
using tlm::tlm_sync_enum;

namespace {

bool moves_data(const tlm::tlm_generic_payload &payload) { return payload.is_read() || payload.is_write(); }

std::string number(uint64_t value) { return std::to_string(value); }

const char *name_of(tlm_sync_enum sync) {
  if (sync == tlm::TLM_ACCEPTED) return "TLM_ACCEPTED";
  if (sync == tlm::TLM_UPDATED) return "TLM_UPDATED";
  return sync == tlm::TLM_COMPLETED ? "TLM_COMPLETED" : "no value of tlm_sync_enum";
}

// Addresses of an access; a streaming one uses those below its streaming width only.
unsigned address_bytes(const tlm::tlm_generic_payload &payload) {
  const unsigned length = payload.get_data_length();
  const unsigned width = payload.get_streaming_width();
  return width && width < length ? width : length;
}

// What the debug interface knows of a payload: no byte enables, no streaming.
void copy_debug_part(const tlm::tlm_generic_payload &payload, tlm::tlm_generic_payload &part) {
  part.set_command(payload.get_command());
  part.set_data_ptr(payload.get_data_ptr());
  part.set_data_length(payload.get_data_length());
}

sc_time effective(const sc_time &delay) { return sc_core::sc_time_stamp() + delay; }

// A phase of TLM_DECLARE_EXTENDED_PHASE, which may be ignored.
bool is_added(const tlm_phase &phase) { return phase > tlm::END_RESP; }

// A difference below zero: sc_time has no sign, and runs over.
bool negative(const sc_time &time) { return time.value() >> 63; }

}  // namespace

payload_image::payload_image(const tlm::tlm_generic_payload &payload)
    : command_(payload.get_command()),
      data_(payload.get_data_ptr()),
      length_(payload.get_data_length()),
      enable_(payload.get_byte_enable_ptr()),
      enable_length_(payload.get_byte_enable_length()),
      streaming_width_(payload.get_streaming_width()) {
  if (!moves_data(payload)) return;
  if (enable_) enable_bytes_.assign(enable_, enable_ + enable_length_);
  if (data_ && (is_write() || !enable_bytes_.empty())) data_bytes_.assign(data_, data_ + length_);
}

bool payload_image::same_attributes(const tlm::tlm_generic_payload &payload) const {
  return payload.get_command() == command_ && payload.get_data_ptr() == data_ &&
         payload.get_data_length() == length_ && payload.get_byte_enable_ptr() == enable_ &&
         (!enable_ || payload.get_byte_enable_length() == enable_length_) &&
         payload.get_streaming_width() == streaming_width_;
}

bool payload_image::same_enables(const tlm::tlm_generic_payload &) const {
  return enable_bytes_.empty() || std::memcmp(enable_, enable_bytes_.data(), enable_bytes_.size()) == 0;
}

bool payload_image::same_data(const tlm::tlm_generic_payload &) const {
  if (is_write()) return data_bytes_.empty() || std::memcmp(data_, data_bytes_.data(), length_) == 0;
  for (size_t i = 0; i < data_bytes_.size(); i++) {
    const bool enabled = enable_bytes_[i % enable_bytes_.size()] != TLM_BYTE_DISABLED;
    if (!enabled && data_[i] != data_bytes_[i]) return false;
  }
  return true;
}

payload_frame::payload_frame(const tlm::tlm_generic_payload &payload)
    : option(payload.get_gp_option()), has_manager(payload.has_mm()) {
  for (unsigned i = 0; i < tlm::max_num_extensions(); i++) extensions.push_back(payload.get_extension(i));
}

void protocol_checks::report(protocol_rule rule, const std::string &detail) {
  violations_++;
  const protocol_violation violation = {rule, where(), detail, sc_core::sc_time_stamp()};
  if (handler_)
    handler_(violation);
  else
    SC_REPORT_ERROR("/duplex/protocol_checker", message_of(violation).c_str());
}

// What holds for every interface.
void protocol_checks::check_known(const payload_type &payload) {
  if (!moves_data(payload) && payload.get_command() != tlm::TLM_IGNORE_COMMAND)
    report(protocol_rule::command, "command " + number(unsigned(payload.get_command())));
}

// What holds for both transport interfaces.
void protocol_checks::check_attributes(const payload_type &payload) {
  check_known(payload);
  if (!moves_data(payload)) return;
  if (!payload.get_data_ptr()) report(protocol_rule::data_pointer, "the data pointer is null");
  if (!payload.get_data_length()) report(protocol_rule::data_length, "0 bytes");
  if (!payload.get_streaming_width()) report(protocol_rule::streaming_width, "streaming width 0");
  const unsigned char *enable = payload.get_byte_enable_ptr();
  if (!enable) return;
  if (!payload.get_byte_enable_length()) report(protocol_rule::byte_enable_length, "0 byte enables");
  for (unsigned i = 0; i < payload.get_byte_enable_length(); i++) {
    if (enable[i] == TLM_BYTE_DISABLED || enable[i] == TLM_BYTE_ENABLED) continue;
    report(protocol_rule::byte_enable_value, "byte enable " + number(i) + " is " + number(enable[i]));
    return;
  }
}

void protocol_checks::check_option(const payload_type &payload, bool transport) {
  const tlm::tlm_gp_option option = payload.get_gp_option();
  if (option != tlm::TLM_MIN_PAYLOAD && (transport || option != tlm::TLM_FULL_PAYLOAD))
    report(protocol_rule::option_initial, "option " + number(unsigned(option)));
}

void protocol_checks::check_initial(const payload_type &payload) {
  check_option(payload, true);
  if (payload.get_response_status() != tlm::TLM_INCOMPLETE_RESPONSE)
    report(protocol_rule::response_initial, payload.get_response_string());
  if (payload.is_dmi_allowed()) report(protocol_rule::dmi_hint_initial, "the hint is set");
}

void protocol_checks::check_management(const payload_type &payload) {
  if (payload.has_mm() && payload.get_ref_count() < 1)
    report(protocol_rule::reference_count, "reference count " + std::to_string(payload.get_ref_count()));
}

bool protocol_checks::in_range(uint64_t start, uint64_t end) const {
  return start <= end && (!address_bytes_ || end < address_bytes_);
}

void protocol_checks::check_response(const payload_type &payload) {
  const tlm::tlm_response_status status = payload.get_response_status();
  if (status == tlm::TLM_INCOMPLETE_RESPONSE)
    report(protocol_rule::response_set, "the response is incomplete");
  if (status < tlm::TLM_BYTE_ENABLE_ERROR_RESPONSE || status > tlm::TLM_OK_RESPONSE)
    report(protocol_rule::response_value, "response status " + std::to_string(int(status)));
  if (status == tlm::TLM_BYTE_ENABLE_ERROR_RESPONSE && !payload.get_byte_enable_ptr())
    report(protocol_rule::byte_enable_error, "a byte enable error without byte enables");
}

// `start`: the address when the target got it.
void protocol_checks::check_range(const payload_type &payload, uint64_t start) {
  if (!moves_data(payload) || !payload.is_response_ok() || !payload.get_data_length()) return;
  if (!in_range(start, start + (address_bytes(payload) - 1)))
    report(protocol_rule::address_range, "address " + number(start) + " was accepted");
}

// The rules of what must not change in flight.
void protocol_checks::check_kept(const payload_type &payload, const payload_image &image) {
  if (!image.same_attributes(payload)) {
    report(protocol_rule::attributes_kept, "an attribute changed");
    return;  // the arrays may be gone
  }
  if (!image.same_enables(payload)) {
    report(protocol_rule::byte_enables_kept, "a byte enable changed");
    return;
  }
  if (image.same_data(payload)) return;
  if (image.is_write())
    report(protocol_rule::write_data_kept, "the data changed");
  else
    report(protocol_rule::disabled_bytes_kept, "a byte that is not enabled changed");
}

// The rules of what must be again as it was.
void protocol_checks::check_frame(const payload_type &payload, const payload_frame &frame) {
  const tlm::tlm_gp_option option = payload.get_gp_option();
  const bool accepted = frame.option == tlm::TLM_FULL_PAYLOAD && option == tlm::TLM_FULL_PAYLOAD_ACCEPTED;
  if (option != frame.option && !accepted)
    report(protocol_rule::option_kept, "it became " + number(unsigned(option)));
  if (payload.has_mm() != frame.has_manager)
    report(protocol_rule::manager_kept, payload.has_mm() ? "one was set" : "it was taken away");
  for (unsigned i = 0; !payload.has_mm() && i < frame.extensions.size(); i++)
    if (!frame.extensions[i] && payload.get_extension(i))
      report(protocol_rule::extension_cleared, "extension " + number(i) + " was added");
}

// Besides ours there is a reference of the initiator's.
void protocol_checks::check_held(const payload_type &payload, const flight &flight) {
  if (flight.held && payload.get_ref_count() < 2)
    report(protocol_rule::reference_count, "the payload was released while its transaction is in flight");
}

void protocol_checks::check_time(flight &flight, const sc_time &delay) {
  const sc_time time = effective(delay);
  if (negative(delay)) {
    report(protocol_rule::negative_time, "annotation " + delay.to_string());
    return;
  }
  if (time < flight.time)
    report(protocol_rule::time_order, time.to_string() + " behind " + flight.time.to_string());
  flight.time = time;
}

void protocol_checks::check_no_wait(const moment &before) {
  if (sc_core::sc_time_stamp() != before.time || sc_core::sc_delta_count() != before.delta)
    report(protocol_rule::no_wait, "the call began at " + before.time.to_string());
}

// The payload is not in flight: true.
bool protocol_checks::check_free(const payload_type &payload, bool blocking) {
  const flight *flight = find(payload);
  if (!flight) return true;
  if ((flight->state == state::blocking) == blocking)
    report(protocol_rule::payload_in_flight, "a payload in flight is passed");
  else
    report(protocol_rule::mixed_interfaces, "a payload in flight is passed on the other interface");
  return false;
}

protocol_checks::flight &protocol_checks::open(payload_type &payload, state state, const sc_time &delay) {
  const bool held = state != state::blocking && payload.has_mm();
  if (held) payload.acquire();
  const flight opened = {++serial_,
                         state,
                         payload_image(payload),
                         payload_frame(payload),
                         sc_core::SC_ZERO_TIME,
                         held,
                         payload.get_address(),
                         tlm::TLM_INCOMPLETE_RESPONSE};
  flight &flight = flights_.emplace(&payload, opened).first->second;
  check_time(flight, delay);
  return flight;
}

void protocol_checks::close(payload_type &payload) {
  if (request_ == &payload) request_ = nullptr;
  if (response_ == &payload) response_ = nullptr;
  const bool held = flights_.at(&payload).held;
  flights_.erase(&payload);
  if (held) payload.release();
}

protocol_checks::flight *protocol_checks::find(const payload_type &payload) {
  const auto found = flights_.find(&payload);
  return found == flights_.end() ? nullptr : &found->second;
}

protocol_checks::flight *protocol_checks::find(const payload_type &payload, uint64_t serial) {
  flight *flight = find(payload);
  return flight && flight->serial == serial ? flight : nullptr;
}

void protocol_checks::b_transport(payload_type &payload, sc_time &delay) {
  calls_++;
  const sc_core::sc_curr_proc_kind kind = sc_core::sc_get_current_process_handle().proc_kind();
  if (kind != sc_core::SC_THREAD_PROC_ && kind != sc_core::SC_CTHREAD_PROC_)
    report(protocol_rule::thread_process, "called from no thread process");
  if (!check_free(payload, true)) return forward().b_transport(payload, delay);
  check_attributes(payload);
  check_initial(payload);
  check_management(payload);
  flight &flight = open(payload, state::blocking, delay);
  forward().b_transport(payload, delay);
  check_time(flight, delay);
  check_kept(payload, flight.image);
  check_frame(payload, flight.frame);
  check_response(payload);
  check_range(payload, flight.address);
  close(payload);
}

// The serial number of the transaction, 0 if it is none that can be followed.
uint64_t protocol_checks::begin_request(payload_type &payload, const sc_time &delay) {
  if (!check_free(payload, false)) return 0;
  check_attributes(payload);
  check_initial(payload);
  check_management(payload);
  if (!payload.has_mm()) report(protocol_rule::memory_manager, "there is none");
  if (request_) report(protocol_rule::request_exclusion, "BEGIN_REQ while another request is open");
  request_ = &payload;
  return open(payload, state::request, delay).serial;
}

void protocol_checks::end_request(const payload_type &payload, flight *flight, const sc_time &delay) {
  if (!flight || flight->state != state::request) {
    report(protocol_rule::phase_order, "END_REQ of a payload without an open request");
    return;
  }
  check_time(*flight, delay);
  check_held(payload, *flight);
  check_kept(payload, flight->image);
  check_frame(payload, flight->frame);
  flight->state = state::waiting;
  if (request_ == &payload) request_ = nullptr;
}

// What holds of the response of a transaction; false if it cannot have one now.
bool protocol_checks::check_answer(const payload_type &payload, flight *flight, const sc_time &delay) {
  if (!flight || (flight->state != state::request && flight->state != state::waiting)) {
    report(protocol_rule::phase_order, "a response of a payload that waits for none");
    return false;
  }
  check_time(*flight, delay);
  check_held(payload, *flight);
  check_kept(payload, flight->image);
  check_frame(payload, flight->frame);
  check_response(payload);
  check_range(payload, flight->address);
  return true;
}

// Ends the request too if END_REQ did not come.
void protocol_checks::begin_response(const payload_type &payload, flight *flight, const sc_time &delay) {
  if (!check_answer(payload, flight, delay)) return;
  if (response_) report(protocol_rule::response_exclusion, "BEGIN_RESP while another response is open");
  flight->state = state::response;
  flight->address = payload.get_address();
  flight->response = payload.get_response_status();
  response_ = &payload;
  if (request_ == &payload) request_ = nullptr;
}

void protocol_checks::end_response(payload_type &payload, const sc_time &delay) {
  flight *flight = find(payload);
  if (!flight || flight->state != state::response) {
    report(protocol_rule::phase_order, "END_RESP of a payload without an open response");
    return;
  }
  check_time(*flight, delay);
  check_held(payload, *flight);
  check_kept(payload, flight->image);
  check_frame(payload, flight->frame);
  if (payload.get_address() != flight->address)
    report(protocol_rule::attributes_kept, "the address changed behind BEGIN_RESP");
  if (payload.get_response_status() != flight->response)
    report(protocol_rule::response_kept, "it became " + payload.get_response_string());
  close(payload);
}

// The serial number of the transaction that a BEGIN_REQ begins, else 0.
uint64_t protocol_checks::enter_forward(payload_type &payload, const tlm_phase &phase, const sc_time &delay) {
  switch (phase) {
    case tlm::UNINITIALIZED_PHASE:
      report(protocol_rule::phase_value, "UNINITIALIZED_PHASE");
      return 0;
    case tlm::BEGIN_REQ:
      return begin_request(payload, delay);
    case tlm::END_RESP:
      end_response(payload, delay);
      return 0;
    case tlm::END_REQ:
    case tlm::BEGIN_RESP:
      report(protocol_rule::phase_direction, std::string(phase.get_name()) + " from an initiator");
      return 0;
    default:
      return 0;  // a phase that others add may be ignored
  }
}

// The serial number of the transaction whose response a BEGIN_RESP begins, else 0.
uint64_t protocol_checks::enter_backward(payload_type &payload, const tlm_phase &phase,
                                         const sc_time &delay) {
  flight *flight = find(payload);
  switch (phase) {
    case tlm::UNINITIALIZED_PHASE:
      report(protocol_rule::phase_value, "UNINITIALIZED_PHASE");
      return 0;
    case tlm::END_REQ:
      end_request(payload, flight, delay);
      return 0;
    case tlm::BEGIN_RESP:
      begin_response(payload, flight, delay);
      return flight ? flight->serial : 0;
    case tlm::BEGIN_REQ:
    case tlm::END_RESP:
      report(protocol_rule::phase_direction, std::string(phase.get_name()) + " from a target");
      return 0;
    default:
      return 0;
  }
}

// Behind BEGIN_REQ: the target may have ended the request, begun the response, or completed.
void protocol_checks::leave_request(payload_type &payload, uint64_t serial, tlm_sync_enum sync,
                                    const tlm_phase &phase, const sc_time &delay) {
  if (!serial || sync == tlm::TLM_ACCEPTED) return;
  flight *flight = find(payload, serial);
  if (sync == tlm::TLM_UPDATED && phase == tlm::END_REQ) {
    end_request(payload, flight, delay);
  } else if (sync == tlm::TLM_UPDATED && phase == tlm::BEGIN_RESP) {
    begin_response(payload, flight, delay);
  } else if (sync == tlm::TLM_UPDATED) {
    if (!is_added(phase))
      report(protocol_rule::updated_phase, std::string(phase.get_name()) + " behind BEGIN_REQ");
  } else if (sync == tlm::TLM_COMPLETED) {
    check_answer(payload, flight, delay);
    if (flight) close(payload);
  } else {
    report(protocol_rule::sync_value, std::string(name_of(sync)) + " behind BEGIN_REQ");
  }
}

// Behind BEGIN_RESP: the initiator may have ended the response.
void protocol_checks::leave_response(payload_type &payload, uint64_t serial, tlm_sync_enum sync,
                                     const tlm_phase &phase, const sc_time &delay) {
  if (!serial || sync == tlm::TLM_ACCEPTED) return;
  if (sync == tlm::TLM_UPDATED && is_added(phase)) return;
  flight *flight = find(payload, serial);
  if (sync == tlm::TLM_UPDATED && phase != tlm::END_RESP) {
    report(protocol_rule::updated_phase, std::string(phase.get_name()) + " behind BEGIN_RESP");
  } else if (sync != tlm::TLM_UPDATED && sync != tlm::TLM_COMPLETED) {
    report(protocol_rule::sync_value, std::string(name_of(sync)) + " behind BEGIN_RESP");
  } else if (!flight) {
    report(protocol_rule::phase_order, "a response ended twice");
  } else {
    check_time(*flight, delay);
    close(payload);
  }
}

tlm_sync_enum protocol_checks::nb_transport_fw(payload_type &payload, tlm_phase &phase, sc_time &delay) {
  calls_++;
  const moment before = {sc_core::sc_time_stamp(), sc_core::sc_delta_count()};
  const tlm_phase sent = phase;
  const sc_time sent_delay = delay;
  const uint64_t serial = enter_forward(payload, phase, delay);
  const tlm_sync_enum sync = forward().nb_transport_fw(payload, phase, delay);
  check_no_wait(before);
  if (sync == tlm::TLM_ACCEPTED && (phase != sent || delay != sent_delay))
    report(protocol_rule::accepted_unchanged, std::string("behind ") + sent.get_name());
  if (sent == tlm::END_RESP && sync != tlm::TLM_ACCEPTED && sync != tlm::TLM_COMPLETED)
    report(protocol_rule::sync_value, std::string(name_of(sync)) + " behind END_RESP");
  leave_request(payload, serial, sync, phase, delay);
  return sync;
}

tlm_sync_enum protocol_checks::nb_transport_bw(payload_type &payload, tlm_phase &phase, sc_time &delay) {
  calls_++;
  const moment before = {sc_core::sc_time_stamp(), sc_core::sc_delta_count()};
  const tlm_phase sent = phase;
  const sc_time sent_delay = delay;
  const uint64_t serial = enter_backward(payload, phase, delay);
  const tlm_sync_enum sync = backward().nb_transport_bw(payload, phase, delay);
  check_no_wait(before);
  if (sync == tlm::TLM_ACCEPTED && (phase != sent || delay != sent_delay))
    report(protocol_rule::accepted_unchanged, std::string("behind ") + sent.get_name());
  if (sent == tlm::END_REQ && sync != tlm::TLM_ACCEPTED)
    report(protocol_rule::sync_value, std::string(name_of(sync)) + " behind END_REQ");
  leave_response(payload, serial, sync, phase, delay);
  return sync;
}

unsigned protocol_checks::transport_dbg(payload_type &payload) {
  calls_++;
  check_free(payload, false);
  check_known(payload);
  check_option(payload, false);
  if (moves_data(payload) && payload.get_data_length() && !payload.get_data_ptr())
    report(protocol_rule::data_pointer, "the data pointer is null");
  const moment before = {sc_core::sc_time_stamp(), sc_core::sc_delta_count()};
  const uint64_t address = payload.get_address();
  payload_type part;
  copy_debug_part(payload, part);
  const payload_image image(part);
  const payload_frame frame(payload);
  const unsigned count = forward().transport_dbg(payload);
  check_no_wait(before);
  copy_debug_part(payload, part);
  check_kept(part, image);
  check_frame(payload, frame);
  if (count > payload.get_data_length())
    report(protocol_rule::debug_count,
           number(count) + " of " + number(payload.get_data_length()) + " bytes were returned");
  else if (count && !in_range(address, address + count - 1))
    report(protocol_rule::address_range, "address " + number(address) + " was accepted");
  return count;
}

void protocol_checks::check_descriptor(const tlm::tlm_dmi &dmi) {
  const tlm::tlm_dmi initial;
  const bool good = dmi.get_dmi_ptr() == initial.get_dmi_ptr() && dmi.is_none_allowed() &&
                    dmi.get_start_address() == initial.get_start_address() &&
                    dmi.get_end_address() == initial.get_end_address() &&
                    dmi.get_read_latency() == initial.get_read_latency() &&
                    dmi.get_write_latency() == initial.get_write_latency();
  if (!good) report(protocol_rule::dmi_initial, "the descriptor holds values");
}

bool protocol_checks::get_direct_mem_ptr(payload_type &payload, tlm::tlm_dmi &dmi) {
  calls_++;
  check_free(payload, false);
  if (!moves_data(payload))
    report(protocol_rule::dmi_command, "command " + number(unsigned(payload.get_command())));
  if (invalidating_) report(protocol_rule::invalidated_reentry, "asked for inside an invalidation");
  check_option(payload, false);
  check_descriptor(dmi);
  const payload_frame frame(payload);
  const moment before = {sc_core::sc_time_stamp(), sc_core::sc_delta_count()};
  const uint64_t address = payload.get_address();
  const bool granted = forward().get_direct_mem_ptr(payload, dmi);
  check_no_wait(before);
  check_frame(payload, frame);
  const uint64_t start = dmi.get_start_address();
  const uint64_t end = dmi.get_end_address();
  if (start > end || address < start || address > end || (granted && !in_range(start, end)))
    report(protocol_rule::dmi_range,
           "region " + number(start) + " to " + number(end) + " for address " + number(address));
  if (!granted) return false;
  if (!dmi.get_dmi_ptr()) report(protocol_rule::dmi_pointer, "the pointer is null");
  if ((payload.is_read() && !dmi.is_read_allowed()) || (payload.is_write() && !dmi.is_write_allowed()))
    report(protocol_rule::dmi_access, "access " + number(unsigned(dmi.get_granted_access())));
  if (negative(dmi.get_read_latency()) || negative(dmi.get_write_latency()))
    report(protocol_rule::dmi_latency,
           "read " + dmi.get_read_latency().to_string() + ", write " + dmi.get_write_latency().to_string());
  grant({start, end, unsigned(dmi.get_granted_access())});
  return true;
}

// A region that is granted again is kept once.
void protocol_checks::grant(const region &granted) {
  for (const region &region : regions_)
    if (region.start == granted.start && region.end == granted.end && region.access == granted.access) return;
  regions_.push_back(granted);
}

void protocol_checks::invalidate_direct_mem_ptr(sc_dt::uint64 start, sc_dt::uint64 end) {
  calls_++;
  if (start > end) report(protocol_rule::invalidated_range, number(start) + " to " + number(end));
  std::vector<region> kept;
  for (const region &region : regions_) {
    if (region.end < start || region.start > end) {
      kept.push_back(region);
      continue;
    }
    if (region.start < start) kept.push_back({region.start, start - 1, region.access});
    if (region.end > end) kept.push_back({end + 1, region.end, region.access});
  }
  regions_ = kept;
  const bool outer = invalidating_;
  invalidating_ = true;
  backward().invalidate_direct_mem_ptr(start, end);
  invalidating_ = outer;
}

void protocol_checks::direct_access(tlm::tlm_command command, uint64_t address, uint64_t bytes) {
  const unsigned access =
      command == tlm::TLM_WRITE_COMMAND ? tlm::tlm_dmi::DMI_ACCESS_WRITE : tlm::tlm_dmi::DMI_ACCESS_READ;
  for (const region &region : regions_)
    if ((region.access & access) && address >= region.start && address + (bytes - 1) <= region.end) return;
  report(protocol_rule::dmi_stale, number(bytes) + " bytes at address " + number(address));
}

}  // namespace duplex
