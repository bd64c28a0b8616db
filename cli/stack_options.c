// SPDX-License-Identifier: Apache-2.0
// Options and errors of the commands that run on a stack.
#include "cli/stack_options.h"

#include <stdlib.h>

#include "cli/messages.h"
#include "cli/options.h"
#include "cli/output.h"
#include "duplex/error.h"
#include "duplex/hbm.h"

const struct option stack_options[] = {
    {"--backend", "cmodel|rtl", "the C model (default) or the Verilated RTL", 0, 0},
    {"--channels", "N", "channels of the stack, 1 to 32 (default 32)", 0, 0},
    {"--threads", "N", "host threads of the C model (default all cores)", 0, 0},
    {"--stats", "FILE.json", "clocks, bytes, commands, utilisation, energy of the job", 0, 0},
    {"--quiet", NULL, "no line of progress on a terminal", 0, 0},
    {"--bundles", "LIST", "bundles that Logic-PIM owns and streams from (default 0,1,2,3)", 0, 0},
    {"--stripe", "LIST", "those of them in which the weights lie (default all of them)", 0, 0},
    {"--activation-rule", "paper|strict",
     "strict: at most four bank activations of a rank within tFAW (default paper)", 0, 0},
    {"--dram-preset", "NAME", "timing of the DRAM: hbm3_5200 (default) or hbm3_6400", 0, 0},
    {"--rank-switch", "0|1|2", "tCK that a data bus needs to turn to the other rank (default 0)", 0, 0},
    {"--xpu-traffic", "none|stream",
     "stream: the xPU reads at full rate from the bundles that it owns (default none)", 0, 0},
    {"--trace", "FILE.fst", "waveform of the RTL", 0, 0},
    {"--trace-from", "CLOCK", "first clock of the waveform (default 0)", 0, 0},
    {"--trace-to", "CLOCK", "clock before which the waveform ends (default: with the job)", 0, 0},
    {"--command-trace", "FILE", "text of all DRAM commands of the RTL", 0, 0},
    {"--firmware", "native|riscv",
     "the firmware runs in this process, at no cost (default), or on an RV32 controller", 0, 0},
    {"--firmware-elf", "FILE", "RV32 firmware (default: that of the build or installation)", 0, 0},
    {"--instructions-per-clock", "R", "speed of the RV32 controller, 0.001 to 1000 (default 0.7)", 0, 0},
    {"--firmware-trace", "FILE", "calls and register accesses of the RV32 firmware", 0, 0},
    {"--firmware-profile", "FILE", "clocks of the RV32 firmware by function", 0, 0},
    {"--gdb", "PORT", "the RV32 controller waits for GDB: target remote 127.0.0.1:PORT", 0, 0},
    {"--seed", "S", "accepted for scripts; nothing here is random", 0, 0},
    {0}};

static int rate_option(const struct option *options, double *rate) {
  const char *text = option_value(options, "--instructions-per-clock");
  char *end = NULL;
  *rate = text ? strtod(text, &end) : 0;
  if (!text || (end != text && !*end && *rate >= 0.001 && *rate <= 1000)) return EXIT_GOOD;
  return fail(EXIT_BAD_INPUT, "--instructions-per-clock is '%s': expected a number from 0.001 to 1000", text);
}

// *riscv stays as it is with native firmware.
static int firmware_options(const struct option *options, struct outputs *outputs,
                            struct duplex_stack_options *wanted, struct duplex_riscv_options *riscv) {
  static const char *const kinds[] = {"native", "riscv", NULL};
  static const char *const names[] = {
      "--firmware-elf", "--instructions-per-clock", "--firmware-trace", "--firmware-profile", "--gdb", NULL};
  unsigned kind;
  uint64_t port;
  if (choice_option(options, "--firmware", kinds, &kind) ||
      number_option(options, "--gdb", 1, 65535, 0, &port) ||
      rate_option(options, &riscv->instructions_per_clock))
    return EXIT_BAD_INPUT;
  for (unsigned i = 0; names[i] && kind == 0; i++)
    if (option_value(options, names[i])) return fail(EXIT_BAD_INPUT, "%s needs --firmware riscv", names[i]);
  for (unsigned i = 2; i < 4; i++)
    if (option_value(options, names[i]) && output_open(outputs, names[i], option_value(options, names[i])))
      return EXIT_BAD_INPUT;
  riscv->elf = option_value(options, "--firmware-elf");
  riscv->trace_file = output_name(outputs, option_value(options, "--firmware-trace"));
  riscv->profile_file = output_name(outputs, option_value(options, "--firmware-profile"));
  riscv->gdb_port = (unsigned)port;
  wanted->riscv = kind == 1 ? riscv : NULL;
  wanted->measure_overhead = kind == 1 && option_value(options, "--stats");
  return EXIT_GOOD;
}

// Options that only the Verilated stack has are not given with the C model.
static int check_rtl_only(const struct option *options, bool rtl) {
  static const char *const names[] = {"--trace", "--trace-from", "--trace-to", "--command-trace", NULL};
  for (unsigned i = 0; names[i] && !rtl; i++)
    if (option_value(options, names[i]))
      return fail(EXIT_BAD_INPUT, "%s needs --backend rtl: the C model has no signals", names[i]);
  if (!option_value(options, "--trace") &&
      (option_value(options, "--trace-from") || option_value(options, "--trace-to")))
    return fail(EXIT_BAD_INPUT, "--trace-from and --trace-to need --trace");
  return EXIT_GOOD;
}

