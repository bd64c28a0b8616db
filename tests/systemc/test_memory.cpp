// SPDX-License-Identifier: Apache-2.0
// HBM3 as a TLM-2.0 target: streaming, random, strided and mixed requests at its socket take exactly the
// clocks of the memory controller driven directly, in both codings; bytes, errors, direct access, records.
//
// usage: test_memory [SEED]
#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "backend/systemc/protocol_checker.h"
#include "backend/systemc/shadow_memory.h"
#include "backend/systemc/traffic.h"
#include "duplex/error.h"
#include "duplex/random.h"
#include "duplex/systemc_memory.h"
#include "tests/common/environment.h"
#include "tests/systemc/scratch.h"

using sc_core::sc_time;
using tlm::tlm_generic_payload;

namespace {

int bad = 0;

void expect(bool good, const std::string &what) {
  if (good) return;
  bad = 1;
  std::printf("MISMATCH: %s\n", what.c_str());
}

struct access {
  uint64_t tck;  // not before
  uint64_t address;
  unsigned bytes;
  bool write;
};

// --- the requests ---

enum kind { STREAMING, RANDOM, STRIDED, MIXED, KINDS };
const char *const kind_names[] = {"streaming", "random", "strided", "mixed"};

// `blocks`: any length and address, else 32 bytes. Mixed ones have reads, writes, pauses and few addresses.
std::vector<access> requests_of(kind kind, unsigned count, bool blocks, uint64_t seed) {
  duplex_random random;
  duplex_random_seed(&random, seed, kind + KINDS * blocks);
  std::vector<access> requests;
  uint64_t tck = 0;
  uint64_t stream = 0;
  for (unsigned i = 0; i < count; i++) {
    const unsigned bytes = blocks ? 1 + static_cast<unsigned>(duplex_random_below(&random, 3000)) : 32;
    uint64_t address = stream;
    if (kind == STRIDED) address = i * UINT64_C(0x12340);
    if (kind == RANDOM) address = duplex_random_below(&random, UINT64_C(1) << 28);
    if (kind == MIXED) address = duplex_random_below(&random, UINT64_C(1) << 14);
    if (!blocks) address = address / 32 * 32;
    stream += bytes;
    if (kind == MIXED && duplex_random_below(&random, 50) == 0) tck += duplex_random_below(&random, 3000);
    const bool write = kind == MIXED || kind == RANDOM ? duplex_random_below(&random, 2) : i / 200 % 2;
    requests.push_back({tck, address, bytes, write});
  }
  return requests;
}

// --- the controller driven directly ---

class direct {
 public:
  explicit direct(const duplex_memory_parameters &parameters) {
    const duplex_memory_calls calls = {this, nullptr, note, nullptr};
    if (duplex_memory_open(&parameters, &calls, &controller_)) std::abort();
  }
  ~direct() { duplex_memory_close(controller_); }

  // Submits the accesses of request `number` one after the other from this time on; returns that of the last.
  uint64_t submit(uint64_t number, const access &access, uint64_t tck) {
    const uint64_t end = access.address + access.bytes;
    for (uint64_t address = access.address / 32 * 32; address < end; address += 32) {
      const duplex_memory_request request = {number, address, access.write};
      const unsigned channel = duplex_memory_place_of(controller_, address).channel;
      while (duplex_memory_submit(controller_, &request, tck) == DUPLEX_ERROR_QUEUE_FULL) {
        tck = duplex_memory_channel_next(controller_, channel);
        refusals++;
      }
    }
    return tck;
  }
  void drain() {
    for (uint64_t next; (next = duplex_memory_next(controller_)) != UINT64_MAX;)
      duplex_memory_advance(controller_, next);
  }

  std::map<uint64_t, uint64_t> done;  // by number: when the last data of a request have come
  unsigned refusals = 0;

 private:
  static void note(void *user, const duplex_memory_request *request, uint64_t, uint64_t done) {
    uint64_t &last = static_cast<direct *>(user)->done[request->id];
    last = std::max(last, done);
  }
  duplex_memory_controller *controller_ = nullptr;
};

// --- an initiator ---

// Sends its requests in order: by blocking calls, each from the end of the one before it on; or without, each
// as soon as the one before it was accepted.
class initiator : public sc_core::sc_module, public tlm::tlm_bw_transport_if<>, tlm::tlm_mm_interface {
 public:
  tlm::tlm_initiator_socket<> socket;
  std::vector<uint64_t> done;  // tCK by request
  unsigned withheld = 0;       // requests whose END_REQ came later

