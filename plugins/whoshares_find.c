/* SPDX-License-Identifier: Apache-2.0 */
/* whoshares: from what was asked to places in physical memory. */
#include "whoshares.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <vadose/record.h>

#define PAGE 4096u
#define PIECE (UINT64_C(8) << 20)
/* Read at once; on the stack, since a run's memory stays until the end. */
#define WINDOW (256u * 1024)
#define MAX_PATTERN 1024u
/* What is kept of the page before: one byte less than the longest pattern. */
#define TAIL (2 * MAX_PATTERN)

struct needle {
	enum match match;
	size_t len;
	size_t rare;		/* offset of its rarest byte */
	size_t other;		/* of one that is looked at next */
	uint8_t bytes[2 * MAX_PATTERN];
};

struct context {
	struct needle needles[2];
	size_t num_needles;
	uint8_t rare;		/* a byte of all needles */
	const uint64_t *pieces;
	size_t max_hits;
	struct hits hits;
	struct hits *piece_hits;
};

static bool push(struct vds_run *run, struct hits *hits,
		 const struct hit *hit)
{
	if (hits->count == hits->cap) {
		size_t cap = hits->cap ? hits->cap * 2 : 16;
		struct hit *list = vds_alloc(run, cap, sizeof(*list));
		if (!list)
			return false;
		if (hits->count)
			memcpy(list, hits->list, hits->count * sizeof(*list));
		hits->list = list;
		hits->cap = cap;
	}
	hits->list[hits->count++] = *hit;
	return true;
}

bool push_hit(struct vds_run *run, struct hits *hits, uint64_t pa,
	      enum match match)
{
	return push(run, hits, &(struct hit){.pa = pa, .match = match});
}

bool push_absent(struct vds_run *run, struct hits *hits,
		 const struct absent *absent)
{
	for (size_t i = 0; absent->has_page && i < hits->num_absent; i++) {
		const struct absent *other = &hits->absent[i];
		if (other->has_page && other->page == absent->page &&
		    other->control_area == absent->control_area)
			return true;
	}
	if (hits->num_absent == hits->cap_absent) {
		size_t cap = hits->cap_absent ? hits->cap_absent * 2 : 16;
		struct absent *list = vds_alloc(run, cap, sizeof(*list));
		if (!list)
			return false;
		if (hits->num_absent)
			memcpy(list, hits->absent,
			       hits->num_absent * sizeof(*list));
		hits->absent = list;
		hits->cap_absent = cap;
	}
	hits->absent[hits->num_absent++] = *absent;
	return true;
}

static int compare_hits(const void *pa, const void *pb)
{
	const struct hit *a = pa, *b = pb;
	if (a->pa != b->pa)
		return a->pa < b->pa ? -1 : 1;
	return (int)a->match - (int)b->match;
}

/*
 * How common a byte is in memory, roughly: zeros, fillings and letters of text
 * are everywhere.
 */
static unsigned int commonness(uint8_t byte)
{
	static const char letters[] = "etaoinsrhldcum";
	const char *letter = byte ? strchr(letters, byte) : NULL;
	if (letter)
		return 200 - (unsigned int)(letter - letters);
	switch (byte) {
	case 0:
		return 255;
	case 0xff:
		return 250;
	case ' ':
		return 240;
	case 0x01:
	case 0x48:
	case 0x80:
	case 0x8b:
	case 0xcc:
	case 0xf8:
		return 160;
	}
	return byte < 0x10 ? 140 : islower(byte) ? 120 : isalnum(byte) ? 80 : 60;
}

/* All bytes are fillings: looking for one of them is no help. */
#define TOO_COMMON 240u

/* The needles are one text in two widths: they have their rarest in common. */
static void find_rare(struct context *c)
{
	const struct needle *plain = &c->needles[0];
	size_t best = 0;
	for (size_t i = 1; i < plain->len; i++) {
		if (commonness(plain->bytes[i]) < commonness(plain->bytes[best]))
			best = i;
	}
	/* The first letter, or the second if the first is the rarest. */
	size_t other = !best && plain->len > 1;
	c->needles[0].rare = best;
	c->needles[0].other = other;
	c->needles[1].rare = 2 * best;
	c->needles[1].other = 2 * other;
	c->rare = plain->bytes[best];
}

/*
 * Bytes that begin before @pa, where a page begins, and end behind it; @tail are
 * the last bytes of the page before it.
 */
