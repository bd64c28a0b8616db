// SPDX-License-Identifier: Apache-2.0
// Configuration files that are wrong: each is refused with its line, the key, and what was expected.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// clang-format off: after what it needs
#include <cmocka.h>
// clang-format on

#include "duplex/error.h"
#include "model/config.h"
#include "serving/model.h"
#include "serving/serving.h"
#include "tests/serving/files.h"

struct wrong {
  const char *text, *line, *word;  // of the message
};

static char path[] = P_tmpdir "/duplex_config_XXXXXX";

static void refuse(const char *system, const char *model, const char *constants, enum serving_mode mode,
                   const struct wrong *wrong) {
  const struct serving_options options = {.system = system,
                                          .model = model,
                                          .constants = constants,
                                          .batch = 4,
                                          .mode = mode,
                                          .input = 16,
                                          .output = 16,
                                          .measured = 2};
  struct serving_result result;
  char error[1024] = "";
  write_text(path, wrong->text);
  if (serving_run(&options, &result, error, sizeof error) == 0) fail_msg("taken: %s", wrong->text);
  check_message(error, path, wrong->line, wrong->word);
}

#define LAYERS "{\n\"layers\": 2, \"hidden\": 64, \"inner\": 64, \"heads\": 4, \"kv_heads\": 4,\n"
#define WHOLE(layers, hidden, inner)                                                              \
  "{\"heads\": 8, \"kv_heads\": 8, \"head_size\": 128, \"vocabulary\": 64,\n\"layers\": " #layers \
  ", \"hidden\": " #hidden ", \"inner\": " #inner
#define RATES "{\"peak_tflops\": 900, \"bandwidth_gb_s\": 3000, \"dram_pj_bit\": 1, \"mac_pj\": 1}"
#define MIXTRAL(hidden, experts, chosen)                                                                    \
  "{\"model_type\": \"mixtral\", \"num_hidden_layers\": 2, \"vocab_size\": 100,\n\"hidden_size\": " #hidden \
  ", \"intermediate_size\": 64, \"max_position_embeddings\": 64,\n\"num_local_experts\": " experts          \
  ",\n\"num_experts_per_tok\": " #chosen ", \"num_attention_heads\": 8"
#define SHAPES(class, more)                                                                    \
  "{\"architectures\": [\"" class                                                              \
      "ForCausalLM\"], \"num_hidden_layers\": 4, \"hidden_size\": 64, "                        \
      "\"intermediate_size\": 96, \"moe_intermediate_size\": 32, \"num_attention_heads\": 4, " \
      "\"num_experts_per_tok\": 2, \"vocab_size\": 100, " more "}"
#define QWEN3(layers, more)                                                                \
  "{\"model_type\": \"qwen3_moe\", \"num_hidden_layers\": " layers                         \
  ", \"hidden_size\": 64, "                                                                \
  "\"intermediate_size\": 96, \"moe_intermediate_size\": 32, \"num_attention_heads\": 8, " \
  "\"num_key_value_heads\": 4, \"max_position_embeddings\": 64, \"num_experts\": 16, "     \
  "\"num_experts_per_tok\": 4, \"vocab_size\": 100, " more "}"

