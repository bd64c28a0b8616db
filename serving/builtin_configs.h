// SPDX-License-Identifier: Apache-2.0
// The files of configs/ as texts in the program: made by the build (serving/room.mk).
#ifndef SERVING_BUILTIN_CONFIGS_H
#define SERVING_BUILTIN_CONFIGS_H

struct builtin_config {
  const char *path;  // below configs/, without .json; NULL ends the list
  const char *text;
};
extern const struct builtin_config builtin_configs[];

#endif
