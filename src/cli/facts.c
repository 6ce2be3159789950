/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/facts.h"

#include <string.h>

#include "base/bytes.h"
#include "base/sha256.h"
#include "base/str.h"
#include "base/util.h"
#include "image/digest.h"

enum {
	TOOL_NAME, TOOL_VERSION, IMAGE_PATH, IMAGE_SIZE, IMAGE_FORMAT,
	IMAGE_DIALECT, IMAGE_SHA256, IMAGE_SHA256_SOURCE, OS_BUILD, OS_REVISION, OS_BUILD_LAB, KERNEL_BASE,
	KERNEL_DTB, KERNEL_DTB_METHOD, PDB_NAME, PDB_GUID, PDB_AGE,
	PROFILE_PATH, PROFILE_SHA256, PROFILE_MATCH, PROFILE_CONFIDENCE,
	TIMESTAMP_SOURCE, MODULE_PATH, MODULE_SHA256, RUN_OPTIONS,
	NUM_FACTS,
};

#define F(path, kind, doc) {path, VDS_KIND_##kind, VDS_COLUMN_KEY, NULL, NULL, \
			    doc, NULL}
const struct vds_column vds_run_start_columns[] = {
	[TOOL_NAME] = F("tool.name", STR, "vadose"),
	[TOOL_VERSION] = F("tool.version", STR, "its version"),
	[IMAGE_PATH] = F("image.path", STR, "as given on the command line"),
	[IMAGE_SIZE] = F("image.size", SIZE, "bytes of the container"),
	[IMAGE_FORMAT] = F("image.format", STR, "container format"),
	[IMAGE_DIALECT] = F("image.dialect", STR, "variant of the format"),
	[IMAGE_SHA256] = F("image.sha256", STR, "of the container's bytes"),
	[IMAGE_SHA256_SOURCE] = F("image.sha256_source", STR,
				  "how that is known: computed (--hash)"),
	[OS_BUILD] = F("os.build", INT, "NT build number"),
	[OS_REVISION] = F("os.revision", INT, "update build revision"),
	[OS_BUILD_LAB] = F("os.build_lab", STR, "NtBuildLab"),
	[KERNEL_BASE] = F("kernel.base", ADDR, "virtual address of the kernel"),
	[KERNEL_DTB] = F("kernel.dtb", ADDR, "physical address of the top table"),
	[KERNEL_DTB_METHOD] = F("kernel.dtb_method", STR, "how that was found"),
	[PDB_NAME] = F("kernel.pdb.name", STR, "symbol file of the kernel"),
	[PDB_GUID] = F("kernel.pdb.guid", STR, "its GUID"),
	[PDB_AGE] = F("kernel.pdb.age", INT, "its age"),
	[PROFILE_PATH] = F("profile.path", STR, "profile in use"),
	[PROFILE_SHA256] = F("profile.sha256", STR, "of the profile's bytes"),
	[PROFILE_MATCH] = F("profile.match", STR, "exact or build"),
	[PROFILE_CONFIDENCE] = F("profile.confidence", STR,
				 "where its layouts come from"),
	[TIMESTAMP_SOURCE] = F("run.timestamp_source", STR,
			       "system_time, acquired_at, container or unknown"),
	[MODULE_PATH] = F("run.module.path", STR, "file of the plugin"),
	[MODULE_SHA256] = F("run.module.sha256", STR, "of that file"),
	[RUN_OPTIONS] = F("run.options", STRS, "as given"),
};
#undef F
const size_t vds_num_run_start_columns = NUM_FACTS;

static void hash_u64(struct vds_sha256 *hash, uint64_t v)
{
	uint8_t bytes[8];
	vds_put_le64(bytes, v);
	vds_sha256_update(hash, bytes, sizeof(bytes));
}

/* Without a kernel, what the container says is all that tells images apart. */
static void hash_ranges(struct vds_sha256 *hash, const struct vds_image *image)
{
	size_t count;
	const struct vds_range *ranges = vds_image_ranges(image, &count);
	hash_u64(hash, vds_image_file_size(image));
	for (size_t i = 0; i < count; i++) {
		hash_u64(hash, ranges[i].pa);
		hash_u64(hash, ranges[i].len);
		hash_u64(hash, ranges[i].kind);
	}
}

