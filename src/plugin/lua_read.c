/* SPDX-License-Identifier: Apache-2.0 */
/* Memory, kernel structures, options and notes for scripts: reading only. */
#include "plugin/lua_state.h"

#include <string.h>

#include "base/bytes.h"
#include "plugin/session.h"
#include "vadose/record.h"

/* Bytes of one read. */
#define MAX_READ ((lua_Integer)1 << 20)

/* nil and the reason. */
static int absent(lua_State *L, enum vds_why why)
{
	lua_pushnil(L);
	vds_lua_push_why(L, why);
	return 2;
}

static size_t check_len(lua_State *L, int index, lua_Integer max)
{
	lua_Integer len = luaL_checkinteger(L, index);

	luaL_argcheck(L, len >= 0 && len <= max, index, "too many bytes");
	return (size_t)len;
}

static enum vds_why fetch(struct vds_lua *lua,
			  const struct vds_process *process, uint64_t va,
			  void *to, size_t len)
{
	return process ? vds_process_read(process, va, to, len) :
			 vds_kernel_read(lua->run, va, to, len);
}

/* @process NULL: kernel memory. Arguments from @first: va, len. */
static int read_bytes(lua_State *L, const struct vds_process *process,
		      int first)
{
	struct vds_lua *lua = vds_lua_live(L);
	uint64_t va = (uint64_t)luaL_checkinteger(L, first);
	size_t len = check_len(L, first + 1, MAX_READ);
	luaL_Buffer buffer;
	char *to = luaL_buffinitsize(L, &buffer, len);
	enum vds_why why = fetch(lua, process, va, to, len);

	lua->spent += len;
	if (why)
		return absent(L, why);
	luaL_pushresultsize(&buffer, len);
	return 1;
}

/* Arguments from @first: va, size. */
static int read_uint(lua_State *L, const struct vds_process *process,
		     int first)
{
	struct vds_lua *lua = vds_lua_live(L);
	uint64_t va = (uint64_t)luaL_checkinteger(L, first);
	lua_Integer size = luaL_checkinteger(L, first + 1);
	uint8_t raw[8];

	luaL_argcheck(L, size == 1 || size == 2 || size == 4 || size == 8,
		      first + 1, "1, 2, 4 or 8");
	enum vds_why why = fetch(lua, process, va, raw, (size_t)size);
	if (why)
		return absent(L, why);
	lua_pushinteger(L, (lua_Integer)vds_le(raw, (size_t)size));
	return 1;
}

/* The text of a UNICODE_STRING. It is the run's: hence a cap of its own. */
static int read_string(lua_State *L, const struct vds_process *process,
		       int index)
{
	struct vds_lua *lua = vds_lua_live(L);
	uint64_t va = (uint64_t)luaL_checkinteger(L, index);
	const char *text = NULL;
	enum vds_why why = process ?
		vds_process_unicode_string(lua->run, process, va, &text) :
		vds_kernel_unicode_string(lua->run, va, &text);

	if (why || !text)
		return absent(L, why ? why : VDS_NOT_APPLICABLE);
	vds_lua_hold(L, strlen(text) + 64);
	lua_pushstring(L, text);
	return 1;
}

static int process_read(lua_State *L)
{
	return read_bytes(L, vds_lua_to_process(L, 1), 2);
}

static int process_uint(lua_State *L)
{
	return read_uint(L, vds_lua_to_process(L, 1), 2);
}

static int process_string(lua_State *L)
{
	return read_string(L, vds_lua_to_process(L, 1), 2);
}

/* process:vad(va): the VAD that covers it. */
static int process_vad(lua_State *L)
{
	const struct vds_process *process = vds_lua_to_process(L, 1);
	struct vds_vad vad;

	vds_lua_live(L);
	enum vds_why why = vds_vad_find(
		process, (uint64_t)luaL_checkinteger(L, 2), &vad);
	if (why)
		return absent(L, why);
	vds_lua_push_vad(L, &vad);
	return 1;
}

static int kernel_read(lua_State *L)
{
	return read_bytes(L, NULL, 1);
}

static int kernel_uint(lua_State *L)
{
	return read_uint(L, NULL, 1);
}

static int kernel_string(lua_State *L)
{
	return read_string(L, NULL, 1);
}

static int kernel_symbol(lua_State *L)
{
	struct vds_lua *lua = vds_lua_live(L);
	uint64_t va;
	enum vds_why why = vds_symbol_address(lua->run, luaL_checkstring(L, 1),
					      &va);

	if (why)
		return absent(L, why);
	lua_pushinteger(L, (lua_Integer)va);
	return 1;
}

