// SPDX-License-Identifier: Apache-2.0
// What the example platform is told: by options of the command line, and by lines of a file of parameters.
#include "backend/systemc/platform/options.h"

#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "backend/systemc/text_lines.h"
#include "backend/systemc/wave_file.h"

namespace platform {
namespace {

constexpr uint64_t MATRIX_MOST = 65536;

// One name: an option --name VALUE, and a line `name = value` of a file.
struct name {
  const char *word, *value, *help;
  std::vector<const char *> choices;  // of a text; none: any text
  std::string *text;
  uint64_t *number;
  uint64_t least, most;
};

std::vector<name> names_of(options &o, uint64_t &channels, uint64_t &threads, uint64_t &rank_switch,
                           uint64_t &traffic) {
  const auto text = [](const char *word, const char *value, const char *help, std::string &to,
                       std::vector<const char *> choices) {
    return name{word, value, help, std::move(choices), &to, nullptr, 0, 0};
  };
  const auto number = [](const char *word, const char *help, uint64_t &to, uint64_t least, uint64_t most) {
    return name{word, "N", help, {}, nullptr, &to, least, most};
  };
  return {
      text("module", "tlm|pin|both", "stack over the C model, at its pins, or both side by side", o.module,
           {"tlm", "pin", "both"}),
      text("kernel", "expert|attention", "what runs", o.kernel, {"expert", "attention"}),
      text("firmware", "riscv|native", "who runs it: the RV32 controller, or the host's process", o.firmware,
           {"riscv", "native"}),
      text("reference", "none|cmodel|rtl", "the same job outside of SystemC too: bytes, clocks, host time",
           o.reference, {"none", "cmodel", "rtl"}),
      number("quantum", "global quantum, ns", o.quantum_ns, 0, 1000000000),
      text("trace", "FILE",
           "waveform: pins as VCD (NAME.vcd) or all of the RTL as FST; tlm: interrupt, reset, as VCD",
           o.trace, {}),
      text("registers-trace", "FILE", "text of all accesses of the register socket", o.registers_trace, {}),
      text("memory-trace", "FILE", "text of all accesses of the memory socket", o.memory_trace, {}),
      number("channels", "of the stack", channels, 1, 32),
      number("threads", "of the C model, 0 = all cores", threads, 0, 1024),
      text("dram-preset", "NAME", "timing of the DRAM", o.stack.dram_preset, {"hbm3_5200", "hbm3_6400"}),
      number("rank-switch", "tCK to turn to the other rank", rank_switch, 0, 2),
      number("xpu-traffic", "1: the xPU streams from its bundles", traffic, 0, 1),
      number("seed", "of the tensors", o.seed, 0, UINT64_MAX),
      number("tokens", "expert: tokens", o.tokens, 1, 4096),
      number("hidden", "expert: hidden size", o.hidden, 1, MATRIX_MOST),
      number("inner", "expert: inner size", o.inner, 1, MATRIX_MOST),
      number("sequences", "attention: sequences", o.sequences, 1, 1024),
      number("positions", "attention: positions of a sequence", o.positions, 1, 131072),
      number("kv-heads", "attention: KV heads", o.kv_heads, 1, 256),
      number("group", "attention: query heads of a KV head", o.group, 1, 16),
      number("head-size", "attention: head size, a multiple of 16", o.head_size, 16, 256),
  };
}

void help(const char *program, const std::vector<name> &names) {
  std::printf(
      "usage: %s [--NAME VALUE]...\n"
      "One job on a stack in SystemC: host and controller, stack, DRAM.\n\n",
      program);
  for (const name &n : names) {
    const std::string left = std::string("--") + n.word + " " + n.value;
    std::printf("  %-30s %s\n", left.c_str(), n.help);
  }
  std::printf("  %-30s %s\n  %-30s %s\n\n", "--parameters FILE",
              "lines `name = value` with the names above, # starts a comment", "--help", "this text");
  std::printf(
      "Later ones win. Exit status: 0 good, 1 a difference or lost output, 2 bad input or a job that "
      "failed.\n");
}

std::string expected(const name &n) {
  if (n.number) return "expected a number of " + std::to_string(n.least) + " to " + std::to_string(n.most);
  std::string list = "expected ";
  for (size_t i = 0; i < n.choices.size(); i++) {
    if (i) list += i + 1 == n.choices.size() ? " or " : ", ";
    list += n.choices[i];
  }
  return n.choices.empty() ? "expected a text" : list;
}

bool set_number(const name &n, const std::string &value) {
  char *end;
  if (value.empty() || value[0] < '0' || value[0] > '9') return false;
  errno = 0;
  const unsigned long long number = std::strtoull(value.c_str(), &end, 10);
  if (*end || errno || number < n.least || number > n.most) return false;
  *n.number = number;
  return true;
}

bool set_text(const name &n, const std::string &value) {
  bool known = n.choices.empty() && !value.empty();
  for (const char *choice : n.choices) known = known || value == choice;
  if (known) *n.text = value;
  return known;
}

// Gives a value to a name; `where` tells the user.
int set(const std::vector<name> &names, const std::string &word, const std::string &value,
        const std::string &where) {
  for (const name &n : names) {
    if (word != n.word) continue;
    if (n.number ? set_number(n, value) : set_text(n, value)) return -1;
    return wrong(where, "'" + value + "': " + expected(n));
  }
  return wrong(where, "there is no such name: see --help");
}

std::string trimmed(const std::string &text) {
  const char *blanks = " \t\r";
  const size_t first = text.find_first_not_of(blanks);
  return first == std::string::npos ? "" : text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

// A line of a file of parameters; -1: it is good.
int read_line(const std::string &line, const std::vector<name> &names, const std::string &place) {
  const std::string text = trimmed(line.substr(0, line.find('#')));
  if (text.empty()) return -1;
  const size_t equals = text.find('=');
  const std::string word = trimmed(text.substr(0, equals));
  const std::string where = place + ": " + word;
  if (equals == std::string::npos) return wrong(where, "expected `name = value`");
  return set(names, word, trimmed(text.substr(equals + 1)), where);
}

int read_file(const std::string &path, const std::vector<name> &names) {
  duplex::text_lines lines(path);
  std::string line;
  while (lines.next(line)) {
    const int status = read_line(line, names, path + ":" + std::to_string(lines.number()));
    if (status >= 0) return status;
  }
  return lines.failure().empty() ? -1 : wrong("--parameters " + path, lines.failure());
}

int read_words(int argc, char **argv, const std::vector<name> &names) {
  for (int i = 1; i < argc; i += 2) {
    const std::string word = argv[i];
    if (word == "--help") {
      help(argv[0], names);
      return 0;
    }
    if (word.rfind("--", 0) != 0) return wrong(word, "expected an option: see --help");
    if (i + 1 == argc) return wrong(word, "has no value: see --help");
    const int status = word == "--parameters" ? read_file(argv[i + 1], names)
                                              : set(names, word.substr(2), argv[i + 1], word);
    if (status >= 0) return status;
  }
  return -1;
}

}  // namespace

int wrong(const std::string &text) {
  std::fprintf(stderr, "platform: %s\n", text.c_str());
  return 2;
}

int wrong(const std::string &where, const std::string &text) { return wrong(where + ": " + text); }

int read_options(int argc, char **argv, options &o) {
  o.stack.channels = 2;
  uint64_t channels = o.stack.channels;
  uint64_t threads = o.stack.threads;
  uint64_t rank_switch = 0;
  uint64_t traffic = 0;
  const int status = read_words(argc, argv, names_of(o, channels, threads, rank_switch, traffic));
  if (status >= 0) return status;
  if (o.head_size % 16)
    return wrong("--head-size", "'" + std::to_string(o.head_size) + "': expected a multiple of 16");
  if (o.module == "tlm" && !o.trace.empty() && !duplex::is_vcd(o.trace))
    return wrong("--trace", "'" + o.trace + "': expected NAME.vcd with --module tlm");
  o.stack.channels = unsigned(channels);
  o.stack.threads = unsigned(threads);
  o.stack.rank_switch = unsigned(rank_switch);
  o.stack.xpu_traffic = traffic;
  return -1;
}

}  // namespace platform
