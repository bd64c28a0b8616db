// SPDX-License-Identifier: Apache-2.0
// Requests and stages of a simulation as tables.
#include "cli/serve_tables.h"

#include <inttypes.h>
#include <stdlib.h>

static void add_request(void *context, const struct serving_request *r) {
  const struct serve_tables *tables = context;
  fprintf(tables->requests, "%" PRIu64 ",%.9g,%u,%u,%.9g,%.9g,%d\n", r->number, r->arrival, r->input,
          r->output, r->first - r->arrival, r->end - r->arrival, r->good);
}

static void add_stage(void *context, const struct serving_stage *s) {
  const struct serve_tables *tables = context;
  fprintf(tables->stages, "%" PRIu64 ",%.9g,%.9g,%u,%u", s->number, s->end - s->seconds, s->seconds,
          s->decoding, s->prefills);
  for (unsigned i = 0; i < SERVING_PARTS; i++) fprintf(tables->stages, ",%.9g", s->cost->part[i]);
  fputc('\n', tables->stages);
}

static int open_table(const char *name, const char *path, const char *heads, struct outputs *outputs,
                      FILE **table, char **text, size_t *size) {
  if (!path) return EXIT_GOOD;
  const int status = output_add(outputs, name, path, OUTPUT_TABLE);
  if (status) return status;
  *table = open_memstream(text, size);
  if (!*table) return fail(EXIT_ERROR, "too little memory for the rows of %s", name);
  fputs(heads, *table);
  return EXIT_GOOD;
}

int serve_tables_open(struct serve_tables *t, const struct option *options, struct outputs *outputs,
                      struct serving_options *serving) {
  int status = open_table("--requests-out", option_value(options, "--requests-out"),
                          "number,arrival_s,input,output,t2ft_s,e2e_s,good\n", outputs, &t->requests,
                          &t->request_text, &t->request_size);
  if (!status)
    status = open_table(
        "--stages-out", option_value(options, "--stages-out"),
        "stage,begin_s,seconds,decoding,prefills,fc_s,attention_prefill_s,attention_decode_s,moe_s,"
        "links_s,other_s\n",
        outputs, &t->stages, &t->stage_text, &t->stage_size);
  serving->context = t;
  serving->on_request = t->requests ? add_request : NULL;
  serving->on_stage = t->stages ? add_stage : NULL;
  return status;
}

static int write_table(FILE **table, char *const *text, const size_t *size, const char *path,
                       struct outputs *outputs) {
  if (!*table) return EXIT_GOOD;
  const bool good = fflush(*table) == 0 && !ferror(*table);
  return good ? output_write(outputs, path, *text, *size) : fail(EXIT_ERROR, "%s: too little memory", path);
}

int serve_tables_write(struct serve_tables *t, const struct option *options, struct outputs *outputs) {
  const int status = write_table(&t->requests, &t->request_text, &t->request_size,
                                 option_value(options, "--requests-out"), outputs);
  return status ? status
                : write_table(&t->stages, &t->stage_text, &t->stage_size,
                              option_value(options, "--stages-out"), outputs);
}

void serve_tables_close(struct serve_tables *t) {
  if (t->requests) fclose(t->requests);
  if (t->stages) fclose(t->stages);
  free(t->request_text);
  free(t->stage_text);
}
