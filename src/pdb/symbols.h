/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Public and global symbols. Their records lie in one stream, in which a
 * linker that works incrementally leaves dead ones behind: only those count
 * that the hash tables of publics and globals list.
 */
#ifndef VDS_PDB_SYMBOLS_H
#define VDS_PDB_SYMBOLS_H

#include "pdb/dbi.h"

struct vds_pdb_symbol {
	const char *name;	/* borrowed until the next one; any bytes */
	size_t name_len;
	uint16_t section;	/* from 1 */
	uint32_t offset;	/* into the section, as linked */
	bool is_public;
};

/* Called per symbol; an error ends the walk and is returned. */
typedef struct vds_error *vds_pdb_symbol_fn(void *ctx,
					    const struct vds_pdb_symbol *sym);

/*
 * Publics, global and static data that have an address, in the order of their
 * records, each once. Other symbols (types, constants, references into
 * modules) are passed over. Memory: 4 bytes a symbol and a window.
 */
struct vds_error *vds_pdb_symbols_walk(const struct vds_msf *msf,
				       const struct vds_dbi *dbi,
				       vds_pdb_symbol_fn *fn, void *ctx);

#endif