static struct vds_error *search_border(struct vds_run *run,
				       const struct context *c,
				       struct hits *hits, const uint8_t *tail,
				       const uint8_t *page, uint64_t pa)
{
	uint8_t both[4 * MAX_PATTERN];
	size_t longest = c->needles[c->num_needles - 1].len - 1;
	/* Mostly the rarest byte is on neither side. */
	if (!longest || (!memchr(tail + TAIL - longest, c->rare, longest) &&
			 !memchr(page, c->rare, longest)))
		return NULL;
	for (size_t i = 0; i < c->num_needles; i++) {
		const struct needle *needle = &c->needles[i];
		size_t half = needle->len - 1;
		const uint8_t *p = both, *end = both + 2 * half;
		memcpy(both, tail + TAIL - half, half);
		memcpy(both + half, page, half);
		for (; (p = memmem(p, (size_t)(end - p), needle->bytes,
				   needle->len)); p++) {
			if (!push(run, hits, &(struct hit){
				.pa = pa - half + (uint64_t)(p - both),
				.match = needle->match, .spans = true}))
				return &vds_enomem;
		}
	}
	return NULL;
}

/* The same where the next page isn't scanned: it may be known to be zero. */
static struct vds_error *search_end(struct vds_run *run,
				    const struct context *c,
				    struct hits *hits, const uint8_t *tail,
				    uint64_t pa)
{
	uint8_t head[TAIL];
	if (!pa || vds_physical_read(run, pa, head, sizeof(head)))
		return NULL;
	return search_border(run, c, hits, tail, head, pa);
}

/* Does the scan go on at @pa? */
static bool goes_on(struct vds_run *run, uint64_t pa)
{
	uint8_t page[PAGE];
	uint64_t next = pa;
	return vds_physical_scan(run, &next, page, sizeof(page)) && next == pa;
}

static struct vds_error *search_page(struct vds_run *run,
				     const struct context *c,
				     struct hits *hits, const uint8_t *page,
				     uint64_t pa)
{
	const uint8_t *p = page, *end = page + PAGE;
	for (; (p = memchr(p, c->rare, (size_t)(end - p))); p++) {
		for (size_t i = 0; i < c->num_needles; i++) {
			const struct needle *needle = &c->needles[i];
			size_t at = (size_t)(p - page) - needle->rare;
			if ((size_t)(p - page) < needle->rare ||
			    PAGE - at < needle->len ||
			    page[at + needle->other] !=
				    needle->bytes[needle->other] ||
			    memcmp(page + at, needle->bytes, needle->len))
				continue;
			if (!push_hit(run, hits, pa + at, needle->match))
				return &vds_enomem;
		}
	}
	return NULL;
}

/* The same for bytes that are all too common, of which there is one needle. */
static struct vds_error *search_common(struct vds_run *run,
				       const struct context *c,
				       struct hits *hits, const uint8_t *page,
				       uint64_t pa)
{
	const struct needle *needle = &c->needles[0];
	const uint8_t *p = page, *end = page + PAGE;
	for (; (p = memmem(p, (size_t)(end - p), needle->bytes, needle->len));
	     p++) {
		if (!push_hit(run, hits, pa + (uint64_t)(p - page),
			      needle->match))
			return &vds_enomem;
	}
	return NULL;
}

static struct vds_error *search(struct vds_run *run, size_t index, void *ctx)
{
	const struct context *c = ctx;
	uint64_t pa = c->pieces[index], end = pa + PIECE;
	uint8_t window[WINDOW], tail[TAIL];
	uint64_t tail_end = 0;	/* where the page behind the tail begins */
	struct hits *hits = &c->piece_hits[index];
	struct vds_error *err = NULL;
	bool common = c->num_needles == 1 &&
		      commonness(c->rare) >= TOO_COMMON;
	struct vds_error *(*look)(struct vds_run *run, const struct context *c,
				  struct hits *hits, const uint8_t *page,
				  uint64_t pa) =
		common ? search_common : search_page;
	/* The first places are enough, and one more tells that there are more. */
	while (!err && pa < end && hits->count <= c->max_hits) {
		size_t have = vds_physical_scan(run, &pa, window,
						sizeof(window));
		if (!have)
			break;
		if (tail_end && tail_end != pa)
			err = search_end(run, c, hits, tail, tail_end);
		/* The page before the first one is another window's. */
		bool joined = pa && (tail_end == pa ||
				     !vds_physical_read(run, pa - TAIL, tail,
							TAIL));
		for (size_t i = 0; !err && i + PAGE <= have && pa + i < end &&
				   hits->count <= c->max_hits; i += PAGE) {
			if (i || joined)
				err = search_border(run, c, hits,
						    i ? window + i - TAIL :
							tail,
						    window + i, pa + i);
			if (!err)
				err = look(run, c, hits, window + i, pa + i);
		}
		pa += have;
		if (have < TAIL) {
			tail_end = 0;
			continue;
		}
		memcpy(tail, window + have - TAIL, TAIL);
		tail_end = pa;
	}
	/* Where it goes on, that is the next piece's to look at. */
	if (!err && tail_end && !goes_on(run, tail_end))
		err = search_end(run, c, hits, tail, tail_end);
	return err;
}

