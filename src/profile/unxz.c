/* SPDX-License-Identifier: Apache-2.0 */
#include "profile/unxz.h"

#include <string.h>

#include "config.h"
#include "base/util.h"

#if HAVE_LZMA
#include <lzma.h>
#endif

bool vds_is_xz(const void *data, size_t len)
{
	return len >= 6 && memcmp(data, "\xfd" "7zXZ\0", 6) == 0;
}

#if HAVE_LZMA

/* xz -9 needs 65 MB to decompress; nothing asks for more. */
#define MEMORY_LIMIT (UINT64_C(128) << 20)
#define STEP ((size_t)1 << 20)

static struct vds_error *run(lzma_stream *stream, size_t max,
			     struct vds_str *out)
{
	for (;;) {
		if (!vds_str_reserve(out, STEP))
			return &vds_enomem;
		stream->next_out = (uint8_t *)out->data + out->len;
		stream->avail_out = out->cap - out->len;
		lzma_ret ret = lzma_code(stream, LZMA_FINISH);
		out->len = out->cap - stream->avail_out;
		if (out->len > max)
			return vds_error_create(VDS_ERROR_FORMAT,
				"xz: more than %zu bytes decompressed", max);
		if (ret == LZMA_STREAM_END)
			return NULL;
		if (ret == LZMA_MEM_ERROR)
			return &vds_enomem;
		if (ret != LZMA_OK)
			return vds_error_create(VDS_ERROR_FORMAT,
				"xz: damaged at byte %llu (liblzma error %d)",
				(unsigned long long)stream->total_in, (int)ret);
	}
}

struct vds_error *vds_unxz(const void *data, size_t len, size_t max,
			   struct vds_str *out)
{
	lzma_stream stream = LZMA_STREAM_INIT;
	if (lzma_stream_decoder(&stream, MEMORY_LIMIT, 0) != LZMA_OK)
		return &vds_enomem;
	stream.next_in = data;
	stream.avail_in = len;
	struct vds_error *err = run(&stream, max, out);
	lzma_end(&stream);
	return err;
}

#else

struct vds_error *vds_unxz(const void *data, size_t len, size_t max,
			   struct vds_str *out)
{
	(void)data;
	(void)len;
	(void)max;
	(void)out;
	return vds_error_create(VDS_ERROR_UNSUPPORTED,
		"xz: built without liblzma; decompress it with `xz -dk` first");
}

#endif
