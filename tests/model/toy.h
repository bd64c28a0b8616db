// SPDX-License-Identifier: Apache-2.0
// Small models of every architecture with random weights, as folders of config.json and model.safetensors,
// for tests and for the script that makes the golden logits.
#ifndef DUPLEX_TEST_TOY_H
#define DUPLEX_TEST_TOY_H

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "duplex/numerics.h"
#include "duplex/random.h"
#include "tests/numerics/f32_bits.h"

enum toy_type { TOY_F16, TOY_BF16, TOY_F32 };

enum experts_form {
  NO_EXPERTS,
  MIXTRAL_EXPERTS,
  SINGLE_EXPERTS,
  FUSED_EXPERTS,
  GRANITE_EXPERTS,
  GPT_OSS_EXPERTS,
  DEEPSEEK_EXPERTS  // and latent attention
};

// Sizes of latent attention and of what lies beside the experts.
enum { TOY_Q_RANK = 24, TOY_KV_RANK = 32, TOY_PLAIN = 20, TOY_ROPE = 12, TOY_VALUE = 18, TOY_SHARED = 2 };

struct toy {
  const char *name, *architecture, *model_type;
  unsigned hidden, layers, heads, kv_heads, head_size, inner, experts, chosen, vocabulary;
  enum experts_form form;
  bool qk_norm, whole_norm, tied, bias;
  const char *more;  // lines of config.json
};

