/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vaddump: the bytes of VADs as files, and what of them could not be had. A
 * page that is absent is a hole in the file (zeros); a manifest beside the file
 * lists all such ranges, the row the first of them. A file that exists is never
 * written over.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <vadose/columns.h>
#include <vadose/page.h>
#include <vadose/plugin.h>
#include <vadose/section.h>
#include <vadose/table.h>

#include "vad_choice.h"

#define PAGE UINT64_C(4096)

enum {
	PID,
	NAME,
	EPROCESS,
	NODE,
	START,
	END,
	SIZE,
	TYPE,
	PROTECTION,
	FILE_NAME,
	DUMP_PATH,
	DUMP_SIZE,
	BYTES_READ,
	BYTES_UNREADABLE,
	ABSENT,
	REASONS,
	MANIFEST,
	NUM_COLUMNS
};

static const struct vds_column columns[] = {
	[PID] = VDS_COL_PID(VDS_COLUMN_KEY | VDS_COLUMN_GROUP),
	[NAME] = VDS_COL_PROCESS(VDS_COLUMN_GROUP),
	[EPROCESS] = VDS_COL_EPROCESS(VDS_COLUMN_KEY | VDS_COLUMN_GROUP),
	[NODE] = VDS_COL_VAD_NODE(VDS_COLUMN_KEY),
	[START] = VDS_COL_VAD_START(VDS_COLUMN_KEY),
	[END] = VDS_COL_VAD_END(0),
	[SIZE] = VDS_COL_VAD_SIZE(0),
	[TYPE] = VDS_COL_VAD_TYPE(0),
	[PROTECTION] = VDS_COL_VAD_PROTECTION(0),
	[FILE_NAME] = VDS_COL_SECTION_FILE(VDS_COLUMN_WIDE),
	[DUMP_PATH] = {"dump.path", VDS_KIND_STR, 0, "Written to", NULL,
		       "the file with its bytes; absent: nothing to write",
		       NULL},
	[DUMP_SIZE] = {"dump.size", VDS_KIND_SIZE, 0, "File size", "bytes",
		       "up to the last page that was there", NULL},
	[BYTES_READ] = {"dump.bytes_read", VDS_KIND_SIZE, 0, "Read", "bytes",
			"bytes that come from the image", NULL},
	[BYTES_UNREADABLE] = {"dump.bytes_unreadable", VDS_KIND_SIZE, 0,
			      "Not read", "bytes",
			      "bytes that the image lacks; zeros in the file",
			      NULL},
	[ABSENT] = {"dump.absent", VDS_KIND_STRS, VDS_COLUMN_WIDE, "Absent",
		    NULL, "the first ranges that are not there: start-end and "
		    "why, by address", NULL},
	[REASONS] = {"dump.reasons", VDS_KIND_FLAGS, 0, "Because", NULL,
		     "why bytes are absent: states of their pages", NULL},
	[MANIFEST] = {"dump.manifest", VDS_KIND_STR, VDS_COLUMN_WIDE,
		      "Manifest", NULL,
		      "file that lists every range of absent bytes and why "
		      "they are absent, and what --max left out; absent: "
		      "nothing is missing", NULL},
};

static const struct vds_option options[] = {
	{"dump", VDS_OPTION_STR, VDS_OPTION_REQUIRED, "DIR", NULL, NULL,
	 "folder to write to; made if it doesn't exist"},
	VAD_CHOICE_OPTION,
	{"type", VDS_OPTION_STRS, 0, "TYPE", NULL, NULL,
	 "only VADs of these types (private, mapped, image, ...)"},
	{"max", VDS_OPTION_SIZE, 0, NULL, "1G", NULL,
	 "leave out what lies further than this behind the start of a VAD"},
};

/* Ranges that a row lists, and pages of states that it counts. */
#define MAX_RANGES 40
#define NUM_STATES 32

struct dump {
	struct vds_run *run;
	const struct vds_process *process;
	const struct vds_vad *vad;
	char *path;
	int fd;			/* -1: not made yet */
	char *manifest_path;
	FILE *manifest;		/* NULL: not made yet */
	uint64_t limit;		/* one past the last address to look at */
	uint64_t next;		/* first address that wasn't looked at */
	uint64_t read, unreadable, size;
	bool beyond;		/* there are pages past the limit */
	bool states[NUM_STATES];
	/* The range of absent pages that is being collected. */
	uint64_t absent_start, absent_end;
	enum vds_page_state absent_state;
	char *ranges;		/* strings, each with its NUL */
	uint32_t ranges_len, num_ranges;
	bool truncated;
	struct vds_error *err;
};

