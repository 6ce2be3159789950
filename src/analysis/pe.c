/* SPDX-License-Identifier: Apache-2.0 */
/* Offsets below are those of Microsoft's "PE Format" specification. */
#include "vadose/pe.h"

#include <string.h>

#include "base/bytes.h"
#include "base/util.h"

#define COFF_SIZE 24u			/* signature and file header */
#define SECTION_SIZE 40u
#define MAGIC_PE32 0x10bu
#define MAGIC_PE32_PLUS 0x20bu
#define DIRECTORY_EXPORT 0u
#define DIRECTORY_RELOCATION 5u
#define DIRECTORY_LOAD_CONFIG 10u
#define DIRECTORY_IAT 12u
/* The optional header, directories included, at its longest. */
#define OPTIONAL_MAX 240u
#define MAX_EXPORTS 65536u		/* ordinals are 16 bits */
#define MAX_BLOCKS 65536u		/* relocation blocks: one per page */
#define CHUNK 1024u
#define RELOCATION_HIGHLOW 3u
#define RELOCATION_DIR64 10u

static bool add_u32(uint32_t a, uint64_t b, uint32_t *ret)
{
	uint64_t sum = a + b;
	if (b > UINT32_MAX || sum > UINT32_MAX)
		return false;
	*ret = (uint32_t)sum;
	return true;
}

/* Reads at @rva + @offset, which must not wrap. */
static enum vds_why read_at(vds_pe_read_fn *read, void *ctx, uint32_t rva,
			    uint64_t offset, void *buf, size_t len)
{
	uint32_t at, end;
	if (!add_u32(rva, offset, &at) || !add_u32(at, len, &end))
		return VDS_BAD_DATA;
	return read(ctx, at, buf, len);
}

static void take_directory(const uint8_t *directories, uint32_t count,
			   uint32_t index, struct vds_pe_directory *ret)
{
	*ret = (struct vds_pe_directory){0};
	if (index >= count)
		return;
	ret->rva = vds_le32(directories + 8 * index);
	ret->size = vds_le32(directories + 8 * index + 4);
	if (!ret->rva || !ret->size)
		*ret = (struct vds_pe_directory){0};
}

static char printable(uint8_t c)
{
	return c >= 0x20 && c < 0x7f ? (char)c : '?';
}

static enum vds_why take_sections(vds_pe_read_fn *read, void *ctx,
				  uint32_t table, size_t count,
				  struct vds_pe *pe)
{
	for (size_t i = 0; i < count; i++) {
		uint8_t raw[SECTION_SIZE];
		enum vds_why why = read_at(read, ctx, table, i * SECTION_SIZE,
					   raw, sizeof(raw));
		if (why)
			return why;
		struct vds_pe_section *s = &pe->sections[i];
		for (size_t k = 0; k < 8 && raw[k]; k++)
			s->name[k] = printable(raw[k]);
		s->size = vds_le32(raw + 8);
		s->rva = vds_le32(raw + 12);
		if (!s->size)
			s->size = vds_le32(raw + 16);	/* SizeOfRawData */
		s->flags = vds_le32(raw + 36);
		pe->num_sections = i + 1;
	}
	return VDS_PRESENT;
}

/* Bytes of the optional header before its directories. */
static uint32_t optional_size(bool is_64)
{
	return is_64 ? 112 : 96;
}

/* As many as are stated and there. */
static uint32_t num_directories(const uint8_t *raw, uint32_t len,
				uint32_t fixed)
{
	return VDS_MIN(vds_le32(raw + fixed - 4), (len - fixed) / 8);
}

static enum vds_why take_optional(const uint8_t *raw, uint32_t len,
				  struct vds_pe *pe)
{
	uint32_t magic = vds_le16(raw);
	pe->is_64 = magic == MAGIC_PE32_PLUS;
	if (!pe->is_64 && magic != MAGIC_PE32)
		return VDS_BAD_DATA;
	uint32_t fixed = optional_size(pe->is_64);
	if (len < fixed)
		return VDS_BAD_DATA;
	pe->image_base = pe->is_64 ? vds_le64(raw + 24) : vds_le32(raw + 28);
	pe->image_size = vds_le32(raw + 56);
	pe->header_size = vds_le32(raw + 60);
	uint32_t count = num_directories(raw, len, fixed);
	take_directory(raw + fixed, count, DIRECTORY_EXPORT, &pe->exports);
	take_directory(raw + fixed, count, DIRECTORY_RELOCATION,
		       &pe->relocations);
	take_directory(raw + fixed, count, DIRECTORY_IAT, &pe->import_addresses);
	return VDS_PRESENT;
}

