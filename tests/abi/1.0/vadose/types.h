/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Words that every room of vadose shares: why a byte or a value is absent.
 *
 * A missing page is data, not an error (docs/architecture.md, "Three
 * currencies for bad news"). Every read returns one of these, and the same
 * value rides untouched from the page-table walk to the printed cell.
 */
#ifndef VADOSE_TYPES_H
#define VADOSE_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Marks what libvadose.so exports; the version script lists the same names. */
#if defined(__GNUC__)
#define VDS_EXPORT __attribute__((visibility("default")))
#define VDS_PRINTF(fmt, first) __attribute__((format(printf, fmt, first)))
#else
#define VDS_EXPORT
#define VDS_PRINTF(fmt, first)
#endif

/* Why a value or a byte is (not) there. The numbers are part of the ABI. */
enum vds_why {
	VDS_PRESENT = 0,	/* it is there */
	VDS_NOT_APPLICABLE = 1,	/* the object has no such property */
	VDS_NOT_IN_IMAGE = 2,	/* the physical page was not acquired */
	VDS_PAGED_OUT = 3,	/* page file, compressed store, or the file on disk */
	VDS_NOT_MAPPED = 4,	/* the page tables or the VAD say: nothing here */
	VDS_BAD_ADDRESS = 5,	/* non-canonical, misaligned or wrapping address */
	VDS_BAD_DATA = 6,	/* bytes are there but implausible */
	VDS_NO_FIELD = 7,	/* the profile lacks the type, member or symbol */
};

/* Number of values in enum vds_why; grows only at the end. */
#define VDS_NUM_WHY 8

/*
 * A short lower-case English phrase for @why ("not in image"); static
 * storage, never NULL, also for values out of range ("unknown").
 */
VDS_EXPORT const char *vds_why_str(enum vds_why why);

#ifdef __cplusplus
}
#endif
#endif
