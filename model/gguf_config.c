// SPDX-License-Identifier: Apache-2.0
// The description of a model from the metadata of a GGUF file.
#include "model/gguf_config.h"

#include <stdio.h>
#include <string.h>

struct class {
  const char *name;
  enum model_architecture dense, sparse;  // the same: only this kind is there
  enum model_qk_norm qk_norm;
  bool renormalise;
  bool paired_rows;
  bool multipliers;
};

static const struct class classes[] = {
    {"llama", MODEL_LLAMA, MODEL_MIXTRAL, MODEL_QK_NORM_NONE, true, true, false},
    {"qwen3", MODEL_QWEN3, MODEL_QWEN3, MODEL_QK_NORM_HEAD, false, false, false},
    {"qwen3moe", MODEL_QWEN3_MOE, MODEL_QWEN3_MOE, MODEL_QK_NORM_HEAD, true, false, false},
    {"olmoe", MODEL_OLMOE, MODEL_OLMOE, MODEL_QK_NORM_WHOLE, false, false, false},
    {"granitemoe", MODEL_GRANITE_MOE, MODEL_GRANITE_MOE, MODEL_QK_NORM_NONE, false, true, true},
};

// After the first failure nothing is read any more.
struct reader {
  struct model_gguf *gguf;
  const struct class *class;
  struct model_error *error;
  int status;
};

static void refuse(struct reader *r, const char *key, const char *expected) {
  if (!r->status)
    r->status =
        model_fail(r->error, DUPLEX_ERROR_FORMAT, "%s: %s: expected %s", r->gguf->path, key, expected);
}

// The value of architecture.key, or of the key alone if `own` is false.
static struct model_gguf_value *find(struct reader *r, bool own, const char *key) {
  char whole[96];
  snprintf(whole, sizeof whole, "%s%s%s", own ? r->class->name : "", own ? "." : "", key);
  return model_gguf_find(r->gguf, whole);
}

static unsigned integer(struct reader *r, bool own, const char *key, int64_t least, int64_t most,
                        unsigned otherwise) {
  const struct model_gguf_value *value = find(r, own, key);
  int64_t number;
  if (!value) return otherwise;
  if (!value->array && model_gguf_integer(value, 0, &number) && number >= least && number <= most)
    return (unsigned)number;
  char expected[80];
  snprintf(expected, sizeof expected, "one integer from %lld to %lld", (long long)least, (long long)most);
  refuse(r, key, expected);
  return otherwise;
}

static unsigned size(struct reader *r, const char *key, unsigned otherwise) {
  const unsigned number = integer(r, true, key, 1, MODEL_SIZE_MOST, otherwise);
  if (!number) refuse(r, key, "this key");
  return number ? number : 1;
}

static double real(struct reader *r, const char *key, double otherwise) {
  const struct model_gguf_value *value = find(r, true, key);
  double number = otherwise;
  if (value && (value->array || !model_gguf_real(value, 0, &number))) refuse(r, key, "one number");
  return number;
}

static bool find_text(struct reader *r, bool own, const char *key, struct model_text *text) {
  const struct model_gguf_value *value = find(r, own, key);
  const uint8_t *at = NULL;
  if (!value) return false;
  if (!value->array && model_gguf_text(value, &at, text)) return true;
  refuse(r, key, "a text");
  return false;
}

// A file is a whole model: no part of several files, no adapter of another one.
static void refuse_parts(struct reader *r) {
  struct model_text type;
  if (integer(r, false, "split.count", 0, UINT16_MAX, 0) > 1)
    refuse(r, "split.count", "one file of all tensors");
  if (find_text(r, false, "general.type", &type) && !model_text_is(type, "model"))
    refuse(r, "general.type", "model");
}

static void read_class(struct reader *r) {
  struct model_text name = {"", 0};
  if (!find_text(r, false, "general.architecture", &name)) refuse(r, "general.architecture", "this key");
  for (size_t i = 0; i < sizeof classes / sizeof *classes && !r->status; i++)
    if (model_text_is(name, classes[i].name)) {
      r->class = &classes[i];
      return;
    }
  if (!r->status)
    r->status = model_fail(r->error, DUPLEX_ERROR_NOT_AVAILABLE,
                           "%s: general.architecture: '%.*s' is not there, expected llama, qwen3, qwen3moe, "
                           "olmoe or granitemoe",
                           r->gguf->path, name.length > 64 ? 64 : (int)name.length, name.bytes);
}

// Reads the scaling of rotary angles; `positions` is what a model without an original length has.
static void read_scaling(struct reader *r, struct model_rope *rope, double positions) {
  struct model_text type;
  if (!find_text(r, true, "rope.scaling.type", &type) || model_text_is(type, "none")) return;
  rope->factor = real(r, "rope.scaling.factor", 1);
  find(r, true, "rope.scaling.finetuned");  // says nothing of what is computed
  if (model_text_is(type, "linear")) {
    rope->type = MODEL_ROPE_LINEAR;
  } else if (model_text_is(type, "yarn")) {
    rope->type = MODEL_ROPE_YARN;
    rope->original_positions =
        integer(r, true, "rope.scaling.original_context_length", 1, UINT32_MAX, (unsigned)positions);
    rope->beta_fast = 32;
    rope->beta_slow = 1;
    rope->truncate = true;
  } else {
    refuse(r, "rope.scaling.type", "none, linear or yarn");
  }
}

