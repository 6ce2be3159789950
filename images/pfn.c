/* SPDX-License-Identifier: Apache-2.0 */
/* The PFN database: an entry for each frame that is in use. */
#include "world.h"

static void put_entry(struct world *w, const struct frame *f)
{
	static const char type[] = "_MMPFN";
	uint64_t va = w->pfn_db + f->pfn * size_of(w, type);

	put(w, &w->kernel, va, type, "PteAddress", f->pte_va);
	put(w, &w->kernel, va, type, "OriginalPte", f->original);
	/* On a list, the same bits link to the page before. */
	if (f->location == 6)
		put(w, &w->kernel, va, type, "u2.ShareCount",
		    f->share ? f->share : 1);
	put(w, &w->kernel, va, type, "u3.ReferenceCount|u3.e2.ReferenceCount",
	    f->location == 6);
	put(w, &w->kernel, va, type, "u3.e1.PageLocation", f->location);
	put(w, &w->kernel, va, type, "u3.e1.Modified", f->modified);
	put(w, &w->kernel, va, type, "u4.PteFrame", f->table);
	put(w, &w->kernel, va, type, "u4.PrototypePte", f->proto);
	(void)put_opt(w, &w->kernel, va, type, "u4.PfnExists", 1);
}

/*
 * Writing entries takes frames for the database itself, which then need
 * entries too: so it is repeated until their number does not grow.
 */
void pfn_build(struct world *w)
{
	uint64_t last = w->scene->memory / VDS_PAGE_SIZE;
	size_t done = 0;

	while (!w->err && w->frames.count != done) {
		done = w->frames.count;
		for (uint64_t pfn = 0; pfn < last && !w->err; pfn++) {
			const uint64_t *slot = vds_map_get(&w->frames, pfn);
			if (slot)
				put_entry(w, (struct frame *)(uintptr_t)*slot);
		}
	}
}
