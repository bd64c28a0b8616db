// SPDX-License-Identifier: Apache-2.0
// Opens a model of either kind of file and gives its weights by their role.
#include "model/weights.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "model/file.h"
#include "model/gguf.h"
#include "model/gguf_config.h"
#include "model/parts.h"
#include "model/safetensors.h"

// Where a part is: one tensor, or one of each expert.
struct slot {
  const struct model_tensor *tensor;
  const struct model_tensor **of_expert;  // [experts], NULL: not in this form
  enum model_form form;
};

struct model {
  char *path;
  struct model_config config;
  struct model_files files;
  struct model_tensors tensors;
  struct slot *slots;  // of the model's parts, then [layers][MODEL_PARTS]
  // Rows of q and k of a head lie as pairs (i, i + head_size / 2) one after the other, as GGUF has them for
  // llama.
  bool paired_rows;
};

static struct slot *slot_of(const struct model *model, enum model_part part, unsigned layer) {
  const size_t row = model_part_of_layer(part) ? 1 + (size_t)layer : 0;
  return &model->slots[row * MODEL_PARTS + part];
}

static int refuse(const struct model_tensor *tensor, struct model_error *error, const char *what) {
  return model_fail(error, DUPLEX_ERROR_FORMAT, "%s: tensor '%.128s': %s", tensor->file, tensor->name, what);
}

// The dimensions that a form gives a part, those of size 1 in front left out.
static unsigned shape_of(const struct model *model, const struct model_place *place, size_t rows,
                         size_t columns, uint64_t shape[3]) {
  unsigned rank = 0;
  const bool by_columns = place->form == MODEL_FORM_PAIR_COLUMNS || place->form == MODEL_FORM_FUSED_COLUMNS;
  const bool pair = place->form == MODEL_FORM_PAIR || place->form == MODEL_FORM_PAIR_COLUMNS;
  const bool vector = model_part_is_vector(place->part);
  if (pair || by_columns || place->form == MODEL_FORM_FUSED) shape[rank++] = model->config.experts;
  if (by_columns && !vector) shape[rank++] = columns;
  if (by_columns || !vector) shape[rank++] = (pair ? 2 : 1) * (uint64_t)(vector ? columns : rows);
  if (!by_columns) shape[rank++] = columns;
  return rank;
}

static int check_shape(const struct model *model, const struct model_tensor *tensor,
                       const struct model_place *place, size_t rows, size_t columns,
                       struct model_error *error) {
  uint64_t shape[3] = {0};
  const unsigned rank = shape_of(model, place, rows, columns, shape);
  if (tensor->rank == rank && memcmp(tensor->shape, shape, rank * sizeof *shape) == 0) return DUPLEX_OK;
  char text[96] = "";
  for (unsigned i = 0; i < rank; i++) {
    const size_t used = strlen(text);
    snprintf(text + used, sizeof text - used, i ? ", %llu" : "%llu", (unsigned long long)shape[i]);
  }
  return model_fail(error, DUPLEX_ERROR_FORMAT, "%s: tensor '%.128s': expected the shape [%s]", tensor->file,
                    tensor->name, text);
}

// Notes the tensor of one expert; the list of all is made with the first of them.
static int fill_expert(const struct model *model, struct slot *slot, const struct model_tensor *tensor,
                       unsigned expert, struct model_error *error) {
  if (expert >= model->config.experts) return refuse(tensor, error, "there is no such expert");
  if (slot->tensor) return refuse(tensor, error, "the experts are there in two forms, expected one");
  if (!slot->of_expert) slot->of_expert = calloc(model->config.experts, sizeof(struct model_tensor *));
  if (!slot->of_expert) return model_no_memory(error);
  if (slot->of_expert[expert]) return refuse(tensor, error, "is there under two names, expected one");
  slot->of_expert[expert] = tensor;
  return DUPLEX_OK;
}

