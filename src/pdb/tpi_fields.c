/* SPDX-License-Identifier: Apache-2.0 */
#include "base/util.h"
#include "pdb/leaf.h"
#include "pdb/tpi.h"
#include "pdb/tpi_record.h"

static struct vds_error *open_list(struct vds_tpi_fields *it, uint32_t index)
{
	uint16_t leaf = 0;
	struct vds_error *err = vds_tpi_record(it->tpi, index, &it->b, &leaf);
	if (err)
		return err;
	if (leaf != LF_FIELDLIST)
		return vds_error_create(
			VDS_ERROR_FORMAT,
			"stream %u: type 0x%x is no field list",
			it->tpi->stream, index);
	it->index = index;
	it->next = 0;
	return NULL;
}

struct vds_error *vds_tpi_fields_init(struct vds_tpi_fields *it,
				      const struct vds_tpi *tpi,
				      uint32_t index)
{
	*it = (struct vds_tpi_fields){.tpi = tpi, .index = index};
	vds_bytes_init(&it->b, NULL, 0);
	return index ? open_list(it, index) : NULL;
}

void vds_tpi_fields_deinit(struct vds_tpi_fields *it)
{
	vds_map_deinit(&it->seen);
}

/* Only lists that continue are remembered: hardly any does. */
static struct vds_error *continue_list(struct vds_tpi_fields *it)
{
	switch (vds_set_add(&it->seen, it->index)) {
	case VDS_SEEN_NOMEM:
		return &vds_enomem;
	case VDS_SEEN_BEFORE:
		return vds_error_create(
			VDS_ERROR_FORMAT,
			"stream %u: field list 0x%x continues itself",
			it->tpi->stream, it->index);
	case VDS_SEEN_NEW:
		break;
	}
	return open_list(it, it->next);
}

/* A member of a structure, or of an enumeration. */
static void read_member(struct vds_bytes *b, uint16_t leaf,
			struct vds_tpi_field *f)
{
	bool st = leaf == LF_MEMBER_ST || leaf == LF_ENUMERATE_ST;
	vds_bytes_take(b, 2);	/* access */
	if (leaf == LF_MEMBER || leaf == LF_MEMBER_ST) {
		f->kind = VDS_TPI_MEMBER;
		f->type = vds_bytes_u32(b);
		f->offset = vds_cv_number(b);
	} else {
		f->kind = VDS_TPI_ENUMERATOR;
		f->value = (int64_t)vds_cv_number(b);
	}
	vds_cv_string(b, st, &f->name, &f->name_len);
}

/* What a class has of other classes: it has no name. */
static void read_base(struct vds_bytes *b, uint16_t leaf,
		      struct vds_tpi_field *f)
{
	vds_bytes_take(b, 2);
	f->type = vds_bytes_u32(b);
	switch (leaf) {
	case LF_BCLASS:
	case LF_BINTERFACE:
		f->kind = VDS_TPI_BASE;
		f->offset = vds_cv_number(b);
		break;
	case LF_VBCLASS:
	case LF_IVBCLASS:
		f->kind = VDS_TPI_VIRTUAL_BASE;
		vds_bytes_take(b, 4);	/* type of the pointer to the table */
		f->offset = vds_cv_number(b);
		vds_cv_number(b);		/* entry in that table */
		break;
	default:
		f->kind = VDS_TPI_VFPTR;
		f->offset = leaf == LF_VFUNCOFF ? vds_bytes_u32(b) : 0;
	}
}

static void read_method(struct vds_bytes *b, uint16_t leaf,
			struct vds_tpi_field *f)
{
	uint16_t attrs = vds_bytes_u16(b);
	f->type = vds_bytes_u32(b);
	/* An introducing virtual has its offset in the table. */
	if (vds_bits(attrs, 2, 3) == 4 || vds_bits(attrs, 2, 3) == 6)
		vds_bytes_take(b, 4);
	vds_cv_string(b, leaf == LF_ONEMETHOD_ST, &f->name, &f->name_len);
}

/* One sub-record, from behind its leaf. */
static void read_field(struct vds_tpi_fields *it, uint16_t leaf,
		       struct vds_tpi_field *f)
{
	struct vds_bytes *b = &it->b;
	switch (leaf) {
	case LF_MEMBER:
	case LF_MEMBER_ST:
	case LF_ENUMERATE:
	case LF_ENUMERATE_ST:
		read_member(b, leaf, f);
		break;
	case LF_BCLASS:
	case LF_BINTERFACE:
	case LF_VBCLASS:
	case LF_IVBCLASS:
	case LF_VFUNCTAB:
	case LF_VFUNCOFF:
		read_base(b, leaf, f);
		break;
	case LF_INDEX:
		vds_bytes_take(b, 2);
		it->next = vds_bytes_u32(b);
		break;
	case LF_FRIENDCLS:
		vds_bytes_take(b, 2 + 4);
		break;
	case LF_ONEMETHOD:
	case LF_ONEMETHOD_ST:
		read_method(b, leaf, f);
		break;
	case LF_STMEMBER:
	case LF_METHOD:
	case LF_NESTTYPE:
	case LF_NESTTYPEEX:
	case LF_MEMBERMODIFY:
	case LF_FRIENDFCN:
	case LF_STMEMBER_ST:
	case LF_METHOD_ST:
	case LF_NESTTYPE_ST:
	case LF_NESTTYPEEX_ST:
	case LF_MEMBERMODIFY_ST:
	case LF_FRIENDFCN_ST:
		vds_bytes_take(b, 2);	/* access, count or nothing */
		f->type = vds_bytes_u32(b);
		vds_cv_string(b, leaf < LF_ENUMERATE, &f->name, &f->name_len);
		break;
	default:
		b->failed = true;
	}
}

static void skip_padding(struct vds_bytes *b)
{
	while (vds_bytes_left(b) && b->data[b->pos] > LF_PAD0) {
		size_t pad = b->data[b->pos] & 0x0f;
		vds_bytes_take(b, VDS_MIN(pad, vds_bytes_left(b)));
	}
}

struct vds_error *vds_tpi_fields_next(struct vds_tpi_fields *it,
				      struct vds_tpi_field *ret, bool *ret_done)
{
	for (;;) {
		struct vds_tpi_field f = {
			.kind = VDS_TPI_OTHER, .name = ""};
		struct vds_error *err = NULL;
		if (it->next)
			err = continue_list(it);
		if (err)
			return err;
		if (!vds_bytes_left(&it->b)) {
			*ret_done = true;
			return NULL;
		}
		size_t start = it->b.pos;
		read_field(it, vds_bytes_u16(&it->b), &f);
		if (it->b.failed)
			return vds_tpi_damaged(it->tpi, it->index, start);
		skip_padding(&it->b);
		if (it->next)
			continue;
		*ret = f;
		*ret_done = false;
		return NULL;
	}
}
