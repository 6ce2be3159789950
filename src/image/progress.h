/* SPDX-License-Identifier: Apache-2.0 */
/* How far a long operation is, and whether it shall go on. */
#ifndef VDS_IMAGE_PROGRESS_H
#define VDS_IMAGE_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Called now and then during a long operation with bytes done and in all;
 * false ends it with vds_stop. May be NULL.
 */
struct vds_progress {
	bool (*step)(void *ctx, uint64_t done, uint64_t total);
	void *ctx;
};

/* False if the user has had enough. @progress may be NULL. */
static inline bool vds_progress_step(const struct vds_progress *progress,
				     uint64_t done, uint64_t total)
{
	return !progress || !progress->step ||
	       progress->step(progress->ctx, done, total);
}

#endif
