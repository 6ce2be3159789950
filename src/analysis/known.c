/* SPDX-License-Identifier: Apache-2.0 */
#include "analysis/known.h"

#include <string.h>

#include "base/map.h"
#include "base/str.h"
#include "base/util.h"
#include "nt/kernel.h"
#include "nt/task.h"

/* The PEB is 0x7d0 bytes at most so far; larger ones are read up to here. */
#define PEB_MAX 4096

static uint64_t slot(const struct vds_field *field, const void *peb, size_t len)
{
	uint64_t value;
	return vds_field_get(field, peb, len, &value) ? 0 : value;
}

void vds_peb_slots_read(const struct vds_process *process,
			struct vds_peb_slots *ret)
{
	const struct vds_kernel *kernel = process->task->kernel;
	uint8_t peb[PEB_MAX];
	size_t len = VDS_MIN((size_t)vds_ksize(kernel, PEB), sizeof(peb));
	*ret = (struct vds_peb_slots){0};
	if (!process->peb || !len ||
	    vds_process_read(process, process->peb, peb, len))
		return;
	ret->api_set = slot(vds_kf(kernel, PEB_API_SET_MAP), peb, len);
	ret->csr_shared = slot(vds_kf(kernel, PEB_READ_ONLY_SHARED_MEMORY_BASE),
			       peb, len);
	ret->gdi_table = slot(vds_kf(kernel, PEB_GDI_SHARED_HANDLE_TABLE), peb,
			      len);
	ret->nls[0] = slot(vds_kf(kernel, PEB_ANSI_CODE_PAGE_DATA), peb, len);
	ret->nls[1] = slot(vds_kf(kernel, PEB_OEM_CODE_PAGE_DATA), peb, len);
	ret->nls[2] = slot(vds_kf(kernel, PEB_UNICODE_CASE_TABLE_DATA), peb,
			   len);
}

struct range {
	size_t first, end;	/* views of one process, [first, end) */
};

/* The view of the run @range that holds @va, or NULL. */
static const struct vds_view *view_at(const struct vds_view *views,
				      struct range range, uint64_t va)
{
	while (range.first < range.end) {
		size_t mid = range.first + (range.end - range.first) / 2;
		if (views[mid].start > va)
			range.end = mid;
		else if (views[mid].end < va)
			range.first = mid + 1;
		else
			return &views[mid];
	}
	return NULL;
}

/* One slot of one session: who points where. */
struct poll {
	const struct vds_process *processes;
	size_t num_processes;
	const struct vds_view *views;
	const struct range *ranges;
	size_t offset;		/* of the slot in struct vds_peb_slots */
};

static uint64_t slot_at(const struct vds_peb_slots *slots, size_t offset)
{
	uint64_t value;
	memcpy(&value, (const char *)slots + offset, sizeof(value));
	return value;
}

/* Control areas are counted per session: csrss and win32k are. */
static uint64_t ballot(uint64_t control_area, const struct vds_process *process)
{
	uint64_t session = process->session_why ? UINT32_MAX : process->session;
	return control_area ^ (session + 1) << 48;
}

static struct vds_error *count_votes(const struct poll *poll,
				     const struct vds_peb_slots *slots,
				     struct vds_map *votes,
				     struct vds_map *voters)
{
	for (size_t i = 0; i < poll->num_processes; i++) {
		uint64_t va = slot_at(&slots[i], poll->offset);
		const struct vds_view *view =
			va ? view_at(poll->views, poll->ranges[i], va) : NULL;
		if (!view || !view->section || view->section->why)
			continue;
		const struct vds_process *process = &poll->processes[i];
		uint64_t *vote = vds_map_put(
			votes, ballot(view->section->control_area, process),
			NULL);
		uint64_t *all = vds_map_put(voters, ballot(0, process), NULL);
		if (!vote || !all)
			return &vds_enomem;
		++*vote;
		++*all;
	}
	return NULL;
}

static struct vds_error *elect(const struct poll *poll,
			       const struct vds_peb_slots *slots,
			       enum vds_known_good known,
			       struct vds_map *elected)
{
	struct vds_map votes = {0}, voters = {0};
	struct vds_error *err = count_votes(poll, slots, &votes, &voters);
	for (size_t i = 0; !err && i < poll->num_processes; i++) {
		uint64_t va = slot_at(&slots[i], poll->offset);
		const struct vds_view *view =
			va ? view_at(poll->views, poll->ranges[i], va) : NULL;
		if (!view || !view->section || view->section->why)
			continue;
		const struct vds_process *process = &poll->processes[i];
		uint64_t ca = view->section->control_area;
		uint64_t n = *vds_map_get(&votes, ballot(ca, process));
		uint64_t of = *vds_map_get(&voters, ballot(0, process));
		if (n < 2 || n * 2 <= of)
			continue;
		uint64_t *mark = vds_map_put(elected, ca, NULL);
		if (!mark)
			err = &vds_enomem;
		else
			*mark = known;
	}
	vds_map_deinit(&votes);
	vds_map_deinit(&voters);
	return err;
}

