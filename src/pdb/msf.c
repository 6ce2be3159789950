/* SPDX-License-Identifier: Apache-2.0 */
#include "pdb/msf.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/file.h"
#include "base/util.h"

/*
 * Superblock: 32 bytes of magic, then block size, free block map, number of
 * blocks, bytes of the directory, (a pointer of the writer's memory), and the
 * blocks that hold the list of the directory's blocks. All u32.
 */
#define MAGIC_LEN 32
#define MAGIC_TEXT 29
#define HEADER_LEN 52
#define NIL_SIZE UINT32_C(0xffffffff)

static const char magic_700[MAGIC_LEN + 1] =
	"Microsoft C/C++ MSF 7.00\r\n\x1a" "DS\0\0\0";
static const char magic_200[] = "Microsoft C/C++ program database 2.00\r\n";

struct vds_msf {
	char *path;
	struct vds_file *file;		/* NULL: in memory */
	const uint8_t *data;
	uint64_t size;			/* of the file */
	uint32_t block_size, num_blocks;
	uint32_t *dir;			/* directory, host byte order */
	size_t dir_words;
	uint32_t num_streams;
	size_t *first;			/* per stream: word in dir */
	uint64_t *checked;		/* bit per stream: blocks are sound */
};

static size_t raw_read(const struct vds_msf *msf, uint64_t off, void *buf,
		       size_t len)
{
	if (msf->file)	/* by system call: a mapping would count twice */
		return vds_file_pread(msf->file, off, buf, len);
	if (off >= msf->size)
		return 0;
	len = (size_t)VDS_MIN((uint64_t)len, msf->size - off);
	memcpy(buf, msf->data + off, len);
	return len;
}

/* A file that is no MSF 7.00: says what it is instead, if that is known. */
static struct vds_error *refuse(const char *path, const uint8_t *head,
				size_t len)
{
	static const struct {
		const char *magic;
		size_t len;
		enum vds_error_code code;
		const char *what;
	} known[] = {
		{magic_200, sizeof(magic_200) - 1, VDS_ERROR_UNSUPPORTED,
		 "a PDB 2.00 (JG) of Visual C++ 6 or older; only MSF 7.00 "
		 "is read"},
		{"BSJB", 4, VDS_ERROR_UNSUPPORTED,
		 "a portable PDB of .NET; it has no native types or symbols"},
		{"MZ", 2, VDS_ERROR_FORMAT,
		 "an executable, not its PDB"},
	};
	if (len >= 4 && (!memcmp(head, "MSCF", 4) || !memcmp(head, "SZDD", 4) ||
			 !memcmp(head, "KWAJ", 4)))
		return vds_error_create(
			VDS_ERROR_UNSUPPORTED,
			"%s: a compressed PDB (.pd_); expand it first: "
			"cabextract FILE.pd_ (Linux), expand.exe FILE.pd_ "
			"FILE.pdb (Windows)", path);
	for (size_t i = 0; i < VDS_ARRAY_SIZE(known); i++)
		if (len >= known[i].len &&
		    !memcmp(head, known[i].magic, known[i].len))
			return vds_error_create(known[i].code, "%s: %s", path,
						known[i].what);
	return vds_error_create(VDS_ERROR_FORMAT, "%s: not a PDB file", path);
}

/* @block as a place in the file; an error if it lies outside. */
static struct vds_error *block_offset(const struct vds_msf *msf, uint32_t block,
				      const char *whose, uint64_t *ret)
{
	if (!block || block >= msf->num_blocks)
		return vds_error_create(
			VDS_ERROR_FORMAT, "%s: block %u of %u", whose, block,
			msf->num_blocks);
	*ret = (uint64_t)block * msf->block_size;
	return NULL;
}

