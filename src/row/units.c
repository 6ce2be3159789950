/* SPDX-License-Identifier: Apache-2.0 */
#include "row/units.h"

#include <endian.h>
#include <string.h>

#include "base/str.h"
#include "base/util.h"

static const char hex_digits[] = "0123456789abcdef";

char *vds_put_u64(char *p, uint64_t v)
{
	char buf[20];
	size_t n = 0;
	do {
		buf[n++] = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	while (n)
		*p++ = buf[--n];
	return p;
}

char *vds_put_i64(char *p, int64_t v)
{
	if (v >= 0)
		return vds_put_u64(p, (uint64_t)v);
	*p++ = '-';
	return vds_put_u64(p, 0 - (uint64_t)v);
}

#define EACH_BYTE(b) (UINT64_C(0x0101010101010101) * (b))

/* Eight hexadecimal digits at once: a nibble a byte, then all to ASCII. */
static void put_hex32(char *p, uint32_t v)
{
	uint64_t x = v;
	x = (x | x << 16) & UINT64_C(0x0000ffff0000ffff);
	x = (x | x << 8) & UINT64_C(0x00ff00ff00ff00ff);
	x = (x | x << 4) & EACH_BYTE(0x0f);
	uint64_t letters = (x + EACH_BYTE(6)) >> 4 & EACH_BYTE(1);
	x += EACH_BYTE('0') + letters * ('a' - '0' - 10);
	x = htobe64(x);
	memcpy(p, &x, sizeof(x));
}

char *vds_put_addr(char *p, uint64_t v)
{
	p[0] = '0';
	p[1] = 'x';
	put_hex32(p + 2, (uint32_t)(v >> 32));
	put_hex32(p + 10, (uint32_t)v);
	return p + VDS_ADDR_LEN;
}

char *vds_put_hex(char *p, uint64_t v)
{
	char whole[VDS_ADDR_LEN];
	vds_put_addr(whole, v);
	size_t skip = 2;
	while (skip < VDS_ADDR_LEN - 1 && whole[skip] == '0')
		skip++;
	*p++ = '0';
	*p++ = 'x';
	memcpy(p, whole + skip, VDS_ADDR_LEN - skip);
	return p + (VDS_ADDR_LEN - skip);
}

char *vds_put_hex_bytes(char *p, const uint8_t *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		*p++ = hex_digits[bytes[i] >> 4];
		*p++ = hex_digits[bytes[i] & 15];
	}
	return p;
}

static const char units[] = "KMGTPE";

char *vds_put_size(char *p, uint64_t bytes)
{
	if (bytes < 1024)
		return vds_put_u64(p, bytes);
	unsigned int unit = 0;
	uint64_t scale = 1024;
	while (unit + 1 < sizeof(units) - 1 && bytes / scale >= 1024) {
		scale *= 1024;
		unit++;
	}
	/* 1152K is exact and as short as 1.1M. */
	if (unit && bytes % scale && bytes % (scale / 1024) == 0 &&
	    bytes / (scale / 1024) < 10000) {
		scale /= 1024;
		unit--;
	}
	p = vds_put_u64(p, bytes / scale);
	if (bytes % scale) {
		*p++ = '.';
		*p++ = (char)('0' + bytes % scale / (scale / 1024) * 10 / 1024);
	}
	*p++ = units[unit];
	return p;
}

#define TICKS UINT64_C(10000000)	/* FILETIME units in a second */
#define DAY UINT64_C(86400)

/*
 * Civil date of a day count, proleptic Gregorian, after Howard Hinnant's
 * "chrono-compatible low-level date algorithms"; days count from 1601-01-01.
 */
static void civil_from_days(uint64_t days, unsigned int *year,
			    unsigned int *month, unsigned int *day)
{
	/* Shift the epoch to 1600-03-01, the start of a 400-year era. */
	uint64_t z = days + 306;
	uint64_t era = z / 146097;
	uint64_t doe = z % 146097;
	uint64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	uint64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	uint64_t mp = (5 * doy + 2) / 153;
	*day = (unsigned int)(doy - (153 * mp + 2) / 5 + 1);
	*month = (unsigned int)(mp < 10 ? mp + 3 : mp - 9);
	*year = (unsigned int)(1600 + era * 400 + yoe + (*month <= 2));
}

static char *put_digits(char *p, uint64_t v, size_t n)
{
	for (size_t i = n; i-- > 0; v /= 10)
		p[i] = (char)('0' + v % 10);
	return p + n;
}

