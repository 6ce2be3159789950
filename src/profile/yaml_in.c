/* SPDX-License-Identifier: Apache-2.0 */
#include "profile/yaml_in.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/util.h"

static struct vds_error *error_at(const struct vds_yaml_in *in,
				  const yaml_mark_t *mark, const char *what)
{
	return vds_error_create(VDS_ERROR_FORMAT, "%s:%zu:%zu: %s", in->name,
				mark->line + 1, mark->column + 1, what);
}

struct vds_error *vds_yaml_error(const struct vds_yaml_in *in,
				 const char *format, ...)
{
	char buf[512];
	va_list ap;
	va_start(ap, format);
	vsnprintf(buf, sizeof(buf), format, ap);
	va_end(ap);
	return error_at(in, &in->event.start_mark, buf);
}

static struct vds_error *parser_error(const struct vds_yaml_in *in)
{
	const yaml_parser_t *p = &in->parser;
	if (p->error == YAML_MEMORY_ERROR)
		return &vds_enomem;
	if (p->error == YAML_READER_ERROR)
		return vds_error_create(VDS_ERROR_FORMAT,
					"%s:%zu:%zu: %s (byte %zu)", in->name,
					p->mark.line + 1, p->mark.column + 1,
					p->problem ? p->problem : "bad bytes",
					p->problem_offset);
	return error_at(in, &p->problem_mark,
			p->problem ? p->problem : "not YAML");
}

/* What profiles don't need and a reader is safer without. */
static struct vds_error *refuse_features(struct vds_yaml_in *in)
{
	const yaml_event_t *e = &in->event;
	const yaml_char_t *anchor = NULL, *tag = NULL;
	switch (e->type) {
	case YAML_ALIAS_EVENT:
		return vds_yaml_error(in, "aliases are not allowed");
	case YAML_SCALAR_EVENT:
		anchor = e->data.scalar.anchor;
		tag = e->data.scalar.tag;
		break;
	case YAML_SEQUENCE_START_EVENT:
		anchor = e->data.sequence_start.anchor;
		tag = e->data.sequence_start.tag;
		break;
	case YAML_MAPPING_START_EVENT:
		anchor = e->data.mapping_start.anchor;
		tag = e->data.mapping_start.tag;
		break;
	default:
		return NULL;
	}
	if (anchor)
		return vds_yaml_error(in, "anchors are not allowed");
	if (tag)
		return vds_yaml_error(in, "tags are not allowed");
	if (++in->nodes > VDS_YAML_MAX_NODES)
		return vds_yaml_error(in, "more than %zu nodes",
				      VDS_YAML_MAX_NODES);
	return NULL;
}

struct vds_error *vds_yaml_next(struct vds_yaml_in *in)
{
	yaml_event_delete(&in->event);
	if (!yaml_parser_parse(&in->parser, &in->event)) {
		memset(&in->event, 0, sizeof(in->event));
		return parser_error(in);
	}
	return refuse_features(in);
}

struct vds_error *vds_yaml_open(struct vds_yaml_in *in, const char *name,
				const void *data, size_t len)
{
	memset(in, 0, sizeof(*in));
	in->name = name;
	if (!yaml_parser_initialize(&in->parser))
		return &vds_enomem;
	yaml_parser_set_encoding(&in->parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&in->parser, data, len);
	for (;;) {
		struct vds_error *err = vds_yaml_next(in);
		if (err)
			return err;
		if (in->event.type == YAML_STREAM_END_EVENT)
			return vds_yaml_error(in, "empty: not a profile");
		if (in->event.type != YAML_STREAM_START_EVENT &&
		    in->event.type != YAML_DOCUMENT_START_EVENT)
			return NULL;
	}
}

void vds_yaml_close(struct vds_yaml_in *in)
{
	yaml_event_delete(&in->event);
	yaml_parser_delete(&in->parser);
}

struct vds_error *vds_yaml_skip(struct vds_yaml_in *in)
{
	int depth = 0;
	do {
		switch (in->event.type) {
		case YAML_MAPPING_START_EVENT:
		case YAML_SEQUENCE_START_EVENT:
			if (++depth > VDS_YAML_MAX_DEPTH)
				return vds_yaml_error(in, "nested too deep");
			break;
		case YAML_MAPPING_END_EVENT:
		case YAML_SEQUENCE_END_EVENT:
			depth--;
			break;
		default:
			break;
		}
		struct vds_error *err = vds_yaml_next(in);
		if (err)
			return err;
	} while (depth > 0);
	return NULL;
}

struct vds_error *vds_yaml_scalar(struct vds_yaml_in *in, const char **ret,
				  size_t *ret_len)
{
	if (in->event.type != YAML_SCALAR_EVENT)
		return vds_yaml_error(in, "expected a plain value here");
	const char *text = (const char *)in->event.data.scalar.value;
	size_t len = in->event.data.scalar.length;
	if (memchr(text, '\0', len))
		return vds_yaml_error(in, "NUL characters are not allowed");
	*ret = text;
	*ret_len = len;
	return NULL;
}

struct vds_error *vds_yaml_begin(struct vds_yaml_in *in, yaml_event_type_t type,
				 const char *what)
{
	if (in->event.type != type)
		return vds_yaml_error(in, "expected %s here", what);
	return vds_yaml_next(in);
}

struct vds_error *vds_yaml_at_end(struct vds_yaml_in *in,
				  yaml_event_type_t type, bool *ret)
{
	*ret = in->event.type == type;
	return *ret ? vds_yaml_next(in) : NULL;
}

struct vds_error *vds_yaml_finish(struct vds_yaml_in *in)
{
	if (in->event.type != YAML_DOCUMENT_END_EVENT)
		return vds_yaml_error(in, "expected the end of the document");
	struct vds_error *err = vds_yaml_next(in);
	if (err)
		return err;
	if (in->event.type != YAML_STREAM_END_EVENT)
		return vds_yaml_error(in, "a second document is not allowed");
	return NULL;
}
