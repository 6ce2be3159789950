/* SPDX-License-Identifier: Apache-2.0 */
/* EPROCESS objects with their tokens, threads and lists. */
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

#define DISPATCHER_PROCESS 3u
#define DISPATCHER_THREAD 6u

/* Writes the binary form of "S-1-5-21-..." and returns its length. */
static size_t sid_bytes(const char *text, uint8_t buf[72])
{
	unsigned int n = 0;
	const char *s = text;

	memset(buf, 0, 72);
	if (strncmp(s, "S-1-", 4) != 0)
		return 0;
	buf[0] = 1;
	buf[7] = (uint8_t)strtoul(s + 4, (char **)&s, 10);
	while (*s == '-' && n < 15) {
		vds_put_le32(buf + 8 + 4 * n++,
			     (uint32_t)strtoul(s + 1, (char **)&s, 10));
	}
	buf[1] = (uint8_t)n;
	return 8 + 4 * n;
}

static uint64_t put_sid(struct world *w, const char *text)
{
	uint8_t bytes[72];
	size_t len = sid_bytes(text, bytes);
	uint64_t va = pool_alloc(w, &w->paged, sizeof(bytes), "SeSi");

	space_write(w, &w->kernel, va, bytes, len);
	return va;
}

/* User first, integrity level second. */
static void put_token(struct world *w, struct process *p)
{
	static const char type[] = "_TOKEN";
	static const char entry[] = "_SID_AND_ATTRIBUTES";
	uint64_t each = size_of(w, entry);
	char level[32];

	p->token = object_create(w, TYPE_TOKEN, SCENE_AUTO, size_of(w, type),
				 NULL, 0);
	uint64_t groups = pool_alloc(w, &w->paged, 2 * each, "SeTo");
	put(w, &w->kernel, groups, entry, "Sid", put_sid(w, p->user));
	(void)snprintf(level, sizeof(level), "S-1-16-%u", p->integrity);
	put(w, &w->kernel, groups + each, entry, "Sid", put_sid(w, level));
	/* SE_GROUP_INTEGRITY and its enabled bit */
	put(w, &w->kernel, groups + each, entry, "Attributes", 0x60);
	put(w, &w->kernel, p->token, type, "SessionId", p->session);
	put(w, &w->kernel, p->token, type, "UserAndGroups", groups);
	put(w, &w->kernel, p->token, type, "UserAndGroupCount", 2);
	put(w, &w->kernel, p->token, type, "IntegrityLevelIndex", 1);
	if (p->container)
		(void)put_opt(w, &w->kernel, p->token, type, "Package",
			      put_sid(w, p->container));
}

/* Where session-wide things hang; one per session. */
static uint64_t session_space(struct world *w, uint32_t id)
{
	const char *type = has_type(w, "_PSP_SESSION_SPACE")
		? "_PSP_SESSION_SPACE" : "_MM_SESSION_SPACE";
	bool fresh;
	uint64_t *slot = vds_map_put(&w->sessions, id, &fresh);

	if (!slot) {
		world_nomem(w);
		return 0;
	}
	if (!fresh || !has_type(w, type))
		return *slot;
	uint64_t va = pool_alloc(w, &w->nonpaged, size_of(w, type), "MmSn");
	(void)put_opt(w, &w->kernel, va, type, "SessionId", id);
	if (has_field(w, type, "ProcessList"))
		list_init(w, va + offset_of(w, type, "ProcessList"));
	*slot = va;
	return va;
}

/* Threads begin in the program's code, but for the one that began elsewhere. */
static uint64_t thread_start(const struct process *p, uint32_t i)
{
	const struct view *v = p->views;

	if (p->began && i + 1 == p->threads)
		return p->began;
	while (v && !v->main_image)
		v = v->next;
	return v ? v->start + VDS_PAGE_SIZE : 0;
}

static void put_thread(struct world *w, struct process *p, uint32_t i)
{
	static const char type[] = "_ETHREAD";

	if (!has_type(w, type))
		return;
	uint64_t va = object_create(w, TYPE_THREAD, SCENE_AUTO,
				    size_of(w, type), NULL, 0);
	if (!p->ethread)
		p->ethread = va;
	put(w, &w->kernel, va, type, "Tcb.Header.Type", DISPATCHER_THREAD);
	(void)put_opt(w, &w->kernel, va, type, "Tcb.Process", p->eprocess);
	(void)put_opt(w, &w->kernel, va, type, "Cid.UniqueProcess", p->pid);
	(void)put_opt(w, &w->kernel, va, type, "Cid.UniqueThread",
		      p->pid * 8 + 0x10000 + 4 * i);
	(void)put_opt(w, &w->kernel, va, type, "CreateTime", p->created);
	if (p->teb && !i)
		(void)put_opt(w, &w->kernel, va, type, "Tcb.Teb", p->teb);
	(void)put_opt(w, &w->kernel, va, type, "Win32StartAddress",
		      thread_start(p, i));
	if (has_field(w, type, "ThreadListEntry"))
		list_add(w, p->eprocess + offset_of(w, "_EPROCESS",
						    "ThreadListHead"),
			 va + offset_of(w, type, "ThreadListEntry"));
	if (has_field(w, type, "Tcb.ThreadListEntry"))
		list_add(w, p->eprocess + offset_of(w, "_EPROCESS",
						    "Pcb.ThreadListHead"),
			 va + offset_of(w, type, "Tcb.ThreadListEntry"));
}

