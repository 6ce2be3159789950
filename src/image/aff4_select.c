/* SPDX-License-Identifier: Apache-2.0 */
#include "image/aff4_internal.h"

#include <string.h>

#include "base/str.h"
#include "base/util.h"

#define CANDIDATES_MAX 64
#define RDF_TYPE "http://www.w3.org/1999/02/22-rdf-syntax-ns#type"

/* Data objects that may be the image; each once, in the order found. */
struct candidates {
	struct vds_aff4 *a;
	const char *urns[CANDIDATES_MAX];
	size_t count;
};

struct vds_error *vds_aff4_data_object(struct vds_aff4 *a, const char *urn,
				       const char **ret)
{
	for (int i = 0; i < VDS_AFF4_DEPTH_MAX; i++) {
		const char *next;
		if (vds_aff4_dialect(a, urn) == VDS_AFF4_NO_DIALECT &&
		    !vds_aff4_is_a(a, urn, "EncryptedStream") &&
		    !vds_aff4_find_member(a, urn) &&
		    (next = vds_aff4_iri(a, urn, "dataStream"))) {
			urn = next;
			continue;
		}
		*ret = urn;
		return NULL;
	}
	return vds_error_create(VDS_ERROR_FORMAT,
		"information.turtle: <%s>: dataStream leads through more than "
		"%d objects", urn, VDS_AFF4_DEPTH_MAX);
}

static struct vds_error *add_candidate(struct candidates *c, const char *urn)
{
	struct vds_error *err = vds_aff4_data_object(c->a, urn, &urn);
	if (err)
		return err;
	for (size_t i = 0; i < c->count; i++) {
		if (!strcmp(c->urns[i], urn))
			return NULL;
	}
	if (c->count < CANDIDATES_MAX)
		c->urns[c->count++] = urn;
	return NULL;
}

/* Subjects with property @name (local) whose value is AFF4 term @value. */
static struct vds_error *add_by_value(struct candidates *c, const char *name,
				      const char *value)
{
	for (size_t v = 0; v < c->a->num_volumes; v++) {
		const struct vds_turtle *turtle = &c->a->volumes[v]->turtle;
		for (size_t i = 0; i < turtle->count; i++) {
			const struct vds_triple *t = &turtle->list[i];
			const char *p = strcmp(t->predicate, RDF_TYPE) ?
				vds_aff4_local(t->predicate, NULL) : "type";
			const char *o = vds_aff4_local(t->object, NULL);
			if (!p || !o || strcmp(p, name) || strcmp(o, value))
				continue;
			struct vds_error *err = add_candidate(c, t->subject);
			if (err)
				return err;
		}
	}
	return NULL;
}

/* What libaff4 and WinPmem call it, with or without metadata about it. */
static struct vds_error *add_by_name(struct candidates *c)
{
	const char *urn = vds_arena_printf(&c->a->image->arena,
					   "%s/PhysicalMemory",
					   c->a->volumes[0]->urn);
	if (!urn)
		return &vds_enomem;
	if (vds_aff4_dialect(c->a, urn) != VDS_AFF4_NO_DIALECT ||
	    vds_aff4_find_member(c->a, urn))
		return add_candidate(c, urn);
	return NULL;
}

/* Images of anything else, so that tests and hashes can be had from them. */
static struct vds_error *add_others(struct candidates *c)
{
	static const char *const types[] = {"DiskImage", "ContiguousImage",
					    "DiscontiguousImage", "Image",
					    "Map", "map"};
	static const char *const streams[] = {"ImageStream", "image", "stream"};
	struct vds_error *err = NULL;
	for (size_t i = 0; i < VDS_ARRAY_SIZE(types) && !err && !c->count; i++)
		err = add_by_value(c, "type", types[i]);
	for (size_t i = 0; i < VDS_ARRAY_SIZE(streams) && !err && !c->count;
	     i++)
		err = add_by_value(c, "type", streams[i]);
	if (!err && c->count && !c->a->image->options->object)
		vds_note(&c->a->image->notes, "aff4_not_memory", 0,
			 "no object says that it is memory: reading <%s>",
			 c->urns[0]);
	return err;
}

