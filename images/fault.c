/* SPDX-License-Identifier: Apache-2.0 */
/* What goes wrong with the finished machine: one line of a recipe each. */
#include "section.h"

#include <string.h>

#include "base/bytes.h"
#include "base/str.h"

struct fault {
	struct world *w;
	const struct order *order;
	struct process *process;
	struct section *section;
	struct view *view;
	uint64_t number;
};

/* Canonical kernel address where nothing is mapped. */
#define WILD UINT64_C(0xffffc50baaaaa000)

static void fail(struct fault *f, const char *what)
{
	world_fail(f->w, place_error(f->order->place, "%s", what));
}

static void put64(struct world *w, uint64_t va, uint64_t value)
{
	uint8_t bytes[8];

	vds_put_le64(bytes, value);
	space_write(w, &w->kernel, va, bytes, 8);
}

static struct view *tree_node(struct view *v, unsigned int way)
{
	while (v && (way ? v->right : v->left))
		v = way ? v->right : v->left;
	return v;
}

static void set_child(struct fault *f, struct view *v, const char *side,
		      uint64_t to)
{
	put(f->w, &f->w->kernel, v->va, "_MMVAD_SHORT",
	    side[0] == 'l' ? "VadNode.Left|LeftChild"
			   : "VadNode.Right|RightChild", to);
}

/* The leftmost node's left child is the root: a walk never ends. */
static void vad_loop(struct fault *f)
{
	struct view *v = tree_node(f->process->root, 0);
	set_child(f, v, "left", f->process->root->va);
}

static void vad_self(struct fault *f)
{
	struct view *v = tree_node(f->process->root, 1);
	set_child(f, v, "right", v->va);
}

static void vad_wild(struct fault *f)
{
	set_child(f, tree_node(f->process->root, 0), "left",
		  f->number ? f->number : WILD);
}

static void vad_root(struct fault *f)
{
	put(f->w, &f->w->kernel, f->process->eprocess, "_EPROCESS",
	    has_field(f->w, "_EPROCESS", "VadRoot.BalancedRoot")
		    ? "VadRoot.BalancedRoot.RightChild"
		    : "VadRoot.Root|VadRoot",
	    f->number ? f->number : WILD);
}

/* The last page lies before the first. */
static void vad_endvpn(struct fault *f)
{
	struct view *v = tree_node(f->process->root, 1);
	put(f->w, &f->w->kernel, v->va, "_MMVAD_SHORT", "EndingVpn",
	    (v->start / VDS_PAGE_SIZE - 5) & UINT32_MAX);
}

static void vad_overlap(struct fault *f)
{
	struct view *v = f->process->root;
	if (!v->left)
		return fail(f, "the root has no left child");
	put(f->w, &f->w->kernel, v->left->va, "_MMVAD_SHORT", "EndingVpn",
	    (v->start / VDS_PAGE_SIZE + 1) & UINT32_MAX);
}

/* The node's memory was used anew: its tag and its body are not a VAD's. */
static void vad_smear(struct fault *f)
{
	struct view *v = tree_node(f->process->root, 0);
	uint8_t text[64];

	memset(text, 0x41, sizeof(text));
	space_write(f->w, &f->w->kernel, v->va - 12, "Free", 4);
	space_write(f->w, &f->w->kernel, v->va, text, sizeof(text));
}

static void vad_tag(struct fault *f)
{
	space_write(f->w, &f->w->kernel, f->process->root->va - 12, "Xxxx", 4);
}

static void vad_count(struct fault *f)
{
	if (!put_opt(f->w, &f->w->kernel, f->process->eprocess, "_EPROCESS",
		     "VadCount", f->process->num_views + 7))
		put(f->w, &f->w->kernel, f->process->eprocess, "_EPROCESS",
		    "VadRoot.NumberGenericTableElements",
		    f->process->num_views + 7);
}

/* All nodes in one line, each the right child of the one before. */
static void vad_deep(struct fault *f)
{
	struct view *v = tree_node(f->process->root, 0), *next;

	vad_root(&(struct fault){ .w = f->w, .order = f->order,
				  .process = f->process, .number = v->va });
	for (; v; v = next) {
		next = NULL;
		for (struct view *o = f->process->views; o; o = o->next)
			if (!o->unlinked && o->start > v->start &&
			    (!next || o->start < next->start))
				next = o;
		set_child(f, v, "left", 0);
		set_child(f, v, "right", next ? next->va : 0);
	}
}

static uint64_t links(struct fault *f)
{
	return f->process->eprocess + offset_of(f->w, "_EPROCESS",
						"ActiveProcessLinks");
}

