/* SPDX-License-Identifier: Apache-2.0 */
/*
 * whoshares: bytes, a physical or a virtual address -> each process that maps
 * that memory. Bytes are searched in physical memory; the frames found are then
 * looked for in the page tables of every process, and, where the PFN database
 * says that a section owns the frame, in the views of that section too.
 */
#include "whoshares.h"

#include <vadose/columns.h>
#include <vadose/section.h>

#define PAGE_MASK UINT64_C(0xfff)

enum {
	COL_PA,
	COL_MATCH,
	COL_PID,
	COL_PROCESS,
	COL_EPROCESS,
	COL_VA,
	COL_HOW,
	COL_RIGHTS,
	COL_PROCESSES,
	COL_OWNER,
	COL_CA,
	COL_PAGE,
	COL_FILE,
	NUM_COLS,
};

#define KEY VDS_COLUMN_KEY
#define GROUP VDS_COLUMN_GROUP

static const struct vds_column columns[NUM_COLS] = {
	[COL_PA] = {"hit.physical", VDS_KIND_ADDR, KEY | GROUP, "Physical", NULL, "physical address of the byte, or of the first byte found", NULL},
	[COL_MATCH] = {"hit.match", VDS_KIND_STR, KEY | GROUP, "Match", NULL, "what was found there: text, utf-16, bytes or address", NULL},
	[COL_PID] = {"process.pid", VDS_KIND_INT, 0, "PID", NULL, "process that maps it; none: the kernel's half, as in the cache", "process.pid"},
	[COL_PROCESS] = VDS_COL_PROCESS(0),
	[COL_EPROCESS] = VDS_COL_EPROCESS(KEY | VDS_COLUMN_WIDE),
	[COL_VA] = {"hit.va", VDS_KIND_ADDR, KEY, "Address", NULL, "virtual address of the same byte in that process", NULL},
	[COL_HOW] = {"hit.how", VDS_KIND_STR, 0, "How", NULL, "page-table: mapped now; transition: its PTE holds the frame, trimmed; prototype: its PTE names the shared page; untouched: a view covers the page and has not touched it; owner: by the PFN database alone", NULL},
	[COL_RIGHTS] = {"hit.rights", VDS_KIND_STR, 0, "Rights", NULL, "effective rights by the page tables, if mapped now: rwx", NULL},
	[COL_PROCESSES] = {"hit.processes", VDS_KIND_INT, GROUP, "Processes", NULL, "number of processes that map or may map it", NULL},
	[COL_OWNER] = {"owner.kind", VDS_KIND_STR, GROUP, "Owner", NULL, "section, process, page-table, system, none or unknown, by the PFN database", NULL},
	[COL_CA] = {"section.control_area", VDS_KIND_ADDR, GROUP, "Control area", NULL, "section that owns the page", NULL},
	[COL_PAGE] = {"section.page", VDS_KIND_INT, GROUP, "Page", "pages", "index of the page in the section", NULL},
	[COL_FILE] = VDS_COL_SECTION_FILE(GROUP),
};

static const struct vds_option options[] = {
	{"what", VDS_OPTION_STR, VDS_OPTION_POSITIONAL | VDS_OPTION_REQUIRED, "WHAT", NULL, NULL, "a physical address or, if of the kernel's half, a virtual one; hex:BYTES; text:TEXT or any other text (as UTF-8 and as UTF-16)"},
	{"va", VDS_OPTION_FLAG, 0, NULL, NULL, NULL, "the address is a virtual one, of each process that --pid and --process choose"},
	{"max-hits", VDS_OPTION_UINT, 0, "N", "1000", NULL, "look at no more than the first N places"},
};

static const char *const match_words[] = {
	[MATCH_ADDRESS] = "address", [MATCH_TEXT] = "text",
	[MATCH_UTF16] = "utf-16", [MATCH_BYTES] = "bytes",
};

static const char *const how_words[] = {
	[HOW_PAGE_TABLE] = "page-table", [HOW_TRANSITION] = "transition",
	[HOW_PROTOTYPE] = "prototype", [HOW_UNTOUCHED] = "untouched",
};

static void fill_owner(const struct vds_process *any, const struct frame *f,
		       struct vds_value *v)
{
	const struct vds_page_owner *owner = &f->owner;
	v[COL_OWNER] = vds_str(vds_owner_kind_str(owner->kind));
	if (owner->has_page)
		v[COL_PAGE] = vds_int((int64_t)owner->page);
	if (!owner->control_area)
		return;
	const struct vds_section *s = vds_section_at(any, owner->control_area);
	v[COL_CA] = vds_addr(owner->control_area);
	if (s && !s->why)
		v[COL_FILE] = s->file_name ? vds_str(s->file_name) :
					     vds_absent(s->file_name_why);
}

