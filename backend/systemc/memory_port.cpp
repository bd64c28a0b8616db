// SPDX-License-Identifier: Apache-2.0
// The four phases of the memory socket of a stack: requests that wait, are at work, and answer in turn.
#include "backend/systemc/memory_port.h"

#include "backend/systemc/initiator_phase.h"
#include "duplex/error.h"

namespace duplex {

memory_port::memory_port(socket &memory, memory_line &line, memory_cells &cells, unsigned channels,
                         std::function<void()> changed)
    : socket_(memory),
      line_(line),
      cells_(cells),
      channels_(channels),
      changed_(std::move(changed)),
      phases_(this, &memory_port::phase_due),
      queue_(channels) {
  sc_core::sc_spawn_options options;
  options.spawn_method();
  options.dont_initialize();
  options.set_sensitivity(&answer_event_);
  sc_core::sc_spawn([this] { answer_due(); }, sc_core::sc_gen_unique_name("memory_answers"), &options);
}

bool memory_port::is_in_turn(const tlm::tlm_generic_payload &payload, const tlm::tlm_phase &phase) const {
  return initiator_phase_check(socket_.name(), phase, under_way_.count(&payload) > 0,
                               answering_ && answers_.front() == &payload);
}

tlm::tlm_sync_enum memory_port::nb_transport_fw(tlm::tlm_generic_payload &payload, tlm::tlm_phase &phase,
                                                sc_core::sc_time &delay) {
  initiator_delay_check(socket_.name(), delay);
  if (!is_in_turn(payload, phase)) return tlm::TLM_ACCEPTED;
  if (phase == tlm::BEGIN_REQ) {
    if (!initiator_manager_check(socket_.name(), payload)) return tlm::TLM_ACCEPTED;
    payload.acquire();
    under_way_.insert(&payload);
  }
  // A request is taken with a clock, as a blocking access.
  const sc_core::sc_time now = sc_core::sc_time_stamp();
  const bool begins = phase == tlm::BEGIN_REQ;
  phases_.notify(payload, phase, begins ? time_of_clock(clock_from(now + delay)) - now : delay);
  return tlm::TLM_ACCEPTED;
}

void memory_port::phase_due(tlm::tlm_generic_payload &payload, const tlm::tlm_phase &phase) {
  if (phase == tlm::BEGIN_REQ) {
    const uint64_t clock = clock_from(sc_core::sc_time_stamp());
    line_.run_to(clock);
    if (line_.clock() < clock)
      phases_.notify(payload, phase, sc_core::SC_ZERO_TIME);  // the edge is still to come
    else
      request(payload);
  } else if (is_in_turn(payload, phase) && phase == tlm::END_RESP) {
    end(payload);
  }  // one that others add may be ignored
}

void memory_port::request(tlm::tlm_generic_payload &payload) {
  if (held_) SC_REPORT_ERROR("/duplex/memory", "nb_transport_fw: BEGIN_REQ before END_REQ of another one");
  if (outstanding_ == REQUESTS_MOST) {
    held_ = &payload;
  } else {
    accept(payload);
  }
}

// END_REQ, and the access joins the queue of its channel; one that cannot be made is answered at once.
void memory_port::accept(tlm::tlm_generic_payload &payload) {
  tlm::tlm_phase phase = tlm::END_REQ;
  sc_core::sc_time delay = sc_core::SC_ZERO_TIME;
  outstanding_++;
  socket_->nb_transport_bw(payload, phase, delay);
  bool good = memory_check(payload, channels_);
  if (good && in_reset_) {
    payload.set_response_status(tlm::TLM_GENERIC_ERROR_RESPONSE);
    good = false;
  }
  if (!good) {
    answer_at(clock_from(sc_core::sc_time_stamp()), payload);
    return;
  }
  channel_queue &queue = queue_[memory_place_of(payload).channel];
  queue.waiting.push_back(&payload);
  if (!queue.active) start(queue);
}

int memory_port::queue_commands(const tlm::tlm_generic_payload &payload) {
  const memory_place at = memory_place_of(payload);
  return payload.is_read() ? line_.queue_read(at.channel, at.address, payload.get_data_length())
                           : line_.queue_write(at.channel, at.address, payload.get_data_length());
}

// The next access of the channel: its bytes now, its commands from now on.
void memory_port::start(channel_queue &queue) {
  while (!queue.active && !queue.waiting.empty()) {
    tlm::tlm_generic_payload &payload = *queue.waiting.front();
    queue.waiting.pop_front();
    line_.run_to(clock_from(sc_core::sc_time_stamp()));
    bool good = memory_move(payload, cells_);
    if (good && queue_commands(payload)) {
      payload.set_response_status(tlm::TLM_GENERIC_ERROR_RESPONSE);
      good = false;
    }
    if (good) {
      queue.active = &payload;
      working_++;
      changed_();
    } else {
      answer_at(line_.clock(), payload);
    }
  }
}

void memory_port::look() {
  for (unsigned channel = 0; working_ && channel < channels_; channel++) {
    channel_queue &queue = queue_[channel];
    uint64_t done;
    if (!queue.active || !line_.commands_are_out(channel, &done)) continue;
    answer_at(done, *queue.active);
    queue.active = nullptr;
    working_--;
    start(queue);
  }
}

void memory_port::answer_at(uint64_t clock, tlm::tlm_generic_payload &payload) {
  due_.emplace(clock, &payload);
  answer_due();
}

// Answers whose clock has come wait for their turn; the event comes with the next clock of one.
void memory_port::answer_due() {
  const sc_core::sc_time now = sc_core::sc_time_stamp();
  while (!due_.empty() && time_of_clock(due_.begin()->first) <= now) {
    answers_.push_back(due_.begin()->second);
    due_.erase(due_.begin());
  }
  if (!due_.empty()) answer_event_.notify(time_of_clock(due_.begin()->first) - now);
  answer_next();
}

// BEGIN_RESP of the next answer: one at a time.
void memory_port::answer_next() {
  if (answering_ || answers_.empty()) return;
  tlm::tlm_generic_payload &payload = *answers_.front();
  tlm::tlm_phase phase = tlm::BEGIN_RESP;
  sc_core::sc_time delay = sc_core::SC_ZERO_TIME;
  answering_ = true;
  const tlm::tlm_sync_enum status = socket_->nb_transport_bw(payload, phase, delay);
  if (status == tlm::TLM_COMPLETED) {
    phases_.notify(payload, tlm::END_RESP, delay);
  } else if (status == tlm::TLM_UPDATED) {
    phases_.notify(payload, phase, delay);
  }
}

void memory_port::end(tlm::tlm_generic_payload &payload) {
  answers_.pop_front();
  answering_ = false;
  outstanding_--;
  under_way_.erase(&payload);
  payload.release();
  if (held_ && outstanding_ < REQUESTS_MOST) {
    tlm::tlm_generic_payload &held = *held_;
    held_ = nullptr;
    accept(held);
  }
  answer_next();
}

void memory_port::begin_reset() {
  const uint64_t now = clock_from(sc_core::sc_time_stamp());
  const auto give_up = [&](tlm::tlm_generic_payload *payload) {
    payload->set_response_status(tlm::TLM_GENERIC_ERROR_RESPONSE);
    due_.emplace(now, payload);
  };
  for (channel_queue &queue : queue_) {
    if (queue.active) give_up(queue.active);
    for (tlm::tlm_generic_payload *payload : queue.waiting) give_up(payload);
    queue = channel_queue();
  }
  working_ = 0;
  in_reset_ = true;
  answer_due();
}

}  // namespace duplex