static void apl_loop(struct fault *f)
{
	put(f->w, &f->w->kernel, links(f), "_LIST_ENTRY", "Flink", links(f));
}

static void apl_wild(struct fault *f)
{
	put(f->w, &f->w->kernel, links(f), "_LIST_ENTRY", "Flink",
	    f->number ? f->number : WILD);
}

static void apl_cut(struct fault *f)
{
	apl_wild(f);
	put(f->w, &f->w->kernel, links(f), "_LIST_ENTRY", "Blink", WILD);
}

static void wrong_pid(struct fault *f)
{
	put(f->w, &f->w->kernel, f->process->eprocess, "_EPROCESS",
	    "UniqueProcessId", f->number);
}

static void wild_dtb(struct fault *f)
{
	put(f->w, &f->w->kernel, f->process->eprocess, "_EPROCESS",
	    "Pcb.DirectoryTableBase",
	    f->number ? f->number : UINT64_C(0x7ffffffff000));
}

/* The last subsection's successor is the first. */
static void subsection_cycle(struct fault *f)
{
	struct section *s = f->section;
	put(f->w, &f->w->kernel, s->parts[s->num_parts - 1].va, "_SUBSECTION",
	    "NextSubsection", s->parts[0].va);
}

static void subsection_wild(struct fault *f)
{
	put(f->w, &f->w->kernel, f->section->parts[0].va, "_SUBSECTION",
	    "ControlArea", f->number ? f->number : WILD);
}

static void segment_wild(struct fault *f)
{
	put(f->w, &f->w->kernel, f->section->control_area, "_CONTROL_AREA",
	    "Segment", f->number ? f->number : WILD);
}

static void huge_ptes(struct fault *f)
{
	put(f->w, &f->w->kernel, f->section->parts[0].va, "_SUBSECTION",
	    "PtesInSubsection", UINT32_MAX);
}

static void file_wild(struct fault *f)
{
	put(f->w, &f->w->kernel, f->section->control_area, "_CONTROL_AREA",
	    "FilePointer", f->number ? f->number : WILD);
}

static void name_wild(struct fault *f)
{
	uint64_t va = f->section->file_object +
		      offset_of(f->w, "_FILE_OBJECT", "FileName");
	put(f->w, &f->w->kernel, va, "_UNICODE_STRING", "Length", 0xfffe);
	put(f->w, &f->w->kernel, va, "_UNICODE_STRING", "Buffer", WILD);
}

static void view_list_loop(struct fault *f)
{
	uint64_t head = section_view_list(f->w, f->section);
	uint8_t bytes[8];

	space_read(f->w, &f->w->kernel, head, bytes, 8);
	put(f->w, &f->w->kernel, vds_le64(bytes), "_LIST_ENTRY", "Flink",
	    vds_le64(bytes));
}

/* A node of the tree of prototype arrays: its left child is itself. */
static void tree_loop(struct fault *f)
{
	if (!f->section->proto_node)
		return fail(f, "the section is in no tree");
	put(f->w, &f->w->kernel, f->section->proto_node, "_RTL_BALANCED_NODE",
	    "Left", f->section->proto_node);
}

static void tree_wild(struct fault *f)
{
	if (!f->section->proto_node)
		return fail(f, "the section is in no tree");
	put(f->w, &f->w->kernel, f->section->proto_node, "_RTL_BALANCED_NODE",
	    "Right", f->number ? f->number : WILD);
}

/* The tree's node leads into a structure that is none of a section's. */
static void tree_kind(struct fault *f)
{
	put(f->w, &f->w->kernel, f->section->proto_node,
	    "_MI_PROTOTYPE_PTES_NODE", "u1.e1.AllocationType",
	    f->number ? f->number : 3);
}

static struct system_view *system_view_of(struct fault *f)
{
	struct system_view *v = f->w->scene->system_views;
	while (v && (v->section != f->section || !v->node))
		v = v->next;
	if (!v)
		fail(f, "nothing but VADs shows the section");
	return v;
}

static void vacb_wild(struct fault *f)
{
	struct system_view *v = system_view_of(f);
	if (v)
		put(f->w, &f->w->kernel, v->node, "_VACB", "SharedCacheMap",
		    f->number ? f->number : WILD);
}

/* The array of the section's VACB claims to be another one. */
static void vacb_array(struct fault *f)
{
	struct system_view *v = system_view_of(f);
	uint8_t bytes[8];
	if (!v)
		return;
	space_read(f->w, &f->w->kernel,
		   v->node + offset_of(f->w, "_VACB", "ArrayHead"), bytes, 8);
	put(f->w, &f->w->kernel, vds_le64(bytes), "_VACB_ARRAY_HEADER",
	    "VacbArrayIndex", 7);
}

