/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A typed cell. Plugins fill cells; renderers alone decide how one looks.
 */
#ifndef VADOSE_VALUE_H
#define VADOSE_VALUE_H

#include <string.h>

#include <vadose/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Part of the ABI: numbers never change, new kinds are added at the end. */
enum vds_kind {
	VDS_KIND_NONE = 0,	/* absent; `why` says how (0 = not applicable) */
	VDS_KIND_BOOL = 1,	/* u: 0 or 1 */
	VDS_KIND_INT = 2,	/* i: decimal; JSON integers end at 2^53 - 1 */
	VDS_KIND_HEX = 3,	/* u: a number best read in hexadecimal (mask, tag) */
	VDS_KIND_ADDR = 4,	/* u: an address or a pointer; "0x%016x" in JSON */
	VDS_KIND_SIZE = 5,	/* u: bytes; decimal in JSON, 64K in tables */
	VDS_KIND_TIME = 6,	/* u: FILETIME, 100 ns since 1601 UTC; 0 = none */
	VDS_KIND_STR = 7,	/* s: valid UTF-8, `count` bytes */
	VDS_KIND_BYTES = 8,	/* bytes: `count` of them; hex in output */
	VDS_KIND_FLAGS = 9,	/* s: words separated by one space */
	VDS_KIND_INTS = 10,	/* list: `count` unsigned integers */
	VDS_KIND_STRS = 11,	/* s: strings each ended by NUL, `count` bytes in all */
};
#define VDS_NUM_KINDS 12

/* The list or string was cut by whoever made it (<name>_truncated in JSON). */
#define VDS_VALUE_TRUNCATED 0x1

/* 16 bytes, frozen. A zeroed value means "not applicable". */
struct vds_value {
	uint8_t kind;	/* enum vds_kind */
	uint8_t why;	/* enum vds_why, for VDS_KIND_NONE */
	uint16_t flags;
	uint32_t count;
	union {
		uint64_t u;
		int64_t i;
		const char *s;
		const uint8_t *bytes;
		const uint64_t *list;
	};
};

/*
 * Makers. Pointers are borrowed until vds_emit() returns, which copies.
 * vds_str(NULL) is "not applicable".
 */
static inline struct vds_value vds_absent(enum vds_why why)
{
	return (struct vds_value){.kind = VDS_KIND_NONE, .why = (uint8_t)why};
}

static inline struct vds_value vds_bool(bool v)
{
	return (struct vds_value){.kind = VDS_KIND_BOOL, .u = v};
}

static inline struct vds_value vds_int(int64_t v)
{
	return (struct vds_value){.kind = VDS_KIND_INT, .i = v};
}

static inline struct vds_value vds_hex(uint64_t v)
{
	return (struct vds_value){.kind = VDS_KIND_HEX, .u = v};
}

static inline struct vds_value vds_addr(uint64_t v)
{
	return (struct vds_value){.kind = VDS_KIND_ADDR, .u = v};
}

static inline struct vds_value vds_size(uint64_t v)
{
	return (struct vds_value){.kind = VDS_KIND_SIZE, .u = v};
}

/* FILETIME; 0 is "not applicable", as everywhere in Windows. */
static inline struct vds_value vds_time(uint64_t filetime)
{
	if (!filetime)
		return vds_absent(VDS_NOT_APPLICABLE);
	return (struct vds_value){.kind = VDS_KIND_TIME, .u = filetime};
}

static inline struct vds_value vds_str(const char *s)
{
	if (!s)
		return vds_absent(VDS_NOT_APPLICABLE);
	return (struct vds_value){.kind = VDS_KIND_STR,
				  .count = (uint32_t)strlen(s), .s = s};
}

static inline struct vds_value vds_data(const void *bytes, uint32_t len)
{
	return (struct vds_value){.kind = VDS_KIND_BYTES, .count = len,
				  .bytes = (const uint8_t *)bytes};
}

static inline struct vds_value vds_flags(const char *words)
{
	struct vds_value v = vds_str(words);
	if (v.kind)
		v.kind = VDS_KIND_FLAGS;
	return v;
}

static inline struct vds_value vds_ints(const uint64_t *list, uint32_t count,
					bool truncated)
{
	return (struct vds_value){
		.kind = VDS_KIND_INTS, .count = count, .list = list,
		.flags = truncated ? VDS_VALUE_TRUNCATED : 0};
}

/* The value if @why is PRESENT, otherwise the reason. */
static inline struct vds_value vds_or(enum vds_why why, struct vds_value value)
{
	return why == VDS_PRESENT ? value : vds_absent(why);
}

#ifdef __cplusplus
}
#endif
#endif
