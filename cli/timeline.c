// SPDX-License-Identifier: Apache-2.0
// The events of a device as a trace for Perfetto (ui.perfetto.dev), and where the picture goes.
#include "cli/timeline.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "cli/timeline_picture.h"

int add_timeline(const struct option *options, struct outputs *outputs) {
  const char *json = option_value(options, "--timeline");
  const char *picture = option_value(options, "--timeline-picture");
  if (json && output_add(outputs, "--timeline", json, OUTPUT_JSON)) return EXIT_BAD_INPUT;
  return picture ? output_add(outputs, "--timeline-picture", picture, OUTPUT_PICTURE) : EXIT_GOOD;
}

// The name of a track.
static json_t *track_json(const struct timeline *timeline, unsigned track) {
  char name[24];
  timeline_track_name(timeline, track, name, sizeof name);
  return json_pack("{s:s, s:s, s:i, s:i, s:{s:s}}", "name", "thread_name", "ph", "M", "pid", 1, "tid",
                   (int)track + 1, "args", "name", name);
}

static json_t *event_json(const struct duplex_event *event, const struct timeline_place *place,
                          double clock_mhz) {
  json_t *json = json_pack("{s:s, s:s, s:i, s:i, s:f, s:f, s:{s:I, s:I}}", "name", event->name, "ph", "X",
                           "pid", 1, "tid", (int)event->track + 1, "ts", (double)event->begin / clock_mhz,
                           "dur", (double)(event->end - event->begin) / clock_mhz, "args", "first_clock",
                           (json_int_t)event->begin, "end_clock", (json_int_t)event->end);
  if (json && event->expert >= 0)
    json_object_set_new(json_object_get(json, "args"), "expert", json_integer(event->expert));
  if (json && place)
    json_object_set_new(json_object_get(json, "args"), "step", json_integer((json_int_t)place->step));
  if (json && place && place->layer >= 0)
    json_object_set_new(json_object_get(json, "args"), "layer", json_integer(place->layer));
  return json;
}

static json_t *timeline_json(const struct timeline *timeline) {
  json_t *list = json_array();
  for (unsigned track = 0; track < timeline_tracks(timeline); track++)
    json_array_append_new(list, track_json(timeline, track));
  for (size_t i = 0; i < timeline->count; i++)
    json_array_append_new(list,
                          event_json(&timeline->events[i], timeline->places ? &timeline->places[i] : NULL,
                                     timeline->clock_mhz));
  return json_pack("{s:o, s:s}", "traceEvents", list, "displayTimeUnit", "ns");
}

// A text, which is freed, with a line feed behind it.
static int write_text(struct outputs *outputs, const char *path, char *text) {
  if (!text) return fail(EXIT_BAD_INPUT, "too little memory for %s", path);
  int status = output_write(outputs, path, text, strlen(text));
  if (!status) status = output_write(outputs, path, "\n", 1);
  free(text);
  return status;
}

int write_timeline(const struct option *options, struct outputs *outputs, const struct timeline *timeline) {
  const char *path = option_value(options, "--timeline");
  const char *picture = option_value(options, "--timeline-picture");
  int status = EXIT_GOOD;
  if (path) {
    json_t *json = timeline_json(timeline);
    status = write_text(outputs, path, json ? json_dumps(json, JSON_INDENT(1) | JSON_PRESERVE_ORDER) : NULL);
    json_decref(json);
  }
  if (!status && picture) status = write_text(outputs, picture, timeline_picture(timeline));
  return status;
}
