/* SPDX-License-Identifier: Apache-2.0 */
#include "image/hashes.h"

#include <strings.h>

static const struct {
	const char *name;
	size_t size;
} types[VDS_NUM_HASHES] = {
	[VDS_HASH_MD5] = {"MD5", VDS_MD5_SIZE},
	[VDS_HASH_SHA1] = {"SHA1", VDS_SHA1_SIZE},
	[VDS_HASH_SHA256] = {"SHA256", VDS_SHA256_SIZE},
	[VDS_HASH_SHA512] = {"SHA512", VDS_SHA512_SIZE},
};

const char *vds_hash_name(enum vds_hash_type type)
{
	return types[type].name;
}

enum vds_hash_type vds_hash_by_name(const char *name)
{
	int type = 0;
	while (type < VDS_NUM_HASHES && strcasecmp(types[type].name, name))
		type++;
	return (enum vds_hash_type)type;
}

size_t vds_hash_size(enum vds_hash_type type)
{
	return types[type].size;
}

static int wants(const struct vds_hashes *hashes, enum vds_hash_type type)
{
	return hashes->wanted >> type & 1;
}

void vds_hashes_init(struct vds_hashes *hashes, unsigned int wanted)
{
	hashes->wanted = wanted;
	vds_md5_init(&hashes->md5);
	vds_sha1_init(&hashes->sha1);
	vds_sha256_init(&hashes->sha256);
	vds_sha512_init(&hashes->sha512);
}

void vds_hashes_update(struct vds_hashes *hashes, const void *data, size_t len)
{
	if (wants(hashes, VDS_HASH_MD5))
		vds_oldhash_update(&hashes->md5, data, len);
	if (wants(hashes, VDS_HASH_SHA1))
		vds_oldhash_update(&hashes->sha1, data, len);
	if (wants(hashes, VDS_HASH_SHA256))
		vds_sha256_update(&hashes->sha256, data, len);
	if (wants(hashes, VDS_HASH_SHA512))
		vds_sha512_update(&hashes->sha512, data, len);
}

void vds_hashes_final(struct vds_hashes *hashes, enum vds_hash_type type,
		      uint8_t out[VDS_HASH_MAX])
{
	switch (type) {
	case VDS_HASH_MD5:
		vds_md5_final(&hashes->md5, out);
		break;
	case VDS_HASH_SHA1:
		vds_sha1_final(&hashes->sha1, out);
		break;
	case VDS_HASH_SHA256:
		vds_sha256_final(&hashes->sha256, out);
		break;
	case VDS_HASH_SHA512:
		vds_sha512_final(&hashes->sha512, out);
		break;
	case VDS_NUM_HASHES:
		break;
	}
}

void vds_hash_hex(enum vds_hash_type type, const uint8_t *digest,
		  char out[VDS_HASH_HEX_SIZE])
{
	static const char digits[] = "0123456789abcdef";
	size_t n = types[type].size;
	for (size_t i = 0; i < n; i++) {
		out[2 * i] = digits[digest[i] >> 4];
		out[2 * i + 1] = digits[digest[i] & 15];
	}
	out[2 * n] = 0;
}
