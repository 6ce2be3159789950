/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ELF cores of whole machines: QEMU's dump-guest-memory (32-bit ones of guests
 * that aren't in long mode), VirtualBox's dumpvmcore, pmem tools. Each PT_LOAD
 * is a range at p_paddr (ELF specification); the notes tell who wrote it and the
 * control registers (QEMU's target/i386/arch_dump.c, VirtualBox's
 * dbgfcorefmt.h).
 */
#include "image/elf.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/util.h"

#define EHDR 64
#define PHDR 56
#define EHDR32 52
#define PHDR32 32
#define ET_CORE 4
#define PT_LOAD 1
#define PT_NOTE 4
#define PN_XNUM 0xffff
#define MAX_SEGMENTS ((uint32_t)1 << 20)
#define MAX_NOTES ((size_t)1 << 20)	/* bytes of a note segment */
#define MAX_CPUS 4096

struct elf {
	struct vds_image *image;
	uint64_t base, size;	/* of the core in the file */
	bool wide;		/* ELF64 */
	uint64_t phoff;
	uint16_t phentsize;
	uint32_t phnum;
	uint64_t lost;		/* bytes that should be in the file */
	/* The first segment at physical address 0. */
	bool has_zero;
	uint64_t zero_offset;
	uint64_t *cr3s;
	size_t num_cr3s;
};

/* Positions count from the core's start. */
struct segment {
	uint32_t type;
	uint64_t offset, paddr, filesz, memsz;
};

static size_t read_at(const struct elf *elf, uint64_t pos, void *buf, size_t len)
{
	if (pos >= elf->size)
		return 0;
	len = (size_t)VDS_MIN((uint64_t)len, elf->size - pos);
	return vds_file_pread(elf->image->file, elf->base + pos, buf, len);
}

static bool elf_probe(const struct vds_file *file, const uint8_t *head,
		      size_t len)
{
	(void)file;
	return len >= 4 && !memcmp(head, "\x7f" "ELF", 4);
}

static struct vds_error *check_ident(const uint8_t *h)
{
	unsigned int type = vds_le16(h + 16);
	if (h[5] != 1)
		return vds_error_create(VDS_ERROR_UNSUPPORTED,
					"ELF header: EI_DATA at offset 0x5 is %u, only little-endian (1) is supported",
					h[5]);
	if (type != ET_CORE)
		return vds_error_create(VDS_ERROR_NOT_AN_IMAGE,
					"ELF header: e_type at offset 0x10 is %u: a program or library, not a core (4)",
					type);
	if (h[4] != 1 && h[4] != 2)
		return vds_error_create(VDS_ERROR_FORMAT,
					"ELF header: EI_CLASS at offset 0x4 is %u, neither 32-bit (1) nor 64-bit (2)",
					h[4]);
	return NULL;
}

/* With more than 65534 segments their number is in section header 0. */
static struct vds_error *read_phnum(struct elf *elf, uint64_t shoff)
{
	uint8_t n[4];
	if (elf->phnum != PN_XNUM)
		return NULL;
	if (!vds_fits(shoff, elf->wide ? 64 : 40, elf->size) ||
	    read_at(elf, shoff + (elf->wide ? 44 : 28), n, 4) < 4)
		return vds_error_create(VDS_ERROR_FORMAT,
					"ELF header: e_phnum is 0xffff, but there is no section header at e_shoff 0x%llx to hold the real number",
					(unsigned long long)shoff);
	elf->phnum = vds_le32(n);
	return NULL;
}

