// SPDX-License-Identifier: Apache-2.0
// Descriptions of models: every architecture, both dialects, defaults of the classes, each refusal by its
// name.
#include "model/config.h"
#include "tests/model/files.h"

#define SIZES_WITH(kv_heads)                                                                               \
  "\"hidden_size\":64,\"num_hidden_layers\":4,\"num_attention_heads\":4,\"num_key_value_heads\":" kv_heads \
  ","                                                                                                      \
  "\"vocab_size\":100,\"max_position_embeddings\":256,\"intermediate_size\":96"
#define SIZES SIZES_WITH("2")
#define OF(class) "{\"architectures\":[\"" class "\"]," SIZES

static struct model_config config;
static struct model_error error;

static int read_text(const char *text) {
  memset(error.text, 0, sizeof error.text);
  return model_config_read(text, strlen(text), "config.json", &config, &error);
}

static void assert_good(const char *text) {
  const int status = read_text(text);
  if (status) fail_msg("%s: %s", text, error.text);
}

static void assert_refused(const char *text, const char *what) {
  const int status = read_text(text);
  if (!status) model_config_free(&config);
  if (!status || !strstr(error.text, what) || strncmp(error.text, "config.json: ", 13) != 0)
    fail_msg("%s: '%s', expected '%s'", text, error.text, what);
}

static void test_llama(void **state) {
  (void)state;
  assert_good(OF("LlamaForCausalLM") ",\"torch_dtype\":\"bfloat16\",\"rope_theta\":500000,\"rope_scaling\":{"
              "\"rope_type\":\"llama3\",\"factor\":8.0,\"low_freq_factor\":1.0,\"high_freq_factor\":4.0,"
              "\"original_max_position_embeddings\":64},\"attention_bias\":true,\"tie_word_embeddings\":true,"
              "\"eos_token_id\":[2,7],\"bos_token_id\":null,\"mlp_bias\":false,\"pretraining_tp\":1,"
              "\"transformers.js_config\":{\"a\":1},\"auto_map\":{\"AutoConfig\":\"a.B\"},"
              "\"unsloth_version\":\"2025.1\",\"_name_or_path\":\"a/b\",\"quantization_config\":null,"
              "\"is_causal\":true,\"partial_rotary_factor\":null,\"head_dim\":null}");
  assert_int_equal(config.architecture, MODEL_LLAMA);
  assert_int_equal(config.rope.type, MODEL_ROPE_LLAMA3);
  assert_true(config.rope.theta == 500000 && config.rope.factor == 8 && config.rope.high_freq_factor == 4 &&
              config.rope.low_freq_factor == 1 && config.rope.original_positions == 64);
  assert_true(config.qkv_bias && config.o_bias && config.tied_embeddings);
  assert_int_equal(config.begin_token, MODEL_NO_TOKEN);
  assert_int_equal(config.end_token_count, 2);
  assert_int_equal(config.end_tokens[1], 7);
  assert_int_equal(config.head_size, 16);
  assert_int_equal(config.experts, 0);
  assert_true(config.norm_epsilon == 1e-6);
  model_config_free(&config);
  // The other dialect, and what the class takes where the file is silent.
  assert_good(OF("LlamaForCausalLM") ",\"dtype\":\"float16\",\"rope_parameters\":{\"rope_type\":\"linear\","
              "\"rope_theta\":7,\"factor\":2},\"rope_theta\":7.0}");
  assert_true(config.rope.type == MODEL_ROPE_LINEAR && config.rope.theta == 7 && config.rope.factor == 2);
  assert_int_equal(config.begin_token, 1);
  assert_int_equal(config.end_token_count, 0);
  model_config_free(&config);
}

