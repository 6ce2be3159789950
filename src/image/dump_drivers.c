/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lists of drivers in a triage dump. DUMP_DRIVER_ENTRY64 is the file offset
 * of a name, and behind it the _KLDR_DATA_TABLE_ENTRY as it was (rizin's
 * dmp64.h); names are DUMP_STRINGs, which count UTF-16 units.
 * DUMP_UNLOADED_DRIVERS64 is that of Microsoft's Dump.h (Singularity RDK).
 */
#include "image/dump.h"

#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/str.h"
#include "base/util.h"

/* DUMP_DRIVER_ENTRY64; what is longer grew at its end. */
#define DRIVER_ENTRY 0x90
#define DRIVER_ENTRY_MAX 0xa8
#define DRIVER_NAME 0x00
#define DRIVER_BASE 0x38
#define DRIVER_IMAGE_SIZE 0x48
#define DRIVER_CHECKSUM 0x80
#define DRIVER_TIMESTAMP 0x88
/* More than any machine loads. */
#define MAX_DRIVERS 8192
#define MAX_NAME 520		/* UTF-16 units */

/* DUMP_UNLOADED_DRIVERS64: UNICODE_STRING, 12 units, first byte, past the last */
#define UNLOADED_ENTRY 0x38
#define UNLOADED_NAME 0x10
#define UNLOADED_UNITS 12
#define UNLOADED_FIRST 0x28
#define UNLOADED_END 0x30

static struct vds_error *keep_name(const struct vds_triage *t,
				   const uint8_t *utf16, size_t units,
				   const char **ret)
{
	struct vds_str name = {0};
	vds_str_put_utf16(&name, utf16, units);
	const char *text = vds_str_cstr(&name);
	*ret = text ? vds_arena_strdup(&t->dump->image->arena, text) : NULL;
	vds_str_deinit(&name);
	return *ret ? NULL : &vds_enomem;
}

/* DUMP_STRING: u32 length in UTF-16 units, then the units. */
static struct vds_error *driver_name(const struct vds_triage *t, uint64_t at,
				     uint64_t offset, const char **ret)
{
	uint8_t raw[4 + 2 * MAX_NAME];
	if (!offset)
		return NULL;
	struct vds_error *err = vds_triage_check(t, at, "DriverNameOffset",
						 offset, 4);
	if (err || vds_triage_available(t, offset, 4) < 4)
		return err;
	size_t n = vds_file_read(t->dump->image->file, offset, raw,
				 sizeof(raw));
	uint32_t units = n >= 4 ? vds_le32(raw) : 0;
	if (units > MAX_NAME)
		return vds_error_create(VDS_ERROR_FORMAT,
					"triage dump: length of the driver name at offset 0x%llx is 0x%x, more than %u characters",
					(unsigned long long)offset, units,
					MAX_NAME);
	err = vds_triage_check(t, offset, "length of the driver name",
			       offset + 4, 2 * (uint64_t)units);
	if (err || !units || n < 4 + 2 * (size_t)units)
		return err;
	return keep_name(t, raw + 4, units, ret);
}

static struct vds_error *add_driver(const struct vds_triage *t, uint64_t at,
				    struct vds_image_module *module)
{
	uint8_t entry[DRIVER_ENTRY];
	if (vds_file_read(t->dump->image->file, at, entry, sizeof(entry)) <
	    sizeof(entry))
		return NULL;
	*module = (struct vds_image_module){
		.base = vds_le64(entry + DRIVER_BASE),
		.size = vds_le32(entry + DRIVER_IMAGE_SIZE),
		.checksum = vds_le32(entry + DRIVER_CHECKSUM),
		.timestamp = vds_le32(entry + DRIVER_TIMESTAMP),
	};
	return driver_name(t, at + DRIVER_NAME, vds_le32(entry + DRIVER_NAME),
			   &module->path);
}

/* DriverName holds the first twelve units; Name.Length says how many bytes. */
static struct vds_error *add_unloaded(const struct vds_triage *t, uint64_t at,
				      struct vds_image_module *module)
{
	uint8_t entry[UNLOADED_ENTRY];
	if (vds_file_read(t->dump->image->file, at, entry, sizeof(entry)) <
	    sizeof(entry))
		return NULL;
	uint64_t first = vds_le64(entry + UNLOADED_FIRST);
	uint64_t end = vds_le64(entry + UNLOADED_END);
	size_t units = VDS_MIN(vds_le16(entry) / 2u, UNLOADED_UNITS);
	*module = (struct vds_image_module){
		.base = first, .size = end > first ? end - first : 0,
		.unloaded = true,
	};
	if (!units)
		return NULL;
	return keep_name(t, entry + UNLOADED_NAME, units, &module->path);
}

/* How many entries a list has, and where the first is. */
struct list {
	uint64_t at;		/* of the first entry */
	uint64_t entry_size;
	uint64_t stated;	/* entries, as the header says */
	size_t there;		/* of these, in the file */
};

