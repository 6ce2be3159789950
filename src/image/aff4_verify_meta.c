/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hashes of segments. What each is made of was found by trying on Evimetry's
 * reference images; the AFF4 Standard names them only.
 */
#include "image/aff4_verify_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "base/util.h"

#define STEP ((size_t)1 << 20)

/* A hash that a statement gives. */
struct stated {
	const struct vds_aff4 *a;
	const struct vds_triple *t;
	const char *name;	/* of the property */
	enum vds_hash_type type;
	struct vds_hashes hashes;
	size_t segments;	/* that went into it */
	bool damaged;
};

static struct vds_error *add_segment(struct stated *s,
				     struct vds_aff4_member *m)
{
	_cleanup_free_ uint8_t *buf = malloc(STEP);
	if (!buf)
		return &vds_enomem;
	s->segments++;
	for (uint64_t pos = 0; pos < m->size;) {
		size_t n;
		if (m->zip && m->zip->method != VDS_ZIP_STORED && !m->blob) {
			/* Small ones that no read has needed so far. */
			uint8_t *text = NULL;
			struct vds_error *err = vds_aff4_extract(
				m, VDS_AFF4_MAP_MAX, &text, &n);
			if (!err)
				vds_hashes_update(&s->hashes, text, n);
			free(text);
			s->damaged |= err != NULL;
			vds_error_destroy(err);
			return NULL;
		}
		n = vds_aff4_member_read(m, pos, buf, STEP, true);
		if (!n) {
			s->damaged = true;
			return NULL;
		}
		vds_hashes_update(&s->hashes, buf, n);
		pos += n;
	}
	return NULL;
}

static struct vds_error *add_named(struct stated *s, const char *urn,
				   const char *name)
{
	_cleanup_free_ char *full = NULL;
	if (asprintf(&full, "%s/%s", urn, name) < 0) {
		full = NULL;
		return &vds_enomem;
	}
	struct vds_aff4_member *m = vds_aff4_find_member(s->a, full);
	return m ? add_segment(s, m) : NULL;
}

/* All segments of a stream's bevies that @suffix names, in order. */
static struct vds_error *add_bevies(struct stated *s, const char *stream,
				    const char *suffix)
{
	struct vds_error *err = NULL;
	for (uint32_t i = 0; !err; i++) {
		static const char *const forms[] = {"%s/%08u.%s", "%s/%08u/%s"};
		struct vds_aff4_member *m = NULL;
		for (size_t f = 0; f < VDS_ARRAY_SIZE(forms) && !m; f++) {
			char urn[512];
			snprintf(urn, sizeof(urn), forms[f], stream, i, suffix);
			m = vds_aff4_find_member(s->a, urn);
		}
		if (!m)
			break;
		err = add_segment(s, m);
	}
	return err;
}

/* <stream/blockhash.md5>: the segments blockHash.md5 of the stream's bevies. */
static struct vds_error *add_block_hashes(struct stated *s)
{
	static const char part[] = "/blockhash.";
	const char *subject = s->t->subject;
	const char *at = strstr(subject, part);
	if (!at)
		return NULL;
	_cleanup_free_ char *stream = strndup(subject, (size_t)(at - subject));
	_cleanup_free_ char *suffix = NULL;
	if (asprintf(&suffix, "blockHash.%s", at + sizeof(part) - 1) < 0)
		suffix = NULL;
	return stream && suffix ? add_bevies(s, stream, suffix) : &vds_enomem;
}

