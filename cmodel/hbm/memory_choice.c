// SPDX-License-Identifier: Apache-2.0
// Choice of the commands of one tCK by the memory controller: turns of reads and writes, first ready first
// come, the limit of age, and refresh.
#include "cmodel/hbm/memory_channel.h"
#include "duplex/arithmetic.h"

// One look at a channel: what may happen now, and when the next thing may if this does not.
struct look {
  struct duplex_memory_controller *m;
  struct memory_channel *c;
  const struct duplex_dram_timing *t;
  uint64_t now, next;
  uint32_t urgent;  // banks whose requests wait for a refresh
};

// Whether a time has come; if not, the look has to be repeated then.
static bool has_come(struct look *look, uint64_t at) {
  if (at <= look->now) return true;
  if (at < look->next) look->next = at;
  return false;
}

static bool is_hit(const struct look *look, const struct memory_entry *entry) {
  const struct memory_bank *bank = &look->c->bank[entry->bank];
  return bank->open && bank->row == entry->row;
}

static bool is_urgent(const struct look *look, unsigned bank) { return look->urgent >> bank & 1; }

static bool has_ready(const struct memory_queue *queue) { return queue->count > queue->blocked; }

// --- commands ---

static void tell(struct look *look, enum duplex_judge_kind kind, unsigned bank, unsigned address) {
  const struct duplex_judge_command command = {.tck = look->now,
                                               .kind = kind,
                                               .bundle = bank / MEMORY_BUNDLE_BANKS,
                                               .mask = 1u << bank % MEMORY_BUNDLE_BANKS,
                                               .address = address,
                                               .xpu = true};
  if (look->m->calls.command) look->m->calls.command(look->m->calls.user, look->c->number, &command);
}

static void give_act(struct look *look, unsigned bank, uint16_t row) {
  memory_note_act(look->c, look->t, look->now, bank, row);
  look->m->statistics.activations++;
  tell(look, DUPLEX_JUDGE_ACT, bank, row);
}

static void give_pre(struct look *look, unsigned bank) {
  memory_note_pre(look->c, look->t, look->now, bank);
  look->m->statistics.precharges++;
  tell(look, DUPLEX_JUDGE_PRE, bank, 0);
}

static void give_ref(struct look *look, unsigned bank) {
  memory_note_ref(look->c, look->t, look->now, bank);
  look->c->urgent_at = memory_first_urgent(&look->m->parameters, look->c);
  look->m->statistics.refreshes++;
  tell(look, DUPLEX_JUDGE_REF, bank, 0);
}

// A request is done with: its column command goes out, and it leaves its queue.
static void give_column(struct look *look, bool write, unsigned index) {
  const struct memory_entry entry = look->c->queue[write].entry[index];
  const uint64_t done = look->now + (write ? look->t->nCWL : look->t->nCL) + look->t->nBL;
  struct duplex_memory_statistics *s = &look->m->statistics;
  memory_note_column(look->c, look->t, look->now, entry.bank, write);
  memory_leave(look->c, write, index);
  if (write == look->c->writes && look->c->turn_left) look->c->turn_left--;
  *(write ? &s->writes : &s->reads) += 1;
  s->latency_total += done - entry.submitted;
  s->latency_most = duplex_larger_u64(s->latency_most, done - entry.submitted);
  tell(look, write ? DUPLEX_JUDGE_WR : DUPLEX_JUDGE_RD, entry.bank, entry.column);
  if (look->m->calls.completion)
    look->m->calls.completion(look->m->calls.user, &entry.request, look->now, done);
}

// --- turns ---

// Whether writes should have the next turn: no read can go, many writes wait or one is half as old as the
// limit, or a read waits for one.
static bool writes_want(struct look *look) {
  const struct memory_queue *reads = &look->c->queue[0];
  const struct memory_queue *writes = &look->c->queue[1];
  if (!has_ready(writes)) return false;
  if (!has_ready(reads) || reads->blocked || writes->count >= look->m->parameters.write_high) return true;
  return has_come(look, writes->entry[0].submitted + look->m->parameters.age_limit / 2);
}

// A turn may serve the reads that waited when it began, or the writes above the low mark; after that it goes
// on until the others want theirs. So neither side starves the other.
static void take_turns(struct look *look) {
  struct memory_channel *c = look->c;
  if (c->turn_left && has_ready(&c->queue[c->writes])) return;
  if (c->writes ? !has_ready(&c->queue[0]) : !writes_want(look)) return;
  const unsigned left_over = c->writes ? 0 : look->m->parameters.write_low;
  c->writes = !c->writes;
  const unsigned waiting = c->queue[c->writes].count;
  c->turn_left = waiting > left_over ? waiting - left_over : waiting;
  look->m->statistics.turns += c->writes;
}

// The request that is past the limit of age, and served alone; NULL: none is.
static const struct memory_entry *over_age(struct look *look) {
  const struct memory_entry *oldest = memory_oldest(look->c);
  if (oldest == NULL || !has_come(look, oldest->submitted + look->m->parameters.age_limit)) return NULL;
  return oldest;
}

// --- column commands ---

