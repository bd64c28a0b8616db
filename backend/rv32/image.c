// SPDX-License-Identifier: Apache-2.0
// Reads the firmware's ELF file: segments, entry, functions.
#include "backend/rv32/image.h"

#include <elf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "duplex/arithmetic.h"

#define FILE_BYTES_MOST (16u << 20)

// What is wrong with the file; false.
__attribute__((format(printf, 2, 3))) static bool say(char wrong[IMAGE_TEXT_BYTES], const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(wrong, IMAGE_TEXT_BYTES, format, arguments);
  va_end(arguments);
  return false;
}

// `bytes` of the file from `offset` on; NULL if they are not there. Of any alignment.
static const uint8_t *part(const struct image *image, uint64_t offset, uint64_t bytes) {
  return offset <= image->size && bytes <= image->size - offset ? image->file + offset : NULL;
}

// The rules of ELF for a segment that is loaded.
static bool check_segment(const struct image *image, unsigned number, const Elf32_Phdr *header,
                          char wrong[IMAGE_TEXT_BYTES]) {
  if (header->p_filesz > header->p_memsz)
    return say(wrong, "segment %u has %u bytes in the file and %u in memory: expected no more in the file",
               number, header->p_filesz, header->p_memsz);
  if (!part(image, header->p_offset, header->p_filesz))
    return say(wrong, "segment %u of %u bytes at byte %u lies outside the file of %zu bytes", number,
               header->p_filesz, header->p_offset, image->size);
  if (header->p_align & (header->p_align - 1))
    return say(wrong, "segment %u has the alignment %u: expected a power of two", number, header->p_align);
  if (header->p_align > 1 && (header->p_vaddr - header->p_offset) % header->p_align)
    return say(wrong, "segment %u: address 0x%x and byte 0x%x of the file differ modulo its alignment 0x%x",
               number, header->p_vaddr, header->p_offset, header->p_align);
  if (header->p_memsz && header->p_vaddr > UINT32_MAX - (header->p_memsz - 1))
    return say(wrong, "segment %u of %u bytes at 0x%x leaves the 32-bit addresses", number, header->p_memsz,
               header->p_vaddr);
  return true;
}

static int by_place(const void *a, const void *b) {
  const struct segment *x = a;
  const struct segment *y = b;
  return x->address < y->address ? -1 : x->address > y->address;
}

// Of segments in the order of their addresses, no two share a byte.
static bool check_overlap(const struct image *image, char wrong[IMAGE_TEXT_BYTES]) {
  for (unsigned i = 1; i < image->segments; i++) {
    const struct segment *one = &image->segment[i - 1];
    const struct segment *next = &image->segment[i];
    if (next->address - one->address < one->memory_bytes)
      return say(wrong, "segments %u and %u overlap at 0x%x", one->number, next->number, next->address);
  }
  return true;
}

// The entry lies in a segment that can be executed, where an instruction can be.
static bool check_entry(const struct image *image, char wrong[IMAGE_TEXT_BYTES]) {
  if (image->entry % 2) return say(wrong, "its entry 0x%x is odd", image->entry);
  for (unsigned i = 0; i < image->segments; i++) {
    const struct segment *s = &image->segment[i];
    if (s->executable && image->entry - s->address < s->bytes) return true;
  }
  return say(wrong, "its entry 0x%x lies in no segment that can be executed", image->entry);
}

// The segments to load.
static bool read_segments(struct image *image, const Elf32_Ehdr *header, char wrong[IMAGE_TEXT_BYTES]) {
  if (header->e_phnum == 0) return say(wrong, "it has no segment to load");
  if (header->e_phentsize != sizeof(Elf32_Phdr))
    return say(wrong, "its table of segments has entries of %u bytes: expected %zu", header->e_phentsize,
               sizeof(Elf32_Phdr));
  const uint8_t *table = part(image, header->e_phoff, (uint64_t)header->e_phnum * sizeof(Elf32_Phdr));
  if (!table)
    return say(wrong, "its table of %u segments at byte %u lies outside the file of %zu bytes",
               header->e_phnum, header->e_phoff, image->size);
  image->segment = calloc(header->e_phnum, sizeof *image->segment);
  if (!image->segment) return say(wrong, "too little memory to read its segments");
  for (unsigned i = 0; i < header->e_phnum; i++) {
    Elf32_Phdr entry;
    memcpy(&entry, table + i * sizeof entry, sizeof entry);
    if (entry.p_type == PT_INTERP || entry.p_type == PT_DYNAMIC)
      return say(wrong, "it is linked dynamically: expected a static program");
    if (entry.p_type != PT_LOAD) continue;
    if (!check_segment(image, i, &entry, wrong)) return false;
    if (entry.p_memsz == 0) continue;
    image->segment[image->segments++] = (struct segment){i,
                                                         entry.p_vaddr,
                                                         entry.p_filesz,
                                                         entry.p_memsz,
                                                         part(image, entry.p_offset, entry.p_filesz),
                                                         (entry.p_flags & PF_X) != 0};
  }
  if (image->segments == 0) return say(wrong, "it has no segment to load");
  qsort(image->segment, image->segments, sizeof *image->segment, by_place);
  return check_overlap(image, wrong) && check_entry(image, wrong);
}

