/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ldrmodules: the images that the kernel mapped (image VADs) against the three
 * lists of the process's loader, and those of the 32-bit loader that a WoW64
 * process has besides. An image in none of them was mapped or hidden
 * behind the loader's back; an entry without an image VAD names memory that is
 * no image, or is gone.
 */
#include <stdlib.h>
#include <string.h>

#include <vadose/columns.h>
#include <vadose/module.h>
#include <vadose/pe.h>
#include <vadose/plugin.h>
#include <vadose/section.h>

enum {
	COL_PID,
	COL_PROCESS,
	COL_EPROCESS,
	COL_BASE,
	COL_IN_LOAD,
	COL_IN_MEMORY,
	COL_IN_INIT,
	COL_LOADER,
	COL_MAPPED,
	COL_FILE,
	COL_PATH,
	COL_MAIN,
	COL_SAME_NAME,
	COL_END,
	COL_SIZE,
	COL_NODE,
	COL_ENTRY,
	NUM_COLS,
};

#define KEY VDS_COLUMN_KEY
#define WIDE VDS_COLUMN_WIDE

static const struct vds_column columns[NUM_COLS] = {
	[COL_PID] = VDS_COL_PID(0),
	[COL_PROCESS] = VDS_COL_PROCESS(0),
	[COL_EPROCESS] = VDS_COL_EPROCESS(KEY | WIDE),
	[COL_BASE] = {"module.base", VDS_KIND_ADDR, KEY, "Base", NULL, "first byte of the image", NULL},
	[COL_IN_LOAD] = {"module.in_load", VDS_KIND_BOOL, 0, "InLoad", NULL, "in InLoadOrderModuleList", NULL},
	[COL_IN_MEMORY] = {"module.in_memory", VDS_KIND_BOOL, 0, "InMem", NULL, "in InMemoryOrderModuleList", NULL},
	[COL_IN_INIT] = {"module.in_init", VDS_KIND_BOOL, 0, "InInit", NULL, "in InInitializationOrderModuleList, where the program itself never is", NULL},
	[COL_LOADER] = {"module.loader", VDS_KIND_FLAGS, 0, "Loader", NULL, "whose lists have it: native, and wow64 (the 32-bit loader's)", NULL},
	[COL_MAPPED] = {"module.mapped", VDS_KIND_BOOL, 0, "Mapped", NULL, "an image VAD begins there", NULL},
	[COL_FILE] = {"section.file", VDS_KIND_STR, 0, "Mapped file", NULL, "file behind the image VAD, by the kernel", "file.path"},
	[COL_PATH] = {"module.path", VDS_KIND_STR, 0, "Listed path", NULL, "FullDllName, by the loader", "dll.path"},
	[COL_MAIN] = {"module.main", VDS_KIND_BOOL, WIDE, "Main", NULL, "the program itself: EPROCESS.SectionBaseAddress", NULL},
	[COL_SAME_NAME] = {"module.same_name", VDS_KIND_BOOL, WIDE, "Same name", NULL, "the mapped file and the listed path end in the same file name", NULL},
	[COL_END] = VDS_COL_VAD_END(WIDE),
	[COL_SIZE] = {"module.size", VDS_KIND_SIZE, WIDE, "Size", "bytes", "SizeOfImage, by the loader", NULL},
	[COL_NODE] = VDS_COL_VAD_NODE(KEY | WIDE),
	[COL_ENTRY] = {"module.entry", VDS_KIND_ADDR, KEY | WIDE, "Entry", NULL, "address of the LDR_DATA_TABLE_ENTRY", NULL},
};

/* Whose lists have an image, as bits. */
#define NATIVE 1u
#define WOW64 2u

struct entry {
	const struct vds_module *module;
	unsigned int loader;
};

struct context {
	struct vds_run *run;
	const struct vds_process *process;
	struct vds_modules native, wow64;
	struct entry *by_base;			/* those with a base */
	size_t count;
	bool *mapped;				/* of by_base */
};

static int compare(const void *pa, const void *pb)
{
	const struct entry *a = pa, *b = pb;

	if (a->module->base != b->module->base)
		return a->module->base < b->module->base ? -1 : 1;
	if (a->loader != b->loader)
		return a->loader < b->loader ? -1 : 1;
	if (a->module->entry != b->module->entry)
		return a->module->entry < b->module->entry ? -1 : 1;
	return 0;
}

static void add_modules(struct context *c, const struct vds_modules *modules,
			unsigned int loader)
{
	for (size_t i = 0; i < modules->count; i++) {
		if (!modules->list[i].base_why)
			c->by_base[c->count++] = (struct entry){
				&modules->list[i], loader};
	}
}

static bool index_modules(struct context *c)
{
	size_t count = c->native.count + c->wow64.count;

	c->by_base = vds_alloc(c->run, count + 1, sizeof(*c->by_base));
	c->mapped = vds_alloc(c->run, count + 1, sizeof(*c->mapped));
	if (!c->by_base || !c->mapped)
		return false;
	add_modules(c, &c->native, NATIVE);
	add_modules(c, &c->wow64, WOW64);
	qsort(c->by_base, c->count, sizeof(*c->by_base), compare);
	return true;
}

/* The first entry with that base, or count. */
static size_t find(const struct context *c, uint64_t base)
{
	size_t low = 0, high = c->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (c->by_base[mid].module->base < base)
			low = mid + 1;
		else
			high = mid;
	}
	return low < c->count && c->by_base[low].module->base == base ? low : c->count;
}

static const char *last_part(const char *path)
{
	const char *slash = strrchr(path, '\\');

	return slash ? slash + 1 : path;
}

