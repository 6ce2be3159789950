/* SPDX-License-Identifier: Apache-2.0 */
#include "image/zip.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/bytes.h"
#include "base/util.h"

#define EOCD_SIZE 22
#define EOCD64_SIZE 56
#define LOCATOR_SIZE 20
#define CENTRAL_SIZE 46
#define LOCAL_SIZE 30
#define COMMENT_MAX 65535

#define SIG_EOCD 0x06054b50
#define SIG_EOCD64 0x06064b50
#define SIG_LOCATOR 0x07064b50
#define SIG_CENTRAL 0x02014b50
#define SIG_LOCAL 0x04034b50

/* Flag bits 0, 6 and 13: encrypted data, strong encryption, masked headers. */
#define FLAGS_ENCRYPTED (1 << 0 | 1 << 6 | 1 << 13)

#define NAME_MAX_LEN 4096
#define DIRECTORY_MAX ((uint64_t)32 << 20)
#define MEMBERS_MAX 262144
/* Deflate can't shrink more than 1032 to 1 (zlib's technical details). */
#define DEFLATE_RATIO 1032

/* What the two end records say, before and after they are reconciled. */
struct end {
	uint64_t pos;		/* of the record that the directory ends at */
	uint64_t eocd;		/* of the 32-bit record */
	uint64_t count, size, offset;
	uint32_t disk, directory_disk;
	size_t comment_len;
};

struct tail {
	uint8_t *data;
	size_t len;
	uint64_t pos;	/* file offset of data[0] */
};

static struct vds_error *read_tail(const struct vds_file *file,
				   struct tail *tail)
{
	uint64_t size = vds_file_size(file);
	tail->len = (size_t)VDS_MIN(size, (uint64_t)EOCD_SIZE + COMMENT_MAX);
	tail->pos = size - tail->len;
	tail->data = malloc(tail->len + 1);
	if (!tail->data)
		return &vds_enomem;
	tail->len = vds_file_pread(file, tail->pos, tail->data, tail->len);
	return NULL;
}

/*
 * Index of the end record in the tail: the last one whose comment fits exactly
 * to the end of the file, else (@exact false) the last whose comment fits.
 */
static bool find_eocd(const struct tail *tail, bool exact, size_t *ret)
{
	bool found = false;
	for (size_t i = tail->len < EOCD_SIZE ? 0 : tail->len - EOCD_SIZE + 1;
	     i-- > 0;) {
		if (vds_le32(tail->data + i) != SIG_EOCD)
			continue;
		size_t end = i + EOCD_SIZE + vds_le16(tail->data + i + 20);
		if (end == tail->len) {
			*ret = i;
			return true;
		}
		if (!exact && !found && end < tail->len) {
			*ret = i;
			found = true;
		}
	}
	return found;
}

bool vds_zip_probe(const struct vds_file *file)
{
	struct tail tail = {0};
	size_t at;
	struct vds_error *err = read_tail(file, &tail);
	bool found = !err && find_eocd(&tail, true, &at);
	vds_error_destroy(err);
	free(tail.data);
	return found;
}

/* Takes from the zip64 record what the 32-bit record couldn't hold. */
static struct vds_error *read_eocd64(const struct vds_file *file,
				     struct end *end)
{
	uint8_t loc[LOCATOR_SIZE], rec[EOCD64_SIZE];
	if (end->eocd < LOCATOR_SIZE ||
	    vds_file_read(file, end->eocd - LOCATOR_SIZE, loc, sizeof(loc)) !=
		    sizeof(loc) ||
	    vds_le32(loc) != SIG_LOCATOR)
		return NULL;
	if (vds_le32(loc + 16) > 1)
		return vds_error_create(VDS_ERROR_UNSUPPORTED,
			"offset %llu: zip64 locator: archive of %u disks",
			(unsigned long long)end->eocd - LOCATOR_SIZE,
			vds_le32(loc + 16));
	/* The offset is short by whatever was put in front of the archive. */
	uint64_t pos = vds_le64(loc + 8);
	bool there = vds_fits(pos, EOCD64_SIZE, end->eocd - LOCATOR_SIZE) &&
		vds_file_read(file, pos, rec, sizeof(rec)) == sizeof(rec) &&
		vds_le32(rec) == SIG_EOCD64;
	if (!there && end->eocd >= LOCATOR_SIZE + EOCD64_SIZE) {
		pos = end->eocd - LOCATOR_SIZE - EOCD64_SIZE;
		there = vds_file_read(file, pos, rec, sizeof(rec)) ==
				sizeof(rec) &&
			vds_le32(rec) == SIG_EOCD64;
	}
	if (!there)
		return vds_error_create(VDS_ERROR_FORMAT,
			"offset %llu: zip64 locator: no end record at %llu",
			(unsigned long long)end->eocd - LOCATOR_SIZE,
			(unsigned long long)vds_le64(loc + 8));
	end->pos = pos;
	if (end->count == 0xffff)
		end->count = vds_le64(rec + 32);
	if (end->size == 0xffffffff)
		end->size = vds_le64(rec + 40);
	if (end->offset == 0xffffffff)
		end->offset = vds_le64(rec + 48);
	if (end->disk == 0xffff)
		end->disk = vds_le32(rec + 16);
	if (end->directory_disk == 0xffff)
		end->directory_disk = vds_le32(rec + 20);
	return NULL;
}

