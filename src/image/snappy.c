/* SPDX-License-Identifier: Apache-2.0 */
#include "image/snappy.h"

#include "config.h"

#if HAVE_SNAPPY
#include <dlfcn.h>
#include <pthread.h>
#include <snappy-c.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct {
	__typeof__(&snappy_uncompressed_length) length;
	__typeof__(&snappy_uncompress) uncompress;
	__typeof__(&snappy_max_compressed_length) max;
	__typeof__(&snappy_compress) compress;
} lib;

static void open_lib(void)
{
	void *so = dlopen("libsnappy.so.1", RTLD_NOW | RTLD_LOCAL);
	if (!so)
		return;
	*(void **)&lib.length = dlsym(so, "snappy_uncompressed_length");
	*(void **)&lib.uncompress = dlsym(so, "snappy_uncompress");
	*(void **)&lib.max = dlsym(so, "snappy_max_compressed_length");
	*(void **)&lib.compress = dlsym(so, "snappy_compress");
}

bool vds_snappy_available(void)
{
	pthread_once(&once, open_lib);
	return lib.length && lib.uncompress && lib.max && lib.compress;
}

bool vds_snappy_decode(const void *in, size_t in_len, void *out, size_t cap,
		       size_t want, size_t *ret_len)
{
	/* The length stands in front: looked at before anything is written. */
	size_t len;
	if (!vds_snappy_available() ||
	    lib.length(in, in_len, &len) != SNAPPY_OK || len > cap ||
	    len < want)
		return false;
	*ret_len = len;
	return lib.uncompress(in, in_len, out, ret_len) == SNAPPY_OK;
}

bool vds_snappy_encode(const void *in, size_t in_len, void *out, size_t cap,
		       size_t *ret_len)
{
	*ret_len = cap;
	return vds_snappy_available() && cap >= lib.max(in_len) &&
	       lib.compress(in, in_len, out, ret_len) == SNAPPY_OK;
}

#else

bool vds_snappy_available(void)
{
	return false;
}

bool vds_snappy_decode(const void *in, size_t in_len, void *out, size_t cap,
		       size_t want, size_t *ret_len)
{
	(void)in;
	(void)in_len;
	(void)out;
	(void)cap;
	(void)want;
	(void)ret_len;
	return false;
}

bool vds_snappy_encode(const void *in, size_t in_len, void *out, size_t cap,
		       size_t *ret_len)
{
	(void)in;
	(void)in_len;
	(void)out;
	(void)cap;
	(void)ret_len;
	return false;
}

#endif
