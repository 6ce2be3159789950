/* SPDX-License-Identifier: Apache-2.0 */
#include "pdb/symbols.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/util.h"
#include "pdb/codeview.h"

/*
 * A hash table (microsoft-pdb, gsi.h): signature, version, bytes of entries,
 * bytes of buckets; entries of {1 + offset of the record, references}. Before
 * VC 7 there was no header, and 4097 buckets of 4 bytes came last.
 */
#define GSI_HEADER 16
#define GSI_VERSION (UINT32_C(0xeffe0000) + 19990810)
#define GSI_ENTRY 8
#define GSI_OLD_BUCKETS (4097 * 4)
/* The publics' stream begins with a header, the hash table's bytes first. */
#define PUBLICS_HEADER 28

/* Record offsets, and the part of the record stream that is in memory. */
struct walk {
	const struct vds_msf *msf;
	uint32_t stream;
	uint32_t *offsets;
	size_t count;
	uint8_t *window;
	uint32_t start, len;
};
/* More than a record can have (2 + 65535). */
#define WINDOW_LEN (96u * 1024)

static struct vds_error *add_entries(struct walk *w, uint32_t stream,
				     uint32_t off, uint32_t bytes)
{
	_cleanup_free_ uint8_t *raw = NULL;
	size_t n = bytes / GSI_ENTRY;
	if (!n)
		return NULL;
	struct vds_error *err =
		vds_msf_load(w->msf, stream, off, n * GSI_ENTRY, &raw);
	if (err)
		return err;
	uint32_t *more = realloc(w->offsets,
				 (w->count + n) * sizeof(*w->offsets));
	if (!more)
		return &vds_enomem;
	w->offsets = more;
	for (size_t i = 0; i < n; i++) {
		uint32_t at = vds_le32(raw + i * GSI_ENTRY);
		if (!at)
			return vds_error_create(
				VDS_ERROR_FORMAT,
				"%s: stream %u: byte 0x%zx: entry of no record",
				vds_msf_path(w->msf), stream,
				off + i * GSI_ENTRY);
		w->offsets[w->count++] = at - 1;
	}
	return NULL;
}

/* The hash table in bytes [off, off + len) of @stream. */
static struct vds_error *add_table(struct walk *w, uint32_t stream,
				   uint32_t off, uint32_t len)
{
	uint8_t head[GSI_HEADER] = {0};
	if (!len)
		return NULL;
	struct vds_error *err = vds_msf_read(w->msf, stream, off, head,
					     VDS_MIN(len, sizeof(head)));
	if (err)
		return err;
	if (vds_le32(head) != UINT32_MAX || vds_le32(head + 4) != GSI_VERSION) {
		uint32_t entries =
			len > GSI_OLD_BUCKETS ? len - GSI_OLD_BUCKETS : 0;
		return add_entries(w, stream, off, entries);
	}
	uint32_t bytes = vds_le32(head + 8);
	if (len < GSI_HEADER || bytes > len - GSI_HEADER)
		return vds_error_create(
			VDS_ERROR_FORMAT,
			"%s: stream %u: byte 0x%x: hash table of %u bytes in "
			"%u", vds_msf_path(w->msf), stream, off + 8, bytes,
			len);
	return add_entries(w, stream, off + GSI_HEADER, bytes);
}

static struct vds_error *add_publics(struct walk *w, uint32_t stream)
{
	uint8_t head[4];
	uint32_t size = vds_msf_size(w->msf, stream);
	if (!size)
		return NULL;
	struct vds_error *err =
		vds_msf_read(w->msf, stream, 0, head, sizeof(head));
	if (err)
		return err;
	uint32_t len = vds_le32(head);
	if (!vds_fits(PUBLICS_HEADER, len, size))
		return vds_error_create(
			VDS_ERROR_FORMAT,
			"%s: stream %u: byte 0x0: hash table of %u bytes, but "
			"it ends at 0x%x", vds_msf_path(w->msf), stream, len,
			size);
	return add_table(w, stream, PUBLICS_HEADER, len);
}

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return (x > y) - (x < y);
}

