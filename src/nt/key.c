/* SPDX-License-Identifier: Apache-2.0 */
#include "nt/key.h"

#include "base/bytes.h"
#include "base/str.h"
#include "base/util.h"
#include "nt/name.h"
#include "nt/rec.h"
#include "nt/walk.h"

/* CM_KEY_BODY.Type: "ky02" (Windows Research Kernel, cmp.h: KEY_BODY_TYPE). */
#define KEY_BODY_TYPE 0x6b793032u
/* The documented limit of a registry tree's depth. */
#define MAX_DEPTH 512
/* The documented limit of a key's name, in characters. */
#define MAX_NAME 255

/*
 * Appends a key's own name. A compressed one has a byte per character (the low
 * halves of its UTF-16 units: Windows Research Kernel, cmname.c).
 */
static enum vds_why read_name(struct vds_task *task, uint64_t block,
			      struct vds_str *s)
{
	const struct vds_kernel *kernel = task->kernel;
	const struct vds_field *name = vds_kf(kernel, KEY_NAME_TEXT);
	uint64_t compressed, length;
	uint8_t raw[2 * MAX_NAME], wide[2 * MAX_NAME];
	enum vds_why why;

	if (!name->present)
		return VDS_NO_FIELD;
	if (!vds_is_kernel_pointer(kernel, block, 8))
		return VDS_BAD_DATA;
	why = vds_task_field(task, block, vds_kf(kernel, KEY_NAME_COMPRESSED),
			     &compressed);
	if (!why)
		why = vds_task_field(task, block,
				     vds_kf(kernel, KEY_NAME_LENGTH), &length);
	if (why)
		return why;
	if (!length || length > (compressed ? MAX_NAME : 2 * MAX_NAME) ||
	    (!compressed && length % 2))
		return VDS_BAD_DATA;
	why = vds_task_read(task, block + name->offset, raw, (size_t)length);
	if (why)
		return why;
	if (!compressed) {
		vds_str_put_utf16(s, raw, (size_t)length / 2);
		return VDS_PRESENT;
	}
	for (size_t i = 0; i < length; i++)
		vds_put_le16(wide + 2 * i, raw[i]);
	vds_str_put_utf16(s, wide, (size_t)length);
	return VDS_PRESENT;
}

static enum vds_why read_member(struct vds_task *task, uint64_t va,
				const struct vds_field *field, uint64_t *ret)
{
	if (!vds_is_kernel_pointer(task->kernel, va, 8))
		return VDS_BAD_DATA;
	return vds_task_field(task, va, field, ret);
}

/* What a key is called, from itself up to the root. */
struct parts {
	struct vds_str text;		/* of all of them, in that order */
	size_t ends[MAX_DEPTH];		/* where in it each one ends, exclusive */
	size_t count;
};

static void parts_deinit(struct parts *parts)
{
	vds_str_deinit(&parts->text);
}

/* PRESENT if the root was reached; what was met on the way stands in @parts. */
static enum vds_why collect(struct vds_task *task, uint64_t kcb,
			    struct parts *parts)
{
	const struct vds_kernel *kernel = task->kernel;
	uint64_t block, mark = 0;
	enum vds_why why = VDS_PRESENT;

	while (!why && kcb) {
		/* Brent: a loop comes back to a mark that moves ever farther. */
		if (kcb == mark || parts->count == MAX_DEPTH)
			return VDS_BAD_DATA;
		if (!(parts->count & (parts->count + 1)))
			mark = kcb;
		why = read_member(task, kcb, vds_kf(kernel, KCB_NAME), &block);
		if (!why)
			why = read_name(task, block, &parts->text);
		if (why)
			return why;
		parts->ends[parts->count++] = parts->text.len;
		why = read_member(task, kcb, vds_kf(kernel, KCB_PARENT), &kcb);
	}
	return why;
}

static enum vds_why join(struct vds_task *task, const struct parts *parts,
			 bool whole, const char **ret)
{
	_cleanup_(vds_str_deinit) struct vds_str s = {0};

	if (parts->text.failed) {
		task->nomem = true;
		return VDS_NOT_APPLICABLE;
	}
	/* What is above can't be had: the rest is worth something. */
	if (!whole)
		vds_str_puts(&s, "...");
	for (size_t i = parts->count; i-- > 0;) {
		size_t start = i ? parts->ends[i - 1] : 0;
		const char *name = parts->text.data + start;

		vds_str_putc(&s, '\\');
		vds_str_append(&s, name,
			       strnlen(name, parts->ends[i] - start));
	}
	return vds_task_keep(task, &s, ret);
}

enum vds_why vds_key_path(struct vds_task *task, uint64_t body,
			  const char **ret)
{
	const struct vds_kernel *kernel = task->kernel;
	_cleanup_(parts_deinit) struct parts parts;
	uint64_t type, kcb;
	enum vds_why why = read_member(task, body, vds_kf(kernel, KEY_TYPE),
				       &type);

	parts.count = 0;
	parts.text = (struct vds_str){0};
	if (!why && type != KEY_BODY_TYPE)
		why = VDS_BAD_DATA;
	if (!why)
		why = read_member(task, body, vds_kf(kernel, KEY_KCB), &kcb);
	if (why)
		return why;
	why = collect(task, kcb, &parts);
	if (why == VDS_BAD_DATA || !parts.count)
		return why ? why : VDS_BAD_DATA;
	return join(task, &parts, !why, ret);
}
