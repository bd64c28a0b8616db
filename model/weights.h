// SPDX-License-Identifier: Apache-2.0
// A model's weights by their role, from any kind of file, as the device takes them: rows of binary16 with an
// exponent each (docs/numerics.md, N3), or vectors of binary32.
#ifndef MODEL_WEIGHTS_H
#define MODEL_WEIGHTS_H

#include "duplex/numerics.h"
#include "model/config.h"
#include "model/tensor.h"

enum model_part {
  // One of the model.
  MODEL_EMBEDDING,   // [vocabulary][hidden]
  MODEL_FINAL_NORM,  // [hidden]
  MODEL_HEAD,        // [vocabulary][hidden]; the embedding if the two are tied
  // One of a layer.
  MODEL_ATTENTION_NORM,  // [hidden]
  MODEL_Q,               // [heads * head_size][hidden]
  MODEL_K,               // [kv_heads * head_size][hidden]
  MODEL_V,
  MODEL_O,       // [hidden][heads * value_size]
  MODEL_Q_BIAS,  // [heads * head_size]
  MODEL_K_BIAS,
  MODEL_V_BIAS,
  MODEL_O_BIAS,       // [hidden]
  MODEL_Q_NORM,       // [head_size], or [heads * head_size]
  MODEL_K_NORM,       // [head_size], or [kv_heads * head_size]
  MODEL_Q_A,          // [q_rank][hidden]; the columns of MODEL_Q are q_rank then
  MODEL_Q_A_NORM,     // [q_rank]
  MODEL_Q_A_BIAS,     // [q_rank]
  MODEL_KV_A,         // [kv_rank + rope_size][hidden]; there is no MODEL_K and MODEL_V then
  MODEL_KV_A_NORM,    // [kv_rank]
  MODEL_KV_A_BIAS,    // [kv_rank + rope_size]
  MODEL_KV_B,         // [heads * (head_size - rope_size + value_size)][kv_rank]
  MODEL_SINKS,        // [heads]
  MODEL_FFN_NORM,     // [hidden]
  MODEL_ROUTER,       // [experts][hidden]
  MODEL_ROUTER_BIAS,  // [experts]
  MODEL_CHOICE_BIAS,  // [experts], of the scores
  MODEL_SHARED_GATE,  // [shared_inner][hidden]
  MODEL_SHARED_UP,    // [shared_inner][hidden]
  MODEL_SHARED_DOWN,  // [hidden][shared_inner]
  // One of a layer, or one of each of its experts.
  MODEL_GATE,       // [inner][hidden]
  MODEL_UP,         // [inner][hidden]
  MODEL_DOWN,       // [hidden][inner]
  MODEL_GATE_BIAS,  // [inner]
  MODEL_UP_BIAS,    // [inner]
  MODEL_DOWN_BIAS,  // [hidden]
  MODEL_PARTS       // how many there are
};

// weight = values * 2^exponent of its row. The exponent is the largest at which all of a row is exact; if
// there is none, the one that puts the largest weight of the row into [2^-4, 2^-3), and what is not exact is
// rounded to nearest, ties to even.
struct model_matrix {
  size_t rows, columns;
  duplex_f16 *values;  // [rows][columns]
  int8_t *exponents;   // [rows]
  uint64_t inexact;    // weights that were rounded
};

struct model;

// Opens a folder (config.json and .safetensors) or a .gguf file. All tensors are found, their types and
// shapes checked, before it returns; a tensor that has no part in the model is refused. Errors, after which
// *model is NULL: IO, FORMAT, NOT_AVAILABLE, NO_MEMORY.
int model_open(const char *path, struct model **model, struct model_error *error);
void model_close(struct model *model);  // NULL: nothing

const struct model_config *model_config_of(const struct model *model);
const struct model_tensors *model_tensors_of(const struct model *model);

// Rows and columns of a part, 1 row for a vector; false: the model has none.
bool model_part_shape(const struct model *model, enum model_part part, unsigned layer, size_t *rows,
                      size_t *columns);
const char *model_part_name(enum model_part part);

// A matrix into new memory; model_matrix_free frees it. layer and expert are 0 where there is no such index,
// expert in a dense layer too. Any number of threads may read at once. Errors, after which nothing is to be
// freed: ARGUMENT (there is no such part, or it is a vector), FORMAT (a weight is NaN or infinite, or too
// large or small for its row's exponent), NO_MEMORY.
int model_matrix_read(const struct model *model, enum model_part part, unsigned layer, unsigned expert,
                      struct model_matrix *matrix, struct model_error *error);
void model_matrix_free(struct model_matrix *matrix);

// A row of a matrix, or a vector (row 0), as binary32, without any rounding but that of Q4_1:
// values[columns]. Errors: ARGUMENT, FORMAT (a value is NaN or infinite), NO_MEMORY.
int model_row_read(const struct model *model, enum model_part part, unsigned layer, unsigned expert,
                   size_t row, duplex_f32 *values, struct model_error *error);

// How many weights of a tensor model_matrix_read rounds; none of a vector, which stays binary32. Errors:
// FORMAT, NO_MEMORY.
int model_tensor_inexact(const struct model_tensor *tensor, uint64_t *inexact, struct model_error *error);

// One row of binary32 to binary16: the rule of model_matrix. Returns how many were rounded. The values are
// finite.
size_t model_row_convert(const duplex_f32 *from, size_t columns, duplex_f16 *to, int8_t *exponent);

#endif