static void put_header(struct world *w, const struct process *p)
{
	static const char type[] = "_EPROCESS";
	uint64_t size = size_of(w, "_KPROCESS") / 4;
	uint64_t va = p->eprocess;

	put(w, &w->kernel, va, type, "Pcb.Header.Type", DISPATCHER_PROCESS);
	put(w, &w->kernel, va, type, "Pcb.Header.Size", size & 0xff);
	list_init(w, va + offset_of(w, type, "Pcb.Header.WaitListHead"));
	list_init(w, va + offset_of(w, type, "Pcb.ThreadListHead"));
	list_init(w, va + offset_of(w, type, "ThreadListHead"));
	put(w, &w->kernel, va, type, "Pcb.DirectoryTableBase", p->dtb);
	(void)put_opt(w, &w->kernel, va, type, "Pcb.AddressPolicy", 1);
}

/* OBJECT_NAME_INFORMATION: the name that an audit of the start would print. */
static void put_audit_name(struct world *w, const struct process *p)
{
	static const char type[] = "_OBJECT_NAME_INFORMATION";
	char path[512];

	if (!p->path || p->no_audit)
		return;
	(void)snprintf(path, sizeof(path), "\\Device\\HarddiskVolume3%s",
		       p->path);
	uint64_t va = pool_alloc(w, &w->paged, size_of(w, type), "SeOn");
	(void)put_text(w, &w->kernel, va + offset_of(w, type, "Name"), path,
		       0);
	put(w, &w->kernel, p->eprocess, "_EPROCESS",
	    "SeAuditProcessCreationInfo.ImageFileName", va);
}

static void put_image(struct world *w, struct process *p)
{
	static const char type[] = "_EPROCESS";
	uint64_t va = p->eprocess;

	if (p->image && p->image->object_va)
		put(w, &w->kernel, va, type, "SectionObject",
		    p->image->object_va);
	for (const struct view *v = p->views; v; v = v->next)
		if (v->main_image)
			put(w, &w->kernel, va, type, "SectionBaseAddress",
			    v->start);
	if (p->image && !p->image->no_file && !p->image->delete_pending)
		(void)put_opt(w, &w->kernel, va, type, "ImageFilePointer",
			      p->image->file_object);
	put_audit_name(w, p);
}

static void put_fields(struct world *w, struct process *p)
{
	static const char type[] = "_EPROCESS";
	uint64_t va = p->eprocess;
	uint8_t name[64], short_name[16] = { 0 };
	size_t len = text_utf16(p->name, name, sizeof(name)) / 2;

	for (size_t i = 0; i < len && i < 14; i++)
		short_name[i] = name[2 * i];
	put_bytes(w, &w->kernel, va, type, "ImageFileName", short_name, 15);
	put(w, &w->kernel, va, type, "UniqueProcessId", p->pid);
	put(w, &w->kernel, va, type, "InheritedFromUniqueProcessId",
	    p->parent);
	put(w, &w->kernel, va, type, "CreateTime", p->created);
	put(w, &w->kernel, va, type, "ExitTime", p->exited);
	put(w, &w->kernel, va, type, "Token", p->token ? p->token | 0xb : 0);
	put(w, &w->kernel, va, type, "ActiveThreads",
	    p->exited ? 0 : p->threads);
	put(w, &w->kernel, va, type, "Peb", p->peb == SCENE_AUTO ? 0 : p->peb);
	(void)put_opt(w, &w->kernel, va, type, "Minimal", p->minimal);
	if (p->pid != 4 && !p->minimal)
		(void)put_opt(w, &w->kernel, va, type, "Session",
			      session_space(w, p->session));
	if (p->wow64)
		(void)put_opt(w, &w->kernel, va, type,
			      "WoW64Process|Wow64Process",
			      wow64_process(w, p));
	if (p->exited)
		(void)put_opt(w, &w->kernel, va, type, "ProcessDelete", 1);
	/* A tree of shared page clones: what fork leaves behind. */
	if (p->clone)
		(void)put_opt(w, &w->kernel, va, type, "CloneRoot",
			      pool_alloc(w, &w->nonpaged, 0x40, "MmCl"));
}

