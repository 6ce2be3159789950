/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The 5-bit protection code of VADs, PTEs and subsections, in the words of
 * winnt.h. (The same table as MmProtectToValue in the kernel.)
 */
#include "base/util.h"
#include "vadose/section.h"
#include "vadose/vad.h"

/* Low three bits of the code. */
enum {
	NOACCESS,
	READONLY,
	EXECUTE,
	EXECUTE_READ,
	READWRITE,
	WRITECOPY,
	EXECUTE_READWRITE,
	EXECUTE_WRITECOPY,
};

#define ROW(suffix)                                                          \
	"PAGE_NOACCESS", "PAGE_READONLY" suffix, "PAGE_EXECUTE" suffix,      \
	"PAGE_EXECUTE_READ" suffix, "PAGE_READWRITE" suffix,                 \
	"PAGE_WRITECOPY" suffix, "PAGE_EXECUTE_READWRITE" suffix,            \
	"PAGE_EXECUTE_WRITECOPY" suffix

static const char *const names[32] = {
	ROW(""),
	ROW("|PAGE_NOCACHE"),
	ROW("|PAGE_GUARD"),
	ROW("|PAGE_WRITECOMBINE"),
};

const char *vds_protection_str(uint32_t protection)
{
	return protection < VDS_ARRAY_SIZE(names) ? names[protection] :
						    "unknown";
}

bool vds_protection_readable(uint32_t protection)
{
	uint32_t low = protection & 7;

	return low != NOACCESS && low != EXECUTE;
}

bool vds_protection_writable(uint32_t protection)
{
	return (protection & 7) >= READWRITE;
}

bool vds_protection_executable(uint32_t protection)
{
	uint32_t low = protection & 7;

	return low == EXECUTE || low == EXECUTE_READ ||
	       low == EXECUTE_READWRITE || low == EXECUTE_WRITECOPY;
}

bool vds_protection_copy_on_write(uint32_t protection)
{
	uint32_t low = protection & 7;

	return low == WRITECOPY || low == EXECUTE_WRITECOPY;
}

const char *vds_vad_type_str(enum vds_vad_type type, bool is_private)
{
	/* MI_VAD_TYPE from 1 on. */
	static const char *const types[] = {
		"physical", "image", "awe", "write-watch", "large-pages",
		"rotate", "large-section",
	};

	if (type == VDS_VAD_NONE)
		return is_private ? "private" : "mapped";
	return (size_t)type <= VDS_ARRAY_SIZE(types) ? types[type - 1] :
						       "unknown";
}

const char *vds_backing_str(enum vds_backing backing)
{
	switch (backing) {
	case VDS_BACKING_PAGEFILE:
		return "pagefile";
	case VDS_BACKING_DATA:
		return "data";
	case VDS_BACKING_IMAGE:
		return "image";
	case VDS_BACKING_PHYSICAL:
		return "physical";
	case VDS_BACKING_UNKNOWN:
		break;
	}
	return "unknown";
}

const char *vds_section_file_source_str(const struct vds_section *section)
{
	if (!section->file_object)
		return NULL;
	return section->file_from_view ? "vad" : "control_area";
}
