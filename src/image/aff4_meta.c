/* SPDX-License-Identifier: Apache-2.0 */
#include "image/aff4_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "base/util.h"
#include "image/aff4_yaml.h"

#define YAML_MAX ((size_t)1 << 20)

/* Properties that are worth a line: of the image, its times, its case. */
static const struct {
	const char *property;
	const char *key;
} lines[] = {
	{"startTime", "acquisition_start"},
	{"endTime", "acquisition_end"},
	{"acquisitionCompletionState", "acquisition_state"},
	{"acquisitionType", "acquisition_type"},
	{"examiner", "examiner"},
	{"caseName", "case_name"},
	{"caseDescription", "case_description"},
	{"caseNumber", "case_number"},
	{"evidenceNumber", "evidence_number"},
	{"notes", "notes"},
	{"computerName", "host"},
	{"hostName", "host"},
	{"systemName", "host"},
	{"memoryInstalledSize", "memory_installed"},
	{"memoryAddressableSize", "memory_addressable"},
	{"original_filename", "original_filename"},
};

/* As vds_image_add_meta(), but each pair of key and value only once. */
static struct vds_error *add(struct vds_aff4 *a, const char *key,
			     const char *value)
{
	struct vds_image *image = a->image;
	if (!*value)
		return NULL;
	for (size_t i = 0; i < image->num_meta; i++) {
		if (!strcmp(image->meta[i].key, key) &&
		    !strcmp(image->meta[i].value, value))
			return NULL;
	}
	return vds_image_add_meta(image, key, value);
}

static struct vds_error *add_volumes(struct vds_aff4 *a)
{
	struct vds_error *err = NULL;
	for (size_t v = 0; v < a->num_volumes && !err; v++) {
		const struct vds_aff4_volume *volume = a->volumes[v];
		const struct vds_triple *created = vds_aff4_property(
			a, volume->urn, "creationTime", 0);
		err = add(a, "volume", volume->urn);
		if (!err)
			err = add(a, "tool", volume->tool);
		if (!err)
			err = add(a, "aff4_version", volume->version);
		if (!err && created)
			err = add(a, "acquired", created->object);
	}
	return err;
}

/* One statement: a hash that was stored, or something of the list above. */
static struct vds_error *add_statement(struct vds_aff4 *a,
				       const struct vds_triple *t)
{
	const char *name = vds_aff4_local(t->predicate, NULL);
	const char *type = vds_aff4_local(t->datatype, NULL);
	if (!name || t->is_iri)
		return NULL;
	for (size_t i = 0; i < VDS_ARRAY_SIZE(lines); i++) {
		if (vds_streq_nocase(name, lines[i].property))
			return add(a, lines[i].key, t->object);
	}
	if (strcmp(name, "hash") || !type ||
	    vds_aff4_is_a(a, t->subject, "BlockHashes"))
		return NULL;
	_cleanup_free_ char *text = NULL;
	if (asprintf(&text, "%s %s <%s>", type, t->object, t->subject) < 0) {
		text = NULL;
		return &vds_enomem;
	}
	return add(a, "stored_hash", text);
}

/* How the streams behind the memory are packed. */
static struct vds_error *add_streams(struct vds_aff4 *a)
{
	struct vds_error *err = NULL;
	for (size_t i = 0; i < a->num_targets && !err; i++) {
		const struct vds_aff4_stream *s = a->targets[i].stream;
		char text[64];
		if (a->targets[i].kind != VDS_AFF4_STREAM)
			continue;
		snprintf(text, sizeof(text), "%s, chunks of %u bytes",
			 vds_codec_name(s->codec), s->chunk_size);
		err = add(a, "compression", text);
	}
	return err;
}

static struct vds_error *add_statements(struct vds_aff4 *a)
{
	for (size_t v = 0; v < a->num_volumes; v++) {
		const struct vds_turtle *turtle = &a->volumes[v]->turtle;
		for (size_t i = 0; i < turtle->count; i++) {
			struct vds_error *err =
				add_statement(a, &turtle->list[i]);
			if (err)
				return err;
		}
	}
	return NULL;
}