static void fill_process(struct vds_run *run, size_t index,
			 struct vds_value *v)
{
	const struct vds_process *p = vds_process_at(run, index);
	if (!p)
		return;
	v[COL_PID] = vds_int(p->pid);
	v[COL_PROCESS] = p->name ? vds_str(p->name) : vds_absent(p->name_why);
	v[COL_EPROCESS] = vds_addr(p->eprocess);
}

/* No process shows it: what the PFN database knows is all there is. */
static struct vds_error *emit_alone(struct vds_run *run, const struct frame *f,
				    uint64_t pa, struct vds_value *v)
{
	const struct vds_page_owner *owner = &f->owner;
	if (owner->kind == VDS_OWNER_SYSTEM ||
	    owner->kind == VDS_OWNER_PROCESS ||
	    owner->kind == VDS_OWNER_PAGE_TABLE) {
		v[COL_VA] = vds_addr(owner->va + (pa & PAGE_MASK));
		v[COL_HOW] = vds_str("owner");
	}
	if (owner->has_process)
		fill_process(run, owner->process, v);
	return vds_emit(run, v);
}

/* How many processes show it; the kernel's half is none. */
static int64_t count_processes(const struct mappings *mappings, size_t low,
			       size_t high, size_t num_processes)
{
	const struct mapping *m = mappings->list;
	int64_t processes = 0;
	for (size_t i = low; i < high; i++)
		processes += m[i].process < num_processes &&
			     (i == low || m[i].process != m[i - 1].process);
	return processes;
}

static struct vds_error *emit_hit(struct vds_run *run,
				  const struct frames *frames,
				  const struct mappings *mappings,
				  const struct hit *hit)
{
	static const char *const rights[] = {"r--", "rw-", "r-x", "rwx"};
	const struct frame *f = &frames->list[frame_at(frames, hit->pa >> 12)];
	const struct vds_process *any = vds_process_at(run, 0);
	size_t num_processes = vds_num_processes(run);
	struct vds_value v[NUM_COLS] = {0};
	size_t low = mapping_at(mappings, f->number);
	size_t high = mapping_at(mappings, f->number + 1);
	v[COL_PA] = vds_addr(hit->pa);
	v[COL_MATCH] = vds_str(match_words[hit->match]);
	v[COL_PROCESSES] = vds_int(count_processes(mappings, low, high,
						   num_processes));
	if (any && f->known)
		fill_owner(any, f, v);
	if (low == high)
		return emit_alone(run, f, hit->pa, v);
	for (; low < high; low++) {
		const struct mapping *m = &mappings->list[low];
		if (m->process < num_processes)
			fill_process(run, m->process, v);
		else
			v[COL_PID] = v[COL_PROCESS] = v[COL_EPROCESS] =
				vds_absent(VDS_NOT_APPLICABLE);
		v[COL_VA] = vds_addr(m->va + (hit->pa & PAGE_MASK));
		v[COL_HOW] = vds_str(how_words[m->how]);
		v[COL_RIGHTS] = vds_str(m->how == HOW_PAGE_TABLE ?
						rights[m->rights] : NULL);
		struct vds_error *err = vds_emit(run, v);
		if (err)
			return err;
	}
	return NULL;
}

static struct vds_error *run_whoshares(struct vds_run *run,
				       const struct vds_process *process)
{
	size_t max = (size_t)vds_option_uint(run, "max-hits");
	struct mappings mappings = {0};
	struct frames frames;
	struct hits hits = {0};
	(void)process;
	if (!vds_num_processes(run))
		return NULL;
	struct vds_error *err = find_hits(run, max, &hits);
	if (err || !hits.count)
		return err;
	err = list_frames(run, &hits, &frames);
	if (!err)
		err = find_mappings(run, &frames, &mappings);
	for (size_t i = 0; !err && i < hits.count; i++)
		err = emit_hit(run, &frames, &mappings, &hits.list[i]);
	return err;
}

VDS_PLUGIN(whoshares) = {
	VDS_PLUGIN_HEADER(whoshares),
	.version = "1.0.0",
	.summary = "bytes or an address: each process that maps that memory",
	.record = "shared_memory",
	.scope = VDS_ONCE,
	.columns = columns,
	.num_columns = NUM_COLS,
	.options = options,
	.num_options = sizeof(options) / sizeof(options[0]),
	.run = run_whoshares,
};
