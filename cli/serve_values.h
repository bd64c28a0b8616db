// SPDX-License-Identifier: Apache-2.0
// Values of options of duplex serve, each by itself: numbers, words and files, whatever the other options
// are.
#ifndef DUPLEX_CLI_SERVE_VALUES_H
#define DUPLEX_CLI_SERVE_VALUES_H

#include "cli/options.h"
#include "serving/serving.h"

// Words of --mode and --policy, in the order of their numbers.
extern const char *const serve_modes[], *const serve_policies[];

// What is no option of the simulation itself.
struct serve_values {
  unsigned format;  // of --trace, index in serving_trace_formats
  double rate;      // to which it is stretched; 0: as it is
  double share;     // of good requests, of --find-rate; 0: no search
};

// Fills what options say in numbers and words, and names of files. Returns 0 or an exit status.
int serve_values_read(const struct option *options, struct serving_options *serving,
                      struct serve_values *values);

// Refuses values that no run takes: those out of range, unknown words, files that are not there or are wrong
// whatever the other options are. Of options that have no value nothing is asked. Returns 0 or an exit
// status.
int serve_values_check(const struct option *options);

// The folder of --times is there, though no table of it may be wanted. Returns 0 or an exit status.
int serve_values_check_times(const char *folder);

#endif