struct headers {
	uint8_t optional[OPTIONAL_MAX];
	uint32_t len;		/* of it */
	uint32_t table, sections;	/* where the section table is, entries */
};

static enum vds_why read_headers(vds_pe_read_fn *read, void *ctx,
				 struct headers *h)
{
	uint8_t dos[64], coff[COFF_SIZE];
	enum vds_why why = read(ctx, 0, dos, sizeof(dos));
	if (why)
		return why;
	uint32_t at = vds_le32(dos + 0x3c);
	if (memcmp(dos, "MZ", 2))
		return VDS_BAD_DATA;
	why = read_at(read, ctx, at, 0, coff, sizeof(coff));
	if (why)
		return why;
	uint32_t size = vds_le16(coff + 20);
	h->sections = vds_le16(coff + 6);
	if (memcmp(coff, "PE\0", 4) || h->sections > VDS_PE_MAX_SECTIONS ||
	    size < 2 || !add_u32(at, COFF_SIZE + size, &h->table))
		return VDS_BAD_DATA;
	h->len = VDS_MIN(size, OPTIONAL_MAX);
	return read_at(read, ctx, at, COFF_SIZE, h->optional, h->len);
}

enum vds_why vds_pe_parse(vds_pe_read_fn *read, void *ctx, struct vds_pe *ret)
{
	struct headers h;
	struct vds_pe pe = {0};
	enum vds_why why = read_headers(read, ctx, &h);
	if (!why)
		why = take_optional(h.optional, h.len, &pe);
	if (!why)
		why = take_sections(read, ctx, h.table, h.sections, &pe);
	if (!why)
		*ret = pe;
	return why;
}

enum vds_why vds_pe_directory_at(vds_pe_read_fn *read, void *ctx,
				 uint32_t index, struct vds_pe_directory *ret)
{
	struct headers h;
	struct vds_pe pe = {0};
	enum vds_why why = read_headers(read, ctx, &h);
	if (!why)
		why = take_optional(h.optional, h.len, &pe);
	if (why)
		return why;
	uint32_t fixed = optional_size(pe.is_64);
	take_directory(h.optional + fixed,
		       num_directories(h.optional, h.len, fixed), index, ret);
	return ret->size ? VDS_PRESENT : VDS_NOT_APPLICABLE;
}

const struct vds_pe_section *vds_pe_section_at(const struct vds_pe *pe,
					       uint32_t rva)
{
	for (size_t i = 0; i < pe->num_sections; i++) {
		const struct vds_pe_section *s = &pe->sections[i];
		if (rva >= s->rva && rva - s->rva < s->size)
			return s;
	}
	return NULL;
}

struct exports {
	vds_pe_read_fn *read;
	void *ctx;
	struct vds_pe_directory directory;
	uint32_t functions, names, ordinals;	/* RVAs of the tables */
	uint32_t num_functions, num_names;
};

static enum vds_why open_exports(struct exports *e, const struct vds_pe *pe)
{
	uint8_t raw[40];
	if (!pe->exports.size)
		return VDS_NOT_APPLICABLE;
	enum vds_why why = e->read(e->ctx, pe->exports.rva, raw, sizeof(raw));
	if (why)
		return why;
	e->directory = pe->exports;
	e->num_functions = vds_le32(raw + 20);
	e->num_names = vds_le32(raw + 24);
	e->functions = vds_le32(raw + 28);
	e->names = vds_le32(raw + 32);
	e->ordinals = vds_le32(raw + 36);
	return e->num_functions <= MAX_EXPORTS && e->num_names <= MAX_EXPORTS ?
	       VDS_PRESENT : VDS_BAD_DATA;
}

