// SPDX-License-Identifier: Apache-2.0
// duplex info --model: what a model is, and what its weights become.
#ifndef DUPLEX_CLI_MODEL_INFO_H
#define DUPLEX_CLI_MODEL_INFO_H

// Opens a folder or a GGUF file and prints its description, its tokens and its tensors, each with the number
// of weights that binary16 with an exponent per row rounds. Returns 0 or an exit status.
int print_model(const char *path);

// Prints the tokens of a text, with those that the file puts before and behind it, and commas between them.
int print_model_tokens(const char *path, const char *text);

#endif
