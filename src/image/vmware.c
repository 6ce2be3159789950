/* SPDX-License-Identifier: Apache-2.0 */
/*
 * VMware: the guest's memory lies in a .vmem file, or inside of the .vmss
 * (suspend) or .vmsn (snapshot) file itself; the latter say where it belongs.
 * Their tags are described by Volatility 2's vmware.py and LeechCore.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/str.h"
#include "base/util.h"
#include "image/format.h"

#define HEADER 12
#define GROUP 80
#define MAX_GROUPS 4096
#define MAX_TAGS ((size_t)1 << 20)
#define MAX_REGIONS 64
#define MAX_CPUS 4096
/* Where x86 chipsets leave a hole for devices, and what lay there goes up. */
#define HOLE_START (UINT64_C(3) << 30)

struct region {
	bool has_ppn, has_page, has_size;
	uint32_t ppn;		/* guest page frame */
	uint32_t page;		/* page in the file */
	uint32_t size;		/* pages */
};

struct vmware {
	struct vds_image *image;
	const struct vds_file *meta;	/* .vmss or .vmsn */
	bool wide;			/* long sizes have 8 bytes */
	size_t tags;			/* seen so far */
	uint32_t regions_count;
	struct region regions[MAX_REGIONS];
	bool embedded;			/* memory is in the meta file */
	uint64_t memory, memory_len;	/* there */
	uint64_t *cr3s;
	size_t num_cr3s;
};

/* One tag; positions are offsets of the meta file. */
struct tag {
	char name[256];
	unsigned int num_indices;
	uint32_t index[3];
	bool compressed;
	uint64_t data, len;
	uint64_t next;
};

static struct vds_error *cut_short(uint64_t at)
{
	return vds_error_create(VDS_ERROR_FORMAT,
				"VMware tag at offset 0x%llx goes beyond the end of the file",
				(unsigned long long)at);
}

/* Sizes 62 and 63 announce: size on disk, size in memory, padding, data. */
static bool long_size(const struct vmware *vm, struct vds_bytes *b,
		      struct tag *tag)
{
	tag->len = vm->wide ? vds_bytes_u64(b) : vds_bytes_u32(b);
	if (vm->wide)
		vds_bytes_u64(b);
	else
		vds_bytes_u32(b);
	uint16_t padding = vds_bytes_u16(b);
	tag->data += (vm->wide ? 18 : 10) + (uint64_t)padding;
	return !b->failed;
}

/* Reads the tag at @at; *ret_last if it is the end of its group. */
static struct vds_error *read_tag(const struct vmware *vm, uint64_t at,
				  struct tag *tag, bool *ret_last)
{
	uint8_t raw[2 + 255 + 12 + 18];
	struct vds_bytes b;
	size_t n = vds_file_pread(vm->meta, at, raw, sizeof(raw));
	vds_bytes_init(&b, raw, n);
	uint8_t flags = vds_bytes_u8(&b), namelen = vds_bytes_u8(&b);
	*ret_last = !b.failed && !flags && !namelen;
	if (*ret_last)
		return NULL;
	const uint8_t *name = vds_bytes_take(&b, namelen);
	*tag = (struct tag){.num_indices = flags >> 6, .len = flags & 0x3f};
	for (unsigned int i = 0; i < tag->num_indices; i++)
		tag->index[i] = vds_bytes_u32(&b);
	tag->data = at + b.pos;
	tag->compressed = tag->len == 63;
	if (tag->len >= 62 && !long_size(vm, &b, tag))
		return cut_short(at);
	if (b.failed || !name)
		return cut_short(at);
	memcpy(tag->name, name, namelen);
	/* The data itself may be cut: what is there is used. */
	if (!vds_add_u64(tag->data, tag->len, &tag->next))
		return cut_short(at);
	return NULL;
}

static uint64_t tag_value(const struct vmware *vm, const struct tag *tag)
{
	uint8_t raw[8] = {0};
	size_t want = (size_t)VDS_MIN(tag->len, 8);
	if (!want || vds_file_pread(vm->meta, tag->data, raw, want) < want)
		return 0;
	return vds_le(raw, want);
}

