/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gets one file over HTTP, with libcurl if it is there: it is opened when it
 * is needed, so that a program that fetches nothing doesn't load it and the
 * forty libraries behind it. Proxy and TLS are libcurl's defaults (http_proxy,
 * https_proxy, no_proxy; the system's certificates).
 */
#ifndef VDS_PDB_HTTP_H
#define VDS_PDB_HTTP_H

#include <stdint.h>

#include "vadose/error.h"

struct vds_http_get {
	const char *url;	/* http:// or https:// */
	/*
	 * Where the bytes go. What is there already is taken for the start of
	 * the file, and only the rest is asked for; after a failure it holds
	 * what has come so far.
	 */
	const char *path;
	uint64_t max_bytes;	/* of the whole file */
	/* Now and then, and at the end; @total 0 = not known. May be NULL. */
	void (*progress)(void *ctx, uint64_t done, uint64_t total);
	void *ctx;
};

/*
 * VDS_ERROR_NOT_FOUND: the server has no such file. VDS_ERROR_NO_INPUT: no
 * connection, or it broke and trying again got no further. VDS_ERROR_OUTPUT:
 * @path. VDS_ERROR_UNSUPPORTED: more than max_bytes; or no libcurl.
 */
struct vds_error *vds_http_get(const struct vds_http_get *get);

/* True if this program can fetch at all; else *ret_reason says why not. */
bool vds_http_available(const char **ret_reason);

#endif
