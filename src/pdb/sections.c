/* SPDX-License-Identifier: Apache-2.0 */
#include "pdb/sections.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/util.h"

/* An IMAGE_SECTION_HEADER; the RVA is 12 bytes into it. */
#define SECTION_LEN 40
#define SECTION_RVA 12
/* PE allows 96; a u16 numbers them in symbols. */
#define SECTIONS_MAX 65535u

/* From an address as linked (and what follows it) to one as it is now. */
struct vds_omap {
	uint32_t from, to;
};

/*
 * 0 by Microsoft's tools, 0x80000000 by Google's Syzygy: that range is gone.
 * No image has 2 GiB, so nothing real is lost.
 */
static bool is_removed(const struct vds_omap *entry)
{
	return !entry->to || entry->to >> 31;
}

static struct vds_error *load_headers(const struct vds_msf *msf,
				      uint32_t stream,
				      struct vds_pdb_sections *s)
{
	_cleanup_free_ uint8_t *raw = NULL;
	size_t n = vds_msf_size(msf, stream) / SECTION_LEN;
	if (!n)
		return NULL;
	if (n > SECTIONS_MAX)
		return vds_error_create(VDS_ERROR_FORMAT,
					"%s: stream %u: %zu section headers",
					vds_msf_path(msf), stream, n);
	struct vds_error *err =
		vds_msf_load(msf, stream, 0, n * SECTION_LEN, &raw);
	if (err)
		return err;
	s->rva = vds_malloc_array(n, sizeof(*s->rva));
	if (!s->rva)
		return &vds_enomem;
	for (size_t i = 0; i < n; i++)
		s->rva[i] = vds_le32(raw + i * SECTION_LEN + SECTION_RVA);
	s->count = n;
	return NULL;
}

static int by_from(const void *a, const void *b)
{
	const struct vds_omap *x = a, *y = b;
	return (x->from > y->from) - (x->from < y->from);
}

/* Sorted already where tools behave; a search needs it for certain. */
static struct vds_error *load_omap(const struct vds_msf *msf, uint32_t stream,
				   struct vds_pdb_sections *s)
{
	_cleanup_free_ uint8_t *raw = NULL;
	size_t n = vds_msf_size(msf, stream) / 8;
	if (!n)
		return NULL;
	struct vds_error *err = vds_msf_load(msf, stream, 0, n * 8, &raw);
	if (err)
		return err;
	s->omap = vds_malloc_array(n, sizeof(*s->omap));
	if (!s->omap)
		return &vds_enomem;
	for (size_t i = 0; i < n; i++) {
		s->omap[i].from = vds_le32(raw + i * 8);
		s->omap[i].to = vds_le32(raw + i * 8 + 4);
	}
	s->num_omap = n;
	for (size_t i = 1; i < n; i++) {
		if (s->omap[i - 1].from <= s->omap[i].from)
			continue;
		qsort(s->omap, n, sizeof(*s->omap), by_from);
		break;
	}
	return NULL;
}

struct vds_error *vds_pdb_sections_load(const struct vds_msf *msf,
					const struct vds_dbi *dbi,
					struct vds_pdb_sections *ret)
{
	struct vds_pdb_sections s = {0};
	bool moved = vds_msf_size(msf, dbi->omap_from_src);
	uint32_t stream = dbi->sections;
	if (moved && vds_msf_size(msf, dbi->sections_src))
		stream = dbi->sections_src;
	struct vds_error *err = load_headers(msf, stream, &s);
	if (!err && moved)
		err = load_omap(msf, dbi->omap_from_src, &s);
	if (err) {
		vds_pdb_sections_deinit(&s);
		return err;
	}
	*ret = s;
	return NULL;
}

void vds_pdb_sections_deinit(struct vds_pdb_sections *sections)
{
	free(sections->rva);
	free(sections->omap);
	memset(sections, 0, sizeof(*sections));
}

/* The last entry that starts at or before @rva decides. */
static bool translate(const struct vds_pdb_sections *s, uint32_t rva,
		      uint32_t *ret)
{
	size_t low = 0, high = s->num_omap;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (s->omap[mid].from <= rva)
			low = mid + 1;
		else
			high = mid;
	}
	if (!low || is_removed(&s->omap[low - 1]))
		return false;
	return !__builtin_add_overflow(s->omap[low - 1].to,
				       rva - s->omap[low - 1].from, ret);
}

bool vds_pdb_rva(const struct vds_pdb_sections *sections, uint16_t number,
		 uint32_t offset, uint32_t *ret)
{
	uint32_t rva;
	if (!number || number > sections->count ||
	    __builtin_add_overflow(sections->rva[number - 1], offset, &rva))
		return false;
	if (sections->omap)
		return translate(sections, rva, ret);
	*ret = rva;
	return true;
}
