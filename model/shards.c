// SPDX-License-Identifier: Apache-2.0
// The .safetensors of a folder: one file, or shards with an index.
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "model/json.h"
#include "model/safetensors.h"

#define SINGLE "model.safetensors"

// Maps a file of the folder and adds its tensors; *first is the index of its first one.
static int open_file(const char *folder, const char *name, struct model_files *files,
                     struct model_tensors *tensors, size_t *first, struct model_error *error) {
  char *path = model_path(folder, name);
  if (!path) return model_no_memory(error);
  struct model_file file;
  int status = model_file_map(files, path, &file, error);
  free(path);
  *first = tensors->count;
  return status ? status : model_safetensors_read(file.bytes, file.size, file.path, tensors, error);
}

// A name of a file in the folder itself.
static bool is_plain_name(const char *name) {
  return name[0] && !strchr(name, '/') && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

// Whether a shard before this one of the map has the same name.
static bool was_opened(const struct model_files *files, const char *folder, const char *name) {
  const size_t length = strlen(folder);
  for (size_t i = 0; i < files->count; i++) {
    const char *path = files->list[i].path;
    if (strncmp(path, folder, length) == 0 && path[length] == '/' && strcmp(path + length + 1, name) == 0)
      return true;
  }
  return false;
}

// The tensors of one shard are those that the map gives to it.
static int check_shard(const json_t *map, const char *name, const struct model_tensors *tensors, size_t first,
                       struct model_error *error) {
  for (size_t i = first; i < tensors->count; i++) {
    const struct model_tensor *tensor = &tensors->list[i];
    const char *shard = json_string_value(json_object_get(map, tensor->name));
    if (!shard || strcmp(shard, name) != 0)
      return model_fail(error, DUPLEX_ERROR_FORMAT, "%s: tensor '%.128s': the index has it %s%.128s",
                        tensor->file, tensor->name, shard ? "in " : "nowhere", shard ? shard : "");
  }
  return DUPLEX_OK;
}

// Each tensor of the map is in one of the files.
static int check_map(json_t *map, const char *index, struct model_tensors *tensors,
                     struct model_error *error) {
  const char *key;
  const json_t *value;
  const int status = model_tensors_sort(tensors, error);
  if (status) return status;
  json_object_foreach(map, key, value) {
    if (!model_tensors_find(tensors, key))
      return model_fail(error, DUPLEX_ERROR_FORMAT, "%s: tensor '%.128s': is not in its file '%.128s'", index,
                        key, json_string_value(value));
  }
  return DUPLEX_OK;
}

// Opens each file that the index names, once; every tensor lies where the index says.
static int open_shards(const char *folder, const char *index, json_t *map, struct model_files *files,
                       struct model_tensors *tensors, struct model_error *error) {
  const char *key;
  const json_t *value;
  if (!json_is_object(map))
    return model_fail(error, DUPLEX_ERROR_FORMAT, "%s: weight_map: expected an object", index);
  json_object_foreach(map, key, value) {
    const char *name = json_string_value(value);
    if (!name || !is_plain_name(name))
      return model_fail(error, DUPLEX_ERROR_FORMAT,
                        "%s: tensor '%.128s': '%.128s': expected the name of a file in the same folder",
                        index, key, name ? name : "");
    if (was_opened(files, folder, name)) continue;
    size_t first;
    int status = open_file(folder, name, files, tensors, &first, error);
    if (!status) status = check_shard(map, name, tensors, first, error);
    if (status) return status;
  }
  return check_map(map, index, tensors, error);
}

static int open_index(const char *folder, const char *path, struct model_files *files,
                      struct model_tensors *tensors, struct model_error *error) {
  struct model_file file;
  int status = model_file_map(files, path, &file, error);
  if (status) return status;
  json_t *root = model_json_parse_file((const char *)file.bytes, file.size, path, error);
  if (!root) return DUPLEX_ERROR_FORMAT;
  status = open_shards(folder, path, json_object_get(root, "weight_map"), files, tensors, error);
  json_decref(root);
  return status;
}

static bool is_there(const char *path) { return access(path, F_OK) == 0; }

// Opens the index or, without one, the single file. Of a folder with both nobody can say which weights are
// meant: transformers would take the single file, other readers the shards.
static int open_source(const char *folder, const char *index, const char *single, struct model_files *files,
                       struct model_tensors *tensors, struct model_error *error) {
  size_t first;
  if (is_there(index) && is_there(single))
    return model_fail(error, DUPLEX_ERROR_FORMAT, "%s: is there beside %s, expected one of them", single,
                      index);
  if (is_there(index)) return open_index(folder, index, files, tensors, error);
  const int status = open_file(folder, SINGLE, files, tensors, &first, error);
  return status ? status : model_tensors_sort(tensors, error);
}

int model_safetensors_open(const char *folder, struct model_files *files, struct model_tensors *tensors,
                           struct model_error *error) {
  char *index = model_path(folder, SINGLE ".index.json");
  char *single = model_path(folder, SINGLE);
  const int status =
      index && single ? open_source(folder, index, single, files, tensors, error) : model_no_memory(error);
  free(index);
  free(single);
  return status;
}