static int exit_status(int error) {
  switch (error) {
    case DUPLEX_ERROR_ARGUMENT:
    case DUPLEX_ERROR_NO_MEMORY:
    case DUPLEX_ERROR_OUT_OF_SPACE:
      return EXIT_BAD_INPUT;
    default:
      return EXIT_ERROR;
  }
}

int stack_error(const struct duplex_stack *stack, int error) {
  return fail(exit_status(error), "%s", duplex_stack_last_error(stack));
}

// Files of the command that runs on the stack, besides its tensors; the back end writes the traces itself.
static int open_files(const struct option *options, struct outputs *outputs) {
  static const char *const names[] = {"--stats", "--trace", "--command-trace", NULL};
  for (unsigned i = 0; names[i]; i++) {
    const char *path = option_value(options, names[i]);
    if (path && output_open(outputs, names[i], path)) return EXIT_BAD_INPUT;
  }
  return EXIT_GOOD;
}

// Numbers of bundles with commas between them, each at most once.
static int bundles_option(const struct option *options, const char *name, unsigned *bundles) {
  const char *text = option_value(options, name);
  *bundles = 0;
  for (const char *c = text; c && *c; c++) {
    const unsigned bundle = (unsigned)(*c - '0');
    if (bundle >= DUPLEX_BUNDLES || *bundles >> bundle & 1 || (c[1] && (c[1] != ',' || !c[2])))
      return fail(EXIT_BAD_INPUT, "%s '%s': expected numbers from 0 to %d with commas between them", name,
                  text, DUPLEX_BUNDLES - 1);
    *bundles |= 1u << bundle;
    c += c[1] == ',';
  }
  return text && !*bundles ? fail(EXIT_BAD_INPUT, "%s '': expected numbers of bundles", name) : EXIT_GOOD;
}

// Bundles, rules and timing of the DRAM.
static int dram_options(const struct option *options, struct duplex_stack_options *wanted) {
  static const char *const rules[] = {"paper", "strict", NULL};
  static const char *const traffic[] = {"none", "stream", NULL};
  unsigned rule, streams;
  uint64_t rank_switch;
  if (bundles_option(options, "--bundles", &wanted->bundles) ||
      choice_option(options, "--activation-rule", rules, &rule) ||
      choice_option(options, "--xpu-traffic", traffic, &streams) ||
      number_option(options, "--rank-switch", 0, 2, 0, &rank_switch))
    return EXIT_BAD_INPUT;
  const char *preset = option_value(options, "--dram-preset");
  if (preset && !duplex_dram_preset(preset))
    return fail(EXIT_BAD_INPUT, "--dram-preset '%s': expected a preset that duplex info lists", preset);
  wanted->strict = rule == 1;
  wanted->backend.dram_preset = preset;
  wanted->backend.rank_switch = (unsigned)rank_switch;
  wanted->backend.xpu_traffic = streams == 1;
  return EXIT_GOOD;
}

int open_stack(const struct option *options, struct outputs *outputs, struct duplex_stack **stack) {
  static const char *const backends[] = {"cmodel", "rtl", NULL};
  unsigned backend, stripe;
  uint64_t channels, threads, seed, from, to;
  char error_text[512];
  *stack = NULL;
  if (choice_option(options, "--backend", backends, &backend) || check_rtl_only(options, backend == 1) ||
      number_option(options, "--channels", 1, DUPLEX_CHANNELS, DUPLEX_CHANNELS, &channels) ||
      number_option(options, "--threads", 1, 1024, 0, &threads) ||
      number_option(options, "--seed", 0, UINT64_MAX, 1, &seed) ||
      number_option(options, "--trace-from", 0, UINT64_MAX, 0, &from) ||
      number_option(options, "--trace-to", 1, UINT64_MAX, 0, &to))
    return EXIT_BAD_INPUT;
  struct duplex_stack_options wanted = {
      .backend = {
          .channels = (unsigned)channels, .threads = (unsigned)threads, .trace_from = from, .trace_to = to}};
  struct duplex_riscv_options riscv = {0};
  if (dram_options(options, &wanted) || bundles_option(options, "--stripe", &stripe) ||
      open_files(options, outputs) || firmware_options(options, outputs, &wanted, &riscv))
    return EXIT_BAD_INPUT;
  wanted.backend.trace_file = output_name(outputs, option_value(options, "--trace"));
  wanted.backend.command_file = output_name(outputs, option_value(options, "--command-trace"));
  const int error = duplex_stack_open(backends[backend], &wanted, stack, error_text, sizeof error_text);
  if (error) return fail(exit_status(error), "%s", error_text);
  if (!stripe || duplex_stack_set_stripe(*stack, stripe) == DUPLEX_OK) return EXIT_GOOD;
  duplex_stack_close(*stack);
  return fail(EXIT_BAD_INPUT, "--stripe '%s': expected some of the bundles of --bundles",
              option_value(options, "--stripe"));
}