static const struct wrong models[] = {
    {"", ":1:", "expected JSON"},
    {"[1]", ":1:", "object"},
    {"{\n\"layers\": 2,\n\"layers\": 3}", ":3:", "uplicate"},
    {LAYERS "\"head_size\": 16,\n\"vocabulary\": 100,\n\"colour\": 3}", ":5:", "colour is unknown"},
    {LAYERS "\"head_size\": 16}", ":1:", "vocabulary is missing, expected a whole number from 1 to 16777216"},
    {LAYERS "\"head_size\": -1, \"vocabulary\": 100}", ":3:", "whole number from 1"},
    {LAYERS "\"head_size\": 1.5, \"vocabulary\": 100}", ":3:", "whole number"},
    {LAYERS "\"head_size\": NaN, \"vocabulary\": 100}", ":3:", "expected JSON"},
    {LAYERS "\"head_size\": 1e99, \"vocabulary\": 100}", ":3:", "head_size"},
    {LAYERS "\"head_size\": \"16\", \"vocabulary\": 100}", ":3:", "head_size"},
    {LAYERS "\"head_size\": 16, \"vocabulary\": 100,\n\"weight_bits\": 5}", ":4: weight_bits",
     "expected one of 4, 8, 16"},
    {LAYERS "\"head_size\": 16, \"vocabulary\": 100,\n\"weight_bits\": 32}", ":4: weight_bits",
     "expected one of 4, 8, 16"},
    {LAYERS "\"head_size\": 16, \"vocabulary\": 100,\n\"weight_bits\": \"8\"}", ":4: weight_bits",
     "expected one of 4, 8, 16"},
    {LAYERS "\"head_size\": 16, \"vocabulary\": 100,\n\"experts\": 2, \"top_k\": 3}", ":4: top_k",
     "at most the experts, 2"},
    {LAYERS "\"head_size\": 16, \"vocabulary\": 100,\n\"experts\": 8,\n\"moe_every\": 3}", ":5:", "divisor"},
    {LAYERS "\"head_size\": 16, \"vocabulary\": 100,\n\"a.b\": 1}", ":4:", "a.b is unknown"},
    {LAYERS "\"head_size\": 16, \"vocabulary\": 100,\n\"a\\nb\": 1}", ":4:", "is unknown"},
    {LAYERS "\"head_size\": 16, \"vocabulary\": 100,\n\"\\u0061b\": 1}", ":4:", "ab is unknown"},
    {LAYERS "\"head_size\": 16, \"vocabulary\": 100,\n\"top_k\": 2}", ":4:", "top_k is of experts"},
    {LAYERS "\"head_size\": 16, \"vocabulary\": 100,\n\"experts\": 0,\n\"shared_experts\": 2}",
     ":5:", "of experts"},
    {LAYERS "\"head_size\": 16, \"vocabulary\": 100,\n\"moe_every\": 2}", ":4:", "of experts"},
    {"{\"num_hidden_layers\": 2,\n\"hidden_size\": 64}", ":1:", "model_type: '' is not there"},
    {"{\"model_type\":\n\"mixtral\"}",
     ":1:", "num_hidden_layers is missing: expected an integer from 1 to 4096"},
    {MIXTRAL(-64, "8", 2) "}", ":2:", "hidden_size"},
    {MIXTRAL(64, "\"8\"", 2) "}", ":3:", "num_local_experts is wrong"},
    {MIXTRAL(64, "8.0", 2) "}", ":3:", "num_local_experts is wrong"},
    {MIXTRAL(64, "8,\n\"num_experts\": 16", 2) "}", ":3:", "differ"},
    {MIXTRAL(64, "8", 65) "}", ":4:", "num_experts_per_tok"},
    {"{\"model_type\": \"qwen3_moe\", \"num_hidden_layers\": 2, \"hidden_size\": 64, \"vocab_size\": 100,\n"
     "\"intermediate_size\": 96, \"num_attention_heads\": 8, \"max_position_embeddings\": "
     "64,\n\"num_experts\": 0}",
     ":3: num_experts", "is wrong: expected an integer from 1"},
    {MIXTRAL(64, "8", 2) ",\n\"rope_parameters\": {\n\"type\": \"odd\"}}", ":6: rope_parameters.type",
     "is 'odd'"},
    {MIXTRAL(64, "8",
             2) ",\n\"rope_scaling\": {\"type\": \"llama3\", \"factor\": 2,\n\"low_freq_factor\": 2}}",
     ":6: low_freq_factor", "the second larger"},
    {"{\"model_type\": \"llama\", \"text_config\": {\n\"num_hidden_layers\": 2,\n\"hidden_size\": -1}}",
     ":3: hidden_size", "is wrong: expected an integer from 1"},
    {"{\"model_type\": \"llama\", \"text_config\": {\"num_hidden_layers\": 2, \"vocab_size\": 10, "
     "\"num_attention_heads\": 4,"
     "\n\"max_position_embeddings\": 64,\n\"hidden_size\": 4194304, \"intermediate_size\": 64}}",
     ":3: text_config.hidden_size", "expected at most"},
    {MIXTRAL(64, "8", 2) ",\n\"sliding_window\": 128}", ":5:", "sliding_window is 128"},
    {MIXTRAL(64, "8", 2) ",\n\"n_shared_experts\": 1}", ":5:", "n_shared_experts is not known"},
    {MIXTRAL(64, "8", 2) ",\n\"kv_lora_rank\": 512}", ":5:", "kv_lora_rank is not known"},
    {MIXTRAL(64, "8", 2) ",\n\"quantization_config\": {\n\"quant_method\": \"fp8\"}}",
     ":5:", "expected no such key, or a file with weight_bits in its place"},
    {MIXTRAL(64, "8", 2) ",\n\"num_key_value_heads\": \"4\"}", ":5:", "num_key_value_heads is wrong"},
    {"{\n\"architectures\": [\"DeepseekV4ForCausalLM\"],\n\"num_hidden_layers\": 61}",
     ":2:", "'DeepseekV4ForCausalLM' is not there, expected one of MixtralForCausalLM, "},
    {"{\n\"num_hidden_layers\": 24, \"hidden_size\": 64,\n\"model_type\": \"qwen9_moe\"}",
     ":3:", "DeepseekV3ForCausalLM, Qwen2MoeForCausalLM"},
    {SHAPES("DeepseekV3", "\"n_routed_experts\": 8,\n\"first_k_dense_replace\": 4"), ":1: kv_lora_rank",
     "is missing, expected a whole number from 1 to 65536"},
    {SHAPES("Deepseek", "\"n_routed_experts\": 8,\n\"first_k_dense_replace\": 4"),
     ":2: first_k_dense_replace", "is 4, expected fewer than all layers, 4"},
    {SHAPES("Deepseek", "\"n_routed_experts\": 8,\n\"num_key_value_heads\": 3"),
     ":2: num_key_value_heads is 3", "a divisor of num_attention_heads, 4"},
    {SHAPES("Deepseek", "\"n_routed_experts\": 1"), ":1: num_experts_per_tok is 2", "at most the experts, 1"},
    {SHAPES("Deepseek", "\"n_routed_experts\": 8,\n\"moe_layer_freq\": 3"), ":2: moe_layer_freq is 3",
     "a divisor of the layers"},
    {SHAPES("Deepseek", "\"n_shared_experts\": 1"), ":1: n_routed_experts", "is missing, expected a whole"},
    {SHAPES("Qwen2Moe", "\"num_experts\": 8,\n\"shared_expert_intermediate_size\": 48"),
     ":2:", "expected a multiple of moe_intermediate_size, 32"},
    {SHAPES("Qwen2Moe",
            "\"num_experts\": 8, \"shared_expert_intermediate_size\": 64,\n\"mlp_only_layers\": [4]"),
     ":2: mlp_only_layers", "expected a list of layers from 0 to 3"},
    {SHAPES("Qwen2Moe",
            "\"num_experts\": 8, \"shared_expert_intermediate_size\": 64,\n\"mlp_only_layers\": [1.0]"),
     ":2: mlp_only_layers", "expected a list of layers from 0 to 3"},
    {SHAPES("Qwen2Moe",
            "\"num_experts\": 8, \"shared_expert_intermediate_size\": 64,\n\"mlp_only_layers\": 1"),
     ":2: mlp_only_layers", "expected a list of layers from 0 to 3"},
    {SHAPES("Qwen2Moe",
            "\"num_experts\": 8, \"shared_expert_intermediate_size\": 64,\n\"decoder_sparse_step\": 0"),
     ":2: decoder_sparse_step", "expected a whole number from 1 to 4096"},
    {QWEN3("7", "\n\"mlp_only_layers\": [7]"), ":2: mlp_only_layers",
     "is wrong: expected an integer from 0 to 6"},
    {SHAPES("Qwen2Moe",
            "\"num_experts\": 8, \"shared_expert_intermediate_size\": 64,\n\"quantization_config\": {}"),
     ":2: quantization_config", "expected quant_method fp8"},
    {"{\"model_type\": \"gpt_oss\", \"num_hidden_layers\": 4, \"hidden_size\": 64, \"vocab_size\": 100,\n"
     "\"intermediate_size\": 64, \"num_attention_heads\": 4, \"num_key_value_heads\": 4, \"head_dim\": 16,\n"
     "\"max_position_embeddings\": 4096, \"num_local_experts\": 8, \"num_experts_per_tok\": 2,\n"
     "\"sliding_window\": 64}",
     ":4:", "sliding_window is 64"},
    {LAYERS "\"head_size\": 16, \"vocabulary\": 100}}", ":3:", "expected JSON"},
    // What does not fit or come out even is told with the line that it comes from.
    {WHOLE(1024, 16384, 65536) "}", ":2 on gpu: -", "GB are left"},
    {"{\"model_type\": \"mixtral\",\n\"num_hidden_layers\": 1024, \"vocab_size\": 100, \"hidden_size\": "
     "4096, "
     "\"intermediate_size\": 16384, \"max_position_embeddings\": 64, \"num_local_experts\": 8, "
     "\"num_experts_per_tok\": 2, \"num_attention_heads\": 32}",
     ":2 on gpu: -", "GB are left"},
    {MIXTRAL(64, "8", 2) ",\n\"devices\": 3}", ":5:", "devices is not known"},
    {LAYERS "\"head_size\": 16, \"vocabulary\": 100,\n\"experts\": 6}", ":4: devices with experts is 4",
     "divisor"},
    {LAYERS "\"head_size\": 16, \"vocabulary\": 100,\n\"experts\": 8,\n\"devices\": 3}",
     ":5: devices with experts is 3", "divisor"},
    {LAYERS "\"head_size\": 16, \"vocabulary\": 100,\n\"experts\": 2048}",
     ":4: experts of a group of devices is 512", "at most 256"},
};

