/* SPDX-License-Identifier: Apache-2.0 */
/* Many processes with many VADs from one line, the same ones every time. */
#ifndef MKSCENE_CROWD_H
#define MKSCENE_CROWD_H

#include "scene.h"

struct crowd {
	uint32_t processes;
	uint32_t vads;		/* per process */
	uint32_t shared;	/* per cent of them that map a section */
	uint32_t sections;	/* to choose from */
	uint32_t handles;	/* to sections, per process */
	bool modules;		/* the loader's lists hold the images */
	uint32_t seed;
};

struct vds_error *crowd_add(struct scene *scene, struct place place,
			    const struct crowd *crowd);

#endif