static struct vds_error *read_end(const struct vds_file *file,
				  struct vds_arena *arena, struct end *end,
				  struct vds_zip *zip)
{
	struct tail tail = {0};
	size_t at = 0;
	struct vds_error *err = read_tail(file, &tail);
	if (err)
		return err;
	_cleanup_free_ uint8_t *data = tail.data;
	if (!find_eocd(&tail, false, &at))
		return vds_error_create(VDS_ERROR_NOT_AN_IMAGE,
			"offset %llu: no end of central directory in the last "
			"%zu bytes: a truncated zip archive?",
			(unsigned long long)tail.pos, tail.len);
	const uint8_t *rec = data + at;
	*end = (struct end){
		.pos = tail.pos + at,
		.eocd = tail.pos + at,
		.disk = vds_le16(rec + 4),
		.directory_disk = vds_le16(rec + 6),
		.count = vds_le16(rec + 10),
		.size = vds_le32(rec + 12),
		.offset = vds_le32(rec + 16),
		.comment_len = vds_le16(rec + 20),
	};
	zip->comment_len = end->comment_len;
	zip->comment = vds_arena_strndup(arena, (const char *)rec + EOCD_SIZE,
					 end->comment_len);
	if (!zip->comment)
		return &vds_enomem;
	return read_eocd64(file, end);
}

/* Sizes and offset of an entry that need 64 bits stand in extra field 1. */
static void read_zip64_extra(struct vds_zip_member *m, const uint8_t *extra,
			     size_t len)
{
	struct vds_bytes b;
	vds_bytes_init(&b, extra, len);
	while (vds_bytes_left(&b) >= 4) {
		uint16_t id = vds_bytes_u16(&b);
		size_t size = vds_bytes_u16(&b);
		const uint8_t *body = vds_bytes_take(&b, size);
		if (!body)
			return;
		if (id != 1)
			continue;
		struct vds_bytes f;
		vds_bytes_init(&f, body, size);
		uint64_t *fields[] = {&m->usize, &m->csize, &m->header};
		for (size_t i = 0; i < VDS_ARRAY_SIZE(fields); i++) {
			if (*fields[i] == 0xffffffff && vds_bytes_left(&f) >= 8)
				*fields[i] = vds_bytes_u64(&f);
		}
		return;
	}
}

static struct vds_error *check_member(const struct vds_zip_member *m,
				      uint16_t flags, uint64_t directory)
{
	if (flags & FLAGS_ENCRYPTED)
		return vds_error_create(VDS_ERROR_UNSUPPORTED,
			"member \"%s\": flags 0x%x: encrypted zip members are not supported",
			m->name, flags);
	if (m->method != VDS_ZIP_STORED && m->method != VDS_ZIP_DEFLATED)
		return vds_error_create(VDS_ERROR_UNSUPPORTED,
			"member \"%s\": method %u: neither stored nor deflated",
			m->name, m->method);
	if (m->method == VDS_ZIP_STORED && m->csize != m->usize)
		return vds_error_create(VDS_ERROR_FORMAT,
			"member \"%s\": stored, but size %llu is not %llu",
			m->name, (unsigned long long)m->csize,
			(unsigned long long)m->usize);
	if (!vds_fits(m->header, LOCAL_SIZE, directory) ||
	    !vds_fits(m->header + LOCAL_SIZE, m->csize, directory))
		return vds_error_create(VDS_ERROR_FORMAT,
			"member \"%s\": offset %llu + size %llu lies past the "
			"central directory at %llu", m->name,
			(unsigned long long)m->header,
			(unsigned long long)m->csize,
			(unsigned long long)directory);
	return NULL;
}

