// SPDX-License-Identifier: Apache-2.0
// Weights by their role: rows against a plain search of all exponents, every form of experts, GGUF against
// .safetensors of the same weights, quantised blocks, and what is missing, foreign or not finite.
#include <math.h>

#include "duplex/random.h"
#include "model/gguf.h"
#include "model/weights.h"
#include "tests/common/environment.h"
#include "tests/model/files.h"

static struct model_error error;

static float float_of(duplex_f32 bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

static duplex_f32 bits_of(float value) {
  duplex_f32 bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

// Whether value * 2^-exponent is a binary16 number.
static bool is_exact(double value, int exponent) {
  const duplex_f16 half = duplex_f16_from_scaled(value, -exponent);
  return duplex_f16_to_double(half) == ldexp(value, -exponent);
}

static int largest_exact(const duplex_f32 *row, size_t count) {
  for (int e = 127; e >= -128; e--) {
    bool exact = true;
    for (size_t i = 0; i < count && exact; i++) exact = is_exact(float_of(row[i]), e);
    if (exact) return e;
  }
  return 1000;
}

static void check_row(const duplex_f32 *row, size_t count) {
  duplex_f16 values[40];
  int8_t exponent;
  const size_t rounded = model_row_convert(row, count, values, &exponent);
  double largest = 0;
  for (size_t i = 0; i < count; i++) largest = fmax(largest, fabs(float_of(row[i])));
  int expected = largest == 0 ? 0 : largest_exact(row, count);
  if (expected == 1000) {
    expected = ilogb(largest) + 4;
    if (expected < -128) expected = -128;
    if (expected > 127) expected = 127;
  }
  assert_int_equal(exponent, expected);
  size_t inexact = 0;
  for (size_t i = 0; i < count; i++) {
    const double value = float_of(row[i]);
    assert_int_equal(values[i], duplex_f16_from_scaled(value, -expected));
    inexact += !is_exact(value, expected);
  }
  assert_int_equal(rounded, inexact);
}

// Of binary16, bfloat16, binary32 with few bits, any binary32, near the ends of the range; some zeros.
static duplex_f32 draw(struct duplex_random *random, unsigned kind) {
  const uint64_t bits = duplex_random_u64(random);
  if (bits >> 60 == 0) return (duplex_f32)(bits & 0x80000000u);
  const duplex_f32 any = (duplex_f32)bits & ~((uint32_t)(bits >> 32 & 1) << 30);
  if (kind == 0) return duplex_f16_to_f32((duplex_f16)(bits & 0xbbff));
  if (kind == 1) return (any & 0x87ff0000u) | 0x38000000u;
  if (kind == 2) return (any & 0x80fff000u) | 0x3c000000u;
  if (kind == 3) return (any & 0x83ffffffu) | 0x3c000000u;
  if (kind == 4) return any & 0x80ffffffu;
  if (kind == 5) return (any & 0x807f0000u) | 0x7f000000u;
  return (any & 0x7f800000u) == 0x7f800000u ? 0 : any & 0xffff0000u;
}

static void test_rows(void **state) {
  (void)state;
  struct duplex_random random;
  duplex_f32 row[40];
  duplex_random_seed(&random, environment_seed(), 1);
  for (unsigned n = 0; n < 700 * environment_count("DUPLEX_CASES"); n++) {
    const size_t count = 1 + duplex_random_u64(&random) % 40;
    for (size_t i = 0; i < count; i++) row[i] = draw(&random, n % 7);
    check_row(row, count);
  }
  check_row((duplex_f32[]){0, 0x80000000u}, 2);
  check_row((duplex_f32[]){1}, 1);
  check_row((duplex_f32[]){0x7f7fffff, 1}, 2);
  check_row((duplex_f32[]){0x7f7f0000}, 1);
}

// A model of 2 layers, the second one sparse, with weights by a rule.
enum { HIDDEN = 32, VOCABULARY = 5, HEADS = 4, KV = 2, HEAD = 8, INNER = 32, EXPERTS = 3 };
#define CONFIG                                                                                   \
  "{\"architectures\":[\"Qwen3MoeForCausalLM\"],\"hidden_size\":32,\"num_hidden_layers\":2,"     \
  "\"num_attention_heads\":4,\"num_key_value_heads\":2,\"head_dim\":8,\"vocab_size\":5,"         \
  "\"max_position_embeddings\":64,\"intermediate_size\":32,\"moe_intermediate_size\":32,"        \
  "\"num_experts\":3,\"num_experts_per_tok\":2,\"mlp_only_layers\":[0],\"attention_bias\":true," \
  "\"tie_word_embeddings\":true}"

// Weight of a part; a multiple of 2^-12 below 1.
static float weight(enum model_part part, unsigned layer, unsigned expert, size_t row, size_t column) {
  const unsigned n =
      (unsigned)(part * 7919 + layer * 104729 + expert * 1299709 + row * 15485863 + column * 179424673);
  return (float)((int)((n ^ n >> 7) % 2047) - 1023) / 4096;
}

struct builder {
  struct model_bytes header, data;
  const char *leave;      // name of a tensor that is left out
  const char *duplicate;  // name of another one, whose shape is spoilt
};

static void add(struct builder *b, const char *name, enum model_part part, unsigned layer, unsigned experts,
                bool pair, unsigned first, size_t rows, size_t columns) {
  if (b->leave && strcmp(b->leave, name) == 0) return;
  const size_t begin = b->data.count;
  for (unsigned e = first; e < first + experts; e++)
    for (unsigned half = 0; half <= pair; half++)
      for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < columns; c++) {
          const float value = weight(part + half, layer, e, r, c);
          put(&b->data, &value, sizeof value);
        }
  put_format(&b->header, "%s\"%s\":{\"dtype\":\"F32\",\"shape\":[", b->header.count > 1 ? "," : "", name);
  const bool fused = pair || (part == MODEL_DOWN && experts > 1);
  if (fused) put_format(&b->header, "%u,", experts);
  const bool spoilt = b->duplicate && strcmp(b->duplicate, name) == 0;
  if (spoilt) put_format(&b->header, "1,");
  if (rows > 1) put_format(&b->header, "%zu,", pair ? 2 * rows : rows);
  put_format(&b->header, "%zu],\"data_offsets\":[%zu,%zu]}", columns, begin, b->data.count);
}

static void add_layer(struct builder *b, unsigned layer) {
  char name[96];
#define ADD(text, part, rows, columns)                          \
  (snprintf(name, sizeof name, "model.layers.%u." text, layer), \
   add(b, name, part, layer, 1, false, 0, rows, columns))
  ADD("input_layernorm.weight", MODEL_ATTENTION_NORM, 1, HIDDEN);
  ADD("post_attention_layernorm.weight", MODEL_FFN_NORM, 1, HIDDEN);
  ADD("self_attn.q_proj.weight", MODEL_Q, HEADS * HEAD, HIDDEN);
  ADD("self_attn.k_proj.weight", MODEL_K, KV * HEAD, HIDDEN);
  ADD("self_attn.v_proj.weight", MODEL_V, KV * HEAD, HIDDEN);
  ADD("self_attn.o_proj.weight", MODEL_O, HIDDEN, HEADS * HEAD);
  ADD("self_attn.q_proj.bias", MODEL_Q_BIAS, 1, HEADS * HEAD);
  ADD("self_attn.k_proj.bias", MODEL_K_BIAS, 1, KV * HEAD);
  ADD("self_attn.v_proj.bias", MODEL_V_BIAS, 1, KV * HEAD);
  ADD("self_attn.o_proj.bias", MODEL_O_BIAS, 1, HIDDEN);
  ADD("self_attn.q_norm.weight", MODEL_Q_NORM, 1, HEAD);
  ADD("self_attn.k_norm.weight", MODEL_K_NORM, 1, HEAD);
  if (layer == 0) {
    ADD("mlp.gate_proj.weight", MODEL_GATE, INNER, HIDDEN);
    ADD("mlp.up_proj.weight", MODEL_UP, INNER, HIDDEN);
    ADD("mlp.down_proj.weight", MODEL_DOWN, HIDDEN, INNER);
  } else {
    ADD("mlp.gate.weight", MODEL_ROUTER, EXPERTS, HIDDEN);
  }
#undef ADD
}

enum form { SEPARATE, MIXTRAL_NAMES, FUSED, GRANITE, FORMS };

static void add_experts(struct builder *b, enum form form) {
  static const char *const fused[FORMS][2] = {
      [FUSED] = {"model.layers.1.mlp.experts.gate_up_proj", "model.layers.1.mlp.experts.down_proj"},
      [GRANITE] = {"model.layers.1.block_sparse_moe.input_linear.weight",
                   "model.layers.1.block_sparse_moe.output_linear.weight"}};
  static const char *const separate[FORMS][3] = {
      [SEPARATE] = {"mlp.experts.%u.gate_proj", "mlp.experts.%u.up_proj", "mlp.experts.%u.down_proj"},
      [MIXTRAL_NAMES] = {"block_sparse_moe.experts.%u.w1", "block_sparse_moe.experts.%u.w3",
                         "block_sparse_moe.experts.%u.w2"}};
  if (fused[form][0]) {
    add(b, fused[form][0], MODEL_GATE, 1, EXPERTS, true, 0, INNER, HIDDEN);
    add(b, fused[form][1], MODEL_DOWN, 1, EXPERTS, false, 0, HIDDEN, INNER);
    return;
  }
  for (unsigned e = 0; e < EXPERTS; e++)
    for (unsigned part = 0; part < 3; part++) {
      char name[96];
      char inside[64];
      snprintf(inside, sizeof inside, separate[form][part], e);
      snprintf(name, sizeof name, "model.layers.1.%s.weight", inside);
      add(b, name, MODEL_GATE + part, 1, 1, false, e, part < 2 ? INNER : HIDDEN, part < 2 ? HIDDEN : INNER);
    }
}

static void write_model(const struct folder *folder, enum form form, struct builder *b, const char *more) {
  put(&b->header, "{", 1);
  add(b, "model.embed_tokens.weight", MODEL_EMBEDDING, 0, 1, false, 0, VOCABULARY, HIDDEN);
  add(b, "model.norm.weight", MODEL_FINAL_NORM, 0, 1, false, 0, 1, HIDDEN);
  add_layer(b, 0);
  add_layer(b, 1);
  add_experts(b, form);
  if (more) add(b, more, MODEL_HEAD, 0, 1, false, 0, VOCABULARY, HIDDEN);
  put(&b->header, "}", 2);
  struct model_bytes file = safetensors(b->header.data, b->data.data, b->data.count);
  folder_write(folder, "config.json", CONFIG, strlen(CONFIG));
  folder_write(folder, "model.safetensors", file.data, file.count);
  model_bytes_free(&file);
  model_bytes_free(&b->header);
  model_bytes_free(&b->data);
}

static void check_matrix(const struct model *model, enum model_part part, unsigned layer, unsigned expert) {
  struct model_matrix matrix;
  duplex_f32 row[64];
  assert_int_equal(model_matrix_read(model, part, layer, expert, &matrix, &error), 0);
  assert_int_equal(matrix.inexact, 0);
  const enum model_part same = part == MODEL_HEAD ? MODEL_EMBEDDING : part;
  for (size_t r = 0; r < matrix.rows; r++) {
    assert_int_equal(model_row_read(model, part, layer, expert, r, row, &error), 0);
    for (size_t c = 0; c < matrix.columns; c++) {
      const double expected = weight(same, layer, expert, r, c);
      assert_true(ldexp(duplex_f16_to_double(matrix.values[r * matrix.columns + c]), matrix.exponents[r]) ==
                  expected);
      assert_true(float_of(row[c]) == expected);
    }
  }
  model_matrix_free(&matrix);
}

static void check_model(const struct model *model) {
  for (unsigned part = 0; part < MODEL_PARTS; part++)
    for (unsigned layer = 0; layer < (part > MODEL_HEAD ? 2u : 1u); layer++) {
      size_t rows;
      size_t columns;
      if (!model_part_shape(model, part, layer, &rows, &columns)) continue;
      const bool sparse = part >= MODEL_GATE && layer == 1;
      for (unsigned e = 0; rows > 1 && e < (sparse ? EXPERTS : 1u); e++) check_matrix(model, part, layer, e);
      duplex_f32 values[64];
      if (rows > 1) continue;
      assert_int_equal(model_row_read(model, part, layer, 0, 0, values, &error), 0);
      for (size_t c = 0; c < columns; c++) assert_true(float_of(values[c]) == weight(part, layer, 0, 0, c));
    }
}

static void test_forms(void **state) {
  (void)state;
  struct folder folder;
  folder_make(&folder);
  for (unsigned form = 0; form < FORMS; form++) {
    struct builder b = {0};
    struct model *model;
    write_model(&folder, form, &b, NULL);
    if (model_open(folder.path, &model, &error)) fail_msg("%s", error.text);
    check_model(model);
    struct model_matrix matrix;
    assert_int_equal(model_matrix_read(model, MODEL_GATE, 1, EXPERTS, &matrix, &error),
                     DUPLEX_ERROR_ARGUMENT);
    assert_int_equal(model_matrix_read(model, MODEL_GATE, 0, 1, &matrix, &error), DUPLEX_ERROR_ARGUMENT);
    assert_int_equal(model_matrix_read(model, MODEL_ROUTER, 0, 0, &matrix, &error), DUPLEX_ERROR_ARGUMENT);
    assert_int_equal(model_matrix_read(model, MODEL_Q_BIAS, 0, 0, &matrix, &error), DUPLEX_ERROR_ARGUMENT);
    duplex_f32 row[64];
    assert_int_equal(model_row_read(model, MODEL_Q, 2, 0, 0, row, &error), DUPLEX_ERROR_ARGUMENT);
    assert_int_equal(model_row_read(model, MODEL_Q, 0, 0, HEADS * HEAD, row, &error), DUPLEX_ERROR_ARGUMENT);
    model_close(model);
  }
  folder_remove(&folder);
}

static void test_refused(void **state) {
  (void)state;
  static const struct {
    const char *leave, *spoilt, *more, *what;
  } cases[] = {
      {"model.norm.weight", NULL, NULL, "the final norm is missing"},
      {"model.layers.1.self_attn.k_norm.weight", NULL, NULL, "the norm of k of layer 1 is missing"},
      {"model.layers.1.mlp.experts.2.up_proj.weight", NULL, NULL, "the up of expert 2 of layer 1 is missing"},
      {NULL, "model.layers.0.self_attn.q_proj.weight", NULL, "q_proj.weight': expected the shape [32, 32]"},
      {NULL, "model.norm.weight", NULL, "model.norm.weight': expected the shape [32]"},
      {NULL, NULL, "lm_head.weight", "lm_head.weight': differs from the embedding"},
      {NULL, NULL, "model.layers.0.foreign.weight", "foreign.weight': has no known name"},
      {NULL, NULL, "model.layers.2.mlp.gate.weight", "has no part in the model"},
      {NULL, NULL, "model.layers.0.mlp.gate.weight", "has no part in the model"},
      {NULL, NULL, "model.layers.1.mlp.up_proj.weight", "has no part in the model"},
      {NULL, NULL, "model.layers.01.mlp.up_proj.weight", "has no known name"},
      {NULL, NULL, "model.layers.1000000.mlp.up_proj.weight", "has no known name"},
      {NULL, NULL, "model.layers.1.block_sparse_moe.gate.weight", "expected the shape [3, 32]"},
  };
  struct folder folder;
  folder_make(&folder);
  for (size_t i = 0; i < LENGTH(cases); i++) {
    struct builder b = {.leave = cases[i].leave, .duplicate = cases[i].spoilt};
    struct model *model;
    write_model(&folder, SEPARATE, &b, cases[i].more);
    assert_int_not_equal(model_open(folder.path, &model, &error), 0);
    assert_null(model);
    if (!strstr(error.text, cases[i].what)) fail_msg("'%s', expected '%s'", error.text, cases[i].what);
  }
  folder_remove(&folder);
}

// GGUF: a dense model whose q and k are turned, with blocks of every kind.
static void put_block(struct model_bytes *data, enum model_type type, duplex_f16 d, duplex_f16 m,
                      const uint8_t *q) {
  put_number(data, d, 2);
  if (type == MODEL_Q4_1) put_number(data, m, 2);
  put(data, q, type == MODEL_Q8_0 ? 32 : 16);
}

static float block_value(enum model_type type, duplex_f16 d, duplex_f16 m, const uint8_t *q, unsigned i) {
  const double scale = duplex_f16_to_double(d);
  if (type == MODEL_Q8_0) return (float)(scale * (int8_t)q[i]);
  const int nibble = i < 16 ? q[i] & 15 : q[i - 16] >> 4;
  if (type == MODEL_Q4_0) return (float)(scale * (nibble - 8));
  return (float)(scale * nibble + duplex_f16_to_double(m));
}

static void test_blocks(void **state) {
  (void)state;
  struct duplex_random random;
  duplex_random_seed(&random, environment_seed(), 1);
  for (unsigned n = 0; n < 3000; n++) {
    const enum model_type type = MODEL_Q8_0 + n % 3;
    struct model_bytes data = {0};
    uint8_t q[32];
    duplex_f32 values[32];
    for (unsigned i = 0; i < 32; i++) q[i] = (uint8_t)duplex_random_u64(&random);
    const duplex_f16 d = (duplex_f16)(duplex_random_u64(&random) & 0xfbff);
    const duplex_f16 m = (duplex_f16)(duplex_random_u64(&random) & 0xfbff);
    const bool finite = (d & 0x7c00) != 0x7c00 && (type != MODEL_Q4_1 || (m & 0x7c00) != 0x7c00);
    put_block(&data, type, d, m, q);
    const struct model_tensor tensor = {.type = type, .bytes = (const uint8_t *)data.data};
    assert_int_equal(model_tensor_read(&tensor, 0, 32, values), finite);
    for (unsigned i = 0; i < 32 && finite; i++)
      assert_true(float_of(values[i]) == block_value(type, d, m, q, i));
    model_bytes_free(&data);
  }
  assert_int_equal(bits_of(1), 0x3f800000);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows), cmocka_unit_test(test_forms),
                                     cmocka_unit_test(test_refused), cmocka_unit_test(test_blocks)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
