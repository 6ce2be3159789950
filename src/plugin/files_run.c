/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vds_files_load(): the file objects that sections, VADs, handles, views of the
 * file cache and the tree of prototype PTE arrays name, and those in blocks of
 * pool that nothing of these leads to: most files that the cache holds are
 * neither mapped nor open any more.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "plugin/session.h"
#include "vadose/file.h"
#include "vadose/handle.h"
#include "vadose/pool.h"
#include "vadose/sharing.h"

static int compare_u64(const void *pa, const void *pb)
{
	uint64_t a = *(const uint64_t *)pa, b = *(const uint64_t *)pb;
	return a < b ? -1 : a > b;
}

struct collected {
	struct vds_run *run;
	const struct vds_pool_check *check;
	pthread_mutex_t lock;	/* only the scan has more than one thread */
	uint64_t *list;		/* of the heap: no run owns it */
	size_t count, cap;
	bool nomem;
};

static bool collect(struct collected *c, uint64_t file)
{
	if (c->count == c->cap) {
		size_t cap = c->cap ? c->cap * 2 : 256;
		uint64_t *list = reallocarray(c->list, cap, sizeof(*list));
		if (!list) {
			c->nomem = true;
			return false;
		}
		c->list = list;
		c->cap = cap;
	}
	c->list[c->count++] = file;
	return true;
}

static void collect_views(struct collected *c,
			  const struct vds_sharing *sharing)
{
	for (size_t i = 0; i < sharing->num_views; i++) {
		const struct vds_view *view = sharing->views[i];
		if (view->section && view->section->file_object)
			collect(c, view->section->file_object);
		if (view->file_object)
			collect(c, view->file_object);
	}
	/* Cached ones, and those that only the kernel's own tree knows. */
	for (size_t i = 0; i < sharing->num_sections; i++) {
		const struct vds_section *s = sharing->sections[i].section;
		if (!s->why && s->file_object)
			collect(c, s->file_object);
	}
}

static bool collect_handle(void *ctx, const struct vds_open_handle *handle)
{
	if (handle->type && strcmp(handle->type, "File") == 0)
		return collect(ctx, handle->object);
	return true;
}

static bool is_file(const void *ctx, uint32_t tag)
{
	(void)ctx;
	return vds_pool_content_of(tag) == VDS_POOL_FILE;
}

static struct vds_error *collect_block(struct vds_run *run, void *ctx,
				       const struct vds_pool_block *block,
				       const uint64_t *pa)
{
	struct collected *c = ctx;
	uint64_t object;
	(void)pa;
	if (!block->address ||
	    vds_pool_check_block(run, c->check, block, &object))
		return NULL;
	pthread_mutex_lock(&c->lock);
	bool ok = collect(c, object);
	pthread_mutex_unlock(&c->lock);
	return ok ? NULL : &vds_enomem;
}

static struct vds_error *collect_blocks(struct collected *c)
{
	struct vds_pool_scan how = {
		.want = is_file, .visit = collect_block, .ctx = c,
	};
	vds_pool_scan_begin(&how, "Fi");
	struct vds_error *err = vds_pool_check_load(c->run, &c->check);
	if (err)
		return err;
	pthread_mutex_init(&c->lock, NULL);
	err = vds_pool_scan(c->run, &how);
	pthread_mutex_destroy(&c->lock);
	return err;
}

static size_t sort_unique(uint64_t *list, size_t n)
{
	size_t kept = 0;
	if (n)
		qsort(list, n, sizeof(*list), compare_u64);
	for (size_t i = 0; i < n; i++) {
		if (!kept || list[kept - 1] != list[i])
			list[kept++] = list[i];
	}
	return kept;
}

static struct vds_error *collect_all(struct collected *c)
{
	struct vds_sharing_options how = {
		.listed = true,
		.read = VDS_SOURCES_KERNEL_VIEWS | VDS_SECTION_IN_PROTOS,
	};
	const struct vds_sharing *sharing;
	struct vds_error *err = vds_sharing_build(c->run, &how, &sharing);
	if (err)
		return err;
	collect_views(c, sharing);
	for (size_t i = 0; i < vds_num_processes(c->run); i++)
		vds_process_handles(vds_process_at(c->run, i), collect_handle,
				    c);
	err = collect_blocks(c);
	return c->nomem && !err ? &vds_enomem : err;
}

struct vds_error *vds_files_load(struct vds_run *run, const uint64_t **ret,
				 size_t *ret_count)
{
	struct collected c = {.run = run};
	*ret = NULL;
	*ret_count = 0;
	if (!vds_num_processes(run))
		return NULL;
	struct vds_error *err = collect_all(&c);
	size_t n = sort_unique(c.list, c.count);
	uint64_t *list = vds_alloc(run, n + 1, sizeof(*list));
	if (!err && !list)
		err = &vds_enomem;
	if (!err) {
		if (n)
			memcpy(list, c.list, n * sizeof(*list));
		*ret = list;
		*ret_count = n;
	}
	free(c.list);
	return err;
}
