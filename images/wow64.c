/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What 32-bit code adds to a process: its own PEB with the lists of its own
 * loader, a TEB beside the 64-bit one, stacks and a heap below 4 GB.
 */
#include "world.h"

#include <stdio.h>
#include <string.h>

/* Room for the loader's data of one module, strings included. */
#define PER_MODULE 0x400u
/* Where Windows 7 has them, and where nothing else lies in a scene. */
#define TEB_VA UINT64_C(0x7efd8000)
#define PEB32_VA UINT64_C(0x7efde000)
#define HEAP_VA UINT64_C(0x2f0000)
#define HEAP_MORE_VA UINT64_C(0x3f0000)
#define STACK_VA UINT64_C(0x1f0000)
#define STACK32_VA UINT64_C(0x240000)
/* Of both heaps' and segments' headers: _HEAP.Signature, SegmentSignature */
#define HEAP_SIGNATURE 0xeeffeeffu
#define SEGMENT_SIGNATURE 0xffeeffeeu

static bool in_list(const struct view *v)
{
	return v->section && v->section->kind == SECTION_IMAGE &&
	       v->vad_type == 2 && (v->ldr32 || v->main_image);
}

static void add(struct world *w, struct process *p, uint64_t va,
		uint32_t pages, const char *states, const char *note)
{
	struct view *v = scene_add_view(w->scene, p, NULL);

	if (!v) {
		world_nomem(w);
		return;
	}
	v->place = p->place;
	v->start = va;
	v->pages = pages;
	v->prot = PROT_READWRITE;
	v->states = states;
	v->note = note;
	v->commit = true;
}

void wow64_place(struct world *w, struct process *p)
{
	uint32_t modules = 0;

	for (const struct view *v = p->views; v; v = v->next)
		modules += in_list(v);
	/* Two pages of the 64-bit TEB, one of the 32-bit one behind it. */
	add(w, p, TEB_VA, 3, "V3", "teb");
	add(w, p, PEB32_VA, 1, "V1", "peb32");
	add(w, p, STACK_VA, 16, ".14V2", "stack");
	add(w, p, STACK32_VA, 16, ".14V2", "stack32");
	add(w, p, HEAP_VA, 2 + (modules * PER_MODULE + 4095) / 4096, "V*",
	    "heap32");
	add(w, p, HEAP_MORE_VA, 4, "V1", "heap32");
	p->peb32 = PEB32_VA;
	p->teb = TEB_VA;
}

/* UNICODE_STRING32 at @va, its text at @buffer; returns what comes next. */
static uint64_t put_text32(struct world *w, struct process *p, uint64_t va,
			   const char *text, uint64_t buffer)
{
	static const char type[] = "_UNICODE_STRING32";
	uint8_t utf16[1026];
	size_t len = text_utf16(text, utf16, sizeof(utf16) - 2);

	utf16[len] = utf16[len + 1] = 0;
	space_write(w, p->space, buffer, utf16, len + 2);
	put(w, p->space, va, type, "Length", len);
	put(w, p->space, va, type, "MaximumLength", len + 2);
	put(w, p->space, va, type, "Buffer", buffer);
	return buffer + ((len + 2 + 15) & ~UINT64_C(15));
}

static void put_module(struct world *w, struct process *p, uint64_t va,
		       const struct view *v)
{
	static const char type[] = "_LDR_DATA_TABLE_ENTRY32";
	const char *file = v->section->file;
	const char *slash = strrchr(file, '\\');
	char path[512];

	put(w, p->space, va, type, "DllBase", v->start);
	put(w, p->space, va, type, "SizeOfImage",
	    (uint64_t)v->pages * VDS_PAGE_SIZE);
	put(w, p->space, va, type, "EntryPoint", v->start + VDS_PAGE_SIZE);
	put(w, p->space, va, type, "LoadTime", p->created);
	/* As 32-bit code knows it: its own folder is System32. */
	(void)snprintf(path, sizeof(path), "C:%s", file);
	uint64_t end = va + ((size_of(w, type) + 15) & ~UINT64_C(15));
	end = put_text32(w, p, va + offset_of(w, type, "FullDllName"), path,
			 end);
	(void)put_text32(w, p, va + offset_of(w, type, "BaseDllName"),
			 slash ? slash + 1 : file, end);
}

static void put_link(struct world *w, struct process *p, uint64_t entry,
		     uint64_t next, uint64_t prev)
{
	put(w, p->space, entry, "LIST_ENTRY32", "Flink", next);
	put(w, p->space, entry, "LIST_ENTRY32", "Blink", prev);
}

/* The program itself is the first, and never in the order of initialization. */
static void link_modules(struct world *w, struct process *p, uint64_t ldr,
			 uint64_t first, uint32_t n, bool has_main)
{
	static const struct {
		const char *head, *entry;
	} lists[] = {
		{ "InLoadOrderModuleList", "InLoadOrderLinks" },
		{ "InMemoryOrderModuleList", "InMemoryOrderLinks" },
		{ "InInitializationOrderModuleList",
		  "InInitializationOrderLinks" },
	};
	for (size_t l = 0; l < VDS_ARRAY_SIZE(lists); l++) {
		uint64_t head = ldr + offset_of(w, "_PEB_LDR_DATA32",
						lists[l].head);
		uint64_t link = first + offset_of(w, "_LDR_DATA_TABLE_ENTRY32",
						  lists[l].entry);
		uint32_t from = l == 2 && has_main ? 1 : 0;
		uint64_t prev = head;
		for (uint32_t i = from; i < n; i++) {
			uint64_t at = link + i * (uint64_t)PER_MODULE;
			put(w, p->space, prev, "LIST_ENTRY32", "Flink", at);
			put(w, p->space, at, "LIST_ENTRY32", "Blink", prev);
			prev = at;
		}
		put(w, p->space, prev, "LIST_ENTRY32", "Flink", head);
		put(w, p->space, head, "LIST_ENTRY32", "Blink", prev);
	}
}

