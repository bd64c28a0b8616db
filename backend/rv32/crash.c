// SPDX-License-Identifier: Apache-2.0
// Where the firmware is, in words.
#include "backend/rv32/crash.h"

#include <fcntl.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backend/rv32/cpu.h"
#include "firmware/port/rv32/platform.h"

extern char **environ;

// Source file and line by addr2line, if it is installed; false if not.
static bool source_line(const char *elf, uint32_t pc, char *text, size_t size) {
  char address[16];
  int ends[2];
  snprintf(address, sizeof address, "0x%x", pc);
  char *arguments[] = {"riscv64-unknown-elf-addr2line", "-s", "-e", (char *)elf, address, NULL};
  if (pipe2(ends, O_CLOEXEC) != 0) return false;
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
  posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
  pid_t child;
  const bool started = posix_spawnp(&child, arguments[0], &actions, NULL, arguments, environ) == 0;
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  size_t length = 0;
  for (ssize_t got;
       started && length + 1 < size && (got = read(ends[0], text + length, size - 1 - length)) > 0;)
    length += (size_t)got;
  close(ends[0]);
  if (started) waitpid(child, NULL, 0);
  text[length] = 0;
  text[strcspn(text, "\n")] = 0;
  return text[0] && text[0] != '?';
}

void place_text(const struct platform *p, uint32_t pc, char *text, size_t size) {
  const struct function *function = image_function(&p->image, pc);
  char line[80];
  if (!source_line(p->elf, pc, line, sizeof line)) line[0] = 0;
  if (function) {
    snprintf(text, size, "pc 0x%x, %s + 0x%x%s%s", pc, function->name, pc - function->address,
             line[0] ? ", " : "", line);
  } else {
    snprintf(text, size, "pc 0x%x%s%s", pc, line[0] ? ", " : "", line);
  }
}

// Loads and stores of a stack that has grown out of its memory go to where it has grown, into the guard.
static bool is_stack_overflow(const struct mailbox *box) {
  const bool access = box->crash_cause == CAUSE_LOAD || box->crash_cause == CAUSE_STORE;
  return access && box->crash_stack < RV32_STACK && box->crash_stack >= RV32_DATA + RV32_DATA_BYTES;
}

void crash_text(const struct platform *p, char *text, size_t size) {
  static const char *const causes[] = {"misaligned fetch", "fetch from bad memory", "illegal instruction",
                                       "breakpoint",       "misaligned load",       "load from bad memory",
                                       "misaligned store", "store to bad memory"};
  const struct mailbox *box = p->base.mailbox;
  const uint32_t cause = box->crash_cause;
  char where[160];
  place_text(p, box->crash_pc, where, sizeof where);
  const char *what = cause == CAUSE_ECALL_M ? "ecall" : "trap";
  if (cause < sizeof causes / sizeof *causes) what = causes[cause];
  if (is_stack_overflow(box)) {
    snprintf(text, size, "stack overflow: %s 0x%x, sp 0x%x is below the stack, at %s", what, box->crash_value,
             box->crash_stack, where);
  } else if (cause == CAUSE_LOAD || cause == CAUSE_STORE) {
    snprintf(text, size, "%s 0x%x at %s", what, box->crash_value, where);
  } else {
    snprintf(text, size, "%s (cause %u) at %s", what, cause, where);
  }
}
