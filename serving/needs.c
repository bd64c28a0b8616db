// SPDX-License-Identifier: Apache-2.0
// What a system and a model have to have for an option to change anything.
#include "serving/needs.h"

#include <stdio.h>
#include <string.h>

#include "serving/config_file.h"
#include "serving/origin.h"

struct subject {
  const struct serving_options *options;
  const struct serving_model *model;
  const struct machine *machine;
};

// Policy best, asked for or by itself.
static bool is_best(const struct subject *s) {
  const enum serving_policy policy = s->options->policy;
  return policy == SERVING_POLICY_BEST || (policy == SERVING_POLICY_DEFAULT && s->machine->co_processing);
}

// Whether the xPU runs kernels of a kind whose times are asked for: with other weights than of 16 bits its
// products have a roofline, sequences decode on the units beside it, and an xPU alone reduces nothing.
static bool runs_kernels(const struct subject *s, unsigned kind) {
  switch (kind) {
    case XPU_KERNEL_GEMM:
      return s->model->weight_bits == 16;
    case XPU_KERNEL_DECODE:
      return s->machine->beside == BESIDE_NONE;
    case XPU_KERNEL_ALL_REDUCE:
      return s->machine->xpus > 1;
    default:
      return true;
  }
}

// The first kind of which the folder has a table, or KERNEL_TABLES.
static unsigned first_kernels(const struct subject *s) {
  unsigned kind = 0;
  while (kind < KERNEL_TABLES && !kernels_is_there(s->options->kernels, kind)) kind++;
  return kind;
}

// A folder without any table is refused where it is read.
static bool has_kernels(const struct subject *s) {
  if (!s->options->kernels || first_kernels(s) == KERNEL_TABLES) return true;
  for (unsigned kind = 0; kind < KERNEL_TABLES; kind++)
    if (runs_kernels(s, kind) && kernels_is_there(s->options->kernels, kind)) return true;
  return false;
}

// Whether the system, the model or an option has what is needed.
static bool has(const struct subject *s, enum need need) {
  switch (need) {
    case NEED_FULL:
      return s->options->mode == SERVING_FULL;
    case NEED_EXPERTS:
      return s->model->experts > 0;
    case NEED_UNITS:
      return s->machine->beside != BESIDE_NONE;
    case NEED_LOGIC_PIM:
      return s->machine->beside == BESIDE_LOGIC_PIM;
    case NEED_16_BITS:
      return s->model->weight_bits == 16;
    case NEED_TWO_SIDES:
      return s->machine->layout != LAYOUT_HETERO;
    case NEED_SUMS:
      return s->options->policy != SERVING_POLICY_XPU;
    case NEED_KERNELS:
      return has_kernels(s);
    default:
      return is_best(s);
  }
}

#define KEYS(...) ((const char *const[]){__VA_ARGS__, NULL})

// "NAME", or "NAME:LINE" of what the need is about.
static void where(const struct subject *s, enum need need, char *place, size_t size) {
  const char *system = s->options->system;
  const char *model = s->options->model;
  if (need == NEED_EXPERTS)
    config_where("models", model, MODEL_EXPERTS, place, size);
  else if (need == NEED_16_BITS)
    config_where("models", model, KEYS("weight_bits", "quantization_config"), place, size);
  else
    config_where("systems", system, need == NEED_TWO_SIDES ? KEYS("layout") : KEYS("beside"), place, size);
}

// Why the xPU runs no kernels of this kind.
static void tell_cause(const struct subject *s, unsigned kind, char *cause, size_t size) {
  char place[1024];
  where(s, kind == XPU_KERNEL_GEMM ? NEED_16_BITS : NEED_UNITS, place, sizeof place);
  if (kind == XPU_KERNEL_ALL_REDUCE) origin_tell_devices(s->options, place, sizeof place);
  if (kind == XPU_KERNEL_GEMM)
    snprintf(cause, size, "%s has weights of %u bits", place, s->model->weight_bits);
  else if (kind == XPU_KERNEL_DECODE)
    snprintf(cause, size, "%s decodes beside the xPU", place);
  else
    snprintf(cause, size, "%s has no two xPUs in a node", place);
}

// Why the first table of the folder is not asked for, and which would be.
static void tell_kernels(const struct subject *s, char *why, size_t size) {
  const unsigned kind = first_kernels(s);
  char cause[1152];
  char expected[80] = "";
  tell_cause(s, kind, cause, sizeof cause);
  for (unsigned i = 0; i < KERNEL_TABLES; i++) {
    const size_t length = strlen(expected);
    if (runs_kernels(s, i))
      snprintf(expected + length, sizeof expected - length, "%s%s.csv", length ? ", " : "", kernels_names[i]);
  }
  snprintf(why, size, "%s/%s.csv is not asked for, since %s, expected one of %s in the folder",
           s->options->kernels, kernels_names[kind], cause, expected);
}

// What there is in place of the need, and what was expected.
static void tell(const struct subject *s, enum need need, char *why, size_t size) {
  static const char *const policies[] = {"default", "best", "paper", "pim", "xpu"};
  char place[512];
  where(s, need, place, sizeof place);
  switch (need) {
    case NEED_FULL:
      snprintf(why, size, "expected --mode full with it");
      break;
    case NEED_EXPERTS:
      snprintf(why, size, "%s has no experts, expected a model with some, such as mixtral", place);
      break;
    case NEED_UNITS:
      snprintf(why, size,
               "%s has no units beside the xPU, expected a system with logic_pim, bank_pim or bankgroup_pim, "
               "such as duplex-pe-et",
               place);
      break;
    case NEED_LOGIC_PIM:
      snprintf(why, size, "%s has no Logic-PIM, expected a system with it, such as duplex-pe-et", place);
      break;
    case NEED_16_BITS:
      snprintf(why, size, "%s has weights of %u bits, expected 16, as the tables of Logic-PIM's times have",
               place, s->model->weight_bits);
      break;
    case NEED_TWO_SIDES:
      snprintf(why, size, "%s has all experts on Logic-PIM, expected another layout than hetero", place);
      break;
    case NEED_SUMS:
      snprintf(why, size, "policy xpu has no partial sums, expected another policy");
      break;
    case NEED_KERNELS:
      tell_kernels(s, why, size);
      break;
    default:
      snprintf(why, size, "policy %s of %s has no use for two copies of each expert, expected policy best",
               policies[s->options->policy], s->options->system);
  }
}

enum need needs_lacking(const struct serving_options *options, const struct serving_model *model,
                        const struct machine *machine, unsigned needs, char *why, size_t size) {
  const struct subject s = {options, model, machine};
  for (unsigned need = NEED_FULL; need <= NEED_KERNELS; need *= 2)
    if (needs & need && !has(&s, (enum need)need)) {
      tell(&s, (enum need)need, why, size);
      return (enum need)need;
    }
  return 0;
}
