// SPDX-License-Identifier: Apache-2.0
// Requests and stages of a simulation as tables, and as a trace.
#include "cli/serve_tables.h"

#include <inttypes.h>
#include <stdlib.h>

#include "cli/serve_timeline.h"

static void add_request(void *context, const struct serving_request *r) {
  const struct serve_tables *tables = context;
  if (tables->requests.file)
    fprintf(tables->requests.file, "%" PRIu64 ",%.9g,%u,%u,%.9g,%.9g,%d\n", r->number, r->arrival, r->input,
            r->output, r->first - r->arrival, r->end - r->arrival, r->good);
  if (tables->timeline.file) serve_timeline_request(tables->timeline.file, r);
}

static void add_row(FILE *file, const struct serving_stage *s) {
  const struct serving_cost *c = s->cost;
  fprintf(file, "%" PRIu64 ",%.9g,%.9g,%u,%u", s->number, s->end - s->seconds, s->seconds, s->decoding,
          s->prefills);
  for (unsigned i = 0; i < SERVING_PARTS; i++) fprintf(file, ",%.9g", c->part[i]);
  fprintf(file, ",%.9g,%.9g,%.9g,%.9g,%.9g\n", c->checked, serving_sum(c->xpu), serving_sum(c->pim),
          serving_sum(c->dram_j), serving_sum(c->comp_j));
}

static void add_stage(void *context, const struct serving_stage *s) {
  const struct serve_tables *tables = context;
  if (tables->stages.file) add_row(tables->stages.file, s);
  if (tables->timeline.file) serve_timeline_stage(tables->timeline.file, s);
}

static int open_table(const char *name, const char *path, enum output_format format, struct outputs *outputs,
                      struct serve_table *table) {
  if (!path) return EXIT_GOOD;
  const int status = output_add(outputs, name, path, format);
  if (status) return status;
  table->file = open_memstream(&table->text, &table->size);
  return table->file ? EXIT_GOOD : fail(EXIT_ERROR, "too little memory for the rows of %s", name);
}

static void write_heads(const struct serve_tables *t) {
  if (t->requests.file) fputs("number,arrival_s,input,output,t2ft_s,e2e_s,good\n", t->requests.file);
  if (t->stages.file)
    fputs(
        "stage,begin_s,seconds,decoding,prefills,fc_s,attention_prefill_s,attention_decode_s,moe_s,"
        "links_s,other_s,rtl_checked_s,xpu_s,logic_pim_s,dram_j,comp_j\n",
        t->stages.file);
  if (t->timeline.file) serve_timeline_begin(t->timeline.file);
}

int serve_tables_open(struct serve_tables *t, const struct option *options, struct outputs *outputs,
                      struct serving_options *serving) {
  int status = open_table("--requests-out", option_value(options, "--requests-out"), OUTPUT_TABLE, outputs,
                          &t->requests);
  if (!status)
    status =
        open_table("--stages-out", option_value(options, "--stages-out"), OUTPUT_TABLE, outputs, &t->stages);
  if (!status)
    status =
        open_table("--timeline", option_value(options, "--timeline"), OUTPUT_JSON, outputs, &t->timeline);
  if (!status) write_heads(t);
  serving->context = t;
  serving->on_request = t->requests.file || t->timeline.file ? add_request : NULL;
  serving->on_stage = t->stages.file || t->timeline.file ? add_stage : NULL;
  return status;
}

static int write_table(const struct serve_table *table, const char *path, struct outputs *outputs) {
  if (!table->file) return EXIT_GOOD;
  const bool good = fflush(table->file) == 0 && !ferror(table->file);
  return good ? output_write(outputs, path, table->text, table->size)
              : fail(EXIT_ERROR, "%s: too little memory", path);
}

int serve_tables_write(struct serve_tables *t, const struct option *options, struct outputs *outputs) {
  if (t->timeline.file) serve_timeline_end(t->timeline.file);
  int status = write_table(&t->requests, option_value(options, "--requests-out"), outputs);
  if (!status) status = write_table(&t->stages, option_value(options, "--stages-out"), outputs);
  return status ? status : write_table(&t->timeline, option_value(options, "--timeline"), outputs);
}

static void close_table(struct serve_table *table) {
  if (table->file) fclose(table->file);
  free(table->text);
}

void serve_tables_close(struct serve_tables *t) {
  close_table(&t->requests);
  close_table(&t->stages);
  close_table(&t->timeline);
}
