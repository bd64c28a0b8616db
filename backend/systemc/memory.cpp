// SPDX-License-Identifier: Apache-2.0
// HBM3 as a TLM-2.0 target: the transports, over the memory controller and sparse cells.
#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <deque>
#include <map>
#include <vector>

#include "backend/systemc/memory_transfer.h"
#include "backend/systemc/sparse_bytes.h"
#include "duplex/error.h"
#include "duplex/systemc_memory.h"
#include "tlm_utils/peq_with_cb_and_phase.h"

namespace duplex {
namespace {

const sc_core::sc_time &picosecond() {
  static const sc_core::sc_time one(1, sc_core::SC_PS);
  return one;
}

struct closer {
  void operator()(std::FILE *file) const { std::fclose(file); }
};
using text_file = std::unique_ptr<std::FILE, closer>;

// Opens a file to be written; nullptr for "".
text_file open_text(const sc_core::sc_module &module, const std::string &name) {
  if (name.empty()) return nullptr;
  text_file file(std::fopen(name.c_str(), "w"));
  if (!file)
    SC_REPORT_ERROR("/duplex/file",
                    (std::string(module.name()) + ": " + name + ": " + std::strerror(errno)).c_str());
  return file;
}

}  // namespace

class hbm3_memory::model {
 public:
  model(hbm3_memory &module, const hbm3_parameters &parameters);
  ~model();

  void blocking(tlm::tlm_generic_payload &payload, int port, sc_core::sc_time &delay);
  tlm::tlm_sync_enum forward(tlm::tlm_generic_payload &payload, int port, const tlm::tlm_phase &phase,
                             const sc_core::sc_time &delay);
  bool direct(tlm::tlm_generic_payload &payload, tlm::tlm_dmi &dmi);

  duplex_memory_controller *controller() const { return controller_; }
  uint64_t tck_ps() const { return parameters_.controller.timing.tCK_ps; }
  sparse_bytes &cells() { return cells_; }

 private:
  // What a port still has to answer: the first one has been sent if `responding`.
  struct port_state {
    std::deque<memory_transfer *> responses;
    bool responding = false;
  };

  static void on_command(void *user, unsigned channel, const duplex_judge_command *command);
  static void on_completion(void *user, const duplex_memory_request *request, uint64_t issued, uint64_t done);
  void start_judges();
  void record(const tlm::tlm_generic_payload &payload, uint64_t tck);
  uint32_t enter(tlm::tlm_generic_payload &payload, int port);
  void leave(uint32_t number);
  struct submission {
    int error;
    unsigned channel;
  };
  submission submit(uint32_t number, uint64_t tck);
  void run(const memory_transfer &transfer, uint32_t channels);
  void finish(uint32_t number, uint64_t tck);

  void on_phase(tlm::tlm_generic_payload &payload, const tlm::tlm_phase &phase);
  void begin_request(uint32_t number);
  void end_response(memory_transfer &transfer);
  void respond(int port);
  void offer_waiting(uint64_t tck);
  bool offer(uint32_t number, uint64_t tck);
  void on_wake();
  void plan_wake();
  void offer_now();

  hbm3_memory &module_;
  const hbm3_parameters parameters_;
  duplex_memory_controller *controller_ = nullptr;
  std::vector<duplex_judge> judges_;
  sparse_bytes cells_;
  text_file requests_, commands_;
  uint64_t command_count_ = 0;

