/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vadtree: the VAD tree of each process as a tree: where each node hangs. Rows
 * come by address, which is the tree's own order; parent, left and right are
 * what the nodes state, so that the edges can be drawn and checked.
 */
#include <vadose/columns.h>
#include <vadose/plugin.h>
#include <vadose/section.h>
#include <vadose/vad.h>

enum {
	PID,
	NAME,
	EPROCESS,
	PICTURE,
	NODE,
	LEVEL,
	PARENT,
	LEFT,
	RIGHT,
	START,
	END,
	TYPE,
	PROTECTION,
	FILE_NAME,
	NUM_COLUMNS
};

static const struct vds_column columns[] = {
	[PID] = VDS_COL_PID(VDS_COLUMN_KEY | VDS_COLUMN_GROUP),
	[NAME] = VDS_COL_PROCESS(VDS_COLUMN_GROUP),
	[EPROCESS] = VDS_COL_EPROCESS(VDS_COLUMN_KEY | VDS_COLUMN_GROUP),
	[PICTURE] = {"vad.picture", VDS_KIND_STR, 0, "Tree", NULL,
		     "a dot per level above, then what the node is: root, "
		     "left or right child", NULL},
	[NODE] = VDS_COL_VAD_NODE(VDS_COLUMN_KEY),
	[LEVEL] = {"vad.level", VDS_KIND_INT, 0, "Level", NULL,
		   "depth in the tree, 0 is the root", NULL},
	[PARENT] = {"vad.parent", VDS_KIND_ADDR, 0, "Parent", NULL,
		    "parent as the node states it", NULL},
	[LEFT] = {"vad.left", VDS_KIND_ADDR, 0, "Left", NULL, "left child",
		  NULL},
	[RIGHT] = {"vad.right", VDS_KIND_ADDR, 0, "Right", NULL, "right child",
		   NULL},
	[START] = VDS_COL_VAD_START(VDS_COLUMN_KEY),
	[END] = VDS_COL_VAD_END(0),
	[TYPE] = VDS_COL_VAD_TYPE(0),
	[PROTECTION] = VDS_COL_VAD_PROTECTION(0),
	[FILE_NAME] = VDS_COL_SECTION_FILE(0),
};

/* Deeper nodes are drawn at this level. */
#define MAX_DOTS 40

/* Which child of its parent a node is: the parent says so, where readable. */
static const char *side(const struct vds_process *process,
			const struct vds_vad *vad)
{
	struct vds_vad parent;

	if (!vad->level)
		return "root";
	if (vds_vad_at(process, vad->parent, &parent))
		return "?";
	if (parent.left == vad->node)
		return "left";
	return parent.right == vad->node ? "right" : "?";
}

static const char *picture(struct vds_run *run,
			   const struct vds_process *process,
			   const struct vds_vad *vad)
{
	static const char dots[] = "........................................";
	int count = vad->level < MAX_DOTS ? (int)vad->level : MAX_DOTS;

	return vds_sprintf(run, "%.*s%s%s", count, dots, count ? " " : "",
			   side(process, vad));
}

static struct vds_value pointer(uint64_t va)
{
	return va ? vds_addr(va) : vds_absent(VDS_NOT_APPLICABLE);
}

static struct vds_value file_name(const struct vds_process *process,
				  const struct vds_vad *vad)
{
	const struct vds_section *section = vds_vad_section(process, vad);

	if (!section)
		return vds_absent(VDS_NOT_APPLICABLE);
	if (section->why)
		return vds_absent(section->why);
	return vds_or(section->file_name_why, vds_str(section->file_name));
}

static struct vds_error *run(struct vds_run *run,
			     const struct vds_process *process)
{
	struct vds_vad_iter *it = vds_vad_iterate(process);
	const struct vds_vad *vad;

	while ((vad = vds_vad_next(it))) {
		struct vds_value row[NUM_COLUMNS] = {
			[PID] = vds_int(process->pid),
			[NAME] = vds_or(process->name_why,
					vds_str(process->name)),
			[EPROCESS] = vds_addr(process->eprocess),
			[PICTURE] = vds_str(picture(run, process, vad)),
			[NODE] = vds_addr(vad->node),
			[LEVEL] = vds_int(vad->level),
			[PARENT] = pointer(vad->parent),
			[LEFT] = pointer(vad->left),
			[RIGHT] = pointer(vad->right),
			[START] = vds_addr(vad->start),
			[END] = vds_or(vad->range_why, vds_addr(vad->end)),
			[TYPE] = vds_str(vds_vad_type_str(vad->type,
							  vad->is_private)),
			[PROTECTION] =
				vds_str(vds_protection_str(vad->protection)),
			[FILE_NAME] = file_name(process, vad),
		};
		struct vds_error *err = vds_emit(run, row);

		if (err)
			return err;
	}
	return NULL;
}

VDS_PLUGIN(vadtree) = {
	VDS_PLUGIN_HEADER(vadtree),
	.version = "1.0.0",
	.summary = "the VAD tree of each process, with every edge",
	.record = "vad_node",
	.scope = VDS_PER_PROCESS,
	.columns = columns,
	.num_columns = NUM_COLUMNS,
	.run = run,
};
