/* SPDX-License-Identifier: Apache-2.0 */
/* What handles lead to besides sections, files and processes. */
#include "world.h"

#include <string.h>

#include "base/bytes.h"

/* CM_KEY_BODY.Type: "ky02" */
#define KEY_BODY_TYPE 0x6b793032u

/* One part of a key's path; a byte per character if that is enough. */
static uint64_t put_key_name(struct world *w, const char *name)
{
	static const char type[] = "_CM_NAME_CONTROL_BLOCK";
	uint8_t utf16[1024], bytes[512];
	size_t len = text_utf16(name, utf16, sizeof(utf16));
	bool narrow = true;

	for (size_t i = 0; i < len / 2; i++) {
		narrow &= !utf16[2 * i + 1];
		bytes[i] = utf16[2 * i];
	}
	uint64_t va = pool_alloc(w, &w->paged, size_of(w, type) + len, "CMNb");
	put(w, &w->kernel, va, type, "Compressed", narrow);
	put(w, &w->kernel, va, type, "NameLength", narrow ? len / 2 : len);
	space_write(w, &w->kernel, va + offset_of(w, type, "Name"),
		    narrow ? bytes : utf16, narrow ? len / 2 : len);
	return va;
}

/* The key control block of @path, "\REGISTRY\MACHINE\X", and those above. */
static uint64_t put_key_block(struct world *w, const char *path)
{
	static const char type[] = "_CM_KEY_CONTROL_BLOCK";
	uint64_t parent = 0;

	while (*path == '\\') {
		size_t len = strcspn(path + 1, "\\");
		char *name = vds_arena_strndup(&w->arena, path + 1, len);
		if (!name) {
			world_nomem(w);
			return 0;
		}
		uint64_t va = pool_alloc(w, &w->paged, size_of(w, type),
					 "CMkb");
		put(w, &w->kernel, va, type, "ParentKcb", parent);
		put(w, &w->kernel, va, type, "NameBlock",
		    put_key_name(w, name));
		parent = va;
		path += 1 + len;
	}
	return parent;
}

static uint64_t put_key(struct world *w, const struct handle *h)
{
	static const char type[] = "_CM_KEY_BODY";

	/* No symbols of 22621 and later: their keys can't be written. */
	if (!has_type(w, type))
		return object_create(w, TYPE_KEY, SCENE_AUTO, 0x70, NULL, 0);
	uint64_t va = object_create(w, TYPE_KEY, SCENE_AUTO, size_of(w, type),
				    NULL, 0);
	put(w, &w->kernel, va, type, "Type", KEY_BODY_TYPE);
	put(w, &w->kernel, va, type, "KeyControlBlock",
	    put_key_block(w, h->name));
	put(w, &w->kernel, va, type, "ProcessID", h->owner->pid);
	return va;
}

/* An object without more than a name, in its directory if it has one. */
static uint64_t put_named(struct world *w, const struct handle *h,
			  enum object_type type)
{
	const char *slash = strrchr(h->name, '\\');

	if (!slash)
		return object_create(w, type, SCENE_AUTO, 0x40, NULL, 0);
	char *up = vds_arena_strndup(&w->arena, h->name,
				     slash == h->name
				     ? 1 : (size_t)(slash - h->name));
	if (!up) {
		world_nomem(w);
		return 0;
	}
	uint64_t directory = directory_get(w, up);
	uint64_t va = object_create(w, type, SCENE_AUTO, 0x40, slash + 1,
				    directory);
	directory_add(w, directory, slash + 1, va);
	return va;
}

/* Who opens a device itself gets a file object without a file's name. */
static uint64_t put_device_file(struct world *w)
{
	static const char type[] = "_FILE_OBJECT";
	uint64_t va = object_create(w, TYPE_FILE, SCENE_AUTO, size_of(w, type),
				    NULL, 0);

	put(w, &w->kernel, va, type, "Type", 5);
	put(w, &w->kernel, va, type, "Size", size_of(w, type));
	put(w, &w->kernel, va, type, "DeviceObject", w->device);
	return va;
}

uint64_t handle_object(struct world *w, const struct handle *h)
{
	const struct process *p = scene_find_process(w->scene, h->pid);

	switch (h->kind) {
	case OBJECT_SECTION:
		return h->section->object_va;
	case OBJECT_FILE:
		return h->section->file_object;
	case OBJECT_PROCESS:
		return p ? p->eprocess : 0;
	case OBJECT_THREAD:
		return p ? p->ethread : 0;
	case OBJECT_TOKEN:
		return p ? p->token : 0;
	case OBJECT_KEY:
		return put_key(w, h);
	case OBJECT_EVENT:
		return put_named(w, h, TYPE_EVENT);
	case OBJECT_MUTANT:
		return put_named(w, h, TYPE_MUTANT);
	case OBJECT_DIRECTORY:
		return directory_get(w, h->name);
	case OBJECT_DEVICE:
		return put_device_file(w);
	}
	return 0;
}
