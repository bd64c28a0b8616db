// SPDX-License-Identifier: Apache-2.0
// GGUF: a whole model against its own weights, turned rows of q and k, every damage and every cut of the
// file.
#include "model/gguf.h"
#include "model/weights.h"
#include "tests/model/files.h"

// Heads of 4, so that rows of q and k in pairs lie elsewhere.
enum { HIDDEN = 16, HEADS = 4, KV = 2, HEAD = 4, INNER = 12, VOCABULARY = 6, LAYERS = 2, EXPERTS = 2 };

static struct model_error error;

struct gguf {
  struct model_bytes values, tensors, data;
  unsigned value_count, tensor_count;
  uint32_t version;
};

static float weight(unsigned tensor, size_t index) {
  const unsigned n = tensor * 7919u + (unsigned)index * 104729u;
  return (float)((int)((n ^ n >> 9) % 255) - 127) / 256;
}

// A tensor of F16; its rows are turned as writers of llama do.
static void add_tensor(struct gguf *g, const char *name, unsigned rank, const uint64_t *shape,
                       unsigned turned_heads) {
  size_t rows = 1;
  for (unsigned i = 0; i + 1 < rank; i++) rows *= shape[i];
  const size_t columns = shape[rank - 1];
  const size_t head = turned_heads ? rows / turned_heads : 1;
  put_text(&g->tensors, name);
  put_number(&g->tensors, rank, 4);
  for (unsigned i = rank; i-- > 0;) put_number(&g->tensors, shape[i], 8);
  put_number(&g->tensors, 1, 4);
  put_number(&g->tensors, g->data.count, 8);
  for (size_t r = 0; r < rows; r++) {
    // Row 2 i + half of a head in the file is row i + half * head / 2 of the model.
    const size_t in_head = r % head;
    const size_t from = turned_heads ? r - in_head + in_head / 2 + in_head % 2 * (head / 2) : r;
    for (size_t c = 0; c < columns; c++)
      put_number(&g->data, duplex_f16_from_double(weight(g->tensor_count, from * columns + c)), 2);
  }
  while (g->data.count % 32) put_number(&g->data, 0, 1);
  g->tensor_count++;
}

static void add_u32(struct gguf *g, const char *key, uint32_t value) {
  put_u32(&g->values, key, value);
  g->value_count++;
}

// A key of an architecture's own.
static const char *own(const char *class, const char *key) {
  static char name[96];
  snprintf(name, sizeof name, "%s.%s", class, key);
  return name;
}

static void add_values(struct gguf *g, const char *class) {
  put_string(&g->values, "general.architecture", class);
  put_string(&g->values, "general.name", "toy");
  put_f32(&g->values, own(class, "attention.layer_norm_rms_epsilon"), 1e-5f);
  put_f32(&g->values, own(class, "rope.freq_base"), 5000);
  g->value_count += 4;
  add_u32(g, own(class, "block_count"), LAYERS);
  add_u32(g, own(class, "context_length"), 128);
  add_u32(g, own(class, "embedding_length"), HIDDEN);
  add_u32(g, own(class, "feed_forward_length"), INNER);
  add_u32(g, own(class, "attention.head_count"), HEADS);
  add_u32(g, own(class, "attention.head_count_kv"), KV);
  add_u32(g, "tokenizer.ggml.eos_token_id", 2);
}

