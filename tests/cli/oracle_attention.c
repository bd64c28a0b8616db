// SPDX-License-Identifier: Apache-2.0
// Exact attention of .npy files by GMP: usage: oracle_attention Q.npy K.npy V.npy LENGTHS SCALE OUT.npy
// p16|p32 Q[B,Hq,D], K,V[B,Hkv,L,D] <f2 of version 1; LENGTHS: B numbers with commas; SCALE: 0 for 1/sqrt(D).
// tests/attention has the rules.
#include "tests/attention/oracle_attention.h"

#include <stdio.h>

struct tensor {
  unsigned long shape[4];
  uint16_t *data;
  char header[65536];
  size_t header_bytes;
};

static void die(const char *text) {
  fprintf(stderr, "oracle_attention: %s\n", text);
  exit(2);
}

static void load(const char *path, struct tensor *t) {
  FILE *file = fopen(path, "rb");
  if (!file || fread(t->header, 1, 10, file) != 10) die(path);
  const size_t length = (unsigned char)t->header[8] + 256u * (unsigned char)t->header[9];
  if (fread(t->header + 10, 1, length, file) != length) die(path);
  t->header[10 + length] = 0;
  t->header_bytes = 10 + length;
  unsigned long *n = t->shape;
  const char *shape = strstr(t->header + 10, "'shape': (");
  n[0] = n[1] = n[2] = n[3] = 1;
  if (!shape || sscanf(shape, "'shape': (%lu, %lu, %lu, %lu)", &n[0], &n[1], &n[2], &n[3]) < 3) die(path);
  const size_t count = n[0] * n[1] * n[2] * n[3];
  t->data = malloc(count * sizeof *t->data);
  if (!t->data || fread(t->data, sizeof *t->data, count, file) != count) die(path);
  fclose(file);
}

int main(int argc, char **argv) {
  static struct tensor q, k, v;
  if (argc != 8) die("usage: oracle_attention Q K V LENGTHS SCALE OUT p16|p32");
  load(argv[1], &q), load(argv[2], &k), load(argv[3], &v);
  const size_t heads = k.shape[1];
  const size_t positions = k.shape[2];
  const size_t group = q.shape[1] / heads;
  const unsigned d = (unsigned)q.shape[2];
  const float c = oracle_scale(strtod(argv[5], NULL), d);
  FILE *out = fopen(argv[6], "wb");
  if (!out) die(argv[6]);
  fwrite(q.header, 1, q.header_bytes, out);
  char *at = argv[4];
  for (size_t sequence = 0; sequence < q.shape[0]; sequence++, at++) {
    const size_t length = strtoul(at, &at, 10);
    for (size_t query = 0; query < q.shape[1]; query++) {
      uint16_t o[DUPLEX_HEAD_SIZE_MAX];
      const size_t kv = (sequence * heads + query / group) * positions * d;
      oracle_attention_of(q.data + (sequence * q.shape[1] + query) * d, k.data + kv, v.data + kv, length, d,
                          c, strcmp(argv[7], "p32") == 0, o);
      fwrite(o, sizeof *o, d, out);
    }
  }
  return fclose(out) == 0 ? 0 : 2;
}