static int by_address(const void *a, const void *b) {
  const struct function *x = a;
  const struct function *y = b;
  return x->address < y->address ? -1 : x->address > y->address;
}

// Functions of the symbol table, in the order of their addresses.
static void read_functions(struct image *image, const Elf32_Shdr *symbols, const Elf32_Shdr *strings) {
  const uint8_t *table = part(image, symbols->sh_offset, symbols->sh_size);
  const uint8_t *names = part(image, strings->sh_offset, strings->sh_size);
  const size_t count = symbols->sh_size / sizeof(Elf32_Sym);
  // Names without an end are no names.
  if (!table || !names || strings->sh_size == 0 || names[strings->sh_size - 1] != 0) return;
  image->function = calloc(count + 1, sizeof *image->function);
  for (size_t i = 0; image->function && i < count; i++) {
    Elf32_Sym symbol;
    memcpy(&symbol, table + i * sizeof symbol, sizeof symbol);
    if (ELF32_ST_TYPE(symbol.st_info) != STT_FUNC || symbol.st_name >= strings->sh_size) continue;
    image->function[image->functions++] =
        (struct function){symbol.st_value, symbol.st_size, (const char *)names + symbol.st_name};
  }
  if (image->function) qsort(image->function, image->functions, sizeof *image->function, by_address);
}

// A file without symbols runs too; it only says less about itself.
static void read_symbols(struct image *image, const Elf32_Ehdr *header) {
  const uint8_t *table = part(image, header->e_shoff, (uint64_t)header->e_shnum * sizeof(Elf32_Shdr));
  if (!table || header->e_shentsize != sizeof(Elf32_Shdr)) return;
  for (unsigned i = 0; i < header->e_shnum; i++) {
    Elf32_Shdr symbols, strings;
    memcpy(&symbols, table + i * sizeof symbols, sizeof symbols);
    if (symbols.sh_type != SHT_SYMTAB || symbols.sh_link >= header->e_shnum) continue;
    memcpy(&strings, table + symbols.sh_link * sizeof strings, sizeof strings);
    read_functions(image, &symbols, &strings);
    return;
  }
}

// The header is that of a static program for RV32.
static bool check_header(const struct image *image, Elf32_Ehdr *header, char wrong[IMAGE_TEXT_BYTES]) {
  const uint8_t *ident = part(image, 0, EI_NIDENT);
  if (image->size == 0) return say(wrong, "it is empty");
  if (memcmp(image->file, ELFMAG, duplex_smaller(image->size, SELFMAG)) != 0)
    return say(wrong, "it is no ELF file");
  if (!ident || (ident[EI_CLASS] == ELFCLASS32 && image->size < sizeof *header))
    return say(wrong, "it ends at byte %zu, within its header", image->size);
  if (ident[EI_CLASS] != ELFCLASS32)
    return say(wrong, "its class is %u, %s: expected 1, 32-bit", ident[EI_CLASS],
               ident[EI_CLASS] == ELFCLASS64 ? "64-bit" : "unknown");
  if (ident[EI_DATA] != ELFDATA2LSB)
    return say(wrong, "its byte order is %u, %s: expected 1, little-endian", ident[EI_DATA],
               ident[EI_DATA] == ELFDATA2MSB ? "big-endian" : "unknown");
  memcpy(header, image->file, sizeof *header);
  if (ident[EI_VERSION] != EV_CURRENT || header->e_version != EV_CURRENT)
    return say(wrong, "it is of version %u of ELF: expected 1", header->e_version);
  if (header->e_machine != EM_RISCV)
    return say(wrong, "it is for machine %u: expected %u, RISC-V", header->e_machine, EM_RISCV);
  if (header->e_type != ET_EXEC)
    return say(wrong, "its type is %u: expected 2, a program at fixed addresses", header->e_type);
  return true;
}

bool image_parse(struct image *image, uint8_t *file, size_t size, char wrong[IMAGE_TEXT_BYTES]) {
  Elf32_Ehdr header;
  *image = (struct image){.file = file, .size = size};
  if (!check_header(image, &header, wrong)) return false;
  image->entry = header.e_entry;
  if (!read_segments(image, &header, wrong)) return false;
  read_symbols(image, &header);
  return true;
}

bool image_read(struct image *image, const char *path, char wrong[IMAGE_TEXT_BYTES]) {
  *image = (struct image){0};
  FILE *file = fopen(path, "rb");
  if (!file) return say(wrong, "%s", strerror(errno));
  uint8_t *bytes = malloc(FILE_BYTES_MOST);
  const size_t size = bytes ? fread(bytes, 1, FILE_BYTES_MOST, file) : 0;
  const int error = bytes && ferror(file) ? errno : 0;
  fclose(file);
  if (bytes && !error && size < FILE_BYTES_MOST) return image_parse(image, bytes, size, wrong);
  free(bytes);
  if (!bytes) return say(wrong, "too little memory to read it");
  return error ? say(wrong, "%s", strerror(error)) : say(wrong, "it is larger than 16 MB");
}

void image_free(struct image *image) {
  free(image->file);
  free(image->segment);
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