static const struct wrong models_full[] = {
    {LAYERS "\"head_size\": 16, \"vocabulary\": 100,\n\"experts\": 2, \"devices\": 6}",
     ":2 on duplex: mode full", "3 devices of an expert divide"},
};

static const struct wrong systems_authors[] = {
    {"{\"beside\": \"logic_pim\",\n\"layout\": \"split\"}", ":2: mode authors", "another layout"},
};

static const struct wrong systems[] = {
    {"{}", ":1:", "beside is missing, expected one of none, logic_pim, bank_pim, bankgroup_pim"},
    {"{\"beside\":\n\"gpu\"}", ":1:", "one of none, logic_pim"},
    {"{\"beside\": \"none\",\n\"co_processing\": true}", ":1:", "expected a processor beside"},
    {"{\"beside\": \"none\",\n\"xpu\": {\"mac_pj\": 1,\n\"peak\": 2}}", ":3:", "xpu.peak is unknown"},
    {"{\"beside\": \"none\",\n\"xpu\": {\n\"mac_pj\": -1}}", ":3:", "xpu.mac_pj"},
    {"{\"beside\": \"none\",\n\"xpu\": 3}", ":2:", "expected {"},
    {"{\"beside\": \"logic_pim\",\n\"authors\": {\"colour\": 1}}", ":2:", "authors.colour is unknown"},
    {"{\"beside\": \"logic_pim\",\n\"authors\": {\"co_processing\": 1}}", ":2:", "true or false"},
    {"{\"beside\": \"none\",\n\"times_devices\": 0}", ":2:", "from 1"},
    {"{\"beside\": \"none\",\n\"comment\": 1, \"co_processing\": 1}", ":2:", "true or false"},
    {"{\"beside\": \"logic_pim\",\n\"devices\": 3}", ":2:", "divisor or a multiple"},
    {"{\"beside\": \"logic_pim\",\n\"layout\": \"hetero\",\n\"devices\": 3}", ":3:", "even"},
    {"{\"beside\": \"logic_pim\", \"expert_tensor\": true,\n\"nodes\": 3}", ":2:", "divisor"},
    {"{\"beside\": \"none\", \"nodes\": 1024,\n\"devices\": 2}", ":2:", "at most 1024"},
    {"{\"beside\": \"none\",\n\"nodes\": 1024}", ":2: nodes makes devices 4096", "at most 1024"},
    {"{\"beside\": \"none\",\n\"nodes\": 3}", ":2: nodes makes devices with experts 12",
     "divisor or a multiple"},
    {"{\"beside\": \"none\", \"devices\": 2,\n\"nodes\": 3}", ":2: nodes makes devices with experts 6",
     "divisor or a multiple"},
    {"{\"beside\": \"logic_pim\", \"layout\": \"hetero\",\n\"nodes\": 3}",
     ":2: nodes makes devices with experts 6", "divisor or a multiple"},
    {"{\"beside\": \"none\", \"devices\": 1,\n\"memory\": {\"gib\": 8}}", ":2:", "GB are left"},
    {"{\"beside\": \"none\",\n\"devices\": 1}", ":2: ", "GB are left"},
    // Of both numbers, and where neither is given with it.
    {"{\"beside\": \"none\",\n\"times_devices\": 3}", ":2: times_devices makes devices with experts 12",
     "divisor"},
    {"{\"beside\": \"logic_pim\", \"expert_tensor\": true,\n\"times_devices\": 3}",
     ":2: times_devices makes nodes 3", "expected a divisor of the model's experts"},
    {"{\"beside\": \"none\", \"times_devices\": 3,\n\"devices\": 3}", ":2: devices with experts is 3",
     "divisor"},
    {"{\"beside\": \"logic_pim\", \"expert_tensor\": true, \"times_devices\": 3,\n\"nodes\": 3}",
     ":2: nodes is 3", "divisor"},
};