static const struct toy toys[] = {
    {"mixtral", "MixtralForCausalLM", "mixtral", 64, 2, 4, 2, 16, 96, 4, 2, 160, MIXTRAL_EXPERTS,
     .more = "\"num_local_experts\": 4, \"num_experts_per_tok\": 2, \"rope_theta\": 1000000.0, "
             "\"sliding_window\": null"},
    {"mixtral_fused", "MixtralForCausalLM", "mixtral", 64, 2, 8, 2, 20, 80, 3, 1, 160, FUSED_EXPERTS,
     .more = "\"num_local_experts\": 3, \"num_experts_per_tok\": 1, \"head_dim\": 20, "
             "\"rope_parameters\": {\"rope_type\": \"default\", \"rope_theta\": 10000.0}"},
    {"qwen3_moe", "Qwen3MoeForCausalLM", "qwen3_moe", 64, 3, 4, 2, 32, 48, 8, 3, 176, SINGLE_EXPERTS,
     .qk_norm = true,
     .more =
         "\"num_experts\": 8, \"num_experts_per_tok\": 3, \"moe_intermediate_size\": 48, \"head_dim\": 32, "
         "\"norm_topk_prob\": true, \"decoder_sparse_step\": 1, \"mlp_only_layers\": [1], \"rope_theta\": "
         "1000000.0"},
    {"olmoe", "OlmoeForCausalLM", "olmoe", 64, 2, 4, 4, 16, 32, 8, 4, 144, SINGLE_EXPERTS, .qk_norm = true,
     .whole_norm = true,
     .more = "\"num_experts\": 8, \"num_experts_per_tok\": 4, \"norm_topk_prob\": false, "
             "\"clip_qkv\": 1.0, \"rope_theta\": 10000.0"},
    {"granitemoe", "GraniteMoeForCausalLM", "granitemoe", 48, 2, 4, 2, 12, 64, 4, 2, 144, GRANITE_EXPERTS,
     .tied = true,
     .more = "\"num_local_experts\": 4, \"num_experts_per_tok\": 2, \"embedding_multiplier\": 12.0, "
             "\"attention_multiplier\": 0.0625, \"residual_multiplier\": 0.22, \"logits_scaling\": 6.0, "
             "\"rope_theta\": 10000.0"},
    {"llama", "LlamaForCausalLM", "llama", 64, 2, 4, 1, 16, 112, 0, 0, 160, NO_EXPERTS, .tied = true,
     .more =
         "\"rope_theta\": 500000.0, \"rope_scaling\": {\"rope_type\": \"llama3\", \"factor\": 8.0, "
         "\"low_freq_factor\": 1.0, \"high_freq_factor\": 4.0, \"original_max_position_embeddings\": 64}"},
    {"llama_bias", "LlamaForCausalLM", "llama", 64, 2, 4, 2, 16, 112, 0, 0, 160, NO_EXPERTS, .bias = true,
     .more = "\"attention_bias\": true, \"mlp_bias\": true, \"rope_theta\": 10000.0, \"rope_scaling\": "
             "{\"type\": \"linear\", "
             "\"factor\": 4.0}"},
    {"llama_group", "LlamaForCausalLM", "llama", 68, 2, 34, 2, 16, 80, 0, 0, 160, NO_EXPERTS,
     .more = "\"head_dim\": 16, \"rope_theta\": 10000.0"},
    {"llama_wide", "LlamaForCausalLM", "llama", 16, 1, 1, 1, 258, 16, 0, 0, 20,
     NO_EXPERTS,  // of no golden logits
     .more = "\"head_dim\": 258, \"rope_theta\": 10000.0"},
    {"mistral", "MistralForCausalLM", "mistral", 64, 2, 4, 2, 16, 112, 0, 0, 160, NO_EXPERTS,
     .more = "\"rope_theta\": 10000.0, \"sliding_window\": 256"},
    {"qwen3", "Qwen3ForCausalLM", "qwen3", 64, 2, 4, 2, 32, 112, 0, 0, 160, NO_EXPERTS, .qk_norm = true,
     .tied = true,
     .more = "\"head_dim\": 32, \"rope_theta\": 1000000.0, \"rope_scaling\": {\"rope_type\": \"yarn\", "
             "\"factor\": 4.0, "
             "\"original_max_position_embeddings\": 64}, \"use_sliding_window\": false"},
    {"mistral_window", "MistralForCausalLM", "mistral", 64, 2, 4, 2, 16, 112, 0, 0, 160, NO_EXPERTS,
     .more = "\"rope_theta\": 10000.0, \"sliding_window\": 20"},
    {"mixtral_window", "MixtralForCausalLM", "mixtral", 64, 2, 4, 2, 16, 96, 4, 2, 160, MIXTRAL_EXPERTS,
     .more = "\"num_local_experts\": 4, \"num_experts_per_tok\": 2, \"rope_theta\": 1000000.0, "
             "\"sliding_window\": 8"},
    {"qwen3_window", "Qwen3ForCausalLM", "qwen3", 64, 3, 4, 2, 32, 112, 0, 0, 160, NO_EXPERTS,
     .qk_norm = true, .tied = true,
     .more = "\"head_dim\": 32, \"rope_theta\": 1000000.0, \"use_sliding_window\": true, "
             "\"sliding_window\": 13, \"layer_types\": [\"full_attention\", \"sliding_attention\", "
             "\"full_attention\"]"},
    {"qwen3_moe_window", "Qwen3MoeForCausalLM", "qwen3_moe", 64, 2, 4, 2, 32, 48, 8, 3, 176, SINGLE_EXPERTS,
     .qk_norm = true,
     .more =
         "\"num_experts\": 8, \"num_experts_per_tok\": 3, \"moe_intermediate_size\": 48, \"head_dim\": 32, "
         "\"norm_topk_prob\": true, \"rope_theta\": 1000000.0, \"use_sliding_window\": true, "
         "\"sliding_window\": 16, \"max_window_layers\": 0"},
    {"gpt_oss_window", "GptOssForCausalLM", "gpt_oss", 64, 3, 4, 2, 16, 48, 5, 2, 160, GPT_OSS_EXPERTS,
     .bias = true,
     .more =
         "\"num_local_experts\": 5, \"num_experts_per_tok\": 2, \"head_dim\": 16, \"sliding_window\": 10, "
         "\"swiglu_limit\": 1.5, \"swiglu_alpha\": 1.702, \"attention_bias\": true, \"rope_theta\": "
         "150000.0, "
         "\"rope_scaling\": {\"rope_type\": \"yarn\", \"factor\": 8.0, \"beta_fast\": 32.0, \"beta_slow\": "
         "1.0, \"truncate\": false, \"original_max_position_embeddings\": 64}"},
    {"deepseek_v3", "DeepseekV3ForCausalLM", "deepseek_v3", 64, 3, 4, 4, 32, 32, 8, 3, 160, DEEPSEEK_EXPERTS,
     .more =
         "\"q_lora_rank\": 24, \"kv_lora_rank\": 32, \"qk_nope_head_dim\": 20, \"qk_rope_head_dim\": 12, "
         "\"v_head_dim\": 18, \"n_routed_experts\": 8, \"num_experts_per_tok\": 3, \"n_shared_experts\": 2, "
         "\"moe_intermediate_size\": 32, \"n_group\": 4, \"topk_group\": 2, \"norm_topk_prob\": true, "
         "\"routed_scaling_factor\": 2.5, \"first_k_dense_replace\": 1, \"rope_theta\": 10000.0, "
         "\"rope_scaling\": {\"type\": \"yarn\", \"factor\": 8.0, \"mscale\": 1.0, \"mscale_all_dim\": 0.8, "
         "\"original_max_position_embeddings\": 64}"},
    {"deepseek_v3_plain", "DeepseekV3ForCausalLM", "deepseek_v3", 64, 2, 4, 4, 32, 32, 8, 3, 160,
     DEEPSEEK_EXPERTS, .bias = true,
     .more =
         "\"q_lora_rank\": null, \"kv_lora_rank\": 32, \"qk_nope_head_dim\": 20, \"qk_rope_head_dim\": 12, "
         "\"v_head_dim\": 18, \"n_routed_experts\": 8, \"num_experts_per_tok\": 3, \"n_shared_experts\": 2, "
         "\"moe_intermediate_size\": 32, \"n_group\": 1, \"topk_group\": 1, \"norm_topk_prob\": false, "
         "\"routed_scaling_factor\": 1.0, \"first_k_dense_replace\": 0, \"rope_interleave\": false, "
         "\"attention_bias\": true, \"rope_theta\": 10000.0"},
};

