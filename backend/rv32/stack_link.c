// SPDX-License-Identifier: Apache-2.0
// The stack that the controller belongs to: its clocks, and its errors.
#include "backend/rv32/stack_link.h"

#include "backend/rv32/watch.h"

uint64_t stack_clocks(const struct platform *p) { return p->base.backend->ops->clocks(p->base.backend); }

void stack_note_error(struct platform *p, int error) {
  if (!error) return;
  if (!p->base.backend_error) p->base.backend_error = error;
  p->stop = true;
}

void stack_catch_up(struct platform *p) {
  if (p->owed < 1) return;
  const uint64_t whole = (uint64_t)p->owed;
  p->owed -= (double)whole;
  stack_note_error(p, p->base.backend->ops->advance(p->base.backend, whole, NULL));
}

void stack_wait_for_write(struct platform *p) {
  if (p->owed < 0) {
    if (p->watch) watch_clocks(p->watch, p->last_pc, -p->owed);
    p->owed = 0;
  }
  stack_catch_up(p);
}