// The oldest request of the queue that can go now goes.
static bool give_first_ready(struct look *look, bool write) {
  const struct memory_queue *queue = &look->c->queue[write];
  for (unsigned i = 0; i < queue->count; i++) {
    const struct memory_entry *entry = &queue->entry[i];
    if (entry->blocked || is_urgent(look, entry->bank) || !is_hit(look, entry)) continue;
    if (!has_come(look, memory_column_at(look->c, look->t, entry->bank, write))) continue;
    give_column(look, write, i);
    return true;
  }
  return false;
}

// The request that is served alone is the first one of its queue.
static bool give_column_alone(struct look *look, const struct memory_entry *alone) {
  const bool write = alone->request.write;
  if (is_urgent(look, alone->bank) || !is_hit(look, alone)) return false;
  if (!has_come(look, memory_column_at(look->c, look->t, alone->bank, write))) return false;
  look->m->statistics.limited++;
  give_column(look, write, 0);
  return true;
}

// --- row commands ---

// One step towards a refresh of a bank.
static bool give_refresh(struct look *look, unsigned bank) {
  if (look->c->bank[bank].open) {
    if (!has_come(look, memory_pre_at(look->c, bank))) return false;
    give_pre(look, bank);
    return true;
  }
  if (!has_come(look, memory_ref_at(look->c, bank))) return false;
  give_ref(look, bank);
  return true;
}

// One step towards the row of a request, which is not open.
static bool give_row(struct look *look, const struct memory_entry *entry) {
  if (look->c->bank[entry->bank].open) {
    if (!has_come(look, memory_pre_at(look->c, entry->bank))) return false;
    give_pre(look, entry->bank);
    return true;
  }
  if (!has_come(look, memory_act_at(look->c, entry->bank))) return false;
  give_act(look, entry->bank, entry->row);
  return true;
}

// Banks for which requests of a queue wait, and those whose open row some of these hit.
static uint32_t wanted_banks(const struct look *look, const struct memory_queue *queue, uint32_t *hits) {
  uint32_t wanted = 0;
  *hits = 0;
  for (unsigned i = 0; i < queue->count; i++) {
    const struct memory_entry *entry = &queue->entry[i];
    if (entry->blocked) continue;
    wanted |= 1u << entry->bank;
    if (is_hit(look, entry)) *hits |= 1u << entry->bank;
  }
  return wanted;
}

// A step towards the row of the oldest request of some bank; an open row stays as long as requests of this
// queue hit it. `taken`: banks that others want; those of this queue are added.
static bool give_row_of(struct look *look, const struct memory_queue *queue, uint32_t *taken) {
  uint32_t hits;
  const uint32_t wanted = wanted_banks(look, queue, &hits);
  uint32_t rest = wanted & ~(hits | look->urgent | *taken);
  *taken |= wanted;
  for (unsigned i = 0; rest; i++) {
    const struct memory_entry *entry = &queue->entry[i];
    if (entry->blocked || !(rest >> entry->bank & 1)) continue;
    rest &= ~(1u << entry->bank);
    if (give_row(look, entry)) return true;
  }
  return false;
}

static bool give_urgent_refresh(struct look *look) {
  for (uint32_t rest = look->urgent; rest; rest &= rest - 1)
    if (give_refresh(look, (unsigned)__builtin_ctz(rest))) return true;
  return false;
}

// Banks that nobody waits for pay what they owe.
static bool give_idle_refresh(struct look *look) {
  for (uint32_t rest = ~(look->c->busy | look->urgent); rest; rest &= rest - 1) {
    const unsigned bank = (unsigned)__builtin_ctz(rest);
    if (has_come(look, memory_refresh_due(&look->m->parameters, look->c, bank)) && give_refresh(look, bank))
      return true;
  }
  return false;
}

// Looks at the banks only when the first of them is urgent, which changes with a refresh.
static uint32_t urgent_banks(struct look *look) {
  uint32_t banks = 0;
  if (!has_come(look, look->c->urgent_at)) return 0;
  for (unsigned bank = 0; bank < MEMORY_BANKS; bank++)
    if (has_come(look, memory_refresh_urgent(&look->m->parameters, look->c, bank))) banks |= 1u << bank;
  return banks;
}

// The commands while one request is served alone: for it, and refreshes that must be.
static bool decide_alone(struct look *look, const struct memory_entry *alone) {
  if (give_column_alone(look, alone)) return true;
  if (give_urgent_refresh(look)) return true;
  return !is_urgent(look, alone->bank) && !is_hit(look, alone) && give_row(look, alone);
}

// The commands of a turn: a column of its queue; rows of its queue first, then those of the other one, so
// that these are open when the turn changes.
static bool decide_turn(struct look *look) {
  uint32_t taken = 0;
  take_turns(look);
  const bool column = give_first_ready(look, look->c->writes);
  const bool row = give_urgent_refresh(look) || give_row_of(look, &look->c->queue[look->c->writes], &taken) ||
                   give_row_of(look, &look->c->queue[!look->c->writes], &taken) || give_idle_refresh(look);
  return column || row;
}

void memory_decide(struct duplex_memory_controller *m, struct memory_channel *c, uint64_t now) {
  struct look look = {.m = m, .c = c, .t = &m->parameters.timing, .now = now, .next = MEMORY_NEVER};
  look.urgent = urgent_banks(&look);
  const struct memory_entry *alone = over_age(&look);
  const bool given = alone ? decide_alone(&look, alone) : decide_turn(&look);
  c->next = given ? now + 1 : look.next;
}
