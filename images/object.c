/* SPDX-License-Identifier: Apache-2.0 */
/* The object manager's headers, types and directories. */
#include "world.h"

#include <string.h>

#include "base/bytes.h"

/* Bits of OBJECT_HEADER.InfoMask. */
#define INFO_NAME 0x02u

static const struct {
	const char *name, *tag;
	bool paged;
} types[NUM_OBJECT_TYPES] = {
	[TYPE_TYPE] = { "Type", "ObjT", false },
	[TYPE_DIRECTORY] = { "Directory", "Dire", true },
	[TYPE_SYMLINK] = { "SymbolicLink", "Symb", true },
	[TYPE_TOKEN] = { "Token", "Toke", true },
	[TYPE_JOB] = { "Job", "Job ", false },
	[TYPE_PROCESS] = { "Process", "Proc", false },
	[TYPE_THREAD] = { "Thread", "Thre", false },
	[TYPE_EVENT] = { "Event", "Even", false },
	[TYPE_MUTANT] = { "Mutant", "Muta", false },
	[TYPE_DEVICE] = { "Device", "Devi", false },
	[TYPE_DRIVER] = { "Driver", "Driv", false },
	[TYPE_FILE] = { "File", "File", false },
	[TYPE_SECTION] = { "Section", "Sect", true },
	[TYPE_SESSION] = { "Session", "Sess", false },
	[TYPE_KEY] = { "Key", "Key ", true },
};

const char *object_type_name(enum object_type type)
{
	return types[type].name;
}

static void put_name_info(struct world *w, uint64_t va, const char *name,
			  uint64_t directory)
{
	put(w, &w->kernel, va, "_OBJECT_HEADER_NAME_INFO", "Directory",
	    directory);
	(void)put_text(w, &w->kernel,
		       va + offset_of(w, "_OBJECT_HEADER_NAME_INFO", "Name"),
		       name, 0);
	(void)put_opt(w, &w->kernel, va, "_OBJECT_HEADER_NAME_INFO",
		      "ReferenceCount", 2);
}

uint64_t object_create(struct world *w, enum object_type type, uint64_t at,
		       uint64_t size, const char *name, uint64_t directory)
{
	uint64_t to_body = offset_of(w, "_OBJECT_HEADER", "Body");
	uint64_t before = name ? size_of(w, "_OBJECT_HEADER_NAME_INFO") : 0;
	struct pool *pool = types[type].paged ? &w->paged : &w->nonpaged;
	uint64_t total = before + to_body + size;
	uint64_t block;

	if (w->err)
		return 0;
	if (at == SCENE_AUTO)
		block = pool_alloc(w, pool, total, types[type].tag);
	else
		block = pool_alloc_at(w, at - to_body - before, total,
				      types[type].tag);
	uint64_t header = block + before;
	uint8_t index = (uint8_t)type;
	/* From Windows 10 on, hidden by its own address and a secret byte. */
	if (global(w, "ObHeaderCookie"))
		index = (uint8_t)(index ^ (uint8_t)(header >> 8) ^ w->cookie);
	put(w, &w->kernel, header, "_OBJECT_HEADER", "PointerCount", 0x8001);
	put(w, &w->kernel, header, "_OBJECT_HEADER", "HandleCount", 1);
	put(w, &w->kernel, header, "_OBJECT_HEADER", "TypeIndex", index);
	put(w, &w->kernel, header, "_OBJECT_HEADER", "InfoMask",
	    name ? INFO_NAME : 0);
	if (name)
		put_name_info(w, block, name, directory);
	return header + to_body;
}

static unsigned int num_buckets(struct world *w)
{
	struct vds_field field;
	const struct vds_type *t = vds_profile_type(w->profile,
						    "_OBJECT_DIRECTORY");
	if (!t && w->other)
		t = vds_profile_type(w->other, "_OBJECT_DIRECTORY");
	if (t && vds_type_member(t, "HashBuckets", &field) && field.type &&
	    field.type->kind == VDS_TYPE_ARRAY && field.type->count)
		return (unsigned int)field.type->count;
	world_fail(w, vds_error_create(VDS_ERROR_FORMAT,
		"the profile has no _OBJECT_DIRECTORY.HashBuckets"));
	return 1;
}

/* The object manager's hash of a name: case does not count. */
static uint32_t name_hash(const char *name)
{
	uint8_t utf16[2048];
	size_t len = text_utf16(name, utf16, sizeof(utf16));
	uint32_t hash = 0;

	for (size_t i = 0; i < len; i += 2) {
		uint32_t c = vds_le16(utf16 + i);
		if (c >= 'a' && c <= 'z')
			c -= 'a' - 'A';
		hash += (hash << 1) + (hash >> 1) + c;
	}
	return hash;
}

void directory_add(struct world *w, uint64_t directory, const char *name,
		   uint64_t object)
{
	uint32_t hash = name_hash(name);
	uint64_t entry = pool_alloc(w, &w->paged,
				    size_of(w, "_OBJECT_DIRECTORY_ENTRY"),
				    "ObDi");
	uint64_t bucket = directory +
		offset_of(w, "_OBJECT_DIRECTORY", "HashBuckets") +
		8 * (hash % num_buckets(w));
	uint8_t bytes[8];

	space_read(w, &w->kernel, bucket, bytes, 8);
	put(w, &w->kernel, entry, "_OBJECT_DIRECTORY_ENTRY", "ChainLink",
	    vds_le64(bytes));
	put(w, &w->kernel, entry, "_OBJECT_DIRECTORY_ENTRY", "Object", object);
	(void)put_opt(w, &w->kernel, entry, "_OBJECT_DIRECTORY_ENTRY",
		      "HashValue", hash);
	vds_put_le64(bytes, entry);
	space_write(w, &w->kernel, bucket, bytes, 8);
}