/* @len bytes at @off of the record stream, borrowed until the next call. */
static struct vds_error *view(struct walk *w, uint32_t off, uint32_t len,
			      const uint8_t **ret)
{
	if (off < w->start || !vds_fits(off - w->start, len, w->len)) {
		uint32_t size = vds_msf_size(w->msf, w->stream);
		uint32_t want = WINDOW_LEN;
		if (off < size && want > size - off)
			want = VDS_MAX(size - off, len);
		struct vds_error *err = vds_msf_read(w->msf, w->stream, off,
						     w->window, want);
		if (err)
			return err;
		w->start = off;
		w->len = want;
	}
	*ret = w->window + (off - w->start);
	return NULL;
}

/* False if the record is of no kind that has an address. */
static bool parse(struct vds_bytes *b, struct vds_pdb_symbol *sym)
{
	uint16_t kind = vds_bytes_u16(b);
	bool st = false;
	size_t len;
	switch (kind) {
	case S_PUB32_ST:
	case S_LDATA32_ST:
	case S_GDATA32_ST:
		st = true;
		break;
	case S_PUB32:
	case S_LDATA32:
	case S_GDATA32:
		break;
	default:
		return false;
	}
	sym->is_public = kind == S_PUB32 || kind == S_PUB32_ST;
	vds_bytes_u32(b);	/* flags of a public, type of a datum */
	sym->offset = vds_bytes_u32(b);
	sym->section = vds_bytes_u16(b);
	if (st) {
		len = vds_bytes_u8(b);
		sym->name = (const char *)vds_bytes_take(b, len);
	} else {
		sym->name = vds_bytes_cstr(b, &len);
	}
	sym->name_len = len;
	return true;
}

static struct vds_error *visit(struct walk *w, uint32_t off,
			       vds_pdb_symbol_fn *fn, void *ctx)
{
	const uint8_t *p;
	struct vds_pdb_symbol sym;
	struct vds_bytes b;
	struct vds_error *err = view(w, off, 4, &p);
	if (err)
		return err;
	uint32_t len = vds_le16(p);
	err = view(w, off, len + 2, &p);
	if (err)
		return err;
	vds_bytes_init(&b, p + 2, len);
	bool wanted = parse(&b, &sym);
	if (b.failed)
		return vds_error_create(
			VDS_ERROR_FORMAT,
			"%s: stream %u: byte 0x%x: symbol record is damaged",
			vds_msf_path(w->msf), w->stream, off);
	return wanted ? fn(ctx, &sym) : NULL;
}

static struct vds_error *walk(struct walk *w, vds_pdb_symbol_fn *fn, void *ctx)
{
	w->window = malloc(WINDOW_LEN);
	if (!w->window)
		return &vds_enomem;
	if (w->count)
		qsort(w->offsets, w->count, sizeof(*w->offsets), by_value);
	for (size_t i = 0; i < w->count; i++) {
		if (i && w->offsets[i] == w->offsets[i - 1])
			continue;
		struct vds_error *err = visit(w, w->offsets[i], fn, ctx);
		if (err)
			return err;
	}
	return NULL;
}

struct vds_error *vds_pdb_symbols_walk(const struct vds_msf *msf,
				       const struct vds_dbi *dbi,
				       vds_pdb_symbol_fn *fn, void *ctx)
{
	struct walk w = {.msf = msf, .stream = dbi->records};
	struct vds_error *err = NULL;
	if (!vds_msf_size(msf, dbi->records))
		return NULL;
	err = add_publics(&w, dbi->publics);
	if (!err)
		err = add_table(&w, dbi->globals, 0,
				vds_msf_size(msf, dbi->globals));
	if (!err)
		err = walk(&w, fn, ctx);
	free(w.offsets);
	free(w.window);
	return err;
}