// Constants of mode paper beside keys of the others.
#define OTHER_MODES(full, authors)                                                                   \
  "{\"links\": {\"node_gb_s\": 450, \"between_gb_s\": 400}, \"memory\": {\"gib\": 80},\n"            \
  "\"xpu\": " RATES ", \"logic_pim\": " RATES ", \"bank_pim\": " RATES ", \"bankgroup_pim\": " RATES \
  ",\n"                                                                                              \
  "\"paper\": {\"xpu_compute_share\": 1, \"xpu_bandwidth_share\": 1, \"pim_compute_share\": 1, "     \
  "\"pim_bandwidth_share\": 1, \"node_latency_us\": 1, \"between_latency_us\": 1},\n"                \
  "\"full\": {" full "},\n\"authors\": {" authors "}}"

static const struct wrong constants[] = {
    {"{\"memory\": {\"gib\": 80}}", ":1:", "links is missing, expected { ... }"},
    {"{\"memory\": {\"gib\": 0}, \"links\": 3}", ":1:", "links"},
    {"{\"links\": {\"node_gb_s\": 450, \"between_gb_s\": 400},\n\"memory\": {\"gib\": 8},\n"
     "\"xpu\": " RATES ", \"logic_pim\": " RATES ", \"bank_pim\": " RATES ", \"bankgroup_pim\": " RATES ",\n"
     "\"full\": {}, \"authors\": {}, \"paper\": {\"xpu_compute_share\": 1, \"xpu_bandwidth_share\": 1,\n"
     "\"pim_compute_share\": 1, \"pim_bandwidth_share\": 1, \"node_latency_us\": 1, \"between_latency_us\": "
     "1}}",
     ":2: ", "GB are left"},
    {OTHER_MODES("\"colour\": 5", ""), ":4:", "full.colour is unknown"},
    {OTHER_MODES("", "\"xpu_bandwidth_share\": 5"), ":5:", "authors.xpu_bandwidth_share"},
    {OTHER_MODES("", "\"launch_us\": 1"), ":5:", "authors.launch_us is unknown"},
};
#define REFUSE_ALL(list, system, model, constants, mode)       \
  for (unsigned i = 0; i < sizeof(list) / sizeof *(list); i++) \
  refuse(system, model, constants, mode, &(list)[i])

