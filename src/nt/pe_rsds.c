/* SPDX-License-Identifier: Apache-2.0 */
#include "nt/pe_rsds.h"

#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/str.h"
#include "base/util.h"

/* Offsets of the PE/COFF specification. */
#define DOS_LFANEW 0x3c
#define COFF_MACHINE 4
#define COFF_SECTIONS 6
#define COFF_TIMESTAMP 8
#define COFF_OPTIONAL_SIZE 20
#define OPTIONAL_HEADER 24
#define OPTIONAL_PE32 0x10b
#define OPTIONAL_PE32_PLUS 0x20b
#define OPTIONAL_SIZE_OF_IMAGE 56
#define DIRECTORIES_PE32 96
#define DIRECTORIES_PE32_PLUS 112
#define DIRECTORY_EXPORT 0
#define DIRECTORY_DEBUG 6
#define EXPORT_NAME 12
#define SECTION_HEADER_SIZE 40
#define DEBUG_ENTRY_SIZE 28
#define DEBUG_TYPE 12
#define DEBUG_DATA_SIZE 16
#define DEBUG_DATA_RVA 20
#define DEBUG_TYPE_CODEVIEW 2
/* RSDS, GUID, age; then the name. */
#define RSDS_NAME 24

#define MAX_DEBUG_ENTRIES 32u
#define HEADER_BYTES 4096u

static const char *const kernel_pdbs[] = {
	"ntkrnlmp.pdb", "ntkrla57.pdb", "ntoskrnl.pdb",
	"ntkrnlpa.pdb", "ntkrpamp.pdb",
};

bool vds_pdb_is_kernel(const char *name)
{
	for (size_t i = 0; i < VDS_ARRAY_SIZE(kernel_pdbs); i++) {
		if (vds_streq_nocase(name, kernel_pdbs[i]))
			return true;
	}
	return false;
}

struct pe {
	vds_pe_read_fn *read;
	void *ctx;
	uint64_t base;
	uint32_t size;
	const uint8_t *header;
	uint32_t nt;		/* offset of "PE\0\0" */
	uint32_t directories;	/* offset of the data directories */
	uint32_t num_directories;
};

static enum vds_why read_rva(const struct pe *pe, uint32_t rva, void *buf,
			     size_t len)
{
	if (!vds_fits(rva, len, pe->size))
		return VDS_BAD_DATA;
	return pe->read(pe->ctx, pe->base + rva, buf, len);
}

static bool directory(const struct pe *pe, uint32_t index, uint32_t *ret_rva,
		      uint32_t *ret_size)
{
	uint32_t at = pe->directories + index * 8;
	if (index >= pe->num_directories || !vds_fits(at, 8, HEADER_BYTES))
		return false;
	*ret_rva = vds_le32(pe->header + at);
	*ret_size = vds_le32(pe->header + at + 4);
	return *ret_rva && *ret_size;
}

/* The path's last component, lower length-bounded, as valid UTF-8. */
static void put_name(const uint8_t *bytes, size_t len, struct vds_pdb_id *pdb)
{
	struct vds_str s = {0};
	size_t start = 0, end = 0;
	for (; end < len && bytes[end]; end++) {
		if (bytes[end] == '\\' || bytes[end] == '/')
			start = end + 1;
	}
	vds_str_put_utf8(&s, bytes + start, end - start);
	const char *text = vds_str_cstr(&s);
	size_t n = text ? strlen(text) : 0;
	if (n >= sizeof(pdb->name)) {
		n = sizeof(pdb->name) - 1;
		while (n && (text[n] & 0xc0) == 0x80)
			n--;
	}
	if (n)
		memcpy(pdb->name, text, n);
	pdb->name[n] = 0;
	vds_str_deinit(&s);
}

/* @record begins with "RSDS"; its name ends where @len or a NUL says. */
static bool parse_rsds(const uint8_t *record, size_t len,
		       struct vds_pdb_id *ret)
{
	if (len <= RSDS_NAME || memcmp(record, "RSDS", 4))
		return false;
	const uint8_t *g = record + 4;
	/* A GUID is u32, u16, u16 and eight bytes; symbol servers print it so. */
	snprintf(ret->guid, sizeof(ret->guid),
		 "%08X%04X%04X%02X%02X%02X%02X%02X%02X%02X%02X",
		 (unsigned int)vds_le32(g), (unsigned int)vds_le16(g + 4),
		 (unsigned int)vds_le16(g + 6), g[8], g[9], g[10], g[11],
		 g[12], g[13], g[14], g[15]);
	ret->age = vds_le32(record + 20);
	put_name(record + RSDS_NAME, len - RSDS_NAME, ret);
	return ret->name[0] != 0;
}

/* Longest record taken: GUID, age and a full path. */
#define RSDS_MAX 296

static bool read_codeview(const struct pe *pe, uint32_t rva, uint32_t size,
			  struct vds_pdb_id *ret)
{
	uint8_t record[RSDS_MAX];
	size_t len = VDS_MIN((size_t)size, sizeof(record));
	if (len <= RSDS_NAME || read_rva(pe, rva, record, len))
		return false;
	return parse_rsds(record, len, ret);
}