static struct vds_error *read_ehdr(struct elf *elf)
{
	uint8_t h[EHDR];
	static const uint16_t machines[][2] = {
		{62, 0x8664}, {183, 0xaa64}, {3, 0x14c}};
	size_t n = read_at(elf, 0, h, EHDR);
	if (n < 4 || memcmp(h, "\x7f" "ELF", 4))
		return vds_error_create(VDS_ERROR_NOT_MINE, "not ELF");
	if (n < EHDR32 || (h[4] == 2 && n < EHDR))
		return vds_error_create(VDS_ERROR_FORMAT,
					"ELF header: the file ends at offset 0x%zx, inside of it",
					n);
	struct vds_error *err = check_ident(h);
	if (err)
		return err;
	elf->wide = h[4] == 2;
	elf->phoff = elf->wide ? vds_le64(h + 32) : vds_le32(h + 28);
	elf->phentsize = vds_le16(h + (elf->wide ? 54 : 42));
	elf->phnum = vds_le16(h + (elf->wide ? 56 : 44));
	for (size_t i = 0; i < VDS_ARRAY_SIZE(machines); i++) {
		if (vds_le16(h + 18) == machines[i][0])
			elf->image->hints.machine = machines[i][1];
	}
	elf->image->dialect = elf->wide ? "64-bit" : "32-bit";
	err = read_phnum(elf, elf->wide ? vds_le64(h + 40) : vds_le32(h + 32));
	if (err)
		return err;
	uint16_t least = elf->wide ? PHDR : PHDR32;
	if (elf->phentsize < least)
		return vds_error_create(VDS_ERROR_FORMAT,
					"ELF header: e_phentsize at offset 0x%x is %u, below %u",
					elf->wide ? 0x36 : 0x2a,
					elf->phentsize, least);
	if (elf->phnum > MAX_SEGMENTS)
		return vds_error_create(VDS_ERROR_UNSUPPORTED,
					"ELF header: %u program headers, more than %u",
					elf->phnum, MAX_SEGMENTS);
	if (!vds_fits(elf->phoff, (uint64_t)elf->phnum * elf->phentsize,
		      elf->size))
		return vds_error_create(VDS_ERROR_FORMAT,
					"ELF header: e_phoff at offset 0x%x is 0x%llx, and %u program headers there go beyond the end of the file",
					elf->wide ? 0x20 : 0x1c,
					(unsigned long long)elf->phoff,
					elf->phnum);
	return NULL;
}

/*
 * Cores of processes and of /proc/kcore know no physical addresses: p_paddr is
 * 0 or ~0 in each of their segments. Twice the same with different content
 * gives them away.
 */
static struct vds_error *check_paddr(struct elf *elf, const struct segment *s)
{
	if (s->paddr && s->paddr != (elf->wide ? UINT64_MAX : UINT32_MAX))
		return NULL;
	if (s->paddr || (elf->has_zero && elf->zero_offset != s->offset))
		return vds_error_create(VDS_ERROR_NOT_AN_IMAGE,
					"ELF core without physical addresses (p_paddr is 0x%llx throughout): the core of a process or a /proc/kcore copy, not a memory image",
					(unsigned long long)s->paddr);
	elf->has_zero = true;
	elf->zero_offset = s->offset;
	return NULL;
}

static struct vds_error *add_load(struct elf *elf, const struct segment *s)
{
	struct vds_error *err = NULL;
	/* QEMU writes offset ~0 for ranges that a filter left out. */
	if (s->filesz) {
		err = check_paddr(elf, s);
		if (err)
			return err;
		uint64_t room = s->offset < elf->size ?
					elf->size - s->offset : 0;
		uint64_t have = VDS_MIN(s->filesz, room);
		elf->lost += s->filesz - have;
		err = vds_image_add_range(elf->image, s->paddr, have,
					  elf->base + s->offset,
					  VDS_RANGE_DATA);
	}
	if (err || s->memsz <= s->filesz || !s->filesz)
		return err;
	uint64_t tail;
	if (!vds_add_u64(s->paddr, s->filesz, &tail))
		tail = UINT64_MAX;
	return vds_image_add_range(elf->image, tail, s->memsz - s->filesz, 0,
				   VDS_RANGE_ZERO);
}

/* What a note says of one CPU. */
static void add_cpu(struct elf *elf, uint64_t cr3, uint64_t cr4)
{
	struct vds_image_hints *hints = &elf->image->hints;
	if (!cr3 || elf->num_cr3s == MAX_CPUS)
		return;		/* a CPU without paging tells nothing */
	if (!elf->cr3s)
		elf->cr3s = vds_arena_calloc(&elf->image->arena, MAX_CPUS,
					     sizeof(*elf->cr3s));
	if (!elf->cr3s)
		return;
	elf->cr3s[elf->num_cr3s++] = cr3;
	hints->cr3s = elf->cr3s;
	hints->num_cr3s = elf->num_cr3s;
	if (!hints->has_dtb) {
		hints->has_dtb = hints->has_la57 = true;
		hints->dtb = cr3;
		hints->la57 = cr4 >> 12 & 1;
	}
}

/* QEMUCPUState, version 1: cr[0] is at 0x188. */
static void read_qemu_cpu(struct elf *elf, const uint8_t *desc, uint32_t len)
{
	elf->image->dialect = "QEMU";
	if (len >= 0x1b0 && vds_le32(desc) == 1)
		add_cpu(elf, vds_le64(desc + 0x1a0), vds_le64(desc + 0x1a8));
}

/*
 * DBGFCORECPU: cr0, cr2, cr3 and cr4 from 0x120 on. The oldest VirtualBox wrote
 * something else there: only a CR0 with paging and protection is believed.
 */
static void read_vbox_cpu(struct elf *elf, const uint8_t *desc, uint32_t len)
{
	if (len >= 0x140 &&
	    (vds_le64(desc + 0x120) & 0x80000001) == 0x80000001 &&
	    !(vds_le64(desc + 0x120) >> 32))
		add_cpu(elf, vds_le64(desc + 0x130), vds_le64(desc + 0x138));
}

