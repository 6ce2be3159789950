/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hollow: where what a process says of its images, what the kernel mapped and
 * what lies there contradict each other. A row is a contradiction and a place
 * to look at, not a verdict: an updater deletes libraries that are in use, and
 * packers wipe their own headers.
 */
#include <stdlib.h>
#include <string.h>

#include <vadose/columns.h>
#include <vadose/module.h>
#include <vadose/plugin.h>
#include <vadose/record.h>
#include <vadose/section.h>

#include "image_own.h"
#include "image_twin.h"

enum {
	COL_PID,
	COL_PROCESS,
	COL_EPROCESS,
	COL_KIND,
	COL_BASE,
	COL_MAIN,
	COL_VAD_TYPE,
	COL_PROTECTION,
	COL_FILE,
	COL_PATH,
	COL_PEB_BASE,
	COL_PEB32_BASE,
	COL_KERNEL_BASE,
	COL_END,
	COL_NODE,
	COL_CONTROL_AREA,
	COL_BYTES,
	COL_CHANGED,
	NUM_COLS,
};

#define KEY VDS_COLUMN_KEY
#define WIDE VDS_COLUMN_WIDE

static const struct vds_column columns[NUM_COLS] = {
	[COL_PID] = VDS_COL_PID(0),
	[COL_PROCESS] = VDS_COL_PROCESS(0),
	[COL_EPROCESS] = VDS_COL_EPROCESS(KEY | WIDE),
	[COL_KIND] = {"hollow.kind", VDS_KIND_STR, KEY, "Contradiction", NULL, "peb_base_no_image (no image VAD where the PEB says the program is), base_moved (PEB and EPROCESS name different bases), main_unmapped (no image VAD where the kernel mapped the program), main_other_file (an image of another file there), header_wiped, header_replaced (an image that does not begin with MZ), no_file, file_deleted, not_an_image (an image VAD of a section that is none), private_image, header_changed (the process's own headers of the image are not the section's), code_changed (of a quarter of its code and at least four pages the process has other bytes than the section), file_differs (the section's headers are not those of the file as it is read), module_no_image (what the loader lists is no image's memory), odd_protection (an image that the loader lists or the program, not mapped as EXECUTE_WRITECOPY)", NULL},
	[COL_BASE] = {"vad.start", VDS_KIND_ADDR, KEY, "Base", NULL, "where: first byte of the image", NULL},
	[COL_MAIN] = {"hollow.main", VDS_KIND_BOOL, 0, "Main", NULL, "it is about the program itself, not about a library", NULL},
	[COL_VAD_TYPE] = {"vad.type", VDS_KIND_STR, 0, "VAD", NULL, "type of the VAD that lies there", NULL},
	[COL_PROTECTION] = VDS_COL_VAD_PROTECTION(0),
	[COL_FILE] = {"section.file", VDS_KIND_STR, 0, "Mapped file", NULL, "file behind the VAD", "file.path"},
	[COL_PATH] = {"process.path", VDS_KIND_STR, 0, "Program", NULL, "full NT path of the process's image file, by its EPROCESS", "process.executable"},
	[COL_PEB_BASE] = {"hollow.peb_base", VDS_KIND_ADDR, WIDE, "PEB base", NULL, "PEB.ImageBaseAddress", NULL},
	[COL_PEB32_BASE] = {"hollow.peb32_base", VDS_KIND_ADDR, WIDE, "PEB32 base", NULL, "PEB32.ImageBaseAddress, as the 32-bit code of a WoW64 process has it", NULL},
	[COL_KERNEL_BASE] = {"hollow.kernel_base", VDS_KIND_ADDR, WIDE, "Kernel base", NULL, "EPROCESS.SectionBaseAddress", NULL},
	[COL_END] = VDS_COL_VAD_END(WIDE),
	[COL_NODE] = {"vad.node", VDS_KIND_ADDR, KEY | WIDE, "VAD node", NULL, "address of the MMVAD", NULL},
	[COL_CONTROL_AREA] = VDS_COL_CONTROL_AREA(WIDE),
	[COL_BYTES] = {"hollow.bytes", VDS_KIND_BYTES, WIDE, "First bytes", NULL, "what the image begins with", NULL},
	[COL_CHANGED] = {"hollow.changed", VDS_KIND_INT, 0, "Changed", NULL, "of header_changed, bytes; of code_changed, pages", NULL},
};

