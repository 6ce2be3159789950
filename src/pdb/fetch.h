/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gets the PDB of a kernel by its identity, from a symbol store that is a
 * directory or an HTTP server.
 */
#ifndef VDS_PDB_FETCH_H
#define VDS_PDB_FETCH_H

#include <stdint.h>

#include "vadose/error.h"

/* What is asked for. */
struct vds_fetch_key {
	const char *pdb;	/* "ntkrnlmp.pdb"; a file name, no path */
	const char *guid;	/* 32 hex digits, dashes and braces allowed */
	uint32_t age;		/* of the RSDS record */
};

struct vds_fetch_options {
	/* NULL: $_NT_SYMBOL_PATH, or else the default cache and Microsoft's
	 * server ("srv*"). */
	const char *symbol_path;
	/* NULL: vds_fetch_default_cache(). */
	const char *cache;
	bool offline;		/* directories only */
	uint64_t max_bytes;	/* 0 = VDS_FETCH_MAX */
	void (*progress)(void *ctx, uint64_t done, uint64_t total);
	void *ctx;
};

/* A kernel's PDB has 10 to 40 MB; Edge's has less than 4 GB. */
#define VDS_FETCH_MAX (UINT64_C(2) << 30)

/*
 * Searches the stores in order; what a server sends is checked (GUID and age
 * inside, the types' stream) and then kept in the store's cache directory
 * under NAME/GUIDAGE/NAME; a broken transfer stays there as NAME.part and is
 * taken up again by the next call. *ret_path (malloc'ed) is the PDB's path.
 *
 * Errors: VDS_ERROR_USAGE (malformed key or symbol path), VDS_ERROR_FORMAT (a
 * store had another PDB under this key: it is refused), VDS_ERROR_OUTPUT, and
 * VDS_ERROR_NO_PROFILE when no store has it: its message says why each of them
 * failed, and what to do on a machine that has a network.
 */
struct vds_error *vds_pdb_fetch(const struct vds_fetch_key *key,
				const struct vds_fetch_options *options,
				char **ret_path);

/*
 * The address of @key on Microsoft's server and the two commands that make its
 * profile elsewhere, as one line of text; malloc'ed, NULL out of memory.
 */
char *vds_pdb_fetch_advice(const struct vds_fetch_key *key);

/* $XDG_CACHE_HOME/vadose/symbols, or ~/.cache/...; malloc'ed, or NULL. */
char *vds_fetch_default_cache(void);

/* GUID (32 upper-case digits) + age in hex, as in stores; USAGE if not one. */
struct vds_error *vds_fetch_key_str(const struct vds_fetch_key *key,
				    char ret[48]);

/*
 * Splits "GUIDAGE" or "GUID-AGE" (AGE in hex as in a store; with dash or space
 * before it, decimal) into a GUID of 32 digits and an age. False if malformed.
 */
bool vds_fetch_parse_id(const char *text, char ret_guid[33], uint32_t *ret_age);

#endif
