// SPDX-License-Identifier: Apache-2.0
// Files of text: traces, profiles and tables that the library writes, lines of those that it reads.
//
// The names /dev/stdout, /dev/stderr, /dev/fd/N and /proc/self/fd/N mean the open descriptor itself, also if
// it is a file or a socket: what was written to it stays, and its place in the file goes on.
#ifndef DUPLEX_TEXT_FILE_H
#define DUPLEX_TEXT_FILE_H

#include <stdio.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

// The descriptor that a name of the forms above means; -1: it means a file.
int duplex_text_descriptor(const char *path);

// Opens for writing; what the file held is gone. NULL: it cannot be opened, errno says why.
FILE *duplex_text_open(const char *path);

// The file that a name means, be it there or not: behind a link, so that this one stays one. And a name in
// the folder of another file, or the name itself if it is absolute. free() frees both. NULL: errno says why.
char *duplex_text_target(const char *path);
char *duplex_text_beside(const char *path, const char *name);

// 0 if a file of this name can be made, or replaced, under a temporary name in its folder; -1: errno says
// why.
int duplex_text_may_replace(const char *path);

// Closes. -1: not all that was written could be, now or earlier; errno says why. NULL: 0.
int duplex_text_close(FILE *file);

// How many bytes the mark has that editors put before a text of UTF-8 (U+FEFF, the byte order mark), and that
// is no part of it: 3, or 0 if there is none.
size_t duplex_text_mark(const char *text, size_t size);

// Reads a line with its line feed, as getline() does: *line, which free() frees, has room for *room bytes;
// a byte 0 stands behind the line. *line is NULL: it is the first line of a text, and comes without the mark
// that may be before it. A line of more than DUPLEX_LINE_MOST bytes is refused, so that a file
// without lines (/dev/zero) does not take all memory. Returns the length; 0 at the end of the file; -errno
// on an error, -EFBIG of a line that is too long.
#define DUPLEX_LINE_MOST (16l << 20)
ssize_t duplex_text_line(FILE *file, char **line, size_t *room);

// For programs, before they open anything: descriptors 0 to 2 that are closed become /dev/null, so that no
// file gets the number of standard output and what is printed lands in it.
void duplex_reserve_descriptors(void);

#ifdef __cplusplus
}
#endif
#endif
