/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A Windows-like machine in a few megabytes: top table with self-reference,
 * KUSER_SHARED_DATA, a kernel PE with its PDB's identity. Addresses are
 * parameters, so that a test can hold several machines.
 */
#ifndef VDS_TEST_TESTKERNEL_H
#define VDS_TEST_TESTKERNEL_H

#include "nt/kuser.h"
#include "testmem.h"

#define TESTKERNEL_BASE UINT64_C(0xfffff80154a00000)
#define TESTKERNEL_GUID "769C521E4833ECF72E21F02BF33691A5"
#define TESTKERNEL_PE_SIZE 0x10000u

/* Puts a PE of TESTKERNEL_PE_SIZE bytes at @pa; @export_name may be "". */
static inline void testkernel_put_pe(struct testmem *mem, uint64_t pa,
				     const char *pdb, const char *export_name)
{
	static const uint8_t guid[16] = {
		0x1e, 0x52, 0x9c, 0x76, 0x33, 0x48, 0xf7, 0xec,
		0x2e, 0x21, 0xf0, 0x2b, 0xf3, 0x36, 0x91, 0xa5,
	};
	uint8_t *p = mem->bytes + pa;
	memcpy(p, "MZ", 2);
	vds_put_le32(p + 0x3c, 0x80);
	memcpy(p + 0x80, "PE\0\0", 4);
	vds_put_le16(p + 0x84, 0x8664);
	vds_put_le16(p + 0x86, 1);		/* sections */
	vds_put_le32(p + 0x88, 1560300129);	/* timestamp */
	vds_put_le16(p + 0x94, 0xf0);		/* optional header's size */
	vds_put_le16(p + 0x98, 0x20b);
	vds_put_le32(p + 0x98 + 56, TESTKERNEL_PE_SIZE);
	vds_put_le32(p + 0x98 + 108, 16);	/* directories */
	if (*export_name) {
		vds_put_le32(p + 0x98 + 112, 0x2000);
		vds_put_le32(p + 0x98 + 116, 0x200);
		vds_put_le32(p + 0x2000 + 12, 0x2100);
		strcpy((char *)p + 0x2100, export_name);
	}
	memcpy(p + 0x98 + 0xf0, "POOLCODE", 8);
	vds_put_le32(p + 0x98 + 112 + 6 * 8, 0x3000);
	vds_put_le32(p + 0x98 + 116 + 6 * 8, 28);
	vds_put_le32(p + 0x3000 + 12, 2);	/* CodeView */
	vds_put_le32(p + 0x3000 + 16, (uint32_t)(25 + strlen(pdb)));
	vds_put_le32(p + 0x3000 + 20, 0x3100);
	memcpy(p + 0x3100, "RSDS", 4);
	memcpy(p + 0x3104, guid, sizeof(guid));
	vds_put_le32(p + 0x3114, 1);
	strcpy((char *)p + 0x3118, pdb);
}

static inline void testkernel_put_kuser(struct testmem *mem, uint64_t pa,
					uint32_t physical_pages)
{
	static const char root[] = "C:\\Windows";
	uint8_t *p = mem->bytes + pa;
	vds_put_le64(p + 0x8, 12345);
	vds_put_le64(p + 0x14, UINT64_C(133444736000000000));
	vds_put_le32(p + 0x1c, 133444736000000000 >> 32);
	for (size_t i = 0; i < sizeof(root); i++)
		vds_put_le16(p + 0x30 + i * 2, (uint16_t)root[i]);
	vds_put_le32(p + 0x260, 19041);
	vds_put_le32(p + 0x264, 1);
	vds_put_le32(p + 0x26c, 10);
	vds_put_le32(p + 0x2e8, physical_pages);
}

/* Entries that every kernel half has; one of them leads back. */
static inline void testkernel_put_top(struct testmem *mem, uint64_t dtb,
				      unsigned int self, uint64_t filler)
{
	testmem_put64(mem, dtb + self * 8, dtb | 0x63);
	for (unsigned int i = 0x100; i < 0x106; i++)
		testmem_put64(mem, dtb + i * 8, filler | 0x63);
}

/* As testmem_map(), by a 2 MiB page. */
static inline void testkernel_map_2m(struct testmem *mem, uint64_t dtb,
				     uint64_t *next, uint64_t va, uint64_t pa)
{
	uint64_t table = dtb;
	for (unsigned int shift = 39; shift > 21; shift -= 9) {
		uint64_t slot = table + ((va >> shift) & 0x1ff) * 8;
		if (!testmem_get64(mem, slot)) {
			testmem_put64(mem, slot, *next | 0x63);
			*next += 4096;
		}
		table = testmem_get64(mem, slot) & UINT64_C(0xffffffffff000);
	}
	testmem_put64(mem, table + ((va >> 21) & 0x1ff) * 8, pa | 0xe3);
}

static inline void testkernel_put_stub(struct testmem *mem, uint64_t pa,
				       uint64_t cr3, uint32_t cr4)
{
	testmem_put64(mem, pa, UINT64_C(0x00000001000600e9) | 0x4d00);
	testmem_put64(mem, pa + 0x70, UINT64_C(0xfffff80153a12340));
	testmem_put64(mem, pa + 0xa0, cr3);
	testmem_put32(mem, pa + 0xa8, cr4);
}

#endif
