/* SPDX-License-Identifier: Apache-2.0 */
/* VAD nodes and the balanced tree over them, in the shape of this kernel. */
#include "section.h"

#include <stdlib.h>
#include <string.h>

static bool is_short(const struct view *v)
{
	return !v->section && !v->physical;
}

/* The members of a node's core, which long nodes have too. */
static void put_core(struct world *w, const struct view *v,
		     const char *path, uint64_t value)
{
	put(w, &w->kernel, v->va, "_MMVAD_SHORT", path, value);
}

static void put_core_opt(struct world *w, const struct view *v,
			 const char *path, uint64_t value)
{
	(void)put_opt(w, &w->kernel, v->va, "_MMVAD_SHORT", path, value);
}

static void put_range(struct world *w, const struct view *v)
{
	uint64_t first = v->start / VDS_PAGE_SIZE;
	uint64_t last = first + v->pages - 1;

	if (has_field(w, "_MMVAD_SHORT", "StartingVpnHigh")) {
		put_core(w, v, "StartingVpnHigh", first >> 32 & 0xff);
		put_core(w, v, "EndingVpnHigh", last >> 32 & 0xff);
		put_core_opt(w, v, "u5.StartingVpnHigher", first >> 40);
		put_core_opt(w, v, "EndingVpnHigher", last >> 40);
		first &= UINT32_MAX;
		last &= UINT32_MAX;
	}
	put_core(w, v, "StartingVpn", first);
	put_core(w, v, "EndingVpn", last);
}

uint32_t vad_commit(const struct view *v)
{
	if (!v->section)
		return v->commit ? v->pages : 0;
	return v->section->kind == SECTION_IMAGE ? 2 : 0;
}

static void put_flags(struct world *w, const struct view *v)
{
	put_core(w, v, "u.VadFlags.Protection", v->prot);
	put_core(w, v, "u.VadFlags.VadType", v->vad_type);
	put_core(w, v, "u.VadFlags.PrivateMemory", is_short(v));
	put_core(w, v,
		 "u1.VadFlags1.CommitCharge|CommitCharge|"
		 "u.VadFlags.CommitCharge", vad_commit(v));
	put_core(w, v,
		 "u1.VadFlags1.MemCommit|u.PrivateVadFlags.MemCommit|"
		 "u.VadFlags.MemCommit", !v->section && v->commit);
}

static void put_tail(struct world *w, struct view *v)
{
	static const char type[] = "_MMVAD";
	struct section *s = v->section;
	uint32_t index, last_index;
	const struct part *part = section_part(s, v->offset, &index);
	uint32_t last = v->offset + v->pages - 1;

	if (!part) {
		world_fail(w, place_error(v->place,
			"the view begins behind its section's end"));
		return;
	}
	/* Contiguous as far as one array goes: images are one, data are not. */
	uint64_t end = part->proto + 8 * (uint64_t)(part->pages - 1);
	if (s->kind != SECTION_DATA)
		end = section_proto(s, VDS_MIN(last, s->pages - 1));
	else if (section_part(s, last, &last_index) == part)
		end = part->proto + 8 * (uint64_t)last_index;
	put(w, &w->kernel, v->va, type, "Subsection", part->va);
	put(w, &w->kernel, v->va, type, "FirstPrototypePte",
	    section_proto(s, v->offset));
	put(w, &w->kernel, v->va, type, "LastContiguousPte", end);
	(void)put_opt(w, &w->kernel, v->va, type, "u2.VadFlags2.FileOffset",
		      v->offset / 16);
	if (s->file_object)
		(void)put_opt(w, &w->kernel, v->va, type, "FileObject",
			      s->file_object);
	/* Low bits 01: the owner is a process. */
	put(w, &w->kernel, v->va, type, "VadsProcess",
	    v->process->eprocess | 1);
	list_add(w, section_view_list(w, s),
		 v->va + offset_of(w, type, "ViewLinks"));
	s->views++;
	s->user_views++;
}

static void put_node(struct world *w, struct view *v)
{
	const char *type = is_short(v) ? "_MMVAD_SHORT" : "_MMVAD";
	const char *tag = v->tag && strlen(v->tag) == 4 ? v->tag
			  : is_short(v) ? "VadS" : "Vad ";

	v->va = pool_alloc(w, &w->nonpaged, size_of(w, type), tag);
	put_range(w, v);
	put_flags(w, v);
	if (v->section)
		put_tail(w, v);
}

