// SPDX-License-Identifier: Apache-2.0
// Events of a simulation in the JSON form of traces, written as they come.
#include "cli/serve_timeline.h"

#include <inttypes.h>

#include "cli/serve_report.h"

#define MICRO 1e6
#define REQUESTS 3  // the process of the requests; 1: all devices or those that decode, 2: those that prefill

enum track { STAGES = 1, XPU, PIM, LINKS };

static void name_track(FILE *file, const char *what, int process, int track, const char *name) {
  fprintf(file, "{\"name\":\"%s\",\"ph\":\"M\",\"pid\":%d,\"tid\":%d,\"args\":{\"name\":\"%s\"}},\n", what,
          process, track, name);
}

void serve_timeline_begin(FILE *file) {
  static const char *const processes[] = {"devices", "devices that only prefill"};
  static const char *const tracks[] = {"stages", "xPU", "PIM", "links"};
  fputs("{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n", file);
  for (int p = 0; p < 2; p++) {
    name_track(file, "process_name", p + 1, 0, processes[p]);
    for (int t = 0; t < 4; t++) name_track(file, "thread_name", p + 1, t + 1, tracks[t]);
  }
  name_track(file, "process_name", REQUESTS, 0, "requests");
}

static void add_block(FILE *file, const char *name, int process, enum track track, double begin,
                      double seconds) {
  if (seconds > 0)
    fprintf(file, "{\"name\":\"%s\",\"ph\":\"X\",\"pid\":%d,\"tid\":%d,\"ts\":%.4f,\"dur\":%.4f},\n", name,
            process, (int)track, begin * MICRO, seconds * MICRO);
}

// Where a part begins behind the begin of its stage. Of the two kinds of attention that run at once the
// shorter one is no part of the time: it begins with the other.
static double offset_of(const struct serving_cost *cost, unsigned part) {
  double sum = 0;
  for (unsigned i = 0; i < part; i++) sum += cost->part[i];
  return part == SERVING_DECODE && cost->part[part] == 0 ? sum - cost->part[SERVING_PREFILL] : sum;
}

// The xPU's share of a part ends with it, Logic-PIM's begins with it: so they stand where they take turns.
static void add_parts(FILE *file, const struct serving_stage *stage, int process, double begin) {
  const struct serving_cost *c = stage->cost;
  for (unsigned i = 0; i < SERVING_PARTS; i++) {
    const double at = begin + offset_of(c, i);
    const double late = c->part[i] > c->xpu[i] ? c->part[i] - c->xpu[i] : 0;
    add_block(file, serve_part_name(i), process, XPU, at + late, c->xpu[i]);
    add_block(file, serve_part_name(i), process, PIM, at, c->pim[i]);
    if (i == SERVING_LINKS) add_block(file, serve_part_name(i), process, LINKS, at, c->part[i]);
  }
}

void serve_timeline_stage(FILE *file, const struct serving_stage *stage) {
  const double begin = stage->end - stage->seconds;
  const int process = stage->prefill_half ? 2 : 1;
  fprintf(file,
          "{\"name\":\"%s\",\"ph\":\"X\",\"pid\":%d,\"tid\":%d,\"ts\":%.4f,\"dur\":%.4f,\"args\":{"
          "\"stage\":%" PRIu64 ",\"decoding\":%u,\"prompts\":%u,\"rtl_checked_share\":%.6f}},\n",
          stage->prefills ? "mixed" : "decoding", process, (int)STAGES, begin * MICRO, stage->seconds * MICRO,
          stage->number, stage->decoding, stage->prefills, stage->cost->checked / stage->seconds);
  fprintf(file,
          "{\"name\":\"in flight\",\"ph\":\"C\",\"pid\":%d,\"ts\":%.4f,\"args\":{\"decoding\":%u,"
          "\"prompts\":%u}},\n",
          process, begin * MICRO, stage->decoding, stage->prefills);
  add_parts(file, stage, process, begin);
}

static void add_span(FILE *file, const struct serving_request *r, const char *name, double begin,
                     double end) {
  static const char form[] = "{\"name\":\"%s\",\"cat\":\"request\",\"ph\":\"%c\",\"id\":%" PRIu64
                             ",\"pid\":%d,\"tid\":1,\"ts\":%.4f";
  fprintf(file, form, name, 'b', r->number, REQUESTS, begin * MICRO);
  fprintf(file, ",\"args\":{\"number\":%" PRIu64 ",\"input\":%u,\"output\":%u}},\n", r->number, r->input,
          r->output);
  fprintf(file, form, name, 'e', r->number, REQUESTS, end * MICRO);
  fputs("},\n", file);
}

void serve_timeline_request(FILE *file, const struct serving_request *r) {
  add_span(file, r, "first token", r->arrival, r->first);
  add_span(file, r, "other tokens", r->first, r->end);
}

void serve_timeline_end(FILE *file) {
  fprintf(
      file,
      "{\"name\":\"thread_name\",\"ph\":\"M\",\"pid\":%d,\"tid\":1,\"args\":{\"name\":\"requests\"}}\n]}\n",
      REQUESTS);
}
