// SPDX-License-Identifier: Apache-2.0
// Which part of a model a tensor is, by its name in either kind of file.
#ifndef MODEL_PARTS_H
#define MODEL_PARTS_H

#include "model/weights.h"

// How a tensor holds a part.
enum model_form {
  MODEL_FORM_PLAIN,          // the part of the model or of a layer
  MODEL_FORM_DENSE,          // of the one FFN of a layer
  MODEL_FORM_EXPERT,         // of one expert
  MODEL_FORM_FUSED,          // of all experts: [experts][rows][columns]
  MODEL_FORM_PAIR,           // gate and up of all experts: [experts][2 * rows][columns], gate first
  MODEL_FORM_FUSED_COLUMNS,  // of all experts: [experts][columns][rows]
  MODEL_FORM_PAIR_COLUMNS,   // [experts][columns][2 * rows], rows of gate and up in turn
  MODEL_FORM_NOTHING         // holds nothing that is computed with
};

struct model_place {
  enum model_part part;  // MODEL_GATE of a pair
  enum model_form form;
  unsigned layer, expert;
};

// False: the name is none of those that are known. layer and expert may be out of the model's range.
bool model_place_of(const char *name, struct model_place *place);

// The number of the layer in a name of .safetensors; false: it is none of a layer.
bool model_place_layer(const char *name, unsigned *layer);

bool model_part_is_vector(enum model_part part);
bool model_part_of_layer(enum model_part part);   // one of a layer, or several
bool model_part_of_expert(enum model_part part);  // gate, up and down, and their biases

// Rows and columns of a part by the model's description, 1 row of a vector; false: it has none.
bool model_part_size(const struct model_config *config, enum model_part part, unsigned layer, size_t *rows,
                     size_t *columns);

#endif