static int fill_whole(struct slot *slot, const struct model_tensor *tensor, struct model_error *error) {
  if (slot->tensor || slot->of_expert) return refuse(tensor, error, "is there under two names, expected one");
  slot->tensor = tensor;
  return DUPLEX_OK;
}

static int fill_slot(const struct model *model, const struct model_tensor *tensor, enum model_part part,
                     const struct model_place *place, struct model_error *error) {
  struct slot *slot = slot_of(model, part, place->layer);
  slot->form = place->form;
  return place->form == MODEL_FORM_EXPERT ? fill_expert(model, slot, tensor, place->expert, error)
                                          : fill_whole(slot, tensor, error);
}

// gpt-oss has the matrices of its experts by columns, and gate and up in turn.
static void turn_form(const struct model *model, struct model_place *place) {
  if (model->config.architecture != MODEL_GPT_OSS) return;
  if (place->form == MODEL_FORM_PAIR) place->form = MODEL_FORM_PAIR_COLUMNS;
  if (place->form == MODEL_FORM_FUSED && !model_part_is_vector(place->part))
    place->form = MODEL_FORM_FUSED_COLUMNS;
}

// Whether the form is one of a layer of this kind.
static bool form_fits(const struct model *model, const struct model_place *place) {
  if (!model_part_of_expert(place->part)) return true;
  return model->config.layer[place->layer].sparse != (place->form == MODEL_FORM_DENSE);
}

// Gives a tensor its place in the model by name; a name, form or shape that does not fit is refused.
static int place_tensor(const struct model *model, const struct model_tensor *tensor,
                        struct model_error *error) {
  struct model_place place;
  size_t rows;
  size_t columns;
  unsigned layer;
  const struct model_config *config = &model->config;
  if (config->extra_layers && model_place_layer(tensor->name, &layer) && layer >= config->layers &&
      layer - config->layers < config->extra_layers)
    return DUPLEX_OK;
  if (!model_place_of(tensor->name, &place)) return refuse(tensor, error, "has no known name");
  if (place.form == MODEL_FORM_NOTHING) return DUPLEX_OK;
  turn_form(model, &place);
  if (!model_part_size(&model->config, place.part, place.layer, &rows, &columns) || !form_fits(model, &place))
    return refuse(tensor, error, "has no part in the model that its description tells of");
  int status = check_shape(model, tensor, &place, rows, columns, error);
  if (!status) status = fill_slot(model, tensor, place.part, &place, error);
  const bool pair = place.form == MODEL_FORM_PAIR || place.form == MODEL_FORM_PAIR_COLUMNS;
  const enum model_part second = place.part == MODEL_GATE ? MODEL_UP : MODEL_UP_BIAS;
  if (!status && pair) status = fill_slot(model, tensor, second, &place, error);
  return status;
}

// Refuses a model without this part of a layer, or of one of its experts.
static int check_part(const struct model *model, enum model_part part, unsigned layer,
                      struct model_error *error) {
  size_t rows;
  size_t columns;
  char where[48] = "";
  if (!model_part_size(&model->config, part, layer, &rows, &columns)) return DUPLEX_OK;
  if (model_part_of_layer(part)) snprintf(where, sizeof where, " of layer %u", layer);
  const struct slot *slot = slot_of(model, part, layer);
  if (slot->tensor) return DUPLEX_OK;
  if (!slot->of_expert)
    return model_fail(error, DUPLEX_ERROR_FORMAT, "%s: the %s%s is missing", model->path,
                      model_part_name(part), where);
  for (unsigned e = 0; e < model->config.experts; e++)
    if (!slot->of_expert[e])
      return model_fail(error, DUPLEX_ERROR_FORMAT, "%s: the %s of expert %u%s is missing", model->path,
                        model_part_name(part), e, where);
  return DUPLEX_OK;
}

