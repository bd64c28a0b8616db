// SPDX-License-Identifier: Apache-2.0
// The traffic initiator: one thread sends the requests, the responses of the non-blocking interface come by
// calls.
#include "backend/systemc/traffic.h"

#include <algorithm>
#include <cstring>

namespace duplex {

using sc_core::sc_time;
using sc_core::SC_ZERO_TIME;
using tlm::tlm_generic_payload;
using tlm::tlm_phase;
using tlm::tlm_sync_enum;

namespace {
constexpr uint64_t ANSWER_STREAM = UINT64_MAX;  // of random numbers, beside those of the requests
constexpr uint64_t LATEST_END_PS = 4000;        // of END_RESP behind BEGIN_RESP

sc_time picoseconds(uint64_t count) {
  return sc_time::from_value(count * sc_time(1, sc_core::SC_PS).value());
}

}  // namespace

// A payload with the request that it is, and the bytes of it.
class traffic::transaction : public tlm_generic_payload {
 public:
  explicit transaction(tlm::tlm_mm_interface *manager) : tlm_generic_payload(manager) {}

  void fill(const traffic_request &filled) {
    request = filled;
    bytes = request.write ? request.data : std::vector<unsigned char>(request.data.size(), UNTOUCHED);
    set_command(request.write ? tlm::TLM_WRITE_COMMAND : tlm::TLM_READ_COMMAND);
    set_address(request.address);
    set_data_ptr(bytes.data());
    set_data_length((unsigned)bytes.size());
    set_streaming_width(request.streaming_width);
    set_byte_enable_ptr(request.enables.empty() ? nullptr : request.enables.data());
    set_byte_enable_length((unsigned)request.enables.size());
    set_dmi_allowed(false);
    set_gp_option(tlm::TLM_MIN_PAYLOAD);
    set_response_status(tlm::TLM_INCOMPLETE_RESPONSE);
  }