static struct vds_error *memory_tag(struct vmware *vm, const struct tag *tag)
{
	uint32_t value = (uint32_t)tag_value(vm, tag);
	if (!strcmp(tag->name, "regionsCount")) {
		vm->regions_count = value;
		if (value > MAX_REGIONS)
			return vds_error_create(VDS_ERROR_FORMAT,
						"VMware regionsCount at offset 0x%llx is %u, more than %u",
						(unsigned long long)tag->data,
						value, MAX_REGIONS);
	} else if (!strcmp(tag->name, "Memory")) {
		if (tag->compressed)
			return vds_error_create(VDS_ERROR_UNSUPPORTED,
						"VMware tag Memory at offset 0x%llx is compressed; take a snapshot with a separate .vmem file",
						(unsigned long long)tag->data);
		vm->embedded = true;
		vm->memory = tag->data;
		vm->memory_len = tag->len;
	}
	if (tag->num_indices != 1 || tag->index[0] >= MAX_REGIONS)
		return NULL;
	struct region *region = &vm->regions[tag->index[0]];
	if (!strcmp(tag->name, "regionPPN")) {
		region->ppn = value;
		region->has_ppn = true;
	} else if (!strcmp(tag->name, "regionPageNum")) {
		region->page = value;
		region->has_page = true;
	} else if (!strcmp(tag->name, "regionSize")) {
		region->size = value;
		region->has_size = true;
	}
	return NULL;
}

/* CR64[cpu][3] and [4]: the page tables of each CPU. */
static struct vds_error *cpu_tag(struct vmware *vm, const struct tag *tag)
{
	struct vds_image_hints *hints = &vm->image->hints;
	if (strcmp(tag->name, "CR64") || tag->num_indices != 2)
		return NULL;
	uint64_t value = tag_value(vm, tag);
	if (tag->index[1] == 4 && !tag->index[0]) {
		hints->has_la57 = true;
		hints->la57 = value >> 12 & 1;
	}
	if (tag->index[1] != 3 || !value || vm->num_cr3s == MAX_CPUS)
		return NULL;
	if (!vm->cr3s)
		vm->cr3s = vds_arena_calloc(&vm->image->arena, MAX_CPUS,
					    sizeof(*vm->cr3s));
	if (!vm->cr3s)
		return &vds_enomem;
	vm->cr3s[vm->num_cr3s++] = value;
	hints->cr3s = vm->cr3s;
	hints->num_cr3s = vm->num_cr3s;
	if (!hints->has_dtb) {
		hints->has_dtb = true;
		hints->dtb = value;
	}
	return NULL;
}

static struct vds_error *read_group(struct vmware *vm, const char *name,
				    uint64_t at)
{
	struct vds_error *(*use)(struct vmware *, const struct tag *) =
		!strcmp(name, "memory") ? memory_tag :
		!strcmp(name, "cpu") ? cpu_tag : NULL;
	bool last = false;
	struct vds_error *err = NULL;
	while (use && !err && !last) {
		struct tag tag;
		if (vm->tags++ >= MAX_TAGS)
			return vds_error_create(VDS_ERROR_FORMAT,
						"VMware group \"%s\": more than %zu tags",
						name, MAX_TAGS);
		err = read_tag(vm, at, &tag, &last);
		if (err || last)
			break;
		err = use(vm, &tag);
		at = tag.next;
	}
	return err;
}

static bool is_meta_magic(uint32_t magic)
{
	return magic == 0xbed2bed2 || magic == 0xbed3bed3 ||
	       magic == 0xbad1bad1 || magic == 0xbed2bed0;
}

static struct vds_error *read_meta(struct vmware *vm)
{
	uint8_t h[HEADER], g[GROUP];
	if (vds_file_pread(vm->meta, 0, h, HEADER) < HEADER ||
	    !is_meta_magic(vds_le32(h)))
		return vds_error_create(VDS_ERROR_NOT_MINE, "no VMware state");
	uint32_t groups = vds_le32(h + 8);
	vm->wide = h[0] & 0xf;
	if (groups > MAX_GROUPS)
		return vds_error_create(VDS_ERROR_FORMAT,
					"VMware header: number of groups at offset 0x8 is %u, more than %u",
					groups, MAX_GROUPS);
	for (uint32_t i = 0; i < groups; i++) {
		char name[65] = "";
		uint64_t at = HEADER + (uint64_t)i * GROUP;
		if (vds_file_pread(vm->meta, at, g, GROUP) < GROUP)
			return vds_error_create(VDS_ERROR_FORMAT,
						"VMware group at offset 0x%llx goes beyond the end of the file",
						(unsigned long long)at);
		memcpy(name, g, 64);
		struct vds_error *err = read_group(vm, name, vds_le64(g + 64));
		if (err)
			return vds_error_prefix(err, "group \"%s\"", name);
	}
	return NULL;
}