/* One entry of the central directory; false at @b->failed. */
static struct vds_error *read_member(struct vds_bytes *b, uint64_t shift,
				     struct vds_arena *arena,
				     struct vds_notes *notes,
				     const struct vds_zip *zip,
				     struct vds_zip_member *ret, bool *ret_keep)
{
	uint64_t at = zip->directory + b->pos;
	const uint8_t *h = vds_bytes_take(b, CENTRAL_SIZE);
	*ret_keep = false;
	if (!h)
		return NULL;
	if (vds_le32(h) != SIG_CENTRAL)
		return vds_error_create(VDS_ERROR_FORMAT,
			"offset %llu: central directory entry: signature 0x%x",
			(unsigned long long)at, vds_le32(h));
	size_t name_len = vds_le16(h + 28);
	size_t extra_len = vds_le16(h + 30);
	const uint8_t *name = vds_bytes_take(b, name_len);
	const uint8_t *extra = vds_bytes_take(b, extra_len);
	vds_bytes_take(b, vds_le16(h + 32));
	if (b->failed)
		return NULL;
	if (!name_len || name_len > NAME_MAX_LEN || memchr(name, 0, name_len)) {
		vds_note(notes, "zip_name", at,
			 "offset %llu: name of %zu bytes is empty, too long or "
			 "holds a NUL: member ignored",
			 (unsigned long long)at, name_len);
		return NULL;
	}
	ret->name = vds_arena_strndup(arena, (const char *)name, name_len);
	if (!ret->name)
		return &vds_enomem;
	ret->name_len = name_len;
	ret->method = vds_le16(h + 10);
	ret->crc = vds_le32(h + 16);
	ret->csize = vds_le32(h + 20);
	ret->usize = vds_le32(h + 24);
	ret->header = vds_le32(h + 42);
	read_zip64_extra(ret, extra, extra_len);
	if (!vds_add_u64(ret->header, shift, &ret->header))
		ret->header = UINT64_MAX;	/* fails the bounds check */
	*ret_keep = true;
	return check_member(ret, vds_le16(h + 8), zip->directory);
}

static struct vds_error *read_members(struct vds_zip *zip,
				      const struct end *end, uint64_t shift,
				      struct vds_arena *arena,
				      struct vds_notes *notes)
{
	_cleanup_free_ uint8_t *dir = malloc((size_t)end->size + 1);
	if (!dir)
		return &vds_enomem;
	size_t len = vds_file_pread(zip->file, zip->directory, dir,
				    (size_t)end->size);
	uint64_t count = VDS_MIN(end->count, (uint64_t)len / CENTRAL_SIZE);
	count = VDS_MIN(count, (uint64_t)MEMBERS_MAX);
	zip->members = vds_arena_calloc(arena, (size_t)count + 1,
					sizeof(*zip->members));
	if (!zip->members)
		return &vds_enomem;
	struct vds_bytes b;
	vds_bytes_init(&b, dir, len);
	uint64_t seen = 0;
	while (seen < count && vds_bytes_left(&b) && !b.failed) {
		bool keep;
		struct vds_error *err =
			read_member(&b, shift, arena, notes, zip,
				    &zip->members[zip->num_members], &keep);
		if (err)
			return err;
		zip->num_members += keep;
		seen += !b.failed;
	}
	if (seen != end->count)
		vds_note(notes, "zip_count", end->eocd,
			 "offset %llu: end of central directory: says %llu "
			 "entries, found %llu", (unsigned long long)end->eocd,
			 (unsigned long long)end->count,
			 (unsigned long long)seen);
	return NULL;
}

struct vds_error *vds_zip_open(const struct vds_file *file,
			       struct vds_arena *arena, struct vds_notes *notes,
			       struct vds_zip *ret)
{
	struct vds_zip zip = {.file = file};
	struct end end = {0};
	struct vds_error *err = read_end(file, arena, &end, &zip);
	if (err)
		return err;
	if (end.disk || end.directory_disk)
		return vds_error_create(VDS_ERROR_UNSUPPORTED,
			"offset %llu: end of central directory: disk %u: "
			"archives on several disks are not supported",
			(unsigned long long)end.eocd, end.disk);
	if (end.size > end.pos || end.offset > end.pos - end.size)
		return vds_error_create(VDS_ERROR_FORMAT,
			"offset %llu: central directory: offset %llu + size "
			"%llu lies past its own end record",
			(unsigned long long)end.eocd,
			(unsigned long long)end.offset,
			(unsigned long long)end.size);
	if (end.size > DIRECTORY_MAX)
		return vds_error_create(VDS_ERROR_FORMAT,
			"offset %llu: central directory: size %llu exceeds the "
			"limit of %llu", (unsigned long long)end.eocd,
			(unsigned long long)end.size,
			(unsigned long long)DIRECTORY_MAX);
	/* What was put in front of the archive moved all of its offsets. */
	uint64_t shift = end.pos - end.size - end.offset;
	zip.directory = end.offset + shift;
	if (shift)
		vds_note(notes, "zip_prefix", 0,
			 "%llu bytes stand in front of the zip archive",
			 (unsigned long long)shift);
	err = read_members(&zip, &end, shift, arena, notes);
	if (!err)
		*ret = zip;
	return err;
}

