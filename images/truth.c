/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an honest reader must find, as JSON: written from the recipe and from
 * what was placed, never by reading the image. Addresses are hex strings
 * without 0x, counts and FILETIMEs integers, null means absent.
 */
#include "section.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"

static const char *kind_name(enum section_kind kind)
{
	static const char *const names[] = { "data", "image", "pagefile" };
	return names[kind];
}

static const char *prot_name(uint32_t prot)
{
	static const char *const names[8] = {
		"PAGE_NOACCESS", "PAGE_READONLY", "PAGE_EXECUTE",
		"PAGE_EXECUTE_READ", "PAGE_READWRITE", "PAGE_WRITECOPY",
		"PAGE_EXECUTE_READWRITE", "PAGE_EXECUTE_WRITECOPY",
	};
	return names[prot & 7];
}

static const char *prot_group(uint32_t prot)
{
	static const char *const groups[4] = {
		"", "|PAGE_NOCACHE", "|PAGE_GUARD", "|PAGE_WRITECOMBINE",
	};
	return prot & 7 ? groups[prot >> 3 & 3] : "";
}

static const char *type_name(uint32_t type)
{
	static const char *const names[8] = {
		"VadNone", "VadDevicePhysicalMemory", "VadImageMap", "VadAwe",
		"VadWriteWatch", "VadLargePages", "VadRotatePhysical",
		"VadLargePageSection",
	};
	return names[type & 7];
}

static void put_kernel(struct world *w, FILE *f)
{
	const struct scene *s = w->scene;
	const struct vds_profile_identity *id =
		vds_profile_identity(w->profile);

	(void)fprintf(f, ",\"isf\":{\"guid\":\"%s\",\"age\":%u,\"pdb\":\"%s\"}",
		      id->guid, id->age, id->pdb);
	(void)fputs(",\"kernel\":{\"dtb\":", f);
	json_hex(f, w->kernel.dtb);
	json_key_hex(f, "base", w->base);
	json_key_hex(f, "size", w->kernel_size);
	json_key_hex(f, "pa", w->kernel_pa);
	json_key_text(f, "mapping", s->small_pages ? "4k" : "2m");
	json_key_hex(f, "self_ref_index", s->pte_index);
	json_key_hex(f, "processor_start_block", s->no_stub ? 0 : s->stub);
	json_key_hex(f, "rsds_rva", w->rsds_rva);
	json_key_hex(f, "pfn_database", w->pfn_db);
	json_key_hex(f, "pte_base", w->pte_base);
	json_key_int(f, "cookie", w->cookie);
	json_key_hex(f, "invalid_pte_mask", w->mask);
	json_key_int(f, "system_time", s->time);
	json_key_text(f, "build_lab", s->lab);
	json_key_hex(f, "ps_active_process_head", global(w, "PsActiveProcessHead"));
	(void)fputs("}", f);
}

static void put_runs(const struct world *w, FILE *f)
{
	uint64_t start = 0, end = 0;
	const char *comma = "";

	(void)fputs(",\"runs\":[", f);
	while (world_next_run(w, &start, &end)) {
		(void)fprintf(f, "%s[\"%llx\",\"%llx\"]", comma,
			      (unsigned long long)start,
			      (unsigned long long)end);
		comma = ",";
		start = end;
	}
	(void)fputs("]", f);
}

static void put_parts(FILE *f, const struct section *s)
{
	uint32_t sector = 0, unit = s->kind == SECTION_IMAGE ? 8 : 1;

	(void)fputs(",\"subsections\":[", f);
	for (unsigned int i = 0; i < s->num_parts; i++) {
		const struct part *p = &s->parts[i];
		(void)fprintf(f, "%s{\"va\":\"%llx\",\"base\":\"%llx\","
			      "\"ptes\":%u,\"starting_sector\":%u,"
			      "\"sectors\":%u,\"protection_mm\":%u",
			      i ? "," : "", (unsigned long long)p->va,
			      (unsigned long long)p->proto, p->pages,
			      s->file ? sector : 0,
			      s->file ? p->pages * unit : 0, p->prot);
		json_key_text(f, "name", *p->name ? p->name : NULL);
		(void)fputs("}", f);
		sector += p->pages * unit;
	}
	(void)fputs("]", f);
}

