/* SPDX-License-Identifier: Apache-2.0 */
/* YAML to profile: docs/profile-format.md, read strictly. */
#include "profile/load.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/util.h"
#include "profile/emit.h"
#include "profile/load_int.h"

/* A full profile of the largest kernel here is 2.2 MB. */
#define MAX_FILE ((size_t)64 << 20)

static struct vds_error *on_guid(struct vds_loader *l,
				 struct vds_profile_identity *id)
{
	const char *text;
	size_t len;
	struct vds_error *err = vds_load_text(l, &text, &len);
	if (err)
		return err;
	if (len != 32 || strspn(text, "0123456789ABCDEF") != 32)
		return vds_yaml_error(&l->in,
				      "guid: not 32 upper-case hex digits");
	return vds_load_string(l, "guid", id->guid, sizeof(id->guid));
}

static struct vds_error *on_confidence(struct vds_loader *l,
				       struct vds_profile_identity *id)
{
	char word[16];
	struct vds_error *err = vds_load_string(l, "confidence", word,
						sizeof(word));
	if (err)
		return err;
	if (strcmp(word, "symbols") && strcmp(word, "published"))
		return vds_yaml_error(&l->in,
			"confidence: neither symbols nor published");
	id->confidence = strcmp(word, "symbols") ? VDS_PROFILE_PUBLISHED :
		VDS_PROFILE_SYMBOLS;
	return NULL;
}

/* The keys of a kernel's identity; false if @key is none of them. */
static bool on_identity(struct vds_loader *l, const char *key,
			struct vds_profile_identity *id, struct vds_error **ret)
{
	if (strcmp(key, "pdb") == 0)
		*ret = vds_load_string(l, key, id->pdb, sizeof(id->pdb));
	else if (strcmp(key, "guid") == 0)
		*ret = on_guid(l, id);
	else if (strcmp(key, "age") == 0)
		*ret = vds_load_u32(l, key, &id->age);
	else if (strcmp(key, "build") == 0)
		*ret = vds_load_u32(l, key, &id->build);
	else if (strcmp(key, "revision") == 0)
		*ret = vds_load_u32(l, key, &id->revision);
	else if (strcmp(key, "confidence") == 0)
		*ret = on_confidence(l, id);
	else
		return false;
	return true;
}

static bool same_kernel(const struct vds_profile_identity *a,
			const struct vds_profile_identity *b)
{
	return strcmp(a->pdb, b->pdb) == 0 && strcmp(a->guid, b->guid) == 0 &&
	       a->age == b->age && a->build == b->build &&
	       (!b->revision || a->revision == b->revision);
}

struct kernel {
	struct vds_profile_identity id;
	struct vds_load_layers layers;
	bool complete;	/* its symbols were read or skipped */
};

static struct vds_error *on_layer_names(struct vds_loader *l,
					struct vds_load_layers *layers)
{
	struct vds_error *err = vds_yaml_begin(&l->in,
					       YAML_SEQUENCE_START_EVENT,
					       "a list of layers");
	while (!err) {
		bool end;
		const char *text;
		size_t len;
		err = vds_yaml_at_end(&l->in, YAML_SEQUENCE_END_EVENT, &end);
		if (err || end)
			return err;
		err = vds_yaml_scalar(&l->in, &text, &len);
		if (err)
			return err;
		if (layers->num == VDS_LOAD_MAX_LAYERS)
			return vds_yaml_error(&l->in, "more than %d layers",
					      VDS_LOAD_MAX_LAYERS);
		err = vds_load_locate(l, vds_model_name(l->model, text, len,
				&layers->wanted[layers->num]));
		if (err)
			return err;
		layers->num++;
		err = vds_yaml_next(&l->in);
	}
	return err;
}

static struct vds_error *on_kernel_key(struct vds_loader *l, const char *key,
				       void *arg)
{
	struct kernel *k = arg;
	struct vds_error *err;
	/* They come last, so that those of other kernels can be skipped. */
	if (k->complete)
		return vds_yaml_error(&l->in, "symbols: must be the last key");
	if (on_identity(l, key, &k->id, &err))
		return err;
	if (strcmp(key, "layers") == 0)
		return on_layer_names(l, &k->layers);
	k->complete = true;
	if (l->found || l->list || (l->want && !same_kernel(&k->id, l->want)))
		return vds_yaml_skip(&l->in);
	return vds_load_symbols(l);
}