/* Whoever is in a session, until it ends. */
static void link_session(struct world *w, const struct process *p)
{
	const char *type = has_type(w, "_PSP_SESSION_SPACE")
		? "_PSP_SESSION_SPACE" : "_MM_SESSION_SPACE";

	if (p->pid == 4 || p->minimal || p->exited || !has_type(w, type) ||
	    !has_field(w, type, "ProcessList") ||
	    !has_field(w, "_EPROCESS", "SessionProcessLinks"))
		return;
	list_add(w, session_space(w, p->session) +
			offset_of(w, type, "ProcessList"),
		 p->eprocess + offset_of(w, "_EPROCESS",
					 "SessionProcessLinks"));
}

static void link_lists(struct world *w, const struct process *p)
{
	static const char type[] = "_EPROCESS";
	static const struct {
		const char *head, *entry;
	} lists[] = {
		{ "PsActiveProcessHead", "ActiveProcessLinks" },
		{ "KiProcessListHead", "Pcb.ProcessListEntry" },
		{ "MmProcessList", "MmProcessLinks" },
	};
	uint64_t state = global(w, "MiState");

	for (size_t i = 0; p->unlisted && i < VDS_ARRAY_SIZE(lists); i++)
		if (has_field(w, type, lists[i].entry))
			list_init(w, p->eprocess +
				     offset_of(w, type, lists[i].entry));
	if (p->unlisted)
		return;
	for (size_t i = 0; i < VDS_ARRAY_SIZE(lists); i++) {
		uint64_t head = global(w, lists[i].head);
		if (!head || !has_field(w, type, lists[i].entry))
			continue;
		uint64_t entry = p->eprocess + offset_of(w, type,
							 lists[i].entry);
		/* Who hides a process unlinks it from the well-known list. */
		if (i == 0 && p->hidden)
			list_init(w, entry);
		else if (i != 1 || !p->exited)
			list_add(w, head, entry);
	}
	if (state && has_field(w, type, "MmProcessLinks") &&
	    has_field(w, "_MI_SYSTEM_INFORMATION", "Processes.ProcessList"))
		list_add(w, state + offset_of(w, "_MI_SYSTEM_INFORMATION",
					      "Processes.ProcessList"),
			 p->eprocess + offset_of(w, type, "MmProcessLinks"));
	link_session(w, p);
}

static void build_space(struct world *w, struct process *p)
{
	p->space = world_alloc(w, sizeof(*p->space));
	if (!p->space)
		return;
	p->space->process = p;
	if (p->pid == 4)
		p->dtb = w->kernel.dtb;
	else if (p->dtb == SCENE_AUTO)
		p->dtb = mem_alloc(w) * VDS_PAGE_SIZE;
	p->space->dtb = p->dtb;
	p->space->kernel = p->pid == 4;
	(void)mem_page(w, p->dtb / VDS_PAGE_SIZE);
}

static void place_process(struct world *w, struct process *p)
{
	p->eprocess = object_create(w, TYPE_PROCESS, p->eprocess,
				    size_of(w, "_EPROCESS"), NULL, 0);
	build_space(w, p);
	if (p->pid != 4 && !p->minimal && !p->exited && !p->no_peb && p->peb)
		peb_place(w, p);
	else
		p->peb = 0;
	/* Without a program no 32-bit code has run yet. */
	if (p->peb && p->wow64 && p->image)
		wow64_place(w, p);
	views_place(w, p);
}

static void fill_process(struct world *w, struct process *p)
{
	put_header(w, p);
	put_token(w, p);
	put_fields(w, p);
	put_image(w, p);
	for (uint32_t i = 0; i < p->threads && !p->exited; i++)
		put_thread(w, p, i);
	if (p->pid == 4)
		return;
	views_map(w, p);
	if (p->peb)
		peb_build(w, p);
	if (p->peb32)
		wow64_build(w, p);
	vads_build(w, p);
}

void processes_build(struct world *w)
{
	for (struct process *p = w->scene->processes; p && !w->err;
	     p = p->next)
		place_process(w, p);
	for (struct process *p = w->scene->processes; p && !w->err;
	     p = p->next) {
		fill_process(w, p);
		if (w->err)
			w->err = vds_error_prefix(w->err, "process %u", p->pid);
		link_lists(w, p);
	}
	const struct process *system = scene_find_process(w->scene, 4);
	if (system)
		(void)put_global(w, "PsInitialSystemProcess",
				 system->eprocess);
}

void processes_finish(struct world *w)
{
	space_finish(w, &w->kernel);
	for (struct process *p = w->scene->processes; p && !w->err;
	     p = p->next)
		if (p->pid != 4)
			space_finish(w, p->space);
}
