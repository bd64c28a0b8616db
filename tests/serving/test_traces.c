// SPDX-License-Identifier: Apache-2.0
// Files of requests: every format, wrong ones with their line, and a run in which all of them come to their
// end.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// clang-format off: after what it needs
#include <cmocka.h>
// clang-format on

#include "duplex/error.h"
#include "serving/serving.h"
#include "tests/serving/files.h"

static char path[] = P_tmpdir "/duplex_trace_XXXXXX";

static unsigned format_of(const char *name) {
  for (unsigned i = 0; serving_trace_formats[i]; i++)
    if (strcmp(serving_trace_formats[i], name) == 0) return i;
  fail_msg("no format %s", name);
  return 0;
}

// Two requests, 2.5 s apart, (100, 10) and (200, 20), in each format.
static const struct {
  const char *name, *text;
} formats[] = {
    {"csv", "arrival_s,input,output\n1,100,10\n3.5,200,20\n"},
    {"azure",
     "TIMESTAMP,ContextTokens,GeneratedTokens\r\n2023-12-31 23:59:59.0000000,100,10\r\n"
     "2024-01-01 00:00:01.5000000,200,20\r\n"},
    {"azure",
     "TIMESTAMP,ContextTokens,GeneratedTokens\n2024-02-28 23:59:59.000000+00:00,100,10\n"
     "2024-02-29 01:00:01.500000+01:00,200,20\n"},
    {"azure",
     "TIMESTAMP,ContextTokens,GeneratedTokens\n2024-02-29 23:59:59,100,10\n2024-03-01 00:00:01.5,200,20\n"},
    {"mooncake",
     "{\"timestamp\": 1000, \"input_length\": 100, \"output_length\": 10, \"hash_ids\": [1]}\n"
     "{\"timestamp\": 3500, \"input_length\": 200, \"output_length\": 20, \"hash_ids\": [1]}\n"},
    {"burstgpt",
     "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n5,ChatGPT,100,10,110,log\n"
     "7.5,GPT-4,200,20,220,log\n"},
    {"vidur", "arrived_at,num_prefill_tokens,num_decode_tokens\n0,100,10\n2.5,200,20\n"},
    {"splitwise",
     "request_id,request_type,application_id,arrival_timestamp,batch_size,prompt_size,token_size\n"
     "0,2,0,0.5,1,100,10\n1,2,0,3.0,1,200,20\n"},
    {"vllm",
     "{\"request_id\": \"a\", \"input_toks\": 100, \"output_toks\": 10, \"queued_ts\": 481800.25}\n"
     "{\"request_id\": \"b\", \"input_toks\": 200, \"output_toks\": 20, \"queued_ts\": 481802.75}\n"},
    {"llmservingsim",
     "{\"input_toks\": 200, \"output_toks\": 20, \"arrival_time_ns\": 4000000000}\n"
     "{\"input_toks\": 100, \"output_toks\": 10, \"arrival_time_ns\": 1500000000}\n"},
};

static void check_two(const struct serving_trace *t, double apart) {
  assert_int_equal(t->count, 2);
  assert_true(t->list[0].arrival == 0 && t->list[0].input == 100 && t->list[0].output == 10);
  assert_true(t->list[1].arrival > apart - 1e-6 && t->list[1].arrival < apart + 1e-6);
  assert_true(t->list[1].input == 200 && t->list[1].output == 20);
}

static void test_formats(void **state) {
  char error[600] = "";
  struct serving_trace t;
  (void)state;
  for (unsigned i = 0; i < sizeof formats / sizeof *formats; i++) {
    write_text(path, formats[i].text);
    if (serving_trace_read(&t, path, 0, 0, error, sizeof error)) fail_msg("%s: %s", formats[i].name, error);
    check_two(&t, 2.5);
    serving_trace_free(&t);
    assert_int_equal(serving_trace_read(&t, path, format_of(formats[i].name), 4, error, sizeof error), 0);
    check_two(&t, 0.25);
    serving_trace_free(&t);
    const unsigned other = i ? 1 : 2;
    assert_int_equal(serving_trace_read(&t, path, other, 0, error, sizeof error), DUPLEX_ERROR_FORMAT);
  }
}

