/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libsnappy, opened when the first snappy block is met: it is C++, and with
 * libstdc++ costs every process 1.3 MiB and a millisecond.
 */
#ifndef VDS_IMAGE_SNAPPY_H
#define VDS_IMAGE_SNAPPY_H

#include <stdbool.h>
#include <stddef.h>

/* False if the build lacks it, or the system it runs on does. */
bool vds_snappy_available(void);

/* As vds_codec_decode() and vds_codec_encode(); false if not available. */
bool vds_snappy_decode(const void *in, size_t in_len, void *out, size_t cap,
		       size_t want, size_t *ret_len);
bool vds_snappy_encode(const void *in, size_t in_len, void *out, size_t cap,
		       size_t *ret_len);

#endif