struct context {
	struct vds_run *run;
	const struct vds_process *process;
	uint64_t peb_base, peb32_base;
	enum vds_why peb_why, peb32_why;
	struct page_diff *diff;		/* scratch */
	uint64_t *modules;		/* bases that the loaders list, sorted */
	size_t num_modules;
};

/* Other code than the section's that is more than some hooks. */
#define MIN_PERCENT 25
#define MIN_PAGES 4

/* ImageBaseAddress of the PEB of type @type at @peb, as the process has it. */
static enum vds_why peb_base(struct vds_run *run,
			     const struct vds_process *process, uint64_t peb,
			     const char *type, uint64_t *ret)
{
	struct vds_member_info member;
	uint8_t raw[256];
	size_t len;

	if (!vds_type_member_find(vds_type_find(run, type),
				  "ImageBaseAddress", &member) ||
	    member.offset > sizeof(raw) - 8 || member.size > 8)
		return VDS_NO_FIELD;
	len = member.offset + (size_t)member.size;
	enum vds_why why = vds_process_read(process, peb, raw, len);
	return why ? why : vds_member_value(&member, raw, len, ret);
}

static void fill_vad(const struct vds_vad *vad, const struct vds_section *s,
		     struct vds_value *v)
{
	enum vds_why why;

	v[COL_VAD_TYPE] = vds_str(vds_vad_type_str(vad->type,
						   vad->is_private));
	v[COL_PROTECTION] = vds_str(vds_protection_str(vad->protection));
	v[COL_END] = vds_addr(vad->end);
	v[COL_NODE] = vds_addr(vad->node);
	if (!s)
		return;
	v[COL_CONTROL_AREA] = vds_addr(s->control_area);
	why = s->why ? s->why : s->file_name_why;
	v[COL_FILE] = vds_or(why, vds_str(s->file_name));
}

/*
 * One contradiction at @base; @vad is what lies there, or NULL; @changed is how
 * much differs, or 0.
 */
static struct vds_error *tell_more(struct context *c, const char *kind,
				   uint64_t base, const struct vds_vad *vad,
				   uint64_t changed)
{
	const struct vds_process *p = c->process;
	uint8_t bytes[32];
	struct vds_value v[NUM_COLS] = {
		[COL_PID] = vds_int(p->pid),
		[COL_PROCESS] = vds_or(p->name_why, vds_str(p->name)),
		[COL_EPROCESS] = vds_addr(p->eprocess),
		[COL_KIND] = vds_str(kind),
		[COL_BASE] = vds_addr(base),
		[COL_MAIN] = vds_bool(base == p->image_base ||
				      (!c->peb_why && base == c->peb_base) ||
				      (!c->peb32_why &&
				       base == c->peb32_base)),
		[COL_PATH] = vds_or(p->path_why, vds_str(p->path)),
		[COL_PEB_BASE] = vds_or(c->peb_why, vds_addr(c->peb_base)),
		[COL_PEB32_BASE] = vds_or(c->peb32_why,
					  vds_addr(c->peb32_base)),
		[COL_KERNEL_BASE] = vds_addr(p->image_base),
	};

	if (vad)
		fill_vad(vad, vds_vad_section(p, vad), v);
	enum vds_why why = vds_process_read(p, base, bytes, sizeof(bytes));
	v[COL_BYTES] = vds_or(why, vds_data(bytes, sizeof(bytes)));
	if (changed)
		v[COL_CHANGED] = vds_int((int64_t)changed);
	return vds_emit(c->run, v);
}

static struct vds_error *tell(struct context *c, const char *kind,
			      uint64_t base, const struct vds_vad *vad)
{
	return tell_more(c, kind, base, vad, 0);
}

/* Two paths that name one file: without case, as Windows has it. */
static bool same_path(const char *a, const char *b)
{
	size_t len = strlen(a);

	/* vds_match() knows wildcards, which no file has in its name. */
	return len == strlen(b) && !strpbrk(a, "*?") && vds_match(a, b);
}

