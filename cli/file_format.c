// SPDX-License-Identifier: Apache-2.0
// Endings of file names against what a file will hold: one that is known for another format is refused, any
// other is taken.
#include "cli/file_format.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

static const struct {
  const char *endings, *expected;
} formats[] = {
    [OUTPUT_TENSOR] = {" npy ", "its ending says another format than .npy, which it would hold"},
    [OUTPUT_JSON] = {" json txt log ", "its ending says another format than .json, which it would hold"},
    [OUTPUT_TEXT] = {" txt text log trace ",
                     "its ending says another format than the text that it would hold"},
    [OUTPUT_PICTURE] = {" svg ", "its ending says another format than .svg, which it would hold"},
    [OUTPUT_TABLE] = {" csv txt ", "its ending says another format than .csv, which it would hold"},
    [OUTPUT_WAVE] = {" fst ", "its ending says another format than .fst, which it would hold"},
};

// Endings that say a format; each may be that of one of the outputs.
static const char known[] =
    " npy npz npz csv tsv json jsonl ndjson yaml yml toml xml html md txt text log trace fst vcd evcd fsdb "
    "lxt "
    "lxt2 vzt ghw wlf shm saif h5 hdf5 mat pkl pickle pt pth safetensors onnx gguf parquet arrow feather "
    "xlsx "
    "bmp png jpg svg pdf wav zip gz bz2 xz zst tar elf so a o c h v sv vh py sh act preset ";

// The word is one of a list with spaces around each.
static bool is_in(const char *list, const char *word) {
  const size_t length = strlen(word);
  for (const char *at = list; (at = strcasestr(at, word)); at++)
    if (at[-1] == ' ' && at[length] == ' ') return true;
  return false;
}

const char *file_format_wrong(const char *path, enum output_format format) {
  const char *slash = strrchr(path, '/');
  const char *dot = strrchr(slash ? slash + 1 : path, '.');
  if (!dot || !dot[1] || strchr(dot, ' ')) return NULL;
  return is_in(known, dot + 1) && !is_in(formats[format].endings, dot + 1) ? formats[format].expected : NULL;
}
