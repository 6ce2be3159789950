/* SPDX-License-Identifier: Apache-2.0 */
#include "image/zip_verify.h"

#include <stdlib.h>
#include <zlib.h>

#include "base/util.h"

#define STEP ((size_t)1 << 18)

struct reading {
	const struct vds_file *file;
	uint64_t pos, end;	/* of the member's bytes in the file */
	uint8_t *in, *out;
	uint64_t made;		/* bytes inflated */
	uLong crc;
};

static size_t fill(struct reading *r)
{
	size_t n = (size_t)VDS_MIN((uint64_t)STEP, r->end - r->pos);
	n = vds_file_pread(r->file, r->pos, r->in, n);
	r->pos += n;
	return n;
}

/* Hashes what comes out of @z for the input at hand; false if corrupt. */
static bool inflate_part(struct reading *r, z_stream *z, uint64_t max,
			 bool *done)
{
	do {
		z->next_out = r->out;
		z->avail_out = (uInt)STEP;
		int status = inflate(z, Z_NO_FLUSH);
		size_t n = STEP - z->avail_out;
		r->crc = crc32(r->crc, r->out, (uInt)n);
		r->made += n;
		*done = status == Z_STREAM_END;
		if (r->made > max ||
		    (status != Z_OK && status != Z_STREAM_END &&
		     status != Z_BUF_ERROR))
			return false;
	} while (!*done && !z->avail_out);
	return true;
}

static struct vds_error *run(struct reading *r, z_stream *z,
			     const struct vds_zip_member *member,
			     const struct vds_progress *progress)
{
	uint64_t start = r->pos;
	bool done = !z && r->pos == r->end;
	while (!done) {
		size_t n = fill(r);
		bool good = n != 0;
		if (n && z) {
			z->next_in = r->in;
			z->avail_in = (uInt)n;
			good = inflate_part(r, z, member->usize, &done);
		} else if (n) {
			r->crc = crc32(r->crc, r->in, (uInt)n);
			r->made += n;
			done = r->pos == r->end;
		}
		if (!good)
			return vds_error_create(VDS_ERROR_FORMAT,
				"can't be read whole: %s at offset %llu",
				n ? "corrupt" : "ends early",
				(unsigned long long)r->pos);
		if (!vds_progress_step(progress, r->pos - start,
				       r->end - start))
			return &vds_stop;
	}
	if (r->made != member->usize)
		return vds_error_create(VDS_ERROR_FORMAT,
			"%llu bytes, not %llu", (unsigned long long)r->made,
			(unsigned long long)member->usize);
	return NULL;
}

struct vds_error *vds_zip_crc(const struct vds_zip *zip,
			      struct vds_zip_member *member,
			      const struct vds_progress *progress,
			      uint32_t *ret)
{
	struct reading r = {.file = zip->file, .crc = crc32(0, NULL, 0)};
	struct vds_error *err = vds_zip_locate(zip, member, &r.pos);
	if (err)
		return err;
	z_stream z = {0};
	bool packed = member->method == VDS_ZIP_DEFLATED;
	_cleanup_free_ uint8_t *buf = malloc(2 * STEP);
	r.end = r.pos + member->csize;
	r.in = buf;
	if (!buf || (packed && inflateInit2(&z, -MAX_WBITS) != Z_OK))
		return &vds_enomem;
	r.out = buf + STEP;
	err = run(&r, packed ? &z : NULL, member, progress);
	if (packed)
		inflateEnd(&z);
	if (!err)
		*ret = (uint32_t)r.crc;
	return err;
}
