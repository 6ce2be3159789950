/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One source, many modules (meson.build): NAME is the plugin's name, FLAW what
 * is wrong with it. The sound one emits a row per process.
 */
#include <stdio.h>
#include <stdlib.h>

#include <vadose/plugin.h>

#define SOUND 0
#define NEWER_MAJOR 1
#define NEWER_MINOR 2
#define TOO_SMALL 3
#define OTHER_NAME 4
#define BAD_COLUMN 5
#define OLD_COLUMNS 6
#define CARELESS 7
#define BAD_KIND 8
#define UNRESOLVED 9

enum { COL_PID, COL_NAME, NUM_COLS };

#if FLAW == OLD_COLUMNS
/* Columns as an older minor had them: the last member wasn't there yet. */
struct old_column {
	const char *name;
	enum vds_kind kind;
	uint32_t flags;
	const char *title, *unit, *doc;
};
static const struct old_column columns[NUM_COLS] = {
	[COL_PID] = {.name = "process.pid", .kind = VDS_KIND_INT,
		     .flags = VDS_COLUMN_KEY},
	[COL_NAME] = {.name = "process.name", .kind = VDS_KIND_STR},
};
#define COLUMNS (const struct vds_column *)columns
#else
static const struct vds_column columns[NUM_COLS] = {
	[COL_PID] = {.name = "process.pid", .kind = VDS_KIND_INT,
		     .flags = VDS_COLUMN_KEY},
	[COL_NAME] = {.name = FLAW == BAD_COLUMN ? "Process.Name" :
						  "process.name",
		      .kind = VDS_KIND_STR},
};
#define COLUMNS columns
#endif

#if FLAW == NEWER_MAJOR
/* No code of a stale module may run: this would be noticed. */
__attribute__((constructor)) static void run_too_early(void)
{
	fputs("code of a refused plugin ran\n", stderr);
	abort();
}
#endif

#if FLAW == UNRESOLVED
extern void vds_no_such_function(void);
#endif

static struct vds_error *run(struct vds_run *run,
			     const struct vds_process *process)
{
	const struct vds_value row[NUM_COLS] = {
		[COL_PID] = FLAW == BAD_KIND ? vds_str("four") :
					       vds_int(process->pid),
		[COL_NAME] = vds_or(process->name_why, vds_str(process->name)),
	};
#if FLAW == UNRESOLVED
	vds_no_such_function();
#endif
#if FLAW == CARELESS
	struct vds_value wrong[NUM_COLS] = {[COL_PID] = vds_str("four")};
	vds_error_destroy(vds_emit(run, wrong));
	return NULL;
#endif
	return vds_emit(run, row);
}

#define PROBE(name) VDS_PLUGIN(name)
#define HEADER(name) VDS_PLUGIN_HEADER(name)
PROBE(NAME) = {
#if FLAW == OTHER_NAME
	HEADER(somebody_else),
#else
	HEADER(NAME),
#endif
#if FLAW == NEWER_MAJOR
	.abi_major = VDS_ABI_MAJOR + 1,
#elif FLAW == NEWER_MINOR
	.abi_minor = VDS_ABI_MINOR + 1,
#elif FLAW == TOO_SMALL
	.size = 16,
#elif FLAW == OLD_COLUMNS
	.column_size = sizeof(struct old_column),
#endif
	.version = "1.0.0",
	.summary = "a test of the loader",
	.record = "probe",
	.scope = VDS_PER_PROCESS,
	.columns = COLUMNS,
	.num_columns = NUM_COLS,
	.run = run,
};