static struct vds_error *read_header(struct vds_msf *msf, uint32_t *ret_len)
{
	uint8_t head[HEADER_LEN];
	size_t len = raw_read(msf, 0, head, sizeof(head));
	/* The magic's text, without the zeros behind it. */
	bool mine = len >= MAGIC_TEXT && !memcmp(head, magic_700, MAGIC_TEXT);
	if (!mine || (len >= MAGIC_LEN && memcmp(head, magic_700, MAGIC_LEN)))
		return refuse(msf->path, head, len);
	if (len < sizeof(head))
		return vds_error_create(
			VDS_ERROR_FORMAT,
			"%s: truncated: the header ends at byte %zu of %d",
			msf->path, len, HEADER_LEN);
	msf->block_size = vds_le32(head + 32);
	msf->num_blocks = vds_le32(head + 40);
	*ret_len = vds_le32(head + 44);
	/* Powers of two; the linkers' /pdbpagesize goes up to 32768. */
	if (msf->block_size < 512 || msf->block_size > 65536 ||
	    msf->block_size & (msf->block_size - 1))
		return vds_error_create(VDS_ERROR_FORMAT,
					"%s: byte 0x20: block size %u",
					msf->path, msf->block_size);
	uint64_t need = (uint64_t)msf->num_blocks * msf->block_size;
	if (need > msf->size)
		return vds_error_create(
			VDS_ERROR_FORMAT,
			"%s: truncated: %llu bytes, but its header says %llu",
			msf->path, (unsigned long long)msf->size,
			(unsigned long long)need);
	if (*ret_len < 4 || *ret_len > need || *ret_len & 3)
		return vds_error_create(
			VDS_ERROR_FORMAT,
			"%s: byte 0x2c: stream directory of %u bytes",
			msf->path, *ret_len);
	return NULL;
}

/* Reads @len bytes, the start of @block, or fails naming @whose. */
static struct vds_error *read_block(const struct vds_msf *msf, uint32_t block,
				    const char *whose, void *buf, size_t len)
{
	uint64_t off = 0;
	struct vds_error *err = block_offset(msf, block, whose, &off);
	if (err)
		return err;
	if (raw_read(msf, off, buf, len) != len)
		return vds_error_create(VDS_ERROR_FORMAT,
					"%s: byte 0x%llx: cannot be read",
					whose, (unsigned long long)off);
	return NULL;
}

/*
 * The numbers of the directory's blocks, in *ret (malloc'ed), @n of them. They
 * are themselves in blocks, whose numbers end the header (as many as needed;
 * only PDBs of gigabytes have more than one).
 */
static struct vds_error *read_dir_map(const struct vds_msf *msf, size_t n,
				      uint8_t **ret)
{
	_cleanup_free_ uint8_t *map = vds_malloc_array(n, 4);
	if (!map)
		return &vds_enomem;
	for (size_t done = 0, i = 0; done < n * 4; i++) {
		uint8_t number[4];
		size_t at = HEADER_LEN + i * 4;
		if (at + 4 > msf->block_size ||
		    raw_read(msf, at, number, 4) != 4)
			return vds_error_create(VDS_ERROR_FORMAT,
						"directory too long");
		size_t len = VDS_MIN(n * 4 - done, (size_t)msf->block_size);
		struct vds_error *err =
			read_block(msf, vds_le32(number),
				   "directory's block map", map + done, len);
		if (err)
			return err;
		done += len;
	}
	*ret = vds_steal(map);
	return NULL;
}

static struct vds_error *read_dir(struct vds_msf *msf, uint32_t len)
{
	_cleanup_free_ uint8_t *map = NULL, *raw = NULL;
	size_t n = ((size_t)len + msf->block_size - 1) / msf->block_size;
	struct vds_error *err = read_dir_map(msf, n, &map);
	if (err)
		return err;
	raw = malloc(len);
	msf->dir = vds_malloc_array(len / 4, 4);
	if (!raw || !msf->dir)
		return &vds_enomem;
	for (size_t i = 0, done = 0; i < n; i++) {
		size_t part = VDS_MIN(len - done, (size_t)msf->block_size);
		err = read_block(msf, vds_le32(map + i * 4), "directory",
				 raw + done, part);
		if (err)
			return err;
		done += part;
	}
	msf->dir_words = len / 4;
	for (size_t i = 0; i < msf->dir_words; i++)
		msf->dir[i] = vds_le32(raw + i * 4);
	return NULL;
}

