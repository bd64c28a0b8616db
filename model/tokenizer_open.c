// SPDX-License-Identifier: Apache-2.0
// Opens the tokenizer of a folder or of a GGUF file.
#include <stdlib.h>
#include <sys/stat.h>

#include "model/file.h"
#include "model/tokenizer.h"

static int open_file(const char *path, bool json, struct model_tokenizer **tokenizer,
                     struct model_error *error) {
  struct model_files files = {0};
  struct model_file file;
  int status = model_file_map(&files, path, &file, error);
  if (!status)
    status = json ? model_tokenizer_read_json(file.bytes, file.size, file.path, tokenizer, error)
                  : model_tokenizer_read_gguf(file.bytes, file.size, file.path, tokenizer, error);
  model_files_close(&files);
  return status;
}

int model_tokenizer_open(const char *path, struct model_tokenizer **tokenizer, struct model_error *error) {
  struct stat info;
  *tokenizer = NULL;
  if (stat(path, &info) != 0 || !S_ISDIR(info.st_mode)) return open_file(path, false, tokenizer, error);
  char *inside = model_path(path, "tokenizer.json");
  const int status = inside ? open_file(inside, true, tokenizer, error) : model_no_memory(error);
  free(inside);
  return status;
}