struct image {
	const struct vds_process *process;
	uint64_t base;
};

static enum vds_why read_image(void *ctx, uint32_t rva, void *buf, size_t len)
{
	const struct image *image = ctx;

	return vds_process_read(image->process, image->base + rva, buf, len);
}

/*
 * The header of an image says whose it is; without one its place does, though
 * Windows 7 has 64-bit libraries below 4 GB, too.
 */
static bool is_32_bit(const struct vds_process *process, uint64_t base)
{
	struct image image = {process, base};
	struct vds_pe pe;

	if (!process->wow64 || base > UINT32_MAX)
		return false;
	return vds_pe_parse(read_image, &image, &pe) || !pe.is_64;
}

/*
 * Not found in a list that was read to its end: it isn't there. In one that
 * broke off it may be. 32-bit images of a WoW64 process are to be in the lists
 * of the 32-bit loader.
 */
static struct vds_value in_list(const struct context *c, uint32_t lists,
				size_t which, uint64_t base)
{
	enum vds_why why = c->native.why[which];

	if (lists & 1u << which)
		return vds_bool(true);
	if (!why && c->wow64.why[which] && is_32_bit(c->process, base))
		why = c->wow64.why[which];
	return vds_or(why, vds_bool(false));
}

static void fill_lists(const struct context *c, uint32_t lists,
		       unsigned int loaders, uint64_t base,
		       struct vds_value *v)
{
	static const char *const words[] = {NULL, "native", "wow64",
					    "native wow64"};

	v[COL_LOADER] = vds_flags(words[loaders]);
	v[COL_PID] = vds_int(c->process->pid);
	v[COL_PROCESS] = vds_or(c->process->name_why,
				vds_str(c->process->name));
	v[COL_EPROCESS] = vds_addr(c->process->eprocess);
	v[COL_BASE] = vds_addr(base);
	v[COL_IN_LOAD] = in_list(c, lists, 0, base);
	v[COL_IN_MEMORY] = in_list(c, lists, 1, base);
	v[COL_IN_INIT] = in_list(c, lists, 2, base);
	v[COL_MAIN] = vds_bool(base == c->process->image_base);
}

static void fill_module(const struct vds_module *m, struct vds_value *v)
{
	v[COL_PATH] = vds_or(m->path_why, vds_str(m->path));
	v[COL_SIZE] = vds_or(m->size_why, vds_size(m->size));
	v[COL_ENTRY] = vds_addr(m->entry);
}

static struct vds_error *emit_image(struct context *c,
				    const struct vds_vad *vad)
{
	const struct vds_section *s = vds_vad_section(c->process, vad);
	struct vds_value v[NUM_COLS] = {
		[COL_MAPPED] = vds_bool(true),
		[COL_END] = vds_addr(vad->end),
		[COL_NODE] = vds_addr(vad->node),
	};
	size_t first = find(c, vad->start);
	const struct vds_module *m = NULL;
	unsigned int loaders = 0;
	uint32_t lists = 0;

	for (size_t i = first; i < c->count &&
			       c->by_base[i].module->base == vad->start; i++) {
		lists |= c->by_base[i].module->lists;
		loaders |= c->by_base[i].loader;
		c->mapped[i] = true;
	}
	if (first < c->count)
		m = c->by_base[first].module;
	fill_lists(c, lists, loaders, vad->start, v);
	v[COL_FILE] = !s ? vds_absent(vad->section_why) :
		      s->why ? vds_absent(s->why) :
		      s->file_name ? vds_str(s->file_name) :
				     vds_absent(s->file_name_why);
	if (m)
		fill_module(m, v);
	if (m && m->path && s && s->file_name)
		/* The kernel's name has no '*' in it; the loader's may. */
		v[COL_SAME_NAME] = vds_bool(vds_match(
			last_part(s->file_name), last_part(m->path)));
	return vds_emit(c->run, v);
}

static struct vds_error *emit_unmapped(struct context *c)
{
	for (size_t i = 0; i < c->count; i++) {
		const struct vds_module *m = c->by_base[i].module;
		struct vds_value v[NUM_COLS] = {
			[COL_MAPPED] = vds_bool(false),
		};

		if (c->mapped[i])
			continue;
		fill_lists(c, m->lists, c->by_base[i].loader, m->base, v);
		fill_module(m, v);
		struct vds_error *err = vds_emit(c->run, v);
		if (err)
			return err;
	}
	return NULL;
}

static struct vds_error *run_ldrmodules(struct vds_run *run,
					const struct vds_process *process)
{
	struct context c = {.run = run, .process = process};
	struct vds_error *err = vds_process_modules(run, process, &c.native);

	if (!err)
		err = vds_process_modules32(run, process, &c.wow64);
	if (err)
		return err;
	if (!index_modules(&c))
		return &vds_enomem;
	struct vds_vad_iter *it = vds_vad_iterate(process);
	const struct vds_vad *vad;
	while ((vad = vds_vad_next(it))) {
		if (vad->type != VDS_VAD_IMAGE)
			continue;
		err = emit_image(&c, vad);
		if (err)
			return err;
	}
	return emit_unmapped(&c);
}

VDS_PLUGIN(ldrmodules) = {
	VDS_PLUGIN_HEADER(ldrmodules),
	.version = "1.0.0",
	.summary = "mapped images against the loader's three lists",
	.record = "ldr_module",
	.scope = VDS_PER_PROCESS,
	.columns = columns,
	.num_columns = NUM_COLS,
	.run = run_ldrmodules,
};
