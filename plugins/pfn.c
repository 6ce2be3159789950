/* SPDX-License-Identifier: Apache-2.0 */
/* pfn: what the PFN database says of a frame of physical memory. */
#include "choice.h"

#include <vadose/columns.h>
#include <vadose/pfn.h>
#include <vadose/plugin.h>
#include <vadose/section.h>

enum {
	COL_PA,
	COL_FRAME,
	COL_ENTRY,
	COL_LIST,
	COL_SHARES,
	COL_REFERENCES,
	COL_PTE,
	COL_PROTOTYPE,
	COL_ORIGINAL,
	COL_TABLE,
	COL_FLINK,
	COL_BLINK,
	COL_FLAGS,
	COL_PRIORITY,
	COL_OWNER,
	COL_VA,
	COL_PID,
	COL_PROCESS,
	COL_CA,
	COL_SUBSECTION,
	COL_PAGE,
	COL_FILE,
	NUM_COLS,
};

static const struct vds_column columns[NUM_COLS] = {
	[COL_PA] = {"pfn.address", VDS_KIND_ADDR, VDS_COLUMN_KEY, "Address", NULL, "physical address of the page", NULL},
	[COL_FRAME] = {"pfn.frame", VDS_KIND_HEX, VDS_COLUMN_WIDE, "Frame", "pages", "its number: address / 4096", NULL},
	[COL_ENTRY] = {"pfn.entry", VDS_KIND_ADDR, VDS_COLUMN_WIDE, "MMPFN", NULL, "address of its entry in the database", NULL},
	[COL_LIST] = {"pfn.list", VDS_KIND_STR, 0, "List", NULL, "active, or the list that the page is on", NULL},
	[COL_SHARES] = {"pfn.share_count", VDS_KIND_INT, 0, "Shares", NULL, "PTEs that map an active page", NULL},
	[COL_REFERENCES] = {"pfn.references", VDS_KIND_INT, 0, "Refs", NULL, "ReferenceCount", NULL},
	[COL_PTE] = {"pfn.pte_address", VDS_KIND_ADDR, 0, "PTE address", NULL, "of the PTE or prototype PTE that maps it", NULL},
	[COL_PROTOTYPE] = {"pfn.prototype", VDS_KIND_BOOL, 0, "Proto", NULL, "that is a prototype PTE: the page belongs to a section", NULL},
	[COL_ORIGINAL] = {"pfn.original_pte", VDS_KIND_HEX, 0, "Original PTE", NULL, "content of that PTE once the frame is reused", NULL},
	[COL_TABLE] = {"pfn.table_frame", VDS_KIND_HEX, VDS_COLUMN_WIDE, "Table", "pages", "frame of the page that holds that PTE", NULL},
	[COL_FLINK] = {"pfn.next_frame", VDS_KIND_HEX, VDS_COLUMN_WIDE, "Flink", "pages", "next frame on its list", NULL},
	[COL_BLINK] = {"pfn.previous_frame", VDS_KIND_HEX, VDS_COLUMN_WIDE, "Blink", "pages", "previous frame on its list", NULL},
	[COL_FLAGS] = {"pfn.flags", VDS_KIND_FLAGS, 0, "Flags", NULL, "modified, reading, writing", NULL},
	[COL_PRIORITY] = {"pfn.priority", VDS_KIND_INT, VDS_COLUMN_WIDE, "Priority", NULL, "standby priority", NULL},
	[COL_OWNER] = {"owner.kind", VDS_KIND_STR, 0, "Owner", NULL, "section, process, page-table, system or none", NULL},
	[COL_VA] = {"owner.va", VDS_KIND_ADDR, 0, "Mapped at", NULL, "where its owner sees it, by the PTE's address", NULL},
	[COL_PID] = {"process.pid", VDS_KIND_INT, 0, "PID", NULL, "process that owns it", "process.pid"},
	[COL_PROCESS] = VDS_COL_PROCESS(0),
	[COL_CA] = {"section.control_area", VDS_KIND_ADDR, 0, "Control area", NULL, "section that owns it", NULL},
	[COL_SUBSECTION] = {"section.subsection", VDS_KIND_ADDR, VDS_COLUMN_WIDE, "Subsection", NULL, "SUBSECTION that owns it", NULL},
	[COL_PAGE] = {"section.page", VDS_KIND_INT, 0, "Page", "pages", "index of the page in the section", NULL},
	[COL_FILE] = VDS_COL_SECTION_FILE(0),
};

static const struct vds_option options[] = {
	{"frame", VDS_OPTION_UINTS, VDS_OPTION_POSITIONAL, "FRAME", NULL, NULL, "frame numbers (physical address / 4096)"},
	{"pa", VDS_OPTION_UINTS, 0, "ADDR", NULL, NULL, "physical addresses"},
};