static void put_section(struct world *w, FILE *f, const struct section *s)
{
	const char *comma = "";

	(void)w;
	(void)fprintf(f, "{\"id\":%u", s->index);
	json_key_text(f, "label", s->id);
	json_key_text(f, "kind", kind_name(s->kind));
	json_key_hex(f, "control_area", s->control_area);
	json_key_hex(f, "segment", s->segment);
	json_key_int(f, "pages", s->pages);
	json_key_text(f, "file", s->file);
	json_key_hex(f, "file_object", s->file_object);
	json_key_bool(f, "delete_pending", s->delete_pending);
	json_key_bool(f, "file_pointer_null", s->no_file);
	json_key_hex(f, "section_object_pointers", s->pointers);
	json_key_text(f, "name", s->name);
	json_key_int(f, "protection_mm", s->prot);
	put_parts(f, s);
	json_key_text(f, "proto_states", s->states);
	(void)fputs(",\"frames\":{", f);
	for (uint32_t i = 0; i < s->pages; i++) {
		if (!s->frames[i])
			continue;
		(void)fprintf(f, "%s\"%u\":\"%llx\"", comma, i,
			      (unsigned long long)s->frames[i]);
		comma = ",";
	}
	(void)fputs("}", f);
	json_key_int(f, "views", s->views);
	json_key_hex(f, "object", s->object_va);
	(void)fputs("}", f);
}

static const struct view *next_view(const struct process *p, uint64_t after,
				    bool first)
{
	const struct view *best = NULL;

	for (const struct view *v = p->views; v; v = v->next)
		if (!v->unlinked && (first || v->start > after) &&
		    (!best || v->start < best->start))
			best = v;
	return best;
}

static void item_hex(FILE *f, uint64_t value)
{
	(void)fputc(',', f);
	json_hex(f, value);
}

static void put_view(struct world *w, FILE *f, const struct view *v)
{
	const struct section *s = v->section;
	uint32_t index, last = v->offset + v->pages - 1;

	json_hex(f, v->start);
	item_hex(f, v->start + v->pages * VDS_PAGE_SIZE - 1);
	item_hex(f, v->va);
	(void)fprintf(f, ",\"%s\",\"%s\",%u,\"%s%s\",%d,%u",
		      v->tag ? v->tag : s || v->physical ? "Vad " : "VadS",
		      type_name(v->vad_type), v->prot, prot_name(v->prot),
		      prot_group(v->prot),
		      !s && !v->physical, vad_commit(v));
	item_hex(f, v->parent ? v->parent->va : v->process->sentinel);
	item_hex(f, v->left ? v->left->va : 0);
	item_hex(f, v->right ? v->right->va : 0);
	(void)fprintf(f, ",%u,", (unsigned int)v->balance & 3);
	json_string(f, s ? s->file : NULL);
	if (!s) {
		(void)fputs(",null,null,null,null,null,null,", f);
		json_string(f, v->note);
		return;
	}
	const struct part *part = section_part(s, v->offset, &index);
	uint64_t end = part->proto + 8 * (uint64_t)(part->pages - 1);
	if (s->kind != SECTION_DATA)
		end = section_proto(s, VDS_MIN(last, s->pages - 1));
	else
		end = VDS_MIN(end, part->proto + 8 * (uint64_t)(index +
							       v->pages - 1));
	(void)fprintf(f, ",%u", s->index);
	item_hex(f, s->control_area);
	item_hex(f, part->va);
	item_hex(f, section_proto(s, v->offset));
	item_hex(f, end);
	(void)fprintf(f, ",%u,", v->offset);
	json_string(f, v->note);
	(void)w;
}

static const char *state_name(const struct view *v, char state)
{
	switch (state) {
	case 'V': return v->section ? "shared" : "valid-private";
	case 'C':
	case 'R': return "cow";
	case 'T': return v->section ? "cow-transition" : "transition";
	case 'F': return v->section ? "cow-pagefile" : "pagefile";
	case 'M': return v->section ? "cow-compressed" : "compressed";
	case 'Z': return "demand-zero";
	case 'P': return "proto";
	case 'L': return "proto-lookup";
	case 'G': return "guard";
	case 'N': return "no-access";
	case 'D': return "decommitted";
	case 'U': return "kuser";
	default: return "unknown";
	}
}

static void put_pages(struct world *w, FILE *f, const struct process *p)
{
	const char *comma = "";

	(void)fputs(",\"pages\":[", f);
	for (const struct view *v = p->views; v; v = v->next) {
		for (uint32_t i = 0; v->page_states &&
		     i < VDS_MIN(v->pages, MAX_PAGE_STATES); i++) {
			uint64_t va = v->start + i * VDS_PAGE_SIZE;
			char state = v->page_states[i];
			if (!v->ptes[i])
				continue;
			(void)fprintf(f, "%s[", comma);
			comma = ",";
			json_hex(f, va);
			(void)fprintf(f, ",\"%s\",", v->physical ? "device"
				      : state_name(v, state));
			if (v->ptes[i] & PTE_P)
				json_hex(f, v->ptes[i] &
					UINT64_C(0xffffffffff000));
			else
				(void)fputs("null", f);
			item_hex(f, space_entry(w, p->space, va,
						v->large ? 2 : 1));
			item_hex(f, v->ptes[i]);
			(void)fputs("]", f);
		}
	}
	(void)fputs("]", f);
}

