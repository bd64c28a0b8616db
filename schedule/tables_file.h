// SPDX-License-Identifier: Apache-2.0
// Tables of time in text files: for hosts, not freestanding.
#ifndef DUPLEX_SCHEDULE_TABLES_FILE_H
#define DUPLEX_SCHEDULE_TABLES_FILE_H

#include <stddef.h>

#include "schedule/schedule.h"

// `origin`: what the times came from beside their shape, a number of the caller's.
//
// 0, DUPLEX_ERROR_IO, or for loading DUPLEX_ERROR_FORMAT: the text then says what is wrong, in which line,
// and what was expected. A file is written under a temporary name and renamed, so that it appears whole or
// not, that behind a link in its place; devices and pipes are written as they are, and a name as /dev/fd/N
// means that descriptor (duplex/text_file.h).
int schedule_save(const char *path, const struct schedule_times *times, uint32_t origin, char *text,
                  size_t size);
int schedule_load(const char *path, struct schedule_times *times, uint32_t *origin, char *text, size_t size);
// Of a text in memory instead; `name` stands for the path in messages.
int schedule_load_text(const char *table, const char *name, struct schedule_times *times, uint32_t *origin,
                       char *text, size_t size);

// Whether a table is of this shape and placement: 0, or DUPLEX_ERROR_FORMAT with a text that names the first
// number of the shape that differs, as it is and as it was expected.
int schedule_check(const char *path, const struct schedule_times *times, const struct schedule_shape *shape,
                   const struct schedule_placement *placement, char *text, size_t size);

#endif
