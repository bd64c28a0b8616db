// SPDX-License-Identifier: Apache-2.0
// A line on a terminal about work that takes longer than two seconds: what is done, since when, how much of
// it. Nothing is written if standard error is no terminal, or after progress_off.
#ifndef DUPLEX_CLI_PROGRESS_H
#define DUPLEX_CLI_PROGRESS_H

#include <stdint.h>

void progress_off(void);

// From now on this is done, until the next call or progress_end.
void progress(const char *format, ...) __attribute__((format(printf, 1, 2)));

// The same work goes on, since when it began, with another text.
void progress_step(const char *format, ...) __attribute__((format(printf, 1, 2)));

// So much of it is done. Cheap enough for every few microseconds.
void progress_share(uint64_t done, uint64_t total);

// Nothing is done now; takes the line away.
void progress_end(void);

#endif