/* The kernel's own word for the program's file, not the process's. */
static bool path_is_kernels(const struct vds_process *p)
{
	return p->path && (p->name_source == VDS_NAME_IMAGE_FILE_POINTER ||
			   p->name_source == VDS_NAME_SECTION ||
			   p->name_source == VDS_NAME_AUDIT);
}

/* Where the kernel mapped the program: is it still there, and still it? */
static struct vds_error *check_kernel_base(struct context *c)
{
	const struct vds_process *p = c->process;
	const struct vds_section *s;
	struct vds_vad vad;
	enum vds_why why;

	if (!p->image_base)
		return NULL;
	why = vds_vad_find(p, p->image_base, &vad);
	if (why == VDS_NOT_MAPPED)
		return tell(c, "main_unmapped", p->image_base, NULL);
	if (why)
		return NULL;
	if (vad.type != VDS_VAD_IMAGE || vad.start != p->image_base)
		return tell(c, "main_unmapped", p->image_base, &vad);
	s = vds_vad_section(p, &vad);
	if (!s || s->why || !s->file_name || !path_is_kernels(p) ||
	    same_path(s->file_name, p->path))
		return NULL;
	return tell(c, "main_other_file", p->image_base, &vad);
}

/* Where the process says, in one of its PEBs, that its program is. */
static struct vds_error *check_peb_base(struct context *c, uint64_t base)
{
	const struct vds_process *p = c->process;
	struct vds_error *err = NULL;
	struct vds_vad vad;
	enum vds_why why;

	/* Without a program both are 0: nothing to contradict. */
	if (!base && !p->image_base)
		return NULL;
	why = vds_vad_find(p, base, &vad);
	if (why == VDS_NOT_MAPPED)
		err = tell(c, "peb_base_no_image", base, NULL);
	else if (!why && (vad.type != VDS_VAD_IMAGE || vad.start != base))
		err = tell(c, "peb_base_no_image", base, &vad);
	if (!err && p->image_base && p->image_base != base)
		err = tell(c, "base_moved", base, why ? NULL : &vad);
	return err;
}

/* What lies at the image's beginning; *ret: whether it is a program's. */
static struct vds_error *check_header(struct context *c,
				      const struct vds_vad *vad, bool *ret)
{
	static const uint8_t zero[64];
	uint8_t bytes[64];

	*ret = true;
	if (vds_process_read(c->process, vad->start, bytes, sizeof(bytes)) ||
	    (bytes[0] == 'M' && bytes[1] == 'Z'))
		return NULL;
	*ret = false;
	return tell(c, memcmp(bytes, zero, sizeof(zero)) ? "header_replaced" :
							  "header_wiped",
		    vad->start, vad);
}

/* The process's own bytes, the section's, and the file's. */
static struct vds_error *check_content(struct context *c,
				       const struct vds_vad *vad)
{
	const struct vds_section *s = vds_vad_section(c->process, vad), *data;
	struct vds_error *err;
	struct image_own own;
	bool has_header;

	err = check_header(c, vad, &has_header);
	if (err || vad->is_private || !s || s->why ||
	    s->backing != VDS_BACKING_IMAGE)
		return err;
	data = image_data_of(c->process, s);
	if (data && !image_headers_agree(c->process, s, data))
		err = tell(c, "file_differs", vad->start, vad);
	if (err || !image_own(c->run, c->process, vad, s, c->diff, &own))
		return err;
	if (has_header && own.header)
		err = tell_more(c, "header_changed", vad->start, vad,
				own.header);
	if (!err && own.changed >= MIN_PAGES &&
	    own.changed * 100 >= own.code * MIN_PERCENT)
		err = tell_more(c, "code_changed", vad->start, vad,
				own.changed);
	return err;
}

static int compare_bases(const void *pa, const void *pb)
{
	const uint64_t *a = pa, *b = pb;

	return *a < *b ? -1 : *a > *b;
}

static void add_modules(struct context *c, const struct vds_modules *modules)
{
	for (size_t i = 0; i < modules->count; i++) {
		if (!modules->list[i].base_why)
			c->modules[c->num_modules++] = modules->list[i].base;
	}
}

static struct vds_error *read_modules(struct context *c)
{
	struct vds_modules native, wow64;
	struct vds_error *err =
		vds_process_modules(c->run, c->process, &native);

