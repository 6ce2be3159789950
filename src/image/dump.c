/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Windows crash dumps: header, hints, and the full form (type 1). Offsets are
 * those of _DUMP_HEADER and _DUMP_HEADER64 as published in kdmp-parser's
 * structs and Volatility 3's crash.json and crash64.json.
 */
#include "image/dump.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/util.h"

enum dump_type {
	DUMP_FULL = 1,
	DUMP_SUMMARY = 2,
	DUMP_TRIAGE = 4,
	DUMP_BITMAP_FULL = 5,
	DUMP_BITMAP_KERNEL = 6,
	DUMP_AUTOMATIC = 7,
	DUMP_RUNS_KERNEL = 8,
	DUMP_RUNS_KERNEL_USER = 9,
	DUMP_RUNS_COMPLETE = 10,
};

static const struct {
	uint32_t type;
	const char *name;
	struct vds_error *(*open)(struct vds_dump *dump);
} types[] = {
	/* DUMP_FULL is opened in this file. */
	{DUMP_SUMMARY, "kernel summary", vds_dump_open_bitmap},
	{DUMP_TRIAGE, "triage", vds_dump_open_triage},
	{DUMP_BITMAP_FULL, "bitmap full", vds_dump_open_bitmap},
	{DUMP_BITMAP_KERNEL, "bitmap kernel", vds_dump_open_bitmap},
	{DUMP_AUTOMATIC, "automatic", vds_dump_open_bitmap},
	{DUMP_RUNS_KERNEL, "kernel", vds_dump_open_runs},
	{DUMP_RUNS_KERNEL_USER, "kernel and user", vds_dump_open_runs},
	{DUMP_RUNS_COMPLETE, "complete", vds_dump_open_runs},
};

/* Where the fields lie in the two forms of the header. */
struct layout {
	uint16_t cr3, module_list, process_head, machine, cpus, bugcheck, kdbg;
	uint16_t parameters;	/* of the bug check, four pointers */
	uint16_t memory;	/* physical memory descriptor */
	uint16_t comment, type, system_time, uptime;
	uint16_t max_runs;	/* that fit before the context record */
};

static const struct layout layout32 = {
	.cr3 = 0x10, .module_list = 0x18, .process_head = 0x1c,
	.machine = 0x20, .cpus = 0x24, .bugcheck = 0x28, .parameters = 0x2c,
	.kdbg = 0x60, .memory = 0x64, .comment = 0x820, .type = 0xf88,
	.system_time = 0xfc0, .uptime = 0xfb8, .max_runs = 86,
};

static const struct layout layout64 = {
	.cr3 = 0x10, .module_list = 0x20, .process_head = 0x28,
	.machine = 0x30, .cpus = 0x34, .bugcheck = 0x38, .parameters = 0x40,
	.kdbg = 0x80, .memory = 0x88, .comment = 0xfb0, .type = 0xf98,
	.system_time = 0xfa8, .uptime = 0x1030, .max_runs = 42,
};

static const struct layout *layout_of(const struct vds_dump *dump)
{
	return dump->wide ? &layout64 : &layout32;
}

/* A field of pointer size; false if the writer left it unset or zero. */
static bool get_pointer(const struct vds_dump *dump, uint16_t at, uint64_t *ret)
{
	uint64_t v = vds_le(dump->header + at, dump->wide ? 8 : 4);
	if (!v || v == (dump->wide ? VDS_DUMP_UNSET64 : VDS_DUMP_UNSET32))
		return false;
	*ret = v;
	return true;
}

static void read_bugcheck(const struct vds_dump *dump,
			  struct vds_image_hints *hints)
{
	const struct layout *l = layout_of(dump);
	size_t word = dump->wide ? 8 : 4;
	hints->bugcheck = vds_le32(dump->header + l->bugcheck);
	hints->has_bugcheck = hints->bugcheck != VDS_DUMP_UNSET32;
	for (size_t i = 0; i < 4; i++)
		hints->bugcheck_parameters[i] = vds_le(
			dump->header + l->parameters + i * word, word);
}

