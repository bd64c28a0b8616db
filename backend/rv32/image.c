// SPDX-License-Identifier: Apache-2.0
// Reads the firmware's ELF file: segments, entry, functions.
#include "backend/rv32/image.h"

#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_BYTES_MOST (16u << 20)

// `bytes` of the file from `offset` on; NULL if they are not there or not aligned for 32-bit words.
static const void *part(const struct image *image, uint64_t offset, uint64_t bytes) {
  return offset % 4 == 0 && offset <= image->size && bytes <= image->size - offset ? image->file + offset
                                                                                   : NULL;
}

// The segments to load; false: *wrong says what is wrong with them.
static bool read_segments(struct image *image, const Elf32_Ehdr *header, const char **wrong) {
  const Elf32_Phdr *table = part(image, header->e_phoff, (uint64_t)header->e_phnum * sizeof *table);
  if (!table || header->e_phentsize != sizeof *table)
    return *wrong = "the table of its segments is damaged", false;
  for (unsigned i = 0; i < header->e_phnum; i++) {
    if (table[i].p_type != PT_LOAD || table[i].p_memsz == 0) continue;
    const uint8_t *contents = part(image, table[i].p_offset, table[i].p_filesz);
    if (table[i].p_filesz == 0) contents = image->file;
    if (!contents || table[i].p_filesz > table[i].p_memsz)
      return *wrong = "a segment lies outside the file", false;
    if (image->segments == IMAGE_SEGMENTS) return *wrong = "it has too many segments", false;
    image->segment[image->segments++] =
        (struct segment){table[i].p_vaddr, table[i].p_filesz, table[i].p_memsz, contents};
  }
  return image->segments ? true : (*wrong = "it has no segment to load", false);
}

static int by_address(const void *a, const void *b) {
  const struct function *x = a;
  const struct function *y = b;
  return x->address < y->address ? -1 : x->address > y->address;
}

// Functions of the symbol table, in the order of their addresses.
static void read_functions(struct image *image, const Elf32_Shdr *symbols, const Elf32_Shdr *strings) {
  const Elf32_Sym *symbol = part(image, symbols->sh_offset, symbols->sh_size);
  const uint8_t *names =
      strings->sh_offset <= image->size && strings->sh_size <= image->size - strings->sh_offset
          ? image->file + strings->sh_offset
          : NULL;
  const size_t count = symbols->sh_size / sizeof *symbol;
  // Names without an end are no names.
  if (!symbol || !names || strings->sh_size == 0 || names[strings->sh_size - 1] != 0) return;
  image->function = calloc(count + 1, sizeof *image->function);
  for (size_t i = 0; image->function && i < count; i++) {
    if (ELF32_ST_TYPE(symbol[i].st_info) != STT_FUNC || symbol[i].st_name >= strings->sh_size) continue;
    image->function[image->functions++] =
        (struct function){symbol[i].st_value, symbol[i].st_size, (const char *)names + symbol[i].st_name};
  }
  if (image->function) qsort(image->function, image->functions, sizeof *image->function, by_address);
}

// A file without symbols runs too; it only says less about itself.
static void read_symbols(struct image *image, const Elf32_Ehdr *header) {
  const Elf32_Shdr *table = part(image, header->e_shoff, (uint64_t)header->e_shnum * sizeof *table);
  if (!table || header->e_shentsize != sizeof *table) return;
  for (unsigned i = 0; i < header->e_shnum; i++) {
    if (table[i].sh_type != SHT_SYMTAB || table[i].sh_link >= header->e_shnum) continue;
    read_functions(image, &table[i], &table[table[i].sh_link]);
    return;
  }
}

bool image_parse(struct image *image, uint8_t *file, size_t size, const char **wrong) {
  *image = (struct image){.file = file, .size = size};
  const Elf32_Ehdr *header = part(image, 0, sizeof *header);
  if (!header || memcmp(header->e_ident, ELFMAG, SELFMAG) != 0) return *wrong = "it is no ELF file", false;
  if (header->e_ident[EI_CLASS] != ELFCLASS32 || header->e_ident[EI_DATA] != ELFDATA2LSB ||
      header->e_machine != EM_RISCV || header->e_type != ET_EXEC)
    return *wrong = "it is no program for RV32", false;
  image->entry = header->e_entry;
  if (!read_segments(image, header, wrong)) return false;
  read_symbols(image, header);
  return true;
}

bool image_read(struct image *image, const char *path, const char **wrong) {
  *image = (struct image){0};
  FILE *file = fopen(path, "rb");
  if (!file) return *wrong = strerror(errno), false;
  uint8_t *bytes = malloc(FILE_BYTES_MOST);
  const size_t size = bytes ? fread(bytes, 1, FILE_BYTES_MOST, file) : 0;
  const bool whole = bytes && !ferror(file) && size < FILE_BYTES_MOST;
  fclose(file);
  if (whole) return image_parse(image, bytes, size, wrong);
  free(bytes);
  return *wrong = "it cannot be read, or is larger than 16 MB", false;
}

void image_free(struct image *image) {
  free(image->file);
  free(image->function);
  *image = (struct image){0};
}

const struct function *image_function(const struct image *image, uint32_t address) {
  size_t low = 0;
  size_t high = image->functions;
  while (low < high) {
    const size_t middle = (low + high) / 2;
    if (image->function[middle].address <= address) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  if (low == 0) return NULL;
  const struct function *function = &image->function[low - 1];
  return address - function->address < function->bytes ? function : NULL;
}
