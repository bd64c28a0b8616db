// SPDX-License-Identifier: Apache-2.0
// duplex info --model: what a model is, and what its weights become.
#include "cli/model_info.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/messages.h"
#include "cli/model_error.h"
#include "cli/progress.h"
#include "model/tokenizer.h"
#include "model/weights.h"

static void print_attention(const struct model_config *c) {
  static const char *const norms[] = {[MODEL_QK_NORM_NONE] = "",
                                      [MODEL_QK_NORM_HEAD] = ", q and k normed by head",
                                      [MODEL_QK_NORM_WHOLE] = ", q and k normed whole"};
  unsigned sliding = 0;
  for (unsigned i = 0; i < c->layers; i++) sliding += c->layer[i].sliding;
  printf("attention              %u heads of %u, %u of K and V%s%s%s\n", c->heads, c->head_size, c->kv_heads,
         norms[c->qk_norm], c->qkv_bias ? ", biases of q, k, v" : "", c->o_bias ? ", bias of o" : "");
  if (c->kv_rank)
    printf("latent attention       q of rank %u, k and v of %u; %u values of a head rotated; v of %u\n",
           c->q_rank, c->kv_rank, c->rope_size, c->value_size);
  if (sliding) printf("sliding window         %u positions, in %u layers\n", c->sliding_window, sliding);
  if (c->attention_scale != 0) printf("scale of scores        %.9g\n", c->attention_scale);
}

static void print_rope(const struct model_rope *rope) {
  static const char *const names[] = {[MODEL_ROPE_DEFAULT] = "default",
                                      [MODEL_ROPE_LINEAR] = "linear",
                                      [MODEL_ROPE_LLAMA3] = "llama3",
                                      [MODEL_ROPE_YARN] = "yarn"};
  printf("RoPE                   %s, theta %.9g", names[rope->type], rope->theta);
  if (rope->type != MODEL_ROPE_DEFAULT) printf(", factor %.9g", rope->factor);
  if (rope->original_positions > 0) printf(", %.9g positions before", rope->original_positions);
  printf("\n");
}

// What the layers have behind attention: dense FFNs, experts and the choice of them.
static void print_experts(const struct model_config *c) {
  static const char *const scores[XPU_SCORES] = {[XPU_SCORE_TOP_K_SOFTMAX] = "softmax over the chosen ones",
                                                 [XPU_SCORE_SOFTMAX] = "softmax over all",
                                                 [XPU_SCORE_SIGMOID] = "sigmoid"};
  unsigned sparse = 0;
  for (unsigned i = 0; i < c->layers; i++) sparse += c->layer[i].sparse;
  if (sparse < c->layers)
    printf("FFN                    %u, %s, in %u layers\n", c->inner, c->act, c->layers - sparse);
  if (!sparse) return;
  printf("experts                %u of %u, %s, in %u layers; %u a token\n", c->experts, c->expert_inner,
         c->act, sparse, c->chosen);
  printf("router                 %s%s", scores[c->score], c->renormalise ? ", renormalised" : "");
  if (c->groups)
    printf(", with a bias for the choice; %u of %u groups; weights times %.9g", c->groups_taken, c->groups,
           c->weights_scale);
  printf("\n");
  if (c->shared_inner) printf("beside the experts     an FFN of %u\n", c->shared_inner);
}

static void print_tokens(const struct model_config *c) {
  printf("vocabulary             %u%s; begin", c->vocabulary,
         c->tied_embeddings ? ", embedding and head tied" : "");
  if (c->begin_token == MODEL_NO_TOKEN) {
    printf(" none");
  } else {
    printf(" %u", c->begin_token);
  }
  printf(", end");
  for (unsigned i = 0; i < c->end_token_count; i++) printf(" %u", c->end_tokens[i]);
  printf("%s\n", c->end_token_count ? "" : " none");
}

static void print_config(const struct model_config *c) {
  printf("architecture           %s\n", model_architecture_name(c->architecture));
  printf("layers                 %u, hidden %u, %u positions\n", c->layers, c->hidden, c->positions);
  print_attention(c);
  print_rope(&c->rope);
  print_experts(c);
  print_tokens(c);
  printf("norms                  epsilon %.9g\n", c->norm_epsilon);
  if (c->embedding_scale != 1 || c->residual_scale != 1 || c->logits_divisor != 1)
    printf("multipliers            embedding %.9g, residual %.9g, logits 1 / %.9g\n", c->embedding_scale,
           c->residual_scale, c->logits_divisor);
}

// A model without a tokenizer that can be used still runs on tokens.
static int print_tokenizer(const char *path, uint32_t vocabulary) {
  struct model_tokenizer *tokenizer;
  struct model_error error;
  if (model_tokenizer_open(path, &tokenizer, &error)) {
    printf("tokenizer              none that can be used: %s\n", error.text);
    return EXIT_GOOD;
  }
  printf("tokenizer              %u tokens\n", model_tokenizer_size(tokenizer));
  const int code = model_tokenizer_check(tokenizer, vocabulary, &error);
  model_tokenizer_close(tokenizer);
  return code ? model_file_error(code, error.text) : EXIT_GOOD;
}

static void print_shape(const struct model_tensor *tensor) {
  char text[96];
  int used = 0;
  for (unsigned i = 0; i < tensor->rank; i++)
    used +=
        snprintf(text + used, sizeof text - (size_t)used, i ? ", %" PRIu64 : "%" PRIu64, tensor->shape[i]);
  printf("  %-60s %-5s %-22s", tensor->name, model_type_name(tensor->type), text);
}

// Prints a line for each tensor, with the number of its weights that are rounded, and their sum.
static int print_tensors(const struct model *model) {
  const struct model_tensors *tensors = model_tensors_of(model);
  uint64_t weights = 0;
  uint64_t inexact = 0;
  struct model_error error;
  printf("tensors                %zu: name, type in the file, shape, weights that are rounded\n",
         tensors->count);
  progress("converting the weights");
  for (size_t i = 0; i < tensors->count; i++) {
    uint64_t rounded = 0;
    const int code = model_tensor_inexact(&tensors->list[i], &rounded, &error);
    if (code) return model_file_error(code, error.text);
    progress_share(i + 1, tensors->count);
    print_shape(&tensors->list[i]);
    printf(" %" PRIu64 "\n", rounded);
    weights += tensors->list[i].count;
    inexact += rounded;
  }
  progress_end();
  printf("rounded                %" PRIu64 " of %" PRIu64 " weights\n", inexact, weights);
  return EXIT_GOOD;
}

int print_model(const char *path) {
  struct model *model;
  struct model_error error;
  const int code = model_open(path, &model, &error);
  if (code) return model_file_error(code, error.text);
  print_config(model_config_of(model));
  int status = print_tokenizer(path, model_config_of(model)->vocabulary);
  if (!status) status = print_tensors(model);
  model_close(model);
  return status;
}

int print_model_tokens(const char *path, const char *text) {
  struct model_tokenizer *tokenizer;
  struct model_tokens tokens = {0};
  struct model_error error;
  int code = model_tokenizer_open(path, &tokenizer, &error);
  if (code) return model_file_error(code, error.text);
  code = model_tokenizer_encode(tokenizer, text, strlen(text), true, &tokens, &error);
  for (size_t i = 0; i < tokens.count; i++) printf("%s%" PRIu32, i ? "," : "", tokens.list[i]);
  printf("\n");
  model_tokens_free(&tokens);
  model_tokenizer_close(tokenizer);
  return code ? model_file_error(code, error.text) : EXIT_GOOD;
}
