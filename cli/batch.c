// SPDX-License-Identifier: Apache-2.0
// duplex batch FILE.jsonl: one job a line, in one process; matrices stay resident between the jobs that name
// the same files.
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/attention.h"
#include "cli/command.h"
#include "cli/messages.h"
#include "cli/npy.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/resident.h"
#include "cli/stack_options.h"
#include "duplex/duplex.h"
#include "duplex/error.h"
#include "duplex/text_file.h"

struct line {
  const char *command, *x, *w, *gate, *up, *down, *out, *act, *out_type, *q, *k, *v, *lengths, *scale,
      *spread, *weights;
};

enum kind { TEXT, NUMBER, NUMBERS };  // what a value may be: a text; or a number, too; or a list of them, too

// A number as its shortest text that means it, or the inside of a list; NULL: too little memory.
static char *text_of(const json_t *value) {
  char *text = NULL;
  for (size_t digits = 1; digits <= 17; digits++) {
    free(text);
    text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(digits));
    if (!json_is_real(value) || !text || strtod(text, NULL) == json_real_value(value)) break;
  }
  if (!json_is_array(value) || !text) return text;
  const size_t length = strlen(text) - 2;
  memmove(text, text + 1, length);
  text[length] = 0;
  return text;
}

// The value is a text from now on, as the option of the command is; false: it is something else.
static bool make_text(json_t *object, void *at, enum kind kind) {
  json_t *value = json_object_iter_value(at);
  const bool other = (kind >= NUMBER && json_is_number(value)) || (kind == NUMBERS && json_is_array(value));
  if (!other) return json_is_string(value);
  char *text = text_of(value);
  const bool made = text && json_object_iter_set_new(object, at, json_string(text)) == 0;
  free(text);
  return made;
}

// The texts of a JSON object by their keys.
static int read_line(json_t *json, struct line *line) {
  static const char *const kind_names[] = {"a text", "a text or a number",
                                           "a text, a number or a list of them"};
  const struct {
    const char *key;
    const char **value;
    enum kind kind;
  } keys[] = {{"command", &line->command, TEXT},
              {"x", &line->x, TEXT},
              {"w", &line->w, TEXT},
              {"gate", &line->gate, TEXT},
              {"up", &line->up, TEXT},
              {"down", &line->down, TEXT},
              {"out", &line->out, TEXT},
              {"act", &line->act, TEXT},
              {"out_type", &line->out_type, TEXT},
              {"q", &line->q, TEXT},
              {"k", &line->k, TEXT},
              {"v", &line->v, TEXT},
              {"lengths", &line->lengths, NUMBERS},
              {"scale", &line->scale, NUMBER},
              {"spread", &line->spread, NUMBER},
              {"weights", &line->weights, TEXT}};
  if (!json_is_object(json)) return fail(EXIT_BAD_INPUT, "expected a JSON object");
  for (void *at = json_object_iter(json); at; at = json_object_iter_next(json, at)) {
    const char *key = json_object_iter_key(at);
    size_t i = 0;
    while (i < sizeof keys / sizeof *keys && strcmp(keys[i].key, key) != 0) i++;
    if (i == sizeof keys / sizeof *keys)
      return fail(EXIT_BAD_INPUT, "unknown key '%s': see duplex batch --help", key);
    if (!make_text(json, at, keys[i].kind))
      return fail(EXIT_BAD_INPUT, "'%s': expected %s", key, kind_names[keys[i].kind]);
    *keys[i].value = json_string_value(json_object_iter_value(at));
  }
  return EXIT_GOOD;
}

// The type that out_type names, f16 if the line has none.
static int element_of(const struct line *line, enum element *element) {
  static const char *const types[] = {"f16", "f32", "acc", NULL};
  const struct option options[] = {{.name = "out_type", .value = line->out_type}, {0}};
  unsigned type;
  const int status = choice_option(options, "out_type", types, &type);
  *element = (enum element)type;
  return status;
}

static int check_x(const struct line *line, const struct tensor *x, size_t k) {
  if (x->shape[0] > 4096)
    return fail(EXIT_BAD_INPUT, "x %s: has %zu rows, expected 1 to 4096", line->x, x->shape[0]);
  if (x->shape[1] != k)
    return fail(EXIT_BAD_INPUT, "x %s: has %zu columns, expected %zu", line->x, x->shape[1], k);
  return EXIT_GOOD;
}

static int compute_gemm(struct session *session, const struct line *line, const struct tensor *x,
                        struct tensor *y) {
  struct resident *w;
  enum element element;
  if (element_of(line, &element)) return EXIT_BAD_INPUT;
  int status = resident_of(session, NULL, NULL, "w", line->w, NULL, &w);
  if (!status) status = check_x(line, x, w->k);
  if (!status) status = tensor_new_matrices(element, session->matrices, x->shape[0], w->n, y);
  if (status) return status;
  progress("line %u: computing gemm", session->line);
  const int error = duplex_stack_gemm(session->stack, w->weights, x->data, x->shape[0],
                                      (enum duplex_format)element, y->data);
  return error ? stack_error(session->stack, error) : EXIT_GOOD;
}

