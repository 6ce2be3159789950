/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errors: an operation cannot go on. (Absent evidence is an enum vds_why,
 * contradicting evidence is a note; neither is an error.)
 *
 * Every fallible function returns struct vds_error *: NULL is success, anything
 * else is owned by the caller, who destroys it or returns it further up.
 * Only the command line prints one.
 */
#ifndef VADOSE_ERROR_H
#define VADOSE_ERROR_H

#include <vadose/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What failed, as far as a caller may act on it. Part of the ABI. */
enum vds_error_code {
	VDS_ERROR_INTERNAL = 1,		/* exit 1 */
	VDS_ERROR_NOMEM = 2,		/* exit 1 */
	VDS_ERROR_STOP = 3,		/* not a failure: a callback asked to end */
	VDS_ERROR_NOT_AN_IMAGE = 4,	/* exit 4: unreadable or unknown container */
	VDS_ERROR_NO_KERNEL = 5,	/* exit 4: no Windows kernel found */
	VDS_ERROR_UNSUPPORTED = 6,	/* exit 4: known, and knowingly not handled */
	VDS_ERROR_PLUGIN = 7,		/* exit 5 */
	VDS_ERROR_USAGE = 8,		/* exit 64 */
	VDS_ERROR_NO_INPUT = 9,		/* exit 66: cannot open or read a file */
	VDS_ERROR_NO_PROFILE = 10,	/* exit 69 */
	VDS_ERROR_OUTPUT = 11,		/* exit 73 */
	VDS_ERROR_FORMAT = 12,		/* exit 4: a malformed file (image, PDB, profile) */
	VDS_ERROR_NOT_MINE = 13,	/* private to probes: try the next format */
	VDS_ERROR_NOT_FOUND = 14,	/* exit 1: a named thing does not exist */
};

struct vds_error {
	enum vds_error_code code;
	/* One line of valid UTF-8 without a final newline; never NULL. */
	const char *message;
};

/*
 * Makes an error. Returns the static out-of-memory error when memory is short;
 * never NULL. Control characters in the formatted text are replaced by '?',
 * since messages quote hostile files.
 */
VDS_EXPORT struct vds_error *vds_error_create(enum vds_error_code code,
					      const char *format, ...)
	VDS_PRINTF(2, 3);

/* As vds_error_create(), with ": " and strerror(errnum) appended. */
VDS_EXPORT struct vds_error *vds_error_errno(enum vds_error_code code,
					     int errnum, const char *format, ...)
	VDS_PRINTF(3, 4);

/*
 * Prepends the formatted context and ": " to the message of @err, which is
 * consumed; returns the error to use from now on. NULL and the static errors
 * pass through unchanged.
 */
VDS_EXPORT struct vds_error *vds_error_prefix(struct vds_error *err,
					      const char *format, ...)
	VDS_PRINTF(2, 3);

/* Frees @err; NULL and the static errors are accepted and left alone. */
VDS_EXPORT void vds_error_destroy(struct vds_error *err);

/* If @err has @code, destroys it and returns true; otherwise false. */
VDS_EXPORT bool vds_error_catch(struct vds_error *err, enum vds_error_code code);

/* The exit status of the vadose program for @code (docs: exit codes). */
VDS_EXPORT int vds_error_exit_status(enum vds_error_code code);

/* Static singletons: always available, never freed. */
VDS_EXPORT extern struct vds_error vds_enomem;
VDS_EXPORT extern struct vds_error vds_stop;

#ifdef __cplusplus
}
#endif
#endif