uint64_t directory_get(struct world *w, const char *path)
{
	for (struct directory *d = w->directories; d; d = d->next)
		if (strcmp(d->path, path) == 0)
			return d->va;

	const char *slash = strrchr(path, '\\');
	const char *name = slash ? slash + 1 : path;
	uint64_t parent = 0;
	if (*name) {
		char *up = vds_arena_strndup(&w->arena, path,
			slash == path ? 1 : (size_t)(slash - path));
		if (!up) {
			world_nomem(w);
			return 0;
		}
		parent = directory_get(w, up);
	}
	/* The root's name is a backslash, and it lies in no directory. */
	uint64_t va = object_create(w, TYPE_DIRECTORY, SCENE_AUTO,
				    size_of(w, "_OBJECT_DIRECTORY"),
				    *name ? name : "\\", parent);
	if (parent)
		directory_add(w, parent, name, va);
	struct directory *d = world_alloc(w, sizeof(*d));
	if (!d)
		return 0;
	d->path = path;
	d->va = va;
	d->next = w->directories;
	w->directories = d;
	return va;
}

static void put_type(struct world *w, enum object_type i)
{
	uint64_t va = w->types[i];

	list_init(w, va + offset_of(w, "_OBJECT_TYPE", "TypeList"));
	(void)put_text(w, &w->kernel,
		       va + offset_of(w, "_OBJECT_TYPE", "Name"),
		       types[i].name, 0);
	put(w, &w->kernel, va, "_OBJECT_TYPE", "Index", i);
	(void)put_opt(w, &w->kernel, va, "_OBJECT_TYPE", "Key",
		      (uint64_t)(unsigned char)types[i].tag[0] |
		      (uint64_t)(unsigned char)types[i].tag[1] << 8 |
		      (uint64_t)(unsigned char)types[i].tag[2] << 16 |
		      (uint64_t)(unsigned char)types[i].tag[3] << 24);
}

/* Offset of each optional header below the object header, by InfoMask. */
static void put_info_offsets(struct world *w)
{
	static const char *const infos[] = {
		"_OBJECT_HEADER_CREATOR_INFO", "_OBJECT_HEADER_NAME_INFO",
		"_OBJECT_HEADER_HANDLE_INFO", "_OBJECT_HEADER_QUOTA_INFO",
		"_OBJECT_HEADER_PROCESS_INFO",
	};
	uint64_t va = global(w, "ObpInfoMaskToOffset");
	uint8_t offsets[256] = { 0 };

	for (unsigned int mask = 0; va && mask < sizeof(offsets); mask++)
		for (unsigned int bit = 0; bit < VDS_ARRAY_SIZE(infos); bit++)
			if (mask >> bit & 1 && has_type(w, infos[bit]))
				offsets[mask] = (uint8_t)(offsets[mask] +
					size_of(w, infos[bit]));
	if (va)
		space_write(w, &w->kernel, va, offsets, sizeof(offsets));
}

static void put_device(struct world *w)
{
	uint64_t size = size_of(w, "_DEVICE_OBJECT");
	uint64_t directory = directory_get(w, "\\Device");

	w->device = object_create(w, TYPE_DEVICE, SCENE_AUTO, size,
				  "HarddiskVolume3", directory);
	/* IO_TYPE_DEVICE, FILE_DEVICE_DISK */
	put(w, &w->kernel, w->device, "_DEVICE_OBJECT", "Type", 3);
	put(w, &w->kernel, w->device, "_DEVICE_OBJECT", "Size", size);
	put(w, &w->kernel, w->device, "_DEVICE_OBJECT", "DeviceType", 7);
	directory_add(w, directory, "HarddiskVolume3", w->device);
}

void objects_init(struct world *w)
{
	static const struct {
		const char *symbol;
		enum object_type type;
	} globals[] = {
		{ "ObpTypeObjectType", TYPE_TYPE },
		{ "ObpDirectoryObjectType", TYPE_DIRECTORY },
		{ "PsProcessType", TYPE_PROCESS },
		{ "PsThreadType", TYPE_THREAD },
		{ "IoFileObjectType", TYPE_FILE },
		{ "MmSectionObjectType", TYPE_SECTION },
	};
	uint64_t table = global(w, "ObTypeIndexTable");
	uint8_t bytes[8 * NUM_OBJECT_TYPES] = { 0 };
	uint64_t size = size_of(w, "_OBJECT_TYPE");

	w->cookie = 0xed;
	uint64_t cookie = global(w, "ObHeaderCookie");
	if (cookie)
		space_write(w, &w->kernel, cookie, &w->cookie, 1);
	for (unsigned int i = TYPE_FIRST; i < NUM_OBJECT_TYPES; i++) {
		w->types[i] = object_create(w, TYPE_TYPE, SCENE_AUTO, size,
					    NULL, 0);
		vds_put_le64(bytes + 8 * i, w->types[i]);
	}
	/* Entry 1 is a value that faults when it is used. */
	vds_put_le64(bytes + 8, 0xbad0b0b0);
	for (unsigned int i = TYPE_FIRST; i < NUM_OBJECT_TYPES; i++)
		put_type(w, (enum object_type)i);
	if (table)
		space_write(w, &w->kernel, table, bytes, sizeof(bytes));
	for (size_t i = 0; i < VDS_ARRAY_SIZE(globals); i++)
		(void)put_global(w, globals[i].symbol,
				 w->types[globals[i].type]);
	put_info_offsets(w);
	uint64_t root = directory_get(w, "\\");
	(void)put_global(w, "ObpRootDirectoryObject", root);
	uint64_t directory = directory_get(w, "\\ObjectTypes");
	(void)put_global(w, "ObpTypeDirectoryObject", directory);
	put_device(w);
}
