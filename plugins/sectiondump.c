/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sectiondump (sharedmem --dump): the content of sections as files, each once
 * (assemble.h says where each page comes from). Rows are the map of each file:
 * what came from where, and what is missing. No name from the image becomes a
 * path, and no file is ever written over.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <vadose/columns.h>
#include <vadose/object.h>
#include <vadose/plugin.h>
#include <vadose/record.h>
#include <vadose/sharing.h>

#include "assemble.h"
#include "choice.h"
#include "sources.h"

#define PAGE UINT64_C(4096)
/* Longer files end with their last page that is there. */
#define MAX_PADDED ((uint64_t)16 << 30)
/* Room that is left on the disk. */
#define SPARE ((uint64_t)16 << 20)
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
	COL_FRAME,
	COL_PROTO,
	COL_PAGEFILE,
	COL_PAGEFILE_OFFSET,
	COL_PID,
	COL_VIEW,
	COL_VIEWS,
	NUM_COLS,
};

#define KEY VDS_COLUMN_KEY
#define GROUP VDS_COLUMN_GROUP
#define WIDE VDS_COLUMN_WIDE

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
	[COL_SOURCE] = {"map.source", VDS_KIND_STR, 0, "Source", NULL, "prototype: the section's own frame; pfn: a mapped frame that the PFN database gives to the prototype PTE; views: a frame that two views map; view: one that a single view maps, perhaps a copy of its own; copy: a process's own copy (--copies); zero: never written, so zeros; missing", NULL},
	[COL_WHY] = {"map.state", VDS_KIND_STR, 0, "State", NULL, "where the page is, by its prototype PTE; not-looked-at: past the bounds of one run; left-out: past --limit-size, 8 TiB, or more than the image has", NULL},
	[COL_FRAME] = {"map.frame", VDS_KIND_ADDR, 0, "Frame", NULL, "physical address of the first byte; the rest of the run lies behind it", NULL},
	[COL_PROTO] = {"map.prototype", VDS_KIND_ADDR, WIDE, "Prototype PTE at", NULL, "address of the run's first prototype PTE", NULL},
	[COL_PAGEFILE] = {"map.pagefile.number", VDS_KIND_INT, WIDE, "Page file", NULL, "number of the page file that a missing run lies in", NULL},
	[COL_PAGEFILE_OFFSET] = {"map.pagefile.offset", VDS_KIND_SIZE, WIDE, "At", "bytes", "offset of the run's first byte in it", NULL},
	[COL_PID] = {"process.pid", VDS_KIND_INT, 0, "PID", NULL, "process whose page tables lead to the frame, where those had to be asked", "process.pid"},
	[COL_VIEW] = {"map.view", VDS_KIND_ADDR, WIDE, "At address", NULL, "address of the run in that process", NULL},
	[COL_VIEWS] = {"map.views", VDS_KIND_INT, WIDE, "Views", "views", "views that map the frame, where views had to be asked", NULL},
};

static const struct vds_option options[] = {
	{"dump", VDS_OPTION_STR, VDS_OPTION_REQUIRED, "DIR", NULL, NULL, "folder to write to; made if it doesn't exist"},
	CHOICE_OPTIONS("1"),
	SOURCES_OPTION,
	{"verify", VDS_OPTION_ENUM, 0, NULL, "pte", "none|pte", "as in sharedmem: none reads no sources but VADs"},
	{"copies", VDS_OPTION_FLAG, 0, NULL, NULL, NULL, "where the shared page is not in memory, take a process's own copy (marked in the map)"},
	{"limit-size", VDS_OPTION_SIZE, 0, NULL, "16G", NULL, "write no more than this of one section; the rest is left out and said so"},
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
	uint32_t wanted;	/* sources whose sections are written */
	struct target *targets;
	size_t num_targets;
	int folder;
};

/* One section on its way to its file. */
struct dump {
	struct vds_run *run;
	struct plan plan;
	int folder, fd;
	const char *name;	/* of the file, in the folder */
	uint64_t size;		/* of the file */
};

static struct vds_error *output_error(const struct dump *d, int errnum,
				      const char *what)
{
	return vds_error_errno(VDS_ERROR_OUTPUT, errnum, "cannot %s %s/%s",
			       what, vds_option_str(d->run, "dump"), d->name);
}

/* A dump that fills the disk helps nobody: asked before, not found out. */
static struct vds_error *check_room(const struct dump *d)
{
	struct statvfs fs;
	if (fstatvfs(d->folder, &fs) < 0)
		return NULL;	/* writing will tell */
	uint64_t room = (uint64_t)fs.f_bavail * fs.f_frsize;
	if (room >= d->plan.present && room - d->plan.present >= SPARE)
		return NULL;
	return vds_error_create(VDS_ERROR_OUTPUT,
				"%s: %llu MiB are free, %s needs %llu MiB",
				vds_option_str(d->run, "dump"),
				(unsigned long long)(room >> 20), d->name,
				(unsigned long long)(d->plan.present >> 20));
}

