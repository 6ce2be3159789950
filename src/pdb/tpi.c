/* SPDX-License-Identifier: Apache-2.0 */
#include "pdb/tpi.h"

#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "pdb/leaf.h"
#include "pdb/tpi_names.h"
#include "pdb/tpi_record.h"

#define TPI_V70 19990903u
#define TPI_V80 20040203u
/* version, header size, first and last + 1 type index, bytes of records */
#define HEADER_USED 20

static struct vds_error *check_header(const struct vds_msf *msf,
				      struct vds_tpi *tpi, uint32_t bytes)
{
	if (tpi->version != TPI_V70 && tpi->version != TPI_V80)
		return vds_error_create(
			VDS_ERROR_UNSUPPORTED,
			"%s: stream %u: types of version %u (read: %u, %u)",
			vds_msf_path(msf), tpi->stream, tpi->version, TPI_V70,
			TPI_V80);
	if (tpi->header < HEADER_USED ||
	    !vds_fits(tpi->header, bytes, vds_msf_size(msf, tpi->stream)))
		return vds_error_create(
			VDS_ERROR_FORMAT,
			"%s: stream %u: %u bytes of records after a header of "
			"%u, but it ends at 0x%x", vds_msf_path(msf),
			tpi->stream, bytes, tpi->header,
			vds_msf_size(msf, tpi->stream));
	/* A record has at least 4 bytes, so the file bounds the number. */
	if (tpi->begin < CV_FIRST_NONPRIM || tpi->end < tpi->begin ||
	    tpi->end > VDS_TPI_MAX || tpi->end - tpi->begin > bytes / 4)
		return vds_error_create(
			VDS_ERROR_FORMAT,
			"%s: stream %u: byte 0x8: type indices 0x%x to 0x%x "
			"in %u bytes", vds_msf_path(msf), tpi->stream,
			tpi->begin, tpi->end, bytes);
	return NULL;
}

static struct vds_error *index_records(const struct vds_msf *msf,
				       struct vds_tpi *tpi)
{
	uint32_t n = tpi->end - tpi->begin;
	struct vds_bytes b;
	tpi->at = vds_malloc_array(n, sizeof(*tpi->at));
	if (!tpi->at)
		return &vds_enomem;
	vds_bytes_init(&b, tpi->data, tpi->len);
	for (uint32_t i = 0; i < n; i++) {
		size_t start = b.pos;
		uint16_t len = vds_bytes_u16(&b);
		if (len < 2 || !vds_bytes_take(&b, len))
			return vds_error_create(
				VDS_ERROR_FORMAT,
				"%s: stream %u: byte 0x%zx: record of type "
				"0x%x is cut off", vds_msf_path(msf),
				tpi->stream, tpi->header + start,
				tpi->begin + i);
		tpi->at[i] = (uint32_t)start;
	}
	return NULL;
}

static struct vds_error *load(const struct vds_msf *msf, struct vds_tpi *tpi)
{
	uint8_t head[HEADER_USED];
	struct vds_error *err =
		vds_msf_read(msf, tpi->stream, 0, head, sizeof(head));
	if (err)
		return err;
	tpi->version = vds_le32(head);
	tpi->header = vds_le32(head + 4);
	tpi->begin = vds_le32(head + 8);
	tpi->end = vds_le32(head + 12);
	tpi->len = vds_le32(head + 16);
	err = check_header(msf, tpi, (uint32_t)tpi->len);
	if (err)
		return err;
	err = vds_msf_load(msf, tpi->stream, tpi->header, tpi->len,
			   &tpi->data);
	return err ? err : index_records(msf, tpi);
}

struct vds_error *vds_tpi_load(const struct vds_msf *msf, uint32_t stream,
			       struct vds_tpi *ret)
{
	struct vds_tpi tpi = {.stream = stream};
	if (!vds_msf_size(msf, stream)) {
		*ret = tpi;
		return NULL;
	}
	struct vds_error *err = load(msf, &tpi);
	if (err) {
		vds_tpi_deinit(&tpi);
		return err;
	}
	*ret = tpi;
	return NULL;
}

void vds_tpi_deinit(struct vds_tpi *tpi)
{
	vds_tpi_names_destroy(tpi->names);
	free(tpi->data);
	free(tpi->at);
	memset(tpi, 0, sizeof(*tpi));
}

bool vds_tpi_has(const struct vds_tpi *tpi, uint32_t index)
{
	return index >= tpi->begin && index < tpi->end;
}

struct vds_error *vds_tpi_damaged(const struct vds_tpi *tpi, uint32_t index,
				  size_t pos)
{
	pos += (size_t)tpi->header + tpi->at[index - tpi->begin] + 2;
	return vds_error_create(VDS_ERROR_FORMAT,
				"stream %u: byte 0x%zx: type 0x%x is damaged",
				tpi->stream, pos, index);
}

struct vds_error *vds_tpi_record(const struct vds_tpi *tpi, uint32_t index,
				 struct vds_bytes *b, uint16_t *ret_leaf)
{
	if (!vds_tpi_has(tpi, index))
		return vds_error_create(VDS_ERROR_FORMAT,
					"stream %u: there is no type 0x%x",
					tpi->stream, index);
	size_t at = tpi->at[index - tpi->begin];
	vds_bytes_init(b, tpi->data + at + 2, vds_le16(tpi->data + at));
	*ret_leaf = vds_bytes_u16(b);
	return NULL;
}

