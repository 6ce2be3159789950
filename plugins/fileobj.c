/* SPDX-License-Identifier: Apache-2.0 */
/* fileobj: file objects, and the sections and caches that they lead to. */
#include <vadose/file.h>
#include <vadose/plugin.h>

enum {
	COL_OBJECT,
	COL_NAME,
	COL_ACCESS,
	COL_SHARE,
	COL_DELETE,
	COL_FLAGS,
	COL_POINTERS,
	COL_DATA,
	COL_IMAGE,
	COL_CACHE,
	COL_PRIVATE,
	COL_CONTEXT,
	COL_DEVICE,
	NUM_COLS,
};

static const struct vds_column columns[NUM_COLS] = {
	[COL_OBJECT] = {"file.object", VDS_KIND_ADDR, VDS_COLUMN_KEY, "File object", NULL, "FILE_OBJECT", NULL},
	[COL_NAME] = {"file.name", VDS_KIND_STR, 0, "Name", NULL, "its path", "file.path"},
	[COL_ACCESS] = {"file.access", VDS_KIND_FLAGS, 0, "Access", NULL, "what it was opened for: read, write, delete", NULL},
	[COL_SHARE] = {"file.share", VDS_KIND_FLAGS, 0, "Share", NULL, "what others may do meanwhile: read, write, delete", NULL},
	[COL_DELETE] = {"file.delete_pending", VDS_KIND_BOOL, 0, "Deleted", NULL, "goes when it is closed", NULL},
	[COL_FLAGS] = {"file.flags", VDS_KIND_HEX, VDS_COLUMN_WIDE, NULL, NULL, "FO_* flags", NULL},
	[COL_POINTERS] = {"file.section_object_pointers", VDS_KIND_ADDR, 0, "Section pointers", NULL, "SECTION_OBJECT_POINTERS: the same for all opens of a file", NULL},
	[COL_DATA] = {"file.data_control_area", VDS_KIND_ADDR, 0, "Data CA", NULL, "control area of the file mapped as data", NULL},
	[COL_IMAGE] = {"file.image_control_area", VDS_KIND_ADDR, 0, "Image CA", NULL, "control area of the file mapped as an image", NULL},
	[COL_CACHE] = {"file.shared_cache_map", VDS_KIND_ADDR, 0, "Cache map", NULL, "SHARED_CACHE_MAP", NULL},
	[COL_PRIVATE] = {"file.private_cache_map", VDS_KIND_ADDR, VDS_COLUMN_WIDE, NULL, NULL, "PrivateCacheMap", NULL},
	[COL_CONTEXT] = {"file.fs_context", VDS_KIND_ADDR, VDS_COLUMN_WIDE, NULL, NULL, "FsContext: the file system's own record", NULL},
	[COL_DEVICE] = {"file.device", VDS_KIND_ADDR, VDS_COLUMN_WIDE, NULL, NULL, "DEVICE_OBJECT", NULL},
};

static const struct vds_option options[] = {
	{"address", VDS_OPTION_UINTS, VDS_OPTION_POSITIONAL, "ADDR", NULL, NULL, "these file objects; without any, all that sections, VADs, handles and pool lead to"},
	{"name", VDS_OPTION_STR, 0, "GLOB", NULL, NULL, "only files whose name matches"},
};

static const char *rights(bool read, bool write, bool remove)
{
	static const char *const words[8] = {
		NULL, "read", "write", "read write", "delete", "read delete",
		"write delete", "read write delete",
	};
	return words[read | write << 1 | remove << 2];
}

static struct vds_value pointer(uint64_t va)
{
	return va ? vds_addr(va) : vds_absent(VDS_NOT_APPLICABLE);
}

static void fill_pointers(const struct vds_file *file, struct vds_value *v)
{
	v[COL_POINTERS] = pointer(file->section_pointers);
	v[COL_DATA] = vds_or(file->pointers_why,
			     pointer(file->data_control_area));
	v[COL_IMAGE] = vds_or(file->pointers_why,
			      pointer(file->image_control_area));
	v[COL_CACHE] = vds_or(file->pointers_why,
			      pointer(file->shared_cache_map));
}

static struct vds_error *emit(struct vds_run *run, size_t index, void *ctx)
{
	const uint64_t *objects = ctx;
	const struct vds_process *any = vds_process_at(run, 0);
	const char *glob = vds_option_str(run, "name");
	struct vds_value v[NUM_COLS] = {0};
	struct vds_file file;
	if (!any)
		return &vds_enomem;
	vds_file_at(any, objects[index], &file);
	if (glob && !(file.name && vds_match(glob, file.name)))
		return NULL;
	v[COL_OBJECT] = vds_addr(file.object);
	v[COL_NAME] = file.name ? vds_str(file.name) :
				  vds_absent(file.name_why);
	if (file.why)
		return vds_emit(run, v);
	v[COL_ACCESS] = vds_flags(rights(file.read_access, file.write_access,
					 file.delete_access));
	v[COL_SHARE] = vds_flags(rights(file.shared_read, file.shared_write,
					file.shared_delete));
	v[COL_DELETE] = vds_bool(file.delete_pending);
	v[COL_FLAGS] = vds_hex(file.flags);
	v[COL_PRIVATE] = pointer(file.private_cache_map);
	v[COL_CONTEXT] = pointer(file.fs_context);
	v[COL_DEVICE] = pointer(file.device);
	fill_pointers(&file, v);
	return vds_emit(run, v);
}

static struct vds_error *run_fileobj(struct vds_run *run,
				     const struct vds_process *process)
{
	size_t count;
	const uint64_t *objects = vds_option_uints(run, "address", &count);
	struct vds_error *err = NULL;
	(void)process;
	if (!vds_num_processes(run))
		return NULL;
	if (!count)
		err = vds_files_load(run, &objects, &count);
	if (!err)
		err = vds_parallel(run, count, emit, (void *)objects);
	return err;
}

VDS_PLUGIN(fileobj) = {
	VDS_PLUGIN_HEADER(fileobj),
	.version = "1.0.0",
	.summary = "file objects, their sections and caches",
	.record = "file_object",
	.scope = VDS_ONCE,
	.columns = columns,
	.num_columns = NUM_COLS,
	.options = options,
	.num_options = sizeof(options) / sizeof(options[0]),
	.run = run_fileobj,
};
