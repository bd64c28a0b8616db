// SPDX-License-Identifier: Apache-2.0
// The traffic initiator over a memory of the test's own, with the protocol checker between them: all
// patterns, all interfaces, no violation and no wrong byte; one broken byte of the memory is found by each
// interface.
//
// usage: test_traffic [SEED]
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "backend/systemc/protocol_checker.h"
#include "backend/systemc/traffic.h"
#include "duplex/random.h"
#include "tests/common/environment.h"
#include "tests/systemc/scratch.h"
#include "tlm_utils/peq_with_cb_and_phase.h"
#include "tlm_utils/simple_target_socket.h"

using duplex::traffic_interface;
using duplex::traffic_parameters;
using duplex::traffic_pattern;
using sc_core::sc_time;

namespace {

constexpr uint64_t BYTES = 1 << 16;

// A memory with all interfaces. It answers in two, three or four phases after random times, one response at a
// time, and takes direct access back now and then. `broken`: an address whose lowest bit is stuck at 1.
class test_memory : public sc_core::sc_module {
 public:
  tlm_utils::simple_target_socket<test_memory> socket;

  SC_HAS_PROCESS(test_memory);
  test_memory(const sc_core::sc_module_name &name, uint64_t seed, uint64_t broken)
      : sc_module(name), socket("socket"), broken_(broken), peq_(this, &test_memory::on_phase) {
    duplex_random_seed(&random_, seed, 77);
    socket.register_b_transport(this, &test_memory::b_transport);
    socket.register_nb_transport_fw(this, &test_memory::nb_transport_fw);
    socket.register_transport_dbg(this, &test_memory::transport_dbg);
    socket.register_get_direct_mem_ptr(this, &test_memory::get_direct_mem_ptr);
    SC_THREAD(invalidate);
    SC_THREAD(send_responses);
  }

 private:
  sc_time draw() { return sc_time(double(duplex_random_below(&random_, 5000)), sc_core::SC_PS); }

  void access(tlm::tlm_generic_payload &payload) {
    const unsigned width = payload.get_streaming_width();
    if (payload.get_address() + std::min(width, payload.get_data_length()) > BYTES) {
      payload.set_response_status(tlm::TLM_ADDRESS_ERROR_RESPONSE);
      return;
    }
    for (unsigned i = 0; i < payload.get_data_length(); i++) {
      const unsigned char *enable = payload.get_byte_enable_ptr();
      if (enable && !enable[i % payload.get_byte_enable_length()]) continue;
      unsigned char &cell = cells_[payload.get_address() + i % width];
      if (payload.is_write()) cell = payload.get_data_ptr()[i];
      if (payload.get_address() + i % width == broken_) cell |= 1;
      if (payload.is_read()) payload.get_data_ptr()[i] = cell;
    }
    payload.set_dmi_allowed(true);
    payload.set_response_status(tlm::TLM_OK_RESPONSE);
  }

  void b_transport(tlm::tlm_generic_payload &payload, sc_time &delay) {
    delay += draw();
    access(payload);
  }

  tlm::tlm_sync_enum nb_transport_fw(tlm::tlm_generic_payload &payload, tlm::tlm_phase &phase,
                                     sc_time &delay) {
    if (phase == tlm::END_RESP) {
      response_ended_.notify();
      return tlm::TLM_COMPLETED;
    }
    const uint64_t way = duplex_random_below(&random_, 4);
    if (way == 0) {
      access(payload);
      return tlm::TLM_COMPLETED;
    }
    payload.acquire();
    peq_.notify(payload, way == 1 ? tlm::END_REQ : phase, delay + draw());
    if (way != 1) return tlm::TLM_ACCEPTED;
    phase = tlm::END_REQ;
    return tlm::TLM_UPDATED;
  }

  // A request is served; way 2 and 3 of nb_transport_fw end it here or by its response.
  void on_phase(tlm::tlm_generic_payload &payload, const tlm::tlm_phase &phase) {
    if (phase == tlm::BEGIN_REQ && duplex_random_below(&random_, 2)) {
      tlm::tlm_phase end = tlm::END_REQ;
      sc_time delay = sc_core::SC_ZERO_TIME;
      socket->nb_transport_bw(payload, end, delay);
    }
    access(payload);
    served_.push_back(&payload);
    response_due_.notify();
  }

