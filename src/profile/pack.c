/* SPDX-License-Identifier: Apache-2.0 */
#include "profile/pack.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/util.h"
#include "profile/emit.h"

#define MASK_WORDS (VDS_PACK_MAX_KERNELS / 64)

/* Kernels that share something, by their place in the sorted list. */
struct mask {
	uint64_t bits[MASK_WORDS];
};

struct kernel {
	struct vds_profile_identity id;
	char *symbols;		/* YAML, as it will stand in the file */
	size_t added;		/* its number when it was added */
	size_t layout;
};

/* One kernel's definition of one type. */
struct definition {
	const char *name;
	const char *yaml;
	size_t kernel;		/* index into the sorted kernels */
	struct mask owners;	/* in the first of equal ones */
};

struct vds_pack {
	struct vds_arena arena;
	struct kernel kernels[VDS_PACK_MAX_KERNELS];
	size_t num_kernels;
	struct definition *definitions;
	size_t num_definitions, cap_definitions;
};

struct vds_error *vds_pack_create(struct vds_pack **ret)
{
	*ret = calloc(1, sizeof(**ret));
	return *ret ? NULL : &vds_enomem;
}

void vds_pack_destroy(struct vds_pack *pack)
{
	if (!pack)
		return;
	vds_arena_deinit(&pack->arena);
	free(pack->definitions);
	free(pack);
}

static struct vds_error *add_definition(struct vds_pack *pack,
					const struct vds_type *type,
					uint64_t pointer_size, struct vds_str *text)
{
	text->len = 0;
	struct vds_error *err = vds_emit_type(text, type, pointer_size, 2);
	if (err)
		return err;
	if (pack->num_definitions == pack->cap_definitions) {
		size_t cap = pack->cap_definitions ? pack->cap_definitions * 2 :
			1024;
		void *p = realloc(pack->definitions,
				  cap * sizeof(*pack->definitions));
		if (!p)
			return &vds_enomem;
		pack->definitions = p;
		pack->cap_definitions = cap;
	}
	struct definition *d = &pack->definitions[pack->num_definitions];
	memset(d, 0, sizeof(*d));
	d->name = vds_arena_strdup(&pack->arena, type->name);
	d->yaml = vds_arena_strndup(&pack->arena, text->data, text->len);
	d->kernel = pack->num_kernels;
	if (!d->name || !d->yaml)
		return &vds_enomem;
	pack->num_definitions++;
	return NULL;
}

static int compare_ids(const struct vds_profile_identity *a,
		       const struct vds_profile_identity *b)
{
	if (a->build != b->build)
		return a->build < b->build ? -1 : 1;
	if (a->revision != b->revision)
		return a->revision < b->revision ? -1 : 1;
	int order = strcmp(a->pdb, b->pdb);
	if (!order)
		order = strcmp(a->guid, b->guid);
	return order ? order : (a->age > b->age) - (a->age < b->age);
}

struct vds_error *vds_pack_add(struct vds_pack *pack,
			       const struct vds_profile *profile)
{
	const struct vds_profile_identity *id = vds_profile_identity(profile);
	_cleanup_(vds_str_deinit) struct vds_str text = {0};
	if (pack->num_kernels == VDS_PACK_MAX_KERNELS)
		return vds_error_create(VDS_ERROR_FORMAT,
					"more than %d kernels in one pack",
					VDS_PACK_MAX_KERNELS);
	for (size_t i = 0; i < pack->num_kernels; i++) {
		if (strcmp(pack->kernels[i].id.arch, id->arch) ||
		    !compare_ids(&pack->kernels[i].id, id))
			return vds_error_create(VDS_ERROR_FORMAT,
				"%s %s-%u: twice, or of another architecture "
				"than the rest of the pack", id->pdb, id->guid,
				id->age);
	}
	struct kernel *k = &pack->kernels[pack->num_kernels];
	vds_emit_symbols(&text, profile, 4);
	const char *symbols = vds_str_cstr(&text);
	k->symbols = symbols ? vds_arena_strdup(&pack->arena, symbols) : NULL;
	if (!k->symbols)
		return &vds_enomem;
	k->id = *id;
	k->added = pack->num_kernels;
	for (size_t i = 0; i < vds_profile_num_types(profile); i++) {
		struct vds_error *err =
			add_definition(pack, vds_profile_type_at(profile, i),
				       vds_pointer_size(id), &text);
		if (err)
			return err;
	}
	pack->num_kernels++;
	return NULL;
}

