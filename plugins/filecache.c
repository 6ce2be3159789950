/* SPDX-License-Identifier: Apache-2.0 */
/* filecache: which parts of which files the system cache shows. */
#include <stdlib.h>

#include <vadose/file.h>
#include <vadose/plugin.h>
#include <vadose/record.h>

#define PAGE 4096u
#define NUM_PAGES (VDS_CACHE_VIEW_SIZE / PAGE)

enum {
	COL_CACHE,
	COL_FILE,
	COL_OBJECT,
	COL_CA,
	COL_FILE_SIZE,
	COL_SECTION_SIZE,
	COL_VALID_DATA,
	COL_OPENS,
	COL_DIRTY,
	COL_VACB,
	COL_ADDRESS,
	COL_OFFSET,
	COL_VALID,
	COL_RESIDENT,
	COL_ACTIVE,
	NUM_COLS,
};

#define GROUP VDS_COLUMN_GROUP

static const struct vds_column columns[NUM_COLS] = {
	[COL_CACHE] = {"cache.map", VDS_KIND_ADDR, VDS_COLUMN_KEY | GROUP, "Cache map", NULL, "SHARED_CACHE_MAP", NULL},
	[COL_FILE] = {"file.name", VDS_KIND_STR, GROUP, "File", NULL, "path of the cached file", "file.path"},
	[COL_OBJECT] = {"file.object", VDS_KIND_ADDR, GROUP, "File object", NULL, "FILE_OBJECT that the cache keeps", NULL},
	[COL_CA] = {"section.control_area", VDS_KIND_ADDR, GROUP, "Control area", NULL, "data control area of the file", NULL},
	[COL_FILE_SIZE] = {"cache.file_size", VDS_KIND_SIZE, GROUP, "File size", "bytes", "FileSize", NULL},
	[COL_SECTION_SIZE] = {"cache.section_size", VDS_KIND_SIZE, VDS_COLUMN_WIDE, "Section size", "bytes", "SectionSize", NULL},
	[COL_VALID_DATA] = {"cache.valid_data", VDS_KIND_SIZE, VDS_COLUMN_WIDE, "Valid data", "bytes", "ValidDataLength", NULL},
	[COL_OPENS] = {"cache.open_count", VDS_KIND_INT, GROUP, "Opens", NULL, "OpenCount", NULL},
	[COL_DIRTY] = {"cache.dirty_pages", VDS_KIND_INT, GROUP, "Dirty", "pages", "DirtyPages", NULL},
	[COL_VACB] = {"view.vacb", VDS_KIND_ADDR, VDS_COLUMN_KEY, "VACB", NULL, "of a view of 256 KB; absent if the file has none now", NULL},
	[COL_ADDRESS] = {"view.address", VDS_KIND_ADDR, 0, "View", NULL, "first byte of the view", NULL},
	[COL_OFFSET] = {"view.offset", VDS_KIND_SIZE, 0, "Offset", "bytes", "of the view in the file", NULL},
	[COL_VALID] = {"view.valid_pages", VDS_KIND_INT, 0, "Valid", "pages", "pages that the page tables map", NULL},
	[COL_RESIDENT] = {"view.resident_pages", VDS_KIND_INT, 0, "Resident", "pages", "pages whose bytes are in the image, mapped or not", NULL},
	[COL_ACTIVE] = {"view.active", VDS_KIND_INT, 0, "Active", NULL, "how many use the view at this moment", NULL},
};

static const struct vds_option options[] = {
	{"name", VDS_OPTION_STR, 0, "GLOB", NULL, NULL, "only files whose name matches"},
};

static void count_pages(struct vds_run *run, uint64_t va, struct vds_value *v)
{
	unsigned int valid = 0, resident = 0;
	for (unsigned int i = 0; i < NUM_PAGES; i++) {
		struct vds_translation t;
		uint8_t byte;
		vds_translate(run, NULL, va + i * PAGE, &t);
		valid += !t.why && t.hardware;
		resident += !t.why &&
			    !vds_physical_read(run, t.pa, &byte, 1);
	}
	v[COL_VALID] = vds_int(valid);
	v[COL_RESIDENT] = vds_int(resident);
}