static const struct {
  const char *text, *line, *word;
} wrong[] = {
    {"", ":1:", "requests"},
    {"arrival_s,input,output\n", ":1:", "expected requests"},
    {"when,input,output\n1,2,3\n", ":1:", "columns"},
    {"arrival_s,input,output\n1,2,3\n2,0,3\n", ":3:", "input is 0"},
    {"arrival_s,input,output\n1,2,3\n2,2,-3\n", ":3:", "output is -3"},
    {"arrival_s,input,output\n1,2,3.5\n", ":2:", "whole number"},
    {"arrival_s,input,output\nnan,2,3\n", ":2:", "arrival_s is 'nan'"},
    {"arrival_s,input,output\n1,2\n", ":2:", "2 columns, expected 3"},
    {"arrival_s,input,output\n1,2,\n", ":2:", "output is ''"},
    {"arrival_s,input,output\n1,2,3,4\n", ":2:", "4 columns, expected 3"},
    {"arrival_s,input,output\n1,2,30\n2,2", ":3:", "expected 3 as"},
    {"arrival_s,input,output\n1,0x10,3\n", ":2:", "'0x10'"},
    {"arrival_s,input,output\n1,2,+0X3\n", ":2:", "'+0X3'"},
    {"arrival_s,input,input,output\n1,2,2,3\n", ":1:", "once"},
    {"TIMESTAMP,ContextTokens,GeneratedTokens\n2023-02-31 00:00:00,1,1\n", ":2:", "date"},
    {"TIMESTAMP,ContextTokens,GeneratedTokens\n2023-02-29 00:00:00,1,1\n", ":2:", "date"},
    {"TIMESTAMP,ContextTokens,GeneratedTokens\n2023-04-31 00:00:00,1,1\n", ":2:", "date"},
    {"TIMESTAMP,ContextTokens,GeneratedTokens\n2023-04-30 00:00:0x1,1,1\n", ":2:", "date"},
    {"TIMESTAMP,ContextTokens,GeneratedTokens\n2023-04-30 00:00:00+1,1,1\n", ":2:", "date"},
    {"TIMESTAMP,ContextTokens,GeneratedTokens\n2023-04-30 00:00:00+00:60,1,1\n", ":2:", "date"},
    {"Timestamp,Request tokens,Response tokens\n5,100,-1\n", ":2:", "Response tokens is -1"},
    {"Timestamp,Request tokens,Response tokens\n5,100,0\n", ":2:", "expected requests"},
    {"arrival_s,input,output\n1,2,3x\n", ":2:", "'3x'"},
    {"arrival_s,input,output\n0,2,3\n1e300,2,3\n", ":3:", "at most"},
    {"TIMESTAMP,ContextTokens,GeneratedTokens\n2023-13-01 00:00:00,1,1\n", ":2:", "date"},
    {"{\"timestamp\": 0, \"input_length\": 4, \"output_length\": 4}\n{\n", ":2:", "JSON"},
    {"{\"timestamp\": 0, \"input_length\": 4, \"output_length\": 4}\n{\"timestamp\": 1}\n",
     ":2:", "input_length"},
    {"{\"timestamp\": 0, \"input_length\": 4, \"output_length\": 4, \"hash_ids\": 3}\n", ":1:", "no array"},
    {"{\"timestamp\": 0, \"input_length\": 4, \"output_length\": 4, \"hash_ids\": [3, \"a\"]}\n",
     ":1:", "no number at place 1"},
    {"{\"timestamp\": 0, \"input_length\": 10,\n",
     ":1:", "expected near end of file, expected a JSON object"},
    {"{\"timestamp\": 0, \"input_length\": 4, \"output_length\": 4} {\"timestamp\": 1}\n",
     ":1:", "end of file expected near '{'"},
    {"{\"timestamp\": 1e999, \"input_length\": 4, \"output_length\": 4}\n", ":1:", "real number overflow"},
    {"{\"timestamp\": 99999999999999999999, \"input_length\": 4, \"output_length\": 4}\n",
     ":1:", "too big integer"},
    {" {\"timestamp\": NaN, \"input_length\": 4, \"output_length\": 4}\n", ":1:", "invalid token near 'NaN'"},
    {"{\"timestamp\": 0, \"timestamp\": 0, \"input_length\": 4, \"output_length\": 4}\n",
     ":1:", "duplicate object key"},
    {"{\"timestamp\": 0, \"input_length\": 4}\n", ":1:", "keys of a format once"},
    {"[{\"timestamp\": 0, \"input_length\": 4, \"output_length\": 4}]\n", ":1:", "keys of a format once"},
};