static void read_experts(struct reader *r, struct model_config *c) {
  c->experts = integer(r, true, "expert_count", 0, MODEL_EXPERTS_MOST, 0);
  c->chosen = integer(r, true, "expert_used_count", 0, MODEL_EXPERTS_MOST, 0);
  c->architecture = c->experts ? r->class->sparse : r->class->dense;
  if (r->class->dense == MODEL_QWEN3 && c->experts) refuse(r, "expert_count", "no experts");
  if (r->class->dense != MODEL_QWEN3 && r->class->dense == r->class->sparse && !c->experts)
    refuse(r, "expert_count", "experts");
  c->expert_inner = integer(r, true, "expert_feed_forward_length", 1, MODEL_SIZE_MOST, c->inner);
  c->score = r->class->multipliers ? XPU_SCORE_TOP_K_SOFTMAX : XPU_SCORE_SOFTMAX;
  c->renormalise = c->experts && r->class->renormalise;
}

static void read_attention(struct reader *r, const struct model_tensors *tensors, struct model_config *c) {
  c->heads = size(r, "attention.head_count", 0);
  c->kv_heads = size(r, "attention.head_count_kv", c->heads);
  c->head_size = size(r, "attention.key_length", c->hidden / c->heads);
  if (size(r, "attention.value_length", c->head_size) != c->head_size)
    refuse(r, "attention.value_length", "attention.key_length");
  c->value_size = c->head_size;
  if (size(r, "rope.dimension_count", c->head_size) != c->head_size)
    refuse(r, "rope.dimension_count", "the size of a head");
  c->qk_norm = r->class->qk_norm;
  c->qkv_bias = model_tensors_find(tensors, "blk.0.attn_q.bias") != NULL;
  c->ffn_bias = model_tensors_find(tensors, "blk.0.ffn_gate.bias") != NULL;
  c->o_bias = model_tensors_find(tensors, "blk.0.attn_output.bias") != NULL;
}

static void read_multipliers(struct reader *r, struct model_config *c) {
  if (!r->class->multipliers) return;
  c->attention_scale = real(r, "attention.scale", 0);
  c->embedding_scale = real(r, "embedding_scale", 1);
  c->residual_scale = real(r, "residual_scale", 1);
  c->logits_divisor = real(r, "logit_scale", 1);
}

static void read_tokens(struct reader *r, struct model_config *c) {
  static const char *const ends[] = {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id"};
  c->begin_token = integer(r, false, "tokenizer.ggml.bos_token_id", 0, MODEL_SIZE_MOST, MODEL_NO_TOKEN);
  for (unsigned i = 0; i < sizeof ends / sizeof *ends; i++) {
    const uint32_t token = integer(r, false, ends[i], 0, MODEL_SIZE_MOST, MODEL_NO_TOKEN);
    const bool known = c->end_token_count && c->end_tokens[0] == token;
    if (token != MODEL_NO_TOKEN && !known) c->end_tokens[c->end_token_count++] = token;
  }
}

// Of the architecture's own keys none may be left.
static void refuse_what_is_left(struct reader *r) {
  const size_t length = strlen(r->class->name);
  for (size_t i = 0; i < r->gguf->count && !r->status; i++) {
    const struct model_gguf_value *value = &r->gguf->values[i];
    if (value->taken || value->key.length <= length || value->key.bytes[length] != '.' ||
        memcmp(value->key.bytes, r->class->name, length) != 0)
      continue;
    r->status =
        model_fail(r->error, DUPLEX_ERROR_NOT_AVAILABLE,
                   "%s: %.*s is not known: it may change what is computed, expected no such key",
                   r->gguf->path, value->key.length > 96 ? 96 : (int)value->key.length, value->key.bytes);
  }
}

// Reads all keys that a description has; the first fault is kept in the reader.
static void read_all(struct reader *r, const struct model_tensors *tensors, struct model_config *c) {
  const struct model_tensor *embedding = model_tensors_find(tensors, "token_embd.weight");
  const bool sized = embedding && embedding->rank == 2 && embedding->shape[0] <= MODEL_SIZE_MOST;
  c->embedding_scale = c->residual_scale = c->logits_divisor = 1;
  c->act = "silu";
  c->layers = integer(r, true, "block_count", 1, MODEL_LAYERS_MOST, 0);
  if (!c->layers) refuse(r, "block_count", "this key");
  c->hidden = size(r, "embedding_length", 0);
  c->positions = integer(r, true, "context_length", 1, UINT32_MAX, 0);
  if (!c->positions) refuse(r, "context_length", "this key");
  c->vocabulary = size(r, "vocab_size", sized ? (unsigned)embedding->shape[0] : 0);
  c->inner = size(r, "feed_forward_length", 0);
  c->norm_epsilon = real(r, "attention.layer_norm_rms_epsilon", 0);
  c->tied_embeddings = !model_tensors_find(tensors, "output.weight");
  c->rope.theta = real(r, "rope.freq_base", 10000);
  read_attention(r, tensors, c);
  read_scaling(r, &c->rope, c->positions);
  read_experts(r, c);
  read_multipliers(r, c);
  read_tokens(r, c);
  refuse_what_is_left(r);
}

int model_gguf_config(struct model_gguf *gguf, const struct model_tensors *tensors,
                      struct model_config *config, bool *paired_rows, struct model_error *error) {
  struct reader r = {.gguf = gguf, .error = error};
  *config = (struct model_config){0};
  read_class(&r);
  if (!r.status) refuse_parts(&r);
  if (!r.status) read_all(&r, tensors, config);
  if (r.status) return r.status;
  *paired_rows = r.class->paired_rows;
  int status = model_config_layers(config, 1, error);
  if (!status) status = model_config_check(config, gguf->path, error);
  if (status) model_config_free(config);
  return status;
}
