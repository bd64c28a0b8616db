// SPDX-License-Identifier: Apache-2.0
// Random jobs of tests/controller/random_job.h for tests in C++.
#ifndef DUPLEX_TEST_SYSTEMC_JOB_H
#define DUPLEX_TEST_SYSTEMC_JOB_H

#include "duplex/duplex.h"

#ifdef __cplusplus
extern "C" {
#endif

struct test_case;

struct test_case *job_draw(uint64_t seed, uint64_t number);
size_t job_result_bytes(const struct test_case *job);
// Runs it; `y` gets the bytes of the result, *cycles the clocks that the host saw. An error of the library.
int job_run(struct duplex_stack *stack, const struct test_case *job, void *y, uint64_t *cycles);
void job_print(const struct test_case *job);
void job_free(struct test_case *job);

#ifdef __cplusplus
}
#endif
#endif
