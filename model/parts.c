// SPDX-License-Identifier: Apache-2.0
// Which part of a model a tensor is, by its name.
#include "model/parts.h"

#include <string.h>

// %L and %E stand for the numbers of a layer and of an expert.
static const struct {
  const char *name;
  enum model_part part;
  enum model_form form;
} names[] = {
    // .safetensors of Hugging Face
    {"model.embed_tokens.weight", MODEL_EMBEDDING, MODEL_FORM_PLAIN},
    {"model.norm.weight", MODEL_FINAL_NORM, MODEL_FORM_PLAIN},
    {"lm_head.weight", MODEL_HEAD, MODEL_FORM_PLAIN},
    {"model.layers.%L.input_layernorm.weight", MODEL_ATTENTION_NORM, MODEL_FORM_PLAIN},
    {"model.layers.%L.post_attention_layernorm.weight", MODEL_FFN_NORM, MODEL_FORM_PLAIN},
    {"model.layers.%L.self_attn.q_proj.weight", MODEL_Q, MODEL_FORM_PLAIN},
    {"model.layers.%L.self_attn.k_proj.weight", MODEL_K, MODEL_FORM_PLAIN},
    {"model.layers.%L.self_attn.v_proj.weight", MODEL_V, MODEL_FORM_PLAIN},
    {"model.layers.%L.self_attn.o_proj.weight", MODEL_O, MODEL_FORM_PLAIN},
    {"model.layers.%L.self_attn.q_proj.bias", MODEL_Q_BIAS, MODEL_FORM_PLAIN},
    {"model.layers.%L.self_attn.k_proj.bias", MODEL_K_BIAS, MODEL_FORM_PLAIN},
    {"model.layers.%L.self_attn.v_proj.bias", MODEL_V_BIAS, MODEL_FORM_PLAIN},
    {"model.layers.%L.self_attn.o_proj.bias", MODEL_O_BIAS, MODEL_FORM_PLAIN},
    {"model.layers.%L.self_attn.q_norm.weight", MODEL_Q_NORM, MODEL_FORM_PLAIN},
    {"model.layers.%L.self_attn.k_norm.weight", MODEL_K_NORM, MODEL_FORM_PLAIN},
    {"model.layers.%L.self_attn.rotary_emb.inv_freq", MODEL_Q, MODEL_FORM_NOTHING},
    {"model.layers.%L.mlp.gate_proj.weight", MODEL_GATE, MODEL_FORM_DENSE},
    {"model.layers.%L.mlp.up_proj.weight", MODEL_UP, MODEL_FORM_DENSE},
    {"model.layers.%L.mlp.down_proj.weight", MODEL_DOWN, MODEL_FORM_DENSE},
    {"model.layers.%L.mlp.gate_proj.bias", MODEL_GATE_BIAS, MODEL_FORM_DENSE},
    {"model.layers.%L.mlp.up_proj.bias", MODEL_UP_BIAS, MODEL_FORM_DENSE},
    {"model.layers.%L.mlp.down_proj.bias", MODEL_DOWN_BIAS, MODEL_FORM_DENSE},
    {"model.layers.%L.mlp.gate.weight", MODEL_ROUTER, MODEL_FORM_PLAIN},
    {"model.layers.%L.mlp.experts.%E.gate_proj.weight", MODEL_GATE, MODEL_FORM_EXPERT},
    {"model.layers.%L.mlp.experts.%E.up_proj.weight", MODEL_UP, MODEL_FORM_EXPERT},
    {"model.layers.%L.mlp.experts.%E.down_proj.weight", MODEL_DOWN, MODEL_FORM_EXPERT},
    {"model.layers.%L.mlp.experts.gate_up_proj", MODEL_GATE, MODEL_FORM_PAIR},
    {"model.layers.%L.mlp.experts.down_proj", MODEL_DOWN, MODEL_FORM_FUSED},
    {"model.layers.%L.self_attn.q_a_proj.weight", MODEL_Q_A, MODEL_FORM_PLAIN},
    {"model.layers.%L.self_attn.q_a_proj.bias", MODEL_Q_A_BIAS, MODEL_FORM_PLAIN},
    {"model.layers.%L.self_attn.q_a_layernorm.weight", MODEL_Q_A_NORM, MODEL_FORM_PLAIN},
    {"model.layers.%L.self_attn.q_b_proj.weight", MODEL_Q, MODEL_FORM_PLAIN},
    {"model.layers.%L.self_attn.kv_a_proj_with_mqa.weight", MODEL_KV_A, MODEL_FORM_PLAIN},
    {"model.layers.%L.self_attn.kv_a_proj_with_mqa.bias", MODEL_KV_A_BIAS, MODEL_FORM_PLAIN},
    {"model.layers.%L.self_attn.kv_a_layernorm.weight", MODEL_KV_A_NORM, MODEL_FORM_PLAIN},
    {"model.layers.%L.self_attn.kv_b_proj.weight", MODEL_KV_B, MODEL_FORM_PLAIN},
    {"model.layers.%L.mlp.gate.e_score_correction_bias", MODEL_CHOICE_BIAS, MODEL_FORM_PLAIN},
    {"model.layers.%L.mlp.shared_experts.gate_proj.weight", MODEL_SHARED_GATE, MODEL_FORM_PLAIN},
    {"model.layers.%L.mlp.shared_experts.up_proj.weight", MODEL_SHARED_UP, MODEL_FORM_PLAIN},
    {"model.layers.%L.mlp.shared_experts.down_proj.weight", MODEL_SHARED_DOWN, MODEL_FORM_PLAIN},
    {"model.layers.%L.self_attn.sinks", MODEL_SINKS, MODEL_FORM_PLAIN},
    {"model.layers.%L.mlp.router.weight", MODEL_ROUTER, MODEL_FORM_PLAIN},
    {"model.layers.%L.mlp.router.bias", MODEL_ROUTER_BIAS, MODEL_FORM_PLAIN},
    {"model.layers.%L.mlp.experts.gate_up_proj_bias", MODEL_GATE_BIAS, MODEL_FORM_PAIR},
    {"model.layers.%L.mlp.experts.down_proj_bias", MODEL_DOWN_BIAS, MODEL_FORM_FUSED},
    {"model.layers.%L.block_sparse_moe.gate.weight", MODEL_ROUTER, MODEL_FORM_PLAIN},
    {"model.layers.%L.block_sparse_moe.experts.%E.w1.weight", MODEL_GATE, MODEL_FORM_EXPERT},
    {"model.layers.%L.block_sparse_moe.experts.%E.w3.weight", MODEL_UP, MODEL_FORM_EXPERT},
    {"model.layers.%L.block_sparse_moe.experts.%E.w2.weight", MODEL_DOWN, MODEL_FORM_EXPERT},
    {"model.layers.%L.block_sparse_moe.experts.gate_up_proj", MODEL_GATE, MODEL_FORM_PAIR},
    {"model.layers.%L.block_sparse_moe.experts.down_proj", MODEL_DOWN, MODEL_FORM_FUSED},
    {"model.layers.%L.block_sparse_moe.router.layer.weight", MODEL_ROUTER, MODEL_FORM_PLAIN},
    {"model.layers.%L.block_sparse_moe.router.weight", MODEL_ROUTER, MODEL_FORM_PLAIN},
    {"model.layers.%L.block_sparse_moe.input_linear.weight", MODEL_GATE, MODEL_FORM_PAIR},
    {"model.layers.%L.block_sparse_moe.output_linear.weight", MODEL_DOWN, MODEL_FORM_FUSED},
    // GGUF
    {"token_embd.weight", MODEL_EMBEDDING, MODEL_FORM_PLAIN},
    {"output_norm.weight", MODEL_FINAL_NORM, MODEL_FORM_PLAIN},
    {"output.weight", MODEL_HEAD, MODEL_FORM_PLAIN},
    {"blk.%L.attn_norm.weight", MODEL_ATTENTION_NORM, MODEL_FORM_PLAIN},
    {"blk.%L.ffn_norm.weight", MODEL_FFN_NORM, MODEL_FORM_PLAIN},
    {"blk.%L.attn_q.weight", MODEL_Q, MODEL_FORM_PLAIN},
    {"blk.%L.attn_k.weight", MODEL_K, MODEL_FORM_PLAIN},
    {"blk.%L.attn_v.weight", MODEL_V, MODEL_FORM_PLAIN},
    {"blk.%L.attn_output.weight", MODEL_O, MODEL_FORM_PLAIN},
    {"blk.%L.attn_q.bias", MODEL_Q_BIAS, MODEL_FORM_PLAIN},
    {"blk.%L.attn_k.bias", MODEL_K_BIAS, MODEL_FORM_PLAIN},
    {"blk.%L.attn_v.bias", MODEL_V_BIAS, MODEL_FORM_PLAIN},
    {"blk.%L.attn_output.bias", MODEL_O_BIAS, MODEL_FORM_PLAIN},
    {"blk.%L.attn_q_norm.weight", MODEL_Q_NORM, MODEL_FORM_PLAIN},
    {"blk.%L.attn_k_norm.weight", MODEL_K_NORM, MODEL_FORM_PLAIN},
    {"blk.%L.ffn_gate.weight", MODEL_GATE, MODEL_FORM_DENSE},
    {"blk.%L.ffn_up.weight", MODEL_UP, MODEL_FORM_DENSE},
    {"blk.%L.ffn_down.weight", MODEL_DOWN, MODEL_FORM_DENSE},
    {"blk.%L.ffn_gate.bias", MODEL_GATE_BIAS, MODEL_FORM_DENSE},
    {"blk.%L.ffn_up.bias", MODEL_UP_BIAS, MODEL_FORM_DENSE},
    {"blk.%L.ffn_down.bias", MODEL_DOWN_BIAS, MODEL_FORM_DENSE},
    {"blk.%L.ffn_gate_inp.weight", MODEL_ROUTER, MODEL_FORM_PLAIN},
    {"blk.%L.ffn_gate_exps.weight", MODEL_GATE, MODEL_FORM_FUSED},
    {"blk.%L.ffn_up_exps.weight", MODEL_UP, MODEL_FORM_FUSED},
    {"blk.%L.ffn_down_exps.weight", MODEL_DOWN, MODEL_FORM_FUSED},
    {"blk.%L.ffn_gate.%E.weight", MODEL_GATE, MODEL_FORM_EXPERT},
    {"blk.%L.ffn_up.%E.weight", MODEL_UP, MODEL_FORM_EXPERT},
    {"blk.%L.ffn_down.%E.weight", MODEL_DOWN, MODEL_FORM_EXPERT},
};

