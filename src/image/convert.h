/* SPDX-License-Identifier: Apache-2.0 */
/* Writing an image as another container. */
#ifndef VDS_IMAGE_CONVERT_H
#define VDS_IMAGE_CONVERT_H

#include "image/digest.h"
#include "image/target.h"

struct vds_conversion {
	uint64_t written;	/* bytes of the new file, holes included */
	uint64_t absent;	/* bytes below the stream's end in no range */
	uint64_t unreadable;	/* RAM that acquisition couldn't read */
	uint64_t damaged;	/* lost in damaged parts of the container */
};

/* What a target format supplies: a line in the table of convert.c. */
struct vds_image_writer {
	const char *name;	/* "lime" */
	const char *summary;
	/*
	 * Writes all of @image and leaves target->pos behind its last byte;
	 * *ret comes zeroed, `written` is set by the caller. What isn't there must not become bytes unless the format
	 * can't say so; such bytes are counted.
	 */
	struct vds_error *(*write)(const struct vds_image *image,
				   struct vds_target *target,
				   const struct vds_progress *progress,
				   struct vds_conversion *ret);
};

/* Number @i of the writers, NULL past the last. */
const struct vds_image_writer *vds_image_writer_at(size_t i);

/*
 * Writes @image to @path in the format @name. VDS_ERROR_USAGE if there is no
 * such format, VDS_ERROR_OUTPUT if the file exists or can't be written;
 * vds_stop if @progress ends it. On any error nothing is left behind.
 */
struct vds_error *vds_image_convert(const struct vds_image *image,
				    const char *name, const char *path,
				    const struct vds_progress *progress,
				    struct vds_conversion *ret);

#endif
