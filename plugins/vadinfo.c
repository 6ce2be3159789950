/* SPDX-License-Identifier: Apache-2.0 */
/* Each process's address space, VAD by VAD. */
#include <vadose/columns.h>
#include <vadose/object.h>
#include <vadose/plugin.h>
#include <vadose/section.h>
#include <vadose/vad.h>

enum {
	PID,
	NAME,
	EPROCESS,
	NODE,
	START,
	END,
	SIZE,
	TAG,
	TYPE,
	PROTECTION,
	PROTECTION_RAW,
	PRIVATE,
	COMMIT,
	MEM_COMMIT,
	LEVEL,
	PARENT,
	LEFT,
	RIGHT,
	CONTROL_AREA,
	SUBSECTION,
	FIRST_PTE,
	LAST_PTE,
	BACKING,
	FILE_NAME,
	OBJECT_NAME,
	OFFSET,
	DELETED,
	FILE_SOURCE,
	NUM_COLUMNS
};

static const struct vds_column columns[] = {
	[PID] = VDS_COL_PID(VDS_COLUMN_KEY | VDS_COLUMN_GROUP),
	[NAME] = VDS_COL_PROCESS(VDS_COLUMN_GROUP),
	[EPROCESS] = VDS_COL_EPROCESS(VDS_COLUMN_KEY | VDS_COLUMN_GROUP),
	[NODE] = VDS_COL_VAD_NODE(VDS_COLUMN_KEY),
	[START] = VDS_COL_VAD_START(VDS_COLUMN_KEY),
	[END] = VDS_COL_VAD_END(0),
	[SIZE] = VDS_COL_VAD_SIZE(0),
	[TAG] = VDS_COL_VAD_TAG(VDS_COLUMN_WIDE),
	[TYPE] = VDS_COL_VAD_TYPE(0),
	[PROTECTION] = VDS_COL_VAD_PROTECTION(0),
	[PROTECTION_RAW] = {"vad.protection_raw", VDS_KIND_INT, VDS_COLUMN_WIDE,
			    "Prot", NULL, "the 5-bit protection code", NULL},
	[PRIVATE] = {"vad.private", VDS_KIND_BOOL, VDS_COLUMN_WIDE, "Private",
		     NULL, "PrivateMemory: not backed by a section", NULL},
	[COMMIT] = {"vad.commit", VDS_KIND_INT, 0, "Commit", "pages",
		    "pages charged against the commit limit", NULL},
	[MEM_COMMIT] = {"vad.mem_commit", VDS_KIND_BOOL, VDS_COLUMN_WIDE,
			"MemCommit", NULL,
			"private memory that was committed when allocated",
			NULL},
	[LEVEL] = {"vad.level", VDS_KIND_INT, VDS_COLUMN_WIDE, "Level", NULL,
		   "depth in the tree, 0 is the root", NULL},
	[PARENT] = {"vad.parent", VDS_KIND_ADDR, VDS_COLUMN_WIDE, "Parent",
		    NULL, "parent as the node states it", NULL},
	[LEFT] = {"vad.left", VDS_KIND_ADDR, VDS_COLUMN_WIDE, "Left", NULL,
		  "left child", NULL},
	[RIGHT] = {"vad.right", VDS_KIND_ADDR, VDS_COLUMN_WIDE, "Right", NULL,
		   "right child", NULL},
	[CONTROL_AREA] = VDS_COL_CONTROL_AREA(0),
	[SUBSECTION] = {"section.subsection", VDS_KIND_ADDR, VDS_COLUMN_WIDE,
			"Subsection", NULL, "first subsection of the view",
			NULL},
	[FIRST_PTE] = {"section.first_prototype_pte", VDS_KIND_ADDR,
		       VDS_COLUMN_WIDE, "FirstProtoPTE", NULL,
		       "address of the first prototype PTE of the view", NULL},
	[LAST_PTE] = {"section.last_contiguous_pte", VDS_KIND_ADDR,
		      VDS_COLUMN_WIDE, "LastProtoPTE", NULL,
		      "address of the last one of the same array, inclusive",
		      NULL},
	[BACKING] = VDS_COL_BACKING(VDS_COLUMN_WIDE),
	[FILE_NAME] = VDS_COL_SECTION_FILE(0),
	[OBJECT_NAME] = {"section.name", VDS_KIND_STR, 0, "Section", NULL,
			 "name of the section object", NULL},
	[OFFSET] = {"section.offset", VDS_KIND_SIZE, VDS_COLUMN_WIDE, "Offset",
		    "bytes", "where in the section the view begins", NULL},
	[DELETED] = {"section.file_deleted", VDS_KIND_BOOL, VDS_COLUMN_WIDE,
		     "Deleted", NULL, "the file is being deleted", NULL},
	[FILE_SOURCE] = {"section.file_source", VDS_KIND_STR, VDS_COLUMN_WIDE,
			 "File from", NULL,
			 "who names the file: control_area, or vad if the "
			 "control area has no file (any more)", NULL},
};