static void test_yarn(void **state) {
  (void)state;
  assert_good(OF("Qwen3ForCausalLM") ",\"head_dim\":32,\"rope_scaling\":{\"type\":\"yarn\",\"factor\":4,"
              "\"original_max_position_embeddings\":64,\"beta_fast\":16,\"mscale\":0.5,\"truncate\":false}}");
  assert_true(config.rope.type == MODEL_ROPE_YARN && config.rope.beta_fast == 16 &&
              config.rope.beta_slow == 1 && config.rope.mscale == 0.5 && config.rope.attention_factor == 0 &&
              !config.rope.truncate);
  assert_int_equal(config.qk_norm, MODEL_QK_NORM_HEAD);
  assert_int_equal(config.head_size, 32);
  model_config_free(&config);
  // Without a factor it is that of the positions.
  assert_good(OF("LlamaForCausalLM") ",\"rope_scaling\":{\"type\":\"yarn\",\"factor\":null,"
              "\"original_max_position_embeddings\":64}}");
  assert_true(config.rope.factor == 4 && config.rope.truncate);
  model_config_free(&config);
  // null switches off, and is as good as no number.
  assert_good(OF("LlamaForCausalLM") ",\"rope_scaling\":{\"type\":\"yarn\",\"factor\":2,\"truncate\":null,"
              "\"beta_fast\":null,\"beta_slow\":null,\"mscale\":null,\"attention_factor\":null}}");
  assert_true(!config.rope.truncate && config.rope.beta_fast == 32 && config.rope.beta_slow == 1);
  model_config_free(&config);
}

static void test_sparse(void **state) {
  (void)state;
  assert_good(OF("MixtralForCausalLM") ",\"num_local_experts\":8,\"num_experts_per_tok\":2,"
              "\"sliding_window\":null}");
  assert_true(config.experts == 8 && config.chosen == 2 && config.expert_inner == 96 && config.renormalise &&
              config.score == XPU_SCORE_SOFTMAX && config.rope.theta == 1e6 && config.sliding_window == 0);
  model_config_free(&config);
  assert_good(OF("Qwen3MoeForCausalLM") ",\"num_experts\":8,\"num_local_experts\":8,"
              "\"num_experts_per_tok\":2,"
              "\"moe_intermediate_size\":48,\"decoder_sparse_step\":2,\"mlp_only_layers\":[3],"
              "\"norm_topk_prob\":true,\"head_dim\":null}");
  assert_true(!config.layer[0].sparse && config.layer[1].sparse && !config.layer[2].sparse &&
              !config.layer[3].sparse && config.renormalise && config.expert_inner == 48 &&
              config.inner == 96);
  assert_true(config.head_size == 16 && !config.sliding_window && config.end_token_count == 0);
  model_config_free(&config);
  assert_good(OF("OlmoeForCausalLM") ",\"num_experts\":4,\"num_experts_per_tok\":2,\"clip_qkv\":8}");
  assert_true(config.qkv_limit == 8);
  assert_true(config.qk_norm == MODEL_QK_NORM_WHOLE && !config.renormalise && config.layer[0].sparse);
  model_config_free(&config);
  assert_good(OF("GraniteMoeForCausalLM") ",\"num_local_experts\":4,\"num_experts_per_tok\":2,"
              "\"embedding_multiplier\":12,\"attention_multiplier\":0.015625,\"residual_multiplier\":0.22,"
              "\"logits_scaling\":6}");
  assert_true(config.score == XPU_SCORE_TOP_K_SOFTMAX && config.embedding_scale == 12 &&
              config.attention_scale == 0.015625 && config.residual_scale == 0.22 &&
              config.logits_divisor == 6);
  model_config_free(&config);
}

#define GPT_OSS OF("GptOssForCausalLM") ",\"num_local_experts\":4,\"num_experts_per_tok\":2"

static void test_gpt_oss(void **state) {
  (void)state;
  assert_good(GPT_OSS ",\"initial_context_length\":4096,\"experts_per_token\":2}");
  assert_true(config.sinks && config.router_bias && config.ffn_bias && config.qkv_bias && config.o_bias);
  assert_true(config.gate_limit == 7 && config.gate_slope == 1.702 && config.head_size == 64);
  assert_true(config.sliding_window == 128 && config.layer[0].sliding && !config.layer[1].sliding);
  assert_true(config.score == XPU_SCORE_TOP_K_SOFTMAX && !config.renormalise && config.layer[3].sparse);
  assert_true(config.rope.type == MODEL_ROPE_YARN && config.rope.factor == 32 && !config.rope.truncate &&
              config.rope.original_positions == 4096 && config.rope.theta == 150000);
  model_config_free(&config);
}

#define DEEPSEEK_OF(kv_heads) "{\"architectures\":[\"DeepseekV3ForCausalLM\"]," SIZES_WITH(kv_heads)
#define DEEPSEEK DEEPSEEK_OF("4") ",\"n_routed_experts\":16"