static void read_hints(const struct vds_dump *dump)
{
	const struct layout *l = layout_of(dump);
	struct vds_image_hints *hints = &dump->image->hints;
	hints->has_dtb = get_pointer(dump, l->cr3, &hints->dtb);
	hints->has_kdbg = get_pointer(dump, l->kdbg, &hints->kdbg);
	hints->has_module_list = get_pointer(dump, l->module_list,
					     &hints->module_list);
	hints->has_process_head = get_pointer(dump, l->process_head,
					      &hints->process_head);
	uint32_t build = vds_le32(dump->header + 0xc);
	if (build != VDS_DUMP_UNSET32)
		hints->build = build & 0xffff;
	uint32_t machine = vds_le32(dump->header + l->machine);
	if (machine <= UINT16_MAX)
		hints->machine = (uint16_t)machine;
	uint64_t time = vds_le64(dump->header + l->system_time);
	if (time != VDS_DUMP_UNSET64)
		hints->system_time = time;
	uint64_t uptime = vds_le64(dump->header + l->uptime);
	if (uptime != VDS_DUMP_UNSET64)
		hints->uptime = uptime;
	uint32_t cpus = vds_le32(dump->header + l->cpus);
	if (cpus != VDS_DUMP_UNSET32)
		hints->processors = cpus;
	read_bugcheck(dump, hints);
}

static VDS_PRINTF(3, 4) struct vds_error *
put_meta(struct vds_image *image, const char *key, const char *format, ...)
{
	char text[128];
	va_list ap;
	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	return vds_image_add_meta(image, key, text);
}

static struct vds_error *put_uptime(struct vds_image *image, uint64_t uptime)
{
	uint64_t s = uptime / 10000000;
	return put_meta(image, "uptime", "%llu days %02u:%02u:%02u",
			(unsigned long long)(s / 86400),
			(unsigned int)(s / 3600 % 24),
			(unsigned int)(s / 60 % 60), (unsigned int)(s % 60));
}

/* What the header says of the machine and the crash, in words. */
static struct vds_error *read_meta(const struct vds_dump *dump)
{
	const struct layout *l = layout_of(dump);
	const struct vds_image_hints *hints = &dump->image->hints;
	struct vds_image *image = dump->image;
	const uint64_t *p = hints->bugcheck_parameters;
	struct vds_error *err = NULL;
	char text[129];
	if (hints->build)
		err = put_meta(image, "build", "%u", hints->build);
	if (!err && hints->machine)
		err = put_meta(image, "machine", "0x%04x", hints->machine);
	if (!err && hints->processors)
		err = put_meta(image, "processors", "%u", hints->processors);
	if (!err && hints->has_bugcheck)
		err = put_meta(image, "bugcheck", "0x%08x", hints->bugcheck);
	if (!err && hints->has_bugcheck)
		err = put_meta(image, "bugcheck_parameters",
			       "0x%llx 0x%llx 0x%llx 0x%llx",
			       (unsigned long long)p[0],
			       (unsigned long long)p[1],
			       (unsigned long long)p[2],
			       (unsigned long long)p[3]);
	if (!err && hints->has_dtb)
		err = put_meta(image, "cr3", "0x%llx",
			       (unsigned long long)hints->dtb);
	if (!err && hints->uptime)
		err = put_uptime(image, hints->uptime);
	if (!err && !dump->wide && dump->header[0x5c] <= 1)
		err = vds_image_add_meta(image, "pae", dump->header[0x5c] ?
						       "yes" : "no");
	memcpy(text, dump->header + l->comment, 128);
	text[128] = 0;
	if (!err && text[0] && strncmp(text, "PAGE", 4))
		err = vds_image_add_meta(image, "comment", text);
	return err;
}

struct vds_error *vds_dump_add_pages(struct vds_dump *dump, uint64_t pfn,
				     uint64_t count, uint64_t source)
{
	const uint64_t max_pfn = VDS_PA_LIMIT >> VDS_PAGE_SHIFT;
	if (pfn > max_pfn || count > max_pfn - pfn)
		return vds_error_create(VDS_ERROR_FORMAT,
					"page run 0x%llx, length 0x%llx: beyond the 52 bits of a physical address",
					(unsigned long long)pfn,
					(unsigned long long)count);
	uint64_t room = source < dump->size ? dump->size - source : 0;
	uint64_t len = VDS_MIN(count << VDS_PAGE_SHIFT, room);
	dump->lost += count - (len >> VDS_PAGE_SHIFT);
	return vds_image_add_range(dump->image, pfn << VDS_PAGE_SHIFT, len,
				   source, VDS_RANGE_DATA);
}

