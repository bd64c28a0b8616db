#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The C programs of `make bench` compile without a warning: `make test` does not link them, since OpenBLAS is only theirs.
# usage: tests/lint/benches.sh BUILD    a header with what the benches use stands in for that of whichever BLAS is there
set -u
cd "$(dirname "$0")/../.." || exit 1
stand_in=$1/lint/benches
mkdir -p "$stand_in"
cat >"$stand_in/cblas.h" <<'END'
enum { CblasRowMajor = 101, CblasNoTrans = 111, CblasTrans = 112 };
void cblas_sgemm(int order, int trans_a, int trans_b, int m, int n, int k, float alpha, const float *a, int lda, const float *b, int ldb,
                 float beta, float *c, int ldc);
void cblas_sgemv(int order, int trans, int m, int n, float alpha, const float *a, int lda, const float *x, int step_x, float beta,
                 float *y, int step_y);
void cblas_saxpy(int n, float a, const float *x, int step_x, float *y, int step_y);
float cblas_sdot(int n, const float *x, int step_x, const float *y, int step_y);
char *openblas_get_corename(void);
END
failed=0 read=0
for bench in testbench/speed/*.c; do
  ${CC:-cc} -std=c11 -D_GNU_SOURCE -Wall -Wextra -Werror -I"$stand_in" -Iinclude -I. -fsyntax-only "$bench" || failed=$((failed + 1))
  read=$((read + 1))
done
echo "benches: $read read, $failed do not compile"
[ $failed = 0 ] && [ $read -gt 0 ]
