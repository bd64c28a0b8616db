// SPDX-License-Identifier: Apache-2.0
// Every file that the command writes goes through here.
//
// The outputs of a job are named first and then opened together, before any work: none is opened if two of
// them are the same file, and one that cannot be written costs no time. Files are made under temporary names,
// and get their own together at the end: all or none. Owner and mode of a file that was there
// stay; a symbolic link stays and its target is written; another hard link keeps the old contents. A file
// without write bits is refused, also for root. A device, a pipe, or a descriptor (/dev/stdout, /dev/fd/N) is
// written as it is. Whatever ends the program but SIGKILL takes the temporary files away.
#ifndef DUPLEX_CLI_OUTPUT_H
#define DUPLEX_CLI_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "cli/npy.h"

// What an output holds. OUTPUT_WAVE: written by the library, which goes back in it: a regular file only.
enum output_format { OUTPUT_TENSOR, OUTPUT_JSON, OUTPUT_TEXT, OUTPUT_TABLE, OUTPUT_PICTURE, OUTPUT_WAVE };

#define OUTPUTS_MOST 8
struct output {
  const char *option, *path;  // as given
  char *target;               // the file it means; NULL: written as it is
  char *temporary;            // name of the new file
  char *backup;               // second name of the file that was there
  int file;                   // -1: not open
  bool exists;                // when it was named
  struct stat there;
  char name[24];  // for the library: /dev/fd/N
};
struct outputs {
  struct outputs *next;  // others that are open
  unsigned count;
  struct output output[OUTPUTS_MOST];
};

// All return 0 or an exit status, with a line on standard error. `path`: as the user gave it; a name whose
// ending says another format is refused, and the same file, pipe or descriptor as another output's.
int output_add(struct outputs *outputs, const char *option, const char *path, enum output_format format);
// All that were added.
int outputs_open(struct outputs *outputs);
// Standard output is the command's own: no other output may be the same file or pipe.
int outputs_keep_stdout(struct outputs *outputs);
int output_write(struct outputs *outputs, const char *path, const void *bytes, size_t size);
int output_tensor(struct outputs *outputs, const char *path, const struct tensor *tensor);

// Where the library writes an output; NULL: it was not opened.
const char *output_name(const struct outputs *outputs, const char *path);
// The option's path in place of such a name at the beginning of a text of the library.
void output_restore_name(const struct outputs *outputs, char *text, size_t size);

int outputs_commit(struct outputs *outputs);
// What is open is given up; after a commit: does nothing.
void outputs_discard(struct outputs *outputs);

// Takes the temporary files of all open outputs away; only calls that a signal handler may make.
void outputs_forsake(void);

#endif
