/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/meter.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Short runs show nothing; then the line changes ten times a second. */
#define DELAY UINT64_C(500000000)
#define STEP UINT64_C(100000000)

static uint64_t now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

void vds_meter_init(struct vds_meter *meter, const char *when,
		       bool quiet, bool rows_to_terminal)
{
	bool always = !strcmp(when, "always");
	bool automatic = !strcmp(when, "auto") && !quiet && !rows_to_terminal &&
			 isatty(STDERR_FILENO) == 1;
	*meter = (struct vds_meter){
		.on = always || automatic,
		.next = always ? 0 : now() + DELAY,
	};
}

void vds_meter_update(void *ctx, size_t done, size_t total)
{
	struct vds_meter *meter = ctx;
	if (!meter->on || !total || now() < meter->next)
		return;
	fprintf(stderr, "\r%3zu %% (%zu of %zu)", done * 100 / total, done,
		total);
	fflush(stderr);
	meter->shown = true;
	meter->next = now() + STEP;
}

bool vds_meter_step(void *ctx, uint64_t done, uint64_t total)
{
	vds_meter_update(ctx, (size_t)done, (size_t)total);
	return true;
}

void vds_meter_end(struct vds_meter *meter)
{
	if (meter->shown)
		fputs("\r\033[K", stderr);
	meter->shown = false;
}
