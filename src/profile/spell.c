/* SPDX-License-Identifier: Apache-2.0 */
#include "profile/spell.h"

#include <stdio.h>
#include <string.h>

#include "profile/profile_int.h"

/* As many as the model allows on one type. */
#define MAX_SUFFIXES 64

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return 99;
}

bool vds_spelled_u64(const char *text, size_t len, uint64_t max, uint64_t *ret)
{
	unsigned int base = 10;
	uint64_t v = 0;
	if (len > 2 && text[0] == '0' && text[1] == 'x') {
		base = 16;
		text += 2;
		len -= 2;
	} else if (len > 1 && text[0] == '0') {
		return false;
	}
	if (!len)
		return false;
	for (size_t i = 0; i < len; i++) {
		unsigned int d = (unsigned int)digit(text[i]);
		if (d >= base || v > (UINT64_MAX - d) / base)
			return false;
		v = v * base + d;
	}
	if (v > max)
		return false;
	*ret = v;
	return true;
}

bool vds_spelled_i64(const char *text, size_t len, int64_t *ret)
{
	uint64_t v;
	if (len && text[0] == '-') {
		if (!vds_spelled_u64(text + 1, len - 1, UINT64_C(1) << 63, &v))
			return false;
		*ret = (int64_t)(0 - v);
		return true;
	}
	if (!vds_spelled_u64(text, len, UINT64_MAX, &v))
		return false;
	*ret = (int64_t)v;
	return true;
}

struct suffix {
	bool array;
	uint64_t n;	/* elements, or bytes of a pointer (0 = default) */
};

/*
 * Takes the last suffix off @text. False if there is none, as in "operator[]"
 * or "unsigned int".
 */
static bool take_suffix(const char *text, size_t *len, struct suffix *ret)
{
	size_t end = *len, i = end;
	bool array = end && text[end - 1] == ']';
	if (array)
		i = --end;
	while (i && text[i - 1] >= '0' && text[i - 1] <= '9')
		i--;
	if (!i || text[i - 1] != (array ? '[' : '*'))
		return false;
	ret->array = array;
	ret->n = 0;
	if ((array || i < end) &&
	    !vds_spelled_u64(text + i, end - i, array ? UINT64_MAX : 8, &ret->n))
		return false;
	*len = i - 1;
	return true;
}

bool vds_spelling_is_ambiguous(const char *name, size_t len)
{
	struct suffix suffix;
	return len && (name[len - 1] == ' ' || take_suffix(name, &len, &suffix));
}

static struct vds_error *wrap(struct vds_model *model,
			      const struct suffix *suffix,
			      struct vds_model_type **type)
{
	return suffix->array ?
		vds_model_array(model, *type, suffix->n, type) :
		vds_model_pointer(model, *type, (unsigned int)suffix->n, type);
}

static struct vds_error *parse(struct vds_model *model, const char *text,
			       size_t len, struct vds_model_type **ret)
{
	struct suffix s[MAX_SUFFIXES];	/* the rightmost first */
	int n = 0;
	while (n < MAX_SUFFIXES && take_suffix(text, &len, &s[n]))
		n++;
	if (!len || text[len - 1] == ' ')
		return vds_error_create(VDS_ERROR_FORMAT, "no type name");
	struct vds_model_type *type;
	struct vds_error *err = vds_model_named(model, text, len, &type);
	for (int i = n - 1; i >= 0 && !err; i--) {
		/* A run of arrays, s[i] down to s[j]: innermost is s[j]. */
		int j = i;
		while (s[i].array && j > 0 && s[j - 1].array)
			j--;
		for (int k = j; k <= i && !err; k++)
			err = wrap(model, &s[k], &type);
		i = j;
	}
	if (!err)
		*ret = type;
	return err;
}

struct vds_error *vds_model_spelled(struct vds_model *model, const char *text,
				    size_t len, struct vds_model_type **ret)
{
	struct vds_name *name;
	struct vds_error *err = vds_model_name(model, text, len, &name);
	if (!err && !name->spelled)
		err = parse(model, text, len, &name->spelled);
	if (!err)
		*ret = name->spelled;
	return err;
}

bool vds_spelled_member(const char *text, size_t len,
			struct vds_spelled_member *ret)
{
	const char *space = memchr(text, ' ', len);
	if (!space)
		return false;
	size_t head = (size_t)(space - text);
	const char *colon = memchr(text, ':', head);
	size_t offset_len = colon ? (size_t)(colon - text) : head;
	uint64_t offset, pos = 0, bits = 0;
	if (!vds_spelled_u64(text, offset_len, UINT32_MAX, &offset))
		return false;
	if (colon) {
		const char *plus = memchr(colon, '+', (size_t)(space - colon));
		if (!plus ||
		    !vds_spelled_u64(colon + 1, (size_t)(plus - colon - 1), 127,
				     &pos) ||
		    !vds_spelled_u64(plus + 1, (size_t)(space - plus - 1), 128,
				     &bits) || !bits)
			return false;
	}
	*ret = (struct vds_spelled_member){
		.offset = (uint32_t)offset,
		.bit_pos = (unsigned int)pos,
		.bit_len = (unsigned int)bits,
		.type = space + 1,
		.type_len = len - head - 1,
	};
	return ret->type_len > 0;
}

const struct vds_type *vds_type_core(const struct vds_type *type)
{
	while (type->kind == VDS_TYPE_POINTER || type->kind == VDS_TYPE_ARRAY)
		type = type->target;
	return type;
}

void vds_spell_type(struct vds_str *out, const struct vds_type *type,
		    const char *path, uint64_t pointer_size)
{
	const struct vds_type *chain[MAX_SUFFIXES];	/* outermost first */
	int n = 0;
	while (n < MAX_SUFFIXES && (type->kind == VDS_TYPE_POINTER ||
				    type->kind == VDS_TYPE_ARRAY)) {
		chain[n++] = type;
		type = type->target;
	}
	vds_str_puts(out, type->name[0] ? type->name : path);
	for (int i = n - 1; i >= 0; i--) {
		if (chain[i]->kind == VDS_TYPE_POINTER) {
			vds_str_putc(out, '*');
			if (chain[i]->size != pointer_size)
				vds_str_printf(out, "%u",
					       (unsigned int)chain[i]->size);
			continue;
		}
		int j = i;
		while (j > 0 && chain[j - 1]->kind == VDS_TYPE_ARRAY)
			j--;
		for (int k = j; k <= i; k++)
			vds_str_printf(out, "[%llu]",
				       (unsigned long long)chain[k]->count);
		i = j;
	}
}
