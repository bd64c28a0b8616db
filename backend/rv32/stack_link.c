// SPDX-License-Identifier: Apache-2.0
// The stack that the controller belongs to: its clocks, and its errors.
#include "backend/rv32/stack_link.h"

uint64_t stack_clocks(const struct platform *p) { return p->base.backend->ops->clocks(p->base.backend); }

void stack_note_error(struct platform *p, int error) {
  if (!error) return;
  if (!p->base.backend_error) p->base.backend_error = error;
  p->stop = true;
}

void stack_catch_up(struct platform *p) {
  const uint64_t whole = (uint64_t)p->owed;
  if (!whole) return;
  p->owed -= (double)whole;
  stack_note_error(p, p->base.backend->ops->advance(p->base.backend, whole, NULL));
}
