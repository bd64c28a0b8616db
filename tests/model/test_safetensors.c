// SPDX-License-Identifier: Apache-2.0
// .safetensors: values of every type, shards, and each damage by its name.
#include "model/safetensors.h"
#include "tests/model/files.h"

static struct model_error error;

#define A "\"a\":{\"dtype\":\"F16\",\"shape\":[2,2],\"data_offsets\":[0,8]}"
#define B "\"b\":{\"dtype\":\"BF16\",\"shape\":[3],\"data_offsets\":[8,14]}"
#define C "\"c\":{\"dtype\":\"F32\",\"shape\":[1,1,2],\"data_offsets\":[14,22]}"
static const uint8_t data[22] = {0,    0x3c, 0,    0xc0, 1, 0,    0xff, 0x7b, 0x80, 0x3f, 0x49,
                                 0x40, 0,    0x80, 0,    0, 0xc0, 0x3f, 1,    0,    0,    0};

static int read_bytes(const struct model_bytes *file, struct model_tensors *tensors) {
  *tensors = (struct model_tensors){0};
  memset(error.text, 0, sizeof error.text);
  const int status =
      model_safetensors_read((const uint8_t *)file->data, file->count, "x.safetensors", tensors, &error);
  return status ? status : model_tensors_sort(tensors, &error);
}

static void assert_values(const struct model_tensors *tensors, const char *name, const duplex_f32 *expected,
                          size_t count) {
  duplex_f32 values[8];
  const struct model_tensor *tensor = model_tensors_find(tensors, name);
  assert_non_null(tensor);
  assert_int_equal(tensor->count, count);
  assert_true(model_tensor_read(tensor, 0, count, values));
  assert_memory_equal(values, expected, count * sizeof *values);
}

static void test_values(void **state) {
  (void)state;
  struct model_tensors tensors;
  struct model_bytes file =
      safetensors("{\"__metadata__\":{\"format\":\"pt\"}," C "," A "," B "}   ", data, 22);
  assert_int_equal(read_bytes(&file, &tensors), 0);
  assert_int_equal(tensors.count, 3);
  assert_values(&tensors, "a", (duplex_f32[]){0x3f800000, 0xc0000000, 0x33800000, 0x477fe000}, 4);
  assert_values(&tensors, "b", (duplex_f32[]){0x3f800000, 0x40490000, 0x80000000}, 3);
  assert_values(&tensors, "c", (duplex_f32[]){0x3fc00000, 0x00000001}, 2);
  assert_null(model_tensors_find(&tensors, "d"));
  model_tensors_free(&tensors);
  model_bytes_free(&file);
}

static void assert_refused(const struct model_bytes *file, const char *what) {
  struct model_tensors tensors;
  const int status = read_bytes(file, &tensors);
  model_tensors_free(&tensors);
  if (!status || !strstr(error.text, what) || strncmp(error.text, "x.safetensors: ", 15) != 0)
    fail_msg("'%s', expected '%s'", error.text, what);
}

static void test_damage(void **state) {
  (void)state;
#define ONE(dtype, shape, offsets) \
  "{\"a\":{\"dtype\":" dtype ",\"shape\":" shape ",\"data_offsets\":" offsets "}}"
  static const struct {
    const char *header, *what;
    size_t size;
  } cases[] = {
      {"{" A, "expected JSON", 8},
      {"[]", "expected a JSON object", 0},
      {"{" A "}", "1 bytes of data belong to no tensor", 9},
      {"{" A "}", "tensor 'a': ends at byte 8 of the data, expected at most 7", 7},
      {"{" A "," A "}", "duplicate", 8},
      {"{\"a\":3}", "tensor 'a': expected an object", 0},
      {"{\"__metadata__\":3}", "__metadata__: expected an object", 0},
      {"{\"__metadata__\":{\"x\":3}}", "__metadata__: 'x': expected a string", 0},
      {ONE("3", "[1]", "[0,2]"), "dtype: expected a string", 2},
      {ONE("\"I64\"", "[1]", "[0,8]"), "dtype 'I64' is not there, expected F16, BF16 or F32", 8},
      {ONE("\"Q8_0\"", "[32]", "[0,34]"), "dtype 'Q8_0' is not there", 34},
      {ONE("\"F16\"", "3", "[0,2]"), "shape: expected a list of at most 4 sizes", 2},
      {ONE("\"F16\"", "[1,1,1,1,1]", "[0,2]"), "shape: expected a list of at most 4 sizes", 2},
      {ONE("\"F16\"", "[-1]", "[0,2]"), "shape: expected sizes", 2},
      {ONE("\"F16\"", "[1.5]", "[0,2]"), "shape: expected sizes", 2},
      {ONE("\"F16\"", "[4294967296,4294967296]", "[0,2]"), "shape: expected sizes whose product", 2},
      {ONE("\"F16\"", "[9223372036854775807,2]", "[0,2]"), "shape: expected sizes whose product", 2},
      {ONE("\"F16\"", "[2]", "[0,2]"), "has 2 bytes, expected 4 by its shape and dtype", 2},
      {ONE("\"F16\"", "[1]", "[2,0]"), "data_offsets: expected two numbers", 2},
      {ONE("\"F16\"", "[1]", "[0]"), "data_offsets: expected two numbers", 2},
      {ONE("\"F16\"", "[1]", "[0,9223372036854775807]"), "ends at byte 9223372036854775807", 2},
      {ONE("\"F16\"", "[1]", "[1,3]"), "begins at byte 1 of the data, expected 0", 3},
      {"{\"a\":{\"dtype\":\"F16\",\"shape\":[1],\"data_offsets\":[0,2],\"x\":1}}", "keys dtype, shape", 2},
      {"{" A ",\"b\":{\"dtype\":\"F16\",\"shape\":[2],\"data_offsets\":[6,10]}}",
       "tensor 'b': begins at byte 6", 10},
      {"{" A ",\"b\":{\"dtype\":\"F16\",\"shape\":[1],\"data_offsets\":[10,12]}}",
       "tensor 'b': begins at byte 10", 12},
  };
  for (size_t i = 0; i < LENGTH(cases); i++) {
    struct model_bytes file = safetensors(cases[i].header, (uint8_t[40]){0}, cases[i].size);
    assert_refused(&file, cases[i].what);
    model_bytes_free(&file);
  }
  struct model_bytes file = safetensors("{" A "}", data, 8);
  for (size_t size = 0; size < file.count; size++) {
    const struct model_bytes cut = {file.data, size, size};
    assert_refused(&cut, size < 8                ? "expected a header's length"
                         : size < file.count - 8 ? "its header has"
                                                 : "ends at");
  }
  file.data[7] = (char)0x80;
  assert_refused(&file, "its header has 9223372036854775");
  model_bytes_free(&file);
}

