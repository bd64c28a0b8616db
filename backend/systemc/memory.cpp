// SPDX-License-Identifier: Apache-2.0
// HBM3 as a TLM-2.0 target: the transports and the time of the simulation.
#include <algorithm>
#include <deque>
#include <exception>
#include <map>

#include "backend/systemc/initiator_phase.h"
#include "backend/systemc/memory_engine.h"
#include "duplex/systemc_memory.h"
#include "tlm_utils/peq_with_cb_and_phase.h"

namespace duplex {
namespace {

const sc_core::sc_time &picosecond() {
  static const sc_core::sc_time one(1, sc_core::SC_PS);
  return one;
}

}  // namespace

// The transports over the engine; four phases of the non-blocking one.
class hbm3_memory::model {
 public:
  model(hbm3_memory &module, const hbm3_parameters &parameters);

  void blocking(tlm::tlm_generic_payload &payload, int port, sc_core::sc_time &delay);
  void forward(tlm::tlm_generic_payload &payload, int port, const tlm::tlm_phase &phase,
               const sc_core::sc_time &delay);
  unsigned debug(tlm::tlm_generic_payload &payload);
  bool direct(const tlm::tlm_generic_payload &payload, tlm::tlm_dmi &dmi);

  std::string close_files() { return engine_.close_files(); }

  duplex_memory_controller *controller() const { return engine_.controller(); }
  uint64_t tck_ps() const { return parameters_.controller.timing.tCK_ps; }

 private:
  // What a port still has to answer: the first one has been sent if `responding`.
  struct port_state {
    std::deque<uint32_t> responses;
    bool responding = false;
  };

  void on_phase(tlm::tlm_generic_payload &payload, const tlm::tlm_phase &phase);
  bool is_responding(const tlm::tlm_generic_payload &payload);
  bool is_in_turn(const tlm::tlm_generic_payload &payload, const tlm::tlm_phase &phase);
  void begin_request(uint32_t number);
  bool offer(uint32_t number, uint64_t tck);
  void offer_waiting(uint64_t tck);
  void complete(uint32_t number);
  void respond(int port);
  void end_response(uint32_t number);
  void on_wake();
  void plan_wake();

