/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sectiondump: the content of sections as files, each once, put together from
 * the prototype PTEs and, where those can't be read, from what views map. Rows
 * are the map of each file: what came from where, and what is missing. No name
 * from the image becomes a path, and no file is ever written over.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <vadose/columns.h>
#include <vadose/object.h>
#include <vadose/plugin.h>
#include <vadose/record.h>
#include <vadose/sharing.h>

#define PAGE UINT64_C(4096)
/* Prototype PTEs looked at in one step: a page of them. */
#define CHUNK 512
/* Entries of page tables looked at for one section; a hostile one ends here. */
#define MAX_LOOKUPS ((uint64_t)1 << 22)
/* Longer sections end with their last page that is there. */
#define MAX_PADDED ((uint64_t)16 << 30)
/* Characters of the image's own name that a file name keeps. */
#define NAME_LEN 80

enum {
	COL_SECTION_ID,
	COL_FILE,
	COL_NAME,
	COL_BACKING,
	COL_SECTION_SIZE,
	COL_PATH,
	COL_DUMP_SIZE,
	COL_PRESENT,
	COL_MISSING,
	COL_OFFSET,
	COL_LENGTH,
	COL_SOURCE,
	COL_WHY,
	NUM_COLS,
};

#define KEY VDS_COLUMN_KEY
#define GROUP VDS_COLUMN_GROUP

static const struct vds_column columns[NUM_COLS] = {
	[COL_SECTION_ID] = VDS_COL_SECTION_ID(KEY | GROUP),
	[COL_FILE] = VDS_COL_SECTION_FILE(GROUP),
	[COL_NAME] = VDS_COL_SECTION_NAME(GROUP),
	[COL_BACKING] = VDS_COL_BACKING(GROUP),
	[COL_SECTION_SIZE] = VDS_COL_SECTION_SIZE(GROUP),
	[COL_PATH] = {"dump.path", VDS_KIND_STR, GROUP, "Written to", NULL, "the file; absent if no page was there", NULL},
	[COL_DUMP_SIZE] = {"dump.size", VDS_KIND_SIZE, GROUP, "File size", "bytes", "length of the file, holes included", NULL},
	[COL_PRESENT] = {"dump.bytes_present", VDS_KIND_SIZE, GROUP, "Present", "bytes", "bytes of it that were in the image", NULL},
	[COL_MISSING] = {"dump.bytes_missing", VDS_KIND_SIZE, GROUP, "Missing", "bytes", "bytes of it that were not: holes in the file", NULL},
	[COL_OFFSET] = {"map.offset", VDS_KIND_SIZE, KEY, "Offset", "bytes", "first byte of the run in the section and in the file", NULL},
	[COL_LENGTH] = {"map.length", VDS_KIND_SIZE, 0, "Length", "bytes", "length of the run", NULL},
	[COL_SOURCE] = {"map.source", VDS_KIND_STR, 0, "Source", NULL, "prototype: the section's own frame; views: a frame that two views map; view: a frame that one view maps, perhaps a copy of its own; zero: never written, so zeros; missing", NULL},
	[COL_WHY] = {"map.state", VDS_KIND_STR, 0, "State", NULL, "where the page is, by its prototype PTE", NULL},
};

static const struct vds_option options[] = {
	{"dump", VDS_OPTION_STR, VDS_OPTION_REQUIRED, "DIR", NULL, NULL, "folder to write to; made if it doesn't exist"},
	{"address", VDS_OPTION_UINTS, 0, "ADDRESS", NULL, NULL, "only these control areas, also ones that no view leads to"},
	{"name", VDS_OPTION_STR, 0, "GLOB", NULL, NULL, "only sections whose file or object name matches"},
	{"max-pages", VDS_OPTION_UINT, 0, "N", "1048576", NULL, "pages looked at in one section; the rest is one row"},
};

/* A section and the groups of its views. */
struct target {
	uint64_t control_area;
	size_t first_view, num_views;
};

