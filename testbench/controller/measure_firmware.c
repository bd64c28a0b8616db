// Runs the RV32 firmware under Unicorn on the C model of a stack: the results must be those of the native firmware on every bit.
// Prints the instructions that each kernel takes for a descriptor. usage: measure_firmware FIRMWARE.elf
#include <elf.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unicorn/unicorn.h>

#include "driver/device.h"
#include "duplex/kv_cache.h"
#include "duplex/random.h"
#include "firmware/port/rv32/mailbox.h"

#define RAM_BYTES 0x10000u
#define REGISTERS 0x40000000u
#define WFI 0x10500073u
#define INSTRUCTIONS_MOST 100000000u

struct controller {
  uc_engine *engine;
  const struct hal *hal;
  uint64_t instructions;
};

static void die(const char *what) {
  fprintf(stderr, "measure_firmware: %s\n", what);
  exit(1);
}

static uint64_t read_register(uc_engine *engine, uint64_t offset, unsigned size, void *context) {
  const struct controller *controller = context;
  (void)engine;
  return size == 4 ? hal_read(controller->hal, (uint32_t)offset) : 0;
}

static void write_register(uc_engine *engine, uint64_t offset, unsigned size, uint64_t value, void *context) {
  const struct controller *controller = context;
  (void)engine;
  if (size == 4) hal_write(controller->hal, (uint32_t)offset, (uint32_t)value);
}

static void count(uc_engine *engine, uint64_t address, uint32_t size, void *context) {
  struct controller *controller = context;
  (void)engine, (void)address, (void)size;
  controller->instructions++;
}

static void load_elf(uc_engine *engine, const char *path) {
  static uint8_t bytes[1 << 20];
  FILE *file = fopen(path, "rb");
  if (!file) die("the firmware cannot be read");
  const size_t size = fread(bytes, 1, sizeof bytes, file);
  fclose(file);
  const Elf32_Ehdr *header = (const Elf32_Ehdr *)(const void *)bytes;
  if (size < sizeof *header || memcmp(header->e_ident, ELFMAG, SELFMAG) != 0 || header->e_machine != EM_RISCV)
    die("not an RV32 ELF file");
  for (unsigned i = 0; i < header->e_phnum; i++) {
    const Elf32_Phdr *segment = (const Elf32_Phdr *)(const void *)(bytes + header->e_phoff) + i;
    if (segment->p_type != PT_LOAD || segment->p_filesz == 0) continue;
    if ((size_t)segment->p_offset + segment->p_filesz > size) die("the ELF file is truncated");
    if (uc_mem_write(engine, segment->p_vaddr, bytes + segment->p_offset, segment->p_filesz))
      die("a segment lies outside the memory");
  }
}

// Runs until the firmware stops; wfi gives time to the stack.
static int run_controller(struct controller *controller) {
  uint32_t pc = FIRMWARE_RESET;
  while (controller->instructions < INSTRUCTIONS_MOST) {
    const uc_err error = uc_emu_start(controller->engine, pc, FIRMWARE_STOP, 0, 0);
    uc_reg_read(controller->engine, UC_RISCV_REG_PC, &pc);
    if (pc == FIRMWARE_STOP) return 0;
    uint32_t here = 0, before = 0;
    uc_mem_read(controller->engine, pc, &here, 4);
    uc_mem_read(controller->engine, pc - 4, &before, 4);
    if (here != WFI && before != WFI) {
      fprintf(stderr, "measure_firmware: %s at pc 0x%x\n", uc_strerror(error), pc);
      return 1;
    }
    if (hal_wait_interrupt(controller->hal) != 0) return 1;
    if (here == WFI) pc += 4;
  }
  return 1;
}

static void run_job(struct controller *controller, const struct hal *hal, const struct mailbox *job,
                    struct firmware_report *report) {
  struct mailbox box = *job;
  controller->hal = hal;
  if (uc_mem_write(controller->engine, MAILBOX_ADDRESS, &box, sizeof box) || run_controller(controller) ||
      uc_mem_read(controller->engine, MAILBOX_ADDRESS, &box, sizeof box))
    die("the firmware did not come to its end");
  *report = box.report;
}

static void run_gemm(void *context, const struct hal *hal, const struct gemm_job *job, struct firmware_report *report) {
  const struct mailbox box = {.kind = MAILBOX_GEMM, .gemm = *job};
  run_job(context, hal, &box, report);
}

static void run_expert(void *context, const struct hal *hal, const struct expert_job *job, struct firmware_report *report) {
  const struct mailbox box = {.kind = MAILBOX_EXPERT, .expert = *job};
  run_job(context, hal, &box, report);
}

static void run_attention(void *context, const struct hal *hal, const struct attention_job *job, struct firmware_report *report) {
  const struct mailbox box = {.kind = MAILBOX_ATTENTION, .attention = *job};
  run_job(context, hal, &box, report);
}

static struct duplex_device *open_device(unsigned channels) {
  const struct duplex_options options = {.backend = {.channels = channels}};
  struct duplex_device *device;
  if (duplex_open("cmodel", &options, &device, NULL, 0)) die("no C model");
  return device;
}

