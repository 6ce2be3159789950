/* SPDX-License-Identifier: Apache-2.0 */
/* Control areas, segments, subsections, prototype PTEs, section objects. */
#include "section.h"

#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "pe.h"

/* Bytes per sector as StartingSector counts: images 512, data 4096. */
#define SECTORS_PER_PAGE(s) ((s)->kind == SECTION_IMAGE ? 8u : 1u)

struct part *section_part(const struct section *s, uint32_t page,
			  uint32_t *index)
{
	for (unsigned int i = 0; i < s->num_parts; i++) {
		if (page < s->parts[i].pages) {
			*index = page;
			return &s->parts[i];
		}
		page -= s->parts[i].pages;
	}
	return NULL;
}

uint64_t section_proto(const struct section *s, uint32_t page)
{
	uint32_t index;
	const struct part *part = section_part(s, page, &index);

	return part ? part->proto + 8 * (uint64_t)index : 0;
}

uint64_t section_view_list(struct world *w, const struct section *s)
{
	return s->control_area + offset_of(w, "_CONTROL_AREA",
					   "ViewList|ListHead");
}

struct file *file_get(struct world *w, const char *path, bool delete_pending)
{
	static const char type[] = "_FILE_OBJECT";

	for (struct file *f = w->files; f; f = f->next)
		if (strcmp(f->path, path) == 0)
			return f;
	struct file *f = world_alloc(w, sizeof(*f));
	if (!f)
		return NULL;
	f->path = path;
	f->pointers = pool_alloc(w, &w->nonpaged,
				 size_of(w, "_SECTION_OBJECT_POINTERS"),
				 "MmSo");
	f->object = object_create(w, TYPE_FILE, SCENE_AUTO, size_of(w, type),
				  NULL, 0);
	put(w, &w->kernel, f->object, type, "Type", 5);
	put(w, &w->kernel, f->object, type, "Size", size_of(w, type));
	put(w, &w->kernel, f->object, type, "DeviceObject", w->device);
	put(w, &w->kernel, f->object, type, "SectionObjectPointer",
	    f->pointers);
	put(w, &w->kernel, f->object, type, "ReadAccess", 1);
	put(w, &w->kernel, f->object, type, "SharedRead", 1);
	put(w, &w->kernel, f->object, type, "DeletePending", delete_pending);
	(void)put_text(w, &w->kernel,
		       f->object + offset_of(w, type, "FileName"), path, 0);
	f->next = w->files;
	w->files = f;
	return f;
}

static void put_flags(struct world *w, const struct section *s, uint64_t va,
		      const char *type)
{
	bool file = s->kind != SECTION_PAGEFILE;

	put(w, &w->kernel, va, type, "u.Flags.Image",
	    s->kind == SECTION_IMAGE);
	put(w, &w->kernel, va, type, "u.Flags.File", file);
	put(w, &w->kernel, va, type, "u.Flags.FilePointerNull",
	    s->no_file ? 1 : 0);
	put(w, &w->kernel, va, type, "u.Flags.Commit",
	    !file && !s->reserve);
	put(w, &w->kernel, va, type, "u.Flags.Reserve", s->reserve);
	(void)put_opt(w, &w->kernel, va, type, "u.Flags.UserReference", 1);
}

static void put_control_area(struct world *w, struct section *s)
{
	static const char type[] = "_CONTROL_AREA";
	static const char pointers[] = "_SECTION_OBJECT_POINTERS";
	uint64_t va = s->control_area;

	put(w, &w->kernel, va, type, "Segment", s->segment);
	list_init(w, section_view_list(w, s));
	put_flags(w, s, va, type);
	/* Of files the same bytes count flushes, of images they are a pointer. */
	if (!s->file) {
		(void)put_opt(w, &w->kernel, va, type,
			      "u2.e2.NumberOfSubsections", s->num_parts);
		return;
	}
	struct file *f = file_get(w, s->file, s->delete_pending);
	if (!f)
		return;
	s->file_object = f->object;
	s->pointers = f->pointers;
	put(w, &w->kernel, f->pointers, pointers,
	    s->kind == SECTION_IMAGE ? "ImageSectionObject"
				     : "DataSectionObject", va);
	/* A fast reference: the low bits count. */
	if (!s->no_file)
		put(w, &w->kernel, va, type, "FilePointer", f->object | 0xb);
}