static void mmview_wild(struct fault *f)
{
	struct system_view *v = system_view_of(f);
	if (!v)
		return;
	if (has_type(f->w, "_MMVIEW"))
		put(f->w, &f->w->kernel, v->node, "_MMVIEW",
		    "u1.ControlArea|ControlArea", WILD);
	else
		put(f->w, &f->w->kernel, v->node, "_RTL_BALANCED_NODE", "Left",
		    v->node);
}

/* The control area counts more views than there are; frames may agree. */
static void count_views(struct fault *f)
{
	uint64_t n = f->number ? f->number : 1;
	put(f->w, &f->w->kernel, f->section->control_area, "_CONTROL_AREA",
	    "NumberOfMappedViews", f->section->views + n);
}

static void lose_views(struct fault *f)
{
	uint64_t n = f->number ? f->number : 1;
	count_views(f);
	for (uint32_t i = 0; i < f->section->pages; i++)
		if (f->section->frames[i] && f->section->states[i] == 'V')
			mem_frame(f->w, f->section->frames[i])->share += n;
	pfn_build(f->w);
}

/* The page that holds the section's prototype PTEs is not in memory. */
static void paged_protos(struct fault *f)
{
	uint64_t va = f->section->parts[0].proto;
	uint64_t end = section_proto(f->section, f->section->pages - 1);

	for (va &= ~VDS_PAGE_MASK; va <= end; va += VDS_PAGE_SIZE)
		mem_put64(f->w, space_entry(f->w, &f->w->kernel, va, 1),
			  pte_soft(f->w, 0, 0x3000, PROT_READWRITE));
}

/* The same page is on the standby list: still readable. */
static void transition_protos(struct fault *f)
{
	uint64_t va = f->section->parts[0].proto & ~VDS_PAGE_MASK;
	uint64_t end = section_proto(f->section, f->section->pages - 1);

	for (; va <= end; va += VDS_PAGE_SIZE) {
		uint64_t pfn = space_pfn(f->w, &f->w->kernel, va);
		mem_put64(f->w, space_entry(f->w, &f->w->kernel, va, 1),
			  pte_transition(f->w, pfn, PROT_READWRITE));
	}
}

/* A process's top table has no user half any more. */
static void empty_dtb(struct fault *f)
{
	memset(mem_page(f->w, f->process->dtb / VDS_PAGE_SIZE), 0,
	       VDS_PAGE_SIZE / 2);
}

static void handle_wild(struct fault *f)
{
	put(f->w, &f->w->kernel, f->process->object_table, "_HANDLE_TABLE",
	    "TableCode", (f->number ? f->number : WILD) | 2);
}

static void frame_beyond(struct fault *f)
{
	struct view *v = f->process->views;
	while (v && (!v->ptes || !(v->ptes[0] & PTE_P)))
		v = v->next;
	if (!v)
		return fail(f, "the process has no resident page");
	mem_put64(f->w, space_entry(f->w, f->process->space, v->start, 1),
		  pte_hardware(f->w, f->w->scene->memory / VDS_PAGE_SIZE + 16,
			       v->prot, true, true));
}

/* poke VA VALUE: eight bytes of kernel memory. */
static void poke(struct fault *f)
{
	uint64_t va, value;

	if (f->order->num_words < 3 ||
	    !vds_parse_u64(f->order->words[1], &va) ||
	    !vds_parse_u64(f->order->words[2], &value))
		return fail(f, "fault poke VA VALUE");
	put64(f->w, va, value);
}

/* The database's entry of the section's page number @f->number. */
static uint64_t pfn_entry(struct fault *f)
{
	uint64_t pfn = f->number < f->section->pages
		? f->section->frames[f->number] : 0;

	if (!pfn)
		fail(f, "that page is not resident");
	return f->w->pfn_db + pfn * size_of(f->w, "_MMPFN");
}

/* It says that the frame belongs to another prototype PTE. */
static void pfn_other(struct fault *f)
{
	put(f->w, &f->w->kernel, pfn_entry(f), "_MMPFN", "PteAddress",
	    section_proto(f->section, 0) + 0x10000);
}

/* It says that the frame is a private page. */
static void pfn_private(struct fault *f)
{
	put(f->w, &f->w->kernel, pfn_entry(f), "_MMPFN", "u4.PrototypePte", 0);
}

static void pfn_gone(struct fault *f)
{
	uint8_t zeros[128] = { 0 };

	space_write(f->w, &f->w->kernel, pfn_entry(f), zeros,
		    VDS_MIN(size_of(f->w, "_MMPFN"), sizeof(zeros)));
}

