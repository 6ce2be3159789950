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
#define UNKNOWN_FLAGS 10
#define NO_OPTION_NAME 11
#define TWIN_OPTIONS 12
#define COMMON_OPTION 13
#define OPTION_KIND 14
#define BAD_DEFAULT 15
#define NO_WORDS 16
#define NOT_A_LINE 17
#define ENVELOPE 18
#define REWRITTEN 19
#define CUT_MARK 20
#define COLUMN_FLAGS 21
#define NO_VERSION 22
#define BAD_ECS 23

enum { COL_PID, COL_NAME, NUM_COLS };

#if FLAW == OLD_COLUMNS
/* Shorter than ABI 1.0 had them: no compiler ever made this. */
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
		     .flags = VDS_COLUMN_KEY,
		     .ecs = FLAW == BAD_ECS ? "process..pid" : "process.pid"},
	[COL_NAME] = {.name = FLAW == BAD_COLUMN ? "Process.Name" :
			      FLAW == CUT_MARK ? "process.pid_truncated" :
						 "process.name",
		      .kind = VDS_KIND_STR,
		      .flags = FLAW == COLUMN_FLAGS ? 0x40000000 : 0},
};
#define COLUMNS columns
#endif

static const struct vds_option options[] = {
	{.name = FLAW == NO_OPTION_NAME ? NULL :
		 FLAW == COMMON_OPTION ? "where" : "first",
	 .kind = FLAW == OPTION_KIND ? (enum vds_option_kind)99 :
				       VDS_OPTION_UINT,
	 .def = FLAW == BAD_DEFAULT ? "many" : "1"},
	{.name = FLAW == TWIN_OPTIONS ? "first" : "second",
	 .kind = VDS_OPTION_ENUM,
	 .values = FLAW == NO_WORDS ? NULL : "a|b"},
};

#if FLAW == NEWER_MAJOR
/* No code of a stale module may run: this would be noticed. */
__attribute__((constructor)) static void run_too_early(void)
{
	fputs("code of a refused plugin ran\n", stderr);
	abort();
}
#endif

#if FLAW == REWRITTEN
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>
#define SYMBOL(name) vds_plugin_##name
#define SYMBOL_OF(name) SYMBOL(name)
extern const struct vds_plugin SYMBOL_OF(NAME);

/* What was judged in the file is to be what is used. */
__attribute__((constructor)) static void grow(void)
{
	/* volatile: a compiler may drop what is written to a constant. */
	struct vds_plugin *volatile there =
		(struct vds_plugin *)&SYMBOL_OF(NAME);
	struct vds_plugin *plugin = there;
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	uintptr_t start = (uintptr_t)plugin & ~(page - 1);

	if (mprotect((void *)start, 2 * page, PROT_READ | PROT_WRITE) &&
	    mprotect((void *)start, page, PROT_READ | PROT_WRITE))
		abort();
	plugin->abi_minor = 9;
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
#if FLAW == UNKNOWN_FLAGS
	.flags = 0x80000000,
#endif
	.version = FLAW == NO_VERSION ? "" : "1.0.0",
	.summary = FLAW == NOT_A_LINE ? "a test\nprobe  1.0  ok\x1b[31m" :
					"a test of the loader",
	.record = FLAW == ENVELOPE ? "run_end" : "probe",
	.scope = VDS_PER_PROCESS,
	.columns = COLUMNS,
	.num_columns = NUM_COLS,
	.options = options,
	.num_options = sizeof(options) / sizeof(options[0]),
	.run = run,
};
