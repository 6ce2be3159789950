/* SPDX-License-Identifier: Apache-2.0 */
/* Each process's address space, VAD by VAD. */
#include <vadose/columns.h>
#include <vadose/object.h>
#include <vadose/plugin.h>
#include <vadose/record.h>
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
	row[OBJECT_NAME] = vds_absent(VDS_NOT_IN_IMAGE);
	if (!names)
		return;
	name = vds_section_name(names, section->control_area, &why);
	row[OBJECT_NAME] = vds_or(why, vds_str(name));
}

/* What all rows have, wherever the VAD was found. */
static void fill_vad(const struct vds_vad *vad, struct vds_value *row)
{
	row[NODE] = vds_addr(vad->node);
	row[START] = vds_addr(vad->start);
	row[END] = vds_or(vad->range_why, vds_addr(vad->end));
	row[SIZE] = vds_or(vad->range_why, vds_size(vad->end - vad->start + 1));
	row[TAG] = vds_or(vad->tag_why, vds_str(vad->tag));
	row[TYPE] = vds_str(vds_vad_type_str(vad->type, vad->is_private));
	row[PROTECTION] = vds_str(vds_protection_str(vad->protection));
	row[PROTECTION_RAW] = vds_int(vad->protection);
	row[PRIVATE] = vds_bool(vad->is_private);
	row[COMMIT] = vds_or(vad->commit_why, vds_int((int64_t)vad->commit));
	row[MEM_COMMIT] = vds_bool(vad->mem_commit);
	row[PARENT] = pointer(vad->parent);
	row[LEFT] = pointer(vad->left);
	row[RIGHT] = pointer(vad->right);
}

/* One run: all VADs, or those that --vad names. */
struct context {
	const struct vds_section_names *names;	/* NULL: not known */
	const uint64_t *nodes;
	bool *found;		/* by index of nodes; set by any thread */
	size_t num_nodes;
};

/* By its node, or by an address within. */
static bool is_wanted(const struct context *c, const struct vds_vad *vad)
{
	bool wanted = !c->num_nodes;

	for (size_t i = 0; i < c->num_nodes; i++) {
		if (c->nodes[i] != vad->node && c->nodes[i] != vad->start &&
		    (vad->range_why || c->nodes[i] < vad->start ||
		     c->nodes[i] > vad->end))
			continue;
		__atomic_store_n(&c->found[i], true, __ATOMIC_RELAXED);
		wanted = true;
	}
	return wanted;
}

static struct vds_error *list_vads(struct vds_run *run, size_t index, void *ctx)
{
	const struct context *c = ctx;
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
			[LEVEL] = vds_int(vad->level),
		};
		struct vds_error *err;

		if (!is_wanted(c, vad))
			continue;
		fill_vad(vad, row);
		fill_section(process, vad, c->names, row);
		err = vds_emit(run, row);
		if (err)
			return err;
	}
	return NULL;
}

/* EPROCESS.ImageFileName, for a process that no list led to. */
static struct vds_value short_name(struct vds_run *run, uint64_t eprocess,
				   const struct vds_type *type)
{
	struct vds_member_info member;
	char text[32] = "";
	enum vds_why why;
	size_t len = 0;

	if (!vds_type_member_find(type, "ImageFileName", &member) ||
	    member.size >= sizeof(text))
		return vds_absent(VDS_NO_FIELD);
	why = vds_kernel_read(run, eprocess + member.offset, text,
			      (size_t)member.size);
	while (!why && text[len] >= ' ' && text[len] <= '~')
		len++;
	if (!why && (!len || text[len]))
		why = VDS_BAD_DATA;
	return vds_or(why, vds_str(vds_sprintf(run, "%s", text)));
}

/* Whose VAD it is, as it says itself; a private one doesn't. */
static void fill_owner(struct vds_run *run, const struct vds_vad *vad,
		       struct vds_value *row)
{
	const struct vds_type *type = vds_type_find(run, "_EPROCESS");
	enum vds_why why;
	uint64_t pid;

