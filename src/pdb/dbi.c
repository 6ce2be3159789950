/* SPDX-License-Identifier: Apache-2.0 */
#include "pdb/dbi.h"

#include <stdlib.h>

#include "base/bytes.h"
#include "base/util.h"

#define HEADER_LEN 64

/* Entries of the last substream, an array of u16 (microsoft-pdb, DBGTYPE). */
enum { DBG_OMAP_FROM_SRC = 4, DBG_SECTIONS = 5, DBG_SECTIONS_SRC = 10 };

/* The sizes of the substreams that lie before the debug header, in order. */
static struct vds_error *substreams_len(const struct vds_msf *msf,
					const uint8_t *head, uint64_t *ret)
{
	/* modules, contributions, map, sources, type servers; then EC */
	static const uint8_t at[] = {24, 28, 32, 36, 40, 52};
	uint64_t sum = 0;
	for (size_t i = 0; i < sizeof(at); i++) {
		uint32_t len = vds_le32(head + at[i]);
		if (len > INT32_MAX)
			return vds_error_create(
				VDS_ERROR_FORMAT,
				"%s: stream 3: byte 0x%x: substream of %u "
				"bytes", vds_msf_path(msf), at[i], len);
		sum += len;
	}
	*ret = sum;
	return NULL;
}

static struct vds_error *read_debug_header(const struct vds_msf *msf,
					   const uint8_t *head,
					   struct vds_dbi *dbi)
{
	uint8_t raw[(DBG_SECTIONS_SRC + 1) * 2];
	uint64_t start = 0;
	uint32_t len = vds_le32(head + 48);
	struct vds_error *err = substreams_len(msf, head, &start);
	if (err)
		return err;
	start += HEADER_LEN;
	if (len > INT32_MAX || start > UINT32_MAX ||
	    !vds_fits(start, len, vds_msf_size(msf, VDS_MSF_DBI)))
		return vds_error_create(
			VDS_ERROR_FORMAT,
			"%s: stream 3: byte 0x%llx: debug header of %u bytes, "
			"but it ends at 0x%x", vds_msf_path(msf),
			(unsigned long long)start, len,
			vds_msf_size(msf, VDS_MSF_DBI));
	size_t used = VDS_MIN((size_t)len & ~(size_t)1, sizeof(raw));
	err = vds_msf_read(msf, VDS_MSF_DBI, (uint32_t)start, raw, used);
	if (err)
		return err;
	const struct {
		size_t entry;
		uint16_t *stream;
	} wanted[] = {
		{DBG_OMAP_FROM_SRC, &dbi->omap_from_src},
		{DBG_SECTIONS, &dbi->sections},
		{DBG_SECTIONS_SRC, &dbi->sections_src},
	};
	for (size_t i = 0; i < VDS_ARRAY_SIZE(wanted); i++)
		if (wanted[i].entry * 2 + 2 <= used)
			*wanted[i].stream =
				vds_le16(raw + wanted[i].entry * 2);
	return NULL;
}

struct vds_error *vds_dbi_read(const struct vds_msf *msf, struct vds_dbi *ret)
{
	struct vds_dbi dbi = {
		.globals = VDS_MSF_NO_STREAM, .publics = VDS_MSF_NO_STREAM,
		.records = VDS_MSF_NO_STREAM,
		.omap_from_src = VDS_MSF_NO_STREAM,
		.sections = VDS_MSF_NO_STREAM,
		.sections_src = VDS_MSF_NO_STREAM,
	};
	uint8_t head[HEADER_LEN];
	if (!vds_msf_size(msf, VDS_MSF_DBI)) {
		*ret = dbi;
		return NULL;
	}
	struct vds_error *err =
		vds_msf_read(msf, VDS_MSF_DBI, 0, head, sizeof(head));
	if (err)
		return err;
	if (vds_le32(head) != UINT32_MAX)	/* header of VC 4 */
		return vds_error_create(
			VDS_ERROR_UNSUPPORTED,
			"%s: stream 3: a header from before Visual C++ 5",
			vds_msf_path(msf));
	dbi.present = true;
	dbi.version = vds_le32(head + 4);
	dbi.age = vds_le32(head + 8);
	dbi.globals = vds_le16(head + 12);
	dbi.publics = vds_le16(head + 16);
	dbi.records = vds_le16(head + 20);
	dbi.flags = vds_le16(head + 56);
	dbi.machine = vds_le16(head + 58);
	err = read_debug_header(msf, head, &dbi);
	if (err)
		return err;
	*ret = dbi;
	return NULL;
}