  static constexpr unsigned char UNTOUCHED = 0x5a;  // what a read leaves in bytes that are not enabled
  traffic_request request;
  std::vector<unsigned char> bytes;
  sc_time begin;
};

traffic::traffic(const sc_core::sc_module_name &name, const traffic_parameters &parameters)
    : sc_module(name), socket("socket"), parameters_(parameters) {
  const std::string wrong = source_.open(parameters);
  if (!wrong.empty()) SC_REPORT_ERROR("/duplex/traffic", (std::string(this->name()) + ": " + wrong).c_str());
  socket.register_nb_transport_bw(this, &traffic::nb_transport_bw);
  socket.register_invalidate_direct_mem_ptr(this, &traffic::invalidate);
  duplex_random_seed(&answers_, parameters.seed, ANSWER_STREAM);
  SC_HAS_PROCESS(traffic);
  SC_THREAD(run);
  SC_METHOD(end_response);
  dont_initialize();
  sensitive << end_response_event_;
}

traffic::~traffic() = default;

void traffic::run() {
  keeper_.reset();
  traffic_request request;
  while (source_.next(request)) {
    wait_until(request.at_ps);
    wait_for_bytes(request);
    transaction &sent = take(request);
    sent.begin = keeper_.get_current_time();
    switch (request.interface) {
      case traffic_interface::nonblocking:
        send_nonblocking(sent);
        continue;  // its response ends it
      case traffic_interface::debug:
        send_debug(sent);
        break;
      case traffic_interface::direct:
        if (send_direct(sent)) break;
        sent.request.interface = traffic_interface::blocking;
        [[fallthrough]];
      case traffic_interface::blocking:
        send_blocking(sent);
        break;
    }
    finish(sent, keeper_.get_current_time());
    sent.release();
  }
  while (!in_flight_.empty()) wait(moved_);
  keeper_.sync();
  done_ = true;
  done_event_.notify();
}

traffic::transaction &traffic::take(const traffic_request &request) {
  if (free_.empty()) {
    made_.emplace_back(new transaction(this));
    free_.push_back(made_.back().get());
  }
  transaction &taken = *free_.back();
  free_.pop_back();
  taken.acquire();
  taken.fill(request);
  return taken;
}

void traffic::free(tlm_generic_payload *payload) { free_.push_back(static_cast<transaction *>(payload)); }

void traffic::wait_until(uint64_t ps) {
  const sc_time at = picoseconds(ps);
  if (at > keeper_.get_current_time()) keeper_.inc(at - keeper_.get_current_time());
  if (keeper_.need_sync()) keeper_.sync();
}

// The bytes of a transaction in flight are not to be touched, unless both only read.
bool traffic::conflicts(const traffic_request &request) const {
  for (const transaction *other : in_flight_) {
    const bool apart = end_of(request) <= other->request.address || end_of(other->request) <= request.address;
    if (!apart && (request.write || other->request.write)) return true;
  }
  return false;
}

void traffic::wait_for_bytes(const traffic_request &request) {
  while (conflicts(request)) {
    keeper_.sync();
    if (conflicts(request)) wait(moved_);
  }
}

void traffic::wait_for_room() {
  while (request_ || in_flight_.size() >= parameters_.outstanding) wait(moved_);
}

void traffic::send_blocking(transaction &sent) {
  sc_time delay = keeper_.get_local_time();
  socket->b_transport(sent, delay);
  keeper_.set(delay);
  if (keeper_.need_sync()) keeper_.sync();
}

void traffic::send_debug(transaction &sent) {
  const unsigned count = socket->transport_dbg(sent);
  if (count == sent.bytes.size())
    sent.set_response_status(tlm::TLM_OK_RESPONSE);
  else
    sent.set_response_status(tlm::TLM_GENERIC_ERROR_RESPONSE);
}

// A region that holds the request and allows it; false if the target gives none.
bool traffic::find_region(transaction &sent, tlm::tlm_dmi &region) {
  const uint64_t start = sent.request.address;
  const uint64_t last = end_of(sent.request) - 1;
  const auto fits = [&](const tlm::tlm_dmi &dmi) {
    return (sent.is_write() ? dmi.is_write_allowed() : dmi.is_read_allowed()) &&
           dmi.get_start_address() <= start && last <= dmi.get_end_address();
  };
  const auto found = std::find_if(regions_.begin(), regions_.end(), fits);
  if (found != regions_.end()) return region = *found, true;
  if (!socket->get_direct_mem_ptr(sent, region)) return false;
  regions_.push_back(region);
  return fits(region);
}

// By pointer, with the latency that the target tells; false if it gives no pointer.
bool traffic::send_direct(transaction &sent) {
  tlm::tlm_dmi region;
  if (!find_region(sent, region)) {
    sent.set_address(sent.request.address);
    return false;
  }
  if (pointer_access_) pointer_access_(sent.get_command(), sent.request.address, sent.bytes.size());
  unsigned char *at = region.get_dmi_ptr() + (sent.request.address - region.get_start_address());
  if (sent.is_write())
    std::memcpy(at, sent.bytes.data(), sent.bytes.size());
  else
    std::memcpy(sent.bytes.data(), at, sent.bytes.size());
  keeper_.inc(sent.is_write() ? region.get_write_latency() : region.get_read_latency());
  sent.set_response_status(tlm::TLM_OK_RESPONSE);
  return true;
}

void traffic::send_nonblocking(transaction &sent) {
  keeper_.sync();
  wait_for_room();
  sent.begin = sc_core::sc_time_stamp();
  in_flight_.push_back(&sent);
  request_ = &sent;
  tlm_phase phase = tlm::BEGIN_REQ;
  sc_time delay = SC_ZERO_TIME;
  const tlm_sync_enum sync = socket->nb_transport_fw(sent, phase, delay);
  if (sync == tlm::TLM_ACCEPTED) return;  // it may have ended inside the call
  if (request_ == &sent) request_ = nullptr;
  const sc_time time = sc_core::sc_time_stamp() + delay;
  if (sync == tlm::TLM_COMPLETED) {
    finish(sent, time);
    drop(sent);
  } else if (phase == tlm::BEGIN_RESP) {
    respond(sent, time);
  }
}

tlm_sync_enum traffic::nb_transport_bw(tlm_generic_payload &payload, tlm_phase &phase, sc_time &delay) {
  auto &sent = static_cast<transaction &>(payload);
  if (phase != tlm::END_REQ && phase != tlm::BEGIN_RESP) return tlm::TLM_ACCEPTED;
  if (request_ == &sent) request_ = nullptr;
  moved_.notify(SC_ZERO_TIME);
  if (phase == tlm::END_REQ) return tlm::TLM_ACCEPTED;
  const sc_time time = sc_core::sc_time_stamp() + delay;
  const uint64_t way = duplex_random_below(&answers_, 3);
  if (way == 0) {
    respond(sent, time);
    return tlm::TLM_ACCEPTED;
  }
  if (way == 1) phase = tlm::END_RESP;
  finish(sent, time);
  drop(sent);
  return way == 1 ? tlm::TLM_UPDATED : tlm::TLM_COMPLETED;
}

// The response has come; END_RESP is sent some time later.
void traffic::respond(transaction &sent, const sc_time &time) {
  finish(sent, time);
  response_ = &sent;
  const uint64_t later = duplex_random_below(&answers_, LATEST_END_PS);
  end_response_event_.notify(time - sc_core::sc_time_stamp() + picoseconds(later));
}

void traffic::end_response() {
  transaction &sent = *response_;
  response_ = nullptr;  // the target may begin the next one inside the call
  tlm_phase phase = tlm::END_RESP;
  sc_time delay = SC_ZERO_TIME;
  socket->nb_transport_fw(sent, phase, delay);
  drop(sent);
}

// A non-blocking transaction has ended.
void traffic::drop(transaction &sent) {
  in_flight_.erase(std::find(in_flight_.begin(), in_flight_.end(), &sent));
  moved_.notify(SC_ZERO_TIME);
  sent.release();
}

// The bytes of a request are settled: they are compared, or remembered.
void traffic::finish(transaction &sent, const sc_time &time) {
  completed_[unsigned(sent.request.interface)]++;
  if (!sent.is_response_ok())
    fail(sent.request, "response " + sent.get_response_string());
  else if (sent.is_write())
    remember(sent.request);
  else
    check(sent);
  if (completion_) completion_(sent.request, sent.begin, time);
}

void traffic::remember(const traffic_request &request) {
  for (size_t i = 0; i < request.data.size(); i++)
    if (enabled(request, i)) shadow_.set(address_of(request, i), request.data[i]);
}

void traffic::check(const transaction &sent) {
  const traffic_request &request = sent.request;
  for (size_t i = 0; i < request.data.size(); i++) {
    unsigned expected = request.expected ? request.data[i] : shadow_.get(address_of(request, i));
    if (!enabled(request, i)) expected = transaction::UNTOUCHED;
    if (sent.bytes[i] == expected) continue;
    fail(request, "byte " + std::to_string(i) + " is " + std::to_string(sent.bytes[i]) + ", expected " +
                      std::to_string(expected));
    return;
  }
}

void traffic::fail(const traffic_request &request, const std::string &what) {
  failures_++;
  const std::string text = std::string(name()) + ": " + (request.write ? "write" : "read") + " of " +
                           std::to_string(request.data.size()) + " bytes at address " +
                           std::to_string(request.address) + ": " + what;
  if (failure_)
    failure_(text);
  else
    SC_REPORT_ERROR("/duplex/traffic", text.c_str());
}

void traffic::invalidate(sc_dt::uint64 start, sc_dt::uint64 end) {
  const auto touched = [=](const tlm::tlm_dmi &region) {
    return region.get_end_address() >= start && region.get_start_address() <= end;
  };
  regions_.erase(std::remove_if(regions_.begin(), regions_.end(), touched), regions_.end());
}

}  // namespace duplex
