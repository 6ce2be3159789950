/* SPDX-License-Identifier: Apache-2.0 */
/* Small containers in temporary files, for the suites of the image room. */
#ifndef VDS_TESTS_IMAGE_TEMP_H
#define VDS_TESTS_IMAGE_TEMP_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/util.h"
#include "image/format.h"

/* A container under construction, in a temporary file. */
struct temp {
	char path[32];
	FILE *f;
};

static inline void temp_open(struct temp *t)
{
	strcpy(t->path, "/tmp/vds-image-XXXXXX");
	t->f = fdopen(mkstemp(t->path), "w+b");
	ck_assert_ptr_nonnull(t->f);
}

static inline void temp_close(struct temp *t)
{
	fclose(t->f);
	unlink(t->path);
}

static inline struct vds_image *open_ok(struct temp *t)
{
	struct vds_image *image;
	fflush(t->f);
	struct vds_error *err = vds_image_open(t->path, NULL, &image);
	ck_assert_msg(!err, "%s", err ? err->message : "");
	return image;
}

static inline void open_fails(struct temp *t, enum vds_error_code code,
		       const char *part)
{
	struct vds_image *image;
	fflush(t->f);
	struct vds_error *err = vds_image_open(t->path, NULL, &image);
	ck_assert_ptr_nonnull(err);
	ck_assert_int_eq(err->code, code);
	ck_assert_msg(strstr(err->message, part), "%s", err->message);
	ck_assert_msg(!strncmp(err->message, t->path, strlen(t->path)), "%s",
		      err->message);
	vds_error_destroy(err);
}

/* The byte that every test container has at physical address @pa. */
static inline uint8_t byte_at(uint64_t pa, unsigned int salt)
{
	return (uint8_t)((pa * 0x9e3779b1u >> 11) + pa + salt);
}

static inline void put_bytes(struct temp *t, uint64_t pa, uint64_t len,
		      unsigned int salt)
{
	for (uint64_t i = 0; i < len; i++)
		fputc(byte_at(pa + i, salt), t->f);
}

static inline void check_bytes(const struct vds_image *image, uint64_t pa, size_t len,
			unsigned int salt)
{
	uint8_t *buf = malloc(len);
	ck_assert_int_eq(vds_image_read(image, pa, buf, len), VDS_PRESENT);
	size_t i = 0;
	while (i < len && buf[i] == byte_at(pa + i, salt))
		i++;
	ck_assert_msg(i == len, "wrong byte at 0x%llx",
		      (unsigned long long)(pa + i));
	free(buf);
}

static inline void check_absent(const struct vds_image *image, uint64_t pa, size_t len)
{
	uint8_t *buf = malloc(len);
	ck_assert_int_eq(vds_image_read(image, pa, buf, len),
			 VDS_NOT_IN_IMAGE);
	free(buf);
}

static inline bool has_note(const struct vds_image *image, const char *kind)
{
	const struct vds_notes *notes = vds_image_notes(image);
	for (size_t i = 0; i < notes->count; i++) {
		if (!strcmp(notes->list[i].kind, kind))
			return true;
	}
	return false;
}

static inline int run_suite(Suite *suite)
{
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}

#endif