static void fill_entry(const struct vds_pfn *pfn, struct vds_value *v)
{
	static const char *const words[8] = {
		NULL, "modified", "reading", "modified reading", "writing",
		"modified writing", "reading writing",
		"modified reading writing",
	};
	v[COL_ENTRY] = vds_addr(pfn->entry);
	v[COL_LIST] = vds_str(vds_page_list_str(pfn->list));
	v[COL_REFERENCES] = vds_int(pfn->reference_count);
	v[COL_PTE] = vds_addr(pfn->pte_address);
	v[COL_PROTOTYPE] = vds_bool(pfn->prototype);
	v[COL_ORIGINAL] = vds_hex(pfn->original_pte);
	v[COL_TABLE] = vds_hex(pfn->pte_frame);
	v[COL_PRIORITY] = vds_int(pfn->priority);
	v[COL_FLAGS] = vds_flags(words[pfn->modified |
				       pfn->read_in_progress << 1 |
				       pfn->write_in_progress << 2]);
	/* u1 and u2 hold counts of pages in use, links of those on lists. */
	if (pfn->list == VDS_LIST_ACTIVE) {
		v[COL_SHARES] = vds_int((int64_t)(pfn->share_count &
						  INT64_MAX));
	} else {
		v[COL_FLINK] = vds_hex(pfn->flink);
		v[COL_BLINK] = vds_hex(pfn->share_count);
	}
}

static void fill_section(const struct vds_process *any,
			 const struct vds_page_owner *owner,
			 struct vds_value *v)
{
	if (owner->subsection)
		v[COL_SUBSECTION] = vds_addr(owner->subsection);
	if (owner->has_page)
		v[COL_PAGE] = vds_int((int64_t)owner->page);
	if (!owner->control_area)
		return;
	const struct vds_section *s =
		vds_section_at(any, owner->control_area);
	v[COL_CA] = vds_addr(owner->control_area);
	if (s && !s->why)
		v[COL_FILE] = s->file_name ? vds_str(s->file_name) :
					     vds_absent(s->file_name_why);
}

static void fill_owner(struct vds_run *run, const struct vds_page_owner *owner,
		       struct vds_value *v)
{
	const struct vds_process *any = vds_process_at(run, 0);
	v[COL_OWNER] = vds_str(vds_owner_kind_str(owner->kind));
	if (owner->kind == VDS_OWNER_SECTION && any)
		fill_section(any, owner, v);
	if (owner->kind == VDS_OWNER_PROCESS ||
	    owner->kind == VDS_OWNER_PAGE_TABLE ||
	    owner->kind == VDS_OWNER_SYSTEM)
		v[COL_VA] = vds_addr(owner->va);
	const struct vds_process *p =
		owner->has_process ? vds_process_at(run, owner->process) :
				     NULL;
	if (p) {
		v[COL_PID] = vds_int(p->pid);
		v[COL_PROCESS] = p->name ? vds_str(p->name) :
					   vds_absent(p->name_why);
	}
}

/* Of a process that --pid and --process leave in? */
static bool is_chosen(struct vds_run *run, const struct vds_page_owner *owner)
{
	const struct vds_process *p =
		owner->has_process ? vds_process_at(run, owner->process) :
				     NULL;
	return p && p->selected;
}

static struct vds_error *emit(struct vds_run *run,
			      const struct vds_pfn_index *index, uint64_t frame)
{
	const struct vds_process *any = vds_process_at(run, 0);
	struct vds_value v[NUM_COLS] = {0};
	struct vds_page_owner owner;
	struct vds_pfn pfn;
	if (!any)
		return &vds_enomem;
	enum vds_why why = vds_pfn_at(any, frame, &pfn);
	if (!why)
		vds_pfn_owner(run, index, &pfn, &owner);
	if (choice_of_processes(run) && (why || !is_chosen(run, &owner)))
		return NULL;
	v[COL_PA] = vds_addr(frame << 12);
	v[COL_FRAME] = vds_hex(frame);
	if (why) {
		v[COL_LIST] = vds_absent(why);
		return vds_emit(run, v);
	}
	fill_entry(&pfn, v);
	fill_owner(run, &owner, v);
	return vds_emit(run, v);
}

static struct vds_error *run_pfn(struct vds_run *run,
				 const struct vds_process *process)
{
	const struct vds_pfn_index *index;
	size_t num_frames, num_addresses;
	const uint64_t *frames = vds_option_uints(run, "frame", &num_frames);
	const uint64_t *addresses = vds_option_uints(run, "pa", &num_addresses);
	(void)process;
	if (!num_frames && !num_addresses)
		return vds_error_create(VDS_ERROR_USAGE,
					"pfn: give frame numbers, or addresses with --pa");
	if (!vds_num_processes(run))
		return NULL;
	struct vds_error *err = vds_pfn_index_load(run, &index);
	for (size_t i = 0; !err && i < num_frames; i++)
		err = emit(run, index, frames[i]);
	for (size_t i = 0; !err && i < num_addresses; i++)
		err = emit(run, index, addresses[i] >> 12);
	return err;
}

VDS_PLUGIN(pfn) = {
	VDS_PLUGIN_HEADER(pfn),
	.version = "1.0.0",
	.summary = "a frame's entry in the PFN database, and whose page it is",
	.record = "pfn",
	.scope = VDS_ONCE,
	.columns = columns,
	.num_columns = NUM_COLS,
	.options = options,
	.num_options = sizeof(options) / sizeof(options[0]),
	.run = run_pfn,
};
