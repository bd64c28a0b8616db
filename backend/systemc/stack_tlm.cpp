// SPDX-License-Identifier: Apache-2.0
// The loosely timed stack: accesses, interrupt and reset on the timeline of the C model.
//
// Accesses run the model to their own time, also ahead of the simulation (quantum). Between accesses the
// model is run ahead only until its interrupt line rises, and never beyond the next thing that may happen in
// the simulation: so whoever comes next finds it no later than his own clock.
#include <algorithm>

#include "backend/systemc/initiator_phase.h"
#include "backend/systemc/memory_access.h"
#include "backend/systemc/memory_pointers.h"
#include "backend/systemc/memory_port.h"
#include "backend/systemc/timeline.h"
#include "duplex/error.h"
#include "duplex/params.h"
#include "duplex/registers.h"
#include "duplex/systemc.h"

namespace duplex {
namespace {

// An access of a register that ends in one of the first clocks in reset has had its answer on the pins.
constexpr unsigned REGISTER_CLOCKS_PASSED = 2;
constexpr uint64_t ALONE_CLOCKS = 1024;  // run ahead at once where nothing else is to come

}  // namespace

class stack_tlm::model : private memory_cells {
 public:
  explicit model(stack_tlm &stack);

  void registers_b_transport(tlm::tlm_generic_payload &payload, sc_core::sc_time &delay);
  unsigned registers_debug(tlm::tlm_generic_payload &payload);
  void memory_b_transport(tlm::tlm_generic_payload &payload, sc_core::sc_time &delay);
  unsigned memory_transport_dbg(tlm::tlm_generic_payload &payload);
  bool get_direct_mem_ptr(const tlm::tlm_generic_payload &payload, tlm::tlm_dmi &dmi);
  tlm::tlm_sync_enum memory_nb_transport_fw(tlm::tlm_generic_payload &payload, tlm::tlm_phase &phase,
                                            sc_core::sc_time &delay);

 private:
  int read(unsigned channel, uint64_t address, void *bytes, size_t size) override {
    return line_.mem_read(channel, address, bytes, size);
  }
  int write(unsigned channel, uint64_t address, const void *bytes, size_t size) override {
    return line_.mem_write(channel, address, bytes, size);
  }
  int row_set(unsigned channel, uint64_t address, uint8_t **bytes) override {
    return line_.row_set(channel, address, bytes);
  }

  void spawn(const char *name, void (model::*method)(), const sc_core::sc_event &event, bool initialize);
  bool in_reset() const { return stack_.in_reset(); }
  bool begin(tlm::tlm_generic_payload &payload, sc_core::sc_time &delay);
  void end(tlm::tlm_generic_payload &payload, sc_core::sc_time &delay, uint64_t begun, unsigned passed);
  void note_doorbell();
  static bool caller_waits();
  static void wait_to(uint64_t clock, sc_core::sc_time &delay);
  int reg_access(tlm::tlm_generic_payload &payload);
  unsigned owner() const;
  void catch_up();
  void fail_if(int error) const;
  void invalidate(unsigned bundles) {
    memory_invalidate(stack_.memory, stack_.parameters().channels, bundles);
  }
  void look_soon() { step_event_.notify(sc_core::SC_ZERO_TIME); }
  uint64_t run_ahead_to() const;
  void step();
  void drive();
  void drive_edges();
  void schedule_edges();
  void note_edges();

