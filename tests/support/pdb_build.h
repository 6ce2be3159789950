/* SPDX-License-Identifier: Apache-2.0 */
/* Makes MSF files in memory, for tests and fuzz targets of the PDB reader. */
#ifndef VDS_TESTS_PDB_BUILD_H
#define VDS_TESTS_PDB_BUILD_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

struct pdb_stream {
	const void *data;
	uint32_t len;
};

static inline uint32_t pdb_blocks(uint32_t len, uint32_t block)
{
	return (uint32_t)(((uint64_t)len + block - 1) / block);
}

/*
 * A file with @n streams, each in blocks of its own: header and two unused
 * blocks, the streams in order, the directory, its block map.
 */
static inline uint8_t *pdb_build(uint32_t block,
				 const struct pdb_stream *streams, uint32_t n,
				 size_t *ret_len)
{
	uint32_t data_blocks = 0;
	for (uint32_t i = 0; i < n; i++)
		data_blocks += pdb_blocks(streams[i].len, block);
	uint32_t dir_len = 4 + 4 * n + 4 * data_blocks;
	uint32_t dir_blocks = pdb_blocks(dir_len, block);
	uint32_t dir_at = 3 + data_blocks, map_at = dir_at + dir_blocks;
	size_t len = (size_t)(map_at + 1) * block;
	uint8_t *f = calloc(1, len), *dir = f + (size_t)dir_at * block;
	memcpy(f, "Microsoft C/C++ MSF 7.00\r\n\x1a" "DS\0\0\0", 32);
	vds_put_le32(f + 32, block);
	vds_put_le32(f + 36, 1);
	vds_put_le32(f + 40, map_at + 1);
	vds_put_le32(f + 44, dir_len);
	vds_put_le32(f + 52, map_at);
	vds_put_le32(dir, n);
	uint8_t *numbers = dir + 4 + 4 * (size_t)n;
	for (uint32_t i = 0, b = 3; i < n; i++) {
		vds_put_le32(dir + 4 + 4 * (size_t)i, streams[i].len);
		if (streams[i].len)
			memcpy(f + (size_t)b * block, streams[i].data,
			       streams[i].len);
		for (uint32_t k = pdb_blocks(streams[i].len, block); k; k--) {
			vds_put_le32(numbers, b++);
			numbers += 4;
		}
	}
	for (uint32_t i = 0; i < dir_blocks; i++)
		vds_put_le32(f + (size_t)map_at * block + 4 * (size_t)i,
			     dir_at + i);
	*ret_len = len;
	return f;
}

/* A little-endian writer for streams; fixed room, tests stay within it. */
struct pdb_out {
	uint8_t data[65536];
	uint32_t len;
};

static inline void pdb_u8(struct pdb_out *o, unsigned int v)
{
	o->data[o->len++] = (uint8_t)v;
}

static inline void pdb_u16(struct pdb_out *o, unsigned int v)
{
	vds_put_le16(o->data + o->len, (uint16_t)v);
	o->len += 2;
}

static inline void pdb_u32(struct pdb_out *o, uint32_t v)
{
	vds_put_le32(o->data + o->len, v);
	o->len += 4;
}

static inline void pdb_str(struct pdb_out *o, const char *s)
{
	size_t len = strlen(s) + 1;
	memcpy(o->data + o->len, s, len);
	o->len += (uint32_t)len;
}

/* Starts a record (length to be filled in) and returns where. */
static inline uint32_t pdb_record(struct pdb_out *o, unsigned int kind)
{
	uint32_t start = o->len;
	pdb_u16(o, 0);
	pdb_u16(o, kind);
	return start;
}

/* Pads a record to 4 bytes as linkers do, and fills in its length. */
static inline void pdb_end(struct pdb_out *o, uint32_t start)
{
	while ((o->len - start) % 4)
		pdb_u8(o, 0xf0 | (4 - (o->len - start) % 4));
	vds_put_le16(o->data + start, (uint16_t)(o->len - start - 2));
}

/* A TPI header; call pdb_tpi_done() with the number of records at the end. */
static inline void pdb_tpi_start(struct pdb_out *o, uint32_t version)
{
	o->len = 0;
	pdb_u32(o, version);
	pdb_u32(o, 56);
	pdb_u32(o, 0x1000);
	while (o->len < 56)
		pdb_u32(o, 0);
}

static inline void pdb_tpi_done(struct pdb_out *o, uint32_t records)
{
	vds_put_le32(o->data + 12, 0x1000 + records);
	vds_put_le32(o->data + 16, o->len - 56);
}

/* An info stream with GUID 00112233-4455-6677-8899-AABBCCDDEEFF. */
static inline void pdb_info(struct pdb_out *o, uint32_t version, uint32_t age)
{
	static const uint8_t guid[16] = {
		0x33, 0x22, 0x11, 0x00, 0x55, 0x44, 0x77, 0x66,
		0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff};
	o->len = 0;
	pdb_u32(o, version);
	pdb_u32(o, 0x12345678);
	pdb_u32(o, age);
	memcpy(o->data + o->len, guid, 16);
	o->len += 16;
}

/*
 * A DBI stream without modules. @debug are the entries of its debug header:
 * @num_debug stream numbers.
 */
static inline void pdb_dbi(struct pdb_out *o, uint32_t age,
			   unsigned int machine, unsigned int globals,
			   unsigned int publics, unsigned int records,
			   const uint16_t *debug, unsigned int num_debug)
{
	memset(o->data, 0, 64);
	vds_put_le32(o->data, UINT32_MAX);
	vds_put_le32(o->data + 4, 19990903);
	vds_put_le32(o->data + 8, age);
	vds_put_le16(o->data + 12, (uint16_t)globals);
	vds_put_le16(o->data + 16, (uint16_t)publics);
	vds_put_le16(o->data + 20, (uint16_t)records);
	vds_put_le32(o->data + 48, num_debug * 2);
	vds_put_le16(o->data + 58, (uint16_t)machine);
	o->len = 64;
	for (unsigned int i = 0; i < num_debug; i++)
		pdb_u16(o, debug[i]);
}

#endif