/* An NT heap of two segments: its header is the first one's. */
static void put_heap(struct world *w, struct process *p)
{
	uint64_t head = HEAP_VA + offset_of(w, "_HEAP32", "SegmentList");
	uint64_t link = offset_of(w, "_HEAP_SEGMENT32", "SegmentListEntry");
	uint64_t large = HEAP_VA + offset_of(w, "_HEAP32",
					     "VirtualAllocdBlocks");
	static const uint64_t segments[] = { HEAP_VA, HEAP_MORE_VA };

	put(w, p->space, HEAP_VA, "_HEAP32", "Signature", HEAP_SIGNATURE);
	for (size_t i = 0; i < VDS_ARRAY_SIZE(segments); i++) {
		put(w, p->space, segments[i], "_HEAP_SEGMENT32",
		    "SegmentSignature", SEGMENT_SIGNATURE);
		put(w, p->space, segments[i], "_HEAP_SEGMENT32", "Heap",
		    HEAP_VA);
	}
	put_link(w, p, head, HEAP_VA + link, HEAP_MORE_VA + link);
	put_link(w, p, HEAP_VA + link, HEAP_MORE_VA + link, head);
	put_link(w, p, HEAP_MORE_VA + link, head, HEAP_VA + link);
	put_link(w, p, large, large, large);
}

static void put_tebs(struct world *w, struct process *p)
{
	uint64_t teb32 = TEB_VA + 2 * VDS_PAGE_SIZE;

	put(w, p->space, TEB_VA, "_TEB", "NtTib.Self", TEB_VA);
	put(w, p->space, TEB_VA, "_TEB", "NtTib.StackBase",
	    STACK_VA + 16 * VDS_PAGE_SIZE);
	put(w, p->space, TEB_VA, "_TEB", "DeallocationStack", STACK_VA);
	put(w, p->space, TEB_VA, "_TEB", "NtTib.ExceptionList", teb32);
	(void)put_opt(w, p->space, TEB_VA, "_TEB", "WowTebOffset",
		      2 * VDS_PAGE_SIZE);
	put(w, p->space, teb32, "_TEB32", "NtTib.Self", teb32);
	put(w, p->space, teb32, "_TEB32", "NtTib.StackBase",
	    STACK32_VA + 16 * VDS_PAGE_SIZE);
	put(w, p->space, teb32, "_TEB32", "DeallocationStack", STACK32_VA);
	put(w, p->space, teb32, "_TEB32", "ProcessEnvironmentBlock", PEB32_VA);
}

void wow64_build(struct world *w, struct process *p)
{
	static const char type[] = "_PEB32";
	/* The PEB takes half of its page. */
	uint64_t ldr = PEB32_VA + VDS_PAGE_SIZE / 2 + 0x400;
	uint64_t first = HEAP_VA + 2 * VDS_PAGE_SIZE;
	bool has_main = false;
	uint32_t n = 0;

	/* The program first. */
	for (int main_image = 1; main_image >= 0; main_image--)
		for (const struct view *v = p->views; v; v = v->next)
			if (in_list(v) && v->main_image == main_image) {
				has_main |= v->main_image;
				put_module(w, p,
					   first + n++ * (uint64_t)PER_MODULE,
					   v);
			}
	for (const struct view *v = p->views; v; v = v->next)
		if (v->main_image)
			put(w, p->space, p->peb32, type, "ImageBaseAddress",
			    v->start);
	put(w, p->space, ldr, "_PEB_LDR_DATA32", "Length",
	    size_of(w, "_PEB_LDR_DATA32"));
	put(w, p->space, ldr, "_PEB_LDR_DATA32", "Initialized", 1);
	link_modules(w, p, ldr, first, n, has_main);
	put(w, p->space, p->peb32, type, "Ldr", ldr);
	put(w, p->space, p->peb32, type, "ProcessHeap", HEAP_VA);
	put(w, p->space, p->peb32, type, "SessionId", p->session);
	put_heap(w, p);
	put_tebs(w, p);
}

/* EPROCESS.WoW64Process: PEB32 itself, from 10 on an EWOW64PROCESS before it. */
uint64_t wow64_process(struct world *w, const struct process *p)
{
	static const char type[] = "_EWOW64PROCESS";

	/* A page that isn't there (yet). */
	if (!p->peb32)
		return PEB32_VA;
	if (!has_type(w, type))
		return p->peb32;
	uint64_t va = pool_alloc(w, &w->nonpaged, size_of(w, type), "Wow6");
	put(w, &w->kernel, va, type, "Peb", p->peb32);
	/* IMAGE_FILE_MACHINE_I386 (PE/COFF specification) */
	(void)put_opt(w, &w->kernel, va, type, "Machine", 0x14c);
	return va;
}
