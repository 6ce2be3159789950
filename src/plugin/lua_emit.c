/* SPDX-License-Identifier: Apache-2.0 */
/* emit{...}: a table becomes a row. Its strings and lists stay Lua's. */
#include "plugin/lua_state.h"

#include <string.h>

#include "base/str.h"
#include "plugin/session.h"

/* Checking, escaping and writing a byte, next to passing over it. */
#define WRITING 32
/* Elements of one list, or bytes of one string. */
#define MAX_COUNT ((size_t)16 << 20)

bool vds_lua_is_text(const char *bytes, size_t len)
{
	size_t at = 0;

	while (at < len) {
		size_t before = at;
		/* An invalid byte is one U+FFFD, which itself has three. */
		if (vds_utf8_next(bytes, len, &at) == 0xfffd &&
		    at == before + 1)
			return false;
	}
	return true;
}

static int wrong(lua_State *L, const struct vds_column *column,
		 const char *wanted)
{
	return luaL_error(L, "emit: %s wants %s, not a %s", column->name,
			  wanted, luaL_typename(L, -1));
}

static struct vds_value number(lua_State *L, const struct vds_column *column)
{
	struct vds_value value = {.kind = (uint8_t)column->kind};
	int is_integer;

	value.i = lua_tointegerx(L, -1, &is_integer);
	if (!is_integer || lua_type(L, -1) != LUA_TNUMBER)
		wrong(L, column, "an integer");
	if (value.kind == VDS_KIND_TIME)
		return vds_time(value.u);
	return value;
}

static struct vds_value text(lua_State *L, const struct vds_column *column)
{
	size_t len;

	if (lua_type(L, -1) != LUA_TSTRING)
		wrong(L, column, "a string");
	const char *s = lua_tolstring(L, -1, &len);
	if (len > MAX_COUNT)
		luaL_error(L, "emit: %s is too long", column->name);
	/* Bytes out of memory that only claim to be text. */
	if (column->kind != VDS_KIND_BYTES && !vds_lua_is_text(s, len))
		return vds_absent(VDS_BAD_DATA);
	return (struct vds_value){.kind = (uint8_t)column->kind,
				  .count = (uint32_t)len, .s = s};
}

/* The list at the top of the stack, whose memory takes its place. */
static struct vds_value integers(lua_State *L, const struct vds_column *column)
{
	if (!lua_istable(L, -1))
		wrong(L, column, "a table of integers");
	size_t count = lua_rawlen(L, -1);
	if (count > MAX_COUNT)
		luaL_error(L, "emit: %s is too long", column->name);
	uint64_t *list = lua_newuserdatauv(L, count * sizeof(*list) + 1, 0);
	for (size_t i = 0; i < count; i++) {
		int is_integer;
		lua_rawgeti(L, -2, (lua_Integer)i + 1);
		list[i] = (uint64_t)lua_tointegerx(L, -1, &is_integer);
		if (!is_integer)
			wrong(L, column, "a table of integers");
		lua_pop(L, 1);
	}
	lua_remove(L, -2);
	return vds_ints(list, (uint32_t)count, false);
}

/* Strings, each ended by NUL, one after the other. */
static struct vds_value strings(lua_State *L, const struct vds_column *column)
{
	luaL_Buffer buffer;
	size_t len;

	if (!lua_istable(L, -1))
		wrong(L, column, "a table of strings");
	int list = lua_gettop(L);
	size_t count = lua_rawlen(L, list);
	luaL_buffinit(L, &buffer);
	for (size_t i = 0; i < count; i++) {
		if (lua_rawgeti(L, list, (lua_Integer)i + 1) != LUA_TSTRING)
			wrong(L, column, "a table of strings");
		const char *s = lua_tolstring(L, -1, &len);
		if (memchr(s, 0, len) || !vds_lua_is_text(s, len))
			luaL_error(L, "emit: %s has an element that is no "
				   "text", column->name);
		luaL_addvalue(&buffer);
		luaL_addchar(&buffer, 0);
	}
	luaL_pushresult(&buffer);
	lua_remove(L, list);
	const char *all = lua_tolstring(L, -1, &len);
	if (len > MAX_COUNT)
		luaL_error(L, "emit: %s is too long", column->name);
	return (struct vds_value){.kind = VDS_KIND_STRS,
				  .count = (uint32_t)len, .s = all};
}

/*
 * The value on top of the stack as a cell. What the cell points to is on top
 * afterwards and must stay on the stack, or in the table, until it is emitted.
 */
static struct vds_value cell(lua_State *L, const struct vds_column *column)
{
	if (lua_islightuserdata(L, -1))
		return vds_absent((enum vds_why)(uintptr_t)
					  lua_touserdata(L, -1));
	switch (column->kind) {
	case VDS_KIND_BOOL:
		if (!lua_isboolean(L, -1))
			wrong(L, column, "a boolean");
		return vds_bool(lua_toboolean(L, -1));
	case VDS_KIND_INT:
	case VDS_KIND_HEX:
	case VDS_KIND_ADDR:
	case VDS_KIND_SIZE:
	case VDS_KIND_TIME:
		return number(L, column);
	case VDS_KIND_INTS:
		return integers(L, column);
	case VDS_KIND_STRS:
		return strings(L, column);
	default:
		return text(L, column);
	}
}

/* The column that the table's key at @index names. */
static size_t column_of(lua_State *L, const struct vds_schema *schema,
			int index)
{
	int found = -1;

	if (lua_type(L, index) != LUA_TSTRING)
		luaL_error(L, "emit: columns are named by strings, not by a "
			   "%s", luaL_typename(L, index));
	const char *name = lua_tostring(L, index);
	found = vds_schema_find(schema, name);
	if (found == -2)
		luaL_error(L, "emit: several columns end in '%s'", name);
	if (found < 0)
		luaL_error(L, "emit: no column is called '%s'", name);
	return (size_t)found;
}

/* What the host goes over to write the row. */
static size_t bytes_of(const struct vds_value *values, size_t count)
{
	size_t bytes = 0;

	for (size_t i = 0; i < count; i++)
		bytes += values[i].kind == VDS_KIND_INTS ?
			 values[i].count * sizeof(uint64_t) : values[i].count;
	return bytes;
}

int vds_lua_emit(lua_State *L)
{
	struct vds_lua *lua = vds_lua_live(L);
	const struct vds_schema *schema = lua->run->session->schema;
	struct vds_value values[VDS_MAX_COLUMNS] = {0};
	bool given[VDS_MAX_COLUMNS] = {false};

	luaL_checktype(L, 1, LUA_TTABLE);
	lua_settop(L, 1);
	/* Two slots a column at most: the key, and a list's memory. */
	luaL_checkstack(L, VDS_MAX_COLUMNS + 16, "too many columns");
	lua_pushnil(L);
	while (lua_next(L, 1)) {
		size_t i = column_of(L, schema, -2);
		if (given[i])
			luaL_error(L, "emit: %s is given twice",
				   schema->columns[i].name);
		given[i] = true;
		values[i] = cell(L, &schema->columns[i]);
		/* Keeps the value below the key, which goes on. */
		lua_insert(L, -2);
	}
	vds_lua_charge(L, bytes_of(values, schema->num_columns) * WRITING);
	vds_lua_raise(lua, vds_emit(lua->run, values));
	return 0;
}