static struct vds_error *add_content(struct stated *s)
{
	static const struct {
		const char *name;
		const char *segments[3];
	} maps[] = {
		{"mapPointHash", {"map"}},
		{"mapIdxHash", {"idx"}},
		{"mapPathHash", {"mapPath"}},
		{"mapHash", {"map", "idx", "mapPath"}},
	};
	const char *urn = s->t->subject;
	struct vds_error *err = NULL;
	for (size_t i = 0; i < VDS_ARRAY_SIZE(maps); i++) {
		if (strcmp(s->name, maps[i].name))
			continue;
		for (size_t k = 0; k < 3 && maps[i].segments[k] && !err; k++)
			err = add_named(s, urn, maps[i].segments[k]);
		return err;
	}
	if (!strcmp(s->name, "imageStreamIndexHash"))
		return add_bevies(s, urn, "index");
	if (!strcmp(s->name, "hash") && vds_aff4_is_a(s->a, urn, "BlockHashes"))
		return add_block_hashes(s);
	if (!strcmp(s->name, "blockHashesHash") &&
	    vds_aff4_is_a(s->a, urn, VDS_AFF4_STREAM_TYPES))
		return add_bevies(s, urn, s->type == VDS_HASH_MD5 ?
						  "blockHash.md5" :
						  "blockHash.sha1");
	return NULL;
}

/* Streams are decoded elsewhere. */
static bool is_linear(const struct vds_aff4 *a, const struct vds_triple *t)
{
	for (size_t i = 0; i < a->num_targets; i++) {
		if (a->targets[i].kind == VDS_AFF4_STREAM &&
		    !strcmp(a->targets[i].urn, t->subject))
			return true;
	}
	return false;
}

static void say(const struct stated *s, const char *type_name,
		const struct vds_aff4_checker *checker)
{
	uint8_t digest[VDS_HASH_MAX];
	char hex[VDS_HASH_HEX_SIZE];
	struct vds_hashes copy = s->hashes;
	struct vds_aff4_check check = {
		.urn = s->t->subject, .what = s->name, .type = type_name,
		.stored = s->t->object, .verdict = VDS_VERDICT_UNCHECKED};
	if (s->type == VDS_NUM_HASHES) {
		check.why = "hashes of this type aren't computed here";
	} else if (!s->segments) {
		check.why = "what it was computed from isn't known, or isn't here";
	} else if (s->damaged) {
		check.verdict = VDS_VERDICT_DIFFERS;
		check.why = "a segment of it can't be read";
	} else {
		vds_hashes_final(&copy, s->type, digest);
		vds_hash_hex(s->type, digest, hex);
		check.computed = hex;
		check.verdict = vds_streq_nocase(hex, s->t->object) ?
			VDS_VERDICT_EQUAL : VDS_VERDICT_DIFFERS;
	}
	checker->on_check(checker->ctx, &check);
}

static struct vds_error *verify_triple(const struct vds_aff4 *a,
				       const struct vds_triple *t,
				       const struct vds_aff4_checker *checker)
{
	const char *name = vds_aff4_local(t->predicate, NULL);
	const char *type = vds_aff4_local(t->datatype, NULL);
	if (!name || !type || t->is_iri)
		return NULL;
	size_t len = strlen(name);
	if (strcmp(name, "hash") && (len < 4 || strcmp(name + len - 4, "Hash")))
		return NULL;
	struct stated s = {.a = a, .t = t, .name = name,
			   .type = vds_hash_by_name(type)};
	if (!strcmp(name, "hash") && s.type != VDS_NUM_HASHES &&
	    is_linear(a, t))
		return NULL;
	struct vds_error *err = NULL;
	if (s.type != VDS_NUM_HASHES) {
		vds_hashes_init(&s.hashes, 1u << s.type);
		err = add_content(&s);
	}
	if (!err)
		say(&s, type, checker);
	return err;
}

struct vds_error *
vds_aff4_verify_segments(const struct vds_aff4 *a,
			 const struct vds_aff4_checker *checker)
{
	struct vds_error *err = NULL;
	for (size_t v = 0; v < a->num_volumes && !err; v++) {
		const struct vds_turtle *turtle = &a->volumes[v]->turtle;
		for (size_t i = 0; i < turtle->count && !err; i++)
			err = verify_triple(a, &turtle->list[i], checker);
	}
	return err;
}
