/* SPDX-License-Identifier: Apache-2.0 */
#include "image/aff4_verify.h"

#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "base/util.h"
#include "image/aff4_internal.h"
#include "image/oldhash.h"

#define STEP ((size_t)1 << 20)

enum { MD5, SHA1, SHA256, NUM_TYPES };
static const char *const types[NUM_TYPES] = {"MD5", "SHA1", "SHA256"};

struct hashes {
	struct vds_oldhash md5, sha1;
	struct vds_sha256 sha256;
	char hex[NUM_TYPES][VDS_SHA256_HEX_SIZE];
};

/* The kind of hash that @t states, or -1. */
static int hash_type(const struct vds_triple *t)
{
	const char *name = vds_aff4_local(t->predicate, NULL);
	const char *type = vds_aff4_local(t->datatype, NULL);
	for (int i = 0; name && type && i < NUM_TYPES; i++) {
		if (!strcmp(name, "hash") && !strcmp(type, types[i]))
			return i;
	}
	return -1;
}

static void to_hex(const uint8_t *digest, size_t len, char *out)
{
	static const char digits[] = "0123456789abcdef";
	for (size_t i = 0; i < len; i++) {
		out[2 * i] = digits[digest[i] >> 4];
		out[2 * i + 1] = digits[digest[i] & 15];
	}
	out[2 * len] = 0;
}

static void finish(struct hashes *h)
{
	uint8_t digest[VDS_SHA256_SIZE];
	vds_md5_final(&h->md5, digest);
	to_hex(digest, VDS_MD5_SIZE, h->hex[MD5]);
	vds_sha1_final(&h->sha1, digest);
	to_hex(digest, VDS_SHA1_SIZE, h->hex[SHA1]);
	vds_sha256_final(&h->sha256, digest);
	to_hex(digest, VDS_SHA256_SIZE, h->hex[SHA256]);
}

static struct vds_error *hash_stream(const struct vds_aff4 *a, size_t target,
				     const struct vds_progress *progress,
				     struct hashes *h)
{
	const struct vds_aff4_stream *stream = a->targets[target].stream;
	_cleanup_free_ uint8_t *buf = malloc(STEP);
	if (!buf)
		return &vds_enomem;
	vds_md5_init(&h->md5);
	vds_sha1_init(&h->sha1);
	vds_sha256_init(&h->sha256);
	for (uint64_t pos = 0; pos < stream->size;) {
		size_t want = (size_t)VDS_MIN((uint64_t)STEP,
					      stream->size - pos);
		size_t n = vds_aff4_stream_read(a, target, pos, buf, want,
						true);
		if (n < want)
			return vds_error_create(VDS_ERROR_FORMAT,
				"<%s>: can't be decoded from byte %llu on",
				stream->urn, (unsigned long long)(pos + n));
		vds_oldhash_update(&h->md5, buf, n);
		vds_oldhash_update(&h->sha1, buf, n);
		vds_sha256_update(&h->sha256, buf, n);
		pos += n;
		if (progress && progress->step &&
		    !progress->step(progress->ctx, pos, stream->size))
			return &vds_stop;
	}
	finish(h);
	return NULL;
}

static struct vds_error *verify_stream(const struct vds_aff4 *a, size_t target,
				       const struct vds_progress *progress,
				       void (*on_check)(void *,
						const struct vds_aff4_check *),
				       void *ctx)
{
	const char *urn = a->targets[target].urn;
	const struct vds_triple *t;
	struct hashes hashes;
	bool done = false;
	for (size_t i = 0; (t = vds_aff4_property(a, urn, "hash", i)); i++) {
		int type = hash_type(t);
		if (type < 0)
			continue;
		struct vds_error *err = done ? NULL :
			hash_stream(a, target, progress, &hashes);
		if (err)
			return err;
		done = true;
		struct vds_aff4_check check = {
			.urn = urn, .type = types[type], .stored = t->object,
			.computed = hashes.hex[type],
			.equal = vds_streq_nocase(t->object,
						  hashes.hex[type]),
		};
		on_check(ctx, &check);
	}
	return NULL;
}

struct vds_error *vds_aff4_verify(const struct vds_image *image,
				  const struct vds_progress *progress,
				  void (*on_check)(void *ctx,
					const struct vds_aff4_check *check),
				  void *ctx)
{
	const struct vds_aff4 *a = vds_aff4_of(image);
	struct vds_error *err = NULL;
	for (size_t i = 0; a && i < a->num_targets && !err; i++) {
		if (a->targets[i].kind == VDS_AFF4_STREAM)
			err = verify_stream(a, i, progress, on_check, ctx);
	}
	return err;
}
