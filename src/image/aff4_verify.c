/* SPDX-License-Identifier: Apache-2.0 */
#include "image/aff4_verify.h"

#include <stdio.h>

#include "image/aff4_verify_internal.h"
#include "image/zip_verify.h"

/* The CRC-32 of each member: one line for the archive, one for each bad one. */
static struct vds_error *verify_members(const struct vds_aff4_volume *volume,
					const struct vds_aff4_checker *checker)
{
	size_t good = 0, count = volume->zip.num_members;
	for (size_t i = 0; i < count; i++) {
		struct vds_zip_member *m = &volume->zip.members[i];
		struct vds_aff4_check check = {
			.urn = m->name, .what = "member", .type = "CRC-32",
			.verdict = VDS_VERDICT_DIFFERS};
		char stored[9], computed[9];
		uint32_t crc;
		struct vds_error *err = vds_zip_crc(&volume->zip, m,
						    checker->progress, &crc);
		if (err == &vds_stop || err == &vds_enomem)
			return err;
		snprintf(stored, sizeof(stored), "%08x", m->crc);
		check.stored = stored;
		if (err) {
			check.why = err->message;
			checker->on_check(checker->ctx, &check);
		} else if (crc != m->crc) {
			snprintf(computed, sizeof(computed), "%08x", crc);
			check.computed = computed;
			checker->on_check(checker->ctx, &check);
		} else {
			good++;
		}
		vds_error_destroy(err);
	}
	char why[64];
	snprintf(why, sizeof(why), "%zu of %zu members", good, count);
	const struct vds_aff4_check all = {
		.urn = volume->urn, .what = "members", .type = "CRC-32",
		.why = why, .verdict = good == count ? VDS_VERDICT_EQUAL :
						       VDS_VERDICT_DIFFERS};
	checker->on_check(checker->ctx, &all);
	return NULL;
}

struct vds_error *vds_aff4_verify(const struct vds_image *image,
				  const struct vds_aff4_checker *checker)
{
	const struct vds_aff4 *a = vds_aff4_of(image);
	struct vds_error *err = NULL;
	for (size_t i = 0; a && i < a->num_targets && !err; i++) {
		if (a->targets[i].kind == VDS_AFF4_STREAM)
			err = vds_aff4_verify_stream(a, i, checker);
	}
	if (a && !err)
		err = vds_aff4_verify_segments(a, checker);
	for (size_t v = 0; a && v < a->num_volumes && !err; v++) {
		if (a->volumes[v]->file)
			err = verify_members(a->volumes[v], checker);
	}
	return err;
}
