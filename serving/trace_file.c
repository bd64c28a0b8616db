// SPDX-License-Identifier: Apache-2.0
// Requests of a file: tables with commas and JSON lines, by names of their columns or keys.
#include "serving/trace_file.h"

#include <jansson.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "duplex/error.h"
#include "serving/table_text.h"

#define COLUMNS 16u
#define TOKENS_MOST 1048576.0
#define SECONDS_MOST 1e9

enum column { ARRIVAL, INPUT, OUTPUT, WANTED };

// unit: of an arrival, in seconds; 0: a date and a time of day.
struct format {
  bool json;
  const char *names[WANTED];
  double unit;
  bool has_failures;  // rows without output: requests that failed, which are passed over
};
const char *const serving_trace_formats[] = {"auto",  "csv",       "azure",         "mooncake", "burstgpt",
                                             "vidur", "splitwise", "llmservingsim", "vllm",     NULL};
static const struct format formats[] = {
    {0},
    {false, {"arrival_s", "input", "output"}, 1, false},
    {false, {"TIMESTAMP", "ContextTokens", "GeneratedTokens"}, 0, false},
    {true, {"timestamp", "input_length", "output_length"}, 1e-3, false},
    {false, {"Timestamp", "Request tokens", "Response tokens"}, 1, true},
    {false, {"arrived_at", "num_prefill_tokens", "num_decode_tokens"}, 1, false},
    {false, {"arrival_timestamp", "prompt_size", "token_size"}, 1, false},
    {true, {"arrival_time_ns", "input_toks", "output_toks"}, 1e-9, false},
    {true, {"queued_ts", "input_toks", "output_toks"}, 1, false}};
#define FORMATS (sizeof formats / sizeof *formats)

struct reader {
  struct table_text text;
  const struct format *format;
  unsigned columns[WANTED], cells;  // cells: of a row
  size_t room, hash_room;
  struct serving_trace *trace;
};

static int no_memory(const struct reader *r) {
  table_text_refuse(&r->text, "too little memory");
  return DUPLEX_ERROR_NO_MEMORY;
}

// Cuts a line at its commas; returns how many cells it has, of which at most COLUMNS are kept.
static unsigned cut_cells(char *line, char *cells[COLUMNS]) {
  unsigned count = 0;
  for (char *at = line; at; count++) {
    if (count < COLUMNS) cells[count] = at;
    at = strchr(at, ',');
    if (at) *at++ = 0;
  }
  return count;
}

// Each column of the format is there, and once.
static bool find_columns(struct reader *r, const struct format *format, char *const cells[], unsigned count) {
  r->cells = count;
  for (unsigned wanted = 0; wanted < WANTED; wanted++) {
    unsigned found = 0;
    for (unsigned at = 0; at < count && at < COLUMNS; at++) {
      if (strcmp(cells[at], format->names[wanted]) != 0) continue;
      r->columns[wanted] = at;
      found++;
    }
    if (found != 1) return false;
  }
  return true;
}

static bool has_keys(const struct format *format, const json_t *object) {
  for (unsigned wanted = 0; wanted < WANTED; wanted++)
    if (!json_object_get(object, format->names[wanted])) return false;
  return true;
}

// The format whose columns or keys the first line has, as `object` if it is one; NULL: none.
static const struct format *recognise(struct reader *r, unsigned wanted, const char *line,
                                      const json_t *object) {
  char copy[1024], *cells[COLUMNS];
  snprintf(copy, sizeof copy, "%s", line);
  const unsigned count = cut_cells(copy, cells);
  const struct format *found = NULL;
  for (unsigned i = wanted ? wanted : 1; i < (wanted ? wanted + 1 : FORMATS) && !found; i++)
    if (formats[i].json ? has_keys(&formats[i], object) : find_columns(r, &formats[i], cells, count))
      found = &formats[i];
  return found;
}

// Days before a year, by the Gregorian calendar.
static long days_before(long year) { return year * 365 + year / 4 - year / 100 + year / 400; }

static bool is_leap(int year) { return (year % 4 == 0 && year % 100) || year % 400 == 0; }

static int days_of(int year, int month) {
  static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  return days[month - 1] + (month == 2 && is_leap(year));
}

// Behind a date and a time of day: nothing, or an offset from UTC such as "+00:00", in seconds.
static bool read_offset(const char *text, double *seconds) {
  int hours, minutes, end = 0;
  *seconds = 0;
  if (!*text) return true;
  if ((*text != '+' && *text != '-') || sscanf(text + 1, "%2d:%2d%n", &hours, &minutes, &end) != 2 ||
      end != 5 || text[6] || hours < 0 || hours > 23 || minutes < 0 || minutes > 59)
    return false;
  *seconds = (*text == '-' ? -60.0 : 60.0) * (60 * hours + minutes);
  return true;
}

