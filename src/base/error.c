/* SPDX-License-Identifier: Apache-2.0 */
#include "vadose/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"

struct vds_error vds_enomem = {
	.code = VDS_ERROR_NOMEM,
	.message = "out of memory",
};

struct vds_error vds_stop = {
	.code = VDS_ERROR_STOP,
	.message = "stopped",
};

static bool is_static(const struct vds_error *err)
{
	return err == &vds_enomem || err == &vds_stop;
}

/* Messages quote file content; a terminal must not execute it. */
static void disarm(char *s)
{
	for (; *s; s++) {
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			*s = '?';
	}
}

/* Takes ownership of @message (malloc'ed, may be NULL). */
static struct vds_error *wrap(enum vds_error_code code, char *message)
{
	if (!message)
		return &vds_enomem;
	struct vds_error *err = malloc(sizeof(*err));
	if (!err) {
		free(message);
		return &vds_enomem;
	}
	disarm(message);
	err->code = code;
	err->message = message;
	return err;
}

struct vds_error *vds_error_create(enum vds_error_code code,
				   const char *format, ...)
{
	va_list ap;
	char *message;
	va_start(ap, format);
	if (vasprintf(&message, format, ap) < 0)
		message = NULL;
	va_end(ap);
	return wrap(code, message);
}

struct vds_error *vds_error_errno(enum vds_error_code code, int errnum,
				  const char *format, ...)
{
	_cleanup_free_ char *context = NULL;
	char buf[128];
	va_list ap;
	va_start(ap, format);
	if (vasprintf(&context, format, ap) < 0)
		context = NULL;
	va_end(ap);
	if (!context)
		return &vds_enomem;
	return vds_error_create(code, "%s: %s", context,
				strerror_r(errnum, buf, sizeof(buf)));
}

struct vds_error *vds_error_prefix(struct vds_error *err,
				   const char *format, ...)
{
	if (!err || is_static(err))
		return err;
	_cleanup_free_ char *context = NULL;
	va_list ap;
	va_start(ap, format);
	if (vasprintf(&context, format, ap) < 0)
		context = NULL;
	va_end(ap);
	if (!context)
		return err;
	struct vds_error *longer = vds_error_create(err->code, "%s: %s",
						    context, err->message);
	if (longer == &vds_enomem)
		return err;
	vds_error_destroy(err);
	return longer;
}

void vds_error_destroy(struct vds_error *err)
{
	if (!err || is_static(err))
		return;
	free((char *)err->message);
	free(err);
}

bool vds_error_catch(struct vds_error *err, enum vds_error_code code)
{
	if (!err || err->code != code)
		return false;
	vds_error_destroy(err);
	return true;
}

int vds_error_exit_status(enum vds_error_code code)
{
	switch (code) {
	case VDS_ERROR_STOP:
		return 0;
	case VDS_ERROR_NOT_AN_IMAGE:
	case VDS_ERROR_NO_KERNEL:
	case VDS_ERROR_UNSUPPORTED:
	case VDS_ERROR_FORMAT:
	case VDS_ERROR_NOT_MINE:
		return 4;
	case VDS_ERROR_PLUGIN:
		return 5;
	case VDS_ERROR_USAGE:
		return 64;
	case VDS_ERROR_NO_INPUT:
		return 66;
	case VDS_ERROR_NO_PROFILE:
		return 69;
	case VDS_ERROR_OUTPUT:
		return 73;
	case VDS_ERROR_INTERNAL:
	case VDS_ERROR_NOMEM:
	case VDS_ERROR_NOT_FOUND:
		break;
	}
	return 1;
}

const char *vds_why_str(enum vds_why why)
{
	static const char *const names[VDS_NUM_WHY] = {
		[VDS_PRESENT] = "present",
		[VDS_NOT_APPLICABLE] = "not applicable",
		[VDS_NOT_IN_IMAGE] = "not in image",
		[VDS_PAGED_OUT] = "paged out",
		[VDS_NOT_MAPPED] = "not mapped",
		[VDS_BAD_ADDRESS] = "bad address",
		[VDS_BAD_DATA] = "bad data",
		[VDS_NO_FIELD] = "not in profile",
	};
	return (size_t)why < VDS_NUM_WHY ? names[why] : "unknown";
}
