/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The part of Lua's library that a script sees. Left out is what reaches beyond
 * the state (io, os, require, load, debug), what could catch the caps (pcall,
 * coroutines, finalizers), what runs unboundedly in C where no hook counts
 * (patterns, table.move, string.rep of nothing), and what shows addresses or
 * hash order, which differ from run to run.
 */
#include "plugin/lua_state.h"

#include <stdlib.h>
#include <string.h>

/* Lua's own functions that stay; a NULL ends a library. */
static const char *const base_names[] = {
	"assert", "error", "getmetatable", "ipairs", "rawequal", "rawget",
	"rawlen", "rawset", "select", "tonumber", "type", NULL};
static const char *const string_names[] = {
	"byte", "char", "len", "lower", "pack", "packsize", "reverse", "sub",
	"unpack", "upper", NULL};
static const char *const table_names[] = {"concat", "pack", "unpack", NULL};
static const char *const utf8_names[] = {"char", "codepoint", "codes", "len",
					 "offset", NULL};
static const char *const math_names[] = {
	"abs", "ceil", "floor", "fmod", "huge", "max", "maxinteger", "min",
	"mininteger", "modf", "tointeger", "type", "ult", NULL};

/*
 * Written in Lua so that their work is counted and a hostile __len or __index
 * can't run away with it. The sort is a merge sort: equal elements stay in
 * order, and no clock picks a pivot.
 */
static const char prelude[] =
	"local table, select, type, error = table, select, type, error\n"
	"function table.insert(t, ...)\n"
	"  local n, at, v = #t, ...\n"
	"  if select('#', ...) == 1 then t[n + 1] = at return end\n"
	"  if at < 1 or at > n + 1 then error('out of bounds', 2) end\n"
	"  for i = n, at, -1 do t[i + 1] = t[i] end\n"
	"  t[at] = v\n"
	"end\n"
	"function table.remove(t, at)\n"
	"  local n = #t\n"
	"  at = at or n\n"
	"  if n == 0 and at == 0 then return nil end\n"
	"  if at < 1 or at > n + 1 then error('out of bounds', 2) end\n"
	"  local v = t[at]\n"
	"  for i = at, n do t[i] = t[i + 1] end\n"
	"  return v\n"
	"end\n"
	"function table.sort(t, less)\n"
	"  less = less or function(a, b) return a < b end\n"
	"  local n, width, from, to = #t, 1, t, {}\n"
	"  while width < n do\n"
	"    for low = 1, n, 2 * width do\n"
	"      local i, j = low, low + width\n"
	"      local middle, high = j, low + 2 * width\n"
	"      if middle > n + 1 then middle = n + 1 end\n"
	"      if high > n + 1 then high = n + 1 end\n"
	"      for k = low, high - 1 do\n"
	"        if i < middle and (j >= high or not less(from[j], from[i]))\n"
	"        then to[k] = from[i] i = i + 1\n"
	"        else to[k] = from[j] j = j + 1 end\n"
	"      end\n"
	"    end\n"
	"    from, to, width = to, from == t and {} or from, width * 2\n"
	"  end\n"
	"  if from ~= t then for k = 1, n do t[k] = from[k] end end\n"
	"end\n";

/* Text of the value at @index, on the stack; never an address. */
static void push_text(lua_State *L, int index)
{
	int type = lua_type(L, index);

	if (type == LUA_TNIL || type == LUA_TBOOLEAN || type == LUA_TNUMBER ||
	    type == LUA_TSTRING) {
		luaL_tolstring(L, index, NULL);
	} else if (luaL_getmetafield(L, index, "__tostring") != LUA_TNIL) {
		lua_pop(L, 1);
		luaL_tolstring(L, index, NULL);
	} else {
		lua_pushstring(L, luaL_typename(L, index));
	}
}

static int to_string(lua_State *L)
{
	luaL_checkany(L, 1);
	push_text(L, 1);
	return 1;
}

/* Counts the bytes of all strings that a function was given. */
static void charge_strings(lua_State *L)
{
	size_t bytes = 0;

	for (int i = lua_gettop(L); i >= 1; i--) {
		if (lua_type(L, i) == LUA_TSTRING)
			bytes += lua_rawlen(L, i);
	}
	vds_lua_charge(L, bytes);
}

/* string.format, which is upvalue 1, without %p and addresses of tables. */
static int format(lua_State *L)
{
	const char *c = luaL_checkstring(L, 1);

	while ((c = strchr(c, '%'))) {
		c += 1 + strspn(c + 1, "-+ #0123456789.");
		if (*c == 'p')
			return luaL_error(L, "'%%p' would show an address");
		if (*c)
			c++;
	}
	for (int i = 2; i <= lua_gettop(L); i++) {
		if (lua_type(L, i) < LUA_TTABLE &&
		    lua_type(L, i) != LUA_TLIGHTUSERDATA)
			continue;
		push_text(L, i);
		lua_replace(L, i);
	}
	charge_strings(L);
	lua_pushvalue(L, lua_upvalueindex(1));
	lua_insert(L, 1);
	lua_call(L, lua_gettop(L) - 1, 1);
	return 1;
}

