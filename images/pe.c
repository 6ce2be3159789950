/* SPDX-License-Identifier: Apache-2.0 */
#include "pe.h"

#include <string.h>

#include "base/bytes.h"

#define PE_OFFSET 0x80u
#define MACHINE_I386 0x14cu
#define MACHINE_AMD64 0x8664u
#define MAGIC_PE32 0x10bu
#define MAGIC_PE32_PLUS 0x20bu
/* Executable, large address aware or for 32-bit machines; and DLL. */
#define FILE_FLAGS 0x0022u
#define FILE_FLAGS_32 0x0102u
#define FILE_DLL 0x2000u
#define DIRECTORY_EXPORT 0u
#define DIRECTORY_DEBUG 6u
#define DEBUG_CODEVIEW 2u

static void put_sections(const struct pe *pe, uint8_t *p)
{
	for (unsigned int i = 0; i < pe->num_sections; i++, p += 40) {
		const struct pe_section *s = &pe->sections[i];
		size_t len = strlen(s->name);
		memcpy(p, s->name, len < 8 ? len : 8);
		vds_put_le32(p + 8, s->size);
		vds_put_le32(p + 12, s->rva);
		vds_put_le32(p + 16, s->size);
		vds_put_le32(p + 20, s->rva);
		vds_put_le32(p + 36, s->flags);
	}
}

void pe_header(const struct pe *pe, uint8_t page[PE_PAGE])
{
	uint8_t *file = page + PE_OFFSET + 4;
	uint8_t *optional = file + 20;
	uint8_t *directories = page + pe_directory_at(pe->is_32, 0);
	unsigned int flags = pe->is_32 ? FILE_FLAGS_32 : FILE_FLAGS;
	/* The optional header: 16 directories behind the fixed part. */
	unsigned int optional_size = (unsigned int)(directories - optional) +
				     16 * 8;

	memset(page, 0, PE_PAGE);
	memcpy(page, "MZ\x90", 4);
	vds_put_le32(page + 0x3c, PE_OFFSET);
	memcpy(page + 0x40, "scene of vadose, not a program", 30);
	memcpy(page + PE_OFFSET, "PE\0", 4);
	vds_put_le16(file, pe->is_32 ? MACHINE_I386 : MACHINE_AMD64);
	vds_put_le16(file + 2, (uint16_t)pe->num_sections);
	vds_put_le32(file + 4, pe->timestamp);
	vds_put_le16(file + 16, (uint16_t)optional_size);
	vds_put_le16(file + 18, (uint16_t)(pe->dll ? flags | FILE_DLL : flags));
	vds_put_le16(optional, pe->is_32 ? MAGIC_PE32 : MAGIC_PE32_PLUS);
	vds_put_le32(optional + 16, pe->entry);
	if (pe->is_32)
		vds_put_le32(page + pe_base_at(true), (uint32_t)pe->image_base);
	else
		vds_put_le64(page + pe_base_at(false), pe->image_base);
	vds_put_le32(optional + 32, PE_PAGE);		/* SectionAlignment */
	vds_put_le32(optional + 36, 0x200);		/* FileAlignment */
	vds_put_le16(optional + 40, 10);		/* OS version */
	vds_put_le16(optional + 48, 10);		/* subsystem version */
	vds_put_le32(optional + 56, pe->size);
	vds_put_le32(optional + 60, 0x400);		/* SizeOfHeaders */
	vds_put_le16(optional + 68, pe->dll ? 3 : 1);	/* Subsystem */
	vds_put_le32(directories - 4, 16);		/* directories */
	vds_put_le32(directories + 8 * DIRECTORY_EXPORT, pe->export_rva);
	vds_put_le32(directories + 8 * DIRECTORY_EXPORT + 4, pe->export_size);
	vds_put_le32(directories + 8 * DIRECTORY_DEBUG, pe->debug_rva);
	vds_put_le32(directories + 8 * DIRECTORY_DEBUG + 4, pe->debug_size);
	put_sections(pe, optional + optional_size);
}

uint32_t pe_base_at(bool is_32)
{
	return PE_OFFSET + 24 + (is_32 ? 28 : 24);
}

uint32_t pe_directory_at(bool is_32, unsigned int index)
{
	return PE_OFFSET + 24 + (is_32 ? 96 : 112) + 8 * index;
}

uint32_t pe_exports(uint8_t *buf, uint32_t max, uint32_t rva, const char *dll,
		    const char *const *names, const uint32_t *rvas,
		    uint32_t num)
{
	uint32_t functions = 40, pointers = functions + 4 * num;
	uint32_t ordinals = pointers + 4 * num, at = ordinals + 2 * num;

	if (at + strlen(dll) + 1 > max)
		return 0;
	vds_put_le32(buf + 12, rva + at);
	memcpy(buf + at, dll, strlen(dll) + 1);
	at += (uint32_t)strlen(dll) + 1;
	vds_put_le32(buf + 16, 1);
	vds_put_le32(buf + 20, num);
	vds_put_le32(buf + 24, num);
	vds_put_le32(buf + 28, rva + functions);
	vds_put_le32(buf + 32, rva + pointers);
	vds_put_le32(buf + 36, rva + ordinals);
	for (uint32_t i = 0; i < num; i++) {
		uint32_t len = (uint32_t)strlen(names[i]) + 1;
		if (at + len > max)
			return 0;
		vds_put_le32(buf + functions + 4 * i, rvas[i]);
		vds_put_le32(buf + pointers + 4 * i, rva + at);
		vds_put_le16(buf + ordinals + 2 * i, (uint16_t)i);
		memcpy(buf + at, names[i], len);
		at += len;
	}
	return at;
}

static uint8_t hex(char c)
{
	return (uint8_t)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
}

static void put_guid(uint8_t *p, const char *guid)
{
	/* Three little-endian numbers, then eight bytes as they stand. */
	static const uint8_t order[16] = { 3, 2, 1, 0, 5, 4, 7, 6, 8, 9,
					   10, 11, 12, 13, 14, 15 };
	if (strlen(guid) < 32)
		return;
	for (unsigned int i = 0; i < 16; i++)
		p[order[i]] = (uint8_t)(hex(guid[2 * i]) << 4 |
					hex(guid[2 * i + 1]));
}

uint32_t pe_debug(uint8_t *buf, uint32_t rva, const char *name,
		  const char *guid, uint32_t age, uint32_t timestamp)
{
	uint32_t len = 24 + (uint32_t)strlen(name) + 1;

	vds_put_le32(buf + 4, timestamp);
	vds_put_le32(buf + 12, DEBUG_CODEVIEW);
	vds_put_le32(buf + 16, len);
	vds_put_le32(buf + 20, rva + 28);
	vds_put_le32(buf + 24, rva + 28);
	memcpy(buf + 28, "RSDS", 4);
	put_guid(buf + 32, guid);
	vds_put_le32(buf + 48, age);
	memcpy(buf + 52, name, strlen(name) + 1);
	return 28 + len;
}
