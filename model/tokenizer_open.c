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
  char *pieces = model_path(path, "tokenizer.model");
  int status = inside && pieces ? DUPLEX_OK : model_no_memory(error);
  if (!status && stat(inside, &info) != 0 && stat(pieces, &info) == 0)
    status = model_fail(error, DUPLEX_ERROR_NOT_AVAILABLE,
                        "%s: SentencePiece's own file is not read: expected tokenizer.json beside it, which "
                        "save_pretrained of transformers writes, or token numbers (--prompt-ids)",
                        pieces);
  if (!status) status = open_file(inside, true, tokenizer, error);
  free(inside);
  free(pieces);
  return status;
}