static void test_wrong_files(void **state) {
  (void)state;
  REFUSE_ALL(models, "gpu", path, NULL, SERVING_PAPER);
  REFUSE_ALL(models_full, "duplex", path, NULL, SERVING_FULL);
  REFUSE_ALL(systems, path, "mixtral", NULL, SERVING_PAPER);
  REFUSE_ALL(systems_authors, path, "mixtral", NULL, SERVING_AUTHORS);
  REFUSE_ALL(constants, "gpu", "mixtral", path, SERVING_PAPER);
}

static int read_config(uint64_t number, char *error, size_t size) {
  static const char before[] = "mixtral on ";
  const bool of_model = number % 2;
  const struct serving_options options = {.system = of_model ? "gpu" : path,
                                          .model = of_model ? path : "mixtral",
                                          .mode = SERVING_PAPER,
                                          .batch = 2,
                                          .input = 4,
                                          .output = 4,
                                          .measured = 1};
  struct serving_result result;
  const int status = serving_run(&options, &result, error, size);
  if (!status) assert_true(result.tokens > 0 && result.sum.seconds > 0);
  if (!of_model && strncmp(error, before, strlen(before)) == 0)  // the file that was given comes second then
    memmove(error, error + strlen(before), strlen(error + strlen(before)) + 1);
  return status;
}

static void test_mutations(void **state) {
  static const char model[] = LAYERS
      "\"head_size\": 16, \"vocabulary\": 100, \"experts\": 8, \"top_k\": 2, \"moe_every\": 1, \"comment\": "
      "\"a text in which damage mostly does no harm, as long as the text as a whole is still one\"}";
  static const char system[] =
      "{\"beside\": \"logic_pim\", \"co_processing\": true, \"nodes\": 1, \"devices\": 4,\n"
      "\"xpu\": {\"mac_pj\": 0.5}, \"memory\": {\"gib\": 80}, \"layout\": \"together\",\n"
      "\"comment\": \"a text in which damage mostly does no harm, as long as the text as a whole is still "
      "one\"}";
  (void)state;
  check_mutations(path, (const char *const[]){system, model}, 2, 500, 0.5, read_config);
}