/* string.rep, which is upvalue 1: of nothing, it would loop for nothing. */
static int repeat(lua_State *L)
{
	size_t len, separator;

	luaL_checklstring(L, 1, &len);
	luaL_optlstring(L, 3, "", &separator);
	if (!len && !separator) {
		lua_pushliteral(L, "");
		return 1;
	}
	lua_pushvalue(L, lua_upvalueindex(1));
	lua_insert(L, 1);
	lua_call(L, lua_gettop(L) - 1, 1);
	return 1;
}

/* find(text, word [, first]): plain text, in linear time. */
static int find(lua_State *L)
{
	size_t len, word_len;
	const char *text = luaL_checklstring(L, 1, &len);
	const char *word = luaL_checklstring(L, 2, &word_len);
	lua_Integer first = luaL_optinteger(L, 3, 1);

	if (first < 1 || (lua_Unsigned)first > len + 1) {
		lua_pushnil(L);
		return 1;
	}
	vds_lua_charge(L, len + word_len);
	size_t skip = (size_t)first - 1;
	const char *at = memmem(text + skip, len - skip, word, word_len);
	if (!at) {
		lua_pushnil(L);
		return 1;
	}
	lua_pushinteger(L, at - text + 1);
	lua_pushinteger(L, at - text + (lua_Integer)word_len);
	return 2;
}

/* glob(pattern, text): as --process matches. */
static int glob(lua_State *L)
{
	size_t len, pattern_len;
	const char *pattern = luaL_checklstring(L, 1, &pattern_len);
	const char *text = luaL_checklstring(L, 2, &len);

	/* Its time is the product of the two. */
	luaL_argcheck(L, pattern_len <= 256, 1, "longer than 256 bytes");
	luaL_argcheck(L, len <= 65536, 2, "longer than 65536 bytes");
	/* Without stars it is done with the first letter that differs. */
	vds_lua_charge(L, (pattern_len + 1) * (strchr(pattern, '*') ? len : 1));
	lua_pushboolean(L, vds_match(pattern, text));
	return 1;
}

/* setmetatable without finalizers, which run where nothing is counted. */
static int set_metatable(lua_State *L)
{
	luaL_checktype(L, 1, LUA_TTABLE);
	luaL_argexpected(L, lua_isnil(L, 2) || lua_istable(L, 2), 2,
			 "nil or table");
	lua_settop(L, 2);
	if (luaL_getmetafield(L, 1, "__metatable") != LUA_TNIL)
		return luaL_error(L, "cannot change a protected metatable");
	if (lua_istable(L, 2)) {
		lua_pushliteral(L, "__gc");
		if (lua_rawget(L, 2) != LUA_TNIL)
			return luaL_error(L, "there are no finalizers (__gc)");
		lua_pushliteral(L, "__mode");
		if (lua_rawget(L, 2) != LUA_TNIL)
			return luaL_error(L, "there are no weak tables "
					  "(__mode)");
		lua_settop(L, 2);
	}
	lua_setmetatable(L, 1);
	return 1;
}

/* A key as pairs() sorts it: by type, then by value. */
struct key {
	int type;
	bool is_integer;
	lua_Integer integer;
	lua_Number number;
	const char *text;
	size_t len;
};

static int compare_keys(const void *left, const void *right)
{
	const struct key *a = left, *b = right;

	if (a->type != b->type)
		return a->type < b->type ? -1 : 1;
	if (a->type == LUA_TSTRING) {
		size_t len = a->len < b->len ? a->len : b->len;
		int order = memcmp(a->text, b->text, len);
		return order ? order : (a->len > b->len) - (a->len < b->len);
	}
	if (a->type == LUA_TNUMBER && !(a->is_integer && b->is_integer) &&
	    (a->number < b->number || a->number > b->number))
		return a->number < b->number ? -1 : 1;
	return (a->integer > b->integer) - (a->integer < b->integer);
}

/* The key on top of the stack. Its text stays the table's. */
static void read_key(lua_State *L, struct key *key)
{
	*key = (struct key){.type = lua_type(L, -1)};
	switch (key->type) {
	case LUA_TBOOLEAN:
		key->integer = lua_toboolean(L, -1);
		break;
	case LUA_TNUMBER:
		key->is_integer = lua_isinteger(L, -1);
		key->number = lua_tonumber(L, -1);
		if (key->is_integer)
			key->integer = lua_tointeger(L, -1);
		break;
	case LUA_TSTRING:
		key->text = lua_tolstring(L, -1, &key->len);
		break;
	default:
		luaL_error(L, "pairs() has no order for a key that is a %s",
			   luaL_typename(L, -1));
	}
}