  stack_tlm &stack_;
  timeline line_;
  memory_port port_;
  sc_core::sc_event step_event_, edge_event_;
  bool was_reset_ = false;
  bool in_job_ = false;     // there was a doorbell since reset,
  uint64_t job_rises_ = 0;  // and so many rises of the interrupt before the first one of the job
};

stack_tlm::model::model(stack_tlm &stack)
    : stack_(stack), port_(stack.memory, line_, *this, stack.parameters().channels, [this] { look_soon(); }) {
  const std::string wrong = line_.open(stack.parameters());
  if (!wrong.empty()) stack.report("model", wrong);
  spawn("step", &model::step, step_event_, false);
  spawn("drive", &model::drive, edge_event_, true);
}

// A method process of the stack; the one that is run at the start sees the reset line too.
void stack_tlm::model::spawn(const char *name, void (model::*method)(), const sc_core::sc_event &event,
                             bool initialize) {
  sc_core::sc_spawn_options options;
  options.spawn_method();
  options.set_sensitivity(&event);
  if (initialize) {
    options.set_sensitivity(&stack_.reset_n);
    options.set_sensitivity(&stack_.reset_over_);
  } else {
    options.dont_initialize();
  }
  sc_core::sc_spawn([this, method] { (this->*method)(); }, name, &options);
}

void stack_tlm::model::fail_if(int error) const {
  if (!error) return;
  const std::string why = line_.failure();
  const std::string text = std::string(stack_.name()) + ": " + (why.empty() ? duplex_error_text(error) : why);
  SC_REPORT_ERROR("/duplex/stack", text.c_str());
}

// The model comes to the clock of the simulation, for somebody who looks and takes no time.
void stack_tlm::model::catch_up() {
  fail_if(line_.run_to(clock_at(sc_core::sc_time_stamp())));
  note_edges();
}

// The model comes to the first clock at or after the time of an access, and so does the caller if he waits.
// False: the stack is in reset, and the access has ended.
bool stack_tlm::model::begin(tlm::tlm_generic_payload &payload, sc_core::sc_time &delay) {
  initiator_delay_check(stack_.name(), delay);
  const uint64_t clock = clock_from(sc_core::sc_time_stamp() + delay);
  if (caller_waits()) wait_to(clock, delay);
  if (in_reset()) {
    payload.set_response_status(tlm::TLM_GENERIC_ERROR_RESPONSE);
    return false;
  }
  fail_if(line_.run_to(clock));
  return true;
}

// The access is over with the model's clock; what it has begun is looked at when others have had their turn.
// A caller that waits is told if reset cuts it off: at once if it comes with the clock of the access, else
// with the second clock in reset. An access whose last `passed` clocks alone lie in reset is over as ever.
void stack_tlm::model::end(tlm::tlm_generic_payload &payload, sc_core::sc_time &delay, uint64_t begun,
                           unsigned passed) {
  const uint64_t over = line_.clock();
  note_edges();
  look_soon();
  if (!caller_waits()) {
    delay = time_of_clock(over) - sc_core::sc_time_stamp();
    return;
  }
  sc_core::wait(time_of_clock(over) - sc_core::sc_time_stamp(), stack_.reset_n.negedge_event());
  delay = sc_core::SC_ZERO_TIME;
  const uint64_t reset = stack_.reset_clock();
  const bool cut = in_reset() && over > reset + passed;
  wait_to(cut ? reset + (reset > begun) : over, delay);
  if (cut) payload.set_response_status(tlm::TLM_GENERIC_ERROR_RESPONSE);
}

// Without a quantum a thread that calls is not ahead of the simulation, and waits for the end of its access.
bool stack_tlm::model::caller_waits() {
  if (tlm::tlm_global_quantum::instance().get() > sc_core::SC_ZERO_TIME) return false;
  const sc_core::sc_process_handle caller = sc_core::sc_get_current_process_handle();
  return caller.valid() && caller.proc_kind() == sc_core::SC_THREAD_PROC_;
}

void stack_tlm::model::wait_to(uint64_t clock, sc_core::sc_time &delay) {
  const sc_core::sc_time at = time_of_clock(clock);
  if (at > sc_core::sc_time_stamp()) sc_core::wait(at - sc_core::sc_time_stamp());
  delay = sc_core::SC_ZERO_TIME;
}

unsigned stack_tlm::model::owner() const {
  uint32_t value = 0;
  line_.peek(DUPLEX_REG_BUNDLE_OWNER, &value);
  return value & ((1u << DUPLEX_BUNDLES) - 1);
}

// The first doorbell of a job, in the order of the model's clock and not of the simulation.
void stack_tlm::model::note_doorbell() {
  if (in_job_ && line_.rises() == job_rises_) return;
  stack_.doorbell_clock_ = line_.clock();
  job_rises_ = line_.rises();
  in_job_ = true;
}

int stack_tlm::model::reg_access(tlm::tlm_generic_payload &payload) {
  const uint32_t address = static_cast<uint32_t>(payload.get_address());
  uint32_t value = 0;
  if (payload.is_read()) {
    const int error = line_.reg_read(address, &value);
    std::copy_n(reinterpret_cast<const unsigned char *>(&value), sizeof value, payload.get_data_ptr());
    return error;
  }
  std::copy_n(payload.get_data_ptr(), sizeof value, reinterpret_cast<unsigned char *>(&value));
  if (address == DUPLEX_REG_DOORBELL) note_doorbell();
  const unsigned before = owner();
  const int error = line_.reg_write(address, value);
  invalidate(owner() & ~before);
  return error;
}

void stack_tlm::model::registers_b_transport(tlm::tlm_generic_payload &payload, sc_core::sc_time &delay) {
  if (!stack_.registers_check(payload) || !begin(payload, delay)) return;
  const uint64_t begun = clock_from(sc_core::sc_time_stamp() + delay);
  const int error = reg_access(payload);
  if (error != DUPLEX_ERROR_BUS) fail_if(error);
  payload.set_response_status(error ? tlm::TLM_ADDRESS_ERROR_RESPONSE : tlm::TLM_OK_RESPONSE);
  end(payload, delay, begun, REGISTER_CLOCKS_PASSED);
}

unsigned stack_tlm::model::registers_debug(tlm::tlm_generic_payload &payload) {
  const uint32_t address = static_cast<uint32_t>(payload.get_address());
  uint32_t value = 0;
  if (!stack_.registers_debug_check(payload)) return 0;
  catch_up();
  if (payload.is_read()) {
    if (line_.peek(address, &value)) return 0;
    std::copy_n(reinterpret_cast<const unsigned char *>(&value), sizeof value, payload.get_data_ptr());
    return sizeof value;
  }
  std::copy_n(payload.get_data_ptr(), sizeof value, reinterpret_cast<unsigned char *>(&value));
  const unsigned before = owner();
  if (line_.poke(address, value)) return 0;
  invalidate(owner() & ~before);
  look_soon();
  return sizeof value;
}

void stack_tlm::model::memory_b_transport(tlm::tlm_generic_payload &payload, sc_core::sc_time &delay) {
  if (!memory_check(payload, stack_.parameters().channels) || !begin(payload, delay)) return;
  const uint64_t begun = clock_from(sc_core::sc_time_stamp() + delay);
  if (memory_move(payload, *this)) {
    const memory_place at = memory_place_of(payload);
    const unsigned size = payload.get_data_length();
    fail_if(payload.is_read() ? line_.queue_read(at.channel, at.address, size)
                              : line_.queue_write(at.channel, at.address, size));
    fail_if(line_.run_xpu());
  }
  end(payload, delay, begun, 0);  // the DRAM is reset with the first clock
}

unsigned stack_tlm::model::memory_transport_dbg(tlm::tlm_generic_payload &payload) {
  if (in_reset()) return 0;
  catch_up();
  return memory_debug(payload, stack_.parameters().channels, *this);
}

tlm::tlm_sync_enum stack_tlm::model::memory_nb_transport_fw(tlm::tlm_generic_payload &payload,
                                                            tlm::tlm_phase &phase, sc_core::sc_time &delay) {
  return port_.nb_transport_fw(payload, phase, delay);
}

bool stack_tlm::model::get_direct_mem_ptr(const tlm::tlm_generic_payload &payload, tlm::tlm_dmi &dmi) {
  if (!in_reset()) catch_up();
  return memory_direct(payload, dmi, stack_.parameters(), in_reset(), *this);
}

// To which clock the model may be run: what comes next in the simulation may touch the stack.
uint64_t stack_tlm::model::run_ahead_to() const {
  if (!sc_core::sc_pending_activity()) return line_.clock() + ALONE_CLOCKS;
  return clock_at(sc_core::sc_time_stamp() + sc_core::sc_time_to_pending_activity());
}

// Runs the model on while its interrupt line may rise, or clock by clock while accesses to the DRAM are at
// work, and comes again with the clock after those that it has done.
void stack_tlm::model::step() {
  if (in_reset()) return;
  const uint64_t now = clock_at(sc_core::sc_time_stamp());
  if (port_.working()) {
    fail_if(line_.run_to(now));
    port_.look();
  } else if (line_.may_rise()) {
    fail_if(line_.run_until_rise(run_ahead_to()));
  }
  note_edges();
  if (port_.working() || line_.may_rise())
    step_event_.notify(time_of_clock(std::max(line_.clock(), now) + 1) - sc_core::sc_time_stamp());
}

void stack_tlm::model::schedule_edges() {
  if (line_.edges().empty()) return;
  const sc_core::sc_time at = time_of_clock(line_.edges().front().clock);
  const sc_core::sc_time now = sc_core::sc_time_stamp();
  edge_event_.notify(at > now ? at - now : sc_core::SC_ZERO_TIME);
}

// After clocks of the model. As the doorbell, the interrupt counts in the order of the model's clock: under a
// quantum a program may be over before the simulation comes to the edge.
void stack_tlm::model::note_edges() {
  stack_.interrupt_clock_ = line_.last_rise();
  schedule_edges();
}

void stack_tlm::model::drive_edges() {
  while (!line_.edges().empty() && time_of_clock(line_.edges().front().clock) <= sc_core::sc_time_stamp()) {
    const edge next = line_.edges().front();
    line_.edges().pop_front();
    stack_.interrupt.write(next.high);
  }
  schedule_edges();
}

// The only process that drives the interrupt line: its edges, and reset.
void stack_tlm::model::drive() {
  if (in_reset()) {
    in_job_ = false;
    line_.edges().clear();
    stack_.interrupt.write(false);
    if (was_reset_) return;
    was_reset_ = true;
    port_.begin_reset();
    invalidate((1u << DUPLEX_BUNDLES) - 1);
    return;
  }
  if (was_reset_) {
    line_.reset(clock_from(sc_core::sc_time_stamp()));
    port_.end_reset();
  }
  was_reset_ = false;
  drive_edges();
}

stack_tlm::stack_tlm(const sc_core::sc_module_name &name, const stack_parameters &parameters)
    : stack_module(name, parameters), model_(new model(*this)) {
  if (!parameters.trace_file.empty())
    report("trace_file", "'" + parameters.trace_file + "': expected none: this stack has no pins");
}

stack_tlm::~stack_tlm() = default;

void stack_tlm::registers_b_transport(tlm::tlm_generic_payload &payload, sc_core::sc_time &delay) {
  model_->registers_b_transport(payload, delay);
}

unsigned stack_tlm::registers_transport_dbg(tlm::tlm_generic_payload &payload) {
  return model_->registers_debug(payload);
}

void stack_tlm::memory_b_transport(tlm::tlm_generic_payload &payload, sc_core::sc_time &delay) {
  model_->memory_b_transport(payload, delay);
}

unsigned stack_tlm::memory_transport_dbg(tlm::tlm_generic_payload &payload) {
  return model_->memory_transport_dbg(payload);
}

tlm::tlm_sync_enum stack_tlm::memory_nb_transport_fw(tlm::tlm_generic_payload &payload, tlm::tlm_phase &phase,
                                                     sc_core::sc_time &delay) {
  return model_->memory_nb_transport_fw(payload, phase, delay);
}

bool stack_tlm::memory_get_direct_mem_ptr(tlm::tlm_generic_payload &payload, tlm::tlm_dmi &dmi) {
  return model_->get_direct_mem_ptr(payload, dmi);
}

}  // namespace duplex
