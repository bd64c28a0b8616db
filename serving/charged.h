// SPDX-License-Identifier: Apache-2.0
// Mode full: times of the xPU and of decode attention, and what a stage costs beside its products.
#ifndef SERVING_CHARGED_H
#define SERVING_CHARGED_H

#include "serving/stage.h"

// Seconds of a product on one device's xPU, by xpu/time.h; with weights of 8 or 4 bits, of which that knows
// nothing, the roofline.
double charged_product(const struct machine *machine, const struct serving_model *model, double tokens,
                       double columns, double rows);
// Of causal attention of so many tokens of a prompt behind others, of the heads of one device.
double charged_prefill(const struct machine *machine, const struct serving_model *model, unsigned before,
                       unsigned tokens);
// Of decode attention on the xPU, by a table of measured kernels; `formula` if there is none.
double charged_xpu_decode(const struct machine *machine, const struct serving_model *model,
                          const struct node_load *load, double formula);
// Of decode attention on the five stacks of a device, by the cycle model's clocks.
double charged_decode(const struct machine *machine, const struct serving_model *model,
                      const struct node_load *load);
// Adds what all layers of a node cost beside products, attention, links and experts: seconds, and the work of
// one device.
void charged_node(const struct machine *machine, const struct serving_model *model,
                  const struct node_load *load, double *charge, struct work *work);
// Seconds of these that its xPU works.
double charged_on_xpu(const double *charge);

#endif
