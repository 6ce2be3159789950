/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dlllist: the modules that a process's loader lists. The lists lie in user
 * memory: what is here may be made up, and what is not may still be mapped
 * (ldrmodules compares).
 */
#include <vadose/columns.h>
#include <vadose/module.h>
#include <vadose/plugin.h>

enum {
	COL_PID,
	COL_PROCESS,
	COL_EPROCESS,
	COL_BASE,
	COL_SIZE,
	COL_NAME,
	COL_PATH,
	COL_LOAD_TIME,
	COL_LISTS,
	COL_LOADER,
	COL_ENTRY_POINT,
	COL_ENTRY,
	NUM_COLS,
};

#define KEY VDS_COLUMN_KEY
#define WIDE VDS_COLUMN_WIDE

static const struct vds_column columns[NUM_COLS] = {
	[COL_PID] = VDS_COL_PID(0),
	[COL_PROCESS] = VDS_COL_PROCESS(0),
	[COL_EPROCESS] = VDS_COL_EPROCESS(KEY | WIDE),
	[COL_BASE] = {"module.base", VDS_KIND_ADDR, 0, "Base", NULL, "DllBase: first byte of the image", NULL},
	[COL_SIZE] = {"module.size", VDS_KIND_SIZE, 0, "Size", "bytes", "SizeOfImage", NULL},
	[COL_NAME] = {"module.name", VDS_KIND_STR, 0, "Name", NULL, "BaseDllName", "dll.name"},
	[COL_PATH] = {"module.path", VDS_KIND_STR, 0, "Path", NULL, "FullDllName", "dll.path"},
	[COL_LOAD_TIME] = {"module.load_time", VDS_KIND_TIME, 0, "Loaded", NULL, "LoadTime", NULL},
	[COL_LISTS] = {"module.lists", VDS_KIND_FLAGS, WIDE, "Lists", NULL, "which of the loader's lists lead to the entry: load, memory, init", NULL},
	[COL_LOADER] = {"module.loader", VDS_KIND_STR, VDS_COLUMN_KEY, "Loader", NULL, "whose lists: native, or those that the 32-bit loader of a WoW64 process keeps beside them (wow64)", NULL},
	[COL_ENTRY_POINT] = {"module.entry_point", VDS_KIND_ADDR, WIDE, "Entry point", NULL, "EntryPoint", NULL},
	[COL_ENTRY] = {"module.entry", VDS_KIND_ADDR, KEY | WIDE, "Entry", NULL, "address of the LDR_DATA_TABLE_ENTRY", NULL},
};

static const char *lists_str(uint32_t lists)
{
	static const char *const words[] = {
		NULL, "load", "memory", "load memory", "init", "load init",
		"memory init", "load memory init",
	};
	return words[lists & 7];
}

static void fill_process(const struct vds_process *process,
			 struct vds_value *v)
{
	v[COL_PID] = vds_int(process->pid);
	v[COL_PROCESS] = vds_or(process->name_why, vds_str(process->name));
	v[COL_EPROCESS] = vds_addr(process->eprocess);
}

static struct vds_error *emit_module(struct vds_run *run,
				     const struct vds_process *process,
				     const char *loader,
				     const struct vds_module *m)
{
	struct vds_value v[NUM_COLS] = {
		[COL_BASE] = vds_or(m->base_why, vds_addr(m->base)),
		[COL_SIZE] = vds_or(m->size_why, vds_size(m->size)),
		[COL_NAME] = vds_or(m->name_why, vds_str(m->name)),
		[COL_PATH] = vds_or(m->path_why, vds_str(m->path)),
		[COL_LOAD_TIME] = vds_or(m->load_time_why,
					 vds_time(m->load_time)),
		[COL_LOADER] = vds_str(loader),
		[COL_LISTS] = vds_flags(lists_str(m->lists)),
		[COL_ENTRY_POINT] = vds_or(m->entry_point_why,
					   vds_addr(m->entry_point)),
		[COL_ENTRY] = vds_addr(m->entry),
	};
	fill_process(process, v);
	return vds_emit(run, v);
}

/* Nothing of the lists could be had: one row says so, instead of none. */
static struct vds_error *emit_nothing(struct vds_run *run,
				      const struct vds_process *process,
				      const char *loader, enum vds_why why)
{
	struct vds_value v[NUM_COLS] = {
		[COL_LOADER] = vds_str(loader),
		[COL_BASE] = vds_absent(why),
		[COL_NAME] = vds_absent(why),
	};
	fill_process(process, v);
	return vds_emit(run, v);
}

static struct vds_error *emit_modules(struct vds_run *run,
				      const struct vds_process *process,
				      const char *loader,
				      const struct vds_modules *modules)
{
	struct vds_error *err = NULL;

	if (!modules->count && modules->why[0] > VDS_NOT_APPLICABLE &&
	    !process->exited)
		return emit_nothing(run, process, loader, modules->why[0]);
	for (size_t i = 0; !err && i < modules->count; i++)
		err = emit_module(run, process, loader, &modules->list[i]);
	return err;
}

static struct vds_error *run_dlllist(struct vds_run *run,
				     const struct vds_process *process)
{
	struct vds_modules modules, modules32;
	struct vds_error *err = vds_process_modules(run, process, &modules);

	if (!err)
		err = vds_process_modules32(run, process, &modules32);
	if (!err)
		err = emit_modules(run, process, "native", &modules);
	if (!err)
		err = emit_modules(run, process, "wow64", &modules32);
	return err;
}

VDS_PLUGIN(dlllist) = {
	VDS_PLUGIN_HEADER(dlllist),
	.version = "1.0.0",
	.summary = "modules by the loader's own lists, in user memory",
	.record = "module",
	.scope = VDS_PER_PROCESS,
	.columns = columns,
	.num_columns = NUM_COLS,
	.run = run_dlllist,
};
