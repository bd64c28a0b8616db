// SPDX-License-Identifier: Apache-2.0
// The example platform: one job on a stack in SystemC, on the loosely timed stack, on the one at its pins, or
// on both side by side; `platform --help`.
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <vector>

#include "backend/systemc/output_files.h"
#include "backend/systemc/platform/board.h"
#include "duplex/backend.h"
#include "duplex/error.h"
#include "duplex/text_file.h"
#include "sysc/tracing/sc_tracing_ids.h"
#include "tlm_utils/tlm_quantumkeeper.h"

namespace {

using platform::board;
using platform::kernel;
using platform::options;
using platform::outcome;
using platform::wrong;

// FNV-1a, 64 bits.
uint64_t digest(const std::vector<uint8_t> &bytes) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const uint8_t byte : bytes) hash = (hash ^ byte) * 0x100000001b3;
  return hash;
}

// Of one way to run the job, and what it took the host if it ran alone; whether it ran.
bool tell(const char *name, const outcome &out, bool alone) {
  if (!out.good) {
    std::fprintf(stderr, "platform: %s: %s\n", name,
                 out.error.empty() ? "the job did not end" : out.error.c_str());
    return false;
  }
  std::printf("%-9s %10llu clocks of the host, result %016llx, %llu instructions", name,
              (unsigned long long)out.clocks, (unsigned long long)digest(out.bytes),
              (unsigned long long)out.instructions);
  if (alone) std::printf(", %.3f s of host time", out.seconds);
  std::printf("\n");
  return true;
}

bool tell(const board &b, bool alone) {
  if (!tell(b.basename(), b.result(), alone)) return false;
  const std::string at = duplex::time_of_clock(b.interrupt_clock()).to_string();
  std::printf("%-9s %10llu clocks from doorbell to interrupt, the last interrupt at clock %llu, %s\n", "",
              (unsigned long long)b.stack_clocks(), (unsigned long long)b.interrupt_clock(), at.c_str());
  return true;
}

// The same bytes, and the same clocks but for `most`.
bool compare(const char *a_name, const outcome &a, const char *b_name, const outcome &b, uint64_t most) {
  const uint64_t off = a.clocks > b.clocks ? a.clocks - b.clocks : b.clocks - a.clocks;
  const bool same = a.bytes == b.bytes;
  std::printf("%s and %s: %s bytes, %llu clocks of difference%s\n", a_name, b_name,
              same ? "the same" : "OTHER", (unsigned long long)off, off > most ? ", EXPECTED FEWER" : "");
  return same && off <= most;
}

// The same job on a back end outside of SystemC.
bool run_reference(const options &o, const kernel &job, outcome &out) {
  duplex_backend_options backend_options = {};
  backend_options.channels = o.stack.channels;
  backend_options.threads = o.stack.threads;
  backend_options.dram_preset = o.stack.dram_preset.c_str();
  backend_options.rank_switch = o.stack.rank_switch;
  backend_options.xpu_traffic = o.stack.xpu_traffic;
  const bool rtl = o.reference == "rtl";
  duplex_backend *backend = nullptr;
  const int error =
      rtl ? duplex_rtl_open(&backend_options, &backend) : duplex_cmodel_open(&backend_options, &backend);
  const char *why = rtl ? duplex_rtl_failure() : duplex_cmodel_failure();
  if (error) {
    wrong("--reference " + o.reference, *why ? why : duplex_error_text(error));
    return false;
  }
  out = job.run(backend);
  return tell(o.reference.c_str(), out, true);
}

// The waveform of a board without pins: interrupt and reset.
sc_core::sc_trace_file *open_trace(const std::string &path,
                                   const std::vector<std::unique_ptr<board>> &boards) {
  const std::string stem = path.substr(0, path.size() - 4);  // SystemC adds .vcd
  sc_core::sc_trace_file *file = sc_core::sc_create_vcd_trace_file(stem.c_str());
  file->set_time_unit(1, sc_core::SC_PS);
  for (const std::unique_ptr<board> &b : boards) b->trace(file);
  return file;
}