  SC_HAS_PROCESS(initiator);
  initiator(const sc_core::sc_module_name &name, duplex::hbm3_memory &memory, std::vector<access> requests,
            bool blocking)
      : sc_module(name),
        socket("socket"),
        done(requests.size()),
        memory_(memory),
        requests_(std::move(requests)),
        blocking_(blocking) {
    socket.bind(static_cast<tlm::tlm_bw_transport_if<> &>(*this));
    SC_THREAD(run);
  }
  bool finished() const { return finished_ == requests_.size(); }

 private:
  struct flight {
    size_t number;
    std::vector<unsigned char> data, expected;
  };

  void run() {
    if (blocking_)
      run_blocking();
    else
      run_phases();
  }

  // The data of a request: new ones of a write, those of the writes before it of a read.
  flight prepare(size_t number) {
    const access &a = requests_[number];
    flight f = {number, std::vector<unsigned char>(a.bytes, 0xa5), std::vector<unsigned char>(a.bytes)};
    for (unsigned i = 0; i < a.bytes; i++) {
      if (a.write) shadow_.set(a.address + i, f.data[i] = static_cast<unsigned char>(7 * number + i));
      f.expected[i] = shadow_.get(a.address + i);
    }
    return f;
  }
  void fill(tlm_generic_payload &payload, flight &f) {
    const access &a = requests_[f.number];
    payload.set_command(a.write ? tlm::TLM_WRITE_COMMAND : tlm::TLM_READ_COMMAND);
    payload.set_address(a.address);
    payload.set_data_ptr(f.data.data());
    payload.set_data_length(a.bytes);
    payload.set_streaming_width(a.bytes);
    payload.set_byte_enable_ptr(nullptr);
    payload.set_dmi_allowed(false);
    payload.set_response_status(tlm::TLM_INCOMPLETE_RESPONSE);
  }
  void finish(tlm_generic_payload &payload, const flight &f, const sc_time &time) {
    expect(payload.is_response_ok(), std::string(name()) + ": response");
    expect(f.data == f.expected, std::string(name()) + ": data of request " + std::to_string(f.number));
    done[f.number] = memory_.tck_from(time);
    expect(memory_.time_of_tck(done[f.number]) == time, std::string(name()) + ": a time between two tCK");
    finished_++;
  }

  void run_blocking() {
    sc_time local = sc_core::SC_ZERO_TIME;  // ahead of the simulation, by as much as it takes
    tlm_generic_payload payload;
    for (size_t i = 0; i < requests_.size(); i++) {
      flight f = prepare(i);
      fill(payload, f);
      local = std::max(local, memory_.time_of_tck(requests_[i].tck));
      socket->b_transport(payload, local);
      finish(payload, f, local);
    }
  }

  void run_phases() {
    for (size_t i = 0; i < requests_.size(); i++) {
      const sc_time at = memory_.time_of_tck(requests_[i].tck);
      if (at > sc_core::sc_time_stamp()) wait(at - sc_core::sc_time_stamp());
      tlm_generic_payload *payload = new tlm_generic_payload(this);
      payload->acquire();
      flights_[payload] = prepare(i);
      fill(*payload, flights_[payload]);
      tlm::tlm_phase phase = tlm::BEGIN_REQ;
      sc_time delay = sc_core::SC_ZERO_TIME;
      const sc_time begin = sc_core::sc_time_stamp();
      socket->nb_transport_fw(*payload, phase, delay);
      wait(accepted_);
      withheld += sc_core::sc_time_stamp() > begin;
    }
  }

  tlm::tlm_sync_enum nb_transport_bw(tlm_generic_payload &payload, tlm::tlm_phase &phase,
                                     sc_time &delay) override {
    if (phase == tlm::END_REQ) {
      accepted_.notify(delay);
      return tlm::TLM_ACCEPTED;
    }
    const auto found = flights_.find(&payload);
    finish(payload, found->second, sc_core::sc_time_stamp() + delay);
    flights_.erase(found);
    payload.release();
    phase = tlm::END_RESP;
    return tlm::TLM_COMPLETED;
  }
  void invalidate_direct_mem_ptr(sc_dt::uint64, sc_dt::uint64) override {}
  void free(tlm_generic_payload *payload) override { delete payload; }

