/* SPDX-License-Identifier: Apache-2.0 */
/* What a process keeps of itself in user memory: PEB, parameters, modules. */
#include "world.h"

#include <stdio.h>
#include <string.h>

/* Room for the loader's data of one module, strings included. */
#define PER_MODULE 0x400u

static const char *leaf(const char *path)
{
	const char *slash = strrchr(path, '\\');
	return slash ? slash + 1 : path;
}

static bool in_loader_list(const struct view *v)
{
	return v->section && v->section->kind == SECTION_IMAGE && !v->no_ldr &&
	       v->vad_type == 2;
}

static struct view *add_private(struct world *w, struct process *p,
				uint32_t pages, const char *states,
				const char *note)
{
	struct view *v = scene_add_view(w->scene, p, NULL);
	if (!v) {
		world_nomem(w);
		return NULL;
	}
	v->place = p->place;
	v->pages = pages;
	v->prot = PROT_READWRITE;
	v->states = states;
	v->note = note;
	v->commit = true;
	return v;
}

void peb_place(struct world *w, struct process *p)
{
	uint32_t modules = 0;

	for (const struct view *v = p->views; v; v = v->next)
		modules += in_loader_list(v);
	/* From 17134 on the page shared with the kernel has a VAD. */
	uint32_t build = w->build;
	if (!build || build >= 17134) {
		struct view *shared = add_private(w, p, 1, "U", "kuser");
		if (!shared)
			return;
		shared->start = 0x7ffe0000;
		shared->prot = PROT_READONLY;
		shared->commit = false;
	}
	struct view *v = add_private(w, p, 2, "V*", "peb");
	if (!v)
		return;
	v->start = p->peb;
	(void)add_private(w, p, 1 + (modules * PER_MODULE + 4095) / 4096, "V*",
			  "heap");
}

static const struct view *noted(const struct process *p, const char *note)
{
	const struct view *v = p->views;
	while (v && (!v->note || strcmp(v->note, note) != 0))
		v = v->next;
	return v;
}

/* In user space as list_add() in the kernel: entry @i of @n in a ring. */
static void put_link(struct world *w, struct process *p, uint64_t entry,
		     uint64_t next, uint64_t prev)
{
	put(w, p->space, entry, "_LIST_ENTRY", "Flink", next);
	put(w, p->space, entry, "_LIST_ENTRY", "Blink", prev);
}

static void put_module(struct world *w, struct process *p, uint64_t va,
		       const struct view *v)
{
	static const char type[] = "_LDR_DATA_TABLE_ENTRY";
	char path[512];

	put(w, p->space, va, type, "DllBase", v->start);
	put(w, p->space, va, type, "SizeOfImage",
	    (uint64_t)v->pages * VDS_PAGE_SIZE);
	(void)put_opt(w, p->space, va, type, "LoadTime", p->created);
	(void)snprintf(path, sizeof(path), "C:%s", v->section->file);
	uint64_t end = va + ((size_of(w, type) + 15) & ~UINT64_C(15));
	end = put_text(w, p->space, va + offset_of(w, type, "FullDllName"),
		       path, end);
	(void)put_text(w, p->space, va + offset_of(w, type, "BaseDllName"),
		       leaf(v->section->file), end);
}

/* The three loader lists over the same entries at @first + i * PER_MODULE. */
static void link_modules(struct world *w, struct process *p, uint64_t ldr,
			 uint64_t first, uint32_t n)
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
		uint64_t head = ldr + offset_of(w, "_PEB_LDR_DATA",
						lists[l].head);
		uint64_t link = first + offset_of(w, "_LDR_DATA_TABLE_ENTRY",
						  lists[l].entry);
		uint64_t last = n ? link + (n - 1) * (uint64_t)PER_MODULE
				  : head;
		put_link(w, p, head, n ? link : head, last);
		for (uint32_t i = 0; i < n; i++) {
			uint64_t at = link + i * (uint64_t)PER_MODULE;
			put_link(w, p, at, i + 1 < n ? at + PER_MODULE : head,
				 i ? at - PER_MODULE : head);
		}
	}
}

static uint64_t put_parameters(struct world *w, struct process *p,
			       uint64_t va)
{
	static const char type[] = "_RTL_USER_PROCESS_PARAMETERS";
	char path[512];
	uint64_t end = va + ((size_of(w, type) + 15) & ~UINT64_C(15));

	(void)snprintf(path, sizeof(path), "C:%s",
		       p->path ? p->path : "\\unknown.exe");
	end = put_text(w, p->space, va + offset_of(w, type, "ImagePathName"),
		       path, end);
	return put_text(w, p->space, va + offset_of(w, type, "CommandLine"),
			path, end);
}

void peb_build(struct world *w, struct process *p)
{
	static const char type[] = "_PEB";
	const struct view *own = noted(p, "peb"), *heap = noted(p, "heap");
	uint32_t n = 0;

	if (!own || !heap)
		return;
	p->peb = own->start;
	put(w, &w->kernel, p->eprocess, "_EPROCESS", "Peb", p->peb);
	uint64_t ldr = own->start + VDS_PAGE_SIZE;
	p->params = heap->start;
	(void)put_parameters(w, p, p->params);
	uint64_t first = heap->start + VDS_PAGE_SIZE;
	for (const struct view *v = p->views; v; v = v->next) {
		if (in_loader_list(v))
			put_module(w, p, first + n++ * (uint64_t)PER_MODULE, v);
		if (v->main_image)
			put(w, p->space, p->peb, type, "ImageBaseAddress",
			    v->start);
		if (v->peb_field)
			put(w, p->space, p->peb, type, v->peb_field, v->start);
	}
	(void)put_opt(w, p->space, ldr, "_PEB_LDR_DATA", "Length",
		      size_of(w, "_PEB_LDR_DATA"));
	(void)put_opt(w, p->space, ldr, "_PEB_LDR_DATA", "Initialized", 1);
	link_modules(w, p, ldr, first, n);
	put(w, p->space, p->peb, type, "Ldr", ldr);
	put(w, p->space, p->peb, type, "ProcessParameters", p->params);
	put(w, p->space, p->peb, type, "SessionId", p->session);
	(void)put_opt(w, p->space, p->peb, type, "OSBuildNumber",
		      w->build);
}