struct traces {
  std::FILE *registers = nullptr, *memory = nullptr;
};

// What the boards of a finished simulation did, beside each other and the reference: the exit status.
int judge(const options &o, const kernel &job, const std::vector<std::unique_ptr<board>> &boards) {
  for (const std::unique_ptr<board> &b : boards)
    if (!tell(*b, boards.size() == 1)) return 2;
  const uint64_t quantum = duplex::clock_from(sc_core::sc_time(double(o.quantum_ns), sc_core::SC_NS));
  outcome reference;
  if (o.reference != "none" && !run_reference(o, job, reference)) return 2;
  bool good = true;
  for (const std::unique_ptr<board> &b : boards)
    if (good && o.reference != "none")
      good = compare(b->basename(), b->result(), o.reference.c_str(), reference, quantum);
  if (good && boards.size() == 2)
    good = compare(boards[0]->basename(), boards[0]->result(), boards[1]->basename(), boards[1]->result(),
                   quantum);
  return good ? 0 : 1;
}

// The job on its boards. `o.trace`: the name under which the waveform is written.
int simulate(const options &o, const traces &to) {
  const kernel job(o);
  std::vector<std::unique_ptr<board>> boards;
  unsigned running = o.module == "both" ? 2 : 1;
  for (const char *name : {"tlm", "pin"})
    if (o.module == name || o.module == "both")
      boards.push_back(std::make_unique<board>(name, o, job, to.registers, to.memory, running));
  sc_core::sc_trace_file *trace = nullptr;
  if (!o.trace.empty() && o.module == "tlm") trace = open_trace(o.trace, boards);
  std::printf("%s, %s firmware, %u channels, quantum %llu ns, seed %llu\n", job.text().c_str(),
              o.firmware.c_str(), o.stack.channels, (unsigned long long)o.quantum_ns,
              (unsigned long long)o.seed);
  sc_core::sc_start();
  if (trace) sc_core::sc_close_vcd_trace_file(trace);
  return judge(o, job, boards);
}

// Whether all that was printed could be written; otherwise one line tells.
bool told_all() {
  if (std::fflush(stdout) == 0 && !std::ferror(stdout)) return true;
  wrong("standard output", "writing failed");
  return false;
}

int run(options &o) {
  duplex::output_files files;
  traces to;
  if (!o.registers_trace.empty()) {
    to.registers = files.open_text("--registers-trace", o.registers_trace);
    if (!to.registers) return wrong(files.failure());
  }
  if (!o.memory_trace.empty()) {
    to.memory = files.open_text("--memory-trace", o.memory_trace);
    if (!to.memory) return wrong(files.failure());
  }
  if (!o.trace.empty()) {
    o.trace = files.waveform("--trace", o.trace);
    if (o.trace.empty()) return wrong(files.failure());
  }
  const int status = simulate(o, to);
  if (status == 2) return status;
  if (!told_all()) return 1;  // before the files get their names: all or nothing
  return files.commit() ? status : wrong(files.failure());
}

}  // namespace

// Bad input is one line on the standard error: SystemC's own lines stay away.
int main(int argc, char **argv) {
  duplex_reserve_descriptors();
  setenv("SYSTEMC_DISABLE_COPYRIGHT_MESSAGE", "1", 0);
  return sc_core::sc_elab_and_sim(argc, argv);
}

int sc_main(int argc, char **argv) {
  options o;
  const int status = platform::read_options(argc, argv, o);
  if (status >= 0) return status || told_all() ? status : 1;
  tlm::tlm_global_quantum::instance().set(sc_core::sc_time(double(o.quantum_ns), sc_core::SC_NS));
  for (const char *kind : {"/OSCI/SystemC", sc_core::SC_ID_TRACING_TIMESCALE_UNIT_})
    sc_core::sc_report_handler::set_actions(kind, sc_core::SC_INFO, sc_core::SC_DO_NOTHING);
  try {
    return run(o);
  } catch (const sc_core::sc_report &report) {
    return wrong(report.get_msg_type(), report.get_msg());
  }
}
