/* SPDX-License-Identifier: Apache-2.0 */
/* dt: addresses as they are typed. */
#include "dt.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <vadose/record.h>

/* The sixteen digits of a 64-bit address, as WinDbg prints them. */
static bool bare_hex(const char *text, uint64_t *ret)
{
	int digits = 0;

	for (*ret = 0; *text; text++) {
		if (*text == '`')
			continue;
		if (!isxdigit((unsigned char)*text) || ++digits > 16)
			return false;
		*ret = *ret << 4 |
		       (uint64_t)(isdigit((unsigned char)*text) ? *text - '0' :
				  tolower((unsigned char)*text) - 'a' + 10);
	}
	return digits == 16;
}

static bool number(const char *text, uint64_t *ret)
{
	char *end;

	if (!isdigit((unsigned char)*text))
		return false;
	errno = 0;
	*ret = strtoull(text, &end, 0);
	return !*end && !errno;
}

struct vds_error *dt_parse_address(struct vds_run *run, const char *text,
				   uint64_t *ret)
{
	char name[128];
	const char *symbol = strncmp(text, "nt!", 3) ? text : text + 3;
	size_t len = strcspn(symbol, "+");
	uint64_t more = 0;

	if (bare_hex(text, ret) || number(text, ret))
		return NULL;
	if (!len || len >= sizeof(name) ||
	    (symbol[len] && !number(symbol + len + 1, &more)))
		return vds_error_create(VDS_ERROR_USAGE,
					"dt: '%s' is no address", text);
	memcpy(name, symbol, len);
	name[len] = 0;
	if (vds_symbol_address(run, name, ret))
		return vds_error_create(VDS_ERROR_USAGE,
					"dt: '%s' is no address, and the profile has no such symbol",
					text);
	*ret += more;
	return NULL;
}