/* Nothing to read: say what there is instead. */
static struct vds_error *nothing(struct candidates *c)
{
	static const char *const what[][2] = {
		{"EncryptedStream", "is an EncryptedStream: decrypt the volume "
				    "with the tool that made it"},
		{"FileImage", "is a file of a logical image (AFF4-L), not "
			      "memory"},
	};
	for (size_t i = 0; i < VDS_ARRAY_SIZE(what); i++) {
		struct vds_error *err = add_by_value(c, "type", what[i][0]);
		if (err)
			return err;
		if (c->count)
			return vds_error_create(VDS_ERROR_UNSUPPORTED,
						"<%s> %s", c->urns[0],
						what[i][1]);
	}
	return vds_error_create(VDS_ERROR_NOT_AN_IMAGE,
		"information.turtle: no memory image among its %zu statements",
		c->a->volumes[0]->turtle.count);
}

/* Objects that are the memory, or may be, in the order of likelihood. */
static struct vds_error *find_candidates(struct candidates *c)
{
	struct vds_error *err = add_by_value(c, "category", "memory/physical");
	if (!err && !c->count)
		err = add_by_value(c, "type", "MemoryImage");
	if (!err && !c->count)
		err = add_by_name(c);
	if (!err && !c->count)
		err = add_others(c);
	return err;
}

/* The object that the user named, in full or without the volume's URN. */
static struct vds_error *named(struct candidates *c, const char *name,
			       const char **ret)
{
	struct vds_aff4 *a = c->a;
	struct vds_arena *arena = &a->image->arena;
	const char *urn = strncmp(name, "aff4://", 7) ?
		vds_arena_printf(arena, "%s/%s", a->volumes[0]->urn, name) :
		vds_arena_strdup(arena, name);
	if (!urn)
		return &vds_enomem;
	struct vds_error *err = vds_aff4_data_object(a, urn, &urn);
	if (err)
		return err;
	if (vds_aff4_dialect(a, urn) != VDS_AFF4_NO_DIALECT ||
	    vds_aff4_find_member(a, urn)) {
		*ret = urn;
		return NULL;
	}
	struct vds_str list = {0};
	for (size_t i = 0; i < c->count; i++)
		vds_str_printf(&list, "%s<%s>", i ? ", " : "", c->urns[i]);
	const char *text = vds_str_cstr(&list);
	err = vds_error_create(VDS_ERROR_USAGE,
			       "--object: <%s> is not in the volume, which has %s",
			       urn, c->count && text ? text : "no memory");
	vds_str_deinit(&list);
	return err;
}

static struct vds_error *keep_candidates(struct candidates *c)
{
	const char **urns = vds_arena_calloc(&c->a->image->arena, c->count + 1,
					     sizeof(*urns));
	if (!urns)
		return &vds_enomem;
	memcpy(urns, c->urns, c->count * sizeof(*urns));
	c->a->candidates = urns;
	c->a->num_candidates = c->count;
	return NULL;
}

struct vds_error *vds_aff4_select(struct vds_aff4 *a, const char **ret)
{
	struct candidates c = {.a = a};
	const char *wanted = a->image->options->object;
	struct vds_error *err = find_candidates(&c);
	if (!err)
		err = keep_candidates(&c);
	if (!err && wanted)
		return named(&c, wanted, ret);
	if (!err && !c.count)
		err = nothing(&c);
	if (err)
		return err;
	for (size_t i = 1; i < c.count; i++)
		vds_note(&a->image->notes, "aff4_candidates", i,
			 "<%s> may be the memory as well (--object chooses it): reading <%s>",
			 c.urns[i], c.urns[0]);
	*ret = c.urns[0];
	return NULL;
}
