/* SPDX-License-Identifier: Apache-2.0 */
/*
 * whoshares: bytes, a physical or a virtual address -> each process that maps
 * that memory, also of a page of a section that is nowhere in memory now. Bytes are searched in physical memory; the frames found are then
 * looked for in the page tables of every process, and, where the PFN database
 * says that a section owns the frame, in the views of that section too.
 */
#include "choice.h"
#include "whoshares.h"

#include <vadose/columns.h>
#include <vadose/page.h>
#include <vadose/record.h>
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
	COL_STATE,
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
	[COL_MATCH] = {"hit.match", VDS_KIND_STR, KEY | GROUP, "Match", NULL, "what was found there: text, utf-16 or bytes; or how the address was taken: physical or virtual", NULL},
	[COL_PID] = {"process.pid", VDS_KIND_INT, 0, "PID", NULL, "process that maps it; none: the kernel's half, as in the cache", "process.pid"},
	[COL_PROCESS] = VDS_COL_PROCESS(0),
	[COL_EPROCESS] = VDS_COL_EPROCESS(KEY | VDS_COLUMN_WIDE),
	[COL_VA] = {"hit.va", VDS_KIND_ADDR, KEY, "Address", NULL, "virtual address of the same byte in that process", NULL},
	[COL_HOW] = {"hit.how", VDS_KIND_STR, 0, "How", NULL, "page-table: mapped now; transition: its PTE holds the frame, trimmed; prototype: its PTE names the shared page; untouched: a view covers the page and has not touched it; view: a view shows this page of the section, which is not in memory; owner: by the PFN database alone; none: nothing maps it", NULL},
	[COL_STATE] = {"hit.state", VDS_KIND_STR, 0, "State", NULL, "why the byte is not to be had: state of the page as in vadpages (pagefile, file, compressed, demand-zero, reserved...), no-vad, out-of-image, or what the kernel's tables say", NULL},
	[COL_RIGHTS] = {"hit.rights", VDS_KIND_STR, 0, "Rights", NULL, "effective rights by the page tables, if mapped now: rwx", NULL},
	[COL_PROCESSES] = {"hit.processes", VDS_KIND_INT, GROUP, "Processes", NULL, "number of processes that map or may map it", NULL},
	[COL_OWNER] = {"owner.kind", VDS_KIND_STR, GROUP, "Owner", NULL, "section, process, page-table, system, none or unknown, by the PFN database", NULL},
	[COL_CA] = {"section.control_area", VDS_KIND_ADDR, GROUP, "Control area", NULL, "section that owns the page", NULL},
	[COL_PAGE] = {"section.page", VDS_KIND_INT, GROUP, "Page", "pages", "index of the page in the section", NULL},
	[COL_FILE] = VDS_COL_SECTION_FILE(GROUP),
};

static const struct vds_option options[] = {
	{"what", VDS_OPTION_STR, VDS_OPTION_POSITIONAL | VDS_OPTION_REQUIRED, "WHAT", NULL, NULL, "pa:ADDR, a physical address; va:ADDR, a virtual one; ADDR alone: virtual if it is of the kernel's half, if --pid or --process chose whose it is, or if it lies beyond physical memory, else physical (hit.match says which); hex:BYTES (blanks may stand between); text:TEXT or any other text (as UTF-8 and as UTF-16). Bytes may go on in the next page of physical memory: then processes count that map both pages one behind the other"},
	{"va", VDS_OPTION_FLAG, 0, NULL, NULL, NULL, "the address is a virtual one, of each process that --pid and --process choose (as va:ADDR)"},
	{"max-hits", VDS_OPTION_UINT, 0, "N", "1000", NULL, "look at no more than the first N places"},
};

static const char *const match_words[] = {
	[MATCH_PHYSICAL] = "physical", [MATCH_VIRTUAL] = "virtual",
	[MATCH_TEXT] = "text",
	[MATCH_UTF16] = "utf-16", [MATCH_BYTES] = "bytes",
};