  duplex::hbm3_memory &memory_;
  const std::vector<access> requests_;
  const bool blocking_;
  duplex::shadow_memory shadow_;
  std::map<tlm_generic_payload *, flight> flights_;
  sc_core::sc_event accepted_;
  size_t finished_ = 0;
};

// A memory, the checker and an initiator, and what the controller alone does with the same requests.
class line {
 public:
  line(const std::string &name, const duplex::hbm3_parameters &parameters, std::vector<access> requests,
       bool blocking)
      : name_(name),
        parameters_(parameters),
        requests_(requests),
        blocking_(blocking),
        memory_((name + "_memory").c_str(), parameters),
        checker_((name + "_checker").c_str()),
        initiator_((name + "_initiator").c_str(), memory_, std::move(requests), blocking) {
    initiator_.socket.bind(checker_.target);
    checker_.initiator.bind(memory_.socket);
    checker_.set_address_bytes(memory_.bytes());
  }

  // Every request took the clocks of the controller alone.
  void compare() {
    direct alone(parameters_.controller);
    uint64_t tck = 0;
    for (size_t i = 0; i < requests_.size(); i++) {
      tck = alone.submit(i, requests_[i], std::max(tck, requests_[i].tck));
      if (!blocking_) continue;
      alone.drain();
      tck = alone.done[i];
    }
    alone.drain();
    expect(initiator_.finished(), name_ + ": requests that never ended");
    for (size_t i = 0; i < requests_.size(); i++)
      if (initiator_.done[i] != alone.done[i]) {
        expect(false, name_ + ": request " + std::to_string(i) + " ends with tCK " +
                          std::to_string(initiator_.done[i]) + ", alone with " +
                          std::to_string(alone.done[i]));
        return;
      }
    expect(blocking_ || (alone.refusals > 0) == (initiator_.withheld > 0), name_ + ": END_REQ withheld");
    expect(checker_.violations() == 0, name_ + ": the base protocol");
    const duplex_memory_statistics s = memory_.statistics();
    std::printf("%s: %zu requests, %" PRIu64 " reads and %" PRIu64 " writes, tCK %" PRIu64 ", %u withheld\n",
                name_.c_str(), requests_.size(), s.reads, s.writes, alone.done[requests_.size() - 1],
                initiator_.withheld);
  }

 private:
  const std::string name_;
  const duplex::hbm3_parameters parameters_;
  const std::vector<access> requests_;
  const bool blocking_;
  duplex::hbm3_memory memory_;
  duplex::protocol_checker<> checker_;
  initiator initiator_;
};

duplex::hbm3_parameters parameters_of(const char *preset, unsigned channels) {
  duplex::hbm3_parameters p;
  if (duplex_memory_defaults(preset, &p.controller)) std::abort();
  p.controller.channels = channels;
  return p;
}

// --- what is not time ---

// One payload at a memory: single calls through a checker.
class single : public sc_core::sc_module, public tlm::tlm_bw_transport_if<> {
 public:
  duplex::hbm3_memory memory;
  duplex::protocol_checker<> checker;
  tlm::tlm_initiator_socket<> socket;
  tlm_generic_payload payload;
  unsigned char data[256] = {};
  sc_time delay = sc_core::SC_ZERO_TIME;

  SC_HAS_PROCESS(single);
  explicit single(const sc_core::sc_module_name &name)
      : sc_module(name), memory("memory"), checker("checker"), socket("socket") {
    SC_THREAD(run);
    socket.bind(static_cast<tlm::tlm_bw_transport_if<> &>(*this));
    socket.bind(checker.target);
    checker.initiator.bind(memory.socket);
  }
  // What is to be sent; the caller changes what it likes.
  tlm_generic_payload &set(tlm::tlm_command command, uint64_t address, unsigned length) {
    payload.set_command(command);
    payload.set_address(address);
    payload.set_data_ptr(data);
    payload.set_data_length(length);
    payload.set_streaming_width(length);
    payload.set_byte_enable_ptr(nullptr);
    payload.set_byte_enable_length(0);
    payload.set_dmi_allowed(false);
    payload.set_response_status(tlm::TLM_INCOMPLETE_RESPONSE);
    return payload;
  }
  tlm::tlm_response_status send() {
    socket->b_transport(payload, delay);
    return payload.get_response_status();
  }
  tlm::tlm_sync_enum nb_transport_bw(tlm_generic_payload &, tlm::tlm_phase &, sc_time &) override {
    return tlm::TLM_ACCEPTED;
  }
  void invalidate_direct_mem_ptr(sc_dt::uint64, sc_dt::uint64) override {}