static void add_layer(struct gguf *g, unsigned layer, bool sparse) {
  char name[64];
#define ADD(text, rank, turned, ...)                   \
  (snprintf(name, sizeof name, "blk.%u." text, layer), \
   add_tensor(g, name, rank, (uint64_t[]){__VA_ARGS__}, turned))
  ADD("attn_norm.weight", 1, 0, HIDDEN);
  ADD("attn_q.weight", 2, HEADS, HEADS * HEAD, HIDDEN);
  ADD("attn_k.weight", 2, KV, KV * HEAD, HIDDEN);
  ADD("attn_v.weight", 2, 0, KV * HEAD, HIDDEN);
  ADD("attn_output.weight", 2, 0, HIDDEN, HEADS * HEAD);
  ADD("ffn_norm.weight", 1, 0, HIDDEN);
  if (sparse) {
    ADD("ffn_gate_inp.weight", 2, 0, EXPERTS, HIDDEN);
    ADD("ffn_gate_exps.weight", 3, 0, EXPERTS, INNER, HIDDEN);
    ADD("ffn_up_exps.weight", 3, 0, EXPERTS, INNER, HIDDEN);
    ADD("ffn_down_exps.weight", 3, 0, EXPERTS, HIDDEN, INNER);
  } else {
    ADD("ffn_gate.weight", 2, 0, INNER, HIDDEN);
    ADD("ffn_up.weight", 2, 0, INNER, HIDDEN);
    ADD("ffn_down.weight", 2, 0, HIDDEN, INNER);
  }
#undef ADD
}

static void add_tensors(struct gguf *g, bool sparse) {
  add_tensor(g, "token_embd.weight", 2, (uint64_t[]){VOCABULARY, HIDDEN}, 0);
  add_tensor(g, "output_norm.weight", 1, (uint64_t[]){HIDDEN}, 0);
  for (unsigned layer = 0; layer < LAYERS; layer++) add_layer(g, layer, sparse);
}

static struct model_bytes file_of(const struct gguf *g) {
  struct model_bytes file = {0};
  put(&file, "GGUF", 4);
  put_number(&file, g->version ? g->version : 3, 4);
  put_number(&file, g->tensor_count, 8);
  put_number(&file, g->value_count, 8);
  put(&file, g->values.data, g->values.count);
  put(&file, g->tensors.data, g->tensors.count);
  while (file.count % 32) put_number(&file, 0, 1);
  put(&file, g->data.data, g->data.count);
  return file;
}

static void release(struct gguf *g) {
  model_bytes_free(&g->values);
  model_bytes_free(&g->tensors);
  model_bytes_free(&g->data);
  *g = (struct gguf){0};
}

static void check_part(const struct model *model, enum model_part part, unsigned layer, unsigned expert,
                       unsigned tensor) {
  size_t rows;
  size_t columns;
  duplex_f32 values[64];
  assert_true(model_part_shape(model, part, layer, &rows, &columns));
  for (size_t r = 0; r < rows; r++) {
    assert_int_equal(model_row_read(model, part, layer, expert, r, values, &error), 0);
    for (size_t c = 0; c < columns; c++) {
      float value;
      memcpy(&value, &values[c], sizeof value);
      assert_true(value == weight(tensor, (expert * rows + r) * columns + c));
    }
  }
}

static void add_multipliers(struct gguf *g) {
  put_f32(&g->values, "granitemoe.attention.scale", 0.5f);
  put_f32(&g->values, "granitemoe.embedding_scale", 12);
  put_f32(&g->values, "granitemoe.residual_scale", 0.25f);
  put_f32(&g->values, "granitemoe.logit_scale", 6);
  g->value_count += 4;
}