static void put_handles(FILE *f, const struct process *p)
{
	static const char *const kinds[] = {
		[OBJECT_SECTION] = "Section",
		[OBJECT_PROCESS] = "Process",
		[OBJECT_FILE] = "File",
		[OBJECT_THREAD] = "Thread",
		[OBJECT_TOKEN] = "Token",
		[OBJECT_KEY] = "Key",
		[OBJECT_EVENT] = "Event",
		[OBJECT_MUTANT] = "Mutant",
		[OBJECT_DIRECTORY] = "Directory",
		[OBJECT_DEVICE] = "File",
	};
	const char *comma = "";

	(void)fputs(",\"handles\":[", f);
	for (const struct handle *h = p->handles; h; h = h->next) {
		(void)fprintf(f, "%s{\"handle\":\"%x\"", comma, h->value);
		json_key_hex(f, "object", h->object_va);
		json_key_text(f, "type", kinds[h->kind]);
		(void)fprintf(f, ",\"access\":\"%x\"}", h->access);
		comma = ",";
	}
	(void)fputs("]", f);
}

static void put_process(struct world *w, FILE *f, const struct process *p)
{
	uint8_t utf16[64];
	char name[16] = "";
	size_t n = text_utf16(p->name, utf16, sizeof(utf16)) / 2;

	for (size_t i = 0; i < n && i < 14; i++)
		name[i] = (char)utf16[2 * i];
	(void)fprintf(f, "{\"pid\":%u", p->pid);
	json_key_int(f, "ppid", p->parent);
	json_key_text(f, "name", p->name);
	json_key_text(f, "image_file_name", name);
	json_key_text(f, "path", p->path);
	json_key_hex(f, "eprocess", p->eprocess);
	json_key_hex(f, "dtb", p->dtb);
	json_key_int(f, "session", p->session);
	json_key_bool(f, "wow64", p->wow64);
	json_key_int(f, "create_time", p->created);
	json_key_int(f, "exit_time", p->exited);
	json_key_bool(f, "exited", p->exited != 0);
	json_key_bool(f, "hidden", p->hidden);
	json_key_bool(f, "minimal", p->minimal);
	json_key_int(f, "active_threads", p->exited ? 0 : p->threads);
	json_key_hex(f, "peb", p->peb);
	json_key_hex(f, "process_parameters", p->params);
	json_key_hex(f, "vad_root", p->root ? p->root->va : 0);
	json_key_int(f, "vad_count", p->num_views);
	json_key_int(f, "vad_depth", (uint64_t)p->depth);
	json_key_hex(f, "object_table", p->object_table);
	put_handles(f, p);
	(void)fputs(",\"vads\":[", f);
	const struct view *v = next_view(p, 0, true);
	for (const char *comma = ""; v; v = next_view(p, v->start, false)) {
		(void)fprintf(f, "%s[", comma);
		put_view(w, f, v);
		(void)fputs("]", f);
		comma = ",";
	}
	(void)fputs("]", f);
	put_pages(w, f, p);
	(void)fputs("}", f);
}

struct edge {
	uint64_t key;
	const struct view *view;
};

static int compare_edges(const void *a, const void *b)
{
	const struct edge *x = a, *y = b;

	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	if (x->view->process->pid != y->view->process->pid)
		return x->view->process->pid < y->view->process->pid ? -1 : 1;
	return x->view->start < y->view->start ? -1
	       : x->view->start > y->view->start;
}

static void put_group(FILE *f, const char *name, struct edge *edges, size_t n)
{
	qsort(edges, n, sizeof(*edges), compare_edges);
	(void)fprintf(f, "\"%s\":{", name);
	for (size_t i = 0; i < n; i++) {
		const struct view *v = edges[i].view;
		bool first = !i || edges[i - 1].key != edges[i].key;
		bool last = i + 1 == n || edges[i + 1].key != edges[i].key;
		uint64_t end = v->start + v->pages * VDS_PAGE_SIZE;

		if (first) {
			if (i)
				(void)fputc(',', f);
			json_hex(f, edges[i].key);
			(void)fputs(":[", f);
		}
		(void)fprintf(f, "%s{\"pid\":%u", first ? "" : ",",
			      v->process->pid);
		json_key_hex(f, "eprocess", v->process->eprocess);
		json_key_hex(f, "start", v->start);
		json_key_hex(f, "end_last_page", end - VDS_PAGE_SIZE);
		json_key_hex(f, "end", end - 1);
		/* In no VAD tree, only on the section's own list of views. */
		if (v->unlinked)
			(void)fputs(",\"unlinked\":true", f);
		(void)fputs(last ? "}]" : "}", f);
	}
	(void)fputs("}", f);
}

