// SPDX-License-Identifier: Apache-2.0
// Random jobs of tests/controller/random_job.h for tests in C++.
#include "tests/systemc/job.h"

#include "tests/controller/random_job.h"

struct test_case *job_draw(uint64_t seed, uint64_t number) {
  struct test_case *job = malloc(sizeof *job);
  if (!job) exit(1);
  *job = draw(seed, number);
  return job;
}

size_t job_result_bytes(const struct test_case *job) { return result_bytes(job); }

int job_run(struct duplex_stack *stack, const struct test_case *job, void *y, uint64_t *cycles) {
  const int error = run(stack, job, y);
  *cycles = cycles_of(stack);
  return error;
}

void job_print(const struct test_case *job) { print_case(job); }

void job_free(struct test_case *job) {
  free_case(job);
  free(job);
}
