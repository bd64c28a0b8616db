// SPDX-License-Identifier: Apache-2.0
// Shares independent pieces of work among threads.
#ifndef XPU_PARALLEL_H
#define XPU_PARALLEL_H

#include <stddef.h>

// Calls work(context, thread, piece) once for each piece 0 to pieces - 1, on up to `threads` threads (0:
// one), the caller's among them; `thread` counts from 0 and is the same for all pieces of one thread. Which
// thread takes a piece is not defined. Returns when all pieces are done. Threads that cannot be started are
// missed by nobody: the others do their pieces.
void xpu_parallel(unsigned threads, size_t pieces, void (*work)(void *context, unsigned thread, size_t piece),
                  void *context);

#endif
