// SPDX-License-Identifier: Apache-2.0
// Tokens a second of a dense Llama model without clocks, beside binary32 code on OpenBLAS with the same
// weights, in turns in one run, one thread each; and the cost of clocks. usage: model_bench MODEL [STEPS]
//
// Each step has one token of every sequence of the batch, and gives their logits. Times are those of the
// processor, loading is not measured. Tokens are drawn beforehand; logits of both sides have to be near each
// other.
#include <cblas.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "duplex/params.h"
#include "duplex/random.h"
#include "model/network.h"

enum { BATCH_MOST = 8, STEPS_USUAL = 6 };
#define NEAR 0.25  // largest difference of two logits, in deviations of all of them

// Matrices of one layer, row by row; vectors have one row.
struct dense_layer {
  float *attention_norm, *q, *k, *v, *o, *ffn_norm, *gate, *up, *down;
};

struct dense {
  const struct model_config *config;
  struct dense_layer *layers;
  float *embedding, *final_norm, *head;
  // Of a batch: rows, and keys and values [layer][sequence][position][kv heads * head size].
  float *x, *a, *q, *k, *v, *g, *u, *logits, *scores, *keys, *values;
  size_t room;  // positions
};

static void *take(size_t bytes) {
  void *memory = malloc(bytes);
  if (!memory) fprintf(stderr, "model_bench: too little memory\n"), exit(1);
  return memory;
}

static void check(int status, const struct model_error *error) {
  if (status) fprintf(stderr, "model_bench: %s\n", error->text), exit(1);
}

static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static float *read_part(const struct model *model, enum model_part part, unsigned layer) {
  size_t rows, columns;
  struct model_error error;
  if (!model_part_shape(model, part, layer, &rows, &columns)) return NULL;
  float *all = take(rows * columns * sizeof *all);
  for (size_t row = 0; row < rows; row++)
    check(model_row_read(model, part, layer, 0, row, (duplex_f32 *)(all + row * columns), &error), &error);
  return all;
}

// The same model in binary32, with a cache of `room` positions for each sequence.
static struct dense dense_open(const struct model *model, size_t room) {
  const struct model_config *config = model_config_of(model);
  const size_t q = (size_t)config->heads * config->head_size;
  const size_t k = (size_t)config->kv_heads * config->head_size;
  const size_t cache = (size_t)config->layers * BATCH_MOST * room * k;
  const size_t wide = BATCH_MOST * sizeof(float);
  struct dense d = {.config = config, .room = room, .layers = take(config->layers * sizeof *d.layers)};
  for (unsigned i = 0; i < config->layers; i++)
    d.layers[i] = (struct dense_layer){read_part(model, MODEL_ATTENTION_NORM, i),
                                       read_part(model, MODEL_Q, i),
                                       read_part(model, MODEL_K, i),
                                       read_part(model, MODEL_V, i),
                                       read_part(model, MODEL_O, i),
                                       read_part(model, MODEL_FFN_NORM, i),
                                       read_part(model, MODEL_GATE, i),
                                       read_part(model, MODEL_UP, i),
                                       read_part(model, MODEL_DOWN, i)};
  d.embedding = read_part(model, MODEL_EMBEDDING, 0);
  d.final_norm = read_part(model, MODEL_FINAL_NORM, 0);
  d.head = config->tied_embeddings ? d.embedding : read_part(model, MODEL_HEAD, 0);
  d.x = take(wide * config->hidden), d.a = take(wide * (config->hidden > q ? config->hidden : q));
  d.q = take(wide * q), d.k = take(wide * k), d.v = take(wide * k);
  d.g = take(wide * config->inner), d.u = take(wide * config->inner);
  d.logits = take(wide * config->vocabulary), d.scores = take(room * sizeof(float));
  d.keys = take(cache * sizeof(float)), d.values = take(cache * sizeof(float));
  return d;
}

static void dense_close(struct dense *d) {
  for (unsigned i = 0; i < d->config->layers; i++) {
    const struct dense_layer *l = &d->layers[i];
    float *const parts[] = {l->attention_norm, l->q, l->k, l->v, l->o, l->ffn_norm, l->gate, l->up, l->down};
    for (unsigned p = 0; p < sizeof parts / sizeof *parts; p++) free(parts[p]);
  }
  if (d->head != d->embedding) free(d->head);
  float *const rows[] = {d->embedding, d->final_norm, d->x,      d->a,      d->q,    d->k,     d->v,
                         d->g,         d->u,          d->logits, d->scores, d->keys, d->values};
  for (unsigned p = 0; p < sizeof rows / sizeof *rows; p++) free(rows[p]);
  free(d->layers);
}

// out[batch][rows] = x[batch][columns] by w[rows][columns], added to what is there if `add`.
static void multiply(size_t batch, const float *x, const float *w, size_t rows, size_t columns, bool add,
                     float *out) {
  if (batch == 1)
    cblas_sgemv(CblasRowMajor, CblasNoTrans, (int)rows, (int)columns, 1, w, (int)columns, x, 1, add, out, 1);
  else
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)batch, (int)rows, (int)columns, 1, x,
                (int)columns, w, (int)columns, add, out, (int)rows);
}