static void test_deepseek(void **state) {
  (void)state;
  assert_good(DEEPSEEK_OF("null") ",\"scoring_func\":\"sigmoid\"}");
  assert_true(config.q_rank == 1536 && config.kv_rank == 512 && config.rope_size == 64 && config.rope_pairs);
  assert_true(config.head_size == 192 && config.value_size == 128 && config.kv_heads == 4 &&
              !config.qkv_bias);
  assert_true(config.experts == 256 && config.chosen == 8 && config.expert_inner == 2048 &&
              config.shared_inner == 2048);
  assert_true(config.groups == 8 && config.groups_taken == 4 && config.weights_scale == 2.5 &&
              config.renormalise);
  assert_true(config.extra_layers == 1 && !config.layer[2].sparse && config.layer[3].sparse);
  assert_true(config.begin_token == 0 && config.score == XPU_SCORE_SIGMOID);
  model_config_free(&config);
  assert_good(DEEPSEEK
              ",\"q_lora_rank\":null,\"num_nextn_predict_layers\":0,\"first_k_dense_replace\":0,"
              "\"n_shared_experts\":2,\"moe_intermediate_size\":48,\"head_dim\":64,\"qk_head_dim\":192,"
              "\"rope_interleave\":null,\"norm_topk_prob\":null,\"ep_size\":1,\"moe_layer_freq\":1}");
  assert_true(!config.q_rank && !config.extra_layers && config.layer[0].sparse && config.shared_inner == 96);
  assert_true(!config.rope_pairs && !config.renormalise);
  model_config_free(&config);
}

static void test_windows(void **state) {
  (void)state;
  assert_good(OF("MistralForCausalLM") "}");
  assert_true(config.sliding_window == 4096 && config.layer[0].sliding);
  model_config_free(&config);
  assert_good(OF("MistralForCausalLM") ",\"sliding_window\":null,\"layer_types\":[\"full_attention\","
              "\"full_attention\",\"full_attention\",\"full_attention\"]}");
  assert_true(!config.sliding_window && !config.layer[0].sliding);
  model_config_free(&config);
  assert_good(OF("Qwen3ForCausalLM") ",\"use_sliding_window\":true,\"sliding_window\":9,"
              "\"max_window_layers\":3}");
  assert_true(!config.layer[2].sliding && config.layer[3].sliding);
  model_config_free(&config);
  assert_good(OF("Qwen3ForCausalLM") ",\"use_sliding_window\":true,\"sliding_window\":9,\"layer_types\":["
              "\"sliding_attention\",\"full_attention\",\"full_attention\",\"full_attention\"]}");
  assert_true(config.layer[0].sliding && !config.layer[1].sliding && config.sliding_window == 9);
  model_config_free(&config);
}

static void test_nested(void **state) {
  (void)state;
  assert_good(
      "{\"architectures\":[\"LlamaForCausalLM\"],\"model_type\":\"outer\",\"vocab_size\":100,"
      "\"text_config\":{\"model_type\":\"llama\",\"architectures\":[\"Other\"]," SIZES "}}");
  assert_int_equal(config.hidden, 64);
  model_config_free(&config);
  assert_good("{\"text_config\":{\"model_type\":\"mistral\"," SIZES "}}");
  assert_int_equal(config.architecture, MODEL_MISTRAL);
  model_config_free(&config);
  assert_refused("{\"model_type\":\"mistral\",\"text_config\":{\"model_type\":\"llama\"," SIZES "}}",
                 "model_type differs from text_config.model_type");
  assert_refused(
      "{\"architectures\":[\"LlamaForCausalLM\"],\"text_config\":{\"model_type\":\"mistral\"," SIZES "}}",
      "model_type: 'mistral' differs from architectures");
  assert_refused("{\"vocab_size\":1,\"text_config\":{\"model_type\":\"llama\"," SIZES "}}",
                 "vocab_size differs from text_config.vocab_size");
}

