/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The plugin ABI, version 1. A plugin is one const descriptor: what it is
 * called, which columns its rows have, which options it takes, and a function
 * that emits rows. It prints nothing, frees nothing and holds no globals:
 * whatever the SDK hands out is borrowed until run() returns.
 *
 * Within a major, what the host hands out as a const pointer to one structure
 * may grow at its end, and so may the descriptor, columns and options, which
 * state their sizes. What a plugin makes room for (struct vds_value, and
 * whatever a function writes to its `ret`) stays as it is, and so do the elements
 * of arrays, which a plugin steps over.
 *
 * File name = plugin name = symbol: privexec.so exports vds_plugin_privexec.
 * The same source builds as a module and into a static vadose.
 */
#ifndef VADOSE_PLUGIN_H
#define VADOSE_PLUGIN_H

#include <vadose/error.h>
#include <vadose/process.h>
#include <vadose/run.h>
#include <vadose/types.h>
#include <vadose/value.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A host refuses another major, and a minor newer than its own. */
#define VDS_ABI_MAJOR 1
#define VDS_ABI_MINOR 0

/* Column flags. */
#define VDS_COLUMN_KEY 0x1	/* part of the row's natural key (record id) */
#define VDS_COLUMN_GROUP 0x2	/* tables print it once, above its rows */
#define VDS_COLUMN_WIDE 0x4	/* left out of tables unless asked for */

/* Plugin flags (in VDS_PLUGIN_HEADER's `flags`; set it after the header). */
#define VDS_PLUGIN_VERTICAL 0x1	/* tables print a row as "title  value" lines */
/*
 * Also answers for a dump that holds pieces of virtual memory and no page
 * tables (vds_has_page_tables()); others are not run there.
 */
#define VDS_PLUGIN_WITHOUT_TABLES 0x2

/* Option flags. */
#define VDS_OPTION_POSITIONAL 0x1	/* a bare word gives it, in this order */
#define VDS_OPTION_REQUIRED 0x2	/* VDS_ERROR_USAGE without it */
/*
 * A run with this option is another plugin's to answer: the one that `values`
 * names. It gets all that was given on the command line, this option too if it
 * declares one of that name, and its rows are of its own kind.
 */
#define VDS_OPTION_ANSWERED_BY 0x4

struct vds_column {
	/* Path in a record: [a-z0-9_]+ separated by dots ("vad.start"). */
	const char *name;
	enum vds_kind kind;
	uint32_t flags;
	const char *title;	/* heading in tables; NULL = from the name */
	const char *unit;	/* "bytes", "pages"; NULL = none or obvious */
	const char *doc;	/* one line for help, schema and plugin pages */
	const char *ecs;	/* Elastic Common Schema path, or NULL */
};

enum vds_option_kind {
	VDS_OPTION_FLAG = 1,	/* --name */
	VDS_OPTION_UINT = 2,	/* --name N (decimal or 0x) */
	VDS_OPTION_SIZE = 3,	/* --name 64K */
	VDS_OPTION_STR = 4,	/* --name TEXT */
	VDS_OPTION_UINTS = 5,	/* --name N[,N...], repeatable */
	VDS_OPTION_STRS = 6,	/* --name TEXT, repeatable */
	VDS_OPTION_ENUM = 7,	/* --name WORD; `values` lists them: "none|pte" */
};

struct vds_option {
	const char *name;	/* "min-views", without dashes */
	enum vds_option_kind kind;
	uint32_t flags;		/* VDS_OPTION_* flags */
	const char *value_name;	/* "N" in --help; NULL = from the kind */
	const char *def;	/* default, as typed; NULL = not set */
	const char *values;	/* for ENUM; a plugin's name for ANSWERED_BY */
	const char *doc;
};

enum vds_scope {
	VDS_PER_PROCESS = 1,	/* run() once per selected process */
	VDS_ONCE = 2,		/* run() once, with process NULL */
};

/*
 * The first 16 bytes never change and are read before any code of the plugin
 * runs; later members are added at the end and told by `size`.
 */
struct vds_plugin {
	uint32_t abi_major, abi_minor, size, flags;
	const char *name;	/* [a-z0-9_]+ */
	const char *version;	/* "1.0.0" */
	const char *summary;	/* one line */
	const char *record;	/* kind of its records: "vad", "sharedmem_view" */
	enum vds_scope scope;
	uint32_t column_size;	/* sizeof(struct vds_column) */
	uint32_t option_size;	/* sizeof(struct vds_option) */
	const struct vds_column *columns;
	size_t num_columns;
	const struct vds_option *options;
	size_t num_options;
	/* @process is NULL for VDS_ONCE. */
	struct vds_error *(*run)(struct vds_run *run,
				 const struct vds_process *process);
};

#define VDS_PLUGIN_HEADER(id)						\
	.abi_major = VDS_ABI_MAJOR, .abi_minor = VDS_ABI_MINOR,		\
	.size = sizeof(struct vds_plugin), .name = #id,			\
	.column_size = sizeof(struct vds_column),			\
	.option_size = sizeof(struct vds_option)

/* Declares and begins the descriptor: VDS_PLUGIN(foo) = { ... }; */
#define VDS_PLUGIN(id)							\
	VDS_EXPORT extern const struct vds_plugin vds_plugin_##id;	\
	const struct vds_plugin vds_plugin_##id

#ifdef __cplusplus
}
#endif
#endif