static struct vds_error *write_page(const struct dump *d, uint64_t at,
				    const uint8_t *bytes, uint64_t len)
{
	for (uint64_t done = 0; done < len;) {
		ssize_t n = pwrite(d->fd, bytes + done, len - done,
				   (off_t)(at + done));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return output_error(d, n ? errno : ENOSPC, "write");
		done += (uint64_t)n;
	}
	return NULL;
}

static struct vds_error *write_piece(struct dump *d, const struct piece *p)
{
	uint8_t bytes[PAGE];
	struct vds_error *err = NULL;
	uint64_t at = p->first * PAGE, left = piece_bytes(&d->plan, p);
	for (uint64_t i = 0; !err && left; i++, at += PAGE) {
		uint64_t len = left < PAGE ? left : PAGE;
		/* It could be read when the map was made. */
		if (vds_physical_read(d->run, p->frame + i * PAGE, bytes, PAGE))
			return vds_error_create(VDS_ERROR_INTERNAL,
						"the image changed while it was read");
		err = write_page(d, at, bytes, len);
		left -= len;
		d->size = at + len;
	}
	return err;
}

static bool is_written(const struct piece *p)
{
	return p->source != SOURCE_MISSING && p->source != SOURCE_ZERO;
}

static struct vds_error *write_pieces(struct dump *d)
{
	const struct plan *plan = &d->plan;
	struct vds_error *err = NULL;
	for (size_t i = 0; !err && i < plan->num_pieces; i++) {
		if (is_written(&plan->pieces[i]))
			err = write_piece(d, &plan->pieces[i]);
	}
	if (err)
		return err;
	if (plan->length <= MAX_PADDED)
		d->size = plan->length;
	return ftruncate(d->fd, (off_t)d->size) < 0 ?
		       output_error(d, errno, "write") : NULL;
}

