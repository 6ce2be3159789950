/* SPDX-License-Identifier: Apache-2.0 */
/* A recipe line as words, and the table-driven reading of its options. */
#ifndef MKSCENE_WORDS_H
#define MKSCENE_WORDS_H

#include <stddef.h>

#include "scene.h"

#define MAX_WORDS 128u

struct line {
	struct place place;
	struct vds_arena *arena;
	const char *words[MAX_WORDS];
	bool quoted[MAX_WORDS];
	unsigned int num, pos;
};

/* Splits @text (one line, without its newline). */
struct vds_error *line_split(struct line *line, const char *text);

/* The next word, or NULL. */
const char *line_next(struct line *line);
/* The next word, or an error that calls it @what. */
struct vds_error *line_word(struct line *line, const char *what,
			    const char **ret);
struct vds_error *line_u64(struct line *line, const char *what, uint64_t *ret);
struct vds_error *line_u32(struct line *line, const char *what, uint32_t *ret);

enum option_kind {
	OPT_FLAG,	/* bool, no value */
	OPT_U32,
	OPT_U64,	/* "auto" is SCENE_AUTO */
	OPT_SIZE,	/* u64 with K, M, G */
	OPT_TEXT,
	OPT_PROT,	/* protection code */
	OPT_TIME,	/* FILETIME or an ISO date */
};

struct option_key {
	const char *name;
	enum option_kind kind;
	size_t offset;	/* into the struct that is filled */
};

/* Reads the rest of the line as options of @keys into @object. */
struct vds_error *line_options(struct line *line, const struct option_key *keys,
			       size_t num_keys, void *object);

/* "rx", "EXECUTE_READ", "PAGE_READWRITE+GUARD"; false if unknown. */
bool parse_prot(const char *text, uint32_t *ret);
/* One byte string: pairs of hex digits, or any text with @quoted. */
struct vds_error *parse_bytes(struct line *line, const uint8_t **ret,
			      size_t *ret_len);

#endif