static void read_note(struct elf *elf, const char *name, uint32_t type,
		      const uint8_t *desc, uint32_t len)
{
	if (!strcmp(name, "QEMU") && !type)
		read_qemu_cpu(elf, desc, len);
	if (!strcmp(name, "VBCORE") || !strcmp(name, "VBCPU"))
		elf->image->dialect = "VirtualBox";
	if (!strcmp(name, "VBCPU"))
		read_vbox_cpu(elf, desc, len);
}

/* Notes are hints: what is malformed ends them, and costs nothing else. */
static struct vds_error *read_notes(struct elf *elf, const struct segment *s)
{
	struct vds_bytes b;
	size_t len = (size_t)VDS_MIN(s->filesz, (uint64_t)MAX_NOTES);
	_cleanup_free_ uint8_t *buf = malloc(len ? len : 1);
	if (!buf)
		return &vds_enomem;
	len = read_at(elf, s->offset, buf, len);
	vds_bytes_init(&b, buf, len);
	while (vds_bytes_left(&b) >= 12) {
		uint32_t namesz = vds_bytes_u32(&b);
		uint32_t descsz = vds_bytes_u32(&b);
		uint32_t type = vds_bytes_u32(&b);
		char text[16] = "";
		const uint8_t *name =
			vds_bytes_take(&b, ((size_t)namesz + 3) & ~(size_t)3);
		const uint8_t *desc = vds_bytes_take(&b, descsz);
		if (!name || !desc)
			break;
		memcpy(text, name, VDS_MIN(namesz, sizeof(text) - 1));
		read_note(elf, text, type, desc, descsz);
		vds_bytes_take(&b, VDS_MIN((4 - descsz % 4) % 4,
					   vds_bytes_left(&b)));
	}
	return NULL;
}

static struct vds_error *read_segment(struct elf *elf, uint32_t i)
{
	uint8_t p[PHDR];
	uint64_t at = elf->phoff + (uint64_t)i * elf->phentsize;
	size_t want = elf->wide ? PHDR : PHDR32;
	if (read_at(elf, at, p, want) < want)
		return vds_error_create(VDS_ERROR_FORMAT,
					"ELF program header at offset 0x%llx can't be read",
					(unsigned long long)at);
	struct segment s = elf->wide ? (struct segment){
		.type = vds_le32(p), .offset = vds_le64(p + 8),
		.paddr = vds_le64(p + 24), .filesz = vds_le64(p + 32),
		.memsz = vds_le64(p + 40),
	} : (struct segment){
		.type = vds_le32(p), .offset = vds_le32(p + 4),
		.paddr = vds_le32(p + 12), .filesz = vds_le32(p + 16),
		.memsz = vds_le32(p + 20),
	};
	struct vds_error *err = NULL;
	if (s.type == PT_LOAD)
		err = add_load(elf, &s);
	else if (s.type == PT_NOTE)
		err = read_notes(elf, &s);
	return vds_error_prefix(err, "ELF program header at offset 0x%llx",
				(unsigned long long)at);
}

struct vds_error *vds_elf_open_at(struct vds_image *image, uint64_t base,
				  uint64_t size)
{
	struct elf elf = {.image = image, .base = base, .size = size};
	struct vds_error *err = read_ehdr(&elf);
	for (uint32_t i = 0; !err && i < elf.phnum; i++)
		err = read_segment(&elf, i);
	if (err)
		return err;
	if (elf.lost && !image->num_ranges)
		return vds_error_create(VDS_ERROR_NOT_AN_IMAGE,
					"the ELF core ends at offset 0x%llx, before any of its memory: 0x%llx bytes are missing",
					(unsigned long long)elf.size,
					(unsigned long long)elf.lost);
	if (elf.lost)
		vds_note(&image->notes, "elf_truncated", elf.size,
			 "the ELF core ends at offset 0x%llx, 0x%llx bytes too early; those are absent",
			 (unsigned long long)elf.size,
			 (unsigned long long)elf.lost);
	if (!image->num_ranges)
		return vds_error_create(VDS_ERROR_NOT_AN_IMAGE,
					"ELF core without any memory: none of its %u program headers has content",
					elf.phnum);
	return NULL;
}

static struct vds_error *elf_open(struct vds_image *image)
{
	return vds_elf_open_at(image, 0, vds_file_size(image->file));
}

const struct vds_image_format vds_format_elf = {
	.name = "elf",
	.summary = "ELF core of a machine (QEMU, VirtualBox, pmem)",
	.probe = elf_probe,
	.open = elf_open,
};
