/* SPDX-License-Identifier: Apache-2.0 */
#include "image/aff4_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/util.h"

/* "XX" of a symbolic stream's name: exactly two hex digits. */
static bool parse_byte(const char *hex, uint8_t *ret)
{
	if (strlen(hex) != 2 || strspn(hex, "0123456789abcdefABCDEF") != 2)
		return false;
	*ret = (uint8_t)strtoul(hex, NULL, 16);
	return true;
}

/* Streams without bytes of their own (AFF4 Standard 4.4). */
static bool is_symbolic(const char *urn, struct vds_aff4_target *ret)
{
	static const struct {
		const char *local;
		enum vds_aff4_kind kind;
		uint8_t byte;
	} names[] = {
		{"Zero", VDS_AFF4_ZERO, 0},
		{"UnknownData", VDS_AFF4_UNKNOWN, 0},
		{"NoData", VDS_AFF4_UNKNOWN, 0},	/* pyaff4 */
		{"UnreadableData", VDS_AFF4_UNREADABLE, 0},
		{"FF", VDS_AFF4_BYTE, 0xff},		/* Evimetry, 2009 */
		{"FFDevice", VDS_AFF4_BYTE, 0xff},	/* libaff4 */
	};
	static const char xx[] = "SymbolicStream";
	static const char xx_2012[] = "http://afflib.org/2012/SymbolicStream#";
	const char *local = vds_aff4_local(urn, NULL);
	for (size_t i = 0; local && i < VDS_ARRAY_SIZE(names); i++) {
		if (!strcmp(local, names[i].local)) {
			ret->kind = names[i].kind;
			ret->byte = names[i].byte;
			return true;
		}
	}
	bool is_byte =
		(local && !strncmp(local, xx, sizeof(xx) - 1) &&
		 parse_byte(local + sizeof(xx) - 1, &ret->byte)) ||
		(!strncmp(urn, xx_2012, sizeof(xx_2012) - 1) &&
		 parse_byte(urn + sizeof(xx_2012) - 1, &ret->byte));
	if (is_byte)
		ret->kind = ret->byte ? VDS_AFF4_BYTE : VDS_AFF4_ZERO;
	return is_byte;
}

static struct vds_error *open_target(struct vds_aff4 *a, const char *urn,
				     struct vds_aff4_target *ret)
{
	*ret = (struct vds_aff4_target){.urn = urn, .size = UINT64_MAX};
	if (is_symbolic(urn, ret))
		return NULL;
	if (vds_aff4_is_a(a, urn, "EncryptedStream"))
		return vds_error_create(VDS_ERROR_UNSUPPORTED,
			"<%s> is an EncryptedStream: decrypt the volume with "
			"the tool that made it", urn);
	if (vds_aff4_is_a(a, urn, VDS_AFF4_STREAM_TYPES)) {
		struct vds_error *err =
			vds_aff4_stream_open(a, urn, &ret->stream);
		if (!err)
			ret->size = ret->stream->size;
		ret->kind = VDS_AFF4_STREAM;
		return err;
	}
	ret->member = vds_aff4_find_member(a, urn);
	if (!ret->member)
		return vds_aff4_missing(a, urn, "any data");
	ret->kind = VDS_AFF4_MEMBER;
	ret->size = ret->member->size;
	return vds_aff4_inflate(a, ret->member);
}

struct vds_error *vds_aff4_get_target(struct vds_aff4 *a, const char *urn,
				      size_t *ret)
{
	for (size_t i = 0; i < a->num_targets; i++) {
		if (!strcmp(a->targets[i].urn, urn)) {
			*ret = i;
			return NULL;
		}
	}
	if (vds_aff4_is_a(a, urn, VDS_AFF4_MAP_TYPES)) {
		*ret = SIZE_MAX;
		return NULL;
	}
	if (a->num_targets == VDS_AFF4_TARGETS_MAX)
		return vds_error_create(VDS_ERROR_UNSUPPORTED,
					"map: more than %d different streams",
					VDS_AFF4_TARGETS_MAX);
	if (a->num_targets == a->cap_targets) {
		size_t cap = a->cap_targets ? a->cap_targets * 2 : 16;
		struct vds_aff4_target *more = vds_arena_calloc(
			&a->image->arena, cap, sizeof(*more));
		if (!more)
			return &vds_enomem;
		if (a->num_targets)
			memcpy(more, a->targets,
			       a->num_targets * sizeof(*more));
		a->targets = more;
		a->cap_targets = cap;
	}
	struct vds_error *err = open_target(a, urn,
					    &a->targets[a->num_targets]);
	if (!err)
		*ret = a->num_targets++;
	return err;
}

void vds_aff4_fill(const struct vds_aff4_target *target, uint64_t offset,
		   void *buf, size_t len)
{
	const char *word = target->kind == VDS_AFF4_UNKNOWN ? "UNKNOWN" :
			   target->kind == VDS_AFF4_UNREADABLE ?
						 "UNREADABLEDATA" : NULL;
	uint8_t *out = buf;
	if (!word) {
		memset(buf, target->byte, len);
		return;
	}
	size_t word_len = strlen(word);
	for (size_t i = 0; i < len; i++)
		out[i] = (uint8_t)word[(offset + i) % VDS_AFF4_PATTERN_SIZE %
				       word_len];
}