	row[PID] = row[NAME] = row[EPROCESS] = vds_absent(
		vds_has_page_tables(run) ? VDS_NOT_APPLICABLE :
					   VDS_NOT_IN_IMAGE);
	if (!vad->vads_process)
		return;
	row[EPROCESS] = vds_addr(vad->vads_process);
	why = vds_kernel_member(run, vad->vads_process, type,
				"UniqueProcessId", &pid);
	row[PID] = row[NAME] = vds_absent(why ? why : VDS_BAD_DATA);
	if (!why && pid <= UINT32_MAX)
		row[PID] = vds_int((int64_t)pid);
	if (!why)
		row[NAME] = short_name(run, vad->vads_process, type);
	const struct vds_process *p = vds_process_find(run, vad->vads_process);

	if (p)
		row[NAME] = vds_or(p->name_why, vds_str(p->name));
}

/* A VAD that no tree led to. */
static struct vds_error *show_node(struct vds_run *run,
				   const struct context *c, uint64_t node)
{
	const struct vds_process *view = vds_kernel_view(run);
	struct vds_value row[NUM_COLUMNS] = {0};
	struct vds_vad vad;
	enum vds_why why;

	if (!view)
		return &vds_enomem;
	why = vds_vad_at(view, node, &vad);
	if (why == VDS_BAD_ADDRESS || why == VDS_BAD_DATA)
		return vds_error_create(
			VDS_ERROR_USAGE, "vadinfo: --vad 0x%016llx: %s",
			(unsigned long long)node, why == VDS_BAD_ADDRESS ?
			"not the address of a kernel structure" :
			"no VAD there: neither its pool tag nor its range is one's");
	if (why) {
		vds_run_note(run, "vad_unreadable", node,
			     "the VAD at 0x%016llx can't be read: %s",
			     (unsigned long long)node, vds_why_str(why));
		for (size_t i = 0; i < NUM_COLUMNS; i++)
			row[i] = vds_absent(why);
		row[NODE] = vds_addr(node);
		return vds_emit(run, row);
	}
	fill_vad(&vad, row);
	fill_owner(run, &vad, row);
	fill_section(view, &vad, c->names, row);
	return vds_emit(run, row);
}

static bool all_selected(struct vds_run *run)
{
	for (size_t i = 0; i < vds_num_processes(run); i++) {
		const struct vds_process *p = vds_process_at(run, i);

		if (!p || !p->selected)
			return false;
	}
	return true;
}

/* What no tree of the selected processes has; of no process, if none is. */
static struct vds_error *show_rest(struct vds_run *run,
				   const struct context *c)
{
	bool all = all_selected(run);

	for (size_t i = 0; i < c->num_nodes; i++) {
		struct vds_error *err;

		if (c->found[i])
			continue;
		if (!all || (!(c->nodes[i] >> 63) && vds_has_page_tables(run)))
			return vds_error_create(
				VDS_ERROR_USAGE,
				"vadinfo: --vad 0x%016llx: no %sprocess has it",
				(unsigned long long)c->nodes[i],
				all ? "" : "selected ");
		err = show_node(run, c, c->nodes[i]);
		if (err)
			return err;
	}
	return NULL;
}

static struct vds_error *run(struct vds_run *run,
			     const struct vds_process *process)
{
	struct context c = {0};
	struct vds_error *err;

	(void)process;
	c.nodes = vds_option_uints(run, "vad", &c.num_nodes);
	c.found = vds_alloc(run, c.num_nodes + 1, sizeof(*c.found));
	if (!c.found)
		return &vds_enomem;
	if (!vds_has_page_tables(run))
		return c.num_nodes ? show_rest(run, &c) :
			vds_error_create(VDS_ERROR_UNSUPPORTED,
					 "vadinfo: a triage dump has no VAD trees; --vad names a node");
	err = vds_section_names_load(run, &c.names);
	if (!err)
		err = vds_parallel(run, vds_num_processes(run), list_vads, &c);
	return err ? err : show_rest(run, &c);
}

static const struct vds_option options[] = {
	{"vad", VDS_OPTION_UINTS, 0, "ADDRESS", NULL, NULL,
	 "only VADs with this start, or address within; or the one whose node is there, in a tree or not"},
};

VDS_PLUGIN(vadinfo) = {
	VDS_PLUGIN_HEADER(vadinfo),
	.flags = VDS_PLUGIN_WITHOUT_TABLES,
	.version = "1.1.0",
	.summary = "the VADs of each process, and the sections behind them",
	.record = "vad",
	.scope = VDS_ONCE,
	.columns = columns,
	.num_columns = NUM_COLUMNS,
	.options = options,
	.num_options = sizeof(options) / sizeof(options[0]),
	.run = run,
};
