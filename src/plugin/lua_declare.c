/* SPDX-License-Identifier: Apache-2.0 */
/* What a script declares in its global `plugin`, as a descriptor. */
#include "plugin/lua_state.h"

#include <string.h>

#include "base/util.h"
#include "row/schema.h"

#define MAX_OPTIONS 64

struct word {
	const char *name;
	unsigned int value;
};

static const struct word kinds[] = {
	{"bool", VDS_KIND_BOOL}, {"int", VDS_KIND_INT}, {"hex", VDS_KIND_HEX},
	{"addr", VDS_KIND_ADDR}, {"size", VDS_KIND_SIZE},
	{"time", VDS_KIND_TIME}, {"str", VDS_KIND_STR},
	{"bytes", VDS_KIND_BYTES}, {"flags", VDS_KIND_FLAGS},
	{"ints", VDS_KIND_INTS}, {"strs", VDS_KIND_STRS}, {NULL, 0}};
static const struct word column_flags[] = {
	{"key", VDS_COLUMN_KEY}, {"group", VDS_COLUMN_GROUP},
	{"wide", VDS_COLUMN_WIDE}, {NULL, 0}};
static const struct word option_kinds[] = {
	{"flag", VDS_OPTION_FLAG}, {"uint", VDS_OPTION_UINT},
	{"size", VDS_OPTION_SIZE}, {"str", VDS_OPTION_STR},
	{"uints", VDS_OPTION_UINTS}, {"strs", VDS_OPTION_STRS},
	{"enum", VDS_OPTION_ENUM}, {NULL, 0}};
static const struct word option_flags[] = {
	{"positional", VDS_OPTION_POSITIONAL},
	{"required", VDS_OPTION_REQUIRED}, {NULL, 0}};

static const char *const plugin_keys[] = {
	"name", "version", "summary", "record", "columns", "options", NULL};
static const char *const column_keys[] = {
	"name", "kind", "flags", "title", "unit", "doc", "ecs", NULL};
static const char *const option_keys[] = {
	"name", "kind", "flags", "value_name", "default", "values", "doc",
	NULL};

struct declarer {
	lua_State *L;
	struct vds_arena *arena;
	const char *what;	/* "plugin.columns[3]" */
};

static bool is_listed(const char *const *names, const char *name)
{
	for (; *names; names++) {
		if (!strcmp(*names, name))
			return true;
	}
	return false;
}

/* Refuses keys that mean nothing, in the table on top: mostly typing errors. */
static void check_keys(const struct declarer *d, const char *const *known)
{
	lua_State *L = d->L;

	for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
		if (lua_type(L, -2) != LUA_TSTRING)
			luaL_error(L, "%s: its keys are names, not a %s",
				   d->what, luaL_typename(L, -2));
		if (!is_listed(known, lua_tostring(L, -2)))
			luaL_error(L, "%s: '%s' means nothing here", d->what,
				   lua_tostring(L, -2));
	}
}

/* A copy of string @key of the table on top; NULL if it isn't there. */
static const char *string_of(const struct declarer *d, const char *key)
{
	lua_State *L = d->L;
	char *copy = NULL;

	if (lua_getfield(L, -1, key) != LUA_TNIL) {
		size_t len;
		const char *s = lua_type(L, -1) == LUA_TSTRING ?
					lua_tolstring(L, -1, &len) : NULL;
		if (!s || strlen(s) != len || !vds_lua_is_text(s, len) ||
		    strpbrk(s, "\r\n"))
			luaL_error(L, "%s.%s must be one line of text",
				   d->what, key);
		copy = vds_arena_strdup(d->arena, s);
		if (!copy)
			luaL_error(L, "out of memory");
	}
	lua_pop(L, 1);
	return copy;
}

static const char *required(const struct declarer *d, const char *key)
{
	const char *s = string_of(d, key);

	if (!s)
		luaL_error(d->L, "%s.%s lacks", d->what, key);
	return s;
}

static unsigned int word_of(const struct declarer *d, const char *key,
			    const struct word *words, const char *s, size_t len)
{
	for (; words->name; words++) {
		if (strlen(words->name) == len && !memcmp(words->name, s, len))
			return words->value;
	}
	luaL_error(d->L, "%s.%s: '%s' is unknown", d->what, key, s);
	return 0;
}

static unsigned int kind_of(const struct declarer *d, const struct word *words)
{
	const char *s = required(d, "kind");

	return word_of(d, "kind", words, s, strlen(s));
}

/* Words separated by spaces. */
static uint32_t flags_of(const struct declarer *d, const struct word *words)
{
	const char *s = string_of(d, "flags");
	uint32_t flags = 0;

	while (s && *(s += strspn(s, " "))) {
		size_t len = strcspn(s, " ");
		flags |= word_of(d, "flags", words, s, len);
		s += len;
	}
	return flags;
}

static void read_column(const struct declarer *d, struct vds_column *column)
{
	check_keys(d, column_keys);
	column->name = required(d, "name");
	column->kind = (enum vds_kind)kind_of(d, kinds);
	column->flags = flags_of(d, column_flags);
	column->title = string_of(d, "title");
	column->unit = string_of(d, "unit");
	column->doc = string_of(d, "doc");
	column->ecs = string_of(d, "ecs");
}