static char *file_path(const struct dump *d, bool with_node,
		       const char *ending)
{
	const struct vds_vad *vad = d->vad;
	char node[20] = "";

	if (with_node)
		(void)snprintf(node, sizeof(node), ".%llx",
			       (unsigned long long)vad->node);
	return vds_sprintf(d->run, "%s/pid.%u.%llx.vad.%016llx-%016llx%s.dmp%s",
			   vds_option_str(d->run, "dump"), d->process->pid,
			   (unsigned long long)d->process->eprocess,
			   (unsigned long long)vad->start,
			   (unsigned long long)vad->end, node, ending);
}

/* Does an earlier VAD of the process, as only a forged one may, lie there, too? */
static bool has_twin(const struct dump *d)
{
	struct vds_vad_iter *it = vds_vad_iterate(d->process);
	const struct vds_vad *vad;

	while ((vad = vds_vad_next(it)) && vad->node != d->vad->node) {
		if (vad->start == d->vad->start && vad->end == d->vad->end)
			return true;
	}
	return false;
}

/* Never over what is there; a twin's file has the node in its name. -1: errno */
static int make_file(const struct dump *d, char **path, const char *ending)
{
	const int flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC;
	int fd = open(*path, flags, 0666);

	if (fd >= 0 || errno != EEXIST || !has_twin(d))
		return fd;
	char *other = file_path(d, true, ending);
	if (!other) {
		errno = ENOMEM;
		return -1;
	}
	*path = other;
	return open(other, flags, 0666);
}

/* One more line of the manifest: all ranges stand there, however many. */
static void put_manifest(struct dump *d, const char *line)
{
	if (d->err)
		return;
	if (!d->manifest) {
		int fd = make_file(d, &d->manifest_path, ".absent");

		d->manifest = fd < 0 ? NULL : fdopen(fd, "w");
		if (!d->manifest) {
			d->err = vds_error_errno(VDS_ERROR_OUTPUT, errno,
						 "cannot make %s",
						 d->manifest_path);
			if (fd >= 0)
				close(fd);
			return;
		}
	}
	(void)fprintf(d->manifest, "%s\n", line);
}

static void end_range(struct dump *d)
{
	char *text;
	size_t len;

	if (d->absent_end == d->absent_start)
		return;
	text = vds_sprintf(d->run, "%016llx-%016llx %s",
			   (unsigned long long)d->absent_start,
			   (unsigned long long)d->absent_end - 1,
			   vds_page_state_str(d->absent_state));
	d->absent_start = d->absent_end = 0;
	if (text)
		put_manifest(d, text);
	d->truncated |= d->num_ranges == MAX_RANGES;
	if (!text || d->num_ranges == MAX_RANGES)
		return;
	if (!d->ranges)
		d->ranges = vds_alloc(d->run, MAX_RANGES, 80);
	len = strlen(text) + 1;
	if (!d->ranges || len > 80)
		return;
	memcpy(d->ranges + d->ranges_len, text, len);
	d->ranges_len += (uint32_t)len;
	d->num_ranges++;
}

/* [start, end) is not there. Demand-zero pages are, in a way: they are 0. */
static void note_absent(struct dump *d, uint64_t start, uint64_t end,
			enum vds_page_state state)
{
	if (start >= end)
		return;
	if ((size_t)state < NUM_STATES)
		d->states[state] = true;
	d->unreadable += end - start;
	if (d->absent_end != start || d->absent_state != state) {
		end_range(d);
		d->absent_start = start;
		d->absent_state = state;
	}
	d->absent_end = end;
}

static struct vds_error *create(struct dump *d)
{
	d->fd = make_file(d, &d->path, "");
	if (d->fd >= 0)
		return NULL;
	return vds_error_errno(VDS_ERROR_OUTPUT, errno, "cannot make %s",
			       d->path);
}

