/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A virtual address through the page tables, entry by entry, as WinDbg's !vtop
 * shows it; and what the page is when the tables alone don't say.
 */
#include "address.h"

#include <string.h>

#include <vadose/columns.h>
#include <vadose/page.h>
#include <vadose/plugin.h>
#include <vadose/record.h>
#include <vadose/vad.h>

#define SYSTEM_PID 4
#define LEVELS 5

enum {
	PID,
	NAME,
	VA,
	PML5E_PA,
	PML5E,
	PML4E_PA,
	PML4E,
	PDPTE_PA,
	PDPTE,
	PDE_PA,
	PDE,
	PTE_PA,
	PTE,
	PA,
	PAGE_SIZE,
	STATE,
	VIA,
	RIGHTS,
	PROTO,
	PROTO_PTE,
	VAD,
	NUM_COLUMNS
};

#define ENTRY_DOC "content of the entry"
#define ENTRY_PA_DOC "physical address of the entry"

static const struct vds_column columns[] = {
	[PID] = {"process.pid", VDS_KIND_INT, VDS_COLUMN_KEY, "PID", NULL,
		 "whose address space", "process.pid"},
	[NAME] = VDS_COL_PROCESS(0),
	[VA] = {"translation.va", VDS_KIND_ADDR, VDS_COLUMN_KEY, "VA", NULL,
		"virtual address", NULL},
	[PML5E_PA] = {"translation.pml5e.pa", VDS_KIND_ADDR, 0, "PML5E at",
		      NULL, ENTRY_PA_DOC, NULL},
	[PML5E] = {"translation.pml5e.entry", VDS_KIND_HEX, 0, "PML5E", NULL,
		   ENTRY_DOC, NULL},
	[PML4E_PA] = {"translation.pml4e.pa", VDS_KIND_ADDR, 0, "PML4E at",
		      NULL, ENTRY_PA_DOC, NULL},
	[PML4E] = {"translation.pml4e.entry", VDS_KIND_HEX, 0, "PML4E", NULL,
		   ENTRY_DOC, NULL},
	[PDPTE_PA] = {"translation.pdpte.pa", VDS_KIND_ADDR, 0, "PDPTE at",
		      NULL, ENTRY_PA_DOC, NULL},
	[PDPTE] = {"translation.pdpte.entry", VDS_KIND_HEX, 0, "PDPTE", NULL,
		   ENTRY_DOC, NULL},
	[PDE_PA] = {"translation.pde.pa", VDS_KIND_ADDR, 0, "PDE at", NULL,
		    ENTRY_PA_DOC, NULL},
	[PDE] = {"translation.pde.entry", VDS_KIND_HEX, 0, "PDE", NULL,
		 ENTRY_DOC, NULL},
	[PTE_PA] = {"translation.pte.pa", VDS_KIND_ADDR, 0, "PTE at", NULL,
		    ENTRY_PA_DOC, NULL},
	[PTE] = {"translation.pte.entry", VDS_KIND_HEX, 0, "PTE", NULL,
		 ENTRY_DOC, NULL},
	[PA] = {"translation.pa", VDS_KIND_ADDR, 0, "PA", NULL,
		"physical address of the byte", NULL},
	[PAGE_SIZE] = {"translation.page_size", VDS_KIND_SIZE, 0, "Page size",
		       "bytes", "size of the page that maps it", NULL},
	[STATE] = {"translation.state", VDS_KIND_STR, 0, "State", NULL,
		   "what the page is; free: of user space, in no VAD", NULL},
	[VIA] = {"translation.via", VDS_KIND_STR, 0, "Found via", NULL,
		 "hardware, pte, prototype_pte, prototype_vad", NULL},
	[RIGHTS] = {"translation.rights", VDS_KIND_FLAGS, 0, "Rights", NULL,
		    "effective over all levels: read, write, execute, user",
		    NULL},
	[PROTO] = {"translation.prototype.va", VDS_KIND_ADDR, 0,
		   "Prototype PTE at", NULL,
		   "virtual address of the prototype PTE", NULL},
	[PROTO_PTE] = {"translation.prototype.entry", VDS_KIND_HEX, 0,
		       "Prototype PTE", NULL, ENTRY_DOC, NULL},
	[VAD] = {"vad.node", VDS_KIND_ADDR, 0, "VAD", NULL,
		 "the VAD that covers the address", NULL},
};

static const struct vds_option options[] = {
	{"va", VDS_OPTION_STRS, VDS_OPTION_POSITIONAL | VDS_OPTION_REQUIRED,
	 "ADDRESS", NULL, NULL, "virtual addresses to translate: numbers, kernel "
	 "symbols (nt!PsActiveProcessHead+8), or the pointers that lie somewhere "
	 "(poi(MmPfnDatabase))"},
};

static void fill_entries(const struct vds_translation *t, struct vds_value *row)
{
	for (size_t i = 0; i < t->num_entries; i++) {
		unsigned int level = t->entries[i].level;

		if (level < 1 || level > LEVELS)
			continue;
		/* Level 5 is the first pair of columns. */
		int column = PML5E_PA + 2 * (int)(LEVELS - level);
		row[column] = vds_addr(t->entries[i].pa);
		row[column + 1] = vds_or(t->entries[i].why,
					 vds_hex(t->entries[i].entry));
	}
}

