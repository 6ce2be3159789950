/* SPDX-License-Identifier: Apache-2.0 */
/* How numbers, times and sizes are written, and how people type them. */
#ifndef VDS_ROW_UNITS_H
#define VDS_ROW_UNITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Largest integer that JSON consumers keep exactly (IEEE 754 double). */
#define VDS_JSON_INT_MAX INT64_C(9007199254740991)

/* Characters of a time without the NUL: "2020-10-08T17:21:44.1234567Z". */
#define VDS_TIME_LEN 28
/* Of an address: "0x" and 16 digits. */
#define VDS_ADDR_LEN 18
/* Room for any vds_put_*() of one number. */
#define VDS_NUMBER_MAX 32

/* Each writes at @p without a NUL and returns the end of what it wrote. */
char *vds_put_u64(char *p, uint64_t v);		/* decimal, <= 20 */
char *vds_put_i64(char *p, int64_t v);		/* decimal, <= 21 */
char *vds_put_hex(char *p, uint64_t v);		/* "0x1f", <= 18 */
char *vds_put_addr(char *p, uint64_t v);	/* VDS_ADDR_LEN */
/* Bytes for people: "64K", "1.5M"; exact or one decimal; <= 20. */
char *vds_put_size(char *p, uint64_t bytes);
/* @n bytes as lower-case hex digits, 2 * @n characters. */
char *vds_put_hex_bytes(char *p, const uint8_t *bytes, size_t n);
/*
 * FILETIME (100 ns since 1601-01-01 UTC) as VDS_TIME_LEN characters; NULL (and
 * nothing written) past the year 9999.
 */
char *vds_put_time(char *p, uint64_t filetime);

/* "64K", "0x1000", "3M" (powers of 1024: K M G T). False if malformed. */
bool vds_parse_size(const char *s, uint64_t *ret);
/* "2020-10-08", "2020-10-08T17:21:44[.fraction][Z]", UTC, as FILETIME. */
bool vds_parse_time(const char *s, uint64_t *ret);

#endif
