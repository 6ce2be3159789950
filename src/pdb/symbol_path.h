/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A symbol path as Windows debuggers read it from _NT_SYMBOL_PATH: elements
 * between semicolons, each of them
 *   srv*STORE*STORE*...	stores, the nearest first; an empty one is the
 *				default cache; what a server sends is kept in
 *				the first directory
 *   srv*			the default cache and Microsoft's server
 *   symsrv*symsrv.dll*STORE*...	the same
 *   cache*DIR			keeps what servers to its right send
 *   DIR or URL			a store
 * (Microsoft's documentation, "Symbol path for Windows debuggers".)
 */
#ifndef VDS_PDB_SYMBOL_PATH_H
#define VDS_PDB_SYMBOL_PATH_H

#include "base/arena.h"
#include "vadose/error.h"

struct vds_symbol_store {
	const char *where;	/* directory, or URL without a final slash */
	const char *cache;	/* URL: directory that keeps what it sends;
				 * NULL: there is none */
	bool is_url;
};

struct vds_symbol_path {
	struct vds_symbol_store *stores;	/* in order of search */
	size_t count;
};

/*
 * Splits @text; all strings live in @arena. @cache is the default cache,
 * NULL if there is none.
 * VDS_ERROR_USAGE for an element that means nothing ("srv" alone with no
 * store, another symbol server's DLL), VDS_ERROR_NOMEM.
 */
struct vds_error *vds_symbol_path_parse(const char *text, const char *cache,
					struct vds_arena *arena,
					struct vds_symbol_path *ret);

/* Microsoft's public symbol server. */
#define VDS_SYMBOL_SERVER "https://msdl.microsoft.com/download/symbols"

/* Stores in one path at most; more is a mistake. */
#define VDS_SYMBOL_STORES_MAX 256

#endif