	if (!err)
		err = vds_process_modules32(c->run, c->process, &wow64);
	if (err)
		return err;
	c->modules = vds_alloc(c->run, native.count + wow64.count + 1,
			       sizeof(*c->modules));
	if (!c->modules)
		return &vds_enomem;
	add_modules(c, &native);
	add_modules(c, &wow64);
	qsort(c->modules, c->num_modules, sizeof(*c->modules), compare_bases);
	return NULL;
}

/*
 * Memory where the loader lists a module; images are mapped as
 * EXECUTE_WRITECOPY, whatever their parts allow. A module without any memory is
 * ldrmodules' business.
 */
static struct vds_error *check_module(struct context *c,
				      const struct vds_vad *vad)
{
	const struct vds_process *p = c->process;
	bool program = vad->start == p->image_base ||
		       (!c->peb_why && vad->start == c->peb_base) ||
		       (!c->peb32_why && vad->start == c->peb32_base);
	bool listed = c->num_modules &&
		      bsearch(&vad->start, c->modules,
			      c->num_modules, sizeof(*c->modules),
			      compare_bases);

	/* Of a program that is no image another row tells. */
	if (vad->type != VDS_VAD_IMAGE)
		return listed && !program ?
			       tell(c, "module_no_image", vad->start, vad) :
			       NULL;
	if ((listed || program) &&
	    !(vds_protection_executable(vad->protection) &&
	      vds_protection_copy_on_write(vad->protection)))
		return tell(c, "odd_protection", vad->start, vad);
	return NULL;
}

static struct vds_error *check_section(struct context *c,
				       const struct vds_vad *vad)
{
	const struct vds_section *s = vds_vad_section(c->process, vad);

	if (vad->is_private)
		return tell(c, "private_image", vad->start, vad);
	if (!s || s->why)
		return NULL;
	if (s->backing != VDS_BACKING_IMAGE &&
	    s->backing != VDS_BACKING_UNKNOWN)
		return tell(c, "not_an_image", vad->start, vad);
	if (!s->file_object)
		return tell(c, "no_file", vad->start, vad);
	if (s->file_deleted)
		return tell(c, "file_deleted", vad->start, vad);
	return NULL;
}

static struct vds_error *check_images(struct context *c)
{
	struct vds_vad_iter *it = vds_vad_iterate(c->process);
	const struct vds_vad *vad;

	while ((vad = vds_vad_next(it))) {
		struct vds_error *err = check_module(c, vad);
		if (!err && vad->type == VDS_VAD_IMAGE)
			err = check_section(c, vad);
		if (!err && vad->type == VDS_VAD_IMAGE)
			err = check_content(c, vad);
		if (err)
			return err;
	}
	return NULL;
}

static struct vds_error *run_hollow(struct vds_run *run,
				    const struct vds_process *process)
{
	struct context c = {.run = run, .process = process};
	struct vds_error *err = NULL;

	c.peb_why = !process->peb ? VDS_NOT_APPLICABLE :
		peb_base(run, process, process->peb, "_PEB", &c.peb_base);
	c.peb32_why = process->peb32_why ? process->peb32_why :
		peb_base(run, process, process->peb32, "_PEB32",
			 &c.peb32_base);
	/* What has ended has unmapped its program; System has none. */
	if (!process->exited && process->kind == VDS_PROCESS_NORMAL) {
		err = check_kernel_base(&c);
		if (!err && !c.peb_why)
			err = check_peb_base(&c, c.peb_base);
		/* If both are wrong alike, once is enough. */
		if (!err && !c.peb32_why &&
		    (c.peb_why || c.peb32_base != c.peb_base))
			err = check_peb_base(&c, c.peb32_base);
	}
	c.diff = vds_alloc(run, 1, sizeof(*c.diff));
	if (!err && !c.diff)
		err = &vds_enomem;
	if (!err && !process->exited)
		err = read_modules(&c);
	return err ? err : check_images(&c);
}

VDS_PLUGIN(hollow) = {
	VDS_PLUGIN_HEADER(hollow),
	.version = "1.0.0",
	.summary = "images whose PEB, VAD, section, file and content disagree",
	.record = "hollow",
	.scope = VDS_PER_PROCESS,
	.columns = columns,
	.num_columns = NUM_COLS,
	.run = run_hollow,
};