 private:
  void run();
};

void check_bytes(single &s) {
  for (unsigned i = 0; i < 64; i++) s.data[i] = static_cast<unsigned char>(i + 1);
  unsigned char enables[] = {TLM_BYTE_ENABLED, TLM_BYTE_DISABLED, TLM_BYTE_DISABLED};
  s.set(tlm::TLM_WRITE_COMMAND, 1000, 64).set_byte_enable_ptr(enables);
  s.payload.set_byte_enable_length(3);
  expect(s.send() == tlm::TLM_OK_RESPONSE, "byte enables are taken");
  std::memset(s.data, 0xee, sizeof s.data);
  s.set(tlm::TLM_READ_COMMAND, 1000, 64);
  expect(s.send() == tlm::TLM_OK_RESPONSE, "a read");
  for (unsigned i = 0; i < 64; i++) expect(s.data[i] == (i % 3 ? 0 : i + 1), "bytes that are enabled");
  // Twelve bytes in beats of 5: the last byte of each place stays.
  for (unsigned i = 0; i < 12; i++) s.data[i] = static_cast<unsigned char>(i + 1);
  s.set(tlm::TLM_WRITE_COMMAND, 94, 12).set_streaming_width(5);
  const uint64_t writes = s.memory.statistics().writes;
  expect(s.send() == tlm::TLM_OK_RESPONSE, "streaming is taken");
  // Two accesses of each whole beat, which lies over a border of 32 bytes, and one of two bytes.
  expect(s.memory.statistics().writes - writes == 5, "accesses of a payload that streams");
  s.set(tlm::TLM_READ_COMMAND, 94, 5);
  s.send();
  expect(s.data[0] == 11 && s.data[1] == 12 && s.data[2] == 8 && s.data[4] == 10, "bytes that stream");
  s.set(tlm::TLM_READ_COMMAND, 1000, 64);
  expect(s.socket->transport_dbg(s.payload) == 64 && s.data[3] == 4, "debug transport");
  s.set(tlm::TLM_READ_COMMAND, s.memory.bytes() - 10, 64);
  expect(s.socket->transport_dbg(s.payload) == 10, "debug transport at the end");
}

void check_errors(single &s) {
  const sc_time before = s.delay;
  const uint64_t reads = s.memory.statistics().reads;
  s.set(tlm::TLM_READ_COMMAND, s.memory.bytes() - 63, 64);
  expect(s.send() == tlm::TLM_ADDRESS_ERROR_RESPONSE, "behind the end");
  s.set(tlm::TLM_READ_COMMAND, UINT64_MAX, 64);
  expect(s.send() == tlm::TLM_ADDRESS_ERROR_RESPONSE, "far behind the end");
  s.set(tlm::TLM_IGNORE_COMMAND, 0, 64);
  expect(s.send() == tlm::TLM_OK_RESPONSE, "no command");
  expect(s.delay == before && s.memory.statistics().reads == reads, "no access and no time");
}

void check_direct_access(single &s) {
  const duplex_dram_timing t = duplex::hbm3_parameters::defaults().timing;
  tlm::tlm_dmi dmi;
  s.set(tlm::TLM_READ_COMMAND, 1000, 4);
  expect(s.socket->get_direct_mem_ptr(s.payload, dmi), "direct access");
  expect(dmi.get_dmi_ptr()[1000 - dmi.get_start_address() + 3] == 4, "bytes of direct access");
  expect(dmi.get_read_latency() == s.memory.time_of_tck(t.nRCDRD + t.nCL + t.nBL), "latency of a read");
  tlm::tlm_dmi none;
  s.set(tlm::TLM_READ_COMMAND, s.memory.bytes(), 4);
  expect(!s.socket->get_direct_mem_ptr(s.payload, none) && none.get_start_address() == s.memory.bytes(),
         "no direct access beyond the memory, and only there");
  // The first access to a bank has that latency too.
  s.set(tlm::TLM_READ_COMMAND, UINT64_C(1) << 15, 4);
  const sc_time start = s.memory.time_of_tck(s.memory.tck_from(sc_core::sc_time_stamp() + s.delay));
  s.delay = start - sc_core::sc_time_stamp();
  s.send();
  expect(sc_core::sc_time_stamp() + s.delay - start == dmi.get_read_latency(), "latency of a closed bank");
}

void single::run() {
  check_bytes(*this);
  check_errors(*this);
  check_direct_access(*this);
}

// A command that TLM-2.0 has not, which the protocol checker would not let pass.
struct stranger : sc_core::sc_module {
  duplex::hbm3_memory memory;
  tlm_utils::simple_initiator_socket<stranger> socket;
  SC_HAS_PROCESS(stranger);
  explicit stranger(const sc_core::sc_module_name &name)
      : sc_module(name), memory("memory"), socket("socket") {
    SC_THREAD(run);
    socket.bind(memory.socket);
  }
  void run() {
    tlm_generic_payload payload;
    unsigned char data[32];
    sc_time delay;
    payload.set_command(static_cast<tlm::tlm_command>(3));
    payload.set_data_ptr(data);
    payload.set_data_length(sizeof data);
    payload.set_streaming_width(sizeof data);
    socket->b_transport(payload, delay);
    expect(payload.get_response_status() == tlm::TLM_COMMAND_ERROR_RESPONSE, "no such command");
    expect(socket->transport_dbg(payload) == 0, "nor by debug transport");
    expect(delay == sc_core::SC_ZERO_TIME && memory.statistics().reads == 0, "it takes no time");
  }
};

// The text of the elaboration error of a memory.
void refused(const duplex::hbm3_parameters &parameters, const std::string &text) {
  try {
    duplex::hbm3_memory memory("refused", parameters);
    expect(false, "a memory that should be refused: " + text);
  } catch (const sc_core::sc_report &report) {
    expect(report.get_msg() == text, std::string("said ") + report.get_msg() + ", expected " + text);
  }
}

void check_elaboration() {
  duplex::hbm3_parameters p;
  p.controller.channels = 5;
  refused(p, "refused.channels: 5: expected 1, 2, 4, 8, 16 or 32");
  p = {};
  p.controller.mapping.field[1] = p.controller.mapping.field[0];
  refused(p, "refused.mapping: expected each part of the address once");
  p = {};
  p.request_file = "/none/requests";
  refused(p, "refused.request_file /none/requests: No such file or directory");
  const scratch files;
  p.request_file = files.path("requests");
  p.command_file = "/none/commands";
  refused(p, "refused.command_file /none/commands: No such file or directory");
  expect(!std::ifstream(p.request_file), "the other record is not there either");
  p.command_file = p.request_file;
  refused(p, "refused.command_file " + p.request_file + ": is the file of refused.request_file too");
}

std::vector<std::string> lines_of(const std::string &name) {
  std::ifstream file(name);
  std::vector<std::string> lines;
  for (std::string text; std::getline(file, text);) lines.push_back(text);
  return lines;
}

// The record of commands, before the judge.
void check_commands(const std::vector<std::string> &lines) {
  std::vector<duplex_judge> judges(DUPLEX_CHANNELS);
  for (duplex_judge &judge : judges) duplex_judge_start(&judge, &duplex_dram_presets[0], false);
  uint64_t commands = 0;
  for (const std::string &line : lines) {
    unsigned channel;
    duplex_judge_command command;
    if (duplex_judge_is_blank(line.c_str())) continue;
    const bool read = duplex_judge_parse(line.c_str(), &channel, &command) && channel < judges.size();
    expect(read && duplex_judge_take(&judges[channel], &command), line);
    commands++;
  }
  uint64_t told = 0;
  expect(!lines.empty() && duplex_judge_is_end((lines.back() + "\n").c_str(), &told) && told == commands,
         "the record of commands is whole: " + std::to_string(commands) + " of " + std::to_string(told));
}

// The record of requests, as the traffic initiator reads it, and that of commands.
void check_records(const std::string &base, const std::vector<access> &requests) {
  duplex::traffic_parameters parameters;
  parameters.pattern = duplex::traffic_pattern::file;
  parameters.file = base + ".requests";
  parameters.bytes = UINT64_MAX;
  parameters.requests = requests.size();
  parameters.clock_ps = duplex::hbm3_parameters::defaults().timing.tCK_ps;
  duplex::traffic_source source;
  const std::string error = source.open(parameters);
  expect(error.empty(), error);
  duplex::traffic_request read;
  uint64_t last = 0;
  for (const access &a : requests) {
    if (!source.next(read)) return expect(false, "a line for each request");
    expect(read.address == a.address && read.data.size() == a.bytes && read.write == a.write &&
               read.at_ps >= std::max(last, a.tck * parameters.clock_ps),
           "a line of the record of requests");
    last = read.at_ps;
  }
  expect(!source.next(read) && last > 0, "no line that is not of a request");
  check_commands(lines_of(base + ".commands"));
}

}  // namespace