// Names of the toys, NULL behind the last: those of the architectures, and variants of them.
static const char *const toy_names[] = {"mixtral",      "mixtral_fused",     "qwen3_moe",
                                        "olmoe",        "granitemoe",        "llama",
                                        "llama_bias",   "llama_group",       "mistral",
                                        "qwen3",        "mistral_window",    "mixtral_window",
                                        "qwen3_window", "qwen3_moe_window",  "gpt_oss_window",
                                        "deepseek_v3",  "deepseek_v3_plain", NULL};

// A file under way: its header grows while the values go to a second stream.
struct writer {
  enum toy_type type;
  struct duplex_random random;
  char *header;
  size_t header_size;
  FILE *head;
  char *data;
  size_t data_size, at;
  FILE *body;
};

static uint16_t bfloat(float value) {
  return (uint16_t)((bits_of(value) + 0x7fff + (bits_of(value) >> 16 & 1)) >> 16);
}

static void put_value(struct writer *writer, double value) {
  const uint16_t half = duplex_f16_from_double(value);
  const uint16_t brain = bfloat((float)value);
  const float wide = (float)duplex_f16_to_double(half);
  if (writer->type == TOY_F32)
    fwrite(&wide, 4, 1, writer->body);
  else
    fwrite(writer->type == TOY_F16 ? &half : &brain, 2, 1, writer->body);
}

// A tensor of normal values around `mean`.
static void tensor(struct writer *writer, double mean, double deviation, size_t a, size_t b, size_t c,
                   const char *format, ...) {
  static const char *const types[] = {"F16", "BF16", "F32"};
  const size_t count = a * (b ? b : 1) * (c ? c : 1);
  const size_t bytes = count * (writer->type == TOY_F32 ? 4 : 2);
  fprintf(writer->head, "%s\"", writer->at ? ", " : "");
  va_list arguments;
  va_start(arguments, format);
  vfprintf(writer->head, format, arguments);
  va_end(arguments);
  fprintf(writer->head, "\": {\"dtype\": \"%s\", \"shape\": [%zu", types[writer->type], a);
  if (b) fprintf(writer->head, ", %zu", b);
  if (c) fprintf(writer->head, ", %zu", c);
  fprintf(writer->head, "], \"data_offsets\": [%zu, %zu]}", writer->at, writer->at + bytes);
  writer->at += bytes;
  for (size_t i = 0; i < count; i++)
    put_value(writer, mean + deviation * duplex_random_normal(&writer->random));
}

static void matrix(struct writer *writer, size_t rows, size_t columns, const char *format, unsigned layer,
                   const char *name) {
  tensor(writer, 0, 1 / sqrt((double)columns), rows, columns, 0, format, layer, name);
}

