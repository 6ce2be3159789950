/* SPDX-License-Identifier: Apache-2.0 */
/* The input is a PDB's DBI stream; streams 4 to 7 hold a few bytes each. */
#include "base/util.h"
#include "pdb/sections.h"
#include "pdb/symbols.h"
#include "tests/support/pdb_build.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct vds_error *on_symbol(void *ctx, const struct vds_pdb_symbol *sym)
{
	(void)ctx;
	(void)sym;
	return NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t some[100] = {1, 0, 0, 0, 255, 255, 255, 255};
	struct pdb_stream streams[8] = {{NULL, 0}};
	struct vds_msf *msf;
	struct vds_dbi dbi;
	struct vds_pdb_sections sections;
	size_t len;
	if (size > 1 << 20)
		return 0;
	streams[3] = (struct pdb_stream){data, (uint32_t)size};
	for (uint32_t i = 4; i < 8; i++)
		streams[i] = (struct pdb_stream){some, 10 + 25 * (i - 4)};
	_cleanup_free_ uint8_t *file = pdb_build(512, streams, 8, &len);
	struct vds_error *err = vds_msf_open_memory("x", file, len, &msf);
	if (err)
		__builtin_trap();	/* the container is sound */
	err = vds_dbi_read(msf, &dbi);
	if (!err)
		err = vds_pdb_sections_load(msf, &dbi, &sections);
	if (!err) {
		err = vds_pdb_symbols_walk(msf, &dbi, on_symbol, NULL);
		vds_pdb_sections_deinit(&sections);
	}
	vds_error_destroy(err);
	vds_msf_close(msf);
	return 0;
}