static struct vds_error *emit_views(struct vds_run *run,
				    const struct vds_cache_map *map,
				    struct vds_value *v)
{
	for (size_t i = 0; i < map->num_views; i++) {
		const struct vds_cache_view *view = &map->views[i];
		v[COL_VACB] = vds_addr(view->vacb);
		v[COL_ADDRESS] = vds_addr(view->address);
		v[COL_OFFSET] = vds_size(view->offset);
		v[COL_ACTIVE] = vds_int(view->active);
		count_pages(run, view->address, v);
		struct vds_error *err = vds_emit(run, v);
		if (err)
			return err;
	}
	return NULL;
}

static struct vds_error *emit_file(struct vds_run *run,
				   const struct vds_file *file)
{
	struct vds_value v[NUM_COLS] = {0};
	struct vds_cache_map map;
	vds_cache_map_at(run, file->shared_cache_map, &map);
	v[COL_CACHE] = vds_addr(file->shared_cache_map);
	v[COL_FILE] = file->name ? vds_str(file->name) :
				   vds_absent(file->name_why);
	if (file->data_control_area)
		v[COL_CA] = vds_addr(file->data_control_area);
	if (map.why) {
		v[COL_FILE_SIZE] = vds_absent(map.why);
		return vds_emit(run, v);
	}
	if (map.file_object)
		v[COL_OBJECT] = vds_addr(map.file_object);
	v[COL_FILE_SIZE] = vds_size(map.file_size);
	v[COL_SECTION_SIZE] = vds_size(map.section_size);
	v[COL_VALID_DATA] = vds_size(map.valid_data);
	v[COL_OPENS] = vds_int(map.open_count);
	v[COL_DIRTY] = vds_int(map.dirty_pages);
	if (!map.num_views)
		return vds_emit(run, v);
	return emit_views(run, &map, v);
}

struct opened {
	uint64_t map;
	size_t index;		/* of its file object */
};

static int compare_opened(const void *pa, const void *pb)
{
	const struct opened *a = pa, *b = pb;
	if (a->map != b->map)
		return a->map < b->map ? -1 : 1;
	return a->index < b->index ? -1 : a->index > b->index;
}

/* All opens of one file have the same cache: the first stands for them. */
static size_t keep_first(struct opened *list, size_t count)
{
	size_t kept = 0;
	if (count)
		qsort(list, count, sizeof(*list), compare_opened);
	for (size_t i = 0; i < count; i++) {
		if (!kept || list[kept - 1].map != list[i].map)
			list[kept++] = list[i];
	}
	return kept;
}

static struct vds_error *run_filecache(struct vds_run *run,
				       const struct vds_process *process)
{
	const char *glob = vds_option_str(run, "name");
	const uint64_t *objects;
	size_t count, num = 0;
	(void)process;
	struct vds_error *err = vds_files_load(run, &objects, &count);
	if (err || !count)
		return err;
	struct opened *opened = vds_alloc(run, count, sizeof(*opened));
	const struct vds_process *any = vds_process_at(run, 0);
	if (!any || !opened)
		return &vds_enomem;
	for (size_t i = 0; i < count; i++) {
		struct vds_file file;
		vds_file_at(any, objects[i], &file);
		if (file.why || !file.shared_cache_map ||
		    (glob && !(file.name && vds_match(glob, file.name))))
			continue;
		opened[num++] = (struct opened){file.shared_cache_map, i};
	}
	num = keep_first(opened, num);
	for (size_t i = 0; !err && i < num; i++) {
		struct vds_file file;
		vds_file_at(any, objects[opened[i].index], &file);
		err = emit_file(run, &file);
	}
	return err;
}

VDS_PLUGIN(filecache) = {
	VDS_PLUGIN_HEADER(filecache),
	.version = "1.0.0",
	.summary = "the file cache: files, views, valid pages",
	.record = "cache_view",
	.scope = VDS_ONCE,
	.columns = columns,
	.num_columns = NUM_COLS,
	.options = options,
	.num_options = sizeof(options) / sizeof(options[0]),
	.run = run_filecache,
};