// With a wanted format a line of the other kind is told what that has, and a damaged object what is wrong.
static const struct {
  const char *format, *text, *word;
} wrong_formats[] = {
    {"vllm", "arrival_s,input,output\n1,2,3\n", "expected the keys queued_ts, input_toks and output_toks"},
    {"vllm", "{\"queued_ts\": 0}\n", "expected the keys queued_ts, input_toks and output_toks"},
    {"vllm", "{\"queued_ts\": \n", "expected a JSON object"},
    {"csv", "{\"timestamp\": \n", "expected the columns arrival_s, input and output"},
};

static void test_wrong_format(void **state) {
  char error[600];
  struct serving_trace t;
  (void)state;
  for (unsigned i = 0; i < sizeof wrong_formats / sizeof *wrong_formats; i++) {
    write_text(path, wrong_formats[i].text);
    const unsigned format = format_of(wrong_formats[i].format);
    assert_int_equal(serving_trace_read(&t, path, format, 0, error, sizeof error), DUPLEX_ERROR_FORMAT);
    check_message(error, path, ":1:", wrong_formats[i].word);
  }
}

// Requests of BurstGPT that failed have no output: they are counted, and the others are read.
static void test_failures(void **state) {
  char error[600] = "";
  struct serving_trace t;
  (void)state;
  write_text(path,
             "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n1,ChatGPT,7,0,7,log\n"
             "5,ChatGPT,100,10,110,log\n6,ChatGPT,30,0,30,log\n7.5,GPT-4,200,20,220,log\n");
  assert_int_equal(serving_trace_read(&t, path, 0, 0, error, sizeof error), 0);
  check_two(&t, 2.5);
  assert_int_equal(t.failures, 2);
  serving_trace_free(&t);
}

// The last line of a published trace may have no end. It is read, and noted, as a file that was cut off looks
// alike.
static void test_unended(void **state) {
  char error[600] = "";
  struct serving_trace t;
  (void)state;
  for (unsigned ended = 0; ended < 2; ended++) {
    write_text(path, ended ? "arrival_s,input,output\n1,100,10\n3.5,200,20\n"
                           : "arrival_s,input,output\n1,100,10\n3.5,200,20");
    assert_int_equal(serving_trace_read(&t, path, 0, 0, error, sizeof error), 0);
    check_two(&t, 2.5);
    assert_true(t.unended == !ended);
    serving_trace_free(&t);
  }
}

// Requests that arrive at once stay as they stand in the file.
static void test_same_arrival(void **state) {
  char error[600] = "";
  struct serving_trace t;
  (void)state;
  FILE *file = fopen(path, "w");
  assert_non_null(file);
  fprintf(file, "arrival_s,input,output\n");
  for (unsigned i = 0; i < 1000; i++) fprintf(file, "%u,%u,1\n", i % 3, i + 1);
  assert_int_equal(fclose(file), 0);
  assert_int_equal(serving_trace_read(&t, path, 0, 0, error, sizeof error), 0);
  for (size_t i = 1; i < t.count; i++)
    assert_true(t.list[i].arrival > t.list[i - 1].arrival || t.list[i].input == t.list[i - 1].input + 3);
  serving_trace_free(&t);
}

// Hashes of prompts, in whatever order the lines are.
static void test_hashes(void **state) {
  char error[600] = "";
  struct serving_trace t;
  (void)state;
  write_text(path,
             "{\"timestamp\": 9, \"input_length\": 4, \"output_length\": 4, \"hash_ids\": [3, 18446, 5]}\n"
             "{\"timestamp\": 4, \"input_length\": 5, \"output_length\": 4, \"hash_ids\": []}\n"
             "{\"timestamp\": 2, \"input_length\": 6, \"output_length\": 4, \"hash_ids\": [7]}\n");
  assert_int_equal(serving_trace_read(&t, path, 0, 0, error, sizeof error), 0);
  assert_int_equal(t.hash_count, 4);
  assert_true(t.list[0].hash_count == 1 && t.hashes[t.list[0].hash] == 7 && t.list[1].hash_count == 0);
  assert_true(t.list[2].hash_count == 3 && t.hashes[t.list[2].hash + 1] == 18446);
  serving_trace_free(&t);
}

