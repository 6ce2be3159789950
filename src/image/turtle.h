/* SPDX-License-Identifier: Apache-2.0 */
/* RDF in Turtle syntax, as a table of triples: what AFF4 metadata is made of. */
#ifndef VDS_IMAGE_TURTLE_H
#define VDS_IMAGE_TURTLE_H

#include "base/arena.h"
#include "vadose/error.h"

/* Absolute IRIs, or the text of a literal; all NUL-terminated. */
struct vds_triple {
	const char *subject, *predicate, *object;
	const char *datatype;	/* IRI of a literal's type, "" if none */
	bool is_iri;		/* the object is an IRI, not a literal */
	uint32_t order;		/* place in the text, from 0 */
};

struct vds_turtle {
	struct vds_triple *list;	/* in the order of the text */
	size_t count;
	bool repaired;		/* the text broke rules: see below */
};

/* True if this build can parse Turtle at all (the serd feature). */
bool vds_turtle_available(void);

/*
 * Parses @len bytes of Turtle into @arena (whose limit bounds the memory).
 * @base resolves relative references until the text gives its own @base.
 * What breaks the rules in the ways of vds_turtle_repair() is parsed all the
 * same. VDS_ERROR_FORMAT with the line number; VDS_ERROR_UNSUPPORTED without
 * serd.
 */
struct vds_error *vds_turtle_parse(struct vds_arena *arena, const char *base,
				   const void *text, size_t len,
				   struct vds_turtle *ret);

/*
 * A copy of @text (malloc'ed) in which IRIs and strings hold only what they
 * may: paths of Windows, spaces, line ends and bytes that aren't UTF-8 are
 * escaped or replaced. NULL if nothing had to be changed. In turtle_repair.c.
 */
char *vds_turtle_repair(const char *text, size_t len, size_t *ret_len);

#endif