/* A forwarder: its "function" is text in the export directory itself. */
static bool is_forwarder(const struct exports *e, uint32_t rva)
{
	return rva >= e->directory.rva &&
	       rva - e->directory.rva < e->directory.size;
}

/* The last function in [first, rva]: its index and address. */
static enum vds_why find_function(const struct exports *e, uint32_t first,
				  uint32_t rva, uint32_t *ret_index,
				  uint32_t *ret_rva)
{
	uint8_t raw[4 * CHUNK];
	bool found = false;
	for (uint32_t i = 0; i < e->num_functions; i += CHUNK) {
		uint32_t n = VDS_MIN(CHUNK, e->num_functions - i);
		enum vds_why why = read_at(e->read, e->ctx, e->functions,
					   UINT64_C(4) * i, raw, 4 * n);
		if (why)
			return why;
		for (uint32_t k = 0; k < n; k++) {
			uint32_t at = vds_le32(raw + 4 * k);
			if (at < first || at > rva || !at ||
			    is_forwarder(e, at) ||
			    (found && at <= *ret_rva))
				continue;
			found = true;
			*ret_index = i + k;
			*ret_rva = at;
		}
	}
	return found ? VDS_PRESENT : VDS_NOT_APPLICABLE;
}

/* The RVA of the name of function @index. */
static enum vds_why find_name(const struct exports *e, uint32_t index,
			      uint32_t *ret)
{
	uint8_t raw[2 * CHUNK], name[4];
	for (uint32_t i = 0; i < e->num_names; i += CHUNK) {
		uint32_t n = VDS_MIN(CHUNK, e->num_names - i), k = 0;
		enum vds_why why = read_at(e->read, e->ctx, e->ordinals,
					   UINT64_C(2) * i, raw, 2 * n);
		if (why)
			return why;
		while (k < n && vds_le16(raw + 2 * k) != index)
			k++;
		if (k == n)
			continue;
		why = read_at(e->read, e->ctx, e->names,
			      UINT64_C(4) * (i + k), name, 4);
		*ret = vds_le32(name);
		return why;
	}
	return VDS_NOT_APPLICABLE;
}

enum vds_why vds_pe_export_at(vds_pe_read_fn *read, void *ctx,
			      const struct vds_pe *pe, uint32_t rva,
			      char ret_name[VDS_PE_NAME_SIZE],
			      uint32_t *ret_distance)
{
	struct exports e = {.read = read, .ctx = ctx};
	const struct vds_pe_section *section = vds_pe_section_at(pe, rva);
	uint32_t index = 0, function = 0, name = 0;
	char text[VDS_PE_NAME_SIZE] = "";
	enum vds_why why = open_exports(&e, pe);
	if (!why)
		why = find_function(&e, section ? section->rva : 0, rva,
				    &index, &function);
	if (!why)
		why = find_name(&e, index, &name);
	for (size_t i = 0; !why && i < VDS_PE_NAME_SIZE - 1; i++) {
		uint8_t c;
		why = read_at(read, ctx, name, i, &c, 1);
		if (why || !c)
			break;
		text[i] = printable(c);
	}
	if (why)
		return why;
	if (!*text)
		return VDS_NOT_APPLICABLE;
	memcpy(ret_name, text, sizeof(text));
	*ret_distance = rva - function;
	return VDS_PRESENT;
}

static enum vds_why take_block(vds_pe_read_fn *read, void *ctx, uint32_t rva,
			       uint32_t size, uint16_t *ret, size_t max,
			       size_t *ret_count)
{
	for (uint32_t i = 0; i + 2 <= size && *ret_count < max; i += 2) {
		uint8_t raw[2];
		enum vds_why why = read_at(read, ctx, rva, i, raw, 2);
		if (why)
			return why;
		unsigned int entry = vds_le16(raw), type = entry >> 12;
		if (type == RELOCATION_HIGHLOW || type == RELOCATION_DIR64)
			ret[(*ret_count)++] = (uint16_t)(entry & 0xfff);
	}
	return VDS_PRESENT;
}

