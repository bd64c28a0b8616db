// SPDX-License-Identifier: Apache-2.0
// Pointers and options of a caller, checked before anything is done.
#include "driver/arguments.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "driver/stack_error.h"
#include "duplex/error.h"
#include "duplex/hbm.h"

#define RANK_SWITCH_MOST 2u

int need_process(struct duplex_stack *stack) {
  if (!stack) return DUPLEX_ERROR_ARGUMENT;
  return stack->shared->process == getpid()
             ? DUPLEX_OK
             : stack_fail(stack, DUPLEX_ERROR_ARGUMENT,
                          "another process opened the stack: after fork a child opens its own");
}

int need(struct duplex_stack *stack, const char *name, const void *pointer) {
  const int error = need_process(stack);
  if (error) return error;
  return pointer ? DUPLEX_OK
                 : stack_fail(stack, DUPLEX_ERROR_ARGUMENT, "%s is NULL: expected a pointer", name);
}

int need_f16(struct duplex_stack *stack, const char *name, const duplex_f16 *pointer) {
  const int error = need(stack, name, pointer);
  if (error || (uintptr_t)pointer % sizeof *pointer == 0) return error;
  return stack_fail(stack, DUPLEX_ERROR_ARGUMENT,
                    "%s lies at an odd address: expected one of binary16 numbers", name);
}

int need_weights(struct duplex_stack *stack, const char *name, const struct duplex_weights *weights) {
  const int error = need(stack, name, weights);
  if (error || handle_is_of(&stack->weights, weights)) return error;
  return stack_fail(
      stack, DUPLEX_ERROR_ARGUMENT,
      "%s: the weights are not resident on this stack: they were released, or are another stack's", name);
}

int need_cache(const struct duplex_kv_cache *cache) {
  if (!cache) return DUPLEX_ERROR_ARGUMENT;
  const int error = need_process(cache->stack);
  if (error) return error;
  return cache->handle.live ? DUPLEX_OK
                            : stack_fail(cache->stack, DUPLEX_ERROR_ARGUMENT, "the KV cache is closed");
}

int need_sequence(const struct duplex_sequence *sequence) {
  if (!sequence) return DUPLEX_ERROR_ARGUMENT;
  const int error = need_process(sequence->cache->stack);
  if (error) return error;
  return sequence->handle.live
             ? DUPLEX_OK
             : stack_fail(sequence->cache->stack, DUPLEX_ERROR_ARGUMENT, "the sequence was freed");
}

// The text of an option that is out of its range.
__attribute__((format(printf, 3, 4))) static int refuse(char *text, size_t size, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  if (text && size) vsnprintf(text, size, format, arguments);
  va_end(arguments);
  return DUPLEX_ERROR_ARGUMENT;
}

// What a stack may be opened with; otherwise a text that names the option and what was expected.
static int check_backend_options(const struct duplex_backend_options *o, char *text, size_t size) {
  if (o->channels < 1 || o->channels > DUPLEX_CHANNELS)
    return refuse(text, size, "%u channels: expected 1 to %d", o->channels, (int)DUPLEX_CHANNELS);
  if (o->threads > DUPLEX_THREADS_MOST)
    return refuse(text, size, "%u threads: expected at most %u, 0 for one of each core", o->threads,
                  DUPLEX_THREADS_MOST);
  if (o->rank_switch > RANK_SWITCH_MOST)
    return refuse(text, size, "rank switch of %u tCK: expected 0 to %u", o->rank_switch, RANK_SWITCH_MOST);
  if (!duplex_dram_preset(o->dram_preset))
    return refuse(text, size, "DRAM preset '%s': expected %s or %s", o->dram_preset,
                  duplex_dram_presets[0].name, duplex_dram_presets[1].name);
  return DUPLEX_OK;
}

int check_stack_options(const struct duplex_stack_options *options, char *text, size_t size) {
  if (!options) return refuse(text, size, "the options are NULL: expected a pointer");
  const int error = check_backend_options(&options->backend, text, size);
  if (error) return error;
  if (options->bundles > ALL_BUNDLES)
    return refuse(text, size, "bundles 0x%x: expected a mask of bundles 0 to %d", options->bundles,
                  DUPLEX_BUNDLES - 1);
  const struct duplex_riscv_options *riscv = options->riscv;
  if (riscv && !(riscv->instructions_per_clock >= 0 && isfinite(riscv->instructions_per_clock)))
    return refuse(text, size, "%g instructions per clock: expected a positive number, or 0 for the usual one",
                  riscv->instructions_per_clock);
  if (riscv && riscv->gdb_port > UINT16_MAX)
    return refuse(text, size, "port %u for GDB: expected 1 to %u, or 0 for none", riscv->gdb_port,
                  UINT16_MAX);
  return DUPLEX_OK;
}
