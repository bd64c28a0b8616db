// SPDX-License-Identifier: Apache-2.0
// How the times of measured kernels came about.
#include "cli/serve_kernels.h"

#include <stdio.h>

json_t *serve_kernels_json(const struct serving_result *r) {
  json_t *all = json_object();
  json_t *tables = json_object();
  for (unsigned i = 0; i < KERNEL_TABLES; i++) {
    const struct kernels_asked *k = &r->kernels[i];
    if (k->all)
      json_object_set_new(tables, kernels_names[i],
                          json_pack("{s:I, s:I, s:I}", "asked", (json_int_t)k->all, "other_shape",
                                    (json_int_t)k->other_shape, "beyond", (json_int_t)k->beyond));
  }
  if (json_object_size(tables)) json_object_set(all, "measured_kernels", tables);
  json_decref(tables);
  return all;
}

void serve_kernels_print(const struct serving_result *r) {
  for (unsigned i = 0; i < KERNEL_TABLES; i++) {
    const struct kernels_asked *k = &r->kernels[i];
    if (!k->all) continue;
    printf(
        "  %s.csv: of %.0f times %.1f%% from another shape, %.1f%% from below or beyond the measured "
        "lengths\n",
        kernels_names[i], (double)k->all, 100.0 * (double)k->other_shape / (double)k->all,
        100.0 * (double)k->beyond / (double)k->all);
  }
}
