// SPDX-License-Identifier: Apache-2.0
// duplex info: geometry, version, what this build and this machine can do.
#include <stdio.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/messages.h"
#include "cli/model_info.h"
#include "duplex/backend.h"
#include "duplex/dram_presets.h"
#include "duplex/gemm.h"
#include "duplex/params.h"
#include "duplex/registers.h"

static void print_processor(void) {
  printf("processor              ");
#if defined(__x86_64__)
  printf("x86-64%s%s%s", __builtin_cpu_supports("avx2") ? ", avx2" : "",
         __builtin_cpu_supports("fma") ? ", fma" : "", __builtin_cpu_supports("avx512f") ? ", avx512f" : "");
#else
  printf("not x86-64");
#endif
  printf("; kernel %s, %ld cores\n", duplex_gemm_kernels(), sysconf(_SC_NPROCESSORS_ONLN));
}

static void print_back_ends(void) {
  unsigned built = 0;
  printf("back end cmodel        1 to %d channels\n", DUPLEX_CHANNELS);
  printf("back end rtl           built for channels:");
  for (unsigned channels = 1; channels <= DUPLEX_CHANNELS; channels++)
    if (duplex_rtl_built(channels)) printf("%s %u", built++ ? "," : "", channels);
  const char *cannot = duplex_rtl_cannot_build();
  printf("%s; %s%s\n", built ? "" : " none",
         cannot ? "no others: " : "others are Verilated at their first use", cannot ? cannot : "");
}

// What a stack of these parameters has and reaches, a line for each; the peaks are products of parameters.
static void print_stack(void) {
  const double clock = DUPLEX_CLOCK_KHZ * 1e3;
  const unsigned long long stack_bytes =
      (unsigned long long)DUPLEX_CHANNELS * DUPLEX_BUNDLES * DUPLEX_BANK_ROWS * DUPLEX_ROW_SET_BYTES;
  printf("version                %s, register map %u\n", DUPLEX_VERSION_TEXT, DUPLEX_VERSION_VALUE_RESET);
  printf("channels               %d, each %d lanes x %d-wide exact dot product = %d MACs\n", DUPLEX_CHANNELS,
         DUPLEX_LANES, DUPLEX_WIDTH, DUPLEX_LANES * DUPLEX_WIDTH);
  printf("peak                   %.1f TFLOPS, %.2f TB/s a stack at %.0f MHz\n",
         2.0 * DUPLEX_CHANNELS * DUPLEX_LANES * DUPLEX_WIDTH * clock * 1e-12,
         DUPLEX_CHANNELS * DUPLEX_BEAT_BYTES * clock * 1e-12, clock * 1e-6);
  printf("accumulators           %d rows x %d lanes x %d bits, LSB 2^-%d\n", DUPLEX_ROWS, DUPLEX_LANES,
         DUPLEX_SUM_BITS, DUPLEX_SUM_FRACTION_BITS);
  printf("DRAM                   %d bundles x %d rows x %d bytes a channel = %llu GB a stack\n",
         DUPLEX_BUNDLES, DUPLEX_BANK_ROWS, DUPLEX_ROW_SET_BYTES, stack_bytes >> 30);
  for (unsigned i = 0; i < DUPLEX_DRAM_PRESETS; i++)
    printf("DRAM preset            %s, tCK %u ps\n", duplex_dram_presets[i].name,
           duplex_dram_presets[i].tCK_ps);
  printf("shared buffers         %d x %d KB\n", DUPLEX_SHARED_BUFFERS,
         DUPLEX_SHARED_WORDS * DUPLEX_WORD_BYTES / 1024);
  print_back_ends();
  print_processor();
}

static const struct option own_options[] = {
    {"--model", "DIR|FILE",
     "a model in place of the hardware: a folder with config.json and .safetensors, or a GGUF file; its "
     "description, its tensors, and how many weights binary16 with an exponent per row rounds",
     0, 0},
    {"--tokens", "TEXT", "the tokens of a text, by the tokenizer of --model, instead", 0, 0},
    {0}};

static int run_info(int argc, char **argv) {
  struct option options[OPTIONS_MOST];
  const int status = command_read(&info_command, argc, argv, options);
  const char *model = option_value(options, "--model");
  const char *tokens = option_value(options, "--tokens");
  if (status) return status;
  if (tokens && !model) return fail(EXIT_BAD_INPUT, "--tokens needs --model");
  if (tokens) return print_model_tokens(model, tokens);
  if (model) return print_model(model);
  print_stack();
  return EXIT_GOOD;
}

const struct command info_command = {
    "info",
    "",
    "geometry, version, back ends; what is in the files of a model",
    "Geometry of a stack, version, what this build and this machine can do. With --model: what a model is.\n",
    own_options,
    false,
    run_info};