/* Nothing half-written stays behind. */
static struct vds_error *write_file(struct dump *d)
{
	if (!d->plan.present)
		return NULL;
	struct vds_error *err = check_room(d);
	if (err)
		return err;
	d->fd = openat(d->folder, d->name, O_WRONLY | O_CREAT | O_EXCL |
		       O_NOFOLLOW | O_CLOEXEC, 0666);
	if (d->fd < 0)
		return output_error(d, errno, "make");
	err = write_pieces(d);
	if (close(d->fd) < 0 && !err)
		err = output_error(d, errno, "write");
	if (err)
		unlinkat(d->folder, d->name, 0);
	return err;
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

static void fill_source(struct dump *d, const struct piece *p,
			struct vds_value *row)
{
	row[COL_OFFSET] = vds_size(p->first * PAGE);
	row[COL_LENGTH] = vds_size(piece_bytes(&d->plan, p));
	row[COL_SOURCE] = vds_str(source_str(p->source));
	row[COL_WHY] = vds_str(p->state);
	if (p->frame)
		row[COL_FRAME] = vds_addr(p->frame);
	if (p->pte_address)
		row[COL_PROTO] = vds_addr(p->pte_address);
	if (p->in_pagefile) {
		row[COL_PAGEFILE] = vds_int(p->pagefile);
		row[COL_PAGEFILE_OFFSET] = vds_size(p->pagefile_offset * PAGE);
	}
	if (!p->view)
		return;
	const struct vds_process *process =
		vds_process_at(d->run, p->view->process);
	row[COL_VIEWS] = vds_int((int64_t)p->num_views);
	row[COL_VIEW] = vds_addr(p->view->start +
				 (p->first - p->view->first_page) * PAGE);
	if (process)
		row[COL_PID] = vds_int(process->pid);
}

static struct vds_error *emit_map(struct dump *d, const char *object)
{
	const struct vds_section *s = d->plan.section;
	struct vds_value row[NUM_COLS] = {
		[COL_SECTION_ID] = vds_addr(s->control_area),
		[COL_FILE] = vds_or(s->file_name_why, vds_str(s->file_name)),
		[COL_NAME] = vds_str(object),
		[COL_BACKING] = vds_str(vds_backing_str(s->backing)),
		[COL_SECTION_SIZE] = vds_or(s->size_why, vds_size(s->size)),
		[COL_DUMP_SIZE] = vds_size(d->size),
		[COL_PRESENT] = vds_size(d->plan.present),
		[COL_MISSING] = vds_size(d->plan.missing),
	};
	struct vds_error *err = NULL;
	if (d->plan.present)
		row[COL_PATH] = vds_str(vds_sprintf(
			d->run, "%s/%s", vds_option_str(d->run, "dump"),
			d->name));
	for (size_t i = 0; !err && i < d->plan.num_pieces; i++) {
		const struct piece *p = &d->plan.pieces[i];
		struct vds_value cells[NUM_COLS];
		if (!piece_bytes(&d->plan, p))
			continue;	/* past the end of the data */
		memcpy(cells, row, sizeof(cells));
		fill_source(d, p, cells);
		err = vds_emit(d->run, cells);
	}
	return err;
}

static struct vds_error *dump_section(struct dump *d, const char *object)
{
	const struct vds_section *s = d->plan.section;
	d->name = safe_name(d->run, s->control_area,
			    s->file_name ? s->file_name : object);
	struct vds_error *err = d->name ? plan_make(&d->plan) : &vds_enomem;
	if (!err)
		err = write_file(d);
	if (!err)
		err = emit_map(d, object);
	plan_deinit(&d->plan);
	return err;
}

/*
 * Forged prototype PTEs may name one frame again and again: no section has more
 * in memory than there is memory.
 */
static uint64_t most_bytes(struct vds_run *run)
{
	uint64_t limit = vds_option_uint(run, "limit-size");
	uint64_t size = vds_physical_size(run);
	return size < limit ? size : limit;
}

static struct vds_error *dump_target(struct vds_run *run, size_t index,
				     void *ctx)
{
	const struct context *c = ctx;
	const struct target *t = &c->targets[index];
	struct dump d = {
		.run = run, .folder = c->folder,
		.plan = {.run = run, .any = vds_process_at(run, 0),
			 .views = t->num_views ? c->sharing->views +
						 t->first_view : NULL,
			 .num_views = t->num_views,
			 .copies = vds_option_set(run, "copies"),
			 .max_bytes = most_bytes(run),
			 .max_pages = vds_option_uint(run, "max-pages")},
	};
	enum vds_why why;
	if (!d.plan.any)
		return &vds_enomem;
	d.plan.section = vds_section_at(d.plan.any, t->control_area);
	if (!d.plan.section)
		return &vds_enomem;
	if (d.plan.section->why)
		return NULL;	/* noted */
	return dump_section(&d, vds_section_name(c->names, t->control_area,
						 &why));
}

/*
 * Sections that the views lead to, one target each (groups are in order): those
 * of which a group is chosen, with the views of all their groups.
 */
static void choose_viewed(struct vds_run *run, struct context *c)
{
	const struct vds_sharing *sharing = c->sharing;
	for (size_t g = 0; g < sharing->num_groups;) {
		uint64_t area = sharing->groups[g].control_area;
		struct target t = {
			.control_area = area,
			.first_view = sharing->groups[g].first_view,
		};
		bool wanted = false;
		for (; g < sharing->num_groups &&
		       sharing->groups[g].control_area == area; g++) {
			wanted |= choice_has(run, sharing, c->names,
					     &sharing->groups[g]) &&
				  sources_know(sharing, &sharing->groups[g],
					       c->wanted);
			t.num_views += sharing->groups[g].num_views;
		}
		if (area && wanted)
			c->targets[c->num_targets++] = t;
	}
}

static bool is_target(const struct context *c, uint64_t control_area)
{
	for (size_t i = 0; i < c->num_targets; i++) {
		if (c->targets[i].control_area == control_area)
			return true;
	}
	return false;
}

/* Sections without views, if a source that was asked for knows them. */
static void choose_seen(struct vds_run *run, struct context *c)
{
	for (size_t i = 0; i < c->sharing->num_sections; i++) {
		const struct vds_seen_section *seen =
			&c->sharing->sections[i];
		if (!seen->in_groups && seen->sources & c->wanted &&
		    choice_has_section(run, c->names, seen->section))
			c->targets[c->num_targets++] = (struct target){
				.control_area = seen->control_area};
	}
}

/* Also the sections of --address that no view leads to. */
static struct vds_error *choose(struct vds_run *run, struct context *c)
{
	size_t n;
	const uint64_t *list = vds_option_uints(run, "address", &n);
	const struct vds_process *any = vds_process_at(run, 0);
	/* Where no process is found, nor are sections. */
	if (!any)
		return NULL;
	c->targets = vds_alloc(run, c->sharing->num_groups +
					    c->sharing->num_sections + n + 1,
			       sizeof(*c->targets));
	if (!c->targets)
		return &vds_enomem;
	choose_viewed(run, c);
	if (!choice_of_views(run))
		choose_seen(run, c);
	for (size_t i = 0; i < n; i++) {
		const struct vds_section *section = is_target(c, list[i]) ?
			NULL : vds_section_at(any, list[i]);
		if (section && choice_has_section(run, c->names, section))
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
	struct vds_sharing_options how = {0};
	struct context c = {.folder = -1};
	(void)process;
	struct vds_error *err = choice_check(run, &how.physical);
	if (!err && how.physical)
		return vds_error_create(VDS_ERROR_USAGE,
					"--backing physical: device memory is no section's content");
	if (!err)
		err = sources_choose(run, strcmp(vds_option_str(run, "verify"),
						 "none") != 0,
				     &how, &c.wanted);
	how.verify = VDS_VERIFY_NONE;
	if (!err)
		err = vds_section_names_load(run, &c.names);
	how.names = c.names;
	if (!err)
		err = vds_sharing_build(run, &how, &c.sharing);
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
