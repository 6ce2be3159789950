/* SPDX-License-Identifier: Apache-2.0 */
#include "relatives.h"

#include <stdlib.h>
#include <string.h>

#include <vadose/section.h>

/* A file identity and one of its control areas. */
struct file_area {
	uint64_t identity, control_area;
};

static int compare_areas(const void *pa, const void *pb)
{
	const struct file_area *a = pa, *b = pb;
	if (a->identity != b->identity)
		return a->identity < b->identity ? -1 : 1;
	if (a->control_area != b->control_area)
		return a->control_area < b->control_area ? -1 : 1;
	return 0;
}

struct vds_error *relatives_list(struct vds_run *run,
				 const struct vds_sharing *sharing,
				 struct relatives *ret)
{
	*ret = (struct relatives){0};
	ret->areas = vds_alloc(run, sharing->num_groups + 1, sizeof(*ret->areas));
	if (!ret->areas)
		return &vds_enomem;
	size_t n = 0;
	for (size_t g = 0; g < sharing->num_groups; g++) {
		const struct vds_section *section =
			sharing->views[sharing->groups[g].first_view]->section;
		if (section && !section->why && section->file_identity)
			ret->areas[n++] = (struct file_area){
				section->file_identity, section->control_area};
	}
	qsort(ret->areas, n, sizeof(*ret->areas), compare_areas);
	for (size_t i = 0; i < n; i++) {
		if (!i || compare_areas(&ret->areas[i], &ret->areas[i - 1]))
			ret->areas[ret->num_areas++] = ret->areas[i];
	}
	return NULL;
}

struct vds_value relatives_of(struct vds_run *run, const struct relatives *all,
			      const struct vds_section *section)
{
	char *text = NULL;
	size_t low = 0, high = all->num_areas, len = 0, count = 0;
	if (!section || section->why || !section->file_identity)
		return vds_absent(VDS_NOT_APPLICABLE);
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (all->areas[mid].identity < section->file_identity)
			low = mid + 1;
		else
			high = mid;
	}
	bool more = false;
	for (; low < all->num_areas &&
	       all->areas[low].identity == section->file_identity; low++) {
		if (all->areas[low].control_area == section->control_area)
			continue;
		if (!text)
			text = vds_alloc(run, 8, 19);
		more = count == 8;
		if (!text || more)
			break;
		char *address = vds_sprintf(run, "0x%016llx",
			(unsigned long long)all->areas[low].control_area);
		if (!address)
			break;
		memcpy(text + len, address, 19);
		len += 19;
		count++;
	}
	if (!count)
		return vds_absent(VDS_NOT_APPLICABLE);
	return (struct vds_value){.kind = VDS_KIND_STRS, .s = text,
				  .count = (uint32_t)len,
				  .flags = more ? VDS_VALUE_TRUNCATED : 0};
}
