// SPDX-License-Identifier: Apache-2.0
// The HBM3 memory at its limits: rests of hours, records that cannot be written whole, one file under two
// names, a signal in mid-run. Each case is a process of its own, since a simulation is elaborated once.
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cinttypes>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>
#include <string>

#include "backend/systemc/traffic.h"
#include "duplex/systemc_memory.h"
#include "tests/systemc/scratch.h"

namespace {

int bad;

void expect(bool right, const std::string &what) {
  if (right) return;
  bad++;
  std::fprintf(stderr, "FAIL %s\n", what.c_str());
}

// Reads 32 bytes at its times, and goes on with what the case adds.
struct reader : sc_core::sc_module {
  tlm_utils::simple_initiator_socket<reader> socket;
  SC_HAS_PROCESS(reader);
  reader(const sc_core::sc_module_name &name, std::function<void(reader &)> program)
      : sc_module(name), socket("socket"), program_(std::move(program)) {
    SC_THREAD(run);
  }
  // Returns its time.
  sc_core::sc_time read(uint64_t address) {
    tlm::tlm_generic_payload payload;
    sc_core::sc_time delay;
    payload.set_read();
    payload.set_address(address);
    payload.set_data_ptr(bytes_);
    payload.set_data_length(sizeof bytes_);
    payload.set_streaming_width(sizeof bytes_);
    socket->b_transport(payload, delay);
    if (!payload.is_response_ok()) throw std::runtime_error("a response that is not good");
    return delay;
  }

