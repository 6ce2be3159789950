/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Processes, VADs and sections as a script sees them: userdata whose fields can
 * be read. A value that is absent is nil, and object:why(name) says why.
 */
#include "plugin/lua_state.h"

#include <stddef.h>
#include <string.h>

#define PROCESS "process"
#define VAD "vad"
#define SECTION "section"

/* What lies at a field's offset, and what it is to a script. */
enum form {
	FORM_BOOL,
	FORM_U32,
	FORM_U64,
	FORM_SET,		/* uint64_t of which 0 is none */
	FORM_TEXT,		/* const char *, NULL is none */
	FORM_TAG,		/* char [], "" is none */
	FORM_SIZE,		/* bytes of the VAD whose start is there */
	FORM_TYPE,		/* enum vds_vad_type */
	FORM_PROTECTION,	/* uint32_t, 5 bits */
	FORM_BACKING,		/* enum vds_backing */
};

#define NO_WHY (-1)

struct field {
	const char *name;
	enum form form;
	size_t offset;
	int why;		/* offset of the reason beside it, or NO_WHY */
};

#define F(type, member, form)						\
	{#member, form, offsetof(struct type, member), NO_WHY}
#define W(type, member, form, why)					\
	{#member, form, offsetof(struct type, member),			\
	 (int)offsetof(struct type, why)}
#define N(type, name, member, form)					\
	{name, form, offsetof(struct type, member), NO_WHY}

static const struct field process_fields[] = {
	F(vds_process, pid, FORM_U32),
	F(vds_process, ppid, FORM_U32),
	F(vds_process, eprocess, FORM_U64),
	F(vds_process, dtb, FORM_SET),
	F(vds_process, user_dtb, FORM_SET),
	F(vds_process, create_time, FORM_SET),
	F(vds_process, exit_time, FORM_SET),
	F(vds_process, peb, FORM_SET),
	F(vds_process, peb32, FORM_SET),
	F(vds_process, vad_root, FORM_SET),
	W(vds_process, vad_count, FORM_U64, vad_count_why),
	F(vds_process, object_table, FORM_SET),
	F(vds_process, section_object, FORM_SET),
	F(vds_process, image_base, FORM_SET),
	W(vds_process, session, FORM_U32, session_why),
	F(vds_process, threads, FORM_U32),
	F(vds_process, sources, FORM_U32),
	F(vds_process, wow64, FORM_BOOL),
	F(vds_process, exited, FORM_BOOL),
	W(vds_process, name, FORM_TEXT, name_why),
	W(vds_process, path, FORM_TEXT, path_why),
	W(vds_process, image_file_name, FORM_TEXT, image_file_name_why),
	{0}
};

static const struct field vad_fields[] = {
	F(vds_vad, node, FORM_U64),
	F(vds_vad, parent, FORM_SET),
	F(vds_vad, left, FORM_SET),
	F(vds_vad, right, FORM_SET),
	F(vds_vad, start, FORM_U64),
	N(vds_vad, "last", end, FORM_U64),	/* "end" is a word of Lua */
	{"size", FORM_SIZE, offsetof(struct vds_vad, start),
	 (int)offsetof(struct vds_vad, range_why)},
	F(vds_vad, level, FORM_U32),
	W(vds_vad, tag, FORM_TAG, tag_why),
	F(vds_vad, type, FORM_TYPE),
	F(vds_vad, protection, FORM_PROTECTION),
	N(vds_vad, "protection_code", protection, FORM_U32),
	F(vds_vad, is_private, FORM_BOOL),
	F(vds_vad, mem_commit, FORM_BOOL),
	W(vds_vad, commit, FORM_U64, commit_why),
	F(vds_vad, has_section, FORM_BOOL),
	W(vds_vad, subsection, FORM_SET, section_why),
	W(vds_vad, first_prototype_pte, FORM_SET, section_why),
	W(vds_vad, last_contiguous_pte, FORM_SET, section_why),
	W(vds_vad, file_object, FORM_SET, section_why),
	W(vds_vad, vads_process, FORM_SET, section_why),
	W(vds_vad, file_offset, FORM_U64, file_offset_why),
	{0}
};

static const struct field section_fields[] = {
	F(vds_section, control_area, FORM_U64),
	W(vds_section, segment, FORM_SET, why),
	W(vds_section, total_ptes, FORM_U64, why),
	W(vds_section, size, FORM_U64, size_why),
	W(vds_section, backing, FORM_BACKING, why),
	W(vds_section, flags, FORM_U32, why),
	W(vds_section, mapped_views, FORM_U64, why),
	W(vds_section, section_references, FORM_U64, why),
	W(vds_section, user_references, FORM_U64, why),
	W(vds_section, pfn_references, FORM_U64, why),
	W(vds_section, file_deleted, FORM_BOOL, why),
	W(vds_section, file_object, FORM_SET, why),
	W(vds_section, file_identity, FORM_SET, why),
	W(vds_section, file_name, FORM_TEXT, file_name_why),
	W(vds_section, creator_pid, FORM_U32, creator_why),
	{0}
};

static const struct field *find(const struct field *fields, const char *name)
{
	for (; fields->name; fields++) {
		if (!strcmp(fields->name, name))
			return fields;
	}
	return NULL;
}

/* Addresses past 2^63 - 1 are negative numbers, as Lua has no unsigned ones. */
static void push_u64(lua_State *L, uint64_t value)
{
	lua_pushinteger(L, (lua_Integer)value);
}

static void push_words(lua_State *L, const char *object, enum form form,
		       const char *at)
{
	const struct vds_vad *vad = (const void *)object;
	const struct vds_section *section = (const void *)object;

	switch (form) {
	case FORM_TYPE:
		lua_pushstring(L, vds_vad_type_str(vad->type,
						   vad->is_private));
		break;
	case FORM_PROTECTION:
		lua_pushstring(L, vds_protection_str(vad->protection));
		break;
	case FORM_BACKING:
		lua_pushstring(L, vds_backing_str(section->backing));
		break;
	default:
		lua_pushstring(L, *at ? at : NULL);	/* FORM_TAG */
		break;
	}
}

/* The field's value, or nil. */
static void push_field(lua_State *L, const char *object,
		       const struct field *field)
{
	const char *at = object + field->offset;
	const struct vds_vad *vad = (const void *)object;
	uint32_t u32;
	uint64_t u64;

	switch (field->form) {
	case FORM_BOOL:
		lua_pushboolean(L, *(const bool *)at);
		break;
	case FORM_U32:
		memcpy(&u32, at, sizeof(u32));
		lua_pushinteger(L, u32);
		break;
	case FORM_SIZE:
		push_u64(L, vad->end - vad->start + 1);
		break;
	case FORM_U64:
	case FORM_SET:
		memcpy(&u64, at, sizeof(u64));
		if (u64 || field->form == FORM_U64)
			push_u64(L, u64);
		else
			lua_pushnil(L);
		break;
	case FORM_TEXT:
		lua_pushstring(L, *(const char *const *)at);
		break;
	default:
		push_words(L, object, field->form, at);
		break;
	}
}

static enum vds_why field_why(const char *object, const struct field *field)
{
	enum vds_why why = VDS_PRESENT;

	if (field->why != NO_WHY)
		memcpy(&why, object + field->why, sizeof(why));
	return why;
}

/* Upvalue 1: the fields, 2: the methods, by name. */
static const struct field *arguments(lua_State *L, const char **ret_object)
{
	const struct field *fields = lua_touserdata(L, lua_upvalueindex(1));
	const char *type = lua_tostring(L, lua_upvalueindex(3));
	char *object = luaL_checkudata(L, 1, type);
	const char *name = luaL_checkstring(L, 2);
	const struct field *field = find(fields, name);

	/* Processes and sections are the host's; a VAD is a copy. */
	*ret_object = strcmp(type, VAD) ? *(const char **)object : object;
	return field;
}

static int object_index(lua_State *L)
{
	const char *object;

	luaL_checkany(L, 2);
	lua_pushvalue(L, 2);
	if (lua_rawget(L, lua_upvalueindex(2)) != LUA_TNIL)
		return 1;
	const struct field *field = arguments(L, &object);
	if (!field)
		return luaL_error(L, "a %s has no field '%s'",
				  lua_tostring(L, lua_upvalueindex(3)),
				  lua_tostring(L, 2));
	if (field_why(object, field))
		lua_pushnil(L);
	else
		push_field(L, object, field);
	return 1;
}

/* object:why(name): nil if the value is there. */
static int object_why(lua_State *L)
{
	const char *object;
	const struct field *field = arguments(L, &object);

	if (!field)
		return luaL_error(L, "a %s has no field '%s'",
				  lua_tostring(L, lua_upvalueindex(3)),
				  lua_tostring(L, 2));
	enum vds_why why = field_why(object, field);
	if (!why) {
		push_field(L, object, field);
		why = lua_isnil(L, -1) ? VDS_NOT_APPLICABLE : VDS_PRESENT;
	}
	if (why)
		vds_lua_push_why(L, why);
	else
		lua_pushnil(L);
	return 1;
}

static int object_newindex(lua_State *L)
{
	return luaL_error(L, "a %s can't be changed",
			  lua_tostring(L, lua_upvalueindex(3)));
}

static int object_text(lua_State *L)
{
	lua_pushvalue(L, lua_upvalueindex(3));
	return 1;
}

/* The metatable of the objects called @type. */
static void open_type(lua_State *L, const char *type,
		      const struct field *fields, const luaL_Reg *methods)
{
	static const luaL_Reg events[] = {
		{"__index", object_index}, {"__newindex", object_newindex},
		{"__tostring", object_text}, {"why", object_why},
		{NULL, NULL}};

	luaL_newmetatable(L, type);
	lua_pushlightuserdata(L, (void *)(uintptr_t)fields);
	lua_newtable(L);
	if (methods)
		luaL_setfuncs(L, methods, 0);
	lua_pushvalue(L, -1);
	lua_insert(L, -4);	/* methods, metatable, fields, methods */
	lua_pushstring(L, type);
	luaL_setfuncs(L, events, 3);
	lua_pushboolean(L, 0);
	lua_setfield(L, -2, "__metatable");
	/* why() needs the upvalues, but it is a method. */
	lua_getfield(L, -1, "why");
	lua_setfield(L, -3, "why");
	lua_pop(L, 2);
}

static int why_text(lua_State *L)
{
	uintptr_t why = (uintptr_t)lua_touserdata(L, 1);

	lua_pushstring(L, vds_why_str((enum vds_why)why));
	return 1;
}

void vds_lua_push_why(lua_State *L, enum vds_why why)
{
	lua_pushlightuserdata(L, (void *)(uintptr_t)why);
}

/* The global `absent`: the reasons by name, for scripts that give their own. */
static void open_reasons(lua_State *L)
{
	static const char *const names[VDS_NUM_WHY] = {
		[VDS_NOT_APPLICABLE] = "not_applicable",
		[VDS_NOT_IN_IMAGE] = "not_in_image",
		[VDS_PAGED_OUT] = "paged_out",
		[VDS_NOT_MAPPED] = "not_mapped",
		[VDS_BAD_ADDRESS] = "bad_address",
		[VDS_BAD_DATA] = "bad_data",
		[VDS_NO_FIELD] = "no_field",
	};

	/* All light userdata share one metatable; there are no others. */
	vds_lua_push_why(L, VDS_NOT_APPLICABLE);
	lua_newtable(L);
	lua_pushcfunction(L, why_text);
	lua_setfield(L, -2, "__tostring");
	lua_pushboolean(L, 0);
	lua_setfield(L, -2, "__metatable");
	lua_setmetatable(L, -2);
	lua_pop(L, 1);
	lua_newtable(L);
	for (int why = VDS_NOT_APPLICABLE; why < VDS_NUM_WHY; why++) {
		vds_lua_push_why(L, (enum vds_why)why);
		lua_setfield(L, -2, names[why]);
	}
	lua_setglobal(L, "absent");
}

void vds_lua_open_objects(lua_State *L)
{
	open_type(L, PROCESS, process_fields, vds_lua_process_methods);
	open_type(L, VAD, vad_fields, vds_lua_vad_methods);
	open_type(L, SECTION, section_fields, NULL);
	open_reasons(L);
}

void vds_lua_push_process(lua_State *L, const struct vds_process *process)
{
	const struct vds_process **to =
		lua_newuserdatauv(L, sizeof(*to), 0);

	*to = process;
	luaL_setmetatable(L, PROCESS);
}

/* A copy: the iterator's own lasts for two steps only. */
void vds_lua_push_vad(lua_State *L, const struct vds_vad *vad)
{
	struct vds_vad *to = lua_newuserdatauv(L, sizeof(*to), 0);

	*to = *vad;
	luaL_setmetatable(L, VAD);
}

void vds_lua_push_section(lua_State *L, const struct vds_section *section)
{
	const struct vds_section **to =
		lua_newuserdatauv(L, sizeof(*to), 0);

	*to = section;
	luaL_setmetatable(L, SECTION);
}

const struct vds_process *vds_lua_to_process(lua_State *L, int index)
{
	return *(const struct vds_process **)luaL_checkudata(L, index,
							     PROCESS);
}

const struct vds_vad *vds_lua_to_vad(lua_State *L, int index)
{
	return luaL_checkudata(L, index, VAD);
}