static void test_model(void **state) {
  (void)state;
  static const enum model_part dense[] = {MODEL_ATTENTION_NORM, MODEL_Q,    MODEL_K,  MODEL_V,   MODEL_O,
                                          MODEL_FFN_NORM,       MODEL_GATE, MODEL_UP, MODEL_DOWN};
  static const enum model_part sparse[] = {
      MODEL_ATTENTION_NORM, MODEL_Q,      MODEL_K,    MODEL_V,  MODEL_O,
      MODEL_FFN_NORM,       MODEL_ROUTER, MODEL_GATE, MODEL_UP, MODEL_DOWN};
  struct folder folder;
  char path[160];
  folder_make(&folder);
  snprintf(path, sizeof path, "%s/model.gguf", folder.path);
  static const char *const classes[] = {"llama", "llama", "granitemoe"};
  static const enum model_architecture architectures[] = {MODEL_LLAMA, MODEL_MIXTRAL, MODEL_GRANITE_MOE};
  for (unsigned kind = 0; kind < 3; kind++) {
    const bool experts = kind != 0;
    const bool granite = kind == 2;
    struct gguf g = {0};
    struct model *model;
    add_values(&g, classes[kind]);
    if (experts) add_u32(&g, own(classes[kind], "expert_count"), EXPERTS);
    if (experts) add_u32(&g, own(classes[kind], "expert_used_count"), 1);
    if (granite) add_multipliers(&g);
    add_tensors(&g, experts);
    struct model_bytes file = file_of(&g);
    folder_write(&folder, "model.gguf", file.data, file.count);
    if (model_open(path, &model, &error)) fail_msg("%s", error.text);
    const struct model_config *c = model_config_of(model);
    assert_int_equal(c->architecture, architectures[kind]);
    assert_true(c->vocabulary == VOCABULARY && c->tied_embeddings && c->rope.theta == 5000 &&
                c->norm_epsilon == (double)1e-5f && c->head_size == HEAD && c->end_tokens[0] == 2 &&
                c->begin_token == MODEL_NO_TOKEN && c->renormalise == (kind == 1));
    assert_int_equal(c->score, granite ? XPU_SCORE_TOP_K_SOFTMAX : XPU_SCORE_SOFTMAX);
    assert_true(c->attention_scale == (granite ? 0.5 : 0) && c->embedding_scale == (granite ? 12 : 1) &&
                c->residual_scale == (granite ? 0.25 : 1) && c->logits_divisor == (granite ? 6 : 1));
    check_part(model, MODEL_EMBEDDING, 0, 0, 0);
    check_part(model, MODEL_HEAD, 0, 0, 0);
    check_part(model, MODEL_FINAL_NORM, 0, 0, 1);
    const size_t parts = experts ? LENGTH(sparse) : LENGTH(dense);
    for (unsigned layer = 0; layer < LAYERS; layer++)
      for (size_t i = 0; i < parts; i++) {
        const enum model_part part = experts ? sparse[i] : dense[i];
        for (unsigned e = 0; e < (experts && part >= MODEL_GATE ? EXPERTS : 1u); e++)
          check_part(model, part, layer, e, (unsigned)(2 + layer * parts + i));
      }
    model_close(model);
    model_bytes_free(&file);
    release(&g);
  }
  folder_remove(&folder);
}

static int read_file(const struct model_bytes *file) {
  struct model_gguf gguf;
  struct model_tensors tensors = {0};
  memset(error.text, 0, sizeof error.text);
  const int status =
      model_gguf_read((const uint8_t *)file->data, file->count, "x.gguf", &gguf, &tensors, &error);
  model_gguf_free(&gguf);
  model_tensors_free(&tensors);
  return status;
}

static void assert_refused(struct model_bytes *file, const char *what) {
  const int status = read_file(file);
  if (!status || !strstr(error.text, what) || strncmp(error.text, "x.gguf: ", 8) != 0)
    fail_msg("'%s', expected '%s'", error.text, what);
  model_bytes_free(file);
}

static void test_cuts(void **state) {
  (void)state;
  struct gguf g = {0};
  add_values(&g, "llama");
  add_tensors(&g, false);
  struct model_bytes file = file_of(&g);
  assert_int_equal(read_file(&file), 0);
  // Each cut is refused; from a copy of its own, so that the sanitizers see a byte too many.
  for (size_t size = 0; size < file.count; size += size < 4000 ? 1 : 997) {
    struct model_bytes cut = {0};
    put(&cut, file.data, size);
    assert_refused(&cut, size < 4 ? "expected a folder" : "");
  }
  model_bytes_free(&file);
  release(&g);
}

// A file of one tensor of this type, sizes and offset.
static struct model_bytes one_tensor(const char *name, unsigned rank, uint64_t size, uint32_t type,
                                     uint64_t offset) {
  struct gguf g = {.tensor_count = 1};
  put_text(&g.tensors, name);
  put_number(&g.tensors, rank, 4);
  for (unsigned i = 0; i < rank; i++) put_number(&g.tensors, size, 8);
  put_number(&g.tensors, type, 4);
  put_number(&g.tensors, offset, 8);
  for (unsigned i = 0; i < 64; i++) put_number(&g.data, 0, 1);
  const struct model_bytes file = file_of(&g);
  release(&g);
  return file;
}