static int compare_kernels(const void *a, const void *b)
{
	return compare_ids(&((const struct kernel *)a)->id,
			   &((const struct kernel *)b)->id);
}

static int compare_definitions(const void *a, const void *b)
{
	const struct definition *x = a, *y = b;
	int order = strcmp(x->name, y->name);
	if (!order)
		order = strcmp(x->yaml, y->yaml);
	return order ? order : (x->kernel > y->kernel) - (x->kernel < y->kernel);
}

/* Sorts kernels and definitions, and makes one of equal definitions. */
static void merge(struct vds_pack *pack)
{
	size_t place[VDS_PACK_MAX_KERNELS], out = 0;
	struct definition *d = pack->definitions;
	qsort(pack->kernels, pack->num_kernels, sizeof(*pack->kernels),
	      compare_kernels);
	for (size_t i = 0; i < pack->num_kernels; i++)
		place[pack->kernels[i].added] = i;
	for (size_t i = 0; i < pack->num_definitions; i++)
		d[i].kernel = place[d[i].kernel];
	if (pack->num_definitions)
		qsort(d, pack->num_definitions, sizeof(*d), compare_definitions);
	for (size_t i = 0; i < pack->num_definitions; i++) {
		size_t kernel = d[i].kernel;
		if (!out || strcmp(d[out - 1].name, d[i].name) ||
		    strcmp(d[out - 1].yaml, d[i].yaml))
			d[out++] = d[i];
		d[out - 1].owners.bits[kernel / 64] |= UINT64_C(1) << kernel % 64;
	}
	pack->num_definitions = out;
}

/* The layer of the first kernels comes first. */
static int compare_masks(const void *a, const void *b)
{
	const struct mask *x = a, *y = b;
	for (size_t i = 0; i < MASK_WORDS; i++) {
		uint64_t differ = x->bits[i] ^ y->bits[i];
		if (differ)
			return x->bits[i] & (differ & -differ) ? -1 : 1;
	}
	return 0;
}

struct layers {
	struct mask *masks;
	size_t num;
	struct mask all;
};

/* The distinct sets of kernels that own definitions, but for all of them. */
static struct vds_error *find_layers(const struct vds_pack *pack,
				     struct layers *ret)
{
	struct layers l = {0};
	for (size_t i = 0; i < pack->num_kernels; i++)
		l.all.bits[i / 64] |= UINT64_C(1) << i % 64;
	l.masks = vds_malloc_array(pack->num_definitions, sizeof(*l.masks));
	if (!l.masks)
		return &vds_enomem;
	for (size_t i = 0; i < pack->num_definitions; i++) {
		if (compare_masks(&pack->definitions[i].owners, &l.all))
			l.masks[l.num++] = pack->definitions[i].owners;
	}
	if (l.num)
		qsort(l.masks, l.num, sizeof(*l.masks), compare_masks);
	size_t out = 0;
	for (size_t i = 0; i < l.num; i++) {
		if (!out || compare_masks(&l.masks[out - 1], &l.masks[i]))
			l.masks[out++] = l.masks[i];
	}
	l.num = out;
	*ret = l;
	return NULL;
}

static bool owns(const struct mask *mask, size_t kernel)
{
	return mask->bits[kernel / 64] >> kernel % 64 & 1;
}

