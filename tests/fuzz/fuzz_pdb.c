/* SPDX-License-Identifier: Apache-2.0 */
/* A whole PDB file: container, headers, types, symbols, and its profile. */
#include "base/util.h"
#include "pdb/info.h"
#include "pdb/pdb.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_all(const struct vds_msf *msf)
{
	for (uint32_t i = 0; i < vds_msf_num_streams(msf) && i < 64; i++) {
		_cleanup_free_ uint8_t *bytes = NULL;
		vds_error_destroy(vds_msf_load(msf, i, 0, vds_msf_size(msf, i),
					       &bytes));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vds_msf *msf;
	struct vds_model *model;
	struct vds_profile *profile;
	struct vds_error *err =
		vds_msf_open_memory("fuzz.pdb", data, size, &msf);
	if (err) {
		vds_error_destroy(err);
		return 0;
	}
	read_all(msf);
	err = vds_pdb_msf_to_model(msf, "fuzz.pdb", &model);
	if (!err) {
		_cleanup_(vds_str_deinit) struct vds_str text = {0};
		err = vds_model_finish(model, "fuzz.pdb", NULL, 0, &profile);
		if (err) {
			vds_model_destroy(model);
		} else {
			err = vds_profile_emit(profile, &text);
			vds_profile_destroy(profile);
		}
	}
	vds_error_destroy(err);
	vds_msf_close(msf);
	return 0;
}