// The end tokens of generation_config.json take the place of those of config.json; a fault leaves an error.
static void test_generation(void **state) {
  static const struct {
    const char *text;
    unsigned count;
  } good[] = {{"{\"eos_token_id\":[7,8,9],\"temperature\":0.5}", 3},
              {"{\"eos_token_id\":5,\"bos_token_id\":3}", 1},
              {"{\"eos_token_id\":null}", 0},
              {"{\"max_length\":4}", 0}};
  static const struct {
    const char *text, *what;
  } bad[] = {{"", "generation_config.json: expected JSON"},
             {"[1]", "generation_config.json: expected a JSON object"},
             {"{\"eos_token_id\":\"x\"}", "generation_config.json: eos_token_id is wrong"},
             {"{\"eos_token_id\":[1,-2]}", "generation_config.json: eos_token_id is wrong"}};
  (void)state;
  assert_good(OF("LlamaForCausalLM") ",\"eos_token_id\":[2,3,4,6]}");
  for (size_t i = 0; i < LENGTH(good); i++) {
    assert_int_equal(model_config_read_generation(good[i].text, strlen(good[i].text),
                                                  "generation_config.json", &config, &error),
                     DUPLEX_OK);
    assert_int_equal(config.end_token_count, good[i].count);
    if (good[i].count) assert_int_equal(config.end_tokens[0], good[i].count == 3 ? 7 : 5);
  }
  for (size_t i = 0; i < LENGTH(bad); i++) {
    assert_int_equal(model_config_read_generation(bad[i].text, strlen(bad[i].text), "generation_config.json",
                                                  &config, &error),
                     DUPLEX_ERROR_FORMAT);
    assert_int_equal(strncmp(error.text, bad[i].what, strlen(bad[i].what)), 0);
  }
  model_config_free(&config);
}