// A number without leading zeros, below 10^6; NULL: there is none.
static const char *read_number(const char *text, unsigned *number) {
  unsigned digits = 0;
  for (*number = 0; *text >= '0' && *text <= '9'; text++, digits++) {
    if (digits == 6 || (digits && *number == 0)) return NULL;
    *number = *number * 10 + (unsigned)(*text - '0');
  }
  return digits ? text : NULL;
}

static bool matches(const char *pattern, const char *name, struct model_place *place) {
  while (*pattern && name) {
    if (*pattern == '%') {
      name = read_number(name, pattern[1] == 'L' ? &place->layer : &place->expert);
      pattern += 2;
    } else if (*pattern++ != *name++) {
      return false;
    }
  }
  return name && *name == 0;
}

// A text model inside another one has a word more in front.
static const char *without_prefix(const char *name) {
  static const char outer[] = "language_model.";
  return strncmp(name, outer, sizeof outer - 1) == 0 ? name + sizeof outer - 1 : name;
}

bool model_place_of(const char *name, struct model_place *place) {
  name = without_prefix(name);
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    *place = (struct model_place){.part = names[i].part, .form = names[i].form};
    if (matches(names[i].name, name, place)) return true;
  }
  return false;
}

bool model_place_layer(const char *name, unsigned *layer) {
  static const char front[] = "model.layers.";
  name = without_prefix(name);
  if (strncmp(name, front, sizeof front - 1) != 0) return false;
  name = read_number(name + sizeof front - 1, layer);
  return name && *name == '.';
}