static void names(struct vds_bytes *b, bool st, uint16_t props,
		  struct vds_tpi_type *t)
{
	t->is_forward = props & CV_PROP_FORWARD_REF;
	vds_cv_string(b, st, &t->name, &t->name_len);
	if (props & CV_PROP_UNIQUE_NAME)
		vds_cv_string(b, st, &t->unique, &t->unique_len);
}

static void class_record(struct vds_bytes *b, uint16_t leaf,
			 struct vds_tpi_type *t)
{
	uint16_t props;
	if (leaf == LF_CLASS2 || leaf == LF_STRUCTURE2) {
		props = (uint16_t)vds_bytes_u32(b);
		t->fields = vds_bytes_u32(b);
		vds_bytes_take(b, 4 + 4 + 2);	/* derived, vshape, count */
	} else {
		vds_bytes_take(b, 2);		/* count */
		props = vds_bytes_u16(b);
		t->fields = vds_bytes_u32(b);
		vds_bytes_take(b, 4 + 4);	/* derived, vshape */
	}
	t->leaf = LF_STRUCTURE;
	t->size = vds_cv_number(b);
	names(b, leaf == LF_CLASS_ST || leaf == LF_STRUCTURE_ST, props, t);
}

static void union_record(struct vds_bytes *b, uint16_t leaf,
			 struct vds_tpi_type *t)
{
	vds_bytes_take(b, 2);	/* count */
	uint16_t props = vds_bytes_u16(b);
	t->leaf = LF_UNION;
	t->fields = vds_bytes_u32(b);
	t->size = vds_cv_number(b);
	names(b, leaf == LF_UNION_ST, props, t);
}

static void enum_record(struct vds_bytes *b, uint16_t leaf,
			struct vds_tpi_type *t)
{
	vds_bytes_take(b, 2);	/* count */
	uint16_t props = vds_bytes_u16(b);
	t->leaf = LF_ENUM;
	t->target = vds_bytes_u32(b);
	t->fields = vds_bytes_u32(b);
	names(b, leaf == LF_ENUM_ST, props, t);
}

/* Size from the attributes; older linkers leave it 0 and give a kind alone. */
static void pointer_record(struct vds_bytes *b, struct vds_tpi_type *t)
{
	t->target = vds_bytes_u32(b);
	uint32_t attrs = vds_bytes_u32(b);
	t->size = vds_bits(attrs, 13, 6);
	if (t->size)
		return;
	switch (vds_bits(attrs, 0, 5)) {
	case 0x0a:	/* near 32 */
		t->size = 4;
		break;
	case 0x0b:	/* far 16:32 */
		t->size = 6;
		break;
	case 0x0c:	/* 64 */
		t->size = 8;
		break;
	}
}

static void array_record(struct vds_bytes *b, uint16_t leaf,
			 struct vds_tpi_type *t)
{
	t->leaf = leaf == LF_ARRAY_ST ? LF_ARRAY : leaf;
	t->target = vds_bytes_u32(b);
	vds_bytes_take(b, 4);		/* type of the index */
	if (leaf == LF_STRIDED_ARRAY)
		vds_bytes_take(b, 4);	/* stride */
	t->size = vds_cv_number(b);
}

struct vds_error *vds_tpi_type(const struct vds_tpi *tpi, uint32_t index,
			       struct vds_tpi_type *ret)
{
	struct vds_tpi_type t = {.name = "", .unique = ""};
	struct vds_bytes b;
	struct vds_error *err = vds_tpi_record(tpi, index, &b, &t.leaf);
	if (err)
		return err;
	switch (t.leaf) {
	case LF_CLASS:
	case LF_CLASS_ST:
	case LF_CLASS2:
	case LF_STRUCTURE:
	case LF_STRUCTURE_ST:
	case LF_STRUCTURE2:
	case LF_INTERFACE:
		class_record(&b, t.leaf, &t);
		break;
	case LF_UNION:
	case LF_UNION_ST:
		union_record(&b, t.leaf, &t);
		break;
	case LF_ENUM:
	case LF_ENUM_ST:
		enum_record(&b, t.leaf, &t);
		break;
	case LF_POINTER:
		pointer_record(&b, &t);
		break;
	case LF_ARRAY:
	case LF_ARRAY_ST:
	case LF_STRIDED_ARRAY:
		array_record(&b, t.leaf, &t);
		break;
	case LF_BITFIELD:
		t.target = vds_bytes_u32(&b);
		t.bit_len = vds_bytes_u8(&b);
		t.bit_pos = vds_bytes_u8(&b);
		break;
	case LF_MODIFIER:
	case LF_PROCEDURE:
	case LF_MFUNCTION:
	case LF_ALIAS:
		t.target = vds_bytes_u32(&b);
		if (t.leaf == LF_MFUNCTION)
			t.leaf = LF_PROCEDURE;
		break;
	}
	if (b.failed)
		return vds_tpi_damaged(tpi, index, b.pos);
	*ret = t;
	return NULL;
}