// A Hugging Face file of Mixtral is the built-in model, and a missing file names those there are.
static void test_hugging_face(void **state) {
  struct serving_options options = {.system = "duplex-pe-et",
                                    .model = "mixtral",
                                    .mode = SERVING_PAPER,
                                    .batch = 4,
                                    .input = 16,
                                    .output = 16,
                                    .measured = 20};
  struct serving_result built_in, read;
  char error[1024] = "";
  (void)state;
  write_text(
      path,
      "{\"architectures\": [\"MixtralForCausalLM\"], \"attention_dropout\": 0.0, \"bos_token_id\": 1,"
      "\"eos_token_id\": 2, \"hidden_act\": \"silu\", \"hidden_size\": 4096, \"initializer_range\": 0.02,"
      "\"intermediate_size\": 14336, \"max_position_embeddings\": 32768, \"model_type\": \"mixtral\","
      "\"num_attention_heads\": 32, \"num_hidden_layers\": 32, \"num_key_value_heads\": 8, \"head_dim\": "
      "null,"
      "\"num_experts_per_tok\": 2, \"num_local_experts\": 8, \"output_router_logits\": false,"
      "\"rms_norm_eps\": 1e-05, \"rope_theta\": 1000000.0, \"router_aux_loss_coef\": 0.02,"
      "\"sliding_window\": null, \"tie_word_embeddings\": false, \"torch_dtype\": \"bfloat16\","
      "\"transformers_version\": \"4.36.0.dev0\", \"use_cache\": true, \"vocab_size\": 32000,"
      "\"n_shared_experts\": null, \"quantization_config\": null}");
  assert_int_equal(serving_run(&options, &built_in, error, sizeof error), 0);
  options.model = path;
  assert_int_equal(serving_run(&options, &read, error, sizeof error), 0);
  assert_memory_equal(&built_in, &read, sizeof read);
  options.model = "/nowhere/model.json";
  assert_int_equal(serving_run(&options, &read, error, sizeof error), DUPLEX_ERROR_IO);
  assert_non_null(strstr(error, "mixtral"));
}

// What stands as null is what the class takes: as many heads of K and V as of Q, no experts.
static void test_nulls(void **state) {
  struct serving_model m;
  char error[1024] = "";
  (void)state;
  write_text(path,
             "{\"model_type\": \"llama\", \"num_hidden_layers\": 4, \"hidden_size\": 64, \"vocab_size\": 100,"
             "\"intermediate_size\": 96, \"num_attention_heads\": 4, \"max_position_embeddings\": 64,"
             "\"num_key_value_heads\": null, \"head_dim\": null, \"num_experts_per_tok\": null}");
  if (serving_model_read(&m, path, error, sizeof error)) fail_msg("%s", error);
  assert_true(m.layers == 4 && m.heads == 4 && m.kv_heads == 4 && m.head_size == 16 && m.experts == 0);
  assert_true(m.inner == 96 && m.dense_inner == 96);
  write_text(
      path,
      "{\"model_type\": \"qwen3_moe\", \"num_hidden_layers\": 6, \"hidden_size\": 64, \"vocab_size\": 100,"
      "\"intermediate_size\": 96, \"moe_intermediate_size\": 32, \"num_attention_heads\": 8,"
      "\"max_position_embeddings\": 64, \"num_experts\": 16, \"num_experts_per_tok\": 4,"
      "\"decoder_sparse_step\": 2}");
  if (serving_model_read(&m, path, error, sizeof error)) fail_msg("%s", error);
  assert_true(m.kv_heads == 4 && m.experts == 16 && m.top_k == 4 && m.inner == 32 && m.dense_inner == 96);
  assert_int_equal(model_moe_layers(&m), 3);
}

static struct serving_model read_good(const char *text) {
  struct serving_model m;
  char error[1024] = "";
  write_text(path, text);
  if (serving_model_read(&m, path, error, sizeof error)) fail_msg("%s", error);
  return m;
}