static struct vds_error *write_page(struct dump *d, uint64_t va,
				    const uint8_t *page)
{
	uint64_t at = va - d->vad->start;
	size_t done = 0;

	if (d->fd < 0) {
		struct vds_error *err = create(d);

		if (err)
			return err;
	}
	while (done < PAGE) {
		ssize_t n = pwrite(d->fd, page + done, PAGE - done,
				   (off_t)(at + done));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return vds_error_errno(VDS_ERROR_OUTPUT,
					       n ? errno : ENOSPC,
					       "cannot write %s", d->path);
		done += (size_t)n;
	}
	d->read += PAGE;
	d->size = at + PAGE;
	return NULL;
}

/* Nothing was ever there: what isn't read isn't missed. */
static bool is_zero(const struct vds_page *page)
{
	return page->state == VDS_PAGE_DEMAND_ZERO ||
	       page->state == VDS_PAGE_RESERVED;
}

/* One page: its bytes, or why not. Returns false to stop. */
static bool take_page(struct dump *d, uint64_t va)
{
	struct vds_page page;
	uint8_t bytes[PAGE];

	vds_page_at(d->process, d->vad, va, &page);
	if (vds_process_read(d->process, va, bytes, sizeof(bytes))) {
		if (!is_zero(&page))
			note_absent(d, va, va + PAGE, page.state);
		return true;
	}
	if (is_zero(&page))
		return true;
	d->err = write_page(d, va, bytes);
	return !d->err;
}

/* Pages that nothing leads to. */
static bool take_run(struct dump *d, const struct vds_page *page, uint64_t run)
{
	if (!is_zero(page))
		note_absent(d, d->next, d->next + run * PAGE, page->state);
	return true;
}

/*
 * Pages without an entry of their own: private ones were never touched; those
 * of a section may be resident in it all the same.
 */
static bool take_untouched(struct dump *d, uint64_t end)
{
	if (end > d->limit)
		end = d->limit;
	while (d->next < end) {
		struct vds_page page;
		uint64_t run = vds_page_run(d->process, d->vad, d->next, end,
					    &page);

		if (run == 1 ? !take_page(d, d->next) :
			       !take_run(d, &page, run))
			return false;
		d->next += run * PAGE;
	}
	return true;
}

static bool visit(void *ctx, const struct vds_table_entry *entry)
{
	struct dump *d = ctx;
	uint64_t end = entry->va + entry->size;

	if (entry->va >= d->limit) {
		d->beyond |= entry->resident;
		return !d->beyond;
	}
	if (!take_untouched(d, entry->va))
		return false;
	if (end > d->limit)
		end = d->limit;
	if (entry->why) {
		note_absent(d, d->next, end, VDS_PAGE_UNREADABLE_TABLE);
		d->next = end;
	}
	for (; d->next < end; d->next += PAGE) {
		if (!take_page(d, d->next))
			return false;
	}
	return true;
}

static const char *reasons(const struct dump *d)
{
	const char *words = NULL;

	for (size_t i = 0; i < NUM_STATES; i++) {
		if (!d->states[i])
			continue;
		words = vds_sprintf(d->run, "%s%s%s", words ? words : "",
				    words ? " " : "",
				    vds_page_state_str(
					    (enum vds_page_state)i));
		if (!words)
			break;
	}
	return words;
}

static struct vds_value file_name(const struct dump *d)
{
	const struct vds_section *section =
		vds_vad_section(d->process, d->vad);

	if (!section)
		return vds_absent(VDS_NOT_APPLICABLE);
	if (section->why)
		return vds_absent(section->why);
	return vds_or(section->file_name_why, vds_str(section->file_name));
}

static struct vds_error *emit(struct dump *d)
{
	const struct vds_process *p = d->process;
	const struct vds_vad *vad = d->vad;
	struct vds_value row[NUM_COLUMNS] = {
		[PID] = vds_int(p->pid),
		[NAME] = vds_or(p->name_why, vds_str(p->name)),
		[EPROCESS] = vds_addr(p->eprocess),
		[NODE] = vds_addr(vad->node),
		[START] = vds_addr(vad->start),
		[END] = vds_addr(vad->end),
		[SIZE] = vds_size(vad->end - vad->start + 1),
		[TYPE] = vds_str(vds_vad_type_str(vad->type,
						  vad->is_private)),
		[PROTECTION] = vds_str(vds_protection_str(vad->protection)),
		[FILE_NAME] = file_name(d),
		[DUMP_SIZE] = vds_size(d->size),
		[BYTES_READ] = vds_size(d->read),
		[BYTES_UNREADABLE] = vds_size(d->unreadable),
		[REASONS] = vds_flags(reasons(d)),
	};

