/* SPDX-License-Identifier: Apache-2.0 */
#include "image/aff4_verify_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "base/util.h"

/* The hashes of chunks that a stream has, of one type. */
struct blocks {
	size_t chunks, good;	/* compared, and equal */
	uint32_t bevy;		/* that `list` belongs to */
	bool loaded;
	uint8_t *list;		/* digests, one behind the other */
	size_t len;		/* bytes of it */
};

struct pass {
	const struct vds_aff4 *a;
	const struct vds_aff4_stream *stream;
	size_t target;
	const struct vds_aff4_checker *checker;
	struct vds_hashes linear;
	struct blocks blocks[VDS_NUM_HASHES];
	uint64_t damaged;	/* first byte that can't be decoded + 1 */
};

struct vds_aff4_member *
vds_aff4_block_hashes(const struct vds_aff4 *a, const char *stream,
		      uint32_t bevy, const char *type)
{
	/* Standard, and Evimetry before it; the type is in small letters. */
	static const char *const forms[] = {"%s/%08u.blockHash.%s",
					    "%s/%08u/blockHash.%s"};
	char urn[512], small[16] = "";
	for (size_t i = 0; type[i] && i < sizeof(small) - 1; i++)
		small[i] = (char)(type[i] >= 'A' && type[i] <= 'Z' ?
					  type[i] | 0x20 : type[i]);
	for (size_t i = 0; i < VDS_ARRAY_SIZE(forms); i++) {
		snprintf(urn, sizeof(urn), forms[i], stream, bevy, small);
		struct vds_aff4_member *m = vds_aff4_find_member(a, urn);
		if (m)
			return m;
	}
	return NULL;
}

/* The stored digest of @chunk, or NULL. */
static const uint8_t *stored_digest(struct pass *pass, enum vds_hash_type type,
				    uint64_t chunk)
{
	const struct vds_aff4_stream *stream = pass->stream;
	struct blocks *b = &pass->blocks[type];
	uint32_t bevy = (uint32_t)(chunk / stream->chunks_per_bevy);
	size_t size = vds_hash_size(type);
	size_t slot = (size_t)(chunk % stream->chunks_per_bevy);
	if (!b->loaded || b->bevy != bevy) {
		struct vds_aff4_member *m = vds_aff4_block_hashes(
			pass->a, stream->urn, bevy, vds_hash_name(type));
		free(b->list);
		b->list = NULL;
		b->len = 0;
		b->loaded = true;
		b->bevy = bevy;
		if (m)
			vds_error_destroy(vds_aff4_extract(
				m, (size_t)VDS_AFF4_CHUNKS_MAX * VDS_HASH_MAX,
				&b->list, &b->len));
	}
	return b->list && vds_fits(slot * size, size, b->len) ?
		b->list + slot * size : NULL;
}

/* One decoded chunk against the digests that are stored for it. */
static void check_chunk(struct pass *pass, uint64_t chunk, const uint8_t *data,
			size_t len)
{
	for (int t = 0; t < VDS_NUM_HASHES; t++) {
		enum vds_hash_type type = (enum vds_hash_type)t;
		const uint8_t *stored = stored_digest(pass, type, chunk);
		struct vds_hashes h;
		uint8_t digest[VDS_HASH_MAX];
		if (!stored)
			continue;
		pass->blocks[t].chunks++;
		if (pass->damaged)
			continue;
		vds_hashes_init(&h, 1u << t);
		vds_hashes_update(&h, data, len);
		vds_hashes_final(&h, type, digest);
		pass->blocks[t].good += !memcmp(digest, stored,
						vds_hash_size(type));
	}
}

