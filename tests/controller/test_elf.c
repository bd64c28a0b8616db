// SPDX-License-Identifier: Apache-2.0
// Firmware files: each rule of ELF is kept or its breach refused by name, and what the rules allow runs.
#include <elf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
// CMocka needs the first three before it.
#include <cmocka.h>

#include "duplex/duplex.h"
#include "duplex/error.h"

#define FILE_BYTES (1u << 20)
#define CODE 0x80000000u
#define DATA 0x80010000u

static char folder[4096];  // the build folder
static uint8_t good[FILE_BYTES], file[FILE_BYTES + 4096];
static size_t good_bytes;

static Elf32_Ehdr *header(void) { return (Elf32_Ehdr *)file; }
static Elf32_Phdr *program(unsigned i) { return (Elf32_Phdr *)(file + header()->e_phoff) + i; }

// The error of a stack that opens with `size` bytes of `file` as its firmware. *stack NULL: not opened.
static int open_with(size_t size, struct duplex_stack **stack, char text[512]) {
  char path[] = P_tmpdir "/duplex-elf-XXXXXX";
  const int descriptor = mkstemp(path);
  assert_true(descriptor >= 0 && write(descriptor, file, size) == (ssize_t)size);
  close(descriptor);
  const struct duplex_riscv_options riscv = {.elf = path, .quiet_instructions = 100000};
  const struct duplex_stack_options options = {.backend = {.channels = 1, .threads = 1}, .riscv = &riscv};
  text[0] = 0;
  const int error = duplex_stack_open("cmodel", &options, stack, text, 512);
  unlink(path);
  if (error && !strstr(text, path)) fail_msg("no name of the file in '%s'", text);
  return error;
}

static void assert_refused(size_t size, const char *why) {
  struct duplex_stack *stack;
  char text[512];
  const int error = open_with(size, &stack, text);
  if (!strstr(text, why)) fail_msg("'%s': expected '%s'", text, why);
  assert_null(strchr(text, '\n'));
  assert_int_equal(error, DUPLEX_ERROR_ARGUMENT);
  assert_null(stack);
}

static void assert_computes(size_t size) {
  const duplex_f16 two = duplex_f16_from_double(2);
  const duplex_f16 three = duplex_f16_from_double(3);
  struct duplex_stack *stack;
  struct duplex_weights *weights;
  duplex_f16 y = 0;
  char text[512];
  if (open_with(size, &stack, text)) fail_msg("%s", text);
  assert_int_equal(duplex_stack_upload(stack, &two, 1, 1, NULL, &weights), 0);
  assert_int_equal(duplex_stack_gemm(stack, weights, &three, 1, DUPLEX_F16, &y), 0);
  assert_int_equal(y, duplex_f16_from_double(6));
  duplex_stack_release(stack, weights);
  duplex_stack_close(stack);
}

static int start(void **state) {
  (void)state;
  memset(file, 0, sizeof file);
  memcpy(file, good, good_bytes);
  assert_int_equal(header()->e_phnum, 2);
  assert_int_equal(program(0)->p_vaddr, CODE);
  assert_int_equal(program(1)->p_vaddr, DATA);
  return 0;
}

// Moves the file's bytes from the first segment on by some bytes, and the tables behind it.
static size_t shift_segment(uint32_t bytes) {
  const uint32_t from = program(0)->p_offset;
  memmove(file + from + bytes, good + from, good_bytes - from);
  memset(file + from, 0xee, bytes);
  program(0)->p_offset += bytes;
  header()->e_shoff = 0, header()->e_shnum = 0;
  return good_bytes + bytes;
}

static void test_runs_as_it_is(void **state) {
  (void)state;
  assert_computes(good_bytes);
}

static void test_any_offset_of_a_segment(void **state) {
  for (uint32_t bytes = 1; bytes < 8; bytes++) {
    start(state);
    const size_t size = shift_segment(bytes);
    program(0)->p_align = bytes & -bytes & 7 ? bytes & -bytes : 1;
    assert_computes(size);
  }
  start(state);
  const size_t size = shift_segment(2);
  program(0)->p_align = 0;
  assert_computes(size);
}

static void test_alignment(void **state) {
  (void)state;
  const size_t size = shift_segment(2);
  program(0)->p_align = 4;
  assert_refused(size,
                 "segment 0: address 0x80000000 and byte 0x1002 of the file differ modulo its alignment 0x4");
  program(0)->p_align = 6;
  assert_refused(size, "segment 0 has the alignment 6: expected a power of two");
}

