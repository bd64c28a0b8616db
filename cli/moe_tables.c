// SPDX-License-Identifier: Apache-2.0
// The file of --tables: there already, or an output.
#include "cli/moe_tables.h"

#include <sys/stat.h>

#include "cli/messages.h"
#include "cli/stack_options.h"

int check_table(const struct option *options, enum duplex_partials partials) {
  const char *path = option_value(options, "--tables");
  if (!path || partials != DUPLEX_PARTIALS_GATHERED) return EXIT_GOOD;
  return fail(EXIT_BAD_INPUT,
              "--tables %s: expected other --partials with it, the tables of h gathered are in no file",
              path);
}

int add_table(const struct option *options, struct outputs *outputs, struct table_file *table) {
  struct stat there;
  table->path = option_value(options, "--tables");
  // What is a folder is refused as an output.
  table->made = table->path && (stat(table->path, &there) != 0 || S_ISDIR(there.st_mode));
  return table->made ? output_add(outputs, "--tables", table->path, OUTPUT_TEXT) : EXIT_GOOD;
}

int read_table(const struct table_file *table, struct duplex_device *device,
               const struct duplex_moe_form *form) {
  if (!table->path || table->made) return EXIT_GOOD;
  if (duplex_device_load_table(device, form, table->path) == 0) return EXIT_GOOD;
  return fail(EXIT_BAD_INPUT, "--tables %s", duplex_device_last_error(device));
}

int write_table(const struct table_file *table, const struct outputs *outputs, struct duplex_device *device,
                const struct duplex_moe_form *form) {
  if (!table->made) return EXIT_GOOD;
  const int error = duplex_device_save_table(device, form, output_name(outputs, table->path));
  if (!error) return EXIT_GOOD;
  char text[512];
  snprintf(text, sizeof text, "%s", duplex_device_last_error(device));
  output_restore_name(outputs, text, sizeof text);
  return fail(exit_status_of(error), "--tables %s", text);
}