struct context {
	const struct vds_sharing *sharing;
	const struct vds_section_names *names;
	struct target *targets;
	size_t num_targets;
	int folder;
};

struct piece {
	uint64_t first, last;	/* pages, inclusive */
	const char *source, *state;
};

struct dump {
	struct vds_run *run;
	const struct vds_process *any;
	const struct vds_section *section;
	const struct vds_view *const *views;
	size_t num_views;
	int folder, fd;		/* fd: -1 until the first page */
	const char *name;	/* of the file, in the folder */
	struct piece *pieces;	/* malloc'ed */
	size_t num_pieces, max_pieces;
	uint64_t pages, lookups;
	uint64_t present, missing, size;	/* bytes */
	uint64_t *frames;	/* of the views, for one page */
};

static struct vds_error *add_piece(struct dump *d, uint64_t first,
				   uint64_t last, const char *source,
				   const char *state)
{
	struct piece *p = d->num_pieces ? &d->pieces[d->num_pieces - 1] : NULL;
	if (!strcmp(source, "missing"))
		d->missing += (last - first + 1) * PAGE;
	if (p && p->last + 1 == first && !strcmp(p->source, source) &&
	    !strcmp(p->state, state)) {
		p->last = last;
		return NULL;
	}
	if (d->num_pieces == d->max_pieces) {
		size_t max = d->max_pieces ? 2 * d->max_pieces : 64;
		p = realloc(d->pieces, max * sizeof(*p));
		if (!p)
			return &vds_enomem;
		d->pieces = p;
		d->max_pieces = max;
	}
	d->pieces[d->num_pieces++] = (struct piece){first, last, source, state};
	return NULL;
}

static struct vds_error *open_file(struct dump *d)
{
	d->fd = openat(d->folder, d->name, O_WRONLY | O_CREAT | O_EXCL |
		       O_NOFOLLOW | O_CLOEXEC, 0666);
	if (d->fd >= 0)
		return NULL;
	return vds_error_errno(VDS_ERROR_OUTPUT, errno, "cannot make %s/%s",
			       vds_option_str(d->run, "dump"), d->name);
}

static struct vds_error *write_page(struct dump *d, uint64_t page,
				    const uint8_t *bytes)
{
	uint64_t done = 0;
	struct vds_error *err = d->fd < 0 ? open_file(d) : NULL;
	while (!err && done < PAGE) {
		ssize_t n = pwrite(d->fd, bytes + done, PAGE - done,
				   (off_t)(page * PAGE + done));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return vds_error_errno(VDS_ERROR_OUTPUT,
					       n ? errno : ENOSPC,
					       "cannot write %s/%s",
					       vds_option_str(d->run, "dump"),
					       d->name);
		done += (uint64_t)n;
	}
	d->present += PAGE;
	d->size = (page + 1) * PAGE;
	return err;
}

/* Takes the page from frame @pa, if that was acquired. */
static struct vds_error *take(struct dump *d, uint64_t page, uint64_t pa,
			      const char *source, const char *state)
{
	uint8_t bytes[PAGE];
	if (vds_physical_read(d->run, pa, bytes, sizeof(bytes)))
		return add_piece(d, page, page, "missing",
				 vds_page_state_str(VDS_PAGE_OUT_OF_IMAGE));
	struct vds_error *err = write_page(d, page, bytes);
	return err ? err : add_piece(d, page, page, source, state);
}

static int compare_u64(const void *pa, const void *pb)
{
	uint64_t a = *(const uint64_t *)pa, b = *(const uint64_t *)pb;
	return a < b ? -1 : a > b;
}

/* The frame that most of the @n views have; the lowest of several. */
static uint64_t best_frame(uint64_t *frames, size_t n, size_t *ret_count)
{
	size_t best = 0;
	uint64_t frame = 0;
	qsort(frames, n, sizeof(*frames), compare_u64);
	for (size_t i = 0, run = 0; i < n; i++) {
		run = i && frames[i] == frames[i - 1] ? run + 1 : 1;
		if (run > best) {
			best = run;
			frame = frames[i];
		}
	}
	*ret_count = best;
	return frame;
}

static uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/*
 * The array is unreadable from @page to @end (exclusive): what do views map?
 * *ret_next is the page after what was settled.
 */
static struct vds_error *ask_views(struct dump *d, uint64_t page, uint64_t end,
				   const char *state, uint64_t *ret_next)
{
	size_t count = 0, n = 0;
	for (size_t i = 0; i < d->num_views; i++) {
		const struct vds_view *view = d->views[i];
		struct vds_page at;
		uint64_t va;
		if (view->has_pages && page < view->first_page)
			end = min_u64(end, view->first_page);
		if (!vds_view_page_at(d->run, view, page, &va, &at))
			continue;
		d->lookups++;
		if ((at.via == VDS_VIA_HARDWARE || at.via == VDS_VIA_PTE) &&
		    (at.state == VDS_PAGE_PRESENT ||
		     at.state == VDS_PAGE_TRANSITION))
			d->frames[n++] = at.pa;
		uint64_t span = at.absent_span;
		end = min_u64(end, page + (span ?
			(span - (va & (span - 1))) / PAGE : 1));
	}
	*ret_next = n ? page + 1 : end;
	if (!n)
		return add_piece(d, page, end - 1, "missing", state);
	uint64_t pa = best_frame(d->frames, n, &count);
	return take(d, page, pa, count > 1 ? "views" : "view", state);
}

/* Pages from @page to @end (exclusive) that are all like @at. */
static struct vds_error *take_pages(struct dump *d, uint64_t page,
				    uint64_t end,
				    const struct vds_section_page *at)
{
	const char *state = vds_page_state_str(at->state);
	struct vds_error *err = NULL;
	d->pages++;
	switch (at->state) {
	case VDS_PAGE_PRESENT:
	case VDS_PAGE_TRANSITION:
		return take(d, page, at->pa, "prototype", state);
	case VDS_PAGE_DEMAND_ZERO:
		return add_piece(d, page, end - 1, "zero", state);
	case VDS_PAGE_UNREADABLE_PROTO:
		while (!err && page < end && d->lookups < MAX_LOOKUPS)
			err = ask_views(d, page, end, state, &page);
		if (err || page == end)
			return err;
		return add_piece(d, page, end - 1, "missing", "not-looked-at");
	default:
		return add_piece(d, page, end - 1, "missing", state);
	}
}

static uint64_t total_pages(const struct vds_section *section)
{
	uint64_t end = 0;
	for (size_t i = 0; i < section->num_subsections; i++) {
		const struct vds_subsection *s = &section->subsections[i];
		if (s->first_page + s->ptes > end)
			end = s->first_page + s->ptes;
	}
	return end;
}

static struct vds_error *take_section(struct dump *d)
{
	struct vds_section_page *pages =
		vds_alloc(d->run, CHUNK, sizeof(*pages));
	uint64_t max = vds_option_uint(d->run, "max-pages");
	uint64_t page = 0, end = total_pages(d->section), alike;
	struct vds_error *err = pages ? NULL : &vds_enomem;
	while (!err && page < end) {
		if (d->pages >= max || d->lookups >= MAX_LOOKUPS)
			return add_piece(d, page, end - 1, "missing",
					 "not-looked-at");
		size_t n = vds_section_pages_at(d->any, d->section, page,
						pages, CHUNK, &alike);
		for (size_t i = 0; !err && i < n && page < end; i++) {
			uint64_t stop = page + min_u64(alike, end - page);
			err = take_pages(d, page, stop, &pages[i]);
			page = stop;
		}
	}
	return err;
}