static uint32_t blocks_of(const struct vds_msf *msf, uint32_t size)
{
	return (uint32_t)(((uint64_t)size + msf->block_size - 1) /
			  msf->block_size);
}

/* Where each stream's block numbers start in the directory. */
static struct vds_error *index_streams(struct vds_msf *msf)
{
	uint32_t n = msf->dir[0];
	if (n > msf->dir_words - 1)
		return vds_error_create(
			VDS_ERROR_FORMAT,
			"directory: %u streams, but it has %zu words", n,
			msf->dir_words);
	msf->first = vds_malloc_array(n, sizeof(*msf->first));
	msf->checked = calloc(n / 64 + 1, sizeof(*msf->checked));
	if (!msf->first || !msf->checked)
		return &vds_enomem;
	size_t word = 1 + (size_t)n;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t size = msf->dir[1 + i];
		uint32_t blocks = size == NIL_SIZE ? 0 : blocks_of(msf, size);
		if (blocks > msf->dir_words - word)
			return vds_error_create(
				VDS_ERROR_FORMAT,
				"directory: stream %u of %u bytes runs past "
				"its end (word %zu of %zu)", i, size, word,
				msf->dir_words);
		msf->first[i] = word;
		word += blocks;
	}
	msf->num_streams = n;
	return NULL;
}

static struct vds_error *setup(struct vds_msf *msf)
{
	uint32_t dir_len = 0;
	struct vds_error *err = read_header(msf, &dir_len);
	if (err)
		return err;
	err = read_dir(msf, dir_len);
	if (!err)
		err = index_streams(msf);
	return vds_error_prefix(err, "%s", msf->path);
}

static struct vds_error *open_any(const char *name, struct vds_file *file,
				  const void *data, size_t len,
				  struct vds_msf **ret)
{
	struct vds_msf *msf = calloc(1, sizeof(*msf));
	struct vds_error *err = &vds_enomem;
	if (!msf) {
		vds_file_close(file);
		return err;
	}
	msf->file = file;
	msf->data = data;
	msf->size = file ? vds_file_size(file) : len;
	msf->path = strdup(name);
	if (msf->path)
		err = setup(msf);
	if (err) {
		vds_msf_close(msf);
		return err;
	}
	*ret = msf;
	return NULL;
}

struct vds_error *vds_msf_open(const char *path, struct vds_msf **ret)
{
	struct vds_file *file;
	struct vds_error *err = vds_file_open(path, &file);
	if (err)
		return err;
	return open_any(path, file, NULL, 0, ret);
}

struct vds_error *vds_msf_open_memory(const char *name, const void *data,
				      size_t len, struct vds_msf **ret)
{
	return open_any(name, NULL, data, len, ret);
}

void vds_msf_close(struct vds_msf *msf)
{
	if (!msf)
		return;
	vds_file_close(msf->file);
	free(msf->path);
	free(msf->dir);
	free(msf->first);
	free(msf->checked);
	free(msf);
}

const char *vds_msf_path(const struct vds_msf *msf)
{
	return msf->path;
}

uint32_t vds_msf_block_size(const struct vds_msf *msf)
{
	return msf->block_size;
}

uint32_t vds_msf_num_streams(const struct vds_msf *msf)
{
	return msf->num_streams;
}

bool vds_msf_has(const struct vds_msf *msf, uint32_t stream)
{
	return stream != VDS_MSF_NO_STREAM && stream < msf->num_streams &&
	       msf->dir[1 + stream] != NIL_SIZE;
}

uint32_t vds_msf_size(const struct vds_msf *msf, uint32_t stream)
{
	return vds_msf_has(msf, stream) ? msf->dir[1 + stream] : 0;
}

/*
 * Each block of a stream exists, and none occurs twice. Done when a stream is
 * first read: stream 0, an older directory, may well list blocks that have
 * been given away since.
 */
