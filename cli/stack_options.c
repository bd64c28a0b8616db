// SPDX-License-Identifier: Apache-2.0
// Options and errors of the commands that run on a stack.
#include "cli/stack_options.h"

#include "cli/messages.h"
#include "cli/options.h"
#include "cli/output.h"
#include "duplex/error.h"
#include "duplex/hbm.h"

const struct option stack_options[] = {
    {"--backend", "cmodel|rtl", "the C model (default) or the Verilated RTL", 0, 0},
    {"--channels", "N", "channels of the stack, 1 to 32 (default 32)", 0, 0},
    {"--threads", "N", "host threads of the C model (default all cores)", 0, 0},
    {"--quiet", NULL, "no line of progress on a terminal", 0, 0},
    {"--bundles", "LIST", "bundles that Logic-PIM owns and streams from (default 0,1,2,3)", 0, 0},
    {"--stripe", "LIST", "those of them in which the weights lie (default all of them)", 0, 0},
    {"--activation-rule", "paper|strict",
     "strict: at most four bank activations of a rank within tFAW (default paper)", 0, 0},
    {"--dram-preset", "hbm3_5200|hbm3_6400", "timing of the DRAM (default hbm3_5200)", 0, 0},
    {"--rank-switch", "0|1|2", "tCK that a data bus needs to turn to the other rank (default 0)", 0, 0},
    {"--xpu-traffic", "none|stream",
     "stream: the xPU reads at full rate from the bundles that it owns (default none)", 0, 0},
    {"--trace", "FILE.fst", "waveform of the RTL: clock n of the stack is n ns in it", 0, 0},
    {"--trace-from", "CLOCK", "first clock of the waveform (default 0)", 0, 0},
    {"--trace-to", "CLOCK", "last clock of the waveform (default: that of the end)", 0, 0},
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
  *rate = 0;
  if (!text || (read_real(text, rate) && *rate >= 0.001 && *rate <= 1000)) return EXIT_GOOD;
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
    if (option_value(options, names[i]) &&
        output_add(outputs, names[i], option_value(options, names[i]), OUTPUT_TEXT))
      return EXIT_BAD_INPUT;
  riscv->elf = option_value(options, "--firmware-elf");
  riscv->gdb_port = (unsigned)port;
  wanted->riscv = kind == 1 ? riscv : NULL;
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

int exit_status_of(int error) {
  switch (error) {
    case DUPLEX_ERROR_ARGUMENT:
    case DUPLEX_ERROR_FORMAT:
    case DUPLEX_ERROR_NO_MEMORY:
    case DUPLEX_ERROR_OUT_OF_SPACE:
      return EXIT_BAD_INPUT;
    default:
      return EXIT_ERROR;
  }
}

int stack_error(const struct duplex_stack *stack, int error) {
  return fail(exit_status_of(error), "%s", duplex_stack_last_error(stack));
}

// Files of the command that runs on the stack, besides its tensors; the back end writes the traces itself.
static int add_files(const struct option *options, struct outputs *outputs) {
  static const struct {
    const char *name;
    enum output_format format;
  } files[] = {{"--stats", OUTPUT_JSON}, {"--trace", OUTPUT_WAVE}, {"--command-trace", OUTPUT_TEXT}};
  for (unsigned i = 0; i < sizeof files / sizeof *files; i++) {
    const char *path = option_value(options, files[i].name);
    if (path && output_add(outputs, files[i].name, path, files[i].format)) return EXIT_BAD_INPUT;
  }
  return EXIT_GOOD;
}

// Numbers of bundles with commas between them, and blanks around both, each at most once.
static int bundles_option(const struct option *options, const char *name, unsigned *bundles) {
  const char *text = option_value(options, name);
  *bundles = 0;
  for (const char *at = text; at;) {
    at = skip_blanks(at);
    const unsigned bundle = (unsigned)(*at - '0');
    const char *next = skip_blanks(*at ? at + 1 : at);
    if (bundle >= DUPLEX_BUNDLES || (*next && *next != ','))
      return fail(EXIT_BAD_INPUT, "%s '%s': expected numbers from 0 to %d with commas between them", name,
                  text, DUPLEX_BUNDLES - 1);
    if (*bundles >> bundle & 1)
      return fail(EXIT_BAD_INPUT, "%s '%s': bundle %u is named twice", name, text, bundle);
    *bundles |= 1u << bundle;
    at = *next ? next + 1 : NULL;
  }
  return EXIT_GOOD;
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

double stack_clock_mhz(const struct option *options) {
  return duplex_dram_clock_khz(option_value(options, "--dram-preset")) / 1e3;
}

// Channels, threads, traces: what the back end gets.
static int backend_options(const struct option *options, struct wanted_stack *wanted) {
  static const char *const backends[] = {"cmodel", "rtl", NULL};
  unsigned backend;
  uint64_t channels, threads, seed, from, to;
  if (choice_option(options, "--backend", backends, &backend) || check_rtl_only(options, backend == 1) ||
      number_option(options, "--channels", 1, DUPLEX_CHANNELS, DUPLEX_CHANNELS, &channels) ||
      number_option(options, "--threads", 1, DUPLEX_THREADS_MOST, 0, &threads) ||
      number_option(options, "--seed", 0, UINT64_MAX, 1, &seed) ||
      number_option(options, "--trace-from", 0, UINT64_MAX, 0, &from) ||
      number_option(options, "--trace-to", 1, UINT64_MAX, 0, &to))
    return EXIT_BAD_INPUT;
  if (to && from > to)
    return fail(EXIT_BAD_INPUT, "--trace-from %llu: expected at most --trace-to, %llu",
                (unsigned long long)from, (unsigned long long)to);
  *wanted = (struct wanted_stack){
      .backend = backends[backend],
      .stack.backend = {
          .channels = (unsigned)channels, .threads = (unsigned)threads, .trace_from = from, .trace_to = to}};
  return EXIT_GOOD;
}

int read_stack_options(const struct option *options, struct outputs *outputs, struct wanted_stack *wanted) {
  if (backend_options(options, wanted) || dram_options(options, &wanted->stack) ||
      bundles_option(options, "--stripe", &wanted->stripe) || add_files(options, outputs) ||
      firmware_options(options, outputs, &wanted->stack, &wanted->riscv) || outputs_open(outputs))
    return EXIT_BAD_INPUT;
  wanted->stack.backend.trace_file = output_name(outputs, option_value(options, "--trace"));
  wanted->stack.backend.command_file = output_name(outputs, option_value(options, "--command-trace"));
  wanted->riscv.trace_file = output_name(outputs, option_value(options, "--firmware-trace"));
  wanted->riscv.profile_file = output_name(outputs, option_value(options, "--firmware-profile"));
  return EXIT_GOOD;
}

int open_stack(const struct option *options, struct outputs *outputs, struct duplex_stack **stack) {
  struct wanted_stack wanted;
  char error_text[512];
  *stack = NULL;
  if (read_stack_options(options, outputs, &wanted)) return EXIT_BAD_INPUT;
  wanted.stack.measure_overhead = wanted.stack.riscv && option_value(options, "--stats");
  const int error = duplex_stack_open(wanted.backend, &wanted.stack, stack, error_text, sizeof error_text);
  output_restore_name(outputs, error_text, sizeof error_text);
  name_file_option(options, error_text, sizeof error_text);
  if (error) return fail(exit_status_of(error), "%s", error_text);
  if (!wanted.stripe || duplex_stack_set_stripe(*stack, wanted.stripe) == DUPLEX_OK) return EXIT_GOOD;
  duplex_stack_close(*stack);
  return fail(EXIT_BAD_INPUT, "--stripe '%s': expected some of the bundles of --bundles",
              option_value(options, "--stripe"));
}

int close_stack(struct duplex_stack *stack, const struct outputs *outputs, int status) {
  char text[512];
  const int error = duplex_stack_end_files(stack);
  snprintf(text, sizeof text, "%s", duplex_stack_last_error(stack));
  duplex_stack_close(stack);
  if (status || !error) return status;
  output_restore_name(outputs, text, sizeof text);
  return fail(exit_status_of(error), "%s", text);
}