void vds_image_fingerprint(const struct vds_kernel *kernel, char out[33])
{
	struct vds_sha256 hash;
	uint8_t digest[VDS_SHA256_SIZE];
	char hex[VDS_SHA256_HEX_SIZE];
	const struct vds_kuser *kuser = &kernel->kuser;
	vds_sha256_init(&hash);
	vds_sha256_update(&hash, "vadose image 1", 15);
	vds_sha256_update(&hash, kernel->pdb.name,
			  strlen(kernel->pdb.name) + 1);
	vds_sha256_update(&hash, kernel->pdb.guid,
			  strlen(kernel->pdb.guid) + 1);
	hash_u64(&hash, kernel->pdb.age);
	hash_u64(&hash, kernel->space.dtb);
	hash_u64(&hash, kernel->base);
	if (!kernel->base)
		hash_ranges(&hash, kernel->image);
	if (kuser->why == VDS_PRESENT) {
		/* The two times together say when it was booted. */
		hash_u64(&hash, kuser->system_time);
		hash_u64(&hash, kuser->interrupt_time);
		hash_u64(&hash, kuser->physical_pages);
	}
	vds_sha256_final(&hash, digest);
	vds_sha256_hex(digest, hex);
	memcpy(out, hex, 32);
	out[32] = 0;
}

/* Text that stays as long as the facts do. */
static struct vds_value keep(struct vds_facts *facts, const char *s)
{
	return vds_str(s && *s ? vds_arena_strdup(&facts->arena, s) : NULL);
}

static struct vds_value known_int(uint64_t v)
{
	return v ? vds_int((int64_t)v) : vds_absent(VDS_NOT_APPLICABLE);
}

static struct vds_error *set_time(struct vds_facts *facts,
				  const struct vds_args *args,
				  const struct vds_kernel *kernel)
{
	uint64_t time = 0;
	const char *source = "unknown";
	const struct vds_image_hints *hints = vds_image_hints(kernel->image);
	/* Wrong is wrong, even where the image's own time makes it needless. */
	if (args->acquired_at && !vds_parse_time(args->acquired_at, &time))
		return vds_error_create(VDS_ERROR_USAGE,
					"--acquired-at: '%s' is not a time "
					"like 2020-10-08T17:21:44Z",
					args->acquired_at);
	if (kernel->kuser.why == VDS_PRESENT && kernel->kuser.system_time) {
		time = kernel->kuser.system_time;
		source = "system_time";
	} else if (args->acquired_at) {
		source = "acquired_at";
	} else if (hints->system_time) {
		time = hints->system_time;
		source = "container";
	}
	char *end = vds_put_time(facts->timestamp, time);
	if (!end) {
		end = vds_put_time(facts->timestamp, 0);
		source = "unknown";
	}
	*end = 0;
	facts->values[TIMESTAMP_SOURCE] = vds_str(source);
	return NULL;
}

static struct vds_error *set_hash(struct vds_facts *facts,
				  const struct vds_image *image)
{
	struct vds_digest digest;
	char hex[VDS_SHA256_HEX_SIZE];
	struct vds_error *err = vds_image_digest_file(image, NULL, &digest);
	/* A folder has no bytes of its own; the record says nothing then. */
	if (err && vds_error_catch(err, VDS_ERROR_UNSUPPORTED))
		return NULL;
	if (err)
		return err;
	vds_sha256_hex(digest.sha256, hex);
	facts->values[IMAGE_SHA256] = keep(facts, hex);
	facts->values[IMAGE_SHA256_SOURCE] = vds_str("computed");
	return NULL;
}

static void set_kernel(struct vds_facts *facts, const struct vds_kernel *kernel)
{
	struct vds_value *v = facts->values;
	if (!kernel->base)
		return;
	v[OS_BUILD] = known_int(kernel->build);
	v[OS_REVISION] = known_int(kernel->revision);
	v[OS_BUILD_LAB] = keep(facts, kernel->build_lab);
	v[KERNEL_BASE] = vds_addr(kernel->base);
	if (!vds_kernel_is_virtual(kernel))
		v[KERNEL_DTB] = vds_addr(kernel->space.dtb);
	v[KERNEL_DTB_METHOD] = vds_str(vds_dtb_method_str(kernel->dtb_method));
	v[PDB_NAME] = keep(facts, kernel->pdb.name);
	v[PDB_GUID] = keep(facts, kernel->pdb.guid);
	v[PDB_AGE] = vds_int(kernel->pdb.age);
	if (!kernel->profile)
		return;
	v[PROFILE_PATH] = keep(facts, vds_profile_path(kernel->profile));
	v[PROFILE_SHA256] = keep(facts, vds_profile_sha256(kernel->profile));
	v[PROFILE_MATCH] = vds_str(kernel->profile_exact ? "exact" : "build");
	v[PROFILE_CONFIDENCE] = vds_str(
		vds_profile_identity(kernel->profile)->confidence ==
				VDS_PROFILE_SYMBOLS ? "symbols" : "published");
}