static struct vds_error *check_list(struct vds_triage *t, uint64_t field_at,
				    const char *field, struct list *list)
{
	if (list->stated > MAX_DRIVERS)
		return vds_error_create(VDS_ERROR_FORMAT,
					"triage dump: %s at offset 0x%llx is 0x%llx, more than %u",
					field, (unsigned long long)field_at,
					(unsigned long long)list->stated,
					MAX_DRIVERS);
	uint64_t len = list->stated * list->entry_size;
	struct vds_error *err = vds_triage_check(t, field_at, field, list->at,
						 len);
	if (err)
		return err;
	uint64_t there = vds_triage_available(t, list->at, len);
	list->there = (size_t)(there / list->entry_size);
	t->lost += len - there;
	return NULL;
}

static struct vds_error *find_unloaded(struct vds_triage *t, struct list *list)
{
	uint64_t at = vds_triage_u32(t, VDS_TRIAGE_UNLOADED);
	uint8_t count[8];
	if (!at)
		return NULL;
	struct vds_error *err = vds_triage_check(
		t, t->at + VDS_TRIAGE_UNLOADED, "UnloadedDriversOffset", at,
		sizeof(count));
	if (err || vds_file_read(t->dump->image->file, at, count,
				 sizeof(count)) < sizeof(count))
		return err;
	/* A u32; the array is aligned to eight bytes. */
	list->stated = vds_le32(count);
	list->at = at + sizeof(count);
	list->entry_size = UNLOADED_ENTRY;
	return check_list(t, at, "number of unloaded drivers", list);
}

/*
 * Nothing says how long an entry is, and the loader's structure has grown. The
 * names follow the list: where they begin, some whole number of entries ends.
 */
static uint64_t driver_entry_size(const struct vds_triage *t,
				  const struct list *list)
{
	uint64_t names = vds_triage_u32(t, VDS_TRIAGE_STRINGS);
	for (uint64_t size = DRIVER_ENTRY; size <= DRIVER_ENTRY_MAX; size += 8) {
		if (names > list->at && names - list->at == list->stated * size)
			return size;
	}
	return DRIVER_ENTRY;
}

static struct vds_error *find_loaded(struct vds_triage *t, struct list *list)
{
	list->at = vds_triage_u32(t, VDS_TRIAGE_DRIVERS);
	if (!list->at)
		return NULL;
	list->stated = vds_triage_u32(t, VDS_TRIAGE_NUM_DRIVERS);
	list->entry_size = driver_entry_size(t, list);
	return check_list(t, t->at + VDS_TRIAGE_NUM_DRIVERS, "DriverCount",
			  list);
}

/* The header's pointers to globals lie in the kernel; else it comes first. */
static const struct vds_image_module *find_kernel(const struct vds_image *image)
{
	const struct vds_image_hints *hints = &image->hints;
	for (size_t i = 0; i < image->num_modules; i++) {
		const struct vds_image_module *m = &image->modules[i];
		if (!m->unloaded && hints->has_module_list &&
		    hints->module_list >= m->base &&
		    hints->module_list - m->base < m->size)
			return m;
	}
	return image->num_modules && !image->modules[0].unloaded ?
		       &image->modules[0] : NULL;
}

/* Its time stamp and size are what symbol servers file it under. */
static struct vds_error *state_kernel(struct vds_image *image)
{
	const struct vds_image_module *kernel = find_kernel(image);
	struct vds_error *err = NULL;
	char text[32];
	if (!kernel || !kernel->base)
		return NULL;
	image->hints.has_kernel_base = true;
	image->hints.kernel_base = kernel->base;
	image->hints.kernel_size = kernel->size;
	if (kernel->path)
		err = vds_image_add_meta(image, "kernel_file", kernel->path);
	snprintf(text, sizeof(text), "%08X%llx", kernel->timestamp,
		 (unsigned long long)kernel->size);
	return err ? err : vds_image_add_meta(image, "kernel_symbol_key", text);
}

static struct vds_error *count_modules(struct vds_image *image, size_t loaded)
{
	char text[32];
	snprintf(text, sizeof(text), "%zu", loaded);
	struct vds_error *err = vds_image_add_meta(image, "drivers", text);
	snprintf(text, sizeof(text), "%zu", image->num_modules - loaded);
	return err ? err : vds_image_add_meta(image, "unloaded_drivers", text);
}

struct vds_error *vds_triage_add_modules(struct vds_triage *t)
{
	struct vds_image *image = t->dump->image;
	struct list loaded = {0}, unloaded = {0};
	struct vds_error *err = find_loaded(t, &loaded);
	if (!err)
		err = find_unloaded(t, &unloaded);
	if (err)
		return err;
	image->modules = vds_arena_calloc(&image->arena,
					  loaded.there + unloaded.there + 1,
					  sizeof(*image->modules));
	if (!image->modules)
		return &vds_enomem;
	for (size_t i = 0; i < loaded.there && !err; i++)
		err = add_driver(t, loaded.at + i * loaded.entry_size,
				 &image->modules[image->num_modules++]);
	for (size_t i = 0; i < unloaded.there && !err; i++)
		err = add_unloaded(t, unloaded.at + i * unloaded.entry_size,
				   &image->modules[image->num_modules++]);
	if (!err)
		err = state_kernel(image);
	return err ? err : count_modules(image, loaded.there);
}
