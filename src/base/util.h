/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small helpers without a home of their own: cleanup guards (systemd's and
 * drgn's idiom), overflow-checked arithmetic, array length.
 */
#ifndef VDS_BASE_UTIL_H
#define VDS_BASE_UTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#define VDS_ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define VDS_MIN(a, b) ((a) < (b) ? (a) : (b))
#define VDS_MAX(a, b) ((a) > (b) ? (a) : (b))

#define VDS_PAGE_SHIFT 12
#define VDS_PAGE_SIZE UINT64_C(4096)
#define VDS_PAGE_MASK (VDS_PAGE_SIZE - 1)

static inline void vds_freep(void *p)
{
	free(*(void **)p);
}

/* Frees the pointer when it goes out of scope. */
#define _cleanup_free_ __attribute__((__cleanup__(vds_freep)))
/* Calls func(&variable) when it goes out of scope. */
#define _cleanup_(func) __attribute__((__cleanup__(func)))

/* Hands a guarded pointer over: yields it and disarms the guard. */
#define vds_steal(ptr) ({		\
	__typeof__(ptr) *_pp = &(ptr);	\
	__typeof__(ptr) _p = *_pp;	\
	*_pp = NULL;			\
	_p;				\
})

/* Each returns false, and leaves *ret alone, if the result would wrap. */
static inline bool vds_add_u64(uint64_t a, uint64_t b, uint64_t *ret)
{
	uint64_t r;
	if (__builtin_add_overflow(a, b, &r))
		return false;
	*ret = r;
	return true;
}

static inline bool vds_mul_u64(uint64_t a, uint64_t b, uint64_t *ret)
{
	uint64_t r;
	if (__builtin_mul_overflow(a, b, &r))
		return false;
	*ret = r;
	return true;
}

/* True if [off, off + len) lies within [0, size). */
static inline bool vds_fits(uint64_t off, uint64_t len, uint64_t size)
{
	return off <= size && len <= size - off;
}

/* malloc(n * size) that cannot wrap; NULL on overflow. */
static inline void *vds_malloc_array(size_t n, size_t size)
{
	size_t bytes;
	if (__builtin_mul_overflow(n, size, &bytes))
		return NULL;
	return malloc(bytes ? bytes : 1);
}

#endif