enum vds_why vds_pe_relocations_of(vds_pe_read_fn *read, void *ctx,
				   const struct vds_pe *pe, uint32_t page_rva,
				   uint16_t *ret, size_t max,
				   size_t *ret_count)
{
	uint32_t at = 0, blocks = 0;
	size_t count = 0;
	enum vds_why why = VDS_PRESENT;
	if (!pe->relocations.size)
		return VDS_NOT_APPLICABLE;
	while (!why && blocks++ < MAX_BLOCKS && pe->relocations.size >= 8 &&
	       at <= pe->relocations.size - 8) {
		uint8_t raw[8];
		why = read_at(read, ctx, pe->relocations.rva, at, raw, 8);
		if (why)
			return why;
		uint32_t size = vds_le32(raw + 4), rest = 0;
		if (size < 8 || size > pe->relocations.size - at)
			break;	/* the end, or damage */
		if (!add_u32(pe->relocations.rva, (uint64_t)at + 8, &rest))
			return VDS_BAD_DATA;
		if (vds_le32(raw) == page_rva)
			why = take_block(read, ctx, rest, size - 8, ret, max,
					 &count);
		at += size;
	}
	if (!why)
		*ret_count = count;
	return why;
}

/* Members of IMAGE_LOAD_CONFIG_DIRECTORY64 and 32 that name such variables. */
static const uint16_t guard_members[][2] = {
	{0x70, 0x48},	/* GuardCFCheckFunctionPointer */
	{0x78, 0x4c},	/* GuardCFDispatchFunctionPointer */
	{0x118, 0xac},	/* GuardXFGCheckFunctionPointer */
	{0x120, 0xb0},	/* GuardXFGDispatchFunctionPointer */
	{0x128, 0xb4},	/* GuardXFGTableDispatchFunctionPointer */
	{0x130, 0xb8},	/* CastGuardOsDeterminedFailureMode */
	{0x138, 0xbc},	/* GuardMemcpyFunctionPointer */
};

/* The directory that vds_pe_parse() has no room for. */
static enum vds_why find_load_config(vds_pe_read_fn *read, void *ctx,
				     const struct vds_pe *pe,
				     struct vds_pe_directory *ret)
{
	uint8_t raw[8];
	uint32_t at, fixed = pe->is_64 ? 112 : 96;
	enum vds_why why = read(ctx, 0x3c, raw, 4);
	if (why)
		return why;
	at = vds_le32(raw);
	why = read_at(read, ctx, at, COFF_SIZE + fixed - 4, raw, 4);
	if (!why && vds_le32(raw) <= DIRECTORY_LOAD_CONFIG)
		return VDS_NOT_APPLICABLE;
	if (!why)
		why = read_at(read, ctx, at, COFF_SIZE + fixed +
			      8 * DIRECTORY_LOAD_CONFIG, raw, 8);
	if (why)
		return why;
	ret->rva = vds_le32(raw);
	ret->size = vds_le32(raw + 4);
	return ret->rva ? VDS_PRESENT : VDS_NOT_APPLICABLE;
}

enum vds_why vds_pe_guard_pointers(vds_pe_read_fn *read, void *ctx,
				   const struct vds_pe *pe, uint32_t *ret,
				   size_t max, size_t *ret_count)
{
	struct vds_pe_directory config = {0};
	size_t len = pe->is_64 ? 8 : 4, n = 0;
	uint8_t raw[8];
	enum vds_why why = find_load_config(read, ctx, pe, &config);
	/* Its own first member says how long it is, better than the header. */
	if (!why)
		why = read(ctx, config.rva, raw, 4);
	if (why)
		return why;
	uint32_t size = vds_le32(raw);
	for (size_t i = 0; i < VDS_ARRAY_SIZE(guard_members) && n < max; i++) {
		uint32_t member = guard_members[i][pe->is_64 ? 0 : 1];
		if (member + len > size ||
		    read_at(read, ctx, config.rva, member, raw, len))
			break;
		uint64_t va = pe->is_64 ? vds_le64(raw) : vds_le32(raw);
		if (va > pe->image_base && va - pe->image_base < pe->image_size)
			ret[n++] = (uint32_t)(va - pe->image_base);
	}
	*ret_count = n;
	return n ? VDS_PRESENT : VDS_NOT_APPLICABLE;
}