// "2023-11-16 18:17:03.97", or with an offset from UTC behind it, in seconds.
static bool read_date(const char *text, double *seconds) {
  int year, month, day, hour, minute, end = 0;
  double second, offset;
  const char *behind;
  if (sscanf(text, "%4d-%2d-%2d %2d:%2d:%n", &year, &month, &day, &hour, &minute, &end) != 5 || !end ||
      year < 1 || month < 1 || month > 12 || day < 1 || day > days_of(year, month) || hour < 0 || hour > 23 ||
      minute < 0 || minute > 59 || !table_text_prefix(text + end, &second, &behind) ||
      !(second >= 0 && second < 61) || !read_offset(behind, &offset))
    return false;
  long days = days_before(year - 1) + day;
  for (int m = 1; m < month; m++) days += days_of(year, m);
  *seconds = (double)days * 86400 + hour * 3600 + minute * 60 + second - offset;
  return true;
}

// Adds a request with its last `hashes` hashes; lengths are checked.
static int add(struct reader *r, const double values[WANTED], size_t hashes) {
  struct serving_trace *t = r->trace;
  if (r->format->has_failures && values[OUTPUT] == 0) {
    t->failures++;
    return DUPLEX_OK;
  }
  for (unsigned i = INPUT; i <= OUTPUT; i++)
    if (!(values[i] >= 1 && values[i] <= TOKENS_MOST) || values[i] != floor(values[i]))
      return table_text_refuse(&r->text, "%s is %g, expected a whole number from 1 to %.0f",
                               r->format->names[i], values[i], TOKENS_MOST);
  if (t->count == r->room) {
    const size_t room = r->room ? 2 * r->room : 1024;
    struct serving_trace_request *list = realloc(t->list, room * sizeof *list);
    if (!list) return no_memory(r);
    t->list = list;
    r->room = room;
  }
  t->list[t->count] = (struct serving_trace_request){values[ARRIVAL],          (unsigned)values[INPUT],
                                                     (unsigned)values[OUTPUT], t->hash_count - hashes,
                                                     (unsigned)hashes,         r->text.line};
  t->count++;
  return DUPLEX_OK;
}

// One line of a table: its cells by the columns that the first line names.
static int read_row(struct reader *r, char *line) {
  char *cells[COLUMNS];
  double values[WANTED];
  const unsigned count = cut_cells(line, cells);
  if (count != r->cells)
    return table_text_refuse(&r->text, "%u columns, expected %u as in the first line", count, r->cells);
  for (unsigned i = 0; i < WANTED; i++) {
    const bool date = i == ARRIVAL && r->format->unit == 0;
    const char *text = cells[r->columns[i]];
    if (!(date ? read_date(text, &values[i]) : table_text_real(text, &values[i])))
      return table_text_refuse(&r->text, "%s is '%.40s', expected %s", r->format->names[i], text,
                               date ? "a date and a time" : "a number");
  }
  if (r->format->unit > 0) values[ARRIVAL] *= r->format->unit;
  return add(r, values, 0);
}

static int add_hash(struct reader *r, json_int_t hash) {
  struct serving_trace *t = r->trace;
  if (t->hash_count == r->hash_room) {
    const size_t room = r->hash_room ? 2 * r->hash_room : 4096;
    uint64_t *hashes = realloc(t->hashes, room * sizeof *hashes);
    if (!hashes) return no_memory(r);
    t->hashes = hashes;
    r->hash_room = room;
  }
  t->hashes[t->hash_count++] = (uint64_t)hash;
  return DUPLEX_OK;
}

// The hashes of a prompt, if the object has them; *count of them.
static int read_hashes(struct reader *r, const json_t *object, size_t *count) {
  const json_t *hashes = json_object_get(object, "hash_ids");
  *count = json_array_size(hashes);
  if (hashes && !json_is_array(hashes))
    return table_text_refuse(&r->text, "hash_ids is no array, expected one of numbers");
  if (*count > TOKENS_MOST)
    return table_text_refuse(&r->text, "hash_ids has %zu numbers, expected at most %.0f", *count,
                             TOKENS_MOST);
  for (size_t i = 0; i < *count; i++) {
    const json_t *hash = json_array_get(hashes, i);
    if (!json_is_integer(hash))
      return table_text_refuse(&r->text, "hash_ids has no number at place %zu, expected one", i);
    const int error = add_hash(r, json_integer_value(hash));
    if (error) return error;
  }
  return DUPLEX_OK;
}

