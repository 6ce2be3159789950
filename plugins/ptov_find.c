/* SPDX-License-Identifier: Apache-2.0 */
/* ptov: what is to be known before the page tables are walked. */
#include "ptov.h"

#include <string.h>

#include <vadose/pfn.h>
#include <vadose/record.h>
#include <vadose/section.h>
#include <vadose/sharing.h>

#define PAGE UINT64_C(4096)

bool ptov_read_top(struct vds_run *run, const struct vds_process *process,
		   uint64_t *ret)
{
	uint8_t raw[PTOV_ENTRIES * 8];

	if (vds_physical_read(run, process->dtb & PTOV_FRAME, raw, sizeof(raw)))
		return false;
	for (size_t i = 0; i < PTOV_ENTRIES; i++) {
		ret[i] = 0;
		for (size_t k = 8; k-- > 0;)
			ret[i] = ret[i] << 8 | raw[8 * i + k];
	}
	return true;
}

/* Those of one session see the same: the first of them stands for all. */
static bool is_listed(const struct ptov_parts *parts, unsigned int slot,
		      uint64_t entry)
{
	for (size_t i = parts->count; i-- > 0;) {
		if (parts->list[i].slot == slot &&
		    (parts->list[i].entry & PTOV_FRAME) == (entry & PTOV_FRAME))
			return true;
	}
	return false;
}

/* Each may have this many; Windows has two or three. */
#define MAX_PARTS 16

struct vds_error *ptov_find_parts(struct vds_run *run,
				  struct ptov_parts *parts)
{
	uint64_t common[PTOV_ENTRIES], top[PTOV_ENTRIES];
	size_t count = vds_num_processes(run);

	parts->list = vds_alloc(run, count * MAX_PARTS + 1,
				sizeof(*parts->list));
	if (!parts->list)
		return &vds_enomem;
	/* System, as a rule. */
	for (parts->viewer = 0; parts->viewer < count; parts->viewer++) {
		const struct vds_process *process =
			vds_process_at(run, parts->viewer);

		if (process && ptov_read_top(run, process, common))
			break;
	}
	for (size_t p = parts->viewer + 1; p < count; p++) {
		const struct vds_process *process = vds_process_at(run, p);
		size_t first = parts->count;

		if (!process)
			return &vds_enomem;
		if (!process->selected || !ptov_read_top(run, process, top))
			continue;
		for (unsigned int i = PTOV_ENTRIES / 2; i < PTOV_ENTRIES; i++) {
			/* Not the entry that leads to the table itself. */
			if (!(top[i] & PTOV_PRESENT) ||
			    (top[i] & PTOV_FRAME) == (common[i] & PTOV_FRAME) ||
			    (top[i] & PTOV_FRAME) == (process->dtb & PTOV_FRAME) ||
			    parts->count - first == MAX_PARTS ||
			    is_listed(parts, i, top[i]))
				continue;
			parts->list[parts->count++] =
				(struct ptov_part){p, i, top[i]};
		}
	}
	return NULL;
}

/* Whether the PFN database can't say which prototype PTE @pa belongs to. */
static bool is_unknown(const struct vds_process *process, uint64_t pa)
{
	struct vds_pfn pfn;

	return vds_pfn_at(process, pa / PAGE, &pfn) != VDS_PRESENT;
}

static struct vds_error *add_proto(struct vds_run *run,
				   struct ptov_parts *parts, uint64_t frame,
				   uint64_t proto)
{
	if (parts->num_protos == parts->protos_cap) {
		size_t cap = parts->protos_cap ? parts->protos_cap * 2 : 16;
		struct ptov_proto *more = vds_alloc(run, cap, sizeof(*more));

		if (!more)
			return &vds_enomem;
		if (parts->num_protos)
			memcpy(more, parts->protos,
			       parts->num_protos * sizeof(*more));
		parts->protos = more;
		parts->protos_cap = cap;
	}
	parts->protos[parts->num_protos++] = (struct ptov_proto){frame, proto};
	return NULL;
}

/* Prototype PTEs that are read at a time. */
#define BATCH 512

static struct vds_error *search_section(struct vds_run *run,
					struct ptov_parts *parts,
					const struct vds_process *process,
					const struct vds_section *section)
{
	struct vds_section_page pages[BATCH];
	struct vds_error *err = NULL;
	uint64_t alike;

	for (uint64_t at = 0; !err && at < section->total_ptes;) {
		size_t n = vds_section_pages_at(process, section, at, pages,
						BATCH, &alike);

		for (size_t i = 0; i < n; i++) {
			const struct vds_section_page *page = &pages[i];

			for (size_t k = 0; !err && page->pa &&
					   k < parts->num_targets; k++) {
				uint64_t frame =
					parts->targets[k] & PTOV_FRAME;

				if ((page->pa & PTOV_FRAME) == frame &&
				    is_unknown(process, frame))
					err = add_proto(run, parts, frame,
							page->pte_address);
			}
		}
		at += n > 1 ? n : alike ? alike : 1;
	}
	return err;
}

struct vds_error *ptov_find_protos(struct vds_run *run,
				   struct ptov_parts *parts)
{
	const struct vds_sharing_options how = {0};
	const struct vds_process *process = vds_process_at(run, 0);
	const struct vds_sharing *sharing;
	struct vds_error *err;
	bool unknown = false;

	for (size_t i = 0; process && i < parts->num_targets; i++)
		unknown |= vds_physical_has(run, parts->targets[i]) &&
			   is_unknown(process, parts->targets[i]);
	if (!unknown)
		return NULL;
	err = vds_sharing_build(run, &how, &sharing);
	for (size_t i = 0; !err && i < sharing->num_views; i++) {
		const struct vds_section *section = sharing->views[i]->section;

		/* Views are in groups, by control area. */
		if (section && !section->why &&
		    (!i || sharing->views[i - 1]->section != section))
			err = search_section(run, parts, process, section);
	}
	return err;
}
