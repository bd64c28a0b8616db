// SPDX-License-Identifier: Apache-2.0
// The checker of the TLM-2.0 base protocol: each rule broken on purpose (checker_cases.h) is found and named,
// alone, and traffic that keeps them all is passed on without a word.
#include <algorithm>
#include <cstdio>
#include <fstream>
#include <sstream>

#include "tests/systemc/checker_cases.h"

namespace {

using namespace checker_rig;

// Traffic that keeps every rule, on all interfaces and in every permitted order of phases.
void clean_blocking(rig &r) {
  for (const auto command : {tlm::TLM_READ_COMMAND, tlm::TLM_WRITE_COMMAND, tlm::TLM_IGNORE_COMMAND}) {
    P payload;
    r.fill(payload, command);
    if (command == tlm::TLM_IGNORE_COMMAND) payload.set_data_ptr(nullptr), payload.set_data_length(0);
    r.blocking(payload);
  }
  P payload;
  r.fill(payload);
  payload.set_byte_enable_ptr(r.enables);
  payload.set_byte_enable_length(sizeof r.enables);
  r.on_blocking = [](P &p, sc_time &t) {
    for (unsigned i = 0; i < p.get_data_length(); i += 2) p.get_data_ptr()[i]++;
    sc_core::wait(t);
    t = sc_core::SC_ZERO_TIME;
    p.set_dmi_allowed(true);
    rig::answer(p);
  };
  r.blocking(payload);
  r.fill(payload);
  payload.set_address(BYTES - 4);  // streams over the last four bytes
  payload.set_streaming_width(4);
  r.blocking(payload);
  r.fill(payload);
  note sticky, *passing = new note;  // one of the initiator's, and one that the target takes away again
  payload.set_extension(&sticky);
  r.on_blocking = [passing](P &p, sc_time &) {
    p.set_extension(passing);
    p.clear_extension(passing);
    rig::answer(p);
  };
  r.blocking(payload);
  payload.clear_extension(&sticky);
  passing->free();
  r.fill(payload);
  payload.set_address(BYTES);
  r.on_blocking = [](P &p, sc_time &) { p.set_response_status(tlm::TLM_ADDRESS_ERROR_RESPONSE); };
  r.blocking(payload);
}

void clean_phases(rig &r) {
  TLM_DECLARE_EXTENDED_PHASE(ignorable);
  P &four = r.take();
  r.forward(four, tlm::BEGIN_REQ);
  r.backward(four, ignorable);
  r.backward(four, tlm::END_REQ);
  P &next = r.take();  // its request overlaps the response of the one before
  r.forward(next, tlm::BEGIN_REQ);
  r.backward(four, tlm::BEGIN_RESP);
  r.backward(next, tlm::END_REQ);
  r.forward(four, tlm::END_RESP);
  four.release();
  r.finish(next);
  r.on_forward = [&](P &, tlm_phase &phase, sc_time &) { return phase = ignorable, tlm::TLM_UPDATED; };
  P &noted = r.take();  // a phase that others add comes back, and ends nothing
  r.forward(noted, tlm::BEGIN_REQ);
  r.on_forward = [](auto &, auto &, auto &) { return tlm::TLM_ACCEPTED; };
  r.finish(noted);
  r.on_forward = [](P &p, tlm_phase &phase, sc_time &) {
    if (phase == tlm::END_RESP) return tlm::TLM_COMPLETED;
    rig::answer(p);
    phase = tlm::BEGIN_RESP;
    return tlm::TLM_UPDATED;
  };
  P &two = r.take();
  r.forward(two, tlm::BEGIN_REQ);
  r.forward(two, tlm::END_RESP);
  two.release();
  r.on_forward = [](P &p, tlm_phase &, sc_time &) { return rig::answer(p), tlm::TLM_COMPLETED; };
  P &early = r.take();
  r.forward(early, tlm::BEGIN_REQ);
  early.release();
  // The target answers inside the call, and the initiator frees the payload there.
  r.on_backward = [](P &p, tlm_phase &phase, sc_time &) {
    if (phase == tlm::END_REQ) return tlm::TLM_ACCEPTED;
    p.release();
    return tlm::TLM_COMPLETED;
  };
  r.on_forward = [&r](P &p, tlm_phase &, sc_time &) {
    r.backward(p, tlm::END_REQ);
    r.backward(p, tlm::BEGIN_RESP);
    return tlm::TLM_ACCEPTED;
  };
  r.forward(r.take(), tlm::BEGIN_REQ);
  r.on_forward = [](P &, tlm_phase &phase, sc_time &) { return phase = tlm::END_REQ, tlm::TLM_UPDATED; };
  r.on_backward = [](P &p, tlm_phase &phase, sc_time &) {
    p.release();
    phase = tlm::END_RESP;
    return tlm::TLM_UPDATED;
  };
  P &ended = r.take();
  r.forward(ended, tlm::BEGIN_REQ);
  r.backward(ended, tlm::BEGIN_RESP);
}

void clean_others(rig &r) {
  P &payload = r.take();
  r.initiator->transport_dbg(payload);
  r.direct(payload);
  r.checker->direct_access(tlm::TLM_WRITE_COMMAND, 0, BYTES);
  r.target->invalidate_direct_mem_ptr(0, ~uint64_t(0));
  r.on_dmi = [](P &, tlm_dmi &) { return false; };
  r.direct(payload);
  payload.set_gp_option(tlm::TLM_FULL_PAYLOAD);
  r.on_debug = [](P &p) { return p.set_gp_option(tlm::TLM_FULL_PAYLOAD_ACCEPTED), 8; };
  r.initiator->transport_dbg(payload);
  payload.set_gp_option(tlm::TLM_MIN_PAYLOAD);
  r.on_debug = [](P &) { return 0; };
  payload.set_address(BYTES);
  r.initiator->transport_dbg(payload);
  payload.release();
}

// Each name and sentence of the rules stands in the page.
int check_page(const char *path) {
  std::ifstream file(path);
  std::stringstream page;
  page << file.rdbuf();
  int bad = 0;
  for (unsigned i = 0; i < duplex::PROTOCOL_RULES; i++) {
    const R rule = R(i);
    const std::string row = std::string("| `") + name_of(rule) + "` | " + text_of(rule) + " |";
    if (page.str().find(row) != std::string::npos) continue;
    std::printf("MISMATCH: %s has no row %s\n", path, row.c_str());
    bad = 1;
  }
  return bad;
}

class bench : public sc_core::sc_module {
 public:
  SC_HAS_PROCESS(bench);
  explicit bench(const sc_core::sc_module_name &name)
      : sc_module(name), clean_("clean"), outside_("outside") {
    for (const auto &list : {payload_cases(), phase_cases(), return_cases(), other_cases()})
      cases_.insert(cases_.end(), list.begin(), list.end());
    for (size_t i = 0; i < cases_.size(); i++)
      rigs_.emplace_back(new rig("case" + std::to_string(i) + "_" + name_of(cases_[i].rule)));
    SC_THREAD(run);
    SC_METHOD(no_thread);
  }
  int bad() const { return bad_; }
  size_t cases() const { return cases_.size() + 1; }