static int compare(const void *a, const void *b)
{
	const struct view *x = *(struct view *const *)a;
	const struct view *y = *(struct view *const *)b;

	return x->start < y->start ? -1 : x->start > y->start;
}

/* Balanced over nodes[0..n); depth is log2(n), so recursion is safe. */
static struct view *balance(struct view **nodes, size_t n, int *height)
{
	int left = 0, right = 0;

	if (!n) {
		*height = 0;
		return NULL;
	}
	struct view *v = nodes[n / 2];
	v->left = balance(nodes, n / 2, &left);
	v->right = balance(nodes + n / 2 + 1, n - n / 2 - 1, &right);
	if (v->left)
		v->left->parent = v;
	if (v->right)
		v->right->parent = v;
	v->balance = right - left;
	*height = VDS_MAX(left, right) + 1;
	return v;
}

static void link_node(struct world *w, const struct view *v, uint64_t sentinel)
{
	uint64_t parent = v->parent ? v->parent->va : sentinel;

	put_core(w, v, "VadNode.Left|LeftChild", v->left ? v->left->va : 0);
	put_core(w, v, "VadNode.Right|RightChild",
		 v->right ? v->right->va : 0);
	/* Two bits, signed: 01 right-heavy, 11 left-heavy. */
	put_core(w, v, "VadNode.ParentValue|u1.Parent",
		 parent | ((unsigned int)v->balance & 3));
}

static void put_root(struct world *w, const struct process *p)
{
	static const char type[] = "_EPROCESS";
	uint64_t root = p->root ? p->root->va : 0;

	if (has_field(w, type, "VadRoot.BalancedRoot")) {
		/* The table's sentinel: the tree hangs on its right. */
		put(w, &w->kernel, p->eprocess, type,
		    "VadRoot.BalancedRoot.RightChild", root);
		put(w, &w->kernel, p->eprocess, type,
		    "VadRoot.BalancedRoot.u1.Parent",
		    p->eprocess + offset_of(w, type, "VadRoot.BalancedRoot"));
		put(w, &w->kernel, p->eprocess, type,
		    "VadRoot.DepthOfTree", (unsigned int)p->depth);
		put(w, &w->kernel, p->eprocess, type,
		    "VadRoot.NumberGenericTableElements", p->num_views);
		(void)put_opt(w, &w->kernel, p->eprocess, type,
			      "VadRoot.NodeHint", root);
		return;
	}
	put(w, &w->kernel, p->eprocess, type, "VadRoot.Root|VadRoot", root);
	(void)put_opt(w, &w->kernel, p->eprocess, type, "VadHint", root);
	(void)put_opt(w, &w->kernel, p->eprocess, type, "VadCount",
		      p->num_views);
}

void vads_build(struct world *w, struct process *p)
{
	_cleanup_free_ struct view **nodes = NULL;
	size_t n = 0, all = 0;

	for (struct view *v = p->views; v; v = v->next)
		all++;
	nodes = vds_malloc_array(all, sizeof(struct view *));
	if (!nodes) {
		world_nomem(w);
		return;
	}
	for (struct view *v = p->views; v && !w->err; v = v->next) {
		put_node(w, v);
		if (!v->unlinked)
			nodes[n++] = v;
	}
	if (w->err)
		return;
	qsort(nodes, n, sizeof(*nodes), compare);
	for (size_t i = 1; i < n; i++)
		if (nodes[i]->start < nodes[i - 1]->start +
		    nodes[i - 1]->pages * VDS_PAGE_SIZE)
			world_fail(w, place_error(nodes[i]->place,
				"process %u: overlaps the view of line %u",
				p->pid, nodes[i - 1]->place.line));
	p->root = balance(nodes, n, &p->depth);
	p->num_views = (uint32_t)n;
	if (has_field(w, "_EPROCESS", "VadRoot.BalancedRoot"))
		p->sentinel = p->eprocess +
			offset_of(w, "_EPROCESS", "VadRoot.BalancedRoot");
	for (size_t i = 0; i < n; i++)
		link_node(w, nodes[i], p->sentinel);
	put_root(w, p);
}
