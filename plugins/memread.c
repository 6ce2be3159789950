/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes at an address, sixteen to a row. */
#include "address.h"

#include <vadose/columns.h>
#include <vadose/plugin.h>
#include <vadose/record.h>

#define LINE 16
#define PAGE 4096
/* A plugin for looking, not for extracting. */
#define MAX_SIZE ((uint64_t)16 << 20)
#define SYSTEM_PID 4

enum {
	PID,
	NAME,
	ADDRESS,
	SIZE,
	BYTES,
	TEXT,
	NUM_COLUMNS
};

static const struct vds_column columns[] = {
	[PID] = {"process.pid", VDS_KIND_INT, VDS_COLUMN_KEY | VDS_COLUMN_GROUP,
		 "PID", NULL, "whose address space was read", "process.pid"},
	[NAME] = VDS_COL_PROCESS(VDS_COLUMN_GROUP),
	[ADDRESS] = {"memory.address", VDS_KIND_ADDR, VDS_COLUMN_KEY, "Address",
		     NULL, "first byte of the row", NULL},
	[SIZE] = {"memory.size", VDS_KIND_SIZE, VDS_COLUMN_WIDE, "Size",
		  "bytes", "bytes that the row stands for", NULL},
	[BYTES] = {"memory.bytes", VDS_KIND_BYTES, 0, "Bytes", NULL,
		   "what is there", NULL},
	[TEXT] = {"memory.text", VDS_KIND_STR, 0, "Text", NULL,
		  "the same as ASCII, a dot for what isn't printable", NULL},
};

static const struct vds_option options[] = {
	{"va", VDS_OPTION_STR, VDS_OPTION_POSITIONAL | VDS_OPTION_REQUIRED,
	 "ADDRESS", NULL, NULL, "address to read at: a number, a kernel "
	 "symbol (nt!KdDebuggerDataBlock+0x10), or the pointer that lies "
	 "somewhere (poi(PsInitialSystemProcess))"},
	{"physical", VDS_OPTION_FLAG, 0, NULL, NULL, NULL,
	 "the address is one of physical memory"},
	{"size", VDS_OPTION_SIZE, 0, "N", "256", NULL,
	 "how many bytes (at most 16M)"},
};

/* @process NULL: physical memory. */
static struct vds_error *emit(struct vds_run *run,
			      const struct vds_process *process, uint64_t va,
			      uint64_t size, const uint8_t *bytes,
			      enum vds_why why)
{
	char text[LINE + 1] = "";

	for (uint64_t i = 0; bytes && i < size; i++)
		text[i] = bytes[i] >= ' ' && bytes[i] <= '~' ? (char)bytes[i] :
							       '.';
	return vds_emit(run, (struct vds_value[NUM_COLUMNS]){
		[PID] = process && process->eprocess ?
			vds_int(process->pid) : vds_absent(VDS_NOT_APPLICABLE),
		[NAME] = process ? vds_or(process->name_why,
					  vds_str(process->name)) :
				   vds_absent(VDS_NOT_APPLICABLE),
		[ADDRESS] = vds_addr(va),
		[SIZE] = vds_size(size),
		[BYTES] = vds_or(why, vds_data(bytes, (uint32_t)size)),
		[TEXT] = vds_or(why, vds_str(text)),
	});
}

/* Bytes that are there: a row per line. */
static struct vds_error *emit_lines(struct vds_run *run,
				    const struct vds_process *process,
				    uint64_t va, uint64_t len,
				    const uint8_t *page)
{
	for (uint64_t at = 0; at < len; at += LINE) {
		uint64_t n = len - at < LINE ? len - at : LINE;
		struct vds_error *err =
			emit(run, process, va + at, n, page + at, VDS_PRESENT);
		if (err)
			return err;
	}
	return NULL;
}

