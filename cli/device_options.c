// SPDX-License-Identifier: Apache-2.0
// What the options say of a device.
#include "cli/device_options.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

// What a device decides itself, and files of which each stack would need its own.
static int check_stack_options(const struct option *options, uint64_t stacks) {
  static const char *const own[] = {"--bundles", "--stripe", "--xpu-traffic", NULL};
  static const char *const files[] = {
      "--trace", "--command-trace", "--firmware-trace", "--firmware-profile", "--gdb", NULL};
  for (unsigned i = 0; own[i]; i++)
    if (option_value(options, own[i]))
      return fail(EXIT_BAD_INPUT, "%s: expected none, a device hands its bundles over as it works", own[i]);
  for (unsigned i = 0; files[i] && stacks != 1; i++)
    if (option_value(options, files[i]))
      return fail(EXIT_BAD_INPUT, "%s is of one stack: expected --stacks 1 with it", files[i]);
  return EXIT_GOOD;
}

// The file of measured times can be read; what is wrong in it the library tells.
static int check_xpu_times(const struct option *options) {
  const char *path = option_value(options, "--xpu-times");
  const int file = path ? open(path, O_RDONLY | O_DIRECTORY) : -1;
  if (file >= 0) close(file);
  if (file >= 0) return fail(EXIT_BAD_INPUT, "--xpu-times %s: is a folder, expected a file", path);
  if (!path || access(path, R_OK) == 0) return EXIT_GOOD;
  return fail(EXIT_BAD_INPUT, "--xpu-times %s: %s", path, strerror(errno));
}

int read_device_options(const struct option *options, struct duplex_device_options *device) {
  static const char *const policies[] = {"best", "paper", "pim", "xpu", NULL};
  static const char *const partials[] = {"auto", "acc", "f32", "gathered", NULL};
  static const enum duplex_partials meant[] = {DUPLEX_PARTIALS_AUTO, DUPLEX_PARTIALS_ACC, DUPLEX_PARTIALS_F32,
                                               DUPLEX_PARTIALS_GATHERED};
  static const char *const numbers[] = {"auto", "1", "2", NULL};
  static const char *const decisions[] = {"auto", "always", NULL};
  unsigned policy, partial, copies, always_decide;
  uint64_t stacks;
  if (choice_option(options, "--policy", policies, &policy) ||
      choice_option(options, "--partials", partials, &partial) ||
      choice_option(options, "--copies", numbers, &copies) ||
      choice_option(options, "--decide", decisions, &always_decide) ||
      number_option(options, "--stacks", 1, DUPLEX_STACKS_MOST, DUPLEX_STACKS_DEFAULT, &stacks))
    return EXIT_BAD_INPUT;
  device->policy = (enum duplex_policy)policy;
  device->partials = meant[partial];
  device->stacks = (unsigned)stacks;
  device->copies = copies;
  device->always_decide = always_decide;
  device->xpu_times = option_value(options, "--xpu-times");
  if (copies == 2 && device->policy != DUPLEX_POLICY_BEST)
    return fail(EXIT_BAD_INPUT, "--copies 2: expected --policy best with it, the others have one");
  if (always_decide && device->policy != DUPLEX_POLICY_BEST)
    return fail(EXIT_BAD_INPUT, "--decide always: expected --policy best with it, the others have no choice");
  if (check_xpu_times(options)) return EXIT_BAD_INPUT;
  return check_stack_options(options, stacks);
}

int device_error(const struct duplex_device *device, const struct outputs *outputs, int error) {
  char text[512];
  snprintf(text, sizeof text, "%s", duplex_device_last_error(device));
  output_restore_name(outputs, text, sizeof text);
  return fail(exit_status_of(error), "%s", text);
}