/* The runs' pages follow the header in the order of the runs. */
static struct vds_error *open_full(struct vds_dump *dump)
{
	const struct layout *l = layout_of(dump);
	const uint8_t *desc = dump->header + l->memory;
	size_t word = dump->wide ? 8 : 4;
	uint32_t runs = vds_le32(desc);
	uint64_t pages = vds_le(desc + word, word), sum = 0;
	uint64_t source = dump->header_size;
	if (runs == VDS_DUMP_UNSET32)
		return vds_error_create(VDS_ERROR_FORMAT,
					"crash dump header: physical memory descriptor at offset 0x%x is not set, and a full dump can't be read without it",
					l->memory);
	if (!runs || runs > l->max_runs)
		return vds_error_create(VDS_ERROR_FORMAT,
					"crash dump header: NumberOfRuns at offset 0x%x is %u, not 1 to %u",
					l->memory, runs, l->max_runs);
	for (uint32_t i = 0; i < runs; i++) {
		const uint8_t *run = desc + 2 * word * (i + 1);
		uint64_t count = vds_le(run + word, word);
		struct vds_error *err = vds_dump_add_pages(
			dump, vds_le(run, word), count, source);
		if (err)
			return vds_error_prefix(err, "crash dump run %u at offset 0x%zx",
						i, l->memory +
						2 * word * ((size_t)i + 1));
		source += count << VDS_PAGE_SHIFT;	/* < 2^58 */
		sum += count;
	}
	if (sum != pages)
		vds_note(&dump->image->notes, "dump_page_count", 0,
			 "crash dump header: NumberOfPages is 0x%llx, but the runs sum up to 0x%llx",
			 (unsigned long long)pages, (unsigned long long)sum);
	return NULL;
}

static struct vds_error *open_type(struct vds_dump *dump)
{
	const char *bits = dump->wide ? "64-bit" : "32-bit";
	struct vds_error *(*open)(struct vds_dump *) = NULL;
	const char *name = "full";
	if (dump->type == DUMP_FULL)
		open = open_full;
	for (size_t i = 0; i < VDS_ARRAY_SIZE(types); i++) {
		if (types[i].type == dump->type) {
			name = types[i].name;
			open = types[i].open;
		}
	}
	if (!open)
		return vds_error_create(VDS_ERROR_UNSUPPORTED,
					"crash dump header: DumpType at offset 0x%x is %u, which is not supported (1, 2 and 4 to 10 are)",
					layout_of(dump)->type, dump->type);
	dump->image->dialect = vds_arena_printf(&dump->image->arena, "%s %s",
						bits, name);
	if (!dump->image->dialect)
		return &vds_enomem;
	return open(dump);
}

static bool dump_probe(const struct vds_file *file, const uint8_t *head,
		       size_t len)
{
	(void)file;
	return len >= 8 && (!memcmp(head, "PAGEDU64", 8) ||
			    !memcmp(head, "PAGEDUMP", 8));
}

static struct vds_error *read_dump_header(struct vds_dump *dump)
{
	size_t n = vds_file_pread(dump->image->file, 0, dump->header,
				  VDS_DUMP_HEADER64);
	if (n < 8 || (memcmp(dump->header, "PAGEDU64", 8) &&
		      memcmp(dump->header, "PAGEDUMP", 8)))
		return vds_error_create(VDS_ERROR_NOT_MINE, "no dump");
	dump->wide = dump->header[6] == '6';
	dump->header_size = dump->wide ? VDS_DUMP_HEADER64 : VDS_DUMP_HEADER32;
	if (n < dump->header_size)
		return vds_error_create(VDS_ERROR_FORMAT,
					"crash dump header: the file ends at offset 0x%zx, before the header does (0x%llx)",
					n,
					(unsigned long long)dump->header_size);
	dump->type = vds_le32(dump->header + layout_of(dump)->type);
	return NULL;
}

static struct vds_error *dump_open(struct vds_image *image)
{
	struct vds_dump dump = {.image = image,
				.size = vds_file_size(image->file)};
	struct vds_error *err = read_dump_header(&dump);
	if (err)
		return err;
	read_hints(&dump);
	err = read_meta(&dump);
	if (!err)
		err = open_type(&dump);
	if (!err && dump.lost)
		vds_note(&image->notes, "dump_truncated", dump.size,
			 "the crash dump ends at offset 0x%llx, 0x%llx pages too early; those are absent",
			 (unsigned long long)dump.size,
			 (unsigned long long)dump.lost);
	return err;
}

const struct vds_image_format vds_format_dump = {
	.name = "crashdump",
	.summary = "Windows crash dump (full, bitmap, kernel, triage; 32 and 64 bit)",
	.probe = dump_probe,
	.open = dump_open,
};
