/* SPDX-License-Identifier: Apache-2.0 */
/* Scalars and mappings of a profile, with positions in errors. */
#include "profile/load_int.h"

#include <string.h>

#include "profile/spell.h"

static void mark_here(struct vds_loader *l)
{
	l->model->here.line = (uint32_t)l->in.event.start_mark.line + 1;
	l->model->here.column = (uint32_t)l->in.event.start_mark.column + 1;
}

/* Gives an error of the model the position of the current event. */
struct vds_error *vds_load_locate(struct vds_loader *l, struct vds_error *err)
{
	if (!err || err->code != VDS_ERROR_FORMAT)
		return err;
	struct vds_error *at = vds_yaml_error(&l->in, "%s", err->message);
	vds_error_destroy(err);
	return at;
}

struct vds_error *vds_load_text(struct vds_loader *l, const char **ret,
				size_t *ret_len)
{
	return vds_yaml_scalar(&l->in, ret, ret_len);
}

struct vds_error *vds_load_u64(struct vds_loader *l, const char *key,
			       uint64_t max, uint64_t *ret)
{
	const char *text;
	size_t len;
	struct vds_error *err = vds_load_text(l, &text, &len);
	if (err)
		return err;
	if (!vds_spelled_u64(text, len, max, ret))
		return vds_yaml_error(&l->in,
			"%s: not an integer from 0 to %llu", key,
			(unsigned long long)max);
	return vds_yaml_next(&l->in);
}

struct vds_error *vds_load_u32(struct vds_loader *l, const char *key,
			       uint32_t *ret)
{
	uint64_t v;
	struct vds_error *err = vds_load_u64(l, key, UINT32_MAX, &v);
	if (!err)
		*ret = (uint32_t)v;
	return err;
}

/* Copies a scalar into an array of @size bytes. */
struct vds_error *vds_load_string(struct vds_loader *l, const char *key,
				  char *ret, size_t size)
{
	const char *text;
	size_t len;
	struct vds_error *err = vds_load_text(l, &text, &len);
	if (err)
		return err;
	if (len >= size)
		return vds_yaml_error(&l->in, "%s: longer than %zu characters",
				      key, size - 1);
	for (size_t i = 0; i < len; i++) {
		if (text[i] < 0x20 || text[i] > 0x7e)
			return vds_yaml_error(&l->in,
				"%s: only printable ASCII is allowed", key);
	}
	memcpy(ret, text, len + 1);
	return vds_yaml_next(&l->in);
}

/*
 * @fn gets the key as it stands in @known, so that it outlives the event.
 */
struct vds_error *vds_load_each(struct vds_loader *l, const char *what,
				const char *const *known, vds_load_value_fn fn,
				void *arg)
{
	uint32_t seen = 0;
	struct vds_error *err = vds_yaml_begin(&l->in, YAML_MAPPING_START_EVENT,
					       what);
	while (!err) {
		bool end;
		const char *text;
		size_t len, i = 0;
		err = vds_yaml_at_end(&l->in, YAML_MAPPING_END_EVENT, &end);
		if (err || end)
			return err;
		err = vds_yaml_scalar(&l->in, &text, &len);
		if (err)
			return err;
		while (known[i] && strcmp(known[i], text) != 0)
			i++;
		if (!known[i])
			return vds_yaml_error(&l->in, "%.100s: unknown key",
					      text);
		if (seen & 1u << i)
			return vds_yaml_error(&l->in, "%s: duplicate key",
					      text);
		seen |= 1u << i;
		err = vds_yaml_next(&l->in);
		if (!err)
			err = fn(l, known[i], arg);
	}
	return err;
}

struct vds_error *vds_load_each_name(struct vds_loader *l, const char *what,
				     bool unique, vds_load_entry_fn fn,
				     void *arg)
{
	uint32_t stamp = ++l->model->stamp;
	struct vds_error *err = vds_yaml_begin(&l->in, YAML_MAPPING_START_EVENT,
					       what);
	while (!err) {
		bool end;
		const char *text;
		size_t len;
		struct vds_name *name;
		err = vds_yaml_at_end(&l->in, YAML_MAPPING_END_EVENT, &end);
		if (err || end)
			return err;
		mark_here(l);
		err = vds_yaml_scalar(&l->in, &text, &len);
		if (!err)
			err = vds_load_locate(l,
				vds_model_name(l->model, text, len, &name));
		if (err)
			return err;
		if (unique && name->stamp == stamp && name->len)
			return vds_yaml_error(&l->in, "%.100s: duplicate key",
					      name->text);
		name->stamp = stamp;
		err = vds_yaml_next(&l->in);
		if (!err)
			err = fn(l, name, arg);
	}
	return err;
}