static void test_table_at_any_offset(void **state) {
  (void)state;
  Elf32_Phdr table[2];
  memcpy(table, program(0), sizeof table);
  const uint32_t at = (uint32_t)good_bytes + 3 - (uint32_t)good_bytes % 4;
  memcpy(file + at, table, sizeof table);
  header()->e_phoff = at;
  assert_computes(at + sizeof table);
}

static void test_sizes(void **state) {
  (void)state;
  program(0)->p_memsz = program(0)->p_filesz - 1;
  assert_refused(good_bytes, "in memory: expected no more in the file");
  program(0)->p_memsz = 0;
  assert_refused(good_bytes, "in memory: expected no more in the file");
  start(state);
  program(0)->p_filesz = program(0)->p_memsz = 0x7000;
  program(0)->p_offset = 0x1000 * (uint32_t)(good_bytes / 0x1000);
  assert_refused(good_bytes, "lies outside the file of");
  start(state);
  program(0)->p_offset = 0xfffff000;
  assert_refused(good_bytes, "segment 0 of ");
}

static void test_segment_that_takes_no_memory(void **state) {
  (void)state;
  program(1)->p_memsz = 0;
  program(1)->p_vaddr = 0x12340000;
  struct duplex_stack *stack;
  char text[512];
  // Nothing of it is loaded; the firmware works on memory that is zero in any case.
  if (open_with(good_bytes, &stack, text)) fail_msg("%s", text);
  duplex_stack_close(stack);
}

static void test_overlap(void **state) {
  (void)state;
  *program(1) = *program(0);
  program(1)->p_vaddr += program(0)->p_align;
  program(1)->p_filesz = program(1)->p_memsz = 16;
  assert_refused(good_bytes, "segments 0 and 1 overlap at 0x80001000");
  *program(1) = *program(0);
  assert_refused(good_bytes, "overlap at 0x80000000");
}

static void test_memory(void **state) {
  (void)state;
  static const uint32_t elsewhere[] = {0,          0x40000000, 0x7ffff000, 0x80009000,
                                       0x80012000, 0x80021000, 0x80030000};
  for (size_t i = 0; i < sizeof elsewhere / sizeof *elsewhere; i++) {
    start(state);
    program(1)->p_vaddr = elsewhere[i];
    assert_refused(good_bytes,
                   "lies outside the controller's memory: expected 0x80000000 to 0x80008fff or 0x80010000");
  }
  start(state);
  program(1)->p_memsz = 0x2001;
  assert_refused(good_bytes, "segment 1 of 8193 bytes at 0x80010000 lies outside the controller's memory");
  program(1)->p_vaddr = 0xfffff000;
  assert_refused(good_bytes, "segment 1 of 8193 bytes at 0xfffff000 leaves the 32-bit addresses");
}

static void test_entry(void **state) {
  const uint32_t behind = CODE + ((program(0)->p_memsz + 1) & ~1u);
  const uint32_t nowhere[] = {0, behind, DATA, 0x90000000, UINT32_MAX - 1};
  for (size_t i = 0; i < sizeof nowhere / sizeof *nowhere; i++) {
    start(state);
    header()->e_entry = nowhere[i];
    assert_refused(good_bytes, "lies in no segment that can be executed");
  }
  header()->e_entry = CODE + 1;
  assert_refused(good_bytes, "its entry 0x80000001 is odd");
  start(state);
  program(0)->p_flags = PF_R;
  assert_refused(good_bytes, "its entry 0x80000000 lies in no segment that can be executed");
}

