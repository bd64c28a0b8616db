// SPDX-License-Identifier: Apache-2.0
// Checks of what a caller hands over, before anything is done: pointers, and the options of a stack.
#ifndef DUPLEX_DRIVER_ARGUMENTS_H
#define DUPLEX_DRIVER_ARGUMENTS_H

#include "driver/kv_cache.h"
#include "driver/stack.h"

// DUPLEX_ERROR_ARGUMENT with a text in a child of the process that opened the stack: fork leaves the threads
// of the back end behind, and shares its files and connections. All functions that take a stack, or what
// belongs to one, begin with it, in one of the functions below or by itself.
int need_process(struct duplex_stack *stack);

// The same if the pointer is NULL, with a text that names the argument; a stack that is NULL has no text.
int need(struct duplex_stack *stack, const char *name, const void *pointer);
// The same, and where binary16 numbers lie it must be even.
int need_f16(struct duplex_stack *stack, const char *name, const duplex_f16 *pointer);

// Weights that are resident on this stack.
int need_weights(struct duplex_stack *stack, const char *name, const struct duplex_weights *weights);

// The cache and the sequence are there and were not given back.
int need_cache(const struct duplex_kv_cache *cache);
int need_sequence(const struct duplex_sequence *sequence);

// The options of a stack are in their ranges; `text` (may be NULL) gets what is not.
int check_stack_options(const struct duplex_stack_options *options, char *text, size_t size);

#endif
