// SPDX-License-Identifier: Apache-2.0
// The scheduler of a simulation.
#include "cli/serve_scheduler.h"

#include "cli/command.h"

static const char *const names[] = {"stage", "vllm", NULL};

static int whole_of_vllm(const struct option *options, const char *name, unsigned least, unsigned usual,
                         unsigned *number) {
  uint64_t value;
  const int status = number_option(options, name, least, 1 << 24, usual, &value);
  *number = (unsigned)value;
  return status;
}

// What only vLLM's scheduler has is refused with another one.
static int refuse_of_vllm(const struct option *options) {
  static const char *const of_vllm[] = {"--max-num-seqs", "--max-num-batched-tokens", "--block-size",
                                        "--prefix-cache", "--hash-block"};
  for (unsigned i = 0; i < sizeof of_vllm / sizeof *of_vllm; i++)
    if (option_value(options, of_vllm[i]))
      return fail(EXIT_BAD_INPUT, "%s: expected --scheduler vllm with it", of_vllm[i]);
  return EXIT_GOOD;
}

// A prompt has a hash for each part of --hash-block tokens, with or without the rest: with another number
// the hashes are of other parts. A prompt without hashes begins like no other.
static int check_hashes(const struct serving_options *s) {
  for (size_t i = 0; i < s->trace->count; i++) {
    const struct serving_trace_request *r = &s->trace->list[i];
    const unsigned whole = r->input / s->hash_block;
    const unsigned all = whole + (r->input % s->hash_block > 0);
    if (r->hash_count == 0 || r->hash_count == whole || r->hash_count == all) continue;
    return fail(
        EXIT_BAD_INPUT,
        "--trace %s:%zu: %u hash_ids of %u tokens, expected %u: one for each %u, as --hash-block says",
        s->trace->path, r->line, r->hash_count, r->input, all, s->hash_block);
  }
  return EXIT_GOOD;
}

// Prompts that begin alike are known by the hashes of a trace.
static int check_prefix_cache(const struct serving_options *s) {
  if (!s->prefix_cache) return EXIT_GOOD;
  if (s->trace->hash_count == 0)
    return fail(EXIT_BAD_INPUT, "--prefix-cache: expected --trace with hash_ids, as mooncake has them");
  if (s->hash_block % s->block_size == 0) return check_hashes(s);
  return fail(EXIT_BAD_INPUT, "--hash-block is %u: expected a multiple of --block-size, %u", s->hash_block,
              s->block_size);
}

int serve_scheduler_read(const struct option *options, struct serving_options *s) {
  unsigned scheduler;
  if (choice_option(options, "--scheduler", names, &scheduler)) return EXIT_BAD_INPUT;
  s->scheduler = (enum serving_scheduler)scheduler;
  s->prefix_cache = option_value(options, "--prefix-cache") != NULL;
  return whole_of_vllm(options, "--max-num-seqs", 1, 128, &s->most_sequences) ||
                 whole_of_vllm(options, "--max-num-batched-tokens", 1, 2048, &s->most_tokens) ||
                 whole_of_vllm(options, "--block-size", 1, 16, &s->block_size) ||
                 whole_of_vllm(options, "--hash-block", 1, 512, &s->hash_block)
             ? EXIT_BAD_INPUT
             : EXIT_GOOD;
}

int serve_scheduler_check(const struct option *options, const struct serving_options *s) {
  if (s->scheduler != SERVING_VLLM) return refuse_of_vllm(options);
  if (s->mode == SERVING_AUTHORS)
    return fail(EXIT_BAD_INPUT, "--scheduler vllm with --mode authors: expected another mode");
  const bool open = serving_is_open(s) || option_value(options, "--find-rate");
  if (open && option_value(options, "--batch"))
    return fail(EXIT_BAD_INPUT,
                "--batch with --scheduler vllm and requests that come by themselves: expected "
                "--max-num-seqs");
  if (s->most_tokens >= s->most_sequences) return check_prefix_cache(s);
  return fail(EXIT_BAD_INPUT, "--max-num-batched-tokens is %u: expected at least the %u of --max-num-seqs",
              s->most_tokens, s->most_sequences);
}

json_t *serve_scheduler_json(const struct serving_options *s, const struct serving_result *r) {
  json_t *object = json_pack("{s:s, s:i, s:s}", "scheduler", names[s->scheduler], "prefill_nodes",
                             (int)s->prefill_nodes, "imbalance", s->imbalance ? s->imbalance : "uniform");
  if (s->scheduler == SERVING_VLLM)
    json_object_update_new(
        object, json_pack("{s:i, s:i, s:i, s:I, s:b, s:I, s:I}", "max_num_seqs", (int)s->most_sequences,
                          "max_num_batched_tokens", (int)s->most_tokens, "block_size", (int)s->block_size,
                          "preemptions", (json_int_t)r->preemptions, "prefix_cache", (int)s->prefix_cache,
                          "prompt_tokens", (json_int_t)r->prompt_tokens, "cached_tokens",
                          (json_int_t)r->cached_tokens));
  return object;
}
