/* SPDX-License-Identifier: Apache-2.0 */
#include "image/zip_write.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "base/bytes.h"
#include "base/str.h"
#include "base/util.h"

#define LOCAL_SIZE 30
#define LOCAL_EXTRA 20	/* zip64: id, length, two sizes */
#define CENTRAL_SIZE 46
#define EOCD64_SIZE 56
#define LOCATOR_SIZE 20
#define EOCD_SIZE 22
#define VERSION 45	/* zip64 */
#define FLAG_UTF8 0x800
/* 1 January 1980: the same input gives the same bytes. */
#define DOS_DATE 0x21
#define MAX32 UINT64_C(0xffffffff)

void vds_zip_writer_deinit(struct vds_zip_writer *w)
{
	for (size_t i = 0; i < w->num_entries; i++)
		free(w->entries[i].name);
	free(w->entries);
	w->entries = NULL;
	w->num_entries = w->cap_entries = 0;
}

static struct vds_error *write_at(struct vds_zip_writer *w, uint64_t pos,
				  const void *data, size_t len)
{
	const char *p = data;
	while (len) {
		ssize_t n = pwrite(w->fd, p, len, (off_t)pos);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return vds_error_errno(VDS_ERROR_OUTPUT,
					       n ? errno : ENOSPC,
					       "can't write the AFF4 volume");
		p += n;
		pos += (uint64_t)n;
		len -= (size_t)n;
	}
	return NULL;
}

static struct vds_error *append(struct vds_zip_writer *w, const void *data,
				size_t len)
{
	struct vds_error *err = write_at(w, w->pos, data, len);
	if (!err)
		w->pos += len;
	return err;
}

/*
 * Real sizes stand in the zip64 field at once, so that one layout serves both
 * the placeholder and the final header.
 */
static struct vds_error *write_local(struct vds_zip_writer *w,
				     const struct vds_zip_entry *e)
{
	uint8_t h[LOCAL_SIZE + LOCAL_EXTRA] = "PK\3\4";
	size_t name_len = strlen(e->name);
	bool large = e->size >= MAX32;
	vds_put_le16(h + 4, VERSION);
	vds_put_le16(h + 6, FLAG_UTF8);
	vds_put_le16(h + 12, DOS_DATE);
	vds_put_le32(h + 14, e->crc);
	vds_put_le32(h + 18, large ? (uint32_t)MAX32 : (uint32_t)e->size);
	vds_put_le32(h + 22, large ? (uint32_t)MAX32 : (uint32_t)e->size);
	vds_put_le16(h + 26, (uint16_t)name_len);
	vds_put_le16(h + 28, LOCAL_EXTRA);
	vds_put_le16(h + 30, 1);
	vds_put_le16(h + 32, 16);
	vds_put_le64(h + 34, e->size);
	vds_put_le64(h + 42, e->size);
	struct vds_error *err = write_at(w, e->header, h, LOCAL_SIZE);
	if (!err)
		err = write_at(w, e->header + LOCAL_SIZE, e->name, name_len);
	if (!err)
		err = write_at(w, e->header + LOCAL_SIZE + name_len,
			       h + LOCAL_SIZE, LOCAL_EXTRA);
	return err;
}

static uint64_t data_of(const struct vds_zip_entry *e)
{
	return e->header + LOCAL_SIZE + strlen(e->name) + LOCAL_EXTRA;
}

struct vds_error *vds_zip_begin(struct vds_zip_writer *w, const char *name)
{
	if (w->num_entries == w->cap_entries) {
		size_t cap = w->cap_entries ? w->cap_entries * 2 : 64;
		struct vds_zip_entry *more =
			realloc(w->entries, cap * sizeof(*more));
		if (!more)
			return &vds_enomem;
		w->entries = more;
		w->cap_entries = cap;
	}
	struct vds_zip_entry *e = &w->entries[w->num_entries];
	*e = (struct vds_zip_entry){.name = strdup(name), .header = w->pos};
	if (!e->name)
		return &vds_enomem;
	w->num_entries++;
	struct vds_error *err = write_local(w, e);
	w->pos = data_of(e);
	return err;
}

struct vds_error *vds_zip_put(struct vds_zip_writer *w, const void *data,
			      size_t len)
{
	struct vds_zip_entry *e = &w->entries[w->num_entries - 1];
	e->crc = (uint32_t)crc32_z(e->crc, data, len);
	e->size += len;
	return append(w, data, len);
}

