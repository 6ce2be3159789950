/* SPDX-License-Identifier: Apache-2.0 */
/* Profiles and packs; what is accepted must survive writing and reading. */
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "profile/load.h"
#include "profile/model.h"
#include "profile/show.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look_at(const struct vds_profile *p)
{
	_cleanup_(vds_str_deinit) struct vds_str out = {0};
	struct vds_field f;
	uint64_t v;
	uint8_t record[64] = {0};
	vds_profile_show_identity(&out, p);
	vds_profile_show(&out, p, "*");
	for (size_t i = 0; i < vds_profile_num_types(p); i++) {
		const struct vds_type *t = vds_profile_type_at(p, i);
		vds_profile_show(&out, p, t->name);
		if (t->num_members &&
		    vds_type_member(t, t->members[0].name, &f))
			vds_field_get(&f, record, sizeof(record), &v);
	}
	if (vds_profile_diff(&out, p, p))
		abort();
}

static void round_trip(const struct vds_profile *p)
{
	_cleanup_(vds_str_deinit) struct vds_str one = {0}, two = {0};
	struct vds_profile *q;
	struct vds_error *err = vds_profile_emit(p, &one);
	if (err) {
		/* Anonymous types that lead to themselves have no end. */
		vds_error_destroy(err);
		return;
	}
	if (vds_profile_parse("again", one.data, one.len, &q) ||
	    vds_profile_emit(q, &two) || one.len != two.len ||
	    memcmp(one.data, two.data, one.len))
		abort();
	vds_profile_destroy(q);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ struct vds_profile_identity *ids = NULL;
	struct vds_profile_identity head;
	size_t n = 0;
	vds_error_destroy(vds_profile_parse_head("fuzz", data, size, &head));
	vds_error_destroy(vds_profile_parse_kernels("fuzz", data, size, &ids,
						    &n));
	for (size_t i = 0; i < n && i < 4; i++) {
		struct vds_profile *p;
		struct vds_error *err = vds_profile_parse_kernel("fuzz", data,
								 size, &ids[i],
								 &p);
		if (err) {
			vds_error_destroy(err);
			continue;
		}
		look_at(p);
		round_trip(p);
		vds_profile_destroy(p);
	}
	return 0;
}