bool model_part_of_layer(enum model_part part) { return part > MODEL_HEAD; }
bool model_part_of_expert(enum model_part part) { return part >= MODEL_GATE; }

bool model_part_is_vector(enum model_part part) {
  switch (part) {
    case MODEL_FINAL_NORM:
    case MODEL_ATTENTION_NORM:
    case MODEL_FFN_NORM:
    case MODEL_Q_BIAS:
    case MODEL_K_BIAS:
    case MODEL_V_BIAS:
    case MODEL_O_BIAS:
    case MODEL_Q_NORM:
    case MODEL_K_NORM:
    case MODEL_Q_A_NORM:
    case MODEL_Q_A_BIAS:
    case MODEL_KV_A_NORM:
    case MODEL_KV_A_BIAS:
    case MODEL_SINKS:
    case MODEL_ROUTER_BIAS:
    case MODEL_CHOICE_BIAS:
    case MODEL_GATE_BIAS:
    case MODEL_UP_BIAS:
    case MODEL_DOWN_BIAS:
      return true;
    default:
      return false;
  }
}

static bool set(size_t *rows, size_t *columns, size_t r, size_t c) {
  *rows = r;
  *columns = c;
  return r != 0 && c != 0;
}

static bool norm_size(const struct model_config *c, size_t whole, size_t *rows, size_t *columns) {
  if (c->qk_norm == MODEL_QK_NORM_NONE) return false;
  return set(rows, columns, 1, c->qk_norm == MODEL_QK_NORM_HEAD ? c->head_size : whole);
}