/* Numbers the distinct sets of layers: kernels with the same have the same. */
static void number_layouts(struct vds_pack *pack, const struct layers *l)
{
	size_t next = 1;
	for (size_t i = 0; i < pack->num_kernels; i++) {
		for (size_t k = 0; k < i && !pack->kernels[i].layout; k++) {
			size_t m = 0;
			while (m < l->num && owns(&l->masks[m], i) ==
			       owns(&l->masks[m], k))
				m++;
			if (m == l->num)
				pack->kernels[i].layout = pack->kernels[k].layout;
		}
		if (!pack->kernels[i].layout)
			pack->kernels[i].layout = next++;
	}
}

static void put_kernels(struct vds_str *out, const struct vds_pack *pack,
			const struct layers *l)
{
	vds_str_puts(out, "kernels:\n");
	for (size_t i = 0; i < pack->num_kernels; i++) {
		_cleanup_(vds_str_deinit) struct vds_str head = {0};
		const char *comma = "";
		vds_emit_identity(&head, &pack->kernels[i].id, false, 4);
		/* The first key stands behind the dash of the list. */
		vds_str_puts(out, "  - ");
		if (head.len > 4)
			vds_str_append(out, head.data + 4, head.len - 4);
		vds_str_puts(out, "    layers: [");
		for (size_t m = 0; m < l->num; m++) {
			if (!owns(&l->masks[m], i))
				continue;
			vds_str_printf(out, "%sL%zu", comma, m + 1);
			comma = ", ";
		}
		vds_str_puts(out, "]\n");
		vds_str_puts(out, pack->kernels[i].symbols);
		out->failed |= head.failed;
	}
}

static void put_indented(struct vds_str *out, const char *yaml)
{
	while (*yaml) {
		size_t len = strcspn(yaml, "\n") + 1;
		vds_str_puts(out, "  ");
		vds_str_append(out, yaml, len);
		yaml += len;
	}
}

static void put_types(struct vds_str *out, const struct vds_pack *pack,
		      const struct mask *mask, bool deeper)
{
	for (size_t i = 0; i < pack->num_definitions; i++) {
		const struct definition *d = &pack->definitions[i];
		if (compare_masks(&d->owners, mask))
			continue;
		if (deeper)
			put_indented(out, d->yaml);
		else
			vds_str_puts(out, d->yaml);
	}
}

void vds_index_line(struct vds_str *index,
		    const struct vds_profile_identity *id, size_t layout,
		    const char *file)
{
	vds_str_printf(index, "%s %s %u %s %u %u %s %zu %s\n", id->pdb,
		       id->guid[0] ? id->guid : "-", id->age, id->arch,
		       id->build, id->revision,
		       id->confidence == VDS_PROFILE_SYMBOLS ? "symbols" :
		       "published", layout, file);
}

struct vds_error *vds_pack_emit(struct vds_pack *pack, const char *file,
				struct vds_str *out, struct vds_str *index)
{
	struct layers layers;
	merge(pack);
	struct vds_error *err = find_layers(pack, &layers);
	if (err)
		return err;
	number_layouts(pack, &layers);
	vds_str_puts(out, "format: " VDS_PROFILE_FORMAT "\n");
	vds_str_printf(out, "arch: %s\n", pack->kernels[0].id.arch);
	put_kernels(out, pack, &layers);
	vds_str_puts(out, "types:\n");
	put_types(out, pack, &layers.all, false);
	if (layers.num)
		vds_str_puts(out, "layers:\n");
	for (size_t m = 0; m < layers.num; m++) {
		vds_str_printf(out, "  L%zu:\n", m + 1);
		put_types(out, pack, &layers.masks[m], true);
	}
	for (size_t i = 0; i < pack->num_kernels; i++)
		vds_index_line(index, &pack->kernels[i].id,
			       pack->kernels[i].layout, file);
	free(layers.masks);
	return out->failed || index->failed ? &vds_enomem : NULL;
}