static struct model_bytes one_value(const struct model_bytes *value, unsigned count) {
  struct gguf g = {.value_count = count, .values = *value};
  const struct model_bytes file = file_of(&g);
  release(&g);
  return file;
}

static void test_damage(void **state) {
  (void)state;
  struct model_bytes file = one_tensor("a", 1, 32, 1, 0);
  assert_int_equal(read_file(&file), 0);
  file.data[4] = 2;
  assert_refused(&file, "GGUF version 2 is not there, expected 3");
  file = one_tensor("a", 1, 32, 12, 0);
  assert_refused(&file, "tensor 'a': type 12 is not there");
  file = one_tensor("a", 0, 0, 0, 0);
  assert_refused(&file, "no or too many dimensions");
  file = one_tensor("a", 5, 1, 0, 0);
  assert_refused(&file, "no or too many dimensions");
  file = one_tensor("a", 4, 65536, 0, 0);
  assert_refused(&file, "a tensor is too large");
  file = one_tensor("", 1, 32, 1, 0);
  assert_refused(&file, "a tensor has no name");
  file = one_tensor("a", 1, 31, 8, 0);
  assert_refused(&file, "no whole blocks of 32");
  file = one_tensor("a", 1, 32, 1, 8);
  assert_refused(&file, "does not begin at a multiple");
  file = one_tensor("a", 1, 32, 1, 64);
  assert_refused(&file, "lies outside of the file");
  file = one_tensor("a", 1, 32, 1, UINT64_MAX - 31);
  assert_refused(&file, "lies outside of the file");
  file = one_tensor("a", 1, UINT64_MAX / 16, 0, 0);
  assert_refused(&file, "lies outside of the file");
  file = one_tensor("0123456789012345678901234567890123456789012345678901234567890123456789", 1, 32, 1, 0);
  assert_refused(&file, "a text is longer");
  for (unsigned second = 0; second < 2; second++) {
    struct gguf g = {0};
    add_tensor(&g, "a", 1, (uint64_t[]){64}, 0);
    if (second) g.data.count = 0;
    add_tensor(&g, second ? "b" : "a", 1, (uint64_t[]){64}, 0);
    file = file_of(&g);
    assert_refused(&file, second ? "overlaps another one" : "'a' is there twice");
    release(&g);
  }
}

static void test_values(void **state) {
  (void)state;
  struct model_bytes value = {0};
  put_u32(&value, "k", 1);
  put_u32(&value, "k", 1);
  struct model_bytes file = one_value(&value, 2);
  assert_refused(&file, "the key 'k' is there twice");
  value = (struct model_bytes){0};
  put_text(&value, "k");
  put_number(&value, 13, 4);
  file = one_value(&value, 1);
  assert_refused(&file, "a value has an unknown type");
  static const struct {
    uint32_t type;
    uint64_t count;
    const char *what;
  } arrays[] = {{9, 1, "an array of arrays"},
                {4, UINT64_MAX / 2, "a value is longer than the file"},
                {8, UINT64_MAX, "the file ends in its header"},
                {0, 1000, "a value is longer than the file"}};
  for (size_t i = 0; i < LENGTH(arrays); i++) {
    value = (struct model_bytes){0};
    put_text(&value, "k");
    put_number(&value, 9, 4);
    put_number(&value, arrays[i].type, 4);
    put_number(&value, arrays[i].count, 8);
    file = one_value(&value, 1);
    assert_refused(&file, arrays[i].what);
  }
  for (unsigned alignment = 0; alignment < 3; alignment++) {
    value = (struct model_bytes){0};
    put_u32(&value, "general.alignment", (uint32_t[]){24, 4, 1 << 20}[alignment]);
    file = one_value(&value, 1);
    assert_refused(&file, "general.alignment: expected a power of two");
  }
}