// Computes the expert of a line; its weights stay resident. y is new, and the caller's to free.
static int compute_expert(struct session *session, const struct line *line, const struct tensor *x,
                          struct tensor *y) {
  struct resident *up, *down;
  enum element element;
  const struct duplex_activation_table *table = duplex_activation_builtin(line->act ? line->act : "silu");
  if (element_of(line, &element)) return EXIT_BAD_INPUT;
  if (!table)
    return fail(EXIT_BAD_INPUT, "act is '%s': expected silu, gelu, gelu_tanh, relu or identity", line->act);
  int status = resident_of(session, "gate", line->gate, "up", line->up, NULL, &up);
  if (!status) status = check_x(line, x, up->k);
  if (!status) status = resident_of(session, NULL, NULL, "down", line->down, up, &down);
  if (!status && (down->n != up->k || down->k != up->n))
    status = fail(EXIT_BAD_INPUT, "down %s: has the shape (%zu, %zu), expected (%zu, %zu)", line->down,
                  down->n, down->k, up->k, up->n);
  if (!status) status = tensor_new_matrices(element, session->matrices, x->shape[0], x->shape[1], y);
  if (status) return status;
  progress("line %u: computing expert", session->line);
  const int error = duplex_stack_expert(session->stack, up->weights, down->weights, table, x->data,
                                        x->shape[0], (enum duplex_format)element, y->data);
  return error ? stack_error(session->stack, error) : EXIT_GOOD;
}

static bool make_room(void *context) { return resident_evict(context, NULL); }

static int compute_attention(struct session *session, const struct line *line, struct tensor *o) {
  const struct option options[] = {{.name = "--q", .value = line->q},
                                   {.name = "--k", .value = line->k},
                                   {.name = "--v", .value = line->v},
                                   {.name = "--scale", .value = line->scale},
                                   {.name = "--lengths", .value = line->lengths},
                                   {.name = "--spread", .value = line->spread},
                                   {.name = "--weights", .value = line->weights},
                                   {0}};
  return attention_on(session->stack, options, make_room, session, o);
}

static int compute_matrices(struct session *session, const struct line *line, bool expert, struct tensor *y) {
  struct tensor x = {0};
  session->matrices = 0;
  int status = npy_read_matrices("x", line->x, &session->matrices, &x);
  if (!status) status = expert ? compute_expert(session, line, &x, y) : compute_gemm(session, line, &x, y);
  tensor_free(&x);
  return status;
}

enum job { GEMM, EXPERT, ATTENTION, JOBS };
static const char *const job_names[] = {"gemm", "expert", "attention"};

#define OF(job) (1u << (job))
#define MATRICES (OF(GEMM) | OF(EXPERT))
#define ALL (MATRICES | OF(ATTENTION))

// What every command needs and what does not belong to it.
static int check_keys(const struct line *line, enum job job) {
  const struct {
    const char *key, *value;
    unsigned needed, allowed;  // by a set of commands
  } keys[] = {
      {"x", line->x, MATRICES, MATRICES},
      {"out", line->out, ALL, ALL},
      {"w", line->w, OF(GEMM), OF(GEMM)},
      {"up", line->up, OF(EXPERT), OF(EXPERT)},
      {"down", line->down, OF(EXPERT), OF(EXPERT)},
      {"gate", line->gate, 0, OF(EXPERT)},
      {"act", line->act, 0, OF(EXPERT)},
      {"out_type", line->out_type, 0, MATRICES},
      {"q", line->q, OF(ATTENTION), OF(ATTENTION)},
      {"k", line->k, OF(ATTENTION), OF(ATTENTION)},
      {"v", line->v, OF(ATTENTION), OF(ATTENTION)},
      {"lengths", line->lengths, 0, OF(ATTENTION)},
      {"scale", line->scale, 0, OF(ATTENTION)},
      {"spread", line->spread, 0, OF(ATTENTION)},
      {"weights", line->weights, 0, OF(ATTENTION)},
  };
  for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
    if (!keys[i].value && keys[i].needed >> job & 1)
      return fail(EXIT_BAD_INPUT, "'%s' is missing: expected it of %s", keys[i].key, line->command);
    if (keys[i].value && !(keys[i].allowed >> job & 1))
      return fail(EXIT_BAD_INPUT, "'%s' does not belong to %s: expected only its own keys", keys[i].key,
                  line->command);
  }
  return EXIT_GOOD;
}

// *job, and that the line has its keys and no others.
static int check_line(const struct line *line, enum job *job) {
  if (!line->command) return fail(EXIT_BAD_INPUT, "'command' is missing: expected gemm, expert or attention");
  *job = GEMM;
  while (*job < JOBS && strcmp(line->command, job_names[*job]) != 0) ++*job;
  if (*job == JOBS)
    return fail(EXIT_BAD_INPUT, "command is '%s': expected gemm, expert or attention", line->command);
  return check_keys(line, *job);
}