static void test_wrong(void **state) {
  char error[600];
  struct serving_trace t;
  (void)state;
  for (unsigned i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    write_text(path, wrong[i].text);
    if (serving_trace_read(&t, path, 0, 0, error, sizeof error) != DUPLEX_ERROR_FORMAT)
      fail_msg("taken: %s", wrong[i].text);
    check_message(error, path, wrong[i].line, wrong[i].word);
  }
  assert_int_equal(serving_trace_read(&t, "/nowhere/t.csv", 0, 0, error, sizeof error), DUPLEX_ERROR_IO);
}

static int read_trace(uint64_t number, char *error, size_t size) {
  struct serving_trace t;
  (void)number;
  const int status = serving_trace_read(&t, path, 0, 0, error, size);
  for (size_t r = 0; r < t.count; r++) assert_true(t.list[r].arrival >= 0 && t.list[r].input >= 1);
  serving_trace_free(&t);
  return status;
}

static void test_mutations(void **state) {
  const char *texts[sizeof formats / sizeof *formats];
  (void)state;
  for (unsigned i = 0; i < sizeof texts / sizeof *texts; i++) texts[i] = formats[i].text;
  check_mutations(path, texts, sizeof texts / sizeof *texts, 2000, 1, read_trace);
}

// Alone in the system, a request waits for its own prompt only; limits count the good ones.
static void test_run(void **state) {
  static struct serving_trace_request list[] = {
      {0, 100, 10, 0, 0, 0}, {100, 200, 20, 0, 0, 1}, {200, 400, 5, 0, 0, 2}};
  const struct serving_trace trace = {.list = list, .count = 3};
  struct serving_options o = {
      .system = "gpu", .model = "mixtral", .mode = SERVING_PAPER, .trace = &trace, .batch = 8, .measured = 3};
  struct serving_result r;
  char error[600] = "";
  (void)state;
  assert_int_equal(serving_run(&o, &r, error, sizeof error), 0);
  assert_true(r.requests == 3 && r.good == 3 && r.tokens == 35);
  assert_int_equal(r.t2ft.count, 3);
  assert_int_equal(r.stages, 35);
  assert_int_equal(r.all_stages, 35);
  assert_true(r.seconds > 200 && r.seconds < 201);
  o.limit_first = r.t2ft.p50;
  assert_int_equal(serving_run(&o, &r, error, sizeof error), 0);
  assert_true(r.good == 2);
  o.limit_token = 1e-6;
  assert_int_equal(serving_run(&o, &r, error, sizeof error), 0);
  assert_true(r.good == 0);
}

// The request that the memory has no room for is named by its line, wherever it comes in the order of arrival
// and whatever is passed over.
static void test_no_room(void **state) {
  struct serving_trace trace;
  struct serving_options o = {
      .system = "gpu", .model = "mixtral", .mode = SERVING_PAPER, .trace = &trace, .batch = 8, .measured = 3};
  struct serving_result r;
  char error[1024] = "";
  (void)state;
  write_text(path,
             "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n9,a,1000000,9,0,l\n"
             "5,a,100,0,0,l\n7,a,1000000,1000000,0,l\n6,a,100,10,0,l\n");
  assert_int_equal(serving_trace_read(&trace, path, format_of("burstgpt"), 0, error, sizeof error), 0);
  assert_int_equal(serving_run(&o, &r, error, sizeof error), DUPLEX_ERROR_OUT_OF_SPACE);
  check_message(error, path, ":4: a request of 2000000 tokens takes 262.1 GB", "the 250.2 GB that are left");
  serving_trace_free(&trace);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_formats),     cmocka_unit_test(test_wrong),        cmocka_unit_test(test_hashes),
      cmocka_unit_test(test_failures),    cmocka_unit_test(test_same_arrival), cmocka_unit_test(test_unended),
      cmocka_unit_test(test_mutations),   cmocka_unit_test(test_run),          cmocka_unit_test(test_no_room),
      cmocka_unit_test(test_wrong_format)};
  if (!make_file(path)) return 1;
  const int failed = cmocka_run_group_tests(tests, NULL, NULL);
  remove(path);
  return failed;
}