static void test_refused(void **state) {
  (void)state;
#define LLAMA OF("LlamaForCausalLM")
#define MOE \
  OF("Qwen3MoeForCausalLM") ",\"num_experts_per_tok\":2,\"moe_intermediate_size\":48,\"num_experts\":4"
  static const struct {
    const char *text, *what;
  } cases[] = {
      {"", "expected JSON: line"},
      {"[]", "expected a JSON object"},
      {"{\"model_type\":\"a\\u0000b\"}",
       "expected JSON: line 1, column 24: a character of value 0 in a text"},
      {"{\"a\":1,\"a\":2}", "duplicate"},
      {"{}", "model_type: '' is not there"},
      {OF("DeepseekV2ForCausalLM") "}", "architectures: 'DeepseekV2ForCausalLM' is not there"},
      {DEEPSEEK ",\"scoring_func\":\"softmax\"}", "scoring_func is 'softmax': expected sigmoid"},
      {DEEPSEEK ",\"topk_method\":\"greedy\"}", "topk_method is 'greedy': expected noaux_tc"},
      {DEEPSEEK ",\"moe_layer_freq\":2}", "moe_layer_freq is wrong: expected 1"},
      {OF("DeepseekV3ForCausalLM") "}", "num_key_value_heads is wrong: expected 4"},
      {DEEPSEEK ",\"head_dim\":32}", "head_dim is wrong: expected 64"},
      {DEEPSEEK ",\"qk_rope_head_dim\":7}", "expected an even number"},
      {DEEPSEEK ",\"qk_rope_head_dim\":7,\"qk_nope_head_dim\":7}",
       "qk_rope_head_dim: expected an even number"},
      {DEEPSEEK ",\"n_group\":3}", "n_group and topk_group: expected groups"},
      {DEEPSEEK ",\"n_group\":16}", "n_group and topk_group: expected groups"},
      {DEEPSEEK ",\"n_group\":4,\"topk_group\":5}", "n_group and topk_group: expected groups"},
      {DEEPSEEK ",\"topk_group\":1,\"num_experts_per_tok\":5}", "n_group and topk_group: expected groups"},
      {DEEPSEEK ",\"n_shared_experts\":99999999}", "n_shared_experts is wrong: expected an integer from 1"},
      {DEEPSEEK ",\"kv_lora_rank\":0}", "kv_lora_rank is wrong: expected an integer from 1"},
      {DEEPSEEK ",\"quantization_config\":{\"quant_method\":\"fp8\"}}", "quantization_config is not known"},
      {DEEPSEEK ",\"n_group\":null}", "n_group is null: expected a value, or no key"},
      {DEEPSEEK ",\"n_shared_experts\":null}", "n_shared_experts is null: expected a value"},
      {DEEPSEEK ",\"first_k_dense_replace\":null}", "first_k_dense_replace is null: expected a value"},
      {DEEPSEEK ",\"routed_scaling_factor\":null}", "routed_scaling_factor is null: expected a value"},
      {GPT_OSS ",\"head_dim\":null}", "head_dim is null: expected a value"},
      {LLAMA ",\"rms_norm_eps\":null}", "rms_norm_eps is null: expected a value"},
      {LLAMA ",\"rope_theta\":5,\"rope_parameters\":{\"rope_theta\":7}}",
       "rope_parameters.rope_theta differs from rope_theta"},
      {LLAMA ",\"is_causal\":false}",
       "is_causal is not known: it may change what is computed, expected no such key"},
      {LLAMA ",\"is_causal\":null}", "is_causal is not known"},
      {MOE ",\"is_causal\":0}", "is_causal is not known"},
      {GPT_OSS ",\"is_causal\":\"\"}", "is_causal is not known"},
      {LLAMA ",\"kv_lora_rank\":16}", "kv_lora_rank is not known"},
      {GPT_OSS ",\"hidden_act\":\"gelu\"}", "hidden_act is wrong: expected silu"},
      {LLAMA ",\"model_type\":\"mistral\"}", "model_type: 'mistral' differs from architectures"},
      {LLAMA ",\"model_type\":\"gemma\"}", "model_type: 'gemma' differs from architectures"},
      {LLAMA ",\"model_type\":\"\"}", "model_type: '' differs from architectures"},
      {LLAMA ",\"rope_scaling\":{\"type\":\"yarn\",\"factor\":2,\"attention_factor\":0}}",
       "rope_scaling.attention_factor is wrong: expected more than 0"},
      {LLAMA ",\"rope_scaling\":{\"type\":\"yarn\",\"factor\":0}}",
       "rope_scaling.factor is wrong: expected more than 0"},
      {OF("OlmoeForCausalLM") ",\"num_experts\":2,\"num_experts_per_tok\":1,\"clip_qkv\":0.0}",
       "clip_qkv is wrong: expected more than 0"},
      {GPT_OSS ",\"swiglu_limit\":0}", "swiglu_limit is wrong: expected more than 0"},
      {GPT_OSS ",\"swiglu_alpha\":-1}", "swiglu_limit and swiglu_alpha"},
      {GPT_OSS ",\"experts_per_token\":1}", "experts_per_token differs from num_experts_per_tok"},
      {GPT_OSS ",\"quantization_config\":{\"quant_method\":\"mxfp4\"}}", "quantization_config is not known"},
      {"{\"architectures\":[]," SIZES "}", "architectures is wrong"},
      {"{\"architectures\":[\"LlamaForCausalLM\"]}",
       "num_hidden_layers is missing: expected an integer from 1 to 4096"},
      {LLAMA ",\"unheard_of\":3}", "unheard_of is not known: it may change what is computed"},
      {LLAMA ",\"quantization_config\":{\"quant_method\":\"fp8\"}}", "quantization_config is not known"},
      {OF("MistralForCausalLM") ",\"mlp_bias\":true}", "mlp_bias is not known"},
      {LLAMA ",\"clip_qkv\":8}", "clip_qkv is not known"},
      {LLAMA ",\"partial_rotary_factor\":0.5}",
       "partial_rotary_factor is not 1: expected the rotation of whole heads, 1"},
      {LLAMA ",\"hidden_act\":\"mish\"}", "hidden_act: 'mish' is not there"},
      {LLAMA ",\"head_dim\":15}", "head_dim (attention.key_length): expected an even number"},
      {LLAMA ",\"head_dim\":1.5}", "head_dim is wrong: expected an integer from 1"},
      {LLAMA ",\"tie_word_embeddings\":1}", "tie_word_embeddings is wrong: expected true or false"},
      {LLAMA ",\"rms_norm_eps\":\"x\"}", "rms_norm_eps is wrong: expected a number"},
      {LLAMA ",\"rms_norm_eps\":0}",
       "rms_norm_eps (attention.layer_norm_rms_epsilon): expected a positive number"},
      {LLAMA ",\"hidden_act\":3}", "hidden_act is wrong: expected a string"},
      {LLAMA ",\"bos_token_id\":-1}", "bos_token_id is wrong"},
      {LLAMA ",\"eos_token_id\":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17]}", "eos_token_id is wrong"},
      {LLAMA ",\"rope_scaling\":{\"type\":\"dynamic\",\"factor\":2}}",
       "rope_scaling.type is 'dynamic', which is not there"},
      {LLAMA ",\"rope_scaling\":{\"type\":\"linear\",\"rope_type\":\"yarn\"}}",
       "rope_scaling.rope_type and type differ"},
      {LLAMA ",\"rope_scaling\":{\"type\":\"linear\"}}", "the factor of RoPE: expected a positive number"},
      {LLAMA ",\"rope_scaling\":{\"type\":\"linear\",\"factor\":2,\"odd\":1}}",
       "rope_scaling.odd is not known"},
      {LLAMA ",\"rope_scaling\":[1]}", "rope_scaling: expected an object"},
      {LLAMA ",\"rope_scaling\":{\"type\":\"llama3\",\"factor\":2}}", "low_freq_factor and high_freq_factor"},
      {LLAMA ",\"rope_parameters\":{\"full_attention\":{\"rope_theta\":1}}}",
       "rope_parameters.full_attention is not known"},
      {LLAMA ",\"rope_theta\":-1}", "rope_theta (rope.freq_base): expected a positive number"},
      {OF("MistralForCausalLM") ",\"layer_types\":[\"full_attention\"]}", "layer_types is wrong"},
      {OF("MistralForCausalLM") ",\"layer_types\":[\"full_attention\",\"sliding_attention\","
                                "\"full_attention\",\"full_attention\"]}",
       "layer_types of both kinds are not there"},
      {OF("Qwen3ForCausalLM") ",\"layer_types\":[\"sliding_attention\",\"full_attention\","
                              "\"full_attention\",\"full_attention\"]}",
       "layer_types has sliding layers without a window"},
      {OF("Qwen3ForCausalLM") ",\"layer_types\":[\"linear_attention\",\"full_attention\","
                              "\"full_attention\",\"full_attention\"]}",
       "layer_types: 'linear_attention' is not there"},
      {MOE ",\"num_local_experts\":5}", "num_experts and num_local_experts differ"},
      {OF("Qwen3MoeForCausalLM") ",\"num_experts\":0}", "num_experts is wrong: expected an integer from 1"},
      {OF("OlmoeForCausalLM") "}", "num_experts is missing: expected an integer from 1 to 4096"},
      {OF("MixtralForCausalLM") ",\"num_experts\":0}", "num_experts is wrong: expected an integer from 1"},
      {DEEPSEEK_OF("4") ",\"num_local_experts\":0}",
       "num_local_experts is wrong: expected an integer from 1"},
      {DEEPSEEK ",\"num_mtp_layers\":-1}", "num_mtp_layers is wrong: expected an integer from 0"},
      {LLAMA ",\"rope_parameters\":{\"type\":3}}", "rope_parameters.type is wrong: expected a string"},
      {MOE ",\"mlp_only_layers\":[4]}", "mlp_only_layers is wrong"},
      {MOE ",\"mlp_only_layers\":3}", "mlp_only_layers is wrong"},
      {OF("MixtralForCausalLM") "}", "num_local_experts is missing: expected an integer from 1 to 4096"},
      {OF("MixtralForCausalLM") ",\"num_local_experts\":2,\"num_experts_per_tok\":3}", "num_experts_per_tok"},
      {OF("OlmoeForCausalLM") ",\"num_experts\":2,\"num_experts_per_tok\":1,\"clip_qkv\":-8}", "clip_qkv"},
      {OF("GraniteMoeForCausalLM") ",\"num_local_experts\":2,\"num_experts_per_tok\":1,"
                                   "\"logits_scaling\":0}",
       "logits_scaling"},
      {"{\"model_type\":\"llama\",\"hidden_size\":64,\"num_hidden_layers\":1,\"num_attention_heads\":4,"
       "\"num_key_value_heads\":3,\"vocab_size\":1,\"max_position_embeddings\":1,\"intermediate_size\":1}",
       "num_key_value_heads (attention.head_count_kv): expected a divisor"},
      {"{\"model_type\":\"llama\",\"hidden_size\":99999999999999999999}", "expected JSON"},
  };
  for (size_t i = 0; i < LENGTH(cases); i++) assert_refused(cases[i].text, cases[i].what);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_llama),   cmocka_unit_test(test_yarn),    cmocka_unit_test(test_sparse),
      cmocka_unit_test(test_windows), cmocka_unit_test(test_gpt_oss), cmocka_unit_test(test_deepseek),
      cmocka_unit_test(test_nested),  cmocka_unit_test(test_refused), cmocka_unit_test(test_generation)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