/* Adds [file, file + len) at @pa, as far as the file holds it. */
static struct vds_error *add_clipped(struct vmware *vm, uint64_t pa,
				     uint64_t source, uint64_t len,
				     uint64_t size)
{
	uint64_t have = source < size ? VDS_MIN(len, size - source) : 0;
	if (have < len)
		vds_note(&vm->image->notes, "vmware_truncated", pa,
			 "VMware memory at physical 0x%llx, file offset 0x%llx: only 0x%llx of 0x%llx bytes are there; the rest is absent",
			 (unsigned long long)pa, (unsigned long long)source,
			 (unsigned long long)have, (unsigned long long)len);
	return vds_image_add_range(vm->image, pa, have, source, VDS_RANGE_DATA);
}

static struct vds_error *check_overlap(const struct vmware *vm)
{
	for (uint32_t i = 0; i < vm->regions_count; i++) {
		const struct region *a = &vm->regions[i];
		for (uint32_t k = 0; k < i; k++) {
			const struct region *b = &vm->regions[k];
			if (a->ppn < (uint64_t)b->ppn + b->size &&
			    b->ppn < (uint64_t)a->ppn + a->size)
				return vds_error_create(VDS_ERROR_FORMAT,
							"VMware regions %u (page frame 0x%x, 0x%x pages) and %u (0x%x, 0x%x) overlap",
							k, b->ppn, b->size, i,
							a->ppn, a->size);
		}
	}
	return NULL;
}

/* @base: where page 0 lies in image->file, of which @size bytes are memory. */
static struct vds_error *add_regions(struct vmware *vm, uint64_t base,
				     uint64_t size)
{
	uint64_t end = vds_file_size(vm->image->file);
	struct vds_error *err = NULL;
	if (!vm->regions_count)
		return add_clipped(vm, 0, base, size, end);
	for (uint32_t i = 0; i < vm->regions_count; i++) {
		const struct region *r = &vm->regions[i];
		if (!r->has_ppn || !r->has_page || !r->has_size)
			return vds_error_create(VDS_ERROR_FORMAT,
						"VMware region %u of %u: tag %s is missing",
						i, vm->regions_count,
						!r->has_ppn ? "regionPPN" :
						!r->has_page ? "regionPageNum" :
							       "regionSize");
	}
	err = check_overlap(vm);
	for (uint32_t i = 0; !err && i < vm->regions_count; i++) {
		const struct region *r = &vm->regions[i];
		err = add_clipped(vm, (uint64_t)r->ppn << VDS_PAGE_SHIFT,
				  base + ((uint64_t)r->page << VDS_PAGE_SHIFT),
				  (uint64_t)r->size << VDS_PAGE_SHIFT, end);
	}
	return err;
}

static bool has_suffix(const char *path, const char *suffix)
{
	size_t n = strlen(path), k = strlen(suffix);
	return n > k && vds_streq_nocase(path + n - k, suffix);
}

/*
 * The file beside @path with the same stem and @suffix, in any case of
 * letters; *ret is malloc'ed, NULL if there is none.
 */
static struct vds_error *find_sibling(const char *path, const char *suffix,
				      char **ret)
{
	const char *slash = strrchr(path, '/');
	const char *base = slash ? slash + 1 : path;
	size_t stem = strlen(base) - 5;	/* ".vmem", ".vmss", ".vmsn" */
	_cleanup_free_ char *dir =
		slash ? strndup(path, (size_t)(base - path)) : strdup("./");
	_cleanup_free_ char *wanted = NULL;
	*ret = NULL;
	if (asprintf(&wanted, "%.*s%s", (int)stem, base, suffix) < 0)
		wanted = NULL;
	if (!dir || !wanted)
		return &vds_enomem;
	DIR *d = opendir(dir);
	struct dirent *entry;
	/* Case variants beside each other: the first in byte order. */
	_cleanup_free_ char *best = NULL;
	while (d && (entry = readdir(d))) {
		if (!vds_streq_nocase(entry->d_name, wanted) ||
		    (best && strcmp(best, entry->d_name) <= 0))
			continue;
		free(best);
		best = strdup(entry->d_name);
	}
	if (d)
		closedir(d);
	if (best && asprintf(ret, "%s%s", dir, best) < 0)
		return &vds_enomem;
	return NULL;
}