static const char *const how_words[] = {
	[HOW_PAGE_TABLE] = "page-table", [HOW_TRANSITION] = "transition",
	[HOW_PROTOTYPE] = "prototype", [HOW_UNTOUCHED] = "untouched",
	[HOW_VIEW] = "view",
};

static void fill_section(const struct vds_process *any, uint64_t area,
			 struct vds_value *v)
{
	const struct vds_section *s = vds_section_at(any, area);
	v[COL_CA] = vds_addr(area);
	if (s && !s->why)
		v[COL_FILE] = s->file_name ? vds_str(s->file_name) :
					     vds_absent(s->file_name_why);
}

static void fill_owner(const struct vds_process *any, const struct frame *f,
		       struct vds_value *v)
{
	const struct vds_page_owner *owner = &f->owner;
	v[COL_OWNER] = vds_str(vds_owner_kind_str(owner->kind));
	if (owner->has_page)
		v[COL_PAGE] = vds_int((int64_t)owner->page);
	if (owner->control_area)
		fill_section(any, owner->control_area, v);
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
	} else {
		v[COL_HOW] = vds_str("none");
	}
	if (owner->has_process)
		fill_process(run, owner->process, v);
	return vds_emit(run, v);
}

/* How many processes show it; the kernel's half is none. */
static int64_t count_processes(const struct mapping *m, size_t count,
			       size_t num_processes)
{
	int64_t processes = 0;
	for (size_t i = 0; i < count; i++)
		processes += m[i].process < num_processes &&
			     (!i || m[i].process != m[i - 1].process);
	return processes;
}

static const struct mapping none;

/*
 * The mappings of frame @number; if bytes go on in the next one, those that the
 * next frame's follow. *ret_count of them; NULL: out of memory.
 */
static const struct mapping *mappings_of(struct vds_run *run,
					 const struct mappings *all,
					 uint64_t number, bool spans,
					 size_t *ret_count)
{
	size_t low = mapping_at(all, number);
	size_t high = mapping_at(all, number + 1);
	size_t end = spans ? mapping_at(all, number + 2) : high;
	struct mapping *kept;

	*ret_count = high - low;
	if (!spans)
		return all->list ? all->list + low : &none;
	kept = vds_alloc(run, *ret_count + 1, sizeof(*kept));
	*ret_count = 0;
	/* Both are in order of process and address. */
	for (size_t next = high; kept && low < high; low++) {
		const struct mapping *m = &all->list[low];
		while (next < end &&
		       (all->list[next].process < m->process ||
			(all->list[next].process == m->process &&
			 all->list[next].va < m->va + PAGE_MASK + 1)))
			next++;
		if (next < end && all->list[next].process == m->process &&
		    all->list[next].va == m->va + PAGE_MASK + 1)
			kept[(*ret_count)++] = *m;
	}
	return kept;
}

/* A row for each mapping; @offset: of the byte in its page. */
static struct vds_error *emit_mappings(struct vds_run *run,
				       const struct mapping *m, size_t count,
				       uint64_t offset, struct vds_value *v)
{
	static const char *const rights[] = {"r--", "rw-", "r-x", "rwx"};
	size_t num_processes = vds_num_processes(run);

	for (; count; count--, m++) {
		if (m->process < num_processes)
			fill_process(run, m->process, v);
		else
			v[COL_PID] = v[COL_PROCESS] = v[COL_EPROCESS] =
				vds_absent(VDS_NOT_APPLICABLE);
		v[COL_VA] = vds_addr(m->va + offset);
		v[COL_HOW] = vds_str(how_words[m->how]);
		v[COL_RIGHTS] = vds_str(m->how == HOW_PAGE_TABLE ?
						rights[m->rights] : NULL);
		if (m->how == HOW_VIEW)
			v[COL_STATE] = vds_str(vds_page_state_str(
				(enum vds_page_state)m->state));
		struct vds_error *err = vds_emit(run, v);
		if (err)
			return err;
	}
	return NULL;
}