/* Sets the length: a restored file ends where the section does. */
static struct vds_error *finish_file(struct dump *d)
{
	const struct vds_section *s = d->section;
	uint64_t length = total_pages(s) * PAGE;
	if (d->fd < 0)
		return NULL;
	if (!s->size_why && s->size && s->size < length)
		length = s->size;
	if (length <= MAX_PADDED)
		d->size = length;
	bool failed = ftruncate(d->fd, (off_t)d->size) < 0;
	failed |= close(d->fd) < 0;
	d->fd = -1;
	return !failed ? NULL :
	       vds_error_errno(VDS_ERROR_OUTPUT, errno, "cannot write %s/%s",
			       vds_option_str(d->run, "dump"), d->name);
}

/* Letters, digits and a few signs of the last part of @name; never a path. */
static const char *safe_name(struct vds_run *run, uint64_t control_area,
			     const char *name)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz"
		"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
	char text[NAME_LEN + 1] = "";
	const char *last = name ? strrchr(name, '\\') : NULL;
	name = last ? last + 1 : name;
	for (size_t i = 0; name && name[i] && i < NAME_LEN; i++)
		text[i] = strchr(allowed, name[i]) ? name[i] : '_';
	return vds_sprintf(run, "section.%016llx%s%s.bin",
			   (unsigned long long)control_area, *text ? "." : "",
			   text);
}

static struct vds_error *emit_map(struct dump *d, const char *object)
{
	const struct vds_section *s = d->section;
	struct vds_value row[NUM_COLS] = {
		[COL_SECTION_ID] = vds_addr(s->control_area),
		[COL_FILE] = vds_or(s->file_name_why, vds_str(s->file_name)),
		[COL_NAME] = vds_str(object),
		[COL_BACKING] = vds_str(vds_backing_str(s->backing)),
		[COL_SECTION_SIZE] = vds_or(s->size_why, vds_size(s->size)),
		[COL_DUMP_SIZE] = vds_size(d->size),
		[COL_PRESENT] = vds_size(d->present),
		[COL_MISSING] = vds_size(d->missing),
	};
	struct vds_error *err = NULL;
	if (d->present)
		row[COL_PATH] = vds_str(vds_sprintf(
			d->run, "%s/%s", vds_option_str(d->run, "dump"),
			d->name));
	for (size_t i = 0; !err && i < d->num_pieces; i++) {
		const struct piece *p = &d->pieces[i];
		row[COL_OFFSET] = vds_size(p->first * PAGE);
		row[COL_LENGTH] = vds_size((p->last - p->first + 1) * PAGE);
		row[COL_SOURCE] = vds_str(p->source);
		row[COL_WHY] = vds_str(p->state);
		err = vds_emit(d->run, row);
	}
	return err;
}

static struct vds_error *dump_target(struct vds_run *run, size_t index,
				     void *ctx)
{
	const struct context *c = ctx;
	const struct target *t = &c->targets[index];
	struct dump d = {.run = run, .any = vds_process_at(run, 0),
			 .folder = c->folder, .fd = -1,
			 .views = c->sharing->views + t->first_view,
			 .num_views = t->num_views,
			 .frames = vds_alloc(run, t->num_views + 1, 8)};
	enum vds_why why;
	if (!d.any || !d.frames)
		return &vds_enomem;
	d.section = vds_section_at(d.any, t->control_area);
	if (!d.section)
		return &vds_enomem;
	if (d.section->why)
		return NULL;	/* noted */
	const char *object = vds_section_name(c->names, t->control_area, &why);
	d.name = safe_name(run, t->control_area, d.section->file_name ?
			   d.section->file_name : object);
	struct vds_error *err = d.name ? take_section(&d) : &vds_enomem;
	if (!err)
		err = finish_file(&d);
	if (!err)
		err = emit_map(&d, object);
	if (d.fd >= 0)
		close(d.fd);
	free(d.pieces);
	return err;
}

