/* SPDX-License-Identifier: Apache-2.0 */
#include "row/id.h"

#include <string.h>

#include "base/bytes.h"
#include "base/util.h"
#include "row/units.h"

void vds_id_seed_init(struct vds_id_seed *seed, const char *image_id,
		      const char *record)
{
	/*
	 * Padded to whole blocks of SHA-256, so that a row only costs the
	 * blocks of its own key.
	 */
	static const uint8_t zeros[64];
	size_t len = strlen(image_id) + 1 + strlen(record) + 1;
	vds_sha256_init(&seed->hash);
	vds_sha256_update(&seed->hash, image_id, strlen(image_id) + 1);
	vds_sha256_update(&seed->hash, record, strlen(record) + 1);
	vds_sha256_update(&seed->hash, zeros, (64 - len % 64) % 64);
}

/* Kind and length first, so that no two keys run into each other. */
static void add_value(struct vds_sha256 *hash, const struct vds_value *value)
{
	uint8_t head[16];
	size_t len = 0;
	head[0] = value->kind;
	switch (value->kind) {
	case VDS_KIND_NONE:
		vds_sha256_update(hash, head, 1);
		return;
	case VDS_KIND_STR:
	case VDS_KIND_FLAGS:
	case VDS_KIND_BYTES:
	case VDS_KIND_STRS:
		len = value->count;
		break;
	case VDS_KIND_INTS:
		for (uint32_t i = 0; i < value->count; i++) {
			vds_put_le64(head + 1, value->list[i]);
			vds_sha256_update(hash, head, 9);
		}
		break;
	default:
		vds_put_le64(head + 1, value->u);
		vds_sha256_update(hash, head, 9);
		return;
	}
	vds_put_le32(head + 1, value->count);
	vds_sha256_update(hash, head, 5);
	vds_sha256_update(hash, value->s, len);
}

void vds_row_id(const struct vds_id_seed *seed, const struct vds_schema *schema,
		const struct vds_value *values, char out[VDS_ID_LEN])
{
	struct vds_sha256 hash = seed->hash;
	uint8_t digest[VDS_SHA256_SIZE];
	for (size_t i = 0; i < schema->num_columns; i++) {
		if (!schema->has_keys ||
		    (schema->columns[i].flags & VDS_COLUMN_KEY))
			add_value(&hash, &values[i]);
	}
	vds_sha256_final(&hash, digest);
	vds_put_hex_bytes(out, digest, VDS_ID_LEN / 2);
}
