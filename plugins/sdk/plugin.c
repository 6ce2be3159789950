/*
 * @NAME@: private memory that may execute, and what it begins with.
 *
 * Change the columns, the options and run(); nothing else is needed. What the
 * host hands out is borrowed until run() returns, and is freed by the host.
 */
#include <vadose/plugin.h>
#include <vadose/vad.h>

enum { COL_PID, COL_NAME, COL_START, COL_SIZE, COL_PROTECTION, COL_MAGIC,
       NUM_COLS };

static const struct vds_column columns[NUM_COLS] = {
	[COL_PID] = {"process.pid", VDS_KIND_INT,
		     VDS_COLUMN_KEY | VDS_COLUMN_GROUP, "PID", NULL,
		     "process id", "process.pid"},
	[COL_NAME] = {"process.name", VDS_KIND_STR, VDS_COLUMN_GROUP, "Process",
		      NULL, "file name of the process", "process.name"},
	[COL_START] = {"vad.start", VDS_KIND_ADDR, VDS_COLUMN_KEY, "Start",
		       NULL, "first byte", NULL},
	[COL_SIZE] = {"vad.size", VDS_KIND_SIZE, 0, "Size", "bytes",
		      "length of the region", NULL},
	[COL_PROTECTION] = {"vad.protection", VDS_KIND_STR, 0, "Protection",
			    NULL, "initial protection", NULL},
	[COL_MAGIC] = {"region.magic", VDS_KIND_BYTES, 0, "Begins with", NULL,
		       "its first four bytes", NULL},
};

static const struct vds_option options[] = {
	{"min-size", VDS_OPTION_SIZE, 0, "SIZE", "0", NULL,
	 "only regions of at least that size"},
};

static struct vds_error *run(struct vds_run *run,
			     const struct vds_process *process)
{
	struct vds_vad_iter *iter = vds_vad_iterate(process);
	const struct vds_vad *vad;
	while ((vad = vds_vad_next(iter))) {
		uint64_t size = vad->end - vad->start + 1;
		uint8_t magic[4];
		if (!vad->is_private ||
		    !vds_protection_executable(vad->protection) ||
		    size < vds_option_uint(run, "min-size"))
			continue;
		enum vds_why why = vds_process_read(process, vad->start, magic,
						    sizeof(magic));
		struct vds_value row[NUM_COLS] = {
			[COL_PID] = vds_int(process->pid),
			[COL_NAME] = vds_or(process->name_why,
					    vds_str(process->name)),
			[COL_START] = vds_addr(vad->start),
			[COL_SIZE] = vds_size(size),
			[COL_PROTECTION] = vds_str(
				vds_protection_str(vad->protection)),
			[COL_MAGIC] = vds_or(why, vds_data(magic,
							   sizeof(magic))),
		};
		struct vds_error *err = vds_emit(run, row);
		if (err)
			return err;
	}
	return NULL;
}

VDS_PLUGIN(@NAME@) = {
	VDS_PLUGIN_HEADER(@NAME@),
	.version = "0.1.0",
	.summary = "private memory that may execute, and what it begins with",
	.record = "@NAME@",
	.scope = VDS_PER_PROCESS,
	.columns = columns,
	.num_columns = NUM_COLS,
	.options = options,
	.num_options = 1,
	.run = run,
};