static bool wanted(struct vds_run *run, const struct context *c,
		   const struct vds_section *section)
{
	const char *glob = vds_option_str(run, "name");
	enum vds_why why;
	if (section->why || section->backing == VDS_BACKING_PHYSICAL)
		return false;
	if (!glob)
		return true;
	const char *name = vds_section_name(c->names, section->control_area,
					    &why);
	return (name && vds_match(glob, name)) ||
	       (section->file_name && vds_match(glob, section->file_name));
}

static bool is_listed(const uint64_t *list, size_t n, uint64_t address)
{
	for (size_t i = 0; i < n; i++) {
		if (list[i] == address)
			return true;
	}
	return false;
}

/* Sections that the views lead to, one target each (groups are in order). */
static void choose_viewed(struct vds_run *run, struct context *c)
{
	const struct vds_sharing *sharing = c->sharing;
	size_t n, num_groups = sharing->num_groups;
	const uint64_t *list = vds_option_uints(run, "address", &n);
	for (size_t g = 0; g < num_groups; g++) {
		const struct vds_share_group *group = &sharing->groups[g];
		const struct vds_section *section =
			sharing->views[group->first_view]->section;
		struct target *last = c->num_targets ?
			&c->targets[c->num_targets - 1] : NULL;
		if (!group->control_area || !section)
			continue;
		if (last && last->control_area == group->control_area &&
		    last->first_view + last->num_views == group->first_view) {
			last->num_views += group->num_views;
			continue;
		}
		if ((!n || is_listed(list, n, group->control_area)) &&
		    wanted(run, c, section))
			c->targets[c->num_targets++] = (struct target){
				group->control_area, group->first_view,
				group->num_views};
	}
}

static struct vds_error *choose(struct vds_run *run, struct context *c)
{
	size_t n;
	const uint64_t *list = vds_option_uints(run, "address", &n);
	const struct vds_process *any = vds_process_at(run, 0);
	c->targets = vds_alloc(run, c->sharing->num_groups + n + 1,
			       sizeof(*c->targets));
	if (!any || !c->targets)
		return &vds_enomem;
	choose_viewed(run, c);
	for (size_t i = 0; i < n; i++) {
		bool known = is_listed(list, i, list[i]);
		for (size_t k = 0; k < c->num_targets; k++)
			known |= c->targets[k].control_area == list[i];
		const struct vds_section *section =
			known ? NULL : vds_section_at(any, list[i]);
		if (section && wanted(run, c, section))
			c->targets[c->num_targets++] =
				(struct target){.control_area = list[i]};
	}
	return NULL;
}

static struct vds_error *open_folder(struct vds_run *run, int *ret)
{
	const char *path = vds_option_str(run, "dump");
	if (mkdir(path, 0777) < 0 && errno != EEXIST)
		return vds_error_errno(VDS_ERROR_OUTPUT, errno,
				       "cannot make %s", path);
	*ret = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (*ret < 0)
		return vds_error_errno(VDS_ERROR_OUTPUT, errno,
				       "cannot open %s", path);
	return NULL;
}

static struct vds_error *run_sectiondump(struct vds_run *run,
					 const struct vds_process *process)
{
	static const struct vds_sharing_options how = {.listed = true};
	struct context c = {.folder = -1};
	(void)process;
	struct vds_error *err = vds_sharing_build(run, &how, &c.sharing);
	if (!err)
		err = vds_section_names_load(run, &c.names);
	if (!err)
		err = choose(run, &c);
	if (!err)
		err = open_folder(run, &c.folder);
	if (!err)
		err = vds_parallel(run, c.num_targets, dump_target, &c);
	if (c.folder >= 0)
		close(c.folder);
	return err;
}

VDS_PLUGIN(sectiondump) = {
	VDS_PLUGIN_HEADER(sectiondump),
	.version = "1.0.0",
	.summary = "the content of sections as files, with a map of what came from where",
	.record = "section_dump",
	.scope = VDS_ONCE,
	.columns = columns,
	.num_columns = NUM_COLS,
	.options = options,
	.num_options = sizeof(options) / sizeof(options[0]),
	.run = run_sectiondump,
};