struct vds_error *vds_zip_end(struct vds_zip_writer *w)
{
	return write_local(w, &w->entries[w->num_entries - 1]);
}

struct vds_error *vds_zip_add(struct vds_zip_writer *w, const char *name,
			      const void *data, size_t len)
{
	struct vds_error *err = vds_zip_begin(w, name);
	if (!err)
		err = vds_zip_put(w, data, len);
	return err ? err : vds_zip_end(w);
}

struct vds_error *vds_zip_rewrite(struct vds_zip_writer *w, size_t number,
				  const void *data, size_t len)
{
	struct vds_zip_entry *e = &w->entries[number];
	if (len != e->size)
		return vds_error_create(VDS_ERROR_INTERNAL,
					"zip: member %s can't change its size",
					e->name);
	e->crc = (uint32_t)crc32_z(0, data, len);
	struct vds_error *err = write_at(w, data_of(e), data, len);
	return err ? err : write_local(w, e);
}

static void put_central(struct vds_str *out, const struct vds_zip_entry *e)
{
	uint8_t h[CENTRAL_SIZE] = "PK\1\2", extra[4 + 24];
	size_t name_len = strlen(e->name), n = 4;
	bool large = e->size >= MAX32, far = e->header >= MAX32;
	if (large) {
		vds_put_le64(extra + n, e->size);
		vds_put_le64(extra + n + 8, e->size);
		n += 16;
	}
	if (far) {
		vds_put_le64(extra + n, e->header);
		n += 8;
	}
	vds_put_le16(extra, 1);
	vds_put_le16(extra + 2, (uint16_t)(n - 4));
	vds_put_le16(h + 4, VERSION);
	vds_put_le16(h + 6, VERSION);
	vds_put_le16(h + 8, FLAG_UTF8);
	vds_put_le16(h + 14, DOS_DATE);
	vds_put_le32(h + 16, e->crc);
	vds_put_le32(h + 20, large ? (uint32_t)MAX32 : (uint32_t)e->size);
	vds_put_le32(h + 24, large ? (uint32_t)MAX32 : (uint32_t)e->size);
	vds_put_le16(h + 28, (uint16_t)name_len);
	vds_put_le16(h + 30, (uint16_t)(n > 4 ? n : 0));
	vds_put_le32(h + 42, far ? (uint32_t)MAX32 : (uint32_t)e->header);
	vds_str_append(out, h, sizeof(h));
	vds_str_append(out, e->name, name_len);
	if (n > 4)
		vds_str_append(out, extra, n);
}

static void put_end(struct vds_str *out, const struct vds_zip_writer *w,
		    uint64_t size, const char *comment)
{
	uint8_t end64[EOCD64_SIZE] = "PK\6\6", locator[LOCATOR_SIZE] = "PK\6\7";
	uint8_t end[EOCD_SIZE] = "PK\5\6";
	uint64_t count = w->num_entries;
	uint16_t count16 = count >= 0xffff ? 0xffff : (uint16_t)count;
	vds_put_le64(end64 + 4, EOCD64_SIZE - 12);
	vds_put_le16(end64 + 12, VERSION);
	vds_put_le16(end64 + 14, VERSION);
	vds_put_le64(end64 + 24, count);
	vds_put_le64(end64 + 32, count);
	vds_put_le64(end64 + 40, size);
	vds_put_le64(end64 + 48, w->pos);
	vds_put_le64(locator + 8, w->pos + size);
	vds_put_le32(locator + 16, 1);
	vds_put_le16(end + 8, count16);
	vds_put_le16(end + 10, count16);
	/*
	 * "See zip64", as c-aff4 writes: with a real offset here, pyaff4 and
	 * c-aff4 take the zip64 records for a shift of the whole archive.
	 */
	vds_put_le32(end + 12, (uint32_t)MAX32);
	vds_put_le32(end + 16, (uint32_t)MAX32);
	vds_put_le16(end + 20, (uint16_t)strlen(comment));
	vds_str_append(out, end64, sizeof(end64));
	vds_str_append(out, locator, sizeof(locator));
	vds_str_append(out, end, sizeof(end));
	vds_str_puts(out, comment);
}

struct vds_error *vds_zip_finish(struct vds_zip_writer *w, const char *comment)
{
	struct vds_str out = {0};
	for (size_t i = 0; i < w->num_entries; i++)
		put_central(&out, &w->entries[i]);
	put_end(&out, w, out.len, comment);
	struct vds_error *err = out.failed ? &vds_enomem :
					     append(w, out.data, out.len);
	vds_str_deinit(&out);
	return err;
}