static void put_latent(struct writer *w, const struct toy *toy, unsigned layer) {
  static const char form[] = "model.layers.%u.self_attn.%s.weight";
  static const char bias[] = "model.layers.%u.self_attn.%s.bias";
  const size_t q = (size_t)toy->heads * toy->head_size;
  if (toy->bias) {
    matrix(w, q, toy->hidden, form, layer, "q_proj");
    tensor(w, 0, 0.3, TOY_KV_RANK + TOY_ROPE, 0, 0, bias, layer, "kv_a_proj_with_mqa");
    tensor(w, 0, 0.3, toy->hidden, 0, 0, bias, layer, "o_proj");
  } else {
    matrix(w, TOY_Q_RANK, toy->hidden, form, layer, "q_a_proj");
    tensor(w, 1, 0.2, TOY_Q_RANK, 0, 0, form, layer, "q_a_layernorm");
    matrix(w, q, TOY_Q_RANK, form, layer, "q_b_proj");
  }
  matrix(w, TOY_KV_RANK + TOY_ROPE, toy->hidden, form, layer, "kv_a_proj_with_mqa");
  tensor(w, 1, 0.2, TOY_KV_RANK, 0, 0, form, layer, "kv_a_layernorm");
  matrix(w, (size_t)toy->heads * (TOY_PLAIN + TOY_VALUE), TOY_KV_RANK, form, layer, "kv_b_proj");
  matrix(w, toy->hidden, (size_t)toy->heads * TOY_VALUE, form, layer, "o_proj");
}

static void put_attention(struct writer *w, const struct toy *toy, unsigned layer) {
  if (toy->form == DEEPSEEK_EXPERTS) {
    put_latent(w, toy, layer);
    return;
  }
  static const char form[] = "model.layers.%u.self_attn.%s.weight";
  const size_t q = (size_t)toy->heads * toy->head_size;
  const size_t k = (size_t)toy->kv_heads * toy->head_size;
  matrix(w, q, toy->hidden, form, layer, "q_proj");
  matrix(w, k, toy->hidden, form, layer, "k_proj");
  matrix(w, k, toy->hidden, form, layer, "v_proj");
  matrix(w, toy->hidden, q, form, layer, "o_proj");
  const size_t biases[] = {q, k, k, toy->hidden};
  static const char *const names[] = {"q_proj", "k_proj", "v_proj", "o_proj"};
  for (unsigned i = 0; i < 4 && toy->bias; i++)
    tensor(w, 0, 0.3, biases[i], 0, 0, "model.layers.%u.self_attn.%s.bias", layer, names[i]);
  if (toy->form == GPT_OSS_EXPERTS)
    tensor(w, 0, 1, toy->heads, 0, 0, "model.layers.%u.self_attn.sinks", layer);
  if (!toy->qk_norm) return;
  tensor(w, 1, 0.2, toy->whole_norm ? q : toy->head_size, 0, 0, form, layer, "q_norm");
  tensor(w, 1, 0.2, toy->whole_norm ? k : toy->head_size, 0, 0, form, layer, "k_norm");
}

static void put_dense(struct writer *w, const struct toy *toy, unsigned layer) {
  const size_t inner = toy->inner + (toy->experts ? 16 : 0);  // of a dense layer among sparse ones
  static const char form[] = "model.layers.%u.mlp.%s.weight";
  matrix(w, inner, toy->hidden, form, layer, "gate_proj");
  matrix(w, inner, toy->hidden, form, layer, "up_proj");
  matrix(w, toy->hidden, inner, form, layer, "down_proj");
  const size_t biases[] = {inner, inner, toy->hidden};
  static const char *const names[] = {"gate_proj", "up_proj", "down_proj"};
  for (unsigned i = 0; i < 3 && toy->bias; i++)
    tensor(w, 0, 0.3, biases[i], 0, 0, "model.layers.%u.mlp.%s.bias", layer, names[i]);
}

static void put_fused(struct writer *w, const struct toy *toy, unsigned layer, const char *gate_up,
                      const char *down) {
  const double hidden = 1 / sqrt(toy->hidden);
  const double inner = 1 / sqrt(toy->inner);
  tensor(w, 0, hidden, toy->experts, 2 * toy->inner, toy->hidden, gate_up, layer);
  tensor(w, 0, inner, toy->experts, toy->hidden, toy->inner, down, layer);
}

