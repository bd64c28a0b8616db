// SPDX-License-Identifier: Apache-2.0
// Draws the events of a device.
#include "cli/timeline_picture.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WIDTH = 960, LEFT = 70, RIGHT = 20, LEGEND_LINE = 16, TOP = 50, LANE = 34, GAP = 8, AXIS = 34 };
#define CHARACTER 6.2  // of a label, in units of the picture

// Kinds of events by the first word of their names; the last one is for all others.
static const struct {
  const char *word, *what, *colour;
} kinds[] = {{"expert", "experts on Logic-PIM", "#1f5fa8"},
             {"read", "xPU reads and multiplies", "#c46a00"},
             {"decide", "decision", "#c22929"},
             {"hand-over", "hand-over of bundles", "#6b6b6b"},
             {"reduce", "reduction", "#7a2a8c"},
             {"decode", "attention on Logic-PIM", "#4f9bd9"},
             {"prefill", "attention on the xPU", "#e09a3a"},
             {"product", "products", "#a85a20"},
             {"FFN", "FFNs", "#8a4a10"},
             {"attention", "attention of a layer", "#8fae5d"},
             {"step", "steps", "#555599"},
             {"", "others: route, launch, tokens, combination, migration", "#1a8f3c"}};
#define KINDS (sizeof kinds / sizeof *kinds)

static size_t kind_of(const char *name) {
  size_t kind = 0;
  while (strncmp(name, kinds[kind].word, strlen(kinds[kind].word)) != 0) kind++;
  return kind;
}

// The end of the last event, at least 1.
static uint64_t end_of(const struct duplex_event *events, size_t count) {
  uint64_t end = 1;
  for (size_t i = 0; i < count; i++)
    if (events[i].end > end) end = events[i].end;
  return end;
}

static double place(uint64_t clock, uint64_t end) {
  return LEFT + (double)(WIDTH - LEFT - RIGHT) * (double)clock / (double)end;
}

// Kinds that there are, in as many lines as they need, room for two.
static void draw_legend(FILE *to, const struct timeline *timeline) {
  bool used[KINDS] = {false};
  double x = LEFT;
  int y = 10;
  for (size_t i = 0; i < timeline->count; i++) used[kind_of(timeline->events[i].name)] = true;
  for (size_t i = 0; i < KINDS; i++) {
    const double width = 14 + CHARACTER * (double)strlen(kinds[i].what) + 14;
    if (!used[i]) continue;
    if (x + width > WIDTH) {
      x = LEFT;
      y += LEGEND_LINE;
    }
    fprintf(to,
            "<rect x=\"%.0f\" y=\"%d\" width=\"10\" height=\"10\" fill=\"%s\"/>"
            "<text x=\"%.0f\" y=\"%d\">%s</text>\n",
            x, y, kinds[i].colour, x + 14, y + 9, kinds[i].what);
    x += width;
  }
}

// Draws an event as a bar with its times as a tooltip, and with its name if that fits into the bar.
static void draw_event(FILE *to, const struct duplex_event *event, uint64_t end, double clock_mhz) {
  const double from = place(event->begin, end);
  const double width = place(event->end, end) - from;
  const int y = TOP + (int)event->track * (LANE + GAP);
  char label[64];
  if (event->expert >= 0) {
    snprintf(label, sizeof label, "%s %d", event->name, event->expert);
  } else {
    snprintf(label, sizeof label, "%s", event->name);
  }
  fprintf(to,
          "<rect x=\"%.2f\" y=\"%d\" width=\"%.2f\" height=\"%d\" fill=\"%s\" stroke=\"#fff\" "
          "stroke-width=\"0.5\"><title>%s: %.3f to %.3f us</title></rect>\n",
          from, y, width > 0.6 ? width : 0.6, LANE, kinds[kind_of(event->name)].colour, label,
          (double)event->begin / clock_mhz, (double)event->end / clock_mhz);
  if (CHARACTER * (double)strlen(label) + 4 < width)
    fprintf(to, "<text x=\"%.2f\" y=\"%d\" fill=\"#fff\">%s</text>\n", from + 3, y + LANE / 2 + 4, label);
}

// A step of 1, 2 or 5 times a power of ten that makes at most ten marks.
static double step_of(double most) {
  double step = 0.001;
  for (unsigned i = 0; most / step > 10; i++) step *= i % 3 == 1 ? 2.5 : 2;
  return step;
}

static void draw_axis(FILE *to, unsigned tracks, uint64_t end, double clock_mhz) {
  const double most = (double)end / clock_mhz;
  const double step = step_of(most);
  const int y = TOP + (int)tracks * (LANE + GAP);
  for (unsigned i = 0; step * i <= most; i++) {
    const double x = place((uint64_t)(step * i * clock_mhz), end);
    fprintf(to,
            "<line x1=\"%.2f\" y1=\"%d\" x2=\"%.2f\" y2=\"%d\" stroke=\"#ccc\"/>"
            "<text x=\"%.2f\" y=\"%d\" text-anchor=\"middle\">%g</text>\n",
            x, TOP - 4, x, y, x, y + 14, step * i);
  }
  fprintf(to, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">microseconds</text>\n", WIDTH - RIGHT, y + 28);
}

// Draws the whole picture: legend, axis, a lane for each track, all events.
static void draw(FILE *to, const struct timeline *timeline) {
  const unsigned tracks = timeline_tracks(timeline);
  const uint64_t end = end_of(timeline->events, timeline->count);
  const int height = TOP + (int)tracks * (LANE + GAP) + AXIS;
  fprintf(to,
          "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" font-family=\"sans-serif\" "
          "font-size=\"11\">\n<rect width=\"%d\" height=\"%d\" fill=\"#fff\"/>\n",
          WIDTH, height, WIDTH, height);
  draw_legend(to, timeline);
  draw_axis(to, tracks, end, timeline->clock_mhz);
  for (unsigned track = 0; track < tracks; track++) {
    char name[24];
    timeline_track_name(timeline, track, name, sizeof name);
    fprintf(to, "<text x=\"8\" y=\"%d\">%s</text>\n", TOP + (int)track * (LANE + GAP) + LANE / 2 + 4, name);
  }
  for (size_t i = 0; i < timeline->count; i++) draw_event(to, &timeline->events[i], end, timeline->clock_mhz);
  fprintf(to, "</svg>");
}

char *timeline_picture(const struct timeline *timeline) {
  char *text = NULL;
  size_t size = 0;
  FILE *to = open_memstream(&text, &size);
  if (!to) return NULL;
  draw(to, timeline);
  if (fclose(to) == 0) return text;
  free(text);
  return NULL;
}