static void read_option(const struct declarer *d, struct vds_option *option)
{
	check_keys(d, option_keys);
	option->name = required(d, "name");
	option->kind = (enum vds_option_kind)kind_of(d, option_kinds);
	option->flags = flags_of(d, option_flags);
	option->value_name = string_of(d, "value_name");
	option->def = string_of(d, "default");
	option->values = string_of(d, "values");
	option->doc = string_of(d, "doc");
	if (option->kind == VDS_OPTION_ENUM && !option->values)
		luaL_error(d->L, "%s.values lacks", d->what);
}

/* Pushes list @key of the table on top; its length. */
static size_t push_list(const struct declarer *d, const char *key, size_t max)
{
	lua_State *L = d->L;

	if (lua_getfield(L, -1, key) == LUA_TNIL)
		return 0;
	if (!lua_istable(L, -1))
		luaL_error(L, "%s.%s must be a list of tables", d->what, key);
	size_t count = lua_rawlen(L, -1);
	if (count > max)
		luaL_error(L, "%s.%s has more than %d elements", d->what, key,
			   (int)max);
	return count;
}

/* Pushes element @i of the list on top, and names it. */
static struct declarer element(const struct declarer *d, const char *key,
			       size_t i)
{
	struct declarer inner = *d;
	lua_State *L = d->L;

	inner.what = vds_arena_printf(d->arena, "%s.%s[%zu]", d->what, key,
				      i + 1);
	if (!inner.what)
		luaL_error(L, "out of memory");
	if (lua_rawgeti(L, -1, (lua_Integer)i + 1) != LUA_TTABLE)
		luaL_error(L, "%s must be a table", inner.what);
	return inner;
}

static void read_columns(const struct declarer *d, struct vds_plugin *plugin)
{
	size_t count = push_list(d, "columns", VDS_MAX_COLUMNS);
	struct vds_column *columns =
		vds_arena_calloc(d->arena, count + 1, sizeof(*columns));

	if (!columns)
		luaL_error(d->L, "out of memory");
	if (!count)
		luaL_error(d->L, "%s.columns lacks", d->what);
	for (size_t i = 0; i < count; i++) {
		struct declarer inner = element(d, "columns", i);
		read_column(&inner, &columns[i]);
		lua_pop(d->L, 1);
	}
	lua_pop(d->L, 1);
	plugin->columns = columns;
	plugin->num_columns = count;
	plugin->column_size = sizeof(*columns);
}

/* The caps are options of every script. */
static const struct vds_option caps[] = {
	{.name = VDS_LUA_MEMORY_OPTION, .kind = VDS_OPTION_SIZE,
	 .def = VDS_LUA_MEMORY,
	 .doc = "memory that the script may use, per process"},
	{.name = VDS_LUA_INSTRUCTIONS_OPTION, .kind = VDS_OPTION_UINT,
	 .def = VDS_LUA_INSTRUCTIONS,
	 .doc = "instructions that the script may take, per process"},
};

static void read_options(const struct declarer *d, struct vds_plugin *plugin)
{
	size_t count = push_list(d, "options", MAX_OPTIONS);
	struct vds_option *options = vds_arena_calloc(
		d->arena, count + VDS_ARRAY_SIZE(caps), sizeof(*options));

	if (!options)
		luaL_error(d->L, "out of memory");
	for (size_t i = 0; i < count; i++) {
		struct declarer inner = element(d, "options", i);
		read_option(&inner, &options[i]);
		for (size_t j = 0; j < VDS_ARRAY_SIZE(caps); j++) {
			if (!strcmp(options[i].name, caps[j].name))
				luaL_error(d->L, "%s.name: every script has "
					   "this option", inner.what);
		}
		lua_pop(d->L, 1);
	}
	lua_pop(d->L, 1);
	memcpy(options + count, caps, sizeof(caps));
	plugin->options = options;
	plugin->num_options = count + VDS_ARRAY_SIZE(caps);
	plugin->option_size = sizeof(*options);
}

static bool has_function(lua_State *L, const char *name)
{
	int type = lua_getglobal(L, name);

	if (type != LUA_TNIL && type != LUA_TFUNCTION)
		luaL_error(L, "%s must be a function", name);
	lua_pop(L, 1);
	return type == LUA_TFUNCTION;
}

/* True if the script runs once, and not for each process. */
static bool check_functions(lua_State *L)
{
	bool any = false, once = has_function(L, VDS_LUA_ONCE);

	for (size_t i = 0; i < VDS_LUA_NUM_FUNCTIONS; i++)
		any |= has_function(L, vds_lua_functions[i]);
	if (!any && !once)
		luaL_error(L, "it defines none of on_process, on_vad, "
			   "on_section, on_end and once");
	if (any && once)
		luaL_error(L, "once is called for the whole image, on_process "
			   "and its like for each process: it can't have "
			   "both");
	return once;
}

void vds_lua_declare(lua_State *L, struct vds_arena *arena,
		     struct vds_plugin *plugin)
{
	const struct declarer d = {L, arena, "plugin"};

	if (lua_getglobal(L, "plugin") != LUA_TTABLE)
		luaL_error(L, "it declares nothing: `plugin` must be a table");
	check_keys(&d, plugin_keys);
	*plugin = (struct vds_plugin){
		.abi_major = VDS_ABI_MAJOR, .abi_minor = VDS_ABI_MINOR,
		.size = sizeof(*plugin), .scope = VDS_PER_PROCESS,
		.name = required(&d, "name"),
		.version = required(&d, "version"),
		.summary = required(&d, "summary"),
		.record = required(&d, "record"),
		.run = vds_lua_run,
	};
	read_columns(&d, plugin);
	read_options(&d, plugin);
	if (check_functions(L))
		plugin->scope = VDS_ONCE;
}