static bool find_codeview(const struct pe *pe, struct vds_pdb_id *ret)
{
	uint32_t rva, size;
	if (!directory(pe, DIRECTORY_DEBUG, &rva, &size))
		return false;
	uint32_t n = VDS_MIN(size / DEBUG_ENTRY_SIZE, MAX_DEBUG_ENTRIES);
	for (uint32_t i = 0; i < n; i++) {
		uint8_t entry[DEBUG_ENTRY_SIZE];
		if (rva > pe->size ||
		    read_rva(pe, rva + i * DEBUG_ENTRY_SIZE, entry,
			     sizeof(entry)))
			return false;
		if (vds_le32(entry + DEBUG_TYPE) == DEBUG_TYPE_CODEVIEW &&
		    read_codeview(pe, vds_le32(entry + DEBUG_DATA_RVA),
				  vds_le32(entry + DEBUG_DATA_SIZE), ret))
			return true;
	}
	return false;
}

static bool exports_ntoskrnl(const struct pe *pe)
{
	static const char wanted[] = "ntoskrnl.exe";
	uint32_t rva, size;
	uint8_t raw[4], name[sizeof(wanted)];
	if (!directory(pe, DIRECTORY_EXPORT, &rva, &size) ||
	    rva > pe->size || read_rva(pe, rva + EXPORT_NAME, raw, 4) ||
	    read_rva(pe, vds_le32(raw), name, sizeof(name)))
		return false;
	return !name[sizeof(name) - 1] &&
	       vds_streq_nocase((const char *)name, wanted);
}

static bool has_section(const struct pe *pe, const char name[8])
{
	uint32_t n = vds_le16(pe->header + pe->nt + COFF_SECTIONS);
	uint32_t at = pe->nt + OPTIONAL_HEADER +
		      vds_le16(pe->header + pe->nt + COFF_OPTIONAL_SIZE);
	for (uint32_t i = 0; i < n; i++, at += SECTION_HEADER_SIZE) {
		if (!vds_fits(at, SECTION_HEADER_SIZE, HEADER_BYTES))
			return false;
		if (!memcmp(pe->header + at, name, 8))
			return true;
	}
	return false;
}

/* Finds the headers of pe->header and checks that they make sense. */
static bool parse_headers(struct pe *pe)
{
	const uint8_t *h = pe->header;
	if (h[0] != 'M' || h[1] != 'Z')
		return false;
	pe->nt = vds_le32(h + DOS_LFANEW);
	if (!vds_fits(pe->nt, OPTIONAL_HEADER + DIRECTORIES_PE32_PLUS,
		      HEADER_BYTES) ||
	    memcmp(h + pe->nt, "PE\0\0", 4))
		return false;
	uint32_t optional = pe->nt + OPTIONAL_HEADER;
	uint16_t magic = vds_le16(h + optional);
	uint32_t skip = magic == OPTIONAL_PE32_PLUS ? DIRECTORIES_PE32_PLUS :
						      DIRECTORIES_PE32;
	if (magic != OPTIONAL_PE32_PLUS && magic != OPTIONAL_PE32)
		return false;
	pe->size = vds_le32(h + optional + OPTIONAL_SIZE_OF_IMAGE);
	pe->directories = optional + skip;
	pe->num_directories = vds_le32(h + optional + skip - 4);
	return pe->size >= HEADER_BYTES && pe->size <= VDS_PE_SIZE_MAX;
}

enum vds_why vds_pe_identify(vds_pe_read_fn *read, void *ctx, uint64_t base,
			     struct vds_pe_identity *ret)
{
	uint8_t header[HEADER_BYTES];
	uint64_t end;
	struct pe pe = {.read = read, .ctx = ctx, .base = base,
			.header = header};
	enum vds_why why = read(ctx, base, header, sizeof(header));
	if (why)
		return why;
	if (!parse_headers(&pe) || !vds_add_u64(base, pe.size, &end))
		return VDS_BAD_DATA;
	*ret = (struct vds_pe_identity){
		.size = pe.size,
		.machine = vds_le16(header + pe.nt + COFF_MACHINE),
		.timestamp = vds_le32(header + pe.nt + COFF_TIMESTAMP),
		.has_poolcode = has_section(&pe, "POOLCODE"),
	};
	ret->is_ntoskrnl = exports_ntoskrnl(&pe);
	ret->has_pdb = find_codeview(&pe, &ret->pdb);
	return VDS_PRESENT;
}

/* A record in @page (its last bytes may go on in the next page). */
static bool search_page(const struct pe *pe, uint32_t rva, const uint8_t *page,
			struct vds_pdb_id *ret)
{
	const uint8_t *end = page + VDS_PAGE_SIZE, *p = page;
	while ((p = memmem(p, (size_t)(end - p), "RSDS", 4))) {
		struct vds_pdb_id pdb = {0};
		uint32_t at = rva + (uint32_t)(p - page);
		uint32_t len = VDS_MIN(pe->size - at,
				       (uint32_t)(RSDS_NAME + 16));
		if (read_codeview(pe, at, len, &pdb) &&
		    vds_pdb_is_kernel(pdb.name)) {
			*ret = pdb;
			return true;
		}
		p += 4;
	}
	return false;
}

bool vds_pe_search_rsds(vds_pe_read_fn *read, void *ctx, uint64_t base,
			uint32_t size, struct vds_pdb_id *ret)
{
	struct pe pe = {.read = read, .ctx = ctx, .base = base,
			.size = VDS_MIN(size, VDS_PE_SIZE_MAX)};
	uint8_t page[VDS_PAGE_SIZE];
	for (uint32_t rva = 0; vds_fits(rva, sizeof(page), pe.size);
	     rva += (uint32_t)sizeof(page)) {
		if (!read_rva(&pe, rva, page, sizeof(page)) &&
		    search_page(&pe, rva, page, ret))
			return true;
	}
	return false;
}