	if (d->size)
		row[DUMP_PATH] = vds_str(d->path);
	if (d->manifest)
		row[MANIFEST] = vds_str(d->manifest_path);
	if (d->num_ranges)
		row[ABSENT] = (struct vds_value){
			.kind = VDS_KIND_STRS, .s = d->ranges,
			.count = d->ranges_len,
			.flags = d->truncated ? VDS_VALUE_TRUNCATED : 0};
	return vds_emit(d->run, row);
}

/* The manifest tells also what was not looked at. */
static void note_left_out(struct dump *d, uint64_t max)
{
	const char *line = vds_sprintf(d->run, "%016llx-%016llx left-out",
				       (unsigned long long)d->limit,
				       (unsigned long long)d->vad->end);

	if (line)
		put_manifest(d, line);
	/* Known to hold something; of prototypes nobody asked. */
	if (!d->beyond)
		return;
	vds_run_note(d->run, "vad_too_long", d->vad->node,
		     "process %u: pages of the VAD at 0x%016llx past "
		     "its first 0x%llx bytes are left out (--max)",
		     d->process->pid, (unsigned long long)d->vad->start,
		     (unsigned long long)max);
}

static struct vds_error *dump_vad(struct vds_run *run,
				  const struct vds_process *process,
				  const struct vds_vad *vad)
{
	uint64_t max = vds_option_uint(run, "max") & ~(PAGE - 1);
	struct dump d = {.run = run, .process = process, .vad = vad, .fd = -1,
			 .next = vad->start, .limit = vad->end + 1};

	if (d.limit - vad->start > max)
		d.limit = vad->start + max;
	d.path = file_path(&d, false, "");
	d.manifest_path = file_path(&d, false, ".absent");
	if (!d.path || !d.manifest_path)
		return &vds_enomem;
	vds_tables_walk(process, vad->start, vad->end, visit, &d);
	if (!d.err)
		take_untouched(&d, d.limit);
	end_range(&d);
	if (d.limit <= vad->end)
		note_left_out(&d, max);
	if (d.fd >= 0 && close(d.fd) && !d.err)
		d.err = vds_error_errno(VDS_ERROR_OUTPUT, errno,
					"cannot write %s", d.path);
	struct vds_error *err = d.err ? d.err : emit(&d);
	if (d.manifest && fclose(d.manifest) && !err)
		err = vds_error_errno(VDS_ERROR_OUTPUT, errno,
				      "cannot write %s", d.manifest_path);
	return err;
}

static bool has_type(const struct vds_run *run, const struct vds_vad *vad)
{
	size_t count;
	const char *const *types = vds_option_strs(run, "type", &count);

	for (size_t i = 0; i < count; i++) {
		if (vds_match(types[i], vds_vad_type_str(vad->type,
							 vad->is_private)))
			return true;
	}
	return !count;
}

static struct vds_error *run(struct vds_run *run,
			     const struct vds_process *process)
{
	struct vds_vad_iter *it = vds_vad_iterate(process);
	const char *folder = vds_option_str(run, "dump");
	const struct vds_vad *vad;

	if (mkdir(folder, 0777) < 0 && errno != EEXIST)
		return vds_error_errno(VDS_ERROR_OUTPUT, errno,
				       "cannot make %s", folder);
	while ((vad = vds_vad_next(it))) {
		struct vds_error *err;

		if (vad->range_why || !vad_is_chosen(run, vad) ||
		    !has_type(run, vad))
			continue;
		err = dump_vad(run, process, vad);
		if (err)
			return err;
	}
	return NULL;
}

VDS_PLUGIN(vaddump) = {
	VDS_PLUGIN_HEADER(vaddump),
	.version = "1.0.0",
	.summary = "the bytes of VADs as files, and what is missing in them",
	.record = "vad_dump",
	.scope = VDS_PER_PROCESS,
	.columns = columns,
	.num_columns = NUM_COLUMNS,
	.options = options,
	.num_options = sizeof(options) / sizeof(options[0]),
	.run = run,
};