/* Evimetry says 0 for what it doesn't know. */
static void hint(const struct vds_aff4 *a, const char *urn, const char *name,
		 bool *ret_has, uint64_t *ret)
{
	uint64_t n;
	bool found;
	struct vds_error *err = vds_aff4_number(a, urn, name, &n, &found);
	if (!err && found && n) {
		*ret_has = true;
		*ret = n;
	}
	vds_error_destroy(err);
}

static void read_hints(struct vds_aff4 *a, const char *urn)
{
	struct vds_image_hints *h = &a->image->hints;
	uint64_t build = 0;
	bool has_build = false;
	hint(a, urn, "memoryPageTableEntryOffset", &h->has_dtb, &h->dtb);
	hint(a, urn, "NTKernelBase", &h->has_kernel_base, &h->kernel_base);
	hint(a, urn, "NTKDBG", &h->has_kdbg, &h->kdbg);
	hint(a, urn, "NTPSLoadedModuleList", &h->has_module_list,
	     &h->module_list);
	hint(a, urn, "NTPSActiveProcessHead", &h->has_process_head,
	     &h->process_head);
	hint(a, urn, "NTBuilderNumber", &has_build, &build);
	if (has_build && build <= UINT32_MAX)
		h->build = (uint32_t)build;
}

/* The image objects whose data is @urn carry the hints. */
static void read_image_hints(struct vds_aff4 *a, const char *urn)
{
	for (size_t v = 0; v < a->num_volumes; v++) {
		const struct vds_turtle *turtle = &a->volumes[v]->turtle;
		for (size_t i = 0; i < turtle->count; i++) {
			const struct vds_triple *t = &turtle->list[i];
			const char *name = vds_aff4_local(t->predicate, NULL);
			if (name && t->is_iri && !strcmp(name, "dataStream") &&
			    !strcmp(t->object, urn))
				read_hints(a, t->subject);
		}
	}
}

static struct vds_error *read_winpmem(struct vds_aff4 *a, const char *urn)
{
	struct vds_image_hints *h = &a->image->hints;
	struct vds_winpmem_info info;
	_cleanup_free_ uint8_t *text = NULL;
	_cleanup_free_ char *name = NULL;
	size_t len;
	if (asprintf(&name, "%s/information.yaml", urn) < 0) {
		name = NULL;
		return &vds_enomem;
	}
	struct vds_aff4_member *m = vds_aff4_find_member(a, name);
	if (!m)
		return NULL;
	struct vds_error *err = vds_aff4_extract(m, YAML_MAX, &text, &len);
	if (err)
		return err;
	vds_winpmem_info_parse(text, len, &info);
	if (info.cr3 && !h->has_dtb) {
		h->has_dtb = true;
		h->dtb = info.cr3;
	}
	if (info.kernel_base && !h->has_kernel_base) {
		h->has_kernel_base = true;
		h->kernel_base = info.kernel_base;
	}
	if (info.build && info.build <= UINT32_MAX && !h->build)
		h->build = (uint32_t)info.build;
	err = add(a, "imager", info.imager);
	return err ? err : add(a, "system", info.system);
}

struct vds_error *vds_aff4_add_meta(struct vds_aff4 *a, const char *urn)
{
	struct vds_error *err = add_volumes(a);
	if (!err)
		err = add(a, "object", urn);
	for (size_t i = 0; i < a->num_candidates && !err; i++) {
		if (strcmp(a->candidates[i], urn))
			err = add(a, "other_object", a->candidates[i]);
	}
	if (!err)
		err = add_streams(a);
	if (!err)
		err = add_statements(a);
	if (!err)
		err = read_winpmem(a, urn);
	if (!err)
		read_image_hints(a, urn);
	return err;
}
