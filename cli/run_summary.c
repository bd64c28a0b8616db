// SPDX-License-Identifier: Apache-2.0
// Prints the summary of a run; the statistics of --stats have the same numbers and more.
#include "cli/run_summary.h"

#include <stdio.h>
#include <unistd.h>

#include "cli/json_values.h"
#include "cli/run_statistics.h"

static double rate(double count, double seconds) { return seconds > 0 ? count / seconds : 0; }

static double percent(double part, double whole) { return whole > 0 ? 100 * part / whole : 0; }

// Prints rate, energy and shares of both sides: what the statistics of a run have in device time.
static void tell_device(const struct generation_statistics *s) {
  const struct network_statistics *sum = &s->sum;
  const struct sides_work work = run_work(s);
  const double attention = network_clock_seconds(&sum->times, sum->times.attention_clocks);
  const double moe = network_clock_seconds(&sum->times, sum->times.moe_clocks);
  const double xpu = (double)sum->times.xpu_ps * 1e-12;
  const double busy = attention + moe + xpu;
  const double macs = (double)sum->xpu_macs + (double)sum->logic_pim_macs;
  fprintf(stderr, "device  %.4g tokens/s, %.3g mJ a token\n", rate((double)s->new_tokens, s->seconds),
          1e3 * rate(sides_energy(&work), (double)s->new_tokens));
  const double elements = (double)sum->times.elements_ps * 1e-12;
  fprintf(
      stderr,
      "time    %.1f%% products and head on the xPU, %.1f%% elements, %.1f%% attention, %.1f%% MoE layers\n",
      percent(xpu - elements, busy), percent(elements, busy), percent(attention, busy), percent(moe, busy));
  fprintf(stderr, "MACs    %.1f%% on the xPU, %.1f%% on Logic-PIM\n", percent((double)sum->xpu_macs, macs),
          percent((double)sum->logic_pim_macs, macs));
  if (sum->moe_layers)
    fprintf(stderr, "experts %llu on the xPU, %llu on Logic-PIM, %llu on both\n",
            (unsigned long long)sum->xpu_experts, (unsigned long long)sum->logic_pim_experts,
            (unsigned long long)sum->shared_experts);
}

// Prints what shared prefixes save; without stacks there is no time.
static void tell_shared(const struct generation_statistics *s, bool timed) {
  const double megabytes = 1e-6 * (double)(s->sum.unshared_kv_bytes - s->sum.kv_bytes);
  fprintf(stderr, "shared  %zu prefixes: %zu tokens not prefilled again", s->prefixes, s->saved_tokens);
  if (timed)
    fprintf(stderr, ", %.4g to %.4g ms; %.4g MB of K and V not read, %.4g ms", 1e3 * s->saved_prefill_least,
            1e3 * s->saved_prefill_most, megabytes, 1e3 * s->saved_stream_seconds);
  fprintf(stderr, "\n");
}

void run_summary(const struct generation_statistics *s, double seconds, bool timed) {
  if (s->tokens_from_nan)
    fprintf(stderr,
            "duplex: %zu of %zu new tokens were chosen from logits that are no numbers: %llu numbers "
            "were too large for binary16\n",
            s->tokens_from_nan, s->new_tokens, (unsigned long long)s->sum.overflows);
  if (!isatty(STDERR_FILENO)) return;
  fprintf(stderr, "tokens  %zu of prompts, %zu new, in %zu steps\n", s->prompt_tokens, s->new_tokens,
          s->steps);
  fprintf(stderr, "host    %.4g tokens/s\n", rate((double)s->new_tokens, seconds));
  if (timed) tell_device(s);
  if (s->prefixes) tell_shared(s, timed);
  if (s->sum.split_outputs)
    fprintf(stderr, "FFNs    rule N7 would have changed %llu of %llu outputs (%llu as binary16)\n",
            (unsigned long long)s->sum.split_changed_f32, (unsigned long long)s->sum.split_outputs,
            (unsigned long long)s->sum.split_changed_f16);
}
