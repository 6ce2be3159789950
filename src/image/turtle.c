/* SPDX-License-Identifier: Apache-2.0 */
#include "image/turtle.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "config.h"

#if HAVE_SERD

#include <serd/serd.h>

#define TRIPLES_MAX ((size_t)500000)
/*
 * serd recurses into nested blank nodes and collections, and dies of it beyond
 * some ten thousand levels. AFF4 uses neither; brackets in literals ("Program
 * Files (x86)") count as well, since telling them apart is the parser's job.
 */
#define BRACKETS_MAX 8192

struct parser {
	struct vds_arena *arena;
	SerdEnv *env;
	struct vds_triple *list;
	size_t count, cap;
	const char *subject;	/* the last one, which is often the next one */
	struct vds_error *err;
	char message[160];	/* what serd said first */
};

bool vds_turtle_available(void)
{
	return true;
}

static SerdStatus stop(struct parser *p, struct vds_error *err)
{
	if (!p->err)
		p->err = err;
	else
		vds_error_destroy(err);
	return SERD_FAILURE;
}

/* Absolute form of @node in the arena; NULL after a failure. */
static const char *copy_node(struct parser *p, const SerdNode *node)
{
	if (node->type != SERD_URI && node->type != SERD_CURIE)
		return vds_arena_strndup(p->arena, (const char *)node->buf,
					 node->n_bytes);
	SerdNode full = serd_env_expand_node(p->env, node);
	if (!full.buf && node->type == SERD_CURIE) {
		stop(p, vds_error_create(VDS_ERROR_FORMAT,
					 "the prefix of \"%s\" is not defined",
					 (const char *)node->buf));
		return NULL;
	}
	const SerdNode *best = full.buf ? &full : node;
	const char *s = vds_arena_strndup(p->arena, (const char *)best->buf,
					  best->n_bytes);
	serd_node_free(&full);
	return s;
}

static SerdStatus on_base(void *handle, const SerdNode *uri)
{
	struct parser *p = handle;
	return serd_env_set_base_uri(p->env, uri);
}

static SerdStatus on_prefix(void *handle, const SerdNode *name,
			    const SerdNode *uri)
{
	struct parser *p = handle;
	return serd_env_set_prefix(p->env, name, uri);
}

static SerdStatus on_statement(void *handle, SerdStatementFlags flags,
			       const SerdNode *graph, const SerdNode *subject,
			       const SerdNode *predicate,
			       const SerdNode *object,
			       const SerdNode *datatype, const SerdNode *lang)
{
	struct parser *p = handle;
	(void)flags, (void)graph, (void)lang;
	if (p->err)	/* serd reads the statement to its end all the same */
		return SERD_FAILURE;
	if (p->count == p->cap) {
		size_t cap = p->cap ? p->cap * 2 : 256;
		struct vds_triple *list =
			realloc(p->list, cap * sizeof(*list));
		if (!list)
			return stop(p, &vds_enomem);
		p->list = list;
		p->cap = cap;
	}
	const char *s = copy_node(p, subject);
	if (s && p->subject && !strcmp(s, p->subject))
		s = p->subject;
	struct vds_triple t = {
		.subject = s,
		.predicate = copy_node(p, predicate),
		.object = copy_node(p, object),
		.datatype = datatype ? copy_node(p, datatype) : "",
		.is_iri = object->type == SERD_URI ||
			  object->type == SERD_CURIE,
		.order = (uint32_t)p->count,
	};
	if (!t.subject || !t.predicate || !t.object || !t.datatype ||
	    p->count >= TRIPLES_MAX)
		return stop(p, vds_error_create(VDS_ERROR_FORMAT,
			"more metadata than the limit of %zu triples or "
			"%zu bytes", TRIPLES_MAX, p->arena->limit));
	p->subject = t.subject;
	p->list[p->count++] = t;
	return SERD_SUCCESS;
}

static SerdStatus on_error(void *handle, const SerdError *error)
{
	struct parser *p = handle;
	char text[120];
	if (p->message[0])
		return SERD_SUCCESS;	/* the rest follows from the first */
	va_list ap;
	va_copy(ap, *error->args);
	vsnprintf(text, sizeof(text), error->fmt, ap);
	va_end(ap);
	text[strcspn(text, "\n")] = 0;
	snprintf(p->message, sizeof(p->message), "line %u: %s", error->line,
		 text);
	return SERD_SUCCESS;
}

struct source {
	const char *text;
	size_t len, pos;
};

/*
 * Leaves nothing of a page in the buffer once it is read, and fills the last
 * one with line ends: behind a short page, and behind the end, serd 0.30 goes
 * on to read what is left of the page before.
 */