static void put_segment(struct world *w, struct section *s)
{
	static const char type[] = "_SEGMENT";
	uint64_t va = s->segment;

	put(w, &w->kernel, va, type, "ControlArea", s->control_area);
	put(w, &w->kernel, va, type, "TotalNumberOfPtes", s->pages);
	put(w, &w->kernel, va, type, "SizeOfSegment",
	    (uint64_t)s->pages * VDS_PAGE_SIZE);
	put(w, &w->kernel, va, type, "PrototypePte", s->parts[0].proto);
	if (s->kind == SECTION_PAGEFILE)
		put(w, &w->kernel, va, type, "NumberOfCommittedPages",
		    s->reserve ? 0 : s->pages);
	if (s->kind == SECTION_IMAGE && s->base != SCENE_AUTO)
		(void)put_opt(w, &w->kernel, va, type, "BasedAddress",
			      s->base);
}

static void put_subsections(struct world *w, struct section *s)
{
	static const char type[] = "_SUBSECTION";
	uint32_t sector = 0;

	for (unsigned int i = 0; i < s->num_parts; i++) {
		struct part *part = &s->parts[i];
		uint32_t sectors = part->pages * SECTORS_PER_PAGE(s);
		bool last = i + 1 == s->num_parts;

		put(w, &w->kernel, part->va, type, "ControlArea",
		    s->control_area);
		put(w, &w->kernel, part->va, type, "SubsectionBase",
		    part->proto);
		put(w, &w->kernel, part->va, type, "NextSubsection",
		    last ? 0 : s->parts[i + 1].va);
		put(w, &w->kernel, part->va, type, "PtesInSubsection",
		    part->pages);
		put(w, &w->kernel, part->va, type, "StartingSector",
		    s->file ? sector : 0);
		put(w, &w->kernel, part->va, type, "NumberOfFullSectors",
		    s->file ? sectors : 0);
		put(w, &w->kernel, part->va, type,
		    "u.SubsectionFlags.Protection|SubsectionFlags.Protection",
		    part->prot);
		sector += sectors;
	}
}

/* Subsections lie behind the control area; grown pieces of files apart. */
static void place_section(struct world *w, struct section *s)
{
	uint64_t each = size_of(w, "_SUBSECTION");
	uint64_t area = size_of(w, "_CONTROL_AREA");
	bool apart = s->kind == SECTION_DATA;
	unsigned int behind = apart ? 1 : s->num_parts;
	uint64_t room = subsection_room(w, s);

	s->control_area = pool_alloc(w, &w->nonpaged,
				     area + (behind - 1) * each + room,
				     s->kind == SECTION_IMAGE ? "MmCi"
							      : "MmCa");
	s->segment = pool_alloc(w, &w->paged, size_of(w, "_SEGMENT"), "MmSm");
	uint64_t protos = s->proto;
	if (protos == SCENE_AUTO && !apart)
		protos = pool_alloc(w, &w->paged, 8 * (uint64_t)s->pages,
				    "MmSt");
	else if (protos != SCENE_AUTO)
		(void)pool_alloc_at(w, protos, 8 * (uint64_t)s->pages, "MmSt");
	for (unsigned int i = 0; i < s->num_parts; i++) {
		struct part *part = &s->parts[i];
		part->va = i < behind
			? s->control_area + area + i * each
			: pool_alloc(w, &w->nonpaged, room, "MmSd");
		if (!apart || (i == 0 && protos != SCENE_AUTO)) {
			part->proto = protos;
			protos += 8 * (uint64_t)part->pages;
		} else {
			part->proto = pool_alloc(w, &w->paged,
				8 * (uint64_t)part->pages, "MmSt");
		}
	}
}