static void test_header(void **state) {
  const struct {
    size_t at;
    uint8_t value;
    const char *why;
  } cases[] = {
      {0, 0, "it is no ELF file"},
      {EI_CLASS, ELFCLASS64, "its class is 2, 64-bit: expected 1, 32-bit"},
      {EI_CLASS, 7, "its class is 7, unknown"},
      {EI_DATA, ELFDATA2MSB, "its byte order is 2, big-endian: expected 1"},
      {EI_DATA, 0, "its byte order is 0, unknown"},
      {EI_VERSION, 9, "its identification is of version 9 of ELF (byte 6): expected 1"},
      {offsetof(Elf32_Ehdr, e_version), 9, "its header is of version 9 of ELF (byte 20): expected 1"},
      {offsetof(Elf32_Ehdr, e_machine), EM_386, "it is for machine 3: expected 243, RISC-V"},
      {offsetof(Elf32_Ehdr, e_type), ET_DYN, "its type is 3: expected 2"},
      {offsetof(Elf32_Ehdr, e_type), ET_REL, "its type is 1: expected 2"},
      {offsetof(Elf32_Ehdr, e_phentsize), 56, "has entries of 56 bytes: expected 32"},
      {offsetof(Elf32_Ehdr, e_phnum), 0, "no segment to load"},
      {offsetof(Elf32_Ehdr, e_phoff) + 3, 0x7f, "its table of 2 segments at byte"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    start(state);
    file[cases[i].at] = cases[i].value;
    assert_refused(good_bytes, cases[i].why);
  }
  start(state);
  program(1)->p_type = PT_INTERP;
  assert_refused(good_bytes, "it is linked dynamically");
  program(0)->p_type = program(1)->p_type = PT_NOTE;
  assert_refused(good_bytes, "it has no segment to load");
}

// An exception before there is a handler is told by its own name, at its own instruction.
static void test_first_instruction(void **state) {
  static const uint32_t nop = 0x00000013;
  static const struct {
    uint32_t word;
    const char *why;
    bool jumps;  // to address 0
  } cases[] = {
      {0x00100073, "breakpoint (cause 3)", false},
      {0x90029002, "breakpoint (cause 3)", false},
      {0x00000073, "ecall (cause 11)", false},
      {0x00000000, "illegal instruction (cause 2)", false},
      {0xffffffff, "illegal instruction (cause 2)", false},
      {0x00008067, "fetch from bad memory (cause 1)", true},
      {0x01002503, "load from bad memory 0x10", false},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    for (uint32_t before = 0; before < 2; before++) {
      char why[128];
      start(state);
      uint8_t *code = file + program(0)->p_offset;
      memcpy(code, &nop, sizeof nop);
      memcpy(code + before * sizeof nop, &cases[i].word, sizeof nop);
      snprintf(why, sizeof why, "%s at pc 0x%x", cases[i].why,
               cases[i].jumps ? 0 : CODE + before * (uint32_t)sizeof nop);
      assert_refused(good_bytes, why);
    }
}

static void test_cut(void **state) {
  (void)state;
  assert_refused(0, "it is empty");
  assert_refused(3, "it ends at byte 3, within its header");
  assert_refused(15, "it ends at byte 15, within its header");
  assert_refused(sizeof(Elf32_Ehdr) - 1, "it ends at byte 51, within its header");
  assert_refused(sizeof(Elf32_Ehdr), "its table of 2 segments at byte 52 lies outside the file of 52 bytes");
  assert_refused(program(0)->p_offset + program(0)->p_filesz - 1, "lies outside the file of");
  assert_computes(program(0)->p_offset + program(0)->p_filesz);  // symbols are behind it: it runs without
}

static void test_many_segments(void **state) {
  (void)state;
  enum { MANY = 40 };
  const Elf32_Phdr code = *program(0), data = *program(1);
  header()->e_phoff = (uint32_t)good_bytes + 4 - (uint32_t)good_bytes % 4;
  header()->e_phnum = MANY;
  for (unsigned i = 0; i < MANY; i++) {
    const uint32_t part = (code.p_filesz + MANY - 2) / (MANY - 1);
    const uint32_t begin = i * part;
    *program(i) = code;
    program(i)->p_align = 1;
    program(i)->p_offset += begin, program(i)->p_vaddr += begin;
    const uint32_t left = begin < code.p_filesz ? code.p_filesz - begin : 0;
    program(i)->p_filesz = program(i)->p_memsz = left < part ? left : part;
  }
  *program(MANY - 1) = data;
  assert_computes(header()->e_phoff + MANY * sizeof(Elf32_Phdr));
}

// Reads the firmware of the build.
static void read_good(void) {
  char path[4200];
  snprintf(path, sizeof path, "%s/firmware.elf", folder);
  FILE *elf = fopen(path, "rb");
  if (!elf) {
    fprintf(stderr, "%s: cannot be read\n", path);
    exit(1);
  }
  good_bytes = fread(good, 1, sizeof good, elf);
  fclose(elf);
}

int main(int argc, char **argv) {
  (void)argc;
  const char *slash = strrchr(argv[0], '/');
  snprintf(folder, sizeof folder, "%.*s/../..", slash ? (int)(slash - argv[0]) : 1, slash ? argv[0] : ".");
  read_good();
#define FRESH(test) cmocka_unit_test_setup(test, start)
  const struct CMUnitTest tests[] = {
      FRESH(test_runs_as_it_is),
      FRESH(test_any_offset_of_a_segment),
      FRESH(test_alignment),
      FRESH(test_table_at_any_offset),
      FRESH(test_sizes),
      FRESH(test_segment_that_takes_no_memory),
      FRESH(test_overlap),
      FRESH(test_memory),
      FRESH(test_entry),
      FRESH(test_header),
      FRESH(test_cut),
      FRESH(test_many_segments),
      FRESH(test_first_instruction),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
