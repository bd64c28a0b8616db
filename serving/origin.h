// SPDX-License-Identifier: Apache-2.0
// Where the numbers of nodes and devices and the memory come from, for messages about them.
#ifndef SERVING_ORIGIN_H
#define SERVING_ORIGIN_H

#include "serving/serving.h"

// BOTH: a number that both make, of which the one is told that was given sooner than the other: by an option
// rather than by the system's file, and by that rather than by the model's.
enum origin_number { ORIGIN_NODES, ORIGIN_DEVICES, ORIGIN_BOTH };

struct origin {
  char place[600];  // as config_where has it, or what gave the number
  const char *key;  // of the file, if it is not that of every number of devices
  unsigned given;   // the number, if it is one of the options; else 0
};

// If neither option nor file has the number, the place is the system's name; of_experts: what it has to come
// out even with then, the line of the model's experts.
struct origin origin_of(const struct serving_options *options, enum origin_number number, bool of_experts);

// Writes the line that this number, which is made of the one of the origin, has to be something else. Returns
// DUPLEX_ERROR_ARGUMENT.
int origin_refuse(const struct origin *from, const char *what, unsigned is, const char *expected, char *error,
                  size_t size);

// What a system is called in a message about the devices of a node, or about their memory: its name, with the
// line of its file or what else the number comes from.
void origin_tell_devices(const struct serving_options *options, char *text, size_t size);
void origin_tell_memory(const struct serving_options *options, char *text, size_t size);

#endif