static struct vds_error *list_kernel(struct vds_loader *l,
				     const struct vds_profile_identity *id)
{
	void *p = realloc(l->listed, (l->kernels + 1) * sizeof(*id));
	if (!p)
		return &vds_enomem;
	l->listed = p;
	l->listed[l->kernels - 1] = *id;
	return NULL;
}

static struct vds_error *on_kernels(struct vds_loader *l)
{
	static const char *const keys[] = {
		"pdb", "guid", "age", "build", "revision", "confidence",
		"layers", "symbols", NULL,
	};
	struct vds_error *err = vds_yaml_begin(&l->in,
					       YAML_SEQUENCE_START_EVENT,
					       "a list of kernels");
	while (!err) {
		bool end;
		struct kernel k = {0};
		err = vds_yaml_at_end(&l->in, YAML_SEQUENCE_END_EVENT, &end);
		if (err || end)
			break;
		l->kernels++;
		if (!l->want && !l->list && l->kernels > 1)
			return vds_yaml_error(&l->in, "several kernels: say "
					      "which by GUID and age");
		memcpy(k.id.arch, l->identity.arch, sizeof(k.id.arch));
		err = vds_load_each(l, "a kernel's mapping", keys,
				    on_kernel_key, &k);
		if (!err && l->list)
			err = list_kernel(l, &k.id);
		if (err || l->found ||
		    (l->want && !same_kernel(&k.id, l->want)))
			continue;
		l->found = true;
		l->identity = k.id;
		l->layers = k.layers;
	}
	return err;
}

static struct vds_error *on_layer(struct vds_loader *l, struct vds_name *name,
				  void *arg)
{
	(void)arg;
	for (size_t i = 0; i < l->layers.num; i++) {
		if (l->layers.wanted[i] == name)
			return vds_load_types(l);
	}
	return vds_yaml_skip(&l->in);
}

static struct vds_error *on_format(struct vds_loader *l)
{
	char word[32];
	struct vds_error *err = vds_load_string(l, "format", word,
						sizeof(word));
	if (!err && strcmp(word, VDS_PROFILE_FORMAT))
		err = vds_yaml_error(&l->in, "format: not " VDS_PROFILE_FORMAT);
	return err;
}

static struct vds_error *on_arch(struct vds_loader *l)
{
	struct vds_profile_identity *id = &l->identity;
	struct vds_error *err = vds_load_string(l, "arch", id->arch,
						sizeof(id->arch));
	if (!err && strcmp(id->arch, "x64") && strcmp(id->arch, "x86") &&
	    strcmp(id->arch, "arm64"))
		err = vds_yaml_error(&l->in, "arch: not x64, x86 or arm64");
	return err;
}

static struct vds_error *on_top_key(struct vds_loader *l, const char *key,
				    void *arg)
{
	bool *has_format = arg;
	struct vds_error *err;
	if (strcmp(key, "format") == 0) {
		*has_format = true;
		return on_format(l);
	}
	if (!*has_format)
		return vds_yaml_error(&l->in, "not a profile: its first key is "
				      "not `format`");
	if (on_identity(l, key, &l->identity, &err))
		return err;
	if (strcmp(key, "arch") == 0)
		return on_arch(l);
	if (l->list && strcmp(key, "kernels"))
		return &vds_stop;
	if (l->head_only)
		return strcmp(key, "kernels") ? &vds_stop :
			vds_yaml_error(&l->in, "a pack");
	if (strcmp(key, "types") == 0)
		return vds_load_types(l);
	if (strcmp(key, "symbols") == 0)
		return vds_load_symbols(l);
	if (strcmp(key, "kernels") == 0)
		return on_kernels(l);
	if (!l->kernels)
		return vds_yaml_error(&l->in,
				      "layers: `kernels` must come first");
	return vds_load_each_name(l, "a mapping of layers", false, on_layer,
				  NULL);
}