  void send_responses() {
    for (;;) {
      if (served_.empty()) wait(response_due_);
      if (served_.empty()) continue;
      tlm::tlm_generic_payload &payload = *served_.front();
      served_.erase(served_.begin());
      tlm::tlm_phase phase = tlm::BEGIN_RESP;
      sc_time delay = draw();
      const tlm::tlm_sync_enum sync = socket->nb_transport_bw(payload, phase, delay);
      if (sync == tlm::TLM_ACCEPTED) wait(response_ended_);
      payload.release();
      wait(delay);
    }
  }

  unsigned transport_dbg(tlm::tlm_generic_payload &payload) {
    access(payload);
    return payload.is_response_ok() ? payload.get_data_length() : 0;
  }

  // Pages of 1 KB, every fourth of them not.
  bool get_direct_mem_ptr(tlm::tlm_generic_payload &payload, tlm::tlm_dmi &dmi) {
    const uint64_t page = payload.get_address() / 1024;
    dmi.set_start_address(page * 1024);
    dmi.set_end_address(page * 1024 + 1023);
    if (page % 4 == 3) return false;
    dmi.set_dmi_ptr(&cells_[page * 1024]);
    dmi.allow_read_write();
    dmi.set_read_latency(sc_time(3, sc_core::SC_NS));
    dmi.set_write_latency(sc_time(2, sc_core::SC_NS));
    if (broken_ / 1024 == page) cells_[broken_] |= 1;
    return true;
  }

  void invalidate() {
    for (;;) {
      wait(200, sc_core::SC_NS);
      const uint64_t start = duplex_random_below(&random_, BYTES);
      socket->invalidate_direct_mem_ptr(start, start + duplex_random_below(&random_, BYTES - start));
      if (broken_ < BYTES) cells_[broken_] |= 1;
    }
  }

  std::vector<unsigned char> cells_ = std::vector<unsigned char>(BYTES);
  const uint64_t broken_;
  duplex_random random_ = {};
  tlm_utils::peq_with_cb_and_phase<test_memory> peq_;
  std::vector<tlm::tlm_generic_payload *> served_;
  sc_core::sc_event response_due_, response_ended_;
};

// One initiator, its checker and its memory.
struct line {
  std::string name;
  bool sound;  // the memory is not broken
  std::unique_ptr<duplex::traffic> traffic;
  std::unique_ptr<duplex::protocol_checker<>> checker;
  std::unique_ptr<test_memory> memory;
  uint64_t completions = 0;
  std::vector<std::string> texts = {};
  sc_time last = sc_core::SC_ZERO_TIME;
};

constexpr uint64_t NOWHERE = UINT64_MAX;

std::unique_ptr<line> make(const std::string &name, const traffic_parameters &parameters, uint64_t broken) {
  auto made = std::unique_ptr<line>(new line{name, broken == NOWHERE, nullptr, nullptr, nullptr});
  line &l = *made;
  l.traffic.reset(new duplex::traffic((name + "_traffic").c_str(), parameters));
  l.checker.reset(new duplex::protocol_checker<>((name + "_checker").c_str()));
  l.memory.reset(new test_memory((name + "_memory").c_str(), parameters.seed, broken));
  l.checker->set_address_bytes(BYTES);
  l.checker->on_violation([&l](const duplex::protocol_violation &v) { l.texts.push_back(message_of(v)); });
  l.traffic->on_failure([&l](const std::string &text) { l.texts.push_back(text); });
  l.traffic->on_completion([&l](const duplex::traffic_request &, const sc_time &begin, const sc_time &end) {
    l.completions++;
    if (end < begin) l.texts.push_back("a request ends before it begins");
    l.last = std::max(l.last, end);
  });
  l.traffic->on_pointer_access([&l](tlm::tlm_command command, uint64_t address, uint64_t bytes) {
    l.checker->direct_access(command, address, bytes);
  });
  l.traffic->socket.bind(l.checker->target);
  l.checker->initiator.bind(l.memory->socket);
  return made;
}

traffic_parameters mixed(uint64_t seed) {
  traffic_parameters p;
  p.seed = seed;
  p.requests = 3000;
  p.bytes = BYTES / 8;
  p.enable_percent = p.narrow_percent = 30;
  std::fill(p.weights, p.weights + duplex::TRAFFIC_INTERFACES, 1);
  return p;
}

// A line must have served all its requests, without a complaint if it is sound, else with one.
int judge(const line &l, uint64_t requests) {
  if (l.traffic->done() && l.completions == requests && l.texts.empty() == l.sound && !l.checker->in_flight())
    return 0;
  std::printf("MISMATCH: %s: %llu of %llu requests%s%s\n", l.name.c_str(), (unsigned long long)l.completions,
              (unsigned long long)requests, l.texts.empty() ? "" : ", ",
              l.texts.empty() ? "" : l.texts[0].c_str());
  return 1;
}

// Files that are refused, and what is said.
int bad_files(const scratch &files_of) {
  const char *const files[][2] = {
      {"0 0 R\n", ":1: expected clock, address, R or W, bytes, and data or not"},
      {"# none\nx 0 R 4\n", ":2: 'x': expected a clock, 0 to 9223372036854"},
      {"0 0x R 4\n", ":1: '0x': expected an address"},
      {"0,0,r,4\n", ":1: 'r': expected R or W"},
      {"0 0 W 0\n", ":1: '0': expected 1 to 1048576 bytes"},
      {"0 18446744073709551615 W 4\n", ":1: '4': expected 1 to 1048576 bytes"},
      {"0 0 W 2 abc\n", ":1: 'abc': expected two hexadecimal digits for each byte"},
  };
  int bad = 0;
  for (const auto &file : files) {
    traffic_parameters p;
    p.pattern = traffic_pattern::file;
    p.file = files_of.path("bad.txt");
    std::ofstream(p.file) << file[0];
    duplex::traffic_source source;
    const std::string wrong = source.open(p);
    if (wrong == p.file + file[1]) continue;
    std::printf("MISMATCH: %s: '%s', expected '%s'\n", file[0], wrong.c_str(), file[1]);
    bad = 1;
  }
  traffic_parameters p;
  p.pattern = traffic_pattern::file;
  p.file = "no/such/file";
  duplex::traffic_source source;
  if (source.open(p) != "no/such/file: No such file or directory") bad = 1;
  p.file = "/dev/zero";
  if (source.open(p) != "/dev/zero: line 1: expected 16777216 bytes at most") bad = 1;
  p.file = files_of.path("zero.txt");
  std::ofstream(p.file) << "0 0 R 4" << '\0' << "garbage\n";
  if (source.open(p) != p.file + ": line 1: a byte 0: expected text") bad = 1;
  p = traffic_parameters();
  p.largest = 0;
  if (source.open(p) != "smallest: expected 1 to largest") bad = 1;
  return bad;
}

}  // namespace