static void zero_frame(struct fault *f)
{
	memset(mem_page(f->w, f->number / VDS_PAGE_SIZE), 0, VDS_PAGE_SIZE);
}

static void set(struct fault *f)
{
	chain_set(f->w, f->order);
}

enum subject { ON_NOTHING, ON_PROCESS, ON_TREE, ON_SECTION, ON_NUMBER };

static const struct {
	const char *name;
	enum subject subject;
	void (*apply)(struct fault *f);
} faults[] = {
	{ "apl-cut", ON_PROCESS, apl_cut },
	{ "apl-loop", ON_PROCESS, apl_loop },
	{ "apl-wild", ON_PROCESS, apl_wild },
	{ "dtb-empty", ON_PROCESS, empty_dtb },
	{ "dtb-wild", ON_PROCESS, wild_dtb },
	{ "file-wild", ON_SECTION, file_wild },
	{ "frame-beyond", ON_PROCESS, frame_beyond },
	{ "handle-wild", ON_PROCESS, handle_wild },
	{ "name-wild", ON_SECTION, name_wild },
	{ "mmview-wild", ON_SECTION, mmview_wild },
	{ "pfn-gone", ON_SECTION, pfn_gone },
	{ "pfn-other", ON_SECTION, pfn_other },
	{ "pfn-private", ON_SECTION, pfn_private },
	{ "pid", ON_PROCESS, wrong_pid },
	{ "poke", ON_NUMBER, poke },
	{ "protos-paged", ON_SECTION, paged_protos },
	{ "protos-transition", ON_SECTION, transition_protos },
	{ "segment-wild", ON_SECTION, segment_wild },
	{ "set", ON_NOTHING, set },
	{ "subsection-cycle", ON_SECTION, subsection_cycle },
	{ "subsection-huge", ON_SECTION, huge_ptes },
	{ "subsection-wild", ON_SECTION, subsection_wild },
	{ "tree-kind", ON_SECTION, tree_kind },
	{ "tree-loop", ON_SECTION, tree_loop },
	{ "tree-wild", ON_SECTION, tree_wild },
	{ "vacb-array", ON_SECTION, vacb_array },
	{ "vacb-wild", ON_SECTION, vacb_wild },
	{ "vad-count", ON_PROCESS, vad_count },
	{ "vad-deep", ON_TREE, vad_deep },
	{ "vad-endvpn", ON_TREE, vad_endvpn },
	{ "vad-loop", ON_TREE, vad_loop },
	{ "vad-overlap", ON_TREE, vad_overlap },
	{ "vad-root", ON_PROCESS, vad_root },
	{ "vad-self", ON_TREE, vad_self },
	{ "vad-smear", ON_TREE, vad_smear },
	{ "vad-tag", ON_TREE, vad_tag },
	{ "vad-wild", ON_TREE, vad_wild },
	{ "view-list-loop", ON_SECTION, view_list_loop },
	{ "views-counted", ON_SECTION, count_views },
	{ "views-lost", ON_SECTION, lose_views },
	{ "zero-frame", ON_NUMBER, zero_frame },
};

static struct vds_error *remember(struct process *process, void *arg)
{
	struct fault *f = arg;

	f->process = process;
	return NULL;
}

static void find_subject(struct fault *f, enum subject subject)
{
	const struct order *o = f->order;
	const char *word = o->num_words > 1 ? o->words[1] : "";

	if (subject == ON_NOTHING)
		return;
	if (subject == ON_NUMBER) {
		if (!vds_parse_u64(word, &f->number))
			fail(f, "a number is missing");
		return;
	}
	if (subject == ON_SECTION) {
		f->section = scene_find_section(f->w->scene, word);
		if (!f->section)
			fail(f, "there is no such section");
	} else {
		struct vds_error *err = scene_each(f->w->scene, o->place, word,
						   remember, f);
		if (err)
			world_fail(f->w, err);
		else if (subject == ON_TREE && !f->process->root)
			fail(f, "the process has no VADs");
	}
	if (o->num_words > 2 && !vds_parse_u64(o->words[2], &f->number))
		fail(f, "the value is not a number");
}

void faults_apply(struct world *w)
{
	for (struct order *o = w->scene->faults; o && !w->err; o = o->next) {
		struct fault f = { .w = w, .order = o };
		size_t i = 0;
		while (i < VDS_ARRAY_SIZE(faults) &&
		       strcmp(faults[i].name, o->words[0]) != 0)
			i++;
		if (i == VDS_ARRAY_SIZE(faults)) {
			fail(&f, "there is no such fault");
			return;
		}
		find_subject(&f, faults[i].subject);
		if (!w->err)
			faults[i].apply(&f);
	}
}
