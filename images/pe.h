/* SPDX-License-Identifier: Apache-2.0 */
/* The first page of a PE32+ or PE32 image (Microsoft's PE/COFF specification). */
#ifndef MKSCENE_PE_H
#define MKSCENE_PE_H

#include <stdbool.h>
#include <stdint.h>

#define PE_PAGE 4096u
#define PE_EXECUTABLE_CODE 0x60000020u
#define PE_CONSTANTS 0x40000040u
#define PE_DATA 0xc0000040u
#define PE_DISCARDABLE 0x42000040u

struct pe_section {
	const char *name;	/* at most 8 characters count */
	uint32_t rva, size;	/* bytes */
	uint32_t flags;
};

struct pe {
	uint64_t image_base;
	bool is_32;		/* PE32 for i386 */
	uint32_t size;		/* SizeOfImage, bytes */
	uint32_t entry;		/* RVA */
	uint32_t timestamp;
	uint32_t export_rva, export_size;
	uint32_t debug_rva, debug_size;
	int dll;
	const struct pe_section *sections;
	unsigned int num_sections;
};

void pe_header(const struct pe *pe, uint8_t page[PE_PAGE]);

#define PE_DIRECTORY_EXPORT 0u
#define PE_DIRECTORY_RELOCATION 5u
#define PE_DIRECTORY_LOAD_CONFIG 10u
#define PE_DIRECTORY_IAT 12u
/* Where in the first page an entry of the data directory, and ImageBase, lie. */
uint32_t pe_directory_at(bool is_32, unsigned int index);
uint32_t pe_base_at(bool is_32);

/*
 * An IMAGE_EXPORT_DIRECTORY for @rva with the sorted @names; returns its size,
 * or 0 if it does not fit in @max bytes.
 */
uint32_t pe_exports(uint8_t *buf, uint32_t max, uint32_t rva, const char *dll,
		    const char *const *names, const uint32_t *rvas,
		    uint32_t num);

/*
 * A debug directory for @rva with one CodeView record: PDB @name, 32 hex
 * digits of @guid, @age. Returns the bytes used, at most 28 + 24 + 260.
 */
uint32_t pe_debug(uint8_t *buf, uint32_t rva, const char *name,
		  const char *guid, uint32_t age, uint32_t timestamp);

#endif