int sc_main(int argc, char **argv) {
  const uint64_t seed = argc > 1 ? std::strtoull(argv[1], nullptr, 0) : environment_seed();
  std::printf("seed %" PRIu64 "\n", seed);
  check_elaboration();
  std::vector<std::unique_ptr<line>> lines;
  for (unsigned i = 0; i < 2 * KINDS; i++) {
    const kind kind = static_cast<enum kind>(i / 2);
    const char *preset = i % 2 ? "hbm3_6400" : "hbm3_5200";
    const std::string name = std::string(kind_names[kind]) + "_" + preset;
    const duplex::hbm3_parameters p = parameters_of(preset, i % 2 ? 2 : 1);
    lines.push_back(std::make_unique<line>("phases_" + name, p, requests_of(kind, 1500, false, seed), false));
    lines.push_back(std::make_unique<line>("blocking_" + name, p, requests_of(kind, 300, false, seed), true));
    lines.push_back(std::make_unique<line>("blocks_" + name, p, requests_of(kind, 100, true, seed), true));
    lines.push_back(
        std::make_unique<line>("phases_blocks_" + name, p, requests_of(kind, 100, true, seed), false));
  }
  duplex::hbm3_parameters recorded = parameters_of(nullptr, 32);
  const scratch files;
  const std::string records = files.path("memory");
  recorded.request_file = records + ".requests";
  recorded.command_file = records + ".commands";
  const std::vector<access> requests = requests_of(MIXED, 500, true, seed);
  lines.push_back(std::make_unique<line>("recorded", recorded, requests, false));

  const auto alone = std::make_unique<single>("single");
  const auto strange = std::make_unique<stranger>("stranger");

  // All interfaces, enables and widths at random, by two initiators at one memory.
  duplex::hbm3_memory shared("shared", parameters_of(nullptr, 4));
  std::vector<std::unique_ptr<duplex::traffic>> traffic;
  std::vector<std::unique_ptr<duplex::protocol_checker<>>> checkers;
  for (unsigned i = 0; i < 2; i++) {
    duplex::traffic_parameters t;
    t.seed = seed + i;
    t.address = i * t.bytes;
    t.largest = 300;
    t.enable_percent = t.narrow_percent = 20;
    for (unsigned j = 0; j < duplex::TRAFFIC_INTERFACES; j++) t.weights[j] = 1 + 3 * (j == 1);
    traffic.push_back(std::make_unique<duplex::traffic>(("traffic" + std::to_string(i)).c_str(), t));
    checkers.push_back(
        std::make_unique<duplex::protocol_checker<>>(("traffic_checker" + std::to_string(i)).c_str()));
    traffic[i]->socket.bind(checkers[i]->target);
    checkers[i]->initiator.bind(shared.socket);
    checkers[i]->set_address_bytes(shared.bytes());
    traffic[i]->on_pointer_access([&checkers, i](tlm::tlm_command command, uint64_t address, uint64_t bytes) {
      checkers[i]->direct_access(command, address, bytes);
    });
  }

  sc_core::sc_start(2, sc_core::SC_MS);
  for (const auto &line : lines) line->compare();
  expect(alone->checker.violations() == 0 && alone->checker.calls() > 10, "single calls");
  for (unsigned i = 0; i < 2; i++) {
    const std::string name = traffic[i]->name();
    expect(traffic[i]->done(), name + ": requests that never ended");
    expect(traffic[i]->failures() == 0, name + ": wrong bytes");
    expect(checkers[i]->violations() == 0, name + ": the base protocol");
  }
  lines.clear();
  check_records(records, requests);
  std::printf("%s\n", bad ? "FAIL" : "the clocks of the controller alone, all bytes, no rule broken");
  return bad;
}