// The size of a part of latent attention; false if the model has none.
static bool latent_size(const struct model_config *c, enum model_part part, size_t *rows, size_t *columns) {
  const size_t kv = c->kv_rank ? c->kv_rank + c->rope_size : 0;
  const size_t head = c->head_size - c->rope_size + c->value_size;
  switch (part) {
    case MODEL_Q_A:
      return set(rows, columns, c->q_rank, c->hidden);
    case MODEL_Q_A_NORM:
      return set(rows, columns, 1, c->q_rank);
    case MODEL_Q_A_BIAS:
      return set(rows, columns, c->qkv_bias, c->q_rank);
    case MODEL_KV_A:
      return set(rows, columns, kv, c->hidden);
    case MODEL_KV_A_NORM:
      return set(rows, columns, 1, c->kv_rank);
    case MODEL_KV_A_BIAS:
      return set(rows, columns, c->qkv_bias, kv);
    case MODEL_KV_B:
      return set(rows, columns, c->kv_rank ? c->heads * head : 0, c->kv_rank);
    default:
      return false;
  }
}

// The size of a part of attention; false if the model has none.
static bool attention_size(const struct model_config *c, enum model_part part, size_t *rows,
                           size_t *columns) {
  const size_t q = (size_t)c->heads * c->head_size;
  const size_t kv = (size_t)c->kv_heads * c->head_size;
  switch (part) {
    case MODEL_Q:
      return set(rows, columns, q, c->q_rank ? c->q_rank : c->hidden);
    case MODEL_K:
    case MODEL_V:
      return set(rows, columns, c->kv_rank ? 0 : kv, c->hidden);
    case MODEL_O:
      return set(rows, columns, c->hidden, (size_t)c->heads * c->value_size);
    case MODEL_Q_BIAS:
      return set(rows, columns, c->qkv_bias && !c->kv_rank, q);
    case MODEL_K_BIAS:
    case MODEL_V_BIAS:
      return set(rows, columns, c->qkv_bias && !c->kv_rank, kv);
    case MODEL_O_BIAS:
      return set(rows, columns, c->o_bias, c->hidden);
    case MODEL_Q_NORM:
      return norm_size(c, q, rows, columns);
    case MODEL_K_NORM:
      return norm_size(c, kv, rows, columns);
    case MODEL_SINKS:
      return set(rows, columns, c->sinks, c->heads);
    default:
      return latent_size(c, part, rows, columns);
  }
}