static int open_folder(const struct folder *folder, size_t *count) {
  struct model_files files = {0};
  struct model_tensors tensors = {0};
  memset(error.text, 0, sizeof error.text);
  const int status = model_safetensors_open(folder->path, &files, &tensors, &error);
  *count = tensors.count;
  model_tensors_free(&tensors);
  model_files_close(&files);
  return status;
}

static void test_shards(void **state) {
  (void)state;
  static const struct {
    const char *index, *what;
  } cases[] = {
      {"{\"weight_map\":{\"a\":\"a.safetensors\"}}", NULL},
      {"{\"weight_map\":{\"a\":\"a.safetensors\",\"c\":\"b.safetensors\"}}", NULL},
      {"{\"weight_map\":{\"a\":\"a.safetensors\",\"c\":\"c.safetensors\"}}", "c.safetensors: cannot be read"},
      {"{\"weight_map\":{\"a\":\"a.safetensors\",\"c\":\"../b.safetensors\"}}",
       "expected the name of a file in"},
      {"{\"weight_map\":{\"a\":\"..\"}}", "expected the name of a file in"},
      {"{\"weight_map\":{\"a\":3}}", "expected the name of a file in"},
      {"{\"weight_map\":{\"b\":\"a.safetensors\"}}", "tensor 'a': the index has it nowhere"},
      {"{\"weight_map\":{\"c\":\"a.safetensors\",\"a\":\"b.safetensors\"}}",
       "the index has it in b.safetensors"},
      {"{\"weight_map\":{\"a\":\"a.safetensors\",\"d\":\"a.safetensors\"}}",
       "tensor 'd': is not in its file"},
      {"{\"weight_map\":[]}", "weight_map: expected an object"},
      {"{}", "weight_map: expected an object"},
      {"x", "expected JSON"},
  };
  struct folder folder;
  size_t count;
  folder_make(&folder);
  assert_int_not_equal(open_folder(&folder, &count), 0);
  assert_non_null(strstr(error.text, "model.safetensors: cannot be read"));
  struct model_bytes a = safetensors("{" A "}", data, 8);
  struct model_bytes c =
      safetensors("{\"c\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", data, 8);
  folder_write(&folder, "a.safetensors", a.data, a.count);
  folder_write(&folder, "b.safetensors", c.data, c.count);
  for (size_t i = 0; i < LENGTH(cases); i++) {
    folder_write(&folder, "model.safetensors.index.json", cases[i].index, strlen(cases[i].index));
    const int status = open_folder(&folder, &count);
    if (!cases[i].what && status) fail_msg("%s: %s", cases[i].index, error.text);
    if (cases[i].what && !strstr(error.text, cases[i].what)) fail_msg("%s: '%s'", cases[i].index, error.text);
    if (!cases[i].what) assert_int_equal(count, i + 1);
  }
  // Two sources of weights.
  folder_write(&folder, "model.safetensors.index.json", cases[0].index, strlen(cases[0].index));
  folder_write(&folder, "model.safetensors", a.data, a.count);
  assert_int_equal(open_folder(&folder, &count), DUPLEX_ERROR_FORMAT);
  assert_non_null(strstr(error.text, "model.safetensors: is there beside"));
  model_bytes_free(&a);
  model_bytes_free(&c);
  folder_remove(&folder);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_values), cmocka_unit_test(test_damage),
                                     cmocka_unit_test(test_shards)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