// Dense layers of Qwen3-MoE: counts, weights and bytes by hand, and as many layers as a run of the model has.
static void test_dense_layers(void **state) {
  static const struct {
    const char *text;
    unsigned sparse;
  } files[] = {{QWEN3("7", "\"decoder_sparse_step\": 2, \"mlp_only_layers\": [0, 5]"), 2},  // 1 and 3
               {QWEN3("7", "\"decoder_sparse_step\": 3, \"mlp_only_layers\": [1]"), 2},     // 2 and 5
               {QWEN3("7", "\"mlp_only_layers\": [0, 2, 2, 4, 5, 6]"), 2},                  // 1 and 3
               {QWEN3("7", "\"decoder_sparse_step\": 5, \"mlp_only_layers\": []"), 1},      // 4
               {QWEN3("7", "\"decoder_sparse_step\": 8"), 0}};
  (void)state;
  for (unsigned i = 0; i < sizeof files / sizeof *files; i++) {
    const char *text = files[i].text;
    const struct serving_model m = read_good(text);
    const unsigned sparse = files[i].sparse;
    // 8 + 8 heads of 8 values of q and of the output, 4 + 4 of k and v; 3 matrices of 64 * 96 or 64 * 32.
    const unsigned others = 7 * 64 * 24 * 8 + (7 - sparse) * 3 * 64 * 96 + sparse * 64 * 16 + 2 * 64 * 100;
    assert_int_equal(model_moe_layers(&m), sparse);
    assert_int_equal(model_other_weights(&m), others);
    assert_int_equal(model_expert_weights(&m), 3 * 64 * (sparse ? 32 : 96));
    assert_int_equal(model_kv_bytes(&m), 7 * 2 * 2 * 4 * 8);
    assert_int_equal(m.experts, sparse ? 16 : 0);
    struct model_config run;
    struct model_error error;
    assert_int_equal(model_config_read(text, strlen(text), "config.json", &run, &error), 0);
    assert_int_equal(model_config_sparse_layers(&run), sparse);
    model_config_free(&run);
  }
  const struct serving_model qwen2 =
      read_good(SHAPES("Qwen2Moe",
                       "\"num_experts\": 8, \"shared_expert_intermediate_size\": 64, "
                       "\"decoder_sparse_step\": 3, \"mlp_only_layers\": [0, 1]"));
  assert_int_equal(model_moe_layers(&qwen2), 1);  // 2
  assert_int_equal(model_other_weights(&qwen2),
                   4 * 64 * 16 * 16 + 3 * 3 * 64 * 96 + 2 * 3 * 64 * 32 + 64 * 8 + 2 * 64 * 100);
  const struct serving_model dense =
      read_good(SHAPES("Qwen2Moe",
                       "\"num_experts\": 8, \"shared_expert_intermediate_size\": 64, "
                       "\"mlp_only_layers\": [3, 1, 0, 2]"));
  assert_true(dense.experts == 0 && dense.shared_experts == 0 && dense.inner == 96);
}

// A stage takes as long wherever its dense layers are: five in front, and five between.
static void test_places_of_dense_layers(void **state) {
  static const char *const texts[] = {
      QWEN3("7", "\"decoder_sparse_step\": 2, \"mlp_only_layers\": [5]"),
      QWEN3("7", "\"mlp_only_layers\": [0, 1, 2, 3, 4]"),
      ("{\"layers\": 7, \"hidden\": 64, \"inner\": 32, \"dense_inner\": 96, \"heads\": 8, \"kv_heads\": 4, "
       "\"head_size\": 8, \"vocabulary\": 100, \"experts\": 16, \"top_k\": 4, \"dense_layers\": 5}")};
  struct serving_result results[3];
  (void)state;
  for (unsigned mode = SERVING_FULL; mode <= SERVING_PAPER; mode++) {
    for (unsigned i = 0; i < 3; i++) {
      const struct serving_options options = {.system = "gpu",
                                              .model = path,
                                              .mode = (enum serving_mode)mode,
                                              .batch = 4,
                                              .input = 16,
                                              .output = 16,
                                              .measured = 20};
      char error[1024] = "";
      write_text(path, texts[i]);
      if (serving_run(&options, &results[i], error, sizeof error)) fail_msg("%s", error);
      assert_memory_equal(&results[0], &results[i], sizeof *results);
    }
    assert_true(results[0].sum.part[SERVING_MOE] > 0 && results[0].sum.part[SERVING_FC] > 0);
  }
}

