/* SPDX-License-Identifier: Apache-2.0 */
/* Symbol tables, plain and .xz; the profile must survive the round trip. */
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "profile/isf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void round_trip(const struct vds_profile *p)
{
	_cleanup_(vds_str_deinit) struct vds_str one = {0}, two = {0};
	struct vds_profile *q;
	struct vds_error *err = vds_profile_emit(p, &one);
	if (err) {
		vds_error_destroy(err);
		return;
	}
	if (vds_profile_parse("again", one.data, one.len, &q) ||
	    vds_profile_emit(q, &two) || one.len != two.len ||
	    memcmp(one.data, two.data, one.len))
		abort();
	vds_profile_destroy(q);
}

static void convert(const uint8_t *data, size_t size, bool trim)
{
	struct vds_model *model;
	struct vds_profile *p;
	if (vds_model_create(&model))
		return;
	struct vds_error *err = vds_isf_parse("fuzz", data, size, model);
	if (!err && trim)
		err = vds_model_trim_default(model);
	if (!err)
		err = vds_model_finish(model, NULL, NULL, 0, &p);
	if (err) {
		vds_error_destroy(err);
		vds_model_destroy(model);
		return;
	}
	round_trip(p);
	vds_profile_destroy(p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	convert(data, size, false);
	convert(data, size, true);
	return 0;
}