// Integers of every type, and texts in their order.
static void test_elements(void **state) {
  (void)state;
  static const struct {
    uint32_t type;
    unsigned bytes;
    uint64_t bits;
    int64_t integer;
  } cases[] = {{0, 1, 0xff, 255},
               {1, 1, 0xff, -1},
               {2, 2, 0xffff, 65535},
               {3, 2, 0xffff, -1},
               {4, 4, 0xffffffff, UINT32_MAX},
               {5, 4, 0xffffffff, -1},
               {7, 1, 1, 1},
               {10, 8, 7, 7},
               {11, 8, UINT64_MAX, -1}};
  struct model_gguf gguf;
  struct model_tensors tensors = {0};
  for (size_t i = 0; i < LENGTH(cases); i++) {
    struct model_bytes value = {0};
    put_text(&value, "k");
    put_number(&value, cases[i].type, 4);
    put_number(&value, cases[i].bits, cases[i].bytes);
    struct model_bytes file = one_value(&value, 1);
    assert_int_equal(model_gguf_read((const uint8_t *)file.data, file.count, "x", &gguf, &tensors, &error),
                     0);
    int64_t integer = 0;
    double real;
    assert_null(model_gguf_find(&gguf, "l"));
    const struct model_gguf_value *found = model_gguf_find(&gguf, "k");
    assert_true(model_gguf_integer(found, 0, &integer));
    assert_true(integer == cases[i].integer);
    assert_false(model_gguf_integer(found, 1, &integer));
    assert_false(model_gguf_real(found, 0, &real));
    model_gguf_free(&gguf);
    model_bytes_free(&file);
  }
}

static void test_config(void **state) {
  (void)state;
  static const struct {
    const char *key;
    uint32_t value;
    const char *what;
  } cases[] = {{"llama.unheard_of", 1,
                "llama.unheard_of is not known: it may change what is computed, expected no such key"},
               {"llama.attention.key_length", 7, "rope.dimension_count"},
               {"llama.rope.dimension_count", 8, "rope.dimension_count: expected the size of a head"},
               {"llama.attention.value_length", 8, "attention.value_length"},
               {"llama.rope.scaling.type", 1, "rope.scaling.type: expected a text"},
               {"llama.vocab_size", 0, "vocab_size: expected one integer from 1 to 16777216"},
               {"llama.vocab_size", 7, "token_embd.weight': expected the shape [7, 16]"},
               {"split.count", 2, "split.count: expected one file of all tensors"},
               {"general.type", 0, "general.type: expected model"},
               {"llama.expert_count", 2, "num_experts_per_tok"}};
  struct folder folder;
  char path[160];
  folder_make(&folder);
  snprintf(path, sizeof path, "%s/model.gguf", folder.path);
  for (size_t i = 0; i < LENGTH(cases); i++) {
    struct gguf g = {0};
    struct model *model;
    add_values(&g, "llama");
    if (strcmp(cases[i].key, "general.type") == 0)
      put_string(&g.values, cases[i].key, "adapter"), g.value_count++;
    else
      add_u32(&g, cases[i].key, cases[i].value);
    if (i == 1) add_u32(&g, "llama.attention.value_length", 7), add_u32(&g, "llama.rope.dimension_count", 8);
    add_tensors(&g, false);
    struct model_bytes file = file_of(&g);
    folder_write(&folder, "model.gguf", file.data, file.count);
    assert_int_not_equal(model_open(path, &model, &error), 0);
    if (!strstr(error.text, cases[i].what)) fail_msg("'%s', expected '%s'", error.text, cases[i].what);
    model_bytes_free(&file);
    release(&g);
  }
  folder_remove(&folder);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_model),    cmocka_unit_test(test_cuts),
                                     cmocka_unit_test(test_damage),   cmocka_unit_test(test_values),
                                     cmocka_unit_test(test_elements), cmocka_unit_test(test_config)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
