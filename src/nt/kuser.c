/* SPDX-License-Identifier: Apache-2.0 */
#include "nt/kuser.h"

#include <string.h>

#include "base/bytes.h"
#include "base/str.h"

/* Offsets in KUSER_SHARED_DATA (ntddk.h); the same in all x64 builds. */
#define INTERRUPT_TIME 0x8
#define SYSTEM_TIME 0x14
#define TIME_ZONE_BIAS 0x20
#define SYSTEM_ROOT 0x30
#define SYSTEM_ROOT_CHARS 260
#define BUILD_NUMBER 0x260
#define PRODUCT_TYPE 0x264
#define MAJOR_VERSION 0x26c
#define MINOR_VERSION 0x270
#define PHYSICAL_PAGES 0x2e8
#define BYTES_USED 0x2f0

/* FILETIMEs of 2009-01-01 (before Windows 7) and 2100-01-01. */
#define OLDEST_TIME UINT64_C(128752416000000000)
#define NEWEST_TIME UINT64_C(157469184000000000)

/*
 * KSYSTEM_TIME: low, high, and high again, so that readers notice an update
 * in progress; the copies differ for a moment in billions, so one will do.
 */
static uint64_t system_time(const uint8_t *p)
{
	return (uint64_t)vds_le32(p) | (uint64_t)vds_le32(p + 4) << 32;
}

static bool is_drive_path(const uint8_t *utf16)
{
	unsigned int drive = vds_le16(utf16) | 0x20;
	return drive >= 'a' && drive <= 'z' && vds_le16(utf16 + 2) == ':' &&
	       vds_le16(utf16 + 4) == '\\';
}

static void put_root(struct vds_kuser *kuser, const uint8_t *utf16)
{
	struct vds_str s = {0};
	size_t n = 0;
	while (n < SYSTEM_ROOT_CHARS && vds_le16(utf16 + n * 2))
		n++;
	vds_str_put_utf16(&s, utf16, n);
	const char *text = vds_str_cstr(&s);
	size_t len = text ? strlen(text) : 0;
	/* Windows keeps it ASCII; what doesn't fit is cut between characters. */
	if (len >= sizeof(kuser->system_root)) {
		len = sizeof(kuser->system_root) - 1;
		while (len && (text[len] & 0xc0) == 0x80)
			len--;
	}
	if (len)
		memcpy(kuser->system_root, text, len);
	kuser->system_root[len] = 0;
	vds_str_deinit(&s);
}

void vds_kuser_read(const struct vds_space *space, struct vds_tlb *tlb,
		    struct vds_kuser *ret)
{
	uint8_t page[BYTES_USED];
	*ret = (struct vds_kuser){0};
	ret->why = vds_space_read(space, tlb, VDS_KUSER_VA, page,
				  sizeof(page));
	if (ret->why)
		return;
	ret->major = vds_le32(page + MAJOR_VERSION);
	ret->minor = vds_le32(page + MINOR_VERSION);
	ret->product_type = vds_le32(page + PRODUCT_TYPE);
	ret->system_time = system_time(page + SYSTEM_TIME);
	ret->interrupt_time = system_time(page + INTERRUPT_TIME);
	ret->time_zone_bias = (int64_t)system_time(page + TIME_ZONE_BIAS);
	ret->physical_pages = vds_le32(page + PHYSICAL_PAGES);
	if (ret->major == 10)	/* reserved before */
		ret->build = vds_le32(page + BUILD_NUMBER) & 0xffff;
	bool versions = (ret->major == 6 && ret->minor <= 3) ||
			(ret->major == 10 && ret->minor == 0);
	if (!versions || ret->product_type < 1 || ret->product_type > 3 ||
	    !is_drive_path(page + SYSTEM_ROOT) ||
	    ret->system_time < OLDEST_TIME || ret->system_time > NEWEST_TIME) {
		*ret = (struct vds_kuser){.why = VDS_BAD_DATA};
		return;
	}
	put_root(ret, page + SYSTEM_ROOT);
}