// By columns, gate and up in turn.
static void put_gpt_oss(struct writer *w, const struct toy *toy, unsigned layer) {
  static const char form[] = "model.layers.%u.mlp.experts.%s";
  const double hidden = 1 / sqrt(toy->hidden);
  tensor(w, 0, hidden, toy->experts, toy->hidden, 2 * toy->inner, form, layer, "gate_up_proj");
  tensor(w, 0, 0.3, toy->experts, 2 * toy->inner, 0, form, layer, "gate_up_proj_bias");
  tensor(w, 0, 1 / sqrt(toy->inner), toy->experts, toy->inner, toy->hidden, form, layer, "down_proj");
  tensor(w, 0, 0.3, toy->experts, toy->hidden, 0, form, layer, "down_proj_bias");
  tensor(w, 0, 0.3, toy->experts, 0, 0, "model.layers.%u.mlp.router.bias", layer);
}

static void put_singles(struct writer *w, const struct toy *toy, unsigned layer) {
  const bool mixtral = toy->form == MIXTRAL_EXPERTS;
  const char *form = mixtral ? "model.layers.%u.block_sparse_moe.experts.%u.%s.weight"
                             : "model.layers.%u.mlp.experts.%u.%s.weight";
  const double hidden = 1 / sqrt(toy->hidden);
  for (unsigned e = 0; e < toy->experts; e++) {
    tensor(w, 0, hidden, toy->inner, toy->hidden, 0, form, layer, e, mixtral ? "w1" : "gate_proj");
    tensor(w, 0, hidden, toy->inner, toy->hidden, 0, form, layer, e, mixtral ? "w3" : "up_proj");
    tensor(w, 0, 1 / sqrt(toy->inner), toy->hidden, toy->inner, 0, form, layer, e,
           mixtral ? "w2" : "down_proj");
  }
}

// The bias of the scores, and the FFN beside the experts.
static void put_beside(struct writer *w, const struct toy *toy, unsigned layer) {
  static const char form[] = "model.layers.%u.mlp.shared_experts.%s.weight";
  const size_t inner = (size_t)TOY_SHARED * toy->inner;
  tensor(w, 0, 0.1, toy->experts, 0, 0, "model.layers.%u.mlp.gate.e_score_correction_bias", layer);
  matrix(w, inner, toy->hidden, form, layer, "gate_proj");
  matrix(w, inner, toy->hidden, form, layer, "up_proj");
  matrix(w, toy->hidden, inner, form, layer, "down_proj");
}

static void put_experts(struct writer *w, const struct toy *toy, unsigned layer) {
  const char *router = toy->form == MIXTRAL_EXPERTS   ? "model.layers.%u.block_sparse_moe.gate.weight"
                       : toy->form == GRANITE_EXPERTS ? "model.layers.%u.block_sparse_moe.router.layer.weight"
                       : toy->form == GPT_OSS_EXPERTS ? "model.layers.%u.mlp.router.weight"
                                                      : "model.layers.%u.mlp.gate.weight";
  tensor(w, 0, 2 / sqrt(toy->hidden), toy->experts, toy->hidden, 0, router, layer);
  if (toy->form == FUSED_EXPERTS)
    put_fused(w, toy, layer, "model.layers.%u.mlp.experts.gate_up_proj",
              "model.layers.%u.mlp.experts.down_proj");
  else if (toy->form == GRANITE_EXPERTS)
    put_fused(w, toy, layer, "model.layers.%u.block_sparse_moe.input_linear.weight",
              "model.layers.%u.block_sparse_moe.output_linear.weight");
  else if (toy->form == GPT_OSS_EXPERTS)
    put_gpt_oss(w, toy, layer);
  else
    put_singles(w, toy, layer);
  if (toy->form == DEEPSEEK_EXPERTS) put_beside(w, toy, layer);
}

static bool is_sparse(const struct toy *toy, unsigned layer) {
  return toy->experts && !(layer == 1 && strcmp(toy->name, "qwen3_moe") == 0) &&
         !(layer == 0 && strcmp(toy->name, "deepseek_v3") == 0);
}