/* Blocks of virtual memory begin and end anywhere: byte by byte, then. */
static struct vds_error *read_pieces(struct vds_run *run,
				     const struct vds_process *process,
				     uint64_t va, uint64_t len)
{
	uint8_t page[PAGE];
	uint64_t next;

	for (uint64_t at = 0; at < len; at = next) {
		enum vds_why why = vds_process_read(process, va + at,
						    page + at, 1);
		struct vds_error *err;

		for (next = at + 1; next < len; next++) {
			if (vds_process_read(process, va + next, page + next,
					     1) != why)
				break;
		}
		err = why ? emit(run, process, va + at, next - at, NULL, why) :
			    emit_lines(run, process, va + at, next - at,
				       page + at);
		if (err)
			return err;
	}
	return NULL;
}

/* The part of one page, [va, va + len). */
static struct vds_error *read_page(struct vds_run *run,
				   const struct vds_process *process,
				   uint64_t va, uint64_t len)
{
	uint8_t page[PAGE];
	enum vds_why why = process ?
		vds_process_read(process, va, page, (size_t)len) :
		vds_physical_read(run, va, page, (size_t)len);

	if (process && why == VDS_NOT_IN_IMAGE && !vds_has_page_tables(run))
		return read_pieces(run, process, va, len);
	if (why)
		return emit(run, process, va, len, NULL, why);
	return emit_lines(run, process, va, len, page);
}

static struct vds_error *read_range(struct vds_run *run,
				    const struct vds_process *process,
				    uint64_t va)
{
	uint64_t left = vds_option_uint(run, "size");

	if (left > MAX_SIZE || left > UINT64_MAX - va)
		return vds_error_create(VDS_ERROR_USAGE,
					"--size: too large (at most 16M, and "
					"within the address space)");
	while (left) {
		uint64_t n = PAGE - va % PAGE;
		struct vds_error *err;

		n = n < left ? n : left;
		err = read_page(run, process, va, n);
		if (err)
			return err;
		va += n;
		left -= n;
	}
	return NULL;
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

/* User memory that a pointer leads to is each process's own. */
static struct vds_error *read_of(struct vds_run *run,
				 const struct vds_process *process)
{
	uint64_t va;
	struct vds_error *err = address_parse(run, process,
					      vds_option_str(run, "va"), &va);

	return err ? err : read_range(run, process, va);
}

static struct vds_error *run(struct vds_run *run,
			     const struct vds_process *unused)
{
	const char *word = vds_option_str(run, "va");
	uint64_t va;
	bool one = all_selected(run), done = false;
	struct vds_error *err = NULL;

	(void)unused;
	if (vds_option_set(run, "physical")) {
		err = address_parse(run, NULL, word, &va);
		return err ? err : read_range(run, NULL, va);
	}
	/* All processes see the same kernel: one of them is enough. */
	if (one && (!address_is_number(word, &va) || va >> 63)) {
		err = address_parse(run, NULL, word, &va);
		one = !err && va >> 63;
	} else {
		one = false;
	}
	if (one && !vds_has_page_tables(run)) {
		const struct vds_process *view = vds_kernel_view(run);

		return view ? read_range(run, view, va) : &vds_enomem;
	}
	for (size_t i = 0; !err && i < vds_num_processes(run); i++) {
		const struct vds_process *process = vds_process_at(run, i);

		if (!process || !process->selected ||
		    (one && process->pid != SYSTEM_PID))
			continue;
		done = true;
		err = one ? read_range(run, process, va) :
			    read_of(run, process);
	}
	/* Without a System process any other will do. */
	if (one && !done && !err && vds_num_processes(run))
		err = read_range(run, vds_process_at(run, 0), va);
	return err;
}

VDS_PLUGIN(memread) = {
	VDS_PLUGIN_HEADER(memread),
	.flags = VDS_PLUGIN_WITHOUT_TABLES,
	.version = "1.1.0",
	.summary = "bytes at an address, in hex",
	.record = "memory",
	.scope = VDS_ONCE,
	.columns = columns,
	.num_columns = NUM_COLUMNS,
	.options = options,
	.num_options = sizeof(options) / sizeof(options[0]),
	.run = run,
};