static duplex_f16 *random_tensor(uint64_t stream, size_t count) {
  struct duplex_random random;
  duplex_f16 *values = malloc(count * sizeof *values);
  if (!values) die("too little memory");
  duplex_random_seed(&random, 1, stream);
  for (size_t i = 0; i < count; i++) values[i] = duplex_f16_from_double(0.25 * duplex_random_normal(&random));
  return values;
}

static int gemm(struct duplex_device *device, const duplex_f16 *x, const duplex_f16 *w, size_t m, size_t n, size_t k,
                duplex_f16 *y) {
  struct duplex_weights *weights;
  int error = duplex_upload(device, w, n, k, NULL, &weights);
  if (!error) error = duplex_gemm(device, weights, x, m, DUPLEX_F16, y);
  duplex_release(device, weights);
  return error;
}

static int expert(struct duplex_device *device, const duplex_f16 *x, const duplex_f16 *w, size_t m, size_t n, size_t k,
                  duplex_f16 *y) {
  struct duplex_weights *up = NULL, *down = NULL;
  int error = duplex_upload_gated(device, w, w + n * k, n, k, &up);
  if (!error) error = duplex_upload(device, w + 2 * n * k, k, n, NULL, &down);
  if (!error) error = duplex_expert(device, up, down, duplex_activation_builtin("silu"), x, m, DUPLEX_F16, y);
  duplex_release(device, up);
  duplex_release(device, down);
  return error;
}

// m sequences of n positions, one KV head of size k with one query head.
static int attention(struct duplex_device *device, const duplex_f16 *x, const duplex_f16 *w, size_t m, size_t n, size_t k,
                     duplex_f16 *y) {
  const struct duplex_kv_options options = {.heads = 1, .head_size = (unsigned)k, .pages = m * (n / 512 + 1)};
  struct duplex_kv_cache *cache = NULL;
  struct duplex_sequence *sequences[64];
  int error = duplex_kv_open(device, &options, &cache);
  for (size_t i = 0; i < m && !error; i++) {
    error = duplex_kv_begin(cache, DUPLEX_KV_SPACES, n, &sequences[i]);
    if (!error) error = duplex_kv_append(sequences[i], 0, w, w + n * k, n, 0);
  }
  if (!error) error = duplex_attention(cache, 0, sequences, m, x, 1, 0, y);
  duplex_kv_close(cache);
  return error;
}

typedef int job_function(struct duplex_device *device, const duplex_f16 *x, const duplex_f16 *w, size_t m, size_t n, size_t k,
                         duplex_f16 *y);

// One job on both firmwares; true if the bytes are the same.
static bool compare(const char *name, job_function *job, struct controller *controller, size_t m, size_t n, size_t k) {
  struct duplex_device *native = open_device(3), *riscv = open_device(3);
  duplex_f16 *x = random_tensor(1, m * k), *w = random_tensor(2, 3 * n * k);
  const size_t count = m * (n > k ? n : k);
  duplex_f16 *expected = calloc(count, sizeof *expected), *y = calloc(count, sizeof *y);
  struct duplex_stats stats;
  if (!expected || !y) die("too little memory");
  riscv->firmware = (struct firmware_runner){controller, run_gemm, run_expert, run_attention};
  controller->instructions = 0;
  const int native_error = job(native, x, w, m, n, k, expected), riscv_error = job(riscv, x, w, m, n, k, y);
  duplex_last_stats(riscv, &stats);
  const bool same = !native_error && !riscv_error && memcmp(expected, y, count * sizeof *y) == 0;
  printf("%-9s M %zu N %zu K %zu: %s; %llu descriptors, %llu instructions, %.0f a descriptor\n", name, m, n, k,
         same ? "the same bytes as native" : "DIFFERENT", (unsigned long long)stats.descriptors,
         (unsigned long long)controller->instructions,
         (double)controller->instructions / (double)(stats.descriptors ? stats.descriptors : 1));
  free(x), free(w), free(expected), free(y);
  duplex_close(native);
  duplex_close(riscv);
  return same;
}

int main(int argc, char **argv) {
  struct controller controller = {0};
  uc_hook hook;
  if (argc != 2) die("usage: measure_firmware FIRMWARE.elf");
  if (uc_open(UC_ARCH_RISCV, UC_MODE_RISCV32, &controller.engine) ||
      uc_mem_map(controller.engine, FIRMWARE_RESET, RAM_BYTES, UC_PROT_ALL) ||
      uc_mmio_map(controller.engine, REGISTERS, 0x2000, read_register, &controller, write_register, &controller) ||
      uc_hook_add(controller.engine, &hook, UC_HOOK_CODE, (void *)count, &controller, 1, 0))
    die("Unicorn cannot be set up");
  load_elf(controller.engine, argv[1]);
  bool good = compare("gemm", gemm, &controller, 5, 70, 100);
  good &= compare("gemm", gemm, &controller, 120, 10, 64);
  good &= compare("expert", expert, &controller, 9, 100, 80);
  good &= compare("expert", expert, &controller, 64, 64, 64);
  good &= compare("attention", attention, &controller, 64, 20, 64);
  good &= compare("attention", attention, &controller, 1, 16500, 64);
  uc_close(controller.engine);
  return good ? 0 : 1;
}
