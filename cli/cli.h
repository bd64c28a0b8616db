// What the commands of `duplex` share: options, tensors in .npy files, outputs that appear whole or not at
// all, messages.
//
// Exit status: 0; 2 bad input or usage; 1 anything else. Each failure prints one line on standard error.
#ifndef DUPLEX_CLI_H
#define DUPLEX_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { EXIT_GOOD = 0, EXIT_ERROR = 1, EXIT_BAD_INPUT = 2 };

// Prints one line "duplex: <message>", control characters as '?', and returns the status.
int fail(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));

// Text before every message from now on, "" for none.
void fail_context(const char *text);

// options.c
// ------------------------------------------------------------------------------------------------------------------------
struct option {
  const char *name;   // with its dashes
  const char *value;  // as given; NULL if not given
};

// Reads `--name value` pairs of the list, which ends with a NULL name. Returns 0 or an exit status.
int read_options(int argc, char **argv, struct option *options);
const char *option_value(const struct option *options, const char *name);  // NULL: not given
int require_options(const struct option *options, const char *const *names);

// The number of an option, `otherwise` if it was not given. Returns 0 or an exit status.
int number_option(const struct option *options, const char *name, uint64_t least, uint64_t most,
                  uint64_t otherwise, uint64_t *number);

// Index of the option's value in the list (ends with NULL), 0 if it was not given.
int choice_option(const struct option *options, const char *name, const char *const *choices,
                  unsigned *index);

// npy.c
// ----------------------------------------------------------------------------------------------------------------------------
enum element { ELEMENT_F16, ELEMENT_F32, ELEMENT_ACC, ELEMENT_I32, ELEMENT_I64 };  // <f2, <f4, |V16, <i4, <i8
#define RANK_MOST 4

struct tensor {
  enum element element;
  unsigned rank;
  size_t shape[RANK_MOST];
  size_t count;  // elements
  void *data;
};

size_t element_size(enum element element);
const char *element_name(enum element element);

// Reads <f2, <f4 or |V16 in C order; everything else is refused with one line. Returns 0 or an exit status.
int npy_read(const char *option, const char *path, struct tensor *tensor);

// The same, but only <f2 of this rank.
int npy_read_f16(const char *option, const char *path, unsigned rank, struct tensor *tensor);
// <i4 or <i8, and an element of it.
int npy_read_integers(const char *option, const char *path, struct tensor *tensor);
int64_t tensor_integer(const struct tensor *tensor, size_t index);
int tensor_new(enum element element, unsigned rank, const size_t *shape, struct tensor *tensor);

// A matrix, or a pair of them in one tensor of 3 dimensions; shape[0] and [1] are then rows and columns of
// each. *matrices is 1 or 2 after the first one, and the others have to agree.
int npy_read_matrices(const char *option, const char *path, unsigned *matrices, struct tensor *tensor);
int tensor_new_matrices(enum element element, unsigned matrices, size_t rows, size_t columns,
                        struct tensor *tensor);
void tensor_free(struct tensor *tensor);

// output.c
// -------------------------------------------------------------------------------------------------------------------------
// Files that a command will write. They are made under temporary names at once, so that an output that cannot
// be written is refused before any work, and get their names together at the end: all or none. A link to a
// file stays one; a device (/dev/null) or pipe is written as it is.
#define OUTPUTS_MOST 8
struct output {
  const char *path;  // as given
  char *target;      // the file it means
  char *temporary;   // NULL: written as it is
  char *backup;      // second name of the file that was there
  int file;
};
struct outputs {
  unsigned count;
  struct output output[OUTPUTS_MOST];
};

int output_open(struct outputs *outputs, const char *option, const char *path);
int output_write(struct outputs *outputs, const char *path, const void *bytes, size_t size);
int output_tensor(struct outputs *outputs, const char *path, const struct tensor *tensor);
const char *output_name(const struct outputs *outputs,
                        const char *path);  // where somebody else writes it; NULL: not opened
int outputs_commit(struct outputs *outputs);
void outputs_discard(struct outputs *outputs);  // after a commit: does nothing

// stack_options.c
// -----------------------------------------------------------------------------------------------------------------
struct duplex_stack;
struct duplex_stack_stats;

// Options of every command that runs on a stack.
#define STACK_OPTIONS                                                                                        \
  {"--backend", 0}, {"--firmware", 0}, {"--firmware-elf", 0}, {"--instructions-per-clock", 0},               \
      {"--firmware-trace", 0}, {"--firmware-profile", 0}, {"--gdb", 0}, {"--channels", 0}, {"--threads", 0}, \
      {"--seed", 0}, {"--stats", 0}, {"--trace", 0}, {"--trace-from", 0}, {"--trace-to", 0},                 \
      {"--command-trace", 0}, {"--bundles", 0}, {"--stripe", 0}, {"--activation-rule", 0},                   \
      {"--dram-preset", 0}, {"--rank-switch", 0}, {                                                          \
    "--xpu-traffic", 0                                                                                       \
  }
extern const char stack_options_help[];

int open_stack(const struct option *options, struct outputs *outputs, struct duplex_stack **stack);
int stack_error(const struct duplex_stack *stack, int error);
int write_stats(const struct option *options, struct outputs *outputs, const char *command,
                const struct duplex_stack_stats *stats);

// Progress on a terminal, nothing in a pipe.
void progress(const char *text);

// attention.c
// ----------------------------------------------------------------------------------------------------------------------
// Attention of the files that the options --q, --k, --v, --lengths and --scale name, as a job among others.
// make_room: called when the stack has no room for K and V; false if there is nothing to free. Returns 0 or
// an exit status.
int attention_on(struct duplex_stack *stack, const struct option *options, bool (*make_room)(void *context),
                 void *context, struct tensor *o);

// commands
// -------------------------------------------------------------------------------------------------------------------------
int command_gemm(int argc, char **argv);
int command_expert(int argc, char **argv);
int command_attention(int argc, char **argv);
int command_batch(int argc, char **argv);
int command_compare(int argc, char **argv);
int command_random(int argc, char **argv);
int command_info(int argc, char **argv);

#endif
