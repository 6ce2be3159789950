/* SPDX-License-Identifier: Apache-2.0 */
/* Where text goes: stdout, or a file that appears whole or not at all. */
#ifndef VDS_CLI_OUTPUT_H
#define VDS_CLI_OUTPUT_H

#include "render/render.h"

struct vds_output {
	struct vds_writer writer;	/* first: what renderers write to */
	int fd;
	const char *path;		/* NULL: stdout */
	char *temp;			/* its name until it is complete */
	bool broken_pipe;		/* the reader has gone: no more, quietly */
};

/* @path NULL is stdout. VDS_ERROR_OUTPUT. */
struct vds_error *vds_output_open(struct vds_output *output, const char *path);
/*
 * Makes the file appear under its name. VDS_ERROR_OUTPUT if any byte of it
 * couldn't be written (a full disk is often noticed only here).
 */
struct vds_error *vds_output_commit(struct vds_output *output);
/* Drops what isn't committed. Safe on a zeroed or committed one. */
void vds_output_deinit(struct vds_output *output);
/* True if it is a terminal. */
bool vds_output_is_terminal(const struct vds_output *output);

#endif
