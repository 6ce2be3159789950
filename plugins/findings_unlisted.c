/* SPDX-License-Identifier: Apache-2.0 */
/* The rule about images that the loader's lists lack. */
#include <stdlib.h>
#include <string.h>

#include <vadose/module.h>

#include "findings_images.h"

static int compare_bases(const void *pa, const void *pb)
{
	const uint64_t *a = pa, *b = pb;
	return *a < *b ? -1 : *a > *b;
}

static bool is_listed(const struct listed *listed, const struct vds_vad *vad)
{
	size_t low = 0, high = listed->count;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (listed->bases[mid] < vad->start)
			low = mid + 1;
		else
			high = mid;
	}
	return low < listed->count && listed->bases[low] <= vad->end;
}

static bool is_complete(const struct vds_modules *modules)
{
	for (size_t i = 0; i < VDS_NUM_MODULE_LISTS; i++) {
		if (modules->why[i])
			return false;
	}
	return modules->count > 0;
}

static void add_bases(struct listed *listed, const struct vds_modules *modules)
{
	for (size_t i = 0; i < modules->count; i++) {
		if (!modules->list[i].base_why)
			listed->bases[listed->count++] =
				modules->list[i].base;
	}
}

struct vds_error *listed_read(struct vds_run *run, const struct vds_process *p,
			      struct listed *ret)
{
	struct vds_modules native, wow64;
	*ret = (struct listed){0};
	struct vds_error *err = vds_process_module_bases(run, p, false,
							 &native);
	if (!err)
		err = vds_process_module_bases(run, p, true, &wow64);
	if (err)
		return err;
	ret->bases = vds_alloc(run, native.count + wow64.count + 1,
			       sizeof(*ret->bases));
	if (!ret->bases)
		return &vds_enomem;
	add_bases(ret, &native);
	add_bases(ret, &wow64);
	qsort(ret->bases, ret->count, sizeof(*ret->bases), compare_bases);
	ret->complete = is_complete(&native);
	ret->complete32 = is_complete(&wow64);
	return NULL;
}

/* Managed code is mapped by its runtime, which has lists of its own. */
static bool is_managed(const struct use *u)
{
	struct image_view view = u->view;
	struct vds_pe_directory clr;
	return !vds_pe_directory_at(image_read, &view, VDS_PE_CLR, &clr);
}

static struct vds_error *unlinked(struct vds_run *run,
				  const struct scene *scene,
				  const struct use *u)
{
	const struct vds_process *p = u->view.process;
	struct finding f;
	if (!finding_init(&f, scene, "unlinked-module"))
		return NULL;
	finding_vad(&f, run, p, u->vad);
	finding_module(&f, run, p, u->vad);
	if (u->ran)
		finding_add(&f, "code_mapped",
			    "the process has pages of its code in its tables");
	if (u->written || u->copies)
		finding_add(&f, "written",
			    "the process wrote to it, as a loader does");
	if (is_managed(u))
		finding_add(&f, "managed", "it is managed code");
	finding_threads(&f, scene, p, u->vad->start, u->vad->end);
	f.process = p;
	f.vad = u->vad;
	f.section = u->view.section;
	f.message = "an image with code is in none of the loader's lists";
	return finding_emit(&f, run, scene);
}

/* Lists that lack most of what is mapped are no measure for the rest. */
static struct vds_error *lists_lack_most(struct vds_run *run,
					 const struct scene *scene,
					 const struct vds_process *p,
					 const struct unlisted *unlisted)
{
	struct finding f;
	if (!finding_init(&f, scene, "unlinked-module"))
		return NULL;
	for (size_t i = 0; i < unlisted->count; i++)
		finding_module(&f, run, p, unlisted->list[i].vad);
	finding_process(&f, run, p);
	finding_add(&f, "most_missing",
		    "the lists lack most images: they are no measure");
	f.process = p;
	f.message = vds_sprintf(
		run, "%zu of %zu images with code are in none of the loader's lists",
		unlisted->count, unlisted->images);
	return finding_emit(&f, run, scene);
}

static bool remember(struct vds_run *run, struct unlisted *l,
		     const struct use *u)
{
	if (l->count == l->cap) {
		size_t cap = l->cap ? l->cap * 2 : 16;
		struct use *more = vds_alloc(run, cap, sizeof(*more));
		if (!more)
			return false;
		if (l->count)
			memcpy(more, l->list, l->count * sizeof(*more));
		l->list = more;
		l->cap = cap;
	}
	struct vds_vad *vad = vds_alloc(run, 1, sizeof(*vad));
	if (!vad)
		return false;
	/* The iterator lends a VAD only for a while. */
	*vad = *u->vad;
	l->list[l->count] = *u;
	l->list[l->count++].vad = vad;
	return true;
}

struct vds_error *find_unlisted(struct vds_run *run, const struct scene *scene,
				const struct vds_process *p,
				const struct unlisted *l)
{
	struct vds_error *err = NULL;
	if (l->count >= MANY && l->count * 2 > l->images)
		return lists_lack_most(run, scene, p, l);
	for (size_t i = 0; !err && i < l->count; i++)
		err = unlinked(run, scene, &l->list[i]);
	return err;
}

/*
 * Is it the 32-bit loader's to list? Its header says so; without one its place
 * does, though Windows 7 has 64-bit libraries below 4 GB, too.
 */
static bool is_32_bit(const struct use *u)
{
	struct image_view view = u->view;
	struct vds_pe pe;
	if (!u->view.process->wow64 ||
	    u->vad->end >= UINT64_C(0x100000000))
		return false;
	return vds_pe_parse(image_read, &view, &pe) || !pe.is_64;
}

/* May the loader's lists be asked about this image? */
static bool is_judged(const struct listed *listed, const struct use *u)
{
	return listed->complete && (listed->complete32 || !is_32_bit(u)) &&
	       u->code && vds_protection_executable(u->vad->protection);
}

struct vds_error *listed_check(struct vds_run *run, const struct listed *listed,
			       const struct use *u, struct unlisted *unlisted)
{
	if (!is_judged(listed, u))
		return NULL;
	unlisted->images++;
	return is_listed(listed, u->vad) || remember(run, unlisted, u) ?
		       NULL : &vds_enomem;
}