  hbm3_memory &module_;
  const hbm3_parameters parameters_;
  memory_engine engine_;
  std::map<const tlm::tlm_generic_payload *, uint32_t> numbers_;  // of the non-blocking transport
  std::deque<uint32_t> waiting_;  // END_REQ is withheld, in the order of arrival
  std::map<int, port_state> ports_;
  tlm_utils::peq_with_cb_and_phase<model> phases_;
  sc_core::sc_event wake_;
};

hbm3_memory::model::model(hbm3_memory &module, const hbm3_parameters &parameters)
    : module_(module),
      parameters_(parameters),
      engine_(module.name(), parameters, [this](uint32_t number) { complete(number); }),
      phases_(this, &model::on_phase),
      wake_("wake") {
  if (sc_core::sc_get_time_resolution() > picosecond())
    SC_REPORT_ERROR("/duplex/elaboration",
                    (std::string(module.name()) + ": time resolution: expected 1 ps or less").c_str());
  sc_core::sc_spawn_options options;
  options.spawn_method();
  options.dont_initialize();
  options.set_sensitivity(&wake_);
  sc_core::sc_spawn([this] { on_wake(); }, "advance", &options);
}

// --- blocking transport ---

void hbm3_memory::model::blocking(tlm::tlm_generic_payload &payload, int port, sc_core::sc_time &delay) {
  initiator_delay_check(module_.name(), delay);
  const sc_core::sc_time start = sc_core::sc_time_stamp() + delay;
  const uint64_t tck = module_.tck_from(start);
  const uint32_t number = engine_.enter(payload, port, tck);
  const sc_core::sc_time end = module_.time_of_tck(engine_.run(number, tck));
  if (end > start) delay += end - start;
  engine_.leave(number);
  plan_wake();
  // It may have made room ahead of time.
  if (waiting_.empty()) return;
  wake_.cancel();
  wake_.notify(sc_core::SC_ZERO_TIME);
}

// --- non-blocking transport ---

void hbm3_memory::model::forward(tlm::tlm_generic_payload &payload, int port, const tlm::tlm_phase &phase,
                                 const sc_core::sc_time &delay) {
  initiator_delay_check(module_.socket.name(), delay);
  if (!is_in_turn(payload, phase)) return;
  if (phase == tlm::BEGIN_REQ) {
    if (!initiator_manager_check(module_.socket.name(), payload)) return;
    payload.acquire();
    numbers_[&payload] = engine_.enter(payload, port, module_.tck_from(sc_core::sc_time_stamp() + delay));
  }
  phases_.notify(payload, phase, delay);
}

// Its BEGIN_RESP has been sent and has not ended.
bool hbm3_memory::model::is_responding(const tlm::tlm_generic_payload &payload) {
  const auto found = numbers_.find(&payload);
  if (found == numbers_.end()) return false;
  const port_state &state = ports_[engine_.transfer(found->second).port()];
  return state.responding && state.responses.front() == found->second;
}

bool hbm3_memory::model::is_in_turn(const tlm::tlm_generic_payload &payload, const tlm::tlm_phase &phase) {
  return initiator_phase_check(module_.socket.name(), phase, numbers_.count(&payload) > 0,
                               is_responding(payload));
}

void hbm3_memory::model::on_phase(tlm::tlm_generic_payload &payload, const tlm::tlm_phase &phase) {
  if (phase == tlm::END_RESP && !is_in_turn(payload, phase)) return;  // it was ended twice
  const auto found = numbers_.find(&payload);
  if (found == numbers_.end()) return;
  const uint32_t number = found->second;
  const int port = engine_.transfer(number).port();
  if (phase == tlm::BEGIN_REQ) {
    begin_request(number);
  } else if (phase == tlm::BEGIN_RESP) {  // our own: the data have come
    ports_[port].responses.push_back(number);
    respond(port);
  } else if (phase == tlm::END_RESP) {
    end_response(number);
  }
}

// Requests that wait already go first.
void hbm3_memory::model::begin_request(uint32_t number) {
  const uint64_t tck = module_.tck_from(sc_core::sc_time_stamp());
  offer_waiting(tck);
  if (!offer(number, tck)) waiting_.push_back(number);
  plan_wake();
}

// Offers what the queues take of a payload. False: END_REQ is withheld.
bool hbm3_memory::model::offer(uint32_t number, uint64_t tck) {
  const bool nothing = !engine_.transfer(number).has_next() && engine_.transfer(number).done() == 0;
  if (!engine_.offer(number, tck)) return false;
  const memory_transfer &transfer = engine_.transfer(number);
  tlm::tlm_phase phase = tlm::END_REQ;
  sc_core::sc_time delay = sc_core::SC_ZERO_TIME;
  module_.socket[static_cast<unsigned>(transfer.port())]->nb_transport_bw(transfer.payload(), phase, delay);
  // One without accesses is answered at once; others when their last data come.
  if (nothing) complete(number);
  return true;
}

void hbm3_memory::model::offer_waiting(uint64_t tck) {
  std::deque<uint32_t> still;
  for (const uint32_t number : waiting_)
    if (!offer(number, tck)) still.push_back(number);
  waiting_.swap(still);
}

// All accesses of a payload have been commanded; the last data come later. Blocking ones see it for
// themselves.
void hbm3_memory::model::complete(uint32_t number) {
  const memory_transfer &transfer = engine_.transfer(number);
  const auto found = numbers_.find(&transfer.payload());
  if (found == numbers_.end() || found->second != number) return;
  const sc_core::sc_time now = sc_core::sc_time_stamp();
  const sc_core::sc_time end = module_.time_of_tck(transfer.done());
  phases_.notify(transfer.payload(), tlm::BEGIN_RESP, end > now ? end - now : sc_core::SC_ZERO_TIME);
}

// Sends the next response of a port, unless the last one has not ended yet.
void hbm3_memory::model::respond(int port) {
  port_state &state = ports_[port];
  if (state.responding || state.responses.empty()) return;
  state.responding = true;
  tlm::tlm_generic_payload &payload = engine_.transfer(state.responses.front()).payload();
  tlm::tlm_phase phase = tlm::BEGIN_RESP;
  sc_core::sc_time delay = sc_core::SC_ZERO_TIME;
  const tlm::tlm_sync_enum sync =
      module_.socket[static_cast<unsigned>(port)]->nb_transport_bw(payload, phase, delay);
  if (sync == tlm::TLM_COMPLETED || (sync == tlm::TLM_UPDATED && phase == tlm::END_RESP))
    phases_.notify(payload, tlm::END_RESP, delay);
}

void hbm3_memory::model::end_response(uint32_t number) {
  tlm::tlm_generic_payload &payload = engine_.transfer(number).payload();
  const int port = engine_.transfer(number).port();
  port_state &state = ports_[port];
  state.responses.pop_front();
  state.responding = false;
  engine_.leave(number);
  numbers_.erase(&payload);
  payload.release();
  respond(port);
}

// --- time ---

void hbm3_memory::model::on_wake() {
  const uint64_t tck = module_.tck_from(sc_core::sc_time_stamp());
  engine_.advance(tck);
  offer_waiting(tck);
  plan_wake();
}

// The next look of the controller, if somebody waits for what comes of it.
void hbm3_memory::model::plan_wake() {
  const uint64_t next = duplex_memory_next(controller());
  wake_.cancel();
  if (next == UINT64_MAX) return;
  const sc_core::sc_time now = sc_core::sc_time_stamp();
  const sc_core::sc_time at = module_.time_of_tck(next);
  wake_.notify(at > now ? at - now : sc_core::SC_ZERO_TIME);
}

// --- debug and direct access ---

unsigned hbm3_memory::model::debug(tlm::tlm_generic_payload &payload) {
  const uint64_t address = payload.get_address();
  const uint64_t bytes = duplex_memory_bytes(controller());
  if (address >= bytes || payload.get_data_ptr() == nullptr) return 0;
  if (!payload.is_read() && !payload.is_write()) return 0;
  const unsigned size = static_cast<unsigned>(std::min<uint64_t>(payload.get_data_length(), bytes - address));
  if (payload.is_write()) engine_.cells().write(address, payload.get_data_ptr(), size);
  if (payload.is_read()) engine_.cells().read(address, payload.get_data_ptr(), size);
  return size;
}

bool hbm3_memory::model::direct(const tlm::tlm_generic_payload &payload, tlm::tlm_dmi &dmi) {
  const uint64_t address = payload.get_address();
  const uint64_t bytes = duplex_memory_bytes(controller());
  dmi.init();  // no pointer, and for all addresses
  if (!parameters_.direct_access) return false;
  if (address >= bytes) return dmi.set_start_address(bytes), false;
  const duplex_dram_timing &t = parameters_.controller.timing;
  const uint64_t first = address / sparse_bytes::PAGE * sparse_bytes::PAGE;
  dmi.set_dmi_ptr(engine_.cells().page(address));
  dmi.set_start_address(first);
  dmi.set_end_address(first + sparse_bytes::PAGE - 1);
  dmi.allow_read_write();
  dmi.set_read_latency(module_.time_of_tck(t.nRCDRD + t.nCL + t.nBL));
  dmi.set_write_latency(module_.time_of_tck(t.nRCDWR + t.nCWL + t.nBL));
  return true;
}

// --- the module ---

duplex_memory_parameters hbm3_parameters::defaults() {
  duplex_memory_parameters parameters;
  duplex_memory_defaults(nullptr, &parameters);
  return parameters;
}

hbm3_memory::hbm3_memory(const sc_core::sc_module_name &name, const hbm3_parameters &parameters)
    : sc_core::sc_module(name), socket("socket"), model_(std::make_unique<model>(*this, parameters)) {
  socket.register_b_transport(this, &hbm3_memory::b_transport);
  socket.register_nb_transport_fw(this, &hbm3_memory::nb_transport_fw);
  socket.register_transport_dbg(this, &hbm3_memory::transport_dbg);
  socket.register_get_direct_mem_ptr(this, &hbm3_memory::get_direct_mem_ptr);
}

// A simulation that ends with an error leaves no records.
hbm3_memory::~hbm3_memory() {
  if (!std::uncaught_exceptions()) close_files();
}

void hbm3_memory::close_files() {
  const std::string lost = model_->close_files();
  if (!lost.empty()) SC_REPORT_ERROR("/duplex/file", lost.c_str());
}

void hbm3_memory::before_end_of_elaboration() {
  if (socket.get_base_port().bind_count() == 0)
    SC_REPORT_ERROR("/duplex/elaboration",
                    (std::string(socket.name()) + ": not bound: expected an initiator socket").c_str());
}

void hbm3_memory::end_of_simulation() { close_files(); }

uint64_t hbm3_memory::bytes() const { return duplex_memory_bytes(model_->controller()); }

duplex_memory_statistics hbm3_memory::statistics() const {
  return duplex_memory_statistics_of(model_->controller());
}

sc_core::sc_time hbm3_memory::time_of_tck(uint64_t n) const {
  const uint64_t tck = model_->tck_ps() * picosecond().value();
  if (n > sc_core::sc_max_time().value() / tck) return sc_core::sc_max_time();
  return sc_core::sc_time::from_value(n * tck);
}

uint64_t hbm3_memory::tck_from(const sc_core::sc_time &time) const {
  const uint64_t tck = model_->tck_ps() * picosecond().value();
  return time.value() / tck + (time.value() % tck != 0);
}

void hbm3_memory::b_transport(int port, tlm::tlm_generic_payload &payload, sc_core::sc_time &delay) {
  model_->blocking(payload, port, delay);
}

tlm::tlm_sync_enum hbm3_memory::nb_transport_fw(int port, tlm::tlm_generic_payload &payload,
                                                tlm::tlm_phase &phase, sc_core::sc_time &delay) {
  model_->forward(payload, port, phase, delay);
  return tlm::TLM_ACCEPTED;
}

unsigned hbm3_memory::transport_dbg(int, tlm::tlm_generic_payload &payload) { return model_->debug(payload); }

bool hbm3_memory::get_direct_mem_ptr(int, tlm::tlm_generic_payload &payload, tlm::tlm_dmi &dmi) {
  return model_->direct(payload, dmi);
}

}  // namespace duplex