static void fill_page(struct world *w, const struct section *s, uint32_t page,
		      uint64_t pfn)
{
	struct pe_section sections[16];
	uint8_t *bytes = mem_page(w, pfn);
	uint32_t rva = 0, code = 0;

	if (s->like) {
		uint64_t from = page < s->like->pages ? s->like->frames[page]
						      : 0;
		if (from)
			memcpy(bytes, mem_page(w, from), VDS_PAGE_SIZE);
		return;
	}
	if (s->kind != SECTION_IMAGE || page) {
		(void)snprintf((char *)bytes, 64, "scene page: %s %u", s->id,
			       page);
		return;
	}
	unsigned int n = 0;
	for (unsigned int i = 0; i < s->num_parts; i++) {
		const struct part *part = &s->parts[i];
		if (i && n < VDS_ARRAY_SIZE(sections)) {
			uint32_t kind = part->prot & 7;
			bool exec = kind == PROT_EXECUTE_READ ||
				    kind == PROT_EXECUTE_WRITECOPY ||
				    kind == PROT_EXECUTE_READWRITE;
			sections[n++] = (struct pe_section){
				part->name, rva, part->pages * PE_PAGE,
				exec ? PE_EXECUTABLE_CODE
				: kind == PROT_READONLY ? PE_CONSTANTS
							: PE_DATA };
			if (exec && !code)
				code = rva;
		}
		rva += part->pages * PE_PAGE;
	}
	struct pe pe = { .image_base = s->base == SCENE_AUTO ? 0 : s->base,
			 .is_32 = s->pe32,
			 .size = rva, .entry = code, .sections = sections,
			 .num_sections = n, .timestamp = 0x5f000000 + s->index,
			 .dll = strstr(s->file, ".exe") == NULL };
	pe_header(&pe, bytes);
}

static uint64_t resident(struct world *w, struct section *s, uint32_t page,
			 const struct part *part, uint64_t proto_va)
{
	uint64_t pfn = s->at_frame && (s->large || !page)
		? s->at_frame + page : mem_alloc(w);
	bool valid = s->states[page] == 'V';
	struct frame *frame = mem_frame(w, pfn);

	frame->proto = true;
	frame->pte_va = proto_va;
	frame->original = s->kind == SECTION_PAGEFILE
		? pte_soft(w, 0, 0, part->prot)
		: pte_subsection(w, part->va, part->prot);
	frame->location = valid ? 6 : 2;
	frame->table = space_pfn(w, &w->kernel, proto_va);
	s->frames[page] = pfn;
	fill_page(w, s, page, pfn);
	return valid ? pte_hardware(w, pfn, part->prot, false, false)
		     : pte_transition(w, pfn, part->prot);
}

static uint64_t proto_value(struct world *w, struct section *s, uint32_t page,
			    const struct part *part, uint64_t proto_va)
{
	switch (s->states[page]) {
	case 'V':
	case 'T':
		return resident(w, s, page, part, proto_va);
	case 'P':
		return pte_soft(w, 0, 0x1000 + page, part->prot);
	case 'M':
		return pte_soft(w, VIRTUAL_STORE, 0x1000 + page, part->prot);
	case 'Z':
		return pte_soft(w, 0, 0, part->prot);
	case 'S':
		return pte_subsection(w, part->va, part->prot);
	case 'K':
		/* 22621 and later: a bare pointer in place of the S form. */
		return part->va;
	default:
		return 0;
	}
}

static void put_protos(struct world *w, struct section *s)
{
	uint8_t bytes[8];

	s->frames = vds_arena_calloc(&w->arena, s->pages, 8);
	s->protos = vds_arena_calloc(&w->arena, s->pages, 8);
	if (!s->frames || !s->protos) {
		world_nomem(w);
		return;
	}
	for (uint32_t page = 0; page < s->pages && !w->err; page++) {
		uint32_t index;
		const struct part *part = section_part(s, page, &index);
		uint64_t va = section_proto(s, page);
		s->protos[page] = proto_value(w, s, page, part, va);
		vds_put_le64(bytes, s->protos[page]);
		space_write(w, &w->kernel, va, bytes, 8);
	}
}

/* Win32 PAGE_ constant of a protection code, as SECTION holds it. */
static uint32_t win32_prot(uint32_t prot)
{
	static const uint32_t values[8] = { 0x01, 0x02, 0x10, 0x20,
					    0x04, 0x08, 0x40, 0x80 };
	return values[prot & 7];
}

/*
 * What the symbols up to 8.1 leave out of a section object: its size, the
 * control area's flags, its protection (Windows Research Kernel, mi.h).
 */