  // Payloads in the memory by number, which stands in the upper half of the id of a request.
  std::vector<std::unique_ptr<memory_transfer>> transfers_;
  std::vector<uint32_t> free_;
  // Of these, those of the non-blocking transport.
  std::map<const tlm::tlm_generic_payload *, uint32_t> numbers_;
  std::deque<uint32_t> waiting_;  // END_REQ is withheld, in the order of arrival
  std::map<int, port_state> ports_;
  tlm_utils::peq_with_cb_and_phase<model> phases_;
  sc_core::sc_event wake_;
};

hbm3_memory::model::model(hbm3_memory &module, const hbm3_parameters &parameters)
    : module_(module),
      parameters_(parameters),
      requests_(open_text(module, parameters.request_file)),
      commands_(open_text(module, parameters.command_file)),
      phases_(this, &model::on_phase),
      wake_("wake") {
  const duplex_memory_calls calls = {this, on_command, on_completion};
  if (sc_core::sc_get_time_resolution() > picosecond())
    SC_REPORT_ERROR("/duplex/elaboration",
                    (std::string(module.name()) + ": time resolution: expected 1 ps or less").c_str());
  const int error = duplex_memory_open(&parameters_.controller, &calls, &controller_);
  if (error)
    SC_REPORT_ERROR("/duplex/elaboration",
                    (std::string(module.name()) + ".parameters: " + duplex_error_text(error) +
                     ": expected values as duplex/memory_controller.h gives them")
                        .c_str());
  if (requests_) std::fputs("# Requests to a memory: tCK address R|W bytes\n", requests_.get());
  if (commands_) duplex_judge_print_start(commands_.get());
  start_judges();
  sc_core::sc_spawn_options options;
  options.spawn_method();
  options.dont_initialize();
  options.set_sensitivity(&wake_);
  sc_core::sc_spawn([this] { on_wake(); }, "advance", &options);
}

hbm3_memory::model::~model() {
  if (commands_) duplex_judge_print_end(commands_.get(), command_count_);
  duplex_memory_close(controller_);
}

// All banks are the xPU's.
void hbm3_memory::model::start_judges() {
  duplex_judge_command owner = {};
  owner.kind = DUPLEX_JUDGE_OWNER;
  judges_.resize(parameters_.controller.channels);
  for (unsigned channel = 0; channel < judges_.size(); channel++) {
    duplex_judge_start(&judges_[channel], &parameters_.controller.timing, false);
    on_command(this, channel, &owner);
  }
}

void hbm3_memory::model::on_command(void *user, unsigned channel, const duplex_judge_command *command) {
  model &m = *static_cast<model *>(user);
  duplex_judge &judge = m.judges_[channel];
  if (!duplex_judge_take(&judge, command))
    SC_REPORT_ERROR("/duplex/dram", (std::string(m.module_.name()) + ": " + judge.text).c_str());
  if (m.commands_) duplex_judge_print(m.commands_.get(), channel, command);
  m.command_count_++;
}

void hbm3_memory::model::on_completion(void *user, const duplex_memory_request *request, uint64_t,
                                       uint64_t done) {
  model &m = *static_cast<model *>(user);
  const uint32_t number = static_cast<uint32_t>(request->id >> 32);
  memory_transfer &transfer = *m.transfers_[number];
  transfer.move(static_cast<uint32_t>(request->id), done, m.cells_);
  if (transfer.is_complete()) m.finish(number, transfer.done());
}

void hbm3_memory::model::record(const tlm::tlm_generic_payload &payload, uint64_t tck) {
  if (!requests_ || payload.get_command() == tlm::TLM_IGNORE_COMMAND) return;
  std::fprintf(requests_.get(), "%" PRIu64 " 0x%" PRIx64 " %c %u\n", tck,
               static_cast<uint64_t>(payload.get_address()), payload.is_write() ? 'W' : 'R',
               payload.get_data_length());
}

// --- payloads ---

// A payload comes in, checked and recorded by its time.
uint32_t hbm3_memory::model::enter(tlm::tlm_generic_payload &payload, int port) {
  payload.set_dmi_allowed(parameters_.direct_access);
  const bool does_something = transfer_check(payload, duplex_memory_bytes(controller_));
  if (free_.empty()) {
    free_.push_back(static_cast<uint32_t>(transfers_.size()));
    transfers_.emplace_back();
  }
  const uint32_t number = free_.back();
  free_.pop_back();
  transfers_[number] = std::make_unique<memory_transfer>(payload, port, !does_something);
  return number;
}

void hbm3_memory::model::leave(uint32_t number) {
  transfers_[number].reset();
  free_.push_back(number);
}

// Offers the next access of a payload; a channel that has gone further takes it at its own time.
hbm3_memory::model::submission hbm3_memory::model::submit(uint32_t number, uint64_t tck) {
  memory_transfer &transfer = *transfers_[number];
  const uint32_t access = transfer.next();
  const duplex_memory_request request = {static_cast<uint64_t>(number) << 32 | access,
                                         transfer.address_of(access), transfer.is_write()};
  const unsigned channel = duplex_memory_place_of(controller_, request.address).channel;
  const uint64_t at = std::max(tck, duplex_memory_now(controller_, channel));
  const int error = duplex_memory_submit(controller_, &request, at);
  if (error == 0) transfer.offered();
  return {error, channel};
}

// --- blocking transport ---

// The channels of a payload go on until its last access; the others are left to their own requests.
void hbm3_memory::model::run(const memory_transfer &transfer, uint32_t channels) {
  while (!transfer.is_complete())
    for (uint32_t rest = channels; rest; rest &= rest - 1) {
      const unsigned channel = static_cast<unsigned>(__builtin_ctz(rest));
      const uint64_t next = duplex_memory_channel_next(controller_, channel);
      if (next != UINT64_MAX) duplex_memory_advance_channel(controller_, channel, next);
    }
}

void hbm3_memory::model::blocking(tlm::tlm_generic_payload &payload, int port, sc_core::sc_time &delay) {
  const sc_core::sc_time start = sc_core::sc_time_stamp() + delay;
  uint64_t tck = module_.tck_from(start);
  const uint32_t number = enter(payload, port);
  const memory_transfer &transfer = *transfers_[number];
  uint32_t channels = 0;
  record(payload, tck);
  while (transfer.has_next()) {
    const submission submitted = submit(number, tck);
    channels |= 1u << submitted.channel;
    if (submitted.error == DUPLEX_ERROR_QUEUE_FULL)
      tck = duplex_memory_channel_next(controller_, submitted.channel);
  }
  run(transfer, channels);
  const sc_core::sc_time end = module_.time_of_tck(transfer.done());
  if (end > start) delay += end - start;
  leave(number);
  offer_now();
}

// --- non-blocking transport ---

tlm::tlm_sync_enum hbm3_memory::model::forward(tlm::tlm_generic_payload &payload, int port,
                                               const tlm::tlm_phase &phase, const sc_core::sc_time &delay) {
  if (phase == tlm::BEGIN_REQ) {
    if (payload.has_mm()) payload.acquire();
    numbers_[&payload] = enter(payload, port);
  }
  phases_.notify(payload, phase, delay);
  return tlm::TLM_ACCEPTED;
}

void hbm3_memory::model::on_phase(tlm::tlm_generic_payload &payload, const tlm::tlm_phase &phase) {
  const auto found = numbers_.find(&payload);
  if (found == numbers_.end()) return;
  memory_transfer &transfer = *transfers_[found->second];
  if (phase == tlm::BEGIN_REQ) {
    begin_request(found->second);
  } else if (phase == tlm::BEGIN_RESP) {  // our own: the data have come
    ports_[transfer.port()].responses.push_back(&transfer);
    respond(transfer.port());
  } else if (phase == tlm::END_RESP) {
    end_response(transfer);
  }
}

// Requests that wait already go first.
void hbm3_memory::model::begin_request(uint32_t number) {
  const uint64_t tck = module_.tck_from(sc_core::sc_time_stamp());
  record(transfers_[number]->payload(), tck);
  offer_waiting(tck);
  if (!offer(number, tck)) waiting_.push_back(number);
  plan_wake();
}

// Offers what the queues take of a payload. False: END_REQ is withheld.
bool hbm3_memory::model::offer(uint32_t number, uint64_t tck) {
  memory_transfer &transfer = *transfers_[number];
  while (transfer.has_next())
    if (submit(number, tck).error == DUPLEX_ERROR_QUEUE_FULL) return false;
  tlm::tlm_phase phase = tlm::END_REQ;
  sc_core::sc_time delay = sc_core::SC_ZERO_TIME;
  module_.socket[static_cast<unsigned>(transfer.port())]->nb_transport_bw(transfer.payload(), phase, delay);
  // One without accesses is answered at once; others when their last data come.
  if (transfer.done() == 0 && transfer.is_complete()) finish(number, tck);
  return true;
}

void hbm3_memory::model::offer_waiting(uint64_t tck) {
  std::deque<uint32_t> still;
  for (const uint32_t number : waiting_)
    if (!offer(number, tck)) still.push_back(number);
  waiting_.swap(still);
}

// A payload is done with tCK `tck`, which may lie ahead; blocking ones see it for themselves.
void hbm3_memory::model::finish(uint32_t number, uint64_t tck) {
  tlm::tlm_generic_payload &payload = transfers_[number]->payload();
  const auto found = numbers_.find(&payload);
  if (found == numbers_.end() || found->second != number) return;
  const sc_core::sc_time now = sc_core::sc_time_stamp();
  const sc_core::sc_time end = module_.time_of_tck(tck);
  phases_.notify(payload, tlm::BEGIN_RESP, end > now ? end - now : sc_core::SC_ZERO_TIME);
}

// Sends the next response of a port, unless the last one has not ended yet.
void hbm3_memory::model::respond(int port) {
  port_state &state = ports_[port];
  if (state.responding || state.responses.empty()) return;
  state.responding = true;
  tlm::tlm_generic_payload &payload = state.responses.front()->payload();
  tlm::tlm_phase phase = tlm::BEGIN_RESP;
  sc_core::sc_time delay = sc_core::SC_ZERO_TIME;
  const tlm::tlm_sync_enum sync =
      module_.socket[static_cast<unsigned>(port)]->nb_transport_bw(payload, phase, delay);
  if (sync == tlm::TLM_COMPLETED || (sync == tlm::TLM_UPDATED && phase == tlm::END_RESP))
    phases_.notify(payload, tlm::END_RESP, delay);
}

void hbm3_memory::model::end_response(memory_transfer &transfer) {
  tlm::tlm_generic_payload &payload = transfer.payload();
  const int port = transfer.port();
  port_state &state = ports_[port];
  state.responses.pop_front();
  state.responding = false;
  leave(numbers_[&payload]);
  numbers_.erase(&payload);
  if (payload.has_mm()) payload.release();
  respond(port);
}

// --- time ---

void hbm3_memory::model::on_wake() {
  const uint64_t tck = module_.tck_from(sc_core::sc_time_stamp());
  duplex_memory_advance(controller_, tck);
  offer_waiting(tck);
  plan_wake();
}

// The next look of the controller, if somebody waits for what comes of it.
void hbm3_memory::model::plan_wake() {
  const uint64_t next = duplex_memory_next(controller_);
  wake_.cancel();
  if (next == UINT64_MAX) return;
  const sc_core::sc_time now = sc_core::sc_time_stamp();
  const sc_core::sc_time at = module_.time_of_tck(next);
  wake_.notify(at > now ? at - now : sc_core::SC_ZERO_TIME);
}

// A blocking payload may have made room ahead of time.
void hbm3_memory::model::offer_now() {
  plan_wake();
  if (waiting_.empty()) return;
  wake_.cancel();
  wake_.notify(sc_core::SC_ZERO_TIME);
}

// --- direct memory interface ---

bool hbm3_memory::model::direct(tlm::tlm_generic_payload &payload, tlm::tlm_dmi &dmi) {
  const uint64_t address = payload.get_address();
  if (!parameters_.direct_access || address >= duplex_memory_bytes(controller_)) return false;
  const duplex_dram_timing &t = parameters_.controller.timing;
  const uint64_t first = address / sparse_bytes::PAGE * sparse_bytes::PAGE;
  dmi.set_dmi_ptr(cells_.page(address));
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

hbm3_memory::~hbm3_memory() = default;

uint64_t hbm3_memory::bytes() const { return duplex_memory_bytes(model_->controller()); }

duplex_memory_statistics hbm3_memory::statistics() const {
  return ::duplex_memory_statistics_of(model_->controller());
}

sc_core::sc_time hbm3_memory::time_of_tck(uint64_t n) const {
  return sc_core::sc_time::from_value(n * model_->tck_ps() * picosecond().value());
}

uint64_t hbm3_memory::tck_from(const sc_core::sc_time &time) const {
  const uint64_t tck = model_->tck_ps() * picosecond().value();
  return (time.value() + tck - 1) / tck;
}

void hbm3_memory::b_transport(int port, tlm::tlm_generic_payload &payload, sc_core::sc_time &delay) {
  model_->blocking(payload, port, delay);
}

tlm::tlm_sync_enum hbm3_memory::nb_transport_fw(int port, tlm::tlm_generic_payload &payload,
                                                tlm::tlm_phase &phase, sc_core::sc_time &delay) {
  return model_->forward(payload, port, phase, delay);
}

unsigned hbm3_memory::transport_dbg(int, tlm::tlm_generic_payload &payload) {
  const uint64_t address = payload.get_address();
  if (address >= bytes() || payload.get_data_ptr() == nullptr) return 0;
  const unsigned size =
      static_cast<unsigned>(std::min<uint64_t>(payload.get_data_length(), bytes() - address));
  if (payload.is_write()) model_->cells().write(address, payload.get_data_ptr(), size);
  if (payload.is_read()) model_->cells().read(address, payload.get_data_ptr(), size);
  return payload.get_command() == tlm::TLM_IGNORE_COMMAND ? 0 : size;
}

bool hbm3_memory::get_direct_mem_ptr(int, tlm::tlm_generic_payload &payload, tlm::tlm_dmi &dmi) {
  return model_->direct(payload, dmi);
}

}  // namespace duplex