static void norm(const struct dense *d, size_t batch, const float *weight, float *out) {
  const size_t hidden = d->config->hidden;
  for (size_t b = 0; b < batch; b++) {
    const float *x = d->x + b * hidden;
    float squares = 0;
    for (size_t i = 0; i < hidden; i++) squares += x[i] * x[i];
    const float r = 1 / sqrtf(squares / (float)hidden + (float)d->config->norm_epsilon);
    for (size_t i = 0; i < hidden; i++) out[b * hidden + i] = x[i] * r * weight[i];
  }
}

static void rotate(const struct dense *d, float *head, size_t position) {
  const unsigned pairs = d->config->head_size / 2;
  for (unsigned i = 0; i < pairs; i++) {
    const double angle = (double)position * pow(d->config->rope.theta, -(double)i / pairs);
    const float c = (float)cos(angle);
    const float s = (float)sin(angle);
    const float even = head[i];
    const float odd = head[i + pairs];
    head[i] = even * c - odd * s;
    head[i + pairs] = odd * c + even * s;
  }
}

// One query head of a sequence over the positions so far.
static void attend_head(const struct dense *d, const float *q, const float *keys, const float *values,
                        size_t length, size_t stride, float *o) {
  const unsigned size = d->config->head_size;
  float most = -INFINITY;
  float sum = 0;
  for (size_t t = 0; t < length; t++) {
    d->scores[t] = cblas_sdot((int)size, q, 1, keys + t * stride, 1) / sqrtf((float)size);
    most = fmaxf(most, d->scores[t]);
  }
  memset(o, 0, size * sizeof *o);
  for (size_t t = 0; t < length; t++) {
    const float weight = expf(d->scores[t] - most);
    sum += weight;
    cblas_saxpy((int)size, weight, values + t * stride, 1, o, 1);
  }
  for (unsigned i = 0; i < size; i++) o[i] /= sum;
}

// Attention of one position of each sequence: rotates q and k, stores k and v, writes the heads to a.
static void attend(const struct dense *d, size_t batch, unsigned layer, size_t position) {
  const struct model_config *c = d->config;
  const size_t stride = (size_t)c->kv_heads * c->head_size;
  for (size_t b = 0; b < batch; b++) {
    const size_t at = ((size_t)layer * BATCH_MOST + b) * d->room * stride;
    float *q = d->q + b * c->heads * c->head_size;
    for (unsigned h = 0; h < c->heads; h++) rotate(d, q + h * c->head_size, position);
    for (unsigned h = 0; h < c->kv_heads; h++) rotate(d, d->k + b * stride + h * c->head_size, position);
    memcpy(d->keys + at + position * stride, d->k + b * stride, stride * sizeof(float));
    memcpy(d->values + at + position * stride, d->v + b * stride, stride * sizeof(float));
    for (unsigned h = 0; h < c->heads; h++) {
      const size_t kv = at + h / (c->heads / c->kv_heads) * c->head_size;
      attend_head(d, q + h * c->head_size, d->keys + kv, d->values + kv, position + 1, stride,
                  d->a + (b * c->heads + h) * c->head_size);
    }
  }
}

// One step of dense code: the logits of one token of each sequence.
static void dense_step(const struct dense *d, size_t batch, const uint32_t *tokens, size_t position) {
  const struct model_config *c = d->config;
  const size_t q = (size_t)c->heads * c->head_size;
  const size_t k = (size_t)c->kv_heads * c->head_size;
  for (size_t b = 0; b < batch; b++)
    memcpy(d->x + b * c->hidden, d->embedding + tokens[b] * (size_t)c->hidden, c->hidden * sizeof(float));
  for (unsigned i = 0; i < c->layers; i++) {
    const struct dense_layer *layer = &d->layers[i];
    norm(d, batch, layer->attention_norm, d->a);
    multiply(batch, d->a, layer->q, q, c->hidden, false, d->q);
    multiply(batch, d->a, layer->k, k, c->hidden, false, d->k);
    multiply(batch, d->a, layer->v, k, c->hidden, false, d->v);
    attend(d, batch, i, position);
    multiply(batch, d->a, layer->o, c->hidden, q, true, d->x);
    norm(d, batch, layer->ffn_norm, d->a);
    multiply(batch, d->a, layer->gate, c->inner, c->hidden, false, d->g);
    multiply(batch, d->a, layer->up, c->inner, c->hidden, false, d->u);
    for (size_t n = 0; n < batch * c->inner; n++) d->u[n] *= d->g[n] / (1 + expf(-d->g[n]));
    multiply(batch, d->u, layer->down, c->hidden, c->inner, true, d->x);
  }
  norm(d, batch, d->final_norm, d->a);
  multiply(batch, d->a, d->head, c->vocabulary, c->hidden, false, d->logits);
}

