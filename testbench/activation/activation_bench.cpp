// SPDX-License-Identifier: Apache-2.0
// activation.v against cmodel/activation, row by row, with pauses at random; a result comes 18 clocks after
// its row.
//
// The first cases walk through all 65,536 binary16 arguments of each built-in function (as binary32), the
// others draw operands of every class, and tables of random bits besides the built-in ones; a table is loaded
// anew in each case.
#include <deque>

#include "Vactivation.h"
#include "duplex/activation.h"
#include "testbench/common/bench.h"

namespace {

constexpr unsigned lanes = 8;
constexpr uint64_t rows_of_all_f16 = 65536 / lanes;
const char *const functions[] = {"silu", "gelu", "gelu_tanh", "relu", "identity"};
constexpr uint64_t function_count = 5;
constexpr uint64_t sweep_cases = 2 * function_count;  // gated and not

constexpr uint64_t latency = 18;

struct Row {
  bool gated;
  uint32_t g[lanes], u[lanes], tag;
};

struct Expected {
  Row row;
  uint64_t clock;
};

// binary32 with an exponent in the GEMM's range, or any pattern, or a special value.
uint32_t operand(bench::Case &c) {
  static const uint32_t special[] = {0,          0x80000000, 0x7f800000, 0xff800000, 0x7fc00000,
                                     0xffffffff, 0x00000001, 0x80000001, 0x007fffff, 0x00800000,
                                     0x7f7fffff, 0xff7fffff, 0x3f800000, 0xbf800000, 0x7f800001};
  const uint64_t bits = c.bits();
  switch (c.below(8)) {
    case 0:
      return (uint32_t)bits;
    case 1:
      return special[c.below(sizeof special / sizeof *special)];
    case 2:
      return ((uint32_t)bits & 0x807fffff) | (uint32_t)(c.below(96) + 79) << 23;
    default:
      return ((uint32_t)bits & 0x807fffff) | (uint32_t)(c.below(24) + 110) << 23;
  }
}

void random_table(bench::Case &c, duplex_activation_table *table) {
  for (unsigned i = 0; i < DUPLEX_ACTIVATION_ENTRIES; i++) table->entries[i] = c.bits();
  // A range near 0 and exponents near those of binary16, so that most results are neither 0 nor Inf.
  const uint64_t shift = c.below(8);
  if (c.chance(80)) table->entries[0] = (c.bits() & 0x3f0000) | shift << 12 | (4096 - c.below(512));
  for (unsigned i = 4; i < DUPLEX_ACTIVATION_ENTRIES; i++) {
    if (c.chance(80)) table->entries[i] = (table->entries[i] & 0x803fffffffffffff) | c.below(32) << 54;
  }
}

void load(bench::Clocked<Vactivation> &dut, bench::Case &c, const duplex_activation_table &table) {
  uint8_t image[DUPLEX_ACTIVATION_IMAGE_BYTES];
  duplex_activation_image(&table, image);
  for (unsigned word = 0; word < DUPLEX_ACTIVATION_IMAGE_WORDS; word++) {
    dut->table_valid_i = 1;
    dut->table_address_i = word;
    for (unsigned i = 0; i < 8; i++) {
      const uint8_t *bytes = image + 32 * word + 4 * i;
      dut->table_data_i[i] = bytes[0] | bytes[1] << 8 | bytes[2] << 16 | (uint32_t)bytes[3] << 24;
    }
    dut.tick();
    // Neither a word without valid nor one beyond the image changes anything.
    dut->table_valid_i = c.chance(50);
    dut->table_address_i = dut->table_valid_i ? 129 + c.below(127) : word;
    for (unsigned i = 0; i < 8; i++) dut->table_data_i[i] = (uint32_t)c.bits();
    if (c.chance(20)) dut.tick();
  }
  dut->table_valid_i = 0;
}

Row next_row(bench::Case &c, bool mixed, bool gated, uint64_t number) {
  Row row;
  row.gated = mixed ? c.chance(50) : gated;
  row.tag = (uint32_t)c.bits();
  for (unsigned lane = 0; lane < lanes; lane++) {
    const uint32_t swept = duplex_f16_to_f32((uint16_t)(number * lanes + lane));
    row.g[lane] = mixed ? operand(c) : swept;
    row.u[lane] = mixed || gated ? operand(c) : swept;
  }
  return row;
}

std::string hex(uint32_t value) {
  char text[16];
  std::snprintf(text, sizeof text, "%08x", value);
  return text;
}

bool check_row(bench::Case &c, const duplex_activation_table &table, const Row &row,
               bench::Clocked<Vactivation> &dut, long number) {
  if (dut->out_tag_o != row.tag)
    return c.mismatch("activation", "tag", number, 0, hex(dut->out_tag_o), hex(row.tag));
  for (unsigned lane = 0; lane < lanes; lane++) {
    const uint16_t rtl = (uint16_t)(dut->out_data_o[lane / 2] >> (16 * (lane % 2)));
    const uint16_t model = duplex_activation(&table, row.g[lane], row.u[lane], row.gated);
    c.compared++;
    if (rtl != model)
      return c.mismatch("activation", row.gated ? "gated" : "plain", number, lane, hex(rtl),
                        hex(model) + " for g " + hex(row.g[lane]) + " u " + hex(row.u[lane]));
  }
  return true;
}

// A row at the inputs; without a gate the values of g do not matter.
void put_row(bench::Case &c, const Row &row, bench::Clocked<Vactivation> &dut) {
  dut->gated_i = row.gated;
  dut->in_tag_i = row.tag;
  for (unsigned lane = 0; lane < lanes; lane++) {
    dut->g_i[lane] = row.gated ? row.g[lane] : (uint32_t)c.bits();
    dut->u_i[lane] = row.u[lane];
  }
}

bool run_case(bench::Case &c) {
  bench::Clocked<Vactivation> dut(c.options);
  const bool sweep = c.number < sweep_cases;
  const bool gated = sweep ? c.number >= function_count : c.chance(50);
  duplex_activation_table table = *duplex_activation_builtin(functions[c.number % function_count]);
  if (!sweep && c.chance(50)) random_table(c, &table);
  const uint64_t rows = sweep ? rows_of_all_f16 : 2000;
  const unsigned pause = c.chance(40) ? 0 : (unsigned)c.below(95);

  dut->in_valid_i = dut->table_valid_i = 0;
  dut.reset();
  load(dut, c, table);

  std::deque<Expected> pending;
  uint64_t taken = 0;
  uint64_t compared = 0;
  while (compared < rows) {
    const Row row = next_row(c, !sweep, gated, taken);
    dut->in_valid_i = taken < rows && !c.chance(pause);
    put_row(c, row, dut);
    if (dut->in_valid_i) {
      pending.push_back({row, dut.cycles() + latency});
      taken++;
    }
    dut.settle();
    const bool due = !pending.empty() && pending.front().clock == dut.cycles();
    if ((bool)dut->out_valid_o != due)
      return c.mismatch("activation", "latency", (long)compared, 0, std::to_string(dut->out_valid_o),
                        std::to_string(due));
    if (due) {
      if (!check_row(c, table, pending.front().row, dut, (long)compared)) return false;
      pending.pop_front();
      compared++;
    }
    dut.tick();
  }
  return true;
}

}  // namespace

int main(int argc, char **argv) { return bench::run(argc, argv, "activation", 40, run_case); }