 private:
  void run() { program_(*this); }
  std::function<void(reader &)> program_;
  unsigned char bytes_[32] = {};
};

// A case of its own ends with this status, 128 and the signal that ended it, or 99: it took more than 20 s.
int status_of(const std::function<int()> &program) {
  std::fflush(stdout);
  const pid_t child = fork();
  if (child == 0) {
    const struct rlimit no_core = {0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    alarm(20);
    try {
      _exit(program());
    } catch (const sc_core::sc_report &report) {
      std::fprintf(stderr, "%s\n", report.get_msg());
      _exit(2);
    }
  }
  int status;
  if (waitpid(child, &status, 0) != child) return -1;
  if (WIFSIGNALED(status)) return WTERMSIG(status) == SIGALRM ? 99 : 128 + WTERMSIG(status);
  return WEXITSTATUS(status);
}

// The same, with what it wrote to the standard error.
int status_of(const std::function<int()> &program, std::string &text) {
  const scratch files;
  const std::string name = files.path("text");
  const int status = status_of([&] {
    if (!std::freopen(name.c_str(), "w", stderr) || std::setvbuf(stderr, nullptr, _IONBF, 0)) return 98;
    return program();
  });
  std::stringstream all;
  all << std::ifstream(name).rdbuf();
  text = all.str();
  return status;
}

std::string contents(const std::string &name) {
  std::stringstream all;
  all << std::ifstream(name).rdbuf();
  return all.str();
}

int files_in(const std::string &folder) {
  int count = 0;
  for (const auto &file : std::filesystem::directory_iterator(folder)) count += file.exists();
  return count;
}

// One memory with a reader.
int run(const duplex::hbm3_parameters &parameters, std::function<void(reader &)> program) {
  duplex::hbm3_memory memory("memory", parameters);
  reader host("host", std::move(program));
  host.socket.bind(memory.socket);
  sc_core::sc_start();
  return 0;
}

// A read after an hour takes what one of a closed bank takes, but for a refresh that is under way.
void check_rests() {
  const duplex::hbm3_parameters p;
  const int status = status_of([&] {
    const duplex_dram_timing t = p.controller.timing;
    return run(p, [t](reader &r) {
      r.read(0);
      for (unsigned i = 0; i < 3; i++) {
        wait(sc_core::sc_time(3600, sc_core::SC_SEC));
        const uint64_t tck = r.read(64 * i) / sc_core::sc_time(t.tCK_ps, sc_core::SC_PS);
        if (tck > t.nRFCPB + t.nRCDRD + t.nCL + t.nBL + 1) throw std::runtime_error("a long read");
      }
    });
  });
  expect(status == 0, "a rest of an hour: " + std::to_string(status));
}

// Close to the end of SystemC's time.
void check_last_time() {
  const auto late = [](uint64_t left_ns, uint64_t expected_least) {
    return [left_ns, expected_least] {
      return run({}, [left_ns, expected_least](reader &r) {
        wait(sc_core::sc_max_time() - sc_core::sc_time(double(left_ns), sc_core::SC_NS));
        const sc_core::sc_time took = r.read(0);
        if (took < sc_core::sc_time(double(expected_least), sc_core::SC_NS))
          throw std::runtime_error("short");
      });
    };
  };
  expect(status_of(late(1000, 8)) == 0, "a read 1 us before the end of time");
  expect(status_of(late(10, 9)) == 0, "a read that ends behind the end of time");
}

// The farthest clock that a file of requests may name.
void check_far_request() {
  const scratch files;
  const std::string name = files.path("requests");
  std::ofstream(name) << "0 0 R 4\n9223372036854 64 R 4\n";
  const int status = status_of([&] {
    duplex::traffic_parameters t;
    t.pattern = duplex::traffic_pattern::file;
    t.file = name;
    duplex::traffic traffic("traffic", t);
    duplex::hbm3_memory memory("memory");
    traffic.socket.bind(memory.socket);
    sc_core::sc_start();
    return traffic.done() && traffic.failures() == 0 ? 0 : 1;
  });
  expect(status == 0, "a request with a far clock: " + std::to_string(status));
}

// A record of commands has each refresh: a long rest is refused and leaves nothing.
void check_recorded_rest() {
  const scratch files;
  duplex::hbm3_parameters p;
  p.command_file = files.path("commands");
  const auto rest = [&](double seconds) {
    return [seconds](reader &r) {
      r.read(0);
      wait(sc_core::sc_time(seconds, sc_core::SC_SEC));
      r.read(0);
    };
  };
  std::string text;
  expect(status_of([&] { return run(p, rest(0.005)); }) == 0, "a short rest");
  expect(status_of([&] { return run(p, rest(0.05)); }, text) == 2, "a long rest");
  expect(text == "memory.command_file " + p.command_file +
                     ": channel 0 rests for 0.050000 s: expected 0.01 s at most, since each refresh is "
                     "written\n",
         "the text of a long rest: " + text);
}

void check_one_file() {
  const scratch files;
  duplex::hbm3_parameters p;
  std::string text;
  p.request_file = files.path("record");
  const auto two = [&] {
    duplex::hbm3_memory first("first", p);
    duplex::hbm3_parameters q;
    q.command_file = files.path("./record");
    duplex::hbm3_memory second("second", q);
    return 0;
  };
  expect(status_of(two, text) == 2, "two memories with one record");
  expect(
      text == "second.command_file " + files.path("./record") + ": is the file of first.request_file too\n",
      "the text of one record: " + text);
  expect(files_in(files.path(".")) == 0, "no record is there");
}

// Programs that end without sc_stop, by sc_stop, and by close_files.
void check_lost(const char *how, const std::function<void(duplex::hbm3_memory &)> &end, int expected) {
  const scratch files;
  duplex::hbm3_parameters p;
  p.request_file = files.path("record");
  std::ofstream(p.request_file) << "old\n";
  std::string text;
  const int status = status_of(
      [&] {
        duplex::hbm3_memory memory("memory", p);
        reader host("host", [](reader &r) {
          for (unsigned i = 0; i < 50; i++) r.read(i * 64);
        });
        host.socket.bind(memory.socket);
        sc_core::sc_start();
        const struct rlimit little = {400, 400};
        setrlimit(RLIMIT_FSIZE, &little);
        end(memory);
        return 0;
      },
      text);
  expect(status == expected, std::string(how) + ": " + std::to_string(status));
  expect(text.find("memory.request_file " + p.request_file + ": writing failed") != std::string::npos,
         std::string(how) + ": text " + text);
  expect(contents(p.request_file) == "old\n" && files_in(files.path(".")) == 1, how);
}

void check_full() {
  duplex::hbm3_parameters p;
  p.request_file = "/dev/full";
  std::string text;
  expect(status_of([&] { return run(p, [](reader &) {}); }, text) == 2, "a full device");
  expect(text == "memory.request_file /dev/full: writing failed\n", "the text of a full device: " + text);
}

void check_signal(int signal) {
  const scratch files;
  duplex::hbm3_parameters p;
  p.request_file = files.path("requests");
  p.command_file = files.path("commands");
  std::ofstream(p.request_file) << "old\n";
  const int status = status_of([&] {
    return run(p, [signal](reader &r) {
      r.read(0);
      raise(signal);
    });
  });
  expect(status == 128 + signal, "signal " + std::to_string(signal) + ": " + std::to_string(status));
  expect(contents(p.request_file) == "old\n" && files_in(files.path(".")) == 1, "what was there is there");
}

void check_unbound() {
  std::string text;
  const int status = status_of(
      [] {
        duplex::hbm3_memory memory("memory");
        sc_core::sc_start(sc_core::SC_ZERO_TIME);
        return 0;
      },
      text);
  expect(status == 2 && text == "memory.socket: not bound: expected an initiator socket\n",
         "unbound: " + text);
}

}  // namespace

int sc_main(int, char **) {
  check_rests();
  check_last_time();
  check_far_request();
  check_recorded_rest();
  check_one_file();
  check_lost(
      "by sc_stop", [](duplex::hbm3_memory &) { sc_core::sc_stop(); }, 2);
  check_lost(
      "by close_files", [](duplex::hbm3_memory &m) { m.close_files(); }, 2);
  check_lost(
      "by the destructor", [](duplex::hbm3_memory &) {}, 128 + SIGABRT);
  check_full();
  for (const int signal : {SIGTERM, SIGINT, SIGUSR1, SIGSEGV}) check_signal(signal);
  check_unbound();
  std::printf("%s\n", bad ? "FAIL" : "rests, records and ends as they should be");
  return bad != 0;
}