/* "name=value" for each option that was given. */
static bool add_option(struct vds_str *list, const struct vds_option *option,
		       const struct vds_option_value *value)
{
	vds_str_puts(list, option->name);
	switch (option->kind) {
	case VDS_OPTION_FLAG:
		break;
	case VDS_OPTION_UINT:
	case VDS_OPTION_SIZE:
		vds_str_printf(list, "=0x%llx", (unsigned long long)value->u);
		break;
	case VDS_OPTION_UINTS:
		for (size_t i = 0; i < value->count; i++)
			vds_str_printf(list, "%s0x%llx", i ? "," : "=",
				       (unsigned long long)value->ints[i]);
		break;
	case VDS_OPTION_STRS:
		for (size_t i = 0; i < value->count; i++)
			vds_str_printf(list, "%s%s", i ? "," : "=",
				       value->strs[i]);
		break;
	case VDS_OPTION_STR:
	case VDS_OPTION_ENUM:
		vds_str_printf(list, "=%s", value->s);
		break;
	}
	vds_str_append(list, "", 1);
	return !list->failed;
}

static void add_text(struct vds_str *list, const char *name, const char *text)
{
	if (!text)
		return;
	vds_str_printf(list, "%s=%s", name, text);
	vds_str_append(list, "", 1);
}

static void add_list(struct vds_str *list, const char *name,
		     const struct vds_list *items)
{
	for (size_t i = 0; i < items->count; i++)
		add_text(list, name, items->items[i]);
}

/* What decides about the rows; threads and paths of output don't. */
static bool list_options(struct vds_str *list, const struct vds_args *args,
			 const struct vds_options *options)
{
	char limit[VDS_NUMBER_MAX];
	add_list(list, "pid", &args->pids);
	add_list(list, "process", &args->processes);
	add_list(list, "where", &args->where);
	add_text(list, "fields", args->fields);
	add_text(list, "sort", args->sort);
	*vds_put_u64(limit, args->limit) = 0;
	add_text(list, "limit", args->limit ? limit : NULL);
	for (size_t i = 0; i < options->count; i++) {
		if (options->values[i].given &&
		    !add_option(list, &options->decls[i], &options->values[i]))
			return false;
	}
	return !list->failed;
}

static struct vds_error *set_options(struct vds_facts *facts,
				     const struct vds_args *args,
				     const struct vds_options *options)
{
	_cleanup_(vds_str_deinit) struct vds_str list = {0};
	if (!list_options(&list, args, options))
		return &vds_enomem;
	if (!list.len)
		return NULL;
	char *copy = vds_arena_strndup(&facts->arena, list.data, list.len);
	if (!copy)
		return &vds_enomem;
	facts->values[RUN_OPTIONS] = (struct vds_value){
		.kind = VDS_KIND_STRS, .count = (uint32_t)list.len, .s = copy};
	return NULL;
}

struct vds_error *vds_facts_init(struct vds_facts *facts,
				 const struct vds_args *args,
				 const struct vds_image *image,
				 const struct vds_kernel *kernel,
				 const struct vds_plugin_entry *plugin,
				 const struct vds_options *options)
{
	const struct vds_plugin record = {
		.name = plugin->name,
		.record = "run_start",
		.columns = vds_run_start_columns,
		.num_columns = NUM_FACTS,
	};
	*facts = (struct vds_facts){0};
	struct vds_value *v = facts->values;
	v[TOOL_NAME] = vds_str("vadose");
	v[TOOL_VERSION] = vds_str(VDS_VERSION);
	v[IMAGE_PATH] = keep(facts, vds_image_path(image));
	v[IMAGE_SIZE] = vds_size(vds_image_file_size(image));
	v[IMAGE_FORMAT] = vds_str(vds_image_format_name(image));
	v[IMAGE_DIALECT] = keep(facts, vds_image_dialect(image));
	v[MODULE_PATH] = vds_str(plugin->path);
	v[MODULE_SHA256] = vds_str(plugin->path ? plugin->sha256 : NULL);
	vds_image_fingerprint(kernel, facts->image_id);
	set_kernel(facts, kernel);
	struct vds_error *err = set_time(facts, args, kernel);
	if (!err && args->hash)
		err = set_hash(facts, image);
	if (!err)
		err = set_options(facts, args, options);
	if (!err)
		err = vds_schema_init(&facts->schema, &record);
	if (err)
		vds_facts_deinit(facts);
	return err;
}

void vds_facts_deinit(struct vds_facts *facts)
{
	vds_schema_deinit(&facts->schema);
	vds_arena_deinit(&facts->arena);
}