/*
 * Does a process that --pid and --process leave in map it? A virtual address was
 * taken in those alone.
 */
static bool is_chosen(struct vds_run *run, const struct mapping *m,
		      size_t count, const struct frame *f,
		      const struct hit *hit)
{
	if (hit->match == MATCH_VIRTUAL || !choice_of_processes(run))
		return true;
	for (size_t i = 0; i < count; i++) {
		const struct vds_process *p =
			vds_process_at(run, m[i].process);
		if (p && p->selected)
			return true;
	}
	const struct vds_process *p =
		f->known && f->owner.has_process ?
			vds_process_at(run, f->owner.process) : NULL;
	return p && p->selected;
}

static struct vds_error *emit_hit(struct vds_run *run,
				  const struct frames *frames,
				  const struct mappings *mappings,
				  const struct hit *hit)
{
	const struct frame *f = &frames->list[frame_at(frames, hit->pa >> 12)];
	const struct vds_process *any = vds_process_at(run, 0);
	struct vds_value v[NUM_COLS] = {0};
	size_t count;
	const struct mapping *m = mappings_of(run, mappings, f->number,
					      hit->spans, &count);
	if (!m)
		return &vds_enomem;
	if (!is_chosen(run, m, count, f, hit))
		return NULL;
	v[COL_PA] = vds_addr(hit->pa);
	v[COL_MATCH] = vds_str(match_words[hit->match]);
	v[COL_PROCESSES] = vds_int(
		count_processes(m, count, vds_num_processes(run)));
	if (!vds_physical_has(run, hit->pa))
		v[COL_STATE] = vds_str(
			vds_page_state_str(VDS_PAGE_OUT_OF_IMAGE));
	if (any && f->known)
		fill_owner(any, f, v);
	if (!count)
		return emit_alone(run, f, hit->pa, v);
	return emit_mappings(run, m, count, hit->pa & PAGE_MASK, v);
}

/* What isn't in memory: why, and of a section's page, who would see it. */
static struct vds_error *emit_absent(struct vds_run *run,
				     const struct mappings *mappings,
				     const struct absent *a, size_t index)
{
	const struct vds_process *any = vds_process_at(run, 0);
	struct vds_value v[NUM_COLS] = {0};
	size_t count;
	const struct mapping *m = mappings_of(
		run, mappings, ABSENT_FRAME(index), false, &count);
	v[COL_PA] = vds_absent(a->why);
	v[COL_MATCH] = vds_str(match_words[MATCH_VIRTUAL]);
	v[COL_STATE] = vds_str(a->state);
	if (any && a->control_area) {
		v[COL_OWNER] = vds_str(vds_owner_kind_str(VDS_OWNER_SECTION));
		fill_section(any, a->control_area, v);
	}
	if (a->has_page)
		v[COL_PAGE] = vds_int((int64_t)a->page);
	if (count) {
		v[COL_PROCESSES] = vds_int(
			count_processes(m, count, vds_num_processes(run)));
		return emit_mappings(run, m, count, a->va & PAGE_MASK, v);
	}
	v[COL_VA] = vds_addr(a->va);
	v[COL_HOW] = vds_str("none");
	if (a->process < vds_num_processes(run))
		fill_process(run, a->process, v);
	return vds_emit(run, v);
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
	if (err || (!hits.count && !hits.num_absent))
		return err;
	err = list_frames(run, &hits, &frames);
	if (!err)
		err = find_mappings(run, &hits, &frames, &mappings);
	for (size_t i = 0; !err && i < hits.count; i++)
		err = emit_hit(run, &frames, &mappings, &hits.list[i]);
	for (size_t i = 0; !err && i < hits.num_absent; i++)
		err = emit_absent(run, &mappings, &hits.absent[i], i);
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
