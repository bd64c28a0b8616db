// SPDX-License-Identifier: Apache-2.0
// Matrices of a batch that stay on the stack.
#include "cli/resident.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "cli/messages.h"
#include "cli/npy.h"
#include "cli/stack_options.h"
#include "duplex/error.h"

static bool same_time(const struct timespec *a, const struct timespec *b) {
  return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

// The file has not changed. Its owner can set the time of its contents back, but not that of its status.
static bool same_file(const struct stat *a, const struct stat *b) {
  return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
         same_time(&a->st_mtim, &b->st_mtim) && same_time(&a->st_ctim, &b->st_ctim);
}

static void free_resident(struct session *session, struct resident *r) {
  duplex_stack_release(session->stack, r->weights);
  free(r->gate);
  free(r->path);
  free(r);
}

bool resident_evict(struct session *session, const struct resident *kept) {
  struct resident **last = NULL;
  for (struct resident **at = &session->residents; *at; at = &(*at)->next)
    if (*at != kept) last = at;
  if (!last) return false;
  struct resident *gone = *last;
  *last = gone->next;
  free_resident(session, gone);
  return true;
}

// A resident matrix of these files, which becomes the latest; NULL: there is none.
static struct resident *find(struct session *session, const struct stat *gate, const struct stat *info) {
  for (struct resident **at = &session->residents; *at; at = &(*at)->next) {
    struct resident *r = *at;
    if (!same_file(&r->info, info) || (gate != NULL) != (r->gate != NULL) ||
        (gate && !same_file(&r->gate_info, gate)))
      continue;
    *at = r->next;
    r->next = session->residents;
    return session->residents = r;
  }
  return NULL;
}

// Reads the files and brings them to the stack; others leave it, but not `kept`, while there is too little
// room.
static int upload(struct session *session, const char *gate_key, const char *key, struct resident *r,
                  const struct resident *kept) {
  struct tensor gate = {0};
  struct tensor matrix = {0};
  int status = npy_read_matrices(key, r->path, &r->matrices, &matrix);
  if (!status && r->gate) status = npy_read_matrices(gate_key, r->gate, &r->matrices, &gate);
  if (!status && r->gate && (gate.shape[0] != matrix.shape[0] || gate.shape[1] != matrix.shape[1]))
    status = fail(EXIT_BAD_INPUT, "%s %s: has another shape than %s %s", gate_key, r->gate, key, r->path);
  if (!status) {
    const size_t n = matrix.shape[0];
    const size_t k = matrix.shape[1];
    int error;
    do {
      if (r->matrices == 2)
        error = duplex_stack_upload_pair(session->stack, gate.data, matrix.data, n, k, &r->weights);
      else
        error = r->gate ? duplex_stack_upload_gated(session->stack, gate.data, matrix.data, n, k, NULL, NULL,
                                                    &r->weights)
                        : duplex_stack_upload(session->stack, matrix.data, n, k, NULL, &r->weights);
    } while (error == DUPLEX_ERROR_OUT_OF_SPACE && resident_evict(session, kept));
    r->n = n, r->k = k;
    if (error) status = stack_error(session->stack, error);
  }
  tensor_free(&gate);
  tensor_free(&matrix);
  return status;
}

// The matrix of files, brought to the stack if it is not there; `kept` must stay.
static int bring(struct session *session, const char *gate_key, const char *gate, const char *key,
                 const char *path, const struct resident *kept, struct resident **found) {
  struct stat gate_info, info;
  if (stat(path, &info) != 0) return fail(EXIT_BAD_INPUT, "%s %s: %s", key, path, strerror(errno));
  if (gate && stat(gate, &gate_info) != 0)
    return fail(EXIT_BAD_INPUT, "%s %s: %s", gate_key, gate, strerror(errno));
  *found = find(session, gate ? &gate_info : NULL, &info);
  if (*found) return EXIT_GOOD;
  struct resident *r = calloc(1, sizeof *r);
  if (!r) return fail(EXIT_BAD_INPUT, "too little memory");
  r->info = info;
  if (gate) r->gate_info = gate_info;
  r->path = strdup(path);
  r->gate = gate ? strdup(gate) : NULL;
  const int status = r->path && (!gate || r->gate) ? upload(session, gate_key, key, r, kept)
                                                   : fail(EXIT_BAD_INPUT, "no memory");
  if (status) {
    free_resident(session, r);
    return status;
  }
  session->uploaded++;
  r->next = session->residents;
  session->residents = *found = r;
  return EXIT_GOOD;
}

int resident_of(struct session *session, const char *gate_key, const char *gate, const char *key,
                const char *path, const struct resident *kept, struct resident **found) {
  const int status = bring(session, gate_key, gate, key, path, kept, found);
  if (status || (*found)->matrices == session->matrices) return status;
  return fail(EXIT_BAD_INPUT, "%s %s: has %u dimensions, expected those of x", key, path,
              (*found)->matrices + 1);
}
