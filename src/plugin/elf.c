/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Just enough of ELF (System V gABI, chapters 4 and 5) to read sixteen bytes
 * behind a symbol of a 64-bit little-endian shared object.
 */
#include "plugin/loader.h"

#include <string.h>

#include "base/bytes.h"
#include "base/util.h"

#define SHT_DYNSYM 11
#define PT_LOAD 1
#define ET_DYN 3
#define SHDR_SIZE 64
#define PHDR_SIZE 56
#define SYM_SIZE 24

/* e_machine of this program. */
#if defined(__x86_64__)
#define OUR_MACHINE 62
#elif defined(__aarch64__)
#define OUR_MACHINE 183
#else
#define OUR_MACHINE 0
#endif

struct elf {
	const uint8_t *data;
	size_t len;
	uint64_t phoff, shoff;
	unsigned int phnum, shnum;
};

static const char *read_header(struct elf *elf, const char **ret_mend)
{
	static const uint8_t magic[] = {0x7f, 'E', 'L', 'F', 2, 1};
	const uint8_t *p = elf->data;
	*ret_mend = "build it as a shared object of this machine (man "
		    "vadose-plugin), or take it out of the folder";
	if (elf->len < 64 || memcmp(p, magic, sizeof(magic)) ||
	    vds_le16(p + 16) != ET_DYN)
		return "it is no 64-bit shared object";
	if (vds_le16(p + 18) != OUR_MACHINE)
		return "it was built for another processor";
	*ret_mend = "copy or build it anew (man vadose-plugin)";
	elf->phoff = vds_le64(p + 32);
	elf->shoff = vds_le64(p + 40);
	elf->phnum = vds_le16(p + 56);
	elf->shnum = vds_le16(p + 60);
	if (vds_le16(p + 54) != PHDR_SIZE || vds_le16(p + 58) != SHDR_SIZE ||
	    !vds_fits(elf->phoff, (uint64_t)elf->phnum * PHDR_SIZE, elf->len) ||
	    !vds_fits(elf->shoff, (uint64_t)elf->shnum * SHDR_SIZE, elf->len))
		return "its ELF headers are broken";
	return NULL;
}

/* Offset and size of section @index if they lie in the file. */
static bool section(const struct elf *elf, uint32_t index, uint64_t *ret_offset,
		    uint64_t *ret_size)
{
	if (index >= elf->shnum)
		return false;
	const uint8_t *p = elf->data + elf->shoff +
			   (uint64_t)index * SHDR_SIZE;
	*ret_offset = vds_le64(p + 24);
	*ret_size = vds_le64(p + 32);
	return vds_fits(*ret_offset, *ret_size, elf->len);
}

static bool name_is(const struct elf *elf, uint64_t strings, uint64_t size,
		    uint32_t name, const char *symbol)
{
	size_t len = strlen(symbol) + 1;
	return vds_fits(name, len, size) &&
	       !memcmp(elf->data + strings + name, symbol, len);
}

/* Virtual address of the defined symbol in one table; 0 if it isn't there. */
static uint64_t find_in(const struct elf *elf, const uint8_t *header,
			const char *symbol)
{
	uint64_t table = vds_le64(header + 24), size = vds_le64(header + 32);
	uint64_t strings, strings_size;
	if (!vds_fits(table, size, elf->len) ||
	    !section(elf, vds_le32(header + 40), &strings, &strings_size))
		return 0;
	for (uint64_t at = 0; at + SYM_SIZE <= size; at += SYM_SIZE) {
		const uint8_t *p = elf->data + table + at;
		if (vds_le16(p + 6) &&	/* defined here */
		    name_is(elf, strings, strings_size, vds_le32(p), symbol))
			return vds_le64(p + 8);
	}
	return 0;
}

static uint64_t find_symbol(const struct elf *elf, const char *symbol)
{
	for (unsigned int i = 0; i < elf->shnum; i++) {
		const uint8_t *p = elf->data + elf->shoff +
				   (uint64_t)i * SHDR_SIZE;
		if (vds_le32(p + 4) != SHT_DYNSYM)
			continue;
		uint64_t va = find_in(elf, p, symbol);
		if (va)
			return va;
	}
	return 0;
}

/* The 16 bytes at @va, if they come from the file. */
static const uint8_t *bytes_at(const struct elf *elf, uint64_t va)
{
	for (unsigned int i = 0; i < elf->phnum; i++) {
		const uint8_t *p = elf->data + elf->phoff +
				   (uint64_t)i * PHDR_SIZE;
		uint64_t offset = vds_le64(p + 8), start = vds_le64(p + 16);
		uint64_t size = vds_le64(p + 32), at;
		if (vds_le32(p) != PT_LOAD || va < start ||
		    !vds_fits(va - start, 16, size) ||
		    !vds_add_u64(offset, va - start, &at) ||
		    !vds_fits(at, 16, elf->len))
			continue;
		return elf->data + at;
	}
	return NULL;
}

const char *vds_elf_header(const void *data, size_t len, const char *symbol,
			   struct vds_abi_header *ret, const char **ret_mend)
{
	struct elf elf = {.data = data, .len = len};
	const char *fault = read_header(&elf, ret_mend);
	if (fault)
		return fault;
	*ret_mend = "file name, VDS_PLUGIN(name) and symbol are one word; see "
		    "man vadose-plugin";
	uint64_t va = find_symbol(&elf, symbol);
	if (!va)
		return "it has no descriptor of its own name";
	const uint8_t *p = bytes_at(&elf, va);
	if (!p)
		return "its descriptor isn't in the file";
	*ret = (struct vds_abi_header){
		.major = vds_le32(p),
		.minor = vds_le32(p + 4),
		.size = vds_le32(p + 8),
		.flags = vds_le32(p + 12),
	};
	return NULL;
}
