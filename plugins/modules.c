/* SPDX-License-Identifier: Apache-2.0 */
/*
 * modules: the drivers that PsLoadedModuleList names; of a triage dump, which
 * has no such list in memory, those of the dump's own lists.
 */
#include <vadose/module.h>
#include <vadose/plugin.h>
#include <vadose/record.h>

enum {
	COL_BASE,
	COL_SIZE,
	COL_NAME,
	COL_PATH,
	COL_ENTRY,
	COL_SOURCE,
	COL_TIMESTAMP,
	COL_CHECKSUM,
	NUM_COLS,
};

static const struct vds_column columns[NUM_COLS] = {
	[COL_BASE] = {"module.base", VDS_KIND_ADDR, VDS_COLUMN_KEY, "Base", NULL, "first byte of the image", NULL},
	[COL_SIZE] = {"module.size", VDS_KIND_SIZE, 0, "Size", "bytes", "SizeOfImage", NULL},
	[COL_NAME] = {"module.name", VDS_KIND_STR, 0, "Name", NULL, "BaseDllName", "dll.name"},
	[COL_PATH] = {"module.path", VDS_KIND_STR, 0, "Path", NULL, "FullDllName", "dll.path"},
	[COL_ENTRY] = {"module.entry", VDS_KIND_ADDR, VDS_COLUMN_KEY | VDS_COLUMN_WIDE, "Entry", NULL, "address of the KLDR_DATA_TABLE_ENTRY", NULL},
	[COL_SOURCE] = {"module.source", VDS_KIND_STR, 0, "Source", NULL, "who lists it: PsLoadedModuleList, dump (its driver list), dump-unloaded", NULL},
	[COL_TIMESTAMP] = {"module.timestamp", VDS_KIND_HEX, VDS_COLUMN_WIDE, "Time stamp", NULL, "TimeDateStamp of its header; symbol servers use it", NULL},
	[COL_CHECKSUM] = {"module.checksum", VDS_KIND_HEX, VDS_COLUMN_WIDE, "Checksum", NULL, "CheckSum of its header", NULL},
};

static struct vds_value text(struct vds_run *run, uint64_t entry,
			     const struct vds_type *type, const char *member)
{
	struct vds_member_info info;
	const char *s;
	if (!vds_type_member_find(type, member, &info))
		return vds_absent(VDS_NO_FIELD);
	enum vds_why why = vds_kernel_unicode_string(run, entry + info.offset,
						     &s);
	return why ? vds_absent(why) : vds_str(s);
}

static struct vds_value number(struct vds_run *run, uint64_t entry,
			       const struct vds_type *type, const char *member)
{
	uint64_t v = 0;
	enum vds_why why = vds_kernel_member(run, entry, type, member, &v);
	return vds_or(why, vds_hex(v));
}

static struct vds_value stated(uint32_t v)
{
	return v ? vds_hex(v) : vds_absent(VDS_NOT_APPLICABLE);
}

/* What the container lists. */
static struct vds_error *run_listed(struct vds_run *run)
{
	size_t count;
	const struct vds_listed_module *list = vds_listed_modules(run, &count);
	if (!list)
		return &vds_enomem;
	for (size_t i = 0; i < count; i++) {
		const struct vds_listed_module *m = &list[i];
		struct vds_error *err = vds_emit(run, (struct vds_value[NUM_COLS]){
			[COL_BASE] = vds_addr(m->base),
			[COL_SIZE] = vds_size(m->size),
			[COL_NAME] = vds_str(m->name),
			[COL_PATH] = vds_str(m->path),
			[COL_SOURCE] = vds_str(m->unloaded ? "dump-unloaded" :
							     "dump"),
			[COL_TIMESTAMP] = stated(m->timestamp),
			[COL_CHECKSUM] = stated(m->checksum),
		});
		if (err)
			return err;
	}
	return NULL;
}

static struct vds_error *run_modules(struct vds_run *run,
				     const struct vds_process *process)
{
	/* Windows 7 has no separate kernel type in its symbols. */
	const struct vds_type *type =
		vds_type_find(run, "_KLDR_DATA_TABLE_ENTRY");
	struct vds_member_info link;
	uint64_t head, entry;
	(void)process;
	if (!vds_has_page_tables(run))
		return run_listed(run);
	if (!type)
		type = vds_type_find(run, "_LDR_DATA_TABLE_ENTRY");
	if (vds_symbol_address(run, "PsLoadedModuleList", &head) ||
	    !vds_type_member_find(type, "InLoadOrderLinks", &link)) {
		vds_run_note(run, "no_module_list", 0,
			     "the profile lacks PsLoadedModuleList or the type of its entries");
		return NULL;
	}
	struct vds_list_iter *list =
		vds_list_iterate(run, NULL, head, link.offset);
	while (vds_list_next(list, &entry)) {
		struct vds_value v[NUM_COLS] = {0};
		uint64_t base = 0, size = 0;
		enum vds_why why = vds_kernel_member(run, entry, type,
						     "DllBase", &base);
		v[COL_BASE] = vds_or(why, vds_addr(base));
		why = vds_kernel_member(run, entry, type, "SizeOfImage", &size);
		v[COL_SIZE] = vds_or(why, vds_size(size));
		v[COL_NAME] = text(run, entry, type, "BaseDllName");
		v[COL_PATH] = text(run, entry, type, "FullDllName");
		v[COL_ENTRY] = vds_addr(entry);
		v[COL_SOURCE] = vds_str("PsLoadedModuleList");
		v[COL_TIMESTAMP] = number(run, entry, type, "TimeDateStamp");
		v[COL_CHECKSUM] = number(run, entry, type, "CheckSum");
		struct vds_error *err = vds_emit(run, v);
		if (err)
			return err;
	}
	return NULL;
}

VDS_PLUGIN(modules) = {
	VDS_PLUGIN_HEADER(modules),
	.flags = VDS_PLUGIN_WITHOUT_TABLES,
	.version = "1.0.0",
	.summary = "kernel modules, by PsLoadedModuleList or a dump's own list",
	.record = "module",
	.scope = VDS_ONCE,
	.columns = columns,
	.num_columns = NUM_COLS,
	.run = run_modules,
};
