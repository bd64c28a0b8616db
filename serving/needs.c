// SPDX-License-Identifier: Apache-2.0
// What a system and a model have to have for an option to change anything.
#include "serving/needs.h"

#include <stdio.h>

#include "serving/config_file.h"

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
    default:
      snprintf(why, size, "policy %s of %s has no use for two copies of each expert, expected policy best",
               policies[s->options->policy], s->options->system);
  }
}

enum need needs_lacking(const struct serving_options *options, const struct serving_model *model,
                        const struct machine *machine, unsigned needs, char *why, size_t size) {
  const struct subject s = {options, model, machine};
  for (unsigned need = NEED_FULL; need <= NEED_BEST; need *= 2)
    if (needs & need && !has(&s, (enum need)need)) {
      tell(&s, (enum need)need, why, size);
      return (enum need)need;
    }
  return 0;
}
