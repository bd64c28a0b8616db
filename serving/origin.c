// SPDX-License-Identifier: Apache-2.0
// Where the numbers of nodes and devices and the memory come from, for messages about them.
#include "serving/origin.h"

#include <stdio.h>
#include <string.h>

#include "duplex/error.h"
#include "serving/config_file.h"
#include "serving/model.h"

#define KEYS(...) ((const char *const[]){__VA_ARGS__, NULL})

enum source { BY_NOTHING, BY_MODEL, BY_SYSTEM, BY_OPTION };

static const char *name_of(bool nodes) { return nodes ? "nodes" : "devices"; }

// What gave a number of the options.
static const char *giver_of(const struct serving_options *options, bool nodes) {
  const char *giver = nodes ? options->nodes_from : options->devices_from;
  return giver ? giver : name_of(nodes);
}

// Who gives the number, and in `place` which line or what option.
static enum source source_of(const struct serving_options *options, bool nodes, char *place, size_t size) {
  const char *const keys[] = {name_of(nodes), NULL};
  if (nodes ? options->nodes : options->devices) {
    snprintf(place, size, "%s", giver_of(options, nodes));
    return BY_OPTION;
  }
  if (config_where("systems", options->system, keys, place, size)) return BY_SYSTEM;
  return config_where("models", options->model, keys, place, size) ? BY_MODEL : BY_NOTHING;
}

// Whether the system's factor makes the numbers: where none is given but by the model.
static bool is_scaled(const struct serving_options *options, char *place, size_t size) {
  return !options->nodes && !options->devices &&
         !config_where("systems", options->system, KEYS("nodes", "devices"), place, size) &&
         config_where("systems", options->system, KEYS("times_devices"), place, size);
}

struct origin origin_of(const struct serving_options *options, enum origin_number number, bool of_experts) {
  struct origin from = {.key = NULL};
  char *place = from.place;
  const size_t size = sizeof from.place;
  if (is_scaled(options, place, size)) {
    from.key = "times_devices";
    return from;
  }
  const enum source of_devices = source_of(options, false, place, size);
  const enum source of_nodes = source_of(options, true, place, size);
  const bool nodes = number == ORIGIN_NODES || (number == ORIGIN_BOTH && of_nodes > of_devices);
  const enum source source = source_of(options, nodes, place, size);
  if (source == BY_OPTION) from.given = nodes ? options->nodes : options->devices;
  if (nodes && source != BY_NOTHING) from.key = "nodes";
  if (source == BY_NOTHING &&
      !(of_experts && config_where("models", options->model, MODEL_EXPERTS, place, size)))
    snprintf(place, size, "%s", options->system);
  return from;
}

int origin_refuse(const struct origin *from, const char *what, unsigned is, const char *expected, char *error,
                  size_t size) {
  if (from->given == is)
    snprintf(error, size, "%s is %u, expected %s", from->place, is, expected);
  else if (from->given)
    snprintf(error, size, "%s %u makes %s %u, expected %s", from->place, from->given, what, is, expected);
  else if (from->key && strcmp(from->key, what) != 0)
    snprintf(error, size, "%s: %s makes %s %u, expected %s", from->place, from->key, what, is, expected);
  else
    snprintf(error, size, "%s: %s is %u, expected %s", from->place, what, is, expected);
  return DUPLEX_ERROR_ARGUMENT;
}

void origin_tell_devices(const struct serving_options *options, char *text, size_t size) {
  const struct origin from = origin_of(options, ORIGIN_DEVICES, false);
  char place[600];
  if (from.given)
    snprintf(text, size, "%s with %s %u", options->system, from.place, from.given);
  else if (!from.key && source_of(options, false, place, sizeof place) == BY_MODEL)
    snprintf(text, size, "%s with the devices of %s", options->system, from.place);
  else
    snprintf(text, size, "%s", from.place);
}

void origin_tell_memory(const struct serving_options *options, char *text, size_t size) {
  if (options->memory > 0 && options->memory_from)
    snprintf(text, size, "%s", options->memory_from);
  else if (!config_where("systems", options->system, KEYS("memory"), text, size) &&
           !(options->constants && config_where("", options->constants, KEYS("memory"), text, size)))
    origin_tell_devices(options, text, size);
}