struct vds_error *vds_zip_locate(const struct vds_zip *zip,
				 struct vds_zip_member *member, uint64_t *ret)
{
	uint8_t h[LOCAL_SIZE];
	uint64_t data = atomic_load_explicit(&member->data,
					     memory_order_relaxed);
	if (data) {
		*ret = data;
		return NULL;
	}
	if (vds_file_read(zip->file, member->header, h, sizeof(h)) != sizeof(h) ||
	    vds_le32(h) != SIG_LOCAL)
		return vds_error_create(VDS_ERROR_FORMAT,
			"offset %llu: member \"%s\": no local header there",
			(unsigned long long)member->header, member->name);
	data = member->header + LOCAL_SIZE + vds_le16(h + 26) +
	       vds_le16(h + 28);
	if (!vds_fits(data, member->csize, zip->directory))
		return vds_error_create(VDS_ERROR_FORMAT,
			"offset %llu: member \"%s\": size %llu reaches into "
			"the central directory at %llu",
			(unsigned long long)data, member->name,
			(unsigned long long)member->csize,
			(unsigned long long)zip->directory);
	atomic_store_explicit(&member->data, data, memory_order_relaxed);
	*ret = data;
	return NULL;
}

static bool inflate_all(const uint8_t *in, size_t in_len, uint8_t *out,
			size_t out_len)
{
	z_stream z = {
		.next_in = (Bytef *)in,
		.avail_in = (uInt)in_len,
		.next_out = out,
		.avail_out = (uInt)out_len,
	};
	if (inflateInit2(&z, -MAX_WBITS) != Z_OK)
		return false;
	int status = inflate(&z, Z_FINISH);
	bool whole = status == Z_STREAM_END && !z.avail_out;
	inflateEnd(&z);
	return whole;
}

static struct vds_error *check_size(const struct vds_zip_member *member,
				    size_t max)
{
	max = VDS_MIN(max, (size_t)1 << 30);	/* zlib counts in 32 bits */
	if (member->usize > max || member->csize > max)
		return vds_error_create(VDS_ERROR_FORMAT,
			"member \"%s\": size %llu exceeds the limit of %zu",
			member->name, (unsigned long long)member->usize, max);
	if (member->usize / DEFLATE_RATIO > member->csize)
		return vds_error_create(VDS_ERROR_FORMAT,
			"member \"%s\": %llu bytes can't inflate to %llu",
			member->name, (unsigned long long)member->csize,
			(unsigned long long)member->usize);
	return NULL;
}

struct vds_error *vds_zip_extract(const struct vds_zip *zip,
				  struct vds_zip_member *member, size_t max,
				  uint8_t **ret, size_t *ret_len)
{
	uint64_t data;
	struct vds_error *err = check_size(member, max);
	if (!err)
		err = vds_zip_locate(zip, member, &data);
	if (err)
		return err;
	size_t csize = (size_t)member->csize, usize = (size_t)member->usize;
	_cleanup_free_ uint8_t *in = malloc(csize + 1);
	_cleanup_free_ uint8_t *out = NULL;
	if (!in)
		return &vds_enomem;
	bool whole = vds_file_pread(zip->file, data, in, csize) == csize;
	if (member->method == VDS_ZIP_STORED) {
		out = vds_steal(in);
	} else {
		out = malloc(usize + 1);
		if (!out)
			return &vds_enomem;
		whole = whole && inflate_all(in, csize, out, usize);
	}
	if (!whole || crc32(0, out, (uInt)usize) != member->crc)
		return vds_error_create(VDS_ERROR_FORMAT,
			"offset %llu: member \"%s\": data is corrupt "
			"(CRC-32 is not 0x%08x)", (unsigned long long)data,
			member->name, member->crc);
	out[usize] = 0;
	*ret = vds_steal(out);
	*ret_len = usize;
	return NULL;
}
