/* SPDX-License-Identifier: Apache-2.0 */
#include "image/aff4_yaml.h"

#include <stdio.h>
#include <string.h>
#include <yaml.h>

#include "base/str.h"

#define EVENTS_MAX 10000
#define DEPTH_MAX 8

/* Where the parser is: the keys that lead here, one per level of mapping. */
struct state {
	char keys[DEPTH_MAX][32];
	bool mapping[DEPTH_MAX];	/* else a sequence */
	bool want_value[DEPTH_MAX];	/* a key was read, its value comes */
	int depth;			/* open collections */
};

static void take_number(const char *value, uint64_t *to)
{
	vds_parse_u64(value, to);
}

static void take_text(const char *value, char *to, size_t size)
{
	snprintf(to, size, "%s", value);
}

static void take(const struct state *s, const char *value,
		 struct vds_winpmem_info *info)
{
	if (s->depth == 2 && !strcmp(s->keys[0], "Registers") &&
	    !strcmp(s->keys[1], "CR3"))
		take_number(value, &info->cr3);
	if (s->depth != 1)
		return;
	if (!strcmp(s->keys[0], "Imager"))
		take_text(value, info->imager, sizeof(info->imager));
	else if (!strcmp(s->keys[0], "System"))
		take_text(value, info->system, sizeof(info->system));
	else if (!strcmp(s->keys[0], "NtBuildNumber"))
		take_number(value, &info->build);
	else if (!strcmp(s->keys[0], "KernBase"))
		take_number(value, &info->kernel_base);
}

static void on_scalar(struct state *s, const char *value,
		      struct vds_winpmem_info *info)
{
	int level = s->depth - 1;
	if (level < 0 || !s->mapping[level])
		return;
	if (s->want_value[level])
		take(s, value, info);
	else
		snprintf(s->keys[level], sizeof(s->keys[level]), "%s", value);
	s->want_value[level] = !s->want_value[level];
}

/* False: enough. */
static bool on_event(struct state *s, const yaml_event_t *event,
		     struct vds_winpmem_info *info)
{
	switch (event->type) {
	case YAML_MAPPING_START_EVENT:
	case YAML_SEQUENCE_START_EVENT:
		if (s->depth == DEPTH_MAX)
			return false;
		/* The collection is the value of the key above it. */
		if (s->depth)
			s->want_value[s->depth - 1] = false;
		s->mapping[s->depth] =
			event->type == YAML_MAPPING_START_EVENT;
		s->want_value[s->depth++] = false;
		return true;
	case YAML_MAPPING_END_EVENT:
	case YAML_SEQUENCE_END_EVENT:
		s->depth--;
		return s->depth >= 0;
	case YAML_SCALAR_EVENT:
		on_scalar(s, (const char *)event->data.scalar.value, info);
		return true;
	case YAML_ALIAS_EVENT:
	case YAML_STREAM_END_EVENT:
	case YAML_NO_EVENT:
		return false;
	case YAML_STREAM_START_EVENT:
	case YAML_DOCUMENT_START_EVENT:
	case YAML_DOCUMENT_END_EVENT:
		break;
	}
	return true;
}

void vds_winpmem_info_parse(const void *text, size_t len,
			    struct vds_winpmem_info *ret)
{
	struct state state = {0};
	yaml_parser_t parser;
	*ret = (struct vds_winpmem_info){0};
	if (!yaml_parser_initialize(&parser))
		return;
	yaml_parser_set_input_string(&parser, text, len);
	for (int i = 0; i < EVENTS_MAX; i++) {
		yaml_event_t event;
		if (!yaml_parser_parse(&parser, &event))
			break;
		bool more = on_event(&state, &event, ret);
		yaml_event_delete(&event);
		if (!more)
			break;
	}
	yaml_parser_delete(&parser);
}