static size_t read_source(void *buf, size_t size, size_t n, void *stream)
{
	struct source *src = stream;
	size_t want = size * n;
	if (src->pos > src->len) {
		memset(buf, 0, want);
		return 0;
	}
	size_t len = VDS_MIN(want, src->len - src->pos);
	memcpy(buf, src->text + src->pos, len);
	memset((char *)buf + len, '\n', want - len);
	src->pos += want;
	return n;
}

static int source_error(void *stream)
{
	(void)stream;
	return 0;
}

static struct vds_error *check_text(const char *text, size_t len)
{
	size_t brackets = 0;
	for (size_t i = 0; i < len; i++) {
		if (!text[i])
			return vds_error_create(VDS_ERROR_FORMAT,
				"offset %zu: a NUL in Turtle text", i);
		brackets += text[i] == '[' || text[i] == '(';
	}
	if (brackets > BRACKETS_MAX)
		return vds_error_create(VDS_ERROR_FORMAT,
			"%zu opening brackets, more than the limit of %d",
			brackets, BRACKETS_MAX);
	return NULL;
}

/*
 * Statement by statement, up to the first fault: left to itself, serd resumes
 * after one, and never ends if it meets the end of the text in doing so.
 */
static struct vds_error *read_statements(struct parser *p, SerdReader *reader,
					 struct source *src)
{
	SerdStatus status = serd_reader_start_source_stream(
		reader, read_source, source_error, src,
		(const uint8_t *)"information.turtle", 4096);
	while (!status && !p->message[0] && !p->err)
		status = serd_reader_read_chunk(reader);
	serd_reader_end_stream(reader);
	if (p->err)
		return p->err;
	if (status > SERD_FAILURE || p->message[0])
		return vds_error_create(VDS_ERROR_FORMAT, "%s",
			p->message[0] ? p->message :
			(const char *)serd_strerror(status));
	return NULL;
}

static struct vds_error *run_parser(struct parser *p, const char *base,
				    struct source *src)
{
	SerdNode node = serd_node_from_string(SERD_URI, (const uint8_t *)base);
	p->env = serd_env_new(*base ? &node : NULL);
	SerdReader *reader = !p->env ? NULL :
		serd_reader_new(SERD_TURTLE, p, NULL, on_base, on_prefix,
				on_statement, NULL);
	struct vds_error *err = &vds_enomem;
	if (reader) {
		/* Not strict, it never ends if the text ends in an IRI. */
		serd_reader_set_strict(reader, true);
		serd_reader_set_error_sink(reader, on_error, p);
		err = read_statements(p, reader, src);
	}
	serd_reader_free(reader);
	serd_env_free(p->env);
	return err;
}

static struct vds_error *parse_once(struct vds_arena *arena, const char *base,
				    const void *text, size_t len,
				    struct vds_turtle *ret)
{
	struct parser p = {.arena = arena};
	struct source src = {.text = text, .len = len};
	struct vds_error *err = check_text(text, len);
	if (!err)
		err = run_parser(&p, base, &src);
	struct vds_triple *list = err ? NULL :
		vds_arena_calloc(arena, p.count + 1, sizeof(*list));
	if (!err && !list)
		err = &vds_enomem;
	if (!err) {
		if (p.count)
			memcpy(list, p.list, p.count * sizeof(*list));
		*ret = (struct vds_turtle){.list = list, .count = p.count};
	}
	free(p.list);
	return err;
}

struct vds_error *vds_turtle_parse(struct vds_arena *arena, const char *base,
				   const void *text, size_t len,
				   struct vds_turtle *ret)
{
	size_t fixed_len;
	struct vds_error *err = parse_once(arena, base, text, len, ret);
	if (!err || err->code != VDS_ERROR_FORMAT || memchr(text, 0, len))
		return err;
	_cleanup_free_ char *fixed = vds_turtle_repair(text, len, &fixed_len);
	struct vds_error *again = !fixed ? NULL :
		parse_once(arena, base, fixed, fixed_len, ret);
	if (!fixed || again) {
		vds_error_destroy(again);
		return err;	/* of the text as it is */
	}
	vds_error_destroy(err);
	ret->repaired = true;
	return NULL;
}

#else /* !HAVE_SERD */

bool vds_turtle_available(void)
{
	return false;
}

struct vds_error *vds_turtle_parse(struct vds_arena *arena, const char *base,
				   const void *text, size_t len,
				   struct vds_turtle *ret)
{
	(void)arena, (void)base, (void)text, (void)len, (void)ret;
	return vds_error_create(VDS_ERROR_UNSUPPORTED,
		"AFF4 metadata needs serd, which this build lacks "
		"(install libserd-dev and build with -Dserd=enabled)");
}

#endif
