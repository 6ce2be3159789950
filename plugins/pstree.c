/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pstree: who created whom. A parent's ID says little once the parent is gone:
 * it may have been given to another process, which can't be the parent of one
 * that is older than itself. Such processes are roots, and are told.
 */
#include "seen.h"

#include <string.h>

#include <vadose/columns.h>
#include <vadose/plugin.h>

enum {
	COL_DEPTH,
	COL_PID,
	COL_PPID,
	COL_MARK,
	COL_NAME,
	COL_PARENT,
	COL_START,
	COL_EXIT,
	COL_SESSION,
	COL_THREADS,
	COL_ANCESTORS,
	COL_PATH,
	COL_EPROCESS,
	COL_SOURCES,
	COL_SEEN,
	NUM_COLS = COL_SEEN + NUM_SEEN
};

#define KEY VDS_COLUMN_KEY
#define WIDE VDS_COLUMN_WIDE

static const struct vds_column columns[NUM_COLS] = {
	[COL_DEPTH] = {"tree.depth", VDS_KIND_INT, WIDE, "Depth", NULL, "known ancestors: 0 is a root", NULL},
	[COL_PID] = VDS_COL_PID(KEY),
	[COL_PPID] = {"process.ppid", VDS_KIND_INT, 0, "PPID", NULL, "ID of the process that created it", "process.parent.pid"},
	[COL_MARK] = {"tree.mark", VDS_KIND_STR, 0, "Tree", NULL, "a star per known ancestor, at most 32", NULL},
	[COL_NAME] = {"process.name", VDS_KIND_STR, 0, "Name", NULL, "file name", "process.name"},
	[COL_PARENT] = {"tree.parent", VDS_KIND_STR, 0, "Parent", NULL, "running, exited (its object is left), gone (no such process), reused (the ID is now that of a younger process), looping", NULL},
	[COL_START] = {"process.start", VDS_KIND_TIME, KEY, "Started", NULL, "when it was created", "process.start"},
	[COL_EXIT] = {"process.exit", VDS_KIND_TIME, 0, "Exited", NULL, "when it ended", "process.end"},
	[COL_SESSION] = {"process.session", VDS_KIND_INT, 0, "Session", NULL, "Windows session", NULL},
	[COL_THREADS] = {"process.threads", VDS_KIND_INT, WIDE, "Threads", NULL, "active threads", "process.thread.count"},
	[COL_ANCESTORS] = {"tree.ancestors", VDS_KIND_INTS, WIDE, "Ancestors", NULL, "process IDs of the known ancestors, the nearest first, at most 64", NULL},
	[COL_PATH] = {"process.path", VDS_KIND_STR, WIDE, "Path", NULL, "full NT path of the image file", "process.executable"},
	[COL_EPROCESS] = VDS_COL_EPROCESS(KEY | WIDE),
	[COL_SOURCES] = {"process.sources", VDS_KIND_FLAGS, 0, "Sources", NULL, "which structures lead to it, all of them with --crossview", NULL},
	SEEN_COLUMNS(COL_SEEN),
};

static const struct vds_option options[] = {
	SEEN_OPTION,
};

#define NONE SIZE_MAX
#define MAX_MARK 32
#define MAX_ANCESTORS 64

/* One process in the tree, by its index in the table. */
struct node {
	const struct vds_process *process;
	size_t parent;		/* NONE: a root */
	size_t child, next;	/* first child, next sibling; in table order */
	size_t depth;
	const char *state;	/* what became of the parent */
};