/* Processes that legitimately hold a writable view of such a region. */
static bool owns_regions(const struct vds_process *process)
{
	if (process->kind == VDS_PROCESS_SYSTEM)
		return true;
	return process->path &&
	       (vds_glob_match("*\\Windows\\System32\\csrss.exe",
			       process->path) ||
		vds_glob_match("*\\Windows\\System32\\smss.exe",
			       process->path));
}

static enum vds_known_good known_of(const struct vds_view *view,
				    const struct vds_process *process,
				    const struct vds_map *elected)
{
	const struct vds_section *section = view->section;
	if (!section || section->why)
		return VDS_KNOWN_NOT;
	if (vds_protection_writable(view->protection) &&
	    !owns_regions(process))
		return VDS_KNOWN_NOT;
	if (vds_protection_executable(view->protection))
		return VDS_KNOWN_NOT;
	const uint64_t *mark = vds_map_get(elected, section->control_area);
	if (mark)
		return (enum vds_known_good)*mark;
	/* National language files: system files, mapped as data, read-only. */
	if (section->backing == VDS_BACKING_DATA && section->file_name &&
	    !section->file_deleted &&
	    vds_glob_match("*\\Windows\\System32\\*.nls", section->file_name))
		return VDS_KNOWN_NLS;
	if (section->backing == VDS_BACKING_DATA && section->file_name &&
	    !section->file_deleted &&
	    vds_glob_match("*\\Windows\\Globalization\\*.nls",
			   section->file_name))
		return VDS_KNOWN_NLS;
	return VDS_KNOWN_NOT;
}

static void mark_views(const struct vds_process *processes,
		       struct vds_view *views, size_t num_views,
		       struct vds_share_group *groups, size_t num_groups,
		       const struct vds_map *elected)
{
	for (size_t i = 0; i < num_views; i++) {
		struct vds_view *view = &views[i];
		/* What nobody vouches for is not known good. */
		if (view->process == VDS_NO_PROCESS)
			continue;
		view->known = (uint8_t)known_of(
			view, &processes[view->process], elected);
		if (view->known)
			groups[view->group].known = view->known;
	}
	/* One process's view that is not known good takes the mark from all. */
	for (size_t i = 0; i < num_views; i++) {
		if (!views[i].known && views[i].group < num_groups &&
		    views[i].space == VDS_SPACE_PROCESS)
			groups[views[i].group].known = VDS_KNOWN_NOT;
	}
}

struct vds_error *vds_known_mark(const struct vds_process *processes,
				 size_t num_processes,
				 const struct vds_peb_slots *slots,
				 struct vds_view *views, size_t num_views,
				 struct vds_share_group *groups,
				 size_t num_groups)
{
	static const struct {
		size_t offset;
		enum vds_known_good known;
	} polls[] = {
		{offsetof(struct vds_peb_slots, api_set), VDS_KNOWN_API_SET},
		{offsetof(struct vds_peb_slots, csr_shared),
		 VDS_KNOWN_CSR_SHARED},
		{offsetof(struct vds_peb_slots, gdi_table),
		 VDS_KNOWN_GDI_TABLE},
		{offsetof(struct vds_peb_slots, nls[0]), VDS_KNOWN_NLS},
		{offsetof(struct vds_peb_slots, nls[1]), VDS_KNOWN_NLS},
		{offsetof(struct vds_peb_slots, nls[2]), VDS_KNOWN_NLS},
	};
	_cleanup_free_ struct range *ranges =
		calloc(num_processes + 1, sizeof(*ranges));
	if (!ranges)
		return &vds_enomem;
	for (size_t i = 0; i < num_views; i++) {
		if (views[i].process == VDS_NO_PROCESS)
			continue;
		struct range *range = &ranges[views[i].process];
		if (!range->end)
			range->first = i;
		range->end = i + 1;
	}
	struct vds_map elected = {0};
	struct vds_error *err = NULL;
	for (size_t i = 0; !err && i < VDS_ARRAY_SIZE(polls); i++) {
		struct poll poll = {processes, num_processes, views, ranges,
				    polls[i].offset};
		err = elect(&poll, slots, polls[i].known, &elected);
	}
	if (!err)
		mark_views(processes, views, num_views, groups, num_groups,
			   &elected);
	vds_map_deinit(&elected);
	return err;
}