char *vds_put_time(char *p, uint64_t filetime)
{
	uint64_t seconds = filetime / TICKS;
	unsigned int year, month, day;
	civil_from_days(seconds / DAY, &year, &month, &day);
	if (year > 9999)
		return NULL;
	uint64_t left = seconds % DAY;
	p = put_digits(p, year, 4);
	*p++ = '-';
	p = put_digits(p, month, 2);
	*p++ = '-';
	p = put_digits(p, day, 2);
	*p++ = 'T';
	p = put_digits(p, left / 3600, 2);
	*p++ = ':';
	p = put_digits(p, left / 60 % 60, 2);
	*p++ = ':';
	p = put_digits(p, left % 60, 2);
	*p++ = '.';
	p = put_digits(p, filetime % TICKS, 7);
	*p++ = 'Z';
	return p;
}

bool vds_parse_size(const char *s, uint64_t *ret)
{
	char number[40];
	size_t len = strlen(s);
	uint64_t scale = 1, v;
	if (!len || len >= sizeof(number))
		return false;
	memcpy(number, s, len + 1);
	/* An 'E' ends hexadecimal numbers too, so it isn't a unit. */
	static const char suffixes[] = "KMGT";
	char last = number[len - 1];
	if (last >= 'a' && last <= 'z')
		last = (char)(last - 32);
	const char *unit = strchr(suffixes, last);
	if (unit) {
		number[len - 1] = 0;
		scale = UINT64_C(1024) << (10 * (unit - suffixes));
	}
	return vds_parse_u64(number, &v) && vds_mul_u64(v, scale, ret);
}

/* @n decimal digits at *s, which advances; false if there are fewer. */
static bool take_digits(const char **s, size_t n, unsigned int *ret)
{
	unsigned int v = 0;
	for (size_t i = 0; i < n; i++, (*s)++) {
		if (**s < '0' || **s > '9')
			return false;
		v = v * 10 + (unsigned int)(**s - '0');
	}
	*ret = v;
	return true;
}

static bool take_char(const char **s, char c)
{
	if (**s != c)
		return false;
	(*s)++;
	return true;
}

static uint64_t days_from_civil(unsigned int y, unsigned int m, unsigned int d)
{
	y -= m <= 2;
	uint64_t era = (y - 1600) / 400, yoe = (y - 1600) % 400;
	uint64_t doy = (153 * (m > 2 ? m - 3 : m + 9) + 2) / 5 + d - 1;
	return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 306;
}

static bool take_fraction(const char **s, uint64_t *ret)
{
	uint64_t ticks = 0, scale = TICKS / 10;
	if (**s < '0' || **s > '9')
		return false;
	for (; **s >= '0' && **s <= '9'; (*s)++, scale /= 10)
		ticks += (uint64_t)(**s - '0') * scale;
	*ret = ticks;
	return true;
}

bool vds_parse_time(const char *s, uint64_t *ret)
{
	static const unsigned char month_days[] = {31, 29, 31, 30, 31, 30,
						   31, 31, 30, 31, 30, 31};
	unsigned int y, mo, d, h = 0, mi = 0, sec = 0;
	uint64_t ticks = 0;
	if (!take_digits(&s, 4, &y) || !take_char(&s, '-') ||
	    !take_digits(&s, 2, &mo) || !take_char(&s, '-') ||
	    !take_digits(&s, 2, &d))
		return false;
	bool leap = y % 4 == 0 && (y % 100 || y % 400 == 0);
	if (y < 1601 || mo < 1 || mo > 12 || d < 1 ||
	    d > month_days[mo - 1] || (mo == 2 && d == 29 && !leap))
		return false;
	if (*s == 'T' || *s == ' ') {
		s++;
		if (!take_digits(&s, 2, &h) || !take_char(&s, ':') ||
		    !take_digits(&s, 2, &mi) || h > 23 || mi > 59)
			return false;
		if (take_char(&s, ':') &&
		    (!take_digits(&s, 2, &sec) || sec > 59))
			return false;
		if (take_char(&s, '.') && !take_fraction(&s, &ticks))
			return false;
		take_char(&s, 'Z');
	}
	if (*s)
		return false;
	uint64_t seconds = days_from_civil(y, mo, d) * DAY + h * 3600u +
			   mi * 60u + sec;
	*ret = seconds * TICKS + ticks;
	return true;
}