static int read_values(struct reader *r, const json_t *object) {
  double values[WANTED];
  size_t hashes;
  for (unsigned i = 0; i < WANTED; i++) {
    const json_t *value = json_object_get(object, r->format->names[i]);
    if (!json_is_number(value))
      return table_text_refuse(&r->text, "%s is no number, expected one", r->format->names[i]);
    values[i] = json_number_value(value);
  }
  values[ARRIVAL] *= r->format->unit;
  const int error = read_hashes(r, object, &hashes);
  return error ? error : add(r, values, hashes);
}

static int parse(const struct reader *r, const char *line, json_t **object) {
  json_error_t where;
  *object = json_loads(line, JSON_REJECT_DUPLICATES, &where);
  if (*object) return DUPLEX_OK;
  return table_text_refuse(&r->text, "%s, expected a JSON object", where.text);
}

static int read_object(struct reader *r, const char *line) {
  json_t *object;
  int error = parse(r, line, &object);
  if (!error) error = read_values(r, object);
  json_decref(object);
  return error;
}

// The first line has not what was wanted: the columns or keys of that format, or of any.
static int refuse_first(const struct reader *r, unsigned wanted) {
  const struct format *format = &formats[wanted];
  const char *const *names = format->names;
  if (!wanted)
    return table_text_refuse(&r->text,
                             "expected the columns or keys of a format once, such as arrival_s,input,output");
  return table_text_refuse(&r->text, "expected the %s %s, %s and %s of the format %s once",
                           format->json ? "keys" : "columns", names[ARRIVAL], names[INPUT], names[OUTPUT],
                           serving_trace_formats[wanted]);
}

// Of the first line. If it begins as an object, and may be one, what is wrong with it as JSON is told.
static int find_format(struct reader *r, unsigned wanted, const char *line) {
  const bool is_object = line[strspn(line, " \t")] == '{' && (!wanted || formats[wanted].json);
  json_t *object = NULL;
  const int error = is_object ? parse(r, line, &object) : DUPLEX_OK;
  if (!error) r->format = recognise(r, wanted, line, object);
  json_decref(object);
  return error || r->format ? error : refuse_first(r, wanted);
}

// Reads a line; the first one decides the format. The last one of a table may have no end, as files of Azure:
// it may be cut off, too, which is noted.
static int read_line(struct reader *r, bool whole, unsigned format) {
  char *line = r->text.text;
  if (r->text.line == 1) {
    const int error = find_format(r, format, line);
    if (error || !r->format->json) return error;
  }
  if (r->format->json) return read_object(r, line);
  r->trace->unended = !whole;
  return read_row(r, line);
}

// Reads all lines.
static int read_lines(struct reader *r, unsigned format) {
  bool found = true;
  bool whole = true;
  int error = DUPLEX_OK;
  while (!error && found) {
    error = table_text_line(&r->text, &found, &whole);
    if (!error && found) error = read_line(r, whole, format);
  }
  if (!error && r->trace->count == 0) error = table_text_refuse(&r->text, "expected requests");
  return error;
}

// Of those that arrive at once the one that stands first in the file.
static int by_arrival(const void *a, const void *b) {
  const struct serving_trace_request *left = a;
  const struct serving_trace_request *right = b;
  if (left->arrival != right->arrival) return left->arrival > right->arrival ? 1 : -1;
  return (left->line > right->line) - (left->line < right->line);
}

// From the first arrival on, and at the wanted rate.
static int settle(struct reader *r, double rate) {
  struct serving_trace *t = r->trace;
  qsort(t->list, t->count, sizeof *t->list, by_arrival);
  const double first = t->list[0].arrival;
  const double last = t->list[t->count - 1].arrival - first;
  if (last > SECONDS_MOST)
    return table_text_refuse(&r->text, "the requests last %g s, expected at most %g", last, SECONDS_MOST);
  const double stretch = rate > 0 ? (double)(t->count - 1) / rate / last : 1;
  if (!isfinite(stretch))
    return table_text_refuse(&r->text, "all requests arrive at once, expected times to stretch");
  for (size_t i = 0; i < t->count; i++) t->list[i].arrival = (t->list[i].arrival - first) * stretch;
  return DUPLEX_OK;
}

int serving_trace_read(struct serving_trace *trace, const char *path, unsigned format, double rate,
                       char *error, size_t size) {
  struct reader r = {.trace = trace};
  *trace = (struct serving_trace){.path = strdup(path)};
  int status = table_text_open(&r.text, path, "a file of requests", error, size);
  if (!status && !trace->path) status = no_memory(&r);
  if (!status) status = read_lines(&r, format);
  if (!status) status = settle(&r, rate);
  table_text_close(&r.text);
  if (status) serving_trace_free(trace);
  return status;
}

void serving_trace_free(struct serving_trace *trace) {
  free(trace->path);
  free(trace->list);
  free(trace->hashes);
  *trace = (struct serving_trace){0};
}