static struct vds_error *read_document(struct vds_loader *l)
{
	static const char *const keys[] = {
		"format", "pdb", "guid", "age", "arch", "build", "revision",
		"confidence", "kernels", "types", "layers", "symbols", NULL,
	};
	bool has_format = false;
	struct vds_error *err = vds_load_each(l, "a profile (a mapping)", keys,
					      on_top_key, &has_format);
	if (!err && !has_format)
		err = vds_yaml_error(&l->in, "not a profile: no `format`");
	if (!err && l->want && l->kernels && !l->found)
		err = vds_yaml_error(&l->in, "%s %s-%u is not in this file",
				     l->want->pdb, l->want->guid, l->want->age);
	return err ? err : vds_yaml_finish(&l->in);
}

static struct vds_error *finish(struct vds_loader *l, const void *data,
				size_t len, struct vds_profile **ret)
{
	vds_model_set_identity(l->model, &l->identity);
	struct vds_error *err = vds_model_finish(l->model, l->in.name, data,
						 len, ret);
	if (!err)
		l->model = NULL;
	else if (err->code == VDS_ERROR_FORMAT)
		err = vds_error_prefix(err, "%s:%u:%u", l->in.name,
				       l->model->fault.line,
				       l->model->fault.column);
	return err;
}

struct vds_error *vds_profile_parse_kernel(const char *name, const void *data,
					   size_t len,
					   const struct vds_profile_identity *want,
					   struct vds_profile **ret)
{
	struct vds_loader l = {.want = want};
	if (len > MAX_FILE)
		return vds_error_create(VDS_ERROR_FORMAT,
			"%s:1:1: larger than %zu bytes", name, MAX_FILE);
	struct vds_error *err = vds_model_create(&l.model);
	if (err)
		return err;
	l.model->keep_paths = true;
	err = vds_yaml_open(&l.in, name, data, len);
	if (!err)
		err = read_document(&l);
	if (!err)
		err = finish(&l, data, len, ret);
	vds_yaml_close(&l.in);
	vds_model_destroy(l.model);
	return err;
}

struct vds_error *vds_profile_parse(const char *name, const void *data,
				    size_t len, struct vds_profile **ret)
{
	return vds_profile_parse_kernel(name, data, len, NULL, ret);
}

struct vds_error *vds_profile_load_kernel(const char *path,
					  const struct vds_profile_identity *want,
					  struct vds_profile **ret)
{
	_cleanup_free_ char *data = NULL;
	size_t len;
	struct vds_error *err = vds_file_slurp(path, MAX_FILE, &data, &len);
	if (err)
		return err;
	return vds_profile_parse_kernel(path, data, len, want, ret);
}

struct vds_error *vds_profile_load(const char *path, struct vds_profile **ret)
{
	return vds_profile_load_kernel(path, NULL, ret);
}

struct vds_error *vds_profile_parse_head(const char *name, const void *data,
					 size_t len,
					 struct vds_profile_identity *ret)
{
	struct vds_loader l = {.head_only = true};
	struct vds_error *err = vds_model_create(&l.model);
	if (err)
		return err;
	err = vds_yaml_open(&l.in, name, data, len);
	if (!err)
		err = read_document(&l);
	if (err == &vds_stop)
		err = NULL;
	if (!err)
		*ret = l.identity;
	vds_yaml_close(&l.in);
	vds_model_destroy(l.model);
	return err;
}

struct vds_error *vds_profile_parse_kernels(const char *name, const void *data,
					    size_t len,
					    struct vds_profile_identity **ret,
					    size_t *ret_num)
{
	struct vds_loader l = {.list = true};
	struct vds_error *err = vds_model_create(&l.model);
	if (err)
		return err;
	err = vds_yaml_open(&l.in, name, data, len);
	if (!err)
		err = read_document(&l);
	if (err == &vds_stop)
		err = NULL;
	if (!err && !l.kernels) {
		l.kernels = 1;
		err = list_kernel(&l, &l.identity);
	}
	if (!err) {
		*ret_num = l.kernels;
		*ret = vds_steal(l.listed);
	}
	free(l.listed);
	vds_yaml_close(&l.in);
	vds_model_destroy(l.model);
	return err;
}