static struct vds_error *decode_all(struct pass *pass)
{
	const struct vds_aff4_stream *stream = pass->stream;
	const struct vds_progress *progress = pass->checker->progress;
	uint64_t first_damaged = 0;
	_cleanup_free_ uint8_t *buf = malloc(stream->chunk_size);
	if (!buf)
		return &vds_enomem;
	/* What metadata promises without bytes isn't walked through. */
	if (!stream->complete) {
		pass->damaged = 1;
		return NULL;
	}
	for (uint64_t pos = 0; pos < stream->size;) {
		uint64_t chunk = pos / stream->chunk_size;
		size_t want = vds_aff4_chunk_len(stream, chunk);
		size_t n = vds_aff4_stream_read(pass->a, pass->target, pos, buf,
						want, true);
		pass->damaged = n < want ? pos + n + 1 : 0;
		if (pass->damaged && !first_damaged)
			first_damaged = pass->damaged;
		if (!pass->damaged)
			vds_hashes_update(&pass->linear, buf, want);
		check_chunk(pass, chunk, buf, want);
		pos += want;
		if (!vds_progress_step(progress, pos, stream->size))
			return &vds_stop;
	}
	pass->damaged = first_damaged;
	return NULL;
}

static void say_linear(struct pass *pass, const struct vds_triple *t,
		       enum vds_hash_type type)
{
	uint8_t digest[VDS_HASH_MAX];
	char hex[VDS_HASH_HEX_SIZE], why[64];
	struct vds_aff4_check check = {
		.urn = pass->stream->urn, .what = "hash",
		.type = vds_hash_name(type), .stored = t->object,
		.verdict = VDS_VERDICT_DIFFERS};
	if (pass->damaged) {
		snprintf(why, sizeof(why), "can't be decoded from byte %llu on",
			 (unsigned long long)(pass->damaged - 1));
		check.why = why;
	} else {
		struct vds_hashes copy = pass->linear;
		vds_hashes_final(&copy, type, digest);
		vds_hash_hex(type, digest, hex);
		check.computed = hex;
		if (vds_streq_nocase(hex, t->object))
			check.verdict = VDS_VERDICT_EQUAL;
	}
	pass->checker->on_check(pass->checker->ctx, &check);
}

static void say_blocks(struct pass *pass, enum vds_hash_type type)
{
	const struct blocks *b = &pass->blocks[type];
	char why[64];
	if (!b->chunks)
		return;
	snprintf(why, sizeof(why), "%zu of %zu chunks", b->good, b->chunks);
	const struct vds_aff4_check check = {
		.urn = pass->stream->urn, .what = "blockHash",
		.type = vds_hash_name(type), .why = why,
		.verdict = b->good == b->chunks ? VDS_VERDICT_EQUAL :
						  VDS_VERDICT_DIFFERS};
	pass->checker->on_check(pass->checker->ctx, &check);
}

/* The type of a linear hash that @t states, or VDS_NUM_HASHES. */
static enum vds_hash_type linear_type(const struct vds_triple *t)
{
	const char *type = vds_aff4_local(t->datatype, NULL);
	return type ? vds_hash_by_name(type) : VDS_NUM_HASHES;
}

static bool has_blocks(const struct pass *pass)
{
	for (int t = 0; t < VDS_NUM_HASHES; t++) {
		if (vds_aff4_block_hashes(pass->a, pass->stream->urn, 0,
					  vds_hash_name((enum vds_hash_type)t)))
			return true;
	}
	return false;
}

struct vds_error *
vds_aff4_verify_stream(const struct vds_aff4 *a, size_t target,
		       const struct vds_aff4_checker *checker)
{
	struct pass pass = {.a = a, .target = target, .checker = checker,
			    .stream = a->targets[target].stream};
	const char *urn = pass.stream->urn;
	const struct vds_triple *t;
	unsigned int wanted = 0;
	for (size_t i = 0; (t = vds_aff4_property(a, urn, "hash", i)); i++)
		wanted |= 1u << linear_type(t);
	wanted &= (1u << VDS_NUM_HASHES) - 1;
	if (!wanted && !has_blocks(&pass))
		return NULL;
	vds_hashes_init(&pass.linear, wanted);
	struct vds_error *err = decode_all(&pass);
	for (size_t i = 0;
	     !err && (t = vds_aff4_property(a, urn, "hash", i)); i++) {
		if (linear_type(t) != VDS_NUM_HASHES)
			say_linear(&pass, t, linear_type(t));
	}
	for (int i = 0; i < VDS_NUM_HASHES; i++) {
		if (!err)
			say_blocks(&pass, (enum vds_hash_type)i);
		free(pass.blocks[i].list);
	}
	return err;
}