 private:
  void run() {
    std::vector<bool> covered(duplex::PROTOCOL_RULES);
    for (size_t i = 0; i < cases_.size(); i++) {
      cases_[i].run(*rigs_[i]);
      expect(*rigs_[i], {cases_[i].rule}, i);
      covered[unsigned(cases_[i].rule)] = true;
    }
    covered[unsigned(R::thread_process)] = true;
    expect(outside_, {R::thread_process}, cases_.size());
    for (unsigned i = 0; i < duplex::PROTOCOL_RULES; i++)
      if (!covered[i]) bad_ = 1, std::printf("MISMATCH: no case breaks %s\n", name_of(R(i)));
    clean_blocking(clean_);
    clean_phases(clean_);
    clean_others(clean_);
    expect(clean_, {}, cases_.size() + 1);
    if (clean_.checker->in_flight() || clean_.checker->calls() < 20)
      bad_ = 1, std::printf("MISMATCH: %zu clean transactions are left\n", clean_.checker->in_flight());
  }
  void no_thread() {
    P payload;
    outside_.fill(payload);
    outside_.blocking(payload);
  }
  void expect(const rig &r, const std::vector<R> &rules, size_t index) {
    if (r.found == rules) return;
    bad_ = 1;
    std::printf("MISMATCH: case %zu, expected %s:", index, rules.empty() ? "none" : name_of(rules[0]));
    for (const R rule : r.found) std::printf(" %s", name_of(rule));
    std::printf("\n");
  }

  std::vector<planted> cases_;
  std::vector<std::unique_ptr<rig>> rigs_;
  rig clean_, outside_;
  int bad_ = 0;
};

}  // namespace

int sc_main(int count, char **arguments) {
  const char *page = count > 1 ? arguments[1] : "docs/protocol_checker.md";
  bench bench("bench");
  sc_core::sc_start();
  const int bad = bench.bad() | check_page(page);
  std::printf("TLM-2.0 protocol checker: %zu planted violations of %u rules%s\n", bench.cases(),
              duplex::PROTOCOL_RULES, bad ? ": FAIL" : " are found, clean traffic is passed on");
  return bad;
}