// The head of a model whose embedding is its head: none, or the same bytes.
static int tie_head(const struct model *model, struct model_error *error) {
  const struct model_tensor *embedding = slot_of(model, MODEL_EMBEDDING, 0)->tensor;
  struct slot *head = slot_of(model, MODEL_HEAD, 0);
  if (!model->config.tied_embeddings || !embedding) return DUPLEX_OK;
  if (head->tensor && (head->tensor->type != embedding->type ||
                       memcmp(head->tensor->bytes, embedding->bytes,
                              model_type_bytes(embedding->type, embedding->count)) != 0))
    return refuse(head->tensor, error,
                  "differs from the embedding, which tie_word_embeddings makes the head");
  head->tensor = embedding;
  return DUPLEX_OK;
}

static int fill_slots(struct model *model, struct model_error *error) {
  int status = DUPLEX_OK;
  model->slots = calloc(((size_t)model->config.layers + 1) * MODEL_PARTS, sizeof *model->slots);
  if (!model->slots) return model_no_memory(error);
  for (size_t i = 0; i < model->tensors.count && !status; i++)
    status = place_tensor(model, &model->tensors.list[i], error);
  if (!status) status = tie_head(model, error);
  for (unsigned part = 0; part < MODEL_PARTS; part++)
    for (unsigned layer = 0; layer < (model_part_of_layer(part) ? model->config.layers : 1) && !status;
         layer++)
      status = check_part(model, part, layer, error);
  return status;
}

// Reads the end tokens of generation_config.json, if the folder has one.
static int read_generation(struct model *model, struct model_error *error) {
  struct model_file file;
  char *path = model_path(model->path, "generation_config.json");
  if (!path) return model_no_memory(error);
  const bool there = access(path, F_OK) == 0;
  int status = there ? model_file_map(&model->files, path, &file, error) : DUPLEX_OK;
  free(path);
  if (status || !there) return status;
  return model_config_read_generation((const char *)file.bytes, file.size, file.path, &model->config, error);
}

static int open_folder(struct model *model, struct model_error *error) {
  struct model_file file;
  char *path = model_path(model->path, "config.json");
  if (!path) return model_no_memory(error);
  int status = model_file_map(&model->files, path, &file, error);
  free(path);
  if (!status)
    status = model_config_read((const char *)file.bytes, file.size, file.path, &model->config, error);
  if (!status) status = read_generation(model, error);
  return status ? status : model_safetensors_open(model->path, &model->files, &model->tensors, error);
}

static int open_gguf(struct model *model, struct model_error *error) {
  struct model_file file;
  struct model_gguf gguf = {0};
  int status = model_file_map(&model->files, model->path, &file, error);
  if (!status) status = model_gguf_read(file.bytes, file.size, file.path, &gguf, &model->tensors, error);
  if (!status) status = model_gguf_config(&gguf, &model->tensors, &model->config, &model->paired_rows, error);
  model_gguf_free(&gguf);
  return status;
}

int model_open(const char *path, struct model **opened, struct model_error *error) {
  struct stat info;
  *opened = NULL;
  struct model *model = calloc(1, sizeof *model);
  if (!model) return model_no_memory(error);
  model->path = strdup(path);
  int status = model->path ? DUPLEX_OK : model_no_memory(error);
  if (!status && stat(path, &info) == 0 && S_ISDIR(info.st_mode)) {
    status = open_folder(model, error);
  } else if (!status) {
    status = open_gguf(model, error);
  }
  if (!status) status = fill_slots(model, error);
  if (status) {
    model_close(model);
  } else {
    *opened = model;
  }
  return status;
}

void model_close(struct model *model) {
  if (!model) return;
  for (size_t i = 0; model->slots && i < ((size_t)model->config.layers + 1) * MODEL_PARTS; i++)
    free(model->slots[i].of_expert);
  free(model->slots);
  model_tensors_free(&model->tensors);
  model_files_close(&model->files);
  model_config_free(&model->config);
  free(model->path);
  free(model);
}

const struct model_config *model_config_of(const struct model *model) { return &model->config; }
const struct model_tensors *model_tensors_of(const struct model *model) { return &model->tensors; }

bool model_part_shape(const struct model *model, enum model_part part, unsigned layer, size_t *rows,
                      size_t *columns) {
  return part < MODEL_PARTS && model_part_size(&model->config, part, layer, rows, columns);
}