static const char *rights_str(const struct vds_translation *t)
{
	static const char *const words[8] = {
		"read", "read write", "read execute", "read write execute",
		"read user", "read write user", "read execute user",
		"read write execute user",
	};

	return words[(t->writable ? 1 : 0) | (t->executable ? 2 : 0) |
		     (t->user ? 4 : 0)];
}

static const char *via_str(enum vds_page_via via)
{
	switch (via) {
	case VDS_VIA_HARDWARE:
		return "hardware";
	case VDS_VIA_PTE:
		return "pte";
	case VDS_VIA_PROTO_PTE:
		return "prototype_pte";
	case VDS_VIA_PROTO_VAD:
		return "prototype_vad";
	}
	return NULL;
}

/* What NT makes of an address: asks the VAD where the tables are silent. */
static void fill_page(const struct vds_process *process, uint64_t va,
		      struct vds_value *row)
{
	struct vds_vad vad;
	struct vds_page page;
	enum vds_why why = VDS_NOT_MAPPED;

	if (!(va >> 63)) {
		why = vds_vad_find(process, va, &vad);
		row[VAD] = vds_or(why == VDS_NOT_MAPPED ? VDS_NOT_APPLICABLE :
							  why,
				  vds_addr(vad.node));
	}
	vds_page_at(process, why ? NULL : &vad, va, &page);
	/* Of kernel space no VAD says that it is reserved. */
	if (va >> 63 && page.state == VDS_PAGE_RESERVED)
		return;
	/* Neither the tables nor a VAD know of it. */
	if (page.state == VDS_PAGE_RESERVED && why == VDS_NOT_MAPPED) {
		row[STATE] = vds_str("free");
		return;
	}
	row[STATE] = vds_str(vds_page_state_str(page.state));
	if (page.via != VDS_VIA_HARDWARE || page.pa)
		row[VIA] = vds_str(via_str(page.via));
	if (!page.proto)
		return;
	row[PROTO] = vds_addr(page.proto);
	row[PROTO_PTE] = vds_or(page.proto_why, vds_hex(page.proto_pte));
}

static struct vds_error *translate(struct vds_run *run,
				   const struct vds_process *process,
				   uint64_t va)
{
	struct vds_translation t;
	struct vds_value row[NUM_COLUMNS] = {
		[PID] = vds_int(process->pid),
		[NAME] = vds_or(process->name_why, vds_str(process->name)),
		[VA] = vds_addr(va),
	};

	vds_translate(run, process, va, &t);
	fill_entries(&t, row);
	row[PA] = vds_or(t.why, vds_addr(t.pa));
	if (t.hardware) {
		row[PAGE_SIZE] = vds_size(t.page_size);
		row[RIGHTS] = vds_flags(rights_str(&t));
	}
	fill_page(process, va, row);
	return vds_emit(run, row);
}

static bool all_selected(struct vds_run *run)
{
	for (size_t i = 0; i < vds_num_processes(run); i++) {
		const struct vds_process *process = vds_process_at(run, i);

		if (!process || !process->selected)
			return false;
	}
	return true;
}

/* All processes see the same kernel: System's view of it is shown, if it is there. */
static const struct vds_process *kernel_viewer(struct vds_run *run)
{
	const struct vds_process *first = NULL;

	for (size_t i = 0; i < vds_num_processes(run); i++) {
		const struct vds_process *process = vds_process_at(run, i);

		if (process && process->pid == SYSTEM_PID)
			return process;
		if (!first)
			first = process;
	}
	return first;
}

/* One word of the command line: addresses with commas between them. */
static struct vds_error *translate_words(struct vds_run *run,
					 const struct vds_process *process,
					 const char *words,
					 const struct vds_process *kernel)
{
	char *copy = vds_sprintf(run, "%s", words), *save = NULL;
	struct vds_error *err = copy ? NULL : &vds_enomem;

	if (!copy)
		return err;
	for (char *word = strtok_r(copy, ",", &save); !err && word;
	     word = strtok_r(NULL, ",", &save)) {
		uint64_t va;

		err = address_parse(run, kernel ? NULL : process, word, &va);
		if (!err && !(va >> 63 && kernel && process != kernel))
			err = translate(run, process, va);
	}
	return err;
}

static struct vds_error *run(struct vds_run *run,
			     const struct vds_process *unused)
{
	size_t count;
	const char *const *list = vds_option_strs(run, "va", &count);
	const struct vds_process *kernel =
		all_selected(run) ? kernel_viewer(run) : NULL;
	struct vds_error *err = NULL;

	(void)unused;
	for (size_t i = 0; !err && i < vds_num_processes(run); i++) {
		const struct vds_process *process = vds_process_at(run, i);

		if (!process || !process->selected)
			continue;
		for (size_t k = 0; !err && k < count; k++)
			err = translate_words(run, process, list[k], kernel);
	}
	return err;
}

VDS_PLUGIN(vtop) = {
	VDS_PLUGIN_HEADER(vtop),
	.flags = VDS_PLUGIN_VERTICAL,
	.version = "1.1.0",
	.summary = "the page-table entries behind a virtual address",
	.record = "translation",
	.scope = VDS_ONCE,
	.columns = columns,
	.num_columns = NUM_COLUMNS,
	.options = options,
	.num_options = sizeof(options) / sizeof(options[0]),
	.run = run,
};
