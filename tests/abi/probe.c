/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A plugin as somebody else built it: against the headers of ABI 1.0, or, with
 * -DGROWN, of the minor that grow.py makes up.
 */
#include <vadose/plugin.h>
#include <vadose/section.h>
#include <vadose/vad.h>

enum { PID, NAME, START, END, PROTECTION, AREA, FILE_NAME, NUM_COLS };

static const struct vds_column columns[NUM_COLS] = {
	[PID] = {"process.pid", VDS_KIND_INT, VDS_COLUMN_KEY, "PID", NULL,
		 "process id", "process.pid"},
	[NAME] = {"process.name", VDS_KIND_STR, 0, NULL, NULL, NULL, NULL},
	[START] = {"vad.start", VDS_KIND_ADDR, VDS_COLUMN_KEY, "Start", NULL,
		   "first byte", NULL},
	[END] = {"vad.end", VDS_KIND_ADDR, 0, "End", NULL, "last byte", NULL},
	[PROTECTION] = {"vad.protection", VDS_KIND_STR, 0, NULL, NULL, NULL,
			NULL},
	[AREA] = {"section.control_area", VDS_KIND_ADDR, 0, NULL, NULL, NULL,
		  NULL},
	[FILE_NAME] = {.name = "section.file", .kind = VDS_KIND_STR,
#ifdef GROWN
		       .later = "a column's tail",
#endif
	},
};

static const struct vds_option options[] = {
	{"min-size", VDS_OPTION_SIZE, 0, "SIZE", "4K", NULL, "at least"},
	{.name = "kind", .kind = VDS_OPTION_ENUM, .values = "all|mapped",
	 .def = "all",
#ifdef GROWN
	 .later = "an option's tail",
#endif
	},
};

static struct vds_error *run(struct vds_run *run,
			     const struct vds_process *process)
{
	bool mapped = !strcmp(vds_option_str(run, "kind"), "mapped");
	struct vds_vad_iter *iter = vds_vad_iterate(process);
	const struct vds_vad *vad;
	while ((vad = vds_vad_next(iter))) {
		const struct vds_section *section =
			vds_vad_section(process, vad);
		if (vad->end - vad->start + 1 <
			    vds_option_uint(run, "min-size") ||
		    (mapped && !section))
			continue;
		struct vds_value row[NUM_COLS] = {
			[PID] = vds_int(process->pid),
			[NAME] = vds_or(process->name_why,
					vds_str(process->name)),
			[START] = vds_addr(vad->start),
			[END] = vds_addr(vad->end),
			[PROTECTION] = vds_str(
				vds_protection_str(vad->protection)),
		};
		if (section && !section->why) {
			row[AREA] = vds_addr(section->control_area);
			row[FILE_NAME] = vds_or(section->file_name_why,
						vds_str(section->file_name));
		}
		struct vds_error *err = vds_emit(run, row);
		if (err)
			return err;
	}
	return NULL;
}

#define DESCRIPTOR(name) VDS_PLUGIN(name)
#define HEADER(name) VDS_PLUGIN_HEADER(name)
DESCRIPTOR(PROBE) = {
	HEADER(PROBE),
	.version = "1.0.0",
	.summary = "a plugin of another age",
	.record = "old_vad",
	.scope = VDS_PER_PROCESS,
	.columns = columns,
	.num_columns = NUM_COLS,
	.options = options,
	.num_options = 2,
	.run = run,
#ifdef GROWN
	.later = "the descriptor's tail",
#endif
};