/* kernel.member(va, type, path) */
static int kernel_member(lua_State *L)
{
	struct vds_lua *lua = vds_lua_live(L);
	uint64_t va = (uint64_t)luaL_checkinteger(L, 1), value;
	const struct vds_type *type =
		vds_type_find(lua->run, luaL_checkstring(L, 2));
	const char *path = luaL_checkstring(L, 3);
	enum vds_why why = type ? vds_kernel_member(lua->run, va, type, path,
						    &value) : VDS_NO_FIELD;

	if (why)
		return absent(L, why);
	lua_pushinteger(L, (lua_Integer)value);
	return 1;
}

/* Whether the VAD's protection allows something. */
static int vad_allows(lua_State *L, bool allowed(uint32_t protection))
{
	lua_pushboolean(L, allowed(vds_lua_to_vad(L, 1)->protection));
	return 1;
}

static int vad_readable(lua_State *L)
{
	return vad_allows(L, vds_protection_readable);
}

static int vad_writable(lua_State *L)
{
	return vad_allows(L, vds_protection_writable);
}

static int vad_executable(lua_State *L)
{
	return vad_allows(L, vds_protection_executable);
}

static int vad_copy_on_write(lua_State *L)
{
	return vad_allows(L, vds_protection_copy_on_write);
}

/* vad:section(), or nil and why there is none. */
static int vad_section(lua_State *L)
{
	const struct vds_vad *vad = vds_lua_to_vad(L, 1);
	struct vds_lua *lua = vds_lua_live(L);
	const struct vds_section *section =
		vds_vad_section(lua->process, vad);

	if (!section)
		return absent(L, vad->section_why ? vad->section_why :
						    VDS_NOT_APPLICABLE);
	vds_lua_push_section(L, section);
	return 1;
}

static void push_list(lua_State *L, const struct vds_option_value *value,
		      bool numbers)
{
	lua_newtable(L);
	for (size_t i = 0; i < value->count; i++) {
		if (numbers)
			lua_pushinteger(L, (lua_Integer)value->ints[i]);
		else
			lua_pushstring(L, value->strs[i]);
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
}

/* option(name): its value, nil if it isn't set. */
static int option(lua_State *L)
{
	struct vds_lua *lua = vds_lua_live(L);
	const char *name = luaL_checkstring(L, 1);
	const struct vds_options *options = lua->run->session->options;
	int index = vds_options_find(options, name);

	if (index < 0)
		return luaL_error(L, "no option is called '%s'", name);
	const struct vds_option_value *value = vds_options_get(options, name);
	enum vds_option_kind kind = options->decls[index].kind;
	if (kind == VDS_OPTION_FLAG)
		lua_pushboolean(L, value && value->u);
	else if (!value)
		lua_pushnil(L);
	else if (kind == VDS_OPTION_UINT || kind == VDS_OPTION_SIZE)
		lua_pushinteger(L, (lua_Integer)value->u);
	else if (kind == VDS_OPTION_UINTS || kind == VDS_OPTION_STRS)
		push_list(L, value, kind == VDS_OPTION_UINTS);
	else
		lua_pushstring(L, value->s);
	return 1;
}

/* note(kind, object, text) */
static int note(lua_State *L)
{
	struct vds_lua *lua = vds_lua_live(L);
	const char *kind = luaL_checkstring(L, 1);
	uint64_t object = (uint64_t)luaL_checkinteger(L, 2);
	const char *text = luaL_checkstring(L, 3);
	size_t len = strspn(kind, "abcdefghijklmnopqrstuvwxyz0123456789_");

	luaL_argcheck(L, len && len < 64 && !kind[len], 1,
		      "[a-z0-9_]+ of at most 63 characters");
	/* What was read from memory may be anything. */
	luaL_argcheck(L, vds_lua_is_text(text, strlen(text)), 3,
		      "it isn't UTF-8 (utf8.len tells)");
	vds_lua_hold(L, strlen(text) + len + 64);
	vds_run_note(lua->run, kind, object, "%s", text);
	return 0;
}

const luaL_Reg vds_lua_process_methods[] = {
	{"read", process_read},
	{"uint", process_uint},
	{"string", process_string},
	{"vad", process_vad},
	{"vads", vds_lua_process_vads},
	{NULL, NULL},
};

const luaL_Reg vds_lua_vad_methods[] = {
	{"readable", vad_readable},
	{"writable", vad_writable},
	{"executable", vad_executable},
	{"copy_on_write", vad_copy_on_write},
	{"section", vad_section},
	{NULL, NULL},
};

void vds_lua_open_reads(lua_State *L)
{
	static const luaL_Reg kernel[] = {
		{"read", kernel_read},
		{"uint", kernel_uint},
		{"string", kernel_string},
		{"symbol", kernel_symbol},
		{"member", kernel_member},
		{NULL, NULL},
	};

	luaL_newlib(L, kernel);
	lua_setglobal(L, "kernel");
	lua_pushcfunction(L, option);
	lua_setglobal(L, "option");
	lua_pushcfunction(L, note);
	lua_setglobal(L, "note");
}