static struct vds_error *check_blocks(const struct vds_msf *msf,
				      uint32_t stream)
{
	uint64_t bit = UINT64_C(1) << stream % 64;
	if (msf->checked[stream / 64] & bit)
		return NULL;
	_cleanup_free_ uint64_t *seen =
		calloc(msf->num_blocks / 64 + 1, sizeof(*seen));
	if (!seen)
		return &vds_enomem;
	const uint32_t *blocks = msf->dir + msf->first[stream];
	uint32_t n = blocks_of(msf, vds_msf_size(msf, stream));
	for (uint32_t i = 0; i < n; i++) {
		uint32_t b = blocks[i];
		uint64_t pos = (uint64_t)i * msf->block_size;
		if (!b || b >= msf->num_blocks)
			return vds_error_create(
				VDS_ERROR_FORMAT,
				"byte 0x%llx: lies in block %u of %u",
				(unsigned long long)pos, b, msf->num_blocks);
		if (seen[b / 64] >> b % 64 & 1)
			return vds_error_create(
				VDS_ERROR_FORMAT,
				"byte 0x%llx: loops: block %u a second time",
				(unsigned long long)pos, b);
		seen[b / 64] |= UINT64_C(1) << b % 64;
	}
	msf->checked[stream / 64] |= bit;
	return NULL;
}

/* Copies from checked blocks; neighbours in the file in one read. */
static struct vds_error *copy_blocks(const struct vds_msf *msf, uint32_t stream,
				     uint32_t off, uint8_t *buf, size_t len)
{
	const uint32_t *blocks = msf->dir + msf->first[stream];
	while (len) {
		uint32_t i = off / msf->block_size;
		uint32_t skip = off % msf->block_size;
		size_t part = msf->block_size - skip;
		uint64_t at = (uint64_t)blocks[i] * msf->block_size + skip;
		while (part < len && blocks[i + 1] == blocks[i] + 1) {
			part += msf->block_size;
			i++;
		}
		part = VDS_MIN(part, len);
		if (raw_read(msf, at, buf, part) != part)
			return vds_error_create(
				VDS_ERROR_FORMAT,
				"byte 0x%x (0x%llx of the file): cannot be "
				"read", off, (unsigned long long)at);
		buf += part;
		off += (uint32_t)part;
		len -= part;
	}
	return NULL;
}

static struct vds_error *check_range(const struct vds_msf *msf, uint32_t stream,
				     uint32_t off, size_t len)
{
	if (!vds_msf_has(msf, stream))
		return vds_error_create(VDS_ERROR_FORMAT,
					"%s: stream %u: there is none",
					msf->path, stream);
	if (!vds_fits(off, len, vds_msf_size(msf, stream)))
		return vds_error_create(
			VDS_ERROR_FORMAT,
			"%s: stream %u: byte 0x%x: %zu bytes wanted, but it "
			"ends at 0x%x", msf->path, stream, off, len,
			vds_msf_size(msf, stream));
	return vds_error_prefix(check_blocks(msf, stream), "%s: stream %u",
				msf->path, stream);
}

struct vds_error *vds_msf_read(const struct vds_msf *msf, uint32_t stream,
			       uint32_t off, void *buf, size_t len)
{
	struct vds_error *err = check_range(msf, stream, off, len);
	if (err)
		return err;
	return vds_error_prefix(copy_blocks(msf, stream, off, buf, len),
				"%s: stream %u", msf->path, stream);
}

struct vds_error *vds_msf_load(const struct vds_msf *msf, uint32_t stream,
			       uint32_t off, size_t len, uint8_t **ret)
{
	struct vds_error *err = check_range(msf, stream, off, len);
	if (err)
		return err;
	_cleanup_free_ uint8_t *buf = malloc(len ? len : 1);
	if (!buf)
		return &vds_enomem;
	err = copy_blocks(msf, stream, off, buf, len);
	if (err)
		return vds_error_prefix(err, "%s: stream %u", msf->path,
					stream);
	*ret = vds_steal(buf);
	return NULL;
}