/* How many processes come, in table order, up to (pid, time), inclusive. */
static size_t count_until(const struct node *nodes, size_t count, uint32_t pid,
			  uint64_t time)
{
	size_t low = 0, high = count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		const struct vds_process *p = nodes[mid].process;
		if (p->pid < pid || (p->pid == pid && p->create_time <= time))
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/*
 * The youngest process with the parent's ID that is not younger than its
 * child: an ID may have been used several times.
 */
static void find_parent(struct node *nodes, size_t count, size_t index)
{
	const struct vds_process *p = nodes[index].process;
	/* System and its kin have no time of creation everywhere. */
	uint64_t time = p->create_time ? p->create_time : UINT64_MAX;
	size_t end = count_until(nodes, count, p->ppid, time);
	size_t best = end;

	nodes[index].parent = NONE;
	if (!p->ppid)
		return;
	if (best && best - 1 == index)
		best--;
	if (best && nodes[best - 1].process->pid == p->ppid) {
		nodes[index].parent = best - 1;
		nodes[index].state = nodes[best - 1].process->exited ?
					     "exited" : "running";
		return;
	}
	nodes[index].state = end < count &&
			     nodes[end].process->pid == p->ppid ?
				     "reused" : "gone";
}

/*
 * Parents may form a ring in memory that was tampered with: it is cut at the
 * process from which it was first entered.
 */
static void cut_ring(struct vds_run *run, struct node *nodes, size_t *mark,
		     size_t index)
{
	size_t at = index;

	while (at != NONE && !mark[at]) {
		mark[at] = index + 1;
		if (nodes[at].parent != NONE &&
		    mark[nodes[at].parent] == index + 1) {
			vds_run_note(run, "parent_ring",
				     nodes[at].process->eprocess,
				     "process %u: its parents lead back to it",
				     nodes[at].process->pid);
			nodes[at].parent = NONE;
			nodes[at].state = "looping";
		}
		at = nodes[at].parent;
	}
}

static struct vds_error *build(struct vds_run *run, struct node **ret)
{
	size_t count = vds_num_processes(run);
	struct node *nodes = vds_alloc(run, count + 1, sizeof(*nodes));
	size_t *mark = vds_alloc(run, count + 1, sizeof(*mark));

	if (!nodes || !mark)
		return &vds_enomem;
	for (size_t i = 0; i < count; i++) {
		nodes[i].process = vds_process_at(run, i);
		nodes[i].child = nodes[i].next = NONE;
		if (!nodes[i].process)
			return &vds_enomem;
	}
	for (size_t i = 0; i < count; i++)
		find_parent(nodes, count, i);
	for (size_t i = 0; i < count; i++)
		cut_ring(run, nodes, mark, i);
	/* Backwards, so that the lists of children are in table order. */
	for (size_t i = count; i-- > 0;) {
		size_t parent = nodes[i].parent;
		if (parent == NONE)
			continue;
		nodes[i].next = nodes[parent].child;
		nodes[parent].child = i;
	}
	*ret = nodes;
	return NULL;
}

/* What --crossview found out. */
struct context {
	struct vds_crossview view;
	/* By index of the table; NULL without --crossview. */
	const struct vds_seen_process *const *seen;
};

static struct vds_error *emit_node(struct vds_run *run,
				   const struct context *c,
				   const struct node *nodes, size_t index)
{
	static const char stars[] = "********************************";
	const struct node *node = &nodes[index];
	const struct vds_process *p = node->process;
	uint64_t ancestors[MAX_ANCESTORS];
	uint32_t n = 0;
	size_t at = node->parent, shown = node->depth;

	for (; at != NONE && n < MAX_ANCESTORS; at = nodes[at].parent)
		ancestors[n++] = nodes[at].process->pid;
	shown = shown < MAX_MARK ? shown : MAX_MARK;
	struct vds_value row[NUM_COLS] = {
		[COL_DEPTH] = vds_int((int64_t)node->depth),
		[COL_PID] = vds_int(p->pid),
		[COL_PPID] = vds_int(p->ppid),
		[COL_MARK] = shown ? vds_str(stars + MAX_MARK - shown) :
				     vds_absent(VDS_NOT_APPLICABLE),
		[COL_NAME] = vds_or(p->name_why, vds_str(p->name)),
		[COL_PARENT] = vds_str(node->state),
		[COL_START] = vds_time(p->create_time),
		[COL_EXIT] = vds_time(p->exit_time),
		[COL_SESSION] = vds_or(p->session_why, vds_int(p->session)),
		[COL_THREADS] = vds_int(p->threads),
		[COL_ANCESTORS] = n ? vds_ints(ancestors, n, at != NONE) :
				      vds_absent(VDS_NOT_APPLICABLE),
		[COL_PATH] = vds_or(p->path_why, vds_str(p->path)),
		[COL_EPROCESS] = vds_addr(p->eprocess),
		[COL_SOURCES] = vds_flags(
			vds_process_sources_str(run, p->sources)),
	};
	if (c->seen && c->seen[index]) {
		row[COL_SOURCES] = vds_flags(vds_process_sources_str(
			run, c->seen[index]->sources));
		seen_fill(&c->view, c->seen[index], row + COL_SEEN);
	}
	return vds_emit(run, row);
}

/* The node after @at when the tree is printed parents first. */
static size_t following(struct node *nodes, size_t at)
{
	if (nodes[at].child != NONE) {
		nodes[nodes[at].child].depth = nodes[at].depth + 1;
		return nodes[at].child;
	}
	while (at != NONE && nodes[at].next == NONE)
		at = nodes[at].parent;
	if (at == NONE)
		return NONE;
	nodes[nodes[at].next].depth = nodes[at].depth;
	return nodes[at].next;
}

static struct vds_error *run_pstree(struct vds_run *run,
				    const struct vds_process *unused)
{
	struct context c = {0};
	struct node *nodes;
	struct vds_error *err = build(run, &nodes);

	(void)unused;
	if (!err && vds_option_set(run, "crossview")) {
		err = vds_process_crossview(run, &c.view);
		if (!err)
			err = seen_index(run, &c.view, &c.seen);
	}
	for (size_t i = 0; !err && i < vds_num_processes(run); i++) {
		if (nodes[i].parent != NONE)
			continue;
		for (size_t at = i; !err && at != NONE;
		     at = following(nodes, at)) {
			if (nodes[at].process->selected)
				err = emit_node(run, &c, nodes, at);
		}
	}
	return err;
}

VDS_PLUGIN(pstree) = {
	VDS_PLUGIN_HEADER(pstree),
	.version = "1.1.0",
	.summary = "processes as a tree, by who created whom",
	.record = "process",
	.scope = VDS_ONCE,
	.columns = columns,
	.num_columns = NUM_COLS,
	.options = options,
	.num_options = sizeof(options) / sizeof(options[0]),
	.run = run_pstree,
};
