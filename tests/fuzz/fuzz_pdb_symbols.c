/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The input is split into the streams that symbols come from: each of
 * publics, globals, OMAP and sections has a length (u16) at the start; the
 * symbol records are the rest.
 */
#include "base/util.h"
#include "pdb/sections.h"
#include "pdb/symbols.h"
#include "tests/support/pdb_build.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PARTS 4

static struct vds_error *on_symbol(void *ctx, const struct vds_pdb_symbol *sym)
{
	uint32_t rva;
	volatile char sum = 0;	/* reads every byte of the name */
	for (size_t i = 0; i < sym->name_len; i++)
		sum = (char)(sum ^ sym->name[i]);
	vds_pdb_rva(ctx, sym->section, sym->offset, &rva);
	return NULL;
}

static void walk(const struct vds_msf *msf)
{
	struct vds_dbi dbi;
	struct vds_pdb_sections sections;
	struct vds_error *err = vds_dbi_read(msf, &dbi);
	if (!err)
		err = vds_pdb_sections_load(msf, &dbi, &sections);
	if (!err) {
		err = vds_pdb_symbols_walk(msf, &dbi, on_symbol, &sections);
		vds_pdb_sections_deinit(&sections);
	}
	vds_error_destroy(err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct pdb_out dbi;
	static const uint16_t debug[] = {
		0xffff, 0xffff, 0xffff, 0xffff, 6, 7, 0xffff, 0xffff, 0xffff,
		0xffff, 7};
	struct pdb_stream streams[9] = {{NULL, 0}};
	struct vds_msf *msf;
	size_t len, at = PARTS * 2;
	if (size < at || size > 1 << 20)
		return 0;
	pdb_dbi(&dbi, 1, 0, 5, 4, 8, debug, VDS_ARRAY_SIZE(debug));
	streams[3] = (struct pdb_stream){dbi.data, dbi.len};
	for (int i = 0; i < PARTS; i++) {
		size_t part = VDS_MIN((size_t)vds_le16(data + i * 2),
				      size - at);
		streams[4 + i] = (struct pdb_stream){data + at,
						     (uint32_t)part};
		at += part;
	}
	streams[8] = (struct pdb_stream){data + at, (uint32_t)(size - at)};
	_cleanup_free_ uint8_t *file = pdb_build(1024, streams, 9, &len);
	struct vds_error *err = vds_msf_open_memory("x", file, len, &msf);
	if (err)
		__builtin_trap();	/* the container is sound */
	walk(msf);
	vds_msf_close(msf);
	return 0;
}
