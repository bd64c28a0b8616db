// From sums to the DRAM or the result bus: rtl/channel/drain.v, write_path.v and bus_port.v, clock by clock.
#include "cmodel/channel/channel_timing.h"

enum { F16 = 0, ACC = 2, ROUND_LATENCY = 3 };

static bool full_word(const struct drain_timing *d, unsigned format) {
  return format == F16 ? d->held == 3 : (d->held & 1) != 0;
}

// A rounded row that stands at the end of its pipeline.
static struct drain_row rounded(const struct drain_timing *d, struct drain_row row) {
  const unsigned out = ROUND_LATENCY - 1;
  return row.valid ? row : (struct drain_row){d->rounding >> out & 1, d->ends >> out & 1};
}

struct drain_word drain_word(const struct drain_timing *d, unsigned format, struct drain_row row) {
  const bool acc = d->acc_left != 0;
  const struct drain_row ready = rounded(d, row);
  struct drain_word word = {.valid = acc || (ready.valid && (full_word(d, format) || ready.end))};
  word.marks.end = acc ? d->acc_end && d->acc_left == 1 : ready.end;
  word.marks.single = !acc && !(d->held & 1);
  return word;
}

void drain_clock(struct drain_timing *d, unsigned format, struct drain_row row, bool sum, bool end) {
  const struct drain_row ready = rounded(d, row);
  if (ready.valid) d->held = full_word(d, format) || ready.end ? 0 : d->held + 1;
  d->rounding = d->rounding << 1 | (sum && format != ACC);
  d->ends = d->ends << 1 | end;
  if (sum && format == ACC) {
    d->acc_left = 2;
  } else if (d->acc_left) {
    d->acc_left--;
  }
  if (sum) d->acc_end = end;
}

void write_path_clock(struct write_path *w, const struct write_start *start, bool take, bool end,
                      bool ready) {
  const bool full = w->words == 4, written = full && ready, shift = take || (w->fill && !full);
  if (full) {
    if (ready) w->words = 0;
  } else if (shift) {
    w->words++;
  }
  const bool column_end = w->end;
  if (take && end) {
    w->fill = true;
  } else if (full) {
    w->fill = false;
  }
  if (take) w->end = end;
  if (start) {
    w->block = w->address = start->column;
    w->stride = start->stride;
    w->stripe = start->stripe;
  } else if (written) {
    w->address = column_end ? w->block + w->stride : w->address + 1;
    if (column_end) w->block += w->stride;
  }
}

void bus_port_start(struct bus_port *p, const struct job_timing *job, uint32_t address, uint32_t count) {
  p->kind = job->kind;
  p->two_groups = job->two_groups;
  p->second_group = false;
  p->group = job->dst_group;
  p->block = p->address = address;
  p->rows = job->load ? 2 * DUPLEX_TILE_WORDS * (count & 0x7ff) : job->two_groups ? 2 * count : count;
  p->word_of_tile = 0;
  p->tile_step = job->tile_step;
}

// The address of the word after the one that is taken.
static void next_address(struct bus_port *p, const struct result_marks *head) {
  const bool load = p->kind >= WORD_LOAD;
  const uint32_t units = p->kind == WORD_GATED || head->single ? 1 : 2;
  const bool tile_end = p->word_of_tile == DUPLEX_TILE_WORDS - 1;
  const uint32_t next = p->address + (load ? (tile_end ? p->tile_step : 4) : units);
  p->word_of_tile = (p->word_of_tile + 1) % DUPLEX_TILE_WORDS;
  p->rows -= head->single ? 1 : 2;
  if (load || !head->end || !p->two_groups) {
    p->address = next;
    return;
  }
  p->address = p->second_group ? next - p->group : p->block + p->group;
  if (p->second_group) p->block = p->address;
  p->second_group = !p->second_group;
}

void bus_port_clock(struct bus_port *p, bool push, const struct result_marks *marks, bool taken,
                    struct bus_word *word) {
  if (taken) {
    const struct result_marks head = p->word[0];
    word->kind = (uint8_t)p->kind;
    word->single = head.single;
    word->last = p->rows == (head.single ? 1 : 2);
    word->address = p->address & 0x1ffff;
    next_address(p, &head);
    p->word[0] = p->word[1];
    p->count--;
  }
  if (push) p->word[p->count++] = *marks;
  p->out = taken;
}