static void put_old_tail(struct world *w, const struct section *s, uint64_t at)
{
	uint8_t tail[0x10];

	space_read(w, &w->kernel, s->control_area +
		   offset_of(w, "_CONTROL_AREA", "u"), tail + 8, 4);
	vds_put_le64(tail, (uint64_t)s->pages * VDS_PAGE_SIZE);
	vds_put_le32(tail + 12, win32_prot(s->prot));
	space_write(w, &w->kernel, at, tail, sizeof(tail));
}

static void put_object(struct world *w, struct section *s)
{
	bool modern = has_type(w, "_SECTION");
	const char *type = modern ? "_SECTION" : "_SECTION_OBJECT";
	const char *slash = s->name ? strrchr(s->name, '\\') : NULL;
	const char *leaf = slash ? slash + 1 : s->name;
	uint64_t directory = 0;

	if (s->name) {
		char *path = vds_arena_strndup(&w->arena, s->name,
			slash > s->name ? (size_t)(slash - s->name) : 1);
		if (!path) {
			world_nomem(w);
			return;
		}
		directory = directory_get(w, path);
	}
	s->object_va = object_create(w, TYPE_SECTION, SCENE_AUTO,
				     size_of(w, type) + (modern ? 0 : 0x10),
				     leaf, directory);
	if (directory)
		directory_add(w, directory, leaf, s->object_va);
	if (!modern) {
		put(w, &w->kernel, s->object_va, type, "Segment", s->segment);
		put_old_tail(w, s, s->object_va + size_of(w, type));
		return;
	}
	put(w, &w->kernel, s->object_va, type, "u1.ControlArea",
	    s->control_area);
	put(w, &w->kernel, s->object_va, type, "SizeOfSection",
	    (uint64_t)s->pages * VDS_PAGE_SIZE);
	put_flags(w, s, s->object_va, type);
	put(w, &w->kernel, s->object_va, type, "InitialPageProtection",
	    win32_prot(s->prot));
}

/* Images get their base before anything else looks at it. */
static void place_image(struct world *w, struct section *s)
{
	if (s->kind != SECTION_IMAGE || s->base != SCENE_AUTO)
		return;
	uint64_t size = ((uint64_t)s->pages * VDS_PAGE_SIZE + 0xffff) &
			~UINT64_C(0xffff);
	w->next_image -= size + 0x10000;
	s->base = w->next_image;
}

void sections_build(struct world *w)
{
	for (struct section *s = w->scene->sections; s && !w->err;
	     s = s->next) {
		place_image(w, s);
		place_section(w, s);
		put_control_area(w, s);
		put_segment(w, s);
		put_subsections(w, s);
		put_protos(w, s);
		if (s->name || s->object)
			put_object(w, s);
	}
}

static void put_creator(struct world *w, const struct section *s)
{
	if (!s->creator || s->kind != SECTION_PAGEFILE)
		return;
	if (put_opt(w, &w->kernel, s->segment, "_SEGMENT",
		    "u1.CreatingProcessId", s->creator))
		return;
	const struct process *p = scene_find_process(w->scene, s->creator);
	if (p)
		(void)put_opt(w, &w->kernel, s->segment, "_SEGMENT",
			      "u1.CreatingProcess", p->eprocess);
}

void sections_finish(struct world *w)
{
	static const char type[] = "_CONTROL_AREA";

	system_views_build(w);
	for (struct section *s = w->scene->sections; s && !w->err;
	     s = s->next) {
		uint64_t pages = 0;
		for (uint32_t i = 0; i < s->pages; i++)
			pages += s->frames[i] != 0;
		put(w, &w->kernel, s->control_area, type,
		    "NumberOfSectionReferences", s->object_va != 0);
		put(w, &w->kernel, s->control_area, type,
		    "NumberOfPfnReferences", pages);
		put(w, &w->kernel, s->control_area, type,
		    "NumberOfMappedViews", s->views);
		put(w, &w->kernel, s->control_area, type,
		    "NumberOfUserReferences",
		    s->user_views + (s->object_va != 0));
		if (s->cache_views)
			(void)put_opt(w, &w->kernel, s->control_area, type,
				      "u2.e2.NumberOfSystemCacheViews",
				      s->cache_views);
		put_creator(w, s);
	}
	if (w->scene->section_tree)
		section_tree_build(w);
}
