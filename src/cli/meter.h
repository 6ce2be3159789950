/* SPDX-License-Identifier: Apache-2.0 */
/* How far a run is, on stderr: for people only, never in the data. */
#ifndef VDS_CLI_METER_H
#define VDS_CLI_METER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vds_meter {
	bool on;
	bool shown;		/* something stands on the line */
	uint64_t next;		/* ns, monotonic: not before */
};

/*
 * @when: "auto" (stderr is a terminal that rows don't go to), "always", "never".
 */
void vds_meter_init(struct vds_meter *meter, const char *when,
		       bool quiet, bool rows_to_terminal);
/* Called by one thread at a time. @ctx is the struct vds_meter. */
void vds_meter_update(void *ctx, size_t done, size_t total);
/* As a step of struct vds_progress: never ends what it watches. */
bool vds_meter_step(void *ctx, uint64_t done, uint64_t total);
/* Clears the line. */
void vds_meter_end(struct vds_meter *meter);

#endif
