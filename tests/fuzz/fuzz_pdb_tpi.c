/* SPDX-License-Identifier: Apache-2.0 */
/* The input is a PDB's type stream, behind sound streams around it. */
#include "base/util.h"
#include "pdb/pdb.h"
#include "tests/support/pdb_build.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct pdb_out info, dbi;
	struct vds_msf *msf;
	struct vds_model *model;
	struct vds_profile *profile;
	size_t len;
	if (size > 1 << 20)
		return 0;
	pdb_info(&info, 20000404, 1);
	pdb_dbi(&dbi, 1, 0, 0xffff, 0xffff, 0xffff, NULL, 0);
	struct pdb_stream streams[] = {
		{NULL, 0}, {info.data, info.len}, {data, (uint32_t)size},
		{dbi.data, dbi.len}};
	_cleanup_free_ uint8_t *file = pdb_build(4096, streams, 4, &len);
	struct vds_error *err = vds_msf_open_memory("x", file, len, &msf);
	if (err)
		__builtin_trap();	/* the container is sound */
	err = vds_pdb_msf_to_model(msf, "x", &model);
	vds_msf_close(msf);
	if (!err) {
		err = vds_model_finish(model, "x", NULL, 0, &profile);
		if (err)
			vds_model_destroy(model);
		else
			vds_profile_destroy(profile);
	}
	vds_error_destroy(err);
	return 0;
}
