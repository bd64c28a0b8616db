// SPDX-License-Identifier: Apache-2.0
// Options of every command that runs on a device, beside those of its stacks.
#ifndef DUPLEX_CLI_DEVICE_OPTIONS_H
#define DUPLEX_CLI_DEVICE_OPTIONS_H

#include "cli/stack_options.h"
#include "duplex/device.h"

#define POLICY_OPTION                                                                                      \
  {                                                                                                        \
    "--policy", "best|paper|pim|xpu",                                                                      \
        "who runs which expert: each part where it costs least (default), the rules of the paper, or one " \
        "side alone",                                                                                      \
        0, 0                                                                                               \
  }
#define STACKS_OPTION \
  { "--stacks", "N", "stacks of the device, 1 to 8 (default 5)", 0, 0 }
#define PARTIALS_OPTION                                                                                      \
  {                                                                                                          \
    "--partials", "auto|acc|f32|gathered",                                                                   \
        "exact partial sums, rounded ones (bits depend on the placement then), h gathered over the stacks, " \
        "or the faster exact way by the tables of time (default)",                                           \
        0, 0                                                                                                 \
  }

#define COPIES_OPTION                                                                                      \
  {                                                                                                        \
    "--copies", "auto|1|2",                                                                                \
        "copies of each expert with policy best: 2 in a single phase, if they fit; or what the tables of " \
        "time "                                                                                            \
        "predict to be faster (default)",                                                                  \
        0, 0                                                                                               \
  }

#define DECIDE_OPTION                                                                        \
  {                                                                                          \
    "--decide", "auto|always",                                                               \
        "about layers with policy best: those that no side alone is predicted to do sooner " \
        "(default), or all",                                                                 \
        0, 0                                                                                 \
  }

#define XPU_TIMES_OPTION                                                                                \
  {                                                                                                     \
    "--xpu-times", "FILE.csv",                                                                          \
        "times of matrix products that were measured on hardware, in place of the xPU's roofline", 0, 0 \
  }

// Policy, stacks, partial sums, copies, decisions and measured times of the options, into the device's;
// options that a device decides itself, and files of which each stack would need its own, are refused.
// Returns 0 or an exit status.
int read_device_options(const struct option *options, struct duplex_device_options *device);

// Prints the last error of the device, with the outputs' names, and returns the exit status of the code.
int device_error(const struct duplex_device *device, const struct outputs *outputs, int error);

#endif