bool model_part_size(const struct model_config *c, enum model_part part, unsigned layer, size_t *rows,
                     size_t *columns) {
  if (model_part_of_layer(part) && layer >= c->layers) return false;
  const bool sparse = model_part_of_layer(part) && c->layer[layer].sparse;
  const size_t inner = sparse ? c->expert_inner : c->inner;
  switch (part) {
    case MODEL_EMBEDDING:
    case MODEL_HEAD:
      return set(rows, columns, c->vocabulary, c->hidden);
    case MODEL_FINAL_NORM:
    case MODEL_ATTENTION_NORM:
    case MODEL_FFN_NORM:
      return set(rows, columns, 1, c->hidden);
    case MODEL_ROUTER_BIAS:
      return set(rows, columns, sparse && c->router_bias, c->experts);
    case MODEL_ROUTER:
      return set(rows, columns, sparse ? c->experts : 0, c->hidden);
    case MODEL_CHOICE_BIAS:
      return set(rows, columns, sparse && c->groups, c->experts);
    case MODEL_SHARED_GATE:
    case MODEL_SHARED_UP:
      return set(rows, columns, sparse ? c->shared_inner : 0, c->hidden);
    case MODEL_SHARED_DOWN:
      return set(rows, columns, sparse ? c->hidden : 0, c->shared_inner);
    case MODEL_GATE:
    case MODEL_UP:
      return set(rows, columns, inner, c->hidden);
    case MODEL_DOWN:
      return set(rows, columns, c->hidden, inner);
    case MODEL_GATE_BIAS:
    case MODEL_UP_BIAS:
      return set(rows, columns, c->ffn_bias, inner);
    case MODEL_DOWN_BIAS:
      return set(rows, columns, c->ffn_bias, c->hidden);
    default:
      return attention_size(c, part, rows, columns);
  }
}

const char *model_part_name(enum model_part part) {
  static const char *const words[MODEL_PARTS] = {[MODEL_EMBEDDING] = "embedding",
                                                 [MODEL_FINAL_NORM] = "final norm",
                                                 [MODEL_HEAD] = "head",
                                                 [MODEL_ATTENTION_NORM] = "norm before attention",
                                                 [MODEL_Q] = "q",
                                                 [MODEL_K] = "k",
                                                 [MODEL_V] = "v",
                                                 [MODEL_O] = "o",
                                                 [MODEL_Q_BIAS] = "bias of q",
                                                 [MODEL_K_BIAS] = "bias of k",
                                                 [MODEL_V_BIAS] = "bias of v",
                                                 [MODEL_O_BIAS] = "bias of o",
                                                 [MODEL_Q_NORM] = "norm of q",
                                                 [MODEL_K_NORM] = "norm of k",
                                                 [MODEL_FFN_NORM] = "norm before the FFN",
                                                 [MODEL_ROUTER] = "router",
                                                 [MODEL_SINKS] = "sinks",
                                                 [MODEL_Q_A] = "q_a",
                                                 [MODEL_Q_A_NORM] = "norm of q_a",
                                                 [MODEL_Q_A_BIAS] = "bias of q_a",
                                                 [MODEL_KV_A] = "kv_a",
                                                 [MODEL_KV_A_NORM] = "norm of kv_a",
                                                 [MODEL_KV_A_BIAS] = "bias of kv_a",
                                                 [MODEL_KV_B] = "kv_b",
                                                 [MODEL_CHOICE_BIAS] = "bias of the scores",
                                                 [MODEL_SHARED_GATE] = "gate of the shared expert",
                                                 [MODEL_SHARED_UP] = "up of the shared expert",
                                                 [MODEL_SHARED_DOWN] = "down of the shared expert",
                                                 [MODEL_ROUTER_BIAS] = "bias of the router",
                                                 [MODEL_GATE] = "gate",
                                                 [MODEL_UP] = "up",
                                                 [MODEL_DOWN] = "down",
                                                 [MODEL_GATE_BIAS] = "bias of gate",
                                                 [MODEL_UP_BIAS] = "bias of up",
                                                 [MODEL_DOWN_BIAS] = "bias of down"};
  return words[part];
}