// One side of the comparison: a network with a sequence for each of the batch.
struct exact {
  struct network *network;
  struct network_sequence *sequences[BATCH_MOST];
  duplex_f32 *logits;  // [batch][vocabulary]
};

static struct exact exact_open(const struct model *model, size_t batch, size_t room, bool untimed) {
  const struct network_options options = {
      .backend = "cmodel",
      .device = {.stack = {.backend = {.channels = DUPLEX_CHANNELS}}, .threads = 1},
      .sequences = batch,
      .decode_positions = batch * room,
      .prefill_positions = batch * room,
      .untimed = untimed};
  struct exact e = {.logits = take(batch * model_config_of(model)->vocabulary * sizeof *e.logits)};
  struct model_error error;
  check(network_open(model, &options, &e.network, &error), &error);
  for (size_t b = 0; b < batch; b++)
    check(network_begin(e.network, b, room, &e.sequences[b], &error), &error);
  return e;
}

static void exact_close(struct exact *e, size_t batch) {
  for (size_t b = 0; b < batch; b++) network_end(e->sequences[b]);
  network_close(e->network);
  free(e->logits);
}

static void exact_step(const struct exact *e, size_t batch, const uint32_t *tokens, size_t position) {
  struct network_piece pieces[BATCH_MOST];
  struct model_error error;
  for (size_t b = 0; b < batch; b++)
    pieces[b] = (struct network_piece){.sequence = e->sequences[b],
                                       .tokens = tokens + b,
                                       .count = 1,
                                       .prompt_ends = position == 0,
                                       .logits = e->logits + b * network_config(e->network)->vocabulary};
  check(network_step(e->network, pieces, batch, &error), &error);
}

// The largest difference of logits of both sides, in deviations.
static double difference(const struct dense *d, const struct exact *e, size_t batch) {
  const size_t count = batch * d->config->vocabulary;
  double sum = 0;
  double squares = 0;
  double most = 0;
  for (size_t i = 0; i < count; i++) {
    float exact;
    memcpy(&exact, &e->logits[i], sizeof exact);
    sum += d->logits[i];
    squares += (double)d->logits[i] * d->logits[i];
    if (!(fabs((double)exact - d->logits[i]) <= most)) most = fabs((double)exact - d->logits[i]);
  }
  const double mean = sum / (double)count;
  return most / sqrt(squares / (double)count - mean * mean);
}

// Runs the same tokens in three ways and prints their rates; logits that are not near end the program.
static void measure(const struct model *model, const struct dense *d, size_t batch, size_t steps) {
  struct exact untimed = exact_open(model, batch, steps, true);
  struct exact timed = exact_open(model, batch, steps, false);
  struct duplex_random random;
  double of_dense = 0;
  double of_untimed = 0;
  double of_timed = 0;
  double most = 0;
  duplex_random_seed(&random, 1, batch);
  for (size_t step = 0; step < steps; step++) {
    uint32_t tokens[BATCH_MOST];
    for (size_t b = 0; b < batch; b++)
      tokens[b] = (uint32_t)duplex_random_below(&random, d->config->vocabulary);
    const double begin = seconds();
    dense_step(d, batch, tokens, step);
    const double dense = seconds();
    exact_step(&untimed, batch, tokens, step);
    const double exact = seconds();
    exact_step(&timed, batch, tokens, step);
    // The first step makes what later ones find.
    if (step) of_dense += dense - begin, of_untimed += exact - dense, of_timed += seconds() - exact;
    most = fmax(most, difference(d, &untimed, batch));
    if (!(most <= NEAR)) fprintf(stderr, "model_bench: logits differ by %g deviations\n", most), exit(1);
  }
  const double tokens = (double)(batch * (steps - 1));
  printf(
      "model, batch %zu: exact %.2f tokens/s, OpenBLAS in binary32 %.2f, %.2f times as fast; with clocks "
      "%.2f, %.2f times the time; logits within %.3f deviations\n",
      batch, tokens / of_untimed, tokens / of_dense, of_untimed / of_dense, tokens / of_timed,
      of_timed / of_untimed, most);
  exact_close(&untimed, batch);
  exact_close(&timed, batch);
}

int main(int argc, char **argv) {
  struct model *model;
  struct model_error error;
  const size_t steps = argc > 2 ? strtoull(argv[2], NULL, 10) : STEPS_USUAL;
  if (argc < 2 || steps < 2) fprintf(stderr, "usage: model_bench MODEL [STEPS, 2 or more]\n"), exit(2);
  check(model_open(argv[1], &model, &error), &error);
  const struct model_config *config = model_config_of(model);
  if (config->architecture != MODEL_LLAMA || config->qkv_bias || config->rope.type != MODEL_ROPE_DEFAULT)
    fprintf(stderr, "model_bench: %s: expected a Llama model without biases and scaled RoPE\n", argv[1]),
        exit(2);
  struct dense dense = dense_open(model, steps);
  measure(model, &dense, 1, steps);
  measure(model, &dense, BATCH_MOST, steps);
  dense_close(&dense);
  model_close(model);
  return 0;
}