static struct vds_error *search_all(struct vds_run *run, struct context *c)
{
	size_t count;
	find_rare(c);
	struct vds_error *err =
		vds_physical_pieces(run, PIECE, &c->pieces, &count);
	if (err)
		return err;
	c->piece_hits = vds_alloc(run, count + 1, sizeof(*c->piece_hits));
	if (!c->piece_hits)
		return &vds_enomem;
	err = vds_parallel(run, count, search, c);
	for (size_t i = 0; !err && i < count; i++) {
		const struct hits *found = &c->piece_hits[i];
		for (size_t k = 0; k < found->count; k++) {
			if (!push(run, &c->hits, &found->list[k]))
				return &vds_enomem;
		}
	}
	return err;
}

static bool parse_hex(const char *text, struct needle *needle)
{
	needle->match = MATCH_BYTES;
	while (*text) {
		char digits[3] = {text[0], text[1], 0};
		if (needle->len && *text == ' ') {
			text++;
			continue;
		}
		if (!isxdigit((unsigned char)digits[0]) ||
		    !isxdigit((unsigned char)digits[1]) ||
		    needle->len == MAX_PATTERN)
			return false;
		needle->bytes[needle->len++] =
			(uint8_t)strtoul(digits, NULL, 16);
		text += 2;
	}
	return needle->len;
}

/* As it stands, and with each byte widened if all are ASCII. */
static bool parse_text(const char *text, struct context *c)
{
	size_t n = strlen(text);
	struct needle *plain = &c->needles[0], *wide = &c->needles[1];
	if (!n || n > MAX_PATTERN)
		return false;
	memcpy(plain->bytes, text, n);
	plain->len = n;
	plain->match = MATCH_TEXT;
	c->num_needles = 2;
	for (size_t i = 0; i < n; i++) {
		if ((unsigned char)text[i] > 0x7f)
			c->num_needles = 1;
		wide->bytes[2 * i] = (uint8_t)text[i];
		wide->bytes[2 * i + 1] = 0;
	}
	wide->len = 2 * n;
	wide->match = MATCH_UTF16;
	return true;
}

/* The same page of several processes may be one. */
static void drop_doubles(struct hits *hits)
{
	size_t kept = 0;
	if (hits->count)
		qsort(hits->list, hits->count, sizeof(*hits->list),
		      compare_hits);
	for (size_t i = 0; i < hits->count; i++) {
		if (!kept || compare_hits(&hits->list[kept - 1],
					  &hits->list[i]))
			hits->list[kept++] = hits->list[i];
	}
	hits->count = kept;
}

/* Is it "0x1000", "pa:0x1000" or "va:0x1000"? */
static bool parse_address(const char *what, uint64_t *ret,
			  enum address_kind *ret_kind)
{
	char *end;

	*ret_kind = ADDRESS_ANY;
	if (!strncmp(what, "pa:", 3))
		*ret_kind = ADDRESS_PHYSICAL;
	else if (!strncmp(what, "va:", 3))
		*ret_kind = ADDRESS_VIRTUAL;
	if (*ret_kind != ADDRESS_ANY)
		what += 3;
	if (!isdigit((unsigned char)what[0]))
		return false;
	errno = 0;
	*ret = strtoull(what, &end, 0);
	return !*end && !errno;
}

static struct vds_error *look_for(struct vds_run *run, struct context *c)
{
	const char *what = vds_option_str(run, "what");
	enum address_kind kind;
	uint64_t at;
	if (parse_address(what, &at, &kind)) {
		struct vds_error *err = find_address(run, at, kind, &c->hits);
		if (!err)
			drop_doubles(&c->hits);
		return err;
	}
	bool ok;
	if (!strncmp(what, "hex:", 4)) {
		ok = parse_hex(what + 4, &c->needles[0]);
		c->num_needles = 1;
	} else {
		ok = parse_text(strncmp(what, "text:", 5) ? what : what + 5,
				c);
	}
	if (!ok)
		return vds_error_create(VDS_ERROR_USAGE,
					"whoshares: '%s': an address, pa:ADDR, va:ADDR, hex:BYTES or up to %u bytes of text",
					what, MAX_PATTERN);
	return search_all(run, c);
}

/* More places than wanted: the first ones, and a note. */
static void keep_first(struct vds_run *run, struct hits *hits, size_t max)
{
	if (hits->count <= max)
		return;
	vds_run_note(run, "hits_cut", 0,
		     "%zu places or more; only the first %zu are looked at (--max-hits)",
		     hits->count, max);
	hits->count = max;
}

struct vds_error *find_hits(struct vds_run *run, size_t max, struct hits *ret)
{
	struct context *c = vds_alloc(run, 1, sizeof(*c));
	if (!c)
		return &vds_enomem;
	c->max_hits = max;
	struct vds_error *err = look_for(run, c);
	if (err)
		return err;
	if (c->hits.count)
		qsort(c->hits.list, c->hits.count, sizeof(*c->hits.list),
		      compare_hits);
	keep_first(run, &c->hits, max);
	*ret = c->hits;
	return NULL;
}