// Published configurations have the published numbers of parameters.
static void test_published(void **state) {
  static const struct {
    const char *text;
    double parameters;  // in 10^9
    unsigned bits, kv_bytes;
  } models[] = {
      {"{\"architectures\": [\"DeepseekForCausalLM\"], \"first_k_dense_replace\": 1, \"hidden_size\": 2048, "
       "\"intermediate_size\": 10944, \"moe_intermediate_size\": 1408, \"moe_layer_freq\": 1, "
       "\"n_routed_experts\": 64, \"n_shared_experts\": 2, \"num_attention_heads\": 16, "
       "\"num_experts_per_tok\": 6, \"num_hidden_layers\": 28, \"num_key_value_heads\": 16, "
       "\"vocab_size\": 102400}",
       16.4, 16, 2 * 2 * 16 * 128 * 28},
      {"{\"architectures\": [\"DeepseekV2ForCausalLM\"], \"first_k_dense_replace\": 1, \"hidden_size\": "
       "2048, "
       "\"intermediate_size\": 10944, \"kv_lora_rank\": 512, \"moe_intermediate_size\": 1408, "
       "\"moe_layer_freq\": 1, \"n_routed_experts\": 64, \"n_shared_experts\": 2, \"num_attention_heads\": "
       "16, "
       "\"num_experts_per_tok\": 6, \"num_hidden_layers\": 27, \"num_key_value_heads\": 16, \"q_lora_rank\": "
       "null, "
       "\"qk_nope_head_dim\": 128, \"qk_rope_head_dim\": 64, \"v_head_dim\": 128, \"vocab_size\": 102400}",
       15.7, 16, 2 * 16 * 320 * 27},
      {"{\"architectures\": [\"DeepseekV2ForCausalLM\"], \"first_k_dense_replace\": 1, \"hidden_size\": "
       "5120, "
       "\"intermediate_size\": 12288, \"kv_lora_rank\": 512, \"moe_intermediate_size\": 1536, "
       "\"moe_layer_freq\": 1, \"n_routed_experts\": 160, \"n_shared_experts\": 2, "
       "\"num_attention_heads\": 128, \"num_experts_per_tok\": 6, \"num_hidden_layers\": 60, "
       "\"num_key_value_heads\": 128, \"q_lora_rank\": 1536, \"qk_nope_head_dim\": 128, "
       "\"qk_rope_head_dim\": 64, "
       "\"v_head_dim\": 128, \"vocab_size\": 102400}",
       236, 16, 2 * 128 * 320 * 60},
      {"{\"architectures\": [\"DeepseekV3ForCausalLM\"], \"first_k_dense_replace\": 3, \"hidden_size\": "
       "7168, "
       "\"intermediate_size\": 18432, \"kv_lora_rank\": 512, \"moe_intermediate_size\": 2048, "
       "\"moe_layer_freq\": 1, \"n_routed_experts\": 256, \"n_shared_experts\": 1, "
       "\"num_attention_heads\": 128, \"num_experts_per_tok\": 8, \"num_hidden_layers\": 61, "
       "\"num_key_value_heads\": 128, \"q_lora_rank\": 1536, \"qk_nope_head_dim\": 128, "
       "\"qk_rope_head_dim\": 64, "
       "\"quantization_config\": {\"quant_method\": \"fp8\", \"weight_block_size\": [128, 128]}, "
       "\"v_head_dim\": 128, \"vocab_size\": 129280}",
       671, 8, 2 * 128 * 320 * 61},
      {"{\"model_type\": \"qwen2_moe\", \"decoder_sparse_step\": 1, \"hidden_size\": 2048, "
       "\"intermediate_size\": 5632, \"moe_intermediate_size\": 1408, \"num_attention_heads\": 16, "
       "\"num_experts\": 60, \"num_experts_per_tok\": 4, \"num_hidden_layers\": 24, "
       "\"num_key_value_heads\": 16, \"shared_expert_intermediate_size\": 5632, \"use_sliding_window\": "
       "false, "
       "\"vocab_size\": 151936}",
       14.3, 16, 2 * 2 * 16 * 128 * 24},
  };
  (void)state;
  for (unsigned i = 0; i < sizeof models / sizeof *models; i++) {
    struct serving_model m;
    char error[1024] = "";
    write_text(path, models[i].text);
    if (serving_model_read(&m, path, error, sizeof error)) fail_msg("%s", error);
    const double all =
        model_other_weights(&m) + model_moe_layers(&m) * (double)m.experts * model_expert_weights(&m);
    if (all < 0.996e9 * models[i].parameters || all > 1.004e9 * models[i].parameters)
      fail_msg("model %u has %.4g parameters, expected %.4g", i, all, 1e9 * models[i].parameters);
    assert_int_equal(m.weight_bits, models[i].bits);
    assert_int_equal(model_kv_bytes(&m), models[i].kv_bytes);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_wrong_files),  cmocka_unit_test(test_mutations),
      cmocka_unit_test(test_hugging_face), cmocka_unit_test(test_nulls),
      cmocka_unit_test(test_dense_layers), cmocka_unit_test(test_places_of_dense_layers),
      cmocka_unit_test(test_published)};
  if (!make_file(path)) return 1;
  const int failed = cmocka_run_group_tests(tests, NULL, NULL);
  remove(path);
  return failed;
}