/* No .vmss or .vmsn: the memory is where the file's offsets say. */
static struct vds_error *open_bare(struct vmware *vm)
{
	uint64_t size = vds_file_size(vm->image->file);
	vm->image->dialect = "vmem alone";
	if (size > HOLE_START)
		vds_note(&vm->image->notes, "vmem_without_vmss", 0,
			 "no .vmss or .vmsn file beside this .vmem of more than 3 GiB: addresses from 0xc0000000 on are probably wrong; copy that file here as well");
	return add_regions(vm, 0, size);
}

static struct vds_error *open_vmem(struct vmware *vm)
{
	static const char *const suffixes[] = {".vmss", ".vmsn"};
	for (size_t i = 0; i < VDS_ARRAY_SIZE(suffixes); i++) {
		_cleanup_free_ char *path = NULL;
		struct vds_file *meta;
		struct vds_error *err = find_sibling(vm->image->path,
						     suffixes[i], &path);
		if (err)
			return err;
		if (!path)
			continue;
		err = vds_file_open(path, &meta);
		if (err)
			return err;
		vm->meta = meta;
		err = read_meta(vm);
		vds_file_close(meta);
		if (vds_error_catch(err, VDS_ERROR_NOT_MINE)) {
			vds_note(&vm->image->notes, "vmem_state_unknown", 0,
				 "%s: no VMware state by its first bytes: not used",
				 path);
			continue;
		}
		if (err)
			return vds_error_prefix(err, "%s", path);
		vm->image->dialect = i ? "vmem + vmsn" : "vmem + vmss";
		return add_regions(vm, 0, vds_file_size(vm->image->file));
	}
	return open_bare(vm);
}

/* A .vmss or .vmsn was given: its memory is inside, or in the .vmem. */
static struct vds_error *open_state(struct vmware *vm)
{
	_cleanup_free_ char *path = NULL;
	struct vds_file *vmem;
	vm->meta = vm->image->file;
	struct vds_error *err = read_meta(vm);
	if (err)
		return err;
	if (vm->embedded) {
		vm->image->dialect = "state with memory";
		return add_regions(vm, vm->memory, vm->memory_len);
	}
	if (has_suffix(vm->image->path, ".vmss") ||
	    has_suffix(vm->image->path, ".vmsn"))
		err = find_sibling(vm->image->path, ".vmem", &path);
	if (err)
		return err;
	if (!path)
		return vds_error_create(VDS_ERROR_NOT_AN_IMAGE,
					"VMware state without memory, and no .vmem file of the same name beside it");
	err = vds_file_open(path, &vmem);
	if (err)
		return err;
	vds_image_replace_file(vm->image, vmem);
	vm->image->dialect = "vmem + state";
	return add_regions(vm, 0, vds_file_size(vmem));
}

static bool vmware_probe(const struct vds_file *file, const uint8_t *head,
			 size_t len)
{
	return (len >= 4 && is_meta_magic(vds_le32(head))) ||
	       has_suffix(vds_file_path(file), ".vmem");
}

static struct vds_error *vmware_open(struct vds_image *image)
{
	struct vmware *vm = calloc(1, sizeof(*vm));
	uint8_t magic[4];
	if (!vm)
		return &vds_enomem;
	vm->image = image;
	bool state = vds_file_pread(image->file, 0, magic, 4) == 4 &&
		     is_meta_magic(vds_le32(magic));
	struct vds_error *err;
	if (state)
		err = open_state(vm);
	else if (has_suffix(image->path, ".vmem"))
		err = open_vmem(vm);
	else
		err = vds_error_create(VDS_ERROR_NOT_MINE, "not VMware");
	free(vm);
	return err;
}

const struct vds_image_format vds_format_vmware = {
	.name = "vmware",
	.summary = "VMware .vmem with .vmss or .vmsn beside it, or either alone",
	.probe = vmware_probe,
	.open = vmware_open,
};