// One job, all its outputs or none.
static int run_line(struct session *session, json_t *json) {
  struct line line = {0};
  struct tensor y = {0};
  struct outputs outputs = {0};
  struct duplex_stack_stats stats;
  enum job job = GEMM;
  session->uploaded = 0;
  int status = read_line(json, &line);
  if (!status) status = check_line(&line, &job);
  if (!status) status = output_add(&outputs, "out", line.out, OUTPUT_TENSOR);
  if (!status) status = outputs_open(&outputs);  // refused before any work
  if (!status)
    status = job == ATTENTION ? compute_attention(session, &line, &y)
                              : compute_matrices(session, &line, job == EXPERT, &y);
  progress_end();
  duplex_stack_last_stats(session->stack, &stats);
  if (!status) status = output_tensor(&outputs, line.out, &y);
  if (!status) status = outputs_commit(&outputs);
  outputs_discard(&outputs);
  if (!status) {
    printf("{\"line\": %u, \"command\": \"%s\", \"cycles\": %llu, \"uploaded\": %u}\n", session->line,
           line.command, (unsigned long long)stats.cycles, session->uploaded);
    fflush(stdout);
  }
  tensor_free(&y);
  return status;
}

// All lines; the status of the first one that fails.
static int run_file(struct session *session, FILE *file, const char *path) {
  char *text = NULL;
  size_t room = 0;
  int status = EXIT_GOOD;
  ssize_t length;
  for (session->line = 1; (length = duplex_text_line(file, &text, &room)) > 0; session->line++) {
    char where[300];
    json_error_t wrong;
    const bool whole = strlen(text) == (size_t)length;
    if (whole && text[strspn(text, " \t\r\n")] == 0) continue;
    snprintf(where, sizeof where, "%.200s line %u: ", path, session->line);
    fail_context(where);
    json_t *json = whole ? json_loads(text, JSON_REJECT_DUPLICATES, &wrong) : NULL;
    int of_line;
    if (json)
      of_line = run_line(session, json);
    else
      of_line = fail(EXIT_BAD_INPUT, "not JSON: %s", whole ? wrong.text : "there is a NUL byte in it");
    json_decref(json);
    fail_context("");
    if (!status) status = of_line;
  }
  free(text);
  if (length == 0) return status;
  return fail(EXIT_BAD_INPUT, "%s line %u: cannot be read: %s", path, session->line, strerror((int)-length));
}

// Runs the file's lines on one stack, and gives traces and profile their names, also if a line has failed.
static int run(const struct option *options, const char *path, struct outputs *outputs) {
  FILE *file = fopen(path, "r");
  if (!file) return fail(EXIT_BAD_INPUT, "%s: %s", path, strerror(errno));
  struct session session = {0};
  int status = outputs_keep_stdout(outputs);
  if (!status) status = open_stack(options, outputs, &session.stack);
  if (!status) {
    status = run_file(&session, file, path);
    while (resident_evict(&session, NULL)) continue;
    const int written = close_stack(session.stack, outputs, EXIT_GOOD);
    const int committed = written ? written : outputs_commit(outputs);  // traces and profile
    if (!status) status = committed;
  }
  fclose(file);
  return status;
}

static int run_batch(int argc, char **argv) {
  struct option options[OPTIONS_MOST];
  if (argc == 0 || argv[0][0] == '-')
    return fail(EXIT_BAD_INPUT, "batch needs a file: see duplex batch --help");
  struct outputs outputs = {0};
  int status = command_read(&batch_command, argc - 1, argv + 1, options);
  if (!status) status = run(options, argv[0], &outputs);
  outputs_discard(&outputs);
  return status;
}

const struct command batch_command = {
    "batch",
    "FILE.jsonl",
    "many jobs of a file, matrices resident",
    "One JSON object a line:\n"
    "  {\"command\": \"gemm\", \"x\": FILE, \"w\": FILE, \"out\": FILE, \"out_type\": \"f16|f32|acc\"}\n"
    "  {\"command\": \"expert\", \"x\": FILE, \"gate\": FILE, \"up\": FILE, \"down\": FILE, \"out\": FILE, "
    "\"act\": NAME, \"out_type\": ...}\n"
    "  {\"command\": \"attention\", \"q\": FILE, \"k\": FILE, \"v\": FILE, \"out\": FILE, \"lengths\": LIST "
    "or FILE, \"scale\": NUMBER, \"spread\": NUMBER, \"weights\": \"auto|p16|p32\"}\n"
    "All values are texts, with the meaning of the command's options; scale, spread and lengths may be "
    "numbers, "
    "too, and lengths a list of them. A first dimension of 2 is a pair of "
    "matrices or experts.\n"
    "Empty lines are skipped. Matrices stay on the stack between jobs that name the same files; if room runs "
    "out the one not used for longest leaves.\n"
    "A wrong line is reported with its number and the others still run; the exit status is that of the first "
    "failure. For each line that ran, one JSON object on standard output: line, command, cycles, uploaded "
    "(matrices brought to the stack). --stats belongs to single jobs.\n",
    NULL,
    true,
    run_batch};