static void put_shared(struct world *w, FILE *f)
{
	size_t n = 0, all = 0;

	for (const struct process *p = w->scene->processes; p; p = p->next)
		for (const struct view *v = p->views; v; v = v->next)
			all += v->section != NULL;
	_cleanup_free_ struct edge *edges = vds_malloc_array(all,
							     sizeof(*edges));
	if (!edges)
		return;
	for (const struct process *p = w->scene->processes; p; p = p->next)
		for (const struct view *v = p->views; v; v = v->next)
			if (v->section)
				edges[n++] = (struct edge){
					section_proto(v->section, v->offset),
					v };
	(void)fputs(",\"sharedmem\":{", f);
	put_group(f, "by_first_prototype_pte", edges, n);
	for (size_t i = 0; i < n; i++)
		edges[i].key = edges[i].view->section->control_area;
	(void)fputs(",", f);
	put_group(f, "by_control_area", edges, n);
	(void)fputs("}", f);
}

static void put_orders(FILE *f, const struct order *orders)
{
	(void)fputs("[", f);
	for (const struct order *o = orders; o; o = o->next) {
		for (unsigned int i = 0; i < o->num_words; i++) {
			(void)fputs(i ? "," : "[", f);
			json_string(f, o->words[i]);
		}
		(void)fputs(o->next ? "]," : "]", f);
	}
	(void)fputs("]", f);
}

/* Faults and planted facts, each as the words of its line. */
static void put_expect(const struct world *w, FILE *f)
{
	(void)fputs(",\"expect\":{\"faults\":", f);
	put_orders(f, w->scene->faults);
	(void)fputs(",\"findings\":", f);
	put_orders(f, w->scene->expects);
	(void)fputs("}", f);
}

static void put_all(struct world *w, FILE *f, const char *const *files,
		    size_t num_files)
{
	(void)fputs("{\"format\":\"forge-manifest-1\"", f);
	json_key_text(f, "scenario", w->scene->name);
	json_key_int(f, "build", w->build);
	(void)fputs(",\"files\":[", f);
	for (size_t i = 0; i < num_files; i++) {
		const char *slash = strrchr(files[i], '/');
		(void)fputs(i ? "," : "", f);
		json_string(f, slash ? slash + 1 : files[i]);
	}
	(void)fputs("]", f);
	put_runs(w, f);
	put_kernel(w, f);
	(void)fputs(",\"vad_columns\":[\"start\",\"end\",\"vad\",\"tag\","
		    "\"type\",\"protection_mm\",\"protection\",\"private\","
		    "\"commit\",\"parent\",\"left\",\"right\",\"balance\","
		    "\"file\",\"section\",\"control_area\",\"subsection\","
		    "\"first_proto\",\"last_contiguous\",\"view_page\","
		    "\"note\"],\"page_columns\":[\"va\",\"state\",\"pa\","
		    "\"pte_pa\",\"pte\"],\"sections\":[\n", f);
	for (const struct section *s = w->scene->sections; s; s = s->next) {
		put_section(w, f, s);
		(void)fputs(s->next ? ",\n" : "\n", f);
	}
	(void)fputs("],\"processes\":[\n", f);
	for (const struct process *p = w->scene->processes; p; p = p->next) {
		put_process(w, f, p);
		(void)fputs(p->next ? ",\n" : "\n", f);
	}
	(void)fputs("]", f);
	put_shared(w, f);
	put_expect(w, f);
	(void)fputs("}\n", f);
}

struct vds_error *world_write_truth(struct world *w, const char *path,
				    const char *const *files, size_t num_files)
{
	FILE *f = fopen(path, "we");

	if (!f)
		return vds_error_errno(VDS_ERROR_OUTPUT, errno, "%s", path);
	put_all(w, f, files, num_files);
	bool bad = ferror(f) != 0;
	if (fclose(f) != 0 || bad)
		return vds_error_errno(VDS_ERROR_OUTPUT, errno, "%s", path);
	return NULL;
}