// Rows of a tensor that are those of a part.
struct source {
  const struct model_tensor *tensor;
  size_t first;  // row of the tensor
  size_t rows, columns;
  size_t pairs;  // the last 2 * pairs rows of a head lie in pairs; 0: as they are counted
  size_t head;   // rows of a head
  // Of a part by columns: the element of row r and column c is begin + r * row_step + c * column_step.
  size_t begin, row_step, column_step;  // column_step 0: rows lie one behind the other, from `first` on
};

static void find_columns(enum model_form form, enum model_part part, unsigned expert, struct source *source) {
  const bool second = part == MODEL_UP || part == MODEL_UP_BIAS;
  const bool vector = model_part_is_vector(part);
  const size_t elements = expert * source->rows * source->columns;
  if (form == MODEL_FORM_PAIR_COLUMNS) {
    source->begin = 2 * elements + second;
    source->row_step = 2;
    source->column_step = vector ? 2 : 2 * source->rows;
  } else if (form == MODEL_FORM_FUSED_COLUMNS) {
    source->begin = elements;
    source->row_step = 1;
    source->column_step = source->rows;
  }
}

// Finds where a part's rows lie: its tensor, first row, columns and order of rows.
static int find(const struct model *model, enum model_part part, unsigned layer, unsigned expert,
                struct source *source, struct model_error *error) {
  if (!model_part_shape(model, part, layer, &source->rows, &source->columns))
    return model_fail(error, DUPLEX_ERROR_ARGUMENT, "%s: there is no such part", model->path);
  const bool sparse = model_part_of_expert(part) && model->config.layer[layer].sparse;
  if (expert >= (sparse ? model->config.experts : 1))
    return model_fail(error, DUPLEX_ERROR_ARGUMENT, "%s: there is no expert %u", model->path, expert);
  const struct slot *slot = slot_of(model, part, layer);
  source->tensor = slot->of_expert ? slot->of_expert[expert] : slot->tensor;
  source->first = 0;
  source->column_step = 0;
  find_columns(slot->form, part, expert, source);
  if (slot->form == MODEL_FORM_FUSED) source->first = expert * source->rows;
  if (slot->form == MODEL_FORM_PAIR) source->first = (2 * (size_t)expert + (part == MODEL_UP)) * source->rows;
  const bool turned = part == MODEL_Q || part == MODEL_K || part == MODEL_Q_BIAS || part == MODEL_K_BIAS;
  source->pairs = model->paired_rows && turned ? model->config.head_size / 2 : 0;
  source->head = model->config.head_size;
  if (model->config.rope_pairs && (part == MODEL_Q || part == MODEL_KV_A || part == MODEL_KV_A_BIAS))
    source->pairs = model->config.rope_size / 2;
  if (part == MODEL_KV_A || part == MODEL_KV_A_BIAS)
    source->head = (size_t)model->config.kv_rank + model->config.rope_size;
  return DUPLEX_OK;
}

// Where row r of a part lies. Of a head, rows i and i + pairs are the two of pair i.
static size_t row_in_file(const struct source *source, size_t r) {
  const size_t before = source->head - 2 * source->pairs;
  if (!source->pairs || r % source->head < before) return r;
  const size_t turned = r % source->head - before;
  return r - turned + 2 * (turned % source->pairs) + turned / source->pairs;
}

// The values of a row; false: one is NaN or infinite.
static bool read_values(const struct source *source, size_t row, size_t at, duplex_f32 *values) {
  if (!source->column_step)
    return model_tensor_read(source->tensor, at * source->columns, source->columns, values);
  bool finite = true;
  for (size_t column = 0; column < source->columns && finite; column++)
    finite = model_tensor_read(source->tensor,
                               source->begin + row * source->row_step + column * source->column_step, 1,
                               &values[column]);
  return finite;
}