/* An array of the keys of the table at 1, in order; pushed. */
static lua_Integer push_keys(lua_State *L)
{
	size_t count = 0, i = 0;

	for (lua_pushnil(L); lua_next(L, 1); lua_pop(L, 1))
		count++;
	struct key *keys = lua_newuserdatauv(L, count * sizeof(*keys), 0);
	for (lua_pushnil(L); lua_next(L, 1);) {
		lua_pop(L, 1);
		read_key(L, &keys[i++]);
	}
	if (count)
		qsort(keys, count, sizeof(*keys), compare_keys);
	lua_createtable(L, 0, 0);
	for (i = 0; i < count; i++) {
		if (keys[i].type == LUA_TSTRING)
			lua_pushlstring(L, keys[i].text, keys[i].len);
		else if (keys[i].type == LUA_TBOOLEAN)
			lua_pushboolean(L, (int)keys[i].integer);
		else if (keys[i].is_integer)
			lua_pushinteger(L, keys[i].integer);
		else
			lua_pushnumber(L, keys[i].number);
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
	lua_remove(L, -2);
	return (lua_Integer)count;
}

/* Upvalues: the table, its keys, how many, and how many are done. */
static int next_pair(lua_State *L)
{
	lua_Integer count = lua_tointeger(L, lua_upvalueindex(3));
	lua_Integer i = lua_tointeger(L, lua_upvalueindex(4));

	while (i < count) {
		lua_settop(L, 0);
		lua_rawgeti(L, lua_upvalueindex(2), ++i);
		lua_pushvalue(L, 1);
		if (lua_rawget(L, lua_upvalueindex(1)) == LUA_TNIL)
			continue;
		lua_pushinteger(L, i);
		lua_replace(L, lua_upvalueindex(4));
		return 2;
	}
	lua_pushinteger(L, i);
	lua_replace(L, lua_upvalueindex(4));
	lua_pushnil(L);
	return 1;
}

static int sorted_pairs(lua_State *L)
{
	luaL_checktype(L, 1, LUA_TTABLE);
	lua_settop(L, 1);
	lua_Integer count = push_keys(L);
	lua_pushinteger(L, count);
	lua_pushinteger(L, 0);
	lua_pushcclosure(L, next_pair, 4);
	return 1;
}

/* What one value on the stack counts: it is moved more than once. */
#define VALUE_BYTES 64

/*
 * The function of Lua's that is upvalue 1. No hook counts what it does in C: the
 * strings that it is given, and the values that it returns, count instead.
 */
static int charged(lua_State *L)
{
	charge_strings(L);
	int results = lua_tocfunction(L, lua_upvalueindex(1))(L);
	vds_lua_charge(L, (size_t)results * VALUE_BYTES);
	return results;
}

/* The named functions of the library, in a new table: global @name, or _G. */
static void keep(lua_State *L, const char *name, lua_CFunction open,
		 const char *const *names)
{
	luaL_requiref(L, name, open, 0);
	lua_newtable(L);
	for (; *names; names++) {
		lua_getfield(L, -2, *names);
		if (lua_iscfunction(L, -1))
			lua_pushcclosure(L, charged, 1);
		lua_setfield(L, -2, *names);
	}
	lua_remove(L, -2);
}

static void open_strings(lua_State *L)
{
	luaL_requiref(L, "string", luaopen_string, 0);
	keep(L, "string", luaopen_string, string_names);
	lua_getfield(L, -2, "format");
	lua_pushcclosure(L, format, 1);
	lua_setfield(L, -2, "format");
	lua_getfield(L, -2, "rep");
	lua_pushcclosure(L, repeat, 1);
	lua_setfield(L, -2, "rep");
	lua_pushcfunction(L, find);
	lua_setfield(L, -2, "find");
	lua_pushcfunction(L, glob);
	lua_setfield(L, -2, "glob");
	/* ("x"):len() goes by the metatable of strings: to this table, too. */
	lua_pushliteral(L, "");
	lua_newtable(L);
	lua_pushvalue(L, -3);
	lua_setfield(L, -2, "__index");
	lua_pushboolean(L, 0);
	lua_setfield(L, -2, "__metatable");
	lua_setmetatable(L, -2);
	lua_pop(L, 1);
	lua_remove(L, -2);
}

void vds_lua_open_library(lua_State *L)
{
	static const luaL_Reg own[] = {{"pairs", sorted_pairs},
				       {"tostring", to_string},
				       {"setmetatable", set_metatable},
				       {NULL, NULL}};

	keep(L, "_G", luaopen_base, base_names);
	luaL_setfuncs(L, own, 0);
	open_strings(L);
	lua_setfield(L, -2, "string");
	keep(L, "table", luaopen_table, table_names);
	lua_setfield(L, -2, "table");
	keep(L, "utf8", luaopen_utf8, utf8_names);
	lua_setfield(L, -2, "utf8");
	keep(L, "math", luaopen_math, math_names);
	lua_setfield(L, -2, "math");
	lua_pushvalue(L, -1);
	lua_setfield(L, -2, "_G");
	/* From here on these are all globals that there are. */
	lua_rawseti(L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
	if (luaL_loadbufferx(L, prelude, sizeof(prelude) - 1, "=table", "t"))
		lua_error(L);
	lua_call(L, 0, 0);
	lua_pushnil(L);
	lua_setfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
}
