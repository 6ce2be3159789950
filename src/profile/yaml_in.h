/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libyaml's events as a stream that only ever holds plain mappings, sequences
 * and scalars: aliases, anchors, tags and a second document are refused, nodes
 * are counted. Errors say "name:line:column: what".
 */
#ifndef VDS_PROFILE_YAML_IN_H
#define VDS_PROFILE_YAML_IN_H

#include <yaml.h>

#include "vadose/error.h"

/* A full kernel profile has 100,000. */
#define VDS_YAML_MAX_NODES ((size_t)8 << 20)
#define VDS_YAML_MAX_DEPTH 16

struct vds_yaml_in {
	const char *name;	/* for messages */
	yaml_parser_t parser;
	yaml_event_t event;	/* the current one */
	size_t nodes;
};

/* Starts at the document's root node. @name and @data stay the caller's. */
struct vds_error *vds_yaml_open(struct vds_yaml_in *in, const char *name,
				const void *data, size_t len);
/* Also after a failed vds_yaml_open(). */
void vds_yaml_close(struct vds_yaml_in *in);

/* To the next event. */
struct vds_error *vds_yaml_next(struct vds_yaml_in *in);
/* To the event after the current node, whatever it is. */
struct vds_error *vds_yaml_skip(struct vds_yaml_in *in);

/* An error at the current event. */
struct vds_error *vds_yaml_error(const struct vds_yaml_in *in,
				 const char *format, ...) VDS_PRINTF(2, 3);

/* Checks that the current event is a scalar; its text is NUL-terminated and
 * lives until the next event. Text with an embedded NUL is refused. */
struct vds_error *vds_yaml_scalar(struct vds_yaml_in *in, const char **ret,
				  size_t *ret_len);
/* Consumes a mapping's or sequence's start. */
struct vds_error *vds_yaml_begin(struct vds_yaml_in *in, yaml_event_type_t type,
				 const char *what);
/* True at the end of the current mapping or sequence, which is consumed. */
struct vds_error *vds_yaml_at_end(struct vds_yaml_in *in,
				  yaml_event_type_t type, bool *ret);
/* After the root node: nothing may follow. */
struct vds_error *vds_yaml_finish(struct vds_yaml_in *in);

#endif