static int read_row(const struct source *source, size_t row, duplex_f32 *values, struct model_error *error) {
  const size_t at = source->first + row_in_file(source, row);
  if (read_values(source, row, at, values)) return DUPLEX_OK;
  return model_fail(error, DUPLEX_ERROR_FORMAT,
                    "%s: tensor '%.128s': row %zu: expected finite values, found NaN or infinity",
                    source->tensor->file, source->tensor->name, at);
}

static int read_matrix(const struct source *source, struct model_matrix *matrix, struct model_error *error) {
  int status = DUPLEX_OK;
  duplex_f32 *row = malloc(source->columns * sizeof *row);
  if (!row) return model_no_memory(error);
  for (size_t r = 0; r < source->rows && !status; r++) {
    status = read_row(source, r, row, error);
    if (!status)
      matrix->inexact += model_row_convert(row, source->columns, matrix->values + r * source->columns,
                                           &matrix->exponents[r]);
  }
  free(row);
  return status;
}

int model_matrix_read(const struct model *model, enum model_part part, unsigned layer, unsigned expert,
                      struct model_matrix *matrix, struct model_error *error) {
  struct source source;
  *matrix = (struct model_matrix){0};
  int status = find(model, part, layer, expert, &source, error);
  if (status) return status;
  if (model_part_is_vector(part))
    return model_fail(error, DUPLEX_ERROR_ARGUMENT, "%s: the %s is no matrix", model->path,
                      model_part_name(part));
  matrix->rows = source.rows;
  matrix->columns = source.columns;
  matrix->values = malloc(source.rows * source.columns * sizeof *matrix->values);
  matrix->exponents = malloc(source.rows);
  status = matrix->values && matrix->exponents ? read_matrix(&source, matrix, error) : model_no_memory(error);
  if (status) model_matrix_free(matrix);
  return status;
}

void model_matrix_free(struct model_matrix *matrix) {
  free(matrix->values);
  free(matrix->exponents);
  *matrix = (struct model_matrix){0};
}

// A vector whose elements are rows of the file's order.
static void turn(const struct source *source, const duplex_f32 *from, duplex_f32 *to) {
  for (size_t i = 0; i < source->columns; i++) to[i] = from[row_in_file(source, i)];
}

static int read_turned(const struct source *source, duplex_f32 *values, struct model_error *error) {
  struct source plain = *source;
  plain.pairs = 0;
  duplex_f32 *copy = malloc(source->columns * sizeof *copy);
  const int status = copy ? read_row(&plain, 0, copy, error) : model_no_memory(error);
  if (!status) turn(source, copy, values);
  free(copy);
  return status;
}

int model_tensor_inexact(const struct model_tensor *tensor, uint64_t *inexact, struct model_error *error) {
  *inexact = 0;
  if (tensor->rank < 2 || tensor->count == 0) return DUPLEX_OK;
  const size_t columns = tensor->shape[tensor->rank - 1];
  const struct source source = {.tensor = tensor, .rows = tensor->count / columns, .columns = columns};
  duplex_f32 *row = malloc(columns * sizeof *row);
  duplex_f16 *values = malloc(columns * sizeof *values);
  int status = row && values ? DUPLEX_OK : model_no_memory(error);
  for (size_t r = 0; r < source.rows && !status; r++) {
    int8_t exponent;
    status = read_row(&source, r, row, error);
    if (!status) *inexact += model_row_convert(row, columns, values, &exponent);
  }
  free(row);
  free(values);
  return status;
}

int model_row_read(const struct model *model, enum model_part part, unsigned layer, unsigned expert,
                   size_t row, duplex_f32 *values, struct model_error *error) {
  struct source source;
  const int status = find(model, part, layer, expert, &source, error);
  if (status) return status;
  if (row >= source.rows)
    return model_fail(error, DUPLEX_ERROR_ARGUMENT, "%s: the %s has no row %zu", model->path,
                      model_part_name(part), row);
  return model_part_is_vector(part) && source.pairs ? read_turned(&source, values, error)
                                                    : read_row(&source, row, values, error);
}