static void put_tensors(struct writer *w, const struct toy *toy) {
  tensor(w, 0, toy->tied ? 0.02 : 1, toy->vocabulary, toy->hidden, 0, "model.embed_tokens.weight");
  for (unsigned layer = 0; layer < toy->layers; layer++) {
    tensor(w, 1, 0.2, toy->hidden, 0, 0, "model.layers.%u.input_layernorm.weight", layer);
    put_attention(w, toy, layer);
    tensor(w, 1, 0.2, toy->hidden, 0, 0, "model.layers.%u.post_attention_layernorm.weight", layer);
    if (is_sparse(toy, layer))
      put_experts(w, toy, layer);
    else
      put_dense(w, toy, layer);
  }
  tensor(w, 1, 0.2, toy->hidden, 0, 0, "model.norm.weight");
  if (!toy->tied) tensor(w, 0, 1 / sqrt(toy->hidden), toy->vocabulary, toy->hidden, 0, "lm_head.weight");
}

static FILE *create(const char *folder, const char *name) {
  char path[4096];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  return fopen(path, "wb");
}

static int finish(FILE *file) {
  const bool failed = ferror(file) != 0;
  return fclose(file) || failed ? -1 : 0;
}

static int write_config(const char *folder, const struct toy *toy, enum toy_type type) {
  static const char *const types[] = {"float16", "bfloat16", "float32"};
  FILE *file = create(folder, "config.json");
  if (!file) return -1;
  fprintf(file, "{\n\"architectures\": [\"%s\"],\n\"model_type\": \"%s\",\n", toy->architecture,
          toy->model_type);
  fprintf(file, "\"hidden_size\": %u, \"num_hidden_layers\": %u, \"num_attention_heads\": %u,\n", toy->hidden,
          toy->layers, toy->heads);
  fprintf(file, "\"num_key_value_heads\": %u, \"intermediate_size\": %u, \"vocab_size\": %u,\n",
          toy->kv_heads, toy->inner + (!toy->experts || (is_sparse(toy, 0) && is_sparse(toy, 1)) ? 0 : 16),
          toy->vocabulary);
  // The norms of latent attention have an epsilon of their own, which has to show.
  fprintf(file, "\"hidden_act\": \"silu\", \"rms_norm_eps\": %s, \"max_position_embeddings\": 512,\n",
          toy->form == DEEPSEEK_EXPERTS ? "0.01" : "1e-05");
  fprintf(file, "\"tie_word_embeddings\": %s, \"torch_dtype\": \"%s\",\n", toy->tied ? "true" : "false",
          types[type]);
  fprintf(file, "\"bos_token_id\": 1, \"eos_token_id\": 2,\n%s\n}\n", toy->more);
  return finish(file);
}

static int write_tensors(const char *folder, const struct writer *writer) {
  FILE *file = create(folder, "model.safetensors");
  if (!file) return -1;
  const uint64_t size = writer->header_size;
  fwrite(&size, sizeof size, 1, file);
  fwrite(writer->header, 1, writer->header_size, file);
  fwrite(writer->data, 1, writer->data_size, file);
  return finish(file);
}

// Writes the toy into a folder that there is. The same seed gives the same files. Values are exact in
// binary16, those of TOY_BF16 mostly at a row exponent only. Returns 0, or -1 with errno.
static inline int toy_write(const char *folder, const char *name, enum toy_type type, uint64_t seed) {
  const struct toy *toy = toys;
  const struct toy *end = toys + sizeof toys / sizeof *toys;
  while (toy < end && strcmp(toy->name, name) != 0) toy++;
  if (toy == end) {
    errno = EINVAL;
    return -1;
  }
  struct writer writer = {.type = type};
  duplex_random_seed(&writer.random, seed, 0);
  writer.head = open_memstream(&writer.header, &writer.header_size);
  writer.body = open_memstream(&writer.data, &writer.data_size);
  fputs("{", writer.head);
  put_tensors(&writer, toy);
  fputs("}", writer.head);
  fclose(writer.head);
  fclose(writer.body);
  int status = write_config(folder, toy, type);
  if (!status) status = write_tensors(folder, &writer);
  free(writer.header);
  free(writer.data);
  return status;
}

#endif