static struct vds_value pointer(uint64_t va)
{
	return va ? vds_addr(va) : vds_absent(VDS_NOT_APPLICABLE);
}

/* Offset of the view within its section, bytes. */
static struct vds_value view_offset(const struct vds_section *section,
				    const struct vds_vad *vad)
{
	uint64_t page;

	if (section->backing == VDS_BACKING_PHYSICAL)
		return vds_absent(VDS_NOT_APPLICABLE);
	if (vds_section_page_of(section, vad->first_prototype_pte, &page))
		return vds_size(page << 12);
	return vds_or(vad->file_offset_why, vds_size(vad->file_offset));
}

static void fill_section(const struct vds_process *process,
			 const struct vds_vad *vad,
			 const struct vds_section_names *names,
			 struct vds_value *row)
{
	const struct vds_section *section = vds_vad_section(process, vad);
	enum vds_why why;
	const char *name;

	if (!section)
		return;
	for (int i = CONTROL_AREA; i <= FILE_SOURCE; i++)
		row[i] = vds_absent(section->why);
	if (vad->has_section) {
		row[SUBSECTION] = vds_addr(vad->subsection);
		row[FIRST_PTE] = vds_addr(vad->first_prototype_pte);
		row[LAST_PTE] = vds_addr(vad->last_contiguous_pte);
	}
	if (section->control_area)
		row[CONTROL_AREA] = vds_addr(section->control_area);
	if (section->why)
		return;
	row[BACKING] = vds_str(vds_backing_str(section->backing));
	row[FILE_NAME] = vds_or(section->file_name_why,
				vds_str(section->file_name));
	row[OFFSET] = view_offset(section, vad);
	row[DELETED] = vds_bool(section->file_deleted);
	row[FILE_SOURCE] = vds_str(vds_section_file_source_str(section));
	name = vds_section_name(names, section->control_area, &why);
	row[OBJECT_NAME] = vds_or(why, vds_str(name));
}

static struct vds_error *list_vads(struct vds_run *run, size_t index, void *ctx)
{
	const struct vds_section_names *names = ctx;
	const struct vds_process *process = vds_process_at(run, index);
	struct vds_vad_iter *it;
	const struct vds_vad *vad;

	if (!process || !process->selected)
		return NULL;
	it = vds_vad_iterate(process);
	while ((vad = vds_vad_next(it))) {
		struct vds_value row[NUM_COLUMNS] = {
			[PID] = vds_int(process->pid),
			[NAME] = vds_or(process->name_why,
					vds_str(process->name)),
			[EPROCESS] = vds_addr(process->eprocess),
			[NODE] = vds_addr(vad->node),
			[START] = vds_addr(vad->start),
			[END] = vds_or(vad->range_why, vds_addr(vad->end)),
			[SIZE] = vds_or(vad->range_why,
					vds_size(vad->end - vad->start + 1)),
			[TAG] = vds_or(vad->tag_why, vds_str(vad->tag)),
			[TYPE] = vds_str(vds_vad_type_str(vad->type,
							  vad->is_private)),
			[PROTECTION] =
				vds_str(vds_protection_str(vad->protection)),
			[PROTECTION_RAW] = vds_int(vad->protection),
			[PRIVATE] = vds_bool(vad->is_private),
			[COMMIT] = vds_or(vad->commit_why,
					  vds_int((int64_t)vad->commit)),
			[MEM_COMMIT] = vds_bool(vad->mem_commit),
			[LEVEL] = vds_int(vad->level),
			[PARENT] = pointer(vad->parent),
			[LEFT] = pointer(vad->left),
			[RIGHT] = pointer(vad->right),
		};
		struct vds_error *err;

		fill_section(process, vad, names, row);
		err = vds_emit(run, row);
		if (err)
			return err;
	}
	return NULL;
}

static struct vds_error *run(struct vds_run *run,
			     const struct vds_process *process)
{
	const struct vds_section_names *names;
	struct vds_error *err = vds_section_names_load(run, &names);

	(void)process;
	if (err)
		return err;
	return vds_parallel(run, vds_num_processes(run), list_vads,
			    (void *)names);
}

VDS_PLUGIN(vadinfo) = {
	VDS_PLUGIN_HEADER(vadinfo),
	.version = "1.0.0",
	.summary = "the VADs of each process, and the sections behind them",
	.record = "vad",
	.scope = VDS_ONCE,
	.columns = columns,
	.num_columns = NUM_COLUMNS,
	.run = run,
};