int sc_main(int count, char **arguments) {
  const uint64_t seed = count > 1 ? std::strtoull(arguments[1], nullptr, 0) : environment_seed();
  std::printf("Traffic initiator and its checker, seed %llu\n", (unsigned long long)seed);
  std::vector<std::unique_ptr<line>> lines;
  std::vector<uint64_t> requests;
  const auto add = [&](const std::string &name, const traffic_parameters &p, uint64_t all,
                       uint64_t broken = NOWHERE) {
    lines.push_back(make(name, p, broken));
    requests.push_back(all);
  };
  traffic_parameters p = mixed(seed);
  p.bytes = BYTES;
  add("random", p, p.requests);
  p.seed = seed + 1;
  add("other_seed", p, p.requests);
  for (unsigned i = 0; i < duplex::TRAFFIC_INTERFACES; i++) {
    p = mixed(seed);
    std::fill(p.weights, p.weights + duplex::TRAFFIC_INTERFACES, 0);
    p.weights[i] = 1;
    add("interface" + std::to_string(i), p, p.requests);
    add("broken" + std::to_string(i), p, p.requests, 4321);
    p.pattern = i % 2 ? traffic_pattern::streaming : traffic_pattern::strided;
    p.read_percent = 30;
    add("pattern" + std::to_string(i), p, p.requests);
  }
  const scratch files;
  std::ofstream(files.path("traffic.txt"))
      << "# clock, address, R or W, bytes, data\n"
         "0, 0x100, W, 4, 01020304\n13 256 R 4 01020304  # of the file\n26,257,R,2,0203\n"
         "650, 0x400, R, 16\n";
  p = mixed(seed);
  p.pattern = traffic_pattern::file;
  p.file = files.path("traffic.txt");
  add("file", p, 4);
  const sc_time at(1, sc_core::SC_US);  // clock 650 of 650 MHz
  sc_core::sc_start(1, sc_core::SC_MS);
  int bad = bad_files(files);
  for (size_t i = 0; i < lines.size(); i++) bad |= judge(*lines[i], requests[i]);
  if (lines.back()->last < at || lines[0]->last == lines[1]->last)
    bad = 1, std::printf("MISMATCH: requests come at the wrong time\n");
  std::printf("%zu initiators%s\n", lines.size(), bad ? ": FAIL" : ": all bytes as expected, no rule broken");
  return bad;
}
